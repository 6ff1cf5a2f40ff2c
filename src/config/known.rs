//! What the files of shops said last. Of ten thousand of them an edit changes one: the others say what they said, and are neither
//! parsed nor judged again.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use super::{Config, Finding, ShopConfig, load::Layers, origins::OfShop};
use crate::domain::ShopId;

/// What sound settings were read from, and what came of it.
#[derive(Debug, Default)]
pub struct Known {
    files: Vec<PathBuf>,
    /// The main file, on which every shop rests.
    main: Option<String>,
    /// The files in shops.d of which there was nothing to say, by their names.
    of_shops: HashMap<Arc<str>, Arc<KnownFile>>,
}

/// A file in shops.d and its shops.
#[derive(Debug)]
pub(super) struct KnownFile {
    text: String,
    pub(super) shops: Vec<KnownShop>,
}

/// A shop as it was judged.
#[derive(Debug)]
pub struct KnownShop {
    /// Its id.
    pub id: ShopId,
    /// Its settings.
    pub config: Arc<ShopConfig>,
    /// The place of sale, in its channel's words.
    pub place: String,
    pub(super) origins: Arc<OfShop>,
}

impl Known {
    /// What is worth remembering of settings without a fault. `places`: where each shop sells, in its channel's words.
    pub fn of(layers: Layers, config: &Config, findings: &[Finding], mut places: HashMap<ShopId, String>) -> Self {
        // What there is to say of a file is said each time.
        let remarkable: HashSet<&str> = findings.iter().map(|finding| finding.file.as_str()).collect();
        let mut shop = |id: &String| {
            let id: ShopId = id.parse().ok()?;
            let (known, place) = (Arc::clone(config.shops.get(&id)?), places.remove(&id)?);
            let origins = config.origins.of_shop(id.as_str());
            Some(KnownShop { id, config: known, place, origins })
        };
        let mut of_shops = layers.taken_over;
        for read in layers.read.into_iter().filter(|read| !remarkable.contains(&*read.name)) {
            if let Some(shops) = read.shops.iter().map(&mut shop).collect() {
                of_shops.insert(read.name, Arc::new(KnownFile { text: read.text, shops }));
            }
        }
        Self { files: layers.files, main: layers.main, of_shops }
    }

    /// The files that were found, the main file first.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Whether the main file said this: then every shop whose own file says the same is the same.
    pub(super) fn rests_on(&self, main: Option<&String>) -> bool {
        main.is_some() && self.main.as_ref() == main
    }

    /// A file in shops.d that says what it said.
    pub(super) fn same(&self, name: &str, text: &str) -> Option<Arc<KnownFile>> {
        self.of_shops.get(name).filter(|known| known.text == text).cloned()
    }
}
