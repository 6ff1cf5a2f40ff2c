//! Schedules, runs, instances and leases.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use shopsyncd::{
    clock::Clock,
    domain::{
        Counts, Demand, ErrorKind, Hold, InstanceId, JobKind, Outcome, Period, RunError, RunId, RunState, ShopId,
        Trigger,
    },
    scheduler::{Context, End, Handler, Handlers, Scheduler, Settings, Stopped},
    store::{
        Asked, Claimed, Due, Finish, Finished, InstanceRow, NewRun, Planned, RunFilter, Store, WantedSchedule,
        WantedShop,
    },
    telemetry::metrics::Metrics,
};
use sqlx::Executor as _;
use tokio_util::sync::CancellationToken;

use super::{Check, Checked, noon};

macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), |store| Box::pin($name(store)))),*]
    };
}

pub(crate) const CHECKS: &[Check] = checks![
    schedules_follow_the_settings_and_keep_what_did_not_change,
    a_due_schedule_becomes_one_claimed_run_and_moves_on,
    more_due_schedules_than_slots_leave_the_rest_available,
    full_channels_are_passed_over,
    an_instant_that_meets_an_unfinished_run_folds_into_it,
    a_run_asked_for_joins_the_unfinished_one,
    what_a_run_under_way_began_too_soon_for_is_done_by_the_run_that_follows,
    what_follows_is_called_off_with_everything_else_that_waits,
    a_run_that_goes_on_after_a_death_does_what_was_asked_for_meanwhile,
    an_attempt_that_failed_waits_for_its_instant,
    a_claim_that_was_lost_writes_nothing,
    counts_of_attempts_add_up,
    a_run_given_back_counts_no_attempt,
    a_claim_nobody_knows_of_is_given_back,
    the_runs_of_the_dead_are_taken_over,
    the_holder_of_the_lock_voids_everybody_else,
    a_lease_has_one_holder_and_a_number_that_grows,
    a_covered_lease_outlives_its_dead_holder,
    holds_silence_schedules_and_their_end_catches_up,
    a_shop_whose_export_a_guard_holds_counts_among_the_held,
    an_early_look_does_not_move_the_grid,
    an_early_look_that_meets_a_run_under_way_comes_again,
    a_look_that_comes_with_the_grid_and_meets_a_run_under_way_is_not_lost,
    a_planner_does_not_wait_for_a_job_that_writes,
    a_look_asked_for_by_an_instant_never_puts_off_one_that_comes_sooner,
    a_clock_set_back_does_not_silence_schedules,
    a_clock_that_was_ahead_for_a_while_leaves_no_schedule_behind_there,
    history_is_listed_newest_first_and_pruned_but_for_the_newest,
    waiting_runs_are_cancelled_and_running_ones_are_not,
    facts_are_replaced,
    texts_are_kept_without_nul_characters,
    an_end_that_the_database_refuses_keeps_no_other_from_being_written,
];

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn shop(id: &str) -> ShopId {
    id.parse().expect("a shop id")
}

fn me() -> InstanceId {
    InstanceId("me".to_owned())
}

fn other() -> InstanceId {
    InstanceId("other".to_owned())
}

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const IMPORT: JobKind = JobKind::ProductImport;
const REFRESH: JobKind = JobKind::AuthorizationRefresh;

fn want(id: &str, job: JobKind, period: Period) -> WantedSchedule {
    WantedSchedule { shop: Some(shop(id)), job, period }
}

/// Makes imports every minute for these shops; returns an instant at which all of them are due for the first time.
async fn imports(store: &Store, ids: &[&str]) -> Result<Timestamp, Failure> {
    let wanted: Vec<_> = ids.iter().map(|id| want(id, IMPORT, Period::Every(MINUTE))).collect();
    let mut tx = store.write(noon()).await?;
    assert_eq!(tx.sync_schedules(&wanted).await?, ids.len() as u64);
    tx.commit().await?;
    Ok(noon() + MINUTE)
}

/// Plans everything due at `now` as the scheduler does.
async fn plan(store: &Store, now: Timestamp, slots: u32) -> Result<Vec<Claimed>, Failure> {
    let mut tx = store.write(now).await?;
    let planned: Vec<_> = tx
        .due_schedules(1_000, &[])
        .await?
        .into_iter()
        .map(|due| {
            let next = due.period.next_after(due.grid_at, now).expect("a period");
            Planned { grid_at: next.grid_at, covers: next.covers, due }
        })
        .collect();
    let claimed = tx.plan_runs(&planned, &me(), slots).await?;
    tx.commit().await?;
    Ok(claimed)
}

fn ended(run: &Claimed, finish: Finish) -> Finished {
    Finished { id: run.id, lease_number: run.lease_number, finish, counts: Counts::default(), error: None }
}

async fn finish(store: &Store, now: Timestamp, finished: &[Finished]) -> Result<Vec<RunId>, Failure> {
    let mut tx = store.write(now).await?;
    let stood = tx.finish_runs(finished).await?;
    tx.commit().await?;
    Ok(stood.runs)
}

async fn claim(store: &Store, now: Timestamp, holder: &InstanceId) -> Result<Vec<Claimed>, Failure> {
    let mut tx = store.write(now).await?;
    let claimed = tx.claim_runs(holder, 10, &[]).await?;
    tx.commit().await?;
    Ok(claimed)
}

fn instance(id: InstanceId) -> InstanceRow {
    InstanceRow {
        id,
        version: "1".to_owned(),
        started_at: noon(),
        beat: 0,
        settings_digest: "abc".to_owned(),
        standing_by: false,
        dead: false,
        settings_error: None,
    }
}

