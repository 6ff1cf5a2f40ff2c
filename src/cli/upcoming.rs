//! `upcoming`: the mails, ends and runs that are to come, by the rules that will send and run them.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;

use super::{
    Outcome,
    open::{self, Env},
    print,
    table::Table,
};
use crate::{
    clock::Clock,
    control::{Refusal, Request},
    daemon,
    domain::{ShopId, counted},
    mail::calendar::{Calendar, Event},
    report::{self, Item, Upcoming},
};

/// How many shops of one mail are named at most; scripts are told all.
const NAMED: usize = 4;

pub(super) async fn upcoming(env: &Env, days: u32, ics: bool) -> Outcome {
    let every = env.json && !ics;
    let (upcoming, zone): (Upcoming, _) = if env.serves_before().await {
        (env.ask_for(&Request::Upcoming { days, every }).await?, env.without_shops().timezone)
    } else {
        let (config, mut tx) = env.look().await?;
        let people = daemon::people_of(&config).map_err(|error| Refusal::new(error.exit(), error.to_string()))?;
        let upcoming = report::upcoming(&mut tx, &config, &people, days, every).await;
        (upcoming.map_err(open::unavailable)?, config.timezone)
    };
    if ics {
        return print::bytes(calendar(&upcoming, Clock::system().now()).as_bytes());
    }
    if env.json {
        return print::json(&json!({ "items": upcoming.items }));
    }
    table(&upcoming, &zone, days).print()
}

/// Mails and ends first, because they are few and a person waits for them; then the runs.
fn table(upcoming: &Upcoming, zone: &TimeZone, days: u32) -> Table {
    let mut table = Table::new(&["WHEN", "WHAT", "SHOP", "TO"]).wide("TO");
    let when = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S").to_string();
    let days = counted(u64::from(days), "day", "days");
    let title = |what: &str, none: bool| format!("{what} of the next {days}{}", if none { ": none" } else { "" });
    let (runs, people): (Vec<_>, Vec<_>) = upcoming.items.iter().partition(|item| item.job.is_some());
    table.section(title("mails and ends", people.is_empty()));
    if upcoming.off {
        table.section("mail is switched off (`mail.transport`): nobody is written to".to_owned());
    }
    let mails = together(people, |item| (item.at, what(item), item.to.clone().unwrap_or_default()));
    for ((at, what, to), shops) in mails {
        table.row([when(at), what, in_short(&shops), to]);
    }
    table.section(title("runs", runs.is_empty()));
    for item in runs {
        table.row([when(item.at), what(item), in_short(item.shop.as_slice()), String::new()]);
    }
    table
}

/// What is one thing to people, with all the shops that it is about.
fn together<'a, K: Ord>(
    items: impl IntoIterator<Item = &'a Item>,
    key: impl Fn(&Item) -> K,
) -> BTreeMap<K, Vec<ShopId>> {
    let mut all: BTreeMap<K, Vec<ShopId>> = BTreeMap::new();
    for item in items {
        let shops = all.entry(key(item)).or_default();
        if let Some(shop) = item.shop.as_ref().filter(|shop| !shops.contains(shop)) {
            shops.push(shop.clone());
        }
    }
    all
}

/// The first few shops, and how many more.
pub(super) fn in_short(shops: &[ShopId]) -> String {
    let (named, more) = shops.split_at(shops.len().min(NAMED));
    let named = named.iter().map(ShopId::as_str).collect::<Vec<_>>().join(", ");
    if more.is_empty() { named } else { format!("{named} and {} more", more.len()) }
}

fn what(item: &Item) -> String {
    match (item.kind.as_str(), item.job, item.count) {
        (_, Some(job), Some(count)) => match &item.period {
            Some(period) => format!("{job}, {count} more, every {period}"),
            None => format!("{job}, {count} more"),
        },
        (_, Some(job), None) => match &item.about {
            Some(about) => format!("{job}, {about}"),
            None => job.to_string(),
        },
        ("end", ..) => "the authorization ends".into(),
        ("ended", ..) => "mail: it has ended".into(),
        (kind, ..) => match &item.about {
            Some(about) => format!("mail: {kind}, {about}"),
            None => format!("mail: {kind}"),
        },
    }
}

