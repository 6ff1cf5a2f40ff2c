//! Two machines whose settings files differ.

use std::collections::{BTreeMap, BTreeSet};

use shopsyncd::{
    channels::Tools, clock::Clock, config::load::Env, control::Request, daemon, domain::Demand, http::Http, settings,
};

use crate::world::{Database, EXPORT, IMPORT, World, minutes};

const MORNING: &str = "2026-03-02T09:00";
const EVERY_MINUTE: &str = "[shops.uk.jobs]\nproduct_export = \"1 minute\"\n";

/// A world with a working shop; only a server can be shared.
async fn shared_world() -> Option<World> {
    let mut world = World::new(Database::postgres().await?, MORNING, &["uk"]);
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(5)).await;
    Some(world)
}

async fn period(world: &World) -> String {
    world.job("uk", EXPORT).await["period"].as_str().unwrap_or_default().to_owned()
}

/// The period that the database has, whatever the files here say.
async fn stored_period(world: &World) -> String {
    let mut tx = world.store().read(world.clock.now()).await.unwrap();
    tx.schedule(Some(&"uk".parse().unwrap()), EXPORT).await.unwrap().unwrap().period.to_stored()
}

/// The instances that stand by.
async fn standing_by(world: &World) -> BTreeSet<String> {
    let status = world.status().await;
    let instances = status["instances"].as_array().unwrap().iter();
    instances
        .filter(|known| known["standing_by"] == true)
        .map(|known| known["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_edit_on_one_machine_sets_the_other_aside_until_it_has_the_same_files() {
    let Some(world) = shared_world().await else { return };
    let mut other = world.elsewhere();
    other.start().await;
    assert_eq!(other.ailments().await, [""; 0], "equal files agree");

    world.write_shop("uk", EVERY_MINUTE);
    world.wait_until("the other notices", async || !other.ailments().await.is_empty()).await;
    let ailments = other.ailments().await.join("; ");
    assert!(ailments.contains(&world.holder()) && ailments.contains("shopsyncd reload"), "{ailments}");
    assert_eq!(standing_by(&world).await, BTreeSet::from([other.holder()]));
    assert_eq!(world.ailments().await, [""; 0]);
    let before = world.runs("uk", EXPORT).await.len();
    world.pass(minutes(15)).await;
    let runs = world.runs("uk", EXPORT).await;
    assert_eq!(runs.len() - before, 15, "the edit holds");
    let workers: BTreeSet<_> = runs[before..].iter().filter_map(|run| run.instance.clone()).map(|it| it.0).collect();
    assert_eq!(workers, BTreeSet::from([world.holder()]), "the other claims nothing");

    other.add("shops.d/uk.toml", EVERY_MINUTE);
    world.wait_until("the other is back", async || other.ailments().await.is_empty()).await;
    assert_eq!((standing_by(&world).await, stored_period(&world).await), (BTreeSet::new(), "1 minute".to_owned()));
    other.stop().await;
    world.end().await;
}

#[tokio::test]
async fn a_start_with_other_files_changes_nothing_until_a_person_says_so() {
    let Some(world) = shared_world().await else { return };
    let mut other = world.elsewhere();
    other.add("shops.d/uk.toml", EVERY_MINUTE);
    other.start().await;
    assert!(other.ailments().await.join("; ").contains(&world.holder()), "{:?}", other.ailments().await);
    assert_eq!(stored_period(&world).await, "10 minutes");
    let run =
        other.ask(Request::RunNow { shop: "uk".parse().unwrap(), job: IMPORT, demand: Demand::default(), wait: true });
    assert_eq!(run.await.unwrap()["outcome"], "done", "a person is served all the same");
    assert_eq!(world.last_run("uk", IMPORT).await.instance.unwrap().0, world.holder());

    // What is a machine's own affair takes effect at once and sets nobody aside.
    other.add("shopsyncd.toml", "[log]\nlevel = \"debug\"\n");
    let pending =
        async || !other.ask(Request::Diff { main: None }).await.unwrap()["changes"].as_array().unwrap().is_empty();
    world.wait_until("the edit is noticed", async || !pending().await).await;
    assert_eq!((stored_period(&world).await, world.ailments().await.len()), ("10 minutes".to_owned(), 0));

    // Nor does a command without a daemon work by other files.
    let env = Env { vars: BTreeMap::new(), serving: true, now: world.clock.now() };
    let tools = Tools { http: Http::new(Clock::system()), clock: Clock::system() };
    let mut config = settings::load(Some(&other.config()), &env, &tools).config.unwrap();
    config.state_dir = config.state_dir.join("once");
    let refused = daemon::run_once(config, &"uk".parse().unwrap(), IMPORT, Demand::default()).await.unwrap_err();
    assert!(refused.exit == 78 && refused.text.contains(&world.holder()), "{refused:?}");

    other.ask(Request::Reload).await.unwrap();
    assert_eq!((other.ailments().await.len(), stored_period(&world).await), (0, "1 minute".to_owned()));
    world.wait_until("this one notices", async || !world.ailments().await.is_empty()).await;
    assert_eq!(standing_by(&world).await, BTreeSet::from([world.holder()]));
    other.stop().await;
    world.wait_until("this one is alone and works again", async || world.ailments().await.is_empty()).await;
    assert_eq!((stored_period(&world).await, period(&world).await), ("10 minutes".to_owned(), "10 minutes".to_owned()));
    world.end().await;
}

#[tokio::test]
async fn a_refused_edit_is_told_of_the_machine_whose_files_it_stands_in_until_these_are_mended() {
    let Some(world) = shared_world().await else { return };
    let mut other = world.elsewhere();
    other.start().await;
    other.replace("shopsyncd.toml", "Europe/Berlin", "Europe/Brelin");
    other.wait_until("the edit is refused", async || !other.ailments().await.is_empty()).await;
    let refuses = async || other.ailments().await.iter().any(|told| told.contains("shopsyncd.toml:1: timezone: "));
    assert!(refuses().await, "{:?}", other.ailments().await);
    assert_eq!(world.ailments().await, [""; 0], "nothing is wrong with the files here");
    let stands = || {
        let whose = format!("instance `{}`: shopsyncd.toml:1: timezone: ", other.holder());
        let (world, other) = (&world, &other);
        async move {
            let status = world.status().await;
            let error = status["settings"]["error"].as_str().unwrap_or_default().to_owned();
            let of_each = status["instances"].as_array().unwrap().iter();
            let with_error = of_each.filter(|known| known["settings_error"].is_string());
            let whom: Vec<&str> = with_error.map(|known| known["id"].as_str().unwrap()).collect();
            assert!(error.starts_with(&whose) && whom == [other.holder()], "{error} of {whom:?}");
        }
    };
    let told = async || world.status().await["settings"]["error"].is_string();
    world.wait_until("it is told here, too", &told).await;
    stands().await;

    // Whatever is accepted here says nothing of the files there.
    world.ask(Request::Reload).await.unwrap();
    stands().await;
    world.write_shop("uk", EVERY_MINUTE);
    world.wait_until("the edit holds here", async || stored_period(&world).await == "1 minute").await;
    other.wait_until("the other notices", async || other.ailments().await.len() == 2).await;
    assert!(refuses().await, "{:?}", other.ailments().await);
    stands().await;

    other.add("shops.d/uk.toml", EVERY_MINUTE);
    other.replace("shopsyncd.toml", "Europe/Brelin", "Europe/Berlin");
    other.wait_until("the files there are good", async || other.ailments().await.is_empty()).await;
    world.wait_until("it is told no more", async || !told().await).await;
    let status = world.status().await;
    assert!(!status.to_string().contains("Brelin"), "{status}");
    other.stop().await;
    // The operator is told of the refusal, unless it was mended at once.
    world.pass(minutes(2)).await;
    world.end_with_mails().await;
}

#[tokio::test]
async fn a_shop_that_only_a_peer_serves_is_not_forgotten() {
    let Some(world) = shared_world().await else { return };
    let mut other = world.elsewhere();
    std::fs::remove_file(other.config().with_file_name("shops.d").join("uk.toml")).unwrap();
    other.start().await;
    assert!(other.ailments().await.join("; ").contains(&world.holder()), "{:?}", other.ailments().await);
    let runs = world.runs("uk", IMPORT).await;
    let refused = other.ask(Request::Forget { shop: "uk".parse().unwrap() }).await.unwrap_err();
    assert!(refused.exit == 77 && refused.text.contains("served by another instance"), "{refused}");
    assert_eq!(world.runs("uk", IMPORT).await, runs);
    let mut tx = world.store().read(world.clock.now()).await.unwrap();
    assert!(tx.journal(None, 100).await.unwrap().iter().all(|line| line.2 != "shop.forgotten"));
    drop(tx);
    other.stop().await;
    world.end().await;
}

#[tokio::test]
async fn who_stands_by_takes_over_when_the_peer_dies() {
    let Some(database) = Database::postgres().await else { return };
    let world = World::new(database, MORNING, &["uk"]);
    let peer = world.start_apart();
    let mut other = world.elsewhere();
    other.add("shops.d/uk.toml", EVERY_MINUTE);
    other.start().await;
    assert!(other.ailments().await.join("; ").contains(&peer.holder));
    peer.vanish();
    other.wait_until("the other works", async || other.ailments().await.is_empty()).await;
    other.stop().await;
}

#[tokio::test]
async fn of_two_that_start_at_once_with_different_files_one_stands_by() {
    let Some(database) = Database::postgres().await else { return };
    let mut world = World::new(database, MORNING, &["uk"]);
    let mut other = world.elsewhere();
    other.add("shops.d/uk.toml", EVERY_MINUTE);
    tokio::join!(world.start(), other.start());
    world
        .wait_until("one stands by", async || world.ailments().await.is_empty() != other.ailments().await.is_empty())
        .await;
    let wanted = if other.ailments().await.is_empty() { "1 minute" } else { "10 minutes" };
    assert_eq!(stored_period(&world).await, wanted);
    other.stop().await;
    world.end().await;
}
