//! The pretend marketplace as the suite of all channels wants it.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::json;
use url::Url;

use super::{APP_SECRET, FakeAmazon, Issued, Mishap};
use crate::{
    channels::{
        Access, Channel, ShopSettings, Tokens, Tools,
        amazon::DEF,
        conformance::{Fault, Owner, Rig, World},
    },
    clock::Clock,
    domain::Shop,
    http::Http,
    secrets::Secret,
};

const SELLER: &str = "A3TH9S8BH6GOGM";
const CALLBACK: &str = "http://127.0.0.1:8420/oauth/amazon/callback";

/// Starts pretend worlds of Amazon.
pub fn rig() -> Box<dyn Rig> {
    Box::new(AmazonRig)
}

struct AmazonRig;

#[async_trait]
impl Rig for AmazonRig {
    async fn start(&self, _listings: usize) -> Box<dyn World> {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().expect("a constant"));
        Box::new(AmazonWorld::start(clock))
    }

    fn page_size(&self) -> usize {
        1
    }

    fn rotates(&self) -> bool {
        false
    }
}

struct AmazonWorld {
    fake: FakeAmazon,
    clock: Clock,
    channel: Arc<dyn Channel>,
    issued: Issued,
}

impl AmazonWorld {
    fn start(clock: Clock) -> Self {
        let fake = FakeAmazon::new(clock.clone()).expect("loopback has free ports");
        fake.set_redirect_url(CALLBACK.parse().expect("a constant"));
        fake.add_seller(SELLER, "Suite Ltd", &["DE", "FR"]);
        let issued = fake.grant_tokens(SELLER, SignedDuration::from_hours(24));
        let settings = ShopSettings {
            shop: Shop {
                id: "suite".parse().expect("a constant"),
                channel: super::super::NAME.into(),
                name: "Suite".to_owned(),
            },
            own: json!({"marketplace": "DE"}).as_object().cloned().unwrap_or_default(),
            channel: fake.app_settings(),
            client_secret: Some(Secret::new(APP_SECRET)),
            secrets: std::collections::BTreeMap::new(),
            warehouse: None,
            folder: "/etc/shopsyncd".into(),
            callback: CALLBACK.parse().expect("a constant"),
        };
        let tools = Tools { http: Http::new(clock.clone()), clock: clock.clone() };
        let channel = (DEF.build)(&settings, &tools).expect("these settings are in order");
        Self { fake, clock, channel, issued }
    }

    fn decide(&self, link: &Url, seller: Option<&str>) -> Vec<(String, String)> {
        let back = self.fake.consent(link, seller).expect("the link is the channel's own");
        back.query_pairs().into_owned().collect()
    }
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

    async fn break_down(&self, fault: Option<Fault>) {
        self.fake.break_down(fault.map(|fault| match fault {
            Fault::Throttled { retry_after } => Mishap::Throttled { retry_after },
            Fault::ServerError => Mishap::ServerError,
            Fault::CutOff => Mishap::CutOff,
            Fault::UnknownField => Mishap::UnknownField,
        }));
        if fault.is_none() {
            // Mended also means: the pause that was asked for is over.
            self.clock.advance(SignedDuration::from_mins(2));
        }
    }

    fn owner(&self) -> Option<&dyn Owner> {
        Some(self)
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
