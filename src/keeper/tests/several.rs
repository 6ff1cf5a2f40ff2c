//! Consents that cover more than they were asked for, that nobody can place, or that the channel began by itself.

use super::*;
use crate::keeper::{By, Started};

fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn begun(bench: &Bench, pairs: &[(&str, &str)], chosen: Option<&str>) -> Result<Started, ConsentError> {
    let chosen = chosen.map(shop);
    bench.keeper.begin_started(&"market".into(), &query(pairs), "browser", chosen.as_ref()).await
}

#[tokio::test]
async fn a_consent_that_grants_several_accounts_authorizes_the_shops_of_all_of_them() {
    let bench = Bench::new(&["a", "b", "c", "d"], HALF_HOUR).await;
    bench.market().covers = ["a".into()].into();
    bench.market().more = [("seller-2".into(), ["b".into(), "c".into()].into()), ("seller-3".into(), [].into())].into();
    let consented = bench.consent("b").await.unwrap();
    assert_eq!((consented.shop, consented.account.as_str()), (shop("b"), "seller-2"), "the shop asked for comes first");
    let mut shops = consented.shops;
    shops.sort();
    assert_eq!(shops, [shop("a"), shop("b"), shop("c")]);
    let accounts = [bench.authorization("a").await, bench.authorization("c").await];
    let accounts = accounts.map(|known| known.unwrap().account.account);
    assert_eq!(accounts, ["seller-1", "seller-2"]);
    assert_eq!(bench.authorization("d").await, None);
    assert_eq!(bench.market().exchanges, 1);
}

#[tokio::test]
async fn an_account_that_the_channel_says_nothing_of_goes_on_with_its_new_tokens_if_it_is_on_record() {
    let bench = Bench::new(&["a", "b", "c"], HALF_HOUR).await;
    bench.market().covers = ["a".into()].into();
    bench.market().more = [("seller-2".into(), ["b".into()].into()), ("seller-3".into(), ["c".into()].into())].into();
    bench.market().silent_about = ["seller-3".into()].into();
    let (log, _kept) = Log::kept();
    assert_eq!(bench.consent_in_time("a").await.unwrap().shops, [shop("a"), shop("b")]);
    assert_eq!((bench.authorization("c").await, bench.holds("c").await), (None, vec![Some(Hold::Pending); 3]));
    assert_eq!(bench.waiting("c").await, []);
    assert!(log.text().contains("what account `seller-3` consented to could not be learnt"), "{}", log.text());

    bench.market().silent_about.clear();
    bench.consent("a").await.unwrap();
    bench.clear_runs(&["a", "b", "c"]).await;
    let before = bench.authorization("c").await.unwrap();
    bench.market().silent_about = ["seller-3".into()].into();
    let consented = bench.consent_in_time("b").await.unwrap();
    assert!(consented.shops.contains(&shop("c")), "{consented:?}");
    // The exchange may have been the end of the tokens before: those on record are the new ones, for the same place.
    let after = bench.authorization("c").await.unwrap();
    assert_eq!((after.grant_number, after.probed_at), (before.grant_number + 1, None), "the next look learns the rest");
    assert_eq!(bench.place("c").await, serde_json::json!({ "cipher": "c" }));
    assert_eq!(bench.waiting("c").await, JobKind::OF_SHOPS.map(|job| (job, Trigger::Renewal)));
}

#[tokio::test]
async fn tokens_that_arrived_are_not_thrown_away_because_the_next_call_is_not_answered() {
    // For a while: asked again, it tells.
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    bench.market().silent_for = Some(4);
    assert_eq!(bench.consent_in_time("a").await.unwrap().shops, [shop("a"), shop("b")]);
    assert_eq!(bench.market().exchanges, 1);
    // And where it does not tell at all: the account is on record, so its shops go on with the new tokens.
    let before = bench.authorization("a").await.unwrap();
    bench.market().silent_about = ["seller-1".into()].into();
    assert_eq!(bench.consent_in_time("b").await.unwrap().shops, [shop("a"), shop("b")]);
    let after = bench.authorization("b").await.unwrap();
    assert_eq!((after.id, after.grant_number), (before.id, before.grant_number + 1));
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-2");
    // Another account's are not taken for anybody's.
    bench.market().account = "seller-2".into();
    bench.market().silent_about = ["seller-2".into()].into();
    bench.consent_in_time("a").await.unwrap_err();
    assert_eq!(bench.authorization("a").await.unwrap(), after);
}

