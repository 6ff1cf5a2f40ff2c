//! Schedules: one row per shop and job kind, with its period and its next instant.

use jiff::Timestamp;

use super::{StoreError, Tx};
use crate::domain::{Hold, JobKind, Period, ShopId, Trigger};

/// A schedule as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleRow {
    /// The shop; `None` for the daemon's own.
    pub shop: Option<ShopId>,
    /// The job.
    pub job: JobKind,
    /// Its period.
    pub period: Period,
    /// The next instant of the grid.
    pub grid_at: Option<Timestamp>,
    /// The next instant at which a run is planned; `None` where the period is `None` or the job is held.
    pub next_due_at: Option<Timestamp>,
    /// The last instant that was planned.
    pub planned_at: Option<Timestamp>,
    /// What holds it.
    pub held_by: Option<Hold>,
}

/// A schedule as the settings want it.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedSchedule {
    /// The shop; `None` for the daemon's own.
    pub shop: Option<ShopId>,
    /// The job.
    pub job: JobKind,
    /// Its period.
    pub period: Period,
}

/// A schedule whose next instant has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The shop; `None` for the daemon's own.
    pub shop: Option<ShopId>,
    /// The job.
    pub job: JobKind,
    /// Its period.
    pub period: Period,
    /// The next instant of the grid.
    pub grid_at: Timestamp,
    /// The instant that has come (the grid's, or an earlier look).
    pub due_at: Timestamp,
    /// Held jobs that still look once a day.
    pub held_by: Option<Hold>,
}

/// What the planner decided for a due schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The schedule.
    pub due: Due,
    /// The grid's next instant.
    pub grid_at: Timestamp,
    /// How many instants the run stands for.
    pub covers: u32,
}

impl Tx {
    /// Brings the table in line with the settings: an unchanged schedule keeps its row and its next instant; a changed
    /// period gets [`Period::first_after_change`]; `None` keeps the row and clears the instant; a schedule that is no
    /// longer wanted goes, and takes its waiting runs with it (cancelled). Returns how many rows changed.
    pub async fn sync_schedules(&mut self, wanted: &[WantedSchedule]) -> Result<u64, StoreError> {
        todo!()
    }

    /// At most `limit` schedules whose next instant is `now` or earlier, the earliest first.
    pub async fn due_schedules(&mut self, limit: u32) -> Result<Vec<Due>, StoreError> {
        todo!()
    }

    /// The earliest instant at which anything is to be planned or claimed.
    pub async fn next_instant(&mut self) -> Result<Option<Timestamp>, StoreError> {
        todo!()
    }

    /// Sets (or with `None` clears) an earlier look than the grid's; `next_due_at` follows. For a held schedule that
    /// looks daily this is its only instant.
    pub async fn look_early(
        &mut self,
        shop: Option<&ShopId>,
        job: JobKind,
        at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Sets or clears the holds of a shop's jobs. A hold clears `next_due_at` (but for an `authorization_refresh` that
    /// looks daily, whose next look is a day from now); its end brings back the grid's next instant.
    pub async fn set_holds(&mut self, shop: &ShopId, holds: &[(JobKind, Option<Hold>)]) -> Result<(), StoreError> {
        todo!()
    }

    /// All schedules, or those of one shop, in order of shop and job.
    pub async fn schedules(&mut self, shop: Option<&ShopId>) -> Result<Vec<ScheduleRow>, StoreError> {
        todo!()
    }

    /// Asks for a run now. Joins an unfinished run of the same schedule (a waiting or retrying one becomes available
    /// at once), does not shift the plan, and returns the run's number.
    pub async fn run_now(&mut self, run: &super::NewRun, trigger: Trigger) -> Result<crate::domain::RunId, StoreError> {
        todo!()
    }
}
