//! Looks at shops that are held, and at permissions that near their end.

use super::*;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The channel says of shop `a` that it is closed, an hour after it was proven.
async fn closed() -> Bench {
    let bench = Bench::authorized(&["a"]).await;
    bench.keeper.look(&shop("a")).await.unwrap();
    bench.clock.advance(HOUR);
    let closed = failed(Failure::ShopClosed { why: "frozen".into() });
    bench.keeper.note_failure(&shop("a"), None, &closed).await.unwrap();
    assert_eq!(bench.holds("a").await, [Some(Hold::ShopClosed); 3]);
    bench
}

#[tokio::test]
async fn a_held_shop_is_asked_again_however_lately_it_was_proven() {
    let bench = closed().await;
    assert!(bench.keeper.look(&shop("a")).await.unwrap().probed);
    assert_eq!(bench.holds("a").await, [None; 3]);
}

#[tokio::test]
async fn a_look_at_a_held_shop_that_gets_no_answer_stays_held_and_comes_again_tomorrow() {
    let bench = closed().await;
    bench.market().probe = Some(Failure::Unavailable { retry_at: None });
    let error = bench.keeper.look(&shop("a")).await.unwrap_err();
    assert!(matches!(error, KeeperError::Held { hold: Hold::ShopClosed, .. }), "{error}");
    assert_eq!(bench.next_look("a").await, Some(bench.clock.now() + DAY));
}

#[tokio::test]
async fn that_a_permission_nears_its_end_is_logged_once_for_each_time_it_was_given() {
    let bench = Bench::authorized(&["a"]).await;
    let (log, _kept) = Log::kept();
    let told = || log.text().matches("authorization.ending").count();
    for (days, times) in [(300, 0), (340, 1), (341, 1)] {
        bench.clock.set(start() + DAY * days);
        bench.keeper.look(&shop("a")).await.unwrap();
        assert_eq!(told(), times, "after {days} days");
    }
    bench.market().ends_at = Some(start() + DAY * 365 * 2);
    bench.consent("a").await.unwrap();
    bench.clock.set(start() + DAY * 705);
    bench.keeper.look(&shop("a")).await.unwrap();
    assert_eq!(told(), 2);
}

#[tokio::test]
async fn a_look_after_the_end_renews_the_tokens_which_may_tell_that_the_owner_renewed_elsewhere() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    bench.market().ends_at = Some(start() + HOUR);
    bench.consent("a").await.unwrap();
    bench.clock.advance(HOUR);
    bench.keeper.look(&shop("a")).await.unwrap_err();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Lapsed);
    bench.market().ends_at = Some(start() + DAY * 365);
    bench.keeper.look(&shop("a")).await.unwrap();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Active);
    assert_eq!(bench.market().refreshes, 1);
}

#[tokio::test]
async fn the_next_look_comes_no_later_than_the_end() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    bench.market().ends_at = Some(start() + HOUR * 2);
    bench.consent("a").await.unwrap();
    assert_eq!(bench.next_look("a").await, Some(start() + HOUR * 2), "although the token wants a look an hour later");
}
