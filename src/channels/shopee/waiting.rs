//! Export: what becomes of new items that take more than one call, or whose creation was not answered.
//!
//! An item rests a while before it gets its variations, and is on sale once it has them. Whatever is cut off in between is found
//! by the next attempt and gone on with.
//!
//! Vendor pages: "v2.product.init_tier_variation", "v2.product.unlist_item", "Variant management" (guide 222).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Shopee,
    items::refs,
    text,
    variations::{New, Tier, refuse_all, take_known, tiers_of},
    work::Work,
};
use crate::{
    channels::{Access, ChannelError, Settled, Ticket},
    domain::{Failure, ListingStatus, plan::Change},
};

const INIT: &str = "variations of an item";
const RELIST: &str = "putting on sale";
/// A new item rests this long before it gets its variations.
const REST_SECONDS: i64 = 5;
/// After a creation of which nobody knows whether it was done, the search is asked this much later.
const SEARCH_LAG_SECONDS: i64 = 60;
/// A new item that is not to be seen for so long will not be.
const LOST_SECONDS: i64 = 600;

/// What a ticket says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wait {
    /// An item without its variations yet, created at this second.
    Item { id: u64, at: i64 },
    /// Nobody knows whether it was created, at this second.
    Unclear { at: i64 },
}

impl Wait {
    pub(super) fn ticket(&self) -> Ticket {
        Ticket(serde_json::to_string(self).expect("a ticket is plain data"))
    }
}

impl Shopee {
    /// Asks what became of new items.
    pub(super) async fn settle_created(
        &self,
        access: &Access,
        ticket: &Ticket,
        changes: &[Change],
    ) -> Result<Settled, ChannelError> {
        let wait: Wait = serde_json::from_str(&ticket.0)
            .map_err(|_| ChannelError::bug("the ticket of a new item cannot be read"))?;
        let now = self.client.now().as_second();
        let mut works: Vec<_> = changes.iter().map(Work::of).collect();
        let indices: Vec<usize> = (0..works.len()).collect();
        match wait {
            Wait::Unclear { at } if now < at + SEARCH_LAG_SECONDS => return Ok(Settled::Open),
            Wait::Item { at, .. } if now < at + REST_SECONDS => return Ok(Settled::Open),
            Wait::Unclear { .. } => self.create(access, &indices, &mut works).await?,
            Wait::Item { id, at } => {
                if !self.vary(access, id, now < at + LOST_SECONDS, &mut works).await? {
                    return Ok(Settled::Open);
                }
            }
        }
        Ok(Settled::Judged(works.into_iter().map(Work::result).collect()))
    }

    /// Gives an item its variations and puts it on sale; `false`: it is not to be seen yet.
    async fn vary(
        &self,
        access: &Access,
        id: u64,
        may_wait: bool,
        works: &mut [Work<'_>],
    ) -> Result<bool, ChannelError> {
        let changes: Vec<&Change> = works.iter().map(|work| work.change).collect();
        let mut new: Vec<New<'_>> = changes
            .iter()
            .enumerate()
            .filter_map(|(index, change)| {
                let (product, variant) = change.product.as_ref()?;
                Some(New { index, product, variant, tier_index: Vec::new() })
            })
            .collect();
        let Some((_, models, read)) = self.read_item(access, id).await? else {
            if may_wait {
                return Ok(false);
            }
            refuse_all(&new, works, "gone", "the new item is not to be found; it is created again by a later export");
            return Ok(true);
        };
        if models.model.is_empty() {
            let tiers = tiers_of(&mut new, works);
            if new.is_empty() {
                return Ok(true);
            }
            let models: Vec<_> = new.iter().map(|one| self.model_body(works[one.index].change, one)).collect();
            let body = json!({"item_id": id, "standardise_tier_variation": Tier::body(&tiers), "model": models});
            match self.write(access, INIT, "/api/v2/product/init_tier_variation", body).await {
                Ok(success) => self.note_models(success.response(), id, &new, new.len(), works),
                Err(trouble) if trouble.error.failure == Failure::Rejected => {
                    for one in &new {
                        works[one.index].refuse_for(&trouble);
                    }
                    return Ok(true);
                }
                Err(trouble) => return Err(trouble.into()),
            }
        } else {
            let left = take_known(&read, new, works);
            if !left.is_empty() {
                self.join(access, id, left, works).await?;
            }
        }
        self.relist(access, id, works).await?;
        Ok(true)
    }

    async fn relist(&self, access: &Access, id: u64, works: &mut [Work<'_>]) -> Result<(), ChannelError> {
        let body = json!({"item_list": [{"item_id": id, "unlist": false}]});
        let answer = self.write(access, RELIST, "/api/v2/product/unlist_item", body).await;
        let fault = match answer {
            Ok(success) => {
                let list = success.response().get("failure_list").and_then(Value::as_array);
                let entry = list.and_then(|list| list.first());
                let reason = entry.and_then(|entry| entry.get("failed_reason")).and_then(Value::as_str);
                reason.map(text::line)
            }
            Err(trouble) if trouble.error.failure == Failure::Rejected => Some(trouble.error.text.clone()),
            Err(trouble) => return Err(trouble.into()),
        };
        for work in works.iter_mut().filter(|work| !work.is_refused()) {
            match (&fault, &mut work.listing) {
                (Some(reason), _) => {
                    let text =
                        format!("the item was created but not put on sale: {reason}; put it on sale in Seller Centre");
                    work.refuse("not_on_sale", &text, None);
                }
                (None, Some(listing)) => {
                    listing.status = ListingStatus::Active;
                    listing.refs[refs::STATUS] = "NORMAL".into();
                }
                (None, None) => {}
            }
        }
        Ok(())
    }
}
