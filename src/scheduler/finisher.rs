//! Writing down how attempts ended: what has gathered meanwhile in one transaction, until the store takes it.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
    time::Instant,
};

use super::{Shared, runner::Runner};
use crate::{
    crash,
    domain::{Counts, ErrorKind, JobKind, Outcome, ShopId},
    store::{Finish, Finished, Stood, StoreError},
};

/// How many ends one transaction writes at most.
const BATCH: usize = 1_000;
/// How long ends gather after the first one: crowds are written together, single ones are not kept waiting noticeably.
const GATHER: Duration = Duration::from_millis(2);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The end of an attempt, and what the log says of it.
pub(super) struct Ended {
    pub(super) finished: Finished,
    pub(super) shop: Option<ShopId>,
    pub(super) job: JobKind,
    pub(super) attempt: u32,
}

pub(super) type Ends = UnboundedReceiver<Ended>;

pub(super) fn channel() -> (UnboundedSender<Ended>, Ends) {
    unbounded_channel()
}

/// Writes ends until every sender is gone.
pub(super) async fn write_down(shared: Arc<Shared>, mut ends: Ends) -> Result<(), StoreError> {
    let mut batch = Vec::with_capacity(BATCH);
    while ends.recv_many(&mut batch, BATCH).await > 0 {
        if batch.len() < BATCH {
            tokio::time::sleep(GATHER).await;
            while batch.len() < BATCH
                && let Ok(end) = ends.try_recv()
            {
                batch.push(end);
            }
        }
        let (mut finished, told): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|end| (end.finished, (end.shop, end.job, end.attempt))).unzip();
        let stood = write(&shared, &mut finished).await;
        for (end, (shop, job, attempt)) in finished.iter().zip(told) {
            shared.progress.clear(end.id);
            if stood.runs.binary_search(&end.id).is_ok() {
                if let Finish::Ended(outcome) = end.finish {
                    shared.metrics.count_run(job, outcome);
                }
                tell(end, shop.as_ref(), job, attempt);
            } else {
                tracing::warn!(
                    event = "run.lost",
                    shop.id = shop.as_ref().map(ShopId::as_str),
                    job = job.as_str(),
                    run.id = end.id.0,
                    run.attempt = attempt,
                    "another instance has taken this run over; what became of this attempt does not count"
                );
            }
        }
        let mut open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        for end in &finished {
            // Not if it was claimed here again meanwhile, under another number.
            if matches!(open.get(&end.id), Some(None)) {
                open.remove(&end.id);
            }
        }
        drop(open);
        shared.ended.send_replace(());
        if stood.followed || finished.iter().any(|end| !matches!(end.finish, Finish::Ended(_))) {
            shared.wake.notify_one();
        }
    }
    Ok(())
}

/// Writes one batch, however long the store is out of reach. One end that the store refuses for what it says must not keep the
/// others from being written: the batch is halved until that one is alone, and then it is written in plain words. The runs whose
/// claim still stood come in order.
async fn write(shared: &Shared, finished: &mut [Finished]) -> Stood {
    let mut stood = Stood::default();
    let mut patience = FIRST_WAIT;
    let mut parts = vec![(0, finished.len())];
    while let Some((from, to)) = parts.pop() {
        match try_write(shared, &finished[from..to]).await {
            Ok(part) => {
                stood.runs.extend(part.runs);
                stood.followed |= part.followed;
                continue;
            }
            Err(error) if !error.is_passing() && to - from > 1 => {
                let middle = from.midpoint(to);
                parts.extend([(middle, to), (from, middle)]);
                continue;
            }
            Err(error) if !error.is_passing() && in_plain_words(&mut finished[from], &error) => {}
            Err(error) => {
                shared.trouble(&error);
                tokio::time::sleep(patience).await;
                patience = (patience * 2).min(LONGEST_WAIT);
            }
        }
        parts.push((from, to));
    }
    stood.runs.sort_unstable();
    stood
}

