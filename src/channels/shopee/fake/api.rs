//! Shop calls: everything that is checked before an endpoint sees a call, in the vendor's order as far as it is known.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{Method, Uri},
    response::Response,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Query, Said, Shared, check_signed, creating, get, instead, products, read_query, state::World, updating, writes,
};

/// A call that the gate let through.
pub(super) struct Passed<'a> {
    pub(super) shop: u64,
    pub(super) query: &'a Query,
    pub(super) body: Value,
    pub(super) now: Timestamp,
}

/// Every call that is neither a consent page nor about tokens.
pub(super) async fn answer(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, body: Bytes) -> Response {
    let mut world = shared.world();
    let mishap = world.next_of_api.pop_front().or(world.broken);
    *world.stats.calls.entry(uri.path().to_owned()).or_default() += 1;
    if let Some(response) = instead(mishap) {
        return response;
    }
    let query = read_query(uri.query());
    let said = match (method, uri.path()) {
        (Method::GET, path @ "/api/v2/shop/get_shop_info") => {
            gate(&mut world, &shared, path, &query).and_then(|shop| shop_info(&world, shop))
        }
        // Images belong to the app: signed without a shop.
        (Method::POST, path @ "/api/v2/media_space/upload_image") => {
            check_signed(&shared, &mut world, path, &query, None)
                .and_then(|()| within_quota(&world))
                .and_then(|()| creating::image(&mut world, &body))
        }
        (method, path) if path.starts_with("/api/v2/product/") => gate(&mut world, &shared, path, &query)
            .and_then(|shop| product(&mut world, &shared, (&method, path), shop, (&query, &body))),
        _ => Err(Said::error("error_not_found", "Invalid path.")),
    };
    said.unwrap_or_else(|refused| refused).respond(&world.rules, mishap)
}

fn product(
    world: &mut World,
    shared: &Shared,
    (method, path): (&Method, &str),
    shop: u64,
    (query, body): (&Query, &Bytes),
) -> Result<Said, Said> {
    let now = shared.clock.now();
    let body = match *method {
        Method::POST => serde_json::from_slice(body).map_err(|_| Said::error("error_data", "parse data failed"))?,
        _ => Value::Null,
    };
    let call = Passed { shop, query, body, now };
    let name = path.trim_start_matches("/api/v2/product/");
    match (method, name) {
        (&Method::GET, "get_item_list") => products::list(world, &call),
        (&Method::GET, "get_item_base_info") => products::base_info(world, &call, now),
        (&Method::GET, "get_model_list") => products::models(world, &call),
        (&Method::GET, "search_item") => products::search(world, &call),
        (&Method::POST, "update_price") => writes::prices(world, &call, now),
        (&Method::POST, "update_stock") => writes::stocks(world, &call, now),
        (&Method::POST, "unlist_item") => writes::unlist(world, &call, now),
        (&Method::POST, "update_item") => updating::update(world, &call, now),
        (&Method::GET, "get_item_limit") => creating::limits(world, &call),
        (&Method::POST, "add_item") => creating::add(world, &call, now),
        (&Method::POST, "init_tier_variation") => creating::init(world, &call, now),
        (&Method::POST, "update_tier_variation") => creating::update_tiers(world, &call, now),
        (&Method::POST, "add_model") => creating::add_models(world, &call, now),
        _ => Err(Said::error("error_not_found", "Invalid path.")),
    }
}

/// Which shop a call may speak for.
fn gate(world: &mut World, shared: &Shared, path: &str, query: &Query) -> Result<u64, Said> {
    let token = get(query, "access_token").unwrap_or_default();
    let shop = get(query, "shop_id").and_then(|id| id.parse().ok());
    let shop = shop.ok_or_else(|| Said::error("error_param", "There is no shop_id in query."))?;
    check_signed(shared, world, path, query, Some((token, shop)))?;
    within_quota(world)?;
    within_rate(world, shop)?;
    let now = shared.clock.now();
    permitted(world, shop, now)?;
    match world.access.get(&(token.to_owned(), shop)) {
        Some(access) if access.ends_at > now => {
            world.note_use(token, shop);
            Ok(shop)
        }
        _ => {
            world.stats.bad_tokens += 1;
            Err(Said::error("error_auth", "Invalid access_token."))
        }
    }
}

/// That the owner's permission stands.
pub(super) fn permitted(world: &mut World, shop: u64, now: Timestamp) -> Result<(), Said> {
    let permission = world.shops.get(&shop).and_then(|shop| shop.permission);
    let refused = match permission {
        Some(given) if given.cancelled => Said::error("shop_no_linked", "The shop and partner are not linked."),
        Some(given) if given.ends_at <= now => Said::error("shop_access_expired", "The authorization has expired."),
        Some(_) => return Ok(()),
        None => Said::error("shop_no_linked", "The shop and partner are not linked."),
    };
    world.stats.calls_after_the_end += 1;
    Err(refused)
}

/// That the app's calls of the day are not used up.
pub(super) fn within_quota(world: &World) -> Result<(), Said> {
    if world.rules.daily_limit_reached {
        return Err(Said::error("error_limit", "The daily quota of calls is used up."));
    }
    Ok(())
}

fn within_rate(world: &mut World, shop: u64) -> Result<(), Said> {
    let Some(limit) = world.rules.rate else { return Ok(()) };
    if world.recent.entry(shop).or_default().admits(limit as usize) {
        return Ok(());
    }
    world.stats.rate_violations += 1;
    Err(Said::error("error_rate_limit", "Too many requests, please slow down."))
}

fn shop_info(world: &World, id: u64) -> Result<Said, Said> {
    let unknown = || Said::error("invalid_shop_id", "Invalid shop_id.");
    let shop = world.shops.get(&id).ok_or_else(unknown)?;
    let given = shop.permission.ok_or_else(unknown)?;
    if world.rules.banned_is_an_error && shop.status != "NORMAL" {
        return Err(Said::error("shop_banned", "The shop is banned."));
    }
    Ok(Said::fields(json!({
        "shop_name": shop.name, "region": shop.region, "status": shop.status, "is_cb": false, "is_sip": false,
        "auth_time": given.given_at.as_second(), "expire_time": given.ends_at.as_second(), "merchant_id": null,
    })))
}
