//! The owner's consent: the way to the channel's page and back, and tokens handed in by hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tracing::Instrument as _;
use url::Url;

use self::covering::{Proven, check_account_in};
use super::{ShopEntry, TokenKeeper, holds, refresh};
use crate::{
    channels::{Callback, ChannelError, Consent, Grant},
    crash,
    domain::{Account, AuthorizationId, ChannelName, Failure, Hold, JobKind, Lease, Shop, ShopId, Trigger},
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

/// How long a consent waits for a renewal of the old tokens that is under way here, which usually takes a moment. A person sits
/// before the browser, and the code is good for a few minutes at some channels.
pub(super) const EXCHANGE_UNDER_WAY: Duration = Duration::from_secs(2);

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
    /// Those of its shops whose jobs do not run all the same, each with what holds them: [`Hold::Paused`] or
    /// [`Hold::RefreshNone`].
    pub held: Vec<(ShopId, Hold)>,
}

impl Consented {
    /// What follows for the jobs that waited for it.
    pub fn what_follows(&self) -> String {
        let held: Vec<String> = self
            .held
            .iter()
            .map(|(shop, hold)| match hold {
                Hold::Paused => format!("shop `{shop}` stays paused until `shopsyncd shops resume {shop}`"),
                _ => format!("the jobs of shop `{shop}` stay held, since its `authorization_refresh` is \"None\""),
            })
            .collect();
        let held = held.join(", and ");
        match self.held.len() {
            0 => "what was held runs now".to_owned(),
            all if all == self.shops.len() => held,
            _ => format!("what was held runs now, but {held}"),
        }
    }
}

/// A consent that was not taken is logged where that is decided, whoever asked for it. `shop`: the one it was begun for,
/// where that is known.
fn tell_failed(channel: &ChannelName, shop: Option<&ShopId>, error: &ConsentError) {
    tracing::warn!(event = "consent.failed", shop.id = shop.map(tracing::field::display), channel.name = %channel,
        "a consent was not taken: {error}");
}

