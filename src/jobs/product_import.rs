//! Product import: pages in, normalised, stored with the cursor in one transaction.
//!
//! An import makes *passes*: complete ones at the shop's own slower period, and passes of changes in between. A stop at
//! any point resumes at the page that was not stored. Only a complete pass that ended marks what it did not see as gone.
//! The next page is fetched while the last one is stored.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::SignedDuration;

use super::{Halt, Work};
use crate::{
    channels::{From as PullFrom, Page},
    crash,
    domain::{
        Complaint, Counts, JobKind, Listing, Outcome, Pass, PassKind, Period, Product, RunId, ShopId, Sku, Variant,
        wanted::Rules,
    },
    keeper::ShopEntry,
    scheduler::{Context, End, Handler, Stopped},
    store::{SeenListing, Tx},
};

/// How long one run reads at most; then it ends well and the next one goes on.
const BUDGET: SignedDuration = SignedDuration::from_mins(10);

/// Reads a shop's listings; from the product source also the products.
#[derive(Clone)]
pub struct ProductImport {
    work: Work,
}

/// A pass under way, with what it needs from page to page.
struct Reading<'a> {
    context: &'a Context,
    entry: &'a ShopEntry,
    pass: Pass,
    /// The content the pass began with, for channels that can tell.
    fingerprint: Option<String>,
    counts: Counts,
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
        entry: &ShopEntry,
        full: bool,
        counts: &mut Counts,
    ) -> Result<(), Halt> {
        let fingerprint = entry.channel.fingerprint().await;
        let Some((pass, from)) = self.begin(context, entry, full, fingerprint.as_deref()).await? else {
            return Ok(());
        };
        let mut reading = Reading { context, entry, pass, fingerprint, counts: Counts::default() };
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
        if let Some(pass) = tx.open_pass(shop).await?
            && (!full || (pass.kind == PassKind::Full && context.lease_number > 1))
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
        let pass = tx.begin_pass(shop, kind).await?;
        tx.commit().await?;
        Ok(Some((pass, PullFrom { kind, cursor, first: true })))
    }

    /// Reads page after page until the pass has ended, the budget is used up, or the run is to stop.
    async fn read(&self, reading: &mut Reading<'_>, from: PullFrom) -> Result<(), Halt> {
        let until = self.work.clock.now() + BUDGET;
        let (entry, kind) = (reading.entry, reading.pass.kind);
        let mut page = Some(self.pull(entry, from).await?);
        while let Some(read) = page.take() {
            let goes_on = read.next.clone().filter(|_| self.work.clock.now() < until);
            let following = async {
                match goes_on {
                    Some(cursor) => {
                        self.pull(entry, PullFrom { kind, cursor: Some(cursor), first: false }).await.map(Some)
                    }
                    None => Ok(None),
                }
            };
            // The page just read is stored whatever becomes of the next one.
            let (stored, fetched) = tokio::join!(store_page(&self.work, reading, read), following);
            stored?;
            page = fetched?;
        }
        Ok(())
    }

    async fn pull(&self, entry: &ShopEntry, from: PullFrom) -> Result<Page, Halt> {
        self.work
            .call(entry, |access| {
                let from = from.clone();
                async move {
                    crash::point("import.before_call");
                    let page = entry.channel.pull(&access, &from).await;
                    crash::point("import.reply_unread");
                    page
                }
            })
            .await
    }
}

/// Whether a complete pass is due: there was none, or its period has passed since the last began.
fn is_full_due(last: Option<&Pass>, period: &Period, now: jiff::Timestamp) -> bool {
    match last {
        None => true,
        Some(last) => period.length(last.started_at).is_some_and(|length| last.started_at + length <= now),
    }
}

/// Stores a page, its complaints and the cursor together; at the end of the pass also what follows from it.
async fn store_page(work: &Work, reading: &mut Reading<'_>, page: Page) -> Result<(), Halt> {
    let Reading { context, entry, .. } = *reading;
    let shop = &entry.shop.id;
    let mut tx = work.write(context).await?;
    if tx.open_pass(shop).await?.is_none_or(|open| open.number != reading.pass.number) {
        // Somebody began another pass: what this one saw is worth nothing to it.
        return Err(Halt::Cancelled);
    }
    if page.restart {
        // The content changed under the pass: what it saw so far does not count.
        reading.pass = tx.begin_pass(shop, reading.pass.kind).await?;
        reading.fingerprint = entry.channel.fingerprint().await;
    }
    let (listings, doubled) = first_of_each_sku(page.listings);
    let mut complaints: Vec<Complaint> = page.complaints.into_iter().chain(doubled).collect();
    let mut counts = put_page(&mut tx, entry, &listings, &reading.pass).await?;
    counts.refused = complaints.len() as u64;
    complaints.extend(page.remarks);
    note_seen(&mut tx, shop, &reading.pass, &listings, &complaints).await?;
    put_complaints(&mut tx, shop, context.run, &listings, &complaints).await?;
    match &page.next {
        Some(cursor) => tx.move_pass(shop, reading.pass.number, cursor).await?,
        None => counts += end_pass(&mut tx, reading, context.run, page.resume.as_ref()).await?,
    }
    crash::point("import.before_commit");
    tx.commit().await?;
    crash::point("import.after_commit");
    reading.counts += counts;
    context.progress.set(context.run, reading.counts.seen, page.total);
    Ok(())
}

