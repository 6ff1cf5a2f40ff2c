//! What the audit says of what was created or edited.
//!
//! New products and edits are audited: mostly within minutes, sometimes for days. While an answer is waited for nothing else is
//! sent for the SKU. A product that was never on sale cannot be changed anyway, so its audit is waited for long; one whose title was
//! edited sells on, and its stock must not wait: after a while the edit counts as accepted, and imports show what comes of it. Nothing waits
//! for that of images and attributes.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    TikTokShop,
    product::{Read, audit_reasons},
};
use crate::{
    channels::{Access, ChannelError, PushResult, Settled, Ticket},
    domain::{Complaint, Failure, plan::Change},
};

/// How long the audit is waited for that keeps nothing from being sent: of a product that is not on sale, or of images and attributes.
const NEW: SignedDuration = SignedDuration::from_hours(12);
/// How long that of an edit.
const EDIT: SignedDuration = SignedDuration::from_mins(30);

/// What waits for the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A product that was created.
    New,
    /// A SKU that joined a product.
    Joined,
    /// A title.
    Edited,
    /// Images or attributes alone.
    Described,
    /// A product that was put on sale again.
    Relisted,
}

#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    kind: Kind,
    product: String,
    /// The second at which it was sent.
    since: i64,
}

/// A ticket for what was sent.
pub(super) fn ticket(kind: Kind, product: &str, now: Timestamp) -> Ticket {
    let waiting = Waiting { kind, product: product.to_owned(), since: now.as_second() };
    Ticket(serde_json::to_string(&waiting).expect("a ticket is plain data"))
}

impl TikTokShop {
    /// Asks what became of changes.
    pub(super) async fn settle_changes(
        &self,
        access: &Access,
        ticket: &Ticket,
        changes: &[Change],
    ) -> Result<Settled, ChannelError> {
        let refuse = |code: &str, text: &str, request_id: Option<&str>| {
            let complaint = |change: &Change| Complaint {
                sku: change.sku.as_str().to_owned(),
                code: code.to_owned(),
                text: text.to_owned(),
                request_id: request_id.map(str::to_owned),
            };
            Ok(Settled::Judged(changes.iter().map(|change| PushResult::Refused(complaint(change))).collect()))
        };
        let Ok(Waiting { kind, product, since }) = serde_json::from_str(&ticket.0) else {
            return refuse("ticket", "the ticket of the change cannot be read; it is sent again later", None);
        };
        let details = match self.details(access, &product).await {
            Err(trouble) if trouble.error.failure == Failure::Rejected => {
                return refuse("details", &trouble.error.text, trouble.error.request_id.as_deref());
            }
            other => other?,
        };
        let request_id = details.request_id.as_deref();
        let word = |path: &str| details.data.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (status, audit) = (word("/status"), word("/audit/status"));
        if status == "DELETED" {
            return refuse("deleted", "the product was deleted before it was on sale", request_id);
        }
        if status == "FAILED" || audit == "FAILED" {
            return refuse("audit_failed", &audit_reasons(&details.data), request_id);
        }
        if kind == Kind::Relisted && status == "SELLER_DEACTIVATED" {
            let text = "the product was taken off sale while its audit was waited for; activate it in Seller Center";
            return refuse("not_active", text, request_id);
        }
        let age = SignedDuration::from_secs(self.client.now().as_second() - since);
        let patience = if matches!(kind, Kind::New | Kind::Relisted | Kind::Described) { NEW } else { EDIT };
        if (status == "PENDING" || audit == "AUDITING") && age < patience {
            return Ok(Settled::Open);
        }
        let mut read = Read { warehouse: self.warehouse.as_deref(), ..Read::default() };
        read.product(&details.data);
        let judged = changes.iter().map(|change| {
            let found = read.listings.iter().find(|listing| listing.sku == change.sku || is_it(listing, change));
            match found {
                Some(listing) => PushResult::Done {
                    sku: change.sku.clone(),
                    listing: Box::new(crate::domain::Listing { sku: change.sku.clone(), ..listing.clone() }),
                },
                None => PushResult::Refused(Complaint {
                    sku: change.sku.as_str().to_owned(),
                    code: "not_listed".to_owned(),
                    text: "TikTok accepted the SKU, but the product does not have it; it is sent again later"
                        .to_owned(),
                    request_id: request_id.map(str::to_owned),
                }),
            }
        });
        Ok(Settled::Judged(judged.collect()))
    }
}

/// Whether a listing is the one that was changed, whatever SKU it goes by with us.
fn is_it(listing: &crate::domain::Listing, change: &Change) -> bool {
    let id = |listing: &crate::domain::Listing| listing.refs.get(super::product::refs::SKU_ID).cloned();
    change.listing.as_ref().is_some_and(|known| id(known).is_some() && id(known) == id(listing))
}
