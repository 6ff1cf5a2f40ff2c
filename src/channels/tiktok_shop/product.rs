//! What a product says, in the domain's words.
//!
//! A search tells titles, prices, stock and where a product stands; brand, description, images, options and barcodes stand in
//! the product's details alone. Both have one shape, in which the fields of details may be missing.

use serde::Deserialize;
use serde_json::{Value, json};

use super::wire_products::{AuditReason, WireProduct, WireSku};
use crate::domain::{Complaint, Currency, InvalidListing, Listing, ListingStatus, Price};

/// The longest text of an audit that is kept.
const LONGEST_REASON: usize = 600;

/// What a page was read into.
#[derive(Default)]
pub(super) struct Read<'a> {
    pub(super) listings: Vec<Listing>,
    pub(super) complaints: Vec<Complaint>,
    /// Products of which nothing, or not all, could be read.
    pub(super) unread: Vec<String>,
    /// What TikTok's audit says of products that are listed all the same.
    pub(super) remarks: Vec<Complaint>,
    pub(super) request_id: Option<String>,
    /// The warehouse chosen in the settings.
    pub(super) warehouse: Option<&'a str>,
}

impl Read<'_> {
    fn complain(&mut self, sku: String, code: &str, text: String) {
        let request_id = self.request_id.clone();
        self.complaints.push(Complaint { sku, code: code.to_owned(), text, request_id });
    }

    /// Notes that a product is there of which something stays unknown.
    fn unread(&mut self, value: &Value) {
        self.unread.extend(value.get("id").and_then(Value::as_str).map(str::to_owned));
    }

    /// Names every SKU of a product that could not be read further.
    pub(super) fn refused(&mut self, value: &Value, code: &str, text: &str) {
        self.unread(value);
        let skus = value.get("skus").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for sku in skus {
            let seller_sku = sku.get("seller_sku").and_then(Value::as_str).unwrap_or_default().trim();
            if !seller_sku.is_empty() {
                self.complain(seller_sku.to_owned(), code, text.to_owned());
            }
        }
    }

    /// Reads a product as a search or its details show it.
    pub(super) fn product(&mut self, value: &Value) {
        let product = match WireProduct::deserialize(value) {
            Ok(product) => product,
            Err(error) => {
                self.unread(value);
                let id = value.get("id").and_then(Value::as_str).unwrap_or("?");
                let text = format!("the product is unreadable: {error}");
                return self.complain(format!("product {id}"), "unreadable", text);
            }
        };
        // A deleted product can be recovered for a while and is still found; for buyers and for us it is gone.
        if product.status == "DELETED" {
            return;
        }
        if product.skus.is_empty() {
            self.unread(value);
        }
        for sku in &product.skus {
            let sku = match WireSku::deserialize(sku) {
                Ok(sku) => sku,
                Err(error) => {
                    // Which of the known ones it is may stand just in what cannot be read.
                    self.unread(value);
                    let id = sku.get("id").and_then(Value::as_str).unwrap_or("?");
                    let place = format!("product {}, sku {id}", product.id);
                    self.complain(place, "unreadable", format!("the SKU is unreadable: {error}"));
                    continue;
                }
            };
            self.sku(&product, &sku);
        }
    }

    fn sku(&mut self, product: &WireProduct, sku: &WireSku) {
        if sku.seller_sku.trim().is_empty() {
            let text = format!("a variant of \"{}\" has no seller SKU; give it one in Seller Center", product.title);
            return self.complain(format!("product {}, sku {}", product.id, sku.id), "no_sku", text);
        }
        match listing(product, sku, self.warehouse) {
            Ok(listing) => {
                if let Some(text) = warehouse_fault(sku, self.warehouse) {
                    self.complain(listing.sku.as_str().to_owned(), "warehouse", text);
                }
                if let Some(text) = audit_fault(product) {
                    let (sku, code) = (listing.sku.as_str().to_owned(), "audit_failed".to_owned());
                    self.remarks.push(Complaint { sku, code, text, request_id: self.request_id.clone() });
                }
                self.listings.push(listing);
            }
            Err(error) => self.complain(sku.seller_sku.clone(), error.code, error.to_string()),
        }
    }
}

