//! Import from Global: products page by page, their stock by location, and what they say in the domain's words.
//!
//! Pages are told by `page_info`, which the vendor makes of the last product's id, so a product that is edited while a pass runs
//! neither slips from it nor comes twice. It keeps the first call's filters; beside it only `limit` may stand. A pass of changes goes by
//! `updated_at_min`. The store's currency is asked for with each page that
//! has products: products do not tell it, and a store may change it.
//!
//! Vendor pages: "Get products", "REST Admin API pagination", "Get inventory quantities", "Query store information".

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Global, listing::Stocks, product::Product};
use crate::{
    channels::{
        ChannelError, From, Page,
        shopline::{
            client::ApiCall,
            items::{Found, list, text, whole},
            windows::Window,
            wire::{Success, Trouble},
        },
    },
    domain::Currency,
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
}

/// An instant as the vendor writes it.
pub(super) fn written(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}
