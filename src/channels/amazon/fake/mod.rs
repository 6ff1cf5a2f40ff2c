//! A pretend Amazon on loopback: Seller Central, Login with Amazon and the Sellers API, with state, on a clock that is handed in.
//!
//! It behaves as the vendor's pages and models say, down to the error bodies, and counts what a well-behaved app never does. Where
//! the pages are silent it picks one behaviour and has a switch in [`Rules`] for the other. Rate limits go by the handed-in clock:
//! they are about minutes. It stands for one region, trusts whoever can reach it and listens on loopback only.

mod api;
mod central;
mod control;
mod documents;
mod items;
mod journal;
mod listings;
mod rig;
mod search;
mod seeds;
mod state;
mod tokens;
mod works;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    extract::DefaultBodyLimit,
    http::{HeaderValue, StatusCode},
    response::Response,
};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use url::Url;

pub use self::journal::{Exchange, Journal};
pub use self::rig::{by_report, rig, rig_with};
pub use self::seeds::Seed;
pub use self::state::{Issued, Rules, Stats};
use self::state::{Seller, Taking, World};
pub use crate::channels::fake::Mishap;
use crate::channels::fake::{Query, get, read_query};
use crate::{
    channels::{
        amazon::marketplaces,
        fake::{Server, answer},
    },
    clock::Clock,
    secrets::random_text,
};

/// The client id of the app that the pretend marketplace knows.
pub const CLIENT_ID: &str = "amzn1.application-oa2-client.0a1b2c3d4e5f";
/// Its first secret.
pub const APP_SECRET: &str = "amzn1.oa2-cs.v1.fake-app-secret-0001";
/// Its application id.
pub const APPLICATION_ID: &str = "amzn1.sp.solution.0a1b2c3d-1111-2222-3333-444455556666";

/// The pretend marketplace. It stops when dropped.
pub struct FakeAmazon {
    shared: Arc<Shared>,
    server: Server,
}

struct Shared {
    clock: Clock,
    world: Mutex<World>,
    /// Where it listens, once it does.
    url: std::sync::OnceLock<Url>,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeAmazon {
    /// Starts it on a free port of loopback. Call it within a runtime.
    pub fn new(clock: Clock) -> std::io::Result<Self> {
        Self::listening_on(clock, 0)
    }

    /// Starts it on this port of loopback; 0: a free one.
    pub fn listening_on(clock: Clock, port: u16) -> std::io::Result<Self> {
        Self::start(clock, port, None)
    }

    /// Starts it on a free port of loopback, with everything that it is asked and answers in this journal.
    pub fn with_journal(clock: Clock, journal: &Journal) -> std::io::Result<Self> {
        Self::start(clock, 0, Some(journal))
    }

    fn start(clock: Clock, port: u16, journal: Option<&Journal>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { clock, world: Mutex::default(), url: std::sync::OnceLock::new() });
        let router = axum::Router::new()
            .merge(tokens::routes())
            .merge(central::routes())
            .merge(control::routes())
            .merge(documents::routes())
            .fallback(api::answer)
            .layer(DefaultBodyLimit::max(64 << 20))
            .with_state(shared.clone());
        let router = match journal {
            Some(journal) => journal.of(router),
            None => router,
        };
        let server = Server::start(port, router)?;
        shared.url.get_or_init(|| server.url());
        Ok(Self { shared, server })
    }

    /// Where it listens: the value of `api_url`, `token_url` and `consent_url`.
    pub fn url(&self) -> Url {
        self.server.url()
    }

    /// `[channels.amazon]` for it, without the secret, which is [`APP_SECRET`].
    pub fn app_settings(&self) -> Map<String, Value> {
        let url = self.url();
        let settings = json!({
            "client_id": CLIENT_ID, "application_id": APPLICATION_ID,
            "api_url": url, "token_url": url, "consent_url": url,
        });
        settings.as_object().cloned().expect("an object, as written above")
    }

