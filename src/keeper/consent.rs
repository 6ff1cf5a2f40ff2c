//! The owner's consent: the way to the channel's page and back, and tokens handed in by hand.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use super::{ShopEntry, TokenKeeper, holds, refresh};
use crate::{
    channels::{Callback, ChannelError, Consent, Grant, Identity, Tokens},
    crash,
    domain::{Account, AuthorizationId, ChannelName, EndSource, Ending, JobKind, ShopId, Trigger},
    secrets::{Secret, random_text},
    store::{NewGrant, StoreError, Tx},
};

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

/// Why a consent was not taken. Nothing was changed by it.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// The shop does not stand in the settings.
    #[error("shop `{0}` is not in the settings; see `shopsyncd shops list`")]
    UnknownShop(ShopId),
    /// The channel needs no authorization, or there is no such channel.
    #[error("channel `{0}` needs no authorization")]
    NotNeeded(ChannelName),
    /// No shop of the channel stands in the settings.
    #[error("no shop in the settings is on a channel `{0}`")]
    NoSuchChannel(ChannelName),
    /// The channel started the flow by itself.
    #[error("this authorization was not started here; open the link shown by `shopsyncd shops authorize SHOP` instead")]
    NoState,
    /// Unknown, used before, or older than thirty minutes.
    #[error(
        "this authorization was finished already, or was begun more than 30 minutes ago; start again from the link"
    )]
    StateUsed,
    /// Begun in another browser.
    #[error("this authorization was begun in another browser; open the link again in this one")]
    OtherBrowser,
    /// Begun on the command line, which waits for this address.
    #[error("this authorization was begun on the command line; copy the address of this page and paste it there")]
    CommandLine,
    /// Another account than the one on record.
    #[error(
        "account `{given}` consented, but shop `{shop}` belongs to account `{on_record}`; nothing was changed. Sign in at the marketplace as `{on_record}` and open the link again"
    )]
    OtherAccount {
        /// The shop.
        shop: ShopId,
        /// Who consented.
        given: String,
        /// Whose shop it is.
        on_record: String,
    },
    /// The consent does not cover the shop's place of sale.
    #[error(
        "account `{account}` consented, but shop `{shop}` is not among what it covers ({covers}); nothing was changed. Sign in at the marketplace with the account of this shop, or correct the settings of `{shop}`"
    )]
    NotCovered {
        /// The shop.
        shop: ShopId,
        /// Who consented.
        account: String,
        /// What the consent covers.
        covers: String,
    },
    /// Tokens handed in that are not complete.
    #[error("{0}")]
    Incomplete(String),
    /// The channel did not do as asked.
    #[error("{text}{remedy}", text = .0.text, remedy = if .0.remedy.is_empty() { String::new() } else { format!("; {}", .0.remedy) })]
    Channel(ChannelError),
    /// The channel took too long.
    #[error("the channel did not answer in time; start again from the link")]
    TimedOut,
    /// The database did not do as asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConsentError {
    /// Whether the answer was a refusal by a person, the channel or a rule of ours: trying the same again is pointless.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Channel(error) => !matches!(
                error.failure,
                crate::domain::Failure::Unavailable { .. } | crate::domain::Failure::Throttled { .. }
            ),
            Self::Store(_) | Self::TimedOut => false,
            _ => true,
        }
    }
}

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
                "the tokens are not JSON with `access_token`, `refresh_token`, `account`, `authorized_at` and `ends_at` (line {}, column {})",
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

/// A consent that was not taken is logged where that is decided, whoever asked for it.
fn tell_failed(channel: &ChannelName, error: &ConsentError) {
    tracing::warn!(event = "consent.failed", channel.name = %channel, "a consent was not taken: {error}");
}

/// A consent that has been checked, ready to be recorded.
struct Proven {
    entry: Arc<ShopEntry>,
    grant: Grant,
    /// The shops it covers, with what the channel noted about each.
    covered: Vec<(Arc<ShopEntry>, serde_json::Value)>,
    authorized_at: Timestamp,
    ends: Option<Ending>,
    who: &'static str,
}

impl TokenKeeper {
    /// The channel's consent page for a shop, with a fresh state that works once, for thirty minutes, and only in the
    /// browser that carries `browser` (its cookie; `None`: the command line).
    pub async fn begin_consent(&self, shop: &ShopId, browser: Option<&str>) -> Result<Url, ConsentError> {
        let entry = self.0.shops.get(shop).ok_or_else(|| ConsentError::UnknownShop(shop.clone()))?;
        let consent = consent_of(&entry)?;
        let state = random_text(32);
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        tx.put_state(&hash(&state), shop, &browser.map(hash).unwrap_or_default()).await?;
        tx.commit().await?;
        Ok(consent.link(&state, &self.0.shops.page().callback(&entry.shop.channel)))
    }

