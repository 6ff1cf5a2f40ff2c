//! Mail: how a message leaves, and what it says.

use crate::domain::Failure;

/// Why a message did not leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct MailError {
    /// Whether the relay refused it for good.
    pub permanent: bool,
    /// What must happen next, where it is the relay itself.
    pub failure: Failure,
    /// The cause.
    pub text: String,
}
