//! A limit of memory, as the unit sets one: what is large is worked on in pieces; what does not fit ends the daemon, and nothing is lost.

use std::{fmt::Write as _, fs, io, path::PathBuf, process::Command};

use rustix::process::geteuid;
use serde_json::Value;

use super::{Bench, imported, is};
use crate::world::must_not_be_left_out;

const MIB: u64 = 1024 * 1024;

#[tokio::test]
async fn a_product_file_larger_than_the_memory_at_hand_is_imported() {
    /// How much more than it holds after a small import the daemon may have: well above what it needs, whatever the file's size.
    const ROOM: u64 = 48 * MIB;
    /// Products, and how long the description of each is.
    const LARGE: (usize, usize) = (30_000, 2_000);
    let Some(group) = Group::new() else { return };
    let mut bench = Bench::new();
    bench.start(group.enter());
    bench.until("the first import", 0, imported(1)).await;
    group.limit(group.held() + ROOM);
    let from = bench.log().len();
    let (count, length) = LARGE;
    let size = bench.write_described(count, length);
    assert!(size > ROOM * 6 / 5, "a file of {size} bytes is not large");
    bench.until("everything is imported", from, imported(count)).await;
    bench.stop();
    assert_eq!(group.deaths(), 0);
}

#[tokio::test]
async fn a_daemon_that_memory_does_not_suffice_for_is_killed_and_goes_on_once_it_does() {
    const ROOM: u64 = 16 * MIB;
    /// A page of them, five hundred, takes twice that room.
    const LARGE: (usize, usize) = (510, 60_000);
    let Some(group) = Group::new() else { return };
    let mut bench = Bench::new();
    bench.start(group.enter());
    bench.until("the first import", 0, imported(1)).await;
    group.limit(group.held() + ROOM);
    let (count, length) = LARGE;
    bench.write_described(count, length);
    bench.killed().await;
    assert_eq!(group.deaths(), 1);

    group.limit(1024 * MIB);
    let from = bench.log().len();
    bench.start(group.enter());
    let voided = bench.until("the run that was cut off is told of", from, is("instance.voided")).await;
    assert!(bench.log()[voided]["runs"].as_u64() >= Some(1), "{}", bench.log()[voided]);
    let done =
        bench.until("it is done", from, |line| line["event"] == "run.finished" && line["counts.seen"] == count).await;
    let run = bench.log()[done]["run.id"].clone();
    let told = bench.asks(&["--json", "runs", "show", &run.to_string()]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["outcome"], &told["attempt"]), (&"done".into(), &2.into()), "{told}");
    let products = bench.asks(&["products", "export", "-"]);
    assert_eq!(products.lines().filter(|line| line.starts_with("SKU-")).count(), count);
    bench.stop();
    assert_eq!(group.deaths(), 1);
}

impl Bench {
    /// As many products, each with a description of this length; how large the file is.
    fn write_described(&self, count: usize, length: usize) -> u64 {
        let words = "leaf by leaf ".repeat(length / 13);
        let mut text = "sku,title,price,currency,stock,description\n".to_owned();
        for number in 0..count {
            writeln!(text, "SKU-{number:06},Tea number {number},2.00,EUR,5,{words}").unwrap();
        }
        self.write("products.csv", &text);
        text.len() as u64
    }

    /// Waits until somebody kills the daemon.
    async fn killed(&mut self) {
        use std::os::unix::process::ExitStatusExt as _;
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
        let mut daemon = self.daemon.take().unwrap();
        let waited = async {
            loop {
                ticks.tick().await;
                if let Some(ended) = daemon.try_wait().unwrap() {
                    return ended;
                }
            }
        };
        let ended = tokio::time::timeout(super::LIMIT, waited).await;
        assert_eq!(ended.ok().and_then(|ended| ended.signal()), Some(9), "{:#?}", self.log());
    }

    /// What a command says.
    fn asks(&self, line: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopsyncd"));
        let done = command.arg("--config").arg(self.path("shopsyncd.toml")).args(line).output().unwrap();
        assert!(done.status.success(), "{line:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }
}

/// A control group of this machine, with memory counted: of version 2, or of version 1 where memory is counted there.
struct Group {
    folder: PathBuf,
    second: bool,
}

impl Group {
    /// `None`: only root may make one.
    fn new() -> Option<Self> {
        if !geteuid().is_root() {
            println!("faults: 1 test of memory left out: only root may limit it");
            return None;
        }
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("shopsyncd-memory-{}-{number}", std::process::id());
        for parent in parents() {
            let folder = parent.join(&name);
            if fs::create_dir(&folder).is_err() {
                continue;
            }
            let second = folder.join("memory.max").exists();
            if second || folder.join("memory.limit_in_bytes").exists() {
                return Some(Self { folder, second });
            }
            let _ = fs::remove_dir(&folder);
        }
        must_not_be_left_out("a limit of memory", "no control group counts memory here");
        println!("faults: 1 test of memory left out: no control group counts it here");
        None
    }

    /// What runs a program in it. The program's file is read here first, so that its pages are not the group's: of those the kernel would
    /// take away and read again whatever runs, for minutes, before it killed anybody.
    fn enter(&self) -> Command {
        let mut program = fs::File::open(env!("CARGO_BIN_EXE_shopsyncd")).unwrap();
        io::copy(&mut program, &mut io::sink()).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ >\"$0/cgroup.procs\" && exec \"$@\""]).arg(&self.folder);
        command
    }

    fn read(&self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(self.folder.join(file)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{file} has no {name}: {text}")).parse().unwrap()
    }

    /// How much its processes hold for themselves, in bytes.
    fn held(&self) -> u64 {
        self.read("memory.stat", if self.second { "anon" } else { "total_rss" })
    }

    /// How many of its processes were killed for want of memory.
    fn deaths(&self) -> u64 {
        self.read(if self.second { "memory.events" } else { "memory.oom_control" }, "oom_kill")
    }

    fn limit(&self, bytes: u64) {
        let file = if self.second { "memory.max" } else { "memory.limit_in_bytes" };
        // Where more is in use room is made first, and of the first version's groups that may take several attempts.
        let mut tries = 0..20;
        while let Err(error) = fs::write(self.folder.join(file), bytes.to_string()) {
            assert!(error.kind() == io::ErrorKind::ResourceBusy && tries.next().is_some(), "{file}: {error}");
        }
        if self.second {
            // Without swap on this machine there is no such file.
            let _ = fs::write(self.folder.join("memory.swap.max"), "0");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Ended processes leave their group a moment later than they are waited for.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

/// Where a group can be made: beside or above this process's own, the nearest first.
fn parents() -> Vec<PathBuf> {
    let mut parents = Vec::new();
    for line in fs::read_to_string("/proc/self/cgroup").unwrap_or_default().lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(path)) = (parts.next(), parts.next()) else { continue };
        let root = match kinds {
            "" => "/sys/fs/cgroup",
            kinds if kinds.split(',').any(|kind| kind == "memory") => "/sys/fs/cgroup/memory",
            _ => continue,
        };
        let own = PathBuf::from(root).join(path.trim_start_matches('/'));
        parents.extend(own.ancestors().take_while(|folder| folder.starts_with(root)).map(PathBuf::from));
    }
    parents
}
