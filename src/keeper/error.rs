//! Why no token can be had, sorted by what must happen next.

use crate::{
    channels::ChannelError,
    domain::{ErrorKind, Failure, Hold, RunError, ShopId},
    secrets::SealError,
    store::StoreError,
};

/// Why the keeper does not hand out a token, or a call with one failed.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The shop does not stand in the settings.
    #[error("shop `{0}` is not in the settings")]
    UnknownShop(ShopId),
    /// Something must happen first. No call was made.
    #[error("shop `{shop}`: {text}")]
    Held {
        /// The shop.
        shop: ShopId,
        /// What holds it.
        hold: Hold,
        /// The cause.
        text: String,
        /// What to do.
        remedy: String,
    },
    /// The channel did not do as asked.
    #[error("shop `{shop}`: {error}")]
    Channel {
        /// The shop.
        shop: ShopId,
        /// The channel's error.
        error: Box<ChannelError>,
    },
    /// Another instance is renewing the tokens and takes its time.
    #[error("shop `{0}`: its tokens are being renewed by another instance, which has not finished yet")]
    Busy(ShopId),
    /// The database did not do as asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored token cannot be opened.
    #[error("shop `{shop}`: its stored token cannot be opened: {error}")]
    Sealed {
        /// The shop.
        shop: ShopId,
        /// Why.
        error: SealError,
    },
    /// A fault of ours.
    #[error("{0}")]
    Bug(String),
}

impl KeeperError {
    /// What must happen next.
    pub fn failure(&self) -> Failure {
        match self {
            Self::UnknownShop(_) => Failure::Rejected,
            Self::Held { hold, text, .. } => match hold {
                Hold::AppAlarm => Failure::AppCredentialRejected { why: text.clone() },
                Hold::ShopClosed => Failure::ShopClosed { why: text.clone() },
                Hold::ScopeMissing => Failure::ScopeMissing { scope: text.clone() },
                _ => Failure::AuthorizationEnded { why: text.clone() },
            },
            Self::Channel { error, .. } => error.failure.clone(),
            Self::Busy(_) => Failure::Unavailable { retry_at: None },
            Self::Store(error) if error.is_passing() => Failure::Unavailable { retry_at: None },
            // The right key may come with the next settings, so that the run is worth another try; a corrupt row is not.
            Self::Sealed { .. } => Failure::Unexpected { sample: self.to_string() },
            Self::Store(_) | Self::Bug(_) => Failure::Bug,
        }
    }

    /// What to do; empty where nothing has to be done.
    pub fn remedy(&self) -> String {
        match self {
            Self::UnknownShop(_) => "see `shopsyncd shops list`".into(),
            Self::Held { remedy, .. } => remedy.clone(),
            Self::Channel { error, .. } => error.remedy.clone(),
            Self::Sealed { .. } => {
                "give the daemon the `seal_key` it was sealed with, or authorize the shop again".into()
            }
            Self::Bug(_) => "report this with the log around it".into(),
            Self::Busy(_) | Self::Store(_) => String::new(),
        }
    }

    /// The kind people see.
    pub fn kind(&self) -> ErrorKind {
        match self.failure() {
            Failure::Unavailable { .. } => ErrorKind::Unavailable,
            Failure::Throttled { .. } => ErrorKind::Throttled,
            Failure::TokenRejected => ErrorKind::TokenRejected,
            Failure::AuthorizationEnded { .. } => ErrorKind::AuthorizationEnded,
            Failure::ScopeMissing { .. } => ErrorKind::ScopeMissing,
            Failure::ShopClosed { .. } => ErrorKind::ShopClosed,
            Failure::AppCredentialRejected { .. } => ErrorKind::AppCredentialRejected,
            Failure::Rejected => ErrorKind::Rejected,
            Failure::Unexpected { .. } => ErrorKind::Unexpected,
            Failure::Bug => ErrorKind::Bug,
            Failure::Guarded => ErrorKind::Guard,
        }
    }
}

impl From<KeeperError> for RunError {
    fn from(error: KeeperError) -> Self {
        Self { failure: error.failure(), kind: error.kind(), text: error.to_string(), remedy: error.remedy() }
    }
}
