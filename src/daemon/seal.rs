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
    let sealer = ring(config, store).await?;
    let mut tx = store.read(Clock::system().now()).await?;
    let mut after = AuthorizationId(0);
    loop {
        let rows = tx.authorizations_sealed_after(after, CHUNK).await?;
        let Some((last, _)) = rows.last() else { return Ok(sealer) };
        after = *last;
        for sealed in rows.iter().flat_map(|(_, tokens)| tokens.sealed()) {
            sealer.check_known(sealed)?;
        }
    }
}

/// The configured one; on SQLite else the one in the state folder, made at the first start while
/// nothing is sealed yet.
async fn ring(config: &Config, store: &Store) -> Result<Sealer, StartError> {
    if let Some(key) = &config.seal_key {
        return Ok(Sealer::parse(key)?);
    }
    let path = config.state_dir.join(KEY_FILE);
    let fail = |what: &str, cause| StartError::Io { what: format!("{what} {}", path.display()), cause };
    match fs::read_to_string(&path) {
        Ok(text) => return Ok(Sealer::parse(&Secret::new(text))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fail("cannot read the seal key", error)),
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
    let key = Sealer::generate();
    write_new(&path, &key).map_err(|error| fail("cannot write the seal key", error))?;
    Ok(Sealer::parse(&key)?)
}

/// Durable before it is used: tokens sealed with a key that a power cut takes away are lost.
fn write_new(path: &Path, key: &Secret) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", key.expose())?;
    file.sync_all()?;
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
