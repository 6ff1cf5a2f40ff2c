//! What TikTok Shop tells without being asked.

use super::*;
use crate::channels::{About, News, RawWebhook, Webhook, WebhookFault};
use crate::domain::{EndSource, Ending};

fn read(fake: &FakeTikTok, request: &RawWebhook) -> Result<Webhook, WebhookFault> {
    let own = json!({"shop_id": SHOP});
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let channel = (DEF.build)(&settings(&own, fake.app_settings(), None), &tools(&clock)).unwrap();
    channel.consent().unwrap().read_webhook(request)
}

#[tokio::test]
async fn the_two_kinds_about_permissions_name_the_shop_and_others_are_let_pass() {
    let scene = Scene::new();
    let end = scene.clock.now() + HOUR * 24 * 20;
    let about = || About::Place(format!("tiktok_shop {SHOP}"));
    let told = Some(Ending { at: Timestamp::from_second(end.as_second()).unwrap(), source: EndSource::Told });
    for (kind, data, news) in [
        (6, json!({"message": "bye"}), vec![News { about: about(), ends: None }]),
        (
            7,
            json!({"message": "soon", "expiration_time": end.as_second().to_string()}),
            vec![News { about: about(), ends: told }],
        ),
        (5, json!({"status": "LIVE"}), vec![]),
    ] {
        let webhook = read(&scene.fake, &scene.fake.webhook(kind, SHOP, data)).unwrap();
        assert_eq!((webhook.kind, webhook.news), (kind.to_string(), news));
        assert!(!webhook.id.is_empty());
    }
}

#[tokio::test]
async fn what_is_forged_or_absurd_is_refused() {
    let scene = Scene::new();
    let genuine = scene.fake.webhook(6, SHOP, json!({}));
    let mut bare = genuine.clone();
    bare.headers.clear();
    let mut altered = genuine.clone();
    altered.body = String::from_utf8(genuine.body.to_vec()).unwrap().replace(SHOP, "7494049642642441622").into();
    let mut other = genuine;
    other.headers = vec![("authorization".into(), "zz".into())];
    for forged in [bare, altered, other] {
        assert_eq!(read(&scene.fake, &forged), Err(WebhookFault::Forged));
    }
    let far = (scene.clock.now() + HOUR * 24 * 401).as_second().to_string();
    for absurd in [
        json!({}),
        json!({"expiration_time": "soon"}),
        json!({"expiration_time": "1"}),
        json!({"expiration_time": far}),
    ] {
        let told = read(&scene.fake, &scene.fake.webhook(7, SHOP, absurd));
        assert!(matches!(told, Err(WebhookFault::Unreadable(_))), "{told:?}");
    }
}
