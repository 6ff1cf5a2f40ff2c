//! The gateway before the API: which operation a call is, whose it is, and whether it comes too often.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri},
    response::Response,
};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Value, json};

use super::{Shared, documents, listings, respond, search, state::World, works};
use crate::channels::fake::{Mishap, Query, read_query, wait};

/// How far a call's date may be off before it is counted. Nothing is refused for it: nothing is signed.
const FAR_OFF: SignedDuration = SignedDuration::from_mins(15);

/// An error in the vendor's words: status, code, message, details.
#[derive(Debug)]
pub(super) struct Refusal(u16, &'static str, &'static str, String);

const DENIED: &str = "Access to requested resource is denied.";

pub(super) fn denied(details: &str) -> Refusal {
    Refusal(403, "Unauthorized", DENIED, details.to_owned())
}

impl Refusal {
    pub(super) fn throttled() -> Self {
        Self(429, "QuotaExceeded", "You exceeded your quota for the requested resource.", String::new())
    }

    /// Parameters or a body of another shape than the models have.
    pub(super) fn bad(details: impl Into<String>) -> Self {
        Self(400, "InvalidInput", "One or more request parameters is not valid", details.into())
    }

    /// What is wrong, in words.
    pub(super) fn words(&self) -> String {
        format!("{}: {}", self.2, self.3)
    }

    pub(super) fn not_found(message: &'static str) -> Self {
        Self(404, "NotFound", message, String::new())
    }

    fn respond(self, mishap: Option<Mishap>) -> Response {
        let Self(status, code, message, details) = self;
        let status = StatusCode::from_u16(status).expect("the fake writes only statuses that exist");
        respond(status, json!({"errors": [{"code": code, "message": message, "details": details}]}), mishap)
    }
}

/// An operation of the models, with the documented rate: calls a second, and at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) rate: f64,
    pub(super) burst: f64,
    /// The status of its success.
    status: u16,
    serve: Serve,
}

impl Operation {
    /// A limit that an operation has beside its own.
    pub(super) fn limit(name: &'static str, rate: f64, burst: f64) -> Self {
        let serve: Serve = |_, _, _| Err(Refusal::bad("a limit is no operation"));
        Self { name, rate, burst, status: 200, serve }
    }
}

type Serve = fn(&mut World, &Shared, &Passed<'_>) -> Result<Value, Refusal>;

/// A call that passed the gateway.
pub(super) struct Passed<'a> {
    /// The seller whose token came along.
    pub(super) seller: String,
    /// The parts of the path that are ids, decoded.
    pub(super) ids: Vec<String>,
    pub(super) query: Query,
    pub(super) body: &'a Bytes,
    pub(super) now: Timestamp,
}

impl Passed<'_> {
    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(self.body).map_err(|_| Refusal::bad("the body is not JSON"))
    }

    pub(super) fn id(&self, index: usize) -> &str {
        self.ids.get(index).map(String::as_str).unwrap_or_default()
    }
}

