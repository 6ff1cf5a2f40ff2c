//! One exchange of a refresh token, under the authorization's lease.
//!
//! The order of the steps is the promise: take the lease, read again, note the intent, call, store, give the lease back.
//! An exchange runs as a task of its own: a run that is cancelled or timed out does not cut off the answer.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use tracing::Instrument;

use super::{KeeperError, ShopEntry, TokenKeeper, holds, token_row};
use crate::{
    channels::{Acted, ChannelError, Consent, Grant, Tokens},
    clock::boot_time,
    crash,
    domain::{Authorization, AuthorizationId, AuthorizationState, Doubt, Failure, Hold, Intent, JobKind, Lease, Shop},
    store::{SealedGrant, SealedTokens, StoreError, Tx},
};

/// How long an exchange may take.
pub(super) const EXCHANGE_LIMIT: Duration = Duration::from_secs(10);
/// How long the repetition after a missing answer waits where the channel answers, and refuses the access token.
const SOON: SignedDuration = SignedDuration::from_secs(5);
/// How long the lease outlives an instance that dies: twice the exchange's own limit.
pub(super) const COVER_MS: i64 = 20_000;
/// How long after its intent was noted an exchange may still begin. Whoever was stopped in between (with its machine, or by a debugger)
/// for longer than the lease's cover may no longer be alone, and the tokens renewed by others.
const AT_ONCE: Duration = Duration::from_secs(5);
/// How long another instance's exchange is waited for.
pub(super) const PATIENCE: SignedDuration = SignedDuration::from_secs(12);
/// How often its row is looked at meanwhile.
pub(super) const GLANCE: SignedDuration = SignedDuration::from_millis(250);

/// What was found when it was our turn.
enum Turn {
    /// Newer tokens than those the caller saw, or none that could be renewed.
    Newer,
    /// Another instance is at it.
    Taken,
    /// The token is ours to spend; the intent is noted.
    Ours(Box<Spend>),
    /// The tokens were spent without an answer as often as the channel allows.
    Exhausted,
    /// The channel did not answer the last time: whether it does now is to be seen before they are spent again.
    Unheard,
    /// Or it is too early for that.
    TooEarly(ChannelError),
    /// The permission was found to have ended meanwhile: what was refused a moment ago is not tried once more.
    Over,
}

/// What whoever wants other tokens has seen.
#[derive(Clone, Copy)]
struct Seen {
    generation: i64,
    state: AuthorizationState,
    /// That the channel refused the access token.
    refused: bool,
}

/// A refresh token about to be spent.
struct Spend {
    lease: Lease,
    before: Authorization,
    tokens: Tokens,
    generation: i64,
    /// How often these tokens were spent before without an answer.
    unanswered: u32,
    /// The note of the exchange of these tokens before this one.
    earlier: Option<Intent>,
    /// Whether the channel has just refused the access token.
    refused: bool,
    begun_at: Timestamp,
    /// The same by the boot-time clock, which counts while the machine sleeps and never steps.
    noted: Duration,
}

impl TokenKeeper {
    /// Renews an authorization's tokens, if it still stands as it was `seen`; `refused`: because the channel has just
    /// refused the access token. When it returns well, the store has newer ones.
    pub(super) async fn refresh(
        &self,
        entry: &Arc<ShopEntry>,
        seen: &Authorization,
        refused: bool,
    ) -> Result<(), KeeperError> {
        let (keeper, entry, id) = (self.clone(), Arc::clone(entry), seen.id);
        let seen = Seen { generation: seen.generation, state: seen.state, refused };
        let exchange = async move { keeper.refresh_in_turn(&entry, id, seen).await }.in_current_span();
        match self.0.exchanges.spawn(exchange).await {
            Ok(result) => result,
            Err(error) => Err(KeeperError::Bug(format!("the exchange of authorization {id} broke off: {error}"))),
        }
    }

