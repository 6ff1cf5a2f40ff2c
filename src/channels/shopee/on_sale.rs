//! Export: taking items off sale, and putting them back. Shopee knows whole items only as on or off sale.
//!
//! Vendor page: "v2.product.unlist_item".

use serde_json::json;

use super::{
    Shopee,
    push::{failed, told_of},
    work::Work,
};
use crate::{
    channels::{Access, ChannelError},
    domain::Failure,
};

const UNLIST: &str = "unlist";
const RELIST: &str = "putting on sale again";

/// What becomes of an item beside what is sent of its SKUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing.
    Stays,
    /// It is taken off sale.
    Leaves,
    /// It is put on sale again.
    Returns,
}

impl Shopee {
    /// Puts items on or off sale.
    pub(super) async fn put_on_sale(
        &self,
        access: &Access,
        way: Way,
        batch: &[(u64, &[usize])],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let (off, operation, what) = match way {
            Way::Leaves => (true, UNLIST, "to take it off sale"),
            Way::Stays | Way::Returns => (false, RELIST, "to put it on sale again"),
        };
        let list: Vec<_> = batch.iter().map(|(item, _)| json!({"item_id": item, "unlist": off})).collect();
        let answer = self.write(access, operation, "/api/v2/product/unlist_item", json!({"item_list": list})).await;
        let answer = match answer {
            Err(trouble) if trouble.error.failure != Failure::Rejected => return Err(trouble.into()),
            answer => answer,
        };
        for (item, indices) in batch {
            for index in *indices {
                let work = &mut works[*index];
                match &answer {
                    Ok(success) => match told_of(success, "item_id", *item) {
                        None => work.note_status(way),
                        Some(reason) => {
                            let text = format!("Shopee refused {what}: {reason}");
                            work.refuse("refused", &text, success.request_id.as_deref());
                        }
                    },
                    Err(trouble) => match failed(&trouble.response, "item_id", *item) {
                        Some(reason) => {
                            let text = format!("Shopee refused {what}: {reason}");
                            work.refuse(&trouble.word, &text, trouble.error.request_id.as_deref());
                        }
                        None => work.refuse_for(trouble),
                    },
                }
                work.close();
            }
        }
        Ok(())
    }
}
