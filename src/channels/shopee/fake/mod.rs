//! A pretend Shopee on loopback: consent pages in both forms, token calls and shop calls, with state, on a clock that is
//! handed in.
//!
//! It behaves as the vendor's pages say, down to the error bodies, and counts what a well-behaved app never does. Where the
//! pages are silent it picks one behaviour and has a switch in [`Rules`] for the other. Rate limits go by the real clock,
//! since they are about how fast packets follow each other. It trusts whoever can reach it and listens on loopback only.

mod api;
mod catalogue;
mod consent;
mod control;
mod creating;
mod products;
mod rig;
mod state;
mod tokens;
mod updating;
mod writes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{http::StatusCode, response::Response};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use url::Url;

pub use self::catalogue::Seed;
pub use self::rig::rig;
pub use self::state::{Bounds, Issued, ListOrder, Rules, Stats};
use self::state::{Shop, World};
pub use crate::channels::fake::Mishap;
use crate::{
    channels::{
        RawWebhook,
        fake::{Query, Server, answer, get, read_query, wait},
        shopee::sign,
    },
    clock::Clock,
    secrets::Secret,
};

/// The app that the pretend marketplace knows: its partner id.
pub const PARTNER_ID: u64 = 2_001_887;
/// Its partner key.
pub const PARTNER_KEY: &str = "fake-partner-key-0001";

/// The smallest of images: the source's, for new items.
const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

/// The pretend marketplace. It stops when dropped.
pub struct FakeShopee {
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

impl FakeShopee {
    /// Starts it on a free port of loopback. Call it within a runtime.
    pub fn new(clock: Clock) -> std::io::Result<Self> {
        Self::listening_on(clock, 0)
    }

