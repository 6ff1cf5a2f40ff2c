//! Login with Amazon: the token host.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::Response,
    routing::post,
};
use serde_json::{Map, Value, json};

use super::{CLIENT_ID, Shared, respond, state::World};
use crate::channels::fake::{Mishap, Query, get, read_query, wait};

/// The scopes of calls that concern no seller.
const GRANTLESS: [&str; 2] = ["sellingpartnerapi::notifications", "sellingpartnerapi::client_credential:rotation"];

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/auth/o2/token", post(token_call))
}

/// What the host says: tokens, or an error in its words.
type Said = Result<Value, (StatusCode, &'static str, String)>;

async fn token_call(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut world = shared.world();
    *world.stats.calls.entry("/auth/o2/token".to_owned()).or_default() += 1;
    let mishap = world.next_of_tokens.pop_front();
    if let Some(response) = instead(mishap) {
        return response;
    }
    let said = match read_form(&headers, &body) {
        Some(form) => serve(&mut world, &shared, &form),
        None => Err(refused("invalid_request", "The content type is not supported")),
    };
    match said {
        Ok(tokens) => respond(StatusCode::OK, tokens, mishap),
        Err((status, error, description)) => {
            respond(status, json!({"error": error, "error_description": description}), mishap)
        }
    }
}

/// The answer of a mishap that comes before anything is done.
fn instead(mishap: Option<Mishap>) -> Option<Response> {
    let body = json!({"error": "too_many_requests", "error_description": "Request rate is too high"});
    match mishap? {
        Mishap::Throttled { retry_after } => {
            Some(wait(respond(StatusCode::TOO_MANY_REQUESTS, body, None), retry_after))
        }
        Mishap::ThrottledByCode => Some(respond(StatusCode::TOO_MANY_REQUESTS, body, None)),
        other => other.page(),
    }
}

/// The fields of a form, or of a JSON object of texts.
fn read_form(headers: &HeaderMap, body: &Bytes) -> Option<Query> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let text = std::str::from_utf8(body).ok()?;
    match kind.split(';').next()?.trim() {
        "application/x-www-form-urlencoded" => Some(read_query(Some(text))),
        "application/json" => {
            let fields: Map<String, Value> = serde_json::from_str(text).ok()?;
            fields.into_iter().map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
        }
        _ => None,
    }
}

fn refused(error: &'static str, description: impl Into<String>) -> (StatusCode, &'static str, String) {
    (StatusCode::BAD_REQUEST, error, description.into())
}

fn needed<'a>(form: &'a Query, name: &str) -> Result<&'a str, (StatusCode, &'static str, String)> {
    let value = get(form, name).filter(|value| !value.is_empty());
    value.ok_or_else(|| refused("invalid_request", format!("The request is missing a required parameter : {name}")))
}

fn serve(world: &mut World, shared: &Shared, form: &Query) -> Said {
    let now = shared.clock.now();
    let grant_type = needed(form, "grant_type")?;
    let (client, secret) = (needed(form, "client_id")?, needed(form, "client_secret")?);
    if client != CLIENT_ID || !world.is_secret(secret, now) {
        world.stats.bad_clients += 1;
        return Err((StatusCode::UNAUTHORIZED, "invalid_client", "Client authentication failed".to_owned()));
    }
    match grant_type {
        "authorization_code" => exchange(world, shared, form),
        "refresh_token" => refresh(world, shared, form),
        "client_credentials" => grantless(world, shared, form),
        _ => Err(refused(
            "unsupported_grant_type",
            "The authorization grant type is not supported by the authorization server",
        )),
    }
}

fn exchange(world: &mut World, shared: &Shared, form: &Query) -> Said {
    let now = shared.clock.now();
    let code = world.codes.get_mut(needed(form, "code")?);
    let Some(code) = code.filter(|code| !code.used && now < code.until) else {
        return Err(refused("invalid_grant", "The request has an invalid grant parameter : code"));
    };
    // It may be left out; another one than the link's is refused.
    if get(form, "redirect_uri").is_some_and(|redirect| redirect != code.redirect) {
        return Err(refused("invalid_grant", "The request has an invalid grant parameter : redirect_uri"));
    }
    code.used = true;
    let seller = code.seller.clone();
    world.stats.exchanges += 1;
    let issued = world.issue(&seller, now, now);
    Ok(tokens(world, &issued.access_token, Some(&issued.refresh_token)))
}

fn refresh(world: &mut World, shared: &Shared, form: &Query) -> Said {
    let now = shared.clock.now();
    let text = needed(form, "refresh_token")?;
    if world.standing(text, now).is_none() {
        return Err(refused(
            "invalid_grant",
            "The request has an invalid grant parameter : refresh_token. User may have revoked or didn't grant the permission.",
        ));
    }
    world.stats.refreshes += 1;
    let (access, _) = world.issue_access(Some(text), now);
    let told = !world.rules.leaves_out_refresh_token;
    Ok(tokens(world, &access, told.then_some(text)))
}

fn grantless(world: &mut World, shared: &Shared, form: &Query) -> Said {
    if !GRANTLESS.contains(&needed(form, "scope")?) {
        return Err(refused("invalid_scope", "The requested scope is invalid, unknown, or malformed"));
    }
    let (access, _) = world.issue_access(None, shared.clock.now());
    Ok(tokens(world, &access, None))
}

fn tokens(world: &World, access: &str, refresh: Option<&str>) -> Value {
    let mut said = json!({
        "access_token": access, "token_type": "bearer", "expires_in": world.rules.access_token_life.as_secs(),
    });
    if let Some(refresh) = refresh {
        said["refresh_token"] = refresh.into();
    }
    said
}
