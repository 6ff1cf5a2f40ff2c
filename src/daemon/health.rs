//! Whether the daemon is well: for `/readyz`, `status` and systemd's status line.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{Shared, systemd};
use crate::{
    config::Transport,
    domain::{AuthorizationState, ShopId, counted},
    mail,
    report::Surroundings,
    secrets::Secret,
    store::StoreError,
    web::{self, Machines},
};

/// The planner looks at least once a second; standing still for so long means that it is stuck or the database is away.
const PLANNER_STANDS_STILL: Duration = Duration::from_secs(15);

/// How long the database may take to say a word. Commands wait little longer for the word that the daemon is well.
const DATABASE_SAYS_NOTHING: Duration = Duration::from_secs(3);

/// A relay may put a mail off once without anything being wrong.
const STUCK_ATTEMPTS: u32 = 2;

/// For so long after a mail was refused for good that is a worry.
const REFUSED_LATELY: SignedDuration = SignedDuration::from_hours(24);

/// How the ailment begins that keeps no work from being done.
pub const SETTINGS_REFUSED: &str = "the newest settings were refused";

#[async_trait]
impl Machines for Shared {
    async fn obstacles(&self) -> Vec<String> {
        self.work_stopped_by().await
    }

    async fn metrics(&self) -> String {
        self.metrics.set_ready(self.work_stopped_by().await.is_empty());
        // While the database is away its gauges stay as they were.
        let _ = in_time(self.read_gauges()).await;
        self.metrics.encode()
    }
}

impl web::Settings for Shared {
    fn password(&self) -> Option<Secret> {
        self.config.load().web.password_hash.clone()
    }

    fn zone(&self) -> TimeZone {
        self.config.load().timezone.clone()
    }

    fn mails(&self, shop: &ShopId) -> bool {
        let config = self.config.load();
        let sends = !matches!(config.mail.transport, Transport::None);
        sends && config.shops.get(shop).is_some_and(|shop| !shop.remind.is_empty())
    }
}

impl Shared {
    /// What the page works with.
    pub(super) fn page(self: &Arc<Self>) -> web::People {
        web::People {
            keeper: self.keeper.clone(),
            links: self.links.clone(),
            clock: self.clock.clone(),
            store: self.store.clone(),
            settings: Arc::clone(self) as _,
        }
    }

    /// What the listener for machines works with.
    pub(super) fn for_machines(self: &Arc<Self>) -> web::Internal {
        web::Internal { daemon: Arc::clone(self) as _ }
    }

    /// Brings the gauges of what stands in the database up to date, so that they tell the same after a restart and on
    /// every instance.
    async fn read_gauges(&self) -> Result<(), StoreError> {
        let mut tx = self.store.read(self.clock.now()).await?;
        let (_, refused) = tx.mail_counts().await?;
        self.metrics.set_mail(tx.late_mail().await?, refused);
        let known: BTreeMap<_, _> = tx.authorizations().await?.into_iter().map(|known| (known.id, known)).collect();
        let (mut ends, mut states, mut with_tokens) = (Vec::new(), Vec::new(), BTreeSet::new());
        for shop in tx.shops().await?.into_iter().filter(|shop| shop.configured) {
            let known = shop.authorization.and_then(|id| known.get(&id)).filter(|known| shop.works_with(known));
            if let Some(end) = known.and_then(|known| known.ends) {
                ends.push((shop.id.clone(), shop.channel.clone(), end.at));
            }
            let is_needed = self.shops.get(&shop.id).is_none_or(|entry| entry.needs_authorization());
            let state = known.map_or(AuthorizationState::Pending, |known| known.state);
            if is_needed {
                with_tokens.insert(shop.channel.clone());
            }
            states.push((shop.channel, if is_needed { state.as_str() } else { "none" }));
        }
        self.metrics.set_authorization_ends(ends);
        self.metrics.set_shops(states);
        self.metrics.set_token_channels(&with_tokens);
        self.metrics.set_jobs_held(tx.held_jobs().await?);
        Ok(())
    }

