//! Items set by hand: how tests and demonstrations fill a shop, and look at it behind everybody's back.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Map, Number, Value, json};

use super::{
    FakeAmazon,
    items::{Item, copy_of},
    state::World,
};
use crate::channels::amazon::marketplaces::{self, Marketplace};

/// An item to be set. What is left out stays as it is, or is left out of a new one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Seed {
    /// The SKU.
    pub sku: String,
    /// The title.
    pub title: Option<String>,
    /// The regular price, as decimal text in the marketplace's currency.
    pub price: Option<String>,
    /// Pieces that the seller ships.
    pub stock: Option<i64>,
    /// Whether Amazon keeps the stock.
    pub fba: bool,
    /// The product type; `SHIRT` for new ones.
    pub product_type: Option<String>,
    /// The SKU of the variation family's head.
    pub parent: Option<String>,
    /// Whether it is the head of a variation family itself.
    pub is_parent: bool,
    /// Further attributes, as the vendor has them.
    pub attributes: Map<String, Value>,
    /// Issues that stand, as the vendor has them.
    pub issues: Option<Vec<Value>>,
}

impl FakeAmazon {
    /// Adds items of a seller on the marketplace of a country, or changes known ones, at the clock's time.
    pub fn seed_items(&self, seller: &str, country: &str, seeds: &[Seed]) -> Result<(), String> {
        self.shared.world().seed(seller, country, seeds, self.shared.clock.now())
    }

    /// Lets all items be older than they are, as if they had been changed that long ago.
    pub fn age(&self, by: SignedDuration) {
        for item in self.shared.world().items.values_mut().flat_map(BTreeMap::values_mut) {
            item.created_at -= by;
            item.updated_at -= by;
        }
    }

    /// Adds or changes one.
    pub fn set_item(&self, seller: &str, country: &str, seed: Seed) -> Result<(), String> {
        self.seed_items(seller, country, &[seed])
    }

    /// Deletes an item; answers whether there was one.
    pub fn delete_item(&self, seller: &str, country: &str, sku: &str) -> bool {
        self.shared.world().delete(seller, country, sku).is_some()
    }

    /// Forgets every document, as Amazon does after 90 days.
    pub fn forget_documents(&self) {
        self.shared.world().documents.clear();
    }

    /// From now on submissions to this item are refused for this reason; answers whether there is one.
    pub fn refuse_item(&self, seller: &str, country: &str, sku: &str, why: &str) -> bool {
        let mut world = self.shared.world();
        world.item(seller, country, sku).map(|item| item.refused = Some(why.to_owned())).is_some()
    }

    /// Where Amazon's copy of an image is found.
    pub fn copy_of(image: &str) -> String {
        copy_of(image)
    }

    /// Everything of a seller on a marketplace: `sku, title, product_type, is_parent, price, currency, stock, fba, attributes`, heads of
    /// variation families too.
    pub fn items(&self, seller: &str, country: &str) -> Vec<Value> {
        self.shared.world().laid_bare(seller, country)
    }
}

fn laid_bare(sku: &str, item: &Item) -> Value {
    let price = item.price();
    json!({
        "sku": sku, "title": item.text("item_name"), "product_type": item.product_type, "is_parent": item.is_parent(),
        "price": price.map(|(amount, _)| amount.to_string()), "currency": price.map(|(_, currency)| currency.as_str().to_owned()),
        "stock": item.stock(), "fba": item.is_fba(), "attributes": item.attributes,
    })
}

impl World {
    fn all_of(&mut self, seller: &str, country: &str) -> Option<&mut BTreeMap<String, Item>> {
        let marketplace = marketplaces::of_country(country)?;
        self.items.get_mut(&(seller.to_owned(), marketplace.id))
    }

    pub(super) fn item(&mut self, seller: &str, country: &str, sku: &str) -> Option<&mut Item> {
        self.all_of(seller, country)?.get_mut(sku)
    }

    pub(super) fn delete(&mut self, seller: &str, country: &str, sku: &str) -> Option<Item> {
        self.all_of(seller, country)?.remove(sku)
    }

    pub(super) fn laid_bare(&mut self, seller: &str, country: &str) -> Vec<Value> {
        let items = self.all_of(seller, country).into_iter().flatten();
        items.map(|(sku, item)| laid_bare(sku, item)).collect()
    }

    pub(super) fn seed(
        &mut self,
        seller: &str,
        country: &str,
        seeds: &[Seed],
        now: jiff::Timestamp,
    ) -> Result<(), String> {
        let marketplace = marketplaces::of_country(country).ok_or_else(|| format!("there is no `{country}`"))?;
        if !self.sellers.contains_key(seller) {
            return Err(format!("there is no seller `{seller}`"));
        }
        let place = (seller.to_owned(), marketplace.id);
        for seed in seeds {
            let known = self.items.get(&place).and_then(|items| items.get(&seed.sku)).cloned();
            let mut item = known.unwrap_or_else(|| Item {
                product_type: "SHIRT".to_owned(),
                asin: format!("B0{:08}", self.id() % 100_000_000),
                attributes: Map::new(),
                issues: Vec::new(),
                created_at: now,
                updated_at: now,
                refused: None,
            });
            fill(&mut item, seed, marketplace)?;
            item.updated_at = now;
            self.items.entry(place.clone()).or_default().insert(seed.sku.clone(), item);
        }
        Ok(())
    }
}

fn fill(item: &mut Item, seed: &Seed, marketplace: &Marketplace) -> Result<(), String> {
    let (id, language, currency) = (marketplace.id, marketplace.language, marketplace.currency);
    let mut set = |name: &str, value: Value| drop(item.attributes.insert(name.to_owned(), value));
    if let Some(title) = &seed.title {
        set("item_name", json!([{"value": title, "language_tag": language, "marketplace_id": id}]));
    }
    if let Some(price) = &seed.price {
        let amount: Decimal = price.parse().map_err(|_| format!("`{price}` is no price"))?;
        let amount: Number = serde_json::from_str(&amount.to_string()).map_err(|error| error.to_string())?;
        let offer = json!([{"marketplace_id": id, "currency": currency, "audience": "ALL",
            "our_price": [{"schedule": [{"value_with_tax": amount}]}]}]);
        set("purchasable_offer", offer);
    }
    if let Some(stock) = seed.stock {
        set("fulfillment_availability", json!([{"fulfillment_channel_code": "DEFAULT", "quantity": stock}]));
    }
    if seed.fba {
        set("fulfillment_availability", json!([{"fulfillment_channel_code": "AMAZON_EU"}]));
    }
    if let Some(parent) = &seed.parent {
        set("parentage_level", json!([{"value": "child", "marketplace_id": id}]));
        let relationship =
            json!([{"child_relationship_type": "variation", "parent_sku": parent, "marketplace_id": id}]);
        set("child_parent_sku_relationship", relationship);
    }
    if seed.is_parent {
        set("parentage_level", json!([{"value": "parent", "marketplace_id": id}]));
    }
    set("condition_type", json!([{"value": "new_new", "marketplace_id": id}]));
    item.attributes.extend(seed.attributes.clone());
    if let Some(kind) = &seed.product_type {
        item.product_type.clone_from(kind);
    }
    if let Some(issues) = &seed.issues {
        item.issues.clone_from(issues);
    }
    Ok(())
}
