//! What `jobs why` answers, to the letter, in every state a job can be in.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, fs};

use jiff::{SignedDuration, Timestamp};
use shopsyncd::{
    channels::Tools,
    clock::Clock,
    config::{Config, load::Env},
    domain::{
        Account, AuthorizationId, AuthorizationState, Complaint, Counts, Demand, EndSource, Ending, ErrorKind,
        InstanceId, JobKind, Outcome, RunId, ShopId, Trigger, hold,
    },
    http::Http,
    report::{Surroundings, product_show, run_show, status, why},
    secrets::Sealed,
    settings,
    store::{
        AppAlarm, Finish, Finished, InstanceRow, NewGrant, NewRun, SealedGrant, ShopRow, Store, Tx, WantedSchedule,
        WantedShop,
    },
};
use tempfile::TempDir;

const IMPORT: JobKind = JobKind::ProductImport;
const EXPORT: JobKind = JobKind::ProductExport;

const SETTINGS: &str = r#"timezone = "Europe/Berlin"
product_source = "erp"

[channels.tiktok_shop]
client_id = "app"
client_secret = "a secret"
service_id = "7"

[channels.tiktok_shop.jobs]
product_import = "1 hour"

[shops.erp]
channel = "file"
path = "products.csv"
currency = "GBP"

[shops.uk]
channel = "tiktok_shop"
name = "UK"
shop_id = "7490000000000000001"
region = "GB"

[shops.uk.jobs]
product_export = "15 minutes"
"#;

fn noon() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn uk() -> ShopId {
    "uk".parse().unwrap()
}

/// A store in which a daemon has left its state behind.
struct Scene {
    store: Store,
    config: Config,
    now: Timestamp,
    daemon: bool,
    stopped_by: Vec<String>,
    _folder: TempDir,
}

impl Scene {
    /// A daemon has started with these settings.
    async fn with(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shopsyncd.toml");
        fs::write(&file, settings).unwrap();
        fs::write(folder.path().join("products.csv"), "sku,title,price,currency,stock\n").unwrap();
        let now = noon();
        let clock = Clock::manual(now);
        let tools = Tools { http: Http::new(clock.clone()), clock };
        let loaded = settings::load(Some(&file), &Env { vars: BTreeMap::new(), serving: true, now }, &tools);
        let config = loaded.config.unwrap_or_else(|| panic!("{:#?}", loaded.findings));
        let store = Store::open("sqlite:why.db", folder.path()).await.unwrap();
        let scene = Self { store, config, now, daemon: true, stopped_by: Vec::new(), _folder: folder };
        scene.change(async |tx, config| enter(tx, config).await).await;
        scene
    }

    /// A shop whose owner agreed a month ago, for a year.
    async fn authorized() -> Self {
        let scene = Self::with(SETTINGS).await;
        scene.change(async |tx, _| grant(tx).await).await;
        scene
    }

    /// Writes something down, and lets holds follow from it.
    async fn change(&self, write: impl AsyncFnOnce(&mut Tx, &Config)) {
        let mut tx = self.store.write(self.now).await.unwrap();
        write(&mut tx, &self.config).await;
        let facts = tx.hold_facts(&uk(), true, self.config.product_source.is_some()).await.unwrap();
        let holds = JobKind::OF_SHOPS.map(|job| (job, hold::held_by(job, facts)));
        tx.set_holds(&uk(), &holds).await.unwrap();
        tx.commit().await.unwrap();
    }

    fn pass(&mut self, minutes: i64) {
        self.now += SignedDuration::from_mins(minutes);
    }

    async fn tell(&self, job: JobKind) -> String {
        let mut tx = self.store.read(self.now).await.unwrap();
        let around = Surroundings { daemon: self.daemon, stopped_by: self.stopped_by.clone() };
        why(&mut tx, &self.config, &uk(), job, around).await.unwrap().text
    }
}

