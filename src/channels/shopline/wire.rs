//! How SHOPLINE speaks, on both platforms, and the one table that says what a status and a word mean.
//!
//! Vendor pages: "HTTP status codes", "Flow control", "App authorization" (Global); "Refresh token", "Token info" (Asia).

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Platform, TITLE};
use crate::{
    channels::{Acted, ChannelError},
    domain::Failure,
    http::Answer,
};

/// What Global says of success inside a body.
const OK: i64 = 200;
/// How long an app that asked for new tokens too soon leaves it alone. The vendor names no time.
const TOO_SOON: SignedDuration = SignedDuration::from_mins(1);
/// How long an app that was blocked keeps still. The vendor names no time.
const BLOCKED: SignedDuration = SignedDuration::from_hours(1);

const CHECK_APP: &str = "compare client_id and client_secret (on Asia asia_client_id and asia_client_secret, where they are set) with the app's page at SHOPLINE";
const AUTHORIZE_AGAIN: &str = "ask the shop's owner to authorize the shop again";

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Tokens, for a code.
    Exchange,
    /// New tokens.
    Refresh,
    /// Anything else.
    Api,
}

/// A successful answer.
#[derive(Debug)]
pub(super) struct Success {
    /// The body, or (Global's token host) its `data`.
    pub(super) data: Value,
    /// The vendor's token of the next page, where there is one (Global).
    pub(super) next: Option<String>,
    /// The vendor's id of the request.
    pub(super) request_id: Option<String>,
}

/// Why a call of an API brought nothing, with the vendor's word for it, or else the status.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) code: String,
    pub(super) error: Box<ChannelError>,
}

impl Trouble {
    /// Whether what was sent was refused, and will be again.
    pub(super) fn is_refusal(&self) -> bool {
        self.error.failure == Failure::Rejected
    }

    /// What the vendor says of one thing cannot be read: so nothing can be changed of it, while others can be.
    pub(super) fn unreadable(operation: &str, request_id: Option<String>) -> Self {
        let error = ChannelError {
            failure: Failure::Rejected,
            text: format!("{TITLE} {operation}: what SHOPLINE tells of it cannot be read, so nothing was changed"),
            remedy: "complete or delete it at SHOPLINE".to_owned(),
            request_id,
            acted: Acted::No,
        };
        Self { code: "unreadable".to_owned(), error: Box::new(error) }
    }

    /// Whether there was more to say than an answer may have.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(&self.error.failure, Failure::Unexpected { sample } if sample.contains("more than 16 MiB"))
    }
}

impl From<ChannelError> for Trouble {
    fn from(error: ChannelError) -> Self {
        Self { code: "error".to_owned(), error: Box::new(error) }
    }
}

/// The vendor's word in a refusal, or else its status: what complaints go by.
pub(super) fn code_of(answer: &Answer) -> String {
    let word = serde_json::from_slice::<Value>(&answer.body).map(|body| said(&body).word).unwrap_or_default();
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let sound = !word.is_empty() && word.len() <= 60 && word.chars().all(known);
    if sound { word } else { answer.status.to_string() }
}

/// The token of the next page in a `Link` header.
fn next_page(link: &str) -> Option<String> {
    let links = link.split('<').skip(1).filter_map(|part| part.split_once('>'));
    let (address, _) = links.into_iter().find(|(_, about)| about.replace('"', "").contains("rel=next"))?;
    let query = address.split_once('?')?.1;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "page_info").map(|(_, value)| value.into_owned()).filter(|token| !token.is_empty())
}

/// What an answer is read with.
pub(super) struct Reading<'a> {
    pub(super) platform: Platform,
    pub(super) kind: Kind,
    /// The operation, in a word: it begins every error's text.
    pub(super) operation: &'static str,
    /// The time.
    pub(super) now: Timestamp,
    /// What must not appear in any text, whatever the vendor echoes.
    pub(super) secrets: &'a [&'a str],
}

/// What a body says of a failure.
#[derive(Debug, Default)]
struct Said {
    code: Option<i64>,
    /// The vendor's word for it: `i18nCode`, `code` or `error`.
    word: String,
    /// The vendor's sentence.
    text: String,
}

/// What a refusal means.
struct Verdict {
    failure: Failure,
    remedy: &'static str,
    acted: Acted,
}

