//! Token calls: codes become tokens, tokens become newer ones.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{Uri, header},
    response::{IntoResponse, Response},
    routing::post,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    PARTNER_ID, Said, Shared, api, check_signed, instead, read_query,
    state::{Issued, Subject, World},
};
use crate::channels::fake::Mishap;

const EXCHANGE: &str = "/api/v2/auth/token/get";
const REFRESH: &str = "/api/v2/auth/access_token/get";
/// How long a repeated refresh brings what the lost reply held.
const REPEATABLE: SignedDuration = SignedDuration::from_hours(4);

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route(EXCHANGE, post(answer)).route(REFRESH, post(answer))
}

async fn answer(State(shared): State<Arc<Shared>>, uri: Uri, body: Bytes) -> Response {
    let mut world = shared.world();
    *world.stats.calls.entry(uri.path().to_owned()).or_default() += 1;
    let mishap = world.next_of_tokens.pop_front();
    if let Some(response) = instead(mishap) {
        return response;
    }
    let lost = mishap.is_some_and(Mishap::loses_reply);
    let said = serve(&mut world, &shared, &uri, &body, lost).unwrap_or_else(|refused| refused);
    match world.instead_of_tokens.take() {
        Some(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        None => said.respond(&world.rules, mishap),
    }
}

fn serve(world: &mut World, shared: &Shared, uri: &Uri, body: &Bytes, lost: bool) -> Result<Said, Said> {
    check_signed(shared, world, uri.path(), &read_query(uri.query()), None)?;
    api::within_quota(world)?;
    let body: Value = serde_json::from_slice(body).map_err(|_| Said::error("error_param", "The body is not JSON."))?;
    if body["partner_id"].as_u64() != Some(PARTNER_ID) {
        return Err(Said::error("error_param", "Invalid partner_id."));
    }
    if uri.path() == EXCHANGE { exchange(world, shared, &body) } else { refresh(world, shared, &body, lost) }
}

fn exchange(world: &mut World, shared: &Shared, body: &Value) -> Result<Said, Said> {
    let now = shared.clock.now();
    let code = body["code"].as_str().and_then(|code| world.codes.get_mut(code));
    let code = code.filter(|code| !code.used && now < code.until);
    let code =
        code.ok_or_else(|| Said::error("invalid_code", "Invalid code: wrong, used or older than 10 minutes."))?;
    let named = (body["shop_id"].as_u64(), body["main_account_id"].as_u64());
    match (code.subject, named) {
        (Subject::Shop(id), (Some(named), None)) if id == named => {}
        (Subject::Main(id), (None, Some(named))) if id == named => {}
        (Subject::Shop(_), _) => return Err(Said::error("invalid_shop_id", "Invalid shop_id.")),
        (Subject::Main(_), _) => return Err(Said::error("invalid_main_acount_id", "Invalid main_account_id.")),
    }
    code.used = true;
    let (subject, life) = (code.subject, code.life);
    world.stats.exchanges += 1;
    let shops = world.shops_of(subject);
    let issued = world.grant(&shops, now, now + life, now);
    let mut fields = granted(world, &issued, now);
    if matches!(subject, Subject::Main(_)) {
        fields["shop_id_list"] = json!(shops);
        fields["merchant_id_list"] = json!([]);
    }
    Ok(Said::fields(fields))
}

/// Each shop spends a refresh token once: the pair of a main account serves each of its shops for one refresh.
fn refresh(world: &mut World, shared: &Shared, body: &Value, lost: bool) -> Result<Said, Said> {
    let now = shared.clock.now();
    let shop = body["shop_id"].as_u64().ok_or_else(|| Said::error("error_param", "shop_id is required."))?;
    let spent = (body["refresh_token"].as_str().unwrap_or_default().to_owned(), shop);
    api::permitted(world, shop, now)?;
    let refused = || Said::error("error_shop_refresh_token", "Invalid refresh_token.");
    let (forgiving, unread_until_used) = (world.rules.lost_reply_forgiven, world.rules.unread_until_used);
    let token = world.refresh.get_mut(&spent).ok_or_else(refused)?;
    let reply_lost = lost || unread_until_used;
    let issued = if let Some((at, again)) = &token.spent {
        if !std::mem::take(&mut token.unread) {
            world.stats.refresh_tokens_spent_twice += 1;
            return Err(refused());
        }
        world.stats.refresh_tokens_spent_after_lost_reply += 1;
        if !forgiving || now >= *at + REPEATABLE {
            return Err(refused());
        }
        token.unread = reply_lost;
        again.clone()
    } else {
        if token.ends_at <= now {
            return Err(Said::error("refresh_token_expired", "Your refresh_token expired."));
        }
        renew(world, &spent, now, reply_lost)
    };
    let mut fields = granted(world, &issued, now);
    fields["partner_id"] = PARTNER_ID.into();
    fields["shop_id"] = shop.into();
    Ok(Said::fields(fields))
}

/// A refresh token is spent for the first time.
fn renew(world: &mut World, spent: &(String, u64), now: jiff::Timestamp, reply_lost: bool) -> Issued {
    let shop = spent.1;
    let issued = world.issue(&[shop], now);
    world.stats.refreshes += 1;
    let until = now + world.rules.previous_access_grace;
    // A token that is spent was read, and with it the reply that brought it.
    let brought = |token: &&mut super::state::Refresh| {
        token.spent.as_ref().is_some_and(|(_, issued)| issued.refresh_token == spent.0)
    };
    if let Some(before) = world.refresh.values_mut().find(brought) {
        before.unread = false;
    }
    if let Some(token) = world.refresh.get_mut(spent) {
        token.spent = Some((now, issued.clone()));
        token.unread = reply_lost;
        if let Some(previous) = world.access.get_mut(&(token.access_token.clone(), shop)) {
            previous.ends_at = previous.ends_at.min(until);
        }
    }
    if let Some(access) = world.access.get_mut(&(issued.access_token.clone(), shop)) {
        access.traded_for = Some(spent.0.clone());
    }
    issued
}

fn granted(world: &World, issued: &Issued, now: jiff::Timestamp) -> Value {
    let ends = issued.access_token_ends_at.as_second();
    let expire_in = if world.rules.expire_in_is_an_instant { ends } else { ends - now.as_second() };
    json!({"access_token": issued.access_token, "refresh_token": issued.refresh_token, "expire_in": expire_in})
}