async fn full_channels_are_passed_over(store: Store) -> Checked {
    let of_channels = [("a", "slow"), ("b", "quick"), ("c", "slow"), ("d", "other")];
    let now = imports(&store, &["a", "b", "c", "d", "unknown"]).await?;
    let mut tx = store.write(now).await?;
    let wanted = of_channels.map(|(id, channel)| WantedShop {
        id: shop(id),
        channel: channel.into(),
        name: id.to_owned(),
        place: id.to_owned(),
        app: None,
    });
    tx.sync_shops(&wanted).await?;
    let due = |due: Vec<Due>| -> BTreeSet<(String, String)> {
        due.into_iter().map(|due| (due.shop.map(|shop| shop.to_string()).unwrap_or_default(), due.channel)).collect()
    };
    let set = |rows: &[(&str, &str)]| -> BTreeSet<(String, String)> {
        rows.iter().map(|(shop, channel)| ((*shop).to_owned(), (*channel).to_owned())).collect()
    };
    assert_eq!(due(tx.due_schedules(10, &["slow", ""]).await?), set(&[("b", "quick"), ("d", "other")]));
    let planned: Vec<_> = tx
        .due_schedules(10, &["slow"])
        .await?
        .into_iter()
        .map(|due| Planned { grid_at: due.grid_at + MINUTE, covers: 1, due })
        .collect();
    let claimed = |claimed: Vec<Claimed>| -> BTreeSet<(String, String)> {
        claimed
            .into_iter()
            .map(|run| (run.shop.map(|shop| shop.to_string()).unwrap_or_default(), run.channel))
            .collect()
    };
    let started = tx.plan_runs(&planned, &me(), 10).await?;
    assert_eq!(claimed(started), set(&[("b", "quick"), ("d", "other"), ("unknown", "")]));
    assert_eq!(due(tx.due_schedules(10, &[]).await?), set(&[("a", "slow"), ("c", "slow")]), "they wait for their turn");

    for (id, _) in of_channels {
        tx.run_now(&NewRun { shop: Some(shop(id)), job: REFRESH, demand: Demand::default() }, Trigger::Now).await?;
    }
    tx.run_now(&NewRun { shop: None, job: JobKind::Remind, demand: Demand::default() }, Trigger::Now).await?;
    assert_eq!(claimed(tx.claim_runs(&me(), 10, &["slow", "other"]).await?), set(&[("b", "quick"), ("", "")]));
    assert_eq!(claimed(tx.claim_runs(&me(), 10, &[]).await?), set(&[("a", "slow"), ("c", "slow"), ("d", "other")]));
    Ok(())
}

async fn schedules_follow_the_settings_and_keep_what_did_not_change(store: Store) -> Checked {
    let hour = Period::Every(SignedDuration::from_hours(1));
    let mut tx = store.write(noon()).await?;
    let daemons = WantedSchedule { shop: None, job: JobKind::Remind, period: hour.clone() };
    let first = [want("a", IMPORT, hour.clone()), want("b", IMPORT, hour.clone()), daemons.clone()];
    assert_eq!(tx.sync_schedules(&first).await?, 3);
    tx.run_now(&NewRun { shop: Some(shop("b")), job: IMPORT, demand: Demand::default() }, Trigger::Now).await?;
    let before = tx.schedules(None).await?;
    tx.commit().await?;
    assert_eq!(before[0].shop, None);
    for row in &before {
        let at = row.next_due_at.expect("an instant");
        assert!(at > noon() && at <= noon() + MINUTE, "{at}");
        assert_eq!(row.grid_at, Some(at));
    }

    let mut tx = store.write(noon() + MINUTE).await?;
    assert_eq!(tx.sync_schedules(&first).await?, 0);
    let second = [want("a", IMPORT, Period::None), want("c", IMPORT, Period::Every(MINUTE)), daemons];
    assert_eq!(tx.sync_schedules(&second).await?, 3);
    let after = tx.schedules(None).await?;
    assert_eq!(after[0], before[0]);
    assert_eq!((after[1].next_due_at, after[1].grid_at, &after[1].period), (None, None, &Period::None));
    assert_eq!(after[2].shop, Some(shop("c")));
    assert_eq!(after.len(), 3);
    let runs = tx.runs(&RunFilter { shop: Some(shop("b")), ..RunFilter::default() }, 10).await?;
    assert_eq!((runs[0].state, runs[0].outcome), (RunState::Cancelled, Some(Outcome::Cancelled)));
    Ok(())
}

async fn a_due_schedule_becomes_one_claimed_run_and_moves_on(store: Store) -> Checked {
    let now = imports(&store, &["a"]).await? + MINUTE * 10;
    let mut tx = store.read(now).await?;
    let before = tx.schedules(None).await?.remove(0);
    assert_eq!(tx.next_instant().await?, before.next_due_at);
    drop(tx);
    let claimed = plan(&store, now, 5).await?;
    assert_eq!(claimed.len(), 1);
    assert_eq!((claimed[0].attempt, claimed[0].lease_number, claimed[0].taken_over), (1, 1, false));
    assert_eq!(Some(claimed[0].due_at), before.next_due_at);
    let mut tx = store.read(now).await?;
    let after = tx.schedules(None).await?.remove(0);
    let next = after.next_due_at.expect("an instant");
    assert!(next > now && next <= now + MINUTE);
    assert_eq!(after.planned_at, Some(now), "what was missed is planned now");
    let run = tx.run(claimed[0].id).await?.expect("the run");
    assert_eq!((run.state, run.covers, run.started_at), (RunState::Running, 11, Some(now)));
    assert_eq!((run.trigger, run.instance, run.counts), (Trigger::Schedule, Some(me()), Counts::default()));
    drop(tx);
    let mut tx = store.write(now).await?;
    assert!(tx.holds_run(run.id, 1).await?);
    assert!(!tx.holds_run(run.id, 2).await?);
    Ok(())
}

async fn more_due_schedules_than_slots_leave_the_rest_available(store: Store) -> Checked {
    let now = imports(&store, &["a", "b", "c"]).await?;
    assert_eq!(plan(&store, now, 2).await?.len(), 2);
    let rest = claim(&store, now, &other()).await?;
    assert_eq!(rest.len(), 1);
    assert_eq!((rest[0].attempt, rest[0].lease_number, rest[0].taken_over), (1, 1, false));
    assert!(claim(&store, now, &other()).await?.is_empty());
    Ok(())
}

