//! Plain words for what holds a shop's jobs and for what failed.

use jiff::Timestamp;
use serde_json::Value;

use super::{instant, word};
use crate::report;

/// What holds a shop's jobs, each said once, with what to do. That the permission is missing or has ended stands beside its clock, and
/// what a guard stopped beside the job.
pub(super) fn holds(shop: &Value) -> Vec<String> {
    let (id, channel) = (word(&shop["id"]), word(&shop["channel"]));
    let mut lines = Vec::new();
    for (_, view) in shop["jobs"].as_object().into_iter().flatten() {
        let line = match view["held_by"].as_str() {
            Some("paused") => format!("paused by a person; `shopsyncd shops resume {id}` ends the pause"),
            Some("app_alarm") => format!(
                "{channel} refuses our app, so all its shops wait; mend its keys at `channels.{channel}` and reload (`shopsyncd jobs why` names them, and says what it answered)"
            ),
            Some("refresh_none") => format!(
                "`authorization_refresh` of this shop is `None`, so no automatic call is made for it; set `shops.{id}.jobs.authorization_refresh` to a period to let its jobs run"
            ),
            Some("shop_closed") => {
                "the channel says that the shop is closed; it is looked at once a day and goes on by itself".to_owned()
            }
            Some("scope_missing") => format!(
                "the authorization lacks a right; ask its owner to open the link shown by `shopsyncd shops authorize {id}`"
            ),
            Some("no_source") => {
                "without a product source nothing is exported; set `product_source` to the shop whose products are the truth"
                    .to_owned()
            }
            _ => continue,
        };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Why a job's last run did not do its work, and when it is tried again.
pub(super) fn failure(shop: &str, view: &Value, now: Timestamp) -> Option<String> {
    let last = &view["last"];
    let text = last["error"]["text"].as_str()?;
    if view["held_by"] == "guard" {
        let run = format!("shopsyncd jobs run {shop} product_export");
        return Some(format!(
            "a guard stopped it: {text}; look at `{run} --dry-run`, and let this plan through with `{run} --release-guard`"
        ));
    }
    let again = |at: Timestamp| format!("it is tried again {}", report::relative(at, now));
    let then = match (view["state"].as_str()?, instant(&last["retry_at"]), last["outcome"].as_str()) {
        ("retrying", Some(at), _) if last["error"]["kind"] == "throttled" || last["error"]["kind"] == "waiting" => {
            format!("it goes on {}", report::relative(at, now))
        }
        ("retrying", at, _) => at.map(again).unwrap_or_default(),
        (_, _, Some("failed")) => {
            let remedy = last["error"]["remedy"].as_str().unwrap_or_default().to_owned();
            let next = instant(&view["next_due_at"]).filter(|at| *at > now).map(again);
            [Some(remedy).filter(|remedy| !remedy.is_empty()), next]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("; ")
        }
        _ => return None,
    };
    Some(if then.is_empty() { text.to_owned() } else { format!("{text}; {then}") })
}
