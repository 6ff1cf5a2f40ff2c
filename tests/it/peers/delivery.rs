//! The whole program before a mail relay: what it owes arrives there, and what the relay refuses is seen and sent again.

use std::{fs, process::Stdio, time::Duration};

use jiff::SignedDuration;
use serde_json::{Value, json};
use shopsyncd::{
    channels::tiktok_shop::fake::{APP_SECRET, FakeTikTok},
    clock::Clock,
    control::{self, Hidden, Request},
};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{interval, timeout},
};

use super::relay::{PASSWORD, Relay, Serves, USER, read};
use crate::world::{marketplace, number};

const DAY: SignedDuration = SignedDuration::from_hours(24);

struct Desk {
    relay: Relay,
    fake: FakeTikTok,
    folder: TempDir,
    _daemon: Child,
}

impl Desk {
    /// `None`: the relay is not installed.
    async fn new() -> Option<Self> {
        let relay = Relay::start(Serves::USUAL).await?;
        let folder = tempfile::tempdir().unwrap();
        let fake = FakeTikTok::new(Clock::system()).unwrap();
        fake.add_seller("a", "Harbour Ltd", "GB");
        fake.add_shop("a", &number("harbour"), "Harbour", "GB");
        for (name, text) in [("app-secret", APP_SECRET), ("password", PASSWORD)] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let settings = format!(
            r#"timezone = "Europe/Berlin"
state_dir = "{folder}/state"
[web]
listen = "None"
internal = "None"
[mail]
from = "Jürgens Läden <läden@bücher.example>"
operator = ["ops@example.com"]
language = "de"
[mail.smtp]
host = "127.0.0.1"
port = {port}
username = "{USER}"
password = {{ file = "password" }}
ca_file = "{ca}"
[reminders]
to = ["Jürgen Müller <jm@example.com>"]
{marketplace}
[shops.harbour]
channel = "tiktok_shop"
name = "Hafen, Kai & Söhne; alles"
shop_id = "{id}"
"#,
            folder = folder.path().display(),
            port = relay.port,
            ca = relay.ca_file().display(),
            marketplace = marketplace(&fake, &folder.path().join("app-secret"), ["1 day", "None", "None"]),
            id = number("harbour"),
        );
        fs::write(folder.path().join("shopsyncd.toml"), settings).unwrap();
        let daemon = command(&folder, &["run"]).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let mut desk = Self { relay, fake, folder, _daemon: daemon };
        desk.until("the daemon answers", async |desk| desk.ask(&Request::Health).await).await;
        Some(desk)
    }

    async fn ask(&self, request: &Request) -> Option<Value> {
        control::ask(&self.folder.path().join("state"), request, |_| {}).await.ok()
    }

    /// Looks again and again until there is something to see.
    async fn until<T>(&mut self, what: &str, mut look: impl AsyncFnMut(&mut Self) -> Option<T>) -> T {
        let mut ticks = interval(Duration::from_millis(100));
        let looks = async {
            loop {
                ticks.tick().await;
                if let Some(seen) = look(self).await {
                    return seen;
                }
            }
        };
        timeout(Duration::from_mins(1), looks).await.unwrap_or_else(|_| panic!("this does not happen: {what}"))
    }

    /// What a command prints. It must go well.
    async fn run(&self, args: &[&str]) -> String {
        let done = command(&self.folder, args).output().await.unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// The same for one that must not go well.
    async fn fails(&self, args: &[&str]) {
        let done = command(&self.folder, args).output().await.unwrap();
        assert!(!done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stdout));
    }

    /// The next mail that the relay takes.
    async fn arrives(&mut self, kind: &str) -> Value {
        let mut received = self
            .until(kind, async |desk| {
                let received = desk.relay.taken().await.received;
                (!received.is_empty()).then_some(received)
            })
            .await;
        assert_eq!(received.len(), 1, "{received:?}");
        let one = received.remove(0);
        assert_eq!(one["mail"]["headers"]["x-shopsyncd-kind"], kind);
        assert_eq!((&one["tls"], &one["mail"]["defects"]), (&json!(true), &json!([])), "{one}");
        one
    }

    /// The mail to this address as `mail list` has it, once the relay's answer is written down.
    async fn listed(&mut self, to: &str) -> Value {
        self.until("an error in `mail list`", async |desk| {
            let list: Value = serde_json::from_str(&desk.run(&["--json", "mail", "list"]).await).unwrap();
            let all = list["mail"].as_array().unwrap();
            all.iter().find(|mail| mail["to"] == to && mail["error"].is_string()).cloned()
        })
        .await
    }

