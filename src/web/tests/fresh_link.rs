use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::store::MailState;

/// A page for others, and the token of a link for shop `a` that has expired.
async fn expired() -> (Bench, Router, String) {
    let bench = Bench::new(&["a", "b"], Period::Every(SignedDuration::from_mins(30))).await;
    publish(&bench);
    let link = links(&bench).renew_link(&shop("a"), None, start());
    let token = link.query_pairs().next().unwrap().1.into_owned();
    bench.clock.advance(DAY * 35);
    let router = router(&bench);
    (bench, router, token)
}

/// To whom mails are owed, and about which shops.
async fn owed(bench: &Bench) -> Vec<String> {
    let mut tx = bench.store.read(bench.clock.now()).await.unwrap();
    let mails = tx.mails(Some(MailState::Owed), 100).await.unwrap();
    mails.iter().map(|mail| format!("{} {} {:?}", mail.kind, mail.recipient, mail.shops)).collect()
}

#[tokio::test]
async fn an_expired_link_has_a_fresh_one_mailed_to_the_shops_people_once_a_day() {
    let (bench, router, token) = expired().await;
    let woken = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&woken);
    bench.keeper.wakes(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let answer = get(&router, &format!("/authorize/a?link={token}"), &[PUBLIC]).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let page = text(answer).await;
    assert!(page.contains(r#"<form method="post" action="/sync/authorize/a/fresh">"#), "{page}");
    assert!(page.contains(&format!(r#"<input type="hidden" name="link" value="{token}">"#)), "{page}");
    assert!(page.contains("Mail me a fresh link") && !page.contains(r#"type="password""#), "{page}");
    assert_eq!(owed(&bench).await, Vec::<String>::new(), "scanners open links, too");

    // No address of the request counts.
    let body = format!("link={token}&to=evil%40evil.example");
    let mailed = "reminder owner@example.com [a]";
    for (title, wakes) in [("A fresh link is on its way", 1), ("A fresh link was mailed today", 1)] {
        let answer = post(&router, "/authorize/a/fresh", &body, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let page = text(answer).await;
        assert!(page.contains(title) && page.contains("o***@example.com"), "{page}");
        assert!(!page.contains("owner@") && !page.contains(&token), "{page}");
        assert_eq!(owed(&bench).await, [mailed]);
        assert_eq!(woken.load(Ordering::Relaxed), wakes, "the delivery is woken once");
    }
    bench.clock.advance(DAY);
    let answer = post(&router, "/authorize/a/fresh", &body, &[]).await;
    assert!(text(answer).await.contains("A fresh link is on its way"));
    assert_eq!(owed(&bench).await, [mailed, mailed]);
}

#[tokio::test]
async fn a_forged_link_gets_nothing() {
    let (bench, router, token) = expired().await;
    let forbidden = StatusCode::FORBIDDEN;
    let changed: String = token.chars().rev().collect();
    let cases = [
        ("/authorize/a/fresh", "link=x".to_owned(), forbidden),
        ("/authorize/a/fresh", "link=".to_owned(), forbidden),
        ("/authorize/a/fresh", format!("link={changed}"), forbidden),
        ("/authorize/a/fresh", format!("link={}", &token[..token.len() - 4]), forbidden),
        ("/authorize/b/fresh", format!("link={token}"), forbidden),
        ("/authorize/zz/fresh", format!("link={token}"), StatusCode::NOT_FOUND),
        ("/authorize/%3Cscript%3E/fresh", format!("link={token}"), StatusCode::NOT_FOUND),
        ("/authorize/a/fresh", format!("token={token}"), StatusCode::BAD_REQUEST),
        ("/authorize/a/fresh", format!("link={token}&link={token}"), StatusCode::BAD_REQUEST),
        ("/authorize/a/fresh", format!("link={}", "x".repeat(10 << 20)), StatusCode::PAYLOAD_TOO_LARGE),
    ];
    for (path, body, status) in cases {
        let answer = post(&router, path, &body, &[]).await;
        assert_eq!(answer.status(), status, "{path} {}", &body[..body.len().min(80)]);
        let page = text(answer).await;
        assert!(!page.contains("example.com") && !page.contains("<form"), "{page}");
    }
    for path in ["/authorize/a?link=x".to_owned(), format!("/authorize/b?link={token}")] {
        let page = text(get(&router, &path, &[PUBLIC]).await).await;
        assert!(page.contains("This link is not complete") && !page.contains("<form"), "{page}");
    }
    let read = get(&router, "/authorize/a/fresh", &[]).await;
    assert_eq!(read.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(owed(&bench).await, Vec::<String>::new());
}

#[tokio::test]
async fn while_the_database_is_away_no_fresh_link_is_promised() {
    let (bench, router, token) = expired().await;
    bench.store.close().await;
    let answer = post(&router, "/authorize/a/fresh", &format!("link={token}"), &[]).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!text(answer).await.contains("example.com"));
}

#[tokio::test]
async fn where_no_mail_goes_out_none_is_promised() {
    let (bench, _, token) = expired().await;
    let router = router_with(&bench, Told { no_mail: true, ..Told::default() });
    let page = text(get(&router, &format!("/authorize/a?link={token}"), &[PUBLIC]).await).await;
    insta::assert_snapshot!(said(&page), @"
    This link has expired
    <p>Links in mails work for 35 days, and this one for Shop a is older.</p>
    <p>Ask whoever runs shopsyncd for a fresh one, which this command makes:</p>
    <pre><code>shopsyncd shops authorize a</code></pre>
    ");
    let asked = post(&router, "/authorize/a/fresh", &format!("link={token}"), &[]).await;
    assert_eq!(asked.status(), StatusCode::CONFLICT);
    insta::assert_snapshot!(said(&text(asked).await), @"
    No mail goes out
    <p>No mail goes out for Shop a: mail is switched off here, or nobody is reminded of this shop.</p>
    <p>Ask whoever runs shopsyncd for a link, which this command makes:</p>
    <pre><code>shopsyncd shops authorize a</code></pre>
    ");
    assert_eq!(owed(&bench).await, Vec::<String>::new());

    let (callback, cookie) = begin(
        &router,
        &format!(
            "/authorize/a?shopsyncd_led=1&{}",
            links(&bench).renew_link(&shop("a"), None, bench.clock.now()).query().unwrap()
        ),
    )
    .await;
    let thanks = text(get(&router, &callback, &[(header::COOKIE, &cookie)]).await).await;
    assert!(thanks.contains("Thank you") && !thanks.contains("mail"), "{thanks}");
}
