//! The rows of products while changes are written: what is wanted of a variation's title, description or images is
//! written into its product's row, and new variations are made known there.

use std::collections::HashMap;

use super::{Attribute, Columns, Kin, Kind, list, list_text};
use crate::{
    channels::file::{
        records::{ReadError, Record, Records},
        text::{Encoding, Text},
        write::cells::{edit_cells, record_of},
    },
    domain::{Product, Variant},
};

/// The rows of products, as they are to stand in the new file.
pub(in crate::channels::file) struct Parents {
    kin: Kin,
    /// Those that change, by their lines.
    changed: HashMap<u64, String>,
    /// What was wanted of them: line and column to the text.
    wanted: HashMap<(u64, String), String>,
    /// Those that are added, with what variations call them.
    added: Vec<(String, String)>,
}

/// Why a change to a variation cannot be written: code, cause and remedy.
pub(in crate::channels::file) type Refused = (&'static str, String, &'static str);

impl Parents {
    /// None has changed yet.
    pub(in crate::channels::file) fn new(kin: Kin) -> Self {
        Self { kin, changed: HashMap::new(), wanted: HashMap::new(), added: Vec::new() }
    }

    /// The new text of a product's row, if it changes.
    pub(in crate::channels::file) fn changed(&self, line: u64) -> Option<&str> {
        self.changed.get(&line).map(String::as_str)
    }

    /// The rows that are added, in order.
    pub(in crate::channels::file) fn added(&self) -> impl Iterator<Item = &str> {
        self.added.iter().map(|(_, text)| text.as_str())
    }

    /// The row of the product that a variation belongs to, as it is to stand.
    pub(in crate::channels::file) fn of(
        &mut self,
        columns: &Columns,
        variation: &Record,
    ) -> Result<Option<Record>, ReadError> {
        if columns.kind(variation) != Kind::Variation {
            return Ok(None);
        }
        let key = columns.text(variation, "Parent");
        if let Some((_, text)) = self.added.iter().find(|(name, _)| *name == key) {
            return record(columns, text, 0).map(Some);
        }
        let Some(found) = self.kin.product(columns, &key)?.cloned() else { return Ok(None) };
        match self.changed.get(&found.line) {
            Some(text) => record(columns, text, found.line).map(Some),
            None => Ok(Some(found)),
        }
    }

    /// Notes what is wanted of a variation's product: our column names and texts.
    pub(in crate::channels::file) fn want(
        &mut self,
        columns: &Columns,
        variation: &Record,
        texts: &[(String, String)],
        encoding: Encoding,
    ) -> Result<Option<Refused>, ReadError> {
        let Some(parent) = self.of(columns, variation)? else { return Ok(None) };
        let mut cells = Vec::new();
        for (name, text) in texts {
            let wanted = self.wanted.entry((parent.line, name.clone())).or_insert_with(|| text.clone());
            if wanted != text {
                let cause = format!("another variation of `{}` wants another {name}", columns.key(&parent));
                return Ok(Some(("conflict", cause, "make them one product in the source, or two in the file")));
            }
            let Some(found) = columns.cells(Some(&parent), name, text) else {
                let cause = format!("the file has no column `{}`", Columns::column_of(name));
                return Ok(Some(("no_column", cause, "add the column to the file")));
            };
            cells.extend(found);
        }
        let text = edit_cells(&parent.text, columns.header.delimiter, &cells).unwrap_or(parent.text);
        if encoding.encode(&text).is_none() {
            return Ok(Some(unwritable()));
        }
        self.changed.insert(parent.line, text);
        Ok(None)
    }

