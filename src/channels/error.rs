//! What can go wrong with a call: sorted by what must happen next.

use crate::domain::Failure;

/// An error of a channel call: what must happen next, the cause, and the channel's request id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ChannelError {
    /// What must happen next.
    pub failure: Failure,
    /// The thing and the cause, lower case, without secrets.
    pub text: String,
    /// What to do; empty where nothing has to be done.
    pub remedy: String,
    /// The channel's request id.
    pub request_id: Option<String>,
    /// Whether the channel did what it was asked.
    pub acted: Acted,
}

/// What is known, after an error, of whether the channel did what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acted {
    /// Certainly not: it refused before acting, or was never reached.
    No,
    /// It answered, but with nothing that tells: an outage, or words that nobody knows.
    Unclear,
    /// Its answer was lost on the way, or never came.
    Unheard,
}

impl ChannelError {
    /// Whether the channel certainly did not act on the call.
    pub fn not_acted(&self) -> bool {
        self.acted == Acted::No
    }

    /// A call that must not happen.
    pub fn bug(text: &str) -> Self {
        Self {
            failure: Failure::Bug,
            text: text.to_owned(),
            remedy: "report this".to_owned(),
            request_id: None,
            acted: Acted::No,
        }
    }
}
