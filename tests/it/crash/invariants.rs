//! The one checker: what must be true of the database after every death, after every start, and once all is quiet.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use shopsyncd::{
    clock::Clock,
    domain::{AuthorizationState, InstanceId, JobKind, MailKind, Period, Run, RunState},
    store::{Mail, MailState, RunFilter, Store, StoreError, Tx},
};

use super::{
    daemon::Daemon,
    stage::{REMINDED, SHOPS, Stage},
};

/// More than there ever is.
pub(super) const MANY: u32 = 10_000;

/// What a look found.
#[derive(Default)]
pub(super) struct Seen {
    /// The instances on record.
    pub(super) instances: Vec<InstanceId>,
    /// How many authorizations there are.
    pub(super) authorizations: usize,
    /// How often owners gave them.
    pub(super) grants: i64,
    /// Exchanges that were begun and whose answer is not stored.
    pub(super) intents: u64,
    /// All messages.
    pub(super) mails: Vec<Mail>,
    /// How often each Message-ID left.
    left: BTreeMap<String, usize>,
}

impl Seen {
    /// How many messages left more than once.
    pub(super) fn doubled_mails(&self) -> usize {
        assert!(self.left.values().all(|times| *times <= 2), "no mail leaves three times: {:?}", self.left);
        self.left.values().filter(|times| **times == 2).count()
    }
}

impl Stage {
    /// Checks the database of a daemon that is dead.
    pub(super) async fn consistent(&mut self) -> Seen {
        let mut seen = Seen::default();
        // Dead before there was anything.
        let Some(store) = self.open().await else { return seen };
        let mut tx = store.read(Clock::system().now()).await.unwrap();
        seen.instances = tx.instances().await.unwrap().into_iter().map(|instance| instance.id).collect();
        one_run_at_a_time(&mut tx).await;
        every_schedule_goes_on(&mut tx).await;
        self.only_known_products(&mut tx).await;
        for authorization in tx.authorizations().await.unwrap() {
            seen.authorizations += 1;
            seen.grants += authorization.grant_number;
            let open = authorization.intent.is_some_and(|intent| intent.generation == authorization.generation);
            seen.intents += u64::from(open);
        }
        seen.mails = tx.mails(None, MANY).await.unwrap();
        seen.left = self.letters(&seen.mails);
        drop(tx);
        store.close().await;
        self.unanswered += seen.intents;
        self.tokens_are_spent_once().await;
        seen
    }

    /// The database, for looking at it.
    pub(super) async fn open_store(&self) -> Result<Store, StoreError> {
        let url = self.database.url().unwrap_or("sqlite:shopsyncd.db");
        Store::open_for_reading(url, &self.state_dir()).await
    }

    async fn open(&self) -> Option<Store> {
        match self.open_store().await {
            Ok(store) => Some(store),
            Err(StoreError::Absent { .. }) => None,
            Err(error) => self.fail(None, &format!("the database cannot be read: {error}")).await,
        }
    }

    /// A refresh token is spent twice only where a death left the first reply unread, and then once.
    async fn tokens_are_spent_once(&self) {
        let stats = self.fake.stats();
        if stats.refresh_tokens_spent_twice > 0 || self.repeats() > self.unanswered {
            self.fail(None, &format!("{} exchanges were left unanswered, and: {stats:?}", self.unanswered)).await;
        }
    }

    async fn only_known_products(&self, tx: &mut Tx) {
        let known: BTreeSet<String> = self.wanted().into_iter().map(|(sku, _)| sku).collect();
        for stored in tx.variants(None, MANY).await.unwrap() {
            assert!(known.contains(stored.variant.sku.as_str()), "nobody knows {}", stored.variant.sku);
        }
    }