    /// Makes a variation known to its product, whose row is added unless it is there, and returns the variation's own
    /// cells: what it belongs to, and its options.
    pub(in crate::channels::file) fn adopt(
        &mut self,
        columns: &Columns,
        product: &Product,
        variant: &Variant,
        encoding: Encoding,
    ) -> Result<Result<Vec<(usize, String)>, Refused>, ReadError> {
        let key = product.id.clone();
        let found = self.kin.product(columns, &key)?.cloned();
        let line = found.as_ref().map_or(0, |record| record.line);
        let standing = self.added.iter().find(|(name, _)| *name == key).map(|(_, text)| text.clone());
        let standing = standing.or_else(|| self.changed.get(&line).cloned()).or(found.map(|record| record.text));
        let mut text = standing.unwrap_or_else(|| new_product(columns, product));
        let Some(column) = columns.header.index("Parent") else {
            return Ok(Err(("no_column", "the file has no column `Parent`".to_owned(), "add the column to the file")));
        };
        let mut cells = vec![(column, key.clone())];
        for (name, value) in &variant.options {
            let row = record(columns, &text, line)?;
            let Some(slot) = slot(columns, &row, name) else {
                let cause = format!("the file has no columns for another attribute, `{name}`");
                return Ok(Err(("no_column", cause, "add `Attribute N name` and `Attribute N value(s)` to the file")));
            };
            text = with_value(columns, &row, slot, name, value);
            cells.extend([(slot.name, name.clone()), (slot.value, list_text(std::slice::from_ref(value)))]);
        }
        if encoding.encode(&text).is_none() {
            return Ok(Err(unwritable()));
        }
        if line > 0 {
            self.changed.insert(line, text);
        } else {
            self.added.retain(|(name, _)| *name != key);
            self.added.push((key, text));
        }
        Ok(Ok(cells))
    }

    /// Whether a row that is not for sale has this SKU.
    pub(in crate::channels::file) fn is_taken(&self, sku: &str) -> bool {
        self.kin.family.is_taken(sku) || self.added.iter().any(|(key, _)| key == sku)
    }
}

fn unwritable() -> Refused {
    let cause = "the new text of its product has letters that the file's encoding does not have";
    ("unwritable", cause.to_owned(), "write the file as UTF-8")
}

/// A text as a record on a line.
fn record(columns: &Columns, text: &str, line: u64) -> Result<Record, ReadError> {
    let mut record = Record::default();
    Records::new(Text::in_memory(text)).next_record(columns.header.delimiter, &mut record)?;
    record.line = line;
    Ok(record)
}

/// The attribute of a name, or the first one without any.
fn slot(columns: &Columns, row: &Record, name: &str) -> Option<Attribute> {
    let named = |attribute: &Attribute| row.cell(attribute.name).unwrap_or_default();
    let mut slots = columns.attributes.iter().copied();
    let same = slots.clone().find(|attribute| named(attribute) == name);
    same.or_else(|| slots.find(|attribute| named(attribute).is_empty()))
}

/// The row with one more value of an attribute, unless it has it.
fn with_value(columns: &Columns, row: &Record, slot: Attribute, name: &str, value: &str) -> String {
    let mut values = list(&row.cell(slot.value).unwrap_or_default());
    if values.iter().any(|known| known == value) {
        return row.text.clone();
    }
    values.push(value.to_owned());
    let mut cells = vec![(slot.name, name.to_owned()), (slot.value, list_text(&values))];
    cells.extend(slot.visible.map(|index| (index, "1".to_owned())));
    edit_cells(&row.text, columns.header.delimiter, &cells).unwrap_or_else(|| row.text.clone())
}

fn new_product(columns: &Columns, product: &Product) -> String {
    let mut cells = columns.given(&[("Type", "variable"), ("In stock?", "1")]);
    let texts = [
        ("sku", product.id.clone()),
        ("title", product.title.clone()),
        ("description", product.description.clone().unwrap_or_default()),
        ("brand", product.brand.clone().unwrap_or_default()),
        ("category", product.category.clone().unwrap_or_default()),
        ("images", product.images.join(" ")),
    ];
    for (name, text) in texts {
        cells.extend(columns.cells(None, name, &text).unwrap_or_default());
    }
    record_of(columns.header.width, columns.header.delimiter, &cells)
}
