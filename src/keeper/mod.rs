//! The token keeper: the only place that hands out an access token, and the only one that spends a refresh token.
//!
//! It promises three things. One refresh at a time per authorization, over all instances: whoever wants to renew takes the
//! lease `authorization/ID`, reads again, and only then acts. A new pair of tokens is durable before it is used: it is
//! stored from the generation that was read, and used from the store. And a refresh that was cut off is explained: a note
//! is committed before the token is spent, so that whoever comes next knows that an answer may be missing.
//!
//! What ends or holds a shop is noted here too (see [`TokenKeeper::note_failure`]), because the keeper is who learns it.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{Arc, OnceLock},
};

use tokio::sync::{Mutex, RwLock};
use tokio_util::task::TaskTracker;

use crate::{
    channels::{Access, Acted, ChannelError},
    clock::Clock,
    domain::{Authorization, AuthorizationId, AuthorizationState, Failure, Hold, Holder, JobKind, Lease, ShopId},
    notices::SharedPeople,
    secrets::{Sealer, Secret},
    store::{AppAlarm, SealedTokens, ShopRow, Store, Tx},
    telemetry::metrics::Metrics,
};

mod consent;
mod error;
mod fresh_link;
mod holds;
mod links;
mod look;
mod news;
mod refresh;
mod reseal;
mod shops;
mod tell;

pub use consent::{By, ConsentError, Consented, HandedIn, Started};
pub use error::KeeperError;
pub use fresh_link::FreshLink;
pub use holds::{look_at_alarmed, settle_all_holds, settle_holds};
pub use links::{LINK_LIFE, LinkFault, Links};
pub use look::Looked;
pub use news::{Heard, NewsError, WEBHOOKS_KEPT};
pub use shops::{Page, ShopBook, ShopEntry};

/// How long a daemon that stops still tries to store answers that have arrived: with what its runs were given before, and an exchange's
/// own limit, it stays within the time that systemd gives a service.
const LAST_TRIES: std::time::Duration = std::time::Duration::from_secs(5);

/// Keeps the tokens of all shops. Cheap to clone; clones are one keeper.
#[derive(Clone)]
pub struct TokenKeeper(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    sealer: Sealer,
    shops: ShopBook,
    people: SharedPeople,
    /// Who takes the leases; see [`TokenKeeper::acts_as`].
    holder: Holder,
    incarnation: OnceLock<Box<dyn Fn() -> Holder + Send + Sync>>,
    /// One exchange at a time per authorization inside this instance, so that its own jobs queue here and not at the lease.
    /// What is guarded is the lease as far as it is not known to be given back.
    queues: std::sync::Mutex<BTreeMap<AuthorizationId, Arc<Mutex<Option<Lease>>>>>,
    /// Held while a code is traded, until the tokens of accounts on record are kept: which accounts it grants, nobody knows before.
    trading: RwLock<()>,
    /// Whether what has not been stored by now is given up, because the daemon stops.
    gives_up: tokio::sync::watch::Sender<bool>,
    /// Exchanges under way: they outlive the run that wanted them, because their answer must be kept.
    exchanges: TaskTracker,
    /// The generations of tokens that a call was refused right after a renewal, and that work elsewhere all the same.
    refused_in_part: std::sync::Mutex<BTreeMap<AuthorizationId, i64>>,
    /// The grants of which the log has said that they near their end.
    said_ending: std::sync::Mutex<BTreeSet<(AuthorizationId, i64)>>,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
    metrics: OnceLock<Metrics>,
}

/// A shop with what is stored of it and its authorization, as of one moment.
struct Standing {
    entry: Arc<ShopEntry>,
    row: ShopRow,
    authorization: Option<Authorization>,
    /// The app that its authorization was given to, where the settings name another one now: then it counts as none.
    other_app: Option<String>,
    tokens: Option<SealedTokens>,
    alarm: Option<AppAlarm>,
}