/// In whose hands a consent comes back.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// A browser.
    Browser {
        /// Its cookie, if it carries one.
        cookie: Option<&'a str>,
        /// Whether somebody has signed in there (or need not): then flows that the channel began by itself are taken, too.
        signed_in: bool,
    },
    /// The command line, which waits for the consent of this shop.
    CommandLine(&'a ShopId),
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
        let begun_for = self.begun_for(channel, query).await?;
        let shop = begun_for.as_ref().map(|entry| entry.shop.id.clone());
        let finished = self.finish(channel, query, by, begun_for).await;
        finished.inspect_err(|error| tell_failed(channel, shop.as_ref(), error))
    }

    /// The shop of the state that stands in a callback, which uses nothing up.
    async fn begun_for(
        &self,
        channel: &ChannelName,
        query: &[(String, String)],
    ) -> Result<Option<Arc<ShopEntry>>, ConsentError> {
        let entries = self.0.shops.of_channel(channel);
        let states: BTreeSet<&str> =
            entries.iter().filter_map(|entry| entry.consent()).filter_map(|consent| consent.state_in(query)).collect();
        let now = self.0.clock.now();
        for state in states {
            if let Some(shop) = self.0.store.read(now).await?.shop_of_state(&hash(state), now - STATE_LIFE).await? {
                return Ok(entries.into_iter().find(|entry| entry.shop.id == shop));
            }
        }
        Ok(None)
    }

    /// Shops of a channel may be on different platforms, each with callbacks of its own: that of the shop it was begun for
    /// counts, where that is known.
    async fn finish(
        &self,
        channel: &ChannelName,
        query: &[(String, String)],
        by: By<'_>,
        begun_for: Option<Arc<ShopEntry>>,
    ) -> Result<Consented, ConsentError> {
        let entries = begun_for.map_or_else(|| self.0.shops.of_channel(channel), |entry| vec![entry]);
        let (reader, callback) = read_callback(channel, &entries, query)?;
        let Some(state) = callback.state.clone() else {
            if !consent_of(&reader)?.may_lack_state() {
                return Err(ConsentError::Stateless);
            }
            let By::Browser { signed_in: true, .. } = by else { return Err(ConsentError::NoState) };
            return self.trade(None, reader, callback).await;
        };
        let shop = self.use_state(&state, by).await?;
        let entry = self.0.shops.get(&shop).filter(|entry| entry.shop.channel == *channel);
        let entry = entry.ok_or_else(|| ConsentError::UnknownShop(shop.clone()))?;
        let callback = consent_of(&entry)?.read_callback(query).map_err(ConsentError::Channel)?;
        self.trade(Some(Arc::clone(&entry)), entry, callback).await
    }

    /// Trades the code and keeps what comes of it, whoever goes away meanwhile: a code works only once. Looks at the account
    /// on record wait until then, and so does every refusal, whichever account it is of: none takes the end of the old tokens
    /// for the end of the permission.
    ///
    /// What is granted to accounts on record is durable before the marketplace is asked what it covers, which may take a
    /// while: the tokens that their shops had may have died with the exchange.
    ///
    /// None of that needs the right to spend the old tokens, so nobody who does (here, or at a peer) is waited for for long:
    /// the new pair makes a new generation, and an answer to the renewal of an older one is thrown away.
    async fn trade(
        &self,
        asked: Option<Arc<ShopEntry>>,
        reader: Arc<ShopEntry>,
        callback: Callback,
    ) -> Result<Consented, ConsentError> {
        let keeper = self.clone();
        self.tracked(async move {
            let queue = match &asked {
                Some(entry) => keeper.queue_of(&entry.shop.id).await?,
                None => None,
            };
            let _turn = match &queue {
                Some(queue) => tokio::time::timeout(EXCHANGE_UNDER_WAY, queue.lock()).await.ok(),
                None => None,
            };
            let authorized_at = keeper.0.clock.now();
            let trading = keeper.0.trading.read().await;
            let grants = in_time(consent_of(&reader)?.exchange(&callback)).await?;
            crash::point("consent.reply_unread");
            let kept = keeper.keep_granted(asked.as_ref(), &reader, &grants).await?;
            drop(trading);
            let mut proven = keeper.prove(asked.as_ref(), &reader, grants, authorized_at).await?;
            for one in &mut proven {
                one.kept = kept.iter().find(|(_, account)| **account == one.grant.account).map(|(id, _)| *id);
            }
            keeper.record(proven, "owner").await
        })
        .await
    }

    /// Stores the tokens granted to accounts on record, as those of the permission that they had, and answers which. Also where
    /// another account consented than that of the shop that was asked for: the shop stays as it is, but the tokens that the other
    /// account's own shops had may have died with the exchange. Only where the exchange proves whose the grant is.
    async fn keep_granted(
        &self,
        asked: Option<&Arc<ShopEntry>>,
        reader: &Arc<ShopEntry>,
        grants: &[Grant],
    ) -> Result<BTreeMap<AuthorizationId, String>, ConsentError> {
        let mut unsaved = refresh::Unsaved::default();
        loop {
            match self.keep_granted_once(asked, reader, grants).await {
                Err(error) => self.stores_again(&mut unsaved, &reader.shop, grants, error).await?,
                kept => return kept,
            }
        }
    }

    async fn keep_granted_once(
        &self,
        asked: Option<&Arc<ShopEntry>>,
        reader: &Arc<ShopEntry>,
        grants: &[Grant],
    ) -> Result<BTreeMap<AuthorizationId, String>, ConsentError> {
        let consent = consent_of(reader)?;
        let on_record = match asked {
            Some(entry) => self.account_of(entry).await?,
            None => None,
        };
        let meant = on_record.is_some_and(|(account, _)| grants.iter().any(|grant| grant.account == account));
        if !meant && !consent.proves_account() {
            return Ok(BTreeMap::new());
        }
        let (app, mut kept) = (consent.app(), BTreeMap::new());
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        let issued_at = tx.now;
        // In order of number, so that two who keep the same ones never wait for each other.
        for known in tx.authorizations().await? {
            let account = &known.account;
            let own = account.channel == reader.shop.channel && account.app == app;
            if let Some(grant) = grants.iter().find(|grant| own && grant.account == account.account) {
                let seal = |generation: i64| self.sealed_grant(known.id, generation, grant, issued_at, None);
                if tx.keep_granted(known.id, seal).await? {
                    kept.insert(known.id, grant.account.clone());
                }
            }
        }
        if !kept.is_empty() {
            tx.commit().await?;
        }
        Ok(kept)
    }

    /// Waits until no code is being traded here: whatever was refused meanwhile may have been replaced by then.
    pub(super) async fn codes_traded(&self) {
        drop(self.0.trading.write().await);
    }

    /// Where exchanges for the account on record of a shop wait for each other.
    pub(super) async fn queue_of(&self, shop: &ShopId) -> Result<Option<Arc<Mutex<Option<Lease>>>>, StoreError> {
        let on_record = self.0.store.read(self.0.clock.now()).await?.shop(shop).await?;
        Ok(on_record.and_then(|row| row.authorization).map(|id| self.queue(id)))
    }

    /// Something that must be carried through, whoever waits for it.
    async fn tracked(
        &self,
        work: impl Future<Output = Result<Consented, ConsentError>> + Send + 'static,
    ) -> Result<Consented, ConsentError> {
        match self.0.exchanges.spawn(work.in_current_span()).await {
            Ok(result) => result,
            Err(error) => Err(ConsentError::BrokeOff(error.to_string())),
        }
    }

    async fn use_state(&self, state: &str, by: By<'_>) -> Result<ShopId, ConsentError> {
        let now = self.0.clock.now();
        let mut tx = self.0.store.write(now).await?;
        let (shop, bound) = tx.use_state(&hash(state), now - STATE_LIFE).await?.ok_or(ConsentError::StateUsed)?;
        // Not committed for the wrong browser: whoever began it can still finish it.
        let carried = match by {
            By::Browser { cookie, .. } => cookie.map(hash),
            By::CommandLine(_) => Some(String::new()),
        };
        if carried.as_ref() != Some(&bound) {
            return Err(if bound.is_empty() { ConsentError::CommandLine } else { ConsentError::OtherBrowser });
        }
        if let By::CommandLine(asked) = by
            && *asked != shop
        {
            return Err(ConsentError::OtherShop { asked: asked.clone(), begun_for: shop });
        }
        tx.commit().await?;
        Ok(shop)
    }

    /// Records the permissions of a consent.
    async fn record(&self, proven: Vec<Proven>, who: &'static str) -> Result<Consented, ConsentError> {
        let grants: Vec<_> = proven.iter().map(|one| one.grant.clone()).collect();
        let Some(first) = proven.first() else {
            return Err(nothing_granted());
        };
        let mut unsaved = refresh::Unsaved::default();
        loop {
            match self.record_once(&proven, who).await {
                Err(error) => self.stores_again(&mut unsaved, &first.entry.shop, &grants, error).await?,
                recorded => return recorded,
            }
        }
    }

    /// Waits for a moment before what was granted is tried to be stored again: it is not given up for a database that is away.
    /// Fails with any other error, and where trying on is of no use any more.
    async fn stores_again(
        &self,
        unsaved: &mut refresh::Unsaved,
        shop: &Shop,
        grants: &[Grant],
        error: ConsentError,
    ) -> Result<(), ConsentError> {
        if let ConsentError::Store(cause) = &error
            && cause.is_passing()
        {
            unsaved.tell(shop, cause);
            if self.tries_on(grants).await {
                return Ok(());
            }
            refresh::tell_lost(shop);
        }
        Err(error)
    }

    /// Records them with everything that follows from them, in one transaction.
    async fn record_once(&self, proven: &[Proven], who: &'static str) -> Result<Consented, ConsentError> {
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        // Somebody else's consent may come in at the same moment.
        let covered = proven.iter().flat_map(|one| &one.covered).map(|(entry, _)| &entry.shop.id);
        tx.lock_shops(&covered.collect()).await?;
        let mut consented: Option<Consented> = None;
        for one in proven {
            let recorded = self.record_one(&mut tx, one, who).await?;
            match &mut consented {
                None => consented = Some(recorded),
                Some(all) => {
                    all.shops.extend(recorded.shops);
                    all.held.extend(recorded.held);
                }
            }
        }
        crash::point("consent.before_commit");
        tx.commit().await?;
        crash::point("consent.after_commit");
        let consented = consented.ok_or_else(nothing_granted)?;
        for shop in &consented.shops {
            tracing::info!(event = "authorization.granted", shop.id = %shop, "account {} authorized the shop", consented.account);
        }
        self.wake();
        Ok(consented)
    }

    async fn record_one(&self, tx: &mut Tx, proven: &Proven, who: &str) -> Result<Consented, ConsentError> {
        let Proven { entry, grant, covered, authorized_at, ends, kept } = proven;
        let (authorized_at, ends) = (*authorized_at, *ends);
        let issued_at = tx.now;
        let account = Account {
            channel: entry.shop.channel.clone(),
            app: consent_of(entry)?.app(),
            account: grant.account.clone(),
        };
        let new = NewGrant { account, account_name: grant.account_name.clone(), authorized_at };
        let seal = |id: AuthorizationId, generation: i64| self.sealed_grant(id, generation, grant, issued_at, ends);
        let kept = match kept {
            Some(id) => tx.grant_kept(*id, &new, ends).await?,
            None => None,
        };
        let authorization = match kept {
            Some(authorization) => authorization,
            None => tx.grant(&new, seal).await?,
        };
        for (covered, place) in covered {
            // Looked at before; somebody else's consent may have come in since.
            if let Err(error) = check_account_in(tx, covered, grant).await {
                if covered.shop.id == entry.shop.id {
                    return Err(error);
                }
                continue;
            }
            let entry = covered;
            tx.tie_shop(&entry.shop.id, authorization.id, place).await?;
            tx.set_closed(&entry.shop.id, None, None).await?;
            tx.set_scope_missing(&entry.shop.id, None, None).await?;
        }
        // Tokens that cannot be renewed were handed in, without a word between the channel and our app.
        if grant.tokens.refresh_token.is_some() {
            self.accept_app(tx, entry).await?;
        }
        if authorization.grant_number > 1 {
            self.tell_renewed(tx, &authorization).await?;
        } else {
            self.tell_end_moved(tx).await?;
        }
        let called = named(grant.account_name.as_deref(), &grant.account);
        let (mut shops, mut held) = (Vec::new(), Vec::new());
        for entry in self.entries_of(tx, authorization.id).await? {
            let shop = entry.shop.id.clone();
            self.begin_again(tx, &entry, &authorization, &called, who).await?;
            if tx.shop(&shop).await?.is_some_and(|row| row.paused) {
                held.push((shop.clone(), Hold::Paused));
            } else if entry.refresh_is_none() {
                held.push((shop.clone(), Hold::RefreshNone));
            }
            shops.push(shop);
        }
        Ok(Consented { shop: entry.shop.id.clone(), shops, account: called, ends_at: ends.map(|ends| ends.at), held })
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
    let mut refusals = Refusals::default();
    for entry in entries {
        let consent = consent_of(entry)?;
        match consent.read_callback(query) {
            Ok(callback) => return Ok((Arc::clone(entry), callback)),
            Err(error) if matches!(error.failure, Failure::AuthorizationEnded { .. }) => {
                return Err(ConsentError::Channel(error));
            }
            Err(error) => refusals.add(consent, query, error),
        }
    }
    Err(refusals.told().map_or_else(|| ConsentError::NoSuchChannel(channel.clone()), ConsentError::Channel))
}

/// Why the shops of a channel do not take what a browser brings: the first to which it looks familiar knows best.
#[derive(Default)]
struct Refusals {
    familiar: Option<ChannelError>,
    strange: Option<ChannelError>,
}

impl Refusals {
    fn add(&mut self, consent: &dyn Consent, query: &[(String, String)], error: ChannelError) {
        let of_this_kind = if consent.looks_familiar(query) { &mut self.familiar } else { &mut self.strange };
        of_this_kind.get_or_insert(error);
    }

    fn told(self) -> Option<ChannelError> {
        self.familiar.or(self.strange)
    }
}

async fn in_time<T>(call: impl Future<Output = Result<T, ChannelError>>) -> Result<T, ConsentError> {
    match tokio::time::timeout(refresh::EXCHANGE_LIMIT, call).await {
        Ok(result) => result.map_err(ConsentError::Channel),
        Err(_) => Err(ConsentError::TimedOut),
    }
}

fn nothing_granted() -> ConsentError {
    ConsentError::Incomplete("the channel granted nothing; start again from the link".into())
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
