//! Consent pages and the token host.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get as on_get,
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use url::Url;

use super::{
    APP_SECRET, Query, SERVICE_ID, Said, Shared, get, instead, read_query,
    state::{Code, Issued, World},
};
use crate::{channels::fake, secrets::random_text};

/// A code can be traded for this long.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(30);

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/open/authorize", on_get(consent_page))
        .route("/open/authorize/decide", on_get(decide_in_browser))
        .route("/api/v2/token/get", on_get(token_call))
        .route("/api/v2/token/refresh", on_get(token_call))
}

/// The page on which a seller agrees.
async fn consent_page(State(shared): State<Arc<Shared>>, RawQuery(raw): RawQuery) -> Response {
    let query = read_query(raw.as_deref());
    if get(&query, "service_id") != Some(SERVICE_ID) {
        return (StatusCode::BAD_REQUEST, "unknown service_id").into_response();
    }
    let sellers = sellers(&shared.world());
    fake::consent_page("Pretend TikTok Shop", "/open/authorize/decide", &query, &sellers).into_response()
}

fn sellers(world: &World) -> Vec<(String, String)> {
    world.sellers.iter().map(|(id, seller)| (id.clone(), seller.name.clone())).collect()
}

/// What the buttons do.
async fn decide_in_browser(State(shared): State<Arc<Shared>>, RawQuery(raw): RawQuery) -> Response {
    let query = read_query(raw.as_deref());
    let sellers = sellers(&shared.world());
    let (seller, agrees) = fake::decision(&query, &sellers);
    match decide(&shared, &query, seller.filter(|_| agrees)) {
        Ok(url) => fake::found(&url),
        Err(error) => (StatusCode::BAD_REQUEST, error).into_response(),
    }
}

/// A seller agrees, or (`None`) declines: where the browser goes next.
pub(super) fn decide(shared: &Shared, query: &Query, seller: Option<&str>) -> Result<Url, String> {
    let now = shared.clock.now();
    let mut world = shared.world();
    if get(query, "service_id") != Some(SERVICE_ID) {
        return Err("unknown service_id".to_owned());
    }
    let mut url = world.redirect_url.clone().ok_or("the app has no redirect URL in Partner Center")?;
    let state = get(query, "state").filter(|state| !state.is_empty());
    let mut back = url.query_pairs_mut();
    match seller {
        None => {
            back.append_pair("code", "null").append_pair("error", "auth_denied");
        }
        Some(open_id) => {
            let region = world.sellers.get(open_id).ok_or("there is no such seller")?.region.clone();
            let days = get(query, "days").and_then(|days| days.parse().ok());
            let life = days.map_or(world.rules.authorization_life, |days: i64| SignedDuration::from_hours(24 * days));
            let code = format!("ROW_{}", random_text(24));
            let noted = Code { open_id: open_id.to_owned(), until: now + CODE_LIFE, life, used: false };
            world.codes.insert(code.clone(), noted);
            back.append_pair("app_key", &world.rules.app_key).append_pair("code", &code).append_pair("locale", "en");
            back.append_pair("shop_region", &region);
        }
    }
    if let Some(state) = state {
        back.append_pair("state", state);
    }
    drop(back);
    Ok(url)
}

/// Both calls of the token host.
async fn token_call(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    let (answer, held) = answer_token_call(&shared, &uri);
    if let Some(held) = held {
        held.wait().await;
    }
    answer
}

