//! Permission: what a channel says when it is given or renewed, and whom it covers.

use jiff::{SignedDuration, Timestamp};
use url::Url;

use crate::{domain::Ending, secrets::Secret};

/// What is known of the end of a permission, beyond which only the owner can renew it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnersEnd {
    /// The channel tells it: in [`Grant::ends`], [`Identity::ends`] or [`ShopStatus::ends`](super::ShopStatus::ends).
    Told,
    /// It ends this long after the owner gave it, and the channel never says so.
    After(SignedDuration),
    /// There is none: a machine can extend it for ever.
    Never,
}

/// What a callback carried.
#[derive(Debug, Clone)]
pub struct Callback {
    /// The code to trade.
    pub code: Secret,
    /// The state that we gave, where the channel hands it back.
    pub state: Option<String>,
    /// Whom the callback names, in the channel's own words, where the exchange needs it.
    pub subject: Option<String>,
}

/// A flow that the channel began by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Where the browser goes next.
    pub go: Url,
    /// The account it concerns, where the request names it.
    pub account: Option<String>,
}

/// The tokens of an account, open.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// For calls.
    pub access_token: Secret,
    /// For renewing; `None`: they cannot be renewed. A channel that renews with the app's own keys keeps the name of the
    /// account here: it marks tokens that the app was given, against ones that somebody made by hand.
    pub refresh_token: Option<Secret>,
}

/// What the channel said when it gave or renewed tokens. Nothing is guessed here.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The tokens.
    pub tokens: Tokens,
    /// The channel's id of the account.
    pub account: String,
    /// What it calls the account.
    pub account_name: Option<String>,
    /// When the access token ends.
    pub access_token_ends_at: Timestamp,
    /// When the refresh token ends, where it has an end of its own; how that is known says [`ChannelDef::refresh_token_end`](super::ChannelDef::refresh_token_end).
    pub refresh_token_ends_at: Option<Timestamp>,
    /// When only the owner can renew, where this answer tells it.
    pub ends: Option<Ending>,
}

/// The places of sale of a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Those it covers.
    pub places: Vec<Place>,
    /// When only the owner can renew the permission, where this call tells it.
    pub ends: Option<Ending>,
}

/// A place of sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// As [`Channel::place_of`](super::Channel::place_of) writes it.
    pub id: String,
    /// What people call it, with the channel's id: for messages.
    pub name: String,
    /// What to keep for calls to it: becomes [`Access::place`](super::Access::place).
    pub data: serde_json::Value,
}
