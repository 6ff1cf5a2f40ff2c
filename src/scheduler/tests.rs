//! Toy handlers on a manual clock.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{path::Path, sync::atomic::AtomicU32};

use jiff::Timestamp;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

use super::*;
use crate::{
    domain::{ErrorKind, Failure, InstanceId, Period, Run, RunState},
    store::{Finish, Finished, RunFilter, WantedSchedule},
    telemetry::kept::Log,
};

mod crowds;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const IMPORT: JobKind = JobKind::ProductImport;

fn noon() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn shop() -> ShopId {
    "a".parse().unwrap()
}

/// Tells of every attempt, and ends it as the test says.
struct Toy {
    started: UnboundedSender<(Context, UnboundedSender<How>)>,
    under_way: Arc<AtomicU32>,
    most: Arc<AtomicU32>,
    limit: SignedDuration,
}

enum How {
    Well,
    Badly,
    Panics,
    ByItself,
}

#[async_trait]
impl Handler for Toy {
    async fn run(&self, context: Context) -> Result<End, Stopped> {
        let cancel = context.cancel.clone();
        let (tell, mut told) = unbounded_channel();
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let _ = self.started.send((context, tell));
        let how = tokio::select! {
            how = told.recv() => how.unwrap_or(How::ByItself),
            () = cancel.cancelled() => How::ByItself,
        };
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        match how {
            How::Well => Ok(End::Ended(Outcome::Done, Counts { changed: 1, ..Counts::default() })),
            How::Badly => Err(Stopped {
                counts: Counts { seen: 2, ..Counts::default() },
                error: RunError {
                    failure: Failure::Unavailable { retry_at: None },
                    kind: ErrorKind::Unavailable,
                    text: "the shop did not answer".to_owned(),
                    remedy: String::new(),
                },
            }),
            How::Panics => panic!("a toy broke"),
            How::ByItself => Ok(End::GivenBack(Counts::default())),
        }
    }

    fn time_limit(&self) -> SignedDuration {
        self.limit
    }
}

/// A scheduler with one toy handler.
struct Bench {
    store: Store,
    clock: Clock,
    handle: Handle,
    started: UnboundedReceiver<(Context, UnboundedSender<How>)>,
    most: Arc<AtomicU32>,
    stop: CancellationToken,
    running: JoinHandle<Result<(), StoreError>>,
}

impl Bench {
    async fn serve_settings(&self, digest: &str, standing_by: bool) {
        let tx = self.store.write(self.clock.now()).await.unwrap();
        self.handle.serve_settings(tx, digest, standing_by).await.unwrap();
    }

    /// Runs a scheduler on `store` whose imports of one shop fall due every `period`.
    async fn new(store: Store, clock: Clock, name: &str, period: Period, grace: SignedDuration) -> Self {
        let wanted = [WantedSchedule { shop: Some(shop()), job: IMPORT, period }];
        let mut tx = store.write(clock.now()).await.unwrap();
        tx.sync_schedules(&wanted).await.unwrap();
        tx.commit().await.unwrap();
        let (started, heard) = unbounded_channel();
        let most = Arc::<AtomicU32>::default();
        let toy = Toy { started, under_way: Arc::default(), most: most.clone(), limit: SignedDuration::from_mins(30) };
        let settings = Settings {
            holder: InstanceId(name.to_owned()),
            slots: 4,
            shared: store.is_postgres(),
            settings_digest: String::new(),
            standing_by: false,
            metrics: Metrics::new(),
        };
        let handlers = Handlers::from([(IMPORT, Arc::new(toy) as Arc<dyn Handler>)]);
        let (mut scheduler, handle) = Scheduler::new(store.clone(), clock.clone(), handlers, settings);
        scheduler.pace = Pace {
            beat: Duration::from_millis(60),
            watch: Duration::from_millis(20),
            silent: Duration::from_millis(300),
            dead: Duration::from_millis(500),
            covered: Duration::from_secs(1),
        };
        let stop = CancellationToken::new();
        let running = tokio::spawn(scheduler.run(stop.clone(), grace));
        Self { store, clock, handle, started: heard, most, stop, running }
    }

