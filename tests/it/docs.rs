//! What documents state is true of the program: the README's tables, its commands, its first settings.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Command, CommandFactory as _, Parser as _};
use shopsyncd::{
    channels::Tools, cli::Cli, clock::Clock, config::load::Env, http::Http, settings, telemetry::metrics::METRICS,
};

use crate::tree::{no_faults, read, sources};

/// The rows of the README's table with this first column, as cells.
pub(crate) fn rows(first_column: &str) -> Vec<Vec<String>> {
    let readme = read("README.md");
    let head = format!("| {first_column} |");
    let table = readme.lines().skip_while(|line| !line.starts_with(&head)).skip(2);
    let rows: Vec<Vec<String>> = table
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(!rows.is_empty(), "README.md has no table that begins with `{head}`");
    rows
}

fn unquoted(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

/// Every log event of the program with the levels at which it is logged.
fn events() -> BTreeMap<String, BTreeSet<String>> {
    let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        for (at, start) in source.code.match_indices("event = \"") {
            let name = source.code[at + start.len()..].split('"').next().unwrap_or_default();
            let before = &source.code[..at];
            let call = ["trace", "debug", "info", "warn", "error"]
                .into_iter()
                .filter_map(|level| Some((before.rfind(&format!("{level}!("))?, level)))
                .max();
            let (_, level) = call.unwrap_or_else(|| panic!("{}: `{name}` is logged at no level", source.path));
            events.entry(name.to_owned()).or_default().insert(level.to_owned());
        }
    }
    assert!(events.len() > 10, "the program's log events were not found");
    events
}

#[test]
fn the_readme_lists_every_log_event_with_its_level() {
    let listed: BTreeMap<String, BTreeSet<String>> =
        rows("Event").iter().map(|row| (unquoted(&row[0]), row[1].split(", ").map(str::to_owned).collect())).collect();
    let logged = events();
    let mut faults = Vec::new();
    for (event, levels) in &logged {
        match listed.get(event) {
            None => faults.push(format!("README.md: the event `{event}` {levels:?} is missing; give it a row")),
            Some(said) if said != levels => {
                faults.push(format!("README.md: `{event}` is logged at {levels:?}, not at {said:?}"));
            }
            Some(_) => {}
        }
    }
    for event in listed.keys().filter(|event| !logged.contains_key(*event)) {
        faults.push(format!("README.md: nothing logs `{event}`; take its row out"));
    }
    no_faults(faults);
}

/// Events that scripts and monitoring may rely on: their names change with the major version alone.
const PROMISED: [&str; 19] = [
    "daemon.started",
    "daemon.stopping",
    "settings.reloaded",
    "settings.rejected",
    "run.started",
    "run.finished",
    "run.failed",
    "run.held",
    "run.taken_over",
    "token.refreshed",
    "authorization.granted",
    "authorization.ending",
    "authorization.lapsed",
    "authorization.revoked",
    "channel.throttled",
    "reminder.sent",
    "mail.deferred",
    "mail.refused",
    "guard.stopped",
];

#[test]
fn every_promised_event_is_logged() {
    let logged = events();
    let missing = PROMISED.iter().filter(|event| !logged.contains_key(**event));
    no_faults(missing.map(|event| format!("nothing logs `{event}`, which is promised")).collect());
}

#[test]
fn every_line_of_the_log_is_an_event() {
    let mut faults = Vec::new();
    for source in sources() {
        for level in ["trace", "debug", "info", "warn", "error"] {
            for (at, call) in source.code.match_indices(&format!("tracing::{level}!(")) {
                let arguments = source.code[at + call.len()..].trim_start();
                if !arguments.starts_with("event = ") {
                    let begins: String = arguments.chars().take(60).collect();
                    faults.push(format!("{}: a line without an event: {begins}", source.path));
                }
            }
        }
    }
    no_faults(faults);
}

