//! Noticing that settings files, or files with secrets, have changed.
//!
//! The truth is a look at the files: names, sizes and times, once a second. The kernel's notices only say when to look
//! sooner; where they cannot be had, or miss something (a folder that was replaced, a network file system), the next look
//! finds it. Whatever an editor does (writing in place, renaming over, swapping a link), one signal follows when the files
//! have been quiet for a moment.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep, timeout},
};

use super::load::shop_files;

/// How often the files are looked at when nothing points to a change.
const LOOK: Duration = Duration::from_secs(1);

/// How long files must be quiet, so that half an edit is not read.
const SETTLE: Duration = Duration::from_millis(250);

/// How long an edit that goes on and on may put off the signal: a change must take effect within two seconds.
const PATIENCE: Duration = Duration::from_millis(700);

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The main file; `shops.d` beside it is watched too.
    pub main: PathBuf,
    /// Files that secrets were read from.
    pub secret_files: Vec<PathBuf>,
}

/// A watch that is kept. Dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    watched: watch::Sender<Watched>,
}

impl Watch {
    /// Starts watching. Each signal means: read the settings again. Start before the first reading, so that no edit falls
    /// between the two. Signals that are not taken are one.
    pub fn start(watched: Watched) -> (Self, mpsc::Receiver<()>) {
        Self::start_with(watched, true, LOOK)
    }

    /// Other secret files, after new settings.
    pub fn set_secret_files(&self, files: &[PathBuf]) {
        self.watched.send_if_modified(|watched| {
            let other = watched.secret_files != files;
            watched.secret_files = files.to_vec();
            other
        });
    }

    fn start_with(watched: Watched, notices: bool, every: Duration) -> (Self, mpsc::Receiver<()>) {
        let (signals, receiver) = mpsc::channel(1);
        let (sender, watched) = watch::channel(watched);
        let mut eye = Eye::open(&watched.borrow(), notices);
        eye.look(&watched.borrow());
        tokio::spawn(run(eye, watched, signals, every));
        (Self { watched: sender }, receiver)
    }
}

async fn run(mut eye: Eye, mut watched: watch::Receiver<Watched>, signals: mpsc::Sender<()>, every: Duration) {
    loop {
        tokio::select! {
            () = eye.hint.notified() => settle(&eye.hint).await,
            () = sleep(every) => {}
            changed = watched.changed() => {
                if changed.is_err() {
                    return;
                }
                let files = watched.borrow_and_update().clone();
                eye.last.add(&files);
                eye.follow(&files);
                continue;
            }
            () = signals.closed() => return,
        }
        let files = watched.borrow().clone();
        // Thousands of files take a while to look at, and nobody else is kept waiting for that.
        let looked = tokio::task::spawn_blocking(move || (eye.look(&files), eye));
        let Ok((different, seen)) = looked.await else { return };
        eye = seen;
        if different {
            // A signal that waits to be taken says this, too.
            let _ = signals.try_send(());
        }
    }
}

/// What was last seen, and the notices that say when to look sooner.
struct Eye {
    last: Look,
    hint: Arc<Notify>,
    notices: Option<Notices>,
}

impl Eye {
    fn open(files: &Watched, notices: bool) -> Self {
        let hint = Arc::new(Notify::new());
        let notices = if notices { Notices::new(&hint) } else { None };
        let mut eye = Self { last: Look(BTreeMap::new()), hint, notices };
        eye.follow(files);
        eye
    }

    /// Whether the files look different now. Where they do, there may be folders to follow, and in these something may
    /// have happened since: so it looks until nothing is new.
    fn look(&mut self, files: &Watched) -> bool {
        let mut different = false;
        loop {
            let now = Look::of(files);
            if now == self.last {
                return different;
            }
            different = true;
            self.last = now;
            self.follow(files);
        }
    }

    fn follow(&mut self, files: &Watched) {
        if let Some(notices) = &mut self.notices {
            notices.follow(&self.last.folders(files));
        }
    }
}

/// Waits until no notice has come for a moment.
async fn settle(hint: &Notify) {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end && timeout(SETTLE, hint.notified()).await.is_ok() {}
}

/// The kernel's notices.
struct Notices {
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
}

