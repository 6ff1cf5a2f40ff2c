//! The owner consents, or the operator hands tokens in.

use super::*;
use crate::keeper::By;

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
async fn an_account_that_is_refused_for_one_shop_keeps_its_own_working() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    for (id, account) in [("a", "seller-1"), ("b", "seller-2")] {
        bench.market().account = account.into();
        bench.market().covers = [id.to_owned()].into();
        bench.consent(id).await.unwrap();
    }
    let (a, b) = (bench.authorization("a").await, bench.authorization("b").await.unwrap());
    // Somebody signs in with the wrong one of two accounts; the marketplace ends the tokens that it had.
    assert!(bench.consent("a").await.unwrap_err().is_refusal());
    assert_eq!(bench.authorization("a").await, a);
    let after = bench.authorization("b").await.unwrap();
    assert_eq!((after.state, after.grant_number), (AuthorizationState::Active, b.grant_number));
    assert_eq!(token(&bench.keeper.access(&shop("b")).await.unwrap()), "access-3", "those of the last consent");
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
    assert!(rows.iter().all(|row| row.state.as_str() == "cancelled"), "{rows:?}");
    assert_eq!(bench.authorization("a").await.unwrap().grant_number, 2);
}

#[tokio::test]
async fn what_a_consent_does_to_the_old_tokens_is_not_taken_for_the_end_of_the_permission() {
    let bench = Bench::authorized(&["a"]).await;
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    bench.market().exchange_waits = Some((Arc::clone(&begun), Arc::clone(&go_on)));
    let meanwhile = async {
        begun.notified().await;
        // The code is traded, and the old tokens are no good any more: a call meets that.
        bench.market().probe = Some(ended("the account was authorized anew"));
        let keeper = bench.keeper.clone();
        let met = failed(ended("the account was authorized anew"));
        let noted = tokio::spawn(async move { keeper.note_failure(&shop("a"), None, &met).await });
        // Many more questions to the database than it takes to note it.
        for _ in 0..100 {
            bench.authorization("a").await.unwrap();
        }
        bench.market().probe = None;
        go_on.notify_one();
        noted.await.unwrap()
    };
    let (consented, noted) = tokio::join!(bench.consent("a"), meanwhile);
    consented.unwrap();
    noted.unwrap();
    let after = bench.authorization("a").await.unwrap();
    assert_eq!((after.state, after.grant_number), (AuthorizationState::Active, 2));
    assert!(!bench.mails().await.contains(&"ended".to_owned()), "nobody is told that it has ended");
}

fn handed(json: &str) -> Result<HandedIn, ConsentError> {
    HandedIn::parse(&Secret::new(json))
}

#[tokio::test]
async fn tokens_handed_in_are_renewed_before_they_count() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    let tokens = handed(r#"{"access_token": "x", "refresh_token": "y", "account": "seller-1"}"#).unwrap();
    let consented = bench.keeper.hand_in(&shop("a"), tokens).await.unwrap();
    assert_eq!(consented.account, "Seller seller-1 (seller-1)");
    assert_eq!(bench.market().spent.keys().collect::<Vec<_>>(), ["y"]);
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-1");
    assert_eq!(bench.market().refreshes, 1);
    let after = bench.authorization("a").await.unwrap();
    assert_eq!(after.ends.unwrap().source, EndSource::Told);
    assert_eq!(after.access_token.ends_at, start() + SignedDuration::from_hours(4));
}

