//! A world for stories: the real daemon, built from settings files in a folder of its own, a pretend marketplace, a product
//! file, and one clock for all of them that only the story moves.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::Value;
use shopsyncd::{
    channels::{
        Tools,
        tiktok_shop::fake::{APP_SECRET, FakeTikTok, Seed},
    },
    clock::Clock,
    config::load::Env,
    control::{Answerer, ProgressSink, Refusal, Request},
    daemon::{App, Ended, Files, StartError},
    domain::{Demand, JobKind, Run, RunState},
    http::Http,
    scheduler::Handle,
    settings,
    store::{MailState, RunFilter, Store},
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

mod between;
mod browser;
mod database;
mod elsewhere;
mod log;

pub(crate) use between::Between;
pub(crate) use browser::get;
pub(crate) use database::{Database, must_not_be_left_out, on_both_databases};
pub(crate) use log::Log;

/// How long anything may take, by the real clock, before the story says that it does not happen.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const REFRESH: JobKind = JobKind::AuthorizationRefresh;
pub(crate) const IMPORT: JobKind = JobKind::ProductImport;
pub(crate) const EXPORT: JobKind = JobKind::ProductExport;

/// A SKU as the source or a shop has it: its name, price and stock.
pub(crate) type Item = (&'static str, &'static str, i64);

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) fake: FakeTikTok,
    daemons: Vec<Daemon>,
    mails_read: usize,
    // Last: a database can only be dropped when nobody uses it, and the folder goes with everything in it.
    database: Database,
    folder: TempDir,
}

/// A daemon that runs.
struct Daemon {
    answerer: Arc<dyn Answerer>,
    handle: Handle,
    store: Store,
    page: Option<std::net::SocketAddr>,
    machines: Option<std::net::SocketAddr>,
    stop: CancellationToken,
    running: JoinHandle<Result<(), Ended>>,
}

impl Daemon {
    /// Asks after each of its looks, by the real clock.
    async fn wait_until(&self, what: &str, mut happened: impl AsyncFnMut() -> bool) {
        let waited = async {
            while !happened().await {
                self.handle.look().await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waited).await.is_ok(), "this does not happen: {what}");
    }

    async fn ask(&self, request: Request) -> Result<Value, Refusal> {
        let (progress, _) = tokio::sync::mpsc::channel(1);
        tokio::time::timeout(PATIENCE, self.answerer.answer(request, progress)).await.expect("an answer")
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running).await.expect("the daemon stops").unwrap().unwrap();
    }
}

/// An instant of Berlin's clocks.
pub(crate) fn berlin(local: &str) -> Timestamp {
    local.parse::<DateTime>().unwrap().to_zoned(TimeZone::get("Europe/Berlin").unwrap()).unwrap().timestamp()
}

/// A span in minutes.
pub(crate) fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

/// A product file.
fn products(items: &[Item]) -> String {
    let mut text = "sku,title,price,currency,stock\n".to_owned();
    for (sku, price, stock) in items {
        writeln!(text, "{sku},Product {sku},{price},GBP,{stock}").unwrap();
    }
    text
}

/// The marketplace's own number of a shop.
pub(crate) fn number(shop: &str) -> String {
    format!("749{:016}", shop.bytes().fold(0_u64, |sum, byte| sum * 31 + u64::from(byte)))
}

/// The account to which a shop belongs.
fn account(shop: &str) -> String {
    format!("seller-{shop}")
}

/// The section of a pretend marketplace, whose app's secret stands in a file, with the periods of its shops: refresh, import, export.
pub(crate) fn marketplace(fake: &FakeTikTok, secret: &Path, periods: [&str; 3]) -> String {
    let mut text = "[channels.tiktok_shop]\n".to_owned();
    text += &toml::to_string(&fake.app_settings()).unwrap();
    writeln!(text, "client_secret = {{ file = \"{}\" }}", secret.display()).unwrap();
    text += "[channels.tiktok_shop.jobs]\n";
    for (job, period) in [REFRESH, IMPORT, EXPORT].into_iter().zip(periods) {
        writeln!(text, "{job} = \"{period}\"").unwrap();
    }
    text
}

