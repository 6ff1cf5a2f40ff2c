//! `demo`: the whole thing with pretend marketplaces on loopback, nothing to set up.
//!
//! Serves the fakes in this process and keeps a real daemon as its child, which is started again when it is killed, as
//! systemd would. Everything stands in a scratch folder: settings to edit, the product file, the mails, the log.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::{Outcome, exit, print, run::stop_signals};
use crate::control::{self, Refusal, Request};

mod arrivals;
mod browser;
mod catalogue;
mod edits;
mod markets;
mod scenes;
mod shops;
mod watch;

use markets::Markets;
use shops::{BY_CONSENT, HANDED_IN};

/// How often shops are read, and brought in line.
const IMPORT: &str = "30 seconds";
const EXPORT: &str = "2 seconds";

/// What the demo takes.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Where to put everything; default: a new scratch folder
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Stop by itself once everything has happened
    #[arg(long)]
    once: bool,
}

/// The demo's files and addresses.
struct Stage {
    dir: PathBuf,
    config: PathBuf,
    state_dir: PathBuf,
    page: String,
    markets: Markets,
    began: Instant,
}

pub(super) async fn demo(args: DemoArgs) -> Outcome {
    let stage = Stage::build(args.dir)
        .map_err(|error| Refusal::new(exit::FAILED, format!("cannot set the demo up: {error}")))?;
    let asked = stop_signals().map_err(failed)?;
    let mut child = stage.start_daemon().map_err(failed)?;
    let shown = tokio::select! {
        shown = show(&stage, args.once) => shown,
        () = asked.cancelled() => Ok(()),
    };
    if shown.is_ok() && !args.once {
        stage.go_on(&mut child, &asked).await.map_err(failed)?;
    }
    print::text("\nstopping; the folder stays for you to look at")?;
    stop(&mut child).await.map_err(failed)?;
    shown
}

fn failed(error: io::Error) -> Refusal {
    Refusal::new(exit::FAILED, format!("the demo failed: {error}"))
}

/// Everything that is to be seen, one thing after the other.
async fn show(stage: &Stage, once: bool) -> Outcome {
    print::text(&stage.introduction())?;
    let gaps = watch::Gap::of_all(&stage.markets);
    watch::until_ready(&stage.state_dir).await?;
    stage.say("the daemon is ready; it reads the product file, and every shop waits for its owner")?;

    for owned in BY_CONSENT {
        stage.agree(owned).await?;
        stage.say(&format!("{}: its owner opened the link and agreed on the marketplace's consent page", owned.id))?;
    }

    let tokens = stage.markets.old_tokens();
    control::ask(
        &stage.state_dir,
        &Request::HandIn { shop: shop(HANDED_IN.id)?, tokens: control::Hidden(tokens) },
        |_| {},
    )
    .await?;
    stage.say(&format!(
        "{}: tokens handed in, consent given 345 days ago, 20 days left: a reminder is owed at once",
        HANDED_IN.id
    ))?;

    watch::until_done(stage, &gaps).await?;
    if once {
        stage.play().await?;
        return print::text(&format!("\n{}", stage.where_to_look()));
    }
    print::text(&format!(
        "\nIt goes on like this until Ctrl-C. Look around, in another terminal:\n\
         \n{}\n{}\
         \n\nOr type here:\n{}\
         \n\nAn edit of the settings takes effect within two seconds. Kill the daemon if you like: nothing is lost.",
        stage.where_to_look(),
        stage.while_it_runs(),
        scenes::WORDS
    ))
}

fn shop(id: &str) -> Result<crate::domain::ShopId, Refusal> {
    id.parse().map_err(|error: crate::domain::InvalidShopId| Refusal::new(exit::FAILED, error.to_string()))
}

impl Stage {
    fn build(dir: Option<PathBuf>) -> io::Result<Self> {
        let dir = match dir {
            Some(dir) => dir,
            None => std::env::temp_dir().join(format!("shopsyncd-demo-{}", std::process::id())),
        };
        fs::create_dir_all(dir.join("shops.d"))?;
        let dir = dir.canonicalize()?;
        let (listen, internal) = (free_address()?, free_address()?);
        let page = format!("http://{listen}");
        let markets = Markets::open(&page)?;
        let (config, state_dir) = (dir.join("shopsyncd.toml"), dir.join("state"));
        fs::write(dir.join("products.csv"), catalogue::shopify_csv(&markets.image()))?;
        fs::write(&config, settings(&dir, &listen, &internal, &markets)?)?;
        fs::write(dir.join("shops.d/shops.toml"), shops(&dir))?;
        Ok(Self { dir, config, state_dir, page, markets, began: Instant::now() })
    }

