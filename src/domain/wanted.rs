//! A shop's rules applied to what the source says, the changes that follow, and the guards that stop too much of them.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::{Complaint, Currency, Field, Listing, Product, Sku, Values, Variant};

/// What happens in a shop when the source drops a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retire {
    /// Nothing.
    #[default]
    Keep,
    /// Its stock becomes zero.
    ZeroStock,
    /// The listing is taken off sale.
    Deactivate,
}

/// The rules of `[shops.X.export]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// The fields brought in line.
    pub fields: BTreeSet<Field>,
    /// Whether SKUs that the shop does not have yet are listed.
    pub create: bool,
    /// What happens when the source drops a SKU.
    pub retire: Retire,
    /// Pieces held back: sent = clamp(source - reserve, 0, max).
    pub reserve: i64,
    /// The most pieces ever shown.
    pub max: Option<i64>,
    /// Multiplies the price.
    pub factor: Decimal,
    /// Rounds to the nearest amount with this ending (`0.99`), ties up; `None`: to the currency's digits, half up.
    pub round: Option<Decimal>,
    /// One unit of the source's currency in the listing's.
    pub convert: BTreeMap<Currency, Decimal>,
    /// A run that would retire a larger share of the live listings stops. In `0..=1`.
    pub guard_retire: Decimal,
    /// A run that would move any price by a larger share stops. `0.5` is 50 %.
    pub guard_price: Decimal,
}

impl Rules {
    /// A hash over all rules: stored with a shop, so that a changed rule is noticed and everything wanted recomputed.
    pub fn digest(&self) -> String {
        todo!()
    }
}

/// What the source wants of this variant in a shop whose listing is priced in `currency`.
///
/// Price: the column of the listing's currency if there is one, else converted from the source's first price; then the
/// factor (to both); rounded once, at the end. A currency without a price and without a conversion is a complaint.
pub fn wanted(
    product: &Product,
    variant: &Variant,
    currency: Option<Currency>,
    rules: &Rules,
) -> Result<Values, Complaint> {
    let _ = (product, variant, currency, rules);
    todo!()
}

/// What is wanted of a listing whose SKU the source dropped; `None` where it stays as it is.
pub fn wanted_of_dropped(rules: &Rules) -> Option<Values> {
    let _ = rules;
    todo!()
}

/// What an export is to do with one SKU.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The SKU.
    pub sku: Sku,
    /// The listing as last seen, with the channel's ids; `None` when it is to be created.
    pub listing: Option<Listing>,
    /// The product it belongs to, for creating; `None` otherwise.
    pub product: Option<(Product, Variant)>,
    /// Everything wanted in the chosen fields.
    pub wanted: Values,
    /// The fields that differ.
    pub fields: Vec<Field>,
}

/// Why a guard stopped a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardStop {
    /// In words: what would have happened to how many, which SKU as an example, and the limit.
    pub text: String,
}

/// Whether the plan would do too much. `live` is the number of active listings of the shop.
///
/// A price of zero, or a move by more than the limit up or down, stops; so does retiring (or setting to zero stock
/// because the source dropped them) more than the share allowed of the live listings.
pub fn guard(plan: &[Change], live: u64, rules: &Rules) -> Option<GuardStop> {
    let _ = (plan, live, rules);
    todo!()
}

/// A hash over a plan, so that a release lets exactly this plan through. Independent of the order of changes.
pub fn plan_digest(plan: &[Change]) -> String {
    let _ = plan;
    todo!()
}
