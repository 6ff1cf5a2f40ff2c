//! Product import: pages in, normalised, stored with the cursor in one transaction.
//!
//! An import makes *passes*: complete ones at the shop's own slower period, and passes of changes in between. A stop at
//! any point resumes at the page that was not stored. Only a complete pass that ended marks what it did not see as gone.
//! Pages are fetched and made ready while those before them are stored.

mod matching;
mod storing;

use std::{
    collections::{BTreeSet, HashSet},
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    panic,
    sync::Arc,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
pub(crate) use storing::name_unknown;
use storing::store_pages;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{Halt, Work};
use crate::{
    channels::{From as PullFrom, Page},
    crash,
    domain::{Complaint, Counts, Cursor, ErrorKind, Failure, JobKind, Outcome, Pass, PassKind, Period, RunError, Sku},
    keeper::ShopEntry,
    scheduler::{Context, End, Handler, Stopped},
    store::{SeenListing, Tx},
};

/// How long one run reads at most that nobody asked for a complete pass; then it ends well and the next one goes on.
const BUDGET: SignedDuration = SignedDuration::from_mins(10);
/// How many pages are fetched ahead of the store at most, and stored in one transaction: a fast channel does not pay for a commit with
/// each page, and a slow one has each page stored as it comes.
const PAGES_AHEAD: usize = 4;

/// Reads a shop's listings; from the product source also the products.
#[derive(Clone)]
pub struct ProductImport {
    work: Work,
}

/// A pass under way, with what it needs from page to page.
struct Reading<'a> {
    context: &'a Context,
    entry: &'a Arc<ShopEntry>,
    pass: Pass,
    /// The content the pass began with, for channels that can tell.
    fingerprint: Option<String>,
    /// The SKUs that earlier pages of the pass had, by [`fingerprint_of`]: eight bytes each, where the SKUs of a large catalogue would take
    /// most of the memory.
    seen: HashSet<u64>,
    /// The SKUs that the last complete pass found under several products.
    doubled: BTreeSet<String>,
    /// What waits for the end of the pass to be matched by barcode.
    stand_back: Vec<matching::StandsBack>,
    /// Whether there may be complaints for a page to resolve: mostly there are none, and nothing to look for page by page.
    complained: bool,
    counts: Counts,
}

/// A page, made ready to be stored.
struct Asked {
    /// When it was asked for.
    at: Timestamp,
    /// The page, without its listings.
    page: Page,
    /// Its listings.
    listings: Vec<SeenListing>,
}

#[async_trait]
impl Handler for ProductImport {
    async fn run(&self, context: Context) -> Result<End, Stopped> {
        let Some(entry) = self.work.entry(&context) else {
            return Ok(End::Ended(Outcome::Cancelled, Counts::default()));
        };
        let mut counts = Counts::default();
        match self.import(&context, &entry, context.demand.full, &mut counts).await {
            Ok(()) => Ok(End::Ended(if counts.refused > 0 { Outcome::Partly } else { Outcome::Done }, counts)),
            Err(halt) => halt.end(counts),
        }
    }
}

impl ProductImport {
    /// Makes the handler.
    pub fn new(work: Work) -> Self {
        Self { work }
    }

    /// Makes (or goes on with) a pass over the shop, a complete one if `full` demands it, and adds what it did to `counts`.
    pub(crate) async fn import(
        &self,
        context: &Context,
        entry: &Arc<ShopEntry>,
        full: bool,
        counts: &mut Counts,
    ) -> Result<(), Halt> {
        let fingerprint = entry.channel.fingerprint().await;
        let Some((pass, from)) = self.begin(context, entry, full, fingerprint.as_deref()).await? else {
            return Ok(());
        };
        let mut tx = self.work.store.read(self.work.clock.now()).await?;
        let seen = tx.seen_in_pass(&entry.shop.id, pass.number).await?.iter().map(fingerprint_of).collect();
        let doubled = tx.complained_with(&entry.shop.id, JobKind::ProductImport, Complaint::DUPLICATE_SKU).await?;
        let complained = tx.has_complaints(&entry.shop.id, JobKind::ProductImport).await?;
        drop(tx);
        let doubled = doubled.into_iter().collect();
        let (stand_back, counted) = (Vec::new(), Counts::default());
        let mut reading =
            Reading { context, entry, pass, fingerprint, seen, doubled, stand_back, complained, counts: counted };
        let read = self.read(&mut reading, from).await;
        *counts += reading.counts;
        read
    }

