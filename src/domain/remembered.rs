//! Fields that a shop does not show as they were sent: of images it makes copies of its own, attributes come back in other words. What it last
//! accepted counts as seen there, for as long as the same is wanted.
//!
//! They are planned, sent, judged and complained of apart from the fields that are compared, so that neither part waits for
//! the other: a bulk of images must not delay a stock, nor an image that is refused take a price along.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Field, Values};

/// One of the two parts of what is wanted of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The fields that are compared with what the shop shows; of a SKU to be created, everything.
    Compared,
    /// The fields of which what the shop last accepted counts as seen.
    Remembered,
}

/// What a shop accepted of a field that it does not show as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The field.
    pub field: Field,
    /// [`Values::hash_of`] what is wanted; `None`: nothing is.
    pub wanted: Option<String>,
    /// The same of what was accepted last, and when.
    pub accepted: Option<(String, Timestamp)>,
    /// The same of what was refused since: not sent again until another value is wanted.
    pub refused: Option<String>,
}

impl Remembered {
    /// Whether what is wanted is still to be sent.
    pub fn differs(&self) -> bool {
        let accepted = self.accepted.as_ref().map(|(hash, _)| hash);
        self.wanted.is_some() && self.wanted.as_ref() != accepted
    }

    /// Whether the shop refused just what is wanted.
    pub fn is_refused(&self) -> bool {
        self.differs() && self.wanted == self.refused
    }
}

impl Values {
    /// What it says of these fields, and the rest.
    pub fn split(self, fields: &[Field]) -> (Self, Self) {
        if fields.is_empty() {
            return (Self::default(), self);
        }
        let (mut of, mut rest) = (Self::default(), self);
        for field in fields {
            match field {
                Field::Price => of.price = rest.price.take(),
                Field::Stock => of.stock = rest.stock.take(),
                Field::Title => of.title = rest.title.take(),
                Field::Description => of.description = rest.description.take(),
                Field::Images => of.images = rest.images.take(),
                Field::Attributes => of.attributes = rest.attributes.take(),
            }
        }
        (of, rest)
    }

    /// What it says, and what another says of fields of which it says nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            price: self.price.or(other.price),
            stock: self.stock.or(other.stock),
            title: self.title.or(other.title),
            description: self.description.or(other.description),
            images: self.images.or(other.images),
            attributes: self.attributes.or(other.attributes),
            ..self
        }
    }

    /// A hash over one field; `None`: it says nothing of it.
    pub fn hash_of(&self, field: Field) -> Option<String> {
        let (of, _) = self.clone().split(&[field]);
        (of != Self::default()).then(|| of.hash())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::domain::Price;

    fn values() -> Values {
        Values {
            price: Some(Price { amount: "19.90".parse().unwrap(), currency: "EUR".parse().unwrap() }),
            stock: Some(3),
            title: Some("Shirt".to_owned()),
            description: Some("Soft".to_owned()),
            images: Some(vec!["https://img.example/1.jpg".to_owned(), "https://img.example/2.jpg".to_owned()]),
            attributes: Some([("Material".to_owned(), "Cotton".to_owned())].into()),
            relisted: true,
            ..Values::default()
        }
    }

    #[test]
    fn values_are_parted_by_field_and_put_together_again() {
        let (of, rest) = values().split(&[Field::Images, Field::Attributes]);
        assert_eq!((of.images.clone(), of.attributes.clone()), (values().images, values().attributes));
        assert_eq!((of.title.as_deref(), rest.images.as_ref(), rest.relisted), (None, None, true));
        assert_eq!(rest.or(of), values());
        assert_eq!(values().split(&[]), (Values::default(), values()));
        for field in Field::EVERY {
            let (of, rest) = values().split(&[field]);
            assert_ne!(of, Values::default(), "{field:?}");
            assert_eq!(rest.or(of), values(), "{field:?}");
        }
    }

    #[test]
    fn the_hash_of_a_field_is_of_that_field_alone() {
        let moved = Values { stock: Some(9), ..values() };
        assert_eq!(values().hash_of(Field::Images), moved.hash_of(Field::Images));
        assert_ne!(values().hash_of(Field::Stock), moved.hash_of(Field::Stock));
        let mut turned = values();
        turned.images.as_mut().unwrap().reverse();
        assert_ne!(values().hash_of(Field::Images), turned.hash_of(Field::Images), "the first is the main one");
        assert_eq!(Values::default().hash_of(Field::Images), None);
        let hashes: std::collections::BTreeSet<_> = Field::EVERY.iter().map(|field| values().hash_of(*field)).collect();
        assert_eq!(hashes.len(), Field::EVERY.len());
    }

    #[test]
    fn what_is_wanted_and_not_accepted_is_to_be_sent() {
        let remembered = |wanted: Option<&str>, accepted: Option<&str>, refused: Option<&str>| {
            let accepted = accepted.map(|hash| (hash.to_owned(), Timestamp::UNIX_EPOCH));
            let (wanted, refused) = (wanted.map(str::to_owned), refused.map(str::to_owned));
            let field = Remembered { field: Field::Images, wanted, accepted, refused };
            (field.differs(), field.is_refused())
        };
        assert_eq!(remembered(Some("a"), None, None), (true, false));
        assert_eq!(remembered(Some("a"), Some("a"), None), (false, false));
        assert_eq!(remembered(Some("b"), Some("a"), None), (true, false));
        assert_eq!(remembered(Some("b"), Some("a"), Some("b")), (true, true));
        assert_eq!(remembered(Some("c"), Some("a"), Some("b")), (true, false), "something else is wanted by now");
        assert_eq!(remembered(Some("a"), Some("a"), Some("a")), (false, false));
        assert_eq!(remembered(None, Some("a"), None), (false, false), "nothing is wanted");
    }
}
