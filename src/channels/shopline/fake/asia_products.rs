//! The pretend Asia's products: pages by number or by the last id, stocks by warehouse, and writes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    answers::Said,
    global_products::Passed,
    goods::{Goods, Image, Product, Variant},
    state::World,
};
use crate::channels::{fake::get, shopline::Platform};

/// The most main images of a product.
const MOST_IMAGES: usize = 12;

/// Serves a call that passed the gate.
pub(super) fn serve(world: &mut World, call: &Passed<'_>) -> Said {
    let answered = match (call.method, call.path) {
        ("GET", ["token", "info"]) => token_info(world, call),
        ("GET", ["products"]) => products(world, call),
        ("POST", ["products"]) => create(world, call),
        ("POST", ["products", "search"]) => search(world, call),
        ("PUT", ["products", "status", "bulk"]) => set_status(world, call),
        ("GET", ["warehouses"]) => warehouses(world, call),
        ("GET", ["products", id]) => one(world, call, id).map(Said::ok),
        ("PUT", ["products", id]) => update(world, call, id),
        ("GET", ["products", id, "stocks"]) => stocks(world, call, id),
        ("PUT", ["products", id, "stocks"]) => set_stock(world, call, id),
        ("POST", ["products", id, "variations"]) => create_variation(world, call, id),
        ("POST", ["products", id, "add_images"]) => add_images(world, call, id),
        ("PUT", ["products", id, "update_price"]) => set_price(world, call, id, None),
        ("PUT", ["products", id, "update_quantity"]) => set_quantity(world, call, id, None),
        ("PUT", ["products", id, "variations", own, "update_price"]) => set_price(world, call, id, Some(own)),
        ("PUT", ["products", id, "variations", own, "update_quantity"]) => set_quantity(world, call, id, Some(own)),
        _ => Err(not_found()),
    };
    answered.unwrap_or_else(|refused| refused)
}

fn not_found() -> Said {
    Said::asia(404, "NOT_FOUND", "Not Found")
}

fn unprocessable(words: &str) -> Said {
    Said::asia(422, "UNPROCESSABLE_ENTITY", words)
}

fn goods<'a>(world: &'a mut World, call: &Passed<'_>) -> Result<&'a mut Goods, Said> {
    world.stores.get_mut(call.account).map(|store| &mut store.goods).ok_or_else(not_found)
}

fn there<'a>(world: &'a mut World, call: &Passed<'_>, id: &str) -> Result<&'a mut Product, Said> {
    goods(world, call)?.product(id).filter(|product| product.status != "removed").ok_or_else(not_found)
}

fn token_info(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let store = world.stores.get(call.account).ok_or_else(not_found)?;
    let (id, handle, name) = (call.account, &store.handle, &store.name);
    Ok(Said::ok(json!({"merchant": {"_id": id, "email": "owner@example.com", "handle": handle, "name": name}})))
}

fn products(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let number = |name: &str, default: usize| get(call.query, name).map_or(Some(default), |text| text.parse().ok());
    let (per_page, page) = (number("per_page", 24), number("page", 1));
    let per_page =
        per_page.filter(|size| (1..=999).contains(size)).ok_or_else(|| unprocessable("per_page is invalid"))?;
    let page = page.filter(|page| *page > 0).ok_or_else(|| unprocessable("page is invalid"))?;
    let per_page = per_page.min(world.rules.page_cap);
    let since = get(call.query, "updated_after").map(str::parse::<Timestamp>).transpose();
    let since = since.map_err(|_| unprocessable("updated_after is invalid"))?;
    let previous = get(call.query, "previous_id").filter(|_| world.rules.previous_id).map(str::to_owned);
    let goods = goods(world, call)?;
    // Removed products are told of only where changes are asked for.
    let listed = |product: &&Product| match since {
        Some(since) => product.updated_at >= since,
        None => product.status != "removed",
    };
    let mut found: Vec<&Product> = goods.products.iter().filter(listed).collect();
    if get(call.query, "sort_by") != Some("asc") {
        found.reverse();
    }
    let (total, pages) = (found.len(), found.len().div_ceil(per_page));
    let show = |products: &[&Product]| products.iter().map(|it| shown(goods, it)).collect::<Vec<_>>();
    if let Some(previous) = previous {
        let from = found.iter().position(|product| product.id > previous).unwrap_or(total);
        let items = show(&found[from..(from + per_page).min(total)]);
        return Ok(Said::ok(
            json!({"last_id": items.last().map(|it| it["id"].clone()), "limit": per_page, "items": items}),
        ));
    }
    let from = ((page - 1) * per_page).min(total);
    let items = show(&found[from..(from + per_page).min(total)]);
    let pagination = json!({"current_page": page, "per_page": per_page, "total_pages": pages, "total_count": total});
    Ok(Said::ok(json!({"items": items, "pagination": pagination})))
}

