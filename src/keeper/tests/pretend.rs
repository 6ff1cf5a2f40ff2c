//! A small marketplace and a daemon's database around the keeper, for the tests of whoever uses it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp, ToSpan, civil, tz::TimeZone};
use tokio::sync::Notify;
use url::Url;

use crate::{
    channels::{
        Abilities, About, Access, Acted, AuthorizationKind, Callback, Channel, ChannelError, Consent, Credentials,
        From as PullFrom, Grant, Identity, News, OwnersEnd, Page as ListingPage, Place, PushResult, RawWebhook,
        ShopStatus, Start, Tokens, Webhook, WebhookFault,
    },
    clock::Clock,
    domain::{
        Authorization, EndSource, Ending, Failure, Hold, InstanceId, JobKind, Period, Run, Shop, ShopId, Trigger,
        plan::Change,
        reminder::Ladder,
        wanted::{Retire, Rules},
    },
    keeper::{By, ConsentError, Consented, Page, ShopBook, ShopEntry, TokenKeeper, settle_holds},
    mail::{Language, Sender},
    notices::{People, Recipient, SharedPeople, ShopPeople},
    secrets::{Sealer, Secret},
    store::{InstanceRow, RunFilter, Store, Tx, WantedSchedule, WantedShop},
};

pub(crate) const DAY: SignedDuration = SignedDuration::from_hours(24);

static ABILITIES: Abilities = Abilities {
    authorization: AuthorizationKind::Consent,
    export: &[],
    remembered: &[],
    create: false,
    retire: &[],
    periods: &[],
    push_batch: 1,
    remembered_shared: false,
    remembered_batch: 1,
    changes_are_full: false,
};

/// What becomes of the next exchange.
pub(crate) enum Next {
    /// The token is spent, the answer is lost.
    LoseReply,
    /// The token is spent, and the answer is a page that says nothing of tokens.
    SpoilReply,
    /// It is not acted upon, and not answered either.
    Silent,
    /// It is not acted upon.
    Unreachable,
    /// It is answered by a page that says nothing of tokens; it is not acted upon.
    OutOfOrder,
    /// It is refused.
    Refuse(Failure),
    /// It waits until told, then goes on.
    Wait(Arc<Notify>, Arc<Notify>),
}

/// What the marketplace knows.
pub(crate) struct Market {
    /// Our app, as the settings name it.
    pub(crate) app: String,
    /// The apps of single stalls, where they differ.
    pub(crate) apps: BTreeMap<String, String>,
    /// Whether they all have the same credentials.
    pub(crate) one_client: bool,
    /// Stalls that are not what the settings say of them.
    pub(crate) unlike: BTreeSet<String>,
    pub(crate) account: String,
    pub(crate) covers: BTreeSet<String>,
    /// Accounts that a consent grants beside `account`, with what they cover.
    pub(crate) more: BTreeMap<String, BTreeSet<String>>,
    /// Accounts of which it does not tell what they cover.
    pub(crate) silent_about: BTreeSet<String>,
    /// How often it does not tell at all what a consent covers, before it does.
    pub(crate) silent_for: Option<u32>,
    /// Which place of an account a stall is, where the settings do not tell: stall to place.
    pub(crate) places: BTreeMap<String, String>,
    pub(crate) ends_at: Option<Timestamp>,
    pub(crate) script: VecDeque<Next>,
    pub(crate) probe: Option<Failure>,
    /// Answers nobody, and does nothing either.
    pub(crate) silent: bool,
    /// The end that a probe tells.
    pub(crate) probe_ends: Option<Ending>,
    /// Whether the last spent token may be spent once more after a lost reply.
    pub(crate) repeats: bool,
    pub(crate) end: OwnersEnd,
    pub(crate) may_lack_state: bool,
    pub(crate) proves_account: bool,
    pub(crate) account_outlives_app: bool,
    /// The next exchange says that it has begun, and goes on when told.
    pub(crate) exchange_waits: Option<(Arc<Notify>, Arc<Notify>)>,
    /// Until when our rate of questions about what a permission covers is used up.
    pub(crate) identifies_at: Option<Timestamp>,
    /// Whether what it grants can be renewed.
    pub(crate) renewable: bool,
    pub(crate) refreshes: u32,
    pub(crate) probes: u32,
    pub(crate) exchanges: u32,
    /// Refresh tokens spent, with how often.
    pub(crate) spent: BTreeMap<String, u32>,
    minted: u32,
    now: Clock,
}

