//! Shopify's product export: several rows for a product.
//!
//! A product's first row says title, description and vendor; every variant has a row; further images have rows of their
//! own, which say nothing but the handle and the image. The names of the columns are those of
//! <https://help.shopify.com/en/manual/products/import-export/using-csv>, in the older and the newer wording.

use super::{
    columns::refuse_doubled,
    records::{Fault, Record},
    row::Row,
};
use crate::domain::Complaint;

/// A column's names: the older one, the newer one.
type Names = [&'static str; 2];

const HANDLE: Names = ["handle", "url handle"];
const TITLE: Names = ["title", "title"];
const BODY: Names = ["body (html)", "description"];
const VENDOR: Names = ["vendor", "vendor"];
/// The seller's own word for what it is.
const TYPE: Names = ["type", "type"];
/// The one of Shopify's taxonomy, under both wordings.
const CATEGORY: Names = ["product category", "product category"];
const STATUS: Names = ["status", "status"];
const PUBLISHED: Names = ["published", "published on online store"];
const SKU: Names = ["variant sku", "sku"];
const BARCODE: Names = ["variant barcode", "barcode"];
const PRICE: Names = ["variant price", "price"];
const STOCK: Names = ["variant inventory qty", "inventory quantity"];
const TRACKER: Names = ["variant inventory tracker", "inventory tracker"];
const IMAGE: Names = ["image src", "product image url"];
const VARIANT_IMAGE: Names = ["variant image", "variant image url"];

/// Where the columns stand.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub(super) width: usize,
    handle: usize,
    title: usize,
    price: usize,
    body: Option<usize>,
    vendor: Option<usize>,
    own_type: Option<usize>,
    category: Option<usize>,
    status: Option<usize>,
    published: Option<usize>,
    sku: Option<usize>,
    barcode: Option<usize>,
    stock: Option<usize>,
    tracker: Option<usize>,
    image: Option<usize>,
    variant_image: Option<usize>,
    /// Name and value of each option.
    options: Vec<(usize, usize)>,
}

/// Whether a header is one of Shopify's export.
pub(super) fn is_header(header: &Record) -> bool {
    [HANDLE, TITLE, PRICE].into_iter().all(|names| find(header, names).is_some())
        && find(header, ["option1 value", "variant sku"]).is_some()
}

fn find(header: &Record, names: Names) -> Option<usize> {
    (0..header.width()).find(|index| {
        let cell = header.cell(*index).unwrap_or_default().to_lowercase();
        names.contains(&cell.as_str())
    })
}

impl Columns {
    /// Reads a header.
    pub(super) fn read(header: &Record) -> Result<Self, Fault> {
        refuse_doubled(header)?;
        let needed = |names: Names| {
            find(header, names).ok_or_else(|| Fault {
                line: header.line,
                column: 0,
                cause: format!("the header lacks `{}`: this is not Shopify's product export", names[0]),
                remedy: "export the products again in Shopify's admin, or set another `format`".to_owned(),
            })
        };
        let options = (1..=3).filter_map(|number| {
            let name = format!("option{number} name");
            let value = format!("option{number} value");
            let place = |wanted: &str| {
                (0..header.width()).find(|index| header.cell(*index).unwrap_or_default().to_lowercase() == wanted)
            };
            Some((place(&name)?, place(&value)?))
        });
        Ok(Self {
            width: header.width(),
            handle: needed(HANDLE)?,
            title: needed(TITLE)?,
            price: needed(PRICE)?,
            body: find(header, BODY),
            vendor: find(header, VENDOR),
            own_type: find(header, TYPE),
            category: find(header, CATEGORY),
            status: find(header, STATUS),
            published: find(header, PUBLISHED),
            sku: find(header, SKU),
            barcode: find(header, BARCODE),
            stock: find(header, STOCK),
            tracker: find(header, TRACKER),
            image: find(header, IMAGE),
            variant_image: find(header, VARIANT_IMAGE),
            options: options.collect(),
        })
    }

