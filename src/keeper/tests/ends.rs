//! Permissions that end, looks that notice it, and what brings the shops back.

use super::*;

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
    // The owner consents at another instance while the exchange is under way; then the channel refuses the old token.
    let state = bench.begin("a", Some("browser")).await;
    bench.finish_at(&bench.another(), &state, Some("browser")).await.unwrap();
    go_on.notify_one();
    assert_eq!(token(&run.await.unwrap().unwrap()), "access-2");
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Active);
}

#[tokio::test]
async fn a_look_waits_for_a_consent_whose_code_is_being_traded() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    bench.market().exchange_waits = Some((Arc::clone(&begun), Arc::clone(&go_on)));
    // From now on the channel takes the old tokens for nothing.
    bench.market().spent.insert("refresh-1".into(), 3);
    let state = bench.begin("a", Some("browser")).await;
    let (access, consented) = tokio::join!(
        async {
            begun.notified().await;
            let a = shop("a");
            let much_later = async {
                for _ in 0..1_000 {
                    tokio::task::yield_now().await;
                }
                go_on.notify_one();
            };
            tokio::join!(bench.keeper.access(&a), much_later).0
        },
        bench.finish(&state, Some("browser")),
    );
    consented.unwrap();
    assert_eq!(token(&access.unwrap()), "access-2");
    assert_eq!(bench.market().refreshes, 0);
    assert_eq!(bench.mails().await, ["renewed"]);
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
    assert_eq!(bench.mails().await, ["ended", "operator"]);
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

async fn alarmed(bench: &Bench, id: &str) -> bool {
    bench.holds(id).await == [Some(Hold::AppAlarm); 3]
}

#[tokio::test]
async fn a_refused_app_leaves_the_shops_of_another_app_alone_and_is_told_by_its_own_keys() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    bench.market().apps = [("a".into(), "other".into())].into();
    for id in ["a", "b"] {
        bench.settle(id).await;
        bench.market().covers = [id.into()].into();
        bench.market().account = format!("seller of {id}");
        bench.consent(id).await.unwrap();
    }
    let refused = failed(Failure::AppCredentialRejected { why: "bad secret".into() });
    bench.keeper.note_failure(&shop("a"), None, &refused).await.unwrap();
    assert_eq!((alarmed(&bench, "a").await, alarmed(&bench, "b").await), (true, false));
    let error = bench.keeper.access(&shop("a")).await.unwrap_err();
    assert_eq!(
        error.remedy(),
        "check `other_id` and `other_secret` of channel `market`, then `shopsyncd shops test a`"
    );
    bench.keeper.access(&shop("b")).await.unwrap();

    // A call that works ends the alarm of its own app alone.
    bench.keeper.note_failure(&shop("b"), None, &refused).await.unwrap();
    assert_eq!(bench.mails().await, ["operator", "operator"], "the other app has keys of its own to mend");
    bench.keeper.test(&shop("b")).await.unwrap();
    assert_eq!((alarmed(&bench, "a").await, alarmed(&bench, "b").await), (true, false));
    bench.clock.advance(LATER);
    bench.keeper.test(&shop("a")).await.unwrap();
    assert_eq!(bench.holds("a").await, [None; 3]);
}

#[tokio::test]
async fn apps_with_the_same_credentials_are_alarmed_together_and_once() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    bench.market().apps = [("a".into(), "client north".into()), ("b".into(), "client south".into())].into();
    bench.market().one_client = true;
    for id in ["a", "b"] {
        bench.settle(id).await;
        bench.market().covers = [id.into()].into();
        bench.consent(id).await.unwrap();
    }
    let refused = failed(Failure::AppCredentialRejected { why: "bad secret".into() });
    for id in ["a", "b"] {
        bench.keeper.note_failure(&shop(id), None, &refused).await.unwrap();
    }
    assert_eq!((alarmed(&bench, "a").await, alarmed(&bench, "b").await), (true, true));
    assert_eq!(bench.mails().await, ["operator"]);
    bench.keeper.test(&shop("b")).await.unwrap();
    assert_eq!((alarmed(&bench, "a").await, alarmed(&bench, "b").await), (false, false));
}

