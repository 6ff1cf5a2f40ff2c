pub(crate) mod pretend;

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::sync::Notify;

use pretend::{Bench, DAY, Next, failed, shop, start};

use super::{ConsentError, HandedIn, KeeperError, LinkFault, Links, Looked};
use crate::{
    channels::Access,
    domain::{AuthorizationState, EndSource, Failure, Hold, JobKind, Period, Trigger},
    secrets::Secret,
    store::ReminderKind,
};

const HALF_HOUR: Period = Period::Every(SignedDuration::from_mins(30));
const LATER: SignedDuration = SignedDuration::from_hours(5);

fn token(access: &Access) -> &str {
    access.token.as_ref().unwrap().expose()
}

fn ended(why: &str) -> Failure {
    Failure::AuthorizationEnded { why: why.into() }
}

// --- tokens -----------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_fresh_token_is_handed_out_without_a_call() {
    let bench = Bench::authorized(&["a"]).await;
    let access = bench.keeper.access(&shop("a")).await.unwrap();
    assert_eq!(token(&access), "access-1");
    assert_eq!(access.place, serde_json::json!({ "cipher": "a" }));
    assert_eq!(bench.market().refreshes, 0);
}

#[tokio::test]
async fn many_who_need_a_token_at_once_renew_it_once() {
    let bench = Bench::authorized(&["a", "b"]).await;
    bench.clock.advance(LATER);
    let (a, b) = (shop("a"), shop("b"));
    let (first, second, third, fourth) = tokio::join!(
        bench.keeper.access(&a),
        bench.keeper.access(&b),
        bench.keeper.access(&a),
        bench.keeper.access(&b)
    );
    for access in [first, second, third, fourth] {
        assert_eq!(token(&access.unwrap()), "access-2");
    }
    assert_eq!(bench.market().refreshes, 1);
}

#[tokio::test]
async fn two_instances_renew_a_token_once() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    bench.market().script.push_back(Next::Wait(Arc::clone(&begun), Arc::clone(&go_on)));
    let other = bench.another();
    let (keeper, clock) = (bench.keeper.clone(), bench.clock.clone());
    let first = tokio::spawn(async move { keeper.access(&shop("a")).await });
    begun.notified().await;
    let second = tokio::spawn(async move { other.access(&shop("a")).await });
    go_on.notify_one();
    assert_eq!(token(&first.await.unwrap().unwrap()), "access-2");
    // The other one glances at the row again whenever the clock has moved.
    let mut second = second;
    let access = loop {
        tokio::select! {
            access = &mut second => break access.unwrap().unwrap(),
            () = tokio::task::yield_now() => clock.advance(SignedDuration::from_millis(1)),
        }
    };
    assert_eq!(token(&access), "access-2");
    assert_eq!(bench.market().refreshes, 1);
}

#[tokio::test]
async fn a_run_that_is_cut_off_does_not_cut_off_the_exchange() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    bench.market().script.push_back(Next::Wait(Arc::clone(&begun), Arc::clone(&go_on)));
    let keeper = bench.keeper.clone();
    let run = tokio::spawn(async move { keeper.access(&shop("a")).await });
    begun.notified().await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    go_on.notify_one();
    bench.keeper.drained().await;
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-2");
    assert_eq!(bench.market().refreshes, 1);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_a_newer_one_is_used() {
    let bench = Bench::authorized(&["a"]).await;
    let refused = bench.keeper.access(&shop("a")).await.unwrap();
    let renewed = bench.keeper.rejected(&shop("a"), &refused).await.unwrap();
    assert_eq!(token(&renewed), "access-2");
    // Another job comes back with the old one: the newer one is there already.
    let same = bench.keeper.rejected(&shop("a"), &refused).await.unwrap();
    assert_eq!(token(&same), "access-2");
    assert_eq!(bench.market().refreshes, 1);
}

