//! The demo's product source: a catalogue as Shopify exports it, warts included.
//!
//! Everything follows from a product's number, so that every demo shows the same.

use std::fmt::Write as _;

use rust_decimal::Decimal;
use url::Url;

/// How many products there are; each has four to nine variants.
const PRODUCTS: usize = 80;

/// Values of an option, under its name.
type Choice = (&'static str, &'static [&'static str]);

/// What there is to buy, and in which variants.
const KINDS: [(&str, &[Choice]); 5] = [
    ("T-Shirt", &[("Size", &["S", "M", "L", "XL"]), ("Color", &["White", "Navy"])]),
    ("Hoodie", &[("Size", &["S", "M", "L", "XL"]), ("Color", &["Grey", "Navy"])]),
    ("Cap", &[("Color", &["Navy", "Sand", "Olive", "Red"])]),
    ("Socks, 3 pairs", &[("Size", &["36-39", "40-43", "44-47"]), ("Color", &["Grey", "Navy", "Red"])]),
    ("Tote \"Market\"", &[("Color", &["Natural", "Black", "Red", "Blue"])]),
];

const NAMES: [&str; 8] = ["Harbour", "Möwe", "Dünen", "Lighthouse", "Regatta", "Brise", "Anchor", "Fjord"];

const HEADER: &str = "Handle,Title,Body (HTML),Vendor,Tags,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Price,Variant Barcode,Image Src,Image Position,Status\r\n";

/// A SKU as the source has it.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    /// The seller's SKU; of a variant that nobody gave one, what is made of its handle and options.
    pub(super) sku: String,
    /// The handle of its product.
    pub(super) product: String,
    /// The product's title.
    pub(super) title: String,
    /// In pounds.
    pub(super) price: Decimal,
    /// Pieces.
    pub(super) stock: i64,
    /// Option and value.
    pub(super) options: Vec<(&'static str, &'static str)>,
    /// Whether the file has no SKU for it.
    pub(super) nameless: bool,
}

/// Every combination of what can be chosen, the first choice outermost.
fn combinations(choices: &[Choice]) -> Vec<Vec<(&'static str, &'static str)>> {
    choices.iter().fold(vec![Vec::new()], |so_far, (name, values)| {
        let with = |one: &Vec<_>| values.iter().map(|value| [one.clone(), vec![(*name, *value)]].concat()).collect();
        so_far.iter().flat_map(|one| -> Vec<_> { with(one) }).collect()
    })
}

fn product(number: usize) -> Vec<Variant> {
    let (kind, choices) = KINDS[number % KINDS.len()];
    let name = NAMES[number / KINDS.len() % NAMES.len()];
    let handle = format!("{}-{number:03}", name.to_lowercase().replace('ö', "oe").replace('ü', "ue"));
    let variant = |(index, options): (usize, Vec<(&'static str, &'static str)>)| {
        // Every twentieth product has a variant that nobody gave a SKU.
        let nameless = number % 20 == 7 && index == 2;
        let made = || [vec![handle.as_str()], options.iter().map(|(_, value)| *value).collect()].concat().join("/");
        Variant {
            sku: if nameless { made() } else { format!("{}-{number:03}-{}", &kind[..1], index + 1) },
            product: handle.clone(),
            title: format!("{name} {kind} {number:03}"),
            price: Decimal::new((990 + number % 23 * 150 + index * 50) as i64, 2),
            stock: ((number * 7 + index * 3 + 11) % 40) as i64,
            options,
            nameless,
        }
    };
    combinations(choices).into_iter().enumerate().map(variant).collect()
}

/// All SKUs of the catalogue.
pub(super) fn variants() -> Vec<Variant> {
    (0..PRODUCTS).flat_map(product).collect()
}

/// The catalogue as Shopify exports it: several rows for a product, rows that hold nothing but an image, descriptions over
/// several lines, quotes in titles, and variants that never got a SKU.
pub(super) fn shopify_csv(image: &Url) -> String {
    let mut csv = HEADER.to_owned();
    for number in 0..PRODUCTS {
        let variants = product(number);
        for (index, variant) in variants.iter().enumerate() {
            let first = (index == 0).then_some(format!("{image}?{}", variant.product));
            csv.push_str(&row(variant, first.as_deref()));
        }
        if let Some(variant) = variants.first().filter(|_| number % 3 == 0) {
            // Writing to a text cannot fail.
            let _ = write!(csv, "{0},,,,,,,,,,,,,,,{image}?{0}-2,2,\r\n", variant.product);
        }
    }
    csv
}

/// A variant's row. The first one of a product, with the address of an image, tells of the product, too.
pub(super) fn row(variant: &Variant, image_of_first: Option<&str>) -> String {
    let Variant { sku, product, title, price, stock, options, nameless } = variant;
    let (mut head, mut tail) = (",,,,".to_owned(), ",,,".to_owned());
    if let Some(image) = image_of_first {
        let body = format!("<p>{title}</p>\n<ul>\n<li>Made to last</li>\n</ul>");
        head = format!("{},{},Hafen & Co,\"summer, new\",true", quoted(title), quoted(&body));
        tail = format!(",{image},1,active");
    }
    let option = |index: usize| {
        let (name, value) = options.get(index).copied().unwrap_or_default();
        format!("{},{value}", if image_of_first.is_some() { name } else { "" })
    };
    let sku = if *nameless { "" } else { sku };
    format!("{product},{head},{},{},{sku},shopify,{stock},{price},{tail}\r\n", option(0), option(1))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_at_least_five_hundred_skus_and_each_of_its_warts() {
        let csv = shopify_csv(&"https://img.example.test/1.png".parse().unwrap());
        assert!(variants().len() >= 500, "{}", variants().len());
        assert!(csv.contains(",,shopify,"), "a variant without a SKU");
        assert!(csv.contains("\n<ul>\n"), "a description over several lines");
        assert!(csv.contains("Tote \"\"Market\"\""), "a quote in a title");
        assert!(csv.contains(",,,,,,,,,,,,,,,https://"), "a row with an image alone");
    }
}
