//! Product export: what the source wants is compared with what the shop was last seen to have, and only differences are
//! sent.
//!
//! Four steps, each of which may be cut off and done again: read the shop completely once, compute what is wanted
//! where the source, a rule or a listing changed, ask the guards, send in batches. Each SKU has its own result.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{Halt, Work, product_import::seen};
use crate::{
    channels::PushResult,
    crash,
    domain::{
        Complaint, Counts, Currency, Demand, ErrorKind, Failure, JobKind, Outcome, PassKind, RunError, RunId, Sku,
        Trigger,
        wanted::{self, Change, GuardStop},
    },
    keeper::ShopEntry,
    notices::{News, owe_operator_mail},
    scheduler::{Context, End, Handler, Stopped},
    store::{NewRun, RunFilter, Store, StoredListing, StoredVariant, Tx, WantedRow},
};

/// How many rows are computed in one transaction.
const CHUNK: u32 = 1_000;

/// Brings a shop's listings to what the source wants.
pub struct ProductExport {
    work: Work,
}

#[async_trait]
impl Handler for ProductExport {
    async fn run(&self, context: Context) -> Result<End, Stopped> {
        let Some(entry) = self.work.entry(&context).filter(|entry| !entry.is_source) else {
            return Ok(End::Ended(Outcome::Cancelled, Counts::default()));
        };
        let mut counts = Counts::default();
        match self.export(&context, &entry, &mut counts).await {
            Ok(()) => Ok(End::Ended(if counts.refused > 0 { Outcome::Partly } else { Outcome::Done }, counts)),
            Err(halt) => halt.end(counts),
        }
    }
}

impl ProductExport {
    /// Makes the handler.
    pub fn new(work: Work) -> Self {
        Self { work }
    }

    async fn export(&self, context: &Context, entry: &ShopEntry, counts: &mut Counts) -> Result<(), Halt> {
        self.read_once(context, entry).await?;
        self.want(context, entry, counts).await?;
        let mut tx = self.work.write(context).await?;
        resolve_settled(&mut tx, entry).await?;
        let plan = plan(&mut tx, entry).await?;
        let stop = self.guard(&mut tx, context, entry, &plan).await?;
        tx.commit().await?;
        if let Some(halt) = stop {
            return Err(halt);
        }
        counts.seen = plan.len() as u64;
        self.send(context, entry, &plan, counts).await
    }

    /// Makes sure that both sides of the comparison are known: the source was read completely, and so was the shop.
    async fn read_once(&self, context: &Context, entry: &ShopEntry) -> Result<(), Halt> {
        let Some(source) = self.work.shops.source() else {
            return Err(Halt::new(
                Failure::Rejected,
                ErrorKind::Rejected,
                "no product source is named",
                "set `product_source` in the settings",
            ));
        };
        let mut tx = self.work.write(context).await?;
        if tx.last_pass(&source, PassKind::Full).await?.is_none() {
            let text = format!("product source `{source}` has not been read completely yet");
            let remedy =
                format!("nothing, if its import is about to run; see `shopsyncd jobs why {source} product_import`");
            return Err(soon(tx.now, text, remedy));
        }
        // The import has its own run, so that nobody else walks its pass.
        let shop = &entry.shop.id;
        let filter = RunFilter { shop: Some(shop.clone()), job: Some(JobKind::ProductImport), ..RunFilter::default() };
        let import = tx.runs(&filter, 1).await?.into_iter().next();
        let read = tx.last_pass(shop, PassKind::Full).await?.is_some();
        let under_way = import.as_ref().is_some_and(|run| !run.state.is_final());
        // After a renewal or a recovery what was last seen is old: the import that comes with it goes first.
        let first = import.is_some_and(|run| {
            [Some(run.trigger), run.follow_up].iter().any(|it| matches!(it, Some(Trigger::Renewal | Trigger::Recovery)))
        });
        if read && !(under_way && first) {
            return Ok(());
        }
        if !read && !under_way {
            let demand = Demand { full: true, ..Demand::default() };
            tx.run_now(&NewRun { shop: Some(shop.clone()), job: JobKind::ProductImport, demand }, Trigger::Schedule)
                .await?;
        }
        let halt = soon(tx.now, format!("shop `{shop}` is being read first"), String::new());
        tx.commit().await?;
        Err(halt)
    }

    /// Computes what is wanted where the source, the rules or the listings changed since it was last computed.
    async fn want(&self, context: &Context, entry: &ShopEntry, counts: &mut Counts) -> Result<(), Halt> {
        let mut after = Some(Progress::Begin);
        while let Some(at) = after {
            let mut tx = self.work.write(context).await?;
            let (next, refused) = want_chunk(&mut tx, context.run, entry, at).await?;
            tx.commit().await?;
            counts.refused += refused;
            after = next;
        }
        Ok(())
    }

