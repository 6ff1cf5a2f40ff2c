//! Many authorizations whose tokens end in the same minute, kept by the real keeper and scheduler, by a clock that is moved by hand.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use shopsyncd::{
    channels::{
        Abilities, Access, AuthorizationKind, Callback, Channel, ChannelError, Consent, Grant, Identity, OwnersEnd,
        Place, ShopStatus, Tokens,
    },
    clock::Clock,
    domain::{Account, AuthorizationId, JobKind, Period, ShopId},
    jobs,
    mail::{Mailer, MailerBook},
    scheduler::Scheduler,
    secrets::{Sealer, Secret},
    store::{NewGrant, SealedGrant, Store, WantedSchedule},
    telemetry::metrics::Metrics,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    common::{self, Bed, Failure},
    stand::{Stand, entry},
};

/// How long an access token of the market lives.
const LIFE: SignedDuration = SignedDuration::from_hours(4);
/// How often each permission is looked at.
const PERIOD: SignedDuration = SignedDuration::from_mins(30);
/// By how much the clock is moved at once.
const STEP: SignedDuration = SignedDuration::from_secs(10);
/// How many runs go on at once, as in the daemon.
const SLOTS: u32 = 64;
/// How old the tokens are when the clock begins to move: before anything is renewed.
const AGE: SignedDuration = SignedDuration::from_mins(150);

const UNFINISHED: &str = "select count(*) from runs where state in ('available', 'running', 'retryable')";
const REFRESH: JobKind = JobKind::AuthorizationRefresh;

/// Renews all tokens of so many authorizations, of a shop each.
pub(crate) async fn measure(count: u64) -> Result<(), Failure> {
    let issued: Timestamp = "2026-06-01T12:00:00Z".parse()?;
    let market =
        Arc::new(Market { clock: Clock::manual(issued + AGE), minted: AtomicU64::new(0), renewed: Mutex::default() });
    let bed = Bed::sqlite("tokens").await?;
    let entries = (0..count).map(|number| {
        let channel = Arc::new(Stall { account: account(number), market: Arc::clone(&market) });
        let mut entry = entry(&id(number), channel, &ABILITIES, false);
        entry.jobs = BTreeMap::from([(REFRESH, Period::Every(PERIOD))]);
        entry
    });
    let sealer = Sealer::parse(&Sealer::generate())?;
    let stand = Stand::by(&bed.store, entries.collect(), market.clock.clone(), sealer.clone()).await?;
    plant(&stand, &sealer, &market, issued, count).await?;

    let mailer = MailerBook::new(Mailer::None);
    let handlers = jobs::handlers(&stand.work, &mailer, &Metrics::new());
    let (scheduler, handle) =
        Scheduler::new(bed.store.clone(), market.clock.clone(), handlers, common::settings(SLOTS, false));
    let stop = CancellationToken::new();
    let (begun, cpu) = (Instant::now(), common::cpu_seconds());
    let running = tokio::spawn(scheduler.run(stop.clone(), SignedDuration::from_secs(5)));
    let end = issued + LIFE;
    let Store::Sqlite { readers, .. } = &bed.store else { return Err("not on SQLite".into()) };
    let mut looks = 0;
    while market.clock.now() < end {
        let next = loop {
            handle.look().await;
            looks += 1;
            let unfinished: i64 = sqlx::query_scalar(UNFINISHED).fetch_one(readers).await?;
            let next = bed.store.read(market.clock.now()).await?.next_instant().await?;
            let next = next.ok_or("nothing is planned any more")?;
            if unfinished == 0 && next > market.clock.now() {
                break next;
            }
        };
        market.clock.set(next.max(market.clock.now() + STEP).min(end));
    }
    let (took, used) = (begun.elapsed().as_secs_f64(), common::cpu_seconds() - cpu);
    stop.cancel();
    running.await??;
    let renewed = market.renewed.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let most = renewed.values().map(Vec::len).max().unwrap_or(0);
    if renewed.len() as u64 != count || most != 1 {
        return Err(format!(
            "{} of {count} were renewed before they ended, one of them by {most} calls",
            renewed.len()
        )
        .into());
    }
    let mut minutes: BTreeMap<i64, u64> = BTreeMap::new();
    for at in renewed.values().flatten() {
        *minutes.entry(at.duration_since(issued).as_mins()).or_default() += 1;
    }
    let (first, last) =
        (minutes.first_key_value().map_or(0, |(at, _)| *at), minutes.last_key_value().map_or(0, |(at, _)| *at));
    println!(
        "{count} tokens of {} min that end in the same minute: one call for each (target 1), in the minutes {first} to {last} of their life, \
         {} in the busiest; {took:.1} s and {:.2} ms of this process's time for each, {looks} looks, {}",
        LIFE.as_mins(),
        minutes.values().max().unwrap_or(&0),
        used * 1e3 / count as f64,
        bed.durability().await?
    );
    bed.clear().await
}

