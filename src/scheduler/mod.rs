//! The scheduler: due schedules become runs, runs are claimed and handed to their handler, and whatever happens to them
//! is written down.
//!
//! It does not know the name of any job. The truth is in the store; the timer only decides when to look. Every instance does the same; the
//! database is the judge of who runs what.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::SignedDuration;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    clock::Clock,
    domain::{Counts, Demand, Holder, JobKind, Outcome, RunError, RunId, ShopId, Trigger},
    store::{Asked, Claimed, NewRun, Store, StoreError, Tx},
    telemetry::metrics::Metrics,
};

pub mod calendar;
mod finisher;
mod life;
mod places;
mod planner;
mod runner;
mod timer;

pub use life::at_work;

/// What a handler is given. Jobs do not know why they were started.
#[derive(Clone)]
pub struct Context {
    /// The run's number.
    pub run: RunId,
    /// Its fencing number: jobs ask [`crate::store::Tx::holds_run`] with it in the transaction in which they write.
    pub lease_number: i64,
    /// Its shop; `None` for the daemon's own jobs.
    pub shop: Option<ShopId>,
    /// What it does.
    pub job: JobKind,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// What a person demanded.
    pub demand: Demand,
    /// Fires when the daemon stops or the claim is lost: end at the next safe point with [`End::GivenBack`].
    pub cancel: CancellationToken,
    /// Who runs it.
    pub holder: Holder,
    /// Says how far the run has come, for people: (done, of how many).
    pub progress: Progress,
}

impl Context {
    /// That of a run that `holder` has claimed.
    pub fn of(run: &Claimed, holder: &Holder, cancel: CancellationToken, progress: Progress) -> Self {
        Self {
            run: run.id,
            lease_number: run.lease_number,
            shop: run.shop.clone(),
            job: run.job,
            attempt: run.attempt,
            demand: run.demand,
            cancel,
            holder: holder.clone(),
            progress,
        }
    }
}

/// How far runs have come. Kept in memory: it is for people who watch.
#[derive(Clone, Default)]
pub struct Progress(Arc<Mutex<BTreeMap<RunId, Far>>>);

/// What is behind, and of how much.
type Far = (u64, Option<u64>);

impl Progress {
    /// Notes that `done` are behind, `of` how many where that is known.
    pub fn set(&self, run: RunId, done: u64, of: Option<u64>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(run, (done, of));
    }

    /// How far a run has come; `None` for one that said nothing or is over.
    pub fn get(&self, run: RunId) -> Option<(u64, Option<u64>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&run).copied()
    }

    fn clear(&self, run: RunId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }
}

/// How an attempt ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With this outcome.
    Ended(Outcome, Counts),
    /// At a safe point, unfinished, because the daemon stops: it is given back and goes on elsewhere or later.
    GivenBack(Counts),
}

/// How an attempt ended badly; what it did until then counts.
#[derive(Debug, Clone)]
pub struct Stopped {
    /// What it did.
    pub counts: Counts,
    /// Why it stopped.
    pub error: RunError,
}

/// Carries out the runs of one job kind.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Carries out one attempt. Cut off at any line, it is run again; whatever it writes, it writes so that this is harmless.
    async fn run(&self, context: Context) -> Result<End, Stopped>;

    /// How long an attempt may take at most; then it is cancelled and counts as timed out.
    fn time_limit(&self) -> SignedDuration {
        SignedDuration::from_mins(30)
    }
}

/// The handlers by job kind.
pub type Handlers = BTreeMap<JobKind, Arc<dyn Handler>>;

/// What the scheduler needs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who this is.
    pub holder: Holder,
    /// How many runs of one channel go on at once. There are some more places, which are for the other channels.
    pub slots: u32,
    /// Whether other instances may share the database (PostgreSQL). Without it, whoever runs a scheduler holds
    /// [`crate::store::lock::InstanceLock`], and everything that earlier instances left behind is taken over at once.
    pub shared: bool,
    /// The digest of the settings served: peers compare it.
    pub settings_digest: String,
    /// Begins standing by, claiming nothing: its settings differ from the accepted ones.
    pub standing_by: bool,
    /// Where lag and durations are counted.
    pub metrics: Metrics,
}

/// Without a beat for as long, an instance starts nothing and cancels what it does: one whose beat moves within it works.
pub const SILENT: Duration = Duration::from_secs(6);

/// How fast an instance notices things: real spans, by the boot-time clock.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Between two beats.
    beat: Duration,
    /// Between two looks at the peers' beats.
    watch: Duration,
    /// Without a beat for as long, an instance starts nothing and cancels what it does.
    silent: Duration,
    /// A peer whose beat has stood still for as long is dead.
    dead: Duration,
    /// After as long the rights of the dead are over too, whatever their cover.
    covered: Duration,
}