    /// Decides which pass to make and notes it. `None`: nothing can have changed since the last one.
    async fn begin(
        &self,
        context: &Context,
        entry: &ShopEntry,
        full: bool,
        fingerprint: Option<&str>,
    ) -> Result<Option<(Pass, PullFrom)>, Halt> {
        let shop = &entry.shop.id;
        let mut tx = self.work.write(context).await?;
        still_stands(&mut tx, entry).await?;
        if let Some(pass) = tx.open_pass(shop).await?
            && (!full || (pass.kind == PassKind::Full && pass.run == context.run))
        {
            let from = PullFrom { kind: pass.kind, cursor: pass.cursor.clone(), first: pass.cursor.is_none() };
            return Ok(Some((pass, from)));
        }
        let unchanged = fingerprint.is_some()
            && tx.shop(shop).await?.and_then(|row| row.seen_fingerprint).as_deref() == fingerprint;
        let last = tx.last_pass(shop, PassKind::Full).await?;
        let kind = if full || is_full_due(last.as_ref(), &entry.full_import, tx.now) {
            PassKind::Full
        } else if unchanged {
            return Ok(None);
        } else if entry.abilities.changes_are_full {
            PassKind::Full
        } else {
            PassKind::Changes
        };
        let cursor = match kind {
            PassKind::Full => None,
            PassKind::Changes => tx.resume_cursor(shop).await?,
        };
        let pass = tx.begin_pass(shop, kind, context.run).await?;
        tx.commit().await?;
        Ok(Some((pass, PullFrom { kind, cursor, first: true })))
    }

    /// Reads page after page until the pass has ended, the budget is used up, or the run is to stop.
    async fn read(&self, reading: &mut Reading<'_>, from: PullFrom) -> Result<(), Halt> {
        let (entry, kind) = (reading.entry, reading.pass.kind);
        let until = (!reading.context.demand.full).then(|| self.work.clock.now() + BUDGET);
        let resumed = from.cursor.is_some() && !from.first;
        let first = self.pull(entry, from).await;
        if let Err(Halt::Failed(error)) = &first
            && resumed
            && matches!(error.failure, Failure::Rejected | Failure::Bug)
        {
            return Err(self.begin_anew(reading, error).await?);
        }
        let (fetched, arrived) = mpsc::channel(PAGES_AHEAD);
        let fetching = self.clone().fetch(Arc::clone(entry), kind, first?, until, fetched);
        // On a thread of its own, since making a page ready takes as long as storing one.
        let fetching = AbortOnDropHandle::new(tokio::spawn(fetching));
        // What was read is stored whatever becomes of the next page.
        let stored = self.store(reading, arrived).await;
        let fetched = fetching.await.unwrap_or_else(|gone| match gone.try_into_panic() {
            Ok(panic) => panic::resume_unwind(panic),
            Err(_) => Err(Halt::Cancelled),
        });
        stored.and(fetched)
    }

    /// Hands on page after page, as far as whoever stores them keeps up, and asks for none after `until`: whoever demands a complete pass
    /// waits for the whole of it.
    async fn fetch(
        self,
        entry: Arc<ShopEntry>,
        kind: PassKind,
        first: Asked,
        until: Option<Timestamp>,
        fetched: mpsc::Sender<Asked>,
    ) -> Result<(), Halt> {
        let mut asked = first;
        loop {
            let in_time = until.is_none_or(|until| self.work.clock.now() < until);
            let next = asked.page.next.clone().filter(|_| in_time);
            let (Ok(()), Some(cursor)) = (fetched.send(asked).await, next) else { return Ok(()) };
            asked = self.pull(&entry, PullFrom { kind, cursor: Some(cursor), first: false }).await?;
        }
    }

