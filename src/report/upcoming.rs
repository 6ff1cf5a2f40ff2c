//! What is to come: mails, ends and runs, by the rules that will send and run them.

mod runs;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use runs::Runs;
use serde::{Deserialize, Serialize};

use crate::{
    config::{Config, Transport},
    domain::{AuthorizationState, JobKind, Period, RunState, ShopId},
    notices::{self, People},
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

/// What is to come.
#[derive(Debug, Serialize, Deserialize)]
pub struct Upcoming {
    /// In order of time.
    pub items: Vec<Item>,
    /// Whether mail is switched off: then nobody is written to.
    pub off: bool,
    /// What people call the shops that mails and ends are about.
    pub names: BTreeMap<ShopId, String>,
}

/// One thing to come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Item {
    /// When; for the sum of a job the first instant that is not told by itself.
    pub at: Timestamp,
    /// `reminder`, `ended`, `operator`, `end`, `run` or `runs`.
    pub kind: String,
    /// The shop.
    pub shop: Option<ShopId>,
    /// The job, for runs.
    pub job: Option<JobKind>,
    /// The recipient, for mails.
    pub to: Option<String>,
    /// What the mail will be about, where its kind does not say; of a run that is not finished, why it is still to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// For `runs`: how many there are up to the horizon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// For `runs`: how often, where that is one length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
}

/// What comes within so many days, by these settings. Of jobs that run often `every` run is told, or the first few.
pub async fn upcoming(
    tx: &mut Tx,
    config: &Config,
    people: &People,
    days: u32,
    every: bool,
) -> Result<Upcoming, StoreError> {
    let items = items(tx, config, people, days, if every { usize::MAX } else { MOST }).await?;
    let named = items.iter().filter(|item| item.job.is_none()).filter_map(|item| item.shop.as_ref());
    let names = named.filter_map(|id| Some((id.clone(), config.shops.get(id)?.name.clone()))).collect();
    Ok(Upcoming { items, off: is_off(config), names })
}

async fn items(tx: &mut Tx, config: &Config, people: &People, days: u32, most: usize) -> Result<Vec<Item>, StoreError> {
    let now = tx.now;
    let horizon = now + SignedDuration::from_hours(24 * i64::from(days));
    let watched = notices::watched(tx, people).await?;
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
    let mails = if is_off(config) { Vec::new() } else { notices::upcoming_mails(tx, people, horizon).await? };
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
    items.extend(unfinished(tx, horizon).await?);
    let schedules = tx.schedules(None).await?;
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

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
        let more = |count: u64, item: &Item| format!(", {count} more, every {}", item.period.clone().unwrap());
        let tail = |item: &Item| item.count.map(|count| more(count, item)).unwrap_or_default();
        items.iter().map(|item| format!("{} {}{}", item.at, item.job.unwrap(), tail(item))).collect()
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
}
