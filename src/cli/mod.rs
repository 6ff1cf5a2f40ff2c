//! The commands: what they are called, what they reach, and how they end.

use std::{path::PathBuf, process::ExitCode};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    control::Refusal,
    domain::{Field, JobKind, ShopId},
};

mod channels;
mod check;
mod db;
#[cfg(feature = "fakes")]
mod demo;
mod dry_run;
mod jobs;
mod keys;
mod mail;
mod manual;
mod open;
mod origins;
mod password;
mod print;
mod products;
mod run;
mod runs;
mod sandbox;
mod shops;
mod status;
mod table;
mod upcoming;

/// Exit codes. systemd does not restart on [`exit::CONFIGURATION`].
pub mod exit {
    /// Not done; the text says why.
    pub const FAILED: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 64;
    /// A daemon or database is needed and none answers.
    pub const UNAVAILABLE: u8 = 69;
    /// Not now; try again later.
    pub const TRY_LATER: u8 = 75;
    /// Refused: held, another account, or not allowed.
    pub const REFUSED: u8 = 77;
    /// The settings are wrong.
    pub const CONFIGURATION: u8 = 78;
}

/// Keeps the permission to work in many shops alive, and their products equal to one source.
#[derive(Debug, Parser)]
#[command(name = "shopsyncd", version, about, max_term_width = 100)]
pub struct Cli {
    /// The main settings file
    #[arg(long, global = true, value_name = "FILE", env = "SHOPSYNCD_CONFIG")]
    config: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    Run,
    /// Make the daemon read its settings again; waits, and tells the outcome
    Reload,
    /// List everything wrong or worth knowing in the settings
    Check {
        /// Also say what a reload would change
        #[arg(long)]
        diff: bool,
        /// Also show every setting that is not a shop's own, and where it comes from
        #[arg(long)]
        settings: bool,
    },
    /// Show the shops: their clocks, their jobs, what comes next
    Status {
        /// Of this shop
        #[arg(long)]
        shop: Option<ShopId>,
        /// How many shops at most [default: 50; with --json all]
        #[arg(long, value_name = "COUNT")]
        limit: Option<usize>,
    },
    /// Show the mails, ends and runs that are to come
    Upcoming {
        /// How many days ahead
        #[arg(long, default_value_t = 35)]
        days: u32,
        /// As a calendar
        #[arg(long)]
        ics: bool,
    },
    /// Shops: list, show, authorize, test, pause, resume, forget
    #[command(subcommand)]
    Shops(ShopsCommand),
    /// Channels: what each can do
    #[command(subcommand)]
    Channels(ChannelsCommand),
    /// Jobs: run one now, or ask why it did not run
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// The history of runs
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Products: a SKU as the source wants it and in every shop
    #[command(subcommand)]
    Products(ProductsCommand),
    /// Mails: list, retry, test
    #[command(subcommand)]
    Mail(MailCommand),
    /// Keys that seal tokens at rest
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Read a password and print its hash, for `web.password_hash`
    Password,
    /// The database: migrate, backup
    #[command(subcommand)]
    Db(DbCommand),
    /// The whole thing with pretend marketplaces on loopback; nothing to set up
    #[cfg(feature = "fakes")]
    Demo(demo::DemoArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Debug, Subcommand)]
