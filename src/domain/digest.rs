//! Stable hashes over values: equal values have equal hashes, whatever the order of keys.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The first 16 bytes of SHA-256 over the value as JSON with sorted keys: 32 hexadecimal digits.
pub(super) fn digest(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).expect("keys are text and nothing in the domain fails to serialize");
    let mut text = String::new();
    write_sorted(&value, &mut text);
    hex::encode(&Sha256::digest(text.as_bytes())[..16])
}

/// A number made from a text, the same in every build and on every machine.
pub(super) fn number(text: &str) -> u64 {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Keys are sorted here, because the order in which a map of `serde_json` keeps them depends on who else in the build
/// asked for which feature.
fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            for (number, (key, value)) in entries.into_iter().enumerate() {
                let _ = write!(text, "{}{}:", if number == 0 { "{" } else { "," }, Value::String(key.clone()));
                write_sorted(value, text);
            }
            text.push_str(if map.is_empty() { "{}" } else { "}" });
        }
        Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                text.push(if number == 0 { '[' } else { ',' });
                write_sorted(value, text);
            }
            text.push_str(if values.is_empty() { "[]" } else { "]" });
        }
        plain => {
            let _ = write!(text, "{plain}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hash_is_the_same_in_every_build() {
        assert_eq!(digest(&json!({"b": [1, "x"], "a": null})), "c22cb7b0353770e2b38094af641143eb");
        assert_eq!(number("tw-01/product_import"), 1_584_391_206_011_463_733);
    }

    #[test]
    fn structure_is_part_of_a_hash() {
        assert_ne!(digest(&json!(["ab", "c"])), digest(&json!(["a", "bc"])));
        assert_ne!(digest(&json!({"a": "1"})), digest(&json!({"a": 1})));
    }
}
