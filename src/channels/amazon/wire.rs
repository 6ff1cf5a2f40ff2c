//! How Amazon speaks: two hosts with errors of two shapes, and the two tables that say what they mean.
//!
//! Vendor pages: "Authorization errors", "Usage plans and rate limits", "Rotating your app's LWA credentials", the Sellers API v1
//! model, and "Access token errors" of Login with Amazon.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    channels::{Acted, ChannelError},
    domain::Failure,
    http::Answer,
};

/// However slow a rate is told to be, its next call is tried after this.
const LONGEST_TURN_SECONDS: f64 = 3600.0;

/// A successful answer of the API.
#[derive(Debug)]
pub(super) struct Success {
    /// The body, which has what the call asked for.
    pub(super) body: Value,
    /// The vendor's id of the request.
    pub(super) request_id: Option<String>,
}

/// Why a call of the API did not succeed.
#[derive(Debug)]
pub(super) struct Trouble {
    /// The status; 0 where no answer came.
    pub(super) status: u16,
    /// The vendor's code.
    pub(super) code: Option<String>,
    /// What it means.
    pub(super) error: Box<ChannelError>,
}

impl Trouble {
    /// One that no answer is to blame for.
    pub(super) fn ours(error: ChannelError) -> Self {
        Self { status: 0, code: None, error: Box::new(error) }
    }
}

impl From<Trouble> for ChannelError {
    fn from(trouble: Trouble) -> Self {
        *trouble.error
    }
}

/// An error of the API.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ApiError {
    code: String,
    message: String,
    details: Option<String>,
}

/// An error of the token host.
#[derive(Debug, Deserialize)]
struct TokenError {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// A marketplace and how the seller takes part in it, of `/sellers/v1/marketplaceParticipations`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireParticipation {
    pub(super) marketplace: WireMarketplace,
    pub(super) participation: WireTaking,
    #[serde(default)]
    pub(super) store_name: String,
}

/// A marketplace.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireMarketplace {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
}

/// How a seller takes part in a marketplace.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireTaking {
    pub(super) is_participating: bool,
    pub(super) has_suspended_listings: bool,
}

/// What the token host was asked for: a refused grant means another thing each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Tokens for a code.
    Exchange,
    /// Tokens for a refresh token.
    Refresh,
}

/// What an answer is read with.
pub(super) struct Reading<'a> {
    /// The operation, in a word: it begins every error's text.
    pub(super) operation: &'static str,
    /// The time.
    pub(super) now: Timestamp,
    /// What must not appear in any text, whatever the vendor echoes.
    pub(super) secrets: &'a [&'a str],
}

