//! The daemon: everything put together, run, reloaded, drained and stopped.
//!
//! [`App`] is a value: the program builds it from files, tests build it with fakes and a manual clock. The order in
//! which things start, and its reverse, is written in `start`, in [`App::build`] and in [`App::run`] and nowhere else.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::SignedDuration;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    channels::{AuthorizationKind, Tools, find},
    clock::Clock,
    config::{Config, Known, LogFormat, load::Env},
    control,
    domain::{ChannelName, EndSource, InstanceId, JobKind, Period, counted},
    http::{Http, HttpEvent},
    jobs::{self, Work},
    keeper::{Links, ShopBook, TokenKeeper},
    mail::{MailError, MailerBook},
    notices::SharedPeople,
    scheduler::{self, Handle, Scheduler},
    secrets::{SealError, random_text},
    store::{Store, StoreError, lock::LockError, serving},
    telemetry::{
        logging::{Format, LogHandle},
        metrics::Metrics,
    },
    web,
};

mod agreement;
mod answers;
mod force;
mod health;
mod housekeeping;
mod once;
mod people;
mod reload;
mod seal;
mod start;
mod supervise;
mod systemd;
mod waited;

pub use answers::{status_of, unavailable};
pub use health::SETTINGS_REFUSED;
pub use once::{dry_run, run_once};
pub use people::people_of;
pub use reload::tell_findings;
pub(crate) use seal::judge as judge_seal_key;
use start::{Door, Ground};

/// How long runs may take to reach their next safe point when the daemon stops.
const GRACE: SignedDuration = SignedDuration::from_secs(9);

/// When a stop is over, counted from when it was asked for: a token exchange that began in the last moment of grace has had its ten
/// seconds by then. The process is gone within twenty.
const STOPPED: Duration = Duration::from_secs(19);

/// How long closing the database may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// How often it is looked whether summaries of repeated log lines are due.
const OFTEN_TOLD: Duration = Duration::from_secs(5);

/// How many runs of one channel go on at once.
const SLOTS: u32 = 64;

/// Where the settings came from, for reading them again.
#[derive(Debug, Clone)]
pub struct Files {
    /// The main file, where one was named.
    pub config: Option<PathBuf>,
    /// The environment.
    pub env: Env,
    /// What was read from them.
    pub known: Arc<Known>,
    /// Those that secrets were read from.
    pub secret_files: Vec<PathBuf>,
}

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another daemon works on the same state.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// Something that only shows when the settings are put to use.
    #[error("{0}")]
    Settings(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Instances of an older program work with a database that is to be brought up to date.
    #[error(
        "the database is to be brought up to date, and would fail those who work with it: {0}; stop or update them, and this instance goes on"
    )]
    OlderPeers(String),
    /// A listener's address cannot be had.
    #[error("cannot listen on {address}: {cause}; is another program there? Change `web.{key}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The setting.
        key: &'static str,
        /// Why.
        cause: std::io::Error,
    },
    /// The state folder, the control socket, the watcher.
    #[error("{what}: {cause}")]
    Io {
        /// The thing.
        what: String,
        /// Why.
        cause: std::io::Error,
    },
}

impl From<SealError> for StartError {
    fn from(error: SealError) -> Self {
        Self::Settings(format!("seal_key: {error}"))
    }
}

impl From<MailError> for StartError {
    fn from(error: MailError) -> Self {
        Self::Settings(format!("mail: {error}"))
    }
}

impl StartError {
    /// The exit code that says how: see `cli`.
    pub const fn exit(&self) -> u8 {
        match self {
            Self::Locked(LockError::Held { .. }) | Self::OlderPeers(_) => 75,
            Self::Settings(_)
            | Self::Store(StoreError::Url { .. } | StoreError::Newer { .. } | StoreError::Denied { .. }) => 78,
            Self::Store(_) | Self::Listen { .. } => 69,
            Self::Locked(LockError::Io { .. }) | Self::Io { .. } => 1,
        }
    }

