//! The two listeners: one for people and marketplaces, one for machines.
//!
//! The routers are values; the daemon binds and serves them. What they may not know by themselves (whether the daemon is
//! ready, what the metrics are) is handed in as a question.

use axum::http::header;
use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use crate::{
    clock::Clock,
    keeper::{Links, TokenKeeper},
};

mod api;
mod oauth;
mod page;
mod webhooks;

pub use api::{Internal, Machines, internal_router};
use page::{Page, Tone, guarded};

/// The most a request may carry. Marketplaces' webhooks are small; people send nothing yet.
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
}

/// The listener for people and marketplaces.
pub fn people_router(people: People) -> Router {
    Router::new()
        .route("/", get(front))
        .route("/style.css", get(style))
        .route("/authorize/{shop}", get(oauth::authorize))
        .route("/oauth/{channel}/callback", get(oauth::callback))
        .route("/webhooks/{channel}", post(webhooks::receive))
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(map_response(async |answer: Response| guarded(answer)))
        .with_state(people)
}

impl People {
    fn page(&self, title: impl Into<String>, tone: Tone, paragraphs: Vec<String>) -> Page {
        let style = self.keeper.shops().page().address("style.css").path().to_owned();
        Page { title: title.into(), tone, paragraphs, command: None, style }
    }
}

async fn front(State(people): State<People>) -> Response {
    let paragraphs = vec![
        "This address belongs to shopsyncd, which keeps shops on marketplaces authorized and their products equal to one source.".into(),
        "Owners of shops come here through the link in a mail; marketplaces send them back here after they consented.".into(),
    ];
    let mut page = people.page("shopsyncd", Tone::Plain, paragraphs);
    page.command = Some("shopsyncd status".into());
    page.answer(StatusCode::OK)
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("templates/style.css")).into_response()
}

async fn nothing_here(State(people): State<People>) -> Response {
    let paragraphs = vec!["There is no page at this address. Was the link cut off on its way?".into()];
    people.page("Nothing here", Tone::Bad, paragraphs).answer(StatusCode::NOT_FOUND)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
