//! The right to be the only daemon of a state folder, and on a SQLite database: locks on the file `lock` in the folder, and on `FILE-lock`
//! beside the database, which need not stand there.
//!
//! The kernel takes a lock away from a process that dies, so whoever holds both knows that everybody before is gone.

use std::{
    fs,
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};

/// The locks, held until dropped.
#[derive(Debug)]
pub struct InstanceLock {
    _folder: Lock,
    database: Option<Lock>,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon has it.
    #[error("{} is held by {holder}; {remedy}", path.display())]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// What the holder wrote into it: its process and since when.
        holder: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The file could not be made or read.
    #[error("{}: {source}; its folder must belong to the user the daemon runs as", path.display())]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// What to do where somebody else works on the same file.
const STOP: &str = "stop it first (a SQLite database serves one daemon)";

/// What to do where somebody else has the same state folder.
const MOVE: &str = "stop it first, or give this one a `state_dir` of its own (a state folder serves one daemon)";

impl InstanceLock {
    /// Takes the lock of `state_dir`, and that of the database where it is a `file`, which must be there; at once or not at all. Writes
    /// into them whose they are, since `now`.
    pub fn take(state_dir: &Path, file: Option<&Path>, now: Timestamp) -> Result<Self, LockError> {
        let mut lock = Self::take_folder(state_dir, file.is_some(), now)?;
        if let Some(file) = file {
            lock.take_database(file, now)?;
        }
        Ok(lock)
    }

    /// Takes the lock of `state_dir`; that of the database, if it is a file, once there is one.
    pub fn take_folder(state_dir: &Path, on_file: bool, now: Timestamp) -> Result<Self, LockError> {
        let path = state_dir.join("lock");
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir);
        made.map_err(|source| LockError::Io { path: path.clone(), source })?;
        Ok(Self { _folder: Lock::take(path, if on_file { STOP } else { MOVE }, now)?, database: None })
    }

    /// Takes the lock of the database `file`, unless it is held already.
    pub fn take_database(&mut self, file: &Path, now: Timestamp) -> Result<(), LockError> {
        if self.database.is_none() {
            self.database = Some(Lock::take(beside(file)?, STOP, now)?);
        }
        Ok(())
    }
}

/// The lock of a database. It is not taken on the file itself: closing a second handle of that would end SQLite's own locks. It is the same
/// by whatever links the file is named.
fn beside(file: &Path) -> Result<PathBuf, LockError> {
    let real = file.canonicalize().map_err(|source| LockError::Io { path: file.to_owned(), source })?;
    let mut name = real.into_os_string();
    name.push("-lock");
    Ok(name.into())
}

/// One file, locked.
#[derive(Debug)]
struct Lock(fs::File);

impl Lock {
    fn take(path: PathBuf, remedy: &'static str, now: Timestamp) -> Result<Self, LockError> {
        let io = |source: io::Error| LockError::Io { path: path.clone(), source };
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "another process" } else { holder }.to_owned();
                return Err(LockError::Held { path, holder, remedy });
            }
            Err(errno) => return Err(io(errno.into())),
        }
        // Containers have processes of the same number, but hardly the same name.
        let system = rustix::system::uname();
        let words = format!("process {} of {} since {now}\n", std::process::id(), system.nodename().to_string_lossy());
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(words.as_bytes())).map_err(io)?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The words go first: a lock without words is free. Closing the file ends the lock itself.
        let _ = self.0.set_len(0);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    #[test]
    fn the_second_one_is_told_who_has_the_lock_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let first = InstanceLock::take(folder.path(), None, now()).unwrap();
        let refusal = InstanceLock::take(folder.path(), None, now()).unwrap_err().to_string();
        assert!(refusal.contains(&format!("process {} of ", std::process::id())), "{refusal}");
        assert!(
            refusal.contains(" since 2026-01-02T03:04:05Z; ") && refusal.contains("a `state_dir` of its own"),
            "{refusal}"
        );
        drop(first);
        InstanceLock::take(folder.path(), None, now()).unwrap();
    }

    #[test]
    fn a_database_serves_one_daemon_from_whatever_state_folder_and_by_whatever_name() {
        let desk = tempfile::tempdir().unwrap();
        let path = |name: &str| desk.path().join(name);
        fs::create_dir(path("data")).unwrap();
        fs::write(path("data/shops.db"), "").unwrap();
        std::os::unix::fs::symlink("data/shops.db", path("link.db")).unwrap();
        let first = InstanceLock::take(&path("one"), Some(&path("data/shops.db")), now()).unwrap();
        for name in ["data/shops.db", "one/../data/shops.db", "link.db"] {
            let refusal = InstanceLock::take(&path("two"), Some(&path(name)), now()).unwrap_err().to_string();
            let held = format!("data/shops.db-lock is held by process {} of ", std::process::id());
            assert!(
                refusal.contains(&held) && refusal.contains("a SQLite database serves one daemon"),
                "{name}: {refusal}"
            );
        }
        fs::write(path("data/others.db"), "").unwrap();
        InstanceLock::take(&path("two"), Some(&path("data/others.db")), now()).unwrap();
        drop(first);
        InstanceLock::take(&path("two"), Some(&path("link.db")), now()).unwrap();
    }
}
