//! Changes written into a file: the whole file is written anew beside the old one and takes its place in one step, so
//! that whoever reads it sees the old content or the new, never a part.
//!
//! Whatever is not changed is copied to the letter: foreign columns, order, delimiter, quotes, line ends, byte order mark.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{
    columns::Columns,
    content::{Content, cannot_read, explain, unavailable},
    items::{Items, Layout, is_empty_row, ragged_row, refuse_short_end},
    json_lines::{self, Object},
    real_path,
    records::{Place, ReadError, Record, Records},
    row::{Row, read_number},
    settings::{Settings, file_name},
    text::{Encoding, Text},
};
use crate::{
    channels::{ChannelError, PushResult},
    domain::{Complaint, Field, Listing, Price, plan::Change},
};

/// Writes changes into the file of a shop.
pub(super) fn push(settings: &Settings, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    if settings.is_pattern() {
        let cause = format!("`{}` names several files, which are only read", settings.path.display());
        return Ok(refuse_all(changes, &cause, "name one file in `path` to write to it"));
    }
    let path = real_path(&settings.path);
    let before = Content::look(settings)?;
    let (layout, records, _) = Items::open(&path, settings).map_err(|error| explain(&path, error))?.into_parts();
    if matches!(layout, Layout::Shopify(..)) {
        let cause = format!("{} is Shopify's export, which is only read", path.display());
        return Ok(refuse_all(changes, &cause, "write to a file of format \"csv\" or \"jsonl\""));
    }
    let mut draft = Draft::begin(&path).map_err(|error| cannot_write(&path, &error))?;
    let mut rewriting = Rewriting::new(settings, &path, layout, changes);
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

/// A file on its way through.
struct Rewriting<'a> {
    settings: &'a Settings,
    name: String,
    layout: Layout,
    changes: &'a [Change],
    /// The changes that have not met their row yet.
    open: HashMap<&'a str, usize>,
    results: Vec<Option<PushResult>>,
    /// Whether anything differs from the old file.
    changed: bool,
    encoding: Encoding,
    line_end: String,
    /// Whether prices are written with a comma.
    comma: bool,
}

impl<'a> Rewriting<'a> {
    fn new(settings: &'a Settings, path: &Path, layout: Layout, changes: &'a [Change]) -> Self {
        Self {
            settings,
            name: file_name(path),
            layout,
            changes,
            open: changes.iter().enumerate().map(|(index, change)| (change.sku.as_str(), index)).collect(),
            results: changes.iter().map(|_| None).collect(),
            changed: false,
            encoding: Encoding::Utf8,
            line_end: "\n".to_owned(),
            comma: false,
        }
    }

    /// One result per change, in order.
    fn results(self) -> Vec<PushResult> {
        let gone = |change: &Change| {
            let cause = format!("{} has no such SKU any more", self.name);
            PushResult::Refused(refusal(change, "gone", &cause, "nothing, or add the row again"))
        };
        let pairs = self.results.into_iter().zip(self.changes);
        pairs.map(|(result, change)| result.unwrap_or_else(|| gone(change))).collect()
    }

    /// Copies the file with the changes in it.
    fn copy(&mut self, mut records: Records, draft: &mut Draft) -> Result<(), WriteError> {
        let (encoding, mark_bytes) = records.text().encoding();
        self.encoding = encoding;
        if mark_bytes > 0 {
            draft.write(encoding, "\u{feff}")?;
        }
        // The header, which was read already, is copied with whatever stands before it.
        let rows_begin = records.place();
        records.seek(Place::START).map_err(ReadError::Io)?;
        let mut record = Record::default();
        let mut ends_open = false;
        while self.read(&mut records, &mut record, rows_begin)? {
            if !record.line_end().is_empty() {
                record.line_end().clone_into(&mut self.line_end);
            }
            ends_open = record.line_end().is_empty();
            let is_row = record.line >= rows_begin.line;
            let new = if is_row { self.changed_row(&record) } else { None };
            draft.write(encoding, new.as_deref().unwrap_or(&record.text))?;
        }
        for index in 0..self.changes.len() {
            let change = &self.changes[index];
            if change.listing.is_some() || self.results[index].is_some() {
                continue;
            }
            if let Some(line) = self.new_row(index) {
                let start = if std::mem::take(&mut ends_open) { self.line_end.as_str() } else { "" };
                draft.write(encoding, &format!("{start}{line}{}", self.line_end))?;
            }
        }
        Ok(())
    }

