//! The state folder and the key that seals tokens at rest.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use super::StartError;
use crate::{
    clock::Clock,
    config::Config,
    domain::AuthorizationId,
    secrets::{Sealer, Secret},
    store::Store,
};

/// The key's file in the state folder, where none is configured.
const KEY_FILE: &str = "seal-key";
/// How many authorizations are looked at together.
const CHUNK: u32 = 1_000;

/// Makes the state folder (0700) where it is missing.
pub(super) fn make_state_dir(path: &Path) -> Result<(), StartError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|cause| StartError::Io { what: format!("cannot make state_dir {}", path.display()), cause })
}

/// The ring of keys, which opens everything that is sealed: tokens that cannot be opened would be noticed by their shops one by one.
pub(super) async fn sealer(config: &Config, store: &Store) -> Result<Sealer, StartError> {
    let sealer = match known_ring(config, store).await? {
        Some(sealer) => sealer,
        None => found(config)?,
    };
    opens_all(&sealer, store).await?;
    Ok(sealer)
}

/// What a start would say of the keys against what is sealed; nothing is made.
pub(crate) async fn judge(config: &Config, store: &Store) -> Result<(), StartError> {
    match known_ring(config, store).await? {
        Some(sealer) => opens_all(&sealer, store).await,
        None => Ok(()),
    }
}

async fn opens_all(sealer: &Sealer, store: &Store) -> Result<(), StartError> {
    let mut tx = store.read(Clock::system().now()).await?;
    let mut after = AuthorizationId(0);
    loop {
        let rows = tx.authorizations_sealed_after(after, CHUNK).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = *last;
        for sealed in rows.iter().flat_map(|(_, tokens)| tokens.sealed()) {
            sealer.check_known(sealed)?;
        }
    }
}

/// The configured one, else the one in the state folder; `None`: there is none, and nothing is sealed yet.
async fn known_ring(config: &Config, store: &Store) -> Result<Option<Sealer>, StartError> {
    if let Some(key) = &config.seal_key {
        return Ok(Some(Sealer::parse(key)?));
    }
    let path = config.state_dir.join(KEY_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => return Ok(Some(Sealer::parse(&Secret::new(text))?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(cause) => {
            return Err(StartError::Io { what: format!("cannot read the seal key {}", path.display()), cause });
        }
    }
    if store.is_postgres() {
        return Err(StartError::Settings("seal_key: on PostgreSQL it must be set, the same on all instances; make one with `shopsyncd keys generate`".into()));
    }
    let sealed = store.read(Clock::system().now()).await?.authorizations().await?;
    if !sealed.is_empty() {
        let text = format!(
            "seal_key: {} is gone, but {} authorizations are sealed with it; put it back from the backup",
            path.display(),
            sealed.len()
        );
        return Err(StartError::Settings(text));
    }
    Ok(None)
}

/// Makes the key in the state folder: SQLite alone, at the first start.
fn found(config: &Config) -> Result<Sealer, StartError> {
    let path = config.state_dir.join(KEY_FILE);
    let key = Sealer::generate();
    let written = write_new(&path, &key);
    written.map_err(|cause| StartError::Io { what: format!("cannot write the seal key {}", path.display()), cause })?;
    Ok(Sealer::parse(&key)?)
}

/// Durable before it is used: tokens sealed with a key that a power cut takes away are lost. There as a whole or not at all: a start that
/// a full disk cut off is tried again.
fn write_new(path: &Path, key: &Secret) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    writeln!(file, "{}", key.expose())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
