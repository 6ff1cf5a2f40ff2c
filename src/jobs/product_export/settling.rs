//! What a shop accepts for later judgement: kept with its ticket, asked after until it is judged.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{LOOK_AGAIN, note_results, planning::CHUNK, soon};
use crate::{
    channels::{PushResult, Settled, Ticket},
    domain::{Complaint, Counts, Failure, JobKind, Part, Period, RunError, Sku, plan::Change},
    jobs::{Halt, Work},
    keeper::ShopEntry,
    scheduler::Context,
    store::{OpenTicket, Tx, Waiting},
};

/// Whoever has not judged by then is not waited for any more: what differs still is sent anew.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// The shortest wait between two questions about the same ticket.
pub(super) const SHORTEST: SignedDuration = SignedDuration::from_secs(10);
/// How long questions about one part are asked in an attempt: shops answer a few each second, and thousands may wait.
const SPELL: SignedDuration = SignedDuration::from_secs(15);
/// How many tickets are looked up at once.
const TURN: u32 = 100;

/// The longest wait between two questions about the same ticket. Nothing waits for an audit of images but the next images.
fn longest(part: Part) -> SignedDuration {
    SignedDuration::from_mins(match part {
        Part::Compared => 5,
        Part::Remembered => 15,
    })
}

/// Asks after what waits of one part, and notes what was judged. For a while, and each in its turn: what is not asked after by then is first
/// the next time. Returns until when the shop would not be asked more, where it said so, which keeps nothing from being sent.
pub(super) async fn settle(
    work: &Work,
    context: &Context,
    entry: &ShopEntry,
    part: Part,
    counts: &mut Counts,
) -> Result<Option<Timestamp>, Halt> {
    let begun = work.clock.now();
    loop {
        let turn = work.store.read(work.clock.now()).await?.tickets_to_ask(&entry.shop.id, part, TURN).await?;
        if turn.is_empty() {
            return Ok(None);
        }
        for open in turn {
            if work.clock.now().duration_since(begun) >= SPELL {
                return Ok(None);
            }
            match ask(work, context, entry, part, open, counts).await {
                Ok(true) => {}
                // Whoever does not answer one question is not asked more of them at once; prices and stock are sent all the same.
                Ok(false) => return Ok(Some(work.clock.now() + SHORTEST)),
                Err(Halt::Failed(RunError { failure: Failure::Throttled { until }, .. })) => return Ok(Some(until)),
                Err(halt) => return Err(halt),
            }
        }
    }
}

/// Asks after one ticket, and notes what was judged. Whether there was an answer that could be read.
async fn ask(
    work: &Work,
    context: &Context,
    entry: &ShopEntry,
    part: Part,
    open: OpenTicket,
    counts: &mut Counts,
) -> Result<bool, Halt> {
    if context.cancel.is_cancelled() {
        return Err(Halt::Cancelled);
    }
    let OpenTicket { ticket, since } = open;
    let shop = &entry.shop.id;
    let mut tx = work.store.read(work.clock.now()).await?;
    let changes = tx.changes_of_ticket(shop, part, &ticket).await?;
    if changes.is_empty() {
        // Another answer settled them.
        return Ok(true);
    }
    let now = as_they_stand(&mut tx, entry, &changes).await?;
    drop(tx);
    let asked = Ticket(ticket);
    let (handed, ticket) = (now.as_slice(), &asked);
    let settle = |access| async move { entry.channel.settle(&access, ticket, handed).await };
    let mut answered = true;
    let settled = match work.call(entry, JobKind::ProductExport, settle).await {
        Ok(settled) => settled,
        // A ticket that cannot be asked after keeps nothing else from being sent, nor for ever from being asked.
        Err(Halt::Failed(error)) if is_about_the_ticket(&error.failure) => {
            answered = !matches!(error.failure, Failure::Unavailable { .. });
            tracing::warn!(event = "export.unjudged", shop.id = %shop, run.id = %context.run,
                "what became of {} changes cannot be learnt: {}", changes.len(), error.text);
            Settled::Open
        }
        Err(halt) => return Err(halt),
    };
    let results = match settled {
        Settled::Judged(results) => results,
        Settled::Open if since + PATIENCE > work.clock.now() => Vec::new(),
        Settled::Open => changes.iter().map(|change| PushResult::Refused(unjudged(change))).collect(),
    };
    // What was refused is what differed when it was sent.
    let sent = if part == Part::Compared { &changes } else { &now };
    let mut tx = work.write(context).await?;
    // Before the results: what gets another ticket by them has a turn of its own.
    let wait = (tx.now.duration_since(since) / 4).clamp(SHORTEST, longest(part));
    let again = tx.now + wait;
    tx.ask_again(shop, part, &asked.0, again).await?;
    if !results.is_empty() {
        note_results(&mut tx, context, entry, part, sent, results, counts).await?;
    }
    tx.commit().await?;
    Ok(answered)
}

/// Whether the next question may fare better.
fn is_about_the_ticket(failure: &Failure) -> bool {
    matches!(failure, Failure::Rejected | Failure::Bug | Failure::Unexpected { .. } | Failure::Unavailable { .. })
}

/// Changes with their listings as the shop was last seen to have them: other fields may have been sent since, or changed there.
async fn as_they_stand(tx: &mut Tx, entry: &ShopEntry, changes: &[Change]) -> Result<Vec<Change>, Halt> {
    let skus: Vec<Sku> = changes.iter().filter(|it| it.listing.is_some()).map(|it| it.sku.clone()).collect();
    let mut listings = BTreeMap::new();
    for skus in skus.chunks(CHUNK as usize) {
        let there = tx.listings_of(&entry.shop.id, skus).await?.into_iter().filter(|stored| !stored.gone);
        listings.extend(there.filter_map(|stored| Some((stored.sku, stored.listing?))));
    }
    let now = |change: &Change| match listings.remove(&change.sku) {
        Some(listing) => Change { listing: Some(listing), ..change.clone() },
        None => change.clone(),
    };
    Ok(changes.iter().map(now).collect())
}

/// Ends the attempt for a while where something still waits: until the next ticket is to be asked after, and the shop may be asked.
pub(super) async fn wait_for_judgement(
    work: &Work,
    entry: &ShopEntry,
    throttled: Option<Timestamp>,
) -> Result<(), Halt> {
    let mut tx = work.store.read(work.clock.now()).await?;
    let Some(Waiting { ask_at, skus }) = tx.waiting(&entry.shop.id).await? else { return Ok(()) };
    let ask_at = throttled.map_or(ask_at, |until| until.max(ask_at));
    let wait = ask_at.duration_since(tx.now).max(LOOK_AGAIN);
    // Other fields are exported meanwhile, as often as their period says.
    let wait = match entry.jobs.get(&JobKind::ProductExport) {
        Some(Period::Every(period)) => wait.min(*period),
        _ => wait,
    };
    let text = format!("shop `{}` has not judged {skus} changes yet", entry.shop.id);
    Err(soon(tx.now, wait, text, String::new()))
}

fn unjudged(change: &Change) -> Complaint {
    let text = format!(
        "the shop accepted the change but did not judge it within {} h; it is sent again when what is wanted or the listing \
         changes, and after the next complete pass",
        PATIENCE.as_hours()
    );
    Complaint { sku: change.sku.to_string(), code: "unjudged".to_owned(), text, request_id: None }
}