impl World {
    /// British shops of one marketplace that sell what `erp`'s file says. Nothing runs before [`World::start`].
    pub(crate) fn new(database: Database, now: &str, shops: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(berlin(now));
        let fake = FakeTikTok::new(clock.clone()).unwrap();
        fs::create_dir_all(folder.path().join("shops.d")).unwrap();
        fs::write(folder.path().join("app-secret"), APP_SECRET).unwrap();
        let world = Self { clock, fake, daemons: Vec::new(), mails_read: 0, database, folder };
        world.write_main("1 hour", "1 hour", "10 minutes");
        let products = world.products_file();
        let erp = format!(
            "channel = \"file\"\nname = \"ERP\"\npath = \"{}\"\n[shops.erp.jobs]\nproduct_import = \"10 minutes\"\n",
            products.display()
        );
        world.write_shop_file("erp", &erp);
        for shop in shops {
            world.write_shop(shop, "");
            world.fake.add_seller(&account(shop), &format!("Seller of {shop}"), "GB");
            world.fake.add_shop(&account(shop), &number(shop), shop, "GB");
        }
        world
    }

    /// The main file, with the marketplace's default periods.
    pub(crate) fn write_main(&self, refresh: &str, import: &str, export: &str) {
        let folder = self.folder.path().display();
        let database = self.database.settings();
        let marketplace = marketplace(&self.fake, &self.folder.path().join("app-secret"), [refresh, import, export]);
        let text = format!(
            r#"timezone = "Europe/Berlin"
product_source = "erp"
state_dir = "{folder}/state"
{database}
[web]
listen = "127.0.0.1:0"
internal = "127.0.0.1:0"

[mail]
transport = "folder"
from = "shopsyncd <shops@example.com>"
operator = ["ops@example.com"]

[reminders]
to = ["owner@example.com"]

{marketplace}"#
        );
        self.write("shopsyncd.toml", &text);
    }

    /// A shop's file: the usual, and what stands below it.
    pub(crate) fn write_shop(&self, shop: &str, below: &str) {
        let usual = format!(
            "channel = \"tiktok_shop\"\nname = \"Shop {shop}\"\nshop_id = \"{}\"\nregion = \"GB\"\n",
            number(shop)
        );
        self.write_shop_file(shop, &format!("{usual}{below}"));
    }

    /// Adds to the main file: the section of another channel.
    pub(crate) fn add_to_main(&self, text: &str) {
        let main = fs::read_to_string(self.folder.path().join("shopsyncd.toml")).unwrap();
        self.write("shopsyncd.toml", &format!("{main}\n{text}"));
    }

    /// The main file, with something else in one's place.
    pub(crate) fn replace_in_main(&self, one: &str, other: &str) {
        let main = fs::read_to_string(self.folder.path().join("shopsyncd.toml")).unwrap();
        assert!(main.contains(one), "{one} is not in {main}");
        self.write("shopsyncd.toml", &main.replace(one, other));
    }

    /// A shop's file to the letter, below its name.
    pub(crate) fn write_shop_file(&self, shop: &str, text: &str) {
        self.write(&format!("shops.d/{shop}.toml"), &format!("[shops.{shop}]\n{text}"));
    }

    pub(crate) fn remove_shop(&self, shop: &str) {
        fs::remove_file(self.folder.path().join(format!("shops.d/{shop}.toml"))).unwrap();
    }

    /// Whole at once, as editors do it.
    fn write(&self, name: &str, text: &str) {
        let draft = self.folder.path().join("draft");
        fs::write(&draft, text).unwrap();
        fs::rename(draft, self.folder.path().join(name)).unwrap();
    }

    fn products_file(&self) -> PathBuf {
        self.folder.path().join("products.csv")
    }

    /// What the source says from now on.
    pub(crate) fn source(&self, items: &[Item]) {
        self.write("products.csv", &products(items));
    }

    /// Another product file, of a shop of its own, with these products from now on.
    pub(crate) fn other_source(&self, shop: &str, items: &[Item]) {
        self.other_source_text(shop, &products(items));
        let file = self.folder.path().join(format!("{shop}.csv"));
        // Nothing is written to it while it is not the source.
        let jobs = format!("[shops.{shop}.jobs]\nproduct_export = \"None\"\n");
        let path = file.display();
        let shop_file = format!("channel = \"file\"\nname = \"Other ERP\"\npath = \"{path}\"\n{jobs}");
        self.write_shop_file(shop, &shop_file);
    }

