//! Deaths where the marketplace forgives nothing: a refresh token works once, and a consent ends the tokens of the one before it.
//!
//! What a reply brought that was stored stays. What was lost with a reply is lost: the channel's way out is tried once, then the owner
//! is asked at once and told why, and a new consent brings everything back.

use mail_parser::MessageParser;
use shopsyncd::{
    clock::Clock,
    domain::{Authorization, AuthorizationState, Hold, JobKind, MailKind},
    store::MailState,
};

use super::{
    daemon::Daemon,
    die_at, in_lanes,
    points::{self, Tally},
    stage::{REMINDED, SHOPS, Stage},
};
use crate::world::Database;

/// How many stages are played on at once: each mostly waits.
const LANES: usize = 4;
/// Points that are passed while a reply is in the program's hands alone.
const LOST: [&str; 2] = ["refresh.reply_unread", "refresh.before_commit"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_was_lost_is_asked_for_once_and_then_the_owner_is_asked_on_sqlite() {
    let mut tally = Tally::default();
    let deaths = points::in_group(&["refresh."]).into_iter().map(|point| die_over_tokens(Database::Sqlite, point));
    for point in in_lanes(LANES, deaths).await {
        tally.count(&point, 1);
    }
    tally.print("SQLite, unforgiven");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_was_lost_is_asked_for_once_and_then_the_owner_is_asked_on_postgres() {
    let mut tally = Tally::default();
    let deaths = points::in_group(&["refresh."]).into_iter().map(async |point| match Database::postgres().await {
        Some(database) => Some(die_over_tokens(database, point).await),
        None => None,
    });
    for point in in_lanes(LANES, deaths).await.into_iter().flatten() {
        tally.count(&point, 1);
    }
    tally.print("PostgreSQL, unforgiven");
}

/// The daemon dies over a renewal of the tokens.
async fn die_over_tokens(database: Database, point: String) -> String {
    let mut stage = working_alone(Stage::unforgiving(database)).await;
    stage.next_round();
    let seen = die_at(&mut stage, &point).await;
    let open = !["refresh.before_intent", "refresh.after_commit"].contains(&point.as_str());
    assert_eq!(seen.intents, u64::from(open), "{point}: what may be lost is noted");

    let mut daemon = stage.start_again(&seen.instances).await;
    let lost = LOST.contains(&point.as_str());
    if lost {
        let why = "never arrived, and the channel refused its repetition: ";
        stage.owner_is_asked(&mut daemon, &point, why).await;
        stage.answering(&mut daemon).await;
        stage.consent().await.unwrap();
    }
    stage.settled(&mut daemon, &SHOPS[..1]).await;
    daemon.stop(&stage).await;
    let seen = stage.consistent().await;
    assert_eq!(stage.repeats(), u64::from(lost), "{point}: the way out is taken once, and only where it is needed");
    assert_eq!(seen.grants, if lost { 2 } else { 1 }, "{point}");
    point
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_that_was_lost_when_the_old_tokens_had_ended_is_asked_for_again() {
    for point in points::in_group(&["consent."]) {
        let mut stage = working_alone(Stage::unforgiving(Database::Sqlite)).await;
        let mut daemon = stage.start(Some(&point));
        stage.answering(&mut daemon).await;
        let answer = stage.consent().await;
        assert!(answer.is_err(), "{point}: the daemon answered {answer:?}");
        daemon.killed(&stage, &point).await;
        let seen = stage.consistent().await;
        // Before it is recorded the consent has kept its tokens: they work on, as the permission that was there.
        let recorded = point.ends_with("after_commit");
        let lost = point.ends_with("reply_unread");
        assert_eq!(seen.grants, if recorded { 2 } else { 1 }, "{point}: what stands, stands whole");

        stage.next_round();
        let mut daemon = stage.start_again(&seen.instances).await;
        if lost {
            stage.owner_is_asked(&mut daemon, &point, "deauthorized").await;
            stage.consent().await.unwrap();
        }
        stage.settled(&mut daemon, &SHOPS[..1]).await;
        daemon.stop(&stage).await;
        // What was kept counts as given anew once a renewal tells its later end.
        let grants = stage.consistent().await.grants;
        assert!(grants == 2 || (grants == 1 && !recorded && !lost), "{point}: {grants}");
    }
}

/// A stage of whose shops only the first is authorized, so that one exchange is under way at a time.
async fn working_alone(stage: Stage) -> Stage {
    let mut daemon = stage.start(None);
    stage.answering(&mut daemon).await;
    stage.hand_in(0).await.unwrap();
    stage.settled(&mut daemon, &SHOPS[..1]).await;
    daemon.stop(&stage).await;
    stage
}

impl Stage {
    /// Waits until the permission has ended, for the true reason, its jobs wait for the owner, and everybody concerned has a mail that
    /// says so.
    async fn owner_is_asked(&self, daemon: &mut Daemon, point: &str, reason: &str) {
        self.until(daemon, async || match self.only_authorization().await {
            known if known.state == AuthorizationState::Revoked => Ok(()),
            known => Err(format!("{point}: it is {:?}, {:?}", known.state, known.intent)),
        })
        .await;
        let why = self.only_authorization().await.why.unwrap_or_default();
        assert!(why.contains(reason), "{point}: {why}");
        self.answering(daemon).await;
        for job in [JobKind::ProductImport, JobKind::ProductExport] {
            assert_eq!(self.held_by(job).await, Some(Hold::Revoked), "{point}: {job}");
            let asks = format!("shopsyncd shops authorize {}", SHOPS[0].0);
            // As long as a run goes on, that is what is told of.
            self.until(daemon, async || match self.why(job).await {
                told if told.contains(&why) && told.contains(&asks) => Ok(()),
                told => Err(format!("{point}: {told}")),
            })
            .await;
        }
        self.until(daemon, async || match self.told_of_the_end(&why).await {
            told if told == REMINDED => Ok(()),
            told => Err(format!("{point}: told of the end are {told:?}")),
        })
        .await;
    }

    async fn only_authorization(&self) -> Authorization {
        let store = self.open_store().await.unwrap();
        let mut known = store.read(Clock::system().now()).await.unwrap().authorizations().await.unwrap();
        store.close().await;
        assert_eq!(known.len(), 1);
        known.remove(0)
    }

    async fn held_by(&self, job: JobKind) -> Option<Hold> {
        let store = self.open_store().await.unwrap();
        let shop = SHOPS[0].0.parse().unwrap();
        let schedules = store.read(Clock::system().now()).await.unwrap().schedules(Some(&shop)).await.unwrap();
        store.close().await;
        schedules.into_iter().find(|row| row.job == job).unwrap().held_by
    }

    /// Who has a mail that tells of the end and its reason, in order, each as often as it came.
    async fn told_of_the_end(&self, why: &str) -> Vec<String> {
        let store = self.open_store().await.unwrap();
        let mails = store.read(Clock::system().now()).await.unwrap().mails(Some(MailState::Sent), 100).await.unwrap();
        store.close().await;
        let mut told = Vec::new();
        for mail in mails.into_iter().filter(|mail| mail.kind == MailKind::Ended) {
            let letter = MessageParser::default().parse(mail.body.as_deref().unwrap()).unwrap();
            let text = letter.body_text(0).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains(why), "{text}");
            told.push(mail.recipient);
        }
        told.sort();
        told
    }
}
