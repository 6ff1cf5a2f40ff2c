//! States of authorizations under way: single use, thirty minutes, bound to a shop and a browser.

use jiff::Timestamp;

use super::{StoreError, Tx};
use crate::domain::ShopId;

impl Tx {
    /// Keeps a state by its hash. `browser`: hash of the browser's cookie, empty for the command line.
    pub async fn put_state(&mut self, hash: &str, shop: &ShopId, browser: &str) -> Result<(), StoreError> {
        todo!()
    }

    /// Uses a state up: the shop and browser it is bound to, if it was made after `not_before` and never used.
    pub async fn use_state(
        &mut self,
        hash: &str,
        not_before: Timestamp,
    ) -> Result<Option<(ShopId, String)>, StoreError> {
        todo!()
    }

    /// Deletes states made before `cutoff`.
    pub async fn prune_states(&mut self, cutoff: Timestamp) -> Result<u64, StoreError> {
        todo!()
    }
}
