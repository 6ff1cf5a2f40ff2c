//! What is old goes: finished runs, mail that has left, the journal, states of authorizations that nobody finished,
//! sessions of the page, and authorizations that no shop names any more.

use jiff::{SignedDuration, Timestamp};

use crate::{
    clock::Clock,
    keeper::WEBHOOKS_KEPT,
    store::{Store, StoreError},
};

/// How long mail is kept at least: the reason of a mail, kept with it, is what keeps it from being sent again, and the
/// longest step of any ladder to the operator is 90 days.
const MAIL_AT_LEAST: SignedDuration = SignedDuration::from_hours(100 * 24);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// How long states of authorizations are kept: they are good for half an hour.
const STATES: SignedDuration = DAY;

/// How long a shop whose settings name another place of sale may come back to the one before and find its authorization: whoever
/// mistyped a number notices in time.
const FORMER_PLACES: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Finished runs.
    pub runs: u64,
    /// Mails that were sent, refused or cancelled.
    pub mails: u64,
    /// Lines of the journal.
    pub lines: u64,
    /// States of authorizations.
    pub states: u64,
    /// Webhooks that were taken.
    pub webhooks: u64,
    /// Sessions of the page that have ended.
    pub sessions: u64,
    /// Texts of products that nothing refers to any more.
    pub texts: u64,
    /// Authorizations that no shop names any more.
    pub authorizations: u64,
}

/// The fact that tells when it was last done.
const DONE: &str = "history.pruned_at";

/// [`prune`]s where that was not done for a day: the housekeeping calendar, which catches nothing up, calls it each hour.
pub async fn prune_daily(store: &Store, clock: &Clock, keep: SignedDuration) -> Result<Option<Pruned>, StoreError> {
    let now = clock.now();
    let last = store.read(now).await?.fact(DONE).await?.and_then(|at| at.parse::<Timestamp>().ok());
    // A step back of the clock must not keep it from being done.
    if last.is_some_and(|last| last <= now && now < last + DAY) {
        return Ok(None);
    }
    let pruned = prune(store, clock, keep).await?;
    let mut tx = store.write(now).await?;
    tx.set_fact(DONE, &now.to_string()).await?;
    tx.commit().await?;
    Ok(Some(pruned))
}

/// Deletes what is older than `keep`, a kind at a time so that no transaction is long.
pub async fn prune(store: &Store, clock: &Clock, keep: SignedDuration) -> Result<Pruned, StoreError> {
    let now = clock.now();
    let mut pruned = Pruned::default();

    loop {
        let mut tx = store.write(now).await?;
        let runs = tx.prune_runs(now - keep).await?;
        tx.commit().await?;
        if runs == 0 {
            break;
        }
        pruned.runs += runs;
    }

    let mut tx = store.write(now).await?;
    pruned.mails = tx.prune_mail(now - keep.max(MAIL_AT_LEAST)).await?;
    pruned.lines = tx.prune_journal(now - keep).await?;
    pruned.states = tx.prune_states(now - STATES).await?;
    pruned.webhooks = tx.prune_webhooks(now - WEBHOOKS_KEPT).await?;
    pruned.sessions = tx.prune_sessions().await?;
    pruned.authorizations = tx.prune_orphans(now - FORMER_PLACES).await?;
    tx.commit().await?;

    let mut tx = store.write(now).await?;
    pruned.texts = tx.prune_texts().await?;
    tx.commit().await?;
    Ok(pruned)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_done_once_a_day_however_often_the_daemon_starts_and_whatever_the_clock_does() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:x.db", folder.path()).await.unwrap();
        let clock = Clock::manual("2026-03-02T09:17:00Z".parse().unwrap());
        let mut done = Vec::new();
        for hours in [0, 1, 22, 1, 1, 30, -100, 1] {
            clock.set(clock.now() + SignedDuration::from_hours(hours));
            done.push(prune_daily(&store, &clock, DAY * 90).await.unwrap().is_some());
        }
        assert_eq!(done, [true, false, false, true, false, true, true, false]);
    }
}
