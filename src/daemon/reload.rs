//! New settings while the daemon runs: read, judged, compared, and put in force whole, or not at all.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    force::{self, Since},
    health::within,
    people, systemd,
};
use crate::{
    config::{
        Config, Finding, Severity,
        diff::{Diff, diff, keep_until_restart},
        load::DEFAULT_FILE,
        watch::{Watch, Watched},
    },
    control::Refusal,
    domain::{ChannelName, ShopId},
    mail::{Mailer, without_addresses},
    notices, report, settings,
    store::StoreError,
};

/// How soon an edit is tried again that the database did not take.
const AGAIN: Duration = Duration::from_secs(5);

/// How long the database may take over a reload: whoever asked for it is told within that time, whatever happens.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the settings are read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The files changed, or may have: one that vanished counts as a bad edit.
    Edit,
    /// A person asked: what is there is meant.
    Asked,
}

/// When the settings in force were taken from the files, and what that changed: nothing at the start.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub at: Timestamp,
    pub changes: Vec<String>,
}

/// Puts every edit of the settings files in force until `stop` fires.
pub(super) async fn watch(shared: Arc<Shared>, stop: CancellationToken) -> Result<(), String> {
    let main = shared.files.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    let secret_files = shared.files.secret_files.clone();
    let (watch, mut edits) = Watch::start(Watched { main, secret_files });
    // An edit between the start's reading and the watch would go unseen.
    let now = shared.read_settings(None).await?;
    watch.set_secret_files(&now.secret_files);
    if now.config.is_none_or(|config| config.digest != shared.config.load().digest) {
        let _ = shared.reload(Cause::Edit).await;
    }
    // Daemons are asked so from of old. It may as well be a terminal that goes, so it is nobody's word that shops are to go.
    let mut hangup = signal(SignalKind::hangup()).map_err(|error| format!("the hang-up signal: {error}"))?;
    let mut waits = shared.settings_wait.subscribe();
    loop {
        let again = *waits.borrow_and_update();
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            edit = edits.recv() => edit.ok_or("the watcher is gone")?,
            _ = hangup.recv() => {}
            () = tokio::time::sleep(AGAIN), if again => {}
            // Somebody else's reload met no database.
            _ = waits.changed(), if !again => continue,
        }
        // The outcome is logged and told where it is decided.
        let _ = shared.reload(Cause::Edit).await;
        watch.set_secret_files(&shared.secret_files.load());
    }
}

impl Shared {
    /// Reads the settings, from `main` instead of the main file in force, if named. Thousands of shops take a while to read: meanwhile
    /// the work goes on.
    async fn read_settings(&self, main: Option<&Path>) -> Result<settings::Loaded, String> {
        let known = if main.is_some() { Arc::default() } else { self.known.load_full() };
        let main = main.or(self.files.config.as_deref()).map(Path::to_owned);
        let (env, tools) = (self.files.env.clone(), self.tools.clone());
        let read = tokio::task::spawn_blocking(move || settings::load_after(&known, main.as_deref(), &env, &tools));
        read.await.map_err(|error| format!("the settings cannot be read: {error}"))
    }

    /// What a reload would change, and what it would put in force; of `main` instead of the main file in force, if named.
    pub(super) async fn difference(&self, main: Option<&Path>) -> Result<(Diff, Config), Refusal> {
        let loaded = self.read_settings(main).await.map_err(|cause| Refusal::new(1, cause))?;
        let config = accepted(loaded, "the daemon would refuse these settings")?;
        Ok((diff(&self.config.load(), &config), config))
    }

    /// Reads the settings again because a person asks: what changed, or since when what the files say is in force. An edit is noticed by
    /// itself, as a rule before anybody asks.
    pub(super) async fn reload_asked(&self) -> Result<Value, Refusal> {
        let changes = self.reload(Cause::Asked).await?;
        let accepted = self.accepted.load();
        let since = report::when(accepted.at, &self.local());
        let text = match (&changes[..], &accepted.changes[..]) {
            ([], []) => format!("nothing changed: what the files say is in force since the start at {since}"),
            ([], latest) => {
                format!(
                    "nothing changed: what the files say is in force since {since}, by an edit that changed\n  {}",
                    latest.join("\n  ")
                )
            }
            (changes, _) => changes.join("\n"),
        };
        Ok(json!({ "changes": changes, "since": accepted.at, "latest": accepted.changes, "text": text }))
    }

