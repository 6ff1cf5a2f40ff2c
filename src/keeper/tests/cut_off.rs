//! Exchanges that were cut off, overtaken or doubted: what is left of them, and who obeys it.

use super::*;
use crate::{
    domain::{Doubt, InstanceId},
    store::SealedGrant,
};

/// How long a marketplace that did not answer is given where the access token has ended.
const PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// The next exchange says that it has begun, and goes on when told.
fn waits(bench: &Bench) -> (Arc<Notify>, Arc<Notify>) {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    bench.market().script.push_back(Next::Wait(Arc::clone(&begun), Arc::clone(&go_on)));
    (begun, go_on)
}

/// A run that needs a fresh token.
fn run(bench: &Bench) -> tokio::task::JoinHandle<Result<Access, KeeperError>> {
    let keeper = bench.keeper.clone();
    tokio::spawn(async move { keeper.access(&shop("a")).await })
}

#[tokio::test]
async fn a_reply_waits_for_a_lease_that_somebody_else_holds_just_now() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    let (begun, go_on) = waits(&bench);
    let exchange = run(&bench);
    begun.notified().await;
    let id = bench.authorization("a").await.unwrap().id;
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    let peer = InstanceId("two".to_owned());
    tx.void_others(&peer).await.unwrap();
    let lease = tx.take_lease(&id.lease_name(), &peer, 0).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    go_on.notify_one();
    pass(&bench, 1).await;
    assert!(!exchange.is_finished(), "it is tried on");
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    tx.give_back(&lease).await.unwrap();
    tx.commit().await.unwrap();
    while !exchange.is_finished() {
        pass(&bench, 1).await;
    }
    assert_eq!(token(&exchange.await.unwrap().unwrap()), "access-2");
    assert_eq!(bench.market().refreshes, 1);
}

#[tokio::test]
async fn a_consent_that_came_in_during_an_exchange_counts_and_its_tokens_stay() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    let (begun, go_on) = waits(&bench);
    let exchange = run(&bench);
    begun.notified().await;
    let state = bench.begin("a", Some("browser")).await;
    bench.finish_at(&bench.another(), &state, Some("browser")).await.unwrap();
    go_on.notify_one();
    while !exchange.is_finished() {
        pass(&bench, 1).await;
        assert!(bench.clock.now() < start() + DAY, "it is tried on for ever");
    }
    assert_eq!(token(&exchange.await.unwrap().unwrap()), "access-2", "those of the consent");
    let after = bench.authorization("a").await.unwrap();
    assert_eq!((after.grant_number, after.generation, after.intent), (2, 2, None));
    bench.clock.advance(LATER);
    assert_eq!(
        token(&in_time(&bench.clock, bench.keeper.access(&shop("a"))).await.unwrap()),
        "access-4",
        "no lease is left"
    );
}

#[tokio::test]
async fn tokens_over_which_instances_died_again_and_again_are_not_spent_once_more() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    let id = bench.authorization("a").await.unwrap().id;
    for _ in 0..2 {
        let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
        let dead = InstanceId("two".to_owned());
        let lease = tx.take_lease(&id.lease_name(), &dead, 0).await.unwrap().unwrap();
        assert!(tx.note_intent(id, 1, &lease).await.unwrap());
        tx.give_back(&lease).await.unwrap();
        tx.commit().await.unwrap();
    }
    bench.clock.advance(PAUSE);
    let error = bench.keeper.access(&shop("a")).await.unwrap_err();
    assert!(matches!(error, KeeperError::Held { hold: Hold::Revoked, .. }), "{error}");
    assert_eq!(bench.market().refreshes, 0);
    assert!(bench.authorization("a").await.unwrap().why.unwrap().contains("was sent twice"));
    assert_eq!(bench.mails().await, ["ended", "operator"], "the owner is asked");
}

#[tokio::test]
async fn a_repetition_whose_answer_tells_nothing_was_the_way_out() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    bench.market().script.extend([Next::LoseReply, Next::OutOfOrder]);
    bench.keeper.access(&shop("a")).await.unwrap_err();
    let doubt = bench.authorization("a").await.unwrap().intent;
    assert_eq!(doubt.map(|intent| intent.doubt), Some(Doubt::Silent));
    bench.clock.advance(PAUSE);
    bench.keeper.access(&shop("a")).await.unwrap_err();
    let after = bench.authorization("a").await.unwrap();
    assert_eq!(after.state, AuthorizationState::Revoked);
    assert!(after.why.unwrap().contains("was sent twice"), "the owner is asked");
    assert_eq!(bench.market().refreshes, 2);
}

