//! Export: what became of changes, at once or later.

use serde::{Deserialize, Serialize};

use crate::domain::{Complaint, Listing, Sku};

/// What became of one change.
#[derive(Debug, Clone, PartialEq)]
pub enum PushResult {
    /// Accepted. The listing as it stands now, as far as we know it: the one seen, with what was sent.
    Done {
        /// The SKU.
        sku: Sku,
        /// The listing after the change.
        listing: Box<Listing>,
    },
    /// Refused, with the reason.
    Refused(Complaint),
    /// Accepted, but with words that a person should read, of fields that no import shows as they were sent. They stand until the shop accepts
    /// another change without any.
    Remarked {
        /// The listing after the change.
        listing: Box<Listing>,
        /// What was said; its code is [`Complaint::REMARK`].
        remark: Complaint,
    },
    /// Accepted for later judgement; ask `settle` with the ticket, which several SKUs may share. It is kept until then, over
    /// restarts too, and meanwhile nothing else is sent for the SKU.
    Pending {
        /// The SKU.
        sku: Sku,
        /// What to ask with.
        ticket: Ticket,
    },
}

/// What became of changes that were pending.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// Not judged yet.
    Open,
    /// Judged, each of them. One that is [`PushResult::Pending`] waits on, with another ticket.
    Judged(Vec<PushResult>),
}

/// What a channel gave for asking later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket(pub String);
