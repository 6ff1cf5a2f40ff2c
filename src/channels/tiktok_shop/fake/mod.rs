//! A pretend TikTok Shop on loopback: consent pages, token host and API, with state, on a clock that is handed in.
//!
//! It behaves as the vendor's pages say, down to the error bodies, and counts what a well-behaved app never does. Where the
//! pages are silent it picks one behaviour and has a switch in [`Rules`] for the other. Rate limits go by the real clock,
//! since they are about how fast packets follow each other. It trusts whoever can reach it and listens on loopback only.

mod api;
mod catalogue;
mod control;
mod products;
mod rig;
mod state;
mod tokens;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{http::StatusCode, response::Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use url::Url;

pub use self::rig::rig;
pub use self::state::{Audit, Issued, Rules, Seed, Stats};
use self::state::{Seller, Shop, World, currency_of};
use super::sign;
pub use crate::channels::fake::{Held, Mishap};
use crate::{
    channels::{
        RawWebhook,
        fake::{Query, Server, answer, get, read_query, wait},
    },
    clock::Clock,
    secrets::Secret,
};

/// The app that the pretend marketplace knows: its key.
pub const APP_KEY: &str = "68abc1def2gh3";
/// Its secret.
pub const APP_SECRET: &str = "fake-app-secret-0001";
/// Its service id.
pub const SERVICE_ID: &str = "7312345678901234567";

/// The pretend marketplace. It stops when dropped.
pub struct FakeTikTok {
    shared: Arc<Shared>,
    server: Server,
}

struct Shared {
    clock: Clock,
    world: Mutex<World>,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeTikTok {
    /// Starts it on a free port of loopback. Call it within a runtime.
    pub fn new(clock: Clock) -> std::io::Result<Self> {
        Self::listening_on(clock, 0)
    }

    /// Starts it on this port of loopback; 0: a free one.
    pub fn listening_on(clock: Clock, port: u16) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { clock, world: Mutex::default() });
        let router = axum::Router::new()
            .merge(tokens::routes())
            .merge(control::routes())
            .fallback(api::answer)
            .with_state(shared.clone());
        Ok(Self { shared, server: Server::start(port, router)? })
    }

    /// Where it listens: the value of `api_url`, `token_url` and `consent_url`.
    pub fn url(&self) -> Url {
        self.server.url()
    }

    /// The address of an image that it serves, as the source's own host would.
    pub fn image_url(&self) -> Url {
        self.url().join("_fake/image.png").expect("a constant")
    }

    /// `[channels.tiktok_shop]` for it, without the secret, which is [`APP_SECRET`].
    pub fn app_settings(&self) -> Map<String, Value> {
        let url = self.url();
        let settings = json!({
            "client_id": self.shared.world().rules.app_key, "service_id": SERVICE_ID,
            "api_url": url, "token_url": url, "consent_url": url,
        });
        settings.as_object().cloned().expect("an object, as written above")
    }

