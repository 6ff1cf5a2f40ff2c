//! The right to be the only daemon on a SQLite database: a lock on the file `lock` in the state folder.
//!
//! The kernel takes the lock away from a process that dies, so whoever holds it knows that everybody before is gone.

use std::{
    fs,
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};

/// The lock, held until dropped.
#[derive(Debug)]
pub struct InstanceLock {
    file: fs::File,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon has it.
    #[error("{} is held by {holder}; stop it first (a SQLite database serves one daemon)", path.display())]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// What the holder wrote into it: its process and since when.
        holder: String,
    },
    /// The file could not be made or read.
    #[error("{}: {source}; the state folder must belong to the user the daemon runs as", path.display())]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

impl InstanceLock {
    /// Takes the lock of `state_dir`, at once or not at all, and writes into it whose it is, since `now`.
    pub fn take(state_dir: &Path, now: Timestamp) -> Result<Self, LockError> {
        let path = state_dir.join("lock");
        let io = |source: io::Error| LockError::Io { path: path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(io)?;
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
                return Err(LockError::Held { path, holder });
            }
            Err(errno) => return Err(io(errno.into())),
        }
        let words = format!("process {} since {now}\n", std::process::id());
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(words.as_bytes())).map_err(io)?;
        Ok(Self { file })
    }
}

impl Drop for InstanceLock {
    fn drop(&mut self) {
        // The words go first: a lock without words is free. Closing the file ends the lock itself.
        let _ = self.file.set_len(0);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_has_the_lock_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let first = InstanceLock::take(folder.path(), now).unwrap();
        let refusal = InstanceLock::take(folder.path(), now).unwrap_err().to_string();
        assert!(refusal.contains(&format!("process {} since 2026-01-02T03:04:05Z", std::process::id())), "{refusal}");
        drop(first);
        InstanceLock::take(folder.path(), now).unwrap();
    }
}