impl Reading<'_> {
    /// Reads an answer: success, or what must happen next.
    pub(super) fn read(&self, answer: &Answer) -> Result<Success, ChannelError> {
        let body: Option<Value> = serde_json::from_slice(&answer.body).ok().filter(Value::is_object);
        let told = body.as_ref().and_then(|body| text_of(body, &["traceId", "trace_id"]));
        let request_id = answer.header("traceid").map(str::to_owned).or(told);
        let next = answer.header("link").and_then(next_page);
        if answer.status == 204 && self.kind == Kind::Api {
            return Ok(Success { data: Value::Null, next, request_id });
        }
        let Some(mut body) = body else { return Err(self.judge(answer, None, request_id)) };
        if answer.status >= 300 {
            return Err(self.judge(answer, Some(said(&body)), request_id));
        }
        if self.platform == Platform::Asia || self.kind == Kind::Api {
            return Ok(Success { data: body, next, request_id });
        }
        match body.get("code").and_then(Value::as_i64) {
            Some(OK) => Ok(Success { data: body["data"].take(), next, request_id }),
            _ => Err(self.judge(answer, Some(said(&body)), request_id)),
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

    fn judge(&self, answer: &Answer, said: Option<Said>, request_id: Option<String>) -> ChannelError {
        let words = match &said {
            Some(said) => format!("status {}, {}", answer.status, self.words(said)),
            None => format!("no JSON answer but {}", self.sample(answer)),
        };
        let verdict = self.verdict(answer, said.as_ref());
        let Verdict { failure, remedy, acted } = verdict.unwrap_or_else(|| Verdict {
            failure: Failure::Unexpected { sample: words.clone() },
            remedy: "",
            acted: Acted::Unclear,
        });
        let text = format!("{TITLE} {} was answered with {words}", self.operation);
        ChannelError { failure, text, remedy: remedy.to_owned(), request_id, acted }
    }

    /// The table. The token hosts' words decide before any status, since Global says everything inside a 200; `None`: nobody
    /// foresaw this.
    fn verdict(&self, answer: &Answer, said: Option<&Said>) -> Option<Verdict> {
        if let Some(verdict) = said.and_then(|said| self.verdict_of_word(answer, said)) {
            return Some(verdict);
        }
        let (api, json, now) = (self.kind == Kind::Api, said.is_some(), self.now);
        let why = || said.map_or_else(|| format!("status {}", answer.status), |said| self.words(said));
        let verdict = match answer.status {
            429 => throttled(answer.retry_at.unwrap_or(now + SignedDuration::from_secs(1))),
            402 => refused(
                Failure::ShopClosed { why: format!("the store is frozen: its plan is not paid ({})", why()) },
                "ask the shop's owner to pay the plan at SHOPLINE",
            ),
            423 => refused(
                Failure::ShopClosed { why: format!("the store is locked ({})", why()) },
                "ask SHOPLINE's support why the store is locked: repeated limit breaches and suspicion of fraud are the usual causes",
            ),
            433..=436 => refused(
                Failure::Unavailable { retry_at: Some(now + BLOCKED) },
                "SHOPLINE's security layer blocks this machine: ask SHOPLINE's support to take its address off the list",
            ),
            500.. => maybe_acted(Failure::Unavailable { retry_at: answer.retry_at }),
            401 if api && json => refused(Failure::TokenRejected, ""),
            403 if api && json => refused(
                Failure::ScopeMissing { scope: why() },
                "give the app the right at SHOPLINE, then ask the shop's owner to authorize it again",
            ),
            404 if api && json => refused(
                Failure::Rejected,
                "compare the shop's handle with its address, and version with those that SHOPLINE still serves",
            ),
            412 if api && json => refused(
                Failure::Rejected,
                "SHOPLINE's risk check refused the content: change the title, description or images that it names",
            ),
            408 if api => maybe_acted(Failure::Unavailable { retry_at: answer.retry_at }),
            400..=499 if api && json => refused(Failure::Rejected, "look at the message; the call itself was refused"),
            _ if said.is_some_and(|said| said.code.is_some_and(|code| code >= 500)) => {
                maybe_acted(Failure::Unavailable { retry_at: answer.retry_at })
            }
            _ => return None,
        };
        Some(verdict)
    }

    /// What the vendor's words mean, as far as they are known.
    fn verdict_of_word(&self, answer: &Answer, said: &Said) -> Option<Verdict> {
        let word = letters(&said.word);
        if word == "RATELIMITEXCEEDED" {
            return Some(throttled(answer.retry_at.unwrap_or(self.now + SignedDuration::from_secs(1))));
        }
        match (self.platform, self.kind) {
            (_, Kind::Api) => None,
            (Platform::Global, kind) => self.verdict_of_global(kind, &word, &letters(&said.text)),
            (Platform::Asia, kind) => Self::verdict_of_asia(kind, &word),
        }
    }

    /// The vendor lists no codes for its token calls. These parts are in those that are known.
    fn verdict_of_global(&self, kind: Kind, word: &str, text: &str) -> Option<Verdict> {
        let has = |part: &str| word.contains(part);
        let either = |part: &str| has(part) || text.contains(part);
        let why = || word.to_ascii_lowercase();
        if either("FREQUENT") {
            return Some(throttled(self.now + TOO_SOON));
        }
        if kind == Kind::Refresh && ["NOTINSTALL", "UNINSTALL", "DEAUTHORIZ"].into_iter().any(either) {
            let why = "the app is not installed in the store any more".to_owned();
            return Some(refused(Failure::AuthorizationEnded { why }, AUTHORIZE_AGAIN));
        }
        if has("TIMESTAMP") {
            return Some(refused(
                // A clock that is wrong is no fault of the app's keys.
                Failure::Unexpected { sample: "SHOPLINE refuses the time of this machine's clock".to_owned() },
                "set this machine's clock and run a time service: calls may be 10 minutes old at most",
            ));
        }
        if has("SIGN") || has("APPKEY") {
            return Some(refused(Failure::AppCredentialRejected { why: why() }, CHECK_APP));
        }
        (kind == Kind::Exchange && has("CODE")).then(|| {
            refused(Failure::Rejected, "start the authorization again: a code lives 10 minutes and can be used once")
        })
    }

    /// Words of RFC 6749 (5.2).
    fn verdict_of_asia(kind: Kind, word: &str) -> Option<Verdict> {
        match (word, kind) {
            ("INVALIDGRANT", Kind::Refresh) => Some(refused(
                Failure::AuthorizationEnded { why: "invalid_grant: the tokens were taken back or have run out".into() },
                AUTHORIZE_AGAIN,
            )),
            ("INVALIDGRANT", _) => Some(refused(
                Failure::Rejected,
                "start the authorization again: a code lives 10 minutes and can be used once; the app's redirect URI must be the callback's address",
            )),
            ("INVALIDCLIENT" | "UNAUTHORIZEDCLIENT", _) => {
                Some(refused(Failure::AppCredentialRejected { why: word.to_ascii_lowercase() }, CHECK_APP))
            }
            ("INVALIDREDIRECTURI", _) => Some(refused(
                Failure::Rejected,
                "set the app's redirect URI to public_url followed by /oauth/shopline/callback",
            )),
            _ => None,
        }
    }

    /// What the vendor said, for people. Of a token host only its word: its sentences could hold anything.
    fn words(&self, said: &Said) -> String {
        let code = said.code.map(|code| format!("code {code}"));
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
        let word =
            Some(said.word.clone()).filter(|word| !word.is_empty() && word.len() <= 40 && word.chars().all(known));
        let text = Some(self.scrub(&said.text)).filter(|text| self.kind == Kind::Api && !text.is_empty());
        let told: Vec<String> = [code, word.map(|word| self.scrub(&word)), text].into_iter().flatten().collect();
        if told.is_empty() { "no words".to_owned() } else { told.join(", ") }
    }

    /// What came, in a line that holds no secret.
    fn sample(&self, answer: &Answer) -> String {
        let kind = self.scrub(answer.header("content-type").unwrap_or("no content type"));
        let shape = format!("status {}, {kind}, {} bytes", answer.status, answer.body.len());
        if self.kind != Kind::Api {
            return shape;
        }
        let words = String::from_utf8_lossy(&answer.body).split_whitespace().collect::<Vec<_>>().join(" ");
        // Scrubbed before it is cut: half a secret would not be found.
        let beginning: String = self.scrub(&words).chars().take(120).collect();
        format!("{shape}: {beginning}")
    }

    fn scrub(&self, text: &str) -> String {
        let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "•••");
        }
        text.chars().take(300).collect()
    }
}

