//! Product export: what the source wants is compared with what the shop was last seen to have, and only differences are
//! sent.
//!
//! Four steps, each of which may be cut off and done again: read the shop completely once, compute what is wanted
//! where the source, a rule or a listing changed, ask the guards, send in batches. Each SKU has its own result.

mod planning;
mod preview;

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
pub use preview::{Preview, preview};

use self::planning::{CHUNK, Progress, plan, want_chunk};
use super::{Halt, Work, product_import::seen};
use crate::{
    channels::PushResult,
    crash,
    domain::{
        Counts, Demand, ErrorKind, Failure, JobKind, Outcome, PassKind, Sku, Trigger,
        plan::{Change, GuardStop, Guarded, change, guard},
        wanted,
    },
    keeper::ShopEntry,
    notices::{News, owe_operator_mail},
    scheduler::{Context, End, Handler, Stopped},
    store::{NewRun, RunFilter, Tx},
};

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
        let verdict = self.ask_guards(&mut tx, context, entry, &plan).await?;
        tx.commit().await?;
        let released = match verdict {
            Verdict::Pass(released) => released,
            Verdict::Stop(stop) => return Err(stopped(entry, stop)),
        };
        counts.seen = plan.len() as u64;
        self.send(context, entry, &plan, released, counts).await
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

    /// Asks the guards. A plan that a person let through after it was stopped passes, once: what was sent of it is taken off
    /// the release, so that an attempt which goes on after a crash passes with the rest, and with nothing else.
    async fn ask_guards(
        &self,
        tx: &mut Tx,
        context: &Context,
        entry: &ShopEntry,
        plan: &[Change],
    ) -> Result<Verdict, Halt> {
        let shop = &entry.shop.id;
        let live = tx.live_listings(shop).await?;
        let row = tx.shop(shop).await?;
        let (told, released) = row.map_or((None, None), |row| (row.stopped_plan, row.released_plan));
        let Some(stop) = guard(plan, live, &entry.rules) else {
            tx.set_plans(shop, told.as_deref(), None).await?;
            return Ok(Verdict::Pass(Guarded::default()));
        };
        let found = Some(stop.guarded.to_string());
        if released == found || (context.demand.release_guard && told == found) {
            tx.set_plans(shop, None, found.as_deref()).await?;
            return Ok(Verdict::Pass(stop.guarded));
        }
        tx.set_plans(shop, found.as_deref(), None).await?;
        tracing::warn!(event = "guard.stopped", shop.id = %shop, run.id = %context.run, "{}", stop.text);
        if told != found {
            let news = News::GuardStopped { shop: shop.clone(), name: entry.shop.name.clone(), why: stop.text.clone() };
            let occasion = format!("guard/{shop}/{}/{}", stop.guarded, context.run);
            owe_operator_mail(tx, &self.work.people.load(), &occasion, std::slice::from_ref(shop), &news).await?;
        }
        Ok(Verdict::Stop(stop))
    }

    async fn send(
        &self,
        context: &Context,
        entry: &ShopEntry,
        plan: &[Change],
        mut released: Guarded,
        counts: &mut Counts,
    ) -> Result<(), Halt> {
        let mut done = 0;
        for batch in batches(plan, entry.abilities.push_batch) {
            if context.cancel.is_cancelled() {
                return Err(Halt::Cancelled);
            }
            let results = self.push(entry, batch).await?;
            let mut tx = self.work.write(context).await?;
            let judged = note_results(&mut tx, context, entry, results, counts).await?;
            let sent = Guarded::of(batch.iter().filter(|change| judged.contains(&change.sku)), &entry.rules);
            if !released.is_nothing() && !sent.is_nothing() {
                released = released.without(sent);
                let left = (!released.is_nothing()).then(|| released.to_string());
                tx.set_plans(&entry.shop.id, None, left.as_deref()).await?;
            }
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

/// What the guards say to a plan.
enum Verdict {
    /// It may go, with this part only because a person let it.
    Pass(Guarded),
    Stop(GuardStop),
}

/// How a run ends that a guard stopped.
fn stopped(entry: &ShopEntry, stop: GuardStop) -> Halt {
    let run = format!("shopsyncd jobs run {} product_export", entry.shop.id);
    let remedy = format!("look at `{run} --dry-run`; if it is right: `{run} --release-guard`");
    Halt::new(Failure::Guarded, ErrorKind::Guard, stop.text, remedy)
}

/// Another look in a moment, which is no failed attempt: what is waited for is under way.
fn soon(now: Timestamp, text: String, remedy: String) -> Halt {
    Halt::new(Failure::Throttled { until: now + SignedDuration::from_secs(2) }, ErrorKind::Waiting, text, remedy)
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

/// Resolves refusals that are no matter any more: somebody has brought the listing to what is wanted past us, it is gone, or
/// nothing is wanted of it. A SKU of which nothing can be wanted, because the source or a rule lacks something, keeps its
/// complaint.
async fn resolve_settled(tx: &mut Tx, entry: &ShopEntry) -> Result<(), Halt> {
    let shop = &entry.shop.id;
    let standing = tx.complaints_of(shop, JobKind::ProductExport).await?;
    let (unwantable, refused): (Vec<_>, Vec<_>) =
        standing.into_iter().map(|one| one.complaint).partition(|complaint| complaint.code == wanted::COMPLAINT);
    let mut settled: BTreeSet<Sku> = refused.iter().filter_map(|complaint| complaint.sku.parse().ok()).collect();
    let unwantable: BTreeSet<String> = unwantable.into_iter().map(|complaint| complaint.sku).collect();
    settled.retain(|sku| !unwantable.contains(sku.as_str()));
    for skus in settled.iter().cloned().collect::<Vec<_>>().chunks(CHUNK as usize) {
        for stored in tx.listings_of(shop, skus).await?.into_iter().filter(|stored| !stored.gone) {
            let Some(wanted) = stored.wanted else { continue };
            if stored.listing.is_none_or(|listing| change(&listing, &wanted).is_some()) {
                settled.remove(&stored.sku);
            }
        }
    }
    let settled: Vec<String> = settled.iter().map(ToString::to_string).collect();
    if !settled.is_empty() {
        tx.resolve_complaints(shop, JobKind::ProductExport, &settled).await?;
    }
    Ok(())
}

/// Accepted values count as seen; refused ones are kept as complaints and not sent again as they stand. Returns the SKUs
/// that were judged either way.
async fn note_results(
    tx: &mut Tx,
    context: &Context,
    entry: &ShopEntry,
    results: Vec<PushResult>,
    counts: &mut Counts,
) -> Result<BTreeSet<Sku>, Halt> {
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
    Ok(accepted.into_iter().map(|row| row.listing.sku).chain(refused).collect())
}