#[tokio::test]
async fn the_same_place_of_sale_under_two_entries_is_refused_and_changes_nothing() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    let one_place = |market: &mut pretend::Market| {
        market.places = [("a".into(), "main".into()), ("b".into(), "main".into())].into();
        market.covers = ["main of seller-1".into()].into();
    };
    one_place(&mut bench.market());
    let consented = bench.consent("a").await.unwrap();
    assert_eq!(consented.shops, [shop("a")], "whose the other entry is, nobody can tell");
    let error = bench.consent("b").await.unwrap_err();
    assert!(
        matches!(&error, ConsentError::SamePlace { shop, other, .. } if shop.as_str() == "b" && other.as_str() == "a")
    );
    assert!(error.to_string().contains("shop `b` is the same place of sale as shop `a`"), "{error}");
    assert_eq!(bench.authorization("b").await, None);

    // Another seller's place of the same name is another place.
    bench.market().account = "seller-2".into();
    bench.market().covers = ["main of seller-2".into()].into();
    assert_eq!(bench.consent("b").await.unwrap().shops, [shop("b")]);
}

#[tokio::test]
async fn a_flow_that_the_channel_began_goes_to_the_shop_of_the_account_or_to_a_person_who_chooses() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    let Started::Choose(shops) = begun(&bench, &[("for", "seller-1")], None).await.unwrap() else {
        panic!("not asked")
    };
    assert_eq!(shops.into_iter().map(|shop| shop.id).collect::<Vec<_>>(), [shop("a"), shop("b")]);
    for (pairs, chosen) in [(vec![("for", "seller-1")], Some("b")), (vec![("of", "b")], None)] {
        let started = begun(&bench, &pairs, chosen).await.unwrap();
        let Started::Go(url) = started else { panic!("{started:?}") };
        let state = url.query_pairs().next().unwrap().1.into_owned();
        bench.finish(&state, Some("browser")).await.unwrap();
    }
    // Both are authorized now: the account's own shops need no choice, and another account finds none.
    assert!(matches!(begun(&bench, &[("for", "seller-1")], None).await.unwrap(), Started::Go(_)));
    let nobody = begun(&bench, &[("for", "seller-2")], None).await.unwrap_err();
    assert!(nobody.to_string().contains("no shop in the settings waits for"), "{nobody}");
    let unread = begun(&bench, &[], None).await.unwrap_err();
    assert!(matches!(unread, ConsentError::Channel(_)), "{unread}");
    let elsewhere = begun(&bench, &[("of", "z")], None).await.unwrap_err();
    assert!(matches!(elsewhere, ConsentError::NoShop(_)), "{elsewhere}");
}

#[tokio::test]
async fn a_callback_without_a_state_is_finished_by_whoever_signed_in_for_the_shops_it_covers() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    bench.market().covers = ["b".into(), "elsewhere".into()].into();
    let finish = async |signed_in| {
        let by = By::Browser { cookie: Some("browser"), signed_in };
        bench.keeper.finish_consent(&"market".into(), &query(&[("code", "c")]), by).await
    };
    assert!(matches!(finish(false).await, Err(ConsentError::NoState)));
    assert_eq!(bench.market().exchanges, 0, "the code was not spent for a stranger");
    assert_eq!(finish(true).await.unwrap().shops, [shop("b")]);

    bench.market().account = "seller-2".into();
    bench.market().covers = ["elsewhere".into()].into();
    let error = finish(true).await.unwrap_err();
    assert!(error.to_string().contains("what it covers (Stall elsewhere (elsewhere)) is no shop"), "{error}");
    // Somebody else's consent never takes a shop away.
    bench.market().covers = ["b".into()].into();
    assert!(matches!(finish(true).await, Err(ConsentError::NoShop(_))));
    assert_eq!(bench.authorization("b").await.unwrap().account.account, "seller-1");
}

