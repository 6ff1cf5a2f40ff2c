//! The rules of the house, read from the source tree. What fails says which file, which rule, and what to do instead.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use shopsyncd::channels::CHANNELS;

use crate::tree::{crate_paths, no_faults, project, read, rust_files, sources};

/// Open to everybody but `domain`.
const OPEN: [&str; 2] = ["telemetry", "crash"];

/// Files that may read the system's clock, and why.
const READS_THE_CLOCK: &[(&str, &str)] = &[
    ("src/clock.rs", "it is the clock"),
    ("src/telemetry/logging.rs", "a log line carries the time at which it was written"),
    ("src/channels/file/content.rs", "a file's age is measured by the clock that dates files"),
    ("src/channels/file/mod.rs", "content that may still change must not look the same twice"),
];

/// The map's table: every module in layer order, with what it may look at.
fn table() -> Vec<(String, BTreeSet<String>)> {
    let map = read("src/lib.rs");
    let mut rows: Vec<(String, BTreeSet<String>)> = Vec::new();
    let lines = map.lines().skip_while(|line| *line != "//! | Module | May look at |").skip(2);
    for line in lines.take_while(|line| line.starts_with("//! |")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, module, allowed, _] = cells[..] else { panic!("src/lib.rs: a row of the table has two cells: {line}") };
        let allowed = match allowed {
            "everything above" => rows.iter().map(|(module, _)| module.clone()).collect(),
            listed => listed.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        };
        rows.push((module.trim_matches('`').to_owned(), allowed));
    }
    assert!(rows.len() > 10, "src/lib.rs: the table `| Module | May look at |` was not found");
    rows
}

#[test]
fn every_module_looks_only_where_the_map_allows() {
    let table: BTreeMap<String, BTreeSet<String>> = table().into_iter().collect();
    let mut faults = Vec::new();
    for source in sources() {
        let Some(module) = source.module() else { continue };
        let Some(allowed) = table.get(module) else {
            faults.push(format!("{}: module `{module}` is not in the table of src/lib.rs; give it a row", source.path));
            continue;
        };
        for path in crate_paths(&source.code) {
            let target = path.split("::").next().unwrap_or_default();
            let open = OPEN.contains(&target) && module != "domain";
            let named = allowed.contains(target) || allowed.iter().any(|allowed| path == *allowed);
            if target != module && !open && !named {
                faults.push(format!(
                    "{}: `{module}` must not look at `crate::{path}`. The table in src/lib.rs allows {allowed:?}; hand \
                     the value in from above, or move what is needed further down",
                    source.path
                ));
            }
        }
    }
    no_faults(faults);
}

#[test]
fn every_row_of_the_map_is_used_and_looks_only_down() {
    let table = table();
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        let Some(module) = source.module() else { continue };
        used.entry(module.to_owned()).or_default().extend(crate_paths(&source.code));
    }
    let mut faults = Vec::new();
    for (at, (module, allowed)) in table.iter().enumerate() {
        let above: Vec<&str> = table[..at].iter().map(|(module, _)| module.as_str()).collect();
        let everything = allowed.len() == at && at > 0;
        let Some(used) = used.get(module) else {
            faults.push(format!("src/lib.rs: the table names `{module}`, which is not there; take its row out"));
            continue;
        };
        for target in allowed {
            let name = target.split("::").next().unwrap_or_default();
            if !above.contains(&name) {
                faults.push(format!("src/lib.rs: `{module}` may look at `{target}`, which does not stand above it"));
            }
            let needed = used.iter().any(|path| path == target || path.split("::").next() == Some(target));
            if !everything && !needed {
                faults.push(format!("src/lib.rs: `{module}` no longer looks at `{target}`; take that out of its row"));
            }
        }
    }
    no_faults(faults);
}

#[test]
fn modules_are_declared_in_the_order_of_the_map() {
    let map = read("src/lib.rs");
    let declared: Vec<&str> = map.lines().filter_map(|line| line.strip_prefix("pub mod ")?.split(';').next()).collect();
    let table = table();
    let listed: Vec<&str> = table.iter().map(|(module, _)| module.as_str()).collect();
    assert_eq!(declared, listed, "src/lib.rs: declarations (left) and table (right) differ");
}

#[test]
fn nothing_climbs_out_of_its_module_by_super() {
    let mut faults = Vec::new();
    for source in sources() {
        let Some(module) = source.module() else { continue };
        let top = [format!("src/{module}.rs"), format!("src/{module}/mod.rs")].contains(&source.path);
        let escapes =
            source.code.lines().any(|line| line.starts_with("use super::") || line.starts_with("pub use super::"));
        if top && escapes {
            faults.push(format!("{}: `use super::` hides what it looks at; write `crate::`", source.path));
        }
    }
    no_faults(faults);
}

#[test]
fn channels_do_not_know_each_other() {
    let mut faults = Vec::new();
    for source in sources() {
        let Some(own) = source.path.strip_prefix("src/channels/").and_then(|path| path.split('/').next()) else {
            continue;
        };
        for def in CHANNELS.iter().filter(|def| def.name != own && own != "mod.rs") {
            let another = format!("channels::{}", def.name);
            if crate_paths(&source.code).contains(&another) {
                faults.push(format!(
                    "{}: looks at another channel, `crate::{another}`; channels share nothing",
                    source.path
                ));
            }
        }
    }
    no_faults(faults);
}

