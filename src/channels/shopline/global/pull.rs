//! Import from Global: products page by page, their stock by location, and what they say in the domain's words.
//!
//! Pages are told by `page_info`, which the vendor makes of the last product's id, so a product that is edited while a pass runs
//! neither slips from it nor comes twice. It keeps the first call's filters; beside it only `limit` may stand. A pass of changes goes by
//! `updated_at_min`. The store's currency is asked for with each page that
//! has products: products do not tell it, and a store may change it.
//!
//! Vendor pages: "Get products", "REST Admin API pagination", "Get inventory quantities", "Query store information".

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Global;
use crate::{
    channels::{
        ChannelError, From, Page,
        shopline::{
            client::ApiCall,
            items::{Found, list, price, refs, text, whole},
            windows::Window,
            wire::{Success, Trouble},
        },
    },
    domain::{Currency, InvalidListing, Listing, ListingStatus, Price},
    http::Method,
    secrets::Secret,
};

/// The most products in a page.
pub(super) const LIMIT: u32 = 250;
/// How many stocks are asked for at once. The vendor names no most; so many ids make an address of a kilobyte.
const STOCKS: usize = 50;
const PRODUCTS: &str = "product list";

/// Which page comes next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Next {
    /// The vendor's token of it; `None` at the beginning.
    page_info: Option<String>,
    /// Whether the pass began anew because a token was refused.
    anew: bool,
}

fn query(pass: &Window<Next>) -> Vec<(&'static str, String)> {
    let mut query = vec![("limit", pass.size.to_string())];
    match (&pass.page.page_info, pass.since()) {
        (Some(token), _) => query.push(("page_info", token.clone())),
        (None, Some(since)) => query.push(("updated_at_min", written(since))),
        (None, None) => {}
    }
    query
}

impl Global {
    /// One page.
    pub(super) async fn pull_page(&self, token: &Secret, from: &From) -> Result<Page, ChannelError> {
        let now = self.0.client.now();
        let mut pass = Window::of(from, now, Next::default(), LIMIT)?;
        let mut restart = false;
        let Success { data, next, request_id } = loop {
            let trouble = match self.read(PRODUCTS, "products/products.json", query(&pass), token).await {
                Ok(success) => break success,
                Err(trouble) => trouble,
            };
            // Descriptions can be long: the same products come in smaller pages, and this one is empty.
            if let Some(smaller) = pass.smaller(&trouble) {
                return Ok(Page { next: Some(smaller.cursor()), restart, ..Page::default() });
            }
            // A token that is not known any more, since the pass stood still for long: once, from the beginning.
            if !trouble.is_refusal() || pass.page.page_info.is_none() || pass.page.anew {
                return Err(*trouble.error);
            }
            pass = pass.anew(now, Next { page_info: None, anew: true }, LIMIT);
            restart = true;
        };
        if next.is_some() && (next == pass.page.page_info || pass.never_ends()) {
            return Err(self.odd(PRODUCTS, "its pages do not end", request_id));
        }
        let found = self.read_products(&data, token, request_id).await?;
        let anew = pass.page.anew;
        let resume = next.is_none().then(|| pass.resume());
        let next = next.map(|token| pass.at(Next { page_info: Some(token), anew }).cursor());
        let Found { listings, complaints, remarks, unread, .. } = found;
        // The vendor counts products, not SKUs, so there is no total to show.
        Ok(Page { listings, complaints, unread, remarks, next, resume, total: None, restart })
    }

    /// One product, as it stands now.
    pub(super) async fn product(&self, token: &Secret, id: &str) -> Result<Product, Trouble> {
        let path = format!("products/{id}.json");
        let Success { data, request_id, .. } = self.read("product", &path, Vec::new(), token).await?;
        let mut found = Found::default();
        let product = Product::read(&data["product"], &mut found);
        product.filter(|_| found.unread.is_empty()).ok_or_else(|| Trouble::unreadable("product", request_id))
    }

