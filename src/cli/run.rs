//! `run`: the daemon. `reload`: new settings now.

use tokio_util::sync::CancellationToken;

use super::{
    Outcome, exit,
    open::{self, Env},
    print,
};
use crate::{
    clock::{Clock, boot_time},
    config::Log,
    control::{Refusal, Request},
    daemon::{self, App, Files},
    mail::without_addresses,
    telemetry::logging::{self, LogError, LogHandle},
};

pub(super) async fn run(env: &Env) -> Outcome {
    let environment = Env::environment(true);
    let mut loaded = env.load_in(&environment);
    // What is readable of broken settings says how to log that they are.
    let log = begin_log(&loaded.readable().log);
    let (findings, secret_files) = (loaded.findings.clone(), loaded.secret_files.clone());
    let known = std::mem::take(&mut loaded.known).into();
    let config = open::accepted(loaded).map_err(|refusal| failed("settings", refusal))?;
    let log = log.map_err(|refusal| failed("settings", refusal))?;
    daemon::tell_findings(&findings);
    let stop = stop_signals()
        .map_err(|error| failed("io", Refusal::new(exit::FAILED, format!("cannot listen for signals: {error}"))))?;
    let files = Files { config: env.config.clone(), env: environment, known, secret_files };
    let app = App::start(config, files, Clock::system(), log, &stop).await;
    let app = app.map_err(|error| failed(error.kind(), Refusal::new(error.exit(), error.to_string())))?;
    let Some(app) = app else { return Ok(()) };
    app.run(stop).await.map_err(|error| unless_logged(Refusal::new(exit::FAILED, error.to_string())))
}

/// Logs as the settings say, or as fits this place where that cannot be.
fn begin_log(log: &Log) -> Result<LogHandle, Refusal> {
    logging::init(daemon::log_format(log.format), &log.level, boot_time).map_err(|error| {
        let _ = logging::init(logging::Format::Auto, "info", boot_time);
        let key = if matches!(error, LogError::Journal(_)) { "log.format" } else { "log.level" };
        Refusal::new(exit::CONFIGURATION, format!("{key}: {error}"))
    })
}

/// Logs what keeps the daemon from starting, as one event.
fn failed(kind: &str, refusal: Refusal) -> Refusal {
    let findings = refusal.findings.iter().map(ToString::to_string);
    let lines: Vec<String> = [refusal.text.clone()].into_iter().chain(findings).collect();
    let text = without_addresses(&lines.join("\n"));
    tracing::error!(event = "daemon.failed", error.kind = kind, exit = refusal.exit, "{text}");
    unless_logged(refusal)
}

/// What the log has told is not said again on standard error, where it goes as a rule.
fn unless_logged(refusal: Refusal) -> Refusal {
    if tracing::enabled!(tracing::Level::ERROR) { Refusal::new(refusal.exit, "") } else { refusal }
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
    let mut outcome = env.ask(&Request::Reload).await?;
    let text = outcome["text"].take();
    if !env.json {
        return print::text(text.as_str().unwrap_or("done"));
    }
    if let Some(outcome) = outcome.as_object_mut() {
        outcome.remove("text");
    }
    print::json(&outcome)
}