    /// Stores pages as they arrive: those that came while others were stored together.
    async fn store(&self, reading: &mut Reading<'_>, mut arrived: mpsc::Receiver<Asked>) -> Result<(), Halt> {
        let mut pages = Vec::new();
        while !pages.is_empty() || arrived.recv_many(&mut pages, PAGES_AHEAD).await > 0 {
            // A page with which the pass begins anew is the first of its transaction.
            let anew = pages.iter().skip(1).position(|asked: &Asked| asked.page.restart);
            let rest = pages.split_off(anew.map_or(pages.len(), |at| at + 1));
            let last = pages.last().map(|asked| &asked.page).filter(|page| page.next.is_none());
            let resume = last.map(|page| page.resume.clone());
            store_pages(&self.work, reading, pages).await?;
            if let Some(resume) = resume.filter(|_| reading.pass.kind == PassKind::Full) {
                Self::tell_stored(reading.entry, resume.as_ref()).await;
            }
            pages = rest;
        }
        Ok(())
    }

    /// Tells the channel that the pass is stored. What it does then is no part of the import, which is done.
    async fn tell_stored(entry: &ShopEntry, resume: Option<&Cursor>) {
        if let Err(error) = entry.channel.stored(resume).await {
            tracing::warn!(event = "import.unfinished", shop.id = %entry.shop.id, "{}; {}", error.text, error.remedy);
        }
    }

    /// The place where a stored pass stood is not known to the channel any more, for example because its page tokens have ended meanwhile:
    /// the pass begins anew.
    async fn begin_anew(&self, reading: &Reading<'_>, error: &RunError) -> Result<Halt, Halt> {
        let shop = &reading.entry.shop.id;
        let mut tx = self.work.write(reading.context).await?;
        tx.drop_open_pass(shop, reading.pass.number).await?;
        tx.commit().await?;
        tracing::warn!(event = "import.begun_anew", shop.id = %shop, run.id = %reading.context.run, "{}", error.text);
        let text = format!("the pass cannot go on where it stood ({}), so it begins anew", error.text);
        Ok(Halt::new(Failure::Throttled { until: self.work.clock.now() }, ErrorKind::Waiting, text, ""))
    }

    async fn pull(&self, entry: &ShopEntry, from: PullFrom) -> Result<Asked, Halt> {
        let at = self.work.clock.now();
        let mut page = self
            .work
            .call(entry, JobKind::ProductImport, |access| {
                let from = from.clone();
                async move {
                    crash::point("import.before_call");
                    let page = entry.channel.pull(&access, &from).await;
                    crash::point("import.reply_unread");
                    page
                }
            })
            .await?;
        let listings = SeenListing::page(std::mem::take(&mut page.listings), &entry.compared());
        Ok(Asked { at, page, listings })
    }
}

/// Whether the shop is to the settings in force what it was when the attempt began: the product source, or not. What is read as the
/// one must not be stored as the other.
async fn still_stands(tx: &mut Tx, entry: &ShopEntry) -> Result<(), Halt> {
    let is_source = tx.product_source().await?.as_ref() == Some(&entry.shop.id);
    if is_source == entry.is_source { Ok(()) } else { Err(Halt::Cancelled) }
}

/// A number for telling SKUs apart within this process. Two that share it by chance are only looked at more closely.
fn fingerprint_of(sku: &Sku) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(sku)
}

/// Whether a complete pass is due: there was none, or its period has passed since the last began.
fn is_full_due(last: Option<&Pass>, period: &Period, now: Timestamp) -> bool {
    match last {
        None => true,
        Some(last) => period.length(last.started_at).is_some_and(|length| last.started_at + length <= now),
    }
}
