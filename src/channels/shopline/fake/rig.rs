//! The pretend platforms as the suite of all channels wants them: each in worlds of its own.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Value, json};
use url::Url;

use super::{APP_SECRET, ASIA_APP_SECRET, FakeShopline, Issued, Mishap, Seed};
use crate::{
    channels::{
        Access, Channel, ShopSettings, Tokens, Tools,
        conformance::{Actual, Fault, Owner, Rig, World},
        shopline::{DEF, NAME, Platform},
    },
    clock::Clock,
    domain::{Price, Shop, Sku, Values},
    http::Http,
    secrets::Secret,
};

const PAGE_SIZE: usize = 4;
/// The location that export writes to on Global: the second of the store. Asia's shop has one warehouse, and none is chosen.
const LOCATION: &str = "5703943989105270999";
const HANDLE: &str = "suite-store";
const CALLBACK: &str = "http://127.0.0.1:8420/oauth/shopline/callback";

/// Starts pretend worlds of SHOPLINE Asia.
pub fn asia() -> Box<dyn Rig> {
    Box::new(ShoplineRig { platform: Platform::Asia })
}

/// Starts pretend worlds of SHOPLINE Global.
pub fn global() -> Box<dyn Rig> {
    Box::new(ShoplineRig { platform: Platform::Global })
}

struct ShoplineRig {
    platform: Platform,
}

#[async_trait]
impl Rig for ShoplineRig {
    async fn start(&self, listings: usize) -> Box<dyn World> {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().expect("a constant"));
        Box::new(ShoplineWorld::start(self.platform, clock, listings))
    }

    fn whole_currencies(&self) -> &'static [&'static str] {
        match self.platform {
            Platform::Global => &["JPY", "IDR"],
            Platform::Asia => &["TWD", "JPY"],
        }
    }

    async fn start_in(&self, currency: &str, listings: usize) -> Box<dyn World> {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().expect("a constant"));
        let world = ShoplineWorld::start(self.platform, clock, listings);
        world.fake.set_currency(world.account, currency);
        Box::new(world)
    }

    fn counts_violations(&self) -> bool {
        true
    }

    fn loops_pages(&self) -> bool {
        // Asia's pages are numbered by whoever asks.
        self.platform == Platform::Global
    }

    fn page_size(&self) -> usize {
        PAGE_SIZE
    }

    fn rotates(&self) -> bool {
        self.platform == Platform::Asia
    }

    fn rest(&self) -> SignedDuration {
        super::Rules::default().refresh_rest
    }
}

struct ShoplineWorld {
    fake: FakeShopline,
    clock: Clock,
    channel: Arc<dyn Channel>,
    account: &'static str,
    issued: Issued,
}

impl ShoplineWorld {
    fn start(platform: Platform, clock: Clock, listings: usize) -> Self {
        let fake = FakeShopline::new(clock.clone()).expect("loopback has free ports");
        fake.set_redirect_url(CALLBACK.parse().expect("a constant"));
        let account = match platform {
            Platform::Global => "1672369729606",
            Platform::Asia => "5f0bda5e4e5fca0010c81fef",
        };
        fake.add(platform, HANDLE, account, "Suite Store");
        fake.add(platform, "another", "1672369729607", "Another");
        fake.rules(|rules| rules.page_cap = PAGE_SIZE);
        let global = platform == Platform::Global;
        if global {
            fake.add_place(account, LOCATION);
        }
        let seed = |number: usize| Seed {
            sku: format!("suite-{number:03}"),
            title: format!("Thing {number}"),
            price: format!("{}", number + 5),
            stock: Some(number as i64 * 3 + 1),
            options: if number.is_multiple_of(2) { vec![("Size".to_owned(), "M".to_owned())] } else { Vec::new() },
            ..Seed::default()
        };
        let seeds: Vec<_> = (0..listings).map(seed).collect();
        fake.seed_products(account, &seeds).expect("the store is there");
        let settings = ShopSettings {
            shop: Shop { id: "suite".parse().expect("a constant"), channel: NAME.into(), name: "Suite".to_owned() },
            own: json!({"platform": platform.as_str(), "handle": HANDLE}).as_object().cloned().unwrap_or_default(),
            channel: fake.app_settings(),
            client_secret: Some(Secret::new(APP_SECRET)),
            secrets: [("asia_client_secret".to_owned(), Some(Secret::new(ASIA_APP_SECRET)))].into(),
            warehouse: global.then(|| LOCATION.to_owned()),
            folder: "/etc/shopsyncd".into(),
            callback: CALLBACK.parse().expect("a constant"),
        };
        let tools = Tools { http: Http::new(clock.clone()), clock: clock.clone() };
        let channel = (DEF.build)(&settings, &tools).expect("these settings are in order");
        let issued = fake.grant_tokens(account).expect("the store is there");
        Self { fake, clock, channel, account, issued }
    }

