//! Import: searching a shop's products, page by page, and what a product says in the domain's words.
//!
//! A search gives at most 10,000 products. A complete pass begins without bounds; where that is too much, the span of
//! creation times is halved until each part fits. It goes by creation, not change: a product's time of creation never moves, so
//! a product that is edited while the pass runs does not slip from a part still ahead into one already read. A pass of
//! changes must go by time of change and begins five minutes before the last pass did. Bounds are whole seconds and both
//! belong to the span, so parts touch without overlapping.
//!
//! Vendor page: "Search products (202502)".

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    TikTokShop,
    client::{ApiCall, Operation, ShopRef},
    token_of,
    wire::{Success, TOO_MANY_RESULTS, WireProduct, WireSku},
};
use crate::{
    channels::{Access, Acted, ChannelError, From, Page},
    domain::{Complaint, Currency, Cursor, Failure, InvalidListing, Listing, ListingStatus, PassKind, Price},
    http::Method,
};

const SEARCH: Operation = Operation::read("product search");
const PAGE_SIZE: u64 = 100;
/// The vendor pages through no more than this.
const MOST_RESULTS: u64 = 10_000;
/// A pass of changes begins this many seconds before the last pass did: clocks differ, and searches lag behind edits.
const OVERLAP_SECONDS: i64 = 300;
/// TikTok Shop did not exist before: 2020-01-01.
const FIRST_SECOND: i64 = 1_577_836_800;

/// Where a pass stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    /// Between passes: the last one began at this second.
    Resume { since: i64 },
    /// Within a pass.
    Under {
        /// The second at which it began.
        started: i64,
        /// What is left to read, the present part first.
        parts: Vec<Part>,
        /// The vendor's token of the next page within the present part; empty at its beginning.
        page_token: String,
    },
}

/// A span of seconds, bounds included; `None`: unbounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    from: Option<i64>,
    to: Option<i64>,
}

impl Part {
    /// Two parts that together are this one; `None` where it is a single second.
    fn halves(self, started: i64) -> Option<[Self; 2]> {
        let low = self.from.unwrap_or(FIRST_SECOND);
        let high = self.to.unwrap_or(started).max(self.from.unwrap_or(i64::MIN));
        if low >= high {
            return None;
        }
        let middle = low + (high - low) / 2;
        Some([Self { from: self.from, to: Some(middle) }, Self { from: Some(middle + 1), to: self.to }])
    }
}

impl Place {
    fn cursor(&self) -> Cursor {
        Cursor(serde_json::to_string(self).expect("a cursor is plain data"))
    }

    /// Where a page begins.
    fn of(from: &From, now: Timestamp) -> Result<Self, ChannelError> {
        let noted = match (&from.cursor, from.kind, from.first) {
            (None, ..) | (_, PassKind::Full, true) => None,
            (Some(cursor), ..) => {
                Some(serde_json::from_str(&cursor.0).map_err(|error| bad_cursor(&error.to_string()))?)
            }
        };
        let begin = |since: Option<i64>| Self::Under {
            started: now.as_second(),
            parts: vec![Part { from: since, to: None }],
            page_token: String::new(),
        };
        match noted {
            None => Ok(begin(None)),
            Some(Self::Resume { since }) => Ok(begin(Some(since - OVERLAP_SECONDS))),
            Some(Self::Under { parts, .. }) if parts.is_empty() => Err(bad_cursor("nothing is left to read")),
            Some(under) => Ok(under),
        }
    }
}

fn bad_cursor(why: &str) -> ChannelError {
    ChannelError {
        failure: Failure::Bug,
        text: format!("TikTok Shop: the cursor of the import cannot be read: {why}"),
        remedy: "start a complete pass with `shopsyncd jobs run SHOP product_import --full`".into(),
        request_id: None,
        acted: Acted::No,
    }
}

impl TikTokShop {
    /// One page.
    pub(super) async fn pull_page(&self, access: &Access, from: &From) -> Result<Page, ChannelError> {
        let Place::Under { started, mut parts, page_token } = Place::of(from, self.client.now())? else {
            return Err(bad_cursor("it is not within a pass"));
        };
        let part = parts[0];
        let answer = self.search(access, from.kind, part, &page_token).await?;
        let Some((data, request_id)) = answer else {
            // Too many: read this part in halves. The page is empty, but the pass has moved on.
            let halves = part.halves(started).ok_or_else(|| {
                let what = "more than 10,000 products share one second and cannot be listed";
                self.reading(SEARCH).unexpected(what, None)
            })?;
            parts.splice(0..1, halves);
            let next = Place::Under { started, parts, page_token: String::new() };
            return Ok(page(Vec::new(), Vec::new(), Some(&next)));
        };
        let token = data.get("next_page_token").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !token.is_empty() && token == page_token {
            return Err(self.reading(SEARCH).unexpected("the next page's token is this page's", request_id));
        }
        let (listings, complaints) = self.read_products(&data, request_id)?;
        if token.is_empty() {
            parts.remove(0);
        }
        if parts.is_empty() {
            let resume = Place::Resume { since: started }.cursor();
            return Ok(Page { resume: Some(resume), ..page(listings, complaints, None) });
        }
        Ok(page(listings, complaints, Some(&Place::Under { started, parts, page_token: token })))
    }

