//! The control socket: what commands may ask of a running daemon, both ends.
//!
//! A Unix socket in the runtime directory, guarded by that folder's permissions, else in `state_dir`, for its user alone. One request a connection:
//! a line of JSON each way, with lines of progress in between where a request takes its time.

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::mpsc,
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Finding,
    domain::{Demand, JobKind, ShopId},
};

/// The longest request: tokens handed in are the largest.
const LONGEST_REQUEST: u64 = 1024 * 1024;

/// The socket's name in its folder.
const SOCKET: &str = "control.sock";

/// What travels to the daemon and must not show on the way: as plain JSON, and as dots where it is printed for debugging.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden<T>(pub T);

impl<T> std::fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("•••")
    }
}

/// What a command may ask.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Read the settings again, now: `{"changes": [lines], "since": instant, "latest": [lines], "text": …}`, the latter three of what was
    /// last put in force, by this or by an edit noticed before.
    Reload,
    /// What a reload would change: `{"changes": [lines], "source": …}`, the latter null where the product source stays.
    Diff {
        /// The main file that the reload would read, a path from the root; `None`: the one in force.
        main: Option<PathBuf>,
    },
    /// Whether the daemon is well: `{"healthy": bool, "reasons": [], "timezone": name}`.
    Health,
    /// What `status --json` says, by the settings in force.
    Status {
        /// Of this shop alone.
        shop: Option<ShopId>,
        /// Of so many shops at most.
        limit: Option<usize>,
    },
    /// What `jobs why --json` says, by the settings in force.
    Why {
        /// The shop.
        shop: ShopId,
        /// The job.
        job: JobKind,
    },
    /// What `upcoming` says, by the settings in force.
    Upcoming {
        /// How many days ahead.
        days: u32,
        /// Every run of jobs that run often, too.
        every: bool,
    },
    /// What `shops list --json` says, by the settings in force.
    Shops,
    /// What `shops show` says, by the settings in force: keys, values and places in order.
    Settings {
        /// The shop.
        shop: ShopId,
    },
    /// Run a job now. Answers the run as `runs show` does; with `wait` once it is over, or its next attempt is far off.
    RunNow {
        /// The shop.
        shop: ShopId,
        /// The job.
        job: JobKind,
        /// What is demanded of it.
        demand: Demand,
        /// Answer when it is over or put off by more than a minute, with what happens until then.
        wait: bool,
    },
    /// The consent page's address for a shop.
    Authorize {
        /// The shop.
        shop: ShopId,
    },
    /// The address on which the browser ended.
    Authorized {
        /// The shop.
        shop: ShopId,
        /// The address.
        address: Hidden<String>,
    },
    /// Tokens that exist already, as JSON.
    HandIn {
        /// The shop.
        shop: ShopId,
        /// `access_token`, `refresh_token`, `account`, `authorized_at`, `ends_at`.
        tokens: Hidden<Value>,
    },
    /// A live call that proves that the permission works.
    Test {
        /// The shop.
        shop: ShopId,
    },
    /// Hold all jobs of a shop.
    Pause {
        /// The shop.
        shop: ShopId,
    },
    /// End the pause.
    Resume {
        /// The shop.
        shop: ShopId,
    },
    /// Erase what is kept of a shop that is not in the settings.
    Forget {
        /// The shop.
        shop: ShopId,
    },
    /// Deliver an owed or refused mail at once.
    MailRetry {
        /// Its number.
        id: i64,
    },
    /// Send a test mail.
    MailTest {
        /// To whom.
        address: String,
    },
    /// Seal everything with the first key of the ring.
    Reseal,
}

/// What a request came to.
type Answered = Result<Value, Refusal>;

/// How long the socket rests after a connection could not be taken.
const REST: Duration = Duration::from_millis(100);

/// How both ends know of each other that they go on.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How often the daemon says that it still works on a request.
    sign_of_life: Duration,
    /// How long it may say nothing: one that does is stuck.
    silence: Duration,
}

impl Pace {
    const USUAL: Self = Self { sign_of_life: Duration::from_secs(1), silence: Duration::from_secs(5) };
}

/// What the daemon answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It works on it; more follows.
    Working,
    /// What happens meanwhile; more follows.
    Meanwhile(Meanwhile),
    /// Done.
    Done {
        /// The result.
        result: Value,
    },
    /// Not done.
    Refused(Refusal),
}

