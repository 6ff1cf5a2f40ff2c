//! The periodic look at an authorization: its end, its tokens, and a live call that proves it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{KeeperError, Standing, TokenKeeper, refresh};
use crate::{
    channels::ShopStatus,
    domain::{Authorization, AuthorizationState, Failure, Hold, JobKind, ShopId},
    store::Tx,
};

/// How long before the end a look says so in the log: about when reminders begin.
const ENDING: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long a shop that is held by the channel is left alone between two looks.
const DAILY: SignedDuration = SignedDuration::from_hours(24);

/// What a look did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looked {
    /// The tokens were renewed.
    pub refreshed: bool,
    /// A live call proved the permission.
    pub probed: bool,
}

impl TokenKeeper {
    /// Looks at a shop's authorization: notices an end date that has passed, renews tokens that would end before the
    /// next look, and proves the permission by a live call once a day. For a shop held by the channel it is the daily
    /// attempt: when that works, the hold ends and what was missed is caught up.
    pub async fn look(&self, shop: &ShopId) -> Result<Looked, KeeperError> {
        let standing = self.standing(shop).await?;
        if !standing.entry.needs_authorization() {
            return Ok(Looked::default());
        }
        if standing.entry.refresh_is_none() {
            return Err(standing.held(Hold::RefreshNone));
        }
        if standing.granted().is_none() {
            return Err(standing.held(Hold::Pending));
        }
        let looked = self.look_at(standing).await;
        match looked {
            Err(error) => Err(self.once_a_day(shop, error).await?),
            Ok(looked) => Ok(looked),
        }
    }

    /// A live call now, whatever the period: proves that the permission works and the shop is open.
    pub async fn test(&self, shop: &ShopId) -> Result<ShopStatus, KeeperError> {
        let standing = self.standing(shop).await?;
        standing.check_authorized()?;
        let entry = Arc::clone(&standing.entry);
        let channel = &entry.channel;
        // Made even while the channel refuses our app: whoever mended that asks here whether it helped.
        let access = self.fresh(standing).await?;
        let status = self.call_with(shop, None, access, |access| async move { channel.probe(&access).await }).await?;
        if entry.needs_authorization() {
            self.note_working(&self.standing(shop).await?, status.ends).await?;
        }
        Ok(status)
    }

    async fn look_at(&self, standing: Standing) -> Result<Looked, KeeperError> {
        let now = self.0.clock.now();
        let shop = standing.entry.shop.id.clone();
        let Some((authorization, tokens)) = standing.granted() else { return Err(standing.held(Hold::Pending)) };
        if self.note_lapse(authorization, tokens.generation, now).await? {
            return Err(self.standing(&shop).await?.held(Hold::Lapsed));
        }
        self.say_ending(&standing, authorization, now);
        let held = standing.hold_of_channel().is_some();
        // No answer came to the last renewal of the tokens: they are left alone for a while.
        let waits = authorization.repeats_at(refresh::repeats(&standing.entry)).is_some_and(|at| at > now);
        if waits && authorization.state == AuthorizationState::Revoked {
            return Err(standing.held(Hold::Revoked));
        }
        let period = standing.entry.jobs.get(&JobKind::AuthorizationRefresh).and_then(|period| period.length(now));
        let mut todo = authorization.look(now, period);
        todo.probe |= standing.row.to_prove;
        todo.refresh |= authorization.state != AuthorizationState::Active || !authorization.is_fresh(now);
        todo.refresh &= tokens.refresh_token.is_some() && !(waits && authorization.is_fresh(now));
        if todo.refresh {
            self.refresh(&standing.entry, authorization, false).await?;
        }
        let mut after = self.standing(&shop).await?;
        if after.has_lapsed() {
            // Tokens that are renewed all the same may mean that the owner renewed elsewhere: the channel may tell a new end.
            if self.probe(&after).await.is_ok() {
                after = self.standing(&shop).await?;
            }
            if after.has_lapsed() {
                return Err(after.held(Hold::Lapsed));
            }
        } else if todo.probe || held {
            self.probe(&after).await?;
        }
        self.plan_next_look(&shop).await?;
        Ok(Looked { refreshed: todo.refresh, probed: todo.probe || held })
    }

    /// The live call of a look. It is made even while the shop is held: that is how the end of a hold is noticed.
    async fn probe(&self, standing: &Standing) -> Result<(), KeeperError> {
        let channel = &standing.entry.channel;
        let access = self.open(standing)?;
        let shop = &standing.entry.shop.id;
        let status = self.call_with(shop, None, access, |access| async move { channel.probe(&access).await }).await?;
        self.note_working(standing, status.ends).await
    }

