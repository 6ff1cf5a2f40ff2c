//! Calls: signing them, sending them, reading the envelope of what comes back.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::{
    sign,
    wire::{Reading, Success, Trouble},
};
use crate::{
    channels::{
        Access, ChannelError,
        calls::{address, secret_of, unanswered},
    },
    clock::Clock,
    domain::Failure,
    http::{BudgetKey, Call, Http, Method, Rate},
    secrets::Secret,
};

/// Our app on TikTok Shop, and where it is reached.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) clock: Clock,
    pub(super) app_key: String,
    /// `None` where the secret cannot be read here (`check` as an ordinary user): then every call is refused by us.
    pub(super) app_secret: Option<Secret>,
    pub(super) api_url: Url,
    pub(super) token_url: Url,
}

/// A kind of call: its name in budgets and errors, and the rate it starts with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) rate: Rate,
}

impl Operation {
    /// A call that reads. The vendor's baselines are 3 to 10 a second ("Rate limits", 2026), without a word on how a second is
    /// counted: with two at once and eight a second no second has more than ten.
    pub(super) const fn read(name: &'static str) -> Self {
        Self { name, rate: Rate::per_second(4, 2).up_to(8) }
    }

    /// A call that writes. The vendor's baselines are 1 to 3 a second; at this rate no second has more than three.
    pub(super) const fn write(name: &'static str) -> Self {
        Self { name, rate: Rate::per_second(2, 1) }
    }
}

/// A call to the API.
pub(super) struct ApiCall<'a> {
    pub(super) operation: Operation,
    pub(super) method: Method,
    /// The vendor's path, without any prefix of ours: it is what is signed.
    pub(super) path: &'a str,
    /// Beside the common ones.
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Body>,
    /// The shop; `None` for calls about the authorization itself.
    pub(super) shop: Option<ShopRef<'a>>,
    pub(super) token: &'a Secret,
}

/// What a call carries.
pub(super) enum Body {
    /// JSON, which is signed.
    Json(Value),
    /// A form in parts, which is not.
    Form {
        /// What parts it: stands in no part.
        boundary: String,
        /// All of it.
        bytes: Bytes,
    },
}

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

/// A shop as calls name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShopRef<'a> {
    pub(super) id: &'a str,
    pub(super) cipher: &'a str,
}

impl<'a> ShopRef<'a> {
    /// Reads what `identify` noted about the shop.
    pub(super) fn of(access: &'a Access) -> Result<Self, ChannelError> {
        let text = |name| access.place.get(name).and_then(Value::as_str);
        match (text("id"), text("cipher")) {
            (Some(id), Some(cipher)) => Ok(Self { id, cipher }),
            _ => Err(ChannelError {
                remedy: "run `shopsyncd jobs run SHOP authorization_refresh`".to_owned(),
                ..ChannelError::bug(
                    "TikTok Shop: the shop's cipher is not known: its authorization has not been looked at yet",
                )
            }),
        }
    }
}

impl Client {
    /// The app's secret, or why nothing can be called.
    pub(super) fn secret(&self) -> Result<&Secret, ChannelError> {
        secret_of(self.app_secret.as_ref(), "TikTok Shop", super::NAME)
    }

    /// Makes a signed call.
    pub(super) async fn api(&self, call: ApiCall<'_>) -> Result<Success, Trouble> {
        let secret = self.secret().map_err(plain)?;
        let now = self.clock.now();
        let mut query = call.query;
        query.push(("app_key", self.app_key.clone()));
        query.push(("timestamp", now.as_second().to_string()));
        if let Some(shop) = call.shop {
            query.push(("shop_cipher", shop.cipher.to_owned()));
        }
        let (content_type, body, signed) = match call.body {
            None => ("application/json".to_owned(), None, false),
            Some(Body::Json(value)) => ("application/json".to_owned(), Some(Bytes::from(value.to_string())), true),
            Some(Body::Form { boundary, bytes }) => {
                (format!("multipart/form-data; boundary={boundary}"), Some(bytes), false)
            }
        };
        let borrowed: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let sign = sign::of_call(secret, call.path, &borrowed, body.as_deref().filter(|_| signed));
        query.push(("sign", sign));
        let request = Call {
            method: call.method,
            url: address(&self.api_url, call.path, &query),
            headers: vec![("x-tts-access-token", call.token.expose().to_owned()), ("content-type", content_type)],
            body,
            budget: self.budget(call.shop.map_or("", |shop| shop.id), call.operation),
            rate: call.operation.rate,
        };
        let secrets = [secret.expose(), call.token.expose()];
        let reading = Reading { operation: call.operation.name, now, secrets: &secrets, confidential: false };
        self.send(request, &reading).await
    }

    /// Makes an unsigned call to the token host. The address holds secrets, the answer tokens.
    pub(super) async fn token(
        &self,
        operation: Operation,
        path: &str,
        query: &[(&'static str, String)],
        secrets: &[&str],
    ) -> Result<Success, Trouble> {
        let request = Call {
            method: Method::GET,
            url: address(&self.token_url, path, query),
            headers: Vec::new(),
            body: None,
            budget: self.budget("", operation),
            rate: operation.rate,
        };
        let reading = Reading { operation: operation.name, now: self.clock.now(), secrets, confidential: true };
        self.send(request, &reading).await
    }

    async fn send(&self, call: Call, reading: &Reading<'_>) -> Result<Success, Trouble> {
        let budget = call.budget.clone();
        let answer =
            self.http.send(call).await.map_err(|error| plain(unanswered("TikTok Shop", reading.operation, error)))?;
        let mut result = reading.read(&answer);
        if let Err(trouble) = &mut result
            && let Failure::Throttled { until } = &mut trouble.error.failure
            && answer.status != 429
        {
            // Throttled by a code: only we can read it, so we tell the budget.
            *until = self.http.refused(&budget, answer.retry_at);
        }
        result
    }

    fn budget(&self, place: &str, operation: Operation) -> BudgetKey {
        BudgetKey {
            channel: super::NAME,
            app: self.app_key.clone(),
            place: place.to_owned(),
            operation: operation.name,
        }
    }

    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn plain(error: ChannelError) -> Trouble {
    Trouble { code: None, error: Box::new(error) }
}
