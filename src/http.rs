//! The one outgoing HTTP client: time limits, a size limit, rate budgets, and tracing that shows no secret.
//!
//! It carries a [`Call`] to its host and brings the [`Answer`] back, whatever the status: what an answer means is the
//! channel's to say, since most marketplaces speak of failures inside a 200. What it promises:
//!
//! - An exchange takes at most 10 s, connecting at most 5 s of them, an answer has at most 16 MiB (after unpacking).
//! - Redirects are not followed: no marketplace call needs one, and a followed one could carry a token elsewhere.
//! - Plain `http` goes to loopback only.
//! - Calls are paced by a [`budget`] per [`BudgetKey`]. The client waits for its turn while that is under
//!   2 s; a longer wait is [`Failure::Throttled`] at once, so that a channel never sleeps. Calls that must not be starved
//!   (token exchanges) have an operation of their own in the key.
//! - Log lines carry host, path and status, never a query, a header or a body: tokens travel in all three.

pub mod budget;
mod episodes;

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Once},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use jiff::{SignedDuration, Timestamp};
use reqwest::redirect::Policy;
use url::{Host, Url};

pub use reqwest::Method;

pub use self::budget::{BudgetKey, Rate};
use self::{
    budget::{Budgets, Turn},
    episodes::Episodes,
};
use crate::{clock::Clock, domain::Failure};

/// How long an exchange may take, from the first byte out to the last byte in.
pub const EXCHANGE_LIMIT: Duration = Duration::from_secs(10);
/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How large an answer may be, unpacked.
const ANSWER_LIMIT_BYTES: usize = 16 << 20;
/// How long a whole document may take, from the first byte to the last, and how large it may be. Never for exchanging tokens.
const DOCUMENT: Limit = Limit { time: Duration::from_mins(5), bytes: 256 << 20 };
const ORDINARY: Limit = Limit { time: EXCHANGE_LIMIT, bytes: ANSWER_LIMIT_BYTES };

/// What an exchange may take.
#[derive(Clone, Copy)]
struct Limit {
    time: Duration,
    bytes: usize,
}
/// `Retry-After` beyond this is taken as this: a host that means longer will say so again.
const LONGEST_RETRY_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// The client. Cheap to clone; clones share connections and budgets.
#[derive(Clone)]
pub struct Http(Arc<Inner>);

struct Inner {
    clock: Clock,
    /// Honours the proxy settings of the environment.
    outside: reqwest::Client,
    /// Never goes through a proxy.
    loopback: reqwest::Client,
    budgets: Budgets,
    episodes: Episodes,
    observer: Option<Box<Observer>>,
}

type Observer = dyn Fn(&HttpEvent) + Send + Sync;

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

/// A request, and which budget pays for it.
pub struct Call {
    /// The method.
    pub method: Method,
    /// The address, with its query. The query may hold secrets: it is never logged.
    pub url: Url,
    /// Header names in lower case, with their values.
    pub headers: Vec<(&'static str, String)>,
    /// The exact body; `None`: none.
    pub body: Option<Bytes>,
    /// Whose budget pays.
    pub budget: BudgetKey,
    /// What that budget starts from.
    pub rate: Rate,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, Shown(&self.url))
    }
}

/// What came back.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Header names in lower case, with their values as far as they are text.
    pub headers: Vec<(String, String)>,
    /// The body, unpacked.
    pub body: Bytes,
    /// `Retry-After` as an instant; for a 429 always set, by our own choice where the header is missing.
    pub retry_at: Option<Timestamp>,
}

impl Answer {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} bytes", self.status, self.body.len())
    }
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct HttpError {
    /// What must happen next.
    pub failure: Failure,
    /// The host and the cause, lower case, without secrets.
    pub text: String,
    /// Whether the request certainly did not reach the host. A lost reply is `false`.
    pub not_acted: bool,
}

/// What the observer hears of each call.
#[derive(Debug, Clone)]
pub struct HttpEvent {
    /// The channel.
    pub channel: &'static str,
    /// The operation.
    pub operation: &'static str,
    /// The status; `None` where no answer came.
    pub status: Option<u16>,
    /// Whether the host, or our own budget, said "too many".
    pub throttled: bool,
    /// How long it took, waiting for its turn not counted.
    pub took: Duration,
}

impl Http {
    /// Makes a client.
    pub fn new(clock: Clock) -> Self {
        Self::build(clock, None)
    }

