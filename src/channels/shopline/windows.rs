//! Passes: what the cursor of an import holds between them and within one, the same on both platforms.
//!
//! A pass of changes begins some minutes before the last pass did: clocks differ, and lists lag behind edits. How a platform tells its
//! pages is its own affair (`P`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{TITLE, wire::Trouble};
use crate::{
    channels::{Acted, ChannelError, From},
    domain::{Cursor, Failure, PassKind},
};

/// A pass of changes begins this many seconds before the last pass did.
const OVERLAP_SECONDS: i64 = 300;
/// No shop has more pages; one that seems to hands out the same ones over and over.
const MOST_PAGES: u32 = 20_000;

/// Where an import stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place<P> {
    /// Between passes: the last one began at this second.
    Resume { since: i64 },
    /// Within a pass.
    Under(Window<P>),
}

/// A pass, and the page of it that comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Window<P> {
    /// The second at which it began.
    started: i64,
    /// Only what changed since this second; `None`: everything.
    since: Option<i64>,
    /// Which page comes next.
    pub(super) page: P,
    /// Products in a page: fewer where they do not fit into an answer.
    pub(super) size: u32,
    /// Pages read.
    pages: u32,
}

impl<P: Clone + Serialize + DeserializeOwned> Window<P> {
    /// Of what changed since a second, or of everything.
    pub(super) fn begin(since: Option<i64>, now: Timestamp, first: P, size: u32) -> Self {
        Self { started: now.as_second(), since, page: first, size, pages: 0 }
    }

    /// Where a page begins; a pass begins with this page, of this size.
    pub(super) fn of(from: &From, now: Timestamp, first: P, size: u32) -> Result<Self, ChannelError> {
        let noted = match (&from.cursor, from.kind, from.first) {
            (None, ..) | (_, PassKind::Full, true) => return Ok(Self::begin(None, now, first, size)),
            (Some(cursor), ..) => serde_json::from_str(&cursor.0).map_err(|error| bad_cursor(&error.to_string()))?,
        };
        Ok(match noted {
            Place::Resume { since } => Self::begin(Some(since - OVERLAP_SECONDS), now, first, size),
            Place::Under(window) => window,
        })
    }

    /// From when on changes are asked for.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.since.and_then(|since| Timestamp::from_second(since).ok())
    }

    /// The same pass from its beginning, which is now.
    #[must_use]
    pub(super) fn anew(&self, now: Timestamp, first: P, size: u32) -> Self {
        Self::begin(self.since, now, first, size)
    }

    /// The pass at another page.
    #[must_use]
    pub(super) fn at(&self, page: P) -> Self {
        Self { page, pages: self.pages + 1, ..self.clone() }
    }

    /// With smaller pages, where one did not fit into an answer and can be smaller.
    pub(super) fn smaller(&self, trouble: &Trouble) -> Option<Self> {
        let size = smaller(self.size, trouble)?;
        Some(Self { size, pages: self.pages + 1, ..self.clone() })
    }

    /// Whether more pages were read than any shop has.
    pub(super) fn never_ends(&self) -> bool {
        self.pages >= MOST_PAGES
    }

    /// What the next page starts from.
    pub(super) fn cursor(self) -> Cursor {
        written(&Place::Under(self))
    }

    /// What the next pass starts from.
    pub(super) fn resume(&self) -> Cursor {
        written(&Place::<P>::Resume { since: self.started })
    }
}

/// The next smaller size of a page that did not fit into an answer; `None`: it did not fail by that, or cannot be smaller.
pub(super) fn smaller(size: u32, trouble: &Trouble) -> Option<u32> {
    (trouble.is_too_large() && size > 1).then(|| (size / 5).max(1))
}

fn written(place: &impl Serialize) -> Cursor {
    Cursor(serde_json::to_string(place).expect("a cursor is plain data"))
}

/// A cursor that is not one of ours.
fn bad_cursor(why: &str) -> ChannelError {
    ChannelError {
        failure: Failure::Bug,
        text: format!("{TITLE}: the cursor of the import cannot be read: {why}"),
        remedy: "start a complete pass with `shopsyncd jobs run SHOP product_import --full`".into(),
        request_id: None,
        acted: Acted::No,
    }
}
