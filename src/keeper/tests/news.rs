//! What is heard without asking: webhooks, and ends that a call tells by the way.

use serde_json::{Value, json};

use super::*;
use crate::{
    channels::{RawWebhook, WebhookFault},
    domain::{AuthorizationId, Ending},
    keeper::{Heard, NewsError},
};

fn webhook(body: &Value) -> RawWebhook {
    RawWebhook {
        url: "http://127.0.0.1:8420/webhooks/market".parse().unwrap(),
        headers: vec![("signature".into(), "good".into())],
        body: body.to_string().into(),
    }
}

async fn hear(bench: &Bench, body: Value) -> Result<Heard, NewsError> {
    bench.keeper.hear(&"market".into(), &webhook(&body)).await
}

#[tokio::test]
async fn a_webhook_makes_every_shop_of_the_account_be_looked_at_at_once_and_believes_nothing() {
    let bench = Bench::authorized(&["a", "b"]).await;
    bench.keeper.look(&shop("a")).await.unwrap();
    let look = [(JobKind::AuthorizationRefresh, Trigger::Recovery)];
    for (id, body, looks) in [
        ("1", json!({"id": "1", "account": "seller-1"}), &["a", "b"][..]),
        // Only a look with its own shop tells whether a place is still covered.
        ("2", json!({"id": "2", "place": "b"}), &["b"]),
    ] {
        bench.clear_runs(&["a", "b"]).await;
        bench.clock.advance(SignedDuration::from_mins(1));
        let probes = bench.market().probes;
        assert_eq!(hear(&bench, body).await.unwrap(), Heard::Looking(1), "{id}");
        for shop in ["a", "b"] {
            let expected = if looks.contains(&shop) { &look[..] } else { &[] };
            assert_eq!(bench.waiting(shop).await, expected, "{id}: {shop}");
        }
        assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Active);
        assert_eq!(bench.market().probes, probes, "hearing makes no call");
        for id in looks {
            assert!(bench.keeper.look(&shop(id)).await.unwrap().probed, "the look proves it anew");
            assert!(!bench.keeper.look(&shop(id)).await.unwrap().probed, "once");
        }
    }
}

#[tokio::test]
async fn a_repetition_and_a_forgery_change_nothing() {
    let bench = Bench::authorized(&["a"]).await;
    let body = json!({"id": "1", "account": "seller-1", "ends": "2026-02-01T00:00:00Z"});
    let mut forged = webhook(&body);
    forged.headers.clear();
    let refused = bench.keeper.hear(&"market".into(), &forged).await;
    assert!(matches!(refused, Err(NewsError::Webhook(WebhookFault::Forged))), "{refused:?}");
    assert_eq!(bench.waiting("a").await, []);

    assert_eq!(hear(&bench, body.clone()).await.unwrap(), Heard::Looking(1));
    bench.clear_runs(&["a"]).await;
    assert_eq!(hear(&bench, body).await.unwrap(), Heard::Again);
    assert_eq!(bench.waiting("a").await, []);
}

#[tokio::test]
async fn a_webhook_about_nobody_here_is_taken_and_concerns_nothing() {
    let bench = Bench::authorized(&["a"]).await;
    for body in [json!({"id": "1", "account": "seller-9"}), json!({"id": "2", "place": "z"}), json!({"id": "3"})] {
        assert_eq!(hear(&bench, body).await.unwrap(), Heard::Nothing);
    }
    let nowhere = bench.keeper.hear(&"nowhere".into(), &webhook(&json!({}))).await;
    assert!(matches!(nowhere, Err(NewsError::NoSuchChannel(_))), "{nowhere:?}");
}

#[tokio::test]
async fn an_end_that_a_webhook_tells_counts_and_a_much_later_one_is_a_renewal() {
    let bench = Bench::authorized(&["a"]).await;
    let before = bench.authorization("a").await.unwrap();
    let sooner = start() + DAY * 20;
    hear(&bench, json!({"id": "1", "place": "a", "ends": sooner.to_string()})).await.unwrap();
    let after = bench.authorization("a").await.unwrap();
    assert_eq!(after.ends, Some(Ending { at: sooner, source: EndSource::Told }));
    assert_eq!(after.grant_number, before.grant_number, "an end that comes sooner is no renewal");

    let later = sooner + DAY * 300;
    hear(&bench, json!({"id": "2", "place": "a", "ends": later.to_string()})).await.unwrap();
    let renewed = bench.authorization("a").await.unwrap();
    assert_eq!((renewed.ends.unwrap().at, renewed.grant_number), (later, before.grant_number + 1));
}

#[tokio::test]
async fn an_end_that_a_probe_tells_counts_and_ends_a_lapse() {
    let bench = Bench::authorized(&["a"]).await;
    let told = Ending { at: start() + DAY * 100, source: EndSource::Told };
    bench.market().probe_ends = Some(told);
    bench.keeper.test(&shop("a")).await.unwrap();
    assert_eq!(bench.authorization("a").await.unwrap().ends, Some(told));

    bench.clock.advance(DAY * 101);
    let held = bench.keeper.look(&shop("a")).await;
    assert!(matches!(held, Err(KeeperError::Held { hold: Hold::Lapsed, .. })), "{held:?}");
    bench.clear_runs(&["a"]).await;
    bench.market().probe_ends = Some(Ending { at: start() + DAY * 400, ..told });
    bench.market().ends_at = None;
    // The owner renewed at the marketplace: the daily look learns it.
    let _ = bench.keeper.look(&shop("a")).await;
    let renewed = bench.authorization("a").await.unwrap();
    assert_eq!((renewed.state, renewed.ends.unwrap().at), (AuthorizationState::Active, start() + DAY * 400));
    assert_eq!(bench.holds("a").await, [None; 3]);
    let caught_up = bench.waiting("a").await;
    assert!(caught_up.iter().any(|(job, _)| *job == JobKind::ProductImport), "{caught_up:?}");
}

