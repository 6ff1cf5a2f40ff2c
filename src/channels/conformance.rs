//! The checks that every channel must pass, and the small world that a channel's folder brings along for them.
//!
//! A [`Rig`] starts a fresh [`World`]: the pretend marketplace (or folder of files) with a known number of listings on a
//! clock moved by hand. The checks see nothing but [`crate::channels::Channel`] and the world, so one suite serves every
//! channel. [`checks_of`] leaves out what a channel's abilities say it does not have: such a check is not listed at all,
//! and so can never count as passed.

mod access;
mod creating;
mod oddities;
mod reading;
mod remembering;
mod writing;

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use async_trait::async_trait;
use jiff::SignedDuration;
use url::Url;

use super::{Access, AuthorizationKind, Channel, ChannelDef, ChannelError, From};
use crate::{
    clock::Clock,
    domain::{Complaint, Cursor, Failure, JobKind, Listing, PassKind, Price, Sku, Values},
};

/// Starts worlds of one channel.
#[async_trait]
pub trait Rig: Send + Sync {
    /// A fresh world with this many listings, each its own product with a title, a price and some stock, on a manual
    /// clock. Several may live side by side.
    async fn start(&self, listings: usize) -> Box<dyn World>;

    /// How many listings a page of this channel has at most, in the worlds started here. Small is fast.
    fn page_size(&self) -> usize;

    /// Whether calls cross a network, so that they can meet a [`Fault`].
    fn remote(&self) -> bool {
        true
    }

    /// Whether a refresh token works once only.
    fn rotates(&self) -> bool {
        true
    }

    /// How long new tokens must rest before they may be renewed.
    fn rest(&self) -> SignedDuration {
        SignedDuration::ZERO
    }

    /// How many characters a SKU has at most in this channel.
    fn longest_sku(&self) -> usize {
        200
    }

    /// Currencies without digits after the point in which [`Rig::start_in`] can start a world.
    fn whole_currencies(&self) -> &'static [&'static str] {
        &[]
    }

    /// As [`Rig::start`], with a shop that sells in this one of [`Rig::whole_currencies`], at whole prices.
    async fn start_in(&self, currency: &str, listings: usize) -> Box<dyn World> {
        let _ = currency;
        self.start(listings).await
    }

    /// Whether its worlds hold callers to the documented rate limits and count what goes beyond them, in
    /// [`World::violations`].
    fn counts_violations(&self) -> bool {
        false
    }

    /// Whether the shop keeps the variants of a product together, so that a new SKU can join its siblings.
    fn groups_variants(&self) -> bool {
        true
    }

    /// Whether creating needs a mapping in the settings: then [`World::unmapped`] has a channel without one.
    fn maps(&self) -> bool {
        false
    }

    /// Whether its worlds can let a list's pages go round in a circle ([`World::loop_pages`]).
    fn loops_pages(&self) -> bool {
        false
    }
}

/// A pretend marketplace with one shop in it, seen from behind the channel's back. Where the channel imports nothing, what
/// concerns listings is never asked for.
#[async_trait]
pub trait World: Send + Sync {
    /// The shop's channel, as its `build` makes it, with a mapping where creating needs one.
    fn channel(&self) -> Arc<dyn Channel>;

    /// The same without a mapping.
    fn unmapped(&self) -> Arc<dyn Channel> {
        self.channel()
    }

    /// The manual clock that the channel and the pretend marketplace share.
    fn clock(&self) -> Clock;

    /// What a call needs: a token that works at this moment, and what `identify` said.
    fn access(&self) -> Access;

    /// Every secret that this world knows (tokens, codes, the app's secret): none may be in an error or a link.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// What the shop really has now.
    async fn actual(&self) -> BTreeMap<Sku, Actual> {
        BTreeMap::new()
    }

    /// Changes price, stock and title (those that are given) behind the channel's back, at the clock's time.
    async fn alter(&self, sku: &Sku, values: &Values) {
        let _ = (sku, values);
    }

    /// Adds a listing behind the channel's back. Price, stock and title are given.
    async fn add(&self, sku: &Sku, values: &Values) {
        let _ = (sku, values);
    }

    /// Deletes a listing behind the channel's back.
    async fn delete(&self, sku: &Sku) {
        let _ = sku;
    }

    /// From now on the shop refuses changes to this SKU, for a reason of its own choosing.
    async fn refuse(&self, sku: &Sku) {
        let _ = sku;
    }

