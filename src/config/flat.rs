//! The settings as a flat list of keys and values: what `shops show` prints, `diff` compares and the digest covers.

use std::{collections::BTreeMap, iter};

use sha2::{Digest, Sha256};

use super::{ChannelSettings, Config, Recipient, ShopConfig, Tls, Transport, values::span_in_words};
use crate::{
    domain::{JobKind, Period, ShopId},
    secrets::Secret,
};

/// A value as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// In words.
    Text(String),
    /// A secret: only a hash is kept, for telling whether it changed.
    Secret(String),
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Secret(_) => f.write_str("•••"),
        }
    }
}

/// Key path to value, everything resolved.
pub type Flat = BTreeMap<String, Shown>;

/// What is an instance's own affair, so that instances on one database may differ in it.
const OWN_AFFAIR: [&str; 6] = ["state_dir", "database.url", "web.listen", "web.internal", "log.format", "log.level"];

/// The digest of all that instances on one database must agree in.
pub(super) fn digest(config: &Config) -> String {
    let own_affair = |key: &str| OWN_AFFAIR.contains(&key) || (key == "web.public_url" && !config.web.public_url_set);
    let apart = list_apart(config).into_iter().filter(|(key, _)| !own_affair(key));
    let of_shops = config.shops.iter().map(|(id, shop)| (id.to_string(), Shown::Secret(shop.digest.clone())));
    hashed(apart.chain(of_shops))
}

/// The digest of one shop.
pub(super) fn digest_of_shop(id: &ShopId, shop: &ShopConfig) -> String {
    hashed(list_shop(id, shop))
}

