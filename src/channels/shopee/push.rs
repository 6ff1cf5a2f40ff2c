//! Export: prices and stock item by item, texts, taking items off sale and putting them back.
//!
//! A call is about one item and up to 50 of its models; what it refuses of them stands in a list beside an empty `error`. Where
//! it refuses all of them for what may be the fault of one, each goes alone. When a call fails, what has been judged until
//! then is answered, and the rest is sent by the next export: every value is absolute.
//!
//! Vendor pages: "v2.product.update_price", "v2.product.update_stock", "v2.product.unlist_item", "v2.product.update_item",
//! "Stock and price management" (guide 223).

use std::{
    collections::{BTreeMap, VecDeque},
    ops::{Deref, DerefMut},
};

use serde_json::{Value, json};

use super::{
    Shopee,
    client::{Ask, Body},
    items::refs,
    money::{number, price_fault},
    text,
    wire::{Success, Trouble},
};
use crate::{
    channels::{Access, ChannelError, PushResult, calls::token_of, works},
    domain::{Failure, Field, ListingStatus, Price, plan::Change},
};

/// The most models, and items, in a call.
pub(super) const MOST: usize = 50;
/// The vendor's field holds no more.
const MOST_PIECES: i64 = i32::MAX as i64;

/// Why nothing can be sent of a SKU that the shop does not have, and of which the source says nothing.
const UNLISTED: &str = "the shop does not have this SKU; list it in Seller Centre, or set export.create";

/// A call that writes several things and answers each.
struct Several {
    operation: &'static str,
    path: &'static str,
    list: &'static str,
}

const PRICES: Several = Several { operation: "price update", path: "/api/v2/product/update_price", list: "price_list" };
const STOCKS: Several = Several { operation: "stock update", path: "/api/v2/product/update_stock", list: "stock_list" };
const UNLIST: &str = "unlist";
const RELIST: &str = "putting on sale again";
const TEXTS: &str = "item update";

/// A change on its way, with what Shopee knows of its SKU.
pub(super) struct Work<'a>(works::Work<'a>);

impl<'a> Deref for Work<'a> {
    type Target = works::Work<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Work<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<'a> Work<'a> {
    pub(super) fn of(change: &'a Change) -> Self {
        Self(works::Work::of(change))
    }

    /// Refuses for what the vendor said of the whole call.
    pub(super) fn refuse_for(&mut self, trouble: &Trouble) {
        let code = if trouble.word.is_empty() { "refused" } else { &trouble.word };
        self.refuse(code, &trouble.error.text, trouble.error.request_id.as_deref());
    }

    fn whole_of_refs(&self, name: &str) -> i64 {
        self.note(name).as_i64().unwrap_or(0)
    }

    fn item(&self) -> Option<u64> {
        self.note(refs::ITEM).as_u64()
    }

    fn model(&self) -> u64 {
        self.note(refs::MODEL).as_u64().unwrap_or(0)
    }

    /// The price to send, where one is to be sent and can be.
    fn price(&mut self) -> Option<Price> {
        let wanted = self.wanted_price()?;
        if let Some(text) = price_fault(wanted) {
            self.refuse("price", &text, None);
            return None;
        }
        Some(wanted)
    }

    /// The pieces to send, where they are to be sent and can be.
    fn stock(&mut self, partly_retired: bool) -> Option<i64> {
        let wanted = self.wanted_pieces(partly_retired)?;
        if let Some((code, text)) = self.stock_fault(wanted) {
            self.refuse(code, &text, None);
            return None;
        }
        Some(wanted)
    }

    fn stock_fault(&self, wanted: i64) -> Option<(&'static str, String)> {
        if !(0..=MOST_PIECES).contains(&wanted) {
            let text = format!(
                "{wanted} pieces are wanted, and Shopee takes 0 to {MOST_PIECES}; limit them with export.stock.max"
            );
            return Some(("stock", text));
        }
        if self.word(refs::FIXED) == Some("kit") {
            return Some(("kit", "the item is a kit: its stock follows from that of its parts".to_owned()));
        }
        let (locations, shopee) = (self.locations(), self.whole_of_refs(refs::SHOPEE_STOCK));
        if self.word(refs::LOCATION).is_none() {
            let text = if locations.is_empty() && shopee > 0 {
                "the SKU is kept in Shopee's own warehouses, whose stock nobody can set from here"
            } else if locations.is_empty() {
                return None;
            } else {
                "it is not clear which location to write to; name one as export.warehouse"
            };
            return Some(("warehouse", text.to_owned()));
        }
        let reserved = self.whole_of_refs(refs::RESERVED);
        let all = self.with_ours(wanted).values().copied().fold(shopee, i64::saturating_add);
        (all < reserved).then(|| {
            let text = format!(
                "{wanted} pieces are wanted, and Shopee keeps {reserved} for promotions, below which the stock cannot fall; \
                 wait for their end, or take the SKU out of them in Seller Centre"
            );
            ("reserved", text)
        })
    }

    fn locations(&self) -> BTreeMap<String, i64> {
        serde_json::from_value(self.note(refs::LOCATIONS).clone()).unwrap_or_default()
    }

    /// The pieces at every location, ours with the wanted ones.
    fn with_ours(&self, pieces: i64) -> BTreeMap<String, i64> {
        let mut all = self.locations();
        all.insert(self.word(refs::LOCATION).unwrap_or_default().to_owned(), pieces);
        all
    }

    /// Pieces as a call names them. Sellers without warehouses of their own read a location but may not name it, so a single one
    /// is named only where the settings do; several are named all, the others as they were read.
    fn seller_stock(&self, pieces: i64, chosen: bool) -> Value {
        let all = self.with_ours(pieces);
        if all.len() == 1 && !chosen {
            return json!([{"stock": pieces}]);
        }
        all.into_iter().map(|(id, stock)| json!({"location_id": id, "stock": stock})).collect()
    }

    fn note_stock(&mut self, pieces: i64) {
        let all = self.with_ours(pieces);
        if let Some(listing) = &mut self.listing {
            listing.stock = Some(pieces);
            if !listing.refs[refs::LOCATION].is_null() {
                listing.refs[refs::LOCATIONS] = json!(all);
            }
        }
    }

    fn note_status(&mut self, way: Way) {
        if let Some(listing) = &mut self.listing {
            let (status, word) = match way {
                Way::Leaves => (ListingStatus::Inactive, "UNLIST"),
                Way::Stays | Way::Returns => (ListingStatus::Active, "NORMAL"),
            };
            listing.status = status;
            listing.refs[refs::STATUS] = json!(word);
        }
    }

    pub(super) fn result(self) -> PushResult {
        self.0.result(UNLISTED)
    }
}

/// What becomes of an item beside what is sent of its SKUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nothing.
    Stays,
    /// It is taken off sale.
    Leaves,
    /// It is put on sale again.
    Returns,
}

