//! `db`: migrate and backup.

use std::path::Path;

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
    if file.exists() {
        return Err(Refusal::new(exit::FAILED, format!("{} exists; name a file that does not", file.display())));
    }
    let store = Store::open_beside(url, &config.state_dir).await.map_err(open::unavailable)?;
    print::bar().during(store.backup(file)).await.map_err(open::unavailable)?;
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
