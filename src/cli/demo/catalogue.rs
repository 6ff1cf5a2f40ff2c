//! The demo's product source: a catalogue as Shopify exports it, warts included, and how the same SKUs stand in shops.
//!
//! Everything follows from a product's number, so that every demo shows the same.

use std::fmt::Write as _;

use crate::channels::tiktok_shop::fake::Seed;

/// How many products there are; each has three or four variants.
const PRODUCTS: usize = 160;

const KINDS: [(&str, &[&str]); 5] = [
    ("T-Shirt", &["S", "M", "L", "XL"]),
    ("Hoodie", &["S", "M", "L"]),
    ("Cap", &["Navy", "Sand", "Olive"]),
    ("Socks, 3 pairs", &["36-39", "40-43", "44-47"]),
    ("Tote \"Market\"", &["Natural", "Black", "Red"]),
];

const NAMES: [&str; 8] = ["Harbour", "Möwe", "Dünen", "Lighthouse", "Regatta", "Brise", "Anchor", "Fjord"];

struct Variant {
    sku: String,
    option: &'static str,
    cents: usize,
    stock: i64,
}

struct Product {
    handle: String,
    title: String,
    option_name: &'static str,
    variants: Vec<Variant>,
}

fn products() -> impl Iterator<Item = Product> {
    (0..PRODUCTS).map(|number| {
        let (kind, options) = KINDS[number % KINDS.len()];
        let name = NAMES[number / KINDS.len() % NAMES.len()];
        let handle = format!("{}-{number:03}", name.to_lowercase().replace('ö', "oe").replace('ü', "ue"));
        let variants = options.iter().enumerate().map(|(index, option)| Variant {
            sku: format!("{}-{number:03}-{}", &kind[..1].to_uppercase(), index + 1),
            option,
            cents: 990 + number % 23 * 150 + index * 100,
            stock: ((number * 7 + index * 3) % 40) as i64,
        });
        let option_name = if kind == "Cap" || kind.starts_with("Tote") { "Color" } else { "Size" };
        Product { handle, title: format!("{name} {kind} {number:03}"), option_name, variants: variants.collect() }
    })
}

/// The catalogue as Shopify exports it: several rows for a product, rows that hold nothing but an image, descriptions over
/// several lines, quotes in titles, and variants that never got a SKU.
pub(super) fn shopify_csv() -> String {
    let mut csv = String::from(
        "Handle,Title,Body (HTML),Vendor,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Price,Variant Barcode,Image Src,Image Position,Status\r\n",
    );
    for (number, product) in products().enumerate() {
        for (index, variant) in product.variants.iter().enumerate() {
            let first = index == 0;
            let title = if first { quoted(&product.title) } else { String::new() };
            let body = if first {
                quoted(&format!("<p>{}</p>\n<ul>\n<li>Organic cotton</li>\n</ul>", product.title))
            } else {
                String::new()
            };
            let head = if first { "Hafen & Co,\"summer, new\",true" } else { ",," };
            let option_name = if first { product.option_name } else { "" };
            // Every fortieth product has a variant that nobody gave a SKU.
            let sku = if number % 40 == 7 && index == 2 { "" } else { &variant.sku };
            let image = if first { format!("https://img.example.test/{}-1.jpg,1", product.handle) } else { ",".into() };
            // Writing to a text cannot fail.
            let _ = write!(
                csv,
                "{},{title},{body},{head},{option_name},{},{sku},shopify,{},{}.{:02},,{image},{}\r\n",
                product.handle,
                variant.option,
                variant.stock,
                variant.cents / 100,
                variant.cents % 100,
                if first { "active" } else { "" },
            );
        }
        if number % 3 == 0 {
            let _ =
                write!(csv, "{},,,,,,,,,,,,,https://img.example.test/{}-2.jpg,2,\r\n", product.handle, product.handle);
        }
    }
    csv
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// How the catalogue stands in a shop before the first export: most SKUs as the source wants them at `factor` hundredths
/// of its price, some with an old price or stock.
pub(super) fn listed(factor: usize) -> Vec<Seed> {
    let seeds = products().flat_map(|product| {
        let Product { handle, title, option_name, variants } = product;
        variants.into_iter().map(move |variant| (handle.clone(), title.clone(), option_name, variant))
    });
    seeds
        .enumerate()
        .map(|(index, (product, title, option_name, variant))| {
            let cents = (variant.cents * factor + 50) / 100 + if index % 31 == 4 { 200 } else { 0 };
            let stock = variant.stock + if index % 29 == 6 { 5 } else { 0 };
            Seed {
                sku: variant.sku,
                product,
                title,
                price: format!("{}.{:02}", cents / 100, cents % 100),
                stock: Some(stock),
                options: vec![(option_name.to_owned(), variant.option.to_owned())],
                ..Seed::default()
            }
        })
        .collect()
}

/// How many SKUs the catalogue has.
pub(super) fn skus() -> usize {
    products().map(|product| product.variants.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_at_least_five_hundred_skus_and_each_of_its_warts() {
        let csv = shopify_csv();
        assert!(skus() >= 500, "{}", skus());
        assert!(csv.contains(",,shopify,"), "a variant without a SKU");
        assert!(csv.contains("\n<ul>\n"), "a description over several lines");
        assert!(csv.contains("Tote \"\"Market\"\""), "a quote in a title");
        assert!(csv.contains(",,,,,,,,,,,,,https://"), "a row with an image alone");
    }
}
