//! The product calls that read: the list, the base data of up to 50 items, the models of one, searching by SKU.
//!
//! The list counts in offsets over whatever it finds at that moment, in an order that no page of the vendor names, so it
//! shifts under whoever pages through it while items are edited.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Number, Value, json};

use super::{
    Said,
    api::Passed,
    catalogue::{Attribute, Item, Model},
    get,
    state::{ListOrder, Shop, World},
};

/// What a shop's items may be in, in the vendor's words.
const STATUSES: [&str; 6] = ["NORMAL", "BANNED", "UNLIST", "REVIEWING", "SELLER_DELETE", "SHOPEE_DELETE"];
/// How long deleted items stay readable.
const DELETED_FOR: jiff::SignedDuration = jiff::SignedDuration::from_hours(90 * 24);

pub(super) fn wrong(detail: &str) -> Said {
    Said::error("error_param", format!("Wrong parameters, detail: {detail}."))
}

fn number<T: std::str::FromStr>(call: &Passed<'_>, name: &str) -> Result<Option<T>, Said> {
    get(call.query, name).map(|text| text.parse().map_err(|_| wrong(name))).transpose()
}

pub(super) fn shop<'a>(world: &'a mut World, call: &Passed<'_>) -> &'a mut Shop {
    world.shops.get_mut(&call.shop).expect("the gate let only known shops pass")
}

/// `get_item_list`.
pub(super) fn list(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let offset: usize = number(call, "offset")?.ok_or_else(|| wrong("offset"))?;
    let size: usize = number(call, "page_size")?.ok_or_else(|| wrong("page_size"))?;
    if !(1..=100).contains(&size) {
        world.stats.beyond_documented += 1;
        return Err(wrong("page_size"));
    }
    let statuses: Vec<_> = call.query.iter().filter(|(name, _)| name == "item_status").map(|(_, word)| word).collect();
    if statuses.is_empty() || statuses.iter().any(|word| !STATUSES.contains(&word.as_str())) {
        return Err(Said::error("error_param_item_status", "Item status error."));
    }
    let (from, to): (Option<i64>, Option<i64>) = (number(call, "update_time_from")?, number(call, "update_time_to")?);
    if from.zip(to).is_some_and(|(from, to)| to <= from) {
        let message = "Update_time_to should be later than update_time_from.";
        return Err(Said::error("error_update_time_range", message));
    }
    if world.rules.offset_cap.is_some_and(|cap| offset > cap) {
        return Err(Said::error("error_param", "get items offset over limit, please use the next field"));
    }
    let (cap, order, counts_all) = (world.rules.page_cap, world.rules.list_order, world.rules.total_counts_everything);
    let goes_round = world.rules.list_goes_round && offset > 0;
    let shop = shop(world, call);
    let all = shop.items.len();
    let mut found: Vec<(u64, &Item)> = shop.items.iter().map(|(id, item)| (*id, item)).collect();
    found.retain(|(_, item)| {
        let at = item.updated_at.as_second();
        statuses.contains(&&item.status) && from.is_none_or(|from| at >= from) && to.is_none_or(|to| at <= to)
    });
    match order {
        ListOrder::Id => {}
        ListOrder::Oldest => found.sort_by_key(|(id, item)| (item.updated_at, *id)),
        ListOrder::Newest => found.sort_by_key(|(id, item)| (std::cmp::Reverse(item.updated_at), *id)),
    }
    let total = found.len();
    let page: Vec<_> = found.into_iter().skip(offset).take(size.min(cap)).collect();
    let next = offset + page.len();
    let items: Vec<_> = page
        .into_iter()
        .map(|(id, item)| {
            json!({
                "item_id": id, "item_status": item.status, "update_time": item.updated_at.as_second(),
                "tag": {"kit": item.kit},
            })
        })
        .collect();
    let mut response = json!({"item": items, "total_count": if counts_all { all } else { total }});
    response["has_next_page"] = (next < total || goes_round).into();
    if next < total || goes_round {
        response["next_offset"] = if goes_round { offset } else { next }.into();
    }
    world.edit_behind(call);
    Ok(Said::response(response))
}

/// `get_item_base_info`.
pub(super) fn base_info(world: &mut World, call: &Passed<'_>, now: Timestamp) -> Result<Said, Said> {
    let ids = get(call.query, "item_id_list").unwrap_or_default();
    let ids: Result<Vec<u64>, _> = ids.split(',').map(str::parse).collect();
    let ids = ids.map_err(|_| wrong("item_id_list"))?;
    if ids.len() > 50 {
        world.stats.beyond_documented += 1;
        return Err(wrong("item_id_list"));
    }
    let (skipped, mandatory) = (world.rules.untold_items.clone(), world.rules.mandatory_attributes.clone());
    let shop = shop(world, call);
    let readable = |item: &Item| !item.deleted() || item.updated_at + DELETED_FOR > now;
    let items: Vec<_> = ids
        .iter()
        .filter(|id| !skipped.contains(id))
        .filter_map(|id| Some((*id, shop.items.get(id).filter(|item| readable(item))?)))
        .map(|(id, item)| base(shop, id, item, &mandatory))
        .collect();
    Ok(Said::response(json!({"item_list": items})))
}

/// The address of the vendor's copy of an image.
pub(super) fn address(id: &str) -> String {
    format!("https://img.example.test/{id}")
}

