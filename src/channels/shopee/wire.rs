//! How Shopee speaks: the fields around every answer, and the one table that says what a status and a word mean.
//!
//! Vendor pages: "API calls" (guide 16), "Authorization and authentication" (guide 20), FAQ 138, 144 and 186, and the error
//! lists of the calls.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::TITLE;
use crate::{
    channels::{Acted, ChannelError},
    domain::Failure,
    http::Answer,
};

/// A successful answer.
#[derive(Debug)]
pub(super) struct Success {
    /// All its fields: those that were asked for stand beside `error`, `message` and `request_id`, or in `response`.
    pub(super) fields: Map<String, Value>,
    /// The vendor's id of the request.
    pub(super) request_id: Option<String>,
}

impl Success {
    /// What the product calls answer; null where there is nothing.
    pub(super) fn response(&self) -> &Value {
        self.fields.get("response").unwrap_or(&Value::Null)
    }

    /// What was not done although there was no error; empty where all was. A sample shows a dash for nothing.
    pub(super) fn warning(&self) -> &str {
        self.fields
            .get("warning")
            .and_then(Value::as_str)
            .map(str::trim)
            .filter(|text| *text != "-")
            .unwrap_or_default()
    }
}

/// A call that did not succeed.
#[derive(Debug)]
pub(super) struct Trouble {
    /// The vendor's word without prefixes; empty where there was none.
    pub(super) word: String,
    /// The vendor's sentence; empty where there was none.
    pub(super) message: String,
    /// What stood in `response` beside the word: some calls name there what exactly was refused.
    pub(super) response: Value,
    /// What it means.
    pub(super) error: Box<ChannelError>,
}

impl Trouble {
    /// An error that did not come from the vendor.
    pub(super) fn plain(error: ChannelError) -> Self {
        Self { word: String::new(), message: String::new(), response: Value::Null, error: Box::new(error) }
    }
}

