//! Secrets: values that never print, and the sealing that keeps them at rest.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use sha2::{Digest as _, Sha256};
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

/// The argon2id hash of a password with a salt of its own, as a PHC string. The parameters are those that OWASP asks for
/// (19 MiB, two passes), which the crate has by default.
///
/// # Errors
/// Where the system gives no randomness.
pub fn hash_password(password: &Secret) -> Result<String, String> {
    use argon2::{Argon2, PasswordHasher as _};
    let hash = Argon2::default().hash_password(password.expose().as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| format!("the password cannot be hashed: {error}"))
}

/// Whether a password is the one of which `hash` was made: see [`hash_password`]. Takes as long whatever is wrong with the password,
/// and as much memory as the hash asks for.
///
/// # Errors
/// The hash is not an argon2id hash that can be read.
pub fn is_password(password: &Secret, hash: &Secret) -> Result<bool, String> {
    use argon2::{Argon2, PasswordHash, PasswordVerifier as _, password_hash::Error};
    let unreadable = |error: &dyn fmt::Display| format!("the hash of the password cannot be read: {error}");
    let hash = PasswordHash::new(hash.expose()).map_err(|error| unreadable(&error))?;
    match Argon2::default().verify_password(password.expose().as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(unreadable(&error)),
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

/// The format's version, the first byte of everything sealed.
const VERSION: u8 = 1;
const KEY_PREFIX: &str = "shopsyncd-seal-1:";
const NONCE: std::ops::Range<usize> = 5..29;
const TAG_LENGTH: usize = 16;

/// Seals and opens with a ring of keys: the first seals, all open.
#[derive(Clone)]
pub struct Sealer(Arc<[Key]>);

#[derive(Clone)]
struct Key {
    /// The first bytes of the key's SHA-256: tells which key of a ring sealed a value, and nothing of the key.
    id: [u8; 4],
    bytes: Zeroizing<[u8; 32]>,
}

impl Key {
    fn parse(line: &str) -> Result<Self, SealError> {
        let digits = line.strip_prefix(KEY_PREFIX).ok_or(SealError::NotAKey)?;
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, bytes.as_mut_slice()).map_err(|_| SealError::NotAKey)?;
        let hash = Sha256::digest(bytes.as_slice());
        Ok(Self { id: [hash[0], hash[1], hash[2], hash[3]], bytes })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sealer({} keys)", self.0.len())
    }
}

impl Sealer {
    /// Reads a ring: one key a line, as [`Sealer::generate`] makes them.
    pub fn parse(text: &Secret) -> Result<Self, SealError> {
        let lines = text.expose().lines().map(str::trim).filter(|line| !line.is_empty());
        let keys: Vec<Key> = lines.map(Key::parse).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(SealError::NotAKey) } else { Ok(Self(keys.into())) }
    }

    /// A new key as text: `shopsyncd-seal-1:` and 64 hexadecimal digits.
    pub fn generate() -> Secret {
        let mut bytes = Zeroizing::new([0; 32]);
        fill(bytes.as_mut_slice());
        let digits = Zeroizing::new(hex::encode(bytes.as_slice()));
        Secret::new(format!("{KEY_PREFIX}{}", *digits))
    }

    /// Seals with the ring's first key. `row` names the row and column the value belongs to
    /// (`authorization/7/access_token/3`, the last number being the generation); it must be named again to open.
    pub fn seal(&self, secret: &Secret, row: &str) -> Sealed {
        let key = &self.0[0];
        let mut nonce = [0; 24];
        fill(&mut nonce);
        let payload = Payload { msg: secret.expose().as_bytes(), aad: row.as_bytes() };
        let ciphertext =
            key.cipher().encrypt(&XNonce::from(nonce), payload).expect("tokens and row names are far below 256 GiB");
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&key.id);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&ciphertext);
        Sealed(bytes)
    }

    /// Opens what was sealed for `row`.
    pub fn open(&self, sealed: &Sealed, row: &str) -> Result<Secret, SealError> {
        let bytes = &sealed.0;
        if bytes.len() < NONCE.end + TAG_LENGTH || bytes[0] != VERSION {
            return Err(SealError::Forged);
        }
        let id = &bytes[1..NONCE.start];
        let key = self.0.iter().find(|key| key.id == id).ok_or_else(|| SealError::UnknownKey(hex::encode(id)))?;
        let nonce = <[u8; 24]>::try_from(&bytes[NONCE]).expect("a range of 24 bytes");
        let payload = Payload { msg: &bytes[NONCE.end..], aad: row.as_bytes() };
        let open = key.cipher().decrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Forged)?;
        String::from_utf8(open).map(Secret::new).map_err(|_| SealError::Forged)
    }

    /// Whether the ring has the key that a value is sealed with; the error names it.
    pub fn check_known(&self, sealed: &Sealed) -> Result<(), SealError> {
        let id = sealed.0.get(1..NONCE.start).ok_or(SealError::Forged)?;
        if self.0.iter().any(|key| key.id == id) { Ok(()) } else { Err(SealError::UnknownKey(hex::encode(id))) }
    }

    /// Which key seals: the beginning of its hash.
    pub fn key_id(&self) -> String {
        hex::encode(self.0[0].id)
    }

    /// Whether a value is sealed with the ring's first key.
    pub fn is_current(&self, sealed: &Sealed) -> bool {
        sealed.0.first() == Some(&VERSION) && sealed.0.get(1..NONCE.start) == Some(self.0[0].id.as_slice())
    }
}