async fn an_instant_that_meets_an_unfinished_run_folds_into_it(store: Store) -> Checked {
    let now = imports(&store, &["a", "b"]).await?;
    let first = plan(&store, now, 5).await?;
    let b = first.iter().find(|run| run.shop == Some(shop("b"))).expect("the run of b");
    finish(&store, now, &[ended(b, Finish::Ended(Outcome::Done))]).await?;
    let second = plan(&store, now + MINUTE * 2, 5).await?;
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].shop, Some(shop("b")));
    let mut tx = store.read(now).await?;
    let a = tx.runs(&RunFilter { shop: Some(shop("a")), ..RunFilter::default() }, 10).await?;
    assert_eq!(a.len(), 1);
    assert_eq!((a[0].covers, a[0].attempt, a[0].state), (3, 1, RunState::Running));
    assert!(tx.schedules(None).await?.iter().all(|row| row.next_due_at > Some(now + MINUTE * 2)));
    Ok(())
}

async fn a_run_asked_for_joins_the_unfinished_one(store: Store) -> Checked {
    let now = imports(&store, &["a"]).await?;
    let plain = NewRun { shop: Some(shop("a")), job: IMPORT, demand: Demand::default() };
    let full = NewRun { demand: Demand { full: true, ..Demand::default() }, ..plain.clone() };
    let mut tx = store.write(noon()).await?;
    let before = tx.schedules(None).await?;
    let asked = tx.run_now(&plain, Trigger::Now).await?;
    assert_eq!(tx.run_now(&full, Trigger::Renewal).await?, asked);
    assert_eq!(tx.run_now(&plain, Trigger::Now).await?, asked);
    let id = asked.run;
    assert_eq!(asked, Asked { run: id, follows: false });
    assert_eq!(tx.schedules(None).await?, before);
    tx.commit().await?;
    let claimed = claim(&store, noon(), &me()).await?;
    assert_eq!((claimed[0].id, claimed[0].trigger, claimed[0].demand.full), (id, Trigger::Now, true));
    let retry = Finish::Retry { at: now + MINUTE, counted: true };
    finish(&store, noon(), &[ended(&claimed[0], retry)]).await?;
    assert!(claim(&store, noon(), &me()).await?.is_empty());
    let mut tx = store.write(noon()).await?;
    assert_eq!(tx.run_now(&plain, Trigger::Now).await?, asked);
    tx.commit().await?;
    let again = claim(&store, noon(), &me()).await?;
    assert_eq!((again[0].id, again[0].attempt, again[0].demand.full), (id, 2, true));
    Ok(())
}

/// A run of shop `a` that is under way, and a demand that it does not meet.
async fn under_way(store: &Store) -> Result<(Timestamp, Claimed, NewRun), Failure> {
    let now = imports(store, &["a"]).await?;
    let run = plan(store, now, 1).await?.remove(0);
    let demand = Demand { full: true, ..Demand::default() };
    Ok((now, run, NewRun { shop: Some(shop("a")), job: IMPORT, demand }))
}

async fn what_a_run_under_way_began_too_soon_for_is_done_by_the_run_that_follows(store: Store) -> Checked {
    let (now, run, full) = under_way(&store).await?;
    let plain = NewRun { demand: Demand::default(), ..full.clone() };
    let mut tx = store.write(now).await?;
    assert_eq!(tx.run_now(&plain, Trigger::Now).await?, Asked { run: run.id, follows: false });
    assert_eq!(tx.run_now(&plain, Trigger::Renewal).await?, Asked { run: run.id, follows: true });
    assert_eq!(tx.run_now(&full, Trigger::Now).await?, Asked { run: run.id, follows: true });
    assert_eq!(tx.follower(run.id).await?, None, "it is not over yet");
    assert_eq!(tx.run(run.id).await?.expect("the run").follow_up, Some(Trigger::Renewal));
    tx.commit().await?;

    let mut tx = store.write(now + MINUTE).await?;
    let stood = tx.finish_runs(&[ended(&run, Finish::Ended(Outcome::Held))]).await?;
    assert_eq!((&stood.runs[..], stood.followed), (&[run.id][..], true));
    let next = tx.follower(run.id).await?.expect("a run follows");
    let made = tx.run(next).await?.expect("the run");
    assert_eq!((made.state, made.trigger, made.due_at), (RunState::Available, Trigger::Renewal, now + MINUTE));
    assert_eq!((made.shop, made.job, made.demand.full), (run.shop.clone(), run.job, true));
    tx.commit().await?;

    let second = claim(&store, now + MINUTE, &me()).await?.remove(0);
    assert_eq!((second.id, second.demand.full), (next, true));
    let mut tx = store.write(now + MINUTE).await?;
    assert_eq!(tx.run_now(&full, Trigger::Now).await?, Asked { run: next, follows: false }, "it does it already");
    assert!(!tx.finish_runs(&[ended(&second, Finish::Ended(Outcome::Done))]).await?.followed);
    assert_eq!(tx.follower(next).await?, None);
    Ok(())
}

async fn what_follows_is_called_off_with_everything_else_that_waits(store: Store) -> Checked {
    let (now, run, full) = under_way(&store).await?;
    for call_off in ["a pause", "its schedule is gone"] {
        let mut tx = store.write(now).await?;
        assert!(tx.run_now(&full, Trigger::Now).await?.follows);
        if call_off == "a pause" {
            tx.set_holds(&shop("a"), &[(IMPORT, Some(Hold::Paused))]).await?;
        } else {
            tx.sync_schedules(&[]).await?;
        }
        assert_eq!(tx.run(run.id).await?.expect("the run").follow_up, None, "{call_off}");
        tx.commit().await?;
    }
    let mut tx = store.write(now).await?;
    assert!(!tx.finish_runs(&[ended(&run, Finish::Ended(Outcome::Done))]).await?.followed);
    assert_eq!((tx.follower(run.id).await?, tx.runs(&RunFilter::default(), 9).await?.len()), (None, 1));
    Ok(())
}

async fn a_run_that_goes_on_after_a_death_does_what_was_asked_for_meanwhile(store: Store) -> Checked {
    let (now, run, full) = under_way(&store).await?;
    let mut tx = store.write(now).await?;
    tx.add_instance(&instance(me())).await?;
    assert!(tx.run_now(&full, Trigger::Now).await?.follows);
    assert_eq!(tx.take_over(&me()).await?, [run.id]);
    tx.commit().await?;
    let again = claim(&store, now, &other()).await?.remove(0);
    assert_eq!((again.id, again.demand.full, again.deaths, again.taken_over), (run.id, true, 1, true));
    let mut tx = store.write(now).await?;
    assert!(tx.run(run.id).await?.expect("the run").demand.full);
    assert!(!tx.finish_runs(&[ended(&again, Finish::Ended(Outcome::Done))]).await?.followed);
    Ok(())
}