    async fn on_file(folder: &Path, period: Period) -> Self {
        let store = Store::open("sqlite:x.db", folder).await.unwrap();
        Self::new(store, Clock::manual(noon()), "one", period, SignedDuration::from_secs(5)).await
    }

    /// The next attempt that starts.
    async fn next(&mut self) -> (Context, UnboundedSender<How>) {
        tokio::time::timeout(Duration::from_secs(20), self.started.recv()).await.expect("an attempt starts").unwrap()
    }

    async fn runs(&self) -> Vec<Run> {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        tx.runs(&RunFilter::default(), 100).await.unwrap()
    }

    /// Waits until the newest run is as wanted.
    async fn until(&self, wanted: impl Fn(&Run) -> bool) -> Run {
        let mut ended = self.handle.0.ended.subscribe();
        loop {
            if let Some(run) = self.runs().await.into_iter().next()
                && wanted(&run)
            {
                return run;
            }
            tokio::time::timeout(Duration::from_secs(20), ended.changed()).await.expect("an attempt ends").unwrap();
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn what_fell_due_meanwhile_is_one_run_and_then_the_grid_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::on_file(folder.path(), Period::Every(MINUTE)).await;
    bench.clock.advance(MINUTE * 10);
    let (first, tell) = bench.next().await;
    tell.send(How::Well).unwrap();
    let run = bench.handle.wait(first.run).await.unwrap();
    assert_eq!((run.covers, run.outcome, run.counts.changed), (10, Some(Outcome::Done), 1));
    bench.clock.advance(MINUTE);
    let (second, tell) = bench.next().await;
    tell.send(How::Well).unwrap();
    let next = bench.handle.wait(second.run).await.unwrap();
    assert_eq!(next.covers, 1);
    assert_eq!((next.due_at.duration_since(run.due_at).as_secs()) % 60, 0, "the grid does not move");
    assert_eq!(bench.runs().await.len(), 2);
    bench.stop().await;
}

#[tokio::test]
async fn a_clock_set_back_by_hours_runs_within_a_period_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::on_file(folder.path(), Period::Every(MINUTE)).await;
    bench.clock.advance(MINUTE);
    let (first, tell) = bench.next().await;
    tell.send(How::Well).unwrap();
    bench.handle.wait(first.run).await.unwrap();
    bench.clock.set(noon() - SignedDuration::from_hours(5));
    // Nobody calls: the next look, a real second later at most, notices the step. The next run is due within the period from there.
    let noticed = async {
        let next = async || {
            let mut tx = bench.store.read(bench.clock.now()).await.unwrap();
            tx.schedules(None).await.unwrap()[0].grid_at.unwrap()
        };
        while next().await > bench.clock.now() + MINUTE {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), noticed).await.expect("the step is noticed");
    bench.clock.advance(MINUTE);
    let (second, tell) = bench.next().await;
    tell.send(How::Well).unwrap();
    assert_eq!(bench.handle.wait(second.run).await.unwrap().covers, 1);
    bench.stop().await;
}

#[tokio::test]
async fn a_run_asked_for_joins_the_one_that_goes_on_and_leaves_the_plan_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::on_file(folder.path(), Period::Every(MINUTE * 60)).await;
    let plan = async |bench: &Bench| {
        bench.store.read(noon()).await.unwrap().schedules(None).await.unwrap().remove(0).next_due_at
    };
    let before = plan(&bench).await;
    let id = bench.handle.run_now(Some(&shop()), IMPORT, Demand::default(), Trigger::Now).await.unwrap().run;
    let (context, tell) = bench.next().await;
    assert_eq!(
        bench.handle.run_now(Some(&shop()), IMPORT, Demand::default(), Trigger::Now).await.unwrap(),
        Asked { run: id, follows: false }
    );
    context.progress.set(id, 1, Some(2));
    assert_eq!(bench.handle.progress().get(id), Some((1, Some(2))));
    tell.send(How::Well).unwrap();
    let run = bench.handle.wait(id).await.unwrap();
    assert_eq!((run.trigger, run.attempt), (Trigger::Now, 1));
    assert_eq!(bench.handle.progress().get(id), None);
    assert_eq!((plan(&bench).await, bench.runs().await.len()), (before, 1));
    let gone = bench.handle.wait(RunId(999)).await.unwrap_err();
    assert!(matches!(gone, StoreError::RunGone(RunId(999))), "{gone}");
    bench.stop().await;
}

