//! What is logged while a story is told.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use shopsyncd::{clock::Clock, telemetry::repeated::Repetition};
use tracing::{
    level_filters::LevelFilter,
    subscriber::{DefaultGuard, set_default},
};
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _};

/// What is logged on this thread: everything, since a story has but one.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// It is kept as long as the guard.
    pub(crate) fn kept() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (log, set_default(lines))
    }

    /// The same, as a daemon's own log has it: what comes again, by this clock, is counted.
    pub(crate) fn counting(clock: &Clock) -> (Self, Repetition, DefaultGuard) {
        let (log, clock) = (Self::default(), clock.clone());
        let writer = log.clone();
        let repetition = Repetition::new(move || clock.now().duration_since(Timestamp::UNIX_EPOCH).unsigned_abs());
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let lines = lines.with_filter(repetition.clone());
        let guard = set_default(tracing_subscriber::registry().with(LevelFilter::INFO).with(lines));
        (log, repetition, guard)
    }

    /// All lines, the oldest first.
    pub(crate) fn all(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The lines of an event, the oldest first.
    pub(crate) fn lines(&self, event: &str) -> Vec<String> {
        let of_event = format!("event=\"{event}\"");
        self.all().into_iter().filter(|line| line.contains(&of_event)).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
