//! Product export: what the source wants is compared with what the shop was last seen to have, and only differences are
//! sent.
//!
//! Steps, each of which may be cut off and done again: ask what became of changes that the shop judges later, read the shop
//! completely once, compute what is wanted where the source, a rule or a listing changed, name what a change lacks, ask the
//! guards, send in batches. Each SKU has its own result. Fields that the shop does not show as they were sent come last, with the questions
//! about them, and give way to the others every now and then.

mod planning;
mod preview;
mod remembering;
mod settling;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
pub use preview::{Preview, preview};

use self::{
    planning::{CHUNK, Plan, Progress, next_batch, plan, want_chunk},
    remembering::note_remembered,
    settling::{SHORTEST, settle, wait_for_judgement},
};
use super::{Halt, Work, product_import::name_unknown};
use crate::{
    channels::PushResult,
    crash,
    domain::{
        Complaint, Counts, Demand, ErrorKind, Failure, JobKind, ListingStatus, Outcome, Part, PassKind, RunError,
        RunState, ShopId, Sku, Trigger, Values,
        plan::{Change, GuardStop, Guarded, change, guard, retires},
        wanted,
    },
    keeper::ShopEntry,
    notices::{News, owe_operator_mail},
    scheduler::{Context, End, Handler, Stopped},
    store::{Complaining, NewRun, Refused, RunFilter, SeenListing, Tx, WantedRow},
};

/// Brings a shop's listings to what the source wants.
pub struct ProductExport {
    work: Work,
    /// Behind which product of a shop its remembered fields are sent next. Whoever is killed begins at the first product again.
    places: Mutex<BTreeMap<ShopId, String>>,
    /// The SKU of a shop at which the last attempt got no answer: what stands behind it goes first the next time, lest one product that
    /// its channel always fails at keeps all others from being sent.
    stumbled: Mutex<BTreeMap<ShopId, Sku>>,
}

#[async_trait]
impl Handler for ProductExport {
    async fn run(&self, context: Context) -> Result<End, Stopped> {
        let Some(entry) = self.work.entry(&context).filter(|entry| !entry.is_source) else {
            return Ok(End::Ended(Outcome::Cancelled, Counts::default()));
        };
        let mut counts = Counts::default();
        match self.carry_out(&context, &entry, &mut counts).await {
            Ok(outcome) => Ok(End::Ended(outcome, counts)),
            Err(halt) => halt.end(counts),
        }
    }
}

impl ProductExport {
    /// Makes the handler.
    pub fn new(work: Work) -> Self {
        Self { work, places: Mutex::default(), stumbled: Mutex::default() }
    }

    /// Exports, and counts the SKUs of which the run has come to complain meanwhile, however it ended.
    async fn carry_out(&self, context: &Context, entry: &ShopEntry, counts: &mut Counts) -> Result<Outcome, Halt> {
        let before = self.refused(context, entry).await?;
        let exported = self.export(context, entry, counts).await;
        let after = self.refused(context, entry).await?;
        counts.refused = after.saturating_sub(before);
        exported.map(|()| if after > 0 { Outcome::Partly } else { Outcome::Done })
    }

    /// How many SKUs the run complains of.
    async fn refused(&self, context: &Context, entry: &ShopEntry) -> Result<u64, Halt> {
        let mut tx = self.work.store.read(self.work.clock.now()).await?;
        Ok(tx.complained_of(&entry.shop.id, JobKind::ProductExport, context.run).await?)
    }

    async fn export(&self, context: &Context, entry: &ShopEntry, counts: &mut Counts) -> Result<(), Halt> {
        let mut throttled = settle(&self.work, context, entry, Part::Compared, counts).await?;
        let source = self.read_once(context, entry).await?;
        self.want(context, entry, &source).await?;
        let mut tx = self.work.write(context).await?;
        resolve_settled(&mut tx, entry).await?;
        let Plan { changes, lacking } = plan(&mut tx, entry).await?;
        let (shop, job) = (&entry.shop.id, JobKind::ProductExport);
        tx.replace_complaints(shop, job, context.run, &lacking).await?;
        let verdict = self.ask_guards(&mut tx, context, entry, &changes).await?;
        tx.commit().await?;
        let released = match verdict {
            Verdict::Pass(released) => released,
            Verdict::Stop(stop) => return Err(stopped(entry, stop)),
        };
        self.send(context, entry, &source, &changes, released, counts).await?;
        let begun = self.work.clock.now();
        if throttled.is_none() {
            throttled = settle(&self.work, context, entry, Part::Remembered, counts).await?;
        }
        self.export_remembered(context, entry, &source, begun, counts).await?;
        wait_for_judgement(&self.work, entry, throttled).await
    }

