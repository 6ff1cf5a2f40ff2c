//! Edits of the settings while the daemon runs.

use serde_json::Value;
use shopsyncd::{
    channels::tiktok_shop::fake::{APP_KEY, Seed},
    control::Request,
    domain::{Demand, Outcome, Trigger},
};

use crate::world::{Database, EXPORT, IMPORT, Log, REFRESH, World, berlin, minutes, number, on_both_databases};

const MORNING: &str = "2026-03-02T09:00";

on_both_databases! {
    a_shop_waits_while_the_settings_name_another_app_and_works_again_with_either,
}

async fn a_working_shop() -> World {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(5)).await;
    world
}

#[tokio::test]
async fn an_edit_takes_effect_by_itself_and_a_bad_one_changes_nothing() {
    let mut world = a_working_shop().await;
    assert_eq!(world.job("uk", EXPORT).await["period"], "10 minutes");
    world.write_shop("uk", "[shops.uk.jobs]\nproduct_export = \"1 minute\"\n");
    world.wait_until("the edit is noticed", async || world.job("uk", EXPORT).await["period"] == "1 minute").await;
    let before = world.runs("uk", EXPORT).await.len();
    world.pass(minutes(10)).await;
    assert_eq!(world.runs("uk", EXPORT).await.len() - before, 10, "the new period holds at once");

    world.write_shop("uk", "[shops.uk.jobs]\nproduct_export = \"1 minuet\"\n");
    world.wait_until("the bad edit is told", async || world.status().await["settings"]["error"] != Value::Null).await;
    let error = world.status().await["settings"]["error"].clone();
    assert!(error.as_str().unwrap().contains("shops.d/uk.toml:"), "{error}");
    assert!(error.as_str().unwrap().contains("shops.uk.jobs.product_export"), "{error}");
    assert_eq!(world.job("uk", EXPORT).await["period"], "1 minute", "the old settings keep serving");
    assert!(world.why("uk", EXPORT).await.contains("the newest settings were refused"));
    let refused = world.ask(Request::Reload).await.unwrap_err();
    assert_eq!((refused.exit, refused.findings.len()), (78, 1), "{refused:?}");
    assert_eq!(refused.findings[0].key, "shops.uk.jobs.product_export");
    let before = world.runs("uk", EXPORT).await.len();
    world.pass(minutes(3)).await;
    assert_eq!(world.runs("uk", EXPORT).await.len() - before, 3);
    let told = world.mails().await;
    assert!(matches!(&told[..], [one] if one.ends_with("the newest settings were refused")), "{told:?}");

    world.write_shop("uk", "");
    world.ask(Request::Reload).await.unwrap();
    assert_eq!(world.status().await["settings"]["error"], Value::Null);
    assert_eq!(world.job("uk", EXPORT).await["period"], "10 minutes");
    world.end().await;
}

#[tokio::test]
async fn a_hang_up_signal_is_a_reload_but_nobodys_word_that_shops_go() {
    let (log, _kept) = Log::kept();
    let world = a_working_shop().await;
    let hang_up = || rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP).unwrap();
    let refused = async || world.status().await["settings"]["error"].as_str().is_some_and(|it| it.contains("vanished"));
    world.remove_shop("uk");
    hang_up();
    world.wait_until("the daemon minds that the file is gone", refused).await;
    hang_up();
    world.write_shop("uk", "");
    hang_up();
    world.wait_until("the file is back", async || world.status().await["settings"]["error"] == Value::Null).await;
    assert_eq!(world.status().await["shops"].as_array().unwrap().len(), 2);
    assert_eq!(log.lines("settings.rejected").len(), 1, "{:#?}", log.all());

    // Somebody who asks for it means it.
    world.remove_shop("uk");
    world.ask(Request::Reload).await.unwrap();
    assert_eq!(world.status().await["shops"].as_array().unwrap().len(), 1);
    // The operator is told of the refusal, unless it was mended at once.
    world.pass(minutes(2)).await;
    world.end_with_mails().await;
}

#[tokio::test]
async fn a_start_without_a_file_that_was_there_is_told_and_takes_nothing_from_the_shop() {
    let (log, _kept) = Log::kept();
    let mut world = a_working_shop().await;
    world.stop().await;
    world.remove_shop("uk");
    world.start().await;
    let told = log.lines("settings.shops_gone");
    assert!(matches!(&told[..], [one] if one.contains("WARN") && one.contains("`uk`")), "{told:#?}");
    world.pass(minutes(5)).await;
    let mails = world.mails().await;
    assert!(matches!(&mails[..], [one] if one.ends_with("a shop is in no settings file any more")), "{mails:?}");

    world.source(&[("A", "11.00", 5)]);
    world.write_shop("uk", "");
    world.ask(Request::Reload).await.unwrap();
    world.pass(minutes(15)).await;
    assert_eq!(world.offers("uk"), ["A 11.00 5"], "nobody had to authorize anything again");
    world.stop().await;
    world.start().await;
    assert_eq!(log.lines("settings.shops_gone").len(), 1, "and a start with all its files tells nothing");
    world.end_with_mails().await;
}

