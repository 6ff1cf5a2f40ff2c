//! Existing tokens, handed in by hand.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{ConsentError, Consented, consent_of, tell_failed};
use crate::{
    channels::{Grant, OwnersEnd, Tokens},
    domain::{EndSource, Ending, ShopId},
    keeper::{ShopEntry, TokenKeeper},
    secrets::Secret,
};

/// By how much the clock of whoever wrote the tokens down may be ahead.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(1);

/// Existing tokens, handed in by hand: `{"access_token": …, "refresh_token": …, "account": …, "authorized_at": …, "ends_at": …}`.
#[derive(Debug, Clone)]
pub struct HandedIn {
    tokens: Tokens,
    account: String,
    authorized_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HandedInText {
    access_token: String,
    refresh_token: Option<String>,
    account: String,
    authorized_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
}

impl HandedIn {
    /// Reads the JSON. A fault names the key, never a value.
    pub fn parse(json: &Secret) -> Result<Self, ConsentError> {
        let text: HandedInText = serde_json::from_str(json.expose()).map_err(|error| {
            // serde quotes what it found; only where it stopped is safe to tell.
            ConsentError::Incomplete(format!(
                "the tokens are not JSON with `access_token`, `account` and, where there are any, `refresh_token`, `authorized_at` and `ends_at` (instants like 2026-11-30T12:00:00Z), and nothing else (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        if text.access_token.is_empty() || text.account.is_empty() {
            return Err(ConsentError::Incomplete("`access_token` and `account` must not be empty".into()));
        }
        Ok(Self {
            tokens: Tokens {
                access_token: Secret::new(text.access_token),
                refresh_token: text.refresh_token.filter(|token| !token.is_empty()).map(Secret::new),
            },
            account: text.account,
            authorized_at: text.authorized_at,
            ends_at: text.ends_at,
        })
    }
}

impl TokenKeeper {
    /// Takes existing tokens. They are proven by a live call; an end that the channel does not tell must be stated.
    pub async fn hand_in(&self, shop: &ShopId, handed: HandedIn) -> Result<Consented, ConsentError> {
        let entry = self.0.shops.get(shop).ok_or_else(|| ConsentError::UnknownShop(shop.clone()))?;
        let (keeper, taker) = (self.clone(), Arc::clone(&entry));
        let taken = self.tracked(async move { keeper.take(taker, handed).await }).await;
        taken.inspect_err(|error| tell_failed(&entry.shop.channel, error))
    }

    async fn take(&self, entry: Arc<ShopEntry>, handed: HandedIn) -> Result<Consented, ConsentError> {
        let consent = consent_of(&entry)?;
        let now = self.0.clock.now();
        let lasts = matches!(consent.end(), OwnersEnd::After(_));
        if lasts && handed.ends_at.is_none() && handed.authorized_at.is_none() {
            return Err(ConsentError::Incomplete(format!(
                "channel `{}` does not tell when an authorization ends; state `authorized_at` or `ends_at`",
                entry.shop.channel
            )));
        }
        if let Some(at) = handed.ends_at.filter(|at| *at <= now) {
            return Err(ConsentError::Incomplete(format!(
                "`ends_at` is {at}, which has passed: such tokens are of no use; have the owner authorize the shop again"
            )));
        }
        if let Some(at) = handed.authorized_at.filter(|at| *at > now + CLOCKS_DIFFER) {
            return Err(ConsentError::Incomplete(format!("`authorized_at` is {at}, which is yet to come; correct it")));
        }
        let stated = handed.ends_at.map(|at| Ending { at, source: EndSource::Configured });
        let renewable = handed.tokens.refresh_token.is_some();
        let grant = Grant {
            account: handed.account,
            account_name: None,
            // Its true end is not known: the first use renews it, which tells.
            access_token_ends_at: if renewable {
                now
            } else {
                handed.ends_at.unwrap_or(now + SignedDuration::from_hours(24 * 365))
            },
            refresh_token_ends_at: None,
            ends: None,
            tokens: handed.tokens,
        };
        let mut proven = self.weigh(&entry, grant, handed.authorized_at.unwrap_or(now)).await?;
        proven.ends = stated.or(proven.ends);
        if !renewable && proven.ends.is_none() && handed.authorized_at.is_none() {
            return Err(ConsentError::Incomplete(
                "tokens without a `refresh_token` cannot be renewed, and the channel does not tell when they end; state `ends_at`".into(),
            ));
        }
        self.record(vec![proven], "operator").await
    }
}