impl From<Trouble> for ChannelError {
    fn from(trouble: Trouble) -> Self {
        *trouble.error
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
    /// Whether tokens were asked for: the answer is confidential, so no sample of it is kept, and its refusals are not about
    /// an access token.
    pub(super) of_tokens: bool,
    /// Whether products were asked for or written: then a word that the table does not know is about the data.
    pub(super) of_products: bool,
}

impl Reading<'_> {
    /// Reads an answer: success, or what must happen next. The word decides, since the vendor says 200 or 403 for the same.
    pub(super) fn read(&self, answer: &Answer) -> Result<Success, Trouble> {
        let Ok(Value::Object(mut fields)) = serde_json::from_slice(&answer.body) else {
            return Err(Trouble::plain(self.judge(answer, None, "", None)));
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let request_id = Some(text("request_id").to_owned()).filter(|id| !id.is_empty());
        match fields.get("error") {
            None | Some(Value::Null) if answer.status < 300 => Ok(Success { fields, request_id }),
            Some(Value::String(word)) if word.is_empty() && answer.status < 300 => Ok(Success { fields, request_id }),
            None | Some(Value::Null) => Err(Trouble::plain(self.judge(answer, None, "", request_id))),
            Some(Value::String(word)) => {
                let error = self.judge(answer, Some(word.as_str()), text("message"), request_id);
                let (word, message) = (bare(&self.scrub(word)).to_owned(), self.scrub(text("message")));
                let response = fields.remove("response").unwrap_or_default();
                Err(Trouble { word, message, response, error: Box::new(error) })
            }
            Some(_) => Err(Trouble::plain(self.unexpected("the field error is not a text", request_id))),
        }
    }

    /// An answer that is well-formed but does not say what it must.
    pub(super) fn unexpected(&self, what: &str, request_id: Option<String>) -> ChannelError {
        ChannelError {
            failure: Failure::Unexpected { sample: what.to_owned() },
            text: format!("{TITLE} {}: {what}", self.operation),
            remedy: String::new(),
            request_id,
            acted: Acted::Unclear,
        }
    }

    fn judge(&self, answer: &Answer, word: Option<&str>, message: &str, request_id: Option<String>) -> ChannelError {
        let (word, message) = (word.map(|word| self.scrub(word)), self.scrub(message));
        let Verdict { failure, remedy, acted } =
            self.verdict(answer, word.as_deref().map(bare).unwrap_or_default(), &message).unwrap_or_else(|| Verdict {
                failure: Failure::Unexpected { sample: self.sample(answer) },
                remedy: "",
                acted: Acted::Unclear,
            });
        let said = match word.filter(|word| !word.is_empty()) {
            Some(word) => format!("{word}, {}", if message.is_empty() { "no message" } else { &message }),
            None => format!("no word but {}", self.sample(answer)),
        };
        let text = format!("{TITLE} {} was answered with {said}", self.operation);
        ChannelError { failure, text, remedy: remedy.to_owned(), request_id, acted }
    }

    /// What came, in a line that holds no secret.
    fn sample(&self, answer: &Answer) -> String {
        let kind = answer.header("content-type").unwrap_or("no content type");
        let shape = format!("status {}, {kind}, {} bytes", answer.status, answer.body.len());
        if self.of_tokens {
            return shape;
        }
        format!("{shape}: {}", self.scrub(&beginning(&answer.body)))
    }

    fn scrub(&self, text: &str) -> String {
        let mut text: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "•••");
        }
        text
    }

    /// The table. `None`: nobody foresaw this.
    fn verdict(&self, answer: &Answer, word: &str, message: &str) -> Option<Verdict> {
        let why = || if message.is_empty() { word.to_owned() } else { message.to_owned() };
        let about = message.to_ascii_lowercase();
        let refused = |failure, remedy| Some(Verdict { failure, remedy, acted: Acted::No });
        let app = |remedy| refused(Failure::AppCredentialRejected { why: why() }, remedy);
        let ended = |why: String| refused(Failure::AuthorizationEnded { why }, AUTHORIZE_AGAIN);
        let maybe_acted = |failure| Some(Verdict { failure, remedy: "", acted: Acted::Unclear });
        let no_right = || {
            let remedy =
                "the app's category decides which calls it may make: compare it in the console of Shopee Open Platform";
            refused(Failure::ScopeMissing { scope: why() }, remedy)
        };
        let now = self.now;
        match word {
            "error_auth" | "error_param" if about.contains("timestamp") => Some(clock()),
            "error_auth" | "error_param" | "error_sign" if about.contains("partner_id") => app(CHECK_APP),
            "error_auth" if about.contains("refresh_token") => ended(USED_OR_WRONG.to_owned()),
            "error_auth" if about.contains("access_token") => refused(Failure::TokenRejected, ""),
            "error_auth" if about.contains("linked") => ended(why()),
            "error_auth" if about.contains("no permission") => no_right(),
            // The product calls say this word of reserved stock, locations and holidays too.
            "error_auth" if self.of_products && !about.is_empty() && !about.contains("system error") => {
                refused(Failure::Rejected, "")
            }
            "error_auth" if about.contains("system error") => {
                maybe_acted(Failure::Unavailable { retry_at: answer.retry_at })
            }
            "error_auth" if !self.of_tokens => refused(Failure::TokenRejected, ""),
            "invalid_acceess_token" | "invalid_access_token" => refused(Failure::TokenRejected, ""),
            "refresh_token_expired" => ended("the refresh token is older than 30 days".to_owned()),
            "error_shop_refresh_token" | "error_merchant_refresh_token" => ended(USED_OR_WRONG.to_owned()),
            "shop_access_expired" | "merchant_access_expired" => {
                ended("the time for which the owner gave permission is over".to_owned())
            }
            "shop_no_linked" | "merchant_no_linked" | "partner_shop_no_link" => {
                ended("the shop is no longer linked to the app".to_owned())
            }
            "shop_banned" => refused(Failure::ShopClosed { why: why() }, LOOK_INTO_SELLER_CENTRE),
            "invalid_code" | "invalid_shop_id" | "invalid_main_acount_id" | "invalid_main_account_id" => refused(
                Failure::Rejected,
                "start the authorization again: a code lives 10 minutes and can be used once",
            ),
            "error_sign" | "invalid_partner_id" => app(CHECK_APP),
            "error_partner_key_expired" => app(
                "renew the app's live partner key in the console of Shopee Open Platform and set client_secret to it",
            ),
            "source_ip_undeclared" => {
                app("declare this machine's address for the app in the console of Shopee Open Platform")
            }
            "error_api_call_restricted" => {
                app("look into the console of Shopee Open Platform: the app's calls are restricted as a penalty")
            }
            "error_permission" | "error_api_permission" | "error_ashop_api_permission" => no_right(),
            "error_kyc_auth" => refused(
                Failure::ShopClosed { why: why() },
                "ask the shop's owner to complete the seller registration in Seller Centre",
            ),
            "api_suspended" => refused(Failure::Bug, "update shopsyncd: this call no longer exists"),
            "error_limit" => refused(Failure::Throttled { until: next_quota(now) }, ""),
            "error_rate_limit" => refused(Failure::Throttled { until: answer.retry_at.unwrap_or(now) }, ""),
            "error_server" | "error_inner" if self.of_products && is_about_data(&about) => {
                refused(Failure::Rejected, "")
            }
            "error_system_busy" | "error_server" | "error_network" | "error_inner" | "error_busy" => {
                maybe_acted(Failure::Unavailable { retry_at: answer.retry_at })
            }
            "error_param" => refused(Failure::Rejected, "look at the message; the call itself was refused"),
            // Each product call has dozens of words of its own; all of them are about what was sent.
            word if self.of_products && (word.starts_with("error") || word == "param") && is_told(answer.status) => {
                refused(Failure::Rejected, "")
            }
            _ => match answer.status {
                429 => refused(Failure::Throttled { until: answer.retry_at.unwrap_or(now) }, ""),
                500.. => maybe_acted(Failure::Unavailable { retry_at: answer.retry_at }),
                _ => None,
            },
        }
    }
}

