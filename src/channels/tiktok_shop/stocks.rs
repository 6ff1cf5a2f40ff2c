//! Export: stock.
//!
//! A stock call is about one product and may refuse parts inside a success. It names every warehouse of a SKU, so what others have is read
//! right before: a number from the last import would bring back what was sold since.
//!
//! Vendor pages: "Update inventory (202309)", "Inventory search (202309)".

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{
    TikTokShop,
    client::{ApiCall, Operation},
    product::refs,
    wire::Trouble,
    wire_products::{WireStock, WireStocks},
    work::{Work, refuse_all, refuse_part},
};
use crate::channels::{Access, ChannelError};

const STOCKS: Operation = Operation::write("inventory update");
const INVENTORY: Operation = Operation::read("inventory search");
/// The most SKUs that a search for stock is asked for.
const SEARCH_SKUS: usize = 600;

impl TikTokShop {
    /// Sends the stock of one product. `partly_retired`: what is retired cannot be taken off sale.
    pub(super) async fn push_stocks(
        &self,
        access: &Access,
        product: &str,
        indices: &[usize],
        works: &mut [Work<'_>],
        partly_retired: bool,
    ) -> Result<(), ChannelError> {
        let sent: Vec<_> =
            indices.iter().filter_map(|index| Some((*index, works[*index].stock(partly_retired)?))).collect();
        let sent = self.with_others(access, sent, works).await?;
        if sent.is_empty() {
            return Ok(());
        }
        let skus: Vec<_> = sent
            .iter()
            .map(|(index, pieces)| json!({"id": works[*index].sku_id(), "inventory": works[*index].inventory(*pieces)}))
            .collect();
        let path = format!("/product/202309/products/{product}/inventory/update");
        let success = match self.write(access, STOCKS, &path, json!({"skus": skus})).await {
            Ok(success) => success,
            Err(trouble) => {
                let indices: Vec<_> = sent.iter().map(|(index, _)| *index).collect();
                return refuse_all(trouble, &indices, works);
            }
        };
        let errors = self.errors_in(STOCKS, &success)?;
        for (index, pieces) in sent {
            let work = &mut works[index];
            let own = errors.iter().find(|error| error.detail.sku_id.as_deref().is_none_or(|id| id == work.sku_id()));
            match own {
                Some(error) => {
                    refuse_part(work, error, success.request_id.as_deref());
                    if pieces == 0 {
                        let text = "some markets take no stock of 0; take the product off sale in Seller Center";
                        work.refuse("stock", text, None);
                    }
                }
                None => work.note_stock(pieces),
            }
        }
        Ok(())
    }

    /// Of what is to be sent, all that can be: what SKUs have in other warehouses is noted as it is at this moment.
    async fn with_others(
        &self,
        access: &Access,
        sent: Vec<(usize, i64)>,
        works: &mut [Work<'_>],
    ) -> Result<Vec<(usize, i64)>, ChannelError> {
        let (several, mut known): (Vec<_>, Vec<_>) =
            sent.into_iter().partition(|(index, _)| works[*index].warehouses().len() > 1);
        for some in several.chunks(SEARCH_SKUS) {
            let indices: Vec<usize> = some.iter().map(|(index, _)| *index).collect();
            let mut found = match self.inventory(access, &indices, works).await? {
                Ok(found) => found,
                Err(trouble) => {
                    refuse_all(trouble, &indices, works)?;
                    continue;
                }
            };
            for (index, pieces) in some {
                let work = &mut works[*index];
                match found.remove(work.sku_id()) {
                    Some(places) if work.word(refs::WAREHOUSE).is_some_and(|ours| places.contains_key(ours)) => {
                        work.note_warehouses(places);
                        known.push((*index, *pieces));
                    }
                    _ => {
                        let text = "TikTok Shop does not tell what its warehouses have, and without that a stock would overwrite theirs; \
                                    look at its warehouses in Seller Center";
                        work.refuse("warehouse", text, None);
                    }
                }
            }
        }
        Ok(known)
    }

    /// What SKUs have in each warehouse, by their ids; or why TikTok does not say.
    async fn inventory(
        &self,
        access: &Access,
        indices: &[usize],
        works: &[Work<'_>],
    ) -> Result<Result<BTreeMap<String, BTreeMap<String, i64>>, Trouble>, ChannelError> {
        let ids: Vec<_> = indices.iter().map(|index| works[*index].sku_id()).collect();
        let call = Self::post(access, INVENTORY, "/product/202309/inventory/search")?;
        let body = Some(json!({"sku_ids": ids}).into());
        let success = match self.client.api(ApiCall { body, ..call }).await {
            Ok(success) => success,
            Err(trouble) => return Ok(Err(trouble)),
        };
        let list = success.data.get("inventory").filter(|list| !list.is_null());
        let products = list.map_or_else(|| Ok(Vec::new()), Vec::<WireStocks>::deserialize).map_err(|error| {
            self.reading(INVENTORY).unexpected(&format!("it is unreadable: {error}"), success.request_id)
        })?;
        let places = |sku: WireStock| {
            let places =
                sku.warehouse_inventory.into_iter().map(|place| (place.warehouse_id, place.available_quantity));
            (sku.id, places.collect())
        };
        Ok(Ok(products.into_iter().flat_map(|product| product.skus).map(places).collect()))
    }
}