    async fn refresh_in_turn(
        &self,
        entry: &Arc<ShopEntry>,
        id: AuthorizationId,
        seen: Seen,
    ) -> Result<(), KeeperError> {
        let queue = self.queue(id);
        let mut held = queue.lock().await;
        let until = self.0.clock.now() + PATIENCE;
        let mut heard = seen.refused;
        loop {
            match self.take_turn(entry, id, seen, heard, &mut held).await? {
                Turn::Newer => return Ok(()),
                Turn::Unheard => {
                    self.hear_of(entry).await?;
                    heard = true;
                }
                Turn::TooEarly(error) => {
                    return Err(KeeperError::Channel { shop: entry.shop.id.clone(), error: Box::new(error) });
                }
                Turn::Ours(spend) => {
                    let result = self.spend(entry, *spend).await;
                    self.count_exchange(entry, &result);
                    self.make_sure_given_back(&mut held, result.is_ok()).await;
                    return result;
                }
                Turn::Over => return self.standing(&entry.shop.id).await?.check_usable(),
                Turn::Exhausted => {
                    self.wake();
                    return Err(self.standing(&entry.shop.id).await?.held(Hold::Revoked));
                }
                Turn::Taken if self.0.clock.now() >= until => return Err(KeeperError::Busy(entry.shop.id.clone())),
                // A peer's exchange is no reason to keep a consent waiting here.
                Turn::Taken => {
                    drop(held);
                    self.0.clock.sleep(GLANCE).await;
                    held = queue.lock().await;
                }
            }
        }
    }

    /// Whether the channel answers at all just now, by a cheap call; what it answers does not matter.
    async fn hear_of(&self, entry: &Arc<ShopEntry>) -> Result<(), KeeperError> {
        let access = self.open(&self.standing(&entry.shop.id).await?)?;
        let silent = |error| KeeperError::Channel { shop: entry.shop.id.clone(), error: Box::new(error) };
        match tokio::time::timeout(EXCHANGE_LIMIT, entry.channel.probe(&access)).await {
            Ok(Err(error)) if matches!(error.failure, Failure::Unavailable { .. } | Failure::Throttled { .. }) => {
                Err(silent(error))
            }
            Ok(_) => Ok(()),
            Err(_) => Err(silent(timed_out("a call to the marketplace", entry.shop.id.as_str()))),
        }
    }

    /// A lease that was not given back would keep everybody out for as long as this instance lives. Where the database is
    /// away just now, the next turn gives it back first.
    pub(super) async fn make_sure_given_back(&self, held: &mut Option<Lease>, given_back: bool) {
        let Some(lease) = held.as_ref().filter(|_| !given_back) else {
            *held = None;
            return;
        };
        if let Ok(mut tx) = self.0.store.write(self.0.clock.now()).await
            && tx.give_back(lease).await.is_ok()
            && tx.commit().await.is_ok()
        {
            *held = None;
        }
    }

    pub(super) fn queue(&self, id: AuthorizationId) -> Arc<Mutex<Option<Lease>>> {
        let mut queues = self.0.queues.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(queues.entry(id).or_default())
    }

    /// Takes the lease, reads again, and notes the intent, in one transaction: its commit also proves that the store can
    /// be written, before anything is spent.
    async fn take_turn(
        &self,
        entry: &ShopEntry,
        id: AuthorizationId,
        seen: Seen,
        heard: bool,
        held: &mut Option<Lease>,
    ) -> Result<Turn, KeeperError> {
        crash::point("refresh.before_intent");
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        let (Some(before), Some(sealed)) = (tx.authorization(id).await?, tx.sealed_tokens(id).await?) else {
            return Ok(Turn::Newer);
        };
        if sealed.generation > seen.generation {
            return Ok(Turn::Newer);
        }
        if before.state != seen.state && before.state != AuthorizationState::Active {
            return Ok(Turn::Over);
        }
        let Some(tokens) = self.open_pair(entry, id, &sealed)? else { return Ok(Turn::Newer) };
        let earlier = before.intent.filter(|intent| intent.generation == sealed.generation);
        if let Some(at) = before.repeats_at(repeats(entry)) {
            let soon = earlier.filter(|_| seen.refused).map(|intent| intent.begun_at + SOON);
            if at.min(soon.unwrap_or(at)) > tx.now {
                return Ok(Turn::TooEarly(waits(&before, at.min(soon.unwrap_or(at)))));
            }
            if !heard {
                return Ok(Turn::Unheard);
            }
        }
        if let Some(left) = held.take() {
            tx.give_back(&left).await?;
        }
        let Some(lease) = tx.take_lease(&id.lease_name(), &self.holder(), COVER_MS).await? else {
            return Ok(Turn::Taken);
        };
        *held = Some(lease.clone());
        let unanswered = earlier.map_or(0, |intent| intent.unanswered + 1);
        // Where the owner has been asked already, one more try can only help.
        if unanswered > repeats(entry) && before.state != AuthorizationState::Revoked {
            let why = unanswered_words(unanswered, earlier);
            self.enter(&mut tx, id, sealed.generation, AuthorizationState::Revoked, &why).await?;
            tx.give_back(&lease).await?;
            tx.commit().await?;
            return Ok(Turn::Exhausted);
        }
        if !tx.note_intent(id, sealed.generation, &lease).await? {
            return Ok(Turn::Taken);
        }
        // Taken before the commit, which may take a while.
        let (begun_at, noted) = (tx.now, boot_time());
        tx.commit().await?;
        Ok(Turn::Ours(Box::new(Spend {
            lease,
            before,
            tokens,
            generation: sealed.generation,
            unanswered,
            earlier,
            refused: seen.refused,
            begun_at,
            noted,
        })))
    }

