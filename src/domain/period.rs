//! Periods and the instants they call for.
//!
//! An exact period runs on a grid: its first instant is at a stable offset (from a hash of shop and job) within
//! min(period, 60 s) of the moment it was set, and every later one is that instant plus a multiple of the period. The
//! grid does not move with how long runs take, so it does not drift; what was missed is folded into one run and the
//! grid goes on where it would have been. A cron period has the instants its expression names in its zone: a local
//! time that is skipped runs at the next valid instant, one that comes twice runs once.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// How often a job runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Period {
    /// Not at all.
    None,
    /// Every so often, exactly.
    Every(SignedDuration),
    /// By the calendar: five fields, in the zone of the settings.
    Cron {
        /// As written.
        expression: String,
        /// The zone.
        zone: TimeZone,
    },
}

/// Why a text is not a period. Says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PeriodError(pub String);

/// The instants of one schedule: its grid, and an earlier look where the work asked for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The next instant of the grid.
    pub grid_at: Timestamp,
    /// How many grid instants passed unserved since the last planned one (what one run now stands for), at least 1.
    pub covers: u32,
}

impl Period {
    /// Reads `"None"`, `"90 seconds"`, `"15m"`, `"6h"`, `"1 day"`, `"1 week"`. A day is 24 hours here.
    pub fn parse(text: &str) -> Result<Self, PeriodError> {
        let _ = text;
        todo!()
    }

    /// Reads a cron expression of five fields for `zone`.
    pub fn parse_cron(expression: &str, zone: TimeZone) -> Result<Self, PeriodError> {
        let _ = (expression, zone);
        todo!()
    }

    /// The form kept in the database and shown by `status`: `None`, `15 minutes`, `cron 0 3 * * * Europe/Berlin`.
    /// [`Period::from_stored`] reads it back.
    pub fn to_stored(&self) -> String {
        todo!()
    }

    /// Reads what [`Period::to_stored`] wrote.
    pub fn from_stored(text: &str) -> Result<Self, PeriodError> {
        let _ = text;
        todo!()
    }

    /// The period's length; for cron the gap between the two instants after `now`; `None` for `None`.
    pub fn length(&self, now: Timestamp) -> Option<SignedDuration> {
        let _ = now;
        todo!()
    }

    /// The first instant of a new schedule, after `now`. `key` is `shop/job`; it decides the stable offset.
    /// `None` for a period of `None`.
    pub fn first_after(&self, now: Timestamp, key: &str) -> Option<Timestamp> {
        let _ = (now, key);
        todo!()
    }

    /// The grid after the instant `planned` has been planned at `now`: the first grid instant that lies after `now`, and
    /// how many instants (`planned` included) fell due up to `now`. A wall clock that stepped back does not repeat
    /// instants: the answer's instant is always after `planned`. After a step back of more than one period the grid is
    /// taken up within one period of `now` again.
    pub fn next_after(&self, planned: Timestamp, now: Timestamp) -> Option<Schedule> {
        let _ = (planned, now);
        todo!()
    }

    /// The first instant under this period when it replaces another whose last planned instant was `last`.
    /// Shorter takes effect at once; longer counts from `last`; without `last` it is a new schedule.
    pub fn first_after_change(&self, last: Option<Timestamp>, now: Timestamp, key: &str) -> Option<Timestamp> {
        let _ = (last, now, key);
        todo!()
    }
}
