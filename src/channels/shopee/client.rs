//! Calls: signing them, sending them, reading what comes back.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::{
    NAME, TITLE, sign,
    wire::{Reading, Success, Trouble},
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

/// The budget of all product calls of a shop.
const PRODUCTS: &str = "products";
/// Others speak of 10 calls a second for each shop; nobody vouches for it.
const PRODUCT_RATE: Rate = Rate::per_second(4, 4).up_to(10);

/// A call about products, as the vendor's page has it.
pub(super) struct Ask {
    /// In a word: it begins every error's text.
    pub(super) operation: &'static str,
    pub(super) path: &'static str,
    /// Beside the common ones.
    pub(super) query: Vec<(&'static str, String)>,
    /// `None`: it reads.
    pub(super) body: Option<Body>,
}

/// What a call sends.
pub(super) enum Body {
    Json(Value),
    /// The bytes of a JPEG or PNG, sent as a form with one file.
    Image(Bytes),
}

/// A form with one file: its content type, and the body.
fn form(image: &[u8]) -> (String, Bytes) {
    const BOUNDARY: &str = "----shopsyncd-image-7f3c9a51e0d84b26";
    let png = image.starts_with(b"\x89PNG");
    let (name, kind) = if png { ("image.png", "image/png") } else { ("image.jpg", "image/jpeg") };
    let head = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"image\"; filename=\"{name}\"\r\ncontent-type: {kind}\r\n\r\n"
    );
    let tail = format!("\r\n--{BOUNDARY}--\r\n");
    let body = [head.as_bytes(), image, tail.as_bytes()].concat();
    (format!("multipart/form-data; boundary={BOUNDARY}"), body.into())
}

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
        let reading = Reading { operation, now, secrets: &secrets, of_tokens: false, of_products: false };
        Ok(self.send(call, &reading).await?)
    }

    /// Reads or writes products of a shop. All these calls share one budget: what little is said of limits counts them by shop.
    pub(super) async fn of_products(&self, ask: Ask, shop_id: u64, token: &Secret) -> Result<Success, Trouble> {
        let key = self.key().map_err(Trouble::plain)?;
        let now = self.now();
        // Images belong to the app, not to a shop: their call is signed without one.
        let subject = (!matches!(ask.body, Some(Body::Image(_)))).then_some((token.expose(), shop_id));
        let mut query = self.common(key, ask.path, subject);
        if subject.is_some() {
            query.push(("access_token", token.expose().to_owned()));
            query.push(("shop_id", shop_id.to_string()));
        }
        query.extend(ask.query);
        let (method, body) = match ask.body {
            None => (Method::GET, None),
            Some(Body::Json(value)) => (Method::POST, Some(("application/json".to_owned(), value.to_string().into()))),
            Some(Body::Image(bytes)) => (Method::POST, Some(form(&bytes))),
        };
        let (headers, body) = match body {
            None => (Vec::new(), None),
            Some((kind, bytes)) => (vec![("content-type", kind)], Some(bytes)),
        };
        let call = Call {
            method,
            url: address(&self.api_url, ask.path, &query),
            headers,
            body,
            budget: self.budget(PRODUCTS, shop_id.to_string()),
            rate: PRODUCT_RATE,
        };
        let secrets = [key.expose(), token.expose()];
        let reading = Reading { operation: ask.operation, now, secrets: &secrets, of_tokens: false, of_products: true };
        self.send(call, &reading).await
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
        let reading = Reading { operation, now: self.now(), secrets: &secrets, of_tokens: true, of_products: false };
        Ok(self.send(call, &reading).await?)
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

    async fn send(&self, call: Call, reading: &Reading<'_>) -> Result<Success, Trouble> {
        let budget = call.budget.clone();
        let unanswered = |error| Trouble::plain(unanswered(TITLE, reading.operation, error));
        let answer = self.http.send(call).await.map_err(unanswered)?;
        let mut result = reading.read(&answer);
        if let Err(trouble) = &mut result
            && let Failure::Throttled { until } = &mut trouble.error.failure
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