    /// Reads what comes next, blank lines included. Rows are held to what a reader of the file demands.
    fn read(&self, records: &mut Records, record: &mut Record, rows_begin: Place) -> Result<bool, ReadError> {
        let Layout::Csv(columns) = &self.layout else { return records.next_line(record) };
        let is_row = records.place().offset >= rows_begin.offset;
        if !records.next_record(columns.delimiter, record)? {
            return Ok(false);
        }
        if is_row && !is_empty_row(record, columns.width) {
            refuse_short_end(records, record, columns.width)?;
        }
        Ok(true)
    }

    /// The row with its change, if there is one that makes a difference.
    fn changed_row(&mut self, record: &Record) -> Option<String> {
        if record.line_text().trim().is_empty() {
            return None;
        }
        let row = self.row(record).ok()?;
        let writes_comma = matches!((row.price.rfind(','), row.price.rfind('.')), (Some(comma), point) if point.is_none_or(|point| point < comma));
        self.comma |= writes_comma;
        let index = self.open.remove(row.sku.as_str())?;
        let change = &self.changes[index];
        match self.apply(change, record, &row, writes_comma) {
            Ok((text, listing)) => {
                let sku = change.sku.clone();
                self.results[index] = Some(PushResult::Done { sku, listing: Box::new(listing) });
                self.changed |= text != record.text;
                Some(text)
            }
            Err(complaint) => {
                self.results[index] = Some(PushResult::Refused(complaint));
                None
            }
        }
    }

    fn row(&self, record: &Record) -> Result<Row, ReadError> {
        let place = format!("{}:{}", self.name, record.line);
        match &self.layout {
            Layout::Csv(columns) => Ok(columns.row(record, place)),
            Layout::JsonLines | Layout::Shopify(..) => Ok(Object::read(record)?.row(place)),
        }
    }

    /// The new text of a row, and the listing that it then is.
    fn apply(&self, change: &Change, record: &Record, row: &Row, comma: bool) -> Result<(String, Listing), Complaint> {
        if let Layout::Csv(columns) = &self.layout
            && !columns.fits(record)
        {
            return Err(ragged_row(row, (record.width(), columns.width)));
        }
        let mut text = record.text.clone();
        for (name, value) in self.edits(change, row, comma)? {
            let edited = match &self.layout {
                Layout::Csv(columns) => edit_cell(&text, columns, &name, &value),
                Layout::JsonLines | Layout::Shopify(..) => edit_value(&text, &name, &value),
            };
            text = edited.ok_or_else(|| {
                let cause = format!("{} has no column `{name}`", self.name);
                refusal(change, "no_column", &cause, "add the column to the file")
            })?;
        }
        let listing = self.listing_of(change, &text, record.line)?;
        Ok((text, listing))
    }

    /// What a text says once it stands in the file.
    fn listing_of(&self, change: &Change, text: &str, line: u64) -> Result<Listing, Complaint> {
        let unwritable = |cause: &str| refusal(change, "unwritable", cause, "write the file as UTF-8");
        if self.encoding.encode(text).is_none() {
            return Err(unwritable("the new text has letters that the file's encoding does not have"));
        }
        let mut record = Record::default();
        let mut records = Records::new(Text::in_memory(text));
        let read = match &self.layout {
            Layout::Csv(columns) => records.next_record(columns.delimiter, &mut record),
            Layout::JsonLines | Layout::Shopify(..) => records.next_line(&mut record),
        };
        record.line = line;
        let row = read.and_then(|_| self.row(&record)).map_err(|_| unwritable("the new text cannot be read back"))?;
        row.listing(self.settings.currency)
    }

