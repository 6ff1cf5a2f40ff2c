//! The daemon itself: how soon it is ready with 10 and with 10,000 shops, what it takes when idle, what a reload of one shop among
//! 10,000 costs and leaves untouched, what `status` costs, how soon the work of one that was killed goes on, and how 10,000 tokens
//! that end in the same minute are renewed.
//!
//! `cargo bench --bench daemon`; the take-over by a peer where `SHOPSYNCD_TEST_POSTGRES` names a server. `BENCH_SHOPS` (10,000) and
//! `BENCH_SAMPLES` (3) say how many shops, and how often; `BENCH_SECONDS` (10) for how long a daemon is left alone before its memory is
//! read. Daemons are processes of the program as it is installed, but for the pretend marketplaces built into it. The baseline of
//! starts and reloads is the shortest loop that reads the same files and the same rows. Beside the time by the clock stands, in
//! brackets, the processor time that it took, which a busy machine does not change much.
#![expect(clippy::print_stdout, reason = "a benchmark")]

use std::time::{Duration, Instant};

#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod common;
#[path = "common/served.rs"]
mod served;
#[expect(dead_code, reason = "the other benchmarks use the rest")]
#[path = "common/stand.rs"]
mod stand;
#[path = "common/tokens.rs"]
mod tokens;

use common::{Failure, Figure, number_of};
use jiff::Timestamp;
use served::{Ground, SOURCE, Served};
use shopsyncd::{
    control::Request,
    domain::{Demand, InstanceId, JobKind, RunId, ShopId, Trigger},
    store::{NewRun, ScheduleRow, Store},
};

/// The database of a daemon whose settings name none.
const SQLITE: &str = "sqlite:shopsyncd.db";
/// How long it may take until work that was under way goes on.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at the database.
const GLANCE: Duration = Duration::from_millis(10);

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let (many, samples) = (number_of("BENCH_SHOPS", 10_000), number_of("BENCH_SAMPLES", 3));
    let idle = Duration::from_secs(number_of("BENCH_SECONDS", 10));
    println!("daemon: {samples} samples, least / median; {}", common::machine());
    println!("settings: SQLite, WAL, synchronous=FULL; a file in shops.d for each shop; no listeners, no mail");
    let size = std::fs::metadata(served::PROGRAM)?.len() as f64 / 1_048_576.0;
    println!(
        "binary, with the pretend marketplaces and not optimized as a whole: {size:.1} MiB (target 25, as packaged)"
    );
    few(samples, idle).await?;
    crowd(many, samples, idle).await?;
    match std::env::var("SHOPSYNCD_TEST_POSTGRES") {
        Ok(server) => peer(&server, samples).await?,
        Err(_) => println!("take-over by a peer left out: SHOPSYNCD_TEST_POSTGRES names no server"),
    }
    tokens::measure(many).await
}

/// Milliseconds by the clock, and of a processor.
#[derive(Default)]
struct Took(Figure, Figure);

impl Took {
    fn push(&mut self, took: Duration, used: Duration) {
        self.0.push(millis(took));
        self.1.push(millis(used));
    }

    /// How many times as long as the baseline.
    fn ratio(&self, by_hand: &Self) -> f64 {
        self.0.median() / by_hand.0.median()
    }
}

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ms ({} ms)", self.0, self.1)
    }
}

