//! Channels: the marketplaces and other systems that hold products.
//!
//! A channel translates between its own words and the domain's; it never stores, never sleeps and never retries. Its
//! settings, wire types, fake and page live in its folder and nowhere else. [`CHANNELS`] lists them.

use std::{collections::BTreeMap, path::PathBuf};

use async_trait::async_trait;
use url::Url;

#[cfg(doc)]
use crate::domain::Field;
use crate::{
    domain::{Complaint, Cursor, Ending, Failure, Product, Variant, plan::Change},
    secrets::Secret,
};

pub mod amazon;
pub mod calls;
#[cfg(feature = "fakes")]
pub mod conformance;
mod definition;
mod error;
#[cfg(feature = "fakes")]
pub mod fake;
pub mod file;
pub mod mapping;
mod nullable;
mod passes;
mod permission;
mod reader;
mod results;
pub mod shopee;
pub mod shopline;
pub mod tiktok_shop;
mod webhook;
mod works;

#[cfg(feature = "fakes")]
pub use self::definition::StartRig;
pub use self::{
    definition::{Abilities, AuthorizationKind, Built, ChannelDef, Key, SettingFault, ShopSettings, Tools},
    error::{Acted, ChannelError},
    mapping::Unsaid,
    passes::{From, Page},
    permission::{Callback, Grant, Identity, OwnersEnd, Place, Start, Tokens},
    results::{PushResult, Settled, Ticket},
    webhook::{About, News, RawWebhook, Webhook, WebhookFault},
};

/// Every channel, in alphabetical order.
pub const CHANNELS: &[&ChannelDef] = &[&amazon::DEF, &file::DEF, &shopee::DEF, &shopline::DEF, &tiktok_shop::DEF];

/// The definition of a channel by its name.
pub fn find(name: &str) -> Option<&'static ChannelDef> {
    CHANNELS.iter().copied().find(|def| def.name == name)
}

/// What a call needs beside the shop: the open access token, and what the channel noted about this place of sale.
#[derive(Debug, Clone)]
pub struct Access {
    /// The access token; `None` for channels without authorization.
    pub token: Option<Secret>,
    /// What `identify` said about this place of sale (TikTok Shop: its `shop_cipher`); null without one.
    pub place: serde_json::Value,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopStatus {
    /// What the channel calls the shop.
    pub name: Option<String>,
    /// When only the owner can renew the permission, where this call tells it.
    pub ends: Option<Ending>,
}

/// One shop on one marketplace.
#[async_trait]
pub trait Channel: Send + Sync {
    /// What makes this place of sale the same as another entry's, as far as the settings tell: two shop entries with equal
    /// text are refused.
    fn place(&self) -> String;

    /// The same once it is known who authorized the shop: [`Place::id`] of the place among those of the account that is
    /// this shop's. Where the settings tell it alone, it is [`Channel::place`].
    fn place_of(&self, account: &str) -> String {
        let _ = account;
        self.place()
    }

    /// Whether `before`, which the settings told earlier, is the place of sale that they tell now in other words, for a shop that this
    /// account authorized.
    fn is_still(&self, before: &str, account: &str) -> bool {
        let _ = account;
        before == self.place()
    }

    /// A cheap live call that proves that the permission works and that the shop is open.
    async fn probe(&self, access: &Access) -> Result<ShopStatus, ChannelError>;

    /// One page of listings. Never called where [`Abilities::periods`] has no import.
    async fn pull(&self, access: &Access, from: &From) -> Result<Page, ChannelError> {
        let _ = (access, from);
        Err(ChannelError::bug("this channel imports nothing"))
    }

    /// What the settings or the source must still say before this change can be sent, for example the channel's category of
    /// a SKU to be created; `None`: nothing is missing. No calls. Asked of every change of a plan before anything is sent.
    fn lacks(&self, change: &Change) -> Option<Complaint> {
        let _ = change;
        None
    }

    /// The shop's attributes of a variant, by the channel's own names, as its mapping makes them: what is wanted where [`Field::Attributes`] is
    /// chosen. None: the mapping names none. An error: the mapping needs something that the source does not say. No calls.
    fn attributes(&self, product: &Product, variant: &Variant) -> Result<BTreeMap<String, String>, Unsaid> {
        let _ = (product, variant);
        Ok(BTreeMap::new())
    }

    /// Sends changes: at most [`Abilities::push_batch`], of remembered fields [`Abilities::remembered_batch`], but all SKUs of a product
    /// that is to be created, of which something is taken off sale, or of which images or attributes are sent, come together, however
    /// many. A change of a listing is of [`Abilities::remembered`] fields or of the others, and one push has changes of one kind;
    /// creations have all chosen fields and come with the others. An `Err` concerns the whole batch; a refused SKU does not. Sending a
    /// change twice does no harm. Never called where [`Abilities::export`] is empty.
    async fn push(&self, access: &Access, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
        let _ = (access, changes);
        Err(ChannelError::bug("this channel exports nothing"))
    }

    /// Asks what became of pending changes; `changes`: those that got this ticket, with their listings as they stand now.
    async fn settle(&self, access: &Access, ticket: &Ticket, changes: &[Change]) -> Result<Settled, ChannelError> {
        let _ = (access, ticket, changes);
        Err(ChannelError::bug("this channel leaves nothing pending"))
    }

