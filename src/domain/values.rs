//! What the chosen fields of a listing say: as the source wants it, or as the shop was last seen to have it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Price, digest::digest};

/// The fields that an export can bring in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The price in the listing's currency.
    Price,
    /// Pieces on sale.
    Stock,
    /// The title.
    Title,
    /// The description.
    Description,
    /// The images.
    Images,
    /// Channel attributes by mapping.
    Attributes,
}

impl Field {
    /// Every field, in order.
    pub const EVERY: [Self; 6] =
        [Self::Price, Self::Stock, Self::Title, Self::Description, Self::Images, Self::Attributes];

    /// The name used in settings, tables and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Stock => "stock",
            Self::Title => "title",
            Self::Description => "description",
            Self::Images => "images",
            Self::Attributes => "attributes",
        }
    }

    /// Reads the name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|field| field.as_str() == name)
    }
}

/// Values of the chosen fields: as the source wants them, or as the shop was last seen to have them.
/// A field that was not chosen is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Values {
    /// Price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Pieces on sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stock: Option<i64>,
    /// Title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
    /// Attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<BTreeMap<String, String>>,
    /// Only ever wanted: taken off sale, because the source dropped the SKU and the shop's rule says so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
    /// Only ever wanted, with `retired`: it was off sale already when the source dropped it, so nobody puts it on sale again for the source's sake.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rested: bool,
    /// Only ever wanted: the source dropped the SKU, and this is what the shop's rule makes of that. Guards count it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dropped: bool,
    /// Only ever wanted: put on sale again, because it was to be off sale while the source did not have the SKU.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub relisted: bool,
}

impl Values {
    /// A hash over all fields; equal values (19.9 and 19.90 too) have equal hashes. 32 hexadecimal digits.
    pub fn hash(&self) -> String {
        digest(&Self { price: self.price.map(Price::normalized), ..self.clone() })
    }

    /// The fields in which `self` (wanted) differs from `seen`. Retiring counts as none of them, and a field of which
    /// nothing is wanted does not differ.
    pub fn differs(&self, seen: &Self) -> Vec<Field> {
        fn moved<T: PartialEq>(wanted: Option<&T>, seen: Option<&T>) -> bool {
            wanted.is_some() && wanted != seen
        }
        let fields = [
            (Field::Price, moved(self.price.as_ref(), seen.price.as_ref())),
            (Field::Stock, moved(self.stock.as_ref(), seen.stock.as_ref())),
            (Field::Title, moved(self.title.as_ref(), seen.title.as_ref())),
            (Field::Description, moved(self.description.as_ref(), seen.description.as_ref())),
            (Field::Images, moved(self.images.as_ref(), seen.images.as_ref())),
            (Field::Attributes, moved(self.attributes.as_ref(), seen.attributes.as_ref())),
        ];
        fields.into_iter().filter_map(|(field, moved)| moved.then_some(field)).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        let (amount, currency) = text.split_once(' ').unwrap();
        Price { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() }
    }

    #[test]
    fn equal_values_have_equal_hashes_and_others_do_not() {
        let values = |text: &str, stock| Values { price: Some(price(text)), stock, ..Values::default() };
        assert_eq!(values("19.9 EUR", Some(1)).hash(), values("19.90 EUR", Some(1)).hash());
        assert_eq!(values("0.00 EUR", None).hash(), values("-0 EUR", None).hash());
        assert_ne!(values("19.9 EUR", Some(1)).hash(), values("19.91 EUR", Some(1)).hash());
        assert_ne!(values("19.9 EUR", Some(1)).hash(), values("19.9 USD", Some(1)).hash());
        assert_ne!(values("19.9 EUR", Some(0)).hash(), values("19.9 EUR", None).hash());
        let retired = Values { retired: true, ..Values::default() };
        assert_ne!(retired.hash(), Values::default().hash());
    }

    #[test]
    fn only_what_is_wanted_can_differ() {
        let title = Some("Shirt".to_owned());
        let seen = Values { price: Some(price("19.90 EUR")), stock: Some(4), title, ..Values::default() };
        let wanted = Values { price: Some(price("19.9 EUR")), title: Some("Hemd".to_owned()), ..Values::default() };
        assert_eq!(wanted.differs(&seen), [Field::Title]);
        assert_eq!(Values { stock: Some(3), ..wanted }.differs(&seen), [Field::Stock, Field::Title]);
        assert_eq!(Values::default().differs(&seen), []);
        assert_eq!(Values { retired: true, ..Values::default() }.differs(&seen), []);
        assert_eq!(Values { stock: Some(0), ..Values::default() }.differs(&Values::default()), [Field::Stock]);
    }

    #[test]
    fn values_are_kept_as_json_without_what_was_not_chosen() {
        let values = Values { price: Some(price("19.90 EUR")), ..Values::default() };
        let text = serde_json::to_string(&values).unwrap();
        assert_eq!(text, r#"{"price":{"amount":"19.90","currency":"EUR"}}"#);
        assert_eq!(serde_json::from_str::<Values>(&text).unwrap(), values);
    }
}
