//! Settings.

use super::*;

fn link(own: Value, app: Value, at: &str) -> String {
    let clock = Clock::manual(at.parse().unwrap());
    let app = app.as_object().cloned().unwrap();
    let channel = (DEF.build)(&shop_settings(&own, &app, Some("shpk_test_partner_key_0001")), &tools(&clock)).unwrap();
    channel.consent().unwrap().link("a b").to_string()
}

#[test]
fn every_fault_in_the_settings_is_named_at_once() {
    let cases = [
        (
            json!({"shop_id": "SG14701711", "region": "XX"}),
            json!({"client_id": "20x", "consent": "popup", "api_url": "http://shop.example", "token_url": "no"}),
        ),
        (json!({"shop_id": 14_701_711}), json!({"client_id": true, "consent": 1, "consent_url": "https://x/?a=b"})),
        (json!({}), json!({})),
        (json!({"shop_id": "0"}), json!({"client_id": "-5"})),
    ];
    let mut told = Vec::new();
    for (own, app) in cases {
        let settings = shop_settings(&own, app.as_object().unwrap(), None);
        let faults = (DEF.build)(&settings, &tools(&Clock::manual(Timestamp::UNIX_EPOCH))).err().unwrap();
        told.extend(faults.iter().map(|fault| format!("{}: {}; {}", fault.key, fault.cause, fault.remedy)));
        told.push(String::new());
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    region: `region` is "XX", not a country in which Shopee sells; use one of BR, CL, CO, ID, MX, MY, PH, SG, TH, TW, VN
    channel.api_url: `api_url` is neither https nor on loopback; use https
    channel.consent: `consent` is no form of the consent link; use "page" or "signed"
    shop_id: `shop_id` is not a Shopee shop id; set it to the shop's id, digits in quotes; the address that a consent ends on names it as `shop_id`
    channel.client_id: `client_id` is not a partner id: it is a whole number; copy the live partner id from the app's page in the console of Shopee Open Platform
    channel.token_url: `token_url` is not an address; use one like http://shop.example/

    channel.consent: `consent` is no form of the consent link; use "page" or "signed"
    channel.consent_url: `consent_url` has a query or fragment; leave it out: origin and path prefix only
    shop_id: `shop_id` is a number, not a text; set it to the shop's id, digits in quotes; the address that a consent ends on names it as `shop_id`
    channel.client_id: `client_id` is not a text; copy it from the app's page in the console of Shopee Open Platform, in quotes

    shop_id: `shop_id` is missing; set it to the shop's id, digits in quotes; the address that a consent ends on names it as `shop_id`
    channel.client_id: `client_id` is missing; copy it from the app's page in the console of Shopee Open Platform

    shop_id: `shop_id` is not a Shopee shop id; set it to the shop's id, digits in quotes; the address that a consent ends on names it as `shop_id`
    channel.client_id: `client_id` is not a partner id: it is a whole number; copy the live partner id from the app's page in the console of Shopee Open Platform
    "#);
}

#[test]
fn the_consent_link_has_two_forms() {
    let shop = || json!({"shop_id": ACCOUNT});
    let at = "2025-10-09T08:53:20Z";
    insta::assert_snapshot!(link(shop(), json!({"client_id": "2001887"}), at), @"https://open.shopee.com/auth?partner_id=2001887&auth_type=seller&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Foauth%2Fshopee%2Fcallback&response_type=code&state=a+b");
    insta::assert_snapshot!(link(shop(), json!({"client_id": 2_001_887, "consent": "signed"}), at), @"https://partner.shopeemobile.com/api/v2/shop/auth_partner?partner_id=2001887&timestamp=1760000000&sign=c8049ba0dd3482746d616183f22ccff3205e70170f42360d8a245a7978b2f409&redirect=http%3A%2F%2F127.0.0.1%3A1%2Foauth%2Fshopee%2Fcallback%3Fstate%3Da%2Bb");
}

#[test]
fn shops_in_brazil_have_hosts_of_their_own_and_named_hosts_count_more() {
    let host = |own: Value, mut app: Value| {
        app["client_id"] = "2001887".into();
        let link: url::Url = link(own, app, "2026-06-01T12:00:00Z").parse().unwrap();
        format!("{}{}", link.host_str().unwrap(), link.path())
    };
    let shop = |region: &str| json!({"shop_id": ACCOUNT, "region": region});
    for (region, app, expected) in [
        ("SG", json!({}), "open.shopee.com/auth"),
        ("mx", json!({}), "open.shopee.com/auth"),
        ("br", json!({}), "open.shopee.com.br/auth"),
        ("BR", json!({"consent": "page", "consent_url": "https://g.example/x/"}), "g.example/x/auth"),
        ("SG", json!({"consent": "signed"}), "partner.shopeemobile.com/api/v2/shop/auth_partner"),
        ("BR", json!({"consent": "signed"}), "openplatform.shopee.com.br/api/v2/shop/auth_partner"),
        ("BR", json!({"consent": "signed", "api_url": "https://a.example"}), "a.example/api/v2/shop/auth_partner"),
        (
            "BR",
            json!({"consent": "signed", "api_url": "https://a.example", "consent_url": "https://c.example"}),
            "c.example/api/v2/shop/auth_partner",
        ),
    ] {
        assert_eq!(host(shop(region), app.clone()), expected, "{region} {app}");
    }
}

#[tokio::test]
async fn without_a_key_that_can_be_read_the_settings_are_good_and_calls_are_refused_by_us() {
    let scene = Scene::new();
    let settings = shop_settings(&scene.own, &scene.app, None);
    let channel = (DEF.build)(&settings, &tools(&scene.clock)).unwrap();
    let error = channel.probe(&access(&scene.issue())).await.unwrap_err();
    assert_eq!(error.remedy, "set channels.shopee.client_secret");
    assert!(matches!(error.failure, Failure::AppCredentialRejected { .. }), "{error}");
}
