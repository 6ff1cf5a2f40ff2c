//! What holds a shop's jobs, noted when it is learnt and cleared when it has passed.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{KeeperError, ShopEntry, Standing, TokenKeeper, standing_in};
use crate::{
    channels::{ChannelError, Credentials},
    domain::{
        Authorization, AuthorizationId, AuthorizationState, ChannelName, Demand, Ending, Failure, Hold, JobKind,
        ShopId, Trigger,
        hold::{Facts, held_by},
    },
    store::{AppAlarm, NewRun, StoreError, Tx},
};

/// Works out what holds each job of a shop, as this transaction sees it, and writes it to the schedules. To be called
/// whenever a fact has changed: at start and reload, after pause and resume, after anything the keeper learns.
pub async fn settle_holds(tx: &mut Tx, entry: &ShopEntry) -> Result<Vec<(JobKind, Option<Hold>)>, StoreError> {
    let facts = tx.hold_facts(&entry.shop.id, entry.needs_authorization(), entry.has_source).await?;
    let holds = holds_of(entry, facts);
    tx.set_holds(&entry.shop.id, &holds).await?;
    Ok(holds)
}

/// The same for all of these shops, in a few statements however many they are. Answers which jobs are held.
pub async fn settle_all_holds(
    tx: &mut Tx,
    entries: &[Arc<ShopEntry>],
) -> Result<BTreeSet<(ShopId, JobKind)>, StoreError> {
    let known = tx.all_hold_facts().await?;
    let mut holds = HashMap::new();
    for entry in entries {
        let shop = &entry.shop.id;
        // A shop that was just written is there.
        let Some(facts) = known.get(shop) else { continue };
        let own = holds_of(entry, Facts { needs_authorization: entry.needs_authorization(), ..*facts });
        holds.extend(own.into_iter().map(|(job, hold)| ((shop.clone(), job), hold)));
    }
    tx.set_all_holds(&holds).await?;
    Ok(holds.into_iter().filter_map(|(job, hold)| hold.map(|_| job)).collect())
}

/// What holds each job of a shop by these facts and by what its settings say.
fn holds_of(entry: &ShopEntry, mut facts: Facts) -> Vec<(JobKind, Option<Hold>)> {
    (facts.refresh_none, facts.has_source) = (entry.refresh_is_none(), entry.has_source);
    let jobs = JobKind::OF_SHOPS.into_iter().filter(|job| entry.jobs.contains_key(job));
    jobs.map(|job| (job, held_by(job, facts))).collect()
}

/// Asks for a look at once at one shop of each app that its channel refuses: what was mended meanwhile, at the marketplace or in
/// settings that a start reads, such a look finds out. To be called at start and reload.
pub async fn look_at_alarmed(tx: &mut Tx, entries: &[Arc<ShopEntry>]) -> Result<(), StoreError> {
    let mut alarmed = tx.alarmed_apps().await?;
    for entry in entries.iter().filter(|entry| !entry.refresh_is_none()) {
        if alarmed.is_empty() {
            break;
        }
        let shop = &entry.shop.id;
        let Some(app) = entry.app().map(|app| (entry.shop.channel.clone(), app)) else { continue };
        if !alarmed.contains(&app) {
            continue;
        }
        let facts = tx.hold_facts(shop, entry.needs_authorization(), entry.has_source).await?;
        if facts.authorization == Some(AuthorizationState::Active) && !facts.paused {
            let now = tx.now;
            tx.look_by(Some(shop), JobKind::AuthorizationRefresh, now).await?;
            alarmed.remove(&app);
        }
    }
    Ok(())
}

/// Settles what holds a shop, and asks at once for those of `jobs` that run at all and that nothing holds. Answers what holds each job.
pub(super) async fn settle_and_run(
    tx: &mut Tx,
    entry: &ShopEntry,
    jobs: &[JobKind],
    trigger: Trigger,
) -> Result<Vec<(JobKind, Option<Hold>)>, StoreError> {
    let holds = settle_holds(tx, entry).await?;
    for job in entry.running_jobs().filter(|job| jobs.contains(job)) {
        if holds.iter().any(|(held, hold)| *held == job && hold.is_none()) {
            let run = NewRun { shop: Some(entry.shop.id.clone()), job, demand: Demand::default() };
            tx.run_now(&run, trigger).await?;
        }
    }
    Ok(holds)
}