async fn an_attempt_that_failed_waits_for_its_instant(store: Store) -> Checked {
    let now = imports(&store, &["a"]).await?;
    let run = plan(&store, now, 1).await?.remove(0);
    let at = now + SignedDuration::from_secs(20);
    let failed = Finished {
        error: Some((ErrorKind::Unavailable, "the shop did not answer".to_owned(), "wait".to_owned())),
        ..ended(&run, Finish::Retry { at, counted: true })
    };
    assert_eq!(finish(&store, now, &[failed]).await?, [run.id]);
    let mut tx = store.read(now).await?;
    assert_eq!(tx.next_instant().await?, Some(at));
    let stored = tx.run(run.id).await?.expect("the run");
    assert_eq!((stored.state, stored.available_at, stored.finished_at), (RunState::Retryable, at, None));
    assert_eq!(stored.error.map(|error| error.0), Some(ErrorKind::Unavailable));
    drop(tx);
    assert!(claim(&store, at - SignedDuration::from_millis(1), &me()).await?.is_empty());
    let second = claim(&store, at, &me()).await?.remove(0);
    assert_eq!((second.id, second.attempt, second.lease_number, second.taken_over), (run.id, 2, 2, false));
    finish(&store, at, &[ended(&second, Finish::Retry { at, counted: false })]).await?;
    let third = claim(&store, at, &me()).await?.remove(0);
    assert_eq!((third.attempt, third.lease_number), (2, 3));
    assert_eq!(store.read(at).await?.run(run.id).await?.expect("the run").started_at, Some(now), "the run's beginning");
    finish(&store, at, &[ended(&third, Finish::Ended(Outcome::Failed))]).await?;
    let mut tx = store.read(at).await?;
    let stored = tx.run(run.id).await?.expect("the run");
    assert_eq!((stored.state, stored.outcome), (RunState::Discarded, Some(Outcome::Failed)));
    assert_eq!((stored.error, stored.finished_at), (None, Some(at)));
    Ok(())
}

async fn a_claim_that_was_lost_writes_nothing(store: Store) -> Checked {
    let now = imports(&store, &["a"]).await?;
    let run = plan(&store, now, 1).await?.remove(0);
    let mut tx = store.write(now).await?;
    tx.add_instance(&instance(me())).await?;
    assert_eq!(tx.take_over(&me()).await?, [run.id]);
    assert!(!tx.holds_run(run.id, 1).await?);
    tx.commit().await?;
    assert!(finish(&store, now, &[ended(&run, Finish::Ended(Outcome::Done))]).await?.is_empty());
    let second = claim(&store, now, &other()).await?.remove(0);
    assert!(finish(&store, now, &[ended(&run, Finish::Ended(Outcome::Done))]).await?.is_empty());
    let mut tx = store.write(now).await?;
    assert!(tx.holds_run(run.id, second.lease_number).await?);
    assert!(!tx.holds_run(run.id, run.lease_number).await?);
    assert_eq!(tx.run(run.id).await?.expect("the run").state, RunState::Running);
    Ok(())
}

async fn counts_of_attempts_add_up(store: Store) -> Checked {
    let now = imports(&store, &["a"]).await?;
    let run = plan(&store, now, 1).await?.remove(0);
    let counts = Counts { seen: 3, changed: 1, unchanged: 2, gone: 4, sent: 5, refused: 6 };
    let first = Finished { counts, ..ended(&run, Finish::Retry { at: now, counted: true }) };
    finish(&store, now, &[first]).await?;
    let run = claim(&store, now, &me()).await?.remove(0);
    finish(&store, now, &[ended(&run, Finish::Retry { at: now, counted: true })]).await?;
    let run = claim(&store, now, &me()).await?.remove(0);
    finish(&store, now, &[Finished { counts, ..ended(&run, Finish::Ended(Outcome::Partly)) }]).await?;
    let mut tx = store.read(now).await?;
    let mut twice = counts;
    twice += counts;
    assert_eq!(tx.run(run.id).await?.expect("the run").counts, twice);
    Ok(())
}

async fn a_run_given_back_counts_no_attempt(store: Store) -> Checked {
    let now = imports(&store, &["a"]).await?;
    let run = plan(&store, now, 1).await?.remove(0);
    finish(&store, now, &[ended(&run, Finish::GivenBack)]).await?;
    let again = claim(&store, now, &other()).await?.remove(0);
    assert_eq!((again.id, again.attempt, again.lease_number, again.taken_over), (run.id, 1, 2, false));
    Ok(())
}

async fn the_runs_of_the_dead_are_taken_over(store: Store) -> Checked {
    let now = imports(&store, &["a", "b"]).await?;
    let mut tx = store.write(now).await?;
    tx.add_instance(&instance(me())).await?;
    tx.add_instance(&instance(other())).await?;
    assert!(tx.beat(&me()).await?);
    tx.commit().await?;
    let mine = plan(&store, now, 1).await?.remove(0);
    let theirs = claim(&store, now, &other()).await?.remove(0);
    let mut tx = store.write(now).await?;
    assert_eq!(tx.take_over(&me()).await?, [mine.id]);
    assert!(!tx.beat(&me()).await?);
    assert!(tx.beat(&other()).await?);
    assert!(tx.take_over(&me()).await?.is_empty());
    tx.commit().await?;
    let taken = claim(&store, now, &other()).await?.remove(0);
    assert_eq!((taken.id, taken.attempt, taken.taken_over), (mine.id, 2, true));
    let mut tx = store.write(now).await?;
    tx.remove_instance(&me()).await?;
    let left = tx.instances().await?;
    assert_eq!(left.iter().map(|row| (&row.id, row.beat)).collect::<Vec<_>>(), [(&other(), 1)]);
    assert_eq!(tx.run(theirs.id).await?.expect("the run").state, RunState::Running);
    Ok(())
}

