//! A year of a thousand shops: what the rules, the database and the outbox make of it, beside a table that was worked out by others.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use jiff::{
    SignedDuration, Span, Timestamp, ToSpan as _,
    civil::{Date, Time},
    tz::TimeZone,
};
use mail_parser::MessageParser;
use serde::Deserialize;
use serde_json::{Value, json};
use shopsyncd::{
    clock::Clock,
    domain::{
        Account, Authorization, AuthorizationId, EndSource, Ending, InstanceId, JobKind, Period, ShopId,
        reminder::Ladder,
    },
    jobs::{remind::Remind, send_mail::SendMail},
    keeper::{Page, ShopBook, TokenKeeper},
    mail::{Mailer, MailerBook, Memory, Sender},
    notices::{
        AppSecret, Language, People, Recipient, SharedPeople, ShopPeople, UpcomingMail, note_end_moved, note_renewal,
        upcoming_mails,
    },
    scheduler::{Context, End, Handler, Progress},
    secrets::{Sealed, Sealer},
    store::{Finish, Finished, InstanceRow, NewGrant, Planned, SealedGrant, Store, WantedSchedule, WantedShop},
    telemetry::metrics::Metrics,
};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{file, is_installed};

/// The year as the table's maker invented it, and the table.
#[derive(Deserialize)]
struct Year {
    begin: Timestamp,
    until: Timestamp,
    down: Vec<(Timestamp, Timestamp)>,
    accounts: Vec<Owner>,
    /// The last days of apps' secrets.
    #[serde(default)]
    secrets: Vec<Date>,
    /// `INSTANT KIND RECIPIENT SHOPS`, a mail each.
    table: Vec<String>,
}

#[derive(Deserialize)]
struct Owner {
    shops: Vec<Stall>,
    /// When each was given, and when it ends.
    grants: Vec<(Timestamp, Timestamp)>,
    /// When the channel told another end of what was given, and which.
    moves: Vec<(Timestamp, Timestamp)>,
}

#[derive(Deserialize)]
struct Stall {
    id: ShopId,
    remind: Vec<String>,
}

impl Year {
    /// The moment itself, or the one after it at which the daemon is started.
    fn up(&self, moment: Timestamp) -> Timestamp {
        self.down.iter().find(|(from, to)| *from <= moment && moment < *to).map_or(moment, |(_, to)| *to)
    }
}

/// What the channel or an owner does.
enum Deed {
    Grant(Timestamp),
    Move(Timestamp),
}

/// A database with the shops, the two jobs, and what has arrived.
struct World {
    store: Store,
    clock: Clock,
    people: SharedPeople,
    relay: Memory,
    remind: Remind,
    send: SendMail,
    sent: Vec<String>,
    _dir: tempfile::TempDir,
}

const ME: &str = "me";

