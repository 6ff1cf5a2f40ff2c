//! Changes on their way, as far as they are the same on both platforms.

use std::ops::{Deref, DerefMut};

use rust_decimal::Decimal;
use serde_json::json;

use super::{TITLE, export::Most, items::refs, wire::Trouble};
use crate::{
    channels::{ChannelError, PushResult, works},
    domain::{Complaint, Currency, Field, ListingStatus, Price, plan::Change},
};

/// How sending ends: what was judged before an error is told all the same.
pub(super) type Ended = Result<(), Box<ChannelError>>;

/// The most digits after the point that SHOPLINE keeps.
const DIGITS: u32 = 2;

/// A change on its way, with what SHOPLINE knows of its SKU.
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

    /// A refusal of what was sent concerns this change; any other trouble what comes after it, too.
    pub(super) fn judge<T>(&mut self, answer: Result<T, Trouble>) -> Result<Option<T>, Box<ChannelError>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(trouble) if trouble.is_refusal() => {
                self.refuse_with(&trouble);
                Ok(None)
            }
            Err(trouble) => Err(trouble.error),
        }
    }

    /// Notes the vendor's refusal.
    pub(super) fn refuse_with(&mut self, trouble: &Trouble) {
        let error = &trouble.error;
        let text =
            if error.remedy.is_empty() { error.text.clone() } else { format!("{}; {}", error.text, error.remedy) };
        self.refuse(&trouble.code, &text, error.request_id.as_deref());
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.word(name).unwrap_or_default().to_owned()
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

    /// The pieces to send, where they are to be sent and can be. `zero`: the SKU is retired, but cannot be taken off sale.
    pub(super) fn stock(&mut self, zero: bool, most: i64) -> Option<i64> {
        let wanted = self.wanted_pieces(zero)?;
        if let Some(text) = stock_fault(wanted, most) {
            self.refuse("stock", &text, None);
            return None;
        }
        if self.note(refs::COUNTED) != &json!(true) {
            let known = self.note(refs::PLACES).as_object().map(|places| places.keys().cloned().collect::<Vec<_>>());
            let text = match known.filter(|known| known.len() > 1) {
                Some(known) => {
                    format!(
                        "it is not clear where to write the stock; name one of {} as export.warehouse",
                        known.join(", ")
                    )
                }
                None => "SHOPLINE does not count its stock, or not where export.warehouse says; let it do so there"
                    .to_owned(),
            };
            self.refuse("warehouse", &text, None);
            return None;
        }
        Some(wanted)
    }

    /// Title and description to send, as far as they are to be sent.
    pub(super) fn texts(&self) -> Texts {
        let wanted = &self.change.wanted;
        Texts {
            title: wanted.title.clone().filter(|_| self.wants(Field::Title)),
            description: wanted.description.clone().filter(|_| self.wants(Field::Description)),
        }
    }

    /// The images to send, where they are to be sent.
    pub(super) fn images(&self) -> Option<&[String]> {
        self.change.wanted.images.as_deref().filter(|_| self.wants(Field::Images))
    }

    pub(super) fn note_stock(&mut self, pieces: i64) {
        let place = self.text(refs::PLACE);
        if let Some(listing) = &mut self.listing {
            listing.stock = Some(pieces);
            if !place.is_empty() && listing.refs[refs::PLACES].is_object() {
                listing.refs[refs::PLACES][place] = json!(pieces);
            }
        }
    }

    pub(super) fn note_texts(&mut self, texts: &Texts) {
        if let Some(listing) = &mut self.listing {
            if let Some(title) = &texts.title {
                listing.title.clone_from(title);
            }
            if texts.description.is_some() {
                listing.description.clone_from(&texts.description);
            }
        }
    }

    pub(super) fn note_status(&mut self, on_sale: bool) {
        if let Some(listing) = &mut self.listing {
            listing.status = if on_sale { ListingStatus::Active } else { ListingStatus::Inactive };
            listing.refs[refs::STATUS] = json!(status(on_sale));
        }
    }
}

/// Title and description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
}

impl Texts {
    pub(super) fn is_empty(&self) -> bool {
        self.title.is_none() && self.description.is_none()
    }
}

