//! A seller with shops on two marketplaces of Amazon.

use jiff::SignedDuration;
use serde_json::json;
use shopsyncd::{
    channels::amazon::fake::{APP_SECRET, FakeAmazon, Seed},
    domain::{Demand, Outcome, Trigger},
};

use crate::world::{Database, IMPORT, REFRESH, World, berlin, minutes, on_both_databases};

on_both_databases! {
    one_permission_serves_both_marketplaces_of_a_seller_and_comes_back_after_it_was_revoked,
    an_app_secret_that_ended_is_told_once_for_all_shops_and_a_new_one_mends_it,
    a_shop_too_large_for_a_search_is_read_by_report_and_brought_in_line_by_a_feed,
}

const MORNING: &str = "2026-03-02T09:00";
const SELLER: &str = "A3TH9S8BH6GOGM";

/// A world with a seller whose shops `de` and `fr` stand in the settings.
fn two_marketplaces(database: Database) -> (World, FakeAmazon) {
    let world = World::new(database, MORNING, &[]);
    world.source(&[("A", "10.00", 5)]);
    let fake = FakeAmazon::new(world.clock.clone()).unwrap();
    fake.set_redirect_url("http://127.0.0.1:0/oauth/amazon/callback".parse().unwrap());
    fake.add_seller(SELLER, "Seller Ltd", &["DE", "FR"]);
    world.add_to_main(&section(&fake, APP_SECRET));
    for country in ["de", "fr"] {
        world.write_shop_file(country, &format!("channel = \"amazon\"\nmarketplace = \"{country}\"\n"));
    }
    (world, fake)
}

fn section(fake: &FakeAmazon, secret: &str) -> String {
    let app = toml::to_string(&fake.app_settings()).unwrap();
    format!("[channels.amazon]\n{app}client_secret = \"{secret}\"\n")
}

async fn seller_agrees(world: &World, fake: &FakeAmazon) -> u16 {
    world.owner_decides("de", |link| fake.consent(link, Some(SELLER)).unwrap()).await
}

async fn one_permission_serves_both_marketplaces_of_a_seller_and_comes_back_after_it_was_revoked(database: Database) {
    let (mut world, fake) = two_marketplaces(database);
    world.start().await;
    assert_eq!(world.shop("fr").await["state"], "pending");
    assert_eq!(seller_agrees(&world, &fake).await, 200);
    world.settle().await;
    let [de, fr] = [world.shop("de").await, world.shop("fr").await];
    assert_eq!((&de["state"], &fr["state"]), (&json!("active"), &json!("active")));
    assert_eq!(de["account"], SELLER);
    assert_eq!(de["authorization"]["id"], fr["authorization"]["id"], "one authorization");
    let given = berlin(MORNING);
    let day = SignedDuration::from_hours(24);
    assert_eq!(de["authorization"]["ends_at"], (given + day * 365).to_string());
    assert_eq!(de["authorization"]["source"], "computed");
    assert_eq!(de["access_token"]["ends_at"], (given + minutes(60)).to_string());
    assert_eq!(de["refresh_token"]["ends_at"], json!(null), "it has no end of its own");

    world.pass(minutes(6 * 60)).await;
    let stats = fake.stats();
    assert!((6..=12).contains(&stats.refreshes), "{} renewals in six hours", stats.refreshes);
    assert_eq!((stats.exchanges, stats.bad_tokens, stats.rate_violations, stats.odd_headers), (1, 0, 0, 0));
    assert_eq!(world.shop("de").await["authorization"]["ends_at"], de["authorization"]["ends_at"]);

    fake.revoke(SELLER);
    world.pass(minutes(90)).await;
    for shop in ["de", "fr"] {
        assert_eq!(world.shop(shop).await["state"], "revoked");
        assert_eq!(world.job(shop, REFRESH).await["held_by"], "revoked");
    }
    let why = world.why("de", REFRESH).await;
    assert!(why.contains("User may have revoked") || why.contains("was revoked before its end"), "{why}");
    assert!(why.contains("shopsyncd shops authorize de"), "{why}");
    let mails = world.mails().await;
    assert_eq!(mails.len(), 2, "its owner and the operator hear of it once: {mails:?}");
    assert!(mails.iter().any(|mail| mail.contains(" ended owner@example.com: ")), "{mails:?}");

    assert_eq!(seller_agrees(&world, &fake).await, 200);
    world.pass(minutes(15)).await;
    for shop in ["de", "fr"] {
        assert_eq!(world.shop(shop).await["state"], "active");
        let renewal = world.runs(shop, REFRESH).await.into_iter().any(|run| run.trigger == Trigger::Renewal);
        assert!(renewal, "the renewal serves `{shop}`, too");
    }
    let mails = world.mails().await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert!(mails[0].contains(" renewed owner@example.com: "), "{mails:?}");
    world.end().await;
}

