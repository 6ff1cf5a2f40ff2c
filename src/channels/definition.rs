//! What is known of a channel without a shop, and what it reads and gets to make one.

use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;
use url::Url;

use super::Channel;
#[cfg(feature = "fakes")]
use super::conformance;
use crate::{
    clock::Clock,
    domain::{EndSource, Field, JobKind, Shop, wanted::Retire},
    http::Http,
    secrets::Secret,
};

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
    /// How long an access token lives; `None`: there is none, or it differs from shop to shop.
    pub token_life: Option<SignedDuration>,
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
    /// Those of them that a shop does not show as they were sent: of images it makes copies with addresses of their own, attributes come
    /// back in other words, among others. What it last accepted counts as seen there, and what it shows is never compared. They are sent apart from
    /// the others, after them, so that neither waits for the other.
    pub remembered: &'static [Field],
    /// Whether it can list SKUs it does not have yet.
    pub create: bool,
    /// What it can do when the source drops a SKU, beside `keep`.
    pub retire: &'static [Retire],
    /// The shortest sensible period of each job, and the built-in default period as text.
    pub periods: &'static [(JobKind, SignedDuration, &'static str)],
    /// Whether a product of the shop has [`Abilities::remembered`] fields once for all its SKUs.
    pub remembered_shared: bool,
    /// The most SKUs in one `push`.
    pub push_batch: usize,
    /// The same for [`Abilities::remembered`] fields: few where images are uploaded one by one, since prices and stock wait for the end of a push.
    pub remembered_batch: usize,
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