    /// Both tokens, opened; `None` where there is nothing to renew with.
    pub(super) fn open_pair(
        &self,
        entry: &ShopEntry,
        id: AuthorizationId,
        sealed: &SealedTokens,
    ) -> Result<Option<Tokens>, KeeperError> {
        let Some(refresh_token) = &sealed.refresh_token else { return Ok(None) };
        let shop = &entry.shop.id;
        let generation = sealed.generation;
        Ok(Some(Tokens {
            access_token: self.unseal(shop, &sealed.access_token, &token_row(id, "access_token", generation))?,
            refresh_token: Some(self.unseal(shop, refresh_token, &token_row(id, "refresh_token", generation))?),
        }))
    }

    /// Spends the refresh token and keeps whatever came of it.
    async fn spend(&self, entry: &ShopEntry, spend: Spend) -> Result<(), KeeperError> {
        let shop = &entry.shop.id;
        let Some(consent) = entry.consent() else {
            return Err(KeeperError::Bug(format!("channel `{}` has tokens but no consent", entry.shop.channel)));
        };
        crash::point("refresh.before_call");
        if boot_time().saturating_sub(spend.noted) > AT_ONCE {
            return self.leave_unspent(entry, &spend).await;
        }
        let reply =
            tokio::time::timeout(EXCHANGE_LIMIT, consent.refresh(&spend.tokens, &spend.before.account.account)).await;
        crash::point("refresh.reply_unread");
        match reply {
            Ok(Ok(grant)) => self.keep(entry, &spend, &grant).await,
            Ok(Err(error)) => match doubt_after(&error) {
                Some(doubt) => self.keep_doubt(entry, &spend, error, doubt).await,
                None => self.keep_refusal(entry, &spend, error).await,
            },
            Err(_) => {
                let error = timed_out("the renewal of the tokens", shop.as_str());
                self.keep_doubt(entry, &spend, error, Doubt::Silent).await
            }
        }
    }

    /// Nothing was sent, and by now somebody else may act: what was noted is taken back as far as the lease still stands.
    async fn leave_unspent(&self, entry: &ShopEntry, spend: &Spend) -> Result<(), KeeperError> {
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        tx.take_back_intent(spend.before.id, &spend.lease, spend.earlier).await?;
        tx.give_back(&spend.lease).await?;
        tx.commit().await?;
        Err(KeeperError::Busy(entry.shop.id.clone()))
    }

    /// Stores new tokens. An answer that has arrived is not given up for a database that is away, nor for a lease that was lost
    /// meanwhile: it is tried as long as the process lives and the tokens are of use.
    async fn keep(&self, entry: &ShopEntry, spend: &Spend, grant: &Grant) -> Result<(), KeeperError> {
        let mut lease = spend.lease.clone();
        let mut unsaved = Unsaved::default();
        loop {
            let error = match self.keep_once(entry, spend, grant, &mut lease).await {
                Ok(true) => break,
                Ok(false) => KeeperError::Busy(entry.shop.id.clone()),
                Err(KeeperError::Store(error)) if error.is_passing() => {
                    unsaved.tell(&entry.shop, &error);
                    KeeperError::Store(error)
                }
                Err(error) => return Err(error),
            };
            if !self.tries_on(std::slice::from_ref(grant)).await {
                tell_lost(&entry.shop);
                return Err(error);
            }
        }
        self.wake();
        Ok(())
    }

