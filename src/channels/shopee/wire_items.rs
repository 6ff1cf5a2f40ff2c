//! An item and its models as Shopee writes them.
//!
//! Vendor pages: "v2.product.get_item_base_info", "v2.product.get_model_list".

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;

use crate::channels::nullable::nullable;

/// An item as told.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireItem {
    pub(super) item_id: u64,
    #[serde(deserialize_with = "nullable")]
    pub(super) category_id: u64,
    #[serde(deserialize_with = "nullable")]
    pub(super) item_name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) item_sku: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) description: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) description_type: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) description_info: Value,
    #[serde(deserialize_with = "nullable")]
    pub(super) item_status: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) has_model: bool,
    /// When it was created, in seconds.
    #[serde(deserialize_with = "nullable")]
    pub(super) create_time: i64,
    #[serde(deserialize_with = "nullable")]
    pub(super) image: Images,
    #[serde(deserialize_with = "nullable")]
    pub(super) brand: Brand,
    /// As told: only an export of attributes reads it.
    #[serde(deserialize_with = "nullable")]
    pub(super) attribute_list: Value,
    #[serde(deserialize_with = "nullable")]
    pub(super) price_info: Vec<Value>,
    #[serde(deserialize_with = "nullable")]
    pub(super) stock_info_v2: Value,
    #[serde(deserialize_with = "nullable")]
    pub(super) gtin_code: String,
    /// A text in samples.
    #[serde(deserialize_with = "nullable")]
    pub(super) deboost: Value,
    #[serde(deserialize_with = "nullable")]
    pub(super) tag: Tag,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Images {
    #[serde(deserialize_with = "nullable")]
    pub(super) image_url_list: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Brand {
    #[serde(deserialize_with = "nullable")]
    pub(super) brand_id: u64,
    #[serde(deserialize_with = "nullable")]
    pub(super) original_brand_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tag {
    #[serde(deserialize_with = "nullable")]
    pub(super) kit: bool,
}

/// The variants of an item as told.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireModels {
    #[serde(deserialize_with = "nullable")]
    pub(super) tier_variation: Vec<WireTier>,
    #[serde(deserialize_with = "nullable")]
    pub(super) standardise_tier_variation: Vec<WireStandardTier>,
    #[serde(deserialize_with = "nullable")]
    pub(super) model: Vec<WireModel>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireTier {
    #[serde(deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) option_list: Vec<WireOption>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireOption {
    #[serde(deserialize_with = "nullable")]
    pub(super) option: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireStandardTier {
    /// 0: the seller's own, of no standard.
    #[serde(deserialize_with = "nullable")]
    pub(super) variation_id: u64,
    #[serde(deserialize_with = "nullable")]
    pub(super) variation_group_id: u64,
    #[serde(deserialize_with = "nullable")]
    pub(super) variation_name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) variation_option_list: Vec<WireStandardOption>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireStandardOption {
    #[serde(deserialize_with = "nullable")]
    pub(super) variation_option_id: u64,
    #[serde(deserialize_with = "nullable")]
    pub(super) image_id: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) variation_option_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireModel {
    pub(super) model_id: u64,
    #[serde(deserialize_with = "nullable")]
    pub(super) tier_index: Vec<usize>,
    #[serde(deserialize_with = "nullable")]
    pub(super) model_sku: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) model_status: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) price_info: Vec<Value>,
    #[serde(deserialize_with = "nullable")]
    pub(super) stock_info_v2: Value,
    #[serde(deserialize_with = "nullable")]
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