#[tokio::test]
async fn a_rotated_refresh_token_is_never_spent_twice() {
    let bench = Bench::authorized(&["a"]).await;
    for _ in 0..5 {
        bench.clock.advance(LATER);
        bench.keeper.access(&shop("a")).await.unwrap();
    }
    let market = bench.market();
    assert_eq!(market.spent.len(), 5);
    assert!(market.spent.values().all(|times| *times == 1), "{:?}", market.spent);
}

#[tokio::test]
async fn a_lost_reply_is_repeated_once_by_the_channels_way_out() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    bench.market().script.push_back(Next::LoseReply);
    let error = bench.keeper.access(&shop("a")).await.unwrap_err();
    assert_eq!(error.failure(), Failure::Unavailable { retry_at: None });
    assert!(bench.authorization("a").await.unwrap().intent.is_some());
    let access = bench.keeper.access(&shop("a")).await.unwrap();
    assert_eq!(token(&access), "access-3");
    assert_eq!(bench.market().spent["refresh-1"], 2);
    let after = bench.authorization("a").await.unwrap();
    assert_eq!((after.state, after.intent), (AuthorizationState::Active, None));
}

#[tokio::test]
async fn two_lost_replies_end_with_the_owner_and_the_true_reason() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    bench.market().script.extend([Next::LoseReply, Next::LoseReply]);
    bench.keeper.access(&shop("a")).await.unwrap_err();
    let error = bench.keeper.access(&shop("a")).await.unwrap_err();
    assert!(matches!(error, KeeperError::Held { hold: Hold::Revoked, .. }), "{error}");
    let after = bench.authorization("a").await.unwrap();
    assert_eq!(after.state, AuthorizationState::Revoked);
    insta::assert_snapshot!(after.why.unwrap(), @"a renewal of the tokens was sent twice (last begun 2026-01-10T17:00:00Z) and no answer arrived, so they may be spent and the new ones lost");
    assert_eq!(bench.mails().await, ["ended", "operator"]);
    // Nobody spends them a third time: not a job, not the daily look.
    bench.keeper.access(&shop("a")).await.unwrap_err();
    bench.clock.advance(DAY);
    bench.keeper.look(&shop("a")).await.unwrap_err();
    assert_eq!(bench.market().refreshes, 2);
    assert_eq!(bench.mails().await, ["ended", "operator"]);
}

#[tokio::test]
async fn a_repetition_that_is_refused_says_that_an_answer_was_lost() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    bench.market().repeats = false;
    bench.market().script.push_back(Next::LoseReply);
    bench.keeper.access(&shop("a")).await.unwrap_err();
    bench.keeper.access(&shop("a")).await.unwrap_err();
    let after = bench.authorization("a").await.unwrap();
    assert_eq!(after.state, AuthorizationState::Revoked);
    insta::assert_snapshot!(after.why.unwrap(), @"the answer to a renewal of the tokens begun 2026-01-10T17:00:00Z never arrived, and the channel refused its repetition: this refresh token was used");
}

#[tokio::test]
async fn what_a_repetition_is_told_does_not_answer_for_the_exchange_before_it() {
    let throttled = || Next::Refuse(Failure::Throttled { until: jiff::Timestamp::UNIX_EPOCH });
    for between in [vec![throttled()], vec![Next::Unreachable], vec![throttled(), Next::Unreachable, throttled()]] {
        let bench = Bench::authorized(&["a"]).await;
        bench.clock.advance(LATER);
        bench.market().script.push_back(Next::LoseReply);
        bench.keeper.access(&shop("a")).await.unwrap_err();
        let doubt = bench.authorization("a").await.unwrap().intent;
        assert_eq!(doubt.map(|intent| intent.unanswered), Some(0));
        for next in between {
            bench.market().script.push_back(next);
            bench.keeper.access(&shop("a")).await.unwrap_err();
            assert_eq!(bench.authorization("a").await.unwrap().intent, doubt, "it stands as it stood");
        }
        // The way out is taken once, however often it could not be tried.
        bench.market().script.push_back(Next::LoseReply);
        bench.keeper.access(&shop("a")).await.unwrap_err();
        assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Revoked);
    }
}

