//! Running: hands claimed runs to their handlers and sorts how they end. Panics and time-outs are outcomes.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use jiff::SignedDuration;
use tokio::{sync::mpsc::UnboundedSender, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Context, End, Handler, Handlers, Shared, Stopped, finisher::Ended, places::Places};
use crate::{
    domain::{Counts, ErrorKind, Failure, Holder, Next, Outcome, RunError, ShopId, Trigger, retry},
    store::{Claimed, Finish, Finished},
};

/// How long a handler has to reach a safe point once its time is up.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// A run that was under way at as many deaths of daemons is taken for their cause.
const DEATHS: u32 = 5;

/// Carries out runs, as many as there are places for.
pub(super) struct Runner {
    shared: Arc<Shared>,
    handlers: Arc<Handlers>,
    places: Arc<Mutex<Places>>,
    tasks: JoinSet<()>,
    finished: UnboundedSender<Ended>,
    cancel: CancellationToken,
}

impl Runner {
    pub(super) fn new(shared: Arc<Shared>, handlers: Handlers, slots: u32, finished: UnboundedSender<Ended>) -> Self {
        Self {
            shared,
            handlers: Arc::new(handlers),
            places: Arc::new(Mutex::new(Places::new(slots))),
            tasks: JoinSet::new(),
            finished,
            cancel: CancellationToken::new(),
        }
    }

    /// The places as they are taken now.
    pub(super) fn places(&self) -> Places {
        lock(&self.places).clone()
    }

    /// Forgets tasks that have ended.
    pub(super) fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }

    /// Asks everything under way to end at its next safe point.
    pub(super) fn cancel_all(&mut self) {
        if !self.tasks.is_empty() {
            std::mem::replace(&mut self.cancel, CancellationToken::new()).cancel();
        }
    }

    /// Starts a claimed run.
    pub(super) fn start(&mut self, run: Claimed, holder: &Holder) {
        let shared = &self.shared;
        shared.metrics.observe_dispatch_lag(shared.clock.now().duration_since(run.due_at));
        tell_start(&run);
        let context = Context::of(&run, holder, self.cancel.child_token(), shared.progress.clone());
        lock(&self.places).take(&run.channel);
        shared.open.lock().unwrap_or_else(PoisonError::into_inner).insert(run.id, Some(run.clone()));
        let handler = self.handlers.get(&run.job).cloned();
        let (shared, places) = (shared.clone(), self.places.clone());
        let finished = self.finished.clone();
        self.tasks.spawn(async move {
            let begun = std::time::Instant::now();
            let ended = attempt(&shared, handler, &run, context).await;
            let took = SignedDuration::try_from(begun.elapsed()).unwrap_or(SignedDuration::MAX);
            shared.metrics.observe_run_duration(run.job, took);
            let end = settle(&shared, &run, ended).await;
            shared.open.lock().unwrap_or_else(PoisonError::into_inner).insert(run.id, None);
            let _ = finished.send(end);
            lock(&places).leave(&run.channel);
            shared.slot_is_free();
        });
    }

    /// Waits until everything under way has ended.
    pub(super) async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Cancels everything, waits until then, cuts off what is left, and gives that back.
    pub(super) async fn drain(&mut self, until: Instant) {
        self.cancel_all();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout_at(until, all).await;
        self.tasks.shutdown().await;
        lock(&self.places).clear();
        for open in self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
            if let Some(run) = open.take() {
                let _ = self.finished.send(end(&run, Finish::GivenBack, Counts::default(), None));
            }
        }
    }
}

fn lock(places: &Mutex<Places>) -> MutexGuard<'_, Places> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell_start(run: &Claimed) {
    let shop = run.shop.as_ref().map(ShopId::as_str);
    let (job, id, attempt) = (run.job.as_str(), run.id.0, run.attempt);
    if run.taken_over {
        tracing::warn!(
            event = "run.taken_over",
            shop.id = shop,
            job,
            run.id = id,
            run.attempt = attempt,
            "{job} goes on here after its instance died"
        );
    }
    if run.trigger == Trigger::Schedule || run.again {
        tracing::debug!(event = "run.started", shop.id = shop, job, run.id = id, run.attempt = attempt, "{job} starts");
    } else {
        let trigger = run.trigger.as_str();
        tracing::info!(
            event = "run.started",
            shop.id = shop,
            job,
            run.id = id,
            run.attempt = attempt,
            trigger,
            "{job} starts"
        );
    }
}