    /// Reads something of the Admin API.
    pub(super) async fn read(
        &self,
        operation: &'static str,
        path: &str,
        query: Vec<(&'static str, String)>,
        token: &Secret,
    ) -> Result<Success, Trouble> {
        let path = self.path(path);
        self.0.client.api(ApiCall { operation, method: Method::GET, path, query, body: None, token }).await
    }

    /// The path of an operation.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/admin/openapi/{}/{rest}", self.0.version)
    }

    /// An answer that does not say what it must.
    pub(super) fn odd(&self, operation: &'static str, what: &str, request_id: Option<String>) -> ChannelError {
        self.0.client.odd(operation, what, request_id)
    }

    async fn read_products(
        &self,
        data: &Value,
        token: &Secret,
        request_id: Option<String>,
    ) -> Result<Found, ChannelError> {
        let values = list(data, "products").map_err(|what| self.odd(PRODUCTS, &what, request_id.clone()))?;
        let mut found = Found { request_id, ..Found::default() };
        if values.is_empty() {
            return Ok(found);
        }
        let products: Vec<Product> = values.iter().filter_map(|value| Product::read(value, &mut found)).collect();
        let currency = self.currency(token).await?;
        let items: Vec<&str> = products
            .iter()
            .flat_map(|product| &product.variants)
            .filter_map(|variant| variant.item.as_deref())
            .collect();
        let stocks = self.stocks(&items, token).await.map_err(|trouble| *trouble.error)?;
        for product in &products {
            for variant in &product.variants {
                self.note(product, variant, stocks.of(variant), currency, &mut found);
            }
        }
        Ok(found)
    }

    /// The store's currency.
    async fn currency(&self, token: &Secret) -> Result<Currency, ChannelError> {
        let read = self.read("shop", "merchants/shop.json", Vec::new(), token).await;
        let Success { data, request_id, .. } = read.map_err(|trouble| *trouble.error)?;
        let currency = text(&data["data"], "currency").and_then(|text| text.parse().ok());
        currency.ok_or_else(|| self.odd("shop", "it does not tell the store's currency", request_id))
    }

    /// The stock of these items at every location.
    pub(super) async fn stocks(&self, items: &[&str], token: &Secret) -> Result<Stocks, Trouble> {
        let mut stocks = Stocks::default();
        for items in items.chunks(STOCKS) {
            let query = vec![("inventory_item_ids", items.join(","))];
            let Success { data, request_id, .. } =
                self.read("inventory levels", "inventory_levels.json", query, token).await?;
            let levels = list(&data, "inventory_levels")
                .map_err(|what| Trouble::from(self.odd("inventory levels", &what, request_id)))?;
            for level in levels {
                if let (Some(item), Some(location)) = (text(level, "inventory_item_id"), text(level, "location_id")) {
                    let pieces = whole(level, "available").unwrap_or_default();
                    stocks.0.entry(item).or_default().insert(location, pieces);
                }
            }
        }
        Ok(stocks)
    }

    fn note(&self, product: &Product, variant: &Variant, places: Places<'_>, currency: Currency, found: &mut Found) {
        let Some(sku) = variant.sku.clone() else {
            let text = format!("a variant of \"{}\" has no SKU; give it one at SHOPLINE", product.title);
            return found.complain(format!("product {}, variant {}", product.id, variant.id), "no_sku", text);
        };
        let listing = match self.listing(product, variant, places, currency) {
            Ok(listing) => listing,
            Err(error) => return found.complain(sku, error.code, error.to_string()),
        };
        if let Some(text) = self.place_fault(variant, places) {
            found.complain(sku, "warehouse", text);
        } else if !variant.tracked {
            let text = "SHOPLINE does not track the stock of this variant, so it is neither read nor exported";
            found.remark(sku, "untracked", text.to_owned());
        }
        found.listings.push(listing);
    }

