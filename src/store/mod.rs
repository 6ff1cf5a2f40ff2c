//! The store: SQLite or PostgreSQL, one SQL text wherever they agree.
//!
//! Every query is a method on [`Tx`], so that anything can be made to happen together, and nothing outside this folder
//! writes SQL. Transactions are short and never span a network call.

use jiff::Timestamp;
use sqlx::{PgPool, SqlitePool};

mod authorizations;
mod cursors;
mod journal;
mod leases;
mod listings;
mod outbox;
mod products;
mod reminders;
mod runs;
mod schedules;
mod shops;
mod states;

pub use authorizations::{NewGrant, SealedGrant, SealedTokens};
pub use leases::InstanceRow;
pub use listings::{Difference, SeenListing, StoredListing, WantedRow};
pub use outbox::{Delivery, Mail, MailState, NewMail};
pub use products::StoredVariant;
pub use reminders::{ReminderKind, ReminderRow};
pub use runs::{Claimed, Finish, Finished, NewRun, RunFilter};
pub use schedules::{Due, Planned, ScheduleRow, WantedSchedule};
pub use shops::{ShopRow, WantedShop};

/// An open database.
#[derive(Clone, Debug)]
pub enum Store {
    /// One file, one instance: see [`Store::open`].
    Sqlite {
        /// The one writer.
        writer: SqlitePool,
        /// Readers, which never wait for the writer.
        readers: SqlitePool,
    },
    /// Any number of instances.
    Postgres(PgPool),
}

/// A transaction, with the one `now` used inside it.
pub struct Tx {
    /// The instant of everything written in it.
    pub now: Timestamp,
    conn: Conn,
}

enum Conn {
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database's own error. Connection losses, a full disk and lock time-outs are worth another try.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The address in `database.url` is not one.
    #[error("database url `{url}`: {cause}; use `sqlite:FILE` or `postgres://USER@HOST/NAME`")]
    Url {
        /// The address, without its password.
        url: String,
        /// What is wrong.
        cause: String,
    },
    /// The database was written by a newer program.
    #[error(
        "the database is at version {found}, this program knows {known}; install the newer program again, or restore a backup"
    )]
    Newer {
        /// Its version.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// A stored text is not what this program writes.
    #[error("{table}: {cause}; was the database edited by hand?")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is wrong.
        cause: String,
    },
}

impl StoreError {
    /// Whether trying again later may help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Database(_))
    }
}
