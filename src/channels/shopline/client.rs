//! Calls: sending them, and reading what comes back.

use jiff::Timestamp;
use url::Url;

use super::{
    NAME, Platform, TITLE, secrets,
    wire::{Kind, Reading, Success},
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
    /// Under which key of the settings the secret stands.
    pub(super) secret_key: &'static str,
    pub(super) api_url: Url,
    pub(super) token_url: Url,
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
        secret_of(self.app_secret.as_ref(), TITLE, NAME).map_err(|error| ChannelError {
            remedy: format!("set channels.{NAME}.{}", self.secret_key),
            text: error.text.replace("client_secret", self.secret_key),
            ..error
        })
    }

    /// Reads something with an access token.
    pub(super) async fn get(
        &self,
        operation: &'static str,
        path: &str,
        token: &Secret,
    ) -> Result<Success, ChannelError> {
        let mut headers = vec![("authorization", format!("Bearer {}", token.expose()))];
        headers.extend(self.caller());
        // Where the learning starts: Global takes 4 calls a second and 40 at once, Asia 20 a second.
        let rate = match self.platform {
            Platform::Global => Rate::per_second(4, 10),
            Platform::Asia => Rate::per_second(10, 5),
        };
        let call = Call {
            method: Method::GET,
            url: address(&self.api_url, path, &[]),
            headers,
            body: None,
            budget: self.budget(operation),
            rate,
        };
        self.send(call, &self.reading(Kind::Api, operation, &secrets(&[Some(token)]))).await
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
        self.send(request, &self.reading(call.kind, operation, &secrets)).await
    }

    async fn send(&self, call: Call, reading: &Reading<'_>) -> Result<Success, ChannelError> {
        let budget = call.budget.clone();
        let answer = self.http.send(call).await.map_err(|error| unanswered(TITLE, reading.operation, error))?;
        let mut result = reading.read(&answer);
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
