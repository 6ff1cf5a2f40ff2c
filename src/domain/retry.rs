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

/// Decides what follows a failed attempt.
///
/// `attempt` is the number of the attempt that failed, from 1. `period` bounds the wait (`None`: a run asked for by a
/// person on a schedule that is off; bounded by one hour). `jitter` is a number in `0.0..1.0` handed in, so that the
/// answer is a plain function: waits grow by doubling from 2 s and are spread over their upper half.
pub fn decide(failure: &Failure, attempt: u32, now: Timestamp, period: Option<SignedDuration>, jitter: f64) -> Next {
    let _ = (failure, attempt, now, period, jitter);
    todo!()
}