#[tokio::test]
async fn a_demand_made_while_a_run_is_under_way_is_met_by_the_run_that_follows_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::on_file(folder.path(), Period::Every(MINUTE * 60)).await;
    bench.clock.advance(MINUTE);
    let (first, tell) = bench.next().await;
    let demand = Demand { full: true, ..Demand::default() };
    let asked = bench.handle.run_now(Some(&shop()), IMPORT, demand, Trigger::Now).await.unwrap();
    assert_eq!(asked, Asked { run: first.run, follows: true });
    tell.send(How::Well).unwrap();
    let (second, tell) = bench.next().await;
    assert_ne!(second.run, first.run);
    assert!(second.demand.full && !first.demand.full);
    let next = bench.store.read(noon()).await.unwrap().follower(first.run).await.unwrap();
    assert_eq!(next, Some(second.run));
    let met = bench.handle.run_now(Some(&shop()), IMPORT, demand, Trigger::Now).await.unwrap();
    assert_eq!(met, Asked { run: second.run, follows: false }, "it does already what is demanded");
    tell.send(How::Well).unwrap();
    assert_eq!(bench.handle.wait(second.run).await.unwrap().trigger, Trigger::Now);
    assert_eq!(bench.runs().await.len(), 2);
    bench.stop().await;
}

#[tokio::test]
async fn a_run_that_goes_on_later_meets_itself_what_was_demanded_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::on_file(folder.path(), Period::Every(MINUTE * 60)).await;
    bench.clock.advance(MINUTE);
    let (first, tell) = bench.next().await;
    let demand = Demand { full: true, ..Demand::default() };
    assert!(bench.handle.run_now(Some(&shop()), IMPORT, demand, Trigger::Now).await.unwrap().follows);
    tell.send(How::Badly).unwrap();
    let run = bench.until(|run| run.state == RunState::Retryable).await;
    bench.clock.set(run.available_at);
    let (second, tell) = bench.next().await;
    assert_eq!((second.run, second.demand), (first.run, demand));
    tell.send(How::Well).unwrap();
    assert_eq!(bench.handle.wait(second.run).await.unwrap().follow_up, None);
    assert_eq!(bench.runs().await.len(), 1);
    bench.stop().await;
}

#[tokio::test]
async fn an_attempt_that_fails_is_followed_by_another_when_its_time_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::on_file(folder.path(), Period::Every(MINUTE * 60)).await;
    bench.clock.advance(MINUTE);
    let (first, tell) = bench.next().await;
    tell.send(How::Badly).unwrap();
    let run = bench.until(|run| run.state == RunState::Retryable).await;
    assert!(run.available_at > bench.clock.now() && run.available_at <= bench.clock.now() + MINUTE);
    assert_eq!(run.error.unwrap().1, "the shop did not answer");
    bench.clock.set(run.available_at);
    let (second, tell) = bench.next().await;
    assert_eq!((second.run, second.attempt, second.lease_number), (first.run, 2, 2));
    tell.send(How::Well).unwrap();
    let run = bench.handle.wait(first.run).await.unwrap();
    assert_eq!((run.outcome, run.error, run.counts.seen, run.counts.changed), (Some(Outcome::Done), None, 2, 1));
    bench.stop().await;
}

