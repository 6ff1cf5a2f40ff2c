//! Whatever else is sent: nothing is done, and the answer says what is wrong and what to do.

use super::*;

/// What is sent, and what must be told.
struct Case {
    method: &'static str,
    path: String,
    status: u16,
    /// What the page says; empty: nothing at all.
    words: &'static [&'static str],
}

fn case(method: &'static str, path: impl Into<String>, status: u16, words: &'static [&'static str]) -> Case {
    Case { method, path: path.into(), status, words }
}

const WRONG_METHOD: &[&str] = &["Not this way", "Nothing was done.", "open it anew"];
const NOTHING_HERE: &[&str] = &["Nothing here", "Was the link cut off"];
const NO_SHOP: &[&str] = &["No such shop", "Was the link cut off"];
const NO_CHANNEL: &[&str] = &["No such channel", "<code>nowhere</code>", "cut off on its way"];
const OTHER_BROWSER: &[&str] =
    &["Not authorized", "another browser", "Open the link again in this one.", "Nothing was changed."];
const USED: &[&str] = &["This page has done its work", "finished already", "start again from the link"];
const STATELESS: &[&str] = &["Not authorized", "lacks its state", "Start again from the link.", "Nothing was changed."];

fn cases(state: &str) -> Vec<Case> {
    let long = "x".repeat(60_000);
    let callback = "/oauth/market/callback";
    let mut cases = vec![
        // The owner's way back.
        case("GET", callback, 400, &["Not authorized", "Nothing was changed."]),
        case("GET", format!("{callback}?"), 400, &["Not authorized"]),
        case("GET", format!("{callback}?error=denied&state={state}"), 400, &["Not authorized", "Nothing was changed."]),
        case("GET", format!("{callback}?code=c"), 400, STATELESS),
        case("GET", format!("{callback}?code=c&state="), 410, USED),
        case("GET", format!("{callback}?code=c&state=foreign"), 410, USED),
        case("GET", format!("{callback}?code=c&state=foreign&state={state}"), 410, USED),
        case("GET", format!("{callback}?code=c&state={}", &state[1..]), 410, USED),
        case("GET", format!("{callback}?code=c&state=%ff%00"), 410, USED),
        case("GET", format!("{callback}?code=c&state={long}"), 410, USED),
        case("GET", format!("{callback}?code=c&state={state}&cookie=none"), 403, OTHER_BROWSER),
        case("GET", format!("/oauth/nowhere/callback?code=c&state={state}"), 404, NO_CHANNEL),
        case("GET", format!("/oauth/%ff/callback?code=c&state={state}"), 404, NOTHING_HERE),
        case("GET", format!("/oauth/MARKET/callback?code=c&state={state}"), 404, &["No such channel"]),
        case("GET", format!("/oauth/market/callback/?code=c&state={state}"), 404, NOTHING_HERE),
        case("HEAD", format!("{callback}?code=c&state={state}"), 405, &[]),
        // Flows of channels.
        case(
            "GET",
            "/oauth/market/start",
            400,
            &["Not authorized", "Start again from the link.", "Nothing was changed."],
        ),
        case("GET", "/oauth/nowhere/start?for=seller-1", 404, NO_CHANNEL),
        case("HEAD", "/oauth/market/start?for=seller-1", 405, &[]),
        // The way to the channel.
        case("GET", "/authorize/", 404, NOTHING_HERE),
        case("GET", "/authorize/zz", 404, NO_SHOP),
        case("GET", "/authorize/A%20B", 404, NO_SHOP),
        case("GET", "/authorize/%ff", 404, NOTHING_HERE),
        case("GET", "/authorize/%3Cscript%3E", 404, NO_SHOP),
        case("GET", "/authorize/zz?link=x", 403, &["This link is not complete", "Copy it whole"]),
        case("GET", "/authorize/a?link=", 403, &["This link is not complete", "Copy it whole", "shops authorize a"]),
        case("GET", "/authorize/a?link=%ff%00", 403, &["This link is not complete"]),
        case("GET", "/authorize/a?link=x&link=y", 403, &["This link is not complete"]),
        case("GET", format!("/authorize/a?link={long}"), 403, &["This link is not complete"]),
        case("GET", "/authorize/a/fresh", 405, WRONG_METHOD),
        case("HEAD", "/authorize/zz", 404, &[]),
        case("GET", "/sign-out", 405, WRONG_METHOD),
        // Webhooks.
        case("POST", "/webhooks/nowhere", 404, &[]),
        case("POST", "/webhooks/%ff", 404, &[]),
        case("POST", "/webhooks/market", 401, &[]),
        case("POST", "/webhooks/", 404, NOTHING_HERE),
        case("HEAD", "/webhooks/market", 405, &[]),
        case("GET", "/webhooks/market", 405, WRONG_METHOD),
    ];
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
        for path in [callback, "/oauth/market/start?for=seller-1", "/authorize/a"] {
            cases.push(case(method, path, 405, WRONG_METHOD));
        }
    }
    for method in ["PUT", "DELETE", "OPTIONS"] {
        cases.push(case(method, "/webhooks/market", 405, WRONG_METHOD));
    }
    cases
}

