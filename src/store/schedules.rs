//! Schedules: one row per shop and job kind, with its period and its next instant.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    StoreError, Tx,
    bulk::shop_rows,
    row::{Both, Row, json, ms, opt_ms, shop_text},
};
use crate::domain::{ChannelName, Hold, JobKind, Period, ShopId};

/// How long after one look at a held shop the next follows.
const DAILY: SignedDuration = SignedDuration::from_hours(24);
/// How long after an early look that no run is yet to begin for it comes again.
const AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// A schedule as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleRow {
    /// The shop; `None` for the daemon's own.
    pub shop: Option<ShopId>,
    /// The job.
    pub job: JobKind,
    /// Its period.
    pub period: Period,
    /// The next instant of the grid.
    pub grid_at: Option<Timestamp>,
    /// An earlier look than the grid's, where the work asked for one.
    pub early_at: Option<Timestamp>,
    /// The next instant at which a run is planned; `None` where the period is `None` or the job is held.
    pub next_due_at: Option<Timestamp>,
    /// The last instant that was planned; where several were missed, when that was made up for.
    pub planned_at: Option<Timestamp>,
    /// What holds it.
    pub held_by: Option<Hold>,
}

/// A schedule as the settings want it.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedSchedule {
    /// The shop; `None` for the daemon's own.
    pub shop: Option<ShopId>,
    /// The job.
    pub job: JobKind,
    /// Its period.
    pub period: Period,
}

/// A schedule whose next instant has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The shop; `None` for the daemon's own.
    pub shop: Option<ShopId>,
    /// The shop's channel; empty for the daemon's own, and where the shop is not on record.
    pub channel: String,
    /// The job.
    pub job: JobKind,
    /// Its period.
    pub period: Period,
    /// The next instant of the grid.
    pub grid_at: Timestamp,
    /// The instant that has come (the grid's, or an earlier look).
    pub due_at: Timestamp,
    /// The earlier look that was asked for, which may have come together with the grid's instant.
    pub early_at: Option<Timestamp>,
    /// Held jobs that still look once a day.
    pub held_by: Option<Hold>,
}

impl Due {
    /// Whether an earlier look than the grid's has come.
    pub(super) fn is_early(&self) -> bool {
        self.held_by.is_none() && self.due_at < self.grid_at
    }
}

/// What the planner decided for a due schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The schedule.
    pub due: Due,
    /// The grid's next instant.
    pub grid_at: Timestamp,
    /// How many instants the run stands for.
    pub covers: u32,
}

impl ScheduleRow {
    /// The instant at which the next run is to be planned, from everything else in the row.
    fn due(&self) -> Option<Timestamp> {
        match self.held_by {
            _ if self.period == Period::None => None,
            None => self.grid_at.into_iter().chain(self.early_at).min(),
            Some(hold) if looks_daily(self.job, hold) => self.early_at,
            Some(_) => None,
        }
    }

    /// The row with this hold, or without any; `None` where that is no change.
    fn with_hold(self, hold: Option<Hold>, now: Timestamp) -> Option<Self> {
        if self.held_by == hold {
            return None;
        }
        let early_at = match (self.held_by, hold) {
            (_, None) => None,
            (Some(old), Some(new)) if looks_daily(self.job, old) && looks_daily(self.job, new) => self.early_at,
            (_, Some(new)) => looks_daily(self.job, new).then(|| now + DAILY),
        };
        Some(Self { held_by: hold, early_at, ..self })
    }
}

fn looks_daily(job: JobKind, hold: Hold) -> bool {
    job == JobKind::AuthorizationRefresh && hold.looks_daily()
}

impl Tx {
    /// Brings the table in line with the settings: an unchanged schedule keeps its row and its next instant; a changed
    /// period gets [`Period::first_after_change`]; `None` keeps the row and clears the instant; a schedule that is no
    /// longer wanted goes, and takes its waiting runs with it (cancelled). Returns how many rows changed.
    pub async fn sync_schedules(&mut self, wanted: &[WantedSchedule]) -> Result<u64, StoreError> {
        let rows = self.schedules(None).await?;
        self.sync_these(rows, wanted).await
    }