/// The names of the fields of every log line, each with where it stands.
fn fields() -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for source in sources() {
        for level in ["trace", "debug", "info", "warn", "error"] {
            let call = format!("tracing::{level}!(");
            for (at, _) in source.code.match_indices(&call) {
                let arguments = &source.code[at + call.len()..];
                // The text, which comes last, begins with a quote; fields are told apart by what stands before `=`.
                let mut depth = 0;
                let mut begins = 0;
                let mut quoted = false;
                for (here, letter) in arguments.char_indices() {
                    match letter {
                        '"' => quoted = !quoted,
                        _ if quoted => {}
                        '(' | '[' | '{' => depth += 1,
                        ')' | ']' | '}' if depth > 0 => depth -= 1,
                        ',' | ')' if depth == 0 => {
                            let field = arguments[begins..here].trim();
                            let name =
                                field.split('=').next().unwrap_or_default().trim().trim_start_matches(['%', '?']);
                            if name.starts_with('"') {
                                // The text: what follows are its own arguments.
                                break;
                            }
                            if !name.is_empty() {
                                fields.push((name.to_owned(), source.path.clone()));
                            }
                            begins = here + 1;
                            if letter == ')' {
                                break;
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    assert!(fields.iter().any(|(name, _)| name == "run.attempt") && fields.len() > 100, "the fields were not found");
    fields
}

#[test]
fn fields_of_log_lines_are_dotted_where_they_belong_to_a_thing() {
    const THINGS: [&str; 8] = ["shop", "channel", "run", "mail", "error_kind", "instance", "authorization", "counts"];
    let dotted = |name: &str| name.chars().all(|letter| letter.is_ascii_lowercase() || "._".contains(letter));
    let wrong = fields().into_iter().filter(|(name, _)| THINGS.contains(&name.as_str()) || !dotted(name));
    no_faults(
        wrong
            .map(|(name, path)| format!("{path}: the field `{name}` says what of the thing it is: `shop.id`"))
            .collect(),
    );
}

#[test]
fn the_readme_lists_every_metric_with_its_labels_and_meaning() {
    let listed = rows("Metric");
    let described: Vec<Vec<String>> = METRICS
        .iter()
        .map(|metric| {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            vec![format!("`{}`", metric.name), labels.join(", "), metric.meaning.to_owned()]
        })
        .collect();
    let listed: BTreeSet<String> = listed.iter().map(|row| row.join(" | ")).collect();
    let described: BTreeSet<String> = described.iter().map(|row| row.join(" | ")).collect();
    assert_eq!(listed, described, "README.md's table (left) and telemetry::metrics::METRICS (right)");
}

#[test]
fn every_metric_is_fed_by_the_program() {
    let metrics = sources().into_iter().find(|source| source.path == "src/telemetry/metrics.rs").expect("the metrics");
    let feeders: Vec<&str> = metrics
        .code
        .split("pub fn ")
        .skip(1)
        .map(|rest| rest.split('(').next().unwrap_or_default())
        .filter(|name| ["count_", "observe_", "set_"].iter().any(|verb| name.starts_with(verb)))
        .collect();
    assert!(feeders.len() > 5, "the feeders of src/telemetry/metrics.rs were not found");
    let others: Vec<String> =
        sources().into_iter().filter(|source| source.module() != Some("telemetry")).map(|source| source.code).collect();
    let unused = feeders.iter().filter(|name| !others.iter().any(|code| code.contains(&format!(".{name}("))));
    no_faults(unused.map(|name| format!("Metrics::{name} is never called, so its metric never changes")).collect());
}

#[test]
fn the_readme_lists_every_exit_code() {
    let cli = read("src/cli/mod.rs");
    let mut codes: BTreeSet<String> = cli
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub const ")?.split_once(": u8 = "))
        .map(|(_, code)| code.trim_end_matches(';').to_owned())
        .collect();
    assert!(codes.len() > 3, "the exit codes of src/cli/mod.rs were not found");
    codes.insert("0".to_owned());
    let listed: BTreeSet<String> = rows("Code").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(listed, codes, "README.md's table (left) and src/cli/mod.rs (right)");
}

/// What stands for a placeholder of the README's table.
fn filled_in(word: &str) -> &str {
    match word {
        "SHOP" => "uk-tiktok",
        "JOB" => "product_import",
        "STATE" => "completed",
        "OUTCOME" => "done",
        "NAME" => "file",
        "SKU" => "T-000-1",
        "FILE" => "products.csv",
        "ADDRESS" => "owner@example.com",
        "SHELL" => "bash",
        "N" | "ID" => "7",
        word => word,
    }
}

#[test]
fn the_commands_of_the_readme_are_understood() {
    let mut faults = Vec::new();
    for row in rows("Command") {
        let line = unquoted(&row[0]);
        let words = std::iter::once("shopsyncd").chain(line.split(' ').map(filled_in));
        if let Err(error) = Cli::try_parse_from(words) {
            faults.push(format!("README.md: `{line}` is not understood: {error}"));
        }
    }
    no_faults(faults);
}

/// The commands below this one that have none below themselves, each with its own arguments' long names.
fn leaves(command: &Command, prefix: &str, found: &mut Vec<(String, Vec<String>)>) {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        let name = format!("{prefix} {}", below.get_name()).trim().to_owned();
        if below.has_subcommands() {
            leaves(below, &name, found);
        } else {
            let long = below.get_arguments().filter_map(|argument| Some(format!("--{}", argument.get_long()?)));
            found.push((name, long.collect()));
        }
    }
}

#[test]
fn the_readme_lists_every_command_with_its_options() {
    let lines: Vec<String> = rows("Command").iter().map(|row| unquoted(&row[0])).collect();
    let mut commands = Vec::new();
    leaves(&Cli::command(), "", &mut commands);
    let mut faults = Vec::new();
    for (name, options) in commands.iter().filter(|(name, _)| name != "demo") {
        let about: Vec<&String> =
            lines.iter().filter(|line| *line == name || line.starts_with(&format!("{name} "))).collect();
        if about.is_empty() {
            faults.push(format!("README.md: the command `{name}` is missing; give it a row"));
        }
        for option in options.iter().filter(|option| !["--config", "--json", "--help"].contains(&option.as_str())) {
            if !about.iter().any(|line| line.split(' ').any(|word| word == option)) {
                faults.push(format!("README.md: `{name}` takes `{option}`, which its row does not show"));
            }
        }
    }
    no_faults(faults);
}

#[test]
fn the_readmes_first_settings_are_good() {
    let readme = read("README.md");
    let block =
        readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of settings");
    let unindented: String = block.lines().flat_map(|line| [line.trim_start(), "\n"]).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shopsyncd.toml");
    std::fs::write(&file, unindented).expect("a file");

    let clock = Clock::system();
    let env = Env { vars: BTreeMap::new(), serving: false, now: clock.now() };
    let loaded = settings::load(Some(&file), &env, &Tools { http: Http::new(clock.clone()), clock });
    no_faults(loaded.errors().map(|finding| format!("README.md: {finding}")).collect());
    assert_eq!(loaded.config.expect("no errors").shops.len(), 2);
}

#[test]
fn paths_that_the_readme_leads_to_are_there() {
    let readme = read("README.md");
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let missing = links.filter(|path| !path.starts_with("http") && !crate::tree::project().join(path).exists());
    no_faults(missing.map(|path| format!("README.md: leads to {path}, which is not there")).collect());
}
