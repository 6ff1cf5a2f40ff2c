//! Which database the daemon of a state folder serves, left in the folder for commands, which need not be called as the daemon is: where
//! they are given another database, an answer from that would be told as if it were the daemon's.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use super::open::{Place, place};

/// The word's file in the state folder.
const FILE: &str = "serving";

/// Leaves word that the daemon of `state_dir` serves the database that `url` names.
pub fn leave_word(url: &str, state_dir: &Path) -> io::Result<()> {
    let Some(named) = described(url, state_dir) else { return Ok(()) };
    let file = state_dir.join(FILE);
    if fs::read_to_string(&file).is_ok_and(|left| left.trim_end() == named) {
        return Ok(());
    }
    let mut draft = tempfile::NamedTempFile::new_in(state_dir)?;
    writeln!(draft, "{named}")?;
    draft.persist(file).map(drop).map_err(|error| error.error)
}

/// What the daemon of `state_dir` serves, and what `url` names, where these differ. `None` also where no word was left, or not for this
/// user.
pub fn served_instead(url: &str, state_dir: &Path) -> Option<[String; 2]> {
    let served = fs::read_to_string(state_dir.join(FILE)).ok()?.trim_end().to_owned();
    let named = described(url, state_dir)?;
    (!served.is_empty() && served != named).then_some([served, named])
}

/// The place that an address names, the same for whoever asks, with whatever password, and by whatever links it is reached. A file in the
/// state folder is told by its place there: the folder may be moved.
fn described(url: &str, state_dir: &Path) -> Option<String> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match place(url, state_dir).ok()? {
        Place::File(file) => {
            let (file, state_dir) = (real(&file), real(state_dir));
            Some(format!("sqlite:{}", file.strip_prefix(state_dir).unwrap_or(&file).display()))
        }
        Place::Server(options) => {
            let host =
                options.get_socket().map_or_else(|| options.get_host().to_owned(), |it| it.display().to_string());
            let name = options.get_database().unwrap_or_else(|| options.get_username());
            let further = options.get_options().map(|options| format!(" with {options}")).unwrap_or_default();
            Some(format!("postgres: {name} at {host}:{}{further}", options.get_port()))
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn another_database_is_told_from_the_same_one_by_other_words() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        fs::create_dir(&state).unwrap();
        fs::write(state.join("shops.db"), "").unwrap();
        std::os::unix::fs::symlink(&state, folder.path().join("link")).unwrap();
        let absolute = format!("sqlite:{}/link/shops.db", folder.path().display());
        let elsewhere = format!("sqlite:{}/shops.db", folder.path().display());
        for url in ["sqlite:shops.db", "postgres://ann@db/shops", absolute.as_str()] {
            assert_eq!(served_instead(url, &state), None, "nobody has left word");
        }
        let one = ["sqlite:shops.db", "sqlite://shops.db", "sqlite:../state/shops.db", absolute.as_str()];
        let other = [
            "postgres://ann:hush@db/shops",
            "postgres://ben:other@db:5432/shops?sslmode=require",
            "postgresql://db:5432/shops?user=ann&password=hush",
        ];
        let third = ["postgres://ann@db/shops?options=-c%20search_path%3Dother"];
        let fourth = ["postgres://ann@db/other"];
        let places = [&one[..], &other, &third, &fourth, &[elsewhere.as_str()]];
        for (index, served) in places.iter().enumerate() {
            for by in *served {
                leave_word(by, &state).unwrap();
                for (other, names) in places.iter().enumerate() {
                    for url in *names {
                        let told = served_instead(url, &state);
                        assert_eq!(told.is_some(), index != other, "{by} and {url}: {told:?}");
                        assert!(!format!("{told:?}").contains("hush"), "{told:?}");
                    }
                }
            }
        }
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(state.join(FILE)).unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "it is for its owner's eyes alone");
    }
}
