//! Calls to the two hosts: nothing is signed, the access token is all.

use jiff::Timestamp;
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use super::wire::{Asked, Reading, Success};
use crate::{
    channels::{
        ChannelError,
        calls::{address, secret_of, unanswered},
    },
    clock::Clock,
    http::{BudgetKey, Call, Http, Method, Rate},
    secrets::Secret,
};

/// Who calls, as the vendor wants it told.
const USER_AGENT: &str = concat!("shopsyncd/", env!("CARGO_PKG_VERSION"), " (Language=Rust)");

/// Our app, and where it is reached.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) clock: Clock,
    pub(super) client_id: String,
    /// `None` where the secret cannot be read here (`check` as an ordinary user): then no tokens are asked for.
    pub(super) client_secret: Option<Secret>,
    pub(super) api_url: Url,
    pub(super) token_url: Url,
}

/// A kind of call: its name in budgets and errors, and the rate it starts with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) rate: Rate,
}

impl Client {
    /// The app's secret, or why no tokens can be asked for.
    pub(super) fn secret(&self) -> Result<&Secret, ChannelError> {
        secret_of(self.client_secret.as_ref(), "Amazon", super::NAME)
    }

    /// Reads from the API. `seller`: whose budget pays.
    pub(super) async fn api(
        &self,
        operation: Operation,
        path: &str,
        seller: &str,
        token: &Secret,
    ) -> Result<Success, ChannelError> {
        let now = self.clock.now();
        let call = Call {
            method: Method::GET,
            url: address(&self.api_url, path, &[]),
            headers: vec![
                ("x-amz-access-token", token.expose().to_owned()),
                ("x-amz-date", now.strftime("%Y%m%dT%H%M%SZ").to_string()),
                ("user-agent", USER_AGENT.to_owned()),
                ("accept", "application/json".to_owned()),
            ],
            body: None,
            budget: self.budget(seller, operation),
            rate: operation.rate,
        };
        let answer = self.http.send(call).await.map_err(|error| unanswered("Amazon", operation.name, error))?;
        Reading { operation: operation.name, now, secrets: &[token.expose()] }.api(&answer)
    }

    /// Asks the token host with this form; `secrets` are those in it.
    pub(super) async fn token(
        &self,
        operation: Operation,
        asked: Asked,
        form: &[(&str, &str)],
        secrets: &[&str],
    ) -> Result<Map<String, Value>, ChannelError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let call = Call {
            method: Method::POST,
            url: address(&self.token_url, "/auth/o2/token", &[]),
            headers: vec![
                ("content-type", "application/x-www-form-urlencoded;charset=UTF-8".to_owned()),
                ("user-agent", USER_AGENT.to_owned()),
                ("accept", "application/json".to_owned()),
            ],
            body: Some(body.into()),
            budget: self.budget("", operation),
            rate: operation.rate,
        };
        let answer = self.http.send(call).await.map_err(|error| unanswered("Amazon", operation.name, error))?;
        Reading { operation: operation.name, now: self.clock.now(), secrets }.token(&answer, asked)
    }

    fn budget(&self, seller: &str, operation: Operation) -> BudgetKey {
        BudgetKey {
            channel: super::NAME,
            app: self.client_id.clone(),
            // A seller's id is the same in all regions, its budgets are not.
            place: if seller.is_empty() { String::new() } else { format!("{seller} {}", self.api_url.authority()) },
            operation: operation.name,
        }
    }

    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