#[tokio::test]
async fn new_credentials_of_the_app_end_the_alarm_at_once() {
    let bench = Bench::authorized(&["a"]).await;
    let refused = Failure::AppCredentialRejected { why: "bad secret".into() };
    bench.keeper.note_failure(&shop("a"), None, &failed(refused)).await.unwrap();
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
    let wanted = async || bench.authorization("a").await.unwrap().refresh_at();
    let first = wanted().await;
    assert_eq!(bench.next_look("a").await, Some(first));
    bench.clock.advance(LATER);
    bench.keeper.access(&shop("a")).await.unwrap();
    assert_eq!(bench.next_look("a").await, Some(wanted().await));
    assert_eq!(wanted().await, first + LATER, "as long after the renewal as after the consent");
}

#[tokio::test]
async fn a_look_proves_once_a_day_and_renews_when_it_is_time() {
    let bench = Bench::authorized(&["a"]).await;
    let a = shop("a");
    assert_eq!(bench.keeper.look(&a).await.unwrap(), Looked { refreshed: false, probed: true });
    assert_eq!(bench.keeper.look(&a).await.unwrap(), Looked { refreshed: false, probed: false });
    bench.clock.set(bench.authorization("a").await.unwrap().refresh_at());
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
    assert_eq!(bench.mails().await, ["ended", "operator"]);
    assert_eq!(bench.market().refreshes, 0);
    // The next look comes in a day, and changes nothing while the end stays where it is.
    assert_eq!(bench.next_look("a").await, Some(start() + DAY * 366));
    bench.clock.advance(DAY);
    bench.keeper.look(&shop("a")).await.unwrap_err();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Lapsed);
    assert_eq!(bench.mails().await, ["ended", "operator"]);
    assert_eq!(bench.waiting("a").await, []);

    bench.market().ends_at = Some(start() + DAY * 800);
    bench.consent("a").await.unwrap();
    for id in ["a", "b"] {
        assert_eq!(bench.holds(id).await, [None; 3], "{id}");
        let jobs = JobKind::OF_SHOPS.map(|job| (job, Trigger::Renewal));
        assert_eq!(bench.waiting(id).await, jobs, "{id}");
    }
    assert_eq!(bench.mails().await, ["ended", "operator", "renewed"]);
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
    // Its people are told once, however long it lasts.
    assert_eq!(bench.obstacles().await, [r#"Shop a: Closed("holiday")"#]);
    bench.clock.advance(DAY);
    bench.keeper.look(&shop("a")).await.unwrap_err();
    assert_eq!(bench.mails().await, ["reminder"]);
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
    bench.keeper.note_failure(&shop("a"), None, &failed(ended("old token"))).await.unwrap();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Active);
    bench.market().probe = Some(ended("gone"));
    bench.keeper.note_failure(&shop("a"), None, &failed(ended("gone"))).await.unwrap();
    let after = bench.authorization("a").await.unwrap();
    assert_eq!((after.state, after.why.as_deref()), (AuthorizationState::Revoked, Some("gone")));
}

