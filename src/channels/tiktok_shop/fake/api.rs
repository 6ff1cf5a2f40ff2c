//! The API's gateway: everything that is checked before an endpoint sees a call, in the vendor's order as far as it is known.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, Uri},
    response::Response,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{APP_SECRET, Query, Said, Shared, catalogue, get, instead, products, read_query, state::World};
use crate::{channels::tiktok_shop::sign, secrets::Secret};

/// How old a call may be.
const OLDEST: SignedDuration = SignedDuration::from_mins(5);
/// How early.
const EARLIEST: SignedDuration = SignedDuration::from_secs(30);

/// A call that passed the gateway.
pub(super) struct Passed<'a> {
    pub(super) method: &'a Method,
    pub(super) path: Vec<&'a str>,
    pub(super) query: &'a Query,
    pub(super) body: Value,
    /// As it came, for forms.
    pub(super) raw: &'a Bytes,
    pub(super) content_type: &'a str,
    /// The shop's id; empty where the call names none.
    pub(super) shop: String,
    pub(super) open_id: String,
}

/// Every call of the API.
pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut world = shared.world();
    let mishap = world.next_of_api.pop_front().or(world.broken);
    *world.stats.calls.entry(endpoint(uri.path())).or_default() += 1;
    if let Some(response) = instead(mishap) {
        return response;
    }
    let query = read_query(uri.query());
    let said = gate(&mut world, &shared, &method, &uri, &query, &headers, &body)
        .and_then(|passed| serve(&mut world, &shared, &passed))
        .unwrap_or_else(|refused| refused);
    let throttled = said.code == 36_009_037;
    let mut response = said.respond(mishap);
    if throttled {
        response.headers_mut().insert(axum::http::header::RETRY_AFTER, 1.into());
    }
    response
}

/// A path with its ids left out.
fn endpoint(path: &str) -> String {
    let is_id = |part: &str| part.len() > 12 && part.bytes().all(|byte| byte.is_ascii_digit());
    path.split('/').map(|part| if is_id(part) { "{id}" } else { part }).collect::<Vec<_>>().join("/")
}

fn gate<'a>(
    world: &mut World,
    shared: &Shared,
    method: &'a Method,
    uri: &'a Uri,
    query: &'a Query,
    headers: &'a HeaderMap,
    body: &'a Bytes,
) -> Result<Passed<'a>, Said> {
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = content_type.starts_with("multipart/form-data");
    let now = shared.clock.now();
    if get(query, "app_key") != Some(&world.rules.app_key) {
        return Err(Said::error(400, 36_009_004, "Invalid app_key"));
    }
    let sent = get(query, "timestamp").and_then(|text| text.parse().ok());
    let sent = sent.and_then(|second| jiff::Timestamp::from_second(second).ok());
    if sent.is_none_or(|sent| now.duration_since(sent) > OLDEST || sent.duration_since(now) > EARLIEST) {
        world.stats.bad_signatures += 1;
        return Err(Said::error(400, 36_009_004, "Invalid timestamp: expired or in the future"));
    }
    let pairs: Vec<_> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let signed = (!body.is_empty() && !is_form).then_some(&body[..]);
    let expected = sign::of_call(&Secret::new(APP_SECRET), uri.path(), &pairs, signed);
    if get(query, "sign") != Some(&expected) {
        world.stats.bad_signatures += 1;
        return Err(Said::error(401, 106_001, "The signature is invalid"));
    }
    let open_id = seller(world, shared, headers)?;
    let path: Vec<_> = uri.path().split('/').skip(1).collect();
    let concerns_none = path.first() == Some(&"authorization") || path.ends_with(&["images", "upload"]);
    let shop = if concerns_none { String::new() } else { shop(world, query, &open_id)? };
    within_rate(world, &shop, method, uri.path())?;
    let raw = body;
    let body = if body.is_empty() || is_form {
        Value::Null
    } else {
        serde_json::from_slice(body).map_err(|_| Said::error(400, 36_009_004, "The body is not JSON"))?
    };
    Ok(Passed { method, path, query, body, raw, content_type, shop, open_id })
}

