//! What a listings item says in the domain's words.
//!
//! An item has the seller's own words (`attributes`) and what Amazon makes of them (`summaries`, `offers`). Where export
//! writes, the seller's words count: a price that a sale lowers for a week, or a title that the catalog worded otherwise, would
//! else be "corrected" for ever. Variation parents are nobody's to buy and are left out.
//!
//! Vendor page: "Listings Items API v2021-08-01 reference".

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{marketplaces::Marketplace, remembered::MOST_IMAGES};
use crate::domain::{Complaint, Currency, InvalidListing, Listing, ListingStatus, Price};

/// The product type of offers whose own is not known; the vendor takes it for changes of price and stock.
pub(super) const ANY_PRODUCT_TYPE: &str = "PRODUCT";
/// The fulfillment channel of what the seller ships.
pub(super) const DEFAULT_CHANNEL: &str = "DEFAULT";
/// How the names of Amazon's own fulfillment channels begin.
const AMAZONS: &str = "AMAZON_";

/// The names that other files give to what `refs` holds.
pub(super) mod refs {
    /// The SKU as the shop spells it.
    pub(in super::super) const SKU: &str = "sku";
    /// The catalog's id.
    pub(in super::super) const ASIN: &str = "asin";
    /// The product type.
    pub(in super::super) const PRODUCT_TYPE: &str = "product_type";
    /// Pieces by fulfillment channel.
    pub(in super::super) const CHANNELS: &str = "channels";
    /// The fulfillment channel that export writes to; null where it is not clear which, or where Amazon keeps the stock.
    pub(in super::super) const CHANNEL: &str = "channel";
    /// Whether Amazon keeps the stock.
    pub(in super::super) const FBA: &str = "fba";
    /// The SKU of the variation family's parent.
    pub(in super::super) const PARENT: &str = "parent";
    /// The variation family's theme.
    pub(in super::super) const THEME: &str = "theme";
    /// The numbers of the further images; not there without any.
    pub(in super::super) const OTHERS: &str = "others";
}

/// The attribute that has the image of this number; 0 is the main one.
pub(super) fn locator(number: usize) -> String {
    match number {
        0 => "main_product_image_locator".to_owned(),
        number => format!("other_product_image_locator_{number}"),
    }
}

/// Notes which further images an item has.
pub(super) fn note_others(noted: &mut Value, others: Vec<usize>) {
    let Some(noted) = noted.as_object_mut() else { return };
    if others.is_empty() {
        noted.remove(refs::OTHERS);
    } else {
        noted.insert(refs::OTHERS.to_owned(), json!(others));
    }
}

/// An item.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireItem {
    pub(super) sku: String,
    #[serde(default)]
    summaries: Vec<WireSummary>,
    #[serde(default)]
    attributes: Map<String, Value>,
    #[serde(default)]
    issues: Vec<WireIssue>,
    #[serde(default)]
    offers: Vec<WireOffer>,
    #[serde(default)]
    fulfillment_availability: Vec<WireAvailability>,
    #[serde(default)]
    relationships: Vec<WireRelationships>,
    #[serde(default)]
    product_types: Vec<WireProductType>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSummary {
    marketplace_id: String,
    #[serde(default)]
    asin: Option<String>,
    #[serde(default)]
    product_type: Option<String>,
    #[serde(default)]
    status: Vec<String>,
    #[serde(default)]
    item_name: Option<String>,
    #[serde(default)]
    last_updated_date: Option<String>,
    #[serde(default)]
    main_image: Option<WireImage>,
}

#[derive(Debug, Deserialize)]
struct WireImage {
    link: String,
}

/// An issue, of an item or of a submission.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireIssue {
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) severity: String,
    #[serde(default)]
    marketplace_ids: Vec<String>,
    #[serde(default)]
    enforcements: Option<WireEnforcements>,
}

#[derive(Debug, Clone, Deserialize)]
struct WireEnforcements {
    #[serde(default)]
    actions: Vec<WireAction>,
    #[serde(default)]
    exemption: Option<WireExemption>,
}

#[derive(Debug, Clone, Deserialize)]
struct WireAction {
    action: String,
}

