//! What the product source says.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Listing, Price, Sku, Texts};

/// A product of the source: what its variants have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The source's own id of it.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Text or HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The brand's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// The category, in the source's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Addresses of images, the main one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
}

impl Product {
    /// What it says beside its id.
    pub fn texts(&self) -> Texts<'_> {
        Texts {
            title: Cow::Borrowed(&self.title),
            description: self.description.as_deref().map(Cow::Borrowed),
            brand: self.brand.as_deref().map(Cow::Borrowed),
            category: self.category.as_deref().map(Cow::Borrowed),
            images: Cow::Borrowed(&self.images),
        }
    }

    /// The whole product.
    pub fn of(id: String, texts: Texts<'_>) -> Self {
        Self {
            id,
            title: texts.title.into_owned(),
            description: texts.description.map(Cow::into_owned),
            brand: texts.brand.map(Cow::into_owned),
            category: texts.category.map(Cow::into_owned),
            images: texts.images.into_owned(),
        }
    }
}

/// A barcode as it is compared: without leading zeros, since a UPC is an EAN, and an EAN a GTIN, with zeros in front. `None`: there
/// is none.
pub fn barcode_key(text: &str) -> Option<String> {
    let digits = text.trim().trim_start_matches('0');
    (!digits.is_empty()).then(|| digits.to_owned())
}

/// One SKU of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// The seller's identifier.
    pub sku: Sku,
    /// The product it belongs to.
    pub product_id: String,
    /// GTIN, EAN or UPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// Prices by currency; the first is the source's own. May be empty.
    pub prices: Vec<Price>,
    /// Pieces in stock; `None` where the source does not say.
    pub stock: Option<i64>,
    /// Options in order: ("Size", "M").
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<(String, String)>,
}

impl Variant {
    /// What a listing of the source says of its variant.
    pub fn of(listing: &Listing) -> Self {
        Self {
            sku: listing.sku.clone(),
            product_id: listing.product_id.clone(),
            barcode: listing.barcode.clone(),
            prices: listing.prices.clone(),
            stock: listing.stock,
            options: listing.options.clone(),
        }
    }
}
