//! What every command begins with: the settings, the database, the daemon.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Outcome, exit, print};
pub(super) use crate::daemon::unavailable;
use crate::{
    channels::Tools,
    clock::Clock,
    config::{Config, ShopConfig, load, suggestion},
    control::{self, Refusal, Request},
    daemon::SETTINGS_REFUSED,
    domain::{ShopId, counted},
    http::Http,
    report, settings,
    store::{ScheduleRow, Store, StoreError, Tx, serving},
};

/// What the command line says for every command.
pub(super) struct Env {
    /// The main settings file, where named.
    pub(super) config: Option<PathBuf>,
    /// Answer in JSON.
    pub(super) json: bool,
}

impl Env {
    /// Reads the settings, with everything there is to say about them.
    pub(super) fn load(&self) -> settings::Loaded {
        self.load_in(&Self::environment(false))
    }

    /// Reads the settings in an environment.
    pub(super) fn load_in(&self, environment: &load::Env) -> settings::Loaded {
        let clock = Clock::system();
        settings::load(self.config.as_deref(), environment, &Tools { http: Http::new(clock.clone()), clock })
    }

    /// The process's environment. `serving`: credentials must be readable; to a command they need not be.
    pub(super) fn environment(serving: bool) -> load::Env {
        load::Env::of_process(serving, Clock::system().now())
    }

    /// The settings, or all findings (78).
    pub(super) fn settings(&self) -> Result<Config, Refusal> {
        accepted(self.load())
    }

    /// The settings; where they are broken, as far as they could be read and as long as they say where the database is. Then what is wrong
    /// with them is said beside the answer: a slip in one shop's file must not keep anybody from a copy or a look.
    pub(super) fn readable(&self) -> Result<Config, Refusal> {
        let mut loaded = self.load();
        let Some(broken) = loaded.broken.take() else { return accepted(loaded) };
        let refusal = refused(&loaded);
        if !finds_database(&refusal) {
            return Err(refusal);
        }
        print::refusal(&refusal, false);
        Ok(broken)
    }

    /// The settings but for the files of shops, as far as they can be read: enough to find the daemon.
    pub(super) fn without_shops(&self) -> Config {
        settings::without_shops(self.config.as_deref(), &Self::environment(false))
    }

    /// The folder of the daemon's files, also where the settings are broken.
    pub(super) fn state_dir(&self) -> PathBuf {
        self.without_shops().state_dir
    }

    /// Opens the database for a look, also where [`Env::readable`] is all there is of the settings.
    pub(super) async fn look(&self) -> Result<(Config, Tx), Refusal> {
        let config = self.readable()?;
        let tx = reading(&config).await?;
        Ok((config, tx))
    }

    /// Asks the daemon, with a bar for what takes its time.
    pub(super) async fn ask(&self, request: &Request) -> Result<Value, Refusal> {
        let bar = print::bar();
        bar.during(control::ask(&self.state_dir(), request, |word| bar.tell(word))).await
    }

    /// Asks the daemon for something that this program knows.
    pub(super) async fn ask_for<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Refusal> {
        let answer = self.ask(request).await?;
        serde_json::from_value(answer).map_err(|error| Refusal::new(exit::FAILED, error.to_string()))
    }

