//! What a daemon lives through: what is around it breaks and is mended, and nobody has to help it.

use shopsyncd::{
    channels::tiktok_shop::fake::Mishap,
    control::Request,
    domain::{Demand, Outcome, Run, Trigger},
};
use sqlx::Connection as _;

use crate::world::{Between, Database, EXPORT, IMPORT, Log, World, minutes};

const MORNING: &str = "2026-03-02T09:00";

/// How often the lines say that something came: those that sum up count for what they sum up.
fn told(lines: &[String]) -> u64 {
    let repeated = |line: &String| line.split("repeated=").nth(1)?.split(' ').next()?.parse().ok();
    lines.iter().map(|line| repeated(line).unwrap_or(1)).sum()
}

#[tokio::test]
async fn a_marketplace_that_is_down_for_two_hours_takes_few_lines_and_is_caught_up_with() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    let (log, repetition, _kept) = Log::counting(&world.clock);
    world.write_main("1 hour", "5 minutes", "5 minutes");
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(10)).await;
    let before = log.all().len();

    world.fake.break_down(Some(Mishap::ServerError));
    world.source(&[("A", "11.00", 5)]);
    for _ in 0..24 {
        world.pass(minutes(5)).await;
        repetition.tell_due();
    }
    repetition.tell_all();
    let during: Vec<_> = log.all().split_off(before);
    let failed: Vec<_> = during.iter().filter(|line| line.contains("event=\"run.failed\"")).cloned().collect();
    // Of import and export, and of each both what is tried again and what is given up.
    assert!((4..4 * 10).contains(&failed.len()), "few lines: {failed:#?}");
    assert!(during.len() < failed.len() + 20, "and few others: {during:#?}");
    assert!(told(&failed) > 100, "{} failures: {failed:#?}", told(&failed));

    world.fake.break_down(None);
    world.pass(minutes(11)).await;
    assert_eq!(world.offers("uk"), ["A 11.00 5"]);
    for job in [IMPORT, EXPORT] {
        assert_eq!(world.last_run("uk", job).await.outcome, Some(Outcome::Done), "{job}");
    }
    // Word of the recovery waits for its turn among the operator's mails.
    world.pass(minutes(31)).await;
    world.end_with_mails().await;
}

#[tokio::test]
async fn a_database_that_is_stopped_is_told_of_and_taken_up_again_with_each_job_due_once() {
    database_away(Between::cut, Between::mend).await;
}

#[tokio::test]
async fn a_database_that_falls_silent_is_told_of_and_taken_up_again_with_each_job_due_once() {
    database_away(Between::fall_silent, Between::speak_again).await;
}

async fn database_away(goes: fn(&Between), comes_back: fn(&Between)) {
    // A file is not reached over a network.
    let Some(database) = Database::postgres().await else { return };
    let (database, between) = database.behind().await;
    let mut world = World::new(database, MORNING, &["uk"]);
    let (log, _kept) = Log::kept();
    world.write_main("1 hour", "10 minutes", "10 minutes");
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(15)).await;
    world.until_ready(true).await;
    let before: Vec<Run> = [world.runs("uk", IMPORT).await, world.runs("uk", EXPORT).await].concat();

    goes(&between);
    world.source(&[("A", "11.00", 5)]);
    let words = world.until_ready(false).await;
    assert!(words.contains("database") || words.contains("connection"), "{words}");
    world.clock.advance(minutes(40));
    world.wait_until("it is told that the database is away", async || log.lines("store.trouble").len() == 1).await;
    comes_back(&between);
    world.until_ready(true).await;
    world.settle().await;
    for job in [IMPORT, EXPORT] {
        let runs = world.runs("uk", job).await;
        for run in &before {
            let kept = runs.iter().find(|later| later.id == run.id);
            assert!(run.job != job || kept.is_some_and(|kept| kept.outcome == run.outcome), "lost: {run:#?}");
        }
        let missed = |run: &&Run| !before.iter().any(|known| known.id == run.id) && run.trigger == Trigger::Schedule;
        let missed: Vec<&Run> = runs.iter().filter(missed).collect();
        let [one] = missed[..] else { panic!("{job}: one run for all that was missed, not {missed:#?}") };
        assert_eq!((one.outcome, one.covers), (Some(Outcome::Done), 4), "{job}: {one:#?}");
    }
    // Both fell due at once: the export may have come before the import of what it sends.
    world.pass(minutes(11)).await;
    assert_eq!(world.offers("uk"), ["A 11.00 5"], "what the source said meanwhile has arrived");
    assert_eq!(log.lines("store.trouble").len(), 1, "{:#?}", log.all());
    assert_eq!(log.lines("store.recovered").len(), 1, "{:#?}", log.all());
    world.end_with_mails().await;
}

