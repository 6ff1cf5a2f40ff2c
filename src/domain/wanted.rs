//! A shop's rules applied to what the source says, the changes that follow, and the guards that stop too much of them.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Complaint, Currency, Field, Listing, ListingStatus, Price, Product, Sku, Values, Variant, digest::digest};

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
    /// One unit of the currency named, in the listing's. Used where the source has no price in the listing's currency.
    pub convert: BTreeMap<Currency, Decimal>,
    /// A run that would retire a larger share of the live listings stops. In `0..=1`.
    pub guard_retire: Decimal,
    /// A run that would move any price by a larger share stops. `0.5` is 50 %.
    pub guard_price: Decimal,
}

impl Rules {
    /// A hash over all rules: stored with a shop, so that a changed rule is noticed and everything wanted recomputed.
    pub fn digest(&self) -> String {
        let plain = |number: &Decimal| number.normalize().to_string();
        // Taken apart by name, so that a new rule cannot be forgotten here.
        let Self { fields, create, retire, reserve, max, factor, round, convert, guard_retire, guard_price } = self;
        digest(&serde_json::json!({
            "fields": fields,
            "create": create,
            "retire": retire,
            "reserve": reserve,
            "max": max,
            "factor": plain(factor),
            "round": round.as_ref().map(plain),
            "convert": convert.iter().map(|(currency, rate)| (currency.as_str(), plain(rate))).collect::<BTreeMap<_, _>>(),
            "guard_retire": plain(guard_retire),
            "guard_price": plain(guard_price),
        }))
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
    let chosen = |field| rules.fields.contains(&field);
    let price = if chosen(Field::Price) { Some(wanted_price(variant, currency, rules)?) } else { None };
    let stock = variant.stock.filter(|_| chosen(Field::Stock));
    Ok(Values {
        price,
        stock: stock.map(|stock| stock.saturating_sub(rules.reserve).min(rules.max.unwrap_or(i64::MAX)).max(0)),
        title: chosen(Field::Title).then(|| product.title.clone()),
        description: product.description.clone().filter(|_| chosen(Field::Description)),
        // A source without images says nothing about them; it does not ask for all to be taken down.
        images: Some(product.images.clone()).filter(|images| chosen(Field::Images) && !images.is_empty()),
        ..Values::default()
    })
}

fn wanted_price(variant: &Variant, currency: Option<Currency>, rules: &Rules) -> Result<Price, Complaint> {
    let complain =
        |text: String| Complaint { sku: variant.sku.to_string(), code: "price".to_owned(), text, request_id: None };
    let first = variant
        .prices
        .first()
        .ok_or_else(|| complain("the source has no price for this SKU; give it one".to_owned()))?;
    let currency = currency.unwrap_or(first.currency);
    let (source, rate) = in_currency(variant, currency, rules).ok_or_else(|| {
        complain(format!(
            "the source has no price in {currency}; add a column `price.{currency}` to it, or a conversion \
             (`price.convert`) from {} to this shop",
            first.currency
        ))
    })?;
    if source.amount.is_sign_negative() && !source.amount.is_zero() {
        return Err(complain(format!("the source's price {source} is negative; correct it there")));
    }
    let exact = source.amount.checked_mul(rate).and_then(|amount| amount.checked_mul(rules.factor));
    let exact = exact.ok_or_else(|| complain(format!("the source's price {source} is too large to be converted")))?;
    Ok(Price { amount: rounded(exact, currency, rules.round), currency })
}

/// The price to start from and what to multiply it with: the column of the listing's currency, else the first price
/// with a conversion. A conversion is named by the currency it starts from; one that is named by the listing's currency
/// can only mean the source's first price.
fn in_currency<'a>(variant: &'a Variant, currency: Currency, rules: &Rules) -> Option<(&'a Price, Decimal)> {
    let own = variant.prices.iter().find(|price| price.currency == currency).map(|price| (price, Decimal::ONE));
    let from = || variant.prices.iter().find_map(|price| Some((price, *rules.convert.get(&price.currency)?)));
    let into = || Some((variant.prices.first()?, *rules.convert.get(&currency)?));
    own.or_else(from).or_else(into)
}

