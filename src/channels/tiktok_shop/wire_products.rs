//! A product and its SKUs as TikTok Shop writes them. Null is read as missing; what a SKU cannot be without (ids, pieces) must be there.
//!
//! Vendor pages: "Search products (202502)", "Get product (202309)", "Inventory search (202309)".

use serde::Deserialize;
use serde_json::Value;

use crate::channels::nullable::nullable;

/// A product as a search shows it or its details. The SKUs are read one by one, so that a strange one does not hide the
/// others.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireProduct {
    pub(super) id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) title: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) status: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) skus: Vec<Value>,
    #[serde(default)]
    pub(super) audit: Option<WireAudit>,
    /// Of details, as are the following.
    #[serde(default, deserialize_with = "nullable")]
    pub(super) audit_failed_reasons: Vec<AuditReason>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) brand: Option<WireBrand>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) main_images: Vec<WireImage>,
    /// From the widest category to the narrowest.
    #[serde(default, deserialize_with = "nullable")]
    pub(super) category_chains: Vec<WireCategory>,
}

/// A category.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireCategory {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) local_name: String,
}

/// Where the audit of a product's last edit stands.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireAudit {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) status: String,
}

/// Why an audit failed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AuditReason {
    /// The part of the product it is about.
    #[serde(deserialize_with = "nullable")]
    position: String,
    #[serde(deserialize_with = "nullable")]
    reasons: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    suggestions: Vec<String>,
}

impl AuditReason {
    /// Part, reasons and suggestions in a line.
    pub(super) fn words(&self) -> String {
        let about = if self.position.is_empty() { String::new() } else { format!("{}: ", self.position) };
        let said: Vec<_> = self.reasons.iter().chain(&self.suggestions).map(String::as_str).collect();
        format!("{about}{}", said.join(" "))
    }
}

/// A brand.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireBrand {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) name: String,
}

/// An image in its sizes.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireImage {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) urls: Vec<String>,
}

/// A SKU of a product.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireSku {
    pub(super) id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) seller_sku: String,
    #[serde(default)]
    pub(super) price: Option<WirePrice>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) inventory: Vec<WireInventory>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) sales_attributes: Vec<WireAttribute>,
    #[serde(default)]
    pub(super) identifier_code: Option<WireIdentifier>,
}

/// A price: decimal text in major units.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WirePrice {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) currency: String,
    /// What buyers pay, tax included.
    #[serde(default)]
    pub(super) sale_price: Option<String>,
    /// What the seller gets.
    #[serde(default)]
    pub(super) tax_exclusive_price: Option<String>,
}

/// Pieces in a warehouse.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireInventory {
    pub(super) warehouse_id: String,
    pub(super) quantity: i64,
}

/// An option of a variant.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireAttribute {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) value_name: String,
}

/// GTIN, EAN and the like.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireIdentifier {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) code: String,
}

/// The stock of a product's SKUs, as the search for stock tells it.
#[derive(Debug, Deserialize)]
pub(super) struct WireStocks {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) skus: Vec<WireStock>,
}

/// The stock of a SKU.
#[derive(Debug, Deserialize)]
pub(super) struct WireStock {
    pub(super) id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) warehouse_inventory: Vec<WireAvailable>,
}

/// Pieces in a warehouse that can be sold: what a product calls its quantity there.
#[derive(Debug, Deserialize)]
pub(super) struct WireAvailable {
    pub(super) warehouse_id: String,
    pub(super) available_quantity: i64,
}
