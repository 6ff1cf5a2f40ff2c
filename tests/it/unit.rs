//! The unit file, as systemd itself judges it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

use crate::{tree::read, world::must_not_be_left_out};

/// The worst figure that the unit may have as shipped.
const EXPOSURE: f64 = 1.5;

/// What shuts it in.
const SANDBOX: [&str; 31] = [
    "UMask=0077",
    "StateDirectoryMode=0700",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "PrivateUsers=yes",
    "PrivateIPC=yes",
    "ProtectHostname=yes",
    "ProtectClock=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectProc=invisible",
    "ProcSubset=pid",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RemoveIPC=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "DevicePolicy=closed",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
];

/// The unit with further lines, for a program that is there.
fn unit(further: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shopsyncd.service");
    let text = read("systemd/shopsyncd.service").replace("/usr/bin/shopsyncd", env!("CARGO_BIN_EXE_shopsyncd"));
    fs::write(&file, format!("{text}{further}")).unwrap();
    (folder, file)
}

/// What `systemd-analyze` says, and whether it is content. `None`: it is not here.
#[expect(clippy::print_stdout, reason = "what is left out belongs to the result")]
fn analyze(arguments: &[&str], further: &str) -> Option<(bool, String)> {
    let (_folder, file) = unit(further);
    match Command::new("systemd-analyze").args(arguments).arg(&file).output() {
        Ok(done) => {
            let text = [done.stdout, done.stderr].concat();
            Some((done.status.success(), String::from_utf8(text).unwrap()))
        }
        Err(error) => {
            must_not_be_left_out("the unit", &format!("systemd-analyze: {error}; run `tests/needs.sh test`"));
            println!("unit: not judged: there is no systemd-analyze");
            None
        }
    }
}

#[test]
fn systemd_has_nothing_to_say_about_the_unit() {
    let verify = ["verify", "--man=no"];
    let Some(said) = analyze(&verify, "") else { return };
    assert_eq!(said, (true, String::new()));
    // A key that it does not know is a word and no error: silence is what counts.
    let Some((_, said)) = analyze(&verify, "\n[Service]\nMemoryMaximum=1G\n") else { return };
    assert!(said.contains("MemoryMaximum"), "{said}");
}

#[test]
fn the_unit_is_as_closed_as_promised() {
    let figure = |further: &str| {
        let (_, said) = analyze(&["security", "--offline=true", "--no-pager"], further)?;
        let words = said.split("Overall exposure level for shopsyncd.service: ").nth(1);
        Some(words.and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok()).unwrap_or_else(|| panic!("{said}")))
    };
    let Some(exposed) = figure("") else { return };
    assert!(exposed <= EXPOSURE, "systemd-analyze security: {exposed}");
    assert!(figure("\n[Service]\nPrivateUsers=no\nDynamicUser=no\nUser=root\n").unwrap() > EXPOSURE);
}

#[test]
fn the_unit_keeps_what_the_manual_promises() {
    let unit = read("systemd/shopsyncd.service");
    for line in [
        "Type=notify",
        "ExecStart=/usr/bin/shopsyncd run",
        "AssertPathExists=/etc/shopsyncd/shopsyncd.toml",
        "ExecReload=/usr/bin/shopsyncd reload",
        "Restart=always",
        "RestartPreventExitStatus=78",
        // However often a database is away at the start.
        "StartLimitIntervalSec=0",
        "WatchdogSec=60s",
        // For as long a start that waits says nothing.
        "TimeoutStartSec=5min",
        "DynamicUser=yes",
        "StateDirectory=shopsyncd",
        "RuntimeDirectory=shopsyncd",
        "MemoryMax=1G",
    ] {
        assert!(unit.lines().any(|there| there == line), "systemd/shopsyncd.service lacks {line}");
    }
    // What keeps it in its own folders and the network: its figure may do without some of these, and it works without all.
    for line in SANDBOX {
        assert!(unit.lines().any(|there| there == line), "systemd/shopsyncd.service lacks {line}");
    }
    // Its exit code would not be 78 for systemd; `run` checks by itself.
    assert!(!unit.contains("ExecStartPre"));
}
