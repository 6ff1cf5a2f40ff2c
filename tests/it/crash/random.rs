//! Deaths at random moments: while it starts, while it works, while owners agree and mail is owed.

use std::time::Duration;

use super::{
    LANES, end_in_line, in_lanes,
    invariants::Seen,
    points::Random,
    recover,
    stage::{SHOPS, Stage},
};
use crate::world::Database;

/// How many deaths come on each stage before anything else: over the first authorization and the reminders it makes owed.
const FIRST: u64 = 5;
/// How many follow while it works.
const LATER: u64 = 20;

/// What was done while deaths came.
#[derive(Default)]
struct Told {
    recoveries: u64,
    consents: u64,
    mails: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_deaths_at_random_moments_lose_nothing() {
    let told = in_lanes(LANES, (0..LANES as u64).map(|lane| die_at_random(0x5eed_0001 + lane))).await;
    let (deaths, sum) = ((FIRST + LATER) * LANES as u64, |what: fn(&Told) -> u64| told.iter().map(what).sum::<u64>());
    println!(
        "crash: random moments killed {deaths} times on SQLite, {} of them over a consent; {} recoveries looked at in full, {} mails left",
        sum(|told| told.consents),
        sum(|told| told.recoveries),
        sum(|told| told.mails as u64),
    );
    assert!(deaths >= 100);
    for (what, times) in [("recoveries", sum(|told| told.recoveries)), ("mails", sum(|told| told.mails as u64))] {
        assert!(times > 0, "no death was over {what}");
    }
}

async fn die_at_random(seed: u64) -> Told {
    let (mut stage, mut random, mut told) = (Stage::new(Database::Sqlite), Random(seed), Told::default());
    let mut seen = Seen::default();
    for _ in 0..FIRST {
        seen = die_over_reminders(&mut stage, &mut random, &seen).await;
    }
    begin_work(&mut stage, &seen).await;
    for kill in 1..=LATER {
        if kill % 5 == 1 {
            stage.next_round();
        }
        // Every second death comes while it works, every fourth over a consent, the others while it starts.
        let consents = kill % 4 == 0;
        let mut daemon = stage.start(None);
        if kill % 2 == 0 {
            stage.taken_over(&mut daemon, &seen.instances).await;
        }
        if consents {
            stage.answering(&mut daemon).await;
            told.consents += 1;
        }
        let longest = if consents { 900 } else { 400 };
        let dies = daemon.kill_after(&stage, Duration::from_millis(random.between(5, longest)));
        let agrees = async { if consents { stage.consent().await.is_ok() } else { false } };
        tokio::join!(dies, agrees);
        seen = stage.consistent().await;
        // The channel forgives one repetition of a token; a second death over the same one would end the permission.
        if seen.intents > 0 || kill == LATER {
            recover(&mut stage, &seen).await;
            told.recoveries += 1;
        }
    }
    let mut daemon = stage.start_again(&[]).await;
    stage.mails_sent(&mut daemon).await;
    end_in_line(&mut stage, daemon).await;
    told.mails = stage.consistent().await.mails.len();
    told
}

/// Until tokens are on record they are handed in again; afterwards what dies is over the reminder, or over its mail.
async fn die_over_reminders(stage: &mut Stage, random: &mut Random, before: &Seen) -> Seen {
    let mut daemon = stage.start(None);
    let hands_in = before.authorizations == 0;
    if hands_in {
        stage.answering(&mut daemon).await;
    } else {
        stage.taken_over(&mut daemon, &before.instances).await;
    }
    let dies = daemon.kill_after(stage, Duration::from_millis(random.between(5, 150)));
    let agrees = async { if hands_in { stage.hand_in(0).await.is_ok() } else { false } };
    tokio::join!(dies, agrees);
    let mut seen = stage.consistent().await;
    if seen.intents > 0 {
        let mut daemon = stage.start_again(&seen.instances).await;
        stage.settled(&mut daemon, &SHOPS[..1]).await;
        daemon.stop(stage).await;
        seen = stage.consistent().await;
    }
    seen
}

/// Authorizes what is not authorized yet, and waits until everybody has been reminded and all is in line.
async fn begin_work(stage: &mut Stage, seen: &Seen) {
    let mut daemon = stage.start_again(&seen.instances).await;
    stage.answering(&mut daemon).await;
    for shop in seen.authorizations..SHOPS.len() {
        stage.hand_in(shop).await.unwrap();
    }
    stage.mails_sent(&mut daemon).await;
    end_in_line(stage, daemon).await;
}