    /// A variant as the domain sees it.
    pub(super) fn listing(
        &self,
        product: &Product,
        variant: &Variant,
        places: Places<'_>,
        currency: Currency,
    ) -> Result<Listing, InvalidListing> {
        let place = self.place_of_stock(places);
        let stock = match (variant.tracked, place, places) {
            (false, ..) => None,
            (true, Some(place), Some(places)) => places.get(place).copied(),
            (true, None, Some(places)) => Some(places.values().copied().fold(0, i64::saturating_add)),
            (true, _, None) => variant.quantity,
        };
        let names = product.options.iter().cloned();
        let options = names.zip(&variant.options).filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        Ok(Listing {
            sku: variant.sku.as_deref().unwrap_or_default().parse()?,
            shop_sku: None,
            product_id: product.id.clone(),
            refs: json!({
                refs::PRODUCT: product.id, refs::VARIANT: variant.id, refs::ITEM: variant.item, refs::SKU: variant.sku,
                refs::STATUS: product.status, refs::PLACES: places, refs::PLACE: place,
                refs::COUNTED: variant.tracked && place.is_some(), refs::OPTIONS: product.options,
            }),
            title: product.title.clone(),
            description: product.description.clone(),
            brand: product.vendor.clone(),
            category: product.category.clone(),
            barcode: variant.barcode.clone(),
            images: product.images.clone(),
            options,
            prices: match &variant.price {
                None => Vec::new(),
                Some(value) => vec![Price { amount: price(value)?, currency }],
            },
            stock,
            status: status(&product.status),
        })
    }

    /// The location that export writes to: the chosen one, or the only one.
    fn place_of_stock<'a>(&self, places: Places<'a>) -> Option<&'a str> {
        let places = places?;
        let mut known = places.keys().map(String::as_str);
        match &self.0.warehouse {
            Some(chosen) => known.find(|id| id == chosen),
            None => known.next().filter(|_| places.len() == 1),
        }
    }

    fn place_fault(&self, variant: &Variant, places: Places<'_>) -> Option<String> {
        if !variant.tracked || self.place_of_stock(places).is_some() {
            return None;
        }
        let known = places.into_iter().flat_map(BTreeMap::keys).map(String::as_str).collect::<Vec<_>>().join(", ");
        Some(match &self.0.warehouse {
            _ if known.is_empty() => {
                "the variant is stocked at no location; stock it at one at SHOPLINE, until then its stock is not exported"
                    .to_owned()
            }
            Some(chosen) => {
                format!("the variant is not stocked at location {chosen} but at {known}; its stock is not exported")
            }
            None => format!(
                "the variant is stocked at several locations ({known}); name one as export.warehouse, until then its stock is not exported"
            ),
        })
    }
}

/// Pieces by location; `None`: stocked nowhere.
pub(super) type Places<'a> = Option<&'a BTreeMap<String, i64>>;

/// Pieces by item and location.
#[derive(Debug, Default)]
pub(super) struct Stocks(BTreeMap<String, BTreeMap<String, i64>>);

impl Stocks {
    /// Where a variant is stocked.
    pub(super) fn of(&self, variant: &Variant) -> Places<'_> {
        self.0.get(variant.item.as_deref()?)
    }
}

/// A product, as far as it concerns us.
#[derive(Debug, Clone)]
pub(in super::super) struct Product {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) status: String,
    description: Option<String>,
    vendor: Option<String>,
    category: Option<String>,
    images: Vec<String>,
    /// Id and address of those of its images that a variant, or the value of an option, shows.
    pub(super) shown_images: Vec<(String, String)>,
    /// The names of its options, in order.
    pub(super) options: Vec<String>,
    pub(super) variants: Vec<Variant>,
}

/// A variant, as far as it concerns us.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    pub(super) id: String,
    pub(super) sku: Option<String>,
    /// As it was written; `None`: there is none.
    pub(super) price: Option<Value>,
    barcode: Option<String>,
    pub(super) tracked: bool,
    /// Whose stock is counted; `None` where none is.
    pub(super) item: Option<String>,
    quantity: Option<i64>,
    /// By the product's options, in order.
    options: Vec<Option<String>>,
}

