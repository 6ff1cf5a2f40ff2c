//! The endpoints that make and edit products: details, images, creating, partial edits, activating.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Said,
    api::Passed,
    products::{body, shop, shown},
    state::{Audit, Edited, Product, Shop, ShopSku, World},
};

/// Countries whose categories are of the second version.
const V2: [&str; 7] = ["US", "ID", "MY", "PH", "SG", "TH", "VN"];
/// Countries in which a title may be short, and a product has 100 SKUs at most.
const US_AND_GB: [&str; 2] = ["US", "GB"];

/// The codes here are of the right kind, but made up where the vendor's pages name none.
fn refused(code: i64, message: impl Into<String>) -> Said {
    Said::error(200, code, message)
}

/// A product whole. Whoever looks also learns how the audit ended.
pub(super) fn details(world: &mut World, call: &Passed<'_>, id: &str) -> Result<Said, Said> {
    let verdict = world.rules.audit;
    let shop = shop(world, call)?;
    if let Some(product) = shop.products.get_mut(id).filter(|product| product.audit == "AUDITING") {
        judge(product, verdict);
    }
    let product = shop.products.get(id).ok_or_else(|| refused(12_052_048, "the product does not exist"))?;
    let mut whole = shown(shop, id, product);
    let under_review = super::get(call.query, "return_under_review_version") == Some("true");
    let version =
        if under_review { product.under_review() } else { Product { edited: None, ..product.clone() }.under_review() };
    (whole["title"], whole["description"]) = (json!(version.title), json!(version.description));
    if !product.brand.is_empty() {
        whole["brand"] = json!({"id": "7082427311584347905", "name": product.brand});
    }
    whole["category_chains"] = json!([{"id": product.category, "is_leaf": true, "local_name": "Shirts"}]);
    let image = |name: &String| json!({"uri": name, "urls": [name], "thumb_urls": [name], "width": 800, "height": 800});
    whole["main_images"] = version.images.iter().map(image).collect();
    let attribute =
        |(id, values): (&String, &Vec<Value>)| json!({"id": id, "name": format!("Attribute {id}"), "values": values});
    whole["product_attributes"] = version.attributes.iter().map(attribute).collect();
    for (shown, sku) in whole["skus"].as_array_mut().into_iter().flatten().zip(&product.skus) {
        shown["sales_attributes"] = sku
            .options
            .iter()
            .map(
                |(name, value)| json!({"id": id_of(name), "name": name, "value_id": id_of(value), "value_name": value}),
            )
            .collect();
        if !sku.barcode.is_empty() {
            shown["identifier_code"] = json!({"code": sku.barcode, "type": "EAN"});
        }
    }
    if product.audit == "FAILED" {
        whole["audit_failed_reasons"] = json!([{
            "position": "Product name", "reasons": ["The name is incomplete."], "suggestions": ["Say what it is."],
        }]);
    }
    Ok(Said::data(whole))
}

fn judge(product: &mut Product, verdict: Audit) {
    match verdict {
        Audit::Open => {}
        Audit::Passes => {
            if let Some(Edited { title, description, images, attributes }) = product.edited.take() {
                (product.title, product.description) = (title, description);
                (product.images, product.attributes) = (images, attributes);
            }
            "APPROVED".clone_into(&mut product.audit);
            if product.status == "PENDING" {
                "ACTIVATE".clone_into(&mut product.status);
            }
        }
        Audit::Fails => {
            product.edited = None;
            "FAILED".clone_into(&mut product.audit);
            if product.status == "PENDING" {
                "FAILED".clone_into(&mut product.status);
            }
        }
    }
}

/// A number made of a text, as the vendor numbers attributes and their values.
fn id_of(text: &str) -> String {
    text.bytes().fold(100_000_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 1_000_000_007).to_string()
}

/// Takes an image in. The body is a form in parts: `data` and `use_case`.
pub(super) fn upload(world: &mut World, content_type: &str, body: &[u8]) -> Result<Said, Said> {
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=");
    let boundary = boundary.ok_or_else(|| Said::error(400, 36_009_004, "Invalid content type"))?.trim_matches('"');
    let text = String::from_utf8_lossy(body);
    let part = |name: &str| text.contains(&format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\""));
    if !part("data") || !part("use_case") || !text.ends_with(&format!("\r\n--{boundary}--\r\n")) {
        return Err(Said::error(400, 36_009_004, "Invalid form: data and use_case are required"));
    }
    let (jpeg, png) = ([0xff_u8, 0xd8, 0xff], [0x89_u8, b'P', b'N', b'G']);
    if !body.windows(4).any(|window| window.starts_with(&jpeg) || window == png) {
        return Err(refused(12_052_220, "the image's format is not supported"));
    }
    world.stats.images += 1;
    let uri = format!("tos-maliva-i-o3syd03w52-us/{:032x}", world.stats.images);
    world.images.insert(uri.clone());
    Ok(Said::data(json!({
        "uri": uri, "url": format!("https://p16.example/{uri}.jpeg"), "width": 800, "height": 800, "use_case": "MAIN_IMAGE",
    })))
}