/// What a refusal means.
struct Verdict {
    failure: Failure,
    remedy: &'static str,
    acted: Acted,
}

const AUTHORIZE_AGAIN: &str = "ask the shop's owner to authorize the shop again";
const CHECK_APP: &str =
    "compare client_id and client_secret with the app's live partner id and key in the console of Shopee Open Platform";
pub(super) const LOOK_INTO_SELLER_CENTRE: &str =
    "ask the shop's owner to look into Seller Centre: the shop is suspended";
/// The vendor has one word for both.
const USED_OR_WRONG: &str =
    "the refresh token is wrong or was used before (Shopee does not say which); the permission itself may still stand";

/// Whether the two words that stand for faults of the vendor's are said of what was sent: the product calls do.
fn is_about_data(about: &str) -> bool {
    ["stock", "location", "update item failed"].iter().any(|subject| about.contains(subject))
}

/// Whether an answer with this status can be about what was sent.
fn is_told(status: u16) -> bool {
    status < 500 && status != 429
}

/// A clock that is wrong ends no permission and is no fault of the app's keys.
fn clock() -> Verdict {
    let sample = "Shopee refuses the time of this machine's clock".to_owned();
    let remedy = "set this machine's clock and run a time service: calls may be 5 minutes old at most";
    Verdict { failure: Failure::Unexpected { sample }, remedy, acted: Acted::No }
}

/// A word without the prefixes that some answers put before it (`common.error_auth`).
fn bare(word: &str) -> &str {
    word.trim().rsplit('.').next().unwrap_or_default()
}

/// When the day's quota of calls begins anew: at midnight of UTC+8.
fn next_quota(now: Timestamp) -> Timestamp {
    const DAY: i64 = 86_400;
    const EIGHT_HOURS: i64 = 8 * 3_600;
    let left = DAY - (now.as_second() + EIGHT_HOURS).rem_euclid(DAY);
    now + SignedDuration::from_secs(left)
}