/// A random text for states and identifiers: `bytes` random bytes in URL-safe base64.
pub fn random_text(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    fill(&mut random);
    URL_SAFE_NO_PAD.encode(random)
}

/// Random bytes of the system. Without them nothing here may go on: a predictable nonce or key would be worse.
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system has random numbers");
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const ROW: &str = "authorization/7/access_token/3";

    fn ring(keys: &[&Secret]) -> Sealer {
        let lines: Vec<&str> = keys.iter().map(|key| key.expose()).collect();
        Sealer::parse(&Secret::new(lines.join("\n"))).unwrap()
    }

    #[test]
    fn the_hash_of_a_password_tells_it_from_others() {
        let hash = Secret::new(hash_password(&Secret::new("correct horse")).unwrap());
        for (password, right) in [("correct horse", true), ("correct horsf", false)] {
            assert_eq!(is_password(&Secret::new(password), &hash), Ok(right), "{password}");
        }
        let text = is_password(&Secret::new("x"), &Secret::new("$argon2id$v=19$x")).unwrap_err();
        assert!(text.starts_with("the hash of the password cannot be read: "), "{text}");
    }

    #[test]
    fn what_was_sealed_opens_for_its_row_alone() {
        let sealer = ring(&[&Sealer::generate()]);
        let sealed = sealer.seal(&Secret::new("token-1"), ROW);
        assert_eq!(sealer.open(&sealed, ROW).unwrap().expose(), "token-1");
        for other in
            ["authorization/8/access_token/3", "authorization/7/refresh_token/3", "authorization/7/access_token/4", ""]
        {
            assert_eq!(sealer.open(&sealed, other).unwrap_err(), SealError::Forged, "{other}");
        }
    }

    #[test]
    fn any_changed_byte_keeps_it_shut() {
        let sealer = ring(&[&Sealer::generate()]);
        let sealed = sealer.seal(&Secret::new("token-1"), ROW);
        for place in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[place] ^= 1;
            assert!(sealer.open(&changed, ROW).is_err(), "byte {place}");
        }
        for length in 0..sealed.0.len() {
            assert!(sealer.open(&Sealed(sealed.0[..length].to_vec()), ROW).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn the_same_secret_never_looks_the_same_twice() {
        let sealer = ring(&[&Sealer::generate()]);
        let secret = Secret::new("token-1");
        assert_ne!(sealer.seal(&secret, ROW), sealer.seal(&secret, ROW));
    }

    #[test]
    fn an_old_key_of_the_ring_still_opens_and_the_first_one_seals() {
        let (old, new) = (Sealer::generate(), Sealer::generate());
        let sealed_before = ring(&[&old]).seal(&Secret::new("token-1"), ROW);
        let sealer = ring(&[&new, &old]);
        assert_eq!(sealer.open(&sealed_before, ROW).unwrap().expose(), "token-1");
        assert!(!sealer.is_current(&sealed_before));
        let sealed_now = sealer.seal(&Secret::new("token-1"), ROW);
        assert!(sealer.is_current(&sealed_now));
        assert_eq!(ring(&[&new]).open(&sealed_now, ROW).unwrap().expose(), "token-1");
    }

    #[test]
    fn a_key_that_is_not_in_the_ring_is_named() {
        let sealed = ring(&[&Sealer::generate()]).seal(&Secret::new("token-1"), ROW);
        let error = ring(&[&Sealer::generate()]).open(&sealed, ROW).unwrap_err();
        assert_eq!(error, SealError::UnknownKey(hex::encode(&sealed.0[1..5])));
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        let key = Sealer::generate();
        for text in ["", "\n", "secret", "shopsyncd-seal-1:", "shopsyncd-seal-1:abcd", &key.expose()[..80]] {
            assert!(matches!(Sealer::parse(&Secret::new(text)), Err(SealError::NotAKey)), "{text}");
        }
        let spaced = format!("\n  {}  \r\n\n", key.expose());
        assert!(Sealer::parse(&Secret::new(spaced)).is_ok());
    }

    #[test]
    fn no_secret_shows_when_printed_for_debugging() {
        let key = Sealer::generate();
        let sealer = ring(&[&key]);
        let secret = Secret::new("token-1");
        assert_eq!(format!("{secret:?} {sealer:?}"), "••• sealer(1 keys)");
        assert_eq!(format!("{:?}", sealer.seal(&secret, ROW)), "sealed(52 bytes)");
    }

    #[test]
    fn random_texts_are_long_and_differ() {
        assert_eq!(random_text(32).len(), 43);
        assert_ne!(random_text(16), random_text(16));
    }
}
