//! Tokens renewed: one at a time, never spent twice, and what a lost answer means.

use super::*;

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
    let keeper = bench.keeper.clone();
    let first = tokio::spawn(async move { keeper.access(&shop("a")).await });
    begun.notified().await;
    let second = tokio::spawn(async move { other.access(&shop("a")).await });
    go_on.notify_one();
    assert_eq!(token(&first.await.unwrap().unwrap()), "access-2");
    // The other one glances at the row again whenever the clock has moved.
    let access = in_time(&bench.clock, second).await.unwrap().unwrap();
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
async fn a_reply_that_arrives_after_the_lease_has_gone_is_kept() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    bench.market().script.push_back(Next::Wait(Arc::clone(&begun), Arc::clone(&go_on)));
    let keeper = bench.keeper.clone();
    let exchange = tokio::spawn(async move { keeper.access(&shop("a")).await });
    begun.notified().await;
    // Somebody else declares this instance dead, and takes the lease for a while.
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    let peer = crate::domain::InstanceId("peer".to_owned());
    tx.void_others(&peer).await.unwrap();
    let id = bench.authorization("a").await.unwrap().id;
    let lease = tx.take_lease(&id.lease_name(), &peer, 0).await.unwrap().unwrap();
    tx.give_back(&lease).await.unwrap();
    tx.commit().await.unwrap();
    go_on.notify_one();
    assert_eq!(token(&exchange.await.unwrap().unwrap()), "access-2");
    assert_eq!(token(&bench.another().access(&shop("a")).await.unwrap()), "access-2", "it is stored");
    assert_eq!(bench.market().refreshes, 1);
    bench.clock.advance(LATER);
    assert_eq!(token(&bench.another().access(&shop("a")).await.unwrap()), "access-3", "the lease was given back");
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

/// How long a marketplace that did not answer is given where the access token has ended.
const PAUSE: SignedDuration = SignedDuration::from_mins(10);

#[tokio::test]
async fn a_lost_reply_is_repeated_once_by_the_channels_way_out_and_not_at_once() {
    let bench = Bench::authorized(&["a", "b"]).await;
    bench.clock.advance(LATER);
    bench.market().script.push_back(Next::LoseReply);
    let begun = bench.clock.now();
    let retry = Failure::Unavailable { retry_at: Some(begun + PAUSE) };
    // Whoever queued behind it, for whichever shop of the account, spends nothing.
    let (a, b) = (shop("a"), shop("b"));
    let (one, two, three) = tokio::join!(bench.keeper.access(&a), bench.keeper.access(&b), bench.keeper.access(&a));
    for outcome in [one, two, three] {
        assert_eq!(outcome.unwrap_err().failure(), retry);
    }
    bench.clock.advance(PAUSE - SignedDuration::from_secs(1));
    assert_eq!(bench.another().access(&shop("b")).await.unwrap_err().failure(), retry);
    assert_eq!(bench.market().refreshes, 1);
    bench.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(token(&bench.keeper.access(&shop("b")).await.unwrap()), "access-3");
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-3");
    assert_eq!(bench.market().spent["refresh-1"], 2);
    let after = bench.authorization("a").await.unwrap();
    assert_eq!((after.state, after.intent), (AuthorizationState::Active, None));
}