impl TokenKeeper {
    /// Notes what a call's failure means for the whole shop, so that its other jobs need not find out for themselves: a
    /// closed shop, a missing right, an ended permission, a refused app. Other failures concern the run alone. `job`: whose call
    /// it was; `None`: a probe's.
    ///
    /// That a permission has ended is proven with the newest token before it is believed: the call may have been made
    /// with one that was replaced meanwhile.
    pub async fn note_failure(
        &self,
        shop: &ShopId,
        job: Option<JobKind>,
        error: &ChannelError,
    ) -> Result<(), KeeperError> {
        match &error.failure {
            Failure::AuthorizationEnded { .. } => self.prove_ended(shop).await,
            Failure::AppCredentialRejected { why } => self.note_app_refused(shop, why).await,
            other => self.note_obstacle(shop, job, other).await,
        }
    }

    async fn prove_ended(&self, shop: &ShopId) -> Result<(), KeeperError> {
        // A consent under way may be what has ended the tokens of the one before it.
        let queue = self.queue_of(shop).await?;
        let _turn = match &queue {
            Some(queue) => Some(queue.lock().await),
            None => None,
        };
        let standing = self.standing(shop).await?;
        let Some((authorization, tokens)) = standing.granted() else { return Ok(()) };
        if authorization.state != AuthorizationState::Active {
            return Ok(());
        }
        let access = self.open(&standing)?;
        match standing.entry.channel.probe(&access).await {
            Err(ChannelError { failure: Failure::AuthorizationEnded { why }, .. }) => {
                self.codes_traded().await;
                let mut tx = self.0.store.write(self.0.clock.now()).await?;
                if self.end(&mut tx, authorization.id, tokens.generation, &why).await? {
                    tx.commit().await?;
                }
                Ok(())
            }
            // The permission stands, but not for this shop.
            Err(error) => self.note_obstacle(shop, None, &error.failure).await,
            Ok(_) => Ok(()),
        }
    }

    /// The channel refused a token that had just been renewed. Where a live call is refused it as well, the permission is no
    /// good, however often its tokens can be renewed: it has ended.
    pub(super) async fn note_refused_again(&self, shop: &ShopId) -> Result<(), KeeperError> {
        let standing = self.standing(shop).await?;
        let Some((authorization, tokens)) = standing.granted() else { return Ok(()) };
        if authorization.state != AuthorizationState::Active {
            return Ok(());
        }
        let access = self.open(&standing)?;
        let Err(error) = standing.entry.channel.probe(&access).await else {
            let mut refused = self.0.refused_in_part.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            refused.insert(authorization.id, tokens.generation);
            return Ok(());
        };
        let why = match error.failure {
            Failure::TokenRejected => {
                format!("the channel renewed the access token and refuses the new one, too ({})", error.text)
            }
            Failure::AuthorizationEnded { why } => why,
            other => return self.note_obstacle(shop, None, &other).await,
        };
        self.codes_traded().await;
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        if self.end(&mut tx, authorization.id, tokens.generation, &why).await? {
            tx.commit().await?;
            self.wake();
        }
        Ok(())
    }

    pub(super) fn is_refused_in_part(&self, id: AuthorizationId, generation: i64) -> bool {
        let refused = self.0.refused_in_part.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        refused.get(&id) == Some(&generation)
    }

    /// Notes that the permission has ended by the channel's word, if the tokens are still those of generation `from`;
    /// its shops wait, and their owner is asked. `false`: newer tokens stand, nothing was written.
    pub(super) async fn end(
        &self,
        tx: &mut Tx,
        id: AuthorizationId,
        from: i64,
        why: &str,
    ) -> Result<bool, KeeperError> {
        let Some(before) = tx.authorization(id).await? else { return Ok(false) };
        let state = AuthorizationState::after_refusal(before.ends.map(|ends| ends.at), tx.now);
        self.enter(tx, id, from, state, why).await
    }

