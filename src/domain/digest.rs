//! Stable hashes over values: equal values have equal hashes, whatever the order of keys.

use std::{cell::RefCell, io};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use sha2::{Digest as _, Sha256};

/// The first 16 bytes of SHA-256 over the value as JSON with sorted keys: 32 hexadecimal digits.
pub(super) fn digest(value: &impl Serialize) -> String {
    let text = RefCell::default();
    let sorting = Sorting { text: Text(&text), open: Vec::new() };
    value
        .serialize(&mut Serializer::with_formatter(Text(&text), sorting))
        .expect("keys are text and nothing in the domain fails to serialize");
    hex::encode(&Sha256::digest(&*text.borrow())[..16])
}

/// A number made from a text, the same in every build and on every machine.
pub(super) fn number(text: &str) -> u64 {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The text under way, which the serializer writes and [`Sorting`] puts in order.
#[derive(Clone, Copy)]
struct Text<'a>(&'a RefCell<Vec<u8>>);

impl io::Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sorts the keys of each object when it ends, in the text itself: an import makes two hashes a listing, and a tree of values in
/// between costs five times as much. Sorted they must be, because the order in which structs and maps of `serde_json` keep them is
/// nobody's promise.
struct Sorting<'a> {
    text: Text<'a>,
    /// The objects under way: where each begins, and where its entries do, with the ends of their keys.
    open: Vec<(usize, Vec<(usize, usize)>)>,
}

impl Sorting<'_> {
    fn len(&self) -> usize {
        self.text.0.borrow().len()
    }
}

impl Formatter for Sorting<'_> {
    fn begin_object<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.open.push((self.len(), Vec::new()));
        Ok(())
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, _: &mut W, _: bool) -> io::Result<()> {
        let begin = self.len();
        self.open.last_mut().expect("keys stand in objects").1.push((begin, begin));
        Ok(())
    }

    fn end_object_key<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        let end = self.len();
        self.open.last_mut().and_then(|(_, entries)| entries.last_mut()).expect("a key has begun").1 = end;
        Ok(())
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        let (begin, entries) = self.open.pop().expect("it has begun");
        let mut text = self.text.0.borrow_mut();
        let ends = entries.iter().skip(1).map(|(next, _)| *next).chain([text.len()]);
        let mut entries: Vec<_> = entries
            .iter()
            .zip(ends)
            .map(|((begin, key), end)| (&text[begin + 1..key - 1], &text[*begin..end]))
            .collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        let entries = entries.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>().join(&b',');
        text.truncate(begin);
        text.push(b'{');
        text.extend_from_slice(&entries);
        text.push(b'}');
        Ok(())
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
    fn keys_are_sorted_at_every_depth() {
        let mixed = json!({"b": {"d": [{"f": {}, "e": "\"x\""}], "c": 1.5}, "a!": [], "a": {}});
        let plain = br#"{"a":{},"a!":[],"b":{"c":1.5,"d":[{"e":"\"x\"","f":{}}]}}"#;
        assert_eq!(digest(&mixed), hex::encode(&Sha256::digest(plain)[..16]));
        #[derive(Serialize)]
        struct Unsorted {
            b: u8,
            a: Option<u8>,
        }
        assert_eq!(digest(&Unsorted { b: 1, a: None }), digest(&json!({"a": null, "b": 1})));
    }

    #[test]
    fn structure_is_part_of_a_hash() {
        assert_ne!(digest(&json!(["ab", "c"])), digest(&json!(["a", "bc"])));
        assert_ne!(digest(&json!({"a": "1"})), digest(&json!({"a": 1})));
    }
}
