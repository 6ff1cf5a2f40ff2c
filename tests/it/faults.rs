//! The program as a process of its own, while its log's level is changed and its disk fills up.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "what is left out belongs to the result")]

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::world::must_not_be_left_out;

mod memory;

/// How long anything may take.
const LIMIT: Duration = Duration::from_mins(4);

/// A folder with settings and a product file that is read every second, and in the end a daemon.
struct Bench {
    folder: TempDir,
    daemon: Option<Child>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap(), daemon: None };
        for name in ["state", "log"] {
            fs::create_dir(bench.path(name)).unwrap();
        }
        bench.write_products(1, "1.00");
        bench.write_settings("info");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whole at once, as editors do it.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.path("draft"), text).unwrap();
        fs::rename(self.path("draft"), self.path(name)).unwrap();
    }

    fn write_settings(&self, level: &str) {
        let text = format!(
            r#"product_source = "erp"
state_dir = "{state}"
[web]
listen = "None"
internal = "None"
[log]
format = "json"
level = "{level}"
[shops.erp]
channel = "file"
path = "{products}"
[shops.erp.jobs]
product_import = "1 second"
"#,
            state = self.path("state").display(),
            products = self.path("products.csv").display(),
        );
        self.write("shopsyncd.toml", &text);
    }

    fn write_products(&self, count: usize, price: &str) {
        let mut text = "sku,title,price,currency,stock\n".to_owned();
        for number in 0..count {
            writeln!(text, "SKU-{number:06},A product whose name is number {number},{price},EUR,5").unwrap();
        }
        self.write("products.csv", &text);
    }

    /// Starts the daemon by a command that ends in it: its arguments are added.
    fn start(&mut self, mut command: Command) {
        let log = File::options().create(true).append(true).open(self.path("log/lines")).unwrap();
        for inherited in ["RUNTIME_DIRECTORY", "NOTIFY_SOCKET", "SHOPSYNCD_CRASH_AT", "SHOPSYNCD_STOP_AT"] {
            command.env_remove(inherited);
        }
        command.args([env!("CARGO_BIN_EXE_shopsyncd"), "--config"]).arg(self.path("shopsyncd.toml")).arg("run");
        self.daemon = Some(command.stderr(log).spawn().unwrap());
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.daemon.as_ref().unwrap())
    }

    /// What fills the daemon's own disk.
    fn ballast(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid().as_raw_nonzero()));
        root.join(self.path("state").strip_prefix("/").unwrap()).join("ballast")
    }

    fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("log/lines")).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
    }

    /// Waits for a line of the log from this one on; which one it is.
    async fn until(&mut self, what: &str, from: usize, wanted: impl Fn(&Value) -> bool) -> usize {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let waited = async {
            loop {
                ticks.tick().await;
                if let Some(at) = self.log().iter().skip(from).position(&wanted) {
                    return from + at;
                }
                let ended = self.daemon.as_mut().unwrap().try_wait().unwrap();
                assert!(ended.is_none(), "{what}: the daemon ended, {ended:?}: {:#?}", self.log());
            }
        };
        let seen = tokio::time::timeout(LIMIT, waited).await.ok();
        seen.unwrap_or_else(|| panic!("not seen: {what}: {:#?}", &self.log()[from..]))
    }

    /// Stops it as systemd would.
    fn stop(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
        assert!(daemon.wait().unwrap().success());
    }
}

fn is(event: &'static str) -> impl Fn(&Value) -> bool {
    move |line| line["event"] == event
}

/// An import that brought so many changes.
fn imported(count: usize) -> impl Fn(&Value) -> bool {
    move |line| line["event"] == "run.finished" && line["counts.changed"] == count
}

fn plainly() -> Command {
    // It runs what follows in its own place.
    Command::new("env")
}

