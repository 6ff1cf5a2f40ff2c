//! A file on its way through, row by row.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::Path,
};

use super::{
    WriteError,
    cells::{edit_cells, edit_value, record_of},
    draft::Draft,
    refusal,
    wanted::{Pair, edits, new_row, own_price},
};
use crate::{
    channels::{
        PushResult,
        file::{
            items::{is_empty_row, next_row, ragged_row, refuse_short_end},
            json_lines::{self, Object},
            layout::{Layout, fits},
            records::{Place, ReadError, Record, Records},
            row::Row,
            settings::{Settings, file_name},
            text::{Encoding, Text},
            woocommerce::{Kin, Kind, Parents},
        },
    },
    domain::{Complaint, Field, Listing, plan::Change},
};

/// What a variation does not say itself: it stands in the row of its product.
const OF_PRODUCT: [&str; 3] = ["description", "images", "category"];

/// A file on its way through.
pub(super) struct Rewriting<'a> {
    settings: &'a Settings,
    name: String,
    layout: Layout,
    changes: &'a [Change],
    /// The rows of products, where variations have none of their own for title, description and images.
    parents: Option<Parents>,
    /// The changes that have not met their row yet.
    open: HashMap<&'a str, usize>,
    results: Vec<Option<PushResult>>,
    /// Whether anything differs from the old file.
    pub(super) changed: bool,
    encoding: Encoding,
    line_end: String,
    /// Whether prices are written with a comma.
    comma: bool,
}

