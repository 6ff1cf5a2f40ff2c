//! The channel against the pretend marketplace, in what the suite of all channels does not ask.
#![expect(clippy::unwrap_used, reason = "tests")]

mod exporting;
mod feeding;
mod importing;
mod permission;
mod pretend;
mod remembering;
mod settings;
mod starting;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    DEF,
    fake::{APP_SECRET, FakeAmazon, Issued, Mishap, Seed},
};
use crate::{
    channels::{Access, Callback, Channel, ChannelError, Grant, ShopSettings, Tokens, Tools},
    clock::Clock,
    domain::{Failure, Shop},
    http::Http,
    secrets::Secret,
};

const SELLER: &str = "A3TH9S8BH6GOGM";
const OTHER: &str = "A1OTHERSELLER2";
const CALLBACK: &str = "https://shops.example.com/oauth/amazon/callback";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

struct Scene {
    fake: FakeAmazon,
    clock: Clock,
    /// One client for the whole scene, as a daemon has it.
    tools: Tools,
    own: Value,
    app: Map<String, Value>,
    secret: Option<String>,
}

impl Scene {
    fn new() -> Self {
        let clock = Clock::manual("2026-06-01T12:00:00Z".parse().unwrap());
        let fake = FakeAmazon::new(clock.clone()).unwrap();
        fake.set_redirect_url(CALLBACK.parse().unwrap());
        fake.set_login_url("https://shops.example.com/oauth/amazon/start".parse().unwrap());
        fake.add_seller(SELLER, "Seller Ltd", &["DE", "FR"]);
        fake.add_seller(OTHER, "Other Ltd", &["DE"]);
        let app = fake.app_settings();
        let tools = tools(&clock);
        Self { fake, clock, tools, own: json!({"marketplace": "DE"}), app, secret: Some(APP_SECRET.to_owned()) }
    }

    fn channel(&self) -> std::sync::Arc<dyn Channel> {
        let mut settings = settings(&self.own, self.app.clone());
        settings.client_secret = self.secret.as_ref().map(Secret::new);
        (DEF.build)(&settings, &self.tools).unwrap()
    }

    fn issue(&self) -> Issued {
        self.fake.grant_tokens(SELLER, HOUR)
    }

    fn access(&self) -> Access {
        access(&self.issue())
    }

    /// What comes back when a seller agrees.
    fn agree(&self, seller: &str) -> Callback {
        let channel = self.channel();
        let consent = channel.consent().unwrap();
        let back = self.fake.consent(&consent.link("s1"), Some(seller)).unwrap();
        consent.read_callback(&pairs(&back)).unwrap()
    }

    async fn refresh(&self, issued: &Issued) -> Result<Grant, ChannelError> {
        self.channel().consent().unwrap().refresh(&tokens(issued), SELLER).await
    }
}

fn tokens(issued: &Issued) -> Tokens {
    Tokens { access_token: Secret::new(&issued.access_token), refresh_token: Some(Secret::new(&issued.refresh_token)) }
}

fn access(issued: &Issued) -> Access {
    Access { token: Some(Secret::new(&issued.access_token)), place: json!({"seller_id": issued.seller}) }
}

fn pairs(url: &url::Url) -> Vec<(String, String)> {
    url.query_pairs().into_owned().collect()
}

fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
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
