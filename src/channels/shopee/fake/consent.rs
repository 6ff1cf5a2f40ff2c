//! Consent pages: Shopee's portal, and the older signed link.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get as on_get,
};
use jiff::SignedDuration;
use url::Url;

use super::{
    PARTNER_ID, Query, Shared, check_signed, get, read_query,
    state::{Code, Subject, World},
};
use crate::{channels::fake, secrets::random_text};

const PAGE: &str = "/auth";
const SIGNED: &str = "/api/v2/shop/auth_partner";
/// What the buttons of both forms lead to, below their own paths.
const DECIDE: &str = "/decide";
/// A code can be traded for this long.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/auth", on_get(page))
        .route("/auth/decide", on_get(decide_in_browser))
        .route("/api/v2/shop/auth_partner", on_get(page))
        .route("/api/v2/shop/auth_partner/decide", on_get(decide_in_browser))
}

/// The page on which an owner agrees. The owner chooses how long it lasts: `days` in the page's own address.
async fn page(State(shared): State<Arc<Shared>>, uri: Uri, RawQuery(raw): RawQuery) -> Response {
    let query = read_query(raw.as_deref());
    let mut world = shared.world();
    if let Err(error) = way_back(&shared, &mut world, uri.path(), &query) {
        return (StatusCode::FORBIDDEN, error).into_response();
    }
    let action = format!("{}{DECIDE}", uri.path());
    fake::consent_page("Pretend Shopee", &action, &query, &accounts(&world)).into_response()
}

/// Who can consent: main accounts, and every shop.
fn accounts(world: &World) -> Vec<(String, String)> {
    let mut main: Vec<u64> = world.shops.values().filter_map(|shop| shop.main_account).collect();
    main.sort_unstable();
    main.dedup();
    let main = main.into_iter().map(|id| (id.to_string(), format!("main account {id}, with all its shops")));
    world.shops.iter().map(|(id, shop)| (id.to_string(), shop.name.clone())).chain(main).collect()
}

/// What the buttons do.
async fn decide_in_browser(State(shared): State<Arc<Shared>>, uri: Uri, RawQuery(raw): RawQuery) -> Response {
    let query = read_query(raw.as_deref());
    let accounts = accounts(&shared.world());
    let (account, agrees) = fake::decision(&query, &accounts);
    let account = account.filter(|_| agrees).and_then(|id| id.parse().ok());
    match decide(&shared, uri.path().trim_end_matches(DECIDE), &query, account) {
        Ok(url) => fake::found(&url),
        Err(error) => (StatusCode::FORBIDDEN, error).into_response(),
    }
}

/// An owner agrees, or (`None`) declines: where the browser goes next.
pub(super) fn decide(shared: &Shared, path: &str, query: &Query, account: Option<u64>) -> Result<Url, String> {
    let now = shared.clock.now();
    let mut world = shared.world();
    let mut url = way_back(shared, &mut world, path, query)?;
    let mut back = url.query_pairs_mut();
    match account {
        // The vendor does not say what comes back then.
        None => {
            back.append_pair("error", "access_denied");
        }
        Some(id) => {
            let subject = subject(&world, id).ok_or("there is no such account")?;
            let life = chosen_life(query)?.unwrap_or(world.rules.authorization_life);
            let code = random_text(24);
            world.codes.insert(code.clone(), Code { subject, until: now + CODE_LIFE, life, used: false });
            let name = if matches!(subject, Subject::Shop(_)) { "shop_id" } else { "main_account_id" };
            back.append_pair("code", &code).append_pair(name, &id.to_string());
        }
    }
    if let Some(state) = get(query, "state").filter(|_| path == PAGE) {
        back.append_pair("state", state);
    }
    drop(back);
    Ok(url)
}

fn subject(world: &World, id: u64) -> Option<Subject> {
    if world.shops.contains_key(&id) {
        return Some(Subject::Shop(id));
    }
    world.shops.values().any(|shop| shop.main_account == Some(id)).then_some(Subject::Main(id))
}

/// How long the owner gives permission for: 7 to 365 days.
fn chosen_life(query: &Query) -> Result<Option<SignedDuration>, String> {
    let Some(days) = get(query, "days") else { return Ok(None) };
    let days = days.parse().ok().filter(|days| (7..=365_i64).contains(days));
    days.map(|days| Some(SignedDuration::from_hours(24 * days))).ok_or("days must be 7 to 365".to_owned())
}

/// Where a consent link leads back to, once all of it has been checked.
fn way_back(shared: &Shared, world: &mut World, path: &str, query: &Query) -> Result<Url, String> {
    let back = if path == SIGNED {
        check_signed(shared, world, SIGNED, query, None).map_err(|said| format!("{}: {}", said.error, said.message))?;
        get(query, "redirect")
    } else {
        let wanted = [
            ("partner_id", PARTNER_ID.to_string()),
            ("auth_type", "seller".to_owned()),
            ("response_type", "code".to_owned()),
        ];
        if let Some((name, _)) = wanted.iter().find(|(name, value)| get(query, name) != Some(value)) {
            return Err(format!("error_param: Invalid {name}."));
        }
        get(query, "redirect_uri")
    };
    back.and_then(|back| back.parse::<Url>().ok())
        .filter(|back| back.host_str().is_some() && back.host_str() == world.redirect_domain.as_deref())
        .ok_or_else(|| "error_param: The domain of the redirect URL is not declared for the app.".to_owned())
}
