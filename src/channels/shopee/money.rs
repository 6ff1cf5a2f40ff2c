//! Money as Shopee takes it: a float with two decimals in some countries, whole in the others.
//!
//! Vendor pages: "Creating product" (guide 211, part 4), "v2.product.get_model_list" (`price_info`).

use rust_decimal::Decimal;
use serde_json::{Number, Value};

use crate::domain::{Currency, Price};

/// Beyond this a float does not hold every cent.
const MOST: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// The currency of a country in which Shopee sells.
pub(super) fn currency_of(region: &str) -> Option<Currency> {
    let code = match region {
        "BR" => "BRL",
        "CL" => "CLP",
        "CO" => "COP",
        "ID" => "IDR",
        "MX" => "MXN",
        "MY" => "MYR",
        "PH" => "PHP",
        "SG" => "SGD",
        "TH" => "THB",
        "TW" => "TWD",
        "VN" => "VND",
        _ => return None,
    };
    code.parse().ok()
}

/// Whether prices in this currency may have two decimals: those of SG, MY, BR, MX, PL, ES and AR. Elsewhere Shopee rounds what it
/// is sent.
fn has_cents(currency: Currency) -> bool {
    ["SGD", "MYR", "BRL", "MXN", "PLN", "EUR", "ARS"].contains(&currency.as_str())
}

/// Why a price cannot be sent, with the remedy.
pub(super) fn price_fault(price: Price) -> Option<String> {
    let amount = price.amount.normalize();
    if amount <= Decimal::ZERO {
        return Some(format!("the price is {price}, and Shopee takes none of zero or less; correct it in the source"));
    }
    if amount >= MOST {
        return Some(format!("the price {price} is too large; correct it in the source"));
    }
    let digits = if has_cents(price.currency) { 2 } else { 0 };
    (amount.scale() > digits).then(|| {
        let (takes, round) = if digits == 0 { ("whole prices", "0.00") } else { ("two decimals", "0.01") };
        let currency = price.currency;
        format!("the price is {price}, and Shopee takes {takes} in {currency} and rounds others by itself; set export.price.round, for example to \"{round}\"")
    })
}

/// An amount as a JSON number, to the letter.
pub(super) fn number(amount: Decimal) -> Value {
    amount.normalize().to_string().parse::<Number>().map_or(Value::Null, Value::Number)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn fault(amount: &str, currency: &str) -> Option<String> {
        price_fault(Price { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() })
    }

    #[test]
    fn a_price_is_sent_to_the_letter_or_named_as_one_that_cannot_be() {
        for (amount, currency) in [
            ("19.90", "SGD"),
            ("0.01", "MYR"),
            ("149000", "IDR"),
            ("149000.00", "IDR"),
            ("199", "THB"),
            ("1999", "TWD"),
        ] {
            assert_eq!(fault(amount, currency), None, "{amount} {currency}");
        }
        for (amount, currency, says) in [
            ("0", "SGD", "none of zero"),
            ("-1", "SGD", "none of zero"),
            ("19.999", "SGD", "two decimals"),
            ("19.9", "THB", "whole prices"),
            ("149000.5", "IDR", "whole prices"),
            ("1000000000", "IDR", "too large"),
        ] {
            assert!(
                fault(amount, currency).unwrap().contains(says),
                "{amount} {currency}: {:?}",
                fault(amount, currency)
            );
        }
        for (amount, written) in
            [("19.90", "19.9"), ("0.10", "0.1"), ("149000", "149000"), ("999999999.99", "999999999.99")]
        {
            assert_eq!(number(amount.parse().unwrap()).to_string(), written);
        }
    }
}