/// The first words of a body.
fn beginning(body: &Bytes) -> String {
    String::from_utf8_lossy(body).split_whitespace().collect::<Vec<_>>().join(" ").chars().take(120).collect()
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

    fn reading<'a>(secrets: &'a [&'a str], of_tokens: bool) -> Reading<'a> {
        Reading { operation: "shop info", now: noon(), secrets, of_tokens, of_products: false }
    }

    fn refusal(status: u16, word: &str, message: &str, of_tokens: bool) -> ChannelError {
        let body = serde_json::json!({"error": word, "message": message, "request_id": "r1"}).to_string();
        reading(&[], of_tokens).read(&answer(status, &body)).unwrap_err().into()
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
    fn every_documented_word_says_what_must_happen_next_whatever_the_status() {
        let table = [
            ("error_auth", "Invalid access_token.", "token", true),
            ("invalid_acceess_token", "Invalid access_token", "token", true),
            ("error_auth", "Invalid refresh_token.", "ended", true),
            ("error_auth", "The shop and partner are not linked", "ended", true),
            ("refresh_token_expired", "refresh token expired", "ended", true),
            ("error_shop_refresh_token", "Invalid refresh_token.", "ended", true),
            ("error_merchant_refresh_token", "", "ended", true),
            ("shop_access_expired", "The shop's authorization has expired", "ended", true),
            ("merchant_access_expired", "", "ended", true),
            ("shop_no_linked", "", "ended", true),
            ("merchant_no_linked", "", "ended", true),
            ("shop_banned", "the shop is banned", "closed", true),
            ("invalid_code", "Invalid code", "rejected", true),
            ("invalid_shop_id", "", "rejected", true),
            ("invalid_main_acount_id", "", "rejected", true),
            ("error_sign", "Wrong sign.", "app", true),
            ("error_param", "Invalid timestamp.", "unexpected", true),
            ("error_param", "Invalid partner_id.", "app", true),
            ("error_param", "page_size is too large", "rejected", true),
            ("error_partner_key_expired", "", "app", true),
            ("source_ip_undeclared", "10.0.0.1", "app", true),
            ("error_permission", "no permission to this API", "scope", true),
            ("error_rate_limit", "", "throttled", true),
            ("error_limit", "", "throttled", true),
            ("error_api_call_restricted", "", "app", true),
            ("error_system_busy", "", "unavailable", false),
            ("error_server", "Something wrong, please try later.", "unavailable", false),
            ("error_network", "", "unavailable", false),
            ("something_new", "of tomorrow", "unexpected", false),
        ];
        for (word, message, expected, not_acted) in table {
            for (status, prefix) in [(200, ""), (403, ""), (200, "common."), (403, "shop.common.")] {
                for of_tokens in [false, true] {
                    let error = refusal(status, &format!("{prefix}{word}"), message, of_tokens);
                    assert_eq!((name(&error.failure), error.not_acted()), (expected, not_acted), "{status} {word}");
                    assert_eq!(error.request_id.as_deref(), Some("r1"));
                    assert!(error.text.contains(word) && error.text.contains(message), "{error}");
                }
            }
        }
    }

    #[test]
    fn what_the_product_calls_refuse_is_told_apart_from_tokens_and_outages() {
        let table = [
            ("error_auth", "Invalid access_token.", "token"),
            ("error_auth", "", "token"),
            ("error_auth", "No permission to current api.", "scope"),
            ("error_auth", "Partner and shop has no linked.", "ended"),
            ("error_auth", "System error, please try again later.", "unavailable"),
            ("error_auth", "Stock should be larger than reserved stock.", "rejected"),
            ("error_auth", "Lack of location_id, please double check.", "rejected"),
            ("error_auth", "Please wait for the holiday mode set then to edit item. Please try later.", "rejected"),
            ("error_server", "Something wrong. Please try later.", "unavailable"),
            (
                "error_server",
                "The current item belong to the full FBS shop, so normal stock must be equal to 0",
                "rejected",
            ),
            ("error_inner", "Our system is taking some time to respond, please try later.", "unavailable"),
            ("error_inner", "Invalid stock location ID", "rejected"),
            ("error_inner", "Update item failed no such brand", "rejected"),
            ("error_system_busy", "Our system is taking some time to respond, please try later.", "unavailable"),
            ("error_cannt_edit_price_in_promotion", "Original_price cannot be edited", "rejected"),
            ("product.error_busi", "The GTIN code is mandatory", "rejected"),
            ("error.param", "Can not update item with stock less than reserved stock", "rejected"),
            ("error_param", "get items offset over limit, please use the next field", "rejected"),
            ("error_item_not_found", "Item_id is not found.", "rejected"),
            ("error_kyc_auth", "No permission. Please inform the seller", "closed"),
            ("error_api_permission", "This app type has no permission to this API.", "scope"),
            ("partner_shop_no_link", "", "ended"),
            ("invalid_partner_id", "", "app"),
            ("api_suspended", "The API is offline.", "bug"),
            ("error_rate_limit", "Too many requests.", "throttled"),
            ("something_new", "of tomorrow", "unexpected"),
        ];
        for (word, message, expected) in table {
            let body = serde_json::json!({"error": word, "message": message, "request_id": "r1"}).to_string();
            let reading = Reading { of_products: true, ..reading(&[], false) };
            let trouble = reading.read(&answer(200, &body)).unwrap_err();
            assert_eq!(name(&trouble.error.failure), expected, "{word} {message}");
            assert!(word.ends_with(&trouble.word) && trouble.message == message, "{trouble:?}");
        }
    }

    #[test]
    fn an_authorization_error_without_a_subject_is_about_the_token_only_where_one_was_sent() {
        assert_eq!(refusal(200, "error_auth", "", false).failure, Failure::TokenRejected);
        let of_tokens = refusal(200, "error_auth", "", true);
        assert_eq!(name(&of_tokens.failure), "unexpected", "nothing says that the permission has ended");
    }

    #[test]
    fn a_refused_refresh_token_does_not_claim_to_know_more_than_shopee_says() {
        let Failure::AuthorizationEnded { why } = refusal(200, "error_shop_refresh_token", "x", true).failure else {
            panic!("not an end")
        };
        assert!(why.contains("wrong or was used before (Shopee does not say which)"), "{why}");
    }

    #[test]
    fn a_clock_that_is_off_is_named_and_ends_nothing() {
        let error = refusal(403, "error_param", "Invalid timestamp", true);
        assert_eq!(
            error.failure,
            Failure::Unexpected { sample: "Shopee refuses the time of this machine's clock".into() }
        );
        assert!(error.remedy.starts_with("set this machine's clock"), "{}", error.remedy);
    }

    #[test]
    fn a_used_up_quota_lasts_until_midnight_of_utc_plus_8() {
        for (now, expected) in [
            ("2026-06-01T12:00:00Z", "2026-06-01T16:00:00Z"),
            ("2026-06-01T15:59:59Z", "2026-06-01T16:00:00Z"),
            ("2026-06-01T16:00:00Z", "2026-06-02T16:00:00Z"),
        ] {
            assert_eq!(next_quota(now.parse().unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn answers_without_a_word_are_told_by_their_status() {
        let table = [
            (200, "<html>down for maintenance</html>", "unexpected"),
            (200, "{\"error\":\"\",\"access_token\":\"", "unexpected"),
            (200, "", "unexpected"),
            (200, "[]", "unexpected"),
            (200, "{\"error\":7}", "unexpected"),
            (403, "{\"error\":\"\"}", "unexpected"),
            (404, "not found", "unexpected"),
            (429, "slow down", "throttled"),
            (502, "<html></html>", "unavailable"),
            (503, "{\"error\":null}", "unavailable"),
        ];
        for (status, body, expected) in table {
            let error: ChannelError = reading(&[], false).read(&answer(status, body)).unwrap_err().into();
            assert_eq!(name(&error.failure), expected, "{status} {body}");
        }
        let until = noon() + SignedDuration::from_secs(42);
        let answer = Answer { retry_at: Some(until), ..answer(429, "") };
        let error: ChannelError = reading(&[], false).read(&answer).unwrap_err().into();
        assert_eq!(error.failure, Failure::Throttled { until });
    }

    #[test]
    fn a_success_has_its_fields_beside_an_empty_word() {
        let body = r#"{"error":"","message":"","request_id":"r2","shop_name":"Tee","warning":""}"#;
        let success = reading(&[], false).read(&answer(200, body)).unwrap();
        assert_eq!((success.warning(), success.response()), ("", &Value::Null));
        let Success { fields, request_id } = success;
        assert_eq!((fields["shop_name"].as_str(), request_id.as_deref()), (Some("Tee"), Some("r2")));
    }

    #[test]
    fn no_error_repeats_a_secret() {
        let body = r#"{"error":"something_new","message":"token geheim of app abc","request_id":"r"}"#;
        let error: ChannelError = reading(&["geheim"], false).read(&answer(200, body)).unwrap_err().into();
        assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
        assert!(error.text.contains("token ••• of app abc"), "{error}");
        let cut = r#"{"error":"","access_token":"unknown-to-us","#;
        let error: ChannelError = reading(&[], true).read(&answer(200, cut)).unwrap_err().into();
        assert!(!format!("{error:?}").contains("unknown-to-us"), "{error:?}");
    }
}