    /// Every letter in the folder is whole and belongs to a message that was to leave; how often each one left.
    fn letters(&self, mails: &[Mail]) -> BTreeMap<String, usize> {
        let mut left = BTreeMap::new();
        for entry in fs::read_dir(self.state_dir().join("mail")).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "eml") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let id = text.lines().find_map(|line| line.strip_prefix("Message-ID:")).map(str::trim).unwrap_or_default();
            let mail = mails.iter().find(|mail| mail.message_id == id);
            let mail = mail.unwrap_or_else(|| panic!("{}: nobody owed `{id}`", path.display()));
            assert_eq!(mail.body.as_deref(), Some(text.as_str()), "{}: not the frozen message", path.display());
            *left.entry(id.to_owned()).or_default() += 1;
        }
        for mail in mails.iter().filter(|mail| mail.state == MailState::Sent) {
            assert!(left.contains_key(&mail.message_id), "sent, they say, but it is not there: {}", mail.dedup);
        }
        left
    }

    /// Waits until a daemon is on record beside or in place of those who are gone, and nothing runs in their name.
    pub(super) async fn taken_over(&self, daemon: &mut Daemon, gone: &[InstanceId]) {
        self.until(daemon, async || self.look_for_successor(gone).await).await;
    }

    /// On SQLite no run is running in the name of another from the very moment at which a new instance is on record; on a server
    /// the dead have to be seen to be dead first.
    async fn look_for_successor(&self, gone: &[InstanceId]) -> Result<(), String> {
        let store = self.open_store().await.map_err(|error| format!("there is no database yet ({error})"))?;
        let mut tx = store.read(Clock::system().now()).await.unwrap();
        let instances = tx.instances().await.unwrap();
        let running = runs(&mut tx, RunState::Running).await;
        drop(tx);
        store.close().await;
        if !instances.iter().any(|instance| !gone.contains(&instance.id)) {
            return Err(format!("nobody new is on record, but {} instances", instances.len()));
        }
        let alone = !store.is_postgres();
        assert!(!alone || instances.len() == 1, "on record: {instances:?}");
        let of_the_dead = |run: &&Run| run.instance.as_ref().is_none_or(|instance| gone.contains(instance));
        match running.iter().find(of_the_dead) {
            Some(run) if alone => panic!("run {} runs in the name of the dead", run.id),
            Some(run) => Err(format!("run {} still runs in the name of the dead", run.id)),
            None => Ok(()),
        }
    }

    /// Waits until source, database and these shops agree, with nothing under way that a death began.
    pub(super) async fn settled(&self, daemon: &mut Daemon, shops: &[(&str, &str, &str)]) {
        self.until(daemon, async || {
            self.shops_are_in_line(shops)?;
            let store = self.open().await.ok_or("there is no database")?;
            let mut tx = store.read(Clock::system().now()).await.unwrap();
            let agreed = self.database_agrees(&mut tx, shops).await;
            drop(tx);
            store.close().await;
            agreed
        })
        .await;
    }

    fn shops_are_in_line(&self, shops: &[(&str, &str, &str)]) -> Result<(), String> {
        let wanted = self.wanted();
        for (shop, _, place) in shops {
            let listings = self.fake.listings(place);
            let listed: BTreeMap<String, (String, i64)> = listings
                .iter()
                .map(|listing| {
                    let text = |key: &str| listing[key].as_str().unwrap().to_owned();
                    (text("sku"), (text("price"), listing["stock"].as_i64().unwrap()))
                })
                .collect();
            assert_eq!(listings.len(), wanted.len(), "{shop}: a listing was lost or doubled");
            if let Some((sku, want)) = wanted.iter().find(|(sku, want)| listed.get(sku) != Some(want)) {
                return Err(format!("{shop}: {sku} is {:?}, and should be {want:?}", listed.get(sku)));
            }
        }
        Ok(())
    }

    async fn database_agrees(&self, tx: &mut Tx, shops: &[(&str, &str, &str)]) -> Result<(), String> {
        let stored: Vec<(String, (String, i64))> = tx
            .variants(None, MANY)
            .await
            .unwrap()
            .into_iter()
            .map(|row| {
                let price = row.variant.prices.first().map(|price| format!("{:.2}", price.amount));
                (row.variant.sku.to_string(), (price.unwrap_or_default(), row.variant.stock.unwrap_or_default()))
            })
            .collect();
        if stored.iter().collect::<BTreeSet<_>>() != self.wanted().iter().collect() {
            return Err("the source's products are not all read".to_owned());
        }
        assert_eq!(stored.len(), self.wanted().len(), "every product stands there once");
        for (shop, account, _) in shops {
            let id = shop.parse().unwrap();
            let differences = tx.differences(&id, None, MANY).await.unwrap().len();
            let live = tx.live_listings(&id).await.unwrap();
            if differences > 0 || live != stored.len() as u64 {
                return Err(format!("{shop}: {differences} differences among {live} listings"));
            }
            let authorizations = tx.authorizations().await.unwrap();
            let own: Vec<_> = authorizations.iter().filter(|given| given.account.account == *account).collect();
            let [given] = own[..] else { return Err(format!("{shop}: {} authorizations", own.len())) };
            if given.state != AuthorizationState::Active || given.intent.is_some() {
                return Err(format!("{shop}: {:?}, {:?}, {:?}", given.state, given.why, given.intent));
            }
        }
        Ok(())
    }

    /// Waits until everybody who is reminded has been, and nobody is owed anything.
    pub(super) async fn mails_sent(&self, daemon: &mut Daemon) {
        self.until(daemon, async || {
            let store = self.open().await.ok_or("there is no database")?;
            let mails = store.read(Clock::system().now()).await.unwrap().mails(None, MANY).await.unwrap();
            store.close().await;
            let is_reminder = |mail: &&Mail| mail.kind == MailKind::Reminder && mail.state == MailState::Sent;
            let reminded: Vec<&str> = mails.iter().filter(is_reminder).map(|mail| mail.recipient.as_str()).collect();
            assert!(reminded.len() <= REMINDED.len(), "somebody was reminded twice: {reminded:?}");
            let owed = mails.iter().filter(|mail| mail.state == MailState::Owed).count();
            if owed == 0 && reminded.iter().copied().collect::<BTreeSet<_>>() == REMINDED.into() {
                return Ok(());
            }
            Err(format!("{owed} mails are owed, and {reminded:?} were reminded"))
        })
        .await;
    }

    /// All runs since the beginning, the oldest first.
    pub(super) async fn all_runs(&self) -> Vec<Run> {
        let Some(store) = self.open().await else { return Vec::new() };
        let mut tx = store.read(Clock::system().now()).await.unwrap();
        let mut runs = tx.runs(&RunFilter::default(), MANY).await.unwrap();
        drop(tx);
        store.close().await;
        runs.reverse();
        runs
    }
}

