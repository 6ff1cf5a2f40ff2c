use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{Request, Response, StatusCode, header},
};
use jiff::{SignedDuration, tz::TimeZone};
use tower::ServiceExt;
use url::Url;

use super::{Internal, Machines, People, Settings, internal_router, people_router};
use crate::{
    domain::{AuthorizationState, Period, ShopId},
    keeper::{
        Links, Page,
        tests::pretend::{Bench, DAY, shop, start},
    },
    secrets::Secret,
};

mod bad_input;
mod fresh_link;
mod guesses;
mod sign_in;
mod started;
mod text;
mod webhooks;

async fn bench() -> (Bench, Router) {
    let bench = Bench::new(&["a"], Period::Every(SignedDuration::from_mins(30))).await;
    let router = router(&bench);
    (bench, router)
}

fn links(bench: &Bench) -> Links {
    Links::new(bench.sealer.clone(), bench.keeper.shops().clone())
}

/// What the settings say: a zone far from where the clocks are, and mail that goes out.
#[derive(Clone, Default)]
struct Told {
    password: Arc<Mutex<Option<Secret>>>,
    no_mail: bool,
}

impl Settings for Told {
    fn password(&self) -> Option<Secret> {
        self.password.lock().unwrap().clone()
    }

    fn zone(&self) -> TimeZone {
        TimeZone::get("Pacific/Auckland").unwrap()
    }

    fn mails(&self, _: &ShopId) -> bool {
        !self.no_mail
    }
}

fn router(bench: &Bench) -> Router {
    router_with(bench, Told::default())
}

fn router_with(bench: &Bench, settings: Told) -> Router {
    people_router(People {
        keeper: bench.keeper.clone(),
        links: links(bench),
        clock: bench.clock.clone(),
        store: bench.store.clone(),
        settings: Arc::new(settings),
    })
}

/// By which name browsers ask for the page that [`publish`] makes.
const PUBLIC: (header::HeaderName, &str) = (header::HOST, "shops.example.com");

/// Makes the page one that is reached from elsewhere.
fn publish(bench: &Bench) {
    let page = Page { public_url: Url::parse("https://shops.example.com/sync/").unwrap(), loopback: false };
    bench.replace_page(page);
}

async fn get(router: &Router, path: &str, headers: &[(header::HeaderName, &str)]) -> Response<Body> {
    let mut request = Request::get(path);
    if !headers.iter().any(|(name, _)| name == header::HOST) {
        request = request.header(header::HOST, "127.0.0.1:8420");
    }
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// Sends a form from this page itself, unless the headers say otherwise.
async fn post(router: &Router, path: &str, body: &str, headers: &[(header::HeaderName, &str)]) -> Response<Body> {
    post_from("203.0.113.7", router, path, body, headers).await
}

/// The same from this address.
async fn post_from(
    address: &str,
    router: &Router,
    path: &str,
    body: &str,
    headers: &[(header::HeaderName, &str)],
) -> Response<Body> {
    let mut request = Request::post(path).extension(ConnectInfo(SocketAddr::new(address.parse().unwrap(), 1024)));
    for (name, value) in [
        (header::HOST, "127.0.0.1:8420"),
        (header::ORIGIN, "http://127.0.0.1:8420"),
        (header::CONTENT_TYPE, "application/x-www-form-urlencoded"),
    ] {
        if !headers.iter().any(|(other, _)| *other == name) {
            request = request.header(name, value);
        }
    }
    // An empty value leaves the header out.
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(name, *value);
    }
    router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap()
}