/// Leaves of an end what every store takes. `false`: it was as plain before.
fn in_plain_words(end: &mut Finished, cause: &StoreError) -> bool {
    const WORDS: &str = "how it ended could not be kept as it was; the log has it";
    let kind = end.error.as_ref().map_or(ErrorKind::Bug, |error| error.0);
    let plain =
        Finished { counts: Counts::default(), error: Some((kind, WORDS.to_owned(), String::new())), ..end.clone() };
    if *end == plain {
        return false;
    }
    tracing::warn!(event = "store.failed", run.id = end.id.0, "cannot keep how a run ended ({cause}): {end:?}");
    *end = plain;
    true
}

async fn try_write(shared: &Shared, finished: &[Finished]) -> Result<Stood, StoreError> {
    let mut tx = shared.store.write(shared.clock.now()).await?;
    let stood = tx.finish_runs(finished).await?;
    crash::point("finish.before_commit");
    tx.commit().await?;
    crash::point("finish.after_commit");
    Ok(stood)
}

/// Lets the finisher write what it has until then; what is unwritten is left to whoever takes over.
pub(super) async fn close(
    runner: Runner,
    finisher: JoinHandle<Result<(), StoreError>>,
    by: Instant,
) -> Result<(), StoreError> {
    drop(runner);
    let abort = finisher.abort_handle();
    let patience = by.saturating_duration_since(Instant::now());
    match tokio::time::timeout_at(by, finisher).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Ok(()),
        Err(_) => {
            abort.abort();
            Err(StoreError::Unanswered(patience))
        }
    }
}

/// The one line about how an attempt ended.
fn tell(end: &Finished, shop: Option<&ShopId>, job: JobKind, attempt: u32) {
    let shop = shop.map(ShopId::as_str);
    let (job, run) = (job.as_str(), end.id.0);
    let kind = end.error.as_ref().map(|error| error.0.as_str());
    let text = end.error.as_ref().map_or("", |error| error.1.as_str());
    match end.finish {
        Finish::Ended(outcome @ (Outcome::Done | Outcome::Partly | Outcome::Cancelled)) => {
            let outcome_text = outcome.as_str();
            let counts = end.counts;
            let quiet = Counts { seen: 0, unchanged: 0, ..counts } == Counts::default();
            if outcome == Outcome::Done && quiet {
                tracing::debug!(
                    event = "run.finished",
                    shop.id = shop,
                    job,
                    run.id = run,
                    run.attempt = attempt,
                    outcome = outcome_text,
                    counts.seen = counts.seen,
                    "{job} done, nothing changed"
                );
            } else {
                tracing::info!(
                    event = "run.finished",
                    shop.id = shop,
                    job,
                    run.id = run,
                    run.attempt = attempt,
                    outcome = outcome_text,
                    counts.seen = counts.seen,
                    counts.changed = counts.changed,
                    counts.gone = counts.gone,
                    counts.sent = counts.sent,
                    counts.refused = counts.refused,
                    "{job} {outcome_text}"
                );
            }
        }
        Finish::Ended(Outcome::Held) => {
            tracing::warn!(
                event = "run.held",
                shop.id = shop,
                job,
                run.id = run,
                run.attempt = attempt,
                error.kind = kind,
                "{job} held: {text}"
            );
        }
        Finish::Ended(Outcome::Failed) => {
            tracing::error!(
                event = "run.failed",
                shop.id = shop,
                job,
                run.id = run,
                run.attempt = attempt,
                error.kind = kind,
                "{job} given up: {text}"
            );
        }
        Finish::Retry { at, .. } if kind == Some(ErrorKind::Waiting.as_str()) => {
            tracing::info!(event = "run.waiting", shop.id = shop, job, run.id = run, run.attempt = attempt,
                retry_at = %at, "{job} waits: {text}");
        }
        Finish::Retry { at, .. } => {
            tracing::warn!(event = "run.failed", shop.id = shop, job, run.id = run, run.attempt = attempt,
                error.kind = kind, retry_at = %format_args!("{at:.3}"), "{job} failed, trying again: {text}");
        }
        Finish::GivenBack => {
            tracing::info!(
                event = "run.given_back",
                shop.id = shop,
                job,
                run.id = run,
                run.attempt = attempt,
                "{job} given back at a safe point"
            );
        }
    }
}
