//! `status`: every shop at a glance.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    Outcome, exit,
    open::{self, Env},
    print,
    table::Table,
};
use crate::{
    clock::Clock,
    config::{Config, ShopConfig},
    control::{Refusal, Request},
    daemon,
    domain::counted,
    notices, report,
    store::{StoreError, Tx},
};

pub(super) async fn status(env: &Env) -> Outcome {
    let health = env.ask(&Request::Health).await;
    let loaded = env.load();
    let (status, zone) = if let Some(config) = &loaded.config {
        (of_database(&mut open::reading(config).await?, config).await?, config.timezone.clone())
    } else {
        let wrong: Vec<String> = loaded.errors().map(ToString::to_string).collect();
        let mut status = last_in_force(env, health.is_ok()).await?;
        status["settings"]["error"] = wrong.join(" | ").into();
        (status, TimeZone::UTC)
    };
    if env.json {
        return print::json(&with_health(status, &health));
    }
    print_status(&status, &health, &zone)
}

async fn of_database(tx: &mut Tx, config: &Config) -> Result<Value, Refusal> {
    let people = daemon::people_of(config).map_err(|error| Refusal::new(error.exit(), error.to_string()))?;
    let reminders = notices::next_reminders(tx, &people).await.map_err(open::unavailable)?;
    let status =
        report::status(tx, config, &reminders, daemon::needs_authorization).await.map_err(open::unavailable)?;
    serde_json::to_value(status).map_err(|error| Refusal::new(exit::FAILED, error.to_string()))
}

/// With broken settings the daemon still serves those before, and without one the database knows what was in force.
async fn last_in_force(env: &Env, daemon: bool) -> Result<Value, Refusal> {
    let asked = if daemon { env.ask(&Request::Status).await.ok() } else { None };
    if let Some(status) = asked {
        return Ok(status);
    }
    let (config, mut tx) = env.look().await?;
    let config = as_last_in_force(&mut tx, config).await.map_err(open::unavailable)?;
    of_database(&mut tx, &config).await
}

/// The settings as far as they can be read, with the shops and periods that were in force last.
async fn as_last_in_force(tx: &mut Tx, mut config: Config) -> Result<Config, StoreError> {
    config.shops.clear();
    for row in tx.shops().await?.into_iter().filter(|row| row.configured) {
        let schedules = tx.schedules(Some(&row.id)).await?;
        let shop = ShopConfig {
            channel: row.channel,
            name: row.name,
            remind: Vec::new(),
            jobs: schedules.into_iter().map(|schedule| (schedule.job, schedule.period)).collect(),
            full_import: ShopConfig::default_full_import(),
            export: ShopConfig::default_rules(),
            warehouse: None,
            own: serde_json::Map::new(),
        };
        config.shops.insert(row.id, shop);
    }
    Ok(config)
}

fn with_health(mut status: Value, health: &Result<Value, Refusal>) -> Value {
    status["daemon"] = match health {
        Ok(health) => health.clone(),
        Err(refusal) => json!({ "healthy": false, "reasons": [refusal.text] }),
    };
    status
}

fn print_status(status: &Value, health: &Result<Value, Refusal>, zone: &TimeZone) -> Outcome {
    table(status, zone, Clock::system().now()).print()?;
    print::text(&footer(status, health))
}

