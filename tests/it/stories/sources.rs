//! Another product source, named while the daemon runs.

use std::{collections::BTreeMap, path::Path};

use serde_json::json;
use shopsyncd::{
    channels::Tools,
    clock::Clock,
    config::{Config, load::Env},
    control::Request,
    domain::{Demand, Outcome},
    http::Http,
    report, settings,
};

use crate::world::{Database, EXPORT, IMPORT, World, minutes, on_both_databases};

on_both_databases! {
    nothing_is_exported_before_the_new_source_has_been_read_completely,
    what_another_source_would_mean_is_told_beforehand,
}

const MORNING: &str = "2026-03-02T09:00";
/// A file that is still being written.
const CUT: &str = "sku,title,price,currency,stock\nA,Product A,11.00,GBP,5\nB,Prod";
const RETIRES: &str = "[shops.uk.export]\nretire = \"deactivate\"\n";
const UNREAD: &str = "product source `erp2` has not been read completely yet since it became the source";

/// A shop that has what `erp` says, and another file that has been read as a shop of its own.
async fn two_sources(database: Database) -> World {
    let mut world = World::new(database, MORNING, &["uk"]);
    world.write_shop("uk", RETIRES);
    world.source(&[("A", "10.00", 5), ("B", "5.00", 7), ("C", "7.00", 1)]);
    world.other_source("erp2", &[("A", "11.00", 5), ("B", "5.00", 7), ("NEW", "1.00", 1)]);
    world.offer("uk", &[("A", "10.00", 5), ("B", "5.00", 7), ("C", "7.00", 1)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(5)).await;
    assert_eq!(world.last_run("erp2", IMPORT).await.outcome, Some(Outcome::Done));
    world
}

async fn nothing_is_exported_before_the_new_source_has_been_read_completely(database: Database) {
    let mut world = two_sources(database).await;
    let unchanged = ["A 10.00 5", "B 5.00 7", "C 7.00 1"];
    world.other_source_text("erp2", CUT);
    world.name_source("erp2");
    world.ask(Request::Reload).await.unwrap();
    world.pass(minutes(12)).await;
    assert_eq!(world.offers("uk"), unchanged);
    let why = world.why("uk", EXPORT).await;
    assert!(why.contains(UNREAD) && why.contains("shopsyncd jobs why erp2 product_import"), "{why}");
    let job = world.job("uk", EXPORT).await;
    assert_eq!((&job["state"], &job["last"]["error"]["kind"]), (&"retrying".into(), &"waiting".into()));
    assert!(job["last"]["error"]["text"].as_str().unwrap().contains(UNREAD), "{job}");
    assert_eq!(world.fake.stats().deactivated, 0, "what is missing for a moment is not retired");
    world.mails().await;

    // Read, it counts; and what it would retire goes past the guards like anything else.
    world.other_source("erp2", &[("A", "11.00", 5), ("B", "5.00", 7)]);
    world.pass(minutes(75)).await;
    assert_eq!(world.offers("uk"), unchanged);
    assert_eq!(world.job("uk", EXPORT).await["held_by"], "guard");
    assert!(world.why("uk", EXPORT).await.contains("would retire 1 of 3 listings"));
    world.run_now("uk", EXPORT, Demand { release_guard: true, ..Demand::default() }).await.unwrap();
    assert_eq!((world.offers("uk")[0].as_str(), world.fake.stats().deactivated), ("A 11.00 5", 1));

    // Back to the one before: it was read completely as the source once, and that is no longer so.
    world.source_text(CUT);
    world.name_source("erp");
    world.ask(Request::Reload).await.unwrap();
    world.pass(minutes(12)).await;
    assert_eq!(world.offers("uk")[0], "A 11.00 5");
    assert!(world.why("uk", EXPORT).await.contains("product source `erp` has not been read completely yet"));
    world.source(&[("A", "10.50", 5), ("B", "5.00", 7), ("C", "7.00", 1)]);
    world.pass(minutes(75)).await;
    assert_eq!(world.offers("uk")[0], "A 10.50 5");

    // None, and again: what changed meanwhile is read first.
    world.name_source("None");
    world.ask(Request::Reload).await.unwrap();
    world.source(&[("A", "10.75", 5), ("B", "5.00", 7), ("C", "7.00", 1)]);
    world.pass(minutes(30)).await;
    assert_eq!(
        (world.job("uk", EXPORT).await["held_by"].clone(), world.offers("uk")[0].as_str()),
        ("no_source".into(), "A 10.50 5")
    );
    let read = world.runs("erp", IMPORT).await.len();
    world.name_source("erp");
    world.ask(Request::Reload).await.unwrap();
    world.settle().await;
    assert_eq!(world.runs("erp", IMPORT).await.len(), read + 1, "its import is not left to its period");
    world.pass(minutes(15)).await;
    assert_eq!(world.offers("uk")[0], "A 10.75 5");
    world.end_with_mails().await;
}

/// The settings at a place, as the daemon would read them.
fn settings_of(path: &Path) -> Config {
    let env = Env { vars: BTreeMap::new(), serving: true, now: jiff::Timestamp::UNIX_EPOCH };
    let tools = Tools { http: Http::new(Clock::system()), clock: Clock::system() };
    settings::load(Some(path), &env, &tools).config.unwrap()
}

async fn what_another_source_would_mean_is_told_beforehand(database: Database) {
    let world = two_sources(database).await;
    let desk = world.elsewhere();
    let old = settings_of(&desk.config());
    let told = async |from: &Config, to: &Config| {
        let mut tx = world.store().read(world.clock.now()).await.unwrap();
        report::source_change(&mut tx, from, to).await.unwrap()
    };
    assert!(told(&old, &old).await.is_none(), "the source stays");

    let named = |source: &str, below: &str| {
        let desk = world.elsewhere();
        desk.replace("shopsyncd.toml", "product_source = \"erp\"", &format!("product_source = \"{source}\""));
        desk.replace("shops.d/uk.toml", RETIRES, below);
        settings_of(&desk.config())
    };
    let change = told(&old, &named("erp2", RETIRES)).await.unwrap();
    insta::assert_snapshot!(change.lines.join("\n"), @r#"
    3 products (3 SKUs) of `erp` are no longer the truth; as `erp2` was last read, 2 SKUs are also in it, 1 is not, and 1 SKU of it would be new
    shop `uk`: 1 of 3 listings would be taken off sale (`retire = "deactivate"`), but that is more than the 20% that `guard.retire` allows: the export would stop and ask
    `erp` becomes a shop like any other: what `erp2` wants is written to it, unless `shops.erp.jobs.product_export` is `None`
    exports wait until `erp2` has been read completely as the source; its import is asked for at once
    "#);
    assert_eq!(serde_json::to_value(&change).unwrap()["compared"], json!({ "common": 2, "missing": 1, "new": 1 }));
    let of_shops = json!([
        { "shop": "uk", "listed": 1, "live": 3, "retire": "deactivate", "guard_stops": true, "created": 0 },
    ]);
    assert_eq!(serde_json::to_value(&change).unwrap()["shops"], of_shops);

    let mild = "[shops.uk.export]\ncreate = true\nretire = \"zero_stock\"\nguard = { retire = \"40%\" }\n";
    let lines = told(&old, &named("erp2", mild)).await.unwrap().lines;
    insta::assert_snapshot!(lines[1..3].join("\n"), @r#"
    shop `uk`: 1 of 3 listings would be set to zero stock (`retire = "zero_stock"`), within the 40% that `guard.retire` allows
    shop `uk`: 1 new SKU would be listed (`create = true`)
    "#);
    insta::assert_snapshot!(told(&old, &named("None", RETIRES)).await.unwrap().lines.join("\n"), @"
    3 products (3 SKUs) of `erp` are no longer the truth
    nothing is exported any more: every product_export is held until a product source is named
    ");

    // One that nobody has read yet.
    let import = "[shops.erp3.jobs]\nproduct_import = \"None\"\n";
    let unread = format!("{RETIRES}[shops.erp3]\nchannel = \"file\"\npath = \"/srv/erp3.csv\"\n{import}");
    let change = told(&old, &named("erp3", &unread)).await.unwrap();
    assert!(change.compared.is_none() && change.shops.is_empty());
    insta::assert_snapshot!([&change.lines[0], &change.lines[2]].map(String::as_str).join("\n"), @"
    3 products (3 SKUs) of `erp` are no longer the truth; what `erp3` has is not known yet: it was never read completely
    exports wait until `erp3` has been read completely as the source; its product_import is `None`: ask for it with `shopsyncd jobs run erp3 product_import`
    ");
    world.end().await;
}
