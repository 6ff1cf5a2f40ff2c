//! Import: items are read with their models.
//!
//! The base data is told of up to 50 items at once, models of one item in a call: the dear step. Where it is cut short, by a
//! rate limit or an outage, what was read so far is a page, and the rest is read by the next one.
//!
//! Vendor pages: "v2.product.get_item_base_info", "v2.product.get_model_list".

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::Value;

use super::{
    Shopee,
    client::Ask,
    items::{Items, is_deleted},
    wire_items::{self, WireItem, WireModels},
};
use crate::channels::{Access, ChannelError, calls::token_of};

const BASE_INFO: &str = "item base info";
const MODELS: &str = "model list";
/// How many lists of models are asked for at once: as many as the budget lets go without a wait to speak of.
const AT_ONCE: usize = 4;

impl Shopee {
    /// Reads items: all of them, or as many as could be before something went wrong.
    pub(super) async fn read_items(&self, access: &Access, ids: &[u64]) -> Result<Items, ChannelError> {
        let mut read = Items::default();
        if ids.is_empty() {
            return Ok(read);
        }
        let (mut told, request_id) = self.base_info(access, ids, &mut read).await?;
        let is_missing = |id: &u64| !told.contains_key(id) && !read.unread.contains(id);
        let missing: Vec<u64> = ids.iter().copied().filter(is_missing).collect();
        if !missing.is_empty() {
            // Deleted for good meanwhile, or left out by chance: asked once more, so that chance does not look like deletion.
            told.extend(self.base_info(access, &missing, &mut read).await?.0);
        }
        let (told, request_id) = (&told, request_id.as_deref());
        for (at, some) in ids.chunks(AT_ONCE).enumerate() {
            let models = some.iter().map(|id| self.models_of_listed(access, told.get(id)));
            for (index, (id, models)) in some.iter().zip(join_all(models).await).enumerate() {
                match (told.get(id), models) {
                    (_, Err(error)) => {
                        let done = at * AT_ONCE + index;
                        if done == 0 {
                            return Err(error);
                        }
                        read.left = ids[done..].to_vec();
                        return Ok(read);
                    }
                    (None, _) if read.unread.contains(id) => {}
                    (None, _) => {
                        read.unread.push(*id);
                        read.remark(request_id, format!("item {id}"), "untold", UNTOLD);
                    }
                    (Some(_), Ok(None)) => {}
                    (Some(_), Ok(Some(Err(error)))) => {
                        read.unread.push(*id);
                        read.complain(error.request_id.as_deref(), format!("item {id}"), "unreadable", error.text);
                    }
                    (Some(item), Ok(Some(Ok(models)))) => {
                        read.item(item, &models, self.warehouse.as_deref(), request_id);
                    }
                }
            }
        }
        Ok(read)
    }

    /// An item as it stands, with all it says of its variants; `None` where there is no such item.
    pub(super) async fn read_item(
        &self,
        access: &Access,
        id: u64,
    ) -> Result<Option<(WireItem, WireModels, Items)>, ChannelError> {
        let mut read = Items::default();
        let (mut told, request_id) = self.base_info(access, &[id], &mut read).await?;
        let Some(item) = told.remove(&id) else { return Ok(None) };
        let models = self.models_of_listed(access, Some(&item)).await?;
        let Some(models) = models.transpose()? else { return Ok(None) };
        read.item(&item, &models, self.warehouse.as_deref(), request_id.as_deref());
        Ok(Some((item, models, read)))
    }

    /// The base data of at most 50 items, as far as it is told. What is not readable becomes a complaint.
    pub(super) async fn base_info(
        &self,
        access: &Access,
        ids: &[u64],
        read: &mut Items,
    ) -> Result<(BTreeMap<u64, WireItem>, Option<String>), ChannelError> {
        let list = ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let ask = Ask {
            operation: BASE_INFO,
            path: "/api/v2/product/get_item_base_info",
            query: vec![("item_id_list", list)],
            body: None,
        };
        let success = self.client.of_products(ask, self.shop_id, token_of(access)?).await?;
        let none = Vec::new();
        let items = match success.response().get("item_list") {
            Some(Value::Array(items)) => items,
            None | Some(Value::Null) => &none,
            Some(_) => {
                return Err(self
                    .reading_products(BASE_INFO)
                    .unexpected("`item_list` is not a list", success.request_id));
            }
        };
        let mut told = BTreeMap::new();
        for value in items {
            let id = value.get("item_id").and_then(Value::as_u64);
            match (wire_items::read::<WireItem>(value), id) {
                (Ok(item), Some(id)) => drop(told.insert(id, item)),
                (Ok(_), None) => {}
                (Err(error), id) => {
                    let place = format!("item {}", id.map_or("?".to_owned(), |id| id.to_string()));
                    let text = format!("the item is unreadable: {error}");
                    read.complain(success.request_id.as_deref(), place, "unreadable", text);
                    read.unread.extend(id);
                }
            }
        }
        Ok((told, success.request_id))
    }

    /// The models of an item, none for one without; `None` where there is no such item any more.
    async fn models_of_listed(&self, access: &Access, item: Option<&WireItem>) -> Result<Option<Told>, ChannelError> {
        match item {
            None => Ok(None),
            Some(item) if is_deleted(&item.item_status) => Ok(None),
            Some(item) if !item.has_model => Ok(Some(Ok(WireModels::default()))),
            Some(item) => self.told_models(access, item.item_id).await,
        }
    }

    /// The models of an item; `None` where there is no such item.
    pub(super) async fn models_of(&self, access: &Access, id: u64) -> Result<Option<WireModels>, ChannelError> {
        self.told_models(access, id).await?.transpose()
    }

    async fn told_models(&self, access: &Access, id: u64) -> Result<Option<Told>, ChannelError> {
        let ask = Ask {
            operation: MODELS,
            path: "/api/v2/product/get_model_list",
            query: vec![("item_id", id.to_string())],
            body: None,
        };
        let success = match self.client.of_products(ask, self.shop_id, token_of(access)?).await {
            Err(trouble) if trouble.word == "error_item_not_found" => return Ok(None),
            other => other?,
        };
        let models = wire_items::read::<WireModels>(success.response());
        Ok(Some(models.map_err(|error| {
            let what = format!("the models of item {id} are unreadable: {error}");
            self.reading_products(MODELS).unexpected(&what, success.request_id.clone())
        })))
    }
}

/// What an answer tells of models, or why it cannot be read. That concerns one item: others are read all the same.
type Told = Result<WireModels, ChannelError>;

const UNTOLD: &str = "Shopee lists this item and tells nothing of it; look for it in Seller Centre";
