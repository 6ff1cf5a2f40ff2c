//! Permissions on the two SHOPLINEs: one that a machine renews for ever, until its owner takes it back.

use jiff::SignedDuration;
use shopsyncd::{
    channels::{
        RawWebhook,
        shopline::fake::{APP_SECRET, ASIA_APP_SECRET, FakeShopline},
    },
    control::Request,
    domain::{Outcome, Trigger},
};
use url::Url;

use crate::world::{Database, EXPORT, IMPORT, Log, REFRESH, World, minutes};

const MORNING: &str = "2026-03-02T09:00";
const STORE: &str = "1672369729606";
const MERCHANT: &str = "5f0bda5e4e5fca0010c81fef";
const DAY: i64 = 24 * 60;

/// A daemon with a shop `sl` on one of the pretend platforms.
async fn started(platform: &str) -> (World, FakeShopline) {
    let mut world = World::new(Database::Sqlite, MORNING, &[]);
    let fake = FakeShopline::new(world.clock.clone()).unwrap();
    fake.add_global("teststore", STORE, "Test Store");
    fake.add_asia("teststore", MERCHANT, "Test Shop");
    // The page's own port is not known before it listens; what the app has set as its callback is the settings'.
    fake.set_redirect_url("http://127.0.0.1:0/oauth/shopline/callback".parse().unwrap());
    world.add_to_main(&section(&fake, ASIA_APP_SECRET));
    world
        .write_shop_file("sl", &format!("channel = \"shopline\"\nplatform = \"{platform}\"\nhandle = \"teststore\"\n"));
    world.source(&[("A", "10.00", 5)]);
    world.start().await;
    (world, fake)
}

fn section(fake: &FakeShopline, asia_secret: &str) -> String {
    let app = toml::to_string(&fake.app_settings()).unwrap();
    format!("[channels.shopline]\nclient_secret = \"{APP_SECRET}\"\nasia_client_secret = \"{asia_secret}\"\n{app}")
}

/// The owner opens the shop's page and agrees at SHOPLINE.
async fn owner_agrees(world: &World, fake: &FakeShopline, account: &str) -> u16 {
    owner_agrees_for(world, fake, "sl", account).await
}

async fn owner_agrees_for(world: &World, fake: &FakeShopline, shop: &str, account: &str) -> u16 {
    let begun = world.open(&format!("/authorize/{shop}"), None).await;
    assert_eq!(begun.status, 302);
    let cookie = begun.header("set-cookie").and_then(|cookie| cookie.split(';').next());
    let link: Url = begun.header("location").unwrap().parse().unwrap();
    let back = fake.consent(&link, Some(account)).unwrap();
    world.open(&format!("{}?{}", back.path(), back.query().unwrap()), cookie).await.status
}

fn hours(world: &World, end: &serde_json::Value) -> i64 {
    let end: jiff::Timestamp = end.as_str().unwrap().parse().unwrap();
    end.duration_since(world.clock.now()).as_hours()
}

#[tokio::test]
async fn a_store_of_global_is_kept_without_an_end_and_waits_for_its_owner_once_uninstalled() {
    let (mut world, fake) = started("global").await;
    assert_eq!(owner_agrees(&world, &fake, STORE).await, 200);
    world.pass(minutes(5)).await;
    let shop = world.shop("sl").await;
    assert_eq!((&shop["state"], &shop["authorization"]["ends_at"]), (&"active".into(), &serde_json::Value::Null));
    assert_eq!(hours(&world, &shop["access_token"]["ends_at"]), 9);
    world.pass(minutes(DAY)).await;
    let stats = fake.stats();
    assert_eq!((stats.refreshes, stats.refreshes_too_soon, stats.bad_tokens), (2, 0, 0), "every nine hours");

    fake.revoke(STORE);
    world.pass(minutes(8 * 60)).await;
    assert_eq!(world.shop("sl").await["state"], "revoked");
    let why = world.why("sl", REFRESH).await;
    assert!(why.contains("the app is not installed in the store any more"), "{why}");
    assert!(why.contains("shopsyncd shops authorize sl"), "{why}");
    let mails = world.mails().await;
    assert!(mails.iter().any(|mail| mail.contains(" ended owner@example.com: ")), "{mails:?}");

    assert_eq!(owner_agrees(&world, &fake, STORE).await, 200);
    world.pass(minutes(15)).await;
    assert_eq!(world.shop("sl").await["state"], "active");
    let mails = world.mails().await;
    assert!(mails.iter().any(|mail| mail.contains(" renewed owner@example.com: ")), "{mails:?}");
    world.end().await;
}