impl Product {
    /// Reads one; what cannot be read of it is complained of.
    pub(super) fn read(value: &Value, found: &mut Found) -> Option<Self> {
        let Some(id) = text(value, "id") else {
            found.complain("a product".to_owned(), "unreadable", "a product has no id".to_owned());
            return None;
        };
        let variants = match list(value, "variants") {
            Ok(variants) => variants,
            Err(what) => {
                found.leave_unread(&id, "unreadable", &format!("the product is unreadable: {what}"));
                return None;
            }
        };
        if variants.is_empty() {
            let text = "the product has no variants; complete or delete it at SHOPLINE";
            found.leave_unread(&id, "no_variants", text);
        }
        let named = |name: &str| list(value, name).unwrap_or_default();
        let mut product = Self {
            title: text(value, "title").unwrap_or_default(),
            status: text(value, "status").unwrap_or_default(),
            description: text(value, "body_html"),
            vendor: text(value, "vendor"),
            category: text(value, "product_category"),
            images: named("images").iter().filter_map(|image| text(image, "src")).collect(),
            shown_images: shown_images(named("images"), variants, named("options")),
            options: named("options").iter().map(|option| text(option, "name").unwrap_or_default()).collect(),
            variants: Vec::new(),
            id,
        };
        for value in variants {
            let Some(variant) = Variant::read(value) else {
                found.leave_unread(&product.id, "unreadable", "a variant has no id");
                continue;
            };
            product.variants.push(variant);
        }
        Some(product)
    }
}

/// Id and address of those images of a product that one of these shows: variants by the id, values of options by the address.
fn shown_images(images: &[Value], variants: &[Value], options: &[Value]) -> Vec<(String, String)> {
    let by_variants: Vec<String> = variants.iter().filter_map(|variant| text(&variant["image"], "id")).collect();
    let of_values = options.iter().filter_map(|option| option["values_images"].as_object()).flatten();
    let by_values: Vec<&str> = of_values.filter_map(|(_, src)| src.as_str()).collect();
    let known = images.iter().filter_map(|image| Some((text(image, "id")?, text(image, "src")?)));
    known.filter(|(id, src)| by_variants.contains(id) || by_values.contains(&src.as_str())).collect()
}

impl Variant {
    /// Reads one; `None`: it has no id.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let tracked = value.get("inventory_tracker").and_then(Value::as_bool).unwrap_or(true);
        Some(Self {
            id: text(value, "id")?,
            sku: text(value, "sku"),
            price: value.get("price").filter(|price| !price.is_null() && **price != json!("")).cloned(),
            barcode: text(value, "barcode"),
            tracked,
            item: text(value, "inventory_item_id").filter(|_| tracked),
            quantity: whole(value, "inventory_quantity"),
            options: ["option1", "option2", "option3", "option4", "option5"].map(|name| text(value, name)).to_vec(),
        })
    }
}

