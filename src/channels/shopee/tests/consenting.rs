//! Consent: both links, callbacks, codes, main accounts, and what is known of a shop.

use super::*;
use crate::domain::{EndSource, Ending};

fn read(query: &[(&str, &str)]) -> Result<Callback, ChannelError> {
    let app = json!({"client_id": "2001887"}).as_object().cloned().unwrap();
    let settings = shop_settings(&json!({"shop_id": ACCOUNT}), &app, Some("k"));
    let channel = (DEF.build)(&settings, &tools(&Clock::manual(Timestamp::UNIX_EPOCH))).unwrap();
    let query: Vec<_> = query.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    channel.consent().unwrap().read_callback(&query)
}

#[test]
fn a_callback_names_a_code_and_one_subject() {
    let shop = read(&[("code", "c"), ("shop_id", "7"), ("state", "s"), ("region", "SG")]).unwrap();
    assert_eq!((shop.state.as_deref(), shop.subject.as_deref()), (Some("s"), Some("shop_id 7")));
    let main = read(&[("code", "c"), ("main_account_id", "9")]).unwrap();
    assert_eq!((main.state, main.subject.as_deref()), (None, Some("main_account_id 9")));
    let (no_code, no_subject) =
        ("the callback does not carry one code", "the callback does not name one shop_id or main_account_id");
    let faults: [(&[(&str, &str)], &str); 9] = [
        (&[("shop_id", "7")], no_code),
        (&[("code", ""), ("shop_id", "7")], no_code),
        (&[("code", "a"), ("code", "b"), ("shop_id", "7")], no_code),
        (&[("code", "a")], no_subject),
        (&[("code", "a"), ("app_key", "x")], no_subject),
        (&[("code", "a"), ("shop_id", "x")], no_subject),
        (&[("code", "a"), ("shop_id", "7"), ("shop_id", "8")], no_subject),
        (&[("code", "a"), ("shop_id", "7"), ("main_account_id", "8")], no_subject),
        (
            &[("code", "a"), ("shop_id", "7"), ("state", "s"), ("state", "t")],
            "the callback carries a state that is empty or doubled",
        ),
    ];
    for (query, expected) in faults {
        let error = read(query).unwrap_err();
        assert_eq!((error.text, error.failure), (format!("Shopee: {expected}"), Failure::Rejected), "{query:?}");
    }
    let error = read(&[("error", "access_denied"), ("state", "s")]).unwrap_err();
    assert_eq!(error.failure, Failure::AuthorizationEnded { why: "access_denied".into() });
}

#[tokio::test]
async fn both_forms_of_the_link_lead_to_tokens_and_bring_the_state_back() {
    for form in ["page", "signed"] {
        let mut scene = Scene::new();
        scene.app.insert("consent".into(), json!(form));
        let callback = scene.callback(SHOP);
        assert_eq!(callback.state.as_deref(), Some("s1"), "{form}");
        let grants = scene.channel().consent().unwrap().exchange(&callback).await.unwrap();
        assert_eq!(grants.len(), 1);
        assert_eq!(grants[0].account, ACCOUNT);
        assert_eq!(grants[0].access_token_ends_at, scene.clock.now() + HOUR * 4);
        assert_eq!(grants[0].refresh_token_ends_at, Some(scene.clock.now() + DAY * 30));
        let status = scene.probe(&grants[0].tokens).await.unwrap();
        let end = Ending { at: scene.clock.now() + DAY * 365, source: EndSource::Told };
        assert_eq!((status.name.as_deref(), status.ends), (Some("Tee & Co"), Some(end)));
    }
}

#[tokio::test]
async fn a_signed_link_works_for_five_minutes_and_a_link_to_a_foreign_domain_not_at_all() {
    let mut scene = Scene::new();
    scene.app.insert("consent".into(), json!("signed"));
    let link = scene.channel().consent().unwrap().link("s1");
    scene.clock.advance(SignedDuration::from_mins(5));
    assert!(scene.fake.consent(&link, Some(SHOP)).is_ok());
    scene.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(scene.fake.consent(&link, Some(SHOP)).unwrap_err(), "error_param: Invalid timestamp.");
    scene.key = "another";
    let forged = scene.channel().consent().unwrap().link("s1");
    assert_eq!(scene.fake.consent(&forged, Some(SHOP)).unwrap_err(), "error_sign: Wrong sign.");
    scene.app.insert("consent".into(), json!("page"));
    scene.fake.set_redirect_url("https://shops.example.com".parse().unwrap());
    let refused = scene.fake.consent(&scene.channel().consent().unwrap().link("s1"), Some(SHOP)).unwrap_err();
    assert!(refused.contains("is not declared"), "{refused}");
}

#[tokio::test]
async fn a_code_works_once_for_ten_minutes_and_for_its_own_account() {
    let scene = Scene::new();
    let channel = scene.channel();
    let consent = channel.consent().unwrap();
    let first = scene.callback(SHOP);
    consent.exchange(&first).await.unwrap();
    assert_eq!(consent.exchange(&first).await.unwrap_err().failure, Failure::Rejected);
    let late = scene.callback(SHOP);
    scene.clock.advance(SignedDuration::from_mins(10));
    let error = consent.exchange(&late).await.unwrap_err();
    assert_eq!((&error.failure, error.not_acted()), (&Failure::Rejected, true));
    for subject in ["shop_id 22", "main_account_id 501"] {
        let foreign = Callback { subject: Some(subject.into()), ..scene.callback(SHOP) };
        let error = consent.exchange(&foreign).await.unwrap_err();
        assert!(error.text.contains("invalid_shop_id"), "{error}");
    }
    let foreign = Callback { subject: Some("shop_id 22".into()), ..scene.callback(MAIN) };
    assert!(consent.exchange(&foreign).await.unwrap_err().text.contains("invalid_main_acount_id"));
    assert_eq!(scene.fake.stats().exchanges, 1);
}

