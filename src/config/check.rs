//! Judging: the merged values become a [`Config`], and everything wrong with them is found at once.
//!
//! A value that is wrong leaves a finding and its default, so that the rest can still be judged; settings with an
//! error among the findings are never put in force.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use jiff::{SignedDuration, tz::TimeZone};
use url::Url;

use super::{
    ChannelFacts, Config, Finding, Language, Log, LogFormat, Mail, Recipient, Reminders, Severity, Smtp, Tls,
    Transport, Web,
    flat::digest,
    keys::{self, choose, suggestion},
    load::{Env, Layers},
    salvage::PLACES,
    secret::{public_file, secret, text_or_secret},
    section::{Book, Item, Section},
    shops, values,
};
use crate::{
    domain::{ShopId, is_local_name},
    secrets::{Sealer, Secret},
};

/// What judging came to.
#[derive(Debug)]
pub struct Checked {
    /// The settings, as far as they could be read: complete only where no finding is an error.
    pub config: Config,
    /// Everything worth saying, in the order of files and lines.
    pub findings: Vec<Finding>,
    /// Files that secrets were read from.
    pub secret_files: Vec<PathBuf>,
    /// Whether a file could not be read at all.
    pub incomplete: bool,
}

/// Reads and judges everything. `channels` is what is known of each channel.
pub fn check(layers: &Layers, facts: &[ChannelFacts], env: &Env) -> Checked {
    let book = Book::new(layers, env);
    let top = book.top(keys::TOP);
    let defaults = Config::default();
    let timezone = timezone(&top).unwrap_or(defaults.timezone);
    let language = language(&top.table("mail", keys::MAIL), "language").unwrap_or_default();
    let reminders = reminders(&top, language);
    let product_source = top.parsed("product_source", "a shop's id, or \"None\"", source).flatten();
    let source = product_source.as_ref();
    let common = shops::Common { facts, source, zone: &timezone, language, remind: &reminders.to };
    let (mut channels, mut shops) = shops::read(&top, &common);
    let mut origins = layers.origins();
    for known in layers.taken_over() {
        channels.entry(known.config.channel.clone()).or_default();
        origins.take_over(known.id.as_str(), Arc::clone(&known.origins));
        shops.insert(known.id.clone(), Arc::clone(&known.config));
    }
    let mut config = Config {
        state_dir: state_dir(&top),
        seal_key: seal_key(&top),
        keep_history: keep_history(&top).unwrap_or(defaults.keep_history),
        database_url: database(&top).unwrap_or(defaults.database_url),
        web: web(&top),
        log: log(&top),
        mail: mail(&top, language),
        folder: std::path::absolute(&layers.folder).unwrap_or_else(|_| layers.folder.clone()),
        origins,
        unread: unread(&top),
        unread_credentials: top.book.credentials.take(),
        digest: String::new(),
        timezone,
        product_source,
        reminders,
        channels,
        shops,
    };
    whole(&top, &config);
    shops::whole(&top, &config, facts);
    config.digest = digest(&config);
    let mut findings = book.findings.into_inner();
    sort(&mut findings, layers);
    Checked { config, findings, secret_files: book.secret_files.into_inner(), incomplete: layers.incomplete }
}

/// In the order in which a person meets them: by file, then by line.
pub fn sort(findings: &mut [Finding], layers: &Layers) {
    let positions = layers.positions(findings.iter().map(|finding| finding.file.as_str()));
    // The environment comes last.
    let rank = |file: &str| positions.get(file).copied().unwrap_or(usize::MAX);
    findings.sort_by(|a, b| (rank(&a.file), a.line, &a.key).cmp(&(rank(&b.file), b.line, &b.key)));
}

/// Absolute, so that every command finds the same one wherever it is called: a relative path starts where those of other files do,
/// and in the process's own folder where there is no settings file.
fn state_dir(top: &Section<'_>) -> PathBuf {
    let layers = top.book.layers;
    let path = top.text("state_dir").map_or_else(|| top.book.env.state_dir(), PathBuf::from);
    let path = if layers.files.is_empty() { path } else { layers.folder.join(path) };
    std::path::absolute(&path).unwrap_or(path)
}

