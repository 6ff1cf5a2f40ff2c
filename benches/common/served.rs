//! The program as a process that serves settings of its own, and tells systemd's socket when it is ready.

use std::{
    fmt::Write as _,
    fs,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use shopsyncd::{
    control::{self, Request},
    secrets::Sealer,
};
use sqlx::{AssertSqlSafe, Executor as _};
use tokio::{
    net::UnixDatagram,
    process::{Child, Command},
};

use super::common::{Failure, cpu_seconds_of};

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_shopsyncd");

/// How long a daemon may take until it is ready, or has ended.
const PATIENCE: Duration = Duration::from_mins(2);

/// The product source.
pub(crate) const SOURCE: &str = "erp";

/// What a daemon must not inherit.
const INHERITED: [&str; 4] = ["RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"];

/// A folder with settings of many shops of one marketplace, and of a product file that is their source.
pub(crate) struct Ground(PathBuf);

impl Ground {
    /// `more`: what else the main file says, of the database.
    pub(crate) fn new(shops: u64, more: &str) -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("shopsyncd-bench-daemon-{}", std::process::id()));
        let ground = Self(folder);
        ground.clear();
        fs::create_dir_all(ground.0.join("shops.d"))?;
        fs::write(ground.0.join("secret"), "an app's secret")?;
        let mut main = format!("state_dir = \"{}\"\n", ground.state_dir().display());
        if !more.is_empty() {
            let key = ground.0.join("seal-key");
            fs::write(&key, Sealer::generate().expose())?;
            writeln!(main, "seal_key = {{ file = \"{}\" }}", key.display())?;
        }
        let (secret, products) = (ground.0.join("secret"), ground.0.join("products.csv"));
        fs::write(&products, "sku,title,price,currency,stock\nA,Linen shirt,20.00,GBP,3\n")?;
        write!(
            main,
            "product_source = \"{SOURCE}\"\n{more}\n[web]\nlisten = \"None\"\ninternal = \"None\"\n\n[channels.tiktok_shop]\n\
             client_id = \"app\"\nservice_id = \"7\"\nclient_secret = {{ file = \"{}\" }}\n\n[shops.{SOURCE}]\nchannel = \"file\"\n\
             path = \"{}\"\n",
            secret.display(),
            products.display()
        )?;
        fs::write(ground.main(), main)?;
        // The source is one of them.
        for number in 1..shops {
            ground.write_shop(number, "1 hour")?;
        }
        Ok(ground)
    }

    pub(crate) fn main(&self) -> PathBuf {
        self.0.join("shopsyncd.toml")
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.0.join("state")
    }

    /// A shop's file, whole at once.
    pub(crate) fn write_shop(&self, number: u64, import: &str) -> Result<(), Failure> {
        let (id, place) = (id(number), 7_490_000_000_000_000_000 + number);
        let text = format!(
            "[shops.{id}]\nchannel = \"tiktok_shop\"\nname = \"Shop {number}\"\nshop_id = \"{place}\"\nregion = \"GB\"\n\
             [shops.{id}.jobs]\nproduct_import = \"{import}\"\nproduct_export = \"30 minutes\"\n"
        );
        let draft = self.0.join("draft");
        fs::write(&draft, text)?;
        fs::rename(draft, self.0.join(format!("shops.d/{id}.toml")))?;
        Ok(())
    }

    /// The files of shops.
    pub(crate) fn shops_dir(&self) -> PathBuf {
        self.0.join("shops.d")
    }

    /// How long a command takes, from its start to its end, and how much of that it used a processor.
    pub(crate) fn run(&self, args: &[&str]) -> Result<(Duration, Duration), Failure> {
        let mut command = std::process::Command::new(PROGRAM);
        command.arg("--config").arg(self.main()).args(args).stdout(Stdio::null());
        for inherited in INHERITED {
            command.env_remove(inherited);
        }
        let (begun, (_, before)) = (Instant::now(), cpu_seconds_of("self"));
        let status = command.status()?;
        let took = begun.elapsed();
        let used = Duration::from_secs_f64(cpu_seconds_of("self").1 - before);
        if status.success() { Ok((took, used)) } else { Err(format!("{args:?}: {status}").into()) }
    }

    fn clear(&self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A shop's id.
pub(crate) fn id(number: u64) -> String {
    format!("shop-{number:05}")
}

/// A daemon that is ready.
pub(crate) struct Served {
    child: Child,
    pid: Pid,
    state_dir: PathBuf,
}

impl Served {
    /// Starts one; how long it took until it said that it is ready.
    pub(crate) async fn start(ground: &Ground) -> Result<(Self, Duration), Failure> {
        Self::start_in(ground, "notify", None).await
    }

    /// A second one on the same settings and database, with its own folder and socket.
    pub(crate) async fn start_beside(ground: &Ground) -> Result<(Self, Duration), Failure> {
        Self::start_in(ground, "notify-beside", Some(ground.0.join("state-beside"))).await
    }

    async fn start_in(ground: &Ground, socket: &str, state_dir: Option<PathBuf>) -> Result<(Self, Duration), Failure> {
        let path = ground.0.join(socket);
        let _ = fs::remove_file(&path);
        let told = UnixDatagram::bind(&path)?;
        let log = fs::OpenOptions::new().create(true).append(true).open(ground.0.join("log"))?;
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(ground.main()).arg("run").stderr(log).kill_on_drop(true);
        for inherited in INHERITED {
            command.env_remove(inherited);
        }
        command.env("NOTIFY_SOCKET", &path);
        if let Some(own) = &state_dir {
            command.env("SHOPSYNCD__STATE_DIR", own);
        }
        let begun = Instant::now();
        let child = command.spawn()?;
        let took =
            tokio::time::timeout(PATIENCE, ready(&told)).await.map_err(|_| "the daemon does not get ready")??;
        let took = took.duration_since(begun);
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).ok_or("the daemon has ended")?;
        Ok((Self { child, pid, state_dir: state_dir.unwrap_or_else(|| ground.state_dir()) }, took))
    }

    pub(crate) async fn ask(&self, request: &Request) -> Result<Value, Failure> {
        control::ask(&self.state_dir, request, |_| {}).await.map_err(|refusal| refusal.text.into())
    }

    /// How much processor time it has used.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_secs_f64(cpu_seconds_of(&self.pid.as_raw_nonzero().to_string()).0)
    }

    /// What of its memory is resident, in MiB.
    pub(crate) fn resident_mib(&self) -> Result<f64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid.as_raw_nonzero()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: f64 = line.split_whitespace().next().ok_or("no VmRSS")?.parse()?;
        Ok(kib / 1024.0)
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        kill_process(self.pid, Signal::TERM)?;
        let ended =
            tokio::time::timeout(PATIENCE, self.child.wait()).await.map_err(|_| "the daemon does not end")??;
        if ended.success() { Ok(()) } else { Err(format!("the daemon ended otherwise: {ended}").into()) }
    }

    /// Kills it, without a moment for farewells.
    pub(crate) async fn kill(mut self) -> Result<(), Failure> {
        self.child.kill().await?;
        Ok(())
    }
}