impl Notices {
    fn new(hint: &Arc<Notify>) -> Option<Self> {
        let hint = Arc::clone(hint);
        let told = move |event: notify::Result<notify::Event>| {
            // Reading is no change; whatever else happened, and errors, are worth a look.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(access) if !is_write(access))) {
                hint.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(told).ok()?;
        Some(Self { watcher, folders: BTreeSet::new() })
    }

    /// Watches these folders. A folder may have been replaced by another of its name, so all are named again each time.
    fn follow(&mut self, folders: &BTreeSet<PathBuf>) {
        for gone in self.folders.difference(folders) {
            drop(self.watcher.unwatch(gone));
        }
        for folder in folders {
            // Without notices of a folder the next look finds its changes.
            drop(self.watcher.watch(folder, RecursiveMode::NonRecursive));
        }
        self.folders.clone_from(folders);
    }
}

fn is_write(access: notify::event::AccessKind) -> bool {
    use notify::event::{AccessKind, AccessMode};
    matches!(access, AccessKind::Close(AccessMode::Write))
}

/// What the files look like from outside; those that are not there are in it, too.
#[derive(Debug, PartialEq, Eq)]
struct Look(BTreeMap<PathBuf, Option<Stamp>>);

/// What changes when a file does, or when a link points elsewhere.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    /// The folder where it really is.
    folder: Arc<Path>,
    inode: (u64, u64),
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Look {
    fn of(watched: &Watched) -> Self {
        let folder = watched.main.parent().unwrap_or(Path::new("."));
        let shops = shop_files(folder).unwrap_or_default();
        let all = [watched.main.clone()].into_iter().chain(shops).chain(watched.secret_files.iter().cloned());
        let mut folders = Folders::default();
        Self(all.map(|file| (file.clone(), stamp(&file, &mut folders))).collect())
    }

    /// Takes files in that were not watched before; what is known of the others stays.
    fn add(&mut self, watched: &Watched) {
        self.0.retain(|file, _| *file == watched.main || !file_is_secret_no_more(file, watched));
        let mut folders = Folders::default();
        for file in &watched.secret_files {
            self.0.entry(file.clone()).or_insert_with(|| stamp(file, &mut folders));
        }
    }

    /// The folders in which a change would show: those of the names and those of the files behind them.
    fn folders(&self, watched: &Watched) -> BTreeSet<PathBuf> {
        let parent = |path: &Path| path.parent().map(Path::to_owned);
        let mut folders: BTreeSet<PathBuf> = self.0.keys().filter_map(|file| parent(file)).collect();
        folders.extend(self.0.values().flatten().map(|stamp| stamp.folder.to_path_buf()));
        if let Some(main) = parent(&watched.main) {
            folders.insert(main.join("shops.d"));
        }
        folders.retain(|folder| folder.is_dir());
        folders
    }
}

/// Whether a file was watched for a secret that no longer stands there.
fn file_is_secret_no_more(file: &Path, watched: &Watched) -> bool {
    let shops = watched.main.parent().map(|folder| folder.join("shops.d"));
    file.parent() != shops.as_deref() && !watched.secret_files.iter().any(|secret| secret == file)
}

/// Folders, and where they really are.
type Folders = HashMap<PathBuf, Arc<Path>>;

fn stamp(file: &Path, folders: &mut Folders) -> Option<Stamp> {
    let own = fs::symlink_metadata(file).ok()?;
    // Only a link leads elsewhere than its folder does, which is asked once for all files in it: this is done every second.
    let (about, folder) = if own.is_symlink() {
        (fs::metadata(file).ok()?, fs::canonicalize(file).ok()?.parent()?.into())
    } else {
        let named = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folders.contains_key(named) {
            folders.insert(named.to_owned(), fs::canonicalize(named).ok()?.into());
        }
        (own, Arc::clone(folders.get(named)?))
    };
    Some(Stamp {
        folder,
        inode: (about.dev(), about.ino()),
        size: about.size(),
        written: (about.mtime(), about.mtime_nsec()),
        changed: (about.ctime(), about.ctime_nsec()),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// A folder under watch.
    struct Desk {
        folder: TempDir,
        watch: Watch,
        signals: mpsc::Receiver<()>,
    }

    impl Desk {
        fn new(notices: bool) -> Self {
            let folder = TempDir::new().unwrap();
            for (name, text) in [("main.toml", ""), ("secret", "a"), ("real/one.toml", "#"), ("real/two.toml", "##")] {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let watched =
                Watched { main: folder.path().join("main.toml"), secret_files: vec![folder.path().join("secret")] };
            // Of the two ways of noticing, the other one is put out of action.
            let every = if notices { Duration::from_mins(1) } else { Duration::from_millis(50) };
            let (watch, signals) = Watch::start_with(watched, notices, every);
            Self { folder, watch, signals }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// The promise: a signal within two seconds.
        async fn signalled(&mut self, after: &str) {
            let signal = timeout(Duration::from_secs(2), self.signals.recv()).await;
            assert_eq!(signal.unwrap_or_else(|_| panic!("no signal after {after}")), Some(()), "{after}");
        }
    }

    async fn all_kinds_of_edits(notices: bool) {
        let mut desk = Desk::new(notices);
        fs::write(desk.path("main.toml"), "timezone = \"UTC\"\n").unwrap();
        desk.signalled("writing in place").await;
        fs::write(desk.path(".main.toml.swp"), "timezone = \"Europe/Berlin\"\n").unwrap();
        fs::rename(desk.path(".main.toml.swp"), desk.path("main.toml")).unwrap();
        desk.signalled("renaming over").await;
        fs::create_dir(desk.path("shops.d")).unwrap();
        fs::write(desk.path("shops.d/a.toml"), "[shops.a]\n").unwrap();
        desk.signalled("a first file in a new shops.d").await;
        symlink("../real/one.toml", desk.path("shops.d/link.toml")).unwrap();
        desk.signalled("a link").await;
        symlink("../real/two.toml", desk.path("shops.d/.new")).unwrap();
        fs::rename(desk.path("shops.d/.new"), desk.path("shops.d/link.toml")).unwrap();
        desk.signalled("swapping a link").await;
        fs::write(desk.path("real/two.toml"), "# behind the link\n").unwrap();
        desk.signalled("writing behind a link").await;
        fs::write(desk.path("secret"), "another").unwrap();
        desk.signalled("another secret").await;
        fs::remove_file(desk.path("shops.d/a.toml")).unwrap();
        desk.signalled("removing a shop's file").await;
        fs::remove_dir_all(desk.path("shops.d")).unwrap();
        desk.signalled("removing shops.d").await;
        fs::remove_file(desk.path("main.toml")).unwrap();
        desk.signalled("removing the main file").await;
    }

    #[tokio::test]
    async fn every_kind_of_edit_is_signalled_within_two_seconds() {
        all_kinds_of_edits(true).await;
    }

    #[tokio::test]
    async fn every_kind_of_edit_is_signalled_without_the_kernels_notices_too() {
        all_kinds_of_edits(false).await;
    }

    #[tokio::test]
    async fn other_secret_files_can_be_named_later() {
        let mut desk = Desk::new(true);
        fs::write(desk.path("other"), "x").unwrap();
        desk.watch.set_secret_files(&[desk.path("other")]);
        fs::write(desk.path("other"), "longer").unwrap();
        // The first look may have been before the second writing or after it; a third writing is seen in any case.
        while timeout(Duration::from_millis(1500), desk.signals.recv()).await.is_err() {
            fs::write(desk.path("other"), "longer still").unwrap();
        }
    }

    #[tokio::test]
    async fn dropping_the_watch_ends_the_signals() {
        let desk = Desk::new(true);
        let Desk { folder: _folder, watch, mut signals } = desk;
        drop(watch);
        assert_eq!(signals.recv().await, None);
    }

    #[test]
    fn what_lies_beside_the_settings_is_no_part_of_the_look() {
        let folder = TempDir::new().unwrap();
        let watched = Watched { main: folder.path().join("main.toml"), secret_files: Vec::new() };
        let before = Look::of(&watched);
        fs::write(folder.path().join("main.toml~"), "").unwrap();
        fs::create_dir(folder.path().join("shops.d")).unwrap();
        fs::write(folder.path().join("shops.d/.a.toml.swp"), "").unwrap();
        fs::write(folder.path().join("shops.d/README"), "").unwrap();
        assert_eq!(Look::of(&watched), before);
    }
}
