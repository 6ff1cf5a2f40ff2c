//! Export: prices, stock, taking products off sale and putting them back, one product at a time.
//!
//! Price and stock are calls per product with all its SKUs at once. A price call is all or nothing; a stock call and a
//! deactivation may refuse parts inside a success. Titles are edits of the product, which are audited ([`super::settle`]). A stock call names every warehouse of a SKU, so those we do not write to go
//! back as they were read.
//!
//! Only a product that is on sale can be changed, and one that is put on sale again is audited first. So that comes alone, and what
//! else differs is sent once the audit is over.
//!
//! Vendor pages: "Update price (202309)", "Update inventory (202309)", "Deactivate products (202309)", "Activate product
//! (202309)".

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Deref, DerefMut},
};

use serde_json::{Value, json};

use super::{
    TikTokShop,
    client::{ApiCall, Operation},
    create::MOST_PIECES,
    creating::by_product,
    product::refs,
    settle::{Kind, ticket},
    wire::{PartError, Success, Trouble, part_errors},
};
use crate::{
    channels::{Access, ChannelError, PushResult, works},
    domain::{Failure, Field, ListingStatus, Price, plan::Change},
};

const PRICES: Operation = Operation::write("price update");
const STOCKS: Operation = Operation::write("inventory update");
const DEACTIVATE: Operation = Operation::write("deactivate");
const ACTIVATE: Operation = Operation::write("activate");
pub(super) const PARTIAL_EDIT: Operation = Operation::write("partial edit");
/// The most products in one call that puts them on or off sale.
const STATUS_BATCH: usize = 20;
/// A product that is in a promotion.
const PROMOTED: i64 = 12_052_038;

/// A change on its way, with what TikTok knows of its SKU.
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
    fn of(change: &'a Change) -> Self {
        Self(works::Work::of(change))
    }

    /// Whether the shop does not have it, and nothing speaks against listing it.
    pub(super) fn is_open(&self) -> bool {
        self.listing.is_none() && !self.is_refused()
    }

    fn sku_id(&self) -> &str {
        self.word(refs::SKU_ID).unwrap_or_default()
    }

    /// The pieces to send, where they are to be sent and can be.
    fn stock(&mut self, partly_retired: bool) -> Option<i64> {
        let wanted = self.wanted_pieces(partly_retired)?;
        if !(0..=MOST_PIECES).contains(&wanted) {
            let text = format!(
                "{wanted} pieces are wanted, the channel takes 0 to {MOST_PIECES}; limit them with export.stock.max"
            );
            self.refuse("stock", &text, None);
            return None;
        }
        if self.word(refs::WAREHOUSE).is_none() && !self.warehouses().is_empty() {
            self.refuse("warehouse", "it is not clear which warehouse to write to; name one as export.warehouse", None);
            return None;
        }
        Some(wanted)
    }

    fn warehouses(&self) -> BTreeMap<String, i64> {
        serde_json::from_value(self.note(refs::WAREHOUSES).clone()).unwrap_or_default()
    }

    /// Every warehouse of the SKU with its pieces, ours with the wanted ones. A SKU whose warehouse is not known has
    /// only one, and then the vendor wants none named.
    fn inventory(&self, pieces: i64) -> Value {
        match self.word(refs::WAREHOUSE) {
            None => json!([{"quantity": pieces}]),
            Some(ours) => {
                let mut all = self.warehouses();
                all.insert(ours.to_owned(), pieces);
                all.into_iter().map(|(id, quantity)| json!({"warehouse_id": id, "quantity": quantity})).collect()
            }
        }
    }

    fn note_stock(&mut self, pieces: i64) {
        let ours = self.word(refs::WAREHOUSE).map(str::to_owned);
        if let Some(listing) = &mut self.listing {
            listing.stock = Some(pieces);
            if let Some(id) = ours {
                listing.refs[refs::WAREHOUSES][id] = json!(pieces);
            }
        }
    }

    fn note_deactivated(&mut self) {
        if let Some(listing) = &mut self.listing {
            listing.status = ListingStatus::Inactive;
            listing.refs[refs::STATUS] = json!("SELLER_DEACTIVATED");
        }
    }
}

