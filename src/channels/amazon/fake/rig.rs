//! The pretend marketplace as the suite of all channels wants it.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use jiff::SignedDuration;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use url::Url;

use super::{APP_SECRET, FakeAmazon, Issued, Journal, Mishap, Seed};
use crate::{
    channels::{
        Access, Channel, ShopSettings, Tokens, Tools,
        amazon::{DEF, items::locator},
        conformance::{Actual, Fault, Owner, Rig, World},
    },
    clock::Clock,
    domain::{Price, Shop, Sku, Values},
    http::Http,
    secrets::Secret,
};

const SELLER: &str = "A3TH9S8BH6GOGM";
const CALLBACK: &str = "http://127.0.0.1:8420/oauth/amazon/callback";

/// Two pages of a search and a rest would take seconds at the vendor's rate if pages were as large as they are.
const PAGE_SIZE: usize = 4;
/// In worlds that are read by report: twenty SKUs of it are a page, and a search reaches next to nothing.
const REPORT_PAGE_SIZE: usize = 20;

/// Starts pretend worlds of Amazon.
pub fn rig() -> Box<dyn Rig> {
    rig_with(Journal::default(), false)
}

/// Starts pretend worlds whose shop is too large for a search.
pub fn by_report() -> Box<dyn Rig> {
    rig_with(Journal::default(), true)
}

/// Either, with all that is asked and answered in one journal.
pub fn rig_with(journal: Journal, by_report: bool) -> Box<dyn Rig> {
    Box::new(AmazonRig { journal, by_report })
}

struct AmazonRig {
    journal: Journal,
    by_report: bool,
}

#[async_trait]
impl Rig for AmazonRig {
    async fn start(&self, listings: usize) -> Box<dyn World> {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().expect("a constant"));
        Box::new(AmazonWorld::start(clock, &self.journal, "DE", listings, self.by_report))
    }

    fn longest_sku(&self) -> usize {
        40
    }

    fn whole_currencies(&self) -> &'static [&'static str] {
        &["JPY"]
    }

    async fn start_in(&self, _: &str, listings: usize) -> Box<dyn World> {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().expect("a constant"));
        Box::new(AmazonWorld::start(clock, &self.journal, "JP", listings, self.by_report))
    }

    /// Each SKU is an item of its own.
    fn groups_variants(&self) -> bool {
        false
    }

    fn counts_violations(&self) -> bool {
        true
    }

    fn loops_pages(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        if self.by_report { REPORT_PAGE_SIZE } else { PAGE_SIZE }
    }

    fn rotates(&self) -> bool {
        false
    }
}

struct AmazonWorld {
    fake: FakeAmazon,
    country: &'static str,
    clock: Clock,
    channel: Arc<dyn Channel>,
    issued: Issued,
}

impl AmazonWorld {
    fn start(clock: Clock, journal: &Journal, country: &'static str, listings: usize, by_report: bool) -> Self {
        let fake = FakeAmazon::with_journal(clock.clone(), journal).expect("loopback has free ports");
        fake.set_redirect_url(CALLBACK.parse().expect("a constant"));
        fake.add_seller(SELLER, "Suite Ltd", &["DE", "FR", "JP"]);
        fake.rules(|rules| {
            // The suite lets hours pass between calls with one token.
            rules.access_token_life = SignedDuration::from_hours(12);
            rules.page_cap = if by_report { REPORT_PAGE_SIZE } else { PAGE_SIZE };
            rules.tells_more_than_there_are = by_report;
            // Other character sets have no letters for some of the suite's SKUs.
            rules.report_content_type = Some("text/plain; charset=UTF-8");
        });
        let seed = |number: usize| Seed {
            sku: format!("suite-{number:03}"),
            title: Some(format!("Thing {number}")),
            price: Some(format!("{}{}", number + 5, if country == "JP" { "" } else { ".50" })),
            stock: Some(number as i64 * 3 + 1),
            ..Seed::default()
        };
        let seeds: Vec<_> = (0..listings).map(seed).collect();
        fake.seed_items(SELLER, country, &seeds).expect("the seller is there");
        let issued = fake.grant_tokens(SELLER, SignedDuration::from_hours(24));
        let channel = build(&fake, country, &clock, &json!({}));
        Self { fake, country, clock, channel, issued }
    }

    fn attributes(&self, sku: &Sku) -> Map<String, Value> {
        let items = self.fake.items(SELLER, self.country);
        let item = items.into_iter().find(|item| item["sku"] == sku.as_str()).unwrap_or_default();
        item["attributes"].as_object().cloned().unwrap_or_default()
    }

    fn set(&self, sku: &Sku, values: &Values) {
        let seed = Seed {
            sku: sku.as_str().to_owned(),
            title: values.title.clone(),
            price: values.price.map(|price| price.amount.to_string()),
            stock: values.stock,
            ..Seed::default()
        };
        self.fake.set_item(SELLER, self.country, seed).expect("the seller is there");
    }

    fn decide(&self, link: &Url, seller: Option<&str>) -> Vec<(String, String)> {
        let back = self.fake.consent(link, seller).expect("the link is the channel's own");
        back.query_pairs().into_owned().collect()
    }
}