    /// Changes how it behaves.
    pub fn rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.shared.world().rules);
    }

    /// The one redirect URI that is registered.
    pub fn set_redirect_url(&self, url: Url) {
        self.shared.world().redirects = vec![url];
    }

    /// The login URI that is registered: where flows begun here lead to.
    pub fn set_login_url(&self, url: Url) {
        self.shared.world().login_url = Some(url);
    }

    /// Adds a seller with marketplaces, by country. Unknown countries are left out.
    pub fn add_seller(&self, seller: &str, name: &str, countries: &[&str]) {
        let known = countries.iter().filter_map(|country| Some(marketplaces::of_country(country)?.country));
        let takes = |country| (country, Taking { participates: true, suspended: false });
        let added = Seller { name: name.to_owned(), marketplaces: known.map(takes).collect() };
        self.shared.world().sellers.insert(seller.to_owned(), added);
    }

    /// Suspends a seller's listings on a marketplace, or lets them be seen again; answers whether there is such a one.
    pub fn set_closed(&self, seller: &str, country: &str, closed: bool) -> bool {
        self.shared.world().taking(seller, country).map(|taking| taking.suspended = closed).is_some()
    }

    /// Whether a seller takes part in a marketplace from now on; answers whether there is such a one.
    pub fn set_participating(&self, seller: &str, country: &str, participates: bool) -> bool {
        self.shared.world().taking(seller, country).map(|taking| taking.participates = participates).is_some()
    }

    /// Ends a seller's permission, as the seller would.
    pub fn revoke(&self, seller: &str) {
        self.shared.world().revoke(seller);
    }

    /// The end of a seller's permission is reached.
    pub fn lapse(&self, seller: &str) {
        self.shared.world().lapse(seller, self.shared.clock.now());
    }

    /// Makes every access token of a seller too old.
    pub fn expire_access_tokens(&self, seller: &str) {
        self.shared.world().expire_access_tokens(seller, self.shared.clock.now());
    }

    /// Ends the app's secrets: what happens 180 days after they were made.
    pub fn end_client_secret(&self) {
        self.shared.world().end_secrets(self.shared.clock.now());
    }

    /// Makes a new secret of the app; the one before works seven days more.
    pub fn rotate_client_secret(&self) -> String {
        self.shared.world().rotate_secret(self.shared.clock.now())
    }

    /// Tokens of an authorization that was given this long ago: for handing in.
    pub fn grant_tokens(&self, seller: &str, consent_age: SignedDuration) -> Issued {
        let now = self.shared.clock.now();
        self.shared.world().issue(seller, now - consent_age, now)
    }

    /// What a seller's browser ends on after agreeing (or, with `None`, declining) at the end of a consent link: the callback's
    /// address with its query. Fails in the vendor's words.
    pub fn consent(&self, link: &Url, seller: Option<&str>) -> Result<Url, String> {
        let query: Vec<_> = link.query_pairs().into_owned().collect();
        central::decide(&self.shared, &query, seller)
    }

    /// A seller begins a flow in "Manage your apps": the login URI with its query, to which the browser is sent.
    pub fn begin(&self, seller: &str) -> Result<Url, String> {
        central::begin(&self.shared, seller)
    }

    /// The browser comes back from a flow begun here, with what the app added: the callback's address with its query.
    pub fn come_back(&self, url: &Url) -> Result<Url, String> {
        let query: Vec<_> = url.query_pairs().into_owned().collect();
        central::confirm(&self.shared, &query)
    }

    /// From now on every answer of the API (not of the token host) has this mishap; `None` mends it.
    pub fn break_down(&self, mishap: Option<Mishap>) {
        self.shared.world().broken = mishap;
    }

    /// The next answer of the API has this mishap.
    pub fn fail_next(&self, mishap: Mishap) {
        self.shared.world().next_of_api.push_back(mishap);
    }

    /// The next answer of the token host has this mishap.
    pub fn fail_next_token_call(&self, mishap: Mishap) {
        self.shared.world().next_of_tokens.push_back(mishap);
    }

    /// Every token and code that it ever gave, and the app's secrets.
    pub fn secrets(&self) -> Vec<String> {
        let world = self.shared.world();
        let tokens = world.access.keys().chain(world.authorizations.keys()).chain(world.codes.keys()).cloned();
        tokens.chain(world.secrets.iter().map(|secret| secret.text.clone())).collect()
    }

    /// What it has seen.
    pub fn stats(&self) -> Stats {
        self.shared.world().stats.clone()
    }
}

/// An answer of either host, each of which numbers its requests.
fn respond(status: StatusCode, body: Value, mishap: Option<Mishap>) -> Response {
    let mut response = answer(status, body, mishap);
    let id = HeaderValue::from_str(&random_text(16)).expect("random texts have no odd characters");
    response.headers_mut().insert("x-amzn-requestid", id);
    response
}
