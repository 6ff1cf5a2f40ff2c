//! The program itself, run as people and scripts run it: command lines, what they print, and their exit codes.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixListener,
    path::PathBuf,
    process::{Command, Stdio},
    thread::JoinHandle,
};

use jiff::Timestamp;
use serde_json::Value;
use shopsyncd::{
    domain::{Account, AuthorizationId, InstanceId},
    secrets::{Sealer, Secret},
    store::{InstanceRow, NewGrant, SealedGrant, Store, lock::InstanceLock, serving},
};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tempfile::TempDir;

use crate::world::{Database, on_both_databases};

/// A folder with settings and a product file.
struct Desk(TempDir);

/// How a command ended: code, standard output, standard error.
struct Said(i32, String, String);

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.1).unwrap_or_else(|error| panic!("{error}: {}{}", self.1, self.2))
    }

    /// What a daemon that did not start says in the end, and does not say before: an event of its log, as JSON.
    fn failed(&self) -> (i32, String, String) {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {}", self.2));
        let mut lines: Vec<Value> = self.2.lines().map(read).collect();
        let line = lines.pop().expect("it says something");
        assert!(lines.iter().all(|before| before["event"] == "settings.finding"), "{lines:?}");
        assert_eq!(
            (&line["event"], &line["level"], &line["exit"]),
            (&"daemon.failed".into(), &"error".into(), &self.0.into())
        );
        let text = |field: &str| line[field].as_str().unwrap_or_else(|| panic!("{line}")).to_owned();
        (self.0, text("error.kind"), text("message"))
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
        self.fed_with(&[], line, input)
    }

    /// With these in its environment.
    fn fed_with(&self, named: &[(&str, String)], line: &str, input: &str) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_shopsyncd"))
            .envs(named.iter().map(|(name, value)| (name, value)))
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

    /// The database is there, as a daemon would have made it.
    fn founded(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            Store::open("sqlite:shopsyncd.db", &self.path("state")).await.unwrap().close().await;
        });
    }

    /// There is an authorization whose token is sealed with a key.
    fn sealed_with(&self, key: &Secret) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sealer = Sealer::parse(key).unwrap();
        runtime.block_on(async {
            let store = Store::open("sqlite:shopsyncd.db", &self.path("state")).await.unwrap();
            let mut tx = store.write(Timestamp::now()).await.unwrap();
            let now = tx.now;
            let account =
                Account { channel: "tiktok_shop".into(), app: "app".to_owned(), account: "seller".to_owned() };
            let seal = |_: AuthorizationId, _: i64| SealedGrant {
                access_token: sealer.seal(&Secret::new("token".to_owned()), "any"),
                access_token_issued_at: now,
                access_token_ends_at: now,
                refresh_token: None,
                refresh_token_ends_at: None,
                ends: None,
            };
            tx.grant(&NewGrant { account, account_name: None, authorized_at: now }, seal).await.unwrap();
            tx.commit().await.unwrap();
            store.close().await;
        });
    }

    /// The source's products are in the database.
    fn imported(self) -> Self {
        self.founded();
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
fn the_history_is_paged_and_sorted_out_by_outcome() {
    let desk = Desk::new("").imported();
    fs::write(desk.path("products.csv"), "no header\n").unwrap();
    assert_ne!(desk.run("jobs run erp product_import --wait").0, 0);
    fs::write(desk.path("products.csv"), "sku,title,price,currency,stock\nA,Tea,1.50,EUR,3\n").unwrap();
    assert_eq!(desk.run("jobs run erp product_import --wait").0, 0);
    let ids = |line: &str| -> Vec<u64> {
        let told = desk.run(&format!("--json runs list {line}")).json();
        told["runs"].as_array().unwrap().iter().map(|run| run["id"].as_u64().unwrap()).collect()
    };
    let all = ids("--shop erp");
    assert!(all.len() >= 2 && all.is_sorted_by(|newer, older| newer > older), "{all:?}");
    assert_eq!(ids(&format!("--limit 1 --before {}", all[0])), all[1..2]);
    assert_eq!(ids(&format!("--before {}", all.last().unwrap())), Vec::<u64>::new());
    let done = ids("--outcome done --shop erp");
    assert!(done.contains(&all[0]) && ids("--outcome held").is_empty(), "{done:?}");
    assert_eq!(ids("--outcome done"), done);
    let run = desk.run(&format!("--json runs show {}", all[0])).json();
    let instance = run["instance"].as_str().unwrap();
    assert!(desk.run(&format!("runs show {}", all[0])).1.contains(&format!(", on {instance}\n")));
    assert_eq!(desk.run("runs list --outcome good").0, 64);
}

#[test]
fn commands_that_need_a_database_say_that_there_is_none_with_69() {
    let desk = Desk::new("");
    for line in [
        "status",
        "jobs run erp product_import --wait",
        "jobs run erp product_export --dry-run",
        "jobs why erp product_import",
        "products list",
        "db migrate",
        "db backup copy.db",
    ] {
        let Said(code, _, err) = desk.run(line);
        assert_eq!(code, 69, "{line}: {err}");
        assert!(err.contains("no database at") && err.contains("`shopsyncd run` makes it"), "{line}: {err}");
        assert!(!desk.path("state").exists(), "`{line}` made something");
    }
}

#[test]
fn a_backup_is_for_the_eyes_of_its_owner_and_replaces_only_what_it_is_told_to() {
    let desk = Desk::new("");
    desk.founded();
    let Said(code, out, err) = desk.run("db backup copy.db");
    assert_eq!(code, 0, "{out}{err}");
    let copy = fs::metadata(desk.path("copy.db")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&copy.permissions()) & 0o777, 0o600);
    assert!(copy.len() > 0, "SQLite filled it");
    assert!(out.contains("keep the seal key, too, but somewhere else"), "{out}");
    fs::write(desk.path("copy.db"), "something else").unwrap();
    let Said(code, _, err) = desk.run("db backup copy.db");
    assert_eq!(code, 77, "{err}");
    assert!(err.contains("add --force to replace it"), "{err}");
    assert_eq!(fs::read_to_string(desk.path("copy.db")).unwrap(), "something else");
    let Said(code, out, err) = desk.run("db backup copy.db --force");
    assert_eq!(code, 0, "{out}{err}");
    assert!(fs::read(desk.path("copy.db")).unwrap().starts_with(b"SQLite format 3\0"));
    let files = fs::read_dir(desk.path(".")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.filter(|name| name.contains("backup")).count(), 0, "no draft stays");
}

