//! The same controls over HTTP, under `/_fake/`, so that tests of another process can set scenes and read counters.
//!
//! `GET stats`; `GET listings?shop=ID`; `GET image.png`; `POST products` `{shop, products: [Seed]}`; `POST delete` `{shop, sku}`; `POST revoke`,
//! `POST expire` `{open_id}`; `POST close` `{shop, closed}`; `POST grant` `{open_id, consent_age_days, ends_in_days}`;
//! `POST redirect` `{url}`; `POST fail_next` `{of: "api"|"token", mishap}`; `POST break` `{mishap}`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get as on_get, post},
};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared, get, read_query,
    state::{Seed, Shop},
};
use crate::channels::fake::Mishap;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_fake/stats", on_get(stats))
        .route("/_fake/listings", on_get(listings))
        .route("/_fake/image.png", on_get(async || IMAGE))
        .route("/_fake/{what}", post(command))
}

/// Enough of an image to be taken for one.
const IMAGE: &[u8] = b"\x89PNG\r\n\x1a\n-- not much of a picture";

async fn stats(State(shared): State<Arc<Shared>>) -> Response {
    let stats = shared.world().stats.clone();
    Json(stats).into_response()
}

async fn listings(State(shared): State<Arc<Shared>>, RawQuery(raw): RawQuery) -> Response {
    let query = read_query(raw.as_deref());
    let found = shared.world().shops.get(get(&query, "shop").unwrap_or_default()).map(Shop::listings);
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |listings| Json(listings).into_response())
}

/// The bodies of all commands: each takes what it needs.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Order {
    shop: String,
    products: Vec<Seed>,
    sku: String,
    open_id: String,
    closed: bool,
    consent_age_days: i64,
    ends_in_days: i64,
    url: Option<url::Url>,
    of: String,
    mishap: Option<Mishap>,
}

async fn command(
    State(shared): State<Arc<Shared>>,
    axum::extract::Path(what): axum::extract::Path<String>,
    Json(order): Json<Order>,
) -> Response {
    match carry_out(&shared, &what, order) {
        Ok(value) => Json(value).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error).into_response(),
    }
}

fn carry_out(shared: &Shared, what: &str, order: Order) -> Result<Value, String> {
    let now = shared.clock.now();
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    let mut world = shared.world();
    match what {
        "products" => world.seed(&order.shop, &order.products, now)?,
        "delete" => {
            let shop = world.shops.get_mut(&order.shop).ok_or("there is no such shop")?;
            let (product, _) = shop.find(&order.sku).ok_or("there is no such SKU")?;
            "DELETED".clone_into(&mut product.status);
            product.updated_at = now;
        }
        "revoke" => world.revoke(&order.open_id),
        "expire" => {
            let tokens = world.access.values_mut().filter(|token| token.open_id == order.open_id);
            tokens.for_each(|token| token.ends_at = now);
        }
        "close" => world.shops.get_mut(&order.shop).ok_or("there is no such shop")?.closed = order.closed,
        "grant" => {
            let (given, ends) = (now - days(order.consent_age_days), now + days(order.ends_in_days));
            return Ok(json!(world.issue(&order.open_id, given, ends, now)));
        }
        "redirect" => world.redirect_url = order.url,
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
