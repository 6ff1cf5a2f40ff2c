//! Seller Central: the consent page, and the flows that sellers begin there.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get as on_get,
};
use url::Url;

use super::{APPLICATION_ID, Shared, state::World};
use crate::{
    channels::{
        calls::address,
        fake::{self, Query, get, read_query},
    },
    secrets::random_text,
};

const TITLE: &str = "Pretend Seller Central";
const CONFIRM: &str = "/apps/authorize/confirm";

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/apps/authorize/consent", on_get(consent_page))
        .route("/apps/authorize/consent/decide", on_get(decide_in_browser))
        .route("/apps/manage", on_get(manage_page))
        .route("/apps/manage/decide", on_get(begin_in_browser))
        .route(&format!("{CONFIRM}/{{application}}"), on_get(confirm_in_browser))
}

fn sellers(world: &World) -> Vec<(String, String)> {
    world.sellers.iter().map(|(id, seller)| (id.clone(), seller.name.clone())).collect()
}

fn leads_to(target: Result<Url, String>) -> Response {
    match target {
        Ok(url) => fake::found(&url),
        Err(error) => (StatusCode::BAD_REQUEST, error).into_response(),
    }
}

/// The page on which a seller agrees.
async fn consent_page(State(shared): State<Arc<Shared>>, RawQuery(raw): RawQuery) -> Response {
    let query = read_query(raw.as_deref());
    let world = shared.world();
    match check_link(&world, &query) {
        Ok(_) => fake::consent_page(TITLE, "/apps/authorize/consent/decide", &query, &sellers(&world)).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error).into_response(),
    }
}

/// What its buttons do.
async fn decide_in_browser(State(shared): State<Arc<Shared>>, RawQuery(raw): RawQuery) -> Response {
    let query = read_query(raw.as_deref());
    let sellers = sellers(&shared.world());
    let (seller, agrees) = fake::decision(&query, &sellers);
    leads_to(decide(&shared, &query, seller.filter(|_| agrees)))
}

/// "Manage your apps", where sellers begin and renew. Whoever presses "cancel" stays there.
async fn manage_page(State(shared): State<Arc<Shared>>) -> Response {
    let sellers = sellers(&shared.world());
    fake::consent_page(TITLE, "/apps/manage/decide", &Vec::new(), &sellers).into_response()
}

async fn begin_in_browser(State(shared): State<Arc<Shared>>, RawQuery(raw): RawQuery) -> Response {
    let query = read_query(raw.as_deref());
    let sellers = sellers(&shared.world());
    match fake::decision(&query, &sellers) {
        (Some(seller), true) => leads_to(begin(&shared, seller)),
        _ => manage_page(State(shared)).await,
    }
}

async fn confirm_in_browser(State(shared): State<Arc<Shared>>, RawQuery(raw): RawQuery) -> Response {
    leads_to(confirm(&shared, &read_query(raw.as_deref())))
}

/// What is checked of a consent link; answers where it leads back to.
fn check_link(world: &World, query: &Query) -> Result<Url, String> {
    if get(query, "application_id") != Some(APPLICATION_ID) {
        return Err("the application_id is unknown".to_owned());
    }
    check_app(world, query)
}

/// What is checked of the app on its way to a code; answers where that leads back to.
fn check_app(world: &World, query: &Query) -> Result<Url, String> {
    if world.rules.draft && get(query, "version") != Some("beta") {
        return Err("MD1000: the application is a draft, and the request does not say version=beta".to_owned());
    }
    let known = match get(query, "redirect_uri") {
        None => world.redirects.first(),
        Some(named) => world.redirects.iter().find(|known| known.as_str() == named),
    };
    known.cloned().ok_or_else(|| "MD5101: the redirect_uri is not registered".to_owned())
}

/// A seller agrees, or (`None`) declines: where the browser goes next.
pub(super) fn decide(shared: &Shared, query: &Query, seller: Option<&str>) -> Result<Url, String> {
    let mut world = shared.world();
    let mut back = check_link(&world, query)?;
    let state = get(query, "state").filter(|state| !state.is_empty());
    if let Some(seller) = seller {
        return send_back(&mut world, shared, back, state, seller);
    }
    // The vendor does not say what a cancelled consent sends back: here it is what OAuth has.
    back.query_pairs_mut().append_pair("error", "access_denied");
    if let Some(state) = state {
        back.query_pairs_mut().append_pair("state", state);
    }
    Ok(back)
}

fn send_back(
    world: &mut World,
    shared: &Shared,
    mut back: Url,
    state: Option<&str>,
    seller: &str,
) -> Result<Url, String> {
    if !world.sellers.contains_key(seller) {
        return Err("there is no such seller".to_owned());
    }
    let code = world.issue_code(seller, back.as_str(), shared.clock.now());
    let mut pairs = back.query_pairs_mut();
    if let Some(state) = state {
        pairs.append_pair("state", state);
    }
    pairs.append_pair("selling_partner_id", seller).append_pair("spapi_oauth_code", &code);
    drop(pairs);
    Ok(back)
}

/// A seller begins: the app's login URI, with where to come back to.
pub(super) fn begin(shared: &Shared, seller: &str) -> Result<Url, String> {
    let own = shared.url.get().ok_or("it does not listen yet")?;
    let mut world = shared.world();
    if !world.sellers.contains_key(seller) {
        return Err("there is no such seller".to_owned());
    }
    let mut url = world.login_url.clone().ok_or("the app has no login URI in the Solution Provider Portal")?;
    let amazon_state = random_text(16);
    world.begun.insert(amazon_state.clone(), seller.to_owned());
    let callback = address(own, &format!("{CONFIRM}/{APPLICATION_ID}"), &[]);
    let mut pairs = url.query_pairs_mut();
    pairs.append_pair("amazon_callback_uri", callback.as_str());
    pairs.append_pair("amazon_state", &amazon_state).append_pair("selling_partner_id", seller);
    if world.rules.draft {
        pairs.append_pair("version", "beta");
    }
    drop(pairs);
    Ok(url)
}

/// The browser comes back with what the app added: where it goes next.
pub(super) fn confirm(shared: &Shared, query: &Query) -> Result<Url, String> {
    let mut world = shared.world();
    let back = check_app(&world, query)?;
    let state = get(query, "state").filter(|state| !state.is_empty()).ok_or("the state is missing")?;
    let amazon_state = get(query, "amazon_state").unwrap_or_default();
    let seller = world.begun.remove(amazon_state).ok_or("the amazon_state is unknown, or was used before")?;
    world.stats.starts += 1;
    send_back(&mut world, shared, back, Some(state), &seller)
}