/// The names that other files give to what `refs` holds.
pub(super) mod refs {
    /// The vendor's id of the variant.
    pub(in crate::channels::tiktok_shop) const SKU_ID: &str = "sku_id";
    /// The vendor's id of the product.
    pub(in crate::channels::tiktok_shop) const PRODUCT_ID: &str = "product_id";
    /// The vendor's word for where the product stands.
    pub(in crate::channels::tiktok_shop) const STATUS: &str = "status";
    /// Pieces by warehouse.
    pub(in crate::channels::tiktok_shop) const WAREHOUSES: &str = "warehouses";
    /// The warehouse that export writes to; null where it is not clear which.
    pub(in crate::channels::tiktok_shop) const WAREHOUSE: &str = "warehouse";
    /// How many variants the product has.
    pub(in crate::channels::tiktok_shop) const SIBLINGS: &str = "siblings";
}

/// A SKU as the domain sees it.
fn listing(product: &WireProduct, sku: &WireSku, chosen: Option<&str>) -> Result<Listing, InvalidListing> {
    let warehouses: serde_json::Map<_, _> =
        sku.inventory.iter().map(|place| (place.warehouse_id.clone(), json!(place.quantity))).collect();
    let warehouse = warehouse(sku, chosen);
    let stock = match warehouse {
        Some(id) => sku.inventory.iter().find(|place| place.warehouse_id == id).map(|place| place.quantity),
        None if sku.inventory.is_empty() => None,
        None => Some(sku.inventory.iter().map(|place| place.quantity).fold(0, i64::saturating_add)),
    };
    Ok(Listing {
        sku: sku.seller_sku.parse()?,
        shop_sku: None,
        product_id: product.id.clone(),
        refs: json!({
            refs::SKU_ID: sku.id,
            refs::PRODUCT_ID: product.id,
            refs::STATUS: product.status,
            refs::WAREHOUSES: warehouses,
            refs::WAREHOUSE: warehouse,
            refs::SIBLINGS: product.skus.len(),
        }),
        title: product.title.clone(),
        category: product.category_chains.iter().rev().map(|one| one.local_name.clone()).find(|name| !name.is_empty()),
        description: product.description.clone().filter(|text| !text.is_empty()),
        brand: product.brand.as_ref().map(|brand| brand.name.clone()).filter(|name| !name.is_empty()),
        barcode: sku.identifier_code.as_ref().map(|found| found.code.clone()).filter(|code| !code.is_empty()),
        images: product.main_images.iter().filter_map(|image| image.urls.first().cloned()).collect(),
        options: sku
            .sales_attributes
            .iter()
            .filter(|attribute| !attribute.name.is_empty())
            .map(|attribute| (attribute.name.clone(), attribute.value_name.clone()))
            .collect(),
        prices: price(sku)?.into_iter().collect(),
        stock,
        status: status(&product.status),
    })
}

/// The warehouse that export writes to: the chosen one, or the only one.
fn warehouse<'a>(sku: &'a WireSku, chosen: Option<&str>) -> Option<&'a str> {
    match (chosen, sku.inventory.as_slice()) {
        (Some(chosen), places) => places.iter().map(|place| place.warehouse_id.as_str()).find(|id| *id == chosen),
        (None, [only]) => Some(&only.warehouse_id),
        (None, _) => None,
    }
}

fn warehouse_fault(sku: &WireSku, chosen: Option<&str>) -> Option<String> {
    if sku.inventory.is_empty() || warehouse(sku, chosen).is_some() {
        return None;
    }
    let known = sku.inventory.iter().map(|place| place.warehouse_id.as_str()).collect::<Vec<_>>().join(", ");
    Some(match chosen {
        Some(chosen) => format!("the SKU is not kept in warehouse {chosen} but in {known}; its stock is not exported"),
        None => format!(
            "the SKU is kept in several warehouses ({known}); name one as export.warehouse, until then its stock is not exported"
        ),
    })
}

