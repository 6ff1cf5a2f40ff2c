//! The product endpoints: searching, prices, stock, taking off sale and putting back.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Said,
    api::Passed,
    get,
    state::{Product, Shop, ShopSku, World},
};

/// Puts `+` and `/` into page tokens, so that a caller who forgets to encode them is noticed.
const TOKEN_MARK: &[u8] = &[0xfb, 0xef, 0xff];

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    create_time_ge: Option<i64>,
    #[serde(default)]
    create_time_le: Option<i64>,
    #[serde(default)]
    update_time_ge: Option<i64>,
    #[serde(default)]
    update_time_le: Option<i64>,
    #[serde(default)]
    seller_skus: Vec<String>,
}

impl Search {
    fn finds(&self, product: &Product) -> bool {
        let within = |at: Timestamp, from: Option<i64>, to: Option<i64>| {
            from.is_none_or(|from| at.as_second() >= from) && to.is_none_or(|to| at.as_second() <= to)
        };
        let skus = &self.seller_skus;
        (skus.is_empty() || product.skus.iter().any(|sku| skus.contains(&sku.seller_sku)))
            && self.status.as_deref().is_none_or(|status| status == "ALL" || status == product.status)
            && within(product.created_at, self.create_time_ge, self.create_time_le)
            && within(product.updated_at, self.update_time_ge, self.update_time_le)
    }
}

pub(super) fn body<T: serde::de::DeserializeOwned>(call: &Passed<'_>) -> Result<T, Said> {
    serde_json::from_value(call.body.clone())
        .map_err(|error| Said::error(400, 36_009_004, format!("Invalid body: {error}")))
}

pub(super) fn shop<'a>(world: &'a mut World, call: &Passed<'_>) -> Result<&'a mut Shop, Said> {
    world.shops.get_mut(&call.shop).ok_or_else(|| Said::error(400, 36_009_004, "shop_cipher is invalid"))
}

pub(super) fn search(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let wanted: Search = body(call)?;
    let size = get(call.query, "page_size").and_then(|text| text.parse().ok()).filter(|size| (1..=100).contains(size));
    let size: usize = size.ok_or_else(|| Said::error(400, 36_009_004, "page_size must be from 1 to 100"))?;
    let (size, cap) = (size.min(world.rules.page_cap), world.rules.result_cap);
    let after = match get(call.query, "page_token") {
        None => String::new(),
        Some(token) => read_token(token).ok_or_else(|| Said::error(400, 36_009_004, "page_token is invalid"))?,
    };
    let loops = world.rules.loops_pages && !after.is_empty();
    let shop = shop(world, call)?;
    if wanted.seller_skus.len() > 10 {
        return Err(Said::error(400, 36_009_004, "seller_skus must hold at most 10"));
    }
    let found: Vec<_> = shop.products.iter().filter(|(_, product)| wanted.finds(product)).collect();
    if found.len() > cap {
        return Err(Said::error(200, 12_052_180, format!("more than {cap} products match; narrow the filter")));
    }
    let total = found.len();
    let mut rest = found.into_iter().filter(|(id, _)| **id > after);
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let more = rest.next().is_some();
    let next = page.last().filter(|_| more).map(|(id, _)| STANDARD.encode([TOKEN_MARK, id.as_bytes()].concat()));
    let next = if loops { get(call.query, "page_token").map(str::to_owned) } else { next };
    let products: Vec<_> = page.into_iter().map(|(id, product)| shown(shop, id, product)).collect();
    Ok(Said::data(json!({
        "total_count": total, "next_page_token": next.unwrap_or_default(), "products": products,
    })))
}

fn read_token(token: &str) -> Option<String> {
    let bytes = STANDARD.decode(token).ok()?;
    String::from_utf8(bytes.strip_prefix(TOKEN_MARK)?.to_vec()).ok()
}

pub(super) fn shown(shop: &Shop, id: &str, product: &Product) -> Value {
    let skus: Vec<_> = product
        .skus
        .iter()
        .map(|sku| {
            let inventory: Vec<_> =
                sku.inventory.iter().map(|(id, quantity)| json!({"warehouse_id": id, "quantity": quantity})).collect();
            json!({
                "id": sku.id, "seller_sku": sku.seller_sku, "inventory": inventory,
                "price": {
                    "currency": shop.currency,
                    "tax_exclusive_price": shop.amount(sku.price),
                    "sale_price": shop.amount(sku.price),
                },
            })
        })
        .collect();
    json!({
        "id": id, "title": product.title, "status": product.status,
        "create_time": product.created_at.as_second(), "update_time": product.updated_at.as_second(),
        "audit": {"status": product.audit}, "sales_regions": [shop.region], "skus": skus,
    })
}