#[tokio::test]
async fn the_channels_word_that_it_has_ended_settles_every_doubt() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    bench.market().script.extend([Next::LoseReply, Next::Refuse(ended("taken back"))]);
    bench.keeper.access(&shop("a")).await.unwrap_err();
    bench.clock.advance(PAUSE);
    bench.keeper.access(&shop("a")).await.unwrap_err();
    let after = bench.authorization("a").await.unwrap();
    assert_eq!((after.state, after.intent), (AuthorizationState::Revoked, None));
}

#[tokio::test]
async fn an_exchange_that_the_database_failed_leaves_no_lease_behind() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    let (begun, go_on) = waits(&bench);
    // It will be refused, and that cannot be written down.
    bench.market().repeats = false;
    bench.market().spent.insert("refresh-1".to_owned(), 1);
    let exchange = run(&bench);
    begun.notified().await;
    bench.set_authorizations_away(true).await;
    go_on.notify_one();
    let error = exchange.await.unwrap().unwrap_err();
    assert!(matches!(error, KeeperError::Store(_)), "{error}");
    bench.set_authorizations_away(false).await;
    // A peer need not wait: the refusal is the marketplace's.
    let error = bench.another().access(&shop("a")).await.unwrap_err();
    assert!(matches!(error.failure(), Failure::AuthorizationEnded { .. }), "{error}");
}

#[tokio::test]
async fn an_exchange_of_another_instance_is_waited_for_and_its_tokens_are_used() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    let id = bench.authorization("a").await.unwrap().id;
    let peer = InstanceId("two".to_owned());
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    let lease = tx.take_lease(&id.lease_name(), &peer, 20_000).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let mut run = run(&bench);
    for _ in 0..5_000 {
        tokio::select! {
            biased;
            access = &mut run => panic!("it did not wait: {access:?}"),
            () = tokio::task::yield_now() => bench.clock.advance(SignedDuration::from_millis(1)),
        }
    }
    let now = bench.clock.now();
    let access_token = bench.sealer.seal(&Secret::new("access-of-two"), &format!("authorization/{id}/access_token/2"));
    let grant = SealedGrant {
        access_token,
        access_token_issued_at: now,
        access_token_ends_at: now + LATER,
        refresh_token: None,
        refresh_token_ends_at: None,
        ends: None,
    };
    let mut tx = bench.store.write(now).await.unwrap();
    assert!(tx.replace_tokens(id, 1, &lease, &grant, false).await.unwrap());
    tx.give_back(&lease).await.unwrap();
    tx.commit().await.unwrap();
    let access = in_time(&bench.clock, run).await.unwrap().unwrap();
    assert_eq!(token(&access), "access-of-two");
    assert_eq!(bench.market().refreshes, 0);
}

#[tokio::test]
async fn tokens_handed_in_wait_for_an_exchange_that_is_under_way() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    let (begun, go_on) = waits(&bench);
    let exchange = run(&bench);
    begun.notified().await;
    let tokens = Secret::new(r#"{"access_token": "access-1", "refresh_token": "refresh-1", "account": "seller-1"}"#);
    let (keeper, tokens) = (bench.keeper.clone(), HandedIn::parse(&tokens).unwrap());
    let handed = tokio::spawn(async move { keeper.hand_in(&shop("a"), tokens).await });
    for _ in 0..5_000 {
        tokio::task::yield_now().await;
        assert_eq!(bench.market().refreshes, 1, "the same tokens are not spent twice");
    }
    bench.market().repeats = false;
    go_on.notify_one();
    assert_eq!(token(&exchange.await.unwrap().unwrap()), "access-2");
    assert!(handed.await.unwrap().unwrap_err().is_refusal(), "they have been renewed since");
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-2");
}

#[tokio::test]
async fn what_was_asked_before_the_owner_renewed_says_nothing_of_the_new_grant() {
    let bench = Bench::authorized(&["a"]).await;
    let before = bench.keeper.standing(&shop("a")).await.unwrap();
    let end = before.authorization.as_ref().unwrap().ends;
    bench.market().ends_at = Some(start() + DAY * 500);
    bench.consent("a").await.unwrap();
    bench.keeper.note_working(&before, end).await.unwrap();
    let after = bench.authorization("a").await.unwrap();
    assert_eq!((after.ends.unwrap().at, after.probed_at), (start() + DAY * 500, None));
}