async fn the_holder_of_the_lock_voids_everybody_else(store: Store) -> Checked {
    let now = imports(&store, &["a", "b"]).await?;
    let mut tx = store.write(now).await?;
    tx.add_instance(&instance(me())).await?;
    tx.add_instance(&instance(other())).await?;
    let lease = tx.take_lease("authorization/1", &me(), 20_000).await?.expect("a free lease");
    tx.commit().await?;
    let mine = plan(&store, now, 1).await?.remove(0);
    let theirs = claim(&store, now, &other()).await?.remove(0);
    let mut tx = store.write(now).await?;
    assert_eq!(tx.void_others(&other()).await?, [mine.id]);
    assert!(!tx.holds_lease(&lease).await?);
    assert_eq!(tx.instances().await?.len(), 1);
    assert_eq!(tx.run(theirs.id).await?.expect("the run").state, RunState::Running);
    assert_eq!(tx.run(mine.id).await?.expect("the run").state, RunState::Available);
    Ok(())
}

async fn a_lease_has_one_holder_and_a_number_that_grows(store: Store) -> Checked {
    let mut tx = store.write(noon()).await?;
    tx.add_instance(&instance(me())).await?;
    tx.add_instance(&instance(other())).await?;
    let first = tx.take_lease("authorization/1", &me(), 0).await?.expect("a free lease");
    assert!(tx.take_lease("authorization/1", &other(), 0).await?.is_none());
    assert!(tx.take_lease("authorization/1", &me(), 0).await?.is_none());
    assert!(tx.holds_lease(&first).await?);
    tx.give_back(&first).await?;
    assert!(!tx.holds_lease(&first).await?);
    let second = tx.take_lease("authorization/1", &other(), 0).await?.expect("a free lease");
    assert!(second.number > first.number);
    tx.give_back(&first).await?;
    assert!(tx.holds_lease(&second).await?);
    Ok(())
}

async fn a_covered_lease_outlives_its_dead_holder(store: Store) -> Checked {
    let mut tx = store.write(noon()).await?;
    tx.add_instance(&instance(me())).await?;
    let covered = tx.take_lease("authorization/1", &me(), 20_000).await?.expect("a free lease");
    let plain = tx.take_lease("authorization/2", &me(), 0).await?.expect("a free lease");
    tx.take_over(&me()).await?;
    assert!(tx.holds_lease(&covered).await?);
    assert!(!tx.holds_lease(&plain).await?);
    assert!(tx.take_lease("authorization/1", &other(), 0).await?.is_none());
    assert!(tx.take_lease("authorization/2", &other(), 0).await?.is_some());
    tx.remove_instance(&me()).await?;
    assert!(tx.take_lease("authorization/1", &other(), 0).await?.is_some());
    Ok(())
}

async fn holds_silence_schedules_and_their_end_catches_up(store: Store) -> Checked {
    let day = SignedDuration::from_hours(24);
    let now = imports(&store, &["a"]).await?;
    let mut tx = store.write(noon()).await?;
    let wanted = [want("a", REFRESH, Period::Every(MINUTE)), want("a", IMPORT, Period::Every(MINUTE))];
    tx.sync_schedules(&wanted).await?;
    let before = tx.schedules(None).await?;
    let lapsed = [(REFRESH, Some(Hold::Lapsed)), (IMPORT, Some(Hold::Lapsed))];
    tx.set_holds(&shop("a"), &lapsed).await?;
    let held = tx.schedules(None).await?;
    assert_eq!((held[0].next_due_at, held[0].held_by), (Some(noon() + day), Some(Hold::Lapsed)));
    assert_eq!((held[1].next_due_at, held[1].held_by), (None, Some(Hold::Lapsed)));
    tx.commit().await?;

    // The same hold again does not put the look off.
    let mut tx = store.write(now).await?;
    tx.set_holds(&shop("a"), &lapsed).await?;
    assert_eq!(tx.schedules(None).await?, held);
    tx.commit().await?;

    // The daily look leaves the grid where it was.
    let mut tx = store.write(noon() + day).await?;
    let due = tx.due_schedules(10, &[]).await?;
    assert_eq!(due.len(), 1);
    assert_eq!((due[0].job, due[0].due_at, due[0].held_by), (REFRESH, noon() + day, Some(Hold::Lapsed)));
    let looked = Planned { grid_at: due[0].grid_at, covers: 1, due: due[0].clone() };
    let run = tx.plan_runs(&[looked], &me(), 1).await?.remove(0);
    tx.finish_runs(&[ended(&run, Finish::Ended(Outcome::Held))]).await?;
    let after = tx.schedules(None).await?;
    assert_eq!((after[0].next_due_at, after[0].grid_at), (Some(noon() + day + day), before[0].grid_at));

    tx.set_holds(&shop("a"), &[(REFRESH, None), (IMPORT, None)]).await?;
    let free = tx.schedules(None).await?;
    assert_eq!((free[0].next_due_at, free[0].held_by), (before[0].next_due_at, None));
    assert_eq!(free[1], before[1]);
    tx.commit().await?;
    assert_eq!(plan(&store, noon() + day, 5).await?.len(), 2);
    Ok(())
}

async fn a_shop_whose_export_a_guard_holds_counts_among_the_held(store: Store) -> Checked {
    let jobs = [JobKind::ProductExport, IMPORT];
    let wanted = ["a", "b"].into_iter().flat_map(|id| jobs.map(|job| want(id, job, Period::Every(MINUTE))));
    let mut tx = store.write(noon()).await?;
    tx.sync_schedules(&wanted.collect::<Vec<_>>()).await?;
    tx.set_holds(&shop("b"), &[(JobKind::ProductExport, Some(Hold::NoSource))]).await?;
    tx.commit().await?;
    for (minutes, error, held) in [(1, None, 1), (2, Some(ErrorKind::Guard), 2), (3, Some(ErrorKind::Unexpected), 1)] {
        let now = noon() + MINUTE * minutes;
        let error = error.map(|kind| (kind, "too much".to_owned(), String::new()));
        let runs = plan(&store, now, 10).await?;
        let ends = runs.iter().map(|run| Finished { error: error.clone(), ..ended(run, Finish::Ended(Outcome::Held)) });
        finish(&store, now, &ends.collect::<Vec<_>>()).await?;
        assert_eq!(store.read(now).await?.outlook().await?.0, held, "{error:?}");
    }
    Ok(())
}

