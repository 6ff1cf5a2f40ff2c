//! The pretend marketplace as the suite of all channels wants it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Value, json};
use url::Url;

use super::{APP_SECRET, FakeTikTok, Mishap, Seed};
use crate::{
    channels::{
        Access, Channel, ShopSettings, Tokens, Tools,
        conformance::{Actual, Fault, Owner, Rig, World},
        tiktok_shop::DEF,
    },
    clock::Clock,
    domain::{Price, Shop, Sku, Values},
    http::Http,
    secrets::Secret,
};

const OPEN_ID: &str = "7010736057180325637";
const SHOP_ID: &str = "7494049642642441621";
const CALLBACK: &str = "http://127.0.0.1:8420/oauth/tiktok_shop/callback";
const PAGE_SIZE: usize = 4;

/// Starts pretend worlds of TikTok Shop.
pub fn rig() -> Box<dyn Rig> {
    Box::new(TikTokRig)
}

struct TikTokRig;

#[async_trait]
impl Rig for TikTokRig {
    async fn start(&self, listings: usize) -> Box<dyn World> {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().expect("a constant"));
        Box::new(TikTokWorld::start(clock, "GB", listings))
    }

    fn page_size(&self) -> usize {
        PAGE_SIZE
    }

    fn whole_currencies(&self) -> &'static [&'static str] {
        &["JPY", "IDR"]
    }

    async fn start_in(&self, currency: &str, listings: usize) -> Box<dyn World> {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().expect("a constant"));
        Box::new(TikTokWorld::start(clock, if currency == "JPY" { "JP" } else { "ID" }, listings))
    }

    fn maps(&self) -> bool {
        true
    }

    fn longest_sku(&self) -> usize {
        50
    }

    fn counts_violations(&self) -> bool {
        true
    }

    fn loops_pages(&self) -> bool {
        true
    }
}

struct TikTokWorld {
    fake: FakeTikTok,
    clock: Clock,
    region: String,
    channel: Arc<dyn Channel>,
    unmapped: Arc<dyn Channel>,
    tokens: Mutex<Tokens>,
}

impl TikTokWorld {
    fn start(clock: Clock, region: &str, listings: usize) -> Self {
        let fake = FakeTikTok::new(clock.clone()).expect("loopback has free ports");
        fake.rules(|rules| rules.page_cap = PAGE_SIZE);
        fake.set_redirect_url(CALLBACK.parse().expect("a constant"));
        fake.add_seller(OPEN_ID, "Suite Ltd", region);
        fake.add_shop_with(OPEN_ID, SHOP_ID, "Suite", region, &["70685172755397199420", "70685172755397199421"]);
        fake.add_shop(OPEN_ID, "7494049642642441622", "Suite DE", "DE");
        let seed = |number: usize| Seed {
            sku: format!("suite-{number:03}"),
            title: format!("Thing {number}"),
            price: if region == "GB" { format!("{}.50", number + 5) } else { format!("{}", number + 1_500) },
            stock: Some(number as i64 * 3 + 1),
            options: vec![("Size".to_owned(), "M".to_owned())],
            ..Seed::default()
        };
        let seeds: Vec<_> = (0..listings).map(seed).collect();
        fake.seed_products(SHOP_ID, &seeds).expect("the shop is there");
        let year = SignedDuration::from_hours(365 * 24);
        let issued = fake.grant_tokens(OPEN_ID, SignedDuration::from_hours(24), year);
        let tokens = Tokens {
            access_token: Secret::new(issued.access_token),
            refresh_token: Some(Secret::new(issued.refresh_token)),
        };
        let mapping = json!({"category": "600001", "package_weight": "0.5 kg", "package_dimensions": "20 x 15 x 5 cm"});
        let channel = build(&fake, &clock, region, &mapping);
        let unmapped = build(&fake, &clock, region, &json!({}));
        Self { fake, clock, region: region.to_owned(), channel, unmapped, tokens: Mutex::new(tokens) }
    }

    fn listing(&self, sku: &Sku) -> Value {
        self.fake.listings(SHOP_ID).into_iter().find(|listing| listing["sku"] == sku.as_str()).unwrap_or_default()
    }

    fn open(&self) -> Tokens {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, sku: &Sku, values: &Values) {
        let seed = Seed {
            sku: sku.as_str().to_owned(),
            title: values.title.clone().unwrap_or_default(),
            price: values.price.map(|price| price.amount.to_string()).unwrap_or_default(),
            stock: values.stock,
            ..Seed::default()
        };
        self.fake.set_product(SHOP_ID, seed).expect("the shop is there");
    }
}

/// The shop's channel, with this mapping.
fn build(fake: &FakeTikTok, clock: &Clock, region: &str, mapping: &Value) -> Arc<dyn Channel> {
    let settings = ShopSettings {
        shop: Shop {
            id: "suite".parse().expect("a constant"),
            channel: super::super::NAME.into(),
            name: "Suite".to_owned(),
        },
        own: json!({"shop_id": SHOP_ID, "region": region, "mapping": mapping}).as_object().cloned().unwrap_or_default(),
        channel: fake.app_settings(),
        client_secret: Some(Secret::new(APP_SECRET)),
        secrets: BTreeMap::new(),
        warehouse: Some("70685172755397199420".to_owned()),
        folder: "/etc/shopsyncd".into(),
        callback: CALLBACK.parse().expect("a constant"),
    };
    let tools = Tools { http: Http::new(clock.clone()), clock: clock.clone() };
    (DEF.build)(&settings, &tools).expect("these settings are in order")
}

