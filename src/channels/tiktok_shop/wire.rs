//! How TikTok Shop speaks: the envelope around every answer, and the one table that says what a status and a code mean.
//!
//! Vendor pages: "Common errors", "Rate limits", "Authorization overview (202407)", and the error lists of the product calls.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    channels::{Acted, ChannelError, nullable::nullable},
    domain::Failure,
    http::Answer,
};

/// Success.
const OK: i64 = 0;
/// A search found more than the vendor pages through: narrow it.
pub(super) const TOO_MANY_RESULTS: i64 = 12_052_180;

/// What is around every answer.
#[derive(Debug, Deserialize)]
struct Envelope {
    code: i64,
    #[serde(default, deserialize_with = "nullable")]
    message: String,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    data: Value,
}

/// A successful answer.
#[derive(Debug)]
pub(super) struct Success {
    /// What the call asked for.
    pub(super) data: Value,
    /// The vendor's id of the request.
    pub(super) request_id: Option<String>,
}

/// A call that did not succeed.
#[derive(Debug)]
pub(super) struct Trouble {
    /// The vendor's code, where there was one.
    pub(super) code: Option<i64>,
    /// What it means.
    pub(super) error: Box<ChannelError>,
}

impl From<Trouble> for ChannelError {
    fn from(trouble: Trouble) -> Self {
        *trouble.error
    }
}

impl From<ChannelError> for Trouble {
    fn from(error: ChannelError) -> Self {
        Self { code: None, error: Box::new(error) }
    }
}

/// What an answer is read with.
pub(super) struct Reading<'a> {
    /// The operation, in a word: it begins every error's text.
    pub(super) operation: &'static str,
    /// The time.
    pub(super) now: Timestamp,
    /// What must not appear in any text, whatever the vendor echoes.
    pub(super) secrets: &'a [&'a str],
    /// Whether the body itself may hold secrets: then no sample of it is kept.
    pub(super) confidential: bool,
}

impl Reading<'_> {
    /// Reads an answer: success, or what must happen next.
    pub(super) fn read(&self, answer: &Answer) -> Result<Success, Trouble> {
        let envelope: Option<Envelope> = serde_json::from_slice(&answer.body).ok();
        match envelope {
            Some(Envelope { code: OK, data, request_id, .. }) if answer.status < 300 => {
                Ok(Success { data, request_id })
            }
            Some(envelope) => Err(self.judge(answer, Some(envelope.code), &envelope.message, envelope.request_id)),
            None => Err(self.judge(answer, None, "", None)),
        }
    }

    /// An answer that is well-formed but does not say what it must.
    pub(super) fn unexpected(&self, what: &str, request_id: Option<String>) -> ChannelError {
        let text = format!("TikTok Shop {}: {what}", self.operation);
        ChannelError {
            failure: Failure::Unexpected { sample: what.to_owned() },
            text,
            remedy: String::new(),
            request_id,
            acted: Acted::Unclear,
        }
    }

    fn judge(&self, answer: &Answer, code: Option<i64>, message: &str, request_id: Option<String>) -> Trouble {
        let message = self.scrub(message);
        let Verdict { failure, remedy, acted } = verdict(answer.status, code, &message, answer.retry_at, self.now)
            .unwrap_or_else(|| Verdict {
                failure: Failure::Unexpected { sample: self.sample(answer) },
                remedy: "",
                acted: Acted::Unclear,
            });
        let said = match code {
            Some(code) => format!("code {code}, {}", if message.is_empty() { "no message" } else { &message }),
            None => format!("no JSON answer but {}", self.sample(answer)),
        };
        let text = format!("TikTok Shop {} was answered with {said}", self.operation);
        let error = ChannelError { failure, text, remedy: remedy.to_owned(), request_id, acted };
        Trouble { code, error: Box::new(error) }
    }

    /// What came, in a line that holds no secret.
    fn sample(&self, answer: &Answer) -> String {
        let kind = answer.header("content-type").unwrap_or("no content type");
        let shape = format!("status {}, {kind}, {} bytes", answer.status, answer.body.len());
        if self.confidential {
            return shape;
        }
        format!("{shape}: {}", self.scrub(&beginning(&answer.body)))
    }

    fn scrub(&self, text: &str) -> String {
        let mut text: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
        // What is so short is a typing error and no secret, and stands in every other word.
        for secret in self.secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET) {
            text = text.replace(secret, "•••");
        }
        text
    }
}