/// The operation of a call, and the ids in its path.
fn operation(method: &Method, path: &str) -> Option<(Operation, Vec<String>)> {
    let parts: Vec<String> = path.split('/').skip(1).map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let op = |name, rate, burst, status, serve| Operation { name, rate, burst, status, serve };
    let (operation, ids): (_, &[&str]) = match (method.as_str(), parts.as_slice()) {
        ("GET", ["sellers", "v1", "marketplaceParticipations"]) => {
            (op("/sellers/v1/marketplaceParticipations", 0.016, 15.0, 200, participations as Serve), &[])
        }
        ("GET", ["sellers", "v1", "account"]) => (op("/sellers/v1/account", 0.016, 15.0, 200, account), &[]),
        ("GET", ["listings", "2021-08-01", "items", ids @ ..]) if ids.len() == 1 => {
            (op("searchListingsItems", 5.0, 5.0, 200, search::serve), ids)
        }
        ("GET", ["listings", "2021-08-01", "items", ids @ ..]) if ids.len() == 2 => {
            (op("getListingsItem", 5.0, 10.0, 200, listings::get_one), ids)
        }
        ("PUT", ["listings", "2021-08-01", "items", ids @ ..]) if ids.len() == 2 => {
            (op("putListingsItem", 5.0, 10.0, 200, listings::put), ids)
        }
        ("PATCH", ["listings", "2021-08-01", "items", ids @ ..]) if ids.len() == 2 => {
            (op("patchListingsItem", 5.0, 5.0, 200, listings::patch), ids)
        }
        ("DELETE", ["listings", "2021-08-01", "items", ids @ ..]) if ids.len() == 2 => {
            (op("deleteListingsItem", 5.0, 5.0, 200, listings::delete), ids)
        }
        ("POST", ["reports", "2021-06-30", "reports"]) => {
            (op("createReport", 0.0167, 15.0, 202, works::create_report), &[])
        }
        ("GET", ["reports", "2021-06-30", "reports", ids @ ..]) if ids.len() == 1 => {
            (op("getReport", 2.0, 15.0, 200, works::get_report), ids)
        }
        ("GET", ["reports", "2021-06-30", "documents", ids @ ..]) if ids.len() == 1 => {
            (op("getReportDocument", 0.0167, 15.0, 200, documents::get_report_document), ids)
        }
        ("POST", ["feeds", "2021-06-30", "documents"]) => {
            (op("createFeedDocument", 0.5, 15.0, 201, documents::create_feed_document), &[])
        }
        ("GET", ["feeds", "2021-06-30", "documents", ids @ ..]) if ids.len() == 1 => {
            (op("getFeedDocument", 0.0222, 10.0, 200, documents::get_feed_document), ids)
        }
        ("POST", ["feeds", "2021-06-30", "feeds"]) => (op("createFeed", 0.0083, 15.0, 202, works::create_feed), &[]),
        ("GET", ["feeds", "2021-06-30", "feeds", ids @ ..]) if ids.len() == 1 => {
            (op("getFeed", 2.0, 15.0, 200, works::get_feed), ids)
        }
        _ => return None,
    };
    Some((operation, ids.iter().map(|&id| id.to_owned()).collect()))
}

/// A part of a path as it was meant.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match byte {
            b'%' => {
                let (high, low) = (hex(rest.next()), hex(rest.next()));
                bytes.push((high.unwrap_or(15) * 16 + low.unwrap_or(15)) as u8);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
    let operation = operation(&method, uri.path());
    let name = operation.as_ref().map_or(uri.path(), |(operation, _)| operation.name);
    *world.stats.calls.entry(name.to_owned()).or_default() += 1;
    let mishap = world.next_of_api.pop_front().or(world.broken);
    if let Some(response) = instead(mishap) {
        return response;
    }
    if is_odd(&headers, shared.clock.now()) {
        world.stats.odd_headers += 1;
    }
    let Some((operation, ids)) = operation else {
        return Refusal::not_found("The specified resource does not exist.").respond(mishap);
    };
    let rate = HeaderValue::from_str(&operation.rate.to_string()).expect("a number makes a header");
    let call = (&uri, &headers, &body);
    match serve(&mut world, &shared, &operation, ids, call) {
        Ok(body) => {
            let status = StatusCode::from_u16(operation.status).expect("the fake writes only statuses that exist");
            let mut response = respond(status, body, mishap);
            response.headers_mut().insert("x-amzn-ratelimit-limit", rate);
            response
        }
        Err(refusal) => {
            if matches!(refusal.0, 400 | 415) {
                world.stats.bad_requests += 1;
            }
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
    operation: &Operation,
    ids: Vec<String>,
    (uri, headers, body): (&Uri, &HeaderMap, &Bytes),
) -> Result<Value, Refusal> {
    let now = shared.clock.now();
    let seller = seller(world, headers, now)?;
    if !world.within_rate(&seller, operation, now) {
        return Err(Refusal::throttled());
    }
    let json = headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !body.is_empty() && !json {
        return Err(Refusal(
            415,
            "UnsupportedMediaType",
            "The entity of the request is in a format not supported",
            String::new(),
        ));
    }
    let passed = Passed { seller, ids, query: read_query(uri.query()), body, now };
    (operation.serve)(world, shared, &passed)
}

fn participations(world: &mut World, _: &Shared, call: &Passed<'_>) -> Result<Value, Refusal> {
    let seller = world.sellers.get(&call.seller).ok_or_else(|| denied(""))?;
    Ok(json!({"payload": seller.participations()}))
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
fn account(world: &mut World, _: &Shared, call: &Passed<'_>) -> Result<Value, Refusal> {
    let seller = world.sellers.get(&call.seller).ok_or_else(|| denied(""))?;
    Ok(json!({"payload": {
        "businessType": "PRIVATE_LIMITED", "sellingPlan": "PROFESSIONAL",
        "marketplaceParticipationList": seller.participations(),
        "business": {
            "name": seller.name,
            "registeredBusinessAddress": {"addressLine1": "1 Pretend Street", "city": "Nowhere", "countryCode": "DE"},
        },
    }}))
}