#[test]
fn a_slip_in_a_shops_file_keeps_nobody_from_a_copy_or_a_look() {
    let desk = Desk::new("");
    desk.founded();
    fs::create_dir(desk.path("shops.d")).unwrap();
    fs::write(desk.path("shops.d/b.toml"), "[shops.b]\nchannel = \"file\"\npath = \"/b.csv\"\ncolour = 7\n").unwrap();
    let lines = ["db backup copy.db", "upcoming", "shops list", "shops show erp", "runs list"];
    for line in lines {
        let Said(code, out, err) = desk.run(line);
        assert_eq!(code, 0, "{line}: {out}{err}");
        assert!(err.contains("shops.d/b.toml:4"), "{line}: what is wrong is said beside it: {err}");
    }
    assert_eq!(desk.run("db migrate").0, 78, "it works on the database, which the settings may not mean");
}

#[test]
fn an_older_database_is_copied_before_it_is_brought_up_to_date() {
    let desk = Desk::new("");
    desk.founded();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let file = sqlx::sqlite::SqliteConnectOptions::new().filename(desk.path("state/shopsyncd.db"));
        let mut connection = file.connect().await.unwrap();
        let newest = "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)";
        connection.execute(newest).await.unwrap();
        connection.close().await.unwrap();
    });
    let Said(code, _, err) = desk.run("status");
    assert_eq!(code, 69, "{err}");
    assert!(err.contains("db migrate"), "{err}");
    let Said(code, out, err) = desk.run("db backup copy.db");
    assert_eq!(code, 0, "{out}{err}");
    assert!(fs::metadata(desk.path("copy.db")).unwrap().len() > 0);
}

#[test]
fn what_the_service_alone_can_read_is_never_replaced_by_something_else() {
    let desk = Desk::new("[database]\nurl = { credential = \"database-url\" }\n");
    // An SQLite file of the time before.
    desk.founded();
    for line in
        ["runs list", "upcoming", "status", "products list", "db backup copy.db", "jobs run erp product_import --wait"]
    {
        let Said(code, out, err) = desk.run(line);
        assert_eq!(code, 69, "{line}: {out}{err}");
        assert!(err.contains("`database.url` is handed to the service alone"), "{line}: {err}");
    }
    assert!(!desk.path("copy.db").exists());
    serving::leave_word("postgres://shops@db.example/shops", &desk.path("state")).unwrap();
    let Said(code, out, err) = desk.run("check");
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("is not looked at: its address is not readable from here") && !out.contains("another"),
        "{out}"
    );
}

/// Commands that look at the database, or work on it.
const ON_DATABASE: [&str; 10] = [
    "status",
    "upcoming",
    "runs list",
    "mail list",
    "products list",
    "jobs why erp product_import",
    "jobs run erp product_export --dry-run",
    "jobs run erp product_import --wait",
    "db migrate",
    "db backup copy.db --force",
];

#[test]
fn another_database_than_the_daemon_serves_is_not_looked_at_in_its_place() {
    let served = "SHOPSYNCD__DATABASE__URL";
    let desk = Desk::new("").imported();
    // What the unit's environment says, a shell's does not.
    serving::leave_word("postgres://shops:hush@db.example/shops", &desk.path("state")).unwrap();
    for line in ON_DATABASE {
        let Said(code, out, err) = desk.run(line);
        assert_eq!(code, 69, "{line}: {out}{err}");
        let told = "the daemon serves another database: postgres: shops at db.example:5432, while the settings here name sqlite:shopsyncd.db";
        assert!(err.contains(told) && !err.contains("hush"), "{line}: {err}");
    }
    assert!(!desk.path("copy.db").exists());
    let Said(code, out, err) = desk.run("check");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("warning: database.url: the daemon serves another database"), "{out}");

    // Whoever works on a database leaves word of it.
    fs::remove_file(desk.path("state/serving")).unwrap();
    let named = [(served, "sqlite:other.db".to_owned())];
    fs::copy(desk.path("state/shopsyncd.db"), desk.path("state/other.db")).unwrap();
    assert_eq!(desk.fed_with(&named, "jobs run erp product_import --wait", "").0, 0);
    assert_eq!(desk.fed_with(&named, "runs list", "").0, 0);
    assert_eq!(desk.run("runs list").0, 69);
}