fn end(run: &Claimed, finish: Finish, counts: Counts, error: Option<RunError>) -> Ended {
    let error = error.map(|error| (error.kind, error.text, error.remedy));
    let finished = Finished { id: run.id, lease_number: run.lease_number, finish, counts, error };
    Ended { finished, shop: run.shop.clone(), job: run.job, attempt: run.attempt }
}

/// One attempt, whatever the handler does to it.
async fn attempt(
    shared: &Shared,
    handler: Option<Arc<dyn Handler>>,
    run: &Claimed,
    context: Context,
) -> Result<End, Stopped> {
    let Some(handler) = handler else {
        return Err(bug(format!("this program has nothing that carries out {}", run.job)));
    };
    if run.deaths >= DEATHS {
        return Err(bug(format!("the daemon died {} times while it carried this run out", run.deaths)));
    }
    let cancel = context.cancel.clone();
    let limit = handler.time_limit();
    let mut work = std::pin::pin!(AssertUnwindSafe(handler.run(context)).catch_unwind());
    let ended = tokio::select! {
        ended = &mut work => ended,
        () = shared.clock.sleep(limit) => {
            cancel.cancel();
            let counts = match tokio::time::timeout(LAST_WORDS, work).await {
                Ok(Ok(Ok(End::Ended(outcome, counts)))) => return Ok(End::Ended(outcome, counts)),
                Ok(Ok(Ok(End::GivenBack(counts)))) => counts,
                Ok(Ok(Err(stopped))) => stopped.counts,
                Ok(Err(_)) | Err(_) => Counts::default(),
            };
            return Err(Stopped { counts, error: timed_out(limit) });
        }
    };
    match ended {
        Ok(ended) => ended,
        Err(panic) => Err(bug(format!("a fault in the program: {}", words(panic.as_ref())))),
    }
}

fn timed_out(limit: SignedDuration) -> RunError {
    RunError {
        failure: Failure::Unavailable { retry_at: None },
        kind: ErrorKind::TimedOut,
        text: format!("it took longer than {limit:#}"),
        remedy: "it goes on from where it stopped; if this repeats, look at how fast the channel answers".to_owned(),
    }
}

fn bug(text: String) -> Stopped {
    let error = RunError {
        failure: Failure::Bug,
        kind: ErrorKind::Bug,
        text,
        remedy: "report this, with the log lines around it".to_owned(),
    };
    Stopped { counts: Counts::default(), error }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it did not say what")
}

/// What follows from how an attempt ended.
async fn settle(shared: &Shared, run: &Claimed, ended: Result<End, Stopped>) -> Ended {
    let stopped = match ended {
        Ok(End::Ended(outcome, counts)) => return end(run, Finish::Ended(outcome), counts, None),
        Ok(End::GivenBack(counts)) => return end(run, Finish::GivenBack, counts, None),
        Err(stopped) => stopped,
    };
    let now = shared.clock.now();
    let period = period(shared, run).await;
    let finish = match retry::decide(&stopped.error.failure, run.attempt, now, period, jitter()) {
        Next::Retry { at, counted } => Finish::Retry { at, counted },
        Next::Hold => Finish::Ended(Outcome::Held),
        Next::GiveUp => Finish::Ended(Outcome::Failed),
    };
    end(run, finish, stopped.counts, Some(stopped.error))
}

/// The length of the schedule's period, which bounds the wait for another attempt. An unreadable one bounds nothing.
async fn period(shared: &Shared, run: &Claimed) -> Option<SignedDuration> {
    let now = shared.clock.now();
    let mut tx = shared.store.read(now).await.ok()?;
    let row = tx.schedule(run.shop.as_ref(), run.job).await.ok()??;
    row.period.length(now)
}

/// A number in `0.0..1.0` that differs from run to run.
fn jitter() -> f64 {
    // Without randomness the waits of a crowd are equal: worse for the channel, no worse for the run.
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / (f64::from(u32::MAX) + 1.0))
}
