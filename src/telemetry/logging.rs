//! Log lines: to the journal, as JSON, or for eyes; always to standard error. How much is logged changes while running.

use std::{fmt, io, io::IsTerminal as _, time::Duration};

use jiff::{Timestamp, Zoned};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    fmt::{MakeWriter, format, time::FormatTime},
    layer::{Context, Layered, SubscriberExt as _},
    registry::{LookupSpan, Scope},
    reload,
    util::SubscriberInitExt as _,
};

use super::repeated::{self, Repetition};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The journal where standard error leads there, for eyes on a terminal, JSON otherwise.
    Auto,
    /// systemd's journal, with fields (`shop.id` is `F_SHOP_ID` there).
    Journal,
    /// For eyes.
    Pretty,
    /// One flat object a line: `timestamp`, `level`, `event`, `message` and the fields.
    Json,
}

/// Why logging cannot be as wanted.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Not in tracing's filter syntax.
    #[error("log level `{level}` cannot be read: {why}; write for example \"info\" or \"info,shopsyncd=debug\"")]
    Filter {
        /// As written.
        level: String,
        /// What is wrong with it.
        why: String,
    },
    /// The journal was named and is not there.
    #[error("the journal does not listen on this machine; set `log.format` to \"json\" or \"auto\"")]
    Journal(#[source] io::Error),
    /// Logging was set up before.
    #[error("logging is set up already")]
    Twice,
}

/// Changes what is logged while the daemon runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
    repetition: Repetition,
}

impl LogHandle {
    /// Logs by this filter from now on; on an error everything stays as it was.
    pub fn set_filter(&self, filter: &str) -> Result<(), LogError> {
        self.filter.reload(read_filter(filter)?).map_err(|_| LogError::Twice)
    }

    /// What is counted instead of being told again.
    pub const fn repetition(&self) -> &Repetition {
        &self.repetition
    }
}

/// Whether a filter can be read.
pub fn check_filter(filter: &str) -> Result<(), LogError> {
    read_filter(filter).map(drop)
}

/// Sets up logging for the whole process, once. `now`: see [`Repetition::new`].
pub fn init(
    format: Format,
    filter: &str,
    now: impl Fn() -> Duration + Send + Sync + 'static,
) -> Result<LogHandle, LogError> {
    let (subscriber, handle) = subscriber(lines(resolve(format))?, read_filter(filter)?, Repetition::new(now));
    subscriber.try_init().map_err(|_| LogError::Twice)?;
    Ok(handle)
}

/// What is logged passes the filter of the settings first, so that only what would be written counts as said before.
fn subscriber<L>(lines: L, filter: EnvFilter, repetition: Repetition) -> (impl Subscriber + Send + Sync, LogHandle)
where
    L: Layer<Layered<reload::Layer<EnvFilter, Registry>, Registry>> + Send + Sync,
{
    let (filter, handle) = reload::Layer::new(filter);
    let subscriber = tracing_subscriber::registry().with(filter).with(lines.with_filter(repetition.clone()));
    (subscriber, LogHandle { filter: handle, repetition })
}

/// Libraries whose own life concerns nobody.
const QUIET: [&str; 2] = ["tokio_cron_scheduler", "notify"];

fn read_filter(filter: &str) -> Result<EnvFilter, LogError> {
    let fault = |why: String| LogError::Filter { level: filter.to_owned(), why };
    if filter.trim().is_empty() {
        return Err(fault("it is empty".to_owned()));
    }
    let filter = EnvFilter::builder().parse(filter).map_err(|error| fault(error.to_string()))?;
    // What was let through and then kept back as the same again is counted in a line of ours.
    let summaries =
        format!("{}=info", repeated::TARGET).parse().map_err(|_| fault("a directive of ours".to_owned()))?;
    // The calendar's library tells its own life at `info`, without events; the one that watches files tells of each line that is
    // written to a log beside the settings. Whoever names them in `log.level` still sees them.
    let named = filter.to_string();
    let filter = filter.add_directive(summaries);
    QUIET.into_iter().filter(|library| !named.contains(library)).try_fold(filter, |filter, library| {
        let quiet = format!("{library}=warn").parse().map_err(|_| fault("a directive of ours".to_owned()))?;
        Ok(filter.add_directive(quiet))
    })
}