/// The keys of what is set and not to be read here; among them `state_dir` and `database.url` where the main file may say them in a part that
/// could not be read, or under a misspelt name, and no variable does: the defaults are not what is meant then.
fn unread(top: &Section<'_>) -> BTreeSet<String> {
    let layers = top.book.layers;
    let mut unread = top.book.unread.borrow().clone();
    let said = top.keys();
    let meant = |said: &str| if keys::TOP.contains(&said) { None } else { suggestion(said, keys::TOP.iter().copied()) };
    let misspelt = |key: &str| said.iter().any(|said| meant(said) == Some(key));
    for (key, path) in PLACES.into_iter().zip([&["state_dir"][..], &["database", "url"]]) {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        let by_variable = layers.origin(&path).1.is_some();
        if !by_variable && (layers.lost.contains(key) || misspelt(key)) {
            unread.insert(path.join("."));
        }
    }
    unread
}

fn source(text: &str) -> Result<Option<ShopId>, crate::domain::InvalidShopId> {
    if text == "None" { Ok(None) } else { text.parse().map(Some) }
}

fn timezone(top: &Section<'_>) -> Option<TimeZone> {
    let item = top.get("timezone")?;
    let name = item.text("a zone's name, for example \"Europe/Berlin\"")?;
    if let Ok(zone) = TimeZone::get(&name) {
        return Some(zone);
    }
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    let remedy = match suggestion(&name, names.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "use a name of the IANA list, for example `Europe/Berlin`".to_owned(),
    };
    item.error(format!("there is no time zone `{name}`"), remedy);
    None
}

fn keep_history(top: &Section<'_>) -> Option<SignedDuration> {
    let length = top.parsed("keep_history", "a duration, for example \"90 days\"", values::duration)?;
    if length < SignedDuration::from_hours(24) {
        top.get("keep_history")?.error("history is kept for less than a day", "write \"1 day\" or more");
        return None;
    }
    Some(length)
}

fn seal_key(top: &Section<'_>) -> Option<Secret> {
    let key = secret(top, "seal_key")?;
    if let Err(error) = Sealer::parse(&key) {
        top.get("seal_key")?.error(error.to_string(), "");
        return None;
    }
    Some(key)
}

fn database(top: &Section<'_>) -> Option<Secret> {
    let table = top.table("database", keys::DATABASE);
    let url = text_or_secret(&table, "url")?;
    let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|start| url.expose().starts_with(start));
    if !known {
        let remedy = "write `sqlite:FILE` or `postgres://user@host/database`";
        table.get("url")?.error("this is not the address of a database that is known here", remedy);
        return None;
    }
    Some(url)
}

fn web(top: &Section<'_>) -> Web {
    let defaults = Config::default().web;
    let table = top.table("web", keys::WEB);
    let expected = "an address with a port, for example \"127.0.0.1:8420\", or \"None\"";
    let listen = table.parsed("listen", expected, values::listener).unwrap_or(defaults.listen);
    let internal = table.parsed("internal", expected, values::listener).unwrap_or(defaults.internal);
    let expected = "an address, for example \"https://shops.example.com\"";
    let public_url = table.parsed("public_url", expected, values::web_address);
    let web = Web {
        listen,
        internal,
        public_url_set: public_url.is_some(),
        public_url: public_url.unwrap_or_else(|| Web::default_public_url(listen)),
        password_hash: password_hash(&table),
        api_token: secret(&table, "api_token"),
    };
    judge_web(&table, &web);
    web
}

fn password_hash(web: &Section<'_>) -> Option<Secret> {
    let hash = secret(web, "password_hash")?;
    if !hash.expose().starts_with("$argon2id$") {
        web.get("password_hash")?.error("this is not an argon2id hash", "make one with `shopsyncd password`");
        return None;
    }
    Some(hash)
}

fn judge_web(table: &Section<'_>, web: &Web) {
    if web.listen.is_some() && web.listen == web.internal && web.listen.is_some_and(|address| address.port() != 0) {
        let cause = "`listen` and `internal` are the same address";
        table.book.find(&table.at("internal"), Severity::Error, cause, "give them different ports");
    }
    if let Some(item) = table.get("public_url")
        && web.public_url_set
        && web.public_url.scheme() == "http"
        && !values::is_loopback(&web.public_url)
    {
        item.warning("owners would follow links over plain http", "use https");
    }
    let Some(listen) = web.listen else { return };
    if listen.ip().is_unspecified() && !web.public_url_set {
        let cause = format!("links in mails would point to {}", web.public_url);
        table.book.find(&table.at("listen"), Severity::Warning, cause, "set `web.public_url`");
    }
    let people_elsewhere = web.public_url_set || !listen.ip().is_loopback();
    if people_elsewhere && table.get("password_hash").is_none() {
        let cause = "nobody can sign in without a password";
        let remedy = "make one with `shopsyncd password` and set `web.password_hash`";
        table.book.find(&table.at("listen"), Severity::Warning, cause, remedy);
    }
}

