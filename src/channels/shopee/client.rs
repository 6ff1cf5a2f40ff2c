//! Calls: signing them, sending them, reading what comes back.

use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::{
    NAME, TITLE, sign,
    wire::{Reading, Success},
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

/// The vendor publishes no limits; this many calls a second are taken by integrations without complaints.
const RATE: Rate = Rate::per_second(4, 4).up_to(10);

/// Our app on Shopee, and where it is reached.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) clock: Clock,
    pub(super) partner_id: u64,
    /// `None` where the key cannot be read here (`check` as an ordinary user): then every call is refused by us.
    pub(super) partner_key: Option<Secret>,
    pub(super) api_url: Url,
    pub(super) token_url: Url,
}

impl Client {
    /// The partner key, or why nothing can be called.
    pub(super) fn key(&self) -> Result<&Secret, ChannelError> {
        secret_of(self.partner_key.as_ref(), TITLE, NAME)
    }

    /// Reads something on behalf of a shop.
    pub(super) async fn get_of_shop(
        &self,
        operation: &'static str,
        path: &'static str,
        shop_id: u64,
        token: &Secret,
    ) -> Result<Success, ChannelError> {
        let key = self.key()?;
        let now = self.now();
        let mut query = self.common(key, path, Some((token.expose(), shop_id)));
        query.push(("access_token", token.expose().to_owned()));
        query.push(("shop_id", shop_id.to_string()));
        let call = Call {
            method: Method::GET,
            url: address(&self.api_url, path, &query),
            headers: Vec::new(),
            body: None,
            budget: self.budget(operation, shop_id.to_string()),
            rate: RATE,
        };
        let secrets = [key.expose(), token.expose()];
        self.send(call, &Reading { operation, now, secrets: &secrets, of_tokens: false }).await
    }

    /// Trades a code or refresh token. The body holds secrets, the answer tokens. Token exchanges have a budget of their own
    /// for each `subject`, so that nothing starves them.
    pub(super) async fn trade(
        &self,
        operation: &'static str,
        path: &'static str,
        subject: u64,
        body: &Value,
        spent: &Secret,
    ) -> Result<Success, ChannelError> {
        let key = self.key()?;
        let call = Call {
            method: Method::POST,
            url: address(&self.token_url, path, &self.common(key, path, None)),
            headers: vec![("content-type", "application/json".to_owned())],
            body: Some(body.to_string().into()),
            budget: self.budget(operation, subject.to_string()),
            rate: RATE,
        };
        let secrets = [key.expose(), spent.expose()];
        self.send(call, &Reading { operation, now: self.now(), secrets: &secrets, of_tokens: true }).await
    }

    /// The parameters of every call and of signed links.
    pub(super) fn common(
        &self,
        key: &Secret,
        path: &str,
        subject: Option<sign::Subject<'_>>,
    ) -> Vec<(&'static str, String)> {
        let timestamp = self.now().as_second();
        vec![
            ("partner_id", self.partner_id.to_string()),
            ("timestamp", timestamp.to_string()),
            ("sign", sign::of_call(key, self.partner_id, path, timestamp, subject)),
        ]
    }

    async fn send(&self, call: Call, reading: &Reading<'_>) -> Result<Success, ChannelError> {
        let budget = call.budget.clone();
        let answer = self.http.send(call).await.map_err(|error| unanswered(TITLE, reading.operation, error))?;
        let mut result = reading.read(&answer);
        if let Err(error) = &mut result
            && let Failure::Throttled { until } = &mut error.failure
            && answer.status != 429
        {
            // Throttled by a word in the body: only we can read it, so we tell the budget.
            let told = answer.retry_at.or(Some(*until).filter(|until| *until > reading.now));
            *until = self.http.refused(&budget, told);
        }
        result
    }

    fn budget(&self, operation: &'static str, place: String) -> BudgetKey {
        BudgetKey { channel: NAME, app: self.partner_id.to_string(), place, operation }
    }

    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
