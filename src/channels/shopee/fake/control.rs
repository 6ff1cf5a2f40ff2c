//! The same controls over HTTP, under `/_fake/`, so that tests of another process can set scenes and read counters.
//!
//! `GET stats`; `POST shop` `{shop, name, region, main_account}`; `POST revoke`, `POST expire`, `POST end` `{shop}`; `POST close`
//! `{shop, closed}`; `POST grant` `{shop, consent_age_days, ends_in_days}`; `POST redirect` `{url}`; `POST fail_next` `{of: "api"|"token",
//! mishap}`; `POST break` `{mishap}`; `GET listings/SHOP`; `POST items` `{shop, items}`, as [`Seed`]; `POST delete` `{shop, sku}`; `POST rules` `{rules}` (all of them: what is left out has its default); `POST push` `{url,
//! code, shops}`, answered with the signed push: `{url, headers, body}`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get as on_get, post},
};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Seed, Shared, push_body, signed_push,
    state::{Rules, Shop},
};
use crate::channels::fake::Mishap;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_fake/stats", on_get(stats))
        .route("/_fake/listings/{shop}", on_get(listings))
        .route("/_fake/{what}", post(command))
}

async fn listings(State(shared): State<Arc<Shared>>, Path(shop): Path<u64>) -> Response {
    let listings = shared.world().shops.get(&shop).map(Shop::listings).unwrap_or_default();
    Json(listings).into_response()
}

async fn stats(State(shared): State<Arc<Shared>>) -> Response {
    let stats = shared.world().stats.clone();
    Json(stats).into_response()
}

/// The bodies of all commands: each takes what it needs.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Order {
    shop: u64,
    name: String,
    region: String,
    main_account: Option<u64>,
    closed: bool,
    consent_age_days: i64,
    ends_in_days: i64,
    url: Option<url::Url>,
    of: String,
    mishap: Option<Mishap>,
    rules: Rules,
    code: u64,
    shops: Vec<u64>,
    items: Vec<Seed>,
    sku: String,
}

async fn command(State(shared): State<Arc<Shared>>, Path(what): Path<String>, Json(order): Json<Order>) -> Response {
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
        "shop" => {
            let shop = Shop { main_account: order.main_account, ..Shop::new(&order.name, &order.region) };
            world.shops.insert(order.shop, shop);
        }
        "items" => world.seed(order.shop, &order.items, now)?,
        "delete" => {
            let found = world.shops.get_mut(&order.shop).and_then(|shop| shop.find(&order.sku));
            let (item, _) = found.ok_or("there is no such SKU")?;
            "SELLER_DELETE".clone_into(&mut item.status);
            item.updated_at = now;
        }
        "revoke" => world.revoke(order.shop),
        "expire" => world.expire(order.shop, now),
        "end" => world.end(order.shop, now),
        "close" => {
            let shop = world.shops.get_mut(&order.shop).ok_or("there is no such shop")?;
            if order.closed { "BANNED" } else { "NORMAL" }.clone_into(&mut shop.status);
        }
        "grant" => {
            let (given, ends) = (now - days(order.consent_age_days), now + days(order.ends_in_days));
            return Ok(json!(world.grant(&[order.shop], given, ends, now)));
        }
        "redirect" => world.redirect_domain = order.url.and_then(|url| url.host_str().map(str::to_owned)),
        "break" => world.broken = order.mishap,
        "rules" => world.rules = order.rules,
        "fail_next" => {
            let mishap = order.mishap.ok_or("name a mishap")?;
            let queue = if order.of == "token" { &mut world.next_of_tokens } else { &mut world.next_of_api };
            queue.push_back(mishap);
        }
        "push" => {
            let url = order.url.ok_or("name the url")?;
            let push = signed_push(&url, &push_body(order.code, &order.shops, now));
            let headers: std::collections::BTreeMap<_, _> = push.headers.into_iter().collect();
            return Ok(json!({"url": push.url, "headers": headers, "body": String::from_utf8_lossy(&push.body)}));
        }
        other => return Err(format!("there is no command `{other}`")),
    }
    Ok(json!({}))
}
