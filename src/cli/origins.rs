//! Settings as they hold, each with the place that it comes from: one shop's, or all that are not a shop's own.

use serde_json::{Value, json};
use url::Url;

use super::{Outcome, table::Table};
use crate::{
    config::{Config, flat},
    report::{Setting as Row, origin_of},
};

/// Everything but the shops' own, which `shops show` tells.
pub(super) fn of_all_shops(config: &Config) -> Vec<Row> {
    let mut rows = Vec::new();
    for (key, value) in flat::flat_of(config, |_| false) {
        let value = if key == "database.url" { database(config.database_url.expose()) } else { value.to_string() };
        let from = origin_of(config, &[&key]);
        rows.push((key, json!(value), from));
    }
    rows
}

/// The database's address without a password, wherever one may stand.
fn database(address: &str) -> String {
    if address.starts_with("sqlite:") {
        return address.to_owned();
    }
    let Ok(mut url) = Url::parse(address) else { return "•••".to_owned() };
    if url.password().is_some() && url.set_password(None).is_err() {
        return "•••".to_owned();
    }
    url.set_query(None);
    url.into()
}

/// By key, for programs.
pub(super) fn as_json(rows: Vec<Row>) -> Value {
    rows.into_iter().map(|(key, value, from)| (key, json!({ "value": value, "from": from }))).collect()
}

/// For eyes.
pub(super) fn print(rows: Vec<Row>) -> Outcome {
    let mut table = Table::new(&["SETTING", "VALUE", "FROM"]).wide("VALUE");
    for (key, value, from) in rows {
        table.row([key, words(&value), from]);
    }
    table.print()
}

/// A value of the settings for eyes.
fn words(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(table) if table.contains_key("address") => {
            format!("{} ({})", words(&table["address"]), words(&table["language"]))
        }
        Value::Object(table) => {
            let pairs: Vec<_> = table.iter().map(|(key, value)| format!("{key} {}", words(value))).collect();
            if pairs.is_empty() { "-".to_owned() } else { pairs.join(", ") }
        }
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_databases_address_is_shown_without_its_password() {
        for (address, shown) in [
            ("sqlite:shopsyncd.db", "sqlite:shopsyncd.db"),
            ("postgres://shops:s3cret@db.internal:5432/shops", "postgres://shops@db.internal:5432/shops"),
            ("postgres:///shops?host=/run/postgresql&password=s3cret", "postgres:///shops"),
            ("postgres://sh ops:s3cret", "•••"),
        ] {
            assert_eq!(database(address), shown, "{address}");
        }
    }
}