    /// Moves an authorization into a state in which its shops wait. The journal, the event and the owner's mail come once,
    /// with the change.
    pub(super) async fn enter(
        &self,
        tx: &mut Tx,
        id: AuthorizationId,
        from: i64,
        state: AuthorizationState,
        why: &str,
    ) -> Result<bool, KeeperError> {
        // The channel's full stop ends no half sentence.
        let why = why.trim_end_matches('.');
        let Some(before) = tx.authorization(id).await? else { return Ok(false) };
        if !tx.set_authorization_state(id, from, state, Some(why)).await? {
            return Ok(false);
        }
        let entries = self.entries_of(tx, id).await?;
        for entry in &entries {
            settle_holds(tx, entry).await?;
        }
        if before.state == state {
            return Ok(true);
        }
        let shops: Vec<ShopId> = entries.iter().map(|entry| entry.shop.id.clone()).collect();
        let account = before.account_name.as_deref().unwrap_or(&before.account.account);
        for shop in &shops {
            let event =
                if state == AuthorizationState::Lapsed { "authorization.lapsed" } else { "authorization.revoked" };
            tx.note("daemon", event, Some(shop), &format!("the authorization of account {account} has ended: {why}"))
                .await?;
            if state == AuthorizationState::Lapsed {
                tracing::warn!(event = "authorization.lapsed", shop.id = %shop, channel.name = %before.account.channel,
                    "the authorization has lapsed: {why}; ask its owner to open the link shown by `shopsyncd shops authorize {shop}`");
            } else {
                tracing::error!(event = "authorization.revoked", shop.id = %shop, channel.name = %before.account.channel,
                    "the authorization was revoked: {why}; ask its owner to open the link shown by `shopsyncd shops authorize {shop}`");
            }
        }
        // That the end date of what the channel refuses has come is no news: whoever was to be told was told of that.
        if before.state != AuthorizationState::Revoked
            && let Some(after) = tx.authorization(id).await?
        {
            self.tell_ended(tx, &after).await?;
        }
        Ok(true)
    }

    /// Notes a closed shop or a missing right, with the job that found it: a probe asks for less than a job, and that it works
    /// says nothing of what it did not ask for.
    async fn note_obstacle(&self, shop: &ShopId, job: Option<JobKind>, failure: &Failure) -> Result<(), KeeperError> {
        let (closed, scope) = match failure {
            Failure::ShopClosed { why } => (Some(why), None),
            Failure::ScopeMissing { scope } => (None, Some(scope)),
            _ => return Ok(()),
        };
        let Some(entry) = self.0.shops.get(shop) else { return Ok(()) };
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        let Some(row) = tx.shop(shop).await? else { return Ok(()) };
        if let Some(why) = closed {
            let found_by = if row.closed_why.is_some() { row.closed_found_by } else { job };
            tx.set_closed(shop, Some(why), found_by).await?;
            if row.closed_why.is_none() {
                tx.note(
                    "daemon",
                    "shop.closed",
                    Some(shop),
                    &format!("the channel says that the shop is closed: {why}"),
                )
                .await?;
                self.tell_obstacle(&mut tx, shop).await?;
            }
        }
        if let Some(scope) = scope {
            let found_by = if row.scope_missing.is_some() { row.scope_found_by } else { job };
            tx.set_scope_missing(shop, Some(scope), found_by).await?;
            if row.scope_missing.is_none() {
                tx.note("daemon", "scope.missing", Some(shop), &format!("the authorization lacks the right `{scope}`"))
                    .await?;
                self.tell_obstacle(&mut tx, shop).await?;
            }
        }
        settle_holds(&mut tx, &entry).await?;
        tx.commit().await?;
        self.wake();
        Ok(())
    }

    async fn note_app_refused(&self, shop: &ShopId, why: &str) -> Result<(), KeeperError> {
        let Some(entry) = self.0.shops.get(shop) else { return Ok(()) };
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        self.raise_alarm(&mut tx, &entry, why).await?;
        tx.commit().await?;
        Ok(())
    }

