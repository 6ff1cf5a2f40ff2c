//! What the token host's answers are taken for.

use super::*;

fn noon() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn answer() -> Map<String, Value> {
    let answer = json!({
        "access_token": "Atza|new", "refresh_token": "Atzr|same", "token_type": "bearer", "expires_in": 3600,
        "something_new": [1],
    });
    answer.as_object().cloned().unwrap()
}

fn text(secret: Option<&Secret>) -> &str {
    secret.map(Secret::expose).unwrap_or_default()
}

#[test]
fn the_access_token_ends_when_the_answer_says_and_no_other_end_is_told() {
    let grant = read_grant(&answer(), None, "A3", noon()).unwrap();
    assert_eq!(grant.access_token_ends_at.to_string(), "2026-06-01T13:00:00Z");
    assert_eq!((grant.ends, grant.refresh_token_ends_at), (None, None));
    assert_eq!((grant.account.as_str(), text(grant.tokens.refresh_token.as_ref())), ("A3", "Atzr|same"));
}

#[test]
fn a_refresh_token_that_is_left_out_stays_and_an_exchange_needs_one() {
    let kept = Secret::new("Atzr|kept");
    for left_out in [None, Some(Value::Null)] {
        let mut answer = answer();
        answer.remove("refresh_token");
        answer.extend(left_out.map(|value| ("refresh_token".to_owned(), value)));
        let grant = read_grant(&answer, Some(&kept), "A3", noon()).unwrap();
        assert_eq!(text(grant.tokens.refresh_token.as_ref()), "Atzr|kept");
        assert_eq!(read_grant(&answer, None, "A3", noon()).unwrap_err(), "the answer has no refresh_token");
    }
    let mut answer = answer();
    answer["refresh_token"] = json!("");
    assert_eq!(read_grant(&answer, Some(&kept), "A3", noon()).unwrap_err(), "refresh_token is empty");
}

#[test]
fn every_strange_field_is_named_and_no_value_is_repeated() {
    let cases = [
        ("access_token", json!(null), "the answer has no access_token"),
        ("access_token", json!(""), "access_token is empty"),
        ("access_token", json!(77), "access_token is not a text"),
        ("access_token", json!("Atza|two\nlines"), "access_token has characters that no token has"),
        ("refresh_token", json!(["Atzr|x"]), "refresh_token is not a text"),
        ("refresh_token", json!("Atzr|ü"), "refresh_token has characters that no token has"),
        ("token_type", json!("mac"), "token_type is not bearer"),
        ("token_type", json!(1), "token_type is not bearer"),
        ("expires_in", json!(null), "the answer has no expires_in"),
        ("expires_in", json!("3600"), "expires_in is not a whole number"),
        ("expires_in", json!(3600.5), "expires_in is not a whole number"),
        ("expires_in", json!(u64::MAX), "expires_in is not a whole number"),
        ("expires_in", json!(0), "expires_in is not above zero"),
        ("expires_in", json!(-1), "expires_in is not above zero"),
        ("expires_in", json!(i64::MIN), "expires_in is not above zero"),
        ("expires_in", json!(86_401), "expires_in is absurdly long"),
        ("expires_in", json!(i64::MAX), "expires_in is absurdly long"),
    ];
    for (field, value, expected) in cases {
        let mut answer = answer();
        answer[field] = value;
        assert_eq!(read_grant(&answer, None, "A3", noon()).unwrap_err(), expected);
    }
}
