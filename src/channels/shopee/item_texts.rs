//! Export: names and descriptions, which belong to items.
//!
//! Vendor page: "v2.product.update_item".

use serde_json::{Value, json};

use super::{Shopee, items::refs, text, work::Work};
use crate::{
    channels::{Access, ChannelError},
    domain::{Failure, Field},
};

const TEXTS: &str = "item update";

impl Shopee {
    /// Sends the name and description of an item: once, although several SKUs may want it.
    pub(super) async fn push_texts(
        &self,
        access: &Access,
        item: u64,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let mut body = json!({"item_id": item});
        let mut sent = Vec::new();
        for index in indices {
            let work = &mut works[*index];
            for (field, name) in [(Field::Title, "item_name"), (Field::Description, "description")] {
                let wanted = match field {
                    Field::Title => work.change.wanted.title.clone(),
                    _ => work.change.wanted.description.clone(),
                };
                let Some(wanted) = wanted.filter(|_| work.wants(field)) else { continue };
                let extended = field == Field::Description && work.word(refs::FIXED) == Some("description");
                let other = body.get(name).and_then(Value::as_str).is_some_and(|text| text != wanted);
                let fault = if extended {
                    Some(
                        "the description in the shop has images in it, which would be lost; edit it in Seller Centre"
                            .to_owned(),
                    )
                } else if other {
                    Some("other SKUs of the same item want another text, and an item has one".to_owned())
                } else {
                    text::fault(&wanted)
                };
                if let Some(text) = fault {
                    work.refuse(name, &format!("{name}: {text}"), None);
                } else {
                    body[name] = wanted.into();
                    sent.push((*index, field));
                }
            }
        }
        if sent.is_empty() {
            return Ok(());
        }
        match self.write(access, TEXTS, "/api/v2/product/update_item", body).await {
            Ok(_) => {
                for (index, field) in sent {
                    let work = &mut works[index];
                    let (title, description) = (&work.change.wanted.title, &work.change.wanted.description);
                    if let Some(listing) = &mut work.listing {
                        match field {
                            Field::Title => listing.title = title.clone().unwrap_or_default(),
                            _ => listing.description.clone_from(description),
                        }
                    }
                }
                Ok(())
            }
            Err(trouble) if trouble.error.failure == Failure::Rejected => {
                let mut indices: Vec<_> = sent.into_iter().map(|(index, _)| index).collect();
                indices.dedup();
                for index in &indices {
                    works[*index].refuse_for(&trouble);
                }
                Ok(())
            }
            Err(trouble) => Err(trouble.into()),
        }
    }
}
