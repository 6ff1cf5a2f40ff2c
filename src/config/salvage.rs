//! A main file that is not TOML everywhere: where the daemon and its database are, as far as it still says so.

use super::spans::{Broken, Parsed, salvage};

/// The keys of the main file's top level that tell where the daemon and its database are.
pub(super) const PLACES: [&str; 2] = ["state_dir", "database"];

/// What a broken main file still says of where the daemon and its database are, as far as that is certain, and what it may say of it that is
/// not: commands find both by it. Of the rest nobody knows which table it was meant for.
pub(super) fn salvaged(text: &str, all: &[Broken]) -> (Parsed, Vec<&'static str>) {
    let mut parsed = salvage(text);
    let lost: Vec<&str> = PLACES
        .into_iter()
        .filter(|key| {
            let is_missing = !parsed.dict.contains_key(*key) && text.lines().any(|line| is_of(line, key));
            is_missing || all.iter().any(|broken| breaks(text, broken, key))
        })
        .collect();
    let kept = |key: &str| PLACES.contains(&key) && !lost.contains(&key);
    parsed.dict.retain(|key, _| kept(key));
    parsed.lines.retain(|path, _| path.first().is_some_and(|key| kept(key)));
    (parsed, lost)
}

/// Whether a line is that of a key, or the header of its table.
fn is_of(line: &str, key: &str) -> bool {
    line.trim_start_matches(|letter: char| letter.is_whitespace() || "[\"'".contains(letter)).starts_with(key)
}

/// Whether a broken place may belong to what is said of a key: its line speaks of that, or the header above it does. Where a header itself is
/// broken, what follows may count among the table above.
fn breaks(text: &str, broken: &Broken, key: &str) -> bool {
    let lines: Vec<&str> = text.lines().take(usize::try_from(broken.line).unwrap_or(usize::MAX)).collect();
    let Some((at, above)) = lines.split_last() else { return false };
    let header = above.iter().rev().find(|line| line.trim_start().starts_with('['));
    at.split('#').next().is_some_and(|said| said.contains(key)) || header.is_some_and(|line| is_of(line, key))
}