impl Reading<'_> {
    /// Reads an answer of the API.
    pub(super) fn api(&self, answer: &Answer) -> Result<Success, ChannelError> {
        let request_id = request_id(answer);
        let error = match read_api(answer) {
            Some((body, errors)) if answer.status < 300 && errors.is_empty() => {
                return Ok(Success { body, request_id });
            }
            Some((_, errors)) => errors.into_iter().next(),
            None => None,
        };
        let words = error.map(|error| {
            let details = error.details.unwrap_or_default();
            (self.scrub(&error.code), self.scrub(&error.message), self.scrub(&details))
        });
        let verdict = api_verdict(answer, words.as_ref().map(|(_, _, details)| details.as_str()), self.now);
        let said = words.map(|(code, message, details)| {
            let details = if details.is_empty() { String::new() } else { format!(" {details}") };
            format!("status {}, {code}: {message}{details}", answer.status)
        });
        let said = said.unwrap_or_else(|| format!("{}: {}", shape(answer), self.scrub(&beginning(answer))));
        Err(self.refusal(verdict, said, request_id))
    }

    /// The vendor's code of an answer that is an error.
    pub(super) fn code(&self, answer: &Answer) -> Option<String> {
        let (_, errors) = read_api(answer)?;
        errors.first().map(|error| self.scrub(&error.code)).filter(|code| !code.is_empty())
    }

    /// What the store of documents says, which knows no errors of the API's shape. Its addresses are keys of their own, and
    /// its words may repeat them, so nothing of them is told.
    pub(super) fn document(&self, answer: Answer) -> Result<Answer, ChannelError> {
        if answer.status < 300 {
            return Ok(answer);
        }
        // An address is good for five minutes: the next attempt asks for another.
        let failure = Failure::Unavailable { retry_at: answer.retry_at };
        let text = format!("Amazon {}: the store of documents answered with {}", self.operation, shape(&answer));
        Err(ChannelError {
            failure,
            text,
            remedy: String::new(),
            request_id: request_id(&answer),
            acted: Acted::Unclear,
        })
    }

    /// Reads an answer of the token host. Its body holds tokens: nothing of one that is not an error is ever repeated.
    pub(super) fn token(&self, answer: &Answer, asked: Asked) -> Result<Map<String, Value>, ChannelError> {
        let body: Option<Map<String, Value>> = serde_json::from_slice(&answer.body).ok();
        let request_id = request_id(answer);
        let error = match body {
            Some(body) if answer.status < 300 && !body.contains_key("error") => return Ok(body),
            Some(body) => serde_json::from_value::<TokenError>(Value::Object(body)).ok(),
            None => None,
        };
        let error = error.map(|error| (self.scrub(&error.error), self.scrub(&error.error_description)));
        let words = error.as_ref().map(|(code, description)| (code.as_str(), description.as_str()));
        let verdict = token_verdict(answer, words, asked, self.now);
        let said = match error {
            Some((code, description)) => format!("status {}, {code}: {description}", answer.status),
            None => format!("no error that can be read but {}", shape(answer)),
        };
        Err(self.refusal(verdict, said, request_id))
    }

    /// An answer that is well-formed but does not say what it must.
    pub(super) fn unexpected(&self, what: &str, request_id: Option<String>) -> ChannelError {
        ChannelError {
            failure: Failure::Unexpected { sample: what.to_owned() },
            text: format!("Amazon {}: {what}", self.operation),
            remedy: String::new(),
            request_id,
            acted: Acted::Unclear,
        }
    }

    fn refusal(&self, verdict: Option<Verdict>, said: String, request_id: Option<String>) -> ChannelError {
        let Verdict { failure, remedy, acted } = verdict.unwrap_or_else(|| Verdict {
            failure: Failure::Unexpected { sample: said.clone() },
            remedy: "",
            acted: Acted::Unclear,
        });
        let text = format!("Amazon {} was answered with {said}", self.operation);
        ChannelError { failure, text, remedy: remedy.to_owned(), request_id, acted }
    }

    /// A text of the vendor's in one line, without any secret: neither ours nor what looks like a token.
    pub(super) fn scrub(&self, text: &str) -> String {
        let mut text: String = text.chars().filter(|c| !c.is_control()).take(4_000).collect();
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "•••");
        }
        let hidden = |word| if is_token(word) { "•••" } else { word };
        text.split(' ').map(hidden).collect::<Vec<_>>().join(" ").chars().take(300).collect()
    }
}

/// The body of an answer of the API, with its errors; `None`: it is of another shape.
fn read_api(answer: &Answer) -> Option<(Value, Vec<ApiError>)> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let errors = match body.get("errors") {
        None | Some(Value::Null) => Vec::new(),
        Some(errors) => Vec::deserialize(errors).ok()?,
    };
    Some((body, errors))
}

fn is_token(word: &str) -> bool {
    ["Atza|", "Atzr|", "Atc|"].iter().any(|mark| word.contains(mark))
}

/// The vendor's id of the request.
fn request_id(answer: &Answer) -> Option<String> {
    answer.header("x-amzn-requestid").map(str::to_owned)
}

/// What came, as far as it can be told of any body.
fn shape(answer: &Answer) -> String {
    let kind = answer.header("content-type").unwrap_or("no content type");
    format!("status {}, {kind}, {} bytes", answer.status, answer.body.len())
}

/// The first words of a body.
fn beginning(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(120).collect()
}

/// When to go on after too many calls: as told, else when the rate that was told has room for a call.
fn until(answer: &Answer, now: Timestamp) -> Timestamp {
    let told = answer.retry_at.unwrap_or(now + SignedDuration::from_secs(1));
    if answer.header("retry-after").is_some() {
        return told;
    }
    let rate = answer.header("x-amzn-ratelimit-limit").and_then(|rate| rate.parse::<f64>().ok());
    match rate.filter(|rate| rate.is_finite() && *rate > 0.0) {
        Some(rate) => told.max(now + SignedDuration::from_secs_f64((1.0 / rate).min(LONGEST_TURN_SECONDS))),
        None => told,
    }
}

