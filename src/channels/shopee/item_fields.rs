//! Export: what belongs to an item and not to its variations, each field once although several SKUs may want it. Names and descriptions.
//!
//! Shopee looks over the whole item whatever is sent of it. So images and attributes go in calls of their own: what is wrong with one of
//! them does not hold back the others.
//!
//! Vendor pages: "v2.product.update_item", "Product base info management".

use serde_json::{Value, json};

use super::{Shopee, items::refs, text, wire::Success, work::Work};
use crate::{
    channels::{Access, ChannelError},
    domain::{Failure, Field, Values},
};

const TEXTS: &str = "item update";

/// What the SKUs of an item want of a field that belongs to the item, and which of them want it. Who wants something else than the
/// first one is refused.
pub(super) fn agreed<T: PartialEq>(
    works: &mut [Work<'_>],
    indices: &[usize],
    field: Field,
    name: &str,
    wanted: impl Fn(&Values) -> Option<T>,
) -> Option<(T, Vec<usize>)> {
    let mut agreed: Option<(T, Vec<usize>)> = None;
    for index in indices {
        let work = &mut works[*index];
        let Some(own) = wanted(&work.change.wanted).filter(|_| work.wants(field)) else { continue };
        match &mut agreed {
            None => agreed = Some((own, vec![*index])),
            Some((first, who)) if *first == own => who.push(*index),
            Some(_) => {
                let text = format!("{name}: other SKUs of the same item want another one, and an item has one");
                work.refuse(name, &text, None);
            }
        }
    }
    agreed
}

/// Refuses all of these.
pub(super) fn refuse_each(works: &mut [Work<'_>], indices: &[usize], code: &str, text: &str) {
    for index in indices {
        works[*index].refuse(code, text, None);
    }
}

impl Shopee {
    /// Sends the name and the description of an item.
    pub(super) async fn push_texts(
        &self,
        access: &Access,
        item: u64,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let mut body = json!({"item_id": item});
        let mut sent = Vec::new();
        for (field, name) in [(Field::Title, "item_name"), (Field::Description, "description")] {
            let wanted = |values: &Values| match field {
                Field::Title => values.title.clone(),
                _ => values.description.clone(),
            };
            let Some((wanted, who)) = agreed(works, indices, field, name, wanted) else { continue };
            let extended = field == Field::Description
                && who.iter().any(|index| works[*index].word(refs::FIXED) == Some("description"));
            let fault = if extended {
                Some(
                    "the description in the shop has images in it, which would be lost; edit it in Seller Centre"
                        .to_owned(),
                )
            } else {
                text::fault(&wanted)
            };
            if let Some(text) = fault {
                refuse_each(works, &who, name, &format!("{name}: {text}"));
            } else {
                body[name] = wanted.into();
                sent.extend(who.into_iter().map(|index| (index, field)));
            }
        }
        if sent.is_empty() {
            return Ok(());
        }
        let mut who: Vec<usize> = sent.iter().map(|(index, _)| *index).collect();
        who.sort_unstable();
        who.dedup();
        if self.update_item(access, TEXTS, body, &who, works).await?.is_none() {
            return Ok(());
        }
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

    /// Updates an item on behalf of these changes; `None`: it was refused, which they note.
    pub(super) async fn update_item(
        &self,
        access: &Access,
        operation: &'static str,
        body: Value,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<Option<Success>, ChannelError> {
        match self.write(access, operation, "/api/v2/product/update_item", body).await {
            Ok(success) => Ok(Some(success)),
            Err(trouble) if trouble.error.failure == Failure::Rejected => {
                for index in indices {
                    works[*index].refuse_for(&trouble);
                }
                Ok(None)
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// The same for what does not come back as it was sent, so that no import shows whether it was taken whole: a warning tells of what
    /// was left out, and is for people to read. Sent again it would come again.
    pub(super) async fn update_item_whole(
        &self,
        access: &Access,
        operation: &'static str,
        body: Value,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let updated = self.update_item(access, operation, body, indices, works).await?;
        if let Some(success) = updated.filter(|success| !success.warning().is_empty()) {
            let text = format!("Shopee warns about the {operation}: {}", text::line(success.warning()));
            for index in indices {
                works[*index].remark(&text, success.request_id.as_deref());
            }
        }
        Ok(())
    }
}
