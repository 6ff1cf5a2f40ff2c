//! Import: searching a seller's items, page by page.
//!
//! A search reaches 1,000 items. A complete pass of a shop that has no more goes by SKU, an order that no edit moves; a larger
//! shop is read by way of a report (`report.rs`), and so is one whose pages do not add up to what the search says it found.
//!
//! A pass of changes goes by the time of change, from some minutes before the last pass began. Items move to the end of that
//! order while it is read, so pages do not follow one another by the vendor's token, under which an item could slip from
//! a page still ahead to one already read: each begins at the last time seen, whose items come again, which is harmless.
//! Only where a whole page shares one time does the token lead on, and where more than 1,000 do, the report.
//!
//! Vendor page: "searchListingsItems".

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Amazon,
    client::{ApiCall, Operation, encoded},
    items::{self, Item, complaints},
    seller_of, token_of,
    wire::{Success, Trouble},
};
use crate::{
    channels::{Access, Acted, ChannelError, From, Page},
    domain::{Complaint, Cursor, Failure, PassKind},
    http::Rate,
};

/// The vendor allows one more at once: room for calls that take a little longer on their way than the next ones.
pub(super) const SEARCH: Operation = Operation::new("listings search", Rate::per_second(5, 4));
const ITEM: Operation = Operation::new("listings item", Rate::per_second(5, 9));
/// The vendor's most, and what it takes in `identifiers`.
pub(super) const PAGE_SIZE: usize = 20;
/// The vendor pages through no more than this.
const REACH: u64 = 1_000;
/// A pass of changes begins this much before the last pass did: clocks differ, and searches lag behind edits.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);
const INCLUDED: &str = "summaries,attributes,issues,offers,fulfillmentAvailability,relationships,productTypes";

/// Where a pass stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// Between passes: the last one began then.
    Resume { since: Timestamp },
    /// Everything, by SKU: the vendor's token of the next page (empty at the beginning), how many items came before, and how many
    /// there were at the beginning.
    All { started: Timestamp, token: String, read: u64, total: u64 },
    /// Changes since then; token and count are those among the items that share this time.
    Changes { started: Timestamp, since: Timestamp, token: String, read: u64 },
    /// Everything, by a report that is still to be asked for.
    Ask { started: Timestamp },
    /// By a report that was asked for then.
    Report { started: Timestamp, report: String, asked: Timestamp },
    /// By a report that is there, from this one of its SKUs on.
    Rows { started: Timestamp, document: String, at: usize },
}

impl Place {
    pub(super) fn cursor(&self) -> Cursor {
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
        Ok(match noted {
            None => Self::All { started: now, token: String::new(), read: 0, total: 0 },
            Some(Self::Resume { since }) => {
                let since = since.checked_sub(OVERLAP).unwrap_or(since);
                Self::Changes { started: now, since, token: String::new(), read: 0 }
            }
            Some(under) => under,
        })
    }
}

fn bad_cursor(why: &str) -> ChannelError {
    ChannelError {
        failure: Failure::Bug,
        text: format!("Amazon: the cursor of the import cannot be read: {why}"),
        remedy: "start a complete pass with `shopsyncd jobs run SHOP product_import --full`".into(),
        request_id: None,
        acted: Acted::No,
    }
}

/// A page of a search, as far as its envelope goes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePage {
    number_of_results: u64,
    #[serde(default)]
    pagination: Option<WirePagination>,
    items: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePagination {
    #[serde(default)]
    next_token: Option<String>,
}

/// A page of a search.
pub(super) struct Found {
    total: u64,
    /// The token of the next page; empty: this is the last.
    next: String,
    items: Vec<Value>,
    request_id: Option<String>,
}

impl Amazon {
    /// One page.
    pub(super) async fn pull_page(&self, access: &Access, from: &From) -> Result<Page, ChannelError> {
        match Place::of(from, self.client.now())? {
            Place::Resume { .. } => Err(bad_cursor("it is not within a pass")),
            Place::All { started, token, read, total } => self.pull_all(access, started, token, (read, total)).await,
            Place::Changes { started, since, token, read } => {
                self.pull_changes(access, started, since, (token, read)).await
            }
            Place::Ask { started } => self.ask_report(access, started).await,
            Place::Report { started, report, asked } => self.poll_report(access, started, report, asked).await,
            Place::Rows { started, document, at } => self.pull_rows(access, started, document, at).await,
        }
    }

