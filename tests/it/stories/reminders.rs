//! A year of an authorization, from one consent to the next, with every mail.

use jiff::SignedDuration;
use shopsyncd::{control::Request, domain::Demand};

use crate::world::{Database, EXPORT, IMPORT, World, berlin, minutes, on_both_databases};

on_both_databases! {
    an_authorization_that_lapses_is_announced_by_the_whole_ladder_and_renewal_catches_up,
}

async fn an_authorization_that_lapses_is_announced_by_the_whole_ladder_and_renewal_catches_up(database: Database) {
    let mut world = World::new(database, "2025-06-30T12:00", &["uk"]);
    world.write_main("1 day", "1 day", "1 day");
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.settle().await;
    let end = world.shop("uk").await["authorization"]["ends_at"].clone();
    assert_eq!(end, "2026-06-30T10:00:00Z", "365 days from the consent");

    // Nobody is written to for eleven months.
    let mut at = berlin("2025-07-01T09:00");
    while at < berlin("2026-05-28T00:00") {
        world.leap(at).await;
        at += SignedDuration::from_hours(30 * 24);
    }
    assert_eq!(world.mails().await, Vec::<String>::new());

    // Then a second counts: before each step, at it, and some days later.
    let mut step = berlin("2026-05-30T08:00");
    while step < berlin("2026-06-30T00:00") {
        world.leap(step - SignedDuration::from_secs(1)).await;
        world.leap(step).await;
        world.leap((step + SignedDuration::from_hours(3 * 24)).min(berlin("2026-06-30T09:00"))).await;
        step += SignedDuration::from_hours(7 * 24);
    }
    let reminders = [
        "2026-05-30 08:00 reminder owner@example.com: Shop uk: permission ends in 31 days, on 30 June",
        "2026-06-06 08:00 reminder owner@example.com: Shop uk: permission ends in 24 days, on 30 June",
        "2026-06-13 08:00 reminder owner@example.com: Shop uk: permission ends in 17 days, on 30 June",
        "2026-06-20 08:00 reminder owner@example.com: Shop uk: permission ends in 10 days, on 30 June",
        "2026-06-27 08:00 reminder owner@example.com: Shop uk: permission ends in 3 days, on 30 June",
    ];
    assert_eq!(world.mails().await, reminders);
    assert_eq!(world.shop("uk").await["state"], "active");

    world.leap(berlin("2026-06-30T11:59:59")).await;
    assert_eq!(world.mails().await, Vec::<String>::new());
    assert_eq!(world.shop("uk").await["state"], "active");
    world.source(&[("A", "11.00", 4)]);
    world.until(berlin("2026-07-01T14:00")).await;
    let notice = [
        "2026-06-30 12:00 operator ops@example.com: Shop uk: the permission has ended",
        "2026-06-30 12:00 ended owner@example.com: Shop uk: permission ended on 30 June",
    ];
    assert_eq!(world.mails().await, notice);
    assert_eq!(world.shop("uk").await["state"], "lapsed");
    for job in [IMPORT, EXPORT] {
        assert_eq!(world.job("uk", job).await["held_by"], "lapsed", "{job}");
        let why = world.why("uk", job).await;
        assert!(why.contains("the authorization ended on 2026-06-30"), "{why}");
        assert_eq!(world.run_now("uk", job, Demand::default()).await.unwrap_err().exit, 77);
    }
    assert_eq!(world.offers("uk"), ["A 10.00 5"]);

    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(2)).await;
    assert_eq!(world.shop("uk").await["state"], "active");
    assert_eq!(world.offers("uk"), ["A 11.00 4"]);
    world.pass(minutes(11)).await;
    let note = ["2026-07-01 14:00 renewed owner@example.com: Shop uk: permission renewed until 1 July 2027"];
    assert_eq!(world.mails().await, note);
    world.end().await;
}

/// How a shop comes to be left alone: paused, or without a refresh.
async fn an_end_is_noted_and_told_without_a_call(paused: bool) {
    let mut world = World::new(Database::Sqlite, "2025-06-30T12:00", &["uk"]);
    world.write_main("1 day", "1 day", "1 day");
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.settle().await;
    if paused {
        world.ask(Request::Pause { shop: "uk".parse().unwrap() }).await.unwrap();
    } else {
        world.write_main("None", "1 day", "1 day");
        world.ask(Request::Reload).await.unwrap();
    }
    world.settle().await;
    let calls = world.fake.stats().calls;

    assert_eq!(world.shop("uk").await["next_reminder_at"], "2026-05-30T06:00:00Z");
    world.leap(berlin("2026-06-27T08:00")).await;
    // Everything falls due at once, delivery too: what it came too early for is delivered a moment later.
    world.pass(minutes(1)).await;
    assert_eq!(world.shop("uk").await["next_reminder_at"], "2026-06-30T10:00:00Z", "the notice of the end");
    world.leap(berlin("2026-06-30T12:00")).await;
    world.pass(minutes(1)).await;
    let uk = world.shop("uk").await;
    assert_eq!((&uk["state"], &uk["next_reminder_at"]), (&"lapsed".into(), &serde_json::Value::Null));
    let mails = [
        "2026-06-27 08:00 reminder owner@example.com: Shop uk: permission ends in 3 days, on 30 June",
        "2026-06-30 12:00 operator ops@example.com: Shop uk: the permission has ended",
        "2026-06-30 12:00 ended owner@example.com: Shop uk: permission ended on 30 June",
    ];
    assert_eq!(world.mails().await, mails);
    assert_eq!(world.fake.stats().calls, calls, "no call is made for it");
    world.end().await;
}

#[tokio::test]
async fn the_end_of_a_shop_whose_refresh_is_none_is_noted_and_told() {
    an_end_is_noted_and_told_without_a_call(false).await;
}

#[tokio::test]
async fn the_end_of_a_paused_shop_is_noted_and_told() {
    an_end_is_noted_and_told_without_a_call(true).await;
}
