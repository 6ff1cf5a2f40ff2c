//! Export of images and attributes: patches of what the seller says of an item. Amazon makes copies of images and shows those, and
//! words some attributes otherwise, so neither is compared with what is sent.
//!
//! Vendor pages: "Partially update a listing", "Submit images and other media attributes".

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Amazon,
    items::{locator, refs},
    submission::Work,
};
use crate::{
    channels::{Unsaid, mapping::fill_value},
    domain::{Field, Product, Variant},
};

/// The most images, the main one among them.
pub(super) const MOST_IMAGES: usize = 9;
/// What other fields of an export say, what says which product an item is, and what makes it one of a family: a mapping may name them for new
/// items, but they are no attributes to be brought in line.
const NOT_OURS: [&str; 11] = [
    "item_name",
    "product_description",
    "purchasable_offer",
    "fulfillment_availability",
    "condition_type",
    "externally_assigned_product_identifier",
    "supplier_declared_has_product_identifier_exemption",
    "merchant_suggested_asin",
    "parentage_level",
    "child_parent_sku_relationship",
    "variation_theme",
];

impl Amazon {
    /// The attributes that the mapping makes of a variant: texts, and values in the vendor's own shape as JSON.
    pub(super) fn wanted_attributes(
        &self,
        product: &Product,
        variant: &Variant,
    ) -> Result<BTreeMap<String, String>, Unsaid> {
        let mut wanted = self.new.mapping.wanted(product, variant)?;
        for (name, raw) in &self.new.raw {
            let unsaid = |part| Unsaid { attribute: name.clone(), part };
            wanted.insert(name.clone(), fill_value(raw, product, variant).map_err(unsaid)?.to_string());
        }
        wanted.retain(|name, _| {
            !NOT_OURS.contains(&name.as_str()) && !name.ends_with("_product_image_locator") && !is_other(name)
        });
        Ok(wanted)
    }

    /// The patches of an item that is there. Empty where there is nothing to send, or something was refused.
    pub(super) fn patches_of(&self, work: &mut Work<'_>) -> Vec<Value> {
        let mut patches = work.patches(self.marketplace);
        if work.refusals.is_empty() {
            patches.extend(self.images(work));
            patches.extend(self.attributes(work));
        }
        patches
    }

    /// Each image has a place of its own. Places that are left over are emptied as far as the item is known to have them: nothing can
    /// be deleted that is not there.
    fn images(&self, work: &Work<'_>) -> Vec<Value> {
        let Some(images) = work.change.wanted.images.as_ref().filter(|_| work.wants(Field::Images)) else {
            return Vec::new();
        };
        let id = self.marketplace.id;
        let put = |(number, image): (usize, &String)| {
            let value = json!([{"media_location": image, "marketplace_id": id}]);
            json!({"op": "replace", "path": path(&locator(number)), "value": value})
        };
        let empty = |number| json!({"op": "delete", "path": path(&locator(number)), "value": [{"marketplace_id": id}]});
        let left_over = others_of(work).into_iter().filter(|number| *number >= images.len());
        images.iter().take(MOST_IMAGES).enumerate().map(put).chain(left_over.map(empty)).collect()
    }

    /// An attribute is replaced as a whole; those that the mapping does not name stay.
    fn attributes(&self, work: &Work<'_>) -> Vec<Value> {
        let wanted = work.change.wanted.attributes.as_ref().filter(|_| work.wants(Field::Attributes));
        let put = |(name, text): (&String, &String)| {
            let raw = self.new.raw.contains_key(name).then(|| serde_json::from_str(text).ok()).flatten();
            let value = raw.map_or_else(|| json!([self.text_value(name, text)]), |raw| self.of_marketplace(raw));
            json!({"op": "replace", "path": path(name), "value": value})
        };
        wanted.into_iter().flatten().map(put).collect()
    }
}

/// The patches without those that empty places of images; `None`: there are none.
pub(super) fn without_emptying(patches: &[Value]) -> Option<Vec<Value>> {
    let empties = |patch: &&Value| patch["op"] == "delete" && patch["path"].as_str().is_some_and(is_other);
    let rest: Vec<Value> = patches.iter().filter(|patch| !empties(patch)).cloned().collect();
    (rest.len() < patches.len() && !rest.is_empty()).then_some(rest)
}

fn path(name: &str) -> String {
    format!("/attributes/{name}")
}

fn is_other(name: &str) -> bool {
    name.contains("other_product_image_locator_")
}

/// The numbers of the further images that the item is known to have.
fn others_of(work: &Work<'_>) -> Vec<usize> {
    let listing = work.listing.as_ref();
    listing.and_then(|it| serde_json::from_value(it.refs.get(refs::OTHERS)?.clone()).ok()).unwrap_or_default()
}
