//! What the files of a shop hold as a whole: which files there are, whether they are sound, and their pages.

use std::{
    collections::{HashMap, hash_map::Entry as Slot},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    folder,
    items::{Entry, Items},
    records::{Fault, Place, ReadError},
    settings::{Settings, file_name},
    woocommerce::Family,
};
use crate::{
    channels::{Acted, ChannelError, Page},
    domain::{Complaint, Cursor, Failure},
};

/// A file written this recently may be written again without a trace in its size and times: those of some file systems
/// move in steps of two seconds.
const YOUNG: Duration = Duration::from_secs(2);

/// The files as they are now.
pub(super) struct Content {
    pub(super) files: Vec<PathBuf>,
    /// Changes when a file may have changed, or the settings that it is read with.
    pub(super) stamp: String,
    /// Whether an equal stamp does not yet prove equal content.
    pub(super) young: bool,
}

/// Where a pass stands, as kept in a [`Cursor`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) stamp: String,
    pub(super) young: bool,
    /// `None`: the pass has ended.
    pub(super) at: Option<At>,
}

/// A place in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct At {
    pub(super) file: usize,
    /// `None`: the file's first item.
    pub(super) place: Option<Place>,
}

impl Mark {
    pub(super) fn read(cursor: &Cursor) -> Option<Self> {
        serde_json::from_str(&cursor.0).ok()
    }

    pub(super) fn cursor(&self) -> Cursor {
        Cursor(serde_json::to_string(self).expect("texts and numbers can always be written"))
    }
}

impl Content {
    /// Looks at the files without reading them.
    pub(super) fn look(settings: &Settings) -> Result<Self, ChannelError> {
        let files = folder::find(settings)?;
        let mut digest = Sha256::new();
        digest.update(settings.digest_text());
        let mut young = false;
        for file in &files {
            let data = fs::metadata(file).map_err(|error| cannot_read(file, &error))?;
            let line = (data.len(), data.mtime(), data.mtime_nsec(), data.ino(), data.dev());
            digest.update(format!("{} {line:?}\n", file.display()));
            // The file system's clock, not ours: it is compared with its own times only.
            let age = data.modified().ok().and_then(|written| SystemTime::now().duration_since(written).ok());
            young |= age.is_none_or(|age| age < YOUNG);
        }
        let stamp = hex::encode(&digest.finalize()[..16]);
        Ok(Self { files, stamp, young })
    }
}

/// What a look through all files found. Small, whatever their size.
pub(super) struct Scan {
    pub(super) stamp: String,
    /// How many rows there are.
    pub(super) rows: u64,
    /// Rows whose SKU stands before: file and line to the place of the first.
    doubled: HashMap<(usize, u64), String>,
    /// What is known about the products of each file, where they have rows of their own.
    families: Vec<Option<Arc<Family>>>,
}

impl Scan {
    /// Reads all files to the end. A fault anywhere in them is an error: nothing of them counts then.
    pub(super) fn of(content: &Content, settings: &Settings) -> Result<Self, ChannelError> {
        // By hash, which takes less room than the SKU. Of a million SKUs two share one by chance in one of some 40
        // million files.
        let mut first: HashMap<u64, (usize, u64)> = HashMap::new();
        let mut scan = Self { stamp: content.stamp.clone(), rows: 0, doubled: HashMap::new(), families: Vec::new() };
        let mut entries: Vec<Entry> = Vec::new();
        for (number, file) in content.files.iter().enumerate() {
            let before = scan.rows;
            let said = |error| explain(file, error);
            let mut items = Items::open(file, settings, None).map_err(said)?;
            scan.families.push(items.family());
            while items.next(&mut entries).map_err(said)? {
                for entry in entries.drain(..).filter(|entry| entry.listing.is_some()) {
                    scan.rows += 1;
                    let mut hasher = DefaultHasher::new();
                    entry.sku.hash(&mut hasher);
                    match first.entry(hasher.finish()) {
                        _ if entry.sku.is_empty() => {}
                        Slot::Vacant(slot) => {
                            slot.insert((number, entry.line));
                        }
                        Slot::Occupied(slot) => {
                            let (file, line) = *slot.get();
                            let place = format!("{}:{line}", file_name(&content.files[file]));
                            scan.doubled.insert((number, entry.line), place);
                        }
                    }
                }
            }
            if scan.rows == before {
                let cause = "the file has no rows".to_owned();
                let remedy =
                    "write at least one product; a file without any would take every product off sale".to_owned();
                return Err(explain(file, Fault { line: 1, column: 1, cause, remedy }.into()));
            }
        }
        Ok(scan)
    }