#[tokio::test]
async fn while_the_access_token_works_a_lost_reply_stops_nobody_and_is_repeated_after_a_quarter_of_what_is_left() {
    let bench = Bench::authorized(&["a", "b"]).await;
    let before = bench.authorization("a").await.unwrap();
    bench.keeper.look(&shop("a")).await.unwrap();
    bench.clock.set(before.refresh_at());
    bench.market().script.push_back(Next::LoseReply);
    let left = before.access_token.ends_at.duration_since(before.refresh_at());
    let retry_at = before.refresh_at() + SignedDuration::from_millis((left / 4).as_millis() as i64);
    let error = bench.keeper.look(&shop("a")).await.unwrap_err();
    assert_eq!(error.failure(), Failure::Unavailable { retry_at: Some(retry_at) });
    // The look of the other shop ends well: there is a token, and the next look comes with the repetition.
    let looked = bench.keeper.look(&shop("b")).await.unwrap();
    assert!(!looked.refreshed, "{looked:?}");
    assert_eq!(bench.next_look("b").await, Some(retry_at));
    assert_eq!(token(&bench.keeper.access(&shop("b")).await.unwrap()), "access-1");
    assert_eq!(bench.market().refreshes, 1);
    bench.clock.set(retry_at);
    assert!(bench.keeper.look(&shop("b")).await.unwrap().refreshed);
    assert_eq!(bench.mails().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_marketplace_that_is_silent_for_days_costs_nothing() {
    for from in [SignedDuration::from_hours(3), LATER] {
        let bench = Bench::authorized(&["a", "b"]).await;
        bench.clock.advance(from);
        bench.market().silent = true;
        for _ in 0..50 {
            for id in ["a", "b"] {
                // What nobody answers is not the word of the marketplace.
                let known = bench.keeper.look(&shop(id)).await.err().map(|error| error.failure());
                assert!(matches!(known, None | Some(Failure::Unavailable { .. })), "{known:?}");
                assert_eq!(bench.authorization(id).await.unwrap().state, AuthorizationState::Active);
            }
            bench.clock.advance(SignedDuration::from_hours(1));
        }
        assert_eq!(
            bench.market().refreshes,
            1,
            "after the first, whether it answers was asked by calls that spend nothing"
        );
        bench.market().silent = false;
        assert_eq!(token(&bench.keeper.access(&shop("b")).await.unwrap()), "access-2");
        assert_eq!(bench.mails().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn replies_that_are_lost_while_the_access_token_works_end_nothing_before_it_has_ended() {
    let bench = Bench::authorized(&["a"]).await;
    let before = bench.authorization("a").await.unwrap();
    bench.clock.set(before.refresh_at());
    // Its tokens are on a host of their own, which hangs while the shop's calls work.
    bench.market().script.extend([Next::Silent, Next::Silent]);
    bench.keeper.look(&shop("a")).await.unwrap_err();
    bench.clock.advance(SignedDuration::from_mins(15));
    let error = bench.keeper.look(&shop("a")).await.unwrap_err();
    let end = before.access_token.ends_at;
    assert_eq!(error.failure(), Failure::Unavailable { retry_at: Some(end) });
    bench.clock.set(end - SignedDuration::from_mins(2));
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-1");
    assert_eq!(bench.market().refreshes, 2);
    bench.clock.set(end);
    let error = bench.keeper.look(&shop("a")).await.unwrap_err();
    assert!(matches!(error, KeeperError::Held { hold: Hold::Revoked, .. }), "{error}");
    assert!(bench.authorization("a").await.unwrap().why.unwrap().contains("was sent twice"));
    assert_eq!(bench.market().refreshes, 2, "the way out is taken once");
}

#[tokio::test]
async fn a_lost_reply_is_repeated_soon_where_the_channel_refuses_the_access_token() {
    for answered in [true, false] {
        let bench = Bench::authorized(&["a"]).await;
        let refused = bench.keeper.access(&shop("a")).await.unwrap();
        // It acted, and with that the access token is of no use any more.
        bench.market().script.push_back(Next::LoseReply);
        bench.keeper.rejected(&shop("a"), &refused).await.unwrap_err();
        bench.keeper.rejected(&shop("a"), &refused).await.unwrap_err();
        assert_eq!(bench.market().refreshes, 1);
        bench.clock.advance(SignedDuration::from_secs(5));
        if answered {
            assert_eq!(token(&bench.keeper.rejected(&shop("a"), &refused).await.unwrap()), "access-3");
        } else {
            bench.market().script.push_back(Next::LoseReply);
            let error = bench.keeper.rejected(&shop("a"), &refused).await.unwrap_err();
            assert!(matches!(error, KeeperError::Held { hold: Hold::Revoked, .. }), "{error}");
        }
    }
}

#[tokio::test]
async fn two_lost_replies_end_with_the_owner_and_the_true_reason() {
    let bench = Bench::authorized(&["a", "b"]).await;
    bench.clock.advance(LATER);
    bench.market().script.extend([Next::LoseReply, Next::LoseReply]);
    bench.keeper.access(&shop("a")).await.unwrap_err();
    bench.clock.advance(PAUSE);
    let error = bench.keeper.access(&shop("a")).await.unwrap_err();
    assert!(matches!(error, KeeperError::Held { hold: Hold::Revoked, .. }), "{error}");
    let after = bench.authorization("a").await.unwrap();
    assert_eq!(after.state, AuthorizationState::Revoked);
    insta::assert_snapshot!(after.why.unwrap(), @"a renewal of the tokens was sent twice (last begun 2026-01-10T17:10:00Z) and no answer arrived, so they may be spent and the new ones lost");
    assert_eq!(bench.mails().await, ["ended", "operator"]);
    // Nobody spends them a third time: neither a job nor a look of the same day.
    bench.keeper.access(&shop("a")).await.unwrap_err();
    bench.keeper.look(&shop("b")).await.unwrap_err();
    assert_eq!(bench.market().refreshes, 2);
    // The owner has been asked: a look a day later, for whichever of the shops, can only help.
    bench.market().silent = true;
    bench.clock.advance(DAY);
    bench.keeper.look(&shop("b")).await.unwrap_err();
    assert_eq!(bench.market().refreshes, 2, "not while nobody answers");
    bench.market().silent = false;
    bench.market().repeats = false;
    bench.keeper.look(&shop("a")).await.unwrap_err();
    bench.keeper.look(&shop("b")).await.unwrap_err();
    let after = bench.authorization("a").await.unwrap();
    assert!(after.why.unwrap().contains("the channel refused its repetition"));
    assert_eq!(bench.mails().await, ["ended", "operator"]);
}

#[tokio::test]
async fn an_answer_that_nobody_can_read_may_have_spent_the_tokens_and_is_repeated_once() {
    for refused in [true, false] {
        let bench = Bench::authorized(&["a"]).await;
        bench.clock.advance(LATER);
        // It acted, and answered with a page that says nothing of tokens.
        bench.market().script.push_back(Next::SpoilReply);
        bench.keeper.access(&shop("a")).await.unwrap_err();
        let doubt = bench.authorization("a").await.unwrap().intent.unwrap();
        assert_eq!((doubt.begun_at, doubt.unanswered), (start() + LATER, 0));
        bench.clock.advance(PAUSE);
        if refused {
            bench.market().repeats = false;
        } else {
            bench.market().script.push_back(Next::OutOfOrder);
        }
        bench.keeper.access(&shop("a")).await.unwrap_err();
        let after = bench.authorization("a").await.unwrap();
        assert_eq!(after.state, AuthorizationState::Revoked);
        let why = after.why.unwrap();
        if refused {
            insta::assert_snapshot!(why, @"the answer to a renewal of the tokens begun 2026-01-10T17:00:00Z told nothing, and the channel refused its repetition: this refresh token was used");
        } else {
            insta::assert_snapshot!(why, @"a renewal of the tokens was sent twice (last begun 2026-01-10T17:10:00Z) and the answer told nothing, so they may be spent and the new ones lost");
        }
        assert_eq!(bench.mails().await, ["ended", "operator"]);
        assert_eq!(bench.market().refreshes, 2);
    }
}

#[tokio::test]
async fn a_permission_that_silence_ended_comes_back_with_the_daily_look() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    // Neither exchange was ever acted upon.
    bench.market().script.extend([Next::Silent, Next::Silent]);
    bench.keeper.access(&shop("a")).await.unwrap_err();
    bench.clock.advance(PAUSE);
    bench.keeper.access(&shop("a")).await.unwrap_err();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Revoked);
    bench.clock.advance(DAY);
    bench.keeper.look(&shop("a")).await.unwrap();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Active);
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-2");
    assert_eq!(bench.holds("a").await, [None; 3]);
}

#[tokio::test]
async fn a_repetition_that_is_refused_says_that_an_answer_was_lost() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    bench.market().repeats = false;
    bench.market().script.push_back(Next::LoseReply);
    bench.keeper.access(&shop("a")).await.unwrap_err();
    bench.clock.advance(PAUSE);
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
        bench.clock.advance(PAUSE);
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
    bench.clock.advance(PAUSE);
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
async fn a_token_host_that_is_out_of_order_is_asked_twice_while_the_access_token_works() {
    let bench = Bench::authorized(&["a"]).await;
    let before = bench.authorization("a").await.unwrap();
    bench.clock.set(before.refresh_at());
    bench.market().script.extend([Next::OutOfOrder, Next::OutOfOrder]);
    for _ in 0..before.access_token.ends_at.duration_since(before.refresh_at()).as_mins() {
        let _ = bench.keeper.look(&shop("a")).await;
        assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-1");
        bench.clock.advance(SignedDuration::from_mins(1));
    }
    assert_eq!(bench.market().refreshes, 2, "the way out is taken once");
    assert_eq!(bench.mails().await, Vec::<String>::new());
    bench.clock.set(before.access_token.ends_at);
    bench.keeper.look(&shop("a")).await.unwrap_err();
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Revoked);
    assert_eq!(bench.mails().await, ["ended", "operator"], "the owner is asked");
    assert_eq!(bench.market().refreshes, 2);
    bench.clock.advance(DAY);
    bench.keeper.look(&shop("a")).await.unwrap();
    assert_eq!(bench.holds("a").await, [None; 3], "and the daily look finds that it works");
}

#[tokio::test]
async fn an_intent_found_after_a_crash_is_repeated_once() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    let id = bench.authorization("a").await.unwrap().id;
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    let holder = crate::domain::InstanceId("two".into());
    let lease = tx.take_lease(&id.lease_name(), &holder, 20_000).await.unwrap().unwrap();
    assert!(tx.note_intent(id, 1, &lease).await.unwrap());
    tx.remove_instance(&holder).await.unwrap();
    tx.commit().await.unwrap();
    bench.market().spent.insert("refresh-1".into(), 1);
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-2");
    assert_eq!(bench.market().spent["refresh-1"], 2);
}

