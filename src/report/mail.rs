//! The outbox, as `mail list` tells it.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::{MailKind, ShopId},
    store::{Mail, MailFilter, MailState, StoreError, Tx},
};

/// `mail list --json`.
#[derive(Debug, Serialize)]
pub struct MailList {
    /// Newest first.
    pub mail: Vec<MailView>,
}

/// One message.
#[derive(Debug, Serialize)]
pub struct MailView {
    /// Its number.
    pub id: i64,
    /// `reminder`, `ended`, `renewed`, `operator` or `test`.
    pub kind: MailKind,
    /// The address.
    pub to: String,
    /// The subject, once composed; before, the one it would have.
    pub subject: Option<String>,
    /// The shops it is about.
    pub shops: Vec<ShopId>,
    /// Where it stands.
    pub state: MailState,
    /// Since when it is owed.
    pub owed_at: Timestamp,
    /// When the relay took it.
    pub sent_at: Option<Timestamp>,
    /// How many attempts were made.
    pub attempts: u32,
    /// Why the last one failed.
    pub error: Option<String>,
}

impl From<Mail> for MailView {
    fn from(mail: Mail) -> Self {
        let Mail { id, kind, recipient, subject, shops, state, owed_at, sent_at, attempts, error, .. } = mail;
        Self { id, kind, to: recipient, subject, shops, state, owed_at, sent_at, attempts, error }
    }
}

/// Messages that fit, newest first.
pub async fn mail_list(tx: &mut Tx, filter: &MailFilter, limit: u32) -> Result<MailList, StoreError> {
    Ok(MailList { mail: tx.mails_like(filter, limit).await?.into_iter().map(MailView::from).collect() })
}
