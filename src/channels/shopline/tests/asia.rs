//! Permission on SHOPLINE Asia.

use super::*;

#[tokio::test]
async fn a_consent_brings_a_pair_whose_ends_move_with_each_renewal() {
    let scene = Scene::new();
    let first = scene.exchange("asia", MERCHANT).await;
    let half_a_year = SignedDuration::from_secs(15_778_476);
    assert_eq!(first.account, MERCHANT);
    assert_eq!(first.access_token_ends_at, scene.clock.now() + half_a_year);
    assert_eq!(first.refresh_token_ends_at, Some(scene.clock.now() + half_a_year + DAY));
    assert_eq!(first.ends, None);
    assert_eq!(scene.probe("asia", &first.tokens.access_token).await.unwrap().as_deref(), Some("Test Shop"));
    scene.clock.advance(DAY * 130);
    let second = scene.refresh("asia", &first.tokens, MERCHANT).await.unwrap();
    assert_eq!(second.refresh_token_ends_at, Some(scene.clock.now() + half_a_year + DAY));
    let stats = scene.fake.stats();
    assert_eq!((stats.exchanges, stats.refreshes, stats.bad_user_agents), (1, 1, 0));
}

#[tokio::test]
async fn the_refresh_token_works_a_day_longer_than_the_access_token_and_then_it_is_over() {
    let scene = Scene::new();
    let grant = scene.exchange("asia", MERCHANT).await;
    scene.clock.set(grant.access_token_ends_at);
    let error = scene.probe("asia", &grant.tokens.access_token).await.unwrap_err();
    assert_eq!(error.failure, Failure::TokenRejected);
    scene.clock.advance(DAY - MINUTE);
    let grant = scene.refresh("asia", &grant.tokens, MERCHANT).await.unwrap();
    scene.clock.set(grant.refresh_token_ends_at.unwrap());
    let error = scene.refresh("asia", &grant.tokens, MERCHANT).await.unwrap_err();
    assert!(ended(&error) && error.not_acted() && error.text.contains("invalid_grant"), "{error:?}");
}

#[tokio::test]
async fn after_a_lost_reply_the_old_refresh_token_may_be_tried_once_more() {
    for (forgiven, renewed) in [(true, true), (false, false)] {
        let scene = Scene::new();
        scene.fake.rules(|rules| rules.lost_reply_forgiven = forgiven);
        let spent = tokens(&scene.fake.grant_tokens(MERCHANT).unwrap());
        scene.fake.fail_next_token_call(Mishap::ReplyLost);
        let error = scene.refresh("asia", &spent, MERCHANT).await.unwrap_err();
        assert!(matches!(error.failure, Failure::Unavailable { .. }) && !error.not_acted(), "{error:?}");
        assert_eq!(scene.refresh("asia", &spent, MERCHANT).await.is_ok(), renewed);
        assert_eq!(scene.fake.stats().refresh_tokens_spent_twice, 0);
        assert!(ended(&scene.refresh("asia", &spent, MERCHANT).await.unwrap_err()));
        assert_eq!(scene.fake.stats().refresh_tokens_spent_twice, 1);
    }
}

#[tokio::test]
async fn uninstalling_ends_both_tokens_and_a_wrong_secret_is_the_operators_to_mend() {
    let mut scene = Scene::new();
    let grant = scene.exchange("asia", MERCHANT).await;
    scene.fake.set_closed(MERCHANT, true);
    assert!(closed(&scene.probe("asia", &grant.tokens.access_token).await.unwrap_err()));
    scene.fake.set_closed(MERCHANT, false);
    scene.app_secrets[1] = Some(Secret::new(APP_SECRET));
    let error = scene.refresh("asia", &grant.tokens, MERCHANT).await.unwrap_err();
    assert!(app_refused(&error) && error.remedy.contains("asia_client_secret"), "{error:?}");
    scene.app_secrets = app_secrets();
    scene.fake.revoke(MERCHANT);
    assert_eq!(scene.probe("asia", &grant.tokens.access_token).await.unwrap_err().failure, Failure::TokenRejected);
    assert!(ended(&scene.refresh("asia", &grant.tokens, MERCHANT).await.unwrap_err()));
}

