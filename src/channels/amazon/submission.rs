//! What is sent for one SKU: patches of an item that is there, or the attributes of a new one; and what becomes of it.
//!
//! Price and stock are merged into what the shop has: a replacement would drop sales, limits and delivery times that the seller
//! set. Taking an offer off sale deletes it on this marketplace alone; setting the stock to zero would do so on all marketplaces of
//! the region, which share it.
//!
//! Vendor pages: "Merge a listing", "Manage purchasable offer", "Partially update a listing".

use serde_json::{Number, Value, json};

use super::{
    items::{DEFAULT_CHANNEL, WireIssue, complaints, note_others, refs},
    marketplaces::Marketplace,
    remembered::MOST_IMAGES,
};
use crate::{
    channels::PushResult,
    domain::{Complaint, Field, Listing, ListingStatus, Price, plan::Change},
};

/// The most letters of a title that the vendor takes.
const MOST_TITLE: usize = 200;
/// The most letters of a description.
const MOST_DESCRIPTION: usize = 2_000;
/// The most pieces.
const MOST_PIECES: i64 = 999_999_999;

/// A change on its way, and what has become of it.
pub(super) struct Work<'a> {
    pub(super) change: &'a Change,
    /// As it stands, as far as we know; `None`: the shop does not have it.
    pub(super) listing: Option<Listing>,
    pub(super) refusals: Vec<Complaint>,
    /// Whether the vendor has accepted it.
    pub(super) accepted: bool,
}

impl<'a> Work<'a> {
    pub(super) fn of(change: &'a Change) -> Self {
        Self { change, listing: change.listing.clone(), refusals: Vec::new(), accepted: false }
    }

    /// The SKU as the shop spells it.
    pub(super) fn sku(&self) -> &str {
        let own = self.listing.as_ref().and_then(|listing| listing.refs.get(refs::SKU)?.as_str());
        own.unwrap_or(self.change.sku.as_str())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.listing.as_ref()?.refs.get(name)?.as_str()
    }

    /// The item's product type.
    pub(super) fn product_type(&self) -> &str {
        self.text(refs::PRODUCT_TYPE).unwrap_or(super::items::ANY_PRODUCT_TYPE)
    }

    pub(super) fn refuse(&mut self, code: &str, text: impl Into<String>) {
        let sku = self.change.sku.to_string();
        self.refusals.push(Complaint { sku, code: code.to_owned(), text: text.into(), request_id: None });
    }

    /// Notes what the vendor says is wrong, one complaint for each code.
    pub(super) fn refuse_issues(&mut self, issues: &[WireIssue], request_id: Option<&str>) {
        let errors: Vec<_> = issues.iter().filter(|issue| issue.is_error()).cloned().collect();
        let told = if errors.is_empty() { issues } else { &errors };
        self.refusals.extend(complaints(self.change.sku.as_str(), told, request_id));
        if self.refusals.is_empty() {
            self.refuse("invalid", "Amazon calls the submission invalid and does not say why");
        }
    }

    pub(super) fn wants(&self, field: Field) -> bool {
        self.change.fields.contains(&field)
    }

    /// The patches of what is compared in an item that is there. Empty where there is nothing to send, or something was refused.
    pub(super) fn patches(&mut self, marketplace: &Marketplace) -> Vec<Value> {
        let mut patches = Vec::new();
        patches.extend(self.retiring(marketplace));
        patches.extend(self.price(marketplace));
        patches.extend(self.title(marketplace));
        patches.extend(self.description(marketplace));
        patches.extend(self.stock(!patches.is_empty()));
        if self.refusals.is_empty() { patches } else { Vec::new() }
    }

    /// Takes the offer away. Where there is none, nothing is left to take off sale.
    fn retiring(&self, marketplace: &Marketplace) -> Option<Value> {
        if !self.change.wanted.retired {
            return None;
        }
        let price = self.listing.as_ref()?.prices.first()?;
        let currency = price.currency.as_str();
        let value = json!([{"marketplace_id": marketplace.id, "currency": currency, "audience": "ALL"}]);
        Some(json!({"op": "delete", "path": "/attributes/purchasable_offer", "value": value}))
    }

