//! Settings: what they are, and the only place of their defaults. No I/O here; [`load`] reads, [`check`] judges,
//! [`diff`] compares, [`watch`] notices edits.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use jiff::{SignedDuration, Span, civil, tz::TimeZone};
use rust_decimal::Decimal;
use url::Url;

pub use crate::domain::Language;
use crate::{
    domain::{
        ChannelName, Field, JobKind, Period, ShopId,
        wanted::{Retire, Rules},
    },
    secrets::Secret,
};

mod keys;
mod known;
mod origins;
mod salvage;
mod secret;
mod section;
mod shops;
mod spans;
mod values;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;

pub use known::{Known, KnownShop};
pub use origins::{Origin, Origins};

pub(crate) use keys::suggestion;

pub mod check;
pub mod diff;
pub mod flat;
pub mod load;
pub mod watch;

/// All settings, resolved: every value is valid by type, every default is filled in.
#[derive(Debug, Clone)]
pub struct Config {
    /// Zone of wall-clock decisions.
    pub timezone: TimeZone,
    /// The shop whose products are the truth.
    pub product_source: Option<ShopId>,
    /// Where the daemon keeps its files; absolute.
    pub state_dir: PathBuf,
    /// Keys that seal tokens at rest; `None`: one is made in `state_dir` (SQLite only).
    pub seal_key: Option<Secret>,
    /// How long history is kept.
    pub keep_history: SignedDuration,
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
    pub shops: BTreeMap<ShopId, Arc<ShopConfig>>,
    /// The folder of the main settings file: relative paths of files start there.
    pub folder: PathBuf,
    /// Where each value came from.
    pub origins: Origins,
    /// The keys of secrets that are set, but not for this process to read: commands are not handed what systemd hands the service. Also
    /// `state_dir` and `database.url` where the main file may say them in a part that could not be read.
    pub unread: BTreeSet<String>,
    /// The names of credentials that are among those, by key.
    pub unread_credentials: BTreeMap<String, String>,
    /// Digest of everything above but the origins, what is unread, and each machine's own affairs, secrets by hash: instances on one database
    /// compare it.
    pub digest: String,
}

impl Default for Config {
    /// What holds where the settings say nothing: the only place of defaults.
    fn default() -> Self {
        Self {
            timezone: TimeZone::UTC,
            product_source: None,
            state_dir: PathBuf::from("/var/lib/shopsyncd"),
            seal_key: None,
            keep_history: SignedDuration::from_hours(90 * 24),
            database_url: Secret::new("sqlite:shopsyncd.db"),
            web: Web::default(),
            log: Log { format: LogFormat::Auto, level: "info".to_owned() },
            mail: Mail {
                transport: Transport::None,
                from: "shopsyncd <shopsyncd@localhost>".to_owned(),
                operator: Vec::new(),
                language: Language::En,
            },
            reminders: Reminders {
                start: Span::new().months(1),
                every: Span::new().weeks(1),
                extra: Vec::new(),
                at: civil::time(8, 0, 0, 0),
                to: Vec::new(),
            },
            channels: BTreeMap::new(),
            shops: BTreeMap::new(),
            folder: PathBuf::from("/etc/shopsyncd"),
            origins: Origins::default(),
            unread: BTreeSet::new(),
            unread_credentials: BTreeMap::new(),
            digest: String::new(),
        }
    }
}

impl Config {
    /// Whether the database is PostgreSQL, which several instances may share.
    pub fn is_postgres(&self) -> bool {
        ["postgres://", "postgresql://"].iter().any(|start| self.database_url.expose().starts_with(start))
    }

    /// Something about a key, with the place where it stands; for what is found after the settings were judged.
    pub fn finding(&self, key: &str, severity: Severity, cause: String, remedy: &str) -> Finding {
        let above = |key: &str| key.rfind('.').map(|end| key[..end].to_owned());
        let mut keys = std::iter::successors(Some(key.to_owned()), |key| above(key));
        let origin = keys.find_map(|key| self.origins.get(&key));
        Finding {
            file: origin.map(|origin| origin.file.to_string()).unwrap_or_default(),
            line: origin.map_or(0, |origin| origin.line),
            key: key.to_owned(),
            severity,
            cause,
            remedy: remedy.to_owned(),
        }
    }

    /// Where a value came from; `None`: it is a default.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }
}

/// `[web]`.
#[derive(Debug, Clone)]
pub struct Web {
    /// For people and marketplaces; `None`: off.
    pub listen: Option<SocketAddr>,
    /// For machines; `None`: off.
    pub internal: Option<SocketAddr>,
    /// Where callbacks and links point: the setting, or `http://` plus `listen`.
    pub public_url: Url,
    /// Whether `public_url` was set.
    pub public_url_set: bool,
    /// Argon2id.
    pub password_hash: Option<Secret>,
    /// For `/api`.
    pub api_token: Option<Secret>,
}