    /// Reads the settings again and puts them in force. Anything wrong: the old ones keep serving, and the findings are
    /// told everywhere. Answers what changed, in lines.
    pub(super) async fn reload(&self, cause: Cause) -> Result<Vec<String>, Refusal> {
        let _alone = self.reloading.lock().await;
        let refused = self.handle.settings_error();
        systemd::reloading();
        let mut loaded = match self.read_settings(None).await {
            Ok(loaded) => loaded,
            Err(cause) => {
                systemd::reloaded(&self.in_words().await);
                return Err(Refusal::new(1, cause));
            }
        };
        self.secret_files.store(Arc::new(loaded.secret_files.clone()));
        let (before, known) = (self.config.load(), self.known.load());
        loaded.findings.extend(settings::vanished(&before, known.files(), &loaded, cause == Cause::Asked));
        drop((before, known));
        let (known, findings) = (std::mem::take(&mut loaded.known), loaded.findings.clone());
        let outcome = match accepted(loaded, "the settings were refused and the ones before keep serving") {
            Ok(config) => self.put_in_force(config, cause).await,
            Err(refusal) => Err(refusal),
        };
        match &outcome {
            Ok(changes) => {
                if !changes.is_empty() {
                    tell_findings(&findings);
                    self.accepted.store(Arc::new(Accepted { at: self.clock.now(), changes: changes.clone() }));
                }
                self.known.store(Arc::new(known));
                self.settings_wait.send_replace(false);
                self.handle.set_settings_error(None);
                tell_good(changes, refused.is_some());
            }
            Err(away) if away.exit == 69 => {
                if !self.settings_wait.send_replace(true) {
                    tracing::warn!(event = "store.failed", "new settings wait for the database: {}", away.text);
                }
            }
            Err(refusal) => {
                self.settings_wait.send_replace(false);
                self.refuse(refusal, cause, refused.as_deref()).await;
            }
        }
        systemd::reloaded(&self.in_words().await);
        outcome
    }

    async fn put_in_force(&self, config: Config, cause: Cause) -> Result<Vec<String>, Refusal> {
        let old = self.config.load_full();
        let changes = diff(&old, &config);
        let config = keep_until_restart(&old, config);
        let wrong = |text: String| Refusal::new(78, text);
        let differing = force::differing(&old, &config, &changes);
        let entries = force::entries_after(&config, &self.tools, &self.shops, differing.as_ref())
            .map_err(|error| wrong(error.to_string()))?;
        let mailer = people::mailer(&config, &self.clock).map_err(|error| wrong(format!("mail: {error}")))?;
        let people =
            people::people(&config, &self.files, &self.links, &self.clock).map_err(|error| wrong(error.to_string()))?;
        let log = self.log.as_ref().filter(|_| old.log.level != config.log.level);
        if let Some(log) = log {
            log.set_filter(&config.log.level).map_err(|error| wrong(format!("log.level: {error}")))?;
        }
        // What is written follows from the shops, and what it asks for is worked out and told by the people in force; everything else is
        // swapped once it stands.
        let before = self.shops.all();
        self.shops.replace(force::page(&config), entries);
        let people_before = self.people.swap(Arc::new(people));
        let mailer_before = self.mailer.replace(mailer);
        // A file that was touched, or changed in what is this machine's own affair, does not take the peers' settings back.
        let meant = cause == Cause::Asked || config.digest != old.digest;
        let since = differing.as_ref().map(|differing| Since { digest: &old.digest, differing });
        if let Err(error) = within(PATIENCE, self.enter(&config, since, meant)).await {
            // The database is away: the old settings serve on, and the next reload tries again.
            if let Some(log) = log {
                log.set_filter(&old.log.level).map_err(|error| wrong(format!("log.level: {error}")))?;
            }
            self.shops.replace(force::page(&old), before);
            self.people.store(people_before);
            self.mailer.replace(Mailer::clone(&mailer_before));
            return Err(Refusal::new(69, error.to_string()));
        }
        self.config.store(Arc::new(config));
        self.note_apps_changed(&changes.channels_changed).await;
        self.handle.wake();
        self.metrics.set_settings_accepted(self.clock.now());
        Ok(changes.lines)
    }

