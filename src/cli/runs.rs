//! `runs`: the history.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::{Timestamp, Zoned, tz::TimeZone};

use super::{
    Outcome, RunsCommand, exit,
    open::{self, Env},
    print,
    table::Table,
};
use crate::{
    clock::Clock,
    control::Refusal,
    domain::{self, Counts, RunId, RunState, counted},
    report::{self, RunView},
    store::RunFilter,
};

pub(super) async fn runs(env: &Env, command: RunsCommand) -> Outcome {
    let (config, mut tx) = env.look().await?;
    match command {
        RunsCommand::List { shop, job, state, outcome, before, limit } => {
            if let Some(shop) = &shop
                && tx.shop(shop).await.map_err(open::unavailable)?.is_none()
            {
                // A shop that was taken out of the settings keeps its history.
                open::known_shop(&config, shop)?;
            }
            let filter = RunFilter { shop, job, state, outcome, before: before.map(RunId) };
            let list = report::runs(&mut tx, &filter, limit).await.map_err(open::unavailable)?;
            if env.json { print::json(&list) } else { print_runs(&list.runs, &config.timezone) }
        }
        RunsCommand::Show { id } => {
            let view = report::run_show(&mut tx, RunId(id)).await.map_err(open::unavailable)?;
            let view = view.ok_or_else(|| {
                Refusal::new(exit::USAGE, format!("run {id} is not in the history; see `shopsyncd runs list`"))
            })?;
            if env.json { print::json(&view) } else { print_run(&view, &config.timezone) }
        }
    }
}

/// The states of runs, by name.
pub(super) fn state() -> impl TypedValueParser<Value = RunState> {
    use RunState::{Available, Cancelled, Completed, Discarded, Retryable, Running};
    let all = [Available, Running, Retryable, Completed, Discarded, Cancelled];
    PossibleValuesParser::new(all.map(RunState::as_str))
        .map(move |name| all.into_iter().find(|state| state.as_str() == name).expect("one of the names of states"))
}

/// The outcomes of runs, by name.
pub(super) fn outcome() -> impl TypedValueParser<Value = domain::Outcome> {
    use domain::Outcome::{Cancelled, Done, Failed, Held, Partly};
    let all = [Done, Partly, Failed, Held, Cancelled];
    PossibleValuesParser::new(all.map(domain::Outcome::as_str)).map(move |name| {
        all.into_iter().find(|outcome| outcome.as_str() == name).expect("one of the names of outcomes")
    })
}

fn print_runs(runs: &[RunView], zone: &TimeZone) -> Outcome {
    let now = &Clock::system().now().to_zoned(zone.clone());
    let mut table = Table::new(&["RUN", "SHOP", "JOB", "TRIGGER", "STATE", "OUTCOME", "ENDED", "COUNTS"])
        .wide("COUNTS")
        .spare(&["TRIGGER", "STATE", "COUNTS"]);
    for run in runs {
        table.row([
            run.id.to_string(),
            run.shop.as_ref().map_or("-".into(), ToString::to_string),
            run.job.to_string(),
            run.trigger.as_str().into(),
            run.state.as_str().into(),
            run.outcome.map_or("-", |outcome| outcome.as_str()).into(),
            run.finished_at.map_or("-".into(), |at| report::at_a_glance(at, now)),
            counts(&run.counts),
        ]);
        table.note(run.error.as_ref().map(|error| error.text.as_str()));
    }
    table.print()
}

/// The counts that are not zero.
pub(super) fn counts(counts: &Counts) -> String {
    let all = [
        ("seen", counts.seen),
        ("changed", counts.changed),
        ("unchanged", counts.unchanged),
        ("gone", counts.gone),
        ("sent", counts.sent),
        ("refused", counts.refused),
    ];
    all.into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// One run in words: also the end of `jobs run --wait`.
pub(super) fn print_run(run: &RunView, zone: &TimeZone) -> Outcome {
    let now = &Clock::system().now().to_zoned(zone.clone());
    print::text(&lines(run, now).join("\n"))?;
    let complaints = run.complaints.as_deref().unwrap_or_default();
    if complaints.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["SKU", "CODE", "REQUEST", "SINCE"]).spare(&["REQUEST"]);
    for complaint in complaints {
        let request = complaint.request_id.clone().unwrap_or_default();
        let since = report::when(complaint.since, now);
        table.row([complaint.sku.clone(), complaint.code.clone(), request, since]);
        table.note(Some(&complaint.text));
    }
    table.print()
}