    /// Finishes what [`TokenKeeper::begin_consent`] began, with what the channel sent the browser back with. A state is
    /// used up by the browser it is bound to, whatever comes of it.
    pub async fn finish_consent(
        &self,
        channel: &ChannelName,
        query: &[(String, String)],
        browser: Option<&str>,
    ) -> Result<Consented, ConsentError> {
        let finished = self.finish(channel, query, browser).await;
        finished.inspect_err(|error| tell_failed(channel, error))
    }

    async fn finish(
        &self,
        channel: &ChannelName,
        query: &[(String, String)],
        browser: Option<&str>,
    ) -> Result<Consented, ConsentError> {
        let entries = self.0.shops.of_channel(channel);
        let first = entries.first().ok_or_else(|| ConsentError::NoSuchChannel(channel.clone()))?;
        let callback = consent_of(first)?.read_callback(query).map_err(ConsentError::Channel)?;
        let state = callback.state.clone().filter(|state| !state.is_empty()).ok_or(ConsentError::NoState)?;
        let shop = self.use_state(&state, browser).await?;
        let entry = entries
            .into_iter()
            .find(|entry| entry.shop.id == shop)
            .ok_or_else(|| ConsentError::UnknownShop(shop.clone()))?;
        let proven = self.prove(&entry, &callback).await?;
        self.record(proven).await
    }

    /// Takes existing tokens. They are proven by a live call; an end that the channel does not tell must be stated.
    pub async fn hand_in(&self, shop: &ShopId, handed: HandedIn) -> Result<Consented, ConsentError> {
        let entry = self.0.shops.get(shop).ok_or_else(|| ConsentError::UnknownShop(shop.clone()))?;
        let taken = self.take(Arc::clone(&entry), handed).await;
        taken.inspect_err(|error| tell_failed(&entry.shop.channel, error))
    }

    async fn take(&self, entry: Arc<ShopEntry>, handed: HandedIn) -> Result<Consented, ConsentError> {
        let consent = consent_of(&entry)?;
        let now = self.0.clock.now();
        if !consent.tells_end() && handed.ends_at.is_none() && handed.authorized_at.is_none() {
            return Err(ConsentError::Incomplete(format!(
                "channel `{}` does not tell when an authorization ends; state `authorized_at` or `ends_at`",
                entry.shop.channel
            )));
        }
        let ends = end_of_handed_in(&handed, consent.tells_end());
        let renewable = handed.tokens.refresh_token.is_some();
        let grant = Grant {
            account: handed.account,
            account_name: None,
            // Its true end is not known: the first use renews it, which tells.
            access_token_ends_at: if renewable {
                now
            } else {
                ends.map_or(now + SignedDuration::from_hours(24 * 365), |ends| ends.at)
            },
            refresh_token_ends_at: None,
            ends,
            tokens: handed.tokens,
        };
        self.check_account(&entry, &grant).await?;
        let covered = self.cover(&entry, &grant).await?;
        let authorized_at = handed.authorized_at.unwrap_or(now);
        self.record(Proven { entry, grant, covered, authorized_at, ends, who: "operator" }).await
    }

    async fn use_state(&self, state: &str, browser: Option<&str>) -> Result<ShopId, ConsentError> {
        let now = self.0.clock.now();
        let mut tx = self.0.store.write(now).await?;
        let (shop, bound) = tx.use_state(&hash(state), now - STATE_LIFE).await?.ok_or(ConsentError::StateUsed)?;
        // Not committed for the wrong browser: whoever began it can still finish it.
        if bound != browser.map(hash).unwrap_or_default() {
            return Err(if bound.is_empty() { ConsentError::CommandLine } else { ConsentError::OtherBrowser });
        }
        tx.commit().await?;
        Ok(shop)
    }

