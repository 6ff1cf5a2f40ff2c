//! `status`: every shop at a glance.

use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    Outcome, exit,
    open::{self, Env},
    print,
    table::Table,
};
use crate::{
    clock::Clock,
    config::Config,
    control::{Refusal, Request},
    daemon,
    domain::{Complaint, ShopId, counted, days_left},
    report,
    store::Tx,
};

mod words;

/// How many shops people are shown who do not say how many.
const PAGE: usize = 50;

pub(super) async fn status(env: &Env, shop: Option<ShopId>, limit: Option<usize>) -> Outcome {
    let limit = limit.or((!env.json).then_some(PAGE));
    let health = env.ask(&Request::Health).await;
    // A daemon has the settings at hand, however many shops are in them, and serves those before where the files are broken.
    let asked = match health {
        Ok(_) => env.ask(&Request::Status { shop: shop.clone(), limit }).await.ok(),
        Err(_) => None,
    };
    let (mut status, zone) = match asked {
        Some(status) => (status, zone_of(&health).unwrap_or_else(|| env.without_shops().timezone)),
        None => of_files(env, shop.as_ref(), limit).await.map_err(|refusal| with_reasons(refusal, &health))?,
    };
    // A file serves one daemon: where none answers, whoever is on record was killed.
    let is_gone = health.as_ref().is_err_and(|refusal| refusal.exit == exit::UNAVAILABLE);
    if is_gone && !env.without_shops().is_postgres() {
        status["instances"] = json!([]);
    }
    if env.json {
        return print::json(&with_health(status, &health));
    }
    print_status(&status, &health, &zone)
}

/// What a daemon said of itself is told, also where nothing else can be.
fn with_reasons(mut refusal: Refusal, health: &Result<Value, Refusal>) -> Refusal {
    let reasons = health.iter().flat_map(|health| health["reasons"].as_array().into_iter().flatten());
    let reasons: Vec<&str> = reasons.filter_map(Value::as_str).filter(|reason| *reason != refusal.text).collect();
    if !reasons.is_empty() {
        refusal.text = format!("{}; the daemon says of itself: {}", refusal.text, reasons.join("; "));
    }
    refusal
}

/// The time zone of the settings in force, whatever the files say.
fn zone_of(health: &Result<Value, Refusal>) -> Option<TimeZone> {
    TimeZone::get(health.as_ref().ok()?["timezone"].as_str()?).ok()
}

/// By the settings files; where they are broken the database knows what was in force.
async fn of_files(env: &Env, shop: Option<&ShopId>, limit: Option<usize>) -> Result<(Value, TimeZone), Refusal> {
    let loaded = env.load();
    if let Some(config) = &loaded.config {
        let status = of_database(&mut open::reading(config).await?, config, shop, limit).await?;
        return Ok((status, config.timezone.clone()));
    }
    let wrong: Vec<String> = loaded.errors().map(ToString::to_string).collect();
    let (config, mut tx) = env.look().await?;
    let config = open::as_last_in_force(&mut tx, config).await.map_err(open::unavailable)?;
    let mut status = of_database(&mut tx, &config, shop, limit).await?;
    status["settings"]["error"] = wrong.join(" | ").into();
    Ok((status, config.timezone))
}

async fn of_database(
    tx: &mut Tx,
    config: &Config,
    shop: Option<&ShopId>,
    limit: Option<usize>,
) -> Result<Value, Refusal> {
    if let Some(shop) = shop {
        open::known_shop(config, shop)?;
    }
    let people = daemon::people_of(config).map_err(|error| Refusal::new(error.exit(), error.to_string()))?;
    let status = daemon::status_of(tx, config, &people, shop, limit).await.map_err(open::unavailable)?;
    serde_json::to_value(status).map_err(|error| Refusal::new(exit::FAILED, error.to_string()))
}

fn with_health(mut status: Value, health: &Result<Value, Refusal>) -> Value {
    status["daemon"] = match health {
        Ok(health) => health.clone(),
        Err(refusal) => json!({ "healthy": false, "reasons": [refusal.text] }),
    };
    status
}

fn print_status(status: &Value, health: &Result<Value, Refusal>, zone: &TimeZone) -> Outcome {
    let now = Clock::system().now().to_zoned(zone.clone());
    table(status, &now).print()?;
    print::text(&footer(status, health, &now))
}