/// Positions of works by what they belong to, in the order in which that comes first.
fn grouped<K: PartialEq>(keys: impl Iterator<Item = (K, usize)>) -> Vec<(K, Vec<usize>)> {
    let mut groups: Vec<(K, Vec<usize>)> = Vec::new();
    for (key, index) in keys {
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, indices)) => indices.push(index),
            None => groups.push((key, vec![index])),
        }
    }
    groups
}

impl Shopee {
    /// Sends changes. Answers in their order those that have been judged: all, or as many as were before a call failed.
    pub(super) async fn push_changes(
        &self,
        access: &Access,
        changes: &[Change],
    ) -> Result<Vec<PushResult>, ChannelError> {
        let mut works: Vec<_> = changes.iter().map(Work::of).collect();
        let ended = self.push_all(access, &mut works).await;
        works::results(works.into_iter().map(|work| work.0), ended, UNLISTED)
    }

    async fn push_all(&self, access: &Access, works: &mut [Work<'_>]) -> Result<(), ChannelError> {
        let items = grouped(works.iter().enumerate().filter_map(|(index, work)| Some((work.item()?, index))));
        let new = works.iter().enumerate().filter(|(_, work)| work.listing.is_none());
        let new = grouped(new.filter_map(|(index, work)| Some((work.change.product.as_ref()?.0.id.clone(), index))));
        for work in works.iter_mut() {
            if work.listing.is_some() && work.item().is_none() {
                work.refuse("no_ids", "Shopee's ids of this SKU are not known; wait for the next import", None);
                work.close();
            }
            if work.listing.is_none() && work.change.product.is_none() {
                work.close();
            }
        }
        let (mut leaving, mut returning) = (Vec::new(), Vec::new());
        for (item, indices) in &items {
            match self.push_item(access, *item, indices, works).await? {
                Way::Leaves => leaving.push((*item, indices.as_slice())),
                Way::Returns => returning.push((*item, indices.as_slice())),
                Way::Stays => {
                    for index in indices {
                        works[*index].close();
                    }
                }
            }
        }
        for (way, items) in [(Way::Leaves, leaving), (Way::Returns, returning)] {
            for batch in items.chunks(MOST) {
                self.put_on_sale(access, way, batch, works).await?;
            }
        }
        for (_, indices) in &new {
            self.create(access, indices, works).await?;
            for index in indices {
                works[*index].close();
            }
        }
        Ok(())
    }

    /// Sends what is to change about one item; answers whether all of it is to be taken off sale, or put on sale again.
    async fn push_item(
        &self,
        access: &Access,
        item: u64,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<Way, ChannelError> {
        let retired: Vec<usize> = indices.iter().copied().filter(|index| works[*index].change.wanted.retired).collect();
        let leaves = !retired.is_empty() && works[retired[0]].whole_of_refs(refs::MODELS) == retired.len() as i64;
        let prices: Vec<_> = indices.iter().filter_map(|index| Some((*index, works[*index].price()?))).collect();
        let entries = prices.iter().map(|(index, price)| {
            (*index, json!({"model_id": works[*index].model(), "original_price": number(price.amount)}))
        });
        let entries = entries.collect();
        for index in self.send(access, &PRICES, item, entries, works).await? {
            if let Some((_, price)) = prices.iter().find(|(known, _)| *known == index) {
                works[index].note_price(*price);
            }
        }
        let stocks: Vec<_> = indices.iter().filter_map(|index| Some((*index, works[*index].stock(!leaves)?))).collect();
        let chosen = self.warehouse.is_some();
        let entry = |(index, pieces): &(usize, i64)| {
            let work = &works[*index];
            (*index, json!({"model_id": work.model(), "seller_stock": work.seller_stock(*pieces, chosen)}))
        };
        let entries = stocks.iter().map(entry).collect();
        for index in self.send(access, &STOCKS, item, entries, works).await? {
            if let Some((_, pieces)) = stocks.iter().find(|(known, _)| *known == index) {
                works[index].note_stock(*pieces);
            }
        }
        self.push_texts(access, item, indices, works).await?;
        if leaves {
            return Ok(Way::Leaves);
        }
        // Not with a price or a stock that is not wanted.
        let sound = indices.iter().all(|index| !works[*index].is_refused());
        let returns = indices.iter().any(|index| works[*index].change.wanted.relisted);
        for index in indices.iter().filter(|_| returns && !sound) {
            if !works[*index].is_refused() {
                let text = "the item is not put on sale again, because Shopee refused a change of another of its SKUs";
                works[*index].refuse("siblings", text, None);
            }
        }
        for index in retired {
            let text = "the item's other SKUs are still on sale, and only whole items can be taken off sale; its stock was set to 0 instead";
            works[index].refuse("siblings", text, None);
        }
        Ok(if returns && sound { Way::Returns } else { Way::Stays })
    }

    /// Sends entries about models of one item, and answers which were accepted.
    async fn send(
        &self,
        access: &Access,
        several: &Several,
        item: u64,
        entries: Vec<(usize, Value)>,
        works: &mut [Work<'_>],
    ) -> Result<Vec<usize>, ChannelError> {
        let mut accepted = Vec::new();
        let mut calls: VecDeque<Vec<(usize, Value)>> = entries.chunks(MOST).map(<[_]>::to_vec).collect();
        while let Some(entries) = calls.pop_front() {
            let mut body = json!({"item_id": item});
            body[several.list] = entries.iter().map(|(_, entry)| entry.clone()).collect();
            match self.write(access, several.operation, several.path, body).await {
                Ok(success) => {
                    for (index, _) in entries {
                        match told_of(&success, "model_id", works[index].model()) {
                            None => accepted.push(index),
                            Some(reason) => {
                                let text = format!("Shopee refused it: {reason}");
                                works[index].refuse("refused", &text, success.request_id.as_deref());
                            }
                        }
                    }
                }
                Err(trouble) if trouble.error.failure != Failure::Rejected => return Err(trouble.into()),
                Err(trouble) if entries.len() > 1 && may_be_of_one(&trouble) => {
                    calls.extend(entries.into_iter().map(|entry| vec![entry]));
                }
                Err(trouble) => {
                    for (index, _) in entries {
                        let reason = failed(&trouble.response, "model_id", works[index].model());
                        match reason {
                            Some(reason) => {
                                let text = format!("Shopee refused it: {reason}");
                                works[index].refuse(&trouble.word, &text, trouble.error.request_id.as_deref());
                            }
                            None => works[index].refuse_for(&trouble),
                        }
                    }
                }
            }
        }
        Ok(accepted)
    }

    /// Sends the name and description of an item: once, although several SKUs may want it.
    async fn push_texts(
        &self,
        access: &Access,
        item: u64,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let mut body = json!({"item_id": item});
        let mut sent = Vec::new();
        for index in indices {
            let work = &mut works[*index];
            for (field, name) in [(Field::Title, "item_name"), (Field::Description, "description")] {
                let wanted = match field {
                    Field::Title => work.change.wanted.title.clone(),
                    _ => work.change.wanted.description.clone(),
                };
                let Some(wanted) = wanted.filter(|_| work.wants(field)) else { continue };
                let extended = field == Field::Description && work.word(refs::FIXED) == Some("description");
                let other = body.get(name).and_then(Value::as_str).is_some_and(|text| text != wanted);
                let fault = if extended {
                    Some(
                        "the description in the shop has images in it, which would be lost; edit it in Seller Centre"
                            .to_owned(),
                    )
                } else if other {
                    Some("other SKUs of the same item want another text, and an item has one".to_owned())
                } else {
                    text::fault(&wanted)
                };
                if let Some(text) = fault {
                    work.refuse(name, &format!("{name}: {text}"), None);
                } else {
                    body[name] = wanted.into();
                    sent.push((*index, field));
                }
            }
        }
        if sent.is_empty() {
            return Ok(());
        }
        match self.write(access, TEXTS, "/api/v2/product/update_item", body).await {
            Ok(_) => {
                for (index, field) in sent {
                    let work = &mut works[index];
                    let (title, description) = (&work.change.wanted.title, &work.change.wanted.description);
                    if let Some(listing) = &mut work.listing {
                        match field {
                            Field::Title => listing.title = title.clone().unwrap_or_default(),
                            _ => listing.description.clone_from(description),
                        }
                    }
                }
                Ok(())
            }
            Err(trouble) if trouble.error.failure == Failure::Rejected => {
                let mut indices: Vec<_> = sent.into_iter().map(|(index, _)| index).collect();
                indices.dedup();
                for index in &indices {
                    works[*index].refuse_for(&trouble);
                }
                Ok(())
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// Puts items on or off sale.
    async fn put_on_sale(
        &self,
        access: &Access,
        way: Way,
        batch: &[(u64, &[usize])],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let (off, operation, what) = match way {
            Way::Leaves => (true, UNLIST, "to take it off sale"),
            Way::Stays | Way::Returns => (false, RELIST, "to put it on sale again"),
        };
        let list: Vec<_> = batch.iter().map(|(item, _)| json!({"item_id": item, "unlist": off})).collect();
        let answer = self.write(access, operation, "/api/v2/product/unlist_item", json!({"item_list": list})).await;
        let answer = match answer {
            Err(trouble) if trouble.error.failure != Failure::Rejected => return Err(trouble.into()),
            answer => answer,
        };
        for (item, indices) in batch {
            for index in *indices {
                let work = &mut works[*index];
                match &answer {
                    Ok(success) => match told_of(success, "item_id", *item) {
                        None => work.note_status(way),
                        Some(reason) => {
                            let text = format!("Shopee refused {what}: {reason}");
                            work.refuse("refused", &text, success.request_id.as_deref());
                        }
                    },
                    Err(trouble) => match failed(&trouble.response, "item_id", *item) {
                        Some(reason) => {
                            let text = format!("Shopee refused {what}: {reason}");
                            work.refuse(&trouble.word, &text, trouble.error.request_id.as_deref());
                        }
                        None => work.refuse_for(trouble),
                    },
                }
                work.close();
            }
        }
        Ok(())
    }

    /// Makes a call that writes.
    pub(super) async fn write(
        &self,
        access: &Access,
        operation: &'static str,
        path: &'static str,
        body: Value,
    ) -> Result<Success, Trouble> {
        let ask = Ask { operation, path, query: Vec::new(), body: Some(Body::Json(body)) };
        self.client.of_products(ask, self.shop_id, token_of(access).map_err(Trouble::plain)?).await
    }
}

/// Whether a refusal of a whole call may be the fault of one of its models: then each is tried alone. What concerns the item or
/// the shop would only be refused again.
fn may_be_of_one(trouble: &Trouble) -> bool {
    const OF_MODELS: [&str; 9] = [
        "error_auth",
        "error_inner",
        "error_invalid_price",
        "error_param",
        "error_price_exceed_max_limitt",
        "error_price_exceed_min_limitt",
        "error_price_out_of_range",
        "error_server",
        "param",
    ];
    OF_MODELS.contains(&trouble.word.as_str())
}

/// The reason for which one thing of several was refused.
fn failed(response: &Value, name: &str, id: u64) -> Option<String> {
    let mut list = response.get("failure_list")?.as_array()?.iter();
    let entry = list.find(|entry| entry.get(name).and_then(Value::as_u64).unwrap_or(0) == id)?;
    let reason = entry.get("failed_reason").and_then(Value::as_str).unwrap_or_default();
    Some(text::line(if reason.is_empty() { "it gives no reason" } else { reason }))
}

/// Why one thing of several was not done although the call succeeded; `None`: it was.
fn told_of(success: &Success, name: &str, id: u64) -> Option<String> {
    let response = success.response();
    if let Some(reason) = failed(response, name, id) {
        return Some(reason);
    }
    let done = response.get("success_list").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let told = done.iter().any(|entry| entry.get(name).and_then(Value::as_u64).unwrap_or(0) == id);
    match (told, done.is_empty(), success.warning()) {
        (true, ..) | (false, true, "") => None,
        (false, _, "") => Some("it is not among what was done".to_owned()),
        (false, _, warning) => Some(text::line(warning)),
    }
}
