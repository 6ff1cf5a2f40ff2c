//! `status`: every shop at a glance.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

use super::{
    Outcome, exit,
    open::{self, Env},
    print,
};
use crate::{
    clock::Clock,
    control::{Refusal, Request},
    daemon, notices, report,
};

pub(super) async fn status(env: &Env) -> Outcome {
    let healthy = env.ask(&Request::Health).await.ok();
    let loaded = env.load();
    let (status, zone) = match &loaded.config {
        Some(config) => {
            let mut tx = open::reading(config).await?;
            let people = daemon::people_of(config).map_err(|error| Refusal::new(error.exit(), error.to_string()))?;
            let reminders = notices::next_reminders(&mut tx, &people).await.map_err(open::unavailable)?;
            let status = report::status(&mut tx, config, &reminders, daemon::needs_authorization)
                .await
                .map_err(open::unavailable)?;
            let value = serde_json::to_value(status).map_err(|error| Refusal::new(exit::FAILED, error.to_string()))?;
            (value, config.timezone.clone())
        }
        // Broken settings: the daemon that still serves the old ones knows.
        None => (env.ask(&Request::Status).await.or_else(|_| env.settings().map(|_| Value::Null))?, TimeZone::UTC),
    };
    if env.json {
        return print::json(&with_health(status, healthy.as_ref()));
    }
    print_status(&status, healthy.as_ref(), &zone)
}

fn with_health(mut status: Value, healthy: Option<&Value>) -> Value {
    status["daemon"] =
        healthy.cloned().unwrap_or(serde_json::json!({ "healthy": false, "reasons": ["no daemon answers"] }));
    status
}

fn print_status(status: &Value, healthy: Option<&Value>, zone: &TimeZone) -> Outcome {
    let now = Clock::system().now();
    let mut table =
        print::table(&["SHOP", "STATE", "AUTHORIZATION ENDS", "JOB", "PERIOD", "JOB STATE", "LAST", "NEXT"]);
    for shop in status["shops"].as_array().into_iter().flatten() {
        let mut first = true;
        for (job, view) in shop["jobs"].as_object().into_iter().flatten() {
            let head = |cell: String| if first { cell } else { String::new() };
            table.add_row([
                head(word(&shop["id"])),
                head(shop["state"].as_str().unwrap_or("-").to_owned()),
                head(ends(shop, zone)),
                job.clone(),
                word(&view["period"]),
                state(view),
                last(&view["last"], now),
                instant(&view["next_due_at"]).map_or("-".into(), |at| report::relative(at, now)),
            ]);
            first = false;
        }
    }
    print::print_table(&table)?;
    print::text(&footer(status, healthy))
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn instant(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn ends(shop: &Value, zone: &TimeZone) -> String {
    let authorization = &shop["authorization"];
    match (instant(&authorization["ends_at"]), authorization["days_left"].as_i64()) {
        (Some(at), Some(days)) => {
            let date = at.to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string();
            format!("{date} ({days} d, {})", word(&authorization["source"]))
        }
        _ if authorization.is_null() => "-".into(),
        _ => "never".into(),
    }
}

fn state(view: &Value) -> String {
    match view["held_by"].as_str() {
        Some(hold) => format!("{} ({hold})", word(&view["state"])),
        None => word(&view["state"]),
    }
}

fn last(last: &Value, now: Timestamp) -> String {
    let Some(at) = instant(&last["finished_at"]).or_else(|| instant(&last["started_at"])) else { return "-".into() };
    let outcome = last["outcome"].as_str().unwrap_or("under way");
    format!("{outcome} {}", report::relative(at, now))
}

fn footer(status: &Value, healthy: Option<&Value>) -> String {
    let mut lines = vec![String::new()];
    lines.push(match healthy {
        None => "daemon: none answers; start it with `systemctl start shopsyncd` or `shopsyncd run`".into(),
        Some(health) if health["healthy"] == true => "daemon: well".into(),
        Some(health) => {
            let reasons: Vec<_> =
                health["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            format!("daemon: {}", reasons.join("; "))
        }
    });
    lines.extend(instances(status));
    if let Some(error) = status["settings"]["error"].as_str() {
        lines.push(format!("settings: the newest were refused, the ones before serve: {error}"));
    }
    let removed = status["removed"].as_array().into_iter().flatten().filter_map(Value::as_str);
    lines.extend(removed.map(open::kept_text));
    let (owed, refused) = (&status["mail"]["owed"], &status["mail"]["refused"]);
    lines.push(format!("mail: {owed} owed, {refused} refused"));
    lines.join("\n")
}

/// The instances, where there are several.
fn instances(status: &Value) -> Option<String> {
    let all = status["instances"].as_array().filter(|all| all.len() > 1)?;
    let one = |known: &Value| {
        let standing_by = if known["standing_by"] == true { " (stands by)" } else { "" };
        format!("{}{standing_by}", word(&known["id"]))
    };
    Some(format!("instances: {}", all.iter().map(one).collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_instances_are_told_and_who_stands_by() {
        let status = serde_json::json!({
            "instances": [{ "id": "north.a", "standing_by": false }, { "id": "south.b", "standing_by": true }],
            "mail": { "owed": 0, "refused": 0 },
        });
        let well = serde_json::json!({ "healthy": true, "reasons": [] });
        insta::assert_snapshot!(footer(&status, Some(&well)).trim(), @r"
        daemon: well
        instances: north.a, south.b (stands by)
        mail: 0 owed, 0 refused
        ");
    }
}