async fn text(answer: Response<Body>) -> String {
    String::from_utf8(to_bytes(answer.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

fn header_of(answer: &Response<Body>, name: header::HeaderName) -> String {
    answer.headers().get(name).unwrap().to_str().unwrap().to_owned()
}

/// Begins in a browser: the address of the callback it will end on, and its cookie.
async fn begin(router: &Router, path: &str) -> (String, String) {
    begin_with(router, path, &[]).await
}

async fn begin_with(router: &Router, path: &str, headers: &[(header::HeaderName, &str)]) -> (String, String) {
    let answer = get(router, path, headers).await;
    assert_eq!(answer.status(), StatusCode::FOUND);
    let url = Url::parse(&header_of(&answer, header::LOCATION)).unwrap();
    let state = url.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
    let cookie = header_of(&answer, header::SET_COOKIE);
    (format!("/oauth/market/callback?code=c&state={state}"), cookie.split(';').next().unwrap().to_owned())
}

#[tokio::test]
async fn an_owner_consents_in_one_browser_and_is_thanked() {
    let (bench, router) = bench().await;
    let (callback, cookie) = begin(&router, "/authorize/a").await;
    let answer = get(&router, &callback, &[(header::COOKIE, &cookie)]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let page = text(answer).await;
    assert!(page.contains("Seller seller-1 (seller-1) authorized Shop a."), "{page}");
    let until =
        r#"good until <time datetime="2027-01-11">11 January 2027</time>. A reminder comes by mail before it ends."#;
    assert!(page.contains(until), "in the zone of the settings: {page}");
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Active);
}

#[tokio::test]
async fn the_thanks_promise_nothing_of_a_shop_that_is_paused() {
    let (bench, router) = bench().await;
    let mut tx = bench.store.write(bench.clock.now()).await.unwrap();
    tx.set_paused(&shop("a"), true).await.unwrap();
    tx.commit().await.unwrap();
    let (callback, cookie) = begin(&router, "/authorize/a").await;
    let page = text(get(&router, &callback, &[(header::COOKIE, &cookie)]).await).await;
    assert!(page.contains("Shop <code>a</code> stays paused until <code>shopsyncd shops resume a</code>."), "{page}");
    assert!(!page.contains("goes on by itself"), "{page}");
}

#[tokio::test]
async fn a_callback_in_another_browser_is_refused_with_the_reason() {
    let (bench, router) = bench().await;
    let (callback, _) = begin(&router, "/authorize/a").await;
    for headers in [vec![], vec![(header::COOKIE, "shopsyncd-browser=another")]] {
        let answer = get(&router, &callback, &headers).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let page = text(answer).await;
        let told = "<p>This authorization was begun in another browser.</p>\n<p>Open the link again in this one.</p>\n<p>Nothing was changed.</p>";
        assert!(page.contains(told), "{page}");
    }
    assert_eq!(bench.authorization("a").await, None);
}

#[tokio::test]
async fn a_browser_without_the_cookie_finishes_nothing_whatever_was_begun_elsewhere() {
    let (bench, router) = bench().await;
    // Whoever begins chooses a cookie that a careless reading would take for none.
    for chosen in ["none", "null", "0"] {
        let chosen = format!("shopsyncd-browser={chosen}");
        let (callback, _) = begin_with(&router, "/authorize/a", &[(header::COOKIE, &chosen)]).await;
        assert_eq!(get(&router, &callback, &[]).await.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(bench.authorization("a").await, None);
}

#[tokio::test]
async fn a_browser_keeps_its_cookie_over_several_consents() {
    let (_bench, router) = bench().await;
    let (first, cookie) = begin(&router, "/authorize/a").await;
    let again = get(&router, "/authorize/a", &[(header::COOKIE, &cookie)]).await;
    assert_eq!(again.status(), StatusCode::FOUND);
    // The same one, for as long as this way may take.
    assert!(header_of(&again, header::SET_COOKIE).starts_with(&format!("{cookie};")));
    assert_eq!(get(&router, &first, &[(header::COOKIE, &cookie)]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_callback_says_why_it_is_refused() {
    let (bench, router) = bench().await;
    let (callback, cookie) = begin(&router, "/authorize/a").await;
    let cookies = [(header::COOKIE, cookie.as_str())];
    assert_eq!(get(&router, &callback, &cookies).await.status(), StatusCode::OK);
    let used = get(&router, &callback, &cookies).await;
    assert_eq!(used.status(), StatusCode::GONE);

    let page = text(used).await;
    assert!(page.contains("If you were thanked, all is well") && !page.contains("Not authorized"), "{page}");

    bench.market().account = "seller-2".into();
    let (callback, cookie) = begin(&router, "/authorize/a").await;
    let other = get(&router, &callback, &[(header::COOKIE, &cookie)]).await;
    assert_eq!(other.status(), StatusCode::FORBIDDEN);
    insta::assert_snapshot!(said(&text(other).await), @"
    Not authorized
    <p>Shop a belongs to another account than the one that consented.</p>
    <dl>
    <div><dt>Account that consented</dt><dd>Seller seller-2 (seller-2)</dd></div>
    <div><dt>Account on record</dt><dd>Seller seller-1 (seller-1)</dd></div>
    </dl>
    <p>Sign in at the marketplace as Seller seller-1 (seller-1), then open the link again.</p>
    <p>Nothing was changed.</p>
    ");

    bench.market().account = "seller-1".into();
    bench.market().covers.clear();
    let (callback, cookie) = begin(&router, "/authorize/a").await;
    let elsewhere = get(&router, &callback, &[(header::COOKIE, &cookie)]).await;
    assert_eq!(elsewhere.status(), StatusCode::CONFLICT);
    insta::assert_snapshot!(said(&text(elsewhere).await), @"
    Not authorized
    <p>Shop a is not a shop of the account that consented.</p>
    <dl>
    <div><dt>Account that consented</dt><dd>Seller seller-1 (seller-1)</dd></div>
    <div><dt>What it has</dt><dd>nothing</dd></div>
    </dl>
    <p>Sign in at the marketplace with the account of this shop, then open the link again.</p>
    <p>If it was the right account, the settings name another shop: ask whoever runs shopsyncd to correct <code>[shops.a]</code>.</p>
    <p>Nothing was changed.</p>
    ");
}

#[tokio::test]
async fn a_rate_that_is_used_up_is_no_fault_of_the_channels_and_says_when_to_come_again() {
    let (bench, router) = bench().await;
    bench.market().identifies_at = Some("2026-01-10T12:03:20Z".parse().unwrap());
    let (callback, cookie) = begin(&router, "/authorize/a").await;
    let answer = get(&router, &callback, &[(header::COOKIE, &cookie)]).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = text(answer).await;
    assert!(page.contains("<p>Start again from the link after 2026-01-10T12:03:20Z.</p>"), "{page}");
}

/// What a page says, between its heading and its footer.
fn said(page: &str) -> String {
    page.split_once("<h1>").unwrap().1.split_once("</main>").unwrap().0.trim().replace("</h1>", "")
}

#[tokio::test]
async fn a_page_for_others_opens_with_a_link_alone() {
    let (bench, router) = bench().await;
    publish(&bench);
    let bare = get(&router, "/authorize/a", &[PUBLIC]).await;
    assert_eq!(bare.status(), StatusCode::FORBIDDEN);
    assert!(text(bare).await.contains("shopsyncd shops authorize a"));

    let link = links(&bench).renew_link(&shop("a"), None, start());
    assert!(link.as_str().starts_with("https://shops.example.com/sync/authorize/a?link="), "{link}");
    let path = format!("/authorize/a?{}", link.query().unwrap());
    let answer = get(&router, &path, &[PUBLIC]).await;
    assert_eq!(answer.status(), StatusCode::FOUND);
    let cookie = header_of(&answer, header::SET_COOKIE);
    assert!(cookie.starts_with("__Host-") && cookie.contains("; Secure") && cookie.contains("HttpOnly"), "{cookie}");
    // Scanners open links: it works again.
    assert_eq!(get(&router, &path, &[PUBLIC]).await.status(), StatusCode::FOUND);

    // It was made while nobody had authorized the shop: it is of nobody else once somebody has.
    let (callback, cookie) = begin_with(&router, &path, &[PUBLIC]).await;
    get(&router, &callback, &[PUBLIC, (header::COOKIE, &cookie)]).await;
    assert!(bench.authorization("a").await.is_some());
    assert_eq!(get(&router, &path, &[PUBLIC]).await.status(), StatusCode::FORBIDDEN);
    let path =
        format!("/authorize/a?{}", links(&bench).renew_link(&shop("a"), Some("seller-1"), start()).query().unwrap());
    assert_eq!(get(&router, &path, &[PUBLIC]).await.status(), StatusCode::FOUND);

    bench.clock.advance(DAY * 35);
    let expired = get(&router, &path, &[PUBLIC]).await;
    assert_eq!(expired.status(), StatusCode::FORBIDDEN);
    assert!(text(expired).await.contains("This link has expired"));
    assert_eq!(get(&router, "/authorize/a?link=x", &[PUBLIC]).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_name_that_was_pointed_at_this_machine_does_not_count_as_loopback() {
    let (_bench, router) = bench().await;
    for (host, status) in [
        ("evil.example.com", StatusCode::FORBIDDEN),
        ("127.0.0.1.evil.example.com", StatusCode::FORBIDDEN),
        ("localhost:8420", StatusCode::FOUND),
        ("[::1]:8420", StatusCode::FOUND),
    ] {
        let led = "/authorize/a?shopsyncd_led=1";
        assert_eq!(get(&router, led, &[(header::HOST, host)]).await.status(), status, "{host}");
    }
}

#[tokio::test]
async fn a_browser_that_asks_by_another_name_begins_at_the_public_address_where_its_consent_ends() {
    let (bench, router) = bench().await;
    for (path, home) in [
        ("/authorize/a?link=x", "http://127.0.0.1:8420/authorize/a?link=x&shopsyncd_led=1"),
        ("/oauth/market/start?for=b", "http://127.0.0.1:8420/oauth/market/start?for=b&shopsyncd_led=1"),
    ] {
        let led = get(&router, path, &[(header::HOST, "localhost:8420")]).await;
        assert_eq!((led.status(), header_of(&led, header::LOCATION).as_str()), (StatusCode::FOUND, home));
        assert!(!led.headers().contains_key(header::SET_COOKIE), "no state is bound to the other name");
    }
    let (callback, cookie) = begin(&router, "/authorize/a?shopsyncd_led=1").await;
    assert_eq!(get(&router, &callback, &[(header::COOKIE, &cookie)]).await.status(), StatusCode::OK);
    let begun = get(&router, "/oauth/market/start?for=seller-1&shopsyncd_led=1", &[]).await;
    assert!(header_of(&begun, header::LOCATION).starts_with("https://market.example/begun"));

    publish(&bench);
    let led = get(&router, "/authorize/a", &[(header::HOST, "10.0.0.5:8420")]).await;
    assert_eq!(header_of(&led, header::LOCATION), "https://shops.example.com/sync/authorize/a?shopsyncd_led=1");
}

#[tokio::test]
async fn unknown_shops_and_addresses_have_a_page() {
    let (_bench, router) = bench().await;
    for path in ["/authorize/zz", "/authorize/Not%20A%20Shop", "/elsewhere"] {
        assert_eq!(get(&router, path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert!(!text(get(&router, "/authorize/%3Cscript%3E", &[]).await).await.contains("<script>"));
}

#[tokio::test]
async fn every_answer_is_guarded() {
    let (_bench, router) = bench().await;
    for path in [
        "/",
        "/style.css",
        "/icon.svg",
        "/authorize/a",
        "/authorize/zz",
        "/oauth/market/callback",
        "/sign-in",
        "/elsewhere",
    ] {
        let answer = get(&router, path, &[]).await;
        assert!(header_of(&answer, header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'"), "{path}");
        assert_eq!(header_of(&answer, header::CACHE_CONTROL), "no-store", "{path}");
        assert_eq!(header_of(&answer, header::REFERRER_POLICY), "same-origin", "{path}");
    }
    let refused = post(&router, "/sign-out", "", &[(header::ORIGIN, "null")]).await;
    assert_eq!(header_of(&refused, header::X_FRAME_OPTIONS), "DENY");
}

struct Obstacles(Vec<String>);

#[async_trait::async_trait]
impl Machines for Obstacles {
    async fn obstacles(&self) -> Vec<String> {
        self.0.clone()
    }

    async fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }
}

fn internal(obstacles: &[&str]) -> Router {
    let daemon = Arc::new(Obstacles(obstacles.iter().map(|text| (*text).to_owned()).collect()));
    internal_router(Internal { daemon })
}

#[tokio::test]
async fn machines_learn_health_readiness_and_metrics() {
    let ready = internal(&[]);
    assert_eq!(get(&ready, "/healthz", &[]).await.status(), StatusCode::OK);
    assert_eq!(text(get(&ready, "/readyz", &[]).await).await, r#"{"ready":true}"#);
    assert_eq!(text(get(&ready, "/metrics", &[]).await).await, "# EOF\n");
    let blocked = internal(&["database: away"]);
    let answer = get(&blocked, "/readyz", &[]).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(answer).await, r#"{"ready":false,"reasons":["database: away"]}"#);
    assert_eq!(get(&blocked, "/healthz", &[]).await.status(), StatusCode::OK);
}