    /// The `data` of a page; `None` where the search finds too many to be paged through.
    async fn search(
        &self,
        access: &Access,
        kind: PassKind,
        part: Part,
        page_token: &str,
    ) -> Result<Option<(Value, Option<String>)>, ChannelError> {
        let names = match kind {
            PassKind::Full => ["create_time_ge", "create_time_le"],
            PassKind::Changes => ["update_time_ge", "update_time_le"],
        };
        let mut body = json!({"status": "ALL"});
        for (name, bound) in names.into_iter().zip([part.from, part.to]) {
            if let Some(second) = bound {
                body[name] = json!(second);
            }
        }
        let mut query = vec![("page_size", PAGE_SIZE.to_string())];
        if !page_token.is_empty() {
            query.push(("page_token", page_token.to_owned()));
        }
        let call = ApiCall {
            operation: SEARCH,
            method: Method::POST,
            path: "/product/202502/products/search",
            query,
            body: Some(body),
            shop: Some(ShopRef::of(access)?),
            token: token_of(access)?,
        };
        let Success { data, request_id } = match self.client.api(call).await {
            Err(trouble) if trouble.code == Some(TOO_MANY_RESULTS) => return Ok(None),
            other => other?,
        };
        // Where all of it fits into this page the count does not matter.
        let more = data.get("next_page_token").and_then(Value::as_str).is_some_and(|token| !token.is_empty());
        if more && data.get("total_count").and_then(Value::as_u64).is_some_and(|total| total > MOST_RESULTS) {
            return Ok(None);
        }
        Ok(Some((data, request_id)))
    }

    fn read_products(
        &self,
        data: &Value,
        request_id: Option<String>,
    ) -> Result<(Vec<Listing>, Vec<Complaint>), ChannelError> {
        let none = Vec::new();
        let products = match data.get("products") {
            Some(Value::Array(products)) => products,
            None | Some(Value::Null) => &none,
            Some(_) => return Err(self.reading(SEARCH).unexpected("`products` is not a list", request_id)),
        };
        let mut read = Read { request_id, warehouse: self.warehouse.as_deref(), ..Read::default() };
        for product in products {
            read.product(product);
        }
        Ok((read.listings, read.complaints))
    }
}

fn page(listings: Vec<Listing>, complaints: Vec<Complaint>, next: Option<&Place>) -> Page {
    // The vendor counts products, not SKUs, so there is no total to show.
    Page { listings, complaints, next: next.map(Place::cursor), ..Page::default() }
}

/// What a page was read into.
#[derive(Default)]
struct Read<'a> {
    listings: Vec<Listing>,
    complaints: Vec<Complaint>,
    request_id: Option<String>,
    /// The warehouse chosen in the settings.
    warehouse: Option<&'a str>,
}

impl Read<'_> {
    fn complain(&mut self, sku: String, code: &str, text: String) {
        let request_id = self.request_id.clone();
        self.complaints.push(Complaint { sku, code: code.to_owned(), text, request_id });
    }

    fn product(&mut self, value: &Value) {
        let product = match WireProduct::deserialize(value) {
            Ok(product) => product,
            Err(error) => {
                let id = value.get("id").and_then(Value::as_str).unwrap_or("?");
                return self.complain(
                    format!("product {id}"),
                    "unreadable",
                    format!("the product is unreadable: {error}"),
                );
            }
        };
        // A deleted product can be recovered for a while and is still found; for buyers and for us it is gone.
        if product.status == "DELETED" {
            return;
        }
        for value in &product.skus {
            let sku = match WireSku::deserialize(value) {
                Ok(sku) => sku,
                Err(error) => {
                    let id = value.get("id").and_then(Value::as_str).unwrap_or("?");
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
                self.listings.push(listing);
            }
            Err(error) => self.complain(sku.seller_sku.clone(), error.code, error.to_string()),
        }
    }
}

/// The names that other files give to what `refs` holds.
pub(super) mod refs {
    /// The vendor's id of the variant.
    pub(in super::super) const SKU_ID: &str = "sku_id";
    /// The vendor's id of the product.
    pub(in super::super) const PRODUCT_ID: &str = "product_id";
    /// The vendor's word for where the product stands.
    pub(in super::super) const STATUS: &str = "status";
    /// Pieces by warehouse.
    pub(in super::super) const WAREHOUSES: &str = "warehouses";
    /// The warehouse that export writes to; null where it is not clear which.
    pub(in super::super) const WAREHOUSE: &str = "warehouse";
    /// How many variants the product has.
    pub(in super::super) const SIBLINGS: &str = "siblings";
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
        description: None,
        brand: None,
        category: None,
        barcode: sku.identifier_code.as_ref().map(|found| found.code.clone()).filter(|code| !code.is_empty()),
        images: Vec::new(),
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

/// What buyers pay. Drafts may have no price yet.
fn price(sku: &WireSku) -> Result<Option<Price>, InvalidListing> {
    let Some(price) = &sku.price else { return Ok(None) };
    let Some(text) = price.sale_price.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
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