#[tokio::test]
async fn an_answer_to_the_first_exchange_leaves_no_doubt() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    bench.market().script.push_back(Next::Refuse(Failure::Throttled { until: jiff::Timestamp::UNIX_EPOCH }));
    bench.keeper.access(&shop("a")).await.unwrap_err();
    assert_eq!(bench.authorization("a").await.unwrap().intent, None);
    bench.market().script.push_back(Next::LoseReply);
    bench.keeper.access(&shop("a")).await.unwrap_err();
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-3", "the way out is still there");
}

#[tokio::test]
async fn an_exchange_that_never_reached_the_channel_leaves_no_doubt() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    bench.market().script.extend([Next::Unreachable, Next::Unreachable, Next::Unreachable]);
    for _ in 0..3 {
        bench.keeper.access(&shop("a")).await.unwrap_err();
        assert_eq!(bench.authorization("a").await.unwrap().intent, None);
    }
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-2");
}

#[tokio::test]
async fn an_intent_found_after_a_crash_is_repeated_once() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    let id = bench.authorization("a").await.unwrap().id;
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    let holder = crate::domain::InstanceId("two".into());
    let lease = tx.take_lease(&format!("authorization/{id}"), &holder, 20_000).await.unwrap().unwrap();
    assert!(tx.note_intent(id, 1, &lease).await.unwrap());
    tx.remove_instance(&holder).await.unwrap();
    tx.commit().await.unwrap();
    bench.market().spent.insert("refresh-1".into(), 1);
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-2");
    assert_eq!(bench.market().spent["refresh-1"], 2);
}

#[tokio::test]
async fn a_refusal_of_old_tokens_does_not_end_newer_ones() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    bench.market().script.push_back(Next::Wait(Arc::clone(&begun), Arc::clone(&go_on)));
    bench.market().spent.insert("refresh-1".into(), 3);
    let keeper = bench.keeper.clone();
    let run = tokio::spawn(async move { keeper.access(&shop("a")).await });
    begun.notified().await;
    // The owner consents while the exchange is under way; then the channel refuses the old token.
    bench.consent("a").await.unwrap();
    go_on.notify_one();
    assert_eq!(token(&run.await.unwrap().unwrap()), "access-2");
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Active);
}

#[tokio::test]
async fn a_refusal_long_before_the_end_revokes_and_tells_people_once() {
    let bench = Bench::authorized(&["a", "b"]).await;
    bench.clock.advance(LATER);
    bench.market().script.push_back(Next::Refuse(ended("deauthorized by the seller")));
    let error = bench.keeper.access(&shop("a")).await.unwrap_err();
    assert_eq!(error.failure(), ended("deauthorized by the seller"));
    for id in ["a", "b"] {
        assert_eq!(bench.holds(id).await, [Some(Hold::Revoked); 3], "{id}");
        assert!(matches!(
            bench.keeper.access(&shop(id)).await.unwrap_err(),
            KeeperError::Held { hold: Hold::Revoked, .. }
        ));
    }
    assert_eq!(bench.market().refreshes, 1);
    assert_eq!(bench.mails().await, ["ended", "operator"]);
}

#[tokio::test]
async fn a_refusal_within_an_hour_of_the_end_is_a_lapse() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.set(start() + DAY * 365 - SignedDuration::from_mins(59));
    bench.market().script.push_back(Next::Refuse(ended("expired")));
    bench.keeper.access(&shop("a")).await.unwrap_err();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Lapsed);
    assert_eq!(bench.mails().await, ["ended"]);
}

