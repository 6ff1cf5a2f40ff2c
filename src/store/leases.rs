//! Instances, their beats, and named leases.

use super::{StoreError, Tx};
use crate::domain::{Holder, InstanceId, Lease};

/// An instance as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    /// Its id.
    pub id: InstanceId,
    /// The program's version.
    pub version: String,
    /// When it started.
    pub started_at: jiff::Timestamp,
    /// Grows while it lives.
    pub beat: i64,
    /// The settings it serves.
    pub settings_digest: String,
    /// Whether it stands by, because its settings differ from the accepted ones.
    pub standing_by: bool,
}

impl Tx {
    /// Records a new instance.
    pub async fn add_instance(&mut self, instance: &InstanceRow) -> Result<(), StoreError> {
        todo!()
    }

    /// Moves an instance's beat on. `false`: somebody has declared it dead; it must stop working.
    pub async fn beat(&mut self, id: &InstanceId) -> Result<bool, StoreError> {
        todo!()
    }

    /// Updates what an instance says of its settings.
    pub async fn set_instance_settings(
        &mut self,
        id: &InstanceId,
        digest: &str,
        standing_by: bool,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// All recorded instances.
    pub async fn instances(&mut self) -> Result<Vec<InstanceRow>, StoreError> {
        todo!()
    }

    /// Removes an instance that has stopped (or is dead): its runs become available, its leases end at once.
    pub async fn remove_instance(&mut self, id: &InstanceId) -> Result<(), StoreError> {
        todo!()
    }

    /// Takes a named lease: free ones, and those of holders that are no longer recorded. `cover_ms`: how long it outlives
    /// a holder that dies. `None`: another holds it.
    pub async fn take_lease(
        &mut self,
        name: &str,
        holder: &Holder,
        cover_ms: i64,
    ) -> Result<Option<Lease>, StoreError> {
        todo!()
    }

    /// Whether a lease still stands. Locks its row for this transaction.
    pub async fn holds_lease(&mut self, lease: &Lease) -> Result<bool, StoreError> {
        todo!()
    }

    /// Gives a lease back. Does nothing if it no longer stands.
    pub async fn give_back(&mut self, lease: &Lease) -> Result<(), StoreError> {
        todo!()
    }

    /// A fact about the database.
    pub async fn fact(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        todo!()
    }

    /// Writes a fact about the database.
    pub async fn set_fact(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        todo!()
    }
}
