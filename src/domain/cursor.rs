//! How far an import has come, in the channel's own terms.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RunId;

/// Where the next page of an import begins. Opaque to everything but the channel that made it.
///
/// A cursor is never a time alone: many products share one change time, so a channel keeps whatever else it takes to
/// go on without a gap (a page token, the last id, the window being read).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of pass over a shop's listings an import makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassKind {
    /// Every listing there is. Only such a pass, once ended, may mark what it did not see as gone.
    Full,
    /// What changed since the last pass, with an overlap of the channel's choosing.
    Changes,
}

/// A pass under way or ended: the row that is stored with each page, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Grows by one with every pass of this shop; listings remember the pass that last saw them.
    pub number: i64,
    /// What kind of pass.
    pub kind: PassKind,
    /// The run that began it; others may have gone on with it.
    pub run: RunId,
    /// When its first page was asked for. Values accepted by the shop after this instant are newer than its pages.
    pub started_at: Timestamp,
    /// Where it goes on; `None` before its first page.
    pub cursor: Option<Cursor>,
    /// When it ended; `None` while under way.
    pub ended_at: Option<Timestamp>,
}