async fn an_app_secret_that_ended_is_told_once_for_all_shops_and_a_new_one_mends_it(database: Database) {
    let (mut world, fake) = two_marketplaces(database);
    world.start().await;
    assert_eq!(seller_agrees(&world, &fake).await, 200);
    world.pass(minutes(10)).await;
    fake.end_client_secret();
    world.pass(minutes(3 * 60)).await;
    for shop in ["de", "fr"] {
        assert_eq!(world.job(shop, REFRESH).await["held_by"], "app_alarm");
        assert_eq!(world.shop(shop).await["state"], "active", "nobody is dead of it");
    }
    let mails = world.mails().await;
    assert_eq!(mails.len(), 1, "one alarm: {mails:?}");
    assert!(mails[0].contains(" operator ops@example.com: "), "{mails:?}");

    let secret = fake.rotate_client_secret();
    world.write_main("1 hour", "1 hour", "10 minutes");
    world.add_to_main(&section(&fake, &secret));
    world.ask(shopsyncd::control::Request::Reload).await.unwrap();
    let run = world.run_now("de", REFRESH, Demand::default()).await.unwrap();
    assert_eq!(run["outcome"], "done", "{run:#}");
    world.pass(minutes(30)).await;
    for shop in ["de", "fr"] {
        assert_eq!(world.job(shop, REFRESH).await["held_by"], json!(null));
    }
    world.end_with_mails().await;
}

#[tokio::test]
async fn an_app_that_was_mended_while_the_daemon_was_stopped_is_found_to_work_at_the_start() {
    let (mut world, fake) = two_marketplaces(Database::Sqlite);
    world.start().await;
    assert_eq!(seller_agrees(&world, &fake).await, 200);
    world.pass(minutes(10)).await;
    fake.end_client_secret();
    world.pass(minutes(3 * 60)).await;
    assert_eq!(world.job("fr", REFRESH).await["held_by"], "app_alarm");
    world.stop().await;
    let secret = fake.rotate_client_secret();
    world.write_main("1 hour", "1 hour", "10 minutes");
    world.add_to_main(&section(&fake, &secret));
    world.start().await;
    world.pass(minutes(1)).await;
    for shop in ["de", "fr"] {
        assert_eq!(world.job(shop, REFRESH).await["held_by"], json!(null), "{shop}");
    }
    world.end_with_mails().await;
}

#[tokio::test]
async fn settings_that_name_the_seller_or_name_another_by_mistake_cost_no_permission() {
    let (mut world, fake) = two_marketplaces(Database::Sqlite);
    world.start().await;
    assert_eq!(seller_agrees(&world, &fake).await, 200);
    world.settle().await;
    let given = world.shop("de").await["authorization"]["id"].clone();
    let german = "channel = \"amazon\"\nmarketplace = \"de\"\n";
    let wrong = "A3TH9S8BH6GOGX";
    for (seller, state) in [
        (Some(wrong), "pending"),
        (Some(SELLER), "active"),
        (None, "active"),
        (Some(wrong), "pending"),
        (None, "active"),
        (Some(SELLER), "active"),
    ] {
        let named = seller.map(|seller| format!("seller_id = \"{seller}\"\n")).unwrap_or_default();
        world.write_shop_file("de", &format!("{german}{named}"));
        world.ask(shopsyncd::control::Request::Reload).await.unwrap();
        let de = world.shop("de").await;
        assert_eq!(de["state"], state, "{seller:?}");
        let known = if state == "active" { &given } else { &json!(null) };
        assert_eq!(&de["authorization"]["id"], known, "{seller:?}");
    }
    world.settle().await;
    assert_eq!(world.shop("fr").await["authorization"]["id"], given);
    world.end_with_mails().await;
}

async fn a_shop_too_large_for_a_search_is_read_by_report_and_brought_in_line_by_a_feed(database: Database) {
    let (mut world, fake) = two_marketplaces(database);
    let skus: Vec<String> = (0..30).map(|number| format!("S/{number:02}")).collect();
    let row = |sku: &String| format!("{sku},Product {sku},10.00,EUR,5\n");
    let rows: String = skus.iter().map(row).collect();
    world.source_text(&format!("sku,title,price,currency,stock\n{rows}"));
    let seed = |sku: &String| Seed {
        sku: sku.clone(),
        title: Some(format!("Product {sku}")),
        price: Some("11.50".to_owned()),
        stock: Some(1),
        ..Seed::default()
    };
    fake.seed_items(SELLER, "DE", &skus.iter().map(seed).collect::<Vec<_>>()).unwrap();
    fake.refuse_item(SELLER, "DE", "S/07", "Restricted Products Policy Violation");
    fake.rules(|rules| {
        rules.tells_more_than_there_are = true;
        rules.processing = minutes(4);
    });
    world.start().await;
    assert_eq!(seller_agrees(&world, &fake).await, 200);
    world.pass(minutes(60)).await;
    let import = world.runs("de", IMPORT).await.remove(0);
    assert_eq!((import.outcome, import.attempt), (Some(Outcome::Done), 1), "waiting is no failed attempt: {import:?}");
    let wrong: Vec<_> = fake
        .items(SELLER, "DE")
        .into_iter()
        .filter(|item| (&item["price"], &item["stock"]) != (&json!("10"), &json!(5)))
        .map(|item| item["sku"].clone())
        .collect();
    assert_eq!(wrong, [json!("S/07")], "all but the one that Amazon refuses");
    let stats = fake.stats();
    assert_eq!((stats.calls["createReport"], stats.calls["createFeed"]), (2, 1), "one report for each marketplace");
    assert_eq!((stats.rate_violations, stats.bad_requests, stats.tokens_to_store), (0, 0, 0));
    assert_eq!(stats.attributes_lost, 0);
    world.end().await;
}
