//! What systemd is told: ready, reloading, stopping, well or not; and the watchdog, fed by the planner's progress.

use std::{sync::Arc, time::Duration};

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use super::Shared;

/// How often the status line is looked at, and the watchdog fed at the least.
const OFTEN: Duration = Duration::from_secs(5);

/// The planner looks at least once a second, and says so every fifteen while the database is away: after as long it is stuck.
const PLANNER_MOVES: Duration = Duration::from_secs(20);

/// Within what time of a word that the start waits the next one follows, or that the daemon is ready: as long as the unit gives a start
/// that says nothing.
const NEXT_WORD: Duration = Duration::from_mins(5);

fn tell(states: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(states);
}

/// A reload has begun.
pub(super) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// The reload has ended, well or not; how things stand since, in words.
pub(super) fn reloaded(words: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(words)]);
}

/// The start waits, for what these words say, and goes on waiting: nothing about it is stuck.
pub(super) fn waiting(words: &str) {
    let longer = u32::try_from(NEXT_WORD.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::Status(&one_line(words)), NotifyState::ExtendTimeoutUsec(longer)]);
}

/// What is said to systemd is one line.
pub(super) fn one_line(words: &str) -> String {
    words.replace(char::is_control, " ")
}

/// The daemon stops.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Says that the daemon stops, as soon as it begins to.
pub(super) async fn tell_stop(shared: Arc<Shared>, stop: CancellationToken) -> Result<(), String> {
    stop.cancelled().await;
    stopping();
    tracing::info!(event = "daemon.stopping", instance.id = %shared.handle.holder(), "shopsyncd stops");
    Ok(())
}

/// Tells that the daemon is ready, keeps the status line true, and feeds the watchdog for as long as the planner moves.
/// A database that is away is reported, not punished: the planner that waits for it moves.
pub(super) async fn watchdog(shared: Arc<Shared>, stop: CancellationToken) -> Result<(), String> {
    tell(&[NotifyState::Ready]);
    tokio::select! {
        () = stop.cancelled() => {}
        // Beside each other: words that take their time must not starve the watchdog.
        () = feed(&shared) => {}
        () = keep_status(&shared) => {}
    }
    Ok(())
}

async fn feed(shared: &Shared) {
    let every = sd_notify::watchdog_enabled().map_or(OFTEN, |limit| limit / 3).min(OFTEN);
    loop {
        if shared.handle.last_planned().elapsed() < PLANNER_MOVES {
            tell(&[NotifyState::Watchdog]);
        }
        tokio::time::sleep(every).await;
    }
}

async fn keep_status(shared: &Shared) {
    loop {
        tell(&[NotifyState::Status(&shared.in_words().await)]);
        tokio::time::sleep(OFTEN).await;
    }
}
