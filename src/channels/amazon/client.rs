//! Calls to the two hosts and to the store of documents: nothing is signed, the access token is all.

use std::fmt::Write as _;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use super::wire::{Asked, Reading, Success, Trouble};
use crate::{
    channels::{
        ChannelError,
        calls::{address, secret_of, unanswered},
    },
    clock::Clock,
    http::{Answer, BudgetKey, Call, Http, Method, Rate},
    secrets::Secret,
};

/// Who calls, as the vendor wants it told.
const USER_AGENT: &str = concat!("shopsyncd/", env!("CARGO_PKG_VERSION"), " (Language=Rust)");

/// The store of documents publishes no rate; its addresses are handed out at a rate of their own.
const STORE: Rate = Rate::per_second(4, 4);

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

/// A kind of call: its name in budgets and errors, and its rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) rate: Rate,
    /// Whether the rate is all that the vendor allows, so that what answers tell of it counts: not where two operations of ours share it.
    pub(super) whole: bool,
}

impl Operation {
    pub(super) const fn new(name: &'static str, rate: Rate) -> Self {
        Self { name, rate, whole: true }
    }

    /// One that has only a part of the vendor's rate.
    pub(super) const fn part(name: &'static str, rate: Rate) -> Self {
        Self { name, rate, whole: false }
    }
}

/// A call to the API.
pub(super) struct ApiCall<'a> {
    pub(super) operation: Operation,
    pub(super) method: Method,
    /// With its parts encoded.
    pub(super) path: String,
    /// Not encoded yet.
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    /// Whose budget pays.
    pub(super) seller: &'a str,
    pub(super) token: &'a Secret,
}

impl<'a> ApiCall<'a> {
    /// One that reads.
    pub(super) fn get(operation: Operation, path: impl Into<String>, seller: &'a str, token: &'a Secret) -> Self {
        Self { operation, method: Method::GET, path: path.into(), query: Vec::new(), body: None, seller, token }
    }
}

impl Client {
    /// The app's secret, or why no tokens can be asked for.
    pub(super) fn secret(&self) -> Result<&Secret, ChannelError> {
        secret_of(self.client_secret.as_ref(), "Amazon", super::NAME)
    }

    /// Makes a call to the API.
    pub(super) async fn api(&self, call: ApiCall<'_>) -> Result<Success, Trouble> {
        let now = self.clock.now();
        let mut headers = vec![
            ("x-amz-access-token", call.token.expose().to_owned()),
            ("x-amz-date", now.strftime("%Y%m%dT%H%M%SZ").to_string()),
            ("user-agent", USER_AGENT.to_owned()),
            ("accept", "application/json".to_owned()),
        ];
        if call.body.is_some() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        let budget = self.budget(call.seller, call.operation.name);
        let request = Call {
            method: call.method,
            url: self.target(&call.path, &call.query),
            headers,
            body: call.body.map(|body| body.to_string().into()),
            budget: budget.clone(),
            rate: call.operation.rate,
        };
        let name = call.operation.name;
        let answer = self.http.send(request).await.map_err(|error| Trouble::ours(unanswered("Amazon", name, error)))?;
        if let Some(rate) = answer.header("x-amzn-ratelimit-limit").filter(|_| call.operation.whole)
            && let Ok(rate) = rate.parse()
        {
            self.http.told(&budget, rate);
        }
        let reading = Reading { operation: name, now, secrets: &[call.token.expose()] };
        reading.api(&answer).map_err(|error| Trouble {
            status: answer.status,
            code: reading.code(&answer),
            error: Box::new(error),
        })
    }

    /// Brings a document from the address that the API gave. The address is the key: no token goes along.
    pub(super) async fn fetch(&self, operation: &'static str, url: &str) -> Result<Answer, ChannelError> {
        self.store(operation, Method::GET, url, Vec::new(), None).await
    }

    /// Brings a document to the address that the API gave.
    pub(super) async fn upload(
        &self,
        operation: &'static str,
        url: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<(), ChannelError> {
        let headers = vec![("content-type", content_type.to_owned())];
        self.store(operation, Method::PUT, url, headers, Some(body)).await.map(drop)
    }

    async fn store(
        &self,
        operation: &'static str,
        method: Method,
        url: &str,
        headers: Vec<(&'static str, String)>,
        body: Option<Bytes>,
    ) -> Result<Answer, ChannelError> {
        let reading = Reading { operation, now: self.clock.now(), secrets: &[] };
        let url = url.parse().map_err(|_| reading.unexpected("the document's address is none", None))?;
        let call = Call { method, url, headers, body, budget: self.budget("", operation), rate: STORE };
        let answer = self.http.transfer(call).await.map_err(|error| unanswered("Amazon", operation, error))?;
        reading.document(answer)
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
            budget: self.budget("", operation.name),
            rate: operation.rate,
        };
        let answer = self.http.send(call).await.map_err(|error| unanswered("Amazon", operation.name, error))?;
        Reading { operation: operation.name, now: self.clock.now(), secrets }.token(&answer, asked)
    }

    /// The address of a call. A space becomes `%20`, never the plus sign of forms: SKUs have both.
    fn target(&self, path: &str, query: &[(&'static str, String)]) -> Url {
        let mut url = address(&self.api_url, path, &[]);
        let pairs: Vec<_> = query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        if !pairs.is_empty() {
            url.set_query(Some(&pairs.join("&")));
        }
        url
    }

    fn budget(&self, seller: &str, operation: &'static str) -> BudgetKey {
        BudgetKey {
            channel: super::NAME,
            app: self.client_id.clone(),
            // A seller's id is the same in all regions, its budgets are not.
            place: if seller.is_empty() { String::new() } else { format!("{seller} {}", self.api_url.authority()) },
            operation,
        }
    }

    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// A part of a path, or a value of a query, as it travels: only letters, digits and `-_.~` go as they are.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skus_travel_whole_whatever_is_in_them() {
        for (sku, expected) in [
            ("AB-1_2.3~", "AB-1_2.3~"),
            ("a/b c+d", "a%2Fb%20c%2Bd"),
            ("Größe?#%", "Gr%C3%B6%C3%9Fe%3F%23%25"),
            ("👕", "%F0%9F%91%95"),
            ("a,b&c=d", "a%2Cb%26c%3Dd"),
        ] {
            assert_eq!(encoded(sku), expected);
        }
    }
}
