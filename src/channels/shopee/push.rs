//! Export: what is sent of what, item by item; prices and stocks.
//!
//! A call is about one item and up to 50 of its models; what it refuses of them stands in a list beside an empty `error`. Where
//! it refuses all of them for what may be the fault of one, each goes alone. When a call fails, what has been judged until
//! then is answered, and the rest is sent by the next export: every value is absolute.
//!
//! A stock call names every location of a SKU (Shopee refuses one that lacks some), so what others have is read right before: a number
//! from the last import would bring back what was sold since.
//!
//! Vendor pages: "v2.product.update_price", "v2.product.update_stock", "Stock and price management" (guide 223).

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::{
    Shopee,
    client::{Ask, Body},
    items::refs,
    money::number,
    on_sale::Way,
    text,
    wire::{Success, Trouble},
    work::{UNLISTED, Work},
};
use crate::{
    channels::{Access, ChannelError, PushResult, calls::token_of, works},
    domain::{Failure, plan::Change},
};

/// The most models, and items, in a call.
pub(super) const MOST: usize = 50;
/// A call that writes several things and answers each.
struct Several {
    operation: &'static str,
    path: &'static str,
    list: &'static str,
}

const PRICES: Several = Several { operation: "price update", path: "/api/v2/product/update_price", list: "price_list" };
const STOCKS: Several = Several { operation: "stock update", path: "/api/v2/product/update_stock", list: "stock_list" };

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
        works::results(works.into_iter().map(Work::into_plain), ended, UNLISTED)
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
        let joined: BTreeSet<u64> = works.iter().filter_map(Work::joins).collect();
        let (mut leaving, mut returning) = (Vec::new(), Vec::new());
        for (item, indices) in &items {
            match self.push_item(access, *item, joined.contains(item), indices, works).await? {
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

    /// Sends what is to change about one item; answers whether all of it is to be taken off sale, or put on sale again. `joined`: another
    /// SKU joins it in the same push.
    async fn push_item(
        &self,
        access: &Access,
        item: u64,
        joined: bool,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<Way, ChannelError> {
        let retired: Vec<usize> = indices.iter().copied().filter(|index| works[*index].change.wanted.retired).collect();
        let models = retired.first().map(|index| works[*index].whole_of_refs(refs::MODELS));
        let may_leave = !joined && models.is_some_and(|models| models <= retired.len() as i64);
        let shared: Vec<usize> = indices.iter().copied().filter(|index| works[*index].is_shared()).collect();
        let mut leaves = false;
        if may_leave || !shared.is_empty() {
            let Some((told, models, read)) = self.read_item(access, item).await? else {
                for index in indices {
                    let text = format!("Shopee tells nothing of item {item} any more; wait for the next import");
                    works[*index].refuse("gone", &text, None);
                }
                return Ok(Way::Stays);
            };
            // The shop says what goes: what was read of the item may be old, and a SKU that came to it since must not go along.
            let goes = |model: u64| retired.iter().any(|index| works[*index].model() == model);
            let all_go = if told.has_model {
                !models.model.is_empty() && models.model.iter().all(|model| goes(model.model_id))
            } else {
                goes(0)
            };
            leaves = may_leave && all_go;
            for index in shared {
                works[index].note_places(&read);
            }
        }
        self.push_prices(access, item, indices, works).await?;
        self.push_stocks(access, item, !leaves, indices, works).await?;
        self.push_texts(access, item, indices, works).await?;
        self.push_attributes(access, item, indices, works).await?;
        self.push_images(access, item, indices, works).await?;
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
            if !works[index].is_refused() {
                let text = "the item's other SKUs are still on sale, and only whole items can be taken off sale; its stock was set to 0 instead";
                works[index].refuse("siblings", text, None);
            }
        }
        Ok(if returns && sound { Way::Returns } else { Way::Stays })
    }

    async fn push_prices(
        &self,
        access: &Access,
        item: u64,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let prices: Vec<_> = indices.iter().filter_map(|index| Some((*index, works[*index].price()?))).collect();
        let entries = prices.iter().map(|(index, price)| {
            (*index, json!({"model_id": works[*index].model(), "original_price": number(price.amount)}))
        });
        let entries = entries.collect();
        let accepted = self.send(access, &PRICES, item, entries, works).await?;
        for (index, price) in prices.into_iter().filter(|(index, _)| accepted.contains(index)) {
            works[index].note_price(price);
        }
        Ok(())
    }

    /// Sends stocks. Where Shopee refuses some for what promotions hold since the item was read, it is read again, so that as little as
    /// may be stays on sale.
    async fn push_stocks(
        &self,
        access: &Access,
        item: u64,
        partly_retired: bool,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let refused = self.send_stocks(access, item, partly_retired, indices, works).await?;
        let held: Vec<usize> = refused.into_iter().filter(|index| works[*index].is_held()).collect();
        if held.is_empty() {
            return Ok(());
        }
        if let Some((_, _, read)) = self.read_item(access, item).await? {
            for index in &held {
                works[*index].note_places(&read);
            }
            self.send_stocks(access, item, partly_retired, &held, works).await?;
        }
        Ok(())
    }

    /// Sends stocks, and answers which were refused.
    async fn send_stocks(
        &self,
        access: &Access,
        item: u64,
        partly_retired: bool,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<Vec<usize>, ChannelError> {
        let stocks: Vec<_> =
            indices.iter().filter_map(|index| Some((*index, works[*index].stock(partly_retired)?))).collect();
        let chosen = self.warehouse.is_some();
        let entry = |(index, pieces): &(usize, i64)| {
            let work = &works[*index];
            (*index, json!({"model_id": work.model(), "seller_stock": work.seller_stock(*pieces, chosen)}))
        };
        let entries = stocks.iter().map(entry).collect();
        let accepted = self.send(access, &STOCKS, item, entries, works).await?;
        let (done, refused): (Vec<_>, Vec<_>) = stocks.into_iter().partition(|(index, _)| accepted.contains(index));
        for (index, pieces) in done {
            works[index].note_stock(pieces);
        }
        Ok(refused.into_iter().map(|(index, _)| index).collect())
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
pub(super) fn failed(response: &Value, name: &str, id: u64) -> Option<String> {
    let mut list = response.get("failure_list")?.as_array()?.iter();
    let entry = list.find(|entry| entry.get(name).and_then(Value::as_u64).unwrap_or(0) == id)?;
    let reason = entry.get("failed_reason").and_then(Value::as_str).unwrap_or_default();
    Some(text::line(if reason.is_empty() { "it gives no reason" } else { reason }))
}

/// Why one thing of several was not done although the call succeeded; `None`: it was.
pub(super) fn told_of(success: &Success, name: &str, id: u64) -> Option<String> {
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