#[derive(Deserialize)]
struct NewProduct {
    title: String,
    description: String,
    category_id: String,
    #[serde(default)]
    category_version: Option<String>,
    #[serde(default)]
    brand_id: Option<String>,
    main_images: Vec<Uri>,
    package_weight: Weight,
    skus: Vec<NewSku>,
    #[serde(default)]
    save_mode: Option<String>,
    #[serde(default)]
    idempotency_key: Option<String>,
    #[serde(default)]
    product_attributes: Vec<OfProduct>,
}

/// An attribute of a product: each value is one of the vendor's, by id, or the seller's own, by name.
#[derive(Deserialize)]
struct OfProduct {
    id: String,
    values: Vec<Value>,
}

#[derive(Deserialize)]
struct Uri {
    uri: String,
}

#[derive(Deserialize)]
struct Weight {
    value: String,
    unit: String,
}

#[derive(Deserialize)]
struct NewSku {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    sales_attributes: Vec<Attribute>,
    #[serde(default)]
    seller_sku: String,
    price: Amount,
    inventory: Vec<Pieces>,
    #[serde(default)]
    identifier_code: Option<Code>,
}

#[derive(Deserialize)]
struct Attribute {
    #[serde(default)]
    name: String,
    #[serde(default)]
    value_name: String,
}

#[derive(Deserialize)]
struct Amount {
    amount: String,
    currency: String,
}

#[derive(Deserialize)]
struct Pieces {
    warehouse_id: String,
    quantity: i64,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

/// Looks a new product over without making it.
pub(super) fn listing_check(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let wanted: NewProduct = body(call)?;
    let images = world.images.clone();
    let least = i64::from(world.rules.refuses_zero_stock);
    Ok(match check(shop(world, call)?, &images, least, &wanted) {
        Ok(()) => Said::data(json!({"check_result": "PASS", "fail_reasons": []})),
        Err(said) => Said::data(json!({"check_result": "FAILED", "fail_reasons": [{"message": said.message}]})),
    })
}

pub(super) fn create(world: &mut World, call: &Passed<'_>, now: Timestamp) -> Result<Said, Said> {
    let wanted: NewProduct = body(call)?;
    if let Some(answer) = wanted.idempotency_key.as_ref().and_then(|key| world.answered.get(key)) {
        return Ok(Said::data(answer.clone()));
    }
    let least = i64::from(world.rules.refuses_zero_stock);
    let images = world.images.clone();
    check(shop(world, call)?, &images, least, &wanted)?;
    let id = world.id();
    let ids: Vec<_> = wanted.skus.iter().map(|_| world.id()).collect();
    let skus: Vec<_> = wanted.skus.iter().zip(&ids).map(|(sku, id)| made(sku, id)).collect();
    let answer = json!({
        "product_id": id, "warnings": [],
        "skus": skus.iter().map(|sku| json!({"id": sku.id, "seller_sku": sku.seller_sku})).collect::<Vec<_>>(),
    });
    let draft = wanted.save_mode.as_deref() == Some("AS_DRAFT");
    let product = Product {
        title: wanted.title,
        description: wanted.description,
        brand: wanted.brand_id.map(|id| format!("Brand {id}")).unwrap_or_default(),
        category: wanted.category_id,
        images: wanted.main_images.into_iter().map(|image| image.uri).collect(),
        attributes: attributes(&wanted.product_attributes),
        audit: if draft { "NONE" } else { "AUDITING" }.to_owned(),
        status: if draft { "DRAFT" } else { "PENDING" }.to_owned(),
        created_at: now,
        updated_at: now,
        skus,
        ..Product::default()
    };
    shop(world, call)?.products.insert(id, product);
    world.stats.created += 1;
    if let Some(key) = wanted.idempotency_key {
        world.answered.insert(key, answer.clone());
    }
    Ok(Said::data(answer))
}

fn made(sku: &NewSku, id: &str) -> ShopSku {
    ShopSku {
        id: id.to_owned(),
        seller_sku: sku.seller_sku.clone(),
        barcode: sku.identifier_code.as_ref().map(|code| code.code.clone()).unwrap_or_default(),
        price: sku.price.amount.parse().unwrap_or_default(),
        inventory: sku.inventory.iter().map(|pieces| (pieces.warehouse_id.clone(), pieces.quantity)).collect(),
        options: options(sku),
    }
}

fn options(sku: &NewSku) -> Vec<(String, String)> {
    sku.sales_attributes.iter().map(|one| (one.name.clone(), one.value_name.clone())).collect()
}

fn check(shop: &Shop, images: &BTreeSet<String>, least: i64, wanted: &NewProduct) -> Result<(), Said> {
    check_texts(shop, Some(&wanted.title), Some(&wanted.description))?;
    let version = if V2.contains(&shop.region.as_str()) { "v2" } else { "v1" };
    if wanted.category_version.as_deref().unwrap_or("v1") != version {
        return Err(refused(12_052_251, format!("category_version must be {version} in {}", shop.region)));
    }
    if wanted.category_id.is_empty() || !wanted.category_id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused(12_052_017, "the category is invalid"));
    }
    check_images(images, &wanted.main_images)?;
    check_attributes(&wanted.product_attributes)?;
    let weight = wanted.package_weight.value.parse::<Decimal>().unwrap_or_default();
    if weight <= Decimal::ZERO || !["KILOGRAM", "GRAM", "POUND"].contains(&wanted.package_weight.unit.as_str()) {
        return Err(refused(12_052_023, "package_weight is invalid"));
    }
    check_skus(shop, least, &wanted.skus)
}