async fn enter(tx: &mut Tx, config: &Config) {
    let shops: Vec<_> = config
        .shops
        .iter()
        .map(|(id, shop)| WantedShop {
            id: id.clone(),
            channel: shop.channel.clone(),
            name: shop.name.clone(),
            place: id.to_string(),
            app: Some("app".to_owned()),
        })
        .collect();
    let schedules: Vec<_> = config
        .shops
        .iter()
        .flat_map(|(id, shop)| {
            let schedule = |(job, period): (&JobKind, &shopsyncd::domain::Period)| WantedSchedule {
                shop: Some(id.clone()),
                job: *job,
                period: period.clone(),
            };
            shop.jobs.iter().map(schedule)
        })
        .collect();
    tx.sync_shops(&shops).await.unwrap();
    tx.sync_schedules(&schedules).await.unwrap();
    for name in ["one", "two"] {
        let instance = InstanceRow {
            id: InstanceId(name.to_owned()),
            version: "1".to_owned(),
            started_at: tx.now,
            beat: 0,
            settings_digest: String::new(),
            standing_by: false,
            dead: false,
            settings_error: None,
        };
        tx.add_instance(&instance).await.unwrap();
    }
}

async fn grant(tx: &mut Tx) {
    let now = tx.now;
    let account = Account { channel: "tiktok_shop".into(), app: "app".to_owned(), account: "seller".to_owned() };
    let given = now - SignedDuration::from_hours(30 * 24);
    let new = NewGrant { account, account_name: Some("Seller".to_owned()), authorized_at: given };
    let seal = |_: AuthorizationId, _: i64| SealedGrant {
        access_token: Sealed(vec![1]),
        access_token_issued_at: now,
        access_token_ends_at: now + SignedDuration::from_hours(24),
        refresh_token: None,
        refresh_token_ends_at: None,
        ends: Some(Ending { at: given + SignedDuration::from_hours(365 * 24), source: EndSource::Told }),
    };
    let granted = tx.grant(&new, seal).await.unwrap();
    tx.tie_shop(&uk(), granted.id, &serde_json::Value::Null).await.unwrap();
}

async fn ended(tx: &mut Tx, state: AuthorizationState, why: &str) {
    let ShopRow { authorization, .. } = tx.shop(&uk()).await.unwrap().unwrap();
    let id = authorization.unwrap();
    let known = tx.authorization(id).await.unwrap().unwrap();
    tx.set_authorization_state(id, known.generation, state, Some(why)).await.unwrap();
}

/// A run of a job begins; its number and its claim.
async fn begin(tx: &mut Tx, job: JobKind, by: &str) -> (RunId, i64) {
    let run = NewRun { shop: Some(uk()), job, demand: Demand::default() };
    tx.run_now(&run, Trigger::Now).await.unwrap();
    let claimed = tx.claim_runs(&InstanceId(by.to_owned()), 1, &[]).await.unwrap().remove(0);
    (claimed.id, claimed.lease_number)
}

async fn end(tx: &mut Tx, (id, lease_number): (RunId, i64), finish: Finish, error: Option<(ErrorKind, &str, &str)>) {
    let error = error.map(|(kind, text, remedy)| (kind, text.to_owned(), remedy.to_owned()));
    let refused = u64::from(matches!(finish, Finish::Ended(Outcome::Partly)));
    let counts = Counts { refused, ..Counts::default() };
    tx.finish_runs(&[Finished { id, lease_number, finish, counts, error }]).await.unwrap();
}