impl TokenKeeper {
    /// Puts it together. `people`: who is told; `holder`: the instance that takes the leases.
    pub fn new(
        store: Store,
        clock: Clock,
        sealer: Sealer,
        shops: ShopBook,
        people: SharedPeople,
        holder: Holder,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            sealer,
            shops,
            people,
            holder,
            incarnation: OnceLock::new(),
            queues: std::sync::Mutex::default(),
            trading: RwLock::default(),
            gives_up: tokio::sync::watch::Sender::new(false),
            exchanges: TaskTracker::new(),
            refused_in_part: std::sync::Mutex::default(),
            said_ending: std::sync::Mutex::default(),
            wake: OnceLock::new(),
            metrics: OnceLock::new(),
        }))
    }

    /// Names who is to be woken when the keeper has asked for runs: the scheduler. Only the first call counts.
    pub fn wakes(&self, wake: impl Fn() + Send + Sync + 'static) {
        let _ = self.0.wake.set(Box::new(wake));
    }

    /// Names who knows the instance that is alive now: peers may have declared this one dead, and it begun anew as
    /// another. Only the first call counts; without it the holder given at first takes the leases.
    pub fn acts_as(&self, incarnation: impl Fn() -> Holder + Send + Sync + 'static) {
        let _ = self.0.incarnation.set(Box::new(incarnation));
    }

    /// Names where exchanges are counted. Only the first call counts.
    pub fn counts_in(&self, metrics: Metrics) {
        let _ = self.0.metrics.set(metrics);
    }

    fn count_exchange(&self, entry: &ShopEntry, result: &Result<(), KeeperError>) {
        if let Some(metrics) = self.0.metrics.get() {
            let outcome = result.as_ref().map_or_else(|error| error.kind().as_str(), |()| "done");
            metrics.count_token_refresh(&entry.shop.channel, outcome);
        }
    }

    fn holder(&self) -> Holder {
        self.0.incarnation.get().map_or_else(|| self.0.holder.clone(), |incarnation| incarnation())
    }

    /// The shops in force.
    pub fn shops(&self) -> &ShopBook {
        &self.0.shops
    }

    /// Waits until the exchanges under way have ended: at most as long as an exchange may take. Answers that a database which is
    /// away has kept from being stored are given up after a while. Nothing new should be asked of the keeper meanwhile.
    pub async fn drained(&self) {
        self.0.exchanges.close();
        if tokio::time::timeout(LAST_TRIES, self.0.exchanges.wait()).await.is_err() {
            self.0.gives_up.send_replace(true);
            self.0.exchanges.wait().await;
            self.0.gives_up.send_replace(false);
        }
        self.0.exchanges.reopen();
    }

    /// What a call to this shop needs: a token that is fresh, renewed first where it is not.
    pub async fn access(&self, shop: &ShopId) -> Result<Access, KeeperError> {
        let standing = self.standing(shop).await?;
        standing.check_usable()?;
        self.fresh(standing).await
    }

    /// What to repeat a call with after the channel did not accept the token in `refused`: the newest one, renewed once if
    /// it is still the one that was refused.
    pub async fn rejected(&self, shop: &ShopId, refused: &Access) -> Result<Access, KeeperError> {
        let standing = self.standing(shop).await?;
        standing.check_usable()?;
        let Some((authorization, tokens)) = standing.granted() else { return self.open(&standing) };
        let newest = self.open(&standing)?;
        let same = match (&newest.token, &refused.token) {
            (Some(newest), Some(refused)) => newest.expose() == refused.expose(),
            _ => true,
        };
        if !same {
            return Ok(newest);
        }
        if tokens.refresh_token.is_none() {
            let mut tx = self.0.store.write(self.0.clock.now()).await?;
            let why = "the channel does not accept the access token any more, and it cannot be renewed";
            if self.end(&mut tx, authorization.id, tokens.generation, why).await? {
                tx.commit().await?;
                self.wake();
            }
            let after = self.standing(shop).await?;
            after.check_usable()?;
            return self.open(&after);
        }
        if self.is_refused_in_part(authorization.id, tokens.generation)
            && standing.entry.channel.probe(&newest).await.is_ok()
        {
            // Another renewal would bring another token that this call is refused.
            return Err(KeeperError::Channel { shop: shop.clone(), error: Box::new(refused_in_part()) });
        }
        self.refresh(&standing.entry, authorization, true).await?;
        self.open(&self.standing(shop).await?)
    }

    /// Makes a call with a fresh token. A token that the channel does not accept is renewed once and the call repeated
    /// once; what holds the shop is noted, and that it has passed where a call of the same `job` had found it. A token that is refused
    /// again ends the permission, if a live call proves it.
    pub async fn call<T, F>(&self, shop: &ShopId, job: JobKind, call: impl Fn(Access) -> F) -> Result<T, KeeperError>
    where
        F: Future<Output = Result<T, ChannelError>>,
    {
        let standing = self.standing(shop).await?;
        standing.check_usable()?;
        let obstructed = standing.row.obstacles_found_by(job);
        let access = self.fresh(standing).await?;
        let answer = self.call_with(shop, Some(job), access, call).await?;
        if obstructed {
            self.note_job_works(shop, job).await?;
        }
        Ok(answer)
    }

    async fn call_with<T, F>(
        &self,
        shop: &ShopId,
        job: Option<JobKind>,
        access: Access,
        call: impl Fn(Access) -> F,
    ) -> Result<T, KeeperError>
    where
        F: Future<Output = Result<T, ChannelError>>,
    {
        let error = match call(access.clone()).await {
            Ok(value) => return Ok(value),
            Err(error) if error.failure == Failure::TokenRejected => {
                let renewed = self.rejected(shop, &access).await?;
                match call(renewed).await {
                    Ok(value) => return Ok(value),
                    Err(error) => {
                        if error.failure == Failure::TokenRejected {
                            self.note_refused_again(shop).await?;
                            self.standing(shop).await?.check_usable()?;
                        }
                        error
                    }
                }
            }
            Err(error) => error,
        };
        self.note_failure(shop, job, &error).await?;
        Err(KeeperError::Channel { shop: shop.clone(), error: Box::new(error) })
    }

    /// Opens the token on record, renewing it first where it is not fresh.
    async fn fresh(&self, standing: Standing) -> Result<Access, KeeperError> {
        let Some((authorization, tokens)) = standing.granted() else { return self.open(&standing) };
        if authorization.is_fresh(self.0.clock.now()) || tokens.refresh_token.is_none() {
            return self.open(&standing);
        }
        self.refresh(&standing.entry, authorization, false).await?;
        self.open(&self.standing(&standing.entry.shop.id).await?)
    }

    /// What is on record of a shop.
    async fn standing(&self, shop: &ShopId) -> Result<Standing, KeeperError> {
        let entry = self.0.shops.get(shop).ok_or_else(|| KeeperError::UnknownShop(shop.clone()))?;
        let mut tx = self.0.store.read(self.0.clock.now()).await?;
        standing_in(&mut tx, entry).await
    }

    /// The token on record, opened.
    fn open(&self, standing: &Standing) -> Result<Access, KeeperError> {
        let place = standing.row.place_data.clone();
        let Some((authorization, tokens)) = standing.granted() else { return Ok(Access { token: None, place }) };
        let row = token_row(authorization.id, "access_token", tokens.generation);
        let token = self.unseal(&standing.entry.shop.id, &tokens.access_token, &row)?;
        Ok(Access { token: Some(token), place })
    }

    fn unseal(&self, shop: &ShopId, sealed: &crate::secrets::Sealed, row: &str) -> Result<Secret, KeeperError> {
        self.0.sealer.open(sealed, row).map_err(|error| KeeperError::Sealed { shop: shop.clone(), error })
    }

    fn wake(&self) {
        if let Some(wake) = self.0.wake.get() {
            wake();
        }
    }
}