    /// Changes how it behaves.
    pub fn rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.shared.world().rules);
    }

    /// Where consent leads back to: in Partner Center a field of the app.
    pub fn set_redirect_url(&self, url: Url) {
        self.shared.world().redirect_url = Some(url);
    }

    /// Adds a seller.
    pub fn add_seller(&self, open_id: &str, name: &str, region: &str) {
        let seller = Seller { name: name.to_owned(), region: region.to_owned() };
        self.shared.world().sellers.insert(open_id.to_owned(), seller);
    }

    /// Adds a shop of a seller with one warehouse, `WAREHOUSE-1` of it being the shop id followed by 1.
    pub fn add_shop(&self, open_id: &str, shop_id: &str, name: &str, region: &str) {
        self.add_shop_with(open_id, shop_id, name, region, &[&format!("{shop_id}1")]);
    }

    /// Adds a shop of a seller with these warehouses.
    pub fn add_shop_with(&self, open_id: &str, shop_id: &str, name: &str, region: &str, warehouses: &[&str]) {
        let shop = Shop {
            open_id: open_id.to_owned(),
            name: name.to_owned(),
            region: region.to_owned(),
            currency: currency_of(region).parse().expect("the table holds currencies"),
            cipher: format!("ROW_cipher+{shop_id}=="),
            warehouses: warehouses.iter().map(|&id| id.to_owned()).collect(),
            closed: false,
            products: std::collections::BTreeMap::new(),
        };
        self.shared.world().shops.insert(shop_id.to_owned(), shop);
    }

    /// Adds SKUs to a shop, or changes known ones, at the clock's time.
    pub fn seed_products(&self, shop_id: &str, seeds: &[Seed]) -> Result<(), String> {
        self.shared.world().seed(shop_id, seeds, self.shared.clock.now())
    }

    /// Lets everything in the shops be older than it is, as if it had been changed that long ago.
    pub fn age(&self, by: SignedDuration) {
        let mut world = self.shared.world();
        for product in world.shops.values_mut().flat_map(|shop| shop.products.values_mut()) {
            product.created_at -= by;
            product.updated_at -= by;
        }
    }

    /// Adds or changes one SKU.
    pub fn set_product(&self, shop_id: &str, seed: Seed) -> Result<(), String> {
        self.seed_products(shop_id, &[seed])
    }

    /// Deletes the product of a SKU; answers whether there was one.
    pub fn delete_product(&self, shop_id: &str, sku: &str) -> bool {
        let now = self.shared.clock.now();
        self.with_product(shop_id, sku, |product| {
            "DELETED".clone_into(&mut product.status);
            product.updated_at = now;
        })
    }

    /// Puts the product of a SKU into a promotion: its price and stock cannot be changed.
    pub fn promote(&self, shop_id: &str, sku: &str) -> bool {
        self.with_product(shop_id, sku, |product| product.promoted = true)
    }

    fn with_product(&self, shop_id: &str, sku: &str, change: impl FnOnce(&mut state::Product)) -> bool {
        let mut world = self.shared.world();
        let found = world.shops.get_mut(shop_id).and_then(|shop| shop.find(sku));
        found.map(|(product, _)| change(product)).is_some()
    }

    /// Closes a shop, or opens it again.
    pub fn set_closed(&self, shop_id: &str, closed: bool) {
        if let Some(shop) = self.shared.world().shops.get_mut(shop_id) {
            shop.closed = closed;
        }
    }

    /// Gives the product of a SKU an attribute, as its seller does in Seller Center; answers whether there is such a SKU.
    pub fn set_attribute(&self, shop_id: &str, sku: &str, id: &str, value: &str) -> bool {
        self.shared.world().shops.get_mut(shop_id).is_some_and(|shop| shop.set_attribute(sku, id, value))
    }

    /// Everything in a shop, one entry a SKU: `sku, product_id, title, status, category, images, attributes, price, currency, stock,
    /// inventory`.
    pub fn listings(&self, shop_id: &str) -> Vec<Value> {
        self.shared.world().shops.get(shop_id).map(Shop::listings).unwrap_or_default()
    }

    /// Ends a seller's permission, as the seller would.
    pub fn revoke(&self, open_id: &str) {
        self.shared.world().revoke(open_id);
    }

    /// A seller's permission ends then, whatever was agreed.
    pub fn end_at(&self, open_id: &str, at: Timestamp) {
        self.shared.world().end_at(open_id, at);
    }

    /// Makes every access token of a seller too old.
    pub fn expire_access_tokens(&self, open_id: &str) {
        let now = self.shared.clock.now();
        let mut world = self.shared.world();
        world.access.values_mut().filter(|token| token.open_id == open_id).for_each(|token| token.ends_at = now);
    }

    /// Tokens of an authorization that was given this long ago and ends in this time: for handing in.
    pub fn grant_tokens(&self, open_id: &str, consent_age: SignedDuration, ends_in: SignedDuration) -> Issued {
        let now = self.shared.clock.now();
        self.shared.world().issue(open_id, now - consent_age, now + ends_in, now)
    }

    /// What a seller's browser ends on after agreeing (or, with `None`, declining) at the end of a consent link: the callback's
    /// address with its query. Fails in the vendor's words.
    pub fn consent(&self, link: &Url, open_id: Option<&str>) -> Result<Url, String> {
        let query: Vec<_> = link.query_pairs().into_owned().collect();
        tokens::decide(&self.shared, &query, open_id)
    }

    /// From now on every answer of the API (not of the token host) has this mishap; `None` mends it.
    pub fn break_down(&self, mishap: Option<Mishap>) {
        self.shared.world().broken = mishap;
    }

    /// The next answer of the API has this mishap.
    pub fn fail_next(&self, mishap: Mishap) {
        self.shared.world().next_of_api.push_back(mishap);
    }

    /// The next answer of the token host has this mishap.
    pub fn fail_next_token_call(&self, mishap: Mishap) {
        self.shared.world().next_of_tokens.push_back(mishap);
    }

    /// The next answer of the token host is held back.
    pub fn hold_next_token_answer(&self) -> Held {
        self.shared.world().held_of_tokens.insert(Held::default()).clone()
    }

    /// A webhook as it would be sent to the app: `kind` as the vendor numbers them.
    pub fn webhook(&self, kind: i64, shop_id: &str, data: Value) -> RawWebhook {
        let now = self.shared.clock.now();
        let body = json!({
            "type": kind, "tts_notification_id": crate::secrets::random_text(19), "shop_id": shop_id,
            "timestamp": now.as_second(), "data": data,
        });
        let body = body.to_string();
        let signature = sign::of_webhook(&Secret::new(APP_SECRET), &self.shared.world().rules.app_key, body.as_bytes());
        RawWebhook {
            url: "https://shops.example.com/webhooks/tiktok_shop".parse().expect("a constant"),
            headers: vec![("authorization".to_owned(), signature)],
            body: body.into(),
        }
    }

    /// Every token and code that it ever gave, and the app's secret.
    pub fn secrets(&self) -> Vec<String> {
        let world = self.shared.world();
        let all = world.access.keys().chain(world.refresh.keys()).chain(world.codes.keys()).cloned();
        all.chain([APP_SECRET.to_owned()]).collect()
    }

    /// What it has seen.
    pub fn stats(&self) -> Stats {
        self.shared.world().stats.clone()
    }
}

/// What the vendor says: a status, a code and words, or data.
struct Said {
    status: StatusCode,
    code: i64,
    message: String,
    data: Value,
}

impl Said {
    fn data(data: Value) -> Self {
        Self { status: StatusCode::OK, code: 0, message: "Success".to_owned(), data }
    }

    fn error(status: u16, code: i64, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).expect("the fake writes only statuses that exist");
        Self { status, code, message: message.into(), data: json!({}) }
    }

    fn respond(self, mishap: Option<Mishap>) -> Response {
        let body = json!({
            "code": self.code, "message": self.message,
            "request_id": format!("2026{}", crate::secrets::random_text(9)), "data": self.data,
        });
        answer(self.status, body, mishap)
    }
}

/// The answer of a mishap that comes before anything is done.
fn instead(mishap: Option<Mishap>) -> Option<Response> {
    match mishap? {
        Mishap::Throttled { retry_after } => {
            Some(wait(Said::error(429, 36_009_037, "too many requests").respond(None), retry_after))
        }
        Mishap::ThrottledByCode => Some(Said::error(200, 36_009_002, "request is rate limited").respond(None)),
        other => other.page(),
    }
}