    fn set(&self, sku: &Sku, values: &Values) {
        let seed = Seed {
            sku: sku.as_str().to_owned(),
            title: values.title.clone().unwrap_or_default(),
            price: values.price.map(|price| price.amount.to_string()).unwrap_or_default(),
            stock: values.stock,
            ..Seed::default()
        };
        self.fake.seed_products(self.account, &[seed]).expect("the store is there");
    }

    fn decide(&self, link: &Url, account: Option<&str>) -> Vec<(String, String)> {
        let back = self.fake.consent(link, account).expect("the link is the channel's own");
        back.query_pairs().into_owned().collect()
    }
}

#[async_trait]
impl World for ShoplineWorld {
    fn channel(&self) -> Arc<dyn Channel> {
        self.channel.clone()
    }

    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn access(&self) -> Access {
        Access { token: Some(Secret::new(&self.issued.access_token)), place: Value::Null }
    }

    fn secrets(&self) -> Vec<String> {
        // What stands for Global's refresh token is the handle, which is no secret.
        let refresh = self.issued.refresh_token.clone().filter(|token| token != HANDLE);
        [Some(APP_SECRET.to_owned()), Some(ASIA_APP_SECRET.to_owned()), Some(self.issued.access_token.clone()), refresh]
            .into_iter()
            .flatten()
            .collect()
    }

    async fn images_of(&self, sku: &Sku) -> Vec<String> {
        let all = self.fake.listings(self.account);
        let found = all.into_iter().find(|listing| listing["sku"] == sku.as_str()).unwrap_or_default();
        serde_json::from_value(found["images"].clone()).unwrap_or_default()
    }

    async fn actual(&self) -> BTreeMap<Sku, Actual> {
        let text = |listing: &Value, name: &str| listing[name].as_str().unwrap_or_default().to_owned();
        let actual = |listing: &Value| {
            let place = listing["places"].get(LOCATION).unwrap_or(&listing["stock"]);
            let price = Price {
                amount: text(listing, "price").parse().expect("the fake writes decimals"),
                currency: text(listing, "currency").parse().expect("the fake writes currencies"),
            };
            let stock = place.as_i64().expect("the fake writes whole numbers");
            let sku = text(listing, "sku").parse().expect("the suite's SKUs are valid");
            let on_sale = listing["status"] == "active";
            (sku, Actual { price, stock, title: text(listing, "title"), on_sale })
        };
        let listings = self.fake.listings(self.account);
        listings.iter().filter(|listing| listing["status"] != "removed").map(actual).collect()
    }

    async fn alter(&self, sku: &Sku, values: &Values) {
        self.set(sku, values);
    }

    async fn add(&self, sku: &Sku, values: &Values) {
        self.set(sku, values);
    }

    async fn delete(&self, sku: &Sku) {
        self.fake.delete_product(self.account, sku.as_str()).expect("the SKU is there");
    }

    async fn refuse(&self, sku: &Sku) {
        self.fake.refuse(self.account, sku.as_str());
    }

    async fn break_down(&self, fault: Option<Fault>) {
        self.fake.break_down(fault.map(Mishap::from));
        if fault.is_none() {
            // Mended also means: the pause that was asked for is over.
            self.clock.advance(SignedDuration::from_mins(1));
        }
    }

    fn violations(&self) -> u32 {
        let stats = self.fake.stats();
        (stats.rate_violations + stats.mixed_page_info) as u32
    }

    async fn loop_pages(&self) {
        self.fake.rules(|rules| rules.pages_loop = true);
    }

    fn owner(&self) -> Option<&dyn Owner> {
        Some(self)
    }
}

#[async_trait]
impl Owner for ShoplineWorld {
    async fn agree(&self, link: &Url) -> Vec<(String, String)> {
        self.decide(link, Some(self.account))
    }

    async fn decline(&self, link: &Url) -> Vec<(String, String)> {
        self.decide(link, None)
    }

    async fn expire_access_token(&self) {
        self.fake.expire_access_tokens(self.account);
    }

    async fn end_authorization(&self) {
        self.fake.revoke(self.account);
    }

    fn tokens(&self) -> Tokens {
        Tokens {
            access_token: Secret::new(&self.issued.access_token),
            refresh_token: self.issued.refresh_token.as_ref().map(Secret::new),
        }
    }

    fn account(&self) -> String {
        self.account.to_owned()
    }
}
