//! The owner's permission: its clocks, its states, and when a machine should wind which.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Account;

/// The number of an authorization, unique in one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuthorizationId(pub i64);

impl std::fmt::Display for AuthorizationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Where an authorization stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorizationState {
    /// Never given. Consent takes it out.
    Pending,
    /// Given, and to the best of our knowledge accepted by the channel.
    Active,
    /// The end date passed. Deactivated, not destroyed; a renewal takes it out.
    Lapsed,
    /// Refused by the channel more than an hour before its end date. A renewal takes it out.
    Revoked,
}

impl AuthorizationState {
    /// The name used in tables and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Lapsed => "lapsed",
            Self::Revoked => "revoked",
        }
    }

    /// Reads the stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Lapsed, Self::Revoked].into_iter().find(|state| state.as_str() == name)
    }

    /// The state after the channel's word that the permission has ended, at `now`, with the end date on record:
    /// `Lapsed` when at most an hour is left (or the date has passed), else `Revoked`.
    pub fn after_refusal(ends_at: Option<Timestamp>, now: Timestamp) -> Self {
        let _ = (ends_at, now);
        todo!()
    }
}

/// How we know an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndSource {
    /// The channel said so.
    Told,
    /// Computed from when it was given.
    Computed,
    /// Stated by whoever handed the tokens in.
    Configured,
}

impl EndSource {
    /// The name used in tables and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Computed => "computed",
            Self::Configured => "configured",
        }
    }

    /// Reads the stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Told, Self::Computed, Self::Configured].into_iter().find(|source| source.as_str() == name)
    }
}

/// When something ends, and how we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The instant.
    pub at: Timestamp,
    /// How we know it.
    pub source: EndSource,
}

/// The clock of a token: when it was issued, when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// When the channel issued it.
    pub issued_at: Timestamp,
    /// When it stops working.
    pub ends_at: Timestamp,
}

/// A note made before a refresh token is spent, so that a crash in between is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// When the exchange began.
    pub begun_at: Timestamp,
    /// The generation of tokens it spends.
    pub generation: i64,
    /// How often this generation was spent already without a reply that we read.
    pub unanswered: u32,
}

/// An account's permission, without its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Its number.
    pub id: AuthorizationId,
    /// Whose it is.
    pub account: Account,
    /// What people call the account, where the channel says.
    pub account_name: Option<String>,
    /// Where it stands.
    pub state: AuthorizationState,
    /// Why it stands there, in the channel's words; for `lapsed` and `revoked`.
    pub why: Option<String>,
    /// How many times the owner has given it. A ladder of reminders belongs to one grant.
    pub grant_number: i64,
    /// Grows with every pair of tokens; compare-and-set goes by it.
    pub generation: i64,
    /// When the owner last gave it.
    pub authorized_at: Timestamp,
    /// When only its owner can renew it; `None` where a machine can extend it for ever.
    pub ends: Option<Ending>,
    /// The access token's clock.
    pub access_token: Clock,
    /// When the refresh token ends, where that is known.
    pub refresh_token_ends_at: Option<Timestamp>,
    /// When a live call last proved that it works.
    pub probed_at: Option<Timestamp>,
    /// A refresh that began and has not been seen to end.
    pub intent: Option<Intent>,
}

/// What a look at an authorization should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Renew the tokens now.
    pub refresh: bool,
    /// Make a cheap live call (at most daily).
    pub probe: bool,
}

impl Authorization {
    /// When the access token should be renewed: after a share (three quarters) of its own lifetime, and never later
    /// than an emergency margin before its end, whatever the share says. Never before `issued_at` plus a minute, so
    /// that a channel that hands out absurdly short tokens is not called without pause.
    pub fn refresh_at(&self) -> Timestamp {
        todo!()
    }

    /// Whether the access token may be used for a call at `now`: it does not end within the emergency margin.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let _ = now;
        todo!()
    }

    /// What a look at `now` should do, when the next look follows after at most `period`.
    pub fn look(&self, now: Timestamp, period: Option<SignedDuration>) -> Look {
        let _ = (now, period);
        todo!()
    }

    /// Whether a new end date counts as a renewal by the owner: later than the old one by more than 7 days.
    pub fn is_renewal(old: Option<Timestamp>, new: Option<Timestamp>) -> bool {
        let _ = (old, new);
        todo!()
    }
}