    /// Column names and texts that the change sets and the row does not say yet.
    fn edits(&self, change: &Change, row: &Row, comma: bool) -> Result<Vec<(String, String)>, Complaint> {
        if change.wanted.retired {
            let cause = "a file has no listings that are off sale";
            return Err(refusal(change, "read_only", cause, "use `retire = \"zero_stock\"` or \"keep\""));
        }
        let mut edits = Vec::new();
        for field in &change.fields {
            match (field, &change.wanted) {
                (Field::Price, wanted) => {
                    let Some(price) = wanted.price else { continue };
                    let own = row.own_currency(self.settings.currency)? == price.currency;
                    let name = if own { "price".to_owned() } else { format!("price.{}", price.currency) };
                    let further = || row.prices.iter().find(|(currency, _)| *currency == price.currency);
                    let old = if own { Some(&row.price) } else { further().map(|(_, text)| text) };
                    if old.is_none_or(|old| read_number(old).ok() != Some(price.amount)) {
                        edits.push((name, price_text(price, comma)));
                    }
                }
                (Field::Stock, wanted) => {
                    if let Some(stock) =
                        wanted.stock.filter(|stock| read_number(&row.stock).ok() != Some((*stock).into()))
                    {
                        edits.push(("stock".to_owned(), stock.to_string()));
                    }
                }
                (Field::Title, wanted) => {
                    edits.extend(wanted.title.iter().filter(|new| **new != row.title).map(|new| pair("title", new)));
                }
                (Field::Description, wanted) => {
                    let new = wanted.description.iter().filter(|new| **new != row.description);
                    edits.extend(new.map(|new| pair("description", new)));
                }
                (Field::Images, wanted) => {
                    let new = wanted.images.iter().filter(|new| **new != row.images);
                    edits.extend(new.map(|new| pair("images", &new.join(" "))));
                }
                (Field::Attributes, _) => {}
            }
        }
        Ok(edits)
    }

    /// A new row at the end of the file; `None` when it is refused.
    fn new_row(&mut self, index: usize) -> Option<String> {
        let change = &self.changes[index];
        let made = self.new_cells(change).and_then(|cells| {
            let line = match &self.layout {
                Layout::Csv(columns) => new_record(columns, &cells),
                Layout::JsonLines | Layout::Shopify(..) => json_lines::new_line(&cells),
            };
            let listing = self.listing_of(change, &line, 0)?;
            Ok((line, listing))
        });
        let (line, result) = match made {
            Ok((line, listing)) => {
                self.changed = true;
                (Some(line), PushResult::Done { sku: change.sku.clone(), listing: Box::new(listing) })
            }
            Err(complaint) => (None, PushResult::Refused(complaint)),
        };
        self.results[index] = Some(result);
        line
    }

    fn new_cells(&self, change: &Change) -> Result<Vec<(String, String)>, Complaint> {
        let Some((product, variant)) = &change.product else {
            return Err(refusal(
                change,
                "no_product",
                "the source says nothing about it",
                "nothing: the next import may",
            ));
        };
        let wanted = &change.wanted;
        let Some(price) = wanted.price.or_else(|| variant.prices.first().copied()) else {
            return Err(refusal(change, "price", "the source has no price for it", "give it one in the source"));
        };
        let has_currency = match &self.layout {
            Layout::Csv(columns) => columns.index("currency").is_some(),
            Layout::JsonLines | Layout::Shopify(..) => true,
        };
        if !has_currency && self.settings.currency != Some(price.currency) {
            let cause = format!("{} has no column `currency` for {}", self.name, price.currency);
            return Err(refusal(change, "no_column", &cause, "add the column to the file"));
        }
        let stock = wanted.stock.or(variant.stock);
        let images = wanted.images.as_ref().unwrap_or(&product.images).join(" ");
        let mut cells = vec![
            pair("sku", change.sku.as_str()),
            pair("title", wanted.title.as_ref().unwrap_or(&product.title)),
            ("price".to_owned(), price_text(price, self.comma)),
            pair("currency", price.currency.as_str()),
            ("stock".to_owned(), stock.map(|stock| stock.to_string()).unwrap_or_default()),
            pair("product_id", &product.id),
            pair(
                "description",
                wanted.description.as_ref().or(product.description.as_ref()).map_or("", String::as_str),
            ),
            pair("brand", product.brand.as_deref().unwrap_or_default()),
            pair("barcode", variant.barcode.as_deref().unwrap_or_default()),
            ("images".to_owned(), images),
        ];
        cells.extend(variant.options.iter().map(|(name, value)| (format!("option.{name}"), value.clone())));
        let further = variant.prices.iter().filter(|other| other.currency != price.currency);
        cells.extend(further.map(|other| (format!("price.{}", other.currency), price_text(*other, self.comma))));
        cells.retain(|(_, text)| !text.is_empty());
        Ok(cells)
    }
}

