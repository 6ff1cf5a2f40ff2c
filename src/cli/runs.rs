//! `runs`: the history.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{
    Outcome, RunsCommand, exit,
    open::{self, Env},
    print,
};
use crate::{
    clock::Clock,
    control::Refusal,
    domain::{Counts, RunId, RunState},
    report::{self, RunView},
    store::RunFilter,
};

pub(super) async fn runs(env: &Env, command: RunsCommand) -> Outcome {
    let config = env.settings()?;
    let mut tx = open::reading(&config).await?;
    match command {
        RunsCommand::List { shop, job, state, limit } => {
            let filter = RunFilter { shop, job, state, before: None };
            let list = report::runs(&mut tx, &filter, limit).await.map_err(open::unavailable)?;
            if env.json { print::json(&list) } else { print_runs(&list.runs) }
        }
        RunsCommand::Show { id } => {
            let view = report::run_show(&mut tx, RunId(id)).await.map_err(open::unavailable)?;
            let view = view.ok_or_else(|| {
                Refusal::new(exit::FAILED, format!("run {id} is not in the history; see `shopsyncd runs list`"))
            })?;
            if env.json { print::json(&view) } else { print_run(&view) }
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

fn print_runs(runs: &[RunView]) -> Outcome {
    let now = Clock::system().now();
    let mut table = print::table(&["RUN", "SHOP", "JOB", "TRIGGER", "STATE", "OUTCOME", "ENDED", "COUNTS", "ERROR"]);
    for run in runs {
        table.add_row([
            run.id.to_string(),
            run.shop.as_ref().map_or("-".into(), ToString::to_string),
            run.job.to_string(),
            run.trigger.as_str().into(),
            run.state.as_str().into(),
            run.outcome.map_or("-", |outcome| outcome.as_str()).into(),
            run.finished_at.map_or("-".into(), |at| report::relative(at, now)),
            counts(&run.counts),
            run.error.as_ref().map_or_else(String::new, |error| error.text.clone()),
        ]);
    }
    print::print_table(&table)
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
pub(super) fn print_run(run: &RunView) -> Outcome {
    let shop = run.shop.as_ref().map_or_else(String::new, |shop| format!(" of shop `{shop}`"));
    let outcome = run.outcome.map_or(run.state.as_str(), |outcome| outcome.as_str());
    let done = counts(&run.counts);
    print::text(&format!(
        "run {}: {}{shop}: {outcome}{}",
        run.id,
        run.job,
        if done.is_empty() { String::new() } else { format!(" ({done})") }
    ))?;
    if let Some(error) = &run.error {
        let remedy = if error.remedy.is_empty() { String::new() } else { format!("; {}", error.remedy) };
        print::text(&format!("{}: {}{remedy}", error.kind.as_str(), error.text))?;
    }
    let complaints = run.complaints.as_deref().unwrap_or_default();
    if complaints.is_empty() {
        return Ok(());
    }
    let mut table = print::table(&["SKU", "CODE", "COMPLAINT", "REQUEST", "SINCE"]);
    for complaint in complaints {
        let request = complaint.request_id.clone().unwrap_or_default();
        table.add_row([
            complaint.sku.clone(),
            complaint.code.clone(),
            complaint.text.clone(),
            request,
            complaint.since.to_string(),
        ]);
    }
    print::print_table(&table)
}