impl Web {
    /// Where links point when nothing is said: `http://` plus `listen`.
    pub(super) fn default_public_url(listen: Option<std::net::SocketAddr>) -> Url {
        let address = listen.or(Config::default().web.listen).map_or_else(String::new, |address| address.to_string());
        Url::parse(&format!("http://{address}")).unwrap_or_else(|_| Config::default().web.public_url)
    }
}

fn log(top: &Section<'_>) -> Log {
    let defaults = Config::default().log;
    let table = top.table("log", keys::LOG);
    let format = word(&table, "format", &LogFormat::NAMES).unwrap_or(defaults.format);
    let level = table.parsed("level", "a filter, for example \"info\" or \"info,shopsyncd=debug\"", filter);
    Log { format, level: level.unwrap_or(defaults.level) }
}

/// A filter in tracing's syntax. A bare word that is no level would be a target's name and let nothing else through.
fn filter(text: &str) -> Result<String, String> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let bare = !text.contains(['=', ',', ':', '[']);
    if bare && !levels.contains(&text.to_lowercase().as_str()) {
        return Err(format!("`{text}` is not a level; {}", choose(text, &levels)));
    }
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("`{text}` is not a filter: {error}")),
    }
}

/// One of a few words.
pub(super) fn word<T: Copy>(section: &Section<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
    let item = section.get(key)?;
    word_of(&item, words)
}

/// One of a few words.
pub(super) fn word_of<T: Copy>(item: &Item<'_>, words: &[(&str, T)]) -> Option<T> {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    let text = item.text(&keys::one_of(&names))?;
    let found = words.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    if found.is_none() {
        item.error(format!("`{text}` is not one of {}", names.join(", ")), choose(&text, &names));
    }
    found
}

fn language(section: &Section<'_>, key: &str) -> Option<Language> {
    word(section, key, Language::NAMES)
}

fn mail(top: &Section<'_>, language: Language) -> Mail {
    let defaults = Config::default().mail;
    let table = top.table("mail", keys::MAIL);
    let smtp = smtp(&table);
    // A relay that is described is meant to be used.
    let unsaid = if table.open("smtp").keys().is_empty() { None } else { Some("smtp") };
    let words = [("smtp", "smtp"), ("folder", "folder"), ("None", "None")];
    let transport = match word(&table, "transport", &words).or(unsaid) {
        Some("folder") => Transport::Folder,
        Some("smtp") => {
            demand_relay(&table);
            Transport::Smtp(smtp)
        }
        _ => Transport::None,
    };
    Mail {
        transport,
        from: table
            .parsed("from", "a sender, for example \"shopsyncd <shops@example.com>\"", values::sender)
            .unwrap_or(defaults.from),
        operator: recipients(&table, "operator", language).unwrap_or_default(),
        language,
    }
}

fn demand_relay(mail: &Section<'_>) {
    let smtp = mail.open("smtp");
    if smtp.get("host").is_none() {
        mail.book.find(&smtp.at("host"), Severity::Error, "mail has no relay", "set `mail.smtp.host`");
    }
    if mail.get("from").is_none() {
        let remedy = "set `mail.from`, for example \"shopsyncd <shops@example.com>\"";
        mail.book.find(&mail.at("from"), Severity::Error, "mail has no sender", remedy);
    }
}

fn smtp(mail: &Section<'_>) -> Smtp {
    let table = mail.table("smtp", keys::SMTP);
    let host = table.text("host").unwrap_or_default();
    let tls = word(&table, "tls", &Tls::NAMES).unwrap_or_default();
    if tls == Tls::None
        && !is_local_name(&host)
        && let Some(item) = table.get("tls")
    {
        item.error(
            "mail without encryption is refused but for a relay on this machine",
            "use `starttls` or `implicit`",
        );
    }
    let port = table.integer("port", "a port from 1 to 65535", |port| (1..=65535).contains(&port));
    let username = table.text("username");
    let password = secret(&table, "password");
    let ca = public_file(&table, "ca_file", values::certificates);
    if let Some(item) = table.get("ca_file").filter(|_| tls == Tls::None) {
        item.warning("without encryption nothing is signed", "set `mail.smtp.tls`, or leave `ca_file` out");
    }
    if let Some(item) = table.get("username").filter(|_| table.get("password").is_none()) {
        item.error("the user name has no password", "set `mail.smtp.password`, or leave out `username` for no AUTH");
    }
    if let Some(item) = table.get("password").filter(|_| username.is_none()) {
        item.warning("without a user name the password is not used", "set `mail.smtp.username`");
    }
    Smtp {
        host,
        port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or(tls.usual_port()),
        tls,
        username,
        password,
        ca,
    }
}

