//! WooCommerce's product CSV, as its own exporter writes it and its own importer reads it.
//!
//! A product of one SKU is one row. One that comes in variations has a row of its own, which cannot be bought, and a row for
//! each variation, which names it in `Parent` by SKU or as `id:NN`; the rows stand in any order. What belongs to the
//! product as a whole (title, description, images, brand) is read from the product's row, and written there.
//!
//! The columns are those of <https://woocommerce.com/document/product-csv-importer-exporter/>, in English.

mod family;
mod parents;

pub(super) use family::{Family, Kin};
pub(super) use parents::Parents;

use super::{
    header::{Header, plain},
    records::{Fault, Record},
    row::{Row, RowFault, read_images, read_number},
    settings::Settings,
};

const GTIN: &str = "GTIN, UPC, EAN, or ISBN";
const CATEGORIES: &str = "Categories";

/// The columns that are read or written, beside those of attributes.
pub(super) const KNOWN: &[&str] = &[
    "ID",
    "Type",
    "SKU",
    GTIN,
    "Name",
    "Published",
    "Visibility in catalog",
    "Short description",
    "Description",
    "In stock?",
    "Stock",
    "Regular price",
    "Images",
    "Parent",
    "Brands",
    CATEGORIES,
];

const NEEDED: &[&str] = &["Type", "SKU", "Name", "Regular price"];

/// Whether a column's name is that of an attribute's name or value.
pub(super) fn is_attribute(name: &str) -> bool {
    let name = plain(name);
    let rest = name.strip_prefix("attribute ").and_then(|rest| rest.split_once(' '));
    rest.is_some_and(|(number, what)| {
        number.bytes().all(|byte| byte.is_ascii_digit()) && matches!(what, "name" | "value(s)" | "visible" | "global")
    })
}

/// Whether a header is one of WooCommerce's.
pub(super) fn is_header(header: &Record) -> bool {
    let names: Vec<String> = (0..header.width()).map(|index| plain(&header.cell(index).unwrap_or_default())).collect();
    NEEDED.iter().all(|name| names.contains(&plain(name)))
}

/// What kind of product a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One SKU.
    Simple,
    /// The product that variations belong to: not a SKU to buy.
    Parent,
    /// One SKU of a product.
    Variation,
    /// Sold by its parts (`grouped`), or elsewhere (`external`).
    NotSold,
}

/// Where an attribute's columns stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute {
    name: usize,
    value: usize,
    visible: Option<usize>,
}

/// Where the columns stand.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub(super) header: Header,
    attributes: Vec<Attribute>,
}

impl Columns {
    /// Reads a header.
    pub(super) fn read(record: &Record, delimiter: u8, settings: &Settings) -> Result<Self, Fault> {
        let header = Header::read(record, delimiter, &settings.columns);
        header.refuse(record.line, "WooCommerce's product CSV", NEEDED, KNOWN)?;
        let column = |number: usize, what: &str| header.index(&format!("Attribute {number} {what}"));
        let attribute = |number| {
            let (name, value) = (column(number, "name")?, column(number, "value(s)")?);
            Some(Attribute { name, value, visible: column(number, "visible") })
        };
        let attributes = (1..=header.width).filter_map(attribute).collect();
        Ok(Self { header, attributes })
    }

    /// A cell without the mark that keeps spreadsheets from taking it for a formula.
    fn text(&self, record: &Record, name: &str) -> String {
        unmarked(&self.header.text(record, name)).to_owned()
    }

    /// What a row is.
    pub(super) fn kind(&self, record: &Record) -> Kind {
        let text = self.text(record, "Type").to_lowercase();
        let has = |names: &[&str]| text.split(',').any(|kind| names.contains(&kind.trim()));
        if has(&["variation", "subscription_variation"]) {
            Kind::Variation
        } else if has(&["variable", "variable-subscription"]) {
            Kind::Parent
        } else if has(&["grouped", "external"]) {
            Kind::NotSold
        } else {
            Kind::Simple
        }
    }

    /// A row's SKU; may be empty.
    pub(super) fn sku(&self, record: &Record) -> String {
        self.text(record, "SKU")
    }

    /// What a row's product is called in `Parent`: its SKU, or its id where it has none.
    fn key(&self, record: &Record) -> String {
        let (sku, id) = (self.sku(record), self.text(record, "ID"));
        if sku.is_empty() && !id.is_empty() { format!("id:{id}") } else { sku }
    }

    /// Reads a row that is for sale. `parent` is the row of the product that a variation belongs to.
    pub(super) fn row(&self, record: &Record, parent: Option<&Record>, place: String) -> Row {
        let is_variation = self.kind(record) == Kind::Variation;
        let product = parent.filter(|_| is_variation).unwrap_or(record);
        let row = Row {
            place,
            sku: self.sku(record),
            product_id: self.key(product),
            title: self.text(product, "Name"),
            description: self.description(product),
            brand: list(&self.text(product, "Brands")).into_iter().next().unwrap_or_default(),
            category: category_of(&self.text(product, CATEGORIES)),
            barcode: self.text(record, GTIN),
            images: list(&self.text(product, "Images")),
            options: if is_variation { self.options(record) } else { Vec::new() },
            price: self.text(record, "Regular price"),
            stock: self.stock(record, product),
            inactive: !self.is_published(record) || !self.is_published(product),
            ..Row::default()
        };
        let fault = (is_variation && parent.is_none()).then(|| RowFault {
            code: "parent",
            cause: format!(
                "the file lacks the product `{}` that the variation belongs to",
                self.text(record, "Parent")
            ),
            remedy: "export the products of type variable as well",
        });
        Row { fault, ..row }
    }

