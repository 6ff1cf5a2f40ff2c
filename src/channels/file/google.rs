//! The product feed of Google Merchant Center: a row for each SKU, usually parted by tabs.
//!
//! The names of the columns and their values are those of Google's product data specification,
//! <https://support.google.com/merchants/answer/7052112>. Whether an item can be bought stands in `availability`; a count
//! of pieces is in `quantity` or `sell_on_google_quantity`, where the feed has one of them.

use super::{
    header::{Header, plain},
    records::{Fault, Record},
    row::{Row, RowFault, read_images},
    settings::Settings,
};

/// The columns that are read or written.
pub(super) const KNOWN: &[&str] = &[
    "id",
    "title",
    "description",
    "link",
    "image_link",
    "additional_image_link",
    "availability",
    "price",
    "item_group_id",
    "gtin",
    "brand",
    "product_type",
    "google_product_category",
    "condition",
    "color",
    "size",
    "material",
    "pattern",
    "quantity",
    "sell_on_google_quantity",
];

const NEEDED: &[&str] = &["id", "title", "price", "availability"];

/// What tells variants apart, with what we call it.
const OPTIONS: [(&str, &str); 4] =
    [("color", "Color"), ("size", "Size"), ("material", "Material"), ("pattern", "Pattern")];

/// Columns with a count of pieces, the one that counts first.
const QUANTITIES: [&str; 2] = ["quantity", "sell_on_google_quantity"];

const MORE_IMAGES: &str = "additional_image_link";

/// The seller's own category; that of Google's taxonomy stands in `google_product_category`.
const PRODUCT_TYPE: &str = "product_type";

/// Columns that a feed may have several times.
const REPEATED: [&str; 2] = [MORE_IMAGES, PRODUCT_TYPE];

/// Whether a header is one of a feed.
pub(super) fn is_header(header: &Record) -> bool {
    let names: Vec<String> = (0..header.width()).map(|index| plain(&header.cell(index).unwrap_or_default())).collect();
    let has = |name: &&str| names.contains(&plain(name));
    NEEDED.iter().all(has) && ["link", "image_link"].iter().any(has)
}

/// Where the columns stand.
#[derive(Debug, Clone)]
pub(super) struct Columns(pub(super) Header);

impl Columns {
    /// Reads a header.
    pub(super) fn read(record: &Record, delimiter: u8, settings: &Settings) -> Result<Self, Fault> {
        let header = Header::read(record, delimiter, &settings.columns);
        let single: Vec<&str> = KNOWN.iter().copied().filter(|name| !REPEATED.contains(name)).collect();
        header.refuse(record.line, "a feed for Google Merchant Center", NEEDED, &single)?;
        Ok(Self(header))
    }

    /// Reads a row. `place` is its file and line.
    pub(super) fn row(&self, record: &Record, place: String) -> Row {
        let text = |name: &str| self.0.text(record, name);
        let (price, currency) = price_parts(&text("price"));
        let options = OPTIONS.iter().map(|(column, name)| ((*name).to_owned(), text(column)));
        let mut row = Row {
            place,
            sku: text("id"),
            product_id: text("item_group_id"),
            title: text("title"),
            description: text("description"),
            brand: text("brand"),
            category: self.category(record),
            barcode: text("gtin"),
            images: self.images(record),
            options: options.filter(|(_, value)| !value.is_empty()).collect(),
            price,
            currency,
            ..Row::default()
        };
        match self.stock(record) {
            Ok(stock) => row.stock = stock,
            Err(fault) => row.fault = Some(fault),
        }
        row
    }

    /// The seller's own word, of several the first, as Google counts them too; else Google's.
    fn category(&self, record: &Record) -> String {
        let own = self.0.text(record, PRODUCT_TYPE);
        let first = own.split(',').map(str::trim).find(|word| !word.is_empty()).map(str::to_owned);
        first.unwrap_or_else(|| self.0.text(record, "google_product_category"))
    }

    fn images(&self, record: &Record) -> Vec<String> {
        let main = Some(self.0.text(record, "image_link"));
        let more = self.0.all(MORE_IMAGES).into_iter().filter_map(|index| record.cell(index));
        // In a list a comma within an address is written as %2C.
        let more: Vec<String> = more
            .flat_map(|cell| cell.split(',').map(|part| part.trim().replace("%2C", ",")).collect::<Vec<_>>())
            .collect();
        main.into_iter().chain(more).filter(|image| !image.is_empty()).collect()
    }

    /// The pieces on sale: none of what cannot be bought, else the count, where there is one.
    fn stock(&self, record: &Record) -> Result<String, RowFault> {
        let said = self.0.text(record, "availability");
        let count =
            self.quantity().map(|index| record.cell(index).unwrap_or_default().into_owned()).unwrap_or_default();
        let none = || "0".to_owned();
        match Availability::read(&said) {
            Some(Availability::Out) => Ok(none()),
            Some(Availability::Backorder) => Ok(if count.is_empty() { none() } else { count }),
            Some(Availability::In) => Ok(count),
            None => Err(RowFault {
                code: "availability",
                cause: format!("availability `{said}` is not one that Google knows"),
                remedy: "write in_stock, out_of_stock, preorder or backorder",
            }),
        }
    }

