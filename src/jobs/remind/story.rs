//! Reminders told as stories: a manual clock, a real database, a relay in memory, and the jobs run whenever they asked to be.
#![expect(clippy::unwrap_used, reason = "tests")]

mod delivery;
mod foretold;
mod ladders;
mod operators;
mod untold;

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
            command: "shopsyncd".to_owned(),
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
            settings_error: None,
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
            .due_schedules(10, &[])
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
        let context = Context::of(&run, me, CancellationToken::new(), Progress::default());
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
        let run = tx.claim_runs(&me, 1, &[]).await.unwrap().remove(0);
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
