//! A page of a few sentences, and the headers every page carries.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use super::text::{Piece, Text};

/// How a page feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Something worked.
    Good,
    /// Something did not.
    Bad,
    /// Neither.
    Plain,
}

impl Tone {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Plain => "plain",
        }
    }
}

/// A form with one button.
pub(super) struct Form {
    /// Where it is sent.
    pub(super) action: String,
    /// What goes with it unseen: a field's name and value.
    pub(super) hidden: Option<(&'static str, String)>,
    /// Whether it asks for the password.
    pub(super) asks_password: bool,
    /// What was wrong with it the last time.
    pub(super) error: Option<String>,
    /// What the button says.
    pub(super) button: &'static str,
}

/// A way on.
pub(super) struct Link {
    pub(super) address: String,
    pub(super) name: String,
    /// What tells it from others of the same name.
    pub(super) note: Option<String>,
}

/// A page of a few sentences.
#[derive(Template)]
#[template(path = "page.html")]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) tone: Tone,
    pub(super) paragraphs: Vec<Text>,
    /// Things to be compared, each with its name, side by side.
    pub(super) facts: Vec<(&'static str, String)>,
    /// A form with one button, below them.
    pub(super) form: Option<Form>,
    /// What is said below all that.
    pub(super) closing: Vec<Text>,
    /// Ways on.
    pub(super) links: Vec<Link>,
    /// Something to type.
    pub(super) command: Option<String>,
    /// The path of the public address, without a trailing slash: the style sheet and the icon are below it.
    pub(super) root: String,
}

impl Page {
    /// The page as an answer.
    pub(super) fn answer(&self, status: StatusCode) -> Response {
        match self.render() {
            Ok(text) => (status, Html(text)).into_response(),
            Err(error) => {
                tracing::error!(event = "page.failed", "cannot render a page: {error}");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// What browsers must keep to on every page: nothing from elsewhere, nothing kept, nobody else told where they came from.
/// The page itself is told: without that, browsers would not say of a form where it comes from either.
pub(super) fn guarded(mut answer: Response) -> Response {
    const HEADERS: [(header::HeaderName, &str); 6] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::VARY, "cookie"),
    ];
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}