#[tokio::test]
async fn a_pair_of_asia_is_renewed_weeks_ahead_and_its_lapse_is_told() {
    let (mut world, fake) = started("asia").await;
    assert_eq!(owner_agrees(&world, &fake, MERCHANT).await, 200);
    world.pass(minutes(5)).await;
    let before = world.shop("sl").await;
    assert_eq!(before["state"], "active");
    assert_eq!(hours(&world, &before["access_token"]["ends_at"]), 4382);
    assert_eq!(hours(&world, &before["refresh_token"]["ends_at"]), 4406);
    // Half a year; whoever waits the longest does so until three weeks before its end.
    world.leap(world.clock.now() + SignedDuration::from_hours(24 * 160)).await;
    let after = world.shop("sl").await;
    assert_eq!((fake.stats().refreshes, hours(&world, &after["refresh_token"]["ends_at"])), (1, 4406));

    // The daemon's machine was off for longer than the tokens live.
    world.stop().await;
    world.clock.advance(SignedDuration::from_hours(24 * 200));
    world.start().await;
    world.pass(minutes(5)).await;
    assert_eq!(world.shop("sl").await["state"], "revoked");
    let why = world.why("sl", REFRESH).await;
    assert!(why.contains("invalid_grant"), "{why}");
    assert_eq!(owner_agrees(&world, &fake, MERCHANT).await, 200);
    world.pass(minutes(15)).await;
    assert_eq!(world.shop("sl").await["state"], "active");
    world.end_with_mails().await;
}

#[tokio::test]
async fn shops_of_both_platforms_live_in_one_daemon_each_by_its_own_app() {
    let (world, fake) = started("global").await;
    world.write_shop_file("tw", "channel = \"shopline\"\nplatform = \"asia\"\nhandle = \"teststore\"\n");
    world.ask(Request::Reload).await.unwrap();
    assert_eq!(owner_agrees_for(&world, &fake, "sl", STORE).await, 200);
    assert_eq!(owner_agrees_for(&world, &fake, "tw", MERCHANT).await, 200);
    world.pass(minutes(DAY)).await;
    for shop in ["sl", "tw"] {
        assert_eq!(world.shop(shop).await["state"], "active", "{shop}");
    }
    let stats = fake.stats();
    assert_eq!((stats.exchanges, stats.bad_signatures, stats.bad_tokens), (2, 0, 0));

    // Each platform's webhook is read with its own secret, whichever shop stands first.
    for (gone, account, topic, stays) in
        [("tw", MERCHANT, "application/uninstall", Some("sl")), ("sl", STORE, "apps/installed_uninstalled", None)]
    {
        fake.revoke(account);
        let webhook = fake.signed_webhook(account, topic).unwrap();
        assert_eq!(world.post(&webhook).await, (200, String::new()), "{gone}");
        world.settle().await;
        assert_eq!(world.shop(gone).await["state"], "revoked", "{gone}");
        if let Some(stays) = stays {
            assert_eq!(world.shop(stays).await["state"], "active", "{stays}");
        }
    }
    world.pass(SignedDuration::from_secs(3)).await;
    world.end_with_mails().await;
}

#[tokio::test]
async fn a_wrong_secret_of_asias_app_holds_asias_shops_alone_until_an_edit_mends_it() {
    a_wrong_secret_of_asias_app_is_mended(false).await;
}

#[tokio::test]
async fn a_wrong_secret_of_asias_app_that_was_mended_while_no_daemon_ran_holds_nobody() {
    a_wrong_secret_of_asias_app_is_mended(true).await;
}

