//! Peers: programs that nobody here wrote judge ours. `tests/needs.sh test` installs them, `tests/peers` has what starts them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use crate::{tree::project, world::must_not_be_left_out};

mod between;
mod market;
mod oauth;
mod owner;
mod server;

/// A file of `tests/peers`.
fn file(name: &str) -> PathBuf {
    project().join("tests/peers").join(name)
}

/// Whether a peer is installed here. Otherwise its test is left out, and says so.
fn is_installed(peer: &str, place: &str) -> bool {
    let found = file(place).exists();
    if !found {
        must_not_be_left_out(peer, "it is not installed; run `tests/needs.sh test`");
        tell(&format!("{peer} judges nothing here: it is not installed; run `tests/needs.sh test`"));
    }
    found
}

#[expect(clippy::print_stdout, reason = "what is left out belongs to the result")]
fn tell(what: &str) {
    println!("peers: {what}");
}
