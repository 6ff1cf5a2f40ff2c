//! The pretend marketplace as the suite of all channels wants it.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Value, json};
use url::Url;

use super::{FakeShopee, Mishap, PARTNER_KEY, Seed};
use crate::{
    channels::{
        Access, Channel, ShopSettings, Tokens, Tools,
        conformance::{Actual, Fault, Owner, Rig, World},
        shopee::{DEF, NAME},
    },
    clock::Clock,
    domain::{Price, Shop, Sku, Values},
    http::Http,
    secrets::Secret,
};

const SHOP_ID: u64 = 14_701_711;
const CALLBACK: &str = "http://127.0.0.1:8420/oauth/shopee/callback";

const PAGE_SIZE: usize = 4;

/// Starts pretend worlds of Shopee.
pub fn rig() -> Box<dyn Rig> {
    Box::new(ShopeeRig)
}

struct ShopeeRig;

#[async_trait]
impl Rig for ShopeeRig {
    async fn start(&self, listings: usize) -> Box<dyn World> {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().expect("a constant"));
        Box::new(ShopeeWorld::start(clock, "SG", listings))
    }

    async fn start_in(&self, currency: &str, listings: usize) -> Box<dyn World> {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().expect("a constant"));
        let region = if currency == "IDR" { "ID" } else { "TW" };
        Box::new(ShopeeWorld::start(clock, region, listings))
    }

    fn whole_currencies(&self) -> &'static [&'static str] {
        &["IDR", "TWD"]
    }

    fn longest_sku(&self) -> usize {
        100
    }

    fn loops_pages(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE_SIZE
    }
}

struct ShopeeWorld {
    fake: FakeShopee,
    clock: Clock,
    channel: Arc<dyn Channel>,
    tokens: Tokens,
    region: String,
}

/// The shop's channel, with these attributes in its mapping.
fn build(fake: &FakeShopee, clock: &Clock, region: &str, attributes: &Value) -> Arc<dyn Channel> {
    let mut mapping = json!({"category": "100017", "weight_kg": 0.3, "logistics": [80_101]});
    if attributes.is_object() {
        mapping["attributes"] = attributes.clone();
    }
    let own = json!({"shop_id": SHOP_ID.to_string(), "region": region, "mapping": mapping});
    let settings = ShopSettings {
        shop: Shop { id: "suite".parse().expect("a constant"), channel: NAME.into(), name: "Suite".to_owned() },
        own: own.as_object().cloned().unwrap_or_default(),
        channel: fake.app_settings(),
        client_secret: Some(Secret::new(PARTNER_KEY)),
        secrets: BTreeMap::new(),
        warehouse: None,
        folder: "/etc/shopsyncd".into(),
        callback: CALLBACK.parse().expect("a constant"),
    };
    let tools = Tools { http: Http::new(clock.clone()), clock: clock.clone() };
    (DEF.build)(&settings, &tools).expect("these settings are in order")
}

impl ShopeeWorld {
    fn start(clock: Clock, region: &str, listings: usize) -> Self {
        let fake = FakeShopee::new(clock.clone()).expect("loopback has free ports");
        fake.rules(|rules| rules.page_cap = PAGE_SIZE);
        fake.set_redirect_url(CALLBACK.parse().expect("a constant"));
        fake.add_shop(SHOP_ID, "Suite", region);
        let cents = if region == "SG" { ".50" } else { "" };
        // Every second one is an item with a model.
        let seed = |number: usize| Seed {
            sku: format!("suite-{number:03}"),
            product: if number.is_multiple_of(2) { String::new() } else { format!("product-{number}") },
            title: format!("Thing {number}"),
            price: format!("{}{cents}", number + 5),
            stock: Some(number as i64 * 3 + 1),
            ..Seed::default()
        };
        fake.seed_items(SHOP_ID, &(0..listings).map(seed).collect::<Vec<_>>()).expect("the shop is there");
        // What has just been changed is read more than once, on purpose.
        clock.advance(SignedDuration::from_hours(1));
        let day = SignedDuration::from_hours(24);
        let issued = fake.grant_tokens(SHOP_ID, day, day * 365);
        let tokens = Tokens {
            access_token: Secret::new(issued.access_token),
            refresh_token: Some(Secret::new(issued.refresh_token)),
        };
        let channel = build(&fake, &clock, region, &Value::Null);
        Self { fake, clock, channel, tokens, region: region.to_owned() }
    }