impl Pace {
    const USUAL: Self = Self {
        beat: Duration::from_secs(3),
        watch: Duration::from_millis(500),
        silent: SILENT,
        dead: Duration::from_secs(9),
        covered: Duration::from_secs(20),
    };
}

/// What the parts of a scheduler and its handles share.
struct Shared {
    store: Store,
    clock: Clock,
    metrics: Metrics,
    progress: Progress,
    /// Looks again at once.
    wake: Notify,
    /// Moves whenever runs have ended.
    ended: watch::Sender<()>,
    /// When the planner last looked, or tried to: moves with each look.
    looked: watch::Sender<Instant>,
    /// Something waits for a place: the next run that ends wakes the planner.
    starving: AtomicBool,
    standing_by: AtomicBool,
    /// Of the settings that are served now.
    settings_digest: Mutex<String>,
    /// Why newer ones were refused, if they were.
    settings_error: Mutex<Option<String>>,
    /// Who this instance is now: changes when it was declared dead.
    holder: Mutex<Holder>,
    trouble: Mutex<Option<String>>,
    /// The runs claimed here that are not written down as ended: under way, or (without a claim) waiting to be written.
    open: Mutex<BTreeMap<RunId, Option<Claimed>>>,
}

impl Shared {
    fn holder(&self) -> Holder {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes, and logs once, that the store does not do as asked.
    fn trouble(&self, error: &StoreError) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.is_none() {
            tracing::error!(event = "store.trouble", error = %error, "the database does not answer as it should; trying on: {error}");
        }
        *trouble = Some(error.to_string());
    }

    fn no_trouble(&self) {
        if self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::info!(event = "store.recovered", "the database answers again");
        }
    }
}

/// A running scheduler's other end. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

impl Handle {
    /// Looks again at once: schedules changed.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Asks for a run now, which joins one that is unfinished: see [`crate::store::Tx::run_now`].
    pub async fn run_now(
        &self,
        shop: Option<&ShopId>,
        job: JobKind,
        demand: Demand,
        trigger: Trigger,
    ) -> Result<Asked, StoreError> {
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        let asked = tx.run_now(&NewRun { shop: shop.cloned(), job, demand }, trigger).await?;
        tx.commit().await?;
        self.wake();
        Ok(asked)
    }

    /// Waits until a run is over, whichever instance carries it out.
    pub async fn wait(&self, run: RunId) -> Result<crate::domain::Run, StoreError> {
        self.wait_until(run, |found| found.state.is_final()).await
    }

    /// Waits until a run stands as wanted, whichever instance carries it out.
    pub async fn wait_until(
        &self,
        run: RunId,
        wanted: impl Fn(&crate::domain::Run) -> bool,
    ) -> Result<crate::domain::Run, StoreError> {
        let mut ended = self.0.ended.subscribe();
        loop {
            let mut tx = self.0.store.read(self.0.clock.now()).await?;
            let Some(found) = tx.run(run).await? else {
                return Err(StoreError::RunGone(run));
            };
            drop(tx);
            if wanted(&found) {
                return Ok(found);
            }
            // Another instance's runs are not heard of: they are looked at.
            let _ = tokio::time::timeout(timer::LONGEST, ended.changed()).await;
        }
    }

    /// Has the planner look, and waits until it begins to. A look before that is over by then.
    pub async fn look(&self) {
        let mut looked = self.0.looked.subscribe();
        self.wake();
        let _ = looked.changed().await;
    }

    /// How far runs have come.
    pub fn progress(&self) -> Progress {
        self.0.progress.clone()
    }

    /// When the planner last looked (or tried to): the watchdog is fed by it.
    pub fn last_planned(&self) -> Instant {
        *self.0.looked.borrow()
    }

    /// What is wrong with the database, as long as it is.
    pub fn trouble(&self) -> Option<String> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who this instance is now. It changes when peers declared it dead and it began anew.
    pub fn holder(&self) -> Holder {
        self.0.holder()
    }

