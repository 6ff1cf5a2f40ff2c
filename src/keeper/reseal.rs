//! Sealing everything anew with the first key of the ring, a row at a time: it may be interrupted and begun again.

use super::{KeeperError, TokenKeeper};
use crate::{crash, domain::AuthorizationId, secrets::Sealed, store::SealedTokens};

/// How many rows are looked at in one transaction.
const CHUNK: u32 = 100;

impl TokenKeeper {
    /// Seals with the ring's first key whatever is sealed with another. Returns how many authorizations were, and
    /// how many there are. A row that a refresh replaces meanwhile is sealed with the first key already.
    pub async fn reseal(&self) -> Result<(u64, u64), KeeperError> {
        let (mut after, mut resealed, mut all) = (AuthorizationId(0), 0, 0);
        loop {
            let mut tx = self.0.store.write(self.0.clock.now()).await?;
            let rows = tx.authorizations_sealed_after(after, CHUNK).await?;
            let Some((last, _)) = rows.last() else { return Ok((resealed, all)) };
            after = *last;
            all += rows.len() as u64;
            for (id, tokens) in rows {
                if let Some(sealed) = self.sealed_anew(id, &tokens)? {
                    resealed += u64::from(tx.put_sealed(id, tokens.generation, &sealed).await?);
                }
            }
            crash::point("reseal.before_commit");
            tx.commit().await?;
            crash::point("reseal.after_commit");
        }
    }

    /// Which key seals: the beginning of its hash, which tells nothing of the key.
    pub fn seal_key_id(&self) -> String {
        self.0.sealer.key_id()
    }

    /// The same tokens sealed with the first key; `None` where they are already.
    fn sealed_anew(&self, id: AuthorizationId, tokens: &SealedTokens) -> Result<Option<SealedTokens>, KeeperError> {
        if tokens.sealed().all(|sealed| self.0.sealer.is_current(sealed)) {
            return Ok(None);
        }
        let anew = |sealed: &Sealed, column: &str, generation: i64| {
            let row = format!("authorization/{id}/{column}/{generation}");
            let open = self.0.sealer.open(sealed, &row);
            let open = open.map_err(|error| KeeperError::Bug(format!("{row} cannot be opened: {error}")))?;
            Ok::<_, KeeperError>(self.0.sealer.seal(&open, &row))
        };
        let generation = tokens.generation;
        Ok(Some(SealedTokens {
            generation,
            access_token: anew(&tokens.access_token, "access_token", generation)?,
            refresh_token: tokens
                .refresh_token
                .as_ref()
                .map(|sealed| anew(sealed, "refresh_token", generation))
                .transpose()?,
            previous_refresh_token: tokens
                .previous_refresh_token
                .as_ref()
                .map(|sealed| anew(sealed, "refresh_token", generation - 1))
                .transpose()?,
        }))
    }
}
