//! `upcoming`: the mails, ends and runs that are to come, by the rules that will send and run them.

mod runs;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use runs::Runs;
use serde::Serialize;

use super::{
    Outcome,
    open::{self, Env},
    print,
    table::Table,
};
use crate::{
    config::{Config, Transport},
    daemon,
    domain::{AuthorizationState, JobKind, Period, RunState, ShopId, counted},
    mail::calendar::{Calendar, Event},
    notices,
    store::{RunFilter, ScheduleRow, StoreError, Tx},
};

/// How far ahead runs are told one by one; beyond, a line per job says how many there are.
const ONE_BY_ONE: SignedDuration = SignedDuration::from_hours(24);
/// How many runs of a job people are told one by one at most: once an hour for a day. Of a job that runs more often, the first few.
/// Scripts are told all.
const MOST: usize = 25;
/// How many are told of a job that runs more often.
const FEW: usize = 3;
/// How many unfinished runs are looked at: far more than there are schedules.
const ALL: u32 = 100_000;
/// How many shops of one mail are named at most; scripts are told all.
const NAMED: usize = 4;

/// `upcoming --json`.
#[derive(Debug, Serialize)]
struct Upcoming {
    items: Vec<Item>,
}

/// One thing to come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Item {
    /// When; for the sum of a job the first instant that is not told by itself.
    at: Timestamp,
    /// `reminder`, `ended`, `operator`, `end`, `run` or `runs`.
    kind: String,
    shop: Option<ShopId>,
    job: Option<JobKind>,
    to: Option<String>,
    /// What the mail will be about, where its kind does not say; of a run that is not finished, why it is still to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    /// For `runs`: how many there are up to the horizon.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// For `runs`: how often, where that is one length.
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<String>,
}

pub(super) async fn upcoming(env: &Env, days: u32, ics: bool) -> Outcome {
    let (config, mut tx) = env.look().await?;
    let most = if env.json { usize::MAX } else { MOST };
    let items = items(&mut tx, &config, days, most).await?;
    if ics {
        return print::bytes(calendar(&items, &config, tx.now).as_bytes());
    }
    if env.json {
        return print::json(&Upcoming { items });
    }
    table(&items, &config, days).print()
}

