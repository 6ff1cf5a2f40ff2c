//! The pretend Global's products: lists with `Link` headers, stocks by location, and writes.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    answers::Said,
    goods::{Goods, Image, Product, Variant},
    state::World,
};
use crate::channels::{
    fake::{Query, get},
    shopline::Platform,
};

const LANGUAGE: &str = "";

/// A call that passed the gate.
pub(super) struct Passed<'a> {
    pub(super) method: &'a str,
    /// What follows the version.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a Query,
    pub(super) body: Value,
    pub(super) account: &'a str,
    pub(super) now: Timestamp,
}

/// Serves it.
pub(super) fn serve(world: &mut World, call: &Passed<'_>) -> Said {
    let answered = match (call.method, call.path) {
        ("GET", ["merchants", "shop.json"]) => shop(world, call),
        ("GET", ["products", "products.json"]) => products(world, call),
        ("POST", ["products", "products.json"]) => create(world, call),
        ("PUT", ["products", "variants", id]) => update_variant(world, call, id.trim_end_matches(".json")),
        ("POST", ["products", id, "variants.json"]) => create_variant(world, call, id),
        ("GET", ["products", id]) => product(world, call, id.trim_end_matches(".json")),
        ("PUT", ["products", id]) => update(world, call, id.trim_end_matches(".json")),
        ("GET", ["inventory_levels.json"]) => levels(world, call),
        ("POST", ["inventory_levels", "set.json"]) => set(world, call),
        ("POST", ["inventory_levels", "connect.json"]) => connect(world, call),
        _ => Err(Said::global(404, "Not Found")),
    };
    answered.unwrap_or_else(|refused| refused)
}

fn unprocessable(field: &str, words: &str) -> Said {
    Said::refused_by_field(json!({ field: [words] }))
}

fn goods<'a>(world: &'a mut World, call: &Passed<'_>) -> Result<&'a mut Goods, Said> {
    let store = world.stores.get_mut(call.account);
    store.map(|store| &mut store.goods).ok_or_else(|| Said::global(404, "Not Found"))
}

fn shop(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let store = world.stores.get(call.account).ok_or_else(|| Said::global(404, "Not Found"))?;
    let domain = format!("{}.myshopline.com", store.handle);
    let currency = &store.goods.currency;
    Ok(Said::ok(json!({"data": {"id": call.account, "name": store.name, "currency": currency, "domain": domain}})))
}

/// What a list of products is of. The vendor's token of a next page keeps it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Asked {
    /// The last product of the page before.
    since_id: Option<String>,
    updated_at_min: Option<Timestamp>,
    created_at_min: Option<Timestamp>,
    title: Option<String>,
    newest_first: bool,
}

impl Asked {
    fn read(query: &Query) -> Result<Self, Said> {
        let instant = |name: &str| {
            let text = get(query, name).map(str::parse::<Timestamp>);
            text.transpose().map_err(|_| unprocessable(name, "is no time"))
        };
        let newest_first = match get(query, "order_by") {
            None | Some("created_at_asc") => false,
            Some("created_at_desc") => true,
            Some(_) => return Err(unprocessable("order_by", "is unknown")),
        };
        Ok(Self {
            since_id: None,
            updated_at_min: instant("updated_at_min")?,
            created_at_min: instant("created_at_min")?,
            title: get(query, "title").map(str::to_lowercase),
            newest_first,
        })
    }

    /// By title it is a search, not a comparison.
    fn has(&self, product: &Product, by_title: bool) -> bool {
        let past = |last: &String| if self.newest_first { product.id < *last } else { product.id > *last };
        self.since_id.as_ref().is_none_or(past)
            && self.updated_at_min.is_none_or(|since| product.updated_at >= since)
            && self.created_at_min.is_none_or(|since| product.created_at >= since)
            && (!by_title || self.title.as_ref().is_none_or(|title| product.title().to_lowercase().contains(title)))
    }
}

