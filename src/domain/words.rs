//! Words that rules say in more than one place.

use jiff::{Timestamp, Zoned};

/// A number with its noun: `1 change`, `2 changes`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Days left until an instant as people count them: from today's local date to that of the end. Negative after it.
pub fn days_left(end: Timestamp, now: &Zoned) -> i64 {
    let end = end.to_zoned(now.time_zone().clone());
    i64::from((end.date() - now.date()).get_days())
}

/// Whether a host's name or address is this machine's (RFC 6761 section 6.3): to it nothing has to be encrypted.
pub fn is_local_name(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn one_thing_is_not_called_as_many_are() {
        let changes = |count| counted(count, "change", "changes");
        assert_eq!([changes(0), changes(1), changes(2)], ["0 changes", "1 change", "2 changes"]);
    }

    #[test]
    fn days_are_counted_by_the_calendar_of_the_zone_and_not_by_hours() {
        let table = [
            // A renewal on the same day of the year, later in the day than the old end was.
            ("2027-11-23T09:00:00Z", "2026-11-23T12:00:00Z", "UTC", 365),
            ("2026-11-24T00:00:00Z", "2026-11-23T23:59:59Z", "UTC", 1),
            ("2026-11-23T23:59:59Z", "2026-11-23T00:00:00Z", "UTC", 0),
            ("2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z", "UTC", -1),
            // Tomorrow already in Berlin, still today in London; the clocks change on the way.
            ("2026-11-23T12:00:00Z", "2026-10-20T22:30:00Z", "Europe/Berlin", 33),
            ("2026-11-23T12:00:00Z", "2026-10-20T22:30:00Z", "Europe/London", 34),
        ];
        for (end, now, zone, days) in table {
            let now = now.parse::<Timestamp>().unwrap().to_zoned(TimeZone::get(zone).unwrap());
            assert_eq!(days_left(end.parse().unwrap(), &now), days, "{end} {now}");
        }
    }
}
