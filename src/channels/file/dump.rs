//! Writing everything the source has to a new file, in our own columns: for people who want to look at it elsewhere, or
//! begin a product file of their own. What is written reads back as the same products.

use std::{
    collections::BTreeSet,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use super::{
    json_lines,
    write::{cells::record_text, price_text},
};
use crate::domain::{Currency, Product, Variant};

/// Where a dump goes.
type Out = Box<dyn Write + Send>;

/// A dump being written. A file stands under its name only once it is complete.
pub struct Writer {
    file: Option<Partial>,
    columns: Vec<String>,
    out: io::BufWriter<Out>,
    as_json: bool,
    count: u64,
}

/// A file that does not stand under its name yet; dropped before that, it leaves nothing behind.
struct Partial {
    file: fs::File,
    partial: PathBuf,
    path: PathBuf,
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Not there any more once it has its name.
        let _ = fs::remove_file(&self.partial);
    }
}

impl Writer {
    /// Begins a file: JSON Lines where its name ends in `.jsonl`, else CSV. A file of that name is replaced in the end.
    /// `options` and `currencies` are those that any variant has: a CSV header stands before the first row.
    pub fn create(path: &Path, options: &BTreeSet<String>, currencies: &BTreeSet<Currency>) -> io::Result<Self> {
        let name = path.file_name().ok_or_else(|| io::Error::other("a file is to be named"))?.to_string_lossy();
        let partial = path.with_file_name(format!(".{name}.{}.partial", std::process::id()));
        let file = fs::File::create(&partial)?;
        let out = Box::new(file.try_clone()?);
        let file = Some(Partial { file, partial, path: path.to_owned() });
        let as_json = path.extension().is_some_and(|ending| ending == "jsonl");
        Ok(Self { file, ..Self::to(out, as_json, options, currencies)? })
    }

    /// Begins a dump to somewhere else, as [`Writer::create`] does.
    pub fn to(
        out: Box<dyn Write + Send>,
        as_json: bool,
        options: &BTreeSet<String>,
        currencies: &BTreeSet<Currency>,
    ) -> io::Result<Self> {
        let mut columns: Vec<String> = super::columns::KNOWN.iter().map(|&name| name.to_owned()).collect();
        columns.extend(currencies.iter().map(|currency| format!("price.{currency}")));
        columns.extend(options.iter().map(|option| format!("option.{option}")));
        let mut out = io::BufWriter::new(out);
        if !as_json {
            writeln!(out, "{}", record_text(columns.iter().map(String::as_str), b','))?;
        }
        Ok(Self { file: None, columns, out, as_json, count: 0 })
    }

    /// Writes one SKU.
    pub fn write(&mut self, product: &Product, variant: &Variant) -> io::Result<()> {
        let mut cells: Vec<_> =
            self.columns.iter().map(|column| (column.clone(), cell(column, product, variant))).collect();
        let line = if self.as_json {
            cells.retain(|(_, text)| !text.is_empty());
            json_lines::new_line(&json_lines::Names::default(), &cells)
        } else {
            record_text(cells.iter().map(|(_, text)| text.as_str()), b',')
        };
        self.count += 1;
        writeln!(self.out, "{line}")
    }

    /// Writes out what is left, and puts a complete file under its name; returns how many SKUs there are.
    pub fn finish(mut self) -> io::Result<u64> {
        self.out.flush()?;
        if let Some(Partial { file, partial, path }) = &self.file {
            file.sync_all()?;
            fs::rename(partial, path)?;
        }
        Ok(self.count)
    }
}

fn cell(column: &str, product: &Product, variant: &Variant) -> String {
    let own = variant.prices.first();
    match column {
        "sku" => variant.sku.to_string(),
        "title" => product.title.clone(),
        "price" => own.map_or_else(String::new, |price| price_text(*price, false)),
        "currency" => own.map_or_else(String::new, |price| price.currency.to_string()),
        "stock" => variant.stock.map_or_else(String::new, |stock| stock.to_string()),
        "product_id" => product.id.clone(),
        "description" => product.description.clone().unwrap_or_default(),
        "brand" => product.brand.clone().unwrap_or_default(),
        "category" => product.category.clone().unwrap_or_default(),
        "barcode" => variant.barcode.clone().unwrap_or_default(),
        "images" => product.images.join(" "),
        further => further_cell(further, variant),
    }
}

fn further_cell(column: &str, variant: &Variant) -> String {
    if let Some(currency) = column.strip_prefix("price.") {
        let price = variant.prices.iter().skip(1).find(|price| price.currency.as_str() == currency);
        return price.map_or_else(String::new, |price| price_text(*price, false));
    }
    let option = column.strip_prefix("option.").unwrap_or_default();
    variant.options.iter().find(|(name, _)| name == option).map_or_else(String::new, |(_, value)| value.clone())
}
