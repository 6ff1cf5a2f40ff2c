//! Renewing, and everything that can be wrong with an answer.

use super::*;
use crate::channels::shopee::fake::Rules;

fn ended(error: &ChannelError) -> bool {
    matches!(error.failure, Failure::AuthorizationEnded { .. }) && error.not_acted()
}

#[tokio::test]
async fn after_a_lost_reply_the_same_call_brings_the_same_tokens_or_is_refused() {
    for forgiven in [true, false] {
        let scene = Scene::new();
        scene.fake.rules(|rules| rules.lost_reply_forgiven = forgiven);
        let spent = scene.issue();
        scene.fake.fail_next_token_call(Mishap::ReplyLost);
        let error = scene.refresh(&spent).await.unwrap_err();
        assert_eq!(error.failure, Failure::Unavailable { retry_at: None });
        assert!(!error.not_acted(), "the marketplace may have acted, and here it did");
        let again = scene.refresh(&spent).await;
        assert_eq!(again.is_ok(), forgiven);
        assert_eq!(scene.fake.stats().refreshes, 1, "nothing was renewed a second time");
        assert_eq!(scene.fake.stats().refresh_tokens_spent_twice, 0);
        assert!(ended(&scene.refresh(&spent).await.unwrap_err()));
        assert_eq!(scene.fake.stats().refresh_tokens_spent_twice, 1);
        if let Ok(grant) = again {
            scene.probe(&grant.tokens).await.unwrap();
            scene.refresh(&grant.tokens).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_repetition_that_comes_too_late_is_refused() {
    let scene = Scene::new();
    let spent = scene.issue();
    scene.fake.fail_next_token_call(Mishap::CutOff);
    scene.refresh(&spent).await.unwrap_err();
    scene.clock.advance(HOUR * 4);
    assert!(ended(&scene.refresh(&spent).await.unwrap_err()));
}

#[tokio::test]
async fn the_access_token_before_works_for_five_more_minutes() {
    let scene = Scene::new();
    let spent = scene.issue();
    let renewed = scene.refresh(&spent).await.unwrap();
    assert_eq!(renewed.account, ACCOUNT);
    scene.clock.advance(SignedDuration::from_secs(299));
    scene.probe(&spent).await.unwrap();
    scene.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(scene.probe(&spent).await.unwrap_err().failure, Failure::TokenRejected);
    scene.probe(&renewed.tokens).await.unwrap();
}

#[tokio::test]
async fn thirty_days_without_a_renewal_end_it() {
    let scene = Scene::new();
    let spent = scene.issue();
    scene.clock.advance(DAY * 30);
    assert_eq!(scene.probe(&spent).await.unwrap_err().failure, Failure::TokenRejected);
    let error = scene.refresh(&spent).await.unwrap_err();
    assert!(ended(&error) && error.text.contains("refresh_token_expired"), "{error}");
}

#[tokio::test]
async fn a_permission_taken_back_and_one_that_is_over_are_told_in_their_own_words_with_any_status() {
    for (forbidden, prefixed) in [(false, false), (true, true)] {
        for (over, word) in [(false, "shop_no_linked"), (true, "shop_access_expired")] {
            let scene = Scene::new();
            scene.fake.rules(|rules| {
                rules.errors_are_403 = forbidden;
                rules.errors_have_prefix = prefixed;
            });
            let tokens = scene.issue();
            if over {
                scene.fake.end(SHOP);
            } else {
                scene.fake.revoke(SHOP);
            }
            for error in [scene.refresh(&tokens).await.unwrap_err(), scene.probe(&tokens).await.unwrap_err()] {
                assert!(ended(&error) && error.text.contains(word), "{error}");
            }
            assert_eq!(scene.fake.stats().calls_after_the_end, 2);
        }
    }
}

#[tokio::test]
async fn trouble_with_the_app_is_never_the_end_of_a_permission() {
    let mut scene = Scene::new();
    let tokens = scene.issue();
    let key_expired = Rules { partner_key_expired: true, ..Rules::default() };
    let undeclared = Rules { source_ip_undeclared: true, ..Rules::default() };
    for (rules, key, remedy) in [
        (key_expired, PARTNER_KEY, "renew the app's live partner key"),
        (undeclared, PARTNER_KEY, "declare this machine's address"),
        (Rules::default(), "another", "compare client_id and client_secret"),
    ] {
        scene.fake.rules(|all| *all = rules);
        scene.key = key;
        for error in [scene.refresh(&tokens).await.unwrap_err(), scene.probe(&tokens).await.unwrap_err()] {
            assert!(matches!(error.failure, Failure::AppCredentialRejected { .. }) && error.not_acted(), "{error}");
            assert!(error.remedy.starts_with(remedy), "{}", error.remedy);
        }
    }
    assert_eq!(scene.fake.stats().bad_signatures, 2);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_named_and_spends_nothing() {
    let scene = Scene::new();
    let tokens = scene.issue();
    for wrong in [-301, 301] {
        let channel = scene.channel_at(&Clock::manual(scene.clock.now() + SignedDuration::from_secs(wrong)));
        let refresh = channel.consent().unwrap().refresh(&tokens, ACCOUNT).await.unwrap_err();
        for error in [refresh, channel.probe(&access(&tokens)).await.unwrap_err()] {
            assert!(matches!(error.failure, Failure::Unexpected { .. }) && error.not_acted(), "{error}");
            assert!(error.remedy.starts_with("set this machine's clock"), "{}", error.remedy);
        }
    }
    scene.refresh(&tokens).await.unwrap();
}

#[tokio::test]
async fn too_many_calls_are_waited_out_as_told_or_until_the_next_day_of_the_quota() {
    let scene = Scene::new();
    let tokens = scene.issue();
    scene.fake.rules(|rules| rules.daily_limit_reached = true);
    for error in [scene.refresh(&tokens).await.unwrap_err(), scene.probe(&tokens).await.unwrap_err()] {
        assert!(error.not_acted());
        assert_eq!(error.failure, Failure::Throttled { until: "2026-06-01T16:00:00Z".parse().unwrap() });
    }
    scene.fake.rules(|rules| *rules = Rules { rate: Some(1), ..Rules::default() });
    scene.probe(&tokens).await.unwrap();
    let error = scene.probe(&tokens).await.unwrap_err();
    let Failure::Throttled { until } = error.failure else { panic!("{error}") };
    assert!(until > scene.clock.now() && until < scene.clock.now() + HOUR, "{until}");
    assert_eq!(scene.fake.stats().rate_violations, 1);
}

#[tokio::test]
async fn what_a_word_in_the_body_throttles_is_not_called_again_before_its_time() {
    let scene = Scene::new();
    let (tokens, channel) = (scene.issue(), scene.channel());
    scene.fake.fail_next(Mishap::ThrottledByCode);
    let error = channel.probe(&access(&tokens)).await.unwrap_err();
    let Failure::Throttled { until } = error.failure else { panic!("{error}") };
    let again = channel.probe(&access(&tokens)).await.unwrap_err();
    assert_eq!(again.failure, Failure::Throttled { until });
    assert_eq!(scene.fake.stats().calls.values().sum::<u64>(), 1, "the second one was not sent");
    scene.clock.set(until);
    channel.probe(&access(&tokens)).await.unwrap();
}

#[tokio::test]
async fn every_absurd_answer_is_a_named_error_that_repeats_nothing_of_it() {
    let cut = format!("{{\"error\":\"\",\"access_token\":\"geheim\",\"refresh_token\":\"{}", "x".repeat(500));
    let table = [
        (r#"{"error":"","refresh_token":"geheim","expire_in":14400}"#, "the answer has no access_token"),
        (r#"{"error":"","access_token":"geheim","refresh_token":"","expire_in":1}"#, "the answer has no refresh_token"),
        (r#"{"error":"","access_token":"geheim","refresh_token":"r"}"#, "expire_in is missing or not a number"),
        (r#"{"access_token":"geheim","refresh_token":"r","expire_in":"9"}"#, "expire_in is missing or not a number"),
        (r#"{"access_token":"geheim","refresh_token":"r","expire_in":-9}"#, "expire_in is not above 0"),
        (
            r#"{"access_token":"geheim","refresh_token":"r","expire_in":9,"shop_id":8}"#,
            "shop_id is not the shop whose tokens were renewed",
        ),
        (r#"{"error":["geheim"]}"#, "the field error is not a text"),
        ("<html>geheim</html>", "no word but status 200"),
        ("", "no word but status 200"),
        (cut.as_str(), "no word but status 200"),
    ];
    for (body, expected) in table {
        let scene = Scene::new();
        scene.fake.answer_next_token_call(body);
        let error = scene.refresh(&scene.issue()).await.unwrap_err();
        assert!(error.text.contains(expected), "{error}");
        assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
        assert!(matches!(error.failure, Failure::Unexpected { .. }) && !error.not_acted(), "{error:?}");
    }
}

#[tokio::test]
async fn an_exchange_that_names_no_shops_of_a_main_account_is_no_consent() {
    let table = [
        (r#"{"access_token":"a","refresh_token":"r","expire_in":9}"#, "the answer has no shop_id_list"),
        (
            r#"{"access_token":"a","refresh_token":"r","expire_in":9,"shop_id_list":[]}"#,
            "the main account's consent covers no shop",
        ),
    ];
    for (body, expected) in table {
        let scene = Scene::new();
        let callback = scene.callback(MAIN);
        scene.fake.answer_next_token_call(body);
        let error = scene.channel().consent().unwrap().exchange(&callback).await.unwrap_err();
        assert!(error.text.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn an_end_that_is_an_instant_is_read_as_one() {
    let scene = Scene::new();
    scene.fake.rules(|rules| rules.expire_in_is_an_instant = true);
    let grant = scene.refresh(&scene.issue()).await.unwrap();
    assert_eq!(grant.access_token_ends_at, scene.clock.now() + HOUR * 4);
}

#[tokio::test]
async fn tokens_without_a_refresh_token_or_of_no_shop_are_not_sent() {
    let scene = Scene::new();
    let mut tokens = scene.issue();
    let error = scene.channel().consent().unwrap().refresh(&tokens, "seller-1").await.unwrap_err();
    assert_eq!((error.text.as_str(), error.not_acted()), ("Shopee: the account is not a shop id", true));
    tokens.refresh_token = None;
    assert!(ended(&scene.refresh(&tokens).await.unwrap_err()));
    assert!(scene.fake.stats().calls.is_empty());
}

#[tokio::test]
async fn a_push_made_by_the_marketplace_is_read_as_its_own() {
    let scene = Scene::new();
    let url = "https://shops.example.com/webhooks/shopee".parse().unwrap();
    let channel = scene.channel();
    let consent = channel.consent().unwrap();
    for (code, shops, concerned) in
        [(1, &[SHOP][..], 1), (1, &[SECOND, THIRD], 2), (2, &[SHOP], 1), (12, &[SHOP, SHOP], 1), (3, &[SHOP], 0)]
    {
        let webhook = consent.read_webhook(&scene.fake.signed_webhook(&url, code, shops)).unwrap();
        assert_eq!(webhook.news.len(), concerned, "{code} {shops:?}");
    }
}