    async fn pull_all(
        &self,
        access: &Access,
        started: Timestamp,
        token: String,
        (read, total): (u64, u64),
    ) -> Result<Page, ChannelError> {
        let found = self.search(access, vec![("sortBy", "sku".into()), ("sortOrder", "ASC".into())], &token).await?;
        let first = read == 0;
        let read = read + found.items.len() as u64;
        // More than can be paged through, or pages that do not add up: items were deleted, so that others may have slipped from
        // a page still ahead to one already read, one was skipped, or they never end.
        let ends = found.next.is_empty();
        let lost =
            found.total < total || (ends && read < found.total) || (!ends && (read >= REACH || found.items.is_empty()));
        if (first && found.total > REACH) || lost {
            return Ok(Page { next: Some(Place::Ask { started }.cursor()), ..Page::default() });
        }
        let mut page = self.read_page(&found);
        page.total = Some(found.total);
        if ends {
            page.resume = Some(Place::Resume { since: started }.cursor());
        } else {
            self.check_token(&token, &found)?;
            page.next = Some(Place::All { started, token: found.next, read, total: found.total }.cursor());
        }
        Ok(page)
    }

    async fn pull_changes(
        &self,
        access: &Access,
        started: Timestamp,
        since: Timestamp,
        (token, read): (String, u64),
    ) -> Result<Page, ChannelError> {
        let query = vec![
            ("lastUpdatedAfter", written(since)),
            ("lastUpdatedBefore", written(started.max(since))),
            ("sortBy", "lastUpdatedDate".into()),
            ("sortOrder", "ASC".into()),
        ];
        let found = self.search(access, query, &token).await?;
        let mut page = self.read_page(&found);
        if found.next.is_empty() {
            page.resume = Some(Place::Resume { since: started }.cursor());
            return Ok(page);
        }
        let read = read + found.items.len() as u64;
        let next = match self.last_time(&found) {
            Some(last) if last > since => Place::Changes { started, since: last, token: String::new(), read: 0 },
            // All of them share one time, or are in no order that could be relied on.
            _ if read >= REACH || found.items.is_empty() => Place::Ask { started },
            _ => {
                self.check_token(&token, &found)?;
                Place::Changes { started, since, token: found.next, read }
            }
        };
        page.next = Some(next.cursor());
        Ok(page)
    }

    /// The time of the last item, where the items stand in the order of their times.
    fn last_time(&self, found: &Found) -> Option<Timestamp> {
        let time = |value: &Value| Item::new(&items::read(value).ok()?, self.marketplace).updated();
        let times: Vec<Timestamp> = found.items.iter().map(time).collect::<Option<_>>()?;
        times.is_sorted().then(|| times.last().copied()).flatten()
    }

    fn check_token(&self, token: &str, found: &Found) -> Result<(), ChannelError> {
        if found.next == token {
            let what = "the next page's token is this page's";
            return Err(self.reading(SEARCH).unexpected(what, found.request_id.clone()));
        }
        Ok(())
    }