/// Ten shops: ready, idle, killed and started again.
async fn few(samples: u64, idle: Duration) -> Result<(), Failure> {
    let (mut first, mut again, mut restarted) = (Took::default(), Took::default(), Took::default());
    let (mut resident, mut went_on) = (Figure::default(), Figure::default());
    for _ in 0..samples {
        let ground = Ground::new(10, "")?;
        let (daemon, took) = Served::start(&ground).await?;
        first.push(took, daemon.used());
        daemon.stop().await?;
        let (daemon, took) = Served::start(&ground).await?;
        again.push(took, daemon.used());
        tokio::time::sleep(idle).await;
        resident.push(daemon.resident_mib()?);

        let store = Store::open_for_reading(SQLITE, &ground.state_dir()).await?;
        let dead = only_instance(&store).await?;
        store.close().await;
        daemon.kill().await?;
        let killed = Instant::now();
        let store = Store::open(SQLITE, &ground.state_dir()).await?;
        let run = leave_under_way(&store, &dead).await?;
        let (daemon, took) = Served::start(&ground).await?;
        restarted.push(took, daemon.used());
        is_over(&store, run).await?;
        went_on.push(killed.elapsed().as_secs_f64());
        store.close().await;
        daemon.stop().await?;
    }
    println!("ready with 10 shops: {first} with a new database, {again} with that (target 150)");
    println!("resident when idle with 10 shops: {resident} MiB (target 16)");
    println!(
        "after SIGKILL: ready {restarted} after the next start; a run under way is over {went_on} s after the kill (target 10)"
    );
    Ok(())
}

/// Ten thousand shops: ready, idle, one of them reloaded, all of them told of.
async fn crowd(shops: u64, samples: u64, idle: Duration) -> Result<(), Failure> {
    let (mut first, mut again, mut reload) = (Took::default(), Took::default(), Took::default());
    let (mut page, mut one, mut whole) = (Took::default(), Took::default(), Took::default());
    let (mut reading, mut by_hand) = (Took::default(), Took::default());
    let (mut resident, mut idling) = (Figure::default(), Figure::default());
    let mut untouched = 0;
    for sample in 0..samples {
        let ground = Ground::new(shops, "")?;
        let (daemon, took) = Served::start(&ground).await?;
        first.push(took, daemon.used());
        daemon.stop().await?;
        let (daemon, took) = Served::start(&ground).await?;
        again.push(took, daemon.used());
        // The files are read once more when the daemon is ready: what was edited meanwhile is not missed.
        tokio::time::sleep(idle).await;
        let (begun, before) = (Instant::now(), daemon.used());
        tokio::time::sleep(idle).await;
        idling.push(daemon.used().saturating_sub(before).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0);
        resident.push(daemon.resident_mib()?);

        let store = Store::open_for_reading(SQLITE, &ground.state_dir()).await?;
        read_by_hand(&ground, &store, &mut reading, &mut by_hand).await?;

        let number = 1 + (shops - 1) * (sample + 1) / (samples + 1);
        let changed: ShopId = served::id(number).parse()?;
        let (_, before) = schedules(&store, &changed).await?;
        ground.write_shop(number, "3 hours")?;
        let (begun, used) = (Instant::now(), daemon.used());
        daemon.ask(&Request::Reload).await?;
        reload.push(begun.elapsed(), daemon.used().saturating_sub(used));
        let (own, after) = schedules(&store, &changed).await?;
        let longer = own.iter().any(|row| row.period.to_stored() == "3 hours");
        if !longer || before != after {
            return Err(format!("the reload of {changed} did not change it alone: {own:#?}").into());
        }
        untouched = after.len();
        store.close().await;

        for (took, args) in [
            (&mut page, &["status"][..]),
            (&mut one, &["status", "--shop", changed.as_str()]),
            (&mut whole, &["--json", "status"]),
        ] {
            let (begun, used) = (daemon.used(), ground.run(args)?);
            took.push(used.0, used.1 + daemon.used().saturating_sub(begun));
        }
        daemon.stop().await?;
    }
    println!("ready with {shops} shops: {first} with a new database, {again} with that (target 2000)");
    println!(
        "  the files read and parsed and the rows read by hand: {by_hand}, the files alone {reading}; ratio {:.1}",
        again.ratio(&by_hand)
    );
    println!("idle with {shops} shops: {resident} MiB resident, {idling} % of a core");
    println!(
        "reload of one shop among {shops}: {reload} (target 300), ratio to the files read by hand {:.1}; {untouched} schedules of others are as \
         they were, compared row by row",
        reload.ratio(&reading)
    );
    println!(
        "`status` from start to end, the daemon's part with it: {page} a page of 50 (target 200), {one} one shop, {whole} `--json` of all {shops}"
    );
    Ok(())
}

