//! What a reload would change, in words and by shop and channel; and what only a restart can.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Config,
    flat::{Flat, Shown, digest, flat_of},
};
use crate::{
    domain::{ChannelName, ShopId},
    secrets::Secret,
};

/// What is said of a setting that is only read at start.
const LATER: &str = "; takes effect at the next restart";

/// The settings that are only read at start.
const AT_START: [&str; 6] = ["state_dir", "seal_key", "database.url", "web.listen", "web.internal", "log.format"];

/// What differs between two settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// Every difference in words, one a line; secrets only as changed.
    pub lines: Vec<String>,
    /// Shops that are new.
    pub shops_added: BTreeSet<ShopId>,
    /// Shops that are gone: their jobs stop, their data stays.
    pub shops_removed: BTreeSet<ShopId>,
    /// Shops with any other value than before, also by their channel's.
    pub shops_changed: BTreeSet<ShopId>,
    /// Channels with any other value than before, added or removed.
    pub channels_changed: BTreeSet<ChannelName>,
    /// Keys that changed and keep their old value until a restart.
    pub restart: Vec<String>,
}

impl Diff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines for a daemon that is not further than its start, which still takes everything.
    pub fn lines_at_start(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.strip_suffix(LATER).unwrap_or(line).to_owned()).collect()
    }
}

/// Compares two settings.
pub fn diff(old: &Config, new: &Config) -> Diff {
    // Of ten thousand shops few differ: only these are told value by value.
    let differs = |id: &ShopId| match (old.shops.get(id), new.shops.get(id)) {
        (Some(before), Some(after)) => !Arc::ptr_eq(before, after) && before != after,
        _ => true,
    };
    let (before, after) = (flat_of(old, differs), flat_of(new, differs));
    let mut diff = Diff {
        shops_added: new.shops.keys().filter(|id| !old.shops.contains_key(id)).cloned().collect(),
        shops_removed: old.shops.keys().filter(|id| !new.shops.contains_key(id)).cloned().collect(),
        ..Diff::default()
    };
    diff.note_channels(old, new, &before, &after);
    for (id, shop) in new.shops.iter().filter(|(id, _)| old.shops.contains_key(id)) {
        let prefix = format!("shops.{id}.");
        if part(&before, &prefix).ne(part(&after, &prefix)) || diff.channels_changed.contains(&shop.channel) {
            diff.shops_changed.insert(id.clone());
        }
    }
    diff.write_lines(&before, &after, old.web.public_url_set || new.web.public_url_set);
    diff
}

/// The values of one section.
fn part<'a>(all: &'a Flat, prefix: &str) -> impl Iterator<Item = (&'a String, &'a Shown)> {
    all.range(prefix.to_owned()..).take_while(move |(key, _)| key.starts_with(prefix))
}

impl Diff {
    fn note_channels(&mut self, old: &Config, new: &Config, before: &Flat, after: &Flat) {
        for name in old.channels.keys().chain(new.channels.keys()) {
            let prefix = format!("channels.{name}.");
            let both = old.channels.contains_key(name) && new.channels.contains_key(name);
            if !both || part(before, &prefix).ne(part(after, &prefix)) {
                self.channels_changed.insert(name.clone());
            }
        }
    }

    fn write_lines(&mut self, before: &Flat, after: &Flat, public_url_set: bool) {
        for id in &self.shops_added {
            self.lines.push(format!("shop {id}: added"));
        }
        for id in &self.shops_removed {
            self.lines.push(format!("shop {id}: removed; its jobs stop and its data stays"));
        }
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let (old, new) = (before.get(key), after.get(key));
            let derived = key == "web.public_url" && !public_url_set;
            if old == new || derived || self.tells_of_whole_shop(key) {
                continue;
            }
            let line = format!("{key}: {}", change(old, new));
            if AT_START.contains(&key.as_str()) {
                self.restart.push(key.clone());
                self.lines.push(format!("{line}{LATER}"));
            } else {
                self.lines.push(line);
            }
        }
    }

    /// The values of a shop that came or went are not told one by one.
    fn tells_of_whole_shop(&self, key: &str) -> bool {
        let shop = key.strip_prefix("shops.").and_then(|rest| rest.split('.').next()?.parse().ok());
        shop.is_some_and(|shop: ShopId| self.shops_added.contains(&shop) || self.shops_removed.contains(&shop))
    }
}

