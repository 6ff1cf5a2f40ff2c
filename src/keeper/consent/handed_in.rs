//! Existing tokens, handed in by hand.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{ConsentError, Consented, consent_of, covering::Proven, tell_failed};
use crate::{
    channels::{Acted, Grant, OwnersEnd, Tokens},
    domain::{EndSource, Ending, Failure, ShopId},
    keeper::{ShopEntry, TokenKeeper, refresh::EXCHANGE_LIMIT},
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
    /// Takes existing tokens. They are proven by a live call, and renewed before they replace anything; an end that the channel does not tell must be stated.
    pub async fn hand_in(&self, shop: &ShopId, handed: HandedIn) -> Result<Consented, ConsentError> {
        let entry = self.0.shops.get(shop).ok_or_else(|| ConsentError::UnknownShop(shop.clone()))?;
        let (keeper, taker) = (self.clone(), Arc::clone(&entry));
        let taken =
            self.tracked(async move { keeper.take(taker, handed).await.map_err(ConsentError::of_tokens) }).await;
        taken.inspect_err(|error| tell_failed(&entry.shop.channel, Some(shop), error))
    }

    async fn take(&self, entry: Arc<ShopEntry>, handed: HandedIn) -> Result<Consented, ConsentError> {
        let (shop, consent) = (&entry.shop.id, consent_of(&entry)?);
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
        if let OwnersEnd::After(span) = consent.end()
            && let (Some(given), None) = (handed.authorized_at, handed.ends_at)
            && given + span <= now
        {
            return Err(ConsentError::Incomplete(format!(
                "`authorized_at` is {given}, so the authorization ended at {}: such tokens are of no use; have the owner authorize the shop again",
                given + span
            )));
        }
        let stated = handed.ends_at.map(|at| Ending { at, source: EndSource::Configured });
        let authorized_at = handed.authorized_at.unwrap_or(now);
        let renewable = handed.tokens.refresh_token.is_some();
        // Whoever knows the account by its name means it.
        let account = match self.account_of(&entry).await? {
            Some((account, Some(name))) if name == handed.account => account,
            _ => handed.account,
        };
        let grant = Grant {
            account,
            account_name: None,
            // Learnt when they are renewed; tokens that cannot be end with the permission.
            access_token_ends_at: now,
            refresh_token_ends_at: None,
            ends: None,
            tokens: handed.tokens,
        };
        // Nobody else renews the account's tokens meanwhile: these may be the very ones on record.
        let queue = self.queue_of(shop).await?;
        let _turn = match &queue {
            Some(queue) => Some(queue.lock().await),
            None => None,
        };
        let mut proven = self.weigh(&entry, grant, authorized_at).await?;
        if renewable {
            proven = self.renewed(&entry, proven, stated).await?;
        } else {
            let Some(ends) = stated.or(proven.ends) else {
                return Err(ConsentError::Incomplete(
                    "tokens without a `refresh_token` cannot be renewed, and the channel does not tell when they end; state `ends_at`".into(),
                ));
            };
            proven.ends = Some(ends);
            proven.grant.access_token_ends_at = ends.at;
        }
        self.record(vec![proven], "operator").await
    }
    /// The tokens that the handed ones are renewed to. Nothing tells a refresh token that is spent, mistyped or made up but to
    /// renew with it, so that comes before what is on record is given up for it. It also brings what nobody knows who hands
    /// tokens in: when they end, and the account's own id and name.
    async fn renewed(
        &self,
        entry: &Arc<ShopEntry>,
        handed: Proven,
        stated: Option<Ending>,
    ) -> Result<Proven, ConsentError> {
        let shop = &entry.shop.id;
        let call = consent_of(entry)?.refresh(&handed.grant.tokens, &handed.grant.account);
        let grant = match tokio::time::timeout(EXCHANGE_LIMIT, call).await {
            Ok(Ok(grant)) => grant,
            Ok(Err(error))
                if matches!(
                    error.failure,
                    Failure::AuthorizationEnded { .. } | Failure::TokenRejected | Failure::Rejected
                ) =>
            {
                return Err(ConsentError::NotRenewed { shop: shop.clone(), text: error.text });
            }
            Ok(Err(error)) if error.acted == Acted::Unheard => {
                return Err(ConsentError::RenewalUnheard { shop: shop.clone(), text: error.text });
            }
            Ok(Err(error)) => return Err(ConsentError::Channel(error)),
            Err(_) => {
                let text = format!("{} seconds went by", EXCHANGE_LIMIT.as_secs());
                return Err(ConsentError::RenewalUnheard { shop: shop.clone(), text });
            }
        };
        let ends = grant.ends.or(stated).or(handed.ends);
        if grant.account == handed.grant.account {
            return Ok(Proven { grant, ends, ..handed });
        }
        // The channel's word counts for whose they are.
        let proven = self.weigh(entry, grant, handed.authorized_at).await?;
        Ok(Proven { ends, ..proven })
    }
}
