//! What an export is to do, and the guards that stop it where that is too much.

use std::{fmt, iter::Sum};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Field, Listing, ListingStatus, Product, Sku, Values, Variant, digest::digest, wanted::Rules};

/// What an export is to do with one SKU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The SKU.
    pub sku: Sku,
    /// The listing as last seen, with the channel's ids; `None` when it is to be created.
    pub listing: Option<Listing>,
    /// The product it belongs to, for creating; `None` otherwise.
    pub product: Option<(Product, Variant)>,
    /// How the shop has other SKUs of the same product of the source, for creating: where there are some, the SKU joins them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub siblings: Vec<Listing>,
    /// Everything wanted in the chosen fields.
    pub wanted: Values,
    /// The fields that differ.
    pub fields: Vec<Field>,
}

/// The change that brings a listing to what is wanted; `None` where it has that already.
///
/// Differences listed by hash may turn out to be none: nothing may be wanted of a field the listing has, and a listing
/// that is off sale already need not be taken off, nor one that is on sale put there.
pub fn change(listing: &Listing, wanted: &Values) -> Option<Change> {
    let fields = wanted.differs(&listing.values(&Field::EVERY.into()));
    let retires = wanted.retired && listing.status == ListingStatus::Active;
    let returns = wanted.relisted && listing.status == ListingStatus::Inactive;
    (retires || returns || !fields.is_empty()).then(|| of_listing(listing, wanted, fields))
}

/// The change of a listing that is off sale and is to stay there, where [`change`] has none: for the case that another SKU of
/// its product is put on sale again, on channels that know only whole products as on or off sale.
pub fn rest(listing: &Listing, wanted: &Values) -> Option<Change> {
    let rests = wanted.retired && listing.status == ListingStatus::Inactive;
    rests.then(|| of_listing(listing, wanted, Vec::new()))
}

/// The change that sends these fields, whatever the listing shows of them.
pub fn of_listing(listing: &Listing, wanted: &Values, fields: Vec<Field>) -> Change {
    Change {
        sku: listing.sku.clone(),
        listing: Some(listing.clone()),
        product: None,
        siblings: Vec::new(),
        wanted: wanted.clone(),
        fields,
    }
}

/// Why a guard stopped a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardStop {
    /// In words: what would have happened to how many, which SKU as an example, and the limit.
    pub text: String,
    /// What a person may let through.
    pub guarded: Guarded,
}

/// Whether the plan would do too much. `live` is the number of the shop's listings that are on sale and of which the source wants
/// something: a shop's other listings are not at stake, and must not make a great loss look small.
///
/// A price of zero, or a move by more than the limit up or down, stops; so does retiring (or setting to zero stock
/// because the source dropped them) more than the share allowed of the live listings.
pub fn guard(plan: &[Change], live: u64, rules: &Rules) -> Option<GuardStop> {
    let stops: Vec<String> =
        [stopped_retiring(plan, live, rules), stopped_price(plan, rules)].into_iter().flatten().collect();
    (!stops.is_empty()).then(|| GuardStop { text: stops.join("; "), guarded: Guarded::of(plan, rules) })
}

fn stopped_retiring(plan: &[Change], live: u64, rules: &Rules) -> Option<String> {
    let mut dropped = plan.iter().filter(|change| is_dropped(change));
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

/// A share as the settings write it: `20%`.
pub fn percent(share: Decimal) -> String {
    format!("{}%", (share * Decimal::ONE_HUNDRED).normalize())
}

/// The part of a plan that guards look at, as a number: which SKUs would be retired, and which prices moved too far, to
/// what. Other changes are not in it, so that a piece sold meanwhile does not make it another plan. What has been sent can
/// be taken off it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guarded(u128);

impl Guarded {
    /// That part of these changes.
    pub fn of<'a>(changes: impl IntoIterator<Item = &'a Change>, rules: &Rules) -> Self {
        changes.into_iter().filter_map(|change| guarded(change, rules)).sum()
    }

    /// What is left of it without `done`.
    #[must_use]
    pub fn without(self, done: Self) -> Self {
        Self(self.0.wrapping_sub(done.0))
    }

    /// Whether there is nothing in it.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl Sum for Guarded {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        Self(parts.fold(0, |sum, part| sum.wrapping_add(part.0)))
    }
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

fn guarded(change: &Change, rules: &Rules) -> Option<Guarded> {
    let what = if is_dropped(change) {
        if change.wanted.retired { "off sale".to_owned() } else { "no stock".to_owned() }
    } else {
        moved_too_far(change, rules)?;
        change.wanted.price?.normalized().to_string()
    };
    let hash = digest(&(&change.sku, what));
    Some(Guarded(u128::from_str_radix(&hash, 16).expect("a digest is 32 hexadecimal digits")))
}

