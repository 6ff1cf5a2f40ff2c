//! Settings.

use super::*;

fn told(own: &Value, app: &Value) -> String {
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let faults = (DEF.build)(&settings(own, app.as_object().cloned().unwrap()), &tools(&clock)).err().unwrap();
    let mut told: Vec<_> = faults.iter().map(|it| format!("{}: {}; {}", it.key, it.cause, it.remedy)).collect();
    told.sort();
    told.join("\n")
}

#[test]
fn every_fault_in_the_settings_is_named_at_once() {
    let app = json!({
        "client_id": true, "api_url": "http://shop.example/{handle}", "token_url": "no", "consent_url": "https://x/?a=b",
        "version": "2026", "scope": [],
    });
    insta::assert_snapshot!(told(&json!({"handle": "teststore.myshopline.com", "platform": "Global"}), &app), @r#"
    channel.api_url: `api_url` is neither https nor on loopback; use https
    channel.client_id: `client_id` is not a text; copy it from the app's page at SHOPLINE, in quotes
    channel.consent_url: `consent_url` has a query or fragment; leave it out: origin and path prefix only
    channel.scope: `scope` is not a text; use one like "read_products,write_products,read_inventory,write_inventory,read_store_information"
    channel.token_url: `token_url` is not an address; use one like https://handle.myshopline.com/
    channel.version: `version` is "2026", which is no version of SHOPLINE's API; use one like "v20260601"
    handle: `handle` is "teststore.myshopline.com", which is no handle: letters, digits and `-` only; write the first part of the shop's address, for example "teststore" for teststore.myshopline.com
    platform: `platform` is "Global", which is no platform of SHOPLINE; write "global" if the shop's address at SHOPLINE ends in myshopline.com, "asia" if in shoplineapp.com
    "#);
}

#[test]
fn keys_that_are_missing_or_of_another_kind_are_named() {
    insta::assert_snapshot!(told(&json!({"handle": 7}), &json!({"asia_client_id": "x"})), @r#"
    channel.asia_client_secret: `asia_client_id` is set without `asia_client_secret`; copy it from the app's page at SHOPLINE Asia: the two platforms have different apps
    channel.client_id: `client_id` is missing; copy it from the app's page at SHOPLINE
    handle: `handle` is 7, not a text; write the first part of the shop's address, for example "teststore" for teststore.myshopline.com
    platform: `platform` is missing; write "global" if the shop's address at SHOPLINE ends in myshopline.com, "asia" if in shoplineapp.com
    "#);
    for handle in ["", "-a", "a-", "a_b", "a/b", "ä"] {
        let told = told(&json!({"handle": handle, "platform": "asia"}), &json!({"client_id": "x"}));
        assert!(told.contains("which is no handle"), "{handle}: {told}");
    }
}

#[test]
fn the_two_platforms_are_different_places_apps_and_addresses() {
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let of = |platform: &str, app: Value| {
        let own = json!({"platform": platform, "handle": "TestStore"});
        let mut settings = settings(&own, app.as_object().cloned().unwrap());
        if app.get("asia_client_id").is_some() {
            settings.secrets.insert("asia_client_secret".to_owned(), Some(Secret::new("s")));
        }
        let channel = (DEF.build)(&settings, &tools(&clock)).unwrap();
        let consent = channel.consent().unwrap();
        [channel.place(), consent.app(), consent.link("a b&c").to_string()]
    };
    let callback = "http%3A%2F%2F127.0.0.1%3A8420%2Foauth%2Fshopline%2Fcallback";
    let scope = "read_products%2Cwrite_products%2Cread_inventory%2Cwrite_inventory%2Cread_store_information";
    assert_eq!(
        of("global", json!({"client_id": "k", "asia_client_id": "a"})),
        [
            "shopline global teststore".to_owned(),
            "global k".to_owned(),
            format!(
                "https://teststore.myshopline.com/admin/oauth-web/#/oauth/authorize?appKey=k&responseType=code&scope={scope}&redirectUri={callback}&customField=a+b%26c"
            ),
        ]
    );
    let asia = |id: &str| {
        [
            "shopline asia teststore".to_owned(),
            format!("asia {id}"),
            format!(
                "https://developers.shoplineapp.com/oauth/authorize?client_id={id}&redirect_uri={callback}&response_type=code&scope=products&state=a+b%26c"
            ),
        ]
    };
    assert_eq!(of("asia", json!({"client_id": "k", "asia_scope": "products"})), asia("k"));
    assert_eq!(of("asia", json!({"client_id": "k", "asia_client_id": "a", "asia_scope": "products"})), asia("a"));
}

#[test]
fn the_id_of_one_app_never_goes_with_the_secret_of_the_other() {
    let told = |platform: &str, app: Value, asia: bool| {
        let own = json!({"platform": platform, "handle": "teststore"});
        let mut settings = settings(&own, app.as_object().cloned().unwrap());
        if asia {
            settings.secrets.insert("asia_client_secret".to_owned(), None);
        }
        let faults = (DEF.build)(&settings, &tools(&Clock::manual(Timestamp::UNIX_EPOCH))).err().unwrap_or_default();
        faults.into_iter().map(|fault| format!("{}: {}", fault.key, fault.cause)).collect::<Vec<_>>().join("; ")
    };
    let both = || json!({"client_id": "k", "asia_client_id": "a"});
    for platform in ["global", "asia"] {
        assert_eq!(
            told(platform, both(), false),
            "channel.asia_client_secret: `asia_client_id` is set without `asia_client_secret`"
        );
        let other = "channel.asia_client_id: `asia_client_secret` is set without `asia_client_id`";
        assert!(told(platform, json!({"client_id": "k"}), true).starts_with(other));
        assert_eq!(told(platform, both(), true), "", "a secret that cannot be read here is set all the same");
    }
    assert_eq!(told("asia", json!({"asia_client_id": "a"}), true), "", "where only Asia is used");
}

#[test]
fn the_page_names_every_setting() {
    for key in DEF.shop_keys.iter().chain(DEF.app_keys).chain(DEF.app_secrets) {
        assert!(DEF.page.contains(key.name), "{} is missing", key.name);
    }
}
