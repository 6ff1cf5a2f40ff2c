//! Permission and settings.

use super::*;

pub(super) fn tokens(issued: &Issued) -> Tokens {
    Tokens { access_token: Secret::new(&issued.access_token), refresh_token: Some(Secret::new(&issued.refresh_token)) }
}

#[tokio::test]
async fn after_a_lost_reply_the_old_refresh_token_may_be_tried_once_more() {
    for (forgiven, renewed) in [(true, true), (false, false)] {
        let scene = Scene::new();
        scene.fake.rules(|rules| rules.lost_reply_forgiven = forgiven);
        let (channel, spent) = (scene.channel(), tokens(&scene.issue()));
        let consent = channel.consent().unwrap();
        scene.fake.fail_next_token_call(Mishap::ReplyLost);
        let error = consent.refresh(&spent, SELLER).await.unwrap_err();
        assert_eq!(error.failure, Failure::Unavailable { retry_at: None });
        assert!(!error.not_acted(), "the marketplace may have acted, and here it did");
        assert_eq!(consent.refresh(&spent, SELLER).await.is_ok(), renewed);
        assert_eq!(scene.fake.stats().refresh_tokens_spent_twice, 0);
        let error = consent.refresh(&spent, SELLER).await.unwrap_err();
        assert!(matches!(error.failure, Failure::AuthorizationEnded { .. }), "{error}");
        assert_eq!(scene.fake.stats().refresh_tokens_spent_twice, 1);
    }
}

#[tokio::test]
async fn a_refresh_does_not_move_the_end_and_ends_with_it() {
    let scene = Scene::new();
    let issued = scene.fake.grant_tokens(SELLER, HOUR * 24 * 360, HOUR * 24 * 3);
    let channel = scene.channel();
    let consent = channel.consent().unwrap();
    scene.clock.advance(HOUR * 24);
    let grant = consent.refresh(&tokens(&issued), SELLER).await.unwrap();
    assert_eq!(grant.ends.unwrap().at, issued.ends_at);
    assert_eq!(grant.access_token_ends_at, issued.ends_at, "no token outlives the authorization");
    scene.clock.set(issued.ends_at);
    let error = consent.refresh(&grant.tokens, SELLER).await.unwrap_err();
    assert!(matches!(error.failure, Failure::AuthorizationEnded { .. }), "{error}");
    assert!(error.text.contains("refresh token is expired"), "{error}");
}

#[tokio::test]
async fn a_code_works_once_and_for_half_an_hour() {
    let scene = Scene::new();
    let channel = scene.channel();
    let consent = channel.consent().unwrap();
    let link = consent.link("s1");
    let callback = |seller| {
        let back = scene.fake.consent(&link, Some(seller)).unwrap();
        consent.read_callback(&back.query_pairs().into_owned().collect::<Vec<_>>()).unwrap()
    };
    let first = callback(SELLER);
    assert_eq!(consent.exchange(&first).await.unwrap()[0].account, SELLER);
    assert_eq!(consent.exchange(&first).await.unwrap_err().failure, Failure::Rejected);
    let late = callback(SELLER);
    scene.clock.advance(SignedDuration::from_mins(30));
    assert_eq!(consent.exchange(&late).await.unwrap_err().failure, Failure::Rejected);
}

#[test]
fn a_callback_may_come_without_state_and_a_refusal_has_the_code_null() {
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let app = json!({"client_id": "k", "service_id": "1"}).as_object().cloned().unwrap();
    let channel = (DEF.build)(&settings(&json!({"shop_id": SHOP}), app, None), &tools(&clock)).unwrap();
    let consent = channel.consent().unwrap();
    let read = |query: &[(&str, &str)]| {
        let query: Vec<_> = query.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        consent.read_callback(&query)
    };
    assert_eq!(read(&[("code", "c"), ("app_key", "k")]).unwrap().state, None);
    assert_eq!(read(&[("code", "c"), ("state", "s")]).unwrap().state.as_deref(), Some("s"));
    let failure = |result: Result<_, ChannelError>| result.map(|_: crate::channels::Callback| ()).unwrap_err().failure;
    let denied = failure(read(&[("code", "null"), ("error", "auth_denied")]));
    assert_eq!(denied, Failure::AuthorizationEnded { why: "auth_denied".into() });
    assert_eq!(failure(read(&[("code", "null")])), Failure::Rejected);
}

#[tokio::test]
async fn one_authorization_covers_several_shops_and_another_region_is_noticed() {
    let mut scene = Scene::new();
    scene.fake.add_shop(SELLER, "42", "Second", "DE");
    scene.fake.add_seller("seller-2", "Other", "US");
    scene.fake.add_shop("seller-2", "43", "Foreign", "US");
    let grant = scene.grant();
    let identity = scene.channel().consent().unwrap().identify(&grant).await.unwrap();
    let names: Vec<&str> = identity.places.iter().map(|place| place.name.as_str()).collect();
    assert_eq!(names, ["Second (42)", &format!("Shop ({SHOP})")]);
    let place = identity.places.into_iter().find(|place| place.id == scene.channel().place()).unwrap();
    assert_eq!(place.data["region"], "GB");

    scene.own = json!({"shop_id": SHOP, "region": "us"});
    let error = scene.channel().consent().unwrap().check_place(&place).unwrap_err();
    assert!(error.text.contains("is in region GB, the settings say US"), "{error}");

    scene.own = json!({"shop_id": "43"});
    let channel = scene.channel();
    let covered = channel.consent().unwrap().identify(&grant).await.unwrap().places;
    assert!(covered.iter().all(|place| place.id != channel.place()));
    let token = grant.tokens.access_token;
    let error = channel.probe(&Access { token: Some(token), place: Value::Null }).await.unwrap_err();
    assert_eq!(error.failure, Failure::ScopeMissing { scope: "access to shop 43".into() }, "{error}");
}

