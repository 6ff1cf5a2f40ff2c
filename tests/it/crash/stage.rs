//! What the daemon plays on: a pretend marketplace in this process, a folder with settings, source and state, and a database.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use serde_json::{Value, json};
use shopsyncd::{
    channels::tiktok_shop::fake::{APP_SECRET, FakeTikTok, Seed},
    clock::Clock,
    control::{self, Hidden, Refusal, Request},
    domain::{InstanceId, JobKind},
    secrets::Secret,
    store::lock::InstanceLock,
};

use super::daemon::Daemon;
use crate::world::{Database, marketplace};

/// The shops: id, account, the marketplace's id.
pub(super) const SHOPS: [(&str, &str, &str); 2] =
    [("harbour", "seller-harbour", "7490000000000000001"), ("quay", "seller-quay", "7490000000000000002")];
/// Who is reminded.
pub(super) const REMINDED: [&str; 2] = ["anna@example.com", "ben@example.com"];
/// How many SKUs the source has.
const SKUS: usize = 30;
/// How long anything may take before it counts as not happening.
pub(super) const LIMIT: Duration = Duration::from_mins(1);

pub(super) struct Stage {
    pub(super) fake: FakeTikTok,
    /// Which version of the source stands.
    round: usize,
    /// Exchanges that a death left unexplained, each of which may be repeated once.
    pub(super) unanswered: u64,
    // Last: nobody uses them any more when they go.
    pub(super) database: Database,
    dir: tempfile::TempDir,
}

impl Stage {
    /// A marketplace whose tokens live for seconds, and a folder without state.
    pub(super) fn new(database: Database) -> Self {
        let fake = FakeTikTok::new(Clock::system()).unwrap();
        fake.rules(|rules| {
            rules.access_token_life = SignedDuration::from_secs(4);
            rules.lost_reply_forgiven = true;
            rules.renewal_ends_old_tokens = false;
            rules.unread_until_used = true;
            // Nobody's daemon is started as often as this one.
            rules.rates = None;
        });
        fake.set_redirect_url("http://127.0.0.1:9/oauth/tiktok_shop/callback".parse().unwrap());
        let stage = Self { fake, round: 0, unanswered: 0, database, dir: tempfile::tempdir().unwrap() };
        for (_, account, id) in SHOPS {
            stage.fake.add_seller(account, account, "GB");
            stage.fake.add_shop(account, id, account, "GB");
            let seed = |(sku, (price, stock))| Seed { sku, price, stock: Some(stock), ..Seed::default() };
            stage.fake.seed_products(id, &stage.wanted().into_iter().map(seed).collect::<Vec<_>>()).unwrap();
        }
        fs::write(stage.path("secret"), APP_SECRET).unwrap();
        fs::write(stage.path("shopsyncd.toml"), stage.settings()).unwrap();
        stage.write_source();
        stage
    }

    /// The same with a marketplace that forgives nothing: a refresh token works once, and a consent ends the tokens before it.
    pub(super) fn unforgiving(database: Database) -> Self {
        let stage = Self::new(database);
        stage.fake.rules(|rules| {
            rules.lost_reply_forgiven = false;
            rules.renewal_ends_old_tokens = true;
        });
        stage
    }

    fn settings(&self) -> String {
        let shops = SHOPS.map(|(id, _, place)| {
            format!(
                "[shops.{id}]\nchannel = \"tiktok_shop\"\nshop_id = \"{place}\"\nregion = \"GB\"\ndetails = false\n"
            )
        });
        format!(
            r#"product_source = "erp"
state_dir = "{state}"
{database}
[web]
listen = "None"
internal = "None"

[log]
format = "pretty"
level = "info,shopsyncd::scheduler=debug"

[mail]
transport = "folder"
from = "shopsyncd <shops@example.com>"

[reminders]
to = {REMINDED:?}

{marketplace}
[shops.erp]
channel = "file"
path = "{source}"
[shops.erp.jobs]
product_import = "1 second"

{shops}"#,
            state = self.state_dir().display(),
            database = self.database.settings(),
            marketplace = marketplace(&self.fake, &self.path("secret"), ["1 second"; 3]),
            source = self.path("products.csv").display(),
            shops = shops.concat(),
        )
    }