    /// Asks the guards. A plan that a person let through passes, in this run and for this plan only.
    async fn guard(
        &self,
        tx: &mut Tx,
        context: &Context,
        entry: &ShopEntry,
        plan: &[Change],
    ) -> Result<Option<Halt>, Halt> {
        let shop = &entry.shop.id;
        let live = tx.live_listings(shop).await?;
        let Some(stop) = wanted::guard(plan, live, &entry.rules) else {
            return Ok(None);
        };
        let digest = wanted::plan_digest(plan);
        let (stopped, released) = (format!("guard.stopped/{shop}"), format!("guard.released/{shop}"));
        let run = context.run.to_string();
        if tx.fact(&released).await?.as_deref() == Some(&run) {
            return Ok(None);
        }
        if context.demand.release_guard && tx.fact(&stopped).await?.as_deref() == Some(&digest) {
            // By the run, not by the plan: an attempt that goes on after a crash has a smaller plan left.
            tx.set_fact(&released, &run).await?;
            tx.set_fact(&stopped, "").await?;
            return Ok(None);
        }
        tx.set_fact(&stopped, &digest).await?;
        tracing::warn!(event = "guard.stopped", shop.id = %shop, run.id = %context.run, "{}", stop.text);
        let news = News::GuardStopped { shop: shop.clone(), name: entry.shop.name.clone(), why: stop.text.clone() };
        let occasion = format!("guard/{shop}/{digest}");
        owe_operator_mail(tx, &self.work.people.load(), &occasion, std::slice::from_ref(shop), &news).await?;
        Ok(Some(Halt::new(
            Failure::Guarded,
            ErrorKind::Guard,
            stop.text,
            format!(
                "look at `shopsyncd jobs run {shop} product_export --dry-run`; if it is right: `shopsyncd jobs run {shop} product_export --release-guard`"
            ),
        )))
    }

    async fn send(
        &self,
        context: &Context,
        entry: &ShopEntry,
        plan: &[Change],
        counts: &mut Counts,
    ) -> Result<(), Halt> {
        let mut done = 0;
        for batch in batches(plan, entry.abilities.push_batch) {
            if context.cancel.is_cancelled() {
                return Err(Halt::Cancelled);
            }
            let results = self.push(entry, batch).await?;
            let mut tx = self.work.write(context).await?;
            note_results(&mut tx, context, entry, results, counts).await?;
            crash::point("export.before_commit");
            tx.commit().await?;
            crash::point("export.after_commit");
            done += batch.len();
            context.progress.set(context.run, done as u64, Some(plan.len() as u64));
        }
        Ok(())
    }

    /// Sends a batch and asks once what became of what the channel judges later. What is still open then stays a
    /// difference: the next run settles it by sending it again, which does no harm.
    async fn push(&self, entry: &ShopEntry, batch: &[Change]) -> Result<Vec<PushResult>, Halt> {
        let sent = self
            .work
            .call(entry, |access| async move {
                crash::point("export.before_call");
                let results = entry.channel.push(&access, batch).await;
                crash::point("export.reply_unread");
                results
            })
            .await?;
        let mut results = Vec::with_capacity(sent.len());
        for result in sent {
            match result {
                PushResult::Pending { ticket, .. } => {
                    let ticket = &ticket;
                    results.extend(
                        self.work
                            .call(entry, |access| async move { entry.channel.settle(&access, ticket).await })
                            .await?,
                    );
                }
                known => results.push(known),
            }
        }
        Ok(results)
    }
}

/// Another look in a moment, which is no failed attempt: what is waited for is under way.
fn soon(now: Timestamp, text: String, remedy: String) -> Halt {
    Halt::new(Failure::Throttled { until: now + SignedDuration::from_secs(2) }, ErrorKind::Unavailable, text, remedy)
}

/// How far the computing of what is wanted has come.
enum Progress {
    Begin,
    /// The seen values are hashed anew, because the chosen fields may have changed: done up to this SKU.
    Hashing(Option<Sku>),
    /// Variants changed since this revision: done up to this SKU.
    Variants {
        since: i64,
        upto: i64,
        after: Option<Sku>,
    },
    /// Listings that came into the shop after their variant had been computed: done up to this SKU.
    Newcomers(Option<Sku>),
}

