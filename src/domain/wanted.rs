//! A shop's rules applied to what the source says.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Complaint, Currency, Field, Price, Product, Values, Variant, digest::digest};

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
    /// [`Self::digest`], with a hash over the settings that only the shop's channel reads where they count: its mapping makes attributes.
    pub fn digest_with(&self, own: &serde_json::Map<String, serde_json::Value>) -> String {
        if self.fields.contains(&Field::Attributes) { digest(&(self.digest(), own)) } else { self.digest() }
    }

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

/// The code of complaints about what cannot be wanted: a currency without a price, a conversion or a rule.
pub const COMPLAINT: &str = "no_price";

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
        ..wanted_of_product(product, rules)
    })
}

/// What the source wants of a product's words and images in a shop.
pub fn wanted_of_product(product: &Product, rules: &Rules) -> Values {
    let chosen = |field| rules.fields.contains(&field);
    Values {
        title: chosen(Field::Title).then(|| product.title.clone()),
        description: product.description.clone().filter(|_| chosen(Field::Description)),
        // A source without images says nothing about them; it does not ask for all to be taken down.
        images: Some(product.images.clone()).filter(|images| chosen(Field::Images) && !images.is_empty()),
        ..Values::default()
    }
}

fn wanted_price(variant: &Variant, currency: Option<Currency>, rules: &Rules) -> Result<Price, Complaint> {
    let complain =
        |text: String| Complaint { sku: variant.sku.to_string(), code: COMPLAINT.to_owned(), text, request_id: None };
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
    let mut amount = rounded(exact, currency, rules.round);
    amount.rescale(currency.digits()); // people and channels write 9.90, not 9.9
    Ok(Price { amount, currency })
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::domain) fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    pub(in crate::domain) fn price(text: &str) -> Price {
        let (amount, currency) = text.split_once(' ').unwrap();
        Price { amount: decimal(amount), currency: currency.parse().unwrap() }
    }

    fn eur() -> Option<Currency> {
        "EUR".parse().ok()
    }

    pub(in crate::domain) fn rules() -> Rules {
        Rules {
            fields: [Field::Price, Field::Stock].into(),
            create: false,
            retire: Retire::Keep,
            reserve: 0,
            max: None,
            factor: Decimal::ONE,
            round: None,
            convert: BTreeMap::new(),
            guard_retire: decimal("0.2"),
            guard_price: decimal("0.5"),
        }
    }

    fn product() -> Product {
        Product {
            id: "17".to_owned(),
            title: "Shirt".to_owned(),
            description: Some("Soft".to_owned()),
            brand: None,
            category: None,
            images: vec!["https://img.example/1.jpg".to_owned()],
        }
    }

    fn variant(prices: &[&str], stock: Option<i64>) -> Variant {
        Variant {
            sku: "A-1".parse().unwrap(),
            product_id: "17".to_owned(),
            barcode: None,
            prices: prices.iter().map(|text| price(text)).collect(),
            stock,
            options: Vec::new(),
        }
    }

    fn wanted_price_of(prices: &[&str], currency: &str, rules: &Rules) -> Result<String, String> {
        match wanted(&product(), &variant(prices, None), currency.parse().ok(), rules) {
            Ok(values) => Ok(values.price.unwrap().to_string()),
            Err(complaint) => Err(complaint.text),
        }
    }

    #[test]
    fn the_column_of_the_listings_currency_goes_before_any_conversion() {
        let convert = |pairs: &[(&str, &str)]| Rules {
            convert: pairs.iter().map(|(currency, rate)| (currency.parse().unwrap(), decimal(rate))).collect(),
            factor: decimal("1.10"),
            ..rules()
        };
        let both = ["10.00 EUR", "8.00 GBP"];
        let from_eur = convert(&[("EUR", "0.86")]);
        assert_eq!(wanted_price_of(&both, "GBP", &from_eur).unwrap(), "8.80 GBP");
        assert_eq!(wanted_price_of(&["10.00 EUR"], "GBP", &from_eur).unwrap(), "9.46 GBP");
        assert_eq!(wanted_price_of(&["10.00 EUR"], "EUR", &from_eur).unwrap(), "11.00 EUR", "its own needs none");
        assert_eq!(wanted_price_of(&["10.00 USD"], "EUR", &from_eur).unwrap(), "9.46 EUR", "named by its target");
        assert_eq!(wanted_price_of(&both, "TWD", &convert(&[("GBP", "42")])).unwrap(), "369.60 TWD");
    }

    #[test]
    fn a_price_that_cannot_be_made_is_a_complaint() {
        let said = [
            wanted_price_of(&["10.00 EUR"], "GBP", &rules()),
            wanted_price_of(&[], "GBP", &rules()),
            wanted_price_of(&["-1 EUR"], "EUR", &rules()),
            wanted_price_of(
                &["79228162514264337593543950335 EUR"],
                "EUR",
                &Rules { factor: decimal("1.1"), ..rules() },
            ),
        ];
        insta::assert_snapshot!(said.map(Result::unwrap_err).join("\n"), @r#"
        the source has no price in GBP; add a column `price.GBP` to it, or a conversion (`price.convert`) from EUR to this shop
        the source has no price for this SKU; give it one
        the source's price -1 EUR is negative; correct it there
        the source's price 79228162514264337593543950335 EUR is too large to be converted
        "#);
        let without_price = Rules { fields: [Field::Stock].into(), ..rules() };
        let values = wanted(&product(), &variant(&[], Some(3)), eur(), &without_price).unwrap();
        assert_eq!(values, Values { stock: Some(3), ..Values::default() });
    }

    #[test]
    fn prices_are_rounded_to_the_nearest_amount_with_the_ending_ties_up() {
        for (amount, ending, rounded) in [
            ("10.40", "0.99", "9.99"),
            ("10.48", "0.99", "9.99"),
            ("10.49", "0.99", "10.99"),
            ("10.50", "0.99", "10.99"),
            ("10.99", "0.99", "10.99"),
            ("0.10", "0.99", "0.99"),
            ("14.98", "9.99", "9.99"),
            ("14.99", "9.99", "19.99"),
            ("3.00", "9.99", "9.99"),
            ("10.39", "0.90", "9.90"),
            ("10.40", "0.90", "10.90"),
            ("10.45", "0.95", "10.95"),
            ("10.49", "0.00", "10"),
            ("10.50", "0.00", "11"),
            ("0.20", "0.00", "1"),
            ("101", "9", "99"),
            ("104", "9", "109"),
            ("0", "0.99", "0"),
        ] {
            let rules = Rules { round: Some(decimal(ending)), ..rules() };
            let values = wanted(&product(), &variant(&[&format!("{amount} EUR")], None), eur(), &rules).unwrap();
            assert_eq!(values.price.unwrap().amount, decimal(rounded), "{amount} to {ending}");
        }
    }

    #[test]
    fn without_an_ending_prices_are_rounded_to_the_currencys_digits() {
        for (prices, currency, factor, rounded) in [
            ("10.005 EUR", "EUR", "1", "10.01"),
            ("10.004 EUR", "EUR", "1", "10.00"),
            ("10.10 EUR", "EUR", "1.10", "11.11"),
            ("0.001 EUR", "EUR", "1", "0.01"),
            ("1050.5 JPY", "JPY", "1", "1051"),
            ("1.0005 KWD", "KWD", "1", "1.001"),
        ] {
            let rules = Rules { factor: decimal(factor), ..rules() };
            assert_eq!(wanted_price_of(&[prices], currency, &rules).unwrap(), format!("{rounded} {currency}"));
        }
        let cents = Rules { round: Some(decimal("0.99")), ..rules() };
        assert_eq!(wanted_price_of(&["1050.5 JPY"], "JPY", &cents).unwrap(), "1051 JPY", "there are no 99 sen");
        let tens = Rules { round: Some(decimal("80")), ..rules() };
        assert_eq!(wanted_price_of(&["1050.5 JPY"], "JPY", &tens).unwrap(), "1080 JPY");
    }

    #[test]
    fn stock_is_what_is_left_after_the_reserve_between_zero_and_the_most() {
        for (stock, reserve, max, sent) in
            [(10, 2, Some(50), 8), (1, 2, None, 0), (100, 2, Some(50), 50), (-3, 0, None, 0), (5, 0, Some(-1), 0)]
        {
            let rules = Rules { reserve, max, ..rules() };
            let values = wanted(&product(), &variant(&["1 EUR"], Some(stock)), eur(), &rules).unwrap();
            assert_eq!(values.stock, Some(sent), "{stock} - {reserve}, at most {max:?}");
        }
    }

    #[test]
    fn nothing_is_wanted_of_fields_not_chosen_or_not_told() {
        let silent = Product { description: None, images: Vec::new(), ..product() };
        let every = Rules {
            fields: [Field::Price, Field::Stock, Field::Title, Field::Description, Field::Images].into(),
            ..rules()
        };
        let values = wanted(&silent, &variant(&["1 EUR"], None), eur(), &every).unwrap();
        let expected = Values { price: Some(price("1 EUR")), title: Some("Shirt".to_owned()), ..Values::default() };
        assert_eq!(values, expected);
        let told = wanted(&product(), &variant(&["1 EUR"], Some(1)), eur(), &every).unwrap();
        assert_eq!(
            (told.description.as_deref(), told.images, told.stock),
            (Some("Soft"), Some(product().images), Some(1))
        );
        let plain = wanted(&product(), &variant(&["1 EUR"], Some(1)), None, &rules()).unwrap();
        assert_eq!(plain, Values { price: Some(price("1 EUR")), stock: Some(1), ..Values::default() });
    }

    #[test]
    fn dropped_skus_follow_the_shops_rule() {
        let of = |retire| wanted_of_dropped(&Rules { retire, ..rules() });
        assert_eq!(of(Retire::Keep), None);
        assert_eq!(of(Retire::ZeroStock), Some(Values { stock: Some(0), dropped: true, ..Values::default() }));
        assert_eq!(of(Retire::Deactivate), Some(Values { retired: true, dropped: true, ..Values::default() }));
    }

    #[test]
    fn every_rule_is_part_of_the_rules_digest() {
        let changes: [fn(&mut Rules); 10] = [
            |it| it.fields.clear(),
            |it| it.create = true,
            |it| it.retire = Retire::ZeroStock,
            |it| it.reserve = 1,
            |it| it.max = Some(0),
            |it| it.factor = Decimal::TWO,
            |it| it.round = Some(Decimal::ZERO),
            |it| it.convert.extend([("EUR".parse().unwrap(), Decimal::ONE)]),
            |it| it.guard_retire = Decimal::ONE,
            |it| it.guard_price = Decimal::ONE,
        ];
        let changed = |change: &fn(&mut Rules)| {
            let mut changed = rules();
            change(&mut changed);
            changed.digest()
        };
        let digests: BTreeSet<String> = changes.iter().map(changed).chain([rules().digest()]).collect();
        assert_eq!(digests.len(), 11);
        assert_eq!(Rules { factor: decimal("1.00"), ..rules() }.digest(), rules().digest());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_rounded_price_is_positive_has_the_ending_and_is_nearest(
            cents in 1_i64..10_000_000,
            ending in prop::sample::select(vec!["0.99", "0.95", "0.5", "0", "9.99", "9", "99"]),
        ) {
            let (amount, ending) = (Decimal::new(cents, 2), decimal(ending));
            let found = rounded(amount, "EUR".parse().unwrap(), Some(ending));
            let step = ending_step(ending.normalize());
            prop_assert!(found > Decimal::ZERO);
            prop_assert_eq!((found - ending) % step, Decimal::ZERO);
            prop_assert!((found - amount).abs() * Decimal::TWO <= step || found <= step, "{} to {}", amount, found);
            prop_assert_eq!(rounded(found, "EUR".parse().unwrap(), Some(ending)), found, "rounding twice changes nothing");
        }
    }
}