    /// From now on every answer of the shop has this fault (not those of the token host); `None` mends it.
    async fn break_down(&self, fault: Option<Fault>) {
        let _ = fault;
    }

    /// The address of an image that the channel can take, for listings to be created: fetched by some channels, passed on by
    /// others.
    fn image(&self) -> String {
        "https://images.example.com/conformance.jpg".to_owned()
    }

    /// Three addresses of images that the channel can take.
    fn images(&self) -> [String; 3] {
        let image = self.image();
        [image.clone(), format!("{image}?2"), format!("{image}?3")]
    }

    /// The images that the shop has of a SKU, in its own words (the addresses or ids of its copies), the main one first.
    async fn images_of(&self, sku: &Sku) -> Vec<String> {
        let _ = sku;
        Vec::new()
    }

    /// Two attributes that listings of the shop can have, by the names that a mapping has for them, each with two values that the shop takes.
    fn attribute_words(&self) -> [(&'static str, [&'static str; 2]); 2] {
        [("Material", ["Cotton", "Wool"]), ("Style", ["Plain", "Striped"])]
    }

    /// The attributes that the shop has of a SKU, in the words of a mapping.
    async fn attributes_of(&self, sku: &Sku) -> BTreeMap<String, String> {
        let _ = sku;
        BTreeMap::new()
    }

    /// Gives a SKU an attribute behind the channel's back, in the words of a mapping.
    async fn set_attribute(&self, sku: &Sku, name: &str, value: &str) {
        let _ = (sku, name, value);
    }

    /// The shop's channel with a mapping that names these attributes.
    fn mapping(&self, attributes: &[(&str, &str)]) -> Arc<dyn Channel> {
        let _ = attributes;
        self.channel()
    }

    /// Calls so far that went beyond a documented rate limit.
    fn violations(&self) -> u32 {
        0
    }

    /// From now on each page of the shop's lists but the first names itself as the next one.
    async fn loop_pages(&self) {}

    /// The owner, where permission is needed.
    fn owner(&self) -> Option<&dyn Owner> {
        None
    }
}

/// The owner of a shop, and what becomes of the permission.
#[async_trait]
pub trait Owner: Send + Sync {
    /// Opens the consent page and agrees: the query that the channel sends to the callback address.
    async fn agree(&self, link: &Url) -> Vec<(String, String)>;

    /// Opens the consent page and declines.
    async fn decline(&self, link: &Url) -> Vec<(String, String)>;

    /// The access token of [`World::access`] has become too old; refreshing would help.
    async fn expire_access_token(&self);

    /// The owner took the permission back, or it ran out: neither the access token nor the refresh token works any more.
    async fn end_authorization(&self);

    /// The tokens that work at this moment, for renewing.
    fn tokens(&self) -> super::Tokens;

    /// Whose they are, as [`super::Grant::account`].
    fn account(&self) -> String;
}

/// What a shop really has, as far as the checks look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actual {
    /// Its own price.
    pub price: Price,
    /// Pieces on sale.
    pub stock: i64,
    /// Title.
    pub title: String,
    /// Whether buyers can buy it, as far as its seller decides that.
    pub on_sale: bool,
}

/// What can be wrong with a remote shop's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// HTTP 429, with `Retry-After` in seconds or without.
    Throttled {
        /// Seconds.
        retry_after: Option<u32>,
    },
    /// HTTP 503 with a page in HTML.
    ServerError,
    /// A good answer, cut off in the middle of its body.
    CutOff,
    /// A good answer with fields that nobody has documented.
    UnknownField,
}

/// How a check ended: nothing to say, or what is wrong.
pub type Verdict = Result<(), String>;

type Running<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// One check.
#[derive(Clone, Copy)]
pub struct Check {
    /// A sentence with underscores.
    pub name: &'static str,
    applies: fn(&ChannelDef, &dyn Rig) -> bool,
    run: for<'a> fn(&'a ChannelDef, &'a dyn Rig) -> Running<'a>,
}

impl Check {
    /// Runs it in fresh worlds.
    pub async fn run(&self, def: &ChannelDef, rig: &dyn Rig) -> Verdict {
        (self.run)(def, rig).await
    }
}

/// The checks that concern a channel with these abilities, in the worlds of one of its rigs.
pub fn checks_of(def: &ChannelDef, rig: &dyn Rig) -> Vec<Check> {
    let all =
        [reading::CHECKS, oddities::CHECKS, writing::CHECKS, remembering::CHECKS, creating::CHECKS, access::CHECKS]
            .concat();
    all.into_iter().filter(|check| (check.applies)(def, rig)).collect()
}

