//! The daemon as a child process: it dies, is killed, stopped, let go on, and asked to end.

use std::{fs, os::unix::process::ExitStatusExt as _, process::ExitStatus, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::stage::{LIMIT, Stage};

/// A daemon that runs.
pub(super) struct Daemon {
    child: Child,
    pid: Pid,
}

impl Daemon {
    /// Starts it on a stage, with these in its environment.
    pub(super) fn start(stage: &Stage, named: &[(&str, String)]) -> Self {
        let log = fs::OpenOptions::new().create(true).append(true).open(stage.path("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopsyncd"));
        command.arg("--config").arg(stage.path("shopsyncd.toml")).arg("run");
        for inherited in ["RUNTIME_DIRECTORY", "NOTIFY_SOCKET", "SHOPSYNCD_CRASH_AT", "SHOPSYNCD_STOP_AT"] {
            command.env_remove(inherited);
        }
        command.env("SHOPSYNCD__STATE_DIR", stage.free_state_dir());
        command.envs(named.iter().map(|(name, value)| (name, value)));
        let child = command.stderr(log).kill_on_drop(true).spawn().unwrap();
        let pid = Pid::from_raw(child.id().unwrap() as i32).unwrap();
        Self { child, pid }
    }

    /// Waits until it dies of its point.
    pub(super) async fn killed(mut self, stage: &Stage, point: &str) {
        let status = self.ended().await;
        if status.is_none_or(|status| status.signal() != Some(9)) {
            stage.fail(Some(&self), &format!("it did not die at {point}: {status:?}")).await;
        }
    }

    /// Kills it once this time is over. It must not end by itself before.
    pub(super) async fn kill_after(mut self, stage: &Stage, wait: Duration) {
        if let Ok(ended) = tokio::time::timeout(wait, self.child.wait()).await {
            stage.fail(None, &format!("the daemon ended by itself: {ended:?}")).await;
        }
        self.child.start_kill().unwrap();
        assert_eq!(self.ended().await.and_then(|status| status.signal()), Some(9));
    }

    /// Asks it to end, as systemd would.
    pub(super) async fn stop(mut self, stage: &Stage) {
        self.send(Signal::TERM);
        let status = self.ended().await;
        if !status.is_some_and(|status| status.success()) {
            stage.fail(Some(&self), &format!("the daemon was asked to stop: {status:?}")).await;
        }
    }

    /// The exit code with which it ends by itself.
    pub(super) async fn exits(mut self) -> Option<i32> {
        self.ended().await.and_then(|status| status.code())
    }

    /// Stops it where it is; it does not notice.
    pub(super) fn freeze(&self) {
        self.send(Signal::STOP);
    }

    /// Lets it go on.
    pub(super) fn thaw(&self) {
        self.send(Signal::CONT);
    }

    /// Whether all its threads are stopped.
    pub(super) fn is_frozen(&self) -> bool {
        self.threads("stat").iter().all(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
    }

    /// Where its threads stand: what the kernel says of each.
    pub(super) fn whereabouts(&self) -> String {
        let told = |file: &str| format!("{file}:\n{}\n", self.threads(file).join("\n"));
        ["comm", "stat", "wchan", "syscall", "stack"].map(told).concat()
    }

    /// A file of `/proc` for each of its threads; what may not be read is left out.
    fn threads(&self, file: &str) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid.as_raw_nonzero()));
        let paths = tasks.into_iter().flatten().filter_map(|task| Some(task.ok()?.path().join(file)));
        paths.filter_map(|path| fs::read_to_string(path).ok()).map(|text| text.trim_end().to_owned()).collect()
    }

    /// How it ended, if it has.
    pub(super) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(super) fn send(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    async fn ended(&mut self) -> Option<ExitStatus> {
        tokio::time::timeout(LIMIT, self.child.wait()).await.ok().map(Result::unwrap)
    }
}