    /// Why the newest settings files were refused here, if they were.
    pub fn settings_error(&self) -> Option<String> {
        self.0.settings_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why they were, or that they were not: where this instance is recorded anew it says so again.
    pub fn set_settings_error(&self, error: Option<String>) {
        *self.0.settings_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// Tells the peers which settings are served, and commits. An instance that stands by claims nothing, and what it does
    /// ends at the next safe point.
    pub async fn serve_settings(&self, mut tx: Tx, digest: &str, standing_by: bool) -> Result<(), StoreError> {
        tx.set_instance_settings(&self.0.holder(), digest, standing_by).await?;
        tx.commit().await?;
        digest.clone_into(&mut self.0.settings_digest.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.standing_by.store(standing_by, Ordering::Release);
        self.wake();
        Ok(())
    }
}

/// Makes a scheduler. Nothing happens before [`Scheduler::run`].
pub struct Scheduler {
    shared: Arc<Shared>,
    handlers: Handlers,
    settings: Settings,
    pace: Pace,
}

impl Scheduler {
    /// Puts it together.
    pub fn new(store: Store, clock: Clock, handlers: Handlers, settings: Settings) -> (Self, Handle) {
        let shared = Arc::new(Shared {
            store,
            clock,
            metrics: settings.metrics.clone(),
            progress: Progress::default(),
            wake: Notify::new(),
            ended: watch::Sender::new(()),
            looked: watch::Sender::new(Instant::now()),
            starving: AtomicBool::new(false),
            standing_by: AtomicBool::new(settings.standing_by),
            settings_digest: Mutex::new(settings.settings_digest.clone()),
            settings_error: Mutex::default(),
            holder: Mutex::new(settings.holder.clone()),
            trouble: Mutex::new(None),
            open: Mutex::default(),
        });
        let handle = Handle(shared.clone());
        (Self { shared, handlers, settings, pace: Pace::USUAL }, handle)
    }

    /// Plans, claims and runs until `stop` fires; then takes no more work, lets runs reach their next safe point for at most `grace`,
    /// gives back what is left, and returns: six seconds after that at the latest, whatever the database does. Both are counted from
    /// the moment in which `stop` fired.
    ///
    /// # Errors
    /// Only what kept it from giving back at the end: a database that is out of reach meanwhile is waited for.
    pub async fn run(self, stop: CancellationToken, grace: SignedDuration) -> Result<(), StoreError> {
        let Self { shared, handlers, settings, pace } = self;
        let (finished, ends) = finisher::channel();
        let finisher = tokio::spawn(finisher::write_down(shared.clone(), ends));
        let _listener = AbortOnDropHandle::new(tokio::spawn(timer::listen(shared.clone())));
        let mut runner = runner::Runner::new(shared.clone(), handlers, settings.slots, finished);
        let mut planner = planner::Planner::new(shared.clone());
        let asked = moment_of(stop.clone());
        let mut incarnation = 0_u32;
        let mut last = None;
        while !stop.is_cancelled() {
            let Some(life) = life::begin(&shared, &settings, pace, incarnation, &stop).await else { break };
            planner.work(&mut runner, &life, &stop).await;
            if stop.is_cancelled() {
                last = Some(life);
                break;
            }
            // Said here, whoever found it out: the beat, or the planner's own look.
            tracing::warn!(event = "instance.refused", "peers declared this instance dead; it begins anew");
            // Whatever still goes on here may go on elsewhere too.
            runner.drain(Instant::now() + pace.beat).await;
            incarnation += 1;
        }
        let asked = asked.await.unwrap_or_else(|_| Instant::now());
        let drained = asked + Duration::try_from(grace).unwrap_or_default();
        runner.drain(drained).await;
        let done = finisher::close(runner, finisher, drained + pace.silent / 2).await;
        if let Some(life) = last {
            life.end(&shared, drained + pace.silent).await?;
        }
        done
    }
}

/// When `stop` fires: what a stop may take is counted from there, whatever is under way at that moment.
pub fn moment_of(stop: CancellationToken) -> AbortOnDropHandle<Instant> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        stop.cancelled().await;
        Instant::now()
    }))
}

impl Scheduler {
    /// Carries out one attempt of one waiting run and nothing else, for commands that work without a daemon.
    pub async fn run_one(self, run: RunId) -> Result<(), StoreError> {
        let Self { shared, handlers, settings, pace } = self;
        // It serves nothing but this run: daemons need not have its settings.
        shared.standing_by.store(true, Ordering::Release);
        let (finished, ends) = finisher::channel();
        let finisher = tokio::spawn(finisher::write_down(shared.clone(), ends));
        let mut runner = runner::Runner::new(shared.clone(), handlers, 1, finished);
        let Some(life) = life::begin(&shared, &settings, pace, 0, &CancellationToken::new()).await else {
            return Ok(());
        };
        let mut tx = shared.store.write(shared.clock.now()).await?;
        let claimed = tx.claim_run(run, &shared.holder()).await?;
        tx.commit().await?;
        if let Some(claimed) = claimed {
            runner.start(claimed, &shared.holder());
        }
        runner.ended().await;
        let by = Instant::now() + pace.silent;
        let done = finisher::close(runner, finisher, by).await;
        life.end(&shared, by).await?;
        done
    }
}

#[cfg(test)]
mod tests;
