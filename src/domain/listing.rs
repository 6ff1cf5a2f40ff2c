//! How a SKU stands in one shop, and what makes such a statement valid.

use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Field, Price, Values, digest::digest};

/// The seller's identifier of a variant, unique within a shop. Compared to the letter; never empty, no line breaks,
/// no outer white space, at most 200 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sku(String);

impl Sku {
    /// The SKU as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sku {
    type Err = InvalidListing;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidListing::new("sku", "the SKU is empty", "give every variant a SKU"));
        }
        if text.chars().count() > 200 || text.chars().any(char::is_control) {
            return Err(InvalidListing::new(
                "sku",
                "the SKU is longer than 200 characters or has a control character in it",
                "shorten it",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether buyers can find a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListingStatus {
    /// On sale.
    Active,
    /// Taken off sale by the seller, a draft, or in review.
    Inactive,
    /// Taken off sale by the channel.
    Blocked,
    /// A complete pass no longer found it.
    Gone,
}

impl ListingStatus {
    /// The name used in tables and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Blocked => "blocked",
            Self::Gone => "gone",
        }
    }
}

/// A SKU as a shop shows it: what a channel's `pull` returns, in the domain's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The seller's identifier.
    pub sku: Sku,
    /// The shop's own SKU, where `sku` is the product source's: the two were matched by barcode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shop_sku: Option<Sku>,
    /// The channel's id of the product it belongs to; for `file` the product's id in the file.
    pub product_id: String,
    /// Whatever else the channel needs to write to this listing (ids, quantities of other warehouses). Opaque to all
    /// but the channel, and part of the content hash.
    pub refs: serde_json::Value,
    /// Title of the product.
    pub title: String,
    /// Text or HTML; `None` where the pass does not tell.
    pub description: Option<String>,
    /// The brand's name.
    pub brand: Option<String>,
    /// The category in the shop's own word, where it has one: what a mapping of other shops goes by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// GTIN, EAN or UPC.
    pub barcode: Option<String>,
    /// Addresses of images, the main one first.
    pub images: Vec<String>,
    /// Options in order: ("Size", "M").
    pub options: Vec<(String, String)>,
    /// Prices by currency; the first is the shop's own.
    pub prices: Vec<Price>,
    /// Pieces on sale, in the warehouse that export writes to; `None` where the channel does not say.
    pub stock: Option<i64>,
    /// Whether buyers can find it.
    pub status: ListingStatus,
}

/// What the SKUs of a product mostly have in common: by far the largest part of a listing, so it is hashed and kept once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Texts<'a> {
    /// As [`Listing::title`].
    pub title: Cow<'a, str>,
    /// As [`Listing::description`].
    pub description: Option<Cow<'a, str>>,
    /// As [`Listing::brand`].
    pub brand: Option<Cow<'a, str>>,
    /// As [`Listing::category`].
    pub category: Option<Cow<'a, str>>,
    /// As [`Listing::images`].
    pub images: Cow<'a, [String]>,
}

impl Texts<'_> {
    /// A hash over all of them: 32 hexadecimal digits.
    pub fn hash(&self) -> String {
        digest(self)
    }
}

/// What a listing says beyond its [`Texts`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own<'a> {
    /// As [`Listing::sku`].
    pub sku: Cow<'a, Sku>,
    /// As [`Listing::shop_sku`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shop_sku: Option<Cow<'a, Sku>>,
    /// As [`Listing::product_id`].
    pub product_id: Cow<'a, str>,
    /// As [`Listing::refs`].
    pub refs: Cow<'a, serde_json::Value>,
    /// As [`Listing::barcode`].
    pub barcode: Option<Cow<'a, str>>,
    /// As [`Listing::options`].
    pub options: Cow<'a, [(String, String)]>,
    /// As [`Listing::prices`].
    pub prices: Cow<'a, [Price]>,
    /// As [`Listing::stock`].
    pub stock: Option<i64>,
    /// As [`Listing::status`].
    pub status: ListingStatus,
}

