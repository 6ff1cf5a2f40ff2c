//! Instances, their beats, and named leases.
//!
//! No instant is compared here: an instance lives while its beat moves, as its peers see it by their own boot-time clocks. What it
//! held falls to others in two steps, since a right may have to outlive a holder of whom nobody knows whether it still acts:
//! declared dead (its runs and its uncovered leases are free), then removed (the covered ones too).

use std::collections::BTreeMap;

use super::{
    StoreError, Tx,
    row::{Both, ms},
};
use crate::domain::{Holder, InstanceId, Lease, RunId};

/// An instance as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    /// Its id.
    pub id: InstanceId,
    /// The program's version.
    pub version: String,
    /// When it started.
    pub started_at: jiff::Timestamp,
    /// Grows while it lives.
    pub beat: i64,
    /// The settings it serves.
    pub settings_digest: String,
    /// Whether it stands by, because its settings differ from the accepted ones.
    pub standing_by: bool,
    /// Whether a peer has declared it dead.
    pub dead: bool,
    /// Why it refused the newest settings files that it found; it serves those before.
    pub settings_error: Option<String>,
}

impl Tx {
    /// Records a new instance.
    pub async fn add_instance(&mut self, instance: &InstanceRow) -> Result<(), StoreError> {
        const SQL: &str =
            "insert into instances (id, version, started_at, beat, settings_digest, standing_by, dead, settings_error)
            values ($1, $2, $3, $4, $5, $6, $7, $8)";
        on_db!(self.execute(
            SQL,
            &instance.id.0,
            &instance.version,
            ms(instance.started_at),
            instance.beat,
            &instance.settings_digest,
            i64::from(instance.standing_by),
            i64::from(instance.dead),
            instance.settings_error.as_deref(),
        ))?;
        Ok(())
    }

    /// Moves an instance's beat on. `false`: somebody has declared it dead; it must stop working.
    pub async fn beat(&mut self, id: &InstanceId) -> Result<bool, StoreError> {
        const SQL: &str = "update instances set beat = beat + 1 where id = $1 and dead = 0";
        Ok(on_db!(self.execute(SQL, &id.0))? == 1)
    }

    /// The beats of the instances that nobody has declared dead, in a database of whatever version.
    pub async fn beats(&mut self) -> Result<BTreeMap<InstanceId, i64>, StoreError> {
        const SQL: &str = "select id, beat from instances where dead = 0";
        on_db!(self.rows(SQL))?.iter().map(|row| Ok((InstanceId(row.text("id")?), row.int("beat")?))).collect()
    }

    /// Updates what an instance says of its settings.
    pub async fn set_instance_settings(
        &mut self,
        id: &InstanceId,
        digest: &str,
        standing_by: bool,
    ) -> Result<(), StoreError> {
        const SQL: &str = "update instances set settings_digest = $2, standing_by = $3 where id = $1";
        on_db!(self.execute(SQL, &id.0, digest, i64::from(standing_by)))?;
        Ok(())
    }

    /// Notes why an instance refused the newest settings files that it found, or that it did not.
    pub async fn set_settings_error(&mut self, id: &InstanceId, error: Option<&str>) -> Result<(), StoreError> {
        on_db!(self.execute("update instances set settings_error = $2 where id = $1", &id.0, error))?;
        Ok(())
    }

    /// All recorded instances, the oldest first.
    pub async fn instances(&mut self) -> Result<Vec<InstanceRow>, StoreError> {
        const SQL: &str = "select id, version, started_at, beat, settings_digest, standing_by, dead, settings_error
            from instances order by started_at, id";
        on_db!(self.rows(SQL))?
            .iter()
            .map(|row| {
                Ok(InstanceRow {
                    id: InstanceId(row.text("id")?),
                    version: row.text("version")?,
                    started_at: row.instant("started_at")?,
                    beat: row.int("beat")?,
                    settings_digest: row.text("settings_digest")?,
                    standing_by: row.flag("standing_by")?,
                    dead: row.flag("dead")?,
                    settings_error: row.opt_text("settings_error")?,
                })
            })
            .collect()
    }

    /// Removes an instance that has stopped (or whose cover is over): its runs become available, its leases end at once.
    pub async fn remove_instance(&mut self, id: &InstanceId) -> Result<(), StoreError> {
        self.free_runs(id).await?;
        on_db!(self.execute("update leases set holder = null where holder = $1", &id.0))?;
        on_db!(self.execute("delete from instances where id = $1", &id.0))?;
        Ok(())
    }

