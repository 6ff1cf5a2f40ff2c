//! `password`: the hash of a password, for `web.password_hash`.

use std::io::{self, BufRead as _, IsTerminal as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::{Outcome, exit, open::Env, print};
use crate::{
    control::Refusal,
    secrets::{Secret, hash_password},
};

/// How many characters a password has at least.
const AT_LEAST: usize = 12;

pub(super) fn password(env: &Env) -> Outcome {
    let password = read().map_err(|error| Refusal::new(exit::FAILED, format!("cannot read a password: {error}")))??;
    if password.expose().is_empty() {
        return Err(Refusal::new(
            exit::USAGE,
            "the password is empty; type one, or give it as a line on standard input",
        ));
    }
    if password.expose().chars().count() < AT_LEAST {
        let text =
            format!("the password has fewer than {AT_LEAST} characters, so it may be guessed; choose a longer one");
        return Err(Refusal::new(exit::USAGE, text));
    }
    let hash = hash_password(&password).map_err(|error| Refusal::new(exit::FAILED, error))?;
    if env.json { print::json(&serde_json::json!({ "password_hash": hash })) } else { print::text(&hash) }
}

/// Twice without echo from a terminal, else one line of standard input.
fn read() -> io::Result<Result<Secret, Refusal>> {
    if !io::stdin().is_terminal() {
        return line().map(Ok);
    }
    let quiet = Quiet::begin()?;
    print::aside("password:");
    let first = line()?;
    print::aside("once more:");
    let second = line()?;
    drop(quiet);
    if first.expose() == second.expose() {
        return Ok(Ok(first));
    }
    Ok(Err(Refusal::new(exit::USAGE, "the two passwords are not the same; nothing was made of them")))
}

fn line() -> io::Result<Secret> {
    let mut text = String::new();
    io::stdin().lock().read_line(&mut text)?;
    let secret = Secret::new(text.trim_end_matches(['\r', '\n']));
    zeroize::Zeroize::zeroize(&mut text);
    Ok(secret)
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