    /// Waits for a moment before what has been granted is tried to be stored again. `false`: it is of no use any more, or the
    /// daemon stops.
    pub(super) async fn tries_on(&self, grants: &[Grant]) -> bool {
        let now = self.0.clock.now();
        let of_use = |grant: &Grant| match (&grant.tokens.refresh_token, grant.refresh_token_ends_at) {
            (Some(_), None) => true,
            (Some(_), Some(ends_at)) => ends_at > now,
            (None, _) => grant.access_token_ends_at > now,
        };
        let mut gives_up = self.0.gives_up.subscribe();
        grants.iter().any(of_use)
            && tokio::select! {
                biased;
                _ = gives_up.wait_for(|given_up| *given_up) => false,
                () = self.0.clock.sleep(GLANCE) => true,
            }
    }

    /// `false`: somebody else holds the lease just now.
    async fn keep_once(
        &self,
        entry: &ShopEntry,
        spend: &Spend,
        grant: &Grant,
        lease: &mut Lease,
    ) -> Result<bool, KeeperError> {
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        let id = spend.before.id;
        let sealed = self.seal(id, spend, grant);
        let old_end = spend.before.ends.map(|ends| ends.at);
        let renewed = old_end.is_some() && Authorization::is_renewal(old_end, sealed.ends.map(|ends| ends.at));
        if !tx.replace_tokens(id, spend.generation, lease, &sealed, renewed).await? {
            // A consent (or, after a takeover, somebody's repetition) stored newer ones: those count.
            let moved = tx.sealed_tokens(id).await?.is_none_or(|tokens| tokens.generation != spend.generation);
            if moved {
                tx.give_back(lease).await?;
                tx.commit().await?;
                return Ok(true);
            }
            let Some(again) = tx.take_lease(&lease.name, &self.holder(), COVER_MS).await? else { return Ok(false) };
            *lease = again;
            if !tx.replace_tokens(id, spend.generation, lease, &sealed, renewed).await? {
                return Ok(false);
            }
        }
        self.follow_up(&mut tx, entry, &spend.before, renewed).await?;
        tx.give_back(lease).await?;
        crash::point("refresh.before_commit");
        tx.commit().await?;
        crash::point("refresh.after_commit");
        tracing::info!(event = "token.refreshed", shop.id = %entry.shop.id, channel.name = %entry.shop.channel,
            ends_at = %sealed.access_token_ends_at, "renewed the tokens");
        Ok(true)
    }

    fn seal(&self, id: AuthorizationId, spend: &Spend, grant: &Grant) -> SealedGrant {
        // A channel that does not tell the end with every renewal has not changed it.
        let ends = grant.ends.or(spend.before.ends);
        self.sealed_grant(id, spend.generation + 1, grant, spend.begun_at, ends)
    }

    /// What follows from new tokens, in the transaction that stores them: the next look, the holds, the words to people.
    async fn follow_up(
        &self,
        tx: &mut Tx,
        entry: &ShopEntry,
        before: &Authorization,
        renewed: bool,
    ) -> Result<(), KeeperError> {
        let Some(mut after) = tx.authorization(before.id).await? else { return Ok(()) };
        let refused = before.state == AuthorizationState::Revoked;
        if refused {
            // That tokens are renewed proves no permission: the live call that follows does.
            let why = before.why.as_deref();
            tx.set_authorization_state(after.id, after.generation, AuthorizationState::Revoked, why).await?;
            after.state = AuthorizationState::Revoked;
        }
        tx.note("daemon", "token.refreshed", Some(&entry.shop.id), "renewed the tokens").await?;
        let entries = self.entries_of(tx, before.id).await?;
        if renewed {
            self.tell_renewed(tx, &after).await?;
            tx.note(
                "owner",
                "authorization.granted",
                Some(&entry.shop.id),
                "the channel tells a later end of the authorization",
            )
            .await?;
        }
        if let Some(ends) = after.ends.filter(|ends| ends.at <= tx.now) {
            // The channel still renews, but by the date on record only the owner may: it stays (or becomes) lapsed.
            let why = format!("its end date, {}, has passed", ends.at);
            if before.state == AuthorizationState::Lapsed {
                tx.set_authorization_state(after.id, after.generation, AuthorizationState::Lapsed, Some(&why)).await?;
            } else {
                self.enter(tx, after.id, after.generation, AuthorizationState::Lapsed, &why).await?;
            }
            return Ok(());
        }
        if refused {
            return Ok(());
        }
        if before.state != AuthorizationState::Active && !renewed {
            self.tell_works_again(tx, &after).await?;
        }
        for entry in &entries {
            holds::recover(tx, entry).await?;
            plan_look(tx, entry, &after).await?;
        }
        Ok(())
    }