fn search(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let wanted = |name: &str| call.body[name].as_str().map(str::to_owned);
    let (sku, title, status) = (wanted("sku"), wanted("title_translations"), wanted("status"));
    let goods = goods(world, call)?;
    let has = |product: &&Product| {
        product.status != "removed"
            && sku.as_ref().is_none_or(|sku| product.variants.iter().any(|variant| variant.sku == *sku))
            && title.as_ref().is_none_or(|title| product.titles.values().any(|known| known.contains(title)))
            && status.as_ref().is_none_or(|status| product.status == *status)
    };
    let items: Vec<Value> = goods.products.iter().filter(has).map(|product| shown(goods, product)).collect();
    Ok(Said::ok(json!({"items": items, "pagination": {"current_page": 1, "per_page": 50, "total_pages": 1}})))
}

fn one(world: &mut World, call: &Passed<'_>, id: &str) -> Result<Value, Said> {
    let goods = goods(world, call)?;
    let product = goods.products.iter().find(|product| product.id == id && product.status != "removed");
    product.map(|product| shown(goods, product)).ok_or_else(not_found)
}

fn money(goods: &Goods, amount: Decimal) -> Value {
    let number = |amount: Decimal| amount.normalize().to_string().parse::<serde_json::Number>().map(Value::Number);
    let cents = if ["TWD", "JPY"].contains(&goods.currency.as_str()) { amount } else { amount * Decimal::ONE_HUNDRED };
    json!({
        "cents": number(cents).unwrap_or_default(), "dollars": number(amount).unwrap_or_default(),
        "currency_iso": goods.currency, "currency_symbol": "NT$", "label": format!("NT${amount}"),
    })
}

fn shown(goods: &Goods, product: &Product) -> Value {
    let (main, rest) = (product.variants.first(), product.variants.iter().filter(|_| !product.plain));
    let nothing = money(goods, Decimal::ZERO);
    let variations: Value = rest
        .map(|variant| {
            json!({
                "id": variant.id, "sku": variant.sku, "gtin": variant.barcode, "price": money(goods, variant.price),
                "price_sale": nothing, "quantity": variant.stock.values().sum::<i64>(),
                "fields_translations": {"zh-hant": variant.options}, "media": variant.image.as_ref().map(media),
            })
        })
        .collect();
    let variations = if product.garbled { json!("…") } else { variations };
    let titles: Vec<Value> = product
        .options
        .iter()
        .map(|(name, kind)| json!({"key": kind, "label": name, "name_translations": {"zh-hant": name}}))
        .collect();
    let medias: Vec<Value> = product.images.iter().map(media).collect();
    let own = main.filter(|_| product.plain);
    json!({
        "id": product.id, "title_translations": product.titles, "description_translations": product.descriptions,
        "status": product.status, "price": main.map_or(nothing.clone(), |main| money(goods, main.price)),
        "price_sale": nothing, "same_price": product.same_price, "unlimited_quantity": product.unlimited,
        "sku": own.map(|own| own.sku.clone()), "gtin": own.map(|own| own.barcode.clone()), "brand": product.brand,
        "quantity": product.variants.iter().flat_map(|it| it.stock.values()).sum::<i64>(), "medias": medias,
        "field_titles": titles, "variations": variations, "updated_at": product.updated_at.to_string(),
        "created_at": product.created_at.to_string(),
    })
}

