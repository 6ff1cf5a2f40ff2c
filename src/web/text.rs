//! What a page says: words, and what stands out of them.

use jiff::civil::Date;

/// A paragraph, written as plain text: what stands between backticks is something to type or a name of ours, as in the texts
/// for terminals, and a date like 2027-01-10 is shown as people write it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text(Vec<Piece>);

/// A part of a paragraph. The template escapes each.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Words(String),
    Code(String),
    Day(Date),
}

impl Text {
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Texts for terminals as sentences: what happened, and then what to do about it. Terminals have both in one line.
    pub(super) fn sentences(told: &str) -> Vec<Self> {
        let count = |text: &str, sign: char| text.matches(sign).count();
        let whole = |text: &str| count(text, '`').is_multiple_of(2) && count(text, '(') == count(text, ')');
        let cut = told.match_indices("; ").map(|(at, _)| at).find(|at| whole(&told[..*at]));
        let (what, remedy) = cut.map_or((told, ""), |at| (&told[..at], &told[at + 2..]));
        [what, remedy].into_iter().filter(|part| !part.is_empty()).map(|part| sentence(part).into()).collect()
    }
}

/// With a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut rest = text.trim_end_matches('.').chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", rest.as_str())
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let (mut pieces, mut rest) = (Vec::new(), text);
        // A backtick without its other is one.
        while let Some((before, code, after)) = first_code(rest) {
            words(before, &mut pieces);
            pieces.push(Piece::Code(code.to_owned()));
            rest = after;
        }
        words(rest, &mut pieces);
        Self(pieces)
    }
}

fn first_code(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('`')?;
    let (code, after) = rest.split_once('`')?;
    (!code.is_empty()).then_some((before, code, after))
}

/// Words with the dates among them.
fn words(text: &str, pieces: &mut Vec<Piece>) {
    let mut plain = String::new();
    for word in text.split_inclusive(' ') {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let Some(day) = day(bare) else {
            plain.push_str(word);
            continue;
        };
        let at = word.find(bare).unwrap_or_default();
        plain.push_str(&word[..at]);
        if !plain.is_empty() {
            pieces.push(Piece::Words(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Day(day));
        plain.push_str(&word[at + bare.len()..]);
    }
    if !plain.is_empty() {
        pieces.push(Piece::Words(plain));
    }
}

fn day(word: &str) -> Option<Date> {
    let shape = word.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    shape.eq(*b"0000-00-00").then(|| word.parse().ok()).flatten()
}