fn hashed(values: impl IntoIterator<Item = (String, Shown)>) -> String {
    let mut hash = Sha256::new();
    for (key, value) in values {
        let (Shown::Text(text) | Shown::Secret(text)) = &value;
        // Lengths keep neighbours apart.
        for part in [&key, text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hex::encode(hash.finalize())
}

/// Everything resolved, of the shops only those named.
pub fn flat_of(config: &Config, is_named: impl Fn(&ShopId) -> bool) -> Flat {
    let named = config.shops.iter().filter(|(id, _)| is_named(id)).map(|(id, shop)| list_shop(id, shop));
    iter::once(list_apart(config)).chain(named).flatten().collect()
}

/// One shop, resolved.
fn list_shop(id: &ShopId, shop: &ShopConfig) -> Vec<(String, Shown)> {
    let mut list = List::default();
    list.shop(&format!("shops.{id}"), shop);
    list.0
}

/// Everything but the shops, resolved.
fn list_apart(config: &Config) -> Vec<(String, Shown)> {
    let mut all = List::default();
    all.text("timezone", config.timezone.iana_name().unwrap_or("UTC"));
    all.text("product_source", config.product_source.as_ref().map_or("None", |id| id.as_str()));
    all.text("state_dir", config.state_dir.display());
    all.secret("seal_key", config.seal_key.as_ref());
    all.text("keep_history", Period::Every(config.keep_history).to_stored());
    all.secret("database.url", Some(&config.database_url));
    all.web(&config.web);
    all.text("log.format", config.log.format.as_str());
    all.text("log.level", &config.log.level);
    all.mail(&config.mail);
    all.reminders(&config.reminders);
    for (name, channel) in &config.channels {
        all.channel(&format!("channels.{name}"), channel);
    }
    all.0
}

#[derive(Default)]
struct List(Vec<(String, Shown)>);

impl List {
    fn text(&mut self, key: &str, value: impl std::fmt::Display) {
        self.0.push((key.to_owned(), Shown::Text(value.to_string())));
    }

    fn secret(&mut self, key: &str, value: Option<&Secret>) {
        if let Some(secret) = value {
            self.hashed(key, secret.expose());
        }
    }

    fn hashed(&mut self, key: &str, text: &str) {
        let hash = Sha256::digest(format!("shopsyncd settings {key}\n{text}"));
        self.0.push((key.to_owned(), Shown::Secret(hex::encode(hash))));
    }

    fn people(&mut self, key: &str, people: &[Recipient]) {
        let in_words = |who: &Recipient| match &who.name {
            Some(name) => format!("{name} <{}> ({})", who.address, who.language.as_str()),
            None => format!("{} ({})", who.address, who.language.as_str()),
        };
        self.text(key, people.iter().map(in_words).collect::<Vec<_>>().join(", "));
    }

    fn web(&mut self, web: &super::Web) {
        let address = |address: Option<std::net::SocketAddr>| address.map_or("None".to_owned(), |it| it.to_string());
        self.text("web.listen", address(web.listen));
        self.text("web.internal", address(web.internal));
        self.text("web.public_url", &web.public_url);
        self.secret("web.password_hash", web.password_hash.as_ref());
        self.secret("web.api_token", web.api_token.as_ref());
    }

    fn mail(&mut self, mail: &super::Mail) {
        self.text("mail.transport", mail.transport.as_str());
        self.text("mail.from", &mail.from);
        self.people("mail.operator", &mail.operator);
        self.text("mail.language", mail.language.as_str());
        let Transport::Smtp(smtp) = &mail.transport else { return };
        self.text("mail.smtp.host", &smtp.host);
        self.text("mail.smtp.port", smtp.port);
        self.text("mail.smtp.tls", name_of(&Tls::NAMES, smtp.tls));
        if let Some(username) = &smtp.username {
            self.text("mail.smtp.username", username);
        }
        self.secret("mail.smtp.password", smtp.password.as_ref());
        if let Some(certificates) = &smtp.ca {
            // What is in the file: instances may keep it in different places.
            self.hashed("mail.smtp.ca_file", certificates);
        }
    }

    fn reminders(&mut self, reminders: &super::Reminders) {
        self.text("reminders.start", span_in_words(reminders.start));
        self.text("reminders.every", span_in_words(reminders.every));
        let extra: Vec<String> = reminders.extra.iter().map(|span| span_in_words(*span)).collect();
        self.text("reminders.extra", extra.join(", "));
        self.text("reminders.at", reminders.at.strftime("%H:%M"));
        self.people("reminders.to", &reminders.to);
    }

    fn channel(&mut self, at: &str, channel: &ChannelSettings) {
        for (key, value) in &channel.raw {
            self.text(&format!("{at}.{key}"), plain(value));
        }
        self.secret(&format!("{at}.client_secret"), channel.client_secret.as_ref());
        for (key, secret) in &channel.secrets {
            self.secret(&format!("{at}.{key}"), secret.as_ref());
        }
    }

    fn shop(&mut self, at: &str, shop: &ShopConfig) {
        self.text(&format!("{at}.channel"), &shop.channel);
        self.text(&format!("{at}.name"), &shop.name);
        if shop.jobs.contains_key(&JobKind::AuthorizationRefresh) {
            self.people(&format!("{at}.remind"), &shop.remind);
        }
        for (job, period) in &shop.jobs {
            self.text(&format!("{at}.jobs.{job}"), period.to_stored());
        }
        self.text(&format!("{at}.match_barcode"), shop.match_barcode.to_string());
        self.text(&format!("{at}.jobs.full_import"), shop.full_import.to_stored());
        for (key, value) in &shop.own {
            self.text(&format!("{at}.{key}"), plain(value));
        }
        if shop.jobs.contains_key(&JobKind::ProductExport) {
            self.export(&format!("{at}.export"), shop);
        }
    }

    fn export(&mut self, at: &str, shop: &ShopConfig) {
        let rules = &shop.export;
        let fields: Vec<&str> = rules.fields.iter().map(|field| field.as_str()).collect();
        self.text(&format!("{at}.fields"), fields.join(", "));
        self.text(&format!("{at}.create"), rules.create);
        self.text(&format!("{at}.retire"), name_of(&super::shops::RETIRE, rules.retire));
        if let Some(warehouse) = &shop.warehouse {
            self.text(&format!("{at}.warehouse"), warehouse);
        }
        self.text(&format!("{at}.stock.reserve"), rules.reserve);
        if let Some(max) = rules.max {
            self.text(&format!("{at}.stock.max"), max);
        }
        self.text(&format!("{at}.price.factor"), rules.factor.normalize());
        if let Some(round) = rules.round {
            self.text(&format!("{at}.price.round"), round.normalize());
        }
        for (currency, rate) in &rules.convert {
            self.text(&format!("{at}.price.convert.{currency}"), rate.normalize());
        }
        let hundred = rust_decimal::Decimal::ONE_HUNDRED;
        self.text(&format!("{at}.guard.retire"), format!("{}%", (rules.guard_retire * hundred).normalize()));
        self.text(&format!("{at}.guard.price"), format!("{}%", (rules.guard_price * hundred).normalize()));
    }
}

/// A raw value in words: texts without quotes.
fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The name of one of a few words.
fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: T) -> &'static str {
    names.iter().find(|(_, known)| *known == value).map_or("", |(name, _)| name)
}