#[tokio::test]
async fn a_refused_app_holds_all_shops_of_the_channel_and_the_operator_hears_once() {
    let bench = Bench::authorized(&["a", "b"]).await;
    bench.clock.advance(LATER);
    let refused = || Next::Refuse(Failure::AppCredentialRejected { why: "bad secret".into() });
    bench.market().script.extend([refused(), refused()]);
    bench.keeper.access(&shop("a")).await.unwrap_err();
    assert_eq!(bench.holds("b").await, [Some(Hold::AppAlarm); 3]);
    assert!(matches!(
        bench.keeper.access(&shop("b")).await.unwrap_err(),
        KeeperError::Held { hold: Hold::AppAlarm, .. }
    ));
    assert_eq!(bench.mails().await, ["operator"]);
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Active);
    // A day later the operator has mended it.
    bench.market().script.clear();
    bench.clock.advance(DAY);
    bench.keeper.look(&shop("a")).await.unwrap();
    assert_eq!(bench.holds("b").await, [None; 3]);
    assert_eq!(bench.waiting("a").await, bench.waiting("b").await);
    let caught_up = [(JobKind::ProductImport, Trigger::Recovery), (JobKind::ProductExport, Trigger::Recovery)];
    assert_eq!(bench.waiting("b").await, caught_up);
}

#[tokio::test]
async fn new_credentials_of_the_app_end_the_alarm_at_once() {
    let bench = Bench::authorized(&["a"]).await;
    let refused = Failure::AppCredentialRejected { why: "bad secret".into() };
    bench.keeper.note_failure(&shop("a"), &failed(refused, true)).await.unwrap();
    assert_eq!(bench.holds("a").await, [Some(Hold::AppAlarm); 3]);
    bench.keeper.note_app_changed(&"market".into()).await.unwrap();
    assert_eq!(bench.holds("a").await, [None; 3]);
    bench.keeper.access(&shop("a")).await.unwrap();
}

#[tokio::test]
async fn a_later_end_told_by_a_renewal_of_tokens_counts_as_the_owners() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    bench.market().ends_at = Some(start() + DAY * 400);
    bench.keeper.access(&shop("a")).await.unwrap();
    let after = bench.authorization("a").await.unwrap();
    assert_eq!((after.grant_number, after.ends.unwrap().at), (2, start() + DAY * 400));
    assert_eq!(bench.mails().await, ["renewed"]);
}

#[tokio::test]
async fn the_next_look_is_when_the_token_wants_it() {
    let bench = Bench::new(&["a"], Period::Every(DAY * 30)).await;
    bench.consent("a").await.unwrap();
    assert_eq!(bench.next_look("a").await, Some(start() + SignedDuration::from_hours(3)));
    bench.clock.advance(LATER);
    bench.keeper.access(&shop("a")).await.unwrap();
    assert_eq!(bench.next_look("a").await, Some(start() + LATER + SignedDuration::from_hours(3)));
}

// --- looks ------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_look_proves_once_a_day_and_renews_when_it_is_time() {
    let bench = Bench::authorized(&["a"]).await;
    let a = shop("a");
    assert_eq!(bench.keeper.look(&a).await.unwrap(), Looked { refreshed: false, probed: true });
    assert_eq!(bench.keeper.look(&a).await.unwrap(), Looked { refreshed: false, probed: false });
    bench.clock.advance(SignedDuration::from_hours(3));
    assert_eq!(bench.keeper.look(&a).await.unwrap(), Looked { refreshed: true, probed: false });
    bench.clock.advance(DAY);
    assert_eq!(bench.keeper.look(&a).await.unwrap(), Looked { refreshed: true, probed: true });
}

#[tokio::test]
async fn the_end_date_lapses_and_a_renewal_catches_up() {
    let bench = Bench::authorized(&["a", "b"]).await;
    bench.clock.set(start() + DAY * 365);
    let error = bench.keeper.look(&shop("a")).await.unwrap_err();
    assert!(matches!(error, KeeperError::Held { hold: Hold::Lapsed, .. }), "{error}");
    assert_eq!(bench.holds("b").await, [Some(Hold::Lapsed); 3]);
    assert_eq!(bench.mails().await, ["ended"]);
    assert_eq!(bench.market().refreshes, 0);
    // The next look comes in a day, and changes nothing while the end stays where it is.
    assert_eq!(bench.next_look("a").await, Some(start() + DAY * 366));
    bench.clock.advance(DAY);
    bench.keeper.look(&shop("a")).await.unwrap_err();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Lapsed);
    assert_eq!(bench.mails().await, ["ended"]);
    assert_eq!(bench.waiting("a").await, []);

    bench.market().ends_at = Some(start() + DAY * 800);
    bench.consent("a").await.unwrap();
    for id in ["a", "b"] {
        assert_eq!(bench.holds(id).await, [None; 3], "{id}");
        let jobs = JobKind::OF_SHOPS.map(|job| (job, Trigger::Renewal));
        assert_eq!(bench.waiting(id).await, jobs, "{id}");
    }
    assert_eq!(bench.mails().await, ["ended", "renewed"]);
}

