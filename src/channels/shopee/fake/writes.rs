//! The product calls that change what is there model by model, or item by item: prices, stock, off sale.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    Said,
    api::Passed,
    catalogue::{Item, Model},
    products::{shop, shown, wrong},
    state::{Shop, World},
};

/// How many times the dearest model may cost what the cheapest does.
fn price_ratio(region: &str) -> Decimal {
    match region {
        "BR" => 4,
        "ID" | "MY" => 7,
        "CL" | "CO" => 9,
        _ => 5,
    }
    .into()
}

/// The item a call is about, if it may be changed.
pub(super) fn item<'a>(shop: &'a mut Shop, call: &Passed<'_>) -> Result<&'a mut Item, Said> {
    let id = call.body["item_id"].as_u64().ok_or_else(|| wrong("item_id"))?;
    let item = shop.items.get_mut(&id).filter(|item| !item.deleted());
    let item = item.ok_or_else(|| Said::error("error_item_not_found", "Item_id is not found."))?;
    if item.status == "BANNED" {
        let message = "Can't edit this item. item status can not support editing.";
        return Err(Said::error("error_item_uneditable", message));
    }
    Ok(item)
}

/// A list in a call's body that has 1 to 50 entries.
pub(super) fn fifty<'a>(world: &mut World, call: &'a Passed<'_>, name: &str) -> Result<&'a [Value], Said> {
    let list = call.body[name].as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() || list.len() > 50 {
        world.stats.beyond_documented += 1;
        return Err(Said::error("error_param", format!("Parameter is not match the constraints, {name}.")));
    }
    Ok(list)
}

/// A price as it came; shops without cents round it.
pub(super) fn price(shop: &Shop, value: &Value) -> Result<Decimal, &'static str> {
    let amount = value.as_number().and_then(|number| number.to_string().parse::<Decimal>().ok());
    let amount = amount.filter(|amount| *amount > Decimal::ZERO && amount.scale() <= 2);
    let amount = amount.ok_or("Invalid price, please use the correct format")?;
    Ok(if shop.has_cents() { amount } else { amount.round() })
}