fn media(image: &Image) -> Value {
    json!({"id": image.id, "images": {"original": {"width": 800, "height": 800, "url": image.src}}})
}

fn warehouses(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let items: Vec<Value> =
        goods(world, call)?.places.iter().map(|id| json!({"id": id, "name": "Main", "status": "active"})).collect();
    Ok(Said::ok(json!({"items": items, "pagination": {"current_page": 1, "total_pages": 1}})))
}

fn stocks(world: &mut World, call: &Passed<'_>, id: &str) -> Result<Said, Said> {
    let product = there(world, call, id)?;
    let of = |variant: &Variant| {
        variant.stock.iter().map(|(id, pieces)| json!({"warehouse_id": id, "quantity": pieces})).collect::<Vec<_>>()
    };
    let mut said = json!({"id": id, "title_translations": product.titles});
    if product.plain {
        said["stocks"] = product.variants.first().map(of).into();
    } else {
        said["variations"] = product.variants.iter().map(|it| json!({"id": it.id, "stocks": of(it)})).collect();
    }
    Ok(Said::ok(said))
}

fn words(value: &Value) -> BTreeMap<String, String> {
    let all = value.as_object().into_iter().flatten();
    all.filter_map(|(name, word)| Some((name.clone(), word.as_str()?.to_owned()))).collect()
}

/// Texts that are sent replace those of all languages.
fn update(world: &mut World, call: &Passed<'_>, id: &str) -> Result<Said, Said> {
    let product = there(world, call, id)?;
    if product.variants.iter().any(|variant| variant.refused) {
        return Err(unprocessable("the product cannot be changed"));
    }
    for (name, texts) in
        [("title_translations", &mut product.titles), ("description_translations", &mut product.descriptions)]
    {
        if call.body[name].is_object() {
            *texts = words(&call.body[name]);
        }
    }
    product.updated_at = call.now;
    one(world, call, id).map(Said::ok)
}

/// Copies of images that are told by their addresses: JPEG or PNG, as many as a product shows first.
fn images(goods: &mut Goods, urls: &Value) -> Result<Vec<Image>, Said> {
    let urls = urls.as_array().map(Vec::as_slice).unwrap_or_default();
    if urls.len() > MOST_IMAGES {
        return Err(unprocessable("a product has at most 12 main images"));
    }
    let image = |url: &Value| match url.as_str() {
        Some(url) if url.starts_with("http") && !url.contains(".gif") => Ok(goods.copy(Platform::Asia)),
        _ => Err(unprocessable("an image cannot be read")),
    };
    urls.iter().map(image).collect()
}

/// Adds main images to a product, or puts them in the place of those that it has.
fn add_images(world: &mut World, call: &Passed<'_>, id: &str) -> Result<Said, Said> {
    let replaces = call.body[world.rules.replace_word].as_bool().unwrap_or(false);
    if !matches!(call.body["image_type"].as_str(), None | Some("main")) {
        return Err(unprocessable("this pretend shop has main images only"));
    }
    let images = images(goods(world, call)?, &call.body["urls"])?;
    let product = there(world, call, id)?;
    if product.variants.iter().any(|variant| variant.refused) {
        return Err(unprocessable("the product cannot be changed"));
    }
    let before = if replaces { Vec::new() } else { product.images.clone() };
    if before.len() + images.len() > MOST_IMAGES {
        return Err(unprocessable("a product has at most 12 main images"));
    }
    product.images = [before, images].concat();
    product.updated_at = call.now;
    world.stats.images_changed += 1;
    one(world, call, id).map(Said::ok)
}