#[tokio::test]
async fn a_revoked_permission_that_works_again_is_noticed_by_the_daily_look() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    bench.market().script.push_back(Next::Refuse(ended("password changed")));
    bench.keeper.access(&shop("a")).await.unwrap_err();
    bench.clock.advance(DAY);
    bench.keeper.look(&shop("a")).await.unwrap();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Active);
    assert_eq!(bench.holds("a").await, [None; 3]);
    let caught_up = [(JobKind::ProductImport, Trigger::Recovery), (JobKind::ProductExport, Trigger::Recovery)];
    assert_eq!(bench.waiting("a").await, caught_up);
}

#[tokio::test]
async fn a_closed_shop_is_held_alone_looked_at_daily_and_recovers() {
    let bench = Bench::authorized(&["a", "b"]).await;
    let closed = Failure::ShopClosed { why: "holiday".into() };
    bench.market().probe = Some(closed.clone());
    let error = bench.keeper.look(&shop("a")).await.unwrap_err();
    assert_eq!(error.failure(), closed);
    assert_eq!(bench.holds("a").await, [Some(Hold::ShopClosed); 3]);
    assert_eq!(bench.holds("b").await, [None; 3]);
    assert_eq!(bench.next_look("a").await, Some(start() + DAY));
    bench.market().probe = None;
    bench.clock.advance(DAY);
    bench.keeper.look(&shop("a")).await.unwrap();
    assert_eq!(bench.holds("a").await, [None; 3]);
    let caught_up = [(JobKind::ProductImport, Trigger::Recovery), (JobKind::ProductExport, Trigger::Recovery)];
    assert_eq!(bench.waiting("a").await, caught_up);
    assert_eq!(bench.waiting("b").await, []);
}

#[tokio::test]
async fn what_a_job_was_told_is_proven_with_the_newest_token_before_it_is_believed() {
    let bench = Bench::authorized(&["a"]).await;
    bench.keeper.note_failure(&shop("a"), &failed(ended("old token"), true)).await.unwrap();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Active);
    bench.market().probe = Some(ended("gone"));
    bench.keeper.note_failure(&shop("a"), &failed(ended("gone"), true)).await.unwrap();
    let after = bench.authorization("a").await.unwrap();
    assert_eq!((after.state, after.why.as_deref()), (AuthorizationState::Revoked, Some("gone")));
}

#[tokio::test]
async fn a_missing_right_holds_and_a_new_consent_clears_it() {
    let bench = Bench::authorized(&["a"]).await;
    let missing = Failure::ScopeMissing { scope: "product.write".into() };
    bench.keeper.note_failure(&shop("a"), &failed(missing, true)).await.unwrap();
    assert_eq!(bench.holds("a").await, [Some(Hold::ScopeMissing); 3]);
    bench.consent("a").await.unwrap();
    assert_eq!(bench.holds("a").await, [None; 3]);
}

#[tokio::test]
async fn under_a_refresh_period_of_none_nothing_calls_the_channel_but_the_owner() {
    let bench = Bench::new(&["a"], Period::None).await;
    bench.consent("a").await.unwrap();
    assert_eq!(bench.market().exchanges, 1);
    assert_eq!(bench.waiting("a").await, []);
    let holds = bench.holds("a").await;
    assert_eq!(holds[1..], [Some(Hold::RefreshNone); 2]);
    for error in [
        bench.keeper.access(&shop("a")).await.unwrap_err(),
        bench.keeper.test(&shop("a")).await.unwrap_err(),
        bench.keeper.look(&shop("a")).await.unwrap_err(),
    ] {
        assert!(matches!(error, KeeperError::Held { hold: Hold::RefreshNone, .. }), "{error}");
    }
    let market = bench.market();
    assert_eq!((market.refreshes, market.probes), (0, 0));
}

