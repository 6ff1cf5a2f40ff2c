//! The outbox: messages owed, each once per reason.

use jiff::Timestamp;

use super::{StoreError, Tx};
use crate::domain::ShopId;

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// To be delivered.
    Owed,
    /// The relay took it.
    Sent,
    /// The relay refused for good, or nobody took it for 48 hours.
    Refused,
    /// No longer needed.
    Cancelled,
}

/// A message to be owed.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMail {
    /// The reason, once: a second message with the same one is not owed.
    pub dedup: String,
    /// `reminder`, `ended`, `renewed`, `operator` or `test`.
    pub kind: String,
    /// The address.
    pub recipient: String,
    /// `en` or `de`.
    pub language: String,
    /// The shops it is about.
    pub shops: Vec<ShopId>,
    /// What it is composed from.
    pub payload: serde_json::Value,
}

/// A message as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    /// Its number.
    pub id: i64,
    /// The reason, once.
    pub dedup: String,
    /// The kind.
    pub kind: String,
    /// The address.
    pub recipient: String,
    /// The language.
    pub language: String,
    /// The shops it is about.
    pub shops: Vec<ShopId>,
    /// What it is composed from.
    pub payload: serde_json::Value,
    /// The subject, once frozen.
    pub subject: Option<String>,
    /// The whole message as handed to the relay, once frozen.
    pub body: Option<String>,
    /// Fixed from the beginning.
    pub message_id: String,
    /// Where it stands.
    pub state: MailState,
    /// Since when it is owed.
    pub owed_at: Timestamp,
    /// Not before this instant.
    pub next_attempt_at: Timestamp,
    /// How many attempts were made.
    pub attempts: u32,
    /// When the first was.
    pub first_attempt_at: Option<Timestamp>,
    /// When the relay took it.
    pub sent_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The relay took it.
    Sent,
    /// Try again at this instant.
    Deferred {
        /// The instant.
        at: Timestamp,
        /// Why.
        error: String,
    },
    /// Given up.
    Refused {
        /// Why.
        error: String,
    },
}

impl Tx {
    /// Owes a message at `now`, unless its reason was met before. Its Message-ID is made from its number and `domain`.
    /// Returns its number; `None` if it was owed before.
    pub async fn owe_mail(&mut self, mail: &NewMail, domain: &str) -> Result<Option<i64>, StoreError> {
        todo!()
    }

    /// Replaces what an owed message that was not yet attempted is composed from. `false`: too late.
    pub async fn amend_mail(
        &mut self,
        id: i64,
        shops: &[ShopId],
        payload: &serde_json::Value,
    ) -> Result<bool, StoreError> {
        todo!()
    }

    /// Owed messages whose next attempt is due, the oldest first.
    pub async fn due_mail(&mut self, limit: u32) -> Result<Vec<Mail>, StoreError> {
        todo!()
    }

    /// The earliest next attempt of all owed messages.
    pub async fn next_mail_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        todo!()
    }

    /// Freezes subject and message, before the first attempt. `false`: it is no longer owed.
    pub async fn freeze_mail(&mut self, id: i64, subject: &str, body: &str) -> Result<bool, StoreError> {
        todo!()
    }

    /// Writes down an attempt.
    pub async fn deliver_mail(&mut self, id: i64, delivery: &Delivery) -> Result<(), StoreError> {
        todo!()
    }

    /// Cancels an owed message. `false`: it was sent, refused or cancelled before.
    pub async fn cancel_mail(&mut self, id: i64) -> Result<bool, StoreError> {
        todo!()
    }

    /// Makes a refused or owed message due at once.
    pub async fn retry_mail(&mut self, id: i64) -> Result<bool, StoreError> {
        todo!()
    }

    /// One message.
    pub async fn mail(&mut self, id: i64) -> Result<Option<Mail>, StoreError> {
        todo!()
    }

    /// The message with this reason.
    pub async fn mail_by_dedup(&mut self, dedup: &str) -> Result<Option<Mail>, StoreError> {
        todo!()
    }

    /// Messages, newest first, optionally in one state.
    pub async fn mails(&mut self, state: Option<MailState>, limit: u32) -> Result<Vec<Mail>, StoreError> {
        todo!()
    }

    /// How many are owed and how many were refused.
    pub async fn mail_counts(&mut self) -> Result<(u64, u64), StoreError> {
        todo!()
    }

    /// Deletes messages that ended before `cutoff`.
    pub async fn prune_mail(&mut self, cutoff: Timestamp) -> Result<u64, StoreError> {
        todo!()
    }
}
