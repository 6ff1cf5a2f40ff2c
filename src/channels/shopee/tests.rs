//! The channel against the pretend marketplace, in what the suite of all channels does not ask.
#![expect(clippy::unwrap_used, reason = "tests")]

mod consenting;
mod renewing;
mod settings;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    DEF, NAME,
    fake::{FakeShopee, Issued, Mishap, PARTNER_KEY},
};
use crate::{
    channels::{Access, Callback, Channel, ChannelError, Grant, ShopSettings, Tokens, Tools},
    clock::Clock,
    domain::{Failure, Shop},
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
        Self { fake, clock, own: json!({"shop_id": ACCOUNT}), app, key: PARTNER_KEY }
    }

    fn channel(&self) -> Arc<dyn Channel> {
        self.channel_at(&self.clock)
    }

    /// The channel by a clock of its own.
    fn channel_at(&self, clock: &Clock) -> Arc<dyn Channel> {
        (DEF.build)(&shop_settings(&self.own, &self.app, Some(self.key)), &tools(clock)).unwrap()
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
        secrets: std::collections::BTreeMap::new(),
        warehouse: None,
        folder: "/etc/shopsyncd".into(),
        callback: CALLBACK.parse().unwrap(),
    }
}

fn tools(clock: &Clock) -> Tools {
    Tools { http: Http::new(clock.clone()), clock: clock.clone() }
}