fn products(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let limit = get(call.query, "limit").map_or(Some(50), |text| text.parse().ok()).filter(|it| (1..=250).contains(it));
    let limit: usize = limit.ok_or_else(|| unprocessable("limit", "must be from 1 to 250"))?;
    let limit = limit.min(world.rules.page_cap);
    let asked = match get(call.query, "page_info") {
        None => Asked::read(call.query)?,
        Some(token) => {
            if call.query.iter().any(|(name, _)| !["page_info", "limit", "fields"].contains(&name.as_str())) {
                world.stats.mixed_page_info += 1;
            }
            let known = STANDARD.decode(token).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            known.filter(|_| !world.rules.tokens_forgotten).ok_or_else(|| unprocessable("page_info", "is invalid"))?
        }
    };
    let looped = get(call.query, "page_info").filter(|_| world.rules.pages_loop).map(str::to_owned);
    let (by_title, version) = (world.rules.title_filter, "v20260601");
    let goods = goods(world, call)?;
    let mut found: Vec<&Product> = goods.products.iter().filter(|product| asked.has(product, by_title)).collect();
    if asked.newest_first {
        found.reverse();
    }
    let (more, page) = (found.len() > limit, &found[..limit.min(found.len())]);
    let said = Said::ok(json!({"products": page.iter().map(|product| shown(product)).collect::<Vec<_>>()}));
    let Some(last) = page.last().filter(|_| more) else { return Ok(said) };
    let token = Asked { since_id: Some(last.id.clone()), ..asked };
    let token = looped.unwrap_or_else(|| STANDARD.encode(json!(token).to_string()));
    let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let address = format!("https://handle.myshopline.com/admin/openapi/{version}/products/products.json");
    let link = format!(
        "<{address}?limit={limit}&page_info=abc%3D>; rel=\"previous\",<{address}?limit={limit}&page_info={token}>; rel=\"next\""
    );
    Ok(said.with_link(link))
}

fn product(world: &mut World, call: &Passed<'_>, id: &str) -> Result<Said, Said> {
    let found = goods(world, call)?.product(id);
    found.map(|product| Said::ok(json!({"product": shown(product)}))).ok_or_else(|| Said::global(404, "Not Found"))
}

fn shown(product: &Product) -> Value {
    let options: Vec<Value> = product
        .options
        .iter()
        .enumerate()
        .map(|(index, (name, _))| {
            let values: Vec<_> = product.variants.iter().filter_map(|variant| variant.options.get(index)).collect();
            let images = if index == 0 { json!(product.value_images) } else { json!({}) };
            json!({"id": format!("o{index}"), "name": name, "values": values, "values_images": images})
        })
        .collect();
    let images: Vec<Value> = product.images.iter().map(shown_image).collect();
    let variants: Value = product.variants.iter().map(|variant| shown_variant(product, variant)).collect();
    let variants = if product.garbled { json!("…") } else { variants };
    json!({
        "id": product.id, "title": product.title(), "handle": "a-product", "status": product.status, "spu": "",
        "vendor": product.brand, "product_category": product.category, "tags": "",
        "body_html": product.descriptions.get(LANGUAGE), "created_at": product.created_at.to_string(),
        "updated_at": product.updated_at.to_string(), "options": options, "images": images, "variants": variants,
    })
}

fn shown_image(image: &Image) -> Value {
    json!({"id": image.id, "src": image.src, "alt": ""})
}

fn shown_variant(product: &Product, variant: &Variant) -> Value {
    let mut shown = json!({
        "id": variant.id, "product_id": product.id, "sku": variant.sku, "barcode": variant.barcode,
        "price": format!("{:.2}", variant.price), "compare_at_price": null, "inventory_item_id": variant.item,
        "inventory_quantity": variant.stock.values().sum::<i64>(), "inventory_tracker": variant.tracked,
        "image": variant.image.as_ref().map(shown_image), "inventory_policy": "deny", "weight": "0.2", "weight_unit": "kg", "taxable": true, "required_shipping": true,
    });
    for index in 0..5 {
        shown[format!("option{}", index + 1)] =
            json!(variant.options.get(index).map(String::as_str).unwrap_or_default());
    }
    shown
}

/// A price as the vendor takes it: not below zero, rounded to two digits.
fn price(value: &Value) -> Result<Decimal, Said> {
    let amount =
        value.as_str().and_then(|text| text.parse::<Decimal>().ok()).filter(|amount| !amount.is_sign_negative());
    amount.map(|amount| amount.round_dp(2)).ok_or_else(|| unprocessable("price", "is not a price"))
}

fn texts(product: &mut Product, fields: &Value) -> Result<(), Said> {
    if let Some(title) = fields["title"].as_str() {
        if title.trim().is_empty() || title.chars().count() > 255 {
            return Err(unprocessable("title", "must have 1 to 255 characters"));
        }
        product.titles.insert(LANGUAGE.to_owned(), title.to_owned());
    }
    if let Some(text) = fields["body_html"].as_str() {
        if text.contains("counterfeit") {
            return Err(Said::global(412, "the product has high-risk content"));
        }
        product.descriptions.insert(LANGUAGE.to_owned(), text.to_owned());
    }
    Ok(())
}

