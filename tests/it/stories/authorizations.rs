//! Permissions are kept alive, end, and come back.

use shopsyncd::domain::{Demand, Outcome, Trigger};

use crate::world::{Database, EXPORT, IMPORT, REFRESH, World, minutes, on_both_databases};

on_both_databases! {
    a_revoked_authorization_holds_the_shop_and_renewal_catches_up_unasked,
    a_token_is_renewed_before_it_ends_and_a_refused_one_once,
}

const MORNING: &str = "2026-03-02T09:00";

async fn a_token_is_renewed_before_it_ends_and_a_refused_one_once(database: Database) {
    let mut world = World::new(database, MORNING, &["uk"]);
    world.write_main("20 minutes", "1 hour", "1 hour");
    world.fake.rules(|rules| rules.access_token_life = minutes(60));
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    let shop = world.shop("uk").await;
    assert_eq!((&shop["account"], &shop["account_name"]), (&"seller-uk".into(), &"Seller of uk".into()));
    world.pass(minutes(4 * 60)).await;
    let stats = world.fake.stats();
    assert!((4..=12).contains(&stats.refreshes), "{} renewals in four hours", stats.refreshes);
    assert_eq!(stats.bad_tokens, 0, "no call was made with a token that had ended");
    assert!(world.runs("uk", IMPORT).await.iter().all(|run| run.outcome == Some(Outcome::Done)));

    // The marketplace takes the token back before its time.
    world.expire_access_tokens("uk");
    let run = world.run_now("uk", IMPORT, Demand { full: true, ..Demand::default() }).await.unwrap();
    assert_eq!((&run["outcome"], &run["attempt"]), (&"done".into(), &1.into()), "{run:#}");
    let after = world.fake.stats();
    assert_eq!((after.bad_tokens, after.refreshes - stats.refreshes), (1, 1), "one refusal, one renewal");
    world.end().await;
}

async fn a_revoked_authorization_holds_the_shop_and_renewal_catches_up_unasked(database: Database) {
    let mut world = World::new(database, MORNING, &["uk"]);
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(5)).await;

    world.revoke("uk");
    world.source(&[("A", "11.00", 4)]);
    world.pass(minutes(90)).await;
    assert_eq!(world.shop("uk").await["state"], "revoked");
    for job in [IMPORT, EXPORT] {
        assert_eq!(world.job("uk", job).await["held_by"], "revoked", "{job}");
        let why = world.why("uk", job).await;
        assert!(why.contains("the authorization was revoked before its end"), "{why}");
        assert!(why.contains("shopsyncd shops authorize uk"), "{why}");
        let refused = world.run_now("uk", job, Demand::default()).await.unwrap_err();
        assert_eq!(refused.exit, 77, "{refused}");
    }
    assert_eq!(world.offers("uk"), ["A 10.00 5"]);
    let mails = world.mails().await;
    assert_eq!(mails.len(), 2, "its owner and the operator hear of it once: {mails:?}");
    assert!(mails.iter().any(|mail| mail.contains(" ended owner@example.com: ")), "{mails:?}");
    assert!(mails.iter().any(|mail| mail.contains(" operator ops@example.com: ")), "{mails:?}");
    let calls = world.fake.stats().calls;
    world.pass(minutes(6 * 60)).await;
    assert_eq!(world.fake.stats().calls, calls, "a shop that waits for its owner is left alone for a day");

    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(2)).await;
    assert_eq!(world.shop("uk").await["state"], "active");
    assert_eq!(world.offers("uk"), ["A 11.00 4"], "what was missed is caught up unasked");
    for job in [REFRESH, IMPORT, EXPORT] {
        let run = world.last_run("uk", job).await;
        assert_eq!((run.trigger, run.outcome), (Trigger::Renewal, Some(Outcome::Done)), "{run:?}");
    }
    world.pass(minutes(11)).await;
    let mails = world.mails().await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert!(mails[0].contains(" renewed owner@example.com: "), "{mails:?}");
    world.end().await;
}

#[tokio::test]
async fn the_consent_of_another_account_changes_nothing() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk", "other"]);
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(5)).await;
    let before = world.shop("uk").await["authorization"].clone();
    let answer = world.agree_as_owner_of("uk", "other").await;
    assert!((400..500).contains(&answer), "{answer}");
    world.pass(minutes(30)).await;
    assert_eq!(world.shop("uk").await["authorization"]["id"], before["id"]);
    assert_eq!(world.shop("uk").await["state"], "active");
    assert_eq!(world.last_run("uk", EXPORT).await.outcome, Some(Outcome::Done));
    world.end().await;
}

#[tokio::test]
async fn a_ring_of_keys_that_does_not_open_what_is_sealed_is_refused_at_the_start() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.settle().await;
    world.stop().await;
    let file = world.state_dir().join("seal-key");
    let right = std::fs::read_to_string(&file).unwrap();
    let other = shopsyncd::secrets::Sealer::generate();
    std::fs::write(&file, other.expose()).unwrap();
    let refused = world.start_refused().await;
    assert!(refused.contains("seal_key: sealed with key ") && refused.contains("add it to `seal_key`"), "{refused}");
    // A new key before the old one is another matter.
    std::fs::write(&file, format!("{}\n{right}", other.expose())).unwrap();
    world.start().await;
    assert_eq!(world.shop("uk").await["state"], "active");
    let resealed = world.ask(shopsyncd::control::Request::Reseal).await.unwrap();
    assert_eq!((&resealed["resealed"], &resealed["all"]), (&1.into(), &1.into()), "{resealed}");
    world.stop().await;
    std::fs::write(&file, other.expose()).unwrap();
    world.start().await;
    world.end().await;
}

#[tokio::test]
async fn without_a_refresh_no_call_is_made_for_a_shop_and_its_import_and_export_are_held() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    world.write_shop("uk", "[shops.uk.jobs]\nauthorization_refresh = \"None\"\n");
    world.source(&[("A", "11.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200, "the owner's own consent is still taken");
    world.settle().await;
    let calls = world.fake.stats().calls;
    world.pass(minutes(3 * 60)).await;
    assert_eq!(world.fake.stats().calls, calls, "no call by itself");
    assert_eq!(world.job("uk", REFRESH).await["state"], "off");
    for job in [IMPORT, EXPORT] {
        assert_eq!(world.job("uk", job).await["held_by"], "refresh_none", "{job}");
        let why = world.why("uk", job).await;
        assert!(why.contains("`authorization_refresh` of this shop is `None`"), "{why}");
    }
    for job in [REFRESH, IMPORT, EXPORT] {
        let refused = world.run_now("uk", job, Demand::default()).await.unwrap_err();
        assert_eq!(refused.exit, 77, "{job}: {refused}");
    }
    let shop = "uk".parse().unwrap();
    let refused = world.ask(shopsyncd::control::Request::Test { shop }).await.unwrap_err();
    assert_eq!(refused.exit, 77, "{refused}");
    assert_eq!(world.fake.stats().calls, calls);

    // With a period it works as if nothing had been.
    world.write_shop("uk", "");
    world.ask(shopsyncd::control::Request::Reload).await.unwrap();
    world.pass(minutes(5)).await;
    assert_eq!(world.offers("uk"), ["A 11.00 5"]);
    world.end().await;
}