/// The shop's channel, with these attributes in its mapping.
fn build(fake: &FakeAmazon, country: &str, clock: &Clock, attributes: &Value) -> Arc<dyn Channel> {
    let settings = ShopSettings {
        shop: Shop {
            id: "suite".parse().expect("a constant"),
            channel: super::super::NAME.into(),
            name: "Suite".to_owned(),
        },
        own: json!({"marketplace": country, "mapping": {
            "category": "SHIRT", "brand": "Suite", "attributes": attributes,
            "raw": {"supplier_declared_has_product_identifier_exemption": [{"value": true}]},
        }})
        .as_object()
        .cloned()
        .unwrap_or_default(),
        channel: fake.app_settings(),
        client_secret: Some(Secret::new(APP_SECRET)),
        secrets: BTreeMap::new(),
        warehouse: None,
        folder: "/etc/shopsyncd".into(),
        callback: CALLBACK.parse().expect("a constant"),
    };
    let tools = Tools { http: Http::new(clock.clone()), clock: clock.clone() };
    (DEF.build)(&settings, &tools).expect("these settings are in order")
}

#[async_trait]
impl World for AmazonWorld {
    fn channel(&self) -> Arc<dyn Channel> {
        self.channel.clone()
    }

    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn access(&self) -> Access {
        let place = json!({"seller_id": SELLER, "marketplace_id": "A1PA6795UKMFR9", "region": "eu"});
        Access { token: Some(Secret::new(&self.issued.access_token)), place }
    }

    fn secrets(&self) -> Vec<String> {
        vec![APP_SECRET.to_owned(), self.issued.access_token.clone(), self.issued.refresh_token.clone()]
    }

    async fn actual(&self) -> BTreeMap<Sku, Actual> {
        let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let actual = |item: &Value| {
            let price: Option<Decimal> = text(item, "price").parse().ok();
            let actual = Actual {
                // Whoever is off sale has no price.
                price: Price {
                    amount: price.unwrap_or_default(),
                    currency: if self.country == "JP" { "JPY" } else { "EUR" }.parse().expect("constants"),
                },
                stock: item["stock"].as_i64().expect("the suite's items are the seller's to ship"),
                title: text(item, "title"),
                on_sale: price.is_some(),
            };
            (text(item, "sku").parse().expect("the suite's SKUs are valid"), actual)
        };
        self.fake.items(SELLER, self.country).iter().map(actual).collect()
    }

    async fn images_of(&self, sku: &Sku) -> Vec<String> {
        let attributes = self.attributes(sku);
        let image = |number| {
            let value = attributes.get(&locator(number))?.pointer("/0/media_location")?;
            value.as_str().map(str::to_owned)
        };
        (0..9).filter_map(image).collect()
    }

    fn attribute_words(&self) -> [(&'static str, [&'static str; 2]); 2] {
        [("material", ["Cotton", "Wool"]), ("style", ["Plain", "Striped"])]
    }

    async fn attributes_of(&self, sku: &Sku) -> BTreeMap<String, String> {
        let text = |value: &Value| value.pointer("/0/value").and_then(Value::as_str).map(str::to_owned);
        self.attributes(sku).into_iter().filter_map(|(name, value)| Some((name, text(&value)?))).collect()
    }

    async fn set_attribute(&self, sku: &Sku, name: &str, value: &str) {
        let attributes =
            Map::from_iter([(name.to_owned(), json!([{"value": value, "marketplace_id": "A1PA6795UKMFR9"}]))]);
        let seed = Seed { sku: sku.as_str().to_owned(), attributes, ..Seed::default() };
        self.fake.set_item(SELLER, self.country, seed).expect("the seller is there");
    }

    fn mapping(&self, attributes: &[(&str, &str)]) -> Arc<dyn Channel> {
        let attributes: Map<String, Value> =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        build(&self.fake, self.country, &self.clock, &Value::Object(attributes))
    }

    async fn alter(&self, sku: &Sku, values: &Values) {
        self.set(sku, values);
    }

    async fn add(&self, sku: &Sku, values: &Values) {
        self.set(sku, values);
    }

    async fn delete(&self, sku: &Sku) {
        self.fake.delete_item(SELLER, self.country, sku.as_str());
    }

    async fn refuse(&self, sku: &Sku) {
        self.fake.refuse_item(SELLER, self.country, sku.as_str(), "Restricted Products Policy Violation");
    }

    async fn break_down(&self, fault: Option<Fault>) {
        self.fake.break_down(fault.map(Mishap::from));
        if fault.is_none() {
            // Mended also means: the pause that was asked for is over.
            self.clock.advance(SignedDuration::from_mins(2));
        }
    }

    fn owner(&self) -> Option<&dyn Owner> {
        Some(self)
    }

    fn violations(&self) -> u32 {
        u32::try_from(self.fake.stats().rate_violations).unwrap_or(u32::MAX)
    }

    async fn loop_pages(&self) {
        self.fake.rules(|rules| rules.loops_token = true);
    }
}

#[async_trait]
impl Owner for AmazonWorld {
    async fn agree(&self, link: &Url) -> Vec<(String, String)> {
        self.decide(link, Some(SELLER))
    }

    async fn decline(&self, link: &Url) -> Vec<(String, String)> {
        self.decide(link, None)
    }

    async fn expire_access_token(&self) {
        self.fake.expire_access_tokens(SELLER);
    }

    async fn end_authorization(&self) {
        self.fake.revoke(SELLER);
    }

    fn tokens(&self) -> Tokens {
        Tokens {
            access_token: Secret::new(&self.issued.access_token),
            refresh_token: Some(Secret::new(&self.issued.refresh_token)),
        }
    }

    fn account(&self) -> String {
        SELLER.to_owned()
    }
}