    /// What stands in another product file from now on, to the letter.
    pub(crate) fn other_source_text(&self, shop: &str, text: &str) {
        self.write(&format!("{shop}.csv"), text);
    }

    /// From now on the settings name this shop as the product source, or `None`.
    pub(crate) fn name_source(&self, source: &str) {
        let main = fs::read_to_string(self.folder.path().join("shopsyncd.toml")).unwrap();
        let (_, rest) = main.split_once("product_source = \"").unwrap();
        let (before, _) = rest.split_once('"').unwrap();
        let named = |source: &str| format!("product_source = \"{source}\"");
        self.write("shopsyncd.toml", &main.replace(&named(before), &named(source)));
    }

    /// What stands in the source's file from now on, to the letter.
    pub(crate) fn source_text(&self, text: &str) {
        fs::write(self.products_file(), text).unwrap();
    }

    /// What a shop offers, put there past shopsyncd.
    pub(crate) fn offer(&self, shop: &str, items: &[Item]) {
        let seed = |(sku, price, stock): &Item| Seed {
            sku: (*sku).to_owned(),
            price: (*price).to_owned(),
            stock: Some(*stock),
            ..Seed::default()
        };
        self.fake.seed_products(&number(shop), &items.iter().map(seed).collect::<Vec<_>>()).unwrap();
    }

