//! Where each import stands: the pass under way, or the last one.

use super::{StoreError, Tx};
use crate::domain::{Cursor, Pass, PassKind, ShopId};

impl Tx {
    /// The pass under way, if one is.
    pub async fn open_pass(&mut self, shop: &ShopId) -> Result<Option<Pass>, StoreError> {
        todo!()
    }

    /// The last pass of a kind that ended, and what the next pass of changes starts from (`resume` of the newest ended pass of any kind).
    pub async fn last_pass(&mut self, shop: &ShopId, kind: PassKind) -> Result<Option<Pass>, StoreError> {
        todo!()
    }

    /// What the next pass of changes starts from.
    pub async fn resume_cursor(&mut self, shop: &ShopId) -> Result<Option<Cursor>, StoreError> {
        todo!()
    }

    /// Begins a pass at `now`; its number is one more than the last. An open pass is abandoned (deleted with its chunks).
    pub async fn begin_pass(&mut self, shop: &ShopId, kind: PassKind) -> Result<Pass, StoreError> {
        todo!()
    }

    /// Moves the open pass on, in the transaction that stores its page.
    pub async fn move_pass(&mut self, shop: &ShopId, number: i64, cursor: &Cursor) -> Result<(), StoreError> {
        todo!()
    }

    /// Ends the open pass at `now`. Older ended passes of the same kind go.
    pub async fn end_pass(&mut self, shop: &ShopId, number: i64, resume: Option<&Cursor>) -> Result<(), StoreError> {
        todo!()
    }

    /// Forgets every pass of a shop: the next import is complete.
    pub async fn forget_passes(&mut self, shop: &ShopId) -> Result<(), StoreError> {
        todo!()
    }
}