    /// What kind of thing it is, for the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Locked(_) => "locked",
            Self::OlderPeers(_) => "older_peers",
            Self::Settings(_) | Self::Store(StoreError::Url { .. }) => "settings",
            Self::Store(StoreError::Newer { .. }) => "database_newer",
            Self::Store(StoreError::Denied { .. }) => "database_denied",
            Self::Store(_) => "database",
            Self::Listen { .. } => "address_taken",
            Self::Io { .. } => "io",
        }
    }

    /// Whether the start waits until this has come right, rather than end for systemd to try again. A database that is away, a disk that
    /// is full, a folder that is not there or may not be written to come right without a word to us; a database that does not exist
    /// is being made, or restored.
    ///
    /// A server that refuses user or password does not: what it takes stands in the settings, as a rule in a credential, which systemd
    /// hands over at a start alone, and a wrong password tried for hours looks like an attack.
    fn is_waited_for(&self) -> bool {
        match self {
            Self::Store(error) => error.is_passing(),
            Self::Io { .. } | Self::Locked(LockError::Io { .. }) | Self::OlderPeers(_) => true,
            Self::Settings(_) | Self::Locked(LockError::Held { .. }) | Self::Listen { .. } => false,
        }
    }
}

/// Why the daemon ended by itself: one of its parts did.
#[derive(Debug, thiserror::Error)]
#[error("{part} ended by itself: {cause}; {remedy}")]
pub struct Ended {
    /// Which part.
    pub part: &'static str,
    /// How.
    pub cause: String,
    /// What to do.
    pub remedy: &'static str,
}

/// What every part of the daemon shares.
pub(crate) struct Shared {
    pub files: Files,
    /// What the settings in force were read from.
    pub known: ArcSwap<Known>,
    /// The files that secrets were read from lately, whether or not what was read is in force.
    pub secret_files: ArcSwap<Vec<PathBuf>>,
    pub clock: Clock,
    pub config: ArcSwap<Config>,
    pub store: Store,
    pub tools: Tools,
    pub shops: ShopBook,
    pub people: SharedPeople,
    pub mailer: MailerBook,
    pub keeper: TokenKeeper,
    pub links: Links,
    pub handle: Handle,
    pub metrics: Metrics,
    pub log: Option<LogHandle>,
    /// Why this instance stands by, while it does.
    pub stands_by: ArcSwapOption<String>,
    /// What the settings files said when they were last put in force.
    pub accepted: ArcSwap<reload::Accepted>,
    /// One reload at a time.
    pub reloading: tokio::sync::Mutex<()>,
    /// Whether good settings were read that the database has not taken yet.
    pub settings_wait: tokio::sync::watch::Sender<bool>,
}

/// A daemon, built and not yet running.
pub struct App {
    shared: Arc<Shared>,
    scheduler: Scheduler,
    ground: Ground,
}

impl App {
    /// Opens and checks everything that can be wrong, so that a daemon that starts is one that works.
    pub async fn build(config: Config, files: Files, clock: Clock, log: Option<LogHandle>) -> Result<Self, StartError> {
        let mut ground = Ground::default();
        ground.take(&config, &clock).await?;
        let store = Store::connect(config.database_url.expose(), &config.state_dir).await?;
        start::bring_up_to_date(&store, &clock).await?;
        let (shared, scheduler) = assemble(store, config, files, clock, log, Metrics::new()).await?;
        Ok(Self { shared, scheduler, ground })
    }

