//! How channels read null: as if the field were missing.

use serde::{Deserialize, Deserializer};

/// A field that may be missing (with `#[serde(default)]` beside it) or null.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}
