//! The same controls over HTTP, under `/_fake/`, so that tests of another process can set scenes and read counters.
//!
//! `GET stats`; `POST add` `{platform, handle, account, name}`; `POST revoke`, `POST expire`, `POST end`, `POST grant`
//! `{account}`; `POST close`, `POST lock` `{account, closed}`; `POST redirect` `{url}`; `POST fail_next`
//! `{of: "api"|"token", mishap}`; `POST break` `{mishap}`; `POST products` `{account, products: [Seed]}`; `POST delete`
//! `{account, sku}`; `GET listings?account=ID`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    goods::Seed,
    state::{Standing, Store},
};
use crate::channels::{
    fake::{self, Mishap},
    shopline::Platform,
};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_fake/stats", get(stats))
        .route("/_fake/listings", get(listings))
        .route("/_fake/{what}", post(command))
}

async fn stats(State(shared): State<Arc<Shared>>) -> Response {
    let stats = shared.world().stats.clone();
    Json(stats).into_response()
}

async fn listings(State(shared): State<Arc<Shared>>, RawQuery(raw): RawQuery) -> Response {
    let query = fake::read_query(raw.as_deref());
    let world = shared.world();
    let store = fake::get(&query, "account").and_then(|account| world.stores.get(account));
    store.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |store| Json(store.goods.listings()).into_response())
}

/// The bodies of all commands: each takes what it needs.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Order {
    platform: String,
    handle: String,
    account: String,
    name: String,
    closed: bool,
    url: Option<url::Url>,
    of: String,
    mishap: Option<Mishap>,
    products: Vec<Seed>,
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
    let mut world = shared.world();
    let account = order.account;
    let none = "there is no such account";
    match what {
        "add" => {
            let platform = if order.platform == "asia" { Platform::Asia } else { Platform::Global };
            let (handle, name) = (order.handle, order.name);
            world.stores.insert(account, Store::new(platform, handle, name));
        }
        "products" => world.seed(&account, &order.products, now)?,
        "delete" => world.delete(&account, &order.sku, now)?,
        "revoke" => world.uninstall(&account),
        "expire" => world.expire(&account, now),
        "end" => world.end(&account, now),
        "grant" => return Ok(json!(world.issue(&account, now).ok_or(none)?)),
        "close" | "lock" => {
            let shut = if what == "close" { Standing::Frozen } else { Standing::Locked };
            let store = world.stores.get_mut(&account).ok_or(none)?;
            store.standing = if order.closed { shut } else { Standing::Open };
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
