//! Runs: planned, claimed, asked for, called off.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    Planned, StoreError, Tx,
    row::{Both, Row, json, ms, shop_text},
};
use crate::domain::{Demand, Holder, JobKind, RunId, RunState, ShopId, Trigger};

/// A run that this instance may carry out now.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Its number.
    pub id: RunId,
    /// Its shop; `None` for the daemon's own jobs.
    pub shop: Option<ShopId>,
    /// Its shop's channel; empty for the daemon's own jobs, and where the shop is not on record.
    pub channel: String,
    /// What it does.
    pub job: JobKind,
    /// Why it came to be.
    pub trigger: Trigger,
    /// The instant it stands for.
    pub due_at: Timestamp,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The fencing number: what this attempt writes is refused once another has claimed the run.
    pub lease_number: i64,
    /// What a person demanded.
    pub demand: Demand,
    /// Whether it was tried before, or waited for something.
    pub again: bool,
    /// Whether an instance that died carried it out before.
    pub taken_over: bool,
    /// How many instances died while it was under way.
    pub deaths: u32,
}

/// A run to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Its shop; `None` for the daemon's own jobs.
    pub shop: Option<ShopId>,
    /// What it does.
    pub job: JobKind,
    /// What a person demanded.
    pub demand: Demand,
}

/// What became of a run that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The run that does it, or that it has to wait for.
    pub run: RunId,
    /// That run had begun before, too soon for what was asked: the run that follows it does it. See [`Tx::follower`].
    pub follows: bool,
}

/// A picked row, as it is once claimed.
pub(super) fn claimed(row: &Row) -> Result<Claimed, StoreError> {
    Ok(Claimed {
        id: RunId(row.int("id")?),
        shop: row.shop("runs", "shop")?,
        channel: row.text("channel")?,
        job: row.named("runs", "job", |text| text.parse().ok())?,
        trigger: row.named("runs", "run_trigger", trigger)?,
        due_at: row.instant("due_at")?,
        attempt: row.int("attempt")? as u32 + 1,
        lease_number: row.int("lease_number")? + 1,
        demand: row.opt_json("runs", "demand")?.unwrap_or_default(),
        again: row.text("state")? == "retryable",
        // Waiting with somebody's name on it: that somebody died.
        taken_over: row.text("state")? == "available" && row.opt_text("instance")?.is_some(),
        deaths: row.int("deaths")? as u32,
    })
}

