//! Products and variants of the source.

use super::{StoreError, Tx};
use crate::domain::{Counts, Product, Sku, Variant};

/// A variant with its product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVariant {
    /// The product.
    pub product: Product,
    /// The variant.
    pub variant: Variant,
    /// The revision at which it last changed.
    pub revision: i64,
    /// Whether the source dropped it.
    pub gone: bool,
}

impl Tx {
    /// Stores a page of the source: products and variants that differ get the next revision, unchanged ones are not
    /// written. Counts `seen`, `changed`, `unchanged`.
    pub async fn put_variants(&mut self, page: &[(Product, Variant)]) -> Result<Counts, StoreError> {
        todo!()
    }

    /// Marks the variants that the complete pass `number` of the source `shop` did not see as gone (see `note_seen`).
    /// Returns how many.
    pub async fn drop_unseen_variants(&mut self, shop: &crate::domain::ShopId, number: i64) -> Result<u64, StoreError> {
        todo!()
    }

    /// The newest revision.
    pub async fn variants_revision(&mut self) -> Result<i64, StoreError> {
        todo!()
    }

    /// Variants changed after `revision`, by SKU after `after`, at most `limit`: for computing what is wanted.
    pub async fn variants_since(
        &mut self,
        revision: i64,
        after: Option<&Sku>,
        limit: u32,
    ) -> Result<Vec<StoredVariant>, StoreError> {
        todo!()
    }

    /// One variant.
    pub async fn variant(&mut self, sku: &Sku) -> Result<Option<StoredVariant>, StoreError> {
        todo!()
    }

    /// Variants that are there, in order of product and SKU, after `after`, at most `limit`.
    pub async fn variants(&mut self, after: Option<&Sku>, limit: u32) -> Result<Vec<StoredVariant>, StoreError> {
        todo!()
    }
}