impl Standing {
    /// The authorization with its tokens, where there is one.
    fn granted(&self) -> Option<(&Authorization, &SealedTokens)> {
        self.authorization.as_ref().zip(self.tokens.as_ref())
    }

    /// Whether calls may be made for the shop at all.
    fn check_usable(&self) -> Result<(), KeeperError> {
        self.check_authorized()?;
        if self.alarm.is_some() { Err(self.held(Hold::AppAlarm)) } else { Ok(()) }
    }

    /// Whether its owner's permission and its settings allow calls.
    fn check_authorized(&self) -> Result<(), KeeperError> {
        if !self.entry.needs_authorization() {
            return Ok(());
        }
        if self.entry.refresh_is_none() {
            return Err(self.held(Hold::RefreshNone));
        }
        match self.authorization.as_ref().map(|authorization| authorization.state) {
            None | Some(AuthorizationState::Pending) => Err(self.held(Hold::Pending)),
            Some(AuthorizationState::Lapsed) => Err(self.held(Hold::Lapsed)),
            Some(AuthorizationState::Revoked) => Err(self.held(Hold::Revoked)),
            Some(AuthorizationState::Active) => Ok(()),
        }
    }

    fn held(&self, hold: Hold) -> KeeperError {
        let shop = &self.entry.shop.id;
        let authorization = self.authorization.as_ref();
        let why = authorization.and_then(|authorization| authorization.why.clone()).unwrap_or_default();
        let ask_owner = format!("ask its owner to open the link shown by `shopsyncd shops authorize {shop}`");
        let channel = &self.entry.shop.channel;
        let AppAlarm { why: refusal, keys: [id_key, secret_key] } = self.alarm.clone().unwrap_or_default();
        let (text, remedy) = match hold {
            Hold::RefreshNone => (
                "its `authorization_refresh` is \"None\", so no automatic call is made for it".to_owned(),
                format!("set a period at `shops.{shop}.jobs.authorization_refresh`"),
            ),
            Hold::AppAlarm => (
                format!("the channel refuses our app: {refusal}"),
                format!(
                    "check `{id_key}` and `{secret_key}` of channel `{channel}`, then `shopsyncd shops test {shop}`"
                ),
            ),
            Hold::Pending if self.other_app.is_some() => (
                format!(
                    "its authorization was given to the app `{}`, and the settings name another one now",
                    self.other_app.as_deref().unwrap_or_default()
                ),
                format!(
                    "{ask_owner}, or set `{}` of channel `{channel}` back",
                    self.entry.credentials().map_or("client_id", |app| app.keys[0])
                ),
            ),
            Hold::Pending => ("nobody has authorized it yet".to_owned(), ask_owner),
            Hold::Lapsed => (
                match authorization.and_then(|authorization| authorization.ends) {
                    Some(ends) => format!("its authorization ended at {}", ends.at),
                    None => "its authorization ended".to_owned(),
                },
                ask_owner,
            ),
            Hold::ShopClosed => (
                format!("the channel says that it is closed: {}", self.row.closed_why.as_deref().unwrap_or_default()),
                "open it again at the marketplace; it is looked at once a day".to_owned(),
            ),
            Hold::ScopeMissing => (
                format!(
                    "its authorization lacks the right `{}`",
                    self.row.scope_missing.as_deref().unwrap_or_default()
                ),
                ask_owner,
            ),
            _ => (format!("its authorization was revoked: {why}"), ask_owner),
        };
        KeeperError::Held { shop: shop.clone(), hold, text, remedy }
    }
}

