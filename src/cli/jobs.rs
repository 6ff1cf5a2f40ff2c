//! `jobs`: run one now, look at its plan, or ask why it did not run.

use super::{
    JobsCommand, JobsRun, Outcome,
    dry_run::dry_run,
    exit,
    open::{self, Env},
    print, runs,
};
use crate::{
    control::{Refusal, Request},
    daemon,
    domain::{Demand, JobKind, ShopId},
    report::{self, RunView, Surroundings},
};

pub(super) async fn jobs(env: &Env, command: JobsCommand) -> Outcome {
    match command {
        JobsCommand::Run(run) if run.dry_run => dry_run(env, &run).await,
        JobsCommand::Run(run) => run_now(env, run).await,
        JobsCommand::Why { shop, job } => why(env, &shop, job).await,
    }
}

/// What is demanded must be something that the job can do.
fn fits(run: &JobsRun) -> Outcome {
    let misfit = |flag: &str, job: JobKind| {
        let text = format!("{flag} is for {job} and means nothing to {}; leave it away", run.job);
        Err(Refusal::new(exit::USAGE, text))
    };
    if run.full && run.job != JobKind::ProductImport {
        return misfit("--full", JobKind::ProductImport);
    }
    if run.release_guard && run.job != JobKind::ProductExport {
        return misfit("--release-guard", JobKind::ProductExport);
    }
    if run.resend.is_some() && run.job != JobKind::ProductExport {
        return misfit("--resend", JobKind::ProductExport);
    }
    Ok(())
}

async fn run_now(env: &Env, run: JobsRun) -> Outcome {
    fits(&run)?;
    let JobsRun { shop, job, wait, release_guard, full, resend, .. } = run;
    let demand = Demand { full, release_guard, resend };
    let request = Request::RunNow { shop: shop.clone(), job, demand, wait };
    let view = match env.ask(&request).await {
        // A daemon that is there and cannot just now is not worked around.
        Err(refusal) if refusal.exit == exit::UNAVAILABLE && wait && !env.daemon_answers().await => {
            here(env, &shop, job, demand, refusal).await?
        }
        Err(refusal) => return Err(refusal),
        Ok(answer) => serde_json::from_value(answer).map_err(|error| Refusal::new(exit::FAILED, error.to_string()))?,
    };
    if env.json {
        print::json(&view)?;
    } else if wait {
        runs::print_run(&view, &env.without_shops().timezone)?;
    } else if view.follow_up {
        print::text(&format!(
            "run {} of {job} of shop `{shop}` is under way and another follows it, for what it began too soon for; `shopsyncd runs list --shop {shop} --job {job}` tells how they go",
            view.id
        ))?;
    } else {
        print::text(&format!(
            "run {} of {job} of shop `{shop}` is asked for; `shopsyncd runs show {}` tells how it goes",
            view.id, view.id
        ))?;
    }
    if wait { ended(&view) } else { Ok(()) }
}

/// The exit code of a run that was waited for: 0 done, 1 partly, failed or called off, 77 held, 75 not over. What there is to say of it
/// has been said.
fn ended(view: &RunView) -> Outcome {
    use crate::domain::Outcome::{Cancelled, Done, Failed, Held, Partly};
    let exit = match view.outcome {
        Some(Done) => return Ok(()),
        Some(Partly | Failed | Cancelled) => exit::FAILED,
        Some(Held) => exit::REFUSED,
        // Its next attempt is far off; without a daemon one attempt is all there is.
        None => exit::TRY_LATER,
    };
    Err(Refusal::new(exit, ""))
}

/// Without a daemon, on SQLite, the run is carried out by this process, under the daemon's lock.
async fn here(env: &Env, shop: &ShopId, job: JobKind, demand: Demand, no_daemon: Refusal) -> Result<RunView, Refusal> {
    let config = env.settings()?;
    open::known_or_kept(&config, shop).await?;
    if !open::database(&config)?.starts_with("sqlite:") {
        return Err(no_daemon);
    }
    // What is handed to the service alone is not there: the channel would refuse us for it, and a seal key would seem lost.
    let of_channel = format!("channels.{}.", config.shops[shop].channel);
    if let Some(key) = config.unread.iter().find(|key| *key == "seal_key" || key.starts_with(&of_channel)) {
        let text = format!("{}; it cannot be done here either, where `{key}` is not readable", no_daemon.text);
        return Err(Refusal::new(exit::UNAVAILABLE, text));
    }
    open::founded(&config).await?;
    daemon::run_once(config, shop, job, demand).await
}

async fn why(env: &Env, shop: &ShopId, job: JobKind) -> Outcome {
    // A daemon knows by which settings it works, whatever the files say.
    if env.daemon_answers().await {
        let why = env.ask(&Request::Why { shop: shop.clone(), job }).await?;
        return if env.json { print::json(&why) } else { print::text(why["text"].as_str().unwrap_or_default()) };
    }
    let loaded = env.load();
    let (config, mut tx) = if let Some(config) = loaded.config {
        open::known_or_kept(&config, shop).await?;
        let tx = open::reading(&config).await?;
        (config, tx)
    } else {
        let (config, mut tx) = env.look().await?;
        let config = open::as_last_in_force(&mut tx, config).await.map_err(open::unavailable)?;
        open::known_shop(&config, shop)?;
        (config, tx)
    };
    let known = &config.shops[shop];
    if !known.jobs.contains_key(&job) {
        return Err(Refusal::new(exit::USAGE, report::no_such_job(shop, job, &known.channel)));
    }
    let why = report::why(&mut tx, &config, shop, job, Surroundings::default()).await.map_err(open::unavailable)?;
    if env.json { print::json(&why) } else { print::text(&why.text) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn how_a_run_that_was_waited_for_ended_is_told_by_the_exit_code() {
        let table = [("done", 0), ("partly", 1), ("failed", 1), ("cancelled", 1), ("held", 77), ("", 75)];
        for (outcome, exit) in table {
            let mut run = serde_json::json!({
                "id": 7, "shop": "uk", "job": "product_import", "trigger": "now", "state": "completed", "outcome": outcome,
                "due_at": "2026-03-01T12:00:00Z", "started_at": null, "finished_at": null, "attempt": 1, "counts": {}, "error": null,
            });
            if outcome.is_empty() {
                run["outcome"] = serde_json::Value::Null;
            }
            let told = ended(&serde_json::from_value(run).unwrap());
            assert_eq!(told.map_or_else(|refusal| refusal.exit, |()| 0), exit, "{outcome}");
        }
    }
}