#[tokio::test]
async fn a_main_accounts_pair_is_shared_until_each_shop_has_spent_it_once() {
    let mut scene = Scene::new();
    scene.own = json!({"shop_id": THIRD.to_string()});
    let grants = scene.exchange(MAIN).await;
    let accounts: Vec<_> = grants.iter().map(|grant| grant.account.as_str()).collect();
    assert_eq!(accounts, ["33", "22"], "the shop itself comes first");
    let text = |tokens: &Tokens| tokens.refresh_token.as_ref().unwrap().expose().to_owned();
    assert_eq!(text(&grants[0].tokens), text(&grants[1].tokens));

    let channel = scene.channel();
    let consent = channel.consent().unwrap();
    for grant in &grants {
        let identity = consent.identify(grant).await.unwrap();
        assert_eq!(identity.places[0].id, format!("shopee {}", grant.account));
    }
    let third = consent.refresh(&grants[0].tokens, "33").await.unwrap();
    // Long after the first shop's renewal the shared tokens still serve the other one.
    scene.clock.advance(SignedDuration::from_mins(30));
    consent.identify(&grants[1]).await.unwrap();
    let second = consent.refresh(&grants[1].tokens, "22").await.unwrap();
    assert_ne!(text(&third.tokens), text(&second.tokens), "each shop has a pair of its own now");
    assert_eq!(scene.fake.stats().refresh_tokens_spent_twice, 0);
    for grant in &grants {
        let error = consent.refresh(&grant.tokens, &grant.account).await.unwrap_err();
        assert!(matches!(error.failure, Failure::AuthorizationEnded { .. }), "{error}");
    }
    assert_eq!(scene.fake.stats().refresh_tokens_spent_twice, 2, "once for each shop");
    // The pairs are independent: one shop's token says nothing of the other's.
    let crossed = consent.refresh(&second.tokens, "33").await.unwrap_err();
    assert!(matches!(crossed.failure, Failure::AuthorizationEnded { .. }), "{crossed}");
    consent.refresh(&second.tokens, "22").await.unwrap();
    consent.refresh(&third.tokens, "33").await.unwrap();
}

#[tokio::test]
async fn only_another_consent_moves_the_end_and_it_replaces_the_tokens() {
    let scene = Scene::new();
    let days = |days: i64| {
        let mut link = scene.channel().consent().unwrap().link("s1");
        link.query_pairs_mut().append_pair("days", &days.to_string());
        let back = scene.fake.consent(&link, Some(SHOP))?;
        Ok::<_, String>(back.query_pairs().into_owned().collect::<Vec<_>>())
    };
    assert!(days(6).is_err() && days(366).is_err());
    let channel = scene.channel();
    let consent = channel.consent().unwrap();
    let mut grants = Vec::new();
    for length in [7, 90] {
        let callback = consent.read_callback(&days(length).unwrap()).unwrap();
        let grant = consent.exchange(&callback).await.unwrap().remove(0);
        let end = scene.clock.now() + DAY * length as i32;
        assert_eq!(consent.identify(&grant).await.unwrap().ends.unwrap().at, end);
        scene.clock.advance(HOUR * 3);
        let renewed = consent.refresh(&grant.tokens, ACCOUNT).await.unwrap();
        assert_eq!(scene.probe(&renewed.tokens).await.unwrap().ends.unwrap().at, end, "a renewal moves nothing");
        grants.push(renewed);
    }
    assert_eq!(scene.probe(&grants[0].tokens).await.unwrap_err().failure, Failure::TokenRejected);
    assert!(consent.refresh(&grants[0].tokens, ACCOUNT).await.is_err());
    scene.probe(&grants[1].tokens).await.unwrap();
}

#[tokio::test]
async fn a_suspended_shop_is_closed_but_stays_a_place_of_its_permission() {
    let scene = Scene::new();
    let grant = scene.exchange(SHOP).await.remove(0);
    for (status, as_error) in [("BANNED", false), ("FROZEN", false), ("BANNED", true)] {
        scene.fake.set_status(SHOP, status);
        scene.fake.rules(|rules| rules.banned_is_an_error = as_error);
        let error = scene.probe(&grant.tokens).await.unwrap_err();
        assert!(matches!(error.failure, Failure::ShopClosed { .. }), "{error}");
        assert!(error.remedy.contains("Seller Centre"), "{}", error.remedy);
        let channel = scene.channel();
        let identity = channel.consent().unwrap().identify(&grant).await.unwrap();
        assert_eq!(identity.places[0].id, channel.place());
        channel.consent().unwrap().check_place(&identity.places[0]).unwrap();
    }
    scene.fake.set_closed(SHOP, false);
    scene.probe(&grant.tokens).await.unwrap();
}

#[tokio::test]
async fn another_region_is_noticed() {
    let mut scene = Scene::new();
    let grant = scene.exchange(SHOP).await.remove(0);
    let place = scene.channel().consent().unwrap().identify(&grant).await.unwrap().places.remove(0);
    assert_eq!(place.name, "Tee & Co (14701711)");
    for (region, right) in [("sg", true), ("MY", false)] {
        scene.own = json!({"shop_id": ACCOUNT, "region": region});
        let checked = scene.channel().consent().unwrap().check_place(&place);
        assert_eq!(checked.is_ok(), right);
        if let Err(error) = checked {
            assert_eq!(error.text, "Shopee: shop 14701711 is in region SG, the settings say MY");
        }
    }
}
