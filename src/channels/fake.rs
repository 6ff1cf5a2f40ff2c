//! What all pretend marketplaces have in common: a server on loopback, answers that go wrong, and a page to agree on.

use std::{collections::VecDeque, fmt::Write, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};
use url::Url;

use super::conformance::Fault;

/// A server on loopback. It stops when dropped.
pub struct Server {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Serves this on a port of loopback; 0: a free one. Call it within a runtime.
    pub fn start(port: u16, router: Router) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // Ends only when the task is aborted.
            drop(axum::serve(listener, router).await);
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn url(&self) -> Url {
        format!("http://{}/", self.address).parse().expect("a socket address makes an address")
    }
}

/// What can happen to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mishap {
    /// Too many calls, in the marketplace's own words with HTTP 429; nothing done.
    Throttled {
        /// `Retry-After` in seconds.
        retry_after: Option<u32>,
    },
    /// Too many calls, told inside a 200 where the marketplace does that; nothing done.
    ThrottledByCode,
    /// 503 with a page in HTML, nothing done.
    ServerError,
    /// 200 with a page in HTML, nothing done.
    Html,
    /// Done, but the answer breaks off in the middle.
    CutOff,
    /// Done, but no byte of the answer's body arrives.
    ReplyLost,
    /// Done, and the answer has fields that nobody has documented.
    UnknownField,
}

impl From<Fault> for Mishap {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Throttled { retry_after } => Self::Throttled { retry_after },
            Fault::ServerError => Self::ServerError,
            Fault::CutOff => Self::CutOff,
            Fault::UnknownField => Self::UnknownField,
        }
    }
}

impl Mishap {
    /// The page that comes instead of anything done; `None` where it is not the server that fails.
    pub fn page(self) -> Option<Response> {
        let html = [(header::CONTENT_TYPE, "text/html")];
        match self {
            Self::ServerError => Some(
                (StatusCode::SERVICE_UNAVAILABLE, html, "<html><body>503 Service Unavailable</body></html>")
                    .into_response(),
            ),
            Self::Html => Some((html, "<html><body>We are working on it</body></html>").into_response()),
            _ => None,
        }
    }

    /// Whether it is done, but the caller does not learn of it.
    pub fn loses_reply(self) -> bool {
        matches!(self, Self::CutOff | Self::ReplyLost)
    }
}

/// Calls within the last second, by the real clock: limits are about how fast packets follow each other.
#[derive(Debug, Default)]
pub struct Recent(VecDeque<Instant>);

impl Recent {
    /// Whether one more is within the limit, which counts it.
    pub fn admits(&mut self, limit: usize) -> bool {
        let now = Instant::now();
        while self.0.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1)) {
            self.0.pop_front();
        }
        let within = self.0.len() < limit;
        if within {
            self.0.push_back(now);
        }
        within
    }
}

/// An answer that is held back after what was asked has been done.
#[derive(Debug, Clone, Default)]
pub struct Held {
    done: Arc<Notify>,
    let_go: Arc<Notify>,
}

impl Held {
    /// Waits until it is done, and only the answer is missing.
    pub async fn done(&self) {
        self.done.notified().await;
    }

    /// Lets the answer go.
    pub fn let_go(&self) {
        self.let_go.notify_one();
    }

    /// The marketplace's side: it is done, and now it waits.
    pub async fn wait(&self) {
        self.done.notify_one();
        self.let_go.notified().await;
    }
}

/// A JSON answer, with what a mishap does to it on the way.
pub fn answer(status: StatusCode, mut body: Value, mishap: Option<Mishap>) -> Response {
    if mishap == Some(Mishap::UnknownField) {
        add_unknown(&mut body);
    }
    let text = body.to_string();
    let json = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    match mishap {
        Some(Mishap::CutOff) => (status, json, broken_off(&text[..text.len() / 2])).into_response(),
        Some(Mishap::ReplyLost) => (status, json, broken_off("")).into_response(),
        _ => (status, json, text).into_response(),
    }
}

/// Adds `Retry-After` to an answer.
pub fn wait(mut response: Response, seconds: Option<u32>) -> Response {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Fields nobody has documented, at every level.
fn add_unknown(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_unknown);
            fields.insert("zz_new".to_owned(), json!({"of": ["tomorrow", 1]}));
        }
        Value::Array(items) => items.iter_mut().for_each(add_unknown),
        _ => {}
    }
}

/// A body that breaks off.
fn broken_off(text: &str) -> Body {
    let chunks = [Ok(Bytes::copy_from_slice(text.as_bytes())), Err(std::io::Error::other("the fake cuts here"))];
    Body::from_stream(futures_util::stream::iter(chunks))
}

/// The pairs of a query or form, decoded.
pub type Query = Vec<(String, String)>;

/// Reads a query or form.
pub fn read_query(raw: Option<&str>) -> Query {
    url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes()).into_owned().collect()
}

/// The first value of a name.
pub fn get<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The page on which an owner agrees. Who is signed in is a choice here: `accounts` are pairs of id and name, sent as
/// `account` beside `decision` (`authorize` or `cancel`) and the `query` that the page was opened with.
pub fn consent_page(title: &str, action: &str, query: &Query, accounts: &[(String, String)]) -> Html<String> {
    let title = escape(title);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><link rel=\"icon\" href=\"data:,\"><style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui;max-width:34rem;margin:2rem auto;padding:0 1rem}}\
         form{{border:1px solid #8888;border-radius:.5rem;padding:1rem;margin:1rem 0}}button{{font:inherit;padding:.4rem 1rem;margin-right:.5rem}}</style>\
         <h1>{title}</h1><p>A pretend marketplace: nobody's money is at stake.</p>",
    );
    let mut hidden = String::new();
    // Writing to a text cannot fail.
    for (name, value) in query {
        let _ = write!(hidden, "<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value));
    }
    for (id, name) in accounts {
        let _ = write!(
            page,
            "<form action=\"{action}\" method=\"get\"><p>Signed in as {}</p>{hidden}\
             <input type=\"hidden\" name=\"account\" value=\"{}\">\
             <button name=\"decision\" value=\"authorize\">Authorize</button>\
             <button name=\"decision\" value=\"cancel\">Cancel</button></form>",
            escape(name),
            escape(id),
        );
    }
    Html(page)
}

/// Who decided on a [`consent_page`], and whether the answer is yes. Without `account` the first one decides, without
/// `decision` the answer is yes.
pub fn decision<'a>(query: &'a Query, accounts: &'a [(String, String)]) -> (Option<&'a str>, bool) {
    let first = accounts.first().map(|(id, _)| id.as_str());
    (get(query, "account").or(first), get(query, "decision").is_none_or(|decision| decision == "authorize"))
}

/// 302, as marketplaces redirect: axum's own helpers say 303 or 307.
pub fn found(url: &Url) -> Response {
    let mut response = Redirect::to(url.as_str()).into_response();
    *response.status_mut() = StatusCode::FOUND;
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
