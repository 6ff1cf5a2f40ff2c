//! Calls: sending them, and reading what comes back.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::{
    NAME, Platform, TITLE, secrets,
    wire::{Kind, Reading, Success, Trouble, code_of},
};
use crate::{
    channels::{
        ChannelError,
        calls::{address, secret_of, unanswered},
    },
    clock::Clock,
    domain::Failure,
    http::{BudgetKey, Call, Http, Method, Rate},
    secrets::Secret,
};

/// Our app on one of the platforms, and where a shop there is reached.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) clock: Clock,
    pub(super) platform: Platform,
    pub(super) handle: String,
    pub(super) app_key: String,
    /// `None` where the secret cannot be read here (`check` as an ordinary user).
    pub(super) app_secret: Option<Secret>,
    /// Under which keys of the settings both stand.
    pub(super) keys: [&'static str; 2],
    pub(super) api_url: Url,
    pub(super) token_url: Url,
}

/// A call to an API. All of a shop's calls share one budget: both platforms count them together.
pub(super) struct ApiCall<'a> {
    /// In a word or two: it begins every error's text.
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    pub(super) token: &'a Secret,
}

/// A call for tokens.
pub(super) struct TokenCall<'a> {
    pub(super) kind: Kind,
    pub(super) path: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
    /// What it spends.
    pub(super) spent: Option<&'a Secret>,
}

impl Client {
    /// The app's secret, or why nothing can be called.
    pub(super) fn secret(&self) -> Result<&Secret, ChannelError> {
        let [_, key] = self.keys;
        secret_of(self.app_secret.as_ref(), TITLE, NAME).map_err(|error| ChannelError {
            remedy: format!("set channels.{NAME}.{key}"),
            text: error.text.replace("client_secret", key),
            ..error
        })
    }

    /// Makes a call, in its turn.
    pub(super) async fn api(&self, call: ApiCall<'_>) -> Result<Success, Trouble> {
        let mut headers = vec![("authorization", format!("Bearer {}", call.token.expose()))];
        headers.extend(self.caller());
        if call.body.is_some() {
            headers.push(("content-type", "application/json; charset=utf-8".to_owned()));
        }
        // A part of what is documented stays free for looks. Global: a bucket of 40 that loses 4 a second. Asia: 20 in any second.
        let rate = match self.platform {
            Platform::Global => Rate::per(38, Duration::from_secs(10), 30),
            Platform::Asia => Rate::per_second(14, 4),
        };
        let request = Call {
            method: call.method,
            url: address(&self.api_url, &call.path, &call.query),
            headers,
            body: call.body.map(|body| body.to_string().into()),
            budget: self.budget("call"),
            rate,
        };
        let secrets = secrets(&[Some(call.token)]);
        let reading = self.reading(Kind::Api, call.operation, &secrets);
        let mut code = None;
        let result = self.send(request, &reading, &mut code).await;
        result.map_err(|error| Trouble { code: code.unwrap_or_else(|| "error".to_owned()), error: Box::new(error) })
    }

    /// Looks at something with an access token: seldom, and never starved by other calls.
    pub(super) async fn get(
        &self,
        operation: &'static str,
        path: &str,
        token: &Secret,
    ) -> Result<Success, ChannelError> {
        let mut headers = vec![("authorization", format!("Bearer {}", token.expose()))];
        headers.extend(self.caller());
        let rate = match self.platform {
            Platform::Global => Rate::per(1, Duration::from_secs(5), 8),
            Platform::Asia => Rate::per_second(1, 1),
        };
        let call = Call {
            method: Method::GET,
            url: address(&self.api_url, path, &[]),
            headers,
            body: None,
            budget: self.budget("look"),
            rate,
        };
        self.send(call, &self.reading(Kind::Api, operation, &secrets(&[Some(token)])), &mut None).await
    }

    /// Asks for tokens. What comes back is confidential.
    pub(super) async fn token(&self, call: TokenCall<'_>) -> Result<Success, ChannelError> {
        let operation = operation_of(call.kind);
        let mut headers = call.headers;
        headers.push(("content-type", "application/json".to_owned()));
        headers.extend(self.caller());
        let request = Call {
            method: Method::POST,
            url: address(&self.token_url, call.path, &[]),
            headers,
            body: (!call.body.is_empty()).then(|| call.body.into()),
            // An operation of its own, so that nothing starves it.
            budget: self.budget(operation),
            rate: Rate::per_second(4, 4),
        };
        let secrets = secrets(&[self.app_secret.as_ref(), call.spent]);
        self.send(request, &self.reading(call.kind, operation, &secrets), &mut None).await
    }

    /// `code`: the vendor's word, where it refuses.
    async fn send(
        &self,
        call: Call,
        reading: &Reading<'_>,
        code: &mut Option<String>,
    ) -> Result<Success, ChannelError> {
        let budget = call.budget.clone();
        let answer = self.http.send(call).await.map_err(|error| unanswered(TITLE, reading.operation, error))?;
        let mut result = reading.read(&answer);
        *code = result.is_err().then(|| code_of(&answer));
        match result.as_mut().map_err(|error| &mut error.failure) {
            // Throttled by a word: only we can read it, so we tell the budget.
            Err(Failure::Throttled { until }) if answer.status != 429 => {
                *until = self.http.refused(&budget, Some(*until));
            }
            // Blocked: every further call prolongs it.
            Err(Failure::Unavailable { retry_at: Some(at) }) if answer.status < 500 => {
                self.http.refused(&budget, Some(*at));
            }
            _ => {}
        }
        result
    }

    pub(super) fn reading<'a>(&self, kind: Kind, operation: &'static str, secrets: &'a [&'a str]) -> Reading<'a> {
        Reading { platform: self.platform, kind, operation, now: self.now(), secrets }
    }

    /// An answer with tokens in it that does not say what it must.
    pub(super) fn unreadable(&self, kind: Kind, what: &str, request_id: Option<String>) -> ChannelError {
        self.reading(kind, operation_of(kind), &[]).unexpected(what, request_id)
    }

    /// An answer of an API that does not say what it must.
    pub(super) fn odd(&self, operation: &'static str, what: &str, request_id: Option<String>) -> ChannelError {
        self.reading(Kind::Api, operation, &[]).unexpected(what, request_id)
    }

    /// Asia wants to know who calls.
    fn caller(&self) -> Option<(&'static str, String)> {
        (self.platform == Platform::Asia).then(|| ("user-agent", self.handle.clone()))
    }

    fn budget(&self, operation: &'static str) -> BudgetKey {
        BudgetKey {
            channel: NAME,
            app: format!("{} {}", self.platform.as_str(), self.app_key),
            place: self.handle.clone(),
            operation,
        }
    }

    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn operation_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Exchange => "token exchange",
        Kind::Refresh => "token refresh",
        Kind::Api => "call",
    }
}
