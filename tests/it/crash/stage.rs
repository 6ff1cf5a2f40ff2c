//! What the daemon plays on: a pretend marketplace in this process, a folder with settings, source and state, and the daemon as
//! a child that can be killed.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::ExitStatus,
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use serde_json::{Value, json};
use shopsyncd::{
    channels::tiktok_shop::fake::{APP_KEY, APP_SECRET, FakeTikTok, SERVICE_ID, Seed},
    clock::Clock,
    control::{self, Refusal, Request},
    domain::InstanceId,
};
use tokio::process::{Child, Command};

/// The shops: id, account, the marketplace's id.
pub(super) const SHOPS: [(&str, &str, &str); 2] =
    [("harbour", "seller-harbour", "7490000000000000001"), ("quay", "seller-quay", "7490000000000000002")];
/// Who is reminded.
pub(super) const REMINDED: [&str; 2] = ["anna@example.com", "ben@example.com"];
/// How many SKUs the source has.
const SKUS: usize = 30;
/// How long anything may take before it counts as not happening.
const LIMIT: Duration = Duration::from_mins(1);

pub(super) struct Stage {
    dir: tempfile::TempDir,
    pub(super) fake: FakeTikTok,
    /// Which version of the source stands.
    round: usize,
    /// Exchanges that a death left unexplained, each of which may be repeated once.
    pub(super) unanswered: u64,
}

impl Stage {
    /// A marketplace whose tokens live for seconds, and a folder without state.
    pub(super) fn new() -> Self {
        let fake = FakeTikTok::new(Clock::system()).unwrap();
        fake.rules(|rules| {
            rules.access_token_life = SignedDuration::from_secs(4);
            rules.lost_reply_forgiven = true;
            rules.unread_until_used = true;
        });
        fake.set_redirect_url("http://127.0.0.1:9/oauth/tiktok_shop/callback".parse().unwrap());
        let stage = Self { dir: tempfile::tempdir().unwrap(), fake, round: 0, unanswered: 0 };
        for (_, account, id) in SHOPS {
            stage.fake.add_seller(account, account, "GB");
            stage.fake.add_shop(account, id, account, "GB");
            let seed = |(sku, (price, stock))| Seed { sku, price, stock: Some(stock), ..Seed::default() };
            stage.fake.seed_products(id, &stage.wanted().into_iter().map(seed).collect::<Vec<_>>()).unwrap();
        }
        fs::write(stage.dir.path().join("secret"), APP_SECRET).unwrap();
        fs::write(stage.dir.path().join("shopsyncd.toml"), stage.settings()).unwrap();
        stage.write_source();
        stage
    }