/// What `auto` stands for here. An automatic journal that does not listen after all is no reason to stay silent.
fn resolve(format: Format) -> Format {
    match format {
        Format::Auto if stderr_is_journal() && tracing_journald::layer().is_ok() => Format::Journal,
        Format::Auto if io::stderr().is_terminal() => Format::Pretty,
        Format::Auto => Format::Json,
        named => named,
    }
}

/// systemd names the stream it connected by device and inode (systemd.exec(5), `$JOURNAL_STREAM`); a redirected standard
/// error is another stream, although the variable is still there.
fn stderr_is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(io::stderr()).is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

type Lines<S> = Box<dyn Layer<S> + Send + Sync>;

fn lines<S>(format: Format) -> Result<Lines<S>, LogError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    Ok(match format {
        Format::Journal => {
            let priorities =
                PriorityMappings { info: Priority::Informational, debug: Priority::Debug, ..PriorityMappings::new() };
            let journal = tracing_journald::layer().map_err(LogError::Journal)?;
            journal.with_syslog_identifier("shopsyncd".to_owned()).with_priority_mappings(priorities).boxed()
        }
        Format::Pretty => {
            let colour =
                io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            tracing_subscriber::fmt::layer()
                .with_writer(io::stderr)
                .with_timer(LocalTime)
                .with_target(false)
                .with_ansi(colour)
                .boxed()
        }
        Format::Json | Format::Auto => JsonLines { writer: io::stderr }.boxed(),
    })
}

/// Whoever reads along on a terminal thinks in local time.
struct LocalTime;

impl FormatTime for LocalTime {
    fn format_time(&self, writer: &mut format::Writer<'_>) -> fmt::Result {
        write!(writer, "{}", Zoned::now().strftime("%H:%M:%S%.3f"))
    }
}

/// Writes each event as one flat JSON object. The fields of the spans around it are in it too; its own win.
struct JsonLines<W> {
    writer: W,
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.0.extend(of_span.0.clone());
            }
        }
        event.record(&mut fields);
        let line = Line { level: *event.metadata().level(), target: event.metadata().target(), fields };
        if let Ok(mut text) = serde_json::to_vec(&line) {
            text.push(b'\n');
            // One write a line, so that lines of several threads do not mix. Nobody can be told when it fails.
            let _ = io::Write::write_all(&mut self.writer.make_writer_for(event.metadata()), &text);
        }
    }
}