    fn set(&self, sku: &Sku, values: &Values) {
        let seed = Seed {
            sku: sku.as_str().to_owned(),
            title: values.title.clone().unwrap_or_default(),
            price: values.price.map(|price| price.amount.to_string()).unwrap_or_default(),
            stock: values.stock,
            ..Seed::default()
        };
        self.fake.seed_items(SHOP_ID, &[seed]).expect("the shop is there");
    }

    /// What the shop has of a SKU.
    fn listing(&self, sku: &Sku) -> Value {
        let all = self.fake.listings(SHOP_ID);
        all.into_iter().find(|listing| listing["sku"] == sku.as_str()).unwrap_or_default()
    }

    fn decide(&self, link: &Url, account: Option<u64>) -> Vec<(String, String)> {
        let back = self.fake.consent(link, account).expect("the link is the channel's own");
        back.query_pairs().into_owned().collect()
    }
}

#[async_trait]
impl World for ShopeeWorld {
    fn channel(&self) -> Arc<dyn Channel> {
        self.channel.clone()
    }

    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn access(&self) -> Access {
        Access { token: Some(self.tokens.access_token.clone()), place: Value::Null }
    }

    fn secrets(&self) -> Vec<String> {
        self.fake.secrets()
    }

    fn image(&self) -> String {
        self.fake.image().into()
    }

    async fn images_of(&self, sku: &Sku) -> Vec<String> {
        serde_json::from_value(self.listing(sku)["images"].clone()).unwrap_or_default()
    }

    fn attribute_words(&self) -> [(&'static str, [&'static str; 2]); 2] {
        [("100036", ["#678", "#679"]), ("100061", ["12|cm", "Cotton"])]
    }

    async fn attributes_of(&self, sku: &Sku) -> BTreeMap<String, String> {
        serde_json::from_value(self.listing(sku)["attributes"].clone()).unwrap_or_default()
    }

    async fn set_attribute(&self, sku: &Sku, name: &str, value: &str) {
        let id: u64 = name.parse().expect("the vendor's attributes are numbered");
        let attributes = [(id, value.to_owned())].into();
        let seed = Seed { sku: sku.as_str().to_owned(), attributes, ..Seed::default() };
        self.fake.seed_items(SHOP_ID, &[seed]).expect("the shop is there");
    }

    fn mapping(&self, attributes: &[(&str, &str)]) -> Arc<dyn Channel> {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        build(&self.fake, &self.clock, &self.region, &attributes)
    }

    async fn actual(&self) -> BTreeMap<Sku, Actual> {
        let entry = |listing: &Value| {
            let text = |name: &str| listing[name].as_str().unwrap_or_default().to_owned();
            let price = Price { amount: text("price").parse().ok()?, currency: text("currency").parse().ok()? };
            let on_sale = listing["status"] == "NORMAL";
            let actual = Actual { price, stock: listing["stock"].as_i64()?, title: text("title"), on_sale };
            Some((text("sku").parse().ok()?, actual))
        };
        self.fake.listings(SHOP_ID).iter().filter_map(entry).collect()
    }

    async fn alter(&self, sku: &Sku, values: &Values) {
        self.set(sku, values);
    }

    async fn add(&self, sku: &Sku, values: &Values) {
        self.set(sku, values);
    }

    async fn delete(&self, sku: &Sku) {
        self.fake.delete_item(SHOP_ID, sku.as_str());
    }

    async fn refuse(&self, sku: &Sku) {
        self.fake.refuse(SHOP_ID, sku.as_str(), "Invalid parameter for product.");
    }

    async fn loop_pages(&self) {
        self.fake.rules(|rules| rules.list_goes_round = true);
    }

    async fn break_down(&self, fault: Option<Fault>) {
        self.fake.break_down(fault.map(Mishap::from));
        if fault.is_none() {
            // Mended also means: the pause that was asked for is over.
            self.clock.advance(SignedDuration::from_mins(1));
        }
    }

    fn owner(&self) -> Option<&dyn Owner> {
        Some(self)
    }
}

#[async_trait]
impl Owner for ShopeeWorld {
    async fn agree(&self, link: &Url) -> Vec<(String, String)> {
        self.decide(link, Some(SHOP_ID))
    }

    async fn decline(&self, link: &Url) -> Vec<(String, String)> {
        self.decide(link, None)
    }

    async fn expire_access_token(&self) {
        self.fake.expire_access_tokens(SHOP_ID);
    }

    async fn end_authorization(&self) {
        self.fake.revoke(SHOP_ID);
    }

    fn tokens(&self) -> Tokens {
        self.tokens.clone()
    }

    fn account(&self) -> String {
        SHOP_ID.to_string()
    }
}
