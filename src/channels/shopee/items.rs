//! Import: what an item and its models say, in the domain's words.
//!
//! Vendor page: "Stock and price management" (guide 223).

use serde_json::{Value, json};

use super::{
    places::{Stock, location_fault},
    wire_items::{WireItem, WireModels, decimal},
};
use crate::domain::{Complaint, Currency, InvalidListing, Listing, ListingStatus, Price};

/// The names that other files give to what `refs` holds.
pub(super) mod refs {
    /// The vendor's id of the item.
    pub(in super::super) const ITEM: &str = "item_id";
    /// The vendor's id of the variant; 0: the item has no models.
    pub(in super::super) const MODEL: &str = "model_id";
    /// How many variants the item has.
    pub(in super::super) const MODELS: &str = "models";
    /// The vendor's word for where the item stands.
    pub(in super::super) const STATUS: &str = "status";
    /// The SKU as the shop spells it.
    pub(in super::super) const SKU: &str = "sku";
    /// The seller's pieces by location.
    pub(in super::super) const LOCATIONS: &str = "locations";
    /// The location that export writes to; null where it is not clear which.
    pub(in super::super) const LOCATION: &str = "location";
    /// Pieces in Shopee's own warehouses, which nobody can set.
    pub(in super::super) const SHOPEE_STOCK: &str = "shopee_stock";
    /// Pieces that promotions hold: the stock must not fall below.
    pub(in super::super) const RESERVED: &str = "reserved";
    /// What cannot be written: `kit` (its stock follows from its parts), `description` (it has images in it).
    pub(in super::super) const FIXED: &str = "fixed";
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) listings: Vec<Listing>,
    pub(super) complaints: Vec<Complaint>,
    /// Items of which nothing could be read.
    pub(super) unread: Vec<u64>,
    pub(super) remarks: Vec<Complaint>,
    /// Items still to be read.
    pub(super) left: Vec<u64>,
}

/// A variant, wherever it was told: a model, or an item without models.
struct Variant<'a> {
    model_id: u64,
    sku: &'a str,
    prices: &'a [Value],
    stock: &'a Value,
    gtin: &'a str,
    options: Vec<(String, String)>,
    available: bool,
}

/// Deleted items can be read for 90 days; for buyers and for us they are gone.
pub(super) fn is_deleted(status: &str) -> bool {
    status.ends_with("_DELETE")
}

impl Items {
    pub(super) fn complain(&mut self, request_id: Option<&str>, sku: String, code: &str, text: String) {
        let request_id = request_id.map(str::to_owned);
        self.complaints.push(Complaint { sku, code: code.to_owned(), text, request_id });
    }

    pub(super) fn remark(&mut self, request_id: Option<&str>, sku: String, code: &str, text: impl Into<String>) {
        let request_id = request_id.map(str::to_owned);
        self.remarks.push(Complaint { sku, code: code.to_owned(), text: text.into(), request_id });
    }

    pub(super) fn item(
        &mut self,
        item: &WireItem,
        models: &WireModels,
        chosen: Option<&str>,
        request_id: Option<&str>,
    ) {
        let tiers = models.tiers();
        if !item.has_model {
            let variant = Variant {
                model_id: 0,
                sku: &item.item_sku,
                prices: &item.price_info,
                stock: &item.stock_info_v2,
                gtin: &item.gtin_code,
                options: Vec::new(),
                available: true,
            };
            return self.variant(item, &variant, 1, chosen, request_id);
        }
        if models.model.is_empty() {
            self.unread.push(item.item_id);
        }
        for model in &models.model {
            let named =
                |(tier, index): (&(String, Vec<String>), &usize)| Some((tier.0.clone(), tier.1.get(*index)?.clone()));
            let mut variant = Variant {
                model_id: model.model_id,
                sku: &model.model_sku,
                prices: &model.price_info,
                stock: &model.stock_info_v2,
                gtin: &model.gtin_code,
                options: tiers.iter().zip(&model.tier_index).filter_map(named).collect(),
                available: model.model_status != "MODEL_UNAVAILABLE",
            };
            if variant.sku.trim().is_empty() && models.model.len() == 1 && !item.item_sku.trim().is_empty() {
                variant.sku = &item.item_sku;
                let text =
                    "the only variation has no SKU; the product's parent SKU is used; give it one in Seller Centre";
                self.remark(request_id, item.item_sku.trim().to_owned(), "sku_derived", text);
            }
            self.variant(item, &variant, models.model.len(), chosen, request_id);
        }
    }