/// What happens while a request is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meanwhile {
    /// How far it has come.
    Progress {
        /// Done.
        done: u64,
        /// Of how many, where that is known.
        of: Option<u64>,
    },
    /// Something happened: a line for people.
    Event(String),
}

/// Why something was not done.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The exit code that says how: see `cli`.
    pub exit: u8,
    /// Thing, cause and remedy.
    pub text: String,
    /// What is wrong with the settings, where that is the reason.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

impl Refusal {
    /// A refusal in words.
    pub fn new(exit: u8, text: impl Into<String>) -> Self {
        Self { exit, text: text.into(), findings: Vec::new() }
    }
}

/// Tells what happens while a request is answered.
pub type ProgressSink = mpsc::Sender<Meanwhile>;

/// Answers requests.
#[async_trait]
pub trait Answerer: Send + Sync {
    /// Answers one.
    async fn answer(&self, request: Request, progress: ProgressSink) -> Answered;
}

/// The daemon's end, in its place: whoever connects waits until it is served.
pub struct Socket {
    listener: UnixListener,
    /// Where commands look for it.
    path: PathBuf,
}

impl Socket {
    /// Takes the socket's place (whoever holds the state's lock may).
    ///
    /// It stands in `$RUNTIME_DIRECTORY` where there is one, with a link to it in `state_dir`: that is where commands look.
    pub fn bind(state_dir: &Path) -> io::Result<Self> {
        Self::bind_in(state_dir, std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from))
    }

    /// In the runtime directory, which is there for nothing else, that folder's group and mode say who comes to it. In the state folder
    /// nobody but its user does.
    fn bind_in(state_dir: &Path, runtime: Option<PathBuf>) -> io::Result<Self> {
        let runtime = runtime.filter(|folder| folder != state_dir);
        let (folder, mode) = runtime.as_deref().map_or((state_dir, 0o600), |runtime| (runtime, 0o660));
        let listener = bind(folder, mode)?;
        let path = state_dir.join(SOCKET);
        if let Some(runtime) = runtime {
            remove(&path)?;
            std::os::unix::fs::symlink(runtime.join(SOCKET), &path)?;
        }
        Ok(Self { listener, path })
    }

    /// Serves until `stop` fires; whoever connects after that waits for the next one that serves.
    pub async fn serve(&self, answerer: Arc<dyn Answerer>, stop: CancellationToken) {
        self.serve_at(Pace::USUAL, answerer, stop).await;
    }

    /// Gives its place up.
    pub fn close(&self) -> io::Result<()> {
        remove(&self.path)
    }

    async fn serve_at(&self, pace: Pace, answerer: Arc<dyn Answerer>, stop: CancellationToken) {
        loop {
            let stream = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(event = "control.failed", "control socket: {error}");
                        // What is short, as a rule the number of open files, is so for a while.
                        tokio::time::sleep(REST).await;
                        continue;
                    }
                },
            };
            let answerer = Arc::clone(&answerer);
            tokio::spawn(async move {
                // A command that went away needs no answer.
                let _ = converse(pace, stream, answerer).await;
            });
        }
    }
}

fn bind(folder: &Path, mode: u32) -> io::Result<UnixListener> {
    let (_folder, path) = short(folder)?;
    remove(&path)?;
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    Ok(listener)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The socket's path by way of the open folder: a socket's address holds 107 bytes, a path may be longer.
fn short(folder: &Path) -> io::Result<(std::fs::File, PathBuf)> {
    let open = std::fs::File::open(folder)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open))).join(SOCKET);
    Ok((open, path))
}

