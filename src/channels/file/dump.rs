//! Writing everything the source has to a new file, in our own columns: for people who want to look at it elsewhere, or
//! begin a product file of their own. What is written reads back as the same products.

use std::{
    collections::BTreeSet,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::{json_lines, write::record_text};
use crate::domain::{Currency, Product, Variant};

/// A file being written. It stands under its name only once it is complete.
pub struct Writer {
    path: PathBuf,
    partial: PathBuf,
    columns: Vec<String>,
    out: io::BufWriter<fs::File>,
    as_json: bool,
    count: u64,
}

impl Writer {
    /// Begins a file: JSON Lines where its name ends in `.jsonl`, else CSV. `options` and `currencies` are those that any
    /// variant has: a CSV header stands before the first row.
    pub fn create(path: &Path, options: &BTreeSet<String>, currencies: &BTreeSet<Currency>) -> io::Result<Self> {
        let mut columns: Vec<String> = super::columns::KNOWN.iter().map(|&name| name.to_owned()).collect();
        columns.extend(currencies.iter().map(|currency| format!("price.{currency}")));
        columns.extend(options.iter().map(|option| format!("option.{option}")));
        let name = path.file_name().ok_or_else(|| io::Error::other("a file is to be named"))?.to_string_lossy();
        let partial = path.with_file_name(format!(".{name}.{}.partial", std::process::id()));
        let mut out = io::BufWriter::new(fs::File::create(&partial)?);
        let as_json = path.extension().is_some_and(|ending| ending == "jsonl");
        if !as_json {
            writeln!(out, "{}", record_text(columns.iter().map(String::as_str), b','))?;
        }
        Ok(Self { path: path.to_owned(), partial, columns, out, as_json, count: 0 })
    }

    /// Writes one SKU.
    pub fn write(&mut self, product: &Product, variant: &Variant) -> io::Result<()> {
        let mut cells: Vec<_> =
            self.columns.iter().map(|column| (column.clone(), cell(column, product, variant))).collect();
        let line = if self.as_json {
            cells.retain(|(_, text)| !text.is_empty());
            json_lines::new_line(&cells)
        } else {
            record_text(cells.iter().map(|(_, text)| text.as_str()), b',')
        };
        self.count += 1;
        writeln!(self.out, "{line}")
    }

    /// Puts the complete file under its name; returns how many SKUs it has.
    pub fn finish(self) -> io::Result<u64> {
        self.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&self.partial, &self.path)?;
        Ok(self.count)
    }
}

fn cell(column: &str, product: &Product, variant: &Variant) -> String {
    let own = variant.prices.first();
    match column {
        "sku" => variant.sku.to_string(),
        "title" => product.title.clone(),
        "price" => own.map_or_else(String::new, |price| price.amount.to_string()),
        "currency" => own.map_or_else(String::new, |price| price.currency.to_string()),
        "stock" => variant.stock.map_or_else(String::new, |stock| stock.to_string()),
        "product_id" => product.id.clone(),
        "description" => product.description.clone().unwrap_or_default(),
        "brand" => product.brand.clone().unwrap_or_default(),
        "barcode" => variant.barcode.clone().unwrap_or_default(),
        "images" => product.images.join(" "),
        further => further_cell(further, variant),
    }
}

fn further_cell(column: &str, variant: &Variant) -> String {
    if let Some(currency) = column.strip_prefix("price.") {
        let price = variant.prices.iter().skip(1).find(|price| price.currency.as_str() == currency);
        return price.map_or_else(String::new, |price| price.amount.to_string());
    }
    let option = column.strip_prefix("option.").unwrap_or_default();
    variant.options.iter().find(|(name, _)| name == option).map_or_else(String::new, |(_, value)| value.clone())
}
