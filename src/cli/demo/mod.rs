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

mod browser;
mod catalogue;
mod markets;
mod scenes;
mod watch;

use markets::{BY_CONSENT, HANDED_IN, Markets};

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
}

pub(super) async fn demo(args: DemoArgs) -> Outcome {
    let stage = Stage::build(args.dir)
        .map_err(|error| Refusal::new(exit::FAILED, format!("cannot set the demo up: {error}")))?;
    let asked = stop_signals().map_err(failed)?;
    let mut child = stage.start_daemon().map_err(failed)?;
    tokio::select! {
        shown = show(&stage, args.once) => {
            shown?;
            if !args.once {
                stage.go_on(&mut child, &asked).await.map_err(failed)?;
            }
        }
        () = asked.cancelled() => {}
    }
    print::text("\nstopping; the folder stays for you to look at")?;
    stop(&mut child).await.map_err(failed)
}

fn failed(error: io::Error) -> Refusal {
    Refusal::new(exit::FAILED, format!("the demo failed: {error}"))
}

/// Everything that is to be seen, one thing after the other.
async fn show(stage: &Stage, once: bool) -> Outcome {
    let began = Instant::now();
    let say = |text: String| print::text(&format!("[{:>4.1} s] {text}", began.elapsed().as_secs_f64()));
    print::text(&stage.introduction())?;
    watch::until_ready(&stage.state_dir).await?;
    say("the daemon is ready; it reads the product source, and every shop waits for its owner".into())?;

    for owned in BY_CONSENT {
        stage.agree(owned).await?;
        say(format!(
            "{}: its owner opened the link and agreed on the marketplace's consent page (in a pretend browser)",
            owned.id
        ))?;
    }

    let tokens = stage.markets.old_tokens();
    control::ask(
        &stage.state_dir,
        &Request::HandIn { shop: shop(HANDED_IN.id)?, tokens: control::Hidden(tokens) },
        |_, _| {},
    )
    .await?;
    say(format!(
        "{}: tokens handed in, consent given 345 days ago, 20 days left: a reminder is owed at once",
        HANDED_IN.id
    ))?;

    watch::until_done(stage, &say).await?;
    if once {
        stage.play(&say).await?;
        return print::text(&format!("\n{}", stage.where_to_look()));
    }
    print::text(&format!(
        "\nIt goes on like this until Ctrl-C. Look around, in another terminal:\n\
         \n{}\
         \n\nOr type here: {}.\
         \nAn edit takes effect within two seconds. Kill the daemon if you like: nothing is lost.",
        stage.where_to_look(),
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
        fs::write(dir.join("products.csv"), catalogue::shopify_csv())?;
        fs::write(&config, settings(&dir, &listen, &internal, &markets)?)?;
        fs::write(dir.join("shops.d/shops.toml"), shops(&dir))?;
        Ok(Self { dir, config, state_dir, page, markets })
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

    fn introduction(&self) -> String {
        let places = self.markets.addresses().map(|(name, url)| format!("\n  {name:<12} {url}")).concat();
        format!(
            "This is shopsyncd with pretend marketplaces:{places}\n\
             Its product source is a file in Shopify's format with {skus} SKUs; two shops on TikTok Shop sell them.\n\
             Everything stands in {dir}\n",
            skus = catalogue::skus(),
            dir = self.dir.display(),
        )
    }

    /// How a command line begins that asks the demo's daemon.
    fn command(&self) -> String {
        let program = std::env::current_exe().map_or("shopsyncd".into(), |path| path.display().to_string());
        format!("{program} --config {}", self.config.display())
    }

    /// What stands in files and in the database, whether the daemon runs or not, and where a consent is given by hand while it does.
    fn where_to_look(&self) -> String {
        let command = self.command();
        let mail = reminder(&self.state_dir.join("mail")).map_or("(none)".into(), |path| path.display().to_string());
        format!(
            "  every shop at a glance    {command} status\
             \n  the history               {command} runs list\
             \n  one SKU everywhere        {command} products show T-000-1\
             \n  why a job (does not) run  {command} jobs why tiktok-uk product_export\
             \n  a consent by hand         {page}/authorize/{uk} in a browser,\
             \n                            or {command} shops authorize {uk}\
             \n  what is to come           {command} upcoming --days 30\
             \n  the reminder              {mail}\
             \n  the log                   {log}\
             \n  the settings, to edit     {settings}\
             \n  the products, to edit     {products}",
            page = self.page,
            uk = BY_CONSENT[0].id,
            log = self.log().display(),
            settings = self.config.display(),
            products = self.dir.join("products.csv").display(),
        )
    }
}

/// The reminder that was written last, among mails of other kinds.
fn reminder(folder: &Path) -> Option<PathBuf> {
    let is_one = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().any(|line| line.trim_end() == "X-Shopsyncd-Kind: reminder")
    };
    fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).filter(is_one).max()
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
            format!("[channels.{channel}.jobs]\nauthorization_refresh = \"5 seconds\"\n"),
        ]);
        if channel == "tiktok_shop" {
            text += "product_import = \"10 seconds\"\nproduct_export = \"3 seconds\"\n";
        }
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
product_import = "2 seconds"

{sections}"#,
        products = dir.join("products.csv").display(),
        sections = markets::sections(),
    )
}