    /// Removes every instance but `me`, for whoever holds the lock of a SQLite database and so knows that they are gone.
    /// Returns the runs that became available.
    pub async fn void_others(&mut self, me: &Holder) -> Result<Vec<RunId>, StoreError> {
        const RUNS: &str = "update runs set state = 'available', available_at = $2, deaths = deaths + 1
            where state in ('available', 'running', 'retryable') and state = 'running' and instance <> $1 returning id";
        let runs = on_db!(self.rows(RUNS, &me.0, ms(self.now)))?;
        on_db!(self.execute("update leases set holder = null where holder <> $1", &me.0))?;
        on_db!(self.execute("delete from instances where id <> $1", &me.0))?;
        runs.iter().map(|row| row.int("id").map(RunId)).collect()
    }

    /// Declares an instance dead: makes its runs available again and voids its leases, but for those with a cover, which end when
    /// it is removed. Returns the runs; none if a peer was faster.
    pub async fn take_over(&mut self, dead: &InstanceId) -> Result<Vec<RunId>, StoreError> {
        on_db!(self.execute("update instances set dead = 1 where id = $1 and dead = 0", &dead.0))?;
        on_db!(self.execute("update leases set holder = null where holder = $1 and cover_ms = 0", &dead.0))?;
        self.free_runs(dead).await
    }

    /// Takes a named lease: a free one, or one whose holder is no longer recorded. Takers are recorded instances; whoever takes
    /// it gives it back, however the work ends. `cover_ms`: how long it outlives a holder that dies. `None`: it is held.
    pub async fn take_lease(
        &mut self,
        name: &str,
        holder: &Holder,
        cover_ms: i64,
    ) -> Result<Option<Lease>, StoreError> {
        const SQL: &str = "insert into leases (name, holder, number, cover_ms) values ($1, $2, 1, $3)
            on conflict (name) do update
            set holder = excluded.holder, number = leases.number + 1, cover_ms = excluded.cover_ms
            where leases.holder is null or not exists (select 1 from instances where instances.id = leases.holder)
            returning number";
        let Some(row) = on_db!(self.row(SQL, name, &holder.0, cover_ms))? else { return Ok(None) };
        Ok(Some(Lease { name: name.to_owned(), holder: holder.clone(), number: row.int("number")? }))
    }

    /// Who holds a named lease now: `None` where it is free, or its holder is no longer recorded.
    pub async fn lease_holder(&mut self, name: &str) -> Result<Option<InstanceId>, StoreError> {
        const SQL: &str = "select instances.id from leases join instances on instances.id = leases.holder
            where leases.name = $1";
        on_db!(self.row(SQL, name))?.map(|row| row.text("id").map(InstanceId)).transpose()
    }

    /// Whether a lease still stands. Locks its row for this transaction.
    pub async fn holds_lease(&mut self, lease: &Lease) -> Result<bool, StoreError> {
        const SQL: Both = Both {
            sqlite: "select number from leases where name = $1 and holder = $2 and number = $3",
            postgres: "select number from leases where name = $1 and holder = $2 and number = $3 for update",
        };
        Ok(on_db!(self.row(SQL, &lease.name, &lease.holder.0, lease.number))?.is_some())
    }

    /// Gives a lease back. Does nothing if it no longer stands.
    pub async fn give_back(&mut self, lease: &Lease) -> Result<(), StoreError> {
        const SQL: &str = "update leases set holder = null where name = $1 and holder = $2 and number = $3";
        on_db!(self.execute(SQL, &lease.name, &lease.holder.0, lease.number))?;
        Ok(())
    }

    /// The digest of the accepted settings, if any were accepted yet. Nobody else reads or writes it in this way before this
    /// transaction ends: instances agree one after the other.
    pub async fn accepted_settings(&mut self) -> Result<Option<String>, StoreError> {
        const SQL: &str = "insert into facts (name, value) values ('settings.digest', '')
            on conflict (name) do update set value = facts.value returning value";
        let value = on_db!(self.row(SQL))?.map(|row| row.text("value")).transpose()?;
        Ok(value.filter(|digest| !digest.is_empty()))
    }

    /// A fact about the database.
    pub async fn fact(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        on_db!(self.row("select value from facts where name = $1", name))?.map(|row| row.text("value")).transpose()
    }

    /// Writes a fact about the database.
    pub async fn set_fact(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        const SQL: &str = "insert into facts (name, value) values ($1, $2)
            on conflict (name) do update set value = excluded.value";
        on_db!(self.execute(SQL, name, value))?;
        Ok(())
    }

    /// Makes the running runs of an instance available again. That it keeps its name on them tells the next claim that it
    /// goes on after a death.
    async fn free_runs(&mut self, id: &InstanceId) -> Result<Vec<RunId>, StoreError> {
        // The list of states names the index of unfinished runs, which is short, to both databases.
        const SQL: &str = "update runs set state = 'available', available_at = $2, deaths = deaths + 1
            where state in ('available', 'running', 'retryable') and state = 'running' and instance = $1 returning id";
        on_db!(self.rows(SQL, &id.0, ms(self.now)))?.iter().map(|row| row.int("id").map(RunId)).collect()
    }
}
