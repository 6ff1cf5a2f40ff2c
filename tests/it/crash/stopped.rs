//! A process that is stopped for a while, and a wall clock that steps: one run each afterwards, then the old grid.

use std::{path::PathBuf, time::Duration};

use jiff::{SignedDuration, Timestamp};
use shopsyncd::{
    clock::Clock,
    domain::{JobKind, Run, ShopId, Trigger},
};

use super::{
    daemon::Daemon,
    end_in_line,
    stage::{LIMIT, Stage},
    working,
};
use crate::world::{Database, EXPORT, IMPORT, must_not_be_left_out};

/// How long a process is stopped: several of the periods, all of which are a second.
const STOPPED: Duration = Duration::from_secs(5);
/// The schedules of the stage that run every second and at no other time: looks at tokens come when the tokens want it, too.
const EVERY_SECOND: [(&str, JobKind); 5] =
    [("erp", IMPORT), ("harbour", IMPORT), ("harbour", EXPORT), ("quay", IMPORT), ("quay", EXPORT)];
/// A step by so many seconds: of a machine whose clock was set in another zone.
const SIX_HOURS: i64 = 6 * 60 * 60;
/// How many runs are waited for after a stop or a step.
const MORE: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_stopped_for_several_periods_runs_each_schedule_once_and_keeps_the_grid() {
    let mut stage = working(Stage::new(Database::Sqlite)).await;
    let mut daemon = stage.start_again(&[]).await;
    stage.runs_after(&mut daemon, &EVERY_SECOND, Timestamp::MIN).await;
    daemon.freeze();
    stage.frozen(&daemon).await;
    let stopped = Clock::system().now();
    // Nothing but time makes instants fall due.
    Clock::system().sleep_until(stopped + STOPPED).await;
    let went_on = Clock::system().now();
    daemon.thaw();
    stage.runs_after(&mut daemon, &EVERY_SECOND, went_on).await;
    end_in_line(&mut stage, daemon).await;

    let runs = stage.all_runs().await;
    for (shop, job) in EVERY_SECOND {
        let runs = planned(&runs, shop, job);
        let missed = |run: &&Run| instants(run).any(|at| stopped < at && at < went_on);
        let ones: Vec<&Run> = runs.iter().filter(missed).collect();
        let [one] = ones[..] else { panic!("{shop}/{job}: one run for what was missed, not {ones:#?}") };
        assert!(one.covers >= STOPPED.as_secs() as u32 - 1, "{shop}/{job}: {one:?}");
        let since = runs.iter().position(|run| run.id == one.id).unwrap();
        assert!(gaps(&runs[since..]).is_empty(), "{shop}/{job}: the grid goes on as before");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_clock_that_steps_ten_minutes_forward_brings_one_run_and_the_old_grid() {
    let Some(runs) = step(600).await else { return };
    let missed: Vec<u32> = runs.iter().map(|run| run.covers).filter(|covers| *covers > 100).collect();
    assert!(matches!(missed[..], [590..=700]), "one run for what was missed, not {missed:?}");
    assert!(gaps(&runs).is_empty(), "the grid goes on as before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_clock_that_steps_ten_minutes_back_goes_on_at_once_on_the_old_grid() {
    let Some(runs) = step(-600).await else { return };
    let gaps = gaps(&runs);
    let [back] = gaps[..] else { panic!("the grid was taken up again once, not {gaps:?}") };
    assert!((-600_000..=-500_000).contains(&back) && back % 1_000 == 0, "taken up again {back} ms from the old grid");
    assert!(runs.iter().all(|run| run.covers < 100), "nothing was missed: {runs:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_clock_that_steps_six_hours_forward_brings_one_run_and_the_old_grid() {
    let Some(runs) = step(SIX_HOURS).await else { return };
    let missed: Vec<u32> = runs.iter().map(|run| run.covers).filter(|covers| *covers > 100).collect();
    assert!(matches!(missed[..], [21_590..=21_700]), "one run for what was missed, not {missed:?}");
    assert!(gaps(&runs).is_empty(), "the grid goes on as before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_clock_that_steps_six_hours_back_goes_on_at_once_on_the_old_grid() {
    let Some(runs) = step(-SIX_HOURS).await else { return };
    let gaps = gaps(&runs);
    let [back] = gaps[..] else { panic!("the grid was taken up again once, not {gaps:?}") };
    let expected = -SIX_HOURS * 1_000..=-SIX_HOURS * 1_000 + 100_000;
    assert!(expected.contains(&back) && back % 1_000 == 0, "taken up again {back} ms from the old grid");
    assert!(runs.iter().all(|run| run.covers < 100), "nothing was missed: {runs:#?}");
}

/// Runs of the source's import around a step of the wall clock by so many seconds.
/// `None`: the library that fakes clocks (Debian: `faketime`) is not there.
async fn step(by: i64) -> Option<Vec<Run>> {
    // Nobody has authorized the shops: a marketplace would refuse calls of a wrong time.
    let erp = [("erp", IMPORT)];
    let mut stage = Stage::new(Database::Sqlite);
    let named = faketime(&stage)?;
    stage.write_whole("offset", "+0");
    let mut daemon = Daemon::start(&stage, &named);
    stage.taken_over(&mut daemon, &[]).await;
    stage.runs_after(&mut daemon, &erp, Timestamp::MIN).await;
    let stepped = Clock::system().now() + SignedDuration::from_secs(by);
    let known = stage.all_runs().await.len();
    stage.write_whole("offset", &format!("{by:+}"));
    stage
        .until(&mut daemon, async || {
            let runs = stage.all_runs().await;
            let later = planned(&runs[known..], "erp", IMPORT);
            let come = later.iter().filter(|run| run.started_at.is_some_and(|at| at >= stepped)).count();
            if come > MORE { Ok(()) } else { Err(format!("{come} runs after the step")) }
        })
        .await;
    daemon.stop(&stage).await;
    stage.consistent().await;
    Some(planned(&stage.all_runs().await, "erp", IMPORT))
}

/// What a daemon's environment says so that its wall clock is off by what stands in the stage's file `offset`.
/// `None`: the library that fakes clocks (Debian: `faketime`) is not there.
pub(super) fn faketime(stage: &Stage) -> Option<Vec<(&'static str, String)>> {
    let Some(library) = library() else {
        must_not_be_left_out("a wall clock that steps", "there is no libfaketime; install the package faketime");
        println!("crash: wall clocks are not stepped: there is no libfaketime; install the package faketime");
        return None;
    };
    Some(vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", stage.path("offset").display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        // Only the wall clock steps; file times stay as they are.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
    ])
}

/// Where Debian puts the library that fakes clocks.
fn library() -> Option<PathBuf> {
    let places = std::fs::read_dir("/usr/lib").ok()?.filter_map(|place| Some(place.ok()?.path()));
    let mut files = places.map(|place| place.join("faketime/libfaketimeMT.so.1"));
    files.find(|file| file.exists())
}

/// The runs that a schedule brought, the oldest first.
pub(super) fn planned(runs: &[Run], shop: &str, job: JobKind) -> Vec<Run> {
    let of_it = |run: &&Run| {
        run.shop.as_ref().map(ShopId::as_str) == Some(shop) && run.job == job && run.trigger == Trigger::Schedule
    };
    runs.iter().filter(of_it).cloned().collect()
}

/// The instants of the grid that a run stands for.
fn instants(run: &Run) -> impl Iterator<Item = Timestamp> {
    (0..run.covers).map(|later| run.due_at + SignedDuration::from_secs(later.into()))
}

/// How far, in milliseconds, each run lies from where the one before it left the grid of a second; those that lie on it are left out.
fn gaps(runs: &[Run]) -> Vec<i64> {
    let gap = |pair: &[Run]| {
        pair[1].due_at.as_millisecond() - pair[0].due_at.as_millisecond() - i64::from(pair[0].covers) * 1_000
    };
    runs.windows(2).map(gap).filter(|gap| *gap != 0).collect()
}

impl Stage {
    /// Waits until each of these schedules has brought some runs that began after an instant.
    async fn runs_after(&self, daemon: &mut Daemon, schedules: &[(&str, JobKind)], since: Timestamp) {
        self.until(daemon, async || {
            let runs = self.all_runs().await;
            for (shop, job) in schedules {
                let after = |run: &&Run| run.started_at.is_some_and(|at| at >= since);
                let come = planned(&runs, shop, *job).iter().filter(after).count();
                if come < MORE {
                    return Err(format!("{shop}/{job} has run {come} times"));
                }
            }
            Ok(())
        })
        .await;
    }

    /// Starts the daemon and waits until it has stopped itself at a point.
    pub(super) async fn start_stopping_at(&self, point: &str) -> Daemon {
        let daemon = Daemon::start(self, &[("SHOPSYNCD_STOP_AT", point.to_owned())]);
        self.frozen(&daemon).await;
        daemon
    }

    /// Waits until all threads of the daemon have stopped.
    async fn frozen(&self, daemon: &Daemon) {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        let frozen = async {
            while !daemon.is_frozen() {
                looks.tick().await;
            }
        };
        if tokio::time::timeout(LIMIT, frozen).await.is_err() {
            self.fail(Some(daemon), "it does not stop").await;
        }
    }
}
