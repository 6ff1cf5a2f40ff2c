//! Our own columns: which one stands where in a CSV header, and a row read by them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    records::{Fault, Record},
    row::{Row, read_images},
    settings::Settings,
};
use crate::domain::Currency;

/// The columns with fixed names. `price.CUR` and `option.NAME` come beside them.
pub(super) const KNOWN: &[&str] = &[
    "sku",
    "title",
    "price",
    "currency",
    "stock",
    "product_id",
    "description",
    "brand",
    "category",
    "barcode",
    "images",
];

/// Those a file cannot do without. `currency` is another, unless the settings name one.
const NEEDED: &[&str] = &["sku", "title", "price", "stock"];

/// Where our columns stand in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) delimiter: u8,
    /// How many cells a row has.
    pub(super) width: usize,
    by_name: BTreeMap<String, usize>,
    options: Vec<(String, usize)>,
    prices: Vec<(Currency, usize)>,
}

impl Columns {
    /// Reads a header.
    pub(super) fn read(header: &Record, delimiter: u8, settings: &Settings) -> Result<Self, Fault> {
        let mut columns = Self {
            delimiter,
            width: header.width(),
            by_name: BTreeMap::new(),
            options: Vec::new(),
            prices: Vec::new(),
        };
        let ours: BTreeMap<String, &str> =
            settings.columns.iter().map(|(name, header)| (header.to_lowercase(), name.as_str())).collect();
        refuse_doubled(header)?;
        for index in 0..header.width() {
            let cell = header.cell(index).unwrap_or_default();
            // A column that the settings map elsewhere is foreign under its usual name.
            let name = match ours.get(&cell.to_lowercase()) {
                Some(name) => (*name).to_owned(),
                None if settings.columns.contains_key(&cell.to_lowercase()) => continue,
                None => cell.into_owned(),
            };
            columns.place(&name, index);
        }
        columns.refuse_lacking(header, settings)?;
        Ok(columns)
    }

    fn place(&mut self, name: &str, index: usize) {
        let lower = name.to_lowercase();
        if KNOWN.contains(&lower.as_str()) {
            self.by_name.insert(lower, index);
        } else if let Some(currency) = lower.strip_prefix("price.").and_then(|code| code.parse::<Currency>().ok()) {
            self.prices.push((currency, index));
            self.by_name.insert(format!("price.{currency}"), index);
        } else if lower.starts_with("option.") {
            let option = name["option.".len()..].to_owned();
            self.by_name.insert(format!("option.{option}"), index);
            self.options.push((option, index));
        }
    }

    fn refuse_lacking(&self, header: &Record, settings: &Settings) -> Result<(), Fault> {
        let mut lacking: Vec<String> = Vec::new();
        let needed = NEEDED.iter().chain(settings.currency.is_none().then_some(&"currency"));
        for name in needed.filter(|name| !self.by_name.contains_key(**name)) {
            let named = settings.columns.get(*name).map_or(*name, String::as_str);
            lacking.push(format!("`{named}`"));
        }
        if lacking.is_empty() {
            return Ok(());
        }
        let cause = if lacking.len() == NEEDED.len() + usize::from(settings.currency.is_none()) {
            "the first line is not a header with our columns".to_owned()
        } else {
            format!("the header lacks {}", lacking.join(", "))
        };
        let remedy = "the first line must name sku, title, price, currency and stock; map other names with `columns`, and \
                      name the currency with `currency` where the file does not say it";
        Err(Fault { line: header.line, column: 1, cause, remedy: remedy.to_owned() })
    }

    /// Where a column stands, by our name: `sku`, `price.GBP`, `option.Size`.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Reads a row. `place` is its file and line.
    pub(super) fn row(&self, record: &Record, place: String) -> Row {
        let text = |name: &str| {
            self.index(name).and_then(|index| record.cell(index)).map(std::borrow::Cow::into_owned).unwrap_or_default()
        };
        let cell = |index: usize| record.cell(index).unwrap_or_default().into_owned();
        Row {
            place,
            sku: text("sku"),
            product_id: text("product_id"),
            title: text("title"),
            description: text("description"),
            brand: text("brand"),
            category: text("category"),
            barcode: text("barcode"),
            images: read_images(&text("images")),
            options: self
                .options
                .iter()
                .map(|(name, index)| (name.clone(), cell(*index)))
                .filter(|(_, value)| !value.is_empty())
                .collect(),
            price: text("price"),
            currency: text("currency"),
            prices: self.prices.iter().map(|(currency, index)| (*currency, cell(*index))).collect(),
            stock: text("stock"),
            ..Row::default()
        }
    }
}

/// A header that names a column twice is refused: nobody could say which one is meant.
pub(super) fn refuse_doubled(header: &Record) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for index in 0..header.width() {
        let cell = header.cell(index).unwrap_or_default();
        if !cell.is_empty() && !seen.insert(cell.to_lowercase()) {
            let start = header.span(index).map_or(0, |(range, _)| range.start);
            return Err(Fault {
                line: header.line,
                column: header.text[..start].chars().count() as u64 + 1,
                cause: format!("the header names `{cell}` twice"),
                remedy: "rename or remove one of the two columns".to_owned(),
            });
        }
    }
    Ok(())
}

/// The delimiter of a header line: of `,`, `;`, tab and `|` the one that stands most often outside quotes.
pub(super) fn delimiter_of(line: &str) -> u8 {
    let mut counts = [(b',', 0_u32), (b';', 0), (b'\t', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in line.bytes() {
        if byte == b'"' {
            quoted = !quoted;
        } else if !quoted && let Some((_, count)) = counts.iter_mut().find(|(delimiter, _)| *delimiter == byte) {
            *count += 1;
        }
    }
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| delimiter)
}
