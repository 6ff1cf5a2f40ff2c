//! The time-limited right to do something.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One life of one daemon. A restart is another instance, even on the same machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub String);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Who takes leases: the instance that is alive now.
pub type Holder = InstanceId;

/// Proof of holding a named right. Methods that may only be called by its holder demand one; its number fences: it only
/// ever grows, and whatever a former holder still tries to write carries an old number and is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What is held, for example `authorization/7`.
    pub name: String,
    /// Who holds it.
    pub holder: Holder,
    /// The fencing number.
    pub number: i64,
}