async fn an_early_look_that_meets_a_run_under_way_comes_again(store: Store) -> Checked {
    let mut tx = store.write(noon()).await?;
    tx.sync_schedules(&[want("a", REFRESH, Period::Every(SignedDuration::from_hours(1)))]).await?;
    let grid = tx.schedules(None).await?[0].grid_at.expect("an instant");
    tx.commit().await?;
    let run = plan(&store, grid, 1).await?.remove(0);

    // The run may have looked already at what the look is asked for now.
    let now = grid + MINUTE;
    let mut tx = store.write(now).await?;
    tx.look_early(Some(&shop("a")), REFRESH, Some(now)).await?;
    let due = tx.due_schedules(10, &[]).await?.remove(0);
    let look = |due: Due| Planned { grid_at: due.grid_at, covers: 1, due };
    assert!(tx.plan_runs(&[look(due)], &me(), 1).await?.is_empty());
    let again = now + SignedDuration::from_secs(1);
    let row = tx.schedules(None).await?.remove(0);
    assert_eq!((row.next_due_at, row.grid_at), (Some(again), Some(grid + MINUTE * 60)));
    assert_eq!(tx.run(run.id).await?.expect("the run").covers, 1, "a look is no instant of the grid");
    tx.finish_runs(&[ended(&run, Finish::Ended(Outcome::Done))]).await?;
    tx.commit().await?;

    let mut tx = store.write(again).await?;
    let due = tx.due_schedules(10, &[]).await?.remove(0);
    assert_eq!(tx.plan_runs(&[look(due)], &me(), 1).await?.len(), 1);
    assert_eq!(tx.schedules(None).await?[0].next_due_at, Some(grid + MINUTE * 60));
    tx.commit().await?;
    Ok(())
}

async fn a_look_that_comes_with_the_grid_and_meets_a_run_under_way_is_not_lost(store: Store) -> Checked {
    let now = imports(&store, &["a"]).await?;
    plan(&store, now, 1).await?;
    let mut tx = store.write(now).await?;
    let grid = tx.schedules(None).await?[0].grid_at.expect("an instant");
    tx.commit().await?;

    let now = grid + SignedDuration::from_secs(1);
    let mut tx = store.write(now).await?;
    tx.look_by(Some(&shop("a")), IMPORT, now).await?;
    let due = tx.due_schedules(10, &[]).await?.remove(0);
    assert_eq!((due.due_at, due.early_at), (grid, Some(now)));
    assert!(tx.plan_runs(&[Planned { grid_at: grid + MINUTE, covers: 1, due }], &me(), 1).await?.is_empty());
    assert_eq!(tx.schedules(None).await?[0].next_due_at, Some(now + SignedDuration::from_secs(1)));
    Ok(())
}

async fn a_planner_does_not_wait_for_a_job_that_writes(store: Store) -> Checked {
    if !store.is_postgres() {
        // It has one writer at a time.
        return Ok(());
    }
    let now = imports(&store, &["a"]).await?;
    let run = plan(&store, now, 1).await?.remove(0);
    let now = now + MINUTE;
    let mut job = store.write(now).await?;
    assert!(job.holds_run(run.id, run.lease_number).await?);

    let mut planner = store.write(now).await?;
    let due = planner.due_schedules(10, &[]).await?.remove(0);
    let due = Due { early_at: Some(now), ..due };
    let planned = Planned { grid_at: now + MINUTE, covers: 1, due };
    assert!(planner.plan_runs(&[planned], &me(), 1).await?.is_empty());
    planner.commit().await?;
    job.look_by(Some(&shop("a")), IMPORT, now).await?;
    job.commit().await?;
    let row = store.read(now).await?.schedules(None).await?.remove(0);
    assert_eq!((row.early_at, row.grid_at), (Some(now), Some(now + MINUTE)), "each wrote what it had to");
    Ok(())
}

async fn a_look_asked_for_by_an_instant_never_puts_off_one_that_comes_sooner(store: Store) -> Checked {
    let mut tx = store.write(noon()).await?;
    tx.sync_schedules(&[want("a", REFRESH, Period::Every(SignedDuration::from_hours(1)))]).await?;
    let grid = tx.schedules(None).await?[0].grid_at.expect("an instant");
    // In seconds before the instant of the grid.
    for (asked, stands) in [(30, 30), (20, 30), (40, 40)] {
        tx.look_by(Some(&shop("a")), REFRESH, grid - SignedDuration::from_secs(asked)).await?;
        let row = tx.schedules(None).await?.remove(0);
        assert_eq!(row.early_at, Some(grid - SignedDuration::from_secs(stands)), "{asked}");
        assert_eq!(row.next_due_at, row.early_at);
    }
    tx.commit().await?;
    Ok(())
}

async fn an_early_look_does_not_move_the_grid(store: Store) -> Checked {
    let hour = SignedDuration::from_hours(1);
    let mut tx = store.write(noon()).await?;
    tx.sync_schedules(&[want("a", REFRESH, Period::Every(hour)), want("b", REFRESH, Period::None)]).await?;
    let grid = tx.schedules(None).await?[0].grid_at.expect("an instant");
    let early = grid - SignedDuration::from_millis(1);
    tx.look_early(Some(&shop("a")), REFRESH, Some(early)).await?;
    tx.look_early(Some(&shop("b")), REFRESH, Some(early)).await?;
    let rows = tx.schedules(None).await?;
    assert_eq!((rows[0].next_due_at, rows[0].grid_at), (Some(early), Some(grid)));
    assert_eq!(rows[1].next_due_at, None);
    tx.look_early(Some(&shop("a")), REFRESH, None).await?;
    assert_eq!(tx.schedules(None).await?[0].next_due_at, Some(grid));
    tx.look_early(Some(&shop("a")), REFRESH, Some(early)).await?;
    tx.commit().await?;

    let mut tx = store.write(early).await?;
    let due = tx.due_schedules(10, &[]).await?.remove(0);
    assert_eq!((due.due_at, due.grid_at), (early, grid));
    tx.plan_runs(&[Planned { grid_at: grid, covers: 1, due }], &me(), 1).await?;
    // A look that the run itself asks for, beyond the grid's next instant, leaves that one first.
    tx.look_early(Some(&shop("a")), REFRESH, Some(grid + hour + hour)).await?;
    let row = tx.schedules(None).await?.remove(0);
    assert_eq!((row.next_due_at, row.grid_at), (Some(grid), Some(grid)));
    tx.commit().await?;
    let mut tx = store.write(grid).await?;
    let due = tx.due_schedules(10, &[]).await?.remove(0);
    tx.plan_runs(&[Planned { grid_at: grid + hour, covers: 1, due }], &me(), 1).await?;
    let row = tx.schedules(None).await?.remove(0);
    assert_eq!((row.next_due_at, row.early_at), (Some(grid + hour), Some(grid + hour + hour)));
    Ok(())
}

