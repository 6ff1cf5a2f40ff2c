//! Export: whether the shop has a SKU already, asked before it is created.
//!
//! Vendor page: "v2.product.search_item".

use serde_json::Value;

use super::{Shopee, client::Ask, items::Items, push::MOST, wire_items::WireItem};
use crate::channels::{Access, ChannelError, calls::token_of};

const SEARCH: &str = "search by SKU";
/// The most that a search is followed; a SKU that is part of more is looked for by hand.
pub(super) const MOST_FOUND: usize = 500;

/// What a search found.
pub(super) enum Found {
    Nothing,
    Item(u64),
    /// So much that nobody can look at it all.
    TooMuch,
}

impl Shopee {
    /// Looks for an item under its own SKU, or with one of these among its variations.
    pub(super) async fn find(&self, access: &Access, own_sku: &str, skus: &[&str]) -> Result<Found, ChannelError> {
        let mut seen = 0;
        let mut asked: Vec<&str> = vec![own_sku];
        asked.extend(skus.first().filter(|sku| **sku != own_sku));
        for sku in asked {
            let mut offset = String::new();
            loop {
                let (ids, next) = self.search(access, sku, &offset).await?;
                seen += ids.len();
                for some in ids.chunks(MOST) {
                    let mut read = Items::default();
                    let (told, _) = self.base_info(access, some, &mut read).await?;
                    for (id, item) in told {
                        if self.is_it(access, &item, own_sku, skus).await? {
                            return Ok(Found::Item(id));
                        }
                    }
                }
                if next.is_empty() || next == offset || ids.is_empty() {
                    break;
                }
                if seen > MOST_FOUND {
                    return Ok(Found::TooMuch);
                }
                offset = next;
            }
        }
        Ok(Found::Nothing)
    }

    async fn is_it(
        &self,
        access: &Access,
        item: &WireItem,
        own_sku: &str,
        skus: &[&str],
    ) -> Result<bool, ChannelError> {
        if item.item_status.ends_with("_DELETE") {
            return Ok(false);
        }
        let own = item.item_sku.trim();
        if !item.has_model {
            return Ok(own == own_sku || skus.contains(&own));
        }
        let models = self.models_of(access, item.item_id).await?.unwrap_or_default();
        let has = |sku: &&str| models.model.iter().any(|model| model.model_sku.trim() == *sku);
        Ok(skus.iter().any(has) || (own == own_sku && !skus.contains(&own)))
    }

    /// One page of items whose SKU, or one of whose variations' SKUs, has this in it; and where the next one begins.
    async fn search(&self, access: &Access, sku: &str, offset: &str) -> Result<(Vec<u64>, String), ChannelError> {
        let mut query = vec![("page_size", "100".to_owned()), ("item_sku", sku.to_owned())];
        if !offset.is_empty() {
            query.push(("offset", offset.to_owned()));
        }
        let ask = Ask { operation: SEARCH, path: "/api/v2/product/search_item", query, body: None };
        let success = self.client.of_products(ask, self.shop_id, token_of(access)?).await?;
        let response = success.response();
        let ids = response.get("item_id_list").and_then(Value::as_array).into_iter().flatten();
        let next = response.get("next_offset").and_then(Value::as_str).unwrap_or_default();
        Ok((ids.filter_map(Value::as_u64).collect(), next.to_owned()))
    }
}
