//! No secret shows anywhere: every path on which one travels is driven, and everything that came out is searched for it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use reqwest::{Client, header, redirect::Policy};
use serde_json::{Value, json};
use shopsyncd::{
    channels::{
        RawWebhook,
        fake::Mishap,
        tiktok_shop::fake::{APP_SECRET, FakeTikTok},
    },
    clock::Clock,
    http::Http,
};
use url::Url;

use crate::world::marketplace;

/// Shop, account and the marketplace's id: one is authorized in a browser, one by tokens handed in.
const SHOPS: [(&str, &str, &str); 2] =
    [("harbour", "seller-harbour", "7490000000000000001"), ("quay", "seller-quay", "7490000000000000002")];
/// A secret that the marketplace does not know.
const WRONG_SECRET: &str = "marked-wrong-app-secret-0003";
/// How long anything may take.
const LIMIT: Duration = Duration::from_mins(1);

/// A daemon with a page, a marketplace, and everything that came out of them.
struct Stage {
    fake: FakeTikTok,
    daemon: Child,
    page: Url,
    internal: Url,
    browser: Client,
    /// What was seen, by where it was seen.
    seen: BTreeMap<String, Vec<u8>>,
    folder: tempfile::TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Stage {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (page, internal) = (free(), free());
        let fake = FakeTikTok::new(Clock::system()).unwrap();
        fake.rules(|rules| rules.access_token_life = SignedDuration::from_secs(4));
        fake.set_redirect_url(format!("http://{page}/oauth/tiktok_shop/callback").parse().unwrap());
        let path = |name: &str| folder.path().join(name);
        let mut settings = format!(
            "state_dir = \"{}\"\n[web]\nlisten = \"{page}\"\ninternal = \"{internal}\"\n[log]\nformat = \"json\"\nlevel = \"trace\"\n\
             [mail]\ntransport = \"folder\"\nfrom = \"shops@example.com\"\noperator = [\"ops@example.com\"]\n\
             [reminders]\nto = [\"owner@example.com\"]\n{}",
            path("state").display(),
            marketplace(&fake, &path("app-secret"), ["1 second"; 3]),
        );
        for (shop, account, id) in SHOPS {
            fake.add_seller(account, account, "GB");
            fake.add_shop(account, id, account, "GB");
            writeln!(settings, "[shops.{shop}]\nchannel = \"tiktok_shop\"\nshop_id = \"{id}\"").unwrap();
        }
        fs::write(path("app-secret"), APP_SECRET).unwrap();
        fs::write(path("shopsyncd.toml"), settings).unwrap();
        // It brings the cryptography that every client needs.
        drop(Http::new(Clock::system()));
        let browser = Client::builder().redirect(Policy::none()).build().unwrap();
        let log = fs::File::create(path("log")).unwrap();
        let daemon = program(folder.path()).arg("run").stderr(log).spawn().unwrap();
        let url = |address| format!("http://{address}/").parse().unwrap();
        let seen = BTreeMap::new();
        let mut stage = Self { fake, daemon, page: url(page), internal: url(internal), browser, seen, folder };
        stage.until("the daemon answers", |status| status["daemon"]["healthy"] == true).await;
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command, keeps what it said, and returns its standard output.
    fn run(&mut self, line: &str, input: &str) -> String {
        let mut child = program(self.folder.path())
            .args(line.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let done = child.wait_with_output().unwrap();
        let kept = self.seen.entry(format!("`{line}`")).or_default();
        kept.extend_from_slice(&done.stdout);
        kept.extend_from_slice(&done.stderr);
        String::from_utf8(done.stdout).unwrap()
    }

    /// Looks at `status --json` until it is as wanted.
    async fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) {
        let began = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let status = serde_json::from_str(&self.run("--json status", "")).unwrap_or(Value::Null);
            if wanted(&status) {
                return;
            }
            assert!(began.elapsed() < LIMIT, "not seen: {what}: {status:#}\n{}", self.log());
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Opens a page, keeps it, and returns where it leads and the cookie it sets.
    async fn open(&mut self, url: &Url, cookie: Option<&str>) -> (Option<Url>, Option<String>) {
        let mut request = self.browser.get(url.clone());
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let answer = request.send().await.unwrap();
        let text = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (to, cookie) = (text(header::LOCATION), text(header::SET_COOKIE));
        let kept = format!("page {} ({})", url.path(), answer.status());
        self.seen.entry(kept).or_default().extend(answer.bytes().await.unwrap());
        (to.map(|to| to.parse().unwrap()), cookie.map(|cookie| cookie.split(';').next().unwrap().to_owned()))
    }

    /// The owner of the first shop opens the link, agrees (or not), and is led back.
    async fn consent(&mut self, account: Option<&str>) {
        let begin = self.page.join("authorize/harbour").unwrap();
        let (to, cookie) = self.open(&begin, None).await;
        let back = self.fake.consent(&to.unwrap(), account).unwrap();
        self.open(&back, cookie.as_deref()).await;
        // Again, as a browser does that is opened anew.
        self.open(&back, cookie.as_deref()).await;
    }

    async fn send(&self, webhook: RawWebhook) -> u16 {
        let url = self.page.join("webhooks/tiktok_shop").unwrap();
        let mut request = self.browser.post(url).body(webhook.body);
        for (name, value) in webhook.headers {
            request = request.header(name, value);
        }
        request.send().await.unwrap().status().as_u16()
    }

    /// How many refreshes the marketplace has granted.
    fn refreshes(&self) -> u64 {
        self.fake.stats().refreshes
    }

    /// Everything in the state folder but the key itself, and the log.
    fn keep_files(&mut self) {
        let mut folders = vec![self.path("state")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() && path.file_name().unwrap() != "seal-key" {
                    self.seen.insert(path.display().to_string(), fs::read(&path).unwrap());
                }
            }
        }
        self.seen.insert("the log".into(), self.log().into_bytes());
    }
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopsyncd"));
    command.arg("--config").arg(folder.join("shopsyncd.toml"));
    for inherited in ["RUNTIME_DIRECTORY", "NOTIFY_SOCKET", "SHOPSYNCD_CRASH_AT", "SHOPSYNCD_STOP_AT"] {
        command.env_remove(inherited);
    }
    command
}

fn state_of(status: &Value, shop: &str) -> String {
    let shops = status["shops"].as_array().into_iter().flatten();
    shops.filter(|known| known["id"] == shop).map(|known| known["state"].to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_shows_in_logs_pages_errors_metrics_mails_or_the_database() {
    let mut stage = Stage::start().await;

    // Given: by a browser (declined first), and by tokens handed in, which near their end, so that mails are owed.
    stage.consent(None).await;
    stage.consent(Some(SHOPS[0].1)).await;
    let day = SignedDuration::from_hours(24);
    let mut tokens = serde_json::to_value(stage.fake.grant_tokens(SHOPS[1].1, day * 345, day * 20)).unwrap();
    tokens["authorized_at"] = json!(Clock::system().now() - day * 345);
    stage.run("shops authorize quay", &tokens.to_string().replace("\"access_token\"", "\"acces_token\""));
    stage.run("shops authorize quay", &tokens.to_string());
    stage
        .until("both shops are active", |status| SHOPS.iter().all(|(shop, ..)| state_of(status, shop) == "\"active\""))
        .await;

    // Renewed, also where answers of the token host and of the API go wrong.
    for mishap in [Mishap::Html, Mishap::ServerError, Mishap::Throttled { retry_after: Some(1) }, Mishap::UnknownField]
    {
        let before = stage.refreshes();
        stage.fake.fail_next_token_call(mishap);
        stage.fake.fail_next(mishap);
        let began = Instant::now();
        while stage.refreshes() <= before {
            assert!(began.elapsed() < LIMIT, "no refresh after {mishap:?}: {}", stage.log());
            stage.run("--json status", "");
        }
    }

    // Ended: by a webhook that is forged, and by one that is not.
    let webhook = stage.fake.webhook(6, SHOPS[1].2, json!({}));
    let forged = RawWebhook { headers: vec![("authorization".into(), "00".into())], ..webhook.clone() };
    assert_eq!(stage.send(forged).await, 401);
    stage.fake.revoke(SHOPS[1].1);
    assert_eq!(stage.send(webhook).await, 200);
    stage.until("the revoked shop is held", |status| state_of(status, "quay") == "\"revoked\"").await;

    // Refused: the app's own secret is a wrong one.
    fs::write(stage.path("app-secret"), WRONG_SECRET).unwrap();
    stage.run("reload", "");
    stage.until("the app is refused", |status| status.to_string().contains("app_alarm")).await;

    for line in [
        "status",
        "check",
        "shops list",
        "--json shops show harbour",
        "shops show quay",
        "--json runs list",
        "runs list",
        "runs show 1",
        "jobs why harbour product_import",
        "jobs why quay authorization_refresh",
        "mail list",
        "--json mail list",
        "upcoming",
        "shops test harbour",
        "keys reseal",
        "--json check --diff",
    ] {
        stage.run(line, "");
    }
    for (base, path) in [
        (stage.page.clone(), "authorize/quay?link=x"),
        (stage.page.clone(), "oauth/tiktok_shop/callback?code=marked-code-0009&state=marked-state"),
        (stage.internal.clone(), "metrics"),
        (stage.internal.clone(), "readyz"),
    ] {
        stage.open(&base.join(path).unwrap(), None).await;
    }
    stage.keep_files();

    let mut secrets = stage.fake.secrets();
    assert!(secrets.len() > 10, "there was much to find: {}", secrets.len());
    let key = fs::read_to_string(stage.path("state/seal-key")).unwrap();
    secrets.extend([WRONG_SECRET.to_owned(), "marked-code-0009".to_owned(), key.trim().to_owned()]);
    let mail =
        stage.seen.keys().filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "eml")).count();
    assert!(mail > 0 && stage.log().lines().count() > 200, "what is searched is there: {:?}", stage.seen.keys());
    for (place, bytes) in &stage.seen {
        let text = String::from_utf8_lossy(bytes);
        for (at, secret) in secrets.iter().enumerate() {
            assert!(!text.contains(secret.as_str()), "{place} tells secret {at} ({}…)", &secret[..4]);
        }
    }
}