#[tokio::test]
async fn a_consent_does_not_wait_for_a_renewal_of_the_old_tokens_and_what_it_brought_stands() {
    // The renewal is under way here, or at a peer for which this instance waits, too; then it is answered, or refused.
    for (at_a_peer, refused) in [(false, false), (true, false), (true, true)] {
        let told = format!("at a peer: {at_a_peer}, refused: {refused}");
        let bench = Bench::authorized(&["a"]).await;
        bench.clock.advance(LATER);
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        bench.market().script.push_back(Next::Wait(Arc::clone(&begun), Arc::clone(&go_on)));
        let spender = if at_a_peer { bench.another() } else { bench.keeper.clone() };
        let renewal = tokio::spawn(async move { spender.access(&shop("a")).await });
        begun.notified().await;
        let keeper = bench.keeper.clone();
        let waits = tokio::spawn(async move { keeper.access(&shop("a")).await });

        let asked = std::time::Instant::now();
        bench.consent("a").await.unwrap();
        assert!(!at_a_peer || asked.elapsed() < EXCHANGE_UNDER_WAY, "{told}: {:?}", asked.elapsed());
        let authorized = bench.authorization("a").await.unwrap();
        assert_eq!((authorized.grant_number, authorized.state), (2, AuthorizationState::Active), "{told}");

        bench.market().spent.insert("refresh-1".into(), if refused { 2 } else { 0 });
        go_on.notify_one();
        assert_eq!(token(&renewal.await.unwrap().unwrap()), "access-2", "{told}: what the consent brought");
        while !waits.is_finished() {
            pass(&bench, 1).await;
        }
        assert_eq!(token(&waits.await.unwrap().unwrap()), "access-2", "{told}");
        assert_eq!(bench.authorization("a").await.unwrap(), authorized, "{told}: the late answer changes nothing");
        assert_eq!(bench.market().refreshes, 1, "{told}");
        assert!(!bench.mails().await.contains(&"ended".to_owned()), "{told}");

        bench.clock.advance(LATER);
        assert_ne!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-2", "{told}: the lease is free");
        assert_eq!(bench.market().refreshes, 2, "{told}");
    }
}

