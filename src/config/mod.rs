//! Settings: what they are, and the only place of their defaults. No I/O here; [`load`] reads, [`check`] judges,
//! [`diff`] compares, [`watch`] notices edits.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::{Span, civil, tz::TimeZone};
use url::Url;

use crate::{
    domain::{ChannelName, JobKind, Period, ShopId, wanted::Rules},
    secrets::Secret,
};

/// All settings, resolved: every value is valid by type, every default is filled in.
#[derive(Debug, Clone)]
pub struct Config {
    /// Zone of wall-clock decisions.
    pub timezone: TimeZone,
    /// The shop whose products are the truth.
    pub product_source: Option<ShopId>,
    /// Where the daemon keeps its files.
    pub state_dir: PathBuf,
    /// Keys that seal tokens at rest; `None`: one is made in `state_dir` (SQLite only).
    pub seal_key: Option<Secret>,
    /// How long history is kept.
    pub keep_history: jiff::SignedDuration,
    /// Address of the database.
    pub database_url: Secret,
    /// The listeners.
    pub web: Web,
    /// Logging.
    pub log: Log,
    /// Mail.
    pub mail: Mail,
    /// Reminders.
    pub reminders: Reminders,
    /// Channels that are named in the settings, or used by a shop.
    pub channels: BTreeMap<ChannelName, ChannelSettings>,
    /// Shops.
    pub shops: BTreeMap<ShopId, ShopConfig>,
    /// Where each value came from: key path to origin; values that are not here are defaults.
    pub origins: BTreeMap<String, Origin>,
    /// Digest of everything above but the origins, secrets by hash: instances on one database compare it.
    pub digest: String,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file, or `environment`.
    pub file: String,
    /// The line, from 1; 0 where there is none.
    pub line: u32,
}

/// `[web]`.
#[derive(Debug, Clone)]
pub struct Web {
    /// For people and marketplaces; `None`: off.
    pub listen: Option<std::net::SocketAddr>,
    /// For machines; `None`: off.
    pub internal: Option<std::net::SocketAddr>,
    /// Where callbacks and links point: the setting, or `http://` plus `listen`.
    pub public_url: Url,
    /// Whether `public_url` was set.
    pub public_url_set: bool,
    /// Argon2id.
    pub password_hash: Option<Secret>,
    /// For `/api`.
    pub api_token: Option<Secret>,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `auto`, `journal`, `pretty` or `json`.
    pub format: LogFormat,
    /// In tracing's filter syntax.
    pub level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Journal under systemd, pretty on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// systemd's journal, with fields.
    Journal,
    /// For eyes.
    Pretty,
    /// One flat object a line.
    Json,
}

/// `[mail]`.
#[derive(Debug, Clone)]
pub struct Mail {
    /// How mail leaves.
    pub transport: Transport,
    /// The sender: name and address.
    pub from: String,
    /// Who hears about the daemon itself.
    pub operator: Vec<Recipient>,
    /// The language of mails where a recipient has none of its own.
    pub language: Language,
}

/// How mail leaves.
#[derive(Debug, Clone)]
pub enum Transport {
    /// It does not.
    None,
    /// One `.eml` per message in `state_dir/mail`.
    Folder,
    /// Through a relay.
    Smtp(Smtp),
}

/// `[mail.smtp]`.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// The relay's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Encryption.
    pub tls: Tls,
    /// Without it no AUTH is used.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
}

/// Encryption towards the relay. Never downgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Demanded after the greeting.
    Starttls,
    /// From the first byte.
    Implicit,
    /// None; loopback only.
    None,
}

/// A language of mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

impl Language {
    /// Its code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }
}

/// Who gets a mail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recipient {
    /// The address.
    pub address: String,
    /// In which language.
    pub language: Language,
}

/// `[reminders]`.
#[derive(Debug, Clone)]
pub struct Reminders {
    /// How long before the end the first one is.
    pub start: Span,
    /// The gap between them.
    pub every: Span,
    /// Further ones.
    pub extra: Vec<Span>,
    /// Time of day.
    pub at: civil::Time,
    /// Who gets them where a shop names nobody.
    pub to: Vec<Recipient>,
}

/// `[channels.X]`.
#[derive(Debug, Clone)]
pub struct ChannelSettings {
    /// Everything but jobs and secrets, raw: the channel reads its own.
    pub raw: serde_json::Map<String, serde_json::Value>,
    /// Our app's secret.
    pub client_secret: Option<Secret>,
    /// When the app's secret ends: local midnight at the start of that date.
    pub client_secret_ends: Option<civil::Date>,
}

/// `[shops.X]`, resolved.
#[derive(Debug, Clone)]
pub struct ShopConfig {
    /// The channel.
    pub channel: ChannelName,
    /// What people see; default: the id.
    pub name: String,
    /// Who is reminded: the shop's own, or `reminders.to`.
    pub remind: Vec<Recipient>,
    /// The three periods, resolved: shop, then channel, then the channel's built-in default. A job the channel does not
    /// have is not in it.
    pub jobs: BTreeMap<JobKind, Period>,
    /// How often an import is a complete pass. `Period::None`: never but when asked.
    pub full_import: Period,
    /// The rules of export.
    pub export: Rules,
    /// The warehouse chosen for export.
    pub warehouse: Option<String>,
    /// Everything else, raw: the channel reads its own.
    pub own: serde_json::Map<String, serde_json::Value>,
}

/// One thing wrong (or worth knowing) in the settings.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The file, or `environment`; empty where none is concerned.
    pub file: String,
    /// The line, from 1; 0 where there is none.
    pub line: u32,
    /// The key's path, for example `shops.tw-01.jobs.product_import`.
    pub key: String,
    /// How bad it is.
    pub severity: Severity,
    /// The thing and the cause.
    pub cause: String,
    /// What to do.
    pub remedy: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Works, but probably not as meant.
    Warning,
    /// Does not work: the settings are refused.
    Error,
}