    /// Hands in tokens of a consent that was given so many days ago, for a year.
    async fn consent(&self, days: i32) {
        let (age, left) = (DAY * days, DAY * (365 - days));
        let mut tokens = serde_json::to_value(self.fake.grant_tokens("a", age, left)).unwrap();
        tokens["authorized_at"] = json!(Clock::system().now() - age);
        let request = Request::HandIn { shop: "harbour".parse().unwrap(), tokens: Hidden(tokens) };
        self.ask(&request).await.expect("they are taken");
    }
}

fn command(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopsyncd"));
    command.arg("--config").arg(folder.path().join("shopsyncd.toml")).args(args);
    command.env_remove("RUNTIME_DIRECTORY").env_remove("NOTIFY_SOCKET");
    command
}

#[tokio::test]
async fn the_relay_gets_tests_reminders_and_notes_and_what_it_refuses_is_seen_and_sent_again() {
    let Some(mut desk) = Desk::new().await else { return };
    let to = "jürgen@bücher.example";
    desk.run(&["mail", "test", to]).await;
    let test = desk.arrives("test").await;
    assert_eq!(
        (&test["from"], &test["to"][0]),
        (&json!("läden@xn--bcher-kva.example"), &json!("jürgen@xn--bcher-kva.example"))
    );

    desk.consent(345).await;
    let reminder = desk.arrives("reminder").await["mail"].clone();
    assert_eq!(reminder["to"], json!([["Jürgen Müller", "jm@example.com"]]));
    assert_eq!(reminder["headers"]["x-shopsyncd-shops"], "harbour");
    // Of two mails composed within a second none knows better.
    let then = Clock::system().now() + SignedDuration::from_secs(1);
    desk.until("a second goes by", async |_| (Clock::system().now() > then).then_some(())).await;
    desk.consent(0).await;
    let note = desk.arrives("renewed").await["mail"].clone();
    let [before, after] = [&reminder, &note].map(|mail| mail["calendar"]["events"][0].clone());
    assert_eq!(before["uid"], after["uid"]);
    assert!(after["sequence"].as_u64() > before["sequence"].as_u64(), "{before} {after}");
    assert!(after["start"].as_str() > before["start"].as_str(), "{before} {after}");

    // Refused for good, which the operator hears of; and for now.
    desk.relay.next(&[("rcpt", "550 5.1.1 no such user")]).await;
    desk.fails(&["mail", "test", "gone@example.com"]).await;
    let news = desk.arrives("operator").await;
    let told = news["mail"]["text"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("5.1.1 no such user"), "{news}");
    assert!(told.contains("shopsyncd --config /"), "a command that reaches this daemon: {told}");
    let refused = desk.listed("gone@example.com").await;
    assert_eq!((&refused["state"], &refused["attempts"]), (&json!("refused"), &json!(1)));
    let status: Value = serde_json::from_str(&desk.run(&["--json", "status"]).await).unwrap();
    assert_eq!(status["mail"], json!({ "owed": 0, "refused": 1 }));

    desk.relay.next(&[("data-middle", "gone")]).await;
    desk.fails(&["mail", "test", "later@example.com"]).await;
    let owed = desk.listed("later@example.com").await;
    assert_eq!((&owed["state"], &owed["attempts"]), (&json!("owed"), &json!(1)));
    for mail in [refused, owed] {
        desk.run(&["mail", "retry", &mail["id"].to_string()]).await;
        let again = desk.arrives("test").await;
        assert_eq!(again["to"][0], mail["to"]);
    }

    // What is to come, as a calendar.
    let file = desk.folder.path().join("upcoming.ics");
    fs::write(&file, desk.run(&["upcoming", "--days", "400", "--ics"]).await).unwrap();
    let Some(read) = read(&[file]).await else { return };
    assert_eq!(read[0]["faults"], json!([]));
    assert!(read[0]["longest_line"].as_u64().unwrap() <= 75, "RFC 5545 section 3.1");
    let events = read[0]["events"].as_array().unwrap();
    let of = |what: &str| {
        let said = format!("{what}: Hafen, Kai & Söhne; alles");
        events.iter().filter(|event| event["summary"] == said.as_str()).count()
    };
    let operator = of("mail: operator, the authorization has ended");
    let counts = [of("mail: reminder"), of("mail: it has ended"), of("the authorization ends"), operator];
    assert!(
        (4..=5).contains(&counts[0]) && counts[1..] == [1, 1, 1] && events.len() == counts.iter().sum::<usize>(),
        "{events:?}"
    );
    let mut ids: Vec<_> = events.iter().map(|event| event["uid"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), events.len(), "each has a UID of its own");
}
