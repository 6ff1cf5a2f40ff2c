//! The new file while it is being written, and how it takes the old one's place.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::WriteError;
use crate::channels::{
    ChannelError,
    file::{
        content::{cannot_read, unavailable},
        settings::file_name,
        text::Encoding,
    },
};

/// The new file while it is being written, beside the old one. Removed again unless it is finished.
pub(super) struct Draft {
    path: PathBuf,
    draft: PathBuf,
    out: Option<BufWriter<File>>,
}

impl Draft {
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        let draft = path.with_file_name(format!(".{}.shopsyncd", file_name(path)));
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&draft)?;
        let begun = Self { path: path.to_owned(), draft, out: Some(BufWriter::with_capacity(256 * 1024, file)) };
        // Whoever may read the old file may read the new one.
        fs::set_permissions(&begun.draft, fs::metadata(path)?.permissions())?;
        Ok(begun)
    }

    pub(super) fn write(&mut self, encoding: Encoding, text: &str) -> Result<(), WriteError> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let bytes = encoding.encode(text).unwrap_or_default();
        out.write_all(&bytes).map_err(WriteError::Write)
    }

    /// Puts it in the old one's place, lastingly.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if let Some(out) = self.out.take() {
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        }
        fs::rename(&self.draft, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is nothing of this name; what cannot be removed is overwritten by the next push.
        let _ = fs::remove_file(&self.draft);
    }
}

/// A file that cannot be replaced. The old one stands as it was.
pub(in crate::channels::file) fn cannot_write(path: &Path, error: &io::Error) -> ChannelError {
    let folder = path.parent().unwrap_or(Path::new(".")).display();
    let name = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => unavailable(
            format!("{name}: the disk is full; the file is as it was"),
            "make room on it for a second copy of the file",
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => unavailable(
            format!("{name}: its folder may not be written to; the file is as it was"),
            &format!(
                "let the daemon's user write to {folder}, since the file is replaced as a whole; under systemd add \
                 `ReadWritePaths={folder}` to the unit"
            ),
        ),
        io::ErrorKind::NotFound => cannot_read(path, error),
        _ => unavailable(format!("{name}: it cannot be written: {error}; the file is as it was"), "check its disk"),
    }
}
