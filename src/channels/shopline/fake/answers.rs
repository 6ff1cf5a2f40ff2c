//! What the vendor says, in the words of either platform.

use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json};

use crate::{
    channels::{
        fake::{Mishap, answer, wait},
        shopline::Platform,
    },
    secrets::random_text,
};

/// An answer: a status and a body.
pub(super) struct Said {
    status: u16,
    body: Value,
    link: Option<String>,
}

impl Said {
    /// A success of either API, or of Asia's token host.
    pub(super) fn ok(body: Value) -> Self {
        Self { status: 200, body, link: None }
    }

    /// What Global's token host says, always inside a 200.
    pub(super) fn token(code: i64, word: &str, data: Value) -> Self {
        Self::ok(json!({"code": code, "i18nCode": word, "message": word, "data": data, "traceId": random_text(24)}))
    }

    /// A refusal by Global's API.
    pub(super) fn global(status: u16, errors: &str) -> Self {
        Self { status, body: json!({"errors": errors}), link: None }
    }

    /// A refusal of what was sent, by Global's API: field by field.
    pub(super) fn refused_by_field(errors: Value) -> Self {
        Self { status: 422, body: json!({"errors": errors}), link: None }
    }

    /// The same with a `Link` header.
    pub(super) fn with_link(self, link: String) -> Self {
        Self { link: Some(link), ..self }
    }

    /// A refusal by Asia's API.
    pub(super) fn asia(status: u16, code: &str, error: &str) -> Self {
        Self { status, body: json!({"error": error, "code": code}), link: None }
    }

    /// A refusal by Asia's token host.
    pub(super) fn grant_refused(status: u16, error: &str) -> Self {
        let description = "The provided authorization grant or client is invalid.";
        Self { status, body: json!({"error": error, "error_description": description}), link: None }
    }

    /// Too many calls.
    pub(super) fn throttled(platform: Platform) -> Self {
        match platform {
            Platform::Global => Self::global(429, "Too many request"),
            Platform::Asia => Self::asia(429, "RateLimitExceeded", "You have exceeded the rate limit"),
        }
    }

    /// What goes out.
    pub(super) fn respond(self, mishap: Option<Mishap>) -> Response {
        let status = StatusCode::from_u16(self.status).expect("the fake writes only statuses that exist");
        let mut response = answer(status, self.body, mishap);
        let trace = random_text(24).parse().expect("letters and digits make a header");
        response.headers_mut().insert("traceid", trace);
        if let Some(link) = self.link.and_then(|link| link.parse().ok()) {
            response.headers_mut().insert("link", link);
        }
        response
    }
}

/// The answer of a mishap that comes before anything is done.
pub(super) fn instead(platform: Platform, mishap: Option<Mishap>) -> Option<Response> {
    match mishap? {
        Mishap::Throttled { retry_after } => Some(wait(Said::throttled(platform).respond(None), retry_after)),
        Mishap::ThrottledByCode => {
            let said = match platform {
                Platform::Global => Said::token(500, "REQUEST_FREQUENTLY", Value::Null),
                Platform::Asia => Said::throttled(platform),
            };
            Some(said.respond(None))
        }
        other => other.page(),
    }
}
