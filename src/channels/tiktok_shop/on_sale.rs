//! Export: taking products off sale, and putting them back.
//!
//! TikTok knows whole products only as on or off sale, up to 20 in a call, which may refuse some inside a success. What is put on sale
//! again is audited first.
//!
//! Vendor pages: "Deactivate products (202309)", "Activate product (202309)".

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    TikTokShop,
    client::Operation,
    product::refs,
    settle::{Kind, ticket},
    work::{Work, refuse_all, refuse_part},
};
use crate::{
    channels::{Access, ChannelError},
    domain::Failure,
};

const DEACTIVATE: Operation = Operation::write("deactivate");
const ACTIVATE: Operation = Operation::write("activate");

/// What becomes of a product beside what is sent of its SKUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing.
    Stays,
    /// It is taken off sale.
    Leaves,
    /// It is put on sale again.
    Returns,
}

impl TikTokShop {
    /// What becomes of a product that is not on sale: it is put there, or nothing can be sent.
    pub(super) fn push_to_inactive(&self, product: &str, indices: &[usize], works: &mut [Work<'_>]) -> Way {
        let status = works[indices[0]].word(refs::STATUS).unwrap_or_default().to_owned();
        let returns = indices.iter().any(|index| works[*index].change.wanted.relisted);
        match status.as_str() {
            "SELLER_DEACTIVATED" if returns => return Way::Returns,
            // It is on its way back.
            "PENDING" if returns => {
                for index in indices {
                    self.await_audit(product, &mut works[*index]);
                }
                return Way::Stays;
            }
            _ => {}
        }
        for index in indices {
            let work = &mut works[*index];
            if !work.change.wanted.retired {
                let text = format!(
                    "the product is not on sale (status {status}), and only products on sale can be changed; activate it in Seller Center"
                );
                work.refuse("not_active", &text, None);
            }
        }
        Way::Stays
    }

    /// Whether all of a product goes off sale with these SKUs. The shop itself is asked: what was read of the product may be old, and a
    /// SKU that came to it since must not go along.
    pub(super) async fn leaves(
        &self,
        access: &Access,
        product: &str,
        retired: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<bool, ChannelError> {
        let siblings = |index: &usize| works[*index].note(refs::SIBLINGS).as_u64();
        if retired.first().and_then(siblings).is_none_or(|known| known > retired.len() as u64) {
            return Ok(false);
        }
        let details = match self.details(access, product).await {
            Ok(details) => details.data,
            Err(trouble) => return refuse_all(trouble, retired, works).map(|()| false),
        };
        let going: BTreeSet<&str> = retired.iter().map(|index| works[*index].sku_id()).collect();
        let goes = |sku: &Value| sku.get("id").and_then(Value::as_str).is_some_and(|id| going.contains(id));
        let skus = details.get("skus").and_then(Value::as_array);
        Ok(skus.is_some_and(|skus| !skus.is_empty() && skus.iter().all(goes)))
    }

    /// Puts products on or off sale. Where an earlier attempt has done so already TikTok refuses, which is as good.
    pub(super) async fn put_on_sale(
        &self,
        access: &Access,
        way: Way,
        batch: &[(&str, &[usize])],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let (operation, path) = match way {
            Way::Returns => (ACTIVATE, "/product/202309/products/activate"),
            Way::Leaves | Way::Stays => (DEACTIVATE, "/product/202309/products/deactivate"),
        };
        let ids: Vec<_> = batch.iter().map(|(product, _)| *product).collect();
        let success = match self.write(access, operation, path, json!({"product_ids": ids})).await {
            Ok(success) => success,
            Err(trouble) => {
                let indices: Vec<_> = batch.iter().flat_map(|(_, indices)| indices.iter().copied()).collect();
                return refuse_all(trouble, &indices, works);
            }
        };
        let errors = self.errors_in(operation, &success)?;
        for (product, indices) in batch {
            let own = errors.iter().find(|error| error.detail.product_id.as_deref().is_none_or(|id| id == *product));
            let refused = match own {
                Some(_) if self.is_there_already(access, way, product).await? => None,
                own => own,
            };
            for index in *indices {
                let work = &mut works[*index];
                match refused {
                    Some(error) => refuse_part(work, error, success.request_id.as_deref()),
                    None if way == Way::Returns => self.await_audit(product, work),
                    None => work.note_deactivated(),
                }
            }
        }
        Ok(())
    }

    async fn is_there_already(&self, access: &Access, way: Way, product: &str) -> Result<bool, ChannelError> {
        let details = match self.details(access, product).await {
            Err(trouble) if trouble.error.failure == Failure::Rejected => return Ok(false),
            details => details?,
        };
        let status = details.data.get("status").and_then(Value::as_str);
        Ok(match way {
            Way::Returns => matches!(status, Some("PENDING" | "ACTIVATE")),
            Way::Leaves | Way::Stays => status == Some("SELLER_DEACTIVATED"),
        })
    }

    fn await_audit(&self, product: &str, work: &mut Work<'_>) {
        work.pending = Some(ticket(Kind::Relisted, product, self.client.now()));
    }
}