    /// Makes sure that both sides of the comparison are known: the source was read completely, and so was the shop. Returns the source.
    async fn read_once(&self, context: &Context, entry: &ShopEntry) -> Result<ShopId, Halt> {
        let Some(source) = self.work.shops.source() else {
            return Err(Halt::new(
                Failure::Rejected,
                ErrorKind::Rejected,
                "no product source is named",
                "set `product_source` in the settings",
            ));
        };
        let mut tx = self.work.write(context).await?;
        ask_source(&mut tx, &source).await?;
        // The import has its own run, so that nobody else walks its pass.
        let shop = &entry.shop.id;
        let filter = RunFilter { shop: Some(shop.clone()), job: Some(JobKind::ProductImport), ..RunFilter::default() };
        let import = tx.runs(&filter, 1).await?.into_iter().next();
        let read = tx.last_pass(shop, PassKind::Full).await?.is_some();
        let stands = import.as_ref().map(|run| (run.state, run.available_at));
        let under_way = stands.is_some_and(|(state, _)| !state.is_final());
        // After a renewal or a recovery what was last seen is old: the import that comes with it goes first.
        let first = import.is_some_and(|run| {
            [Some(run.trigger), run.follow_up].iter().any(|it| matches!(it, Some(Trigger::Renewal | Trigger::Recovery)))
        });
        if read && !(under_way && first) {
            return Ok(source);
        }
        if !read && !under_way {
            // Not a complete pass by demand: the first one is complete anyway, and one that took longer than a run goes on.
            let run = NewRun { shop: Some(shop.clone()), job: JobKind::ProductImport, demand: Demand::default() };
            tx.run_now(&run, Trigger::Schedule).await?;
        }
        let wait = if under_way { until_next_look(stands, tx.now) } else { LOOK_AGAIN };
        let halt = soon(tx.now, wait, format!("shop `{shop}` is being read first"), String::new());
        tx.commit().await?;
        Err(halt)
    }

