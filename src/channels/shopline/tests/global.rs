//! Permission on SHOPLINE Global.

use super::*;
use crate::channels::shopline::sign;

type Query = Vec<(String, String)>;

/// Signs a query anew.
fn signed(mut query: Query) -> Query {
    query.retain(|(name, _)| name != "sign");
    let sign = sign::of_query(&Secret::new(APP_SECRET), &query);
    query.push(("sign".into(), sign));
    query
}

fn set(query: &Query, name: &str, value: &str) -> Query {
    let changed = |known: &str, old: &str| if known == name { value.to_owned() } else { old.to_owned() };
    query.iter().map(|(known, old)| (known.clone(), changed(known, old))).collect()
}

fn without(query: &Query, name: &str) -> Query {
    query.iter().filter(|(known, _)| known != name).cloned().collect()
}

fn doubled(query: &Query, name: &str) -> Query {
    [query.clone(), vec![(name.to_owned(), "x".to_owned())]].concat()
}

#[tokio::test]
async fn a_consent_brings_a_token_of_ten_hours_that_the_apps_keys_renew_for_ever() {
    let scene = Scene::new();
    let first = scene.exchange("global", STORE).await;
    assert_eq!((first.account.as_str(), first.account_name.as_deref()), (STORE, Some("teststore")));
    assert_eq!(first.access_token_ends_at, scene.clock.now() + SignedDuration::from_hours(10));
    assert_eq!((first.ends, first.refresh_token_ends_at), (None, None));
    assert_eq!(scene.probe("global", &first.tokens.access_token).await.unwrap().as_deref(), Some("Test Store"));

    scene.clock.advance(MINUTE * 450);
    let second = scene.refresh("global", &first.tokens, STORE).await.unwrap();
    assert_eq!(second.access_token_ends_at, scene.clock.now() + SignedDuration::from_hours(10));
    scene.clock.advance(MINUTE * 4);
    assert!(scene.probe("global", &first.tokens.access_token).await.is_ok(), "the token before works 5 minutes more");
    scene.clock.advance(MINUTE);
    let error = scene.probe("global", &first.tokens.access_token).await.unwrap_err();
    assert_eq!((&error.failure, error.not_acted()), (&Failure::TokenRejected, true));
    assert!(scene.probe("global", &second.tokens.access_token).await.is_ok());
}

#[tokio::test]
async fn asking_too_soon_is_no_end_and_works_after_the_pause() {
    let scene = Scene::new();
    let grant = scene.exchange("global", STORE).await;
    let error = scene.refresh("global", &grant.tokens, STORE).await.unwrap_err();
    assert_eq!(error.failure, Failure::Throttled { until: scene.clock.now() + MINUTE });
    assert!(error.not_acted() && error.request_id.is_some(), "{error:?}");
    scene.clock.advance(MINUTE);
    assert!(scene.refresh("global", &grant.tokens, STORE).await.is_ok());
    assert_eq!(scene.fake.stats().refreshes_too_soon, 1);
}

#[tokio::test]
async fn after_a_lost_reply_the_renewal_is_made_again_as_often_as_it_takes() {
    let scene = Scene::new();
    scene.fake.rules(|rules| rules.refresh_rest = SignedDuration::ZERO);
    let grant = scene.exchange("global", STORE).await;
    for mishap in [Mishap::ReplyLost, Mishap::CutOff, Mishap::ReplyLost] {
        scene.fake.fail_next_token_call(mishap);
        let error = scene.refresh("global", &grant.tokens, STORE).await.unwrap_err();
        assert!(matches!(error.failure, Failure::Unavailable { .. }) && !error.not_acted(), "{error:?}");
    }
    assert!(scene.refresh("global", &grant.tokens, STORE).await.is_ok());
    assert_eq!(scene.channel("global").consent().unwrap().repeats_after_lost_reply(), u32::MAX);
}

#[tokio::test]
async fn an_app_that_was_uninstalled_is_told_from_a_store_that_is_frozen_or_locked() {
    let scene = Scene::new();
    let grant = scene.exchange("global", STORE).await;
    scene.fake.set_closed(STORE, true);
    let error = scene.probe("global", &grant.tokens.access_token).await.unwrap_err();
    assert!(closed(&error) && error.text.contains("402"), "{error:?}");
    scene.fake.set_locked(STORE, true);
    let error = scene.probe("global", &grant.tokens.access_token).await.unwrap_err();
    assert!(closed(&error) && error.remedy.contains("support"), "{error:?}");
    scene.fake.set_locked(STORE, false);
    assert!(scene.probe("global", &grant.tokens.access_token).await.is_ok());

    scene.fake.end(STORE);
    let error = scene.probe("global", &grant.tokens.access_token).await.unwrap_err();
    assert_eq!(error.failure, Failure::TokenRejected, "whether that is the end, renewing tells");
    let error = scene.refresh("global", &grant.tokens, STORE).await.unwrap_err();
    assert!(ended(&error) && error.text.contains("APP_NOT_INSTALLED"), "{error:?}");
    let again = scene.exchange("global", STORE).await;
    assert!(scene.probe("global", &again.tokens.access_token).await.is_ok());
}

