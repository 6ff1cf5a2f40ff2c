//! Signatures: of our calls for tokens, of the requests that browsers bring from SHOPLINE, and of its webhooks. All are
//! HMAC-SHA256 with the app's secret, in lower-case hexadecimal.
//!
//! Vendor pages: "Generate and verify signatures", "Webhooks overview" (Global); "Webhook Signature" (Asia).

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::secrets::Secret;

/// The signature of a query: its decoded parameters without `sign`, sorted by name.
pub fn of_query(secret: &Secret, query: &[(String, String)]) -> String {
    hex::encode(query_mac(secret, query).finalize().into_bytes())
}

/// Whether a query is SHOPLINE's own: its one `sign` is the signature of the rest. Compared in constant time.
pub fn query_is_genuine(secret: &Secret, query: &[(String, String)]) -> bool {
    let mut claims = query.iter().filter(|(name, _)| name == "sign");
    let (Some((_, claimed)), None) = (claims.next(), claims.next()) else { return false };
    hex::decode(claimed).is_ok_and(|claimed| query_mac(secret, query).verify_slice(&claimed).is_ok())
}

fn query_mac(secret: &Secret, query: &[(String, String)]) -> Hmac<Sha256> {
    let mut counted: Vec<_> = query.iter().filter(|(name, _)| name != "sign").collect();
    counted.sort_unstable();
    let pairs: Vec<String> = counted.iter().map(|(name, value)| format!("{name}={value}")).collect();
    keyed(secret).chain_update(pairs.join("&"))
}

/// The signature of a call for tokens: over body and timestamp (milliseconds, as the header has it).
pub fn of_call(secret: &Secret, body: &str, timestamp: &str) -> String {
    hex::encode(keyed(secret).chain_update(body).chain_update(timestamp).finalize().into_bytes())
}

/// Whether a webhook is Global's own. The vendor's pages show base64 and its client compares hexadecimal: both are taken.
/// Compared in constant time.
pub fn webhook_is_genuine(secret: &Secret, body: &[u8], claimed: &str) -> bool {
    let claimed = claimed.trim();
    let bytes = hex::decode(claimed).or_else(|_| STANDARD.decode(claimed));
    bytes.is_ok_and(|bytes| keyed(secret).chain_update(body).verify_slice(&bytes).is_ok())
}

/// Whether a webhook is Asia's own: `claimed` is the signature of timestamp, colon and body, as JSON without blanks and with
/// sorted keys. The exact body is taken as well, since numbers and escapes can be written in more than one way.
/// Compared in constant time.
pub fn asia_webhook_is_genuine(secret: &Secret, timestamp: &str, body: &[u8], claimed: &str) -> bool {
    let Ok(claimed) = hex::decode(claimed.trim()) else { return false };
    let signs = |body: &[u8]| {
        let mac = keyed(secret).chain_update(timestamp).chain_update(":").chain_update(body);
        mac.verify_slice(&claimed).is_ok()
    };
    signs(body) || serde_json::from_slice::<Value>(body).is_ok_and(|json| signs(json.to_string().as_bytes()))
}

/// The signature of a webhook as Asia makes it.
#[cfg(feature = "fakes")]
pub fn of_asia_webhook(secret: &Secret, timestamp: &str, body: &Value) -> String {
    let mac = keyed(secret).chain_update(timestamp).chain_update(":").chain_update(body.to_string());
    hex::encode(mac.finalize().into_bytes())
}