    fn variant(
        &mut self,
        item: &WireItem,
        variant: &Variant<'_>,
        models: usize,
        chosen: Option<&str>,
        request_id: Option<&str>,
    ) {
        if variant.sku.trim().is_empty() {
            let place = match variant.model_id {
                0 => format!("item {}", item.item_id),
                model => format!("item {}, model {model}", item.item_id),
            };
            let text = format!("a variation of \"{}\" has no SKU; give it one in Seller Centre", item.item_name);
            return self.complain(request_id, place, "no_sku", text);
        }
        let listing = match listing(item, variant, models, chosen) {
            Ok(listing) => listing,
            Err(error) => return self.complain(request_id, variant.sku.to_owned(), error.code, error.to_string()),
        };
        let sku = listing.sku.as_str().to_owned();
        if let Some(text) = location_fault(&listing, chosen) {
            self.remark(request_id, sku.clone(), "warehouse", text);
        }
        if item.item_status == "BANNED" {
            self.remark(
                request_id,
                sku.clone(),
                "banned",
                "Shopee took the item off sale; look into Seller Centre for why",
            );
        }
        if item.deboost.as_bool() == Some(true) || item.deboost.as_str() == Some("true") {
            self.remark(
                request_id,
                sku,
                "deboost",
                "Shopee ranks the item lower in searches; look into Seller Centre for why",
            );
        }
        self.listings.push(listing);
    }
}

/// A SKU as the domain sees it.
fn listing(
    item: &WireItem,
    variant: &Variant<'_>,
    models: usize,
    chosen: Option<&str>,
) -> Result<Listing, InvalidListing> {
    let stock = Stock::read(variant.stock);
    let location = stock.location(chosen);
    let mut refs = json!({
        refs::ITEM: item.item_id,
        refs::MODEL: variant.model_id,
        refs::MODELS: models,
        refs::STATUS: item.item_status,
        refs::SKU: variant.sku.trim(),
        refs::LOCATIONS: stock.by_location,
        refs::LOCATION: location,
        refs::SHOPEE_STOCK: stock.of_shopee,
        refs::RESERVED: stock.reserved,
    });
    let extended = item.description_type == "extended";
    if item.tag.kit {
        refs[refs::FIXED] = "kit".into();
    } else if extended {
        refs[refs::FIXED] = "description".into();
    }
    let pieces = match &location {
        Some(id) => stock.by_location.get(id).copied(),
        None if stock.by_location.is_empty() => None,
        None => Some(stock.by_location.values().copied().fold(0, i64::saturating_add)),
    };
    let description = if extended { extended_text(&item.description_info) } else { item.description.clone() };
    Ok(Listing {
        sku: variant.sku.parse()?,
        shop_sku: None,
        product_id: item.item_id.to_string(),
        refs,
        title: item.item_name.clone(),
        description: Some(description),
        brand: Some(item.brand.original_brand_name.clone()).filter(|name| item.brand.brand_id != 0 && !name.is_empty()),
        category: (item.category_id != 0).then(|| item.category_id.to_string()),
        // "00" is an item of which the seller says that it has none.
        barcode: Some(variant.gtin.to_owned()).filter(|code| !["", "00"].contains(&code.as_str())),
        images: item.image.image_url_list.clone(),
        options: variant.options.clone(),
        prices: price(variant.prices)?.into_iter().collect(),
        stock: pieces.filter(|_| !item.tag.kit),
        status: match status(&item.item_status) {
            ListingStatus::Active if !variant.available => ListingStatus::Inactive,
            status => status,
        },
    })
}

/// Whether buyers can find an item, by the vendor's word.
fn status(word: &str) -> ListingStatus {
    match word {
        "NORMAL" => ListingStatus::Active,
        "BANNED" => ListingStatus::Blocked,
        // UNLIST, REVIEWING, and whatever comes new: not known to be on sale.
        _ => ListingStatus::Inactive,
    }
}

/// The texts of a description with images in it.
fn extended_text(info: &Value) -> String {
    let fields = info.pointer("/extended_description/field_list").and_then(Value::as_array);
    let texts = fields.into_iter().flatten().filter_map(|field| field.get("text").and_then(Value::as_str));
    texts.collect::<Vec<_>>().join("\n")
}

