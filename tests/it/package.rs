//! The Debian package: what is in it. What becomes of it on a machine: see `systemd`.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "what is left out belongs to the result")]

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::{tree::project, world::must_not_be_left_out};

/// Makes a package of the program under test, and says where it is. A release build would take minutes; everything but the program in it
/// is as it is shipped.
pub(crate) fn package(folder: &TempDir, revision: &str) -> PathBuf {
    let done = packed(&["--for-test", "--revision", revision, "--into", folder.path().to_str().unwrap()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    PathBuf::from(String::from_utf8(done.stdout).unwrap().trim())
}

fn packed(options: &[&str]) -> Output {
    let mut packing = Command::new(project().join("packaging/deb.sh"));
    packing.envs([("DEBFULLNAME", "Ann O'Neill"), ("DEBEMAIL", "ann@packages.example")]);
    packing.args(["--binary", env!("CARGO_BIN_EXE_shopsyncd")]).args(options).output().unwrap()
}

/// Whether packages can be made here.
pub(crate) fn can_be_made() -> bool {
    let missing =
        ["dpkg-deb", "dpkg-shlibdeps"].iter().find(|program| Command::new(program).arg("--version").output().is_err());
    if let Some(program) = missing {
        must_not_be_left_out("the package", &format!("there is no {program}; run `tests/needs.sh test`"));
        println!("package: 1 test left out: there is no {program}");
    }
    missing.is_none()
}

#[test]
fn a_program_with_pretend_marketplaces_is_not_packed_for_people() {
    if !can_be_made() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let done = packed(&["--into", folder.path().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success() && said.contains("build it with --no-default-features"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_package_holds_what_belongs_to_it_and_nothing_else() {
    if !can_be_made() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let package = package(&folder, "7");
    let deb = |words: &[&str]| {
        let done = Command::new("dpkg-deb").args(words).arg(&package).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let contents = deb(&["--contents"]);
    let files: Vec<String> = contents
        .lines()
        .filter(|line| !line.ends_with('/'))
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            format!("{} {} {}", words[0], words[1], words[5])
        })
        .collect();
    insta::assert_snapshot!(files.join("\n"), @r"
    -rwxr-xr-x root/root ./usr/bin/shopsyncd
    -rw-r--r-- root/root ./usr/lib/systemd/system/shopsyncd.service
    -rw-r--r-- root/root ./usr/share/bash-completion/completions/shopsyncd
    -rw-r--r-- root/root ./usr/share/doc/shopsyncd/README.md
    -rw-r--r-- root/root ./usr/share/doc/shopsyncd/changelog.Debian.gz
    -rw-r--r-- root/root ./usr/share/doc/shopsyncd/changelog.gz
    -rw-r--r-- root/root ./usr/share/doc/shopsyncd/copyright
    -rw-r--r-- root/root ./usr/share/doc/shopsyncd/examples/alerts.yml
    -rw-r--r-- root/root ./usr/share/doc/shopsyncd/examples/shops.d/example.toml
    -rw-r--r-- root/root ./usr/share/fish/vendor_completions.d/shopsyncd.fish
    -rw-r--r-- root/root ./usr/share/lintian/overrides/shopsyncd
    -rw-r--r-- root/root ./usr/share/man/man1/shopsyncd.1.gz
    -rw-r--r-- root/root ./usr/share/shopsyncd/shopsyncd.toml
    -rw-r--r-- root/root ./usr/share/zsh/vendor-completions/_shopsyncd
    ");
    assert!(contents.lines().any(|line| line.starts_with("drwx------") && line.ends_with("./etc/shopsyncd/secrets/")));
    // Of a file that the package calls its own in /etc an upgrade would ask, where nobody may be to answer.
    assert!(!deb(&["--info"]).contains("conffiles"));
    let fields = |name| deb(&["--field"]).lines().find_map(|line| line.strip_prefix(name).map(str::to_owned)).unwrap();
    assert_eq!(fields("Version: "), format!("{}-7", env!("CARGO_PKG_VERSION")));
    assert_eq!(fields("Maintainer: "), "Ann O'Neill <ann@packages.example>");
    let depends = fields("Depends: ");
    assert!(
        depends.contains("libc6 (>= ") && depends.contains("ca-certificates") && !depends.contains('@'),
        "{depends}"
    );
}

#[test]
fn debians_own_judge_finds_nothing_wrong_with_the_package() {
    if !can_be_made() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let package = package(&folder, "1");
    let judged = Command::new("lintian").args(["--allow-root", "--fail-on", "error,warning"]).arg(&package).output();
    let Ok(judged) = judged else {
        must_not_be_left_out("the package", "there is no lintian; run `tests/needs.sh test`");
        println!("package: 1 test left out: there is no lintian");
        return;
    };
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.success() && said.is_empty(), "{said}{}", String::from_utf8_lossy(&judged.stderr));
}
