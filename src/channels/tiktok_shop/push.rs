//! Export: what is sent of what, one product at a time, and prices.
//!
//! Price and stock ([`super::stocks`]) are calls per product with all its SKUs at once. A price call is all or nothing, so where it is
//! refused each SKU goes alone. All else is edits of the product ([`super::edits`]).
//!
//! Only a product that is on sale can be changed, and one that is put on sale again ([`super::on_sale`]) is audited first. So that comes
//! alone, and what else differs is sent once the audit is over.
//!
//! Vendor page: "Update price (202309)".

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    TikTokShop,
    client::{ApiCall, Operation},
    creating::by_product,
    on_sale::Way,
    product::refs,
    wire::{PartError, Success, Trouble, part_errors},
    work::{OF_PRODUCT, Work, refuse_all},
};
use crate::{
    channels::{Access, ChannelError, PushResult, works},
    domain::{Failure, Price, plan::Change},
};

const PRICES: Operation = Operation::write("price update");
/// The most products in one call that puts them on or off sale.
const STATUS_BATCH: usize = 20;

impl TikTokShop {
    /// Sends changes. Answers in their order. Where calls fail in the middle, what is known by then is answered: the rest is
    /// sent once more.
    pub(super) async fn push_changes(
        &self,
        access: &Access,
        changes: &[Change],
    ) -> Result<Vec<PushResult>, ChannelError> {
        let mut works: Vec<_> = changes.iter().map(Work::of).collect();
        let ended = self.send_all(access, &mut works).await;
        let unlisted = "the shop does not have this SKU, and the source does not say enough to list it";
        works::results(works.into_iter().map(Work::into_plain), ended, unlisted)
    }

    async fn send_all(&self, access: &Access, works: &mut [Work<'_>]) -> Result<(), ChannelError> {
        let mut products: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, work) in works.iter_mut().enumerate() {
            let product = work.word(refs::PRODUCT_ID).map(str::to_owned);
            match product {
                Some(product) if !work.sku_id().is_empty() => products.entry(product).or_default().push(index),
                _ if work.listing.is_some() => {
                    work.refuse(
                        "no_ids",
                        "the channel's ids of this SKU are not known; wait for the next import",
                        None,
                    );
                    work.close();
                }
                _ if work.change.product.is_none() => work.close(),
                _ => {}
            }
        }
        let joined: BTreeSet<String> = works.iter().filter_map(Work::joins).collect();
        let (mut leaving, mut returning) = (Vec::new(), Vec::new());
        for (product, indices) in &products {
            match self.push_product(access, product, joined.contains(product), indices, works).await? {
                Way::Leaves => leaving.push((product.as_str(), indices.as_slice())),
                Way::Returns => returning.push((product.as_str(), indices.as_slice())),
                Way::Stays => {
                    for index in indices {
                        works[*index].close();
                    }
                }
            }
        }
        for (way, products) in [(Way::Leaves, leaving), (Way::Returns, returning)] {
            for batch in products.chunks(STATUS_BATCH) {
                self.put_on_sale(access, way, batch, works).await?;
                for index in batch.iter().flat_map(|(_, indices)| indices.iter()) {
                    works[*index].close();
                }
            }
        }
        for indices in by_product(works).values() {
            self.create(access, indices, works).await?;
            for index in indices {
                works[*index].close();
            }
        }
        Ok(())
    }

    /// Sends price and stock of one product; answers whether all of it is to be taken off sale, or put on sale again. `joined`: another
    /// SKU joins it in the same push.
    async fn push_product(
        &self,
        access: &Access,
        product: &str,
        joined: bool,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<Way, ChannelError> {
        if works[indices[0]].word(refs::STATUS) != Some("ACTIVATE") {
            return Ok(self.push_to_inactive(product, indices, works));
        }
        let retired: Vec<usize> = indices.iter().copied().filter(|index| works[*index].change.wanted.retired).collect();
        let leaves = !joined && self.leaves(access, product, &retired, works).await?;
        self.push_prices(access, product, indices, works).await?;
        self.push_stocks(access, product, indices, works, !leaves).await?;
        self.push_edit(access, product, indices, works).await?;
        if leaves {
            return Ok(Way::Leaves);
        }
        for index in retired {
            if !works[index].is_refused() {
                let text = "the product's other SKUs are still on sale, and only whole products can be taken off sale; its stock was set to 0 instead";
                works[index].refuse("siblings", text, None);
            }
        }
        Ok(Way::Stays)
    }

    async fn push_prices(
        &self,
        access: &Access,
        product: &str,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let sent: Vec<_> = indices.iter().filter_map(|index| Some((*index, works[*index].wanted_price()?))).collect();
        if sent.is_empty() {
            return Ok(());
        }
        let path = format!("/product/202309/products/{product}/prices/update");
        match self.write_prices(access, &path, &sent, works).await? {
            // It may be the fault of one of them.
            Some(trouble) if sent.len() > 1 && !trouble.code.is_some_and(|code| OF_PRODUCT.contains(&code)) => {
                for one in sent {
                    if let Some(trouble) = self.write_prices(access, &path, &[one], works).await? {
                        refuse_all(trouble, &[one.0], works)?;
                    }
                }
                Ok(())
            }
            Some(trouble) => refuse_all(trouble, &sent.iter().map(|(index, _)| *index).collect::<Vec<_>>(), works),
            None => Ok(()),
        }
    }

    /// Makes one call for these prices: all are noted, or it answers why TikTok takes none.
    async fn write_prices(
        &self,
        access: &Access,
        path: &str,
        sent: &[(usize, Price)],
        works: &mut [Work<'_>],
    ) -> Result<Option<Trouble>, ChannelError> {
        let entry = |(index, price): &(usize, Price)| json!({"id": works[*index].sku_id(), "price": {"amount": amount(*price), "currency": price.currency.as_str()}});
        let skus: Vec<_> = sent.iter().map(entry).collect();
        match self.write(access, PRICES, path, json!({"skus": skus})).await {
            Ok(_) => {
                for (index, price) in sent {
                    works[*index].note_price(*price);
                }
                Ok(None)
            }
            Err(trouble) if trouble.error.failure == Failure::Rejected => Ok(Some(trouble)),
            Err(trouble) => Err(trouble.into()),
        }
    }

    pub(super) async fn write(
        &self,
        access: &Access,
        operation: Operation,
        path: &str,
        body: Value,
    ) -> Result<Success, Trouble> {
        self.client.api(ApiCall { body: Some(body.into()), ..Self::post(access, operation, path)? }).await
    }

    pub(super) fn errors_in(&self, operation: Operation, success: &Success) -> Result<Vec<PartError>, ChannelError> {
        part_errors(&success.data).map_err(|error| {
            let what = format!("its list of errors is unreadable: {error}");
            self.reading(operation).unexpected(&what, success.request_id.clone())
        })
    }
}

/// An amount as the vendor writes it: decimal text with the currency's digits.
pub(super) fn amount(price: Price) -> String {
    let digits = price.currency.digits();
    format!("{:.*}", digits as usize, price.amount.round_dp(digits))
}
