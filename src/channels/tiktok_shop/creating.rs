//! Creating: the calls. A new product is made in one call with all its variants; a SKU whose siblings the shop has joins them.
//!
//! Whoever asks twice must not get two products. So the shop is searched for the SKUs first, and the vendor is given the same
//! key for the same product within a day, which covers the time until a search finds what was made.
//!
//! Vendor pages: "Check product listing (202309)", "Create product (202309)", "Edit product partially (202509)", "Get warehouse
//! list (202309)".

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    TikTokShop,
    client::{ApiCall, Operation},
    create::{New, idempotency_key, new_sku},
    edits::PARTIAL_EDIT,
    product::{Read, refs},
    settle::{Kind, ticket},
    work::{Work, refuse_all},
};
use crate::{
    channels::{Access, ChannelError},
    domain::{Failure, Listing, plan::Change},
    http::Method,
};

const WAREHOUSES: Operation = Operation::read("warehouses");
const CHECK: Operation = Operation::write("listing check");
const CREATE: Operation = Operation::write("product creation");
/// The most SKUs that a search is asked for.
const SEARCH_SKUS: usize = 10;
const DAY_SECONDS: i64 = 86_400;

impl TikTokShop {
    /// Lists the SKUs that the shop does not have, product by product. `indices`: those of one product of the source.
    pub(super) async fn create(
        &self,
        access: &Access,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        self.find_known(access, indices, works).await?;
        let mut fresh = Vec::new();
        for &index in indices.iter().filter(|index| works[**index].is_open()).collect::<Vec<_>>() {
            match self.lacking(works[index].change) {
                Some(complaint) => works[index].refuse(&complaint.code, &complaint.text, None),
                None => fresh.push(index),
            }
        }
        let Some(&first) = fresh.first() else { return Ok(()) };
        let warehouse = match self.selling_warehouse(access).await? {
            Ok(warehouse) => warehouse,
            Err(why) => {
                for index in &fresh {
                    works[*index].refuse("warehouse", &why, None);
                }
                return Ok(());
            }
        };
        // Siblings that no import has seen yet were just found.
        let found = indices.iter().filter_map(|index| works[*index].listing.as_ref());
        let mut siblings = works[first].change.siblings.iter().chain(found);
        match siblings.next().and_then(|sibling| text(&sibling.refs, refs::PRODUCT_ID)) {
            Some(product) => self.join(access, &product, &fresh, &warehouse, works).await,
            None => self.create_product(access, &fresh, &warehouse, works).await,
        }
    }

    /// Notes which of the SKUs the shop has already.
    async fn find_known(&self, access: &Access, indices: &[usize], works: &mut [Work<'_>]) -> Result<(), ChannelError> {
        for chunk in indices.chunks(SEARCH_SKUS) {
            let skus: Vec<_> = chunk.iter().map(|index| works[*index].change.sku.as_str()).collect();
            let query = vec![("page_size", "100".to_owned())];
            let filter = json!({"status": "ALL", "seller_skus": skus});
            let found = match self.search_call(access, query, filter).await {
                // Whoever does not know whether the shop has it must not make it.
                Err(trouble) if trouble.error.failure == Failure::Rejected => {
                    refuse_all(trouble, chunk, works)?;
                    continue;
                }
                other => other?,
            };
            let mut read = Read { warehouse: self.warehouse.as_deref(), ..Read::default() };
            for one in self.products_of(&found.data, found.request_id.as_deref())? {
                read.product(one);
            }
            for &index in chunk {
                let listing = read.listings.iter().find(|listing| listing.sku == works[index].change.sku);
                works[index].listing = listing.cloned().map(|listing| as_created(listing, works[index].change));
            }
        }
        Ok(())
    }

    /// The warehouse that a new SKU is kept in: the chosen one, or the only one; or why none can be named.
    async fn selling_warehouse(&self, access: &Access) -> Result<Result<String, String>, ChannelError> {
        if let Some(chosen) = &self.warehouse {
            return Ok(Ok(chosen.clone()));
        }
        let call = Self::post(access, WAREHOUSES, "/logistics/202309/warehouses")?;
        let success = self.client.api(ApiCall { method: Method::GET, ..call }).await?;
        let none = Vec::new();
        let all = success.data.get("warehouses").and_then(Value::as_array).unwrap_or(&none);
        let selling: Vec<String> = all
            .iter()
            .filter(|one| text(one, "type").is_none_or(|word| word == "SALES_WAREHOUSE"))
            .filter(|one| text(one, "effect_status").is_none_or(|word| word == "ENABLED"))
            .filter_map(|one| text(one, "id"))
            .collect();
        Ok(match selling.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err("the shop has no warehouse; add one in Seller Center".to_owned()),
            several => {
                Err(format!("the shop has several warehouses ({}); name one as export.warehouse", several.join(", ")))
            }
        })
    }

