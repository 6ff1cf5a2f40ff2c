//! A file's products in order, whatever its format.

use std::{fs::File, path::Path};

use super::{
    columns::{self, Columns},
    json_lines::Object,
    records::{Fault, Place, ReadError, Record, Records},
    row::Row,
    settings::{Format, Settings, file_name},
    shopify,
    text::Text,
};
use crate::domain::{Complaint, Listing};

/// The most rows of one product in Shopify's export: a product has at most 2,048 variants and 250 images.
const MAX_PRODUCT_ROWS: usize = 5_000;

/// What one row of a file came to.
pub(super) struct Entry {
    pub(super) line: u64,
    /// As the file has it, or as derived; may be empty.
    pub(super) sku: String,
    pub(super) listing: Result<Listing, Complaint>,
    pub(super) notice: Option<Complaint>,
}

/// How a file is laid out.
pub(super) enum Layout {
    Csv(Columns),
    JsonLines,
    Shopify(Box<shopify::Columns>, u8),
}

/// An open file.
pub(super) struct Items<'a> {
    settings: &'a Settings,
    name: String,
    layout: Layout,
    records: Records,
    record: Record,
    /// The first row of the next product, read to see where the last one ends.
    ahead: Option<(Place, Record)>,
}

impl<'a> Items<'a> {
    /// Opens a file and reads its header. The first item comes next.
    pub(super) fn open(path: &Path, settings: &'a Settings) -> Result<Self, ReadError> {
        let text = Text::of(File::open(path)?, settings.encoding)?;
        let mut records = Records::new(text);
        let mut record = Record::default();
        let layout = read_layout(&mut records, &mut record, settings)?;
        Ok(Self { settings, name: file_name(path), layout, records, record, ahead: None })
    }

    /// How it is laid out, and the reader of its rows.
    pub(super) fn into_parts(self) -> (Layout, Records, Record) {
        (self.layout, self.records, self.record)
    }

    /// Where the next item begins.
    pub(super) fn place(&self) -> Place {
        self.ahead.as_ref().map_or(self.records.place(), |(place, _)| *place)
    }

    /// Goes on at the place of an item.
    pub(super) fn seek(&mut self, place: Place) -> Result<(), ReadError> {
        self.ahead = None;
        self.records.seek(place)?;
        Ok(())
    }

    /// Reads an item and adds what its rows came to; `false` at the end of the file.
    pub(super) fn next(&mut self, entries: &mut Vec<Entry>) -> Result<bool, ReadError> {
        match &self.layout {
            Layout::Csv(columns) => {
                if !next_row(&mut self.records, &mut self.record, columns.delimiter, columns.width)? {
                    return Ok(false);
                }
                let row = columns.row(&self.record, format!("{}:{}", self.name, self.record.line));
                let fits = columns.fits(&self.record);
                let width = (self.record.width(), columns.width);
                entries.push(self.entry(self.record.line, row, if fits { None } else { Some(width) }));
                Ok(true)
            }
            Layout::JsonLines => {
                loop {
                    if !self.records.next_line(&mut self.record)? {
                        return Ok(false);
                    }
                    if !self.record.line_text().trim().is_empty() {
                        break;
                    }
                }
                let row = Object::read(&self.record)?.row(format!("{}:{}", self.name, self.record.line));
                entries.push(self.entry(self.record.line, row, None));
                Ok(true)
            }
            Layout::Shopify(..) => self.next_product(entries),
        }
    }