    /// A file of the stage's folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    /// A state folder for one more daemon: the stage's own, or, on a server, another where a daemon has that already. The mails of all lie
    /// in the stage's own.
    pub(super) fn free_state_dir(&self) -> PathBuf {
        if matches!(self.database, Database::Sqlite) {
            return self.state_dir();
        }
        let is_free = |folder: &Path| InstanceLock::take(folder, None, Clock::system().now()).is_ok();
        let own = self.state_dir();
        if is_free(&own) {
            return own;
        }
        let mut others = (2..).map(|number| self.path(&format!("state-{number}")));
        let other = others.find(|folder| is_free(folder)).unwrap();
        if !other.join("mail").exists() {
            fs::create_dir_all(own.join("mail")).unwrap();
            std::os::unix::fs::symlink(own.join("mail"), other.join("mail")).unwrap();
        }
        other
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
        self.write_whole("products.csv", &(lines.join("\n") + "\n"));
    }

    /// Replaces a file of the stage's folder in one step.
    pub(super) fn write_whole(&self, name: &str, text: &str) {
        fs::write(self.path("draft"), text).unwrap();
        fs::rename(self.path("draft"), self.path(name)).unwrap();
    }

    /// How many refresh tokens were spent again after a death.
    pub(super) fn repeats(&self) -> u64 {
        self.fake.stats().refresh_tokens_spent_after_lost_reply
    }

    /// Starts the daemon, which dies at this point if one is named.
    pub(super) fn start(&self, crash_at: Option<&str>) -> Daemon {
        let named: Vec<_> = crash_at.map(|point| ("SHOPSYNCD_CRASH_AT", point.to_owned())).into_iter().collect();
        Daemon::start(self, &named)
    }

    /// Starts the daemon after a death, and waits until it has taken over from those who are gone.
    pub(super) async fn start_again(&self, gone: &[InstanceId]) -> Daemon {
        let mut daemon = self.start(None);
        self.taken_over(&mut daemon, gone).await;
        daemon
    }

    /// Hands tokens of a consent in that was given 345 days ago: a reminder is owed at once.
    pub(super) async fn hand_in(&self, shop: usize) -> Result<Value, Refusal> {
        let (id, account, _) = SHOPS[shop];
        let day = SignedDuration::from_hours(24);
        let mut tokens = serde_json::to_value(self.fake.grant_tokens(account, day * 345, day * 20)).unwrap();
        tokens["authorized_at"] = json!(Clock::system().now() - day * 345);
        self.ask(&Request::HandIn { shop: id.parse().unwrap(), tokens: Hidden(tokens) }).await
    }

    /// With which keys the daemon seals and opens from its next start on; the first seals.
    pub(super) fn seal_with(&mut self, ring: &[&Secret]) {
        let keys: Vec<&str> = ring.iter().map(|key| key.expose()).collect();
        match &mut self.database {
            Database::Sqlite => {
                fs::create_dir_all(self.state_dir()).unwrap();
                fs::write(self.state_dir().join("seal-key"), keys.join("\n")).unwrap();
            }
            Database::Postgres { seal_key, .. } => {
                *seal_key = keys.join("\\n");
                fs::write(self.path("shopsyncd.toml"), self.settings()).unwrap();
            }
        }
    }

    /// Has everything sealed anew.
    pub(super) async fn reseal(&self) -> Result<Value, Refusal> {
        self.ask(&Request::Reseal).await
    }

    /// The owner of the first shop opens the link, agrees, and the address on which the browser ended is handed over.
    pub(super) async fn consent(&self) -> Result<Value, Refusal> {
        let (id, account, _) = SHOPS[0];
        let begun = self.ask(&Request::Authorize { shop: id.parse().unwrap() }).await?;
        let link = begun["link"].as_str().unwrap().parse().unwrap();
        let address = self.fake.consent(&link, Some(account)).unwrap().to_string();
        self.ask(&Request::Authorized { shop: id.parse().unwrap(), address: Hidden(address) }).await
    }

    /// What `jobs why` says of the first shop.
    pub(super) async fn why(&self, job: JobKind) -> String {
        let shop = SHOPS[0].0.parse().unwrap();
        let why = self.ask(&Request::Why { shop, job }).await.unwrap();
        why["text"].as_str().unwrap().to_owned()
    }

    pub(super) async fn ask(&self, request: &Request) -> Result<Value, Refusal> {
        control::ask(&self.state_dir(), request, |_| {}).await
    }

    /// Waits until the daemon does as it is asked.
    pub(super) async fn answering(&self, daemon: &mut Daemon) {
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
            if let Some(status) = daemon.has_ended() {
                self.fail(None, &format!("the daemon ended ({status}) while {lacks}")).await;
            }
            if began.elapsed() > LIMIT {
                self.fail(Some(daemon), &format!("after {LIMIT:?} still: {lacks}")).await;
            }
        }
    }
}