/// The list price, without promotions: what can be written.
fn price(info: &[Value]) -> Result<Option<Price>, InvalidListing> {
    let Some(info) = info.first() else { return Ok(None) };
    let Some(value) = info.get("original_price").filter(|value| !value.is_null()) else { return Ok(None) };
    let amount = decimal(value).filter(|amount| !amount.is_sign_negative() || amount.is_zero()).ok_or_else(|| {
        InvalidListing::new("price", format!("{value} is not a price"), "correct it in Seller Centre")
    })?;
    let currency: Currency = info.get("currency").and_then(Value::as_str).unwrap_or_default().parse()?;
    Ok(Some(Price { amount: amount.normalize(), currency }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{super::wire_items, *};

    #[test]
    fn prices_are_exact_whatever_float_they_came_as() {
        for (text, expected) in [
            ("19.9", "19.9"),
            ("0.1", "0.1"),
            ("1234567.89", "1234567.89"),
            ("149000", "149000"),
            ("149000.0", "149000"),
            ("1e3", "1000"),
            ("\"17.05\"", "17.05"),
            ("0", "0"),
        ] {
            let info: Value =
                serde_json::from_str(&format!(r#"{{"currency": "SGD", "original_price": {text}}}"#)).unwrap();
            assert_eq!(price(&[info]).unwrap().unwrap().to_string(), format!("{expected} SGD"), "{text}");
        }
        let bad = json!({"currency": "SGD", "original_price": -1.5});
        assert_eq!(price(&[bad]).unwrap_err().code, "price");
        assert_eq!(price(&[json!({"currency": "", "original_price": 1})]).unwrap_err().code, "currency");
        assert_eq!(price(&[]).unwrap(), None);
        assert_eq!(price(&[json!({"original_price": null})]).unwrap(), None);
    }

    #[test]
    fn an_item_is_read_as_the_reference_shows_it() {
        let item = wire_items::read(&json!({
            "item_id": 2_500_139_861_u64, "category_id": 100_017, "item_name": "Tee", "item_sku": "TS",
            "description": "Cotton tee", "item_status": "NORMAL", "has_model": true, "weight": "0.2",
            "image": {"image_id_list": ["img1"], "image_url_list": ["https://img.example.test/1"]},
            "brand": {"brand_id": 0, "original_brand_name": "NoBrand"}, "price_info": null, "deboost": "false",
        }))
        .unwrap();
        let models = wire_items::read(&json!({
            "tier_variation": [{"name": "Colour", "option_list": [{"option": "Red"}, {"option": "Blue"}]},
                               {"name": "Size", "option_list": [{"option": "M"}]}],
            "model": [{"model_id": 2_000_458_802_u64, "tier_index": [0, 0], "model_sku": "TS-RED-M",
                       "model_status": "MODEL_NORMAL",
                       "price_info": [{"currency": "SGD", "original_price": 19.9, "current_price": 17.9}],
                       "stock_info_v2": {"summary_info": {"total_reserved_stock": 1, "total_available_stock": 12},
                                         "seller_stock": [{"location_id": "SGZ", "stock": 12, "if_saleable": true}],
                                         "shopee_stock": []}}],
        }))
        .unwrap();
        let mut items = Items::default();
        items.item(&item, &models, None, Some("r1"));
        insta::assert_snapshot!(serde_json::to_string_pretty(&items.listings).unwrap(), @r#"
        [
          {
            "sku": "TS-RED-M",
            "product_id": "2500139861",
            "refs": {
              "item_id": 2500139861,
              "location": "SGZ",
              "locations": {
                "SGZ": 12
              },
              "model_id": 2000458802,
              "models": 1,
              "reserved": 1,
              "shopee_stock": 0,
              "sku": "TS-RED-M",
              "status": "NORMAL"
            },
            "title": "Tee",
            "description": "Cotton tee",
            "brand": null,
            "category": "100017",
            "barcode": null,
            "images": [
              "https://img.example.test/1"
            ],
            "options": [
              [
                "Colour",
                "Red"
              ],
              [
                "Size",
                "M"
              ]
            ],
            "prices": [
              {
                "amount": "19.9",
                "currency": "SGD"
              }
            ],
            "stock": 12,
            "status": "active"
          }
        ]
        "#);
        assert!(items.complaints.is_empty() && items.remarks.is_empty(), "{items:?}");
    }
}
