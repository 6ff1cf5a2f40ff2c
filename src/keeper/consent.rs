//! The owner's consent: the way to the channel's page and back, and tokens handed in by hand.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use url::Url;

use self::covering::Proven;
use super::{ShopEntry, TokenKeeper, holds, refresh};
use crate::{
    channels::{Callback, ChannelError, Consent},
    crash,
    domain::{Account, AuthorizationId, ChannelName, Failure, JobKind, ShopId, Trigger},
    secrets::random_text,
    store::{NewGrant, StoreError, Tx},
};

mod covering;
mod error;
mod handed_in;
mod started;

pub use error::ConsentError;
pub use handed_in::HandedIn;
pub use started::Started;

/// How long the way to the channel's page and back may take.
const STATE_LIFE: SignedDuration = SignedDuration::from_mins(30);

/// What an owner's consent came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consented {
    /// The shop it was asked for.
    pub shop: ShopId,
    /// Every shop that works with it.
    pub shops: Vec<ShopId>,
    /// The account, as people call it.
    pub account: String,
    /// When only the owner can renew it again.
    pub ends_at: Option<Timestamp>,
}

/// A consent that was not taken is logged where that is decided, whoever asked for it.
fn tell_failed(channel: &ChannelName, error: &ConsentError) {
    tracing::warn!(event = "consent.failed", channel.name = %channel, "a consent was not taken: {error}");
}

/// In whose hands a consent comes back.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// A browser.
    Browser {
        /// Its cookie.
        cookie: &'a str,
        /// Whether somebody has signed in there (or need not): then flows that the channel began by itself are taken, too.
        signed_in: bool,
    },
    /// The command line.
    CommandLine,
}

impl TokenKeeper {
    /// The channel's consent page for a shop, with a fresh state that works once, for thirty minutes, and only in the
    /// browser that carries `browser` (its cookie; `None`: the command line).
    pub async fn begin_consent(&self, shop: &ShopId, browser: Option<&str>) -> Result<Url, ConsentError> {
        let entry = self.0.shops.get(shop).ok_or_else(|| ConsentError::UnknownShop(shop.clone()))?;
        let consent = consent_of(&entry)?;
        Ok(consent.link(&self.new_state(shop, browser).await?))
    }

    async fn new_state(&self, shop: &ShopId, browser: Option<&str>) -> Result<String, ConsentError> {
        let state = random_text(32);
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        tx.put_state(&hash(&state), shop, &browser.map(hash).unwrap_or_default()).await?;
        tx.commit().await?;
        Ok(state)
    }

    /// Finishes what [`TokenKeeper::begin_consent`] began, with what the channel sent the browser back with. A state is
    /// used up by the browser it is bound to, whatever comes of it. Without a state the channel began the flow by itself:
    /// then whoever signed in may finish it, for the shops that it turns out to cover.
    pub async fn finish_consent(
        &self,
        channel: &ChannelName,
        query: &[(String, String)],
        by: By<'_>,
    ) -> Result<Consented, ConsentError> {
        let finished = self.finish(channel, query, by).await;
        finished.inspect_err(|error| tell_failed(channel, error))
    }

    async fn finish(
        &self,
        channel: &ChannelName,
        query: &[(String, String)],
        by: By<'_>,
    ) -> Result<Consented, ConsentError> {
        let entries = self.0.shops.of_channel(channel);
        let (reader, callback) = read_callback(channel, &entries, query)?;
        let authorized_at = self.0.clock.now();
        let Some(state) = callback.state.clone().filter(|state| !state.is_empty()) else {
            let By::Browser { signed_in: true, .. } = by else { return Err(ConsentError::NoState) };
            let grants = in_time(consent_of(&reader)?.exchange(&callback)).await?;
            return self.record(self.prove(None, &reader, grants, authorized_at).await?, "owner").await;
        };
        let shop = self.use_state(&state, by).await?;
        let entry = entries
            .into_iter()
            .find(|entry| entry.shop.id == shop)
            .ok_or_else(|| ConsentError::UnknownShop(shop.clone()))?;
        let consent = consent_of(&entry)?;
        // Shops of a channel may be on different platforms, each with callbacks of its own: the shop's own reading counts.
        let callback = consent.read_callback(query).map_err(ConsentError::Channel)?;
        let grants = in_time(consent.exchange(&callback)).await?;
        self.record(self.prove(Some(&entry), &entry, grants, authorized_at).await?, "owner").await
    }

    async fn use_state(&self, state: &str, by: By<'_>) -> Result<ShopId, ConsentError> {
        let now = self.0.clock.now();
        let mut tx = self.0.store.write(now).await?;
        let (shop, bound) = tx.use_state(&hash(state), now - STATE_LIFE).await?.ok_or(ConsentError::StateUsed)?;
        // Not committed for the wrong browser: whoever began it can still finish it.
        let carried = match by {
            By::Browser { cookie, .. } => hash(cookie),
            By::CommandLine => String::new(),
        };
        if bound != carried {
            return Err(if bound.is_empty() { ConsentError::CommandLine } else { ConsentError::OtherBrowser });
        }
        tx.commit().await?;
        Ok(shop)
    }

