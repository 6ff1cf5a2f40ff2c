//! Mail: how a message leaves, and what it says.
//!
//! `words` puts a [`Letter`] into a language, `layout` sets it, `message` composes a whole message from that; [`Mailer`] hands it to the
//! outside. The two are apart, because a message is composed once and frozen, and may be handed over many times until somebody takes it.

pub mod calendar;
mod layout;
mod letter;
mod message;
mod transport;
mod words;

use std::str::FromStr;

pub use letter::{Item, Letter, News, Obstacle, Obstructed, RenewLink, ShopLine};
use lettre::{Address, address::AddressError, message::Mailbox};
pub use message::{Composed, Envelope, compose, subject};
pub use transport::{
    Mailer, MailerBook, Memory, Outgoing, Received, Relay, Settings, Smtp, Tls, Transport, without_addresses,
};

pub use crate::domain::Language;

/// The sender of every mail: a name and an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(Mailbox);

impl Sender {
    /// Reads `shopsyncd <shops@example.com>` or a plain address.
    pub fn parse(text: &str) -> Result<Self, MailError> {
        let fault =
            |cause| MailError::permanent(format!("sender `{text}`: {cause}; write `NAME <ADDRESS>` or an address"));
        let Mailbox { name, email } = Mailbox::from_str(text).map_err(fault)?;
        Ok(Self(Mailbox::new(name, in_ascii(&email).map_err(fault)?)))
    }

    /// The address alone.
    pub fn address(&self) -> String {
        self.0.email.to_string()
    }

    /// The domain of the address: Message-IDs and calendar entries are named in it.
    pub fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

/// Whether a text is an address, and nothing else.
pub fn is_address(text: &str) -> bool {
    address(text).is_ok()
}

/// Reads an address, as it travels: its domain in ASCII, so that only a local part with an umlaut needs a relay that knows SMTPUTF8
/// (RFC 6531).
fn address(text: &str) -> Result<Address, MailError> {
    let address = text.parse().and_then(|address| in_ascii(&address));
    address.map_err(|cause| MailError::permanent(format!("`{text}` is not an address: {cause}")))
}

fn in_ascii(address: &Address) -> Result<Address, AddressError> {
    Address::new(address.user(), host_in_ascii(address.domain()))
}

/// A host's name with its umlauts in ASCII (RFC 5891).
fn host_in_ascii(host: &str) -> String {
    match url::Host::parse(host) {
        Ok(url::Host::Domain(ascii)) if !host.is_ascii() => ascii,
        _ => host.to_owned(),
    }
}

/// Why a message did not leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct MailError {
    /// What it means for the message.
    pub fate: Fate,
    /// The cause.
    pub text: String,
    /// The message was on its way, and nobody knows whether it arrived.
    pub in_doubt: bool,
}

/// What a failed attempt means for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Another attempt with the same message is pointless.
    Refused,
    /// Later it may go: the message stays owed.
    Deferred,
    /// Nothing was said of the message: no other would leave now either.
    Away,
}

impl MailError {
    /// Another attempt with the same message is pointless.
    pub fn permanent(text: impl Into<String>) -> Self {
        Self { fate: Fate::Refused, text: text.into(), in_doubt: false }
    }

    /// Later it may go: the message stays owed.
    pub fn passing(text: impl Into<String>) -> Self {
        Self { fate: Fate::Deferred, text: text.into(), in_doubt: false }
    }

    /// The relay cannot be had: all messages stay owed.
    pub fn away(text: impl Into<String>) -> Self {
        Self { fate: Fate::Away, text: text.into(), in_doubt: false }
    }

    /// The same, of a message that may have arrived all the same.
    #[must_use]
    pub fn in_doubt(self) -> Self {
        Self { in_doubt: true, ..self }
    }

    /// Whether the message was refused for good.
    pub fn is_permanent(&self) -> bool {
        self.fate == Fate::Refused
    }
}