#[tokio::test]
async fn a_missing_right_holds_and_a_new_consent_clears_it() {
    let bench = Bench::authorized(&["a"]).await;
    let missing = Failure::ScopeMissing { scope: "product.write".into() };
    bench.keeper.note_failure(&shop("a"), None, &failed(missing)).await.unwrap();
    assert_eq!(bench.holds("a").await, [Some(Hold::ScopeMissing); 3]);
    assert_eq!(bench.obstacles().await, [r#"Shop a: ScopeMissing("product.write")"#]);
    bench.consent("a").await.unwrap();
    assert_eq!(bench.holds("a").await, [None; 3]);
    assert_eq!(bench.obstacles().await, Vec::<String>::new(), "what has passed before the mail left is not told");
}

#[tokio::test]
async fn what_befalls_all_shops_of_an_account_is_told_once() {
    let bench = Bench::authorized(&["a", "b", "c"]).await;
    let missing = Failure::ScopeMissing { scope: "product.write".into() };
    for id in ["b", "a", "c"] {
        bench.keeper.note_failure(&shop(id), None, &failed(missing.clone())).await.unwrap();
    }
    assert_eq!(bench.obstacles().await, [r#"Shop a, Shop b, Shop c: ScopeMissing("product.write")"#]);
    for id in ["a", "b"] {
        let closed = Failure::ShopClosed { why: "holiday".into() };
        bench.keeper.note_failure(&shop(id), None, &failed(closed)).await.unwrap();
    }
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    let first = tx.mails(None, 10).await.unwrap().pop().unwrap();
    let gathered = crate::notices::gather(&mut tx, &bench.people.load(), first).await.unwrap().unwrap();
    let letter = crate::notices::letter(&mut tx, &bench.people.load(), &gathered).await.unwrap();
    tx.commit().await.unwrap();
    assert!(matches!(letter, Some((crate::mail::Letter::Obstacles(all), _)) if all.len() == 3), "in one mail");
    let mut tx = bench.store.read(bench.clock.now()).await.unwrap();
    assert_eq!(tx.mails(Some(crate::store::MailState::Owed), 10).await.unwrap().len(), 1);
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

#[tokio::test]
async fn tokens_that_cannot_be_renewed_and_are_refused_end_with_the_owner() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    bench.market().renewable = false;
    bench.consent("a").await.unwrap();
    bench.market().probe = Some(Failure::TokenRejected);
    let error = bench.keeper.test(&shop("a")).await.unwrap_err();
    assert!(matches!(error, KeeperError::Held { hold: Hold::Revoked, .. }), "{error}");
    let known = bench.authorization("a").await.unwrap();
    assert_eq!(known.state, AuthorizationState::Revoked);
    assert!(known.why.unwrap().contains("cannot be renewed"));
    assert_eq!(bench.market().refreshes, 0);
}

#[tokio::test]
async fn a_token_that_is_refused_again_after_its_renewal_ends_the_permission_and_is_not_renewed_for_ever() {
    let bench = Bench::authorized(&["a", "b"]).await;
    bench.market().probe = Some(Failure::TokenRejected);
    let error = bench.keeper.test(&shop("a")).await.unwrap_err();
    assert!(matches!(error, KeeperError::Held { hold: Hold::Revoked, .. }), "{error}");
    let known = bench.authorization("a").await.unwrap();
    assert_eq!(known.state, AuthorizationState::Revoked);
    assert!(known.why.unwrap().starts_with("the channel renewed the access token and refuses the new one, too"));
    assert_eq!(bench.market().refreshes, 1);
    assert_eq!(bench.mails().await, ["ended", "operator"]);
    // A daily look renews, which proves nothing: the shops stay held until a live call is accepted.
    for day in 1..4 {
        bench.clock.advance(DAY);
        bench.keeper.look(&shop("a")).await.unwrap_err();
        assert_eq!(bench.holds("b").await, [Some(Hold::Revoked); 3]);
        assert_eq!(bench.market().refreshes, 1 + day);
    }
    assert_eq!((bench.waiting("a").await, bench.waiting("b").await), (vec![], vec![]));
    assert_eq!(bench.mails().await, ["ended", "operator"]);
    bench.market().probe = None;
    bench.clock.advance(DAY);
    bench.keeper.look(&shop("a")).await.unwrap();
    assert_eq!(bench.holds("b").await, [None; 3]);
}

#[tokio::test]
async fn a_token_that_one_call_alone_refuses_ends_nothing_and_is_renewed_once() {
    let bench = Bench::authorized(&["a"]).await;
    for _ in 0..5 {
        let called = bench
            .keeper
            .call(&shop("a"), JobKind::ProductImport, |_| async { Err::<(), _>(failed(Failure::TokenRejected)) })
            .await;
        assert_eq!(called.unwrap_err().failure(), Failure::TokenRejected);
    }
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Active);
    assert_eq!(bench.market().refreshes, 1);
}

#[tokio::test]
async fn a_token_that_is_refused_again_in_its_last_hour_has_lapsed() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.set(start() + DAY * 365 - SignedDuration::from_mins(30));
    bench.market().probe = Some(Failure::TokenRejected);
    bench.keeper.test(&shop("a")).await.unwrap_err();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Lapsed);
    assert_eq!(bench.mails().await, ["ended", "operator"]);
}

#[tokio::test]
async fn a_permission_given_to_another_app_counts_as_none_until_that_app_is_named_again() {
    let bench = Bench::authorized(&["a", "b"]).await;
    bench.market().app = "another app".into();
    for id in ["a", "b"] {
        bench.settle(id).await;
        assert_eq!(bench.holds(id).await, [Some(Hold::Pending); 3], "{id}");
    }
    bench.clock.advance(LATER);
    let error = bench.keeper.access(&shop("a")).await.unwrap_err();
    insta::assert_snapshot!(error, @"shop `a`: its authorization was given to the app `app`, and the settings name another one now");
    bench.keeper.look(&shop("b")).await.unwrap_err();
    assert_eq!(bench.market().refreshes, 0, "another app's tokens are not spent in its name");
    bench.market().app = "app".into();
    bench.settle("a").await;
    assert_eq!(bench.holds("a").await, [None; 3]);
    bench.keeper.access(&shop("a")).await.unwrap();

    // Whoever authorizes the new app need not be the old account, and stays when the old app's word comes.
    bench.market().app = "another app".into();
    bench.settle("a").await;
    bench.market().account = "seller-2".into();
    assert_eq!(bench.consent("a").await.unwrap().shops, [shop("a"), shop("b")]);
    assert_eq!(bench.holds("a").await, [None; 3]);
    let known = bench.authorization("a").await.unwrap().account;
    assert_eq!((known.app.as_str(), known.account.as_str()), ("another app", "seller-2"));
}

#[tokio::test]
async fn the_channels_full_stop_ends_no_half_sentence() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    bench.market().script.push_back(Next::Refuse(ended("the seller took it back. Ask again.")));
    bench.keeper.access(&shop("a")).await.unwrap_err();
    let why = bench.authorization("a").await.unwrap().why.unwrap();
    assert_eq!(why, "the seller took it back. Ask again");
    let error = bench.keeper.access(&shop("a")).await.unwrap_err();
    assert!(error.to_string().ends_with("Ask again"), "{error}");
}