struct Line<'a> {
    level: Level,
    target: &'a str,
    fields: Fields,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const OURS: [&str; 5] = ["timestamp", "level", "event", "message", "target"];
        let fields = &self.fields.0;
        let named = |name: &str| fields.get(name).and_then(Value::as_str);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &format!("{:.3}", Timestamp::now()))?;
        map.serialize_entry("level", &self.level.as_str().to_ascii_lowercase())?;
        map.serialize_entry("event", named("event").unwrap_or("log"))?;
        map.serialize_entry("message", named("message").unwrap_or_default())?;
        if named("event").is_none() {
            // A line of a library, or one in passing: where it came from is all there is to filter by.
            map.serialize_entry("target", self.target)?;
        }
        for (name, value) in fields.iter().filter(|(name, _)| !OURS.contains(&name.as_str())) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[derive(Default, Clone)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        self.put(field, text);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, act: impl FnOnce(&LogHandle)) -> Vec<Map<String, Value>> {
        logged_in_time(filter, &Arc::default(), act)
    }

    /// The same, with a time that `act` moves.
    fn logged_in_time(
        filter: &str,
        time: &Arc<Mutex<Duration>>,
        act: impl FnOnce(&LogHandle),
    ) -> Vec<Map<String, Value>> {
        let page = Page::default();
        let writer = page.clone();
        let lines = JsonLines { writer: move || writer.clone() };
        let now = Arc::clone(time);
        let repetition = Repetition::new(move || *now.lock().unwrap());
        let (subscriber, handle) = subscriber(lines, read_filter(filter).unwrap(), repetition);
        {
            let _kept = tracing::subscriber::set_default(subscriber);
            act(&handle);
        }
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_json_line_is_one_flat_object() {
        let lines = logged("info", |_| {
            let span = tracing::info_span!("run", run.id = 7, shop.id = "tw-01", late = tracing::field::Empty);
            span.record("late", true);
            let _inside = span.enter();
            tracing::info!(event = "run.started", shop.id = "tw-02", lag = 0.5, "run\nstarted");
        });
        let mut line = lines[0].clone();
        let at: Timestamp = line.remove("timestamp").unwrap().as_str().unwrap().parse().unwrap();
        assert!(Timestamp::now().duration_since(at).as_secs() < 60);
        assert_eq!(
            Value::Object(line),
            serde_json::json!({
                "level": "info", "event": "run.started", "message": "run\nstarted",
                "run.id": 7, "shop.id": "tw-02", "late": true, "lag": 0.5,
            })
        );
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn a_line_without_an_event_says_where_it_came_from() {
        let lines = logged("info", |_| tracing::warn!(target: "library", "odd"));
        let line = &lines[0];
        assert_eq!(
            (&line["event"], &line["target"], &line["level"]),
            (&"log".into(), &"library".into(), &"warn".into())
        );
    }

    #[test]
    fn an_error_is_logged_with_its_causes() {
        let error = LogError::Journal(io::Error::other("no socket"));
        let lines = logged("info", |_| tracing::error!(error = &error as &dyn std::error::Error, "failed"));
        assert!(lines[0]["error"].as_str().unwrap().ends_with("\"auto\": no socket"), "{:?}", lines[0]);
    }

    #[test]
    fn the_filter_changes_while_running_and_a_bad_one_changes_nothing() {
        let lines = logged("info", |handle| {
            tracing::debug!("1");
            handle.set_filter("debug").unwrap();
            tracing::debug!("2");
            handle.set_filter("a=b=c").unwrap_err();
            tracing::debug!("3");
        });
        let said: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
        assert_eq!(said, ["2", "3"]);
    }

    /// What was said, and how often it is said to have come again.
    fn said(lines: &[Map<String, Value>]) -> Vec<(String, Option<u64>)> {
        let text = |line: &Map<String, Value>, name: &str| line.get(name).and_then(Value::as_str).map(str::to_owned);
        let said = |line| {
            let thing = text(line, "shop.id").or_else(|| text(line, "message")).unwrap();
            (thing, line.get("repeated").and_then(Value::as_u64))
        };
        lines.iter().map(said).collect()
    }

    /// A shop's import fails, in a text that is never twice the same.
    fn fails(shop: &str, kind: &str, attempt: u64) {
        tracing::warn!(
            event = "run.failed",
            shop.id = shop,
            run.id = attempt / 3,
            run.attempt = attempt,
            error.kind = kind,
            retry_at = attempt,
            "failed, request {attempt}"
        );
    }

    #[test]
    fn what_is_the_same_again_is_counted_and_told_in_summaries_that_grow_rare() {
        let time = Arc::new(Mutex::new(Duration::ZERO));
        let lines = logged_in_time("shopsyncd::nowhere=info,shopsyncd=info", &time, |log| {
            for second in 0..7_200 {
                *time.lock().unwrap() = Duration::from_secs(second);
                if second % 10 == 0 {
                    fails("uk", "unavailable", second);
                }
                log.repetition().tell_due();
            }
            log.repetition().tell_all();
            log.repetition().tell_all();
        });
        let told: Vec<_> = said(&lines).into_iter().map(|(_, times)| times).collect();
        assert_eq!(told[0], None, "the first at once");
        assert_eq!(told[1..4], [Some(6), Some(12), Some(24)], "after 1, 2, 4 minutes");
        assert!(told.len() < 10, "{told:?}");
        assert_eq!(told.iter().map(|times| times.unwrap_or(1)).sum::<u64>(), 720, "each of them is counted once");
        let mut summary = lines[1].clone();
        summary.remove("timestamp");
        assert_eq!(
            Value::Object(summary),
            serde_json::json!({
                "level": "warn", "event": "run.failed", "shop.id": "uk", "error.kind": "unavailable", "retry_at": "60",
                "repeated": 6, "message": "failed, request 60 (the same again 6 times within 60 s)",
            })
        );
    }

    #[test]
    fn what_waits_for_the_same_again_and_again_is_counted_as_well() {
        let time = Arc::new(Mutex::new(Duration::ZERO));
        let lines = logged_in_time("info", &time, |log| {
            for minute in 0..60_u64 {
                *time.lock().unwrap() = Duration::from_mins(minute);
                tracing::info!(event = "run.waiting", shop.id = "uk", run.id = 7, retry_at = minute, "waits");
                log.repetition().tell_due();
            }
            log.repetition().tell_all();
        });
        assert!(lines.len() < 10 && lines.iter().all(|line| line["level"] == "info"), "{lines:#?}");
        assert_eq!(said(&lines).iter().map(|(_, times)| times.unwrap_or(1)).sum::<u64>(), 60);
    }

    #[test]
    fn nothing_that_differs_is_kept_back() {
        let lines = logged("info", |log| {
            for (shop, kind) in
                [("uk", "unavailable"), ("uk", "throttled"), ("us", "unavailable"), ("uk", "unavailable")]
            {
                fails(shop, kind, 7);
            }
            for text in ["a.toml:1: wrong", "a.toml:2: wrong"] {
                tracing::error!(event = "settings.rejected", "{text}");
            }
            for mail in 1..=2 {
                tracing::error!(event = "mail.refused", mail.id = mail, "refused");
            }
            for _ in 0..2 {
                tracing::info!(event = "token.refreshed", "renewed");
            }
            log.repetition().tell_due();
        });
        assert_eq!(lines.len(), 3 + 2 + 2 + 2, "{lines:#?}");
    }

    #[test]
    fn what_has_not_come_for_an_hour_is_news() {
        let time = Arc::new(Mutex::new(Duration::ZERO));
        let lines = logged_in_time("info", &time, |log| {
            let mut at = |minute: u64| {
                *time.lock().unwrap() = Duration::from_secs(minute * 60);
                log.repetition().tell_due();
                fails("uk", "unavailable", minute);
            };
            // Told at once whenever none is kept back and the wait, which doubles each time, is over.
            [0, 2, 3, 5, 120, 122].into_iter().for_each(&mut at);
        });
        let told: Vec<_> = said(&lines).into_iter().map(|(_, times)| times).collect();
        assert_eq!(told, [None, None, Some(1), Some(1), None, None], "{lines:#?}");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused_in_words() {
        for filter in ["", " ", "a=b=c", "shopsyncd=loud"] {
            let error = check_filter(filter).unwrap_err().to_string();
            assert!(error.contains("write for example \"info\""), "{error}");
        }
        check_filter("info,shopsyncd::store=trace").unwrap();
    }

    #[test]
    fn what_is_named_is_not_second_guessed() {
        for format in [Format::Journal, Format::Pretty, Format::Json] {
            assert_eq!(resolve(format), format);
        }
        assert_ne!(resolve(Format::Auto), Format::Auto);
    }
}
