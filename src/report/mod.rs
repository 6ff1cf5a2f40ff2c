//! What people and scripts are told: the same values and words for commands, the control socket and the page.
//!
//! Every listing is a plain value that serialises with the keys of the contract; tables are made from it by `cli`.

mod jobs;
mod mail;
mod products;
mod runs;
mod shops;
mod source_change;
mod status;
mod upcoming;
mod why;

pub use jobs::{HeldBy, job_state};
pub use mail::{MailList, mail_list};
pub use products::{
    InShop, ProductList, ProductShow, RememberedView, SeenView, WantedView, product_show, products, unmatched,
};
pub use runs::{ComplaintView, ErrorView, RunView, RunsView, run_show, runs};
pub use shops::{Setting, ShopLine, ShopsView, kept_text, origin_of, shop_settings, shops};
pub use source_change::{Compared, ShopEffect, SourceChange, source_change};
pub use status::{Status, status};
pub use upcoming::{Item, Upcoming, upcoming};
pub use why::{Surroundings, no_such_job, why};

use jiff::{SignedDuration, Timestamp, Zoned};

/// A span in the two largest units that say something: `3 days`, `2 h 5 min`, `40 s`.
pub fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs().abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (2.., _, _) => format!("{days} days"),
        (1, _, _) => format!("1 day {hours} h"),
        (_, 1.., _) => format!("{hours} h {minutes} min"),
        (_, _, 1..) => format!("{minutes} min {} s", seconds % 60),
        _ => format!("{seconds} s"),
    }
}

/// An instant by the clocks of the settings' time zone: `2026-03-02 09:05:00 CET`.
pub fn instant(at: &Zoned) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// An instant by the clocks of the time zone of `now`, and as seen from then: `2026-03-02 09:05:00 CET (in 5 min 3 s)`.
pub fn when(at: Timestamp, now: &Zoned) -> String {
    format!("{} ({})", instant(&at.to_zoned(now.time_zone().clone())), relative(at, now.timestamp()))
}

/// The same to the minute, for tables: `09:05 (in 5 min 3 s)`, with its date unless it is today's.
pub fn at_a_glance(at: Timestamp, now: &Zoned) -> String {
    let here = at.to_zoned(now.time_zone().clone());
    let clock = if here.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    format!("{} ({})", here.strftime(clock), relative(at, now.timestamp()))
}

/// An instant as seen from `now`: `in 5 min 3 s`, `2 h 4 min ago`, `now`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let left = at.duration_since(now);
    match left.as_secs() {
        0 => "now".into(),
        1.. => format!("in {}", span(left)),
        _ => format!("{} ago", span(left)),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_told_by_the_clocks_of_the_time_zone_and_as_seen_from_now() {
        let now: Zoned = "2026-03-29T00:30:00+01:00[Europe/Berlin]".parse().unwrap();
        let told = |at: &str| {
            let at = at.parse().unwrap();
            [when(at, &now), at_a_glance(at, &now)]
        };
        assert_eq!(told("2026-03-29T01:05:00Z"), ["2026-03-29 03:05:00 CEST (in 1 h 35 min)", "03:05 (in 1 h 35 min)"]);
        assert_eq!(
            told("2026-03-28T22:59:59Z"),
            ["2026-03-28 23:59:59 CET (30 min 1 s ago)", "2026-03-28 23:59 (30 min 1 s ago)"]
        );
    }
}
