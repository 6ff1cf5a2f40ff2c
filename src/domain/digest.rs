//! Stable hashes over values: equal values have equal hashes, whatever the order of keys.

use std::{cell::RefCell, io};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use sha2::{Digest as _, Sha256};

/// The first 16 bytes of SHA-256 over the value as JSON with sorted keys: 32 hexadecimal digits.
pub(super) fn digest(value: &impl Serialize) -> String {
    let text = RefCell::new(Vec::with_capacity(512));
    let sorting = Sorting { text: Text(&text), keys: Vec::new(), open: Vec::new() };
    value
        .serialize(&mut Serializer::with_formatter(Text(&text), sorting))
        .expect("keys are text and nothing in the domain fails to serialize");
    let mut digits = vec![0; 32];
    hex::encode_to_slice(&Sha256::digest(&*text.borrow())[..16], &mut digits).expect("two digits a byte");
    String::from_utf8(digits).expect("digits are ASCII")
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
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(())
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
    /// The keys of the objects under way: where each begins and ends.
    keys: Vec<(usize, usize)>,
    /// The objects under way: how many keys stood before each.
    open: Vec<usize>,
}

impl Sorting<'_> {
    fn len(&self) -> usize {
        self.text.0.borrow().len()
    }
}

impl Formatter for Sorting<'_> {
    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open.push(self.keys.len());
        writer.write_all(b"{")
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        let begin = self.len();
        self.keys.push((begin, begin));
        Ok(())
    }

    fn end_object_key<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        let end = self.len();
        self.keys.last_mut().expect("a key has begun").1 = end;
        Ok(())
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        let before = self.open.pop().expect("it has begun");
        sort(&mut self.text.0.borrow_mut(), &self.keys[before..]);
        self.keys.truncate(before);
        writer.write_all(b"}")
    }
}

/// Sorts the entries of an object that is the rest of the text, given where its keys are.
fn sort(text: &mut Vec<u8>, keys: &[(usize, usize)]) {
    let key = |(begin, end): &(usize, usize)| &text[begin + 1..end - 1];
    if keys.is_sorted_by_key(key) {
        return;
    }
    // An entry ends before the comma that the next one begins after.
    let ends = keys.iter().skip(1).map(|(next, _)| next - 1).chain([text.len()]);
    let mut entries: Vec<_> = keys.iter().zip(ends).map(|(at, end)| (key(at), &text[at.0..end])).collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    let entries = entries.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>().join(&b',');
    text.truncate(keys[0].0);
    text.extend_from_slice(&entries);
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
