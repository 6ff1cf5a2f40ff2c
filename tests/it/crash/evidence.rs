//! What a failure is told with: everything that may explain it.

use std::{fmt::Write as _, fs};

use shopsyncd::{
    clock::Clock,
    domain::RunState,
    store::{RunFilter, StoreError},
};

use super::{daemon::Daemon, invariants::MANY, stage::Stage};

/// How many of the log's last lines are shown.
const LINES: usize = 60;

impl Stage {
    /// Fails with what the database says is unfinished, where the threads of a daemon stand, and the end of the log.
    pub(super) async fn fail(&self, daemon: Option<&Daemon>, why: &str) -> ! {
        let stored = self.stored().await.unwrap_or_else(|error| format!("the database cannot be read: {error}\n"));
        let threads = daemon.map(Daemon::whereabouts).unwrap_or_default();
        panic!("{why}\n{stored}{threads}the log ends:\n{}", self.log_tail());
    }

    /// What the daemon logged.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    async fn stored(&self) -> Result<String, StoreError> {
        let store = self.open_store().await?;
        let now = Clock::system().now();
        let mut tx = store.read(now).await?;
        let mut text = format!("at {now} the database has\n");
        for instance in tx.instances().await? {
            writeln!(text, "instance {instance:?}").unwrap();
        }
        for row in tx.schedules(None).await? {
            writeln!(text, "schedule {row:?}").unwrap();
        }
        for state in [RunState::Available, RunState::Running, RunState::Retryable] {
            for run in tx.runs(&RunFilter { state: Some(state), ..RunFilter::default() }, MANY).await? {
                writeln!(text, "unfinished {run:?}").unwrap();
            }
        }
        for run in tx.runs(&RunFilter::default(), 20).await? {
            writeln!(text, "run {} {:?} {} {:?} {:?}", run.id, run.shop, run.job, run.state, run.finished_at).unwrap();
        }
        for mail in tx.mails(None, MANY).await? {
            let next = mail.next_attempt_at;
            writeln!(text, "mail {} {:?}, next {next}, {:?}", mail.dedup, mail.state, mail.error).unwrap();
        }
        for given in tx.authorizations().await? {
            writeln!(text, "authorization {given:?}").unwrap();
        }
        drop(tx);
        store.close().await;
        Ok(text)
    }
}
