//! Amazon's own API models judge our channel and our pretend Amazon: every call by its operation's parameters and body, every
//! answer by its status's schema, every document by its own.
//!
//! The models are in `tests/peers/amazon-models`, unchanged. What reads them was written elsewhere: the validators of OpenAPI
//! requests and answers that `tests/peers/amazon-judge.mjs` starts. They take Swagger 2.0 as it is, which spares a conversion that
//! could lose what is to be judged, and refuse unknown query parameters; a validating proxy would do neither.

use std::{collections::BTreeMap, process::Stdio, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shopsyncd::{
    channels::{
        Access, Channel, ShopSettings, Tools,
        amazon::{
            self,
            fake::{APP_SECRET, Exchange},
        },
    },
    clock::Clock,
    domain::Shop,
    http::Http,
    secrets::Secret,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{file, is_installed};

mod examples;
mod story;
mod strictness;
mod suite;

const SELLER: &str = "A3TH9S8BH6GOGM";

/// What stands on the same host and has no model: the token host, the consent pages, the controls of tests.
const NO_API: [&str; 3] = ["/auth/o2/", "/apps/", "/_fake/"];

/// The judge. It ends when dropped.
struct Judge {
    orders: ChildStdin,
    verdicts: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

/// What it says of one exchange.
#[derive(Debug, Deserialize)]
struct Verdict {
    /// As the model calls it; `None`: no model has it.
    operation: Option<String>,
    faults: Vec<String>,
}

/// How often each operation was called with which status, `operation status`.
type Called = BTreeMap<String, usize>;

impl Judge {
    /// `None`: the validators are not installed.
    fn start() -> Option<Self> {
        if !is_installed("the judge of Amazon's models", "node_modules/openapi-response-validator/package.json") {
            return None;
        }
        let mut command = Command::new("node");
        command.arg(file("amazon-judge.mjs")).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let verdicts = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Self { orders: child.stdin.take().unwrap(), verdicts, _child: child })
    }

    async fn order(&mut self, order: Value) -> Verdict {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        let verdict = self.verdicts.next_line().await.unwrap().expect("the judge broke off; what it said stands above");
        serde_json::from_str(&verdict).unwrap()
    }

    async fn judge(&mut self, exchange: &Exchange) -> Verdict {
        let table = |headers: &[(String, String)]| {
            Value::Object(headers.iter().map(|(n, v)| (n.clone(), v.clone().into())).collect())
        };
        let order = json!({
            "method": exchange.method, "target": exchange.target, "status": exchange.status,
            "headers": table(&exchange.headers), "answer_headers": table(&exchange.answer_headers),
            "body": STANDARD.encode(&exchange.body), "answer": exchange.answer.as_ref().map(|answer| STANDARD.encode(answer)),
        });
        self.order(order).await
    }

    /// Judges what was said in one world; fails with every fault in it.
    async fn approve(&mut self, what: &str, exchanges: &[Exchange]) -> Called {
        // Identifiers of one world are not those of another.
        self.order(json!({ "begin": what })).await;
        let (mut called, mut faults) = (Called::new(), Vec::new());
        for exchange in exchanges {
            let said = format!("{} {} -> {}", exchange.method, exchange.target, exchange.status);
            let verdict = self.judge(exchange).await;
            match verdict.operation {
                Some(operation) => *called.entry(format!("{operation} {}", exchange.status)).or_default() += 1,
                None if NO_API.iter().any(|start| exchange.target.starts_with(start)) => {}
                None => faults.push(format!("{said}: no model has it")),
            }
            faults.extend(verdict.faults.iter().map(|fault| format!("{said}: {fault}\n    {}", text_of(exchange))));
        }
        assert!(faults.is_empty(), "{what}: not as Amazon's models have it:\n{}", faults.join("\n"));
        called
    }
}

/// What was said, for a person.
fn text_of(exchange: &Exchange) -> String {
    let answer = exchange.answer.as_ref().map(|answer| String::from_utf8_lossy(answer).into_owned());
    format!("{} => {}", String::from_utf8_lossy(&exchange.body), answer.unwrap_or_default())
        .chars()
        .take(2000)
        .collect()
}

/// The channel of a shop with these settings.
fn channel(app: &Map<String, Value>, own: Value, clock: &Clock) -> Arc<dyn Channel> {
    let settings = ShopSettings {
        shop: Shop { id: "shop".parse().unwrap(), channel: amazon::NAME.into(), name: "Shop".into() },
        own: own.as_object().cloned().unwrap(),
        channel: app.clone(),
        client_secret: Some(Secret::new(APP_SECRET)),
        secrets: BTreeMap::new(),
        warehouse: None,
        folder: "/".into(),
        callback: "https://shops.example.com/oauth/amazon/callback".parse().unwrap(),
    };
    (amazon::DEF.build)(&settings, &Tools { http: Http::new(clock.clone()), clock: clock.clone() }).unwrap()
}

fn access(token: &str) -> Access {
    Access { token: Some(Secret::new(token)), place: json!({ "seller_id": SELLER }) }
}
