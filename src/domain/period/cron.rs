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
