mod consents;
mod ends;
mod exchanges;
mod news;
pub(crate) mod pretend;
mod reseal;
mod several;

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::sync::Notify;

use pretend::{Bench, DAY, Next, failed, shop, start};

use super::{ConsentError, HandedIn, KeeperError, LinkFault, Links, Looked};
use crate::{
    channels::Access,
    domain::{AuthorizationState, EndSource, Failure, Hold, JobKind, Period, Trigger},
    secrets::Secret,
    store::ReminderKind,
};

const HALF_HOUR: Period = Period::Every(SignedDuration::from_mins(30));
const LATER: SignedDuration = SignedDuration::from_hours(5);

fn token(access: &Access) -> &str {
    access.token.as_ref().unwrap().expose()
}

fn ended(why: &str) -> Failure {
    Failure::AuthorizationEnded { why: why.into() }
}

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    /// It is kept as long as the guard.
    fn kept() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(lines))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
