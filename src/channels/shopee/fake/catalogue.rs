//! The items of a pretend shop, and how scenes put them there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    api::Passed,
    state::{Shop, World},
};

/// A SKU to be put into a shop, or, where the shop has it, what is to change.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Seed {
    /// The seller's SKU; may be empty, as with sellers who gave none.
    pub sku: String,
    /// SKUs that name the same product are models of one item; empty: an item without models.
    pub product: String,
    /// The item's name; empty: made of the SKU, or as it was.
    pub title: String,
    /// The original price; empty: 10, or as it was.
    pub price: String,
    /// Pieces at the shop's first location.
    pub stock: Option<i64>,
    /// The options of a model in order; empty: one called after the SKU.
    pub options: Vec<(String, String)>,
    /// The vendor's word; empty: `NORMAL`, or as it was.
    pub status: String,
    /// Attributes of the item, set by hand beside those that it has: by their ids, `#1,#2` for values of the vendor's list, else a text with
    /// its unit after a bar.
    pub attributes: BTreeMap<u64, String>,
}

/// The values of an attribute, as they are told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attribute {
    pub(super) values: Vec<Value>,
}

impl Attribute {
    /// As a [`Seed`] writes it.
    fn word(&self) -> String {
        let one = |value: &Value| {
            let text = |name: &str| value[name].as_str().unwrap_or_default();
            match (value["value_id"].as_u64(), text("original_value_name"), text("value_unit")) {
                (Some(0) | None, name, "") => name.to_owned(),
                (Some(0) | None, name, unit) => format!("{name}|{unit}"),
                (Some(id), ..) => format!("#{id}"),
            }
        };
        self.values.iter().map(one).collect::<Vec<_>>().join(",")
    }

    fn read(word: &str) -> Self {
        let listed = |part: &str| part.trim().strip_prefix('#')?.parse::<u64>().ok();
        if let Some(ids) = word.split(',').map(listed).collect::<Option<Vec<_>>>() {
            return Self { values: ids.into_iter().map(Self::listed).collect() };
        }
        let (name, unit) = word.split_once('|').unwrap_or((word, ""));
        Self { values: vec![json!({"value_id": 0, "original_value_name": name, "value_unit": unit})] }
    }

    /// A value of the vendor's list, whose name the vendor knows.
    pub(super) fn listed(id: u64) -> Value {
        json!({"value_id": id, "original_value_name": format!("Value {id}"), "value_unit": ""})
    }
}

/// An item. What it has itself where it has no models stands in `own`.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) extended: bool,
    pub(super) sku: String,
    pub(super) status: String,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) promoted: bool,
    pub(super) deboosted: bool,
    pub(super) kit: bool,
    /// Its name, or the ids of its models, are told as something that is none.
    pub(super) odd: bool,
    /// Its models are not told.
    pub(super) bare: bool,
    pub(super) brand: (u64, String),
    pub(super) category: u64,
    pub(super) images: Vec<String>,
    pub(super) attributes: BTreeMap<u64, Attribute>,
    /// What else it was created with, as it came.
    pub(super) created_with: Value,
    /// Names of options with their values.
    pub(super) tiers: Vec<(String, Vec<String>)>,
    pub(super) own: Model,
    pub(super) models: Vec<Model>,
}

/// A variant.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) id: u64,
    pub(super) tier_index: Vec<usize>,
    pub(super) sku: String,
    pub(super) price: Decimal,
    /// Pieces by location.
    pub(super) stocks: BTreeMap<String, i64>,
    /// Pieces that promotions hold.
    pub(super) reserved: i64,
    pub(super) unavailable: bool,
    pub(super) gtin: String,
    /// Why the shop refuses changes to it.
    pub(super) refuses: Option<String>,
}

impl Item {
    pub(super) fn new(name: &str, sku: &str, own: Model, now: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            description: format!("{name}, described"),
            extended: false,
            sku: sku.to_owned(),
            status: "NORMAL".to_owned(),
            created_at: now,
            updated_at: now,
            promoted: false,
            deboosted: false,
            kit: false,
            odd: false,
            bare: false,
            brand: (0, "NoBrand".to_owned()),
            category: 100_017,
            images: vec!["img1".to_owned()],
            attributes: BTreeMap::new(),
            created_with: Value::Null,
            tiers: Vec::new(),
            own,
            models: Vec::new(),
        }
    }

    pub(super) fn deleted(&self) -> bool {
        self.status.ends_with("_DELETE")
    }

    /// Its models, or what it is itself where it has none.
    pub(super) fn variants(&self) -> &[Model] {
        if self.models.is_empty() { std::slice::from_ref(&self.own) } else { &self.models }
    }

    pub(super) fn variants_mut(&mut self) -> &mut [Model] {
        if self.models.is_empty() { std::slice::from_mut(&mut self.own) } else { &mut self.models }
    }

    /// The variant with this model id; 0 is the item itself, where it has no models.
    pub(super) fn variant_mut(&mut self, model_id: u64) -> Option<&mut Model> {
        match (model_id, self.models.is_empty()) {
            (0, true) => Some(&mut self.own),
            (0, false) => None,
            (id, _) => self.models.iter_mut().find(|model| model.id == id),
        }
    }

    /// The SKU of a variant as a seller sees it.
    fn sku_of<'a>(&'a self, model: &'a Model) -> &'a str {
        if self.models.is_empty() { &self.sku } else { &model.sku }
    }

    /// Sets attributes by hand.
    fn set_attributes(&mut self, texts: &BTreeMap<u64, String>) {
        self.attributes.extend(texts.iter().map(|(id, text)| (*id, Attribute::read(text))));
    }

    /// Puts a value into a tier and answers its index.
    fn option(&mut self, tier: usize, name: &str, value: &str) -> usize {
        if self.tiers.len() <= tier {
            self.tiers.push((name.to_owned(), Vec::new()));
        }
        let values = &mut self.tiers[tier].1;
        values.iter().position(|known| known == value).unwrap_or_else(|| {
            values.push(value.to_owned());
            values.len() - 1
        })
    }
}

