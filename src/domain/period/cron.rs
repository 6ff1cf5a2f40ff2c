//! The instants that a cron expression names in a zone.
//!
//! `croner` is asked in civil time alone (dressed up as UTC, the only zone without steps), and the civil times are then
//! put into the zone here: a skipped one at the instant the clocks moved on, a repeated one at its first occurrence.
//! Asked in a stepping zone, croner runs interval expressions twice in the repeated hour; here every civil time runs once.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Timelike as _, Utc};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, civil, tz::AmbiguousOffset, tz::TimeZone};

/// Whether an expression of five fields can be read and ever comes; else why not, to follow the expression in a sentence.
pub(super) fn check(expression: &str) -> Result<(), String> {
    let cron = read(expression).ok_or("cannot be read")?;
    if calendar_has(&cron) { Ok(()) } else { Err("never comes: no year has such a day".to_owned()) }
}

fn read(expression: &str) -> Option<Cron> {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(expression).ok()
}

/// Whether any day of the 28 years in which weekdays and leap days repeat is one of the expression's. Asking croner for
/// the next instant would search thousands of years before it gives up on 30 February.
fn calendar_has(cron: &Cron) -> bool {
    let first = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a date");
    first.iter_days().take(28 * 366).any(|day| {
        use chrono::Datelike as _;
        cron.pattern.month_match(day.month()).unwrap_or(false)
            && cron.pattern.day_match(day.year(), day.month(), day.day()).unwrap_or(false)
    })
}

/// The instants of `expression` in `zone` that lie after `after`, in order, each once.
pub(super) fn instants_after(
    expression: &str,
    zone: &TimeZone,
    after: Timestamp,
) -> impl Iterator<Item = Timestamp> + use<> {
    let cron = read(expression).filter(calendar_has);
    let zone = zone.clone();
    let mut civil = to_chrono(zone.to_datetime(after));
    let mut last = after;
    std::iter::from_fn(move || {
        let cron = cron.as_ref()?;
        loop {
            civil = Some(cron.find_next_occurrence(&civil?, false).ok()?);
            // Civil times of a skipped hour share one instant, and those of a repeated hour may lie behind `after`.
            let instant = place(to_jiff(civil?)?, &zone)?;
            if instant > last {
                last = instant;
                return Some(instant);
            }
        }
    })
}

/// The instant at which the clocks of a zone show this time: the first of two, or the moment that skipped it.
fn place(time: civil::DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(time);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.compatible().ok(),
        AmbiguousOffset::Gap { .. } => {
            let before = ambiguous.earlier().ok()?;
            zone.following(before).next().map(|transition| transition.timestamp())
        }
    }
}

fn to_chrono(time: civil::DateTime) -> Option<DateTime<Utc>> {
    let date = NaiveDate::from_ymd_opt(
        time.year().into(),
        u32::try_from(time.month()).ok()?,
        u32::try_from(time.day()).ok()?,
    )?;
    let part = |part: i8| u32::try_from(part).ok();
    Some(date.and_hms_opt(part(time.hour())?, part(time.minute())?, part(time.second())?)?.and_utc())
}

fn to_jiff(time: DateTime<Utc>) -> Option<civil::DateTime> {
    use chrono::Datelike as _;
    let time: NaiveDateTime = time.naive_utc();
    civil::DateTime::new(
        i16::try_from(time.year()).ok()?,
        i8::try_from(time.month()).ok()?,
        i8::try_from(time.day()).ok()?,
        i8::try_from(time.hour()).ok()?,
        i8::try_from(time.minute()).ok()?,
        i8::try_from(time.second()).ok()?,
        0,
    )
    .ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn local(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let instants = instants_after(expression, &zone, after.parse().unwrap()).take(count);
        instants.map(|at| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()).collect()
    }

    #[test]
    fn a_skipped_local_time_runs_at_the_next_valid_instant() {
        assert_eq!(
            local("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
            ["2026-03-28 02:30 CET", "2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"]
        );
        assert_eq!(
            local("*/20 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", 4),
            ["2026-03-29 01:40 CET", "2026-03-29 03:00 CEST", "2026-03-29 03:20 CEST", "2026-03-29 03:40 CEST"]
        );
    }

    #[test]
    fn a_repeated_local_time_runs_once() {
        assert_eq!(
            local("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25 02:30 CEST", "2026-10-26 02:30 CET"]
        );
        assert_eq!(
            local("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 3),
            ["2026-10-25 02:30 CEST", "2026-10-25 03:00 CET", "2026-10-25 03:30 CET"]
        );
        // Asked in the middle of the second 02:xx, which was served an hour ago.
        assert_eq!(local("*/30 * * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1), ["2026-10-25 03:00 CET"]);
    }

    #[test]
    fn months_of_all_lengths_are_the_calendars() {
        assert_eq!(
            local("0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", 3),
            ["2026-03-31 00:00 UTC", "2026-05-31 00:00 UTC", "2026-07-31 00:00 UTC"]
        );
        assert_eq!(local("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 1), ["2028-02-29 00:00 UTC"]);
        assert_eq!(
            local("0 12 L 2 *", "UTC", "2027-01-01T00:00:00Z", 2),
            ["2027-02-28 12:00 UTC", "2028-02-29 12:00 UTC"]
        );
    }

    #[test]
    fn a_part_of_a_second_does_not_shift_anything() {
        assert_eq!(local("0 3 * * *", "UTC", "2026-01-01T02:59:59.999Z", 1), ["2026-01-01 03:00 UTC"]);
        assert_eq!(local("0 3 * * *", "UTC", "2026-01-01T03:00:00.001Z", 1), ["2026-01-02 03:00 UTC"]);
    }

    #[test]
    fn a_whole_day_that_is_skipped_costs_one_run_at_its_end() {
        // Samoa went from 29 to 31 December 2011.
        assert_eq!(
            local("0 */8 * * *", "Pacific/Apia", "2011-12-30T01:00:00Z", 3),
            ["2011-12-29 16:00 -10", "2011-12-31 00:00 +14", "2011-12-31 08:00 +14"]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn instants_grow_and_no_civil_time_comes_twice(
            start in 1_700_000_000_i64..1_900_000_000,
            expression in prop::sample::select(vec!["*/7 * * * *", "0 * * * *", "30 2 * * *", "0 0 1 * *", "15 1,2,3 * * SUN"]),
            zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
        ) {
            let (after, zone) = (Timestamp::from_second(start).unwrap(), TimeZone::get(zone).unwrap());
            let instants: Vec<_> = instants_after(expression, &zone, after).take(20).collect();
            prop_assert_eq!(instants.len(), 20);
            prop_assert!(after < instants[0]);
            for pair in instants.windows(2) {
                prop_assert!(pair[0] < pair[1]);
                prop_assert!(zone.to_datetime(pair[0]) < zone.to_datetime(pair[1]));
            }
            // Asked again from any of them, the same ones follow.
            prop_assert_eq!(instants_after(expression, &zone, instants[7]).next(), Some(instants[8]));
        }
    }
}
