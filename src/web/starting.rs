//! The listener for people and marketplaces before there is a database: whoever comes is asked to come again.

use axum::{
    Router,
    http::{StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    icon,
    page::{Page, Tone, guarded},
    style,
};

/// When a marketplace may send its webhook again, and a browser ask again: in seconds.
const AGAIN: &str = "30";

/// The listener for people and marketplaces of a daemon that starts. `root`: the path of the public address.
pub fn starting_router(root: &str) -> Router {
    let root = root.trim_end_matches('/').to_owned();
    Router::new()
        .route("/style.css", get(style))
        .route("/icon.svg", get(icon))
        .fallback(move || async move { come_again(root) })
        .layer(map_response(async |answer: Response| guarded(answer)))
}

fn come_again(root: String) -> Response {
    let paragraphs = vec![
        "shopsyncd is starting, and its database does not answer yet.".into(),
        "Nothing was done. Open this address again in a minute.".into(),
    ];
    let (title, tone) = ("Not now".to_owned(), Tone::Bad);
    let (facts, closing, links) = (Vec::new(), Vec::new(), Vec::new());
    let page = Page { title, tone, paragraphs, facts, form: None, closing, links, command: None, root };
    ([(header::RETRY_AFTER, AGAIN)], page.answer(StatusCode::SERVICE_UNAVAILABLE)).into_response()
}
