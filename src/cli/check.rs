//! `check`: everything wrong or worth knowing, in settings, database and credentials.

use serde_json::json;

use super::{Outcome, exit, open::Env, print};
use crate::{
    config::{Finding, Severity},
    control::{Refusal, Request},
    store::Store,
};

pub(super) async fn check(env: &Env, diff: bool) -> Outcome {
    let loaded = env.load();
    let mut findings = loaded.findings;
    if let Some(config) = &loaded.config
        && let Err(error) = Store::probe(config.database_url.expose(), &config.state_dir).await
    {
        let origin = config.origins.get("database.url");
        findings.push(Finding {
            file: origin.map(|origin| origin.file.clone()).unwrap_or_default(),
            line: origin.map_or(0, |origin| origin.line),
            key: "database.url".into(),
            severity: Severity::Error,
            cause: error.to_string(),
            remedy: "see that the address is right and the database runs".into(),
        });
    }
    let changes = if diff { Some(env.ask(&Request::Diff).await?) } else { None };
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if env.json {
        print::json(&json!({ "findings": findings, "changes": changes }))?;
    } else {
        for finding in &findings {
            print::text(&print::finding_line(finding))?;
        }
        for line in changes.iter().filter_map(|changes| changes.as_array()).flatten() {
            print::text(line.as_str().unwrap_or_default())?;
        }
        print::text(&summary(errors, findings.len() - errors))?;
    }
    if errors > 0 { Err(Refusal::new(exit::CONFIGURATION, "")) } else { Ok(()) }
}

fn summary(errors: usize, others: usize) -> String {
    match (errors, others) {
        (0, 0) => "the settings are good".into(),
        (0, others) => format!("the settings are good; worth knowing: {others}"),
        (errors, others) => format!("errors: {errors}; worth knowing: {others}"),
    }
}
