//! Reminders told as stories: a manual clock, a real database, a relay in memory, and the jobs run whenever they asked to be.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp, ToSpan as _, civil::time, tz::TimeZone};
use mail_parser::MessageParser;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::*;
use crate::{
    domain::{
        Account, Authorization, AuthorizationId, AuthorizationState, Demand, EndSource, Ending, ErrorKind, InstanceId,
        JobKind, MailKind, Period, ShopId, Trigger, reminder::Ladder,
    },
    jobs::{prune::prune, send_mail::SendMail},
    keeper::{Page, ShopBook},
    mail::{MailError, Mailer, MailerBook, Memory, Sender},
    notices::{
        AppSecret, Language, News, People, Recipient, ShopPeople, note_ended, note_renewal, note_shops_changed,
        owe_fresh_link, owe_operator_mail, owe_test_mail, upcoming_mails,
    },
    scheduler::Progress,
    secrets::{Sealed, Sealer},
    store::{
        Claimed, Finish, Finished, InstanceRow, Mail, MailState, NewGrant, NewRun, Planned, SealedGrant,
        WantedSchedule, WantedShop,
    },
    telemetry::metrics::Metrics,
};

type Parsed<'a> = mail_parser::Message<'a>;

/// A mail by what it says.
fn subject(mail: &Parsed<'_>) -> String {
    format!(": {}", mail.subject().unwrap())
}

/// A mail by what it is about.
fn shops(mail: &Parsed<'_>) -> String {
    format!(" {}", mail.header_raw("X-Shopsyncd-Shops").unwrap().trim().replace(", ", ","))
}

