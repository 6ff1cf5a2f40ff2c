//! One SKU as a file words it, and what makes a listing of it.

use std::borrow::Cow;

use rust_decimal::Decimal;

use crate::domain::{Complaint, Currency, Listing, ListingStatus, Price, Sku};

/// The longest description, in bytes of UTF-8.
const MAX_DESCRIPTION_BYTES: usize = 1024 * 1024;

/// What a file says about one SKU, as text. Empty texts say nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    /// File and line: `products.csv:17`.
    pub(super) place: String,
    pub(super) sku: String,
    pub(super) product_id: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) brand: String,
    /// In the file's own word.
    pub(super) category: String,
    pub(super) barcode: String,
    pub(super) images: Vec<String>,
    pub(super) options: Vec<(String, String)>,
    pub(super) price: String,
    pub(super) currency: String,
    /// Further prices.
    pub(super) prices: Vec<(Currency, String)>,
    pub(super) stock: String,
    /// Not on sale.
    pub(super) inactive: bool,
    /// What is wrong with the row as such, beyond its texts.
    pub(super) fault: Option<RowFault>,
}

/// What a row cannot say in a text: code, cause and remedy.
#[derive(Debug, Clone)]
pub(super) struct RowFault {
    pub(super) code: &'static str,
    pub(super) cause: String,
    pub(super) remedy: &'static str,
}

impl Row {
    /// The listing, or what is wrong with the row. `default` is the currency of the settings.
    pub(super) fn listing(&self, default: Option<Currency>) -> Result<Listing, Complaint> {
        let sku: Sku = self
            .sku
            .parse()
            .map_err(|error: crate::domain::InvalidListing| self.complaint(error.code, &error.text, error.remedy))?;
        if let Some(RowFault { code, cause, remedy }) = &self.fault {
            return Err(self.complaint(code, cause, remedy));
        }
        if self.description.len() > MAX_DESCRIPTION_BYTES {
            let cause = "the description is longer than 1 MiB";
            return Err(self.complaint("description", cause, "shorten it; images in it are best given by address"));
        }
        let stock = if self.stock.is_empty() { None } else { Some(self.pieces()?) };
        let product_id = if self.product_id.is_empty() { sku.as_str().to_owned() } else { self.product_id.clone() };
        Ok(Listing {
            shop_sku: None,
            product_id,
            refs: serde_json::Value::Null,
            title: self.title.clone(),
            description: said(&self.description),
            brand: said(&self.brand),
            category: said(&self.category),
            barcode: said(&self.barcode),
            images: self.images.clone(),
            options: self.options.clone(),
            prices: self.all_prices(default)?,
            stock,
            status: if self.inactive { ListingStatus::Inactive } else { ListingStatus::Active },
            sku,
        })
    }

    /// A complaint about this row: by its SKU, or by its place where it has none.
    pub(super) fn complaint(&self, code: &str, cause: &str, remedy: &str) -> Complaint {
        let sku = if self.sku.is_empty() { self.place.clone() } else { self.sku.clone() };
        let text = format!("{}: {cause}; {remedy}", self.place);
        Complaint { sku, code: code.to_owned(), text, request_id: None }
    }

    fn all_prices(&self, default: Option<Currency>) -> Result<Vec<Price>, Complaint> {
        let mut prices = Vec::with_capacity(1 + self.prices.len());
        if !self.price.is_empty() {
            let currency = self.own_currency(default)?;
            prices.push(self.one_price("price", &self.price, currency)?);
        }
        for (currency, text) in self.prices.iter().filter(|(_, text)| !text.is_empty()) {
            if prices.iter().all(|price: &Price| price.currency != *currency) {
                prices.push(self.one_price(&format!("price.{currency}"), text, *currency)?);
            }
        }
        Ok(prices)
    }

    /// The currency of the row's own price.
    pub(super) fn own_currency(&self, default: Option<Currency>) -> Result<Currency, Complaint> {
        if self.currency.is_empty() {
            return default.ok_or_else(|| {
                self.complaint(
                    "currency",
                    "the row names no currency",
                    "fill its `currency`, or set `currency` for the whole file",
                )
            });
        }
        self.currency.parse().map_err(|_| {
            let cause = format!("`{}` is not a currency", self.currency);
            self.complaint("currency", &cause, "use three letters of ISO 4217, for example EUR")
        })
    }

    fn one_price(&self, column: &str, text: &str, currency: Currency) -> Result<Price, Complaint> {
        let amount = self.number(column, "price", text)?;
        if amount.normalize().scale() > currency.digits() {
            let cause = format!("{column} `{text}` has more digits after the point than {currency} has");
            return Err(self.complaint("price", &cause, "round it in the file"));
        }
        if currency.digits() < 3 && may_be_thousands(text) {
            return Err(self.in_two_ways(column, "price", text));
        }
        Ok(Price { amount, currency })
    }