    fn price(&mut self, marketplace: &Marketplace) -> Option<Value> {
        let known = self.listing.as_ref().is_some_and(|listing| !listing.prices.is_empty());
        if self.change.wanted.relisted && !known && self.change.wanted.price.is_none() {
            let text = "its offer was taken away when the source dropped it, and comes back with a price alone; \
                        let export.fields name `price`, or give it a price in Seller Central";
            self.refuse("price", text);
        }
        let wanted = self.change.wanted.price.filter(|_| self.wants(Field::Price) && !self.change.wanted.retired)?;
        let offer = match offer(wanted, marketplace) {
            Ok(offer) => offer,
            Err((code, text)) => {
                self.refuse(code, text);
                return None;
            }
        };
        // There is nothing to merge into where there is no offer yet.
        let op = if known { "merge" } else { "replace" };
        Some(json!({"op": op, "path": "/attributes/purchasable_offer", "value": [offer]}))
    }

    fn stock(&mut self, others: bool) -> Option<Value> {
        let pieces = self.change.wanted.stock.filter(|_| self.wants(Field::Stock) && !self.change.wanted.retired)?;
        let fba = self.listing.as_ref().and_then(|listing| listing.refs.get(refs::FBA)?.as_bool()).unwrap_or_default();
        if fba {
            // What else there is goes; that the stock does not is told when there is nothing else.
            if !others {
                let text = "Amazon keeps the stock of this SKU (FBA) and counts it itself; leave its stock empty in the product source";
                self.refuse("fba", text);
            }
            return None;
        }
        if !(0..=MOST_PIECES).contains(&pieces) {
            self.refuse("stock", format!("{pieces} pieces are wanted, Amazon takes 0 to {MOST_PIECES}"));
            return None;
        }
        let channel = self.text(refs::CHANNEL).map(str::to_owned);
        let Some(channel) = channel else {
            self.refuse(
                "warehouse",
                "it is not clear which fulfillment channel to write to; name one as export.warehouse",
            );
            return None;
        };
        let known = self.listing.as_ref().and_then(|listing| listing.refs.get(refs::CHANNELS)?.get(&channel));
        let op = if known.is_some() { "merge" } else { "add" };
        let value = json!([{"fulfillment_channel_code": channel, "quantity": pieces}]);
        Some(json!({"op": op, "path": "/attributes/fulfillment_availability", "value": value}))
    }

    fn title(&mut self, marketplace: &Marketplace) -> Option<Value> {
        let title = self.change.wanted.title.as_deref().filter(|_| self.wants(Field::Title))?;
        if let Some(fault) = title_fault(title) {
            self.refuse("title", fault);
            return None;
        }
        let value = json!([localized(title, marketplace)]);
        Some(json!({"op": "replace", "path": "/attributes/item_name", "value": value}))
    }

    fn description(&mut self, marketplace: &Marketplace) -> Option<Value> {
        let description = self.change.wanted.description.as_deref().filter(|_| self.wants(Field::Description))?;
        if let Some(fault) = description_fault(description) {
            self.refuse("description", fault);
            return None;
        }
        let value = json!([localized(description, marketplace)]);
        Some(json!({"op": "replace", "path": "/attributes/product_description", "value": value}))
    }

    /// Notes in the listing what was accepted.
    pub(super) fn accept(&mut self) {
        self.accepted = true;
        let wanted = &self.change.wanted;
        let (fields, retired) = (&self.change.fields, wanted.retired);
        let Some(listing) = &mut self.listing else { return };
        if retired {
            listing.prices.clear();
            listing.status = ListingStatus::Inactive;
            return;
        }
        if let Some(price) = wanted.price.filter(|_| fields.contains(&Field::Price)) {
            listing.prices = vec![price];
        }
        if wanted.relisted {
            listing.status = ListingStatus::Active;
        }
        if let Some(title) = wanted.title.as_ref().filter(|_| fields.contains(&Field::Title)) {
            listing.title.clone_from(title);
        }
        if let Some(text) = wanted.description.as_ref().filter(|_| fields.contains(&Field::Description)) {
            listing.description = Some(text.clone());
        }
        if let Some(images) = wanted.images.as_ref().filter(|_| fields.contains(&Field::Images)) {
            note_others(&mut listing.refs, (1..images.len().min(MOST_IMAGES)).collect());
        }
        let channel = listing.refs.get(refs::CHANNEL).and_then(Value::as_str).map(str::to_owned);
        if let (Some(pieces), Some(channel)) = (wanted.stock.filter(|_| fields.contains(&Field::Stock)), channel) {
            listing.stock = Some(pieces);
            listing.refs[refs::CHANNELS][channel] = json!(pieces);
        }
    }