fn change(old: Option<&Shown>, new: Option<&Shown>) -> String {
    let text = |shown: &Shown| match shown {
        Shown::Text(text) if text.is_empty() => "(empty)".to_owned(),
        other => other.to_string(),
    };
    match (old, new) {
        (Some(Shown::Secret(_)), Some(Shown::Secret(_))) => "changed".to_owned(),
        (None, Some(Shown::Secret(_))) => "set".to_owned(),
        (Some(Shown::Secret(_)), None) => "removed".to_owned(),
        (Some(old), Some(new)) => format!("{} -> {}", text(old), text(new)),
        (None, Some(new)) => format!("set to {}", text(new)),
        (Some(old), None) => format!("{} removed", text(old)),
        (None, None) => "unchanged".to_owned(),
    }
}

/// The new settings as a running daemon can take them: what is only read at start keeps its old value.
pub fn keep_until_restart(old: &Config, mut new: Config) -> Config {
    let resealed = old.seal_key.as_ref().map(Secret::expose) != new.seal_key.as_ref().map(Secret::expose);
    new.state_dir.clone_from(&old.state_dir);
    new.seal_key.clone_from(&old.seal_key);
    new.database_url.clone_from(&old.database_url);
    new.web.listen = old.web.listen;
    new.web.internal = old.web.internal;
    new.log.format = old.log.format;
    if !new.web.public_url_set {
        new.web.public_url = super::Web::default_public_url(new.web.listen);
    }
    // Whatever else is kept is each instance's own affair and no part of it.
    if resealed {
        new.digest = digest(&new);
    }
    new
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{
        super::tests::{Desk, sound},
        *,
    };

    #[test]
    fn equal_settings_differ_in_nothing() {
        assert!(diff(&sound().sound(), &sound().sound()).is_empty());
    }

    #[test]
    fn a_change_is_told_in_words_and_secrets_only_as_changed() {
        let changed: Desk = sound()
            .with("shops.d/new.toml", "[shops.tw-02]\nchannel = \"market\"\n")
            .var("SHOPSYNCD__SHOPS__TW_01__JOBS__PRODUCT_IMPORT", "15 minutes")
            .var("SHOPSYNCD__SHOPS__TW_01__EXPORT__STOCK__MAX", "50")
            .var("SHOPSYNCD__REMINDERS__TO", "[]")
            .var("SHOPSYNCD__WEB__API_TOKEN", "opensesame")
            .var("SHOPSYNCD__WEB__LISTEN", "127.0.0.1:9000")
            .var("MARKET_SECRET", "another");
        let diff = diff(&sound().sound(), &changed.sound());
        insta::assert_snapshot!(diff.lines.join("\n"), @r#"
        shop tw-02: added
        channels.market.client_secret: changed
        reminders.to: owner@example.com (en) -> (empty)
        shops.tw-01.export.stock.max: set to 50
        shops.tw-01.jobs.product_import: 1 hour -> 15 minutes
        shops.tw-01.remind: owner@example.com (en) -> (empty)
        web.api_token: set
        web.listen: 127.0.0.1:8420 -> 127.0.0.1:9000; takes effect at the next restart
        "#);
        assert_eq!(diff.shops_added, BTreeSet::from(["tw-02".parse().unwrap()]));
        assert_eq!(diff.shops_changed, BTreeSet::from(["tw-01".parse().unwrap()]));
        assert_eq!(diff.channels_changed, BTreeSet::from(["market".into()]));
        assert_eq!(diff.restart, ["web.listen"]);
    }

    #[test]
    fn a_removed_shop_is_told_as_a_whole() {
        let more = sound().with("shops.d/new.toml", "[shops.tw-02]\nchannel = \"market\"\n");
        let diff = diff(&more.sound(), &sound().sound());
        assert_eq!(diff.lines, ["shop tw-02: removed; its jobs stop and its data stays"]);
        assert_eq!(diff.shops_removed.len(), 1);
        assert!(diff.shops_changed.is_empty());
    }

    #[test]
    fn what_is_read_at_start_keeps_its_value_and_the_rest_is_new() {
        let changed = sound()
            .var("SHOPSYNCD__WEB__LISTEN", "127.0.0.1:9000")
            .var("SHOPSYNCD__DATABASE__URL", "sqlite:other.db")
            .var("SHOPSYNCD__TIMEZONE", "Asia/Taipei");
        let old = sound().sound();
        let kept = keep_until_restart(&old, changed.sound());
        assert_eq!(diff(&old, &kept).lines, ["timezone: UTC -> Asia/Taipei"]);
        assert_eq!(kept.digest, sound().var("SHOPSYNCD__TIMEZONE", "Asia/Taipei").sound().digest);
    }
}
