//! Splitting a text into lines or CSV records: strictly, within limits, and keeping every byte so that a record can be
//! written back as it was.
//!
//! A lenient reader makes something out of any quoting. Here the difference matters: a quote that is never closed would
//! swallow products in silence, so it refuses the file.

use std::{borrow::Cow, io, ops::Range};

use super::text::Text;

/// The most columns of a record.
pub(super) const MAX_COLUMNS: usize = 1_000;

/// The longest record, in bytes of UTF-8, line breaks within quotes included.
pub(super) const MAX_RECORD_BYTES: usize = 8 * 1024 * 1024;

/// What is wrong with a whole file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1; 0 where it concerns the file as such.
    pub(super) line: u64,
    /// In letters, from 1; 0 where it concerns the line as such.
    pub(super) column: u64,
    pub(super) cause: String,
    pub(super) remedy: String,
}

/// Why a file cannot be read on.
#[derive(Debug)]
pub(super) enum ReadError {
    Bad(Fault),
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        Self::Bad(fault)
    }
}

/// A place in a text: where a record begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Place {
    /// Bytes of UTF-8 after the byte order mark.
    pub(super) offset: u64,
    /// The line, from 1.
    pub(super) line: u64,
}

impl Place {
    pub(super) const START: Self = Self { offset: 0, line: 1 };
}

/// A record or line with its line end.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    /// Every letter of it, the line end included.
    pub(super) text: String,
    /// Its cells; for a line of JSON the line without its end.
    cells: Vec<Cell>,
    /// The line it begins on.
    pub(super) line: u64,
    /// Whether the text ended with it, without a line end.
    pub(super) is_cut: bool,
}

#[derive(Debug, Clone)]
struct Cell {
    /// With its quotes.
    range: Range<usize>,
    quoted: bool,
}

impl Record {
    /// How many cells it has.
    pub(super) fn width(&self) -> usize {
        self.cells.len()
    }

    /// A cell's text without quotes and outer white space.
    pub(super) fn cell(&self, index: usize) -> Option<Cow<'_, str>> {
        let cell = self.cells.get(index)?;
        let text = &self.text[cell.range.clone()];
        if !cell.quoted {
            return Some(Cow::Borrowed(text.trim()));
        }
        let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
        if inner.contains("\"\"") {
            return Some(Cow::Owned(inner.replace("\"\"", "\"").trim().to_owned()));
        }
        Some(Cow::Borrowed(inner.trim()))
    }

    /// Where a cell stands in the text, its quotes included, and whether it has any.
    pub(super) fn span(&self, index: usize) -> Option<(Range<usize>, bool)> {
        self.cells.get(index).map(|cell| (cell.range.clone(), cell.quoted))
    }

    /// Whether no cell says anything.
    pub(super) fn is_blank(&self) -> bool {
        (0..self.width()).all(|index| self.cell(index).is_none_or(|cell| cell.is_empty()))
    }

    /// The record without its line end.
    pub(super) fn line_text(&self) -> &str {
        self.text.trim_end_matches(['\r', '\n'])
    }

    /// Its line end; empty for the last one of a text without.
    pub(super) fn line_end(&self) -> &str {
        &self.text[self.line_text().len()..]
    }
}

/// Reads records one by one.
pub(super) struct Records {
    text: Text,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    CellStart,
    Plain,
    Quoted,
    /// After a quote within quotes: either it is doubled, or the cell has ended.
    Closing,
}

impl Records {
    pub(super) fn new(text: Text) -> Self {
        Self { text, place: Place::START }
    }

    /// Where the next record begins.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Goes on elsewhere.
    pub(super) fn seek(&mut self, place: Place) -> io::Result<()> {
        self.text.seek(place.offset)?;
        self.place = place;
        Ok(())
    }

    /// The text under it.
    pub(super) fn text(&self) -> &Text {
        &self.text
    }

    /// Whether everything has been read.
    pub(super) fn is_at_end(&mut self) -> Result<bool, ReadError> {
        let line = self.place.line;
        self.text.fill().map(<[u8]>::is_empty).map_err(|error| unreadable(error, line))
    }

    /// Reads a CSV record; `false` at the end of the text.
    pub(super) fn next_record(&mut self, delimiter: u8, record: &mut Record) -> Result<bool, ReadError> {
        self.next(Some(delimiter), record)
    }

    /// Reads a line as a record of one cell; `false` at the end of the text.
    pub(super) fn next_line(&mut self, record: &mut Record) -> Result<bool, ReadError> {
        self.next(None, record)
    }

    fn next(&mut self, delimiter: Option<u8>, record: &mut Record) -> Result<bool, ReadError> {
        let start = self.place.line;
        let mut bytes = std::mem::take(&mut record.text).into_bytes();
        bytes.clear();
        let mut split = Split { cells: std::mem::take(&mut record.cells), state: State::CellStart, cell: 0, quote: 0 };
        split.cells.clear();
        let mut ended = false;
        while !ended {
            let piece = self.text.fill().map_err(|error| unreadable(error, start))?;
            if piece.is_empty() {
                break;
            }
            let mut used = 0;
            for &byte in piece {
                used += 1;
                bytes.push(byte);
                match split.take(byte, &bytes, delimiter) {
                    Step::On => {}
                    Step::Ended => {
                        ended = true;
                        break;
                    }
                    Step::Bad(cause, remedy) => return Err(at(start, &bytes, bytes.len() - 1, cause, remedy).into()),
                }
                if bytes.len() > MAX_RECORD_BYTES {
                    return Err(too_long(start, &bytes, &split).into());
                }
            }
            self.text.consume(used);
        }
        if bytes.is_empty() {
            return Ok(false);
        }
        if !ended && let Some(fault) = split.close(start, &bytes) {
            return Err(fault.into());
        }
        self.place.offset += bytes.len() as u64;
        self.place.line += line_breaks(&bytes);
        record.line = start;
        record.is_cut = !ended;
        record.cells = split.cells;
        record.text = String::from_utf8(bytes).map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            not_utf8(start, error.as_bytes(), place)
        })?;
        Ok(true)
    }
}