    /// Trades the code and checks that the right account consented and that the shop is covered.
    async fn prove(&self, entry: &Arc<ShopEntry>, callback: &Callback) -> Result<Proven, ConsentError> {
        let authorized_at = self.0.clock.now();
        let grants = in_time(consent_of(entry)?.exchange(callback)).await?;
        let mut refusal = None;
        // One consent may grant several accounts: the shop's is the one that matches and covers it.
        for grant in grants {
            let checked = match self.check_account(entry, &grant).await {
                Ok(()) => self.cover(entry, &grant).await,
                Err(error) => Err(error),
            };
            match checked {
                Ok(covered) => {
                    let ends = grant.ends;
                    return Ok(Proven { entry: Arc::clone(entry), grant, covered, authorized_at, ends, who: "owner" });
                }
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        Err(refusal.unwrap_or_else(|| {
            ConsentError::Incomplete("the channel granted nothing; start again from the link".into())
        }))
    }

    /// The account on record must be the one that consents.
    async fn check_account(&self, entry: &ShopEntry, grant: &Grant) -> Result<(), ConsentError> {
        let shop = &entry.shop.id;
        let mut tx = self.0.store.read(self.0.clock.now()).await?;
        let tied = tx.shop(shop).await?.ok_or_else(|| ConsentError::UnknownShop(shop.clone()))?.authorization;
        let Some(id) = tied else { return Ok(()) };
        let Some(on_record) = tx.authorization(id).await? else { return Ok(()) };
        if on_record.account.account == grant.account {
            return Ok(());
        }
        Err(ConsentError::OtherAccount {
            shop: shop.clone(),
            given: named(grant.account_name.as_deref(), &grant.account),
            on_record: named(on_record.account_name.as_deref(), &on_record.account.account),
        })
    }

    /// The shops of the channel that the grant covers, this one among them.
    async fn cover(
        &self,
        entry: &Arc<ShopEntry>,
        grant: &Grant,
    ) -> Result<Vec<(Arc<ShopEntry>, serde_json::Value)>, ConsentError> {
        let identity = identify(entry, grant).await?;
        let Some(place) = identity.place else {
            let covers: Vec<String> = identity.places.iter().map(|(id, name)| named(Some(name), id)).collect();
            return Err(ConsentError::NotCovered {
                shop: entry.shop.id.clone(),
                account: named(grant.account_name.as_deref(), &grant.account),
                covers: if covers.is_empty() { "nothing".into() } else { covers.join(", ") },
            });
        };
        let mut covered = vec![(Arc::clone(entry), place)];
        for other in self.0.shops.of_channel(&entry.shop.channel) {
            if other.shop.id == entry.shop.id || consent_of(&other)?.app() != consent_of(entry)?.app() {
                continue;
            }
            // A shop that is tied to another account stays with it.
            if self.check_account(&other, grant).await.is_err() {
                continue;
            }
            if let Some(place) = identify(&other, grant).await?.place {
                covered.push((other, place));
            }
        }
        Ok(covered)
    }

    /// Records the consent with everything that follows from it, in one transaction.
    async fn record(&self, proven: Proven) -> Result<Consented, ConsentError> {
        let Proven { entry, grant, covered, authorized_at, ends, who } = proven;
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
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
            self.tell_renewed(&mut tx, &authorization).await?;
        } else {
            self.tell_end_moved(&mut tx).await?;
        }
        let called = named(grant.account_name.as_deref(), &grant.account);
        let mut shops = Vec::new();
        for entry in self.entries_of(&mut tx, authorization.id).await? {
            self.begin_again(&mut tx, &entry, &authorization, &called, who).await?;
            shops.push(entry.shop.id.clone());
        }
        crash::point("consent.before_commit");
        tx.commit().await?;
        crash::point("consent.after_commit");
        for shop in &shops {
            tracing::info!(event = "authorization.granted", shop.id = %shop, channel.name = %entry.shop.channel,
                "account {called} authorized the shop");
        }
        self.wake();
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

async fn identify(entry: &ShopEntry, grant: &Grant) -> Result<Identity, ConsentError> {
    in_time(consent_of(entry)?.identify(&grant.tokens.access_token)).await
}

async fn in_time<T>(call: impl Future<Output = Result<T, ChannelError>>) -> Result<T, ConsentError> {
    match tokio::time::timeout(refresh::EXCHANGE_LIMIT, call).await {
        Ok(result) => result.map_err(ConsentError::Channel),
        Err(_) => Err(ConsentError::TimedOut),
    }
}

/// The end of tokens handed in: as stated, else a calendar year after the consent, which is what channels give. A channel
/// that tells the end will say so with the first renewal.
fn end_of_handed_in(handed: &HandedIn, told: bool) -> Option<Ending> {
    if let Some(at) = handed.ends_at {
        return Some(Ending { at, source: EndSource::Configured });
    }
    let given = handed.authorized_at.filter(|_| !told)?;
    let at = given.to_zoned(TimeZone::UTC).checked_add(1.year()).ok()?.timestamp();
    Some(Ending { at, source: EndSource::Computed })
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
