//! Creating: what a SKU needs before it can be listed, and how the vendor is told of a new product or variant.
//!
//! Everything here is plain: no calls. Limits are those of the vendor page "Create product (202309)".

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{TikTokShop, push::amount};
use crate::{
    channels::mapping::Mapping,
    domain::{Complaint, Field, Price, Product, Variant, plan::Change},
    http::may_be_called,
};

/// The most pieces the vendor's page names.
pub(super) const MOST_PIECES: i64 = 99_999;
/// The most images of a product.
const MOST_IMAGES: usize = 9;
const LONGEST_SKU: usize = 50;
const LONGEST_TITLE: usize = 255;
const LONGEST_DESCRIPTION: usize = 10_000;
const MOST_OPTIONS: usize = 3;
const LONGEST_OPTION: usize = 20;
const LONGEST_VALUE: usize = 50;
/// Countries whose categories are of the second version.
const V2: [&str; 7] = ["US", "ID", "MY", "PH", "SG", "TH", "VN"];
/// Countries in which a title may be short, and a product has 100 SKUs at most.
const US_AND_GB: [&str; 2] = ["US", "GB"];

/// A SKU to be created, with everything that it needs.
#[derive(Clone, Copy)]
pub(super) struct New<'a> {
    pub(super) product: &'a Product,
    pub(super) variant: &'a Variant,
    pub(super) price: Price,
    pub(super) stock: i64,
}

/// The mapping's own keys of this channel.
pub(super) const OWN_KEYS: [&str; 2] = ["package_weight", "package_dimensions"];