    /// Starts it on this port of loopback; 0: a free one.
    pub fn listening_on(clock: Clock, port: u16) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { clock, world: Mutex::default() });
        let router = axum::Router::new()
            .merge(consent::routes())
            .merge(tokens::routes())
            .merge(control::routes())
            .route("/_fake/image.png", axum::routing::get(|| async { PIXEL }))
            .fallback(api::answer)
            .with_state(shared.clone());
        Ok(Self { shared, server: Server::start(port, router)? })
    }

    /// Where it listens: the value of `api_url`, `token_url` and `consent_url`.
    pub fn url(&self) -> Url {
        self.server.url()
    }

    /// An image of the source's that it serves as well, for new items.
    pub fn image(&self) -> Url {
        self.url().join("_fake/image.png").expect("a constant path")
    }

    /// `[channels.shopee]` for it, without the secret, which is [`PARTNER_KEY`].
    pub fn app_settings(&self) -> Map<String, Value> {
        let url = self.url();
        let settings =
            json!({"client_id": PARTNER_ID.to_string(), "api_url": url, "token_url": url, "consent_url": url});
        settings.as_object().cloned().expect("an object, as written above")
    }

    /// Changes how it behaves.
    pub fn rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.shared.world().rules);
    }

    /// Declares the domain of this address as one to which consent may lead back: in the console a field of the app.
    pub fn set_redirect_url(&self, url: Url) {
        self.shared.world().redirect_domain = url.host_str().map(str::to_owned);
    }

    /// Adds a shop with an account of its own.
    pub fn add_shop(&self, shop_id: u64, name: &str, region: &str) {
        let shop = Shop::new(name, region);
        self.shared.world().shops.insert(shop_id, shop);
    }

    /// Adds a shop of a main account, which consents for all of its shops.
    pub fn add_shop_of(&self, main_account: u64, shop_id: u64, name: &str, region: &str) {
        let shop = Shop { main_account: Some(main_account), ..Shop::new(name, region) };
        self.shared.world().shops.insert(shop_id, shop);
    }

    /// Adds a shop whose seller keeps stock at these locations.
    pub fn add_shop_with(&self, shop_id: u64, name: &str, region: &str, locations: &[&str]) {
        let locations = locations.iter().map(|id| (*id).to_owned()).collect();
        self.shared.world().shops.insert(shop_id, Shop { locations, ..Shop::new(name, region) });
    }

    /// Adds SKUs to a shop or changes known ones, at the clock's time. Fails where there is no such shop.
    pub fn seed_items(&self, shop_id: u64, seeds: &[Seed]) -> Result<(), String> {
        let now = self.shared.clock.now();
        self.shared.world().seed(shop_id, seeds, now)
    }

    /// Lets everything in the shops be older than it is, as if it had been changed that long ago.
    pub fn age(&self, by: SignedDuration) {
        let mut world = self.shared.world();
        for item in world.shops.values_mut().flat_map(|shop| shop.items.values_mut()) {
            item.created_at -= by;
            item.updated_at -= by;
        }
    }

    /// Deletes the item with this SKU, as its seller would: it stays readable for 90 days. Whether there was one.
    pub fn delete_item(&self, shop_id: u64, sku: &str) -> bool {
        let now = self.shared.clock.now();
        self.change(shop_id, sku, |item, _| {
            "SELLER_DELETE".clone_into(&mut item.status);
            item.updated_at = now;
        })
    }

    /// Puts the item with this SKU into a promotion: its price and name cannot be changed, nor can it be taken off sale.
    pub fn promote(&self, shop_id: u64, sku: &str) -> bool {
        self.change(shop_id, sku, |item, _| item.promoted = true)
    }

    /// Keeps pieces of a SKU back for a promotion.
    pub fn reserve(&self, shop_id: u64, sku: &str, pieces: i64) -> bool {
        self.change(shop_id, sku, |item, index| item.variants_mut()[index].reserved = pieces)
    }

    /// From now on changes to this SKU are refused.
    pub fn refuse(&self, shop_id: u64, sku: &str, reason: &str) -> bool {
        self.change(shop_id, sku, |item, index| item.variants_mut()[index].refuses = Some(reason.to_owned()))
    }

    /// Changes something else about the item with this SKU: makes it a `kit`, its description `extended`, its ranking lowered
    /// (`deboosted`), one of its models `unavailable`; tells a name or ids that are none (`odd`), or no models although it has some (`bare`).
    pub fn mark(&self, shop_id: u64, sku: &str, what: &str) -> bool {
        self.change(shop_id, sku, |item, index| match what {
            "kit" => item.kit = true,
            "extended" => item.extended = true,
            "deboosted" => item.deboosted = true,
            "odd" => item.odd = true,
            "bare" => item.bare = true,
            _ => item.variants_mut()[index].unavailable = true,
        })
    }

    /// Its seller goes on holiday, or comes back.
    pub fn set_holiday(&self, shop_id: u64, away: bool) {
        if let Some(shop) = self.shared.world().shops.get_mut(&shop_id) {
            shop.holiday = away;
        }
    }

    /// After each of the next calls that read lists, somebody edits the next of these SKUs.
    pub fn edit_behind(&self, skus: &[&str]) {
        self.shared.world().edits.extend(skus.iter().map(|sku| (*sku).to_owned()));
    }

    /// Everything in a shop, one entry a SKU, for comparing.
    pub fn listings(&self, shop_id: u64) -> Vec<Value> {
        self.shared.world().shops.get(&shop_id).map(Shop::listings).unwrap_or_default()
    }

    fn change(&self, shop_id: u64, sku: &str, change: impl FnOnce(&mut catalogue::Item, usize)) -> bool {
        let mut world = self.shared.world();
        let found = world.shops.get_mut(&shop_id).and_then(|shop| shop.find(sku));
        found.map(|(item, index)| change(item, index)).is_some()
    }

    /// Suspends a shop, or opens it again.
    pub fn set_closed(&self, shop_id: u64, closed: bool) {
        self.set_status(shop_id, if closed { "BANNED" } else { "NORMAL" });
    }

    /// Gives a shop a status in the vendor's words: `NORMAL`, `BANNED`, `FROZEN`.
    pub fn set_status(&self, shop_id: u64, status: &str) {
        if let Some(shop) = self.shared.world().shops.get_mut(&shop_id) {
            status.clone_into(&mut shop.status);
        }
    }

    /// Ends a shop's permission, as its owner would.
    pub fn revoke(&self, shop_id: u64) {
        self.shared.world().revoke(shop_id);
    }

    /// The time is over for which the owner gave permission.
    pub fn end(&self, shop_id: u64) {
        let now = self.shared.clock.now();
        self.shared.world().end(shop_id, now);
    }

    /// Makes every access token of a shop too old.
    pub fn expire_access_tokens(&self, shop_id: u64) {
        let now = self.shared.clock.now();
        self.shared.world().expire(shop_id, now);
    }

    /// Tokens of an authorization that was given this long ago and ends in this time: for handing in.
    pub fn grant_tokens(&self, shop_id: u64, consent_age: SignedDuration, ends_in: SignedDuration) -> Issued {
        let now = self.shared.clock.now();
        self.shared.world().grant(&[shop_id], now - consent_age, now + ends_in, now)
    }

    /// What an owner's browser ends on after agreeing (or, with `None`, declining) at the end of a consent link: the callback's
    /// address with its query. `account` is a shop or a main account. Fails in the vendor's words.
    pub fn consent(&self, link: &Url, account: Option<u64>) -> Result<Url, String> {
        let query: Vec<_> = link.query_pairs().into_owned().collect();
        consent::decide(&self.shared, link.path(), &query, account)
    }

    /// From now on every answer to shop calls (not to token calls) has this mishap; `None` mends it.
    pub fn break_down(&self, mishap: Option<Mishap>) {
        self.shared.world().broken = mishap;
    }

    /// The next answer to a shop call has this mishap.
    pub fn fail_next(&self, mishap: Mishap) {
        self.shared.world().next_of_api.push_back(mishap);
    }

    /// The next answer to a token call has this mishap.
    pub fn fail_next_token_call(&self, mishap: Mishap) {
        self.shared.world().next_of_tokens.push_back(mishap);
    }

    /// The next token call is carried out, but answered with this text, whatever it is.
    pub fn answer_next_token_call(&self, body: &str) {
        self.shared.world().instead_of_tokens = Some(body.to_owned());
    }

    /// A push to this address, signed as the vendor signs: `code` 1 (authorized), 2 (ended), 12 (ends soon), or any other.
    pub fn signed_webhook(&self, url: &Url, code: u64, shops: &[u64]) -> RawWebhook {
        signed_push(url, &push_body(code, shops, self.shared.clock.now()))
    }

    /// Every token and code that it ever gave, and the app's secret.
    pub fn secrets(&self) -> Vec<String> {
        let world = self.shared.world();
        world.given.iter().chain(world.codes.keys()).cloned().chain([PARTNER_KEY.to_owned()]).collect()
    }

    /// What it has seen.
    pub fn stats(&self) -> Stats {
        self.shared.world().stats.clone()
    }
}