#[tokio::test]
async fn a_closed_shop_and_a_wrong_secret_are_told_apart() {
    let scene = Scene::seeded(&[seed("a")]);
    let access = scene.access().await;
    let from = From { kind: PassKind::Full, cursor: None, first: true };
    scene.fake.set_closed(SHOP, true);
    let error = scene.channel().pull(&access, &from).await.unwrap_err();
    assert!(matches!(error.failure, Failure::ShopClosed { .. }), "{error}");

    let mut settings = settings(&scene.own, scene.fake.app_settings(), None);
    settings.client_secret = Some(Secret::new("wrong"));
    let channel = (DEF.build)(&settings, &tools(&scene.clock)).unwrap();
    let error = channel.pull(&access, &from).await.unwrap_err();
    assert!(matches!(error.failure, Failure::AppCredentialRejected { .. }), "{error}");
    let error = channel.consent().unwrap().refresh(&tokens(&scene.issue()), SELLER).await.unwrap_err();
    assert!(matches!(error.failure, Failure::AppCredentialRejected { .. }), "{error}");

    settings.client_secret = None;
    let channel = (DEF.build)(&settings, &tools(&scene.clock)).unwrap();
    let error = channel.probe(&access).await.unwrap_err();
    assert_eq!(error.remedy, "set channels.tiktok_shop.client_secret");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_the_operators_to_mend() {
    let scene = Scene::new();
    let access = scene.access().await;
    for wrong in [-301, 31] {
        let settings = settings(&scene.own, scene.fake.app_settings(), None);
        let clock = Clock::manual(scene.clock.now() + SignedDuration::from_secs(wrong));
        let error = (DEF.build)(&settings, &tools(&clock)).unwrap().probe(&access).await.unwrap_err();
        assert!(error.remedy.starts_with("set this machine's clock"), "{error:?}");
    }
    assert_eq!(scene.fake.stats().bad_signatures, 2);
}

#[test]
fn every_fault_in_the_settings_is_named_at_once() {
    let app =
        json!({"client_id": 7, "api_url": "http://shop.example", "token_url": "no", "consent_url": "https://x/?a=b"});
    let own = json!({"shop_id": "GBLC7", "region": "Britain"});
    let settings = settings(&own, app.as_object().cloned().unwrap(), None);
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let faults = (DEF.build)(&settings, &tools(&clock)).err().unwrap();
    let mut told: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.key, fault.cause)).collect();
    told.sort();
    insta::assert_snapshot!(told.join("\n"), @r#"
    channel.api_url: `api_url` is neither https nor on loopback
    channel.consent_url: `consent_url` has a query or fragment
    channel.service_id: `service_id` is missing
    channel.token_url: `token_url` is not an address
    region: `region` is "Britain", not a country in which TikTok Shop sells
    shop_id: `shop_id` is not a TikTok shop id
    "#);
}

#[test]
fn a_shop_id_without_quotes_and_a_country_without_tiktok_shop_are_faults_that_say_what_is_right() {
    let own = json!({"shop_id": 7490, "region": "XX"});
    let app = json!({"client_id": "k", "service_id": "12"}).as_object().cloned().unwrap();
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let faults = (DEF.build)(&settings(&own, app, None), &tools(&clock)).err().unwrap();
    let told: Vec<_> = faults.iter().map(|it| format!("{}: {}; {}", it.key, it.cause, it.remedy)).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    region: `region` is "XX", not a country in which TikTok Shop sells; use one of BR, DE, ES, FR, GB, ID, IE, IT, JP, MX, MY, PH, SG, TH, US, VN
    shop_id: `shop_id` is a number, not a text; set it to the shop's id, digits in quotes; `shopsyncd shops authorize SHOP` lists those of an authorization
    "#);
}

#[test]
fn the_consent_page_of_the_united_states_is_another_one() {
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let app = json!({"client_id": "k", "service_id": 12}).as_object().cloned().unwrap();
    let link = |own: Value, app: &Map<String, Value>| {
        let channel = (DEF.build)(&settings(&own, app.clone(), None), &tools(&clock)).unwrap();
        channel.consent().unwrap().link("a b").to_string()
    };
    let query = "/open/authorize?service_id=12&state=a+b";
    assert_eq!(link(json!({"shop_id": SHOP}), &app), format!("https://services.tiktokshop.com{query}"));
    let us = json!({"shop_id": "7", "region": "US"});
    assert_eq!(link(us.clone(), &app), format!("https://services.us.tiktokshop.com{query}"));
    let mut named = app.clone();
    named.insert("consent_url".into(), json!("https://services.tiktokshops.us/x/"));
    assert_eq!(link(us, &named), format!("https://services.tiktokshops.us/x{query}"));
}