async fn send(router: &Router, case: &Case, cookie: &str, body: Body) -> Response<Body> {
    let request = Request::builder()
        .method(case.method)
        .uri(&case.path)
        .header(header::HOST, "127.0.0.1:8420")
        .header(header::ORIGIN, "http://127.0.0.1:8420");
    let cookie = if case.path.ends_with("cookie=none") { "a=b" } else { cookie };
    router.clone().oneshot(request.header(header::COOKIE, cookie).body(body).unwrap()).await.unwrap()
}

#[tokio::test]
async fn whatever_else_is_sent_does_nothing_and_is_told_what_to_do() {
    let (bench, router) = bench().await;
    bench.market().may_lack_state = false;
    let (callback, cookie) = begin(&router, "/authorize/a").await;
    let state = callback.split_once("state=").unwrap().1;
    for case in cases(state) {
        let about = format!("{} {}", case.method, &case.path[..case.path.len().min(90)]);
        let answer = send(&router, &case, &cookie, Body::empty()).await;
        assert_eq!(answer.status(), case.status, "{about}");
        assert!(!answer.headers().contains_key(header::SET_COOKIE), "{about}");
        assert_eq!(answer.headers().contains_key(header::ALLOW), case.status == 405, "{about}");
        let page = text(answer).await;
        assert_eq!(page.is_empty(), case.words.is_empty(), "{about}: {page}");
        for words in case.words {
            assert!(page.contains(words), "{about} does not say {words:?}: {page}");
        }
        let unchanged = page.matches("hing was changed").count() + page.matches("as it was").count();
        assert!(unchanged <= 1 && !page.contains('`') && !page.contains("<script"), "{about}: {page}");
    }
    assert_eq!((bench.authorization("a").await, bench.market().exchanges), (None, 0));
    assert_eq!(get(&router, &callback, &[(header::COOKIE, &cookie)]).await.status(), StatusCode::OK, "still good");
}

#[tokio::test]
async fn bodies_of_any_size_and_kind_are_left_unread_where_none_is_expected() {
    let (bench, router) = bench().await;
    let (callback, cookie) = begin(&router, "/authorize/a").await;
    for (method, path, status) in [
        ("GET", "/authorize/zz", 404),
        ("GET", "/oauth/market/callback?code=c&state=foreign", 410),
        ("POST", "/authorize/a", 405),
        ("POST", "/oauth/market/callback", 405),
        ("POST", "/webhooks/market", 413),
        ("POST", "/authorize/a/fresh", 415),
    ] {
        let answer = send(&router, &case(method, path, status, &[]), &cookie, Body::from(vec![b'x'; 10 << 20])).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        let page = text(answer).await;
        assert_eq!(page.is_empty(), path.starts_with("/webhooks"), "{method} {path}: {page}");
    }
    assert_eq!(bench.authorization("a").await, None);
    assert_eq!(get(&router, &callback, &[(header::COOKIE, &cookie)]).await.status(), StatusCode::OK);
}
