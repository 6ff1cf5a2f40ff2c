//! What systemd is told, and how soon a stop is over: also while the database says nothing.

use std::time::{Duration, Instant};

use shopsyncd::{
    clock::Clock,
    control::Request,
    domain::{Run, RunState},
};
use tokio::{net::UnixDatagram, sync::mpsc, task::JoinHandle};

use super::{
    daemon::Daemon,
    end_in_line,
    stage::{LIMIT, SHOPS, Stage},
    working,
};
use crate::world::{Between, Database};

/// How soon a stop is over, whatever happens.
const STOPPED: Duration = Duration::from_secs(20);
/// How long the watchdog waits, and how often it is fed therefore.
const WATCHDOG: Duration = Duration::from_secs(3);
/// For as many meals, a third of [`WATCHDOG`] apart, the database says nothing: a planner that stood still would be given up by then.
const MEALS: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_falls_silent_starves_no_watchdog_is_worked_with_again_and_keeps_no_stop() {
    let Some(database) = Database::postgres().await else { return };
    let (database, between) = database.behind().await;
    let mut stage = working(Stage::new(database)).await;
    let (mut daemon, mut ear) = listened_to(&stage).await;
    between.fall_silent();
    let fell_silent = Instant::now();
    ear.hears("STATUS=", "no answer within").await;
    for _ in 0..MEALS {
        ear.hears_after(fell_silent, "WATCHDOG=1").await;
    }
    let took = fell_silent.elapsed();
    assert!(
        took < WATCHDOG * MEALS as u32 * 2 / 3,
        "{MEALS} meals, each due after a third of {WATCHDOG:?}, took {took:?}"
    );

    between.speak_again();
    ear.hears("STATUS=serves 3 shops", "").await;
    stage.next_round();
    stage.settled(&mut daemon, &SHOPS).await;

    between.fall_silent();
    ear.hears("STATUS=", "no answer within").await;
    stops_in_time(&stage, daemon, &mut ear).await;
    between.speak_again();
    let seen = stage.consistent().await;
    let daemon = stage.start_again(&seen.instances).await;
    end_in_line(&mut stage, daemon).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_somebody_else_holds_keeps_no_stop() {
    let mut stage = working(Stage::new(Database::Sqlite)).await;
    let (daemon, mut ear) = listened_to(&stage).await;
    let held = stage.database.hold(&stage.state_dir()).await;
    ear.hears("STATUS=", "database").await;
    stops_in_time(&stage, daemon, &mut ear).await;
    held.let_go().await;
    let seen = stage.consistent().await;
    let daemon = stage.start_again(&seen.instances).await;
    end_in_line(&mut stage, daemon).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_marketplace_that_falls_silent_keeps_no_stop() {
    let stage = Stage::new(Database::Sqlite);
    let (direct, between) = (stage.fake.url(), Between::start(&stage.fake.url()).await);
    let settings = std::fs::read_to_string(stage.path("shopsyncd.toml")).unwrap();
    let api = |url: &url::Url| format!("api_url = \"{url}\"");
    assert!(settings.contains(&api(&direct)));
    stage.write_whole("shopsyncd.toml", &settings.replace(&api(&direct), &api(&between.to(&direct))));
    let mut stage = working(stage).await;
    let (mut daemon, mut ear) = listened_to(&stage).await;
    between.fall_silent();
    let fell_silent = Clock::system().now();
    stage
        .until(&mut daemon, async || {
            let runs = stage.all_runs().await;
            let hangs = |run: &&Run| {
                let of_market = run.shop.as_ref().is_some_and(|shop| shop.as_str() == "harbour");
                of_market && run.state == RunState::Running && run.started_at.is_some_and(|at| at > fell_silent)
            };
            runs.iter().find(hangs).map(drop).ok_or_else(|| "no call hangs".to_owned())
        })
        .await;
    stops_in_time(&stage, daemon, &mut ear).await;
    between.speak_again();
    let seen = stage.consistent().await;
    let daemon = stage.start_again(&seen.instances).await;
    end_in_line(&mut stage, daemon).await;
}

/// Starts the daemon and waits for the word that it is ready: it answers from that very moment.
async fn listened_to(stage: &Stage) -> (Daemon, Ear) {
    let mut ear = Ear::open(stage);
    let named = [
        ("NOTIFY_SOCKET", stage.path("notify").display().to_string()),
        ("WATCHDOG_USEC", WATCHDOG.as_micros().to_string()),
    ];
    let daemon = Daemon::start(stage, &named);
    ear.hears("READY=1", "").await;
    stage.ask(&Request::Health).await.expect("who is ready can be asked");
    let status = ear.hears("STATUS=", "serves 3 shops").await;
    assert!(status.starts_with("STATUS=serves 3 shops; next run ") || status.ends_with("runs are due"), "{status}");
    (daemon, ear)
}

async fn stops_in_time(stage: &Stage, daemon: Daemon, ear: &mut Ear) {
    let asked = Instant::now();
    daemon.stop(stage).await;
    let took = asked.elapsed();
    ear.hears("STOPPING=1", "").await;
    assert!(took < STOPPED, "the stop took {took:?}");
    println!("crash: with a database that does not answer a stop took {}", super::seconds(took));
}

/// Stands where systemd listens.
pub(super) struct Ear {
    heard: mpsc::UnboundedReceiver<(Instant, String)>,
    listening: JoinHandle<()>,
}

impl Ear {
    pub(super) fn open(stage: &Stage) -> Self {
        let socket = UnixDatagram::bind(stage.path("notify")).unwrap();
        let (tell, heard) = mpsc::unbounded_channel();
        let listening = tokio::spawn(async move {
            let mut message = [0; 4096];
            while let Ok(length) = socket.recv(&mut message).await {
                let text = String::from_utf8_lossy(&message[..length]).into_owned();
                for line in text.lines() {
                    let _ = tell.send((Instant::now(), line.to_owned()));
                }
            }
        });
        Self { heard, listening }
    }

    /// Waits for a line that begins so and says this.
    pub(super) async fn hears(&mut self, begins: &str, says: &str) -> String {
        self.next(|_, line| line.starts_with(begins) && line.contains(says), begins).await
    }

    /// Waits for a line that was said after a moment.
    async fn hears_after(&mut self, moment: Instant, line: &str) {
        self.next(|at, said| at > moment && said == line, line).await;
    }

    async fn next(&mut self, is: impl Fn(Instant, &str) -> bool, what: &str) -> String {
        let mut said = Vec::new();
        let heard = async {
            loop {
                let (at, line) = self.heard.recv().await.unwrap();
                if is(at, &line) {
                    return line;
                }
                said.push(line);
            }
        };
        let line = tokio::time::timeout(LIMIT, heard).await;
        let Ok(line) = line else { panic!("systemd was not told {what}, but {said:#?}") };
        line
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