    /// The same for the schedules of these shops alone: no other row is read or written.
    pub async fn sync_schedules_among(
        &mut self,
        wanted: &[WantedSchedule],
        among: &BTreeSet<ShopId>,
    ) -> Result<u64, StoreError> {
        let rows = self.schedules_among(among).await?;
        self.sync_these(rows, wanted).await
    }

    async fn sync_these(&mut self, rows: Vec<ScheduleRow>, wanted: &[WantedSchedule]) -> Result<u64, StoreError> {
        let mut rows: HashMap<_, _> = rows.into_iter().map(|row| ((row.shop.clone(), row.job), row)).collect();
        let mut changed = Vec::new();
        for want in wanted {
            let key = format!("{}/{}", shop_text(want.shop.as_ref()), want.job);
            let row = match rows.remove(&(want.shop.clone(), want.job)) {
                Some(row) if row.period == want.period => continue,
                Some(row) => ScheduleRow {
                    grid_at: want.period.first_after_change(row.planned_at, self.now, &key),
                    early_at: row.early_at.filter(|_| want.period != Period::None),
                    period: want.period.clone(),
                    ..row
                },
                None => ScheduleRow {
                    shop: want.shop.clone(),
                    job: want.job,
                    period: want.period.clone(),
                    grid_at: want.period.first_after(self.now, &key),
                    early_at: None,
                    next_due_at: None,
                    planned_at: None,
                    held_by: None,
                },
            };
            changed.push(row);
        }
        self.put_schedules(&changed).await?;
        let gone: Vec<_> = rows.keys().map(|(shop, job)| (shop_text(shop.as_ref()), job.as_str())).collect();
        if !gone.is_empty() {
            self.drop_schedules(&json(&gone)).await?;
        }
        Ok((changed.len() + gone.len()) as u64)
    }

    /// At most `limit` schedules whose next instant is `now` or earlier, the earliest first, but for those of the channels `full`. On PostgreSQL they are locked, and those
    /// that another planner has locked are passed over.
    pub async fn due_schedules(&mut self, limit: u32, full: &[&str]) -> Result<Vec<Due>, StoreError> {
        const SQL: Both = Both {
            sqlite: "select shop, coalesce(channel, '') as channel, job, period, coalesce(grid_at, next_due_at) as grid_at, next_due_at,
                    early_at, held_by from schedules left join shops on shops.id = shop
                where next_due_at <= $1 and coalesce(channel, '') not in (select value from json_each($3))
                order by next_due_at limit $2",
            postgres: "select shop, coalesce(channel, '') as channel, job, period, coalesce(grid_at, next_due_at) as grid_at, next_due_at,
                    early_at, held_by from schedules left join shops on shops.id = shop collate \"C\"
                where next_due_at <= $1 and coalesce(channel, '') not in (select jsonb_array_elements_text($3::jsonb))
                order by next_due_at limit $2 for update of schedules skip locked",
        };
        let mut periods = Periods::default();
        on_db!(self.rows(SQL, ms(self.now), i64::from(limit), json(full)))?
            .iter()
            .map(|row| {
                Ok(Due {
                    shop: row.shop("schedules", "shop")?,
                    channel: row.text("channel")?,
                    job: row.named("schedules", "job", |text| text.parse().ok())?,
                    period: periods.read(row)?,
                    grid_at: row.instant("grid_at")?,
                    due_at: row.instant("next_due_at")?,
                    early_at: row.opt_instant("early_at")?,
                    held_by: row.opt_named("schedules", "held_by", Hold::from_name)?,
                })
            })
            .collect()
    }

    /// The earliest instant at which anything is to be planned or claimed.
    pub async fn next_instant(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.next_instant_after(Timestamp::MIN).await
    }

