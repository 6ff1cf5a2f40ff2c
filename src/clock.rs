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

    /// Waits for a span, whatever steps the wall clock makes meanwhile. A manual clock has to be moved by as much.
    pub async fn sleep(&self, span: SignedDuration) {
        match &self.0 {
            Kind::System => tokio::time::sleep(Duration::try_from(span).unwrap_or_default()).await,
            Kind::Manual(_) => self.sleep_until(self.now() + span).await,
        }
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

/// Time since the machine started, suspend included. No step of the wall clock moves it.
pub fn boot_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// Lets every task of the test's single thread go as far as it gets.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_manual_clock_wakes_those_whose_time_has_come_and_nobody_else() {
        let clock = Clock::manual(at(1_000));
        let sleeper = |until: i64| {
            let clock = clock.clone();
            tokio::spawn(async move { clock.sleep_until(at(until)).await })
        };
        let (soon, late) = (sleeper(1_010), sleeper(1_011));
        settle().await;
        assert!(!soon.is_finished());
        clock.advance(SignedDuration::from_secs(10));
        soon.await.unwrap();
        settle().await;
        assert!(!late.is_finished());
        clock.advance(SignedDuration::from_secs(1));
        late.await.unwrap();
    }

    #[tokio::test]
    async fn an_instant_that_has_come_is_not_waited_for() {
        let clock = Clock::manual(at(1_000));
        clock.sleep_until(at(1_000)).await;
        clock.sleep(SignedDuration::ZERO).await;
        Clock::system().sleep_until(Timestamp::now()).await;
    }

    #[tokio::test]
    async fn a_step_back_lets_sleepers_sleep_on() {
        let clock = Clock::manual(at(1_000));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(SignedDuration::from_secs(10)).await }
        });
        settle().await;
        clock.advance(SignedDuration::from_secs(-100));
        settle().await;
        clock.set(at(1_009));
        settle().await;
        assert!(!sleeper.is_finished());
        clock.set(at(1_010));
        sleeper.await.unwrap();
    }

    #[test]
    fn clones_share_one_time_cut_to_milliseconds() {
        let clock = Clock::manual(at(1_000));
        let clone = clock.clone();
        clone.set("2026-01-01T00:00:00.123456789Z".parse().unwrap());
        assert_eq!(clock.now().to_string(), "2026-01-01T00:00:00.123Z");
    }

    #[test]
    fn the_systems_clock_cannot_be_moved() {
        let clock = Clock::system();
        clock.set(at(1_000));
        clock.advance(SignedDuration::from_hours(-1_000_000));
        assert!(Timestamp::now().duration_since(clock.now()) < SignedDuration::from_mins(1));
    }
}
