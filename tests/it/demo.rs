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

/// What it has to have shown.
const SHOWN: [&str; 20] = [
    "tiktok-uk: its owner opened the link and agreed on the marketplace's consent page",
    "amazon-de: its owner opened the link and agreed",
    "shopee-sg: its owner opened the link and agreed",
    "shopline-global: its owner opened the link and agreed",
    "shopline-asia: its owner opened the link and agreed",
    "tokens handed in",
    "a token was renewed",
    "the owed reminder is written",
    "amazon-de: 24 of 528 SKUs differed, all are as the file wants them, in EUR",
    "the product file: T-000-1 costs 11.90 GBP, not 9.90",
    "the product file: T-000-2 has 21 pieces, not 14",
    "the product file: one product more: NEW-1, 14.50 GBP, 12 pieces",
    "the product file: the row of T-000-8 is gone",
    "the product file: the file breaks off: ",
    "the product file: a slip: T-000-1 costs 1190 GBP, where 11.90 was meant",
    "the operator is told of each shop, in ",
    "shopee-sg: revoked, its jobs are held: ",
    "tiktok-uk: lapsed, its jobs are held: its end date, ",
    "shopee-sg: renewed by its owner",
    "tiktok-uk: renewed by its owner",
];

/// What the edits come to in each shop: a price by the shop's rules, a stock, a new SKU, one that nobody can buy any more.
const ARRIVED: [(&str, &str, &str); 7] = [
    ("tiktok-uk", "11.90 GBP", "0 pieces"),
    ("tiktok-de", "13.69 EUR", "0 pieces"),
    ("amazon-de", "13.99 EUR", "taken off sale"),
    ("amazon-fr", "13.99 EUR", "taken off sale"),
    ("shopee-sg", "20.90 SGD", "0 pieces"),
    ("shopline-global", "15.11 USD", "0 pieces"),
    ("shopline-asia", "489.00 TWD", "0 pieces"),
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
fn the_demo_shows_permissions_products_edits_guards_and_reminders_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let shown = demo(folder.path(), &["--once"]).output().unwrap();
    let (out, err) = (String::from_utf8(shown.stdout).unwrap(), String::from_utf8_lossy(&shown.stderr));
    assert!(shown.status.success(), "{out}{err}");
    for what in SHOWN {
        assert!(out.contains(what), "it did not show `{what}`: {out}{err}");
    }
    let told = |shop: &str, words: &str| {
        let line = out.lines().find(|line| line.contains(&format!("]   {shop} ")) && line.contains(words));
        assert!(line.is_some_and(|line| line.ends_with(" s")), "{shop} did not show `{words}`: {out}");
    };
    for (shop, price, gone) in ARRIVED {
        for words in [price, " 21 pieces", ", 12 pieces", gone] {
            told(shop, words);
        }
        // The file lost nearly everything, and the shop nothing but what was taken out of it before.
        let on_sale = if gone == "taken off sale" { 529 } else { 530 };
        told(shop, &format!("held by a guard, {on_sale} SKUs on sale"));
        told(shop, &format!("goes on, {on_sale} SKUs on sale"));
        let show = asked(folder.path(), &["products", "show", "T-000-1"]);
        let view = show["shops"].as_array().unwrap().iter().find(|view| view["shop"] == shop).unwrap();
        let seen =
            format!("{} {}", view["seen"]["price"].as_str().unwrap(), view["seen"]["currency"].as_str().unwrap());
        assert_eq!((seen.as_str(), &view["differs"]), (price, &serde_json::json!([])), "what is kept is what is there");
    }
    let letters = fs::read_dir(folder.path().join("state/mail")).unwrap();
    let letters: Vec<String> = letters.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let of = |kind: &str| letters.iter().filter(|text| text.contains(&format!("X-Shopsyncd-Kind: {kind}"))).count();
    assert_eq!((of("reminder"), of("ended")), (1, 2), "one reminder was owed, and two permissions ended");
    assert!(of("operator") > 0, "what happens together is told together, a few times a day");
    let list = asked(folder.path(), &["mail", "list", "--limit", "100"]);
    let owed = list["mail"].as_array().unwrap().iter().filter(|mail| mail["kind"] == "operator");
    assert!(owed.count() > ARRIVED.len(), "each shop's guard tells the operator of the loss: {list}");
    let named = out.lines().find_map(|line| line.trim().strip_prefix("the reminder ")).unwrap().trim();
    assert!(fs::read_to_string(named).unwrap().contains("X-Shopsyncd-Kind: reminder"), "{named}");
    assert!(!out.contains("until Ctrl-C") && !out.contains("Or type here"), "it is over: {out}");
    let (_, looking) = out.rsplit_once("every shop at a glance").unwrap();
    assert!(!looking.contains("http://"), "a page that is gone is not named: {looking}");
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

/// What a command tells as JSON.
fn asked(folder: &Path, words: &[&str]) -> serde_json::Value {
    let config = folder.join("shopsyncd.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopsyncd"));
    let told = command.args(["--json", "--config"]).arg(config).args(words).output().unwrap();
    serde_json::from_slice(&told.stdout).unwrap()
}

/// The jobs of a shop that are not off, as `status` tells.
fn jobs(folder: &Path, shop: &str) -> Vec<(String, serde_json::Value)> {
    let status = asked(folder, &["status"]);
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