    /// Notes that the end date has passed. `false`: it has not, or that was noted before.
    async fn note_lapse(
        &self,
        authorization: &Authorization,
        generation: i64,
        now: Timestamp,
    ) -> Result<bool, KeeperError> {
        let Some(why) = lapsed_unnoted(authorization, now) else { return Ok(false) };
        let mut tx = self.0.store.write(now).await?;
        self.enter(&mut tx, authorization.id, generation, AuthorizationState::Lapsed, &why).await?;
        tx.commit().await?;
        self.wake();
        Ok(true)
    }

    /// Notes of all authorizations whose end date has passed that it has, and tells their people: also of those whose shops nobody
    /// looks at, being paused or without a refresh. Makes no call.
    pub async fn note_lapses(&self, tx: &mut Tx) -> Result<(), KeeperError> {
        for known in tx.authorizations().await? {
            if let Some(why) = lapsed_unnoted(&known, tx.now) {
                self.enter(tx, known.id, known.generation, AuthorizationState::Lapsed, &why).await?;
            }
        }
        Ok(())
    }

    /// Says once in this daemon's life, for each time the owner gave it, that an authorization nears its end.
    fn say_ending(&self, standing: &Standing, authorization: &Authorization, now: Timestamp) {
        let Some(ends) = authorization.ends.filter(|ends| ends.at - ENDING <= now && ends.at > now) else { return };
        let mut said = self.0.said_ending.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if said.insert((authorization.id, authorization.grant_number)) {
            let shop = &standing.entry.shop.id;
            tracing::warn!(event = "authorization.ending", shop.id = %shop, channel.name = %standing.entry.shop.channel,
                ends_at = %ends.at, "the authorization ends soon; its owner renews it with the link shown by `shopsyncd shops authorize {shop}`");
        }
    }

    async fn plan_next_look(&self, shop: &ShopId) -> Result<(), KeeperError> {
        let standing = self.standing(shop).await?;
        let Some(authorization) = &standing.authorization else { return Ok(()) };
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        refresh::plan_look(&mut tx, &standing.entry, authorization).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A look that failed on a shop held by the channel is not tried again before tomorrow, whatever it failed for.
    async fn once_a_day(&self, shop: &ShopId, error: KeeperError) -> Result<KeeperError, KeeperError> {
        let standing = self.standing(shop).await?;
        let Some(hold) = standing.hold_of_channel() else { return Ok(error) };
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        let at = tx.now + DAILY;
        tx.look_early(Some(shop), JobKind::AuthorizationRefresh, Some(at)).await?;
        tx.commit().await?;
        let passing = matches!(
            error.failure(),
            Failure::Unavailable { .. }
                | Failure::Throttled { .. }
                | Failure::TokenRejected
                | Failure::Unexpected { .. }
        );
        Ok(if passing { standing.held(hold) } else { error })
    }
}

/// Why an authorization has lapsed whose state does not say so yet.
fn lapsed_unnoted(authorization: &Authorization, now: Timestamp) -> Option<String> {
    let ends = authorization.ends.filter(|ends| ends.at <= now && authorization.state != AuthorizationState::Lapsed)?;
    Some(format!("its end date, {}, has passed", ends.at))
}

impl Standing {
    /// What the channel's word holds the shop by, if it does: such a shop is looked at once a day.
    fn hold_of_channel(&self) -> Option<Hold> {
        let state = self.authorization.as_ref().map(|authorization| authorization.state);
        [
            (Hold::AppAlarm, self.alarm.is_some()),
            (Hold::Revoked, state == Some(AuthorizationState::Revoked)),
            (Hold::Lapsed, state == Some(AuthorizationState::Lapsed)),
            (Hold::ScopeMissing, self.row.scope_missing.is_some()),
            (Hold::ShopClosed, self.row.closed_why.is_some()),
        ]
        .into_iter()
        .find_map(|(hold, stands)| stands.then_some(hold))
    }

    fn has_lapsed(&self) -> bool {
        self.authorization.as_ref().is_some_and(|known| known.state == AuthorizationState::Lapsed)
    }

    pub(super) fn generation(&self) -> Option<i64> {
        self.tokens.as_ref().map(|tokens| tokens.generation)
    }
}