    fn pieces(&self) -> Result<i64, Complaint> {
        let number = self.number("stock", "stock", &self.stock)?;
        if number.is_integer() && may_be_thousands(&self.stock) {
            return Err(self.in_two_ways("stock", "stock", &self.stock));
        }
        let whole = number.is_integer().then(|| i64::try_from(number).ok()).flatten();
        whole.ok_or_else(|| {
            let cause = format!("stock `{}` is not a whole number", self.stock);
            self.complaint("stock", &cause, "write pieces without a fraction")
        })
    }

    fn number(&self, column: &str, code: &str, text: &str) -> Result<Decimal, Complaint> {
        let (cause, remedy) = match read_number(text) {
            Ok(number) if number.is_sign_negative() && !number.is_zero() => {
                (format!("{column} `{text}` is negative"), "write zero or more")
            }
            Ok(number) => return Ok(number),
            Err(NotANumber::Ambiguous) => return Err(self.in_two_ways(column, code, text)),
            Err(NotANumber::NoNumber) => {
                let remedy = match code {
                    "stock" => "write whole pieces in digits, for example 12",
                    _ => "write digits with a decimal point, for example 19.90",
                };
                (format!("{column} `{text}` is not a number"), remedy)
            }
        };
        Err(self.complaint(code, &cause, remedy))
    }

    fn in_two_ways(&self, column: &str, code: &str, text: &str) -> Complaint {
        let cause = format!("{column} `{text}` can be read in two ways");
        self.complaint(code, &cause, "write it without thousands separators and with a point")
    }
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Why a text is no number.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotANumber {
    NoNumber,
    /// `1,234` is a thousand and some, or one and some.
    Ambiguous,
}

/// Reads a number as people and ERPs write it: with a decimal point or comma, with or without thousands separators,
/// where that can be read in one way only.
pub(super) fn read_number(text: &str) -> Result<Decimal, NotANumber> {
    let text = text.trim();
    let (minus, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',') || is_apostrophe(c)) {
        return Err(NotANumber::NoNumber);
    }
    let plain = if digits.contains(is_apostrophe) { without_apostrophes(digits)? } else { without_separators(digits)? };
    let number = Decimal::from_str_exact(&plain).map_err(|_| NotANumber::NoNumber)?;
    Ok(if minus { -number } else { number })
}

/// Thousands are parted by apostrophes in Switzerland, straight or curled.
fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}')
}

/// The same number as digits with at most one decimal point: beside apostrophes a comma can only be a decimal one.
fn without_apostrophes(text: &str) -> Result<Cow<'_, str>, NotANumber> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let groups: Vec<&str> = whole.split(is_apostrophe).collect();
    let well = (1..=3).contains(&groups[0].len()) && groups[1..].iter().all(|group| group.len() == 3);
    if !well || fraction.contains(|c: char| !c.is_ascii_digit()) {
        return Err(NotANumber::NoNumber);
    }
    Ok(Cow::Owned(format!("{}.{fraction}", groups.concat())))
}

/// Whether a number with a point may be a whole one with thousands: `1.000` is one, or a thousand.
fn may_be_thousands(text: &str) -> bool {
    text.trim().split_once('.').is_some_and(|(whole, fraction)| {
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        fraction.len() == 3 && (1..=3).contains(&whole.len()) && whole != "0" && is_digits(whole) && is_digits(fraction)
    })
}

/// The same number with nothing but digits and at most one decimal point.
fn without_separators(text: &str) -> Result<Cow<'_, str>, NotANumber> {
    let (points, commas) = (text.matches('.').count(), text.matches(',').count());
    let (decimal, thousands) = match (points, commas) {
        (0 | 1, 0) => return Ok(Cow::Borrowed(text)),
        (0, 1) => {
            let (whole, fraction) = text.split_once(',').unwrap_or_default();
            if fraction.len() == 3 && (1..=3).contains(&whole.len()) && whole != "0" {
                return Err(NotANumber::Ambiguous);
            }
            return Ok(Cow::Owned(format!("{whole}.{fraction}")));
        }
        (_, 0) => (None, '.'),
        (0, _) => (None, ','),
        (1, _) if text.rfind('.') > text.rfind(',') => (Some('.'), ','),
        (_, 1) if text.rfind(',') > text.rfind('.') => (Some(','), '.'),
        _ => return Err(NotANumber::NoNumber),
    };
    let (whole, fraction) = decimal.and_then(|mark| text.split_once(mark)).unwrap_or((text, "0"));
    let mut groups = whole.split(thousands);
    let first = groups.next().unwrap_or_default();
    if !(1..=3).contains(&first.len()) || !groups.all(|group| group.len() == 3) {
        return Err(NotANumber::NoNumber);
    }
    Ok(Cow::Owned(format!("{}.{fraction}", whole.replace(thousands, ""))))
}

/// The addresses in a cell: separated by white space or `|`, or by a comma with white space.
pub(super) fn read_images(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || c == '|')
        .map(|part| part.trim_matches([',', ';']))
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}