    /// What a shop offers: `SKU PRICE STOCK`, a SKU each.
    pub(crate) fn offers(&self, shop: &str) -> Vec<String> {
        let line = |listing: &Value| {
            let text = |name: &str| listing[name].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("sku"), text("price"), listing["stock"])
        };
        let mut lines: Vec<_> = self.fake.listings(&number(shop)).iter().map(line).collect();
        lines.sort();
        lines
    }

    /// The shop's owner ends the permission at the marketplace.
    pub(crate) fn revoke(&self, shop: &str) {
        self.fake.revoke(&account(shop));
    }

    pub(crate) fn expire_access_tokens(&self, shop: &str) {
        self.fake.expire_access_tokens(&account(shop));
    }

    /// Starts a daemon (another one, where one runs) from the settings files.
    pub(crate) async fn start(&mut self) {
        let daemon = self.launch().await.unwrap();
        self.daemons.push(daemon);
        self.lead_back();
    }

    /// Tells the marketplace where consents lead back to.
    fn lead_back(&self) {
        if let Some(page) = self.daemon().page {
            self.fake.set_redirect_url(format!("http://{page}/oauth/tiktok_shop/callback").parse().unwrap());
        }
    }

    /// From the next look at the settings on they name the app that `other` knows, with the marketplace's default periods.
    pub(crate) fn change_app(&mut self, other: &mut FakeTikTok, periods: [&str; 3]) {
        std::mem::swap(&mut self.fake, other);
        self.lead_back();
        let [refresh, import, export] = periods;
        self.write_main(refresh, import, export);
    }

    /// The sellers' side of the marketplace, for another app: the same shops, of which that app knows no tokens.
    pub(crate) fn another_app(&self, shops: &[&str]) -> FakeTikTok {
        let fake = FakeTikTok::new(self.clock.clone()).unwrap();
        fake.rules(|rules| "69another0app".clone_into(&mut rules.app_key));
        for shop in shops {
            fake.add_seller(&account(shop), &format!("Seller of {shop}"), "GB");
            fake.add_shop(&account(shop), &number(shop), shop, "GB");
        }
        fake
    }

    /// The lines of `/metrics` that begin so.
    pub(crate) async fn metrics(&self, name: &str) -> Vec<String> {
        let machines = self.daemon().machines.unwrap();
        let answer = get(&format!("http://{machines}/metrics").parse().unwrap(), None).await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
    }

    /// What `/readyz` answers, once that is `wanted`: what it says is in the way.
    pub(crate) async fn until_ready(&self, wanted: bool) -> String {
        let ready = format!("http://{}/readyz", self.daemon().machines.unwrap()).parse().unwrap();
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        let answered = async {
            loop {
                let answer = get(&ready, None).await;
                if (answer.status == 200) == wanted {
                    assert!([200, 503].contains(&answer.status), "{}", answer.status);
                    return String::from_utf8(answer.body.to_vec()).unwrap();
                }
                ticks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.expect("the daemon is ready or not, as wanted")
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Why no daemon starts from the settings files.
    pub(crate) async fn start_refused(&self) -> String {
        match self.launch().await {
            Ok(_) => panic!("it started"),
            Err(error) => error.to_string(),
        }
    }

    /// A daemon by itself; it lives in the runtime in which this is called.
    async fn launch(&self) -> Result<Daemon, StartError> {
        let beside = (!self.daemons.is_empty()).then(|| self.state_beside());
        launch(self.folder.path().join("shopsyncd.toml"), self.clock.clone(), beside).await
    }

    /// A state folder for one more daemon on the same server: each has its own. Its mails are found among the others'.
    fn state_beside(&self) -> PathBuf {
        let folder = tempfile::Builder::new().prefix("state-").tempdir_in(self.folder.path()).unwrap().keep();
        let mails = self.state_dir().join("mail");
        fs::create_dir_all(&mails).unwrap();
        std::os::unix::fs::symlink(mails, folder.join("mail")).unwrap();
        folder
    }

    /// A daemon in a process of its own, as near as a test gets to that: dropping it leaves no time for farewells.
    pub(crate) fn start_apart(&self) -> Apart {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let (config, clock) = (self.folder.path().join("shopsyncd.toml"), self.clock.clone());
        let beside = self.state_beside();
        runtime.spawn(async move {
            let daemon = launch(config, clock, Some(beside)).await.unwrap();
            tell.send(daemon.handle.holder().0).unwrap();
            daemon.running.await
        });
        let holder = told.recv_timeout(PATIENCE).unwrap();
        Apart { runtime: Some(runtime), holder }
    }

    /// Stops the daemon, as systemd would.
    pub(crate) async fn stop(&mut self) {
        self.daemons.pop().expect("a daemon runs").stop().await;
    }

    fn daemon(&self) -> &Daemon {
        self.daemons.last().expect("a daemon runs")
    }

    pub(crate) fn store(&self) -> &Store {
        &self.daemon().store
    }

    pub(crate) fn holder(&self) -> String {
        self.daemon().handle.holder().0
    }

    /// Lets everything that is due now happen.
    pub(crate) async fn settle(&self) {
        let quiet = async {
            // Twice: what was quiet at first may have been on its way to the planner.
            let mut quiet = 0;
            while quiet < 2 {
                self.daemon().handle.look().await;
                quiet = if self.is_quiet().await { quiet + 1 } else { 0 };
            }
        };
        let came_to_rest = tokio::time::timeout(PATIENCE, quiet).await.is_ok();
        let newest = if came_to_rest { Vec::new() } else { self.all_runs().await.into_iter().take(5).collect() };
        assert!(came_to_rest, "it does not come to rest: {newest:#?}");
    }

    async fn is_quiet(&self) -> bool {
        let now = self.clock.now();
        let mut tx = self.store().read(now).await.unwrap();
        let running = RunFilter { state: Some(RunState::Running), ..RunFilter::default() };
        tx.runs(&running, 1).await.unwrap().is_empty() && tx.next_instant().await.unwrap().is_none_or(|next| next > now)
    }

    /// Lets time pass, from one thing that falls due to the next.
    pub(crate) async fn pass(&self, span: SignedDuration) {
        self.until(self.clock.now() + span).await;
    }

    /// Lets time pass until an instant, from one thing that falls due to the next.
    pub(crate) async fn until(&self, end: Timestamp) {
        loop {
            self.settle().await;
            let now = self.clock.now();
            let next = self.store().read(now).await.unwrap().next_instant().await.unwrap();
            match next.filter(|next| *next <= end) {
                Some(next) => self.clock.set(next.max(now)),
                None => break,
            }
        }
        self.clock.set(end);
        self.settle().await;
    }

    /// Leaps to an instant: what fell due on the way happens then, once.
    pub(crate) async fn leap(&self, to: Timestamp) {
        self.clock.set(to);
        self.settle().await;
    }

    /// Waits, by the real clock, for what tells nobody when it happens.
    pub(crate) async fn wait_until(&self, what: &str, happened: impl AsyncFnMut() -> bool) {
        self.daemon().wait_until(what, happened).await;
    }

    pub(crate) async fn ask(&self, request: Request) -> Result<Value, Refusal> {
        self.daemon().ask(request).await
    }

    /// The same, and whoever asks is told what happens meanwhile.
    pub(crate) async fn ask_telling(&self, request: Request, told: ProgressSink) -> Result<Value, Refusal> {
        tokio::time::timeout(PATIENCE, self.daemon().answerer.answer(request, told)).await.expect("an answer")
    }

    /// What the program says to a command line, with these settings: exit code, standard output, standard error.
    pub(crate) async fn command(&self, line: &str) -> (i32, String, String) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_shopsyncd"));
        command.arg("--config").arg(self.folder.path().join("shopsyncd.toml")).args(line.split(' '));
        let done = command.env_remove("RUNTIME_DIRECTORY").stdin(std::process::Stdio::null()).output();
        let done = tokio::time::timeout(PATIENCE, done).await.expect("an answer").unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
    }

    /// Runs a job now and waits for its end.
    pub(crate) async fn run_now(&self, shop: &str, job: JobKind, demand: Demand) -> Result<Value, Refusal> {
        self.ask(Request::RunNow { shop: shop.parse().unwrap(), job, demand, wait: true }).await
    }

    /// What `jobs why` says.
    pub(crate) async fn why(&self, shop: &str, job: JobKind) -> String {
        let why = self.ask(Request::Why { shop: shop.parse().unwrap(), job }).await.unwrap();
        why["text"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn status(&self) -> Value {
        self.ask(Request::Status { shop: None, limit: None }).await.unwrap()
    }

    /// What `status` says of a shop; null where it is not in the settings.
    pub(crate) async fn shop(&self, shop: &str) -> Value {
        let status = self.status().await;
        let found = status["shops"].as_array().unwrap().iter().find(|known| known["id"] == shop);
        found.cloned().unwrap_or_default()
    }

    /// What `status` says of a job.
    pub(crate) async fn job(&self, shop: &str, job: JobKind) -> Value {
        self.shop(shop).await["jobs"][job.as_str()].clone()
    }

    async fn all_runs(&self) -> Vec<Run> {
        let mut tx = self.store().read(self.clock.now()).await.unwrap();
        tx.runs(&RunFilter::default(), 10_000).await.unwrap()
    }

    /// The runs of a job, the oldest first.
    pub(crate) async fn runs(&self, shop: &str, job: JobKind) -> Vec<Run> {
        let filter = RunFilter { shop: Some(shop.parse().unwrap()), job: Some(job), ..RunFilter::default() };
        let mut tx = self.store().read(self.clock.now()).await.unwrap();
        let mut runs = tx.runs(&filter, 10_000).await.unwrap();
        runs.reverse();
        runs
    }

    /// The newest run of a job.
    pub(crate) async fn last_run(&self, shop: &str, job: JobKind) -> Run {
        self.runs(shop, job).await.pop().expect("there is a run")
    }

    /// What all mails are composed from, the oldest first.
    pub(crate) async fn mail_payloads(&self) -> Vec<Value> {
        let mut tx = self.store().read(self.clock.now()).await.unwrap();
        let mut mails = tx.mails(None, 1_000).await.unwrap();
        mails.reverse();
        mails.into_iter().map(|mail| mail.payload).collect()
    }

    /// The mails that arrived since the last look, the oldest first: `WHEN KIND TO: SUBJECT`.
    pub(crate) async fn mails(&mut self) -> Vec<String> {
        let mut tx = self.store().read(self.clock.now()).await.unwrap();
        let mut sent = tx.mails(Some(MailState::Sent), 1_000).await.unwrap();
        drop(tx);
        sent.reverse();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let lines: Vec<_> = sent
            .iter()
            .skip(self.mails_read)
            .map(|mail| {
                let at = mail.sent_at.unwrap().to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M");
                format!("{at} {} {}: {}", mail.kind, mail.recipient, mail.subject.as_deref().unwrap())
            })
            .collect();
        self.mails_read += lines.len();
        let folder = fs::read_dir(self.state_dir().join("mail"));
        let files = folder.map_or(0, |files| files.filter(|file| is_mail(file.as_ref().unwrap())).count());
        assert_eq!(files, self.mails_read, "each mail is one file in the folder");
        lines
    }

    /// The owner opens the shop's page in a browser and agrees on the marketplace's page. How the browser's way ended.
    pub(crate) async fn owner_agrees(&self, shop: &str) -> u16 {
        self.agree_as(shop, &account(shop)).await
    }

    /// The same, signed in at the marketplace as the owner of another shop.
    pub(crate) async fn agree_as_owner_of(&self, shop: &str, other: &str) -> u16 {
        self.agree_as(shop, &account(other)).await
    }

    async fn agree_as(&self, shop: &str, account: &str) -> u16 {
        self.owner_decides(shop, |link| self.fake.consent(link, Some(account)).unwrap()).await
    }

    /// The owner opens the shop's page in a browser and decides at the end of the link to which that leads: `decide` says on which
    /// address the browser ends. How its way ended.
    pub(crate) async fn owner_decides(&self, shop: &str, decide: impl FnOnce(&Url) -> Url) -> u16 {
        let page = self.daemon().page.unwrap();
        let begun = get(&format!("http://{page}/authorize/{shop}").parse().unwrap(), None).await;
        assert_eq!(begun.status, 302, "the page leads to the marketplace");
        let cookie = begun.header("set-cookie").and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        let link: Url = begun.header("location").unwrap().parse().unwrap();
        let mut back = decide(&link);
        // Settings that let the system choose a port cannot name it in a link.
        back.set_port(Some(page.port())).unwrap();
        get(&back, cookie).await.status
    }

    /// Ends a story that does not care for its mails.
    pub(crate) async fn end_with_mails(mut self) {
        self.settle().await;
        self.mails().await;
        self.end().await;
    }

    /// Ends the story: everything comes to rest, nothing is left over, and the daemon stops without a complaint.
    pub(crate) async fn end(mut self) {
        self.settle().await;
        let mails = self.mails().await;
        assert!(mails.is_empty(), "mails that the story does not tell of: {mails:#?}");
        let mut tx = self.store().read(self.clock.now()).await.unwrap();
        let owed = tx.mails(Some(MailState::Owed), 10).await.unwrap();
        assert!(owed.is_empty(), "mails still owed: {owed:#?}");
        drop(tx);
        let stats = self.fake.stats();
        assert_eq!(
            (stats.bad_signatures, stats.refresh_tokens_spent_twice),
            (0, 0),
            "the marketplace has no complaint"
        );
        while !self.daemons.is_empty() {
            self.stop().await;
        }
        if self.database.url().is_none() {
            let store = Store::open("sqlite:shopsyncd.db", &self.state_dir()).await.unwrap();
            let mut tx = store.read(self.clock.now()).await.unwrap();
            let running = RunFilter { state: Some(RunState::Running), ..RunFilter::default() };
            let left = tx.runs(&running, 10).await.unwrap();
            assert!(left.is_empty(), "left running: {left:#?}");
            assert!(tx.instances().await.unwrap().is_empty(), "the instance signed off");
            drop(tx);
            store.close().await;
        }
    }
}

/// A daemon that can vanish.
pub(crate) struct Apart {
    runtime: Option<tokio::runtime::Runtime>,
    pub(crate) holder: String,
}

impl Apart {
    /// It is gone, in the middle of whatever it did.
    pub(crate) fn vanish(mut self) {
        self.gone();
    }

    fn gone(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.gone();
    }
}

/// `state_dir`: another one than the settings say.
async fn launch(config: PathBuf, clock: Clock, state_dir: Option<PathBuf>) -> Result<Daemon, StartError> {
    let state_dir = state_dir.map(|folder| ("SHOPSYNCD__STATE_DIR".to_owned(), folder.display().to_string()));
    let env = Env { vars: state_dir.into_iter().collect(), serving: true, now: clock.now() };
    let tools = Tools { http: Http::new(clock.clone()), clock: clock.clone() };
    let loaded = settings::load(Some(&config), &env, &tools);
    let Some(settings) = loaded.config else { panic!("the settings are refused: {:#?}", loaded.findings) };
    let files = Files { config: Some(config), env, known: loaded.known.into(), secret_files: loaded.secret_files };
    let app = App::build(settings, files, clock, None).await?;
    let (answerer, handle, store) = (app.answerer(), app.handle(), app.store());
    let (page, machines) = (app.page_address(), app.machines_address());
    let stop = CancellationToken::new();
    let running = tokio::spawn(app.run(stop.clone()));
    Ok(Daemon { answerer, handle, store, page, machines, stop, running })
}

fn is_mail(file: &fs::DirEntry) -> bool {
    file.path().extension().is_some_and(|ending| ending == "eml")
}
