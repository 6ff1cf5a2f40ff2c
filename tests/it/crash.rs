//! The real binary, killed with SIGKILL at every named point and at random moments, then started again; and stopped for a while.
//!
//! After each death and after each start the database is looked at by one checker; once all is quiet again, nothing is lost
//! and nothing doubled: not in the database, not at the marketplace, not in the mail.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "the counts belong to the result")]

use std::{future::Future, time::Duration};

use futures_util::StreamExt as _;

mod copied;
mod daemon;
mod evidence;
mod invariants;
mod month;
mod peers;
mod points;
mod random;
mod reseal;
mod stage;
mod stopped;
mod told;
mod unforgiven;
mod waited;

use daemon::Daemon;
use invariants::Seen;
use points::{GROUPS, Tally, in_group};
use stage::{SHOPS, Stage};

use crate::world::Database;

/// How often each point is died at.
const TIMES: usize = 5;
/// How many stages are played on at once: each mostly waits for the next second.
const LANES: usize = 4;

#[test]
fn every_point_in_the_source_is_died_at_by_one_of_these_tests() {
    let all = points::in_source();
    let orphans: Vec<_> = all.iter().filter(|name| !GROUPS.iter().any(|group| points::belongs(name, group))).collect();
    assert!(orphans.is_empty(), "no test dies at {orphans:?}; add them to a group in tests/it/crash/points.rs");
    for prefix in GROUPS.iter().flat_map(|group| group.iter()) {
        assert!(all.iter().any(|name| name.starts_with(prefix)), "no point begins with `{prefix}` any more");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planning_finishing_and_importing_survive_any_death() {
    each_of(points::PLAN_AND_IMPORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exporting_and_renewing_tokens_survive_any_death() {
    each_of(points::EXPORT_AND_REFRESH).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_reminders_and_mail_survive_any_death() {
    each_of(points::PEOPLE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sealing_anew_survives_any_death() {
    each_of(points::KEYS).await;
}

/// Dies at each point of a group, again and again.
async fn each_of(group: &[&str]) {
    let mut tally = Tally::default();
    for (point, deaths) in in_lanes(LANES, in_group(group).into_iter().map(die_often)).await {
        tally.count(&point, deaths);
    }
    tally.print("SQLite");
}

async fn die_often(point: String) -> (String, usize) {
    if points::belongs(&point, points::KEYS) {
        for chunk in 1..=reseal::CHUNKS {
            reseal::die_over_keys(Stage::new(Database::Sqlite), &format!("{point}#{chunk}")).await;
        }
        return (point, reseal::CHUNKS);
    }
    if points::belongs(&point, points::PEOPLE) {
        for time in 0..TIMES {
            die_once_over_people(Stage::new(Database::Sqlite), &point, 1 + time % 2).await;
        }
        return (point, TIMES);
    }
    let mut stage = working(Stage::new(Database::Sqlite)).await;
    for time in 0..TIMES {
        die_over_work(&mut stage, &point, 1 + time % 2).await;
    }
    (point, TIMES)
}

/// The source changes, so that there is something to do, and the daemon dies over it.
async fn die_over_work(stage: &mut Stage, point: &str, nth: usize) {
    stage.next_round();
    let repeats = stage.repeats();
    let seen = die_at(stage, &format!("{point}#{nth}")).await;
    recover(stage, &seen).await;
    if ["refresh.reply_unread", "refresh.before_commit"].contains(&point) {
        assert!(stage.repeats() > repeats, "{point}: the token was spent, so it must have been spent again");
    }
}

/// There are two recipients: over mail, the death comes with the first or the second.
async fn die_once_over_people(stage: Stage, point: &str, nth: usize) {
    match point.split_once('.') {
        Some(("consent", _)) => consent(stage, point).await,
        Some(("mail", _)) => remind(stage, point, nth).await,
        _ => remind(stage, point, 1).await,
    }
}

/// The owner agrees on the consent page, and the daemon dies over it.
async fn consent(mut stage: Stage, point: &str) {
    let mut daemon = stage.start(Some(point));
    stage.answering(&mut daemon).await;
    let answer = stage.consent().await;
    assert!(answer.is_err(), "{point}: the daemon answered {answer:?}");
    daemon.killed(&stage, point).await;
    let seen = stage.consistent().await;
    assert_eq!(seen.authorizations, usize::from(point.ends_with("after_commit")), "{point}: what stands, stands whole");

    let mut daemon = stage.start_again(&seen.instances).await;
    if seen.authorizations == 0 {
        stage.answering(&mut daemon).await;
        stage.consent().await.unwrap();
    }
    stage.settled(&mut daemon, &SHOPS[..1]).await;
    daemon.stop(&stage).await;
    let seen = stage.consistent().await;
    assert_eq!((seen.authorizations, seen.grants), (1, 1), "{point}: one consent, recorded once");
}

/// Tokens are handed in with a reminder owed at once; the daemon dies first over that, then over the reminder.
async fn remind(mut stage: Stage, point: &str, nth: usize) {
    let handed = "consent.after_commit";
    let mut daemon = stage.start(Some(handed));
    stage.answering(&mut daemon).await;
    let answer = stage.hand_in(0).await;
    assert!(answer.is_err(), "the daemon answered {answer:?}");
    daemon.killed(&stage, handed).await;
    assert_eq!(stage.consistent().await.mails.len(), 0, "no reminder was worked out yet");

    let seen = die_at(&mut stage, &format!("{point}#{nth}")).await;
    let owed = if point == "remind.before_commit" { 0 } else { stage::REMINDED.len() };
    assert_eq!(seen.mails.len(), owed, "{point}: all that is owed, or nothing");

    let mut daemon = stage.start_again(&seen.instances).await;
    stage.mails_sent(&mut daemon).await;
    stage.settled(&mut daemon, &SHOPS[..1]).await;
    daemon.stop(&stage).await;
    let doubled = stage.consistent().await.doubled_mails();
    // The one instant at which a mail may leave twice, and then it does: under the same Message-ID.
    assert_eq!(doubled, usize::from(point == "mail.after_send"), "{point}: mails that left twice");
}

/// A stage whose shops are authorized and in line with the source, with no daemon running.
async fn working(stage: Stage) -> Stage {
    let mut daemon = stage.start(None);
    stage.answering(&mut daemon).await;
    for shop in 0..SHOPS.len() {
        stage.hand_in(shop).await.unwrap();
    }
    stage.settled(&mut daemon, &SHOPS).await;
    daemon.stop(&stage).await;
    stage
}

/// Starts the daemon, lets it die at a point, and checks what it left behind.
async fn die_at(stage: &mut Stage, point: &str) -> Seen {
    let daemon = stage.start(Some(point));
    daemon.killed(stage, point).await;
    stage.consistent().await
}

/// Starts again after a death, waits until all is quiet and in line, and stops.
async fn recover(stage: &mut Stage, seen: &Seen) {
    let daemon = stage.start_again(&seen.instances).await;
    end_in_line(stage, daemon).await;
}

/// Waits until all is quiet and in line, and stops.
async fn end_in_line(stage: &mut Stage, mut daemon: Daemon) {
    stage.settled(&mut daemon, &SHOPS).await;
    daemon.stop(stage).await;
    stage.consistent().await;
}

/// Does all of this, so many at once.
async fn in_lanes<T>(lanes: usize, all: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures_util::stream::iter(all).buffer_unordered(lanes).collect().await
}

/// A span in seconds, as the counts tell it.
fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}