#[derive(Debug, Clone, Deserialize)]
struct WireExemption {
    status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireOffer {
    marketplace_id: String,
    #[serde(default)]
    offer_type: String,
    price: WireMoney,
    #[serde(default)]
    audience: Option<WireAudience>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMoney {
    currency_code: String,
    amount: Value,
}

#[derive(Debug, Deserialize)]
struct WireAudience {
    #[serde(default)]
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAvailability {
    fulfillment_channel_code: String,
    #[serde(default)]
    quantity: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRelationships {
    marketplace_id: String,
    #[serde(default)]
    relationships: Vec<WireRelationship>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRelationship {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    child_skus: Vec<String>,
    #[serde(default)]
    parent_skus: Vec<String>,
    #[serde(default)]
    variation_theme: Option<WireTheme>,
}

#[derive(Debug, Deserialize)]
struct WireTheme {
    #[serde(default)]
    attributes: Vec<String>,
    #[serde(default)]
    theme: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireProductType {
    marketplace_id: String,
    product_type: String,
}

impl WireIssue {
    /// Whether it stands in the way of something.
    pub(super) fn is_error(&self) -> bool {
        self.severity == "ERROR"
    }

    /// Whether it takes the listing off sale, against the seller's will.
    fn blocks(&self) -> bool {
        let Some(enforcements) = &self.enforcements else { return false };
        let exempt = enforcements.exemption.as_ref().is_some_and(|exemption| exemption.status != "NOT_EXEMPT");
        let stops = |action: &WireAction| matches!(&*action.action, "LISTING_SUPPRESSED" | "CATALOG_ITEM_REMOVED");
        !exempt && enforcements.actions.iter().any(stops)
    }
}

/// Reads an item; an error says what is wrong with it.
pub(super) fn read(value: &Value) -> Result<WireItem, String> {
    WireItem::deserialize(without_nulls(value)).map_err(|error| error.to_string())
}

/// The same without fields that are null: to the vendor they mean the same as missing ones.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => items.iter().filter(|item| !item.is_null()).map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// What is wrong, one complaint for each code: a SKU has no two of one code.
pub(super) fn complaints(sku: &str, issues: &[WireIssue], request_id: Option<&str>) -> Vec<Complaint> {
    let mut by_code: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for issue in issues {
        let words = by_code.entry(if issue.code.is_empty() { "issue" } else { &issue.code }).or_default();
        if !words.contains(&issue.message.as_str()) {
            words.push(&issue.message);
        }
    }
    let complaint = |(code, words): (&str, Vec<&str>)| Complaint {
        sku: sku.to_owned(),
        code: code.to_owned(),
        text: words.join("; ").chars().filter(|c| !c.is_control()).take(2_000).collect(),
        request_id: request_id.map(str::to_owned),
    };
    by_code.into_iter().map(complaint).collect()
}

/// An item of one marketplace.
pub(super) struct Item<'a> {
    wire: &'a WireItem,
    marketplace: &'a Marketplace,
}

impl<'a> Item<'a> {
    pub(super) fn new(wire: &'a WireItem, marketplace: &'a Marketplace) -> Self {
        Self { wire, marketplace }
    }

    fn summary(&self) -> Option<&'a WireSummary> {
        self.wire.summaries.iter().find(|summary| summary.marketplace_id == self.marketplace.id)
    }

    fn variation(&self) -> Option<&'a WireRelationship> {
        let own = self.wire.relationships.iter().filter(|one| one.marketplace_id == self.marketplace.id);
        own.flat_map(|one| &one.relationships).find(|one| one.kind == "VARIATION")
    }

    /// Whether it is the head of a variation family, which nobody can buy.
    pub(super) fn is_parent(&self) -> bool {
        let level = self.attribute("parentage_level").and_then(|value| value.get("value")?.as_str());
        level == Some("parent") || self.variation().is_some_and(|variation| !variation.child_skus.is_empty())
    }

    /// When it was last updated, as the vendor writes it.
    pub(super) fn updated(&self) -> Option<jiff::Timestamp> {
        self.summary()?.last_updated_date.as_deref()?.parse().ok()
    }

    /// The values of an attribute that are this marketplace's, those in its language first.
    fn attributes(&self, name: &str) -> impl Iterator<Item = &'a Value> {
        let all = self.wire.attributes.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        fn is(value: &Value, name: &str, wanted: &str) -> bool {
            value.get(name).and_then(Value::as_str).is_none_or(|text| text == wanted)
        }
        let (ours, language) = (self.marketplace.id, self.marketplace.language);
        let mine = move |value: &&'a Value| is(value, "marketplace_id", ours);
        let spoken = move |value: &&'a Value| is(value, "language_tag", language);
        let first = all.iter().filter(mine).filter(spoken);
        first.chain(all.iter().filter(mine).filter(move |value| !spoken(value)))
    }

    fn attribute(&self, name: &str) -> Option<&'a Value> {
        self.attributes(name).next()
    }

    fn text(&self, name: &str) -> Option<String> {
        let value = self.attribute(name)?.get("value")?;
        value.as_str().map(str::to_owned).filter(|text| !text.is_empty())
    }

    /// The regular price of everybody: what the seller set, else what the offer says.
    fn price(&self) -> Result<Option<Price>, InvalidListing> {
        let everybodys = |audience: Option<&str>| audience.is_none_or(|audience| audience == "ALL");
        for offer in self.attributes("purchasable_offer") {
            let audience = offer.get("audience").and_then(Value::as_str);
            let set = offer.pointer("/our_price/0/schedule/0/value_with_tax");
            if let (true, Some(amount)) = (everybodys(audience), set) {
                let currency = offer.get("currency").and_then(Value::as_str).unwrap_or(self.marketplace.currency);
                return Ok(Some(Price { amount: amount_of(amount)?, currency: currency.parse::<Currency>()? }));
            }
        }
        let offer = self.wire.offers.iter().find(|offer| {
            let audience = offer.audience.as_ref().and_then(|audience| audience.value.as_deref());
            offer.marketplace_id == self.marketplace.id && offer.offer_type == "B2C" && everybodys(audience)
        });
        let price = |offer: &WireOffer| {
            Ok(Price { amount: amount_of(&offer.price.amount)?, currency: offer.price.currency_code.parse()? })
        };
        offer.map(price).transpose()
    }

    fn image(&self, number: usize) -> Option<String> {
        Some(self.attribute(&locator(number))?.get("media_location")?.as_str()?.to_owned())
    }

    fn images(&self) -> Vec<String> {
        let shown = || self.summary()?.main_image.as_ref().map(|image| image.link.clone());
        let main = self.image(0).or_else(shown);
        main.into_iter().chain((1..MOST_IMAGES).filter_map(|number| self.image(number))).collect()
    }

    /// The attributes that tell the members of a variation family apart, as far as they are plain.
    fn options(&self) -> Vec<(String, String)> {
        let names = self.variation().and_then(|variation| variation.variation_theme.as_ref());
        let plain = |name: &String| {
            let value = match self.attribute(name)?.get("value")? {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return None,
            };
            Some((name.clone(), value))
        };
        names.map(|theme| theme.attributes.iter().filter_map(plain).collect()).unwrap_or_default()
    }

    fn status(&self) -> ListingStatus {
        let buyable = self.summary().is_some_and(|summary| summary.status.iter().any(|status| status == "BUYABLE"));
        if buyable {
            ListingStatus::Active
        } else if self.errors().any(WireIssue::blocks) {
            ListingStatus::Blocked
        } else {
            ListingStatus::Inactive
        }
    }

    /// The issues of this marketplace that are errors.
    pub(super) fn errors(&self) -> impl Iterator<Item = &'a WireIssue> {
        let ours = self.marketplace.id;
        let here = move |issue: &&WireIssue| {
            issue.marketplace_ids.is_empty() || issue.marketplace_ids.iter().any(|id| id == ours)
        };
        self.wire.issues.iter().filter(|issue| issue.is_error()).filter(here)
    }

