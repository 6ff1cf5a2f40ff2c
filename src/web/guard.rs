//! Who may do what on the page: sessions, pages for this machine alone, and requests that another site sends in a
//! person's name.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use sha2::{Digest, Sha256};
use url::{Host, Url, form_urlencoded};

use super::{People, page::Tone};
use crate::store::StoreError;

/// Whether whoever asks has signed in, or need not; else the way to the sign-in, which leads back to `uri`.
pub(super) async fn signed_in(people: &People, headers: &HeaderMap, uri: &Uri) -> Result<(), Response> {
    match is_signed_in(people, headers).await {
        Ok(true) => Ok(()),
        Ok(false) => {
            let back = uri.path_and_query().map_or("/", |path| path.as_str());
            Err(Redirect::to(&sign_in_address(people, back)).into_response())
        }
        Err(error) => Err(people.away(&error)),
    }
}

/// Whether whoever asks has signed in, or need not: on a page that serves this machine alone nobody does.
pub(super) async fn is_signed_in(people: &People, headers: &HeaderMap) -> Result<bool, StoreError> {
    Ok(is_for_this_machine(people, headers) || has_session(people, headers).await?)
}

/// Whether the browser carries a session that goes on, begun with the password in force.
pub(super) async fn has_session(people: &People, headers: &HeaderMap) -> Result<bool, StoreError> {
    let (Some(id), Some(password)) = (cookie(headers, session_cookie(people)), people.settings.password()) else {
        return Ok(false);
    };
    let mut tx = people.store.read(people.clock.now()).await?;
    tx.session_goes_on(&digest(&id), &digest(password.expose())).await
}

/// The sign-in, leading to `next` afterwards.
pub(super) fn sign_in_address(people: &People, next: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    people.path(&format!("/sign-in?{query}"))
}

/// Whether the page serves this machine alone, and the browser asked for this machine by a loopback name. A page elsewhere
/// that has a name pointed here asks for its own.
pub(super) fn is_for_this_machine(people: &People, headers: &HeaderMap) -> bool {
    if !people.keeper.shops().page().loopback {
        return false;
    }
    let Some(host) = text(headers, &header::HOST) else { return false };
    let Ok(url) = Url::parse(&format!("http://{host}/")) else { return false };
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// What an address carries to which [`led_home`] led.
pub(super) const LED: &str = "shopsyncd_led";

/// Where a browser goes first that asked by another name than the public address has, such as `localhost` for `127.0.0.1`:
/// the channel sends it back to the public address, where it would not have the cookie that it got under the other name. Led
/// only once: a proxy may ask us by a name of its own.
pub(super) fn led_home(people: &People, headers: &HeaderMap, uri: &Uri) -> Option<Response> {
    let page = people.keeper.shops().page();
    let asked = Url::parse(&format!("{}://{}/", page.public_url.scheme(), text(headers, &header::HOST)?)).ok()?;
    let led = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).any(|(name, _)| name == LED);
    if led || asked.host() == page.public_url.host() {
        return None;
    }
    let mut home = page.address(uri.path().trim_start_matches('/'));
    home.set_query(uri.query());
    home.query_pairs_mut().append_pair(LED, "1");
    Some((StatusCode::FOUND, [(header::LOCATION, home.to_string())]).into_response())
}

/// Lets requests that change something pass only from this page itself. Marketplaces sign theirs.
pub(super) async fn same_origin(State(people): State<People>, request: Request, next: Next) -> Response {
    let open = request.method().is_safe() || request.uri().path().starts_with("/webhooks/");
    if open || is_own(&people.keeper.shops().page().public_url, request.headers()) {
        return next.run(request).await;
    }
    let paragraphs = vec![
        "Another site sent this in your name, or your browser did not say where it comes from.".into(),
        "Nothing was done. Open the page anew and press the button there.".into(),
    ];
    people.page("Not from this page", Tone::Bad, paragraphs).answer(StatusCode::FORBIDDEN)
}

/// Whether a request comes from this page. Browsers say so by themselves where the way to the page is safe; elsewhere they
/// name the origin, which a proxy may see under another name than we do.
fn is_own(public_url: &Url, headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = text(headers, &header::ORIGIN).and_then(|origin| Url::parse(origin).ok()) else { return false };
    let asked = text(headers, &header::HOST).and_then(|host| Url::parse(&format!("{}://{host}", origin.scheme())).ok());
    [Some(public_url), asked.as_ref()].into_iter().flatten().any(|own| own.origin() == origin.origin())
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The cookie of a session.
pub(super) fn session_cookie(people: &People) -> &'static str {
    if is_https(people) { "__Host-shopsyncd-session" } else { "shopsyncd-session" }
}

/// The cookie of a browser in which somebody signed in before.
pub(super) fn known_cookie(people: &People) -> &'static str {
    if is_https(people) { "__Host-shopsyncd-known" } else { "shopsyncd-known" }
}

/// The cookie that binds a consent to the browser it was begun in.
pub(super) fn browser_cookie(people: &People) -> &'static str {
    if is_https(people) { "__Host-shopsyncd-browser" } else { "shopsyncd-browser" }
}

fn is_https(people: &People) -> bool {
    people.keeper.shops().page().public_url.scheme() == "https"
}

/// A cookie for `seconds`, as a header; with 0 the browser forgets it.
pub(super) fn set_cookie(people: &People, name: &str, value: &str, seconds: i64) -> String {
    // Lax: channels send the browser back here from their own sites.
    let secure = if is_https(people) { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

/// The value of a cookie.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}

/// What stands in the database of a cookie or a password's hash: whoever reads it there can do nothing with it.
pub(super) fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
