//! Copies made while the daemon works as hard as it can.

use std::process::Command;

use shopsyncd::{
    clock::Clock,
    store::{RunFilter, Store},
};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, sqlite::SqliteConnectOptions};

use super::{end_in_line, stage::Stage, working};
use crate::world::Database;

/// How many copies are made, one right after the other.
const COPIES: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_made_while_the_daemon_writes_is_whole_and_of_one_moment() {
    let mut stage = working(Stage::new(Database::Sqlite)).await;
    let mut daemon = stage.start(None);
    stage.answering(&mut daemon).await;
    let mut runs = 0;
    for number in 0..COPIES {
        stage.next_round();
        let before = stage.all_runs().await.len();
        let copy = stage.path(&format!("copy-{number}.db"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopsyncd"));
        command.arg("--config").arg(stage.path("shopsyncd.toml")).args(["db", "backup"]).arg(&copy);
        let done = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

        let mut raw = SqliteConnectOptions::new().filename(&copy).connect().await.unwrap();
        let whole: String = sqlx::query("pragma integrity_check").fetch_one(&mut raw).await.unwrap().get(0);
        assert_eq!(whole, "ok", "copy {number}");
        let unfinished: i64 =
            sqlx::query("select count(*) from runs where state = 'completed' and finished_at is null")
                .fetch_one(&mut raw)
                .await
                .unwrap()
                .get(0);
        assert_eq!(unfinished, 0, "copy {number}: what belongs together is in it together");
        raw.close().await.unwrap();
        let place = format!("sqlite:{}", copy.display());
        let store = Store::open_for_reading(&place, &stage.state_dir()).await.unwrap();
        let mut tx = store.read(Clock::system().now()).await.unwrap();
        let copied = tx.runs(&RunFilter::default(), 100_000).await.unwrap();
        drop(tx);
        store.close().await;
        assert!(copied.len() >= before, "copy {number} has what stood before it: {} of {before} runs", copied.len());
        runs = copied.len().max(runs);
    }
    stage
        .until(&mut daemon, async || match stage.all_runs().await.len() {
            now if now > runs => Ok(()),
            now => Err(format!("there are {now} runs, as in the last copy")),
        })
        .await;
    end_in_line(&mut stage, daemon).await;
}