    /// The listing, with its stock in the fulfillment channel `chosen` in the settings, or in the only one.
    pub(super) fn listing(&self, chosen: Option<&str>) -> Result<Listing, InvalidListing> {
        let summary = self.summary();
        let kept = Kept::of(&self.wire.fulfillment_availability, chosen);
        let variation = self.variation();
        let parent = variation.and_then(|variation| variation.parent_skus.first());
        let own_type = self.wire.product_types.iter().find(|one| one.marketplace_id == self.marketplace.id);
        let product_type = own_type.map(|one| one.product_type.as_str());
        let product_type = product_type.or_else(|| summary?.product_type.as_deref());
        let title = self.text("item_name").or_else(|| summary?.item_name.clone()).unwrap_or_default();
        let mut refs = json!({
            refs::SKU: self.wire.sku,
            refs::ASIN: summary.and_then(|summary| summary.asin.as_deref()),
            refs::PRODUCT_TYPE: product_type.unwrap_or(ANY_PRODUCT_TYPE),
            refs::CHANNELS: kept.pieces,
            refs::CHANNEL: kept.channel,
            refs::FBA: kept.fba,
            refs::PARENT: parent,
            refs::THEME: variation.and_then(|variation| Some(variation.variation_theme.as_ref()?.theme.as_str())),
        });
        note_others(&mut refs, (1..MOST_IMAGES).filter(|number| self.image(*number).is_some()).collect());
        Ok(Listing {
            sku: self.wire.sku.parse()?,
            product_id: parent.unwrap_or(&self.wire.sku).clone(),
            shop_sku: None,
            refs,
            title,
            description: self.text("product_description"),
            brand: self.text("brand"),
            category: product_type.map(str::to_owned),
            barcode: self.text("externally_assigned_product_identifier"),
            images: self.images(),
            options: self.options(),
            prices: self.price()?.into_iter().collect(),
            stock: kept.stock,
            status: self.status(),
        })
    }

