//! Failures, sorted by what has to happen next, and the decision whether and when to try again.

use jiff::{SignedDuration, Timestamp};

/// What has to happen next. Every error of every channel, of the store and of mail ends as one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nobody answered, or with a fault of the other side: try again with growing, jittered waits.
    Unavailable {
        /// Not before this instant, where the other side said so.
        retry_at: Option<Timestamp>,
    },
    /// Too many calls: wait as told. Does not count as an attempt.
    Throttled {
        /// When to go on.
        until: Timestamp,
    },
    /// The access token was not accepted: refresh once, repeat the call once.
    TokenRejected,
    /// The owner's permission has ended: the shop waits, nothing is lost.
    AuthorizationEnded {
        /// The channel's word for it.
        why: String,
    },
    /// The permission lacks a right: the shop waits.
    ScopeMissing {
        /// The right that is missing.
        scope: String,
    },
    /// The shop is closed, frozen or suspended: held, and looked at once a day.
    ShopClosed {
        /// The channel's word for it.
        why: String,
    },
    /// The channel refuses our app: all its shops wait, the operator hears once.
    AppCredentialRejected {
        /// The channel's word for it.
        why: String,
    },
    /// The data was refused; another attempt with the same data is pointless.
    Rejected,
    /// An answer that nobody foresaw: a few attempts, then the run is given up.
    Unexpected {
        /// The answer, shortened and without secrets.
        sample: String,
    },
    /// A fault of ours. Given up at once.
    Bug,
    /// A guard stopped the plan: a person looks first.
    Guarded,
}

/// What happens to a run after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt at this instant.
    Retry {
        /// The instant.
        at: Timestamp,
        /// Whether the attempt that failed counts.
        counted: bool,
    },
    /// Held until something happens; the run ends as `held`.
    Hold,
    /// Given up; the schedule goes on.
    GiveUp,
}

const ATTEMPTS_UNAVAILABLE: u32 = 12;
const ATTEMPTS_UNEXPECTED: u32 = 4;
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(2);
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// Decides what follows a failed attempt.
///
/// `attempt` is the number of the attempt that failed, from 1. `period` bounds the wait (`None`: a run asked for by a
/// person on a schedule that is off; bounded by one hour). `jitter` is a number in `0.0..1.0` handed in, so that the
/// answer is a plain function: waits grow by doubling from 2 s, are spread over their upper half, and stay
/// within the period and an hour. What does not answer is given up at its 12th counted attempt, what nobody foresaw at
/// its 4th. Where the other side names an instant it is obeyed, as far as the bound goes.
pub fn decide(failure: &Failure, attempt: u32, now: Timestamp, period: Option<SignedDuration>, jitter: f64) -> Next {
    match failure {
        Failure::Unavailable { retry_at } if attempt < ATTEMPTS_UNAVAILABLE => {
            let bound = bound(period);
            let wait = now + wait(attempt, bound, jitter);
            let told = retry_at.map_or(wait, |told| told.min(now + bound));
            Next::Retry { at: wait.max(told), counted: true }
        }
        Failure::Unexpected { .. } if attempt < ATTEMPTS_UNEXPECTED => {
            Next::Retry { at: now + wait(attempt, bound(period), jitter), counted: true }
        }
        Failure::Throttled { until } => {
            let at = if *until > now { *until } else { now + SHORTEST };
            Next::Retry { at, counted: false }
        }
        Failure::TokenRejected if attempt < 2 => Next::Retry { at: now + FIRST_WAIT, counted: true },
        Failure::AuthorizationEnded { .. }
        | Failure::ScopeMissing { .. }
        | Failure::ShopClosed { .. }
        | Failure::AppCredentialRejected { .. }
        | Failure::Guarded => Next::Hold,
        Failure::Unavailable { .. }
        | Failure::Unexpected { .. }
        | Failure::TokenRejected
        | Failure::Rejected
        | Failure::Bug => Next::GiveUp,
    }
}

/// The longest wait between attempts.
fn bound(period: Option<SignedDuration>) -> SignedDuration {
    period.map_or(LONGEST, |period| period.clamp(SHORTEST, LONGEST))
}

