//! The OAuth server as a child process, and what its test may ask of it.

use std::process::Stdio;

use jiff::SignedDuration;
use serde::Deserialize;
use shopsyncd::{
    clock::Clock,
    http::{Answer, BudgetKey, Call, Http, Method, Rate},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};
use url::{Url, form_urlencoded};

use super::{file, is_installed};

pub(super) const CLIENT: &str = "shopsyncd";
pub(super) const SECRET: &str = "the-app-secret-of-the-peer";
/// Where it sends browsers back to. Nobody listens there: the test hands the address over itself.
pub(super) const CALLBACK: &str = "http://127.0.0.1:9/oauth/peer/callback";

/// The server. It ends when dropped.
pub(super) struct OAuthServer {
    pub(super) url: Url,
    http: Http,
    _child: Child,
}

/// What the server itself reports.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Counts {
    /// How often it renewed tokens.
    pub(super) refreshed: u32,
    /// What it refused at its token endpoint, with the reason that it tells to nobody else.
    pub(super) refused: Vec<String>,
    /// How many grants it ended.
    pub(super) revoked: u32,
}

impl OAuthServer {
    /// Starts it on a free port. `None`: it is not installed.
    pub(super) async fn start() -> Option<Self> {
        if !is_installed("the OAuth server oidc-provider", "node_modules/oidc-provider/package.json") {
            return None;
        }
        let mut command = Command::new("node");
        command.arg(file("oauth-server.mjs")).args([CALLBACK, CLIENT, SECRET]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = loop {
            let line = lines.next_line().await.unwrap().expect("the server ended before it listened");
            if let Some(address) = line.strip_prefix("listening ") {
                break address.parse().unwrap();
            }
        };
        Some(Self { url, http: Http::new(Clock::system()), _child: child })
    }

    /// What it reports.
    pub(super) async fn counts(&self) -> Counts {
        let answer = ask(&self.http, Method::GET, self.url.join("/_test/counts").unwrap(), None, &[]).await;
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Moves its clock.
    pub(super) async fn advance(&self, by: SignedDuration) {
        let clock = self.url.join(&format!("/_test/clock?seconds={}", by.as_secs())).unwrap();
        assert_eq!(ask(&self.http, Method::POST, clock, None, &[]).await.status, 200);
    }

    /// The owner takes the permission back, by RFC 7009.
    pub(super) async fn revoke(&self, token: &str) {
        let form = [("token", token), ("client_id", CLIENT), ("client_secret", SECRET)];
        let answer = ask(&self.http, Method::POST, self.url.join("/token/revocation").unwrap(), None, &form).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }
}

/// A request as browsers and apps make them: with cookies, and a form where there is one. Nothing is followed.
pub(super) async fn ask(
    http: &Http,
    method: Method,
    url: Url,
    cookies: Option<String>,
    form: &[(&str, &str)],
) -> Answer {
    let mut headers: Vec<_> = cookies.map(|cookies| ("cookie", cookies)).into_iter().collect();
    headers.push(("accept", "text/html, application/json;q=0.9".to_owned()));
    if !form.is_empty() {
        headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
    }
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let call = Call {
        method,
        url,
        headers,
        body: (!form.is_empty()).then(|| body.into()),
        budget: BudgetKey { channel: "peer", app: String::new(), place: String::new(), operation: "any" },
        rate: Rate::per_second(1000, 1000),
    };
    http.send(call).await.unwrap()
}