#[tokio::test]
async fn a_panic_ends_the_run_as_a_fault_of_ours_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::on_file(folder.path(), Period::Every(MINUTE)).await;
    bench.clock.advance(MINUTE);
    let (first, tell) = bench.next().await;
    tell.send(How::Panics).unwrap();
    let run = bench.handle.wait(first.run).await.unwrap();
    assert_eq!((run.state, run.outcome), (RunState::Discarded, Some(Outcome::Failed)));
    let (kind, text, _) = run.error.unwrap();
    assert_eq!((kind, text.as_str()), (ErrorKind::Bug, "a fault in the program: a toy broke"));
    bench.clock.advance(MINUTE);
    let (_, tell) = bench.next().await;
    tell.send(How::Well).unwrap();
    bench.stop().await;
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_cancelled_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::on_file(folder.path(), Period::Every(MINUTE * 600)).await;
    bench.clock.advance(MINUTE);
    let (first, _tell) = bench.next().await;
    bench.clock.advance(MINUTE * 30);
    first.cancel.cancelled().await;
    let run = bench.until(|run| run.state == RunState::Retryable).await;
    let (kind, text, _) = run.error.unwrap();
    assert_eq!((kind, text.as_str()), (ErrorKind::TimedOut, "it took longer than 30m"));
    bench.stop().await;
}

#[tokio::test]
async fn the_same_job_of_a_shop_never_overlaps_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::on_file(folder.path(), Period::Every(MINUTE)).await;
    bench.clock.advance(MINUTE);
    let (first, tell) = bench.next().await;
    for _ in 0..3 {
        bench.clock.advance(MINUTE);
        let id = bench.handle.run_now(Some(&shop()), IMPORT, Demand::default(), Trigger::Now).await.unwrap().run;
        assert_eq!(id, first.run);
    }
    let folded = async {
        while bench.runs().await[0].covers < 4 {
            bench.handle.wake();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), folded).await.expect("instants fold into the run under way");
    assert_eq!(bench.runs().await.len(), 1);
    tell.send(How::Well).unwrap();
    bench.handle.wait(first.run).await.unwrap();
    bench.clock.advance(MINUTE);
    let (second, tell) = bench.next().await;
    assert_ne!(second.run, first.run);
    tell.send(How::Well).unwrap();
    bench.handle.wait(second.run).await.unwrap();
    assert_eq!(bench.most.load(Ordering::SeqCst), 1);
    bench.stop().await;
}

#[tokio::test]
async fn a_stop_gives_back_what_has_not_reached_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::on_file(folder.path(), Period::Every(MINUTE)).await;
    bench.clock.advance(MINUTE);
    let (context, _tell) = bench.next().await;
    let store = bench.store.clone();
    bench.stop().await;
    assert!(context.cancel.is_cancelled());
    let mut tx = store.read(noon()).await.unwrap();
    let run = tx.run(context.run).await.unwrap().unwrap();
    assert_eq!((run.state, run.attempt, run.instance), (RunState::Available, 0, None));
    assert_eq!(tx.instances().await.unwrap(), []);
}

/// Reaches no safe point, ever.
struct Deaf(UnboundedSender<RunId>);

#[async_trait]
impl Handler for Deaf {
    async fn run(&self, context: Context) -> Result<End, Stopped> {
        let _ = self.0.send(context.run);
        std::future::pending().await
    }
}

/// A scheduler with one place, whose handler listens to nobody.
struct DeafBench {
    store: Store,
    handle: Handle,
    heard: UnboundedReceiver<RunId>,
    stop: CancellationToken,
    running: JoinHandle<Result<(), StoreError>>,
}

impl DeafBench {
    async fn new(folder: &Path, clock: &Clock) -> Self {
        let store = Store::open("sqlite:x.db", folder).await.unwrap();
        let (started, heard) = unbounded_channel();
        let handlers = Handlers::from([(IMPORT, Arc::new(Deaf(started)) as Arc<dyn Handler>)]);
        let settings = Settings {
            holder: InstanceId("one".to_owned()),
            slots: 1,
            shared: false,
            settings_digest: String::new(),
            standing_by: false,
            metrics: Metrics::new(),
        };
        let (scheduler, handle) = Scheduler::new(store.clone(), clock.clone(), handlers, settings);
        let stop = CancellationToken::new();
        let running = tokio::spawn(scheduler.run(stop.clone(), SignedDuration::ZERO));
        Self { store, handle, heard, stop, running }
    }

    async fn ask_for(&self, shop: &ShopId) -> RunId {
        self.handle.run_now(Some(shop), IMPORT, Demand::default(), Trigger::Now).await.unwrap().run
    }