impl Own<'_> {
    /// The whole listing.
    pub fn with(self, texts: Texts<'_>) -> Listing {
        Listing {
            sku: self.sku.into_owned(),
            shop_sku: self.shop_sku.map(Cow::into_owned),
            product_id: self.product_id.into_owned(),
            refs: self.refs.into_owned(),
            title: texts.title.into_owned(),
            description: texts.description.map(Cow::into_owned),
            brand: texts.brand.map(Cow::into_owned),
            category: texts.category.map(Cow::into_owned),
            barcode: self.barcode.map(Cow::into_owned),
            images: texts.images.into_owned(),
            options: self.options.into_owned(),
            prices: self.prices.into_owned(),
            stock: self.stock,
            status: self.status,
        }
    }
}

impl Listing {
    /// What it has in common with others of its product.
    pub fn texts(&self) -> Texts<'_> {
        Texts {
            title: Cow::Borrowed(&self.title),
            description: self.description.as_deref().map(Cow::Borrowed),
            brand: self.brand.as_deref().map(Cow::Borrowed),
            category: self.category.as_deref().map(Cow::Borrowed),
            images: Cow::Borrowed(&self.images),
        }
    }

    /// What it says beyond that.
    pub fn own(&self) -> Own<'_> {
        Own {
            sku: Cow::Borrowed(&self.sku),
            shop_sku: self.shop_sku.as_ref().map(Cow::Borrowed),
            product_id: Cow::Borrowed(&self.product_id),
            refs: Cow::Borrowed(&self.refs),
            barcode: self.barcode.as_deref().map(Cow::Borrowed),
            options: Cow::Borrowed(&self.options),
            prices: Cow::Borrowed(&self.prices),
            stock: self.stock,
            status: self.status,
        }
    }

    /// A hash over everything it says, for telling unchanged ones apart: 32 hexadecimal digits.
    pub fn content_hash(&self) -> String {
        self.content_hash_with(&self.texts().hash())
    }

    /// The same where [`Texts::hash`] of its texts is known.
    pub fn content_hash_with(&self, texts: &str) -> String {
        let prices = self.prices.iter().map(|price| price.normalized()).collect();
        digest(&(Own { prices, ..self.own() }, texts))
    }

    /// What it says in the chosen fields, in the form that [`Values`] of the source have, so that the two compare.
    pub fn values(&self, fields: &BTreeSet<Field>) -> Values {
        let chosen = |field| fields.contains(&field);
        Values {
            price: self.prices.first().copied().filter(|_| chosen(Field::Price)),
            stock: self.stock.filter(|_| chosen(Field::Stock)),
            title: chosen(Field::Title).then(|| self.title.clone()),
            description: self.description.clone().filter(|_| chosen(Field::Description)),
            images: chosen(Field::Images).then(|| self.images.clone()),
            ..Values::default()
        }
    }
}

/// Why something a channel or a file said is not a valid listing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}; {remedy}")]
pub struct InvalidListing {
    /// A short stable code, for example `price`.
    pub code: &'static str,
    /// The thing and the cause.
    pub text: String,
    /// What to do.
    pub remedy: &'static str,
}

impl InvalidListing {
    /// Puts the parts together.
    pub fn new(code: &'static str, text: impl Into<String>, remedy: &'static str) -> Self {
        Self { code, text: text.into(), remedy }
    }
}

/// What is wrong with one SKU in one shop, kept and shown until it is resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The SKU; where none could be read, the place in words (`products.csv:17`).
    pub sku: String,
    /// The channel's code, or ours.
    pub code: String,
    /// The cause and the remedy, in words.
    pub text: String,
    /// The channel's request id, where there is one.
    pub request_id: Option<String>,
}

impl Complaint {
    /// The code of what stands under a SKU that another product of the shop has already.
    pub const DUPLICATE_SKU: &str = "duplicate_sku";
    /// The code of listings whose SKU the product source does not know.
    pub const UNKNOWN_SKU: &str = "unknown_sku";
    /// The code of listings whose barcode could mean several SKUs.
    pub const AMBIGUOUS_BARCODE: &str = "ambiguous_barcode";
    /// The code of SKUs of which the source does not say what a mapped attribute needs.
    pub const UNSAID_ATTRIBUTE: &str = "unsaid_attribute";
    /// The code of what a marketplace said beside accepting images or attributes.
    pub const REMARK: &str = "warning";
    /// What keeps a listing from standing for one SKU of the product source.
    pub const UNMATCHED: [&str; 3] = [Self::UNKNOWN_SKU, Self::DUPLICATE_SKU, Self::AMBIGUOUS_BARCODE];
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn price(text: &str) -> Price {
        let (amount, currency) = text.split_once(' ').unwrap();
        Price { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() }
    }