    /// All shops wait that work by the same credentials; the operator hears once.
    pub(super) async fn raise_alarm(&self, tx: &mut Tx, entry: &ShopEntry, why: &str) -> Result<(), KeeperError> {
        let Some(Credentials { keys, .. }) = entry.credentials() else { return Ok(()) };
        let (channel, refused) = (&entry.shop.channel, self.by_same_credentials(entry));
        let alarm = AppAlarm { keys: keys.map(str::to_owned), why: why.to_owned() };
        let mut raised = false;
        for app in refused.iter().filter_map(|entry| entry.app()).collect::<BTreeSet<_>>() {
            raised |= tx.raise_app_alarm(channel, &app, &alarm).await?;
        }
        if !raised {
            return Ok(());
        }
        for entry in &refused {
            settle_holds(tx, entry).await?;
        }
        let [id_key, secret_key] = keys;
        tx.note("daemon", "channel.refused", None, &format!("channel {channel} refuses the app of `{id_key}`: {why}"))
            .await?;
        tracing::error!(event = "channel.refused", channel.name = %channel,
            "the channel refuses our app: {why}; check its `{id_key}` and `{secret_key}`, then `shopsyncd reload`");
        self.tell_app_refused(tx, channel, &refused, &alarm).await?;
        Ok(())
    }

    /// The shops whose app has the same credentials as that of a shop, which is one of them.
    fn by_same_credentials(&self, entry: &ShopEntry) -> Vec<Arc<ShopEntry>> {
        let client = entry.credentials().map(|credentials| credentials.client);
        let mut all = self.0.shops.of_channel(&entry.shop.channel);
        all.retain(|other| other.credentials().map(|credentials| credentials.client) == client);
        all
    }

    /// New credentials of our apps on a channel have come with the settings: its shops try again at once. Does nothing
    /// where no alarm stands.
    pub async fn note_app_changed(&self, channel: &ChannelName) -> Result<(), KeeperError> {
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        if tx.clear_app_alarms(channel).await? {
            tx.note("daemon", "channel.changed", None, &format!("new credentials for channel {channel} are in force"))
                .await?;
            for entry in self.0.shops.of_channel(channel) {
                recover(&mut tx, &entry).await?;
            }
            tx.commit().await?;
            self.wake();
        }
        Ok(())
    }

    /// A live call has just worked: whatever the shop was thought to be held by at the channel has passed, and what was
    /// missed meanwhile is caught up. `ends`: the end that the call told.
    pub(super) async fn note_working(&self, standing: &Standing, ends: Option<Ending>) -> Result<(), KeeperError> {
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        let now = standing_in(&mut tx, Arc::clone(&standing.entry)).await?;
        let same_grant = |known: &Authorization| {
            standing.authorization.as_ref().is_some_and(|before| before.grant_number == known.grant_number)
        };
        // What was asked before the owner renewed says nothing of the new grant.
        if let Some((authorization, tokens)) = now.granted().filter(|(known, _)| same_grant(known)) {
            tx.set_probed(authorization.id).await?;
            // What was heard while the call was under way is proven by the next one.
            if standing.row.to_prove {
                tx.set_to_prove(&standing.entry.shop.id, false).await?;
            }
            let believed = authorization.state == AuthorizationState::Revoked && authorization.intent.is_none();
            if believed && standing.generation() == Some(tokens.generation) {
                tx.set_authorization_state(authorization.id, tokens.generation, AuthorizationState::Active, None)
                    .await?;
                self.tell_works_again(&mut tx, authorization).await?;
            }
            if let Some(ends) = ends {
                self.note_told_end(&mut tx, authorization, ends).await?;
            }
        }
        self.clear_obstacles(&mut tx, &now).await?;
        tx.commit().await?;
        self.wake();
        Ok(())
    }

    /// A call of this job has just worked: what such a call found has passed.
    pub(super) async fn note_job_works(&self, shop: &ShopId, job: JobKind) -> Result<(), KeeperError> {
        let Some(entry) = self.0.shops.get(shop) else { return Ok(()) };
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        let Some(row) = tx.shop(shop).await?.filter(|row| row.obstacles_found_by(job)) else { return Ok(()) };
        if row.closed_found_by == Some(job) {
            tx.set_closed(shop, None, None).await?;
        }
        if row.scope_found_by == Some(job) {
            tx.set_scope_missing(shop, None, None).await?;
        }
        recover(&mut tx, &entry).await?;
        tx.commit().await?;
        self.wake();
        Ok(())
    }

