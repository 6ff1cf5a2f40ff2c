//! A certified OAuth server judges the keeper: consent, renewal, replay, refusal and revocation by its own rules.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use arc_swap::ArcSwap;
use jiff::SignedDuration;
use shopsyncd::{
    channels::{Abilities, Access, AuthorizationKind, Tokens},
    clock::Clock,
    config::{Config, ShopConfig},
    daemon::people_of,
    domain::{
        Authorization, AuthorizationState, ChannelName, Failure, Hold, InstanceId, JobKind, Period, Shop, ShopId,
    },
    http::Http,
    keeper::{By, ConsentError, Consented, KeeperError, Page, ShopBook, ShopEntry, TokenKeeper, settle_holds},
    mail::Language,
    notices::{People, Recipient, ShopPeople},
    secrets::Sealer,
    store::{InstanceRow, Store, WantedSchedule, WantedShop},
};

use super::{
    market::Market,
    owner::Owner,
    server::{Counts, OAuthServer, SECRET},
};
use crate::world::Between;

/// As long as the server lets an access token live, and longer.
const LATER: SignedDuration = SignedDuration::from_mins(6);

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

/// A daemon's parts around the keeper, and the server before which it stands. Their clocks move together.
struct Bench {
    server: OAuthServer,
    between: Between,
    owner: Owner,
    keeper: TokenKeeper,
    store: Store,
    clock: Clock,
    secret: Arc<Mutex<String>>,
    granted: Arc<Mutex<Option<Tokens>>>,
    _dir: tempfile::TempDir,
}

fn shop() -> ShopId {
    "stall".parse().unwrap()
}

fn channel() -> ChannelName {
    "peer".into()
}

impl Bench {
    /// `None`: the server is not installed.
    async fn new() -> Option<Self> {
        let server = OAuthServer::start().await?;
        let between = Between::start(&server.url).await;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:test.db", dir.path()).await.unwrap();
        let clock = Clock::manual(Clock::system().now());
        let (secret, granted) = (Arc::new(Mutex::new(SECRET.to_owned())), Arc::default());
        let market = Market {
            http: Http::new(Clock::system()),
            clock: clock.clone(),
            pages: server.url.clone(),
            tokens: between.to(&server.url),
            secret: Arc::clone(&secret),
            granted: Arc::clone(&granted),
        };
        let page = Page { public_url: "http://127.0.0.1:9".parse().unwrap(), loopback: true };
        let people = Arc::new(ArcSwap::from_pointee(people()));
        let (book, one) = (ShopBook::new(page, [entry(market)]), InstanceId("one".into()));
        let sealer = Sealer::parse(&Sealer::generate()).unwrap();
        let keeper = TokenKeeper::new(store.clone(), clock.clone(), sealer, book, people, one.clone());
        let bench =
            Self { server, between, owner: Owner::new("anna"), keeper, store, clock, secret, granted, _dir: dir };
        bench.record(one).await;
        Some(bench)
    }

    /// A bench whose owner has consented.
    async fn authorized() -> Option<Self> {
        let mut bench = Self::new().await?;
        bench.consent(true).await.unwrap();
        Some(bench)
    }

