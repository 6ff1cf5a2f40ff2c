//! What a shop accepts for later judgement: kept with its ticket, asked after until it is judged.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{note_results, planning::CHUNK, soon};
use crate::{
    channels::{PushResult, Settled, Ticket},
    domain::{Complaint, Counts, Failure, JobKind, Part, Period, Sku, plan::Change},
    jobs::{Halt, Work},
    keeper::ShopEntry,
    scheduler::Context,
    store::{OpenTicket, Tx},
};

/// Whoever has not judged by then is not waited for any more: what differs still is sent anew.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// The shortest and the longest wait between two questions about the same ticket.
const WAITS: [SignedDuration; 2] = [SignedDuration::from_secs(10), SignedDuration::from_mins(5)];

/// Asks after everything that waits, and notes what was judged.
pub(super) async fn settle(work: &Work, context: &Context, entry: &ShopEntry, counts: &mut Counts) -> Result<(), Halt> {
    let mut tx = work.store.read(work.clock.now()).await?;
    let open = tx.open_tickets(&entry.shop.id).await?;
    drop(tx);
    for OpenTicket { ticket, part, since, changes } in open {
        if context.cancel.is_cancelled() {
            return Err(Halt::Cancelled);
        }
        let now = as_they_stand(&mut work.store.read(work.clock.now()).await?, entry, &changes).await?;
        let asked = Ticket(ticket);
        let (ticket, handed) = (&asked, now.as_slice());
        let settle = |access| async move { entry.channel.settle(&access, ticket, handed).await };
        let settled = work.call(entry, JobKind::ProductExport, settle).await;
        let settled = match settled {
            Ok(settled) => settled,
            // A ticket that cannot be asked after keeps nothing else from being sent.
            Err(Halt::Failed(error)) if matches!(error.failure, Failure::Rejected | Failure::Bug) => {
                tracing::warn!(event = "export.unjudged", shop.id = %entry.shop.id, run.id = %context.run,
                    "what became of {} changes cannot be learnt: {}", changes.len(), error.text);
                Settled::Open
            }
            Err(halt) => return Err(halt),
        };
        let results = match settled {
            Settled::Judged(results) => results,
            Settled::Open if since + PATIENCE > work.clock.now() => continue,
            Settled::Open => changes.iter().map(|change| PushResult::Refused(unjudged(change))).collect(),
        };
        // What was refused is what differed when it was sent.
        let sent = if part == Part::Compared { &changes } else { &now };
        let mut tx = work.write(context).await?;
        note_results(&mut tx, context, entry, part, sent, results, counts).await?;
        tx.commit().await?;
    }
    Ok(())
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

/// Ends the attempt for a while where something still waits. The wait grows with the age of what waits longest.
pub(super) async fn wait_for_judgement(work: &Work, entry: &ShopEntry) -> Result<(), Halt> {
    let mut tx = work.store.read(work.clock.now()).await?;
    let Some((since, waiting)) = tx.waiting(&entry.shop.id).await? else { return Ok(()) };
    let [shortest, longest] = WAITS;
    let wait = (tx.now.duration_since(since) / 4).clamp(shortest, longest);
    // Other fields are exported meanwhile, as often as their period says.
    let wait = match entry.jobs.get(&JobKind::ProductExport) {
        Some(Period::Every(period)) => wait.min(*period),
        _ => wait,
    };
    let text = format!("shop `{}` has not judged {waiting} changes yet", entry.shop.id);
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