    /// The same, but for what has been due since `after` or longer.
    pub async fn next_instant_after(&mut self, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        const SQL: &str = "select min(at) as at from (
            select min(next_due_at) as at from schedules where next_due_at > $1
            union all
            select min(available_at) from runs where state in ('available', 'retryable') and available_at > $1) as both_kinds";
        match on_db!(self.row(SQL, ms(after)))? {
            Some(row) => row.opt_instant("at"),
            None => Ok(None),
        }
    }

    /// How many shops have a job that would run and is held, by a guard too (where one stopped the newest run), and when the next run of
    /// any job without a hold falls due.
    pub async fn outlook(&mut self) -> Result<(u64, Option<Timestamp>), StoreError> {
        // A guard stops exports alone.
        const SQL: &str = "
            select count(distinct case when grid_at is not null and (held_by is not null or job = 'product_export' and 'guard' = (
                    select error_kind from runs where runs.shop = schedules.shop and runs.job = schedules.job
                    order by id desc limit 1)) then shop end) as held,
                min(case when held_by is null then next_due_at end) as next
            from schedules where shop <> ''";
        match on_db!(self.row(SQL))? {
            Some(row) => Ok((row.int("held")? as u64, row.opt_instant("next")?)),
            None => Ok((0, None)),
        }
    }

    /// How many jobs of the shops in the settings would run and are held, by channel and by what holds them: the name of the hold, or
    /// `guard` where a guard stopped the newest run.
    pub async fn held_jobs(&mut self) -> Result<Vec<(ChannelName, &'static str, u64)>, StoreError> {
        const SQL: &str = "
            select s.channel, h.held_by, count(*) as jobs from schedules h join shops s on s.id = h.shop
            where h.held_by is not null and h.grid_at is not null and s.configured = 1
            group by s.channel, h.held_by
            union all
            select s.channel, 'guard' as held_by, count(*) as jobs from schedules h join shops s on s.id = h.shop
                join runs r on r.id = (select max(n.id) from runs n where n.shop = h.shop and n.job = h.job)
            where h.held_by is null and h.grid_at is not null and s.configured = 1
                and r.error_kind = 'guard' and r.finished_at is not null
            group by s.channel";
        let reason = |name: &str| match name {
            "guard" => Some("guard"),
            name => Hold::from_name(name).map(Hold::as_str),
        };
        let rows = on_db!(self.rows(SQL))?;
        let counted = rows.iter().map(|row| {
            let held_by = row.named("schedules", "held_by", reason)?;
            Ok((ChannelName::from(row.text("channel")?.as_str()), held_by, row.int("jobs")?.unsigned_abs()))
        });
        counted.collect()
    }

    /// Sets (or with `None` clears) an earlier look than the grid's; `next_due_at` follows. For a held schedule that
    /// looks daily this is its only instant.
    pub async fn look_early(
        &mut self,
        shop: Option<&ShopId>,
        job: JobKind,
        at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        if let Some(row) = self.schedule_for_update(shop, job).await?
            && row.period != Period::None
        {
            self.put_schedules(&[ScheduleRow { early_at: at, ..row }]).await?;
        }
        Ok(())
    }

    /// Asks for a look at `at` or sooner: one that was asked for and comes sooner stays, since whoever asked for it may have written what
    /// this transaction does not see yet.
    pub async fn look_by(&mut self, shop: Option<&ShopId>, job: JobKind, at: Timestamp) -> Result<(), StoreError> {
        if let Some(row) = self.schedule_for_update(shop, job).await?
            && row.period != Period::None
            && row.early_at.is_none_or(|early| early > at)
        {
            self.put_schedules(&[ScheduleRow { early_at: Some(at), ..row }]).await?;
        }
        Ok(())
    }

    /// Sets or clears the holds of a shop's jobs. A hold clears `next_due_at` (but for an `authorization_refresh` that
    /// looks daily, whose next look is a day from now); its end brings back the grid's next instant. A hold that stands already
    /// changes nothing.
    pub async fn set_holds(&mut self, shop: &ShopId, holds: &[(JobKind, Option<Hold>)]) -> Result<(), StoreError> {
        for &(job, hold) in holds {
            let Some(row) = self.schedule_for_update(Some(shop), job).await? else { continue };
            let Some(row) = row.with_hold(hold, self.now) else { continue };
            self.put_schedules(&[row]).await?;
            if hold.is_some_and(|new| !looks_daily(job, new)) {
                // What waits must not run after all; whatever ends the hold catches up.
                self.cancel_waiting(shop, Some(job)).await?;
            }
        }
        Ok(())
    }

    /// The same for the jobs of many shops, in a few statements however many they are. What is not named keeps its hold.
    pub async fn set_all_holds(&mut self, holds: &HashMap<(ShopId, JobKind), Option<Hold>>) -> Result<(), StoreError> {
        const LOCKED: Both = bulk!([shop, job]
            sqlite: "select s.* from page join schedules s on s.shop = page.shop and s.job = page.job",
            postgres: "select s.* from page join schedules s on s.shop = page.shop and s.job = page.job
                order by s.shop, s.job for update of s");
        let wanted = |row: &ScheduleRow| holds.get(&(row.shop.clone()?, row.job)).copied();
        let differs = |row: &ScheduleRow| wanted(row).is_some_and(|hold| hold != row.held_by);
        let rows = self.schedules(None).await?;
        let named =
            |row: &ScheduleRow| serde_json::json!({ "shop": shop_text(row.shop.as_ref()), "job": row.job.as_str() });
        let differing: Vec<_> = rows.iter().filter(|row| differs(row)).map(named).collect();
        if differing.is_empty() {
            return Ok(());
        }
        let mut periods = Periods::default();
        let mut changed = Vec::new();
        for row in on_db!(self.rows(LOCKED, json(&differing)))? {
            let row = read_schedule(&row, &mut periods)?;
            let hold = wanted(&row).flatten();
            changed.extend(row.with_hold(hold, self.now));
        }
        self.put_schedules(&changed).await?;
        let stopped = changed.iter().filter(|row| row.held_by.is_some_and(|hold| !looks_daily(row.job, hold)));
        let stopped: Vec<_> = stopped.map(|row| (shop_text(row.shop.as_ref()), row.job.as_str())).collect();
        if !stopped.is_empty() {
            self.cancel_waiting_of(&json(&stopped)).await?;
        }
        Ok(())
    }

    /// All schedules, or those of one shop, in order of shop and job.
    pub async fn schedules(&mut self, shop: Option<&ShopId>) -> Result<Vec<ScheduleRow>, StoreError> {
        const ALL: &str = "select * from schedules order by shop, job";
        const OF_SHOP: &str = "select * from schedules where shop = $1 order by job";
        let rows = match shop {
            None => on_db!(self.rows(ALL))?,
            Some(shop) => on_db!(self.rows(OF_SHOP, shop.as_str()))?,
        };
        let mut periods = Periods::default();
        rows.iter().map(|row| read_schedule(row, &mut periods)).collect()
    }

    /// The schedules of these shops, in order of shop and job.
    pub async fn schedules_among(&mut self, among: &BTreeSet<ShopId>) -> Result<Vec<ScheduleRow>, StoreError> {
        const SQL: Both =
            bulk!([shop] "select s.* from page join schedules s on s.shop = page.shop order by s.shop, s.job");
        let mut periods = Periods::default();
        on_db!(self.rows(SQL, shop_rows(among)))?.iter().map(|row| read_schedule(row, &mut periods)).collect()
    }

    /// One schedule.
    pub async fn schedule(&mut self, shop: Option<&ShopId>, job: JobKind) -> Result<Option<ScheduleRow>, StoreError> {
        const SQL: &str = "select * from schedules where shop = $1 and job = $2";
        let row = on_db!(self.row(SQL, shop_text(shop), job.as_str()))?;
        row.map(|row| read_schedule(&row, &mut Periods::default())).transpose()
    }

    /// Takes the grids up again after the wall clock was set back: a next instant that lies more than a period ahead (for the
    /// daily look of a held shop: more than a day) would silence its schedule for as long as the step. Returns how many were moved.
    pub async fn realign_schedules(&mut self) -> Result<u64, StoreError> {
        // What was planned for a time that has yet to come gives the step away. So few rows are read, however many there are.
        const AHEAD: &str = "select * from schedules
            where planned_at > $1 or (planned_at is null and grid_at > $1 + 60000) or (held_by is not null and early_at > $2)";
        let mut periods = Periods::default();
        let mut moved = Vec::new();
        let tomorrow = self.now + DAILY;
        for row in on_db!(self.rows(AHEAD, ms(self.now), ms(tomorrow)))? {
            let row = read_schedule(&row, &mut periods)?;
            let (Some(grid), Some(length)) = (row.grid_at, row.period.length(self.now)) else { continue };
            let late_look = row.held_by.is_some() && row.early_at.is_some_and(|at| at > tomorrow);
            if grid <= self.now + length && !late_look {
                continue;
            }
            let grid_at = match &row.period {
                _ if grid <= self.now + length => row.grid_at,
                Period::Every(length) => {
                    let ahead = grid.as_millisecond() - self.now.as_millisecond();
                    let periods = (ahead - 1) / (length.as_millis() as i64).max(1);
                    Some(grid - *length * i32::try_from(periods).unwrap_or(i32::MAX))
                }
                other => other.next_after(self.now, self.now).map(|next| next.grid_at),
            };
            // What was planned lies in a time that has yet to come; it would count as the newest for as long.
            let planned_at = row.planned_at.map(|at| at.min(self.now));
            let early_at = if late_look { Some(tomorrow) } else { row.early_at };
            moved.push(ScheduleRow { grid_at, early_at, planned_at, ..row });
        }
        self.put_schedules(&moved).await?;
        Ok(moved.len() as u64)
    }

    /// Moves the planned schedules on: the second half of [`Tx::plan_runs`]. `missed`: shop and job of those that no run
    /// is yet to begin for.
    pub(super) async fn move_schedules(
        &mut self,
        planned: &[Planned],
        missed: &HashSet<(String, String)>,
    ) -> Result<(), StoreError> {
        // An earlier look that has come is over, unless it comes again. A held schedule has but the look of the next day.
        const SQL: Both = Both {
            sqlite: "update schedules set grid_at = v->>3, planned_at = v->>2,
                    early_at = coalesce(v->>4, iif(early_at > $2, early_at, null)),
                    next_due_at = coalesce(v->>4, iif(early_at > $2 and early_at < v->>3, early_at, v->>3))
                from (select value as v from json_each($1)) as j
                where schedules.shop = v->>0 and schedules.job = v->>1",
            postgres: "update schedules set grid_at = (v->>3)::bigint, planned_at = (v->>2)::bigint,
                    early_at = coalesce((v->>4)::bigint, case when early_at > $2 then early_at end),
                    next_due_at = coalesce((v->>4)::bigint,
                        least(case when early_at > $2 then early_at end, (v->>3)::bigint))
                from jsonb_array_elements($1::jsonb) as j (v)
                where schedules.shop = v->>0 and schedules.job = v->>1",
        };
        let rows: Vec<_> = planned
            .iter()
            .map(|plan| {
                let (shop, job) = (shop_text(plan.due.shop.as_ref()), plan.due.job.as_str());
                let looks = plan.due.early_at.is_some_and(|at| at <= self.now);
                let again = match plan.due.held_by {
                    Some(_) => Some(DAILY),
                    None if looks && missed.contains(&(shop.to_owned(), job.to_owned())) => Some(AGAIN),
                    None => None,
                };
                // What was missed is planned now: that tells a clock that is set back later.
                let planned_at = if plan.covers > 1 { self.now } else { plan.due.due_at };
                (shop, job, ms(planned_at), ms(plan.grid_at), again.map(|wait| ms(self.now + wait)))
            })
            .collect();
        on_db!(self.execute(SQL, json(&rows), ms(self.now)))?;
        Ok(())
    }

    async fn schedule_for_update(
        &mut self,
        shop: Option<&ShopId>,
        job: JobKind,
    ) -> Result<Option<ScheduleRow>, StoreError> {
        const SQL: Both = Both {
            sqlite: "select * from schedules where shop = $1 and job = $2",
            postgres: "select * from schedules where shop = $1 and job = $2 for update",
        };
        let row = on_db!(self.row(SQL, shop_text(shop), job.as_str()))?;
        row.map(|row| read_schedule(&row, &mut Periods::default())).transpose()
    }

    /// Writes whole rows, with the next due instant that follows from them.
    async fn put_schedules(&mut self, rows: &[ScheduleRow]) -> Result<(), StoreError> {
        const SQL: Both = Both {
            sqlite: "insert into schedules (shop, job, period, grid_at, early_at, next_due_at, planned_at, held_by)
                select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7
                from json_each($1) where true
                on conflict (shop, job) do update set period = excluded.period, grid_at = excluded.grid_at,
                    early_at = excluded.early_at, next_due_at = excluded.next_due_at, planned_at = excluded.planned_at,
                    held_by = excluded.held_by",
            postgres: "insert into schedules (shop, job, period, grid_at, early_at, next_due_at, planned_at, held_by)
                select v->>0, v->>1, v->>2, (v->>3)::bigint, (v->>4)::bigint, (v->>5)::bigint, (v->>6)::bigint, v->>7
                from jsonb_array_elements($1::jsonb) as j (v)
                on conflict (shop, job) do update set period = excluded.period, grid_at = excluded.grid_at,
                    early_at = excluded.early_at, next_due_at = excluded.next_due_at, planned_at = excluded.planned_at,
                    held_by = excluded.held_by",
        };
        if rows.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                (
                    shop_text(row.shop.as_ref()),
                    row.job.as_str(),
                    row.period.to_stored(),
                    opt_ms(row.grid_at),
                    opt_ms(row.early_at),
                    opt_ms(row.due()),
                    opt_ms(row.planned_at),
                    row.held_by.map(Hold::as_str),
                )
            })
            .collect();
        on_db!(self.execute(SQL, json(&rows)))?;
        Ok(())
    }

    /// Cancels the waiting runs of schedules, given as JSON pairs of shop and job, and what was to follow those under way.
    async fn cancel_waiting_of(&mut self, pairs: &str) -> Result<(), StoreError> {
        const CANCEL: Both = Both {
            sqlite: "update runs set state = 'cancelled', outcome = 'cancelled', finished_at = $2
                from (select value as v from json_each($1)) as j
                where runs.shop = v->>0 and runs.job = v->>1 and runs.state in ('available', 'retryable')",
            postgres: "update runs set state = 'cancelled', outcome = 'cancelled', finished_at = $2
                from jsonb_array_elements($1::jsonb) as j (v)
                where runs.shop = v->>0 and runs.job = v->>1 and runs.state in ('available', 'retryable')",
        };
        const FOLLOWERS: Both = Both {
            sqlite: "update runs set follow_trigger = null, follow_demand = null
                from (select value as v from json_each($1)) as j
                where runs.shop = v->>0 and runs.job = v->>1 and runs.state = 'running'",
            postgres: "update runs set follow_trigger = null, follow_demand = null
                from jsonb_array_elements($1::jsonb) as j (v)
                where runs.shop = v->>0 and runs.job = v->>1 and runs.state = 'running'",
        };
        on_db!(self.execute(CANCEL, pairs, ms(self.now)))?;
        on_db!(self.execute(FOLLOWERS, pairs))?;
        Ok(())
    }

    /// Deletes schedules, given as JSON pairs of shop and job, and cancels their waiting runs.
    async fn drop_schedules(&mut self, gone: &str) -> Result<(), StoreError> {
        const DELETE: Both = Both {
            sqlite: "delete from schedules where (shop, job) in (select value->>0, value->>1 from json_each($1))",
            postgres: "delete from schedules
                where (shop, job) in (select v->>0, v->>1 from jsonb_array_elements($1::jsonb) as j (v))",
        };
        self.cancel_waiting_of(gone).await?;
        on_db!(self.execute(DELETE, gone))?;
        Ok(())
    }
}

/// Periods read before, by their text: crowds of schedules share a few.
#[derive(Default)]
struct Periods(HashMap<String, Period>);

impl Periods {
    fn read(&mut self, row: &Row) -> Result<Period, StoreError> {
        let text = row.text("period")?;
        if let Some(period) = self.0.get(&text) {
            return Ok(period.clone());
        }
        let period = Period::from_stored(&text)
            .map_err(|error| StoreError::Corrupt { table: "schedules", cause: error.to_string() })?;
        self.0.insert(text, period.clone());
        Ok(period)
    }
}

fn read_schedule(row: &Row, periods: &mut Periods) -> Result<ScheduleRow, StoreError> {
    Ok(ScheduleRow {
        shop: row.shop("schedules", "shop")?,
        job: row.named("schedules", "job", |text| text.parse().ok())?,
        period: periods.read(row)?,
        grid_at: row.opt_instant("grid_at")?,
        early_at: row.opt_instant("early_at")?,
        next_due_at: row.opt_instant("next_due_at")?,
        planned_at: row.opt_instant("planned_at")?,
        held_by: row.opt_named("schedules", "held_by", Hold::from_name)?,
    })
}