#[test]
fn settings_that_cannot_be_read_as_to_the_database_lead_to_no_other() {
    let url = "[database]\nurl = \"postgres://shops@db.example/shops\"\n";
    let desk = Desk::new(url);
    // An SQLite file of the time before, where the default would find it.
    desk.founded();
    let main = desk.path("shopsyncd.toml");
    let whole = fs::read(&main).unwrap();
    let unquoted =
        String::from_utf8(whole.clone()).unwrap().replace("\"postgres://shops@db.example/shops\"", "postgres://shops");
    let not_utf8 = [&whole[..], b"# \xfc\n"].concat();
    let state = [("STATE_DIRECTORY", desk.path("state").display().to_string())];
    for text in [Some(unquoted.as_bytes()), Some(&not_utf8[..]), None] {
        match text {
            Some(text) => fs::write(&main, text).unwrap(),
            None => fs::remove_file(&main).unwrap(),
        }
        for line in ON_DATABASE {
            let Said(code, out, err) = desk.fed_with(&state, line, "");
            assert_eq!((code, out.as_str()), (78, ""), "{line}: {out}{err}");
        }
        let told = desk.fed_with(&state, "runs list", "").2;
        assert!(told.contains("no other is looked at in its place") && told.contains("shopsyncd.toml"), "{told}");
    }
    assert!(!desk.path("copy.db").exists());
}

#[test]
fn a_run_without_a_daemon_is_not_made_without_its_secrets() {
    let channel = "[channels.tiktok_shop]\nclient_id = \"68abc\"\nservice_id = \"7312\"\nclient_secret = { credential = \"app\" }\n";
    let shop = "[shops.uk]\nchannel = \"tiktok_shop\"\nshop_id = \"7494049642642441621\"\nregion = \"GB\"\n";
    let desk = Desk::new(&format!("{channel}{shop}"));
    desk.founded();
    let Said(code, out, err) = desk.run("jobs run uk product_import --wait");
    assert_eq!(code, 69, "{out}{err}");
    assert!(err.contains("`channels.tiktok_shop.client_secret` is not readable"), "{err}");
    assert_eq!(desk.run("jobs run erp product_import --wait").0, 0, "another channel's job needs none of it");

    let sealed = Desk::new("seal_key = { credential = \"seal-key\" }\n");
    sealed.founded();
    let Said(code, _, err) = sealed.run("jobs run erp product_import --wait");
    assert_eq!(code, 69, "{err}");
    assert!(err.contains("`seal_key` is not readable"), "{err}");
    assert!(!sealed.path("state/seal-key").exists(), "no other key is made in its place");
}

/// Settings by which the daemon ends at once if nothing else ends it before: its address is taken.
fn taken_address() -> (std::net::TcpListener, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = format!("[web]\nlisten = \"{}\"\ninternal = \"None\"\n", listener.local_addr().unwrap());
    (listener, settings)
}

#[test]
fn a_database_that_a_daemon_with_another_state_folder_works_on_is_left_to_it_with_75() {
    let (_taken, web) = taken_address();
    let data = TempDir::new().unwrap();
    let file = data.path().join("shops.db");
    let url = format!("sqlite:{}", file.display());
    let desk = Desk::new(&format!("{web}[database]\nurl = \"{url}\"\n"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { Store::open(&url, data.path()).await.unwrap().close().await });
    let other = InstanceLock::take(&desk.path("other"), Some(&file), Timestamp::now()).unwrap();
    for line in ["run", "db migrate", "jobs run erp product_import --wait"] {
        let Said(code, _, err) = desk.run(line);
        assert_eq!(code, 75, "{line}: {err}");
        let held = format!("shops.db-lock is held by process {} of ", std::process::id());
        assert!(err.contains(&held) && err.contains("a SQLite database serves one daemon"), "{line}: {err}");
    }
    drop(other);
    assert_eq!(desk.run("db migrate").0, 0);
    assert_eq!(desk.run("run").0, 69, "only its address is in the way now");
}

#[tokio::test]
async fn a_state_folder_serves_one_daemon_on_a_server_too() {
    let Some(database) = Database::postgres().await else { return };
    let (_taken, web) = taken_address();
    let desk = Desk::new(&format!("{}{web}", database.settings()));
    let other = InstanceLock::take(&desk.path("state"), None, Timestamp::now()).unwrap();
    let Said(code, _, err) = desk.run("run");
    assert_eq!(code, 75, "{err}");
    assert!(err.contains("state/lock is held by process") && err.contains("a `state_dir` of its own"), "{err}");
    drop(other);
    assert_eq!(desk.run("run").0, 69, "only its address is in the way now");
}

on_both_databases! {
    a_database_of_a_newer_program_is_left_as_it_is_with_78,
    who_is_gone_is_not_told_among_the_instances,
}

async fn who_is_gone_is_not_told_among_the_instances(database: Database) {
    let desk = Desk::new(&database.settings());
    let store = Store::open(database.url().unwrap_or("sqlite:shopsyncd.db"), &desk.path("state")).await.unwrap();
    let mut tx = store.write(Timestamp::now()).await.unwrap();
    for (id, dead) in [("elsewhere", false), ("killed", true)] {
        let row = InstanceRow {
            id: InstanceId(id.to_owned()),
            version: "1".to_owned(),
            started_at: tx.now,
            beat: 0,
            settings_digest: String::new(),
            standing_by: false,
            dead,
            settings_error: None,
        };
        tx.add_instance(&row).await.unwrap();
    }
    tx.commit().await.unwrap();
    store.close().await;
    let told = desk.run("--json status").json()["instances"].clone();
    let ids: Vec<_> = told.as_array().unwrap().iter().map(|instance| instance["id"].as_str().unwrap()).collect();
    // A file serves one daemon, and none answers.
    assert_eq!(ids, if database.url().is_some() { vec!["elsewhere"] } else { vec![] });
}

async fn a_database_of_a_newer_program_is_left_as_it_is_with_78(database: Database) {
    const NEWER: &str = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (9999, 'later', true, CHECKSUM, 0)";
    let desk = Desk::new(&format!("{}[web]\nlisten = \"None\"\ninternal = \"None\"\n", database.settings()));
    let url = database.url().unwrap_or("sqlite:shopsyncd.db");
    Store::open(url, &desk.path("state")).await.unwrap().close().await;
    if let Some(url) = database.url() {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(NEWER.replace("CHECKSUM", "'\\x00'"))).await.unwrap();
    } else {
        let file = sqlx::sqlite::SqliteConnectOptions::new().filename(desk.path("state/shopsyncd.db"));
        let mut connection = file.connect().await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(NEWER.replace("CHECKSUM", "x'00'"))).await.unwrap();
        connection.close().await.unwrap();
    }
    for line in ["run", "db migrate", "status"] {
        let said = desk.run(line);
        let Said(code, _, err) = &said;
        assert_eq!(*code, 78, "{line}: {err}");
        assert!(err.contains("at version 9999") && err.contains("install the newer program again"), "{line}: {err}");
        if line == "run" {
            assert_eq!(said.failed().1, "database_newer");
        }
    }
}

