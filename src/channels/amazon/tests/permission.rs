//! Consent, tokens, and what a permission covers.

use super::*;

#[tokio::test]
async fn a_consent_covers_all_marketplaces_in_which_the_seller_takes_part() {
    let scene = Scene::new();
    let callback = scene.agree(SELLER);
    assert_eq!((callback.subject.as_deref(), callback.state.as_deref()), (Some(SELLER), Some("s1")));
    let channel = scene.channel();
    let consent = channel.consent().unwrap();
    let grant = consent.exchange(&callback).await.unwrap().remove(0);
    assert_eq!(grant.account, SELLER);
    let covered = async || {
        let places = consent.identify(&grant).await.unwrap().places;
        places.into_iter().map(|place| place.name).collect::<Vec<_>>()
    };
    assert_eq!(covered().await, ["Amazon.de (A1PA6795UKMFR9)", "Amazon.fr (A13V1IB3VIYZZH)"]);
    assert!(scene.fake.set_participating(SELLER, "FR", false));
    assert_eq!(covered().await, ["Amazon.de (A1PA6795UKMFR9)"]);
    let place = consent.identify(&grant).await.unwrap().places.remove(0);
    assert_eq!(place.id, channel.place_of(SELLER));
    assert_eq!(place.data, json!({"seller_id": SELLER, "marketplace_id": "A1PA6795UKMFR9", "region": "eu"}));
    assert_eq!(scene.fake.stats().odd_headers, 0, "the headers that the vendor asks for");
}

#[tokio::test]
async fn the_consent_of_another_seller_than_the_settings_name_is_refused_with_both_ids() {
    let mut scene = Scene::new();
    scene.own = json!({"marketplace": "DE", "seller_id": SELLER});
    let channel = scene.channel();
    let consent = channel.consent().unwrap();
    let grant = consent.exchange(&scene.agree(OTHER)).await.unwrap().remove(0);
    let place = consent.identify(&grant).await.unwrap().places.remove(0);
    assert_eq!(place.id, channel.place_of(&grant.account));
    let error = consent.check_place(&place).unwrap_err();
    assert!(error.text.contains(SELLER) && error.text.contains(OTHER), "{error}");
    assert_eq!(error.failure, Failure::Rejected);
}

#[tokio::test]
async fn a_code_works_once_for_five_minutes_and_only_with_the_address_of_its_link() {
    let scene = Scene::new();
    let channel = scene.channel();
    let consent = channel.consent().unwrap();
    let first = scene.agree(SELLER);
    consent.exchange(&first).await.unwrap();
    assert_eq!(consent.exchange(&first).await.unwrap_err().failure, Failure::Rejected);
    let late = scene.agree(SELLER);
    scene.clock.advance(SignedDuration::from_mins(5));
    let error = consent.exchange(&late).await.unwrap_err();
    assert_eq!(error.failure, Failure::Rejected);
    assert!(error.remedy.contains("5 minutes"), "{error:?}");

    let mut settings = settings(&scene.own, scene.app.clone());
    settings.callback = "https://shops.example.com/elsewhere".parse().unwrap();
    let elsewhere = (DEF.build)(&settings, &tools(&scene.clock)).unwrap();
    let error = elsewhere.consent().unwrap().exchange(&scene.agree(SELLER)).await.unwrap_err();
    assert!(error.text.contains("redirect_uri"), "{error}");
    assert_eq!(scene.fake.stats().exchanges, 1);
}

