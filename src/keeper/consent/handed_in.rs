//! Existing tokens, handed in by hand.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{ConsentError, Consented, consent_of, covering::Proven, tell_failed};
use crate::{
    channels::{Acted, ChannelError, Grant, OwnersEnd, Tokens},
    domain::{Authorization, AuthorizationId, EndSource, Ending, Failure, Lease, ShopId},
    keeper::{
        KeeperError, ShopEntry, TokenKeeper,
        refresh::{COVER_MS, EXCHANGE_LIMIT, GLANCE, PATIENCE},
    },
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
        let on_record = self.on_record(&entry, &grant.account).await?;
        let queue = on_record.map(|id| self.queue(id));
        let mut turn = match &queue {
            Some(queue) => Some(queue.lock().await),
            None => None,
        };
        let mut proven = self.weigh(&entry, grant, authorized_at).await?;
        if !renewable {
            let Some(ends) = stated.or(proven.ends) else {
                return Err(ConsentError::Incomplete(
                    "tokens without a `refresh_token` cannot be renewed, and the channel does not tell when they end; state `ends_at`".into(),
                ));
            };
            proven.ends = Some(ends);
            proven.grant.access_token_ends_at = ends.at;
            return self.record(vec![proven], "operator").await;
        }
        if let Some(id) = on_record
            && let Some(generation) = self.has_these(&entry, id, &proven.grant.tokens).await?
        {
            drop(turn);
            proven = self.renewed_in_turn(&entry, id, generation, proven, stated).await?;
            return self.record(vec![proven], "operator").await;
        }
        let mut none = None;
        let held = turn.as_deref_mut().unwrap_or(&mut none);
        self.note_handed_in(&entry, &proven.grant.account, on_record, held).await?;
        let taken = match self.renewed(&entry, proven, stated).await {
            Ok(proven) => self.record(vec![proven], "operator").await,
            Err(error) => Err(error),
        };
        self.make_sure_given_back(held, false).await;
        taken
    }

    /// The authorization of an account of a shop's app.
    async fn on_record(&self, entry: &ShopEntry, account: &str) -> Result<Option<AuthorizationId>, ConsentError> {
        let app = consent_of(entry)?.app();
        let known = self.0.store.read(self.0.clock.now()).await?.authorizations().await?;
        let own = |known: &&Authorization| {
            known.account.channel == entry.shop.channel && known.account.app == app && known.account.account == account
        };
        Ok(known.iter().find(own).map(|known| known.id))
    }

    /// The generation of the tokens on record, if the refresh token among them is this one.
    async fn has_these(
        &self,
        entry: &ShopEntry,
        id: AuthorizationId,
        tokens: &Tokens,
    ) -> Result<Option<i64>, ConsentError> {
        let Some(sealed) = self.0.store.read(self.0.clock.now()).await?.sealed_tokens(id).await? else {
            return Ok(None);
        };
        let known = self.open_pair(entry, id, &sealed).map_err(|error| ConsentError::BrokeOff(error.to_string()))?;
        let token = |tokens: &Tokens| tokens.refresh_token.as_ref().map(|token| token.expose().to_owned());
        Ok(known.filter(|known| token(known) == token(tokens)).map(|_| sealed.generation))
    }

    /// The same as [`Self::renewed`] for the very tokens on record, which are renewed as any day.
    async fn renewed_in_turn(
        &self,
        entry: &Arc<ShopEntry>,
        id: AuthorizationId,
        generation: i64,
        handed: Proven,
        stated: Option<Ending>,
    ) -> Result<Proven, ConsentError> {
        let seen = self.0.store.read(self.0.clock.now()).await?.authorization(id).await?;
        // Tokens that others have renewed meanwhile need not be renewed once more.
        if let Some(seen) = seen.filter(|seen| seen.generation == generation) {
            match self.refresh(entry, &seen, false).await {
                Ok(()) => {}
                Err(KeeperError::Channel { error, .. }) => return Err(not_renewed(&entry.shop.id, *error)),
                Err(KeeperError::Store(error)) => return Err(error.into()),
                Err(error) => return Err(ConsentError::BrokeOff(error.to_string())),
            }
        }
        let after = self.0.store.read(self.0.clock.now()).await?.authorization(id).await?;
        let on_record = after.and_then(|after| after.ends);
        let told = on_record.filter(|ends| ends.source == EndSource::Told);
        let ends = told.or(stated).or(handed.ends).or(on_record);
        Ok(Proven { ends, kept: Some(id), ..handed })
    }

    /// What is about to be spent is written down first, and with that the store is known to take it; where the account is on
    /// record, under the right to renew its tokens, so that no peer does so meanwhile.
    async fn note_handed_in(
        &self,
        entry: &ShopEntry,
        account: &str,
        on_record: Option<AuthorizationId>,
        held: &mut Option<Lease>,
    ) -> Result<(), ConsentError> {
        let until = self.0.clock.now() + PATIENCE;
        loop {
            let mut tx = self.0.store.write(self.0.clock.now()).await?;
            if let Some(left) = held.take() {
                tx.give_back(&left).await?;
            }
            let taken = match on_record {
                Some(id) => tx.take_lease(&id.lease_name(), &self.holder(), COVER_MS).await?,
                None => None,
            };
            if on_record.is_none() || taken.is_some() {
                let text = format!("tokens of account {account} were handed in, and are renewed");
                tx.note("operator", "authorization.handed_in", Some(&entry.shop.id), &text).await?;
                tx.commit().await?;
                *held = taken;
                return Ok(());
            }
            drop(tx);
            if self.0.clock.now() >= until {
                return Err(ConsentError::UnderWay(entry.shop.id.clone()));
            }
            self.0.clock.sleep(GLANCE).await;
        }
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
            Ok(Err(error)) => return Err(not_renewed(shop, error)),
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

/// Why tokens that were handed in were not renewed.
fn not_renewed(shop: &ShopId, error: ChannelError) -> ConsentError {
    match error.failure {
        Failure::AuthorizationEnded { .. } | Failure::TokenRejected | Failure::Rejected => {
            ConsentError::NotRenewed { shop: shop.clone(), text: error.text }
        }
        _ if error.acted == Acted::Unheard => ConsentError::RenewalUnheard { shop: shop.clone(), text: error.text },
        _ => ConsentError::Channel(error),
    }
}
