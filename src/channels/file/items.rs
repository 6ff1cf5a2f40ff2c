//! A file's products in order, whatever its format.

use std::{fs::File, path::Path, sync::Arc};

use super::{
    json_lines::Object,
    layout::{self, Layout},
    records::{Fault, Place, ReadError, Record, Records},
    row::Row,
    settings::{Settings, file_name},
    text::Text,
    woocommerce::{self, Family, Kin},
};
use crate::domain::{Complaint, Listing};

/// The most rows of one product in Shopify's export: a product has at most 2,048 variants and 250 images.
const MAX_PRODUCT_ROWS: usize = 5_000;

/// What one row of a file came to.
pub(super) struct Entry {
    pub(super) line: u64,
    /// As the file has it, or as derived; may be empty.
    pub(super) sku: String,
    /// `None` for a row that is not for sale itself.
    pub(super) listing: Option<Result<Listing, Complaint>>,
    pub(super) notice: Option<Complaint>,
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
    /// The products of variations, where they have rows of their own.
    kin: Option<Kin>,
}

impl<'a> Items<'a> {
    /// Opens a file and reads its header. The first item comes next. `family` is what an earlier look found out about its
    /// products, if there was one.
    pub(super) fn open(path: &Path, settings: &'a Settings, family: Option<Arc<Family>>) -> Result<Self, ReadError> {
        let text = Text::of(File::open(path)?, settings.encoding)?;
        let mut records = Records::new(text);
        let mut record = Record::default();
        let layout = Layout::read(&mut records, &mut record, settings)?;
        let kin = match (&layout, family) {
            (Layout::WooCommerce(_), Some(family)) => Some(Kin::open(path, settings, family)?),
            (Layout::WooCommerce(columns), None) => {
                let begin = records.place();
                let family = Arc::new(Family::of(&mut records, columns)?);
                records.seek(begin)?;
                Some(Kin::open(path, settings, family)?)
            }
            _ => None,
        };
        Ok(Self { settings, name: file_name(path), layout, records, record, ahead: None, kin })
    }

    /// How it is laid out, the reader of its rows, and their products.
    pub(super) fn into_parts(self) -> (Layout, Records, Option<Kin>) {
        (self.layout, self.records, self.kin)
    }

    /// What is known about the file's products.
    pub(super) fn family(&self) -> Option<Arc<Family>> {
        self.kin.as_ref().map(|kin| kin.family.clone())
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
        let Some((delimiter, width)) = self.layout.cells() else { return self.next_object(entries) };
        if matches!(self.layout, Layout::Shopify(..)) {
            return self.next_product(entries);
        }
        if next_row(&mut self.records, &mut self.record, delimiter, width)?.is_none() {
            return Ok(false);
        }
        let place = format!("{}:{}", self.name, self.record.line);
        let row = match (&self.layout, &mut self.kin) {
            (Layout::Csv(columns), _) => columns.row(&self.record, place),
            (Layout::Google(columns), _) => columns.row(&self.record, place),
            (Layout::WooCommerce(columns), Some(kin)) => match columns.kind(&self.record) {
                woocommerce::Kind::Simple | woocommerce::Kind::Variation => {
                    let parent = kin.parent(columns, &self.record)?;
                    columns.row(&self.record, parent, place)
                }
                woocommerce::Kind::Parent if !kin.family.has_variations(columns, &self.record) => {
                    let notice = columns.row(&self.record, None, place).complaint(
                        "no_variations",
                        "the product comes in variations, and the file has none of them",
                        "export the variations as well, if there are any",
                    );
                    let (line, sku) = (self.record.line, String::new());
                    entries.push(Entry { line, sku, listing: None, notice: Some(notice) });
                    return Ok(true);
                }
                woocommerce::Kind::Parent | woocommerce::Kind::NotSold => return Ok(true),
            },
            _ => return Ok(false),
        };
        let ragged = (!layout::fits(&self.record, width)).then(|| (self.record.width(), width));
        entries.push(self.entry(self.record.line, row, ragged));
        Ok(true)
    }

    /// Reads a line of JSON.
    fn next_object(&mut self, entries: &mut Vec<Entry>) -> Result<bool, ReadError> {
        let Layout::JsonLines(names) = &self.layout else { return Ok(false) };
        loop {
            if !self.records.next_line(&mut self.record)? {
                return Ok(false);
            }
            if !self.record.line_text().trim().is_empty() {
                break;
            }
        }
        let row = Object::read(&self.record)?.row(names, format!("{}:{}", self.name, self.record.line));
        entries.push(self.entry(self.record.line, row, None));
        Ok(true)
    }

    /// Reads the rows of one product of Shopify's export.
    fn next_product(&mut self, entries: &mut Vec<Entry>) -> Result<bool, ReadError> {
        let Layout::Shopify(columns, delimiter) = &self.layout else { return Ok(false) };
        let mut rows: Vec<Record> = self.ahead.take().map(|(_, record)| record).into_iter().collect();
        loop {
            let mut record = Record::default();
            let Some(place) = next_row(&mut self.records, &mut record, *delimiter, columns.width)? else { break };
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
        let variants = columns.rows(&rows, &self.name);
        if let Some(first) = rows.first().filter(|_| variants.is_empty()) {
            let place = Row { place: format!("{}:{}", self.name, first.line), ..Row::default() };
            let cause = format!(
                "the product `{}` has no variant: none of its rows says a SKU, a price or an option",
                columns.handle(first)
            );
            let notice = place.complaint("no_variations", &cause, "export the product again, with its variants");
            entries.push(Entry { line: first.line, sku: String::new(), listing: None, notice: Some(notice) });
        }
        for (line, row, notice) in variants {
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
        Entry { line, sku: row.sku, listing: Some(listing), notice: None }
    }
}

/// What is said of a row with another number of cells than the header has: (its, the header's).
pub(super) fn ragged_row(row: &Row, (has, wants): (usize, usize)) -> Complaint {
    let cause = format!("the row has {has} columns, the header {wants}");
    row.complaint("columns", &cause, "put cells that contain the delimiter in quotes")
}

/// Reads the next row that says anything, and returns where it stands; `None` at the end.
pub(super) fn next_row(
    records: &mut Records,
    record: &mut Record,
    delimiter: u8,
    width: usize,
) -> Result<Option<Place>, ReadError> {
    loop {
        let place = records.place();
        if !records.next_record(delimiter, record)? {
            return Ok(None);
        }
        if !is_empty_row(record, width) {
            refuse_short_end(records, record, width)?;
            return Ok(Some(place));
        }
    }
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
