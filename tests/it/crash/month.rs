//! The last month of a permission, by the real binary's own clock: it is moved on day by day, and what leaves is read from the folder.

use std::{fs, time::Duration};

use jiff::{SignedDuration, Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::json;
use shopsyncd::{
    channels::tiktok_shop::fake::FakeTikTok,
    clock::Clock,
    control::{self, Hidden, Request},
    store::MailState,
};

use super::{
    daemon::Daemon,
    stage::Stage,
    stopped::{faketime, planned},
};
use crate::world::{Database, IMPORT, berlin, marketplace, number};

/// A shop whose permission ends on 30 June at noon in Berlin, and a clock that the daemon goes by.
struct Month {
    stage: Stage,
    /// The marketplace's.
    clock: Clock,
    named: Vec<(&'static str, String)>,
    daemon: Option<Daemon>,
}

impl Month {
    /// `None`: the library that fakes clocks is not there.
    async fn begin() -> Option<Self> {
        let mut stage = Stage::new(Database::Sqlite);
        let named = faketime(&stage)?;
        let given = berlin("2025-06-30T12:00");
        let now = berlin("2026-05-27T10:00");
        let clock = Clock::manual(now);
        stage.fake = FakeTikTok::new(clock.clone()).unwrap();
        stage.fake.rules(|rules| {
            // A death over an exchange of tokens is another story.
            rules.lost_reply_forgiven = true;
            rules.renewal_ends_old_tokens = false;
            rules.unread_until_used = true;
        });
        stage.fake.add_seller("seller", "Harbour Ltd", "GB");
        stage.fake.add_shop("seller", &number("harbour"), "harbour", "GB");
        let settings = format!(
            r#"timezone = "Europe/Berlin"
product_source = "erp"
state_dir = "{state}"
[web]
listen = "None"
internal = "None"
[mail]
transport = "folder"
from = "shopsyncd <shops@example.com>"
[reminders]
to = ["Anna <anna@example.com>"]
{marketplace}
[shops.harbour]
channel = "tiktok_shop"
shop_id = "{id}"
[shops.erp]
channel = "file"
path = "{source}"
[shops.erp.jobs]
product_import = "1 second"
"#,
            state = stage.state_dir().display(),
            marketplace = marketplace(&stage.fake, &stage.path("secret"), ["1 day", "None", "None"]),
            id = number("harbour"),
            source = stage.path("products.csv").display(),
        );
        stage.write_whole("shopsyncd.toml", &settings);
        let mut month = Self { stage, clock, named, daemon: None };
        month.set(now);
        month.start().await;
        let ends_in = berlin("2026-06-30T12:00").duration_since(now);
        let mut tokens =
            serde_json::to_value(month.stage.fake.grant_tokens("seller", now.duration_since(given), ends_in)).unwrap();
        tokens["authorized_at"] = json!(given);
        let shop = "harbour".parse().unwrap();
        let request = Request::HandIn { shop, tokens: Hidden(tokens) };
        control::ask(&month.stage.state_dir(), &request, |_| {}).await.unwrap();
        Some(month)
    }

    /// Sets everybody's clock.
    fn set(&self, at: Timestamp) {
        self.clock.set(at);
        let off = at.duration_since(Clock::system().now());
        self.stage.write_whole("offset", &format!("{:+.3}", off.as_secs_f64()));
    }

    async fn start(&mut self) {
        let mut daemon = Daemon::start(&self.stage, &self.named);
        self.stage.answering(&mut daemon).await;
        self.daemon = Some(daemon);
    }

    async fn kill(&mut self) {
        self.daemon.take().unwrap().kill_after(&self.stage, Duration::ZERO).await;
    }

    /// Waits until the daemon has done something that it began after an instant of its clock, and so many mails have left.
    async fn lives_past(&mut self, at: Timestamp, mails: usize) {
        let mut daemon = self.daemon.take().unwrap();
        let look = async || {
            let runs = planned(&self.stage.all_runs().await, "erp", IMPORT);
            match (runs.iter().any(|run| run.started_at.is_some_and(|began| began > at)), self.noted().await) {
                (true, left) if left >= mails => Ok(()),
                (lives, left) => Err(format!("at {at} and later: did anything: {lives}; mails: {left} of {mails}")),
            }
        };
        self.stage.until(&mut daemon, look).await;
        self.daemon = Some(daemon);
    }

    /// How many mails have left and are noted as such: a death before that would rightly have one leave again.
    async fn noted(&self) -> usize {
        let store = self.stage.open_store().await.unwrap();
        let sent = store.read(self.clock.now()).await.unwrap().mails(Some(MailState::Sent), 100).await.unwrap().len();
        store.close().await;
        sent
    }

    /// What has left: when, by its file's name, and what kind of mail, whereto.
    fn mails(&self) -> Vec<(Timestamp, String)> {
        let files = fs::read_dir(self.stage.state_dir().join("mail")).into_iter().flatten();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        let told = |file: &std::path::PathBuf| {
            let name = file.file_name().unwrap().to_str().unwrap();
            let (at, _) = name.split_once('-').unwrap();
            let at = jiff::fmt::strtime::parse("%Y%m%dT%H%M%S%.fZ", at).unwrap().to_datetime().unwrap();
            let mail = fs::read_to_string(file).unwrap();
            let header = |name: &str| mail.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
            let kind = format!("{} {}", header("X-Shopsyncd-Kind:"), header("To:"));
            (at.to_zoned(TimeZone::UTC).unwrap().timestamp(), kind)
        };
        files.iter().map(told).collect()
    }
}

/// Day by day from before the first step until after the end; `killed`: with a death and a new start on the way of every other day.
async fn month(killed: bool) {
    let Some(mut month) = Month::begin().await else { return };
    let steps = ["2026-05-30", "2026-06-06", "2026-06-13", "2026-06-20", "2026-06-27"];
    let mut due: Vec<_> = steps.map(|day| (berlin(&format!("{day}T08:00")), "reminder Anna <anna@example.com>")).into();
    due.push((berlin("2026-06-30T12:00"), "ended Anna <anna@example.com>"));
    let mut date: Date = "2026-05-28".parse().unwrap();
    let last: Date = "2026-07-03".parse().unwrap();
    while date <= last {
        let hour = if due.iter().any(|(at, _)| *at == berlin(&format!("{date}T12:00"))) { "12:00" } else { "08:00" };
        let at = berlin(&format!("{date}T{hour}"));
        let before = due.iter().filter(|(due, _)| *due < at).count();
        let mails = due.iter().filter(|(due, _)| *due <= at).count();
        // A second counts where something is due.
        month.set(if mails > before { at - SignedDuration::from_secs(1) } else { at });
        if killed && date.day() % 2 == 0 {
            month.kill().await;
            month.start().await;
        }
        month.lives_past(at, mails).await;
        date += 1.day();
    }
    let left = month.mails();
    assert_eq!(
        left.iter().map(|(_, kind)| kind.as_str()).collect::<Vec<_>>(),
        due.iter().map(|(_, kind)| *kind).collect::<Vec<_>>(),
        "{left:?}"
    );
    for ((at, _), (due, kind)) in left.iter().zip(&due) {
        let late = at.duration_since(*due);
        assert!(SignedDuration::ZERO <= late && late < SignedDuration::from_secs(20), "{kind}: {at}, due {due}");
    }
    month.daemon.take().unwrap().stop(&month.stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_reminders_and_the_notice_leave_at_their_times() {
    month(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_the_same_where_the_daemon_is_killed_on_the_way() {
    month(true).await;
}
