//! Secrets in the settings: where they stand, and reading them from there.

use std::{os::unix::fs::PermissionsExt as _, path::PathBuf};

use figment::value::Value;

use super::{
    Severity, keys,
    load::ENVIRONMENT,
    section::{Item, Section},
};
use crate::secrets::Secret;

/// What a file's mode says of users who are neither its owner nor of its group.
const EVERYBODY: u32 = 0o007;

/// Reads a secret: `{ credential = "x" }`, `{ file = "…" }`, `{ env = "…" }`, or plain text, which is warned about.
/// `None`: it is not set, or not readable, which a finding says.
pub(super) fn secret(section: &Section<'_>, key: &str) -> Option<Secret> {
    let item = section.get(key)?;
    let plain = matches!(item.value, Value::String(..));
    if plain && item.book.layers.origin(&item.path).0.file.as_ref() != ENVIRONMENT {
        let remedy = format!("write `{key} = {{ credential = \"{}\" }}`, or `{{ file = \"…\" }}`", dashed(key));
        item.warning("the secret stands in the file for everybody to read", remedy);
    }
    anywhere(&item)
}

/// Reads a text that may stand elsewhere as secrets do, but need not.
pub(super) fn text_or_secret(section: &Section<'_>, key: &str) -> Option<Secret> {
    anywhere(&section.get(key)?)
}

/// Reads a file that is no secret but belongs to the settings as those do: when it changes, the settings do.
pub(super) fn public_file(
    section: &Section<'_>,
    key: &str,
    judge: impl FnOnce(&str) -> Result<(), String>,
) -> Option<String> {
    let item = section.get(key)?;
    let name = item.text("the path of a file")?;
    let (_, text) = read(&item, &name, "correct the path")?;
    if let Err(cause) = judge(&text) {
        item.error(format!("file `{name}`: {cause}"), "name another file, or write it there");
        return None;
    }
    Some(text)
}

fn dashed(key: &str) -> String {
    key.replace('_', "-")
}

fn anywhere(item: &Item<'_>) -> Option<Secret> {
    if !matches!(item.value, Value::Dict(..)) {
        let text = item.text("text, `{ credential = \"…\" }`, `{ file = \"…\" }` or `{ env = \"…\" }`")?;
        return filled(item, text, "the text");
    }
    let table = item.table()?;
    table.refuse_unknown(keys::SECRET.iter().copied());
    // A later layer that names another place replaces the earlier one, although their tables merge.
    let rank = |place: &str| item.book.layers.rank(&table.at(place));
    let named: Vec<&str> = keys::SECRET.iter().copied().filter(|place| table.get(place).is_some()).collect();
    let last = named.iter().filter_map(|place| rank(place)).max();
    let mut chosen = named.into_iter().filter(|place| rank(place) == last);
    match (chosen.next(), chosen.next()) {
        (Some(place), None) => {
            let name = table.text(place)?;
            match place {
                "credential" => credential(item, &name),
                "file" => file(item, &name),
                _ => variable(item, &name),
            }
        }
        (Some(_), Some(_)) => {
            item.error("the secret stands in two places", "name one of `credential`, `file` and `env`");
            None
        }
        (None, _) => {
            item.error("the secret stands nowhere", "name one of `credential`, `file` and `env`");
            None
        }
    }
}

/// What systemd handed over at start.
fn credential(item: &Item<'_>, name: &str) -> Option<Secret> {
    if name.is_empty() || name.contains('/') {
        item.error(
            format!("`{name}` is not the name of a credential"),
            "write a plain name, as in LoadCredential=NAME:PATH",
        );
        return None;
    }
    let Some(folder) = item.book.env.get("CREDENTIALS_DIRECTORY") else {
        // A unit that hands nothing over has no such folder.
        if item.book.env.serving && item.book.env.get("INVOCATION_ID").is_some() {
            let remedy =
                format!("add `LoadCredential={name}:PATH` to the unit (`systemctl edit shopsyncd`) and start it again");
            item.error(format!("credential `{name}`: the unit hands none of that name over"), remedy);
            return None;
        }
        item.book.credentials.borrow_mut().insert(item.path.join("."), name.to_owned());
        let cause = format!("credential `{name}` is not readable from here: systemd hands it to the service only");
        unreadable(item, cause, "start the daemon by its systemd unit, or use `{ file = \"…\" }`");
        return None;
    };
    let path = PathBuf::from(folder).join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => filled(item, text, &format!("credential `{name}`")),
        Err(error) => {
            let remedy = format!("add `LoadCredential={name}:PATH` to the unit and restart it");
            item.error(format!("credential `{name}` cannot be read: {error}"), remedy);
            None
        }
    }
}

/// A file, beside the main file if its path is relative.
fn file(item: &Item<'_>, name: &str) -> Option<Secret> {
    let (path, text) = read(item, name, "write the secret there, or correct the path")?;
    if std::fs::metadata(&path).is_ok_and(|file| file.permissions().mode() & EVERYBODY != 0) {
        let cause = format!("file `{name}` is open to every user of this machine");
        item.warning(cause, format!("`chmod o= {}`", path.display()));
    }
    filled(item, text, &format!("file `{name}`"))
}

/// A file that is watched from now on, and what stands in it.
fn read(item: &Item<'_>, name: &str, remedy: &str) -> Option<(PathBuf, String)> {
    let path = item.book.layers.folder.join(name);
    item.book.secret_files.borrow_mut().push(path.clone());
    match std::fs::read_to_string(&path) {
        Ok(text) => Some((path, text)),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            // Whoever looks may well be another user than the daemon's.
            let cause = format!("file `{name}` is not readable as this user: {error}");
            let remedy = if item.book.env.serving {
                "let this user read it"
            } else {
                "the daemon must be able to: `run` as this user would refuse these settings"
            };
            unreadable(item, cause, remedy);
            None
        }
        Err(error) => {
            item.error(format!("file `{name}` cannot be read: {error}"), remedy);
            None
        }
    }
}

fn variable(item: &Item<'_>, name: &str) -> Option<Secret> {
    if let Some(text) = item.book.env.get(name) {
        return filled(item, text.to_owned(), &format!("variable `{name}`"));
    }
    unreadable(item, format!("variable `{name}` is not set here"), "set it in the daemon's environment");
    None
}

/// A secret that may well be readable by the daemon itself.
fn unreadable(item: &Item<'_>, cause: String, remedy: &str) {
    let severity = if item.book.env.serving { Severity::Error } else { Severity::Note };
    item.book.unread.borrow_mut().insert(item.path.join("."));
    item.book.find(&item.path, severity, cause, remedy);
}

fn filled(item: &Item<'_>, text: String, place: &str) -> Option<Secret> {
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        item.error(format!("{place} is empty"), "write the secret there");
        return None;
    }
    Some(Secret::new(text))
}
