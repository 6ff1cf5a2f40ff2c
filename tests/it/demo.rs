//! The demo, as somebody sees it who has nothing but the program.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

/// What it has to have shown, in this order.
const SHOWN: [&str; 14] = [
    "tiktok-uk: its owner opened the link and agreed on the marketplace's consent page",
    "amazon-de: its owner opened the link and agreed",
    "shopee-sg: its owner opened the link and agreed",
    "shopline-global: its owner opened the link and agreed",
    "shopline-asia: its owner opened the link and agreed",
    "tokens handed in",
    "a token was renewed",
    "the owed reminder is written",
    "512 SKUs read",
    "both shops are brought in line",
    "shopee-sg: revoked, its jobs are held: ",
    "tiktok-uk: lapsed, its jobs are held: its end date, ",
    "shopee-sg: renewed by its owner",
    "tiktok-uk: renewed by its owner",
];

fn demo(folder: &Path, further: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopsyncd"));
    command.arg("demo").args(further).arg("--dir").arg(folder);
    command.env_remove("RUNTIME_DIRECTORY");
    command
}

fn no_daemon_is_left(folder: &Path) {
    let socket = folder.join("state/control.sock");
    assert!(UnixStream::connect(&socket).is_err(), "a daemon still answers at {}", socket.display());
}

#[test]
fn the_demo_shows_authorization_import_export_renewal_and_reminder_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let shown = demo(folder.path(), &["--once"]).output().unwrap();
    let (out, err) = (String::from_utf8(shown.stdout).unwrap(), String::from_utf8_lossy(&shown.stderr));
    assert!(shown.status.success(), "{out}{err}");
    for what in SHOWN {
        assert!(out.contains(what), "it did not show `{what}`: {out}{err}");
    }
    let letters = fs::read_dir(folder.path().join("state/mail")).unwrap();
    let letters: Vec<String> = letters.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let of = |kind: &str| letters.iter().filter(|text| text.contains(&format!("X-Shopsyncd-Kind: {kind}"))).count();
    assert_eq!((of("reminder"), of("ended")), (1, 2), "one reminder was owed, and two permissions ended");
    let named = out.lines().find_map(|line| line.trim().strip_prefix("the reminder ")).unwrap().trim();
    assert!(fs::read_to_string(named).unwrap().contains("X-Shopsyncd-Kind: reminder"), "{named}");
    assert!(!out.contains("until Ctrl-C") && !out.contains("type here"), "it is over: {out}");
    no_daemon_is_left(folder.path());
}

#[test]
fn a_daemon_of_the_demo_that_is_killed_is_started_again_and_ends_with_the_demo() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = demo(folder.path(), &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(running.stdout.take().unwrap());
    let told = out.lines().map(Result::unwrap).any(|line| line.contains("Kill the daemon if you like"));
    assert!(told, "it ended before it had shown everything");

    kill_process(daemon(folder.path()), Signal::KILL).unwrap();
    let mut line = String::new();
    let mut aside = BufReader::new(running.stderr.take().unwrap());
    aside.read_line(&mut line).unwrap();
    assert!(line.contains("starting it again"), "{line}");

    // As a service manager would end it.
    kill_process(Pid::from_child(&running), Signal::TERM).unwrap();
    let status = running.wait().unwrap();
    assert!(status.success(), "{status}");
    no_daemon_is_left(folder.path());
}

#[test]
fn what_is_typed_is_done_on_every_marketplace_before_it_is_called_done() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = demo(folder.path(), &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(running.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(out.any(|line| line.contains("Kill the daemon if you like")), "it ended before it had shown everything");
    let mut typed = running.stdin.take().unwrap();
    for shop in ["tiktok-uk", "amazon-de", "shopee-sg", "shopline-global", "shopline-asia"] {
        for (order, answer) in [("revoke", "revoked; see why its jobs wait"), ("renew", "renewed; everything of ")] {
            writeln!(typed, "{order} {shop}").unwrap();
            assert!(out.any(|line| line.contains(answer)), "{order} {shop}");
            let held_by = if order == "revoke" { "revoked".into() } else { serde_json::Value::Null };
            for (job, view) in jobs(folder.path(), shop) {
                assert_eq!(view["held_by"], held_by, "{order} {shop}: {job} is {}", view["state"]);
            }
        }
    }
    kill_process(Pid::from_child(&running), Signal::TERM).unwrap();
    assert!(running.wait().unwrap().success());
    no_daemon_is_left(folder.path());
}

/// The jobs of a shop that are not off, as `status` tells.
fn jobs(folder: &Path, shop: &str) -> Vec<(String, serde_json::Value)> {
    let config = folder.join("shopsyncd.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopsyncd"));
    let told = command.args(["--json", "--config"]).arg(config).arg("status").output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let shop = status["shops"].as_array().unwrap().iter().find(|view| view["id"] == shop).unwrap().clone();
    let jobs = shop["jobs"].as_object().unwrap().clone().into_iter();
    jobs.filter(|(_, view)| view["state"] != "off").collect()
}

/// The process that holds the lock.
fn daemon(folder: &Path) -> Pid {
    let holder = fs::read_to_string(folder.join("state/lock")).unwrap();
    let number = holder.split(|letter: char| !letter.is_ascii_digit()).find(|word| !word.is_empty()).unwrap();
    Pid::from_raw(number.parse().unwrap()).unwrap()
}