fn wait(attempt: u32, bound: SignedDuration, jitter: f64) -> SignedDuration {
    let full = (FIRST_WAIT * (1 << (attempt.clamp(1, 16) - 1))).min(bound);
    full / 2 + (full / 2).mul_f64(jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);
    const UNAVAILABLE: Failure = Failure::Unavailable { retry_at: None };

    fn secs(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    fn unexpected() -> Failure {
        Failure::Unexpected { sample: "odd".to_owned() }
    }

    /// The wait in seconds with the most jitter; `None`: no counted retry.
    fn waits(failure: &Failure, attempt: u32, period: Option<SignedDuration>) -> Option<f64> {
        match decide(failure, attempt, NOW, period, 1.0) {
            Next::Retry { at, counted: true } => Some(at.duration_since(NOW).as_secs_f64()),
            _ => None,
        }
    }

    #[test]
    fn waits_double_from_two_seconds_up_to_the_period_or_an_hour() {
        let of = |period| (1..=12).map(|attempt| waits(&UNAVAILABLE, attempt, period)).collect::<Vec<_>>();
        let seconds = |all: [f64; 11]| all.into_iter().map(Some).chain([None]).collect::<Vec<_>>();
        let quarter = seconds([2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 900.0, 900.0]);
        assert_eq!(of(Some(secs(900))), quarter);
        let hour = seconds([2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0]);
        assert_eq!(of(None), hour);
        assert_eq!(of(Some(secs(86_400))), hour);
        assert_eq!(waits(&UNAVAILABLE, 5, Some(secs(5))), Some(5.0));
    }

    #[test]
    fn what_nobody_foresaw_is_given_up_sooner() {
        let tried: Vec<_> = (1..=4).map(|attempt| waits(&unexpected(), attempt, None)).collect();
        assert_eq!(tried, [Some(2.0), Some(4.0), Some(8.0), None]);
        assert_eq!(decide(&unexpected(), 4, NOW, None, 0.5), Next::GiveUp);
        assert_eq!(decide(&UNAVAILABLE, 12, NOW, None, 0.5), Next::GiveUp);
    }

    #[test]
    fn the_other_sides_word_is_obeyed_as_far_as_the_bound_goes() {
        let told = |seconds| Failure::Unavailable { retry_at: Some(NOW + secs(seconds)) };
        assert_eq!(waits(&told(60), 1, None), Some(60.0));
        assert_eq!(waits(&told(1), 3, None), Some(8.0), "never sooner than our own wait");
        assert_eq!(waits(&told(86_400), 1, Some(secs(900))), Some(900.0));
        assert_eq!(waits(&told(-60), 1, None), Some(2.0));
    }

    #[test]
    fn being_throttled_does_not_count_however_often() {
        let until = NOW + secs(7_200);
        for attempt in [1, 4, 50] {
            let next = decide(&Failure::Throttled { until }, attempt, NOW, Some(secs(60)), 0.0);
            assert_eq!(next, Next::Retry { at: until, counted: false });
        }
        let past = Failure::Throttled { until: NOW - secs(5) };
        assert_eq!(decide(&past, 1, NOW, None, 0.0), Next::Retry { at: NOW + secs(1), counted: false });
    }

    #[test]
    fn a_refused_token_is_tried_once_more() {
        let once = Next::Retry { at: NOW + secs(2), counted: true };
        assert_eq!(decide(&Failure::TokenRejected, 1, NOW, None, 0.9), once);
        assert_eq!(decide(&Failure::TokenRejected, 2, NOW, None, 0.9), Next::GiveUp);
    }

    #[test]
    fn what_a_person_must_mend_is_held_and_what_nobody_can_is_given_up() {
        let why = String::new;
        for failure in [
            Failure::AuthorizationEnded { why: why() },
            Failure::ScopeMissing { scope: why() },
            Failure::ShopClosed { why: why() },
            Failure::AppCredentialRejected { why: why() },
            Failure::Guarded,
        ] {
            assert_eq!(decide(&failure, 1, NOW, None, 0.5), Next::Hold, "{failure:?}");
        }
        for failure in [Failure::Rejected, Failure::Bug] {
            assert_eq!(decide(&failure, 1, NOW, None, 0.5), Next::GiveUp, "{failure:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn waits_stay_in_their_upper_half_and_grow_with_attempts_and_jitter(
            attempt in 1_u32..11,
            period in prop::option::of(1_i64..1_000_000),
            jitter in 0.0..1.0_f64,
        ) {
            let bound = secs(period.unwrap_or(3_600).min(3_600));
            let wait = |attempt, jitter| match decide(&UNAVAILABLE, attempt, NOW, period.map(secs), jitter) {
                Next::Retry { at, counted: true } => at.duration_since(NOW),
                other => panic!("{other:?}"),
            };
            let this = wait(attempt, jitter);
            prop_assert!(this > SignedDuration::ZERO && this <= bound);
            prop_assert!(this >= wait(attempt, 0.0) && this <= wait(attempt, 1.0));
            prop_assert!(wait(attempt, 0.0) * 2 >= wait(attempt, 1.0));
            prop_assert!(wait(attempt + 1, jitter) >= this);
        }

        #[test]
        fn every_failure_comes_to_an_end(attempt in 12_u32..u32::MAX, jitter in -1.0..2.0_f64) {
            for failure in [UNAVAILABLE, unexpected(), Failure::TokenRejected] {
                prop_assert_eq!(decide(&failure, attempt, NOW, None, jitter), Next::GiveUp);
            }
        }
    }

    #[test]
    fn jitter_out_of_range_is_put_in_range() {
        let at = |jitter| match decide(&UNAVAILABLE, 3, NOW, None, jitter) {
            Next::Retry { at, .. } => Some(at),
            _ => None,
        };
        assert_eq!(at(-5.0).unwrap(), at(0.0).unwrap());
        assert_eq!(at(5.0).unwrap(), at(1.0).unwrap());
    }
}