    /// Runs until `stop` fires, then takes no more work, lets what goes on reach its next safe point, and ends within 20 seconds.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Ended> {
        let Self { shared, scheduler, ground } = self;
        let config = shared.config.load_full();
        let Ground { people, internal, socket, lock: _lock } = ground;
        // Before anybody is told that the daemon is ready: it can be reloaded as soon as it is.
        let socket = socket.map_or_else(|| control::Socket::bind(&config.state_dir).map(Arc::new), Ok);
        let remedy =
            "see that its folder, the runtime directory or else state_dir, can be written to and its disk has room";
        let socket = socket.map_err(|error| supervise::ended("the control socket", error.to_string(), remedy))?;
        let asked = scheduler::moment_of(stop.clone());
        tracing::info!(
            event = "daemon.started",
            instance.id = %shared.handle.holder(),
            version = env!("CARGO_PKG_VERSION"),
            "shopsyncd {} serves {} from {}", env!("CARGO_PKG_VERSION"), counted(config.shops.len() as u64, "shop", "shops"), config.state_dir.display()
        );
        // Listeners and the like end with `stop` at once; the scheduler drains, and only then is it over.
        let mut parts = JoinSet::new();
        let draining = stop.clone();
        supervise::part(&mut parts, "the scheduler", async move {
            scheduler.run(draining, GRACE).await.map_err(|error| error.to_string())
        });
        if let Some(listener) = people {
            let router = web::people_router(shared.page());
            supervise::serve(&mut parts, "the page", listener.listener, router, stop.clone());
        }
        if let Some(listener) = internal {
            let router = web::internal_router(shared.for_machines());
            supervise::serve(&mut parts, "the internal listener", listener.listener, router, stop.clone());
        }
        supervise::part(&mut parts, "the word of the end", systemd::tell_stop(Arc::clone(&shared), stop.clone()));
        let (answerer, stopping) = (Arc::clone(&shared), stop.clone());
        supervise::part(&mut parts, "the control socket", async move {
            socket.serve(answerer, stopping).await;
            socket.close().map_err(|error| error.to_string())
        });
        let watcher = reload::watch(Arc::clone(&shared), stop.clone());
        supervise::until(&mut parts, "the settings watcher", watcher, stop.clone());
        let agreement = agreement::watch(Arc::clone(&shared), stop.clone());
        supervise::until(&mut parts, "the agreement", agreement, stop.clone());
        supervise::part(&mut parts, "the watchdog", systemd::watchdog(Arc::clone(&shared), stop.clone()));
        let calendar = housekeeping::keep(Arc::clone(&shared), stop.clone());
        supervise::until(&mut parts, "the housekeeping calendar", calendar, stop.clone());
        if let Some(log) = shared.log.clone() {
            supervise::part(&mut parts, "the log's summaries", tell_repeated(log, stop.clone()));
        }

        let all = async {
            let ended = supervise::all(parts, &stop).await;
            shared.keeper.drained().await;
            // What a server that says nothing has of ours it may keep.
            let _ = tokio::time::timeout(GOODBYE, shared.store.close()).await;
            ended
        };
        let over = async {
            let asked = asked.await.unwrap_or_else(|_| Instant::now());
            tokio::time::sleep_until(asked + STOPPED).await;
        };
        let log = shared.log.clone();
        let ended = tokio::select! {
            ended = all => ended,
            () = over => {
                let limit = STOPPED.as_secs();
                tracing::warn!(event = "daemon.cut_off", "what has not ended within {limit} s goes on at the next start");
                Ok(())
            }
        };
        if let Some(log) = log {
            log.repetition().tell_all();
        }
        ended
    }

    /// Where the page listens: tests bind port 0.
    pub fn page_address(&self) -> Option<SocketAddr> {
        self.ground.people.as_ref().and_then(Door::address)
    }

    /// Where the listener for machines listens.
    pub fn machines_address(&self) -> Option<SocketAddr> {
        self.ground.internal.as_ref().and_then(Door::address)
    }

    /// What a person's hand on the daemon can do: the same requests as through the control socket.
    pub fn answerer(&self) -> Arc<dyn control::Answerer> {
        Arc::clone(&self.shared) as _
    }

    /// The scheduler's other end.
    pub fn handle(&self) -> Handle {
        self.shared.handle.clone()
    }

    /// The database, for looking at what happened.
    pub fn store(&self) -> Store {
        self.shared.store.clone()
    }
}

