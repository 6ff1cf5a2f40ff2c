//! A shop's owner with a browser, before the pages of a server that we did not write.

use std::collections::BTreeMap;

use shopsyncd::{
    clock::Clock,
    http::{Answer, Http, Method},
};
use url::Url;

use super::server::{CALLBACK, ask};

/// An owner. The browser keeps cookies, so that a second consent finds its owner signed in.
pub(super) struct Owner {
    login: &'static str,
    http: Http,
    cookies: BTreeMap<String, String>,
}

impl Owner {
    pub(super) fn new(login: &'static str) -> Self {
        Self { login, http: Http::new(Clock::system()), cookies: BTreeMap::new() }
    }

    /// Opens a consent link, signs in where asked, agrees or cancels: the query with which the browser is sent back.
    pub(super) async fn decides(&mut self, link: &Url, agrees: bool) -> Vec<(String, String)> {
        let mut at = link.clone();
        let mut answer = self.open(Method::GET, &at, &[]).await;
        for _ in 0..20 {
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            let (method, target, form) = match answer.status {
                302 | 303 => (Method::GET, answer.header("location").unwrap().to_owned(), vec![]),
                200 if text.contains("value=\"login\"") => {
                    let form = vec![("prompt", "login"), ("login", self.login), ("password", "any")];
                    (Method::POST, between(&text, "action=\"", "\""), form)
                }
                200 if agrees => (Method::POST, between(&text, "action=\"", "\""), vec![("prompt", "consent")]),
                200 => (Method::GET, between(&text, "<a href=\"", "\""), vec![]),
                status => panic!("{at} answers {status}: {text}"),
            };
            at = at.join(&target).unwrap();
            if at.as_str().starts_with(CALLBACK) {
                return at.query_pairs().into_owned().collect();
            }
            answer = self.open(method, &at, &form).await;
        }
        panic!("the server's pages lead in circles; the last one was {at}");
    }

    async fn open(&mut self, method: Method, url: &Url, form: &[(&str, &str)]) -> Answer {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let answer = ask(&self.http, method, url.clone(), Some(cookies), form).await;
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            // An empty value is how a server takes a cookie back.
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

fn between(text: &str, before: &str, after: &str) -> String {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.unwrap_or_else(|| panic!("the page has no {before}: {text}")).0.to_owned()
}
