//! What is heard of a permission without asking: webhooks, and ends that a call tells by the way.
//!
//! Nothing that is heard is believed by itself, but for an end that no call tells: it is a reason to look at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::{ShopEntry, TokenKeeper, holds, refresh};
use crate::{
    channels::{About, Consent, News, RawWebhook, Webhook, WebhookFault},
    domain::{Authorization, AuthorizationId, ChannelName, Ending, JobKind, Trigger},
    store::{StoreError, Tx},
};

/// How long webhooks that were taken are kept, so that repetitions are told from new ones.
pub const WEBHOOKS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What became of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It was seen before.
    Again,
    /// Nothing in it concerns a shop in the settings.
    Nothing,
    /// So many authorizations are looked at now.
    Looking(usize),
}

/// Why a webhook was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NewsError {
    /// No shop of the channel stands in the settings.
    #[error("no shop in the settings is on a channel `{0}`")]
    NoSuchChannel(ChannelName),
    /// The channel sends none.
    #[error("channel `{0}` sends no webhooks")]
    Silent(ChannelName),
    /// It is not the channel's, or nobody can read it.
    #[error(transparent)]
    Webhook(#[from] WebhookFault),
    /// The database did not do as asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TokenKeeper {
    /// Takes a webhook: its signature is checked, a repetition ignored, and what it says about permissions noted so that
    /// they are looked at at once. Makes no call.
    pub async fn hear(&self, channel: &ChannelName, request: &RawWebhook) -> Result<Heard, NewsError> {
        let (entry, webhook) = self.read_webhook(channel, request)?;
        let now = self.0.clock.now();
        if webhook.said_at.is_some_and(|said_at| now.duration_since(said_at) >= WEBHOOKS_KEPT) {
            // So old that a repetition could no longer be told: channels give up after two days.
            return Ok(Heard::Again);
        }
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        if !tx.see_webhook(channel, &webhook.id).await? {
            return Ok(Heard::Again);
        }
        let mut looked_at = BTreeSet::new();
        for news in &webhook.news {
            for (id, shops) in self.concerned(&mut tx, &entry, &news.about).await? {
                self.take_news(&mut tx, id, &shops, news, webhook.said_at).await?;
                looked_at.insert(id);
            }
        }
        tx.commit().await?;
        tracing::info!(event = "webhook.heard", channel.name = %channel, kind = %webhook.kind,
            concerned = looked_at.len(), "heard a webhook");
        if looked_at.is_empty() {
            return Ok(Heard::Nothing);
        }
        self.wake();
        Ok(Heard::Looking(looked_at.len()))
    }

    /// Reads it by the first app of the channel whose secret made its signature.
    fn read_webhook(
        &self,
        channel: &ChannelName,
        request: &RawWebhook,
    ) -> Result<(Arc<ShopEntry>, Webhook), NewsError> {
        let (mut tried, mut fault) = (BTreeSet::new(), NewsError::NoSuchChannel(channel.clone()));
        for entry in self.0.shops.of_channel(channel) {
            let Some(consent) = entry.consent() else {
                fault = NewsError::Silent(channel.clone());
                continue;
            };
            if !tried.insert(consent.app()) {
                continue;
            }
            match consent.read_webhook(request) {
                Ok(webhook) => return Ok((entry, webhook)),
                Err(error) => fault = error.into(),
            }
        }
        Err(fault)
    }

    /// The authorizations of the same app that news are about, with the shops of each that are to be looked at: all of an
    /// account's, or the one at the place, since a look at another one would not tell.
    async fn concerned(
        &self,
        tx: &mut Tx,
        reader: &ShopEntry,
        about: &About,
    ) -> Result<BTreeMap<AuthorizationId, Vec<Arc<ShopEntry>>>, StoreError> {
        let app = reader.consent().map(Consent::app);
        let mut known = tx.authorizations().await?;
        known.retain(|one| one.account.channel == reader.shop.channel && Some(&one.account.app) == app.as_ref());
        let mut found = BTreeMap::new();
        for one in known {
            let account = &one.account.account;
            if matches!(about, About::Account(meant) if meant != account) {
                continue;
            }
            let mut entries = self.entries_of(tx, one.id).await?;
            if let About::Place(place) = about {
                entries.retain(|entry| entry.channel.place_of(account) == *place);
                if entries.is_empty() {
                    continue;
                }
            }
            found.insert(one.id, entries);
        }
        Ok(found)
    }

    async fn take_news(
        &self,
        tx: &mut Tx,
        id: AuthorizationId,
        shops: &[Arc<ShopEntry>],
        news: &News,
        said_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let Some(known) = tx.authorization(id).await? else { return Ok(()) };
        // What was said before the owner renewed (and was delivered late) is about the grant before.
        let about_this_grant = said_at.is_none_or(|said_at| said_at >= known.authorized_at);
        if let Some(ends) = news.ends.filter(|_| about_this_grant) {
            self.note_told_end(tx, &known, ends).await?;
        }
        let minute = tx.now.as_second().div_euclid(60);
        for entry in shops.iter().filter(|entry| !entry.refresh_is_none()) {
            let shop = &entry.shop.id;
            tx.set_to_prove(shop, true).await?;
            // Not every channel signs what tells one message from another: whoever sends the same again and again makes no more
            // looks than one a minute.
            if tx.see_webhook(&entry.shop.channel, &format!("look {shop} {minute}")).await? {
                // A look under way may have asked before this was said: another one follows it.
                holds::settle_and_run(tx, entry, &[JobKind::AuthorizationRefresh], Trigger::Recovery).await?;
            } else if let Ok(next) = Timestamp::from_second((minute + 1) * 60) {
                tx.look_by(Some(shop), JobKind::AuthorizationRefresh, next).await?;
            }
        }
        Ok(())
    }

    /// Notes an end that the channel told outside of a renewal of tokens. One that is later by more than a week is a renewal
    /// by the owner; any move makes the reminders worked out again.
    pub(super) async fn note_told_end(
        &self,
        tx: &mut Tx,
        before: &Authorization,
        ends: Ending,
    ) -> Result<(), StoreError> {
        let renewed = Authorization::is_renewal(before.ends.map(|ends| ends.at), Some(ends.at));
        if !tx.set_end(before.id, ends, renewed).await? {
            return Ok(());
        }
        let Some(after) = tx.authorization(before.id).await? else { return Ok(()) };
        if renewed {
            self.tell_renewed(tx, &after).await?;
        } else {
            self.tell_end_moved(tx).await?;
        }
        if !renewed && after.state == before.state {
            return Ok(());
        }
        if !renewed {
            self.tell_works_again(tx, &after).await?;
        }
        for entry in self.entries_of(tx, before.id).await? {
            let text = format!("the channel tells a later end of the authorization: {}", ends.at);
            tx.note("owner", "authorization.granted", Some(&entry.shop.id), &text).await?;
            holds::recover(tx, &entry).await?;
            refresh::plan_look(tx, &entry, &after).await?;
        }
        Ok(())
    }
}
