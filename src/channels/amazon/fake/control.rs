//! The same controls over HTTP, under `/_fake/`, so that tests of another process can set scenes and read counters.
//!
//! `GET stats`; `GET listings?seller=&country=`; `POST products` `{seller, country, products: [Seed]}`; `POST delete`, `POST refuse`
//! `{seller, country, sku}`; `POST processing` `{seconds}`, how long reports and feeds take; `POST too_large` `{too_large}`, whether
//! shops are too large for a search; `POST seller` `{seller, name, countries}`; `POST revoke`, `POST expire`, `POST end` `{seller}`; `POST close`
//! `{seller, country, closed}`; `POST participate` `{seller, country, participates}`; `POST grant` `{seller, consent_age_days}`;
//! `POST begin` `{seller}`, which answers `{go}`; `POST redirect`, `POST login` `{url}`; `POST draft` `{draft}`;
//! `POST end_client_secret`; `POST rotate_client_secret`, which answers `{client_secret}`; `POST fail_next`
//! `{of: "api"|"token", mishap}`; `POST break` `{mishap}`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{
    Seed, Shared, central, get as named, read_query,
    state::{Seller, Taking},
};
use crate::channels::{amazon::marketplaces, fake::Mishap};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_fake/stats", get(stats))
        .route("/_fake/listings", get(listings))
        .route("/_fake/{what}", post(command))
}

async fn listings(State(shared): State<Arc<Shared>>, RawQuery(raw): RawQuery) -> Response {
    let query = read_query(raw.as_deref());
    let text = |name: &str| named(&query, name).unwrap_or_default();
    Json(shared.world().laid_bare(text("seller"), text("country"))).into_response()
}

async fn stats(State(shared): State<Arc<Shared>>) -> Response {
    let stats = shared.world().stats.clone();
    Json(stats).into_response()
}

/// The bodies of all commands: each takes what it needs.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Order {
    seller: String,
    name: String,
    countries: Vec<String>,
    country: String,
    closed: bool,
    participates: bool,
    products: Vec<Seed>,
    sku: String,
    seconds: i64,
    too_large: bool,
    consent_age_days: i64,
    url: Option<Url>,
    draft: bool,
    of: String,
    mishap: Option<Mishap>,
}

async fn command(State(shared): State<Arc<Shared>>, Path(what): Path<String>, Json(order): Json<Order>) -> Response {
    match carry_out(&shared, &what, order) {
        Ok(value) => Json(value).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error).into_response(),
    }
}

fn carry_out(shared: &Shared, what: &str, order: Order) -> Result<Value, String> {
    let now = shared.clock.now();
    if what == "begin" {
        return Ok(json!({"go": central::begin(shared, &order.seller)?}));
    }
    let mut world = shared.world();
    match what {
        "seller" => {
            let known = |country: &String| marketplaces::of_country(country).map(|one| one.country);
            let countries = order.countries.iter().map(|name| known(name).ok_or(format!("there is no `{name}`")));
            let takes = |country| (country, Taking { participates: true, suspended: false });
            let marketplaces = countries.map(|country| country.map(takes)).collect::<Result<_, _>>()?;
            world.sellers.insert(order.seller, Seller { name: order.name, marketplaces });
        }
        "products" => world.seed(&order.seller, &order.country, &order.products, now)?,
        "delete" => drop(world.delete(&order.seller, &order.country, &order.sku).ok_or(NO_ITEM)?),
        "refuse" => {
            let item = world.item(&order.seller, &order.country, &order.sku).ok_or(NO_ITEM)?;
            item.refused = Some("Restricted Products Policy Violation".to_owned());
        }
        "processing" => world.rules.processing = SignedDuration::from_secs(order.seconds),
        "too_large" => world.rules.tells_more_than_there_are = order.too_large,
        "revoke" => world.revoke(&order.seller),
        "expire" => world.expire_access_tokens(&order.seller, now),
        "end" => world.lapse(&order.seller, now),
        "close" => world.taking(&order.seller, &order.country).ok_or(NOBODY)?.suspended = order.closed,
        "participate" => {
            world.taking(&order.seller, &order.country).ok_or(NOBODY)?.participates = order.participates;
        }
        "grant" => {
            let given = now - SignedDuration::from_hours(24 * order.consent_age_days);
            return Ok(json!(world.issue(&order.seller, given, now)));
        }
        "redirect" => world.redirects = order.url.into_iter().collect(),
        "login" => world.login_url = order.url,
        "draft" => world.rules.draft = order.draft,
        "end_client_secret" => world.end_secrets(now),
        "rotate_client_secret" => return Ok(json!({"client_secret": world.rotate_secret(now)})),
        "break" => world.broken = order.mishap,
        "fail_next" => {
            let mishap = order.mishap.ok_or("name a mishap")?;
            let queue = if order.of == "token" { &mut world.next_of_tokens } else { &mut world.next_of_api };
            queue.push_back(mishap);
        }
        other => return Err(format!("there is no command `{other}`")),
    }
    Ok(json!({}))
}

const NO_ITEM: &str = "there is no such item";
const NOBODY: &str = "there is no such seller on that marketplace";
