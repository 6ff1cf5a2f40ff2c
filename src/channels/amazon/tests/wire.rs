//! The two tables, with the vendor's published examples.

use bytes::Bytes;
use serde_json::json;

use super::*;

fn noon() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn answer(status: u16, body: &str, headers: &[(&str, &str)]) -> Answer {
    let all = [("content-type", "application/json"), ("x-amzn-requestid", "r1")].iter().chain(headers);
    Answer {
        status,
        headers: all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        retry_at: None,
    }
}

fn reading<'a>(secrets: &'a [&'a str]) -> Reading<'a> {
    Reading { operation: "call", now: noon(), secrets }
}

/// The name of a failure, so that a table of them is readable.
fn name(failure: &Failure) -> &'static str {
    match failure {
        Failure::Unavailable { .. } => "unavailable",
        Failure::Throttled { .. } => "throttled",
        Failure::TokenRejected => "token",
        Failure::AuthorizationEnded { .. } => "ended",
        Failure::ScopeMissing { .. } => "scope",
        Failure::ShopClosed { .. } => "closed",
        Failure::AppCredentialRejected { .. } => "app",
        Failure::Rejected => "rejected",
        Failure::Unexpected { .. } => "unexpected",
        Failure::Bug => "bug",
        Failure::Guarded => "guarded",
    }
}

#[test]
fn every_documented_error_of_the_api_says_what_must_happen_next() {
    let denied = "Access to requested resource is denied.";
    let table = [
        (403, "Unauthorized", denied, "The access token you provided has expired.", "token", true),
        (403, "Unauthorized", denied, "The access token you provided is revoked, malformed or invalid.", "token", true),
        (403, "Unauthorized", denied, "The LWA secret token you provided has expired.", "app", true),
        (403, "Unauthorized", denied, "Access token is missing in the request header.", "bug", true),
        (403, "Unauthorized", denied, "", "scope", true),
        (
            403,
            "Unauthorized",
            denied,
            "The application does not have access to one or more requested data types",
            "scope",
            true,
        ),
        (401, "Unauthorized", denied, "", "token", true),
        (429, "QuotaExceeded", "You exceeded your quota for the requested resource.", "", "throttled", true),
        (400, "InvalidInput", "One or more request parameters is not valid", "marketplaceIds", "rejected", true),
        (404, "NotFound", "The resource is not found", "", "bug", true),
        (413, "RequestTooLarge", "The request is too large", "", "bug", true),
        (415, "UnsupportedMediaType", "The format is not supported", "", "bug", true),
        (500, "InternalFailure", "We encountered an internal error.", "", "unavailable", false),
        (503, "ServiceUnavailable", "Service is temporarily unavailable.", "", "unavailable", false),
        (418, "Teapot", "something new", "", "unexpected", false),
        (200, "InternalFailure", "an error in a good answer", "", "unexpected", false),
    ];
    for (status, code, message, details, expected, not_acted) in table {
        let body = json!({"errors": [{"code": code, "message": message, "details": details}]}).to_string();
        let error = reading(&[]).api(&answer(status, &body, &[])).unwrap_err();
        assert_eq!((name(&error.failure), error.not_acted()), (expected, not_acted), "{status} {code} {details}");
        assert_eq!(error.request_id.as_deref(), Some("r1"));
        assert!(error.text.contains(message) && error.text.contains(details), "{error}");
    }
}

#[test]
fn every_documented_error_of_the_token_host_says_what_must_happen_next() {
    let revoked = "The request has an invalid grant parameter : refresh_token. User may have revoked or didn't grant the permission.";
    let table = [
        (400, "invalid_grant", revoked, Asked::Refresh, "ended", true),
        (400, "invalid_grant", "The request has an invalid grant parameter : code", Asked::Exchange, "rejected", true),
        (401, "invalid_client", "Client authentication failed", Asked::Refresh, "app", true),
        (401, "invalid_client", "Client authentication failed", Asked::Exchange, "app", true),
        (400, "unauthorized_client", "The client is not authorized", Asked::Refresh, "app", true),
        (400, "invalid_scope", "The requested scope is invalid", Asked::Refresh, "app", true),
        (403, "access_denied", "denied", Asked::Refresh, "app", true),
        (400, "invalid_request", "The request is missing a required parameter : code", Asked::Exchange, "app", true),
        (400, "unsupported_grant_type", "not supported", Asked::Refresh, "app", true),
        (500, "server_error", "unexpected condition", Asked::Refresh, "unavailable", false),
        (400, "temporarily_unavailable", "overloaded", Asked::Refresh, "unavailable", false),
        (503, "invalid_grant", "whatever a 503 says, nobody is dead", Asked::Refresh, "unavailable", false),
        (429, "too_many_requests", "slow down", Asked::Refresh, "throttled", true),
        (400, "something_new", "nobody foresaw this", Asked::Refresh, "unexpected", false),
        (200, "invalid_grant", revoked, Asked::Refresh, "ended", true),
    ];
    for (status, code, description, asked, expected, not_acted) in table {
        let body = json!({"error": code, "error_description": description}).to_string();
        let error = reading(&[]).token(&answer(status, &body, &[]), asked).unwrap_err();
        assert_eq!((name(&error.failure), error.not_acted()), (expected, not_acted), "{status} {code}");
        assert_eq!(error.request_id.as_deref(), Some("r1"));
        assert!(error.text.contains(code) && error.text.contains(description), "{error}");
    }
}