impl<'a> Rewriting<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        path: &Path,
        layout: Layout,
        kin: Option<Kin>,
        changes: &'a [Change],
    ) -> Self {
        Self {
            settings,
            name: file_name(path),
            layout,
            changes,
            parents: kin.map(Parents::new),
            open: changes.iter().enumerate().map(|(index, change)| (change.sku.as_str(), index)).collect(),
            results: changes.iter().map(|_| None).collect(),
            changed: false,
            encoding: Encoding::Utf8,
            line_end: "\n".to_owned(),
            comma: false,
        }
    }

    /// One result per change, in order.
    pub(super) fn results(self) -> Vec<PushResult> {
        let gone = |change: &Change| {
            let cause = format!("{} has no such SKU any more", self.name);
            PushResult::Refused(refusal(change, "gone", &cause, "nothing, or add the row again"))
        };
        let pairs = self.results.into_iter().zip(self.changes);
        pairs.map(|(result, change)| result.unwrap_or_else(|| gone(change))).collect()
    }

    /// Copies the file with the changes in it.
    pub(super) fn copy(&mut self, mut records: Records, draft: &mut Draft) -> Result<(), WriteError> {
        let (encoding, mark_bytes) = records.text().encoding();
        self.encoding = encoding;
        if mark_bytes > 0 {
            draft.write(encoding, "\u{feff}")?;
        }
        let rows_begin = records.place();
        let mut lines = self.look_ahead(&mut records)?;
        // The header, which was read already, is copied with whatever stands before it.
        records.seek(Place::START).map_err(ReadError::Io)?;
        let mut record = Record::default();
        let mut ends_open = false;
        while self.read(&mut records, &mut record, rows_begin)? {
            if !record.line_end().is_empty() {
                record.line_end().clone_into(&mut self.line_end);
            }
            ends_open = record.line_end().is_empty();
            let is_row = record.line >= rows_begin.line;
            let new = if is_row { self.changed_row(&record)? } else { None };
            draft.write(encoding, new.as_deref().unwrap_or(&record.text))?;
        }
        lines.extend(self.new_lines(&HashSet::new())?);
        // A product stands before its variations.
        let added: Vec<String> = self.parents.iter().flat_map(Parents::added).map(str::to_owned).collect();
        for line in added.into_iter().chain(lines) {
            let start = if std::mem::take(&mut ends_open) { self.line_end.as_str() } else { "" };
            draft.write(encoding, &format!("{start}{line}{}", self.line_end))?;
        }
        Ok(())
    }

    /// Reads what comes next, blank lines included. Rows are held to what a reader of the file demands.
    fn read(&self, records: &mut Records, record: &mut Record, rows_begin: Place) -> Result<bool, ReadError> {
        let Some((delimiter, width)) = self.layout.cells() else { return records.next_line(record) };
        let is_row = records.place().offset >= rows_begin.offset;
        if !records.next_record(delimiter, record)? {
            return Ok(false);
        }
        if is_row && !is_empty_row(record, width) {
            refuse_short_end(records, record, width)?;
        }
        Ok(true)
    }

    /// The rows of SKUs that the file does not have yet, but for those whose changes were met.
    fn new_lines(&mut self, met: &HashSet<usize>) -> Result<Vec<String>, ReadError> {
        let mut lines = Vec::new();
        for index in 0..self.changes.len() {
            if self.changes[index].listing.is_none() && self.results[index].is_none() && !met.contains(&index) {
                lines.extend(self.new_line(index)?);
            }
        }
        Ok(lines)
    }

    /// Finds out what becomes of the rows of products, which may stand before those they change for, and returns the new
    /// rows that belong to them.
    fn look_ahead(&mut self, records: &mut Records) -> Result<Vec<String>, ReadError> {
        if self.parents.is_none() {
            return Ok(Vec::new());
        }
        let met = self.note_wanted(records)?;
        self.new_lines(&met)
    }

    /// Notes what is wanted of the rows of products, and returns which changes have a row of their own.
    fn note_wanted(&mut self, records: &mut Records) -> Result<HashSet<usize>, ReadError> {
        let mut met = HashSet::new();
        let Layout::WooCommerce(columns) = &self.layout else { return Ok(met) };
        let Some(parents) = &mut self.parents else { return Ok(met) };
        let mut record = Record::default();
        while next_row(records, &mut record, columns.header.delimiter, columns.header.width)?.is_some() {
            let sku = columns.sku(&record);
            self.comma |= writes_comma(&columns.row(&record, None, String::new()).price);
            if matches!(columns.kind(&record), Kind::Parent | Kind::NotSold) {
                continue;
            }
            let Some(&index) = self.open.get(sku.as_str()) else { continue };
            met.insert(index);
            let change = &self.changes[index];
            if columns.kind(&record) != Kind::Variation || change.wanted.retired {
                continue;
            }
            let Some(parent) = parents.of(columns, &record)? else { continue };
            let row = columns.row(&record, Some(&parent), String::new());
            let fields = change.fields.iter().copied().filter(|field| *field != Field::Price && *field != Field::Stock);
            let of_product = Change { fields: fields.collect(), ..change.clone() };
            // Errors concern prices only, and are met again on the way.
            let texts = edits(self.settings, &of_product, &row, false).unwrap_or_default();
            if texts.is_empty() {
                continue;
            }
            if let Some((code, cause, remedy)) = parents.want(columns, &record, &texts, self.encoding)? {
                self.results[index] = Some(PushResult::Refused(refusal(change, code, &cause, remedy)));
                self.open.remove(sku.as_str());
            }
        }
        Ok(met)
    }

    /// The row with its change, if there is one that makes a difference.
    fn changed_row(&mut self, record: &Record) -> Result<Option<String>, ReadError> {
        if record.line_text().trim().is_empty() {
            return Ok(None);
        }
        if let Some(text) = self.parents.as_ref().and_then(|parents| parents.changed(record.line)) {
            self.changed |= text != record.text;
            return Ok(Some(text.to_owned()));
        }
        let row = match self.row(record) {
            Ok(row) => row,
            // A line that is not JSON is copied as it stands.
            Err(ReadError::Bad(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let comma = writes_comma(&row.price);
        self.comma |= comma;
        let Some(index) = self.open.remove(row.sku.as_str()) else { return Ok(None) };
        let change = &self.changes[index];
        match self.apply(change, record, &row, comma) {
            Ok((text, listing)) => {
                let sku = change.sku.clone();
                self.results[index] = Some(PushResult::Done { sku, listing: Box::new(listing) });
                self.changed |= text != record.text;
                Ok(Some(text))
            }
            Err(complaint) => {
                self.results[index] = Some(PushResult::Refused(complaint));
                Ok(None)
            }
        }
    }

    fn row(&mut self, record: &Record) -> Result<Row, ReadError> {
        let place = format!("{}:{}", self.name, record.line);
        Ok(match &self.layout {
            Layout::Csv(columns) => columns.row(record, place),
            Layout::Google(columns) => columns.row(record, place),
            Layout::WooCommerce(columns) => {
                if matches!(columns.kind(record), Kind::Parent | Kind::NotSold) {
                    return Ok(Row { place, ..Row::default() });
                }
                let parent = match &mut self.parents {
                    Some(parents) => parents.of(columns, record)?,
                    None => None,
                };
                columns.row(record, parent.as_ref(), place)
            }
            Layout::JsonLines(names) => Object::read(record)?.row(names, place),
            Layout::Shopify(..) => Row { place, ..Row::default() },
        })
    }

    /// The new text of a row, and the listing that it then is.
    fn apply(
        &mut self,
        change: &Change,
        record: &Record,
        row: &Row,
        comma: bool,
    ) -> Result<(String, Listing), Complaint> {
        if let Some((_, width)) = self.layout.cells()
            && !fits(record, width)
        {
            return Err(ragged_row(row, (record.width(), width)));
        }
        let text = self.edited(change, record, row, &edits(self.settings, change, row, comma)?)?;
        let listing = self.listing_of(change, &text, record.line)?;
        // A file that counts no pieces was told how many there are all the same.
        let told = change.wanted.stock.filter(|_| listing.stock.is_none() && change.fields.contains(&Field::Stock));
        let stock = told.or(listing.stock);
        Ok((text, Listing { stock, ..listing }))
    }

    /// The row with other texts in it.
    fn edited(&self, change: &Change, record: &Record, row: &Row, edits: &[Pair]) -> Result<String, Complaint> {
        let mut text = record.text.clone();
        for (name, value) in edits {
            let edited = match (&self.layout, self.layout.cells()) {
                (Layout::JsonLines(names), _) => edit_value(&text, names, name, value),
                (_, Some((delimiter, _))) => {
                    let currency = self.currency_of(row);
                    let cells = self.layout.cells_of(Some(record), &currency, name, value);
                    cells.and_then(|cells| edit_cells(&text, delimiter, &cells))
                }
                _ => None,
            };
            text = edited.ok_or_else(|| self.no_column(change, name))?;
        }
        Ok(text)
    }

    fn currency_of(&self, row: &Row) -> String {
        row.own_currency(self.settings.currency).map(|currency| currency.to_string()).unwrap_or_default()
    }

    fn no_column(&self, change: &Change, name: &str) -> Complaint {
        let cause = format!("{} has no column `{}`", self.name, self.layout.column_of(name));
        refusal(change, "no_column", &cause, "add the column to the file")
    }

    /// What a text says once it stands in the file.
    fn listing_of(&mut self, change: &Change, text: &str, line: u64) -> Result<Listing, Complaint> {
        let unwritable = |cause: &str| refusal(change, "unwritable", cause, "write the file as UTF-8");
        if self.encoding.encode(text).is_none() {
            return Err(unwritable("the new text has letters that the file's encoding does not have"));
        }
        let mut record = Record::default();
        let mut records = Records::new(Text::in_memory(text));
        let read = match self.layout.cells() {
            Some((delimiter, _)) => records.next_record(delimiter, &mut record),
            None => records.next_line(&mut record),
        };
        record.line = line;
        let row = read.and_then(|_| self.row(&record)).map_err(|_| unwritable("the new text cannot be read back"))?;
        row.listing(self.settings.currency)
    }

    /// A new row at the end of the file; `None` when it is refused.
    fn new_line(&mut self, index: usize) -> Result<Option<String>, ReadError> {
        let change = &self.changes[index];
        let made = match self.new_text(change)? {
            Ok(line) => self.listing_of(change, &line, 0).map(|listing| (line, listing)),
            Err(complaint) => Err(complaint),
        };
        let (line, result) = match made {
            Ok((line, listing)) => {
                self.changed = true;
                (Some(line), PushResult::Done { sku: change.sku.clone(), listing: Box::new(listing) })
            }
            Err(complaint) => (None, PushResult::Refused(complaint)),
        };
        self.results[index] = Some(result);
        Ok(line)
    }

    fn new_text(&mut self, change: &Change) -> Result<Result<String, Complaint>, ReadError> {
        let pairs = match new_row(self.settings, change, self.comma) {
            Ok(pairs) => pairs,
            Err(complaint) => return Ok(Err(complaint)),
        };
        let Some(price) = own_price(self.settings, change) else { return Ok(Err(self.no_column(change, "price"))) };
        if !self.layout.says_currency() && self.settings.currency != Some(price.currency) {
            let cause = format!("{} has no column `currency` for {}", self.name, price.currency);
            let remedy = "add the column to the file, or a price in the file's currency to the source";
            return Ok(Err(refusal(change, "no_column", &cause, remedy)));
        }
        let Some((delimiter, width)) = self.layout.cells() else {
            let Layout::JsonLines(names) = &self.layout else { return Ok(Err(self.no_column(change, "sku"))) };
            return Ok(Ok(json_lines::new_line(names, &pairs)));
        };
        let currency = price.currency.as_str();
        let own = |pairs: &mut dyn Iterator<Item = &Pair>| {
            let cells = pairs.filter_map(|(name, text)| self.layout.cells_of(None, currency, name, text));
            cells.flatten().collect::<Vec<_>>()
        };
        let cells = match (&self.layout, &mut self.parents, &change.product) {
            (Layout::WooCommerce(columns), Some(parents), Some((product, variant))) => {
                if parents.is_taken(change.sku.as_str()) {
                    let cause = format!("{} has a product of this SKU that is not for sale itself", self.name);
                    return Ok(Err(refusal(change, "sku", &cause, "give one of the two another SKU")));
                }
                let is_variation = !variant.options.is_empty() && product.id != change.sku.as_str();
                let mut cells = columns.new_cells(is_variation);
                let belongs = |(name, _): &&Pair| !is_variation || !OF_PRODUCT.contains(&name.as_str());
                cells.extend(own(&mut pairs.iter().filter(belongs)));
                if is_variation {
                    match parents.adopt(columns, product, variant, self.encoding)? {
                        Ok(further) => cells.extend(further),
                        Err((code, cause, remedy)) => return Ok(Err(refusal(change, code, &cause, remedy))),
                    }
                }
                cells
            }
            (Layout::Google(columns), ..) => {
                let mut cells = columns.new_cells();
                let is_group = change.product.as_ref().is_some_and(|(product, _)| product.id != change.sku.as_str());
                cells.extend(own(&mut pairs.iter().filter(|(name, _)| is_group || name != "product_id")));
                cells
            }
            _ => own(&mut pairs.iter()),
        };
        Ok(Ok(record_of(width, delimiter, &cells)))
    }
}

/// Whether a price is written with a decimal comma.
fn writes_comma(price: &str) -> bool {
    matches!((price.rfind(','), price.rfind('.')), (Some(comma), point) if point.is_none_or(|point| point < comma))
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}
