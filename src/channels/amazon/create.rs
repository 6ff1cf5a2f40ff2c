//! New items: the shop's mapping, what it still lacks, and the attributes that come of it.
//!
//! What every product has (title, brand, barcode, images, price, stock) is filled in here; what else a product type asks for
//! comes from `mapping.attributes`, texts with parts of the product in them, and from `mapping.raw`, values in the vendor's own shape.
//! Nobody but Amazon knows what a product type demands today: a new item is submitted for a look first, and the answer
//! names what is missing.
//!
//! Vendor pages: "Create a listing", "Product type definitions", "Preview errors before creating a listing".

use serde_json::{Map, Value, json};

use super::{
    Amazon,
    items::{locator, note_others, refs},
    remembered::MOST_IMAGES,
    submission::{Work, availability, localized, offer, plain, title_fault},
};
use crate::{
    channels::{
        mapping::{self, Mapping, Unsaid, fill_value},
        reader::Reader,
    },
    domain::{Complaint, Listing, ListingStatus, Product, Variant, plan::Change},
};

/// The keys of `mapping` that only this channel has.
const OWN: [&str; 3] = ["condition", "requirements", "raw"];
const CONDITIONS: [&str; 13] = [
    "new_new",
    "new_open_box",
    "new_oem",
    "refurbished_refurbished",
    "used_like_new",
    "used_very_good",
    "used_good",
    "used_acceptable",
    "collectible_like_new",
    "collectible_very_good",
    "collectible_good",
    "collectible_acceptable",
    "club_club",
];
/// Products of the seller's own, and offers of what the catalog has already.
const REQUIREMENTS: [&str; 2] = ["LISTING", "LISTING_OFFER_ONLY"];
/// Attributes that are told in the marketplace's language.
const LOCALIZED: [&str; 24] = [
    "brand",
    "bullet_point",
    "care_instructions",
    "color",
    "department",
    "fabric_type",
    "flavor",
    "generic_keyword",
    "included_components",
    "item_name",
    "item_type_name",
    "manufacturer",
    "material",
    "model_name",
    "pattern",
    "product_description",
    "scent",
    "size",
    "special_feature",
    "style",
    "target_audience_keyword",
    "theme",
    "title_differentiation",
    "warranty_description",
];
/// One of these says which product it is.
const IDENTIFYING: [&str; 3] = [
    "externally_assigned_product_identifier",
    "supplier_declared_has_product_identifier_exemption",
    "merchant_suggested_asin",
];
/// The longest SKU that the vendor takes.
const LONGEST_SKU: usize = 40;

/// How new items are made.
#[derive(Debug, Default)]
pub(super) struct New {
    pub(super) mapping: Mapping,
    condition: String,
    offer_only: bool,
    /// Values in the vendor's own shape, by attribute.
    pub(super) raw: Map<String, Value>,
}

impl New {
    /// Reads `[shops.X.mapping]`.
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mapping = Mapping::read(reader, &OWN);
        let mut word = |name: &str, known: &[&'static str]| match mapping.own.get(name) {
            None => known[0],
            Some(value) => {
                let found = value.as_str().and_then(|text| known.iter().copied().find(|one| *one == text));
                found.unwrap_or_else(|| {
                    let cause = format!("`{name}` is {value}, not one of the channel's words");
                    reader.fault(&format!("mapping.{name}"), cause, format!("use one of {}", known.join(", ")));
                    known[0]
                })
            }
        };
        let condition = word("condition", &CONDITIONS).to_owned();
        let offer_only = word("requirements", &REQUIREMENTS) == "LISTING_OFFER_ONLY";
        let raw = read_raw(reader, &mapping);
        Self { mapping, condition, offer_only, raw }
    }

    /// Whether the mapping says something of an attribute.
    fn says(&self, name: &str, attributes: &Map<String, Value>) -> bool {
        self.raw.contains_key(name) || attributes.contains_key(name)
    }
}

fn read_raw(reader: &mut Reader<'_>, mapping: &Mapping) -> Map<String, Value> {
    let remedy = "write raw = { NAME = [{ value = 1 }] }, as the product type's schema has it";
    let table = match mapping.own.get("raw") {
        None => return Map::new(),
        Some(Value::Object(table)) => table,
        Some(_) => {
            reader.fault("mapping.raw", "`raw` is not a table", remedy);
            return Map::new();
        }
    };
    for (name, value) in table {
        let key = format!("mapping.raw.{name}");
        if !value.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(Value::is_object)) {
            reader.fault(&key, format!("`{name}` is not a list of tables"), remedy);
        }
        let mut texts = Vec::new();
        texts_of(value, &mut texts);
        let odd = texts.iter().flat_map(|text| mapping::parts(text)).find(|part| !mapping::is_known(part));
        if let Some(part) = odd {
            let cause = format!("`{{{part}}}` is not a part of a product");
            reader.fault(
                &key,
                cause,
                "use {title}, {description}, {brand}, {category}, {sku}, {barcode} or {option.NAME}",
            );
        }
    }
    table.clone()
}