enum ShopsCommand {
    /// All shops
    List,
    /// One shop, with its settings as resolved and where each comes from
    Show {
        /// The shop
        shop: ShopId,
    },
    /// Print the consent link and read the address on which the browser ended, or tokens as JSON, from standard input
    Authorize {
        /// The shop
        shop: ShopId,
    },
    /// Prove by a live call that the permission works
    Test {
        /// The shop
        shop: ShopId,
    },
    /// Hold all jobs of a shop
    Pause {
        /// The shop
        shop: ShopId,
    },
    /// End the pause of a shop
    Resume {
        /// The shop
        shop: ShopId,
    },
    /// Erase everything kept of a shop that is no longer in the settings
    Forget {
        /// The shop
        shop: ShopId,
        /// Really
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ChannelsCommand {
    /// All channels
    List,
    /// One channel: its page
    Show {
        /// The channel
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum JobsCommand {
    /// Run a job now
    Run(JobsRun),
    /// Why a job ran, did not run, or failed, and what comes next
    Why {
        /// The shop
        shop: ShopId,
        /// The job
        #[arg(value_parser = job())]
        job: JobKind,
    },
}

#[derive(Debug, Args)]
struct JobsRun {
    /// The shop
    shop: ShopId,
    /// The job
    #[arg(value_parser = job())]
    job: JobKind,
    /// Wait until it is over, and tell on standard error what happens meanwhile
    ///
    /// Exit codes: 0 done, 1 partly or failed, 77 held; 75 as soon as its next attempt is more than a minute away: the daemon goes on
    /// with it by itself, and the same command, given again, tries at once.
    #[arg(long)]
    wait: bool,
    /// Export: print the plan and send nothing
    #[arg(long, conflicts_with_all = ["wait", "release_guard", "full"])]
    dry_run: bool,
    /// With --dry-run: print the plan as CSV
    #[arg(long, requires = "dry_run")]
    csv: bool,
    /// Export: let the plan through that a guard stopped
    #[arg(long)]
    release_guard: bool,
    /// Export: send this field once more, whatever the shop accepted of it before
    #[arg(long, value_name = "FIELD", value_parser = resendable())]
    resend: Option<Field>,
    /// Import: demand a complete pass
    #[arg(long)]
    full: bool,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    /// Runs, newest first
    List {
        /// Of this shop
        #[arg(long)]
        shop: Option<ShopId>,
        /// Of this kind
        #[arg(long)]
        job: Option<JobKind>,
        /// In this state
        #[arg(long, value_parser = runs::state())]
        state: Option<crate::domain::RunState>,
        /// That ended so
        #[arg(long, value_parser = runs::outcome())]
        outcome: Option<crate::domain::Outcome>,
        /// Older than this run: the rest of a list that ended with it
        #[arg(long, value_name = "ID")]
        before: Option<i64>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// One run with its complaints
    Show {
        /// Its number
        id: i64,
    },
}

#[derive(Debug, Subcommand)]
enum ProductsCommand {
    /// The source's products
    List {
        /// At most so many SKUs
        #[arg(long, default_value_t = 1_000)]
        limit: u32,
        /// From the SKU after this one
        #[arg(long)]
        after: Option<String>,
        /// Instead what stands in a shop and for no SKU of the source alone: unknown, doubled or ambiguous
        #[arg(long, conflicts_with_all = ["limit", "after"])]
        unmatched: bool,
    },
    /// One SKU, as the source wants it and in every shop
    Show {
        /// The SKU
        sku: String,
    },
    /// Write the source's products to a file, as CSV or (by its ending) JSON Lines
    Export {
        /// The file; `-` is standard output: CSV, with --json JSON Lines
        file: PathBuf,
        /// Replace a file that exists
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Subcommand)]
enum MailCommand {
    /// Mails, newest first
    List {
        /// In this state
        #[arg(long, value_parser = mail::state())]
        state: Option<crate::store::MailState>,
        /// To this address
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
        /// About this shop
        #[arg(long)]
        shop: Option<ShopId>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Deliver an owed or refused mail at once
    Retry {
        /// Its number
        id: i64,
    },
    /// Send a test mail
    Test {
        /// To whom
        address: String,
    },
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Print a new seal key
    Generate,
    /// Seal everything with the first key of the ring
    Reseal,
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    /// Bring the database to this program's version; refused while a daemon works with it
    Migrate,
    /// Write a consistent copy of a SQLite database, while the daemon runs
    Backup {
        /// The copy
        file: PathBuf,
        /// Put it in the place of a file that is there
        #[arg(long)]
        force: bool,
    },
}

/// How a command ends badly.
type Outcome = Result<(), Refusal>;

/// Runs the command line; everything it prints and its exit code come from here.
pub async fn run(cli: Cli) -> ExitCode {
    let Cli { config, json, command } = cli;
    let env = open::Env { config, json };
    let outcome = match command {
        Command::Run => run::run(&env).await,
        Command::Reload => run::reload(&env).await,
        Command::Check { diff, settings } => check::check(&env, diff, settings).await,
        Command::Status { shop, limit } => status::status(&env, shop, limit).await,
        Command::Upcoming { days, ics } => upcoming::upcoming(&env, days, ics).await,
        Command::Shops(command) => shops::shops(&env, command).await,
        Command::Channels(command) => channels::channels(&env, command),
        Command::Jobs(command) => jobs::jobs(&env, command).await,
        Command::Runs(command) => runs::runs(&env, command).await,
        Command::Products(command) => products::products(&env, command).await,
        Command::Mail(command) => mail::mail(&env, command).await,
        Command::Keys(command) => keys::keys(&env, command).await,
        Command::Password => password::password(&env),
        Command::Db(command) => db::db(&env, command).await,
        #[cfg(feature = "fakes")]
        Command::Demo(args) => demo::demo(args).await,
        Command::Completions { shell } => manual::completions(shell),
        Command::Man => manual::man(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            print::refusal(&refusal, json);
            ExitCode::from(refusal.exit)
        }
    }
}

/// Reads the command line; a wrong one ends the program with 64.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
        let asked = matches!(error.kind(), DisplayHelp | DisplayVersion);
        if !asked && std::env::args_os().any(|argument| argument == "--json") {
            let text = error.render().to_string();
            print::refusal(&Refusal::new(exit::USAGE, text.trim_start_matches("error: ").trim_end()), true);
        } else {
            // Nothing can be done about a terminal that does not take it.
            let _ = error.print();
        }
        if asked { ExitCode::SUCCESS } else { ExitCode::from(exit::USAGE) }
    })
}

/// The fields that a shop may not show as they were sent.
fn resendable() -> impl TypedValueParser<Value = Field> {
    PossibleValuesParser::new([Field::Images, Field::Attributes].map(Field::as_str))
        .map(|name| Field::from_name(&name).expect("one of the names of fields"))
}

/// The jobs that shops have, by name.
fn job() -> impl TypedValueParser<Value = JobKind> {
    PossibleValuesParser::new(JobKind::OF_SHOPS.map(JobKind::as_str))
        .map(|name| name.parse().expect("one of the names of jobs"))
}