fn pair(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

/// A price as people write it, with the digits of its currency. With three of them a comma could be read in two ways.
fn price_text(price: Price, comma: bool) -> String {
    let mut amount = price.amount.normalize();
    amount.rescale(amount.scale().max(price.currency.digits()));
    let text = amount.to_string();
    if comma && amount.scale() != 3 { text.replace('.', ",") } else { text }
}

/// The row with another text in one cell; `None` when there is no such column.
fn edit_cell(text: &str, columns: &Columns, name: &str, new: &str) -> Option<String> {
    let mut record = Record::default();
    Records::new(Text::in_memory(text)).next_record(columns.delimiter, &mut record).ok()?;
    let (range, quoted) = record.span(columns.index(name)?)?;
    Some(format!("{}{}{}", &text[..range.start], cell_text(new, columns.delimiter, quoted), &text[range.end..]))
}

/// The line with another value of one key, which is added where it is missing.
fn edit_value(text: &str, name: &str, new: &str) -> Option<String> {
    let mut record = Record::default();
    Records::new(Text::in_memory(text)).next_line(&mut record).ok()?;
    let line = record.line_text();
    let object = Object::read(&record).ok()?;
    if let Some((range, old)) = object.span(name, line) {
        let value = json_lines::value_of(name, new, Some(old));
        return Some(format!("{}{value}{}", &text[..range.start], &text[range.end..]));
    }
    let end = line.rfind('}')?;
    let before = text[..end].trim_end();
    let value = json_lines::value_of(name, new, None);
    Some(format!("{before}, {}: {value}{}{}", serde_json::Value::from(name), &text[before.len()..end], &text[end..]))
}

fn new_record(columns: &Columns, cells: &[(String, String)]) -> String {
    let mut texts = vec![""; columns.width];
    for (name, text) in cells {
        if let Some(cell) = columns.index(name).and_then(|index| texts.get_mut(index)) {
            *cell = text;
        }
    }
    record_text(texts, columns.delimiter)
}

/// A line of CSV, without its line end.
pub fn csv_line<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    record_text(texts, b',')
}

/// Texts as one record, without its line end.
pub(super) fn record_text<'a>(texts: impl IntoIterator<Item = &'a str>, delimiter: u8) -> String {
    let cells: Vec<_> = texts.into_iter().map(|text| cell_text(text, delimiter, false)).collect();
    cells.join(&char::from(delimiter).to_string())
}

/// A text as a cell, in quotes where it needs them or had them.
fn cell_text(text: &str, delimiter: u8, quoted: bool) -> String {
    let needs = text.contains(['"', '\n', '\r', char::from(delimiter)]) || text.trim() != text;
    if quoted || needs { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// The new file while it is being written, beside the old one. Removed again unless it is finished.
struct Draft {
    path: PathBuf,
    draft: PathBuf,
    out: Option<BufWriter<File>>,
}

impl Draft {
    fn begin(path: &Path) -> io::Result<Self> {
        let draft = path.with_file_name(format!(".{}.shopsyncd", file_name(path)));
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&draft)?;
        let begun = Self { path: path.to_owned(), draft, out: Some(BufWriter::with_capacity(256 * 1024, file)) };
        // Whoever may read the old file may read the new one.
        fs::set_permissions(&begun.draft, fs::metadata(path)?.permissions())?;
        Ok(begun)
    }

    fn write(&mut self, encoding: Encoding, text: &str) -> Result<(), WriteError> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let bytes = encoding.encode(text).unwrap_or_default();
        out.write_all(&bytes).map_err(WriteError::Write)
    }

    /// Puts it in the old one's place, lastingly.
    fn finish(mut self) -> io::Result<()> {
        if let Some(out) = self.out.take() {
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        }
        fs::rename(&self.draft, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is nothing of this name; what cannot be removed is overwritten by the next push.
        let _ = fs::remove_file(&self.draft);
    }
}

/// A file that cannot be replaced. The old one stands as it was.
pub(super) fn cannot_write(path: &Path, error: &io::Error) -> ChannelError {
    let folder = path.parent().unwrap_or(Path::new(".")).display();
    let name = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => unavailable(
            format!("{name}: the disk is full; the file is as it was"),
            "make room on it for a second copy of the file",
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => unavailable(
            format!("{name}: its folder may not be written to; the file is as it was"),
            &format!(
                "let the daemon's user write to {folder}, since the file is replaced as a whole; under systemd add \
                 `ReadWritePaths={folder}` to the unit"
            ),
        ),
        io::ErrorKind::NotFound => cannot_read(path, error),
        _ => unavailable(format!("{name}: it cannot be written: {error}; the file is as it was"), "check its disk"),
    }
}
