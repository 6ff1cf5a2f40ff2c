//! A main account on Shopee with two shops in the settings, and one more that is not.

use jiff::SignedDuration;
use serde_json::{Value, json};
use shopsyncd::{
    channels::{
        RawWebhook,
        shopee::{
            fake::{FakeShopee, PARTNER_KEY},
            sign,
        },
    },
    domain::Trigger,
    secrets::Secret,
};

use crate::world::{Database, Log, REFRESH, World, berlin, minutes, on_both_databases};

on_both_databases! {
    a_main_accounts_consent_serves_its_shops_each_of_which_goes_its_own_way_from_then_on,
    a_push_makes_its_shops_be_looked_at_once_and_one_that_is_forged_or_strange_does_nothing,
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
        let sources = [&known["access_token"]["source"], &known["refresh_token"]["source"]];
        assert_eq!(sources, ["told", "computed"], "Shopee tells of the one, and its guide of the other's thirty days");
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

/// The address of the page, as Shopee knows it.
fn push(fake: &FakeShopee, code: u64, shops: &[u64]) -> RawWebhook {
    fake.signed_webhook(&"http://127.0.0.1:0/webhooks/shopee".parse().unwrap(), code, shops)
}

/// The same push with another body, signed with this key.
fn altered(push: &RawWebhook, key: &str, change: impl FnOnce(&mut Value)) -> RawWebhook {
    let mut body: Value = serde_json::from_slice(&push.body).unwrap();
    change(&mut body);
    let body = body.to_string();
    let sign = sign::of_push(&Secret::new(key), push.url.as_str(), body.as_bytes());
    RawWebhook { url: push.url.clone(), headers: vec![("authorization".to_owned(), sign)], body: body.into() }
}

/// How often both shops were looked at because of a push (or to catch up), and how many calls about shops there were.
async fn looks(world: &World, fake: &FakeShopee) -> ([usize; 2], u64) {
    world.settle().await;
    let mut looks = [0; 2];
    for (count, (shop, _)) in looks.iter_mut().zip(SHOPS) {
        let runs = world.runs(shop, REFRESH).await;
        *count = runs.iter().filter(|run| run.trigger == Trigger::Recovery).count();
    }
    (looks, fake.stats().calls["/api/v2/shop/get_shop_info"])
}

async fn a_push_makes_its_shops_be_looked_at_once_and_one_that_is_forged_or_strange_does_nothing(database: Database) {
    let (log, _kept) = Log::kept();
    let (mut world, fake) = two_shops(database);
    world.start().await;
    assert_eq!(main_account_agrees(&world, &fake, "my").await, 200);
    let taken = (200, String::new());
    let ([mine, other], calls) = looks(&world, &fake).await;

    // The owner ended it, and somebody who has not the key says so first.
    fake.revoke(22);
    let ended = push(&fake, 2, &[22]);
    let forged = [
        RawWebhook { headers: Vec::new(), ..ended.clone() },
        RawWebhook { body: ended.body.iter().rev().copied().collect(), ..ended.clone() },
        altered(&ended, "another-key", |_| {}),
    ];
    for forged in forged {
        assert_eq!(world.post(&forged).await, (401, String::new()));
    }
    assert_eq!(looks(&world, &fake).await, ([mine, other], calls));
    assert_eq!(world.shop("my").await["state"], "active");
    assert_eq!((log.lines("webhook.refused").len(), log.lines("webhook.heard").len()), (3, 0));

    assert_eq!(world.post(&ended).await, taken);
    let (after, calls) = looks(&world, &fake).await;
    assert_eq!((&world.shop("my").await["state"], after), (&json!("revoked"), [mine + 1, other]));
    assert_eq!(world.shop("th").await["state"], "active");
    world.pass(SignedDuration::from_secs(3)).await;
    assert_eq!(world.mails().await.len(), 2, "its owner and the operator hear of it");
    // Shopee repeats what it believes to be lost.
    assert_eq!(world.post(&ended).await, taken);
    assert_eq!(looks(&world, &fake).await, (after, calls));

    // Pages of one push are pushes of their own.
    let first = push(&fake, 12, &[33]);
    let second = altered(&first, PARTNER_KEY, |body| {
        body["data"]["shop_expire_soon"] = json!([33, 44]);
        body["data"]["page_no"] = json!(2);
    });
    for page in [&first, &second, &first, &second] {
        assert_eq!(world.post(page).await, taken);
        assert_eq!(looks(&world, &fake).await, ([mine + 1, other + 1], calls + 1), "at most once a minute");
    }
    world.pass(minutes(1)).await;
    assert_eq!(looks(&world, &fake).await.1, calls + 2, "for what the second page said");
    let ends_at = world.shop("th").await["authorization"]["ends_at"].clone();
    assert_eq!(ends_at, (berlin(MORNING) + DAY * 365).to_string(), "the shop's own word counts, not the push's");

    assert_eq!(main_account_agrees(&world, &fake, "my").await, 200);
    let ([mine, other], _) = looks(&world, &fake).await;
    assert_eq!(world.post(&push(&fake, 1, &[22, 33, 44])).await, taken);
    let (after, calls) = looks(&world, &fake).await;
    assert_eq!(after, [mine + 1, other + 1], "both are asked");
    for (shop, _) in SHOPS {
        assert_eq!(world.shop(shop).await["state"], "active");
    }

    let heard = log.lines("webhook.heard").len();
    assert_eq!(world.post(&push(&fake, 77, &[22])).await, taken);
    assert_eq!(looks(&world, &fake).await, (after, calls));
    let line = log.lines("webhook.heard").split_off(heard).concat();
    assert!(line.contains("kind=77") && line.contains("concerned=0"), "{line}");
    world.end_with_mails().await;
}