    /// Whether a daemon serves other settings than the files have, because it refused these: then it alone knows what holds.
    pub(super) async fn serves_before(&self) -> bool {
        let health = control::ask(&self.state_dir(), &Request::Health, |_| {}).await.unwrap_or_default();
        let mut reasons = health["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
        reasons.any(|reason| reason.starts_with(SETTINGS_REFUSED))
    }

    /// Whether a daemon answers.
    pub(super) async fn daemon_answers(&self) -> bool {
        control::ask(&self.state_dir(), &Request::Health, |_| {}).await.is_ok()
    }
}

/// Whether settings with these faults still say where the database is.
fn finds_database(refusal: &Refusal) -> bool {
    let hides = |key: &str| key == "state_dir" || key.starts_with("database");
    refusal.findings.iter().all(|finding| !hides(&finding.key))
}

/// The settings, or all that is wrong with them (78).
pub(super) fn accepted(loaded: settings::Loaded) -> Result<Config, Refusal> {
    let refusal = refused(&loaded);
    loaded.config.ok_or(refusal)
}

fn refused(loaded: &settings::Loaded) -> Refusal {
    let findings: Vec<_> = loaded.errors().cloned().collect();
    let text = format!("the settings have {}", counted(findings.len() as u64, "error", "errors"));
    Refusal { exit: exit::CONFIGURATION, text, findings }
}

/// Where the database is. An address that systemd hands the service alone, or that could not be read, is not known to commands, and no
/// other is looked at in its place; nor is one that the daemon does not serve.
pub(super) fn database(config: &Config) -> Result<&str, Refusal> {
    let url = config.database_url.expose();
    let is_lost = |key: &str| config.unread.contains(key);
    if is_lost("database.url") && config.origin("database.url").is_some() {
        let text = "`database.url` is handed to the service alone, so from here the database cannot be looked at; name it as \
                    `{ file = \"…\" }` for commands to read it, too";
        return Err(Refusal::new(exit::UNAVAILABLE, text));
    }
    // A file stands in the state folder as a rule.
    if is_lost("database.url") || is_lost("state_dir") && !config.is_postgres() {
        let text = "where the database is stands in a part of the settings that cannot be read, and no other is looked at in its place; \
                    mend what `shopsyncd check` names";
        return Err(Refusal::new(exit::CONFIGURATION, text));
    }
    match mistaken(config) {
        Some((cause, remedy)) => Err(Refusal::new(exit::UNAVAILABLE, format!("{cause}; {remedy}"))),
        None => Ok(url),
    }
}

/// That the daemon serves another database than the settings here name, and what to do. What they name must be known.
pub(super) fn mistaken(config: &Config) -> Option<(String, &'static str)> {
    if config.unread.contains("database.url") {
        return None;
    }
    let [served, named] = serving::served_instead(config.database_url.expose(), &config.state_dir)?;
    let cause = format!("the daemon serves another database: {served}, while the settings here name {named}");
    let remedy =
        "give this command the daemon's settings, those of its environment, too, or start the daemon with these";
    Some((cause, remedy))
}

/// Opens the database for reading, whether or not a daemon runs.
pub(super) async fn reading(config: &Config) -> Result<Tx, Refusal> {
    let store = Store::open_for_reading(database(config)?, &config.state_dir).await.map_err(unavailable)?;
    store.read(Clock::system().now()).await.map_err(unavailable)
}

/// Only `run` makes a database: a command that finds none may have been given the wrong settings.
pub(super) async fn founded(config: &Config) -> Outcome {
    match Store::open_for_reading(database(config)?, &config.state_dir).await {
        Ok(store) => store.close().await,
        Err(error @ StoreError::Absent { .. }) => return Err(unavailable(error)),
        // Whoever opens it says what else is wrong.
        Err(_) => {}
    }
    Ok(())
}

/// A shop that stands in the settings; of one that was taken out of them while its data is kept, that is said.
pub(super) async fn known_or_kept(config: &Config, shop: &ShopId) -> Outcome {
    let Err(unknown) = known_shop(config, shop) else { return Ok(()) };
    let kept = async { reading(config).await.ok()?.shop(shop).await.ok()? };
    Err(kept.await.map_or(unknown, |_| Refusal::new(exit::USAGE, report::kept_text(shop))))
}

/// A shop that stands in the settings, else 64 with the names there are.
pub(super) fn known_shop(config: &Config, shop: &ShopId) -> Result<(), Refusal> {
    if config.shops.contains_key(shop) {
        return Ok(());
    }
    let remedy = match suggestion(shop.as_str(), config.shops.keys().map(ShopId::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`shopsyncd shops list` tells those that are".to_owned(),
    };
    Err(Refusal::new(exit::USAGE, format!("shop `{shop}` is not in the settings; {remedy}")))
}

/// The settings as far as they can be read, with the shops and periods that were in force last.
pub(super) async fn as_last_in_force(tx: &mut Tx, mut config: Config) -> Result<Config, StoreError> {
    config.shops.clear();
    let mut schedules: BTreeMap<ShopId, Vec<ScheduleRow>> = BTreeMap::new();
    for schedule in tx.schedules(None).await? {
        if let Some(shop) = schedule.shop.clone() {
            schedules.entry(shop).or_default().push(schedule);
        }
    }
    for row in tx.shops().await?.into_iter().filter(|row| row.configured) {
        let schedules = schedules.remove(&row.id).unwrap_or_default();
        let shop = ShopConfig {
            channel: row.channel,
            name: row.name,
            remind: Vec::new(),
            jobs: schedules.into_iter().map(|schedule| (schedule.job, schedule.period)).collect(),
            full_import: ShopConfig::default_full_import(),
            match_barcode: false,
            export: ShopConfig::default_rules(),
            warehouse: None,
            own: serde_json::Map::new(),
            digest: String::new(),
        };
        config.shops.insert(row.id, Arc::new(shop));
    }
    Ok(config)
}