/// What a refusal means.
struct Verdict {
    failure: Failure,
    remedy: &'static str,
    acted: Acted,
}

#[expect(clippy::unnecessary_wraps, reason = "the tables read better")]
fn refused(failure: Failure, remedy: &'static str) -> Option<Verdict> {
    Some(Verdict { failure, remedy, acted: Acted::No })
}

#[expect(clippy::unnecessary_wraps, reason = "the tables read better")]
fn away(answer: &Answer) -> Option<Verdict> {
    Some(Verdict { failure: Failure::Unavailable { retry_at: answer.retry_at }, remedy: "", acted: Acted::Unclear })
}

const CHECK_SECRET: &str = "compare client_id and client_secret with the app's LWA credentials in the Solution Provider Portal; a secret ends 180 days after it was made, and 7 days after a newer one was";

/// The API's table. `details` are those of its error; `None` there: no error of the documented shape. `None` as answer: nobody
/// foresaw this.
fn api_verdict(answer: &Answer, details: Option<&str>, now: Timestamp) -> Option<Verdict> {
    let why = details.filter(|details| !details.is_empty()).map(str::to_owned);
    let lower = details.unwrap_or_default().to_ascii_lowercase();
    match (answer.status, details) {
        (429, _) => refused(Failure::Throttled { until: until(answer, now) }, ""),
        (500.., _) => away(answer),
        (401 | 403, Some(_)) if lower.contains("lwa secret") => {
            refused(Failure::AppCredentialRejected { why: why.unwrap_or_default() }, CHECK_SECRET)
        }
        (401 | 403, Some(_)) if lower.contains("is missing") => {
            refused(Failure::Bug, "report this: a call went out without its access token")
        }
        (401 | 403, Some(_)) if ["expired", "revoked", "malformed"].iter().any(|word| lower.contains(word)) => {
            refused(Failure::TokenRejected, "")
        }
        (401, Some(_)) => refused(Failure::TokenRejected, ""),
        (403, Some(_)) => refused(
            Failure::ScopeMissing { scope: why.unwrap_or_else(|| "a role of the app, or the marketplace".to_owned()) },
            "give the app the role in the Solution Provider Portal and let the owner authorize it again; else compare the shop's marketplace with the region of the seller",
        ),
        (400, Some(_)) => refused(Failure::Rejected, "look at the message; the call itself was refused"),
        (404 | 405 | 413 | 415, Some(_)) => {
            refused(Failure::Bug, "update shopsyncd: this version of the call no longer exists")
        }
        _ => None,
    }
}

/// The token host's table. `error` is its code and description; `None` there: no error of the documented shape.
fn token_verdict(answer: &Answer, error: Option<(&str, &str)>, asked: Asked, now: Timestamp) -> Option<Verdict> {
    let (code, description) = error.unzip();
    let why = || match description.filter(|words| !words.is_empty()) {
        Some(words) => words.to_owned(),
        None => code.unwrap_or_default().to_owned(),
    };
    match (answer.status, code) {
        (429, _) => refused(Failure::Throttled { until: until(answer, now) }, ""),
        (500.., _) | (_, Some("server_error" | "temporarily_unavailable")) => away(answer),
        (_, Some("invalid_grant")) if asked == Asked::Exchange => {
            refused(Failure::Rejected, "start the authorization again: a code lives 5 minutes and works once")
        }
        (_, Some("invalid_grant")) => {
            refused(Failure::AuthorizationEnded { why: why() }, "ask the shop's owner to authorize the app again")
        }
        (_, Some("invalid_client")) => refused(Failure::AppCredentialRejected { why: why() }, CHECK_SECRET),
        (
            _,
            Some(
                "unauthorized_client"
                | "invalid_scope"
                | "access_denied"
                | "invalid_request"
                | "unsupported_grant_type",
            ),
        ) => refused(
            Failure::AppCredentialRejected { why: why() },
            "compare client_id, client_secret and the redirect URI with the app's page in the Solution Provider Portal",
        ),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
#[path = "tests/wire.rs"]
mod tests;
