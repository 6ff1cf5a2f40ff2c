//! The package and its unit on a machine with systemd: installed, started, reloaded well and badly, killed, starved, stopped,
//! upgraded and removed.
//!
//! The machine is this one's own systemd as PID 1 of namespaces, on a tree in which nothing that is written reaches this machine: see
//! `systemd/boot.sh`. That takes root. What an operator types and reads there is written to `target/operating.txt`.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "what is left out belongs to the result")]

use std::{
    fmt::Write as _,
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::{package, tree::project, world::must_not_be_left_out};

/// How long anything may take before it counts as not happening.
const LIMIT: Duration = Duration::from_mins(1);
/// Between two looks at what only looking tells.
const LOOK: Duration = Duration::from_millis(100);

#[test]
fn an_operator_installs_runs_repairs_upgrades_and_removes_it() {
    let Some(mut machine) = Machine::boot() else { return };
    install(&mut machine);
    start(&mut machine);
    edit(&mut machine);
    call(&machine);
    let_in(&mut machine);
    die(&mut machine);
    wait(&mut machine);
    restore(&mut machine);
    upgrade(&mut machine);
    remove(&mut machine);
    fs::write(project().join("target/operating.txt"), &machine.transcript).unwrap();
    println!("systemd: what an operator types and reads stands in target/operating.txt");
}

fn install(machine: &mut Machine) {
    machine.chapter("Install the package, and edit two lines");
    let first = machine.packages[0].clone();
    machine.shows(&format!("dpkg --install /srv/test/{first} 2>&1 | grep -v '^(Reading\\|man-db'"));
    let modes = machine.does("stat -c '%a %U %n' /etc/shopsyncd/* /usr/bin/shopsyncd");
    assert_eq!(
        modes.trim().lines().collect::<Vec<_>>(),
        [
            "700 root /etc/shopsyncd/secrets",
            "755 root /etc/shopsyncd/shops.d",
            "644 root /etc/shopsyncd/shopsyncd.toml",
            "755 root /usr/bin/shopsyncd"
        ]
    );
    assert_eq!(machine.property("ActiveState"), "inactive", "nothing starts before somebody has written settings");
    assert_eq!(machine.does("dpkg --verify shopsyncd"), "");
    let warnings =
        machine.does("man --warnings -E UTF-8 -l -Tutf8 -Z /usr/share/man/man1/shopsyncd.1.gz 2>&1 >/dev/null");
    assert_eq!(warnings, "", "the manual page is a good one");
    for shell in [
        "bash-completion/completions/shopsyncd",
        "zsh/vendor-completions/_shopsyncd",
        "fish/vendor_completions.d/shopsyncd.fish",
    ] {
        machine.does(&format!("grep -q authorize /usr/share/{shell}"));
    }

    machine.shows("sed -i 's|^#timezone = .*|timezone = \"Europe/London\"|; s|^#product_source = .*|product_source = \"erp\"|' /etc/shopsyncd/shopsyncd.toml");
    machine.shows("cat /srv/erp/products.csv");
    machine.shows(
        "cat >/etc/shopsyncd/shops.d/erp.toml <<END\n\
         [shops.erp]\n\
         channel = \"file\"\n\
         path = \"/srv/erp/products.csv\"\n\
         [shops.erp.jobs]\n\
         product_import = \"10 minutes\"\n\
         END",
    );
    machine.shows("shopsyncd check");
}

fn start(machine: &mut Machine) {
    machine.chapter("Start, and look");
    machine.shows("systemctl enable --now shopsyncd");
    machine.until_property("StatusText", |text| text.starts_with("serves 1 shop"));
    assert_eq!(machine.property("ActiveState"), "active");
    machine.does("shopsyncd jobs run erp product_import --wait");
    machine.until_property("StatusText", |text| text.starts_with("serves 1 shop; next run "));
    let status = machine.shows("systemctl status shopsyncd --no-pager --lines 0");
    assert!(status.contains("Status: \"serves 1 shop; next run "), "{status}");
    let status = machine.shows("shopsyncd status");
    assert!(status.contains("erp"), "{status}");
    let why = machine.shows("shopsyncd jobs why erp product_import");
    assert!(why.contains("shops.d/erp.toml"), "{why}");
    let log = machine.shows("journalctl --unit shopsyncd --output cat --no-pager F_SHOP_ID=erp");
    assert!(log.contains("product_import done"), "{log}");
    // With fields of their own, so that they can be asked for.
    let fields = machine.does("journalctl --unit shopsyncd --output json --no-pager F_EVENT=run.finished | head -n 1");
    let line: serde_json::Value = serde_json::from_str(&fields).unwrap();
    assert_eq!((&line["F_SHOP_ID"], &line["F_JOB"]), (&"erp".into(), &"product_import".into()), "{line}");
    assert_eq!((&line["PRIORITY"], &line["SYSLOG_IDENTIFIER"]), (&"6".into(), &"shopsyncd".into()), "{line}");
    // The unit's own user, and nobody else, has the state.
    let process = machine.does("stat -c %U /proc/$(systemctl show -P MainPID shopsyncd)");
    assert_eq!(process.trim(), "shopsyncd");
    assert_eq!(machine.does("stat -c '%a %U' /var/lib/private/shopsyncd").trim(), "700 shopsyncd");
}

fn edit(machine: &mut Machine) {
    machine.chapter("Edit while it runs: well, then badly");
    let before = machine.property("MainPID");
    machine.shows("sed -i 's/10 minutes/2 minutes/' /etc/shopsyncd/shops.d/erp.toml && systemctl reload shopsyncd");
    assert!(machine.does("shopsyncd shops show erp").contains("2 minutes"));
    machine.shows("sed -i 's|Europe/London|Europe/Lundon|' /etc/shopsyncd/shopsyncd.toml");
    let (code, said) = machine.show("systemctl reload shopsyncd");
    assert_ne!(code, 0, "{said}");
    let wrong = |text: &str| text.contains("Europe/Lundon") && text.contains("shopsyncd.toml:");
    machine.until_property("StatusText", wrong);
    let status = machine.shows("systemctl status shopsyncd --no-pager --lines 0");
    assert!(status.contains("the newest settings were refused") && status.contains("active (running)"), "{status}");
    let log =
        machine.shows("journalctl --unit shopsyncd --output cat --no-pager F_EVENT=settings.rejected | tail -n 1");
    assert!(wrong(&log), "{log}");
    machine
        .shows("sed -i 's|Europe/Lundon|Europe/London|' /etc/shopsyncd/shopsyncd.toml && systemctl reload shopsyncd");
    machine.until_property("StatusText", |text| text.starts_with("serves 1 shop"));
    assert_eq!(machine.property("MainPID"), before, "it was one daemon all the while");
}

/// The sandbox lets it out to marketplaces: here to one that answers everybody with 503.
fn call(machine: &Machine) {
    machine.does(
        "cat >/srv/market <<'END'\n\
         #!/bin/bash\n\
         while read -r line && [ \"$line\" != $'\\r' ]; do echo \"$line\" >>/run/market; done\n\
         printf 'HTTP/1.1 503 Service Unavailable\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n'\n\
         END\n\
         chmod 755 /srv/market\n\
         printf '[Socket]\\nListenStream=127.0.0.1:9080\\nAccept=yes\\n' >/run/systemd/system/market.socket\n\
         printf '[Service]\\nExecStart=/srv/market\\nStandardInput=socket\\n' >/run/systemd/system/market@.service\n\
         systemctl daemon-reload && systemctl start market.socket",
    );
    machine.does(
        "cat >/etc/shopsyncd/shops.d/uk.toml <<'END'\n\
         [shops.uk]\n\
         channel = \"tiktok_shop\"\n\
         shop_id = \"7490000000000000001\"\n\
         END\n\
         cp /etc/shopsyncd/shopsyncd.toml /srv/before.toml && cat >>/etc/shopsyncd/shopsyncd.toml <<'END'\n\
         [channels.tiktok_shop]\n\
         client_id = \"68abc\"\n\
         client_secret = \"secret\"\n\
         service_id = \"7312\"\n\
         api_url = \"http://127.0.0.1:9080\"\n\
         token_url = \"http://127.0.0.1:9080\"\n\
         END\n\
         systemctl reload shopsyncd",
    );
    let tokens = r#"{"access_token": "a", "refresh_token": "b", "account": "seller", "authorized_at": "2026-01-01T00:00:00Z", "ends_at": "2100-01-01T00:00:00Z"}"#;
    let (code, said) = machine.run(&format!("echo '{tokens}' | shopsyncd shops authorize uk"));
    assert_eq!(code, 75, "{said}");
    let asked = machine.does("cat /run/market");
    assert!(asked.contains("GET /authorization/") && asked.contains(" HTTP/1.1"), "{asked}");
    machine.does(
        "rm /etc/shopsyncd/shops.d/uk.toml && cp /srv/before.toml /etc/shopsyncd/shopsyncd.toml && systemctl reload shopsyncd\n\
         shopsyncd shops forget uk --yes && systemctl stop market.socket",
    );
    machine.until_property("StatusText", |text| text.starts_with("serves 1 shop"));
}

fn let_in(machine: &mut Machine) {
    machine.chapter("Let a group use the commands that ask the daemon");
    let reload = |group: &str| format!("setpriv --reuid 65534 --regid {group} --clear-groups shopsyncd reload");
    let (code, said) = machine.run(&reload("adm"));
    assert_eq!(code, 69, "as shipped nobody else is let in: {said}");
    assert!(said.contains("permission denied; run this as root"), "{said}");
    machine.drop_in("group", "Group=adm\n");
    machine.does("systemctl restart shopsyncd");
    assert_eq!(machine.does("stat -c '%a %G' /run/shopsyncd /run/shopsyncd/control.sock").trim(), "750 adm\n660 adm");
    let said = machine.shows(&reload("adm"));
    assert!(said.starts_with("nothing changed: what the files say is in force since the start at "), "{said}");
    assert_eq!(machine.run(&reload("nogroup")).0, 69);
    machine.does("chmod 600 /etc/shopsyncd/shopsyncd.toml");
    let said = machine.shows("shopsyncd check");
    assert!(
        said.contains(
            "/etc/shopsyncd/shopsyncd.toml: the service's unit gives the daemon a user of its own, which may not read"
        ),
        "{said}"
    );
    machine.does("chmod 644 /etc/shopsyncd/shopsyncd.toml");
    machine.does("rm /etc/systemd/system/shopsyncd.service.d/group.conf && systemctl daemon-reload");
    machine.does("systemctl restart shopsyncd");

    machine.chapter("What root sees and the daemon does not");
    machine.does("mkdir -p /home/try && cp /srv/erp/products.csv /home/try");
    machine.does("printf 'state_dir = \"state\"\n[shops.erp]\nchannel = \"file\"\npath = \"products.csv\"\n' >/home/try/shopsyncd.toml");
    let said = machine.shows("shopsyncd --config /home/try/shopsyncd.toml check");
    assert!(said.contains("warning: shopsyncd.toml:4: shops.erp.path: the service's unit shuts the daemon out of /home/try/products.csv"), "{said}");
}

fn die(machine: &mut Machine) {
    machine.chapter("A kill, a daemon that hangs, settings that cannot work");
    let before = machine.property("MainPID");
    machine.shows("systemctl kill --signal KILL --kill-who main shopsyncd");
    machine.until_property("MainPID", |pid| pid != "0" && pid != before);
    machine.until_property("ActiveState", |state| state == "active");
    machine.shows("systemctl show --property NRestarts,ActiveState shopsyncd");

    // Only in this test the watchdog is that impatient.
    machine.drop_in("watchdog", "WatchdogSec=3s\nTimeoutAbortSec=1s\n");
    machine.does("systemctl restart shopsyncd");
    let before = machine.property("MainPID");
    machine.does("kill -STOP $(systemctl show -P MainPID shopsyncd)");
    machine.until_property("MainPID", |pid| pid != "0" && pid != before);
    machine.until_property("ActiveState", |state| state == "active");
    let log = machine.shows("journalctl --unit shopsyncd --output cat --no-pager | grep -i watchdog");
    assert!(log.contains("Watchdog timeout"), "{log}");
    machine.does("rm /etc/systemd/system/shopsyncd.service.d/watchdog.conf && systemctl daemon-reload");

    machine.does("systemctl restart shopsyncd");
    machine.shows(
        "sed -i 's|^#  api_token = .*|api_token = { credential = \"api-token\" }|' /etc/shopsyncd/shopsyncd.toml",
    );
    let (code, said) = machine.show("systemctl restart shopsyncd");
    assert_ne!(code, 0, "{said}");
    let told = machine.shows("systemctl show --property ActiveState,SubState,NRestarts,ExecMainStatus shopsyncd");
    // A restart would not mend settings: it is not waiting for one.
    for line in ["ActiveState=failed", "SubState=failed", "NRestarts=0", "ExecMainStatus=78"] {
        assert!(told.lines().any(|there| there == line), "{told}");
    }
    let log = machine.shows("journalctl --unit shopsyncd --output cat --no-pager F_EVENT=daemon.failed");
    assert!(log.contains("web.api_token") && log.lines().count() == 2, "{log}");
    let said = machine.shows("shopsyncd check");
    assert!(
        said.contains("warning: shopsyncd.toml:") && said.contains("hands no credential `api-token` over"),
        "{said}"
    );
    machine.shows("install -m 600 /dev/stdin /etc/shopsyncd/secrets/api-token <<<a-token-that-nobody-guesses");
    machine.shows(
        "mkdir -p /etc/systemd/system/shopsyncd.service.d && cat >/etc/systemd/system/shopsyncd.service.d/secrets.conf <<END\n\
         [Service]\n\
         LoadCredential=api-token:/etc/shopsyncd/secrets/api-token\n\
         END",
    );
    machine.shows("systemctl daemon-reload && systemctl start shopsyncd");
    machine.until_property("StatusText", |text| text.starts_with("serves 1 shop"));
    let said = machine.shows("shopsyncd check");
    assert!(!said.contains("hands no credential"), "{said}");
}

fn wait(machine: &mut Machine) {
    machine.chapter("Start while the database is away");
    machine.shows("systemctl stop shopsyncd");
    // Only in this test a start that says nothing is given up so soon.
    machine.drop_in("impatient", "TimeoutStartSec=3s\n");
    machine.shows("sed -i 's|^#url = .*|url = \"sqlite:/srv/later/shop.db\"|' /etc/shopsyncd/shopsyncd.toml");
    let asked = Instant::now();
    machine.shows("systemctl start --no-block shopsyncd");
    machine.until_property("StatusText", |text| text.starts_with("waits: database /srv/later/shop.db: "));
    machine.until("true", |_| asked.elapsed() > Duration::from_secs(8));
    let status = machine.show("systemctl status shopsyncd --no-pager --lines 0").1;
    assert!(status.contains("activating (start)") && status.contains("Status: \"waits: database"), "{status}");
    let log = machine.shows("journalctl --unit shopsyncd --output cat --no-pager F_EVENT=store.trouble");
    assert_eq!(log.lines().count(), 1, "{log}");
    machine.shows("sed -i 's|^url = .*|#url = \"sqlite:shopsyncd.db\"|' /etc/shopsyncd/shopsyncd.toml");
    machine.until_property("StatusText", |text| text.starts_with("serves 1 shop"));
    let told = machine.shows("systemctl show --property ActiveState,NRestarts shopsyncd");
    assert_eq!(told.trim(), "NRestarts=0\nActiveState=active");
    machine.does("rm /etc/systemd/system/shopsyncd.service.d/impatient.conf && systemctl daemon-reload");
}

fn restore(machine: &mut Machine) {
    machine.chapter("Back up while it runs, lose the state, put the copy back");
    machine.shows("shopsyncd db backup /var/backups/shopsyncd.db");
    machine.shows("install -m 600 /var/lib/private/shopsyncd/seal-key /var/backups/shopsyncd-seal-key");
    let before = machine.does("shopsyncd --json runs show 1");
    machine.shows("systemctl stop shopsyncd");
    machine.shows("rm -f /var/lib/private/shopsyncd/shopsyncd.db* /var/lib/private/shopsyncd/seal-key");
    machine.shows("install -m 600 /var/backups/shopsyncd.db /var/lib/private/shopsyncd/shopsyncd.db");
    machine.shows("install -m 600 /var/backups/shopsyncd-seal-key /var/lib/private/shopsyncd/seal-key");
    machine.shows(
        "chown --reference /var/lib/private/shopsyncd /var/lib/private/shopsyncd/shopsyncd.db /var/lib/private/shopsyncd/seal-key",
    );
    machine.shows("systemctl start shopsyncd");
    assert_eq!(machine.does("shopsyncd --json runs show 1"), before);

    // On a new machine.
    machine.does("systemctl stop shopsyncd && rm -r /var/lib/private/shopsyncd /var/lib/shopsyncd");
    machine.does("install -d -m 700 /var/lib/private/shopsyncd");
    machine.does("install -m 600 /var/backups/shopsyncd.db /var/lib/private/shopsyncd/shopsyncd.db");
    machine.does("install -m 600 /var/backups/shopsyncd-seal-key /var/lib/private/shopsyncd/seal-key");
    machine.does("rm /var/backups/shopsyncd*");
    machine.does("systemctl start shopsyncd");
    assert_eq!(machine.does("shopsyncd --json runs show 1"), before);
    machine.until_property("StatusText", |text| text.starts_with("serves 1 shop"));
}

fn upgrade(machine: &mut Machine) {
    machine.chapter("Stop, start, upgrade");
    let asked = Instant::now();
    machine.shows("systemctl stop shopsyncd");
    assert!(asked.elapsed() < Duration::from_secs(20), "the stop took {:?}", asked.elapsed());
    let told = machine.shows("systemctl show --property ActiveState,Result shopsyncd");
    assert_eq!(told.trim(), "Result=success\nActiveState=inactive");
    machine.shows("systemctl start shopsyncd");
    let before = machine.property("MainPID");
    let second = machine.packages[1].clone();
    machine.shows(&format!("dpkg --install /srv/test/{second} 2>&1 | grep -v '^(Reading\\|man-db'"));
    machine.until_property("MainPID", |pid| pid != "0" && pid != before);
    machine.until_property("StatusText", |text| text.starts_with("serves 1 shop"));
    assert!(
        machine.does("cat /etc/shopsyncd/shopsyncd.toml").contains("\ntimezone = \"Europe/London\"\n"),
        "edits stay"
    );
    assert!(machine.does("dpkg --list shopsyncd").contains("-2"));
    let runs = machine.shows("shopsyncd runs list --shop erp --limit 3");
    assert!(runs.contains("product_import"), "what happened before is still known: {runs}");
}

fn remove(machine: &mut Machine) {
    machine.chapter("Remove, then purge");
    machine.shows("dpkg --remove shopsyncd 2>&1 | grep -v '^(Reading\\|man-db'");
    assert_eq!(
        machine.does("ls /etc/shopsyncd /var/lib/private/shopsyncd | grep -c 'shopsyncd.toml\\|shopsyncd.db$'").trim(),
        "2"
    );
    assert_ne!(machine.property("ActiveState"), "active");
    let (code, said) = machine.run("shopsyncd --version");
    assert_ne!(code, 0, "{said}");
    // As whoever runs the program by hand has it: a folder, not the link that systemd makes.
    machine.does("rm -f /var/lib/shopsyncd && mkdir /var/lib/shopsyncd && touch /var/lib/shopsyncd/shopsyncd.db");
    machine.shows("dpkg --purge shopsyncd 2>&1 | grep -v '^(Reading'");
    machine.does("rm -r /etc/systemd/system/shopsyncd.service.d");
    let left = machine
        .does("find /etc /usr /var -xdev -name '*shopsyncd*' -not -path '/var/log/*' -not -path '/var/lib/systemd/*'");
    assert_eq!(left, "", "nothing is left");
}

/// A machine with systemd. It is gone when dropped.
struct Machine {
    boot: Child,
    /// The process to enter.
    pid: String,
    transcript: String,
    packages: [String; 2],
    folder: TempDir,
}

impl Machine {
    /// `None`: only root may have one. Whoever is root and cannot is told why.
    fn boot() -> Option<Self> {
        if !geteuid().is_root() {
            println!("systemd: 1 test left out: only root may boot a systemd of its own");
            return None;
        }
        for program in ["/lib/systemd/systemd", "/usr/bin/unshare", "/usr/bin/nsenter"] {
            if !PathBuf::from(program).exists() {
                must_not_be_left_out("systemd", &format!("there is no {program}; run `tests/needs.sh test`"));
                println!("systemd: 1 test left out: there is no {program}");
                return None;
            }
        }
        if !package::can_be_made() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let packages = ["1", "2"].map(|revision| {
            let made = package::package(&folder, revision);
            made.file_name().unwrap().to_str().unwrap().to_owned()
        });
        let boot = Command::new(project().join("tests/it/systemd/boot.sh"))
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("boot")).unwrap())
            .spawn()
            .unwrap();
        let mut machine = Self { boot, pid: String::new(), transcript: String::new(), packages, folder };
        let began = Instant::now();
        while machine.pid.is_empty() {
            let log = || fs::read_to_string(machine.folder.path().join("boot")).unwrap();
            if let Some(status) = machine.boot.try_wait().unwrap() {
                panic!("no systemd could be booted here ({status}): {}", log());
            }
            assert!(began.elapsed() < LIMIT, "systemd does not boot: {}", log());
            std::thread::sleep(LOOK);
            let pid = fs::read_to_string(machine.folder.path().join("pid")).unwrap_or_default();
            pid.trim().clone_into(&mut machine.pid);
        }
        machine.until("systemctl is-system-running", |state| state.trim() == "running");
        machine.does("mkdir -p /srv/erp && printf 'sku,title,price,currency,stock\\nTEA-1,Green tea,4.50,GBP,12\\n' >/srv/erp/products.csv");
        Some(machine)
    }

    /// A heading of the transcript.
    fn chapter(&mut self, title: &str) {
        let line = "-".repeat(title.len());
        write!(self.transcript, "{}{title}\n{line}\n", if self.transcript.is_empty() { "" } else { "\n" }).unwrap();
    }

    /// What a command there says, and its exit code; both stand in the transcript.
    fn show(&mut self, line: &str) -> (i32, String) {
        let (code, said) = self.run(line);
        writeln!(self.transcript, "# {line}\n{}", said.trim_end()).unwrap();
        if said.trim().is_empty() {
            self.transcript.truncate(self.transcript.trim_end().len());
            self.transcript.push('\n');
        }
        if code != 0 {
            writeln!(self.transcript, "(exit code {code})").unwrap();
        }
        (code, said)
    }

    /// The same of a command that must do its work.
    fn shows(&mut self, line: &str) -> String {
        let (code, said) = self.show(line);
        assert_eq!(code, 0, "{line}: {said}\n{}", self.evidence());
        said
    }

    /// What a command says that must do its work.
    fn does(&self, line: &str) -> String {
        let (code, said) = self.run(line);
        assert_eq!(code, 0, "{line}: {said}\n{}", self.evidence());
        said
    }

    fn run(&self, line: &str) -> (i32, String) {
        let done = Command::new("nsenter")
            .args([
                "-t",
                &self.pid,
                "--all",
                "env",
                "-i",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME=/root",
                "LANG=C.UTF-8",
            ])
            .args([
                "TERM=dumb",
                "COLUMNS=120",
                "SYSTEMD_COLORS=0",
                "DEBIAN_FRONTEND=noninteractive",
                "bash",
                "-o",
                "pipefail",
                "-c",
                line,
            ])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = [done.stdout, done.stderr].concat();
        (done.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
    }

    fn property(&self, name: &str) -> String {
        self.run(&format!("systemctl show --value --property {name} shopsyncd")).1.trim().to_owned()
    }

    fn until_property(&self, name: &str, is: impl Fn(&str) -> bool) {
        self.until(&format!("systemctl show --value --property {name} shopsyncd"), |said| is(said.trim()));
    }

    /// Looks again and again until a command says what is waited for.
    fn until(&self, line: &str, is: impl Fn(&str) -> bool) {
        let began = Instant::now();
        loop {
            let (_, said) = self.run(line);
            if is(&said) {
                return;
            }
            assert!(began.elapsed() < LIMIT, "`{line}` still says {said}\n{}", self.evidence());
            std::thread::sleep(LOOK);
        }
    }

    /// Further lines for the unit.
    fn drop_in(&self, name: &str, lines: &str) {
        let folder = "/etc/systemd/system/shopsyncd.service.d";
        self.does(&format!(
            "mkdir -p {folder} && cat >{folder}/{name}.conf <<'END'\n[Service]\n{lines}END\nsystemctl daemon-reload"
        ));
    }

    /// What happened so far, for whoever has to find out why it did not go on.
    fn evidence(&self) -> String {
        let journal = self.run("systemctl status shopsyncd --no-pager --lines 0; journalctl --no-pager --lines 60").1;
        format!("{}\n{journal}", self.transcript)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.boot.id() as i32) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.boot.wait();
    }
}
