//! A shop, the channel it is on, and the account whose permission it works with.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The id of a shop: its key under `[shops.…]` in the settings, and its name in commands, logs and tables.
///
/// Lower-case letters, digits, `-` and `_`, at most 64 characters, starting with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShopId(String);

/// Why a text is not a [`ShopId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a shop id; use lower-case letters, digits, `-` and `_`, at most 64, starting with a letter or digit"
)]
pub struct InvalidShopId(pub String);

impl ShopId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ShopId {
    type Err = InvalidShopId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = text.len() <= 64
            && text.chars().next().is_some_and(letter)
            && text.chars().all(|c| letter(c) || c == '-' || c == '_');
        if good { Ok(Self(text.to_owned())) } else { Err(InvalidShopId(text.to_owned())) }
    }
}

impl TryFrom<String> for ShopId {
    type Error = InvalidShopId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ShopId> for String {
    fn from(id: ShopId) -> Self {
        id.0
    }
}

impl fmt::Display for ShopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ShopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of a channel, as in `channel = "tiktok_shop"`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelName(String);

impl ChannelName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ChannelName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whom an authorization belongs to. Shops of one account share one authorization: one refresh, one ladder, one renewal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account {
    /// The channel.
    pub channel: ChannelName,
    /// Our app on that channel: its client id.
    pub app: String,
    /// The channel's own id of the account (TikTok Shop: `open_id`).
    pub account: String,
}

/// One place of sale on a channel, as everything below the settings knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shop {
    /// Its id in the settings.
    pub id: ShopId,
    /// The channel it is on.
    pub channel: ChannelName,
    /// What people call it.
    pub name: String,
}
