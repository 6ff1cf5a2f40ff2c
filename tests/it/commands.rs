//! Commands that work without a daemon, through the real program.

use std::{
    path::Path,
    process::{Command, Output},
};

/// Runs the program on settings written for it, far from any daemon.
fn shopsyncd(folder: &Path, settings: &str, arguments: &[&str]) -> Output {
    let file = folder.join("shopsyncd.toml");
    let text = format!("state_dir = \"{}\"\n{settings}", folder.join("state").display());
    std::fs::write(&file, text).expect("a settings file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopsyncd"));
    command.env_clear().arg("--config").arg(file).args(arguments);
    command.output().expect("the program runs")
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn check_tells_what_it_found_although_no_daemon_can_tell_the_difference() {
    let folder = tempfile::tempdir().expect("a folder");
    for (settings, exit, found) in [
        ("", 69, "the settings have no errors"),
        ("colour = \"blue\"\n", 78, "colour"),
        ("timezone = \"Atlantis\"\n", 78, "Atlantis"),
    ] {
        let answer = shopsyncd(folder.path(), settings, &["check", "--diff"]);
        let (out, err) = (words(&answer.stdout), words(&answer.stderr));
        assert_eq!(answer.status.code(), Some(exit), "{settings}: {out}{err}");
        assert!(out.contains(found), "{settings}: {out}{err}");
        assert_eq!(exit == 69, err.contains("no daemon answers"), "{settings}: {out}{err}");
        let json = shopsyncd(folder.path(), settings, &["--json", "check", "--diff"]);
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
        assert!(json["findings"].is_array() && json["changes"].is_null(), "{json}");
        assert!(json["unanswered"].as_str().is_some_and(|why| why.contains("no daemon answers")), "{json}");
    }
}
