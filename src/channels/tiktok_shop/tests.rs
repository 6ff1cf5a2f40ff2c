//! The channel against the pretend marketplace, in what the suite of all channels does not ask.
#![expect(clippy::unwrap_used, reason = "tests")]

mod creating;
mod editing;
mod exporting;
mod importing;
mod permission;
mod webhooks;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    DEF,
    fake::{APP_SECRET, FakeTikTok, Issued, Mishap, Seed},
};
use crate::{
    channels::{Access, Channel, ChannelError, From, Grant, Page, PushResult, ShopSettings, Tokens, Tools},
    clock::Clock,
    domain::{Complaint, Failure, Field, Listing, ListingStatus, PassKind, Shop, Values, plan::Change},
    http::Http,
    secrets::Secret,
};

const SELLER: &str = "seller-1";
const SHOP: &str = "7494049642642441621";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

struct Scene {
    fake: FakeTikTok,
    clock: Clock,
    warehouse: Option<&'static str>,
    own: Value,
}

impl Scene {
    fn with_warehouses(warehouses: &[&str]) -> Self {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().unwrap());
        let fake = FakeTikTok::new(clock.clone()).unwrap();
        fake.set_redirect_url("http://127.0.0.1:1/callback".parse().unwrap());
        fake.add_seller(SELLER, "Seller", "GB");
        fake.add_shop_with(SELLER, SHOP, "Shop", "GB", warehouses);
        Self { fake, clock, warehouse: None, own: json!({"shop_id": SHOP}) }
    }

    fn new() -> Self {
        Self::with_warehouses(&["W1"])
    }

    fn seeded(seeds: &[Seed]) -> Self {
        let scene = Self::new();
        scene.fake.seed_products(SHOP, seeds).unwrap();
        scene
    }

    fn channel(&self) -> std::sync::Arc<dyn Channel> {
        let settings = settings(&self.own, self.fake.app_settings(), self.warehouse);
        (DEF.build)(&settings, &tools(&self.clock)).unwrap()
    }

    fn issue(&self) -> Issued {
        self.fake.grant_tokens(SELLER, HOUR, HOUR * 24 * 300)
    }

    fn grant(&self) -> Grant {
        let issued = self.issue();
        Grant {
            tokens: permission::tokens(&issued),
            account: issued.open_id,
            account_name: None,
            access_token_ends_at: issued.access_token_ends_at,
            refresh_token_ends_at: Some(issued.ends_at),
            ends: None,
        }
    }

    async fn access(&self) -> Access {
        let channel = self.channel();
        let grant = self.grant();
        let places = channel.consent().unwrap().identify(&grant).await.unwrap().places;
        let place = places.into_iter().find(|place| place.id == channel.place()).unwrap();
        Access { token: Some(grant.tokens.access_token), place: place.data }
    }

    async fn pages(&self, kind: PassKind) -> Vec<Page> {
        let (channel, access) = (self.channel(), self.access().await);
        let mut from = From { kind, cursor: None, first: true };
        let mut pages = Vec::new();
        loop {
            let page = channel.pull(&access, &from).await.unwrap();
            let next = page.next.clone();
            pages.push(page);
            let Some(cursor) = next else { return pages };
            from = From { kind, cursor: Some(cursor), first: false };
        }
    }

    async fn read(&self) -> (Vec<Listing>, Vec<Complaint>) {
        let pages = self.pages(PassKind::Full).await;
        pages.into_iter().fold(Default::default(), |(mut listings, mut complaints): (Vec<_>, Vec<_>), page| {
            listings.extend(page.listings);
            complaints.extend(page.complaints);
            (listings, complaints)
        })
    }

    async fn push(&self, changes: &[Change]) -> Vec<PushResult> {
        self.channel().push(&self.access().await, changes).await.unwrap()
    }

    /// SKU and stock by warehouse, as the shop really has it.
    fn inventory(&self) -> Vec<(String, Value)> {
        let listings = self.fake.listings(SHOP);
        listings
            .iter()
            .map(|listing| (listing["sku"].as_str().unwrap().to_owned(), listing["inventory"].clone()))
            .collect()
    }
}

fn settings(own: &Value, channel: Map<String, Value>, warehouse: Option<&str>) -> ShopSettings {
    ShopSettings {
        shop: Shop { id: "shop".parse().unwrap(), channel: super::NAME.into(), name: "Shop".into() },
        own: own.as_object().cloned().unwrap(),
        channel,
        client_secret: Some(Secret::new(APP_SECRET)),
        secrets: std::collections::BTreeMap::new(),
        warehouse: warehouse.map(str::to_owned),
        folder: "/etc/shopsyncd".into(),
        callback: "http://127.0.0.1:8420/oauth/tiktok_shop/callback".parse().unwrap(),
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
