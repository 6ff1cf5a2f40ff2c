//! Products and their variations as Asia writes them, as far as they concern us.
//!
//! Vendor page: "Get Product".

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::Value;

use crate::{
    channels::shopline::{
        items::{Found, list, price, text, whole},
        works::whole_only,
    },
    domain::{InvalidListing, Price},
};

/// A product, as far as it concerns us.
#[derive(Debug)]
pub(in super::super) struct Product {
    pub(super) id: String,
    pub(super) title: String,
    /// The title, and below the description, in every language, as the vendor writes them.
    pub(super) titles: Value,
    pub(super) status: String,
    pub(super) description: Option<String>,
    pub(super) descriptions: Value,
    pub(super) brand: Option<String>,
    pub(super) images: Vec<String>,
    pub(super) same_price: bool,
    /// Type and name of its options, in order.
    pub(super) options: Vec<(String, String)>,
    /// A product without variations is one itself.
    pub(super) variations: Vec<Variation>,
}

/// A variation, as far as it concerns us.
#[derive(Debug)]
pub(super) struct Variation {
    /// `None`: it is the product itself.
    pub(super) id: Option<String>,
    pub(super) sku: Option<String>,
    pub(super) price: Option<Value>,
    pub(super) sale: Option<Value>,
    pub(super) quantity: Option<i64>,
    pub(super) unlimited: bool,
    pub(super) barcode: Option<String>,
    pub(super) values: Vec<String>,
    pub(super) places: Option<BTreeMap<String, i64>>,
}

impl Product {
    /// Reads one; what cannot be read of it is complained of.
    pub(super) fn read(value: &Value, locale: &str, found: &mut Found) -> Option<Self> {
        let Some(id) = text(value, "id").or_else(|| text(value, "_id")) else {
            found.complain("a product".to_owned(), "unreadable", "a product has no id".to_owned());
            return None;
        };
        let (variations, medias) = match (list(value, "variations"), list(value, "medias")) {
            (Ok(variations), medias) => (variations, medias.unwrap_or_default()),
            (Err(what), _) => {
                found.leave_unread(&id, "unreadable", &format!("the product is unreadable: {what}"));
                return None;
            }
        };
        let image = |media: &Value| text(&media["images"]["original"], "url").or_else(|| text(&media["images"], "url"));
        let option = |title: &Value| {
            let name = spoken(&title["name_translations"], locale).or_else(|| text(title, "label"));
            (text(title, "key").unwrap_or_default(), name.unwrap_or_default())
        };
        let mut product = Self {
            title: spoken(&value["title_translations"], locale).unwrap_or_default(),
            titles: value["title_translations"].clone(),
            status: text(value, "status").unwrap_or_default(),
            description: spoken(&value["description_translations"], locale),
            descriptions: value["description_translations"].clone(),
            brand: text(value, "brand"),
            images: medias.iter().filter_map(image).collect(),
            same_price: value["same_price"].as_bool().unwrap_or(false),
            options: list(value, "field_titles").unwrap_or_default().iter().map(option).collect(),
            variations: Vec::new(),
            id,
        };
        if variations.is_empty() {
            product.variations.push(Variation::read(value, value, false, locale));
        }
        for variation in variations {
            if text(variation, "id").is_none() {
                found.leave_unread(&product.id, "unreadable", "a variation has no id");
                continue;
            }
            product.variations.push(Variation::read(value, variation, product.same_price, locale));
        }
        Some(product)
    }
}

impl Variation {
    /// Reads one of a product; or the product itself, where it has none.
    fn read(product: &Value, value: &Value, same_price: bool, locale: &str) -> Self {
        let is_itself = std::ptr::eq(product, value);
        let priced = |name: &str| {
            let own = value.get(name).filter(|price| !same_price && !is_nothing(price));
            own.or_else(|| product.get(name).filter(|price| same_price || is_itself || !is_nothing(price))).cloned()
        };
        let words = &value["fields_translations"];
        let values = words.get(locale).or_else(|| words.as_object()?.values().next()).and_then(Value::as_array);
        Self {
            id: text(value, "id").filter(|_| !is_itself),
            sku: text(value, "sku"),
            price: priced("price").filter(|price| !price.is_null()),
            sale: value.get("price_sale").filter(|price| !is_nothing(price)).cloned(),
            quantity: whole(value, "quantity"),
            unlimited: product["unlimited_quantity"].as_bool().unwrap_or(false),
            barcode: text(value, "gtin").or_else(|| text(value, "barcode")),
            values: values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
            places: None,
        }
    }
}

/// A text in the shop's languages: in the one that was chosen, else in whichever there is.
fn spoken(words: &Value, locale: &str) -> Option<String> {
    let usual = [locale, "en", "zh-hant", "zh-cn"].into_iter().find_map(|name| text(words, name));
    usual.or_else(|| words.as_object()?.keys().find_map(|name| text(words, name)))
}

/// Whether a price object says nothing, or zero, which here means the same.
fn is_nothing(value: &Value) -> bool {
    let zero = |name: &str| {
        value.get(name).filter(|it| !it.is_null()).is_none_or(|it| price(it).is_ok_and(|amount| amount.is_zero()))
    };
    !value.is_object() || (zero("dollars") && zero("cents"))
}

/// What a price object says: `dollars`, or else `cents`, which for some currencies are whole units. `None`: no price.
pub(super) fn amount(value: &Value) -> Result<Option<Price>, InvalidListing> {
    let told = |name: &str| value.get(name).filter(|it| !it.is_null());
    let amount = match (told("dollars"), told("cents")) {
        (None, None) => return Ok(None),
        (Some(dollars), _) => (price(dollars)?, false),
        (None, Some(cents)) => (price(cents)?, true),
    };
    let currency = text(value, "currency_iso").unwrap_or_default().parse()?;
    let (amount, in_cents) = amount;
    let digits = if whole_only(currency) { 0 } else { currency.digits() };
    let amount = if in_cents { amount / Decimal::from(10_u64.pow(digits)) } else { amount };
    Ok(Some(Price { amount, currency }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dollars_go_before_cents_which_are_whole_units_for_some_currencies() {
        for (value, expected) in [
            (json!({"cents": 1990, "dollars": 19.9, "currency_iso": "HKD"}), Some("19.9 HKD")),
            (json!({"cents": 1990, "currency_iso": "HKD"}), Some("19.90 HKD")),
            (json!({"cents": 199, "currency_iso": "TWD"}), Some("199 TWD")),
            (json!({"cents": 199, "dollars": 199.0, "currency_iso": "TWD"}), Some("199 TWD")),
            (json!({"cents": 1980, "currency_iso": "JPY"}), Some("1980 JPY")),
            (json!({"cents": 0, "dollars": 0, "currency_iso": "TWD"}), Some("0 TWD")),
            (json!({"currency_iso": "TWD"}), None),
        ] {
            let read = amount(&value).unwrap();
            assert_eq!(
                read.map(|price| (price.amount, price.currency.to_string())),
                expected.map(|text| {
                    let (amount, currency) = text.split_once(' ').unwrap();
                    (amount.parse().unwrap(), currency.to_owned())
                }),
                "{value}"
            );
        }
        assert!(amount(&json!({"dollars": "x", "currency_iso": "TWD"})).is_err());
        assert_eq!(amount(&json!({"dollars": 1})).unwrap_err().code, "currency");
    }
}
