//! `db`: migrate and backup.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _, path::Path};

use super::{
    DbCommand, Outcome, exit,
    open::{self, Env},
    print,
};
use crate::{
    control::Refusal,
    store::{Store, lock::InstanceLock},
};

pub(super) async fn db(env: &Env, command: DbCommand) -> Outcome {
    match command {
        DbCommand::Migrate => migrate(env).await,
        DbCommand::Backup { file } => backup(env, &file).await,
    }
}

async fn migrate(env: &Env) -> Outcome {
    let config = env.settings()?;
    let url = config.database_url.expose();
    let _lock = if url.starts_with("sqlite:") {
        open::founded(&config).await?;
        let lock = InstanceLock::take(&config.state_dir, crate::clock::Clock::system().now());
        Some(lock.map_err(|error| Refusal::new(exit::TRY_LATER, format!("{error}; stop the daemon first")))?)
    } else {
        None
    };
    let store = Store::open(url, &config.state_dir).await.map_err(open::unavailable)?;
    let version = store.version().await.map_err(open::unavailable)?;
    store.close().await;
    if env.json {
        print::json(&serde_json::json!({ "version": version }))
    } else {
        print::text(&format!("the database is at version {version}"))
    }
}

async fn backup(env: &Env, file: &Path) -> Outcome {
    let config = env.settings()?;
    let url = config.database_url.expose();
    if !url.starts_with("sqlite:") {
        return Err(Refusal::new(exit::USAGE, "`db backup` is for SQLite; back a PostgreSQL database up with pg_dump"));
    }
    let store = Store::open_beside(url, &config.state_dir).await.map_err(open::unavailable)?;
    // For its owner's eyes alone, as the database is: SQLite fills an empty file that is there.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(|error| {
        Refusal::new(
            exit::FAILED,
            format!("{}: {error}; name a file that does not exist, in a folder that can be written", file.display()),
        )
    })?;
    let copied = print::bar().during(store.backup(file)).await;
    if copied.is_err() {
        // What is there of it is no copy; if it stays, the next try says so.
        let _ = std::fs::remove_file(file);
    }
    copied.map_err(open::unavailable)?;
    let bytes = std::fs::metadata(file).map_or(0, |meta| meta.len());
    if env.json {
        print::json(&serde_json::json!({ "file": file, "bytes": bytes }))
    } else {
        print::text(&format!(
            "{bytes} bytes written to {}; keep the seal key with it: without it the tokens in the copy do not open",
            file.display()
        ))
    }
}