    /// Whether the SKU of this row stands before.
    fn complaint_about(&self, entry: &Entry, file: usize, name: &str) -> Option<Complaint> {
        let first = self.doubled.get(&(file, entry.line))?;
        let (sku, line) = (&entry.sku, entry.line);
        let text = format!(
            "{name}:{line}: the SKU `{sku}` stands on {first} already; the first one counts; remove one of the two rows"
        );
        Some(Complaint { sku: sku.clone(), code: Complaint::DUPLICATE_SKU.to_owned(), text, request_id: None })
    }
}

/// Reads a page of at least `size` rows (products are not split) from a place on.
pub(super) fn read_page(
    content: &Content,
    settings: &Settings,
    scan: &Scan,
    from: At,
    size: usize,
    young: bool,
) -> Result<Page, ChannelError> {
    let mut page = Page { total: Some(scan.rows), ..Page::default() };
    let mark = |at| Mark { stamp: content.stamp.clone(), young, at }.cursor();
    let mut entries: Vec<Entry> = Vec::new();
    let mut read = 0;
    for (number, file) in content.files.iter().enumerate().skip(from.file) {
        let said = |error| explain(file, error);
        let name = file_name(file);
        let mut items = Items::open(file, settings, scan.families[number].clone()).map_err(said)?;
        if let Some(place) = from.place.filter(|_| number == from.file) {
            items.seek(place).map_err(said)?;
        }
        while items.next(&mut entries).map_err(said)? {
            read += entries.len();
            for entry in entries.drain(..) {
                match (scan.complaint_about(&entry, number, &name), entry.listing) {
                    (Some(complaint), _) | (None, Some(Err(complaint))) => page.complaints.push(complaint),
                    (None, Some(Ok(listing))) => {
                        page.remarks.extend(entry.notice);
                        page.listings.push(listing);
                    }
                    (None, None) => page.remarks.extend(entry.notice),
                }
            }
            if read >= size {
                page.next = Some(mark(Some(At { file: number, place: Some(items.place()) })));
                return Ok(page);
            }
        }
    }
    page.resume = Some(mark(None));
    Ok(page)
}

/// What a fault of a file means for the run.
pub(super) fn explain(file: &Path, error: ReadError) -> ChannelError {
    match error {
        ReadError::Io(error) => cannot_read(file, &error),
        ReadError::Bad(fault) => ChannelError {
            failure: Failure::Rejected,
            text: format!("{}, line {}, column {}: {}", file.display(), fault.line, fault.column.max(1), fault.cause),
            remedy: fault.remedy,
            request_id: None,
            acted: Acted::No,
        },
    }
}

/// A file or folder that cannot be read.
pub(super) fn cannot_read(path: &Path, error: &io::Error) -> ChannelError {
    let (cause, remedy) = match error.kind() {
        io::ErrorKind::NotFound => {
            ("there is no such file".to_owned(), "check `path`, or wait until the file is written")
        }
        io::ErrorKind::PermissionDenied => (
            "it may not be read".to_owned(),
            "let the daemon's user read the file and enter its folders; under systemd check the unit's sandbox",
        ),
        io::ErrorKind::IsADirectory => {
            ("it is a folder".to_owned(), "name a file in `path`, or a pattern such as \"/srv/erp/*.csv\"")
        }
        _ => (error.to_string(), "check the disk or the network share it is on"),
    };
    unavailable(format!("{}: {cause}", path.display()), remedy)
}

/// An error that passes by itself, or once somebody mends the machine.
pub(super) fn unavailable(text: String, remedy: &str) -> ChannelError {
    ChannelError {
        failure: Failure::Unavailable { retry_at: None },
        text,
        remedy: remedy.to_owned(),
        request_id: None,
        acted: Acted::No,
    }
}
