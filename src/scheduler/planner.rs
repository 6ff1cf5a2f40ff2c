//! Planning: due schedules become runs and get their next instant, in one transaction, together with the claims.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    life::Life,
    places::Places,
    runner::Runner,
    timer::{self, Drift, Until},
};
use crate::{
    clock::boot_time,
    crash,
    store::{Claimed, Due, Planned, StoreError, Tx},
};

/// How many schedules one transaction plans at most.
const BATCH: u32 = 1_000;
/// How long after a schedule without a next instant is looked at again.
const NEVER: SignedDuration = SignedDuration::from_hours(24);
/// The shortest time between two looks past channels that have as many places as they may, and how many times as long as the last
/// one took there is at least: however much of theirs is passed over, it costs a twentieth of the time.
const PAST: (std::time::Duration, u32) = (std::time::Duration::from_millis(100), 19);
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
    /// How many runs go on once those have started.
    under_way: u32,
    /// When there is something to do next.
    next: Option<Timestamp>,
    /// More may wait than was looked at.
    more: bool,
    /// What waits is of channels that have as many places as they may.
    held_back: bool,
    /// What waits is not for this instance, as long as a peer works for the same authorization.
    left_to_peers: bool,
}

pub(super) struct Planner {
    shared: Arc<Shared>,
    drift: Drift,
    /// When it may be looked past channels that have as many places as they may.
    past: Instant,
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
        Self { shared, drift: Drift::default(), past: Instant::now(), unsure: false }
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
            let places = if idle { Places::new(0) } else { runner.places() };
            let look = tokio::select! {
                look = tokio::time::timeout(PATIENCE, self.look(life, places, idle)) => {
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
                    for run in look.claimed {
                        runner.start(run, life.holder());
                    }
                    let places = runner.places();
                    if !idle && (look.more || look.held_back) {
                        self.shared.starving.store(true, Ordering::Release);
                        if places.taken() < look.under_way {
                            continue;
                        }
                    }
                    if idle {
                        Until::Due(None)
                    } else if look.more && places.free() == 0 {
                        Until::Slot(timer::LONGEST)
                    } else if look.more && !places.full().is_empty() && Instant::now() < self.past {
                        Until::Slot(self.past.duration_since(Instant::now()))
                    } else if look.more {
                        continue;
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

    /// One look: claims what waits, plans what is due, both as far as there are places, in one transaction.
    async fn look(&mut self, life: &Life, mut places: Places, idle: bool) -> Result<Look, Refused> {
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
        let (claimed, more) = self.claim(&mut tx, life, &mut places, peers).await?;
        let mut next = if idle || more { None } else { tx.next_instant().await? };
        let waits = next.is_some_and(|next| next <= now);
        let held_back = waits && !places.full().is_empty();
        if held_back {
            next = tx.next_instant_after(now).await?;
        }
        crash::point("plan.before_commit");
        tx.commit().await?;
        crash::point("plan.after_commit");
        Ok(Look { claimed, under_way: places.taken(), next, more, held_back, left_to_peers: peers && waits })
    }

    /// Claims what waits and plans what is due, as far as there are places. Says, too, whether more may wait than was looked at.
    async fn claim(
        &mut self,
        tx: &mut Tx,
        life: &Life,
        places: &mut Places,
        peers: bool,
    ) -> Result<(Vec<Claimed>, bool), StoreError> {
        let begun = Instant::now();
        let is_past = !places.full().is_empty();
        if is_past && begun < self.past {
            return Ok((Vec::new(), true));
        }
        let now = tx.now;
        // Alone, what is due starts as it is planned. Beside peers it is planned first, since not all of it may start here.
        let mut most = places.of_any();
        let mut claimed = if peers { Vec::new() } else { tx.claim_runs(life.holder(), most, &places.full()).await? };
        let mut more = !peers && claimed.len() as u32 == most;
        most = (most - claimed.len() as u32).min(BATCH);
        if !more {
            let due = tx.due_schedules(most, &places.full()).await?;
            more = due.len() as u32 == most;
            let planned: Vec<_> = due.into_iter().map(|due| plan(due, now)).collect();
            claimed.extend(tx.plan_runs(&planned, life.holder(), if peers { 0 } else { most }).await?);
        }
        if peers {
            claimed = tx.claim_runs_beside_peers(life.holder(), most, &places.full()).await?;
            more |= claimed.len() as u32 == most;
        }
        for run in &claimed {
            places.take(&run.channel);
        }
        if is_past {
            self.past = Instant::now() + PAST.0.max(begun.elapsed() * PAST.1);
        }
        Ok((claimed, more))
    }
}