/// What buyers pay; where only the price without tax is told, that. Drafts may have no price yet.
fn price(sku: &WireSku) -> Result<Option<Price>, InvalidListing> {
    let Some(price) = &sku.price else { return Ok(None) };
    let told = [&price.sale_price, &price.tax_exclusive_price];
    let Some(text) = told.into_iter().flatten().find(|text| !text.is_empty()) else { return Ok(None) };
    let amount =
        text.parse::<rust_decimal::Decimal>().ok().filter(|amount| !amount.is_sign_negative()).ok_or_else(|| {
            InvalidListing::new("price", format!("`{text}` is not a price"), "correct it in Seller Center")
        })?;
    let currency: Currency = price.currency.parse()?;
    Ok(Some(Price { amount, currency }))
}

/// Whether buyers can find a product, by the vendor's word.
fn status(word: &str) -> ListingStatus {
    match word {
        "ACTIVATE" => ListingStatus::Active,
        "PLATFORM_DEACTIVATED" | "FREEZE" => ListingStatus::Blocked,
        "DELETED" => ListingStatus::Gone,
        // SELLER_DEACTIVATED, DRAFT, PENDING, FAILED, and whatever comes new: not known to be on sale.
        _ => ListingStatus::Inactive,
    }
}

/// What the audit found wrong, where it failed.
fn audit_fault(product: &WireProduct) -> Option<String> {
    let failed = product.status == "FAILED" || product.audit.as_ref().is_some_and(|audit| audit.status == "FAILED");
    if !failed && product.audit_failed_reasons.is_empty() {
        return None;
    }
    Some(refusal(&product.audit_failed_reasons))
}

/// Why the audit refused a product, by its details.
pub(super) fn audit_reasons(details: &Value) -> String {
    let reasons = details.get("audit_failed_reasons").and_then(|found| Vec::deserialize(found).ok());
    refusal(&reasons.unwrap_or_default())
}

fn refusal(reasons: &[AuditReason]) -> String {
    let reasons: Vec<_> = reasons.iter().map(AuditReason::words).collect();
    let reasons = if reasons.is_empty() { "Seller Center tells why".to_owned() } else { reasons.join("; ") };
    let text: String = reasons.chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect();
    format!("TikTok's audit refused the product as it was last sent: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(products: &[Value]) -> Read<'static> {
        let mut read = Read::default();
        for product in products {
            read.product(product);
        }
        read
    }

    #[test]
    fn null_is_read_as_missing() {
        let read = read(&[json!({
            "id": "1", "title": null, "status": "ACTIVATE", "audit": null, "audit_failed_reasons": null, "description": null,
            "brand": {"name": null}, "main_images": [{"urls": null}], "category_chains": [{"local_name": null}],
            "skus": [{"id": "11", "seller_sku": "A", "price": {"currency": null, "sale_price": null},
                      "inventory": null, "sales_attributes": null, "identifier_code": {"code": null}}],
        })]);
        assert_eq!((read.complaints.as_slice(), read.unread.as_slice()), (&[][..], &[][..]));
        let listing = &read.listings[0];
        assert_eq!((listing.sku.as_str(), listing.stock, listing.prices.as_slice()), ("A", None, &[][..]));
    }

    #[test]
    fn a_product_that_is_not_read_whole_is_there_all_the_same() {
        let sku = |id: &str, quantity: Value| json!({"id": id, "seller_sku": id, "inventory": [{"warehouse_id": "W", "quantity": quantity}]});
        let read = read(&[
            json!({"id": "1", "title": 5, "status": "ACTIVATE", "skus": [sku("A", json!(1))]}),
            json!({"id": "2", "status": "ACTIVATE", "skus": [sku("B", json!(1)), sku("C", json!("some"))]}),
            json!({"id": "3", "status": "ACTIVATE", "skus": null}),
            json!({"id": "4", "status": "ACTIVATE", "skus": [sku("D", json!(1))]}),
            json!({"id": "5", "status": "DELETED", "skus": null}),
        ]);
        assert_eq!(read.unread, ["1", "2", "3"]);
        assert_eq!(read.listings.iter().map(|listing| listing.sku.as_str()).collect::<Vec<_>>(), ["B", "D"]);
        assert_eq!(
            read.complaints.iter().map(|one| one.sku.as_str()).collect::<Vec<_>>(),
            ["product 1", "product 2, sku C"]
        );
    }
}
