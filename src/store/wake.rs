//! Waking peers: PostgreSQL tells every instance at once that there is something to look at.

use std::io;

use sqlx::postgres::PgListener;

use super::{Conn, Store, StoreError, Tx};

/// What the instances of one database call each other by.
const CHANNEL: &str = "shopsyncd_wake";

/// The calls of peers, heard from the moment it was made.
pub struct Wakes(PgListener);

impl Wakes {
    /// Waits for the next call.
    ///
    /// # Errors
    /// When the connection is lost. What was called meanwhile is lost too: look once, and listen anew.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        match self.0.try_recv().await? {
            Some(_) => Ok(()),
            None => Err(sqlx::Error::Io(io::Error::from(io::ErrorKind::ConnectionReset)).into()),
        }
    }
}

impl Store {
    /// Listens for peers. `None` on SQLite, which has none.
    pub async fn wakes(&self) -> Result<Option<Wakes>, StoreError> {
        let Self::Postgres(pool) = self else { return Ok(None) };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.ignore_pool_close_event(false);
        listener.listen(CHANNEL).await?;
        Ok(Some(Wakes(listener)))
    }
}

impl Tx {
    /// Calls the peers once this transaction is durable. Does nothing on SQLite.
    pub(super) async fn notify(&mut self) -> Result<(), StoreError> {
        if let Conn::Postgres(conn) = &mut self.conn {
            sqlx::query("select pg_notify($1, '')").bind(CHANNEL).execute(&mut **conn).await?;
        }
        Ok(())
    }
}