fn check_images(taken_in: &BTreeSet<String>, images: &[Uri]) -> Result<(), Said> {
    if images.is_empty() || images.len() > 9 {
        return Err(refused(12_052_015, "main_images must hold 1 to 9 images"));
    }
    if !images.iter().all(|image| taken_in.contains(&image.uri)) {
        return Err(refused(12_052_016, "main_images must be images taken in before"));
    }
    Ok(())
}

fn check_attributes(attributes: &[OfProduct]) -> Result<(), Said> {
    let text = |value: &Value, name: &str| value[name].as_str().is_some_and(|text| !text.is_empty());
    let ids: BTreeSet<&str> = attributes.iter().map(|one| one.id.as_str()).collect();
    let sound = |one: &OfProduct| {
        !one.id.is_empty()
            && one.id.bytes().all(|byte| byte.is_ascii_digit())
            && !one.values.is_empty()
            && one.values.iter().all(|value| text(value, "id") || text(value, "name"))
    };
    if ids.len() < attributes.len() || !attributes.iter().all(sound) {
        return Err(refused(12_052_018, "product_attributes is invalid"));
    }
    Ok(())
}

/// As the shop has them then: the seller's own words get no id.
fn attributes(wanted: &[OfProduct]) -> BTreeMap<String, Vec<Value>> {
    let value = |value: &Value| match value["id"].as_str().filter(|id| !id.is_empty()) {
        Some(id) => json!({"id": id, "name": format!("Value {id}")}),
        None => json!({"id": "", "name": value["name"]}),
    };
    wanted.iter().map(|one| (one.id.clone(), one.values.iter().map(value).collect())).collect()
}

fn check_texts(shop: &Shop, title: Option<&str>, description: Option<&str>) -> Result<(), Said> {
    let least = if US_AND_GB.contains(&shop.region.as_str()) { 1 } else { 25 };
    if title.is_some_and(|title| !(least..=255).contains(&title.chars().count())) {
        return Err(refused(12_052_012, format!("the title must have {least} to 255 characters")));
    }
    if description.is_some_and(|text| text.is_empty() || text.chars().count() > 10_000) {
        return Err(refused(12_052_013, "the description must have 1 to 10,000 characters"));
    }
    Ok(())
}

