//! Watching the daemon of the demo: what has happened, as it happens.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{BY_CONSENT, HANDED_IN, Stage, reminder};
use crate::{
    cli::{Outcome, exit},
    control::{self, Refusal, Request},
};

/// How long everything may take together before the demo says that something is wrong.
const LIMIT: Duration = Duration::from_mins(1);

/// How often is looked.
const GLANCE: Duration = Duration::from_millis(100);

/// Waits until the daemon answers.
pub(super) async fn until_ready(state_dir: &Path) -> Outcome {
    let began = Instant::now();
    while control::ask(state_dir, &Request::Health, |_, _| {}).await.is_err() {
        if began.elapsed() > LIMIT {
            return Err(Refusal::new(exit::FAILED, "the daemon did not start; see daemon.log in the demo's folder"));
        }
        tokio::time::sleep(GLANCE).await;
    }
    Ok(())
}

/// What is waited for, each told once when it has happened.
pub(super) async fn until_done(stage: &Stage, say: &impl Fn(String) -> Outcome) -> Outcome {
    let began = Instant::now();
    let mut told = BTreeSet::new();
    loop {
        let status = control::ask(&stage.state_dir, &Request::Status, |_, _| {}).await.unwrap_or_default();
        for (key, done) in happened(stage, &status) {
            if let Some(text) = done.filter(|_| !told.contains(key)) {
                told.insert(key);
                say(text)?;
            }
        }
        if told.len() == happened(stage, &status).len() {
            return Ok(());
        }
        if began.elapsed() > LIMIT {
            return Err(Refusal::new(
                exit::FAILED,
                format!("not everything happened in time; see {}", stage.log().display()),
            ));
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// Waits until a shop's permission stands so, and its jobs are held by that or, where it is active, by nothing. Tells what the
/// channel said of it.
pub(super) async fn until_state(stage: &Stage, shop: &str, state: &str) -> Result<String, Refusal> {
    let began = Instant::now();
    loop {
        let status = control::ask(&stage.state_dir, &Request::Status, |_, _| {}).await.unwrap_or_default();
        let view = status["shops"].as_array().into_iter().flatten().find(|view| view["id"] == shop);
        if let Some(view) = view.filter(|view| stands(view, state)) {
            return Ok(view["authorization"]["why"].as_str().unwrap_or_default().to_owned());
        }
        if began.elapsed() > LIMIT {
            let log = stage.log();
            return Err(Refusal::new(exit::FAILED, format!("{shop} is not {state} in time; see {}", log.display())));
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// Whether a shop stands so, and so do all of its jobs that are not off.
fn stands(shop: &Value, state: &str) -> bool {
    let held_by = if state == "active" { Value::Null } else { state.into() };
    let mut jobs = shop["jobs"].as_object().into_iter().flatten().map(|(_, job)| job);
    shop["state"] == state && jobs.all(|job| job["state"] == "off" || job["held_by"] == held_by)
}

fn happened(stage: &Stage, status: &Value) -> Vec<(&'static str, Option<String>)> {
    let stats = stage.markets.tiktok.stats();
    let last = |shop: &str, job: &str| {
        let shop = status["shops"].as_array().into_iter().flatten().find(|view| view["id"] == shop)?;
        let last = shop["jobs"][job]["last"].clone();
        matches!(last["outcome"].as_str(), Some("done" | "partly")).then_some(last)
    };
    let import =
        |shop: &str| last(shop, "product_import").map(|last| format!("{shop}: {} SKUs read", last["counts"]["seen"]));
    let sent = stats.prices_changed + stats.stocks_changed;
    let exported =
        [BY_CONSENT[0].id, HANDED_IN.id].iter().all(|shop| last(shop, "product_export").is_some()) && sent > 0;
    let reminder = reminder(&stage.state_dir.join("mail"));
    vec![
        (
            "source",
            last("erp", "product_import")
                .map(|_| "erp: the product source is read; what it complains of is kept (`runs show`)".to_owned()),
        ),
        ("uk", import(BY_CONSENT[0].id)),
        ("de", import(HANDED_IN.id)),
        (
            "export",
            exported.then(|| {
                format!(
                    "both shops are brought in line: {} prices and {} stocks sent, nothing else",
                    stats.prices_changed, stats.stocks_changed
                )
            }),
        ),
        (
            "refresh",
            (stats.refreshes > 0)
                .then(|| format!("a token was renewed ({} so far); its refresh token was spent once", stats.refreshes)),
        ),
        ("reminder", reminder.map(|path| format!("the owed reminder is written: {}", path.display()))),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shop_stands_as_its_jobs_do() {
        let shop = |state: &str, held_by: Value| {
            json!({"state": state, "jobs": {
                "authorization_refresh": {"state": "held", "held_by": state},
                "product_import": {"state": "held", "held_by": held_by},
                "product_export": {"state": "off", "held_by": null},
            }})
        };
        assert!(stands(&shop("revoked", "revoked".into()), "revoked"));
        assert!(!stands(&shop("revoked", Value::Null), "revoked"), "its import goes on");
        assert!(!stands(&shop("lapsed", "lapsed".into()), "revoked"));
        let running = json!({"state": "active", "jobs": {"product_import": {"state": "running", "held_by": null}}});
        assert!(stands(&running, "active"));
        assert!(!stands(&shop("active", "revoked".into()), "active"), "it still waits");
    }
}
