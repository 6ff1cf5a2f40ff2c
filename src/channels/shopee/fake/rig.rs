//! The pretend marketplace as the suite of all channels wants it.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Value, json};
use url::Url;

use super::{FakeShopee, Mishap, PARTNER_KEY};
use crate::{
    channels::{
        Access, Channel, ShopSettings, Tokens, Tools,
        conformance::{Fault, Owner, Rig, World},
        shopee::{DEF, NAME},
    },
    clock::Clock,
    domain::Shop,
    http::Http,
    secrets::Secret,
};

const SHOP_ID: u64 = 14_701_711;
const CALLBACK: &str = "http://127.0.0.1:8420/oauth/shopee/callback";

/// Starts pretend worlds of Shopee.
pub fn rig() -> Box<dyn Rig> {
    Box::new(ShopeeRig)
}

struct ShopeeRig;

#[async_trait]
impl Rig for ShopeeRig {
    async fn start(&self, _listings: usize) -> Box<dyn World> {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().expect("a constant"));
        Box::new(ShopeeWorld::start(clock))
    }

    fn page_size(&self) -> usize {
        1
    }
}

struct ShopeeWorld {
    fake: FakeShopee,
    clock: Clock,
    channel: Arc<dyn Channel>,
    tokens: Tokens,
}

impl ShopeeWorld {
    fn start(clock: Clock) -> Self {
        let fake = FakeShopee::new(clock.clone()).expect("loopback has free ports");
        fake.set_redirect_url(CALLBACK.parse().expect("a constant"));
        fake.add_shop(SHOP_ID, "Suite SG", "SG");
        let day = SignedDuration::from_hours(24);
        let issued = fake.grant_tokens(SHOP_ID, day, day * 365);
        let tokens = Tokens {
            access_token: Secret::new(issued.access_token),
            refresh_token: Some(Secret::new(issued.refresh_token)),
        };
        let settings = ShopSettings {
            shop: Shop { id: "suite".parse().expect("a constant"), channel: NAME.into(), name: "Suite".to_owned() },
            own: json!({"shop_id": SHOP_ID.to_string(), "region": "SG"}).as_object().cloned().unwrap_or_default(),
            channel: fake.app_settings(),
            client_secret: Some(Secret::new(PARTNER_KEY)),
            secrets: std::collections::BTreeMap::new(),
            warehouse: None,
            folder: "/etc/shopsyncd".into(),
            callback: CALLBACK.parse().expect("a constant"),
        };
        let tools = Tools { http: Http::new(clock.clone()), clock: clock.clone() };
        let channel = (DEF.build)(&settings, &tools).expect("these settings are in order");
        Self { fake, clock, channel, tokens }
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

    async fn break_down(&self, fault: Option<Fault>) {
        self.fake.break_down(fault.map(|fault| match fault {
            Fault::Throttled { retry_after } => Mishap::Throttled { retry_after },
            Fault::ServerError => Mishap::ServerError,
            Fault::CutOff => Mishap::CutOff,
            Fault::UnknownField => Mishap::UnknownField,
        }));
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
