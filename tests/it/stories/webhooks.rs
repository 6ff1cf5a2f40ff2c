//! Webhooks that come at a bad time.

use std::time::{Duration, Instant};

use serde_json::json;
use shopsyncd::domain::Trigger;

use crate::world::{Database, Log, REFRESH, World, number, on_both_databases};

on_both_databases! {
    a_webhook_that_cannot_be_noted_is_given_back_in_time_and_taken_once_when_it_comes_again,
}

/// How long TikTok Shop waits for an answer.
const SENDER_WAITS: Duration = Duration::from_secs(3);

async fn a_webhook_that_cannot_be_noted_is_given_back_in_time_and_taken_once_when_it_comes_again(database: Database) {
    let mut world = World::new(database, "2026-03-02T09:00", &["uk"]);
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.settle().await;
    let looks = world.runs("uk", REFRESH).await.len();

    let (log, _kept) = Log::kept();
    let webhook = world.fake.webhook(6, &number("uk"), json!({"message": "the seller has deauthorized"}));
    let holding = world.hold_database().await;
    let sent = Instant::now();
    assert_eq!(world.post(&webhook).await, (503, String::new()), "it is not acknowledged before it is noted");
    assert!(sent.elapsed() < SENDER_WAITS, "answered after {:?}", sent.elapsed());
    let refused = log.lines("webhook.refused").concat();
    assert!(refused.contains("no answer within 2 s"), "{refused}");
    holding.let_go().await;

    for _ in 0..2 {
        assert_eq!(world.post(&webhook).await, (200, String::new()));
    }
    world.settle().await;
    let runs = world.runs("uk", REFRESH).await;
    let triggers: Vec<_> = runs[looks..].iter().map(|run| run.trigger).collect();
    assert_eq!(triggers, [Trigger::Recovery], "it was looked at once");
    assert_eq!(log.lines("webhook.heard").len(), 1);
    world.end().await;
}
