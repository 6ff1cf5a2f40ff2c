//! Signatures: of our calls, and of the webhooks that TikTok Shop sends.
//!
//! Vendor page: "Sign your API request" and "Webhooks overview" of the Partner Center.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secrets::Secret;

/// The signature of a call: lower-case hexadecimal HMAC-SHA256 over path, query and body, between two copies of the app's
/// secret. `query` holds decoded values in any order; `sign` and `access_token` do not count. `body` is `None` for calls
/// without one and for multipart calls, whose body is not signed.
pub fn of_call(secret: &Secret, path: &str, query: &[(&str, &str)], body: Option<&[u8]>) -> String {
    let mut counted: Vec<_> = query.iter().filter(|(name, _)| !matches!(*name, "sign" | "access_token")).collect();
    counted.sort_unstable();
    let mut mac = keyed(secret);
    mac.update(secret.expose().as_bytes());
    mac.update(path.as_bytes());
    for (name, value) in counted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac.update(body.unwrap_or_default());
    mac.update(secret.expose().as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Whether a webhook is TikTok Shop's own: its `Authorization` header is the signature of app key and exact body.
/// Compared in constant time.
pub fn webhook_is_genuine(secret: &Secret, app_key: &str, body: &[u8], authorization: &str) -> bool {
    let Ok(claimed) = hex::decode(authorization.trim()) else { return false };
    let mut mac = keyed(secret);
    mac.update(app_key.as_bytes());
    mac.update(body);
    mac.verify_slice(&claimed).is_ok()
}

/// The signature of a webhook, as TikTok Shop makes it.
#[cfg(feature = "fakes")]
pub fn of_webhook(secret: &Secret, app_key: &str, body: &[u8]) -> String {
    let mut mac = keyed(secret);
    mac.update(app_key.as_bytes());
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

fn keyed(secret: &Secret) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "tts_secret_0001";
    const APP: &str = "68abc1def2gh3";

    #[test]
    fn the_vendors_example_is_signed_as_on_the_vendors_page() {
        let query = [("timestamp", "1623812664"), ("app_key", "29a39d")];
        assert_eq!(
            of_call(&Secret::new("e59af819cc"), "/authorization/202309/shops", &query, None),
            "b596b73e0cc6de07ac26f036364178ab16b0a907af13d43f0a0cd2345f582dc8"
        );
    }

    #[test]
    fn a_search_is_signed_with_decoded_query_and_exact_body() {
        let query = [
            ("app_key", APP),
            ("timestamp", "1760000000"),
            ("page_size", "100"),
            ("shop_cipher", "ROW_testcipher0001"),
            ("category_version", "v2"),
            ("page_token", "bG9jYWw+dGVzdC8x=="),
        ];
        let body = br#"{"status":"ACTIVATE","update_time_ge":1759900000}"#;
        let expected = "28a2cc57bf1c94255022d406f224566558eda71edf7792c0c01acbd0a336046e";
        let path = "/product/202502/products/search";
        assert_eq!(of_call(&Secret::new(SECRET), path, &query, Some(body)), expected);
        let with_ignored = [&query[..], &[("sign", "x"), ("access_token", "y")]].concat();
        assert_eq!(of_call(&Secret::new(SECRET), path, &with_ignored, Some(body)), expected);
    }

    #[test]
    fn a_multipart_body_is_not_signed() {
        let query = [("app_key", APP), ("timestamp", "1760000000")];
        assert_eq!(
            of_call(&Secret::new(SECRET), "/product/202309/images/upload", &query, None),
            "5622a3ccb3e75bcde3e5821298861477150829542c48e30a64498e040249e42f"
        );
    }

    #[test]
    fn a_webhook_is_told_from_a_forged_one() {
        let body = br#"{"type":7,"tts_notification_id":"7327112393057371910","shop_id":"7494049642642441621","timestamp":1760000000,"data":{"message":"test","expiration_time":"1762592000"}}"#;
        let sign = "fa6846fac753725522653955eba6fa4182feac133d6c98e0fa482fdbe69ad013";
        let secret = Secret::new(SECRET);
        assert!(webhook_is_genuine(&secret, APP, body, sign));
        assert!(!webhook_is_genuine(&secret, APP, &body[1..], sign));
        assert!(!webhook_is_genuine(&secret, "other", body, sign));
        assert!(!webhook_is_genuine(&secret, APP, body, &sign[2..]));
        assert!(!webhook_is_genuine(&secret, APP, body, "not hexadecimal"));
    }
}
