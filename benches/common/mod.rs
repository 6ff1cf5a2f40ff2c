//! What the benchmarks need: a database of their own, no-op handlers, and this process's figures.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use shopsyncd::{
    domain::{Counts, InstanceId, JobKind, Outcome, RunId},
    scheduler::{Context, End, Handler, Handlers, Settings, Stopped},
    store::Store,
    telemetry::metrics::Metrics,
};
use sqlx::{AssertSqlSafe, Executor as _};
use tokio::sync::mpsc::UnboundedSender;

pub(crate) type Failure = Box<dyn std::error::Error>;

/// A fresh database; dropped with [`Bed::clear`].
pub(crate) struct Bed {
    pub(crate) store: Store,
    folder: Option<PathBuf>,
    server: Option<(String, String)>,
}

impl Bed {
    pub(crate) async fn sqlite(name: &str) -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("shopsyncd-bench-{name}-{}", std::process::id()));
        let store = Store::open("sqlite:bench.db", &folder).await?;
        Ok(Self { store, folder: Some(folder), server: None })
    }

    pub(crate) async fn postgres(server: &str, name: &str) -> Result<Self, Failure> {
        let name = format!("shopsyncd_bench_{name}_{}", std::process::id());
        sqlx::PgPool::connect(server).await?.execute(AssertSqlSafe(format!("create database {name}"))).await?;
        let mut url = url::Url::parse(server)?;
        url.set_path(&name);
        let store = Store::open(url.as_str(), &std::env::temp_dir()).await?;
        Ok(Self { store, folder: None, server: Some((server.to_owned(), name)) })
    }

    pub(crate) async fn clear(self) -> Result<(), Failure> {
        self.store.close().await;
        if let Some(folder) = self.folder {
            std::fs::remove_dir_all(folder)?;
        }
        if let Some((server, name)) = self.server {
            let drop = AssertSqlSafe(format!("drop database {name} with (force)"));
            sqlx::PgPool::connect(&server).await?.execute(drop).await?;
        }
        Ok(())
    }

    /// The settings under which commits are made durable.
    pub(crate) async fn durability(&self) -> Result<String, Failure> {
        Ok(match &self.store {
            Store::Sqlite { writer, .. } => {
                let level: i64 = sqlx::query_scalar("pragma synchronous").fetch_one(writer).await?;
                format!("SQLite, WAL, synchronous={}", ["OFF", "NORMAL", "FULL", "EXTRA"][level as usize])
            }
            Store::Postgres(pool) => {
                let commit: String = sqlx::query_scalar("show synchronous_commit").fetch_one(pool).await?;
                let fsync: String = sqlx::query_scalar("show fsync").fetch_one(pool).await?;
                format!("PostgreSQL, synchronous_commit={commit}, fsync={fsync}")
            }
        })
    }
}

/// Does nothing, and says when.
struct Noop(Option<UnboundedSender<(RunId, Timestamp)>>);

#[async_trait]
impl Handler for Noop {
    async fn run(&self, context: Context) -> Result<End, Stopped> {
        if let Some(seen) = &self.0 {
            let _ = seen.send((context.run, Timestamp::now()));
        }
        Ok(End::Ended(Outcome::Done, Counts::default()))
    }
}

pub(crate) fn noops(seen: Option<UnboundedSender<(RunId, Timestamp)>>) -> Handlers {
    let noop: Arc<dyn Handler> = Arc::new(Noop(seen));
    JobKind::OF_SHOPS.into_iter().map(|job| (job, noop.clone())).collect()
}

pub(crate) fn settings(slots: u32, shared: bool) -> Settings {
    Settings {
        holder: InstanceId("bench".to_owned()),
        slots,
        shared,
        settings_digest: String::new(),
        standing_by: false,
        metrics: Metrics::new(),
    }
}

/// Processor, cores and load: figures mean nothing without them.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(" : ?");
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let load = read("/proc/loadavg");
    format!(
        "{cores} cores,{}, load before {}",
        model.trim_start_matches([' ', '\t', ':']),
        load.split(' ').next().unwrap_or("?")
    )
}

/// Seconds of processor time this process has used.
pub(crate) fn cpu_seconds() -> f64 {
    cpu_seconds_of("self").0
}

/// Seconds of processor time that a process has used, and that those which it started and which have ended had.
pub(crate) fn cpu_seconds_of(process: &str) -> (f64, f64) {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    ((ticks(11) + ticks(12)) / 100.0, (ticks(13) + ticks(14)) / 100.0)
}

/// The most memory this process ever had, in MiB.
pub(crate) fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// One figure of every sample.
#[derive(Default)]
pub(crate) struct Figure(Vec<f64>);

impl Figure {
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }
}

/// Least and median.
impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        write!(f, "{least:.2} / {:.2}", self.median())
    }
}

/// A number from the environment.
pub(crate) fn number_of(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