fn table(status: &Value, now: &Zoned) -> Table {
    let mut table = Table::new(&["JOB", "STATE", "LAST", "NEXT", "PERIOD"]).spare(&["PERIOD"]);
    for shop in status["shops"].as_array().into_iter().flatten() {
        let (id, clock) = (word(&shop["id"]), owners_clock(shop, now));
        let whose = [&shop["channel"], &shop["account_name"], &shop["account"]];
        let mut whose: Vec<_> = whose.into_iter().filter_map(Value::as_str).collect();
        whose.dedup();
        let full = if whose.is_empty() { id.clone() } else { format!("{id} ({})", whose.join(", ")) };
        table.heading(format!("{full}{clock}"), format!("{id}{clock}"));
        let lines = [machines_clocks(shop, now), to_authorize(shop)].into_iter().flatten();
        for line in lines.chain(words::holds(shop)) {
            table.section(format!("  {line}"));
        }
        for (job, view) in shop["jobs"].as_object().into_iter().flatten() {
            table.row([
                job.clone(),
                word(&view["state"]),
                last(&view["last"], now),
                instant(&view["next_due_at"]).map_or("-".into(), |at| report::at_a_glance(at, now)),
                word(&view["period"]),
            ]);
            table.note(words::failure(&id, view, now.timestamp()).as_deref());
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

/// How a shop's permission stands and its owner's clock, to stand behind its name.
fn owners_clock(shop: &Value, now: &Zoned) -> String {
    let authorization = &shop["authorization"];
    let date = |at: Timestamp| at.to_zoned(now.time_zone().clone()).strftime("%Y-%m-%d").to_string();
    let ends_at = instant(&authorization["ends_at"]);
    let state = shop["state"].as_str();
    let mut parts = vec![String::new()];
    parts.extend(state.map(str::to_owned));
    parts.extend(match (state, ends_at) {
        (Some("revoked"), _) => {
            let since = instant(&authorization["ended_at"]).map(|at| format!(" on {}", date(at))).unwrap_or_default();
            Some(format!("the channel ended it{since}"))
        }
        (Some("lapsed"), Some(at)) => Some(format!("ended {}", date(at))),
        (_, Some(at)) if at <= now.timestamp() => Some(format!("ended {}", date(at))),
        (_, Some(at)) => {
            let days = counted_days(days_left(at, now));
            Some(format!("ends {} ({days}, {})", date(at), word(&authorization["source"])))
        }
        (Some("active"), None) if authorization.is_object() => Some("no end".to_owned()),
        _ => None,
    });
    parts
        .extend(instant(&shop["next_reminder_at"]).map(|at| format!("next reminder {} ({})", date(at), seen(at, now))));
    parts.join("  ")
}

/// An instant as seen from now; days are counted by the calendar, as those of the owner's clock are.
fn seen(at: Timestamp, now: &Zoned) -> String {
    let days = days_left(at, now);
    if at.duration_since(now.timestamp()).abs() < SignedDuration::from_hours(48) {
        report::relative(at, now.timestamp())
    } else if days < 0 {
        counted_days(days)
    } else {
        format!("in {}", counted_days(days))
    }
}

/// The clocks of the tokens, which machines wind, in one line. Those of a permission that has ended wind nothing.
fn machines_clocks(shop: &Value, now: &Zoned) -> Option<String> {
    let clock = |(name, key): (&str, &str)| {
        let ends_at = instant(&shop[key]["ends_at"])?;
        let verb = if ends_at > now.timestamp() { "ends" } else { "ended" };
        Some(format!("{name} {verb} {} ({})", seen(ends_at, now), word(&shop[key]["source"])))
    };
    let clocks: Vec<_> =
        [("access token", "access_token"), ("refresh token", "refresh_token")].into_iter().filter_map(clock).collect();
    let lives = !matches!(shop["state"].as_str(), Some("lapsed" | "revoked"));
    (lives && !clocks.is_empty()).then(|| clocks.join(", "))
}

/// What the owner has to do, and the channel's word for a permission that has ended.
fn to_authorize(shop: &Value) -> Option<String> {
    let link = format!("the link shown by `shopsyncd shops authorize {}`", word(&shop["id"]));
    match shop["state"].as_str()? {
        "pending" => Some(match shop["other_app"].as_str() {
            Some(app) => format!(
                "the authorization was given to the app `{app}`, and the settings name another one now; ask its owner to open {link}, or set the app back"
            ),
            None => format!("nobody has authorized the shop yet; ask its owner to open {link}"),
        }),
        "lapsed" | "revoked" => {
            let why = shop["authorization"]["why"].as_str().unwrap_or_default().trim_end_matches('.');
            let why = if why.is_empty() { String::new() } else { format!("{why}; ") };
            Some(format!("{why}ask its owner to renew the authorization with {link}"))
        }
        _ => None,
    }
}

fn counted_days(days: i64) -> String {
    let count = counted(days.unsigned_abs(), "day", "days");
    if days < 0 { format!("{count} ago") } else { count }
}

fn complaints(view: &Value) -> Option<String> {
    let count = view["complaints"].as_u64().filter(|count| *count > 0)?;
    let run = &view["last"]["run_id"];
    let seen = if run.is_null() { String::new() } else { format!("; see `shopsyncd runs show {run}`") };
    let unmatched = [
        (Complaint::UNKNOWN_SKU, "unknown to the source"),
        (Complaint::DUPLICATE_SKU, "doubled in the shop"),
        (Complaint::AMBIGUOUS_BARCODE, "ambiguous by barcode"),
    ];
    let told = |(code, words): (&str, &str)| Some(format!("{} {words}", view["complaints_by_code"][code].as_u64()?));
    let unmatched: Vec<String> = unmatched.into_iter().filter_map(told).collect();
    let unmatched = if unmatched.is_empty() { String::new() } else { format!(" ({})", unmatched.join(", ")) };
    Some(format!("{}{unmatched}{seen}", counted(count, "complaint about a SKU", "complaints about SKUs")))
}

fn last(last: &Value, now: &Zoned) -> String {
    let Some(at) = instant(&last["finished_at"]).or_else(|| instant(&last["started_at"])) else { return "-".into() };
    let outcome = last["outcome"].as_str().unwrap_or("under way");
    format!("{outcome} {}", report::at_a_glance(at, now))
}

/// How many mails wait, and until when: some do so on purpose.
fn mail(mail: &Value, now: &Zoned) -> String {
    let (owed, refused) = (&mail["owed"], &mail["refused"]);
    let next = instant(&mail["next_attempt_at"]).filter(|at| *at > now.timestamp());
    let waits = next.map(|at| format!(" (the next is tried {})", report::relative(at, now.timestamp())));
    let off = if mail["off"] == true { "mail is switched off: " } else { "mail: " };
    format!("{off}{owed} owed{}, {refused} refused", waits.unwrap_or_default())
}

fn footer(status: &Value, health: &Result<Value, Refusal>, now: &Zoned) -> String {
    let mut lines: Vec<String> = more(status).into_iter().collect();
    lines.push(String::new());
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
    lines.extend(removed.map(report::kept_text));
    lines.push(mail(&status["mail"], now));
    lines.join("\n")
}

/// That there are more shops than were shown.
fn more(status: &Value) -> Option<String> {
    let count = status["more"].as_u64().filter(|count| *count > 0)?;
    let shops = counted(count, "more shop", "more shops");
    Some(format!("\n{shops}; `--limit` shows more of them, `--shop` one"))
}

/// Our app's secret on a channel, whose end somebody wrote into the settings.
fn app_secret(secret: &Value) -> String {
    let (channel, date, source) = (word(&secret["channel"]), word(&secret["ends_on"]), word(&secret["source"]));
    match secret["days_left"].as_i64().unwrap_or_default() {
        0 => format!("client secret of {channel}: ends today ({source})"),
        days @ 1.. => format!("client secret of {channel}: ends {date} ({}, {source})", counted_days(days)),
        _ => format!(
            "client secret of {channel}: ended {date} ({source}); make a new one in the channel's developer pages"
        ),
    }
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
        insta::assert_snapshot!(footer(&status, &well, &noon()).trim(), @r"
        daemon: well
        instances: north.a, south.b (stands by)
        mail: 0 owed, 0 refused
        ");
    }

    #[test]
    fn the_shops_that_are_not_shown_are_counted() {
        let mut status = shops();
        status["more"] = json!(4);
        let well = Ok(json!({ "healthy": true, "reasons": [] }));
        let told = footer(&status, &well, &noon());
        assert!(told.contains("4 more shops; `--limit` shows more of them, `--shop` one"), "{told}");
        status["more"] = json!(0);
        assert!(!footer(&status, &well, &noon()).contains("more shop"));
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
                    "id": "uk", "channel": "tiktok_shop", "account": "7010736", "account_name": "Harbour Ltd", "state": "active", "next_reminder_at": "2026-05-30T06:00:00Z",
                    "authorization": { "ends_at": "2026-06-30T10:00:00Z", "days_left": 121, "source": "told" },
                    "access_token": { "ends_at": "2026-03-01T15:00:00Z", "source": "told" },
                    "refresh_token": { "ends_at": "2026-03-31T12:00:00Z", "source": "told" },
                    "jobs": { "product_export": {
                        "period": "10 minutes", "state": "paused", "held_by": "paused", "complaints": 0,
                        "next_due_at": null, "last": null,
                    } },
                },
                {
                    "id": "us", "channel": "tiktok_shop", "account": "Harbour Ltd", "state": "revoked",
                    "next_reminder_at": null, "jobs": {},
                    "authorization": { "ends_at": "2026-08-01T00:00:00Z", "ended_at": "2026-02-27T08:00:00Z",
                        "why": "the seller took it back." },
                    "access_token": { "ends_at": "2026-03-01T11:00:00Z", "source": "told" },
                    "refresh_token": { "ends_at": null, "source": null },
                },
                {
                    "id": "us-2", "channel": "tiktok_shop", "account": "Hafen GmbH", "state": "lapsed", "jobs": {},
                    "authorization": { "ends_at": "2026-03-01T09:00:00Z", "days_left": 0, "source": "told" },
                    "access_token": { "ends_at": "2026-03-07T12:00:00Z", "source": "told" },
                },
                {
                    "id": "tw", "channel": "shopline", "account": "Gangwan", "state": "active", "jobs": {},
                    "authorization": { "ends_at": null, "source": null },
                    "refresh_token": { "ends_at": "2026-06-30T09:00:00Z", "source": "told" },
                },
                { "id": "vn", "channel": "shopee", "state": "pending", "authorization": null, "jobs": {} },
            ],
            "app_secrets": [{ "channel": "amazon", "ends_on": "2026-03-11", "days_left": 10, "source": "configured" }],
            "settings": { "error": "shopsyncd.toml:3: not TOML" },
            "mail": { "owed": 0, "refused": 1 },
        })
    }

    fn noon() -> Zoned {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        now.to_zoned(TimeZone::UTC)
    }

    fn told(status: &Value) -> String {
        table(status, &noon()).lines(None).join("\n")
    }

    #[test]
    fn mail_that_waits_on_purpose_looks_like_no_broken_relay() {
        let waits = json!({ "owed": 12, "refused": 0, "next_attempt_at": "2026-03-01T12:27:00Z" });
        assert_eq!(mail(&waits, &noon()), "mail: 12 owed (the next is tried in 27 min 0 s), 0 refused");
        let off = json!({ "owed": 2, "refused": 1, "off": true });
        assert_eq!(mail(&off, &noon()), "mail is switched off: 2 owed, 1 refused");
    }

    #[test]
    fn every_shop_has_a_line_with_its_clocks_and_its_jobs_stand_below() {
        insta::assert_snapshot!(told(&shops()), @r"
          JOB             STATE   LAST                        NEXT                  PERIOD
        erp
          product_import  idle    done 11:55 (5 min 0 s ago)  12:05 (in 5 min 0 s)  10 minutes
            4 complaints about SKUs; see `shopsyncd runs show 9`
        uk (tiktok_shop, Harbour Ltd, 7010736)  active  ends 2026-06-30 (121 days, told)  next reminder 2026-05-30 (in 90 days)
          access token ends in 3 h 0 min (told), refresh token ends in 30 days (told)
          paused by a person; `shopsyncd shops resume uk` ends the pause
          product_export  paused  -                           -                     10 minutes
        us (tiktok_shop, Harbour Ltd)  revoked  the channel ended it on 2026-02-27
          the seller took it back; ask its owner to renew the authorization with the link shown by `shopsyncd shops authorize us`
        us-2 (tiktok_shop, Hafen GmbH)  lapsed  ended 2026-03-01
          ask its owner to renew the authorization with the link shown by `shopsyncd shops authorize us-2`
        tw (shopline, Gangwan)  active  no end
          refresh token ends in 121 days (told)
        vn (shopee)  pending
          nobody has authorized the shop yet; ask its owner to open the link shown by `shopsyncd shops authorize vn`
        ");
    }

    #[test]
    fn what_holds_or_fails_a_job_is_said_in_plain_words_with_what_to_do() {
        let job =
            |held_by: &str| json!({ "period": "1 hour", "state": "held", "held_by": held_by, "next_due_at": null });
        let failed = json!({ "outcome": "failed", "finished_at": "2026-03-01T11:59:00Z",
            "error": { "kind": "unavailable", "text": "amazon: answer 503", "remedy": "wait" } });
        let retried = json!({ "started_at": "2026-03-01T11:59:00Z", "retry_at": "2026-03-01T12:00:40Z",
            "error": { "kind": "unavailable", "text": "amazon: answer 503", "remedy": "" } });
        let guarded = json!({ "outcome": "held", "finished_at": "2026-03-01T11:59:00Z",
            "error": { "kind": "guard", "text": "would retire 9 SKUs", "remedy": "" } });
        let status = json!({ "shops": [
            { "id": "de", "channel": "amazon", "state": "active", "jobs": { "a": job("app_alarm"), "b": job("app_alarm") } },
            { "id": "fr", "channel": "amazon", "state": "active", "jobs": { "a": job("refresh_none"), "b": job("no_source") } },
            { "id": "it", "channel": "amazon", "state": "active", "jobs": {
                "a": { "period": "1 hour", "state": "idle", "next_due_at": "2026-03-01T12:30:00Z", "last": failed },
                "b": { "period": "1 hour", "state": "retrying", "next_due_at": null, "last": retried },
                "product_export": { "period": "1 hour", "state": "held", "held_by": "guard", "last": guarded },
            } },
        ] });
        insta::assert_snapshot!(told(&status), @r"
          JOB             STATE     LAST                             NEXT                   PERIOD
        de (amazon)  active
          amazon refuses our app, so all its shops wait; mend its keys at `channels.amazon` and reload (`shopsyncd jobs why` names them, and says what it answered)
          a               held      -                                -                      1 hour
          b               held      -                                -                      1 hour
        fr (amazon)  active
          `authorization_refresh` of this shop is `None`, so no automatic call is made for it; set `shops.fr.jobs.authorization_refresh` to a period to let its jobs run
          without a product source nothing is exported; set `product_source` to the shop whose products are the truth
          a               held      -                                -                      1 hour
          b               held      -                                -                      1 hour
        it (amazon)  active
          a               idle      failed 11:59 (1 min 0 s ago)     12:30 (in 30 min 0 s)  1 hour
            amazon: answer 503; wait; it is tried again in 30 min 0 s
          b               retrying  under way 11:59 (1 min 0 s ago)  -                      1 hour
            amazon: answer 503; it is tried again in 40 s
          product_export  held      held 11:59 (1 min 0 s ago)       -                      1 hour
            a guard stopped it: would retire 9 SKUs; look at `shopsyncd jobs run it product_export --dry-run`, and let this plan through with `shopsyncd jobs run it product_export --release-guard`
        ");
    }

    #[test]
    fn a_permission_of_another_app_is_not_called_none() {
        let shop = json!({ "id": "vn", "state": "pending", "other_app": "2001" });
        insta::assert_snapshot!(to_authorize(&shop).unwrap(), @"the authorization was given to the app `2001`, and the settings name another one now; ask its owner to open the link shown by `shopsyncd shops authorize vn`, or set the app back");
    }

    #[test]
    fn a_refusal_of_settings_is_said_once() {
        let reason = format!("{}: shopsyncd.toml:3: not TOML", daemon::SETTINGS_REFUSED);
        let health = Ok(json!({ "healthy": false, "reasons": [reason] }));
        insta::assert_snapshot!(footer(&shops(), &health, &noon()).trim_start(), @r"
        daemon: well
        settings: the newest were refused, the ones before serve: shopsyncd.toml:3: not TOML
        client secret of amazon: ends 2026-03-11 (10 days, configured)
        mail: 0 owed, 1 refused
        ");
    }
}
