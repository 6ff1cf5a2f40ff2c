//! The door: which platform a path belongs to, and everything that is checked before a call is served.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use url::Url;

use super::{
    Shared,
    answers::{Said, instead},
    asia, asia_products, global,
    global_products::{self, Passed},
    state::{Standing, World},
};
use crate::channels::{
    fake::{Mishap, Query, found, read_query},
    shopline::Platform,
};

/// Every request but those of the controls.
pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let query = read_query(uri.query());
    let path: Vec<&str> = uri.path().split('/').skip(1).collect();
    let (handle, path) = path.split_first().map_or(("", &path[..]), |(handle, path)| (*handle, path));
    match (&method, path) {
        (&Method::GET, ["admin", "oauth-web", ""]) => global::entrance(handle),
        (&Method::GET, ["admin", "oauth-web", "consent"]) => global::consent_page(&shared, handle, &query),
        (&Method::GET, ["admin", "oauth-web", "decide"]) => sent_on(global::decide_in_browser(&shared, handle, &query)),
        (&Method::GET, ["oauth", "authorize"]) => asia::consent_page(&shared, handle, &query),
        (&Method::GET, ["oauth", "decide"]) => sent_on(asia::decide_in_browser(&shared, &query)),
        _ => {
            let called = Called { method: &method, handle, path, headers: &headers };
            called.serve(&mut shared.world(), &query, &String::from_utf8_lossy(&body), shared.clock.now())
        }
    }
}

fn sent_on(decided: Result<Url, String>) -> Response {
    match decided {
        Ok(url) => found(&url),
        Err(error) => (StatusCode::BAD_REQUEST, error).into_response(),
    }
}

/// A call by a program.
struct Called<'a> {
    method: &'a Method,
    handle: &'a str,
    path: &'a [&'a str],
    headers: &'a HeaderMap,
}

impl Called<'_> {
    fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    fn serve(&self, world: &mut World, query: &Query, body: &str, now: Timestamp) -> Response {
        *world.stats.calls.entry(self.endpoint()).or_default() += 1;
        let platform = if self.path.first() == Some(&"admin") { Platform::Global } else { Platform::Asia };
        let of_tokens = matches!(self.path, ["admin", "oauth", ..] | ["oauth", ..]);
        let mishap =
            if of_tokens { world.next_of_tokens.pop_front() } else { world.next_of_api.pop_front().or(world.broken) };
        if let Some(response) = instead(platform, mishap) {
            return response;
        }
        let said = match (self.method, self.path) {
            (&Method::POST, ["admin", "oauth", "token", what @ ("create" | "refresh")]) => {
                global::token_call(world, self.handle, *what == "create", |name| self.header(name), body, now)
            }
            (&Method::POST, ["oauth", "token"]) => {
                asia::token_call(world, body, mishap.is_some_and(Mishap::loses_reply), now)
            }
            (_, ["admin", "openapi", _, path @ ..] | ["v1", path @ ..]) => match self.gate(world, platform, now) {
                Err(refused) => refused,
                Ok(account) => {
                    let body = serde_json::from_str(body).unwrap_or_default();
                    let method = self.method.as_str();
                    let call = Passed { method, path, query, body, account: &account, now };
                    match platform {
                        Platform::Global => global_products::serve(world, &call),
                        Platform::Asia => asia_products::serve(world, &call),
                    }
                }
            },
            _ => unknown(platform),
        };
        said.respond(mishap)
    }

    /// The path without handle and ids.
    fn endpoint(&self) -> String {
        let is_id =
            |part: &str| part.len() > 16 && part.trim_end_matches(".json").bytes().all(|it| it.is_ascii_hexdigit());
        self.path.iter().map(|part| if is_id(part) { "{id}" } else { part }).collect::<Vec<_>>().join("/")
    }

    /// The gate of both APIs, in the order that the vendor's statuses suggest. Answers the account that calls.
    fn gate(&self, world: &mut World, platform: Platform, now: Timestamp) -> Result<String, Said> {
        let bearer = self.header("authorization");
        let token = bearer.strip_prefix("Bearer ").and_then(|token| world.access.get(token));
        let refused = match token {
            None => Some(("MISSING_TOKEN_ERROR", "token is missing or invalid")),
            Some(token) if token.revoked => Some(("TOKEN_REVOKED", "token is revoked")),
            Some(token) if token.ends_at <= now => Some(("TOKEN_EXPIRED", "token is expired")),
            Some(_) => None,
        };
        let account = token.map(|token| token.account.clone()).unwrap_or_default();
        let store = world.stores.get(&account).filter(|store| store.platform == platform);
        let store = store.map(|store| (store.handle.clone(), store.standing));
        let (None, Some((handle, standing))) = (refused, store) else {
            world.stats.bad_tokens += 1;
            let (code, words) = refused.unwrap_or(("MISSING_TOKEN_ERROR", "token is of another platform"));
            return Err(match platform {
                Platform::Global => Said::global(401, words),
                Platform::Asia => Said::asia(401, code, words),
            });
        };
        if platform == Platform::Asia && world.account(platform, &self.header("user-agent")).is_none() {
            world.stats.bad_user_agents += 1;
            return Err(Said::asia(403, "INVALID_USER_AGENT", "User-Agent must be the handle of a shop"));
        }
        if platform == Platform::Global && self.handle != handle {
            return Err(Said::global(401, "token is of another store"));
        }
        if !world.within_limits(platform, &account) {
            return Err(Said::throttled(platform));
        }
        match standing {
            Standing::Frozen => Err(Said::global(402, "Payment Required")),
            Standing::Locked => Err(Said::global(423, "Locked")),
            Standing::Open => Ok(account),
        }
    }
}

fn unknown(platform: Platform) -> Said {
    match platform {
        Platform::Global => Said::global(404, "Not Found"),
        Platform::Asia => Said::asia(404, "NOT_FOUND", "Not Found"),
    }
}