/// A number with a unit, or three of them: "0.5 kg", "20 x 15 x 5 cm".
fn measures(text: &str, units: &[(&str, &'static str)]) -> Option<(Vec<rust_decimal::Decimal>, &'static str)> {
    let text = text.trim().to_ascii_lowercase();
    let (numbers, unit) = units.iter().find_map(|(word, unit)| Some((text.strip_suffix(word)?, *unit)))?;
    let numbers: Option<Vec<rust_decimal::Decimal>> =
        numbers.split('x').map(|number| number.trim().parse().ok()).collect();
    numbers.filter(|numbers| numbers.iter().all(|number| *number > rust_decimal::Decimal::ZERO)).map(|it| (it, unit))
}

/// The weight as the vendor writes it.
pub(super) fn weight(text: &str) -> Option<Value> {
    let units = [("kg", "KILOGRAM"), ("lb", "POUND"), ("g", "GRAM")];
    match measures(text, &units)? {
        (numbers, unit) if numbers.len() == 1 => Some(json!({"value": numbers[0].to_string(), "unit": unit})),
        _ => None,
    }
}

/// The dimensions as the vendor writes them.
pub(super) fn dimensions(text: &str) -> Option<Value> {
    match measures(text, &[("cm", "CENTIMETER"), ("in", "INCH")])? {
        (numbers, unit) if numbers.len() == 3 => Some(json!({
            "length": numbers[0].to_string(), "width": numbers[1].to_string(), "height": numbers[2].to_string(),
            "unit": unit,
        })),
        _ => None,
    }
}

/// The addresses of images, as many as the vendor takes.
pub(super) fn images_of(images: &[String]) -> impl Iterator<Item = &str> {
    images.iter().take(MOST_IMAGES).map(String::as_str)
}

/// The first image that is no address that may be called.
fn odd_image(images: &[String]) -> Option<(&'static str, String)> {
    let odd = images_of(images).find(|text| !text.parse().is_ok_and(|url| may_be_called(&url)))?;
    Some(("images", format!("image `{odd}` is not an https address; correct it at the source")))
}

impl TikTokShop {
    /// What must still be said before a SKU can be listed, or its images sent.
    pub(super) fn lacking(&self, change: &Change) -> Option<Complaint> {
        let complain = |(code, text): (&str, String)| Complaint {
            sku: change.sku.as_str().to_owned(),
            code: code.to_owned(),
            text,
            request_id: None,
        };
        if change.listing.is_some() {
            let images = change.wanted.images.as_deref().filter(|_| change.fields.contains(&Field::Images))?;
            return odd_image(images).map(complain);
        }
        let (product, variant) = change.product.as_ref()?;
        let of_variant = lacking_of_variant(change, variant);
        let of_product = || if change.siblings.is_empty() { self.lacking_of_product(product, variant) } else { None };
        of_variant.or_else(of_product).map(complain)
    }

    fn lacking_of_product(&self, product: &Product, variant: &Variant) -> Option<(&'static str, String)> {
        if self.mapping.category(product).is_none() {
            return Some(("category", Mapping::no_category(product)));
        }
        if self.weight.is_none() {
            let text = "the weight of the package is not named; set `mapping.package_weight`, for example \"0.5 kg\"";
            return Some(("package_weight", text.to_owned()));
        }
        if let Err(unsaid) = self.mapping.attributes(product, variant) {
            return Some(("attributes", unsaid.to_string()));
        }
        let least = match self.region.as_deref() {
            Some(region) if !US_AND_GB.contains(&region) => 25,
            _ => 1,
        };
        let length = product.title.chars().count();
        if !(least..=LONGEST_TITLE).contains(&length) {
            let text = format!("the title has {length} characters; the channel takes {least} to {LONGEST_TITLE}");
            return Some(("title", text));
        }
        let description = described(product);
        if description.is_empty() || description.chars().count() > LONGEST_DESCRIPTION {
            let text = format!("a new product needs a description of 1 to {LONGEST_DESCRIPTION} characters");
            return Some(("description", text));
        }
        if product.images.is_empty() {
            return Some(("images", "a new product needs an image; add one at the source".to_owned()));
        }
        odd_image(&product.images)
    }

    /// The vendor's body for a new product with these SKUs.
    pub(super) fn new_product(&self, region: &str, news: &[New<'_>], images: &[String], warehouse: &str) -> Value {
        let New { product, variant, .. } = news[0];
        let version = if V2.contains(&region) { "v2" } else { "v1" };
        let mut body = json!({
            "save_mode": "LISTING",
            "title": product.title.trim(),
            "description": described(product),
            "category_id": self.mapping.category(product),
            "category_version": version,
            "main_images": images.iter().map(|uri| json!({"uri": uri})).collect::<Vec<_>>(),
            "package_weight": self.weight,
            "skus": news.iter().map(|new| new_sku(*new, warehouse, &[])).collect::<Vec<_>>(),
        });
        if let Some(brand) = self.mapping.brand(product) {
            body["brand_id"] = json!(brand);
        }
        if let Some(dimensions) = &self.dimensions {
            body["package_dimensions"] = dimensions.clone();
        }
        let attributes = self.mapping.attributes(product, variant).unwrap_or_default();
        if !attributes.is_empty() {
            body["product_attributes"] = attributes.into_iter().map(|(id, value)| attribute(id, &value)).collect();
        }
        body
    }

    /// The most SKUs of a product in a country.
    pub(super) fn most_skus(region: &str) -> usize {
        if US_AND_GB.contains(&region) { 100 } else { 300 }
    }
}

fn lacking_of_variant(change: &Change, variant: &Variant) -> Option<(&'static str, String)> {
    if change.sku.as_str().chars().count() > LONGEST_SKU {
        return Some(("sku", format!("the channel takes SKUs of at most {LONGEST_SKU} characters; shorten it")));
    }
    if change.wanted.price.is_none_or(|price| price.amount <= rust_decimal::Decimal::ZERO) {
        let text = "a new listing needs a price above zero; give it one, and keep `price` among export.fields";
        return Some(("price", text.to_owned()));
    }
    match change.wanted.stock {
        None => {
            let text = "a new listing needs a stock; give it one, and keep `stock` among export.fields";
            return Some(("stock", text.to_owned()));
        }
        Some(pieces) if pieces > MOST_PIECES => {
            let text = format!("the channel takes at most {MOST_PIECES} pieces; limit them with export.stock.max");
            return Some(("stock", text));
        }
        Some(_) => {}
    }
    let long = |text: &str, most: usize| text.is_empty() || text.chars().count() > most;
    if variant.options.len() > MOST_OPTIONS {
        return Some(("options", format!("the channel takes at most {MOST_OPTIONS} options of a variant")));
    }
    let odd = variant.options.iter().find(|(name, value)| long(name, LONGEST_OPTION) || long(value, LONGEST_VALUE));
    odd.map(|(name, value)| {
        let text = format!(
            "option `{name}` = `{value}`: names have 1 to {LONGEST_OPTION} characters, values 1 to {LONGEST_VALUE}"
        );
        ("options", text)
    })
}

/// An attribute: a value of the seller's own, or with `id:` before it one of the vendor's.
pub(super) fn attribute(id: &str, value: &str) -> Value {
    let value = value.strip_prefix("id:").map_or_else(|| json!({"name": value}), |id| json!({"id": id}));
    json!({"id": id, "values": [value]})
}

/// A new SKU. `known`: the sales attributes of its siblings, whose ids it takes where name or value are the same.
pub(super) fn new_sku(new: New<'_>, warehouse: &str, known: &[Value]) -> Value {
    let text = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let attributes: Vec<Value> = new
        .variant
        .options
        .iter()
        .map(|(name, value)| {
            let same: Vec<_> = known.iter().filter(|one| text(one, "name").eq_ignore_ascii_case(name)).collect();
            let mut attribute = json!({"name": name, "value_name": value});
            if let Some(one) = same.first() {
                attribute["name"] = json!(text(one, "name"));
                attribute["id"] = json!(text(one, "id"));
            }
            if let Some(one) = same.iter().find(|one| text(one, "value_name") == *value) {
                attribute["value_id"] = json!(text(one, "value_id"));
            }
            attribute
        })
        .collect();
    let mut sku = json!({
        "seller_sku": new.variant.sku.as_str(),
        "sales_attributes": attributes,
        "price": {"amount": amount(new.price), "currency": new.price.currency.as_str()},
        "inventory": [{"warehouse_id": warehouse, "quantity": new.stock}],
    });
    if let Some((kind, code)) = new.variant.barcode.as_deref().and_then(identifier) {
        sku["identifier_code"] = json!({"code": code, "type": kind});
    }
    sku
}

/// A barcode with the vendor's word for its kind; `None` for what the vendor would refuse.
fn identifier(code: &str) -> Option<(&'static str, &str)> {
    let code = code.trim();
    let digits = code.bytes().all(|byte| byte.is_ascii_digit());
    match code.len() {
        8 | 13 if digits => Some(("EAN", code)),
        12 if digits => Some(("UPC", code)),
        14 if digits => Some(("GTIN", code)),
        _ => None,
    }
}

/// The description in HTML: text without any becomes paragraphs.
fn described(product: &Product) -> String {
    let text = product.description.as_deref().unwrap_or_default().trim();
    let text: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
    if text.is_empty() || (text.contains('<') && text.contains('>')) {
        return text;
    }
    let plain = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let lines: Vec<_> = plain.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    format!("<p>{}</p>", lines.join("</p><p>"))
}

/// What is the same when the same product is created once more on the same day: the vendor answers as it did the first time.
pub(super) fn idempotency_key(shop: &str, news: &[New<'_>], day: i64) -> String {
    let skus: Vec<_> = news.iter().map(|new| new.variant.sku.as_str()).collect();
    let what = json!([shop, news[0].product.id, skus, day]).to_string();
    hex::encode(&Sha256::digest(what)[..16])
}