#[test]
fn what_keeps_a_daemon_from_starting_is_one_event_of_its_log_and_said_nowhere_else() {
    let web = |further: &str| format!("[log]\nformat = \"json\"\n[web]\nlisten = \"None\"\n{further}\n");
    let desk = Desk::new(&format!("timezone = \"Europe/Lundon\"\nkeep_history = \"for ever\"\n{}", web("")));
    let (code, kind, text) = desk.run("run").failed();
    assert_eq!((code, &*kind), (78, "settings"));
    let told: Vec<bool> = ["2 errors", "shopsyncd.toml:3: timezone", "shopsyncd.toml:4: keep_history"]
        .map(|part| text.contains(part))
        .into();
    assert_eq!(told, [true; 3], "{text}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let desk = Desk::new(&web(&format!("internal = \"{address}\"")));
    let (code, kind, text) = desk.run("run").failed();
    assert_eq!((code, &*kind), (69, "address_taken"));
    assert!(text.contains(&format!("cannot listen on {address}")) && text.contains("Change `web.internal`"), "{text}");

    let desk = Desk::new(&web("internal = \"None\""));
    let lock = InstanceLock::take(&desk.path("state"), None, Timestamp::now()).unwrap();
    let (code, kind, text) = desk.run("run").failed();
    assert_eq!((code, &*kind), (75, "locked"));
    assert!(text.contains(&format!("is held by process {}", std::process::id())), "{text}");
    drop(lock);

    // A log that says nothing says this neither, and somebody has to.
    let desk = Desk::new("timezone = \"Europe/Lundon\"\n[log]\nlevel = \"off\"\n");
    let Said(code, _, err) = desk.run("run");
    assert!(code == 78 && err.starts_with("error: shopsyncd.toml:3: timezone"), "{code}: {err}");
}

#[tokio::test]
async fn a_copy_of_a_server_is_made_with_its_own_program() {
    let Some(database) = Database::postgres().await else { return };
    let desk = Desk::new(&database.settings());
    let Said(code, _, err) = desk.run("db backup copy.db");
    assert_eq!(code, 64, "{err}");
    assert!(err.contains("pg_dump"), "{err}");
    assert!(!desk.path("copy.db").exists());
}

#[tokio::test]
async fn a_shared_database_is_not_brought_up_to_date_while_somebody_works_with_it() {
    const INSTANCE: &str = "insert into instances (id, version, started_at, beat, settings_digest, standing_by, dead)
        values ('north.a', '1', 0, 7, '', 0, 0), ('left.behind', '1', 0, 7, '', 0, 0)";
    let Some(database) = Database::postgres().await else { return };
    let desk = std::sync::Arc::new(Desk::new(&database.settings()));
    let url = database.url().unwrap().to_owned();
    Store::open(&url, &desk.path("state")).await.unwrap().close().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    connection.execute(INSTANCE).await.unwrap();
    let migrate = || {
        let desk = std::sync::Arc::clone(&desk);
        tokio::task::spawn_blocking(move || desk.run("db migrate"))
    };
    let beats = async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(300));
        loop {
            ticks.tick().await;
            connection.execute("update instances set beat = beat + 1 where id = 'north.a'").await.unwrap();
        }
    };
    let Said(code, out, err) = tokio::select! { said = migrate() => said.unwrap(), () = beats => unreachable!() };
    assert_eq!(code, 75, "{out}{err}");
    assert!(err.contains("1 daemon works with this database: `north.a`; stop it first"), "{err}");
    let Said(code, out, err) = migrate().await.unwrap();
    assert_eq!(code, 0, "a beat that stands still is nobody's: {out}{err}");
}