/// The shortest loop: each file read and parsed (`reading`), then each row of a schedule read (`all`: both).
async fn read_by_hand(ground: &Ground, store: &Store, reading: &mut Took, all: &mut Took) -> Result<(), Failure> {
    let (begun, used) = (Instant::now(), common::cpu_seconds());
    let took = || (begun.elapsed(), Duration::from_secs_f64(common::cpu_seconds() - used));
    let mut tables = Vec::new();
    for file in std::fs::read_dir(ground.shops_dir())? {
        tables.push(std::fs::read_to_string(file?.path())?.parse::<toml::Table>()?);
    }
    let files = took();
    reading.push(files.0, files.1);
    let Store::Sqlite { readers, .. } = store else { return Err("not on SQLite".into()) };
    let rows = sqlx::query("select * from schedules").fetch_all(readers).await?;
    if tables.len() > rows.len() {
        return Err(format!("{} files, {} schedules", tables.len(), rows.len()).into());
    }
    let both = took();
    all.push(both.0, both.1);
    Ok(())
}

/// The schedules of one marketplace's shop, and of all others there.
async fn schedules(store: &Store, one: &ShopId) -> Result<(Vec<ScheduleRow>, Vec<ScheduleRow>), Failure> {
    let rows = store.read(Timestamp::now()).await?.schedules(None).await?;
    // The daemon's own, and those of the source, fall due meanwhile.
    let of_market = rows.into_iter().filter(|row| row.shop.as_ref().is_some_and(|shop| shop.as_str() != SOURCE));
    Ok(of_market.partition(|row| row.shop.as_ref() == Some(one)))
}

/// Two daemons on one server, one of which is killed: until what it was at is over.
async fn peer(server: &str, samples: u64) -> Result<(), Failure> {
    let mut went_on = Figure::default();
    for sample in 0..samples {
        let database = served::Database::new(server, sample).await?;
        let ground = Ground::new(10, &database.settings())?;
        let (doomed, _) = Served::start(&ground).await?;
        let store = Store::open(&database.url, &ground.state_dir()).await?;
        let dead = only_instance(&store).await?;
        let (peer, _) = Served::start_beside(&ground).await?;
        doomed.kill().await?;
        let killed = Instant::now();
        let run = leave_under_way(&store, &dead).await?;
        is_over(&store, run).await?;
        went_on.push(killed.elapsed().as_secs_f64());
        peer.stop().await?;
        store.close().await;
        database.clear().await?;
    }
    println!("take-over after SIGKILL on PostgreSQL: a run under way is over {went_on} s after the kill (target 10)");
    Ok(())
}

/// The one daemon that a database knows.
async fn only_instance(store: &Store) -> Result<InstanceId, Failure> {
    let mut rows = store.read(Timestamp::now()).await?.instances().await?;
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => Ok(row.id),
        _ => Err("there is not one instance".into()),
    }
}

/// A run of the source that a daemon was at when it was killed.
async fn leave_under_way(store: &Store, dead: &InstanceId) -> Result<RunId, Failure> {
    let mut tx = store.write(Timestamp::now()).await?;
    let run = NewRun { shop: Some(SOURCE.parse()?), job: JobKind::ProductImport, demand: Demand::default() };
    let run = tx.run_now(&run, Trigger::Now).await?.run;
    // `None`: it was at it already.
    tx.claim_run(run, dead).await?;
    tx.commit().await?;
    Ok(run)
}

/// Waits until a run is over.
async fn is_over(store: &Store, run: RunId) -> Result<(), Failure> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let found = store.read(Timestamp::now()).await?.run(run).await?;
        if found.is_some_and(|run| run.state.is_final()) {
            return Ok(());
        }
        tokio::time::sleep(GLANCE).await;
    }
    Err("nobody took the run over".into())
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}
