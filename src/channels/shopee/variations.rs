//! Export: where new variations stand among the options of an item.

use serde_json::{Value, json};

use super::{items::Items, wire_items::WireModels, work::Work};
use crate::domain::{Listing, Product, Variant};

/// A variation to be created.
pub(super) struct New<'a> {
    pub(super) index: usize,
    pub(super) product: &'a Product,
    pub(super) variant: &'a Variant,
    /// Which value of each option.
    pub(super) tier_index: Vec<usize>,
}

/// Names of options with their values, and Shopee's ids of them; 0 where they are of no standard.
#[derive(Debug, Clone)]
pub(super) struct Tier {
    pub(super) id: u64,
    pub(super) group: u64,
    pub(super) name: String,
    pub(super) values: Vec<(u64, String, String)>,
}

impl Tier {
    pub(super) fn body(tiers: &[Self]) -> Value {
        let value = |(id, name, image): &(u64, String, String)| {
            let mut value = json!({"variation_option_id": id, "variation_option_name": name});
            if !image.is_empty() {
                value["image_id"] = image.as_str().into();
            }
            value
        };
        let tier = |tier: &Self| {
            let values: Vec<_> = tier.values.iter().map(value).collect();
            let mut body =
                json!({"variation_id": tier.id, "variation_name": tier.name, "variation_option_list": values});
            if tier.group != 0 {
                body["variation_group_id"] = tier.group.into();
            }
            body
        };
        tiers.iter().map(tier).collect()
    }

    pub(super) fn of(models: &WireModels) -> Vec<Self> {
        if models.standardise_tier_variation.is_empty() {
            let own = |(name, values): (String, Vec<String>)| Self {
                id: 0,
                group: 0,
                name,
                values: values.into_iter().map(|value| (0, value, String::new())).collect(),
            };
            return models.tiers().into_iter().map(own).collect();
        }
        let standard = models.standardise_tier_variation.iter().map(|tier| Self {
            id: tier.variation_id,
            group: tier.variation_group_id,
            name: tier.variation_name.clone(),
            values: tier
                .variation_option_list
                .iter()
                .map(|one| (one.variation_option_id, one.variation_option_name.clone(), one.image_id.clone()))
                .collect(),
        });
        standard.collect()
    }

    /// The index of a value, which is added where it is new.
    pub(super) fn index_of(&mut self, value: &str) -> usize {
        let known = self.values.iter().position(|(_, known, _)| known == value);
        known.unwrap_or_else(|| {
            self.values.push((0, value.to_owned(), String::new()));
            self.values.len() - 1
        })
    }
}

/// The options of variants that become an item of their own. A variant whose options do not fit is refused and left out.
pub(super) fn tiers_of(new: &mut Vec<New<'_>>, works: &mut [Work<'_>]) -> Vec<Tier> {
    let names: Vec<String> = new
        .iter()
        .map(|one| &one.variant.options)
        .find(|options| !options.is_empty())
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect();
    let empty = |name: String| Tier { id: 0, group: 0, name, values: Vec::new() };
    let mut tiers: Vec<Tier> = names.into_iter().map(empty).collect();
    let mut taken = Vec::new();
    new.retain_mut(|one| match place_among(&mut tiers, one.variant, &taken) {
        Ok(tier_index) => {
            taken.push(tier_index.clone());
            one.tier_index = tier_index;
            true
        }
        Err(text) => {
            works[one.index].refuse("options", &text, None);
            false
        }
    });
    tiers
}

/// Where a variant stands among the options of an item; an error says why it cannot.
pub(super) fn place_among(tiers: &mut [Tier], variant: &Variant, taken: &[Vec<usize>]) -> Result<Vec<usize>, String> {
    let value_of =
        |tier: &Tier| variant.options.iter().find(|(name, _)| name.trim().eq_ignore_ascii_case(tier.name.trim()));
    let values: Option<Vec<&str>> = tiers.iter().map(|tier| value_of(tier).map(|(_, value)| value.as_str())).collect();
    let values = values.filter(|values| !values.is_empty() && values.len() == variant.options.len()).ok_or_else(|| {
        let names = |all: Vec<&str>| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        format!(
            "its variations differ by {}, and this SKU has the options {}; give all SKUs of the product the same options",
            names(tiers.iter().map(|tier| tier.name.as_str()).collect()),
            names(variant.options.iter().map(|(name, _)| name.as_str()).collect()),
        )
    })?;
    // Looked up first, so that a place that is taken adds no value.
    let known: Option<Vec<usize>> = tiers
        .iter()
        .zip(&values)
        .map(|(tier, value)| tier.values.iter().position(|(_, known, _)| known == value))
        .collect();
    if known.is_some_and(|index| taken.contains(&index)) {
        return Err(format!(
            "another SKU has the options {} already; tell them apart in the source",
            values.join(", ")
        ));
    }
    Ok(tiers.iter_mut().zip(values).map(|(tier, value)| tier.index_of(value)).collect())
}

/// Refuses all of these.
pub(super) fn refuse_all(new: &[New<'_>], works: &mut [Work<'_>], code: &str, text: &str) {
    for one in new {
        works[one.index].refuse(code, text, None);
    }
}

/// Takes those that an item has already, as it has them; answers the others.
pub(super) fn take_known<'a>(read: &Items, new: Vec<New<'a>>, works: &mut [Work<'_>]) -> Vec<New<'a>> {
    let mut left = Vec::new();
    for one in new {
        match read.listings.iter().find(|listing| listing.sku == one.variant.sku) {
            Some(listing) => {
                let sku = works[one.index].change.sku.clone();
                works[one.index].listing = Some(Listing { sku, ..listing.clone() });
            }
            None => left.push(one),
        }
    }
    left
}