async fn runs(tx: &mut Tx, state: RunState) -> Vec<Run> {
    tx.runs(&RunFilter { state: Some(state), ..RunFilter::default() }, MANY).await.unwrap()
}

async fn one_run_at_a_time(tx: &mut Tx) {
    let mut open = BTreeSet::new();
    for state in [RunState::Available, RunState::Running, RunState::Retryable] {
        for run in runs(tx, state).await {
            let of = (run.shop.map(|shop| shop.to_string()), run.job);
            assert!(open.insert(of.clone()), "two unfinished runs of {of:?}");
        }
    }
}

/// Every schedule has an instant, or something that holds it; and all shops have theirs, or none has.
async fn every_schedule_goes_on(tx: &mut Tx) {
    let schedules = tx.schedules(None).await.unwrap();
    for row in schedules.iter().filter(|row| row.period != Period::None) {
        assert!(row.next_due_at.is_some() || row.held_by.is_some(), "a schedule stands still: {row:?}");
    }
    for (shop, _, _) in SHOPS.iter().filter(|_| !schedules.is_empty()) {
        let of_shop = schedules.iter().filter(|row| row.shop.as_ref().is_some_and(|id| id.as_str() == *shop));
        assert_eq!(of_shop.count(), JobKind::OF_SHOPS.len(), "{shop}: a schedule is missing");
    }
}