    fn settings(&self) -> String {
        let shops = SHOPS.map(|(id, _, place)| {
            format!("[shops.{id}]\nchannel = \"tiktok_shop\"\nshop_id = \"{place}\"\nregion = \"GB\"\n")
        });
        format!(
            r#"product_source = "erp"
state_dir = "{state}"

[web]
listen = "None"
internal = "None"

[log]
format = "pretty"

[mail]
transport = "folder"
from = "shopsyncd <shops@example.com>"

[reminders]
to = {REMINDED:?}

[channels.tiktok_shop]
client_id = "{APP_KEY}"
client_secret = {{ file = "{secret}" }}
service_id = "{SERVICE_ID}"
api_url = "{market}"
token_url = "{market}"
consent_url = "{market}"

[channels.tiktok_shop.jobs]
authorization_refresh = "1 second"
product_import = "1 second"
product_export = "1 second"

[shops.erp]
channel = "file"
path = "{source}"
[shops.erp.jobs]
product_import = "1 second"

{shops}"#,
            shops = shops.concat(),
            state = self.state_dir().display(),
            secret = self.dir.path().join("secret").display(),
            source = self.dir.path().join("products.csv").display(),
            market = self.fake.url().as_str().trim_end_matches('/'),
        )
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// What the source says now: price and stock by SKU. Each round moves every tenth SKU, which is as much as a shop takes in a
    /// moment: the client keeps to the vendor's rate.
    pub(super) fn wanted(&self) -> Vec<(String, (String, i64))> {
        let sku = |index: usize| {
            let moved = (self.round + 9 - index % 10) / 10;
            let cents = 1000 + index * 40 + moved % 5 * 7;
            let stock = 1 + (index * 7 + moved * 3) % 40;
            (format!("SKU-{index:02}"), (format!("{}.{:02}", cents / 100, cents % 100), stock as i64))
        };
        (0..SKUS).map(sku).collect()
    }

    /// Changes the source, in one step.
    pub(super) fn next_round(&mut self) {
        self.round += 1;
        self.write_source();
    }

    fn write_source(&self) {
        let mut lines = vec!["sku,title,price,currency,stock".to_owned()];
        let line = |(sku, (price, stock))| format!("{sku},Product {sku},{price},GBP,{stock}");
        lines.extend(self.wanted().into_iter().map(line));
        let (draft, file) = (self.dir.path().join("draft"), self.dir.path().join("products.csv"));
        fs::write(&draft, lines.join("\n") + "\n").unwrap();
        fs::rename(draft, file).unwrap();
    }

    /// How many refresh tokens were spent again after a death.
    pub(super) fn repeats(&self) -> u64 {
        self.fake.stats().refresh_tokens_spent_after_lost_reply
    }

    /// Starts the daemon, which dies at this point if one is named.
    pub(super) fn start(&self, crash_at: Option<&str>) -> Daemon {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopsyncd"));
        command.arg("--config").arg(self.dir.path().join("shopsyncd.toml")).arg("run");
        command.env_remove("RUNTIME_DIRECTORY").env_remove("NOTIFY_SOCKET").env_remove("SHOPSYNCD_CRASH_AT");
        if let Some(point) = crash_at {
            command.env("SHOPSYNCD_CRASH_AT", point);
        }
        Daemon { child: command.stderr(log).kill_on_drop(true).spawn().unwrap() }
    }

    /// Hands tokens of a consent in that was given 345 days ago: a reminder is owed at once.
    pub(super) async fn hand_in(&self, daemon: &mut Daemon, shop: usize) -> Result<Value, Refusal> {
        let (id, account, _) = SHOPS[shop];
        let day = SignedDuration::from_hours(24);
        let mut tokens = serde_json::to_value(self.fake.grant_tokens(account, day * 345, day * 20)).unwrap();
        tokens["authorized_at"] = json!(Clock::system().now() - day * 345);
        self.answering(daemon).await;
        self.ask(&Request::HandIn { shop: id.parse().unwrap(), tokens }).await
    }

    /// The owner of the first shop opens the link, agrees, and the address on which the browser ended is handed over.
    pub(super) async fn consent(&self, daemon: &mut Daemon) -> Result<Value, Refusal> {
        let (id, account, _) = SHOPS[0];
        self.answering(daemon).await;
        let begun = self.ask(&Request::Authorize { shop: id.parse().unwrap() }).await.unwrap();
        let link = begun["link"].as_str().unwrap().parse().unwrap();
        let address = self.fake.consent(&link, Some(account)).unwrap().to_string();
        self.ask(&Request::Authorized { shop: id.parse().unwrap(), address }).await
    }

    async fn ask(&self, request: &Request) -> Result<Value, Refusal> {
        control::ask(&self.state_dir(), request, |_, _| {}).await
    }

    async fn answering(&self, daemon: &mut Daemon) {
        self.until(daemon, async || self.ask(&Request::Health).await.map(drop).map_err(|refusal| refusal.to_string()))
            .await;
    }

    /// Looks again and again until what is looked for is there. The daemon must live meanwhile.
    pub(super) async fn until(&self, daemon: &mut Daemon, look: impl AsyncFn() -> Result<(), String>) {
        let began = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Err(lacks) = look().await else { return };
            if let Some(status) = daemon.child.try_wait().unwrap() {
                self.fail(&format!("the daemon ended ({status}) while {lacks}"));
            }
            if began.elapsed() > LIMIT {
                self.fail(&format!("after {LIMIT:?} still: {lacks}"));
            }
        }
    }

    /// Waits for the daemon's own record, in place of those of the dead.
    pub(super) async fn alone(&self, daemon: &mut Daemon, gone: &[InstanceId]) {
        self.until(daemon, async || self.look_for_new_instance(gone).await).await;
    }

    /// Fails with the end of the daemon's log.
    pub(super) fn fail(&self, why: &str) -> ! {
        let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        panic!("{why}\nthe log ends:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
    }
}

/// A daemon that runs.
pub(super) struct Daemon {
    child: Child,
}

impl Daemon {
    /// Waits until it dies of its point.
    pub(super) async fn killed(mut self, stage: &Stage, point: &str) {
        let status = self.ended().await;
        if status.is_none_or(|status| status.signal() != Some(9)) {
            stage.fail(&format!("it did not die at {point}: {status:?}"));
        }
    }

    /// Kills it once this time is over. It must not end by itself before.
    pub(super) async fn kill_after(mut self, stage: &Stage, wait: Duration) {
        if let Ok(ended) = tokio::time::timeout(wait, self.child.wait()).await {
            stage.fail(&format!("the daemon ended by itself: {ended:?}"));
        }
        self.child.start_kill().unwrap();
        assert_eq!(self.ended().await.and_then(|status| status.signal()), Some(9));
    }

    /// Asks it to end, as systemd would.
    pub(super) async fn stop(mut self, stage: &Stage) {
        let pid = rustix::process::Pid::from_raw(self.child.id().unwrap() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.ended().await;
        if !status.is_some_and(|status| status.success()) {
            stage.fail(&format!("the daemon was asked to stop: {status:?}"));
        }
    }

    async fn ended(&mut self) -> Option<ExitStatus> {
        tokio::time::timeout(LIMIT, self.child.wait()).await.ok().map(Result::unwrap)
    }
}