impl Default for Web {
    fn default() -> Self {
        let local = |port| Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        Self {
            listen: local(8420),
            internal: local(8421),
            public_url: Url::parse("http://127.0.0.1:8420").expect("a web address"),
            public_url_set: false,
            password_hash: None,
            api_token: None,
        }
    }
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

impl LogFormat {
    /// By their names.
    pub(crate) const NAMES: [(&'static str, Self); 4] =
        [("auto", Self::Auto), ("journal", Self::Journal), ("pretty", Self::Pretty), ("json", Self::Json)];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Journal => "journal",
            Self::Pretty => "pretty",
            Self::Json => "json",
        }
    }
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

impl Transport {
    /// Its name.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Folder => "folder",
            Self::Smtp(_) => "smtp",
        }
    }
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
    /// Certificates (PEM) that the relay's may be signed by, besides the system's.
    pub ca: Option<String>,
}

/// Encryption towards the relay. Never downgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    /// Demanded after the greeting.
    #[default]
    Starttls,
    /// From the first byte.
    Implicit,
    /// None; loopback only.
    None,
}

impl Tls {
    /// By their names.
    const NAMES: [(&'static str, Self); 3] =
        [("starttls", Self::Starttls), ("implicit", Self::Implicit), ("None", Self::None)];

    /// The port that goes with it where none is said.
    const fn usual_port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

/// Who gets a mail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recipient {
    /// What people call them.
    pub name: Option<String>,
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
#[derive(Debug, Clone, Default)]
pub struct ChannelSettings {
    /// Everything but jobs and secrets, raw: the channel reads its own.
    pub raw: serde_json::Map<String, serde_json::Value>,
    /// Our app's secret.
    pub client_secret: Option<Secret>,
    /// What is written under the channel's own keys for secrets; `None` where one cannot be read here.
    pub secrets: BTreeMap<String, Option<Secret>>,
    /// When the app's secret ends: the last day on which it works, by the settings' time zone.
    pub client_secret_ends: Option<civil::Date>,
}

/// `[shops.X]`, resolved.
#[derive(Debug, Clone, PartialEq)]
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
    /// Whether listings whose SKU the product source does not know are matched by barcode. Default: false.
    pub match_barcode: bool,
    /// The rules of export.
    pub export: Rules,
    /// The warehouse chosen for export.
    pub warehouse: Option<String>,
    /// Everything else, raw: the channel reads its own.
    pub own: serde_json::Map<String, serde_json::Value>,
    /// Digest of everything above.
    pub digest: String,
}

impl ShopConfig {
    /// How often an import is a complete pass where nothing is said.
    pub const fn default_full_import() -> Period {
        Period::Every(SignedDuration::from_hours(24))
    }

    /// The rules of export where nothing is said.
    pub fn default_rules() -> Rules {
        Rules {
            fields: BTreeSet::from([Field::Price, Field::Stock]),
            create: false,
            retire: Retire::Keep,
            reserve: 0,
            max: None,
            factor: Decimal::ONE,
            round: None,
            convert: BTreeMap::new(),
            guard_retire: Decimal::new(2, 1),
            guard_price: Decimal::new(5, 1),
        }
    }
}

/// What the settings must know of a channel to judge them. Made from its definition by those who may know both.
#[derive(Debug, Clone)]
pub struct ChannelFacts {
    /// Its name in the settings.
    pub name: &'static str,
    /// Whether its shops need a permission, and so an app with `client_id` and `client_secret`.
    pub needs_authorization: bool,
    /// The fields it can export.
    pub export_fields: Vec<Field>,
    /// Whether it can list SKUs it does not have yet.
    pub can_create: bool,
    /// What it can do when the source drops a SKU, beside `keep`.
    pub retire: Vec<Retire>,
    /// Its jobs, with the shortest sensible period and the built-in default as text.
    pub periods: Vec<(JobKind, SignedDuration, &'static str)>,
    /// How long its access tokens live, where it says so.
    pub token_life: Option<SignedDuration>,
    /// Its own keys under `[channels.X]`.
    pub app_keys: Vec<OwnKey>,
    /// Those of its own keys under `[channels.X]` that hold secrets.
    pub app_secrets: Vec<OwnKey>,
    /// Its own keys under `[shops.X]`.
    pub shop_keys: Vec<OwnKey>,
}

/// A key that only one channel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnKey {
    /// The key.
    pub name: &'static str,
    /// Without it the shop or channel cannot work.
    pub required: bool,
}

/// One thing wrong (or worth knowing) in the settings.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

impl fmt::Display for Finding {
    /// One line for people: `shops.d/tw.toml:7: shops.tw-01.jobs.product_import: …; …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            f.write_str(&self.file)?;
            if self.line > 0 {
                write!(f, ":{}", self.line)?;
            }
            f.write_str(": ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.cause)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "; {}", self.remedy) }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Works, but probably not as meant.
    Warning,
    /// Does not work: the settings are refused.
    Error,
}
