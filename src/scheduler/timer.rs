//! When to look: at the next due instant, when somebody calls, and at least once a second, since wall clocks step, machines sleep
//! and peers die without a word.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Shared;

/// The longest wait between two looks.
pub(super) const LONGEST: Duration = Duration::from_secs(1);
/// The shortest time between two looks that found nothing in a hurry: what falls due close together is planned together.
const SHORTEST: Duration = Duration::from_millis(8);
/// Between two looks at work that peers are in the way of.
const PEERS: Duration = Duration::from_millis(250);
/// A step of the wall clock that is worth a word.
const STEP: SignedDuration = SignedDuration::from_secs(2);

/// What the planner waits for.
pub(super) enum Until {
    /// The next due instant, if there is one.
    Due(Option<Timestamp>),
    /// A free place, or so long: there is more to do than may go on at once.
    Slot(Duration),
    /// The peers, who work at what is to be done and do not say when they have done it.
    Peers,
}

/// Waits for whatever is first. `looked` is when the last look began.
pub(super) async fn wait(shared: &Shared, until: Until, looked: Instant) {
    let now = shared.clock.now();
    let longest = SignedDuration::try_from(LONGEST).expect("a second is a span");
    match until {
        Until::Due(next) => {
            let at = next.unwrap_or(now + longest).min(now + longest);
            tokio::select! {
                () = shared.clock.sleep_until(at) => {}
                // A wall clock that is set back meanwhile puts the instant off by as much.
                () = tokio::time::sleep(LONGEST) => {}
                () = shared.wake.notified() => {}
            }
            tokio::time::sleep_until(looked + SHORTEST).await;
        }
        Until::Slot(_) | Until::Peers => {
            let longest = if let Until::Slot(longest) = until { longest.min(LONGEST) } else { PEERS };
            tokio::select! {
                () = tokio::time::sleep(longest) => {}
                () = shared.wake.notified() => {}
            }
        }
    }
}

/// A while after `stop` fired: what is asked of the database at that moment is answered by then, or by nobody.
pub(super) async fn long_after(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LONGEST).await;
}

/// Notices that the wall clock was set back.
#[derive(Default)]
pub(super) struct Drift(Option<(Timestamp, Duration)>);

impl Drift {
    /// By how much the wall clock fell behind the boot-time clock since the last look, if by more than it wanders.
    pub(super) fn set_back(&mut self, wall: Timestamp, boot: Duration) -> Option<SignedDuration> {
        let (wall_before, boot_before) = self.0.replace((wall, boot))?;
        let passed = SignedDuration::try_from(boot.saturating_sub(boot_before)).ok()?;
        let back = passed - wall.duration_since(wall_before);
        (wall < wall_before && back >= STEP).then_some(back)
    }
}

/// Wakes the planner when a peer calls, for as long as it is polled. Without the connection, looking once a second has to do.
pub(super) async fn listen(shared: Arc<Shared>) {
    let mut deaf = false;
    loop {
        let error = match shared.store.wakes().await {
            Ok(None) => return,
            Ok(Some(mut wakes)) => {
                if std::mem::take(&mut deaf) {
                    tracing::info!(event = "store.hears", "peers are heard again");
                }
                // Calls before this moment were not heard.
                shared.wake.notify_one();
                loop {
                    match wakes.next().await {
                        Ok(()) => shared.wake.notify_one(),
                        Err(error) => break error,
                    }
                }
            }
            Err(error) => error,
        };
        if !std::mem::replace(&mut deaf, true) {
            tracing::warn!(event = "store.deaf", error = %error, "peers are not heard; looking once a second instead");
        }
        tokio::time::sleep(LONGEST).await;
    }
}

impl Shared {
    /// A run has ended: wakes the planner if it waits for a slot.
    pub(super) fn slot_is_free(&self) {
        if self.starving.swap(false, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }
}
