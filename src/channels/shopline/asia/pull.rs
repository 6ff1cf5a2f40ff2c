//! Import from Asia: products page by page, and what they say in the domain's words.
//!
//! Two ways of paging. `previous_id` goes by the last product's id and survives deletions, but only some shops have it; those
//! that have not ignore it, which shows in an answer that counts pages. Then pages are numbered, oldest product first, so that
//! new products come at the end. When a product is deleted meanwhile the ones behind it move forward, past a border of pages:
//! a count that has shrunk since the page before shows it, and as many pages are read again as may have moved.
//!
//! A pass of changes goes by `updated_after`.
//!
//! Vendor pages: "Get Products", "Get Product Stocks", "Get Warehouses".

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Asia;
use crate::{
    channels::{
        ChannelError, From, Page,
        shopline::{
            client::ApiCall,
            items::{Found, list, price, refs, text, whole},
            windows::Window,
            wire::{Success, Trouble},
            works::whole_only,
        },
    },
    domain::{InvalidListing, Listing, ListingStatus, Price},
    http::Method,
    secrets::Secret,
};

/// How many products a page has; the vendor advises no more.
const PER_PAGE: u32 = 50;
const PRODUCTS: &str = "product list";

/// Which page comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    /// The first one; no other has been read.
    Beginning,
    /// The one after this product.
    After { id: String },
    /// The one after the first, which ended with this product, in whichever way the shop has. `total`: how many it counted.
    Second { id: String, total: i64 },
    /// The one of this number; `total`: how many products the page before counted.
    Numbered { page: u32, total: i64 },
}

fn query(pass: &Window<At>) -> Vec<(&'static str, String)> {
    let mut query = vec![("per_page", pass.size.to_string()), ("sort_by", "asc".to_owned())];
    query.extend(pass.since().map(|since| ("updated_after", since.to_string())));
    match &pass.page {
        At::Beginning => {}
        At::After { id } | At::Second { id, .. } => query.push(("previous_id", id.clone())),
        At::Numbered { page, .. } => query.push(("page", page.to_string())),
    }
    query
}

impl Asia {
    /// One page.
    pub(super) async fn pull_page(&self, token: &Secret, from: &From) -> Result<Page, ChannelError> {
        let mut pass = Window::of(from, self.0.client.now(), At::Beginning, PER_PAGE)?;
        if pass.never_ends() {
            return Err(self.odd(PRODUCTS, "its pages do not end", None));
        }
        let (success, items) = loop {
            let success = match self.read(PRODUCTS, "products", query(&pass), token).await {
                Ok(success) => success,
                // Descriptions can be long: the pass begins anew with smaller pages, whose numbers are others.
                Err(trouble) => {
                    let smaller = pass.smaller(&trouble).ok_or(*trouble.error)?.at(At::Beginning);
                    let restart = pass.page != At::Beginning;
                    return Ok(Page { next: Some(smaller.cursor()), restart, ..Page::default() });
                }
            };
            let items = list(&success.data, "items")
                .map_err(|what| self.odd(PRODUCTS, &what, success.request_id.clone()))?
                .to_vec();
            match pass.page {
                // The shop does not know `previous_id`: what came is the first page once more.
                At::Second { ref id, total } if numbers_pages(&success.data) || has(&items, id) => {
                    pass.page = At::Numbered { page: 2, total };
                }
                At::After { ref id } if has(&items, id) => {
                    return Err(self.odd(PRODUCTS, "the page after a product begins before it", success.request_id));
                }
                _ => break (success, items),
            }
        };
        let next = next_page(&pass, &success.data, &items).map(|page| pass.at(page).cursor());
        let found = self.read_products(&items, token, success.request_id).await?;
        let resume = next.is_none().then(|| pass.resume());
        let Found { listings, complaints, remarks, unread, .. } = found;
        Ok(Page { listings, complaints, unread, remarks, next, resume, total: None, restart: false })
    }

    /// One product, as it stands now.
    pub(super) async fn product(&self, token: &Secret, id: &str) -> Result<Product, Trouble> {
        let Success { data, request_id, .. } =
            self.read("product", &format!("products/{id}"), Vec::new(), token).await?;
        let mut found = Found::default();
        let product = Product::read(&data, &self.0.locale, &mut found);
        product.filter(|_| found.unread.is_empty()).ok_or_else(|| Trouble::unreadable("product", request_id))
    }

