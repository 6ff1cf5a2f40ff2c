//! The program itself, run as people and scripts run it: command lines, what they print, and their exit codes.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with settings and a product file.
struct Desk(TempDir);

/// How a command ended: code, standard output, standard error.
struct Said(i32, String, String);

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.1).unwrap_or_else(|error| panic!("{error}: {}{}", self.1, self.2))
    }
}

impl Desk {
    /// One product file as the source, and what else the settings say.
    fn new(further: &str) -> Self {
        let desk = Self(TempDir::new().unwrap());
        fs::write(desk.path("products.csv"), "sku,title,price,currency,stock\nA,\"Tea, green\",1.50,EUR,3\n").unwrap();
        let (state, products) = (desk.path("state"), desk.path("products.csv"));
        let text = format!(
            "product_source = \"erp\"\nstate_dir = \"{}\"\n{further}\n[shops.erp]\nchannel = \"file\"\npath = \"{}\"\n",
            state.display(),
            products.display()
        );
        fs::write(desk.path("shopsyncd.toml"), text).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, line: &str) -> Said {
        self.fed(line, "")
    }

    fn fed(&self, line: &str, input: &str) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_shopsyncd"))
            .args(["--config", &self.path("shopsyncd.toml").display().to_string()])
            .args(line.split(' '))
            .current_dir(self.0.path())
            .env_remove("RUNTIME_DIRECTORY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that asks for nothing may be gone by now.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let done = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said(done.status.code().unwrap(), text(done.stdout), text(done.stderr))
    }

    /// The source's products are in the database.
    fn imported(self) -> Self {
        let Said(code, out, err) = self.run("jobs run erp product_import --wait");
        assert_eq!(code, 0, "{out}{err}");
        self
    }
}

#[test]
fn products_are_exported_to_new_files_and_to_standard_output_but_over_a_file_only_by_force() {
    let desk = Desk::new("").imported();
    let source = fs::read_to_string(desk.path("products.csv")).unwrap();
    let Said(code, out, err) = desk.run("products export products.csv");
    assert_eq!((code, out.as_str()), (77, ""), "{err}");
    assert!(err.contains("products.csv exists") && err.contains("--force"), "{err}");
    assert_eq!(fs::read_to_string(desk.path("products.csv")).unwrap(), source, "not a letter has changed");

    let done = desk.run("--json products export new.csv").json();
    assert_eq!((&done["file"], &done["skus"]), (&"new.csv".into(), &1.into()));
    let csv = desk.run("products export -");
    assert_eq!((csv.0, csv.2.as_str()), (0, ""));
    assert_eq!(csv.1, fs::read_to_string(desk.path("new.csv")).unwrap());
    assert!(csv.1.contains("A,\"Tea, green\",1.50,EUR,3"), "{}", csv.1);
    assert_eq!(desk.run("--json products export -").json()["sku"], "A", "a line a SKU");

    fs::write(desk.path("old.csv"), "old").unwrap();
    assert_eq!(desk.run("products export old.csv --force").0, 0);
    assert_eq!(fs::read_to_string(desk.path("old.csv")).unwrap(), csv.1);
    let left = fs::read_dir(desk.0.path()).unwrap().filter(|it| {
        let name = it.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".partial")
    });
    assert_eq!(left.count(), 0);
}

#[test]
fn commands_that_need_a_database_say_that_there_is_none_with_69() {
    let desk = Desk::new("");
    for line in ["status", "jobs run erp product_export --dry-run", "jobs why erp product_import", "products list"] {
        let Said(code, _, err) = desk.run(line);
        assert_eq!(code, 69, "{line}: {err}");
        assert!(err.contains("no database at"), "{line}: {err}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_64() {
    let desk = Desk::new("");
    for (line, why) in [
        ("jobs run erp authorization_refresh --wait", "has no job authorization_refresh"),
        ("jobs why erp authorization_refresh", "has no job authorization_refresh"),
        ("jobs run erp product_export --full", "--full is for product_import"),
        ("jobs run erp product_import --release-guard", "--release-guard is for product_export"),
        ("jobs run erp product_export --dry-run --release-guard", "cannot be used with"),
        ("jobs run erp product_exprot", "product_export"),
    ] {
        let Said(code, _, err) = desk.run(line);
        assert_eq!(code, 64, "{line}: {err}");
        assert!(err.contains(why), "{line}: {err}");
    }
    let Said(code, out, _) = desk.run("--json jobs run");
    assert_eq!(code, 64);
    let error = serde_json::from_str::<Value>(&out).unwrap()["error"].clone();
    assert_eq!(error["exit"], 64);
    assert!(error["text"].as_str().unwrap().contains("<SHOP>"), "{error}");
}

#[test]
fn a_key_is_told_in_json_where_that_is_asked_for() {
    let key = Desk::new("").run("--json keys generate").json()["key"].clone();
    assert!(key.as_str().unwrap().starts_with("shopsyncd-seal-1:"), "{key}");
}

#[test]
fn the_hash_of_a_password_is_one_that_the_settings_take_and_an_empty_password_has_none() {
    let desk = Desk::new("");
    let Said(code, hash, err) = desk.fed("password", "correct horse\nanother line\n");
    assert_eq!((code, err.as_str()), (0, ""));
    let other = desk.fed("--json password", "correct horse").json()["password_hash"].clone();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_ne!(hash.trim(), other, "each has a salt of its own");
    fs::write(desk.path("hash"), &hash).unwrap();
    let desk = Desk::new(&format!("[web]\npassword_hash = {{ file = \"{}\" }}\n", desk.path("hash").display()));
    assert_eq!(desk.run("check").0, 0);
    for empty in ["", "\n"] {
        let Said(code, out, err) = desk.fed("password", empty);
        assert_eq!((code, out.as_str()), (64, ""), "{err}");
        assert!(err.contains("the password is empty"), "{err}");
    }
}