/// The permissions and their next looks, as the keeper leaves them after a consent.
async fn plant(stand: &Stand, sealer: &Sealer, market: &Market, issued: Timestamp, count: u64) -> Result<(), Failure> {
    let mut tx = stand.work.store.write(market.clock.now()).await?;
    let wanted = |number| WantedSchedule { shop: id(number).parse().ok(), job: REFRESH, period: Period::Every(PERIOD) };
    tx.sync_schedules(&(0..count).map(wanted).collect::<Vec<_>>()).await?;
    for number in 0..count {
        let shop: ShopId = id(number).parse()?;
        let grant = market.mint(&account(number), issued);
        let account = Account { channel: "bench".into(), app: APP.to_owned(), account: account(number) };
        let new = NewGrant { account, account_name: None, authorized_at: issued };
        let seal = |id: AuthorizationId, generation: i64| {
            let seal =
                |token: &Secret, column| sealer.seal(token, &format!("authorization/{id}/{column}/{generation}"));
            SealedGrant {
                access_token: seal(&grant.tokens.access_token, "access_token"),
                access_token_issued_at: issued,
                access_token_ends_at: grant.access_token_ends_at,
                refresh_token: grant.tokens.refresh_token.as_ref().map(|token| seal(token, "refresh_token")),
                refresh_token_ends_at: None,
                ends: None,
            }
        };
        let authorization = tx.grant(&new, seal).await?;
        tx.tie_shop(&shop, authorization.id, &serde_json::Value::Null).await?;
        tx.look_early(Some(&shop), REFRESH, Some(authorization.refresh_at())).await?;
    }
    Ok(tx.commit().await?)
}

fn id(number: u64) -> String {
    format!("shop-{number:05}")
}

fn account(number: u64) -> String {
    format!("seller-{number:05}")
}

const APP: &str = "app";

/// A marketplace that renews tokens, and remembers whose and when.
struct Market {
    clock: Clock,
    minted: AtomicU64,
    renewed: Mutex<BTreeMap<String, Vec<Timestamp>>>,
}

impl Market {
    fn mint(&self, account: &str, issued: Timestamp) -> Grant {
        let number = self.minted.fetch_add(1, Ordering::Relaxed);
        Grant {
            tokens: Tokens {
                access_token: Secret::new(format!("access-{number}")),
                refresh_token: Some(Secret::new(format!("refresh-{number}"))),
            },
            account: account.to_owned(),
            account_name: None,
            access_token_ends_at: issued + LIFE,
            refresh_token_ends_at: None,
            ends: None,
        }
    }
}

/// A shop there, of an account of its own.
struct Stall {
    account: String,
    market: Arc<Market>,
}

static ABILITIES: Abilities = Abilities {
    authorization: AuthorizationKind::Consent,
    export: &[],
    create: false,
    retire: &[],
    periods: &[],
    remembered: &[],
    push_batch: 1,
    remembered_shared: false,
    remembered_batch: 1,
    changes_are_full: false,
};

#[async_trait]
impl Channel for Stall {
    fn place(&self) -> String {
        self.account.clone()
    }

    async fn probe(&self, _: &Access) -> Result<ShopStatus, ChannelError> {
        Ok(ShopStatus { name: None, ends: None })
    }

    fn consent(&self) -> Option<&dyn Consent> {
        Some(self)
    }
}

#[async_trait]
impl Consent for Stall {
    fn app(&self) -> String {
        APP.to_owned()
    }

    fn link(&self, _: &str) -> Url {
        Url::parse("https://market.example/consent").expect("an address")
    }

    fn read_callback(&self, _: &[(String, String)]) -> Result<Callback, ChannelError> {
        Err(ChannelError::bug("nobody consents here"))
    }

    async fn exchange(&self, _: &Callback) -> Result<Vec<Grant>, ChannelError> {
        Err(ChannelError::bug("nobody consents here"))
    }

    async fn refresh(&self, _: &Tokens, account: &str) -> Result<Grant, ChannelError> {
        let now = self.market.clock.now();
        let mut renewed = self.market.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        renewed.entry(account.to_owned()).or_default().push(now);
        Ok(self.market.mint(account, now))
    }

    async fn identify(&self, grant: &Grant) -> Result<Identity, ChannelError> {
        let place = Place { id: grant.account.clone(), name: grant.account.clone(), data: serde_json::Value::Null };
        Ok(Identity { places: vec![place], ends: None })
    }

    fn end(&self) -> OwnersEnd {
        OwnersEnd::Never
    }
}
