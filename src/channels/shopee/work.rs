//! Export: a change on its way with what Shopee knows of its SKU.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
};

use serde_json::{Value, json};

use super::{
    items::{Items, refs},
    money::price_fault,
    on_sale::Way,
    wire::Trouble,
};
use crate::{
    channels::{PushResult, works},
    domain::{Listing, ListingStatus, Price, plan::Change},
};

/// The vendor's field holds no more.
const MOST_PIECES: i64 = i32::MAX as i64;
/// Why nothing can be sent of a SKU that the shop does not have, and of which the source says nothing.
pub(super) const UNLISTED: &str = "the shop does not have this SKU; list it in Seller Centre, or set export.create";

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

    pub(super) fn into_plain(self) -> works::Work<'a> {
        self.0
    }

    /// The item that a new SKU is to join.
    pub(super) fn joins(&self) -> Option<u64> {
        let siblings = if self.change.listing.is_none() { self.change.siblings.as_slice() } else { &[] };
        siblings.iter().find_map(|sibling| sibling.refs.get(refs::ITEM)?.as_u64())
    }

    pub(super) fn whole_of_refs(&self, name: &str) -> i64 {
        self.note(name).as_i64().unwrap_or(0)
    }

    pub(super) fn item(&self) -> Option<u64> {
        self.note(refs::ITEM).as_u64()
    }

    pub(super) fn model(&self) -> u64 {
        self.note(refs::MODEL).as_u64().unwrap_or(0)
    }

    /// The price to send, where one is to be sent and can be.
    pub(super) fn price(&mut self) -> Option<Price> {
        let wanted = self.wanted_price()?;
        if let Some(text) = price_fault(wanted) {
            self.refuse("price", &text, None);
            return None;
        }
        Some(wanted)
    }

    /// The pieces to send, where they are to be sent and can be. Where promotions hold more than are wanted, that is the fewest that
    /// Shopee takes, and a complaint.
    pub(super) fn stock(&mut self, partly_retired: bool) -> Option<i64> {
        let wanted = self.wanted_pieces(partly_retired)?;
        if let Some((code, text)) = self.stock_fault(wanted) {
            self.refuse(code, &text, None);
            return None;
        }
        let least = self.least();
        if wanted >= least {
            return Some(wanted);
        }
        let reserved = self.whole_of_refs(refs::RESERVED);
        let text = format!(
            "{wanted} pieces are wanted, and Shopee keeps {reserved} for promotions, below which the stock cannot fall: {least} are on sale; \
             wait for their end, or take the SKU out of them in Seller Centre"
        );
        self.refuse("reserved", &text, None);
        (self.listing.as_ref()?.stock != Some(least)).then_some(least)
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
        if self.word(refs::LOCATION).is_some() {
            return None;
        }
        let text = if !self.locations().is_empty() {
            "it is not clear which location to write to; name one as export.warehouse"
        } else if self.whole_of_refs(refs::SHOPEE_STOCK) > 0 {
            "the SKU is kept in Shopee's own warehouses, whose stock nobody can set from here"
        } else {
            return None;
        };
        Some(("warehouse", text.to_owned()))
    }

    /// The fewest pieces at our location that make, with those elsewhere, as many as promotions hold.
    fn least(&self) -> i64 {
        let elsewhere =
            self.with_ours(0).values().copied().fold(self.whole_of_refs(refs::SHOPEE_STOCK), i64::saturating_add);
        (self.whole_of_refs(refs::RESERVED) - elsewhere).max(0)
    }

    /// Whether a stock is to be sent that several locations share in.
    pub(super) fn is_shared(&self) -> bool {
        self.locations().len() > 1 && self.wanted_pieces(true).is_some()
    }

    /// Whether Shopee refused a stock for what promotions hold. There are half a dozen ways in which it says so.
    pub(super) fn is_held(&self) -> bool {
        self.refusal().is_some_and(|complaint| complaint.text.to_ascii_lowercase().contains("reserve"))
    }

    /// Notes where its pieces are at this moment, and how many of them promotions hold.
    pub(super) fn note_places(&mut self, read: &Items) {
        let (item, model) = (self.item(), self.model());
        let is_it = |listing: &&Listing| {
            listing.refs[refs::MODEL].as_u64() == Some(model) && listing.refs[refs::ITEM].as_u64() == item
        };
        let found = read.listings.iter().find(is_it);
        match (&mut self.listing, found) {
            (Some(listing), Some(found)) => {
                for name in [refs::LOCATIONS, refs::LOCATION, refs::SHOPEE_STOCK, refs::RESERVED] {
                    listing.refs[name] = found.refs[name].clone();
                }
            }
            _ => self.refuse("gone", "the item does not have this SKU any more; wait for the next import", None),
        }
    }

    pub(super) fn locations(&self) -> BTreeMap<String, i64> {
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
    pub(super) fn seller_stock(&self, pieces: i64, chosen: bool) -> Value {
        let all = self.with_ours(pieces);
        if all.len() == 1 && !chosen {
            return json!([{"stock": pieces}]);
        }
        all.into_iter().map(|(id, stock)| json!({"location_id": id, "stock": stock})).collect()
    }

    pub(super) fn note_stock(&mut self, pieces: i64) {
        let all = self.with_ours(pieces);
        if let Some(listing) = &mut self.listing {
            listing.stock = Some(pieces);
            if !listing.refs[refs::LOCATION].is_null() {
                listing.refs[refs::LOCATIONS] = json!(all);
            }
        }
    }

    /// Complains where a SKU joined an item that is off sale: whoever took it off did not know of this one.
    pub(super) fn complain_off_sale(&mut self, item: u64) {
        if self.listing.as_ref().is_some_and(|listing| listing.status != ListingStatus::Active) {
            let text = format!(
                "the SKU joined item {item} of its siblings, which is off sale; put it on sale in Seller Centre"
            );
            self.refuse("not_on_sale", &text, None);
        }
    }

    pub(super) fn note_status(&mut self, way: Way) {
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