/// Mails and ends as a calendar (RFC 5545); runs are too many to be entries.
fn calendar(upcoming: &Upcoming, now: Timestamp) -> String {
    let name = |id: &ShopId| upcoming.names.get(id).cloned().unwrap_or_else(|| id.to_string());
    let entries = together(upcoming.items.iter().filter(|item| item.job.is_none()), |item| (item.at, what(item)));
    let mut calendar = Calendar::new("upcoming");
    for ((at, what), shops) in entries {
        let shops = shops.iter().map(name).collect::<Vec<_>>().join(", ");
        let summary = if shops.is_empty() { what.clone() } else { format!("{what}: {shops}") };
        let uid = format!("{}-{}@shopsyncd", at.as_second(), what.replace(|c: char| !c.is_alphanumeric(), "-"));
        calendar.add(&Event { stamped: now, ..Event::new(uid, at, summary) });
    }
    calendar.finish()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::domain::JobKind;

    fn of(items: Vec<Item>) -> Upcoming {
        Upcoming { items, off: false, names: BTreeMap::new() }
    }

    #[test]
    fn an_entry_of_the_calendar_is_stamped_with_its_making_and_not_with_its_event() {
        let (now, at) = ("2026-03-01T09:00:00Z".parse().unwrap(), "2026-06-30T10:00:00Z".parse().unwrap());
        let item = Item {
            at,
            kind: "end".into(),
            shop: Some("uk".parse().unwrap()),
            job: None,
            to: None,
            about: None,
            count: None,
            period: None,
        };
        let calendar = calendar(&of(vec![item]), now);
        let lines: Vec<&str> = calendar.split("\r\n").filter(|line| line.starts_with("DT")).collect();
        assert_eq!(lines, ["DTSTAMP:20260301T090000Z", "DTSTART:20260630T100000Z"]);
    }

    #[test]
    fn a_mail_about_several_shops_is_one_line_and_one_entry() {
        let item = |shop: &str| Item {
            at: "2026-03-20T07:00:00Z".parse().unwrap(),
            kind: "reminder".into(),
            shop: Some(shop.parse().unwrap()),
            job: None,
            to: Some("owner@example.com".into()),
            about: None,
            count: None,
            period: None,
        };
        let mut items: Vec<Item> = ["a", "b", "c", "d", "e", "f"].map(item).into();
        items.push(Item { to: Some("second@example.com".into()), ..item("a") });
        let upcoming = of(items);
        let table = format!("{:?}", table(&upcoming, &TimeZone::UTC, 30));
        assert_eq!(table.matches("mail: reminder").count(), 2, "{table}");
        assert!(table.contains("a, b, c, d and 2 more"), "{table}");
        let calendar = calendar(&upcoming, upcoming.items[0].at);
        assert_eq!(calendar.matches("BEGIN:VEVENT").count(), 1, "{calendar}");
        assert!(calendar.contains("SUMMARY:mail: reminder: a\\, b\\, c\\, d\\, e\\, f"), "{calendar}");
    }

    #[test]
    fn mails_and_ends_stand_before_any_run() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let run = Item {
            at: at("2026-03-01T12:00:00Z"),
            kind: "run".to_owned(),
            shop: Some("uk".parse().unwrap()),
            job: Some(JobKind::ProductImport),
            to: None,
            about: None,
            count: None,
            period: None,
        };
        let end = Item { at: at("2026-03-20T12:00:00Z"), kind: "end".to_owned(), job: None, ..run.clone() };
        let table = format!("{:?}", table(&of(vec![run, end]), &TimeZone::UTC, 30));
        let place = |words: &str| table.find(words).unwrap();
        assert!(place("the authorization ends") < place("product_import"), "{table}");
    }
}