    /// Clears what held the shop (and those of the same credentials, and its account's) and asks for what was missed. What a job
    /// found the probe does not ask for: that job is tried, and its word counts.
    async fn clear_obstacles(&self, tx: &mut Tx, standing: &Standing) -> Result<(), KeeperError> {
        let shop = &standing.entry.shop;
        let mut affected = vec![Arc::clone(&standing.entry)];
        let tried = |job: &JobKind| standing.entry.running_jobs().any(|running| running == *job);
        let (closed_by, scope_by) =
            (standing.row.closed_found_by.filter(tried), standing.row.scope_found_by.filter(tried));
        if standing.row.closed_why.is_some() && closed_by.is_none() {
            tx.set_closed(&shop.id, None, None).await?;
        }
        if standing.row.scope_missing.is_some() && scope_by.is_none() {
            tx.set_scope_missing(&shop.id, None, None).await?;
        }
        for job in closed_by.into_iter().chain(scope_by) {
            let run = NewRun { shop: Some(shop.id.clone()), job, demand: Demand::default() };
            tx.run_now(&run, Trigger::Recovery).await?;
        }
        if let Some(alarm) = &standing.alarm {
            affected = self.end_alarm(tx, &standing.entry, alarm).await?;
        } else if let Some(authorization) = &standing.authorization {
            affected = self.entries_of(tx, authorization.id).await?;
        }
        for entry in affected {
            recover(tx, &entry).await?;
        }
        Ok(())
    }

    /// An exchange with the app of a shop has just worked: the channel takes the app, whatever it said before.
    pub(super) async fn accept_app(&self, tx: &mut Tx, entry: &ShopEntry) -> Result<(), StoreError> {
        let Some(alarm) = tx.app_alarm(&entry.shop.id).await? else { return Ok(()) };
        for entry in self.end_alarm(tx, entry, &alarm).await? {
            recover(tx, &entry).await?;
        }
        Ok(())
    }

    /// Ends the alarm of a shop's app and of those with the same credentials; whose shops they are.
    async fn end_alarm(
        &self,
        tx: &mut Tx,
        entry: &ShopEntry,
        AppAlarm { keys: [id_key, _], .. }: &AppAlarm,
    ) -> Result<Vec<Arc<ShopEntry>>, StoreError> {
        let (channel, shops) = (&entry.shop.channel, self.by_same_credentials(entry));
        for app in shops.iter().filter_map(|entry| entry.app()).collect::<BTreeSet<_>>() {
            tx.clear_app_alarm(channel, &app).await?;
        }
        let text = format!("channel {channel} accepts the app of `{id_key}` again");
        tx.note("daemon", "channel.accepted", None, &text).await?;
        Ok(shops)
    }

    /// The shops in force that work with an authorization.
    pub(super) async fn entries_of(&self, tx: &mut Tx, id: AuthorizationId) -> Result<Vec<Arc<ShopEntry>>, StoreError> {
        let Some(known) = tx.authorization(id).await? else { return Ok(Vec::new()) };
        let shops = tx.shops_of(id).await?;
        let entries = shops.iter().filter_map(|row| self.0.shops.get(&row.id));
        Ok(entries.filter(|entry| entry.is_of_app(&known.account.app)).collect())
    }
}

/// Settles what holds a shop; if something held it and nothing does any longer, what was missed is caught up.
pub(super) async fn recover(tx: &mut Tx, entry: &ShopEntry) -> Result<(), StoreError> {
    let shop = &entry.shop.id;
    let was_held: Vec<JobKind> = tx
        .schedules(Some(shop))
        .await?
        .into_iter()
        .filter(|schedule| schedule.held_by.is_some_and(Hold::looks_daily))
        .map(|schedule| schedule.job)
        .filter(|job| *job != JobKind::AuthorizationRefresh)
        .collect();
    let holds = settle_and_run(tx, entry, &was_held, Trigger::Recovery).await?;
    if holds.iter().any(|(job, hold)| hold.is_none() && was_held.contains(job)) {
        tx.note("daemon", "shop.recovered", Some(shop), "what held the shop at the channel has passed").await?;
    }
    Ok(())
}