    async fn run(&self, id: RunId) -> Run {
        self.store.read(noon()).await.unwrap().run(id).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_stop_cuts_off_what_does_not_listen_and_gives_it_back_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = DeafBench::new(folder.path(), &Clock::manual(noon())).await;
    let id = bench.ask_for(&shop()).await;
    assert_eq!(bench.heard.recv().await, Some(id));
    bench.stop.cancel();
    (&mut bench.running).await.unwrap().unwrap();
    let run = bench.run(id).await;
    assert_eq!((run.state, run.attempt), (RunState::Available, 0));
}

#[tokio::test]
async fn what_does_not_listen_is_cut_off_once_its_time_is_up_and_its_place_is_free_again() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(noon());
    let mut bench = DeafBench::new(folder.path(), &clock).await;
    let hangs = bench.ask_for(&shop()).await;
    assert_eq!(bench.heard.recv().await, Some(hangs));
    let waits = bench.ask_for(&"b".parse().unwrap()).await;
    clock.advance(MINUTE * 30);
    let next =
        tokio::time::timeout(Duration::from_secs(20), bench.heard.recv()).await.expect("the place is free again");
    assert_eq!(next, Some(waits));
    let mut ended = bench.handle.0.ended.subscribe();
    while bench.run(hangs).await.state == RunState::Running {
        ended.changed().await.unwrap();
    }
    let run = bench.run(hangs).await;
    assert_eq!((run.state, run.error.map(|(kind, ..)| kind)), (RunState::Retryable, Some(ErrorKind::TimedOut)));
    bench.stop.cancel();
    bench.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_is_over_in_time_whatever_is_asked_of_a_database_that_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open("sqlite:x.db", folder.path()).await.unwrap();
    let period = Period::Every(MINUTE);
    let mut bench = Bench::new(store, Clock::manual(noon()), "one", period, SignedDuration::ZERO).await;
    bench.clock.advance(MINUTE);
    let (_context, _tell) = bench.next().await;
    let held = bench.store.write(noon()).await.unwrap();
    // It waits for the writer, for half a minute if need be.
    bench.handle.look().await;
    let asked = Instant::now();
    bench.stop.cancel();
    let ended = bench.running.await.unwrap();
    assert!(matches!(ended, Err(StoreError::Unanswered(_))), "it says what was not done: {ended:?}");
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
    drop(held);
}

#[tokio::test]
async fn a_daemon_that_stands_by_gives_back_its_runs_and_claims_nothing_until_its_settings_agree() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::on_file(folder.path(), Period::None).await;
    let id = bench.handle.run_now(Some(&shop()), IMPORT, Demand::default(), Trigger::Now).await.unwrap().run;
    let (under_way, _tell) = bench.next().await;
    bench.serve_settings("other", true).await;
    under_way.cancel.cancelled().await;
    while bench.store.read(noon()).await.unwrap().run(id).await.unwrap().unwrap().state == RunState::Running {
        tokio::task::yield_now().await;
    }
    bench.handle.run_now(Some(&shop()), IMPORT, Demand::default(), Trigger::Now).await.unwrap();
    let mut tx = bench.store.read(noon()).await.unwrap();
    let row = tx.instances().await.unwrap().remove(0);
    assert_eq!((row.settings_digest.as_str(), row.standing_by), ("other", true));
    assert_eq!(tx.run(id).await.unwrap().unwrap().state, RunState::Available);
    drop(tx);
    bench.serve_settings("agreed", false).await;
    let (context, tell) = bench.next().await;
    assert_eq!(context.run, id);
    tell.send(How::Well).unwrap();
    bench.stop().await;
}

#[tokio::test]
async fn the_next_daemon_goes_on_at_once_with_what_a_killed_one_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Bench::on_file(folder.path(), Period::Every(MINUTE * 60)).await;
    first.clock.advance(MINUTE);
    let (context, _tell) = first.next().await;
    first.running.abort();
    let mut second =
        Bench::new(first.store.clone(), first.clock.clone(), "two", Period::Every(MINUTE * 60), MINUTE).await;
    let (again, tell) = second.next().await;
    assert_eq!((again.run, again.attempt, again.lease_number), (context.run, 2, 2));
    tell.send(How::Well).unwrap();
    let run = second.handle.wait(again.run).await.unwrap();
    assert_eq!(run.instance, Some(InstanceId("two".to_owned())));
    second.stop().await;
}