#[tokio::test]
async fn a_channel_that_always_hands_the_state_back_is_not_believed_without_it() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    bench.market().may_lack_state = false;
    let by = By::Browser { cookie: Some("browser"), signed_in: true };
    let error = bench.keeper.finish_consent(&"market".into(), &query(&[("code", "c")]), by).await.unwrap_err();
    assert!(matches!(error, ConsentError::Stateless), "{error}");
    assert_eq!(bench.market().exchanges, 0);
    assert_eq!(bench.authorization("a").await, None);
}

#[tokio::test]
async fn an_account_that_only_the_address_names_is_renewed_by_its_own_shops_alone() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    bench.market().proves_account = false;
    bench.market().covers = ["a".into()].into();
    bench.consent("a").await.unwrap();
    bench.market().covers = ["a".into(), "b".into()].into();
    let before = bench.authorization("a").await.unwrap();
    let error = bench.consent("b").await.unwrap_err();
    assert!(
        error.to_string().starts_with("shop `a` works with account `seller-1` already; nothing was changed"),
        "{error}"
    );
    assert_eq!(bench.authorization("a").await.unwrap(), before);
    assert_eq!(bench.authorization("b").await, None);
    assert_eq!(bench.consent("a").await.unwrap().shops, [shop("a"), shop("b")], "its own shop's link serves both");
}

#[tokio::test]
async fn a_callback_is_judged_by_the_shop_it_was_begun_for_else_by_one_to_which_it_looks_familiar() {
    let bench = Bench::new(&["a", "b", "c"], HALF_HOUR).await;
    let finish = async |state: &str| {
        let query = [("code", "x"), ("state", state), ("at", "z")].map(|(name, value)| (name.into(), value.into()));
        let by = By::Browser { cookie: Some("browser"), signed_in: false };
        bench.keeper.finish_consent(&"market".into(), &query, by).await.unwrap_err().to_string()
    };
    for (id, told) in [("c", "of stall z, not of c"), ("b", "of stall z, not of b"), ("a", "of stall z, not of a")] {
        let state = bench.begin(id, Some("browser")).await;
        assert!(finish(&state).await.contains(told), "{id}");
        bench.finish(&state, Some("browser")).await.unwrap();
    }
    assert!(finish("nobodys").await.contains("not of a"));
    bench.replace_shops(&["b", "c"]);
    assert!(finish("nobodys").await.contains("not of c"), "b knows nothing of such callbacks");
}

#[tokio::test]
async fn the_log_of_a_consent_that_was_not_taken_names_the_shop_where_the_state_does() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    let state = bench.begin("b", Some("browser")).await;
    let (log, _kept) = Log::kept();
    bench.finish("nobodys", Some("browser")).await.unwrap_err();
    assert!(log.text().contains("consent.failed") && !log.text().contains("shop.id"), "{}", log.text());
    bench.finish(&state, Some("thief")).await.unwrap_err();
    assert!(log.text().contains("shop.id=b"), "{}", log.text());
}

#[tokio::test]
async fn of_two_accounts_that_consent_at_once_the_first_that_is_recorded_stays() {
    let bench = Bench::new(&["a"], HALF_HOUR).await;
    bench.market().silent_about = ["seller-1".into()].into();
    let state = bench.begin("a", Some("browser")).await;
    let first = async { bench.finish(&state, Some("browser")).await };
    let second = async {
        // The first one's code has been traded; what it covers is asked again and again.
        while bench.market().exchanges == 0 {
            tokio::task::yield_now().await;
        }
        bench.market().account = "seller-2".into();
        let state = bench.begin("a", Some("other")).await;
        bench.finish_at(&bench.another(), &state, Some("other")).await.unwrap();
        bench.market().silent_about.clear();
        pass(&bench, 1).await;
    };
    let (first, ()) = tokio::join!(first, second);
    assert!(matches!(first, Err(ConsentError::OtherAccount { .. })), "{first:?}");
    assert_eq!(bench.authorization("a").await.unwrap().account.account, "seller-2");
}

