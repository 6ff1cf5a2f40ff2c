//! Periods and the instants they call for.
//!
//! An exact period runs on a grid: its first instant is at a stable offset (from a hash of shop and job) within
//! min(period, 60 s) of the moment it was set, and every later one is that instant plus a multiple of the period. The
//! grid does not move with how long runs take, so it does not drift; what was missed is folded into one run and the
//! grid goes on where it would have been. A cron period has the instants its expression names in its zone: a local
//! time that is skipped runs at the next valid instant, one that comes twice runs once.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::digest;

mod cron;
mod written;

/// How far missed instants of a cron period are counted.
const COUNTED: u32 = 10_000;

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
        written::parse(text)
    }

    /// Reads a cron expression of five fields for `zone`.
    pub fn parse_cron(expression: &str, zone: TimeZone) -> Result<Self, PeriodError> {
        written::parse_cron(expression, zone)
    }

    /// The form kept in the database and shown by `status`: `None`, `15 minutes`, `cron 0 3 * * * Europe/Berlin`.
    /// [`Period::from_stored`] reads it back.
    pub fn to_stored(&self) -> String {
        written::to_stored(self)
    }

    /// Reads what [`Period::to_stored`] wrote.
    pub fn from_stored(text: &str) -> Result<Self, PeriodError> {
        written::from_stored(text)
    }

    /// The period's length; for cron the gap between the two instants after `now`; `None` for `None`.
    pub fn length(&self, now: Timestamp) -> Option<SignedDuration> {
        match self {
            Self::None => None,
            Self::Every(length) => Some(*length),
            Self::Cron { expression, zone } => {
                let mut instants = cron::instants_after(expression, zone, now);
                let (first, second) = (instants.next()?, instants.next()?);
                Some(second.duration_since(first))
            }
        }
    }

    /// The first instant of a new schedule, after `now`. `key` is `shop/job`; it decides the stable offset.
    /// `None` for a period of `None`.
    pub fn first_after(&self, now: Timestamp, key: &str) -> Option<Timestamp> {
        match self {
            Self::None => None,
            Self::Every(length) => {
                let window = millis(*length).min(60_000);
                let offset = (digest::number(key) % window.unsigned_abs()) as i64;
                let since = (now.as_millisecond() - offset).rem_euclid(window);
                at(now.as_millisecond() - since + window)
            }
            Self::Cron { expression, zone } => cron::instants_after(expression, zone, now).next(),
        }
    }

    /// The grid after the instant `planned` has been planned at `now`: the first grid instant that lies after `now`, and
    /// how many instants (`planned` included) fell due up to `now`, at least 1 (for cron no more than 10,000 are counted).
    ///
    /// `planned` itself is never the answer. So a wall clock that stepped back by up to one period waits for the instant
    /// after `planned`; one that stepped back further (the instants before `planned` are still ahead, and waiting for
    /// them all would silence the job) is taken up again within one period of `now`, on the same grid.
    pub fn next_after(&self, planned: Timestamp, now: Timestamp) -> Option<Schedule> {
        match self {
            Self::None => None,
            Self::Every(length) => {
                let length = millis(*length);
                let passed = (now.as_millisecond() - planned.as_millisecond()).div_euclid(length);
                let first = planned.as_millisecond() + (passed + 1) * length;
                let next = if first == planned.as_millisecond() { first + length } else { first };
                Some(Schedule { grid_at: at(next)?, covers: u32::try_from(passed + 1).unwrap_or(0).max(1) })
            }
            Self::Cron { expression, zone } => {
                let missed = cron::instants_after(expression, zone, planned).take_while(|instant| *instant <= now);
                let covers = 1 + missed.take(COUNTED as usize - 1).count() as u32;
                let grid_at = cron::instants_after(expression, zone, now).find(|instant| *instant != planned)?;
                Some(Schedule { grid_at, covers })
            }
        }
    }

    /// The first instant under this period when it replaces another whose last planned instant was `last`.
    /// Shorter takes effect at once; longer counts from `last`; without `last` it is a new schedule.
    pub fn first_after_change(&self, last: Option<Timestamp>, now: Timestamp, key: &str) -> Option<Timestamp> {
        if let (Self::Every(length), Some(last)) = (self, last) {
            let (length, now) = (millis(*length), now.as_millisecond());
            let next = last.as_millisecond() + length;
            // A `last` that lies ahead of a clock that stepped back says nothing about when to go on.
            if now < next && next <= now + length {
                return at(next);
            }
        }
        self.first_after(now, key)
    }
}

/// A period's length, at least a millisecond, so that nothing is divided by zero.
fn millis(length: SignedDuration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX / 4).max(1)
}

fn at(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok()
}
