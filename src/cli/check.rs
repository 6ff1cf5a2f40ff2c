//! `check`: everything wrong or worth knowing, in settings, database and credentials.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, access},
    process::geteuid,
};
use serde_json::json;

use super::{
    Outcome, exit,
    open::{self, Env},
    origins, print,
    sandbox::Sandbox,
};
use crate::{
    channels::Tools,
    clock::Clock,
    config::{Config, Finding, Severity, load::DEFAULT_FILE},
    control::{Refusal, Request},
    daemon::{self, StartError},
    http::Http,
    settings,
    store::{Store, StoreError},
};

pub(super) async fn check(env: &Env, diff: bool, settings: bool) -> Outcome {
    let loaded = env.load();
    let state_dir = loaded.readable().state_dir.clone();
    let mut findings = loaded.findings;
    let mut database = None;
    let mut away = 0;
    if env.config.is_none() && !Path::new(DEFAULT_FILE).exists() {
        findings.insert(0, absent());
    }
    if let Some(config) = &loaded.config {
        let looked = look(config, loaded.known.files(), &mut findings).await;
        away = usize::from(looked == AWAY);
        database = Some(looked);
    }
    // What is wrong here is told whatever the daemon answers.
    let (changes, unanswered) = if diff {
        match difference(env).await {
            Ok(answer) => (Some(answer), None),
            Err(refusal) => (None, Some(refusal)),
        }
    } else {
        (None, None)
    };
    let resolved = loaded.config.as_ref().filter(|_| settings).map(origins::of_all_shops);
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if env.json {
        let unanswered = unanswered.as_ref().map(|refusal| &refusal.text);
        print::json(&json!({
            "files": loaded.known.files(), "state_dir": state_dir, "findings": findings, "database": database,
            "changes": changes.as_ref().map(|answer| &answer["changes"]), "source": changes.as_ref().map(|answer| &answer["source"]),
            "unanswered": unanswered, "settings": resolved.map(origins::as_json),
        }))?;
    } else {
        for file in loaded.known.files() {
            print::text(&format!("read: {}", file.display()))?;
        }
        print::text(&format!("state_dir: {}", state_dir.display()))?;
        if let Some(resolved) = resolved {
            origins::print(resolved)?;
        }
        for finding in &findings {
            print::text(&print::finding_line(finding))?;
        }
        if let Some(changes) = &changes {
            for line in change_lines(changes) {
                print::text(&line)?;
            }
        }
        let database = database.map(|database| format!("the database {database}; ")).unwrap_or_default();
        print::text(&format!("{database}{}", summary(errors, findings.len() - errors)))?;
    }
    match unanswered {
        _ if errors > away => Err(Refusal::new(exit::CONFIGURATION, "")),
        // The settings are as good as they can be judged without it.
        _ if away > 0 => Err(Refusal::new(exit::UNAVAILABLE, "")),
        // As JSON it was said above: one document, whatever happens.
        Some(refusal) if env.json => Err(Refusal::new(refusal.exit, "")),
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// Asks the daemon what it would change, which need not have been started with the main file that is named here.
async fn difference(env: &Env) -> Result<serde_json::Value, Refusal> {
    let absolute = |path: &PathBuf| std::path::absolute(path);
    let main = env.config.as_ref().map(absolute).transpose().map_err(|error| {
        Refusal::new(exit::CONFIGURATION, format!("the path named with `--config` cannot be made out: {error}"))
    })?;
    env.ask(&Request::Diff { main }).await
}

/// What a reload would change, a line each; what follows from another product source stands below its line.
fn change_lines(answer: &serde_json::Value) -> Vec<String> {
    let texts = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|line| line.as_str().map(str::to_owned)).collect()
    };
    let mut lines = Vec::new();
    for line in texts(&answer["changes"]) {
        let of_source = line.starts_with("product_source:");
        lines.push(line);
        if of_source {
            lines.extend(texts(&answer["source"]["lines"]).into_iter().map(|line| format!("  {line}")));
        }
    }
    if lines.is_empty() {
        lines.push("a reload would change nothing".to_owned());
    }
    lines
}

/// How a database stands that nobody can reach.
const AWAY: &str = "does not answer";