#[test]
fn what_cannot_be_meant_is_refused_with_64() {
    let desk = Desk::new("");
    desk.founded();
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
fn the_hash_of_a_password_is_one_that_the_settings_take_and_an_empty_or_short_password_has_none() {
    let desk = Desk::new("");
    let Said(code, hash, err) = desk.fed("password", "correct horse\nanother line\n");
    assert_eq!((code, err.as_str()), (0, ""));
    let other = desk.fed("--json password", "correct horse").json()["password_hash"].clone();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_ne!(hash.trim(), other, "each has a salt of its own");
    fs::write(desk.path("hash"), &hash).unwrap();
    let desk = Desk::new(&format!("[web]\npassword_hash = {{ file = \"{}\" }}\n", desk.path("hash").display()));
    assert_eq!(desk.run("check").0, 0);
    for (poor, why) in [
        ("", "the password is empty"),
        ("\n", "the password is empty"),
        ("elevenÄchars\n", ""),
        ("elevenÄchar\n", "the password has fewer than 12 characters"),
    ] {
        let Said(code, out, err) = desk.fed("password", poor);
        assert_eq!((code == 64, out.is_empty()), (!why.is_empty(), !why.is_empty()), "{err}");
        assert!(err.contains(why), "{err}");
    }
}

#[test]
fn check_names_what_it_read_and_what_only_shows_now() {
    let desk = Desk::new("");
    let good = desk.run("check");
    assert_eq!(good.0, 0, "{}{}", good.1, good.2);
    let main = desk.path("shopsyncd.toml").display().to_string();
    assert_eq!(
        good.1,
        format!(
            "read: {main}\nstate_dir: {}\nthe database is not there yet, and `shopsyncd run` makes it; the settings are good\n",
            desk.path("state").display()
        )
    );
    let desk = desk.imported();
    assert!(desk.run("check").1.ends_with("the database answers; the settings are good\n"));

    fs::create_dir(desk.path("shops.d")).unwrap();
    fs::write(desk.path("shops.d/uk.toml.bak"), "[shops.uk]\n").unwrap();
    fs::write(desk.path("shops.d/glob.toml"), "[shops.glob]\nchannel = \"file\"\npath = \"none-*.csv\"\n").unwrap();
    let told = desk.run("--json check").json();
    assert_eq!(told["files"], serde_json::json!([main, desk.path("shops.d/glob.toml").display().to_string()]));
    assert_eq!(told["database"], "answers");
    let findings: Vec<String> = told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let text = |key: &str| it[key].as_str().unwrap().to_owned();
            format!("{} {}:{} {}: {}", text("severity"), text("file"), it["line"], text("key"), text("cause"))
        })
        .collect();
    let folder = desk.0.path().display().to_string();
    insta::assert_snapshot!(findings.join("\n").replace(&folder, "FOLDER"), @r"
    note shops.d/uk.toml.bak:0 : the file is not read, because its name does not end in .toml
    warning shops.d/glob.toml:3 shops.glob.path: FOLDER/none-*.csv: no file matches
    ");
}

#[test]
fn check_shows_every_setting_that_is_no_shops_with_its_origin_and_no_secret() {
    let key = Desk::new("").run("--json keys generate").json()["key"].clone();
    let desk = Desk::new(&format!(
        "seal_key = {key}\n[log]\nlevel = \"warn\"\n[mail]\noperator = [\"ops@example.com\"]\n[channels.shopee]\nclient_id = \"7\"\nclient_secret.file = \"secret\""
    ));
    fs::write(desk.path("secret"), "a-secret-of-ours").unwrap();
    let Said(code, plain, _) = desk.run("check");
    assert_eq!((code, plain.contains("log.level")), (0, false), "{plain}");
    let Said(code, out, err) = desk.run("check --settings");
    assert_eq!(code, 0, "{out}{err}");
    let folder = desk.0.path().display().to_string();
    let of = |key: &str| -> String {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        out.lines().map(words).find(|line| line.split(' ').next() == Some(key)).unwrap_or_default()
    };
    let main = "shopsyncd.toml";
    for (key, told) in [
        ("product_source", format!("product_source erp {main}:1")),
        ("state_dir", format!("state_dir {folder}/state {main}:2")),
        ("seal_key", format!("seal_key ••• {main}:3")),
        ("timezone", "timezone UTC default".to_owned()),
        ("log.level", format!("log.level warn {main}:5")),
        ("mail.operator", format!("mail.operator ops@example.com (en) {main}:7")),
        ("database.url", "database.url sqlite:shopsyncd.db default".to_owned()),
        ("channels.shopee.client_id", format!("channels.shopee.client_id 7 {main}:9")),
        ("channels.shopee.client_secret", format!("channels.shopee.client_secret ••• {main}:10")),
        ("shops.erp.path", String::new()),
    ] {
        assert_eq!(of(key), told, "{out}");
    }
    let json = desk.run("--json check --settings");
    let settings = &json.json()["settings"];
    assert_eq!(settings["log.level"], serde_json::json!({ "value": "warn", "from": format!("{main}:5") }));
    assert_eq!(desk.run("--json check").json()["settings"], Value::Null);
    for said in [&out, &json.1] {
        assert!(!said.contains(key.as_str().unwrap()) && !said.contains("a-secret-of-ours"), "{said}");
    }
}

#[test]
fn check_finds_a_seal_key_that_does_not_open_what_is_sealed() {
    let desk = Desk::new("").imported();
    assert_eq!(desk.run("check").0, 0);
    desk.sealed_with(&Sealer::generate());
    let found = |further: &str| {
        let file = desk.path("shopsyncd.toml");
        let good = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{further}\n{good}")).unwrap();
        let said = desk.run("--json check");
        fs::write(&file, good).unwrap();
        let findings = said.json()["findings"].clone();
        let found = findings.as_array().unwrap().iter().find(|finding| finding["key"] == "seal_key").cloned();
        found.map(|finding| (said.0, finding["severity"].clone(), finding["cause"].as_str().unwrap().to_owned()))
    };
    let (code, severity, cause) = found("").unwrap();
    assert!(code == 78 && severity == "error" && cause.contains("not among the keys given"), "{cause}");
    // A key that this user cannot read may be the right one.
    let (code, severity, cause) = found("seal_key = { credential = \"seal-key\" }").unwrap();
    assert!(code == 0 && severity == "note" && cause.contains("not readable from here"), "{cause}");
    fs::remove_file(desk.path("state/seal-key")).unwrap();
    let (code, _, cause) = found("").unwrap();
    assert!(code == 78 && cause.contains("is gone"), "{cause}");
}

