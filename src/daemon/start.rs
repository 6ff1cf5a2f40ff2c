//! The start: from its first moment on whoever asks is answered, and a database that is away is waited for.
//!
//! Until there is a database the listeners say so (`/healthz` 200, `/readyz` and the page 503), the control socket answers what can be
//! answered, systemd is told in words, and edits of the settings are taken: it may be `database.url` that is mended. Then the daemon goes
//! on with the same listeners and the same socket, so that nobody is turned away in between.

use std::{net::SocketAddr, os::fd::AsFd as _, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use axum::Router;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use super::{
    App, Files, Shared, StartError, assemble, force,
    health::{SETTINGS_REFUSED, within},
    reload::{self, Cause},
    seal, systemd,
};
use crate::{
    channels::Tools,
    clock::Clock,
    config::{
        Config,
        diff::diff,
        load::DEFAULT_FILE,
        watch::{Watch, Watched},
    },
    control::{Answerer, ProgressSink, Refusal, Request, Socket},
    http::Http,
    mail::without_addresses,
    scheduler::{self, Scheduler},
    settings,
    store::{Store, StoreError, lock::InstanceLock},
    telemetry::{logging::LogHandle, metrics::Metrics},
    web::{self, Machines},
};

/// Between the first two attempts; each wait after that is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait between two attempts.
const LONGEST: Duration = Duration::from_secs(10);
/// How often systemd is told that the database is still being brought up to date.
const TELLS: Duration = Duration::from_mins(1);
/// How long a database may take to be reached, and what is in it to be brought in line: one that falls silent meanwhile is away.
const REACHED: Duration = Duration::from_secs(20);
const IN_LINE: Duration = Duration::from_mins(4);

/// What a daemon has whether or not there is a database.
#[derive(Default)]
pub(super) struct Ground {
    /// The right to work on this state. Given back when dropped.
    pub lock: Option<InstanceLock>,
    /// The listener for people and marketplaces.
    pub people: Option<Door>,
    /// The listener for machines.
    pub internal: Option<Door>,
    /// Where commands ask.
    pub socket: Option<Arc<Socket>>,
}

/// A listener, and the address that was wanted for it: with port 0 it has another one.
pub(super) struct Door {
    wanted: SocketAddr,
    pub listener: TcpListener,
}

impl Door {
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Answers here until `over` fires; whoever comes after that waits for the daemon.
    fn answer_meanwhile(&self, router: Router, over: CancellationToken) -> std::io::Result<()> {
        let twin = std::net::TcpListener::from(self.listener.as_fd().try_clone_to_owned()?);
        let serving = axum::serve(TcpListener::from_std(twin)?, router);
        tokio::spawn(async move { serving.with_graceful_shutdown(over.cancelled_owned()).await });
        Ok(())
    }
}

/// What is at the address already, or a new listener there.
async fn open(door: &mut Option<Door>, wanted: Option<SocketAddr>, key: &'static str) -> Result<(), StartError> {
    if door.as_ref().map(|door| door.wanted) != wanted {
        *door = None;
        if let Some(wanted) = wanted {
            let bound = TcpListener::bind(wanted).await;
            let listener = bound.map_err(|cause| StartError::Listen { address: wanted, key, cause })?;
            *door = Some(Door { wanted, listener });
        }
    }
    Ok(())
}

impl Ground {
    /// Takes what it does not have yet: the lock first, so that a second daemon is told of the first one rather than of its address.
    pub(super) async fn take(&mut self, config: &Config, clock: &Clock) -> Result<(), StartError> {
        let locked = self.take_lock(config, clock);
        // A lock that another one holds ends the start; a state folder that cannot be had yet keeps nobody from being told so.
        if let Err(error) = locked.as_ref()
            && !error.is_waited_for()
        {
            return locked;
        }
        open(&mut self.people, config.web.listen, "listen").await?;
        open(&mut self.internal, config.web.internal, "internal").await?;
        locked
    }

    fn take_lock(&mut self, config: &Config, clock: &Clock) -> Result<(), StartError> {
        seal::make_state_dir(&config.state_dir)?;
        let (url, now) = (config.database_url.expose(), clock.now());
        let lock = match self.lock.take() {
            Some(lock) => lock,
            None => InstanceLock::take_folder(&config.state_dir, url.starts_with("sqlite:"), now)?,
        };
        let lock = self.lock.insert(lock);
        if let Some(file) = Store::make_file(url, &config.state_dir)? {
            lock.take_database(&file, now)?;
        }
        Ok(())
    }
}

/// Brings the database to this program's version, unless that would fail instances of an older program that work with it: this one waits
/// for them to stop. Years of history may take their time, which systemd is asked for.
pub(super) async fn bring_up_to_date(store: &Store, clock: &Clock) -> Result<(), StartError> {
    if !store.is_older().await? {
        store.migrate().await?;
        return Ok(());
    }
    if store.is_postgres() {
        let peers = scheduler::at_work(store, clock).await?;
        if !peers.is_empty() {
            let names: Vec<String> = peers.iter().map(|id| format!("`{id}`")).collect();
            return Err(StartError::OlderPeers(names.join(", ")));
        }
    }
    let migrated = store.migrate();
    tokio::pin!(migrated);
    loop {
        systemd::waiting("brings the database up to date");
        tokio::select! {
            migrated = &mut migrated => {
                migrated?;
                return Ok(());
            }
            () = tokio::time::sleep(TELLS) => {}
        }
    }
}

impl App {
    /// As [`App::build`], but waits for as long as the database is away. `None`: `stop` fired before it was there.
    ///
    /// # Errors
    /// What no waiting mends.
    pub async fn start(
        config: Config,
        files: Files,
        clock: Clock,
        log: LogHandle,
        stop: &CancellationToken,
    ) -> Result<Option<Self>, StartError> {
        let (mut start, mut news) = Start::new(config, files, clock, log)?;
        let there = start.until_there(&mut news, stop).await;
        start.over.cancel();
        match there {
            Ok(Some((shared, scheduler))) => Ok(Some(start.goes_on(shared, scheduler))),
            ended => {
                start.close_socket();
                ended.map(|_| None)
            }
        }
    }
}

/// A daemon that can run.
type Assembled = (Arc<Shared>, Scheduler);

enum Happened {
    Tried(Result<Assembled, StartError>),
    Heard(Heard),
}

/// Why the settings are read again. Whoever asked by the control socket is answered.
enum Heard {
    Edit,
    HangUp,
    Asked(oneshot::Sender<Result<Vec<String>, Refusal>>),
}

/// What tells that the settings are to be read again.
struct News {
    /// The files, once there is time to watch them: who starts at once does not look at thousands of them twice.
    watch: Option<(Watch, mpsc::Receiver<()>)>,
    hangup: Signal,
    asked: mpsc::Receiver<oneshot::Sender<Result<Vec<String>, Refusal>>>,
}

impl News {
    async fn next(&mut self) -> Heard {
        let edits = async {
            match &mut self.watch {
                Some((_, edits)) => edits.recv().await,
                None => None,
            }
        };
        tokio::select! {
            Some(()) = edits => Heard::Edit,
            Some(()) = self.hangup.recv() => Heard::HangUp,
            Some(answer) = self.asked.recv() => Heard::Asked(answer),
            else => std::future::pending().await,
        }
    }
}

/// A daemon that is on its way.
struct Start {
    config: Config,
    files: Files,
    clock: Clock,
    log: LogHandle,
    metrics: Metrics,
    ground: Ground,
    said: Arc<Said>,
    /// Ends the answers that are given meanwhile.
    over: CancellationToken,
    /// Whether the listeners answer.
    answers: bool,
    /// Whether it was told that the database is away.
    in_trouble: bool,
    /// What the last edit was refused for, if it was.
    refused: Option<String>,
}

impl Start {
    fn new(config: Config, files: Files, clock: Clock, log: LogHandle) -> Result<(Self, News), StartError> {
        let hangup = signal(SignalKind::hangup())
            .map_err(|cause| StartError::Io { what: "cannot listen for the hang-up signal".to_owned(), cause })?;
        let (ask, asked) = mpsc::channel(1);
        let metrics = Metrics::new();
        let said = Arc::new(Said {
            reasons: ArcSwap::from_pointee(vec!["the daemon starts".to_owned()]),
            metrics: metrics.clone(),
            ask,
        });
        let (ground, over) = (Ground::default(), CancellationToken::new());
        let (answers, in_trouble, refused) = (false, false, None);
        let start = Self { config, files, clock, log, metrics, ground, said, over, answers, in_trouble, refused };
        Ok((start, News { watch: None, hangup, asked }))
    }

    /// Tries until there is a database. `None`: `stop` fired before.
    async fn until_there(
        &mut self,
        news: &mut News,
        stop: &CancellationToken,
    ) -> Result<Option<Assembled>, StartError> {
        let mut pause = Duration::ZERO;
        loop {
            let happened = tokio::select! {
                () = stop.cancelled() => {
                    systemd::stopping();
                    tracing::info!(event = "daemon.stopping", "shopsyncd stops before it has started");
                    return Ok(None);
                }
                heard = news.next() => Happened::Heard(heard),
                tried = async { tokio::time::sleep(pause).await; self.attempt().await } => Happened::Tried(tried),
            };
            match happened {
                Happened::Tried(Ok(assembled)) => return Ok(Some(assembled)),
                Happened::Tried(Err(error)) if error.is_waited_for() => {
                    pause = (pause * 2).clamp(FIRST, LONGEST);
                    self.open_socket();
                    if self.is_new_trouble(&error) {
                        let main = self.files.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
                        let secret_files = self.files.secret_files.clone();
                        news.watch = Some(Watch::start(Watched { main, secret_files }));
                        // What was edited before anybody watched.
                        self.read_again(Heard::Edit, news).await;
                    }
                }
                Happened::Tried(Err(error)) => return Err(error),
                Happened::Heard(heard) => {
                    self.read_again(heard, news).await;
                    pause = Duration::ZERO;
                }
            }
        }
    }

    /// One attempt, which may be cut off anywhere.
    async fn attempt(&mut self) -> Result<Assembled, StartError> {
        let taken = self.ground.take(&self.config, &self.clock).await;
        self.answer_meanwhile()?;
        taken?;
        let (url, folder) = (self.config.database_url.expose(), &self.config.state_dir);
        let store = within(REACHED, Store::connect(url, folder)).await?;
        bring_up_to_date(&store, &self.clock).await?;
        let (config, files) = (self.config.clone(), self.files.clone());
        let (clock, log) = (self.clock.clone(), Some(self.log.clone()));
        let assembled = assemble(store, config, files, clock, log, self.metrics.clone());
        let in_time = tokio::time::timeout(IN_LINE, assembled).await;
        in_time.unwrap_or(Err(StoreError::Unanswered(IN_LINE).into()))
    }

    /// Has those answered who ask before the daemon can do anything for them.
    fn answer_meanwhile(&mut self) -> Result<(), StartError> {
        if self.answers {
            return Ok(());
        }
        let root = force::page(&self.config).public_url.path().to_owned();
        let machines = web::Internal { daemon: Arc::clone(&self.said) as _ };
        let doors = [
            self.ground.people.as_ref().zip(Some(web::starting_router(&root))),
            self.ground.internal.as_ref().zip(Some(web::internal_router(machines))),
        ];
        for (door, router) in doors.into_iter().flatten() {
            let answered = door.answer_meanwhile(router, self.over.clone());
            answered.map_err(|cause| StartError::Io { what: format!("listener {}", door.wanted), cause })?;
        }
        self.answers = true;
        Ok(())
    }

    /// Has commands answered while it waits: without trouble the daemon itself is there as soon. Where that cannot be, the daemon
    /// says so when it takes over.
    fn open_socket(&mut self) {
        if self.ground.lock.is_none() || self.ground.socket.is_some() {
            return;
        }
        if let Ok(socket) = Socket::bind(&self.config.state_dir) {
            let socket = self.ground.socket.insert(Arc::new(socket)).clone();
            let (said, over) = (Arc::clone(&self.said), self.over.clone());
            tokio::spawn(async move { socket.serve(said, over).await });
        }
    }

    fn close_socket(&mut self) {
        if let Some(socket) = self.ground.socket.take() {
            // What is left of it answers nobody.
            let _ = socket.close();
        }
    }

    /// Takes note of what is waited for, and tells it; `true`: it is the first trouble. Logged once, however long it lasts.
    fn is_new_trouble(&mut self, error: &StartError) -> bool {
        let is_new = !std::mem::replace(&mut self.in_trouble, true);
        if is_new && let StartError::OlderPeers(_) = error {
            tracing::warn!(event = "instance.waits", "this instance waits: {error}");
        } else if is_new {
            tracing::error!(event = "store.trouble", error = %error, "the database cannot be worked with yet; trying on: {error}");
        }
        self.say(error.to_string());
        is_new
    }

    /// What is in the way, to whoever asks and to systemd, which waits on.
    fn say(&self, waits_for: String) {
        let refused = self.refused.as_ref();
        let refused = refused.map(|text| format!("{SETTINGS_REFUSED}: {}", without_addresses(text)));
        let reasons: Vec<String> = [waits_for].into_iter().chain(refused).collect();
        systemd::waiting(&format!("waits: {}", reasons.join("; ")));
        self.said.reasons.store(Arc::new(reasons));
    }

    /// Reads the settings again and goes on with them, or with those before where something is wrong with them. Nothing is in force yet, so
    /// everything in them is taken.
    async fn read_again(&mut self, heard: Heard, news: &mut News) {
        let cause = if matches!(heard, Heard::Asked(_)) { Cause::Asked } else { Cause::Edit };
        let read = self.read(cause).await;
        if let Some((watch, _)) = &news.watch {
            watch.set_secret_files(&self.files.secret_files);
        }
        match &read {
            Ok(changes) => reload::tell_good(changes, self.refused.take().is_some()),
            Err(refusal) => {
                let text = reload::tell_refused(refusal, cause, self.refused.as_deref());
                self.refused = Some(text);
                self.metrics.set_settings_refused();
            }
        }
        if let Some(waits_for) = self.said.reasons.load().first().filter(|_| self.in_trouble) {
            self.say(waits_for.clone());
        }
        if let Heard::Asked(answer) = heard {
            // Whoever went away needs none.
            let _ = answer.send(read);
        }
    }

    async fn read(&mut self, cause: Cause) -> Result<Vec<String>, Refusal> {
        let (main, env, clock) = (self.files.config.clone(), self.files.env.clone(), self.clock.clone());
        let tools = Tools { http: Http::new(clock.clone()), clock };
        let known = Arc::clone(&self.files.known);
        let reading = tokio::task::spawn_blocking(move || settings::load_after(&known, main.as_deref(), &env, &tools));
        let mut loaded = reading.await.map_err(|error| Refusal::new(1, error.to_string()))?;
        self.files.secret_files.clone_from(&loaded.secret_files);
        let asked = cause == Cause::Asked;
        loaded.findings.extend(settings::vanished(&self.config, self.files.known.files(), &loaded, asked));
        let (known, findings) = (std::mem::take(&mut loaded.known), loaded.findings.clone());
        let mut config =
            reload::accepted(loaded, "the settings were refused, and the daemon starts with the ones before")?;
        // The log is there already.
        config.log.format = self.config.log.format;
        let changes = diff(&self.config, &config);
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let wrong = |text: String| Refusal::new(78, text);
        self.log.set_filter(&config.log.level).map_err(|error| wrong(format!("log.level: {error}")))?;
        reload::tell_findings(&findings);
        // The locks stand in the state folder and beside the database, the socket in the folder, the page's address in what is answered.
        self.over.cancel();
        (self.over, self.answers) = (CancellationToken::new(), false);
        self.close_socket();
        let elsewhere = |one: &Config| (one.state_dir.clone(), one.database_url.expose().to_owned());
        if elsewhere(&self.config) != elsewhere(&config) {
            self.ground.lock = None;
        }
        (self.config, self.files.known) = (config, Arc::new(known));
        self.metrics.set_settings_accepted(self.clock.now());
        Ok(changes.lines_at_start())
    }

    /// The database is there: the daemon takes everything over.
    fn goes_on(self, shared: Arc<Shared>, scheduler: Scheduler) -> App {
        if self.in_trouble {
            tracing::info!(event = "store.recovered", "the database answers now");
        }
        if self.refused.is_some() {
            shared.metrics.set_settings_refused();
            shared.handle.set_settings_error(self.refused);
        }
        App { shared, scheduler, ground: self.ground }
    }
}

/// What is answered meanwhile.
struct Said {
    /// What is in the way.
    reasons: ArcSwap<Vec<String>>,
    metrics: Metrics,
    /// Has the settings read again.
    ask: mpsc::Sender<oneshot::Sender<Result<Vec<String>, Refusal>>>,
}

#[async_trait]
impl Machines for Said {
    async fn obstacles(&self) -> Vec<String> {
        self.reasons.load().to_vec()
    }

    async fn metrics(&self) -> String {
        self.metrics.set_ready(false);
        self.metrics.encode()
    }
}

#[async_trait]
impl Answerer for Said {
    async fn answer(&self, request: Request, _: ProgressSink) -> Result<Value, Refusal> {
        let later = || Refusal::new(75, format!("the daemon has not started yet: {}", self.reasons.load().join("; ")));
        match request {
            Request::Health => Ok(json!({ "healthy": false, "reasons": **self.reasons.load() })),
            Request::Reload => {
                let (answer, answered) = oneshot::channel();
                self.ask.send(answer).await.map_err(|_| later())?;
                let changes = answered.await.map_err(|_| later())??;
                let text = if changes.is_empty() { "nothing changed".to_owned() } else { changes.join("\n") };
                Ok(json!({ "changes": changes, "text": text }))
            }
            _ => Err(later()),
        }
    }
}
