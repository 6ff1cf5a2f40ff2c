//! `db`: migrate and backup.

use std::path::Path;

use super::{
    DbCommand, Outcome, exit,
    open::{self, Env},
    print,
};
use crate::{
    clock::Clock,
    control::Refusal,
    daemon::StartError,
    scheduler,
    store::{Store, lock::InstanceLock},
};

pub(super) async fn db(env: &Env, command: DbCommand) -> Outcome {
    match command {
        DbCommand::Migrate => migrate(env).await,
        DbCommand::Backup { file, force } => backup(env, &file, force).await,
    }
}

async fn migrate(env: &Env) -> Outcome {
    let config = env.settings()?;
    let url = open::database(&config)?;
    let _lock = if url.starts_with("sqlite:") {
        open::founded(&config).await?;
        let file = Store::make_file(url, &config.state_dir).map_err(open::unavailable)?;
        let lock = InstanceLock::take(&config.state_dir, file.as_deref(), Clock::system().now());
        Some(lock.map_err(StartError::from).map_err(|error| Refusal::new(error.exit(), error.to_string()))?)
    } else {
        None
    };
    let store = Store::connect(url, &config.state_dir).await.map_err(open::unavailable)?;
    // On SQLite whoever holds the lock knows that nobody else works.
    if store.is_postgres() {
        let working =
            print::bar().during(scheduler::at_work(&store, &Clock::system())).await.map_err(open::unavailable)?;
        if !working.is_empty() {
            let names = working.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
            let (who, them) = if working.len() == 1 { ("daemon works", "it") } else { ("daemons work", "them") };
            let text = format!("{} {who} with this database: {names}; stop {them} first", working.len());
            return Err(Refusal::new(exit::TRY_LATER, text));
        }
    }
    store.migrate().await.map_err(open::unavailable)?;
    let version = store.version().await.map_err(open::unavailable)?;
    store.close().await;
    if env.json {
        print::json(&serde_json::json!({ "version": version }))
    } else {
        print::text(&format!("the database is at version {version}"))
    }
}

async fn backup(env: &Env, file: &Path, force: bool) -> Outcome {
    let config = env.readable()?;
    let url = open::database(&config)?;
    if !url.starts_with("sqlite:") {
        return Err(Refusal::new(exit::USAGE, "`db backup` is for SQLite; back a PostgreSQL database up with pg_dump"));
    }
    let store = Store::open_for_copy(url, &config.state_dir).await.map_err(open::unavailable)?;
    if !force && file.symlink_metadata().is_ok() {
        let text = format!("{} exists; name a file that does not, or add --force to replace it", file.display());
        return Err(Refusal::new(exit::REFUSED, text));
    }
    // What is there is replaced by a whole copy or not at all. SQLite fills an empty file; it is for its owner's eyes alone, as the
    // database is.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unwritable = |error: std::io::Error| {
        Refusal::new(exit::FAILED, format!("{}: {error}; name a file in a folder that can be written", file.display()))
    };
    let copy = tempfile::Builder::new().prefix(".shopsyncd-backup-").tempfile_in(folder).map_err(unwritable)?;
    print::bar().during(store.backup(copy.path())).await.map_err(open::unavailable)?;
    copy.as_file().sync_all().and_then(|()| copy.persist(file).map_err(|error| error.error)).map_err(unwritable)?;
    let bytes = std::fs::metadata(file).map_or(0, |meta| meta.len());
    if env.json {
        print::json(&serde_json::json!({ "file": file, "bytes": bytes }))
    } else {
        print::text(&format!(
            "{bytes} bytes written to {}; keep the seal key, too, but somewhere else: without it the tokens in the copy do not open",
            file.display()
        ))
    }
}
