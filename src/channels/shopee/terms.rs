//! What a new item needs beyond what the source says: the shop's mapping, and what is lacking in either.
//!
//! Vendor pages: "v2.product.add_item", "Creating product" (guide 211).

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::{
    attributes::{self, named},
    money::{currency_of, number, price_fault},
    text,
    wire_items::decimal,
};
use crate::{
    channels::{Unsaid, mapping::Mapping, reader::Reader},
    domain::{Complaint, Price, Product, Variant, plan::Change},
};

/// The keys of `mapping` that only this channel has.
const KEYS: [&str; 5] = ["weight_kg", "dimension_cm", "logistics", "days_to_ship", "extra"];
/// The longest SKU that the vendor's field takes.
const LONGEST_SKU: usize = 100;
/// The most options that tell variants apart.
const MOST_OPTIONS: usize = 2;

/// How new items are made.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    mapping: Mapping,
    /// Kilograms.
    weight: Option<Decimal>,
    /// Length, width and height in centimetres.
    dimension: Option<[u64; 3]>,
    /// Shopee's ids of the shipping channels that are open for it.
    logistics: Vec<u64>,
    /// For goods that are ordered before they are there.
    days_to_ship: Option<u64>,
    /// Fields of `add_item` as they stand in the settings.
    extra: Map<String, Value>,
}