#[tokio::test]
async fn a_wrong_secret_and_a_wrong_clock_are_the_operators_to_mend() {
    let mut scene = Scene::new();
    let (callback, grant) = (scene.callback("global", STORE), scene.exchange("global", STORE).await);
    scene.app_secrets[0] = Some(Secret::new(ASIA_APP_SECRET));
    let error = scene.refresh("global", &grant.tokens, STORE).await.unwrap_err();
    assert!(app_refused(&error) && error.remedy.contains("client_secret"), "{error:?}");
    let error = scene.channel("global").consent().unwrap().exchange(&callback).await.unwrap_err();
    assert!(app_refused(&error), "{error:?}");
    scene.app_secrets[0] = None;
    let error = scene.refresh("global", &grant.tokens, STORE).await.unwrap_err();
    assert_eq!(error.remedy, "set channels.shopline.client_secret");
    scene.app_secrets = app_secrets();
    for wrong in [-601, 601] {
        scene.channels_clock = Clock::manual(scene.clock.now() + SignedDuration::from_secs(wrong));
        let error = scene.refresh("global", &grant.tokens, STORE).await.unwrap_err();
        let foreseen = matches!(error.failure, Failure::Unexpected { .. });
        assert!(
            foreseen && error.remedy.starts_with("set this machine's clock"),
            "it is not the app's fault: {error:?}"
        );
    }
    assert_eq!(scene.fake.stats().bad_signatures, 4);
}

#[tokio::test]
async fn a_code_works_once_and_for_ten_minutes() {
    let scene = Scene::new();
    let channel = scene.channel("global");
    let consent = channel.consent().unwrap();
    let first = scene.callback("global", STORE);
    assert!(consent.exchange(&first).await.is_ok());
    assert_eq!(consent.exchange(&first).await.unwrap_err().failure, Failure::Rejected);
    let late = scene.callback("global", STORE);
    scene.clock.advance(MINUTE * 10);
    assert_eq!(consent.exchange(&late).await.unwrap_err().failure, Failure::Rejected);
}

#[tokio::test]
async fn a_callback_counts_only_when_it_is_signed_fresh_whole_and_this_stores() {
    let scene = Scene::new();
    let channel = scene.channel("global");
    let read = |query: &Query| channel.consent().unwrap().read_callback(query);
    let good = scene.agreed("global", STORE);
    assert_eq!(read(&good).unwrap().state.as_deref(), Some("s1"));
    let old = (scene.clock.now() - MINUTE * 11).as_millisecond().to_string();
    let early = (scene.clock.now() + MINUTE * 11).as_millisecond().to_string();
    for (query, expected) in [
        (set(&good, "code", "another"), "the signature of the callback is wrong"),
        (without(&good, "sign"), "the callback must carry `sign` once"),
        (doubled(&good, "sign"), "the callback must carry `sign` once"),
        (signed(without(&good, "code")), "the callback carries no code"),
        (signed(doubled(&good, "code")), "the callback carries no code"),
        (signed(without(&good, "handle")), "the callback must carry `handle` once"),
        (signed(doubled(&good, "handle")), "the callback must carry `handle` once"),
        (signed(without(&good, "timestamp")), "the callback must carry `timestamp` once"),
        (signed(set(&good, "timestamp", "soon")), "`timestamp` of the callback is no instant"),
        (signed(set(&good, "timestamp", &old)), "the callback is not from the last 10 minutes"),
        (signed(set(&good, "timestamp", &early)), "the callback is not from the last 10 minutes"),
        (signed(set(&good, "appkey", "another")), "the callback is meant for another app"),
        (signed(set(&good, "handle", "stranger")), "the callback is of store `stranger`, not of `teststore`"),
        (signed(doubled(&good, "customField")), "the callback must carry `customField` once"),
        (scene.agreed("asia", MERCHANT), "the callback must carry `appkey` once"),
    ] {
        let error = read(&query).unwrap_err();
        assert_eq!(error.failure, Failure::Rejected);
        assert!(error.text.contains(expected), "{error}, not {expected}");
    }
    let declined = scene.fake.consent(&channel.consent().unwrap().link("s1"), None).unwrap();
    let error = read(&declined.query_pairs().into_owned().collect()).unwrap_err();
    assert!(ended(&error) && error.text.contains("access_denied"), "{error:?}");
    assert!(read(&signed(set(&good, "handle", "TestStore"))).is_ok(), "host names have no case");
    let elsewhere = read(&signed(set(&good, "handle", "stranger"))).unwrap_err();
    assert!(elsewhere.remedy.starts_with("sign in at SHOPLINE with the account of store `teststore`"), "{elsewhere:?}");
}