    /// Makes a client that tells `observer` of every call: for metrics. The observer must be quick.
    pub fn observed(clock: Clock, observer: impl Fn(&HttpEvent) + Send + Sync + 'static) -> Self {
        Self::build(clock, Some(Box::new(observer)))
    }

    fn build(clock: Clock, observer: Option<Box<Observer>>) -> Self {
        static PROVIDER: Once = Once::new();
        // Fails only where a provider is installed already, and then that one serves.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let client = || {
            reqwest::Client::builder()
                .connect_timeout(CONNECT_LIMIT)
                .redirect(Policy::none())
                .user_agent(concat!("shopsyncd/", env!("CARGO_PKG_VERSION")))
        };
        let direct = || client().no_proxy();
        Self(Arc::new(Inner {
            outside: with_roots(client),
            loopback: with_roots(direct),
            budgets: Budgets::default(),
            episodes: Episodes::default(),
            clock,
            observer,
        }))
    }

    /// Carries a call to its host, in its turn.
    pub async fn send(&self, call: Call) -> Result<Answer, HttpError> {
        self.send_within(call, ORDINARY).await
    }

    /// Brings a large document from or to its host, in its turn: up to 256 MiB within five minutes.
    pub async fn transfer(&self, call: Call) -> Result<Answer, HttpError> {
        self.send_within(call, DOCUMENT).await
    }

    async fn send_within(&self, call: Call, limit: Limit) -> Result<Answer, HttpError> {
        let (channel, operation) = (call.budget.channel, call.budget.operation);
        let key = call.budget.clone();
        if let Err(error) = self.turn(&call).await {
            self.tell(&HttpEvent { channel, operation, status: None, throttled: true, took: Duration::ZERO });
            return Err(error);
        }
        let begun = Instant::now();
        let address = Shown(&call.url).to_string();
        let result = self.exchange(call, limit).await;
        let took = begun.elapsed();
        let status = result.as_ref().ok().map(|answer| answer.status);
        let throttled = status == Some(429);
        tracing::debug!(
            event = "channel.called",
            channel.name = channel,
            operation,
            address,
            status,
            took_ms = took.as_millis() as u64,
            "called"
        );
        self.tell(&HttpEvent { channel, operation, status, throttled, took });
        let mut answer = result?;
        if throttled {
            answer.retry_at = Some(self.refused(&key, answer.retry_at));
        } else if answer.status < 400 {
            self.0.budgets.accepted(&key);
        }
        Ok(answer)
    }

    /// Notes that the host said "too many" in a way only the channel can read (a code inside a 200); a 429 is noted without
    /// this. Answers when to go on: `retry_at` where the host said so, else after a wait that doubles with each refusal.
    pub fn refused(&self, key: &BudgetKey, retry_at: Option<Timestamp>) -> Timestamp {
        let now = self.0.clock.now();
        let until = self.0.budgets.refused(key, retry_at, now);
        if self.0.episodes.begins(key.channel, now, until) {
            let (channel, operation, seconds) = (key.channel, key.operation, until.duration_since(now).as_secs());
            tracing::warn!(event = "channel.throttled", channel.name = channel, operation, retry_at = %format_args!("{until:.3}"),
                "{channel} asks for fewer calls: `{operation}` waits for {seconds} s");
        }
        until
    }

    /// Notes how many calls a second the host says it allows for calls of this budget, for example by a header.
    pub fn told(&self, key: &BudgetKey, per_second: f64) {
        self.0.budgets.told(key, per_second);
    }

    async fn turn(&self, call: &Call) -> Result<(), HttpError> {
        if !may_be_called(&call.url) {
            return Err(HttpError {
                failure: Failure::Bug,
                text: format!("{} is neither https nor loopback and is not called", Shown(&call.url)),
                not_acted: true,
            });
        }
        match self.0.budgets.turn(&call.budget, call.rate, self.0.clock.now()) {
            Turn::After(wait) if wait.is_zero() => Ok(()),
            Turn::After(wait) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            Turn::Throttled(until) => Err(HttpError {
                failure: Failure::Throttled { until },
                text: format!("the rate limit of {} {} is used up", call.budget.channel, call.budget.operation),
                not_acted: true,
            }),
        }
    }

    async fn exchange(&self, call: Call, limit: Limit) -> Result<Answer, HttpError> {
        let host = call.url.host_str().unwrap_or_default().to_owned();
        let client = if is_loopback(&call.url) { &self.0.loopback } else { &self.0.outside };
        let mut request = client.request(call.method, call.url).timeout(limit.time);
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        if let Some(body) = call.body {
            request = request.body(body);
        }
        let mut response = request.send().await.map_err(|error| lost(&host, &error, limit))?;
        let status = response.status().as_u16();
        let headers: Vec<(String, String)> = response
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| lost(&host, &error, limit))? {
            if body.len() + chunk.len() > limit.bytes {
                let most = limit.bytes >> 20;
                return Err(HttpError {
                    failure: Failure::Unexpected { sample: format!("status {status}, more than {most} MiB") },
                    text: format!("{host} answered with more than {most} MiB"),
                    not_acted: false,
                });
            }
            body.extend_from_slice(&chunk);
        }
        let now = self.0.clock.now();
        let retry_at =
            headers.iter().find(|(name, _)| name == "retry-after").and_then(|(_, value)| read_retry_after(value, now));
        Ok(Answer { status, headers, body: body.freeze(), retry_at })
    }

    fn tell(&self, event: &HttpEvent) {
        if let Some(observer) = &self.0.observer {
            observer(event);
        }
    }
}