async fn a_clock_set_back_does_not_silence_schedules(store: Store) -> Checked {
    let now = imports(&store, &["a"]).await?;
    plan(&store, now, 1).await?;
    let mut tx = store.write(now).await?;
    let grid = tx.schedules(None).await?[0].grid_at.expect("an instant");
    let back = now - SignedDuration::from_hours(5);
    drop(tx);
    let mut tx = store.write(back).await?;
    assert_eq!(tx.realign_schedules().await?, 1);
    let row = tx.schedules(None).await?.remove(0);
    let next = row.next_due_at.expect("an instant");
    assert!(next > back && next <= back + MINUTE, "{next}");
    assert_eq!((grid.as_millisecond() - next.as_millisecond()) % 60_000, 0, "the grid stays");
    assert_eq!(tx.realign_schedules().await?, 0);
    Ok(())
}

async fn a_clock_that_was_ahead_for_a_while_leaves_no_schedule_behind_there(store: Store) -> Checked {
    let ahead = imports(&store, &["a"]).await? + SignedDuration::from_hours(36 * 24);
    let mut tx = store.write(ahead).await?;
    tx.sync_schedules(&[want("a", IMPORT, Period::Every(MINUTE)), want("a", REFRESH, Period::Every(MINUTE))]).await?;
    tx.commit().await?;
    // What was missed is planned there, and the shop held: its refresh looks once a day.
    plan(&store, ahead + MINUTE, 5).await?;
    let mut tx = store.write(ahead + MINUTE).await?;
    tx.set_holds(&shop("a"), &[(REFRESH, Some(Hold::Lapsed))]).await?;
    tx.commit().await?;
    let back = noon() + SignedDuration::from_hours(1);
    let mut tx = store.write(back).await?;
    assert_eq!(tx.realign_schedules().await?, 2);
    let rows = tx.schedules(None).await?;
    for (row, longest) in rows.iter().zip([SignedDuration::from_hours(24), MINUTE]) {
        let next = row.next_due_at.expect("an instant");
        assert!(next > back && next <= back + longest, "{}: {next}", row.job);
        assert!(row.grid_at.is_some_and(|grid| grid <= back + MINUTE), "{}: {:?}", row.job, row.grid_at);
    }
    assert_eq!(tx.realign_schedules().await?, 0);
    Ok(())
}

async fn history_is_listed_newest_first_and_pruned_but_for_the_newest(store: Store) -> Checked {
    let mut now = imports(&store, &["a", "b"]).await?;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let runs = plan(&store, now, 5).await?;
        let ends: Vec<_> = runs.iter().map(|run| ended(run, Finish::Ended(Outcome::Done))).collect();
        assert_eq!(finish(&store, now, &ends).await?.len(), 2);
        ids.extend(runs.iter().filter(|run| run.shop == Some(shop("a"))).map(|run| run.id));
        now += MINUTE;
    }
    let running = plan(&store, now, 5).await?;
    let mut tx = store.write(now).await?;
    let of_a = RunFilter { shop: Some(shop("a")), state: Some(RunState::Completed), ..RunFilter::default() };
    let listed: Vec<_> = tx.runs(&of_a, 2).await?.into_iter().map(|run| run.id).collect();
    assert_eq!(listed, [ids[2], ids[1]]);
    let paged = tx.runs(&RunFilter { before: Some(ids[1]), job: Some(IMPORT), ..of_a.clone() }, 10).await?;
    assert_eq!(paged.into_iter().map(|run| run.id).collect::<Vec<_>>(), [ids[0]]);
    assert_eq!(tx.runs(&RunFilter::default(), 100).await?.len(), 8);
    for of in [RunFilter::default(), of_a] {
        let all = tx.runs(&of, 100).await?;
        for outcome in [Outcome::Done, Outcome::Held] {
            let wanted: Vec<_> = all.iter().filter(|run| run.outcome == Some(outcome)).cloned().collect();
            assert_eq!(tx.runs(&RunFilter { outcome: Some(outcome), ..of.clone() }, 100).await?, wanted, "{outcome:?}");
        }
    }
    let latest = tx.latest_runs(None).await?;
    assert_eq!(latest.len(), 4);
    assert_eq!(latest[1].id, ids[2]);
    assert!(running.iter().any(|run| run.id == latest[0].id));
    assert_eq!(tx.latest_runs(Some(&shop("b"))).await?.len(), 2);

    assert_eq!(tx.prune_runs(now + MINUTE).await?, 4);
    let left = tx.runs(&RunFilter::default(), 100).await?;
    assert_eq!(left.len(), 4);
    assert!(left.iter().any(|run| run.id == ids[2]));
    assert_eq!(tx.prune_runs(now + MINUTE).await?, 0);
    Ok(())
}

