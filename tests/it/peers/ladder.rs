//! A year of a thousand shops: what the rules, the database and the outbox make of it, beside a table that was worked out by others.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Span, Timestamp, ToSpan as _, civil::Time, tz::TimeZone};
use serde::Deserialize;
use serde_json::{Value, json};
use shopsyncd::{
    domain::{Account, AuthorizationId, EndSource, Ending, JobKind, Period, ShopId, reminder::Ladder},
    mail::Sender,
    notices::{
        Language, People, Recipient, ShopPeople, UpcomingMail, bring_up_to_date, letter, mark_sent, note_end_moved,
        note_renewal, owe_due, upcoming_mails,
    },
    secrets::Sealed,
    store::{Delivery, MailState, NewGrant, SealedGrant, Store, Tx, WantedSchedule, WantedShop},
};
use tokio::process::Command;
use url::Url;

use super::{file, is_installed};

/// The year as the table's maker invented it, and the table.
#[derive(Deserialize)]
struct Year {
    until: Timestamp,
    down: Vec<(Timestamp, Timestamp)>,
    accounts: Vec<Owner>,
    /// `INSTANT KIND RECIPIENT SHOPS`, a mail each.
    table: Vec<String>,
}

#[derive(Deserialize)]
struct Owner {
    shops: Vec<Stall>,
    /// When each was given, and when it ends.
    grants: Vec<(Timestamp, Timestamp)>,
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

/// A database with the shops, the people, and what was sent.
struct World {
    store: Store,
    people: People,
    sent: Vec<String>,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new(year: &Year, ladder: Ladder) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:year.db", dir.path()).await.unwrap();
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
        let people = People {
            shops: stalls().map(|stall| (stall.id.clone(), known(stall))).collect(),
            names: BTreeMap::new(),
            operator: Vec::new(),
            language: Language::En,
            ladder,
            sender: Sender::parse("shops@example.com").unwrap(),
            link: Arc::new(|shop, _| {
                Url::parse(&format!("https://shops.example.com/authorize/{shop}")).unwrap().into()
            }),
            app_secrets: Vec::new(),
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
        let mut tx = store.write(year.accounts[0].grants[0].0).await.unwrap();
        tx.sync_shops(&wanted).await.unwrap();
        tx.sync_schedules(&schedules).await.unwrap();
        tx.commit().await.unwrap();
        Self { store, people, sent: Vec::new(), _dir: dir }
    }

    /// An owner's consent.
    async fn grant(&self, number: usize, owner: &Owner, (given, ends): (Timestamp, Timestamp)) {
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
            note_renewal(&mut tx, &self.people, &authorization).await.unwrap();
        } else {
            for stall in &owner.shops {
                tx.tie_shop(&stall.id, authorization.id, &Value::Null).await.unwrap();
            }
            note_end_moved(&mut tx).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// What is owed at an instant is owed, and all of it leaves. The next instant at which anything will be.
    async fn work(&mut self, now: Timestamp) -> Option<Timestamp> {
        let mut tx = self.store.write(now).await.unwrap();
        let pass = owe_due(&mut tx, &self.people).await.unwrap();
        tx.commit().await.unwrap();
        // In one transaction, which the daemon does not: here nobody dies in between, and a disk is slow.
        let mut tx = self.store.write(now).await.unwrap();
        loop {
            let due = tx.due_mail(20).await.unwrap();
            if due.is_empty() {
                break;
            }
            for mail in due {
                self.sent.extend(deliver(&mut tx, &self.people, mail.id).await);
            }
        }
        tx.commit().await.unwrap();
        pass.next_at
    }
}

/// Delivers a mail, unless another takes its place: a line that says so.
async fn deliver(tx: &mut Tx, people: &People, id: i64) -> Option<String> {
    let mail = tx.mail(id).await.unwrap().filter(|mail| mail.state == MailState::Owed)?;
    let now = tx.now;
    if bring_up_to_date(tx, people, &mail).await.unwrap() {
        return None;
    }
    let Some((letter, mut shops)) = letter(tx, people, &mail).await.unwrap() else {
        panic!("{} at {now}: it has nothing to say", mail.dedup)
    };
    assert!(letter.items().is_sorted_by_key(|item| item.ends_at), "the most urgent first: {letter:?}");
    assert!(tx.freeze_mail(id, letter.kind().as_str(), "as composed").await.unwrap());
    tx.deliver_mail(id, &Delivery::Sent).await.unwrap();
    mark_sent(tx, &mail).await.unwrap();
    shops.sort();
    let shops: Vec<_> = shops.iter().map(ShopId::as_str).collect();
    Some(format!("{now} {} {} {}", letter.kind(), mail.recipient, shops.join(" ")))
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
    let mut grants: Vec<_> = year
        .accounts
        .iter()
        .enumerate()
        .flat_map(|(number, owner)| owner.grants.iter().map(move |grant| (*grant, number)))
        .collect();
    grants.sort_unstable();
    let mut grants = grants.into_iter().peekable();
    let mut next = None;
    loop {
        let given = grants.peek().map(|((given, _), _)| *given);
        let Some(soonest) = next.into_iter().map(|next| year.up(next)).chain(given).min() else { break };
        if soonest >= year.until {
            break;
        }
        while let Some((grant, number)) = grants.next_if(|((given, _), _)| *given <= soonest) {
            world.grant(number, &year.accounts[number], grant).await;
        }
        next = world.work(soonest).await;
    }

    same(&mut world.sent, &mut year.table);
    assert!(year.table.len() > 5 * accounts, "a year in which much happens: {} mails", year.table.len());
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
    for (number, owner) in year.accounts.iter().enumerate() {
        world.grant(number, owner, owner.grants[0]).await;
    }
    let now = year.accounts.iter().map(|owner| owner.grants[0].0).max().unwrap();
    let until = now + SignedDuration::from_hours(24 * 400);
    let upcoming = upcoming_mails(&mut world.store.read(now).await.unwrap(), &world.people, until).await.unwrap();
    let line = |mail: &UpcomingMail| {
        let mut shops: Vec<_> = mail.shops.iter().map(ShopId::as_str).collect();
        shops.sort_unstable();
        format!("{} {} {} {}", mail.at, mail.kind, mail.to, shops.join(" "))
    };
    let mut told: Vec<_> = upcoming.iter().map(line).collect();
    told.retain(|line| line[..20].parse::<Timestamp>().unwrap() < year.until);
    same(&mut told, &mut year.table);
}
