//! What every channel's calls have in common: addresses, and errors in the channel's name.

use url::Url;

use super::{Access, Acted, ChannelError};
use crate::{domain::Failure, http::HttpError, secrets::Secret};

/// Base with its optional path prefix, path (with a leading slash) and encoded query.
pub fn address(base: &Url, path: &str, query: &[(&'static str, String)]) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url.set_query(None);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

/// A call that brought no answer.
pub(super) fn unanswered(title: &str, operation: &str, error: HttpError) -> ChannelError {
    ChannelError {
        text: format!("{title} {operation}: {error}"),
        failure: error.failure,
        remedy: String::new(),
        request_id: None,
        acted: if error.not_acted { Acted::No } else { Acted::Unheard },
    }
}

/// The app's secret, or why nothing can be called. `None` where it cannot be read here (`check` as an ordinary user).
pub(super) fn secret_of<'a>(
    secret: Option<&'a Secret>,
    title: &str,
    channel: &str,
) -> Result<&'a Secret, ChannelError> {
    secret.ok_or_else(|| ChannelError {
        failure: Failure::AppCredentialRejected { why: "no client secret".into() },
        text: format!("{title}: the app's client_secret is missing or cannot be read"),
        remedy: format!("set channels.{channel}.client_secret"),
        request_id: None,
        acted: Acted::No,
    })
}

/// The access token of a call.
pub(super) fn token_of(access: &Access) -> Result<&Secret, ChannelError> {
    access.token.as_ref().ok_or_else(|| ChannelError::bug("the call came without an access token"))
}

/// A value of a query that stands there once. Doubled ones count as missing: which of the two is meant, nobody knows.
pub(super) fn the_one<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = query.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let value = found.next().filter(|value| !value.is_empty())?;
    found.next().is_none().then_some(value)
}

/// The owner pressed "no", in the channel's words.
pub(super) fn declined(title: &str, word: &str, remedy: &str) -> ChannelError {
    let word: String = word.chars().filter(|c| !c.is_control()).take(80).collect();
    ChannelError {
        text: format!("{title}: the owner did not give permission ({word})"),
        failure: Failure::AuthorizationEnded { why: word },
        remedy: remedy.to_owned(),
        request_id: None,
        acted: Acted::No,
    }
}

/// A callback (or start request) that cannot be what the channel sends.
pub(super) fn unusable(title: &str, what: &str) -> ChannelError {
    ChannelError {
        failure: Failure::Rejected,
        text: format!("{title}: {what}"),
        remedy: "start the authorization again".into(),
        request_id: None,
        acted: Acted::No,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_path_prefix_is_kept_and_tokens_are_encoded() {
        let query = [("page_token", "a+b/c==".to_owned())];
        for (base, expected) in [
            ("https://api.example", "https://api.example/product/x?page_token=a%2Bb%2Fc%3D%3D"),
            ("https://api.example/tt/", "https://api.example/tt/product/x?page_token=a%2Bb%2Fc%3D%3D"),
        ] {
            assert_eq!(address(&base.parse().unwrap(), "/product/x", &query).as_str(), expected);
        }
        assert_eq!(
            address(&"https://api.example/a/?b=c".parse().unwrap(), "/d", &[]).as_str(),
            "https://api.example/a/d"
        );
    }

    #[test]
    fn doubled_and_empty_parameters_are_no_parameters() {
        let query = |text: &str| url::form_urlencoded::parse(text.as_bytes()).into_owned().collect::<Vec<_>>();
        for (text, found) in [("code=1", Some("1")), ("code=1&code=1", None), ("code=", None), ("state=1", None)] {
            assert_eq!(the_one(&query(text), "code"), found, "{text}");
        }
    }
}
