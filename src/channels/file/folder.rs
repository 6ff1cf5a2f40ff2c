//! Files that others put into a folder: which of them count, when they are complete, and what becomes of old ones.
//!
//! An upload grows under its own name or another one, pauses, and may keep the time of the original; clocks of machines
//! differ. So a file counts as complete once it was *seen* to stand unchanged (size, both of its times, inode) over the
//! settle time. Its times alone are believed only where they are older than clocks can differ.
//!
//! A file that is not complete makes the import wait; it is never left out. Left out, its products would look dropped, or
//! an older file would count again. For the same reason a file that has vanished is waited for: many clients delete the old file before
//! they give the new one its name.

use std::{
    collections::HashMap,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};

use super::{
    content::{Content, cannot_read, unavailable},
    settings::{Counting, Settings, file_name},
};
use crate::{channels::ChannelError, domain::Failure};

/// What names of unfinished uploads end in; hidden files are left out as well.
const PARTIAL: &[&str] =
    &[".part", ".partial", ".filepart", ".tmp", ".temp", ".upload", ".uploading", ".crdownload", "~"];

/// Older than this, a file's times are believed: no two clocks differ as much.
const BELIEVED: SignedDuration = SignedDuration::from_mins(10);

/// The folder that old files are moved to.
const ARCHIVE: &str = "archive";

/// The files that count, in name order.
pub(super) fn find(settings: &Settings) -> Result<Vec<PathBuf>, ChannelError> {
    if !settings.is_pattern() {
        return Ok(vec![settings.path.clone()]);
    }
    let mut files = candidates(settings)?;
    if settings.counting == Counting::Newest {
        let mut newest = None;
        for file in files {
            let data = fs::metadata(&file).map_err(|error| cannot_read(&file, &error))?;
            newest = newest.max(Some((data.mtime(), data.mtime_nsec(), file)));
        }
        files = newest.into_iter().map(|(.., file)| file).collect();
    }
    if files.is_empty() {
        return Err(unavailable(
            format!("{}: no file matches", settings.path.display()),
            "check `path`, or wait until the files are written",
        ));
    }
    Ok(files)
}

/// The files that a pattern fits, in name order, without unfinished ones and markers.
fn candidates(settings: &Settings) -> Result<Vec<PathBuf>, ChannelError> {
    let folder = folder_of(&settings.path);
    let pattern: Vec<char> = file_name(&settings.path).chars().collect();
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| cannot_read(folder, &error))? {
        let path = entry.map_err(|error| cannot_read(folder, &error))?.path();
        let name = file_name(&path);
        let is_marker = settings.marker.as_ref().is_some_and(|marker| name.ends_with(marker.as_str()));
        if !is_partial(&name)
            && !is_marker
            && matches_pattern(&pattern, &name.chars().collect::<Vec<_>>())
            && path.is_file()
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a name is one of an unfinished file. As in a shell, hidden files are not meant: our own unfinished ones are hidden.
fn is_partial(name: &str) -> bool {
    let name = name.to_lowercase();
    name.starts_with('.') || PARTIAL.iter().any(|ending| name.ends_with(ending))
}

fn matches_pattern(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('*', rest)) => (0..=name.len()).any(|skip| matches_pattern(rest, &name[skip..])),
        Some(('?', rest)) => !name.is_empty() && matches_pattern(rest, &name[1..]),
        Some((letter, rest)) => name.first() == Some(letter) && matches_pattern(rest, &name[1..]),
    }
}

/// What changes with a file: its size, both of its times, and which file it is.
type Shape = (u64, i64, i64, i64, i64, u64);

fn shape(data: &Metadata) -> Shape {
    (data.len(), data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec(), data.ino())
}

/// How files were seen to stand, and since when.
#[derive(Debug, Default)]
pub(super) struct Watch {
    stand: HashMap<PathBuf, (Shape, Timestamp)>,
    /// The files that counted when they were last looked at.
    counted: Vec<PathBuf>,
    /// Those of them that are gone, and since when.
    vanished: HashMap<PathBuf, Timestamp>,
}