/// What is on record of a shop, as this transaction sees it.
async fn standing_in(tx: &mut Tx, entry: Arc<ShopEntry>) -> Result<Standing, KeeperError> {
    let id = &entry.shop.id;
    let row = tx.shop(id).await?.ok_or_else(|| KeeperError::UnknownShop(id.clone()))?;
    let (mut authorization, mut tokens, mut other_app) = (None, None, None);
    if let Some(number) = row.authorization {
        match tx.authorization(number).await? {
            Some(known) if !entry.is_of_app(&known.account.app) => other_app = Some(known.account.app),
            known => {
                authorization = known;
                tokens = tx.sealed_tokens(number).await?;
            }
        }
    }
    let alarm = tx.app_alarm(id).await?;
    Ok(Standing { entry, row, authorization, other_app, tokens, alarm })
}

fn refused_in_part() -> ChannelError {
    ChannelError {
        failure: Failure::TokenRejected,
        text:
            "the channel refuses this call an access token that it accepts elsewhere, and refused the one before, too"
                .into(),
        remedy: "compare what the app may do at the channel with what the call needs".into(),
        request_id: None,
        acted: Acted::No,
    }
}

/// The row that a token is sealed for.
fn token_row(id: AuthorizationId, column: &str, generation: i64) -> String {
    format!("authorization/{id}/{column}/{generation}")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) mod tests;