    fn listing() -> Listing {
        Listing {
            sku: "A-1".parse().unwrap(),
            shop_sku: None,
            product_id: "17".to_owned(),
            refs: json!({"sku_id": "5", "warehouses": {"x": 1, "y": 2}}),
            title: "Shirt".to_owned(),
            description: Some("Soft".to_owned()),
            brand: None,
            category: None,
            barcode: None,
            images: vec!["https://img.example/1.jpg".to_owned()],
            options: vec![("Size".to_owned(), "M".to_owned())],
            prices: vec![price("19.90 EUR"), price("18 GBP")],
            stock: Some(4),
            status: ListingStatus::Active,
        }
    }

    #[test]
    fn equal_listings_have_equal_hashes_however_they_are_written() {
        let mut same = listing();
        same.prices[0] = price("19.9 EUR");
        same.prices[1] = price("18.000 GBP");
        same.refs = serde_json::from_str(r#"{"warehouses": {"y": 2, "x": 1}, "sku_id": "5"}"#).unwrap();
        assert_eq!(same.content_hash(), listing().content_hash());
        assert_eq!(listing().content_hash().len(), 32);
    }

    #[test]
    fn a_listing_is_its_texts_and_its_own() {
        let mut whole = listing();
        for optional in [&mut whole.brand, &mut whole.category, &mut whole.barcode] {
            *optional = Some("x".to_owned());
        }
        whole.shop_sku = Some("B-1".parse().unwrap());
        for listing in [whole, listing()] {
            let (own, texts) =
                (serde_json::to_string(&listing.own()).unwrap(), serde_json::to_string(&listing.texts()).unwrap());
            let (own, texts): (Own<'_>, Texts<'_>) =
                (serde_json::from_str(&own).unwrap(), serde_json::from_str(&texts).unwrap());
            assert_eq!(own.with(texts), listing);
        }
    }

    #[test]
    fn whatever_a_listing_says_is_part_of_its_hash() {
        let changes: [fn(&mut Listing); 12] = [
            |it| it.sku = "A-2".parse().unwrap(),
            |it| it.product_id.push('0'),
            |it| it.refs = json!({"sku_id": "5", "warehouses": {"x": 2, "y": 1}}),
            |it| it.title.push('!'),
            |it| it.description = None,
            |it| it.brand = Some("B".to_owned()),
            |it| it.barcode = Some("4006381333931".to_owned()),
            |it| it.images.clear(),
            |it| it.options[0].1 = "L".to_owned(),
            |it| it.prices.swap(0, 1),
            |it| it.stock = Some(5),
            |it| it.status = ListingStatus::Inactive,
        ];
        let hashes: BTreeSet<String> = changes
            .iter()
            .map(|change| {
                let mut changed = listing();
                change(&mut changed);
                changed.content_hash()
            })
            .chain([listing().content_hash()])
            .collect();
        assert_eq!(hashes.len(), 13);
    }

    #[test]
    fn values_are_those_of_the_chosen_fields() {
        let all =
            listing().values(&[Field::Price, Field::Stock, Field::Title, Field::Description, Field::Images].into());
        assert_eq!(all.price, Some(price("19.90 EUR")), "the shop's own price is the first");
        assert_eq!(
            (all.stock, all.title.as_deref(), all.description.as_deref()),
            (Some(4), Some("Shirt"), Some("Soft"))
        );
        assert_eq!(all.images, Some(listing().images));
        let stock = listing().values(&[Field::Stock].into());
        assert_eq!(stock, Values { stock: Some(4), ..Values::default() });
        assert_eq!(listing().values(&[].into()), Values::default());
    }

    #[test]
    fn skus_are_judged() {
        assert_eq!(" A 1 ".parse::<Sku>().unwrap().as_str(), "A 1");
        for bad in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert_eq!(bad.parse::<Sku>().unwrap_err().code, "sku");
        }
    }
}