#[test]
fn every_channel_is_listed_and_has_a_page_and_a_fake() {
    let mut folders: Vec<String> = Vec::new();
    for entry in fs::read_dir(project().join("src/channels")).expect("the channels") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && name != "conformance" {
            folders.push(name);
        }
    }
    folders.sort();
    let listed: Vec<&str> = CHANNELS.iter().map(|def| def.name).collect();
    assert_eq!(
        listed, folders,
        "CHANNELS in src/channels/mod.rs (left), in alphabetical order, and the folders (right)"
    );

    let mut faults = Vec::new();
    for def in CHANNELS {
        let folder = format!("src/channels/{}", def.name);
        let there = |name: &str| project().join(&folder).join(name).is_file();
        if !there("fake.rs") && !there("fake/mod.rs") {
            faults.push(format!("{folder}: has no fake; write fake.rs, which its rig starts"));
        }
        if !there("README.md") || def.page != read(&format!("{folder}/README.md")) {
            faults.push(format!("{folder}: its page must be its README.md (`page: include_str!(\"README.md\")`)"));
        } else if def.page.lines().count() < 10 {
            faults.push(format!(
                "{folder}/README.md: is no page yet; say what the channel can do, its keys and its limits"
            ));
        }
    }
    no_faults(faults);
}

/// Tables with their columns.
fn tables(folder: &str) -> BTreeMap<String, Vec<String>> {
    let mut files: Vec<PathBuf> = fs::read_dir(project().join(folder))
        .expect("migrations")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let mut tables = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(file).expect("a migration");
        let mut open: Option<(String, Vec<String>)> = None;
        for line in text.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("create table ") {
                open = Some((rest.split([' ', '(']).next().unwrap_or_default().to_owned(), Vec::new()));
            } else if line.starts_with(')') {
                tables.extend(open.take());
            } else if let (Some((_, columns)), Some(word)) = (&mut open, line.split([' ', '(']).next()) {
                let constraint = ["", "--", "unique", "primary", "foreign", "check", "constraint"].contains(&word);
                if !constraint {
                    columns.push(word.to_owned());
                }
            }
        }
    }
    tables
}

#[test]
fn both_databases_have_the_same_migrations_tables_and_columns() {
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(project().join(folder)).expect("migrations");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    };
    let (sqlite, postgres) = ("migrations/sqlite", "migrations/postgres");
    assert_eq!(names(sqlite), names(postgres), "the files of {sqlite} (left) and {postgres} (right)");
    let (left, right) = (tables(sqlite), tables(postgres));
    assert!(left.len() > 5, "no tables were found in {sqlite}");
    assert_eq!(left, right, "the tables of {sqlite} (left) and {postgres} (right)");
}

#[test]
fn nothing_is_left_for_later() {
    let words = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[", "ignore")];
    let mut faults = Vec::new();
    for source in sources().into_iter().chain(rust_files("tests")) {
        for word in words.iter().filter(|word| source.text.contains(**word)) {
            faults.push(format!("{}: has `{word}…`; finish it, or leave it out", source.path));
        }
    }
    no_faults(faults);
}

#[test]
fn only_the_store_writes_sql() {
    let verbs = ["\"select ", "\"insert into ", "\"update ", "\"delete from ", "\"create table ", "sqlx::query"];
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.module() != Some("store")) {
        let lower = source.code.to_lowercase();
        // Sentences begin like statements at times; statements go on like statements.
        let found = verbs.iter().filter(|verb| lower.match_indices(**verb).any(|(at, _)| is_sql(&lower[at..])));
        for verb in found {
            faults.push(format!(
                "{}: has SQL ({}…); make it a method of `store::Tx`",
                source.path,
                verb.trim_start_matches('"')
            ));
        }
    }
    no_faults(faults);
}

fn is_sql(text: &str) -> bool {
    let statement = text[1..].split('"').next().unwrap_or_default();
    let second = [(" from ", "select "), (" set ", "update "), (" values", "insert into "), ("", "delete from ")];
    !text.starts_with('"')
        || statement.starts_with("create table ")
        || second.iter().any(|(word, verb)| statement.starts_with(verb) && statement.contains(word))
}

#[test]
fn only_the_calendar_knows_tokio_cron_scheduler() {
    let place = "src/scheduler/calendar.rs";
    let mut faults = Vec::new();
    for source in sources() {
        if source.path != place && source.code.contains("tokio_cron_scheduler::") {
            faults.push(format!("{}: names tokio_cron_scheduler; only {place} does, for chores", source.path));
        }
    }
    no_faults(faults);
}

#[test]
fn only_the_clock_reads_the_clock() {
    let words = ["Timestamp::now", "SystemTime::now", "Zoned::now", "Utc::now", "Local::now"];
    let mut faults = Vec::new();
    let mut needed = BTreeSet::new();
    for source in sources() {
        let Some(word) = words.iter().find(|word| source.code.contains(**word)) else { continue };
        match READS_THE_CLOCK.iter().find(|(path, _)| *path == source.path) {
            Some((path, _)) => {
                needed.insert(*path);
            }
            None => {
                faults.push(format!("{}: reads the clock ({word}); take `now` or a `Clock` as a value", source.path));
            }
        }
    }
    for (path, _) in READS_THE_CLOCK.iter().filter(|(path, _)| !needed.contains(path)) {
        faults.push(format!("{path}: no longer reads the clock; take it off the list in tests/it/house.rs"));
    }
    no_faults(faults);
}
