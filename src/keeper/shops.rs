//! The shops in force: what the settings say of each, with its channel built, for everybody below the daemon.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
use url::Url;

use crate::{
    channels::{Abilities, AuthorizationKind, Channel, Consent, Credentials, OwnersEnd, calls::address},
    domain::{ChannelName, Field, JobKind, Period, Shop, ShopId, wanted::Rules},
};

/// A shop as the settings in force have it.
pub struct ShopEntry {
    /// The shop.
    pub shop: Shop,
    /// Its channel, with the shop's own settings.
    pub channel: Arc<dyn Channel>,
    /// What the channel can do.
    pub abilities: &'static Abilities,
    /// The rules of its export.
    pub rules: Rules,
    /// What its settings say that only its channel reads.
    pub own: serde_json::Map<String, serde_json::Value>,
    /// The periods of its jobs. A job that the channel does not have is not in it.
    pub jobs: BTreeMap<JobKind, Period>,
    /// How often an import is a complete pass.
    pub full_import: Period,
    /// Whether listings whose SKU the product source does not know are matched by barcode.
    pub match_barcode: bool,
    /// Whether it is the product source.
    pub is_source: bool,
    /// Whether a product source is named at all.
    pub has_source: bool,
}

impl ShopEntry {
    /// The chosen fields of which what it last accepted counts as seen.
    pub fn remembered(&self) -> impl Iterator<Item = Field> {
        self.abilities.remembered.iter().copied().filter(|field| self.rules.fields.contains(field))
    }

    /// The chosen fields that are compared with what it shows.
    pub fn compared(&self) -> BTreeSet<Field> {
        self.rules.fields.iter().copied().filter(|field| !self.abilities.remembered.contains(field)).collect()
    }

    /// Whether its channel knows authorizations at all (`file` does not).
    pub fn needs_authorization(&self) -> bool {
        self.abilities.authorization != AuthorizationKind::None
    }

    /// Whether no automatic call may be made for it: its `authorization_refresh` is `None`.
    pub fn refresh_is_none(&self) -> bool {
        self.needs_authorization() && matches!(self.jobs.get(&JobKind::AuthorizationRefresh), None | Some(Period::None))
    }

    /// Whether its permission has no end that only the owner can move.
    pub fn never_ends(&self) -> bool {
        self.consent().is_some_and(|consent| consent.end() == OwnersEnd::Never)
    }

    /// Its jobs that run at all, in the order in which a renewal runs them.
    pub fn running_jobs(&self) -> impl Iterator<Item = JobKind> {
        JobKind::OF_SHOPS.into_iter().filter(|job| self.jobs.get(job).is_some_and(|period| *period != Period::None))
    }

    /// The app that the settings name for it; `None`: its channel needs none.
    pub fn app(&self) -> Option<String> {
        self.consent().map(Consent::app)
    }

    /// Whether an authorization of this app is of use: the settings may name another one since.
    pub(super) fn is_of_app(&self, app: &str) -> bool {
        self.consent().is_some_and(|consent| consent.app() == app)
    }

    pub(super) fn credentials(&self) -> Option<Credentials> {
        self.consent().map(Consent::credentials)
    }

    pub(super) fn consent(&self) -> Option<&dyn Consent> {
        self.channel.consent()
    }
}

/// Where people and marketplaces reach the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where callbacks and links point.
    pub public_url: Url,
    /// Whether the page serves this machine alone: `listen` is loopback and `public_url` is unset. Then nobody signs in.
    pub loopback: bool,
}

impl Page {
    /// An address on the page: `path` without a leading slash.
    pub fn address(&self, path: &str) -> Url {
        address(&self.public_url, &format!("/{path}"), &[])
    }
}

struct Book {
    shops: BTreeMap<ShopId, Arc<ShopEntry>>,
    page: Page,
}

/// The shops in force, swapped whole when the settings change. Cheap to clone; clones share one book.
#[derive(Clone)]
pub struct ShopBook(Arc<ArcSwap<Book>>);

impl ShopBook {
    /// A book with these shops.
    pub fn new(page: Page, entries: impl IntoIterator<Item = ShopEntry>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(book(page, entries.into_iter().map(Arc::new)))))
    }

    /// Swaps everything in it; entries that are in it already may be handed in again.
    pub fn replace(&self, page: Page, entries: impl IntoIterator<Item = impl Into<Arc<ShopEntry>>>) {
        self.0.store(Arc::new(book(page, entries)));
    }

    /// One shop.
    pub fn get(&self, id: &ShopId) -> Option<Arc<ShopEntry>> {
        self.0.load().shops.get(id).cloned()
    }

    /// All shops, in order of id.
    pub fn all(&self) -> Vec<Arc<ShopEntry>> {
        self.0.load().shops.values().cloned().collect()
    }

    /// The shops of a channel, in order of id.
    pub fn of_channel(&self, channel: &ChannelName) -> Vec<Arc<ShopEntry>> {
        self.0.load().shops.values().filter(|entry| entry.shop.channel == *channel).cloned().collect()
    }

    /// The product source.
    pub fn source(&self) -> Option<ShopId> {
        self.0.load().shops.values().find(|entry| entry.is_source).map(|entry| entry.shop.id.clone())
    }

    /// Where people and marketplaces reach the daemon.
    pub fn page(&self) -> Page {
        self.0.load().page.clone()
    }
}

fn book(page: Page, entries: impl IntoIterator<Item = impl Into<Arc<ShopEntry>>>) -> Book {
    let entries = entries.into_iter().map(Into::into);
    Book { shops: entries.map(|entry| (entry.shop.id.clone(), entry)).collect(), page }
}
