use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};

use super::*;
use crate::web::guard;

const PASSWORD: &str = "correct horse";
/// The right password, on the way to a shop's consent page.
pub(super) const RIGHT: &str = "password=correct+horse&next=%2Fauthorize%2Fa";

/// A page for others, with a password.
pub(super) struct Site {
    pub(super) bench: Bench,
    pub(super) router: Router,
    pub(super) password: Arc<Mutex<Option<Secret>>>,
}

/// As cheap as a hash can be.
pub(super) fn hash(password: &str) -> Secret {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
    Secret::new(argon2.hash_password(password.as_bytes()).unwrap().to_string())
}

impl Site {
    pub(super) async fn new() -> Self {
        let bench = Bench::new(&["a"], Period::Every(SignedDuration::from_mins(30))).await;
        publish(&bench);
        let password = Arc::new(Mutex::new(Some(hash(PASSWORD))));
        let told = Told { password: Arc::clone(&password), no_mail: false };
        Self { router: router_with(&bench, told), bench, password }
    }

    pub(super) async fn sign_in(&self, body: &str) -> Response<Body> {
        post(&self.router, "/sign-in", body, &[]).await
    }

    /// Signs in: the cookie.
    async fn session(&self) -> String {
        let answer = self.sign_in(RIGHT).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        header_of(&answer, header::SET_COOKIE).split(';').next().unwrap().to_owned()
    }

    /// How a way ends that needs a sign-in.
    async fn authorize(&self, cookie: &str) -> StatusCode {
        get(&self.router, "/authorize/a", &[PUBLIC, (header::COOKIE, cookie)]).await.status()
    }
}