struct World {
    _dir: tempfile::TempDir,
    store: Store,
    clock: Clock,
    people: SharedPeople,
    mailer: MailerBook,
    relay: Memory,
    remind: Remind,
    send: SendMail,
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn at(local: &str) -> Timestamp {
    local.parse::<jiff::civil::DateTime>().unwrap().to_zoned(berlin()).unwrap().timestamp()
}

fn recipient(address: &str) -> Recipient {
    Recipient { address: address.to_owned(), language: Language::En }
}

fn sealed_grant(now: Timestamp, ends: Option<Ending>) -> SealedGrant {
    SealedGrant {
        access_token: Sealed(vec![1]),
        access_token_issued_at: now,
        access_token_ends_at: now + SignedDuration::from_hours(24),
        refresh_token: None,
        refresh_token_ends_at: None,
        ends,
    }
}

impl World {
    /// Shops by id, each with who is reminded, and a moment in Berlin.
    async fn new(now: &str, shops: &[(&str, &[&str])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:story.db", dir.path()).await.unwrap();
        let clock = Clock::manual(at(now));
        let ladder =
            Ladder { start: 1.month(), every: 1.week(), extra: Vec::new(), at: time(8, 0, 0, 0), zone: berlin() };
        let people = People {
            shops: shops.iter().map(|(id, to)| (id.parse().unwrap(), shop_people(id, to))).collect(),
            names: BTreeMap::new(),
            operator: vec![recipient("ops@example.com")],
            language: Language::En,
            ladder,
            sender: Sender::parse("shopsyncd <shops@example.com>").unwrap(),
            link: Arc::new(|shop, _| {
                Url::parse(&format!("https://shops.example.com/authorize/{shop}")).unwrap().into()
            }),
            app_secrets: Vec::new(),
        };
        let people = Arc::new(ArcSwap::from_pointee(people));
        let page = Page { public_url: "https://shops.example.com".parse().unwrap(), loopback: false };
        let sealer = Sealer::parse(&Sealer::generate()).unwrap();
        let shops_in_force = ShopBook::new(page, []);
        let instance = InstanceId("one".to_owned());
        let keeper =
            TokenKeeper::new(store.clone(), clock.clone(), sealer, shops_in_force, Arc::clone(&people), instance);
        let relay = Memory::default();
        let mailer = MailerBook::new(Mailer::Memory(relay.clone()));
        let world = Self {
            remind: Remind::new(store.clone(), clock.clone(), Arc::clone(&people), keeper),
            send: SendMail::new(store.clone(), clock.clone(), Arc::clone(&people), mailer.clone(), Metrics::new()),
            _dir: dir,
            store,
            clock,
            people,
            mailer,
            relay,
        };
        world.settle_in(shops).await;
        world
    }

    async fn settle_in(&self, shops: &[(&str, &[&str])]) {
        let wanted: Vec<WantedShop> = shops
            .iter()
            .map(|(id, _)| WantedShop {
                id: id.parse().unwrap(),
                channel: "tiktok_shop".into(),
                name: (*id).to_owned(),
                place: (*id).to_owned(),
                app: Some("app".to_owned()),
            })
            .collect();
        // Long periods: whatever happens in these stories in time happens because it was asked for.
        let period = Period::Every(SignedDuration::from_hours(24 * 400));
        let mut schedules: Vec<WantedSchedule> =
            JobKind::OF_DAEMON.map(|job| WantedSchedule { shop: None, job, period: period.clone() }).into();
        for shop in &wanted {
            let (shop, period) = (Some(shop.id.clone()), Period::None);
            schedules.push(WantedSchedule { shop, job: JobKind::ProductImport, period });
        }
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        let me = InstanceRow {
            id: InstanceId("me".to_owned()),
            version: "1".to_owned(),
            started_at: self.clock.now(),
            beat: 0,
            settings_digest: String::new(),
            standing_by: false,
            dead: false,
        };
        tx.add_instance(&me).await.unwrap();
        tx.sync_shops(&wanted).await.unwrap();
        tx.sync_schedules(&schedules).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// An owner's consent to an account, for these shops.
    async fn grant(&self, account: &str, shops: &[&str], ends: &str) -> Authorization {
        let now = self.clock.now();
        let ends = Some(Ending { at: at(ends), source: EndSource::Told });
        let new = NewGrant {
            account: Account { channel: "tiktok_shop".into(), app: "app".to_owned(), account: account.to_owned() },
            account_name: Some(account.to_owned()),
            authorized_at: now,
        };
        let mut tx = self.store.write(now).await.unwrap();
        let seal = |_: AuthorizationId, _: i64| sealed_grant(now, ends);
        let authorization = tx.grant(&new, seal).await.unwrap();
        for shop in shops {
            tx.tie_shop(&shop.parse().unwrap(), authorization.id, &serde_json::Value::Null).await.unwrap();
        }
        if authorization.grant_number > 1 {
            note_renewal(&mut tx, &self.people.load(), &authorization).await.unwrap();
        } else {
            crate::notices::note_end_moved(&mut tx).await.unwrap();
        }
        tx.commit().await.unwrap();
        authorization
    }

    /// Lets time pass until a moment in Berlin, running each job at every instant it asked for. What arrived, a line each.
    async fn until(&self, local: &str) -> Vec<String> {
        self.until_by(local, subject).await
    }

    async fn until_by(&self, local: &str, line: fn(&Parsed<'_>) -> String) -> Vec<String> {
        let mut arrived = Vec::new();
        loop {
            let next = self.store.read(self.clock.now()).await.unwrap().next_instant().await.unwrap();
            let Some(next) = next.filter(|next| *next <= at(local)) else { break };
            self.clock.set(next.max(self.clock.now()));
            self.work().await;
            arrived.extend(self.arrived_by(line));
        }
        self.clock.set(at(local));
        arrived
    }

    /// Everything that is due now, once over.
    async fn work(&self) {
        let now = self.clock.now();
        let me = InstanceId("me".to_owned());
        let mut tx = self.store.write(now).await.unwrap();
        let planned: Vec<Planned> = tx
            .due_schedules(10)
            .await
            .unwrap()
            .into_iter()
            .map(|due| {
                let next = if due.grid_at <= now { due.period.next_after(due.grid_at, now) } else { None };
                Planned { grid_at: next.map_or(due.grid_at, |next| next.grid_at), covers: 1, due }
            })
            .collect();
        let claimed = tx.plan_runs(&planned, &me, 10).await.unwrap();
        tx.commit().await.unwrap();
        for run in claimed {
            self.carry_out(run, &me).await;
        }
    }

    async fn carry_out(&self, run: Claimed, me: &InstanceId) {
        let context = Context {
            run: run.id,
            lease_number: run.lease_number,
            shop: None,
            job: run.job,
            attempt: run.attempt,
            demand: Demand::default(),
            cancel: CancellationToken::new(),
            holder: me.clone(),
            progress: Progress::default(),
        };
        let handler: &dyn Handler = if run.job == JobKind::Remind { &self.remind } else { &self.send };
        let End::Ended(outcome, counts) = handler.run(context).await.unwrap() else {
            panic!("{:?} gave back", run.job)
        };
        let finish = Finish::Ended(outcome);
        let finished = Finished { id: run.id, lease_number: run.lease_number, finish, counts, error: None };
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        tx.finish_runs(&[finished]).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The shop's import runs once and ends: failed or done.
    async fn import_ends(&self, how: char) {
        let me = InstanceId("me".to_owned());
        let (outcome, error) = match how {
            'F' => (Outcome::Failed, Some((ErrorKind::Unavailable, "no answer".to_owned(), String::new()))),
            _ => (Outcome::Done, None),
        };
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        let run = NewRun { shop: Some("uk".parse().unwrap()), job: JobKind::ProductImport, demand: Demand::default() };
        tx.run_now(&run, Trigger::Now).await.unwrap();
        let run = tx.claim_runs(&me, 1).await.unwrap().remove(0);
        let (counts, finish) = (Counts::default(), Finish::Ended(outcome));
        tx.finish_runs(&[Finished { id: run.id, lease_number: run.lease_number, finish, counts, error }])
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// The delivery of mail looks in, as it does every few minutes.
    async fn look_in(&self) -> Vec<String> {
        let now = self.clock.now();
        let mut tx = self.store.write(now).await.unwrap();
        tx.look_early(None, JobKind::SendMail, Some(now)).await.unwrap();
        tx.commit().await.unwrap();
        self.work().await;
        // What an operator hears is gathered for a moment.
        self.clock.advance(SignedDuration::from_secs(2));
        self.work().await;
        self.arrived()
    }

    fn arrived(&self) -> Vec<String> {
        self.arrived_by(subject)
    }

    fn arrived_by(&self, line: fn(&Parsed<'_>) -> String) -> Vec<String> {
        let now = self.clock.now().to_zoned(berlin());
        let line = |mail: &crate::mail::Received| {
            let parsed = MessageParser::default().parse(mail.message.as_bytes()).unwrap();
            let kind = parsed.header_raw("X-Shopsyncd-Kind").unwrap().trim();
            format!("{} {kind} {}{}", now.strftime("%Y-%m-%d %H:%M"), mail.to, line(&parsed))
        };
        self.relay.drain().iter().map(line).collect()
    }

    async fn mails(&self) -> Vec<Mail> {
        self.store.read(self.clock.now()).await.unwrap().mails(None, 100).await.unwrap()
    }

    fn change_people(&self, change: impl FnOnce(&mut People)) {
        let mut people = People::clone(&self.people.load());
        change(&mut people);
        self.people.store(Arc::new(people));
    }

    /// The channel refuses an authorization before its end.
    async fn revoke(&self, authorization: &Authorization) {
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        let state = AuthorizationState::Revoked;
        tx.set_authorization_state(authorization.id, authorization.generation, state, Some("revoked by seller"))
            .await
            .unwrap();
        let after = tx.authorization(authorization.id).await.unwrap().unwrap();
        note_ended(&mut tx, &self.people.load(), &after).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The channel tells another end, which counts as no renewal.
    async fn move_end(&self, authorization: &Authorization, ends: &str) {
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        let ends = Ending { at: at(ends), source: EndSource::Told };
        assert!(tx.set_end(authorization.id, ends, false).await.unwrap());
        crate::notices::note_end_moved(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Other settings are in force.
    async fn settings_changed(&self) {
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        note_shops_changed(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What is about to be sent, a line each.
    async fn upcoming(&self, days: u32) -> Vec<String> {
        let now = self.clock.now();
        let people = self.people.load();
        let until = now + SignedDuration::from_hours(24 * i64::from(days));
        let mut tx = self.store.read(now).await.unwrap();
        upcoming_mails(&mut tx, &people, until)
            .await
            .unwrap()
            .iter()
            .map(|mail| {
                let shops = mail.shops.iter().map(ShopId::as_str).collect::<Vec<_>>().join(",");
                let at = mail.at.to_zoned(berlin()).strftime("%Y-%m-%d %H:%M").to_string();
                let about = mail.about.as_deref().map(|about| format!(": {about}")).unwrap_or_default();
                format!("{at} {} {} {shops}{about}", mail.kind, mail.to)
            })
            .collect()
    }
}

fn shop_people(id: &str, to: &[&str]) -> ShopPeople {
    ShopPeople {
        name: id.to_uppercase(),
        channel_title: "TikTok Shop".to_owned(),
        recipients: to.iter().map(|address| recipient(address)).collect(),
    }
}

const OWNER: &str = "owner@example.com";

#[tokio::test]
async fn a_year_brings_five_reminders_and_the_notice() {
    let world = World::new("2026-06-30T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    let arrived = world.until("2027-12-31T00:00").await;
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-05-30 08:00 reminder owner@example.com: UK: permission ends in 31 days, on 30 June
    2027-06-06 08:00 reminder owner@example.com: UK: permission ends in 24 days, on 30 June
    2027-06-13 08:00 reminder owner@example.com: UK: permission ends in 17 days, on 30 June
    2027-06-20 08:00 reminder owner@example.com: UK: permission ends in 10 days, on 30 June
    2027-06-27 08:00 reminder owner@example.com: UK: permission ends in 3 days, on 30 June
    2027-06-30 12:00 ended owner@example.com: UK: permission ended on 30 June
    2027-06-30 12:00 operator ops@example.com: UK: the permission has ended
    "#);
}

#[tokio::test]
async fn after_weeks_of_downtime_only_the_latest_is_sent() {
    let world = World::new("2026-06-30T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2026-07-01T00:00").await;
    // Nobody runs anything until the morning of 20 June.
    world.clock.set(at("2027-06-20T06:30"));
    let arrived = world.until("2027-06-30T11:00").await;
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-06-20 06:30 reminder owner@example.com: UK: permission ends in 10 days, on 30 June
    2027-06-27 08:00 reminder owner@example.com: UK: permission ends in 3 days, on 30 June
    "#);
}

#[tokio::test]
async fn after_downtime_beyond_the_end_only_the_notice_is_sent() {
    let world = World::new("2026-06-30T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2026-07-01T00:00").await;
    world.clock.set(at("2027-07-09T06:30"));
    assert_eq!(
        world.until("2027-12-31T00:00").await,
        [
            "2027-07-09 06:30 ended owner@example.com: UK: permission ended on 30 June",
            "2027-07-09 06:30 operator ops@example.com: UK: the permission has ended"
        ]
    );
}

#[tokio::test]
async fn a_reminder_that_never_left_is_told_by_the_next_one_alone() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-05-30T07:59").await;
    // The daemon dies between the two jobs of 30 May, and comes back eight days later.
    world.clock.set(at("2027-05-30T08:00"));
    world.work().await;
    assert_eq!(world.arrived(), Vec::<String>::new());
    assert_eq!(world.mails().await.len(), 1);
    world.clock.set(at("2027-06-07T09:00"));
    // Delivery comes first, as the worst case: the mail of 30 May is composed as of now.
    let arrived = world.until("2027-06-07T23:00").await;
    assert_eq!(arrived.len(), 1, "{arrived:?}");
    assert!(arrived[0].contains("permission ends in 23 days"), "{arrived:?}");
    let next = world.until("2027-06-14T00:00").await;
    assert_eq!(next, ["2027-06-13 08:00 reminder owner@example.com: UK: permission ends in 17 days, on 30 June"]);
}

#[tokio::test]
async fn a_renewal_cancels_what_is_owed_and_says_so() {
    let world = World::new("2026-06-30T12:00", &[("uk", &[OWNER]), ("us", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.grant("other", &["us"], "2027-06-30T12:00").await;
    world.until("2027-06-13T07:59").await;
    world.clock.set(at("2027-06-13T08:00"));
    world.work().await;
    // The mail of 13 June is owed, and not yet attempted; now the first owner renews.
    world.grant("acme", &["uk"], "2028-06-13T08:00").await;
    let arrived = world.until("2028-06-13T12:00").await;
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-06-13 08:00 reminder owner@example.com: US: permission ends in 17 days, on 30 June
    2027-06-13 08:00 renewed owner@example.com: UK: permission renewed until 13 June 2028
    2027-06-20 08:00 reminder owner@example.com: US: permission ends in 10 days, on 30 June
    2027-06-27 08:00 reminder owner@example.com: US: permission ends in 3 days, on 30 June
    2027-06-30 12:00 ended owner@example.com: US: permission ended on 30 June
    2027-06-30 12:00 operator ops@example.com: US: the permission has ended
    2028-05-13 08:00 reminder owner@example.com: UK: permission ends in 31 days, on 13 June
    2028-05-20 08:00 reminder owner@example.com: UK: permission ends in 24 days, on 13 June
    2028-05-27 08:00 reminder owner@example.com: UK: permission ends in 17 days, on 13 June
    2028-06-03 08:00 reminder owner@example.com: UK: permission ends in 10 days, on 13 June
    2028-06-10 08:00 reminder owner@example.com: UK: permission ends in 3 days, on 13 June
    2028-06-13 08:00 ended owner@example.com: UK: permission ended on 13 June
    2028-06-13 08:00 operator ops@example.com: UK: the permission has ended
    "#);
}

#[tokio::test]
async fn a_mail_about_nothing_but_the_renewed_one_is_cancelled() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-05-30T07:59").await;
    world.clock.set(at("2027-05-30T08:00"));
    world.work().await;
    world.grant("acme", &["uk"], "2028-05-30T08:00").await;
    let arrived = world.until("2027-07-01T00:00").await;
    assert_eq!(arrived, ["2027-05-30 08:00 renewed owner@example.com: UK: permission renewed until 30 May 2028"]);
    let states: Vec<_> = world.mails().await.iter().map(|mail| (mail.kind, mail.state)).collect();
    assert_eq!(states, [(MailKind::Renewed, MailState::Sent), (MailKind::Reminder, MailState::Cancelled)]);
}

#[tokio::test]
async fn two_shops_of_one_account_share_one_mail() {
    let world = World::new("2027-05-01T12:00", &[("de", &[OWNER, "de@example.com"]), ("uk", &[OWNER])]).await;
    world.grant("acme", &["de", "uk"], "2027-06-30T12:00").await;
    let arrived = world.until("2027-06-01T00:00").await;
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-05-30 08:00 reminder de@example.com: DE: permission ends in 31 days, on 30 June
    2027-05-30 08:00 reminder owner@example.com: DE and UK: permission ends in 31 days, on 30 June
    "#);
}

#[tokio::test]
async fn two_authorizations_that_fall_on_one_day_share_one_mail_most_urgent_first() {
    let world = World::new("2027-05-01T12:00", &[("de", &[OWNER]), ("uk", &[OWNER])]).await;
    world.grant("later", &["de"], "2027-07-06T12:00").await;
    world.grant("sooner", &["uk"], "2027-06-30T12:00").await;
    let arrived = world.until("2027-06-14T00:00").await;
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-05-30 08:00 reminder owner@example.com: UK: permission ends in 31 days, on 30 June
    2027-06-06 08:00 reminder owner@example.com: Permission for 2 shops ends soon, first UK: in 24 days, on 30 June
    2027-06-13 08:00 reminder owner@example.com: Permission for 2 shops ends soon, first UK: in 17 days, on 30 June
    "#);
}

#[tokio::test]
async fn nobody_gets_two_reminders_a_day() {
    let world = World::new("2027-05-30T12:00", &[("de", &[OWNER]), ("uk", &[OWNER])]).await;
    world.clock.set(at("2027-05-01T12:00"));
    world.grant("sooner", &["uk"], "2027-06-30T12:00").await;
    let later = world.grant("later", &["de"], "2027-08-20T12:00").await;
    world.until("2027-05-30T12:00").await;
    // The channel corrects the later end by some days; its first step is owed at once, and today's mail has left.
    world.move_end(&later, "2027-06-15T12:00").await;
    let arrived = world.until("2027-06-01T00:00").await;
    assert_eq!(arrived, ["2027-05-31 08:00 reminder owner@example.com: DE: permission ends in 15 days, on 15 June"]);
}

#[tokio::test]
async fn a_revoked_permission_is_told_at_once_to_its_people_and_the_operator() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    let authorization = world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-05-10T10:00").await;
    world.revoke(&authorization).await;
    let arrived = world.until("2027-12-31T00:00").await;
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-05-10 10:00 ended owner@example.com: UK: the marketplace no longer accepts the permission
    2027-05-10 10:00 operator ops@example.com: UK: the channel refuses the permission
    "#);
}

#[tokio::test]
async fn a_relay_that_is_down_is_tried_for_two_days_with_the_same_bytes() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    for _ in 0..3 {
        world.relay.refuse_next(MailError::passing("relay away"));
    }
    world.until("2027-05-30T08:04").await;
    let first = world.mails().await.remove(0);
    assert_eq!((first.state, first.attempts, first.error.as_deref()), (MailState::Owed, 1, Some("relay away")));
    // 5, then 10, then 20 minutes.
    let arrived = world.until("2027-05-30T12:00").await;
    assert_eq!(arrived, ["2027-05-30 08:35 reminder owner@example.com: UK: permission ends in 31 days, on 30 June"]);
    let sent = world.mails().await.remove(0);
    assert_eq!((sent.state, sent.attempts, &sent.body, sent.error), (MailState::Sent, 4, &first.body, None));
}

#[tokio::test]
async fn a_reminder_that_no_relay_took_before_the_end_does_not_follow_it() {
    let shops = [("de", &[OWNER] as &[&str]), ("fr", &["fr@example.com"]), ("uk", &[OWNER])];
    let world = World::new("2027-03-01T12:00", &shops).await;
    // The last step is on the very day of the end, and the first of another permission of the same owner, too.
    world.grant("one", &["fr"], "2027-03-28T12:00").await;
    world.grant("two", &["de"], "2027-03-28T12:00").await;
    world.grant("stands", &["uk"], "2027-04-28T12:00").await;
    world.until("2027-03-28T07:59").await;
    world.relay.refuse_all(Some(MailError::passing("450 later")));
    assert_eq!(world.until("2027-03-28T12:10").await, Vec::<String>::new());
    world.relay.refuse_all(None);
    let mut arrived: Vec<String> = world
        .until("2027-03-28T20:00")
        .await
        .iter()
        .map(|line| line.split_once(' ').unwrap().1[6..].to_owned())
        .collect();
    arrived.sort();
    insta::assert_snapshot!(arrived.join("\n"), @"
    ended fr@example.com: FR: permission ended on 28 March
    ended owner@example.com: DE: permission ended on 28 March
    operator ops@example.com: 2 things to know, first FR: the permission has ended
    reminder owner@example.com: Permission for 2 shops ends soon, first DE: today at 12:00
    ");
}

#[tokio::test]
async fn a_relay_that_is_away_is_asked_once_for_all_mails() {
    let world = World::new("2027-05-01T12:00", &[("de", &["de@example.com"]), ("uk", &["uk@example.com"])]).await;
    world.grant("de", &["de"], "2027-06-30T12:00").await;
    world.grant("uk", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-05-30T07:59").await;
    world.relay.refuse_all(Some(MailError::away("relay: nobody there")));
    world.until("2027-05-30T08:16").await;
    let mails = world.mails().await;
    let told: Vec<_> = mails.iter().map(|mail| (mail.attempts, mail.next_attempt_at, mail.subject.is_some())).collect();
    let next = at("2027-05-30T08:35");
    assert_eq!(told, [(0, next, false), (3, next, true)], "5, then 10, then 20 minutes");
    assert_eq!(mails[0].error.as_deref(), Some("relay: nobody there"));
    world.relay.refuse_all(None);
    assert_eq!(
        world.until("2027-05-30T09:00").await,
        [
            "2027-05-30 08:35 reminder de@example.com: DE: permission ends in 31 days, on 30 June",
            "2027-05-30 08:35 reminder uk@example.com: UK: permission ends in 31 days, on 30 June",
        ]
    );
}

#[tokio::test]
async fn after_two_days_a_mail_counts_as_refused_and_can_be_tried_again() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    for _ in 0..100 {
        world.relay.refuse_next(MailError::passing("relay away"));
    }
    world.until("2027-06-01T07:59").await;
    let mail = world.mails().await.remove(0);
    assert_eq!(mail.state, MailState::Owed);
    assert_eq!(mail.next_attempt_at, at("2027-06-01T08:00"), "the last attempt is 48 hours after the first");
    world.until("2027-06-01T09:00").await;
    let mail = world.mails().await.into_iter().find(|mail| mail.kind == MailKind::Reminder).unwrap();
    assert_eq!((mail.state, mail.error.as_deref()), (MailState::Refused, Some("relay away")));
    assert!(mail.attempts > 10 && mail.attempts < 30, "{}", mail.attempts);
}

#[tokio::test]
async fn a_refusal_for_good_is_not_repeated_and_hurts_no_other_mail() {
    let world = World::new("2027-05-01T12:00", &[("uk", &["a@example.com", "b@example.com"])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.relay.refuse_next(MailError::permanent("550 no such user"));
    let arrived = world.until("2027-06-01T00:00").await;
    assert_eq!(
        arrived,
        [
            "2027-05-30 08:00 reminder b@example.com: UK: permission ends in 31 days, on 30 June",
            "2027-05-30 08:00 operator ops@example.com: mail to a@example.com cannot be delivered"
        ]
    );
    let mut tx = world.store.read(world.clock.now()).await.unwrap();
    assert_eq!(tx.mail_counts().await.unwrap(), (0, 1));
}

#[tokio::test]
async fn a_retry_sends_what_still_holds_and_nothing_else() {
    let world = World::new("2027-05-01T12:00", &[("de", &["de@example.com"]), ("uk", &["uk@example.com"])]).await;
    world.change_people(|people| people.operator.clear());
    world.grant("stays", &["de"], "2027-06-30T12:00").await;
    world.grant("renews", &["uk"], "2027-06-30T12:00").await;
    world.relay.refuse_all(Some(MailError::permanent("550 not now")));
    world.until("2027-05-30T09:00").await;
    world.relay.refuse_all(None);
    world.grant("renews", &["uk"], "2028-06-30T12:00").await;
    assert_eq!(world.until("2027-05-31T09:00").await.len(), 1, "the note of the renewal");
    let refused = world.mails().await.into_iter().filter(|mail| mail.state == MailState::Refused);
    for mail in refused.collect::<Vec<_>>() {
        let mut tx = world.store.write(world.clock.now()).await.unwrap();
        assert!(tx.retry_mail(mail.id).await.unwrap());
        tx.look_by(None, JobKind::SendMail, world.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(
        world.until("2027-05-31T10:00").await,
        ["2027-05-31 09:00 reminder de@example.com: DE: permission ends in 30 days, on 30 June"]
    );
    assert_eq!(world.mails().await.iter().filter(|mail| mail.state == MailState::Owed).count(), 0);
}

#[tokio::test]
async fn what_a_wrong_address_has_missed_goes_to_the_right_one() {
    let both = ["good@example.com", "wrong@example.com"];
    let world = World::new("2027-05-01T12:00", &[("de", &["wrong@example.com"]), ("uk", &both)]).await;
    world.change_people(|people| people.operator.clear());
    world.grant("ended", &["de"], "2027-05-30T07:00").await;
    world.grant("ends", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-05-29T00:00").await;
    world.relay.refuse_to("wrong@example.com", Some(MailError::permanent("550 no such user")));
    let heard = world.until("2027-05-31T09:00").await;
    assert_eq!(heard, ["2027-05-30 08:00 reminder good@example.com: UK: permission ends in 31 days, on 30 June"]);
    world.change_people(|people| {
        for shop in people.shops.values_mut() {
            for recipient in shop.recipients.iter_mut().filter(|known| known.address == "wrong@example.com") {
                recipient.address = "right@example.com".to_owned();
            }
        }
    });
    world.settings_changed().await;
    assert_eq!(
        world.until("2027-06-01T00:00").await,
        [
            "2027-05-31 09:00 ended right@example.com: DE: permission ended on 30 May",
            "2027-05-31 09:00 reminder right@example.com: UK: permission ends in 30 days, on 30 June",
        ]
    );
    assert_eq!(world.mails().await.iter().filter(|mail| mail.state == MailState::Refused).count(), 0);
}

#[tokio::test]
async fn with_mail_switched_off_the_outbox_still_shows_what_would_have_been_said() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    world.mailer.replace(Mailer::None);
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-06-01T00:00").await;
    let mail = world.mails().await.remove(0);
    assert_eq!((mail.state, mail.error.as_deref()), (MailState::Cancelled, Some("mail is switched off")));
    assert_eq!(mail.subject.as_deref(), Some("UK: permission ends in 31 days, on 30 June"));
}

#[tokio::test]
async fn what_was_silent_while_mail_was_off_is_told_once_it_is_on() {
    let world = World::new("2027-05-01T12:00", &[("de", &[OWNER]), ("uk", &[OWNER])]).await;
    world.mailer.replace(Mailer::None);
    world.grant("ends", &["de"], "2027-06-10T12:00").await;
    world.grant("stands", &["uk"], "2027-06-30T12:00").await;
    assert_eq!(world.until("2027-06-14T09:00").await, Vec::<String>::new());
    world.mailer.replace(Mailer::Memory(world.relay.clone()));
    world.settings_changed().await;
    assert_eq!(
        world.until("2027-06-20T07:00").await,
        [
            "2027-06-14 09:00 ended owner@example.com: DE: permission ended on 10 June",
            "2027-06-14 09:00 reminder owner@example.com: UK: permission ends in 16 days, on 30 June",
        ]
    );
}

#[tokio::test]
async fn what_there_was_nobody_to_be_told_of_is_told_to_who_is_named_later() {
    let world = World::new("2027-05-01T12:00", &[("de", &[]), ("uk", &[])]).await;
    world.change_people(|people| people.operator.clear());
    world.grant("ends", &["de"], "2027-06-10T12:00").await;
    let revoked = world.grant("revoked", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-06-10T13:00").await;
    world.revoke(&revoked).await;
    assert_eq!(world.until("2027-06-11T09:00").await, Vec::<String>::new());
    for shop in ["de", "uk"] {
        world.change_people(|people| {
            people.shops.get_mut(&shop.parse::<ShopId>().unwrap()).unwrap().recipients = vec![recipient(OWNER)];
        });
    }
    world.settings_changed().await;
    assert_eq!(
        world.until("2027-12-31T00:00").await,
        [
            "2027-06-11 09:00 ended owner@example.com: DE: permission ended on 10 June",
            "2027-06-11 09:00 ended owner@example.com: UK: the marketplace no longer accepts the permission",
        ]
    );
}

#[tokio::test]
async fn the_operator_hears_of_app_secrets_and_refresh_tokens_that_end() {
    let world = World::new("2027-01-01T12:00", &[("uk", &[OWNER])]).await;
    let ends_on = "2027-03-01".parse().unwrap();
    world.change_people(|people| {
        people.app_secrets = vec![AppSecret { channel: "amazon".into(), channel_title: "Amazon".to_owned(), ends_on }];
    });
    world.grant("acme", &["uk"], "2027-12-31T12:00").await;
    let expected = world.upcoming(61).await;
    let arrived = world.until("2027-03-03T12:00").await;
    let short: Vec<String> = arrived.iter().map(|line| line[..41].to_owned()).collect();
    let wanted: Vec<String> = expected
        .iter()
        .map(|line| line.trim_end().to_owned())
        .map(|line| format!("{line}:")[..41].to_owned())
        .collect();
    assert_eq!(short, wanted);
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-01-01 12:00 operator ops@example.com: Amazon: the app's client secret ends in 59 days, on 1 March
    2027-01-30 08:00 operator ops@example.com: Amazon: the app's client secret ends in 30 days, on 1 March
    2027-02-15 08:00 operator ops@example.com: Amazon: the app's client secret ends in 14 days, on 1 March
    2027-02-22 08:00 operator ops@example.com: Amazon: the app's client secret ends in 7 days, on 1 March
    2027-02-28 08:00 operator ops@example.com: Amazon: the app's client secret ends tomorrow, on 1 March
    2027-03-01 08:00 operator ops@example.com: Amazon: the app's client secret ends today
    2027-03-02 08:00 operator ops@example.com: Amazon: the app's client secret ended on 1 March
    2027-03-03 08:00 operator ops@example.com: Amazon: the app's client secret ended on 1 March
    "#);
}

/// What is upcoming, line by line but for what operators are told, is what then happens.
async fn is_as_foretold(world: &World, until: &str) -> Vec<String> {
    let days = (at(until).duration_since(world.clock.now()).as_hours() / 24) as u32;
    let foretold = world.upcoming(days).await;
    let mut upcoming: Vec<String> = foretold.iter().map(|line| line.split(": ").next().unwrap().to_owned()).collect();
    let mut arrived = world.until_by(until, shops).await;
    // Shops are told in the order of their names, or of urgency.
    for line in upcoming.iter_mut().chain(&mut arrived) {
        let (start, shops) = line.rsplit_once(' ').unwrap();
        let mut shops: Vec<_> = shops.split(',').collect();
        shops.sort_unstable();
        *line = format!("{start} {}", shops.join(","));
    }
    upcoming.sort();
    arrived.sort();
    assert_eq!(upcoming, arrived);
    foretold
}

const SECOND: &str = "second@example.com";

#[tokio::test]
async fn what_is_upcoming_after_downtime_is_what_happens() {
    let shops = [("de", &[OWNER] as &[&str]), ("fr", &[SECOND]), ("it", &[OWNER, SECOND]), ("uk", &[OWNER])];
    let world = World::new("2027-05-01T12:00", &shops).await;
    world.change_people(|people| {
        let ends_on = "2027-07-20".parse().unwrap();
        people.app_secrets = vec![AppSecret { channel: "amazon".into(), channel_title: "Amazon".to_owned(), ends_on }];
    });
    world.grant("de", &["de"], "2027-07-07T12:00").await;
    world.grant("fr", &["fr"], "2027-06-20T12:00").await;
    world.grant("it", &["it"], "2027-07-13T12:00").await;
    world.grant("uk", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-06-04T12:00").await;
    // Down, and started early on a day on which a step falls due after what was missed has been told.
    world.clock.set(at("2027-06-13T06:30"));
    insta::assert_snapshot!(is_as_foretold(&world, "2027-07-25T06:30").await.join("\n"), @"");
}

#[tokio::test]
async fn what_is_upcoming_while_a_relay_puts_mails_off_is_what_happens() {
    let world = World::new("2027-05-01T12:00", &[("de", &[OWNER]), ("fr", &[SECOND]), ("uk", &[OWNER])]).await;
    world.grant("de", &["de"], "2027-06-30T12:00").await;
    let fr = world.grant("fr", &["fr"], "2027-08-30T12:00").await;
    let uk = world.grant("uk", &["uk"], "2027-09-01T12:00").await;
    world.until("2027-05-30T07:59").await;
    world.relay.refuse_all(Some(MailError::passing("450 later")));
    world.until("2027-05-30T08:02").await;
    world.revoke(&fr).await;
    world.until("2027-05-30T08:03").await;
    world.relay.refuse_all(None);
    // Due at once, while the owner's mail of the day counts as told.
    world.move_end(&uk, "2027-06-29T12:00").await;
    is_as_foretold(&world, "2027-07-10T08:03").await;
}

#[tokio::test]
async fn operators_hear_once_for_each_occasion_and_tests_and_links_leave_at_once() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    let shop: ShopId = "uk".parse().unwrap();
    let news = News::JobFailing {
        shop: shop.clone(),
        name: "UK".to_owned(),
        job: JobKind::ProductImport,
        why: "the channel did not answer".to_owned(),
        remedy: String::new(),
    };
    for _ in 0..2 {
        let people = world.people.load_full();
        let mut tx = world.store.write(world.clock.now()).await.unwrap();
        owe_operator_mail(&mut tx, &people, "failing/uk/product_import/7", std::slice::from_ref(&shop), &news)
            .await
            .unwrap();
        owe_fresh_link(&mut tx, &people, &shop).await.unwrap();
        tx.commit().await.unwrap();
    }
    let people = world.people.load_full();
    let mut tx = world.store.write(world.clock.now()).await.unwrap();
    owe_test_mail(&mut tx, &people, "new@example.com").await.unwrap();
    tx.commit().await.unwrap();
    let arrived = world.until("2027-05-01T12:01").await;
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-05-01 12:00 reminder owner@example.com: UK: a fresh link for renewing the permission
    2027-05-01 12:00 test new@example.com: shopsyncd can send mail
    2027-05-01 12:00 operator ops@example.com: UK: product import keeps failing
    "#);
}

fn guard_stopped(name: &str) -> News {
    News::GuardStopped {
        shop: name.to_lowercase().parse().unwrap(),
        name: name.to_owned(),
        why: "it would retire 30 of 100 SKUs".to_owned(),
    }
}

#[tokio::test]
async fn operators_get_what_happens_together_in_one_mail_and_a_few_mails_a_day() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER]), ("de", &[OWNER]), ("fr", &[OWNER])]).await;
    let mut arrived = Vec::new();
    for (round, until) in ["12:05", "12:10", "12:20", "12:30", "23:00"].into_iter().enumerate() {
        let people = world.people.load_full();
        let mut tx = world.store.write(world.clock.now()).await.unwrap();
        for name in ["UK", "DE", "FR"] {
            let shop: ShopId = name.to_lowercase().parse().unwrap();
            let occasion = format!("guard/{shop}/{round}");
            tx.set_plans(&shop, Some("what it would do"), None).await.unwrap();
            owe_operator_mail(&mut tx, &people, &occasion, &[shop], &guard_stopped(name)).await.unwrap();
        }
        tx.commit().await.unwrap();
        arrived.extend(world.until(&format!("2027-05-01T{until}")).await);
    }
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-05-01 12:00 operator ops@example.com: 3 things to know, first UK: a guard stopped the export
    2027-05-01 12:05 operator ops@example.com: 3 things to know, first UK: a guard stopped the export
    2027-05-01 12:35 operator ops@example.com: 9 things to know, first UK: a guard stopped the export
    "#);
    let told = world.mails().await.into_iter().filter(|mail| mail.state == MailState::Cancelled);
    assert!(told.clone().count() == 12 && told.clone().all(|mail| mail.error.unwrap().ends_with("tells it")));
}

#[tokio::test]
async fn operators_hear_nothing_of_what_was_settled_while_their_mail_waited() {
    let world = World::new("2027-05-01T12:00", &[("de", &[]), ("uk", &[OWNER])]).await;
    let ends = "2027-05-01T12:30";
    world.grant("acme", &["uk"], ends).await;
    world.grant("stays", &["de"], ends).await;
    let people = world.people.load_full();
    let mut tx = world.store.write(world.clock.now()).await.unwrap();
    for (occasion, name) in [("one", "UK"), ("two", "UK")] {
        let shop: ShopId = name.to_lowercase().parse().unwrap();
        tx.set_plans(&shop, Some("what it would do"), None).await.unwrap();
        owe_operator_mail(&mut tx, &people, occasion, &[shop], &guard_stopped(name)).await.unwrap();
        tx.commit().await.unwrap();
        world.until("2027-05-01T12:10").await;
        tx = world.store.write(world.clock.now()).await.unwrap();
    }
    // A third one within the day waits for half an hour.
    let shop: ShopId = "uk".parse().unwrap();
    owe_operator_mail(&mut tx, &people, "three", std::slice::from_ref(&shop), &guard_stopped("UK")).await.unwrap();
    tx.commit().await.unwrap();
    world.until("2027-05-01T12:31").await;
    world.grant("acme", &["uk"], "2028-05-01T12:00").await;
    let mut tx = world.store.write(world.clock.now()).await.unwrap();
    tx.set_plans(&shop, None, Some("what it would do")).await.unwrap();
    tx.commit().await.unwrap();
    let mut arrived = world.until("2027-05-01T23:00").await;
    arrived.retain(|line| line.contains("operator"));
    assert_eq!(arrived, ["2027-05-01 12:40 operator ops@example.com: DE: the permission has ended"]);
    let told = world.mails().await.into_iter().find(|mail| {
        mail.state == MailState::Sent && mail.body.as_ref().is_some_and(|body| body.contains("has ended"))
    });
    assert!(told.is_some_and(|mail| mail.body.unwrap().replace("=\r\n", "").contains("Nobody is reminded of it")));
}

#[tokio::test]
async fn refused_settings_are_told_unless_they_are_mended_at_once() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    let refuse = async |why: &str| {
        let mut tx = world.store.write(world.clock.now()).await.unwrap();
        tx.set_fact("settings.error", why).await.unwrap();
        if !why.is_empty() {
            crate::notices::note_settings_refused(&mut tx, &world.people.load(), why).await.unwrap();
        }
        tx.commit().await.unwrap();
    };
    refuse("shopsyncd.toml:3: not TOML").await;
    world.clock.advance(SignedDuration::from_secs(20));
    refuse("").await;
    assert_eq!(world.until("2027-05-01T13:00").await, Vec::<String>::new());
    refuse("shopsyncd.toml:4: not TOML").await;
    assert_eq!(
        world.until("2027-05-01T14:00").await,
        ["2027-05-01 13:01 operator ops@example.com: the newest settings were refused"]
    );
}

#[tokio::test]
async fn old_mail_goes_but_not_what_keeps_a_reason_from_coming_back() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-07-01T00:00").await;
    let sent = world.mails().await.len();
    let mut tx = world.store.write(world.clock.now()).await.unwrap();
    tx.begin_session("one", "first", at("2027-07-02T00:00")).await.unwrap();
    tx.commit().await.unwrap();
    let keep = SignedDuration::from_hours(24);
    let pruned = prune(&world.store, &world.clock, keep).await.unwrap();
    assert_eq!((pruned.mails, pruned.sessions, world.mails().await.len()), (0, 0, sent));
    world.clock.set(at("2027-12-01T00:00"));
    let pruned = prune(&world.store, &world.clock, keep).await.unwrap();
    assert_eq!((pruned.mails as usize, pruned.sessions), (sent, 1), "and sessions that are over");
}

#[tokio::test]
async fn a_job_that_keeps_failing_is_told_once_and_once_more_when_it_works_again() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    let mut arrived = Vec::new();
    for outcome in "FFFFFDDFDFFF".chars() {
        world.clock.advance(SignedDuration::from_mins(1));
        world.import_ends(outcome).await;
        arrived.extend(world.look_in().await);
    }
    // The third mail of the day waits a while, and works again before it leaves: nobody has to hear of either.
    world.import_ends('D').await;
    arrived.extend(world.look_in().await);
    // A single failure that nothing has mended for an hour, of a job that seldom runs.
    world.import_ends('F').await;
    assert_eq!(world.look_in().await, Vec::<String>::new());
    world.clock.advance(SignedDuration::from_mins(61));
    arrived.extend(world.look_in().await);
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-05-01 12:03 operator ops@example.com: UK: product import keeps failing
    2027-05-01 12:06 operator ops@example.com: UK: product import works again
    2027-05-01 13:13 operator ops@example.com: UK: product import keeps failing
    "#);
}