    /// Computes what is wanted where the source, the rules or the listings changed since it was last computed. Names then what the source does
    /// not know and no rule retires.
    async fn want(&self, context: &Context, entry: &ShopEntry, source: &ShopId) -> Result<(), Halt> {
        let (mut after, mut changed) = (Some(Progress::Begin), false);
        while let Some(at) = after {
            let mut tx = self.work.write(context).await?;
            after = want_chunk(&mut tx, context.run, entry, at).await?;
            changed |= after.as_ref().is_some_and(Progress::has_computed);
            tx.commit().await?;
        }
        if changed {
            let mut tx = self.work.write(context).await?;
            tx.resolve_retired(&entry.shop.id).await?;
            // In the name of the import that saw them.
            if let Some(pass) = tx.last_pass(&entry.shop.id, PassKind::Full).await? {
                name_unknown(&mut tx, &entry.shop.id, source, pass.run, false).await?;
            }
            tx.commit().await?;
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
        let live = if retires(plan) { tx.live_listings(shop).await? } else { 0 };
        let row = tx.shop(shop).await?;
        let (told, released) = row.map_or((None, None), |row| (row.stopped_plan, row.released_plan));
        let Some(stop) = guard(plan, live, &entry.rules) else {
            // Nothing waits for a decision any more, whatever was stopped before.
            tx.set_plans(shop, None, None).await?;
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
        source: &ShopId,
        plan: &[Change],
        mut released: Guarded,
        counts: &mut Counts,
    ) -> Result<(), Halt> {
        let (before, after) = plan.split_at(self.beginning(&entry.shop.id, plan));
        let mut sent = 0;
        for mut rest in [after, before] {
            while !rest.is_empty() {
                let (batch, others) = rest.split_at(next_batch(rest, entry.abilities.push_batch));
                rest = others;
                let answered =
                    self.send_batch(context, entry, source, Part::Compared, batch, &mut released, counts).await;
                if let Err(Halt::Failed(RunError {
                    failure: Failure::Unavailable { .. } | Failure::Unexpected { .. },
                    ..
                })) = &answered
                {
                    self.stumbled().insert(entry.shop.id.clone(), batch[0].sku.clone());
                }
                answered?;
                sent += batch.len() as u64;
                context.progress.set(context.run, sent, Some(plan.len() as u64));
            }
        }
        self.stumbled().remove(&entry.shop.id);
        Ok(())
    }

    /// Where in a plan to begin.
    fn beginning(&self, shop: &ShopId, plan: &[Change]) -> usize {
        let stumbled = self.stumbled().get(shop).cloned();
        let at = stumbled.and_then(|sku| plan.iter().position(|change| change.sku == sku));
        at.map_or(0, |at| at + next_batch(&plan[at..], 1))
    }

    fn stumbled(&self) -> MutexGuard<'_, BTreeMap<ShopId, Sku>> {
        self.stumbled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one batch and notes what has become of it. `released`: what may be sent only because a person let it, which is taken off it.
    #[expect(clippy::too_many_arguments, reason = "what a run knows, and one batch of it")]
    async fn send_batch(
        &self,
        context: &Context,
        entry: &ShopEntry,
        source: &ShopId,
        part: Part,
        batch: &[Change],
        released: &mut Guarded,
        counts: &mut Counts,
    ) -> Result<(), Halt> {
        if context.cancel.is_cancelled() {
            return Err(Halt::Cancelled);
        }
        // Another source may be named meanwhile: what this one wants is no longer the truth then.
        ask_source(&mut self.work.store.read(self.work.clock.now()).await?, source).await?;
        let results = self.push(entry, batch).await?;
        let mut tx = self.work.write(context).await?;
        let answered = note_results(&mut tx, context, entry, part, batch, results, counts).await?;
        // Only what was answered: the rest is planned anew by the next attempt.
        counts.seen += answered.len() as u64;
        let sent = Guarded::of(batch.iter().filter(|change| answered.contains(&change.sku)), &entry.rules);
        if !released.is_nothing() && !sent.is_nothing() {
            *released = released.without(sent);
            let left = (!released.is_nothing()).then(|| released.to_string());
            tx.set_plans(&entry.shop.id, None, left.as_deref()).await?;
        }
        let at = tx.now;
        crash::point("export.before_commit");
        tx.commit().await?;
        crash::point("export.after_commit");
        if answered.len() < batch.len() {
            return Err(cut_off(entry, at, batch.len() - answered.len(), !answered.is_empty()));
        }
        Ok(())
    }

    async fn push(&self, entry: &ShopEntry, batch: &[Change]) -> Result<Vec<PushResult>, Halt> {
        let push = |access| async move {
            crash::point("export.before_call");
            let results = entry.channel.push(&access, batch).await;
            crash::point("export.reply_unread");
            results
        };
        self.work.call(entry, JobKind::ProductExport, push).await
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
    let remedy = format!(
        "until you decide, everything waits, prices and stock of other SKUs too: look at `{run} --dry-run`; if it is right: `{run} --release-guard`; if not, mend the source"
    );
    Halt::new(Failure::Guarded, ErrorKind::Guard, stop.text, remedy)
}

/// A shop said nothing of some changes, because it was cut off or would not hear more at once. What is left is planned anew at once, not
/// sent as it was planned: a SKU that was to come with others of a new product joins them now.
fn cut_off(entry: &ShopEntry, now: Timestamp, unsaid: usize, some_said: bool) -> Halt {
    let text = format!("shop `{}` said nothing of {unsaid} changes that it was sent", entry.shop.id);
    if some_said {
        return soon(now, LOOK_AGAIN, text, String::new());
    }
    Halt::new(Failure::Unavailable { retry_at: None }, ErrorKind::Unavailable, text, "")
}

/// How long it takes until the next look at what goes first.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(2);
/// The same for an import that nobody has asked for yet.
const LOOK_AT_REST: SignedDuration = SignedDuration::from_secs(10);
/// The longest wait for an import that is tried again later: somebody may run it before.
const LOOK_AT_LAST: SignedDuration = SignedDuration::from_mins(1);

/// When to look again for the end of an import that goes first, if there is one: its state, and the instant before which it does not go
/// on. While its marketplace is away it is not asked for all the
/// time.
fn until_next_look(import: Option<(RunState, Timestamp)>, now: Timestamp) -> SignedDuration {
    match import.filter(|(state, _)| !state.is_final()) {
        Some((RunState::Running, _)) => LOOK_AGAIN,
        Some((_, available_at)) => available_at.duration_since(now).clamp(LOOK_AGAIN, LOOK_AT_LAST),
        None => LOOK_AT_REST,
    }
}

/// Makes sure that the products are those of the source.
async fn ask_source(tx: &mut Tx, source: &ShopId) -> Result<(), Halt> {
    if tx.is_source_read(source).await? {
        return Ok(());
    }
    let filter = RunFilter { shop: Some(source.clone()), job: Some(JobKind::ProductImport), ..RunFilter::default() };
    let import = tx.runs(&filter, 1).await?.into_iter().next();
    let wait = until_next_look(import.map(|run| (run.state, run.available_at)), tx.now);
    let text = format!("product source `{source}` has not been read completely yet since it became the source");
    let remedy = format!("nothing, if its import is about to run; see `shopsyncd jobs why {source} product_import`");
    Err(soon(tx.now, wait, text, remedy))
}

/// Another look after a while, which is no failed attempt: what is waited for is under way.
fn soon(now: Timestamp, wait: SignedDuration, text: String, remedy: String) -> Halt {
    Halt::new(Failure::Throttled { until: now + wait }, ErrorKind::Waiting, text, remedy)
}

/// Resolves refusals that are no matter any more: somebody has brought the listing to what is wanted past us, it is gone, or
/// nothing is wanted of it. A SKU of which nothing can be wanted, because the source or a rule lacks something, keeps its
/// complaint.
async fn resolve_settled(tx: &mut Tx, entry: &ShopEntry) -> Result<(), Halt> {
    let shop = &entry.shop.id;
    let standing = tx.complaints_of(shop, JobKind::ProductExport).await?;
    let standing = standing.into_iter().filter(|one| one.part == Part::Compared);
    let (unwantable, refused): (Vec<_>, Vec<_>) =
        standing.map(|one| one.complaint).partition(|complaint| complaint.code == wanted::COMPLAINT);
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

/// What is on sale again need not be put there any more: if its owner takes it off sale later, it stays so.
async fn note_on_sale(tx: &mut Tx, shop: &ShopId, changes: &[Change], accepted: &[SeenListing]) -> Result<(), Halt> {
    let returned = |seen: &&SeenListing| {
        let sku = &seen.listing.sku;
        seen.listing.status == ListingStatus::Active
            && changes.iter().any(|change| change.sku == *sku && change.wanted.relisted)
    };
    let skus: Vec<Sku> = accepted.iter().filter(returned).map(|seen| seen.listing.sku.clone()).collect();
    if skus.is_empty() {
        return Ok(());
    }
    let stored = tx.listings_of(shop, &skus).await?.into_iter();
    let wanted = stored.filter_map(|row| {
        let wanted = row.wanted.filter(|wanted| wanted.relisted)?;
        Some(WantedRow { sku: row.sku, wanted: Some(Values { relisted: false, ..wanted }) })
    });
    Ok(tx.put_wanted(shop, &wanted.collect::<Vec<_>>()).await?)
}

/// Accepted values count as seen; refused ones are kept as complaints and not sent again as they stand; what the shop judges later
/// is kept with its ticket. Returns the SKUs of which the shop said any of this.
async fn note_results(
    tx: &mut Tx,
    context: &Context,
    entry: &ShopEntry,
    part: Part,
    changes: &[Change],
    results: Vec<PushResult>,
    counts: &mut Counts,
) -> Result<BTreeSet<Sku>, Halt> {
    let shop = &entry.shop.id;
    let by = Complaining { job: JobKind::ProductExport, part };
    let (mut accepted, mut complaints, mut remarks, mut waiting) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for result in results {
        match result {
            PushResult::Done { listing, .. } => accepted.push(*listing),
            PushResult::Refused(complaint) => complaints.push(complaint),
            PushResult::Remarked { listing, remark } => {
                accepted.push(*listing);
                remarks.push(remark);
            }
            PushResult::Pending { sku, ticket } => {
                let change = changes.iter().find(|change| change.sku == sku);
                waiting.extend(change.map(|change| (ticket.0, change.clone())));
            }
        }
    }
    let accepted = SeenListing::page(accepted, &entry.compared());
    counts.sent += accepted.len() as u64;
    let done: BTreeSet<Sku> = accepted.iter().map(|row| row.listing.sku.clone()).collect();
    let refused: Vec<&Change> = changes.iter().filter(|it| is_refused(it, &complaints)).collect();
    match part {
        Part::Compared => {
            tx.put_accepted(shop, &accepted).await?;
            note_on_sale(tx, shop, changes, &accepted).await?;
            tx.put_refused(shop, &refused.iter().map(|it| refusal(it, entry)).collect::<Vec<_>>()).await?;
            // What is new was sent as a whole.
            let created = changes.iter().filter(|it| it.listing.is_none() && done.contains(&it.sku));
            note_remembered(tx, entry, created, true).await?;
        }
        Part::Remembered => {
            tx.put_accepted_of(shop, &with_hash_before(changes, accepted)).await?;
            note_remembered(tx, entry, changes.iter().filter(|it| done.contains(&it.sku)), true).await?;
            note_remembered(tx, entry, refused.iter().copied(), false).await?;
        }
    }
    let judged: Vec<Sku> = done.iter().chain(refused.iter().map(|it| &it.sku)).cloned().collect();
    tx.resolve_complaints(shop, by, &done.iter().map(ToString::to_string).collect::<Vec<_>>()).await?;
    complaints.extend(remarks);
    tx.replace_complaints(shop, by, context.run, &complaints).await?;
    tx.drop_tickets(shop, part, &judged).await?;
    let ask_at = tx.now + SHORTEST;
    tx.put_tickets(shop, part, ask_at, &waiting).await?;
    Ok(judged.into_iter().chain(waiting.into_iter().map(|(_, change)| change.sku)).collect())
}

/// The listings that are not as they were handed over, each with the hash of what it was then.
fn with_hash_before(changes: &[Change], accepted: Vec<SeenListing>) -> Vec<(SeenListing, String)> {
    let before: BTreeMap<&Sku, String> =
        changes.iter().filter_map(|it| Some((&it.sku, it.listing.as_ref()?.content_hash()))).collect();
    let with = |seen: SeenListing| before.get(&seen.listing.sku).cloned().map(|before| (seen, before));
    accepted.into_iter().filter_map(with).filter(|(seen, before)| seen.hash != *before).collect()
}

fn is_refused(change: &Change, complaints: &[Complaint]) -> bool {
    complaints.iter().any(|complaint| complaint.sku == change.sku.as_str())
}

/// What was refused: this change, whatever is wanted by now.
fn refusal(change: &Change, entry: &ShopEntry) -> Refused {
    let seen_hash = change.listing.as_ref().map(|listing| listing.values(&entry.compared()).hash());
    let (_, wanted) = change.wanted.clone().split(entry.abilities.remembered);
    Refused { sku: change.sku.clone(), wanted_hash: wanted.hash(), seen_hash: seen_hash.unwrap_or_default() }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_import_that_is_tried_again_later_is_not_looked_at_all_the_time() {
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        let seconds =
            |state, due_in: i64| until_next_look(Some((state, now + SignedDuration::from_secs(due_in))), now).as_secs();
        assert_eq!(until_next_look(None, now), LOOK_AT_REST);
        assert_eq!(seconds(RunState::Running, -5), 2);
        assert_eq!(seconds(RunState::Available, -5), 2, "it begins at any moment");
        assert_eq!(seconds(RunState::Retryable, 30), 30);
        assert_eq!(seconds(RunState::Retryable, 900), 60, "somebody may run it before");
        assert_eq!(seconds(RunState::Completed, -5), 10);
    }
}
