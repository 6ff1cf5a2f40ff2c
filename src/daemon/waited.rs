//! A run that somebody waits for: what happens to it is told as it happens, until it is over or waits longer than they do.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Zoned};

use super::{Shared, unavailable};
use crate::{
    control::{Meanwhile, ProgressSink, Refusal},
    domain::{ErrorKind, Run, RunId, RunState, Trigger},
    report,
    store::Asked,
};

/// How far off the next attempt may be for somebody to wait for it. A channel that is down is tried for hours: who waits is told that,
/// and has the terminal back.
const PATIENCE: SignedDuration = SignedDuration::from_mins(1);

/// How often it is told how far a run has come.
const OFTEN: Duration = Duration::from_millis(250);

/// Until when a run is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// It is over.
    Over,
    /// It is over, or its next attempt is more than [`PATIENCE`] away. What happens meanwhile is told.
    OverOrFarOff,
}

impl Shared {
    /// Waits for the run that does what was asked: the one that was joined, or the one that follows it.
    pub(super) async fn wait_for(&self, asked: Asked, until: Until, told: &ProgressSink) -> Result<Run, Refusal> {
        let run = self.watch(asked.run, until, told).await?;
        if !asked.follows || !run.state.is_final() {
            return Ok(run);
        }
        match self.reading().await?.follower(asked.run).await.map_err(unavailable)? {
            Some(next) => {
                if until == Until::OverOrFarOff {
                    tell(told, Meanwhile::Event(format!("run {} is over, and run {next} follows it", run.id))).await;
                }
                self.watch(next, until, told).await
            }
            None => Ok(run),
        }
    }

    /// Where what is asked for at this moment is done by a run that was there before, that is told.
    pub(super) async fn tell_joined(&self, asked: Asked, at: Timestamp, told: &ProgressSink) -> Result<(), Refusal> {
        let Some(run) = self.reading().await?.run(asked.run).await.map_err(unavailable)? else { return Ok(()) };
        if run.due_at >= at {
            return Ok(());
        }
        let run = format!("run {}, {} {}", run.id, asked_for(run.trigger), report::when(run.due_at, &self.local()));
        let text = if asked.follows {
            format!("{run}, began too soon for what is asked: the run that follows it is waited for")
        } else {
            format!("{run}, is not over yet: it is waited for")
        };
        tell(told, Meanwhile::Event(text)).await;
        Ok(())
    }

    async fn watch(&self, run: RunId, until: Until, told: &ProgressSink) -> Result<Run, Refusal> {
        let mut seen = Seen::default();
        loop {
            let found = self.moved(run, |found| found.state.is_final() || seen.is_behind(found), told).await?;
            if found.state.is_final() {
                return Ok(found);
            }
            let now = self.local();
            let event = seen.note(&found, &now);
            if until == Until::Over {
                continue;
            }
            if let Some(event) = event {
                tell(told, Meanwhile::Event(event)).await;
            }
            if found.state == RunState::Retryable && found.available_at.duration_since(now.timestamp()) > PATIENCE {
                return Ok(found);
            }
        }
    }

    /// Waits until a run stands as wanted, telling how far it has come.
    async fn moved(&self, run: RunId, wanted: impl Fn(&Run) -> bool, told: &ProgressSink) -> Result<Run, Refusal> {
        let moved = self.handle.wait_until(run, wanted);
        tokio::pin!(moved);
        let mut ticks = tokio::time::interval(OFTEN);
        loop {
            tokio::select! {
                found = &mut moved => return found.map_err(unavailable),
                _ = ticks.tick() => {
                    if let Some((done, of)) = self.handle.progress().get(run) {
                        tell(told, Meanwhile::Progress { done, of }).await;
                    }
                }
            }
        }
    }

    /// The time, where the settings say that people are.
    pub(super) fn local(&self) -> Zoned {
        self.clock.now().to_zoned(self.config.load().timezone.clone())
    }
}

/// A command that went away needs no word.
async fn tell(told: &ProgressSink, word: Meanwhile) {
    let _ = told.send(word).await;
}

/// What was seen of a run last.
#[derive(Debug, Default)]
struct Seen(Option<(RunState, u32, Timestamp)>);

impl Seen {
    fn is_behind(&self, run: &Run) -> bool {
        self.0 != Some(Self::of(run))
    }

    const fn of(run: &Run) -> (RunState, u32, Timestamp) {
        (run.state, run.attempt, run.available_at)
    }

    /// Notes how a run stands, and says what is worth telling about that.
    fn note(&mut self, run: &Run, now: &Zoned) -> Option<String> {
        let is_first = self.0.replace(Self::of(run)).is_none();
        match run.state {
            RunState::Retryable if run.available_at > now.timestamp() => Some(put_off(run, now)),
            RunState::Running if run.attempt > 1 && !is_first => Some(format!("attempt {} begins", run.attempt)),
            _ => None,
        }
    }
}

/// What the instant is that a run stands for.
const fn asked_for(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Schedule => "due at",
        _ => "asked for at",
    }
}

/// Why a run goes on later, and when.
fn put_off(run: &Run, now: &Zoned) -> String {
    let at = report::when(run.available_at, now);
    let Some((kind, text, remedy)) = &run.error else { return format!("it is tried again at {at}") };
    let remedy = if remedy.is_empty() { String::new() } else { format!("; {remedy}") };
    let text = text.trim_end_matches('.');
    match kind {
        ErrorKind::Throttled => format!("the channel asks to slow down ({text}): it goes on at {at}"),
        ErrorKind::Waiting => format!("it waits ({text}{remedy}) and looks again at {at}"),
        _ => format!("attempt {} failed: {text}{remedy}; it is tried again at {at}", run.attempt),
    }
}
