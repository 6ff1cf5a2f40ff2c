//! Channels: the marketplaces and other systems that hold products.
//!
//! A channel translates between its own words and the domain's; it never stores, never sleeps and never retries. Its
//! settings, wire types, fake and page live in its folder and nowhere else. [`CHANNELS`] lists them.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    clock::Clock,
    domain::{
        Complaint, Cursor, Ending, Failure, Field, JobKind, Listing, PassKind, Shop, Sku, plan::Change, wanted::Retire,
    },
    http::Http,
    secrets::Secret,
};

#[cfg(feature = "fakes")]
pub mod conformance;
pub mod file;
pub mod tiktok_shop;

/// Every channel, in alphabetical order.
pub const CHANNELS: &[&ChannelDef] = &[&file::DEF, &tiktok_shop::DEF];

/// The definition of a channel by its name.
pub fn find(name: &str) -> Option<&'static ChannelDef> {
    CHANNELS.iter().copied().find(|def| def.name == name)
}

/// What is known of a channel without any settings.
pub struct ChannelDef {
    /// Its name in the settings.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Its documentation page.
    pub page: &'static str,
    /// What it can do; `check` refuses the rest by name.
    pub abilities: Abilities,
    /// The keys it takes under `[channels.NAME]`, beyond those that every channel has.
    pub app_keys: &'static [Key],
    /// The keys it takes under `[shops.X]`, beyond those that every shop has.
    pub shop_keys: &'static [Key],
    /// Reads a shop's own settings (with its channel's) and makes the shop's channel. Every fault is named.
    pub build: fn(&ShopSettings, &Tools) -> Built,
    /// Starts pretend worlds of this channel for the suite that every channel must pass.
    #[cfg(feature = "fakes")]
    pub rig: fn() -> Box<dyn conformance::Rig>,
}

/// A shop's channel, or everything that is wrong with its settings.
pub type Built = Result<Arc<dyn Channel>, Vec<SettingFault>>;

/// A key of a channel's own settings.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What it means, its default and an example: shown by `channels show`.
    pub doc: &'static str,
    /// Without it the shop or channel cannot work.
    pub required: bool,
}

/// What a channel can do.
#[derive(Debug, Clone, Copy)]
pub struct Abilities {
    /// How permission is given.
    pub authorization: AuthorizationKind,
    /// The fields it can export; empty: no export.
    pub export: &'static [Field],
    /// Whether it can list SKUs it does not have yet.
    pub create: bool,
    /// What it can do when the source drops a SKU, beside `keep`.
    pub retire: &'static [Retire],
    /// The shortest sensible period of each job, and the built-in default period as text.
    pub periods: &'static [(JobKind, SignedDuration, &'static str)],
    /// The most SKUs in one `push`.
    pub push_batch: usize,
    /// Whether a pass of changes that has any content is a complete one, so that importers begin it as a full pass
    /// whenever [`Channel::fingerprint`] differs.
    pub changes_are_full: bool,
}

/// How permission to work in a shop is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationKind {
    /// None is needed.
    None,
    /// The owner consents on the channel's page; tokens are renewed by a machine.
    Consent,
}

/// A shop's settings as far as its channel is concerned: raw, as read.
#[derive(Debug, Clone)]
pub struct ShopSettings {
    /// The shop.
    pub shop: Shop,
    /// `[shops.X]` without the keys every shop has.
    pub own: serde_json::Map<String, serde_json::Value>,
    /// `[channels.NAME]` without jobs and without secrets.
    pub channel: serde_json::Map<String, serde_json::Value>,
    /// Our app's secret on the channel, where one is set and readable.
    pub client_secret: Option<Secret>,
    /// The warehouse chosen for export.
    pub warehouse: Option<String>,
    /// The folder in which relative paths of files start.
    pub folder: std::path::PathBuf,
}

/// A fault in a channel's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFault {
    /// The key relative to the shop (`path`) or, with a leading `channel.`, to the channel (`channel.client_id`).
    pub key: String,
    /// The thing and the cause.
    pub cause: String,
    /// What to do.
    pub remedy: String,
}

/// What a channel may use.
#[derive(Clone)]
pub struct Tools {
    /// The outgoing client.
    pub http: Http,
    /// The clock, for signatures.
    pub clock: Clock,
}

/// What a call needs beside the shop: the open access token, and what the channel noted about this place of sale.
#[derive(Debug, Clone)]
pub struct Access {
    /// The access token; `None` for channels without authorization.
    pub token: Option<Secret>,
    /// What `identify` said about this place of sale (TikTok Shop: its `shop_cipher`); null without one.
    pub place: serde_json::Value,
}

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
    /// Whether the channel certainly did not act on the call (refused before acting, or never reached it). A lost reply is `false`.
    pub not_acted: bool,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopStatus {
    /// What the channel calls the shop.
    pub name: Option<String>,
}