fn price(value: &Value) -> Result<Decimal, Said> {
    let amount = value.as_number().and_then(|number| number.to_string().parse::<Decimal>().ok());
    amount.filter(|amount| !amount.is_sign_negative()).ok_or_else(|| unprocessable("price must be a number"))
}

/// The variants that a path is about.
fn addressed<'a>(product: &'a mut Product, own: Option<&str>) -> Result<Vec<&'a mut Variant>, Said> {
    let found: Vec<&mut Variant> = match own {
        None => product.variants.iter_mut().collect(),
        Some(own) => product.variants.iter_mut().filter(|variant| variant.id == own).collect(),
    };
    match found.iter().find(|variant| variant.refused) {
        Some(_) => Err(unprocessable("the product cannot be changed")),
        None if found.is_empty() => Err(not_found()),
        None => Ok(found),
    }
}

fn set_price(world: &mut World, call: &Passed<'_>, id: &str, own: Option<&str>) -> Result<Said, Said> {
    let wanted = price(&call.body["price"])?;
    let product = there(world, call, id)?;
    if own.is_some() && product.same_price {
        return Err(unprocessable("the variations have the product's price"));
    }
    if own.is_none() && !product.plain && !product.same_price {
        return Err(unprocessable("the variations have prices of their own"));
    }
    addressed(product, own)?.into_iter().for_each(|variant| variant.price = wanted);
    product.updated_at = call.now;
    world.stats.prices_changed += 1;
    one(world, call, id).map(Said::ok)
}

fn set_quantity(world: &mut World, call: &Passed<'_>, id: &str, own: Option<&str>) -> Result<Said, Said> {
    let pieces = call.body["quantity"].as_i64().filter(|pieces| pieces.abs() <= 9_999_999);
    let pieces = pieces.ok_or_else(|| unprocessable("quantity is out of range"))?;
    if call.body["replace"] != true {
        return Err(unprocessable("this pretend shop only replaces"));
    }
    let place = goods(world, call)?.places.first().cloned().unwrap_or_default();
    let product = there(world, call, id)?;
    if own.is_none() && !product.plain {
        return Err(unprocessable("the variations have quantities of their own"));
    }
    addressed(product, own)?.into_iter().for_each(|variant| variant.stock = [(place.clone(), pieces)].into());
    product.updated_at = call.now;
    world.stats.stocks_changed += 1;
    Ok(Said::ok(json!({"id": id, "quantity": pieces, "updated_at": call.now.to_string()})))
}

fn set_stock(world: &mut World, call: &Passed<'_>, id: &str) -> Result<Said, Said> {
    let pieces = call.body["quantity"].as_i64().ok_or_else(|| unprocessable("quantity is missing"))?;
    let place = call.body["warehouse_id"].as_str().unwrap_or_default().to_owned();
    if !goods(world, call)?.places.contains(&place) || call.body["is_replace"] != true {
        return Err(unprocessable("warehouse_id or is_replace is invalid"));
    }
    let product = there(world, call, id)?;
    let own = call.body["variation_id"].as_str();
    if own.is_none() != product.plain {
        return Err(unprocessable("variation_id is invalid"));
    }
    for variant in addressed(product, own)? {
        variant.stock.insert(place.clone(), pieces);
    }
    product.updated_at = call.now;
    world.stats.stocks_changed += 1;
    stocks(world, call, id)
}

