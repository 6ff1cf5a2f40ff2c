//! Signatures: of our calls and links, and of the pushes that Shopee sends.
//!
//! Vendor pages: "API calls" (guide 16), "Authorization and authentication" (guide 20), "Push mechanism" (guide 18).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secrets::Secret;

/// What a call is made on behalf of: its access token and its subject (shop or merchant).
pub type Subject<'a> = (&'a str, u64);

/// The signature of a call or link: lower-case hexadecimal HMAC-SHA256 over partner id, path and timestamp, and for calls on
/// behalf of a subject over its access token and id. Neither other parameters nor the body are signed.
///
/// `path` begins with `/api/v2/`; `timestamp` is in seconds.
pub fn of_call(key: &Secret, partner_id: u64, path: &str, timestamp: i64, subject: Option<Subject<'_>>) -> String {
    let mut mac = keyed(key);
    mac.update(format!("{partner_id}{path}{timestamp}").as_bytes());
    if let Some((access_token, id)) = subject {
        mac.update(format!("{access_token}{id}").as_bytes());
    }
    hex::encode(mac.finalize().into_bytes())
}

/// The signature of a push: over the callback's address, exactly as it stands in the console, a bar, and the exact body.
pub fn of_push(key: &Secret, url: &str, body: &[u8]) -> String {
    hex::encode(push(key, url, body).finalize().into_bytes())
}

/// Whether a push is Shopee's own: its `Authorization` header is its signature. Compared in constant time.
pub fn push_is_genuine(key: &Secret, url: &str, body: &[u8], authorization: &str) -> bool {
    let Ok(claimed) = hex::decode(authorization.trim()) else { return false };
    push(key, url, body).verify_slice(&claimed).is_ok()
}

fn push(key: &Secret, url: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = keyed(key);
    mac.update(url.as_bytes());
    mac.update(b"|");
    mac.update(body);
    mac
}

/// The key is used as it is: it looks like hexadecimal but is not decoded.
fn keyed(key: &Secret) -> Hmac<Sha256> {
    Hmac::new_from_slice(key.expose().as_bytes()).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTNER: u64 = 2_001_887;
    const AT: i64 = 1_760_000_000;
    const TOKEN: &str = "59777174636562737266615546704c6d";

    fn key() -> Secret {
        Secret::new("shpk_test_partner_key_0001")
    }

    #[test]
    fn calls_and_links_are_signed_as_the_vendor_says() {
        let table = [
            ("/api/v2/auth/token/get", None, "552c4dc976f58370701e5bd998cdbd109ac1854127c908676d67b0ecf65d7351"),
            ("/api/v2/auth/access_token/get", None, "273cc8392041cef19101a5c0b2ecbe5c0c21cc72a5ae3353eed04563c04ebcb0"),
            (
                "/api/v2/product/get_item_list",
                Some((TOKEN, 14_701_711)),
                "d45df445585cdaa2f87ae11852f02ff302934953a25f3c425500ecb373c0f2f9",
            ),
            (
                "/api/v2/merchant/get_merchant_info",
                Some((TOKEN, 1_000_501)),
                "c69f72ef55e8dd39a9e1b3b19af10a6477e7fa5e1f326318722cefdf11e9b321",
            ),
            ("/api/v2/shop/auth_partner", None, "c8049ba0dd3482746d616183f22ccff3205e70170f42360d8a245a7978b2f409"),
        ];
        for (path, subject, expected) in table {
            assert_eq!(of_call(&key(), PARTNER, path, AT, subject), expected, "{path}");
        }
    }

    #[test]
    fn a_push_is_told_from_a_forged_one() {
        let url = "https://hooks.example.test/shopee";
        let body = br#"{"code":12,"timestamp":1760000000,"data":{"merchant_expire_soon":[],"shop_expire_soon":[14701711],"user_expire_soon":[],"expire_before":1760604800,"page_no":1,"total_page":1}}"#;
        let sign = "c50723d12dfabbf31cefabe421933f206b52509bd926a1caac6af96cb628112f";
        assert_eq!(of_push(&key(), url, body), sign);
        assert!(push_is_genuine(&key(), url, body, sign));
        assert!(!push_is_genuine(&key(), url, &body[1..], sign));
        assert!(!push_is_genuine(&key(), "https://hooks.example.test/shopee/", body, sign));
        assert!(!push_is_genuine(&Secret::new("another"), url, body, sign));
        assert!(!push_is_genuine(&key(), url, body, &sign[2..]));
        assert!(!push_is_genuine(&key(), url, body, "not hexadecimal"));
    }
}