async fn a_wrong_secret_of_asias_app_is_mended(with_a_restart: bool) {
    let (log, _kept) = Log::kept();
    let (mut world, fake) = started("global").await;
    fake.rules(|rules| rules.asia_access_token_life = minutes(8 * 60));
    world.write_shop_file("tw", "channel = \"shopline\"\nplatform = \"asia\"\nhandle = \"teststore\"\n");
    world.ask(Request::Reload).await.unwrap();
    assert_eq!(owner_agrees_for(&world, &fake, "sl", STORE).await, 200);
    assert_eq!(owner_agrees_for(&world, &fake, "tw", MERCHANT).await, 200);
    world.pass(minutes(5)).await;
    let edit = |world: &World, asia_secret: &str| {
        world.write_main("1 hour", "1 hour", "10 minutes");
        world.add_to_main(&section(&fake, asia_secret));
    };
    edit(&world, "mistyped");
    world.ask(Request::Reload).await.unwrap();
    world.pass(minutes(12 * 60)).await;
    for job in [REFRESH, IMPORT, EXPORT] {
        assert_eq!(world.job("tw", job).await["held_by"], "app_alarm", "{job}");
        assert_eq!(world.job("sl", job).await["held_by"], serde_json::Value::Null, "{job}");
    }
    let sl = world.last_run("sl", IMPORT).await;
    assert_eq!((sl.outcome, sl.due_at > world.clock.now() - minutes(61)), (Some(Outcome::Done), true), "{sl:?}");
    let why = world.why("tw", IMPORT).await;
    assert!(why.contains("mend `asia_client_id` and `asia_client_secret` of `channels.shopline`"), "{why}");
    let refused = log.lines("channel.refused");
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].contains("check its `asia_client_id` and `asia_client_secret`"), "{refused:?}");
    let mut told = world.mail_payloads().await;
    told.retain(|payload| payload["news"]["news"] == "app_rejected");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["news"]["keys"], serde_json::json!(["asia_client_id", "asia_client_secret"]));
    let mails = world.mails().await;
    let refusal = "operator ops@example.com: SHOPLINE refuses our app: all its shops wait";
    assert!(mails.iter().any(|mail| mail.ends_with(refusal)), "{mails:?}");

    if with_a_restart {
        world.stop().await;
        edit(&world, ASIA_APP_SECRET);
        world.start().await;
    } else {
        edit(&world, ASIA_APP_SECRET);
        world.ask(Request::Reload).await.unwrap();
    }
    world.settle().await;
    for job in [REFRESH, IMPORT, EXPORT] {
        assert_eq!(world.job("tw", job).await["held_by"], serde_json::Value::Null, "{job}");
    }
    let run = world.last_run("tw", IMPORT).await;
    assert_eq!((run.trigger, run.outcome), (Trigger::Recovery, Some(Outcome::Done)), "{run:?}");
    world.end_with_mails().await;
}

/// The app is uninstalled, and SHOPLINE says so: first somebody else, then SHOPLINE, then SHOPLINE once more.
async fn uninstalling_is_heard(platform: &str, account: &str, [topic, strange]: [&str; 2]) {
    let (log, _kept) = Log::kept();
    let (mut world, fake) = started(platform).await;
    assert_eq!(owner_agrees(&world, &fake, account).await, 200);
    world.pass(minutes(5)).await;
    fake.revoke(account);
    let seen = async |world: &World| {
        world.settle().await;
        (world.runs("sl", REFRESH).await.len(), fake.stats().calls)
    };
    let before = seen(&world).await;

    let genuine = fake.signed_webhook(account, topic).unwrap();
    let mut unsigned = RawWebhook { headers: Vec::new(), ..genuine.clone() };
    unsigned.url.set_query(None);
    let altered = RawWebhook { body: [&genuine.body[..], b" "].concat().into(), ..genuine.clone() };
    let other = RawWebhook { body: "{}".into(), ..genuine.clone() };
    // Asia signs what the JSON means, Global its bytes.
    let forged = if platform == "asia" { [unsigned, other] } else { [unsigned, altered] };
    for forged in forged {
        assert_eq!(world.post(&forged).await, (401, String::new()));
    }
    let odd = fake.signed_webhook(account, strange).unwrap();
    assert_eq!(world.post(&odd).await, (200, String::new()));
    assert_eq!(seen(&world).await, before);
    assert_eq!(world.shop("sl").await["state"], "active");
    let heard = log.lines("webhook.heard").concat();
    assert!(heard.contains(&format!("kind={strange}")) && heard.contains("concerned=0"), "{heard}");

    assert_eq!(world.post(&genuine).await, (200, String::new()));
    let after = seen(&world).await;
    assert_eq!(after.0, before.0 + 1, "it is looked at once");
    assert_eq!(world.shop("sl").await["state"], "revoked");
    world.pass(SignedDuration::from_secs(3)).await;
    assert_eq!(world.mails().await.len(), 2, "its owner and the operator hear of it");
    assert_eq!(world.post(&genuine).await, (200, String::new()));
    assert_eq!(seen(&world).await, after);
    assert_eq!((log.lines("webhook.refused").len(), log.lines("webhook.heard").len()), (2, 2));
    world.end().await;
}

#[tokio::test]
async fn a_store_of_global_that_is_uninstalled_is_held_as_soon_as_shopline_says_so() {
    uninstalling_is_heard("global", STORE, ["apps/installed_uninstalled", "orders/paid"]).await;
}

#[tokio::test]
async fn a_shop_of_asia_that_is_uninstalled_is_held_as_soon_as_shopline_says_so() {
    uninstalling_is_heard("asia", MERCHANT, ["application/uninstall", "product/update"]).await;
}
