//! The way to a channel's consent page, and the address the channel sends the browser back to.

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use url::Host;

use super::{People, page::Tone};
use crate::{
    domain::{ChannelName, ShopId},
    keeper::{By, ConsentError, Consented, LinkFault},
    secrets::random_text,
};

/// Leads to the consent page: with a signed link from a mail, or on a page that serves this machine alone.
pub(super) async fn authorize(
    State(people): State<People>,
    Path(shop): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let Ok(shop) = shop.parse::<ShopId>() else { return unknown_shop(&people, &shop) };
    let link = query.iter().find(|(key, _)| key == "link").map(|(_, token)| token.as_str());
    if let Err(refusal) = may_begin(&people, &shop, link, &headers) {
        return refusal;
    }
    let name = cookie_name(&people);
    let (browser, fresh) = match cookie(&headers, name) {
        Some(value) => (value, false),
        None => (random_text(32), true),
    };
    let consent = match people.keeper.begin_consent(&shop, Some(&browser)).await {
        Ok(consent) => consent,
        Err(ConsentError::UnknownShop(_)) => return unknown_shop(&people, shop.as_str()),
        Err(error) => return refused(&people, &error),
    };
    let Ok(location) = HeaderValue::from_str(consent.as_str()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut answer = (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
    if fresh && let Ok(cookie) = HeaderValue::from_str(&set_cookie(&people, name, &browser)) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

/// Finishes a consent.
pub(super) async fn callback(
    State(people): State<People>,
    Path(channel): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let channel = ChannelName::from(channel.as_str());
    let browser = cookie(&headers, cookie_name(&people));
    // Whoever closes the browser now does not stop the exchange: a code works only once.
    let keeper = people.keeper.clone();
    let finishing = tokio::spawn(async move {
        // A browser without the cookie carries one that no state is bound to.
        let by = By::Browser { cookie: browser.as_deref().unwrap_or("none"), signed_in: false };
        keeper.finish_consent(&channel, &query, by).await
    });
    match finishing.await {
        Ok(Ok(consented)) => done(&people, &consented),
        Ok(Err(error)) => refused(&people, &error),
        Err(error) => {
            tracing::error!(event = "page.failed", "a consent broke off: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Whether this browser may begin: with a link that is ours, or on a page for this machine alone.
#[expect(clippy::result_large_err, reason = "the refusal is the answer, made once")]
fn may_begin(people: &People, shop: &ShopId, link: Option<&str>, headers: &HeaderMap) -> Result<(), Response> {
    if let Some(token) = link {
        return people.links.verify(shop, token, people.clock.now()).map_err(|fault| link_fault(people, shop, fault));
    }
    if people.keeper.shops().page().loopback && is_loopback(headers) {
        return Ok(());
    }
    let paragraphs = vec![
        "This page opens with the link from a reminder mail, or with a fresh one from whoever runs shopsyncd:".into(),
    ];
    let mut page = people.page("A link is needed", Tone::Bad, paragraphs);
    page.command = Some(format!("shopsyncd shops authorize {shop}"));
    Err(page.answer(StatusCode::FORBIDDEN))
}

/// Whether the browser asked for this machine by a loopback name. A page elsewhere that has a name pointed here asks for
/// its own.
fn is_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let Ok(url) = url::Url::parse(&format!("http://{host}/")) else { return false };
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn link_fault(people: &People, shop: &ShopId, fault: LinkFault) -> Response {
    let (title, paragraphs) = match fault {
        LinkFault::Expired => (
            "This link has expired",
            vec![
                format!("Links in mails work for 35 days, and this one for shop {shop} is older."),
                "Use the link of a newer mail, or ask whoever runs shopsyncd for a fresh one:".into(),
            ],
        ),
        LinkFault::NotOurs => (
            "This link is not complete",
            vec![
                "It was cut off on its way, or was made for another shop. Copy it whole from the mail.".into(),
                "If that does not help, ask whoever runs shopsyncd for a fresh one:".into(),
            ],
        ),
    };
    let mut page = people.page(title, Tone::Bad, paragraphs);
    page.command = Some(format!("shopsyncd shops authorize {shop}"));
    page.answer(StatusCode::FORBIDDEN)
}

fn unknown_shop(people: &People, shop: &str) -> Response {
    let paragraphs = vec![format!("There is no shop `{shop}` here. Was the link cut off on its way?")];
    people.page("No such shop", Tone::Bad, paragraphs).answer(StatusCode::NOT_FOUND)
}

fn done(people: &People, consented: &Consented) -> Response {
    let shops: Vec<String> = consented
        .shops
        .iter()
        .map(|shop| people.keeper.shops().get(shop).map_or_else(|| shop.to_string(), |entry| entry.shop.name.clone()))
        .collect();
    let mut paragraphs = vec![format!("Account {} authorized {}.", consented.account, shops.join(", "))];
    if let Some(ends_at) = consented.ends_at {
        let day = ends_at.to_zoned(jiff::tz::TimeZone::UTC).date();
        paragraphs.push(format!("The authorization is good until {day}. A reminder comes by mail before it ends."));
    }
    paragraphs.push("Everything that waited for this goes on by itself. This page can be closed.".into());
    people.page("Thank you", Tone::Good, paragraphs).answer(StatusCode::OK)
}

/// The reason in plain words. A refusal is the browser's to mend (4xx); a channel or database that is away is not.
fn refused(people: &People, error: &ConsentError) -> Response {
    let status = match error {
        ConsentError::UnknownShop(_) | ConsentError::NoSuchChannel(_) | ConsentError::NotNeeded(_) => {
            StatusCode::NOT_FOUND
        }
        ConsentError::OtherAccount { .. } | ConsentError::OtherBrowser | ConsentError::CommandLine => {
            StatusCode::FORBIDDEN
        }
        ConsentError::NotCovered { .. } | ConsentError::SamePlace { .. } | ConsentError::NoShop(_) => {
            StatusCode::CONFLICT
        }
        ConsentError::StateUsed => StatusCode::GONE,
        ConsentError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        ConsentError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        ConsentError::Channel(_) if !error.is_refusal() => StatusCode::BAD_GATEWAY,
        _ => StatusCode::BAD_REQUEST,
    };
    let text = error.to_string();
    let mut first = text.chars();
    let text = first.next().map(|c| c.to_uppercase().chain(first).collect::<String>()).unwrap_or_default();
    let unchanged = "Everything is as it was before.".to_owned();
    people.page("Not authorized", Tone::Bad, vec![format!("{}.", text.trim_end_matches('.')), unchanged]).answer(status)
}

/// The cookie that binds a consent to the browser it was begun in.
fn cookie_name(people: &People) -> &'static str {
    if is_https(people) { "__Host-shopsyncd-browser" } else { "shopsyncd-browser" }
}

fn is_https(people: &People) -> bool {
    people.keeper.shops().page().public_url.scheme() == "https"
}

fn set_cookie(people: &People, name: &str, value: &str) -> String {
    // Lax: the channel sends the browser back here from its own site.
    let secure = if is_https(people) { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600{secure}")
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}
