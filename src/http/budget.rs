//! Rate budgets: how fast a host may be called, learnt from what it answers.
//!
//! A [`Rate`] is what a marketplace documents, and is never gone beyond. Where nothing is documented, or page differs from page, a
//! rate is a guess: it says where the learning starts and how far it may go ([`Rate::up_to`]). While calls are accepted a guess grows by
//! a twentieth each; a refusal halves the rate and is remembered as a ceiling, which is then lifted only by a hundredth a minute.
//! What the host itself tells of its rate ([`super::Http::told`]) replaces both.
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
/// What a host tells is believed within these bounds: calls a second.
const BELIEVED: std::ops::RangeInclusive<f64> = 0.0005..=1000.0;

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

/// How many calls a host allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls in each span.
    calls: u32,
    /// The span.
    span: Duration,
    /// Calls at once after a rest.
    burst: u32,
    /// How many calls in each span the learning may come to.
    most: u32,
}

impl Rate {
    /// So many calls a second, by the host's own word.
    pub const fn per_second(calls: u32, burst: u32) -> Self {
        Self::per(calls, Duration::from_secs(1), burst)
    }

    /// So many calls in each span, by the host's own word.
    pub const fn per(calls: u32, span: Duration, burst: u32) -> Self {
        Self { calls, span, burst, most: calls }
    }

    /// A guess: it grows to so many calls in each span as long as none is refused.
    #[must_use]
    pub const fn up_to(self, most: u32) -> Self {
        Self { most, ..self }
    }

    fn a_second(self, calls: u32) -> f64 {
        f64::from(calls.max(1)) / self.span.as_secs_f64().max(0.001)
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
    /// What it never grows beyond.
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

    /// The host told how many calls a second it allows.
    pub(super) fn told(&self, key: &BudgetKey, per_second: f64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = all.get_mut(key).filter(|_| BELIEVED.contains(&per_second)) {
            budget.told(per_second, Instant::now());
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
        let per_second = rate.a_second(rate.calls);
        let fastest = rate.a_second(rate.most.max(rate.calls));
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

    /// Told is told: learnt or guessed rates count no more. What is reserved stays reserved, counted at the rate until now.
    fn told(&mut self, per_second: f64, at: Instant) {
        if (per_second - self.fastest).abs() < f64::EPSILON {
            return;
        }
        let rested = at.saturating_duration_since(self.counted_at).as_secs_f64();
        self.left = (self.left + rested * self.per_second).min(self.burst);
        self.counted_at = at;
        (self.per_second, self.initial, self.fastest) = (per_second, per_second, per_second);
        (self.ceiling, self.ceiling_at) = (per_second, at);
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
        let mut budget = Budget::new(Rate::per_second(10, 1).up_to(50), start);
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
        let mut budget = Budget::new(Rate::per(16, Duration::from_secs(1000), 15), start);
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
    fn a_guess_grows_to_its_bound_and_a_documented_rate_does_not_grow() {
        let start = Instant::now();
        for (rate, grown) in [(Rate::per_second(2, 1), 2.0), (Rate::per_second(2, 1).up_to(10), 10.0)] {
            let mut budget = Budget::new(rate, start);
            (0..1000).for_each(|_| budget.accepted(start));
            assert!((budget.per_second - grown).abs() < 1e-9, "{}", budget.per_second);
        }
    }

    #[test]
    fn what_the_host_tells_of_its_rate_counts_from_then_on() {
        let start = Instant::now();
        let mut budget = Budget::new(Rate::per_second(5, 5), start);
        assert_eq!(waits(&mut budget, start, noon(), 6).last(), Some(&Some(200)));
        budget.told(20.0, start);
        assert_eq!(waits(&mut budget, start, noon(), 2), [Some(100), Some(150)], "one is reserved already");
        (0..100).for_each(|_| budget.accepted(start));
        assert!((budget.per_second - 20.0).abs() < 1e-9);
        let budgets = Budgets::default();
        budgets.turn(&key("search"), RATE, noon());
        for nonsense in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
            budgets.told(&key("search"), nonsense);
        }
        assert_eq!(budgets.turn(&key("search"), RATE, noon()), Turn::After(Duration::ZERO));
    }

    #[test]
    fn with_work_at_hand_all_of_the_allowed_rate_is_used_and_no_more() {
        for rate in [Rate::per_second(5, 5), Rate::per_second(4, 40), Rate::per(16, Duration::from_secs(1000), 15)] {
            let start = Instant::now();
            let mut budget = Budget::new(rate, start);
            let (mut now, mut sent) = (Duration::ZERO, Vec::new());
            while now < Duration::from_secs(2000) {
                let wall = noon() + SignedDuration::try_from(now).unwrap();
                match budget.turn(start + now, wall) {
                    Turn::After(wait) => {
                        now += wait;
                        sent.push(now);
                        budget.accepted(start + now);
                    }
                    Turn::Throttled(until) => {
                        now += Duration::try_from(until - noon()).unwrap().checked_sub(now).unwrap();
                    }
                }
            }
            let allowed = f64::from(rate.burst) + now.as_secs_f64() * rate.a_second(rate.calls);
            let share = sent.len() as f64 / allowed;
            assert!((0.95..=1.0001).contains(&share), "{share} of {rate:?}");
            // What the host would count: its own bucket of the same size is never empty.
            let (mut left, mut counted) = (f64::from(rate.burst), Duration::ZERO);
            for at in sent {
                left = (left + at.checked_sub(counted).unwrap().as_secs_f64() * rate.a_second(rate.calls))
                    .min(f64::from(rate.burst))
                    - 1.0;
                counted = at;
                assert!(left > -0.001, "{left} left at {at:?} of {rate:?}");
            }
        }
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
