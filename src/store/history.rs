//! The history of runs: one, many, the latest, and what is forgotten.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    StoreError, Tx,
    bulk::shop_rows,
    row::{Both, Row, ms},
    runs::trigger,
};
use crate::domain::{ErrorKind, InstanceId, JobKind, Outcome, Run, RunId, RunState, ShopId};

/// How many runs one call of [`Tx::prune_runs`] deletes at most, so that the one writer of SQLite is soon free again.
const PRUNE: i64 = 10_000;

/// Which runs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this shop.
    pub shop: Option<ShopId>,
    /// Of this kind.
    pub job: Option<JobKind>,
    /// In this state.
    pub state: Option<RunState>,
    /// That ended so.
    pub outcome: Option<Outcome>,
    /// Older than this run: for paging.
    pub before: Option<RunId>,
}

impl Tx {
    /// One run.
    pub async fn run(&mut self, id: RunId) -> Result<Option<Run>, StoreError> {
        on_db!(self.row("select * from runs where id = $1", id.0))?.as_ref().map(read_run).transpose()
    }

    /// Runs, newest first, at most `limit`.
    pub async fn runs(&mut self, filter: &RunFilter, limit: u32) -> Result<Vec<Run>, StoreError> {
        const ALL: &str = "select * from runs
            where ($1 is null or job = $1) and ($2 is null or state = $2) and ($3 is null or id < $3)
                and ($4 is null or outcome = $4)
            order by id desc limit $5";
        const OF_SHOP: &str = "select * from runs
            where ($1 is null or job = $1) and ($2 is null or state = $2) and ($3 is null or id < $3)
                and ($4 is null or outcome = $4) and shop = $6
            order by id desc limit $5";
        let job = filter.job.map(JobKind::as_str);
        let state = filter.state.map(RunState::as_str);
        let before = filter.before.map(|id| id.0);
        let outcome = filter.outcome.map(Outcome::as_str);
        let limit = i64::from(limit);
        let rows = match &filter.shop {
            None => on_db!(self.rows(ALL, job, state, before, outcome, limit))?,
            Some(shop) => on_db!(self.rows(OF_SHOP, job, state, before, outcome, limit, shop.as_str()))?,
        };
        rows.iter().map(read_run).collect()
    }

    /// The newest run of each schedule of the shop (or of all shops), and the newest finished one: what `status` shows.
    pub async fn latest_runs(&mut self, shop: Option<&ShopId>) -> Result<Vec<Run>, StoreError> {
        const SQL: &str = "select * from runs where id in (
                select (select max(r.id) from runs r where r.shop = s.shop and r.job = s.job)
                from schedules s where $1 is null or s.shop = $1
                union
                select (select r.id from runs r where r.shop = s.shop and r.job = s.job and r.finished_at is not null
                    order by r.id desc limit 1)
                from schedules s where $1 is null or s.shop = $1)
            order by shop, job, id desc";
        on_db!(self.rows(SQL, shop.map(ShopId::as_str)))?.iter().map(read_run).collect()
    }

    /// The same of these shops.
    pub async fn latest_runs_among(&mut self, among: &BTreeSet<ShopId>) -> Result<Vec<Run>, StoreError> {
        const SQL: Both = bulk!([shop] "select * from runs where id in (
                select (select max(r.id) from runs r where r.shop = s.shop and r.job = s.job)
                from page join schedules s on s.shop = page.shop
                union
                select (select r.id from runs r where r.shop = s.shop and r.job = s.job and r.finished_at is not null
                    order by r.id desc limit 1)
                from page join schedules s on s.shop = page.shop)
            order by shop, job, id desc");
        on_db!(self.rows(SQL, shop_rows(among)))?.iter().map(read_run).collect()
    }

    /// Deletes finished runs that ended before `cutoff`, but never the newest finished one of a schedule. Returns how many: at
    /// most 10,000 a call, so that nobody waits long for the writer; call again until it is none.
    pub async fn prune_runs(&mut self, cutoff: Timestamp) -> Result<u64, StoreError> {
        const SQL: &str = "delete from runs where id in (
            select r.id from runs r where r.finished_at < $1
                and exists (select 1 from runs newer where newer.shop = r.shop and newer.job = r.job
                    and newer.id > r.id and newer.finished_at is not null)
            limit $2)";
        on_db!(self.execute(SQL, ms(cutoff), PRUNE))
    }
}

fn state(name: &str) -> Option<RunState> {
    [
        RunState::Available,
        RunState::Running,
        RunState::Retryable,
        RunState::Completed,
        RunState::Discarded,
        RunState::Cancelled,
    ]
    .into_iter()
    .find(|it| it.as_str() == name)
}

fn outcome(name: &str) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|it| it.as_str() == name)
}

/// A kind of error by its name, as its serde form spells it.
fn error_kind(name: &str) -> Option<ErrorKind> {
    serde_json::from_value(serde_json::Value::from(name)).ok()
}

fn read_run(row: &Row) -> Result<Run, StoreError> {
    const RUNS: &str = "runs";
    let error = match row.opt_named(RUNS, "error_kind", error_kind)? {
        Some(kind) => Some((
            kind,
            row.opt_text("error_text")?.unwrap_or_default(),
            row.opt_text("error_remedy")?.unwrap_or_default(),
        )),
        None => None,
    };
    Ok(Run {
        id: RunId(row.int("id")?),
        shop: row.shop(RUNS, "shop")?,
        job: row.named(RUNS, "job", |text| text.parse().ok())?,
        trigger: row.named(RUNS, "run_trigger", trigger)?,
        state: row.named(RUNS, "state", state)?,
        outcome: row.opt_named(RUNS, "outcome", outcome)?,
        due_at: row.instant("due_at")?,
        covers: row.int("covers")? as u32,
        deaths: row.int("deaths")? as u32,
        available_at: row.instant("available_at")?,
        started_at: row.opt_instant("started_at")?,
        finished_at: row.opt_instant("finished_at")?,
        attempt: row.int("attempt")? as u32,
        instance: row.opt_text("instance")?.map(InstanceId),
        lease_number: row.int("lease_number")?,
        counts: row.opt_json(RUNS, "counts")?.unwrap_or_default(),
        error,
        demand: row.opt_json(RUNS, "demand")?.unwrap_or_default(),
        follow_up: row.opt_named(RUNS, "follow_trigger", trigger)?,
    })
}