#[tokio::test]
async fn while_a_shops_file_is_gone_by_mistake_every_command_tells_that_the_shop_is_served_on() {
    let mut world = a_working_shop().await;
    let refused = async || world.status().await["settings"]["error"].as_str().is_some_and(|it| it.contains("vanished"));
    world.write_shop("uk", "[shops.uk.jobs]\nproduct_export = \"7 minutes\"\n");
    world.ask(Request::Reload).await.unwrap();
    world.remove_shop("uk");
    world.wait_until("the daemon minds that the file is gone", refused).await;

    let (code, out, err) = world.command("jobs why uk product_export").await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("product_export of shop `uk` waits for its next due instant"), "{out}");
    assert!(out.contains("the newest settings were refused and the ones before still serve"), "{out}");
    let (code, out, err) = world.command("shops list").await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.lines().any(|line| line.starts_with("uk ") && line.ends_with("7 minutes")), "{out}");
    assert!(!out.contains("is not in the settings any more"), "{out}");
    let (code, out, err) = world.command("shops show uk").await;
    assert_eq!(code, 0, "{out}{err}");
    let row = out.lines().find(|line| line.starts_with("jobs.product_export")).unwrap();
    assert!(row.contains("7 minutes") && row.ends_with("shops.d/uk.toml:7"), "{row}");
    let (code, out, err) = world.command("--json upcoming --days 1").await;
    assert_eq!(code, 0, "{out}{err}");
    let upcoming: Value = serde_json::from_str(&out).unwrap();
    let export = |item: &&Value| item["shop"] == "uk" && item["job"] == "product_export";
    assert!(upcoming["items"].as_array().unwrap().iter().any(|item| export(&item)), "{out}");
    let (code, _, err) = world.command("jobs run uk product_export --dry-run").await;
    assert_eq!(code, 78, "{err}");
    assert!(err.contains("is not in the files as they are, and the daemon serves it on"), "{err}");

    // Taken out on purpose, its data is told of.
    world.ask(Request::Reload).await.unwrap();
    let kept = "shop `uk` is not in the settings any more, so nothing runs for it; its data is kept";
    for line in ["jobs why uk product_export", "shops show uk", "jobs run uk product_export --dry-run"] {
        let (code, out, err) = world.command(line).await;
        assert_eq!(code, 64, "{line}: {out}{err}");
        assert!(err.contains(kept), "{line}: {err}");
    }
    let (_, out, _) = world.command("shops list").await;
    assert!(out.contains(kept), "{out}");
    world.stop().await;
    let (_, out, _) = world.command("--json shops list").await;
    let list: Value = serde_json::from_str(&out).unwrap();
    let of =
        |id: &str| list["shops"].as_array().unwrap().iter().find(|shop| shop["id"] == id).unwrap()["removed"].clone();
    assert_eq!([of("erp"), of("uk")], [Value::Bool(false), Value::Bool(true)], "{out}");
}

#[tokio::test]
async fn a_reload_after_the_edit_was_noticed_tells_since_when_it_is_in_force_and_what_it_changed() {
    let world = a_working_shop().await;
    let (code, out, err) = world.command("reload").await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.starts_with("nothing changed: what the files say is in force since the start at 2026-03-02 09:00:"),
        "{out}"
    );
    world.write_shop("uk", "[shops.uk.jobs]\nproduct_export = \"1 minute\"\n");
    world.wait_until("the edit is noticed", async || world.job("uk", EXPORT).await["period"] == "1 minute").await;
    world.pass(minutes(2)).await;
    let (code, out, _) = world.command("reload").await;
    assert_eq!(code, 0, "{out}");
    let told = "nothing changed: what the files say is in force since 2026-03-02 09:05:00 CET (2 min 0 s ago), by an edit that changed\n  shops.uk.jobs.product_export: 10 minutes -> 1 minute\n";
    assert_eq!(out, told);
    world.write_shop("uk", "[shops.uk.jobs]\nproduct_export = \"3 minutes\"\n");
    let told = world.ask(Request::Reload).await.unwrap();
    assert_eq!(told["latest"], serde_json::json!(["shops.uk.jobs.product_export: 1 minute -> 3 minutes"]), "{told}");
    world.end().await;
}

