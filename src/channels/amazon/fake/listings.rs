//! The Listings Items API, version 2021-08-01: one item.

use serde_json::{Value, json};

use super::{
    Shared,
    api::{Passed, Refusal, denied},
    get,
    items::{Item, fetch_images},
    search::{check_locale, included_data, marketplace},
    state::{Place, World},
};
use crate::{channels::amazon::marketplaces::Marketplace, secrets::random_text};

impl World {
    /// The items that name this one their parent.
    pub(super) fn children(&self, place: &Place, sku: &str) -> Vec<String> {
        let all = self.items.get(place).into_iter().flatten();
        all.filter(|(_, item)| item.parent() == Some(sku)).map(|(child, _)| child.clone()).collect()
    }

    /// Keeps what was submitted. What a seller has in stock is the same in all marketplaces of the region.
    pub(super) fn keep(&mut self, place: &Place, sku: &str, mut item: Item) {
        const STOCK: &str = "fulfillment_availability";
        fetch_images(&mut item.attributes);
        let mut elsewhere = self.items.iter().filter(|((seller, id), _)| *seller == place.0 && *id != place.1);
        let known = elsewhere.find_map(|(_, items)| items.get(sku)?.attributes.get(STOCK)).cloned();
        if let Some(known) = known.filter(|_| !item.attributes.contains_key(STOCK)) {
            item.attributes.insert(STOCK.to_owned(), known);
        }
        let stock = item.attributes.get(STOCK).cloned();
        let others = self.items.iter_mut().filter(|((seller, id), _)| *seller == place.0 && *id != place.1);
        for other in others.filter_map(|(_, items)| items.get_mut(sku)) {
            if let Some(stock) = &stock {
                other.attributes.insert(STOCK.to_owned(), stock.clone());
                other.updated_at = item.updated_at;
            }
        }
        self.items.entry(place.clone()).or_default().insert(sku.to_owned(), item);
    }
}

/// Whose items a call is about, and where.
fn place(world: &World, call: &Passed<'_>, one: bool) -> Result<(Place, &'static Marketplace), Refusal> {
    if call.id(0) != call.seller {
        return Err(denied(""));
    }
    if call.id(1).is_empty() {
        return Err(Refusal::bad("sku is empty"));
    }
    check_locale(&call.query)?;
    let ids = get(&call.query, "marketplaceIds").unwrap_or_default();
    if one && ids.contains(',') {
        return Err(Refusal::bad("marketplaceIds has more than one"));
    }
    let marketplace = marketplace(world, call)?;
    Ok(((call.seller.clone(), marketplace.id), marketplace))
}

pub(super) fn get_one(world: &mut World, _: &Shared, call: &Passed<'_>) -> Result<Value, Refusal> {
    let (place, marketplace) = place(world, call, false)?;
    let included = included_data(&call.query)?;
    let sku = call.id(1);
    let item = world.items.get(&place).and_then(|items| items.get(sku));
    let item = item.ok_or_else(|| Refusal::not_found("The SKU was not found in the marketplace."))?;
    Ok(item.shown(sku, marketplace, &included, &world.children(&place, sku)))
}

/// How a submission is meant: whether it is only looked at, and whether the answer has identifiers.
fn mode(call: &Passed<'_>) -> Result<(bool, bool), Refusal> {
    let preview = match get(&call.query, "mode") {
        None => false,
        Some("VALIDATION_PREVIEW") => true,
        Some(_) => return Err(Refusal::bad("mode is none of those that there are")),
    };
    let included = get(&call.query, "includedData").unwrap_or("issues");
    if !included.split(',').all(|one| matches!(one, "issues" | "identifiers")) {
        return Err(Refusal::bad("includedData has something that is not there"));
    }
    let identifiers = included.contains("identifiers");
    if identifiers && !preview {
        return Err(Refusal::bad("identifiers can be asked for in previews only"));
    }
    Ok((preview, identifiers))
}

fn submitted(sku: &str, preview: bool, issues: &[Value]) -> Value {
    let status = match (issues.is_empty(), preview) {
        (false, _) => "INVALID",
        (true, true) => "VALID",
        (true, false) => "ACCEPTED",
    };
    json!({"sku": sku, "status": status, "submissionId": random_text(32), "issues": issues})
}

/// Judges a full submission, and keeps it where nothing is wrong and it is no preview.
pub(super) fn put_item(
    world: &mut World,
    (place, marketplace): (&Place, &Marketplace),
    sku: &str,
    body: &Value,
    (preview, now): (bool, jiff::Timestamp),
) -> Result<Vec<Value>, Refusal> {
    let (mut item, mut issues) = Item::put(body, marketplace)?;
    let known = world.items.get(place).and_then(|items| items.get(sku)).cloned();
    if sku.chars().count() > 40 {
        issues.push(super::items::issue("90225", "The SKU is too long.", "sku", "INVALID_ATTRIBUTE"));
    }
    if issues.is_empty() && !preview {
        if let Some(known) = &known {
            let lost = known.attributes.keys().filter(|name| !item.attributes.contains_key(*name)).count();
            world.stats.attributes_lost += lost as u64;
        }
        item.asin =
            known.as_ref().map_or_else(|| format!("B0{:08}", world.id() % 100_000_000), |known| known.asin.clone());
        item.created_at = known.map_or(now, |known| known.created_at);
        item.updated_at = now;
        world.keep(place, sku, item);
    }
    Ok(issues)
}

/// Judges patches, and keeps what they make of the item where nothing is wrong and it is no preview.
pub(super) fn patch_item(
    world: &mut World,
    (place, marketplace): (&Place, &Marketplace),
    sku: &str,
    body: &Value,
    (preview, now): (bool, jiff::Timestamp),
) -> Result<Vec<Value>, Refusal> {
    let item = world.items.get(place).and_then(|items| items.get(sku)).cloned();
    let mut item = item.ok_or_else(|| Refusal::bad(format!("SKU '{sku}' was not found in the marketplace")))?;
    let (attributes, issues) = item.patched(body, marketplace, &mut world.stats)?;
    if issues.is_empty() && !preview {
        item.attributes = attributes;
        item.updated_at = now;
        world.keep(place, sku, item);
    }
    Ok(issues)
}

pub(super) fn put(world: &mut World, _: &Shared, call: &Passed<'_>) -> Result<Value, Refusal> {
    let (place, marketplace) = place(world, call, true)?;
    let (preview, identifiers) = mode(call)?;
    let sku = call.id(1);
    let issues = put_item(world, (&place, marketplace), sku, &call.json()?, (preview, call.now))?;
    let mut said = submitted(sku, preview, &issues);
    if identifiers {
        said["identifiers"] = json!([]);
    }
    Ok(said)
}

pub(super) fn patch(world: &mut World, _: &Shared, call: &Passed<'_>) -> Result<Value, Refusal> {
    match &mut world.rules.patches_left {
        Some(0) => return Err(Refusal::throttled()),
        Some(left) => *left -= 1,
        None => {}
    }
    let (place, marketplace) = place(world, call, true)?;
    let (preview, _) = mode(call)?;
    let sku = call.id(1);
    let issues = patch_item(world, (&place, marketplace), sku, &call.json()?, (preview, call.now))?;
    Ok(submitted(sku, preview, &issues))
}

pub(super) fn delete(world: &mut World, _: &Shared, call: &Passed<'_>) -> Result<Value, Refusal> {
    let (place, _) = place(world, call, true)?;
    let sku = call.id(1);
    world.items.entry(place).or_default().remove(sku);
    Ok(submitted(sku, false, &[]))
}
