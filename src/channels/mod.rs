//! Channels: the marketplaces and other systems that hold products.
//!
//! A channel translates between its own words and the domain's; it never stores, never sleeps and never retries. Its
//! settings, wire types, fake and page live in its folder and nowhere else. [`CHANNELS`] lists them.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    clock::Clock,
    domain::{
        Complaint, Cursor, EndSource, Ending, Failure, Field, JobKind, Listing, PassKind, Shop, Sku, plan::Change,
        wanted::Retire,
    },
    http::Http,
    secrets::Secret,
};

pub mod amazon;
pub mod calls;
#[cfg(feature = "fakes")]
pub mod conformance;
#[cfg(feature = "fakes")]
pub mod fake;
pub mod file;
pub mod mapping;
mod reader;
pub mod shopee;
pub mod shopline;
pub mod tiktok_shop;
mod works;

/// Every channel, in alphabetical order.
pub const CHANNELS: &[&ChannelDef] = &[&amazon::DEF, &file::DEF, &shopee::DEF, &shopline::DEF, &tiktok_shop::DEF];

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
    /// Secrets that it takes under `[channels.NAME]` beyond `client_secret`, each written as that one is.
    pub app_secrets: &'static [Key],
    /// What it can do; `check` refuses the rest by name.
    pub abilities: Abilities,
    /// How it is known when its refresh tokens end, where they do.
    pub refresh_token_end: EndSource,
    /// The keys it takes under `[channels.NAME]`, beyond those that every channel has.
    pub app_keys: &'static [Key],
    /// The keys it takes under `[shops.X]`, beyond those that every shop has.
    pub shop_keys: &'static [Key],
    /// Reads a shop's own settings (with its channel's) and makes the shop's channel. Every fault is named.
    pub build: fn(&ShopSettings, &Tools) -> Built,
    /// What starts pretend worlds of this channel for the suite that every channel must pass: one entry, or one by name for
    /// each of the kinds of shops it has.
    #[cfg(feature = "fakes")]
    pub rigs: &'static [(&'static str, StartRig)],
}

/// Starts pretend worlds of a channel.
#[cfg(feature = "fakes")]
pub type StartRig = fn() -> Box<dyn conformance::Rig>;

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
    /// What is written under the keys of [`ChannelDef::app_secrets`]; `None` where a secret cannot be read here.
    pub secrets: BTreeMap<String, Option<Secret>>,
    /// The warehouse chosen for export.
    pub warehouse: Option<String>,
    /// The folder in which relative paths of files start.
    pub folder: std::path::PathBuf,
    /// Where the channel sends browsers back to after a consent.
    pub callback: Url,
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

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopStatus {
    /// What the channel calls the shop.
    pub name: Option<String>,
    /// When only the owner can renew the permission, where this call tells it.
    pub ends: Option<Ending>,
}

/// One page of a pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Valid listings.
    pub listings: Vec<Listing>,
    /// What was not valid, one each. A SKU with a complaint is there all the same: it is not gone.
    pub complaints: Vec<Complaint>,
    /// The products, by the channel's ids, of which nothing could be read. Whatever was known of their listings is there all the same.
    pub unread: Vec<String>,
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
    /// Accepted for later judgement; ask `settle` with the ticket, which several SKUs may share. It is kept until then, over
    /// restarts too, and meanwhile nothing else is sent for the SKU.
    Pending {
        /// The SKU.
        sku: Sku,
        /// What to ask with.
        ticket: Ticket,
    },
}

/// What became of changes that were pending.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// Not judged yet.
    Open,
    /// Judged, each of them. One that is [`PushResult::Pending`] waits on, with another ticket.
    Judged(Vec<PushResult>),
}

/// What a channel gave for asking later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket(pub String);

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

    /// Sends changes: at most [`Abilities::push_batch`], but all SKUs of a product that is to be created, or of which something is taken
    /// off sale, come together, however many. An `Err` concerns the whole batch; a refused SKU does not. Sending a change twice does no harm. Never called where
    /// [`Abilities::export`] is empty.
    async fn push(&self, access: &Access, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
        let _ = (access, changes);
        Err(ChannelError::bug("this channel exports nothing"))
    }

    /// Asks what became of pending changes; `changes`: those that got this ticket.
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

    /// How its owner gives permission; `None`: none is needed.
    fn consent(&self) -> Option<&dyn Consent>;
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

/// What is known of the end of a permission, beyond which only the owner can renew it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnersEnd {
    /// The channel tells it: in [`Grant::ends`], [`Identity::ends`] or [`ShopStatus::ends`].
    Told,
    /// It ends this long after the owner gave it, and the channel never says so.
    After(SignedDuration),
    /// There is none: a machine can extend it for ever.
    Never,
}

/// What a callback carried.
#[derive(Debug, Clone)]
pub struct Callback {
    /// The code to trade.
    pub code: Secret,
    /// The state that we gave, where the channel hands it back.
    pub state: Option<String>,
    /// Whom the callback names, in the channel's own words, where the exchange needs it.
    pub subject: Option<String>,
}

/// A flow that the channel began by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Where the browser goes next.
    pub go: Url,
    /// The account it concerns, where the request names it.
    pub account: Option<String>,
}

/// The tokens of an account, open.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// For calls.
    pub access_token: Secret,
    /// For renewing; `None`: they cannot be renewed. A channel that renews with the app's own keys keeps the name of the
    /// account here: it marks tokens that the app was given, against ones that somebody made by hand.
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
    /// When the refresh token ends, where it has an end of its own; how that is known says [`ChannelDef::refresh_token_end`].
    pub refresh_token_ends_at: Option<Timestamp>,
    /// When only the owner can renew, where this answer tells it.
    pub ends: Option<Ending>,
}

/// The places of sale of a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Those it covers.
    pub places: Vec<Place>,
    /// When only the owner can renew the permission, where this call tells it.
    pub ends: Option<Ending>,
}

/// A place of sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// As [`Channel::place_of`] writes it.
    pub id: String,
    /// What people call it, with the channel's id: for messages.
    pub name: String,
    /// What to keep for calls to it: becomes [`Access::place`].
    pub data: serde_json::Value,
}

/// A webhook as received.
#[derive(Debug, Clone)]
pub struct RawWebhook {
    /// The address it was sent to, as the channel knows it, with its query.
    pub url: Url,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The exact body.
    pub body: Bytes,
}

impl RawWebhook {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A webhook that is the channel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// What is the same in repetitions of it, and in nothing else.
    pub id: String,
    /// Its kind in the channel's words, for the log.
    pub kind: String,
    /// When it was said, where that is signed.
    pub said_at: Option<Timestamp>,
    /// What it says about permissions; empty for kinds that are none of ours.
    pub news: Vec<News>,
}

/// What a webhook says about a permission. It is a reason to look, not the truth: the look asks the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Whom it concerns.
    pub about: About,
    /// When only the owner can renew, where the webhook tells it and no call does.
    pub ends: Option<Ending>,
}

/// Whom news concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// An account, as [`Grant::account`].
    Account(String),
    /// A place of sale, as [`Place::id`].
    Place(String),
}

/// Why a webhook was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookFault {
    /// Its signature is missing or wrong.
    #[error("its signature is missing or wrong")]
    Forged,
    /// Signed, but not readable: the cause.
    #[error("it is not readable: {0}")]
    Unreadable(String),
}
