//! The store: SQLite or PostgreSQL, one SQL text wherever they agree.
//!
//! Every query is a method on [`Tx`], so that anything can be made to happen together, and nothing outside this folder
//! writes SQL. Transactions are short and never span a network call.

use jiff::Timestamp;
use sqlx::{PgPool, SqlitePool, error::DatabaseError, sqlite::SqliteError};

use crate::domain::RunId;

/// Asks whichever database the transaction is of, and waits for the answer.
///
/// `on_db!(self.execute(SQL, bind, ...))` gives the number of rows changed, `on_db!(self.rows(SQL, bind, ...))` the rows,
/// `on_db!(self.row(SQL, bind, ...))` the first row if there is one; each a `Result<_, StoreError>`. `SQL` is one text for both
/// databases or a `Both`; binds are `$1` and so on, and are of types that both know: `i64`, text, bytes, options of them. Texts are
/// kept without NUL characters, which PostgreSQL refuses: one in a channel's words must not lose what it stands in.
macro_rules! on_db {
    ($tx:ident.execute($sql:expr $(, $bind:expr)* $(,)?)) => {
        match &mut $tx.conn {
            $crate::store::Conn::Sqlite(conn) => sqlx::query($crate::store::row::Text::sqlite($sql))
                $(.bind($crate::store::row::Bind::kept($bind)))*.execute(&mut **conn).await.map(|done| done.rows_affected()),
            $crate::store::Conn::Postgres(conn) => sqlx::query($crate::store::row::Text::postgres($sql))
                $(.bind($crate::store::row::Bind::kept($bind)))*.execute(&mut **conn).await.map(|done| done.rows_affected()),
        }
        .map_err($crate::store::StoreError::from)
    };
    ($tx:ident.rows($sql:expr $(, $bind:expr)* $(,)?)) => {
        match &mut $tx.conn {
            $crate::store::Conn::Sqlite(conn) => sqlx::query($crate::store::row::Text::sqlite($sql))
                $(.bind($crate::store::row::Bind::kept($bind)))*.fetch_all(&mut **conn).await
                .map(|rows| rows.into_iter().map($crate::store::row::Row::from).collect::<Vec<_>>()),
            $crate::store::Conn::Postgres(conn) => sqlx::query($crate::store::row::Text::postgres($sql))
                $(.bind($crate::store::row::Bind::kept($bind)))*.fetch_all(&mut **conn).await
                .map(|rows| rows.into_iter().map($crate::store::row::Row::from).collect::<Vec<_>>()),
        }
        .map_err($crate::store::StoreError::from)
    };
    ($tx:ident.row($sql:expr $(, $bind:expr)* $(,)?)) => {
        match &mut $tx.conn {
            $crate::store::Conn::Sqlite(conn) => sqlx::query($crate::store::row::Text::sqlite($sql))
                $(.bind($crate::store::row::Bind::kept($bind)))*.fetch_optional(&mut **conn).await
                .map(|row| row.map($crate::store::row::Row::from)),
            $crate::store::Conn::Postgres(conn) => sqlx::query($crate::store::row::Text::postgres($sql))
                $(.bind($crate::store::row::Bind::kept($bind)))*.fetch_optional(&mut **conn).await
                .map(|row| row.map($crate::store::row::Row::from)),
        }
        .map_err($crate::store::StoreError::from)
    };
}

#[macro_use]
mod bulk;

mod authorizations;
mod complaints;
mod cursors;
mod finish;
mod history;
mod journal;
mod leases;
mod listings;
pub mod lock;
mod migrations;
mod open;
mod outbox;
mod peers;
mod products;
mod remembered;
mod reminders;
mod row;
mod rows;
mod runs;
mod schedules;
pub mod serving;
mod sessions;
mod shops;
mod sources;
mod states;
mod texts;
mod tickets;
mod wake;
mod webhooks;

pub use authorizations::{NewGrant, SealedGrant, SealedTokens};
pub use complaints::{Complaining, Standing};
pub use finish::{Finish, Finished, Stood};
pub use history::RunFilter;
pub use leases::InstanceRow;
pub use listings::{Refused, SeenListing, StoredListing, WantedRow};
pub use outbox::{Delivery, Mail, MailFilter, MailState, NewMail, StuckMail};
pub use products::StoredVariant;
pub use remembered::Hashed;
pub use reminders::{ReminderKind, ReminderRow, ReminderState};
pub use runs::{Asked, Claimed, NewRun};
pub use schedules::{Due, Planned, ScheduleRow, WantedSchedule};
pub use shops::{AppAlarm, Forgotten, ShopRow, WantedShop};
pub use sources::{Comparison, Named};
pub use tickets::{OpenTicket, Waiting};
pub use wake::Wakes;

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
    /// The database cannot be opened.
    #[error("database {place}: {cause}; {remedy}")]
    Unusable {
        /// The file, or the server with user and database, without a password.
        place: String,
        /// Why.
        cause: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The server lets this user not in: an answer, and no outage.
    #[error("database {place}: {cause}; {remedy}")]
    Denied {
        /// The server with user and database, without a password.
        place: String,
        /// Why.
        cause: String,
        /// What to do.
        remedy: &'static str,
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
    /// The database did not answer in time.
    #[error("database: no answer within {} s", .0.as_secs())]
    Unanswered(std::time::Duration),
    /// There is no database yet.
    #[error("no database at {place} yet; `shopsyncd run` makes it")]
    Absent {
        /// Where it was looked for, without a password.
        place: String,
    },
    /// The database was last written by an older program, and this command changes nothing.
    #[error(
        "the database is at version {found}, this program needs {known}; restart the daemon with this program, or run `shopsyncd db migrate`"
    )]
    Older {
        /// Its version.
        found: i64,
        /// The version this program needs.
        known: i64,
    },
    /// A run that was waited for is not there any more.
    #[error("run {0} is gone: its shop was forgotten meanwhile")]
    RunGone(RunId),
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
    /// Whether trying again later may help: not where the database refuses what it was handed, or nobody understands what it
    /// answered.
    pub fn is_passing(&self) -> bool {
        use sqlx::Error::{ColumnDecode, ColumnNotFound, Database, Decode, Encode};
        match self {
            Self::Database(Database(error)) => !refuses_values(error.as_ref()),
            Self::Database(Encode(_) | Decode(_) | ColumnDecode { .. } | ColumnNotFound(_)) => false,
            other => matches!(other, Self::Database(_) | Self::Unusable { .. } | Self::Unanswered(_)),
        }
    }

    /// Whether there is no database that answers.
    pub fn is_away(&self) -> bool {
        self.is_passing() || matches!(self, Self::Absent { .. })
    }
}

/// Whether a database refused values for what they are: they would be refused again. Two who wrote the same at once are another matter.
fn refuses_values(error: &dyn DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    let refused = match error.try_downcast_ref::<SqliteError>() {
        // Too big, a constraint or trigger, another type: the lowest byte of the code says so.
        Some(_) => code.parse().is_ok_and(|code: i32| matches!(code & 0xff, 18..=20)),
        // The classes of data exceptions, broken constraints, limits of the program, and what triggers raise.
        None => ["22", "23", "54", "P0"].iter().any(|class| code.starts_with(class)),
    };
    refused && !error.is_unique_violation()
}