/// When the socket was told that the daemon is ready.
async fn ready(told: &UnixDatagram) -> Result<Instant, Failure> {
    let mut buffer = vec![0; 65_536];
    loop {
        let size = told.recv(&mut buffer).await?;
        let now = Instant::now();
        if String::from_utf8_lossy(&buffer[..size]).lines().any(|line| line == "READY=1") {
            return Ok(now);
        }
    }
}

/// A fresh database of a server.
pub(crate) struct Database {
    pub(crate) url: String,
    name: String,
    server: String,
}

impl Database {
    pub(crate) async fn new(server: &str, number: u64) -> Result<Self, Failure> {
        let name = format!("shopsyncd_bench_daemon_{}_{number}", std::process::id());
        sqlx::PgPool::connect(server).await?.execute(AssertSqlSafe(format!("create database {name}"))).await?;
        let mut url = url::Url::parse(server)?;
        url.set_path(&name);
        Ok(Self { url: url.into(), name, server: server.to_owned() })
    }

    pub(crate) fn settings(&self) -> String {
        format!("[database]\nurl = \"{}\"", self.url)
    }

    pub(crate) async fn clear(self) -> Result<(), Failure> {
        let drop = AssertSqlSafe(format!("drop database {} with (force)", self.name));
        sqlx::PgPool::connect(&self.server).await?.execute(drop).await?;
        Ok(())
    }
}