#[test]
fn answers_of_another_shape_are_told_by_their_status_alone() {
    let html = "<html>down for maintenance</html>";
    let table = [
        (200, html, "unexpected"),
        (200, "{\"payload\":[{\"market", "unexpected"),
        (200, "{\"access_token\":\"Atza|geheim", "unexpected"),
        (200, "", "unexpected"),
        (200, "[]", "unexpected"),
        (400, html, "unexpected"),
        (401, html, "unexpected"),
        (403, html, "unexpected"),
        (403, "{\"error\":7}", "unexpected"),
        (403, "{\"errors\":[]}", "unexpected"),
        (404, "not found", "unexpected"),
        (429, "slow down", "throttled"),
        (502, html, "unavailable"),
        (503, "", "unavailable"),
    ];
    for (status, body, expected) in table {
        let answer = answer(status, body, &[]);
        if body != "[]" {
            let error = reading(&[]).api(&answer).unwrap_err();
            assert_eq!(name(&error.failure), expected, "{status} {body}");
        }
        let error = reading(&[]).token(&answer, Asked::Refresh).unwrap_err();
        assert_eq!(name(&error.failure), expected, "{status} {body}");
        assert!(!format!("{error:?}").contains("Atza"), "{error:?}");
    }
}

#[test]
fn a_throttled_call_waits_as_told_else_for_its_turn_at_the_rate_that_was_told() {
    let second = noon() + SignedDuration::from_secs(1);
    let table: [(&[(&str, &str)], i64); 7] = [
        (&[], 1),
        (&[("x-amzn-ratelimit-limit", "0.016")], 62),
        (&[("x-amzn-ratelimit-limit", "5.0")], 1),
        (&[("x-amzn-ratelimit-limit", "0.0000001")], 3600),
        (&[("x-amzn-ratelimit-limit", "0")], 1),
        (&[("x-amzn-ratelimit-limit", "soon")], 1),
        (&[("x-amzn-ratelimit-limit", "0.016"), ("retry-after", "1")], 1),
    ];
    for (headers, seconds) in table {
        let answer = Answer { retry_at: Some(second), ..answer(429, "", headers) };
        let error = reading(&[]).api(&answer).unwrap_err();
        let Failure::Throttled { until } = error.failure else { panic!("{error}") };
        assert_eq!(until.duration_since(noon()).as_secs(), seconds, "{headers:?}");
    }
}

#[test]
fn no_error_repeats_a_secret_or_what_looks_like_a_token() {
    let body = json!({"errors": [{"code": "X", "message": "token geheim of Atza|other", "details": "geheim"}]});
    let error = reading(&["geheim"]).api(&answer(418, &body.to_string(), &[])).unwrap_err();
    assert!(error.text.contains("token ••• of ••• •••"), "{error}");
    let body = json!({"error": "odd", "error_description": "Atzr|strange is not geheim"});
    let error = reading(&["geheim"]).token(&answer(400, &body.to_string(), &[]), Asked::Refresh).unwrap_err();
    assert!(error.text.contains("••• is not •••"), "{error}");
    for body in ["<p>Atza|strange geheim</p>", "{\"payload\":\"geheim"] {
        let error = reading(&["geheim"]).api(&answer(200, body, &[])).unwrap_err();
        let said = format!("{error:?}");
        assert!(!said.contains("geheim") && !said.contains("Atza"), "{said}");
    }
}