impl World {
    async fn new(year: &Year, ladder: Ladder) -> Self {
        // A year is thousands of transactions, and a disk is slow.
        let memory = std::path::Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let store = Store::open("sqlite:year.db", dir.path()).await.unwrap();
        let begin = year.begin;
        let clock = Clock::manual(begin);
        let stalls = || year.accounts.iter().flat_map(|owner| &owner.shops);
        let known = |stall: &Stall| ShopPeople {
            name: stall.id.to_string(),
            channel_title: "TikTok Shop".to_owned(),
            recipients: stall
                .remind
                .iter()
                .map(|to| Recipient { address: to.clone(), language: Language::En })
                .collect(),
        };
        let operator = Recipient { address: "ops@example.com".to_owned(), language: Language::En };
        let people = People {
            shops: stalls().map(|stall| (stall.id.clone(), known(stall))).collect(),
            names: BTreeMap::new(),
            // Whom only the secrets concern here: what operators hear of ends is spaced, and a matter of its own.
            operator: year.secrets.first().map(|_| operator).into_iter().collect(),
            language: Language::En,
            ladder,
            sender: Sender::parse("shops@example.com").unwrap(),
            link: Arc::new(|shop, _| {
                Url::parse(&format!("https://shops.example.com/authorize/{shop}")).unwrap().into()
            }),
            command: "shopsyncd".to_owned(),
            app_secrets: (1..).zip(&year.secrets).map(|(number, ends_on)| secret(number, *ends_on)).collect(),
        };
        let wanted: Vec<WantedShop> = stalls()
            .map(|stall| WantedShop {
                id: stall.id.clone(),
                channel: "tiktok_shop".into(),
                name: stall.id.to_string(),
                place: stall.id.to_string(),
                app: Some("app".to_owned()),
            })
            .collect();
        let period = Period::Every(SignedDuration::from_hours(24 * 400));
        let schedules = JobKind::OF_DAEMON.map(|job| WantedSchedule { shop: None, job, period: period.clone() });
        let mut tx = store.write(begin).await.unwrap();
        let me = InstanceRow {
            id: InstanceId(ME.to_owned()),
            version: "1".to_owned(),
            started_at: begin,
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
        let people = Arc::new(ArcSwap::from_pointee(people));
        let page = Page { public_url: "https://shops.example.com".parse().unwrap(), loopback: false };
        let sealer = Sealer::parse(&Sealer::generate()).unwrap();
        let (book, me) = (ShopBook::new(page, []), InstanceId(ME.to_owned()));
        let keeper = TokenKeeper::new(store.clone(), clock.clone(), sealer, book, Arc::clone(&people), me);
        let relay = Memory::default();
        let mailer = MailerBook::new(Mailer::Memory(relay.clone()));
        Self {
            remind: Remind::new(store.clone(), clock.clone(), Arc::clone(&people), keeper),
            send: SendMail::new(store.clone(), clock.clone(), Arc::clone(&people), mailer, Metrics::new()),
            store,
            clock,
            people,
            relay,
            sent: Vec::new(),
            _dir: dir,
        }
    }

    async fn authorization(&self, number: usize) -> Option<Authorization> {
        let all = self.store.read(self.clock.now()).await.unwrap().authorizations().await.unwrap();
        all.into_iter().find(|known| known.account.account == number.to_string())
    }

    /// An owner's consent.
    async fn grant(&self, number: usize, owner: &Owner, ends: Timestamp) {
        let given = self.clock.now();
        let new = NewGrant {
            account: Account { channel: "tiktok_shop".into(), app: "app".to_owned(), account: number.to_string() },
            account_name: None,
            authorized_at: given,
        };
        let seal = |_: AuthorizationId, _: i64| SealedGrant {
            access_token: Sealed(vec![1]),
            access_token_issued_at: given,
            access_token_ends_at: given + SignedDuration::from_hours(24),
            refresh_token: None,
            refresh_token_ends_at: None,
            ends: Some(Ending { at: ends, source: EndSource::Told }),
        };
        let mut tx = self.store.write(given).await.unwrap();
        let authorization = tx.grant(&new, seal).await.unwrap();
        if authorization.grant_number > 1 {
            note_renewal(&mut tx, &self.people.load(), &authorization).await.unwrap();
        } else {
            for stall in &owner.shops {
                tx.tie_shop(&stall.id, authorization.id, &Value::Null).await.unwrap();
            }
            note_end_moved(&mut tx).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// The channel tells another end, as the keeper takes it.
    async fn move_end(&self, number: usize, ends: Timestamp) {
        let before = self.authorization(number).await.unwrap();
        let renewed = Authorization::is_renewal(before.ends.map(|ends| ends.at), Some(ends));
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        assert!(tx.set_end(before.id, Ending { at: ends, source: EndSource::Told }, renewed).await.unwrap());
        if renewed {
            let after = tx.authorization(before.id).await.unwrap().unwrap();
            note_renewal(&mut tx, &self.people.load(), &after).await.unwrap();
        } else {
            note_end_moved(&mut tx).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// The jobs that are due run, until none is.
    async fn work(&mut self) {
        while self.next().await.is_some_and(|next| next <= self.clock.now()) {
            self.run_once().await;
        }
        let now = self.clock.now();
        for mail in self.relay.drain() {
            let parsed = MessageParser::default().parse(mail.message.as_bytes()).unwrap();
            let header = |name: &str| parsed.header_raw(name).unwrap().trim().to_owned();
            let shops = header("X-Shopsyncd-Shops").replace("\r\n", "");
            let mut shops: Vec<_> = shops.split(',').map(|shop| shop.trim().to_owned()).collect();
            shops.sort_unstable();
            self.sent.push(format!("{now} {} {} {}", header("X-Shopsyncd-Kind"), mail.to, shops.join(" ")));
        }
    }

    /// The next instant at which a job asked to run.
    async fn next(&self) -> Option<Timestamp> {
        self.store.read(self.clock.now()).await.unwrap().next_instant().await.unwrap()
    }

    /// What is due is planned and claimed as the planner does it, and run.
    async fn run_once(&self) {
        let (now, me) = (self.clock.now(), InstanceId(ME.to_owned()));
        let mut tx = self.store.write(now).await.unwrap();
        let planned = tx.due_schedules(10, &[]).await.unwrap().into_iter().map(|due| {
            let next = if due.grid_at <= now { due.period.next_after(due.grid_at, now) } else { None };
            Planned { grid_at: next.map_or(due.grid_at, |next| next.grid_at), covers: 1, due }
        });
        let planned: Vec<Planned> = planned.collect();
        let claimed = tx.plan_runs(&planned, &me, 10).await.unwrap();
        tx.commit().await.unwrap();
        for run in claimed {
            let context = Context::of(&run, &me, CancellationToken::new(), Progress::default());
            let handler: &dyn Handler = if run.job == JobKind::Remind { &self.remind } else { &self.send };
            let End::Ended(outcome, counts) = handler.run(context).await.unwrap() else { panic!("{:?}", run.job) };
            let finish = Finish::Ended(outcome);
            let finished = Finished { id: run.id, lease_number: run.lease_number, finish, counts, error: None };
            let mut tx = self.store.write(now).await.unwrap();
            tx.finish_runs(&[finished]).await.unwrap();
            tx.commit().await.unwrap();
        }
    }
}

fn secret(number: u32, ends_on: Date) -> AppSecret {
    let channel = format!("channel-{number}");
    AppSecret { channel: channel.as_str().into(), channel_title: channel, ends_on }
}

/// The year as asked for. `None`: its maker is not installed.
async fn invent(asked: Value) -> Option<Year> {
    let python = "venv/bin/python";
    if !is_installed("dateutil and zoneinfo", python) {
        return None;
    }
    let told = Command::new(file(python)).arg(file("ladder.py")).arg(asked.to_string()).output().await.unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    Some(serde_json::from_slice(&told.stdout).unwrap())
}

/// A year as asked for, and a world before it. `None`: the year's maker is not installed.
async fn begin(accounts: usize, shops: usize, at: Time, extra: &[i64], quiet: bool) -> Option<(Year, World)> {
    let zone = "Europe/Berlin";
    let asked = json!({
        "zone": zone, "at": at.strftime("%H:%M").to_string(), "extra": extra, "accounts": accounts, "shops": shops,
        "quiet": quiet,
    });
    let year = invent(asked).await?;
    assert_eq!(year.accounts.iter().map(|owner| owner.shops.len()).sum::<usize>(), shops);
    let extra: Vec<Span> = extra.iter().map(|days| days.days()).collect();
    let ladder = Ladder { start: 1.month(), every: 1.week(), extra, at, zone: TimeZone::get(zone).unwrap() };
    let world = World::new(&year, ladder).await;
    Some((year, world))
}

/// Compares what was sent with a table.
fn same(sent: &mut [String], table: &mut [String]) {
    sent.sort();
    table.sort();
    let missing: Vec<_> = table.iter().filter(|line| sent.binary_search(line).is_err()).take(5).collect();
    let surplus: Vec<_> = sent.iter().filter(|line| table.binary_search(line).is_err()).take(5).collect();
    assert_eq!((missing, surplus), (Vec::new(), Vec::new()), "what the table has more, and what was sent more");
    assert_eq!(sent.len(), table.len(), "each once");
}

/// Walks through a year, from instant to instant, and compares.
async fn walk(accounts: usize, shops: usize, at: Time, extra: &[i64]) {
    let Some((mut year, mut world)) = begin(accounts, shops, at, extra, false).await else { return };
    let mut deeds: Vec<(Timestamp, usize, Deed)> = Vec::new();
    for (number, owner) in year.accounts.iter().enumerate() {
        deeds.extend(owner.grants.iter().map(|(at, ends)| (*at, number, Deed::Grant(*ends))));
        deeds.extend(owner.moves.iter().map(|(at, ends)| (*at, number, Deed::Move(*ends))));
    }
    deeds.sort_by_key(|(at, number, _)| (*at, *number));
    let mut deeds = deeds.into_iter().peekable();
    loop {
        let next = world.next().await.map(|next| year.up(next.max(world.clock.now())));
        let Some(soonest) = next.into_iter().chain(deeds.peek().map(|(at, ..)| *at)).min() else { break };
        if soonest >= year.until {
            break;
        }
        world.clock.set(soonest);
        while let Some((_, number, deed)) = deeds.next_if(|(at, ..)| *at <= soonest) {
            match deed {
                Deed::Grant(ends) => world.grant(number, &year.accounts[number], ends).await,
                Deed::Move(ends) => world.move_end(number, ends).await,
            }
        }
        world.work().await;
    }

    same(&mut world.sent, &mut year.table);
    assert!(year.table.len() > 5 * accounts, "a year in which much happens: {} mails", year.table.len());
    let moves = year.accounts.iter().map(|owner| owner.moves.len()).sum::<usize>();
    assert!(moves > accounts / 4, "ends that move: {moves}");
}

/// A mail that is to come, like one that was sent.
fn line(mail: &UpcomingMail) -> String {
    let mut shops: Vec<_> = mail.shops.iter().map(ShopId::as_str).collect();
    shops.sort_unstable();
    format!("{} {} {} {}", mail.at, mail.kind, mail.to, shops.join(" "))
}

#[tokio::test]
async fn a_year_of_secrets_that_end_is_foretold_and_told_as_others_worked_it_out() {
    let (zone, at) = ("Europe/Berlin", "08:00".parse().unwrap());
    let asked =
        json!({ "zone": zone, "at": "08:00", "extra": [], "accounts": 7, "shops": 0, "quiet": true, "secrets": 9 });
    let Some(mut year) = invent(asked).await else { return };
    let (start, every) = (1.month(), 1.week());
    let ladder = Ladder { start, every, extra: Vec::new(), at, zone: TimeZone::get(zone).unwrap() };
    let mut world = World::new(&year, ladder).await;
    let mut tx = world.store.read(year.begin).await.unwrap();
    let upcoming = upcoming_mails(&mut tx, &world.people.load(), year.until).await.unwrap();
    drop(tx);
    same(&mut upcoming.iter().map(line).collect::<Vec<_>>(), &mut year.table);
    let mut tx = world.store.write(year.begin).await.unwrap();
    note_end_moved(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    while let Some(next) = world.next().await.filter(|next| *next < year.until) {
        world.clock.set(next.max(world.clock.now()));
        world.work().await;
    }
    same(&mut world.sent, &mut year.table);
    assert!(year.table.len() > 80, "{}", year.table.len());
}

#[tokio::test]
async fn a_year_of_a_thousand_shops_is_as_others_worked_it_out() {
    walk(250, 1000, "08:00".parse().unwrap(), &[3, 1]).await;
}

#[tokio::test]
async fn and_so_is_one_whose_mails_are_due_in_the_hour_that_is_skipped_or_comes_twice() {
    walk(60, 150, "02:30".parse().unwrap(), &[]).await;
}

#[tokio::test]
async fn what_is_upcoming_in_a_quiet_year_is_what_others_worked_out() {
    let at = "08:00".parse().unwrap();
    let Some((mut year, world)) = begin(120, 400, at, &[3, 1], true).await else { return };
    let mut first: Vec<_> = year.accounts.iter().enumerate().map(|(number, owner)| (owner.grants[0], number)).collect();
    first.sort_unstable();
    for ((given, ends), number) in first {
        world.clock.set(given);
        world.grant(number, &year.accounts[number], ends).await;
    }
    let now = world.clock.now();
    let until = now + SignedDuration::from_hours(24 * 400);
    let upcoming =
        upcoming_mails(&mut world.store.read(now).await.unwrap(), &world.people.load(), until).await.unwrap();
    let mut told: Vec<_> = upcoming.iter().map(line).collect();
    told.retain(|line| line[..20].parse::<Timestamp>().unwrap() < year.until);
    same(&mut told, &mut year.table);
}