// --- consent ----------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_consent_authorizes_every_shop_it_covers_and_runs_their_jobs_in_order() {
    let bench = Bench::new(&["a", "b", "c"], HALF_HOUR).await;
    bench.market().covers.remove("c");
    let consented = bench.consent("a").await.unwrap();
    assert_eq!(consented.shops, [shop("a"), shop("b")]);
    assert_eq!(consented.account, "Seller seller-1 (seller-1)");
    assert_eq!(bench.waiting("a").await, JobKind::OF_SHOPS.map(|job| (job, Trigger::Renewal)));
    assert_eq!(bench.holds("c").await, [Some(Hold::Pending); 3]);
    assert_eq!(bench.authorization("a").await.unwrap().id, bench.authorization("b").await.unwrap().id);
    // Giving it for the first time is not a renewal.
    assert_eq!(bench.mails().await, Vec::<String>::new());
}

#[tokio::test]
async fn another_account_is_refused_by_name_and_changes_nothing() {
    let bench = Bench::authorized(&["a"]).await;
    let before = bench.authorization("a").await;
    bench.market().account = "seller-2".into();
    let error = bench.consent("a").await.unwrap_err();
    insta::assert_snapshot!(error, @"account `Seller seller-2 (seller-2)` consented, but shop `a` belongs to account `Seller seller-1 (seller-1)`; nothing was changed. Sign in at the marketplace as `Seller seller-1 (seller-1)` and open the link again");
    assert!(error.is_refusal());
    assert_eq!(bench.authorization("a").await, before);
    assert_eq!(bench.waiting("a").await, []);
    let mut tx = bench.store.read(bench.clock.now()).await.unwrap();
    assert_eq!(tx.authorizations().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_consent_that_does_not_cover_the_shop_is_refused_and_changes_nothing() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    bench.market().covers.remove("a");
    let error = bench.consent("a").await.unwrap_err();
    insta::assert_snapshot!(error, @"account `Seller seller-1 (seller-1)` consented, but shop `a` is not among what it covers (Stall b (b)); nothing was changed. Sign in at the marketplace with the account of this shop, or correct the settings of `a`");
    assert_eq!(bench.authorization("a").await, None);
    assert_eq!(bench.authorization("b").await, None);
}

#[tokio::test]
async fn a_state_works_once() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    let state = bench.begin("a", Some("browser")).await;
    bench.finish(&state, Some("browser")).await.unwrap();
    assert!(matches!(bench.finish(&state, Some("browser")).await.unwrap_err(), ConsentError::StateUsed));
    assert_eq!(bench.market().exchanges, 1);
}

#[tokio::test]
async fn a_state_expires_after_thirty_minutes() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    let state = bench.begin("a", Some("browser")).await;
    bench.clock.advance(SignedDuration::from_mins(31));
    assert!(matches!(bench.finish(&state, Some("browser")).await.unwrap_err(), ConsentError::StateUsed));
    assert_eq!(bench.market().exchanges, 0);
}

#[tokio::test]
async fn a_state_belongs_to_the_browser_it_was_begun_in_which_can_still_finish() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    let state = bench.begin("a", Some("browser")).await;
    assert!(matches!(bench.finish(&state, Some("thief")).await.unwrap_err(), ConsentError::OtherBrowser));
    assert!(matches!(bench.finish(&state, None).await.unwrap_err(), ConsentError::OtherBrowser));
    assert_eq!(bench.market().exchanges, 0);
    bench.finish(&state, Some("browser")).await.unwrap();
}

#[tokio::test]
async fn a_state_of_the_command_line_is_finished_there() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    let state = bench.begin("a", None).await;
    assert!(matches!(bench.finish(&state, Some("browser")).await.unwrap_err(), ConsentError::CommandLine));
    bench.finish(&state, None).await.unwrap();
}