impl Tx {
    /// Makes one run of each planned schedule and moves the schedules on. At most `slots` of them are claimed at once by `holder`
    /// and returned; the rest is available. A schedule with an unfinished run gets none: the instants fold into that
    /// run's `covers`. An early look that meets a run under way comes again a second later: that run may have looked already,
    /// and what the look was asked for came after.
    pub async fn plan_runs(
        &mut self,
        planned: &[Planned],
        holder: &Holder,
        slots: u32,
    ) -> Result<Vec<Claimed>, StoreError> {
        const INSERT: Both = Both {
            sqlite: "insert into runs (shop, job, run_trigger, state, due_at, covers, available_at,
                    started_at, attempt, instance, lease_number)
                select value->>0, value->>1, 'schedule', iif(key < $3, 'running', 'available'), value->>2, value->>3,
                    value->>2, iif(key < $3, $2, null), key < $3, iif(key < $3, $4, null), key < $3
                from json_each($1) where true
                on conflict (shop, job) where state in ('available', 'running', 'retryable') do nothing
                returning id, shop, job, due_at, attempt",
            postgres: "insert into runs (shop, job, run_trigger, state, due_at, covers, available_at,
                    started_at, attempt, instance, lease_number)
                select v->>0, v->>1, 'schedule', case when n <= $3 then 'running' else 'available' end,
                    (v->>2)::bigint, (v->>3)::bigint, (v->>2)::bigint, case when n <= $3 then $2::bigint end,
                    case when n <= $3 then 1 else 0 end, case when n <= $3 then $4::text end,
                    case when n <= $3 then 1 else 0 end
                from jsonb_array_elements($1::jsonb) with ordinality as j (v, n)
                on conflict (shop, job) where state in ('available', 'running', 'retryable') do nothing
                returning id, shop, job, due_at, attempt",
        };
        if planned.is_empty() {
            return Ok(Vec::new());
        }
        let now = ms(self.now);
        let rows: Vec<_> = planned
            .iter()
            .map(|plan| {
                let (shop, job) = (shop_text(plan.due.shop.as_ref()), plan.due.job.as_str());
                (shop, job, ms(plan.due.due_at), plan.covers)
            })
            .collect();
        let made = on_db!(self.rows(INSERT, json(&rows), now, i64::from(slots), &holder.0))?;
        let missed = if made.len() < planned.len() { self.fold(planned, &made).await? } else { HashSet::new() };
        self.move_schedules(planned, &missed).await?;
        let channels: HashMap<_, _> =
            planned.iter().map(|plan| (plan.due.shop.as_ref(), plan.due.channel.as_str())).collect();
        let mut claimed = Vec::with_capacity(made.len().min(slots as usize));
        for row in &made {
            if row.int("attempt")? == 1 {
                let shop = row.shop("runs", "shop")?;
                claimed.push(Claimed {
                    id: RunId(row.int("id")?),
                    channel: channels.get(&shop.as_ref()).copied().unwrap_or_default().to_owned(),
                    shop,
                    job: row.named("runs", "job", |text| text.parse().ok())?,
                    trigger: Trigger::Schedule,
                    due_at: row.instant("due_at")?,
                    attempt: 1,
                    lease_number: 1,
                    demand: Demand::default(),
                    again: false,
                    taken_over: false,
                    deaths: 0,
                });
            }
        }
        Ok(claimed)
    }

    /// Adds the instants of the plans that made no run to the unfinished runs that stand in their way. Returns shop and job of those that
    /// no run is yet to begin for: theirs is under way, or is being ended.
    async fn fold(&mut self, planned: &[Planned], made: &[Row]) -> Result<HashSet<(String, String)>, StoreError> {
        const FOLD: Both = Both {
            sqlite: "update runs set covers = covers + (j.value->>2) from json_each($1) as j
                where runs.shop = j.value->>0 and runs.job = j.value->>1
                    and runs.state in ('available', 'running', 'retryable')
                returning shop, job, state",
            // A job that writes holds its run and may want its schedule, which the planner holds: to wait for it would be a deadlock.
            postgres: "with met as (
                    select id, (j.v->>2)::bigint as covers from jsonb_array_elements($1::jsonb) as j (v)
                    join runs on runs.shop = j.v->>0 and runs.job = j.v->>1
                    where runs.state in ('available', 'running', 'retryable') for update of runs skip locked)
                update runs set covers = runs.covers + met.covers from met where runs.id = met.id
                returning shop, job, state",
        };
        let made = made
            .iter()
            .map(|row| Ok((row.text("shop")?, row.text("job")?)))
            .collect::<Result<HashSet<_>, StoreError>>()?;
        let rows: Vec<_> = planned
            .iter()
            .map(|plan| {
                let covers = if plan.due.is_early() { 0 } else { plan.covers };
                (shop_text(plan.due.shop.as_ref()).to_owned(), plan.due.job.as_str().to_owned(), covers)
            })
            .filter(|(shop, job, _)| !made.contains(&(shop.clone(), job.clone())))
            .collect();
        let met = on_db!(self.rows(FOLD, json(&rows)))?;
        let mut missed: HashSet<_> = rows.into_iter().map(|(shop, job, _)| (shop, job)).collect();
        for row in &met {
            if row.text("state")? != RunState::Running.as_str() {
                missed.remove(&(row.text("shop")?, row.text("job")?));
            }
        }
        Ok(missed)
    }

    /// Claims at most `max` runs that are available or whose next attempt is due, the longest due first, but for those of the
    /// channels `full`.
    pub async fn claim_runs(&mut self, holder: &Holder, max: u32, full: &[&str]) -> Result<Vec<Claimed>, StoreError> {
        const PICK: Both = Both {
            sqlite: "select runs.id, shop, coalesce(channel, '') as channel, job, run_trigger, state, due_at, attempt, instance,
                    lease_number, deaths, coalesce(follow_demand, demand) as demand
                from runs left join shops on shops.id = shop
                where state in ('available', 'retryable') and available_at <= $1
                    and coalesce(channel, '') not in (select value from json_each($3))
                order by available_at limit $2",
            postgres: "select runs.id, shop, coalesce(channel, '') as channel, job, run_trigger, state, due_at, attempt, instance,
                    lease_number, deaths, coalesce(follow_demand, demand) as demand
                from runs left join shops on shops.id = shop collate \"C\"
                where state in ('available', 'retryable') and available_at <= $1
                    and coalesce(channel, '') not in (select jsonb_array_elements_text($3::jsonb))
                order by available_at limit $2 for update of runs skip locked",
        };
        if max == 0 {
            return Ok(Vec::new());
        }
        let rows = on_db!(self.rows(PICK, ms(self.now), i64::from(max), json(full)))?;
        let claimed = rows.iter().map(claimed).collect::<Result<Vec<_>, StoreError>>()?;
        self.note_claimed(&claimed, holder).await?;
        Ok(claimed)
    }

    /// Writes down that picked runs are under way.
    pub(super) async fn note_claimed(&mut self, claimed: &[Claimed], holder: &Holder) -> Result<(), StoreError> {
        const CLAIM: Both = Both {
            sqlite: "update runs set state = 'running', started_at = coalesce(started_at, $2), attempt = attempt + 1, instance = $3,
                    lease_number = lease_number + 1, demand = coalesce(follow_demand, demand),
                    follow_trigger = null, follow_demand = null
                where id in (select value from json_each($1))",
            postgres: "update runs set state = 'running', started_at = coalesce(started_at, $2), attempt = attempt + 1, instance = $3,
                    lease_number = lease_number + 1, demand = coalesce(follow_demand, demand),
                    follow_trigger = null, follow_demand = null
                where id in (select v::bigint from jsonb_array_elements_text($1::jsonb) as j (v))",
        };
        if !claimed.is_empty() {
            let ids: Vec<_> = claimed.iter().map(|run| run.id.0).collect();
            on_db!(self.execute(CLAIM, json(&ids), ms(self.now), &holder.0))?;
        }
        Ok(())
    }

    /// Claims one run that waits, whenever its next attempt is due. `None`: it is under way or over.
    pub async fn claim_run(&mut self, id: RunId, holder: &Holder) -> Result<Option<Claimed>, StoreError> {
        const PICK: Both = Both {
            sqlite: "select runs.id, shop, coalesce(channel, '') as channel, job, run_trigger, state, due_at, attempt, instance,
                    lease_number, deaths, coalesce(follow_demand, demand) as demand
                from runs left join shops on shops.id = shop where runs.id = $1 and state in ('available', 'retryable')",
            postgres: "select runs.id, shop, coalesce(channel, '') as channel, job, run_trigger, state, due_at, attempt, instance,
                    lease_number, deaths, coalesce(follow_demand, demand) as demand
                from runs left join shops on shops.id = shop collate \"C\" where runs.id = $1 and state in ('available', 'retryable')",
        };
        const CLAIM: &str = "
            update runs set state = 'running', started_at = coalesce(started_at, $2), attempt = attempt + 1, instance = $3,
                lease_number = lease_number + 1, demand = coalesce(follow_demand, demand),
                follow_trigger = null, follow_demand = null
            where id = $1 and lease_number = $4 and state in ('available', 'retryable')";
        let Some(row) = on_db!(self.row(PICK, id.0))? else { return Ok(None) };
        let claimed = claimed(&row)?;
        let taken = on_db!(self.execute(CLAIM, id.0, ms(self.now), &holder.0, claimed.lease_number - 1))?;
        Ok((taken > 0).then_some(claimed))
    }

    /// Gives back the runs that `holder` has claimed but knows nothing of: a claim whose commit was never answered. Returns how
    /// many.
    pub async fn give_back_strays(&mut self, holder: &Holder, known: &[RunId]) -> Result<u64, StoreError> {
        const SQL: Both = Both {
            sqlite: "update runs set state = 'available', available_at = $3, attempt = attempt - 1, instance = null
                where state in ('available', 'running', 'retryable') and state = 'running' and instance = $1
                    and id not in (select value from json_each($2))",
            postgres: "update runs set state = 'available', available_at = $3, attempt = attempt - 1, instance = null
                where state in ('available', 'running', 'retryable') and state = 'running' and instance = $1
                    and id not in (select v::bigint from jsonb_array_elements_text($2::jsonb) as j (v))",
        };
        on_db!(self.execute(SQL, &holder.0, json(known), ms(self.now)))
    }

    /// Whether the claim still stands: jobs ask before they write. Locks the run's row for this transaction.
    pub async fn holds_run(&mut self, id: RunId, lease_number: i64) -> Result<bool, StoreError> {
        const SQL: Both = Both {
            sqlite: "select id from runs where id = $1 and lease_number = $2 and state = 'running'",
            postgres: "select id from runs where id = $1 and lease_number = $2 and state = 'running' for update",
        };
        Ok(on_db!(self.row(SQL, id.0, lease_number))?.is_some())
    }

    /// Asks for a run now. Joins an unfinished run of the same schedule (a waiting or retrying one becomes available
    /// at once, with what is demanded now) and does not shift the plan. One that is under way began too soon for a demand that it
    /// does not meet, for what a renewal or recovery has made possible, and for what was just written for the daemon's own jobs: for
    /// these another run follows it. Wakes the peers on commit.
    pub async fn run_now(&mut self, run: &NewRun, trigger: Trigger) -> Result<Asked, StoreError> {
        const SQL: &str = "insert into runs (shop, job, run_trigger, state, due_at, available_at, demand)
            values ($1, $2, $3, 'available', $4, $4, $5)
            on conflict (shop, job) where state in ('available', 'running', 'retryable') do update set
                available_at = case when runs.state = 'running' or runs.available_at < excluded.available_at
                    then runs.available_at else excluded.available_at end,
                demand = case when runs.state = 'running' then runs.demand
                    else coalesce(excluded.demand, runs.follow_demand, runs.demand) end,
                follow_demand = case when runs.state = 'running' then runs.follow_demand end
            returning id, state, demand";
        const FOLLOW: &str = "update runs set follow_trigger = coalesce(follow_trigger, $2),
                follow_demand = coalesce($3, follow_demand)
            where id = $1";
        let demand = (run.demand != Demand::default()).then(|| json(&run.demand));
        let (shop, now) = (shop_text(run.shop.as_ref()), ms(self.now));
        let row = on_db!(self.row(SQL, shop, run.job.as_str(), trigger.as_str(), now, demand.as_deref()))?
            .ok_or_else(|| StoreError::Corrupt { table: "runs", cause: "a run asked for was not kept".to_owned() })?;
        let id = row.int("id")?;
        let unmet = demand.is_some() && row.opt_text("demand")? != demand;
        let later = matches!(trigger, Trigger::Renewal | Trigger::Recovery) || run.shop.is_none();
        let follows = row.text("state")? == RunState::Running.as_str() && (unmet || later);
        if follows {
            on_db!(self.execute(FOLLOW, id, trigger.as_str(), demand.as_deref()))?;
        }
        self.notify().await?;
        Ok(Asked { run: RunId(id), follows })
    }

    /// Cancels the waiting runs of a shop (all of its jobs, or one), and what was to follow those that are under way. Returns how
    /// many.
    pub async fn cancel_waiting(&mut self, shop: &ShopId, job: Option<JobKind>) -> Result<u64, StoreError> {
        const SQL: &str = "update runs set state = 'cancelled', outcome = 'cancelled', finished_at = $3
            where shop = $1 and ($2 is null or job = $2) and state in ('available', 'retryable')";
        const FOLLOWERS: &str = "update runs set follow_trigger = null, follow_demand = null
            where shop = $1 and ($2 is null or job = $2) and state in ('available', 'running', 'retryable')
                and follow_trigger is not null";
        let job = job.map(JobKind::as_str);
        on_db!(self.execute(FOLLOWERS, shop.as_str(), job))?;
        on_db!(self.execute(SQL, shop.as_str(), job, ms(self.now)))
    }

    /// Moves the instants of waiting runs by `back` earlier: the wall clock was set back by as much.
    pub async fn shift_waiting(&mut self, back: SignedDuration) -> Result<u64, StoreError> {
        const SQL: &str = "update runs set available_at = available_at - $1
            where state in ('available', 'retryable') and available_at > $2";
        on_db!(self.execute(SQL, back.as_millis() as i64, ms(self.now)))
    }
}

pub(super) fn trigger(name: &str) -> Option<Trigger> {
    [Trigger::Schedule, Trigger::Now, Trigger::Renewal, Trigger::Recovery].into_iter().find(|it| it.as_str() == name)
}
