//! Several instances on one database: only PostgreSQL has them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::SignedDuration;
use shopsyncd::{
    clock::Clock,
    domain::{Counts, Demand, InstanceId, JobKind, Outcome, Period, RunState, Trigger},
    scheduler::{Context, End, Handle, Handler, Handlers, Scheduler, Settings, Stopped},
    store::{RunFilter, Store, StoreError, WantedSchedule},
    telemetry::metrics::Metrics,
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{Check, Checked, noon};

pub(crate) const CHECKS: &[Check] = &[
    ("a_peer_that_dies_is_taken_over_within_ten_seconds", |store| {
        Box::pin(a_peer_that_dies_is_taken_over_within_ten_seconds(store))
    }),
    ("peers_share_the_work_and_no_schedule_overlaps_itself", |store| {
        Box::pin(peers_share_the_work_and_no_schedule_overlaps_itself(store))
    }),
    ("a_run_asked_for_at_one_instance_wakes_the_others", |store| {
        Box::pin(a_run_asked_for_at_one_instance_wakes_the_others(store))
    }),
];

const IMPORT: JobKind = JobKind::ProductImport;

/// Tells of every attempt; ends it when told to, or when cancelled.
struct Toy {
    started: UnboundedSender<Context>,
    go: Option<Arc<tokio::sync::Semaphore>>,
}

#[async_trait]
impl Handler for Toy {
    async fn run(&self, context: Context) -> Result<End, Stopped> {
        let cancel = context.cancel.clone();
        let _ = self.started.send(context);
        if let Some(go) = &self.go {
            tokio::select! {
                permit = go.acquire() => permit.expect("nobody closes it").forget(),
                () = cancel.cancelled() => return Ok(End::GivenBack(Counts::default())),
            }
        }
        Ok(End::Ended(Outcome::Done, Counts::default()))
    }
}

struct Peer {
    handle: Handle,
    started: UnboundedReceiver<Context>,
    stop: CancellationToken,
    running: JoinHandle<Result<(), StoreError>>,
}

fn peer(store: &Store, clock: &Clock, name: &str, slots: u32, go: Option<Arc<tokio::sync::Semaphore>>) -> Peer {
    let (started, heard) = unbounded_channel();
    let handlers = Handlers::from([(IMPORT, Arc::new(Toy { started, go }) as Arc<dyn Handler>)]);
    let settings = Settings {
        holder: InstanceId(name.to_owned()),
        slots,
        shared: true,
        settings_digest: String::new(),
        standing_by: false,
        metrics: Metrics::new(),
    };
    let (scheduler, handle) = Scheduler::new(store.clone(), clock.clone(), handlers, settings);
    let stop = CancellationToken::new();
    let running = tokio::spawn(scheduler.run(stop.clone(), SignedDuration::from_secs(5)));
    Peer { handle, started: heard, stop, running }
}

async fn a_peer_that_dies_is_taken_over_within_ten_seconds(store: Store) -> Checked {
    let clock = Clock::manual(noon());
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let mut first = peer(&store, &clock, "first", 1, Some(go.clone()));
    let id = first.handle.run_now(None, IMPORT, Demand::default(), Trigger::Now).await?.run;
    assert_eq!(first.started.recv().await.map(|context| context.run), Some(id));
    let mut second = peer(&store, &clock, "second", 1, Some(go.clone()));
    // The second is at work before the first dies.
    while store.read(noon()).await?.instances().await?.len() < 2 {
        tokio::task::yield_now().await;
    }
    first.running.abort();
    let died = Instant::now();
    let context = tokio::time::timeout(Duration::from_secs(20), second.started.recv()).await?.expect("an attempt");
    assert!(died.elapsed() < Duration::from_secs(10), "{:?}", died.elapsed());
    assert_eq!((context.run, context.attempt, context.lease_number), (id, 2, 2));
    go.add_permits(1);
    let run = second.handle.wait(id).await?;
    assert_eq!((run.state, run.instance), (RunState::Completed, Some(InstanceId("second".to_owned()))));
    second.stop.cancel();
    second.running.await??;
    Ok(())
}

async fn peers_share_the_work_and_no_schedule_overlaps_itself(store: Store) -> Checked {
    let clock = Clock::manual(noon());
    let minute = SignedDuration::from_mins(1);
    let wanted: Vec<_> = (0..40)
        .map(|n| WantedSchedule {
            shop: Some(format!("shop-{n}").parse().expect("a shop id")),
            job: IMPORT,
            period: Period::Every(minute),
        })
        .collect();
    let mut tx = store.write(noon()).await?;
    tx.sync_schedules(&wanted).await?;
    tx.commit().await?;
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let mut first = peer(&store, &clock, "first", 20, Some(go.clone()));
    let mut second = peer(&store, &clock, "second", 20, Some(go.clone()));
    clock.advance(minute * 3);
    let counted = AtomicU32::new(0);
    let mut runs = std::collections::BTreeSet::new();
    while runs.len() < 40 {
        let context = tokio::select! {
            context = first.started.recv() => context,
            context = second.started.recv() => context,
        }
        .expect("an attempt");
        counted.fetch_add(1, Ordering::Relaxed);
        assert!(runs.insert(context.run), "{} was started twice", context.run);
    }
    // Everything is under way: nothing more may start, however much falls due.
    clock.advance(minute);
    first.handle.wake();
    second.handle.wake();
    go.add_permits(40);
    for run in &runs {
        first.handle.wait(*run).await?;
    }
    let mut tx = store.read(clock.now()).await?;
    for instance in ["first", "second"] {
        let share = tx.runs(&RunFilter::default(), 1_000).await?;
        let share = share.iter().filter(|run| run.instance == Some(InstanceId(instance.to_owned()))).count();
        assert!(share >= 20, "{instance} had {share}");
    }
    drop(tx);
    go.add_permits(1_000);
    for peer in [first, second] {
        peer.stop.cancel();
        peer.running.await??;
    }
    assert!(store.read(noon()).await?.instances().await?.is_empty());
    Ok(())
}

async fn a_run_asked_for_at_one_instance_wakes_the_others(store: Store) -> Checked {
    // With a clock that stands still nobody looks again by himself.
    let clock = Clock::manual(noon());
    let first = peer(&store, &clock, "first", 0, None);
    let mut second = peer(&store, &clock, "second", 1, None);
    while store.read(noon()).await?.instances().await?.len() < 2 {
        tokio::task::yield_now().await;
    }
    let id = first.handle.run_now(None, IMPORT, Demand::default(), Trigger::Now).await?.run;
    let context = tokio::time::timeout(Duration::from_secs(20), second.started.recv()).await?.expect("an attempt");
    assert_eq!(context.run, id);
    assert_eq!(first.handle.wait(id).await?.outcome, Some(Outcome::Done));
    for peer in [first, second] {
        peer.stop.cancel();
        peer.running.await??;
    }
    Ok(())
}
