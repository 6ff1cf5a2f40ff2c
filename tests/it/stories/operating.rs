//! A daemon that is asked, stopped and started.

use serde_json::Value;
use shopsyncd::{
    channels::tiktok_shop::fake::Mishap,
    control::{Meanwhile, Request},
    domain::{Demand, Outcome, RunState},
};

use crate::world::{Database, IMPORT, Log, World, minutes, on_both_databases};

on_both_databases! {
    a_daemon_that_stops_gives_its_work_back_and_the_next_one_goes_on_where_it_was,
}

const MORNING: &str = "2026-03-02T09:00";

#[tokio::test]
async fn run_now_joins_a_run_that_is_not_over() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(5)).await;

    let plan = world.job("uk", IMPORT).await["next_due_at"].clone();
    world.fake.break_down(Some(Mishap::ServerError));
    let demand = Demand { full: true, ..Demand::default() };
    let ask = |wait| Request::RunNow { shop: "uk".parse().unwrap(), job: IMPORT, demand, wait };
    let first = world.ask(ask(false)).await.unwrap();
    world
        .wait_until("the marketplace fails", async || world.last_run("uk", IMPORT).await.state == RunState::Retryable)
        .await;
    assert_eq!(world.job("uk", IMPORT).await["state"], "retrying");
    world.fake.break_down(None);
    let joined = world.ask(ask(true)).await.unwrap();
    assert_eq!(joined["id"], first["id"], "one run, however often it is asked for");
    assert_eq!(joined["outcome"], "done");
    assert_eq!(world.job("uk", IMPORT).await["next_due_at"], plan, "the plan is as it was");
    world.end().await;
}

#[tokio::test]
async fn who_waits_for_a_run_is_told_what_happens_and_let_go_when_the_next_attempt_is_far_off() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(5)).await;

    let demand = Demand::default();
    let ask = |told| {
        world.ask_telling(Request::RunNow { shop: "uk".parse().unwrap(), job: IMPORT, demand, wait: true }, told)
    };
    world.fake.break_down(Some(Mishap::Throttled { retry_after: Some(40) }));
    let (told, mut heard) = tokio::sync::mpsc::channel(16);
    let hears = async {
        let mut lines = Vec::new();
        while let Some(word) = heard.recv().await {
            let Meanwhile::Event(line) = word else { continue };
            lines.push(line);
            world.fake.break_down(Some(Mishap::ServerError));
            let next = world.last_run("uk", IMPORT).await.available_at;
            if next.duration_since(world.clock.now()) <= minutes(1) {
                world.leap(next).await;
            }
        }
        lines
    };
    let (run, lines) = tokio::join!(ask(told), hears);
    let run = run.unwrap();
    assert_eq!((&run["state"], &run["outcome"]), (&"retryable".into(), &Value::Null), "{lines:#?}");
    assert!(run["retry_at"].is_string() && run["instance"].is_string(), "{run:#}");
    let lines: Vec<_> = lines.iter().filter(|line| !line.ends_with("begins")).collect();
    assert!((7..=8).contains(&lines.len()), "seconds at first, more than a minute in the end: {lines:#?}");
    assert!(
        lines[0].starts_with("the channel asks to slow down (")
            && lines[0].contains("): it goes on at 2026-03-02 09:05:40 CET (in 40 s)"),
        "{lines:#?}"
    );
    for (attempt, line) in lines.iter().skip(1).enumerate() {
        assert!(line.starts_with(&format!("attempt {} failed: ", attempt + 1)), "{line}");
        assert!(line.contains("; it is tried again at 2026-03-02 09:0") && line.ends_with(" s)"), "{line}");
    }

    world.fake.break_down(None);
    let (told, mut heard) = tokio::sync::mpsc::channel(16);
    let again = ask(told).await.unwrap();
    assert_eq!((&again["id"], &again["outcome"]), (&run["id"], &"done".into()), "asked for again, it is tried at once");
    let Some(Meanwhile::Event(line)) = heard.recv().await else { panic!("nothing is told") };
    let joined = format!("run {}, asked for at 2026-03-02 09:05:00 CET (", run["id"]);
    assert!(line.starts_with(&joined) && line.ends_with("is not over yet: it is waited for"), "{line}");
    world.end().await;
}

#[tokio::test]
async fn a_complete_pass_demanded_of_an_import_under_way_is_made_by_the_run_that_follows_and_waited_for() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    world.fake.rules(|rules| rules.page_cap = 1);
    let items: Vec<(&'static str, _, _)> =
        (0..60).map(|number| (&*format!("SKU-{number}").leak(), "10.00", 5)).collect();
    world.source(&items);
    world.offer("uk", &items);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.wait_until("the import is under way", async || world.job("uk", IMPORT).await["state"] == "running").await;

    let demand = Demand { full: true, ..Demand::default() };
    let ask = |wait| Request::RunNow { shop: "uk".parse().unwrap(), job: IMPORT, demand, wait };
    let joined = world.ask(ask(false)).await.unwrap();
    assert_eq!((&joined["state"], &joined["follow_up"]), (&"running".into(), &true.into()));
    let followed = world.ask(ask(true)).await.unwrap();
    assert_ne!(followed["id"], joined["id"]);
    assert_eq!((&followed["outcome"], &followed["trigger"]), (&"done".into(), &"now".into()));
    assert_eq!(followed["counts"]["seen"], 60, "it read everything once more");
    world.end().await;
}

async fn a_daemon_that_stops_gives_its_work_back_and_the_next_one_goes_on_where_it_was(database: Database) {
    const SKUS: [&str; 12] = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L"];
    let mut world = World::new(database, MORNING, &["uk"]);
    world.fake.rules(|rules| rules.page_cap = 1);
    let items = SKUS.map(|sku| (sku, "10.00", 5));
    world.source(&items);
    world.offer("uk", &items);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    let searches = |world: &World| -> u64 {
        world.fake.stats().calls.iter().filter(|(name, _)| name.contains("search")).map(|(_, count)| count).sum()
    };
    world.wait_until("the import is under way", async || searches(&world) >= 3).await;
    world.stop().await;
    assert!(searches(&world) < 12, "it stopped in the middle");

    world.start().await;
    world.settle().await;
    world.pass(minutes(5)).await;
    let run = world.runs("uk", IMPORT).await.remove(0);
    assert_eq!((run.outcome, run.counts.seen), (Some(Outcome::Done), 12), "no page was read twice");
    assert_eq!(run.attempt, 1, "being stopped is no failure");
    world.end().await;
}

#[tokio::test]
async fn an_import_of_many_pages_is_one_line_of_the_log() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    world.fake.rules(|rules| rules.page_cap = 1);
    let items: Vec<(&'static str, _, _)> =
        (0..40).map(|number| (&*format!("SKU-{number}").leak(), "10.00", 5)).collect();
    world.source(&items);
    world.offer("uk", &items);
    let (log, _kept) = Log::kept();
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.settle().await;
    world.pass(minutes(5)).await;
    let run = world.runs("uk", IMPORT).await.remove(0);
    assert_eq!((run.outcome, run.counts.seen), (Some(Outcome::Done), 40));
    let of_run = format!("run.id={} ", run.id);
    let lines: Vec<_> = log.all().into_iter().filter(|line| line.contains(&of_run)).collect();
    let finished = lines.iter().filter(|line| line.contains("event=\"run.finished\"")).count();
    let started = lines.iter().filter(|line| line.contains("event=\"run.started\"")).count();
    assert_eq!((finished, lines.len() - started), (1, 1), "{lines:#?}");
    world.end().await;
}