#[tokio::test]
async fn an_address_that_is_edited_is_not_told_in_the_log() {
    let (log, _kept) = Log::kept();
    let world = a_working_shop().await;
    world.write_shop("uk", "remind = [\"anna.secret@example.com\"]\n");
    world.ask(Request::Reload).await.unwrap();
    world.write_shop("uk", "remind = [\"anna.secret@@example.com\"]\n");
    world.ask(Request::Reload).await.unwrap_err();
    let told = [log.lines("settings.reloaded"), log.lines("settings.rejected")].map(|lines| lines.join("\n"));
    assert!(told.iter().all(|told| told.contains("shops.uk.remind") && !told.contains("anna.secret")), "{told:?}");
    // The operator is told of the refusal, unless it was mended at once.
    world.pass(minutes(2)).await;
    world.end_with_mails().await;
}

#[tokio::test]
async fn a_period_of_none_switches_a_job_off_and_keeps_its_history() {
    let world = a_working_shop().await;
    world.write_shop("uk", "[shops.uk.jobs]\nproduct_import = \"None\"\n");
    world.ask(Request::Reload).await.unwrap();
    let before = world.runs("uk", IMPORT).await;
    world.source(&[("A", "10.50", 5)]);
    world.pass(minutes(150)).await;
    assert_eq!(world.runs("uk", IMPORT).await, before, "no run is added and none is lost");
    let job = world.job("uk", IMPORT).await;
    assert_eq!((&job["state"], &job["next_due_at"]), (&"off".into(), &Value::Null));
    assert_eq!(world.offers("uk"), ["A 10.50 5"], "the others go on");
    let run = world.run_now("uk", IMPORT, Demand::default()).await.unwrap();
    assert_eq!(run["outcome"], "done", "a person may still ask for it");
    world.end().await;
}

#[tokio::test]
async fn a_removed_shop_stops_and_keeps_its_data_until_it_is_forgotten() {
    let world = a_working_shop().await;
    world.remove_shop("uk");
    world.ask(Request::Reload).await.unwrap();
    assert_eq!(world.shop("uk").await, Value::Null);
    let (runs, calls) = (world.runs("uk", EXPORT).await, world.fake.stats().calls);
    assert!(!runs.is_empty());
    world.pass(minutes(120)).await;
    assert_eq!((world.runs("uk", EXPORT).await, world.fake.stats().calls), (runs, calls), "nothing runs any more");

    // Back again, it goes on where it was, without its owner.
    world.write_shop("uk", "");
    world.ask(Request::Reload).await.unwrap();
    world.source(&[("A", "10.50", 5)]);
    world.pass(minutes(25)).await;
    assert_eq!(world.shop("uk").await["state"], "active");
    assert_eq!(world.offers("uk"), ["A 10.50 5"]);

    let forget = || Request::Forget { shop: "uk".parse().unwrap() };
    let refused = world.ask(forget()).await.unwrap_err();
    assert_eq!(refused.exit, 77, "a shop that is in the files is not forgotten: {refused}");
    world.remove_shop("uk");
    world.ask(Request::Reload).await.unwrap();
    let erased = world.ask(forget()).await.unwrap()["text"].as_str().unwrap().to_owned();
    for what in ["listings", "passes", "runs", "1 authorization,"] {
        assert!(erased.contains(what), "{what}: {erased}");
    }
    assert_eq!(world.runs("uk", EXPORT).await, []);
    for (unknown, why) in [("uk", "nothing is kept of a shop `uk`"), ("erq", "did you mean `erp`?")] {
        let refused = world.ask(Request::Forget { shop: unknown.parse().unwrap() }).await.unwrap_err();
        assert!(refused.exit == 64 && refused.text.contains(why), "{refused}");
    }
    let mut tx = world.store().read(world.clock.now()).await.unwrap();
    let noted = tx.journal(None, 100).await.unwrap().into_iter().filter(|line| line.2 == "shop.forgotten").count();
    drop(tx);
    assert_eq!(noted, 1, "only what was erased is noted");
    world.write_shop("uk", "");
    world.ask(Request::Reload).await.unwrap();
    world.pass(minutes(5)).await;
    assert_eq!(world.shop("uk").await["state"], "pending", "now its owner has to agree again");
    world.end().await;
}