/// What cannot be sent as a price. SHOPLINE rounds to two digits, and a rounded price would differ for ever.
pub(super) fn price_fault(price: Price) -> Option<String> {
    let digits = if whole_only(price.currency) { 0 } else { price.currency.digits().min(DIGITS) };
    if price.amount <= Decimal::ZERO {
        return Some(format!("a price of {price} is none: SHOPLINE sells nothing for it"));
    }
    (price.amount.round_dp(digits) != price.amount).then(|| {
        format!("SHOPLINE keeps {digits} digits after the point of a price in {}, not those of {price}; set export.price.round", price.currency)
    })
}

/// An amount as it is written: decimal text with the currency's digits.
pub(super) fn amount(price: Price) -> String {
    let digits = price.currency.digits().min(DIGITS);
    format!("{:.*}", digits as usize, price.amount.round_dp(digits))
}

/// Whether SHOPLINE knows no parts of a unit, although ISO 4217 does.
pub(super) fn whole_only(currency: Currency) -> bool {
    currency.as_str() == "TWD" || currency.digits() == 0
}

/// What cannot be sent as stock.
pub(super) fn stock_fault(pieces: i64, most: i64) -> Option<String> {
    (!(0..=most).contains(&pieces))
        .then(|| format!("{pieces} pieces are wanted, SHOPLINE takes 0 to {most}; limit them with export.stock.max"))
}

/// SHOPLINE's word for a product that is on sale, or that its seller has taken off.
pub(super) const fn status(on_sale: bool) -> &'static str {
    if on_sale { "active" } else { "draft" }
}

/// What is known of the changes after `ended`.
pub(super) fn results(works: Vec<Work<'_>>, ended: Ended) -> Result<Vec<PushResult>, ChannelError> {
    let unlisted = "the shop does not have this SKU, and nothing is known of its product; wait for the next import";
    works::results(works.into_iter().map(|work| work.0), ended.map_err(|error| *error), unlisted)
}

/// A complaint about a change of which nothing was sent.
pub(super) fn complaint(change: &Change, code: &str, text: String) -> Complaint {
    Complaint { sku: change.sku.as_str().to_owned(), code: code.to_owned(), text, request_id: None }
}

/// What a change lacks before it can be sent to either platform.
pub(super) fn lacking(change: &Change, most: Most) -> Option<Complaint> {
    let complaint = |code: &str, text: String| Some(complaint(change, code, text));
    let new = change.listing.is_none();
    let texts = Work::of(change).texts();
    let title = change.product.as_ref().filter(|_| new).map(|(product, _)| product.title.clone()).or(texts.title);
    if title.as_ref().is_some_and(|title| title.trim().is_empty()) {
        return complaint("title", "the title is empty; fill it at the source".to_owned());
    }
    if let Some(count) = title.map(|title| title.chars().count()).filter(|count| *count > 255) {
        return complaint(
            "title",
            format!("the title has {count} characters, {TITLE} takes 255; shorten it at the source"),
        );
    }
    if !new {
        return None;
    }
    let Some(price) = change.wanted.price else {
        let text = "a new SKU needs a price; let the source say one, and export.fields name \"price\"";
        return complaint("price", text.to_owned());
    };
    if let Some(text) = price_fault(price) {
        return complaint("price", text);
    }
    if let Some(text) = change.wanted.stock.and_then(|pieces| stock_fault(pieces, most.pieces)) {
        return complaint("stock", text);
    }
    let options = change.product.as_ref().map(|(_, variant)| variant.options.as_slice()).unwrap_or_default();
    if options.len() > most.options {
        let text = format!("the variant has {} options, {TITLE} takes {}", options.len(), most.options);
        return complaint("options", text);
    }
    if options.iter().any(|(name, value)| name.trim().is_empty() || value.trim().is_empty()) {
        return complaint("options", "an option has no name or no value; fill it at the source".to_owned());
    }
    None
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn prices_that_would_be_rounded_are_refused_and_others_written_with_their_digits() {
        let price = |text: &str| {
            let (amount, currency) = text.split_once(' ').unwrap();
            Price { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() }
        };
        for (text, written) in [
            ("19.9 USD", Some("19.90")),
            ("1980 JPY", Some("1980")),
            ("150000 IDR", Some("150000")),
            ("199 TWD", Some("199.00")),
            ("1.25 KWD", Some("1.25")),
            ("19.999 USD", None),
            ("1980.5 JPY", None),
            ("199.5 TWD", None),
            ("1.255 KWD", None),
            ("0 USD", None),
            ("-1 USD", None),
        ] {
            let price = price(text);
            assert_eq!(price_fault(price).is_none().then(|| amount(price)).as_deref(), written, "{text}");
        }
    }
}
