//! The calls that make items and variations, and take images.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    Said,
    api::Passed,
    catalogue::{Item, Model},
    get,
    products::{shop, shown, wrong},
    state::{Bounds, Shop, World},
    updating::{attributes, check_attributes, check_images, check_text, images},
    writes::{fifty, item, price},
};

/// Until then a new item may not be known everywhere.
const REST: SignedDuration = SignedDuration::from_secs(5);

fn sku(value: &Value) -> Result<String, Said> {
    let text = value.as_str().unwrap_or_default();
    if text.chars().count() > 100 {
        return Err(Said::error("error_param", "Parameter is not match the constraints, sku."));
    }
    Ok(text.to_owned())
}

fn stocks(shop: &Shop, wanted: &Value) -> Result<BTreeMap<String, i64>, Said> {
    let mut stocks = BTreeMap::new();
    for place in wanted.as_array().map(Vec::as_slice).unwrap_or_default() {
        let pieces = place["stock"].as_i64().filter(|pieces| *pieces >= 0).ok_or_else(|| wrong("stock"))?;
        let id = match (place["location_id"].as_str(), shop.locations.as_slice()) {
            (Some(named), _) if shop.locations.iter().any(|id| id == named) => named.to_owned(),
            (None, [only]) => only.clone(),
            _ => {
                return Err(Said::error(
                    "error_busi",
                    "The merchant/shop has multi warehouse, please input location id",
                ));
            }
        };
        stocks.insert(id, pieces);
    }
    if stocks.is_empty() { Err(wrong("seller_stock")) } else { Ok(stocks) }
}

/// `get_item_limit`.
pub(super) fn limits(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    if get(call.query, "category_id").is_none_or(|id| id.parse::<u64>().is_err()) {
        return Err(wrong("category_id"));
    }
    let (rules, bounds) = (&world.rules, &world.rules.bounds);
    let number = |amount: Decimal| amount.to_string().parse::<f64>().unwrap_or_default();
    let limit = |least: usize, most: usize| json!({"min_limit": least, "max_limit": most});
    let [least_days, most_days] = bounds.days_to_ship.unwrap_or([-1, -1]);
    Ok(Said::response(json!({
        "price_limit": {"min_limit": number(bounds.price[0]), "max_limit": number(bounds.price[1])},
        "stock_limit": limit(0, 999_999),
        "item_name_length_limit": limit(bounds.least_name, rules.longest_name),
        "item_description_length_limit": limit(1, rules.longest_description),
        "item_image_count_limit": limit(bounds.images[0], bounds.images[1]),
        "tier_variation_name_length_limit": limit(0, 14),
        "tier_variation_option_length_limit": limit(0, bounds.option),
        "item_count_limit": {"max_limit": 5_000},
        "dts_limit": {
            "days_to_ship_limit": {"min_limit": least_days, "max_limit": most_days}, "non_pre_order_days_to_ship": 2,
        },
    })))
}

/// That a new item is within the bounds.
fn bounded(bounds: &Bounds, body: &Value, price: Decimal) -> Result<(), Said> {
    let name = body["item_name"].as_str().unwrap_or_default().chars().count();
    if name < bounds.least_name {
        return Err(Said::error("error_title_below_min_length", "The length of item_name is less than min limit."));
    }
    if !(bounds.price[0]..=bounds.price[1]).contains(&price) {
        return Err(Said::error("error_invalid_price", "The price is out of range."));
    }
    if body["pre_order"]["is_pre_order"] == true {
        let days = body["pre_order"]["days_to_ship"].as_i64().unwrap_or_default();
        if bounds.days_to_ship.is_none_or(|[least, most]| !(least..=most).contains(&days)) {
            return Err(Said::error("error_param", "Invalid days_to_ship."));
        }
    }
    Ok(())
}