fn table(status: &Value, zone: &TimeZone, now: Timestamp) -> Table {
    let mut table = Table::new(&["JOB", "STATE", "LAST", "NEXT", "PERIOD"]).spare(&["PERIOD"]);
    for shop in status["shops"].as_array().into_iter().flatten() {
        table.section(heading(shop, zone, now));
        for line in [machines_clocks(shop, now), why_it_ended(shop)].into_iter().flatten() {
            table.section(line);
        }
        for (job, view) in shop["jobs"].as_object().into_iter().flatten() {
            table.row([
                job.clone(),
                state(view),
                last(&view["last"], now),
                instant(&view["next_due_at"]).map_or("-".into(), |at| report::relative(at, now)),
                word(&view["period"]),
            ]);
            table.note(complaints(view).as_deref());
        }
    }
    table
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn instant(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// The shop and its owner's clock in one line.
fn heading(shop: &Value, zone: &TimeZone, now: Timestamp) -> String {
    let mut parts = vec![word(&shop["id"])];
    parts.extend(shop["state"].as_str().map(str::to_owned));
    let authorization = &shop["authorization"];
    if let (Some(at), Some(days)) = (instant(&authorization["ends_at"]), authorization["days_left"].as_i64()) {
        let date = at.to_zoned(zone.clone()).strftime("%Y-%m-%d");
        parts.push(format!("ends {date} ({}, {})", counted_days(days), word(&authorization["source"])));
    }
    parts.extend(instant(&shop["next_reminder_at"]).map(|at| format!("next reminder {}", report::relative(at, now))));
    parts.join("  ")
}

/// The clocks of the tokens, which machines wind, in one line.
fn machines_clocks(shop: &Value, now: Timestamp) -> Option<String> {
    let clock = |(name, key): (&str, &str)| {
        let ends_at = instant(&shop[key]["ends_at"])?;
        let verb = if ends_at > now { "ends" } else { "ended" };
        Some(format!("{name} {verb} {} ({})", report::relative(ends_at, now), word(&shop[key]["source"])))
    };
    let clocks: Vec<_> =
        [("access token", "access_token"), ("refresh token", "refresh_token")].into_iter().filter_map(clock).collect();
    (!clocks.is_empty()).then(|| format!("  {}", clocks.join(", ")))
}

/// The channel's word for a permission that has ended.
fn why_it_ended(shop: &Value) -> Option<String> {
    let why = shop["authorization"]["why"].as_str().filter(|_| shop["state"] != "active")?;
    Some(format!("  {why}; renew it with the link shown by `shopsyncd shops authorize {}`", word(&shop["id"])))
}

fn counted_days(days: i64) -> String {
    let count = counted(days.unsigned_abs(), "day", "days");
    if days < 0 { format!("{count} ago") } else { count }
}

fn state(view: &Value) -> String {
    let state = word(&view["state"]);
    match view["held_by"].as_str().filter(|hold| *hold != state) {
        Some(hold) => format!("{state} ({hold})"),
        None => state,
    }
}

fn complaints(view: &Value) -> Option<String> {
    let count = view["complaints"].as_u64().filter(|count| *count > 0)?;
    let run = &view["last"]["run_id"];
    let seen = if run.is_null() { String::new() } else { format!("; see `shopsyncd runs show {run}`") };
    Some(format!("{}{seen}", counted(count, "complaint about a SKU", "complaints about SKUs")))
}

fn last(last: &Value, now: Timestamp) -> String {
    let Some(at) = instant(&last["finished_at"]).or_else(|| instant(&last["started_at"])) else { return "-".into() };
    let outcome = last["outcome"].as_str().unwrap_or("under way");
    format!("{outcome} {}", report::relative(at, now))
}

fn footer(status: &Value, health: &Result<Value, Refusal>) -> String {
    let mut lines = vec![String::new()];
    let settings = status["settings"]["error"].as_str();
    lines.push(match health {
        Err(refusal) => format!("daemon: {}", refusal.text),
        Ok(health) => {
            let reasons = health["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
            // What is wrong with the settings has a line of its own.
            let reasons: Vec<_> =
                reasons.filter(|reason| settings.is_none() || !reason.starts_with(daemon::SETTINGS_REFUSED)).collect();
            if reasons.is_empty() { "daemon: well".into() } else { format!("daemon: {}", reasons.join("; ")) }
        }
    });
    if let Some(error) = settings {
        lines.push(format!("settings: the newest were refused, the ones before serve: {error}"));
    }
    lines.extend(instances(status));
    lines.extend(status["app_secrets"].as_array().into_iter().flatten().map(app_secret));
    let removed = status["removed"].as_array().into_iter().flatten().filter_map(Value::as_str);
    lines.extend(removed.map(open::kept_text));
    let (owed, refused) = (&status["mail"]["owed"], &status["mail"]["refused"]);
    lines.push(format!("mail: {owed} owed, {refused} refused"));
    lines.join("\n")
}

/// Our app's secret on a channel, whose end somebody wrote into the settings.
fn app_secret(secret: &Value) -> String {
    let (channel, date, source) = (word(&secret["channel"]), word(&secret["ends_on"]), word(&secret["source"]));
    let days = counted_days(secret["days_left"].as_i64().unwrap_or_default());
    format!("client secret of {channel}: ends {date} ({days}, {source})")
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
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn several_instances_are_told_and_who_stands_by() {
        let status = json!({
            "instances": [{ "id": "north.a", "standing_by": false }, { "id": "south.b", "standing_by": true }],
            "mail": { "owed": 0, "refused": 0 },
        });
        let well = Ok(json!({ "healthy": true, "reasons": [] }));
        insta::assert_snapshot!(footer(&status, &well).trim(), @r"
        daemon: well
        instances: north.a, south.b (stands by)
        mail: 0 owed, 0 refused
        ");
    }

    fn shops() -> Value {
        json!({
            "shops": [
                {
                    "id": "erp", "state": null, "authorization": null, "next_reminder_at": null,
                    "jobs": { "product_import": {
                        "period": "10 minutes", "state": "idle", "held_by": null, "complaints": 4,
                        "next_due_at": "2026-03-01T12:05:00Z",
                        "last": { "run_id": 9, "finished_at": "2026-03-01T11:55:00Z", "outcome": "done" },
                    } },
                },
                {
                    "id": "uk", "state": "active", "next_reminder_at": "2026-05-30T06:00:00Z",
                    "authorization": { "ends_at": "2026-06-30T10:00:00Z", "days_left": 121, "source": "told" },
                    "access_token": { "ends_at": "2026-03-01T15:00:00Z", "source": "told" },
                    "refresh_token": { "ends_at": "2026-03-31T12:00:00Z", "source": "told" },
                    "jobs": { "product_export": {
                        "period": "10 minutes", "state": "paused", "held_by": "paused", "complaints": 0,
                        "next_due_at": null, "last": null,
                    } },
                },
                {
                    "id": "us", "state": "revoked", "next_reminder_at": null, "jobs": {},
                    "authorization": { "ends_at": null, "why": "the seller took it back" },
                    "access_token": { "ends_at": "2026-03-01T11:00:00Z", "source": "told" },
                    "refresh_token": { "ends_at": null, "source": null },
                },
            ],
            "app_secrets": [{ "channel": "amazon", "ends_on": "2026-03-11", "days_left": 10, "source": "configured" }],
            "settings": { "error": "shopsyncd.toml:3: not TOML" },
            "mail": { "owed": 0, "refused": 1 },
        })
    }

    #[test]
    fn every_shop_has_a_line_and_its_jobs_with_their_complaints_stand_below() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let table = format!("{:?}", table(&shops(), &TimeZone::UTC, now));
        assert!(table.contains("erp") && !table.contains("paused (paused)"), "{table}");
        assert!(table.contains("4 complaints about SKUs; see `shopsyncd runs show 9`"), "{table}");
        assert!(table.contains("uk  active  ends 2026-06-30 (121 days, told)  next reminder in 89 days"), "{table}");
        assert!(
            table.contains("  access token ends in 3 h 0 min (told), refresh token ends in 30 days (told)"),
            "{table}"
        );
        assert!(table.contains("  access token ended 1 h 0 min ago (told)"), "{table}");
        let renew = "the seller took it back; renew it with the link shown by `shopsyncd shops authorize us`";
        assert!(table.contains(renew), "{table}");
    }

    #[test]
    fn a_refusal_of_settings_is_said_once() {
        let reason = format!("{}: shopsyncd.toml:3: not TOML", daemon::SETTINGS_REFUSED);
        let health = Ok(json!({ "healthy": false, "reasons": [reason] }));
        insta::assert_snapshot!(footer(&shops(), &health).trim_start(), @r"
        daemon: well
        settings: the newest were refused, the ones before serve: shopsyncd.toml:3: not TOML
        client secret of amazon: ends 2026-03-11 (10 days, configured)
        mail: 0 owed, 1 refused
        ");
    }
}
