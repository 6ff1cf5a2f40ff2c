//! What a mail is about, and in which language.

use serde::{Serialize, Serializer};

/// A language of mails. A further one is a file of words in `mail/words`, a line in the list there, and one in this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

impl Language {
    /// All there are, by their codes as in settings and tables.
    pub const NAMES: &[(&str, Self)] = &[("en", Self::En), ("de", Self::De)];

    /// Its code.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, known)| *known == self).map_or("en", |(code, _)| code)
    }

    /// Reads a code; an unknown one is English, so that a mail that is owed always says something.
    pub fn from_code(code: &str) -> Self {
        Self::NAMES.iter().find(|(known, _)| *known == code).map(|(_, language)| *language).unwrap_or_default()
    }
}

/// The kind of a mail, as in `X-Shopsyncd-Kind`, in the outbox and in `mail list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MailKind {
    /// Asks a shop's people to do something: to renew a permission that ends, or to mend what holds the shop up.
    Reminder,
    /// The notice that a permission has ended.
    Ended,
    /// The note that one was renewed.
    Renewed,
    /// To the operator.
    Operator,
    /// A test.
    Test,
}

impl MailKind {
    /// The name used in headers, tables and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reminder => "reminder",
            Self::Ended => "ended",
            Self::Renewed => "renewed",
            Self::Operator => "operator",
            Self::Test => "test",
        }
    }

    /// Reads the stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Reminder, Self::Ended, Self::Renewed, Self::Operator, Self::Test]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    /// Whether it is for the people of a shop.
    pub const fn is_for_owners(self) -> bool {
        matches!(self, Self::Reminder | Self::Ended | Self::Renewed)
    }
}

impl Serialize for MailKind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl std::fmt::Display for MailKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_a_code_of_its_own() {
        for (code, language) in Language::NAMES {
            assert_eq!((language.as_str(), Language::from_code(code)), (*code, *language));
        }
        assert_eq!(Language::from_code("tlh"), Language::En, "a mail that is owed always says something");
    }
}
