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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "tw-01/product_import";
    const START: i64 = 1_790_000_000_000;

    fn ms(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    fn instant(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn every(text: &str) -> Period {
        Period::parse(text).unwrap()
    }

    fn cron(expression: &str) -> Period {
        Period::parse_cron(expression, TimeZone::get("Europe/Berlin").unwrap()).unwrap()
    }

    #[test]
    fn none_calls_for_nothing() {
        let now = ms(START);
        assert_eq!(Period::None.length(now), None);
        assert_eq!(Period::None.first_after(now, KEY), None);
        assert_eq!(Period::None.next_after(now, now), None);
        assert_eq!(Period::None.first_after_change(Some(now), now, KEY), None);
    }

    #[test]
    fn a_new_schedule_first_runs_within_a_minute_at_its_own_offset() {
        let now = ms(START);
        let firsts: std::collections::BTreeSet<_> = (0..200)
            .map(|shop| every("6h").first_after(now, &format!("shop-{shop}/product_import")).unwrap())
            .collect();
        assert!(firsts.len() > 190, "spread over the minute, not bunched: {}", firsts.len());
        assert!(firsts.iter().all(|first| *first > now && *first <= ms(START + 60_000)));
        let first = every("6h").first_after(now, KEY).unwrap();
        assert_eq!(
            every("1 week").first_after(now, KEY),
            Some(first),
            "the offset is the schedule's, not the period's"
        );
        assert_eq!(every("6h").first_after(ms(START + 60_000), KEY), Some(first + SignedDuration::from_secs(60)));
    }

    #[test]
    fn what_was_missed_is_one_run_that_knows_how_many_it_stands_for() {
        let planned = ms(START);
        for (late, next, covers) in
            [(0, 900, 1), (899, 900, 1), (900, 1800, 2), (901, 1800, 2), (86_400 * 30, 86_400 * 30 + 900, 2_881)]
        {
            let schedule = every("15m").next_after(planned, ms(START + late * 1000)).unwrap();
            assert_eq!(schedule, Schedule { grid_at: ms(START + next * 1000), covers }, "{late} s late");
        }
    }

    #[test]
    fn a_clock_that_steps_back_a_little_waits_and_one_that_steps_back_far_goes_on() {
        let planned = ms(START);
        for (back, next) in
            [(1, 900), (899, 900), (900, 900), (901, -900), (1800, -900), (1801, -1800), (86_400, -85_500)]
        {
            let now = ms(START - back * 1000);
            let schedule = every("15m").next_after(planned, now).unwrap();
            assert_eq!(schedule, Schedule { grid_at: ms(START + next * 1000), covers: 1 }, "{back} s back");
        }
        let daily = cron("0 3 * * *");
        let planned = instant("2026-06-10T01:00:00Z");
        for (now, next) in [
            ("2026-06-09T23:00:00Z", "2026-06-11T01:00:00Z"),
            ("2026-06-09T00:30:00Z", "2026-06-09T01:00:00Z"),
            ("2026-06-01T12:00:00Z", "2026-06-02T01:00:00Z"),
        ] {
            let schedule = daily.next_after(planned, instant(now)).unwrap();
            assert_eq!(schedule, Schedule { grid_at: instant(next), covers: 1 }, "{now}");
        }
    }

    #[test]
    fn missed_cron_instants_are_counted_by_the_calendar() {
        let planned = instant("2026-03-28T02:00:00Z");
        let schedule = cron("0 3 * * *").next_after(planned, instant("2026-03-31T12:00:00Z")).unwrap();
        assert_eq!(schedule, Schedule { grid_at: instant("2026-04-01T01:00:00Z"), covers: 4 });
        let on_time = cron("0 3 * * *").next_after(planned, planned).unwrap();
        assert_eq!(on_time, Schedule { grid_at: instant("2026-03-29T01:00:00Z"), covers: 1 });
        let long = cron("* * * * *").next_after(planned, planned + SignedDuration::from_hours(24 * 30)).unwrap();
        assert_eq!(long.covers, COUNTED);
    }

    #[test]
    fn an_exact_period_does_not_care_for_daylight_saving() {
        let planned = instant("2026-03-28T12:00:00Z");
        let schedule = every("1 day").next_after(planned, planned).unwrap();
        assert_eq!(schedule.grid_at, instant("2026-03-29T12:00:00Z"));
    }

    #[test]
    fn lengths_are_gaps() {
        let now = instant("2026-03-28T12:00:00Z");
        assert_eq!(every("15m").length(now), Some(SignedDuration::from_mins(15)));
        assert_eq!(cron("0 3 * * *").length(now), Some(SignedDuration::from_hours(24)));
        assert_eq!(
            cron("0 1 * * *").length(now),
            Some(SignedDuration::from_hours(23)),
            "the night of 29 March is short"
        );
    }

    #[test]
    fn a_changed_period_counts_from_the_last_run_unless_that_is_past() {
        let now = ms(START);
        let last = ms(START - 180_000);
        let within_a_minute = |at: Option<Timestamp>| at.unwrap() > now && at.unwrap() <= ms(START + 60_000);
        assert_eq!(every("15m").first_after_change(Some(last), now, KEY), Some(ms(START + 720_000)));
        assert_eq!(every("6h").first_after_change(Some(last), now, KEY), Some(ms(START - 180_000 + 21_600_000)));
        assert!(within_a_minute(every("2m").first_after_change(Some(last), now, KEY)), "shorter takes effect at once");
        assert!(within_a_minute(every("15m").first_after_change(None, now, KEY)));
        let ahead = Some(ms(START + 86_400_000));
        assert!(within_a_minute(every("15m").first_after_change(ahead, now, KEY)), "a clock that stepped back");
        let night = cron("0 3 * * *").first_after_change(Some(last), now, KEY);
        assert_eq!(night, cron("0 3 * * *").first_after(now, KEY));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn the_grid_never_drifts_whatever_the_delays(
            length in 1_000_i64..100_000_000,
            delays in prop::collection::vec(0_i64..400_000_000, 1..30),
        ) {
            let period = Period::Every(SignedDuration::from_millis(length));
            let first = period.first_after(ms(START), KEY).unwrap();
            let (mut planned, mut covered) = (first, 0_i64);
            for delay in delays {
                let now = planned + SignedDuration::from_millis(delay);
                let schedule = period.next_after(planned, now).unwrap();
                prop_assert!(schedule.grid_at > now && schedule.grid_at <= now + SignedDuration::from_millis(length));
                covered += i64::from(schedule.covers);
                prop_assert_eq!(schedule.grid_at.as_millisecond() - first.as_millisecond(), covered * length);
                planned = schedule.grid_at;
            }
        }

        #[test]
        fn steps_of_the_clock_neither_repeat_the_planned_instant_nor_leave_the_grid(
            length in 1_000_i64..100_000_000,
            steps in prop::collection::vec(-400_000_000_i64..400_000_000, 1..30),
        ) {
            let period = Period::Every(SignedDuration::from_millis(length));
            let mut planned = period.first_after(ms(START), KEY).unwrap();
            for step in steps {
                let now = planned + SignedDuration::from_millis(step);
                let schedule = period.next_after(planned, now).unwrap();
                prop_assert!(schedule.grid_at > now && schedule.grid_at != planned && schedule.covers >= 1);
                prop_assert!(schedule.grid_at <= now + SignedDuration::from_millis(2 * length));
                prop_assert!(schedule.grid_at > planned || step < -length);
                prop_assert_eq!((schedule.grid_at.as_millisecond() - planned.as_millisecond()) % length, 0);
                planned = schedule.grid_at;
            }
        }

        #[test]
        fn a_first_instant_is_ahead_by_at_most_the_period_and_a_minute(
            length in 1_i64..1_000_000_000,
            now in 0_i64..4_000_000_000_000,
            key in "[a-z]{1,8}/[a-z]{1,8}",
        ) {
            let first = Period::Every(SignedDuration::from_millis(length)).first_after(ms(now), &key).unwrap();
            prop_assert!(first > ms(now) && first.as_millisecond() <= now + length.min(60_000));
        }
    }
}