#[tokio::test]
async fn a_code_works_once_and_for_ten_minutes() {
    let scene = Scene::new();
    let channel = scene.channel("asia");
    let consent = channel.consent().unwrap();
    let first = scene.callback("asia", MERCHANT);
    assert!(consent.exchange(&first).await.is_ok());
    assert_eq!(consent.exchange(&first).await.unwrap_err().failure, Failure::Rejected);
    let late = scene.callback("asia", MERCHANT);
    scene.clock.advance(MINUTE * 10);
    assert_eq!(consent.exchange(&late).await.unwrap_err().failure, Failure::Rejected);
}

#[tokio::test]
async fn the_lapse_of_a_pair_is_told_by_its_renewal() {
    let scene = Scene::new();
    let grant = scene.exchange("asia", MERCHANT).await;
    scene.fake.end(MERCHANT);
    assert_eq!(scene.probe("asia", &grant.tokens.access_token).await.unwrap_err().failure, Failure::TokenRejected);
    assert!(ended(&scene.refresh("asia", &grant.tokens, MERCHANT).await.unwrap_err()));
}

#[tokio::test]
async fn another_merchants_consent_does_not_cover_the_shop() {
    let scene = Scene::new();
    let grant = scene.exchange("asia", STRANGER).await;
    let channel = scene.channel("asia");
    let places = channel.consent().unwrap().identify(&grant).await.unwrap().places;
    assert_eq!((places[0].id.as_str(), places[0].name.as_str()), ("shopline asia stranger", "Stranger (stranger)"));
    let error = scene.refresh("asia", &grant.tokens, MERCHANT).await.unwrap_err();
    assert!(error.text.contains("resource_owner_id is another merchant's"), "{error}");
}

#[tokio::test]
async fn a_callback_of_global_and_one_with_doubled_parameters_are_not_asias() {
    let scene = Scene::new();
    let channel = scene.channel("asia");
    let read = |query: &[(String, String)]| channel.consent().unwrap().read_callback(query);
    let good = scene.agreed("asia", MERCHANT);
    assert_eq!(read(&good).unwrap().state.as_deref(), Some("s1"));
    let doubled = |name: &str| [good.clone(), vec![(name.to_owned(), "x".to_owned())]].concat();
    for (query, expected) in [
        (scene.agreed("global", STORE), "it is SHOPLINE Global's"),
        (doubled("code"), "the callback must carry `code` once"),
        (doubled("state"), "the callback must carry `state` once"),
        (vec![], "the callback must carry `code` once"),
    ] {
        let error = read(&query).unwrap_err();
        assert!(error.text.contains(expected), "{error}, not {expected}");
    }
    assert!(channel.consent().unwrap().start(&scene.fake.install_request("teststore"), "s").is_err());
}

#[tokio::test]
async fn an_api_token_made_by_hand_is_proven_by_a_call_and_never_renewed() {
    let scene = Scene::new();
    let channel = scene.channel("asia");
    let consent = channel.consent().unwrap();
    let issued = scene.fake.make_token_by_hand(MERCHANT, DAY * 90).unwrap();
    let identity = consent.identify(&handed_in(&issued, MERCHANT)).await.unwrap();
    assert_eq!(identity.places[0].id, channel.place());
    let error = consent.identify(&handed_in(&issued, "someone")).await.unwrap_err();
    assert!(error.text.contains(&format!("the token is of account `{MERCHANT}`, not of `someone`")), "{error}");
    assert!(ended(&consent.refresh(&tokens(&issued), MERCHANT).await.unwrap_err()));
    assert_eq!(scene.fake.stats().refreshes, 0);
}