/// A client that trusts the machine's certificate authorities. A machine that has none still gets a client, for loopback; its calls
/// over https fail with words.
fn with_roots(client: impl Fn() -> reqwest::ClientBuilder) -> reqwest::Client {
    client().build().unwrap_or_else(|error| {
        let cause = innermost(&error);
        tracing::warn!(event = "authorities.missing", %cause, "no certificate authorities can be used, so calls over https will fail; install ca-certificates");
        client().tls_certs_only([]).build().expect("the options are constant and a cryptography provider is installed")
    })
}

/// Whether the client will call this address: `https`, or `http` on loopback.
pub fn may_be_called(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// Whether an address is on this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// An address without user, query and fragment.
struct Shown<'a>(&'a Url);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.0.path())
    }
}

/// A reply that did not arrive, or not whole. Only a connection that never came about proves that nothing was done.
fn lost(host: &str, error: &reqwest::Error, limit: Limit) -> HttpError {
    let text = if error.is_connect() {
        format!("{host} could not be reached: {}", innermost(error))
    } else if error.is_timeout() {
        format!("{host} did not answer within {} s", limit.time.as_secs())
    } else {
        format!("the reply of {host} was lost: {}", innermost(error))
    };
    HttpError { failure: Failure::Unavailable { retry_at: None }, text, not_acted: error.is_connect() }
}

/// The innermost cause: the outer ones repeat the address with its query.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if cause.is::<reqwest::Error>() { "broken connection".to_owned() } else { cause.to_string() }
}

