//! 100,000 due no-op runs, planned, claimed, finished and kept in history, against the shortest loop that writes the same rows.
//!
//! `cargo bench --bench drain`; PostgreSQL where `SHOPSYNCD_TEST_POSTGRES` names a server. `BENCH_RUNS` (100,000, whole
//! thousands) is how many.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use shopsyncd::{
    clock::Clock,
    domain::{JobKind, Period},
    scheduler::Scheduler,
    store::{Store, WantedSchedule},
};
use tokio_util::sync::CancellationToken;

#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod common;

use common::{Bed, Failure};

const BATCH: i64 = 1_000;
const SLOTS: u32 = 1_000;
const SAMPLES: usize = 3;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let runs = common::number_of("BENCH_RUNS", 100_000) as i64;
    println!("drain: {runs} due runs; {}; {SAMPLES} samples, the median counts", common::machine());
    measure(|name| async move { Bed::sqlite(&name).await }, runs, 60_000).await?;
    let Ok(server) = std::env::var("SHOPSYNCD_TEST_POSTGRES") else {
        println!("PostgreSQL left out: SHOPSYNCD_TEST_POSTGRES names no server");
        return Ok(());
    };
    let bed = |name: String| {
        let server = server.clone();
        async move { Bed::postgres(&server, &name).await }
    };
    measure(bed, runs, 45_000).await
}

async fn measure<F: Future<Output = Result<Bed, Failure>>>(
    bed: impl Fn(String) -> F,
    runs: i64,
    target: u32,
) -> Result<(), Failure> {
    let (mut ours, mut by_hand) = (Samples::default(), Samples::default());
    let mut durability = String::new();
    for sample in 0..SAMPLES {
        let fresh = bed(format!("hand_{sample}")).await?;
        durability = fresh.durability().await?;
        due(&fresh, runs).await?;
        by_hand.take(baseline(&fresh, runs)).await?;
        fresh.clear().await?;
        let fresh = bed(format!("ours_{sample}")).await?;
        due(&fresh, runs).await?;
        ours.take(drain(&fresh, runs)).await?;
        fresh.clear().await?;
    }
    let (ours, by_hand) = (ours.median(runs), by_hand.median(runs));
    println!(
        "{durability}: {:.0} runs a second (target {target}), {:.1} µs of this process a run; by hand {:.0}, {:.1} µs; ratio {:.2} (target 3)",
        ours.0,
        ours.1,
        by_hand.0,
        by_hand.1,
        by_hand.0 / ours.0
    );
    Ok(())
}

/// How long each sample took, and how much processor time of this process (SQLite's included, PostgreSQL's server's not).
#[derive(Default)]
struct Samples {
    spans: Vec<Duration>,
    cpu_seconds: Vec<f64>,
}

impl Samples {
    async fn take(&mut self, work: impl Future<Output = Result<Duration, Failure>>) -> Result<(), Failure> {
        let before = common::cpu_seconds();
        self.spans.push(work.await?);
        self.cpu_seconds.push(common::cpu_seconds() - before);
        Ok(())
    }

    /// Runs a second, and microseconds of processor time a run: the median of each.
    fn median(mut self, runs: i64) -> (f64, f64) {
        self.spans.sort_unstable();
        self.cpu_seconds.sort_unstable_by(f64::total_cmp);
        let middle = self.spans.len() / 2;
        (runs as f64 / self.spans[middle].as_secs_f64(), self.cpu_seconds[middle] * 1e6 / runs as f64)
    }
}

/// Schedules that are all due.
async fn due(bed: &Bed, runs: i64) -> Result<(), Failure> {
    let hour = Period::Every(SignedDuration::from_hours(1));
    let wanted: Vec<_> = (0..runs)
        .map(|n| WantedSchedule {
            shop: Some(format!("shop-{:06}", n / 3).parse().unwrap()),
            job: JobKind::OF_SHOPS[n as usize % 3],
            period: hour.clone(),
        })
        .collect();
    let mut tx = bed.store.write(Timestamp::now() - SignedDuration::from_mins(30)).await?;
    tx.sync_schedules(&wanted).await?;
    Ok(tx.commit().await?)
}

async fn drain(bed: &Bed, runs: i64) -> Result<Duration, Failure> {
    let shared = bed.store.is_postgres();
    let settings = common::settings(SLOTS, shared);
    let (seen, mut starts) = tokio::sync::mpsc::unbounded_channel();
    let (scheduler, _handle) = Scheduler::new(bed.store.clone(), Clock::system(), common::noops(Some(seen)), settings);
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let running = tokio::spawn(scheduler.run(stop.clone(), SignedDuration::from_secs(10)));
    for _ in 0..runs {
        starts.recv().await.ok_or("the scheduler ended early")?;
    }
    while number(bed, "select count(*) from runs where state in ('available', 'running', 'retryable')").await? > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = begun.elapsed();
    stop.cancel();
    running.await??;
    assert_eq!(number(bed, "select count(*) from runs where state = 'completed' and outcome = 'done'").await?, runs);
    Ok(took)
}

/// The same rows: a run inserted as running, its schedule moved, the run completed; a thousand a transaction.
async fn baseline(bed: &Bed, runs: i64) -> Result<Duration, Failure> {
    const SQL: [&str; 3] = [
        "insert into runs (shop, job, run_trigger, state, due_at, available_at, started_at, attempt, instance, lease_number)
            select shop, job, 'schedule', 'running', next_due_at, next_due_at, $1, 1, 'bench', 1 from schedules
            where next_due_at <= $1 order by next_due_at limit 1000",
        "update schedules set planned_at = next_due_at, grid_at = grid_at + 3600000, next_due_at = next_due_at + 3600000
            from (select shop as s, job as j from schedules where next_due_at <= $1 order by next_due_at limit 1000) as due
            where shop = s and job = j",
        "update runs set state = 'completed', outcome = 'done', finished_at = $1
            where state in ('available', 'running', 'retryable')",
    ];
    let now = Timestamp::now().as_millisecond();
    let begun = Instant::now();
    for _ in 0..runs / BATCH {
        match &bed.store {
            Store::Sqlite { writer, .. } => {
                let mut tx = writer.begin_with("begin immediate").await?;
                sqlx::query(SQL[0]).bind(now).execute(&mut *tx).await?;
                sqlx::query(SQL[1]).bind(now).execute(&mut *tx).await?;
                tx.commit().await?;
                sqlx::query(SQL[2]).bind(now).execute(writer).await?;
            }
            Store::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                sqlx::query(SQL[0]).bind(now).execute(&mut *tx).await?;
                sqlx::query(SQL[1]).bind(now).execute(&mut *tx).await?;
                tx.commit().await?;
                sqlx::query(SQL[2]).bind(now).execute(pool).await?;
            }
        }
    }
    let took = begun.elapsed();
    assert_eq!(number(bed, "select count(*) from runs where state = 'completed'").await?, runs);
    Ok(took)
}

/// A number asked of the database.
async fn number(bed: &Bed, sql: &'static str) -> Result<i64, Failure> {
    Ok(match &bed.store {
        Store::Sqlite { readers, .. } => sqlx::query_scalar(sql).fetch_one(readers).await?,
        Store::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await?,
    })
}