/// Lists functions as checks under their own names.
macro_rules! checks {
    ($($name:ident if $applies:expr;)*) => {
        pub(super) const CHECKS: &[super::Check] = &[$(super::Check {
            name: stringify!($name),
            applies: $applies,
            run: |def, rig| Box::pin($name(def, rig)),
        }),*];
    };
}

/// Ends a check with words when a condition does not hold.
macro_rules! ensure {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+));
        }
    };
}

use {checks, ensure};

fn always(_: &ChannelDef, _: &dyn Rig) -> bool {
    true
}

fn remote(_: &ChannelDef, rig: &dyn Rig) -> bool {
    rig.remote()
}

fn exports(def: &ChannelDef, _: &dyn Rig) -> bool {
    !def.abilities.export.is_empty()
}

fn imports(def: &ChannelDef) -> bool {
    def.abilities.periods.iter().any(|(job, ..)| *job == JobKind::ProductImport)
}

fn consents(def: &ChannelDef, _: &dyn Rig) -> bool {
    def.abilities.authorization == AuthorizationKind::Consent
}

/// What a pass over all its pages brought.
#[derive(Debug, Default)]
struct Read {
    listings: Vec<Listing>,
    complaints: Vec<Complaint>,
    resume: Option<Cursor>,
    /// The cursors between pages, in order.
    cursors: Vec<Cursor>,
    /// How many listings came before each of them.
    before: Vec<usize>,
}

impl Read {
    fn skus(&self) -> Vec<Sku> {
        self.listings.iter().map(|listing| listing.sku.clone()).collect()
    }

    fn by_sku(&self) -> BTreeMap<Sku, Listing> {
        self.listings.iter().map(|listing| (listing.sku.clone(), listing.clone())).collect()
    }
}

/// Reads on from `from` to the end of the pass, each cursor by way of its stored form. A channel that says when to come again, as
/// one does that waits for a report, is asked again then.
async fn read_on(world: &dyn World, from: From) -> Result<Read, String> {
    let (channel, access) = (world.channel(), world.access());
    let mut from = from;
    let mut read = Read::default();
    for _ in 0..1_000 {
        let page = match channel.pull(&access, &from).await {
            Ok(page) => page,
            Err(ChannelError { failure: Failure::Throttled { until }, .. }) if until > world.clock().now() => {
                world.clock().set(until);
                continue;
            }
            Err(error) => return Err(format!("pull: {error} ({:?})", error.failure)),
        };
        if page.restart {
            read = Read::default();
        }
        read.listings.extend(page.listings);
        read.complaints.extend(page.complaints);
        let Some(next) = page.next else {
            read.resume = page.resume;
            return Ok(read);
        };
        ensure!(page.resume.is_none(), "a page that is not the last one says where the next pass resumes");
        let next = stored(&next)?;
        read.cursors.push(next.clone());
        read.before.push(read.listings.len());
        from = From { kind: from.kind, cursor: Some(next), first: false };
    }
    Err("the pass does not end: 1,000 pages were read".to_owned())
}

async fn read_all(world: &dyn World) -> Result<Read, String> {
    let from = From { kind: PassKind::Full, cursor: None, first: true };
    read_on(world, from).await
}

async fn read_changes(world: &dyn World, since: &Read) -> Result<Read, String> {
    let resume = since.resume.as_ref().ok_or("the last page of a pass does not say where the next one resumes")?;
    let from = From { kind: PassKind::Changes, cursor: Some(stored(resume)?), first: true };
    read_on(world, from).await
}

/// A cursor as it comes back from a database.
fn stored(cursor: &Cursor) -> Result<Cursor, String> {
    let text = serde_json::to_string(cursor).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// That an error tells none of the world's secrets.
fn tells_no_secret(world: &dyn World, error: &ChannelError) -> Verdict {
    let said = format!("{error} {error:?}");
    hides_secrets(world, "an error", &said)
}

fn hides_secrets(world: &dyn World, what: &str, said: &str) -> Verdict {
    // The secret itself is not repeated here: this text ends in a test's log.
    ensure!(world.secrets().iter().all(|secret| secret.is_empty() || !said.contains(secret)), "{what} tells a secret");
    Ok(())
}