    /// Shops that the database knows from the settings before, and that are in none of the files now.
    pub(super) async fn shops_gone(&self) -> Result<Vec<ShopId>, StoreError> {
        let config = self.config.load();
        let known = self.store.read(self.clock.now()).await?.shops().await?.into_iter();
        Ok(known.filter(|row| row.configured && !config.shops.contains_key(&row.id)).map(|row| row.id).collect())
    }

    /// Tells that a start found shops in none of the files. While the daemon runs a file that vanishes is refused; at a start there is
    /// nothing else to serve, and nobody may have meant it.
    pub(super) async fn tell_shops_gone(&self, gone: &[ShopId]) -> Result<(), StoreError> {
        if gone.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = gone.iter().map(|id| format!("`{id}`")).collect();
        tracing::warn!(
            event = "settings.shops_gone",
            shops = gone.len(),
            "in none of the settings files any more: {}; their jobs stop and their data stays; if that is not meant, put their files back",
            names.join(", ")
        );
        let mut tx = self.store.write(self.clock.now()).await?;
        notices::note_shops_gone(&mut tx, &self.people.load(), gone).await?;
        tx.commit().await
    }

    /// Apps of these channels that were refused may have been mended with the settings that are in force now.
    pub(super) async fn note_apps_changed(&self, channels: &BTreeSet<ChannelName>) {
        for channel in channels {
            // Not done now, it is done when a person asks for a probe: the settings are in force all the same.
            if let Err(error) = self.keeper.note_app_changed(channel).await {
                tracing::warn!(event = "store.failed", channel.name = %channel, "an app alarm could not be ended: {error}");
            }
        }
    }

    /// Tells that an edit was refused here: log, metric, `status`, and the operator, who hears of the same reasons once from all instances.
    async fn refuse(&self, refusal: &Refusal, cause: Cause, before: Option<&str>) {
        let text = tell_refused(refusal, cause, before);
        self.metrics.set_settings_refused();
        self.handle.set_settings_error(Some(text.clone()));
        let noted = async {
            let mut tx = self.store.write(self.clock.now()).await?;
            let known = tx.instances().await?.iter().any(|instance| instance.settings_error.as_ref() == Some(&text));
            tx.set_settings_error(&self.handle.holder(), Some(&text)).await?;
            if !known {
                notices::note_settings_refused(&mut tx, &self.people.load(), &text).await?;
            }
            tx.commit().await
        };
        if let Err(error) = within(PATIENCE, noted).await {
            tracing::warn!(event = "store.failed", "cannot note that the settings were rejected: {error}");
        }
    }
}

/// Logs that an edit was refused, and returns the reasons. One edit may be noticed twice: what is refused again for the same reasons as
/// `before` is logged once, unless a person asked.
pub(super) fn tell_refused(refusal: &Refusal, cause: Cause, before: Option<&str>) -> String {
    let findings: Vec<String> = refusal.findings.iter().map(ToString::to_string).collect();
    let text = if findings.is_empty() { refusal.text.clone() } else { findings.join(" | ") };
    if cause == Cause::Asked || before != Some(&text) {
        let text = without_addresses(&text);
        tracing::error!(event = "settings.rejected", "settings rejected, the ones before keep serving: {text}");
    }
    text
}

/// Logs what is worth knowing of settings that are put in force.
pub fn tell_findings(findings: &[Finding]) {
    for finding in findings {
        let text = without_addresses(&finding.to_string());
        if finding.severity == Severity::Note {
            tracing::info!(event = "settings.finding", "{text}");
        } else {
            tracing::warn!(event = "settings.finding", "{text}");
        }
    }
}

/// Tells what a reload changed; after a refusal also that nothing had to be.
pub(super) fn tell_good(changes: &[String], mended: bool) {
    let text = match changes {
        [] if mended => "the settings are good again; nothing changed".to_owned(),
        [] => return,
        changes => format!("settings reloaded: {}", changes.join("; ")),
    };
    tracing::info!(event = "settings.reloaded", changes = changes.len(), "{}", without_addresses(&text));
}

/// The settings, or everything that is wrong with them (78). `refused`: what that means.
pub(super) fn accepted(loaded: settings::Loaded, refused: &str) -> Result<Config, Refusal> {
    let findings: Vec<_> = loaded.errors().cloned().collect();
    match loaded.config {
        Some(config) if findings.is_empty() => Ok(config),
        _ => Err(Refusal { exit: 78, text: refused.to_owned(), findings }),
    }
}
