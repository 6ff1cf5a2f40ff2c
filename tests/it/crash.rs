//! The real binary, killed with SIGKILL at every named point and at random moments, then started again.
//!
//! After each death and after each start the database is looked at by one checker; once all is quiet again, nothing is lost
//! and nothing doubled: not in the database, not at the marketplace, not in the mail.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "the counts belong to the result")]

use std::time::Duration;

mod invariants;
mod points;
mod stage;

use invariants::Seen;
use points::{GROUPS, Tally, in_group};
use stage::{SHOPS, Stage};

/// How often each point is died at.
const TIMES: usize = 5;
/// How many random deaths there are.
const RANDOM_KILLS: u64 = 100;

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
    jobs(points::PLAN_AND_IMPORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exporting_and_renewing_tokens_survive_any_death() {
    jobs(points::EXPORT_AND_REFRESH).await;
}

/// One state folder for all deaths of a group; before each the source changes, so that there is something to do.
async fn jobs(group: &[&str]) {
    let mut stage = working().await;
    let mut tally = Tally::default();
    for point in in_group(group) {
        for time in 0..TIMES {
            stage.next_round();
            let repeats = stage.repeats();
            let seen = die_at(&mut stage, &format!("{point}#{}", 1 + time % 2)).await;
            tally.count(&point);
            recover(&mut stage, &seen).await;
            if ["refresh.reply_unread", "refresh.before_commit"].contains(&point.as_str()) {
                assert!(stage.repeats() > repeats, "{point}: the token was spent, so it must have been spent again");
            }
        }
    }
    tally.print();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_reminders_and_mail_survive_any_death() {
    let mut tally = Tally::default();
    for point in in_group(points::PEOPLE) {
        for time in 0..TIMES {
            if point.starts_with("consent.") {
                consent(&point).await;
            } else {
                remind(&point, time, &mut tally).await;
            }
            tally.count(&point);
        }
    }
    tally.print();
}

/// The owner agrees on the consent page, and the daemon dies over it.
async fn consent(point: &str) {
    let mut stage = Stage::new();
    let mut daemon = stage.start(Some(point));
    stage.alone(&mut daemon, &[]).await;
    let answer = stage.consent(&mut daemon).await;
    assert!(answer.is_err(), "{point}: the daemon answered {answer:?}");
    daemon.killed(&stage, point).await;
    let seen = stage.consistent().await;
    assert_eq!(seen.authorizations, usize::from(point.ends_with("after_commit")), "{point}: what stands, stands whole");

    let mut daemon = stage.start(None);
    stage.alone(&mut daemon, &seen.instances).await;
    if seen.authorizations == 0 {
        stage.consent(&mut daemon).await.unwrap();
    }
    stage.settled(&mut daemon, &SHOPS[..1]).await;
    daemon.stop(&stage).await;
    let seen = stage.consistent().await;
    assert_eq!((seen.authorizations, seen.grants), (1, 1), "{point}: one consent, recorded once");
}

/// Tokens are handed in with a reminder owed at once; the daemon dies first over that, then over the reminder.
async fn remind(point: &str, time: usize, tally: &mut Tally) {
    let mut stage = Stage::new();
    let handed = "consent.after_commit";
    let mut daemon = stage.start(Some(handed));
    stage.alone(&mut daemon, &[]).await;
    let answer = stage.hand_in(&mut daemon, 0).await;
    assert!(answer.is_err(), "the daemon answered {answer:?}");
    daemon.killed(&stage, handed).await;
    tally.count(handed);
    assert_eq!(stage.consistent().await.mails.len(), 0, "no reminder was worked out yet");

    // There are two recipients: the death comes over the first mail or the second.
    let nth = if point.starts_with("mail.") { 1 + time % 2 } else { 1 };
    let seen = die_at(&mut stage, &format!("{point}#{nth}")).await;
    let owed = if point == "remind.before_commit" { 0 } else { stage::REMINDED.len() };
    assert_eq!(seen.mails.len(), owed, "{point}: all that is owed, or nothing");

    let mut daemon = stage.start(None);
    stage.alone(&mut daemon, &seen.instances).await;
    stage.mails_sent(&mut daemon).await;
    stage.settled(&mut daemon, &SHOPS[..1]).await;
    daemon.stop(&stage).await;
    let doubled = stage.consistent().await.doubled_mails();
    // The one instant at which a mail may leave twice, and then it does: under the same Message-ID.
    assert_eq!(doubled, usize::from(point == "mail.after_send"), "{point}: mails that left twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_deaths_at_random_moments_lose_nothing() {
    let mut stage = working().await;
    let mut random = points::Random(0x5eed_0001);
    let mut seen = Seen::default();
    let mut recoveries = 0;
    for kill in 1..=RANDOM_KILLS {
        if kill % 5 == 1 {
            stage.next_round();
        }
        let mut daemon = stage.start(None);
        // Every second death comes while it works, the others while it starts.
        if kill % 2 == 0 {
            stage.alone(&mut daemon, &seen.instances).await;
        }
        daemon.kill_after(&stage, Duration::from_millis(random.between(5, 400))).await;
        seen = stage.consistent().await;
        // The channel forgives one repetition of a token; a second death over the same one would end the permission.
        if seen.intents > 0 || kill % 10 == 0 {
            recover(&mut stage, &seen).await;
            recoveries += 1;
        }
    }
    println!("crash: random moments killed {RANDOM_KILLS} times, {recoveries} recoveries looked at in full");
}

/// A stage whose shops are authorized and in line with the source, with no daemon running.
async fn working() -> Stage {
    let stage = Stage::new();
    let mut daemon = stage.start(None);
    stage.alone(&mut daemon, &[]).await;
    for shop in 0..SHOPS.len() {
        stage.hand_in(&mut daemon, shop).await.unwrap();
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
    let mut daemon = stage.start(None);
    stage.alone(&mut daemon, &seen.instances).await;
    stage.settled(&mut daemon, &SHOPS).await;
    daemon.stop(stage).await;
    stage.consistent().await;
}