    /// The channel answered, and granted nothing: the tokens are not spent, or no longer matter.
    async fn keep_refusal(&self, entry: &ShopEntry, spend: &Spend, error: ChannelError) -> Result<(), KeeperError> {
        let shop = &entry.shop.id;
        let ended = matches!(error.failure, Failure::AuthorizationEnded { .. });
        if ended {
            self.codes_traded().await;
        }
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        // What this exchange was told says nothing about an earlier one whose answer never came; only an end settles that too.
        tx.take_back_intent(spend.before.id, &spend.lease, spend.earlier.filter(|_| !ended)).await?;
        tx.give_back(&spend.lease).await?;
        match &error.failure {
            // What is refused day by day stays refused for its first reason.
            Failure::AuthorizationEnded { .. }
                if spend.before.state == AuthorizationState::Revoked && spend.earlier.is_none() => {}
            Failure::AuthorizationEnded { why } => {
                let why = spend.earlier.map_or_else(|| why.clone(), |earlier| repetition_refused(earlier, why));
                if !self.end(&mut tx, spend.before.id, spend.generation, &why).await? {
                    // Newer tokens came in meanwhile, by a consent: the refusal was of old ones.
                    tx.commit().await?;
                    return Ok(());
                }
            }
            Failure::AppCredentialRejected { why } => self.raise_alarm(&mut tx, entry, why).await?,
            _ => {}
        }
        tx.commit().await?;
        if matches!(error.failure, Failure::ScopeMissing { .. } | Failure::ShopClosed { .. }) {
            self.note_failure(shop, None, &error).await?;
        }
        Err(KeeperError::Channel { shop: shop.clone(), error: Box::new(error) })
    }

    /// No answer arrived, or one that tells nothing (a page of an outage may follow a renewal that was made): whether the tokens
    /// are spent, nobody can tell. The note stays, so that whoever comes next knows and gives the channel time. That is not the
    /// channel's word: only where the access token has ended, too, and the channel's documented way out has been tried, the
    /// owner is asked.
    async fn keep_doubt(
        &self,
        entry: &ShopEntry,
        spend: &Spend,
        mut error: ChannelError,
        doubt: Doubt,
    ) -> Result<(), KeeperError> {
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        let id = spend.before.id;
        let doubted =
            Intent { begun_at: spend.begun_at, generation: spend.generation, unanswered: spend.unanswered, doubt };
        tx.take_back_intent(id, &spend.lease, Some(doubted)).await?;
        tx.give_back(&spend.lease).await?;
        let works = spend.before.access_token.ends_at > spend.begun_at && !spend.refused;
        let exhausted = spend.unanswered >= repeats(entry) && !works;
        if exhausted {
            let why = unanswered_words(spend.unanswered + 1, Some(doubted));
            self.enter(&mut tx, id, spend.generation, AuthorizationState::Revoked, &why).await?;
        }
        tx.commit().await?;
        if exhausted {
            self.wake();
            return Err(self.standing(&entry.shop.id).await?.held(Hold::Revoked));
        }
        if error.failure == (Failure::Unavailable { retry_at: None }) {
            let after = Authorization { intent: Some(doubted), ..spend.before.clone() };
            error.failure = Failure::Unavailable { retry_at: after.repeats_at(repeats(entry)) };
        }
        Err(KeeperError::Channel { shop: entry.shop.id.clone(), error: Box::new(error) })
    }

    /// Seals what a channel granted, for the generation that will hold it.
    pub(super) fn sealed_grant(
        &self,
        id: AuthorizationId,
        generation: i64,
        grant: &Grant,
        issued_at: Timestamp,
        ends: Option<crate::domain::Ending>,
    ) -> SealedGrant {
        let sealer = &self.0.sealer;
        SealedGrant {
            access_token: sealer.seal(&grant.tokens.access_token, &token_row(id, "access_token", generation)),
            access_token_issued_at: issued_at,
            access_token_ends_at: grant.access_token_ends_at,
            refresh_token: grant
                .tokens
                .refresh_token
                .as_ref()
                .map(|token| sealer.seal(token, &token_row(id, "refresh_token", generation))),
            refresh_token_ends_at: grant.refresh_token_ends_at,
            ends,
        }
    }
}

