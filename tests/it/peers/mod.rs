//! Peers: programs that nobody here wrote judge ours. `tests/needs.sh test` installs them, `tests/peers` has what starts them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{env, path::PathBuf};

use crate::{tree::project, world::must_not_be_left_out};

mod amazon;
mod browser;
mod delivery;
mod exim;
mod ladder;
mod mails;
mod market;
mod metrics;
mod models;
mod oauth;
mod owner;
mod pages;
mod relay;
mod server;
mod smtp;

/// A file of `tests/peers`.
fn file(name: &str) -> PathBuf {
    project().join("tests/peers").join(name)
}

/// Whether a peer is installed here. Otherwise its test is left out.
fn is_installed(peer: &str, place: &str) -> bool {
    let found = file(place).exists();
    if !found {
        left_out(peer);
    }
    found
}

/// Whether a program of the system is here. Otherwise its test is left out.
fn is_here(program: &str) -> bool {
    let found = env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|at| at.join(program).exists()));
    if !found {
        left_out(program);
    }
    found
}

/// A peer that is not here judges nothing, and its test says so; where everything is tested, that is a failure.
#[expect(clippy::print_stdout, reason = "what is left out belongs to the result")]
fn left_out(peer: &str) {
    let why = "it is not installed; run `tests/needs.sh test`";
    must_not_be_left_out(peer, why);
    println!("peers: {peer} judges nothing here: {why}");
}