#[tokio::test]
async fn under_a_refresh_period_of_none_a_webhook_starts_no_call() {
    let bench = Bench::new(&["a"], Period::None).await;
    bench.consent("a").await.unwrap();
    bench.clear_runs(&["a"]).await;
    hear(&bench, json!({"id": "1", "place": "a"})).await.unwrap();
    assert_eq!(bench.waiting("a").await, []);
    assert_eq!(bench.authorization("a").await.unwrap().id, AuthorizationId(1));
}

#[tokio::test]
async fn what_was_said_before_the_owner_renewed_does_not_move_the_new_end() {
    let bench = Bench::authorized(&["a"]).await;
    let said_at = start() - SignedDuration::from_hours(6);
    let body = json!({"id": "1", "place": "a", "ends": (start() + DAY).to_string(), "said_at": said_at.to_string()});
    let before = bench.authorization("a").await.unwrap();
    assert_eq!(hear(&bench, body).await.unwrap(), Heard::Looking(1), "it is looked at all the same");
    assert_eq!(bench.authorization("a").await.unwrap().ends, before.ends);
    let old = json!({"id": "2", "place": "a", "said_at": (start() - DAY * 8).to_string()});
    assert_eq!(hear(&bench, old).await.unwrap(), Heard::Again, "older than what is kept of those that were taken");
}

#[tokio::test]
async fn an_end_that_moves_by_a_little_ends_a_lapse_too() {
    let bench = Bench::authorized(&["a"]).await;
    let ends = bench.authorization("a").await.unwrap().ends.unwrap().at;
    bench.clock.advance(ends.duration_since(start()) + SignedDuration::from_hours(1));
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    bench.keeper.note_lapses(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Lapsed);
    let body = json!({"id": "1", "place": "a", "ends": (ends + DAY * 3).to_string()});
    hear(&bench, body).await.unwrap();
    let after = bench.authorization("a").await.unwrap();
    assert_eq!((after.state, after.grant_number), (AuthorizationState::Active, 1));
    assert_eq!(bench.holds("a").await, [None; 3]);
}

#[tokio::test]
async fn a_channel_without_webhooks_is_not_called_a_channel_without_shops() {
    let bench = Bench::new(&["free"], HALF_HOUR).await;
    let refused = hear(&bench, json!({"id": "1"})).await.unwrap_err();
    assert_eq!(refused.to_string(), "channel `market` sends no webhooks");
}

#[tokio::test]
async fn however_often_something_is_said_a_shop_is_looked_at_once_a_minute() {
    let bench = Bench::authorized(&["a"]).await;
    hear(&bench, json!({"id": "1", "account": "seller-1"})).await.unwrap();
    assert_eq!(bench.waiting("a").await.len(), 1);
    bench.clear_runs(&["a"]).await;
    bench.clock.advance(SignedDuration::from_secs(20));
    hear(&bench, json!({"id": "2", "account": "seller-1"})).await.unwrap();
    assert_eq!(bench.waiting("a").await, []);
    assert_eq!(bench.next_look("a").await, Some(start() + SignedDuration::from_mins(1)));
    bench.clock.advance(SignedDuration::from_mins(1));
    hear(&bench, json!({"id": "3", "account": "seller-1"})).await.unwrap();
    assert_eq!(bench.waiting("a").await.len(), 1);
}

/// Everything that is owed has left.
async fn deliver(bench: &Bench) {
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    for mail in tx.mails(None, 100).await.unwrap() {
        tx.deliver_mail(mail.id, &crate::store::Delivery::Sent).await.unwrap();
        crate::notices::mark_sent(&mut tx, &mail).await.unwrap();
    }
    crate::notices::owe_due(&mut tx, &bench.people.load()).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_later_end_of_what_the_channel_refuses_is_no_renewal_until_it_works() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    bench.market().script.push_back(Next::Refuse(ended("password changed")));
    bench.keeper.access(&shop("a")).await.unwrap_err();
    deliver(&bench).await;
    hear(&bench, json!({"id": "1", "account": "seller-1", "ends": "2028-06-01T00:00:00Z"})).await.unwrap();
    let known = bench.authorization("a").await.unwrap();
    assert_eq!((known.state, known.grant_number), (AuthorizationState::Revoked, 2));
    deliver(&bench).await;
    assert_eq!(bench.mails().await, ["ended", "operator"], "nobody hears again of the same, nor is thanked");

    bench.keeper.look(&shop("a")).await.unwrap();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Active);
    assert_eq!(bench.mails().await, ["ended", "operator", "renewed"]);
}

#[tokio::test]
async fn that_the_end_date_of_what_the_channel_refuses_has_come_is_no_news() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    bench.market().script.push_back(Next::Refuse(ended("password changed")));
    bench.keeper.access(&shop("a")).await.unwrap_err();
    bench.clock.advance(SignedDuration::from_hours(24 * 800));
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    bench.keeper.note_lapses(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Lapsed);
    assert_eq!(bench.mails().await, ["ended", "operator"]);
}
