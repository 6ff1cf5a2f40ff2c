//! Exact amounts of money.

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::InvalidListing;

/// Three upper-case letters of ISO 4217.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three ASCII letters, by construction")
    }

    /// How many digits its amounts have after the point: 0 for IDR, JPY, KRW, VND and the like, 3 for BHD and the like, else 2.
    pub fn digits(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"IDR" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX"
            | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }
}

impl FromStr for Currency {
    type Err = InvalidListing;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().as_bytes() {
            [a, b, c] if [a, b, c].iter().all(|x| x.is_ascii_alphabetic()) => {
                Ok(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase(), c.to_ascii_uppercase()]))
            }
            _ => Err(InvalidListing::new(
                "currency",
                format!("`{text}` is not a currency"),
                "use three letters of ISO 4217, for example EUR",
            )),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidListing;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An exact amount of money, in major units.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Price {
    /// Major units: 19.90 is nineteen euros ninety.
    pub amount: Decimal,
    /// The currency.
    pub currency: Currency,
}

impl Price {
    /// The same amount without trailing zeros, so that equal prices look equal.
    pub(super) fn normalized(self) -> Self {
        Self { amount: self.amount.normalize(), ..self }
    }

    /// The amount as people write it: with the digits of its currency, also where a shop leaves out zeros at the end.
    pub fn written(&self) -> String {
        let mut amount = self.amount;
        amount.rescale(amount.scale().max(self.currency.digits()));
        amount.to_string()
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

impl fmt::Debug for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_with_the_digits_of_their_currency_and_lose_none() {
        let written = |amount: &str, currency: &str| {
            Price { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() }.written()
        };
        let shown = [("24.9", "SGD"), ("599", "TWD"), ("12.345", "EUR"), ("1500", "JPY")].map(|(a, c)| written(a, c));
        assert_eq!(shown, ["24.90", "599.00", "12.345", "1500"]);
    }

    #[test]
    fn currencies_are_judged() {
        assert_eq!("eur".parse::<Currency>().unwrap().as_str(), "EUR");
        for bad in ["", "EU", "EURO", "E1R", "€€€"] {
            assert_eq!(bad.parse::<Currency>().unwrap_err().code, "currency");
        }
        let digits = ["EUR", "JPY", "KWD", "TWD"].map(|code| code.parse::<Currency>().unwrap().digits());
        assert_eq!(digits, [2, 0, 3, 2]);
    }
}