#[tokio::test]
async fn whoever_signs_in_comes_back_to_where_the_way_led() {
    let site = Site::new().await;
    let asked = get(&site.router, "/authorize/a?by=hand", &[PUBLIC]).await;
    assert_eq!(asked.status(), StatusCode::SEE_OTHER);
    assert_eq!(header_of(&asked, header::LOCATION), "/sync/sign-in?next=%2Fauthorize%2Fa%3Fby%3Dhand");
    let form = get(&site.router, "/sign-in?next=%2Fauthorize%2Fa%3Fby%3Dhand", &[]).await;
    assert_eq!(form.status(), StatusCode::OK);
    let page = text(form).await;
    let form = page.split_once("<form ").unwrap().1.split_once("</form>").unwrap().0;
    insta::assert_snapshot!(form, @r#"
    method="post" action="/sync/sign-in">
    <input type="hidden" name="next" value="/authorize/a?by=hand">
    <label for="password">Password</label>
    <input id="password" type="password" name="password" autocomplete="current-password" required autofocus>
    <button type="submit">Sign in</button>
    "#);

    let answer = site.sign_in(RIGHT).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(header_of(&answer, header::LOCATION), "/sync/sign-in?next=%2Fauthorize%2Fa");
    let cookie = header_of(&answer, header::SET_COOKIE);
    let (pair, attributes) = cookie.split_once(';').unwrap();
    assert_eq!(attributes, " Path=/; HttpOnly; SameSite=Lax; Max-Age=604800; Secure");
    let (name, id) = pair.split_once('=').unwrap();
    assert_eq!((name, id.len()), ("__Host-shopsyncd-session", 43), "256 bits");

    let led = get(&site.router, "/sign-in?next=%2Fauthorize%2Fa", &[(header::COOKIE, pair)]).await;
    assert_eq!(led.status(), StatusCode::OK, "no redirect: browsers would hold it to the form's policy");
    assert_eq!(header_of(&led, header::REFRESH), "0; url=/sync/authorize/a");
    assert!(text(led).await.contains(r#"<a class="way" href="/sync/authorize/a">Go on</a>"#));
    assert_eq!(site.authorize(pair).await, StatusCode::FOUND);
    // Among others, and after them.
    assert_eq!(site.authorize(&format!("a=b; {pair}")).await, StatusCode::FOUND);

    let mut tx = site.bench.store.read(start()).await.unwrap();
    let password = guard::digest(hash_in_force(&site).expose());
    assert!(tx.session_goes_on(&guard::digest(id), &password).await.unwrap());
    assert!(!tx.session_goes_on(id, &password).await.unwrap(), "the database does not hold the cookie");
}

fn hash_in_force(site: &Site) -> Secret {
    site.password.lock().unwrap().clone().unwrap()
}

#[tokio::test]
async fn a_session_ends_with_its_time_with_a_sign_out_and_with_a_new_password() {
    let site = Site::new().await;
    for cookie in ["", "__Host-shopsyncd-session=", "__Host-shopsyncd-session=made-up", "shopsyncd-session=made-up"] {
        assert_eq!(site.authorize(cookie).await, StatusCode::SEE_OTHER, "{cookie}");
    }
    let (old, left) = (site.session().await, site.session().await);
    let out = post(&site.router, "/sign-out", "", &[(header::COOKIE, &left)]).await;
    assert_eq!((out.status(), header_of(&out, header::LOCATION).as_str()), (StatusCode::SEE_OTHER, "/sync/"));
    assert!(header_of(&out, header::SET_COOKIE).starts_with("__Host-shopsyncd-session=; "));
    assert!(header_of(&out, header::SET_COOKIE).contains("; Max-Age=0"));
    assert_eq!(site.authorize(&left).await, StatusCode::SEE_OTHER, "signed out");

    site.bench.clock.advance(DAY * 7 - SignedDuration::from_millis(1));
    assert_eq!(site.authorize(&old).await, StatusCode::FOUND, "others are as they were");
    site.bench.clock.advance(SignedDuration::from_millis(1));
    assert_eq!(site.authorize(&old).await, StatusCode::SEE_OTHER, "seven days are over");

    let session = site.session().await;
    let before = site.password.lock().unwrap().replace(hash(PASSWORD));
    assert_eq!(
        site.authorize(&session).await,
        StatusCode::SEE_OTHER,
        "the same word with another salt is another password"
    );
    site.password.lock().unwrap().take();
    assert_eq!(site.authorize(&session).await, StatusCode::FORBIDDEN, "no password, no session");
    *site.password.lock().unwrap() = before;
    assert_eq!(site.authorize(&session).await, StatusCode::FOUND);
}

#[tokio::test]
async fn a_sign_in_leads_to_this_page_alone() {
    let site = Site::new().await;
    let session = site.session().await;
    let cases = [
        ("/authorize/a?x=1&y=/", "/authorize/a?x=1&y=/"),
        ("/", "/"),
        ("", "/"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("authorize/a", "/"),
        ("/a b", "/"),
        ("/a\r\nset-cookie: x=y", "/"),
        ("/ä", "/"),
        ("/sign-in?next=/", "/"),
        ("/sign-out", "/"),
    ];
    for (next, leads) in cases {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        let led = get(&site.router, &format!("/sign-in?{query}"), &[(header::COOKIE, &session)]).await;
        assert_eq!(header_of(&led, header::REFRESH), format!("0; url=/sync{leads}"), "{next:?}");
        let entered = site.sign_in(&format!("password=correct+horse&{query}")).await;
        let location = Url::parse("https://shops.example.com").unwrap().join(&header_of(&entered, header::LOCATION));
        let location = location.unwrap();
        assert_eq!(location.host_str(), Some("shops.example.com"), "{next:?}");
        assert_eq!(location.query_pairs().next().unwrap().1, leads, "{next:?}");
    }
}

#[tokio::test]
async fn forms_that_are_none_are_refused() {
    let site = Site::new().await;
    let large = format!("next=%2F&password={}", "x".repeat(10 << 20));
    let (form, bad) = ("application/x-www-form-urlencoded", StatusCode::BAD_REQUEST);
    let cases = [
        (form, "", bad),
        (form, "next=%2F", bad),
        (form, "password=correct+horse", bad),
        (form, "password=x&password=correct+horse&next=%2F", bad),
        (form, "password=correct+horse&next=%2F&next=%2F", bad),
        (form, "Password=correct+horse&next=%2F", bad),
        (form, "%ff%fe&&==", bad),
        (form, &large, StatusCode::PAYLOAD_TOO_LARGE),
        ("", RIGHT, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("application/json", r#"{"password":"correct horse","next":"/"}"#, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("multipart/form-data; boundary=x", RIGHT, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("text/plain", RIGHT, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("application/x-www-form-urlencoded; charset=utf-8", RIGHT, StatusCode::SEE_OTHER),
    ];
    for (kind, body, status) in cases {
        let answer = post(&site.router, "/sign-in", body, &[(header::CONTENT_TYPE, kind)]).await;
        let about = &body[..body.len().min(60)];
        assert_eq!(answer.status(), status, "{kind} {about}");
        assert_eq!(
            answer.headers().contains_key(header::SET_COOKIE),
            status == StatusCode::SEE_OTHER,
            "{kind} {about}"
        );
    }
    // None of them counted as a wrong password.
    for _ in 0..10 {
        assert_eq!(site.sign_in("password=wrong&next=%2F").await.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn what_another_site_sends_is_not_done() {
    const SITE: header::HeaderName = header::HeaderName::from_static("sec-fetch-site");
    let site = Site::new().await;
    let session = site.session().await;
    let (own, elsewhere) = ("https://shops.example.com", "https://evil.example");
    let cases: [(&[(header::HeaderName, &str)], bool); 15] = [
        (&[(header::ORIGIN, "")], false),
        (&[(header::ORIGIN, "null")], false),
        (&[(header::ORIGIN, elsewhere)], false),
        (&[(header::ORIGIN, "https://shops.example.com.evil.example")], false),
        (&[(header::ORIGIN, "https://shops.example.com:444")], false),
        (&[(header::ORIGIN, "http://127.0.0.1:8421")], false),
        (&[(header::ORIGIN, "https://127.0.0.1:8420")], true), // a proxy that says nothing of TLS
        (&[(header::ORIGIN, own)], true),
        (&[(header::ORIGIN, "https://shops.internal"), (header::HOST, "shops.internal")], true),
        (&[(header::ORIGIN, own), (SITE, "cross-site")], false),
        (&[(header::ORIGIN, own), (SITE, "same-site")], false),
        (&[(header::ORIGIN, own), (SITE, "")], true),
        (&[(header::ORIGIN, own), (SITE, "SAME-ORIGIN")], false),
        (&[(header::ORIGIN, ""), (SITE, "none")], true),
        (&[(header::ORIGIN, "null"), (SITE, "same-origin")], true),
    ];
    for (headers, passes) in cases {
        // Forms that would be refused: what counts is who refuses.
        for path in ["/sign-in", "/authorize/a/fresh"] {
            let answer = post(&site.router, path, "", headers).await;
            let wanted = if passes { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
            assert_eq!(answer.status(), wanted, "{path} {headers:?}");
            assert_eq!(text(answer).await.contains("Another site sent this"), !passes, "{path} {headers:?}");
        }
        let webhook = post(&site.router, "/webhooks/nowhere", "", headers).await;
        assert_eq!(webhook.status(), StatusCode::NOT_FOUND, "marketplaces are no browsers");
    }
    let cookie = (header::COOKIE, session.as_str());
    let out = post(&site.router, "/sign-out", "", &[cookie.clone(), (header::ORIGIN, elsewhere)]).await;
    assert_eq!(out.status(), StatusCode::FORBIDDEN);
    assert_eq!(site.authorize(&session).await, StatusCode::FOUND, "still signed in");
}

#[tokio::test]
async fn without_a_password_the_page_says_how_to_make_one() {
    let site = Site::new().await;
    let session = site.session().await;
    site.password.lock().unwrap().take();
    let answers = [get(&site.router, "/sign-in", &[(header::COOKIE, &session)]).await, site.sign_in(RIGHT).await];
    *site.password.lock().unwrap() = Some(Secret::new("$argon2id$v=19$x"));
    for answer in answers.into_iter().chain([site.sign_in(RIGHT).await]) {
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(!answer.headers().contains_key(header::SET_COOKIE));
        let page = text(answer).await;
        assert!(page.contains("<code>shopsyncd password</code>") && page.contains("web.password_hash"), "{page}");
    }
}

#[tokio::test]
async fn on_a_page_for_this_machine_alone_nobody_signs_in() {
    let (bench, _) = bench().await;
    let password = Arc::new(Mutex::new(Some(hash(PASSWORD))));
    let router = router_with(&bench, Told { password, no_mail: false });
    let led = get(&router, "/sign-in?next=/authorize/a", &[]).await;
    assert_eq!(header_of(&led, header::REFRESH), "0; url=/authorize/a");
    assert_eq!(get(&router, "/authorize/a", &[]).await.status(), StatusCode::FOUND);
    let elsewhere = [(header::HOST, "evil.example.com")];
    assert_eq!(get(&router, "/authorize/a?shopsyncd_led=1", &elsewhere).await.status(), StatusCode::SEE_OTHER);
    let form = get(&router, "/sign-in", &elsewhere).await;
    assert!(!form.headers().contains_key(header::REFRESH));

    let answer = post(&router, "/sign-in", RIGHT, &[]).await;
    let cookie = header_of(&answer, header::SET_COOKIE);
    assert!(cookie.starts_with("shopsyncd-session=") && !cookie.contains("Secure"), "{cookie}");
}

#[tokio::test]
async fn the_front_page_leads_to_the_sign_in_and_lets_those_sign_out_who_signed_in() {
    let site = Site::new().await;
    let session = site.session().await;
    let page = text(get(&site.router, "/", &[(header::COOKIE, &session)]).await).await;
    assert!(page.contains(r#"<form method="post" action="/sync/sign-out">"#) && page.contains("Sign out"), "{page}");
    let page = text(get(&site.router, "/", &[]).await).await;
    assert!(!page.contains("<form") && page.contains(r#"href="/sync/sign-in">Sign in</a>"#), "{page}");
    assert!(page.contains("<title>shopsyncd</title>"), "{page}");
    site.password.lock().unwrap().take();
    let page = text(get(&site.router, "/", &[]).await).await;
    assert!(!page.contains("/sign-in"), "nobody can: {page}");
}

#[tokio::test]
async fn while_the_database_is_away_nobody_counts_as_signed_in() {
    let site = Site::new().await;
    let session = site.session().await;
    site.bench.store.close().await;
    assert_eq!(site.authorize(&session).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(site.sign_in(RIGHT).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&site.router, "/", &[(header::COOKIE, &session)]).await.status(), StatusCode::OK);
    let out = post(&site.router, "/sign-out", "", &[(header::COOKIE, &session)]).await;
    assert_eq!(out.status(), StatusCode::SERVICE_UNAVAILABLE);
}