fn texts_of<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(all) => all.iter().for_each(|one| texts_of(one, texts)),
        Value::Object(fields) => fields.values().for_each(|one| texts_of(one, texts)),
        _ => {}
    }
}

/// What stands in the way: a code, and words.
type Fault = (&'static str, String);

impl Amazon {
    /// What a change lacks before it can be sent.
    pub(super) fn lacks_of(&self, change: &Change) -> Option<Complaint> {
        if change.listing.is_some() {
            return None;
        }
        let (code, text) = self.attributes_of(change).err()?;
        Some(Complaint { sku: change.sku.to_string(), code: code.to_owned(), text, request_id: None })
    }

    /// The body of a new item; `None`: something is lacking, which is noted.
    pub(super) fn new_item(&self, work: &mut Work<'_>) -> Option<Value> {
        match self.attributes_of(work.change) {
            Ok((product_type, attributes)) => {
                let requirements = REQUIREMENTS[usize::from(self.new.offer_only)];
                Some(json!({"productType": product_type, "requirements": requirements, "attributes": attributes}))
            }
            Err((code, text)) => {
                work.refuse(code, text);
                None
            }
        }
    }

    /// Product type and attributes of a new item.
    fn attributes_of(&self, change: &Change) -> Result<(String, Map<String, Value>), Fault> {
        let (product, variant) = change.product.as_ref().ok_or_else(|| {
            ("no_product", "the shop does not have this SKU, and the product source says nothing of it".to_owned())
        })?;
        let sku = change.sku.as_str();
        if sku.chars().count() > LONGEST_SKU {
            let text = format!("the SKU has {} letters, Amazon takes {LONGEST_SKU}; shorten it", sku.chars().count());
            return Err(("sku", text));
        }
        let product_type = self.new.mapping.category(product);
        let product_type = product_type.ok_or_else(|| ("category", Mapping::no_category(product)))?.to_owned();
        let mut attributes = self.mapped(product, variant)?;
        self.add_identifier(variant, &mut attributes)?;
        self.add_offer(change, &mut attributes)?;
        if !self.new.offer_only {
            self.add_facts(change, product, &mut attributes)?;
            self.add_family(&change.siblings, &mut attributes);
        }
        Ok((product_type, attributes))
    }

    /// What the mapping says.
    fn mapped(&self, product: &Product, variant: &Variant) -> Result<Map<String, Value>, Fault> {
        let unsaid = |unsaid: Unsaid| ("attribute", unsaid.to_string());
        let texts = self.new.mapping.attributes(product, variant).map_err(unsaid)?;
        let mut attributes: Map<String, Value> =
            texts.into_iter().map(|(name, text)| (name.to_owned(), json!([self.text_value(name, &text)]))).collect();
        for (name, raw) in &self.new.raw {
            let raw = fill_value(raw, product, variant);
            let raw = raw.map_err(|part| unsaid(Unsaid { attribute: name.clone(), part }))?;
            attributes.insert(name.clone(), self.of_marketplace(raw));
        }
        Ok(attributes)
    }

    /// A text as the value of an attribute.
    pub(super) fn text_value(&self, name: &str, text: &str) -> Value {
        if LOCALIZED.contains(&name) {
            localized(text, self.marketplace)
        } else {
            json!({"value": text, "marketplace_id": self.marketplace.id})
        }
    }

    /// Values in the vendor's own shape, of this marketplace where they do not name another.
    pub(super) fn of_marketplace(&self, mut raw: Value) -> Value {
        for value in raw.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            value.entry("marketplace_id").or_insert(self.marketplace.id.into());
        }
        raw
    }

    fn add_identifier(&self, variant: &Variant, attributes: &mut Map<String, Value>) -> Result<(), Fault> {
        if IDENTIFYING.iter().any(|name| self.new.says(name, attributes)) {
            return Ok(());
        }
        let Some(code) = variant.barcode.as_deref().map(str::trim).filter(|code| !code.is_empty()) else {
            let text = "the product has no barcode; give it one in the product source, or set \
                        mapping.raw.supplier_declared_has_product_identifier_exemption where Amazon has exempted the brand";
            return Err(("barcode", text.to_owned()));
        };
        let kind = match code.len() {
            _ if !code.bytes().all(|byte| byte.is_ascii_digit()) => None,
            8 | 13 => Some("ean"),
            12 => Some("upc"),
            14 => Some("gtin"),
            _ => None,
        };
        let kind = kind
            .ok_or_else(|| ("barcode", format!("`{code}` is no EAN, UPC or GTIN; correct it in the product source")))?;
        let value = json!([{"type": kind, "value": code, "marketplace_id": self.marketplace.id}]);
        attributes.insert(IDENTIFYING[0].to_owned(), value);
        Ok(())
    }

    fn add_offer(&self, change: &Change, attributes: &mut Map<String, Value>) -> Result<(), Fault> {
        let price = change
            .wanted
            .price
            .ok_or_else(|| ("price", "no price is wanted; put `price` into export.fields".to_owned()))?;
        let mut set = |name: &str, value: Value| {
            attributes.entry(name.to_owned()).or_insert(value);
        };
        set("purchasable_offer", json!([offer(price, self.marketplace)?]));
        if let Some(pieces) = change.wanted.stock {
            set("fulfillment_availability", availability(pieces, self.channel.as_deref())?);
        }
        set("condition_type", json!([{"value": self.new.condition, "marketplace_id": self.marketplace.id}]));
        Ok(())
    }

    fn add_facts(&self, change: &Change, product: &Product, attributes: &mut Map<String, Value>) -> Result<(), Fault> {
        let mut set = |name: &str, value: Value| {
            attributes.entry(name.to_owned()).or_insert(value);
        };
        let title = change.wanted.title.as_ref().unwrap_or(&product.title);
        if let Some(fault) = title_fault(title) {
            return Err(("title", fault));
        }
        set("item_name", json!([localized(title, self.marketplace)]));
        let brand = self.new.mapping.brand(product).or(product.brand.as_deref()).filter(|brand| !brand.is_empty());
        let brand = brand.ok_or_else(|| {
            ("brand", "the product has no brand; name it in the product source, or set mapping.brand".to_owned())
        })?;
        set("brand", json!([localized(brand, self.marketplace)]));
        let description = product.description.as_deref().map(plain).filter(|text| !text.is_empty());
        if let Some(text) = description {
            let text: String = text.chars().take(2_000).collect();
            set("product_description", json!([localized(&text, self.marketplace)]));
        }
        if product.images.is_empty() {
            let text =
                "the product has no image, and Amazon shows no listing without one; add one in the product source";
            return Err(("image", text.to_owned()));
        }
        for (number, image) in product.images.iter().take(MOST_IMAGES).enumerate() {
            set(&locator(number), json!([{"media_location": image, "marketplace_id": self.marketplace.id}]));
        }
        Ok(())
    }

    /// A SKU whose siblings are a variation family in the shop joins it.
    fn add_family(&self, siblings: &[Listing], attributes: &mut Map<String, Value>) {
        let text = |listing: &Listing, name: &str| listing.refs.get(name).and_then(Value::as_str).map(str::to_owned);
        let family = siblings.iter().find_map(|one| Some((text(one, refs::PARENT)?, text(one, refs::THEME)?)));
        let Some((parent, theme)) = family else { return };
        let id = self.marketplace.id;
        let mut set = |name: &str, value: Value| {
            attributes.entry(name.to_owned()).or_insert(value);
        };
        set("parentage_level", json!([{"value": "child", "marketplace_id": id}]));
        let relationship =
            json!([{"child_relationship_type": "variation", "parent_sku": parent, "marketplace_id": id}]);
        set("child_parent_sku_relationship", relationship);
        set("variation_theme", json!([{"name": theme, "marketplace_id": id}]));
    }

    /// A new item as the next import will read it, as far as we know: accepted, and not on sale yet.
    pub(super) fn created(&self, change: &Change) -> Option<Listing> {
        let (product, variant) = change.product.as_ref()?;
        let text = |listing: &Listing, name: &str| listing.refs.get(name).and_then(Value::as_str).map(str::to_owned);
        let parent = change.siblings.iter().find_map(|one| text(one, refs::PARENT));
        let theme = change.siblings.iter().find_map(|one| text(one, refs::THEME));
        let channel = self.channel.as_deref().unwrap_or(super::items::DEFAULT_CHANNEL);
        let product_type = self.new.mapping.category(product);
        let mut refs = json!({
            refs::SKU: change.sku,
            refs::ASIN: null,
            refs::PRODUCT_TYPE: product_type,
            refs::CHANNELS: {channel: change.wanted.stock},
            refs::CHANNEL: channel,
            refs::FBA: false,
            refs::PARENT: parent,
            refs::THEME: theme,
        });
        if !self.new.offer_only {
            note_others(&mut refs, (1..product.images.len().min(MOST_IMAGES)).collect());
        }
        Some(Listing {
            sku: change.sku.clone(),
            product_id: parent.clone().unwrap_or_else(|| change.sku.to_string()),
            shop_sku: None,
            refs,
            title: change.wanted.title.clone().unwrap_or_else(|| product.title.clone()),
            description: product.description.as_deref().map(plain),
            brand: self.new.mapping.brand(product).or(product.brand.as_deref()).map(str::to_owned),
            category: product_type.map(str::to_owned),
            barcode: variant.barcode.clone(),
            images: product.images.iter().take(MOST_IMAGES).cloned().collect(),
            options: Vec::new(),
            prices: change.wanted.price.into_iter().collect(),
            stock: change.wanted.stock,
            status: ListingStatus::Inactive,
        })
    }
}
