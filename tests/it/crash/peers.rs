//! On PostgreSQL: every point once, a peer that takes over, and one that comes back after it was given up.

use std::time::{Duration, Instant};

use shopsyncd::{
    clock::Clock,
    domain::{InstanceId, Outcome, Run, RunId, RunState},
};

use super::{
    daemon::Daemon,
    die_at, die_once_over_people, die_over_work, end_in_line, in_lanes,
    points::{self, Tally},
    reseal, seconds,
    stage::{SHOPS, Stage},
    working,
};
use crate::world::Database;

/// How many stages are played on at once: each waits for the dead to be seen to be dead.
const LANES: usize = 6;
/// Within this time a peer takes over, and within this one where a token exchange was in flight; each with a little more for a
/// machine that is busy with other tests.
const TAKES_OVER: Duration = Duration::from_secs(10 + 1);
const TAKES_OVER_EXCHANGE: Duration = Duration::from_secs(20 + 2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_point_is_survived_on_postgres() {
    let mut tally = Tally::default();
    let others = points::in_source().into_iter().filter(|point| !points::belongs(point, points::KEYS));
    for point in in_lanes(LANES, others.map(die_once)).await.into_iter().flatten() {
        tally.count(&point, 1);
    }
    tally.print("PostgreSQL");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sealing_anew_survives_any_death_on_postgres() {
    let mut tally = Tally::default();
    for point in points::in_group(points::KEYS) {
        for chunk in 1..=reseal::CHUNKS {
            let Some(database) = Database::postgres().await else { return };
            reseal::die_over_keys(Stage::new(database), &format!("{point}#{chunk}")).await;
            tally.count(&point, 1);
        }
    }
    tally.print("PostgreSQL");
}

/// `None` without a server.
async fn die_once(point: String) -> Option<String> {
    let stage = Stage::new(Database::postgres().await?);
    if points::belongs(&point, points::PEOPLE) {
        die_once_over_people(stage, &point, 1).await;
    } else {
        die_over_work(&mut working(stage).await, &point, 1).await;
    }
    Some(point)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_peers_runs_are_taken_over_within_ten_seconds() {
    let Some(database) = Database::postgres().await else { return };
    let mut stage = working(Stage::new(database)).await;
    let mut survivor = stage.start(None);
    stage.taken_over(&mut survivor, &[]).await;
    let alive = stage.instances().await;

    let seen = die_at(&mut stage, "import.before_call").await;
    let died = Instant::now();
    let dead: Vec<InstanceId> = seen.instances.into_iter().filter(|known| !alive.contains(known)).collect();
    let left: Vec<_> = stage.running(&dead).await.into_iter().map(|run| run.id).collect();
    assert!(!left.is_empty(), "it died over a run");
    stage.taken_over(&mut survivor, &dead).await;
    let took = died.elapsed();
    println!("crash: {} runs of a killed peer were taken over after {}", left.len(), seconds(took));
    assert!(took <= TAKES_OVER, "taken over after {took:?}");
    for run in stage.over(&mut survivor, &left).await {
        assert_eq!((run.outcome, run.deaths), (Some(Outcome::Done), 1), "it went on elsewhere: {run:?}");
    }
    end_in_line(&mut stage, survivor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_that_a_killed_peer_began_is_repeated_within_twenty_seconds() {
    let Some(database) = Database::postgres().await else { return };
    let mut stage = working(Stage::new(database)).await;
    let mut survivor = stage.start(None);
    stage.taken_over(&mut survivor, &[]).await;

    die_at(&mut stage, "refresh.reply_unread").await;
    let died = Instant::now();
    stage
        .until(&mut survivor, async || match stage.repeats() {
            0 => Err("nobody has repeated the exchange".to_owned()),
            _ => Ok(()),
        })
        .await;
    let took = died.elapsed();
    println!("crash: a killed peer's token exchange was repeated after {}", seconds(took));
    assert!(took <= TAKES_OVER_EXCHANGE, "repeated after {took:?}");
    end_in_line(&mut stage, survivor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_stopped_until_peers_gave_it_up_begins_anew_and_writes_nothing_stale() {
    let Some(database) = Database::postgres().await else { return };
    let mut stage = working(Stage::new(database)).await;
    stage.next_round();
    let stopped = stage.start_stopping_at("export.reply_unread").await;
    // For its peers it is as good as dead, with whatever exchange it was stopped over.
    let gone = stage.consistent().await.instances;
    let left: Vec<_> = stage.running(&gone).await.into_iter().map(|run| run.id).collect();
    assert!(!left.is_empty(), "it was stopped over a run");

    let began = Instant::now();
    let mut peer = stage.start_again(&gone).await;
    println!("crash: {} runs of a stopped peer were taken over after {}", left.len(), seconds(began.elapsed()));
    let before = stage.over(&mut peer, &left).await;
    stage.settled(&mut peer, &SHOPS).await;

    stopped.thaw();
    stage.begun_anew(&mut peer, &gone[0]).await;
    stage.settled(&mut peer, &SHOPS).await;
    assert_eq!(stage.over(&mut peer, &left).await, before, "what is over stays as its last holder wrote it");
    stage
        .until(&mut peer, async || {
            if stage.log().contains("instance.refused") {
                Ok(())
            } else {
                Err("it does not say that it was given up".into())
            }
        })
        .await;
    stopped.stop(&stage).await;
    end_in_line(&mut stage, peer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_stopped_before_it_spends_a_token_does_not_spend_it_once_peers_have() {
    let Some(database) = Database::postgres().await else { return };
    let mut stage = working(Stage::new(database)).await;
    stage.next_round();
    let stopped = stage.start_stopping_at("refresh.before_call").await;
    let gone = stage.consistent().await.instances;
    let renewed = stage.fake.stats().refreshes;
    let mut peer = stage.start_again(&gone).await;
    stage
        .until(&mut peer, async || match stage.fake.stats().refreshes {
            now if now > renewed => Ok(()),
            _ => Err("the peer has renewed nothing".to_owned()),
        })
        .await;
    stage.settled(&mut peer, &SHOPS).await;

    stopped.thaw();
    stage.begun_anew(&mut peer, &gone[0]).await;
    stage.settled(&mut peer, &SHOPS).await;
    assert_eq!(stage.fake.stats().refresh_tokens_spent_twice, 0);
    stopped.stop(&stage).await;
    end_in_line(&mut stage, peer).await;
}

impl Stage {
    /// Waits until an instance that its peers gave up has begun anew.
    async fn begun_anew(&self, peer: &mut Daemon, gone: &InstanceId) {
        let anew = InstanceId(format!("{gone}+1"));
        self.until(peer, async || {
            if self.instances().await.contains(&anew) { Ok(()) } else { Err(format!("{anew} is not on record")) }
        })
        .await;
    }

    /// Who is on record.
    async fn instances(&self) -> Vec<InstanceId> {
        let store = self.open_store().await.unwrap();
        let instances = store.read(Clock::system().now()).await.unwrap().instances().await.unwrap();
        store.close().await;
        instances.into_iter().map(|instance| instance.id).collect()
    }

    /// Waits until these runs are over.
    async fn over(&self, daemon: &mut Daemon, wanted: &[RunId]) -> Vec<Run> {
        let these = async || {
            let mut runs = self.all_runs().await;
            runs.retain(|run| wanted.contains(&run.id));
            runs
        };
        self.until(daemon, async || match these().await.iter().find(|run| !run.state.is_final()) {
            Some(run) => Err(format!("this is not over: {run:?}")),
            None => Ok(()),
        })
        .await;
        these().await
    }

    /// What runs in the name of these.
    async fn running(&self, instances: &[InstanceId]) -> Vec<Run> {
        let of_these = |run: &Run| run.instance.as_ref().is_some_and(|instance| instances.contains(instance));
        let runs = self.all_runs().await.into_iter();
        runs.filter(|run| run.state == RunState::Running && of_these(run)).collect()
    }
}