#[tokio::test]
async fn whoever_finds_out_that_peers_declared_this_instance_dead_it_says_so_once_and_begins_anew() {
    const RARELY: Duration = Duration::from_hours(1);
    const OFTEN: Duration = Duration::from_millis(10);
    // The next beat finds it out, or the planner's own look, where that comes first.
    for often in [OFTEN, RARELY] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:x.db", folder.path()).await.unwrap();
        let settings = Settings {
            holder: InstanceId("one".to_owned()),
            slots: 4,
            shared: true,
            settings_digest: String::new(),
            standing_by: false,
            metrics: Metrics::new(),
        };
        let (log, _kept) = Log::kept();
        let (mut scheduler, handle) =
            Scheduler::new(store.clone(), Clock::manual(noon()), Handlers::new(), settings.clone());
        scheduler.pace = Pace { beat: often, watch: often, silent: RARELY, dead: RARELY, covered: RARELY };
        let stop = CancellationToken::new();
        let running = tokio::spawn(scheduler.run(stop.clone(), SignedDuration::from_secs(5)));
        handle.look().await;
        let mut tx = store.write(noon()).await.unwrap();
        tx.take_over(&settings.holder).await.unwrap();
        tx.commit().await.unwrap();
        while handle.holder() == settings.holder {
            handle.look().await;
        }
        assert_eq!(handle.holder(), InstanceId("one+1".to_owned()));
        assert_eq!(log.text().matches("instance.refused").count(), 1, "a beat every {often:?}: {}", log.text());
        stop.cancel();
        running.await.unwrap().unwrap();
    }
}

/// A waiting run whose attempts so far failed `failures` times and were cut off by deaths `deaths` times.
async fn battered(store: &Store, failures: u32, deaths: u32) -> RunId {
    let mut tx = store.write(noon()).await.unwrap();
    let run = NewRun { shop: Some(shop()), job: IMPORT, demand: Demand::default() };
    let id = tx.run_now(&run, Trigger::Now).await.unwrap().run;
    let holder = InstanceId("before".to_owned());
    for number in 0..failures + deaths {
        let Claimed { lease_number, .. } = tx.claim_run(id, &holder).await.unwrap().unwrap();
        if number < failures {
            let finish = Finish::Retry { at: noon(), counted: true };
            let failed = Finished { id, lease_number, finish, counts: Counts::default(), error: None };
            tx.finish_runs(&[failed]).await.unwrap();
        } else {
            assert_eq!(tx.take_over(&holder).await.unwrap(), [id]);
        }
    }
    tx.commit().await.unwrap();
    id
}

#[tokio::test]
async fn a_run_that_daemons_died_of_again_and_again_is_not_begun_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open("sqlite:x.db", folder.path()).await.unwrap();
    let id = battered(&store, 0, 5).await;
    let bench = Bench::new(store, Clock::manual(noon()), "one", Period::None, MINUTE).await;
    let run = bench.handle.wait(id).await.unwrap();
    let (kind, text, _) = run.error.unwrap();
    assert_eq!((run.state, kind), (RunState::Discarded, ErrorKind::Bug));
    assert_eq!(text, "the daemon died 5 times while it carried this run out");
    bench.stop().await;
}

#[tokio::test]
async fn attempts_that_failed_do_not_count_as_deaths() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open("sqlite:x.db", folder.path()).await.unwrap();
    let id = battered(&store, 6, 1).await;
    let mut bench = Bench::new(store, Clock::manual(noon()), "one", Period::None, MINUTE).await;
    let (context, tell) = bench.next().await;
    assert_eq!((context.run, context.attempt), (id, 8));
    tell.send(How::Well).unwrap();
    assert_eq!(bench.handle.wait(id).await.unwrap().outcome, Some(Outcome::Done));
    bench.stop().await;
}