#[test]
fn check_tells_what_it_found_although_no_daemon_can_tell_the_difference() {
    for (further, exit, found) in [
        ("", 69, "the database is not there yet"),
        ("colour = \"blue\"", 78, "colour"),
        ("timezone = \"Atlantis\"", 78, "Atlantis"),
    ] {
        let desk = Desk::new(further);
        let Said(code, out, err) = desk.run("check --diff");
        assert_eq!(code, exit, "{further}: {out}{err}");
        assert!(out.contains(found), "{further}: {out}{err}");
        assert_eq!(exit == 69, err.contains("no daemon answers"), "{further}: {out}{err}");
        let json = desk.run("--json check --diff").json();
        assert!(json["findings"].is_array() && json["changes"].is_null(), "{json}");
        assert!(json["unanswered"].as_str().is_some_and(|why| why.contains("no daemon answers")), "{json}");
    }
}

#[test]
fn with_a_broken_settings_file_the_database_still_tells_how_things_stand() {
    let desk = Desk::new("").imported();
    let file = desk.path("shopsyncd.toml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{good}\nfoo = [1,\n")).unwrap();
    let Said(code, out, err) = desk.run("status");
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("erp") && format!("{out}{err}").contains("not TOML"), "{out}{err}");
    assert_eq!(desk.run("--json runs list").json()["runs"].as_array().map(Vec::len), Some(1));
    let Said(code, out, err) = desk.run("check");
    assert_eq!(code, 78);
    assert_eq!(out.matches("error: ").count(), 1, "only what is wrong is told: {out}{err}");
}

#[test]
fn check_without_a_settings_file_says_that_there_is_none() {
    let done = Command::new(env!("CARGO_BIN_EXE_shopsyncd"))
        .args(["--json", "check"])
        .env("SHOPSYNCD__STATE_DIR", "/dev/null/state")
        .env_remove("SHOPSYNCD_CONFIG")
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    let causes: Vec<&str> =
        told["findings"].as_array().unwrap().iter().map(|it| it["cause"].as_str().unwrap()).collect();
    if !std::path::Path::new("/etc/shopsyncd/shopsyncd.toml").exists() {
        assert_eq!(told["findings"][0]["file"], "/etc/shopsyncd/shopsyncd.toml");
        let absent = "there is no such file, so the built-in defaults hold, and the service does not start";
        assert!(causes.contains(&absent), "{causes:?}");
        assert!(causes.contains(&"there are no shops, so nothing runs"), "{causes:?}");
    }
    assert!(causes.iter().any(|cause| cause.contains("cannot be made in /dev/null as this user")), "{causes:?}");
}

#[test]
fn relative_paths_start_in_the_folder_of_the_settings_wherever_a_command_is_called() {
    let desk = Desk::new("");
    desk.founded();
    let text = fs::read_to_string(desk.path("shopsyncd.toml")).unwrap();
    let folder = format!("\"{}/", desk.0.path().display());
    let text = text.replace(&folder, "\"");
    assert!(text.contains("state_dir = \"state\"") && text.contains("path = \"products.csv\""), "{text}");
    fs::write(desk.path("shopsyncd.toml"), text).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_shopsyncd"))
        .args(["--config", &desk.path("shopsyncd.toml").display().to_string()])
        .args(["jobs", "run", "erp", "product_import", "--wait"])
        .current_dir("/")
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(desk.run("--json check").json()["state_dir"], desk.path("state").display().to_string());
}

