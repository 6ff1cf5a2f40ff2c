//! What is told again and again is told at first, and then counted.
//!
//! A marketplace that is down for hours makes each of its shops fail at each attempt: the first line says it, the hundred after it
//! say nothing new and bury what does. So a warning, an error, or a word that something waits, that is the same as one before is kept back and counted, and a
//! summary tells how often it came, after a minute at first, then after twice as long each time, up to an hour. Nothing is lost:
//! what was kept back is always in a summary, at the latest when the daemon stops.
//!
//! Two lines are the same if they come from the same place in the program and say the same in every field, but for those that
//! number or date one occurrence (a run, an attempt, an instant). Where `error.kind` says what went wrong, the text beside it is not compared,
//! as it may name a request or a span. So one shop's failure never hides another's, nor one kind of failure another kind.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tracing::{
    Event, Level, Metadata,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Filter};

/// The target of summaries: the log's filter always lets them through, since what they count was let through before.
pub(super) const TARGET: &str = module_path!();

/// The first wait for a summary; each one after it is twice as long.
const SHORTEST: Duration = Duration::from_mins(1);

/// The longest wait for a summary. What has not come for as long begins anew.
const LONGEST: Duration = Duration::from_hours(1);

/// How many kinds of lines are known at once. What comes beyond is told as it comes.
const MOST: usize = 10_000;

/// Fields that say which occurrence it was, not what occurred.
const OF_ONE_TIME: [&str; 3] = ["run.id", "run.attempt", "retry_at"];

/// Keeps count of what is the same again: a filter of the layer that writes lines. Cheap to clone; clones share the count.
#[derive(Clone)]
pub struct Repetition(Arc<Shared>);

struct Shared {
    /// Time that only goes on.
    now: Box<dyn Fn() -> Duration + Send + Sync>,
    known: Mutex<HashMap<Key, Series>>,
}

impl fmt::Debug for Repetition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Repetition")
    }
}

/// What makes two lines the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    callsite: Identifier,
    said: Vec<(&'static str, String)>,
}

/// A line that has come, perhaps more than once.
#[derive(Debug)]
struct Series {
    level: Level,
    /// When the last line of it, or its last summary, was told.
    told: Duration,
    /// How long after that the next summary may come.
    wait: Duration,
    /// When it last came.
    came: Duration,
    /// How often it came since a line of it was told.
    kept_back: u64,
    /// The newest of those.
    newest: Vec<(&'static str, String)>,
}

impl Series {
    fn rests(&self, now: Duration) -> bool {
        now.saturating_sub(self.told) >= self.wait
    }

    /// A line of it is told now.
    fn tell(&mut self, now: Duration) {
        (self.told, self.wait) = (now, (self.wait * 2).min(LONGEST));
    }
}

impl Repetition {
    /// Knows nothing yet. `now`: time since whenever, which no step of the wall clock moves.
    pub fn new(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared { now: Box::new(now), known: Mutex::default() }))
    }

    /// Tells the summaries that are due. Not from within a layer.
    pub fn tell_due(&self) {
        self.tell_summaries(Series::rests);
    }

    /// Tells every summary that is left: before the end.
    pub fn tell_all(&self) {
        self.tell_summaries(|_, _| true);
    }

    fn tell_summaries(&self, due: impl Fn(&Series, Duration) -> bool) {
        let now = (self.0.now)();
        let mut summaries = Vec::new();
        // Told after the lock is given back: the summaries come by here themselves.
        self.known().retain(|_, series| {
            if series.kept_back > 0 && due(series, now) {
                let span = now.saturating_sub(series.told);
                summaries.push((series.level, series.kept_back, span, std::mem::take(&mut series.newest)));
                series.kept_back = 0;
                series.tell(now);
            }
            series.kept_back > 0 || now.saturating_sub(series.came) < LONGEST
        });
        for (level, times, span, newest) in summaries {
            tell(level, times, span, &newest);
        }
    }

    /// Whether a line is to be written.
    fn is_new(&self, event: &Event<'_>) -> bool {
        let metadata = event.metadata();
        // What waits for a later instant comes again, too.
        let comes_again = *metadata.level() <= Level::WARN || metadata.fields().field("retry_at").is_some();
        if !comes_again || metadata.target() == TARGET {
            return true;
        }
        let mut newest = Said::default();
        event.record(&mut newest);
        let Said(newest) = newest;
        let by_kind = newest.iter().any(|(name, _)| *name == "error.kind");
        let counts = |name: &str| !(OF_ONE_TIME.contains(&name) || by_kind && name == "message");
        let said = newest.iter().filter(|(name, _)| counts(name)).cloned().collect();
        let key = Key { callsite: metadata.callsite(), said };

        let now = (self.0.now)();
        let mut known = self.known();
        let Some(series) = known.get_mut(&key) else {
            if known.len() < MOST {
                let (level, wait) = (*metadata.level(), SHORTEST);
                known.insert(key, Series { level, told: now, wait, came: now, kept_back: 0, newest: Vec::new() });
            }
            return true;
        };
        series.came = now;
        if series.kept_back == 0 && series.rests(now) {
            series.tell(now);
            return true;
        }
        series.kept_back += 1;
        series.newest = newest;
        false
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Series>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells how often a line came again, with what the newest of them said of its thing.
fn tell(level: Level, times: u64, span: Duration, newest: &[(&'static str, String)]) {
    let named = |name: &str| newest.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    let (event, text) = (named("event"), named("message").unwrap_or_default());
    let (shop, channel, job) = (named("shop.id"), named("channel.name"), named("job"));
    let (kind, retry_at) = (named("error.kind"), named("retry_at"));
    let (times_text, seconds) = (if times == 1 { "once".to_owned() } else { format!("{times} times") }, span.as_secs());
    macro_rules! summary {
        ($told:ident) => {
            tracing::$told!(
                event,
                shop.id = shop,
                channel.name = channel,
                job,
                error.kind = kind,
                retry_at,
                repeated = times,
                "{text} (the same again {times_text} within {seconds} s)"
            )
        };
    }
    match level {
        Level::ERROR => summary!(error),
        Level::WARN => summary!(warn),
        _ => summary!(info),
    }
}

/// Everything an event says, as text.
#[derive(Default)]
struct Said(Vec<(&'static str, String)>);

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }
}

impl<S> Filter<S> for Repetition {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.is_new(event)
    }
}