    /// Why stock cannot be exported, where the settings can mend it.
    pub(super) fn channel_fault(&self, chosen: Option<&str>) -> Option<String> {
        let kept = Kept::of(&self.wire.fulfillment_availability, chosen);
        if kept.fba || kept.channel.is_some() {
            return None;
        }
        let known: Vec<_> = kept.pieces.keys().copied().collect();
        let known = known.join(", ");
        Some(match chosen {
            Some(chosen) => {
                format!("the SKU is not kept in fulfillment channel {chosen} but in {known}; its stock is not exported")
            }
            None => format!(
                "the SKU is kept in several fulfillment channels ({known}); name one as export.warehouse, until then its stock is not exported"
            ),
        })
    }
}

/// Where a SKU is kept.
struct Kept<'a> {
    pieces: BTreeMap<&'a str, Option<i64>>,
    /// The channel that export writes to.
    channel: Option<&'a str>,
    fba: bool,
    stock: Option<i64>,
}

impl<'a> Kept<'a> {
    fn of(all: &'a [WireAvailability], chosen: Option<&'a str>) -> Self {
        let pieces: BTreeMap<&str, Option<i64>> =
            all.iter().map(|one| (one.fulfillment_channel_code.as_str(), one.quantity)).collect();
        let fba = pieces.keys().any(|code| code.starts_with(AMAZONS));
        let channel = match (chosen, pieces.len()) {
            _ if fba => None,
            // A SKU of which nothing is kept anywhere yet.
            (chosen, 0) => Some(chosen.unwrap_or(DEFAULT_CHANNEL)),
            (Some(chosen), _) => pieces.keys().copied().find(|code| *code == chosen),
            (None, 1) => pieces.keys().next().copied(),
            (None, _) => None,
        };
        let sum = || {
            let told: Vec<i64> = pieces.values().copied().flatten().collect();
            (!told.is_empty()).then(|| told.iter().fold(0_i64, |sum, pieces| sum.saturating_add(*pieces)))
        };
        let stock = match channel {
            Some(code) => pieces.get(code).copied().flatten(),
            None => sum(),
        };
        Self { pieces, channel, fba, stock }
    }
}

/// An amount of money: a text in `offers`, a number in `attributes`, never taken through binary fractions.
fn amount_of(value: &Value) -> Result<Decimal, InvalidListing> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    let amount = text.parse().or_else(|_| Decimal::from_scientific(&text));
    amount.ok().filter(|amount: &Decimal| !amount.is_sign_negative()).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        InvalidListing::new("price", format!("`{shown}` is not a price"), "correct it in Seller Central")
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
#[path = "tests/items.rs"]
mod tests;
