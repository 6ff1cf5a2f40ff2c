//! The alert rules: on metrics that there are, explained in the README. What they do is judged by Prometheus' own tool.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use shopsyncd::telemetry::metrics::METRICS;

use crate::{
    docs::rows,
    tree::{no_faults, read},
};

/// What stands behind this key, line by line.
fn values<'a>(rules: &'a str, key: &str) -> Vec<&'a str> {
    let key = format!("{key}: ");
    rules.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(&key)).collect()
}

#[test]
fn every_metric_of_the_alert_rules_is_one_of_the_programs() {
    let rules = read("config/alerts.yml");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named: BTreeSet<&str> =
        rules.split(|c: char| !is_name(c)).filter(|word| word.starts_with("shopsyncd_")).collect();
    assert!(named.len() > 10, "the rules' metrics were not found: {named:?}");
    let unknown = named.into_iter().filter(|name| {
        let bare = name.trim_end_matches("_bucket");
        !METRICS.iter().any(|metric| metric.name == bare)
    });
    no_faults(unknown.map(|name| format!("config/alerts.yml: there is no metric `{name}`")).collect());
}

#[test]
fn labels_that_the_alert_rules_go_by_are_those_of_the_metrics() {
    let rules = read("config/alerts.yml");
    let labels: BTreeSet<&str> = METRICS.iter().flat_map(|metric| metric.labels.iter().copied()).collect();
    let mut faults = Vec::new();
    for inside in rules.split("by (").skip(1).chain(rules.split("on (").skip(1)) {
        for label in inside.split(')').next().unwrap().split(", ") {
            // Of the scrape, and of histograms.
            if !["instance", "le"].contains(&label) && !labels.contains(label) {
                faults.push(format!("config/alerts.yml: no metric has the label `{label}`"));
            }
        }
    }
    no_faults(faults);
}

#[test]
fn no_metric_has_a_label_that_prometheus_keeps_for_itself() {
    // It would call ours `exported_job` and `exported_instance`, or lose its own, as its settings say.
    let labels = METRICS.iter().flat_map(|metric| metric.labels.iter().map(|label| (metric.name, *label)));
    let faults = labels.filter(|(_, label)| ["job", "instance"].contains(label) || label.starts_with("__"));
    no_faults(faults.map(|(name, label)| format!("`{name}`: `{label}` is a label of Prometheus' own")).collect());
}

#[test]
fn every_alert_says_what_is_wrong_and_what_to_do_and_has_its_row_in_the_readme() {
    let rules = read("config/alerts.yml");
    let alerts = values(&rules, "alert");
    assert!(alerts.len() > 10, "the alerts were not found: {alerts:?}");
    for key in ["expr", "severity", "summary", "description"] {
        assert_eq!(values(&rules, key).len(), alerts.len(), "each alert has `{key}`");
    }
    let listed: BTreeSet<String> = rows("Alert").iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    let there: BTreeSet<String> = alerts.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(listed, there, "README.md's table (left) and config/alerts.yml (right)");
    let tested = read("tests/peers/alerts-test.yml");
    let untested = alerts.iter().filter(|name| !tested.contains(&format!("alertname: {name}\n")));
    no_faults(untested.map(|name| format!("tests/peers/alerts-test.yml: `{name}` never fires")).collect());
}