fn lines(run: &RunView, now: &Zoned) -> Vec<String> {
    let shop = run.shop.as_ref().map_or_else(String::new, |shop| format!(" of shop `{shop}`"));
    let outcome = run.outcome.map_or(run.state.as_str(), |outcome| outcome.as_str());
    let instant = |at: Timestamp| report::when(at, now);
    let mut lines = vec![
        format!("run {}: {}{shop}: {outcome}", run.id, run.job),
        format!("asked for by: {}, for {}", run.trigger.as_str(), instant(run.due_at)),
    ];
    if let Some(began) = run.started_at {
        let on = run.instance.as_ref().map(|instance| format!(", on {}", instance.0)).unwrap_or_default();
        lines.push(format!("began: {}, attempt {}{on}", instant(began), run.attempt));
        if let Some(ended) = run.finished_at {
            lines.push(format!("ended: {}, after {}", instant(ended), took(ended.duration_since(began))));
        }
    }
    let done = counts(&run.counts);
    if !done.is_empty() {
        lines.push(format!("counts: {done}"));
    }
    if let Some(error) = &run.error {
        lines.push(format!("error: {} ({})", error.text, error.kind.as_str()));
        if !error.remedy.is_empty() {
            lines.push(format!("what to do: {}", error.remedy));
        }
    }
    if let Some(at) = run.retry_at {
        lines.push(format!("next attempt: {}; asked for again, it is tried at once", instant(at)));
    }
    if let Some(count @ 1..) = run.complaints.as_ref().map(|complaints| complaints.len() as u64) {
        let one = "complaint of this job stood when it ended and still stands:";
        let many = "complaints of this job stood when it ended and still stand:";
        lines.push(counted(count, one, many));
    }
    lines
}

/// How long an attempt took.
fn took(span: jiff::SignedDuration) -> String {
    if span.as_secs() < 10 { format!("{:.1} s", span.as_secs_f64()) } else { report::span(span) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{
        domain::{ErrorKind, JobKind, ShopId, Trigger},
        report::{ComplaintView, ErrorView},
    };

    #[test]
    fn a_run_is_told_with_everything_that_is_known_of_it() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (shop, job): (ShopId, _) = ("erp".parse().unwrap(), JobKind::ProductImport);
        let complaint = ComplaintView {
            shop: shop.clone(),
            job,
            sku: "T-000-3".to_owned(),
            code: "stock".to_owned(),
            text: "`six` is no number".to_owned(),
            request_id: None,
            since: at("2026-03-01T12:00:01Z"),
        };
        let run = RunView {
            id: RunId(7),
            shop: Some(shop),
            job,
            trigger: Trigger::Schedule,
            state: RunState::Completed,
            outcome: Some(domain::Outcome::Partly),
            due_at: at("2026-03-01T12:00:00.25Z"),
            started_at: Some(at("2026-03-01T12:00:01Z")),
            finished_at: Some(at("2026-03-01T12:00:03.5Z")),
            retry_at: None,
            attempt: 1,
            instance: Some(domain::InstanceId("north.a".to_owned())),
            counts: Counts { seen: 4, refused: 1, ..Counts::default() },
            error: Some(ErrorView {
                kind: ErrorKind::Unavailable,
                text: "the file is away".to_owned(),
                remedy: "put it back".to_owned(),
            }),
            follow_up: false,
            complaints: Some(vec![complaint]),
        };
        let now = at("2026-03-01T12:01:00Z").to_zoned(TimeZone::get("Asia/Taipei").unwrap());
        insta::assert_snapshot!(lines(&run, &now).join("\n"), @r"
        run 7: product_import of shop `erp`: partly
        asked for by: schedule, for 2026-03-01 20:00:00 CST (59 s ago)
        began: 2026-03-01 20:00:01 CST (59 s ago), attempt 1, on north.a
        ended: 2026-03-01 20:00:03 CST (56 s ago), after 2.5 s
        counts: 4 seen, 1 refused
        error: the file is away (unavailable)
        what to do: put it back
        1 complaint of this job stood when it ended and still stands:
        ");

        let waits = RunView {
            state: RunState::Retryable,
            outcome: None,
            finished_at: None,
            retry_at: Some(at("2026-03-01T12:05:00Z")),
            complaints: None,
            ..run
        };
        let told = lines(&waits, &now).pop().unwrap();
        assert_eq!(told, "next attempt: 2026-03-01 20:05:00 CST (in 4 min 0 s); asked for again, it is tried at once");
    }
}