/// A list of images that takes the place of a product's: those that are named by their ids stay as they are, of others a copy is made.
fn images(goods: &mut Goods, product: &str, list: &[Value]) -> Result<Vec<Image>, Said> {
    if list.len() > 502 {
        return Err(unprocessable("images", "must be 502 at most"));
    }
    let known = goods.product(product).map(|product| product.images.clone()).unwrap_or_default();
    let image = |one: &Value| match (one["id"].as_str(), one["src"].as_str()) {
        (Some(id), _) => {
            let same = known.iter().find(|image| image.id == id).cloned();
            same.ok_or_else(|| unprocessable("images", "has an id that the product does not have"))
        }
        (None, Some(src)) if src.starts_with("http") && src.len() <= 255 => Ok(goods.copy(Platform::Global)),
        _ => Err(unprocessable("images", "has an address that is none")),
    };
    list.iter().map(image).collect()
}

/// Whoever showed an image that is gone shows none.
fn lose_images(product: &mut Product) {
    let images = &product.images;
    for variant in &mut product.variants {
        variant.image = variant.image.take().filter(|image| images.contains(image));
    }
    product.value_images.retain(|_, src| images.iter().any(|image| image.src == *src));
}

fn update(world: &mut World, call: &Passed<'_>, id: &str) -> Result<Said, Said> {
    let fields = &call.body["product"];
    let goods = goods(world, call)?;
    let product = goods.product(id).ok_or_else(|| Said::global(404, "Not Found"))?;
    if product.variants.iter().any(|variant| variant.refused) {
        return Err(unprocessable("base", "the product cannot be changed"));
    }
    // The vendor's page names `draft` as the default.
    let status = fields["status"].as_str().unwrap_or("draft");
    if !["active", "draft", "archived"].contains(&status) {
        return Err(unprocessable("status", "is unknown"));
    }
    let images = match fields["images"].as_array() {
        None => None,
        Some(list) => Some(images(goods, id, list)?),
    };
    let product = goods.product(id).ok_or_else(|| Said::global(404, "Not Found"))?;
    texts(product, fields)?;
    let looks_changed = images.is_some();
    if let Some(images) = images {
        product.images = images;
        lose_images(product);
    }
    let was_on_sale = product.status == "active";
    status.clone_into(&mut product.status);
    product.updated_at = call.now;
    let said = Said::ok(json!({"product": shown(product)}));
    world.stats.images_changed += u64::from(looks_changed);
    world.stats.taken_off_sale += u64::from(was_on_sale && status != "active");
    Ok(said)
}

fn update_variant(world: &mut World, call: &Passed<'_>, id: &str) -> Result<Said, Said> {
    let wanted = price(&call.body["variant"]["price"])?;
    let goods = goods(world, call)?;
    for product in &mut goods.products {
        if let Some(index) = product.variants.iter().position(|variant| variant.id == id) {
            if product.variants[index].refused {
                return Err(unprocessable("base", "the variant cannot be changed"));
            }
            product.variants[index].price = wanted;
            product.updated_at = call.now;
            let said = Said::ok(json!({"variant": shown_variant(product, &product.variants[index])}));
            world.stats.prices_changed += 1;
            return Ok(said);
        }
    }
    Err(Said::global(404, "Not Found"))
}

/// Reads a variant that is to be made.
fn read_variant(goods: &mut Goods, fields: &Value, options: usize) -> Result<Variant, Said> {
    let mut variant = goods.blank_variant(Platform::Global);
    variant.price = price(&fields["price"])?;
    fields["sku"].as_str().unwrap_or_default().clone_into(&mut variant.sku);
    fields["barcode"].as_str().unwrap_or_default().clone_into(&mut variant.barcode);
    variant.tracked = fields["inventory_tracker"].as_bool().unwrap_or(true);
    for index in 0..options {
        let value = fields[format!("option{}", index + 1)].as_str().filter(|value| !value.is_empty());
        variant.options.push(value.ok_or_else(|| unprocessable("option", "has no value"))?.to_owned());
    }
    if !fields[format!("option{}", options + 1)].is_null() {
        return Err(unprocessable("option", "is not one of the product's"));
    }
    Ok(variant)
}