impl Market {
    fn mint(&mut self) -> Grant {
        self.minted += 1;
        let now = self.now.now();
        Grant {
            tokens: Tokens {
                access_token: Secret::new(format!("access-{}", self.minted)),
                refresh_token: self.renewable.then(|| Secret::new(format!("refresh-{}", self.minted))),
            },
            account: self.account.clone(),
            account_name: Some(format!("Seller {}", self.account)),
            access_token_ends_at: now + SignedDuration::from_hours(4),
            refresh_token_ends_at: None,
            ends: self.ends_at.map(|at| Ending { at, source: EndSource::Told }),
        }
    }

    pub(crate) fn access_token(&self) -> String {
        format!("access-{}", self.minted)
    }
}

pub(crate) type Shared = Arc<Mutex<Market>>;

struct Stall {
    place: String,
    market: Shared,
}

pub(crate) fn failed(failure: Failure) -> ChannelError {
    ChannelError {
        text: format!("the market says {failure:?}"),
        failure,
        remedy: String::new(),
        request_id: None,
        acted: Acted::No,
    }
}

fn unavailable(acted: Acted) -> ChannelError {
    ChannelError { acted, ..failed(Failure::Unavailable { retry_at: None }) }
}

#[async_trait]
impl Channel for Stall {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn place_of(&self, account: &str) -> String {
        let market = self.market.lock().unwrap();
        market.places.get(&self.place).map_or_else(|| self.place(), |place| format!("{place} of {account}"))
    }

    async fn probe(&self, access: &Access) -> Result<ShopStatus, ChannelError> {
        let mut market = self.market.lock().unwrap();
        market.probes += 1;
        if market.silent {
            return Err(unavailable(Acted::Unheard));
        }
        if let Some(failure) = market.probe.clone() {
            return Err(failed(failure));
        }
        if access.token.as_ref().is_none_or(|token| token.expose() != market.access_token()) {
            return Err(failed(Failure::TokenRejected));
        }
        Ok(ShopStatus { name: Some("the stall".into()), ends: market.probe_ends })
    }

    async fn pull(&self, _: &Access, _: &PullFrom) -> Result<ListingPage, ChannelError> {
        Ok(ListingPage::default())
    }

    async fn push(&self, _: &Access, _: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
        Ok(Vec::new())
    }

    /// A stall called `free` needs no permission.
    fn consent(&self) -> Option<&dyn Consent> {
        (self.place != "free").then_some(self)
    }
}

#[async_trait]
impl Consent for Stall {
    fn app(&self) -> String {
        let market = self.market.lock().unwrap();
        market.apps.get(&self.place).unwrap_or(&market.app).clone()
    }

    fn credentials(&self) -> Credentials {
        let (app, one_client) = (self.app(), self.market.lock().unwrap().one_client);
        let keys = if app == "other" { ["other_id", "other_secret"] } else { ["client_id", "client_secret"] };
        Credentials { client: if one_client { "client".into() } else { app }, keys }
    }

    fn link(&self, state: &str) -> Url {
        let mut url = Url::parse("https://market.example/consent").unwrap();
        url.query_pairs_mut().append_pair("state", state);
        url
    }

    /// `at`: the stall at which the owner agreed, and which alone takes it. Stall `b` knows nothing of such callbacks.
    fn looks_familiar(&self, query: &[(String, String)]) -> bool {
        self.place != "b" || !query.iter().any(|(key, _)| key == "at")
    }

    fn read_callback(&self, query: &[(String, String)]) -> Result<Callback, ChannelError> {
        let get = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        if let Some(at) = get("at").filter(|at| *at != self.place) {
            let text = format!("the callback is of stall {at}, not of {}", self.place);
            return Err(ChannelError { text, ..failed(Failure::Rejected) });
        }
        match get("code") {
            Some(code) => Ok(Callback { code: Secret::new(code), state: get("state"), subject: None }),
            None => Err(failed(Failure::AuthorizationEnded { why: "the owner refused".into() })),
        }
    }

    async fn exchange(&self, _: &Callback) -> Result<Vec<Grant>, ChannelError> {
        let waits = self.market.lock().unwrap().exchange_waits.take();
        if let Some((begun, go_on)) = waits {
            begun.notify_one();
            go_on.notified().await;
        }
        let mut market = self.market.lock().unwrap();
        market.exchanges += 1;
        let mut grants = vec![market.mint()];
        for account in market.more.keys().cloned().collect::<Vec<_>>() {
            grants.push(Grant { account, account_name: None, ..market.mint() });
        }
        Ok(grants)
    }