fn answer_token_call(shared: &Shared, uri: &Uri) -> (Response, Option<fake::Held>) {
    let query = read_query(uri.query());
    let mut world = shared.world();
    *world.stats.calls.entry(uri.path().to_owned()).or_default() += 1;
    let (mishap, held) = (world.next_of_tokens.pop_front(), world.held_of_tokens.take());
    if let Some(response) = instead(mishap) {
        return (response, held);
    }
    let lost = mishap.is_some_and(fake::Mishap::loses_reply);
    let said = if get(&query, "app_key") != Some(&world.rules.app_key) {
        Said::error(200, 98_001_004, "app_key is invalid")
    } else if get(&query, "app_secret") != Some(APP_SECRET) {
        Said::error(200, 98_001_004, "app_secret is invalid")
    } else {
        match (uri.path().ends_with("/get"), get(&query, "grant_type")) {
            (true, Some("authorized_code")) => exchange(&mut world, shared, &query),
            (false, Some("refresh_token")) => refresh(&mut world, shared, &query, lost),
            _ => Said::error(200, 98_001_004, "grant_type is invalid"),
        }
    };
    (said.respond(mishap), held)
}

fn exchange(world: &mut World, shared: &Shared, query: &Query) -> Said {
    let now = shared.clock.now();
    let code = get(query, "auth_code").and_then(|code| world.codes.get_mut(code));
    let Some(code) = code.filter(|code| !code.used && now < code.until) else {
        return Said::error(200, 36_004_004, "auth code is invalid or has been used");
    };
    code.used = true;
    let (open_id, life) = (code.open_id.clone(), code.life);
    world.stats.exchanges += 1;
    if world.rules.renewal_ends_old_tokens {
        world.revoke(&open_id);
    }
    let issued = world.issue(&open_id, now, now + life, now);
    granted(world, &issued)
}

fn refresh(world: &mut World, shared: &Shared, query: &Query, lost: bool) -> Said {
    let now = shared.clock.now();
    let forgiving = world.rules.lost_reply_forgiven;
    let text = get(query, "refresh_token").unwrap_or_default();
    let Some(token) = world.refresh.get_mut(text) else {
        return Said::error(200, 36_004_005, "authorization record is not found");
    };
    if token.revoked {
        return Said::error(200, 36_004_005, "authorization record is not found: the seller has deauthorized the app");
    }
    if token.ends_at <= now {
        return Said::error(200, 36_004_001, "refresh token is expired");
    }
    let unread = token.unread.take();
    if token.spent {
        if unread.is_none() {
            world.stats.refresh_tokens_spent_twice += 1;
            return Said::error(200, 36_004_001, "refresh token is invalid");
        }
        world.stats.refresh_tokens_spent_after_lost_reply += 1;
        if !forgiving {
            return Said::error(200, 36_004_001, "refresh token is invalid");
        }
    }
    token.spent = true;
    let (open_id, authorized_at, ends_at) = (token.open_id.clone(), token.authorized_at, token.ends_at);
    if let Some(unread) = unread.and_then(|unread| world.refresh.get_mut(&unread)) {
        unread.revoked = true;
    }
    let issued = world.issue(&open_id, authorized_at, ends_at, now);
    // A token that is spent was read, and with it the reply that brought it.
    if let Some(token) = world.refresh.values_mut().find(|token| token.unread.as_deref() == Some(text)) {
        token.unread = None;
    }
    if (lost || world.rules.unread_until_used)
        && let Some(token) = world.refresh.get_mut(text)
    {
        token.unread = Some(issued.refresh_token.clone());
    }
    if let Some(token) = world.access.get_mut(&issued.access_token) {
        token.traded_for = Some(text.to_owned());
    }
    world.stats.refreshes += 1;
    granted(world, &issued)
}

fn granted(world: &World, issued: &Issued) -> Said {
    let seller = world.sellers.get(&issued.open_id);
    let text = |text: Option<&String>| text.cloned().map_or(Value::Null, Value::String);
    Said::data(json!({
        "access_token": issued.access_token,
        "access_token_expire_in": issued.access_token_ends_at.as_second(),
        "refresh_token": issued.refresh_token,
        "refresh_token_expire_in": issued.ends_at.as_second(),
        "open_id": issued.open_id,
        "seller_name": text(seller.map(|seller| &seller.name)),
        "seller_base_region": text(seller.map(|seller| &seller.region)),
        "user_type": 0,
        "granted_scopes": ["seller.authorization.info", "seller.product.basic", "seller.product.write"],
    }))
}