/// Looks at what the settings name, as it is now; returns how the database stands.
async fn look(config: &Config, files: &[PathBuf], findings: &mut Vec<Finding>) -> &'static str {
    if config.shops.is_empty() {
        let remedy = "add `[shops.…]` to the main file, or to a file in shops.d beside it";
        findings.push(config.finding("shops", Severity::Warning, "there are no shops, so nothing runs".into(), remedy));
    }
    let clock = Clock::system();
    let tools = Tools { http: Http::new(clock.clone()), clock };
    findings.extend(settings::remarks(config, &tools).await);
    if geteuid().is_root() {
        let told = out_of_reach(config, files, &tools).await;
        // What the unit withholds is not only out of this command's sight.
        let is_said =
            |finding: &Finding| told.iter().any(|other| (&other.key, other.line) == (&finding.key, finding.line));
        findings.retain(|finding| finding.severity != Severity::Note || !is_said(finding));
        findings.extend(told);
    }
    findings.extend(state_dir(config));
    let fault = |key: &str, text: String, otherwise: &str| {
        let (cause, remedy) = text.rsplit_once("; ").unwrap_or((&text, otherwise));
        config.finding(key, Severity::Error, cause.to_owned(), remedy)
    };
    let Ok(url) = open::database(config) else {
        let Some((cause, remedy)) = open::mistaken(config) else {
            return "is not looked at: its address is not readable from here";
        };
        findings.push(config.finding("database.url", Severity::Warning, cause, remedy));
        return "is not looked at: the daemon serves another";
    };
    match Store::open_for_reading(url, &config.state_dir).await {
        Ok(store) => {
            // A key that cannot be read from here was told as such, and another one must not be judged in its place.
            let is_judged = !findings.iter().any(|finding| finding.key == "seal_key");
            if is_judged && let Err(StartError::Settings(text)) = daemon::judge_seal_key(config, &store).await {
                let text = text.strip_prefix("seal_key: ").map_or_else(|| text.clone(), str::to_owned);
                findings.push(fault("seal_key", text, "give the daemon the key that the tokens were sealed with"));
            }
            store.close().await;
            "answers"
        }
        Err(StoreError::Absent { .. }) => "is not there yet, and `shopsyncd run` makes it",
        Err(StoreError::Older { .. }) => "answers, and `shopsyncd run` brings it up to date",
        Err(_) if is_shut(config, url) => {
            let cause = "the database cannot be read as this user".to_owned();
            let remedy = "the daemon must be able to; run this as root to have it looked at, too";
            findings.push(config.finding("database.url", Severity::Note, cause, remedy));
            "is not looked at: this user may not read it"
        }
        Err(error) => {
            findings.push(fault("database.url", error.to_string(), "see that the address is right"));
            if error.is_away() { AWAY } else { "cannot be worked with" }
        }
    }
}

/// Whether this user, who need not be the daemon's, is kept from a database's file.
fn is_shut(config: &Config, url: &str) -> bool {
    let Some(file) = url.strip_prefix("sqlite:") else { return false };
    let file = config.state_dir.join(file.strip_prefix("//").unwrap_or(file));
    std::fs::File::open(file).is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// What the service's unit would keep the daemon from that root sees.
async fn out_of_reach(config: &Config, files: &[PathBuf], tools: &Tools) -> Vec<Finding> {
    let Some(sandbox) = Sandbox::of_unit().await else { return Vec::new() };
    let places = settings::on_disk(config, tools).into_iter().filter_map(|place| {
        let (cause, remedy) = sandbox.refuses(&place.path, place.written)?;
        Some(config.finding(&place.key, Severity::Warning, cause, &remedy))
    });
    let is_shut =
        |file: &&PathBuf| std::fs::metadata(file).is_ok_and(|about| sandbox.shuts(about.permissions().mode()));
    let shut = files.iter().filter(is_shut).map(|file| Finding {
        file: file.display().to_string(),
        line: 0,
        key: String::new(),
        severity: Severity::Warning,
        cause: "the service's unit gives the daemon a user of its own, which may not read this file".to_owned(),
        remedy: "let everybody read it: secrets stand elsewhere".to_owned(),
    });
    let handed = config.unread_credentials.iter().filter_map(|(key, name)| {
        let (cause, remedy) = sandbox.withholds(name)?;
        Some(config.finding(key, Severity::Warning, cause, &remedy))
    });
    places.chain(shut).chain(handed).collect()
}

/// Nobody named a file, and there is none where it is looked for.
fn absent() -> Finding {
    Finding {
        file: DEFAULT_FILE.to_owned(),
        line: 0,
        key: String::new(),
        severity: Severity::Warning,
        cause: "there is no such file, so the built-in defaults hold, and the service does not start".to_owned(),
        remedy: "write it, or name another with `--config`".to_owned(),
    }
}

/// Whether this user, who need not be the daemon's, could work in the state folder.
fn state_dir(config: &Config) -> Option<Finding> {
    let folder = &config.state_dir;
    let there = folder.ancestors().find(|path| path.exists())?;
    let error = access(there, Access::WRITE_OK | Access::EXEC_OK).err()?;
    let cause = if there == folder {
        format!("{} cannot be written to as this user: {error}", folder.display())
    } else {
        format!("{} is not there and cannot be made in {} as this user: {error}", folder.display(), there.display())
    };
    let remedy = "the daemon must be able to: run it as the folder's owner, or by its systemd unit, which makes one";
    Some(config.finding("state_dir", Severity::Note, cause, remedy))
}

fn summary(errors: usize, others: usize) -> String {
    match (errors, others) {
        (0, 0) => "the settings are good".into(),
        (0, others) => format!("the settings have no errors; worth knowing: {others}"),
        (errors, others) => format!("errors: {errors}; worth knowing: {others}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_another_source_stands_below_its_line() {
        let answer = json!({
            "changes": ["product_source: erp -> erp2", "timezone: UTC -> Asia/Taipei"],
            "source": { "lines": ["exports wait"] },
        });
        let lines = ["product_source: erp -> erp2", "  exports wait", "timezone: UTC -> Asia/Taipei"];
        assert_eq!(change_lines(&answer), lines);
        assert_eq!(change_lines(&json!({ "changes": [], "source": null })), ["a reload would change nothing"]);
    }
}