fn push_body(code: u64, shops: &[u64], now: jiff::Timestamp) -> Value {
    let data = match (code, shops) {
        (12, _) => json!({
            "merchant_expire_soon": [], "shop_expire_soon": shops, "user_expire_soon": [],
            "expire_before": now.as_second() + 7 * 86_400, "page_no": 1, "total_page": 1,
        }),
        (1, [shop]) => {
            json!({"shop_id": shop, "authorize_type": "shop authorization by user", "extra": "", "success": 1})
        }
        (1, _) => json!({"shop_id_list": shops, "authorize_type": "main account authorization by user", "success": 1}),
        (2, [shop]) => {
            json!({"shop_id": shop, "authorize_type": "user cancel shop authorization", "extra": "", "success": 1})
        }
        (2, _) => json!({"shop_id_list": shops, "authorize_type": "user cancel merchant authorization", "success": 1}),
        _ => json!({"shop_id_list": shops}),
    };
    json!({"code": code, "partner_id": PARTNER_ID, "timestamp": now.as_second(), "data": data})
}

fn signed_push(url: &Url, body: &Value) -> RawWebhook {
    let body = body.to_string();
    let sign = sign::of_push(&Secret::new(PARTNER_KEY), url.as_str(), body.as_bytes());
    let headers = vec![("authorization".to_owned(), sign), ("content-type".to_owned(), "application/json".to_owned())];
    RawWebhook { url: url.clone(), headers, body: body.into() }
}

