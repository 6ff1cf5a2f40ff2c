//! Sessions of people who signed in on the page: each for the password that was in force, and until a fixed end.

use jiff::Timestamp;

use super::{StoreError, Tx, row::ms};

impl Tx {
    /// Begins a session at `now`. `hash`: of the browser's cookie; `password`: digest of the password's hash in force.
    pub async fn begin_session(&mut self, hash: &str, password: &str, ends_at: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "insert into sessions (hash, password, created_at, ends_at) values ($1, $2, $3, $4)";
        let now = ms(self.now);
        on_db!(self.execute(SQL, hash, password, now, ms(ends_at)))?;
        Ok(())
    }

    /// Whether a session goes on at `now`: begun with this password, not ended.
    pub async fn session_goes_on(&mut self, hash: &str, password: &str) -> Result<bool, StoreError> {
        const SQL: &str = "select 1 as one from sessions where hash = $1 and password = $2 and ends_at > $3";
        let now = ms(self.now);
        Ok(on_db!(self.row(SQL, hash, password, now))?.is_some())
    }

    /// Ends a session before its time. `false`: there is none.
    pub async fn end_session(&mut self, hash: &str) -> Result<bool, StoreError> {
        Ok(on_db!(self.execute("delete from sessions where hash = $1", hash))? > 0)
    }

    /// Deletes sessions that have ended.
    pub async fn prune_sessions(&mut self) -> Result<u64, StoreError> {
        let now = ms(self.now);
        on_db!(self.execute("delete from sessions where ends_at <= $1", now))
    }
}
