//! Why a consent was not taken, in words for the person who gave it.

use crate::{
    channels::ChannelError,
    domain::{ChannelName, Failure, ShopId},
    store::StoreError,
};

/// Why a consent was not taken. Nothing was changed by it.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// The shop does not stand in the settings.
    #[error("shop `{0}` is not in the settings; see `shopsyncd shops list`")]
    UnknownShop(ShopId),
    /// The channel needs no authorization, or there is no such channel.
    #[error("channel `{0}` needs no authorization")]
    NotNeeded(ChannelName),
    /// No shop of the channel stands in the settings.
    #[error("no shop in the settings is on a channel `{0}`")]
    NoSuchChannel(ChannelName),
    /// The channel started the flow by itself.
    #[error("this authorization was not started here; open the link shown by `shopsyncd shops authorize SHOP` instead")]
    NoState,
    /// Unknown, used before, or older than thirty minutes.
    #[error(
        "this authorization was finished already, or was begun more than 30 minutes ago; start again from the link"
    )]
    StateUsed,
    /// Begun in another browser.
    #[error("this authorization was begun in another browser; open the link again in this one")]
    OtherBrowser,
    /// Begun on the command line, which waits for this address.
    #[error("this authorization was begun on the command line; copy the address of this page and paste it there")]
    CommandLine,
    /// Begun for another shop than the command line waits for.
    #[error(
        "this address belongs to an authorization of shop `{begun_for}`, not of `{asked}`; nothing was changed. Hand it to `shopsyncd shops authorize {begun_for}`"
    )]
    OtherShop {
        /// The shop that the command line waits for.
        asked: ShopId,
        /// The shop that the link was for.
        begun_for: ShopId,
    },
    /// Another account than the one on record.
    #[error(
        "account `{given}` consented, but shop `{shop}` belongs to account `{on_record}`; nothing was changed. Sign in at the marketplace as `{on_record}` and open the link again"
    )]
    OtherAccount {
        /// The shop.
        shop: ShopId,
        /// Who consented.
        given: String,
        /// Whose shop it is.
        on_record: String,
    },
    /// The consent does not cover the shop's place of sale.
    #[error(
        "account `{account}` consented, but shop `{shop}` is not among what it covers ({covers}); nothing was changed. Sign in at the marketplace with the account of this shop, or correct the settings of `{shop}`"
    )]
    NotCovered {
        /// The shop.
        shop: ShopId,
        /// Who consented.
        account: String,
        /// What the consent covers.
        covers: String,
    },
    /// Tokens handed in of another account than the one on record.
    #[error(
        "the tokens are of account `{given}`, but shop `{shop}` belongs to account `{on_record}`; nothing was changed. Hand in tokens of `{on_record}`"
    )]
    TokensOfOther {
        /// The shop.
        shop: ShopId,
        /// Whose the tokens are.
        given: String,
        /// Whose shop it is.
        on_record: String,
    },
    /// Tokens handed in that do not open the shop's place of sale.
    #[error(
        "the tokens are of account `{account}`, and shop `{shop}` is not among what they open ({covers}); nothing was changed. Hand in tokens of the account of this shop, or correct the settings of `{shop}`"
    )]
    TokensElsewhere {
        /// The shop.
        shop: ShopId,
        /// Whose the tokens are.
        account: String,
        /// What they open.
        covers: String,
    },
    /// Another shop entry of the same account is the same place of sale.
    #[error(
        "shop `{shop}` is the same place of sale as shop `{other}`, which account `{account}` authorized already; nothing was changed. Keep one of the two shops in the settings, or sign in at the marketplace with the account of `{shop}`"
    )]
    SamePlace {
        /// The shop.
        shop: ShopId,
        /// The other entry.
        other: ShopId,
        /// Who consented.
        account: String,
    },
    /// Nothing but the callback's address names the account, and other shops work with its tokens.
    #[error(
        "shop `{other}` works with account `{account}` already; nothing was changed. Open the link of `{other}` instead: a consent there serves `{shop}`, too"
    )]
    OnRecordElsewhere {
        /// The shop.
        shop: ShopId,
        /// A shop of the account.
        other: ShopId,
        /// Who is said to have consented.
        account: String,
    },
    /// The channel always hands the state back, and this callback has none.
    #[error("the address lacks its state: it was cut off, or is not what the channel sent; start again from the link")]
    Stateless,
    /// It broke off within ourselves.
    #[error("the authorization broke off ({0}); start again from the link")]
    BrokeOff(String),
    /// What a channel began or sent by itself concerns no shop in the settings.
    #[error("{0}")]
    NoShop(String),
    /// Tokens handed in that are not complete.
    #[error("{0}")]
    Incomplete(String),
    /// Tokens handed in whose refresh token the channel does not take.
    #[error(
        "the `refresh_token` that was handed in renews nothing ({text}); nothing was changed. Tokens that were handed in before have been renewed since and are worth nothing any more: `shopsyncd shops test {shop}` tells whether the shop works"
    )]
    NotRenewed {
        /// The shop.
        shop: ShopId,
        /// What the channel says.
        text: String,
    },
    /// Tokens handed in whose renewal was never answered.
    #[error(
        "no answer came to the renewal of the tokens that were handed in ({text}), so they may be spent; nothing was changed. Hand them in again, or have the owner authorize the shop with the link shown by `shopsyncd shops authorize {shop}`"
    )]
    RenewalUnheard {
        /// The shop.
        shop: ShopId,
        /// What was heard instead.
        text: String,
    },
    /// Tokens handed in of an account whose own are being renewed elsewhere.
    #[error(
        "another instance is renewing the tokens of shop `{0}` just now; nothing was changed. Hand them in again in a minute"
    )]
    UnderWay(ShopId),
    /// The channel did not do as asked.
    #[error("{text}{remedy}", text = .0.text.trim_end_matches('.'), remedy = remedy_of(.0).map(|remedy| format!("; {remedy}")).unwrap_or_default())]
    Channel(ChannelError),
    /// The channel took too long.
    #[error("the channel did not answer in time; start again from the link")]
    TimedOut,
    /// The database did not do as asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What to do after a channel's error: as it says, or else when to try again, where that is known.
fn remedy_of(error: &ChannelError) -> Option<String> {
    let later = match &error.failure {
        Failure::Throttled { until } => Some(*until),
        Failure::Unavailable { retry_at } => *retry_at,
        _ => None,
    };
    let later = later.map(|at| format!("start again from the link after {at}"));
    Some(error.remedy.clone()).filter(|remedy| !remedy.is_empty()).or(later)
}

impl ConsentError {
    /// Whether what to do stands in its text.
    pub fn says_what_to_do(&self) -> bool {
        match self {
            Self::Channel(error) => remedy_of(error).is_some(),
            _ => true,
        }
    }

    /// The same for whoever handed tokens in: there is no browser in which to sign in as somebody else.
    pub(super) fn of_tokens(self) -> Self {
        match self {
            Self::OtherAccount { shop, given, on_record } => Self::TokensOfOther { shop, given, on_record },
            Self::NotCovered { shop, account, covers } => Self::TokensElsewhere { shop, account, covers },
            other => other,
        }
    }

    /// Whether the answer was a refusal by a person, the channel or a rule of ours: trying the same again is pointless.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Channel(error) => !matches!(error.failure, Failure::Unavailable { .. } | Failure::Throttled { .. }),
            Self::Store(_) | Self::TimedOut | Self::UnderWay(_) | Self::RenewalUnheard { .. } => false,
            _ => true,
        }
    }
}