/// One page of a pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Valid listings.
    pub listings: Vec<Listing>,
    /// What was not valid, one each. A SKU with a complaint is there all the same: it is not gone.
    pub complaints: Vec<Complaint>,
    /// What is worth knowing of valid listings, for example that an empty SKU was replaced by a derived one.
    pub remarks: Vec<Complaint>,
    /// Where to go on; `None`: the pass has ended.
    pub next: Option<Cursor>,
    /// When the pass ends here: what the next pass of changes starts from.
    pub resume: Option<Cursor>,
    /// How many listings the whole pass will have, where the channel says: for progress.
    pub total: Option<u64>,
    /// The content changed under the pass, which begins again with this page: what the pass saw so far does not count.
    pub restart: bool,
}

/// Where a pass starts or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// The kind of pass.
    pub kind: PassKind,
    /// `next` of the page before; for the first page of a pass of changes, `resume` of the last pass; else `None`.
    pub cursor: Option<Cursor>,
    /// Whether this is the first page of the pass.
    pub first: bool,
}

/// What became of one change.
#[derive(Debug, Clone, PartialEq)]
pub enum PushResult {
    /// Accepted. The listing as it stands now, as far as we know it: the one seen, with what was sent.
    Done {
        /// The SKU.
        sku: Sku,
        /// The listing after the change.
        listing: Box<Listing>,
    },
    /// Refused, with the reason.
    Refused(Complaint),
    /// Accepted for later judgement; ask `settle` with the ticket.
    Pending {
        /// The SKU.
        sku: Sku,
        /// What to ask with.
        ticket: Ticket,
    },
}

/// What a channel gave for asking later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket(pub String);

/// One shop on one marketplace.
#[async_trait]
pub trait Channel: Send + Sync {
    /// What makes this place of sale the same as another entry's: two shop entries with equal text are refused.
    fn place(&self) -> String;

    /// A cheap live call that proves that the permission works and that the shop is open.
    async fn probe(&self, access: &Access) -> Result<ShopStatus, ChannelError>;

    /// One page of listings.
    async fn pull(&self, access: &Access, from: &From) -> Result<Page, ChannelError>;

    /// Sends at most [`Abilities::push_batch`] changes. An `Err` concerns the whole batch; a refused SKU does not.
    /// Sending a change twice does no harm.
    async fn push(&self, access: &Access, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError>;

    /// Asks what became of pending changes.
    async fn settle(&self, access: &Access, ticket: &Ticket) -> Result<Vec<PushResult>, ChannelError> {
        let _ = (access, ticket);
        Ok(Vec::new())
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

    /// How its owner gives permission; `None`: none is needed.
    fn consent(&self) -> Option<&dyn Consent>;
}

/// How a shop's owner gives, and a machine keeps, permission.
#[async_trait]
pub trait Consent: Send + Sync {
    /// Our app on the channel: part of [`crate::domain::Account`].
    fn app(&self) -> String;

    /// The channel's consent page. `state` comes back with the callback.
    fn link(&self, state: &str, callback: &Url) -> Url;

    /// Reads what the channel sent to the callback address. Refusals by the owner are errors with `AuthorizationEnded`.
    fn read_callback(&self, query: &[(String, String)]) -> Result<Callback, ChannelError>;

    /// Trades the code for tokens. One consent may grant several accounts.
    async fn exchange(&self, callback: &Callback) -> Result<Vec<Grant>, ChannelError>;

    /// Renews the tokens. Spends the refresh token.
    async fn refresh(&self, spent: &Tokens) -> Result<Grant, ChannelError>;

    /// The places of sale that a permission covers, and which one is this shop's. `None`: this shop is not among them.
    async fn identify(&self, token: &Secret) -> Result<Identity, ChannelError>;

    /// How often the same exchange may be tried again after a reply that never arrived. Documented per channel.
    fn repeats_after_lost_reply(&self) -> u32 {
        1
    }

    /// Whether an end date can be told by the channel; else tokens handed in must state it.
    fn tells_end(&self) -> bool;
}

/// What a callback carried.
#[derive(Debug, Clone)]
pub struct Callback {
    /// The code to trade.
    pub code: Secret,
    /// The state that we gave, where the channel hands it back.
    pub state: Option<String>,
}

/// The tokens of an account, open.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// For calls.
    pub access_token: Secret,
    /// For renewing; `None` where the channel has none.
    pub refresh_token: Option<Secret>,
}

/// What the channel said when it gave or renewed tokens. Nothing is guessed here.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The tokens.
    pub tokens: Tokens,
    /// The channel's id of the account.
    pub account: String,
    /// What it calls the account.
    pub account_name: Option<String>,
    /// When the access token ends.
    pub access_token_ends_at: Timestamp,
    /// When the refresh token ends, where it has an end of its own.
    pub refresh_token_ends_at: Option<Timestamp>,
    /// When only the owner can renew, where there is such an end.
    pub ends: Option<Ending>,
}

/// The places of sale of a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Those it covers: the channel's id and name of each.
    pub places: Vec<(String, String)>,
    /// What to keep for calls to this shop, where it is covered.
    pub place: Option<serde_json::Value>,
}

/// A webhook as received.
#[derive(Debug, Clone)]
pub struct RawWebhook {
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The exact body.
    pub body: Bytes,
}