    async fn refresh(&self, spent: &Tokens, _: &str) -> Result<Grant, ChannelError> {
        let token = spent.refresh_token.as_ref().unwrap().expose().to_owned();
        let next = {
            let mut market = self.market.lock().unwrap();
            market.refreshes += 1;
            if market.silent {
                return Err(unavailable(Acted::Unheard));
            }
            market.script.pop_front()
        };
        let mut lost = None;
        match next {
            Some(Next::Silent) => return Err(unavailable(Acted::Unheard)),
            Some(Next::Unreachable) => return Err(unavailable(Acted::No)),
            Some(Next::OutOfOrder) => return Err(unavailable(Acted::Unclear)),
            Some(Next::Refuse(failure)) => return Err(failed(failure)),
            Some(Next::LoseReply) => lost = Some(Acted::Unheard),
            Some(Next::SpoilReply) => lost = Some(Acted::Unclear),
            Some(Next::Wait(begun, go_on)) => {
                begun.notify_one();
                go_on.notified().await;
            }
            None => {}
        }
        let mut market = self.market.lock().unwrap();
        let times = *market.spent.entry(token.clone()).and_modify(|times| *times += 1).or_insert(1);
        if times > 1 && !(times == 2 && market.repeats) {
            return Err(failed(Failure::AuthorizationEnded { why: "this refresh token was used".into() }));
        }
        let grant = market.mint();
        lost.map_or(Ok(grant), |acted| Err(unavailable(acted)))
    }

    async fn identify(&self, grant: &Grant) -> Result<Identity, ChannelError> {
        let mut market = self.market.lock().unwrap();
        if let Some(times) = &mut market.silent_for {
            *times = times.checked_sub(1).unwrap_or_default();
            if *times > 0 {
                return Err(failed(Failure::Unavailable { retry_at: None }));
            }
        }
        if let Some(until) = market.identifies_at {
            let text = "the rate limit of market shops is used up".to_owned();
            return Err(ChannelError { text, ..failed(Failure::Throttled { until }) });
        }
        if market.silent_about.contains(&grant.account) {
            return Err(failed(Failure::Unavailable { retry_at: None }));
        }
        let covers = market.more.get(&grant.account).unwrap_or(&market.covers);
        let place = |id: &String| Place {
            id: id.clone(),
            name: format!("Stall {id} ({id})"),
            data: serde_json::json!({ "cipher": id }),
        };
        Ok(Identity { places: covers.iter().map(place).collect(), ends: None })
    }

    fn check_place(&self, place: &Place) -> Result<(), ChannelError> {
        if self.market.lock().unwrap().unlike.contains(&place.id) {
            let text = format!("stall {} is not what the settings say", place.id);
            return Err(ChannelError { text, ..failed(Failure::Rejected) });
        }
        Ok(())
    }

    /// `?for=ACCOUNT`, or `?of=STALL` for one stall alone.
    fn start(&self, query: &[(String, String)], state: &str) -> Result<Option<Start>, ChannelError> {
        let get = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let go = Url::parse(&format!("https://market.example/begun?state={state}")).unwrap();
        match (get("for"), get("of")) {
            (None, None) => Err(failed(Failure::Rejected)),
            (_, Some(stall)) if stall != self.place => Ok(None),
            (account, _) => Ok(Some(Start { go, account })),
        }
    }

    /// Signed with a word; the body names an account or a stall.
    fn read_webhook(&self, request: &RawWebhook) -> Result<Webhook, WebhookFault> {
        if request.header("signature") != Some("good") {
            return Err(WebhookFault::Forged);
        }
        let body: serde_json::Value =
            serde_json::from_slice(&request.body).map_err(|error| WebhookFault::Unreadable(error.to_string()))?;
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let about = text("account").map(About::Account).or(text("place").map(About::Place));
        let ends = text("ends").map(|at| Ending { at: at.parse().unwrap(), source: EndSource::Told });
        let news = about.map(|about| News { about, ends }).into_iter().collect();
        Ok(Webhook {
            id: text("id").unwrap(),
            kind: "news".into(),
            said_at: text("said_at").map(|at| at.parse().unwrap()),
            news,
        })
    }