#[tokio::test]
async fn tokens_handed_in_that_renew_nothing_leave_what_is_on_record() {
    let bench = Bench::authorized(&["a"]).await;
    let before = bench.authorization("a").await;
    let tokens = |refresh: &str| {
        handed(&format!(r#"{{"access_token": "x", "refresh_token": "{refresh}", "account": "seller-1"}}"#)).unwrap()
    };
    // Handed in before, and renewed since.
    bench.market().spent.insert("y".into(), 2);
    let error = bench.keeper.hand_in(&shop("a"), tokens("y")).await.unwrap_err();
    assert!(error.is_refusal());
    insta::assert_snapshot!(error, @r#"the `refresh_token` that was handed in renews nothing (the market says AuthorizationEnded { why: "this refresh token was used" }); nothing was changed. Tokens that were handed in before have been renewed since and are worth nothing any more: `shopsyncd shops test a` tells whether the shop works"#);
    // Nobody answers.
    bench.market().script.push_back(Next::LoseReply);
    let error = bench.keeper.hand_in(&shop("a"), tokens("z")).await.unwrap_err();
    assert!(!error.is_refusal());
    insta::assert_snapshot!(error, @"no answer came to the renewal of the tokens that were handed in (the market says Unavailable { retry_at: None }), so they may be spent; nothing was changed. Hand them in again, or have the owner authorize the shop with the link shown by `shopsyncd shops authorize a`");
    assert_eq!(bench.authorization("a").await, before);
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-1");
    assert!(bench.mails().await.is_empty());
}

#[tokio::test]
async fn whose_tokens_are_that_were_handed_in_is_the_channels_word() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    let tokens = handed(r#"{"access_token": "x", "refresh_token": "y", "account": "Seller Ltd"}"#).unwrap();
    bench.keeper.hand_in(&shop("a"), tokens).await.unwrap();
    let after = bench.authorization("a").await.unwrap();
    assert_eq!((after.account.account.as_str(), after.account_name.as_deref()), ("seller-1", Some("Seller seller-1")));
}

#[tokio::test]
async fn an_end_that_the_channel_does_not_tell_must_be_stated_with_the_tokens() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    bench.market().end = crate::channels::OwnersEnd::After(SignedDuration::from_hours(365 * 24));
    bench.market().ends_at = None;
    let without = handed(r#"{"access_token": "x", "refresh_token": "y", "account": "seller-1"}"#).unwrap();
    insta::assert_snapshot!(bench.keeper.hand_in(&shop("a"), without).await.unwrap_err(), @"channel `market` does not tell when an authorization ends; state `authorized_at` or `ends_at`");
    let year_ago = r#"{"access_token": "x", "refresh_token": "y", "account": "seller-1", "authorized_at": "2025-01-10T12:00:00Z"}"#;
    let refused = bench.keeper.hand_in(&shop("a"), handed(year_ago).unwrap()).await.unwrap_err();
    assert!(matches!(refused, ConsentError::Incomplete(_)));
    insta::assert_snapshot!(refused, @"`authorized_at` is 2025-01-10T12:00:00Z, so the authorization ended at 2026-01-10T12:00:00Z: such tokens are of no use; have the owner authorize the shop again");
    assert_eq!((bench.authorization("a").await, bench.market().refreshes), (None, 0));
    let with = r#"{"access_token": "x", "refresh_token": "y", "account": "seller-1", "authorized_at": "2025-12-01T00:00:00Z"}"#;
    bench.keeper.hand_in(&shop("a"), handed(with).unwrap()).await.unwrap();
    let after = bench.authorization("a").await.unwrap();
    assert_eq!(after.ends.unwrap().at, "2026-12-01T00:00:00Z".parse().unwrap());
    assert_eq!(after.ends.unwrap().source, EndSource::Computed);
    // A channel that does not tell the end leaves it where it is.
    bench.keeper.access(&shop("a")).await.unwrap();
    assert_eq!(bench.authorization("a").await.unwrap().ends, after.ends);
}

#[tokio::test]
async fn tokens_with_dates_that_cannot_be_are_refused_and_the_permission_stays() {
    let bench = Bench::authorized(&["a"]).await;
    let before = bench.authorization("a").await;
    for (date, words) in [
        (r#""ends_at": "2026-01-01T00:00:00Z""#, "`ends_at` is 2026-01-01T00:00:00Z, which has passed"),
        (r#""authorized_at": "2030-01-01T00:00:00Z""#, "`authorized_at` is 2030-01-01T00:00:00Z, which is yet to come"),
    ] {
        let tokens =
            handed(&format!(r#"{{"access_token": "x", "refresh_token": "y", "account": "seller-1", {date}}}"#))
                .unwrap();
        let error = bench.keeper.hand_in(&shop("a"), tokens).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(bench.authorization("a").await, before);
    }
}

#[tokio::test]
async fn an_address_of_another_shops_authorization_is_refused_and_still_works_for_that_shop() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    let state = bench.begin("b", None).await;
    insta::assert_snapshot!(bench.finish(&state, None).await.unwrap_err(), @"this address belongs to an authorization of shop `b`, not of `a`; nothing was changed. Hand it to `shopsyncd shops authorize b`");
    assert_eq!(bench.market().exchanges, 0);
    let query = [("code".to_owned(), "code-1".to_owned()), ("state".to_owned(), state)];
    bench.keeper.finish_consent(&"market".into(), &query, By::CommandLine(&shop("b"))).await.unwrap();
}

#[test]
fn tokens_that_do_not_read_are_refused_without_being_shown() {
    let error = handed(r#"{"access_token": "top-secret", "acount": "seller-1"}"#).unwrap_err().to_string();
    assert!(!error.contains("top-secret") && error.contains("`account`"), "{error}");
    assert!(handed(r#"{"access_token": "", "account": "seller-1"}"#).is_err());
}

#[tokio::test]
async fn a_link_works_for_its_shop_and_account_for_thirty_five_days() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    let links = Links::new(bench.sealer.clone(), bench.keeper.shops().clone());
    let url = links.renew_link(&shop("a"), Some("seller-1"), start());
    assert!(url.as_str().starts_with("http://127.0.0.1:8420/authorize/a?link="), "{url}");
    let token = url.query_pairs().next().unwrap().1.into_owned();
    let verify =
        |id: &str, account: Option<&str>, days: i32| links.verify(&shop(id), account, &token, start() + DAY * days);
    assert_eq!(verify("a", Some("seller-1"), 34), Ok(()));
    assert_eq!(verify("a", Some("seller-1"), 35), Err(LinkFault::Expired));
    for (id, account) in [("b", Some("seller-1")), ("a", Some("seller-2")), ("a", None)] {
        assert_eq!(verify(id, account, 0), Err(LinkFault::NotOurs), "{id} {account:?}");
    }
    let cut = &token[..token.len() - 3];
    assert_eq!(links.verify(&shop("a"), Some("seller-1"), cut, start()), Err(LinkFault::NotOurs));
}

#[tokio::test]
async fn tokens_that_cannot_be_renewed_must_say_when_they_end() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    bench.market().end = crate::channels::OwnersEnd::Never;
    let handed = |json: &str| HandedIn::parse(&Secret::new(json)).unwrap();
    let error = bench.keeper.hand_in(&shop("a"), handed(r#"{"access_token": "x", "account": "seller-1"}"#)).await;
    assert!(error.unwrap_err().to_string().ends_with("state `ends_at`"));
    assert_eq!(bench.authorization("a").await, None);
    let with = r#"{"access_token": "x", "account": "seller-1", "ends_at": "2028-01-01T00:00:00Z"}"#;
    bench.keeper.hand_in(&shop("a"), handed(with)).await.unwrap();
    let after = bench.authorization("a").await.unwrap();
    assert_eq!(after.ends.unwrap().source, EndSource::Configured);
    assert_eq!(after.access_token.ends_at, after.ends.unwrap().at, "it ends with the permission");
}

#[tokio::test]
async fn tokens_of_others_are_refused_in_words_for_whoever_has_tokens() {
    let bench = Bench::authorized(&["a", "b"]).await;
    let tokens = |account: &str| {
        handed(&format!(r#"{{"access_token": "x", "refresh_token": "y", "account": "{account}"}}"#)).unwrap()
    };
    let refused = bench.keeper.hand_in(&shop("a"), tokens("seller-2")).await.unwrap_err();
    insta::assert_snapshot!(refused, @"the tokens are of account `seller-2`, but shop `a` belongs to account `Seller seller-1 (seller-1)`; nothing was changed. Hand in tokens of `Seller seller-1 (seller-1)`");
    bench.market().covers.remove("a");
    let refused = bench.keeper.hand_in(&shop("a"), tokens("seller-1")).await.unwrap_err();
    insta::assert_snapshot!(refused, @"the tokens are of account `seller-1`, and shop `a` is not among what they open (Stall b (b)); nothing was changed. Hand in tokens of the account of this shop, or correct the settings of `a`");
    assert!(refused.is_refusal());
    assert_eq!(bench.market().refreshes, 0);
    bench.keeper.hand_in(&shop("b"), tokens("Seller seller-1")).await.unwrap();
    assert_eq!(bench.authorization("b").await.unwrap().account.account, "seller-1");
}

#[tokio::test]
async fn what_stays_held_after_a_consent_is_said() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    assert_eq!(bench.consent("a").await.unwrap().what_follows(), "what was held runs now");
    let pause = async |id: &str| {
        let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
        tx.set_paused(&shop(id), true).await.unwrap();
        tx.commit().await.unwrap();
    };
    pause("b").await;
    let told = bench.consent("a").await.unwrap().what_follows();
    insta::assert_snapshot!(told, @"what was held runs now, but shop `b` stays paused until `shopsyncd shops resume b`");
    pause("a").await;
    let told = bench.consent("a").await.unwrap().what_follows();
    insta::assert_snapshot!(told, @"shop `a` stays paused until `shopsyncd shops resume a`, and shop `b` stays paused until `shopsyncd shops resume b`");

    let off = Bench::new(&["a"], Period::None).await;
    let told = off.consent("a").await.unwrap().what_follows();
    insta::assert_snapshot!(told, @r#"the jobs of shop `a` stay held, since its `authorization_refresh` is "None""#);
}

#[tokio::test]
async fn the_very_tokens_on_record_handed_in_are_renewed_as_any_day() {
    let bench = Bench::authorized(&["a"]).await;
    let json = r#"{"access_token": "access-1", "refresh_token": "refresh-1", "account": "seller-1"}"#;
    bench.market().script.push_back(Next::LoseReply);
    let error = bench.keeper.hand_in(&shop("a"), handed(json).unwrap()).await.unwrap_err();
    assert!(matches!(error, ConsentError::RenewalUnheard { .. }), "{error}");
    assert_eq!(bench.authorization("a").await.unwrap().intent.map(|intent| intent.unanswered), Some(0));
    bench.clock.advance(LATER);
    let consented = bench.keeper.hand_in(&shop("a"), handed(json).unwrap()).await.unwrap();
    assert_eq!(consented.shops, [shop("a")]);
    assert_eq!(bench.market().spent["refresh-1"], 2, "the way out is taken once");
    let after = bench.authorization("a").await.unwrap();
    assert_eq!((after.grant_number, after.intent), (2, None));
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-3");
}

#[tokio::test]
async fn tokens_handed_in_are_spent_by_whoever_may_renew_the_account_and_not_before_the_store_was_written() {
    let bench = Bench::authorized(&["a"]).await;
    let tokens = || handed(r#"{"access_token": "x", "refresh_token": "y", "account": "seller-1"}"#).unwrap();
    let id = bench.authorization("a").await.unwrap().id;
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    let peer = crate::domain::InstanceId("two".into());
    let lease = tx.take_lease(&id.lease_name(), &peer, 0).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let keeper = bench.keeper.clone();
    let waits = tokio::spawn(async move { keeper.hand_in(&shop("a"), tokens()).await });
    let error = in_time(&bench.clock, waits).await.unwrap().unwrap_err();
    assert!(matches!(error, ConsentError::UnderWay(_)) && !error.is_refusal(), "{error}");
    assert_eq!(bench.market().refreshes, 0);
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    tx.give_back(&lease).await.unwrap();
    tx.commit().await.unwrap();
    bench.keeper.hand_in(&shop("a"), tokens()).await.unwrap();
    let lines = bench.store.read(bench.clock.now()).await.unwrap().journal(Some(&shop("a")), 50).await.unwrap();
    assert!(lines.iter().any(|(_, _, event, ..)| event == "authorization.handed_in"), "{lines:?}");
    bench.clock.advance(LATER);
    bench.keeper.access(&shop("a")).await.unwrap();
}

#[tokio::test]
async fn tokens_handed_in_do_not_replace_those_of_another_shop_whose_account_only_their_bringer_names() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    bench.market().covers = ["a".into()].into();
    bench.consent("a").await.unwrap();
    bench.market().proves_account = false;
    bench.market().covers = ["a".into(), "b".into()].into();
    let tokens = handed(r#"{"access_token": "x", "refresh_token": "y", "account": "seller-1"}"#).unwrap();
    let error = bench.keeper.hand_in(&shop("b"), tokens).await.unwrap_err();
    assert!(matches!(error, ConsentError::OnRecordElsewhere { .. }), "{error}");
    assert_eq!(bench.market().refreshes, 0);
}