#[tokio::test]
async fn a_second_end_within_one_grant_is_told_as_the_first_was() {
    let bench = Bench::authorized(&["a"]).await;
    for times in 1..3 {
        bench.market().probe = Some(ended("password changed"));
        bench.keeper.note_failure(&shop("a"), None, &failed(ended("password changed"))).await.unwrap();
        assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Revoked);
        let mails = bench.mails().await;
        let told = |kind: &str| mails.iter().filter(|mail| *mail == kind).count();
        assert_eq!((told("ended"), told("operator")), (times, times), "{mails:?}");
        bench.market().probe = None;
        bench.clock.advance(DAY);
        bench.keeper.look(&shop("a")).await.unwrap();
        let known = bench.authorization("a").await.unwrap();
        assert_eq!((known.state, known.grant_number), (AuthorizationState::Active, 1));
    }
}

#[tokio::test]
async fn a_missing_right_that_a_probe_does_not_ask_for_is_cleared_by_the_job_that_missed_it() {
    let bench = Bench::authorized(&["a"]).await;
    let missing = || failed(Failure::ScopeMissing { scope: "listings".into() });
    let import = JobKind::ProductImport;
    for day in 0..3 {
        bench.keeper.call(&shop("a"), import, |_| async { Err::<(), _>(missing()) }).await.unwrap_err();
        assert_eq!(bench.holds("a").await, [Some(Hold::ScopeMissing); 3], "day {day}");
        bench.clock.advance(DAY);
        bench.clear_runs(&["a"]).await;
        bench.keeper.look(&shop("a")).await.unwrap();
        assert_eq!(
            bench.holds("a").await,
            [Some(Hold::ScopeMissing); 3],
            "what it did not ask for, it cannot take back"
        );
        assert_eq!(bench.waiting("a").await, [(import, Trigger::Recovery)], "the job is tried");
    }
    assert_eq!(bench.mails().await, ["reminder"]);
    // Another job's call says nothing of it either.
    bench.keeper.call(&shop("a"), JobKind::ProductExport, |_| async { Ok(()) }).await.unwrap();
    assert_eq!(bench.holds("a").await, [Some(Hold::ScopeMissing); 3]);
    bench.keeper.call(&shop("a"), import, |_| async { Ok(()) }).await.unwrap();
    assert_eq!(bench.holds("a").await, [None; 3]);
    // What is missing again was never had, until the owner consents anew.
    bench.keeper.call(&shop("a"), import, |_| async { Err::<(), _>(missing()) }).await.unwrap_err();
    assert_eq!(bench.mails().await, ["reminder"]);
    bench.consent("a").await.unwrap();
    bench.keeper.call(&shop("a"), import, |_| async { Err::<(), _>(missing()) }).await.unwrap_err();
    assert_eq!(bench.mails().await.iter().filter(|mail| *mail == "reminder").count(), 2);
}

