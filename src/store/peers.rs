//! Claiming beside peers, which only PostgreSQL has: the runs of one authorization go to one instance at a time, so that
//! what this instance learnt of a shop's rate limits is all there is to know.

use std::collections::HashSet;

use super::{
    Claimed, StoreError, Tx,
    row::{Both, json, ms},
    runs::claimed,
};
use crate::domain::{AuthorizationId, Holder, InstanceId, Run, RunId};

impl Tx {
    /// How many other instances are on record; `None`: this one is not, or was declared dead. Neither can happen to it
    /// before this transaction ends: whoever claims runs asks first, or runs could be left with an instance that nobody
    /// watches any more.
    pub async fn peers(&mut self, id: &InstanceId) -> Result<Option<u64>, StoreError> {
        const SQL: Both = Both {
            sqlite: "select 0 as peers from instances where id = $1 and dead = 0",
            postgres: "select (select count(*) from instances as peer where peer.id <> $1) as peers from instances
                where id = $1 and dead = 0 for share",
        };
        on_db!(self.row(SQL, &id.0))?.map(|row| Ok(row.int("peers")?.unsigned_abs())).transpose()
    }

    /// The oldest run under way of an authorization: beside peers its instance is the one that takes up the others, too.
    pub async fn run_under_way(&mut self, id: AuthorizationId) -> Result<Option<Run>, StoreError> {
        const SQL: &str = "select runs.id from runs join shops on shops.id = runs.shop
            where runs.state in ('available', 'running', 'retryable') and runs.state = 'running'
                and shops.authorization_id = $1
            order by runs.started_at, runs.id limit 1";
        match on_db!(self.row(SQL, id.0))? {
            Some(row) => self.run(RunId(row.int("id")?)).await,
            None => Ok(None),
        }
    }

    /// As [`Tx::claim_runs`], but leaves alone whatever belongs to an authorization (or to a shop without one) of which
    /// another instance carries out a run. Nobody waits for anybody: what a peer is claiming at this moment is left to it.
    pub async fn claim_runs_beside_peers(
        &mut self,
        holder: &Holder,
        max: u32,
        full: &[&str],
    ) -> Result<Vec<Claimed>, StoreError> {
        const PICK: &str = "
            with busy as materialized (
                select coalesce('/' || shops.authorization_id, runs.shop) as whose
                from runs left join shops on shops.id = runs.shop collate \"C\"
                where runs.state = 'running' and runs.instance <> $3 and runs.shop <> '')
            select runs.id, shop, coalesce(channel, '') as channel, job, run_trigger, state, due_at, attempt, instance, lease_number,
                deaths, coalesce(follow_demand, demand) as demand, coalesce('/' || shops.authorization_id, shop) as whose
            from runs left join shops on shops.id = shop collate \"C\"
            where state in ('available', 'retryable') and available_at <= $1
                and coalesce('/' || shops.authorization_id, shop) not in (select whose from busy)
                and coalesce(channel, '') not in (select jsonb_array_elements_text($4::jsonb))
            order by available_at limit $2 for update of runs skip locked";
        if max == 0 {
            return Ok(Vec::new());
        }
        let rows = on_db!(self.rows(PICK, ms(self.now), i64::from(max), &holder.0, json(full)))?;
        let mut picked = Vec::with_capacity(rows.len());
        for row in &rows {
            picked.push((row.text("whose")?, claimed(row)?));
        }
        let free = self.reserve(holder, picked.iter().map(|(whose, _)| whose.as_str()).collect()).await?;
        picked.retain(|(whose, _)| whose.is_empty() || free.contains(whose));
        let claimed: Vec<_> = picked.into_iter().map(|(_, run)| run).collect();
        self.note_claimed(&claimed, holder).await?;
        Ok(claimed)
    }

    /// Reserves authorizations for this transaction, and returns those that are its own then: a peer may have claimed
    /// of them after we looked, or be about to.
    async fn reserve(&mut self, holder: &Holder, whose: HashSet<&str>) -> Result<HashSet<String>, StoreError> {
        // The first number is ours among all who lock by number in this database.
        const RESERVE: &str = "select whose from jsonb_array_elements_text($1::jsonb) as wanted (whose)
            where whose <> '' and pg_try_advisory_xact_lock(20270, hashtext(whose))";
        // A statement of its own: it sees what was claimed before the reservation stood.
        const FREE: &str = "select whose from jsonb_array_elements_text($1::jsonb) as wanted (whose)
            where whose not in (select coalesce('/' || shops.authorization_id, runs.shop)
                from runs left join shops on shops.id = runs.shop collate \"C\"
                where runs.state = 'running' and runs.instance <> $2)";
        let mut reserved = Vec::new();
        for row in on_db!(self.rows(RESERVE, json(&whose)))? {
            reserved.push(row.text("whose")?);
        }
        on_db!(self.rows(FREE, json(&reserved), &holder.0))?.iter().map(|row| row.text("whose")).collect()
    }
}