    async fn create_product(
        &self,
        access: &Access,
        indices: &[usize],
        warehouse: &str,
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let region = text(&access.place, "region").unwrap_or_default();
        let most = Self::most_skus(&region);
        if indices.len() > most {
            let why = format!("the product has {} variants; TikTok takes {most} of a product", indices.len());
            for index in indices {
                works[*index].refuse("variants", &why, None);
            }
            return Ok(());
        }
        let changes: Vec<&Change> = indices.iter().map(|index| works[*index].change).collect();
        let news: Vec<New<'_>> = changes.iter().filter_map(|change| new(change)).collect();
        let images = match self.take_images(access, &news[0].product.images).await? {
            Ok(images) => images,
            Err(why) => {
                let why = format!("{why}; correct it at the source");
                for index in indices {
                    works[*index].refuse("images", &why, None);
                }
                return Ok(());
            }
        };
        let mut body = self.new_product(&region, &news, &images, warehouse);
        let checked = match self.write(access, CHECK, "/product/202309/products/listing_check", body.clone()).await {
            Ok(checked) => checked,
            Err(trouble) => return refuse_all(trouble, indices, works),
        };
        if text(&checked.data, "check_result").is_some_and(|result| result == "FAILED") {
            let why = format!("TikTok would not list it: {}", reasons(&checked.data));
            for index in indices {
                works[*index].refuse("listing_check", &why, checked.request_id.as_deref());
            }
            return Ok(());
        }
        let day = self.client.now().as_second().div_euclid(DAY_SECONDS);
        body["idempotency_key"] = json!(idempotency_key(&self.shop_id, &news, day));
        let made = match self.write(access, CREATE, "/product/202309/products", body).await {
            Ok(made) => made,
            Err(trouble) => return refuse_all(trouble, indices, works),
        };
        let unnamed = || self.reading(CREATE).unexpected("the answer has no `product_id`", made.request_id.clone());
        let product = text(&made.data, "product_id").ok_or_else(unnamed)?;
        let ticket = ticket(Kind::New, &product, self.client.now());
        for index in indices {
            works[*index].pending = Some(ticket.clone());
        }
        Ok(())
    }

    /// Adds SKUs to a product of the shop. The call replaces all its SKUs, so the others go along as they stand at this moment.
    async fn join(
        &self,
        access: &Access,
        product: &str,
        indices: &[usize],
        warehouse: &str,
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let details = match self.details(access, product).await {
            Ok(details) => details.data,
            Err(trouble) => return refuse_all(trouble, indices, works),
        };
        let refused = |code, why: &str, works: &mut [Work<'_>]| {
            for index in indices {
                works[*index].refuse(code, why, None);
            }
            Ok(())
        };
        let status = text(&details, "status").unwrap_or_default();
        if status != "ACTIVATE" {
            let why = format!(
                "its siblings are not on sale (status {status}), and only a product on sale takes a new SKU; activate it in Seller Center, \
                 then the SKU joins it"
            );
            return refused("not_active", &why, works);
        }
        if details.pointer("/audit/status").and_then(Value::as_str) == Some("AUDITING") {
            let why =
                "its siblings are being audited, and a product under audit takes no new SKU; it is tried again later";
            return refused("audit", why, works);
        }
        let none = Vec::new();
        let old = details.get("skus").and_then(Value::as_array).unwrap_or(&none);
        let Some(mut skus) = old.iter().map(kept_sku).collect::<Option<Vec<Value>>>().filter(|old| !old.is_empty())
        else {
            let why = "what its siblings are like cannot be read whole, so nothing is added to them";
            return refused("siblings", why, works);
        };
        let region = text(&access.place, "region").unwrap_or_default();
        let most = Self::most_skus(&region);
        if skus.len() + indices.len() > most {
            let why = format!("with it the product would have more than {most} variants, which TikTok does not take");
            return refused("variants", &why, works);
        }
        let known: Vec<Value> = old
            .iter()
            .filter_map(|sku| sku.get("sales_attributes").and_then(Value::as_array))
            .flatten()
            .cloned()
            .collect();
        let changes: Vec<&Change> = indices.iter().map(|index| works[*index].change).collect();
        skus.extend(changes.iter().filter_map(|change| new(change)).map(|new| new_sku(new, warehouse, &known)));
        let path = format!("/product/202509/products/{product}/partial_edit");
        if let Err(trouble) = self.write(access, PARTIAL_EDIT, &path, json!({"skus": skus})).await {
            return refuse_all(trouble, indices, works);
        }
        let ticket = ticket(Kind::Joined, product, self.client.now());
        for index in indices {
            works[*index].pending = Some(ticket.clone());
        }
        Ok(())
    }
}

