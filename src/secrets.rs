//! Secrets: values that never print, and the sealing that keeps them at rest.

use std::fmt;

use zeroize::Zeroizing;

/// A secret in the open. Has no `Display`; its `Debug` shows dots; wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Name the reason where it is not obvious.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

/// A sealed secret: what the store keeps. Format: version (1 byte), key identifier (4), nonce (24), ciphertext with tag.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sealed({} bytes)", self.0.len())
    }
}

/// Why something cannot be opened or a key cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not a key as `shopsyncd keys generate` makes them.
    #[error("this is not a seal key; make one with `shopsyncd keys generate`")]
    NotAKey,
    /// Sealed with a key that is not in the ring.
    #[error(
        "sealed with key {0}, which is not among the keys given; add it to `seal_key` (several lines are several keys, the first seals)"
    )]
    UnknownKey(String),
    /// The bytes were changed, or belong to another row.
    #[error("the sealed value does not belong to this row or was changed")]
    Forged,
}

/// Seals and opens with a ring of keys: the first seals, all open.
#[derive(Clone)]
pub struct Sealer(std::sync::Arc<[Key]>);

#[derive(Clone)]
struct Key {
    #[expect(dead_code, reason = "the body of the sealer comes with its tests")]
    id: [u8; 4],
    #[expect(dead_code, reason = "the body of the sealer comes with its tests")]
    bytes: Zeroizing<[u8; 32]>,
}

impl Sealer {
    /// Reads a ring: one key a line, as [`Sealer::generate`] makes them.
    pub fn parse(text: &Secret) -> Result<Self, SealError> {
        let _ = text;
        todo!()
    }

    /// A new key as text: `shopsyncd-seal-1:` and 64 hexadecimal digits.
    pub fn generate() -> Secret {
        todo!()
    }

    /// Seals with the ring's first key. `row` names the row and column the value belongs to
    /// (`authorization/7/access_token/3`, the last number being the generation); it must be named again to open.
    pub fn seal(&self, secret: &Secret, row: &str) -> Sealed {
        let _ = (secret, row);
        todo!()
    }

    /// Opens what was sealed for `row`.
    pub fn open(&self, sealed: &Sealed, row: &str) -> Result<Secret, SealError> {
        let _ = (sealed, row);
        todo!()
    }

    /// Whether a value is sealed with the ring's first key.
    pub fn is_current(&self, sealed: &Sealed) -> bool {
        let _ = sealed;
        todo!()
    }
}

/// A random text for states and identifiers: `bytes` random bytes in URL-safe base64.
pub fn random_text(bytes: usize) -> String {
    let _ = bytes;
    todo!()
}
