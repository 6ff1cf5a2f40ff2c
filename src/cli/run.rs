//! `run`: the daemon. `reload`: new settings now.

use tokio_util::sync::CancellationToken;

use super::{
    Outcome, exit,
    open::{self, Env},
    print,
};
use crate::{
    clock::{Clock, boot_time},
    control::{Refusal, Request},
    daemon::{App, Files, StartError},
    mail::without_addresses,
    settings,
    telemetry::logging,
};

pub(super) async fn run(env: &Env) -> Outcome {
    let environment = Env::environment(true);
    let mut loaded = env.load_in(&environment);
    let (findings, known) = (std::mem::take(&mut loaded.findings), std::mem::take(&mut loaded.known));
    let secret_files = loaded.secret_files.clone();
    let config = open::accepted(settings::Loaded { findings: findings.clone(), ..loaded })?;
    let log = logging::init(crate::daemon::log_format(config.log.format), &config.log.level, boot_time)
        .map_err(|error| Refusal::new(exit::CONFIGURATION, format!("log.level: {error}")))?;
    for finding in &findings {
        tracing::info!(event = "settings.finding", "{}", without_addresses(&finding.to_string()));
    }
    let stop =
        stop_signals().map_err(|error| Refusal::new(exit::FAILED, format!("cannot listen for signals: {error}")))?;
    let files = Files { config: env.config.clone(), env: environment, known: known.into(), secret_files };
    let Some(app) = App::start(config, files, Clock::system(), log, &stop).await.map_err(refused)? else {
        return Ok(());
    };
    app.run(stop).await.map_err(|error| Refusal::new(exit::FAILED, error.to_string()))
}

fn refused(error: StartError) -> Refusal {
    Refusal::new(error.exit(), error.to_string())
}

/// Fires when this program is to stop: SIGTERM, SIGINT.
pub(super) fn stop_signals() -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let fired = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        fired.cancel();
    });
    Ok(stop)
}

pub(super) async fn reload(env: &Env) -> Outcome {
    let changes = env.ask(&Request::Reload).await?;
    if env.json {
        return print::json(&serde_json::json!({ "changes": changes }));
    }
    let lines: Vec<&str> = changes.as_array().into_iter().flatten().filter_map(|line| line.as_str()).collect();
    if lines.is_empty() { print::text("nothing changed") } else { print::text(&lines.join("\n")) }
}