    /// A complete pass has been stored to its end, and `resume` is what its last page said: what had to wait for that can be
    /// done now (`file`: putting away files that a newer one has replaced). May be left out after a crash.
    async fn stored(&self, resume: Option<&Cursor>) -> Result<(), ChannelError> {
        let _ = resume;
        Ok(())
    }

    /// A text that changes when the channel's content may have changed, cheap to get (`file`: names, sizes and times);
    /// `None` where there is no such thing.
    async fn fingerprint(&self) -> Option<String> {
        None
    }

    /// What is worth knowing of the shop's settings as things stand now, as far as it shows on this machine: no calls.
    async fn remarks(&self) -> Vec<SettingFault> {
        Vec::new()
    }

    /// The file of this machine that the shop is in; `None`: it is elsewhere.
    fn on_disk(&self) -> Option<OnDisk> {
        None
    }

    /// How its owner gives permission; `None`: none is needed.
    fn consent(&self) -> Option<&dyn Consent>;
}

/// A file, or a pattern of files, that a shop is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDisk {
    /// The key of the settings that names it, below the shop's.
    pub key: String,
    /// Where it is.
    pub path: PathBuf,
    /// Whether something is written to it or beside it: by its imports, or by exports.
    pub written: bool,
}

/// Our credentials at a channel: where it refuses them, all shops wait that work by the same ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// What tells them from others. Several apps in the sense of [`Consent::app`] may share them.
    pub client: String,
    /// The keys under which the id and the secret stand in the settings, below `channels.NAME`.
    pub keys: [&'static str; 2],
}

/// How a shop's owner gives, and a machine keeps, permission.
#[async_trait]
pub trait Consent: Send + Sync {
    /// Our app on the channel: part of [`crate::domain::Account`].
    fn app(&self) -> String;

    /// The credentials of that app.
    fn credentials(&self) -> Credentials {
        Credentials { client: self.app(), keys: ["client_id", "client_secret"] }
    }

    /// The channel's consent page. `state` comes back with the callback.
    fn link(&self, state: &str) -> Url;

    /// The state that stands in what the channel sent to the callback address, not yet checked.
    fn state_in<'a>(&self, query: &'a [(String, String)]) -> Option<&'a str> {
        calls::the_one(query, "state")
    }

    /// Whether what a browser brings looks as if it came from where this shop is, before anything in it is checked: where
    /// several shops refuse it, the reason of such a one is told.
    fn looks_familiar(&self, query: &[(String, String)]) -> bool {
        let _ = query;
        true
    }

    /// Reads what the channel sent to the callback address. Refusals by the owner are errors with `AuthorizationEnded`.
    fn read_callback(&self, query: &[(String, String)]) -> Result<Callback, ChannelError>;

    /// Trades the code for tokens. One consent may grant several accounts.
    async fn exchange(&self, callback: &Callback) -> Result<Vec<Grant>, ChannelError>;

    /// Renews the tokens of this account. Spends the refresh token.
    async fn refresh(&self, spent: &Tokens, account: &str) -> Result<Grant, ChannelError>;

    /// The places of sale that a permission covers.
    async fn identify(&self, grant: &Grant) -> Result<Identity, ChannelError>;

    /// Whether the place found for this shop is what its settings say; an error names what differs.
    fn check_place(&self, place: &Place) -> Result<(), ChannelError> {
        let _ = place;
        Ok(())
    }

    /// How often the same exchange may be tried again after a reply that never arrived. Documented per channel.
    fn repeats_after_lost_reply(&self) -> u32 {
        1
    }

    /// What is known of the end of a permission.
    fn end(&self) -> OwnersEnd;

    /// Whether the channel sends browsers to the callback address without a state of ours, where it began the flow by itself.
    fn may_lack_state(&self) -> bool {
        false
    }

    /// Whether the account of a grant is what the tokens themselves say. Where it is only what the callback's address says,
    /// a consent begun for a shop of nobody never replaces the tokens of an account on record.
    fn proves_account(&self) -> bool {
        true
    }

    /// Whether an account is called the same whichever app it was given to: then one that consents to another app than before is
    /// still held against the account on record.
    fn account_outlives_app(&self) -> bool {
        false
    }

    /// Reads a flow that the channel began by itself (a request to the app's own address), and says where the browser goes
    /// next. `state` comes back with the callback. `Ok(None)`: the flow is another shop's than this one.
    fn start(&self, query: &[(String, String)], state: &str) -> Result<Option<Start>, ChannelError> {
        let _ = (query, state);
        Err(ChannelError {
            failure: Failure::Rejected,
            text: "this channel starts no authorization by itself".into(),
            remedy: "open the link shown by `shopsyncd shops authorize SHOP`".into(),
            request_id: None,
            acted: Acted::No,
        })
    }

    /// Reads a webhook whose signature has been checked, in constant time, as the first thing.
    fn read_webhook(&self, request: &RawWebhook) -> Result<Webhook, WebhookFault> {
        let _ = request;
        Err(WebhookFault::Forged)
    }
}