fn check_skus(shop: &Shop, least: i64, skus: &[NewSku]) -> Result<(), Said> {
    let most = if US_AND_GB.contains(&shop.region.as_str()) { 100 } else { 300 };
    if skus.is_empty() || skus.len() > most {
        return Err(refused(12_052_031, format!("a product must have 1 to {most} SKUs")));
    }
    let mut seen = BTreeSet::new();
    let names = |sku: &NewSku| options(sku).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    for sku in skus {
        if sku.seller_sku.chars().count() > 50 {
            return Err(refused(12_052_034, "a seller_sku has at most 50 characters"));
        }
        if names(sku) != names(&skus[0]) || sku.sales_attributes.len() > 3 {
            return Err(refused(12_052_036, "all SKUs must have the same sales attributes, 3 at most"));
        }
        let fits = |text: &str, most: usize| (1..=most).contains(&text.chars().count());
        if !sku.sales_attributes.iter().all(|one| fits(&one.name, 20) && fits(&one.value_name, 50)) {
            return Err(refused(12_052_037, "a sales attribute is too long"));
        }
        if !seen.insert(options(sku)) {
            return Err(refused(12_052_035, "the sales attributes of two SKUs are equal"));
        }
        let amount = sku.price.amount.parse::<Decimal>().ok();
        if amount.is_none_or(|amount| amount <= Decimal::ZERO || amount.scale() > shop.currency.digits())
            || sku.price.currency != shop.currency.as_str()
        {
            return Err(refused(12_052_050, format!("{} is not a price", sku.price.amount)));
        }
        for pieces in &sku.inventory {
            if !shop.warehouses.contains(&pieces.warehouse_id) || !(least..=99_999).contains(&pieces.quantity) {
                return Err(refused(12_019_029, format!("a quantity of {} is out of range", pieces.quantity)));
            }
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Edit {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    skus: Option<Vec<NewSku>>,
    #[serde(default)]
    main_images: Option<Vec<Uri>>,
    #[serde(default)]
    product_attributes: Option<Vec<OfProduct>>,
}

/// Each property that is sent replaces the old one as a whole: SKUs and attributes that are left out are deleted. All but SKUs waits for
/// the audit.
pub(super) fn partial_edit(world: &mut World, call: &Passed<'_>, id: &str, now: Timestamp) -> Result<Said, Said> {
    let wanted: Edit = body(call)?;
    let least = i64::from(world.rules.refuses_zero_stock);
    if let Some(images) = &wanted.main_images {
        check_images(&world.images, images)?;
    }
    check_attributes(wanted.product_attributes.as_deref().unwrap_or_default())?;
    let fresh: Vec<_> = wanted.skus.iter().flatten().map(|_| world.id()).collect();
    let shop = shop(world, call)?;
    check_texts(shop, wanted.title.as_deref(), wanted.description.as_deref())?;
    if let Some(skus) = &wanted.skus {
        check_skus(shop, least, skus)?;
    }
    let product = super::products::changeable(shop, id)?;
    if let Some(skus) = &wanted.skus {
        let known: BTreeSet<_> = product.skus.iter().map(|sku| sku.id.clone()).collect();
        if skus.iter().filter_map(|sku| sku.id.as_ref()).any(|id| !known.contains(id)) {
            return Err(refused(12_052_049, "a SKU does not belong to the product"));
        }
        let ids = skus.iter().zip(&fresh).map(|(sku, fresh)| sku.id.as_ref().unwrap_or(fresh));
        product.skus = skus.iter().zip(ids).map(|(sku, id)| made(sku, id)).collect();
    }
    let before = product.under_review();
    if wanted.skus.is_none() || wanted.title.is_some() || wanted.description.is_some() {
        let uris = |images: Vec<Uri>| images.into_iter().map(|image| image.uri).collect();
        product.edited = Some(Edited {
            title: wanted.title.unwrap_or(before.title),
            description: wanted.description.unwrap_or(before.description),
            images: wanted.main_images.map_or(before.images, uris),
            attributes: wanted.product_attributes.as_deref().map_or(before.attributes, attributes),
        });
    }
    "AUDITING".clone_into(&mut product.audit);
    product.updated_at = now;
    let skus: Vec<_> = product.skus.iter().map(|sku| json!({"id": sku.id, "seller_sku": sku.seller_sku})).collect();
    Ok(Said::data(json!({"product_id": id, "skus": skus, "warnings": []})))
}

/// Where the shop keeps its goods.
pub(super) fn warehouses(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let warehouses: Vec<Value> = shop(world, call)?
        .warehouses
        .iter()
        .enumerate()
        .map(|(index, id)| {
            json!({"id": id, "name": format!("Warehouse {id}"), "type": "SALES_WAREHOUSE", "sub_type": "DOMESTIC_WAREHOUSE",
                "is_default": index == 0, "effect_status": "ENABLED"})
        })
        .collect();
    Ok(Said::data(json!({"warehouses": warehouses})))
}
