//! Metrics, in OpenMetrics text. [`METRICS`] lists every one; the README's table and the alert rules go by it.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use jiff::{SignedDuration, Timestamp};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use crate::domain::{ChannelName, ErrorKind, JobKind, MailKind, Outcome, ShopId};

/// What is known of a metric without its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// The name of its samples. A histogram's have `_bucket`, `_sum` and `_count` added.
    pub name: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it means, and in which unit.
    pub meaning: &'static str,
}

macro_rules! described {
    ($($name:literal [$($label:literal),*] $meaning:literal;)*) => {
        &[$(Described { name: $name, labels: &[$($label),*], meaning: $meaning }),*]
    };
}

/// Every metric. No label is called `job` or `instance`: these are Prometheus' own, which it adds to whatever it reads.
pub const METRICS: &[Described] = described! {
    "shopsyncd_runs_total" ["job_kind", "outcome"] "Runs that ended, by outcome";
    "shopsyncd_run_duration_seconds" ["job_kind"] "How long attempts took, in seconds";
    "shopsyncd_dispatch_lag_seconds" [] "From the due instant to the start of the run, in seconds";
    "shopsyncd_authorization_ends_timestamp_seconds" ["shop", "channel"] "When the owner's permission ends, in seconds since 1970";
    "shopsyncd_shops" ["channel", "state"] "Shops in the settings, by the state of their authorization: `pending`, `active`, `lapsed`, `revoked`, or `none` where none is needed";
    "shopsyncd_jobs_held" ["channel", "reason"] "Jobs that would run and are held, by what holds them, as `held_by` in `status --json` has it";
    "shopsyncd_token_refreshes_total" ["channel", "outcome"] "Exchanges of refresh tokens, by outcome";
    "shopsyncd_mail_owed" [] "Messages that should have left and have not";
    "shopsyncd_mail_refused" [] "Messages that were refused for good";
    "shopsyncd_mail_sent_total" ["kind"] "Messages the relay accepted, by kind";
    "shopsyncd_reminders_sent_total" [] "Reminders the relay accepted";
    "shopsyncd_settings_last_reload_success_timestamp_seconds" [] "When settings were last accepted, in seconds since 1970";
    "shopsyncd_settings_last_reload_successful" [] "1 while the files' settings are in force, 0 while an edit is refused";
    "shopsyncd_ready" [] "1 while this instance can work, 0 while something stops it, as `/readyz` tells";
    "shopsyncd_standing_by" [] "1 while this instance stands by, because a peer serves other settings";
    "shopsyncd_channel_requests_total" ["channel", "result"] "Calls to channels, by result";
    "shopsyncd_channel_throttled_total" ["channel"] "Calls that a channel answered with a request to slow down";
    "shopsyncd_build_info" ["version"] "Always 1; the label tells the version";
};