/// What becomes of a product beside what is sent of its SKUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nothing.
    Stays,
    /// It is taken off sale.
    Leaves,
    /// It is put on sale again.
    Returns,
}

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
        works::results(works.into_iter().map(|work| work.0), ended, unlisted)
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
        let (mut leaving, mut returning) = (Vec::new(), Vec::new());
        for (product, indices) in &products {
            match self.push_product(access, product, indices, works).await? {
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

    /// Sends price and stock of one product; answers whether all of it is to be taken off sale, or put on sale again.
    async fn push_product(
        &self,
        access: &Access,
        product: &str,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<Way, ChannelError> {
        let first = &works[indices[0]];
        let status = first.word(refs::STATUS).unwrap_or_default().to_owned();
        if status != "ACTIVATE" {
            let returns = indices.iter().any(|index| works[*index].change.wanted.relisted);
            match status.as_str() {
                "SELLER_DEACTIVATED" if returns => return Ok(Way::Returns),
                // It is on its way back.
                "PENDING" if returns => {
                    indices.iter().for_each(|index| self.await_audit(product, &mut works[*index]));
                    return Ok(Way::Stays);
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
            return Ok(Way::Stays);
        }
        let siblings = first.note(refs::SIBLINGS).as_u64();
        let retired = indices.iter().filter(|index| works[**index].change.wanted.retired).count();
        let all_retired = retired > 0 && siblings == Some(retired as u64);
        self.push_prices(access, product, indices, works).await?;
        self.push_stocks(access, product, indices, works, !all_retired).await?;
        self.push_title(access, product, indices, works).await?;
        if !all_retired {
            for index in
                indices.iter().filter(|index| works[**index].change.wanted.retired).copied().collect::<Vec<_>>()
            {
                works[index].refuse(
                    "siblings",
                    "the product's other SKUs are still on sale, and only whole products can be taken off sale; its stock was set to 0 instead",
                    None,
                );
            }
        }
        Ok(if all_retired { Way::Leaves } else { Way::Stays })
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
        let skus: Vec<_> = sent
            .iter()
            .map(|(index, price)| {
                json!({"id": works[*index].sku_id(), "price": {"amount": amount(*price), "currency": price.currency.as_str()}})
            })
            .collect();
        let path = format!("/product/202309/products/{product}/prices/update");
        match self.write(access, PRICES, &path, json!({"skus": skus})).await {
            Ok(_) => {
                for (index, price) in sent {
                    works[index].note_price(price);
                }
                Ok(())
            }
            // All or nothing: the refusal concerns every SKU of the call.
            Err(trouble) => {
                let indices: Vec<_> = sent.iter().map(|(index, _)| *index).collect();
                refuse_all(trouble, &indices, works)
            }
        }
    }

    /// Sends the title, which all SKUs of a product share.
    async fn push_title(
        &self,
        access: &Access,
        product: &str,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let wanted = |work: &Work<'_>| {
            work.change
                .wanted
                .title
                .clone()
                .filter(|_| work.change.fields.contains(&Field::Title) && !work.change.wanted.retired)
        };
        let named: Vec<usize> = indices.iter().copied().filter(|index| wanted(&works[*index]).is_some()).collect();
        let titles: BTreeSet<String> = named.iter().filter_map(|index| wanted(&works[*index])).collect();
        let title = match titles.into_iter().collect::<Vec<_>>().as_slice() {
            [] => return Ok(()),
            [title] => title.trim().to_owned(),
            several => {
                let text = format!(
                    "the SKUs of the product, which has one title, are wanted with {} of them; they belong to several products of the source",
                    several.len()
                );
                for index in &named {
                    works[*index].refuse("title", &text, None);
                }
                return Ok(());
            }
        };
        let path = format!("/product/202509/products/{product}/partial_edit");
        match self.write(access, PARTIAL_EDIT, &path, json!({"title": title})).await {
            Ok(_) => {
                let ticket = ticket(Kind::Edited, product, self.client.now());
                for index in &named {
                    works[*index].pending = Some(ticket.clone());
                }
                Ok(())
            }
            Err(trouble) => refuse_all(trouble, &named, works),
        }
    }

    async fn push_stocks(
        &self,
        access: &Access,
        product: &str,
        indices: &[usize],
        works: &mut [Work<'_>],
        partly_retired: bool,
    ) -> Result<(), ChannelError> {
        let sent: Vec<_> =
            indices.iter().filter_map(|index| Some((*index, works[*index].stock(partly_retired)?))).collect();
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

    /// Puts products on or off sale. What is put on sale again is audited first; one that an earlier attempt has put there already
    /// is refused, and waited for all the same.
    async fn put_on_sale(
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
            let returns = way == Way::Returns;
            let refused = match own {
                Some(_) if returns && self.is_returning(access, product).await? => None,
                own => own,
            };
            for index in *indices {
                let work = &mut works[*index];
                match refused {
                    Some(error) => refuse_part(work, error, success.request_id.as_deref()),
                    None if returns => self.await_audit(product, work),
                    None => work.note_deactivated(),
                }
            }
        }
        Ok(())
    }

    async fn is_returning(&self, access: &Access, product: &str) -> Result<bool, ChannelError> {
        let details = match self.details(access, product).await {
            Err(trouble) if trouble.error.failure == Failure::Rejected => return Ok(false),
            details => details?,
        };
        Ok(matches!(details.data.get("status").and_then(Value::as_str), Some("PENDING" | "ACTIVATE")))
    }

    fn await_audit(&self, product: &str, work: &mut Work<'_>) {
        work.pending = Some(ticket(Kind::Relisted, product, self.client.now()));
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

    fn errors_in(&self, operation: Operation, success: &Success) -> Result<Vec<PartError>, ChannelError> {
        part_errors(&success.data).map_err(|error| {
            let what = format!("its list of errors is unreadable: {error}");
            self.reading(operation).unexpected(&what, success.request_id.clone())
        })
    }
}

/// A refusal of the data concerns these changes; any other trouble the whole batch.
pub(super) fn refuse_all(trouble: Trouble, indices: &[usize], works: &mut [Work<'_>]) -> Result<(), ChannelError> {
    let Trouble { code, error } = trouble;
    if error.failure != Failure::Rejected {
        return Err(*error);
    }
    let text = match code {
        Some(PROMOTED) => format!("{}; wait for the end of the promotion, or take the product out of it", error.text),
        _ => error.text,
    };
    let code = code.map_or_else(|| "refused".to_owned(), |code| code.to_string());
    for index in indices {
        works[*index].refuse(&code, &text, error.request_id.as_deref());
    }
    Ok(())
}

fn refuse_part(work: &mut Work<'_>, error: &PartError, request_id: Option<&str>) {
    let (code, message) = error.words();
    work.refuse(&code, &format!("TikTok Shop refused it with code {code}, {message}"), request_id);
}

/// An amount as the vendor writes it: decimal text with the currency's digits.
pub(super) fn amount(price: Price) -> String {
    let digits = price.currency.digits();
    format!("{:.*}", digits as usize, price.amount.round_dp(digits))
}
