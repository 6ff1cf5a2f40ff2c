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

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Asia, product::Product};
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