/// Mails and ends first, because they are few and a person waits for them; then the runs.
fn table(items: &[Item], config: &Config, days: u32) -> Table {
    let mut table = Table::new(&["WHEN", "WHAT", "SHOP", "TO"]).wide("TO");
    let when = |at: Timestamp| at.to_zoned(config.timezone.clone()).strftime("%a %Y-%m-%d %H:%M:%S").to_string();
    let days = counted(u64::from(days), "day", "days");
    let title = |what: &str, none: bool| format!("{what} of the next {days}{}", if none { ": none" } else { "" });
    let (runs, people): (Vec<_>, Vec<_>) = items.iter().partition(|item| item.job.is_some());
    table.section(title("mails and ends", people.is_empty()));
    if is_off(config) {
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

async fn items(tx: &mut Tx, config: &Config, days: u32, most: usize) -> Result<Vec<Item>, crate::control::Refusal> {
    let now = tx.now;
    let horizon = now + SignedDuration::from_hours(24 * i64::from(days));
    let people = daemon::people_of(config)
        .map_err(|error| crate::control::Refusal::new(super::exit::CONFIGURATION, error.to_string()))?;
    let watched = notices::watched(tx, &people).await.map_err(open::unavailable)?;
    let mut items = Vec::new();
    for one in &watched {
        // That the date of what is over already comes is no event.
        let active = one.authorization.state == AuthorizationState::Active;
        let ends = one.authorization.ends.map(|ends| ends.at).filter(|at| active && (now..=horizon).contains(at));
        items.extend(ends.into_iter().flat_map(|at| {
            one.shops.iter().map(move |shop| Item {
                at,
                kind: "end".into(),
                shop: Some(shop.clone()),
                job: None,
                to: None,
                about: None,
                count: None,
                period: None,
            })
        }));
    }
    let mails = if is_off(config) {
        Vec::new()
    } else {
        notices::upcoming_mails(tx, &people, horizon).await.map_err(open::unavailable)?
    };
    for mail in mails {
        let of = |shop: Option<ShopId>| Item {
            at: mail.at,
            kind: mail.kind.to_string(),
            shop,
            job: None,
            to: Some(mail.to.clone()),
            about: mail.about.clone(),
            count: None,
            period: None,
        };
        if mail.shops.is_empty() {
            items.push(of(None));
        }
        items.extend(mail.shops.iter().cloned().map(|shop| of(Some(shop))));
    }
    items.extend(unfinished(tx, horizon).await.map_err(open::unavailable)?);
    let schedules = tx.schedules(None).await.map_err(open::unavailable)?;
    for (schedule, instants) in runs::all(&schedules, &watched, now, horizon) {
        if let Some(shop) = schedule.shop.clone() {
            items.extend(told(schedule, &shop, instants, now, most));
        }
    }
    items.sort();
    Ok(items)
}

/// Whether no mail is sent at all.
const fn is_off(config: &Config) -> bool {
    matches!(config.mail.transport, Transport::None)
}

/// Runs that have come due already and are still to be carried out: they wait for a free slot, or for their next attempt.
async fn unfinished(tx: &mut Tx, horizon: Timestamp) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    for state in [RunState::Available, RunState::Retryable] {
        let filter = RunFilter { state: Some(state), ..RunFilter::default() };
        for run in tx.runs(&filter, ALL).await?.into_iter().filter(|run| run.shop.is_some()) {
            let about = match state {
                RunState::Retryable => format!("attempt {}", run.attempt + 1),
                _ => "waiting".to_owned(),
            };
            items.push(Item {
                at: run.available_at.max(tx.now),
                kind: "run".into(),
                shop: run.shop,
                job: Some(run.job),
                to: None,
                about: Some(about),
                count: None,
                period: None,
            });
        }
    }
    items.retain(|item| item.at <= horizon);
    Ok(items)
}

/// The runs of one schedule: one by one for a day (where they are more than `most`, the first few), then their number.
fn told(schedule: &ScheduleRow, shop: &ShopId, mut instants: Runs, now: Timestamp, most: usize) -> Vec<Item> {
    let item = |at: Timestamp, kind: &str, count| Item {
        at,
        kind: kind.into(),
        shop: Some(shop.clone()),
        job: Some(schedule.job),
        to: None,
        about: None,
        count,
        period: matches!(schedule.period, Period::Every(_))
            .then(|| schedule.period.to_stored())
            .filter(|_| count.is_some()),
    };
    let near = now + ONE_BY_ONE;
    let mut told: Vec<Timestamp> = instants.clone().take_while(|at| *at <= near).take(most.saturating_add(1)).collect();
    if told.len() > most {
        told.truncate(FEW);
    }
    let mut items: Vec<Item> = told.iter().map(|at| item(*at, "run", None)).collect();
    if let Some(next) = instants.nth(told.len()) {
        items.push(item(next, "runs", Some(instants.count_left() + 1)));
    }
    items
}

/// Mails and ends as a calendar (RFC 5545); runs are too many to be entries.
fn calendar(items: &[Item], config: &Config, now: Timestamp) -> String {
    let name = |id: &ShopId| config.shops.get(id).map_or_else(|| id.to_string(), |shop| shop.name.clone());
    let entries = together(items.iter().filter(|item| item.job.is_none()), |item| (item.at, what(item)));
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
        let calendar = calendar(&[item], &Config::default(), now);
        let lines: Vec<&str> = calendar.split("\r\n").filter(|line| line.starts_with("DT")).collect();
        assert_eq!(lines, ["DTSTAMP:20260301T090000Z", "DTSTART:20260630T100000Z"]);
    }

    /// The runs of 30 days of a job with this period, in short.
    fn told(period: &str) -> Vec<String> {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let schedule = ScheduleRow {
            shop: Some("uk".parse().unwrap()),
            job: JobKind::ProductImport,
            period: Period::parse(period).unwrap(),
            grid_at: Some(now),
            early_at: None,
            next_due_at: Some(now),
            planned_at: None,
            held_by: None,
        };
        let horizon = now + SignedDuration::from_hours(30 * 24);
        let schedules = [schedule];
        let runs = |most: usize| {
            let (schedule, instants) = runs::all(&schedules, &[], now, horizon).remove(0);
            super::told(schedule, schedule.shop.as_ref().unwrap(), instants, now, most)
        };
        let all = runs(usize::MAX);
        let day = all.iter().filter(|item| item.kind == "run").count();
        assert_eq!(day + all.iter().filter(|item| item.kind == "runs").count(), all.len());
        assert!(all.iter().filter(|item| item.kind == "run").all(|item| item.at <= now + ONE_BY_ONE));
        let items = runs(MOST);
        items.iter().map(|item| format!("{} {}", item.at, what(item))).collect()
    }

    #[test]
    fn a_job_that_runs_often_is_told_in_a_few_lines_and_loses_no_run() {
        insta::assert_snapshot!(told("10 seconds").join("\n"), @r"
        2026-03-01T12:00:00Z product_import
        2026-03-01T12:00:10Z product_import
        2026-03-01T12:00:20Z product_import
        2026-03-01T12:00:30Z product_import, 259198 more, every 10 seconds
        ");
        assert_eq!(told("1 hour").len(), 26, "hourly: each of a day, and the rest");
        insta::assert_snapshot!(told("20 days").join("\n"), @r"
        2026-03-01T12:00:00Z product_import
        2026-03-21T12:00:00Z product_import, 1 more, every 20 days
        ");
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
        let table = format!("{:?}", table(&items, &Config::default(), 30));
        assert_eq!(table.matches("mail: reminder").count(), 2, "{table}");
        assert!(table.contains("a, b, c, d and 2 more"), "{table}");
        let calendar = calendar(&items, &Config::default(), items[0].at);
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
        let table = format!("{:?}", table(&[run, end], &Config::default(), 30));
        let place = |words: &str| table.find(words).unwrap();
        assert!(place("the authorization ends") < place("product_import"), "{table}");
    }
}