fn set_status(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let wanted = call.body["products"].as_array().cloned().unwrap_or_default();
    if wanted.is_empty() || wanted.len() > 100 {
        return Err(unprocessable("products must be 1 to 100"));
    }
    let (mut updated, mut errors) = (Vec::new(), Vec::new());
    for one in &wanted {
        let (id, status) = (one["id"].as_str().unwrap_or_default(), one["status"].as_str().unwrap_or_default());
        match there(world, call, id) {
            Ok(product) if product.variants.iter().all(|it| !it.refused) && ["active", "draft"].contains(&status) => {
                let was_on_sale = product.status == "active";
                status.clone_into(&mut product.status);
                product.updated_at = call.now;
                updated.push(id.to_owned());
                world.stats.taken_off_sale += u64::from(was_on_sale && status == "draft");
            }
            _ => errors.push(json!({"id": id, "code": "PRODUCT_INVALID", "message": "the product cannot be changed"})),
        }
    }
    Ok(Said::ok(json!({"updated_product_ids": updated, "errors": errors})))
}

fn create(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let fields = &call.body["product"];
    let titles = words(&fields["title_translations"]);
    if titles.values().all(String::is_empty) {
        return Err(unprocessable("title_translations is missing"));
    }
    let price = price(&fields["price"])?;
    let goods = goods(world, call)?;
    let mut product = goods.blank(Platform::Asia, call.now);
    product.titles = titles;
    product.descriptions = words(&fields["description_translations"]);
    fields["status"].as_str().unwrap_or("draft").clone_into(&mut product.status);
    fields["brand"].as_str().unwrap_or_default().clone_into(&mut product.brand);
    fields["category_ids"][0].as_str().unwrap_or_default().clone_into(&mut product.category);
    product.images = images(goods, &fields["images"])?;
    let mut variant = goods.blank_variant(Platform::Asia);
    variant.price = price;
    fields["sku"].as_str().unwrap_or_default().clone_into(&mut variant.sku);
    fields["gtin"].as_str().unwrap_or_default().clone_into(&mut variant.barcode);
    let pieces = fields["quantity"].as_i64().unwrap_or_default();
    variant.stock.values_mut().for_each(|stock| *stock = pieces);
    product.variants.push(variant);
    let id = product.id.clone();
    goods.products.push(product);
    world.stats.created += 1;
    one(world, call, &id).map(Said::ok)
}

fn create_variation(world: &mut World, call: &Passed<'_>, id: &str) -> Result<Said, Said> {
    let fields = &call.body;
    let price = price(&fields["price"])?;
    let options = fields["variant_options"].as_array().cloned().unwrap_or_default();
    let kinds: Vec<String> = options.iter().filter_map(|it| it["type"].as_str().map(str::to_owned)).collect();
    let known = ["color", "size", "custom_1", "custom_2", "custom_3"];
    if kinds.is_empty() || kinds.len() > 3 || kinds.iter().any(|kind| !known.contains(&kind.as_str())) {
        return Err(unprocessable("variant_options is invalid"));
    }
    let mut variant = goods(world, call)?.blank_variant(Platform::Asia);
    variant.price = price;
    fields["sku"].as_str().unwrap_or_default().clone_into(&mut variant.sku);
    fields["gtin"].as_str().unwrap_or_default().clone_into(&mut variant.barcode);
    variant.options = options.iter().filter_map(|it| words(&it["name_translations"]).into_values().next()).collect();
    let pieces = fields["quantity"].as_i64().unwrap_or_default();
    variant.stock.values_mut().for_each(|stock| *stock = pieces);
    let product = there(world, call, id)?;
    if product.plain {
        // What stood for the product itself goes.
        product.variants.clear();
        product.plain = false;
        product.options = kinds.iter().map(|kind| (kind.clone(), kind.clone())).collect();
    }
    if product.options.iter().map(|(_, kind)| kind).ne(&kinds) {
        return Err(unprocessable("variant_options differ from the product's"));
    }
    if product.variants.iter().any(|other| other.options == variant.options) {
        return Err(unprocessable("there is a variation with these options"));
    }
    product.variants.push(variant);
    product.updated_at = call.now;
    world.stats.created += 1;
    one(world, call, id).map(Said::ok)
}