#[async_trait]
impl World for TikTokWorld {
    fn channel(&self) -> Arc<dyn Channel> {
        self.channel.clone()
    }

    fn unmapped(&self) -> Arc<dyn Channel> {
        self.unmapped.clone()
    }

    fn image(&self) -> String {
        self.fake.image_url().to_string()
    }

    async fn images_of(&self, sku: &Sku) -> Vec<String> {
        let images = self.listing(sku)["images"].as_array().cloned().unwrap_or_default();
        images.iter().filter_map(|image| image.as_str().map(str::to_owned)).collect()
    }

    fn attribute_words(&self) -> [(&'static str, [&'static str; 2]); 2] {
        [("100089", ["Cotton", "id:1001533"]), ("100347", ["Plain", "Striped"])]
    }

    async fn attributes_of(&self, sku: &Sku) -> BTreeMap<String, String> {
        let attributes = self.listing(sku)["attributes"].as_object().cloned().unwrap_or_default();
        let word = |values: &Value| match values[0]["id"].as_str().filter(|id| !id.is_empty()) {
            Some(id) => format!("id:{id}"),
            None => values[0]["name"].as_str().unwrap_or_default().to_owned(),
        };
        attributes.into_iter().map(|(id, values)| (id, word(&values))).collect()
    }

    async fn set_attribute(&self, sku: &Sku, name: &str, value: &str) {
        assert!(self.fake.set_attribute(SHOP_ID, sku.as_str(), name, value), "{sku} is there");
    }

    fn mapping(&self, attributes: &[(&str, &str)]) -> Arc<dyn Channel> {
        let attributes: serde_json::Map<String, Value> =
            attributes.iter().map(|(id, value)| ((*id).to_owned(), json!(value))).collect();
        build(&self.fake, &self.clock, &self.region, &json!({"attributes": attributes}))
    }

    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn access(&self) -> Access {
        let cipher = format!("ROW_cipher+{SHOP_ID}==");
        let place = json!({"id": SHOP_ID, "cipher": cipher, "region": self.region, "name": "Suite"});
        Access { token: Some(self.open().access_token), place }
    }

    fn secrets(&self) -> Vec<String> {
        let tokens = self.open();
        let refresh = tokens.refresh_token.map(|token| token.expose().to_owned());
        [Some(APP_SECRET.to_owned()), Some(tokens.access_token.expose().to_owned()), refresh]
            .into_iter()
            .flatten()
            .collect()
    }

    async fn actual(&self) -> BTreeMap<Sku, Actual> {
        let text = |listing: &Value, name: &str| listing[name].as_str().unwrap_or_default().to_owned();
        self.fake
            .listings(SHOP_ID)
            .iter()
            .filter(|listing| listing["status"] != "DELETED")
            .map(|listing| {
                let actual = Actual {
                    price: Price {
                        amount: text(listing, "price").parse().expect("the fake writes decimals"),
                        currency: text(listing, "currency").parse().expect("the fake writes currencies"),
                    },
                    stock: listing["stock"].as_i64().expect("the fake writes whole numbers"),
                    title: text(listing, "title"),
                    on_sale: listing["status"] == "ACTIVATE",
                };
                (text(listing, "sku").parse().expect("the suite's SKUs are valid"), actual)
            })
            .collect()
    }

    async fn alter(&self, sku: &Sku, values: &Values) {
        self.set(sku, values);
    }

    async fn add(&self, sku: &Sku, values: &Values) {
        self.set(sku, values);
    }

    async fn delete(&self, sku: &Sku) {
        self.fake.delete_product(SHOP_ID, sku.as_str());
    }

    async fn refuse(&self, sku: &Sku) {
        self.fake.promote(SHOP_ID, sku.as_str());
    }

    async fn break_down(&self, fault: Option<Fault>) {
        self.fake.break_down(fault.map(Mishap::from));
        if fault.is_none() {
            // Mended also means: the pause that was asked for is over.
            self.clock.advance(SignedDuration::from_mins(1));
        }
    }

    fn violations(&self) -> u32 {
        self.fake.stats().rate_violations.try_into().unwrap_or(u32::MAX)
    }

    async fn loop_pages(&self) {
        self.fake.rules(|rules| rules.loops_pages = true);
    }

    fn owner(&self) -> Option<&dyn Owner> {
        Some(self)
    }
}

#[async_trait]
impl Owner for TikTokWorld {
    async fn agree(&self, link: &Url) -> Vec<(String, String)> {
        self.decide(link, Some(OPEN_ID))
    }

    async fn decline(&self, link: &Url) -> Vec<(String, String)> {
        self.decide(link, None)
    }

    async fn expire_access_token(&self) {
        self.fake.expire_access_tokens(OPEN_ID);
    }

    async fn end_authorization(&self) {
        self.fake.revoke(OPEN_ID);
    }

    fn tokens(&self) -> Tokens {
        self.open()
    }

    fn account(&self) -> String {
        OPEN_ID.to_owned()
    }
}

impl TikTokWorld {
    fn decide(&self, link: &Url, seller: Option<&str>) -> Vec<(String, String)> {
        let back = self.fake.consent(link, seller).expect("the link is the channel's own");
        back.query_pairs().into_owned().collect()
    }
}