/// The fewest bytes of something that nobody guesses.
const SHORTEST_SECRET: usize = 6;

/// The first words of a body.
fn beginning(body: &Bytes) -> String {
    String::from_utf8_lossy(body).split_whitespace().collect::<Vec<_>>().join(" ").chars().take(120).collect()
}

/// What a refusal means.
struct Verdict {
    failure: Failure,
    remedy: &'static str,
    acted: Acted,
}

/// The table. The code decides where there is one, since the vendor uses one status for many things; `None`: nobody
/// foresaw this.
fn verdict(
    status: u16,
    code: Option<i64>,
    message: &str,
    retry_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Verdict> {
    let why = || if message.is_empty() { format!("status {status}") } else { message.to_owned() };
    let refused = |failure, remedy| Some(Verdict { failure, remedy, acted: Acted::No });
    let maybe_acted = |failure| Some(Verdict { failure, remedy: "", acted: Acted::Unclear });
    let message = message.to_ascii_lowercase();
    match (status, code) {
        (429, _) | (_, Some(36_009_002 | 36_009_037)) => {
            refused(Failure::Throttled { until: retry_at.unwrap_or(now + SignedDuration::from_secs(1)) }, "")
        }
        (_, Some(105_002 | 101_000)) => refused(Failure::TokenRejected, ""),
        (_, Some(36_009_004)) if message.contains("x-tts-access-token") => refused(Failure::TokenRejected, ""),
        (_, Some(36_009_004)) if message.contains("timestamp") => refused(
            // A clock that is wrong ends no permission and is no fault of the app's keys.
            Failure::Unexpected { sample: "TikTok Shop refuses the time of this machine's clock".to_owned() },
            "set this machine's clock and run a time service: calls may be 5 minutes old and 30 seconds early at most",
        ),
        (_, Some(36_009_004 | 98_001_004)) if message.contains("app_key") || message.contains("app_secret") => {
            refused(Failure::AppCredentialRejected { why: why() }, CHECK_APP)
        }
        (_, Some(36_004_001 | 36_004_005 | 105_001)) => {
            refused(Failure::AuthorizationEnded { why: why() }, "ask the shop's owner to authorize the shop again")
        }
        (_, Some(36_004_004)) => {
            refused(Failure::Rejected, "start the authorization again: a code lives 30 minutes and can be used once")
        }
        (_, Some(105_005)) => refused(
            Failure::ScopeMissing { scope: why() },
            "give the app the right in Partner Center, then ask the shop's owner to authorize it again",
        ),
        (_, Some(36_009_043 | 36_009_044)) => refused(
            Failure::ShopClosed { why: why() },
            "ask the shop's owner to look into Seller Center: the shop or seller is inactive",
        ),
        (_, Some(106_001)) => refused(Failure::AppCredentialRejected { why: why() }, CHECK_APP),
        (_, Some(36_009_033)) => refused(
            Failure::AppCredentialRejected { why: why() },
            "add this machine's address to the app's IP allow list in Partner Center",
        ),
        (_, Some(106_013)) => refused(Failure::Bug, "report this: a call went out without its shop_cipher"),
        (_, Some(36_009_009 | 36_009_014)) => {
            refused(Failure::Bug, "update shopsyncd: this version of the call no longer exists")
        }
        (_, Some(36_009_003 | 36_009_007)) => maybe_acted(Failure::Unavailable { retry_at }),
        (500.., _) => maybe_acted(Failure::Unavailable { retry_at }),
        (_, Some(36_009_004 | 98_001_004)) => {
            refused(Failure::Rejected, "look at the message; the call itself was refused")
        }
        // The product calls' own codes.
        (_, Some(12_000_000..=12_999_999)) => refused(Failure::Rejected, ""),
        _ => None,
    }
}

const CHECK_APP: &str = "compare client_id and client_secret with the app's key and secret in Partner Center";

/// A refusal inside a successful answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PartError {
    /// The vendor's code.
    #[serde(deserialize_with = "nullable")]
    pub(super) code: i64,
    /// The vendor's words.
    #[serde(deserialize_with = "nullable")]
    pub(super) message: String,
    /// What it is about.
    #[serde(deserialize_with = "nullable")]
    pub(super) detail: PartDetail,
}

