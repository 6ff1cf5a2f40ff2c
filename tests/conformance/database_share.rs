//! How instances on one database share the work: one authorization's runs go to one of them at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::SignedDuration;
use shopsyncd::{
    clock::Clock,
    domain::{Counts, Demand, InstanceId, JobKind, Outcome, Period, RunState, ShopId, Trigger},
    scheduler::{Context, End, Handle, Handler, Handlers, Scheduler, Settings, Stopped},
    store::{
        Claimed, Finish, Finished, InstanceRow, NewRun, RunFilter, Store, StoreError, Tx, WantedSchedule, WantedShop,
    },
    telemetry::metrics::Metrics,
};
use tokio::{
    sync::{
        Semaphore,
        mpsc::{UnboundedSender, unbounded_channel},
    },
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{Check, Checked, noon, shops::granted};

pub(crate) const CHECKS: &[Check] = &[
    ("a_run_is_left_to_the_peer_that_works_for_the_same_authorization", |store| {
        Box::pin(a_run_is_left_to_the_peer_that_works_for_the_same_authorization(store))
    }),
    ("an_authorization_is_worked_for_at_one_instance_at_a_time_also_when_one_goes", |store| {
        Box::pin(an_authorization_is_worked_for_at_one_instance_at_a_time_also_when_one_goes(store))
    }),
];

const IMPORT: JobKind = JobKind::ProductImport;
/// How many runs an instance carries out at once.
const SLOTS: u32 = 8;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn shop(id: &str) -> ShopId {
    id.parse().expect("a shop id")
}

fn instance(id: &str) -> InstanceId {
    InstanceId(id.to_owned())
}

/// Shops with their accounts, the authorizations granted.
async fn with_shops(tx: &mut Tx, shops: &[(String, String)]) -> Checked {
    let wanted = |id: &String| WantedShop {
        id: shop(id),
        channel: "market".into(),
        name: id.clone(),
        place: id.clone(),
        app: None,
    };
    tx.sync_shops(&shops.iter().map(|(id, _)| wanted(id)).collect::<Vec<_>>()).await?;
    for (id, account) in shops {
        let authorization = granted(tx, account).await;
        tx.tie_shop(&shop(id), authorization, &serde_json::Value::Null).await?;
    }
    Ok(())
}

fn names(claimed: &[Claimed]) -> BTreeSet<String> {
    claimed.iter().filter_map(|run| run.shop.as_ref()).map(ToString::to_string).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn a_run_is_left_to_the_peer_that_works_for_the_same_authorization(store: Store) -> Checked {
    let (first, second) = (instance("first"), instance("second"));
    let mut tx = store.write(noon()).await?;
    for (id, peers) in [(&first, 0), (&second, 1)] {
        assert_eq!(tx.peers(id).await?, None);
        let row = InstanceRow {
            id: id.clone(),
            version: String::new(),
            started_at: noon(),
            beat: 0,
            settings_digest: String::new(),
            standing_by: false,
            dead: false,
            settings_error: None,
        };
        tx.add_instance(&row).await?;
        assert_eq!(tx.peers(id).await?, Some(peers));
    }
    let shops = [("a", "one"), ("b", "one"), ("c", "two")].map(|(id, account)| (id.to_owned(), account.to_owned()));
    with_shops(&mut tx, &shops).await?;
    // One shop without an authorization, and one of the daemon's own.
    for id in ["a", "b", "c", "d"] {
        tx.run_now(&NewRun { shop: Some(shop(id)), job: IMPORT, demand: Demand::default() }, Trigger::Now).await?;
    }
    tx.run_now(&NewRun { shop: None, job: JobKind::Remind, demand: Demand::default() }, Trigger::Now).await?;
    tx.commit().await?;

    // What a peer is about to claim is left alone, and nobody waits for it.
    let mut tx = store.write(noon()).await?;
    let a = tx.claim_runs_beside_peers(&first, 1, &[]).await?;
    assert_eq!(names(&a), set(&["a"]));
    let mut beside = store.write(noon()).await?;
    let others = beside.claim_runs_beside_peers(&second, 10, &[]).await?;
    assert_eq!((others.len(), names(&others)), (3, set(&["c", "d"])));
    beside.commit().await?;
    tx.commit().await?;
    // So is what belongs to a run under way.
    let mut tx = store.write(noon()).await?;
    assert_eq!(tx.claim_runs_beside_peers(&first, 10, &["market"]).await?, [], "its channel has places enough");
    assert_eq!(tx.claim_runs_beside_peers(&second, 10, &[]).await?, []);
    assert_eq!(tx.claim_runs_beside_peers(&first, 0, &[]).await?, []);
    let b = tx.claim_runs_beside_peers(&first, 10, &[]).await?;
    assert_eq!(names(&b), set(&["b"]));
    let more = NewRun { shop: Some(shop("d")), job: JobKind::ProductExport, demand: Demand::default() };
    tx.run_now(&more, Trigger::Now).await?;
    assert_eq!(tx.claim_runs_beside_peers(&first, 10, &[]).await?, [], "without an authorization the shop counts");
    assert_eq!(names(&tx.claim_runs_beside_peers(&second, 10, &[]).await?), set(&["d"]));
    // Over, the authorization is anybody's; and a dead peer's at once.
    let done = Finished {
        id: a[0].id,
        lease_number: a[0].lease_number,
        finish: Finish::Ended(Outcome::Done),
        counts: Counts::default(),
        error: None,
    };
    tx.finish_runs(&[done]).await?;
    tx.run_now(&NewRun { shop: Some(shop("a")), job: IMPORT, demand: Demand::default() }, Trigger::Now).await?;
    assert_eq!(tx.claim_runs_beside_peers(&second, 10, &[]).await?, [], "the other shop's run goes on");
    tx.take_over(&first).await?;
    assert_eq!(names(&tx.claim_runs_beside_peers(&second, 10, &[]).await?), set(&["a", "b"]));
    assert_eq!((tx.peers(&first).await?, tx.peers(&second).await?), (None, Some(1)));
    tx.remove_instance(&first).await?;
    assert_eq!(tx.peers(&second).await?, Some(0));
    Ok(())
}

/// The account of a shop in the long check: `account-number`.
fn account(shop: &ShopId) -> String {
    shop.as_str().split('-').next().unwrap_or_default().to_owned()
}

/// Who works for which account now, and who did while another was at it.
#[derive(Default)]
struct Board {
    at_work: BTreeMap<String, Vec<InstanceId>>,
    faults: Vec<String>,
}

/// An entry on the board; goes when the work ends, however it ends.
struct AtWork(Arc<Mutex<Board>>, String, InstanceId);

impl AtWork {
    fn begin(board: &Arc<Mutex<Board>>, account: String, who: InstanceId) -> Self {
        let mut open = board.lock().unwrap_or_else(PoisonError::into_inner);
        let others = open.at_work.entry(account.clone()).or_default();
        let met = others.iter().find(|other| **other != who).cloned();
        others.push(who.clone());
        open.faults.extend(met.map(|other| format!("{who} works for {account} beside {other}")));
        drop(open);
        Self(board.clone(), account, who)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let others = open.at_work.entry(self.1.clone()).or_default();
        if let Some(mine) = others.iter().position(|other| *other == self.2) {
            others.remove(mine);
        }
    }
}

/// Works until it gets a permit.
struct Toy {
    started: UnboundedSender<Context>,
    board: Arc<Mutex<Board>>,
    go: Arc<Semaphore>,
}

#[async_trait]
impl Handler for Toy {
    async fn run(&self, context: Context) -> Result<End, Stopped> {
        let shop = context.shop.clone().expect("an import has a shop");
        let _entry = AtWork::begin(&self.board, account(&shop), context.holder.clone());
        let cancel = context.cancel.clone();
        let _ = self.started.send(context);
        tokio::select! {
            permit = self.go.acquire() => permit.expect("nobody closes it").forget(),
            () = cancel.cancelled() => return Ok(End::GivenBack(Counts::default())),
        }
        Ok(End::Ended(Outcome::Done, Counts::default()))
    }
}

struct Peer {
    handle: Handle,
    stop: CancellationToken,
    running: JoinHandle<Result<(), StoreError>>,
}

fn peer(store: &Store, clock: &Clock, name: &str, toy: Toy) -> Peer {
    let settings = Settings {
        holder: instance(name),
        slots: SLOTS,
        shared: true,
        settings_digest: String::new(),
        standing_by: false,
        metrics: Metrics::new(),
    };
    let handlers = Handlers::from([(IMPORT, Arc::new(toy) as Arc<dyn Handler>)]);
    let (scheduler, handle) = Scheduler::new(store.clone(), clock.clone(), handlers, settings);
    let stop = CancellationToken::new();
    let running = tokio::spawn(scheduler.run(stop.clone(), SignedDuration::from_secs(5)));
    Peer { handle, stop, running }
}

async fn unfinished(store: &Store) -> Result<usize, StoreError> {
    let runs = store.read(noon()).await?.runs(&RunFilter::default(), 10_000).await?;
    Ok(runs.iter().filter(|run| run.state != RunState::Completed).count())
}

async fn an_authorization_is_worked_for_at_one_instance_at_a_time_also_when_one_goes(store: Store) -> Checked {
    const ROUNDS: usize = 8;
    // More than two instances have slots: whatever two of them do, there is work left for the third.
    const AUTHORIZATIONS: usize = 2 * SLOTS as usize + 2;
    let clock = Clock::manual(noon());
    let whose = |n: usize| format!("x{}", n % AUTHORIZATIONS);
    let shops: Vec<_> = (0..2 * AUTHORIZATIONS).map(|n| (format!("{}-{n}", whose(n)), whose(n))).collect();
    let schedule = |(id, _): &(String, String)| WantedSchedule {
        shop: Some(shop(id)),
        job: IMPORT,
        period: Period::Every(MINUTE),
    };
    let mut tx = store.write(noon()).await?;
    with_shops(&mut tx, &shops).await?;
    tx.sync_schedules(&shops.iter().map(schedule).collect::<Vec<_>>()).await?;
    tx.commit().await?;
    let (board, go) = (Arc::<Mutex<Board>>::default(), Arc::new(Semaphore::new(0)));
    let (started, mut heard) = unbounded_channel();
    let toy = || Toy { started: started.clone(), board: board.clone(), go: go.clone() };
    let mut peers: Vec<_> = ["one", "two", "three"].map(|name| peer(&store, &clock, name, toy())).into();
    while store.read(noon()).await?.instances().await?.len() < peers.len() {
        tokio::task::yield_now().await;
    }
    for round in 0..ROUNDS {
        clock.advance(MINUTE * 2);
        let (mut runs, mut at_work) = (BTreeSet::new(), BTreeSet::new());
        while runs.len() < shops.len() {
            let context = heard.recv().await.expect("an attempt");
            runs.insert(context.run);
            let is_last = at_work.insert(context.holder.0.clone()) && at_work.len() == peers.len();
            if is_last && round == ROUNDS / 2 {
                let gone = peers.iter().position(|peer| peer.handle.holder() == context.holder).expect("one of them");
                peers.remove(gone).running.abort();
            }
            // Nothing ends before every instance is at work.
            if is_last {
                go.add_permits(runs.len());
            } else if at_work.len() >= peers.len() {
                go.add_permits(1);
            }
        }
        while unfinished(&store).await? > 0 {
            go.add_permits(1);
            tokio::task::yield_now().await;
        }
        go.forget_permits(go.available_permits());
    }
    assert_eq!(board.lock().unwrap_or_else(PoisonError::into_inner).faults, [""; 0]);
    for peer in peers {
        peer.handle.wake();
        peer.stop.cancel();
        peer.running.await??;
    }
    Ok(())
}
