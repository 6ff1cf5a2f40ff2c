//! A main account on Shopee with two shops in the settings, and one more that is not.

use jiff::SignedDuration;
use serde_json::json;
use shopsyncd::channels::shopee::fake::{FakeShopee, PARTNER_KEY};

use crate::world::{Database, REFRESH, World, berlin, minutes, on_both_databases};

on_both_databases! {
    a_main_accounts_consent_serves_its_shops_each_of_which_goes_its_own_way_from_then_on,
}

const MORNING: &str = "2026-03-02T09:00";
const MAIN: u64 = 501;
const SHOPS: [(&str, u64); 2] = [("my", 22), ("th", 33)];
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn two_shops(database: Database) -> (World, FakeShopee) {
    let world = World::new(database, MORNING, &[]);
    world.source(&[("A", "10.00", 5)]);
    let fake = FakeShopee::new(world.clock.clone()).unwrap();
    fake.set_redirect_url("http://127.0.0.1/".parse().unwrap());
    fake.add_shop_of(MAIN, 44, "Elsewhere", "SG");
    let app = toml::to_string(&fake.app_settings()).unwrap();
    world.add_to_main(&format!("[channels.shopee]\n{app}client_secret = \"{PARTNER_KEY}\"\n"));
    world.add_to_main("[channels.shopee.jobs]\nauthorization_refresh = \"1 hour\"\n");
    for (shop, id) in SHOPS {
        fake.add_shop_of(MAIN, id, shop, &shop.to_uppercase());
        let text = format!("channel = \"shopee\"\nshop_id = \"{id}\"\nregion = \"{}\"\n", shop.to_uppercase());
        world.write_shop_file(shop, &text);
    }
    (world, fake)
}

async fn main_account_agrees(world: &World, fake: &FakeShopee, shop: &str) -> u16 {
    world.owner_decides(shop, |link| fake.consent(link, Some(MAIN)).unwrap()).await
}

async fn a_main_accounts_consent_serves_its_shops_each_of_which_goes_its_own_way_from_then_on(database: Database) {
    let (mut world, fake) = two_shops(database);
    world.start().await;
    assert_eq!(world.shop("th").await["state"], "pending");
    assert_eq!(main_account_agrees(&world, &fake, "my").await, 200);
    world.settle().await;
    let given = berlin(MORNING);
    for (shop, id) in SHOPS {
        let known = world.shop(shop).await;
        assert_eq!((&known["state"], &known["account"]), (&json!("active"), &json!(id.to_string())), "{known:#}");
        assert_eq!(known["authorization"]["ends_at"], (given + DAY * 365).to_string());
        assert_eq!(known["authorization"]["source"], "told");
        assert_eq!(known["access_token"]["ends_at"], (given + minutes(4 * 60)).to_string());
        assert_eq!(known["refresh_token"]["ends_at"], (given + DAY * 30).to_string());
    }
    let [mine, other] = [world.shop("my").await, world.shop("th").await];
    assert_ne!(mine["authorization"]["id"], other["authorization"]["id"], "each shop has an authorization of its own");

    world.pass(minutes(9 * 60)).await;
    let stats = fake.stats();
    assert!((4..=8).contains(&stats.refreshes), "{} renewals of two shops in nine hours", stats.refreshes);
    assert_eq!((stats.exchanges, stats.bad_tokens, stats.refresh_tokens_spent_twice), (1, 0, 0));

    fake.revoke(22);
    world.pass(minutes(4 * 60)).await;
    assert_eq!(world.shop("my").await["state"], "revoked");
    assert_eq!(world.job("my", REFRESH).await["held_by"], "revoked");
    let why = world.why("my", REFRESH).await;
    assert!(why.contains("no longer linked") && why.contains("shopsyncd shops authorize my"), "{why}");
    assert_eq!(world.shop("th").await["state"], "active", "the other shop's permission stands");
    let calls = fake.stats().calls_after_the_end;
    world.pass(minutes(6 * 60)).await;
    assert_eq!(fake.stats().calls_after_the_end, calls, "a shop that waits for its owner is left alone for a day");
    let mails = world.mails().await;
    assert!(mails.iter().any(|mail| mail.contains(" ended owner@example.com: ")), "{mails:?}");

    let renewed_at = world.clock.now();
    assert_eq!(main_account_agrees(&world, &fake, "my").await, 200);
    world.pass(minutes(15)).await;
    for (shop, _) in SHOPS {
        let known = world.shop(shop).await;
        assert_eq!(known["state"], "active");
        assert_eq!(known["authorization"]["ends_at"], (renewed_at + DAY * 365).to_string(), "renewed for both");
    }
    let mails = world.mails().await;
    assert!(mails.iter().any(|mail| mail.contains(" renewed owner@example.com: ")), "{mails:?}");
    let stats = fake.stats();
    assert_eq!((stats.exchanges, stats.bad_tokens, stats.bad_signatures), (2, 0, 0));
    assert_eq!(stats.refresh_tokens_spent_twice, 0);
    world.end_with_mails().await;
}
