//! The journal: what happened, told to people.

use jiff::Timestamp;

use super::{StoreError, Tx};
use crate::domain::ShopId;

impl Tx {
    /// Writes a line: who (`daemon`, `owner`, `operator`), a stable event name, and words.
    pub async fn note(&mut self, who: &str, event: &str, shop: Option<&ShopId>, text: &str) -> Result<(), StoreError> {
        todo!()
    }

    /// Lines, newest first: (at, who, event, shop, text).
    pub async fn journal(
        &mut self,
        shop: Option<&ShopId>,
        limit: u32,
    ) -> Result<Vec<(Timestamp, String, String, Option<ShopId>, String)>, StoreError> {
        todo!()
    }

    /// Deletes lines older than `cutoff`.
    pub async fn prune_journal(&mut self, cutoff: Timestamp) -> Result<u64, StoreError> {
        todo!()
    }
}