/// Says once, and loudly, that tokens wait to be stored.
#[derive(Default)]
pub(super) struct Unsaved(bool);

impl Unsaved {
    pub(super) fn tell(&mut self, shop: &Shop, error: &StoreError) {
        if !std::mem::replace(&mut self.0, true) {
            tracing::error!(event = "token.unsaved", shop.id = %shop.id, channel.name = %shop.channel,
                "new tokens have arrived and cannot be stored; trying on while this daemon runs: {error}");
        }
    }
}

pub(super) fn tell_lost(shop: &Shop) {
    tracing::error!(event = "token.lost", shop.id = %shop.id, channel.name = %shop.channel,
        "new tokens had arrived and could not be stored in time; the owner may have to authorize the shop again");
}

/// The next look of a shop's refresh job: when the token wants to be renewed, or when the authorization ends.
pub(super) async fn plan_look(tx: &mut Tx, entry: &ShopEntry, authorization: &Authorization) -> Result<(), StoreError> {
    if entry.refresh_is_none() {
        return Ok(());
    }
    let mut at = authorization.refresh_at().max(authorization.repeats_at(repeats(entry)).unwrap_or(Timestamp::MIN));
    if let Some(ends) = authorization.ends.filter(|ends| ends.at > tx.now) {
        at = at.min(ends.at);
    }
    tx.look_early(Some(&entry.shop.id), JobKind::AuthorizationRefresh, Some(at)).await
}

pub(super) fn repeats(entry: &ShopEntry) -> u32 {
    entry.consent().map_or(0, Consent::repeats_after_lost_reply)
}

/// Tokens whose last renewal was not answered are left alone for a while.
fn waits(before: &Authorization, until: Timestamp) -> ChannelError {
    let begun = before.intent.map(|intent| format!(" begun {}", intent.begun_at)).unwrap_or_default();
    let what = match before.intent.map(|intent| intent.doubt) {
        Some(Doubt::Unclear) => "the answer to the renewal of the tokens told nothing",
        _ => "no answer arrived to the renewal of the tokens",
    };
    ChannelError {
        failure: Failure::Unavailable { retry_at: Some(until) },
        text: format!("{what}{begun}; it is repeated from {until} on"),
        remedy: String::new(),
        request_id: None,
        acted: Acted::No,
    }
}

fn timed_out(what: &str, shop: &str) -> ChannelError {
    ChannelError {
        failure: Failure::Unavailable { retry_at: None },
        text: format!("no answer to {what} of `{shop}` within {} seconds", EXCHANGE_LIMIT.as_secs()),
        remedy: String::new(),
        request_id: None,
        acted: Acted::Unheard,
    }
}

/// What is doubtful about an exchange after this error, if anything is.
fn doubt_after(error: &ChannelError) -> Option<Doubt> {
    match (error.acted, &error.failure) {
        (Acted::Unheard, _) => Some(Doubt::Silent),
        // The channel's word, whatever came with it.
        (_, Failure::AuthorizationEnded { .. } | Failure::AppCredentialRejected { .. }) => None,
        (Acted::Unclear, _) => Some(Doubt::Unclear),
        _ => None,
    }
}

fn unanswered_words(times: u32, last: Option<Intent>) -> String {
    let answer = match last.map(|intent| intent.doubt) {
        Some(Doubt::Unclear) => "the answer told nothing",
        _ => "no answer arrived",
    };
    let last = last.map(|intent| format!(" (last begun {})", intent.begun_at)).unwrap_or_default();
    let times = match times {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    };
    format!("a renewal of the tokens was sent {times}{last} and {answer}, so they may be spent and the new ones lost")
}

fn repetition_refused(earlier: Intent, why: &str) -> String {
    let fate = if earlier.doubt == Doubt::Unclear { "told nothing" } else { "never arrived" };
    format!(
        "the answer to a renewal of the tokens begun {} {fate}, and the channel refused its repetition: {why}",
        earlier.begun_at
    )
}
