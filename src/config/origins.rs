//! Where values came from, by the keys that people write.

use std::{collections::BTreeMap, sync::Arc};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file, or `environment`.
    pub file: Arc<str>,
    /// The line, from 1; 0 where there is none.
    pub line: u32,
}

/// Key path to origin; values that are not here are defaults. Those of each shop stand apart: of ten thousand shops most are taken over
/// whole from the settings before.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    apart: BTreeMap<String, Origin>,
    shops: BTreeMap<String, Arc<OfShop>>,
}

/// The origins of one shop's values, by their whole key paths.
pub(super) type OfShop = BTreeMap<String, Origin>;

impl Origins {
    /// Where a value came from.
    pub fn get(&self, key: &str) -> Option<&Origin> {
        self.with(key).get(key)
    }

    /// Where the first key of a table stands.
    pub fn first_below(&self, table: &str) -> Option<&Origin> {
        let below = format!("{table}.");
        let (key, origin) = self.with(&below).range(below.clone()..).next()?;
        key.starts_with(&below).then_some(origin)
    }

    /// The files of which something holds; one whose values stand side by side is named once for them.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let all = self.apart.values().chain(self.shops.values().flat_map(|shop| shop.values()));
        let mut last: Option<&Arc<str>> = None;
        all.map(|origin| &origin.file).filter_map(move |file| {
            let same = last.is_some_and(|last| Arc::ptr_eq(last, file));
            last = Some(file);
            (!same).then_some(&**file)
        })
    }

    /// Notes where a value stands; the last one counts.
    pub(super) fn insert(&mut self, key: String, origin: Origin) {
        let all = match shop_in(&key) {
            Some(shop) => Arc::make_mut(self.shops.entry(shop.to_owned()).or_default()),
            None => &mut self.apart,
        };
        all.insert(key, origin);
    }

    /// Those of a shop.
    pub(super) fn of_shop(&self, id: &str) -> Arc<OfShop> {
        self.shops.get(id).cloned().unwrap_or_default()
    }

    /// Takes those of a shop over.
    pub(super) fn take_over(&mut self, id: &str, origins: Arc<OfShop>) {
        self.shops.insert(id.to_owned(), origins);
    }

    /// The map a key is in, if it is anywhere.
    fn with(&self, key: &str) -> &BTreeMap<String, Origin> {
        shop_in(key).and_then(|shop| self.shops.get(shop)).map_or(&self.apart, |shop| &**shop)
    }
}

/// The shop that a key is about.
fn shop_in(key: &str) -> Option<&str> {
    key.strip_prefix("shops.")?.split('.').next()
}