#[tokio::test]
async fn a_renewal_cancels_owed_reminders_in_the_same_step() {
    let bench = Bench::authorized(&["a"]).await;
    let id = bench.authorization("a").await.unwrap().id;
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    let day = jiff::civil::date(2026, 12, 10);
    assert!(tx.owe_reminder(id, 1, ReminderKind::Step, Some(day)).await.unwrap());
    tx.commit().await.unwrap();
    bench.consent("a").await.unwrap();
    let mut tx = bench.store.read(bench.clock.now()).await.unwrap();
    let rows = tx.reminders_of(id, 1).await.unwrap();
    assert!(rows.iter().all(|row| row.state == "cancelled"), "{rows:?}");
    assert_eq!(bench.authorization("a").await.unwrap().grant_number, 2);
}

fn handed(json: &str) -> Result<HandedIn, ConsentError> {
    HandedIn::parse(&Secret::new(json))
}

#[tokio::test]
async fn tokens_handed_in_are_proven_and_renewed_at_their_first_use() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    let tokens = handed(r#"{"access_token": "x", "refresh_token": "y", "account": "seller-1"}"#).unwrap();
    bench.keeper.hand_in(&shop("a"), tokens).await.unwrap();
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-1");
    assert_eq!(bench.market().spent.keys().collect::<Vec<_>>(), ["y"]);
    assert_eq!(bench.authorization("a").await.unwrap().ends.unwrap().source, EndSource::Told);
}

#[tokio::test]
async fn an_end_that_the_channel_does_not_tell_must_be_stated_with_the_tokens() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    bench.market().end = crate::channels::OwnersEnd::After(SignedDuration::from_hours(365 * 24));
    bench.market().ends_at = None;
    let without = handed(r#"{"access_token": "x", "refresh_token": "y", "account": "seller-1"}"#).unwrap();
    insta::assert_snapshot!(bench.keeper.hand_in(&shop("a"), without).await.unwrap_err(), @"channel `market` does not tell when an authorization ends; state `authorized_at` or `ends_at`");
    let with = r#"{"access_token": "x", "refresh_token": "y", "account": "seller-1", "authorized_at": "2025-12-01T00:00:00Z"}"#;
    bench.keeper.hand_in(&shop("a"), handed(with).unwrap()).await.unwrap();
    let after = bench.authorization("a").await.unwrap();
    assert_eq!(after.ends.unwrap().at, "2026-12-01T00:00:00Z".parse().unwrap());
    assert_eq!(after.ends.unwrap().source, EndSource::Computed);
    // A channel that does not tell the end leaves it where it is.
    bench.keeper.access(&shop("a")).await.unwrap();
    assert_eq!(bench.authorization("a").await.unwrap().ends, after.ends);
}

#[test]
fn tokens_that_do_not_read_are_refused_without_being_shown() {
    let error = handed(r#"{"access_token": "top-secret", "acount": "seller-1"}"#).unwrap_err().to_string();
    assert!(!error.contains("top-secret") && error.contains("`account`"), "{error}");
    assert!(handed(r#"{"access_token": "", "account": "seller-1"}"#).is_err());
}

// --- links ------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_link_works_for_its_shop_for_thirty_five_days() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    let links = Links::new(bench.sealer.clone(), bench.keeper.shops().clone());
    let url = links.renew_link(&shop("a"), start());
    assert!(url.as_str().starts_with("http://127.0.0.1:8420/authorize/a?link="), "{url}");
    let token = url.query_pairs().next().unwrap().1.into_owned();
    assert_eq!(links.verify(&shop("a"), &token, start() + DAY * 34), Ok(()));
    assert_eq!(links.verify(&shop("a"), &token, start() + DAY * 35), Err(LinkFault::Expired));
    assert_eq!(links.verify(&shop("b"), &token, start()), Err(LinkFault::NotOurs));
    assert_eq!(links.verify(&shop("a"), &token[..token.len() - 3], start()), Err(LinkFault::NotOurs));
}