#[tokio::test]
async fn an_edit_that_meets_no_database_is_not_refused_and_takes_effect_once_it_is_back() {
    let Some(database) = Database::postgres().await else { return };
    let (database, between) = database.behind().await;
    let mut world = World::new(database, MORNING, &["uk"]);
    let (log, _kept) = Log::kept();
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(15)).await;
    world.until_ready(true).await;

    between.cut();
    world.until_ready(false).await;
    world.write_shop("uk", "[shops.uk.jobs]\nproduct_export = \"7 minutes\"\n");
    let refusal = world.ask(Request::Reload).await.unwrap_err();
    assert_eq!((refusal.exit, refusal.findings.len()), (69, 0), "{refusal:?}");
    world
        .wait_until("it is told that the settings wait", async || {
            log.all().iter().any(|line| line.contains("new settings wait for the database"))
        })
        .await;
    between.mend();
    world.until_ready(true).await;
    world.wait_until("the edit holds", async || world.job("uk", EXPORT).await["period"] == "7 minutes").await;
    assert_eq!(log.lines("settings.rejected"), Vec::<String>::new());
    assert_eq!(log.lines("settings.reloaded").len(), 1, "{:#?}", log.all());
    assert_eq!(
        world.metrics("shopsyncd_settings_last_reload_successful").await,
        ["shopsyncd_settings_last_reload_successful 1"]
    );
    assert_eq!(world.status().await["settings"]["error"], serde_json::Value::Null);
    world.settle().await;
    world.end_with_mails().await;
}

#[tokio::test]
async fn a_host_whose_name_is_not_known_is_told_of_and_called_once_the_setting_is_mended() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "9.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(15)).await;
    assert_eq!(world.offers("uk"), ["A 10.00 5"]);

    let good = world.fake.url().to_string();
    let api = |url: &str| format!("api_url = \"{url}\"");
    world.replace_in_main(&api(&good), &api("https://no-such-host.invalid/"));
    world.ask(Request::Reload).await.unwrap();
    world.source(&[("A", "11.00", 5)]);
    world.pass(minutes(30)).await;
    assert_ne!(world.last_run("uk", EXPORT).await.outcome, Some(Outcome::Done));
    let why = world.why("uk", EXPORT).await;
    assert!(why.contains("no-such-host.invalid could not be reached"), "{why}");
    assert_eq!(world.offers("uk"), ["A 10.00 5"]);
    assert_eq!(world.shop("uk").await["state"], "active", "the permission is not doubted");

    world.replace_in_main(&api("https://no-such-host.invalid/"), &api(&good));
    world.ask(Request::Reload).await.unwrap();
    world.pass(minutes(15)).await;
    assert_eq!(world.offers("uk"), ["A 11.00 5"]);
    world.end_with_mails().await;
}

#[tokio::test]
async fn an_instance_that_no_longer_hears_its_peers_says_so_and_hears_them_again_by_itself() {
    const HANG_UP: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and query ilike 'listen%' and pid <> pg_backend_pid()";
    let Some(database) = Database::postgres().await else { return };
    let url = database.url().unwrap().to_owned();
    let mut world = World::new(database, MORNING, &[]);
    world.source(&[("A", "10.00", 5)]);
    let (log, _kept) = Log::kept();
    world.start().await;
    world.pass(minutes(1)).await;

    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let ended: i64 = sqlx::query_scalar(HANG_UP).fetch_one(&mut connection).await.unwrap();
    assert_eq!(ended, 1, "it listened");
    world.wait_until("it is told that peers are not heard", async || log.lines("store.deaf").len() == 1).await;
    let run = world.run_now("erp", IMPORT, Demand::default()).await.unwrap();
    assert_eq!(run["outcome"], "done", "the work goes on");
    world.wait_until("peers are heard again", async || log.lines("store.hears").len() == 1).await;
    let listening: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'listen%'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(listening, 1);
    connection.close().await.unwrap();
    world.end_with_mails().await;
}
