//! Attributes: how the mapping's texts become what calls name, and how they get to an item that is there.
//!
//! An item's attributes are sent whole. What the seller set by hand, and what Shopee filled in, is read right before and goes back as it
//! is, with ours laid over it: without a mandatory attribute Shopee refuses the item, and others would be lost.
//!
//! Vendor pages: "v2.product.update_item", "v2.product.get_item_base_info".

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Shopee,
    item_fields::{agreed, refuse_each},
    items::Items,
    work::Work,
};
use crate::{
    channels::{Access, ChannelError},
    domain::Field,
};

const ATTRIBUTES: &str = "attribute update";
/// The code of complaints about attributes.
pub(super) const CODE: &str = "attributes";

/// Attributes, by their ids as the mapping writes them, as a call names them.
pub(super) fn named(filled: &BTreeMap<String, String>) -> Result<Vec<Value>, String> {
    filled.iter().map(|(id, text)| attribute(id, text)).collect()
}

/// One attribute: `#1,#2` are values of Shopee's list, anything else is a text of our own, with its unit after a bar.
fn attribute(id: &str, text: &str) -> Result<Value, String> {
    let number: u64 =
        id.parse().map_err(|_| format!("`mapping.attributes.{id}`: Shopee's attributes are named by their ids"))?;
    let values: Vec<Value> = if text.starts_with('#') {
        let one = |part: &str| part.trim().strip_prefix('#')?.parse::<u64>().ok().map(|id| json!({"value_id": id}));
        let values: Option<Vec<_>> = text.split(',').map(one).collect();
        values.ok_or_else(|| format!("`mapping.attributes.{id}`: `{text}` is not a list of values like #678,#679"))?
    } else {
        let (text, unit) = text.split_once('|').map_or((text, None), |(text, unit)| (text, Some(unit.trim())));
        let mut value = json!({"value_id": 0, "original_value_name": text.trim()});
        if let Some(unit) = unit {
            value["value_unit"] = unit.into();
        }
        vec![value]
    };
    Ok(json!({"attribute_id": number, "attribute_value_list": values}))
}

/// What an item has by what it tells, with ours laid over it: by attribute, in the order of their ids.
fn laid_over(told: &Value, ours: Vec<Value>) -> Vec<Value> {
    let told = told.as_array().into_iter().flatten().filter_map(as_sent);
    let all = told.chain(ours).filter_map(|one| Some((one["attribute_id"].as_u64()?, one)));
    all.collect::<BTreeMap<u64, Value>>().into_values().collect()
}

/// An attribute that an item tells, as a call names it; `None`: it has no value.
fn as_sent(told: &Value) -> Option<Value> {
    let value = |told: &Value| {
        let mut value = json!({"value_id": told["value_id"].as_u64().unwrap_or(0)});
        for name in ["original_value_name", "value_unit"] {
            if let Some(text) = told[name].as_str().filter(|text| !text.is_empty()) {
                value[name] = text.into();
            }
        }
        value
    };
    let values: Vec<Value> = told["attribute_value_list"].as_array()?.iter().map(value).collect();
    let id = told["attribute_id"].as_u64()?;
    (!values.is_empty()).then(|| json!({"attribute_id": id, "attribute_value_list": values}))
}

impl Shopee {
    /// Sends the attributes of an item.
    pub(super) async fn push_attributes(
        &self,
        access: &Access,
        item: u64,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let wanted = agreed(works, indices, Field::Attributes, CODE, |values| values.attributes.clone());
        let Some((wanted, who)) = wanted else { return Ok(()) };
        let ours = match named(&wanted) {
            Ok(ours) => ours,
            Err(text) => {
                refuse_each(works, &who, CODE, &text);
                return Ok(());
            }
        };
        let (told, _) = self.base_info(access, &[item], &mut Items::default()).await?;
        let Some(told) = told.get(&item) else {
            let text = format!("Shopee tells nothing of item {item} any more; wait for the next import");
            refuse_each(works, &who, "gone", &text);
            return Ok(());
        };
        let body = json!({"item_id": item, "attribute_list": laid_over(&told.attribute_list, ours)});
        self.update_item_whole(access, ATTRIBUTES, body, &who, works).await
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_values_of_the_list_or_texts_with_units() {
        let of = |text: &str| attribute("100036", text).map(|value| value["attribute_value_list"].to_string());
        assert_eq!(of("#678").unwrap(), r#"[{"value_id":678}]"#);
        assert_eq!(of("#678, #679").unwrap(), r#"[{"value_id":678},{"value_id":679}]"#);
        assert_eq!(of("Cotton").unwrap(), r#"[{"original_value_name":"Cotton","value_id":0}]"#);
        assert_eq!(of("12 | g").unwrap(), r#"[{"original_value_name":"12","value_id":0,"value_unit":"g"}]"#);
        assert!(of("#x").unwrap_err().contains("is not a list of values"));
        assert!(attribute("Colour", "Red").unwrap_err().contains("named by their ids"));
    }

    #[test]
    fn ours_are_laid_over_what_an_item_tells() {
        let told = json!([
            {"attribute_id": 9, "original_attribute_name": "Origin", "is_mandatory": true, "attribute_value_list": [
                {"value_id": 3, "original_value_name": "Mainland", "value_unit": ""},
            ]},
            {"attribute_id": 5, "original_attribute_name": "Length", "is_mandatory": false, "attribute_value_list": [
                {"value_id": 0, "original_value_name": "12", "value_unit": "cm"},
            ]},
            {"attribute_id": 7, "original_attribute_name": "Bare", "attribute_value_list": []},
        ]);
        let ours = [("5", "14|cm"), ("8", "#4")].map(|(id, text)| (id.to_owned(), text.to_owned())).into();
        let sent = laid_over(&told, named(&ours).unwrap());
        assert_eq!(
            Value::from(sent),
            json!([
                {"attribute_id": 5, "attribute_value_list": [{"value_id": 0, "original_value_name": "14", "value_unit": "cm"}]},
                {"attribute_id": 8, "attribute_value_list": [{"value_id": 4}]},
                {"attribute_id": 9, "attribute_value_list": [{"value_id": 3, "original_value_name": "Mainland"}]},
            ])
        );
        assert_eq!(laid_over(&Value::Null, Vec::new()), Vec::<Value>::new());
    }
}