/// Puts the parts together around an open database, and brings that in line with the settings.
async fn assemble(
    store: Store,
    config: Config,
    files: Files,
    clock: Clock,
    log: Option<LogHandle>,
    metrics: Metrics,
) -> Result<(Arc<Shared>, Scheduler), StartError> {
    let word = serving::leave_word(config.database_url.expose(), &config.state_dir);
    word.map_err(|cause| StartError::Io { what: format!("state_dir {}", config.state_dir.display()), cause })?;
    let sealer = seal::sealer(&config, &store).await?;
    let observed = metrics.clone();
    let tools =
        Tools { http: Http::observed(clock.clone(), move |event| count(&observed, event)), clock: clock.clone() };
    let shops = ShopBook::new(force::page(&config), force::entries(&config, &tools)?);
    let instance = new_instance();
    let links = Links::new(sealer.clone(), shops.clone());
    let people = Arc::new(ArcSwap::from_pointee(people::people(&config, &files, &links, &clock)?));
    let mailer = MailerBook::new(people::mailer(&config, &clock)?);
    let keeper =
        TokenKeeper::new(store.clone(), clock.clone(), sealer, shops.clone(), people.clone(), instance.clone());

    let work = Work {
        store: store.clone(),
        clock: clock.clone(),
        keeper: keeper.clone(),
        shops: shops.clone(),
        people: people.clone(),
    };
    let handlers = jobs::handlers(&work, &mailer, &metrics);
    let settings = scheduler::Settings {
        holder: instance.clone(),
        slots: SLOTS,
        shared: store.is_postgres(),
        settings_digest: config.digest.clone(),
        standing_by: false,
        metrics: metrics.clone(),
    };
    let (scheduler, handle) = Scheduler::new(store.clone(), clock.clone(), handlers, settings);
    let waker = handle.clone();
    keeper.wakes(move || waker.wake());
    keeper.counts_in(metrics.clone());
    let incarnation = handle.clone();
    keeper.acts_as(move || incarnation.holder());

    let accepted = ArcSwap::from_pointee(reload::Accepted { at: clock.now(), changes: Vec::new() });
    let shared = Arc::new(Shared {
        accepted,
        known: ArcSwap::new(Arc::clone(&files.known)),
        secret_files: ArcSwap::from_pointee(files.secret_files.clone()),
        files,
        clock,
        config: ArcSwap::from_pointee(config),
        store,
        tools,
        shops,
        people,
        mailer,
        keeper,
        links,
        handle,
        metrics,
        log,
        stands_by: ArcSwapOption::empty(),
        reloading: tokio::sync::Mutex::default(),
        settings_wait: tokio::sync::watch::Sender::new(false),
    });
    let digest = Some(shared.config.load().digest.clone());
    let edited = shared.store.read(shared.clock.now()).await?.fact("settings.digest").await? != digest;
    // The digest is written with the tables: where it stands, so do all the shops.
    let gone = if edited { shared.shops_gone().await? } else { Vec::new() };
    shared.agree().await?;
    if shared.standing_by().is_none() {
        shared.tell_shops_gone(&gone).await?;
    }
    if edited && shared.standing_by().is_none() {
        let channels = shared.shops.all().iter().map(|entry| entry.shop.channel.clone()).collect();
        shared.note_apps_changed(&channels).await;
    }
    shared.metrics.set_settings_accepted(shared.clock.now());
    Ok((shared, scheduler))
}

/// Tells how often what is not told again has come.
async fn tell_repeated(log: LogHandle, stop: CancellationToken) -> Result<(), String> {
    let over = async || tokio::time::timeout(OFTEN_TOLD, stop.cancelled()).await.is_ok();
    while !over().await {
        log.repetition().tell_due();
    }
    Ok(())
}

/// A name that is new and tells people the machine.
fn new_instance() -> InstanceId {
    let system = rustix::system::uname();
    InstanceId(format!("{}.{}", system.nodename().to_string_lossy(), random_text(6)))
}

/// The schedules of the daemon's own jobs: their real instants are early looks, the period only bounds the wait.
pub(crate) fn own_schedules() -> [(JobKind, Period); 2] {
    [
        (JobKind::Remind, Period::Every(SignedDuration::from_hours(6))),
        (JobKind::SendMail, Period::Every(SignedDuration::from_mins(10))),
    ]
}

/// Whether shops of a channel need their owner's permission.
pub fn needs_authorization(channel: &ChannelName) -> bool {
    find(channel.as_str()).is_some_and(|def| def.abilities.authorization != AuthorizationKind::None)
}

/// How it is known when the refresh tokens of a channel end.
pub fn refresh_token_end(channel: &ChannelName) -> EndSource {
    find(channel.as_str()).map_or(EndSource::Told, |def| def.refresh_token_end)
}

/// The log format that the settings name.
pub fn log_format(format: LogFormat) -> Format {
    match format {
        LogFormat::Auto => Format::Auto,
        LogFormat::Journal => Format::Journal,
        LogFormat::Pretty => Format::Pretty,
        LogFormat::Json => Format::Json,
    }
}

fn count(metrics: &Metrics, event: &HttpEvent) {
    let channel = ChannelName::from(event.channel);
    let result = match event.status {
        None => "unreachable",
        Some(200..=299) => "ok",
        Some(429) => "throttled",
        Some(400..=499) => "refused",
        Some(_) => "failed",
    };
    metrics.count_channel_request(&channel, result);
    if event.throttled {
        metrics.count_throttled(&channel);
    }
}