#[test]
fn a_shop_is_shown_with_its_rules_of_export_and_where_each_comes_from() {
    let desk = Desk::new("[reminders]\nto = [\"anna@example.com\"]");
    let rules = "[shops.out]\nchannel = \"file\"\npath = \"out.csv\"\n[shops.out.export]\nfields = [\"stock\"]\nstock = { reserve = 2 }\nprice.convert.USD = \"0.86\"\nguard = { retire = \"12.5%\" }\n";
    fs::create_dir(desk.path("shops.d")).unwrap();
    fs::write(desk.path("shops.d/out.toml"), rules).unwrap();
    let Said(code, out, err) = desk.run("shops show out");
    assert_eq!(code, 0, "{err}");
    let rows: Vec<String> = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    insta::assert_snapshot!(rows.join("\n"), @r"
    SETTING VALUE FROM
    channel file shops.d/out.toml:2
    name out default
    match_barcode false default
    path out.csv shops.d/out.toml:3
    jobs.product_import 1 minute default
    jobs.product_export 15 minutes default
    jobs.full_import 1 day default
    export.fields stock shops.d/out.toml:5
    export.create false default
    export.retire keep default
    export.warehouse - default
    export.stock.reserve 2 shops.d/out.toml:6
    export.stock.max - default
    export.price.factor 1 default
    export.price.round - default
    export.price.convert USD 0.86 shops.d/out.toml:7
    export.guard.retire 12.5% shops.d/out.toml:8
    export.guard.price 50% default
    remind anna@example.com (en) shopsyncd.toml:4
    ");
    let json = desk.run("--json shops show out").json()["settings"].clone();
    assert_eq!(json["remind"]["value"], serde_json::json!([{ "address": "anna@example.com", "language": "en" }]));
    assert_eq!(json["export.fields"]["value"], serde_json::json!(["stock"]));
    assert_eq!(json["export.price.convert"]["value"], serde_json::json!({ "USD": "0.86" }));
}

#[test]
fn an_export_to_the_product_source_is_refused_with_the_reason() {
    let desk = Desk::new("").imported();
    let Said(code, out, err) = desk.run("jobs run erp product_export --wait");
    assert_eq!((code, out.as_str()), (77, ""), "{err}");
    assert!(err.contains("`erp` is the product source, which is never exported to"), "{err}");
    assert!(desk.run("jobs why erp product_export").1.contains("is the product source, which is never exported to"));
    assert_eq!(desk.run("--json runs list --job product_export").json()["runs"], serde_json::json!([]));
}

#[test]
fn the_calendar_of_what_is_to_come_ends_every_line_as_calendars_do() {
    let desk = Desk::new("").imported();
    assert_eq!(
        desk.run("upcoming --ics").1,
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//shopsyncd//upcoming//EN\r\nEND:VCALENDAR\r\n"
    );
}

#[test]
fn a_shop_taken_out_of_the_settings_is_told_of_while_its_data_is_kept() {
    let desk = Desk::new("");
    fs::create_dir(desk.path("shops.d")).unwrap();
    fs::write(desk.path("shops.d/out.toml"), "[shops.out]\nchannel = \"file\"\npath = \"out.csv\"\n").unwrap();
    let desk = desk.imported();
    fs::remove_file(desk.path("shops.d/out.toml")).unwrap();
    let desk = desk.imported();
    let hint = "its data is kept until `shopsyncd shops forget out --yes`";
    let Said(code, _, err) = desk.run("jobs why out product_import");
    assert_eq!(code, 64);
    assert!(err.contains(hint), "{err}");
    let status = desk.run("status");
    assert!(status.1.contains(hint), "{}{}", status.1, status.2);
    assert_eq!(desk.run("--json status").json()["removed"], serde_json::json!(["out"]));
    let Said(code, _, err) = desk.run("jobs why owt product_import");
    assert_eq!(code, 64);
    assert!(err.contains("is not in the settings; `shopsyncd shops list` tells those that are"), "{err}");
    assert!(desk.run("shops show erq").2.contains("is not in the settings; did you mean `erp`?"));
}

/// Stands for a daemon: gives as many requests this answer, and tells which they were.
fn answering(desk: &Desk, requests: usize, result: Value) -> JoinHandle<Vec<Value>> {
    answering_each(desk, vec![serde_json::json!({ "answer": "done", "result": result }); requests])
}

/// Stands for a daemon: gives these answers, a request each, and tells which they were.
fn answering_each(desk: &Desk, answers: Vec<Value>) -> JoinHandle<Vec<Value>> {
    fs::create_dir_all(desk.path("state")).unwrap();
    let listener = UnixListener::bind(desk.path("state/control.sock")).unwrap();
    std::thread::spawn(move || {
        let mut asked = Vec::new();
        // The answers first: nobody is waited for once they are all given.
        for (answer, stream) in answers.into_iter().zip(listener.incoming().map(Result::unwrap)) {
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            asked.push(serde_json::from_str(&line).unwrap());
            writeln!(&stream, "{answer}").unwrap();
        }
        asked
    })
}

#[test]
fn a_consent_begins_unless_tokens_are_piped_in() {
    let table = [
        ("", "https://market.example/agree\n", &["authorize"][..]),
        ("{ \"access_token\": \"a\",\n \"account\": \"b\" }\n", "taken\n", &["hand_in"]),
    ];
    for (input, answer, requests) in table {
        let desk = Desk::new("");
        let daemon = answering(
            &desk,
            requests.len(),
            serde_json::json!({ "link": "https://market.example/agree", "text": "taken" }),
        );
        let Said(code, out, err) = desk.fed("shops authorize erp", input);
        assert_eq!((code, out.as_str()), (0, answer), "{err}");
        let asked = daemon.join().unwrap();
        assert_eq!(asked.iter().map(|request| request["request"].as_str().unwrap()).collect::<Vec<_>>(), requests);
    }
}

#[test]
fn a_reload_that_would_change_nothing_is_told() {
    let desk = Desk::new("");
    let daemon = answering(&desk, 1, serde_json::json!([]));
    let Said(code, out, err) = desk.run("check --diff");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("\na reload would change nothing\n"), "{out}");
    // The daemon compares what this command was given, and need not have been started with it.
    let main = desk.path("shopsyncd.toml");
    assert_eq!(daemon.join().unwrap(), [serde_json::json!({ "request": "diff", "main": main })]);
}

#[test]
fn a_daemon_that_is_there_and_cannot_just_now_is_not_worked_around_and_says_why() {
    let refused = serde_json::json!({ "answer": "refused", "exit": 69, "text": "database: away", "findings": [] });
    let unwell =
        serde_json::json!({ "answer": "done", "result": { "healthy": false, "reasons": ["the disk is full"] } });
    let desk = Desk::new("");
    desk.founded();
    let daemon = answering_each(&desk, vec![refused.clone(), unwell.clone()]);
    let Said(code, out, err) = desk.run("jobs run erp product_import --wait");
    assert_eq!((code, out.as_str()), (69, ""), "{err}");
    assert!(err.contains("database: away"), "{err}");
    daemon.join().unwrap();
    assert_eq!(desk.run("--json runs list").json()["runs"], serde_json::json!([]));

    let desk = Desk::new("");
    let daemon = answering_each(&desk, vec![unwell, refused]);
    let Said(code, _, err) = desk.run("status");
    assert_eq!(code, 69, "{err}");
    assert!(err.contains("no database at") && err.contains("the daemon says of itself: the disk is full"), "{err}");
    daemon.join().unwrap();
}