impl Terms {
    /// Reads `[shops.X.mapping]`.
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mapping = Mapping::read(reader, &KEYS);
        let own = mapping.own.clone();
        let mut fault = |key: &str, cause: &str, remedy: &str| reader.fault(&format!("mapping.{key}"), cause, remedy);
        let weight = own.get("weight_kg").and_then(decimal).filter(|weight| *weight > Decimal::ZERO);
        if own.contains_key("weight_kg") && weight.is_none() {
            fault("weight_kg", "`weight_kg` is not a weight", "write kilograms, for example 0.3");
        }
        let whole = |value: &Value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|n| *n > 0);
        let list = |key: &str| -> Option<Vec<u64>> { own.get(key)?.as_array()?.iter().map(whole).collect() };
        let dimension = list("dimension_cm").and_then(|sides| <[u64; 3]>::try_from(sides).ok());
        if own.contains_key("dimension_cm") && dimension.is_none() {
            fault("dimension_cm", "`dimension_cm` is not three lengths", "write length, width and height: [20, 15, 2]");
        }
        let logistics = list("logistics").unwrap_or_default();
        if own.contains_key("logistics") && logistics.is_empty() {
            fault("logistics", "`logistics` is not a list of ids", "write Shopee's ids of shipping channels: [80101]");
        }
        let days_to_ship = own.get("days_to_ship").and_then(whole);
        if own.contains_key("days_to_ship") && days_to_ship.is_none() {
            fault("days_to_ship", "`days_to_ship` is not a number of days", "write a whole number, for example 7");
        }
        let extra = own.get("extra").and_then(Value::as_object).cloned().unwrap_or_default();
        if own.get("extra").is_some_and(|value| !value.is_object()) {
            fault("extra", "`extra` is not a table", "write fields of Shopee's add_item: { condition = \"USED\" }");
        }
        Self { mapping, weight, dimension, logistics, days_to_ship, extra }
    }

    /// What the settings and the source must still say before this change can be sent; `None`: nothing.
    pub(super) fn lacks(&self, change: &Change, region: Option<&str>) -> Option<Complaint> {
        if change.listing.is_some() {
            let text = named(change.wanted.attributes.as_ref()?).err()?;
            let sku = change.sku.as_str().to_owned();
            return Some(Complaint { sku, code: attributes::CODE.to_owned(), text, request_id: None });
        }
        let (product, variant) = change.product.as_ref()?;
        let mut lacking: Vec<(&str, String)> = Vec::new();
        let joins = !change.siblings.is_empty();
        let sku = change.sku.as_str();
        if sku.chars().count() > LONGEST_SKU || (!joins && product.id.chars().count() > LONGEST_SKU) {
            let text = format!(
                "the SKU or the product's id is longer than {LONGEST_SKU} characters, which Shopee does not take"
            );
            lacking.push(("sku", text));
        }
        if variant.options.len() > MOST_OPTIONS {
            let names: Vec<_> = variant.options.iter().map(|(name, _)| name.as_str()).collect();
            let text =
                format!("Shopee tells variations apart by at most 2 options; the source has {}", names.join(", "));
            lacking.push(("options", text));
        }
        match change.wanted.price {
            None => lacking.push(("price", "no price is wanted; choose `price` among export.fields".to_owned())),
            Some(price) => lacking.extend(Self::price_lacks(change, price, region)),
        }
        if pieces(change, variant).is_none() {
            lacking.push(("stock", "the source does not say how many pieces there are; give it a stock".to_owned()));
        }
        if !joins {
            self.item_lacks(product, variant, &mut lacking);
        }
        let code = lacking.first()?.0.to_owned();
        let text = lacking.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("; ");
        Some(Complaint { sku: sku.to_owned(), code, text, request_id: None })
    }

    fn price_lacks(change: &Change, price: Price, region: Option<&str>) -> Option<(&'static str, String)> {
        let of_sibling = change.siblings.iter().find_map(|sibling| sibling.prices.first()).map(|price| price.currency);
        match of_sibling.or_else(|| region.and_then(currency_of)) {
            None => Some(("region", "the shop's currency is not known; set its `region`".to_owned())),
            Some(currency) if currency != price.currency => {
                let text = format!(
                    "the price is {price}, and the shop sells in {currency}; give the source a column `price.{currency}`, or set export.price.convert"
                );
                Some(("currency", text))
            }
            Some(_) => price_fault(price).map(|text| ("price", text)),
        }
    }

    /// Shopee's category of a product, where the mapping names one.
    pub(super) fn category(&self, product: &Product) -> Option<&str> {
        self.mapping.category(product)
    }

    /// Days to ship of what is ordered before it is there.
    pub(super) fn days_to_ship(&self) -> Option<u64> {
        self.days_to_ship
    }

    /// What an item of its own needs.
    fn item_lacks(&self, product: &Product, variant: &Variant, lacking: &mut Vec<(&'static str, String)>) {
        match self.mapping.category(product) {
            None => lacking.push(("category", Mapping::no_category(product))),
            Some(text) if text.parse::<u64>().is_err() => {
                lacking.push((
                    "category",
                    format!("`{text}` is not a category of Shopee: it is a whole number; correct the mapping"),
                ));
            }
            Some(_) => {}
        }
        if let Err(text) = self.brand(product) {
            lacking.push(("brand", text));
        }
        if let Err(text) = self.attributes(product, variant) {
            lacking.push((attributes::CODE, text));
        }
        if self.weight.is_none() {
            lacking.push(("weight", "no weight is named; set `mapping.weight_kg`".to_owned()));
        }
        if self.logistics.is_empty() {
            let text = "no shipping channel is named; set `mapping.logistics` to Shopee's ids of them";
            lacking.push(("logistics", text.to_owned()));
        }
        if product.images.is_empty() {
            lacking.push(("image", "the source has no image of the product; give it one".to_owned()));
        }
        if product.title.trim().is_empty() {
            lacking.push(("title", "the source has no title of the product; give it one".to_owned()));
        }
        let description = text::plain(product.description.as_deref().unwrap_or_default());
        match text::fault(&description) {
            Some(fault) if description.is_empty() => {
                drop(fault);
                lacking.push(("description", "the source has no description of the product; give it one".to_owned()));
            }
            // What plain text looks like markup may well be: "&amp;lt;" was meant so.
            Some(fault) if fault.starts_with("it is longer") => {
                lacking.push(("description", format!("the description: {fault}")));
            }
            _ => {}
        }
    }

    /// The brand as a call names it. Without a brand in the source an item has none.
    fn brand(&self, product: &Product) -> Result<Value, String> {
        let (id, name) = match self.mapping.brand(product) {
            None => match &product.brand {
                None => ("0", None),
                Some(brand) => {
                    return Err(format!(
                        "Shopee's brand is not named for `{brand}`; set `mapping.brands.\"{brand}\"` to its id, or to \"0\" for none"
                    ));
                }
            },
            Some(text) => text.split_once(':').map_or((text, None), |(id, name)| (id, Some(name.trim()))),
        };
        let id: u64 =
            id.trim().parse().map_err(|_| format!("`{id}` is not a brand of Shopee: it is \"ID\" or \"ID:NAME\""))?;
        let name = match (id, name.or(product.brand.as_deref())) {
            (0, _) => "NoBrand",
            (_, Some(name)) => name,
            (_, None) => return Err(format!("the name of brand {id} is not known; write it as \"{id}:NAME\"")),
        };
        Ok(json!({"brand_id": id, "original_brand_name": name}))
    }

    /// The attributes of a variant, by their ids, as the mapping writes them.
    pub(super) fn wanted_attributes(
        &self,
        product: &Product,
        variant: &Variant,
    ) -> Result<BTreeMap<String, String>, Unsaid> {
        self.mapping.wanted(product, variant)
    }

    /// The attributes as a call names them.
    fn attributes(&self, product: &Product, variant: &Variant) -> Result<Vec<Value>, String> {
        named(&self.wanted_attributes(product, variant).map_err(|unsaid| unsaid.to_string())?)
    }

    /// The body of `add_item`, but for price, stock, SKU and status.
    pub(super) fn item(&self, product: &Product, variant: &Variant, images: &[String]) -> Result<Value, String> {
        let category = self.mapping.category(product).and_then(|text| text.parse::<u64>().ok());
        let logistics: Vec<_> = self.logistics.iter().map(|id| json!({"logistic_id": id, "enabled": true})).collect();
        let mut body = json!({
            "item_name": text::line_of_title(&product.title),
            "description": text::plain(product.description.as_deref().unwrap_or_default()),
            "category_id": category,
            "weight": self.weight.map(number),
            "logistic_info": logistics,
            "image": {"image_id_list": images},
            "brand": self.brand(product)?,
            "attribute_list": self.attributes(product, variant)?,
            "condition": "NEW",
        });
        if let Some([length, width, height]) = self.dimension {
            body["dimension"] = json!({"package_length": length, "package_width": width, "package_height": height});
        }
        if let Some(days) = self.days_to_ship {
            body["pre_order"] = json!({"is_pre_order": true, "days_to_ship": days});
        }
        for (name, value) in &self.extra {
            body[name] = value.clone();
        }
        Ok(body)
    }
}

/// The pieces that a new SKU has.
pub(super) fn pieces(change: &Change, variant: &Variant) -> Option<i64> {
    change.wanted.stock.or(variant.stock).map(|pieces| pieces.max(0))
}
