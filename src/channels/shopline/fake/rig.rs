//! The pretend platforms as the suite of all channels wants them: each in worlds of its own.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Value, json};
use url::Url;

use super::{APP_SECRET, ASIA_APP_SECRET, FakeShopline, Issued, Mishap};
use crate::{
    channels::{
        Access, Channel, ShopSettings, Tokens, Tools,
        conformance::{Fault, Owner, Rig, World},
        shopline::{DEF, NAME, Platform},
    },
    clock::Clock,
    domain::Shop,
    http::Http,
    secrets::Secret,
};

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
    async fn start(&self, _listings: usize) -> Box<dyn World> {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().expect("a constant"));
        Box::new(ShoplineWorld::start(self.platform, clock))
    }

    fn page_size(&self) -> usize {
        1
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
    fn start(platform: Platform, clock: Clock) -> Self {
        let fake = FakeShopline::new(clock.clone()).expect("loopback has free ports");
        fake.set_redirect_url(CALLBACK.parse().expect("a constant"));
        let account = match platform {
            Platform::Global => "1672369729606",
            Platform::Asia => "5f0bda5e4e5fca0010c81fef",
        };
        fake.add(platform, HANDLE, account, "Suite Store");
        fake.add(platform, "another", "1672369729607", "Another");
        let settings = ShopSettings {
            shop: Shop { id: "suite".parse().expect("a constant"), channel: NAME.into(), name: "Suite".to_owned() },
            own: json!({"platform": platform.as_str(), "handle": HANDLE}).as_object().cloned().unwrap_or_default(),
            channel: fake.app_settings(),
            client_secret: Some(Secret::new(APP_SECRET)),
            secrets: [("asia_client_secret".to_owned(), Some(Secret::new(ASIA_APP_SECRET)))].into(),
            warehouse: None,
            folder: "/etc/shopsyncd".into(),
            callback: CALLBACK.parse().expect("a constant"),
        };
        let tools = Tools { http: Http::new(clock.clone()), clock: clock.clone() };
        let channel = (DEF.build)(&settings, &tools).expect("these settings are in order");
        let issued = fake.grant_tokens(account).expect("the store is there");
        Self { fake, clock, channel, account, issued }
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