#[test]
fn a_database_that_is_away_is_no_fault_of_the_settings() {
    let key = Sealer::generate();
    let seal_key = format!("seal_key = \"{}\"\n", key.expose());
    let url = "[database]\nurl = \"postgres://shops@127.0.0.1:1/shops\"\n";
    let Said(code, out, err) = Desk::new(&format!("{seal_key}{url}")).run("check");
    assert_eq!(code, 69, "{out}{err}");
    assert!(out.contains("the database does not answer"), "{out}");
    let Said(code, out, _) = Desk::new(&format!("colour = 7\n{seal_key}{url}")).run("check");
    assert_eq!(code, 78, "{out}");
    let desk = Desk::new(&format!("{seal_key}{url}"));
    assert_eq!(desk.run("jobs run erp product_export --dry-run").0, 69);
}

#[test]
fn what_is_named_and_is_not_there_is_a_wrong_command_line() {
    let desk = Desk::new("").imported();
    for line in [
        "runs show 99",
        "products show B",
        "shops show erq",
        "jobs why erq product_import",
        "runs list --shop erq",
        "mail list --shop erq",
    ] {
        let Said(code, out, err) = desk.run(line);
        assert_eq!((code, out.as_str()), (64, ""), "{line}: {err}");
    }
}

#[test]
fn a_lock_that_cannot_be_made_is_not_another_daemons() {
    let desk = Desk::new("").imported();
    fs::remove_file(desk.path("state/lock")).unwrap();
    fs::create_dir(desk.path("state/lock")).unwrap();
    let Said(code, _, err) = desk.run("jobs run erp product_import --wait");
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("state/lock") && !err.contains("stop it first"), "{err}");
}

#[test]
fn a_control_socket_that_has_no_place_is_no_fault_of_the_program() {
    let desk = Desk::new("[web]\nlisten = \"None\"\ninternal = \"None\"\n");
    fs::create_dir_all(desk.path("state/control.sock/in-the-way")).unwrap();
    let Said(code, _, err) = desk.run("run");
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("the control socket") && err.contains("see that its folder"), "{err}");
    assert!(!err.contains("fault of the program"), "{err}");
}

#[test]
fn a_secret_that_only_another_user_reads_is_a_note_of_check_that_says_what_run_would_do() {
    use std::os::unix::{fs::PermissionsExt as _, process::CommandExt as _};
    let desk = Desk::new("[web]\napi_token = { file = \"token\" }\n");
    fs::write(desk.path("token"), "hush").unwrap();
    desk.founded();
    fs::set_permissions(desk.path("state"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(desk.path("token"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(desk.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let root = rustix::process::geteuid().is_root();
    let program = desk.path("shopsyncd");
    if root {
        // Where it is built another user may not come.
        fs::copy(env!("CARGO_BIN_EXE_shopsyncd"), &program).unwrap();
    }
    let run = |what: &str| {
        let mut command = if root { Command::new(&program) } else { Command::new(env!("CARGO_BIN_EXE_shopsyncd")) };
        if root {
            command.uid(65_534).gid(65_534);
        }
        let config = desk.path("shopsyncd.toml").display().to_string();
        let done = command.args(["--config", &config, what]).current_dir("/").output().unwrap();
        (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap())
    };
    let (code, out, err) = run("check");
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("note: shopsyncd.toml:4: web.api_token: file `token` is not readable as this user"), "{out}");
    assert!(out.contains("the daemon must be able to: `run` as this user would refuse these settings"), "{out}");
    assert_eq!(out.contains("the database is not looked at: this user may not read it"), root, "{out}");
    let (code, _, err) = run("run");
    assert_eq!(code, 78, "{err}");
    assert!(err.contains("file `token` is not readable as this user"), "{err}");
}

#[test]
fn of_many_shops_status_shows_a_page_and_json_shows_all_unless_told_otherwise() {
    let desk = Desk::new("");
    fs::create_dir(desk.path("shops.d")).unwrap();
    for number in 0..54 {
        let text = format!("[shops.s{number:02}]\nchannel = \"file\"\npath = \"s{number:02}.csv\"\n");
        fs::write(desk.path(&format!("shops.d/s{number:02}.toml")), text).unwrap();
    }
    desk.founded();
    let Said(code, out, err) = desk.run("status");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("erp") && out.contains("s48") && !out.contains("s49"), "{out}");
    assert!(out.contains("5 more shops; `--limit` shows more of them, `--shop` one"), "{out}");
    assert!(!desk.run("status --limit 55").1.contains("more shop"));

    let shown = |line: &str| {
        let told = desk.run(line).json();
        let ids = told["shops"].as_array().unwrap().iter().map(|shop| shop["id"].as_str().unwrap().to_owned());
        (ids.collect::<Vec<_>>(), told["more"].as_u64().unwrap())
    };
    let (all, more) = shown("--json status");
    assert_eq!((all.len(), more), (55, 0));
    assert_eq!(shown("--json status --limit 2"), (vec!["erp".to_owned(), "s00".to_owned()], 53));
    assert_eq!(shown("--json status --shop s53"), (vec!["s53".to_owned()], 54));
    let Said(code, _, err) = desk.run("status --shop s5");
    assert_eq!(code, 64);
    assert!(err.contains("shop `s5` is not in the settings; did you mean `s5"), "{err}");

    // A daemon that is there has the settings at hand: the files of shops are not read for it.
    fs::write(desk.path("shops.d/s00.toml"), "= broken").unwrap();
    let daemon = answering(&desk, 2, serde_json::json!({ "healthy": true, "reasons": [], "shops": [], "more": 7 }));
    let Said(code, out, err) = desk.run("status");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("7 more shops"), "{out}");
    let asked = serde_json::json!([{ "request": "health" }, { "request": "status", "shop": null, "limit": 50 }]);
    assert_eq!(serde_json::json!(daemon.join().unwrap()), asked);
}
