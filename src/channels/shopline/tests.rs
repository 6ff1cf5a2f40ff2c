//! The channel against the pretend platforms, in what the suite of all channels does not ask.
#![expect(clippy::unwrap_used, reason = "tests")]

mod asia;
mod exporting;
mod global;
mod images;
mod importing;
mod on_sale;
mod settings;
mod webhooks;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    DEF,
    fake::{APP_SECRET, ASIA_APP_SECRET, FakeShopline, Issued, Mishap},
};
use crate::{
    channels::{Access, Callback, Channel, ChannelError, Grant, ShopSettings, Tokens, Tools},
    clock::Clock,
    domain::{Failure, Shop},
    http::Http,
    secrets::Secret,
};

const CALLBACK: &str = "http://127.0.0.1:8420/oauth/shopline/callback";
const STORE: &str = "1672369729606";
const MERCHANT: &str = "5f0bda5e4e5fca0010c81fef";
/// Another merchant of Asia.
const STRANGER: &str = "5f0bda5e4e5fca0010c81ff0";
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A store of Global called `teststore`, a shop of Asia of the same name, and strangers.
struct Scene {
    fake: FakeShopline,
    clock: Clock,
    /// As the channel knows it.
    channels_clock: Clock,
    /// Of both apps: Global's and Asia's.
    app_secrets: [Option<Secret>; 2],
    warehouse: Option<String>,
    locale: Option<&'static str>,
}

impl Scene {
    fn new() -> Self {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().unwrap());
        let fake = FakeShopline::new(clock.clone()).unwrap();
        fake.set_redirect_url(CALLBACK.parse().unwrap());
        fake.add_global("teststore", STORE, "Test Store");
        fake.add_asia("teststore", MERCHANT, "Test Shop");
        fake.add_global("stranger", "1672369729607", "Stranger");
        fake.add_asia("stranger", STRANGER, "Stranger");
        Self { fake, channels_clock: clock.clone(), clock, app_secrets: app_secrets(), warehouse: None, locale: None }
    }

    fn channel(&self, platform: &str) -> Arc<dyn Channel> {
        let own = json!({"platform": platform, "handle": "teststore"});
        let mut settings = settings(&own, self.fake.app_settings());
        settings.warehouse.clone_from(&self.warehouse);
        settings.own.extend(self.locale.map(|locale| ("locale".to_owned(), json!(locale))));
        let [of_global, of_asia] = self.app_secrets.clone();
        settings.client_secret = of_global;
        settings.secrets.insert("asia_client_secret".to_owned(), of_asia);
        (DEF.build)(&settings, &tools(&self.channels_clock)).unwrap()
    }

    /// What calls need, with a token that works.
    fn access(&self, account: &str) -> Access {
        let issued = self.fake.grant_tokens(account).unwrap();
        Access { token: Some(Secret::new(issued.access_token)), place: Value::Null }
    }

    /// What the browser of an account's owner brings back.
    fn agreed(&self, platform: &str, account: &str) -> Vec<(String, String)> {
        let link = self.channel(platform).consent().unwrap().link("s1");
        let back = self.fake.consent(&link, Some(account)).unwrap();
        back.query_pairs().into_owned().collect()
    }

    fn callback(&self, platform: &str, account: &str) -> Callback {
        self.channel(platform).consent().unwrap().read_callback(&self.agreed(platform, account)).unwrap()
    }

    async fn exchange(&self, platform: &str, account: &str) -> Grant {
        let callback = self.callback(platform, account);
        self.channel(platform).consent().unwrap().exchange(&callback).await.unwrap().remove(0)
    }

    async fn refresh(&self, platform: &str, tokens: &Tokens, account: &str) -> Result<Grant, ChannelError> {
        self.channel(platform).consent().unwrap().refresh(tokens, account).await
    }

    async fn probe(&self, platform: &str, token: &Secret) -> Result<Option<String>, ChannelError> {
        let access = Access { token: Some(token.clone()), place: Value::Null };
        self.channel(platform).probe(&access).await.map(|status| status.name)
    }
}

fn app_secrets() -> [Option<Secret>; 2] {
    [APP_SECRET, ASIA_APP_SECRET].map(|secret| Some(Secret::new(secret)))
}

fn settings(own: &Value, channel: Map<String, Value>) -> ShopSettings {
    ShopSettings {
        shop: Shop { id: "shop".parse().unwrap(), channel: super::NAME.into(), name: "Shop".into() },
        own: own.as_object().cloned().unwrap(),
        channel,
        client_secret: Some(Secret::new(APP_SECRET)),
        secrets: std::collections::BTreeMap::new(),
        warehouse: None,
        folder: "/etc/shopsyncd".into(),
        callback: CALLBACK.parse().unwrap(),
    }
}

fn tools(clock: &Clock) -> Tools {
    Tools { http: Http::new(clock.clone()), clock: clock.clone() }
}

fn tokens(issued: &Issued) -> Tokens {
    Tokens {
        access_token: Secret::new(&issued.access_token),
        refresh_token: issued.refresh_token.as_ref().map(Secret::new),
    }
}

/// Channels by themselves, for tests of what they read.
pub(super) mod made {
    use super::*;
    use crate::channels::{
        reader::Reader,
        shopline::{Platform, asia::Asia, global::Global, store},
    };

    pub(in super::super) fn global() -> Global {
        Global(of(Platform::Global))
    }

    pub(in super::super) fn asia() -> Asia {
        Asia(of(Platform::Asia))
    }

    fn of(platform: Platform) -> crate::channels::shopline::Store {
        let app = json!({"client_id": "k"}).as_object().cloned().unwrap();
        let settings = settings(&json!({}), app);
        let mut reader = Reader::new(&settings, "the app's page");
        store(&mut reader, platform, "teststore", &tools(&Clock::manual(Timestamp::UNIX_EPOCH)))
    }
}

fn handed_in(issued: &Issued, account: &str) -> Grant {
    Grant {
        tokens: tokens(issued),
        account: account.to_owned(),
        account_name: None,
        access_token_ends_at: issued.access_token_ends_at,
        refresh_token_ends_at: None,
        ends: None,
    }
}

fn closed(error: &ChannelError) -> bool {
    matches!(error.failure, Failure::ShopClosed { .. })
}

fn ended(error: &ChannelError) -> bool {
    matches!(error.failure, Failure::AuthorizationEnded { .. })
}

fn app_refused(error: &ChannelError) -> bool {
    matches!(error.failure, Failure::AppCredentialRejected { .. })
}
