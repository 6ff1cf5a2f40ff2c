//! What the pretend stores sell, and what tests do to it behind the apps' backs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::channels::shopline::Platform;

/// A product, or a further variant of one, as tests put it into a store.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Seed {
    /// The SKU.
    pub sku: String,
    /// Seeds with equal words here are variants of one product; empty: a product of its own.
    pub product: String,
    /// The title; empty: as it is.
    pub title: String,
    /// The price, in the store's currency; empty: as it is.
    pub price: String,
    /// Pieces at the store's last location or warehouse; `None`: as they are.
    pub stock: Option<i64>,
    /// Options in order: ("Size", "M").
    pub options: Vec<(String, String)>,
    /// Asia: all variations of the product have its price.
    pub same_price: bool,
    /// The address of an image that the variant shows; empty: as it is.
    pub image: String,
    /// Global: the address of an image that the value of its first option shows; empty: as it is.
    pub value_image: String,
}

/// The platform's copy of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) id: String,
    pub(super) src: String,
}

/// What a store sells, and where it keeps it.
#[derive(Debug, Clone)]
pub(super) struct Goods {
    pub(super) currency: String,
    /// Locations (Global) or warehouses (Asia), the default one first.
    pub(super) places: Vec<String>,
    /// In the order of their making.
    pub(super) products: Vec<Product>,
    made: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Product {
    pub(super) id: String,
    /// What seeds call it.
    group: String,
    pub(super) titles: BTreeMap<String, String>,
    pub(super) descriptions: BTreeMap<String, String>,
    pub(super) status: String,
    pub(super) brand: String,
    pub(super) category: String,
    pub(super) images: Vec<Image>,
    /// Global: the addresses of those that values of its first option show.
    pub(super) value_images: BTreeMap<String, String>,
    /// Name of each option; on Asia also its type.
    pub(super) options: Vec<(String, String)>,
    pub(super) variants: Vec<Variant>,
    /// Asia: whether the one variant is the product itself.
    pub(super) plain: bool,
    pub(super) same_price: bool,
    pub(super) unlimited: bool,
    /// What is told of its variants cannot be read.
    pub(super) garbled: bool,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Variant {
    pub(super) id: String,
    /// Global's id of its stock.
    pub(super) item: String,
    pub(super) sku: String,
    pub(super) barcode: String,
    pub(super) price: Decimal,
    pub(super) options: Vec<String>,
    pub(super) stock: BTreeMap<String, i64>,
    pub(super) tracked: bool,
    /// The image that it shows: on Global one of the product's, on Asia its own.
    pub(super) image: Option<Image>,
    /// The store refuses every change of it.
    pub(super) refused: bool,
}

impl Product {
    /// Its title in whichever language it has one.
    pub(super) fn title(&self) -> &str {
        self.titles.values().next().map(String::as_str).unwrap_or_default()
    }
}

impl Goods {
    pub(super) fn of(platform: Platform) -> Self {
        let (currency, place) = match platform {
            Platform::Global => ("USD", "5703943989105270965"),
            Platform::Asia => ("TWD", "5f0bda5e4e5fca0010c8a001"),
        };
        Self { currency: currency.to_owned(), places: vec![place.to_owned()], products: Vec::new(), made: 0 }
    }

    /// An id as the platform makes them, greater than all before.
    pub(super) fn next_id(&mut self, platform: Platform, kind: u8) -> String {
        self.made += 1;
        match platform {
            Platform::Global => format!("1{kind}05785024{:012}", self.made),
            Platform::Asia => format!("60{kind:02x}9f00{:016x}", self.made),
        }
    }

    /// Makes a copy of an image, with an id and an address of its own.
    pub(super) fn copy(&mut self, platform: Platform) -> Image {
        let id = self.next_id(platform, 7);
        Image { src: format!("https://img.example.test/{id}/original.png"), id }
    }

    /// An empty product.
    pub(super) fn blank(&mut self, platform: Platform, now: Timestamp) -> Product {
        Product {
            id: self.next_id(platform, 6),
            group: String::new(),
            titles: BTreeMap::new(),
            descriptions: BTreeMap::new(),
            status: "active".to_owned(),
            brand: String::new(),
            category: String::new(),
            images: Vec::new(),
            value_images: BTreeMap::new(),
            options: Vec::new(),
            variants: Vec::new(),
            plain: platform == Platform::Asia,
            same_price: false,
            unlimited: false,
            garbled: false,
            created_at: now,
            updated_at: now,
        }
    }

    /// An empty variant, stocked with nothing at the default place.
    pub(super) fn blank_variant(&mut self, platform: Platform) -> Variant {
        let stock = self.places.first().map(|place| (place.clone(), 0)).into_iter().collect();
        Variant {
            id: self.next_id(platform, 8),
            item: self.next_id(platform, 5),
            stock,
            tracked: true,
            ..Variant::default()
        }
    }

    pub(super) fn product(&mut self, id: &str) -> Option<&mut Product> {
        self.products.iter_mut().find(|product| product.id == id)
    }

    /// Puts something into the store, or changes what has this SKU.
    pub(super) fn put(&mut self, platform: Platform, seed: &Seed, now: Timestamp) -> Result<(), String> {
        let price = match seed.price.as_str() {
            "" => None,
            text => Some(text.parse::<Decimal>().map_err(|error| format!("{text} is no price: {error}"))?),
        };
        let place = self.places.last().cloned().unwrap_or_default();
        let image = (!seed.image.is_empty()).then(|| self.copy(platform));
        let value_image = (!seed.value_image.is_empty()).then(|| self.copy(platform));
        let has = |product: &Product| product.variants.iter().any(|variant| variant.sku == seed.sku);
        let index = match self.products.iter().position(has) {
            Some(index) => index,
            None => self.add(platform, seed, now),
        };
        let product = &mut self.products[index];
        if !seed.title.is_empty() {
            let language = product.titles.keys().next().cloned().unwrap_or_else(|| language(platform).to_owned());
            product.titles.insert(language, seed.title.clone());
        }
        product.updated_at = now;
        product.same_price |= seed.same_price;
        if platform == Platform::Global {
            product.images.extend(image.iter().chain(&value_image).cloned());
        }
        if let (Some((_, value)), Some(image)) = (seed.options.first(), value_image) {
            product.value_images.insert(value.clone(), image.src);
        }
        if let Some(variant) = product.variants.iter_mut().find(|variant| variant.sku == seed.sku) {
            if image.is_some() {
                variant.image = image;
            }
            variant.price = price.unwrap_or(variant.price);
            if let Some(pieces) = seed.stock {
                variant.stock.insert(place, pieces);
            }
        }
        Ok(())
    }

    fn add(&mut self, platform: Platform, seed: &Seed, now: Timestamp) -> usize {
        let mut variant = self.blank_variant(platform);
        // Pieces at the other places, which nobody may touch.
        variant.stock = self.places.iter().map(|place| (place.clone(), 5)).collect();
        variant.sku.clone_from(&seed.sku);
        variant.options = seed.options.iter().map(|(_, value)| value.clone()).collect();
        let joins = |product: &Product| !seed.product.is_empty() && product.group == seed.product;
        if let Some(index) = self.products.iter().position(joins) {
            self.products[index].plain = false;
            self.products[index].variants.push(variant);
            return index;
        }
        let mut product = self.blank(platform, now);
        product.group.clone_from(&seed.product);
        product.options = seed.options.iter().map(|(name, _)| (name.clone(), name.to_lowercase())).collect();
        product.plain &= seed.options.is_empty();
        product.variants.push(variant);
        self.products.push(product);
        self.products.len() - 1
    }

    /// The variant of a SKU with its product.
    pub(super) fn find(&mut self, sku: &str) -> Option<(&mut Product, usize)> {
        self.products.iter_mut().find_map(|product| {
            let index = product.variants.iter().position(|variant| variant.sku == sku)?;
            Some((product, index))
        })
    }

    /// What the store sells, flat: what tests look at.
    pub(super) fn listings(&self) -> Vec<Value> {
        let of = |product: &Product| {
            let shown = |variant: &Variant| {
                json!({
                    "sku": variant.sku, "title": product.title(), "titles": product.titles, "status": product.status,
                    "description": product.descriptions.values().next(), "price": variant.price.to_string(),
                    "currency": self.currency, "places": variant.stock, "stock": variant.stock.values().sum::<i64>(),
                    "product": product.id, "options": variant.options, "image": variant.image.as_ref().map(|image| &image.src),
                    "images": product.images.iter().map(|image| &image.src).collect::<Vec<_>>(),
                    "value_images": product.value_images,
                })
            };
            product.variants.iter().map(shown).collect::<Vec<_>>()
        };
        self.products.iter().flat_map(of).collect()
    }
}

/// The language of what is seeded.
pub(super) const fn language(platform: Platform) -> &'static str {
    match platform {
        Platform::Global => "",
        Platform::Asia => "zh-hant",
    }
}