/// An instant as the vendor writes it.
pub(super) fn written(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// Whether buyers can find a product, by the vendor's word.
fn status(word: &str) -> ListingStatus {
    match word {
        "active" => ListingStatus::Active,
        // draft, archived, and whatever comes new: not known to be on sale.
        _ => ListingStatus::Inactive,
    }
}

#[cfg(all(test, feature = "fakes"))]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::channels::shopline::tests::made;

    /// A product as the vendor shows it, changed a little.
    fn product(change: impl FnOnce(&mut Value)) -> (Global, Vec<Product>, Found) {
        let mut value = json!({
            "id": "16070822412102455208", "title": "Tee", "handle": "tee", "status": "active", "spu": "TS",
            "vendor": "Acme", "tags": "new,summer", "body_html": "<p>Tee</p>", "created_at": "2026-01-05T08:00:00+00:00",
            "updated_at": "2026-09-01T10:15:00+00:00", "options": [{"id": "o1", "name": "Size", "values": ["M", "L"]}],
            "images": [{"id": "i1", "src": "https://img.example.test/1.jpg"}],
            "variants": [{
                "id": "18070822412102455209", "product_id": "16070822412102455208", "sku": "TS-M", "barcode": "",
                "price": "19.90", "compare_at_price": "25.00", "inventory_item_id": "59000000001",
                "inventory_quantity": 12, "inventory_tracker": true, "inventory_policy": "deny", "option1": "M",
                "weight": "0.2", "weight_unit": "kg", "taxable": true, "required_shipping": true,
            }],
        });
        change(&mut value);
        let mut found = Found::default();
        let products = Product::read(&value, &mut found).into_iter().collect();
        (made::global(), products, found)
    }

    /// What is noted of it where it is stocked at one location.
    fn noted(change: impl FnOnce(&mut Value)) -> Found {
        let (global, products, mut found) = product(change);
        let places = BTreeMap::from([("57".to_owned(), 12)]);
        for product in &products {
            for variant in &product.variants {
                let places = variant.item.as_ref().map(|_| &places);
                global.note(product, variant, places, "EUR".parse().unwrap(), &mut found);
            }
        }
        found
    }

    #[test]
    fn the_vendors_product_is_a_listing() {
        let found = noted(|_| ());
        assert_eq!((found.listings.len(), found.complaints.len(), found.remarks.len()), (1, 0, 0));
        let listing = &found.listings[0];
        assert_eq!((listing.sku.as_str(), listing.title.as_str()), ("TS-M", "Tee"));
        assert_eq!(listing.prices[0].to_string(), "19.90 EUR");
        assert_eq!((listing.stock, listing.status), (Some(12), ListingStatus::Active));
        assert_eq!((listing.brand.as_deref(), listing.description.as_deref()), (Some("Acme"), Some("<p>Tee</p>")));
        assert_eq!(
            (listing.barcode.as_deref(), listing.options.as_slice()),
            (None, &[("Size".to_owned(), "M".to_owned())][..])
        );
        assert_eq!(listing.images, ["https://img.example.test/1.jpg"]);
        assert_eq!(listing.refs[refs::PLACE], "57");
    }

    #[test]
    fn what_is_strange_is_complained_of_and_never_a_wrong_listing() {
        let code = |change: fn(&mut Value)| {
            let found = noted(change);
            let said = found.complaints.iter().chain(&found.remarks).map(|it| it.code.clone()).collect::<Vec<_>>();
            (said.join(" "), found.listings.first().map(|listing| (listing.prices.len(), listing.stock)))
        };
        let none = || None;
        for (change, expected, listing) in [
            ((|it| it["variants"] = json!([])) as fn(&mut Value), "no_variants", none()),
            (|it| it["variants"] = json!("x"), "unreadable", none()),
            (|it| it["id"] = json!(null), "unreadable", none()),
            (|it| it["variants"][0]["id"] = json!(null), "unreadable", none()),
            (|it| it["variants"][0]["sku"] = json!(""), "no_sku", none()),
            (|it| it["variants"][0]["sku"] = json!("a\u{7}b"), "sku", none()),
            (|it| it["variants"][0]["price"] = json!("free"), "price", none()),
            (|it| it["variants"][0]["price"] = json!(null), "", Some((0, Some(12)))),
            (|it| it["variants"][0]["price"] = json!(19.9), "", Some((1, Some(12)))),
            (|it| it["variants"][0]["inventory_tracker"] = json!(false), "untracked", Some((1, None))),
            (|it| it["variants"][0]["inventory_item_id"] = json!(null), "warehouse", Some((1, Some(12)))),
            (|it| it["id"] = json!(16_070_822), "", Some((1, Some(12)))),
            (|it| it["title"] = json!(null), "", Some((1, Some(12)))),
        ] {
            assert_eq!(code(change), (expected.to_owned(), listing), "{expected}");
        }
    }
}