impl World {
    /// Adds SKUs or changes known ones.
    pub(super) fn seed(&mut self, shop_id: u64, seeds: &[Seed], now: Timestamp) -> Result<(), String> {
        for seed in seeds {
            let price = Some(seed.price.as_str()).filter(|text| !text.is_empty());
            let price = price
                .map(|text| text.parse::<Decimal>().map_err(|_| format!("`{text}` is not a price")))
                .transpose()?;
            let ids = [self.id(), self.id()];
            let shop = self.shops.get_mut(&shop_id).ok_or_else(|| format!("there is no shop {shop_id}"))?;
            shop.seed(seed, price, ids, now);
        }
        Ok(())
    }

    /// Somebody edits the next item that a scene named, just after a call was answered.
    pub(super) fn edit_behind(&mut self, call: &Passed<'_>) {
        let Some(sku) = self.edits.pop_front() else { return };
        if let Some((item, index)) = self.shops.get_mut(&call.shop).and_then(|shop| shop.find(&sku)) {
            item.updated_at = call.now;
            item.variants_mut()[index].price += Decimal::ONE;
        }
    }

    /// An id that nothing else has.
    pub(super) fn id(&mut self) -> u64 {
        self.last_id += 1;
        2_500_000_000 + self.last_id
    }
}

impl Shop {
    /// The item with this SKU, and which of its variants has it. Deleted items have none.
    pub(super) fn find(&mut self, sku: &str) -> Option<(&mut Item, usize)> {
        self.items.values_mut().filter(|item| !item.deleted()).find_map(|item| {
            let index = item.variants().iter().position(|model| !sku.is_empty() && item.sku_of(model) == sku)?;
            Some((item, index))
        })
    }

    fn seed(&mut self, seed: &Seed, price: Option<Decimal>, [item_id, model_id]: [u64; 2], now: Timestamp) {
        let first = self.locations[0].clone();
        if let Some((item, index)) = self.find(&seed.sku) {
            let model = &mut item.variants_mut()[index];
            model.price = price.unwrap_or(model.price);
            if let Some(pieces) = seed.stock {
                model.stocks.insert(first, pieces);
            }
            if !seed.title.is_empty() {
                item.name.clone_from(&seed.title);
            }
            if !seed.status.is_empty() {
                item.status.clone_from(&seed.status);
            }
            item.set_attributes(&seed.attributes);
            item.updated_at = now;
            return;
        }
        let mut stocks: BTreeMap<_, _> = self.locations.iter().map(|id| (id.clone(), 0)).collect();
        stocks.insert(first, seed.stock.unwrap_or(0));
        let price = price.unwrap_or(Decimal::TEN);
        let mut model = Model { id: model_id, sku: seed.sku.clone(), price, stocks, ..Model::default() };
        let or = |text: &str, other: String| if text.is_empty() { other } else { text.to_owned() };
        let title = or(&seed.title, format!("Item {}", or(&seed.product, seed.sku.clone())));
        let id = if seed.product.is_empty() { item_id } else { id_of(&seed.product) };
        let parent = if seed.product.is_empty() { &seed.sku } else { &seed.product };
        let own = Model { id: 0, ..model.clone() };
        let item = self.items.entry(id).or_insert_with(|| Item::new(&title, parent, own, now));
        item.updated_at = now;
        item.status = or(&seed.status, item.status.clone());
        item.set_attributes(&seed.attributes);
        if !seed.product.is_empty() {
            let only = [("Variation".to_owned(), seed.sku.clone())];
            let options = if seed.options.is_empty() { &only[..] } else { &seed.options };
            model.tier_index =
                options.iter().enumerate().map(|(tier, (name, value))| item.option(tier, name, value)).collect();
            item.models.push(model);
        }
    }

    /// Everything in the shop, one entry a SKU, for comparing.
    pub(super) fn listings(&self) -> Vec<Value> {
        let items = self.items.iter().filter(|(_, item)| !item.deleted());
        let skus = items.flat_map(|(id, item)| item.variants().iter().map(move |model| (id, item, model)));
        skus.map(|(id, item, model)| {
            json!({
                "sku": item.sku_of(model), "item_id": id, "model_id": model.id, "title": item.name,
                "description": item.description, "status": item.status, "price": model.price.to_string(),
                "currency": self.currency, "stock": model.stocks.get(&self.locations[0]).copied().unwrap_or(0),
                "stocks": model.stocks, "images": item.images,
                "attributes": item.attributes.iter().map(|(id, one)| (id.to_string(), one.word())).collect::<BTreeMap<_, _>>(), "brand": item.brand.1, "category": item.category,
                "created_with": item.created_with, "gtin": model.gtin,
                "options": model.tier_index.iter().zip(&item.tiers)
                    .map(|(index, (name, values))| json!([name, values[*index]])).collect::<Vec<_>>(),
            })
        })
        .collect()
    }
}

/// A number made of a text, for ids.
fn id_of(text: &str) -> u64 {
    2_000_000_000 + text.bytes().fold(0_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 400_000_000)
}

/// The currency of a country that Shopee serves.
pub(super) fn currency_of(region: &str) -> &'static str {
    match region {
        "BR" => "BRL",
        "CL" => "CLP",
        "CO" => "COP",
        "ID" => "IDR",
        "MX" => "MXN",
        "MY" => "MYR",
        "PH" => "PHP",
        "TH" => "THB",
        "TW" => "TWD",
        "VN" => "VND",
        _ => "SGD",
    }
}