#[tokio::test]
async fn the_level_of_the_log_changes_while_the_daemon_runs_and_a_bad_one_changes_nothing() {
    let debug = |line: &Value| line["level"] == "debug";
    let mut bench = Bench::new();
    bench.start(plainly());
    bench.until("the first import", 0, imported(1)).await;
    bench.write_products(2, "1.00");
    let known = bench.until("the second import", 0, |line| line["counts.seen"] == 2).await;
    assert!(!bench.log().iter().any(debug), "{:#?}", bench.log());

    bench.write_settings("info,shopsyncd=debug");
    let reloaded = bench.until("the settings are in force", known, is("settings.reloaded")).await;
    let quiet = bench.until("more is told", reloaded, debug).await;
    bench.write_settings("shopsyncd=loud");
    let refused = bench.until("the bad level is refused", quiet, is("settings.rejected")).await;
    assert!(bench.log()[refused]["message"].as_str().unwrap().contains("log.level"), "{}", bench.log()[refused]);
    bench.until("as much is told as before", refused, debug).await;

    bench.write_settings("info");
    let reloaded = bench.until("the settings are in force", refused, is("settings.reloaded")).await;
    bench.write_products(3, "1.00");
    bench.until("the third import", reloaded, |line| line["counts.seen"] == 3).await;
    assert!(!bench.log()[reloaded..].iter().any(debug), "{:#?}", &bench.log()[reloaded..]);
    bench.stop();
}

/// How large the disk of the state folder is.
const DISK: &str = "48m";
const MANY: usize = 4_000;

#[tokio::test]
async fn a_disk_that_is_full_is_told_of_and_once_there_is_room_everything_goes_on() {
    let mut bench = Bench::new();
    let Some(command) = on_a_disk_of_its_own(&bench.path("state"), ":") else { return };
    bench.start(command);
    bench.until("the first import", 0, imported(1)).await;

    let ballast = bench.ballast();
    fill(&ballast);
    bench.write_products(MANY, "2.00");
    let full = bench.until("the full disk is told of", 0, |line| line.to_string().contains("full")).await;
    assert!(["warn", "error"].map(Value::from).contains(&bench.log()[full]["level"]), "{}", bench.log()[full]);
    assert!(!bench.log().iter().any(imported(MANY)), "there was no room for it");
    fs::remove_file(&ballast).unwrap();
    bench.until("what was kept waiting is done", full, |line| line["counts.seen"] == MANY).await;

    bench.write_products(MANY, "3.00");
    bench.until("the next change", full, imported(MANY)).await;
    let repeated = bench.log().iter().filter(|line| line.to_string().contains("full")).count();
    assert!(repeated < 20, "few lines: {:#?}", bench.log());
    bench.stop();
}

#[tokio::test]
async fn a_start_on_a_disk_that_is_full_waits_until_there_is_room() {
    let mut bench = Bench::new();
    let filled = "! cat /dev/zero >\"$0/ballast\" 2>/dev/null";
    let Some(command) = on_a_disk_of_its_own(&bench.path("state"), filled) else { return };
    bench.start(command);
    let trouble = bench.until("the full disk is told of", 0, is("store.trouble")).await;
    let told = bench.log()[trouble]["error"].as_str().unwrap().to_owned();
    assert!(told.contains("No space left on device"), "{told}");
    fs::remove_file(bench.ballast()).unwrap();
    bench.until("the first import", trouble, imported(1)).await;
    bench.stop();
    let told =
        ["store.trouble", "store.recovered"].map(|event| bench.log().iter().filter(|line| is(event)(line)).count());
    assert_eq!(told, [1, 1], "{:#?}", bench.log());
}

/// What runs a program where this folder is a small disk, which nobody else sees, once this line of a shell has been carried out there.
/// `None` where that is not allowed.
fn on_a_disk_of_its_own(folder: &Path, first: &str) -> Option<Command> {
    let unshared = || {
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command
            .args(["sh", "-c", &format!("mount -t tmpfs -o size={DISK} tmpfs \"$0\" && {first} && exec \"$@\"")])
            .arg(folder);
        command
    };
    let tried = unshared().arg("true").output();
    if tried.as_ref().is_ok_and(|tried| tried.status.success()) {
        return Some(unshared());
    }
    must_not_be_left_out("a full disk", &format!("no disk can be mounted: {tried:?}"));
    println!("faults: no disk is filled: this user may not mount one: {tried:?}");
    None
}

/// Takes all room that is left.
fn fill(file: &Path) {
    let mut file = File::create(file).unwrap();
    let zeros = vec![0; 64 * 1024];
    loop {
        match file.write(&zeros) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::StorageFull => return,
            Err(error) => panic!("{error}"),
        }
    }
}