fn base(shop: &Shop, id: u64, item: &Item, mandatory: &BTreeSet<u64>) -> Value {
    let attribute = |(id, attribute): (&u64, &Attribute)| {
        json!({
            "attribute_id": id, "original_attribute_name": format!("Attribute {id}"), "is_mandatory": mandatory.contains(id),
            "attribute_value_list": attribute.values,
        })
    };
    let attributes: Vec<Value> = item.attributes.iter().map(attribute).collect();
    let mut shown = json!({
        "item_id": id, "category_id": item.category, "item_name": item.name, "item_sku": item.sku,
        "create_time": item.created_at.as_second(), "update_time": item.updated_at.as_second(),
        "item_status": item.status, "has_model": !item.models.is_empty(), "condition": "NEW", "weight": "0.2",
        "dimension": {"package_length": 20, "package_width": 15, "package_height": 2},
        "image": {
            "image_id_list": item.images,
            "image_url_list": item.images.iter().map(|id| address(id)).collect::<Vec<_>>(),
        },
        "brand": {"brand_id": item.brand.0, "original_brand_name": item.brand.1},
        "logistic_info": [{"logistic_id": 80_101, "enabled": true}], "attribute_list": attributes,
        "deboost": if item.deboosted { "true" } else { "false" }, "tag": {"kit": item.kit},
        "description_type": if item.extended { "extended" } else { "normal" },
        "description": if item.extended { "" } else { item.description.as_str() },
    });
    if item.odd && item.models.is_empty() {
        shown["item_name"] = json!(["?"]);
    }
    if item.extended {
        let fields =
            json!([{"field_type": "text", "text": item.description}, {"field_type": "image", "image_info": {}}]);
        shown["description_info"] = json!({"extended_description": {"field_list": fields}});
    }
    if item.models.is_empty() {
        shown["price_info"] = price_info(shop, &item.own);
        shown["stock_info_v2"] = stock_info(&item.own);
        shown["gtin_code"] = item.own.gtin.as_str().into();
    }
    shown
}

/// `get_model_list`.
pub(super) fn models(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let id: u64 = number(call, "item_id")?.ok_or_else(|| wrong("item_id"))?;
    let shop = shop(world, call);
    let item = shop.items.get(&id).filter(|item| !item.deleted());
    let item = item.ok_or_else(|| Said::error("error_item_not_found", "Item_id is not found."))?;
    let tiers: Vec<_> = item.tiers.iter().map(|(name, values)| tier(name, values)).collect();
    let models: Vec<_> = item
        .models
        .iter()
        .filter(|_| !item.bare)
        .map(|model| {
            json!({
                "model_id": if item.odd { json!("?") } else { json!(model.id) }, "tier_index": model.tier_index, "model_sku": model.sku,
                "model_status": if model.unavailable { "MODEL_UNAVAILABLE" } else { "MODEL_NORMAL" },
                "price_info": price_info(shop, model), "stock_info_v2": stock_info(model), "gtin_code": model.gtin,
            })
        })
        .collect();
    world.edit_behind(call);
    Ok(Said::response(json!({"tier_variation": tiers, "model": models})))
}

fn tier(name: &str, values: &[String]) -> Value {
    json!({"name": name, "option_list": values.iter().map(|value| json!({"option": value})).collect::<Vec<_>>()})
}

/// `search_item`, by SKU: of the item or of one of its models, in part.
pub(super) fn search(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let size: usize =
        number(call, "page_size")?.filter(|size| (1..=100).contains(size)).ok_or_else(|| wrong("page_size"))?;
    let sku = get(call.query, "item_sku").filter(|sku| !sku.is_empty());
    let sku = sku.ok_or_else(|| Said::error("error_param", "request must set one of [item_name,attribute_status]"))?;
    let offset: usize = get(call.query, "offset").and_then(|text| text.parse().ok()).unwrap_or(0);
    let (of_models, lag) = (world.rules.search_finds_models, world.rules.search_lag);
    let shop = shop(world, call);
    let finds = |item: &Item| {
        let known = item.created_at + lag <= call.now;
        known && (item.sku.contains(sku) || (of_models && item.models.iter().any(|model| model.sku.contains(sku))))
    };
    let found: Vec<u64> =
        shop.items.iter().filter(|(_, item)| !item.deleted() && finds(item)).map(|(id, _)| *id).collect();
    let page: Vec<_> = found.iter().skip(offset).take(size).collect();
    let next = offset + page.len();
    let next = if next < found.len() { next.to_string() } else { String::new() };
    Ok(Said::response(json!({"item_id_list": page, "total_count": found.len(), "next_offset": next})))
}

fn price_info(shop: &Shop, model: &Model) -> Value {
    let price = shown(model.price);
    json!([{"currency": shop.currency, "original_price": price, "current_price": price}])
}

fn stock_info(model: &Model) -> Value {
    let places: Vec<_> = model
        .stocks
        .iter()
        .map(|(id, pieces)| json!({"location_id": id, "stock": pieces, "if_saleable": true}))
        .collect();
    let all: i64 = model.stocks.values().sum();
    json!({
        "summary_info": {"total_reserved_stock": model.reserved, "total_available_stock": all - model.reserved},
        "seller_stock": places, "shopee_stock": [],
    })
}

/// An amount as the vendor writes it: a float.
pub(super) fn shown(amount: Decimal) -> Value {
    amount.normalize().to_string().parse::<Number>().map_or(Value::Null, Value::Number)
}