/// `add_item`: each call makes another one.
pub(super) fn add(world: &mut World, call: &Passed<'_>, now: Timestamp) -> Result<Said, Said> {
    let rules = world.rules.clone();
    let (id, known) = (world.id(), world.images.clone());
    let body = &call.body;
    let shop = shop(world, call);
    if shop.holiday {
        return Err(Said::error("error_holiday_on_add_item", "Shop is under vocation mode."));
    }
    let name = body["item_name"].as_str().unwrap_or_default();
    let description = body["description"].as_str().unwrap_or_default();
    check_text(name, rules.longest_name, "item_name")?;
    check_text(description, rules.longest_description, "description")?;
    let category = body["category_id"].as_u64();
    let category = category.ok_or_else(|| Said::error("error_invalid_category", "Invalid category."))?;
    let weighs = body["weight"].as_f64().is_some_and(|weight| weight > 0.0);
    if !weighs {
        return Err(Said::error("error_param", "Invalid Weight."));
    }
    if body["logistic_info"].as_array().is_none_or(Vec::is_empty) {
        return Err(Said::error("error_invalid_logistic_info", "invalid logistic info , no channel"));
    }
    let images = images(&body["image"], &known, &[])?;
    check_images(&images, &rules)?;
    let attributes = attributes(&body["attribute_list"], &rules)?;
    check_attributes(&attributes, &rules)?;
    let brand = body["brand"]["brand_id"].as_u64().zip(body["brand"]["original_brand_name"].as_str());
    let (brand_id, brand) =
        brand.ok_or_else(|| Said::error("error_less_required_brand", "Brand information required"))?;
    let price = price(shop, &body["original_price"]).map_err(|text| Said::error("error_invalid_price", text))?;
    bounded(&rules.bounds, body, price)?;
    let own = Model {
        price,
        stocks: stocks(shop, &body["seller_stock"])?,
        gtin: body["gtin_code"].as_str().unwrap_or_default().to_owned(),
        ..Model::default()
    };
    let status = body["item_status"].as_str().unwrap_or("NORMAL").to_owned();
    let made = Item {
        description: description.to_owned(),
        status: status.clone(),
        brand: (brand_id, brand.to_owned()),
        category,
        images,
        attributes,
        created_with: body.clone(),
        ..Item::new(name, &sku(&body["item_sku"])?, own, now)
    };
    shop.items.insert(id, made);
    world.stats.created += 1;
    Ok(Said::response(json!({"item_id": id, "item_name": name, "item_status": status})))
}

/// Names of options with their values, in the form of the day or in the older one.
fn tiers(body: &Value) -> Result<Vec<(String, Vec<String>)>, Said> {
    let texts = |list: &Value, name: &str| -> Vec<String> {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|one| one[name].as_str().unwrap_or_default().to_owned()).collect()
    };
    let standard = body["standardise_tier_variation"].as_array().map(Vec::as_slice).unwrap_or_default();
    let older = body["tier_variation"].as_array().map(Vec::as_slice).unwrap_or_default();
    let tiers: Vec<(String, Vec<String>)> = if standard.is_empty() {
        let named = |tier: &Value| {
            (tier["name"].as_str().unwrap_or_default().to_owned(), texts(&tier["option_list"], "option"))
        };
        older.iter().map(named).collect()
    } else {
        let named = |tier: &Value| {
            let name = tier["variation_name"].as_str().unwrap_or_default().to_owned();
            (name, texts(&tier["variation_option_list"], "variation_option_name"))
        };
        standard.iter().map(named).collect()
    };
    let whole = |(name, values): &(String, Vec<String>)| {
        !name.is_empty() && !values.is_empty() && values.iter().all(|value| !value.is_empty())
    };
    match tiers.len() {
        0 => Err(wrong("tier_variation")),
        1 | 2 if tiers.iter().all(whole) && tiers.iter().map(|(_, values)| values.len()).product::<usize>() <= 50 => {
            Ok(tiers)
        }
        1 | 2 => Err(Said::error("error_param", "Count of tier_variation options should be under 50.")),
        _ => Err(Said::error("error_param", "The level of tier-variation over 2.")),
    }
}

fn index(tiers: &[(String, Vec<String>)], value: &Value) -> Result<Vec<usize>, Said> {
    let index: Vec<usize> = serde_json::from_value(value.clone()).unwrap_or_default();
    let fits = index.len() == tiers.len() && index.iter().zip(tiers).all(|(at, (_, values))| *at < values.len());
    if fits { Ok(index) } else { Err(Said::error("error_param", "Model tier_index error.")) }
}

fn model(shop: &Shop, tiers: &[(String, Vec<String>)], id: u64, value: &Value) -> Result<Model, Said> {
    Ok(Model {
        id,
        tier_index: index(tiers, &value["tier_index"])?,
        sku: sku(&value["model_sku"])?,
        price: price(shop, &value["original_price"]).map_err(|text| Said::error("error_invalid_price", text))?,
        stocks: stocks(shop, &value["seller_stock"])?,
        gtin: value["gtin_code"].as_str().unwrap_or_default().to_owned(),
        ..Model::default()
    })
}

fn told(models: &[Model]) -> Vec<Value> {
    let one = |model: &Model| {
        json!({
            "tier_index": model.tier_index, "model_id": model.id, "model_sku": model.sku,
            "price_info": [{"original_price": shown(model.price)}],
        })
    };
    models.iter().map(one).collect()
}

fn unlike(models: &[Model]) -> Result<(), Said> {
    let mut seen: Vec<&[usize]> = Vec::new();
    for model in models {
        if seen.contains(&model.tier_index.as_slice()) {
            return Err(Said::error("error_model_duplicate_tier_variation_index", "Item have duplicate tier_index."));
        }
        seen.push(&model.tier_index);
    }
    Ok(())
}