    /// Records the permissions of a consent with everything that follows from them, in one transaction.
    async fn record(&self, proven: Vec<Proven>, who: &'static str) -> Result<Consented, ConsentError> {
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        let mut consented: Option<Consented> = None;
        for one in proven {
            let recorded = self.record_one(&mut tx, one, who).await?;
            match &mut consented {
                None => consented = Some(recorded),
                Some(all) => all.shops.extend(recorded.shops),
            }
        }
        crash::point("consent.before_commit");
        tx.commit().await?;
        crash::point("consent.after_commit");
        let consented = consented
            .ok_or_else(|| ConsentError::Incomplete("the channel granted nothing; start again from the link".into()))?;
        for shop in &consented.shops {
            tracing::info!(event = "authorization.granted", shop.id = %shop, "account {} authorized the shop", consented.account);
        }
        self.wake();
        Ok(consented)
    }

    async fn record_one(&self, tx: &mut Tx, proven: Proven, who: &str) -> Result<Consented, ConsentError> {
        let Proven { entry, grant, covered, authorized_at, ends } = proven;
        let issued_at = tx.now;
        let account = Account {
            channel: entry.shop.channel.clone(),
            app: consent_of(&entry)?.app(),
            account: grant.account.clone(),
        };
        let new = NewGrant { account, account_name: grant.account_name.clone(), authorized_at };
        let seal = |id: AuthorizationId, generation: i64| self.sealed_grant(id, generation, &grant, issued_at, ends);
        let authorization = tx.grant(&new, seal).await?;
        for (entry, place) in &covered {
            tx.tie_shop(&entry.shop.id, authorization.id, place).await?;
            tx.set_closed(&entry.shop.id, None).await?;
            tx.set_scope_missing(&entry.shop.id, None).await?;
        }
        if authorization.grant_number > 1 {
            self.tell_renewed(tx, &authorization).await?;
        } else {
            self.tell_end_moved(tx).await?;
        }
        let called = named(grant.account_name.as_deref(), &grant.account);
        let mut shops = Vec::new();
        for entry in self.entries_of(tx, authorization.id).await? {
            self.begin_again(tx, &entry, &authorization, &called, who).await?;
            shops.push(entry.shop.id.clone());
        }
        Ok(Consented { shop: entry.shop.id.clone(), shops, account: called, ends_at: ends.map(|ends| ends.at) })
    }

    /// A shop whose permission was given works again: its holds end and its jobs run at once.
    async fn begin_again(
        &self,
        tx: &mut Tx,
        entry: &ShopEntry,
        authorization: &crate::domain::Authorization,
        account: &str,
        who: &str,
    ) -> Result<(), StoreError> {
        let until = authorization.ends.map(|ends| format!(" until {}", ends.at)).unwrap_or_default();
        tx.note(who, "authorization.granted", Some(&entry.shop.id), &format!("account {account} authorized it{until}"))
            .await?;
        // Under a refresh period of `None` the consent makes the exchange only: everything else stays held.
        let jobs: &[JobKind] = if entry.refresh_is_none() { &[] } else { &JobKind::OF_SHOPS };
        holds::settle_and_run(tx, entry, jobs, Trigger::Renewal).await?;
        refresh::plan_look(tx, entry, authorization).await
    }
}

fn consent_of(entry: &ShopEntry) -> Result<&dyn Consent, ConsentError> {
    entry.consent().ok_or_else(|| ConsentError::NotNeeded(entry.shop.channel.clone()))
}

/// Reads a callback by the first shop whose channel understands it. A refusal by the owner is told before a fault.
fn read_callback(
    channel: &ChannelName,
    entries: &[Arc<ShopEntry>],
    query: &[(String, String)],
) -> Result<(Arc<ShopEntry>, Callback), ConsentError> {
    let mut refusal = None;
    for entry in entries {
        match consent_of(entry)?.read_callback(query) {
            Ok(callback) => return Ok((Arc::clone(entry), callback)),
            Err(error) if matches!(error.failure, Failure::AuthorizationEnded { .. }) => {
                return Err(ConsentError::Channel(error));
            }
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.map_or_else(|| ConsentError::NoSuchChannel(channel.clone()), ConsentError::Channel))
}

async fn in_time<T>(call: impl Future<Output = Result<T, ChannelError>>) -> Result<T, ConsentError> {
    match tokio::time::timeout(refresh::EXCHANGE_LIMIT, call).await {
        Ok(result) => result.map_err(ConsentError::Channel),
        Err(_) => Err(ConsentError::TimedOut),
    }
}

/// What people call it, with the id they can look up.
fn named(name: Option<&str>, id: &str) -> String {
    match name {
        Some(name) if !name.is_empty() && name != id => format!("{name} ({id})"),
        _ => id.to_owned(),
    }
}

/// States and cookies are kept by their hash: whoever reads the database cannot finish anything with it.
fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