/// A list of addresses, plain or with a name, or with a language.
pub(super) fn recipients(section: &Section<'_>, key: &str, language: Language) -> Option<Vec<Recipient>> {
    let expected = "a list of mail addresses, for example [\"ops@example.com\"]";
    let items = section.list(key, expected)?;
    let mut all: Vec<Recipient> = Vec::new();
    for recipient in items.iter().filter_map(|item| recipient(item, language)) {
        if !all.iter().any(|known| (&known.address, known.language) == (&recipient.address, recipient.language)) {
            all.push(recipient);
        }
    }
    Some(all)
}

fn recipient(item: &Item<'_>, usual: Language) -> Option<Recipient> {
    let expected = "a mail address, for example \"ops@example.com\"";
    if !matches!(item.value, figment::value::Value::Dict(..)) {
        let (name, address) = item.parsed(expected, values::recipient)?;
        return Some(Recipient { name, address, language: usual });
    }
    let table = item.table()?;
    table.refuse_unknown(keys::RECIPIENT.iter().copied());
    let language = language(&table, "language").unwrap_or(usual);
    if table.get("address").is_none() {
        item.error("the recipient has no address", "add `address = \"…\"`");
    }
    let (name, address) = table.parsed("address", expected, values::recipient)?;
    Some(Recipient { name, address, language })
}

fn reminders(top: &Section<'_>, language: Language) -> Reminders {
    let defaults = Config::default().reminders;
    let table = top.table("reminders", keys::REMINDERS);
    let expected = "a span of the calendar, for example \"1 month\"";
    let every = table.parsed("every", expected, values::calendar_span);
    if let Some(item) = table.get("every").filter(|_| every.is_some_and(|every| in_days(every) < 6)) {
        item.warning("ordinary steps are never less than 6 days apart", "use `extra` for steps close to the end");
    }
    let extra = table.list("extra", "a list of spans, for example [\"3 days\", \"1 day\"]").unwrap_or_default();
    Reminders {
        start: table.parsed("start", expected, values::calendar_span).unwrap_or(defaults.start),
        every: every.unwrap_or(defaults.every),
        extra: extra.iter().filter_map(|item| item.parsed(expected, values::calendar_span)).collect(),
        at: table.parsed("at", "a time of day, for example \"08:00\"", values::time_of_day).unwrap_or(defaults.at),
        to: recipients(&table, "to", language).unwrap_or(defaults.to),
    }
}

/// A span's days, months as 30 of them: for judging only.
fn in_days(span: jiff::Span) -> i64 {
    let (years, months) = (i64::from(span.get_years()), i64::from(span.get_months()));
    years * 365 + months * 30 + i64::from(span.get_weeks()) * 7 + i64::from(span.get_days())
}

/// What concerns several sections.
fn whole(top: &Section<'_>, config: &Config) {
    if config.is_postgres() && top.get("seal_key").is_none() && !top.book.layers.incomplete {
        let cause = "PostgreSQL is shared by instances, which need the same key";
        let remedy = "make one with `shopsyncd keys generate` and set `seal_key`";
        top.book.find(&top.open("database").at("url"), Severity::Error, cause, remedy);
    }
    judge_links(top, config);
}

/// Whether the links in mails lead anywhere for those who get them.
fn judge_links(top: &Section<'_>, config: &Config) {
    let web = top.open("web");
    let unsaid = web.get("public_url").is_none() && !top.book.layers.incomplete;
    let here_alone = config.web.listen.is_none_or(|listen| listen.ip().is_loopback());
    let mailed =
        matches!(config.mail.transport, Transport::Smtp(_)) && config.shops.values().any(|it| !it.remind.is_empty());
    if unsaid && here_alone && mailed {
        let cause =
            format!("links in mails would point to {}, which opens on this machine alone", config.web.public_url);
        let remedy = "set `web.public_url`, or have owners renew by `shopsyncd shops authorize SHOP`";
        top.book.find(&web.at("public_url"), Severity::Warning, cause, remedy);
    }
}
