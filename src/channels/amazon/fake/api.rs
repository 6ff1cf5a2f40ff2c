//! The Sellers API, version 1, and the gateway before it.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri},
    response::Response,
};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    Shared, respond,
    state::{RATE, Seller, World},
};
use crate::channels::fake::{Mishap, wait};

/// How far a call's date may be off before it is counted. Nothing is refused for it: nothing is signed.
const FAR_OFF: SignedDuration = SignedDuration::from_mins(15);

/// An error in the vendor's words: status, code, message, details.
struct Refusal(u16, &'static str, &'static str, &'static str);

const DENIED: &str = "Access to requested resource is denied.";

fn denied(details: &'static str) -> Refusal {
    Refusal(403, "Unauthorized", DENIED, details)
}

impl Refusal {
    fn throttled() -> Self {
        Self(429, "QuotaExceeded", "You exceeded your quota for the requested resource.", "")
    }

    fn respond(self, mishap: Option<Mishap>) -> Response {
        let Self(status, code, message, details) = self;
        let status = StatusCode::from_u16(status).expect("the fake writes only statuses that exist");
        respond(status, json!({"errors": [{"code": code, "message": message, "details": details}]}), mishap)
    }
}

/// Every call of the API.
pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let mut world = shared.world();
    *world.stats.calls.entry(uri.path().to_owned()).or_default() += 1;
    let mishap = world.next_of_api.pop_front().or(world.broken);
    if let Some(response) = instead(mishap) {
        return response;
    }
    let rate = HeaderValue::from_str(&RATE.0.to_string()).expect("a number makes a header");
    match serve(&mut world, &shared, &method, uri.path(), &headers) {
        Ok(payload) => {
            let mut response = respond(StatusCode::OK, json!({"payload": payload}), mishap);
            response.headers_mut().insert("x-amzn-ratelimit-limit", rate);
            response
        }
        Err(refusal) => {
            let tells = refusal.0 == 429 && world.rules.throttled_tells_rate;
            let mut response = refusal.respond(mishap);
            if tells {
                response.headers_mut().insert("x-amzn-ratelimit-limit", rate);
            }
            response
        }
    }
}

/// The answer of a mishap that comes before anything is done.
fn instead(mishap: Option<Mishap>) -> Option<Response> {
    match mishap? {
        Mishap::Throttled { retry_after } => Some(wait(Refusal::throttled().respond(None), retry_after)),
        Mishap::ThrottledByCode => Some(Refusal::throttled().respond(None)),
        other => other.page(),
    }
}

fn serve(
    world: &mut World,
    shared: &Shared,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<Value, Refusal> {
    let now = shared.clock.now();
    if is_odd(headers, now) {
        world.stats.odd_headers += 1;
    }
    let payload = match (method, path) {
        (&Method::GET, "/sellers/v1/marketplaceParticipations") => Seller::participations,
        (&Method::GET, "/sellers/v1/account") => account,
        _ => return Err(Refusal(404, "NotFound", "The specified resource does not exist.", "")),
    };
    let seller = seller(world, headers, now)?;
    if !world.within_rate(&seller, path, now) {
        return Err(Refusal::throttled());
    }
    world.sellers.get(&seller).map(payload).ok_or_else(|| denied(""))
}

/// The seller whose access token came along.
fn seller(world: &mut World, headers: &HeaderMap, now: Timestamp) -> Result<String, Refusal> {
    let Some(text) = headers.get("x-amz-access-token").and_then(|value| value.to_str().ok()) else {
        return Err(denied("Access token is missing in the request header."));
    };
    if !world.has_secret(now) {
        return Err(denied("The LWA secret token you provided has expired."));
    }
    let found = world.access.get(text);
    let expired = found.is_some_and(|token| token.ends_at <= now);
    let for_whom = found.map(|token| token.refresh_token.clone());
    let standing = match &for_whom {
        Some(Some(refresh)) => world.standing(refresh, now),
        // A token of no seller is good for no call here.
        Some(None) => return Err(denied("")),
        None => None,
    };
    match standing {
        Some(_) if expired => {
            world.stats.bad_tokens += 1;
            Err(denied("The access token you provided has expired."))
        }
        Some(_) if world.rules.role_missing => Err(denied("")),
        Some(seller) => Ok(seller),
        None => {
            world.stats.bad_tokens += 1;
            Err(denied("The access token you provided is revoked, malformed or invalid."))
        }
    }
}

/// Whether the headers that the vendor asks for are not as they should be.
fn is_odd(headers: &HeaderMap, now: Timestamp) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let date = DateTime::strptime("%Y%m%dT%H%M%SZ", text("x-amz-date")).ok();
    let at = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok()).map(|at| at.timestamp());
    let far_off = at.is_none_or(|at| at.duration_since(now).abs() > FAR_OFF);
    far_off || !text("user-agent").contains("(Language=")
}

/// An `Account` of the vendor's model.
fn account(seller: &Seller) -> Value {
    json!({
        "businessType": "PRIVATE_LIMITED", "sellingPlan": "PROFESSIONAL",
        "marketplaceParticipationList": seller.participations(),
        "business": {
            "name": seller.name,
            "registeredBusinessAddress": {"addressLine1": "1 Pretend Street", "city": "Nowhere", "countryCode": "DE"},
        },
    })
}
