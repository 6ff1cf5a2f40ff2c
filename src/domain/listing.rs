//! How a SKU stands in one shop, and what makes such a statement valid.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::digest::digest;

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

/// Three upper-case letters of ISO 4217.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three ASCII letters, by construction")
    }

    /// How many digits its amounts have after the point: 0 for IDR, JPY, KRW, VND and the like, 3 for BHD and the like, else 2.
    pub fn digits(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"IDR" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX"
            | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }
}

impl FromStr for Currency {
    type Err = InvalidListing;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().as_bytes() {
            [a, b, c] if [a, b, c].iter().all(|x| x.is_ascii_alphabetic()) => {
                Ok(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase(), c.to_ascii_uppercase()]))
            }
            _ => Err(InvalidListing::new(
                "currency",
                format!("`{text}` is not a currency"),
                "use three letters of ISO 4217, for example EUR",
            )),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidListing;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An exact amount of money, in major units.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Price {
    /// Major units: 19.90 is nineteen euros ninety.
    pub amount: Decimal,
    /// The currency.
    pub currency: Currency,
}

impl Price {
    /// The same amount without trailing zeros, so that equal prices look equal.
    pub(super) fn normalized(self) -> Self {
        Self { amount: self.amount.normalize(), ..self }
    }
}

impl Price {
    /// The amount as people write it: with the digits of its currency, also where a shop leaves out zeros at the end.
    pub fn written(&self) -> String {
        let mut amount = self.amount;
        amount.rescale(amount.scale().max(self.currency.digits()));
        amount.to_string()
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

impl fmt::Debug for Price {
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
    pub fn values(&self, fields: &std::collections::BTreeSet<Field>) -> Values {
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
    fn amounts_are_written_with_the_digits_of_their_currency_and_lose_none() {
        let written = |amount: &str, currency: &str| {
            Price { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() }.written()
        };
        let shown = [("24.9", "SGD"), ("599", "TWD"), ("12.345", "EUR"), ("1500", "JPY")].map(|(a, c)| written(a, c));
        assert_eq!(shown, ["24.90", "599.00", "12.345", "1500"]);
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
        let hashes: std::collections::BTreeSet<String> = changes
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
        let seen = listing().values(&[Field::Price, Field::Stock, Field::Title].into());
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

    #[test]
    fn skus_and_currencies_are_judged() {
        assert_eq!(" A 1 ".parse::<Sku>().unwrap().as_str(), "A 1");
        for bad in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert_eq!(bad.parse::<Sku>().unwrap_err().code, "sku");
        }
        assert_eq!("eur".parse::<Currency>().unwrap().as_str(), "EUR");
        for bad in ["", "EU", "EURO", "E1R", "€€€"] {
            assert_eq!(bad.parse::<Currency>().unwrap_err().code, "currency");
        }
        let digits = ["EUR", "JPY", "KWD", "TWD"].map(|code| code.parse::<Currency>().unwrap().digits());
        assert_eq!(digits, [2, 0, 3, 2]);
    }
}
