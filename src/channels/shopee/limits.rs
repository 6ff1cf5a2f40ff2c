//! What Shopee takes of an item in its category: asked before anything is made, so that all that is out of bounds is named at
//! once, and before images are handed over.
//!
//! The bounds differ by shop and category, and pages show samples alone; so none stands here.
//!
//! Vendor page: "v2.product.get_item_limit".

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;

use super::{Shopee, client::Ask, text, wire_items::decimal};
use crate::{
    channels::{Access, ChannelError, calls::token_of},
    domain::{Failure, Product, Variant, plan::Change},
};

const LIMITS: &str = "limits of a category";

/// From what to what; a bound that is missing, or not above nothing, is none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Bounds {
    min_limit: Value,
    max_limit: Value,
}

impl Bounds {
    fn most(&self) -> Option<Decimal> {
        decimal(&self.max_limit).filter(|most| *most > Decimal::ZERO)
    }

    /// What is taken, in words, where `value` is not.
    fn broken_by(&self, value: Decimal) -> Option<String> {
        let least = decimal(&self.min_limit).filter(|least| *least > Decimal::ZERO);
        let most = self.most();
        match (least, most) {
            (Some(least), Some(most)) => {
                (!(least..=most).contains(&value)).then(|| format!("{} to {}", least.normalize(), most.normalize()))
            }
            (Some(least), None) => (value < least).then(|| format!("{} and more", least.normalize())),
            (None, Some(most)) => (value > most).then(|| format!("{} at most", most.normalize())),
            (None, None) => None,
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct DaysToShip {
    days_to_ship_limit: Bounds,
}

/// The bounds of one category, as far as they are looked at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Limits {
    price_limit: Bounds,
    stock_limit: Bounds,
    item_name_length_limit: Bounds,
    item_description_length_limit: Bounds,
    item_image_count_limit: Bounds,
    tier_variation_name_length_limit: Bounds,
    tier_variation_option_length_limit: Bounds,
    dts_limit: DaysToShip,
}

/// A code and words.
pub(super) type Fault = (&'static str, String);

impl Limits {
    /// What is out of bounds of an item, whichever of its SKUs is looked at.
    pub(super) fn of_item(&self, product: &Product, days_to_ship: Option<u64>) -> Vec<Fault> {
        let mut faults = Vec::new();
        let title = length(&text::line_of_title(&product.title));
        if let Some(taken) = self.item_name_length_limit.broken_by(title) {
            let text = format!("the title has {title} characters, and Shopee takes {taken}; change it at the source");
            faults.push(("title", text));
        }
        let description = length(&text::plain(product.description.as_deref().unwrap_or_default()));
        if let Some(taken) = self.item_description_length_limit.broken_by(description) {
            let text = format!(
                "the description has {description} characters, and Shopee takes {taken}; change it at the source"
            );
            faults.push(("description", text));
        }
        faults.extend(self.of_images(&product.images));
        faults.extend(days_to_ship.and_then(|days| self.days_fault(days)).map(|text| ("days_to_ship", text)));
        faults
    }

    fn days_fault(&self, days: u64) -> Option<String> {
        let bounds = &self.dts_limit.days_to_ship_limit;
        // Shopee's way to say that the category has none.
        if decimal(&bounds.max_limit).is_some_and(|most| most < Decimal::ZERO) {
            return Some(
                "Shopee takes no pre-orders in the category; leave `mapping.days_to_ship` out for it".to_owned(),
            );
        }
        let taken = bounds.broken_by(days.into())?;
        Some(format!("Shopee takes {taken} days to ship in the category, not {days}; correct `mapping.days_to_ship`"))
    }

    /// What is out of bounds of one SKU.
    pub(super) fn of_sku(&self, change: &Change, variant: &Variant, pieces: i64) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(price) = change.wanted.price
            && let Some(taken) = self.price_limit.broken_by(price.amount)
        {
            let text = format!("the price is {price}, and Shopee takes {taken} in the category");
            faults.push(("price", text));
        }
        if let Some(taken) = self.stock_limit.broken_by(pieces.into()) {
            let text = format!("{pieces} pieces are wanted, and Shopee takes {taken} in the category");
            faults.push(("stock", text));
        }
        for (name, value) in &variant.options {
            for (word, bounds) in
                [(name, &self.tier_variation_name_length_limit), (value, &self.tier_variation_option_length_limit)]
            {
                if let Some(taken) = bounds.broken_by(length(word)) {
                    let text = format!(
                        "`{word}` has {} characters, and Shopee takes {taken} in options; change it at the source",
                        length(word)
                    );
                    faults.push(("options", text));
                }
            }
        }
        faults
    }

    /// What is out of bounds of an item's images.
    pub(super) fn of_images(&self, images: &[String]) -> Option<Fault> {
        // Of too many the first are taken.
        let count = Decimal::from(self.images(images).len());
        let taken = self.item_image_count_limit.broken_by(count)?;
        Some(("image", format!("the product has {count} images, and Shopee takes {taken}; add some at the source")))
    }

    /// Those of these images that an item may have.
    pub(super) fn images<'a>(&self, images: &'a [String]) -> &'a [String] {
        let most = self.item_image_count_limit.most().and_then(|most| usize::try_from(most).ok());
        &images[..images.len().min(most.unwrap_or(usize::MAX))]
    }
}

fn length(text: &str) -> Decimal {
    text.chars().count().into()
}

impl Shopee {
    /// The bounds of a category. Where Shopee does not tell them there are none: creating says what is wrong all the same.
    pub(super) async fn limits(&self, access: &Access, category: &str) -> Result<Limits, ChannelError> {
        let query = vec![("category_id", category.to_owned())];
        let ask = Ask { operation: LIMITS, path: "/api/v2/product/get_item_limit", query, body: None };
        let success = match self.client.of_products(ask, self.shop_id, token_of(access)?).await {
            Ok(success) => success,
            Err(trouble) if trouble.error.failure == Failure::Rejected => return Ok(Limits::default()),
            Err(trouble) => return Err(trouble.into()),
        };
        Limits::deserialize(success.response()).map_err(|error| {
            let what = format!("the limits are unreadable: {error}");
            self.reading_products(LIMITS).unexpected(&what, success.request_id.clone())
        })
    }
}
