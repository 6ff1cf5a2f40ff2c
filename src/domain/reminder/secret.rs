//! The ladder of an app's client secret, whose last day somebody has noted: the operator hears 90, 30, 14, 7 and 1 days before it, and from
//! then on daily until a new one is in the settings.

use jiff::{Span, Timestamp, civil::Date};

use super::Ladder;

/// How many days before the last day the operator hears of it; from the last one on daily.
const DAYS: [i32; 5] = [90, 30, 14, 7, 1];

impl Ladder {
    /// The date of the latest step of a secret's ladder that has come at `now`; its last day is `ends_on`.
    pub fn secret_step(&self, ends_on: Date, now: Timestamp) -> Option<Date> {
        let left = self.days_left(ends_on, now);
        let days = if left <= 1 { Some(left) } else { DAYS.into_iter().filter(|days| left <= *days).min() };
        ends_on.checked_sub(Span::new().days(days?)).ok()
    }

    /// The instant of the next one.
    pub fn next_secret_step(&self, ends_on: Date, now: Timestamp) -> Option<Timestamp> {
        let left = self.days_left(ends_on, now);
        let days = DAYS.into_iter().filter(|days| *days < left).max().unwrap_or(left - 1);
        self.at_on(ends_on.checked_sub(Span::new().days(days)).ok()?)
    }

    /// How many days are left, counted in steps' days: a day begins at the steps' time of day.
    fn days_left(&self, ends_on: Date, now: Timestamp) -> i32 {
        let today = self.date(now);
        let days = (ends_on - today).get_days();
        if self.at_on(today).is_some_and(|morning| now < morning) { days + 1 } else { days }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use jiff::{civil, tz::TimeZone};

    use super::*;

    #[test]
    fn a_secret_is_told_of_more_and_more_often_and_in_the_end_daily() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = civil::time(8, 0, 0, 0);
        let ladder = Ladder { start: Span::new(), every: Span::new(), extra: Vec::new(), at, zone: zone.clone() };
        let instant = |text: &str| text.parse::<civil::DateTime>().unwrap().to_zoned(zone.clone()).unwrap().timestamp();
        let ends_on = civil::date(2027, 5, 30);
        for (now, step, next) in [
            ("2027-01-01T12:00", None, "2027-03-01T08:00"),
            ("2027-03-01T07:59", None, "2027-03-01T08:00"),
            ("2027-03-01T08:00", Some("2027-03-01"), "2027-04-30T08:00"),
            ("2027-04-29T12:00", Some("2027-03-01"), "2027-04-30T08:00"),
            ("2027-05-20T12:00", Some("2027-05-16"), "2027-05-23T08:00"),
            ("2027-05-29T08:00", Some("2027-05-29"), "2027-05-30T08:00"),
            ("2027-05-30T07:59", Some("2027-05-29"), "2027-05-30T08:00"),
            ("2027-05-30T08:00", Some("2027-05-30"), "2027-05-31T08:00"),
            ("2027-07-02T09:00", Some("2027-07-02"), "2027-07-03T08:00"),
        ] {
            let told = ladder.secret_step(ends_on, instant(now)).map(|date| date.to_string());
            assert_eq!(
                (told.as_deref(), ladder.next_secret_step(ends_on, instant(now))),
                (step, Some(instant(next))),
                "{now}"
            );
        }
    }
}
