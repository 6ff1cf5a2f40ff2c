//! The owner's consent: the way to the channel's page and back, and tokens handed in by hand.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use super::{ShopEntry, TokenKeeper, holds, refresh};
use crate::{
    channels::{Callback, ChannelError, Consent, Grant, OwnersEnd, Place, Start, Tokens},
    crash,
    domain::{Account, AuthorizationId, ChannelName, EndSource, Ending, Failure, JobKind, Shop, ShopId, Trigger},
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
    /// Another shop entry of the same account is the same place of sale.
    #[error(
        "shop `{shop}` is the same place of sale as shop `{other}`, which account `{account}` authorized already; nothing was changed. Keep one of the two shops in the settings, or sign in at the marketplace with the account of `{shop}`"
    )]
    SamePlace {
        /// The shop.
        shop: ShopId,
        /// The other entry.
        other: ShopId,
        /// Who consented.
        account: String,
    },
    /// What a channel began or sent by itself concerns no shop in the settings.
    #[error("{0}")]
    NoShop(String),
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
            Self::Channel(error) => !matches!(error.failure, Failure::Unavailable { .. } | Failure::Throttled { .. }),
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

/// A permission that has been checked, ready to be recorded.
struct Proven {
    /// The shop it was checked for.
    entry: Arc<ShopEntry>,
    grant: Grant,
    /// The shops it covers, with what the channel noted about each.
    covered: Vec<(Arc<ShopEntry>, serde_json::Value)>,
    authorized_at: Timestamp,
    ends: Option<Ending>,
}

/// A grant with the places it covers.
struct Found {
    /// The shop whose channel was asked.
    entry: Arc<ShopEntry>,
    grant: Grant,
    places: Vec<Place>,
    authorized_at: Timestamp,
    ends: Option<Ending>,
}

impl Found {
    /// The place among those covered that is this shop's.
    fn place(&self, entry: &ShopEntry) -> Option<&Place> {
        let id = entry.channel.place_of(&self.grant.account);
        self.places.iter().find(|place| place.id == id)
    }

    fn account(&self) -> String {
        named(self.grant.account_name.as_deref(), &self.grant.account)
    }

    fn covers(&self) -> String {
        let names: Vec<&str> = self.places.iter().map(|place| place.name.as_str()).collect();
        if names.is_empty() { "nothing".into() } else { names.join(", ") }
    }

    fn concerns_nobody(&self) -> ConsentError {
        ConsentError::NoShop(format!(
            "account `{}` consented, but what it covers ({}) is no shop in the settings; add it, and start again",
            self.account(),
            self.covers()
        ))
    }

    /// Ready to be recorded, but for the shops.
    fn proven(self) -> Proven {
        let Self { entry, grant, authorized_at, ends, .. } = self;
        Proven { entry, grant, covered: Vec::new(), authorized_at, ends }
    }
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

/// What comes next in a flow that the channel began by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// The browser goes there.
    Go(Url),
    /// A person says which of these shops is meant.
    Choose(Vec<Shop>),
}

impl TokenKeeper {
    /// The channel's consent page for a shop, with a fresh state that works once, for thirty minutes, and only in the
    /// browser that carries `browser` (its cookie; `None`: the command line).
    pub async fn begin_consent(&self, shop: &ShopId, browser: Option<&str>) -> Result<Url, ConsentError> {
        let entry = self.0.shops.get(shop).ok_or_else(|| ConsentError::UnknownShop(shop.clone()))?;
        let consent = consent_of(&entry)?;
        Ok(consent.link(&self.new_state(shop, browser).await?))
    }

    /// Where the browser goes next after the channel began a flow by itself: to the channel with a fresh state, or (where
    /// several shops may be meant) first to a person who chooses. `chosen`: what that person chose.
    pub async fn begin_started(
        &self,
        channel: &ChannelName,
        query: &[(String, String)],
        browser: &str,
        chosen: Option<&ShopId>,
    ) -> Result<Started, ConsentError> {
        let meant = self.meant_by_start(channel, query).await?;
        let entry = match (&meant[..], chosen) {
            ([], _) => {
                return Err(ConsentError::NoShop(format!(
                    "channel `{channel}` asks for an authorization that no shop in the settings waits for; add the shop to the settings, or forget the one that another account authorized, and start again"
                )));
            }
            (_, Some(chosen)) => meant
                .iter()
                .find(|entry| entry.shop.id == *chosen)
                .ok_or_else(|| ConsentError::UnknownShop(chosen.clone()))?,
            ([one], None) => one,
            (several, None) => return Ok(Started::Choose(several.iter().map(|entry| entry.shop.clone()).collect())),
        };
        let state = self.new_state(&entry.shop.id, Some(browser)).await?;
        let start = consent_of(entry)?.start(query, &state).map_err(ConsentError::Channel)?;
        Ok(Started::Go(start.ok_or_else(|| ConsentError::UnknownShop(entry.shop.id.clone()))?.go))
    }

