//! Rate budgets: how fast a host may be called, learnt from what it answers.
//!
//! Marketplaces publish limits that differ from page to page and change without notice, so the numbers a channel brings are
//! only where the learning starts. While calls are accepted the rate grows by a twentieth each; a refusal halves it and
//! is remembered as a ceiling, which is then lifted only by a hundredth a minute.
//!
//! Two clocks are at work, on purpose. Pacing goes by the runtime's monotonic time, since it is about real packets: it
//! neither jumps with the wall clock nor stands still with a test's. The pause after a refusal is an instant that people see
//! and runs wait for, so it goes by the wall clock that is handed in.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The longest wait for a turn that the client takes upon itself.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// No rate falls below this, one call in five seconds, but those that start there.
const SLOWEST: f64 = 0.2;
/// No rate grows beyond this many calls a second, and those below one not at all.
const FASTEST: f64 = 50.0;

/// Whose calls are counted together. Marketplaces count per app, shop and endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BudgetKey {
    /// The channel.
    pub channel: &'static str,
    /// Our app there.
    pub app: String,
    /// The place of sale; empty for calls that concern none.
    pub place: String,
    /// The operation, in a word.
    pub operation: &'static str,
}

/// Where the learning starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls in each span.
    pub calls: u32,
    /// The span.
    pub per: Duration,
    /// Calls at once after a rest.
    pub burst: u32,
}

impl Rate {
    /// So many calls a second.
    pub const fn per_second(calls: u32, burst: u32) -> Self {
        Self { calls, per: Duration::from_secs(1), burst }
    }

    fn calls_a_second(self) -> f64 {
        f64::from(self.calls.max(1)) / self.per.as_secs_f64().max(0.001)
    }
}

/// Whether a call may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Turn {
    /// After this wait, which is zero or under two seconds; its place is reserved.
    After(Duration),
    /// Not before this instant.
    Throttled(Timestamp),
}

/// All budgets of a client.
#[derive(Default)]
pub(super) struct Budgets(Mutex<HashMap<BudgetKey, Budget>>);

struct Budget {
    burst: f64,
    per_second: f64,
    /// What it started from.
    initial: f64,
    /// What it never grows beyond. A rate below one a second is no guess but the host's own word.
    fastest: f64,
    /// What a refusal taught; `fastest` before any.
    ceiling: f64,
    ceiling_at: Instant,
    /// Calls that may go at once; below zero where later places are reserved.
    left: f64,
    counted_at: Instant,
    /// Refusals in a row.
    refusals: u32,
    blocked_until: Option<Timestamp>,
}

impl Budgets {
    /// Asks for a turn.
    pub(super) fn turn(&self, key: &BudgetKey, rate: Rate, now: Timestamp) -> Turn {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now();
        if let Some(budget) = all.get_mut(key) {
            return budget.turn(at, now);
        }
        all.entry(key.clone()).or_insert(Budget::new(rate, at)).turn(at, now)
    }

    /// A call was accepted.
    pub(super) fn accepted(&self, key: &BudgetKey) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = all.get_mut(key) {
            budget.accepted(Instant::now());
        }
    }

    /// A call was refused; answers when to go on.
    pub(super) fn refused(&self, key: &BudgetKey, retry_at: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now();
        let budget = all.entry(key.clone()).or_insert(Budget::new(Rate::per_second(1, 1), at));
        budget.refused(retry_at, at, now)
    }
}

impl Budget {
    fn new(rate: Rate, at: Instant) -> Self {
        let burst = f64::from(rate.burst.max(1));
        let per_second = rate.calls_a_second();
        let fastest = if per_second < 1.0 { per_second } else { FASTEST.max(per_second) };
        Self {
            burst,
            per_second,
            initial: per_second,
            fastest,
            ceiling: fastest,
            ceiling_at: at,
            left: burst,
            counted_at: at,
            refusals: 0,
            blocked_until: None,
        }
    }

    fn turn(&mut self, at: Instant, now: Timestamp) -> Turn {
        if let Some(until) = self.blocked_until.filter(|until| now < *until) {
            return Turn::Throttled(until);
        }
        let paused = self.blocked_until.take().is_some();
        let rested = at.saturating_duration_since(self.counted_at).as_secs_f64();
        self.counted_at = at;
        self.left = (self.left + rested * self.per_second).min(self.burst);
        if paused {
            // Whoever was told an instant and kept to it is not sent away again.
            self.left = self.left.max(1.0);
        }
        let wait = Duration::from_secs_f64(((1.0 - self.left) / self.per_second).max(0.0));
        if wait >= LONGEST_WAIT {
            let until = now + SignedDuration::from_millis(wait.as_millis() as i64);
            self.blocked_until = Some(until);
            return Turn::Throttled(until);
        }
        self.left -= 1.0;
        Turn::After(wait)
    }

    fn accepted(&mut self, at: Instant) {
        self.refusals = 0;
        let minutes = at.saturating_duration_since(self.ceiling_at).as_secs_f64() / 60.0;
        self.ceiling_at = at;
        self.ceiling = (self.ceiling * (1.0 + minutes / 100.0)).min(self.fastest);
        self.per_second = (self.per_second * 1.05).min(self.ceiling);
    }