    /// Reads the rows of one product of Shopify's export.
    fn next_product(&mut self, entries: &mut Vec<Entry>) -> Result<bool, ReadError> {
        let Layout::Shopify(columns, delimiter) = &self.layout else { return Ok(false) };
        let mut rows: Vec<Record> = self.ahead.take().map(|(_, record)| record).into_iter().collect();
        loop {
            let place = self.records.place();
            let mut record = Record::default();
            if !next_row(&mut self.records, &mut record, *delimiter, columns.width)? {
                break;
            }
            // Rows without a handle belong to nothing, each of them.
            let handle = columns.handle(&record);
            if rows.first().is_some_and(|first| handle.is_empty() || columns.handle(first) != handle) {
                self.ahead = Some((place, record));
                break;
            }
            if rows.len() == MAX_PRODUCT_ROWS {
                let cause = format!("the product `{handle}` has more than 5,000 rows");
                let remedy = "export the products again in Shopify's admin".to_owned();
                return Err(Fault { line: record.line, column: 1, cause, remedy }.into());
            }
            rows.push(record);
        }
        for (line, row, notice) in columns.rows(&rows, &self.name) {
            let ragged = rows.iter().find(|record| record.line == line && record.width() != columns.width);
            let width = ragged.map(|record| (record.width(), columns.width));
            let mut entry = self.entry(line, row, width);
            entry.notice = notice;
            entries.push(entry);
        }
        Ok(!rows.is_empty())
    }

    fn entry(&self, line: u64, row: Row, ragged: Option<(usize, usize)>) -> Entry {
        let listing = match ragged {
            None => row.listing(self.settings.currency),
            Some(width) => Err(ragged_row(&row, width)),
        };
        Entry { line, sku: row.sku, listing, notice: None }
    }
}

/// What is said of a row with another number of cells than the header has: (its, the header's).
pub(super) fn ragged_row(row: &Row, (has, wants): (usize, usize)) -> Complaint {
    let cause = format!("the row has {has} columns, the header {wants}");
    row.complaint("columns", &cause, "put cells that contain the delimiter in quotes")
}

/// Reads the next row that says anything; `false` at the end.
fn next_row(records: &mut Records, record: &mut Record, delimiter: u8, width: usize) -> Result<bool, ReadError> {
    while records.next_record(delimiter, record)? {
        if !is_empty_row(record, width) {
            refuse_short_end(records, record, width)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a row is a blank line, or delimiters only.
pub(super) fn is_empty_row(record: &Record, width: usize) -> bool {
    record.is_blank() && (record.width() == 1 || record.width() >= width)
}

/// A last row that is too short means that the file is still being written.
pub(super) fn refuse_short_end(records: &mut Records, record: &Record, width: usize) -> Result<(), ReadError> {
    if record.width() >= width || !records.is_at_end()? {
        return Ok(());
    }
    Err(Fault {
        line: record.line,
        column: record.line_text().chars().count() as u64 + 1,
        cause: format!("the last line is short: {} of {width} columns", record.width()),
        remedy: "write the file again: it is half written".to_owned(),
    }
    .into())
}

fn read_layout(records: &mut Records, record: &mut Record, settings: &Settings) -> Result<Layout, ReadError> {
    let mut place = records.place();
    loop {
        if !records.next_line(record)? {
            let cause = "the file is empty".to_owned();
            let remedy = "write a header and at least one product".to_owned();
            return Err(Fault { line: 1, column: 1, cause, remedy }.into());
        }
        if !record.line_text().trim().is_empty() {
            break;
        }
        place = records.place();
    }
    let is_json = settings.format == Format::Auto && record.line_text().trim_start().starts_with('{');
    let delimiter = columns::delimiter_of(record.line_text());
    records.seek(place)?;
    if is_json || settings.format == Format::JsonLines {
        return Ok(Layout::JsonLines);
    }
    records.next_record(delimiter, record)?;
    let is_shopify = settings.format == Format::Auto && shopify::is_header(record);
    if !is_shopify && settings.format != Format::Shopify {
        return Ok(Layout::Csv(Columns::read(record, delimiter, settings)?));
    }
    if settings.currency.is_none() {
        let cause = "this is Shopify's product export, which does not say the currency of its prices".to_owned();
        let remedy = "set `currency`, for example \"EUR\"".to_owned();
        return Err(Fault { line: record.line, column: 1, cause, remedy }.into());
    }
    Ok(Layout::Shopify(Box::new(shopify::Columns::read(record)?), delimiter))
}