#[tokio::test]
async fn a_place_that_left_a_living_permission_holds_its_shop_alone() {
    for refused_again in [false, true] {
        let bench = Bench::authorized(&["a", "b"]).await;
        bench.market().probe = Some(Failure::ScopeMissing { scope: "the shop".into() });
        if refused_again {
            bench.keeper.note_refused_again(&shop("b")).await.unwrap();
        } else {
            bench.keeper.note_failure(&shop("b"), Some(JobKind::ProductImport), &failed(ended("gone"))).await.unwrap();
        }
        assert_eq!(bench.holds("b").await, [Some(Hold::ScopeMissing); 3]);
        assert_eq!(bench.holds("a").await, [None; 3]);
        assert_eq!(bench.authorization("b").await.unwrap().state, AuthorizationState::Active);
    }
}

#[tokio::test]
async fn a_consent_proves_the_app_and_ends_its_alarm() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    for (id, account) in [("a", "seller-1"), ("b", "seller-2")] {
        bench.market().covers = [id.into()].into();
        bench.market().account = account.into();
        bench.consent(id).await.unwrap();
    }
    let refused = failed(Failure::AppCredentialRejected { why: "bad secret".into() });
    bench.keeper.note_failure(&shop("a"), None, &refused).await.unwrap();
    assert!(alarmed(&bench, "a").await && alarmed(&bench, "b").await);
    bench.consent("b").await.unwrap();
    for id in ["a", "b"] {
        assert_eq!(bench.holds(id).await, [None; 3], "{id}");
    }
}

#[tokio::test]
async fn at_start_and_reload_one_shop_of_a_refused_app_is_looked_at() {
    let bench = Bench::authorized(&["a", "b"]).await;
    let refused = failed(Failure::AppCredentialRejected { why: "bad secret".into() });
    bench.keeper.note_failure(&shop("a"), None, &refused).await.unwrap();
    bench.clock.advance(LATER);
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    crate::keeper::look_at_alarmed(&mut tx, &bench.keeper.shops().all()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(bench.next_look("a").await, Some(bench.clock.now()));
    assert_eq!(bench.next_look("b").await, Some(start() + DAY));
    bench.keeper.look(&shop("a")).await.unwrap();
    for id in ["a", "b"] {
        assert_eq!(bench.holds(id).await, [None; 3], "{id}");
    }
}

#[tokio::test]
async fn an_account_that_is_the_same_for_every_app_stays_the_one_on_record_after_the_app_changed() {
    let bench = Bench::authorized(&["a"]).await;
    bench.market().account_outlives_app = true;
    bench.market().app = "another app".into();
    bench.settle("a").await;
    bench.market().account = "seller-2".into();
    let error = bench.consent("a").await.unwrap_err();
    assert!(matches!(error, ConsentError::OtherAccount { .. }), "{error}");
    bench.market().account = "seller-1".into();
    bench.consent("a").await.unwrap();
    assert_eq!(bench.holds("a").await, [None; 3]);
}
