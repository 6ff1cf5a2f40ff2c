//! The keys that exist, section by section, and the one that was probably meant.

/// The keys of the main file's top level.
pub(super) const TOP: &[&str] = &[
    "timezone",
    "product_source",
    "state_dir",
    "seal_key",
    "keep_history",
    "database",
    "web",
    "log",
    "mail",
    "reminders",
    "channels",
    "shops",
];
/// `[database]`.
pub(super) const DATABASE: &[&str] = &["url"];
/// `[web]`.
pub(super) const WEB: &[&str] = &["listen", "internal", "public_url", "password_hash", "api_token"];
/// `[log]`.
pub(super) const LOG: &[&str] = &["format", "level"];
/// `[mail]`.
pub(super) const MAIL: &[&str] = &["transport", "from", "operator", "language", "smtp"];
/// `[mail.smtp]`.
pub(super) const SMTP: &[&str] = &["host", "port", "tls", "username", "password", "ca_file"];
/// `[reminders]`.
pub(super) const REMINDERS: &[&str] = &["start", "every", "extra", "at", "to"];
/// `[channels.X]`, beside the channel's own.
pub(super) const CHANNEL: &[&str] =
    &["client_id", "client_secret", "client_secret_ends", "api_url", "token_url", "consent_url", "jobs"];
/// `[channels.X.jobs]` and `[shops.X.jobs]`.
pub(super) const JOBS: &[&str] = &["authorization_refresh", "product_import", "product_export", "full_import"];
/// `[shops.X]`, beside the channel's own.
pub(super) const SHOP: &[&str] = &["channel", "name", "match_barcode", "remind", "jobs", "export"];
/// `[shops.X.export]`.
pub(super) const EXPORT: &[&str] = &["fields", "create", "retire", "warehouse", "stock", "price", "guard"];
/// `stock` of `[shops.X.export]`.
pub(super) const STOCK: &[&str] = &["reserve", "max"];
/// `price` of `[shops.X.export]`.
pub(super) const PRICE: &[&str] = &["factor", "round", "convert"];
/// `guard` of `[shops.X.export]`.
pub(super) const GUARD: &[&str] = &["retire", "price"];
/// A recipient that is not a plain address.
pub(super) const RECIPIENT: &[&str] = &["address", "language"];
/// A secret that stands elsewhere.
pub(super) const SECRET: &[&str] = &["credential", "file", "env"];
/// A period by the calendar.
pub(super) const CRON: &[&str] = &["cron"];

#[cfg(test)]
/// Every section that stands in the files, with its keys: what the example file must show.
pub(super) const SECTIONS: &[(&str, &[&str])] = &[
    ("", TOP),
    ("database", DATABASE),
    ("web", WEB),
    ("log", LOG),
    ("mail", MAIL),
    ("mail.smtp", SMTP),
    ("reminders", REMINDERS),
    ("channels.*", CHANNEL),
    ("channels.*.jobs", JOBS),
    ("shops.*", SHOP),
    ("shops.*.jobs", JOBS),
    ("shops.*.export", EXPORT),
];

/// The candidate that was probably meant.
pub(crate) fn suggestion<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    let likeness = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        // In short words one slip is much by proportion and still a slip.
        let slip = text.len() > 2 && strsim::osa_distance(&text, &candidate) == 1;
        if slip { 0.95 } else { strsim::jaro_winkler(&text, &candidate) }
    };
    candidates
        .into_iter()
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.82)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// The remedy for a word that is none of `candidates`.
pub(super) fn choose(text: &str, candidates: &[&str]) -> String {
    match suggestion(text, candidates.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("use {}", one_of(candidates)),
    }
}

/// "`a`, `b` or `c`".
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}