/// The product, if it may be changed.
pub(super) fn changeable<'a>(shop: &'a mut Shop, id: &str) -> Result<&'a mut Product, Said> {
    let product = shop.products.get_mut(id).filter(|product| product.status != "DELETED");
    let product = product.ok_or_else(|| Said::error(200, 12_052_048, "the product does not exist"))?;
    if product.status != "ACTIVATE" {
        // The vendor's page asks for ACTIVATE and names no code for anything else.
        return Err(Said::error(200, 12_052_023, "the product's status does not allow this"));
    }
    if product.promoted {
        return Err(Said::error(200, 12_052_038, "the product is in a promotion"));
    }
    Ok(product)
}

#[derive(Deserialize)]
struct Prices {
    skus: Vec<PriceOf>,
}

#[derive(Deserialize)]
struct PriceOf {
    id: String,
    price: Amount,
}

#[derive(Deserialize)]
struct Amount {
    amount: String,
    currency: String,
}

/// All or nothing.
pub(super) fn set_prices(world: &mut World, call: &Passed<'_>, id: &str, now: Timestamp) -> Result<Said, Said> {
    let wanted: Prices = body(call)?;
    let shop = shop(world, call)?;
    let currency = shop.currency;
    let product = changeable(shop, id)?;
    let mut checked = Vec::new();
    for PriceOf { id, price } in &wanted.skus {
        let index = product.skus.iter().position(|sku| sku.id == *id);
        let index = index.ok_or_else(|| Said::error(200, 12_052_049, format!("SKU {id} does not exist")))?;
        let amount = price.amount.parse::<Decimal>().ok();
        let amount = amount.filter(|amount| *amount > Decimal::ZERO && amount.scale() <= currency.digits());
        let amount = amount.ok_or_else(|| Said::error(200, 12_052_050, format!("{} is not a price", price.amount)))?;
        if price.currency != currency.as_str() {
            return Err(Said::error(200, 12_052_051, format!("the shop sells in {currency}")));
        }
        checked.push((index, amount));
    }
    let count = checked.len() as u64;
    for (index, amount) in checked {
        product.skus[index].price = amount;
    }
    product.updated_at = now;
    world.stats.prices_changed += count;
    Ok(Said::data(json!({})))
}

#[derive(Deserialize)]
struct Stocks {
    skus: Vec<StockOf>,
}

#[derive(Deserialize)]
struct StockOf {
    id: String,
    inventory: Vec<Pieces>,
}

#[derive(Deserialize)]
struct Pieces {
    #[serde(default)]
    warehouse_id: Option<String>,
    quantity: i64,
}

/// SKU by SKU: what is refused stands in `errors` beside code 0.
pub(super) fn set_inventory(world: &mut World, call: &Passed<'_>, id: &str, now: Timestamp) -> Result<Said, Said> {
    let wanted: Stocks = body(call)?;
    let least = i64::from(world.rules.refuses_zero_stock);
    let product = changeable(shop(world, call)?, id)?;
    let mut errors = Vec::new();
    let mut changed = 0;
    for stock in &wanted.skus {
        match set_stock(product, stock, least) {
            Ok(()) => changed += 1,
            Err((code, message)) => errors.push(json!({
                "code": code, "message": message, "detail": {"sku_id": stock.id, "extra_errors": []},
            })),
        }
    }
    product.updated_at = now;
    world.stats.stocks_changed += changed;
    Ok(Said::data(json!({"errors": errors})))
}

fn set_stock(product: &mut Product, stock: &StockOf, least: i64) -> Result<(), (i64, String)> {
    let sku = product.skus.iter_mut().find(|sku| sku.id == stock.id);
    let sku = sku.ok_or_else(|| (12_052_049, "the SKU does not exist".to_owned()))?;
    let only = sku.inventory.keys().next().filter(|_| sku.inventory.len() == 1).cloned();
    let mut wanted = std::collections::BTreeMap::new();
    for pieces in &stock.inventory {
        let id = pieces.warehouse_id.clone().or_else(|| only.clone());
        let id = id.ok_or_else(|| (12_019_028, "name every warehouse of the SKU".to_owned()))?;
        if !(least..=99_999).contains(&pieces.quantity) {
            return Err((12_019_029, format!("a quantity of {} is out of range", pieces.quantity)));
        }
        wanted.insert(id, pieces.quantity);
    }
    if !wanted.keys().eq(sku.inventory.keys()) {
        return Err((12_019_028, "name every warehouse of the SKU".to_owned()));
    }
    sku.inventory = wanted;
    Ok(())
}

