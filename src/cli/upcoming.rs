//! `upcoming`: the mails, ends and runs that are to come, by the rules that will send and run them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    Outcome,
    open::{self, Env},
    print,
};
use crate::{
    config::Config,
    daemon,
    domain::{JobKind, Period, ShopId},
    notices,
    store::{ScheduleRow, Tx},
};

/// How far ahead runs are told one by one; beyond, a line per job says how many there are.
const ONE_BY_ONE: SignedDuration = SignedDuration::from_hours(24);

/// `upcoming --json`.
#[derive(Debug, Serialize)]
struct Upcoming {
    items: Vec<Item>,
}

/// One thing to come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Item {
    /// When; for the sum of a job the first instant after the next 24 hours.
    at: Timestamp,
    /// `reminder`, `ended`, `operator`, `end`, `run` or `runs`.
    kind: String,
    shop: Option<ShopId>,
    job: Option<JobKind>,
    to: Option<String>,
    /// For `runs`: how many there are up to the horizon.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

pub(super) async fn upcoming(env: &Env, days: u32, ics: bool) -> Outcome {
    let config = env.settings()?;
    let mut tx = open::reading(&config).await?;
    let items = items(&mut tx, &config, days).await?;
    if ics {
        return print::bytes(calendar(&items, &config, tx.now).as_bytes());
    }
    if env.json {
        return print::json(&Upcoming { items });
    }
    let mut table = print::table(&["WHEN", "WHAT", "SHOP", "TO"]);
    for item in &items {
        table.add_row([
            item.at.to_zoned(config.timezone.clone()).strftime("%a %Y-%m-%d %H:%M:%S").to_string(),
            what(item),
            item.shop.as_ref().map_or_else(String::new, ToString::to_string),
            item.to.clone().unwrap_or_default(),
        ]);
    }
    print::print_table(&table)
}

fn what(item: &Item) -> String {
    match (item.kind.as_str(), item.job, item.count) {
        (_, Some(job), Some(count)) => format!("{job}, {count} more"),
        (_, Some(job), None) => job.to_string(),
        ("end", ..) => "the authorization ends".into(),
        ("ended", ..) => "mail: it has ended".into(),
        (kind, ..) => format!("mail: {kind}"),
    }
}

async fn items(tx: &mut Tx, config: &Config, days: u32) -> Result<Vec<Item>, crate::control::Refusal> {
    let now = tx.now;
    let horizon = now + SignedDuration::from_hours(24 * i64::from(days));
    let people = daemon::people_of(config)
        .map_err(|error| crate::control::Refusal::new(super::exit::CONFIGURATION, error.to_string()))?;
    let watched = notices::watched(tx, &people).await.map_err(open::unavailable)?;
    let mut items = Vec::new();
    for one in &watched {
        let ends = one.authorization.ends.map(|ends| ends.at).filter(|at| (now..=horizon).contains(at));
        items.extend(ends.into_iter().flat_map(|at| {
            one.shops.iter().map(move |shop| Item {
                at,
                kind: "end".into(),
                shop: Some(shop.clone()),
                job: None,
                to: None,
                count: None,
            })
        }));
    }
    for mail in notices::upcoming_mails(&watched, &people, now, days) {
        let of = |shop: Option<ShopId>| Item {
            at: mail.at,
            kind: mail.kind.into(),
            shop,
            job: None,
            to: Some(mail.to.clone()),
            count: None,
        };
        if mail.shops.is_empty() {
            items.push(of(None));
        }
        items.extend(mail.shops.iter().cloned().map(|shop| of(Some(shop))));
    }
    for schedule in tx.schedules(None).await.map_err(open::unavailable)? {
        if let Some(shop) = schedule.shop.clone() {
            items.extend(runs(&schedule, &shop, now, horizon));
        }
    }
    items.sort();
    Ok(items)
}

/// The runs of one schedule: one by one for a day, then their number.
fn runs(schedule: &ScheduleRow, shop: &ShopId, now: Timestamp, horizon: Timestamp) -> Vec<Item> {
    let item = |at: Timestamp, kind: &str, count| Item {
        at,
        kind: kind.into(),
        shop: Some(shop.clone()),
        job: Some(schedule.job),
        to: None,
        count,
    };
    let Some(first) = schedule.next_due_at else { return Vec::new() };
    let near = (now + ONE_BY_ONE).min(horizon);
    let mut items = Vec::new();
    let mut next = Some(first);
    while let Some(at) = next.filter(|at| *at <= near) {
        items.push(item(at, "run", None));
        next = schedule.period.next_after(at, at).map(|after| after.grid_at);
    }
    if let Some(at) = next.filter(|at| *at <= horizon) {
        items.push(item(at, "runs", Some(count(&schedule.period, at, horizon))));
    }
    items
}

/// How many instants lie from `at` up to the horizon.
fn count(period: &Period, at: Timestamp, horizon: Timestamp) -> u64 {
    if let Period::Every(every) = period {
        return (horizon.duration_since(at).as_millis() / every.as_millis().max(1)) as u64 + 1;
    }
    let instants = std::iter::successors(Some(at), |at| period.next_after(*at, *at).map(|after| after.grid_at));
    instants.take_while(|at| *at <= horizon).count() as u64
}

/// Mails and ends as a calendar (RFC 5545); runs are too many to be entries.
fn calendar(items: &[Item], config: &Config, now: Timestamp) -> String {
    let stamp = |at: Timestamp| at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut grouped: BTreeMap<(Timestamp, String), Vec<String>> = BTreeMap::new();
    for item in items.iter().filter(|item| item.job.is_none()) {
        let shop = item.shop.as_ref().map_or_else(String::new, |id| {
            config.shops.get(id).map_or_else(|| id.to_string(), |shop| shop.name.clone())
        });
        grouped.entry((item.at, what(item))).or_default().push(shop);
    }
    let mut lines =
        vec!["BEGIN:VCALENDAR".to_owned(), "VERSION:2.0".into(), "PRODID:-//shopsyncd//upcoming//EN".into()];
    for ((at, what), mut shops) in grouped {
        shops.sort();
        shops.dedup();
        let summary =
            format!("{what}: {}", shops.join(", ")).replace('\\', "\\\\").replace(',', "\\,").replace(';', "\\;");
        lines.extend([
            "BEGIN:VEVENT".into(),
            format!("UID:{}-{}@shopsyncd", at.as_second(), summary.bytes().map(u64::from).sum::<u64>()),
            format!("DTSTAMP:{}", stamp(now)),
            format!("DTSTART:{}", stamp(at)),
            format!("SUMMARY:{summary}"),
            "END:VEVENT".into(),
        ]);
    }
    lines.extend(["END:VCALENDAR".into(), String::new()]);
    lines.join("\r\n")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_calendar_is_stamped_with_its_making_and_not_with_its_event() {
        let (now, at) = ("2026-03-01T09:00:00Z".parse().unwrap(), "2026-06-30T10:00:00Z".parse().unwrap());
        let item = Item { at, kind: "end".into(), shop: Some("uk".parse().unwrap()), job: None, to: None, count: None };
        let calendar = calendar(&[item], &Config::default(), now);
        let lines: Vec<&str> = calendar.split("\r\n").filter(|line| line.starts_with("DT")).collect();
        assert_eq!(lines, ["DTSTAMP:20260301T090000Z", "DTSTART:20260630T100000Z"]);
    }
}
