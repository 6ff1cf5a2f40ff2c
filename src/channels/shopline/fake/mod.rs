//! Pretend SHOPLINEs on loopback, both platforms on one server: consent pages, token hosts and what of the APIs concerns
//! permission and products, with state, on a clock that is handed in.
//!
//! The first part of every path is the shop's handle, which at the vendor is the first part of Global's host names. It
//! behaves as the vendor's pages say, down to the error bodies, and counts what a well-behaved app never does. Where the pages are silent
//! it picks one behaviour and has a switch in [`Rules`] for the other. Rate limits go by the real clock, since they are
//! about how fast packets follow each other. It trusts whoever can reach it and listens on loopback only.

mod answers;
mod api;
mod asia;
mod asia_products;
mod control;
mod global;
mod global_products;
mod goods;
mod rig;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use url::Url;

pub use self::goods::Seed;
pub use self::rig::{asia, global};
pub use self::state::{Issued, Rules, Stats};
use self::state::{Standing, Store, World};
use super::{Platform, sign};
pub use crate::channels::fake::Mishap;
use crate::{
    channels::{RawWebhook, fake::Server},
    clock::Clock,
    secrets::{Secret, random_text},
};

/// The app that the pretend Global knows: its key.
pub const APP_KEY: &str = "f2379d21628c33d11db1fdb697a3f7c26e4c0a09";
/// The app that the pretend Asia knows: its client id.
pub const ASIA_CLIENT_ID: &str = "635a5817fd851b000d2f594d";
/// Its secret.
pub const APP_SECRET: &str = "fake-app-secret-0001";
/// The secret of the app that the pretend Asia knows.
pub const ASIA_APP_SECRET: &str = "fake-asia-secret-0001";

impl Platform {
    /// The secret of the app that this platform knows.
    const fn app_secret(self) -> &'static str {
        match self {
            Self::Global => APP_SECRET,
            Self::Asia => ASIA_APP_SECRET,
        }
    }
}

/// The pretend platforms. They stop when dropped.
pub struct FakeShopline {
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

impl FakeShopline {
    /// Starts them on a free port of loopback. Call it within a runtime.
    pub fn new(clock: Clock) -> std::io::Result<Self> {
        Self::listening_on(clock, 0)
    }