fn create(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let fields = &call.body["product"];
    let goods = goods(world, call)?;
    let mut product = goods.blank(Platform::Global, call.now);
    if fields["title"].as_str().is_none() {
        return Err(unprocessable("title", "is missing"));
    }
    texts(&mut product, fields)?;
    fields["status"].as_str().unwrap_or("draft").clone_into(&mut product.status);
    fields["vendor"].as_str().unwrap_or_default().clone_into(&mut product.brand);
    fields["product_category"].as_str().unwrap_or_default().clone_into(&mut product.category);
    let none = Vec::new();
    let all = |name: &str| fields[name].as_array().unwrap_or(&none).clone();
    product.images = images(goods, "", &all("images"))?;
    product.options =
        all("options").iter().filter_map(|it| Some((it["name"].as_str()?.to_owned(), String::new()))).collect();
    let variants = all("variants");
    if product.options.len() > 5 || variants.len() > 500 || variants.is_empty() {
        return Err(unprocessable("variants", "must be 1 to 500, with at most 5 options"));
    }
    for fields in &variants {
        let variant = read_variant(goods, fields, product.options.len())?;
        if product.variants.iter().any(|other| other.options == variant.options) {
            return Err(unprocessable("variants", "have equal options"));
        }
        product.variants.push(variant);
    }
    let said = Said::ok(json!({"product": shown(&product)}));
    goods.products.push(product);
    world.stats.created += 1;
    Ok(said)
}

fn create_variant(world: &mut World, call: &Passed<'_>, id: &str) -> Result<Said, Said> {
    let goods = goods(world, call)?;
    let options = goods.product(id).ok_or_else(|| Said::global(404, "Not Found"))?.options.len();
    let variant = read_variant(goods, &call.body["variant"], options)?;
    let product = goods.product(id).ok_or_else(|| Said::global(404, "Not Found"))?;
    if product.variants.iter().any(|other| other.options == variant.options) {
        return Err(unprocessable("variant", "there is one with equal options"));
    }
    let said = Said::ok(json!({"variant": shown_variant(product, &variant)}));
    product.variants.push(variant);
    product.updated_at = call.now;
    world.stats.created += 1;
    Ok(said)
}

fn levels(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let ids = get(call.query, "inventory_item_ids").filter(|ids| !ids.is_empty());
    let ids: Vec<&str> = ids.ok_or_else(|| unprocessable("inventory_item_ids", "is required"))?.split(',').collect();
    let goods = goods(world, call)?;
    let variants = goods.products.iter().flat_map(|product| &product.variants);
    let levels: Vec<Value> = variants
        .filter(|variant| ids.contains(&variant.item.as_str()))
        .flat_map(|variant| variant.stock.iter().map(|(place, pieces)| level(variant, place, *pieces)))
        .collect();
    Ok(Said::ok(json!({"inventory_levels": levels})))
}

fn level(variant: &Variant, place: &str, pieces: i64) -> Value {
    json!({"inventory_item_id": variant.item, "variant_id": variant.id, "location_id": place, "available": pieces})
}

/// The variant of an item, and a location of the store.
fn at<'a>(goods: &'a mut Goods, body: &Value) -> Result<(&'a mut Variant, String), Said> {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let (item, place) = (text("inventory_item_id"), text("location_id"));
    if !goods.places.contains(&place) {
        return Err(unprocessable("location_id", "does not exist"));
    }
    let mut variants = goods.products.iter_mut().flat_map(|product| &mut product.variants);
    let variant = variants.find(|variant| variant.item == item).ok_or_else(|| Said::global(404, "Not Found"))?;
    Ok((variant, place))
}

/// Whether this moves the product's `updated_at` the vendor does not say: here it does not.
fn set(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let available = call.body["available"].as_i64().ok_or_else(|| unprocessable("available", "is no number"))?;
    let (variant, place) = at(goods(world, call)?, &call.body)?;
    if variant.refused || !variant.tracked {
        return Err(unprocessable("base", "the stock cannot be changed"));
    }
    if !variant.stock.contains_key(&place) {
        return Err(unprocessable("location_id", "the item is not stocked there"));
    }
    variant.stock.insert(place.clone(), available);
    let said = Said::ok(json!({"inventory_level": level(variant, &place, available)}));
    world.stats.stocks_changed += 1;
    Ok(said)
}

fn connect(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let (variant, place) = at(goods(world, call)?, &call.body)?;
    let pieces = *variant.stock.entry(place.clone()).or_default();
    Ok(Said::ok(json!({"inventory_level": level(variant, &place, pieces)})))
}
