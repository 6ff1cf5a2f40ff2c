//! Products and their variants as Global writes them, as far as they concern us.
//!
//! Vendor page: "Get a product".

use serde_json::{Value, json};

use crate::channels::shopline::items::{Found, list, text, whole};

/// A product, as far as it concerns us.
#[derive(Debug, Clone)]
pub(in super::super) struct Product {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) status: String,
    pub(super) description: Option<String>,
    pub(super) vendor: Option<String>,
    pub(super) category: Option<String>,
    pub(super) images: Vec<String>,
    /// Id and address of those of its images that a variant, or the value of an option, shows.
    pub(super) shown_images: Vec<(String, String)>,
    /// The names of its options, in order.
    pub(super) options: Vec<String>,
    pub(super) variants: Vec<Variant>,
}

/// A variant, as far as it concerns us.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    pub(super) id: String,
    pub(super) sku: Option<String>,
    /// As it was written; `None`: there is none.
    pub(super) price: Option<Value>,
    pub(super) barcode: Option<String>,
    pub(super) tracked: bool,
    /// Whose stock is counted; `None` where none is.
    pub(super) item: Option<String>,
    pub(super) quantity: Option<i64>,
    /// By the product's options, in order.
    pub(super) options: Vec<Option<String>>,
}

impl Product {
    /// Reads one; what cannot be read of it is complained of.
    pub(super) fn read(value: &Value, found: &mut Found) -> Option<Self> {
        let Some(id) = text(value, "id") else {
            found.complain("a product".to_owned(), "unreadable", "a product has no id".to_owned());
            return None;
        };
        let variants = match list(value, "variants") {
            Ok(variants) => variants,
            Err(what) => {
                found.leave_unread(&id, "unreadable", &format!("the product is unreadable: {what}"));
                return None;
            }
        };
        if variants.is_empty() {
            let text = "the product has no variants; complete or delete it at SHOPLINE";
            found.leave_unread(&id, "no_variants", text);
        }
        let named = |name: &str| list(value, name).unwrap_or_default();
        let mut product = Self {
            title: text(value, "title").unwrap_or_default(),
            status: text(value, "status").unwrap_or_default(),
            description: text(value, "body_html"),
            vendor: text(value, "vendor"),
            category: text(value, "product_category"),
            images: named("images").iter().filter_map(|image| text(image, "src")).collect(),
            shown_images: shown_images(named("images"), variants, named("options")),
            options: named("options").iter().map(|option| text(option, "name").unwrap_or_default()).collect(),
            variants: Vec::new(),
            id,
        };
        for value in variants {
            let Some(variant) = Variant::read(value) else {
                found.leave_unread(&product.id, "unreadable", "a variant has no id");
                continue;
            };
            product.variants.push(variant);
        }
        Some(product)
    }
}

/// Id and address of those images of a product that one of these shows: variants by the id, values of options by the address.
fn shown_images(images: &[Value], variants: &[Value], options: &[Value]) -> Vec<(String, String)> {
    let by_variants: Vec<String> = variants.iter().filter_map(|variant| text(&variant["image"], "id")).collect();
    let of_values = options.iter().filter_map(|option| option["values_images"].as_object()).flatten();
    let by_values: Vec<&str> = of_values.filter_map(|(_, src)| src.as_str()).collect();
    let known = images.iter().filter_map(|image| Some((text(image, "id")?, text(image, "src")?)));
    known.filter(|(id, src)| by_variants.contains(id) || by_values.contains(&src.as_str())).collect()
}

impl Variant {
    /// Reads one; `None`: it has no id.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let tracked = value.get("inventory_tracker").and_then(Value::as_bool).unwrap_or(true);
        Some(Self {
            id: text(value, "id")?,
            sku: text(value, "sku"),
            price: value.get("price").filter(|price| !price.is_null() && **price != json!("")).cloned(),
            barcode: text(value, "barcode"),
            tracked,
            item: text(value, "inventory_item_id").filter(|_| tracked),
            quantity: whole(value, "inventory_quantity"),
            options: ["option1", "option2", "option3", "option4", "option5"].map(|name| text(value, name)).to_vec(),
        })
    }
}