/// The metrics of one daemon. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    registry: Registry,
    runs: Family<RunLabels, Counter>,
    run_duration: Family<JobLabels, Histogram, fn() -> Histogram>,
    dispatch_lag: Histogram,
    authorization_ends: Whole<ShopLabels>,
    shops: Whole<StateLabels>,
    jobs_held: Whole<HeldLabels>,
    token_refreshes: Family<RefreshLabels, Counter>,
    mail_owed: Gauge,
    mail_refused: Gauge,
    mail_sent: Family<KindLabels, Counter>,
    reminders_sent: Counter,
    reload_success_at: Gauge<f64, AtomicU64>,
    reload_successful: Gauge,
    ready: Gauge,
    standing_by: Gauge,
    channel_requests: Family<RequestLabels, Counter>,
    channel_throttled: Family<ChannelLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunLabels {
    job_kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    job_kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShopLabels {
    shop: String,
    channel: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    channel: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HeldLabels {
    channel: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefreshLabels {
    channel: String,
    outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    channel: String,
    result: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabels {
    channel: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabels {
    version: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, at zero. Runs are counted from nothing for each job and outcome: who reads the counts learns of the first one as of any
    /// other.
    pub fn new() -> Self {
        let mut parts = Parts {
            registry: Registry::default(),
            runs: Family::default(),
            run_duration: Family::new_with_constructor(durations),
            dispatch_lag: lags(),
            authorization_ends: Whole::default(),
            shops: Whole::default(),
            jobs_held: Whole::default(),
            token_refreshes: Family::default(),
            mail_owed: Gauge::default(),
            mail_refused: Gauge::default(),
            mail_sent: Family::default(),
            reminders_sent: Counter::default(),
            reload_success_at: Gauge::default(),
            reload_successful: Gauge::default(),
            ready: Gauge::default(),
            standing_by: Gauge::default(),
            channel_requests: Family::default(),
            channel_throttled: Family::default(),
        };
        parts.register();
        for job in JobKind::OF_SHOPS.into_iter().chain(JobKind::OF_DAEMON) {
            for outcome in Outcome::ALL {
                drop(parts.runs.get_or_create(&RunLabels { job_kind: job.as_str(), outcome: outcome.as_str() }));
            }
        }
        Self(Arc::new(parts))
    }

    /// A run ended.
    pub fn count_run(&self, job: JobKind, outcome: Outcome) {
        self.0.runs.get_or_create(&RunLabels { job_kind: job.as_str(), outcome: outcome.as_str() }).inc();
    }

    /// An attempt of a run took so long.
    pub fn observe_run_duration(&self, job: JobKind, took: SignedDuration) {
        self.0.run_duration.get_or_create(&JobLabels { job_kind: job.as_str() }).observe(took.as_secs_f64());
    }

    /// A run began so long after it fell due.
    pub fn observe_dispatch_lag(&self, lag: SignedDuration) {
        self.0.dispatch_lag.observe(lag.as_secs_f64().max(0.0));
    }

    /// When the shops' authorizations end. A shop that is not among them has none that ends, or is gone.
    pub fn set_authorization_ends(&self, ends: impl IntoIterator<Item = (ShopId, ChannelName, Timestamp)>) {
        let ends = ends.into_iter().map(|(shop, channel, at)| {
            (ShopLabels { shop: shop.to_string(), channel: channel.to_string() }, at.as_second())
        });
        self.0.authorization_ends.tell(ends.collect());
    }

    /// The shops in the settings, each with the state of its authorization or `none`.
    pub fn set_shops(&self, shops: impl IntoIterator<Item = (ChannelName, &'static str)>) {
        let mut counts = HashMap::new();
        for (channel, state) in shops {
            *counts.entry(StateLabels { channel: channel.to_string(), state }).or_default() += 1;
        }
        self.0.shops.tell(counts);
    }

    /// The jobs that are held, by channel and by what holds them.
    pub fn set_jobs_held(&self, held: impl IntoIterator<Item = (ChannelName, &'static str, u64)>) {
        let held = held.into_iter().map(|(channel, reason, jobs)| {
            (HeldLabels { channel: channel.to_string(), reason }, i64::try_from(jobs).unwrap_or(i64::MAX))
        });
        self.0.jobs_held.tell(held.collect());
    }

    /// Refresh tokens of these channels may be spent: they are counted from nothing for each outcome.
    pub fn set_token_channels(&self, channels: &BTreeSet<ChannelName>) {
        for channel in channels {
            for outcome in ErrorKind::ALL.map(ErrorKind::as_str).into_iter().chain(["done"]) {
                let labels = RefreshLabels { channel: channel.to_string(), outcome: outcome.to_owned() };
                drop(self.0.token_refreshes.get_or_create(&labels));
            }
        }
    }

    /// A refresh token was spent. `outcome`: `done`, or the name of the error's kind.
    pub fn count_token_refresh(&self, channel: &ChannelName, outcome: &str) {
        let labels = RefreshLabels { channel: channel.to_string(), outcome: outcome.to_owned() };
        self.0.token_refreshes.get_or_create(&labels).inc();
    }

    /// How many messages should have left and how many were refused for good.
    pub fn set_mail(&self, owed: u64, refused: u64) {
        self.0.mail_owed.set(i64::try_from(owed).unwrap_or(i64::MAX));
        self.0.mail_refused.set(i64::try_from(refused).unwrap_or(i64::MAX));
    }

    /// The relay accepted a message. `kind` is its `X-Shopsyncd-Kind`; reminders are counted a second time as such.
    pub fn count_mail_sent(&self, kind: MailKind) {
        self.0.mail_sent.get_or_create(&KindLabels { kind: kind.to_string() }).inc();
        if kind == MailKind::Reminder {
            self.0.reminders_sent.inc();
        }
    }

    /// Settings were accepted at this instant.
    pub fn set_settings_accepted(&self, at: Timestamp) {
        self.0.reload_success_at.set(at.as_millisecond() as f64 / 1000.0);
        self.0.reload_successful.set(1);
    }

    /// An edit of the settings was refused.
    pub fn set_settings_refused(&self) {
        self.0.reload_successful.set(0);
    }

    /// Whether this instance can work.
    pub fn set_ready(&self, ready: bool) {
        self.0.ready.set(ready.into());
    }

    /// Whether this instance stands by.
    pub fn set_standing_by(&self, standing_by: bool) {
        self.0.standing_by.set(standing_by.into());
    }

    /// A channel was called. `result`: `ok`, or the name of the error's kind.
    pub fn count_channel_request(&self, channel: &ChannelName, result: &str) {
        let labels = RequestLabels { channel: channel.to_string(), result: result.to_owned() };
        self.0.channel_requests.get_or_create(&labels).inc();
    }

    /// A channel asked us to slow down.
    pub fn count_throttled(&self, channel: &ChannelName) {
        self.0.channel_throttled.get_or_create(&ChannelLabels { channel: channel.to_string() }).inc();
    }

    /// All metrics as OpenMetrics text (`application/openmetrics-text; version=1.0.0; charset=utf-8`).
    pub fn encode(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.0.registry).expect("writing to a text does not fail");
        text
    }
}

impl Parts {
    fn register(&mut self) {
        let registry = &mut self.registry;
        let mut add = Adder(registry);
        add.metric("shopsyncd_runs_total", self.runs.clone());
        add.metric("shopsyncd_run_duration_seconds", self.run_duration.clone());
        add.metric("shopsyncd_dispatch_lag_seconds", self.dispatch_lag.clone());
        add.metric("shopsyncd_authorization_ends_timestamp_seconds", self.authorization_ends.family.clone());
        add.metric("shopsyncd_shops", self.shops.family.clone());
        add.metric("shopsyncd_jobs_held", self.jobs_held.family.clone());
        add.metric("shopsyncd_token_refreshes_total", self.token_refreshes.clone());
        add.metric("shopsyncd_mail_owed", self.mail_owed.clone());
        add.metric("shopsyncd_mail_refused", self.mail_refused.clone());
        add.metric("shopsyncd_mail_sent_total", self.mail_sent.clone());
        add.metric("shopsyncd_reminders_sent_total", self.reminders_sent.clone());
        add.metric("shopsyncd_settings_last_reload_success_timestamp_seconds", self.reload_success_at.clone());
        add.metric("shopsyncd_settings_last_reload_successful", self.reload_successful.clone());
        add.metric("shopsyncd_ready", self.ready.clone());
        add.metric("shopsyncd_standing_by", self.standing_by.clone());
        add.metric("shopsyncd_channel_requests_total", self.channel_requests.clone());
        add.metric("shopsyncd_channel_throttled_total", self.channel_throttled.clone());
        add.metric("shopsyncd_build_info", Info::new(VersionLabels { version: env!("CARGO_PKG_VERSION") }));
    }
}

struct Adder<'a>(&'a mut Registry);

impl Adder<'_> {
    /// Registers a metric under its name in [`METRICS`]; the encoder adds `_total` to counters and `_info` by itself.
    fn metric(&mut self, name: &str, metric: impl prometheus_client::registry::Metric) {
        let described = METRICS.iter().find(|described| described.name == name).expect("every metric is in the list");
        let bare = name.strip_suffix("_total").or_else(|| name.strip_suffix("_info")).unwrap_or(name);
        self.0.register(bare, described.meaning, metric);
    }
}

/// From a tenth of a second to half an hour.
fn durations() -> Histogram {
    Histogram::new([0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0])
}

/// Gauges that are told all at once: what is not among them any more goes.
#[derive(Debug)]
struct Whole<L> {
    family: Family<L, Gauge>,
    told: Mutex<HashSet<L>>,
}

impl<L: Clone + Hash + Eq> Default for Whole<L> {
    fn default() -> Self {
        Self { family: Family::default(), told: Mutex::default() }
    }
}

impl<L: Clone + Hash + Eq> Whole<L> {
    fn tell(&self, values: HashMap<L, i64>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in told.iter().filter(|labels| !values.contains_key(labels)) {
            self.family.remove(gone);
        }
        for (labels, value) in &values {
            self.family.get_or_create(labels).set(*value);
        }
        *told = values.into_keys().collect();
    }
}

/// From a millisecond to ten minutes.
fn lags() -> Histogram {
    Histogram::new([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0])
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Every metric with at least one sample.
    fn lived() -> Metrics {
        let metrics = Metrics::new();
        let channel = ChannelName::from("tiktok_shop");
        let shop: ShopId = "tw-01".parse().unwrap();
        metrics.count_run(JobKind::ProductImport, Outcome::Done);
        metrics.count_run(JobKind::SendMail, Outcome::Failed);
        metrics.observe_run_duration(JobKind::ProductImport, SignedDuration::from_millis(1_500));
        metrics.observe_dispatch_lag(SignedDuration::from_millis(3));
        metrics.set_authorization_ends([(shop, channel.clone(), Timestamp::from_second(1_800_000_000).unwrap())]);
        metrics.set_shops([(channel.clone(), "active"), (channel.clone(), "active")]);
        metrics.set_jobs_held([(channel.clone(), "guard", 2), ("shopee".into(), "app_alarm", 6)]);
        metrics.count_token_refresh(&channel, "done");
        metrics.set_mail(2, 1);
        metrics.count_mail_sent(MailKind::Reminder);
        metrics.count_mail_sent(MailKind::Ended);
        metrics.set_settings_accepted(Timestamp::from_second(1_700_000_000).unwrap());
        metrics.count_channel_request(&channel, "ok");
        metrics.count_throttled(&channel);
        metrics
    }

    #[test]
    fn every_metric_of_the_list_is_told_under_its_name_with_its_labels() {
        let text = lived().encode();
        for described in METRICS {
            let name = described.name;
            let samples: Vec<&str> = text
                .lines()
                .filter(|line| !line.starts_with('#'))
                .filter(|line| {
                    [name.to_owned(), format!("{name}_count")]
                        .iter()
                        .any(|name| line.split(['{', ' ']).next() == Some(name))
                })
                .collect();
            assert!(!samples.is_empty(), "{name} is missing in:\n{text}");
            for label in described.labels {
                assert!(
                    samples.iter().all(|sample| sample.contains(&format!("{label}=\""))),
                    "{name} {label}: {samples:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_waited_for_is_counted_from_nothing() {
        let metrics = Metrics::new();
        metrics.set_token_channels(&BTreeSet::from(["shopee".into(), "amazon".into()]));
        let text = metrics.encode();
        for job in ["authorization_refresh", "product_import", "product_export", "remind", "send_mail"] {
            for outcome in ["done", "partly", "failed", "held", "cancelled"] {
                let line = format!("\nshopsyncd_runs_total{{job_kind=\"{job}\",outcome=\"{outcome}\"}} 0\n");
                assert!(text.contains(&line), "{line}{text}");
            }
        }
        for channel in ["shopee", "amazon"] {
            for outcome in ["done", "unavailable", "app_credential_rejected"] {
                let labels = format!("channel=\"{channel}\",outcome=\"{outcome}\"");
                assert!(text.contains(&format!("\nshopsyncd_token_refreshes_total{{{labels}}} 0\n")), "{text}");
            }
        }
        metrics.count_token_refresh(&"shopee".into(), "done");
        metrics.set_token_channels(&BTreeSet::from(["shopee".into()]));
        let told = "\nshopsyncd_token_refreshes_total{channel=\"shopee\",outcome=\"done\"} 1\n";
        assert!(metrics.encode().contains(told), "what was counted stays counted");
    }

    #[test]
    fn nothing_is_told_that_is_not_in_the_list() {
        let text = lived().encode();
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let bare = line.split(' ').next().unwrap();
            let names = [bare.to_owned(), format!("{bare}_total"), format!("{bare}_info")];
            assert!(METRICS.iter().any(|described| names.iter().any(|name| name == described.name)), "{bare}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn clones_count_together_and_a_shop_that_goes_takes_its_end_along() {
        let metrics = lived();
        let clone = metrics.clone();
        clone.count_mail_sent(MailKind::Reminder);
        let end = Timestamp::from_second(1_900_000_000).unwrap();
        clone.set_authorization_ends([("uk".parse().unwrap(), "shopee".into(), end)]);
        clone.set_shops([("tiktok_shop".into(), "lapsed")]);
        clone.set_jobs_held([("tiktok_shop".into(), "pending", 3)]);
        clone.set_settings_refused();
        let text = metrics.encode();
        assert!(text.contains("\nshopsyncd_reminders_sent_total 2\n"), "{text}");
        assert!(text.contains("\nshopsyncd_settings_last_reload_successful 0\n"), "{text}");
        assert!(text.contains("\nshopsyncd_settings_last_reload_success_timestamp_seconds 1700000000.0\n"), "{text}");
        assert!(!text.contains("tw-01") && text.contains("shop=\"uk\""), "{text}");
        let shops: Vec<_> = text.lines().filter(|line| line.starts_with("shopsyncd_shops{")).collect();
        assert_eq!(shops, [r#"shopsyncd_shops{channel="tiktok_shop",state="lapsed"} 1"#]);
        let held: Vec<_> = text.lines().filter(|line| line.starts_with("shopsyncd_jobs_held{")).collect();
        assert_eq!(held, [r#"shopsyncd_jobs_held{channel="tiktok_shop",reason="pending"} 3"#]);
    }
}
