//! The two listeners: one for people and marketplaces, one for machines.
//!
//! The routers are values; the daemon binds and serves them. What they may not know by themselves (whether the daemon is
//! ready, what the metrics are) is handed in as a question.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, FromRequestParts, Path, State},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    middleware::{from_fn_with_state, map_response},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::tz::TimeZone;

use crate::{
    clock::Clock,
    domain::ShopId,
    keeper::{Links, TokenKeeper},
    secrets::Secret,
    store::{Store, StoreError},
};

mod api;
mod failures;
mod form;
mod guard;
mod links;
mod oauth;
mod page;
mod refusal;
mod sign_in;
mod started;
mod starting;
mod text;
mod webhooks;

pub use api::{Internal, Machines, internal_router};
use page::{Form, Link, Page, Tone, guarded};
pub use starting::starting_router;
use text::Text;

/// The most a request may carry. Marketplaces' webhooks are small, and so is what people send.
const BODY_LIMIT: usize = 64 * 1024;

/// What the listener for people and marketplaces works with.
#[derive(Clone)]
pub struct People {
    /// To begin and finish consents.
    pub keeper: TokenKeeper,
    /// To judge the links of mails.
    pub links: Links,
    /// The time.
    pub clock: Clock,
    /// To keep sessions.
    pub store: Store,
    /// What it asks of the settings.
    pub settings: Arc<dyn Settings>,
}

/// What the page asks of the settings in force.
pub trait Settings: Send + Sync {
    /// The hash of the password, where one is set.
    fn password(&self) -> Option<Secret>;

    /// The zone of all dates.
    fn zone(&self) -> TimeZone;

    /// Whether mail goes out, and somebody is reminded of this shop.
    fn mails(&self, shop: &ShopId) -> bool;
}

/// The listener for people and marketplaces.
pub fn people_router(people: People) -> Router {
    Router::new()
        .route("/", get(front))
        .route("/style.css", get(style))
        .route("/icon.svg", get(icon))
        .route("/sign-in", get(sign_in::show).post(sign_in::enter))
        .route("/sign-out", post(sign_in::leave))
        .route("/authorize/{shop}", get(oauth::authorize))
        .route("/authorize/{shop}/fresh", post(links::fresh))
        // Whoever asks for the head alone wants nothing done.
        .route("/oauth/{channel}/callback", get(oauth::callback).head(no_head))
        .route("/oauth/{channel}/start", get(started::start).head(no_head))
        .route("/webhooks/{channel}", post(webhooks::receive))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(Extension(failures::Failures::default()))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(people.clone(), guard::same_origin))
        .layer(map_response(async |answer: Response| guarded(answer)))
        .with_state(people)
}

impl People {
    fn page(&self, title: impl Into<String>, tone: Tone, paragraphs: Vec<Text>) -> Page {
        let (title, root) = (title.into(), self.path(""));
        let (facts, closing, links) = (Vec::new(), Vec::new(), Vec::new());
        Page { title, tone, paragraphs, facts, form: None, closing, links, command: None, root }
    }

    /// What people call a shop.
    fn name(&self, shop: &ShopId) -> String {
        self.keeper.shops().get(shop).map_or_else(|| shop.to_string(), |entry| entry.shop.name.clone())
    }

    /// A path on this page as browsers ask for it: below the path of the public address.
    fn path(&self, path: &str) -> String {
        format!("{}{path}", self.keeper.shops().page().public_url.path().trim_end_matches('/'))
    }

    /// The answer while the database does not do as asked.
    fn away(&self, error: &StoreError) -> Response {
        tracing::error!(event = "page.failed", "a page could not be made: {error}");
        let paragraphs = vec!["The database does not answer as it should. Nothing was done; try again soon.".into()];
        self.page("Not now", Tone::Bad, paragraphs).answer(StatusCode::SERVICE_UNAVAILABLE)
    }
}

async fn front(State(people): State<People>, headers: HeaderMap) -> Response {
    let paragraphs = vec![
        "This address belongs to shopsyncd, which keeps shops on marketplaces authorized and their products equal to one source.".into(),
        "Owners of shops come here through the link in a mail; marketplaces send them back here after they consented.".into(),
    ];
    let mut page = people.page("shopsyncd", Tone::Plain, paragraphs);
    page.closing = vec!["Those who run it see how everything stands with this command:".into()];
    page.command = Some("shopsyncd status".into());
    // Where the database is away there is no button, and still a page.
    if guard::has_session(&people, &headers).await.unwrap_or(false) {
        let action = people.path("/sign-out");
        page.form = Some(Form { action, hidden: None, asks_password: false, error: None, button: "Sign out" });
    } else if people.settings.password().is_some() {
        page.links = vec![Link { address: people.path("/sign-in"), name: "Sign in".to_owned(), note: None }];
    }
    page.answer(StatusCode::OK)
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("templates/style.css")).into_response()
}

async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("templates/icon.svg")).into_response()
}

/// A name in the address. One that is no text leads nowhere.
struct Named(String);

impl FromRequestParts<People> for Named {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, people: &People) -> Result<Self, Response> {
        match Path::from_request_parts(parts, people).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(_) => Err(nothing_here(State(people.clone())).await),
        }
    }
}

async fn nothing_here(State(people): State<People>) -> Response {
    let paragraphs = vec!["There is no page at this address. Was the link cut off on its way?".into()];
    people.page("Nothing here", Tone::Bad, paragraphs).answer(StatusCode::NOT_FOUND)
}

async fn no_head(people: State<People>) -> Response {
    ([(header::ALLOW, "GET")], wrong_method(people, Method::HEAD).await).into_response()
}

async fn wrong_method(State(people): State<People>, method: Method) -> Response {
    let paragraphs = vec![
        format!("This address does not answer to `{method}`. Nothing was done.").into(),
        "If you came here by a link, open it anew in a browser.".into(),
    ];
    people.page("Not this way", Tone::Bad, paragraphs).answer(StatusCode::METHOD_NOT_ALLOWED)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