    /// Everything that is wrong; empty: the daemon is well. Answers soon, whatever the database does.
    pub(crate) async fn ailments(&self) -> Vec<String> {
        let mut ailments = self.work_stopped_by().await;
        if *self.settings_wait.borrow() {
            ailments.push("new settings wait for the database".to_owned());
        }
        let refused = self.handle.settings_error();
        ailments.extend(refused.map(|error| format!("{SETTINGS_REFUSED}: {}", mail::without_addresses(&error))));
        // A database that is away is among them already.
        ailments.extend(in_time(self.worries()).await.unwrap_or_default());
        ailments
    }

    /// In plain words what the daemon does, and what is wrong: systemd's status line.
    pub(super) async fn in_words(&self) -> String {
        let ailments = self.ailments().await;
        // What keeps the work from being done is said alone.
        let doing = if self.standing_by().is_some() { None } else { in_time(self.doing()).await.ok() };
        systemd::one_line(&ailments.into_iter().chain(doing).collect::<Vec<_>>().join("; "))
    }

    /// What the daemon does: `serves 12 shops, 2 held; next run 10:05`.
    async fn doing(&self) -> Result<String, StoreError> {
        let config = self.config.load_full();
        let now = self.clock.now();
        let (held, next) = self.store.read(now).await?.outlook().await?;
        let shops = counted(config.shops.len() as u64, "shop", "shops");
        let held = if held > 0 { format!(", {held} held") } else { String::new() };
        let here = |at: Timestamp| at.to_zoned(config.timezone.clone());
        let next = match next {
            None => "no run is planned".to_owned(),
            Some(next) if next <= now => "runs are due".to_owned(),
            Some(next) if here(next).date() == here(now).date() => here(next).strftime("next run %H:%M").to_string(),
            Some(next) => here(next).strftime("next run %Y-%m-%d %H:%M").to_string(),
        };
        Ok(format!("serves {shops}{held}; {next}"))
    }

    /// What a job's answer to why it does not run depends on beside the database.
    pub(super) async fn surroundings(&self) -> Surroundings {
        Surroundings { daemon: true, stopped_by: self.work_stopped_by().await }
    }

    /// What keeps the daemon from doing its work.
    async fn work_stopped_by(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        let still = self.handle.last_planned().elapsed();
        if still > PLANNER_STANDS_STILL {
            reasons.push(format!("the planner has not looked for {} s", still.as_secs()));
        }
        if let Err(error) = in_time(self.store.read(self.clock.now())).await {
            reasons.push(error.to_string());
        }
        reasons.extend(self.standing_by().map(|why| why.to_string()));
        reasons.extend(self.handle.trouble());
        reasons
    }

    /// What somebody has to mend although the work goes on.
    async fn worries(&self) -> Result<Vec<String>, StoreError> {
        let mut tx = self.store.read(self.clock.now()).await?;
        let stuck = tx.stuck_mail(STUCK_ATTEMPTS).await?;
        let zone = self.config.load().timezone.clone();
        let since = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string();
        let stuck = stuck.map(|stuck| {
            let (since, error) = (since(stuck.since), mail::without_addresses(&stuck.error));
            format!("{} not left since {since}: {error}", counted(stuck.count, "mail has", "mails have"))
        });
        let bounced = tx.refused_mail(tx.now - REFUSED_LATELY).await?.map(|bounced| {
            let (since, error) = (since(bounced.since), mail::without_addresses(&bounced.error));
            let count = counted(bounced.count, "mail was", "mails were");
            format!("{count} refused since {since}, see `shopsyncd mail list`: {error}")
        });
        Ok(stuck.into_iter().chain(bounced).collect())
    }
}

/// What the database answers, unless it takes longer: then it may or may not have taken in what it was told.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(limit, answer).await.unwrap_or(Err(StoreError::Unanswered(limit)))
}

async fn in_time<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    within(DATABASE_SAYS_NOTHING, answer).await
}