fn keyed(secret: &Secret) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret() -> Secret {
        Secret::new("shopline_secret_0001")
    }

    fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn callbacks_and_install_requests_are_signed_by_sorted_decoded_parameters() {
        for (pairs, expected) in [
            (
                [
                    ("timestamp", "1760000000000"),
                    ("code", "code0001"),
                    ("handle", "teststore"),
                    ("appkey", "appkey0001"),
                ],
                "ae14893cd8b3966731b532f8600d3b654b61fd8aa85929f901e9f19654d7ff29",
            ),
            (
                [("appkey", "appkey0001"), ("handle", "teststore"), ("lang", "en"), ("timestamp", "1760000000000")],
                "4b92d9fa50be058d0ecac5f33b32a6ea7be7be5cab525d582f2b2481885c8eb7",
            ),
        ] {
            let mut query = query(&pairs);
            assert_eq!(of_query(&secret(), &query), expected);
            assert!(!query_is_genuine(&secret(), &query), "there is no signature");
            query.push(("sign".to_owned(), expected.to_owned()));
            assert!(query_is_genuine(&secret(), &query));
            let mut doubled = query.clone();
            doubled.push(("sign".to_owned(), expected.to_owned()));
            assert!(!query_is_genuine(&secret(), &doubled));
            query[0].1.push('0');
            assert!(!query_is_genuine(&secret(), &query));
        }
    }

    #[test]
    fn calls_for_tokens_are_signed_by_body_and_timestamp() {
        for (body, expected) in [
            (r#"{"code":"code0001"}"#, "c92765d661a80515434c003f5684014487d96c5facffa1bef9a8cc988fbec119"),
            ("", "478ef2f823af47d51192ad66d39395c772be9af0785c7647e3028abe33c1b4e7"),
        ] {
            assert_eq!(of_call(&secret(), body, "1760000000000"), expected);
        }
    }

    #[test]
    fn a_webhook_of_global_is_genuine_in_hexadecimal_and_in_base64() {
        let body = br#"{"id":"16070822412102455208","title":"Test"}"#;
        let forms = [
            "7b9c8784459a4e43805b7ac2f2efc589168a31034e4b50873a9f18cf72cbc445",
            "e5yHhEWaTkOAW3rC8u/FiRaKMQNOS1CHOp8Yz3LLxEU=",
        ];
        for form in forms {
            assert!(webhook_is_genuine(&secret(), body, form), "{form}");
            assert!(!webhook_is_genuine(&secret(), &body[1..], form), "{form}");
            assert!(!webhook_is_genuine(&Secret::new("other"), body, form), "{form}");
            assert!(!webhook_is_genuine(&secret(), body, &form[4..]), "{form}");
        }
        assert!(!webhook_is_genuine(&secret(), body, ""));
    }

    #[test]
    fn a_webhook_of_asia_is_signed_with_sorted_keys_however_it_is_sent() {
        let expected = "1859a9b9a4dfa6840cfd9ed79632073a71f939a2dee6294e3e12c3e07363903c";
        let sent = [
            r#"{"event":"product/update","resource":{"_id":"p1"}}"#,
            "{\n \"resource\": {\"_id\": \"p1\"},\n \"event\": \"product/update\"}",
        ];
        for body in sent {
            assert!(asia_webhook_is_genuine(&secret(), "1760000000000", body.as_bytes(), expected), "{body}");
            assert!(!asia_webhook_is_genuine(&secret(), "1760000000001", body.as_bytes(), expected), "{body}");
        }
        assert!(!asia_webhook_is_genuine(&secret(), "1760000000000", b"{\"event\":1}", expected));
        assert!(!asia_webhook_is_genuine(&secret(), "1760000000000", b"no json", "zz"));
    }

    /// The example of the vendor's page "Webhook Signature", with its keys in another order.
    #[test]
    fn the_vendors_example_of_a_webhook_of_asia_is_genuine() {
        let secret = Secret::new("b5138dd0a7c04f674260e1d3b3a762347421396fc5fc1bee55a2c2653c4207bd");
        let body = json!({
            "topic": "application/uninstall", "event": "Application", "merchant_id": "5dad5d2604515400018dcc90",
            "resource": {
                "updated_at": "2021-04-21T08:36:17.892Z", "_id": "607fd9c2ff790b001cd23353",
                "merchant_id": "5dad5d2604515400018dcc90",
            },
        });
        let expected = "ae8b68f6a26d8f95290c761d10dbce01c775fd4d734e942e643aee20c86ebf4b";
        assert_eq!(of_asia_webhook(&secret, "1618994178", &body), expected);
    }
}