    fn may_lack_state(&self) -> bool {
        self.market.lock().unwrap().may_lack_state
    }

    fn proves_account(&self) -> bool {
        self.market.lock().unwrap().proves_account
    }

    fn account_outlives_app(&self) -> bool {
        self.market.lock().unwrap().account_outlives_app
    }

    fn end(&self) -> OwnersEnd {
        self.market.lock().unwrap().end
    }
}

/// A daemon's parts, without the daemon.
pub(crate) struct Bench {
    pub(crate) keeper: TokenKeeper,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) sealer: Sealer,
    pub(crate) market: Shared,
    pub(crate) people: SharedPeople,
    _dir: tempfile::TempDir,
}

pub(crate) fn shop(id: &str) -> ShopId {
    id.parse().unwrap()
}

pub(crate) fn start() -> Timestamp {
    "2026-01-10T12:00:00Z".parse().unwrap()
}

impl Bench {
    /// Shops `a`, `b` and so on, each at the place of its own name, all with this period of the refresh job.
    pub(crate) async fn new(shops: &[&str], refresh: Period) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:test.db", dir.path()).await.unwrap();
        let clock = Clock::manual(start());
        let market = Arc::new(Mutex::new(Market {
            app: "app".into(),
            apps: BTreeMap::new(),
            one_client: false,
            unlike: BTreeSet::new(),
            account: "seller-1".into(),
            covers: shops.iter().map(|id| (*id).to_owned()).collect(),
            ends_at: Some(start() + DAY * 365),
            script: VecDeque::new(),
            more: BTreeMap::new(),
            silent_about: BTreeSet::new(),
            silent_for: None,
            places: BTreeMap::new(),
            probe: None,
            silent: false,
            probe_ends: None,
            repeats: true,
            end: OwnersEnd::Told,
            may_lack_state: true,
            proves_account: true,
            account_outlives_app: false,
            exchange_waits: None,
            identifies_at: None,
            renewable: true,
            refreshes: 0,
            probes: 0,
            exchanges: 0,
            spent: BTreeMap::new(),
            minted: 0,
            now: clock.clone(),
        }));
        let jobs = BTreeMap::from([
            (JobKind::AuthorizationRefresh, refresh),
            (JobKind::ProductImport, Period::Every(SignedDuration::from_hours(1))),
            (JobKind::ProductExport, Period::Every(SignedDuration::from_hours(1))),
        ]);
        let entries = shops.iter().map(|id| entry(id, &jobs, &market));
        let page = Page { public_url: Url::parse("http://127.0.0.1:8420").unwrap(), loopback: true };
        let book = ShopBook::new(page, entries);
        let sealer = Sealer::parse(&Sealer::generate()).unwrap();
        let people = people(shops);
        let holder = InstanceId("one".into());
        let keeper = TokenKeeper::new(store.clone(), clock.clone(), sealer.clone(), book, people.clone(), holder);
        let bench = Self { keeper, store, clock, sealer, market, people, _dir: dir };
        bench.sync(shops, &jobs).await;
        bench
    }

    /// The keeper of another instance on the same database.
    pub(crate) fn another(&self) -> TokenKeeper {
        self.keeper_as("two")
    }

    /// From now on with these keys, as after a start with other ones.
    pub(crate) fn seal_with(&mut self, sealer: Sealer) {
        self.sealer = sealer;
        self.keeper = self.keeper_as("one");
    }

    fn keeper_as(&self, instance: &str) -> TokenKeeper {
        let (store, clock, sealer) = (self.store.clone(), self.clock.clone(), self.sealer.clone());
        let shops = self.keeper.shops().clone();
        TokenKeeper::new(store, clock, sealer, shops, self.people.clone(), InstanceId(instance.into()))
    }

    async fn sync(&self, shops: &[&str], jobs: &BTreeMap<JobKind, Period>) {
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        for id in ["one", "two"] {
            let instance = InstanceRow {
                id: InstanceId(id.into()),
                version: "0".into(),
                started_at: tx.now,
                beat: 0,
                settings_digest: String::new(),
                standing_by: false,
                dead: false,
                settings_error: None,
            };
            tx.add_instance(&instance).await.unwrap();
        }
        self.sync_shops(&mut tx).await;
        let mut schedules: Vec<WantedSchedule> = shops
            .iter()
            .flat_map(|id| {
                jobs.iter().map(|(job, period)| WantedSchedule {
                    shop: Some(shop(id)),
                    job: *job,
                    period: period.clone(),
                })
            })
            .collect();
        for job in JobKind::OF_DAEMON {
            schedules.push(WantedSchedule { shop: None, job, period: Period::Every(DAY) });
        }
        tx.sync_schedules(&schedules).await.unwrap();
        for id in shops {
            let entry = self.keeper.shops().get(&shop(id)).unwrap();
            settle_holds(&mut tx, &entry).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// The owner consents in a browser.
    pub(crate) async fn consent(&self, id: &str) -> Result<Consented, ConsentError> {
        let state = self.begin(id, Some("browser")).await;
        self.finish(&state, Some("browser")).await
    }

    /// The same, while so much time passes as it takes.
    pub(crate) async fn consent_in_time(&self, id: &str) -> Result<Consented, ConsentError> {
        super::in_time(&self.clock, self.consent(id)).await
    }

    /// The database does not answer for authorizations, or does again.
    pub(crate) async fn set_authorizations_away(&self, away: bool) {
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        tx.set_authorizations_away(away).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn sync_shops(&self, tx: &mut Tx) {
        let wanted = |entry: &Arc<ShopEntry>| WantedShop {
            id: entry.shop.id.clone(),
            channel: entry.shop.channel.clone(),
            name: entry.shop.name.clone(),
            place: entry.shop.id.to_string(),
            app: entry.app(),
        };
        tx.sync_shops(&self.keeper.shops().all().iter().map(wanted).collect::<Vec<_>>()).await.unwrap();
    }

    /// Holds anew, as after a reload.
    pub(crate) async fn settle(&self, id: &str) {
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        self.sync_shops(&mut tx).await;
        settle_holds(&mut tx, &self.keeper.shops().get(&shop(id)).unwrap()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What the channel noted about the place of a shop.
    pub(crate) async fn place(&self, id: &str) -> serde_json::Value {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        tx.shop(&shop(id)).await.unwrap().unwrap().place_data
    }

    /// Begins a consent and returns its state.
    pub(crate) async fn begin(&self, id: &str, browser: Option<&str>) -> String {
        let url = self.keeper.begin_consent(&shop(id), browser).await.unwrap();
        url.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned()
    }

    pub(crate) async fn finish(&self, state: &str, browser: Option<&str>) -> Result<Consented, ConsentError> {
        self.finish_at(&self.keeper, state, browser).await
    }

    pub(crate) async fn finish_at(
        &self,
        keeper: &TokenKeeper,
        state: &str,
        browser: Option<&str>,
    ) -> Result<Consented, ConsentError> {
        let query = [("code".to_owned(), "code-1".to_owned()), ("state".to_owned(), state.to_owned())];
        let a = shop("a");
        let by = browser.map_or(By::CommandLine(&a), |cookie| By::Browser { cookie: Some(cookie), signed_in: false });
        keeper.finish_consent(&"market".into(), &query, by).await
    }

    /// A bench with shop `a` (or several) authorized, and the runs that follow from it gone.
    pub(crate) async fn authorized(shops: &[&str]) -> Self {
        let bench = Self::new(shops, Period::Every(SignedDuration::from_mins(30))).await;
        bench.consent(shops[0]).await.unwrap();
        bench.clear_runs(shops).await;
        bench
    }

    pub(crate) async fn clear_runs(&self, shops: &[&str]) {
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        for id in shops {
            tx.cancel_waiting(&shop(id), None).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    pub(crate) async fn authorization(&self, id: &str) -> Option<Authorization> {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        let number = tx.shop(&shop(id)).await.unwrap().unwrap().authorization?;
        tx.authorization(number).await.unwrap()
    }

    /// Unfinished runs of shops, oldest first, with why they came to be.
    pub(crate) async fn waiting(&self, id: &str) -> Vec<(JobKind, Trigger)> {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        let filter = RunFilter { shop: Some(shop(id)), ..RunFilter::default() };
        let mut runs: Vec<Run> = tx.runs(&filter, 100).await.unwrap();
        runs.reverse();
        runs.into_iter().filter(|run| !run.state.is_final()).map(|run| (run.job, run.trigger)).collect()
    }

    pub(crate) async fn holds(&self, id: &str) -> Vec<Option<Hold>> {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        let schedules = tx.schedules(Some(&shop(id))).await.unwrap();
        JobKind::OF_SHOPS
            .iter()
            .map(|job| schedules.iter().find(|schedule| schedule.job == *job).unwrap().held_by)
            .collect()
    }

    /// The instant at which the refresh job was asked to look, whatever its grid says.
    pub(crate) async fn next_look(&self, id: &str) -> Option<Timestamp> {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        let schedules = tx.schedules(Some(&shop(id))).await.unwrap();
        schedules.iter().find(|schedule| schedule.job == JobKind::AuthorizationRefresh).unwrap().early_at
    }

    /// The kinds of all mails.
    pub(crate) async fn mails(&self) -> Vec<String> {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        let mut kinds: Vec<String> =
            tx.mails(None, 100).await.unwrap().into_iter().map(|mail| mail.kind.to_string()).collect();
        kinds.sort();
        kinds
    }

    /// What owed mails about obstacles would say.
    pub(crate) async fn obstacles(&self) -> Vec<String> {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        let mut told = Vec::new();
        for mail in
            tx.mails(None, 100).await.unwrap().into_iter().filter(|mail| mail.kind == crate::domain::MailKind::Reminder)
        {
            let letter = crate::notices::letter(&mut tx, &self.people.load(), &mail).await.unwrap();
            if let Some((crate::mail::Letter::Obstacles(all), _)) = letter {
                for one in all {
                    let names: Vec<_> = one.shops.iter().map(|shop| shop.name.as_str()).collect();
                    told.push(format!("{}: {:?}", names.join(", "), one.obstacle));
                }
            }
        }
        told
    }

    /// Moves the page elsewhere.
    pub(crate) fn replace_page(&self, page: Page) {
        let shops = self.keeper.shops();
        let entries = shops.all().into_iter().map(|known| entry(known.shop.id.as_str(), &known.jobs, &self.market));
        shops.replace(page, entries.collect::<Vec<_>>());
    }

    /// Leaves these shops in the settings.
    pub(crate) fn replace_shops(&self, shops: &[&str]) {
        let book = self.keeper.shops();
        let known = book.all().into_iter().filter(|known| shops.contains(&known.shop.id.as_str()));
        let entries: Vec<_> = known.map(|known| entry(known.shop.id.as_str(), &known.jobs, &self.market)).collect();
        book.replace(book.page(), entries);
    }

    pub(crate) fn market(&self) -> std::sync::MutexGuard<'_, Market> {
        self.market.lock().unwrap()
    }
}

fn entry(id: &str, jobs: &BTreeMap<JobKind, Period>, market: &Shared) -> ShopEntry {
    ShopEntry {
        shop: Shop { id: shop(id), channel: "market".into(), name: format!("Shop {id}") },
        channel: Arc::new(Stall { place: id.to_owned(), market: Arc::clone(market) }),
        abilities: &ABILITIES,
        rules: rules(),
        own: serde_json::Map::new(),
        jobs: jobs.clone(),
        full_import: Period::None,
        match_barcode: false,
        is_source: false,
        has_source: true,
    }
}

fn rules() -> Rules {
    Rules {
        fields: BTreeSet::new(),
        create: false,
        retire: Retire::Keep,
        reserve: 0,
        max: None,
        factor: 1.into(),
        round: None,
        convert: BTreeMap::new(),
        guard_retire: 1.into(),
        guard_price: 1.into(),
    }
}

fn people(shops: &[&str]) -> SharedPeople {
    let owner = Recipient { address: "owner@example.com".into(), language: Language::En };
    let shops = shops
        .iter()
        .map(|id| {
            let known = ShopPeople {
                name: format!("Shop {id}"),
                channel_title: "Market".into(),
                recipients: vec![owner.clone()],
            };
            (shop(id), known)
        })
        .collect();
    Arc::new(arc_swap::ArcSwap::from_pointee(People {
        shops,
        names: BTreeMap::new(),
        operator: vec![Recipient { address: "ops@example.com".into(), language: Language::En }],
        ladder: Ladder {
            start: 1.month(),
            every: 1.week(),
            extra: Vec::new(),
            at: civil::time(8, 0, 0, 0),
            zone: TimeZone::UTC,
        },
        language: Language::En,
        sender: Sender::parse("shops@example.com").unwrap(),
        link: Arc::new(|shop, _| Url::parse(&format!("http://127.0.0.1:8420/authorize/{shop}")).unwrap().into()),
        command: "shopsyncd".to_owned(),
        app_secrets: Vec::new(),
    }))
}
