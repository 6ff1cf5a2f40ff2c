//! Every database through the checks of the store: one test per database and check, each on a database of its own.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering},
};

use jiff::Timestamp;
use libtest_mimic::{Failed, Trial};
use shopsyncd::store::Store;
use sqlx::Executor as _;

#[path = "database_mail.rs"]
mod mail;
#[path = "database_peers.rs"]
mod peers;
#[path = "database_reload.rs"]
mod reload;
#[path = "database_remembered.rs"]
mod remembered;
#[path = "database_runs.rs"]
mod runs;
#[path = "database_share.rs"]
mod share;
#[path = "database_shops.rs"]
mod shops;

/// How a check ends.
pub(crate) type Checked = Result<(), Box<dyn Error + Send + Sync>>;
/// A check: its name and what it does with a fresh database.
pub(crate) type Check = (&'static str, fn(Store) -> Pin<Box<dyn Future<Output = Checked>>>);

/// The instant at which checks begin.
pub(crate) fn noon() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("an instant")
}

/// The tests, named `database::DATABASE::CHECK`, and how many of them are left out because no server was named.
pub(crate) fn trials() -> (Vec<Trial>, usize) {
    let server = std::env::var("SHOPSYNCD_TEST_POSTGRES").ok();
    let all = std::env::var_os("SHOPSYNCD_TEST_ALL").is_some();
    assert!(server.is_some() || !all, "PostgreSQL must be tested here, but SHOPSYNCD_TEST_POSTGRES names no server");
    let mut trials = Vec::new();
    let checks = [runs::CHECKS, shops::CHECKS, reload::CHECKS, remembered::CHECKS].concat();
    for &(name, check) in &checks {
        trials.push(Trial::test(format!("database::sqlite::{name}"), move || {
            let folder = tempfile::tempdir()?;
            block_on(async {
                let store = Store::open("sqlite:check.db", folder.path()).await?;
                check(store.clone()).await?;
                store.close().await;
                Ok(())
            })
        }));
    }
    // Only a server has peers.
    let on_server = [&checks, peers::CHECKS, share::CHECKS, mail::CHECKS].concat();
    for &(name, check) in &on_server {
        let on = server.clone();
        trials.push(
            Trial::test(format!("database::postgres::{name}"), move || {
                let server = on.expect("the test is ignored without a server");
                block_on(on_postgres(server, check))
            })
            .with_ignored_flag(server.is_none()),
        );
    }
    (trials, if server.is_none() { on_server.len() } else { 0 })
}

async fn on_postgres(server: String, check: fn(Store) -> Pin<Box<dyn Future<Output = Checked>>>) -> Checked {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("shopsyncd_check_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let pool = sqlx::PgPool::connect(&server).await?;
    pool.execute(sqlx::AssertSqlSafe(format!("create database {name}"))).await?;
    let mut url = url::Url::parse(&server)?;
    url.set_path(&name);
    let checked = async {
        let store = Store::open(url.as_str(), std::path::Path::new("/nonexistent")).await?;
        let checked = check(store.clone()).await;
        store.close().await;
        checked
    }
    .await;
    pool.execute(sqlx::AssertSqlSafe(format!("drop database {name} with (force)"))).await?;
    checked
}

fn block_on(checked: impl Future<Output = Checked>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(checked).map_err(Failed::from)
}