#[tokio::test]
async fn an_answer_that_arrived_outlives_a_database_that_is_away_for_minutes() {
    let bench = Bench::authorized(&["a"]).await;
    bench.clock.advance(LATER);
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    bench.market().script.push_back(Next::Wait(Arc::clone(&begun), Arc::clone(&go_on)));
    let (log, _kept) = Log::kept();
    let keeper = bench.keeper.clone();
    let run = tokio::spawn(async move { keeper.access(&shop("a")).await });
    begun.notified().await;
    bench.set_authorizations_away(true).await;
    go_on.notify_one();
    pass(&bench, 5).await;
    assert!(!run.is_finished());
    bench.set_authorizations_away(false).await;
    while !run.is_finished() {
        pass(&bench, 1).await;
    }
    assert_eq!(token(&run.await.unwrap().unwrap()), "access-2");
    assert_eq!(log.text().matches("new tokens have arrived and cannot be stored").count(), 1, "{}", log.text());
}

#[tokio::test]
async fn a_consent_outlives_a_database_that_is_away_for_minutes_and_a_daemon_that_stops_does_not_wait_for_ever() {
    for stops in [false, true] {
        let bench = Bench::new(&["a"], HALF_HOUR).await;
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        bench.market().exchange_waits = Some((Arc::clone(&begun), Arc::clone(&go_on)));
        let (log, _kept) = Log::kept();
        let consent = async { bench.consent("a").await };
        let meanwhile = async {
            begun.notified().await;
            bench.set_authorizations_away(true).await;
            go_on.notify_one();
            pass(&bench, 5).await;
            if stops {
                bench.keeper.drained().await;
            }
            bench.set_authorizations_away(false).await;
            pass(&bench, 1).await;
        };
        let (consented, ()) = tokio::join!(consent, meanwhile);
        assert_eq!(consented.is_ok(), !stops, "{consented:?}");
        assert_eq!(log.text().contains("could not be stored in time"), stops, "{}", log.text());
    }
}