/// A SKU as it goes back in an edit, unchanged; `None` where something is missing without which it would be harmed.
fn kept_sku(sku: &Value) -> Option<Value> {
    let price = sku.get("price")?;
    let amount = text(price, "sale_price").or_else(|| text(price, "tax_exclusive_price"))?;
    let attributes: Vec<Value> =
        sku.get("sales_attributes").and_then(Value::as_array)?.iter().map(kept_attribute).collect();
    let inventory: Vec<Value> = sku
        .get("inventory")
        .and_then(Value::as_array)?
        .iter()
        .map(|place| {
            Some(json!({"warehouse_id": text(place, "warehouse_id")?, "quantity": place.get("quantity")?.as_i64()?}))
        })
        .collect::<Option<_>>()?;
    let mut kept = json!({
        "id": text(sku, "id")?,
        "seller_sku": sku.get("seller_sku").cloned().unwrap_or_default(),
        "sales_attributes": attributes,
        "price": {"amount": amount, "currency": text(price, "currency")?},
        "inventory": inventory,
    });
    for name in ["identifier_code", "external_sku_id", "sku_unit_count", "combined_skus", "list_price"] {
        if let Some(value) = sku.get(name).filter(|value| !value.is_null()) {
            kept[name] = value.clone();
        }
    }
    Some(kept)
}

/// A sales attribute as it goes back: of its image only the name.
fn kept_attribute(attribute: &Value) -> Value {
    let names = ["id", "name", "value_id", "value_name"];
    let mut kept: serde_json::Map<String, Value> =
        names.iter().filter_map(|name| Some(((*name).to_owned(), attribute.get(*name)?.clone()))).collect();
    if let Some(uri) = attribute.pointer("/sku_img/uri") {
        kept.insert("sku_img".to_owned(), json!({"uri": uri}));
    }
    Value::Object(kept)
}

/// What is wanted of a SKU to be created, whole.
fn new(change: &Change) -> Option<New<'_>> {
    let (product, variant) = change.product.as_ref()?;
    Some(New { product, variant, price: change.wanted.price?, stock: change.wanted.stock? })
}

/// A listing that a search found, which tells no more than the search does: what we sent when we made it is not lost.
fn as_created(listing: Listing, change: &Change) -> Listing {
    let Some((product, variant)) = &change.product else { return listing };
    let options = if listing.options.is_empty() { variant.options.clone() } else { listing.options.clone() };
    let description = listing.description.clone().or_else(|| product.description.clone());
    Listing { description, options, ..listing }
}

fn reasons(data: &Value) -> String {
    let all = data.get("fail_reasons").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let said: Vec<_> = all.iter().filter_map(|one| text(one, "message")).collect();
    let said = if said.is_empty() { "it gives no reason".to_owned() } else { said.join("; ") };
    said.chars().filter(|c| !c.is_control()).take(600).collect()
}

/// A text that is there.
pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The SKUs to be created, by the source's product.
pub(super) fn by_product(works: &[Work<'_>]) -> BTreeMap<String, Vec<usize>> {
    let mut products: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, work) in works.iter().enumerate().filter(|(_, work)| work.change.listing.is_none()) {
        if let Some((product, _)) = &work.change.product {
            products.entry(product.id.clone()).or_default().push(index);
        }
    }
    products
}