impl Watch {
    /// Refuses content with a file in it that is not complete.
    pub(super) fn wait_for(
        &mut self,
        content: &Content,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<(), ChannelError> {
        self.wait_for_vanished(content, settings, now)?;
        let uploads = uploads(content, settings)?;
        self.stand.retain(|path, _| content.files.contains(path) || uploads.contains(path));
        for upload in &uploads {
            let data = fs::metadata(upload).map_err(|error| cannot_read(upload, &error))?;
            // One that does not grow any more was given up.
            if self.settles_at(upload, &data, BELIEVED, now).is_some() {
                return Err(being_replaced(upload, now + settings.settle));
            }
        }
        // All of them are looked at, so that they stand still together and not one after the other.
        let mut last: Option<(Timestamp, &Path)> = None;
        for file in &content.files {
            let data = fs::metadata(file).map_err(|error| cannot_read(file, &error))?;
            if let Some(marker) = &settings.marker {
                refuse_unmarked(file, &data, marker)?;
            }
            if let Some(at) = self.settles_at(file, &data, settings.settle, now)
                && last.is_none_or(|(latest, _)| latest < at)
            {
                last = Some((at, file));
            }
        }
        if let Some((retry_at, file)) = last {
            let text = format!("{}: the file is still being written", file.display());
            let failure = Failure::Unavailable { retry_at: Some(retry_at) };
            let remedy = "nothing: it is read once it has stood unchanged for a while, see `settle`";
            return Err(ChannelError { failure, ..unavailable(text, remedy) });
        }
        self.counted.clone_from(&content.files);
        Ok(())
    }

    /// Refuses content without a file that counted a moment ago.
    fn wait_for_vanished(
        &mut self,
        content: &Content,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<(), ChannelError> {
        let gone: Vec<&PathBuf> =
            self.counted.iter().filter(|path| !content.files.contains(path) && !path.exists()).collect();
        self.vanished.retain(|path, since| gone.contains(&path) && *since <= now);
        for path in gone {
            let since = *self.vanished.entry(path.clone()).or_insert(now);
            if since + settings.settle > now {
                return Err(being_replaced(path, since + settings.settle));
            }
        }
        Ok(())
    }

    /// When a file will have stood unchanged for long enough; `None`: it has.
    fn settles_at(
        &mut self,
        file: &Path,
        data: &Metadata,
        settle: SignedDuration,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if settle.is_zero() {
            return None;
        }
        let written = Timestamp::from_second(data.mtime().max(data.ctime())).ok();
        if written.is_some_and(|written| now.duration_since(written) >= settle.max(BELIEVED)) {
            return None;
        }
        let shape = shape(data);
        let seen = self.stand.entry(file.to_owned()).or_insert((shape, now));
        // A clock that was set back begins anew as well.
        if seen.0 != shape || seen.1 > now {
            *seen = (shape, now);
        }
        let settles_at = seen.1.saturating_add(settle).unwrap_or(now);
        (settles_at > now).then_some(settles_at)
    }

    /// Notes that a file stands as we wrote it ourselves.
    pub(super) fn note_own(&mut self, file: &Path) {
        if let Ok(data) = fs::metadata(file) {
            self.stand.insert(file.to_owned(), (shape(&data), Timestamp::MIN));
        }
    }
}

/// Unfinished files that will take the place of one that fits the pattern and is not there.
fn uploads(content: &Content, settings: &Settings) -> Result<Vec<PathBuf>, ChannelError> {
    if !settings.is_pattern() || settings.settle.is_zero() {
        return Ok(Vec::new());
    }
    let folder = folder_of(&settings.path);
    let pattern: Vec<char> = file_name(&settings.path).chars().collect();
    let mut uploads = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| cannot_read(folder, &error))? {
        let path = entry.map_err(|error| cannot_read(folder, &error))?.path();
        let name = file_name(&path);
        let last = PARTIAL.iter().find_map(|ending| name.strip_suffix(ending));
        let fits = |last: &str| matches_pattern(&pattern, &last.chars().collect::<Vec<_>>());
        let is_missing =
            |last: &str| !content.files.contains(&path.with_file_name(last)) && !path.with_file_name(last).exists();
        if last.is_some_and(|last| fits(last) && is_missing(last)) {
            uploads.push(path);
        }
    }
    Ok(uploads)
}

fn being_replaced(file: &Path, retry_at: Timestamp) -> ChannelError {
    let text = format!("{}: the file is being replaced", file.display());
    let remedy = "nothing: what is in the folder is read once it has stood unchanged for a while, see `settle`";
    ChannelError { failure: Failure::Unavailable { retry_at: Some(retry_at) }, ..unavailable(text, remedy) }
}

/// A file counts once its marker was written, after it. What is compared are times of one file system, which no client sets.
fn refuse_unmarked(file: &Path, data: &Metadata, marker: &str) -> Result<(), ChannelError> {
    let since = (data.ctime(), data.ctime_nsec());
    let is_marked = markers_of(file, marker)
        .iter()
        .any(|path| fs::metadata(path).is_ok_and(|found| (found.ctime(), found.ctime_nsec()) >= since));
    if is_marked {
        return Ok(());
    }
    Err(unavailable(
        format!("{}: the file is not marked as complete by a newer {}{marker}", file.display(), file_name(file)),
        "let whoever writes the file write the marker after it, or remove `marker` from the settings",
    ))
}

/// The names that the marker of a file may have: products.csv.done and products.done.
fn markers_of(file: &Path, marker: &str) -> [PathBuf; 2] {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    [file.with_file_name(format!("{}{marker}", file_name(file))), file.with_file_name(format!("{stem}{marker}"))]
}

/// Moves the files that an imported one has replaced to the archive. `kept` is the one that was imported, and stays.
pub(super) fn archive(settings: &Settings, kept: &Path, now: Timestamp) -> Result<(), ChannelError> {
    let newest = fs::metadata(kept).map_err(|error| cannot_read(kept, &error))?;
    for file in candidates(settings)?.into_iter().filter(|file| file != kept) {
        let data = fs::metadata(&file).map_err(|error| cannot_read(&file, &error))?;
        let written = Timestamp::from_second(data.mtime().max(data.ctime())).unwrap_or(now);
        let is_older = (data.mtime(), data.mtime_nsec()) <= (newest.mtime(), newest.mtime_nsec());
        // One that was written a moment ago may still grow: the next import moves it.
        if is_older && now.duration_since(written) >= settings.settle {
            move_away(settings, &file, now).map_err(|error| cannot_archive(&file, &error))?;
        }
    }
    Ok(())
}

fn move_away(settings: &Settings, file: &Path, now: Timestamp) -> io::Result<()> {
    let archive = folder_of(file).join(ARCHIVE);
    fs::create_dir_all(&archive)?;
    let stamp = now.strftime("%Y%m%dT%H%M%SZ");
    let markers = settings.marker.iter().flat_map(|marker| markers_of(file, marker));
    for path in std::iter::once(file.to_owned()).chain(markers.filter(|path| path.is_file())) {
        let name = file_name(&path);
        let names =
            std::iter::once(format!("{stamp}-{name}")).chain((2..).map(|number| format!("{stamp}-{number}-{name}")));
        let free = names.map(|name| archive.join(name)).find(|path| !path.exists());
        fs::rename(&path, free.unwrap_or_else(|| archive.join(&name)))?;
    }
    Ok(())
}

fn cannot_archive(file: &Path, error: &io::Error) -> ChannelError {
    let folder = folder_of(file).join(ARCHIVE);
    unavailable(
        format!("{}: the file cannot be moved to {}: {error}; it stays where it is", file.display(), folder.display()),
        "let the daemon's user write to both folders, or set `after_import = \"keep\"`",
    )
}