    /// The description, or the short one where that is all there is.
    fn description(&self, record: &Record) -> String {
        let long = self.text(record, "Description");
        lines_in(if long.is_empty() { self.text(record, "Short description") } else { long }.as_str())
    }

    fn options(&self, record: &Record) -> Vec<(String, String)> {
        let cell = |index| unmarked(&record.cell(index).unwrap_or_default()).to_owned();
        let pairs = self.attributes.iter().map(|attribute| {
            let value = list(&cell(attribute.value)).into_iter().next().unwrap_or_default();
            (cell(attribute.name), value)
        });
        pairs.filter(|(name, value)| !name.is_empty() && !value.is_empty()).collect()
    }

    /// The pieces on sale: the count, where WooCommerce counts; else none of what is not in stock, and nothing is said of
    /// the rest.
    fn stock(&self, record: &Record, product: &Record) -> String {
        let own = self.text(record, "Stock");
        let count = if own.eq_ignore_ascii_case("parent") { self.text(product, "Stock") } else { own };
        if read_number(&count).is_ok_and(|count| count.is_sign_negative()) {
            // More were ordered than there are.
            return "0".to_owned();
        }
        let is_in_stock = matches!(self.text(record, "In stock?").to_lowercase().as_str(), "" | "1" | "true" | "yes");
        if count.is_empty() && !is_in_stock { "0".to_owned() } else { count }
    }

    fn is_published(&self, record: &Record) -> bool {
        matches!(self.text(record, "Published").to_lowercase().as_str(), "" | "1" | "true" | "yes")
    }

    /// The cells of a row itself that say something of ours; `None` where the file has no column for it.
    pub(super) fn cells(&self, old: Option<&Record>, name: &str, text: &str) -> Option<Vec<(usize, String)>> {
        let at = |column: &str, text: String| self.header.index(column).map(|index| vec![(index, text)]);
        match name {
            "currency" => Some(Vec::new()),
            "stock" => {
                let mut cells = at("Stock", text.to_owned())?;
                let said = old.map(|record| self.text(record, "In stock?")).unwrap_or_default();
                let stays = (text == "0") == (said == "0") && !said.is_empty() && said != "backorder";
                if !stays {
                    let is_in_stock = if text == "0" { "0" } else { "1" };
                    cells.extend(at("In stock?", is_in_stock.to_owned()).unwrap_or_default());
                }
                Some(cells)
            }
            "price" => at("Regular price", text.to_owned()),
            "sku" => at("SKU", text.to_owned()),
            "title" => at("Name", text.to_owned()),
            "description" => at("Description", lines_out(text)),
            "images" => at("Images", list_text(&read_images(text))),
            "brand" => at("Brands", list_text(&[text.to_owned()])),
            "category" => at(CATEGORIES, list_text(&[text.to_owned()])),
            "barcode" => at(GTIN, text.to_owned()),
            _ => None,
        }
    }

    /// What a new row says beside what is ours.
    pub(super) fn new_cells(&self, is_variation: bool) -> Vec<(usize, String)> {
        self.given(&[("Type", if is_variation { "variation" } else { "simple" })])
    }

    /// Cells with these texts, as far as there are columns for them, in a row that buyers can see.
    fn given(&self, texts: &[(&str, &str)]) -> Vec<(usize, String)> {
        let seen = [("Published", "1"), ("Visibility in catalog", "visible")];
        let texts = texts.iter().chain(&seen);
        texts.filter_map(|(name, text)| Some((self.header.index(name)?, (*text).to_owned()))).collect()
    }

    /// What the format calls one of our columns.
    pub(super) fn column_of(name: &str) -> &str {
        match name {
            "sku" => "SKU",
            "stock" => "Stock",
            "price" => "Regular price",
            "title" => "Name",
            "description" => "Description",
            "images" => "Images",
            "brand" => "Brands",
            "barcode" => GTIN,
            "category" => CATEGORIES,
            other => other,
        }
    }
}

/// A text without the apostrophe that WooCommerce puts before what a spreadsheet would take for a formula.
fn unmarked(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@'])).unwrap_or(text)
}

/// A list in a cell: parted by commas; a comma within a value has a backslash before it.
fn list(text: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek() == Some(&',') => {
                letters.next();
                values.last_mut().expect("it begins with one").push(',');
            }
            ',' => values.push(String::new()),
            other => values.last_mut().expect("it begins with one").push(other),
        }
    }
    values.iter().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).collect()
}

/// The category that says most of a product in several: the first of those with the most levels, `Clothing > Shirts` before
/// `Clothing`.
fn category_of(text: &str) -> String {
    let levels = |category: &String| category.split('>').count();
    // Of equals `max_by_key` takes the last.
    list(text).into_iter().rev().max_by_key(levels).unwrap_or_default()
}

fn list_text(values: &[String]) -> String {
    values.iter().map(|value| value.replace(',', "\\,")).collect::<Vec<_>>().join(", ")
}

/// How a `\n` that is meant as such is written.
const MEANT: &str = "\\\\\\n";

/// A description with its line breaks, which the exporter writes as `\n`.
fn lines_in(text: &str) -> String {
    text.split(MEANT).map(|part| part.replace("\\n", "\n")).collect::<Vec<_>>().join("\\n")
}

fn lines_out(text: &str) -> String {
    text.replace("\\n", MEANT).replace('\n', "\\n")
}