    /// What a daemon records at its start.
    async fn record(&self, instance: InstanceId) {
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        let (version, settings_digest) = (String::new(), String::new());
        let row = InstanceRow {
            id: instance,
            version,
            started_at: tx.now,
            beat: 0,
            settings_digest,
            standing_by: false,
            dead: false,
            settings_error: None,
        };
        tx.add_instance(&row).await.unwrap();
        let entry = self.keeper.shops().get(&shop()).unwrap();
        let (name, place, app) = ("Stall".into(), "everything".into(), entry.app());
        tx.sync_shops(&[WantedShop { id: shop(), channel: channel(), name, place, app }]).await.unwrap();
        let of_shop = entry.jobs.iter().map(|(job, period)| (Some(shop()), *job, period.clone()));
        let of_daemon = JobKind::OF_DAEMON.map(|job| (None, job, Period::Every(SignedDuration::from_hours(24))));
        let schedules: Vec<_> =
            of_shop.chain(of_daemon).map(|(shop, job, period)| WantedSchedule { shop, job, period }).collect();
        tx.sync_schedules(&schedules).await.unwrap();
        settle_holds(&mut tx, &entry).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The owner goes the whole way: our link, the server's pages, and back.
    async fn consent(&mut self, agrees: bool) -> Result<Consented, ConsentError> {
        let link = self.keeper.begin_consent(&shop(), Some("browser")).await.unwrap();
        let query = self.owner.decides(&link, agrees).await;
        let by = By::Browser { cookie: Some("browser"), signed_in: false };
        self.keeper.finish_consent(&channel(), &query, by).await
    }

    /// Time passes, here and there.
    async fn later(&self) {
        self.clock.advance(LATER);
        self.server.advance(LATER).await;
    }

    /// Calls with the token that the keeper hands out, as jobs do: what the server calls its user.
    async fn call(&self) -> Result<Option<String>, KeeperError> {
        let entry = self.keeper.shops().get(&shop()).unwrap();
        let channel = &entry.channel;
        let status = self
            .keeper
            .call(&shop(), JobKind::AuthorizationRefresh, |access| async move { channel.probe(&access).await })
            .await?;
        Ok(status.name)
    }

    /// Whether the server still takes this token.
    async fn takes(&self, access: &Access) -> bool {
        let entry = self.keeper.shops().get(&shop()).unwrap();
        match entry.channel.probe(access).await {
            Ok(_) => true,
            Err(error) if error.failure == Failure::TokenRejected => false,
            Err(error) => panic!("{error}"),
        }
    }

    async fn authorization(&self) -> Option<Authorization> {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        let number = tx.shop(&shop()).await.unwrap().unwrap().authorization?;
        tx.authorization(number).await.unwrap()
    }

    async fn state(&self) -> (AuthorizationState, String) {
        let authorization = self.authorization().await.unwrap();
        (authorization.state, authorization.why.unwrap_or_default())
    }

    async fn alarm(&self) -> Option<String> {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        tx.app_alarm(&shop()).await.unwrap().map(|alarm| alarm.why)
    }

    /// The kinds of all mails that are owed.
    async fn mails(&self) -> Vec<String> {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        let mut kinds: Vec<_> =
            tx.mails(None, 100).await.unwrap().into_iter().map(|mail| mail.kind.to_string()).collect();
        kinds.sort();
        kinds
    }
}

fn entry(market: Market) -> ShopEntry {
    let hourly = Period::Every(SignedDuration::from_hours(1));
    ShopEntry {
        shop: Shop { id: shop(), channel: channel(), name: "Stall".into() },
        channel: Arc::new(market),
        abilities: &ABILITIES,
        rules: ShopConfig::default_rules(),
        own: serde_json::Map::new(),
        jobs: JobKind::OF_SHOPS.map(|job| (job, hourly.clone())).into(),
        full_import: Period::None,
        is_source: false,
        match_barcode: false,
        has_source: true,
    }
}

fn people() -> People {
    let known = |address: &str| vec![Recipient { address: address.into(), language: Language::En }];
    let stall =
        ShopPeople { name: "Stall".into(), channel_title: "Peer".into(), recipients: known("anna@example.com") };
    People {
        shops: BTreeMap::from([(shop(), stall)]),
        names: BTreeMap::new(),
        operator: known("ops@example.com"),
        ..people_of(&Config::default()).unwrap()
    }
}

fn counts(refreshed: u32, refused: &[&str], revoked: u32) -> Counts {
    Counts { refreshed, refused: refused.iter().map(|&why| why.to_owned()).collect(), revoked }
}

#[tokio::test]
async fn a_consent_on_the_servers_own_pages_gives_a_token_that_it_takes() {
    let Some(mut bench) = Bench::new().await else { return };
    let consented = bench.consent(true).await.unwrap();
    assert_eq!(consented.account, "Seller anna (anna)");
    assert_eq!(bench.state().await.0, AuthorizationState::Active);
    assert_eq!(bench.call().await.unwrap().as_deref(), Some("Seller anna"));
    assert_eq!(bench.server.counts().await, counts(0, &[], 0));
}

#[tokio::test]
async fn a_token_that_has_ended_is_renewed_and_the_rotated_pair_is_kept() {
    let Some(bench) = Bench::authorized().await else { return };
    for renewed in 1..=4 {
        let before = bench.keeper.access(&shop()).await.unwrap();
        assert!(bench.takes(&before).await);
        bench.later().await;
        assert!(!bench.takes(&before).await, "the server itself says that it has ended");
        let after = bench.keeper.access(&shop()).await.unwrap();
        assert!(bench.takes(&after).await);
        // A refresh token that was kept wrongly would be refused at the next turn.
        assert_eq!(bench.server.counts().await, counts(renewed, &[], 0));
    }
}

#[tokio::test]
async fn many_at_once_renew_once() {
    let Some(bench) = Bench::authorized().await else { return };
    bench.later().await;
    let all: Vec<_> = (0..24)
        .map(|_| {
            let keeper = bench.keeper.clone();
            tokio::spawn(async move { keeper.access(&shop()).await.unwrap() })
        })
        .collect();
    for access in all {
        assert!(bench.takes(&access.await.unwrap()).await);
    }
    assert_eq!(bench.server.counts().await, counts(1, &[], 0));
}

#[tokio::test]
async fn a_token_that_the_server_no_longer_takes_is_renewed_once_by_the_call_itself() {
    let Some(bench) = Bench::authorized().await else { return };
    // Only the server's clock moves: the keeper thinks that the token is good.
    bench.server.advance(LATER).await;
    assert_eq!(bench.call().await.unwrap().as_deref(), Some("Seller anna"));
    assert_eq!(bench.server.counts().await, counts(1, &[], 0));
}

#[tokio::test]
async fn a_lost_answer_costs_the_grant_and_its_owner_is_asked_with_the_true_reason() {
    let Some(mut bench) = Bench::authorized().await else { return };
    bench.later().await;
    bench.between.swallow_an_answer();
    let lost = bench.keeper.access(&shop()).await.unwrap_err();
    let Failure::Unavailable { retry_at: Some(again) } = lost.failure() else { panic!("{lost}") };
    assert_eq!(bench.server.counts().await, counts(1, &[], 0), "it renewed, and nobody heard");

    // The repetition is not spent before its time.
    bench.keeper.access(&shop()).await.unwrap_err();
    assert_eq!(bench.server.counts().await, counts(1, &[], 0));
    bench.clock.set(again);
    bench.keeper.access(&shop()).await.unwrap_err();
    let replay = "invalid_grant: refresh token already used";
    assert_eq!(bench.server.counts().await, counts(1, &[replay], 1), "the repetition is a replay to it");
    let (state, why) = bench.state().await;
    assert_eq!(state, AuthorizationState::Revoked);
    assert!(why.starts_with("the answer to a renewal of the tokens begun 2"), "{why}");
    assert!(why.contains("never arrived, and the channel refused its repetition: invalid_grant"), "{why}");
    assert_eq!(bench.mails().await, ["ended", "operator"]);

    // Nobody knocks again in vain; the owner's consent mends it.
    let held = bench.keeper.access(&shop()).await.unwrap_err();
    assert!(matches!(held, KeeperError::Held { hold: Hold::Revoked, .. }), "{held}");
    assert_eq!(bench.server.counts().await.refused.len(), 1);
    bench.consent(true).await.unwrap();
    assert_eq!(bench.call().await.unwrap().as_deref(), Some("Seller anna"));
    bench.later().await;
    assert_eq!(bench.call().await.unwrap().as_deref(), Some("Seller anna"), "the new grant renews");
}

#[tokio::test]
async fn an_owner_who_cancels_changes_nothing() {
    let Some(mut bench) = Bench::new().await else { return };
    let declined = bench.consent(false).await.unwrap_err();
    assert!(declined.is_refusal() && declined.to_string().contains("access_denied"), "{declined}");
    assert_eq!(bench.authorization().await, None);
    bench.consent(true).await.unwrap();
    bench.consent(false).await.unwrap_err();
    assert_eq!(bench.call().await.unwrap().as_deref(), Some("Seller anna"), "what was given stands");
}

#[tokio::test]
async fn a_consent_of_somebody_else_changes_nothing() {
    let Some(mut bench) = Bench::authorized().await else { return };
    bench.owner = Owner::new("ben");
    let error = bench.consent(true).await.unwrap_err();
    assert!(matches!(error, ConsentError::OtherAccount { .. }), "{error}");
    assert_eq!(bench.call().await.unwrap().as_deref(), Some("Seller anna"));
}

#[tokio::test]
async fn a_wrong_app_secret_alarms_the_operator_and_costs_no_grant() {
    let Some(bench) = Bench::authorized().await else { return };
    bench.later().await;
    "another secret".clone_into(&mut bench.secret.lock().unwrap());
    let error = bench.keeper.access(&shop()).await.unwrap_err();
    assert!(matches!(error.failure(), Failure::AppCredentialRejected { .. }), "{error}");
    assert!(bench.alarm().await.unwrap().contains("invalid_client"));
    assert_eq!(bench.mails().await, ["operator"], "the owner has nothing to mend");
    let refused = bench.server.counts().await.refused;
    let held = bench.keeper.access(&shop()).await.unwrap_err();
    assert!(matches!(held, KeeperError::Held { hold: Hold::AppAlarm, .. }), "{held}");
    assert_eq!(bench.server.counts().await.refused, refused, "nobody knocks again with it");

    SECRET.clone_into(&mut bench.secret.lock().unwrap());
    bench.keeper.test(&shop()).await.unwrap();
    assert_eq!((bench.alarm().await, bench.state().await.0), (None, AuthorizationState::Active));
    assert_eq!(bench.call().await.unwrap().as_deref(), Some("Seller anna"));
}

#[tokio::test]
async fn a_permission_taken_back_at_the_server_is_noticed_and_a_renewal_brings_it_back() {
    let Some(mut bench) = Bench::authorized().await else { return };
    let token = bench.granted.lock().unwrap().clone().unwrap().refresh_token.unwrap();
    bench.server.revoke(token.expose()).await;
    let error = bench.call().await.unwrap_err();
    assert!(matches!(error.failure(), Failure::AuthorizationEnded { .. }), "{error}");
    let (state, why) = bench.state().await;
    assert_eq!(state, AuthorizationState::Revoked);
    assert!(why.starts_with("invalid_grant"), "{why}");
    assert_eq!(bench.mails().await, ["ended", "operator"]);

    bench.consent(true).await.unwrap();
    assert_eq!(bench.state().await.0, AuthorizationState::Active);
    assert_eq!(bench.call().await.unwrap().as_deref(), Some("Seller anna"));
}
