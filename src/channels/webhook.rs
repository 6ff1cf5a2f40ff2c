//! Webhooks: as received, and what they say about permissions.

use bytes::Bytes;
use jiff::Timestamp;
use url::Url;

use crate::domain::Ending;

/// A webhook as received.
#[derive(Debug, Clone)]
pub struct RawWebhook {
    /// The address it was sent to, as the channel knows it, with its query.
    pub url: Url,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The exact body.
    pub body: Bytes,
}

impl RawWebhook {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A webhook that is the channel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// What is the same in repetitions of it, and in nothing else.
    pub id: String,
    /// Its kind in the channel's words, for the log.
    pub kind: String,
    /// When it was said, where that is signed.
    pub said_at: Option<Timestamp>,
    /// What it says about permissions; empty for kinds that are none of ours.
    pub news: Vec<News>,
}

/// What a webhook says about a permission. It is a reason to look, not the truth: the look asks the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Whom it concerns.
    pub about: About,
    /// When only the owner can renew, where the webhook tells it and no call does.
    pub ends: Option<Ending>,
}

/// Whom news concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// An account, as [`Grant::account`](super::Grant::account).
    Account(String),
    /// A place of sale, as [`Place::id`](super::Place::id).
    Place(String),
}

/// Why a webhook was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookFault {
    /// Its signature is missing or wrong.
    #[error("its signature is missing or wrong")]
    Forged,
    /// Signed, but not readable: the cause.
    #[error("it is not readable: {0}")]
    Unreadable(String),
}
