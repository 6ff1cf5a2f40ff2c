//! Watching the daemon of the demo: what has happened, as it happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rust_decimal::Decimal;
use serde_json::Value;

use super::{
    Stage, catalogue,
    markets::Markets,
    shops::{self, DemoShop},
};
use crate::{
    cli::{Outcome, exit},
    control::{self, Refusal, Request},
};

/// How long everything may take together before the demo says that something is wrong.
pub(super) const LIMIT: Duration = Duration::from_secs(90);

/// How often is looked.
const GLANCE: Duration = Duration::from_millis(200);

/// Waits until the daemon answers.
pub(super) async fn until_ready(state_dir: &Path) -> Outcome {
    let began = Instant::now();
    while control::ask(state_dir, &Request::Health, |_| {}).await.is_err() {
        if began.elapsed() > LIMIT {
            return Err(Refusal::new(exit::FAILED, "the daemon did not start; see daemon.log in the demo's folder"));
        }
        tokio::time::sleep(GLANCE).await;
    }
    Ok(())
}

/// How far a shop is from what the source wants.
pub(super) struct Gap {
    shop: DemoShop,
    wanted: BTreeMap<String, (Decimal, i64)>,
    /// How many SKUs differed when the demo began.
    first: usize,
}

impl Gap {
    /// Of every shop.
    pub(super) fn of_all(markets: &Markets) -> Vec<Self> {
        let of = |shop: DemoShop| {
            let wanted = |one: catalogue::Variant| (one.sku, (shop.price_of(one.price), one.stock));
            let mut gap = Self { shop, wanted: catalogue::variants().into_iter().map(wanted).collect(), first: 0 };
            gap.first = gap.differing(markets);
            gap
        };
        shops::all().map(of).collect()
    }

    /// How many SKUs differ, by what the marketplace has.
    fn differing(&self, markets: &Markets) -> usize {
        let standings = markets.standings(self.shop);
        let stands = |sku: &str| standings.get(sku).and_then(|known| Some((known.price?, known.stock)));
        self.wanted.iter().filter(|(sku, wanted)| stands(sku) != Some(**wanted)).count()
    }
}

/// What is waited for, each told once when it has happened.
pub(super) async fn until_done(stage: &Stage, gaps: &[Gap]) -> Outcome {
    let began = Instant::now();
    let mut open: Vec<What> = [What::Source, What::Refresh, What::Reminder].into();
    open.extend(gaps.iter().map(What::InLine));
    while !open.is_empty() {
        let status = control::ask(&stage.state_dir, &Request::Status { shop: None, limit: None }, |_| {})
            .await
            .unwrap_or_default();
        let mut still = Vec::new();
        for what in open {
            match what.happened(stage, &status) {
                Some(text) => stage.say(&text)?,
                None => still.push(what),
            }
        }
        open = still;
        if began.elapsed() > LIMIT {
            return Err(Refusal::new(
                exit::FAILED,
                format!("not everything happened in time; see {}", stage.log().display()),
            ));
        }
        tokio::time::sleep(GLANCE).await;
    }
    Ok(())
}

/// Waits until a shop's permission stands so, and its jobs are held by that or, where it is active, by nothing. Tells what the
/// channel said of it.
pub(super) async fn until_state(stage: &Stage, shop: &str, state: &str) -> Result<String, Refusal> {
    let began = Instant::now();
    loop {
        let status = control::ask(&stage.state_dir, &Request::Status { shop: None, limit: None }, |_| {})
            .await
            .unwrap_or_default();
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

/// What is waited for.
enum What<'a> {
    Source,
    Refresh,
    Reminder,
    InLine(&'a Gap),
}

impl What<'_> {
    /// In words what has happened.
    fn happened(&self, stage: &Stage, status: &Value) -> Option<String> {
        let ended = |job: &Value| matches!(job["last"]["outcome"].as_str(), Some("done" | "partly"));
        match self {
            Self::Source => ended(job_of(status, "erp", "product_import"))
                .then(|| "erp: the product file is read; what is wrong in it is kept (`runs show`)".to_owned()),
            Self::Refresh => {
                let renewed = stage.markets.tiktok.stats().refreshes;
                (renewed > 0)
                    .then(|| format!("a token was renewed ({renewed} so far); its refresh token was spent once"))
            }
            Self::Reminder => {
                let letter = mails(&stage.mail(), "reminder").pop_last()?;
                Some(format!("the owed reminder is written: {}", letter.display()))
            }
            Self::InLine(gap) => {
                let id = gap.shop.id;
                let in_line = ended(export_of(status, id)) && gap.differing(&stage.markets) == 0;
                in_line.then(|| {
                    let all = gap.wanted.len();
                    format!(
                        "{id}: {} of {all} SKUs differed, all are as the file wants them, in {}",
                        gap.first, gap.shop.currency
                    )
                })
            }
        }
    }
}

fn job_of<'a>(status: &'a Value, shop: &str, job: &str) -> &'a Value {
    let view = status["shops"].as_array().into_iter().flatten().find(|view| view["id"] == shop);
    view.map_or(&Value::Null, |view| &view["jobs"][job])
}

/// How the export of a shop stands.
pub(super) fn export_of<'a>(status: &'a Value, shop: &str) -> &'a Value {
    job_of(status, shop, "product_export")
}

/// The mails of this kind, in the order of their writing.
pub(super) fn mails(folder: &Path, kind: &str) -> BTreeSet<PathBuf> {
    let header = format!("X-Shopsyncd-Kind: {kind}");
    let is_one =
        |path: &PathBuf| fs::read_to_string(path).unwrap_or_default().lines().any(|line| line.trim_end() == header);
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_one).collect()
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