#[tokio::test]
async fn a_job_that_waits_for_its_time_says_when_that_is_and_by_which_line() {
    let mut scene = Scene::authorized().await;
    insta::assert_snapshot!(scene.tell(IMPORT).await, @r#"
    product_import of shop `uk` waits for its next due instant
    next: 2026-03-01 13:00:47 CET (in 47 s; period 1 hour, the channel's, shopsyncd.toml:10)
    "#);
    scene
        .change(async |tx, _| {
            let run = begin(tx, EXPORT, "one").await;
            end(tx, run, Finish::Ended(Outcome::Partly), None).await;
        })
        .await;
    scene.pass(2);
    insta::assert_snapshot!(scene.tell(EXPORT).await, @r#"
    product_export of shop `uk` is due and waits for a free place
    its last run (1, trigger now) ended 2026-03-01 13:00:00 CET (2 min 0 s ago): partly done: 1 SKU refused, see `shopsyncd runs show 1`
    due since: 2026-03-01 13:00:49 CET (1 min 10 s ago; period 15 minutes, the shop's own, shopsyncd.toml:24)
    "#);
}

#[tokio::test]
async fn what_is_wrong_with_skus_is_said_after_a_run_that_found_nothing_new() {
    let mut scene = Scene::authorized().await;
    scene
        .change(async |tx, _| {
            let run = begin(tx, IMPORT, "one").await;
            let complaint = Complaint {
                sku: "T-000-3".to_owned(),
                code: "stock".to_owned(),
                text: "`six` is no number".to_owned(),
                request_id: None,
            };
            tx.put_complaints(&uk(), IMPORT, run.0, &[complaint]).await.unwrap();
            end(tx, run, Finish::Ended(Outcome::Partly), None).await;
        })
        .await;
    scene.pass(1);
    scene
        .change(async |tx, _| {
            let run = begin(tx, IMPORT, "one").await;
            end(tx, run, Finish::Ended(Outcome::Done), None).await;
        })
        .await;
    insta::assert_snapshot!(scene.tell(IMPORT).await, @r#"
    product_import of shop `uk` is due and waits for a free place
    its last run (2, trigger now) ended 2026-03-01 13:01:00 CET (now): done
    1 complaint about a SKU stands; `shopsyncd runs show 2` lists what is wrong
    due since: 2026-03-01 13:00:47 CET (12 s ago; period 1 hour, the channel's, shopsyncd.toml:10)
    "#);
    let mut tx = scene.store.read(scene.now).await.unwrap();
    for run in [RunId(1), RunId(2)] {
        let view = run_show(&mut tx, run).await.unwrap().unwrap();
        let skus: Vec<_> = view.complaints.unwrap().into_iter().map(|complaint| complaint.sku).collect();
        assert_eq!(skus, ["T-000-3"], "{run}");
    }
    let sku = "T-000-3".parse().unwrap();
    let show = product_show(&mut tx, &scene.config, &sku).await.unwrap().unwrap();
    assert_eq!(show.complaints[0].text, "`six` is no number", "although there is no such product");
}

#[tokio::test]
async fn a_job_whose_period_is_none_is_off() {
    let scene = Scene::with(&SETTINGS.replace("\"15 minutes\"", "\"None\"")).await;
    scene.change(async |tx, _| grant(tx).await).await;
    insta::assert_snapshot!(scene.tell(EXPORT).await, @r#"
    product_export of shop `uk` is off: its period is `None`; set `shops.uk.jobs.product_export` to a period to switch it on
    "#);
}

#[tokio::test]
async fn a_shop_that_nobody_has_authorized_says_what_its_owner_has_to_do() {
    let scene = Scene::with(SETTINGS).await;
    insta::assert_snapshot!(scene.tell(IMPORT).await, @r#"
    product_import of shop `uk` is held: nobody has authorized the shop yet; ask its owner to open the link shown by `shopsyncd shops authorize uk`
    nothing that was missed is lost: it is caught up unasked once this has passed
    "#);
}

#[tokio::test]
async fn an_authorization_that_lapsed_says_when() {
    let scene = Scene::authorized().await;
    let now = noon() + SignedDuration::from_hours(340 * 24);
    let scene = Scene { now, ..scene };
    scene.change(async |tx, _| ended(tx, AuthorizationState::Lapsed, "its end date has passed").await).await;
    insta::assert_snapshot!(scene.tell(EXPORT).await, @r#"
    product_export of shop `uk` is held: the authorization ended on 2027-01-30; ask its owner to open the link shown by `shopsyncd shops authorize uk`
    nothing that was missed is lost: it is caught up unasked once this has passed
    "#);
    insta::assert_snapshot!(scene.tell(JobKind::AuthorizationRefresh).await, @r#"
    authorization_refresh of shop `uk` is held: the authorization ended on 2027-01-30; ask its owner to open the link shown by `shopsyncd shops authorize uk`
    next: 2027-02-05 13:00:00 CET (in 1 day 0 h; one look a day while held)
    "#);
}

#[tokio::test]
async fn an_authorization_that_was_revoked_says_so_in_the_channels_words() {
    let scene = Scene::authorized().await;
    scene.change(async |tx, _| ended(tx, AuthorizationState::Revoked, "the seller cancelled it").await).await;
    insta::assert_snapshot!(scene.tell(IMPORT).await, @r#"
    product_import of shop `uk` is held: the authorization was revoked before its end (the channel says: the seller cancelled it); a changed password at the marketplace is a usual cause; ask its owner to open the link shown by `shopsyncd shops authorize uk`
    nothing that was missed is lost: it is caught up unasked once this has passed
    "#);
}

/// What `status` says of the shop an hour later.
async fn status_of(scene: &Scene) -> serde_json::Value {
    let mut tx = scene.store.read(scene.now + SignedDuration::from_hours(1)).await.unwrap();
    let told = status(
        &mut tx,
        &scene.config,
        &scene.config.shops.keys().cloned().collect(),
        &BTreeMap::new(),
        |channel| channel.as_str() != "file",
        |_| EndSource::Told,
    )
    .await
    .unwrap();
    let told = serde_json::to_value(told).unwrap();
    told["shops"].as_array().unwrap().iter().find(|shop| shop["id"] == "uk").unwrap().clone()
}

#[tokio::test]
async fn status_knows_since_when_a_permission_is_gone_and_when_a_failed_job_is_tried_again() {
    let scene = Scene::authorized().await;
    let again = scene.now + SignedDuration::from_secs(40);
    scene
        .change(async |tx, _| {
            let run = begin(tx, IMPORT, "one").await;
            end(tx, run, Finish::Retry { at: again, counted: true }, Some((ErrorKind::Unavailable, "503", ""))).await;
        })
        .await;
    let shop = status_of(&scene).await;
    assert_eq!(shop["jobs"]["product_import"]["last"]["retry_at"], again.to_string());
    assert_eq!(shop["authorization"]["ended_at"], serde_json::Value::Null);
    scene
        .change(async |tx, _| {
            ended(tx, AuthorizationState::Revoked, "the seller cancelled it").await;
            tx.note("daemon", "authorization.revoked", Some(&uk()), "it has ended").await.unwrap();
        })
        .await;
    let shop = status_of(&scene).await;
    assert_eq!(shop["authorization"]["ended_at"], scene.now.to_string());
}

#[tokio::test]
async fn without_a_refresh_the_line_to_change_is_named() {
    let settings = format!("{SETTINGS}authorization_refresh = \"None\"\n");
    let scene = Scene::with(&settings).await;
    scene.change(async |tx, _| grant(tx).await).await;
    insta::assert_snapshot!(scene.tell(IMPORT).await, @r#"
    product_import of shop `uk` is held: `authorization_refresh` of this shop is `None`, so no automatic call is made for it; set `shops.uk.jobs.authorization_refresh` to a period to let it run
    nothing that was missed is lost: it is caught up unasked once this has passed
    "#);
    insta::assert_snapshot!(scene.tell(JobKind::AuthorizationRefresh).await, @r#"
    authorization_refresh of shop `uk` is off: its period is `None`; set `shops.uk.jobs.authorization_refresh` to a period to switch it on
    "#);
}

#[tokio::test]
async fn a_pause_names_the_command_that_ends_it() {
    let scene = Scene::authorized().await;
    scene.change(async |tx, _| tx.set_paused(&uk(), true).await.unwrap()).await;
    insta::assert_snapshot!(scene.tell(EXPORT).await, @r#"
    product_export of shop `uk` is paused by a person; `shopsyncd shops resume uk` ends the pause
    "#);
}

#[tokio::test]
async fn a_failed_attempt_says_why_and_when_the_next_one_is() {
    let scene = Scene::authorized().await;
    scene
        .change(async |tx, _| {
            let run = begin(tx, IMPORT, "one").await;
            let at = tx.now + SignedDuration::from_secs(40);
            let error = (ErrorKind::Unavailable, "tiktok_shop: answer 503", "nothing: it is tried again");
            end(tx, run, Finish::Retry { at, counted: true }, Some(error)).await;
        })
        .await;
    insta::assert_snapshot!(scene.tell(IMPORT).await, @r#"
    product_import of shop `uk` failed in attempt 1 (tiktok_shop: answer 503) and is tried again in 40 s
    next: 2026-03-01 13:00:47 CET (in 47 s; period 1 hour, the channel's, shopsyncd.toml:10)
    "#);
}

#[tokio::test]
async fn a_throttled_job_says_how_long_the_channel_asked_it_to_wait() {
    let scene = Scene::authorized().await;
    scene
        .change(async |tx, _| {
            let run = begin(tx, IMPORT, "one").await;
            let at = tx.now + SignedDuration::from_mins(5);
            let error = (ErrorKind::Throttled, "tiktok_shop: answer 429", "");
            end(tx, run, Finish::Retry { at, counted: false }, Some(error)).await;
        })
        .await;
    insta::assert_snapshot!(scene.tell(IMPORT).await, @r#"
    product_import of shop `uk` is throttled by the channel (tiktok_shop: answer 429) and goes on in 5 min 0 s
    next: 2026-03-01 13:00:47 CET (in 47 s; period 1 hour, the channel's, shopsyncd.toml:10)
    "#);
}

#[tokio::test]
async fn a_channel_that_refuses_our_app_holds_all_its_shops() {
    let scene = Scene::authorized().await;
    scene
        .change(async |tx, _| {
            let alarm = AppAlarm {
                keys: ["client_id".to_owned(), "client_secret".to_owned()],
                why: "app secret is wrong".to_owned(),
            };
            tx.raise_app_alarm(&"tiktok_shop".into(), "app", &alarm).await.unwrap();
        })
        .await;
    insta::assert_snapshot!(scene.tell(IMPORT).await, @r#"
    product_import of shop `uk` is held: tiktok_shop refuses our app (app secret is wrong), so all its shops wait; mend `client_id` and `client_secret` of `channels.tiktok_shop` and reload
    nothing that was missed is lost: it is caught up unasked once this has passed
    "#);
}

#[tokio::test]
async fn a_guard_says_what_it_stopped_and_how_to_let_it_through() {
    let mut scene = Scene::authorized().await;
    scene
        .change(async |tx, _| {
            let run = begin(tx, EXPORT, "one").await;
            let text = "would move the price of 1 SKU further than the 50% that `guard.price` allows, or to zero (`A`: 19.90 GBP to 1990 GBP)";
            end(tx, run, Finish::Ended(Outcome::Held), Some((ErrorKind::Guard, text, ""))).await;
        })
        .await;
    scene.pass(1);
    insta::assert_snapshot!(scene.tell(EXPORT).await, @r#"
    product_export of shop `uk` is held by a guard: would move the price of 1 SKU further than the 50% that `guard.price` allows, or to zero (`A`: 19.90 GBP to 1990 GBP); look at `shopsyncd jobs run uk product_export --dry-run`, and let this plan through with `shopsyncd jobs run uk product_export --release-guard`
    due since: 2026-03-01 13:00:49 CET (10 s ago; period 15 minutes, the shop's own, shopsyncd.toml:24)
    "#);
}

#[tokio::test]
async fn a_run_that_another_follows_says_so() {
    let scene = Scene::authorized().await;
    scene
        .change(async |tx, _| {
            begin(tx, IMPORT, "one").await;
            let demand = Demand { full: true, ..Demand::default() };
            let asked = tx.run_now(&NewRun { shop: Some(uk()), job: IMPORT, demand }, Trigger::Now).await.unwrap();
            assert!(asked.follows);
        })
        .await;
    insta::assert_snapshot!(scene.tell(IMPORT).await, @r#"
    product_import of shop `uk` is running on `one` (begun now, attempt 1); another run follows it at once, for what was asked for meanwhile
    "#);
}

#[tokio::test]
async fn a_job_that_waits_for_a_peer_names_it_and_what_it_does() {
    let mut scene = Scene::authorized().await;
    scene
        .change(async |tx, _| {
            begin(tx, IMPORT, "two").await;
            let run = NewRun { shop: Some(uk()), job: EXPORT, demand: Demand::default() };
            tx.run_now(&run, Trigger::Now).await.unwrap();
        })
        .await;
    scene.pass(1);
    let due = scene.tell(EXPORT).await;
    insta::assert_snapshot!(due.lines().next().unwrap(), @"product_export of shop `uk` is due and waits for a free place of `two`, which works for the same account (product_import of shop `uk`, begun 1 min 0 s ago)");

    // One instance has nobody to wait for.
    scene.change(async |tx, _| tx.remove_instance(&InstanceId("one".to_owned())).await.unwrap()).await;
    let due = scene.tell(EXPORT).await;
    assert!(due.starts_with("product_export of shop `uk` is due and waits for a free place\n"), "{due}");
}

#[tokio::test]
async fn what_keeps_the_daemon_from_its_work_is_what_a_due_job_waits_for() {
    let mut scene = Scene::authorized().await;
    scene.pass(5);
    scene.stopped_by = vec!["database: database or disk is full".to_owned()];
    let told = scene.tell(EXPORT).await;
    assert!(
        told.starts_with(
            "no run starts here at the moment: database: database or disk is full\nproduct_export of shop `uk` is due\n"
        ),
        "{told}"
    );
}

#[tokio::test]
async fn whoever_renews_the_tokens_that_a_job_waits_for_is_named_until_that_is_over() {
    let mut scene = Scene::authorized().await;
    let two = InstanceId("two".to_owned());
    scene
        .change(async |tx, _| {
            begin(tx, IMPORT, "one").await;
        })
        .await;
    let alone = scene.tell(IMPORT).await;
    assert!(!alone.contains("renews"), "{alone}");
    scene
        .change(async |tx, _| {
            let id = tx.shop(&uk()).await.unwrap().unwrap().authorization.unwrap();
            let known = tx.authorization(id).await.unwrap().unwrap();
            let lease = tx.take_lease(&id.lease_name(), &two, 20_000).await.unwrap().unwrap();
            assert!(tx.note_intent(id, known.generation, &lease).await.unwrap());
        })
        .await;
    scene.now += SignedDuration::from_secs(4);
    insta::assert_snapshot!(scene.tell(IMPORT).await, @r"
    product_import of shop `uk` is running on `one` (begun 4 s ago, attempt 1)
    `two` renews the tokens of its account `seller`, begun 4 s ago; whatever needs them waits until that is over
    ");
    let idle = scene.tell(JobKind::AuthorizationRefresh).await;
    assert!(!idle.contains("renews"), "it does not wait for anything: {idle}");
    // A holder that is gone holds nothing.
    scene.change(async |tx, _| tx.remove_instance(&two).await.unwrap()).await;
    let over = scene.tell(IMPORT).await;
    assert!(!over.contains("renews"), "{over}");
}

#[tokio::test]
async fn a_run_that_was_taken_over_says_so() {
    let mut scene = Scene::authorized().await;
    scene
        .change(async |tx, _| {
            begin(tx, EXPORT, "one").await;
            tx.take_over(&InstanceId("one".to_owned())).await.unwrap();
            let again = tx.claim_runs(&InstanceId("two".to_owned()), 1, &[]).await.unwrap().remove(0);
            assert_eq!(again.attempt, 2);
        })
        .await;
    scene.pass(3);
    insta::assert_snapshot!(scene.tell(EXPORT).await, @r#"
    product_export of shop `uk` is running on `two` (begun 3 min 0 s ago, attempt 2)
    "#);
    scene
        .change(async |tx, _| {
            let run = tx.runs(&shopsyncd::store::RunFilter::default(), 1).await.unwrap().remove(0);
            end(tx, (run.id, run.lease_number), Finish::Ended(Outcome::Done), None).await;
        })
        .await;
    scene.pass(1);
    insta::assert_snapshot!(scene.tell(EXPORT).await, @r#"
    product_export of shop `uk` is due and waits for a free place
    its last run (1, trigger now) ended 2026-03-01 13:03:00 CET (1 min 0 s ago): done, after another instance had died with it
    due since: 2026-03-01 13:00:49 CET (3 min 10 s ago; period 15 minutes, the shop's own, shopsyncd.toml:24)
    "#);
}

#[tokio::test]
async fn without_a_source_there_is_nothing_to_export() {
    let scene = Scene::with(&SETTINGS.replace("product_source = \"erp\"\n", "")).await;
    scene.change(async |tx, _| grant(tx).await).await;
    insta::assert_snapshot!(scene.tell(EXPORT).await, @r#"
    product_export of shop `uk` is held: no product source is named; set `product_source` to the shop whose products are the truth
    nothing that was missed is lost: it is caught up unasked once this has passed
    "#);
}

#[tokio::test]
async fn without_a_daemon_and_with_bad_settings_that_is_said_too() {
    let mut scene = Scene::authorized().await;
    scene
        .change(async |tx, _| {
            let error = "shops.d/uk.toml:7: shops.uk.jobs.product_export: `1 minuet` is no period; write \"1 minute\"";
            tx.set_settings_error(&InstanceId("one".to_owned()), Some(error)).await.unwrap();
        })
        .await;
    scene.daemon = false;
    insta::assert_snapshot!(scene.tell(EXPORT).await, @r#"
    no daemon is running, so nothing runs at all; start it with `systemctl start shopsyncd` or `shopsyncd run`
    product_export of shop `uk` waits for its next due instant
    next: 2026-03-01 13:00:49 CET (in 49 s; period 15 minutes, the shop's own, shopsyncd.toml:24)
    the newest settings were refused and the ones before still serve: instance `one`: shops.d/uk.toml:7: shops.uk.jobs.product_export: `1 minuet` is no period; write "1 minute"; see `shopsyncd check`
    "#);
}