#[tokio::test]
async fn what_is_worth_knowing_of_an_edit_is_logged_when_it_is_put_in_force() {
    let (log, _kept) = Log::kept();
    let world = a_working_shop().await;
    let told = || log.lines("settings.finding").into_iter().filter(|line| line.contains("no automatic call")).count();
    assert_eq!(told(), 0);
    world.write_shop("uk", "[shops.uk.jobs]\nauthorization_refresh = \"None\"\n");
    world.ask(Request::Reload).await.unwrap();
    assert_eq!(told(), 1, "{:?}", log.lines("settings.finding"));
    world.ask(Request::Reload).await.unwrap();
    assert_eq!(told(), 1, "nothing changed");
    world.replace_in_main("[web]\n", "[web]\npublic_url = \"http://shops.example.com\"\n");
    world.ask(Request::Reload).await.unwrap();
    let found = log.lines("settings.finding");
    let level =
        |words: &str| found.iter().rfind(|line| line.contains(words)).unwrap().split_whitespace().nth(1).unwrap();
    assert_eq!((level("no automatic call"), level("web.public_url")), ("INFO", "WARN"), "{found:?}");
    world.end().await;
}

#[tokio::test]
async fn what_is_asked_in_vain_is_answered_truly() {
    let world = a_working_shop().await;
    let text = |answer: Value| answer["text"].as_str().unwrap().to_owned();
    let resumed = world.ask(Request::Resume { shop: "uk".parse().unwrap() }).await.unwrap();
    assert!(text(resumed).contains("was not paused"));
    let tested = world.ask(Request::Test { shop: "erp".parse().unwrap() }).await.unwrap();
    assert!(text(tested).contains("needs no permission"));
    let retried = world.ask(Request::MailRetry { id: 99 }).await.unwrap_err();
    assert_eq!((retried.exit, retried.text.as_str()), (64, "there is no mail 99; see `shopsyncd mail list`"));
    let mailed = world.ask(Request::MailTest { address: "bad".to_owned() }).await.unwrap_err();
    assert_eq!(mailed.exit, 64);
    assert!(mailed.text.starts_with("`bad` is not a mail address"), "{mailed}");
    world.end().await;
}

#[tokio::test]
async fn mail_that_does_not_leave_is_told_by_whoever_says_how_the_daemon_does() {
    let mut world = a_working_shop().await;
    let reasons = async || world.ask(Request::Health).await.unwrap()["reasons"].to_string();
    // What stands in the folder's place is none.
    let mails = world.state_dir().join("mail");
    let _ = std::fs::remove_dir_all(&mails);
    std::fs::write(&mails, "").unwrap();
    let test = || Request::MailTest { address: "ops@example.com".to_owned() };
    assert_eq!(world.ask(test()).await.unwrap_err().exit, 1);
    assert!(!reasons().await.contains("not left"), "once may happen");
    let id = world.store().read(world.clock.now()).await.unwrap().mails(None, 1).await.unwrap()[0].id;
    let refused = world.ask(Request::MailRetry { id }).await.unwrap_err();
    assert!(
        refused.exit == 1 && refused.text.starts_with(&format!("mail {id} has not left: mail folder ")),
        "{refused}"
    );
    let told = reasons().await;
    assert!(told.contains("1 mail has not left since 2") && told.contains("mail folder "), "{told}");
    std::fs::remove_file(&mails).unwrap();
    let left = world.ask(Request::MailRetry { id }).await.unwrap();
    assert_eq!(left["text"], format!("mail {id} has left"));
    assert!(!reasons().await.contains("not left"));
    assert_eq!(world.mails().await, ["2026-03-02 09:05 test ops@example.com: shopsyncd can send mail"]);
    world.end().await;
}

#[tokio::test]
async fn a_paused_shop_rests_and_catches_up_when_the_pause_ends() {
    let world = a_working_shop().await;
    let shop = || "uk".parse().unwrap();
    world.ask(Request::Pause { shop: shop() }).await.unwrap();
    world.source(&[("A", "10.50", 5)]);
    let calls = world.fake.stats().calls;
    world.pass(minutes(120)).await;
    assert_eq!(world.fake.stats().calls, calls, "no call while it is paused");
    for job in [REFRESH, IMPORT, EXPORT] {
        assert_eq!(world.job("uk", job).await["state"], "paused", "{job}");
    }
    assert_eq!(world.run_now("uk", EXPORT, Demand::default()).await.unwrap_err().exit, 77);
    world.ask(Request::Resume { shop: shop() }).await.unwrap();
    world.settle().await;
    assert_eq!(world.offers("uk"), ["A 10.50 5"], "caught up at once");
    assert_eq!(world.last_run("uk", EXPORT).await.outcome, Some(Outcome::Done));
    world.end().await;
}