#[tokio::test]
async fn an_install_request_leads_to_the_consent_page_of_the_store_that_asks() {
    let scene = Scene::new();
    let channel = scene.channel("global");
    let consent = channel.consent().unwrap();
    let start = consent.start(&scene.fake.install_request("teststore"), "s2").unwrap().unwrap();
    assert_eq!((start.go, start.account), (consent.link("s2"), None));
    assert_eq!(consent.start(&scene.fake.install_request("stranger"), "s2").unwrap(), None);
    let forged = set(&scene.fake.install_request("stranger"), "handle", "teststore");
    assert!(consent.start(&forged, "s2").unwrap_err().text.contains("signature"));
    let old = scene.fake.install_request("teststore");
    scene.clock.advance(MINUTE * 11);
    assert!(consent.start(&old, "s2").unwrap_err().remedy.contains("clock"));
}

#[tokio::test]
async fn a_token_made_by_hand_is_proven_by_a_call_and_never_renewed() {
    let scene = Scene::new();
    let channel = scene.channel("global");
    let consent = channel.consent().unwrap();
    let issued = scene.fake.make_token_by_hand(STORE, DAY * 1095).unwrap();
    let identity = consent.identify(&handed_in(&issued, STORE)).await.unwrap();
    assert_eq!(identity.places[0].name, "Test Store (teststore)");
    let error = consent.identify(&handed_in(&issued, "teststore")).await.unwrap_err();
    assert!(error.remedy.contains(&format!("`account` \"{STORE}\"")), "{error:?}");
    let error = consent.refresh(&tokens(&issued), STORE).await.unwrap_err();
    assert!(ended(&error) && error.not_acted(), "{error:?}");
    assert_eq!(scene.fake.stats().refreshes, 0);

    let strangers = scene.fake.make_token_by_hand("1672369729607", DAY).unwrap();
    let error = consent.identify(&handed_in(&strangers, "1672369729607")).await.unwrap_err();
    assert_eq!(error.failure, Failure::TokenRejected, "that store's token does not open this store");
    let worthless = Grant {
        tokens: Tokens { access_token: Secret::new("worthless"), refresh_token: None },
        ..handed_in(&issued, STORE)
    };
    let error = consent.identify(&worthless).await.unwrap_err();
    assert!(error.text.contains("the token is not valid for this store"), "{error:?}");
    assert!(!error.remedy.contains("`account`"), "{error:?}");
}

#[tokio::test]
async fn where_tokens_do_not_tell_the_stores_id_its_handle_is_the_account() {
    let scene = Scene::new();
    scene.fake.rules(|rules| rules.readable_tokens = false);
    let grant = scene.exchange("global", STORE).await;
    assert_eq!(grant.account, "teststore");
    assert!(scene.channel("global").consent().unwrap().identify(&grant).await.is_ok());
    scene.fake.rules(|rules| rules.readable_tokens = true);
    scene.clock.advance(MINUTE);
    let renewed = scene.refresh("global", &grant.tokens, "teststore").await.unwrap();
    assert_eq!(renewed.account, "teststore", "the account on record stands");
    scene.clock.advance(MINUTE);
    let error = scene.refresh("global", &grant.tokens, "1672369729607").await.unwrap_err();
    assert!(error.text.contains("the renewed token is another store's"), "{error}");
}

#[tokio::test]
async fn forty_calls_go_at_once_and_then_four_a_second() {
    let scene = Scene::new();
    let grant = scene.exchange("global", STORE).await;
    let http = Http::new(scene.clock.clone());
    let get = async |number: usize| {
        let mut url = scene.fake.url();
        url.set_path("/teststore/admin/openapi/v20260601/merchants/shop.json");
        let headers = vec![("authorization", format!("Bearer {}", grant.tokens.access_token.expose()))];
        // Each call has a budget of its own: the client's does not keep the fake's from being met.
        let (app, place) = (number.to_string(), String::new());
        let budget = crate::http::BudgetKey { channel: "c", app, place, operation: "o" };
        let rate = crate::http::Rate::per_second(1, 1);
        let call = crate::http::Call { method: crate::http::Method::GET, url, headers, body: None, budget, rate };
        http.send(call).await.unwrap().status
    };
    let mut told = Vec::new();
    for number in 0..60 {
        told.push(get(number).await);
    }
    assert!(told[..40].iter().all(|status| *status == 200), "{told:?}");
    let refused = told.iter().filter(|status| **status == 429).count() as u64;
    assert_eq!(scene.fake.stats().rate_violations, refused);
}

#[tokio::test]
async fn each_platform_knows_what_its_own_looks_like_whatever_is_wrong_with_it() {
    let scene = Scene::new();
    let [global, asia] = ["global", "asia"].map(|platform| scene.channel(platform));
    let familiar = |query: &Query| [&global, &asia].map(|channel| channel.consent().unwrap().looks_familiar(query));
    let good = scene.agreed("global", STORE);
    for query in [&good, &without(&good, "appkey"), &set(&good, "sign", "forged"), &set(&good, "handle", "stranger")] {
        assert_eq!(familiar(query), [true, false], "{query:?}");
    }
    assert_eq!(familiar(&set(&good, "appkey", "another")), [false, false]);
    assert_eq!(familiar(&scene.agreed("asia", MERCHANT)), [false, true]);
    let states = [&global, &asia].map(|channel| channel.consent().unwrap().state_in(&good).map(str::to_owned));
    assert_eq!(states, [Some("s1".to_owned()), None]);
}
