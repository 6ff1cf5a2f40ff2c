//! A mail in the outbox: what it is composed from, and how it gets there.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{News, People, Recipient};
use crate::{
    domain::{Authorization, AuthorizationId, MailKind, ShopId},
    store::{Mail, NewMail, StoreError, Tx},
};

/// A step of a grant's ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StepRef {
    pub(super) authorization: AuthorizationId,
    pub(super) grant_number: i64,
    pub(super) date: Date,
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GrantRef {
    pub(super) authorization: AuthorizationId,
    pub(super) grant_number: i64,
}

impl GrantRef {
    /// The grant in force.
    pub(super) const fn of(authorization: &Authorization) -> Self {
        Self { authorization: authorization.id, grant_number: authorization.grant_number }
    }
}

/// What a mail in the outbox is composed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub(super) enum Payload {
    /// The day's reminders of one recipient.
    Reminder {
        /// What is to be told.
        steps: Vec<StepRef>,
    },
    /// The notice of an end.
    Ended(GrantRef),
    /// The note of a renewal.
    Renewed(GrantRef),
    /// A fresh link.
    FreshLink {
        /// The shop.
        shop: ShopId,
    },
    /// A shop that the channel holds although its permission stands: closed, or (`scope`) without a right.
    Obstacle {
        /// The shop.
        shop: ShopId,
        /// Whether it is a right that is missing.
        scope: bool,
        /// What waited for the same person when it left.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        more: Vec<(ShopId, bool)>,
    },
    /// To the operator.
    Operator {
        /// What it is owed for.
        news: News,
        /// What waited for the same person when it left.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        more: Vec<News>,
    },
    /// A test.
    Test,
}

impl Payload {
    /// Whether it takes others of its sort along.
    pub(super) const fn gathers(&self) -> bool {
        matches!(self, Self::Operator { .. } | Self::Obstacle { .. })
    }

    /// Whether it would take another one along.
    pub(super) const fn is_like(&self, other: &Self) -> bool {
        self.gathers()
            && matches!(self, Self::Operator { .. }) == matches!(other, Self::Operator { .. })
            && other.gathers()
    }

    /// Takes another one along, if it is of its sort.
    pub(super) fn take(&mut self, other: Self) -> bool {
        match (self, other) {
            (Self::Operator { more, .. }, Self::Operator { news, more: others }) => {
                more.push(news);
                more.extend(others);
                true
            }
            (Self::Obstacle { more, .. }, Self::Obstacle { shop, scope, more: others }) => {
                more.push((shop, scope));
                more.extend(others);
                true
            }
            _ => false,
        }
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("plain texts and numbers are always JSON")
    }

    /// Reads what a mail is composed from; `None` where this program did not write it.
    pub(super) fn of(mail: &Mail) -> Option<Self> {
        Self::read(mail.payload.clone())
    }

    /// The same, of what a mail is composed from alone.
    pub(super) fn read(payload: serde_json::Value) -> Option<Self> {
        serde_json::from_value(payload).ok()
    }
}

/// Owes one message, unless its reason was met before. Returns its number if it is new.
pub(super) async fn owe(
    tx: &mut Tx,
    people: &People,
    dedup: String,
    kind: MailKind,
    recipient: &Recipient,
    shops: &[ShopId],
    payload: &Payload,
) -> Result<Option<i64>, StoreError> {
    let mail = NewMail {
        dedup,
        kind,
        recipient: recipient.address.clone(),
        language: recipient.language,
        shops: shops.to_vec(),
        payload: payload.to_json(),
    };
    tx.owe_mail(&mail, people.sender.domain()).await
}

/// The shops of two mails that become one.
pub(super) fn merge(all: &mut Vec<ShopId>, more: Vec<ShopId>) {
    all.extend(more);
    all.sort();
    all.dedup();
}