async fn a_shop_waits_while_the_settings_name_another_app_and_works_again_with_either(database: Database) {
    const PERIODS: [&str; 3] = ["1 day"; 3];
    const ENDS: &str = "shopsyncd_authorization_ends_timestamp_seconds{";
    let mut world = World::new(database, "2026-05-01T12:00", &["uk"]);
    let [refresh, import, export] = PERIODS;
    world.write_main(refresh, import, export);
    world.fake.rules(|rules| rules.authorization_life = minutes(60 * 24 * 60));
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.settle().await;
    assert_eq!(world.metrics(ENDS).await.len(), 1);
    let given = world.shop("uk").await["authorization"].clone();
    // The first reminder cannot leave: what stands in the folder's place is none.
    let mails = world.state_dir().join("mail");
    std::fs::write(&mails, "").unwrap();
    world.leap(berlin("2026-05-30T08:00")).await;
    world.pass(minutes(1)).await;
    assert_eq!(world.status().await["mail"]["owed"], 1);

    let mut other = world.another_app(&["uk"]);
    world.change_app(&mut other, PERIODS);
    world.ask(Request::Reload).await.unwrap();
    world.settle().await;
    let waiting = world.shop("uk").await;
    let known =
        ["state", "authorization", "access_token", "next_reminder_at", "account"].map(|key| waiting[key].clone());
    assert_eq!(known, ["pending".into(), Value::Null, Value::Null, Value::Null, Value::Null]);
    assert_eq!(waiting["other_app"], APP_KEY);
    for job in [REFRESH, IMPORT, EXPORT] {
        assert_eq!(world.job("uk", job).await["held_by"], "pending", "{job}");
        let why = world.why("uk", job).await;
        let told = format!("the authorization was given to the app `{APP_KEY}`, and the settings name another one now");
        assert!(why.contains(&told) && why.contains("shopsyncd shops authorize uk"), "{why}");
        assert_eq!(world.run_now("uk", job, Demand::default()).await.unwrap_err().exit, 77);
    }
    assert_eq!(world.status().await["mail"]["owed"], 0, "what was owed is not owed any more");
    assert_eq!(world.metrics(ENDS).await, Vec::<String>::new());
    std::fs::remove_file(&mails).unwrap();
    world.source(&[("A", "11.00", 4)]);
    let calls = other.stats().calls;
    world.leap(berlin("2026-06-06T09:00")).await;
    world.pass(minutes(1)).await;
    assert_eq!(world.mails().await, Vec::<String>::new());
    assert_eq!((world.fake.stats().calls.len(), other.stats().calls), (0, calls), "no call by either app");

    // The app is set back: the permission serves again, and the ladder goes on.
    world.change_app(&mut other, PERIODS);
    world.ask(Request::Reload).await.unwrap();
    world.pass(minutes(11)).await;
    let back = world.shop("uk").await;
    assert_eq!((&back["state"], &back["other_app"]), (&"active".into(), &Value::Null));
    assert_eq!((&back["authorization"]["id"], &back["authorization"]["ends_at"]), (&given["id"], &given["ends_at"]));
    assert_eq!(world.offers("uk"), ["A 11.00 4"], "what was missed is caught up");
    let reminder = "2026-06-06 09:01 reminder owner@example.com: Shop uk: permission ends in 24 days, on 30 June";
    assert_eq!(world.mails().await, [reminder], "the latest step that was missed");
    assert_eq!(back["next_reminder_at"], "2026-06-13T06:00:00Z");

    // The owner renews for the other app.
    other
        .seed_products(
            &number("uk"),
            &[Seed { sku: "A".into(), price: "9.00".into(), stock: Some(1), ..Seed::default() }],
        )
        .unwrap();
    world.change_app(&mut other, PERIODS);
    world.ask(Request::Reload).await.unwrap();
    world.settle().await;
    assert_eq!(world.shop("uk").await["state"], "pending");
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(2)).await;
    let renewed = world.shop("uk").await;
    assert_eq!((&renewed["state"], &renewed["other_app"]), (&"active".into(), &Value::Null));
    assert_ne!(renewed["authorization"]["id"], given["id"]);
    for job in [REFRESH, IMPORT, EXPORT] {
        let run = world.last_run("uk", job).await;
        assert_eq!((run.trigger, run.outcome), (Trigger::Renewal, Some(Outcome::Done)), "{run:?}");
    }
    assert_eq!(world.offers("uk"), ["A 11.00 4"]);
    for at in ["2026-06-13T08:00", "2026-06-30T13:00"] {
        world.leap(berlin(at)).await;
        world.pass(minutes(1)).await;
    }
    assert_eq!(world.mails().await, Vec::<String>::new(), "of the former permission nobody is told any more");
    world.end().await;
}