    async fn search(
        &self,
        access: &Access,
        mut query: Vec<(&'static str, String)>,
        token: &str,
    ) -> Result<Found, ChannelError> {
        query.extend(self.common_query());
        query.push(("pageSize", PAGE_SIZE.to_string()));
        if !token.is_empty() {
            query.push(("pageToken", token.to_owned()));
        }
        let seller = seller_of(access)?;
        let path = format!("/listings/2021-08-01/items/{}", encoded(seller));
        let call = ApiCall { query, ..ApiCall::get(SEARCH, path, seller, token_of(access)?) };
        let Success { body, request_id } = self.client.api(call).await?;
        let page = WirePage::deserialize(body).map_err(|error| {
            self.reading(SEARCH).unexpected(&format!("the page is unreadable: {error}"), request_id.clone())
        })?;
        let next = page.pagination.and_then(|pagination| pagination.next_token).unwrap_or_default();
        Ok(Found { total: page.number_of_results, next, items: page.items, request_id })
    }

    fn common_query(&self) -> [(&'static str, String); 3] {
        [
            ("marketplaceIds", self.marketplace.id.to_owned()),
            ("includedData", INCLUDED.to_owned()),
            ("issueLocale", super::ISSUE_LOCALE.to_owned()),
        ]
    }

    /// The items of these SKUs, at most [`PAGE_SIZE`]; those that are not there are left out.
    pub(super) async fn items_of(&self, access: &Access, skus: &[&str]) -> Result<Found, ChannelError> {
        // A comma would end a SKU in the list.
        let (single, listed): (Vec<&str>, Vec<&str>) = skus.iter().partition(|sku| sku.contains(','));
        let mut found = Found { total: 0, next: String::new(), items: Vec::new(), request_id: None };
        if !listed.is_empty() {
            let query = vec![("identifiers", listed.join(",")), ("identifiersType", "SKU".to_owned())];
            found = self.search(access, query, "").await?;
            while !found.next.is_empty() && found.items.len() < listed.len() {
                let query = vec![("identifiers", listed.join(",")), ("identifiersType", "SKU".to_owned())];
                let more = self.search(access, query, &found.next).await?;
                if more.items.is_empty() {
                    break;
                }
                found.items.extend(more.items);
                found.next = more.next;
            }
        }
        for sku in single {
            found.items.extend(self.item_of(access, sku).await?);
        }
        Ok(found)
    }

    async fn item_of(&self, access: &Access, sku: &str) -> Result<Option<Value>, ChannelError> {
        let seller = seller_of(access)?;
        let path = item_path(seller, sku);
        let query = self.common_query().into();
        let call = ApiCall { query, ..ApiCall::get(ITEM, path, seller, token_of(access)?) };
        match self.client.api(call).await {
            Ok(success) => Ok(Some(success.body)),
            Err(Trouble { status: 404, .. }) => Ok(None),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// What a page says in the domain's words.
    pub(super) fn read_page(&self, found: &Found) -> Page {
        let mut page = Page::default();
        for value in &found.items {
            self.read_item(value, found.request_id.as_deref(), &mut page);
        }
        page
    }

    fn read_item(&self, value: &Value, request_id: Option<&str>, page: &mut Page) {
        let complain = |sku: &str, code: &str, text: String| Complaint {
            sku: if sku.trim().is_empty() { "?" } else { sku }.to_owned(),
            code: code.to_owned(),
            text,
            request_id: request_id.map(str::to_owned),
        };
        let wire = match items::read(value) {
            Ok(wire) => wire,
            Err(error) => {
                let sku = value.get("sku").and_then(Value::as_str).unwrap_or_default();
                return page.complaints.push(complain(sku, "unreadable", format!("the item is unreadable: {error}")));
            }
        };
        let item = Item::new(&wire, self.marketplace);
        if item.is_parent() {
            return;
        }
        let chosen = self.channel.as_deref();
        match item.listing(chosen) {
            Ok(listing) => {
                let sku = listing.sku.as_str();
                if let Some(text) = item.channel_fault(chosen) {
                    page.complaints.push(complain(sku, "warehouse", text));
                }
                let errors: Vec<_> = item.errors().cloned().collect();
                page.remarks.extend(complaints(sku, &errors, request_id));
                page.listings.push(listing);
            }
            Err(error) => page.complaints.push(complain(&wire.sku, error.code, error.to_string())),
        }
    }
}

impl Found {
    /// Its items by SKU.
    pub(super) fn by_sku(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.items.iter().filter_map(|value| Some((value.get("sku")?.as_str()?, value)))
    }
}

/// The path of an item.
pub(super) fn item_path(seller: &str, sku: &str) -> String {
    format!("/listings/2021-08-01/items/{}/{}", encoded(seller), encoded(sku))
}

/// An instant as the vendor writes it.
fn written(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
