//! Pushes: what Shopee sends without being asked.
//!
//! Vendor page: "Push mechanism" (guide 18). A push has neither an id nor an order: it is told apart by its exact body, and
//! taken as a reason to look.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{auth::id_of, place_id, sign};
use crate::{
    channels::{About, News, RawWebhook, Webhook, WebhookFault},
    secrets::Secret,
};

/// The owner gave permission.
const AUTHORIZED: u64 = 1;
/// The permission has ended.
const ENDED: u64 = 2;
/// Permissions that end within a week.
const ENDS_SOON: u64 = 12;

/// Reads a push whose signature was checked first.
pub(super) fn read(key: Option<&Secret>, request: &RawWebhook) -> Result<Webhook, WebhookFault> {
    let claimed = request.header("authorization").unwrap_or_default();
    if !key.is_some_and(|key| sign::push_is_genuine(key, request.url.as_str(), &request.body, claimed)) {
        return Err(WebhookFault::Forged);
    }
    let unreadable = |what: &str| WebhookFault::Unreadable(what.to_owned());
    let push: Value = serde_json::from_slice(&request.body).map_err(|_| unreadable("it is not JSON"))?;
    let code = push.get("code").and_then(Value::as_u64).ok_or_else(|| unreadable("it has no code"))?;
    // Where the push ends soon, the date in it is that of the batch and not the shop's own: the look asks for that.
    let news = shops(code, &push).into_iter().map(|id| News { about: About::Place(place_id(id)), ends: None });
    Ok(Webhook {
        id: hex::encode(Sha256::digest(&request.body)),
        kind: code.to_string(),
        said_at: None,
        news: news.collect(),
    })
}

/// The shops whose permission a push is about, each once.
fn shops(code: u64, push: &Value) -> Vec<u64> {
    let data = &push["data"];
    let named = match code {
        AUTHORIZED | ENDED => vec![&push["shop_id"], &data["shop_id"], &data["shopid"], &data["shop_id_list"]],
        ENDS_SOON => vec![&data["shop_expire_soon"]],
        _ => Vec::new(),
    };
    let ids = named.into_iter().flat_map(|value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice));
    let mut shops: Vec<u64> = ids.filter_map(id_of).collect();
    shops.sort_unstable();
    shops.dedup();
    shops
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    const URL: &str = "https://hooks.example.test/webhooks/shopee";

    fn push(body: &str) -> RawWebhook {
        let sign = sign::of_push(&Secret::new("key"), URL, body.as_bytes());
        RawWebhook {
            url: URL.parse().unwrap(),
            headers: vec![("authorization".into(), sign)],
            body: body.to_owned().into(),
        }
    }

    fn read(request: &RawWebhook) -> Result<Webhook, WebhookFault> {
        super::read(Some(&Secret::new("key")), request)
    }

    #[test]
    fn pushes_about_permissions_are_news_of_their_shops_and_others_are_none() {
        let table = [
            (json!({"code": 1, "shop_id": 7, "data": {"shop_id": 7, "success": 1}}), vec![7]),
            (json!({"code": 1, "data": {"shop_id_list": [9, 8, 9], "main_account_id": 5}}), vec![8, 9]),
            (json!({"code": 1, "data": {"merchant_id": 5}}), vec![]),
            (json!({"code": 2, "data": {"shop_id": "7", "authorize_type": "expiry"}}), vec![7]),
            (json!({"code": 2, "data": {"shopid": 7, "extra": "user cancel shop authorization"}}), vec![7]),
            (
                json!({"code": 12, "data": {"shop_expire_soon": [7, 7, 3], "merchant_expire_soon": [4],
                "expire_before": 1_760_604_800, "page_no": 1, "total_page": 2}}),
                vec![3, 7],
            ),
            (json!({"code": 3, "shop_id": 7, "data": {"ordersn": "x"}}), vec![]),
            (json!({"code": 0, "data": {"verify_info": "This is a Verification message"}}), vec![]),
            (json!({"code": 2, "data": "strange"}), vec![]),
        ];
        for (body, expected) in table {
            let webhook = read(&push(&body.to_string())).unwrap();
            let expected: Vec<News> = expected
                .into_iter()
                .map(|id: u64| News { about: About::Place(format!("shopee {id}")), ends: None })
                .collect();
            assert_eq!(webhook.news, expected, "{body}");
            assert_eq!(webhook.kind, body["code"].to_string());
        }
    }

    #[test]
    fn a_repeated_push_has_the_same_id_and_the_next_page_another() {
        let page = |number: u64| json!({"code": 12, "data": {"shop_expire_soon": [1], "page_no": number}}).to_string();
        let id = |body: &str| read(&push(body)).unwrap().id;
        assert_eq!(id(&page(1)), id(&page(1)));
        assert_ne!(id(&page(1)), id(&page(2)));
    }

    #[test]
    fn what_is_not_signed_is_not_looked_at() {
        let mut altered = push("{\"code\":2}");
        altered.body = "{\"code\":1}".into();
        let mut unsigned = push("{\"code\":2}");
        unsigned.headers.clear();
        let mut elsewhere = push("{\"code\":2}");
        elsewhere.url = "https://hooks.example.test/".parse().unwrap();
        for request in [altered, unsigned, elsewhere] {
            assert_eq!(read(&request), Err(WebhookFault::Forged));
        }
        assert_eq!(super::read(None, &push("{}")), Err(WebhookFault::Forged), "nobody can check it without the key");
        for (body, expected) in [("<html>", "it is not JSON"), ("{}", "it has no code"), ("[]", "it has no code")] {
            assert_eq!(read(&push(body)), Err(WebhookFault::Unreadable(expected.into())));
        }
    }
}
