//! Listings: what each shop was last seen to have, what is wanted there, and the complaints.

use jiff::Timestamp;

use super::{StoreError, Tx};
use crate::domain::{Complaint, Counts, Currency, JobKind, Listing, RunId, ShopId, Sku, Values};

/// A listing as a page or an accepted change has it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenListing {
    /// The listing.
    pub listing: Listing,
    /// [`Listing::content_hash`].
    pub hash: String,
    /// [`Values::hash`] of its values in the shop's chosen fields.
    pub seen_hash: String,
}

/// What is wanted of one SKU.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedRow {
    /// The SKU.
    pub sku: Sku,
    /// The values; `None`: nothing is wanted any more.
    pub wanted: Option<Values>,
}

/// A listing as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredListing {
    /// The SKU.
    pub sku: Sku,
    /// As last seen; `None` while only wanted.
    pub listing: Option<Listing>,
    /// As the source wants it.
    pub wanted: Option<Values>,
    /// Whether a complete pass no longer found it.
    pub gone: bool,
    /// Whether the shop refused just this difference before.
    pub refused: bool,
}

/// A listing that differs from what is wanted.
pub type Difference = StoredListing;

impl Tx {
    /// Stores a page read by a pass that started at `pass_started_at`. Unchanged listings are not written; one for which the shop
    /// accepted a change after the pass started is left alone; one that was gone comes back. Counts `seen`, `changed`, `unchanged`.
    pub async fn put_listings(
        &mut self,
        shop: &ShopId,
        page: &[SeenListing],
        pass_started_at: Timestamp,
    ) -> Result<Counts, StoreError> {
        todo!()
    }

    /// Stores listings as they stand after accepted changes: they count as seen at `now`.
    pub async fn put_accepted(&mut self, shop: &ShopId, accepted: &[SeenListing]) -> Result<(), StoreError> {
        todo!()
    }

    /// Marks differences that the shop refused: not listed again by `differences` until what is wanted or seen changes.
    pub async fn put_refused(&mut self, shop: &ShopId, skus: &[Sku]) -> Result<(), StoreError> {
        todo!()
    }

    /// Forgets which differences were refused: at the end of a complete pass, or when a person asks for a run.
    pub async fn retry_refused(&mut self, shop: &ShopId) -> Result<(), StoreError> {
        todo!()
    }

    /// Notes the SKUs that a page of pass `number` had, as one chunk.
    pub async fn note_seen(&mut self, shop: &ShopId, number: i64, chunk: i64, skus: &[Sku]) -> Result<(), StoreError> {
        todo!()
    }

    /// Marks the listings that the complete pass `number` did not see as gone (but for those accepted after it started), and deletes its chunks. Returns how many.
    pub async fn drop_unseen_listings(
        &mut self,
        shop: &ShopId,
        number: i64,
        pass_started_at: Timestamp,
    ) -> Result<u64, StoreError> {
        todo!()
    }

    /// Writes what is wanted of SKUs. Rows that are neither seen nor wanted go.
    pub async fn put_wanted(&mut self, shop: &ShopId, rows: &[WantedRow]) -> Result<(), StoreError> {
        todo!()
    }

    /// Recomputes every `seen_hash` of a shop after its chosen fields changed: reads listings after `after`, at most
    /// `limit`, for the caller to hash; see `put_seen_hashes`.
    pub async fn listings(
        &mut self,
        shop: &ShopId,
        after: Option<&Sku>,
        limit: u32,
    ) -> Result<Vec<StoredListing>, StoreError> {
        todo!()
    }

    /// Writes `seen_hash` of listings.
    pub async fn put_seen_hashes(&mut self, shop: &ShopId, hashes: &[(Sku, String)]) -> Result<(), StoreError> {
        todo!()
    }

    /// Listings of a shop for these SKUs, with their currency known: for computing what is wanted.
    pub async fn listings_of(&mut self, shop: &ShopId, skus: &[Sku]) -> Result<Vec<StoredListing>, StoreError> {
        todo!()
    }

    /// The currency most listings of a shop are priced in.
    pub async fn usual_currency(&mut self, shop: &ShopId) -> Result<Option<Currency>, StoreError> {
        todo!()
    }

    /// Listings whose wanted values differ from the seen ones and that were not refused as they stand, by SKU after
    /// `after`, at most `limit`. Gone ones are not among them; those to be created are.
    pub async fn differences(
        &mut self,
        shop: &ShopId,
        after: Option<&Sku>,
        limit: u32,
    ) -> Result<Vec<Difference>, StoreError> {
        todo!()
    }

    /// How many listings of a shop are there (not gone).
    pub async fn live_listings(&mut self, shop: &ShopId) -> Result<u64, StoreError> {
        todo!()
    }

    /// How a SKU stands in every shop, in order of shop.
    pub async fn listings_by_sku(&mut self, sku: &Sku) -> Result<Vec<(ShopId, StoredListing)>, StoreError> {
        todo!()
    }

    /// SKUs of a shop's live listings that the source does not know, in order, at most `limit`.
    pub async fn unknown_to_source(&mut self, shop: &ShopId, limit: u32) -> Result<Vec<Sku>, StoreError> {
        todo!()
    }

    /// Keeps complaints of a run: equal ones keep their `since`.
    pub async fn put_complaints(
        &mut self,
        shop: &ShopId,
        job: JobKind,
        run: RunId,
        complaints: &[Complaint],
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Resolves the complaints about SKUs.
    pub async fn resolve_complaints(&mut self, shop: &ShopId, job: JobKind, skus: &[String]) -> Result<(), StoreError> {
        todo!()
    }

    /// Resolves the complaints of a job that run `run` did not repeat: at the end of a complete pass.
    pub async fn resolve_complaints_before(
        &mut self,
        shop: &ShopId,
        job: JobKind,
        run: RunId,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Standing complaints of a shop (or all), with the job, since when, and the run that last said so.
    pub async fn complaints(
        &mut self,
        shop: Option<&ShopId>,
    ) -> Result<Vec<(ShopId, JobKind, Complaint, Timestamp, RunId)>, StoreError> {
        todo!()
    }
}
