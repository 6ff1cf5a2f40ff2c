//! What SHOPLINE tells without being asked.

use super::*;
use crate::channels::{About, News, RawWebhook, Webhook, WebhookFault, shopline::sign};

fn read(scene: &Scene, platform: &str, request: &RawWebhook) -> Result<Webhook, WebhookFault> {
    scene.channel(platform).consent().unwrap().read_webhook(request)
}

fn news(about: About) -> Vec<News> {
    vec![News { about, ends: None }]
}

#[tokio::test]
async fn those_about_permissions_name_whom_they_concern_and_others_are_let_pass() {
    let scene = Scene::new();
    let place = || news(About::Place("shopline global teststore".into()));
    let account = || news(About::Account(MERCHANT.into()));
    for (platform, of, topic, expected) in [
        ("global", STORE, "apps/installed_uninstalled", place()),
        ("global", STORE, "customers/redact", vec![]),
        ("global", STORE, "merchants/redact", vec![]),
        ("global", STORE, "orders/paid", vec![]),
        ("asia", MERCHANT, "application/uninstall", account()),
        ("asia", MERCHANT, "access_token/revoke", account()),
        ("asia", MERCHANT, "access_token/app_installation_token_revoke", account()),
        ("asia", MERCHANT, "product/update", vec![]),
    ] {
        let request = scene.fake.signed_webhook(of, topic).unwrap();
        let webhook = read(&scene, platform, &request).unwrap();
        assert_eq!((webhook.kind.as_str(), &webhook.news), (topic, &expected));
        assert_eq!(read(&scene, platform, &request).unwrap().id, webhook.id, "a repetition is known by its id");
        let other = read(&scene, platform, &scene.fake.signed_webhook(of, topic).unwrap()).unwrap();
        assert_ne!(other.id, webhook.id);
        assert_eq!(webhook.said_at.is_some(), platform == "asia", "one signs when it was said");
        let wrong = if platform == "asia" { "global" } else { "asia" };
        assert_eq!(read(&scene, wrong, &request), Err(WebhookFault::Forged), "the other platform's");
    }
}

#[tokio::test]
async fn what_is_forged_is_refused_before_anything_is_read() {
    let mut scene = Scene::new();
    for (platform, of, topic) in
        [("global", STORE, "apps/installed_uninstalled"), ("asia", MERCHANT, "application/uninstall")]
    {
        let genuine = scene.fake.signed_webhook(of, topic).unwrap();
        let mut bare = genuine.clone();
        bare.headers.clear();
        let mut altered = genuine.clone();
        altered.body = String::from_utf8(genuine.body.to_vec()).unwrap().replace(of, "1").into();
        let mut empty = genuine.clone();
        empty.body = Vec::new().into();
        for forged in [bare, altered, empty] {
            assert_eq!(read(&scene, platform, &forged), Err(WebhookFault::Forged));
        }
    }
    let mut unsigned = scene.fake.signed_webhook(MERCHANT, "application/uninstall").unwrap();
    unsigned.url.set_query(None);
    assert_eq!(read(&scene, "asia", &unsigned), Err(WebhookFault::Forged));
    let genuine = scene.fake.signed_webhook(STORE, "apps/installed_uninstalled").unwrap();
    scene.app_secrets[0] = None;
    assert_eq!(read(&scene, "global", &genuine), Err(WebhookFault::Forged), "nobody can tell");
}

#[tokio::test]
async fn a_webhook_without_an_id_is_known_by_its_body_and_one_without_a_store_is_unreadable() {
    let scene = Scene::new();
    let mut request = scene.fake.signed_webhook(STORE, "orders/paid").unwrap();
    request.headers.retain(|(name, _)| name != "x-shopline-webhook-id");
    assert_eq!(read(&scene, "global", &request).unwrap().id.len(), 64);
    let body = r#"{"operate":"UNINSTALL"}"#;
    let sign = sign::of_call(&Secret::new(APP_SECRET), body, "");
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    request.body = body.into();
    request.headers =
        vec![header("x-shopline-topic", "apps/installed_uninstalled"), header("x-shopline-hmac-sha256", &sign)];
    assert!(matches!(read(&scene, "global", &request), Err(WebhookFault::Unreadable(_))));
    request.headers.push(header("x-shopline-shop-domain", "teststore.myshopline.com"));
    assert_eq!(read(&scene, "global", &request).unwrap().news, news(About::Place("shopline global teststore".into())));
}