/// What a refusal inside a successful answer is about.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PartDetail {
    pub(super) sku_id: Option<String>,
    pub(super) product_id: Option<String>,
    /// Per warehouse.
    #[serde(deserialize_with = "nullable")]
    pub(super) extra_errors: Vec<ExtraError>,
}

/// A refusal for one warehouse.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ExtraError {
    pub(super) warehouse_id: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) code: i64,
    #[serde(deserialize_with = "nullable")]
    pub(super) message: String,
}

impl PartError {
    /// Code and words, the most exact that were given.
    pub(super) fn words(&self) -> (String, String) {
        match self.detail.extra_errors.first() {
            Some(extra) => {
                let at = extra.warehouse_id.as_deref().map(|id| format!(" (warehouse {id})")).unwrap_or_default();
                (extra.code.to_string(), format!("{}{at}", extra.message))
            }
            None => (self.code.to_string(), self.message.clone()),
        }
    }
}

/// The refusals inside a successful answer's `data`.
pub(super) fn part_errors(data: &Value) -> Result<Vec<PartError>, serde_json::Error> {
    match data.get("errors") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(errors) => Vec::deserialize(errors),
    }
}

/// A shop of `/authorization/202309/shops`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireShop {
    pub(super) id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) region: String,
    pub(super) cipher: String,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: Bytes::copy_from_slice(body.as_bytes()),
            retry_at: None,
        }
    }

    fn reading<'a>(secrets: &'a [&'a str], confidential: bool) -> Reading<'a> {
        Reading { operation: "search", now: noon(), secrets, confidential }
    }

    fn refusal(status: u16, code: i64, message: &str) -> ChannelError {
        let body = serde_json::json!({"code": code, "message": message, "request_id": "r1", "data": {}}).to_string();
        reading(&[], false).read(&answer(status, &body)).unwrap_err().into()
    }

    /// The name of a failure, so that a table of them is readable.
    fn name(failure: &Failure) -> &'static str {
        match failure {
            Failure::Unavailable { .. } => "unavailable",
            Failure::Throttled { .. } => "throttled",
            Failure::TokenRejected => "token",
            Failure::AuthorizationEnded { .. } => "ended",
            Failure::ScopeMissing { .. } => "scope",
            Failure::ShopClosed { .. } => "closed",
            Failure::AppCredentialRejected { .. } => "app",
            Failure::Rejected => "rejected",
            Failure::Unexpected { .. } => "unexpected",
            Failure::Bug => "bug",
            Failure::Guarded => "guarded",
        }
    }

    #[test]
    fn every_documented_code_says_what_must_happen_next() {
        let table = [
            (401, 105_002, "access token is expired", "token", true),
            (200, 105_002, "Expired credentials", "token", true),
            (401, 101_000, "access_token is invalid", "token", true),
            (400, 36_009_004, "Invalid credentials. The `x-tts-access-token` header is invalid", "token", true),
            (400, 36_009_004, "timestamp is expired", "unexpected", true),
            (400, 36_009_004, "invalid app_key", "app", true),
            (400, 36_009_004, "page_size must be at most 100", "rejected", true),
            (200, 36_004_001, "refresh token is expired", "ended", true),
            (200, 36_004_005, "authorization record not found", "ended", true),
            (401, 105_001, "token has been deauthorized", "ended", true),
            (200, 36_004_004, "auth code is invalid", "rejected", true),
            (200, 98_001_004, "invalid app_secret", "app", true),
            (200, 98_001_004, "invalid parameters", "rejected", true),
            (403, 105_005, "access denied: seller.product.write", "scope", true),
            (401, 36_009_043, "the shop is inactive", "closed", true),
            (200, 36_009_044, "the seller is inactive", "closed", true),
            (401, 36_009_099, "unauthorized", "unexpected", false),
            (429, 36_009_037, "too many requests", "throttled", true),
            (200, 36_009_002, "too many requests", "throttled", true),
            (503, 36_009_001, "overloaded", "unavailable", false),
            (200, 36_009_003, "internal error", "unavailable", false),
            (200, 36_009_007, "timeout", "unavailable", false),
            (400, 106_001, "signature is invalid", "app", true),
            (400, 106_013, "shop_cipher is required", "bug", true),
            (403, 36_009_033, "IP is not in the allow list", "app", true),
            (404, 36_009_009, "path not found", "bug", true),
            (400, 36_009_014, "version is retired", "bug", true),
            (200, 12_052_038, "the product is in a promotion", "rejected", true),
            (200, 12_052_180, "more than 10000 results", "rejected", true),
            (200, 77, "something new", "unexpected", false),
        ];
        for (status, code, message, expected, not_acted) in table {
            let error = refusal(status, code, message);
            assert_eq!((name(&error.failure), error.not_acted()), (expected, not_acted), "{status} {code} {message}");
            assert_eq!(error.request_id.as_deref(), Some("r1"));
            assert!(error.text.contains(&code.to_string()) && error.text.contains(message), "{error}");
        }
    }

    #[test]
    fn answers_that_are_not_json_are_told_by_their_status() {
        let table = [
            (200, "<html>down for maintenance</html>", "unexpected"),
            (200, "{\"code\":0,\"data\":{\"products\":[", "unexpected"),
            (200, "", "unexpected"),
            (200, "{\"code\":\"0\"}", "unexpected"),
            (401, "<html></html>", "unexpected"),
            (404, "not found", "unexpected"),
            (429, "slow down", "throttled"),
            (502, "<html></html>", "unavailable"),
            (503, "", "unavailable"),
        ];
        for (status, body, expected) in table {
            let error: ChannelError = reading(&[], false).read(&answer(status, body)).unwrap_err().into();
            assert_eq!(name(&error.failure), expected, "{status} {body}");
        }
    }

    #[test]
    fn the_time_named_by_the_host_is_kept() {
        let until = noon() + SignedDuration::from_secs(42);
        let answer = Answer { retry_at: Some(until), ..answer(429, "") };
        let error: ChannelError = reading(&[], false).read(&answer).unwrap_err().into();
        assert_eq!(error.failure, Failure::Throttled { until });
    }

    #[test]
    fn no_error_repeats_a_secret() {
        let body = r#"{"code":77,"message":"token TTP_geheim of app abc","request_id":"r"}"#;
        let error: ChannelError = reading(&["TTP_geheim"], false).read(&answer(200, body)).unwrap_err().into();
        assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
        assert!(error.text.contains("token ••• of app abc"), "{error}");
        let error: ChannelError = reading(&["x"], false)
            .read(&answer(200, r#"{"code":77,"message":"x-tts-access-token"}"#))
            .unwrap_err()
            .into();
        assert!(error.text.contains("x-tts-access-token"), "a letter is no secret: {error}");
        let cut = r#"{"code":0,"data":{"access_token":"TTP_unknown","#;
        let error: ChannelError = reading(&[], true).read(&answer(200, cut)).unwrap_err().into();
        assert!(!format!("{error:?}").contains("TTP_unknown"), "{error:?}");
    }

    #[test]
    fn a_refusal_of_one_warehouse_is_told_with_the_warehouse() {
        let data = serde_json::json!({"errors": [{"code": 12_019_001, "message": "failed",
            "detail": {"sku_id": "1", "extra_errors": [{"warehouse_id": "7", "code": 12_019_028, "message": "unknown"}]}}]});
        let errors = part_errors(&data).unwrap();
        assert_eq!(errors[0].words(), ("12019028".to_owned(), "unknown (warehouse 7)".to_owned()));
        assert!(part_errors(&Value::Null).unwrap().is_empty());
    }
}
