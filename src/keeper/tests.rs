mod consents;
mod cut_off;
mod ends;
mod exchanges;
mod looks;
mod news;
pub(crate) mod pretend;
mod reseal;
mod several;

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::sync::Notify;

use pretend::{Bench, DAY, Next, failed, shop, start};

use super::{ConsentError, HandedIn, KeeperError, LinkFault, Links, Looked, consent::EXCHANGE_UNDER_WAY};
use crate::{
    channels::Access,
    clock::Clock,
    domain::{AuthorizationState, EndSource, Failure, Hold, JobKind, Period, Trigger},
    secrets::Secret,
    store::ReminderKind,
    telemetry::kept::Log,
};

const HALF_HOUR: Period = Period::Every(SignedDuration::from_mins(30));
const LATER: SignedDuration = SignedDuration::from_hours(5);

fn token(access: &Access) -> &str {
    access.token.as_ref().unwrap().expose()
}

/// Lets so many minutes pass, a moment at a time.
async fn pass(bench: &Bench, minutes: i64) {
    for _ in 0..minutes * 240 {
        bench.clock.advance(SignedDuration::from_millis(250));
        tokio::task::yield_now().await;
    }
}

/// What comes of something while the clock moves on, a millisecond at a time.
async fn in_time<T>(clock: &Clock, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::task::yield_now() => clock.advance(SignedDuration::from_millis(1)),
        }
    }
}

fn ended(why: &str) -> Failure {
    Failure::AuthorizationEnded { why: why.into() }
}
