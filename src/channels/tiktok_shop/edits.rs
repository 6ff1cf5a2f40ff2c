//! Export: titles, images and attributes, as one edit of the product, which is audited ([`super::settle`]).
//!
//! Each property that is sent replaces the old one as a whole. So attributes are laid over those that the product has: the seller's
//! own, which no mapping names, go back as they are.
//!
//! Vendor pages: "Edit product partially (202509)", "Get product (202309)", "Upload product image (202309)".

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    TikTokShop,
    client::Operation,
    create::attribute,
    settle::{Kind, ticket},
    work::{Work, refuse_all},
};
use crate::{
    channels::{Access, ChannelError},
    domain::{Field, Values},
};

pub(super) const PARTIAL_EDIT: Operation = Operation::write("partial edit");

impl TikTokShop {
    /// Sends what all SKUs of a product share.
    pub(super) async fn push_edit(
        &self,
        access: &Access,
        product: &str,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let title = agreed(indices, works, Field::Title, |wanted| wanted.title.clone());
        let images = agreed(indices, works, Field::Images, |wanted| wanted.images.clone());
        let attributes = agreed(indices, works, Field::Attributes, |wanted| wanted.attributes.clone());
        let mut body = Map::new();
        if let Some(title) = title {
            body.insert("title".to_owned(), json!(title.trim()));
        }
        if let Some(images) = images {
            match self.take_images(access, &images).await? {
                Ok(uris) => {
                    let uris = uris.into_iter().map(|uri| json!({"uri": uri}));
                    body.insert("main_images".to_owned(), uris.collect());
                }
                Err(why) => {
                    refuse_field(indices, works, Field::Images, "images", &format!("{why}; correct it at the source"));
                }
            }
        }
        if let Some(attributes) = attributes {
            let details = match self.details(access, product).await {
                Ok(details) => details.data,
                Err(trouble) => return refuse_all(trouble, &sent(indices, works), works),
            };
            body.insert("product_attributes".to_owned(), laid_over(&details, &attributes));
        }
        let edited = sent(indices, works);
        if body.is_empty() || edited.is_empty() {
            return Ok(());
        }
        // Nothing else waits for the audit of what was sent without a title.
        let kind = if body.contains_key("title") { Kind::Edited } else { Kind::Described };
        let path = format!("/product/202509/products/{product}/partial_edit");
        match self.write(access, PARTIAL_EDIT, &path, Value::Object(body)).await {
            Ok(_) => {
                let ticket = ticket(kind, product, self.client.now());
                for index in edited {
                    works[index].pending = Some(ticket.clone());
                }
                Ok(())
            }
            Err(trouble) => refuse_all(trouble, &edited, works),
        }
    }
}

/// What is edited of a product, in the order of the fields.
const EDITED: [Field; 3] = [Field::Title, Field::Images, Field::Attributes];

fn wants(work: &Work<'_>, field: Field) -> bool {
    work.wants(field) && !work.change.wanted.retired
}

/// The SKUs that want something edited, and of which nothing is refused.
fn sent(indices: &[usize], works: &[Work<'_>]) -> Vec<usize> {
    let edits = |index: &usize| {
        let work = &works[*index];
        let says = |field: &Field| wants(work, *field) && work.change.wanted.hash_of(*field).is_some();
        !work.is_refused() && EDITED.iter().any(says)
    };
    indices.iter().copied().filter(edits).collect()
}

/// What the SKUs of a product, which has one of it, want of a field; where they want several, they are refused.
fn agreed<T: Ord>(
    indices: &[usize],
    works: &mut [Work<'_>],
    field: Field,
    of: impl Fn(&Values) -> Option<T>,
) -> Option<T> {
    let wanted = indices.iter().filter(|index| wants(&works[**index], field));
    let mut wanted: BTreeSet<T> = wanted.filter_map(|index| of(&works[*index].change.wanted)).collect();
    if wanted.len() > 1 {
        let (what, of_what) = match field {
            Field::Title => ("title", "one title"),
            Field::Images => ("images", "one list of images"),
            _ => ("attributes", "one set of attributes"),
        };
        let text = format!(
            "the SKUs of the product, which has {of_what}, are wanted with {} of them; they belong to several products of the source{}",
            wanted.len(),
            if field == Field::Attributes { ", or the mapping makes different ones of each" } else { "" }
        );
        refuse_field(indices, works, field, what, &text);
        return None;
    }
    wanted.pop_first()
}

fn refuse_field(indices: &[usize], works: &mut [Work<'_>], field: Field, code: &str, text: &str) {
    for index in indices {
        if wants(&works[*index], field) {
            works[*index].refuse(code, text, None);
        }
    }
}

/// The product's attributes with ours in place of those of the same ids.
fn laid_over(details: &Value, ours: &BTreeMap<String, String>) -> Value {
    let none = Vec::new();
    let text = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).map(str::to_owned);
    let value = |value: &Value| match text(value, "id").filter(|id| !id.is_empty()) {
        Some(id) => json!({"id": id}),
        None => json!({"name": text(value, "name")}),
    };
    let known = details.get("product_attributes").and_then(Value::as_array).unwrap_or(&none).iter();
    let known = known.filter_map(|one| {
        let id = text(one, "id").filter(|id| !ours.contains_key(id))?;
        let values: Vec<Value> =
            one.get("values").and_then(Value::as_array).unwrap_or(&none).iter().map(value).collect();
        Some(json!({"id": id, "values": values}))
    });
    known.chain(ours.iter().map(|(id, value)| attribute(id, value))).collect()
}