/// Reads `Retry-After`: seconds or a date, as RFC 9110 (10.2.3) has it. Dates in the past are now.
fn read_retry_after(value: &str, now: Timestamp) -> Option<Timestamp> {
    let value = value.trim();
    let wait = if let Ok(seconds) = value.parse::<u32>() {
        SignedDuration::from_secs(i64::from(seconds))
    } else {
        let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
        at.duration_since(now)
    };
    Some(now + wait.clamp(SignedDuration::ZERO, LONGEST_RETRY_AFTER))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::Mutex;

    use axum::{Router, body::Body, http::StatusCode, response::Redirect, routing::get};

    use super::*;
    use crate::telemetry::kept::Log;

    const RATE: Rate = Rate::per_second(1000, 1000);

    fn noon() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    async fn serve(router: Router) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/").parse().unwrap()
    }

    fn call(url: Url) -> Call {
        let budget = BudgetKey { channel: "c", app: String::new(), place: String::new(), operation: "o" };
        Call { method: Method::GET, url, headers: Vec::new(), body: None, budget, rate: RATE }
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let base = serve(Router::new().route("/", get(|| async { Redirect::to("/elsewhere") }))).await;
        let answer = Http::new(Clock::manual(noon())).send(call(base)).await.unwrap();
        assert_eq!(answer.status, 303);
        assert_eq!(answer.header("location"), Some("/elsewhere"));
    }

    #[tokio::test]
    async fn plain_http_goes_to_loopback_only() {
        let error = Http::new(Clock::manual(noon()))
            .send(call("http://user:pass@shop.example/x?app_secret=geheim".parse().unwrap()))
            .await
            .unwrap_err();
        assert_eq!(error.failure, Failure::Bug);
        assert_eq!(error.text, "http://shop.example/x is neither https nor loopback and is not called");
        assert!(error.not_acted);
    }

    #[tokio::test]
    async fn a_refused_connection_was_not_acted_on_and_names_no_query() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x?app_secret=geheim", listener.local_addr().unwrap()).parse().unwrap();
        drop(listener);
        let error = Http::new(Clock::manual(noon())).send(call(url)).await.unwrap_err();
        assert_eq!(error.failure, Failure::Unavailable { retry_at: None });
        assert!(error.not_acted, "{error}");
        assert!(!error.text.contains("geheim"), "{error}");
    }

    #[tokio::test]
    async fn a_cut_reply_may_have_been_acted_on() {
        let broken = || async {
            let chunks: [Result<&str, std::io::Error>; 2] = [Ok("{\"half\":"), Err(std::io::Error::other("cut"))];
            Body::from_stream(futures_util::stream::iter(chunks))
        };
        let base = serve(Router::new().route("/", get(broken))).await;
        let error =
            Http::new(Clock::manual(noon())).send(call(base.join("?secret=geheim").unwrap())).await.unwrap_err();
        assert!(!error.not_acted);
        assert!(!error.text.contains("geheim"), "{error}");
    }

    #[tokio::test]
    async fn a_body_that_is_not_the_gzip_it_says_it_is_may_have_been_acted_on() {
        let broken = || async { ([("content-encoding", "gzip"), ("content-type", "application/json")], "{\"a\":1}") };
        let base = serve(Router::new().route("/", get(broken))).await;
        let error = Http::new(Clock::manual(noon())).send(call(base)).await.unwrap_err();
        assert!(matches!(error.failure, Failure::Unavailable { .. }), "{error:?}");
        assert!(!error.not_acted, "{error:?}");
    }

    #[tokio::test]
    async fn an_answer_over_the_size_limit_is_refused() {
        let base = serve(Router::new().route("/", get(|| async { vec![b' '; ANSWER_LIMIT_BYTES + 1] }))).await;
        let http = Http::new(Clock::manual(noon()));
        let error = http.send(call(base.clone())).await.unwrap_err();
        assert!(matches!(error.failure, Failure::Unexpected { .. }), "{error}");
        let document = http.transfer(call(base)).await.unwrap();
        assert_eq!(document.body.len(), ANSWER_LIMIT_BYTES + 1, "a document may be larger");
    }

    #[tokio::test]
    async fn after_too_many_calls_the_budget_answers_until_the_time_named() {
        let refuse = || async { (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "30")], "") };
        let base = serve(Router::new().route("/", get(refuse))).await;
        let clock = Clock::manual(noon());
        let (log, _kept) = Log::kept();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sees = seen.clone();
        let http =
            Http::observed(clock.clone(), move |event| sees.lock().unwrap().push((event.status, event.throttled)));
        let until = noon() + SignedDuration::from_secs(30);
        assert_eq!(http.send(call(base.clone())).await.unwrap().retry_at, Some(until));
        let error = http.send(call(base.clone())).await.unwrap_err();
        assert_eq!(error.failure, Failure::Throttled { until });
        clock.set(until);
        assert_eq!(http.send(call(base)).await.unwrap().status, 429);
        assert_eq!(*seen.lock().unwrap(), [(Some(429), true), (None, true), (Some(429), true)]);
        let told = log.text();
        assert_eq!(told.matches("channel.throttled").count(), 1, "one episode: {told}");
        assert!(told.contains("waits for 30 s"), "{told}");
    }

    #[test]
    fn a_machine_without_certificate_authorities_gets_a_client_all_the_same() {
        // Makes the builder fail as an empty certificate store does: at the end.
        let attempts = std::cell::Cell::new(0);
        drop(Http::new(Clock::manual(noon())));
        with_roots(|| {
            attempts.set(attempts.get() + 1);
            let builder = reqwest::Client::builder();
            if attempts.get() == 1 { builder.user_agent("not\na header") } else { builder }
        });
        assert_eq!(attempts.get(), 2);
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let now = noon();
        let cases = [
            ("0", Some("2026-06-01T12:00:00Z")),
            (" 90 ", Some("2026-06-01T12:01:30Z")),
            ("4294967295", Some("2026-06-02T12:00:00Z")),
            ("Mon, 01 Jun 2026 12:00:10 GMT", Some("2026-06-01T12:00:10Z")),
            ("Mon, 01 Jun 2020 12:00:10 GMT", Some("2026-06-01T12:00:00Z")),
            ("soon", None),
            ("-5", None),
            ("", None),
        ];
        for (value, expected) in cases {
            let expected: Option<Timestamp> = expected.map(|text| text.parse().unwrap());
            assert_eq!(read_retry_after(value, now), expected, "{value:?}");
        }
    }
}
