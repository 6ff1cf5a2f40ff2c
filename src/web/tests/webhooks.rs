//! Webhooks as they arrive.

use super::*;
use crate::domain::{JobKind, Trigger};

async fn send(router: &Router, path: &str, signature: &str, body: impl Into<Body>) -> (StatusCode, String) {
    let request = Request::post(path).header("signature", signature).body(body.into()).unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    (answer.status(), text(answer).await)
}

#[tokio::test]
async fn a_webhook_is_answered_with_an_empty_body_and_starts_a_look() {
    let (bench, router) = bench().await;
    bench.consent("a").await.unwrap();
    bench.clear_runs(&["a"]).await;
    let body = r#"{"id": "1", "account": "seller-1"}"#;
    assert_eq!(send(&router, "/webhooks/market", "good", body).await, (StatusCode::OK, String::new()));
    assert_eq!(bench.waiting("a").await, [(JobKind::AuthorizationRefresh, Trigger::Recovery)]);
    bench.clear_runs(&["a"]).await;
    assert_eq!(send(&router, "/webhooks/market", "good", body).await, (StatusCode::OK, String::new()));
    assert_eq!(bench.waiting("a").await, [], "a repetition is ignored");
}

#[tokio::test]
async fn what_is_not_the_channels_is_refused_without_a_word() {
    let (bench, router) = bench().await;
    bench.consent("a").await.unwrap();
    bench.clear_runs(&["a"]).await;
    let large = vec![b' '; 10 * 1024 * 1024];
    for (path, signature, body, status) in [
        ("/webhooks/market", "bad", br#"{"id": "1", "account": "seller-1"}"#.to_vec(), StatusCode::UNAUTHORIZED),
        ("/webhooks/market", "good", b"<html>".to_vec(), StatusCode::BAD_REQUEST),
        ("/webhooks/nowhere", "good", b"{}".to_vec(), StatusCode::NOT_FOUND),
        ("/webhooks/market", "good", large, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let (answered, said) = send(&router, path, signature, body).await;
        assert_eq!(answered, status, "{path}");
        assert!(said.is_empty(), "{said}");
    }
    assert_eq!(bench.waiting("a").await, []);
}
