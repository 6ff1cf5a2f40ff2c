//! What reading products has in common on both platforms: gathering, and values that are written in more than one way.

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use crate::domain::{Complaint, InvalidListing, Listing};

/// What a page was read into.
#[derive(Default)]
pub(super) struct Found {
    pub(super) listings: Vec<Listing>,
    pub(super) complaints: Vec<Complaint>,
    pub(super) remarks: Vec<Complaint>,
    /// The products of which something could not be read, by the vendor's ids.
    pub(super) unread: Vec<String>,
    pub(super) request_id: Option<String>,
}

impl Found {
    /// What is wrong with one SKU, or something that cannot be called by one.
    pub(super) fn complain(&mut self, sku: String, code: &str, text: String) {
        let complaint = self.said(sku, code, text);
        self.complaints.push(complaint);
    }

    /// What could not be read of a product. It is there all the same, with whatever was known of it.
    pub(super) fn leave_unread(&mut self, product: &str, code: &str, text: &str) {
        self.complain(format!("product {product}"), code, text.to_owned());
        self.unread.push(product.to_owned());
    }

    /// What is worth knowing of a sound listing.
    pub(super) fn remark(&mut self, sku: String, code: &str, text: String) {
        let remark = self.said(sku, code, text);
        self.remarks.push(remark);
    }

    fn said(&self, sku: String, code: &str, text: String) -> Complaint {
        Complaint { sku, code: code.to_owned(), text, request_id: self.request_id.clone() }
    }
}

/// The names that reading and writing give to what `refs` holds.
pub(super) mod refs {
    /// The vendor's id of the product.
    pub(in super::super) const PRODUCT: &str = "product_id";
    /// The vendor's id of the variant; null for Asia's products without variations.
    pub(in super::super) const VARIANT: &str = "variant_id";
    /// Global's id of the variant's stock; null where stock is not tracked.
    pub(in super::super) const ITEM: &str = "inventory_item_id";
    /// The SKU as the shop spells it.
    pub(in super::super) const SKU: &str = "sku";
    /// The vendor's word for where the product stands.
    pub(in super::super) const STATUS: &str = "status";
    /// How many variants the product has.
    pub(in super::super) const SIBLINGS: &str = "siblings";
    /// Pieces by location or warehouse, where they are known.
    pub(in super::super) const PLACES: &str = "places";
    /// The location or warehouse that export writes to; null where it is not clear which, or where there is but one.
    pub(in super::super) const PLACE: &str = "place";
    /// Whether stock can be written: it is counted, and it is clear where.
    pub(in super::super) const COUNTED: &str = "counted";
    /// Asia: whether all variations have the product's price.
    pub(in super::super) const SAME_PRICE: &str = "same_price";
    /// The names of the product's options (Global), or their types (Asia).
    pub(in super::super) const OPTIONS: &str = "options";
}

/// The list under a name; one that is missing is empty, one that is something else an error.
pub(super) fn list<'a>(data: &'a Value, name: &str) -> Result<&'a [Value], String> {
    match data.get(name) {
        Some(Value::Array(items)) => Ok(items),
        None | Some(Value::Null) => Ok(&[]),
        Some(_) => Err(format!("`{name}` is not a list")),
    }
}

/// A text that says something. Numbers count as text: ids are written either way.
pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    match value.get(name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number, in whichever way it is written.
pub(super) fn whole(value: &Value, name: &str) -> Option<i64> {
    let number = decimal(value.get(name)?)?;
    number.is_integer().then(|| number.try_into().ok()).flatten()
}

/// An exact number: text, or a JSON number by its text.
pub(super) fn decimal(value: &Value) -> Option<Decimal> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
}

/// A price that can be: not below zero.
pub(super) fn price(value: &Value) -> Result<Decimal, InvalidListing> {
    decimal(value)
        .filter(|amount| !amount.is_sign_negative() || amount.is_zero())
        .ok_or_else(|| InvalidListing::new("price", format!("{value} is not a price"), "correct it at SHOPLINE"))
}

/// An object's value as one.
pub(super) fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(fields) = value { fields } else { Map::new() }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_exact_however_they_are_written() {
        for (value, expected) in [
            (json!("19.90"), Some("19.90")),
            (json!(19.9), Some("19.9")),
            (json!(0.1), Some("0.1")),
            (json!(199_000), Some("199000")),
            (json!(1e21), Some("1000000000000000000000")),
            (json!(" 5 "), Some("5")),
            (json!("five"), None),
            (json!(null), None),
            (json!({"amount": 5}), None),
        ] {
            assert_eq!(decimal(&value), expected.map(|text| text.parse().unwrap()), "{value}");
        }
        assert!(price(&json!("-0.01")).is_err());
        assert_eq!(price(&json!("-0")).unwrap(), Decimal::ZERO);
        let counts = json!({"a": 3, "b": "4", "c": 5.0, "d": 5.5, "e": -2});
        let read = ["a", "b", "c", "d", "e", "f"].map(|name| whole(&counts, name));
        assert_eq!(read, [Some(3), Some(4), Some(5), None, Some(-2), None]);
    }
}
