//! What systemd is told: ready, reloading, stopping, well or not; and the watchdog, fed by the planner's progress.

use std::{sync::Arc, time::Duration};

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use super::Shared;

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

/// The reload has ended, well or not.
pub(super) fn reloaded(ailments: &[String]) {
    tell(&[NotifyState::Ready, NotifyState::Status(&line(ailments))]);
}

/// Says that the daemon stops, as soon as it begins to.
pub(super) async fn tell_stop(shared: Arc<Shared>, stop: CancellationToken) -> Result<(), String> {
    stop.cancelled().await;
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    tracing::info!(event = "daemon.stopping", instance.id = %shared.handle.holder(), "shopsyncd stops");
    Ok(())
}

/// Tells that the daemon is ready, keeps the status line true, and feeds the watchdog for as long as the planner moves.
/// A database that is away is reported, not punished: the planner that waits for it moves.
pub(super) async fn watchdog(shared: Arc<Shared>, stop: CancellationToken) -> Result<(), String> {
    let every =
        sd_notify::watchdog_enabled().map_or(Duration::from_secs(5), |limit| limit / 3).min(Duration::from_secs(5));
    tell(&[NotifyState::Ready]);
    loop {
        let ailments = shared.ailments().await;
        tell(&[NotifyState::Status(&line(&ailments))]);
        if shared.handle.last_planned().elapsed() < Duration::from_secs(20) {
            tell(&[NotifyState::Watchdog]);
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(every) => {}
        }
    }
}

fn line(ailments: &[String]) -> String {
    if ailments.is_empty() { "well".into() } else { ailments.join("; ") }
}
