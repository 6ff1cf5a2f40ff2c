//! Import: where a pass starts or goes on, and what a page of it has.

use crate::domain::{Complaint, Cursor, Listing, PassKind};

/// One page of a pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Valid listings.
    pub listings: Vec<Listing>,
    /// What was not valid, one each. A SKU with a complaint is there all the same: it is not gone.
    pub complaints: Vec<Complaint>,
    /// The products, by the channel's ids, of which nothing could be read. Whatever was known of their listings is there all the same.
    pub unread: Vec<String>,
    /// What is worth knowing of valid listings, for example that an empty SKU was replaced by a derived one.
    pub remarks: Vec<Complaint>,
    /// Where to go on; `None`: the pass has ended.
    pub next: Option<Cursor>,
    /// When the pass ends here: what the next pass of changes starts from.
    pub resume: Option<Cursor>,
    /// How many listings the whole pass will have, where the channel says: for progress.
    pub total: Option<u64>,
    /// The content changed under the pass, which begins again with this page: what the pass saw so far does not count.
    pub restart: bool,
}

/// Where a pass starts or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// The kind of pass.
    pub kind: PassKind,
    /// `next` of the page before; for the first page of a pass of changes, `resume` of the last pass; else `None`.
    pub cursor: Option<Cursor>,
    /// Whether this is the first page of the pass.
    pub first: bool,
}
