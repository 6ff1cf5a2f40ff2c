//! The channel against the pretend marketplace, in what the suite of all channels does not ask.
#![expect(clippy::unwrap_used, reason = "tests")]

mod consenting;
mod creating;
mod exporting;
mod importing;
mod remembered;
mod renewing;
mod settings;

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    DEF, NAME,
    fake::{FakeShopee, Issued, ListOrder, Mishap, PARTNER_KEY, Seed},
};
use crate::{
    channels::{Access, Callback, Channel, ChannelError, From, Grant, PushResult, ShopSettings, Tokens, Tools},
    clock::Clock,
    domain::{Complaint, Failure, Field, Listing, PassKind, Price, Shop, Values, plan::Change},
    http::Http,
    secrets::Secret,
};

const SHOP: u64 = 14_701_711;
const ACCOUNT: &str = "14701711";
/// A main account with two more shops.
const MAIN: u64 = 501;
const SECOND: u64 = 22;
const THIRD: u64 = 33;
const CALLBACK: &str = "http://127.0.0.1:1/oauth/shopee/callback";
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

struct Scene {
    fake: FakeShopee,
    clock: Clock,
    own: Value,
    app: Map<String, Value>,
    key: &'static str,
    warehouse: Option<&'static str>,
}

impl Scene {
    fn new() -> Self {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().unwrap());
        let fake = FakeShopee::new(clock.clone()).unwrap();
        fake.set_redirect_url(CALLBACK.parse().unwrap());
        fake.add_shop(SHOP, "Tee & Co", "SG");
        fake.add_shop_of(MAIN, SECOND, "Second", "MY");
        fake.add_shop_of(MAIN, THIRD, "Third", "TH");
        let app = fake.app_settings();
        Self { fake, clock, own: json!({"shop_id": ACCOUNT}), app, key: PARTNER_KEY, warehouse: None }
    }

    fn with_locations(locations: &[&str]) -> Self {
        let scene = Self::new();
        scene.fake.add_shop_with(SHOP, "Tee & Co", "SG", locations);
        scene
    }

    /// A shop with these items, which have been there for an hour.
    fn seeded(seeds: &[Seed]) -> Self {
        let scene = Self::new();
        scene.fake.seed_items(SHOP, seeds).unwrap();
        scene.clock.advance(HOUR);
        scene
    }

    /// A complete pass: listings, complaints, remarks.
    async fn read(&self) -> (Vec<Listing>, Vec<Complaint>, Vec<Complaint>) {
        let (channel, tokens) = (self.channel(), self.issue());
        let mut from = From { kind: PassKind::Full, cursor: None, first: true };
        let mut read = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let page = channel.pull(&access(&tokens), &from).await.unwrap();
            read.0.extend(page.listings);
            read.1.extend(page.complaints);
            read.2.extend(page.remarks);
            let Some(cursor) = page.next else { return read };
            from = From { kind: PassKind::Full, cursor: Some(cursor), first: false };
        }
    }

    async fn read_by_sku(&self) -> (BTreeMap<String, Listing>, Vec<Complaint>) {
        let (listings, complaints, _) = self.read().await;
        (listings.into_iter().map(|listing| (listing.sku.to_string(), listing)).collect(), complaints)
    }

    async fn push(&self, changes: &[Change]) -> Vec<PushResult> {
        self.channel().push(&access(&self.issue()), changes).await.unwrap()
    }

    fn channel(&self) -> Arc<dyn Channel> {
        self.channel_at(&self.clock)
    }

    /// The channel by a clock of its own.
    fn channel_at(&self, clock: &Clock) -> Arc<dyn Channel> {
        let mut settings = shop_settings(&self.own, &self.app, Some(self.key));
        settings.warehouse = self.warehouse.map(str::to_owned);
        (DEF.build)(&settings, &tools(clock)).unwrap()
    }

    fn issue(&self) -> Tokens {
        tokens(&self.fake.grant_tokens(SHOP, HOUR, DAY * 300))
    }

    /// The owner opens the link, agrees, and the callback is read.
    fn callback(&self, account: u64) -> Callback {
        let channel = self.channel();
        let consent = channel.consent().unwrap();
        let back = self.fake.consent(&consent.link("s1"), Some(account)).unwrap();
        consent.read_callback(&back.query_pairs().into_owned().collect::<Vec<_>>()).unwrap()
    }

    async fn exchange(&self, account: u64) -> Vec<Grant> {
        self.channel().consent().unwrap().exchange(&self.callback(account)).await.unwrap()
    }

    async fn refresh(&self, spent: &Tokens) -> Result<Grant, ChannelError> {
        self.channel().consent().unwrap().refresh(spent, ACCOUNT).await
    }

    async fn probe(&self, tokens: &Tokens) -> Result<crate::channels::ShopStatus, ChannelError> {
        self.channel().probe(&access(tokens)).await
    }
}

fn access(tokens: &Tokens) -> Access {
    Access { token: Some(tokens.access_token.clone()), place: Value::Null }
}

fn tokens(issued: &Issued) -> Tokens {
    Tokens { access_token: Secret::new(&issued.access_token), refresh_token: Some(Secret::new(&issued.refresh_token)) }
}

fn shop_settings(own: &Value, app: &Map<String, Value>, key: Option<&str>) -> ShopSettings {
    ShopSettings {
        shop: Shop { id: "shop".parse().unwrap(), channel: NAME.into(), name: "Shop".into() },
        own: own.as_object().cloned().unwrap(),
        channel: app.clone(),
        client_secret: key.map(Secret::new),
        secrets: BTreeMap::new(),
        warehouse: None,
        folder: "/etc/shopsyncd".into(),
        callback: CALLBACK.parse().unwrap(),
    }
}

fn tools(clock: &Clock) -> Tools {
    Tools { http: Http::new(clock.clone()), clock: clock.clone() }
}

fn seed(sku: &str) -> Seed {
    Seed { sku: sku.into(), price: "19.90".into(), stock: Some(5), ..Seed::default() }
}

fn of_product(product: &str, sku: &str) -> Seed {
    Seed { product: product.into(), ..seed(sku) }
}

fn stock(listing: &Listing, pieces: i64) -> Change {
    Change {
        sku: listing.sku.clone(),
        listing: Some(listing.clone()),
        product: None,
        siblings: Vec::new(),
        wanted: Values { stock: Some(pieces), ..Values::default() },
        fields: vec![Field::Stock],
    }
}

fn price(listing: &Listing, amount: &str) -> Change {
    let price = Price { amount: amount.parse().unwrap(), currency: "SGD".parse().unwrap() };
    Change {
        wanted: Values { price: Some(price), ..Values::default() },
        fields: vec![Field::Price],
        ..stock(listing, 0)
    }
}

fn retire(listing: &Listing) -> Change {
    let wanted = Values { retired: true, dropped: true, ..Values::default() };
    Change { wanted, fields: Vec::new(), ..stock(listing, 0) }
}

fn refused(result: &PushResult) -> &Complaint {
    match result {
        PushResult::Refused(complaint) => complaint,
        other => panic!("not refused: {other:?}"),
    }
}

fn done(result: &PushResult) -> &Listing {
    match result {
        PushResult::Done { listing, .. } => listing,
        other => panic!("not done: {other:?}"),
    }
}