    fn refused(&mut self, retry_at: Option<Timestamp>, at: Instant, now: Timestamp) -> Timestamp {
        let slowest = SLOWEST.min(self.initial);
        self.ceiling = (self.per_second * 0.8).max(slowest);
        self.ceiling_at = at;
        self.per_second = (self.per_second / 2.0).max(slowest);
        self.left = self.left.min(0.0);
        // A pause shorter than the time of one call would only be refused again.
        let one_call = SignedDuration::from_millis((1000.0 / self.initial) as i64);
        let wait = SignedDuration::from_secs(1 << self.refusals.min(6)).max(one_call);
        self.refusals += 1;
        let until = retry_at.unwrap_or(now + wait).max(self.blocked_until.unwrap_or(now));
        self.blocked_until = Some(until);
        until
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const RATE: Rate = Rate::per_second(2, 2);

    fn noon() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn key(operation: &'static str) -> BudgetKey {
        BudgetKey { channel: "c", app: "a".into(), place: "p".into(), operation }
    }

    fn waits(budget: &mut Budget, at: Instant, now: Timestamp, calls: usize) -> Vec<Option<u128>> {
        let turn = |budget: &mut Budget| match budget.turn(at, now) {
            Turn::After(wait) => Some(wait.as_millis()),
            Turn::Throttled(_) => None,
        };
        (0..calls).map(|_| turn(budget)).collect()
    }

    #[test]
    fn calls_beyond_the_burst_wait_their_turn_and_long_waits_are_refused() {
        let start = Instant::now();
        let mut budget = Budget::new(RATE, start);
        let expected = [Some(0), Some(0), Some(500), Some(1000), Some(1500), None, None];
        assert_eq!(waits(&mut budget, start, noon(), 7), expected);
        let (at, now) = (start + Duration::from_secs(10), noon() + SignedDuration::from_secs(10));
        assert_eq!(waits(&mut budget, at, now, 3), [Some(0), Some(0), Some(500)]);
    }

    #[test]
    fn one_operation_does_not_starve_another() {
        let budgets = Budgets::default();
        while matches!(budgets.turn(&key("import"), RATE, noon()), Turn::After(_)) {}
        assert_eq!(budgets.turn(&key("refresh"), RATE, noon()), Turn::After(Duration::ZERO));
    }

    #[test]
    fn a_refusal_halves_the_rate_and_success_does_not_pass_what_it_taught() {
        let start = Instant::now();
        let mut budget = Budget::new(Rate::per_second(10, 1), start);
        budget.refused(None, start, noon());
        assert!((budget.per_second - 5.0).abs() < 1e-9);
        for _ in 0..100 {
            budget.accepted(start);
        }
        assert!((budget.per_second - 8.0).abs() < 1e-9, "{}", budget.per_second);
        for minute in 1..=60 {
            budget.accepted(start + Duration::from_secs(60 * minute));
        }
        assert!(budget.per_second > 10.0, "the ceiling is lifted again: {}", budget.per_second);
    }

    #[test]
    fn without_a_time_named_the_pause_doubles_until_a_call_is_accepted() {
        let start = Instant::now();
        let mut budget = Budget::new(RATE, start);
        let mut now = noon();
        for seconds in [1, 2, 4] {
            let until = budget.refused(None, start, now);
            assert_eq!(until, now + SignedDuration::from_secs(seconds));
            assert_eq!(budget.turn(start, now), Turn::Throttled(until));
            now = until;
        }
        budget.accepted(start);
        assert_eq!(budget.refused(None, start, now), now + SignedDuration::from_secs(1));
    }

    #[test]
    fn a_rate_below_one_a_second_is_kept_whatever_is_accepted_or_refused() {
        let start = Instant::now();
        let mut budget = Budget::new(Rate { calls: 16, per: Duration::from_secs(1000), burst: 15 }, start);
        (0..100).for_each(|_| budget.accepted(start));
        let mut waits = waits(&mut budget, start, noon(), 16);
        assert_eq!(waits.pop(), Some(None), "the next one is a minute away");
        assert_eq!(waits, [Some(0); 15]);
        let now = noon() + SignedDuration::from_secs(63);
        assert_eq!(budget.turn(start, now), Turn::After(Duration::ZERO));
        assert_eq!(budget.refused(None, start, now), now + SignedDuration::from_millis(62_500));
        assert!(budget.per_second <= 0.016 && budget.ceiling <= 0.016, "{} {}", budget.per_second, budget.ceiling);
    }

    #[test]
    fn whoever_kept_to_the_instant_named_may_go() {
        let start = Instant::now();
        let mut budget = Budget::new(RATE, start);
        for _ in 0..20 {
            budget.refused(Some(noon()), start, noon());
        }
        assert_eq!(budget.turn(start, noon()), Turn::After(Duration::ZERO));
        let Turn::Throttled(until) = budget.turn(start, noon()) else { panic!("the slowest rate is 5 s a call") };
        assert_eq!(budget.turn(start, until), Turn::After(Duration::ZERO));
    }
}