    /// The shops that a flow begun by the channel may be for: one of the account it names, else those that wait for an owner.
    async fn meant_by_start(
        &self,
        channel: &ChannelName,
        query: &[(String, String)],
    ) -> Result<Vec<Arc<ShopEntry>>, ConsentError> {
        let entries = self.0.shops.of_channel(channel);
        let (mut waiting, mut understood, mut refusal) = (Vec::new(), false, None);
        for entry in entries {
            let start = match consent_of(&entry)?.start(query, "") {
                Ok(start) => start,
                Err(error) => {
                    refusal = refusal.or(Some(error));
                    continue;
                }
            };
            understood = true;
            let Some(Start { account, .. }) = start else { continue };
            let on_record = self.account_of(&entry.shop.id).await?;
            match (account, on_record) {
                (None, _) | (Some(_), None) => waiting.push(entry),
                // One renewal serves all shops of the account.
                (Some(account), Some((known, _))) if account == known => return Ok(vec![entry]),
                (Some(_), Some(_)) => {}
            }
        }
        match refusal {
            Some(error) if !understood => Err(ConsentError::Channel(error)),
            None if !understood => Err(ConsentError::NoSuchChannel(channel.clone())),
            _ => Ok(waiting),
        }
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

    /// Takes existing tokens. They are proven by a live call; an end that the channel does not tell must be stated.
    pub async fn hand_in(&self, shop: &ShopId, handed: HandedIn) -> Result<Consented, ConsentError> {
        let entry = self.0.shops.get(shop).ok_or_else(|| ConsentError::UnknownShop(shop.clone()))?;
        let taken = self.take(Arc::clone(&entry), handed).await;
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
        self.record(vec![proven], "operator").await
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

    /// Which of the grants are for which shops. `asked`: the shop the consent was begun for, which must be among them. One
    /// consent may grant several accounts, and so more shops than were asked for.
    async fn prove(
        &self,
        asked: Option<&Arc<ShopEntry>>,
        reader: &Arc<ShopEntry>,
        grants: Vec<Grant>,
        authorized_at: Timestamp,
    ) -> Result<Vec<Proven>, ConsentError> {
        let (mut proven, mut others, mut refusal) = (Vec::new(), Vec::new(), None);
        for grant in grants {
            match asked.filter(|_| proven.is_empty()) {
                None => others.push(grant),
                Some(entry) => match self.weigh(entry, grant.clone(), authorized_at).await {
                    Ok(one) => proven.push(one),
                    Err(error) => {
                        refusal = refusal.or(Some(error));
                        others.push(grant);
                    }
                },
            }
        }
        if asked.is_some() && proven.is_empty() {
            return Err(refusal.unwrap_or_else(|| {
                ConsentError::Incomplete("the channel granted nothing; start again from the link".into())
            }));
        }
        for grant in others {
            let found = self.places(reader, grant, authorized_at).await?;
            let covered = self.covered(&found, None).await?;
            if !covered.is_empty() {
                proven.push(Proven { covered, ..found.proven() });
            } else if asked.is_none() {
                refusal = refusal.or(Some(found.concerns_nobody()));
            }
        }
        match refusal {
            Some(error) if proven.is_empty() => Err(error),
            _ => Ok(proven),
        }
    }

    /// Checks that the right account consented and that the shop is covered.
    async fn weigh(
        &self,
        entry: &Arc<ShopEntry>,
        grant: Grant,
        authorized_at: Timestamp,
    ) -> Result<Proven, ConsentError> {
        self.check_account(entry, &grant).await?;
        let found = self.places(entry, grant, authorized_at).await?;
        let place = found.place(entry).ok_or_else(|| ConsentError::NotCovered {
            shop: entry.shop.id.clone(),
            account: found.account(),
            covers: found.covers(),
        })?;
        consent_of(entry)?.check_place(place).map_err(ConsentError::Channel)?;
        self.check_place_is_free(entry, &found).await?;
        let covered = self.covered(&found, Some(entry)).await?;
        Ok(Proven { covered, ..found.proven() })
    }

    /// What a grant covers, by the channel's word.
    async fn places(
        &self,
        entry: &Arc<ShopEntry>,
        grant: Grant,
        authorized_at: Timestamp,
    ) -> Result<Found, ConsentError> {
        let consent = consent_of(entry)?;
        let identity = in_time(consent.identify(&grant)).await?;
        let computed = match consent.end() {
            OwnersEnd::After(span) => Some(Ending { at: authorized_at + span, source: EndSource::Computed }),
            OwnersEnd::Told | OwnersEnd::Never => None,
        };
        let ends = grant.ends.or(identity.ends).or(computed);
        Ok(Found { entry: Arc::clone(entry), grant, places: identity.places, authorized_at, ends })
    }

    /// The account on record of a shop, with what people call it.
    async fn account_of(&self, shop: &ShopId) -> Result<Option<(String, Option<String>)>, ConsentError> {
        let mut tx = self.0.store.read(self.0.clock.now()).await?;
        let tied = tx.shop(shop).await?.ok_or_else(|| ConsentError::UnknownShop(shop.clone()))?.authorization;
        let Some(id) = tied else { return Ok(None) };
        Ok(tx.authorization(id).await?.map(|known| (known.account.account, known.account_name)))
    }

    /// The account on record must be the one that consents.
    async fn check_account(&self, entry: &ShopEntry, grant: &Grant) -> Result<(), ConsentError> {
        match self.account_of(&entry.shop.id).await? {
            Some((account, name)) if account != grant.account => Err(ConsentError::OtherAccount {
                shop: entry.shop.id.clone(),
                given: named(grant.account_name.as_deref(), &grant.account),
                on_record: named(name.as_deref(), &account),
            }),
            _ => Ok(()),
        }
    }

    /// No other entry that this account authorized is the same place of sale.
    async fn check_place_is_free(&self, entry: &ShopEntry, found: &Found) -> Result<(), ConsentError> {
        let account = &found.grant.account;
        for other in self.others(entry)? {
            let same = other.channel.place_of(account) == entry.channel.place_of(account);
            if same && self.account_of(&other.shop.id).await?.is_some_and(|(known, _)| known == *account) {
                return Err(ConsentError::SamePlace {
                    shop: entry.shop.id.clone(),
                    other: other.shop.id.clone(),
                    account: found.account(),
                });
            }
        }
        Ok(())
    }

    /// The shops that a grant covers, `asked` first. A shop that is tied to another account stays with it; where several
    /// entries without an account would be the same place, nobody can tell which of them is this account's.
    async fn covered(
        &self,
        found: &Found,
        asked: Option<&Arc<ShopEntry>>,
    ) -> Result<Vec<(Arc<ShopEntry>, serde_json::Value)>, ConsentError> {
        let account = &found.grant.account;
        let mut covered: Vec<_> = asked.map(Arc::clone).into_iter().collect();
        let mut free: BTreeMap<String, Vec<Arc<ShopEntry>>> = BTreeMap::new();
        let candidates = match asked {
            Some(asked) => self.others(asked)?,
            None => self.others(&found.entry)?.into_iter().chain([Arc::clone(&found.entry)]).collect(),
        };
        for entry in candidates {
            let Some(place) = found.place(&entry) else { continue };
            if consent_of(&entry)?.check_place(place).is_err() {
                continue;
            }
            match self.account_of(&entry.shop.id).await? {
                Some((known, _)) if known == *account => covered.push(entry),
                Some(_) => {}
                None => free.entry(place.id.clone()).or_default().push(entry),
            }
        }
        for (place, entries) in free {
            let taken = covered.iter().any(|entry| entry.channel.place_of(account) == place);
            if let ([only], false) = (&entries[..], taken) {
                covered.push(Arc::clone(only));
            }
        }
        let data = |entry: &Arc<ShopEntry>| found.place(entry).map(|place| place.data.clone()).unwrap_or_default();
        Ok(covered.into_iter().map(|entry| (Arc::clone(&entry), data(&entry))).collect())
    }

    /// The other shops of the same app.
    fn others(&self, entry: &ShopEntry) -> Result<Vec<Arc<ShopEntry>>, ConsentError> {
        let app = consent_of(entry)?.app();
        let mut others = self.0.shops.of_channel(&entry.shop.channel);
        others.retain(|other| other.shop.id != entry.shop.id && consent_of(other).is_ok_and(|one| one.app() == app));
        Ok(others)
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