    /// The handle of the product that a row belongs to.
    pub(super) fn handle(&self, record: &Record) -> String {
        text(record, Some(self.handle))
    }

    /// Whether a row is a variant, not merely a further image.
    fn is_variant(&self, record: &Record) -> bool {
        let says = |index: Option<usize>| !text(record, index).is_empty();
        says(self.sku) || says(Some(self.price)) || self.options.iter().any(|(_, value)| says(Some(*value)))
    }

    /// The variants of one product, whose rows these are: a row each, with a notice where the SKU had to be derived.
    pub(super) fn rows(&self, records: &[Record], file: &str) -> Vec<(u64, Row, Option<Complaint>)> {
        let Some(first) = records.first() else { return Vec::new() };
        let images: Vec<String> =
            records.iter().map(|record| text(record, self.image)).filter(|image| !image.is_empty()).collect();
        let names: Vec<String> = self.options.iter().map(|(name, _)| text(first, Some(*name))).collect();
        let status = text(first, self.status).to_lowercase();
        let inactive = matches!(status.as_str(), "draft" | "archived" | "unlisted")
            || text(first, self.published).eq_ignore_ascii_case("false");
        let category = Some(text(first, self.own_type)).filter(|word| !word.is_empty());
        let category = category.unwrap_or_else(|| text(first, self.category));
        let mut rows = Vec::new();
        for record in records.iter().filter(|record| self.is_variant(record)) {
            let mut row = Row {
                place: format!("{file}:{}", record.line),
                sku: text(record, self.sku),
                product_id: self.handle(record),
                title: text(first, Some(self.title)),
                description: text(first, self.body),
                brand: text(first, self.vendor),
                category: category.clone(),
                barcode: text(record, self.barcode).trim_start_matches('\'').to_owned(),
                images: own_image_first(&images, &text(record, self.variant_image)),
                options: self.option_values(record, &names),
                price: text(record, Some(self.price)),
                stock: self.stock_of(record),
                inactive,
                ..Row::default()
            };
            let notice = (row.sku.is_empty() && !row.product_id.is_empty()).then(|| derive_sku(&mut row));
            rows.push((record.line, row, notice));
        }
        rows
    }

    fn option_values(&self, record: &Record, names: &[String]) -> Vec<(String, String)> {
        let values = self.options.iter().map(|(_, value)| text(record, Some(*value)));
        let pairs = names.iter().cloned().zip(values).filter(|(_, value)| !value.is_empty());
        // A product without options is exported with one that says nothing.
        pairs.filter(|(name, value)| !(name == "Title" && value == "Default Title")).collect()
    }

    /// The stock, where Shopify counts it: with an empty tracker the number means nothing.
    fn stock_of(&self, record: &Record) -> String {
        if self.tracker.is_some() && text(record, self.tracker).is_empty() {
            return String::new();
        }
        text(record, self.stock)
    }
}

/// Makes a SKU of handle and options. The same product gives the same SKU in every export.
fn derive_sku(row: &mut Row) -> Complaint {
    let parts = std::iter::once(row.product_id.as_str()).chain(row.options.iter().map(|(_, value)| value.as_str()));
    row.sku = parts.collect::<Vec<_>>().join("/");
    let cause = format!("the SKU is empty; `{}` was made of handle and options", row.sku);
    row.complaint("sku_derived", &cause, "give the variant a SKU in Shopify")
}

fn own_image_first(images: &[String], own: &str) -> Vec<String> {
    if own.is_empty() {
        return images.to_vec();
    }
    let others = images.iter().filter(|image| *image != own).cloned();
    std::iter::once(own.to_owned()).chain(others).collect()
}

fn text(record: &Record, index: Option<usize>) -> String {
    index.and_then(|index| record.cell(index)).map(std::borrow::Cow::into_owned).unwrap_or_default()
}
