//! The pretend Global's consent page and token host.

use axum::response::{Html, IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::Url;

use super::{
    APP_KEY, APP_SECRET, Shared,
    answers::Said,
    state::{Code, Issued, World},
};
use crate::{
    channels::{
        fake::{self, Query, get},
        shopline::{Platform, sign},
    },
    secrets::{Secret, random_text},
};

/// A code can be traded for this long.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);
/// How far the time of a signed call may be from ours.
const FRESH: SignedDuration = SignedDuration::from_mins(10);

/// The page that a consent link leads to. What it is asked stands behind the `#`, which only a browser can tell.
pub(super) fn entrance(handle: &str) -> Response {
    let to = format!("/{handle}/admin/oauth-web/consent");
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Pretend SHOPLINE</title>\
         <p>This page needs JavaScript.</p><script>location.replace('{to}?' + (location.hash.split('?')[1] || ''))</script>"
    ))
    .into_response()
}

/// The page on which an owner agrees.
pub(super) fn consent_page(shared: &Shared, handle: &str, query: &Query) -> Response {
    let accounts = shared.world().accounts(Platform::Global, Some(handle));
    let action = format!("/{handle}/admin/oauth-web/decide");
    fake::consent_page("Pretend SHOPLINE", &action, query, &accounts).into_response()
}

/// What the buttons do.
pub(super) fn decide_in_browser(shared: &Shared, handle: &str, query: &Query) -> Result<Url, String> {
    let accounts = shared.world().accounts(Platform::Global, Some(handle));
    let (account, agrees) = fake::decision(query, &accounts);
    decide(shared, handle, query, account.filter(|_| agrees))
}

/// As if a browser had opened a consent link.
pub(super) fn decide_link(shared: &Shared, link: &Url, fragment: &str, account: Option<&str>) -> Result<Url, String> {
    let handle = link.path_segments().and_then(|mut parts| parts.next()).ok_or("the link names no store")?;
    let query = fragment.strip_prefix("/oauth/authorize?").ok_or("there is no such page")?;
    decide(shared, handle, &fake::read_query(Some(query)), account)
}

fn decide(shared: &Shared, handle: &str, query: &Query, account: Option<&str>) -> Result<Url, String> {
    let now = shared.clock.now();
    let mut world = shared.world();
    let own = world.account(Platform::Global, handle).ok_or("there is no such store")?;
    if get(query, "appKey") != Some(APP_KEY) || get(query, "responseType") != Some("code") {
        return Err("appKey or responseType is invalid".to_owned());
    }
    if get(query, "scope").is_none_or(str::is_empty) {
        return Err("scope is missing".to_owned());
    }
    let known = world.redirect_url.clone().ok_or("the app has no redirect URL")?;
    if get(query, "redirectUri") != Some(known.as_str()) {
        return Err("redirectUri is not one of the app's".to_owned());
    }
    let mut back = Vec::new();
    match account {
        None => back.push(("error".to_owned(), "access_denied".to_owned())),
        Some(account) if account == own => {
            let code = random_text(40);
            let (account, redirect) = (own, String::new());
            world.codes.insert(code.clone(), Code { account, until: now + CODE_LIFE, redirect, used: false });
            back.push(("code".to_owned(), code));
        }
        Some(_) => return Err("that is not this store's owner".to_owned()),
    }
    if let Some(state) = get(query, "customField") {
        back.push(("customField".to_owned(), state.to_owned()));
    }
    sign_query(&mut back, handle, now);
    let mut url = known;
    url.query_pairs_mut().extend_pairs(back);
    Ok(url)
}

/// Adds what every browser brings from Global: app, store, time, and the signature of it all.
pub(super) fn sign_query(query: &mut Query, handle: &str, now: Timestamp) {
    let timestamp = now.as_millisecond().to_string();
    let common = [("appkey", APP_KEY), ("handle", handle), ("timestamp", &timestamp)];
    query.extend(common.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let sign = sign::of_query(&Secret::new(APP_SECRET), query);
    query.push(("sign".to_owned(), sign));
}

/// Both calls of the token host. `header`: what a header says.
pub(super) fn token_call(
    world: &mut World,
    handle: &str,
    exchanges: bool,
    header: impl Fn(&str) -> String,
    body: &str,
    now: Timestamp,
) -> Said {
    if let Err(said) = check_signed(world, &header, body, now) {
        world.stats.bad_signatures += 1;
        return said;
    }
    let Some(account) = world.account(Platform::Global, handle) else {
        return Said::token(400, "STORE_NOT_EXIST", Value::Null);
    };
    if exchanges { exchange(world, &account, body, now) } else { refresh(world, &account, body, now) }
}

fn check_signed(world: &World, header: &impl Fn(&str) -> String, body: &str, now: Timestamp) -> Result<(), Said> {
    let refused = |word| Err(Said::token(500, word, Value::Null));
    let (timestamp, signature) = (header("timestamp"), header("sign"));
    let sent = timestamp.parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    if header("appkey") != APP_KEY {
        return refused("APPKEY_NOT_EXIST");
    }
    if signature.is_empty() {
        return refused("RequestSignIsEmpty");
    }
    if sent.is_none_or(|sent| now.duration_since(sent).abs() > FRESH) {
        return refused("RequestTimestampInvalid");
    }
    if sign::of_call(&Secret::new(APP_SECRET), body, &timestamp) != signature {
        return refused("RequestSignInvalid");
    }
    if world.stores.is_empty() { refused("SYSTEM_ERROR") } else { Ok(()) }
}

fn exchange(world: &mut World, account: &str, body: &str, now: Timestamp) -> Said {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let code = body["code"].as_str().and_then(|code| world.codes.get_mut(code));
    let Some(code) = code.filter(|code| !code.used && now < code.until && code.account == account) else {
        return Said::token(400, "AUTH_CODE_INVALID", Value::Null);
    };
    code.used = true;
    world.stats.exchanges += 1;
    granted(world.grant(account, now))
}

fn refresh(world: &mut World, account: &str, body: &str, now: Timestamp) -> Said {
    let rest = world.rules.refresh_rest;
    let Some(store) = world.stores.get(account).filter(|store| store.installed) else {
        return Said::token(400, "APP_NOT_INSTALLED", Value::Null);
    };
    if !matches!(body, "" | "{}") {
        return Said::token(400, "PARAM_ERROR", Value::Null);
    }
    if store.issued_at.is_some_and(|at| now.duration_since(at) < rest) {
        world.stats.refreshes_too_soon += 1;
        return Said::token(500, "REQUEST_FREQUENTLY", Value::Null);
    }
    world.stats.refreshes += 1;
    granted(world.issue(account, now))
}

fn granted(issued: Option<Issued>) -> Said {
    let Some(issued) = issued else { return Said::token(400, "STORE_NOT_EXIST", Value::Null) };
    let ends_at = issued.access_token_ends_at.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string();
    let scope = "read_products,write_products";
    Said::token(200, "SUCCESS", json!({"accessToken": issued.access_token, "expireTime": ends_at, "scope": scope}))
}
