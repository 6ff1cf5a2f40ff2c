//! The named points as the source tree has them, which test dies at which, and how often that was done.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

pub(super) const PLAN_AND_IMPORT: &[&str] = &["plan.", "finish.", "import."];
pub(super) const EXPORT_AND_REFRESH: &[&str] = &["export.", "refresh."];
pub(super) const PEOPLE: &[&str] = &["consent.", "remind.", "mail."];
pub(super) const KEYS: &[&str] = &["reseal."];

/// The beginnings of names, one group a test.
pub(super) const GROUPS: [&[&str]; 4] = [PLAN_AND_IMPORT, EXPORT_AND_REFRESH, PEOPLE, KEYS];

/// Whether a group dies at a point.
pub(super) fn belongs(name: &str, group: &[&str]) -> bool {
    group.iter().any(|prefix| name.starts_with(prefix))
}

/// All names in the source tree.
pub(super) fn in_source() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders: Vec<PathBuf> = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for call in text.split("crash::point(").skip(1) {
                    let name = call.strip_prefix('"').and_then(|rest| rest.split('"').next());
                    let name = name.unwrap_or_else(|| panic!("{}: a point's name is written out", path.display()));
                    names.insert(name.to_owned());
                }
            }
        }
    }
    assert!(!names.is_empty(), "the source tree has no points");
    names
}

/// The names of a group.
pub(super) fn in_group(group: &[&str]) -> Vec<String> {
    in_source().into_iter().filter(|name| belongs(name, group)).collect()
}

/// How often each point was died at.
#[derive(Default)]
pub(super) struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Counts deaths.
    pub(super) fn count(&mut self, point: &str, deaths: usize) {
        *self.0.entry(point.to_owned()).or_default() += deaths as u64;
    }

    /// Prints a line a point, and the sum.
    pub(super) fn print(&self, database: &str) {
        for (point, times) in &self.0 {
            println!("crash: {point} killed {times} times on {database}");
        }
        println!("crash: {} points, {} deaths on {database}", self.0.len(), self.0.values().sum::<u64>());
    }
}

/// Numbers that look random and are the same every time (xorshift).
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number from `low` to `high`.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        low + self.0 % (high - low + 1)
    }
}