/// One transaction's worth of computing; returns where to go on and how many complaints it made.
async fn want_chunk(tx: &mut Tx, run: RunId, entry: &ShopEntry, at: Progress) -> Result<(Option<Progress>, u64), Halt> {
    let shop = &entry.shop.id;
    let digest = entry.rules.digest();
    match at {
        Progress::Begin => {
            let row = tx.shop(shop).await?;
            let (known, since) = row.map_or((None, 0), |row| (row.rules_digest, row.wanted_revision));
            if known.as_deref() == Some(&digest) {
                let upto = tx.variants_revision().await?;
                Ok((Some(Progress::Variants { since, upto, after: None }), 0))
            } else {
                Ok((Some(Progress::Hashing(None)), 0))
            }
        }
        Progress::Hashing(after) => {
            let rows = tx.listings(shop, after.as_ref(), CHUNK).await?;
            let hashes: Vec<_> = rows
                .iter()
                .filter_map(|row| Some((row.sku.clone(), row.listing.as_ref()?.values(&entry.rules.fields).hash())))
                .collect();
            tx.put_seen_hashes(shop, &hashes).await?;
            if let Some(last) = rows.last() {
                return Ok((Some(Progress::Hashing(Some(last.sku.clone()))), 0));
            }
            let upto = tx.variants_revision().await?;
            Ok((Some(Progress::Variants { since: 0, upto, after: None }), 0))
        }
        Progress::Variants { since, upto, after } => {
            let variants = tx.variants_since(since, after.as_ref(), CHUNK).await?;
            let Some(last) = variants.last().map(|row| row.variant.sku.clone()) else {
                tx.set_wanted_mark(shop, &digest, upto).await?;
                return Ok((Some(Progress::Newcomers(None)), 0));
            };
            let refused = want_variants(tx, run, entry, &variants).await?;
            Ok((Some(Progress::Variants { since, upto, after: Some(last) }), refused))
        }
        Progress::Newcomers(after) => {
            let variants = tx.newcomers(shop, after.as_ref(), CHUNK).await?;
            let Some(last) = variants.last().map(|row| row.variant.sku.clone()) else {
                return Ok((None, 0));
            };
            let refused = want_variants(tx, run, entry, &variants).await?;
            Ok((Some(Progress::Newcomers(Some(last))), refused))
        }
    }
}

/// Computes and stores what is wanted of some variants; returns how many complaints that made.
async fn want_variants(tx: &mut Tx, run: RunId, entry: &ShopEntry, variants: &[StoredVariant]) -> Result<u64, Halt> {
    let shop = &entry.shop.id;
    let usual = tx.usual_currency(shop).await?;
    let skus: Vec<Sku> = variants.iter().map(|row| row.variant.sku.clone()).collect();
    let listings: BTreeMap<Sku, StoredListing> =
        tx.listings_of(shop, &skus).await?.into_iter().map(|stored| (stored.sku.clone(), stored)).collect();
    let (mut rows, mut complaints) = (Vec::new(), Vec::new());
    for row in variants {
        let listing = listings.get(&row.variant.sku).filter(|stored| !stored.gone);
        match wanted_of(row, listing, usual, entry) {
            Ok(wanted) => rows.push(WantedRow { sku: row.variant.sku.clone(), wanted }),
            Err(complaint) => {
                complaints.push(complaint);
                rows.push(WantedRow { sku: row.variant.sku.clone(), wanted: None });
            }
        }
    }
    tx.put_wanted(shop, &rows).await?;
    // Only what this step itself complains of: a refusal by the shop stands until the shop accepts.
    let resolved: Vec<String> = skus.iter().map(ToString::to_string).collect();
    tx.resolve_coded(shop, JobKind::ProductExport, wanted::COMPLAINT, &resolved).await?;
    tx.put_complaints(shop, JobKind::ProductExport, run, &complaints).await?;
    Ok(complaints.len() as u64)
}

fn wanted_of(
    row: &StoredVariant,
    listing: Option<&StoredListing>,
    usual: Option<Currency>,
    entry: &ShopEntry,
) -> Result<Option<crate::domain::Values>, Complaint> {
    let listed = listing.and_then(|stored| stored.listing.as_ref());
    if row.gone {
        return Ok(listed.and_then(|_| wanted::wanted_of_dropped(&entry.rules)));
    }
    if listed.is_none() && !entry.rules.create {
        return Ok(None);
    }
    let currency = listed.and_then(|listing| listing.prices.first()).map(|price| price.currency).or(usual);
    wanted::wanted(&row.product, &row.variant, currency, &entry.rules).map(Some)
}

/// The plan in batches of at most `size` SKUs. Those of one product stay together where they fit: some channels take
/// only whole products off sale.
fn batches(plan: &[Change], size: usize) -> Vec<&[Change]> {
    let size = size.max(1);
    let (mut batches, mut rest) = (Vec::new(), plan);
    while rest.len() > size {
        let product = |index: usize| rest[index].listing.as_ref().map(|listing| &listing.product_id);
        let whole = (1..=size).rev().find(|&end| product(end - 1).is_none() || product(end - 1) != product(end));
        let (batch, after) = rest.split_at(whole.unwrap_or(size));
        batches.push(batch);
        rest = after;
    }
    if !rest.is_empty() {
        batches.push(rest);
    }
    batches
}

