//! Runs: record, claim, finish, list.

use jiff::Timestamp;

use super::{Planned, StoreError, Tx};
use crate::domain::{Counts, Demand, ErrorKind, Holder, JobKind, Outcome, Run, RunId, RunState, ShopId};

/// A run that this instance may carry out now.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Its number.
    pub id: RunId,
    /// Its shop; `None` for the daemon's own jobs.
    pub shop: Option<ShopId>,
    /// What it does.
    pub job: JobKind,
    /// Why it came to be.
    pub trigger: crate::domain::Trigger,
    /// The instant it stands for.
    pub due_at: Timestamp,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The fencing number: what this attempt writes is refused once another has claimed the run.
    pub lease_number: i64,
    /// What a person demanded.
    pub demand: Demand,
    /// Whether an instance that died carried it out before.
    pub taken_over: bool,
}

/// A run to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Its shop; `None` for the daemon's own jobs.
    pub shop: Option<ShopId>,
    /// What it does.
    pub job: JobKind,
    /// What a person demanded.
    pub demand: Demand,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The run is over.
    Ended(Outcome),
    /// Another attempt at this instant; `counted`: the failed one counts.
    Retry {
        /// The instant.
        at: Timestamp,
        /// Whether the failed attempt counts.
        counted: bool,
    },
    /// Given back unfinished, at a safe point, by a daemon that stops: available at once, the attempt does not count.
    GivenBack,
}

/// The end of an attempt, to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The run.
    pub id: RunId,
    /// The claim it was carried out under.
    pub lease_number: i64,
    /// How it ended.
    pub finish: Finish,
    /// What it did (added to what earlier attempts did).
    pub counts: Counts,
    /// Its error: kind, text, remedy.
    pub error: Option<(ErrorKind, String, String)>,
}

/// Which runs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this shop.
    pub shop: Option<ShopId>,
    /// Of this kind.
    pub job: Option<JobKind>,
    /// In this state.
    pub state: Option<RunState>,
    /// Older than this run: for paging.
    pub before: Option<RunId>,
}

impl Tx {
    /// Makes one run of each planned schedule and moves the schedules on. At most `slots` of them are claimed at once by `holder`
    /// and returned; the rest is available. A schedule with an unfinished run gets none: the instants fold into that
    /// run's `covers`.
    pub async fn plan_runs(
        &mut self,
        planned: &[Planned],
        holder: &Holder,
        slots: u32,
    ) -> Result<Vec<Claimed>, StoreError> {
        todo!()
    }

    /// Claims at most `max` runs that are available or whose next attempt is due, the longest due first.
    pub async fn claim_runs(&mut self, holder: &Holder, max: u32) -> Result<Vec<Claimed>, StoreError> {
        todo!()
    }

    /// Ends attempts. Returns those whose claim still stood; the others changed nothing.
    pub async fn finish_runs(&mut self, finished: &[Finished]) -> Result<Vec<RunId>, StoreError> {
        todo!()
    }

    /// Whether the claim still stands: jobs ask before they write. Locks the run's row for this transaction.
    pub async fn holds_run(&mut self, id: RunId, lease_number: i64) -> Result<bool, StoreError> {
        todo!()
    }

    /// Cancels the waiting runs of a shop (all of its jobs, or one). Returns how many.
    pub async fn cancel_waiting(&mut self, shop: &ShopId, job: Option<JobKind>) -> Result<u64, StoreError> {
        todo!()
    }

    /// One run.
    pub async fn run(&mut self, id: RunId) -> Result<Option<Run>, StoreError> {
        todo!()
    }

    /// Runs, newest first, at most `limit`.
    pub async fn runs(&mut self, filter: &RunFilter, limit: u32) -> Result<Vec<Run>, StoreError> {
        todo!()
    }

    /// The newest run of each schedule of the shop (or of all shops), and the newest finished one: what `status` shows.
    pub async fn latest_runs(&mut self, shop: Option<&ShopId>) -> Result<Vec<Run>, StoreError> {
        todo!()
    }

    /// Deletes finished runs that ended before `cutoff`, but never the newest of a schedule. Returns how many.
    pub async fn prune_runs(&mut self, cutoff: Timestamp) -> Result<u64, StoreError> {
        todo!()
    }
}