enum Step {
    On,
    Ended,
    Bad(&'static str, &'static str),
}

struct Split {
    cells: Vec<Cell>,
    state: State,
    /// Where the cell being read begins.
    cell: usize,
    /// Where the last quote was opened.
    quote: usize,
}

impl Split {
    /// Takes one byte, which is the last of `bytes`.
    fn take(&mut self, byte: u8, bytes: &[u8], delimiter: Option<u8>) -> Step {
        let at = bytes.len() - 1;
        if byte == 0 {
            return Step::Bad(
                "a zero byte stands in the text",
                "if the file is UTF-16 without a byte order mark, set `encoding = \"utf-16\"`",
            );
        }
        let Some(delimiter) = delimiter else {
            if byte == b'\n' {
                self.end_cell(content_end(bytes), false);
                return Step::Ended;
            }
            return Step::On;
        };
        match (self.state, byte) {
            (State::CellStart, b'"') => {
                self.quote = at;
                self.state = State::Quoted;
            }
            (State::Quoted, b'"') => self.state = State::Closing,
            (State::Closing, b'"') => self.state = State::Quoted,
            (State::Quoted, _) => {}
            (_, b'\n') => {
                self.end_cell(content_end(bytes), self.state == State::Closing);
                return Step::Ended;
            }
            (state, byte) if byte == delimiter => {
                self.end_cell(at, state == State::Closing);
                self.cell = at + 1;
                self.state = State::CellStart;
                if self.cells.len() >= MAX_COLUMNS {
                    return Step::Bad(
                        "the line has more than 1,000 columns",
                        "check the file: it is not a product file",
                    );
                }
            }
            (State::Closing, b'\r') => {}
            (State::Closing, _) => {
                return Step::Bad(
                    "after a closing quote something other than the end of the cell follows",
                    "double the quotes within a quoted cell: \"12\"\" pipe\"",
                );
            }
            (State::CellStart, _) => self.state = State::Plain,
            (State::Plain, _) => {}
        }
        Step::On
    }

    fn end_cell(&mut self, end: usize, quoted: bool) {
        self.cells.push(Cell { range: self.cell..end.max(self.cell), quoted });
    }

    /// Ends a record at the end of the text, where no line end does it.
    fn close(&mut self, line: u64, bytes: &[u8]) -> Option<Fault> {
        if self.state == State::Quoted {
            return Some(unclosed(line, bytes, self.quote));
        }
        self.end_cell(content_end(bytes), self.state == State::Closing);
        None
    }
}

/// Where the line's content ends: before its line end.
fn content_end(bytes: &[u8]) -> usize {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes).len()
}

fn line_breaks(bytes: &[u8]) -> u64 {
    bytes.split(|byte| *byte == b'\n').skip(1).count() as u64
}

fn unclosed(line: u64, bytes: &[u8], quote: usize) -> Fault {
    at(
        line,
        bytes,
        quote,
        "the quote that opens here is never closed",
        "close it, or write the file again: it may be half written",
    )
}

fn too_long(line: u64, bytes: &[u8], split: &Split) -> Fault {
    if matches!(split.state, State::Quoted) {
        return at(
            line,
            bytes,
            split.quote,
            "the quote that opens here is not closed within 8 MiB",
            "close it where the cell ends",
        );
    }
    Fault {
        line,
        column: 0,
        cause: "the line is longer than 8 MiB".to_owned(),
        remedy: "check the file: it is not a product file, or its line ends are missing".to_owned(),
    }
}

/// A fault at byte `index` of a record that begins on `line`.
fn at(line: u64, bytes: &[u8], index: usize, cause: &str, remedy: &str) -> Fault {
    let before = &bytes[..index];
    let breaks = line_breaks(before);
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |found| found + 1);
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() as u64 + 1;
    Fault { line: line + breaks, column, cause: cause.to_owned(), remedy: remedy.to_owned() }
}

fn not_utf8(line: u64, bytes: &[u8], index: usize) -> Fault {
    let cause = format!("byte 0x{:02X} is not UTF-8", bytes.get(index).copied().unwrap_or_default());
    let remedy = "set `encoding` if the file is written as \"windows-1252\" or \"iso-8859-15\", or write it as UTF-8";
    at(line, bytes, index, &cause, remedy)
}

fn unreadable(error: io::Error, line: u64) -> ReadError {
    if error.kind() != io::ErrorKind::InvalidData {
        return ReadError::Io(error);
    }
    ReadError::Bad(Fault {
        line,
        column: 0,
        cause: "the text from here on is not UTF-16, although the file begins as such".to_owned(),
        remedy: "write the file again, best as UTF-8".to_owned(),
    })
}
