//! The scheduler: due schedules become runs, runs are claimed and handed to their handler, and whatever happens to them
//! is written down.
//!
//! It does not know the name of any job. The truth is in the store; the timer only decides when to look. Every instance does the same; the
//! database is the judge of who runs what.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    domain::{Counts, Demand, Holder, JobKind, Outcome, RunError, RunId, ShopId, Trigger},
    store::{Store, StoreError},
};

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

/// How far runs have come. Kept in memory: it is for people who watch.
#[derive(Clone, Default)]
pub struct Progress(Arc<std::sync::Mutex<BTreeMap<RunId, (u64, Option<u64>)>>>);

impl Progress {
    /// Says how far a run has come: done, of how many where that is known.
    pub fn set(&self, run: RunId, done: u64, of: Option<u64>) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(run, (done, of));
    }

    /// How far a run has come.
    pub fn get(&self, run: RunId) -> Option<(u64, Option<u64>)> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&run).copied()
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
pub struct Settings {
    /// Who this is.
    pub holder: Holder,
    /// How many runs go on at once.
    pub slots: u32,
    /// Whether other instances may share the database (PostgreSQL).
    pub shared: bool,
}

/// A running scheduler's other end. Cheap to clone.
#[derive(Clone)]
pub struct Handle {}

impl Handle {
    /// Looks again at once: schedules changed.
    pub fn wake(&self) {
        todo!()
    }

    /// Asks for a run now, which joins one that is unfinished; returns its number.
    pub async fn run_now(
        &self,
        shop: Option<&ShopId>,
        job: JobKind,
        demand: Demand,
        trigger: Trigger,
    ) -> Result<RunId, StoreError> {
        todo!()
    }

    /// Waits until a run is over.
    pub async fn wait(&self, run: RunId) -> Result<crate::domain::Run, StoreError> {
        todo!()
    }

    /// How far runs have come.
    pub fn progress(&self) -> Progress {
        todo!()
    }

    /// When the planner last looked, by the boot-time clock: the watchdog is fed by it.
    pub fn last_planned(&self) -> std::time::Instant {
        todo!()
    }
}

/// Makes a scheduler. Nothing happens before [`Scheduler::run`].
pub struct Scheduler {}

impl Scheduler {
    /// Puts it together.
    pub fn new(store: Store, clock: Clock, handlers: Handlers, settings: Settings) -> (Self, Handle) {
        todo!()
    }

    /// Plans, claims and runs until `stop` fires; then takes no more work, lets runs reach their next safe point for at most `grace`,
    /// gives back what is left, and returns.
    pub async fn run(self, stop: CancellationToken, grace: SignedDuration) -> Result<(), StoreError> {
        todo!()
    }
}
