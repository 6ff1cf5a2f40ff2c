//! What must not show, and the search for it.

use std::{collections::BTreeMap, path::Path};

use url::form_urlencoded;

/// What came out, by where it came out.
pub(super) type Seen = BTreeMap<String, Vec<u8>>;

/// Texts that must not show.
#[derive(Default)]
pub(super) struct Marks(Vec<Mark>);

struct Mark {
    what: String,
    text: String,
    /// Where it is meant to stand.
    stands: fn(&str) -> bool,
}

impl Marks {
    /// Something that nobody but those who have it may ever see.
    pub(super) fn add(&mut self, what: &str, text: &str) {
        self.add_but(what, text, |_| false);
    }

    /// The token of a link: people get it in mails (which wait in the database), and an old one in a page's form.
    pub(super) fn add_link(&mut self, text: &str) {
        let stands = |place: &str| place.starts_with("page /authorize/") || is_mail(place) || place.contains("/state/");
        self.add_but("the token of a link", text, stands);
    }

    /// Something that is shown on purpose in some places.
    pub(super) fn add_but(&mut self, what: &str, text: &str, stands: fn(&str) -> bool) {
        assert!(text.len() > 7, "{what} can be told from other texts: {text}");
        self.0.push(Mark { what: what.to_owned(), text: text.to_owned(), stands });
    }

    /// How many are of a kind.
    pub(super) fn count(&self, what: &str) -> usize {
        self.0.iter().filter(|mark| mark.what == what).count()
    }

    /// Where any of them shows, as it is or as it stands in addresses.
    pub(super) fn found_in(&self, seen: &Seen) -> Vec<String> {
        let mut found = Vec::new();
        for (place, bytes) in seen {
            let text = String::from_utf8_lossy(bytes);
            for mark in self.0.iter().filter(|mark| !(mark.stands)(place)) {
                let encoded: String = form_urlencoded::byte_serialize(mark.text.as_bytes()).collect();
                for form in [&mark.text, &encoded] {
                    if let Some(at) = text.find(form.as_str()) {
                        let before = text[..at].rsplit('\n').next().unwrap_or_default();
                        let before: String = before.chars().rev().take(300).collect::<Vec<_>>().iter().rev().collect();
                        found.push(format!("{place} tells {}: {before}…", mark.what));
                    }
                }
            }
        }
        found.dedup();
        found
    }
}

pub(super) fn is_mail(place: &str) -> bool {
    Path::new(place).extension().is_some_and(|ending| ending == "eml")
}