    /// Starts them on this port of loopback; 0: a free one.
    pub fn listening_on(clock: Clock, port: u16) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { clock, world: Mutex::default() });
        let router = axum::Router::new().merge(control::routes()).fallback(api::answer).with_state(shared.clone());
        Ok(Self { shared, server: Server::start(port, router)? })
    }

    /// Where they listen. In settings, `{handle}` follows: see [`FakeShopline::app_settings`].
    pub fn url(&self) -> Url {
        self.server.url()
    }

    /// `[channels.shopline]` for them, without the secrets, which are [`APP_SECRET`] and (as `asia_client_secret`)
    /// [`ASIA_APP_SECRET`].
    pub fn app_settings(&self) -> Map<String, Value> {
        let url = format!("{}{{handle}}", self.url());
        let settings = json!({
            "client_id": APP_KEY, "asia_client_id": ASIA_CLIENT_ID,
            "api_url": url, "token_url": url, "consent_url": url,
        });
        settings.as_object().cloned().expect("an object, as written above")
    }

    /// Changes how they behave.
    pub fn rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.shared.world().rules);
    }

    /// Where consent may lead back to: a field of the app at the vendor.
    pub fn set_redirect_url(&self, url: Url) {
        self.shared.world().redirect_url = Some(url);
    }

    /// Adds a store of Global.
    pub fn add_global(&self, handle: &str, store_id: &str, name: &str) {
        self.add(Platform::Global, handle, store_id, name);
    }

    /// Adds a shop of Asia.
    pub fn add_asia(&self, handle: &str, merchant_id: &str, name: &str) {
        self.add(Platform::Asia, handle, merchant_id, name);
    }

    fn add(&self, platform: Platform, handle: &str, account: &str, name: &str) {
        let (handle, name) = (handle.to_owned(), name.to_owned());
        self.shared.world().stores.insert(account.to_owned(), Store::new(platform, handle, name));
    }

    /// Puts products into a store, or changes what has their SKUs.
    pub fn seed_products(&self, account: &str, seeds: &[Seed]) -> Result<(), String> {
        let now = self.shared.clock.now();
        self.shared.world().seed(account, seeds, now)
    }

    /// Lets everything in the stores be older than it is, as if it had been changed that long ago.
    pub fn age(&self, by: SignedDuration) {
        let mut world = self.shared.world();
        for product in world.stores.values_mut().flat_map(|store| store.goods.products.iter_mut()) {
            product.created_at -= by;
            product.updated_at -= by;
        }
    }

    /// Deletes the product of a SKU, as its owner would.
    pub fn delete_product(&self, account: &str, sku: &str) -> Result<(), String> {
        let now = self.shared.clock.now();
        self.shared.world().delete(account, sku, now)
    }

    /// Gives the product of a SKU this status, as its owner would.
    pub fn set_status(&self, account: &str, sku: &str, status: &str) {
        let now = self.shared.clock.now();
        let mut world = self.shared.world();
        let goods = world.stores.get_mut(account).map(|store| &mut store.goods);
        if let Some((product, _)) = goods.and_then(|goods| goods.find(sku)) {
            status.clone_into(&mut product.status);
            product.updated_at = now;
        }
    }

    /// From now on the vendor tells nothing of the variants of a SKU's product that can be read.
    pub fn garble(&self, account: &str, sku: &str) {
        let mut world = self.shared.world();
        let goods = world.stores.get_mut(account).map(|store| &mut store.goods);
        if let Some((product, _)) = goods.and_then(|goods| goods.find(sku)) {
            product.garbled = true;
        }
    }

    /// From now on the store refuses every change of this SKU.
    pub fn refuse(&self, account: &str, sku: &str) {
        let mut world = self.shared.world();
        let goods = world.stores.get_mut(account).map(|store| &mut store.goods);
        if let Some((product, index)) = goods.and_then(|goods| goods.find(sku)) {
            product.variants[index].refused = true;
        }
    }

    /// The currency that a store sells in: USD on Global and TWD on Asia, where nothing is said.
    pub fn set_currency(&self, account: &str, currency: &str) {
        if let Some(store) = self.shared.world().stores.get_mut(account) {
            currency.clone_into(&mut store.goods.currency);
        }
    }

    /// Gives a store one more location or warehouse. What is there already is not stocked there.
    pub fn add_place(&self, account: &str, id: &str) {
        if let Some(store) = self.shared.world().stores.get_mut(account) {
            store.goods.places.push(id.to_owned());
        }
    }

    /// What a store sells, flat: SKU, title, price, currency, stock by location or warehouse, status.
    pub fn listings(&self, account: &str) -> Vec<Value> {
        self.shared.world().stores.get(account).map(|store| store.goods.listings()).unwrap_or_default()
    }

    /// Tokens as of a consent that was given now: for handing in.
    pub fn grant_tokens(&self, account: &str) -> Option<Issued> {
        let now = self.shared.clock.now();
        self.shared.world().issue(account, now)
    }

    /// A token that somebody makes in the shop's admin, which cannot be renewed.
    pub fn make_token_by_hand(&self, account: &str, ends_in: SignedDuration) -> Option<Issued> {
        let now = self.shared.clock.now();
        self.shared.world().make_by_hand(account, now + ends_in, now)
    }

    /// What an owner's browser ends on after agreeing (or, with `None`, declining) at the end of a consent link: the callback's
    /// address with its query. Fails in the vendor's words.
    pub fn consent(&self, link: &Url, account: Option<&str>) -> Result<Url, String> {
        match link.fragment() {
            Some(fragment) => global::decide_link(&self.shared, link, fragment, account),
            None => asia::decide(&self.shared, &link.query_pairs().into_owned().collect(), account),
        }
    }

    /// What a browser brings to the app's own address when a merchant of Global presses "install".
    pub fn install_request(&self, handle: &str) -> Vec<(String, String)> {
        let mut query = vec![("lang".to_owned(), "en".to_owned())];
        global::sign_query(&mut query, handle, self.shared.clock.now());
        query
    }

    /// Ends a permission, as the owner would: the app is uninstalled.
    pub fn revoke(&self, account: &str) {
        self.shared.world().uninstall(account);
    }

    /// Makes every access token of an account too old.
    pub fn expire_access_tokens(&self, account: &str) {
        let now = self.shared.clock.now();
        self.shared.world().expire(account, now);
    }

    /// Lets the last end of an account's tokens be reached.
    pub fn end(&self, account: &str) {
        let now = self.shared.clock.now();
        self.shared.world().end(account, now);
    }

    /// Freezes a store whose plan is not paid, or opens it again.
    pub fn set_closed(&self, account: &str, closed: bool) {
        self.stand(account, if closed { Standing::Frozen } else { Standing::Open });
    }

    /// Locks a store, or opens it again.
    pub fn set_locked(&self, account: &str, locked: bool) {
        self.stand(account, if locked { Standing::Locked } else { Standing::Open });
    }

    fn stand(&self, account: &str, standing: Standing) {
        if let Some(store) = self.shared.world().stores.get_mut(account) {
            store.standing = standing;
        }
    }

    /// The webhook that says that the app was uninstalled, in the words of the account's platform.
    pub fn uninstall_webhook(&self, account: &str) -> Option<RawWebhook> {
        let platform = self.shared.world().stores.get(account)?.platform;
        let topic = match platform {
            Platform::Global => "apps/installed_uninstalled",
            Platform::Asia => "application/uninstall",
        };
        self.signed_webhook(account, topic)
    }

    /// A webhook as it would be sent to the app, in the form of the account's platform.
    pub fn signed_webhook(&self, account: &str, topic: &str) -> Option<RawWebhook> {
        let now = self.shared.clock.now();
        let store = self.shared.world().stores.get(account).cloned()?;
        let secret = Secret::new(store.platform.app_secret());
        let mut url: Url = "https://shops.example.com/webhooks/shopline".parse().expect("a constant");
        let header = |name: &str, value: String| (name.to_owned(), value);
        let (headers, body) = match store.platform {
            Platform::Global => {
                let body = json!({
                    "appkey": APP_KEY, "handle": store.handle, "store_id": account, "operate": "UNINSTALL",
                    "timestamp": now.as_millisecond(),
                });
                let body = body.to_string();
                let headers = vec![
                    header("x-shopline-topic", topic.to_owned()),
                    header("x-shopline-hmac-sha256", sign::of_call(&secret, &body, "")),
                    header("x-shopline-shop-domain", format!("{}.myshopline.com", store.handle)),
                    header("x-shopline-shop-id", account.to_owned()),
                    header("x-shopline-webhook-id", random_text(24)),
                ];
                (headers, body)
            }
            Platform::Asia => {
                let timestamp = now.as_second().to_string();
                let body = json!({
                    "trace_id": random_text(36), "event": "Application", "topic": topic, "merchant_id": account,
                    "resource": {"_id": ASIA_CLIENT_ID, "merchant_id": account},
                });
                url.query_pairs_mut().append_pair("sign", &sign::of_asia_webhook(&secret, &timestamp, &body));
                (vec![header("x-shopline-developer-event-timestamp", timestamp)], body.to_string())
            }
        };
        Some(RawWebhook { url, headers, body: body.into() })
    }

    /// From now on every answer of the APIs (not of the token hosts) has this mishap; `None` mends it.
    pub fn break_down(&self, mishap: Option<Mishap>) {
        self.shared.world().broken = mishap;
    }

    /// The next answer of an API has this mishap.
    pub fn fail_next(&self, mishap: Mishap) {
        self.shared.world().next_of_api.push_back(mishap);
    }

    /// The next answer of a token host has this mishap.
    pub fn fail_next_token_call(&self, mishap: Mishap) {
        self.shared.world().next_of_tokens.push_back(mishap);
    }

    /// Every token and code that they ever gave, and the secrets of the apps.
    pub fn secrets(&self) -> Vec<String> {
        let world = self.shared.world();
        let all = world.access.keys().chain(world.refresh.keys()).chain(world.codes.keys()).cloned();
        all.chain([APP_SECRET.to_owned(), ASIA_APP_SECRET.to_owned()]).collect()
    }

    /// What they have seen.
    pub fn stats(&self) -> Stats {
        self.shared.world().stats.clone()
    }
}
