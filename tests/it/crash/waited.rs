//! A database that is away when the daemon starts: it is told of and waited for, and nothing is restarted.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use shopsyncd::{
    control::Request,
    domain::{Demand, JobKind},
};
use sqlx::Executor as _;

use super::{
    daemon::Daemon,
    stage::{LIMIT, SHOPS, Stage},
    told::Ear,
    working,
};
use crate::world::{Database, get as browse};

/// Whoever stops while it waits has nothing to bring to an end.
const AT_ONCE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_without_its_server_is_told_of_and_goes_on_as_soon_as_that_is_there() {
    let Some(database) = Database::postgres().await else { return };
    let (database, between) = database.behind().await;
    let mut stage = working(Stage::new(database)).await;
    let [page, machines] = stage.listen();
    between.cut();
    let (mut daemon, mut ear) = start(&stage);
    let told = ear.hears("STATUS=", "waits").await;
    assert!(told.starts_with("STATUS=waits: database shopsyncd_story_"), "{told}");
    // Attempt after attempt, and systemd is asked for time with each.
    for _ in 0..4 {
        ear.hears("EXTEND_TIMEOUT_USEC=300000000", "").await;
    }

    let (status, body) = get(&format!("{machines}/healthz")).await;
    assert_eq!((status, &*body), (200, "ok\n"));
    let (status, body) = get(&format!("{machines}/readyz")).await;
    assert!(status == 503 && body.contains("see that the server runs"), "{status} {body}");
    assert!(get(&format!("{machines}/metrics")).await.1.contains("\nshopsyncd_ready 0\n"));
    let (status, body) = get(&format!("{page}/authorize/harbour")).await;
    assert!(status == 503 && body.contains("its database does not answer yet"), "{status} {body}");
    let health = stage.ask(&Request::Health).await.unwrap();
    assert!(health["healthy"] == false && health["reasons"][0].as_str().unwrap().contains("database"), "{health}");
    let shop = SHOPS[0].0.parse().unwrap();
    let run = Request::RunNow { shop, job: JobKind::ProductImport, demand: Demand::default(), wait: true };
    let refused = stage.ask(&run).await.unwrap_err();
    assert!(refused.exit == 75 && refused.text.contains("has not started yet: database"), "{refused:?}");

    between.mend();
    ear.hears("READY=1", "").await;
    assert_eq!(get(&format!("{machines}/readyz")).await.0, 200);
    stage.next_round();
    stage.settled(&mut daemon, &SHOPS).await;
    daemon.stop(&stage).await;
    for (event, times) in [("store.trouble", 1), ("store.recovered", 1), ("daemon.started", 2)] {
        // With that of the daemon before.
        assert_eq!(stage.log().matches(&format!("event=\"{event}\"")).count(), times, "{event}: {}", stage.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_waits_for_a_server_stops_at_once() {
    let Some(database) = Database::postgres().await else { return };
    let (database, between) = database.behind().await;
    let stage = Stage::new(database);
    between.fall_silent();
    let (daemon, mut ear) = start(&stage);
    ear.hears("STATUS=waits: database", "no answer within 5 s").await;
    let asked = Instant::now();
    daemon.stop(&stage).await;
    let took = asked.elapsed();
    ear.hears("STOPPING=1", "").await;
    assert!(took < AT_ONCE, "the stop took {took:?}");
    assert!(!stage.state_dir().join("control.sock").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_made_later_is_waited_for_and_a_server_that_lets_nobody_in_is_not() {
    let Some(database) = Database::postgres().await else { return };
    let Database::Postgres { server, name, url, .. } = &database else { unreachable!() };
    let (server, name, url) = (server.clone(), name.clone(), url.clone());
    let stage = Stage::new(database);
    let pool = sqlx::PgPool::connect(&server).await.unwrap();
    pool.execute(sqlx::AssertSqlSafe(format!("drop database {name}"))).await.unwrap();
    let (mut daemon, mut ear) = start(&stage);
    ear.hears("STATUS=waits: database", "does not exist").await;
    pool.execute(sqlx::AssertSqlSafe(format!("create database {name}"))).await.unwrap();
    pool.close().await;
    ear.hears("READY=1", "").await;
    stage.answering(&mut daemon).await;
    daemon.stop(&stage).await;

    let settings = std::fs::read_to_string(stage.path("shopsyncd.toml")).unwrap();
    let nobody = url.replace("postgres@", "nobody-here@");
    assert_ne!(nobody, url);
    stage.write_whole("shopsyncd.toml", &settings.replace(&url, &nobody));
    assert_eq!(Daemon::start(&stage, &[]).exits().await, Some(78));
    assert!(stage.log().contains("correct user and password in `database.url`"), "{}", stage.log());
}

/// As the last version but one left it: what came with the last one is undone.
const AS_BEFORE: &str = "
    alter table instances drop column settings_error;
    delete from _sqlx_migrations where version = 19;
    insert into instances (id, version, started_at, beat, settings_digest, standing_by, dead)
        values ('laggard', '0.0.9', 0, 0, '', 0, 0)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_program_changes_the_tables_once_nobody_of_an_older_one_works_with_them() {
    let Some(database) = Database::postgres().await else { return };
    let Database::Postgres { url, .. } = &database else { unreachable!() };
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    let mut stage = working(Stage::new(database)).await;
    pool.execute(AS_BEFORE).await.unwrap();
    let (beats, version) = (pool.clone(), "select max(version) from _sqlx_migrations");
    let laggard = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(500));
        loop {
            ticks.tick().await;
            beats.execute("update instances set beat = beat + 1 where id = 'laggard'").await.unwrap();
        }
    });
    let (mut daemon, mut ear) = start(&stage);
    ear.hears("STATUS=waits: the database is to be brought up to date", "who work with it: `laggard`;").await;
    assert_eq!(sqlx::query_scalar::<_, i64>(version).fetch_one(&pool).await.unwrap(), 18, "nothing is taken from it");
    laggard.abort();
    ear.hears("STATUS=brings the database up to date", "").await;
    ear.hears("READY=1", "").await;
    assert!(sqlx::query_scalar::<_, i64>(version).fetch_one(&pool).await.unwrap() > 18);
    pool.close().await;
    stage.next_round();
    stage.settled(&mut daemon, &SHOPS).await;
    daemon.stop(&stage).await;
    assert_eq!(stage.log().matches("event=\"instance.waits\"").count(), 1, "{}", stage.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_are_mended_while_the_start_waits_are_taken_and_broken_ones_are_not() {
    let stage = Stage::new(Database::Sqlite);
    let good = std::fs::read_to_string(stage.path("shopsyncd.toml")).unwrap();
    let missing = stage.path("mounted-later");
    let at = |folder: &std::path::Path| format!("[database]\nurl = \"sqlite:{}/shop.db\"\n[web]\n", folder.display());
    let elsewhere = good.replace("[web]\n", &at(&missing));
    stage.write_whole("shopsyncd.toml", &elsewhere);
    let (mut daemon, mut ear) = start(&stage);
    ear.hears("STATUS=waits: database", "mounted-later/shop.db").await;

    stage.write_whole("shopsyncd.toml", &elsewhere.replace("pretty", "petty"));
    ear.hears("STATUS=waits: database", "the newest settings were refused: shopsyncd.toml:").await;
    let refused = stage.ask(&Request::Reload).await.unwrap_err();
    assert!(refused.exit == 78 && refused.findings.len() == 1, "{refused:?}");
    // A reload, too, and no end.
    daemon.send(Signal::HUP);
    ear.hears("STATUS=waits: database", "the newest settings were refused: shopsyncd.toml:").await;

    let other = stage.path("other");
    std::fs::create_dir(&other).unwrap();
    stage.write_whole("shopsyncd.toml", &good.replace("[web]\n", &at(&other)));
    ear.hears("READY=1", "").await;
    assert!(other.join("shop.db").exists() && !missing.exists());
    stage.answering(&mut daemon).await;
    daemon.stop(&stage).await;
    let log = stage.log();
    let reloaded = log.lines().find(|line| line.contains("settings.reloaded")).unwrap_or_else(|| panic!("{log}"));
    assert!(reloaded.contains("database.url: ") && !reloaded.contains("next restart"), "{reloaded}");
}

fn start(stage: &Stage) -> (Daemon, Ear) {
    let ear = Ear::open(stage);
    (Daemon::start(stage, &[("NOTIFY_SOCKET", stage.path("notify").display().to_string())]), ear)
}

async fn get(url: &str) -> (u16, String) {
    let answer = tokio::time::timeout(LIMIT, browse(&url.parse().unwrap(), None)).await.expect("an answer");
    (answer.status, String::from_utf8(answer.body.to_vec()).unwrap())
}

impl Stage {
    /// From its next start on the daemon listens: where, for people and for machines.
    fn listen(&self) -> [String; 2] {
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let [people, machines] = [free(), free()].map(|listener| listener.local_addr().unwrap());
        let settings = std::fs::read_to_string(self.path("shopsyncd.toml")).unwrap();
        let settings = settings.replace("listen = \"None\"", &format!("listen = \"{people}\""));
        self.write_whole(
            "shopsyncd.toml",
            &settings.replace("internal = \"None\"", &format!("internal = \"{machines}\"")),
        );
        [people, machines].map(|address| format!("http://{address}"))
    }
}