#[derive(Deserialize)]
struct Whose {
    #[serde(default)]
    product_ids: Vec<String>,
    #[serde(default)]
    sku_ids: Vec<String>,
}

/// What is kept where at this moment. SKUs win over products; what there is not is left out.
pub(super) fn inventory(world: &mut World, call: &Passed<'_>) -> Result<Said, Said> {
    let Whose { product_ids, sku_ids } = body(call)?;
    if (product_ids.is_empty() && sku_ids.is_empty()) || product_ids.len() > 100 || sku_ids.len() > 600 {
        return Err(Said::error(400, 36_009_004, "name 1 to 100 product_ids or 1 to 600 sku_ids"));
    }
    let shop = shop(world, call)?;
    let wanted = |product: &str, sku: &ShopSku| {
        if sku_ids.is_empty() { product_ids.iter().any(|id| id == product) } else { sku_ids.contains(&sku.id) }
    };
    let mut inventory = Vec::new();
    for (id, product) in shop.products.iter().filter(|(_, product)| product.status != "DELETED") {
        let skus = product.skus.iter().filter(|sku| wanted(id, sku)).map(|sku| {
            let places = sku.inventory.iter().map(
                |(id, quantity)| json!({"warehouse_id": id, "available_quantity": quantity, "committed_quantity": 0}),
            );
            json!({
                "id": sku.id, "seller_sku": sku.seller_sku, "warehouse_inventory": places.collect::<Vec<_>>(),
                "total_available_quantity": sku.inventory.values().sum::<i64>(), "total_committed_quantity": 0,
            })
        });
        let skus: Vec<_> = skus.collect();
        if !skus.is_empty() {
            inventory.push(json!({"product_id": id, "skus": skus}));
        }
    }
    Ok(Said::data(json!({"inventory": inventory})))
}

#[derive(Deserialize)]
struct Ids {
    product_ids: Vec<String>,
}

pub(super) fn deactivate(world: &mut World, call: &Passed<'_>, now: Timestamp) -> Result<Said, Said> {
    let wanted: Ids = body(call)?;
    if wanted.product_ids.is_empty() || wanted.product_ids.len() > 20 {
        return Err(Said::error(400, 36_009_004, "product_ids must hold 1 to 20 ids"));
    }
    let shop = shop(world, call)?;
    let mut errors = Vec::new();
    let mut count = 0;
    for id in &wanted.product_ids {
        match changeable(shop, id) {
            Ok(product) => {
                "SELLER_DEACTIVATED".clone_into(&mut product.status);
                product.updated_at = now;
                count += 1;
            }
            Err(said) => {
                errors.push(json!({"code": said.code, "message": said.message, "detail": {"product_id": id}}));
            }
        }
    }
    world.stats.deactivated += count;
    Ok(Said::data(json!({"errors": errors})))
}

/// Only what its seller took off sale; it is audited before it is on sale again.
pub(super) fn activate(world: &mut World, call: &Passed<'_>, now: Timestamp) -> Result<Said, Said> {
    let wanted: Ids = body(call)?;
    if wanted.product_ids.is_empty() || wanted.product_ids.len() > 20 {
        return Err(Said::error(400, 36_009_004, "product_ids must hold 1 to 20 ids"));
    }
    let shop = shop(world, call)?;
    let mut errors = Vec::new();
    let mut count = 0;
    for id in &wanted.product_ids {
        if let Some(product) = shop.products.get_mut(id).filter(|product| product.status == "SELLER_DEACTIVATED") {
            "PENDING".clone_into(&mut product.status);
            "AUDITING".clone_into(&mut product.audit);
            product.updated_at = now;
            count += 1;
        } else {
            let message = "The current product status can not be activated";
            errors.push(json!({"code": 12_052_003, "message": message, "detail": {"product_id": id}}));
        }
    }
    world.stats.activated += count;
    Ok(Said::data(json!({"errors": errors})))
}
