//! Export: a change on its way with what TikTok knows of its SKU, and how TikTok's refusals become complaints.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
};

use serde_json::{Value, json};

use super::{
    create::MOST_PIECES,
    product::refs,
    wire::{PartError, Trouble},
};
use crate::{
    channels::{ChannelError, works},
    domain::{Failure, ListingStatus, plan::Change},
};

/// A product that is in a promotion.
const PROMOTED: i64 = 12_052_038;
/// What a product call is refused for whatever it says of the SKUs: a promotion, or that there is no such product.
pub(super) const OF_PRODUCT: [i64; 2] = [PROMOTED, 12_052_048];

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
    pub(super) fn of(change: &'a Change) -> Self {
        Self(works::Work::of(change))
    }

    pub(super) fn into_plain(self) -> works::Work<'a> {
        self.0
    }

    /// The product of the shop that a new SKU is to join.
    pub(super) fn joins(&self) -> Option<String> {
        let sibling = self.change.siblings.first().filter(|_| self.change.listing.is_none())?;
        sibling.refs.get(refs::PRODUCT_ID)?.as_str().map(str::to_owned)
    }

    /// Whether the shop does not have it, and nothing speaks against listing it.
    pub(super) fn is_open(&self) -> bool {
        self.listing.is_none() && !self.is_refused()
    }

    pub(super) fn sku_id(&self) -> &str {
        self.word(refs::SKU_ID).unwrap_or_default()
    }

    /// The pieces to send, where they are to be sent and can be.
    pub(super) fn stock(&mut self, partly_retired: bool) -> Option<i64> {
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

    pub(super) fn warehouses(&self) -> BTreeMap<String, i64> {
        serde_json::from_value(self.note(refs::WAREHOUSES).clone()).unwrap_or_default()
    }

    /// Every warehouse of the SKU with its pieces, ours with the wanted ones. A SKU whose warehouse is not known has
    /// only one, and then the vendor wants none named.
    pub(super) fn inventory(&self, pieces: i64) -> Value {
        match self.word(refs::WAREHOUSE) {
            None => json!([{"quantity": pieces}]),
            Some(ours) => {
                let mut all = self.warehouses();
                all.insert(ours.to_owned(), pieces);
                all.into_iter().map(|(id, quantity)| json!({"warehouse_id": id, "quantity": quantity})).collect()
            }
        }
    }

    /// Notes what its warehouses have at this moment.
    pub(super) fn note_warehouses(&mut self, pieces: BTreeMap<String, i64>) {
        if let Some(listing) = &mut self.listing {
            listing.refs[refs::WAREHOUSES] = json!(pieces);
        }
    }

    pub(super) fn note_stock(&mut self, pieces: i64) {
        let ours = self.word(refs::WAREHOUSE).map(str::to_owned);
        if let Some(listing) = &mut self.listing {
            listing.stock = Some(pieces);
            if let Some(id) = ours {
                listing.refs[refs::WAREHOUSES][id] = json!(pieces);
            }
        }
    }

    pub(super) fn note_deactivated(&mut self) {
        if let Some(listing) = &mut self.listing {
            listing.status = ListingStatus::Inactive;
            listing.refs[refs::STATUS] = json!("SELLER_DEACTIVATED");
        }
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

pub(super) fn refuse_part(work: &mut Work<'_>, error: &PartError, request_id: Option<&str>) {
    let (code, message) = error.words();
    work.refuse(&code, &format!("TikTok Shop refused it with code {code}, {message}"), request_id);
}