async fn converse(pace: Pace, stream: UnixStream, answerer: Arc<dyn Answerer>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reader.take(LONGEST_REQUEST)).read_line(&mut line).await?;
    let request = match serde_json::from_str(&line) {
        Ok(request) => request,
        Err(error) => {
            let text =
                format!("the request is not one this daemon knows ({error}); use the program of the daemon's version");
            return say(&mut writer, &Answer::Refused(Refusal::new(64, text))).await;
        }
    };
    let (sink, mut progress) = mpsc::channel(16);
    // Whether it is well must be answered at once, or it is not.
    let at_once = matches!(request, Request::Health);
    // New settings are put in force whole, or not at all, whether or not somebody still waits for the word.
    let whole = matches!(request, Request::Reload);
    let answer = async move { answerer.answer(request, sink).await };
    let mut answer: Pin<Box<dyn Future<Output = Answered> + Send>> =
        if whole { Box::pin(goes_on(answer)) } else { Box::pin(answer) };
    let mut signs = interval(pace.sign_of_life);
    let answer = loop {
        tokio::select! {
            _ = signs.tick(), if !at_once => say(&mut writer, &Answer::Working).await?,
            Some(word) = progress.recv() => say(&mut writer, &Answer::Meanwhile(word)).await?,
            answer = &mut answer => break answer,
        }
    };
    // What happened last may not have been told yet.
    while let Ok(word) = progress.try_recv() {
        say(&mut writer, &Answer::Meanwhile(word)).await?;
    }
    say(&mut writer, &answer.map_or_else(Answer::Refused, |result| Answer::Done { result })).await
}

/// Does it also where nobody waits for it any more.
async fn goes_on(answer: impl Future<Output = Answered> + Send + 'static) -> Answered {
    match tokio::spawn(answer).await {
        Ok(answer) => answer,
        Err(gone) => match gone.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(gone) => Err(Refusal::new(69, gone.to_string())),
        },
    }
}

async fn say(writer: &mut (impl AsyncWriteExt + Unpin), answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    writer.write_all(&line).await
}

/// The commands' end: asks the daemon and waits for its answer. Without a daemon, and with one that is stuck, the refusal says
/// so (69).
pub async fn ask(state_dir: &Path, request: &Request, meanwhile: impl FnMut(Meanwhile)) -> Result<Value, Refusal> {
    ask_at(Pace::USUAL, state_dir, request, meanwhile).await
}

async fn ask_at(
    pace: Pace,
    state_dir: &Path,
    request: &Request,
    mut meanwhile: impl FnMut(Meanwhile),
) -> Result<Value, Refusal> {
    let path = state_dir.join(SOCKET);
    let stuck = |_| {
        let text =
            format!("the daemon at {} does not answer; see its log, and restart it if it is stuck", path.display());
        Refusal::new(69, text)
    };
    let stream =
        timeout(pace.silence, connect(state_dir)).await.map_err(stuck)?.map_err(|error| no_daemon(&path, &error))?;
    let (reader, mut writer) = stream.into_split();
    let broken = |error: io::Error| {
        Refusal::new(69, format!("the daemon went away before it answered ({error}); see its log, then ask again"))
    };
    let mut line = serde_json::to_vec(request).map_err(|error| Refusal::new(1, error.to_string()))?;
    line.push(b'\n');
    writer.write_all(&line).await.map_err(broken)?;
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = timeout(pace.silence, lines.next_line()).await.map_err(stuck)?.map_err(broken)? {
        match serde_json::from_str(&line) {
            Ok(Answer::Working) => {}
            Ok(Answer::Meanwhile(word)) => meanwhile(word),
            Ok(Answer::Done { result }) => return Ok(result),
            Ok(Answer::Refused(refusal)) => return Err(refusal),
            Err(error) => {
                return Err(Refusal::new(1, format!("the daemon's answer is not one this program knows ({error})")));
            }
        }
    }
    Err(broken(io::ErrorKind::UnexpectedEof.into()))
}

/// The unit's state folder, which only root and the daemon enter, and its runtime directory, which a group may be let into.
const OF_UNIT: [&str; 2] = ["/var/lib/shopsyncd", "/run/shopsyncd"];

async fn connect(state_dir: &Path) -> io::Result<UnixStream> {
    let [state, runtime] = OF_UNIT.map(Path::new);
    connect_or(state_dir, Some(runtime).filter(|_| state_dir == state)).await
}

/// Connects in the state folder; whoever may not enter that, in the runtime directory.
async fn connect_or(state_dir: &Path, runtime: Option<&Path>) -> io::Result<UnixStream> {
    let within = async |folder: &Path| {
        let (_folder, path) = short(folder)?;
        UnixStream::connect(path).await
    };
    match (within(state_dir).await, runtime) {
        (Err(shut), Some(runtime)) if shut.kind() == io::ErrorKind::PermissionDenied => {
            within(runtime).await.map_err(|_| shut)
        }
        (connected, _) => connected,
    }
}