fn seller(world: &mut World, shared: &Shared, headers: &HeaderMap) -> Result<String, Said> {
    let text = headers.get("x-tts-access-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = shared.clock.now();
    let error = match world.access.get(text) {
        None => Said::error(401, 36_009_004, "Invalid credentials: the `x-tts-access-token` header is invalid"),
        Some(token) if token.revoked => Said::error(401, 105_001, "The access token has been deauthorized"),
        Some(token) if token.ends_at <= now => Said::error(401, 105_002, "The access token is expired"),
        Some(token) => {
            let open_id = token.open_id.clone();
            world.note_use(text);
            return Ok(open_id);
        }
    };
    world.stats.bad_tokens += 1;
    Err(error)
}

fn shop(world: &World, query: &Query, open_id: &str) -> Result<String, Said> {
    let cipher = get(query, "shop_cipher").ok_or_else(|| Said::error(400, 106_013, "shop_cipher is required"))?;
    let found = world.shops.iter().find(|(_, shop)| shop.cipher == cipher && shop.open_id == open_id);
    match found {
        None => Err(Said::error(400, 36_009_004, "shop_cipher is invalid")),
        Some((_, shop)) if shop.closed => Err(Said::error(401, 36_009_043, "The shop is inactive")),
        Some((id, _)) => Ok(id.clone()),
    }
}

fn within_rate(world: &mut World, shop: &str, method: &Method, path: &str) -> Result<(), Said> {
    let Some((reads, writes)) = world.rules.rates else { return Ok(()) };
    let reading = method == Method::GET || path.ends_with("/search");
    let limit = if reading { reads } else { writes };
    if world.recent.entry((shop.to_owned(), endpoint(path))).or_default().admits(limit as usize) {
        return Ok(());
    }
    world.stats.rate_violations += 1;
    Err(if world.rules.throttles_by_code {
        Said::error(200, 36_009_002, "request is rate limited")
    } else {
        Said::error(429, 36_009_037, "too many requests")
    })
}

fn serve(world: &mut World, shared: &Shared, call: &Passed<'_>) -> Result<Said, Said> {
    let now = shared.clock.now();
    match (call.method, call.path.as_slice()) {
        (&Method::GET, ["authorization", "202309", "shops"]) => Ok(shops(world, &call.open_id)),
        (&Method::POST, ["product", "202502", "products", "search"]) => products::search(world, call),
        (&Method::GET, ["product", "202309", "products", id]) => catalogue::details(world, call, id),
        (&Method::POST, ["product", "202309", "images", "upload"]) => {
            catalogue::upload(world, call.content_type, call.raw)
        }
        (&Method::POST, ["product", "202309", "products", "listing_check"]) => catalogue::listing_check(world, call),
        (&Method::POST, ["product", "202309", "products"]) => catalogue::create(world, call, now),
        (&Method::POST, ["product", "202509", "products", id, "partial_edit"]) => {
            catalogue::partial_edit(world, call, id, now)
        }
        (&Method::GET, ["logistics", "202309", "warehouses"]) => catalogue::warehouses(world, call),
        (&Method::POST, ["product", "202309", "inventory", "search"]) => products::inventory(world, call),
        (&Method::POST, ["product", "202309", "products", "deactivate"]) => products::deactivate(world, call, now),
        (&Method::POST, ["product", "202309", "products", "activate"]) => products::activate(world, call, now),
        (&Method::POST, ["product", "202309", "products", id, "prices", "update"]) => {
            products::set_prices(world, call, id, now)
        }
        (&Method::POST, ["product", "202309", "products", id, "inventory", "update"]) => {
            products::set_inventory(world, call, id, now)
        }
        _ => Err(Said::error(404, 36_009_009, "Invalid path")),
    }
}

fn shops(world: &World, open_id: &str) -> Said {
    let shops: Vec<_> = world
        .shops
        .iter()
        .filter(|(_, shop)| shop.open_id == open_id)
        .map(|(id, shop)| {
            json!({"id": id, "name": shop.name, "region": shop.region, "seller_type": "LOCAL",
                "cipher": shop.cipher, "code": format!("{}LC", shop.region)})
        })
        .collect();
    Said::data(json!({"shops": shops}))
}