/// Rounds to the nearest amount with the ending, ties up; without one (or where the currency has no such digits) to the
/// currency's digits, half up. A positive amount stays positive; zero stays zero.
fn rounded(amount: Decimal, currency: Currency, ending: Option<Decimal>) -> Decimal {
    if amount <= Decimal::ZERO {
        return Decimal::ZERO;
    }
    let ending = ending.map(|ending| ending.normalize()).filter(|ending| ending.scale() <= currency.digits());
    let Some(ending) = ending else {
        let smallest = Decimal::new(1, currency.digits());
        return amount.round_dp_with_strategy(currency.digits(), RoundingStrategy::MidpointAwayFromZero).max(smallest);
    };
    let step = ending_step(ending);
    let below = ((amount - ending) / step).floor() * step + ending;
    let above = below + step;
    let nearest = if amount - below < above - amount { below } else { above };
    if nearest > Decimal::ZERO { nearest } else { above }
}

/// The distance between amounts with the same ending: 1 for 0.99, 10 for 9.99, 1000 for 990.
fn ending_step(ending: Decimal) -> Decimal {
    let mut step = Decimal::ONE;
    while step <= ending {
        step *= Decimal::TEN;
    }
    step
}

/// What is wanted of a listing whose SKU the source dropped; `None` where it stays as it is.
pub fn wanted_of_dropped(rules: &Rules) -> Option<Values> {
    match rules.retire {
        Retire::Keep => None,
        Retire::ZeroStock => Some(Values { stock: Some(0), dropped: true, ..Values::default() }),
        Retire::Deactivate => Some(Values { retired: true, dropped: true, ..Values::default() }),
    }
}

/// The change that brings a listing to what is wanted; `None` where it has that already.
///
/// Differences listed by hash may turn out to be none: nothing may be wanted of a field the listing has, and a listing
/// that is off sale already need not be taken off.
pub fn change(listing: &Listing, wanted: &Values) -> Option<Change> {
    let everything =
        [Field::Price, Field::Stock, Field::Title, Field::Description, Field::Images, Field::Attributes].into();
    let fields = wanted.differs(&listing.values(&everything));
    let retires = wanted.retired && listing.status == ListingStatus::Active;
    (retires || !fields.is_empty()).then(|| Change {
        sku: listing.sku.clone(),
        listing: Some(listing.clone()),
        product: None,
        wanted: wanted.clone(),
        fields,
    })
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
    let stops: Vec<String> =
        [stopped_retiring(plan, live, rules), stopped_price(plan, rules)].into_iter().flatten().collect();
    (!stops.is_empty()).then(|| GuardStop { text: stops.join("; ") })
}

fn stopped_retiring(plan: &[Change], live: u64, rules: &Rules) -> Option<String> {
    let mut dropped = plan.iter().filter(|change| change.wanted.retired || change.wanted.dropped);
    let example = dropped.next()?;
    let count = 1 + dropped.count() as u64;
    (Decimal::from(count) > rules.guard_retire * Decimal::from(live)).then(|| {
        format!(
            "would retire {count} of {live} listings (`{}`{}), more than the {} that `guard.retire` allows",
            example.sku,
            if count > 1 { " and others" } else { "" },
            percent(rules.guard_retire)
        )
    })
}

fn stopped_price(plan: &[Change], rules: &Rules) -> Option<String> {
    let mut moved = plan.iter().filter_map(|change| moved_too_far(change, rules).map(|text| (change, text)));
    let (example, text) = moved.next()?;
    let count = 1 + moved.count();
    let skus = if count == 1 { "1 SKU".to_owned() } else { format!("{count} SKUs") };
    Some(format!(
        "would move the price of {skus} further than the {} that `guard.price` allows, or to zero (`{}`: {text})",
        percent(rules.guard_price),
        example.sku
    ))
}

/// The move in words, where it is too far.
fn moved_too_far(change: &Change, rules: &Rules) -> Option<String> {
    let new = change.wanted.price.filter(|_| change.listing.is_none() || change.fields.contains(&Field::Price))?;
    let old =
        change.listing.as_ref().and_then(|listing| listing.prices.first()).filter(|old| old.currency == new.currency);
    if new.amount <= Decimal::ZERO {
        return Some(old.map_or_else(|| format!("to {new}"), |old| format!("{old} to {new}")));
    }
    let old = old?;
    ((new.amount - old.amount).abs() > rules.guard_price * old.amount).then(|| format!("{old} to {new}"))
}

fn percent(share: Decimal) -> String {
    format!("{}%", (share * Decimal::ONE_HUNDRED).normalize())
}

/// A hash over a plan, so that a release lets exactly this plan through. Independent of the order of changes.
pub fn plan_digest(plan: &[Change]) -> String {
    let mut lines: Vec<_> = plan
        .iter()
        .map(|change| {
            let mut fields = change.fields.clone();
            fields.sort();
            (change.sku.as_str(), change.listing.is_none(), change.wanted.hash(), fields)
        })
        .collect();
    lines.sort();
    digest(&lines)
}