/// `init_tier_variation`: whatever models there were are gone.
pub(super) fn init(world: &mut World, call: &Passed<'_>, now: Timestamp) -> Result<Said, Said> {
    let wanted = fifty(world, call, "model")?;
    let ids: Vec<u64> = wanted.iter().map(|_| world.id()).collect();
    let tiers = tiers(&call.body)?;
    let most = world.rules.bounds.option;
    if tiers.iter().flat_map(|(_, values)| values).any(|value| value.chars().count() > most) {
        return Err(Said::error("error_param", "The length of tier_variation option is bigger than max limit."));
    }
    let shop = shop(world, call);
    let models: Result<Vec<_>, _> = wanted.iter().zip(ids).map(|(value, id)| model(shop, &tiers, id, value)).collect();
    let models = models?;
    unlike(&models)?;
    let item = item(shop, call)?;
    if now < item.created_at + REST {
        world.stats.varied_too_early += 1;
        return Err(Said::error("error_item_not_found", "Item_id is not found."));
    }
    if item.promoted {
        let message = "Tier_variation cannot be changed when item is under promotion.";
        return Err(Said::error("error_cannt_init_tier_in_promotion", message));
    }
    let told = told(&models);
    (item.tiers, item.models, item.updated_at) = (tiers, models, now);
    Ok(Said::response(json!({"item_id": call.body["item_id"], "model": told})))
}

/// `update_tier_variation`: models that are not named lose their place, and are gone.
pub(super) fn update_tiers(world: &mut World, call: &Passed<'_>, now: Timestamp) -> Result<Said, Said> {
    let tiers = tiers(&call.body)?;
    let item = item(shop(world, call), call)?;
    if item.tiers.is_empty() {
        let message = "Item without tier-variation. Please use init_tier_variation api to upgrade the structure.";
        return Err(Said::error("error_tier_var_is_", message));
    }
    if item.tiers.len() != tiers.len() {
        return Err(Said::error("error_param", "Canot change the level of tier-variation."));
    }
    let mut kept = Vec::new();
    for named in call.body["model_list"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let id = named["model_id"].as_u64().unwrap_or(0);
        let model = item.models.iter().find(|model| model.id == id);
        let model =
            model.ok_or_else(|| Said::error("error_wrong_modelid", format!("The model_id is wrong, model_id:{id}")))?;
        kept.push(Model { tier_index: index(&tiers, &named["tier_index"])?, ..model.clone() });
    }
    if kept.is_empty() {
        return Err(Said::error("error_busi_cannot_delete_all_model", "Cannot delete all models by this api."));
    }
    unlike(&kept)?;
    (item.tiers, item.models, item.updated_at) = (tiers, kept, now);
    Ok(Said::response(json!({})))
}

/// `add_model`.
pub(super) fn add_models(world: &mut World, call: &Passed<'_>, now: Timestamp) -> Result<Said, Said> {
    let wanted = fifty(world, call, "model_list")?;
    let ids: Vec<u64> = wanted.iter().map(|_| world.id()).collect();
    let shop = shop(world, call);
    let tiers = item(shop, call)?.tiers.clone();
    if tiers.is_empty() {
        let message = "Item without tier_variation. Please use init_tier_variation api to upgrade the structure.";
        return Err(Said::error("error_param", message));
    }
    let models: Result<Vec<_>, _> = wanted.iter().zip(ids).map(|(value, id)| model(shop, &tiers, id, value)).collect();
    let models = models?;
    let item = item(shop, call)?;
    let all = [item.models.clone(), models.clone()].concat();
    unlike(&all)?;
    if all.len() > 50 {
        return Err(Said::error("error_model_count_over_limit", "The count of model is too large."));
    }
    (item.models, item.updated_at) = (all, now);
    world.stats.joined += models.len() as u64;
    Ok(Said::response(json!({"model": told(&models)})))
}

/// `upload_image`: a form with a file in it.
pub(super) fn image(world: &mut World, body: &[u8]) -> Result<Said, Said> {
    let start = body.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    let file = start.map(|at| &body[at..]).unwrap_or_default();
    let head = String::from_utf8_lossy(&body[..start.unwrap_or(0)]).into_owned();
    let known = file.starts_with(b"\x89PNG\r\n\x1a\n") || file.starts_with(&[0xff, 0xd8, 0xff]);
    if !known || !head.contains("name=\"image\"") {
        return Err(wrong("image"));
    }
    let id = format!("sg-11134201-{}", world.id());
    world.images.insert(id.clone());
    Ok(Said::response(json!({"image_info": {"image_id": id, "image_url_list": []}})))
}
