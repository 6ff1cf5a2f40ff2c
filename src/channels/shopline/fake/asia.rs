//! The pretend Asia's consent page and token host.

use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::Url;

use super::{
    ASIA_APP_SECRET, ASIA_CLIENT_ID, Shared,
    answers::Said,
    state::{Code, Issued, World},
};
use crate::{
    channels::{
        fake::{self, Query, get},
        shopline::Platform,
    },
    secrets::random_text,
};

/// A code can be traded for this long.
const CODE_LIFE: SignedDuration = SignedDuration::from_secs(600);

/// The page on which an owner agrees: whichever is signed in.
pub(super) fn consent_page(shared: &Shared, handle: &str, query: &Query) -> Response {
    let accounts = shared.world().accounts(Platform::Asia, None);
    fake::consent_page("Pretend SHOPLINE Asia", &format!("/{handle}/oauth/decide"), query, &accounts).into_response()
}

/// What the buttons do.
pub(super) fn decide_in_browser(shared: &Shared, query: &Query) -> Result<Url, String> {
    let accounts = shared.world().accounts(Platform::Asia, None);
    let (account, agrees) = fake::decision(query, &accounts);
    decide(shared, query, account.filter(|_| agrees))
}

/// An owner agrees, or (`None`) declines: where the browser goes next.
pub(super) fn decide(shared: &Shared, query: &Query, account: Option<&str>) -> Result<Url, String> {
    let now = shared.clock.now();
    let mut world = shared.world();
    if get(query, "client_id") != Some(ASIA_CLIENT_ID) || get(query, "response_type") != Some("code") {
        return Err("client_id or response_type is invalid".to_owned());
    }
    if get(query, "scope").is_none_or(str::is_empty) {
        return Err("scope is missing".to_owned());
    }
    let mut url = world.redirect_url.clone().ok_or("the app has no redirect URI")?;
    if get(query, "redirect_uri") != Some(url.as_str()) {
        return Err("redirect_uri is not one of the app's".to_owned());
    }
    let redirect = url.to_string();
    let mut back = url.query_pairs_mut();
    match account {
        None => {
            back.append_pair("error", "access_denied").append_pair("error_description", "The owner said no.");
        }
        Some(account) => {
            let known = world.stores.get(account).is_some_and(|store| store.platform == Platform::Asia);
            let account = known.then(|| account.to_owned()).ok_or("there is no such merchant")?;
            let code = random_text(48);
            back.append_pair("code", &code);
            world.codes.insert(code, Code { account, until: now + CODE_LIFE, redirect, used: false });
        }
    }
    if let Some(state) = get(query, "state") {
        back.append_pair("state", state);
    }
    drop(back);
    Ok(url)
}

/// The one call of the token host. `lost`: the reply will not arrive.
pub(super) fn token_call(world: &mut World, body: &str, lost: bool, now: Timestamp) -> Said {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    if text("client_id") != ASIA_CLIENT_ID || text("client_secret") != ASIA_APP_SECRET {
        world.stats.bad_signatures += 1;
        return Said::grant_refused(401, "invalid_client");
    }
    let redirect = text("redirect_uri");
    match text("grant_type").as_str() {
        "authorization_code" => exchange(world, &text("code"), &redirect, now),
        "refresh_token" if world.redirect_url.as_ref().is_some_and(|known| known.as_str() == redirect) => {
            refresh(world, &text("refresh_token"), lost, now)
        }
        "refresh_token" => Said::grant_refused(400, "invalid_grant"),
        _ => Said::grant_refused(400, "unsupported_grant_type"),
    }
}

fn exchange(world: &mut World, code: &str, redirect: &str, now: Timestamp) -> Said {
    let code = world.codes.get_mut(code);
    let Some(code) = code.filter(|code| !code.used && now < code.until && code.redirect == redirect) else {
        return Said::grant_refused(400, "invalid_grant");
    };
    code.used = true;
    let account = code.account.clone();
    world.stats.exchanges += 1;
    let issued = world.grant(&account, now);
    granted(issued, &account, now)
}

fn refresh(world: &mut World, text: &str, lost: bool, now: Timestamp) -> Said {
    let forgiving = world.rules.lost_reply_forgiven;
    let Some(token) = world.refresh.get_mut(text).filter(|token| !token.revoked && now < token.ends_at) else {
        return Said::grant_refused(400, "invalid_grant");
    };
    let unread = token.unread.take();
    if token.spent {
        if unread.is_none() {
            world.stats.refresh_tokens_spent_twice += 1;
            return Said::grant_refused(400, "invalid_grant");
        }
        world.stats.refresh_tokens_spent_after_lost_reply += 1;
        if !forgiving {
            return Said::grant_refused(400, "invalid_grant");
        }
    }
    token.spent = true;
    let account = token.account.clone();
    if let Some(unread) = unread.and_then(|unread| world.refresh.get_mut(&unread)) {
        unread.revoked = true;
    }
    world.stats.refreshes += 1;
    let issued = world.issue(&account, now);
    if let (true, Some(token), Some(issued)) = (lost, world.refresh.get_mut(text), &issued) {
        token.unread.clone_from(&issued.refresh_token);
    }
    granted(issued, &account, now)
}

fn granted(issued: Option<Issued>, account: &str, now: Timestamp) -> Said {
    let Some(issued) = issued else { return Said::grant_refused(400, "invalid_grant") };
    let life = issued.access_token_ends_at.as_second() - now.as_second();
    Said::ok(json!({
        "access_token": issued.access_token, "token_type": "Bearer", "expires_in": life,
        "refresh_token": issued.refresh_token, "scope": "products merchants", "created_at": now.as_second(),
        "resource_owner_id": account,
    }))
}
