//! Reading a shop's own settings (with its channel's): every fault is named, and gathered.

use serde_json::{Map, Value};
use url::Url;

use super::{SettingFault, ShopSettings};
use crate::http::may_be_called;

/// Reads settings and gathers what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) settings: &'a ShopSettings,
    /// Where people find what belongs in, for example "the app's page in Partner Center".
    where_to_look: &'static str,
    faults: Vec<SettingFault>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a ShopSettings, where_to_look: &'static str) -> Self {
        Self { settings, where_to_look, faults: Vec::new() }
    }

    /// What was built, if nothing was wrong.
    pub(super) fn finish<T>(self, built: T) -> Result<T, Vec<SettingFault>> {
        if self.faults.is_empty() { Ok(built) } else { Err(self.faults) }
    }

    pub(super) fn fault(&mut self, key: &str, cause: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(SettingFault { key: key.to_owned(), cause: cause.into(), remedy: remedy.into() });
    }

    /// A text that the channel's app must have.
    pub(super) fn app_text(&mut self, name: &str) -> String {
        let key = format!("channel.{name}");
        let remedy = format!("copy it from {}", self.where_to_look);
        match text_of(&self.settings.channel, name) {
            Some(text) => return text,
            None if self.settings.channel.contains_key(name) => {
                self.fault(&key, format!("`{name}` is not a text"), format!("{remedy}, in quotes"));
            }
            None => self.fault(&key, format!("`{name}` is missing"), remedy),
        }
        String::new()
    }

    /// One of a few words of the shop, in upper case; `None` where the key is not set or not one of them (a fault).
    pub(super) fn one_of(&mut self, name: &str, what: &str, known: &[&str]) -> Option<String> {
        let value = self.settings.own.get(name)?;
        let text = value.as_str().map(str::to_ascii_uppercase).filter(|text| known.contains(&text.as_str()));
        if text.is_none() {
            self.fault(name, format!("`{name}` is {value}, not {what}"), format!("use one of {}", known.join(", ")));
        }
        text
    }

    /// A web address of the channel: an origin with an optional path prefix.
    pub(super) fn url(&mut self, name: &str, default: &str) -> Url {
        let default: Url = default.parse().expect("the defaults are addresses");
        let Some(value) = self.settings.channel.get(name) else { return default };
        let key = format!("channel.{name}");
        let Some(url) = value.as_str().and_then(|text| text.parse::<Url>().ok()).filter(Url::has_host) else {
            self.fault(&key, format!("`{name}` is not an address"), format!("use one like {default}"));
            return default;
        };
        if !may_be_called(&url) {
            self.fault(&key, format!("`{name}` is neither https nor on loopback"), "use https");
        }
        if url.query().is_some() || url.fragment().is_some() {
            self.fault(&key, format!("`{name}` has a query or fragment"), "leave it out: origin and path prefix only");
        }
        url
    }
}

/// A text, or a whole number as text: ids are often written without quotes.
pub(super) fn text_of(settings: &Map<String, Value>, name: &str) -> Option<String> {
    match settings.get(name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        _ => None,
    }
}