/// Notes what a complete pass has seen. A SKU with a complaint is there all the same: a price that cannot be read must not
/// look like a product that was dropped.
async fn note_seen(
    tx: &mut Tx,
    shop: &ShopId,
    pass: &Pass,
    listings: &[Listing],
    complaints: &[Complaint],
) -> Result<(), Halt> {
    if pass.kind == PassKind::Full {
        let complained = complaints.iter().filter_map(|complaint| complaint.sku.parse::<Sku>().ok());
        let skus: Vec<Sku> = listings.iter().map(|listing| listing.sku.clone()).chain(complained).collect();
        tx.note_seen(shop, pass.number, &skus).await?;
    }
    Ok(())
}

/// Keeps the page's complaints, and resolves those about its SKUs that have none any more.
async fn put_complaints(
    tx: &mut Tx,
    shop: &ShopId,
    run: RunId,
    listings: &[Listing],
    complaints: &[Complaint],
) -> Result<(), Halt> {
    let standing: BTreeSet<&str> = complaints.iter().map(|complaint| complaint.sku.as_str()).collect();
    let skus = listings.iter().map(|listing| listing.sku.as_str());
    let resolved: Vec<String> = skus.filter(|sku| !standing.contains(sku)).map(str::to_owned).collect();
    tx.resolve_complaints(shop, JobKind::ProductImport, &resolved).await?;
    tx.put_complaints(shop, JobKind::ProductImport, run, complaints).await?;
    Ok(())
}

/// Stores valid listings, and from the source their products and variants.
async fn put_page(tx: &mut Tx, entry: &ShopEntry, listings: &[Listing], pass: &Pass) -> Result<Counts, Halt> {
    let seen: Vec<SeenListing> = listings.iter().map(|listing| seen(listing.clone(), &entry.rules)).collect();
    let mut counts = tx.put_listings(&entry.shop.id, &seen, pass.started_at).await?;
    if entry.is_source {
        let variants: Vec<_> = listings.iter().map(product_of).collect();
        let of_source = tx.put_variants(&variants).await?;
        (counts.changed, counts.unchanged) = (of_source.changed, of_source.unchanged);
    }
    Ok(counts)
}

/// Ends the pass. After a complete one, what it did not see is gone, and what it did not complain of is resolved.
async fn end_pass(
    tx: &mut Tx,
    reading: &Reading<'_>,
    run: RunId,
    resume: Option<&crate::domain::Cursor>,
) -> Result<Counts, Halt> {
    let Reading { entry, pass, fingerprint, .. } = reading;
    let shop: &ShopId = &entry.shop.id;
    let mut counts = Counts::default();
    if pass.kind == PassKind::Full {
        if entry.is_source {
            tx.drop_unseen_variants(shop, pass.number).await?;
        }
        counts.gone = tx.drop_unseen_listings(shop, pass.number, pass.started_at).await?;
        tx.resolve_complaints_before(shop, JobKind::ProductImport, run).await?;
        tx.retry_refused(shop).await?;
        tx.set_seen_fingerprint(shop, fingerprint.as_deref()).await?;
        // What is wanted depends on the listing too (its currency): computed anew by the next export.
        tx.forget_wanted_mark(shop).await?;
    }
    tx.end_pass(shop, pass.number, resume).await?;
    Ok(counts)
}

/// A listing with the hashes it is compared by.
pub(crate) fn seen(listing: Listing, rules: &Rules) -> SeenListing {
    SeenListing { hash: listing.content_hash(), seen_hash: listing.values(&rules.fields).hash(), listing }
}

/// What a listing of the source says of its product and variant.
fn product_of(listing: &Listing) -> (Product, Variant) {
    let product = Product {
        id: listing.product_id.clone(),
        title: listing.title.clone(),
        description: listing.description.clone(),
        brand: listing.brand.clone(),
        images: listing.images.clone(),
    };
    let variant = Variant {
        sku: listing.sku.clone(),
        product_id: listing.product_id.clone(),
        barcode: listing.barcode.clone(),
        prices: listing.prices.clone(),
        stock: listing.stock,
        options: listing.options.clone(),
    };
    (product, variant)
}

/// A SKU that stands twice on a page is ambiguous: the first stands, each further one is a complaint.
fn first_of_each_sku(listings: Vec<Listing>) -> (Vec<Listing>, Vec<Complaint>) {
    let mut known = BTreeSet::new();
    let mut doubled = Vec::new();
    let first = listings
        .into_iter()
        .filter(|listing| {
            let new = known.insert(listing.sku.clone());
            if !new {
                doubled.push(Complaint {
                    sku: listing.sku.to_string(),
                    code: "duplicate_sku".into(),
                    text: format!(
                        "SKU `{}` stands in the shop twice (again in product {}); give each variant a SKU of its own",
                        listing.sku, listing.product_id
                    ),
                    request_id: None,
                });
            }
            new
        })
        .collect();
    (first, doubled)
}