/// Everything that is to be sent to the shop as things stand, product by product.
async fn plan(tx: &mut Tx, entry: &ShopEntry) -> Result<Vec<Change>, Halt> {
    let mut plan = Vec::new();
    let mut after = None;
    loop {
        let rows = tx.differences(&entry.shop.id, after.as_ref(), CHUNK).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.sku.clone());
        for row in rows {
            if let Some(change) = change_of(tx, row, entry).await? {
                plan.push(change);
            }
        }
    }
    plan.sort_by(|a: &Change, b: &Change| {
        let product = |change: &Change| change.listing.as_ref().map(|listing| listing.product_id.clone());
        (product(a), &a.sku).cmp(&(product(b), &b.sku))
    });
    Ok(plan)
}

async fn change_of(tx: &mut Tx, row: StoredListing, entry: &ShopEntry) -> Result<Option<Change>, Halt> {
    let Some(wanted) = row.wanted else { return Ok(None) };
    let Some(listing) = row.listing else {
        let variant = tx.variant(&row.sku).await?;
        let product = variant.map(|stored| (stored.product, stored.variant));
        let fields = entry.rules.fields.iter().copied().collect();
        return Ok(Some(Change { sku: row.sku, listing: None, product, wanted, fields }));
    };
    Ok(wanted::change(&listing, &wanted))
}

/// Resolves complaints about SKUs that need nothing any more: somebody has brought the listing to what is wanted past us.
/// A SKU of which nothing can be wanted, because the source or a rule lacks something, keeps its complaint.
async fn resolve_settled(tx: &mut Tx, entry: &ShopEntry) -> Result<(), Halt> {
    let shop = &entry.shop.id;
    let standing = tx.complaints(Some(shop)).await?;
    let skus: Vec<Sku> = standing
        .iter()
        .filter(|(_, job, ..)| *job == JobKind::ProductExport)
        .filter_map(|(_, _, complaint, ..)| complaint.sku.parse().ok())
        .collect();
    let mut settled = Vec::new();
    for skus in skus.chunks(CHUNK as usize) {
        for stored in tx.listings_of(shop, skus).await? {
            let sku = stored.sku.to_string();
            if stored.wanted.is_some() && !stored.gone && change_of(tx, stored, entry).await?.is_none() {
                settled.push(sku);
            }
        }
    }
    if !settled.is_empty() {
        tx.resolve_complaints(shop, JobKind::ProductExport, &settled).await?;
    }
    Ok(())
}

/// Accepted values count as seen; refused ones are kept as complaints and not sent again as they stand.
async fn note_results(
    tx: &mut Tx,
    context: &Context,
    entry: &ShopEntry,
    results: Vec<PushResult>,
    counts: &mut Counts,
) -> Result<(), Halt> {
    let shop = &entry.shop.id;
    let (mut accepted, mut complaints) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            PushResult::Done { listing, .. } => accepted.push(seen(*listing, &entry.rules)),
            PushResult::Refused(complaint) => complaints.push(complaint),
            PushResult::Pending { .. } => {}
        }
    }
    counts.sent += accepted.len() as u64;
    counts.refused += complaints.len() as u64;
    let done: Vec<String> = accepted.iter().map(|row| row.listing.sku.to_string()).collect();
    let refused: Vec<Sku> = complaints.iter().filter_map(|complaint| complaint.sku.parse().ok()).collect();
    tx.put_accepted(shop, &accepted).await?;
    tx.put_refused(shop, &refused).await?;
    tx.resolve_complaints(shop, JobKind::ProductExport, &done).await?;
    tx.put_complaints(shop, JobKind::ProductExport, context.run, &complaints).await?;
    Ok(())
}

/// The plan as it would be carried out now, computed and then forgotten: for `--dry-run`. Writes nothing.
pub async fn dry_run(
    store: &Store,
    now: Timestamp,
    entry: &ShopEntry,
) -> Result<(Vec<Change>, Option<GuardStop>), RunError> {
    let planned = async {
        let mut tx = store.write(now).await?;
        let mut at = Some(Progress::Begin);
        while let Some(progress) = at {
            at = want_chunk(&mut tx, RunId(0), entry, progress).await?.0;
        }
        let plan = plan(&mut tx, entry).await?;
        let stop = wanted::guard(&plan, tx.live_listings(&entry.shop.id).await?, &entry.rules);
        Ok((plan, stop))
    };
    planned.await.map_err(|halt| match halt {
        Halt::Failed(error) => error,
        Halt::Cancelled => unreachable!("nothing cancels a transaction that is forgotten"),
    })
}
