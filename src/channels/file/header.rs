//! The header of another program's format: which of its columns stands where.

use std::collections::BTreeMap;

use super::records::{Fault, Record};

/// A header, read by the names that a format gives its columns.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) delimiter: u8,
    /// How many cells a row has.
    pub(super) width: usize,
    /// The format's name of each column, as [`plain`] has it; empty for those that the settings map elsewhere.
    names: Vec<String>,
    /// How the file writes them.
    written: Vec<String>,
}

/// A name without what does not matter: capitals, and `_` or a blank between its words.
pub(super) fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace('_', " ")
}

impl Header {
    /// Reads a header. `mapped` are the columns that the settings name: the format's name to the file's.
    pub(super) fn read(record: &Record, delimiter: u8, mapped: &BTreeMap<String, String>) -> Self {
        let written: Vec<String> =
            (0..record.width()).map(|index| record.cell(index).unwrap_or_default().into_owned()).collect();
        let name = |cell: &String| {
            let cell = plain(cell);
            match mapped.iter().find(|(_, theirs)| plain(theirs) == cell) {
                Some((name, _)) => plain(name),
                // A column that the settings map elsewhere is foreign under its usual name.
                None if mapped.keys().any(|name| plain(name) == cell) => String::new(),
                None => cell,
            }
        };
        Self { delimiter, width: record.width(), names: written.iter().map(name).collect(), written }
    }

    /// Where a column stands, by the format's name.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        let name = plain(name);
        self.names.iter().position(|known| *known == name)
    }

    /// Where the columns of one name stand, for those that may come several times.
    pub(super) fn all(&self, name: &str) -> Vec<usize> {
        let name = plain(name);
        (0..self.width).filter(|index| self.names[*index] == name).collect()
    }

    /// A cell's text, by the format's name; empty where there is no such column.
    pub(super) fn text(&self, record: &Record, name: &str) -> String {
        self.index(name).and_then(|index| record.cell(index)).map(std::borrow::Cow::into_owned).unwrap_or_default()
    }

    /// How the file writes a column.
    pub(super) fn written(&self, name: &str) -> Option<&str> {
        Some(&self.written[self.index(name)?])
    }

    /// Refuses a header that lacks one of these columns, or has one of `single` twice.
    pub(super) fn refuse(&self, line: u64, what: &str, needed: &[&str], single: &[&str]) -> Result<(), Fault> {
        let fault = |cause, remedy: &str| Fault { line, column: 0, cause, remedy: remedy.to_owned() };
        let lacking: Vec<String> =
            needed.iter().filter(|name| self.index(name).is_none()).map(|name| format!("`{name}`")).collect();
        if !lacking.is_empty() {
            let cause = format!("the header lacks {}: this is not {what}", lacking.join(", "));
            return Err(fault(
                cause,
                "write the file again with it, map other names with `columns`, or set another `format`",
            ));
        }
        match single.iter().find(|name| self.all(name).len() > 1) {
            Some(name) => {
                Err(fault(format!("the header names `{name}` twice"), "rename or remove one of the two columns"))
            }
            None => Ok(()),
        }
    }
}
