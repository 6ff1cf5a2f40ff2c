//! An item and its models as Shopee writes them. Null in any field is as if the field were missing.
//!
//! Vendor pages: "v2.product.get_item_base_info", "v2.product.get_model_list".

use rust_decimal::Decimal;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::channels::nullable::without_nulls;

/// Reads an item, or the models of one, as told.
pub(super) fn read<T: DeserializeOwned>(told: &Value) -> serde_json::Result<T> {
    serde_json::from_value(without_nulls(told))
}

/// An item as told.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireItem {
    pub(super) item_id: u64,
    pub(super) category_id: u64,
    pub(super) item_name: String,
    pub(super) item_sku: String,
    pub(super) description: String,
    pub(super) description_type: String,
    pub(super) description_info: Value,
    pub(super) item_status: String,
    pub(super) has_model: bool,
    /// When it was created, in seconds.
    pub(super) create_time: i64,
    pub(super) image: Images,
    pub(super) brand: Brand,
    /// As told: only an export of attributes reads it.
    pub(super) attribute_list: Value,
    pub(super) price_info: Vec<Value>,
    pub(super) stock_info_v2: Value,
    pub(super) gtin_code: String,
    /// A text in samples.
    pub(super) deboost: Value,
    pub(super) tag: Tag,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Images {
    pub(super) image_url_list: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Brand {
    pub(super) brand_id: u64,
    pub(super) original_brand_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tag {
    pub(super) kit: bool,
}

/// The variants of an item as told.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireModels {
    pub(super) tier_variation: Vec<WireTier>,
    pub(super) standardise_tier_variation: Vec<WireStandardTier>,
    pub(super) model: Vec<WireModel>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireTier {
    pub(super) name: String,
    pub(super) option_list: Vec<WireOption>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireOption {
    pub(super) option: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireStandardTier {
    /// 0: the seller's own, of no standard.
    pub(super) variation_id: u64,
    pub(super) variation_group_id: u64,
    pub(super) variation_name: String,
    pub(super) variation_option_list: Vec<WireStandardOption>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireStandardOption {
    pub(super) variation_option_id: u64,
    pub(super) image_id: String,
    pub(super) variation_option_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireModel {
    pub(super) model_id: u64,
    pub(super) tier_index: Vec<usize>,
    pub(super) model_sku: String,
    pub(super) model_status: String,
    pub(super) price_info: Vec<Value>,
    pub(super) stock_info_v2: Value,
    pub(super) gtin_code: String,
}

impl WireModels {
    /// Names of options with their values, in order.
    pub(super) fn tiers(&self) -> Vec<(String, Vec<String>)> {
        if !self.tier_variation.is_empty() {
            let values = |tier: &WireTier| tier.option_list.iter().map(|one| one.option.clone()).collect();
            return self.tier_variation.iter().map(|tier| (tier.name.clone(), values(tier))).collect();
        }
        let values = |tier: &WireStandardTier| {
            tier.variation_option_list.iter().map(|one| one.variation_option_name.clone()).collect()
        };
        self.standardise_tier_variation.iter().map(|tier| (tier.variation_name.clone(), values(tier))).collect()
    }
}

/// An exact decimal out of the text of a JSON number, or of a text with one in it.
pub(super) fn decimal(value: &Value) -> Option<Decimal> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
}

/// A whole number, or a text with one in it.
pub(super) fn whole(value: Option<&Value>) -> Option<i64> {
    let value = value?;
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}