#[tokio::test]
async fn a_refresh_token_stays_the_same_whether_the_answer_repeats_it_or_not_and_however_often_it_is_used() {
    let scene = Scene::new();
    let issued = scene.issue();
    for left_out in [false, true] {
        scene.fake.rules(|rules| rules.leaves_out_refresh_token = left_out);
        let (one, two) = tokio::join!(scene.refresh(&issued), scene.refresh(&issued));
        for grant in [one.unwrap(), two.unwrap()] {
            assert_eq!(grant.tokens.refresh_token.unwrap().expose(), issued.refresh_token);
            assert_eq!((grant.access_token_ends_at, grant.ends), (scene.clock.now() + HOUR, None));
            let access = Access { token: Some(grant.tokens.access_token), place: Value::Null };
            scene.channel().probe(&access).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_reply_that_was_lost_costs_nothing_however_often() {
    let scene = Scene::new();
    let issued = scene.issue();
    for mishap in [Mishap::ReplyLost, Mishap::CutOff, Mishap::Html, Mishap::ServerError] {
        scene.fake.fail_next_token_call(mishap);
        let error = scene.refresh(&issued).await.unwrap_err();
        let passing = matches!(error.failure, Failure::Unavailable { .. } | Failure::Unexpected { .. });
        assert!(passing && !error.not_acted(), "{mishap:?}: {error:?}");
        assert!(!format!("{error:?}").contains("Atz"), "{error:?}");
        scene.refresh(&issued).await.unwrap();
    }
    assert_eq!(scene.channel().consent().unwrap().repeats_after_lost_reply(), u32::MAX);
}

#[tokio::test]
async fn a_throttled_token_host_is_waited_for() {
    let scene = Scene::new();
    scene.fake.fail_next_token_call(Mishap::Throttled { retry_after: Some(20) });
    let error = scene.refresh(&scene.issue()).await.unwrap_err();
    let until = scene.clock.now() + SignedDuration::from_secs(20);
    assert_eq!((&error.failure, error.not_acted()), (&Failure::Throttled { until }, true));
}

#[tokio::test]
async fn what_was_revoked_and_what_ran_out_end_alike_at_both_hosts() {
    type End = fn(&FakeAmazon);
    let ends: [End; 2] = [|fake| fake.revoke(SELLER), |fake| fake.lapse(SELLER)];
    for end in ends {
        let scene = Scene::new();
        let issued = scene.issue();
        end(&scene.fake);
        let error = scene.refresh(&issued).await.unwrap_err();
        assert!(matches!(error.failure, Failure::AuthorizationEnded { .. }), "{error}");
        assert!(error.text.contains("User may have revoked"), "{error}");
        let error = scene.channel().probe(&access(&issued)).await.unwrap_err();
        assert_eq!(error.failure, Failure::TokenRejected, "{error}");
    }
}

#[tokio::test]
async fn an_authorization_ends_365_days_after_the_consent_and_the_channel_says_so() {
    let scene = Scene::new();
    let issued = scene.fake.grant_tokens(SELLER, HOUR * 24 * 364);
    scene.refresh(&issued).await.unwrap();
    scene.clock.advance(HOUR * 24);
    let error = scene.refresh(&issued).await.unwrap_err();
    assert!(matches!(error.failure, Failure::AuthorizationEnded { .. }), "{error}");
    let end = scene.channel().consent().unwrap().end();
    assert_eq!(end, crate::channels::OwnersEnd::After(HOUR * 24 * 365));
}

#[tokio::test]
async fn suspended_listings_and_a_marketplace_left_close_the_shop() {
    let scene = Scene::new();
    let (channel, access) = (scene.channel(), scene.access());
    assert_eq!(channel.probe(&access).await.unwrap().name.as_deref(), Some("Seller Ltd"));
    assert!(scene.fake.set_closed(SELLER, "DE", true));
    let error = channel.probe(&access).await.unwrap_err();
    assert!(matches!(error.failure, Failure::ShopClosed { .. }) && error.text.contains("suspended"), "{error}");
    assert!(error.request_id.is_some());
    assert!(scene.fake.set_closed(SELLER, "DE", false));
    channel.probe(&access).await.unwrap();
    assert!(scene.fake.set_participating(SELLER, "DE", false));
    let error = channel.probe(&access).await.unwrap_err();
    assert!(matches!(error.failure, Failure::ShopClosed { .. }) && error.text.contains("take part"), "{error}");
    let elsewhere = Scene { own: json!({"marketplace": "PL"}), ..scene };
    let error = elsewhere.channel().probe(&access).await.unwrap_err();
    assert!(matches!(error.failure, Failure::ShopClosed { .. }), "{error}");
}

#[tokio::test]
async fn a_secret_that_is_wrong_ended_or_missing_is_the_operators_to_mend() {
    let mut scene = Scene::new();
    let issued = scene.issue();
    let refused = |result: Result<Grant, ChannelError>| {
        let error = result.unwrap_err();
        assert!(matches!(error.failure, Failure::AppCredentialRejected { .. }), "{error}");
        error
    };
    scene.secret = Some("wrong".into());
    assert!(refused(scene.refresh(&issued).await).remedy.contains("client_secret"));

    scene.secret = Some(APP_SECRET.to_owned());
    let fresh = scene.fake.rotate_client_secret();
    scene.clock.advance(HOUR * 24 * 7 - HOUR);
    scene.refresh(&issued).await.unwrap();
    scene.clock.advance(HOUR);
    refused(scene.refresh(&issued).await);
    scene.secret = Some(fresh);
    let grant = scene.refresh(&issued).await.unwrap();

    scene.fake.end_client_secret();
    refused(scene.refresh(&issued).await);
    let access = Access { token: Some(grant.tokens.access_token), place: Value::Null };
    let error = scene.channel().probe(&access).await.unwrap_err();
    assert!(matches!(error.failure, Failure::AppCredentialRejected { .. }), "an ended secret is no old token: {error}");

    scene.secret = None;
    assert_eq!(refused(scene.refresh(&issued).await).remedy, "set channels.amazon.client_secret");
    assert_eq!(scene.fake.stats().bad_clients, 3);
}

#[tokio::test]
async fn a_missing_role_is_no_ended_authorization() {
    let scene = Scene::new();
    let access = scene.access();
    scene.fake.rules(|rules| rules.role_missing = true);
    let error = scene.channel().probe(&access).await.unwrap_err();
    assert!(matches!(error.failure, Failure::ScopeMissing { .. }), "{error}");
}

#[tokio::test]
async fn the_documented_rate_is_kept_by_waiting() {
    let scene = Scene::new();
    let (channel, access) = (scene.channel(), scene.access());
    for _ in 0..10 {
        channel.probe(&access).await.unwrap();
    }
    let error = channel.probe(&access).await.unwrap_err();
    let Failure::Throttled { until } = error.failure else { panic!("{error}") };
    assert!(until > scene.clock.now() + SignedDuration::from_mins(1), "{until}");
    scene.clock.advance(SignedDuration::from_mins(2));
    channel.probe(&access).await.unwrap();
    assert_eq!(scene.fake.stats().rate_violations, 0);
    let other_daemon = (DEF.build)(&settings(&scene.own, scene.app.clone()), &tools(&scene.clock)).unwrap();
    for _ in 0..15 {
        drop(other_daemon.probe(&access).await);
    }
    assert!(scene.fake.stats().rate_violations > 0, "the marketplace does count");
}

#[tokio::test]
async fn a_clock_that_is_wrong_harms_no_call() {
    let scene = Scene::new();
    let access = scene.access();
    let clock = Clock::manual(scene.clock.now() - HOUR * 24);
    let settings = settings(&scene.own, scene.app.clone());
    (DEF.build)(&settings, &tools(&clock)).unwrap().probe(&access).await.unwrap();
    assert_eq!(scene.fake.stats().odd_headers, 1);
}

#[tokio::test]
async fn a_renewed_consent_gives_new_tokens_and_the_old_ones_may_end_or_not() {
    for ends in [false, true] {
        let scene = Scene::new();
        scene.fake.rules(|rules| rules.renewal_ends_old_tokens = ends);
        let old = scene.issue();
        let channel = scene.channel();
        let grant = channel.consent().unwrap().exchange(&scene.agree(SELLER)).await.unwrap().remove(0);
        assert_ne!(grant.tokens.refresh_token.unwrap().expose(), old.refresh_token);
        assert_eq!(scene.refresh(&old).await.is_err(), ends);
    }
}

#[tokio::test]
async fn tokens_of_an_account_that_can_be_no_sellers_are_refused() {
    let scene = Scene::new();
    let channel = scene.channel();
    let mut grant = scene.refresh(&scene.issue()).await.unwrap();
    channel.consent().unwrap().identify(&grant).await.unwrap();
    grant.account = "owner@example.com".into();
    let error = channel.consent().unwrap().identify(&grant).await.unwrap_err();
    assert_eq!(error.text, "Amazon: `owner@example.com` is not a seller's id");
}

#[test]
fn callbacks_that_are_not_amazons_or_not_whole_are_refused_by_name() {
    let app = json!({"client_id": "k", "application_id": "a"}).as_object().cloned().unwrap();
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let channel = (DEF.build)(&settings(&json!({"marketplace": "DE"}), app), &tools(&clock)).unwrap();
    let consent = channel.consent().unwrap();
    let (code, seller) = (("spapi_oauth_code", "c"), ("selling_partner_id", SELLER));
    let read = |pairs: &[(&str, &str)]| consent.read_callback(&query(pairs));
    assert_eq!(read(&[code, seller, ("mws_auth_token", "old")]).unwrap().state, None);
    assert_eq!(read(&[code, seller, ("state", "s")]).unwrap().state.as_deref(), Some("s"));
    let table: [(&[(&str, &str)], &str); 8] = [
        (&[], "spapi_oauth_code is missing"),
        (&[("code", "c"), ("state", "s")], "spapi_oauth_code is missing"),
        (&[code, code, seller], "spapi_oauth_code is empty or there twice"),
        (&[("spapi_oauth_code", ""), seller], "spapi_oauth_code is empty or there twice"),
        (&[code], "selling_partner_id is missing"),
        (&[code, seller, seller], "selling_partner_id is empty or there twice"),
        (&[code, ("selling_partner_id", "<b>")], "selling_partner_id is not a seller's id"),
        (&[code, seller, ("state", "a"), ("state", "b")], "state is empty or there twice"),
    ];
    for (pairs, expected) in table {
        let error = read(pairs).unwrap_err();
        assert_eq!(error.failure, Failure::Rejected, "{pairs:?}");
        assert_eq!(error.text, format!("Amazon: the callback's {expected}"));
    }
    let error = read(&[("error", "access_denied"), ("state", "s")]).unwrap_err();
    assert_eq!(error.failure, Failure::AuthorizationEnded { why: "access_denied".into() });
}

#[tokio::test]
async fn the_probes_of_a_seller_with_many_marketplaces_leave_room_for_a_consent() {
    let scene = Scene::new();
    let (channel, access) = (scene.channel(), scene.access());
    let mut refused = 0;
    for _ in 0..20 {
        refused += u32::from(channel.probe(&access).await.is_err());
    }
    assert_eq!(refused, 10, "the part of the probes is used up, by our own reckoning");
    let consent = channel.consent().unwrap();
    let grants = consent.exchange(&scene.agree(SELLER)).await.unwrap();
    consent.identify(&grants[0]).await.unwrap();
    assert_eq!(scene.fake.stats().rate_violations, 0);
}