    /// Reads something of the API.
    pub(super) async fn read(
        &self,
        operation: &'static str,
        path: &str,
        query: Vec<(&'static str, String)>,
        token: &Secret,
    ) -> Result<Success, Trouble> {
        let path = format!("/v1/{path}");
        self.0.client.api(ApiCall { operation, method: Method::GET, path, query, body: None, token }).await
    }

    /// An answer that does not say what it must.
    pub(super) fn odd(&self, operation: &'static str, what: &str, request_id: Option<String>) -> ChannelError {
        self.0.client.odd(operation, what, request_id)
    }

    async fn read_products(
        &self,
        items: &[Value],
        token: &Secret,
        request_id: Option<String>,
    ) -> Result<Found, ChannelError> {
        let mut found = Found { request_id, ..Found::default() };
        // A pass of changes brings products that were removed; they are gone.
        let there = items.iter().filter(|item| text(item, "status").as_deref() != Some("removed"));
        let products: Vec<Product> = there.filter_map(|item| Product::read(item, &self.0.locale, &mut found)).collect();
        if products.is_empty() {
            return Ok(found);
        }
        let warehouses = self.warehouses(token).await.map_err(|trouble| *trouble.error)?;
        for mut product in products {
            if self.0.warehouse.is_some() {
                self.read_stocks(&mut product, token).await.map_err(|trouble| *trouble.error)?;
            }
            for variation in &product.variations {
                self.note(&product, variation, &warehouses, &mut found);
            }
        }
        Ok(found)
    }

    /// The shop's warehouses that can be written to. A shop that does not tell them has one.
    pub(super) async fn warehouses(&self, token: &Secret) -> Result<Vec<String>, Trouble> {
        use crate::domain::Failure;
        if self.0.warehouse.is_some() {
            return Ok(Vec::new());
        }
        let query = vec![("per_page", PER_PAGE.to_string())];
        match self.read("warehouse list", "warehouses", query, token).await {
            Ok(success) => {
                let all = list(&success.data, "items").unwrap_or_default();
                let active = all.iter().filter(|one| text(one, "status").is_none_or(|status| status == "active"));
                Ok(active.filter_map(|one| text(one, "id")).collect())
            }
            Err(trouble) if matches!(trouble.error.failure, Failure::ScopeMissing { .. } | Failure::Rejected) => {
                Ok(Vec::new())
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Replaces a product's stock by that of its warehouses.
    pub(super) async fn read_stocks(&self, product: &mut Product, token: &Secret) -> Result<(), Trouble> {
        let path = format!("products/{}/stocks", product.id);
        let data = match self.read("stocks", &path, Vec::new(), token).await {
            Ok(success) => success.data,
            // Deleted meanwhile.
            Err(trouble) if trouble.is_refusal() => return Ok(()),
            Err(trouble) => return Err(trouble),
        };
        for variation in &mut product.variations {
            let told = match &variation.id {
                None => Some(&data),
                Some(id) => all(&data, "variations").find(|one| text(one, "id").as_ref() == Some(id)),
            };
            let stocks = told.into_iter().flat_map(|told| all(told, "stocks"));
            let pieces = stocks.filter_map(|stock| Some((text(stock, "warehouse_id")?, whole(stock, "quantity")?)));
            variation.places = Some(pieces.collect());
        }
        Ok(())
    }

    fn note(&self, product: &Product, variation: &Variation, warehouses: &[String], found: &mut Found) {
        let Some(sku) = variation.sku.clone() else {
            let id = variation.id.as_deref().unwrap_or("-");
            let text = format!("a variation of \"{}\" has no SKU; give it one at SHOPLINE", product.title);
            return found.complain(format!("product {}, variation {id}", product.id), "no_sku", text);
        };
        let listing = match self.listing(product, variation, warehouses) {
            Ok(listing) => listing,
            Err(error) => return found.complain(sku, error.code, error.to_string()),
        };
        if variation.unlimited {
            let text = "SHOPLINE sells this without counting it, so its stock is neither read nor exported".to_owned();
            found.remark(sku, "unlimited", text);
        } else if listing.refs[refs::COUNTED] != json!(true) {
            let text = match &self.0.warehouse {
                Some(chosen) => format!("it is not kept in warehouse {chosen}; its stock is not exported"),
                None => format!(
                    "the shop has several warehouses ({}); name one as export.warehouse, until then stock is not exported",
                    warehouses.join(", ")
                ),
            };
            found.complain(sku, "warehouse", text);
        } else if let Some(sale) = variation.sale.as_ref().and_then(|sale| amount(sale).ok().flatten()) {
            let text = format!(
                "buyers pay {sale} while SHOPLINE's special price stands; the regular price is what is compared"
            );
            found.remark(sku, "special_price", text);
        }
        found.listings.push(listing);
    }

    /// A variation, or a product without any, as the domain sees it.
    pub(super) fn listing(
        &self,
        product: &Product,
        variation: &Variation,
        warehouses: &[String],
    ) -> Result<Listing, InvalidListing> {
        let chosen = self.0.warehouse.as_ref();
        let place =
            chosen.filter(|chosen| variation.places.as_ref().is_some_and(|places| places.contains_key(*chosen)));
        let counted = !variation.unlimited && (place.is_some() || (chosen.is_none() && warehouses.len() < 2));
        let stock = match (variation.unlimited, place, &variation.places) {
            (true, ..) => None,
            (false, Some(place), Some(places)) => places.get(place).copied(),
            _ => variation.quantity,
        };
        let places = match &variation.places {
            Some(places) => json!(places),
            // Only their names, for who must choose one.
            None if warehouses.len() > 1 => warehouses.iter().map(|id| (id.clone(), Value::Null)).collect(),
            None => Value::Null,
        };
        Ok(Listing {
            sku: variation.sku.as_deref().unwrap_or_default().parse()?,
            shop_sku: None,
            product_id: product.id.clone(),
            refs: json!({
                refs::PRODUCT: product.id, refs::VARIANT: variation.id, refs::SKU: variation.sku,
                refs::STATUS: product.status, refs::SIBLINGS: product.variations.len(), refs::PLACES: places,
                refs::PLACE: place, refs::COUNTED: counted, refs::SAME_PRICE: product.same_price,
                refs::OPTIONS: product.options,
            }),
            title: product.title.clone(),
            description: product.description.clone(),
            brand: product.brand.clone(),
            category: None,
            barcode: variation.barcode.clone(),
            images: product.images.clone(),
            options: product
                .options
                .iter()
                .map(|(_, name)| name.clone())
                .zip(variation.values.iter().cloned())
                .collect(),
            prices: variation.price.as_ref().map(amount).transpose()?.flatten().into_iter().collect(),
            stock,
            status: status(&product.status),
        })
    }
}

/// Whether an answer counts pages: then it knows no `previous_id`.
fn numbers_pages(data: &Value) -> bool {
    data.get("pagination").is_some_and(Value::is_object)
}

fn has(items: &[Value], id: &str) -> bool {
    items.iter().any(|item| text(item, "id").as_deref() == Some(id))
}

/// What comes after a page.
fn next_page(pass: &Window<At>, data: &Value, items: &[Value]) -> Option<At> {
    let last = items.last().and_then(|item| text(item, "id"))?;
    let counted = |name: &str| whole(&data["pagination"], name);
    let total = counted("total_count").unwrap_or_default();
    let size = counted("per_page").and_then(|size| u32::try_from(size).ok()).unwrap_or(pass.size).max(1);
    let full = items.len() >= size as usize;
    let more = |page: u32| counted("total_pages").map_or(full, |pages| i64::from(page) < pages);
    match pass.page {
        At::Beginning => more(1).then_some(At::Second { id: last, total }),
        // Only an empty page surely is the end: the shop may cut pages shorter than was asked for.
        At::After { .. } | At::Second { .. } => Some(At::After { id: last }),
        At::Numbered { page, total: before } => {
            let moved = u32::try_from((before - total).max(0)).unwrap_or(u32::MAX).div_ceil(size);
            match moved {
                0 => more(page).then_some(At::Numbered { page: page + 1, total }),
                _ => Some(At::Numbered { page: page.saturating_sub(moved).max(1), total }),
            }
        }
    }
}

/// A list, or one thing where a list of one was meant.
fn all<'a>(data: &'a Value, name: &str) -> Box<dyn Iterator<Item = &'a Value> + Send + 'a> {
    match data.get(name) {
        Some(Value::Array(items)) => Box::new(items.iter()),
        Some(one @ Value::Object(_)) => Box::new(std::iter::once(one)),
        _ => Box::new(std::iter::empty()),
    }
}

/// A product, as far as it concerns us.
#[derive(Debug)]
pub(in super::super) struct Product {
    pub(super) id: String,
    pub(super) title: String,
    /// The title, and below the description, in every language, as the vendor writes them.
    pub(super) titles: Value,
    pub(super) status: String,
    description: Option<String>,
    pub(super) descriptions: Value,
    brand: Option<String>,
    images: Vec<String>,
    same_price: bool,
    /// Type and name of its options, in order.
    pub(super) options: Vec<(String, String)>,
    /// A product without variations is one itself.
    pub(super) variations: Vec<Variation>,
}

/// A variation, as far as it concerns us.
#[derive(Debug)]
pub(super) struct Variation {
    /// `None`: it is the product itself.
    pub(super) id: Option<String>,
    pub(super) sku: Option<String>,
    price: Option<Value>,
    sale: Option<Value>,
    quantity: Option<i64>,
    unlimited: bool,
    barcode: Option<String>,
    values: Vec<String>,
    places: Option<BTreeMap<String, i64>>,
}

impl Product {
    /// Reads one; what cannot be read of it is complained of.
    pub(super) fn read(value: &Value, locale: &str, found: &mut Found) -> Option<Self> {
        let Some(id) = text(value, "id").or_else(|| text(value, "_id")) else {
            found.complain("a product".to_owned(), "unreadable", "a product has no id".to_owned());
            return None;
        };
        let (variations, medias) = match (list(value, "variations"), list(value, "medias")) {
            (Ok(variations), medias) => (variations, medias.unwrap_or_default()),
            (Err(what), _) => {
                found.leave_unread(&id, "unreadable", &format!("the product is unreadable: {what}"));
                return None;
            }
        };
        let image = |media: &Value| text(&media["images"]["original"], "url").or_else(|| text(&media["images"], "url"));
        let option = |title: &Value| {
            let name = spoken(&title["name_translations"], locale).or_else(|| text(title, "label"));
            (text(title, "key").unwrap_or_default(), name.unwrap_or_default())
        };
        let mut product = Self {
            title: spoken(&value["title_translations"], locale).unwrap_or_default(),
            titles: value["title_translations"].clone(),
            status: text(value, "status").unwrap_or_default(),
            description: spoken(&value["description_translations"], locale),
            descriptions: value["description_translations"].clone(),
            brand: text(value, "brand"),
            images: medias.iter().filter_map(image).collect(),
            same_price: value["same_price"].as_bool().unwrap_or(false),
            options: list(value, "field_titles").unwrap_or_default().iter().map(option).collect(),
            variations: Vec::new(),
            id,
        };
        if variations.is_empty() {
            product.variations.push(Variation::read(value, value, false, locale));
        }
        for variation in variations {
            if text(variation, "id").is_none() {
                found.leave_unread(&product.id, "unreadable", "a variation has no id");
                continue;
            }
            product.variations.push(Variation::read(value, variation, product.same_price, locale));
        }
        Some(product)
    }
}

impl Variation {
    /// Reads one of a product; or the product itself, where it has none.
    fn read(product: &Value, value: &Value, same_price: bool, locale: &str) -> Self {
        let is_itself = std::ptr::eq(product, value);
        let priced = |name: &str| {
            let own = value.get(name).filter(|price| !same_price && !is_nothing(price));
            own.or_else(|| product.get(name).filter(|price| same_price || is_itself || !is_nothing(price))).cloned()
        };
        let words = &value["fields_translations"];
        let values = words.get(locale).or_else(|| words.as_object()?.values().next()).and_then(Value::as_array);
        Self {
            id: text(value, "id").filter(|_| !is_itself),
            sku: text(value, "sku"),
            price: priced("price").filter(|price| !price.is_null()),
            sale: value.get("price_sale").filter(|price| !is_nothing(price)).cloned(),
            quantity: whole(value, "quantity"),
            unlimited: product["unlimited_quantity"].as_bool().unwrap_or(false),
            barcode: text(value, "gtin").or_else(|| text(value, "barcode")),
            values: values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
            places: None,
        }
    }
}

/// A text in the shop's languages: in the one that was chosen, else in whichever there is.
fn spoken(words: &Value, locale: &str) -> Option<String> {
    let usual = [locale, "en", "zh-hant", "zh-cn"].into_iter().find_map(|name| text(words, name));
    usual.or_else(|| words.as_object()?.keys().find_map(|name| text(words, name)))
}

/// Whether a price object says nothing, or zero, which here means the same.
fn is_nothing(value: &Value) -> bool {
    let zero = |name: &str| {
        value.get(name).filter(|it| !it.is_null()).is_none_or(|it| price(it).is_ok_and(|amount| amount.is_zero()))
    };
    !value.is_object() || (zero("dollars") && zero("cents"))
}

/// What a price object says: `dollars`, or else `cents`, which for some currencies are whole units. `None`: no price.
pub(super) fn amount(value: &Value) -> Result<Option<Price>, InvalidListing> {
    let told = |name: &str| value.get(name).filter(|it| !it.is_null());
    let amount = match (told("dollars"), told("cents")) {
        (None, None) => return Ok(None),
        (Some(dollars), _) => (price(dollars)?, false),
        (None, Some(cents)) => (price(cents)?, true),
    };
    let currency = text(value, "currency_iso").unwrap_or_default().parse()?;
    let (amount, in_cents) = amount;
    let digits = if whole_only(currency) { 0 } else { currency.digits() };
    let amount = if in_cents { amount / Decimal::from(10_u64.pow(digits)) } else { amount };
    Ok(Some(Price { amount, currency }))
}

/// Whether buyers can find a product, by the vendor's word.
fn status(word: &str) -> ListingStatus {
    match word {
        "active" => ListingStatus::Active,
        "removed" => ListingStatus::Gone,
        // draft, hidden (there for who knows the address), and whatever comes new: not known to be found by buyers.
        _ => ListingStatus::Inactive,
    }
}

#[cfg(all(test, feature = "fakes"))]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn dollars_go_before_cents_which_are_whole_units_for_some_currencies() {
        for (value, expected) in [
            (json!({"cents": 1990, "dollars": 19.9, "currency_iso": "HKD"}), Some("19.9 HKD")),
            (json!({"cents": 1990, "currency_iso": "HKD"}), Some("19.90 HKD")),
            (json!({"cents": 199, "currency_iso": "TWD"}), Some("199 TWD")),
            (json!({"cents": 199, "dollars": 199.0, "currency_iso": "TWD"}), Some("199 TWD")),
            (json!({"cents": 1980, "currency_iso": "JPY"}), Some("1980 JPY")),
            (json!({"cents": 0, "dollars": 0, "currency_iso": "TWD"}), Some("0 TWD")),
            (json!({"currency_iso": "TWD"}), None),
        ] {
            let read = amount(&value).unwrap();
            assert_eq!(
                read.map(|price| (price.amount, price.currency.to_string())),
                expected.map(|text| {
                    let (amount, currency) = text.split_once(' ').unwrap();
                    (amount.parse().unwrap(), currency.to_owned())
                }),
                "{value}"
            );
        }
        assert!(amount(&json!({"dollars": "x", "currency_iso": "TWD"})).is_err());
        assert_eq!(amount(&json!({"dollars": 1})).unwrap_err().code, "currency");
    }

    /// What is noted of a product with two variations, changed a little.
    fn noted(change: fn(&mut Value)) -> Found {
        let money = |dollars: i64| json!({"cents": dollars, "dollars": dollars, "currency_iso": "TWD", "label": "NT$"});
        let mut value = json!({
            "id": "p1", "title_translations": {"en": "Tee", "zh-hant": "T恤"}, "status": "active", "price": money(500),
            "price_sale": money(0), "same_price": false, "unlimited_quantity": false, "quantity": 9, "sku": "", "brand": "",
            "field_titles": [{"key": "size", "label": "Size", "name_translations": {"zh-hant": "尺寸"}}],
            "medias": [{"id": "m1", "images": {"original": {"url": "https://img.example.test/1.jpg"}}}],
            "variations": [
                {"id": "v1", "sku": "TS-M", "price": money(490), "quantity": 4, "fields_translations": {"zh-hant": ["中"]}},
                {"id": "v2", "sku": "TS-L", "price": money(0), "quantity": 5, "fields_translations": {"zh-hant": ["大"]}},
            ],
        });
        change(&mut value);
        let mut found = Found::default();
        let asia = crate::channels::shopline::tests::made::asia();
        if let Some(product) = Product::read(&value, "zh-hant", &mut found) {
            product.variations.iter().for_each(|variation| asia.note(&product, variation, &[], &mut found));
        }
        found
    }

    fn shown(change: fn(&mut Value)) -> Vec<String> {
        let found = noted(change);
        let listing = |it: &Listing| {
            let price = it.prices.first().map_or("-".to_owned(), ToString::to_string);
            let stock = it.stock.map_or("-".to_owned(), |stock| stock.to_string());
            format!("{} {price} {stock} {} {:?}", it.sku, it.title, it.status)
        };
        let said = found.complaints.iter().chain(&found.remarks).map(|it| format!("{}: {}", it.sku, it.code));
        found.listings.iter().map(listing).chain(said).collect()
    }

    #[test]
    fn variations_are_listings_and_their_products_price_is_theirs_where_they_have_none() {
        assert_eq!(shown(|_| ()), ["TS-M 490 TWD 4 T恤 Active", "TS-L 500 TWD 5 T恤 Active"]);
        let listing = &noted(|_| ()).listings[0];
        assert_eq!(listing.options, [("尺寸".to_owned(), "中".to_owned())]);
        assert_eq!(listing.images, ["https://img.example.test/1.jpg"]);
        assert_eq!(
            shown(|it| it["same_price"] = json!(true)),
            ["TS-M 500 TWD 4 T恤 Active", "TS-L 500 TWD 5 T恤 Active"]
        );
    }

    #[test]
    fn what_is_strange_is_complained_of_and_never_a_wrong_listing() {
        for (change, expected) in [
            ((|it| it["unlimited_quantity"] = json!(true)) as fn(&mut Value), "TS-M: unlimited"),
            (|it| it["variations"][0]["sku"] = json!(" "), "product p1, variation v1: no_sku"),
            (|it| it["variations"][0]["id"] = json!(null), "product p1: unreadable"),
            (|it| it["variations"] = json!({}), "product p1: unreadable"),
            (|it| it["variations"][0]["price"]["dollars"] = json!("x"), "TS-M: price"),
            (|it| it["variations"][0]["price"]["currency_iso"] = json!("$"), "TS-M: currency"),
            (
                |it| it["variations"][0]["price_sale"] = json!({"dollars": 400, "currency_iso": "TWD"}),
                "TS-M: special_price",
            ),
            (|it| it["title_translations"] = json!({"vi": "Áo"}), "TS-M 490 TWD 4 Áo Active"),
            (|it| it["status"] = json!("hidden"), "TS-M 490 TWD 4 T恤 Inactive"),
        ] {
            let shown = shown(change);
            assert!(shown.contains(&expected.to_owned()), "{expected}: {shown:?}");
        }
    }

    #[test]
    fn pages_that_moved_forward_are_read_again() {
        let under = |at| Window::begin(None, jiff::Timestamp::UNIX_EPOCH, at, PER_PAGE);
        let items = [json!({"id": "p"})];
        let data = |total: i64| json!({"pagination": {"per_page": 50, "total_count": total, "total_pages": (total + 49) / 50}});
        let next = |page, total, counted| next_page(&under(At::Numbered { page, total }), &data(counted), &items);
        assert_eq!(next(3, 240, 240), Some(At::Numbered { page: 4, total: 240 }));
        assert_eq!(next(3, 240, 241), Some(At::Numbered { page: 4, total: 241 }));
        assert_eq!(next(3, 240, 239), Some(At::Numbered { page: 2, total: 239 }));
        assert_eq!(next(3, 240, 130), Some(At::Numbered { page: 1, total: 130 }));
        assert_eq!(next(5, 240, 240), None);
        assert_eq!(next(5, 240, 239), Some(At::Numbered { page: 4, total: 239 }));
    }
}
