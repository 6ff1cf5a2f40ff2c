//! `update_item`: names, descriptions, images and attributes.
//!
//! Fields that are not sent stay as they are, but the whole item is looked over: what is wrong with it already refuses whatever is sent. A
//! field that is sent takes the place of what was there, lists whole.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Said,
    api::Passed,
    catalogue::{Attribute, Item},
    products::{address, shop},
    state::{Rules, World},
    writes::item,
};

pub(super) fn update(world: &mut World, call: &Passed<'_>, now: Timestamp) -> Result<Said, Said> {
    let (rules, taken) = (world.rules.clone(), world.images.clone());
    let item = item(shop(world, call), call)?;
    let body = &call.body;
    if item.promoted && body.get("item_name").is_some() {
        let message = "Item_name cannot be edited when item is under promotion..";
        return Err(Said::error("error_cannt_edit_name_in_promotion", message));
    }
    if item.promoted && body.get("image").is_some() {
        let message = "Image of item cannot be edited when item is under promotion..";
        return Err(Said::error("error_cannt_edit_image_in_promotion", message));
    }
    if let Some(reason) = item.variants().iter().find_map(|model| model.refuses.clone()) {
        return Err(Said::error("error_busi_cannot_update_field", format!("Update item failed , {reason}.")));
    }
    let mut after = item.clone();
    if let Some(name) = body["item_name"].as_str() {
        name.clone_into(&mut after.name);
    }
    if let Some(text) = body["description"].as_str() {
        if item.extended {
            return Err(Said::error("error_param", "Wrong parameters, detail: description_type."));
        }
        text.clone_into(&mut after.description);
    }
    if body["image"].is_object() {
        after.images = images(&body["image"], &taken, &item.images)?;
    }
    if body["attribute_list"].is_array() {
        after.attributes = attributes(&body["attribute_list"], &rules)?;
    }
    look_over(&after, &rules)?;
    after.updated_at = now;
    let sent = |names: &[&str]| u64::from(names.iter().any(|name| body.get(name).is_some()));
    let addresses: Vec<String> = after.images.iter().map(|id| address(id)).collect();
    let told = json!({
        "item_id": body["item_id"], "item_name": after.name, "item_status": after.status,
        "images": {"image_id_list": after.images, "image_url_list": addresses},
    });
    *item = after;
    world.stats.texts_changed += sent(&["item_name", "description"]);
    world.stats.images_changed += sent(&["image"]);
    world.stats.attributes_changed += sent(&["attribute_list"]);
    let mut said = Said::response(told);
    said.fields["warning"] = rules.update_warning.into();
    Ok(said)
}

/// What an item must be, whatever was sent of it.
fn look_over(item: &Item, rules: &Rules) -> Result<(), Said> {
    check_text(&item.name, rules.longest_name, "item_name")?;
    check_text(&item.description, rules.longest_description, "description")?;
    check_images(&item.images, rules)?;
    check_attributes(&item.attributes, rules)
}

/// Ids of images: each has been handed in, or is the item's already.
pub(super) fn images(image: &Value, taken: &BTreeSet<String>, own: &[String]) -> Result<Vec<String>, Said> {
    let missing = || Said::error("error_param", "Image not exist.");
    let ids: Vec<String> = serde_json::from_value(image["image_id_list"].clone()).map_err(|_| missing())?;
    if ids.iter().any(|id| !taken.contains(id) && !own.contains(id)) { Err(missing()) } else { Ok(ids) }
}

pub(super) fn check_images(images: &[String], rules: &Rules) -> Result<(), Said> {
    let [least, most] = rules.bounds.images;
    match images.len() {
        count if count < least => {
            Err(Said::error("error_image_num_min", "The number of images is less than the min limit."))
        }
        count if count > most => Err(Said::error("error_param", "The number of images is out of range.")),
        _ => Ok(()),
    }
}

/// Attributes as they are kept: values of the vendor's list come back with their names.
pub(super) fn attributes(list: &Value, rules: &Rules) -> Result<BTreeMap<u64, Attribute>, Said> {
    let mut attributes = BTreeMap::new();
    for one in list.as_array().into_iter().flatten() {
        let id = one["attribute_id"].as_u64().filter(|id| !rules.foreign_attributes.contains(id));
        let id =
            id.ok_or_else(|| Said::error("error_invalid_category_attribute", "Category and attribute not match."))?;
        let values = one["attribute_value_list"].as_array().map(Vec::as_slice).unwrap_or_default();
        let values: Result<Vec<Value>, Said> = values.iter().map(value).collect();
        let values = values?;
        if values.is_empty() {
            return Err(Said::error("error_invalid_attribute_value", "Invalid attribute value."));
        }
        attributes.insert(id, Attribute { values });
    }
    Ok(attributes)
}

fn value(sent: &Value) -> Result<Value, Said> {
    let id = sent["value_id"].as_u64();
    let id = id.ok_or_else(|| Said::error("error_param", "Invalid attribute. value_id is required."))?;
    let text = |name: &str| sent[name].as_str().unwrap_or_default();
    match (id, text("original_value_name")) {
        (0, "") => Err(Said::error("error_value_name_required", "Value_name is required.")),
        (0, name) => Ok(json!({"value_id": 0, "original_value_name": name, "value_unit": text("value_unit")})),
        (id, _) => Ok(Attribute::listed(id)),
    }
}

pub(super) fn check_attributes(attributes: &BTreeMap<u64, Attribute>, rules: &Rules) -> Result<(), Said> {
    if rules.mandatory_attributes.iter().all(|id| attributes.contains_key(id)) {
        return Ok(());
    }
    Err(Said::error("error_less_required_attribute", "Mandatory attribute information required"))
}

/// That a text has a length that the vendor takes.
pub(super) fn check_text(text: &str, most: usize, name: &str) -> Result<(), Said> {
    let length = text.chars().count();
    match (length, name) {
        (0, "item_name") => Err(Said::error("error_item_name_empty", "Item name could not be empty.")),
        (0, _) => Err(Said::error("error_desc_length_min_limit", "Description length is less than the min limit.")),
        (length, "item_name") if length > most => {
            Err(Said::error("error_title_exceeds_max_length", "The length of item_name is bigger than max limit."))
        }
        (length, _) if length > most => {
            Err(Said::error("error_param", "Wrong parameters, detail: description is too long."))
        }
        _ => Ok(()),
    }
}