fn refused(failure: Failure, remedy: &'static str) -> Verdict {
    Verdict { failure, remedy, acted: Acted::No }
}

fn maybe_acted(failure: Failure) -> Verdict {
    Verdict { failure, remedy: "", acted: Acted::Unclear }
}

fn throttled(until: Timestamp) -> Verdict {
    refused(Failure::Throttled { until }, "")
}

/// What a body says of a failure: Global's `{code, i18nCode, message}` or `{errors}`, Asia's `{error, code, message}` or
/// `{error, error_description}`.
fn said(body: &Value) -> Said {
    let code = body.get("code").and_then(|code| code.as_i64().or_else(|| code.as_str()?.parse().ok()));
    let word = text_of(body, &["i18nCode"]).or_else(|| text_of(body, &["code"]).filter(|_| code.is_none()));
    let text = text_of(body, &["message", "errors", "error_description"]);
    let map = body.get("errors").or_else(|| body.get("extras")).map(flat).filter(|text| !text.is_empty());
    let error = text_of(body, &["error"]);
    let sentence = error.clone().filter(|_| word.is_some());
    Said { code, word: word.or(error).unwrap_or_default(), text: text.or(map).or(sentence).unwrap_or_default() }
}

/// Errors by field, as a sentence: `{"title": ["is empty"]}` is "title: is empty".
fn flat(errors: &Value) -> String {
    match errors {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(flat).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            fields.iter().map(|(name, errors)| format!("{name}: {}", flat(errors))).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

fn text_of(body: &Value, names: &[&str]) -> Option<String> {
    let texts = names.iter().filter_map(|name| body.get(name).and_then(Value::as_str));
    texts.map(str::to_owned).find(|text| !text.is_empty())
}

/// A word without what separates its parts: SHOPLINE writes `REQUEST_FREQUENTLY` as well as `RequestSignIsEmpty`.
fn letters(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{
        Kind::{Api, Exchange, Refresh},
        Platform::{Asia, Global},
        *,
    };

    fn noon() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn answer(status: u16, body: &str) -> Answer {
        let headers = vec![("content-type".to_owned(), "text/x".to_owned()), ("traceid".to_owned(), "t1".to_owned())];
        Answer { status, headers, body: body.to_owned().into(), retry_at: None }
    }

    fn reading(platform: Platform, kind: Kind) -> Reading<'static> {
        Reading { platform, kind, operation: "call", now: noon(), secrets: &["geheim"] }
    }

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
            Failure::Bug | Failure::Guarded => "bug",
        }
    }

    #[test]
    fn every_row_of_the_table_says_what_happens_next_and_whether_the_channel_may_have_acted() {
        let table = [
            (Global, Api, 401, r#"{"errors":"token is expired"}"#, "token", true),
            (Global, Api, 402, r#"{"errors":"Payment Required"}"#, "closed", true),
            (Global, Api, 402, "<html>", "closed", true),
            (Global, Api, 403, r#"{"errors":"no permission: read_products"}"#, "scope", true),
            (Global, Api, 404, r#"{"errors":"not found"}"#, "rejected", true),
            (Global, Api, 412, r#"{"errors":"high-risk content"}"#, "rejected", true),
            (Global, Api, 422, r#"{"errors":{"title":["is empty"]}}"#, "rejected", true),
            (Global, Api, 423, r#"{"errors":"Locked"}"#, "closed", true),
            (Global, Api, 429, r#"{"errors":"Too many request"}"#, "throttled", true),
            (Global, Api, 433, "<html>blocked</html>", "unavailable", true),
            (Global, Api, 434, "", "unavailable", true),
            (Global, Api, 435, "", "unavailable", true),
            (Global, Api, 436, "", "unavailable", true),
            (Global, Api, 500, r#"{"errors":"Internal"}"#, "unavailable", false),
            (Global, Api, 501, "", "unavailable", false),
            (Global, Api, 503, "<html>", "unavailable", false),
            (Global, Api, 504, "", "unavailable", false),
            (Global, Api, 200, "<html>down for maintenance</html>", "unexpected", false),
            (Global, Api, 401, "<html>", "unexpected", false),
            (Global, Api, 200, "[]", "unexpected", false),
            (Global, Refresh, 200, r#"{"code":400,"i18nCode":"REQUEST_FREQUENTLY"}"#, "throttled", true),
            (Global, Refresh, 200, r#"{"code":400,"i18nCode":"X","message":"Request frequently"}"#, "throttled", true),
            (Global, Refresh, 200, r#"{"code":500,"i18nCode":"RequestSignIsEmpty"}"#, "app", true),
            (Global, Refresh, 500, r#"{"code":500,"i18nCode":"REQUEST_SIGN_ERROR"}"#, "app", true),
            (Global, Refresh, 200, r#"{"code":400,"i18nCode":"APPKEY_INVALID"}"#, "app", true),
            (Global, Refresh, 200, r#"{"code":400,"i18nCode":"TIMESTAMP_EXPIRED"}"#, "unexpected", true),
            (Global, Refresh, 200, r#"{"code":400,"i18nCode":"APP_NOT_INSTALLED"}"#, "ended", true),
            (Global, Refresh, 200, r#"{"code":400,"i18nCode":"X","message":"app is uninstalled"}"#, "ended", true),
            (Global, Exchange, 200, r#"{"code":400,"i18nCode":"APP_NOT_INSTALLED"}"#, "unexpected", false),
            (Global, Exchange, 200, r#"{"code":400,"i18nCode":"AUTH_CODE_INVALID"}"#, "rejected", true),
            (Global, Refresh, 200, r#"{"code":400,"i18nCode":"SOMETHING_NEW"}"#, "unexpected", false),
            (Global, Refresh, 200, r#"{"code":500,"i18nCode":"SYSTEM_ERROR"}"#, "unavailable", false),
            (Global, Refresh, 200, r#"{"code":"200","data":{}}"#, "unexpected", false),
            (Global, Refresh, 200, "{}", "unexpected", false),
            (Global, Refresh, 401, r#"{"errors":"?"}"#, "unexpected", false),
            (Global, Refresh, 402, r#"{"errors":"Payment Required"}"#, "closed", true),
            (Global, Refresh, 429, "", "throttled", true),
            (Global, Refresh, 200, r#"{"code":200,"data":{"accessToken":"eyJ"#, "unexpected", false),
            (Asia, Api, 401, r#"{"code":"TOKEN_EXPIRED"}"#, "token", true),
            (Asia, Api, 401, r#"{"code":"TOKEN_REVOKED"}"#, "token", true),
            (Asia, Api, 403, r#"{"error":"Forbidden"}"#, "scope", true),
            (Asia, Api, 422, r#"{"error":"Unprocessable","message":"sku"}"#, "rejected", true),
            (Asia, Api, 429, r#"{"error":"slow down","code":"RateLimitExceeded"}"#, "throttled", true),
            (Asia, Api, 403, r#"{"error":"slow down","code":"RateLimitExceeded"}"#, "throttled", true),
            (Asia, Api, 502, "<html>", "unavailable", false),
            (Asia, Refresh, 400, r#"{"error":"invalid_grant","error_description":"…"}"#, "ended", true),
            (Asia, Exchange, 400, r#"{"error":"invalid_grant","error_description":"…"}"#, "rejected", true),
            (Asia, Refresh, 401, r#"{"error":"invalid_client"}"#, "app", true),
            (Asia, Exchange, 400, r#"{"error":"invalid_redirect_uri"}"#, "rejected", true),
            (Asia, Refresh, 400, r#"{"error":"invalid_request"}"#, "unexpected", false),
            (Asia, Refresh, 400, "<html>", "unexpected", false),
        ];
        for (platform, kind, status, body, expected, not_acted) in table {
            let error = reading(platform, kind).read(&answer(status, body)).unwrap_err();
            assert_eq!((name(&error.failure), error.not_acted()), (expected, not_acted), "{status} {body}: {error}");
            assert_eq!(error.request_id.as_deref(), Some("t1"));
        }
    }

    #[test]
    fn a_refusal_is_told_by_field_and_known_by_its_word_or_status() {
        for (platform, body, code, words) in [
            (
                Global,
                r#"{"errors":{"title":["is empty"],"price":"too low"}}"#,
                "422",
                "price: too low; title: is empty",
            ),
            (Global, r#"{"errors":"spu is taken"}"#, "422", "spu is taken"),
            (Global, r#"{"errors":["a","b"]}"#, "422", "a, b"),
            (Asia, r#"{"error":"Unprocessable","code":"SKU_TAKEN","message":"sku"}"#, "SKU_TAKEN", "SKU_TAKEN, sku"),
            (Asia, r#"{"error":"sku is taken","code":"INVALID"}"#, "INVALID", "INVALID, sku is taken"),
            (Asia, r#"{"code":"INVALID","extras":{"sku":"is taken"}}"#, "INVALID", "sku: is taken"),
            (Global, "{}", "422", "no words"),
        ] {
            let answer = answer(422, body);
            let error = reading(platform, Api).read(&answer).unwrap_err();
            assert_eq!((error.failure, code_of(&answer).as_str()), (Failure::Rejected, code));
            assert!(error.text.contains(words), "{}", error.text);
        }
    }

    #[test]
    fn the_next_page_is_the_one_that_the_header_calls_next() {
        let page = |token: &str, rel: &str| {
            format!(
                "<https://a.myshopline.com/admin/openapi/v1/products/products.json?limit=1&page_info={token}>; rel={rel}"
            )
        };
        for (link, expected) in [
            (page("a%3D", "\"next\""), Some("a=")),
            (format!("{},{}", page("p", "\"previous\""), page("n", "\"next\"")), Some("n")),
            (format!("{}, {}", page("n", "next"), page("p", "\"prev\"")), Some("n")),
            (page("p", "\"previous\""), None),
            ("<https://a/b>; rel=\"next\"".to_owned(), None),
            ("nonsense".to_owned(), None),
            (page("", "\"next\""), None),
        ] {
            assert_eq!(next_page(&link).as_deref(), expected, "{link}");
        }
    }

    #[test]
    fn success_is_the_bodys_word_at_globals_token_host_and_the_status_elsewhere() {
        let read = |platform, kind, body| reading(platform, kind).read(&answer(200, body)).unwrap().data;
        assert_eq!(read(Global, Refresh, r#"{"code":200,"data":{"a":1}}"#)["a"], 1);
        assert_eq!(read(Global, Api, r#"{"data":{"a":1}}"#)["data"]["a"], 1);
        assert_eq!(read(Asia, Refresh, r#"{"a":1}"#)["a"], 1);
        assert_eq!(read(Asia, Api, r#"{"a":1}"#)["a"], 1);
    }

    #[test]
    fn who_is_blocked_or_asked_too_soon_keeps_still_for_a_while() {
        let failure = |kind, status, body| reading(Global, kind).read(&answer(status, body)).unwrap_err().failure;
        let hour = noon() + SignedDuration::from_hours(1);
        assert_eq!(failure(Api, 434, ""), Failure::Unavailable { retry_at: Some(hour) });
        let minute = noon() + SignedDuration::from_mins(1);
        let body = r#"{"code":1,"i18nCode":"REQUEST_FREQUENTLY"}"#;
        assert_eq!(failure(Refresh, 200, body), Failure::Throttled { until: minute });
    }

    #[test]
    fn no_error_repeats_a_secret_and_a_token_hosts_sentences_are_not_told() {
        let told = |kind, status, body: &str| {
            let error = reading(Global, kind).read(&answer(status, body)).unwrap_err();
            format!("{error} {error:?}")
        };
        let body = r#"{"errors":"token geheim of geheim is expired"}"#;
        assert!(told(Api, 401, body).contains("token ••• of ••• is expired"), "{}", told(Api, 401, body));
        assert!(!told(Api, 200, &format!("<html>{} geheim", "x".repeat(110))).contains("gehe"));
        for body in [
            r#"{"code":1,"i18nCode":"NEW","message":"eyJ-unknown"}"#,
            r#"{"code":1,"i18nCode":"eyJ-unknown eyJ-unknown eyJ-unknown eyJ-unknown"}"#,
            r#"{"code":200,"data":{"accessToken":"eyJ-unknown"#,
        ] {
            assert!(!told(Refresh, 200, body).contains("eyJ"), "{}", told(Refresh, 200, body));
        }
    }
}