    /// What became of it; `None`: nothing is known yet.
    pub(super) fn results(self) -> Vec<PushResult> {
        if !self.refusals.is_empty() {
            return self.refusals.into_iter().map(PushResult::Refused).collect();
        }
        let sku = self.change.sku.clone();
        let done = self.listing.filter(|_| self.accepted);
        done.map(|listing| PushResult::Done {
            sku,
            listing: Box::new(Listing { sku: self.change.sku.clone(), ..listing }),
        })
        .into_iter()
        .collect()
    }
}

/// A price as an offer has it, or why it cannot be one.
pub(super) fn offer(price: Price, marketplace: &Marketplace) -> Result<Value, (&'static str, String)> {
    if price.currency.as_str() != marketplace.currency {
        let (wanted, sells) = (price.currency, marketplace.currency);
        return Err(("currency", format!("the price is wanted in {wanted}, the marketplace sells in {sells}")));
    }
    let amount = price.amount.normalize();
    if !amount.is_sign_positive() || amount.is_zero() || amount.scale() > price.currency.digits() {
        return Err(("price", format!("{price} is no price that Amazon takes; correct it in the product source")));
    }
    // A number in JSON, digit by digit as it stands here.
    let amount: Number = serde_json::from_str(&amount.to_string()).map_err(|error| ("price", error.to_string()))?;
    Ok(json!({
        "marketplace_id": marketplace.id, "currency": marketplace.currency, "audience": "ALL",
        "our_price": [{"schedule": [{"value_with_tax": amount}]}],
    }))
}

/// A text in the marketplace's language.
pub(super) fn localized(text: &str, marketplace: &Marketplace) -> Value {
    json!({"value": text, "language_tag": marketplace.language, "marketplace_id": marketplace.id})
}

/// What stands in the way of a title.
pub(super) fn title_fault(title: &str) -> Option<String> {
    let count = title.chars().count();
    if title.trim().is_empty() {
        Some("the title is empty".to_owned())
    } else if count > MOST_TITLE {
        Some(format!("the title has {count} letters, Amazon takes {MOST_TITLE}; shorten it in the product source"))
    } else if title.chars().any(char::is_control) {
        Some("the title has line breaks or control characters; correct it in the product source".to_owned())
    } else {
        None
    }
}

/// What stands in the way of a description.
pub(super) fn description_fault(text: &str) -> Option<String> {
    let count = text.chars().count();
    if count > MOST_DESCRIPTION {
        Some(format!(
            "the description has {count} letters, Amazon takes {MOST_DESCRIPTION}; shorten it, or leave `description` out of export.fields"
        ))
    } else if plain(text) != text {
        Some("the description has HTML or control characters, Amazon takes plain text; correct it, or leave `description` \
               out of export.fields".to_owned())
    } else {
        None
    }
}

/// A description as plain text: without tags, with the common entities as letters, paragraphs as line breaks.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('<') {
        let tag = from.chars().next().filter(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '!'));
        out.push_str(before);
        if let (Some(_), Some((inside, after))) = (tag, from.split_once('>')) {
            let name: String = inside.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
            let name = name.to_ascii_lowercase();
            let breaks = matches!(&*name, "br" | "p" | "div" | "li" | "ul" | "tr" | "h1" | "h2" | "h3");
            if breaks && !out.ends_with('\n') && !out.is_empty() {
                out.push('\n');
            }
            rest = after;
        } else {
            out.push('<');
            rest = from;
        }
    }
    out.push_str(rest);
    for (entity, letter) in
        [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
    {
        out = out.replace(entity, letter);
    }
    let out: String = out.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    if out == text { out } else { out.trim().to_owned() }
}

/// The fulfillment availability of a new item.
pub(super) fn availability(pieces: i64, channel: Option<&str>) -> Result<Value, (&'static str, String)> {
    if !(0..=MOST_PIECES).contains(&pieces) {
        return Err(("stock", format!("{pieces} pieces are wanted, Amazon takes 0 to {MOST_PIECES}")));
    }
    Ok(json!([{"fulfillment_channel_code": channel.unwrap_or(DEFAULT_CHANNEL), "quantity": pieces}]))
}