async fn waiting_runs_are_cancelled_and_running_ones_are_not(store: Store) -> Checked {
    let mut tx = store.write(noon()).await?;
    let run = |id: &str, job| NewRun { shop: Some(shop(id)), job, demand: Demand::default() };
    let running = tx.run_now(&run("a", IMPORT), Trigger::Now).await?.run;
    tx.claim_runs(&me(), 1, &[]).await?;
    let waiting = tx.run_now(&run("a", REFRESH), Trigger::Now).await?.run;
    let elsewhere = tx.run_now(&run("b", REFRESH), Trigger::Now).await?.run;
    assert_eq!(tx.cancel_waiting(&shop("a"), Some(IMPORT)).await?, 0);
    assert_eq!(tx.cancel_waiting(&shop("a"), None).await?, 1);
    for (id, state) in [(running, RunState::Running), (waiting, RunState::Cancelled), (elsewhere, RunState::Available)]
    {
        assert_eq!(tx.run(id).await?.expect("the run").state, state);
    }
    assert_eq!(tx.shift_waiting(MINUTE).await?, 0);
    Ok(())
}

async fn facts_are_replaced(store: Store) -> Checked {
    let mut tx = store.write(noon()).await?;
    assert_eq!(tx.fact("settings").await?, None);
    tx.set_fact("settings", "one").await?;
    tx.set_fact("settings", "two").await?;
    tx.commit().await?;
    let mut tx = store.read(noon()).await?;
    assert_eq!(tx.fact("settings").await?.as_deref(), Some("two"));
    Ok(())
}

async fn a_claim_nobody_knows_of_is_given_back(store: Store) -> Checked {
    let now = imports(&store, &["a", "b", "c"]).await?;
    let mine = plan(&store, now, 2).await?;
    let theirs = claim(&store, now, &other()).await?.remove(0);
    let mut tx = store.write(now).await?;
    assert_eq!(tx.give_back_strays(&me(), &[mine[0].id]).await?, 1);
    for (id, state) in
        [(mine[0].id, RunState::Running), (mine[1].id, RunState::Available), (theirs.id, RunState::Running)]
    {
        assert_eq!(tx.run(id).await?.expect("the run").state, state);
    }
    tx.commit().await?;
    let again = claim(&store, now, &me()).await?.remove(0);
    assert_eq!((again.id, again.attempt, again.taken_over), (mine[1].id, 1, false));
    Ok(())
}

async fn texts_are_kept_without_nul_characters(store: Store) -> Checked {
    let now = imports(&store, &["a"]).await?;
    let run = plan(&store, now, 1).await?.remove(0);
    let error = Some((ErrorKind::Unexpected, "half\0 a word".to_owned(), "\0".to_owned()));
    let finished = Finished { error, ..ended(&run, Finish::Ended(Outcome::Failed)) };
    assert_eq!(finish(&store, now, &[finished]).await?, [run.id]);
    let mut tx = store.write(now).await?;
    let (_, text, remedy) = tx.run(run.id).await?.expect("the run").error.expect("an error");
    assert_eq!((text.as_str(), remedy.as_str()), ("half a word", ""));
    tx.set_fact("some.fact", "a\0b").await?;
    assert_eq!(tx.fact("some.fact").await?.as_deref(), Some("ab"));
    // Six characters that are no NUL stay what they are.
    tx.set_fact("some.fact", r"a\u0000b").await?;
    assert_eq!(tx.fact("some.fact").await?.as_deref(), Some(r"a\u0000b"));
    Ok(())
}

/// Fails in words that the database refuses, for shop `b` alone.
struct Refused;

#[async_trait]
impl Handler for Refused {
    async fn run(&self, context: Context) -> Result<End, Stopped> {
        let counts = Counts { seen: 1, ..Counts::default() };
        if context.shop != Some(shop("b")) {
            return Ok(End::Ended(Outcome::Done, counts));
        }
        let failure = shopsyncd::domain::Failure::Bug;
        let (text, remedy) = ("unwritable".to_owned(), String::new());
        Err(Stopped { counts, error: RunError { failure, kind: ErrorKind::Rejected, text, remedy } })
    }
}

async fn an_end_that_the_database_refuses_keeps_no_other_from_being_written(store: Store) -> Checked {
    let refuse = "when (new.error_text = 'unwritable')";
    match &store {
        Store::Sqlite { writer, .. } => {
            let trigger =
                format!("create trigger refuse before update on runs {refuse} begin select raise(abort, 'no'); end");
            writer.execute(sqlx::AssertSqlSafe(trigger)).await?;
        }
        Store::Postgres(pool) => {
            let function = "create function refuse() returns trigger language plpgsql as
                $$ begin raise exception 'no'; end $$";
            pool.execute(function).await?;
            let trigger =
                format!("create trigger refuse before update on runs for each row {refuse} execute function refuse()");
            pool.execute(sqlx::AssertSqlSafe(trigger)).await?;
        }
    }
    let handlers = Handlers::from([(IMPORT, Arc::new(Refused) as Arc<dyn Handler>)]);
    let settings = Settings {
        holder: me(),
        slots: 8,
        shared: store.is_postgres(),
        settings_digest: String::new(),
        standing_by: false,
        metrics: Metrics::new(),
    };
    let mut tx = store.write(noon()).await?;
    let mut asked = Vec::new();
    for id in ["a", "b", "c", "d", "e"] {
        let run = NewRun { shop: Some(shop(id)), job: IMPORT, demand: Demand::default() };
        asked.push(tx.run_now(&run, Trigger::Now).await?.run);
    }
    tx.commit().await?;
    let (scheduler, handle) = Scheduler::new(store.clone(), Clock::manual(noon()), handlers, settings);
    let stop = CancellationToken::new();
    let running = tokio::spawn(scheduler.run(stop.clone(), SignedDuration::from_secs(5)));
    let mut over = Vec::new();
    for run in asked {
        over.push(tokio::time::timeout(std::time::Duration::from_secs(20), handle.wait(run)).await??);
    }
    for run in &over {
        let (outcome, seen) = if run.shop == Some(shop("b")) { (Outcome::Failed, 0) } else { (Outcome::Done, 1) };
        assert_eq!((run.outcome, run.counts.seen), (Some(outcome), seen), "{run:?}");
    }
    let (kind, text, _) = over[1].error.clone().expect("an error");
    assert_eq!(
        (kind, text.as_str()),
        (ErrorKind::Rejected, "how it ended could not be kept as it was; the log has it")
    );
    stop.cancel();
    running.await??;
    Ok(())
}
