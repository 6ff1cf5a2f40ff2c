//! The versions of the database, and bringing one up to date.

use sqlx::{
    SqlSafeStr as _,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::{Store, StoreError};

/// A migration by its number and the name of its file.
macro_rules! migration {
    ($version:literal, $file:literal) => {
        (
            $version,
            $file,
            include_str!(concat!("../../migrations/sqlite/", $file, ".sql")),
            include_str!(concat!("../../migrations/postgres/", $file, ".sql")),
        )
    };
}

/// Number, name, and text for SQLite and for PostgreSQL of every migration, oldest first.
const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    migration!(1, "0001_initial"),
    migration!(2, "0002_follow_up"),
    migration!(3, "0003_running"),
    migration!(4, "0004_plans_and_passes"),
    migration!(5, "0005_webhooks"),
    migration!(6, "0006_sessions"),
    migration!(7, "0007_tickets"),
    migration!(8, "0008_barcodes"),
    migration!(9, "0009_doubts"),
    migration!(10, "0010_apps"),
    migration!(11, "0011_texts"),
    migration!(12, "0012_live"),
    migration!(13, "0013_obstacles"),
    migration!(14, "0014_remembered"),
    migration!(15, "0015_extra_steps"),
    migration!(16, "0016_outbox_by_recipient"),
    migration!(17, "0017_backlogs"),
    migration!(18, "0018_open_mails"),
    migration!(19, "0019_refusals"),
];

/// The version that this program knows.
pub(super) const KNOWN: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

impl Store {
    /// Brings the database up to date; returns how many migrations were carried out. Safe to call from several instances at once.
    pub async fn migrate(&self) -> Result<u64, StoreError> {
        let before = self.version().await?;
        let migrator = |postgres: bool| {
            Migrator::with_migrations(
                MIGRATIONS
                    .iter()
                    .map(|&(version, name, sqlite, pg)| {
                        let sql = if postgres { pg } else { sqlite }.into_sql_str();
                        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
                    })
                    .collect(),
            )
        };
        match self {
            Self::Sqlite { writer, readers } => {
                let migrated = migrator(false).run(writer).await;
                // A connection that knows the tables as they were would trip over rows with more columns than it expects.
                while let Some(idle) = readers.try_acquire() {
                    idle.close().await?;
                }
                migrated
            }
            Self::Postgres(pool) => migrator(true).run(pool).await,
        }
        .map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => StoreError::Database(error),
            other => StoreError::Corrupt { table: "_sqlx_migrations", cause: other.to_string() },
        })?;
        Ok(MIGRATIONS.iter().filter(|migration| migration.0 > before).count() as u64)
    }

    /// Whether there is something in it that [`Store::migrate`] has yet to bring up to date.
    pub async fn is_older(&self) -> Result<bool, StoreError> {
        Ok((1..KNOWN).contains(&self.version().await?))
    }

    /// The version of an open database; 0: it is empty.
    ///
    /// # Errors
    /// [`StoreError::Newer`] where a newer program has worked on it.
    pub async fn version(&self) -> Result<i64, StoreError> {
        const SQLITE: &str = "select count(*) from sqlite_master where type = 'table' and name = '_sqlx_migrations'";
        const POSTGRES: &str = "select count(*) from pg_catalog.pg_tables where tablename = '_sqlx_migrations' and schemaname = any (current_schemas(false))";
        const VERSION: &str = "select coalesce(max(version), 0) from _sqlx_migrations";
        let found: i64 = match self {
            Self::Sqlite { readers, .. } => match sqlx::query_scalar::<_, i64>(SQLITE).fetch_one(readers).await? {
                0 => 0,
                _ => sqlx::query_scalar(VERSION).fetch_one(readers).await?,
            },
            Self::Postgres(pool) => match sqlx::query_scalar::<_, i64>(POSTGRES).fetch_one(pool).await? {
                0 => 0,
                _ => sqlx::query_scalar(VERSION).fetch_one(pool).await?,
            },
        };
        if found > KNOWN { Err(StoreError::Newer { found, known: KNOWN }) } else { Ok(found) }
    }
}
