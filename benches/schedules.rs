//! Repeating jobs with nothing to do, 500 a second: how late they start, what they cost.
//!
//! `cargo bench --bench schedules`; PostgreSQL where `SHOPSYNCD_TEST_POSTGRES` names a server. `BENCH_SECONDS` (30) is how long each
//! sample lasts. The baseline is a loop that wakes as often and writes the same rows.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use shopsyncd::{
    clock::Clock,
    domain::{JobKind, Period},
    scheduler::Scheduler,
    store::{Store, WantedSchedule},
};
use sqlx::AssertSqlSafe;
use tokio_util::sync::CancellationToken;

#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod common;

use common::{Bed, Failure};

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let seconds = common::number_of("BENCH_SECONDS", 30);
    let server = std::env::var("SHOPSYNCD_TEST_POSTGRES").ok();
    println!("schedules: 500 due a second for {seconds} s; {}", common::machine());
    for (shops, minutes) in [(10_000, 1), (100_000, 10)] {
        let beds = [
            Some(Bed::sqlite("schedules").await?),
            match &server {
                Some(server) => Some(Bed::postgres(server, "schedules").await?),
                None => None,
            },
        ];
        for bed in beds.into_iter().flatten() {
            measure(bed, shops, minutes, Duration::from_secs(seconds)).await?;
        }
    }
    if server.is_none() {
        println!("PostgreSQL left out: SHOPSYNCD_TEST_POSTGRES names no server");
    }
    Ok(())
}

async fn measure(bed: Bed, shops: u64, minutes: i64, span: Duration) -> Result<(), Failure> {
    let period = SignedDuration::from_mins(minutes);
    plant(&bed, shops, period).await?;
    let (seen, mut starts) = tokio::sync::mpsc::unbounded_channel();
    let settings = common::settings(256, bed.store.is_postgres());
    let (scheduler, _handle) = Scheduler::new(bed.store.clone(), Clock::system(), common::noops(Some(seen)), settings);
    let stop = CancellationToken::new();
    let (cpu, begun) = (common::cpu_seconds(), Instant::now());
    let running = tokio::spawn(scheduler.run(stop.clone(), SignedDuration::from_secs(5)));
    tokio::time::sleep(span).await;
    let used = (common::cpu_seconds() - cpu) / begun.elapsed().as_secs_f64() * 100.0;
    stop.cancel();
    running.await??;
    let mut late = Vec::new();
    let due = dues(&bed).await?;
    while let Ok((run, at)) = starts.try_recv() {
        late.push(at.as_millisecond() - due[&run.0]);
    }
    late.sort_unstable();
    if late.is_empty() {
        return Err("nothing started: let it run for longer (BENCH_SECONDS)".into());
    }
    let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
    println!(
        "{}, {shops} shops x 3 jobs every {minutes} min: {} runs, late p50 {} p99 {} max {} ms (target 25 / 250), \
         {used:.1} % of a core (target 30), peak {:.0} MiB (target {}, with the planting)",
        bed.durability().await?,
        late.len(),
        at(0.5),
        at(0.99),
        at(1.0),
        common::peak_mib(),
        if minutes == 1 { 64 } else { 200 },
    );
    let (cpu, begun) = (common::cpu_seconds(), Instant::now());
    let rows = baseline(&bed, span / 3).await?;
    let by_hand = (common::cpu_seconds() - cpu) / begun.elapsed().as_secs_f64() * 100.0;
    println!("  by hand: {rows} runs, {by_hand:.1} % of a core; ratio {:.1}", used / by_hand);
    bed.clear().await
}

/// Schedules spread evenly over their period.
async fn plant(bed: &Bed, shops: u64, period: SignedDuration) -> Result<(), Failure> {
    let now = Timestamp::now();
    let wanted: Vec<_> = (0..shops)
        .flat_map(|n| JobKind::OF_SHOPS.map(|job| (n, job)))
        .map(|(n, job)| WantedSchedule {
            shop: Some(format!("shop-{n:06}").parse().unwrap()),
            job,
            period: Period::Every(period),
        })
        .collect();
    let mut tx = bed.store.write(now).await?;
    tx.sync_schedules(&wanted).await?;
    tx.commit().await?;
    // As if each had been added at a moment of its own.
    let (start, length) = (now.as_millisecond() + 2_000, period.as_millis());
    let spread = |random: &str| AssertSqlSafe(format!("update schedules set grid_at = {start} + {random} % {length}"));
    // Each has run before, long ago: what never ran is due within a minute, and a start looks at what is not.
    const FOLLOW: &str = "update schedules set next_due_at = grid_at, planned_at = 0";
    match &bed.store {
        Store::Sqlite { writer, .. } => {
            sqlx::query(spread("abs(random())")).execute(writer).await?;
            sqlx::query(FOLLOW).execute(writer).await?;
        }
        Store::Postgres(pool) => {
            sqlx::query(spread("(random() * 1e9)::bigint")).execute(pool).await?;
            sqlx::query(FOLLOW).execute(pool).await?;
        }
    }
    Ok(())
}

async fn dues(bed: &Bed) -> Result<std::collections::HashMap<i64, i64>, Failure> {
    const SQL: &str = "select id, due_at from runs";
    let rows: Vec<(i64, i64)> = match &bed.store {
        Store::Sqlite { readers, .. } => sqlx::query_as(SQL).fetch_all(readers).await?,
        Store::Postgres(pool) => sqlx::query_as(SQL).fetch_all(pool).await?,
    };
    Ok(rows.into_iter().collect())
}

/// The same rows, five at a time every ten milliseconds: inserted as running, completed.
async fn baseline(bed: &Bed, span: Duration) -> Result<u64, Failure> {
    const INSERT: &str =
        "insert into runs (shop, job, run_trigger, state, due_at, available_at, started_at, attempt, instance,
            lease_number)
        select shop, job, 'schedule', 'running', next_due_at, next_due_at, $1, 1, 'bench', 1 from schedules
        where next_due_at > $1 order by next_due_at limit 5";
    const MOVE: &str =
        "update schedules set planned_at = next_due_at, grid_at = grid_at + 60000, next_due_at = next_due_at + 60000
        from (select shop as s, job as j from schedules where next_due_at > $1 order by next_due_at limit 5) as due
        where shop = s and job = j";
    const FINISH: &str = "update runs set state = 'completed', outcome = 'done', finished_at = $1
        where state in ('available', 'running', 'retryable')";
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let begun = Instant::now();
    let mut rows = 0;
    while begun.elapsed() < span {
        ticks.tick().await;
        let now = Timestamp::now().as_millisecond();
        match &bed.store {
            Store::Sqlite { writer, .. } => {
                let mut tx = writer.begin_with("begin immediate").await?;
                rows += sqlx::query(INSERT).bind(now).execute(&mut *tx).await?.rows_affected();
                sqlx::query(MOVE).bind(now).execute(&mut *tx).await?;
                tx.commit().await?;
                sqlx::query(FINISH).bind(now).execute(writer).await?;
            }
            Store::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                rows += sqlx::query(INSERT).bind(now).execute(&mut *tx).await?.rows_affected();
                sqlx::query(MOVE).bind(now).execute(&mut *tx).await?;
                tx.commit().await?;
                sqlx::query(FINISH).bind(now).execute(pool).await?;
            }
        }
    }
    Ok(rows)
}
