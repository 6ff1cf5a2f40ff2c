//! Changes written into a file: the whole file is written anew beside the old one and takes its place in one step, so
//! that whoever reads it sees the old content or the new, never a part.
//!
//! Whatever is not changed is copied to the letter: foreign columns, order, delimiter, quotes, line ends, byte order mark.

pub(super) mod cells;
mod draft;
mod rewriting;
mod wanted;

use std::io;

pub(super) use draft::cannot_write;
pub(super) use wanted::price_text;

use self::{draft::Draft, rewriting::Rewriting};
use super::{
    content::{Content, explain, unavailable},
    items::Items,
    layout::Layout,
    real_path,
    records::ReadError,
    settings::{Counting, Settings},
};
use crate::{
    channels::{ChannelError, PushResult},
    domain::{Complaint, plan::Change},
};

/// Writes changes into the file of a shop.
pub(super) fn push(settings: &Settings, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    if settings.is_pattern() {
        let what = if settings.counting == Counting::Newest { "files of others" } else { "several files" };
        let cause = format!("`{}` names {what}, which are only read", settings.path.display());
        return Ok(refuse_all(changes, &cause, "name one file in `path` to write to it"));
    }
    let path = real_path(&settings.path);
    let before = Content::look(settings)?;
    let items = Items::open(&path, settings, None).map_err(|error| explain(&path, error))?;
    let (layout, records, kin) = items.into_parts();
    if matches!(layout, Layout::Shopify(..)) {
        let cause = format!("{} is Shopify's export, which is only read", path.display());
        return Ok(refuse_all(changes, &cause, "write to a file of another format"));
    }
    let mut draft = Draft::begin(&path).map_err(|error| cannot_write(&path, &error))?;
    let mut rewriting = Rewriting::new(settings, &path, layout, kin, changes);
    rewriting.copy(records, &mut draft).map_err(|error| match error {
        WriteError::Read(error) => explain(&path, error),
        WriteError::Write(error) => cannot_write(&path, &error),
    })?;
    if rewriting.changed {
        if Content::look(settings)?.stamp != before.stamp {
            return Err(unavailable(
                format!("{}: the file changed while it was being written anew; it was left as it is", path.display()),
                "nothing: the next try starts from the new content",
            ));
        }
        draft.finish().map_err(|error| cannot_write(&path, &error))?;
    }
    Ok(rewriting.results())
}

fn refuse_all(changes: &[Change], cause: &str, remedy: &str) -> Vec<PushResult> {
    changes.iter().map(|change| PushResult::Refused(refusal(change, "read_only", cause, remedy))).collect()
}

fn refusal(change: &Change, code: &str, cause: &str, remedy: &str) -> Complaint {
    Complaint {
        sku: change.sku.as_str().to_owned(),
        code: code.to_owned(),
        text: format!("{cause}; {remedy}"),
        request_id: None,
    }
}

enum WriteError {
    Read(ReadError),
    Write(io::Error),
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}