/// Whether a change takes away what buyers can buy because the source dropped it. Doing so once more to a listing that has nothing left is
/// no loss: a SKU that cannot be taken off sale alone comes back with every complete pass.
fn is_dropped(change: &Change) -> bool {
    let on_sale =
        |listing: &Listing| listing.status == ListingStatus::Active && listing.stock.is_none_or(|stock| stock > 0);
    (change.wanted.retired || change.wanted.dropped) && change.listing.as_ref().is_some_and(on_sale)
}

/// Whether a plan takes anything away, so that it matters how much there is.
pub fn retires(plan: &[Change]) -> bool {
    plan.iter().any(is_dropped)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::domain::wanted::{
        Retire,
        tests::{price, rules},
        wanted_of_dropped,
    };

    fn listing(sku: &str, amount: &str) -> Listing {
        Listing {
            sku: sku.parse().unwrap(),
            shop_sku: None,
            product_id: "17".to_owned(),
            refs: serde_json::Value::Null,
            title: "Shirt".to_owned(),
            description: None,
            brand: None,
            category: None,
            barcode: None,
            images: Vec::new(),
            options: Vec::new(),
            prices: vec![price(amount)],
            stock: Some(5),
            status: ListingStatus::Active,
        }
    }

    #[test]
    fn a_change_is_what_the_listing_does_not_have_yet() {
        let listing = listing("A-1", "10.00 EUR");
        let wanted = Values { price: Some(price("10 EUR")), stock: Some(4), ..Values::default() };
        let changed = change(&listing, &wanted).unwrap();
        assert_eq!((changed.fields, changed.wanted), (vec![Field::Stock], wanted.clone()));
        assert_eq!(change(&Listing { stock: Some(4), ..listing.clone() }, &wanted), None);
        let retired = Values { retired: true, ..Values::default() };
        assert_eq!(change(&listing, &retired).unwrap().fields, []);
        let off = Listing { status: ListingStatus::Inactive, ..listing.clone() };
        assert_eq!(change(&off, &retired), None);
        let returning = Values { relisted: true, ..wanted_as(&listing) };
        assert_eq!(change(&off, &returning).unwrap().fields, [], "nothing but that it is off sale");
        assert_eq!(change(&listing, &returning), None, "it is on sale");
        assert_eq!(
            change(&Listing { status: ListingStatus::Blocked, ..listing }, &returning),
            None,
            "not ours to decide"
        );
    }

    fn wanted_as(listing: &Listing) -> Values {
        listing.values(&[Field::Price, Field::Stock].into())
    }

    #[test]
    fn what_rests_off_sale_is_no_retirement() {
        let off = Listing { status: ListingStatus::Inactive, ..listing("A", "1 EUR") };
        let wanted = wanted_of_dropped(&Rules { retire: Retire::Deactivate, ..rules() }).unwrap();
        let resting = rest(&off, &wanted).unwrap();
        assert_eq!(guard(&[resting], 1, &rules()), None);
        assert_eq!(rest(&listing("A", "1 EUR"), &wanted), None, "it is on sale");
        assert_eq!(rest(&off, &wanted_as(&off)), None, "nobody wants it off sale");
    }

    fn plan(changes: &[(&str, &str, &str)]) -> Vec<Change> {
        let one = |(sku, old, new): &(&str, &str, &str)| {
            let wanted = Values { price: Some(price(new)), ..Values::default() };
            change(&listing(sku, old), &wanted).unwrap()
        };
        changes.iter().map(one).collect()
    }

    fn retiring(count: usize, retire: Retire) -> Vec<Change> {
        let wanted = wanted_of_dropped(&Rules { retire, ..rules() }).unwrap();
        (0..count).map(|number| change(&listing(&format!("S-{number}"), "1 EUR"), &wanted).unwrap()).collect()
    }

    #[test]
    fn a_guard_lets_through_what_stays_within_its_limits() {
        let moderate = plan(&[("A", "10 EUR", "15 EUR"), ("B", "10 EUR", "5 EUR"), ("C", "10 EUR", "14.99 EUR")]);
        assert_eq!(guard(&moderate, 100, &rules()), None);
        assert_eq!(guard(&retiring(20, Retire::ZeroStock), 100, &rules()), None);
        assert_eq!(guard(&[], 0, &rules()), None);
        let sold_out = change(&listing("A", "1 EUR"), &Values { stock: Some(0), ..Values::default() }).unwrap();
        assert_eq!(guard(&vec![sold_out; 50], 50, &rules()), None, "stock that ran out at the source is no retirement");
    }

    #[test]
    fn what_has_nothing_left_to_lose_is_no_loss_again() {
        let wanted = wanted_of_dropped(&Rules { retire: Retire::Deactivate, ..rules() }).unwrap();
        let sold_out = Listing { stock: Some(0), ..listing("A", "1 EUR") };
        let again = vec![change(&sold_out, &wanted).unwrap(); 50];
        assert_eq!(
            guard(&again, 50, &rules()),
            None,
            "it stands at no stock, because others of its product are on sale"
        );
        let off = Listing { status: ListingStatus::Inactive, ..listing("A", "1 EUR") };
        let to_zero = wanted_of_dropped(&Rules { retire: Retire::ZeroStock, ..rules() }).unwrap();
        assert_eq!(guard(&vec![change(&off, &to_zero).unwrap(); 50], 50, &rules()), None, "nobody can buy it now");
        assert!(!retires(&again) && retires(&retiring(1, Retire::Deactivate)));
    }

    #[test]
    fn a_guard_stops_what_goes_too_far_and_says_what() {
        let mut all = plan(&[("A", "10 EUR", "15.01 EUR"), ("B", "10 EUR", "4.99 EUR"), ("C", "10 EUR", "11 EUR")]);
        all.extend(retiring(21, Retire::Deactivate));
        let stops = [
            guard(&all, 100, &rules()),
            guard(&plan(&[("A", "10 EUR", "0 EUR")]), 100, &Rules { guard_price: Decimal::TEN, ..rules() }),
            guard(&plan(&[("A", "0 EUR", "1 EUR")]), 100, &rules()),
            guard(&retiring(1, Retire::ZeroStock), 4, &rules()),
        ];
        insta::assert_snapshot!(stops.map(|stop| stop.unwrap().text).join("\n"), @r#"
        would retire 21 of 100 listings (`S-0` and others), more than the 20% that `guard.retire` allows; would move the price of 2 SKUs further than the 50% that `guard.price` allows, or to zero (`A`: 10 EUR to 15.01 EUR)
        would move the price of 1 SKU further than the 1000% that `guard.price` allows, or to zero (`A`: 10 EUR to 0 EUR)
        would move the price of 1 SKU further than the 50% that `guard.price` allows, or to zero (`A`: 0 EUR to 1 EUR)
        would retire 1 of 4 listings (`S-0`), more than the 20% that `guard.retire` allows
        "#);
        let mut created = plan(&[("A", "10 EUR", "0 EUR")]);
        created[0].listing = None;
        assert!(guard(&created, 100, &rules()).is_some(), "a new listing for nothing");
    }

    fn known(plan: &[Change]) -> Guarded {
        Guarded::of(plan, &rules())
    }

    #[test]
    fn a_plan_is_known_by_what_guards_see_in_it_in_whatever_order() {
        let one = plan(&[("A", "10 EUR", "99 EUR"), ("B", "10 EUR", "98 EUR")]);
        let moderate = plan(&[("C", "10 EUR", "11 EUR")]);
        for same in [
            plan(&[("B", "10 EUR", "98.00 EUR"), ("A", "10 EUR", "99 EUR")]),
            plan(&[("B", "12 EUR", "98 EUR"), ("A", "10 EUR", "99 EUR")]),
            [one.clone(), moderate.clone()].concat(),
        ] {
            assert_eq!(known(&one), known(&same));
            assert_eq!(known(&one).to_string(), known(&same).to_string());
        }
        for other in [
            plan(&[("A", "10 EUR", "99 EUR")]),
            plan(&[("A", "10 EUR", "99 EUR"), ("B", "10 EUR", "97 EUR")]),
            plan(&[("A", "10 EUR", "99 EUR"), ("C", "10 EUR", "98 EUR")]),
            plan(&[("A", "10 EUR", "98 EUR"), ("B", "10 EUR", "99 EUR")]),
            [one.clone(), retiring(1, Retire::Deactivate)].concat(),
            [one.clone(), retiring(1, Retire::ZeroStock)].concat(),
        ] {
            assert_ne!(known(&one).to_string(), known(&other).to_string());
        }
        assert!(known(&moderate).is_nothing());
        assert_ne!(known(&retiring(1, Retire::Deactivate)), known(&retiring(1, Retire::ZeroStock)));
    }

    #[test]
    fn what_was_sent_can_be_taken_off_a_plan_in_any_order() {
        let all = plan(&[("A", "10 EUR", "99 EUR"), ("B", "10 EUR", "11 EUR"), ("C", "10 EUR", "98 EUR")]);
        let left = known(&all).without(known(&all[2..])).without(known(&all[1..2]));
        assert_eq!(left, known(&all[..1]));
        assert!(!left.is_nothing());
        assert!(left.without(known(&all[..1])).is_nothing());
    }
}
