//! Planning: due schedules become runs and get their next instant, in one transaction, together with the claims.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    life::Life,
    runner::Runner,
    timer::{self, Drift, Until},
};
use crate::{
    clock::boot_time,
    crash,
    store::{Claimed, Due, Planned, StoreError},
};

/// How many schedules one transaction plans at most.
const BATCH: u32 = 1_000;
/// How long after a schedule without a next instant is looked at again.
const NEVER: SignedDuration = SignedDuration::from_hours(24);
/// How long a look may take.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
/// How long an outage of the store is waited out between two attempts: the first, and the longest.
const FIRST_WAIT: std::time::Duration = std::time::Duration::from_millis(100);
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

/// Decides what a due schedule gets: the grid's next instant, and how many instants its run stands for.
pub(super) fn plan(due: Due, now: Timestamp) -> Planned {
    // The daily look of a held schedule, and a look that the work asked for, leave the grid alone.
    if due.held_by.is_some() || due.grid_at > now {
        return Planned { grid_at: due.grid_at, covers: 1, due };
    }
    match due.period.next_after(due.grid_at, now) {
        Some(next) => Planned { grid_at: next.grid_at, covers: next.covers, due },
        None => Planned { grid_at: now + NEVER, covers: 1, due },
    }
}

/// What one look found.
struct Look {
    claimed: Vec<Claimed>,
    /// When there is something to do next.
    next: Option<Timestamp>,
    /// What waits is not for this instance, as long as a peer works for the same authorization.
    left_to_peers: bool,
}

pub(super) struct Planner {
    shared: Arc<Shared>,
    drift: Drift,
    /// The last look may have claimed runs without our hearing of it.
    unsure: bool,
}

/// Why planning ended for this incarnation.
enum Refused {
    Store(StoreError),
    /// The instance is not, or no longer, on record.
    Dead,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Planner {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, drift: Drift::default(), unsure: false }
    }

    /// Looks, starts what is due, and waits, until `stop` fires or the instance is declared dead.
    pub(super) async fn work(&mut self, runner: &mut Runner, life: &Life, stop: &CancellationToken) {
        let mut patience = FIRST_WAIT;
        while !stop.is_cancelled() && !life.is_over() {
            let looked = Instant::now();
            self.shared.looked.send_replace(looked);
            let idle = life.is_silent() || self.shared.standing_by.load(Ordering::Acquire);
            if idle {
                runner.cancel_all();
            }
            runner.reap();
            let free = if idle { 0 } else { runner.free() };
            let look = tokio::select! {
                look = tokio::time::timeout(PATIENCE, self.look(life, free, idle)) => {
                    look.unwrap_or(Err(Refused::Store(StoreError::Unanswered(PATIENCE))))
                }
                // What was asked of the store may have been done all the same.
                () = life.changed() => {
                    self.unsure = true;
                    continue;
                }
                () = timer::long_after(stop) => return,
            };
            let until = match look {
                Ok(look) => {
                    self.shared.no_trouble();
                    self.unsure = false;
                    patience = FIRST_WAIT;
                    let full = look.claimed.len() as u32 == free;
                    for run in look.claimed {
                        runner.start(run, life.holder());
                    }
                    if idle {
                        Until::Due(None)
                    } else if full {
                        self.shared.starving.store(true, Ordering::Release);
                        if runner.free() > 0 {
                            continue;
                        }
                        Until::Slot
                    } else if look.left_to_peers {
                        Until::Peers
                    } else {
                        Until::Due(look.next)
                    }
                }
                Err(Refused::Dead) => return,
                Err(Refused::Store(error)) => {
                    self.unsure = true;
                    self.shared.trouble(&error);
                    tokio::select! {
                        () = tokio::time::sleep(patience) => {}
                        () = stop.cancelled() => return,
                    }
                    patience = (patience * 2).min(LONGEST_WAIT);
                    continue;
                }
            };
            tokio::select! {
                () = timer::wait(&self.shared, until, looked) => {}
                () = life.changed() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// One look: claims what waits, plans what is due, both up to `free` slots, in one transaction.
    async fn look(&mut self, life: &Life, free: u32, idle: bool) -> Result<Look, Refused> {
        let now = self.shared.clock.now();
        let mut tx = self.shared.store.write(now).await?;
        let peers = tx.peers(life.holder()).await?.ok_or(Refused::Dead)? > 0;
        if let Some(back) = self.drift.set_back(now, boot_time()) {
            let moved = tx.realign_schedules().await? + tx.shift_waiting(back).await?;
            tracing::warn!(event = "clock.set_back", by = %back, moved, "the wall clock was set back; schedules follow it");
        }
        if self.unsure {
            let known: Vec<_> =
                self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
            tx.give_back_strays(life.holder(), &known).await?;
        }
        // Alone, what is due starts as it is planned. Beside peers it is planned first, since not all of it may start here.
        let mut claimed = if peers { Vec::new() } else { tx.claim_runs(life.holder(), free).await? };
        let left = (free - claimed.len() as u32).min(BATCH);
        let mut all_planned = true;
        if left > 0 {
            let due = tx.due_schedules(left).await?;
            all_planned = due.len() < left as usize;
            let planned: Vec<_> = due.into_iter().map(|due| plan(due, now)).collect();
            claimed.extend(tx.plan_runs(&planned, life.holder(), if peers { 0 } else { left }).await?);
        }
        if peers {
            claimed = tx.claim_runs_beside_peers(life.holder(), free).await?;
        }
        let next = if idle { None } else { tx.next_instant().await? };
        crash::point("plan.before_commit");
        tx.commit().await?;
        crash::point("plan.after_commit");
        let left_to_peers = peers && all_planned && next.is_some_and(|next| next <= now);
        Ok(Look { claimed, next, left_to_peers })
    }
}
