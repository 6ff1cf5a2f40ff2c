//! The clock, handed in: the system's, or one that tests move by hand.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// Tells the time and waits for it. Cheap to clone; clones share one time.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    now: Mutex<Timestamp>,
    moved: watch::Sender<()>,
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that stands still until it is moved by hand.
    pub fn manual(now: Timestamp) -> Self {
        Self(Kind::Manual(Arc::new(Manual { now: Mutex::new(now), moved: watch::Sender::new(()) })))
    }

    /// The wall clock's time, cut to milliseconds as everything stored is.
    pub fn now(&self) -> Timestamp {
        let now = match &self.0 {
            Kind::System => Timestamp::now(),
            Kind::Manual(manual) => *manual.now.lock().unwrap_or_else(PoisonError::into_inner),
        };
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    /// Waits until the wall clock has reached `instant`. The system's clock is read again at least once a second,
    /// since a suspend or a step of the wall clock does not move the runtime's own timers.
    pub async fn sleep_until(&self, instant: Timestamp) {
        match &self.0 {
            Kind::System => loop {
                let left = instant.duration_since(Timestamp::now());
                if left <= SignedDuration::ZERO {
                    return;
                }
                tokio::time::sleep(left.unsigned_abs().min(Duration::from_secs(1))).await;
            },
            Kind::Manual(manual) => {
                let mut moved = manual.moved.subscribe();
                while self.now() < instant {
                    if moved.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Waits for a span of the wall clock.
    pub async fn sleep(&self, span: SignedDuration) {
        self.sleep_until(self.now() + span).await;
    }

    /// Moves a manual clock to `instant` and wakes whoever waits. Does nothing to the system's clock.
    pub fn set(&self, instant: Timestamp) {
        if let Kind::Manual(manual) = &self.0 {
            *manual.now.lock().unwrap_or_else(PoisonError::into_inner) = instant;
            manual.moved.send_replace(());
        }
    }

    /// Moves a manual clock on (or, with a negative span, back).
    pub fn advance(&self, span: SignedDuration) {
        self.set(self.now() + span);
    }
}
