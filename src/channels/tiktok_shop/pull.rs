//! Import: searching a shop's products, page by page, and asking for the details of each.
//!
//! A search gives at most 10,000 products. A complete pass begins without bounds; where that is too much, the span of
//! creation times is halved until each part fits. It goes by creation, not change: a product's time of creation never moves, so
//! a product that is edited while the pass runs does not slip from a part still ahead into one already read. A pass of
//! changes must go by time of change and begins five minutes before the last pass did. Bounds are whole seconds and both
//! belong to the span, so parts touch without overlapping.
//!
//! A search does not tell brand, description, images, options and barcodes: those cost a call per product, several of them under
//! way at once. Pages are small then, so that a run that is to stop does not wait long for one. They are asked for in every
//! pass or in none: a listing that sometimes had them and sometimes not would change with every pass.
//!
//! Vendor pages: "Search products (202502)", "Get product (202309)".

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    TikTokShop,
    client::{ApiCall, Operation, ShopRef},
    product::Read,
    token_of,
    wire::{Success, TOO_MANY_RESULTS, Trouble},
};
use crate::{
    channels::{Access, Acted, ChannelError, From, Page},
    domain::{Cursor, Failure, PassKind},
    http::Method,
};

const SEARCH: Operation = Operation::read("product search");
const DETAILS: Operation = Operation::read("product details");
/// The most products that the vendor puts on a page.
const PAGE_SIZE: u64 = 100;
/// Products on a page whose details are asked for: a few seconds' worth.
const DETAILED_PAGE_SIZE: u64 = 20;
/// Details under way at once: the answers take longer than the rate allows one to follow another.
const AT_ONCE: usize = 4;
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
        /// How many products of the present part have been read.
        #[serde(default)]
        read: u64,
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
            read: 0,
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
        let Place::Under { started, mut parts, page_token, read } = Place::of(from, self.client.now())? else {
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
            let next = Place::Under { started, parts, page_token: String::new(), read: 0 };
            return Ok(Page { next: Some(next.cursor()), ..Page::default() });
        };
        let products = self.products_of(&data, request_id.as_deref())?;
        let read = read + products.len() as u64;
        let token = data.get("next_page_token").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !token.is_empty() && (token == page_token || read > MOST_RESULTS + PAGE_SIZE) {
            return Err(self.reading(SEARCH).unexpected("its pages go round in a circle", request_id));
        }
        let page = self.read_products(access, products, request_id).await?;
        if token.is_empty() {
            parts.remove(0);
        }
        if parts.is_empty() {
            let resume = Place::Resume { since: started }.cursor();
            return Ok(Page { resume: Some(resume), ..page });
        }
        let read = if token.is_empty() { 0 } else { read };
        Ok(Page { next: Some(Place::Under { started, parts, page_token: token, read }.cursor()), ..page })
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
        let size = if self.details { DETAILED_PAGE_SIZE } else { PAGE_SIZE };
        let mut query = vec![("page_size", size.to_string())];
        if !page_token.is_empty() {
            query.push(("page_token", page_token.to_owned()));
        }
        let Success { data, request_id } = match self.search_call(access, query, body).await {
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

    /// A search with this filter.
    pub(super) async fn search_call(
        &self,
        access: &Access,
        query: Vec<(&'static str, String)>,
        filter: Value,
    ) -> Result<Success, Trouble> {
        let path = "/product/202502/products/search";
        self.client.api(ApiCall { query, body: Some(filter.into()), ..Self::post(access, SEARCH, path)? }).await
    }

    /// The products of a search's answer.
    pub(super) fn products_of<'a>(
        &self,
        data: &'a Value,
        request_id: Option<&str>,
    ) -> Result<&'a [Value], ChannelError> {
        match data.get("products") {
            Some(Value::Array(products)) => Ok(products),
            None | Some(Value::Null) => Ok(&[]),
            Some(_) => Err(self.reading(SEARCH).unexpected("`products` is not a list", request_id.map(str::to_owned))),
        }
    }

    async fn read_products(
        &self,
        access: &Access,
        products: &[Value],
        request_id: Option<String>,
    ) -> Result<Page, ChannelError> {
        let mut read = Read { request_id, warehouse: self.warehouse.as_deref(), ..Read::default() };
        if self.details {
            // A future is made here and run below, so that its borrow does not depend on the stream's.
            let asked: Vec<_> = products.iter().map(|product| self.detailed(access, product)).collect();
            let mut answers = stream::iter(asked).buffered(AT_ONCE);
            while let Some(answer) = answers.next().await {
                match answer? {
                    Detailed::Whole(product) => read.product(&product),
                    Detailed::Refused(product, text) => read.refused(product, "details", &text),
                }
            }
        } else {
            for product in products {
                read.product(product);
            }
        }
        let Read { listings, complaints, unread, remarks, .. } = read;
        // The vendor counts products, not SKUs, so there is no total to show.
        Ok(Page { listings, complaints, unread, remarks, ..Page::default() })
    }

    /// A product of a search with its details.
    async fn detailed<'a>(&self, access: &Access, found: &'a Value) -> Result<Detailed<'a>, ChannelError> {
        let text = |name| found.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("id").is_empty() || text("status") == "DELETED" {
            return Ok(Detailed::Whole(found.clone()));
        }
        match self.details(access, text("id")).await {
            Ok(success) if success.data.get("id") == found.get("id") => {
                Ok(Detailed::Whole(as_it_sells(success.data, found)))
            }
            Ok(_) => {
                Ok(Detailed::Refused(found, "TikTok Shop product details: the answer is about something else".into()))
            }
            // Deleted meanwhile, or locked: the others go on.
            Err(trouble) if trouble.error.failure == Failure::Rejected => {
                Ok(Detailed::Refused(found, trouble.error.text))
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// The details of a product, with texts as they were last sent: those that the audit is still looking at would else seem to
    /// have been lost, and be sent again.
    pub(super) async fn details(&self, access: &Access, product: &str) -> Result<Success, Trouble> {
        let path = format!("/product/202309/products/{product}");
        let query = vec![("return_under_review_version", "true".to_owned())];
        let call = ApiCall { method: Method::GET, query, ..Self::post(access, DETAILS, &path)? };
        self.client.api(call).await
    }

    /// A call of the shop, without query and body.
    pub(super) fn post<'a>(
        access: &'a Access,
        operation: Operation,
        path: &'a str,
    ) -> Result<ApiCall<'a>, ChannelError> {
        Ok(ApiCall {
            operation,
            method: Method::POST,
            path,
            query: Vec::new(),
            body: None,
            shop: Some(ShopRef::of(access)?),
            token: token_of(access)?,
        })
    }
}

/// Details with status, prices and stock as the search has them: the version under review is a picture of the day it was sent.
fn as_it_sells(mut details: Value, found: &Value) -> Value {
    if let Some(status) = found.get("status") {
        details["status"] = status.clone();
    }
    let none = Vec::new();
    let found: &[Value] = found.get("skus").and_then(Value::as_array).unwrap_or(&none);
    for sku in details.get_mut("skus").and_then(Value::as_array_mut).into_iter().flatten() {
        let live = found.iter().find(|live| live.get("id").is_some() && live.get("id") == sku.get("id"));
        for name in ["price", "inventory"] {
            if let (Some(fields), Some(value)) = (sku.as_object_mut(), live.and_then(|live| live.get(name))) {
                fields.insert(name.to_owned(), value.clone());
            }
        }
    }
    details
}

/// What became of asking for a product's details.
enum Detailed<'a> {
    Whole(Value),
    /// As the search showed it, and the refusal.
    Refused(&'a Value, String),
}
