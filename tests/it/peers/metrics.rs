//! Metrics and alert rules, as a reader of OpenMetrics and Prometheus' own tool judge them.

use std::{collections::BTreeSet, process::Stdio};

use shopsyncd::telemetry::metrics::METRICS;
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{file, is_installed};
use crate::{
    tree::project,
    world::{Database, World, minutes},
};

const PROMTOOL: &str = "debian/usr/bin/promtool";

/// What a program that reads this says, and whether it is content.
async fn reads(program: &mut Command, text: &str) -> (bool, String, String) {
    let mut child =
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // One that refuses the beginning may not wait for the end.
    let _ = input.write_all(text.as_bytes()).await;
    drop(input);
    let done = child.wait_with_output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.success(), text(done.stdout), text(done.stderr))
}

fn parser() -> Command {
    let mut python = Command::new(file("venv/bin/python"));
    python.arg(file("metrics.py"));
    python
}

fn promtool(words: &[&str]) -> Command {
    let mut promtool = Command::new(file(PROMTOOL));
    promtool.args(words).current_dir(project());
    promtool
}

#[tokio::test]
async fn what_a_daemon_with_a_past_tells_is_openmetrics_with_labels_of_few_values() {
    if !is_installed("prometheus-client", "venv/bin/python") || !is_installed("promtool", PROMTOOL) {
        return;
    }
    let mut world = World::new(Database::Sqlite, "2026-03-02T09:00", &["uk", "ie"]);
    world.source(&[("SKU/A", "10.00", 5), ("SKU/B", "11.00", 5)]);
    world.offer("uk", &[("SKU/A", "10.50", 5), ("SKU/B", "11.00", 4)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(90)).await;
    let text = world.metrics("").await.join("\n") + "\n";

    let (good, told, errors) = reads(&mut parser(), &text).await;
    assert!(good, "{errors}\n{text}");
    let (good, said, errors) = reads(&mut promtool(&["check", "metrics"]), &told).await;
    assert_eq!((good, said.as_str(), errors.as_str()), (true, "", ""), "{told}");
    // Both judge: a sample that comes twice, and a name that is none of Prometheus' kind.
    let twice = text.replace("# EOF", "shopsyncd_mail_owed 7\n# EOF");
    assert!(!reads(&mut parser(), &twice).await.0);
    assert!(!reads(&mut promtool(&["check", "metrics"]), "# TYPE aB_total gauge\naB_total 1\n").await.0);

    let mut values = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let labels = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(labels, _)| labels);
        for label in labels.split_terminator("\",") {
            let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            values.insert((name.to_owned(), value.trim_end_matches('"').to_owned()));
        }
    }
    let named: BTreeSet<&str> = values.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "le").collect();
    assert!(["shop", "channel", "job_kind", "outcome", "result"].iter().all(|name| named.contains(name)), "{named:?}");
    let known: BTreeSet<&str> = METRICS.iter().flat_map(|metric| metric.labels.iter().copied()).collect();
    assert!(named.is_subset(&known), "{named:?}");
    // Words of ours and ids of shops: nothing of a product, a path, or a person, of which there are as many as you like.
    let of_the_world = |value: &str| value.contains(['/', '@', ' ', ':']) || value.contains("SKU");
    assert!(!values.iter().any(|(_, value)| of_the_world(value)), "{values:?}");
    world.end_with_mails().await;
}

#[tokio::test]
async fn the_alert_rules_are_good_and_fire_when_they_should_and_not_before() {
    if !is_installed("promtool", PROMTOOL) {
        return;
    }
    for words in [["check", "rules", "config/alerts.yml"], ["test", "rules", "tests/peers/alerts-test.yml"]] {
        let (good, said, errors) = reads(&mut promtool(&words), "").await;
        assert!(good && said.contains("SUCCESS"), "promtool {words:?}: {said}{errors}");
    }
}