fn no_daemon(path: &Path, error: &io::Error) -> Refusal {
    let text = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!(
                "control socket {}: permission denied; run this as root, as the daemon's user, or as a member of the group that its unit names",
                path.display()
            )
        }
        _ => format!(
            "no daemon answers at {}; start it with `systemctl start shopsyncd` or `shopsyncd run`",
            path.display()
        ),
    };
    Refusal::new(69, text)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const FAST: Pace = Pace { sign_of_life: Duration::from_millis(20), silence: Duration::from_secs(1) };

    async fn ask(folder: &Path, request: &Request) -> Result<Value, Refusal> {
        ask_at(FAST, folder, request, |_| {}).await
    }

    #[tokio::test]
    async fn in_the_runtime_directory_the_folder_says_who_may_ask() {
        use std::os::unix::fs::PermissionsExt as _;
        let (state, runtime) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mode = |folder: &Path| std::fs::metadata(folder.join(SOCKET)).unwrap().permissions().mode() & 0o777;
        let alone = Socket::bind_in(state.path(), None).unwrap();
        assert_eq!(mode(state.path()), 0o600, "the state folder is nobody else's");
        drop(alone);
        let _apart = Socket::bind_in(state.path(), Some(runtime.path().to_owned())).unwrap();
        assert_eq!(mode(runtime.path()), 0o660);
        assert!(connect(state.path()).await.is_ok(), "by the link");

        // A user who may not enter the state folder comes by way of the other, if there is one.
        let shut = Path::new("/proc/1/fd");
        if std::fs::File::open(shut).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
            assert!(connect_or(shut, Some(runtime.path())).await.is_ok());
            assert!(connect_or(shut, None).await.is_err());
        }
        let gone = state.path().join("gone");
        assert!(connect_or(&gone, Some(runtime.path())).await.is_err(), "another daemon is not asked in one's place");
    }

    /// Takes longer for everything than a daemon may say nothing.
    struct Slow;

    #[async_trait]
    impl Answerer for Slow {
        async fn answer(&self, _: Request, _: ProgressSink) -> Result<Value, Refusal> {
            // Nothing but time makes a silence: here the wait is what is tested.
            tokio::time::sleep(FAST.silence + FAST.silence / 4).await;
            Ok(Value::from("done"))
        }
    }

    #[tokio::test]
    async fn a_daemon_that_says_nothing_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let _stopped = bind(folder.path(), 0o600).unwrap();
        for request in [Request::Health, Request::Reload] {
            let refusal = ask(folder.path(), &request).await.unwrap_err();
            assert_eq!(refusal.exit, 69);
            assert!(refusal.text.contains("does not answer; see its log"), "{refusal}");
        }
    }

    /// Tells what happens before it answers.
    struct Telling(Vec<Meanwhile>);

    #[async_trait]
    impl Answerer for Telling {
        async fn answer(&self, _: Request, told: ProgressSink) -> Result<Value, Refusal> {
            for word in &self.0 {
                told.send(word.clone()).await.unwrap();
            }
            Ok(Value::from("done"))
        }
    }

    #[tokio::test]
    async fn whatever_happens_meanwhile_is_told_before_the_answer() {
        let folder = tempfile::tempdir().unwrap();
        let happened = vec![
            Meanwhile::Progress { done: 1, of: Some(2) },
            Meanwhile::Progress { done: 2, of: None },
            Meanwhile::Event("attempt 1 failed".to_owned()),
        ];
        let stop = CancellationToken::new();
        let (socket, stopped) = (Socket::bind(folder.path()).unwrap(), stop.clone());
        let answerer = Arc::new(Telling(happened.clone()));
        let serving = tokio::spawn(async move { socket.serve_at(FAST, answerer, stopped).await });
        let mut heard = Vec::new();
        let answer = ask_at(FAST, folder.path(), &Request::Reseal, |word| heard.push(word)).await;
        assert_eq!((answer.unwrap(), heard), (Value::from("done"), happened));
        stop.cancel();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_daemon_that_works_may_take_its_time_but_not_to_say_whether_it_is_well() {
        let folder = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (socket, stopped) = (Socket::bind(folder.path()).unwrap(), stop.clone());
        let serving = tokio::spawn(async move { socket.serve_at(FAST, Arc::new(Slow), stopped).await });
        assert_eq!(ask(folder.path(), &Request::Reload).await.unwrap(), "done");
        assert_eq!(ask(folder.path(), &Request::Health).await.unwrap_err().exit, 69);
        stop.cancel();
        serving.await.unwrap();
    }
}
