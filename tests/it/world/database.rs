//! A database per story: SQLite in the story's folder, or one of its own on the PostgreSQL server that
//! `SHOPSYNCD_TEST_POSTGRES` names.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use shopsyncd::secrets::Sealer;
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions,
};

use super::{Between, World};

/// Where a story's daemon keeps its state.
pub(crate) enum Database {
    Sqlite,
    Postgres { server: String, name: String, url: String, seal_key: String },
}

impl Database {
    /// A new database on the server; `None` where no server was named, which a run of everything does not forgive.
    pub(crate) async fn postgres() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Ok(server) = std::env::var("SHOPSYNCD_TEST_POSTGRES") else {
            must_not_be_left_out("PostgreSQL", "SHOPSYNCD_TEST_POSTGRES names no server");
            return None;
        };
        let name = format!("shopsyncd_story_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let pool = sqlx::PgPool::connect(&server).await.unwrap();
        pool.execute(sqlx::AssertSqlSafe(format!("create database {name}"))).await.unwrap();
        pool.close().await;
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        Some(Self::Postgres { server, name, url: url.into(), seal_key: Sealer::generate().expose().to_owned() })
    }

    /// Its address; `None` for the usual file in the state folder.
    pub(crate) fn url(&self) -> Option<&str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres { url, .. } => Some(url),
        }
    }

    /// The same database, reached through what stands before its server.
    pub(crate) async fn behind(mut self) -> (Self, Between) {
        let Self::Postgres { url, .. } = &mut self else { panic!("a file has no server") };
        let server = url.parse().unwrap();
        let between = Between::start(&server).await;
        *url = between.to(&server).into();
        (self, between)
    }

    /// Begins a transaction of somebody else that keeps a daemon on SQLite from writing at all, and one on PostgreSQL from noting
    /// webhooks, until it is over.
    pub(crate) async fn hold(&self, state_dir: &Path) -> Holding {
        match self.url() {
            None => {
                let file = SqliteConnectOptions::new().filename(state_dir.join("shopsyncd.db"));
                let mut connection = file.connect().await.unwrap();
                connection.execute("begin immediate").await.unwrap();
                Holding::Sqlite(connection)
            }
            Some(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                connection.execute("begin").await.unwrap();
                connection.execute("lock table webhooks in exclusive mode").await.unwrap();
                Holding::Postgres(connection)
            }
        }
    }

    /// The settings that name it, to stand between the first keys and the first section.
    pub(crate) fn settings(&self) -> String {
        match self {
            Self::Sqlite => String::new(),
            Self::Postgres { url, seal_key, .. } => format!("seal_key = \"{seal_key}\"\n[database]\nurl = \"{url}\"\n"),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::Postgres { server, name, .. } = self else { return };
        let (server, sql) = (server.clone(), format!("drop database {name} with (force)"));
        // A story that failed leaves none behind either; the runtime it failed in is of no more use.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let pool = sqlx::PgPool::connect(&server).await?;
                pool.execute(sqlx::AssertSqlSafe(sql)).await.map(drop)
            })
        });
        if let Ok(Err(error)) = dropped.join()
            && !std::thread::panicking()
        {
            panic!("cannot drop {name}: {error}");
        }
    }
}

/// A transaction of somebody else that stands in the daemon's way: see [`Database::hold`].
pub(crate) enum Holding {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl World {
    /// Begins such a transaction.
    pub(crate) async fn hold_database(&self) -> Holding {
        self.database.hold(&self.state_dir()).await
    }
}

impl Holding {
    /// Ends it.
    pub(crate) async fn let_go(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

/// Tells each story on both databases.
macro_rules! on_both_databases {
    ($($story:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $story() {
                super::$story($crate::world::Database::Sqlite).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $story() {
                // Without a server there is nothing to tell it on.
                if let Some(database) = $crate::world::Database::postgres().await {
                    super::$story(database).await;
                }
            })*
        }
    };
}

pub(crate) use on_both_databases;

/// A run of everything (`make test`) leaves nothing out in silence.
pub(crate) fn must_not_be_left_out(what: &str, why: &str) {
    assert!(std::env::var_os("SHOPSYNCD_TEST_ALL").is_none(), "{what} must be tested here, but {why}");
}