#[tokio::test]
async fn a_consent_covers_no_shop_of_another_app() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    bench.market().apps = [("b".into(), "other".into())].into();
    bench.settle("b").await;
    assert_eq!(bench.consent("a").await.unwrap().shops, [shop("a")]);
    assert_eq!(bench.authorization("b").await, None);
}

#[tokio::test]
async fn a_place_that_is_not_what_the_settings_say_is_refused_and_left_out_of_other_consents() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    bench.market().unlike = ["b".into()].into();
    let error = bench.consent("b").await.unwrap_err();
    assert!(error.to_string().contains("stall b is not what the settings say"), "{error}");
    assert_eq!(bench.consent("a").await.unwrap().shops, [shop("a")]);
    assert_eq!(bench.authorization("b").await, None);
}

/// The owner of shop `a` consents anew, and the marketplace does not say what that covers until this was done, which begins once the new
/// tokens are there.
async fn consent_while(bench: &Bench, done: impl AsyncFnOnce()) {
    let soon = bench.clock.now() + SignedDuration::from_secs(30);
    bench.market().identifies_at = Some(soon);
    let state = bench.begin("a", Some("browser")).await;
    let meanwhile = async {
        while bench.authorization("a").await.unwrap().generation == 1 {
            tokio::task::yield_now().await;
        }
        done().await;
        bench.market().identifies_at = None;
        bench.clock.set(soon);
    };
    let finishing = async { tokio::join!(bench.finish(&state, Some("browser")), meanwhile).0 };
    tokio::time::timeout(std::time::Duration::from_secs(20), finishing).await.unwrap().unwrap();
    assert_eq!(bench.authorization("a").await.unwrap().grant_number, 2);
}

#[tokio::test]
async fn tokens_of_accounts_on_record_are_durable_before_it_is_asked_what_they_cover() {
    let bench = Bench::authorized(&["a"]).await;
    consent_while(&bench, async || {
        let kept = bench.authorization("a").await.unwrap();
        assert_eq!(kept.grant_number, 1, "the consent is not recorded yet");
        assert_eq!(token(&bench.another().access(&shop("a")).await.unwrap()), "access-2");
    })
    .await;
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-2");
}

#[tokio::test]
async fn tokens_that_were_kept_and_renewed_before_the_consent_is_recorded_stay() {
    let bench = Bench::authorized(&["a"]).await;
    consent_while(&bench, async || {
        let peer = bench.another();
        let refused = peer.access(&shop("a")).await.unwrap();
        assert_eq!(token(&peer.rejected(&shop("a"), &refused).await.unwrap()), "access-3");
    })
    .await;
    assert_eq!(token(&bench.keeper.access(&shop("a")).await.unwrap()), "access-3");
}

#[tokio::test]
async fn a_permission_is_not_called_revoked_while_its_own_consent_is_being_taken() {
    let bench = Bench::new(&["a", "b"], HALF_HOUR).await;
    bench.market().covers = ["a".into()].into();
    bench.market().more = [("seller-2".into(), ["b".into()].into())].into();
    bench.consent("a").await.unwrap();
    bench.clock.advance(LATER);
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    bench.market().exchange_waits = Some((Arc::clone(&begun), Arc::clone(&go_on)));
    let state = bench.begin("a", Some("browser")).await;
    let meanwhile = async {
        begun.notified().await;
        // The exchange has ended the tokens of both accounts, and its answer is under way.
        bench.market().spent.extend([("refresh-1".to_owned(), 2), ("refresh-2".to_owned(), 2)]);
        let keeper = bench.keeper.clone();
        let other = tokio::spawn(async move { keeper.access(&shop("b")).await });
        while bench.market().refreshes == 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..2_000 {
            tokio::task::yield_now().await;
        }
        go_on.notify_one();
        other.await.unwrap()
    };
    let (consented, other) = tokio::join!(bench.finish(&state, Some("browser")), meanwhile);
    consented.unwrap();
    assert_eq!(token(&other.unwrap()), "access-4", "what the consent brought");
    assert_eq!(bench.authorization("b").await.unwrap().state, AuthorizationState::Active);
    assert!(!bench.mails().await.contains(&"ended".to_owned()), "nobody is told that it has ended");
}
