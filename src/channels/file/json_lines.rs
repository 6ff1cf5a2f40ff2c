//! JSON Lines: one object a line, its keys named as our CSV columns.

use std::{collections::BTreeMap, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    records::{Fault, Record},
    row::{Row, read_images},
    settings::Settings,
};
use crate::domain::Currency;

/// What the file calls our columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    /// As the settings have it.
    pub(super) fn new(settings: &Settings) -> Self {
        Self(settings.columns.clone())
    }

    /// Our name for a key; `None` for a key that is not ours.
    fn ours<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        match self.0.iter().find(|(_, theirs)| *theirs == key) {
            Some((name, _)) => Some(name),
            // A key that the settings map elsewhere is foreign under its usual name.
            None => (!self.0.contains_key(key)).then_some(key),
        }
    }

    /// The file's key for a name of ours.
    pub(super) fn theirs<'a>(&'a self, name: &'a str) -> &'a str {
        self.0.get(name).map_or(name, String::as_str)
    }
}

/// An object in the order of its keys, each value with its exact text: prices are not read by way of floating point, and
/// what is not changed is written back to the letter.
pub(super) struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry::<String, &RawValue>()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl<'a> Object<'a> {
    /// Reads a line.
    pub(super) fn read(record: &'a Record) -> Result<Self, Fault> {
        serde_json::from_str(record.line_text()).map_err(|error| {
            let (cause, remedy) = if record.is_cut && error.is_eof() {
                ("the last line is cut off", "write the file again: it is half written")
            } else {
                (
                    "the line is not a JSON object",
                    "write one object a line, for example {\"sku\": \"A-1\", \"stock\": 3}",
                )
            };
            let words = error.to_string();
            let detail = words.split(" at line").next().unwrap_or_default();
            Fault {
                line: record.line,
                column: error.column() as u64,
                cause: format!("{cause}: {detail}"),
                remedy: remedy.to_owned(),
            }
        })
    }

    /// Where the value of a key stands in the line, with its text.
    pub(super) fn span(&self, key: &str, line: &str) -> Option<(Range<usize>, &'a str)> {
        let value = self.0.iter().rev().find(|(name, _)| name == key)?.1.get();
        let start = (value.as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
        Some((start..start + value.len(), value))
    }

    /// Reads the object as a row. `place` is its file and line.
    pub(super) fn row(&self, names: &Names, place: String) -> Row {
        let mut row = Row { place, ..Row::default() };
        for (key, value) in &self.0 {
            let text = || plain_text(value);
            match names.ours(key).unwrap_or_default() {
                "sku" => row.sku = text(),
                "product_id" => row.product_id = text(),
                "title" => row.title = text(),
                "description" => row.description = text(),
                "brand" => row.brand = text(),
                "category" => row.category = text(),
                "barcode" => row.barcode = text(),
                "price" => row.price = text(),
                "currency" => row.currency = text(),
                "stock" => row.stock = text(),
                "images" => row.images = images(value),
                other => further(&mut row, other, text()),
            }
        }
        row
    }
}

fn further(row: &mut Row, key: &str, text: String) {
    if let Some(currency) = key.strip_prefix("price.").and_then(|code| code.parse::<Currency>().ok()) {
        row.prices.push((currency, text));
    } else if let Some(option) = key.strip_prefix("option.").filter(|_| !text.is_empty()) {
        row.options.push((option.to_owned(), text));
    }
}

/// A text without its quotes, a number as written, nothing for null. Anything else stays as it stands, for a complaint.
fn plain_text(value: &RawValue) -> String {
    let raw = value.get();
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(raw).unwrap_or_default().trim().to_owned(),
        _ if raw == "null" => String::new(),
        _ => raw.to_owned(),
    }
}

fn images(value: &RawValue) -> Vec<String> {
    serde_json::from_str::<Vec<String>>(value.get()).unwrap_or_else(|_| read_images(&plain_text(value)))
}

/// A new line from our column names and texts.
pub(super) fn new_line(names: &Names, cells: &[(String, String)]) -> String {
    let pair =
        |(name, text): &(String, String)| format!("{}: {}", quoted(names.theirs(name)), value_of(name, text, None));
    let pairs: Vec<String> = cells.iter().map(pair).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// A value as JSON: like the one that stands there, else numbers for stock, lists for images and text for the rest.
pub(super) fn value_of(key: &str, text: &str, old: Option<&str>) -> String {
    let was_number = old.is_some_and(|old| old.starts_with(|c: char| c.is_ascii_digit() || c == '-'));
    let was_text = old.is_some_and(|old| old.starts_with('"'));
    match key {
        "images" if !was_text => {
            let list: Vec<String> = read_images(text).iter().map(|image| quoted(image)).collect();
            format!("[{}]", list.join(","))
        }
        "stock" if !was_text => text.to_owned(),
        _ if was_number && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => text.to_owned(),
        _ => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