    fn quantity(&self) -> Option<usize> {
        QUANTITIES.iter().find_map(|name| self.0.index(name))
    }

    /// The cells that say something of ours, in the words of the feed; `None` where the file has no column for it.
    /// `old` is the row as it stands, unless it is a new one.
    pub(super) fn cells(
        &self,
        old: Option<&Record>,
        currency: &str,
        name: &str,
        text: &str,
    ) -> Option<Vec<(usize, String)>> {
        let at = |column: &str| self.0.index(column).map(|index| vec![(index, text.to_owned())]);
        match name {
            "currency" => Some(Vec::new()),
            "sku" => at("id"),
            "product_id" => at("item_group_id"),
            "title" | "description" | "brand" => at(name),
            // A comma would part it into two.
            "category" => Some(vec![(self.0.index(PRODUCT_TYPE)?, text.replace(',', ""))]),
            "barcode" => at("gtin"),
            "price" => Some(vec![(self.0.index("price")?, format!("{text} {currency}"))]),
            "stock" => self.stock_cells(old, text),
            "images" => self.image_cells(text),
            other => {
                let option = other.strip_prefix("option.")?;
                at(OPTIONS.iter().find(|(column, _)| option.eq_ignore_ascii_case(column))?.0)
            }
        }
    }

    /// Pieces as a count, where the feed has one, and as an availability that agrees with it.
    fn stock_cells(&self, old: Option<&Record>, text: &str) -> Option<Vec<(usize, String)>> {
        let availability = self.0.index("availability")?;
        let said = old.and_then(|record| record.cell(availability)).unwrap_or_default();
        let mut cells: Vec<(usize, String)> =
            self.quantity().map(|index| (index, text.to_owned())).into_iter().collect();
        match (text == "0", Availability::read(&said)) {
            (true, Some(Availability::Out)) | (false, Some(Availability::In)) if !said.is_empty() => {}
            (true, _) => cells.push((availability, "out_of_stock".to_owned())),
            (false, _) => cells.push((availability, "in_stock".to_owned())),
        }
        Some(cells)
    }

    fn image_cells(&self, text: &str) -> Option<Vec<(usize, String)>> {
        let images = read_images(text);
        let (main, more) = images.split_first().map_or((String::new(), &[][..]), |(main, more)| (main.clone(), more));
        let mut cells = vec![(self.0.index("image_link")?, main)];
        let list: Vec<String> = more.iter().map(|image| image.replace(',', "%2C")).collect();
        let columns = self.0.all(MORE_IMAGES);
        if columns.is_empty() && !list.is_empty() {
            return None;
        }
        let texts = std::iter::once(list.join(",")).chain(std::iter::repeat(String::new()));
        cells.extend(columns.into_iter().zip(texts));
        Some(cells)
    }

    /// What a new row says beside what is ours.
    pub(super) fn new_cells(&self) -> Vec<(usize, String)> {
        let given = [("condition", "new"), ("availability", "in_stock")];
        given.iter().filter_map(|(name, text)| Some((self.0.index(name)?, (*text).to_owned()))).collect()
    }

    /// What the feed calls one of our columns.
    pub(super) fn column_of(name: &str) -> &str {
        match name {
            "sku" => "id",
            "stock" => "availability",
            "images" => MORE_IMAGES,
            "barcode" => "gtin",
            "category" => PRODUCT_TYPE,
            other => other,
        }
    }
}

/// Whether an item can be bought.
enum Availability {
    /// At once, or ahead of its day.
    In,
    Out,
    /// It can be ordered, and there is none of it now.
    Backorder,
}

impl Availability {
    /// Reads it as Google wants it now, and as older feeds have it. Nothing said is no obstacle.
    fn read(text: &str) -> Option<Self> {
        match plain(text).as_str() {
            "" | "in stock" | "preorder" | "pre-order" | "available for order" | "limited availability" => {
                Some(Self::In)
            }
            "out of stock" | "discontinued" => Some(Self::Out),
            "backorder" => Some(Self::Backorder),
            _ => None,
        }
    }
}

/// A price and its currency, which stands behind it or before it. What else there is stays with the price, for a complaint.
fn price_parts(text: &str) -> (String, String) {
    let is_currency = |part: &&str| part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let parts: Vec<&str> = text.split_whitespace().collect();
    match parts.as_slice() {
        [amount, currency] | [currency, amount] if is_currency(currency) => {
            ((*amount).to_owned(), (*currency).to_owned())
        }
        _ => (text.to_owned(), String::new()),
    }
}
