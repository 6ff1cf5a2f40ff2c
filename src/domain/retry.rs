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