/// What the vendor says: a word and a sentence, or fields.
struct Said {
    /// Empty: success.
    error: &'static str,
    message: String,
    fields: Value,
}

impl Said {
    fn fields(fields: Value) -> Self {
        Self { error: "", message: String::new(), fields }
    }

    /// What the product calls answer.
    fn response(response: Value) -> Self {
        Self::fields(json!({"response": response, "warning": ""}))
    }

    fn error(error: &'static str, message: impl Into<String>) -> Self {
        Self { error, message: message.into(), fields: json!({}) }
    }

    fn respond(self, rules: &Rules, mishap: Option<Mishap>) -> Response {
        let status =
            if !self.error.is_empty() && rules.errors_are_403 { StatusCode::FORBIDDEN } else { StatusCode::OK };
        let prefix = if self.error.is_empty() || !rules.errors_have_prefix { "" } else { "common." };
        let mut body = self.fields;
        body["error"] = format!("{prefix}{}", self.error).into();
        body["message"] = self.message.into();
        body["request_id"] = crate::secrets::random_text(24).into();
        answer(status, body, mishap)
    }
}

/// The answer of a mishap that comes before anything is done.
fn instead(mishap: Option<Mishap>) -> Option<Response> {
    let limited = |status: StatusCode| {
        let body =
            json!({"error": "error_rate_limit", "message": "Too many requests, please slow down", "request_id": "r"});
        answer(status, body, None)
    };
    match mishap? {
        Mishap::Throttled { retry_after } => Some(wait(limited(StatusCode::TOO_MANY_REQUESTS), retry_after)),
        Mishap::ThrottledByCode => Some(limited(StatusCode::OK)),
        other => other.page(),
    }
}

/// What stands at the beginning of every signed call: partner id, timestamp and signature, in the vendor's order as far as
/// it is known; then what may be wrong with the app.
fn check_signed(
    shared: &Shared,
    world: &mut World,
    path: &str,
    query: &Query,
    subject: Option<sign::Subject<'_>>,
) -> Result<(), Said> {
    /// How old or early a call may be.
    const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
    let now = shared.clock.now();
    if get(query, "partner_id") != Some(&PARTNER_ID.to_string()) {
        return Err(Said::error("error_param", "Invalid partner_id."));
    }
    let timestamp = get(query, "timestamp").and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
    if (now.as_second() - timestamp).abs() > TOLERANCE.as_secs() {
        world.stats.bad_signatures += 1;
        return Err(Said::error("error_param", "Invalid timestamp."));
    }
    let expected = sign::of_call(&Secret::new(PARTNER_KEY), PARTNER_ID, path, timestamp, subject);
    if get(query, "sign") != Some(&expected) {
        world.stats.bad_signatures += 1;
        return Err(Said::error("error_sign", "Wrong sign."));
    }
    if world.rules.partner_key_expired {
        return Err(Said::error("error_partner_key_expired", "The live partner key of the app has expired."));
    }
    if world.rules.source_ip_undeclared {
        return Err(Said::error("source_ip_undeclared", "The source IP 127.0.0.1 is not declared."));
    }
    Ok(())
}