/// `update_price`: model by model.
pub(super) fn prices(world: &mut World, call: &Passed<'_>, now: Timestamp) -> Result<Said, Said> {
    let wanted = fifty(world, call, "price_list")?;
    let shop = shop(world, call);
    let rounded: Vec<_> = wanted.iter().map(|one| price(shop, &one["original_price"])).collect();
    let ratio = price_ratio(&shop.region);
    let item = item(shop, call)?;
    if item.promoted {
        let message = "Original_price cannot be edited when item is under promotion.";
        return Err(Said::error("error_cannt_edit_price_in_promotion", message));
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let before = item.clone();
    for (one, amount) in wanted.iter().zip(rounded) {
        let id = one["model_id"].as_u64().unwrap_or(0);
        if id == 0 && !item.models.is_empty() {
            let message = "Can't edit item price directly while item has models.";
            return Err(Said::error("error_edit_item_price_for_item_has_model", message));
        }
        let set = item.variant_mut(id).ok_or("Wrong model_id.".to_owned()).and_then(|model| {
            let amount = amount.map_err(str::to_owned)?;
            model.refuses.clone().map_or(Ok(()), Err)?;
            model.price = amount;
            Ok(amount)
        });
        match set {
            Ok(amount) => done.push(json!({"model_id": id, "original_price": shown(amount)})),
            Err(reason) => failed.push(json!({"model_id": id, "failed_reason": reason})),
        }
    }
    let prices: Vec<_> = item.variants().iter().map(|model| model.price).collect();
    if prices.iter().max().zip(prices.iter().min()).is_some_and(|(dear, cheap)| *dear > *cheap * ratio) {
        *item = before;
        return Err(Said::error("error_price_out_of_range", "Price is out of range."));
    }
    item.updated_at = now;
    world.stats.prices_changed += done.len() as u64;
    Ok(parts(done, failed))
}

/// Part by part: what is refused stands in a list beside an empty `error`, and a warning says that there is something.
fn parts(done: Vec<Value>, failed: Vec<Value>) -> Said {
    let warning = if failed.is_empty() { "" } else { "Some of the update failed, please check failure_list." };
    let mut said = Said::response(json!({"success_list": done, "failure_list": failed}));
    said.fields["warning"] = warning.into();
    said
}

/// `update_stock`: model by model, but for what concerns the whole call.
pub(super) fn stocks(world: &mut World, call: &Passed<'_>, now: Timestamp) -> Result<Said, Said> {
    let wanted = fifty(world, call, "stock_list")?;
    let (whole_call, may_name) = (world.rules.reserved_stock_refuses_the_call, world.rules.names_locations);
    let shop = shop(world, call);
    let (locations, holiday) = (shop.locations.clone(), shop.holiday);
    if holiday {
        return Err(Said::error("error_holiday_mode_change_stock", "Cannot change stock in holiday mode."));
    }
    let item = item(shop, call)?;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for one in wanted {
        let id = one["model_id"].as_u64().unwrap_or(0);
        if id == 0 && !item.models.is_empty() {
            let message = "Can't to edit item stock directly while item has models.";
            return Err(Said::error("error_edit_item_stock_for_item_has_model", message));
        }
        let Some(model) = item.variant_mut(id) else {
            failed.push(json!({"model_id": id, "failed_reason": "Wrong model_id."}));
            continue;
        };
        match set_stock(model, &one["seller_stock"], &locations, may_name) {
            Ok(()) => {
                let places = model.stocks.iter();
                done.extend(
                    places.map(|(place, pieces)| json!({"model_id": id, "location_id": place, "stock": pieces})),
                );
            }
            Err((error, reason)) if whole_call || error == "error_busi" => return Err(Said::error(error, reason)),
            Err((_, reason)) => failed.push(json!({"model_id": id, "failed_reason": reason})),
        }
    }
    item.updated_at = now;
    if done.is_empty() {
        let message = "Update stock failed, please check failure_list for detailed reason";
        let mut said = Said::error("error_busi_update_stock_failed", message);
        said.fields["response"] = json!({"success_list": [], "failure_list": failed});
        return Err(said);
    }
    world.stats.stocks_changed += (wanted.len() - failed.len()) as u64;
    Ok(parts(done, failed))
}

fn set_stock(
    model: &mut Model,
    wanted: &Value,
    locations: &[String],
    may_name: bool,
) -> Result<(), (&'static str, String)> {
    let mut after = std::collections::BTreeMap::new();
    for place in wanted.as_array().map(Vec::as_slice).unwrap_or_default() {
        let pieces = place["stock"].as_i64().filter(|pieces| (0..=999_999).contains(pieces));
        let pieces = pieces.ok_or(("error_param", "The stock is out of range.".to_owned()))?;
        let named = place["location_id"].as_str();
        if named.is_some() && !may_name {
            let message = "You do not have right to use seller location_id, please only fill seller_stock filed.";
            return Err(("error_auth", message.to_owned()));
        }
        let id = match (named, locations) {
            (Some(named), _) => named.to_owned(),
            (None, [only]) => only.clone(),
            (None, _) => {
                let message = "The merchant/shop has multi warehouse, please input location id";
                return Err(("error_busi", message.to_owned()));
            }
        };
        after.insert(id, pieces);
    }
    if !after.keys().eq(model.stocks.keys()) {
        let message = "The location_id input is not matched the shop's location_id(more/wrong). Please double check.";
        return Err(("error_auth", message.to_owned()));
    }
    if let Some(reason) = &model.refuses {
        return Err(("error_param", reason.clone()));
    }
    if after.values().sum::<i64>() < model.reserved {
        return Err(("error_auth", "Stock should be larger than reserved stock.".to_owned()));
    }
    model.stocks = after;
    Ok(())
}

/// `unlist_item`: item by item.
pub(super) fn unlist(world: &mut World, call: &Passed<'_>, now: Timestamp) -> Result<Said, Said> {
    let wanted = fifty(world, call, "item_list")?;
    let shop = shop(world, call);
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for one in wanted {
        let (id, off) = (one["item_id"].as_u64().unwrap_or(0), one["unlist"].as_bool().unwrap_or(true));
        let set = match shop.items.get_mut(&id).filter(|item| !item.deleted()) {
            None => Err("Product not found".to_owned()),
            Some(item) if item.promoted => Err("Can't unlist item when item is under promotion.".to_owned()),
            Some(item) if item.status == "BANNED" || item.status == "REVIEWING" => {
                Err("Banned and Reviewing Products cannot be delisted".to_owned())
            }
            Some(item) => {
                if let Some(reason) = item.variants().iter().find_map(|model| model.refuses.clone()) {
                    Err(reason)
                } else {
                    if off { "UNLIST" } else { "NORMAL" }.clone_into(&mut item.status);
                    item.updated_at = now;
                    Ok(())
                }
            }
        };
        match set {
            Ok(()) => done.push(json!({"item_id": id, "unlist": off})),
            Err(reason) => failed.push(json!({"item_id": id, "failed_reason": reason})),
        }
    }
    if done.is_empty() {
        let mut said = Said::error("error_unlist_item_all_failed", "Unlist item all failed.");
        said.fields["response"] = json!({"success_list": [], "failure_list": failed});
        return Err(said);
    }
    world.stats.unlisted += done.len() as u64;
    Ok(parts(done, failed))
}
