//! How many passwords are looked at: few wrong ones of each sender, so that nobody guesses for long and nobody shuts out
//! others; and few at once, because each takes memory and time.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use tokio::sync::Semaphore;

use crate::{
    clock::Clock,
    secrets::{Secret, is_password, random_text},
};

/// How many wrong passwords of one sender are looked at within [`WINDOW`].
const MOST_FAILURES: usize = 10;
/// See [`MOST_FAILURES`].
const WINDOW: SignedDuration = SignedDuration::from_mins(1);
/// How many passwords are looked at at once, whoever sends them.
const LOOKS_AT_ONCE: usize = 2;

/// Who sends a password.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Sender {
    /// A browser in which somebody signed in before. Behind a proxy all others come from one address: guesses there do not
    /// shut it out.
    Known(String),
    /// Everybody else at an address.
    At(IpAddr),
}

impl Sender {
    /// By the browser's mark, if it carries one that is ours, else by its address.
    pub(super) fn of(mark: Option<String>, address: IpAddr, hash: &Secret) -> Self {
        mark.filter(|mark| is_ours(mark, hash)).map_or_else(|| Self::At(network(address)), Self::Known)
    }
}

/// Whoever has an address of IPv6 has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address @ IpAddr::V4(_) => address,
    }
}

/// A mark for a browser in which somebody has signed in. Nobody makes one without the password's hash, and it ends with it.
pub(super) fn new_mark(hash: &Secret) -> String {
    let id = random_text(16);
    let proof = hex::encode(proof(&id, hash).finalize().into_bytes());
    format!("{id}.{proof}")
}

fn is_ours(mark: &str, hash: &Secret) -> bool {
    let Some((id, told)) = mark.split_once('.') else { return false };
    hex::decode(told).is_ok_and(|told| proof(id, hash).verify_slice(&told).is_ok())
}

fn proof(id: &str, hash: &Secret) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(hash.expose().as_bytes()).expect("a key of any length is taken");
    mac.update(b"shopsyncd browser ");
    mac.update(id.as_bytes());
    mac
}

/// What a password came to.
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Not looked at; again after so many seconds.
    Later(i64),
    /// The hash in the settings cannot be read.
    NoHash,
}

/// When passwords were wrong of late, and whose.
#[derive(Clone)]
pub(super) struct Failures {
    of: Arc<Mutex<HashMap<Sender, VecDeque<Timestamp>>>>,
    turns: Arc<Semaphore>,
}

impl Default for Failures {
    fn default() -> Self {
        Self { of: Arc::default(), turns: Arc::new(Semaphore::new(LOOKS_AT_ONCE)) }
    }
}

impl Failures {
    pub(super) async fn judge(&self, clock: &Clock, sender: Sender, password: Secret, hash: Secret) -> Verdict {
        let turn = Arc::clone(&self.turns).acquire_owned().await.expect("nobody closes it");
        let now = clock.now();
        let so_many = match self.count(&sender, now) {
            Ok(so_many) => so_many,
            Err(seconds) => return Verdict::Later(seconds),
        };
        // Whoever does not wait for the answer neither undoes the count nor lets the next one in early.
        let failures = self.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let (verdict, why) = match is_password(&password, &hash) {
                Ok(false) if so_many < MOST_FAILURES => (Verdict::Wrong, "wrong password".to_owned()),
                Ok(false) => {
                    let why =
                        "wrong password; there were so many that no other of this sender is looked at for a while";
                    (Verdict::Wrong, why.to_owned())
                }
                Ok(true) => {
                    failures.take_back(&sender, now);
                    return Verdict::Right;
                }
                Err(why) => (Verdict::NoHash, why),
            };
            drop(turn);
            tracing::warn!(event = "page.sign_in_refused", "nobody was signed in on the page: {why}");
            verdict
        });
        looking.await.unwrap_or(Verdict::Wrong)
    }

    /// Counts a password as wrong before it is looked at: how many that makes, or how many seconds are to be waited. There
    /// are never more senders in here than passwords were looked at within [`WINDOW`].
    fn count(&self, sender: &Sender, now: Timestamp) -> Result<usize, i64> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        of.retain(|_, failures| {
            // What lies ahead was noted before the clock was set back.
            failures.retain(|at| *at <= now && now < *at + WINDOW);
            !failures.is_empty()
        });
        let failures = of.entry(sender.clone()).or_default();
        if failures.len() >= MOST_FAILURES {
            return Err((failures[0] + WINDOW).duration_since(now).as_secs() + 1);
        }
        failures.push_back(now);
        Ok(failures.len())
    }

    fn take_back(&self, sender: &Sender, counted: Timestamp) {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failures) = of.get_mut(sender) else { return };
        if let Some(at) = failures.iter().rposition(|at| *at == counted) {
            failures.remove(at);
        }
    }
}