    fn start_daemon(&self) -> io::Result<Child> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        Command::new(std::env::current_exe()?)
            .args(["--config", &self.config.to_string_lossy(), "run"])
            .env_remove("RUNTIME_DIRECTORY")
            .env_remove("NOTIFY_SOCKET")
            .stderr(log)
            .kill_on_drop(true)
            .process_group(0)
            .spawn()
    }

    fn log(&self) -> PathBuf {
        self.dir.join("daemon.log")
    }

    /// Keeps the daemon running until somebody asks to stop, as systemd would.
    async fn go_on(&self, child: &mut Child, asked: &CancellationToken) -> io::Result<()> {
        let obeying = self.obey();
        tokio::pin!(obeying);
        loop {
            tokio::select! {
                () = asked.cancelled() => return Ok(()),
                _ = &mut obeying => {}
                status = child.wait() => {
                    print::aside(&format!("the daemon ended ({}); starting it again: it goes on where it was", status?));
                    *child = self.start_daemon()?;
                }
            }
        }
    }

    /// Tells what has happened, and when.
    fn say(&self, text: &str) -> Outcome {
        print::text(&format!("[{:>5.1} s] {text}", self.began.elapsed().as_secs_f64()))
    }

    /// The folder of the mails.
    fn mail(&self) -> PathBuf {
        self.state_dir.join("mail")
    }

    fn introduction(&self) -> String {
        let places = self.markets.addresses().map(|(name, url)| format!("\n  {name:<12} {url}")).concat();
        format!(
            "This is shopsyncd with pretend marketplaces:{places}\n\n\
             One product file in Shopify's format, with {skus} SKUs in pounds, is the truth; {shops} shops follow it, each in its own money. A pretend browser plays their owners.\n\
             Shortened, to be watched: the file is read every second, the shops every {IMPORT}; differences are sent every {EXPORT}.\n\n\
             Everything stands in {dir}\n",
            skus = catalogue::variants().len(),
            shops = shops::all().count(),
            dir = self.dir.display(),
        )
    }

    /// How a command line begins that asks the demo's daemon.
    fn command(&self) -> String {
        let program = std::env::current_exe().map_or("shopsyncd".into(), |path| path.display().to_string());
        format!("{program} --config {}", self.config.display())
    }

    /// What stands in files and in the database, whether the daemon runs or not.
    fn where_to_look(&self) -> String {
        let command = self.command();
        let letter = watch::mails(&self.mail(), "reminder").pop_last();
        let letter = letter.map_or("(none)".into(), |path| path.display().to_string());
        format!(
            "  every shop at a glance    {command} status\
             \n  the history               {command} runs list\
             \n  one SKU everywhere        {command} products show T-000-1\
             \n  what differs, unsent      {command} jobs run tiktok-uk product_export --dry-run\
             \n  why a job (does not) run  {command} jobs why tiktok-uk product_export\
             \n  what is to come           {command} upcoming --days 30\
             \n  the reminder              {letter}\
             \n  the log                   {log}\
             \n  the settings              {settings}, shops.d/shops.toml\
             \n  the products              {products}",
            log = self.log().display(),
            settings = self.config.display(),
            products = self.dir.join("products.csv").display(),
        )
    }

    /// What needs the daemon and its page.
    fn while_it_runs(&self) -> String {
        format!(
            "  a consent by hand         {page}/authorize/{uk} in a browser,\
             \n                            or {command} shops authorize {uk}\
             \n  edit them                 the settings and the products; save, and watch",
            page = self.page,
            uk = BY_CONSENT[0].id,
            command = self.command(),
        )
    }
}

fn free_address() -> io::Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

async fn stop(child: &mut Child) -> io::Result<()> {
    if let Some(pid) = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid as i32)) {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    }
    tokio::time::timeout(Duration::from_secs(25), child.wait()).await.map_err(io::Error::other)?.map(drop)
}

/// A file for its owner's eyes only.
fn private(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn settings(dir: &Path, listen: &str, internal: &str, markets: &Markets) -> io::Result<String> {
    let mut text = format!(
        r#"# The demo's settings. Edit them while it runs.
timezone = "Europe/London"
product_source = "erp"
state_dir = "{state}"

[web]
listen = "{listen}"
internal = "{internal}"

[log]
format = "pretty"

[mail]
transport = "folder"                # one .eml per message in state/mail
from = "shopsyncd demo <demo@example.com>"
operator = ["operator@example.com"]

[reminders]
to = ["owner@example.com"]
"#,
        state = dir.join("state").display(),
    );
    for (channel, app, secrets) in markets.apps() {
        text.extend(["\n[channels.", channel, "]\n"]);
        for (key, secret) in secrets {
            // A pretend secret of a pretend marketplace; a file shows where a real one belongs.
            let file = dir.join(format!("{channel}-{}", key.replace('_', "-")));
            private(&file)?.write_all(secret.as_bytes())?;
            text.push_str(&[key, " = { file = \"", &file.display().to_string(), "\" }\n"].concat());
        }
        text.extend([
            // What JSON has for texts and numbers TOML has, too.
            app.iter().map(|(key, value)| format!("{key} = {value}\n")).collect::<Vec<_>>().concat(),
            format!(
                "[channels.{channel}.jobs]                # 30 minutes, 1 hour and 15 minutes where nothing is said\n\
                 authorization_refresh = \"5 seconds\"\nproduct_import = \"{IMPORT}\"\nproduct_export = \"{EXPORT}\"\n"
            ),
        ]);
    }
    Ok(text)
}

fn shops(dir: &Path) -> String {
    format!(
        r#"[shops.erp]
channel = "file"
name = "ERP export"
path = "{products}"
currency = "GBP"                    # Shopify's file does not say

[shops.erp.jobs]
product_import = "1 second"

{sections}"#,
        products = dir.join("products.csv").display(),
        sections = shops::sections(),
    )
}
