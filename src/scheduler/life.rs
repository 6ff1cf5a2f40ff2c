//! One life of this instance in the eyes of its peers: it is recorded, beats, watches the others' beats, and ends.
//!
//! Nobody compares wall clocks. A peer is dead when its beat has stood still for long enough by the watcher's own boot-time clock,
//! in which gaps in the watching itself count little: who slept saw nothing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Pace, SILENT, Settings, Shared, planner::PATIENCE, timer};
use crate::{
    clock::{Clock, boot_time},
    domain::{Holder, InstanceId},
    store::{InstanceRow, Store, StoreError},
};

/// This instance, recorded under one name.
pub(super) struct Life {
    state: Arc<State>,
    beating: Option<JoinHandle<()>>,
}

struct State {
    holder: Holder,
    pace: Pace,
    /// Boot time of the last beat, in milliseconds; `u64::MAX`: declared dead.
    beat_at: AtomicU64,
    /// Nobody shares the database, so nobody declares anybody dead.
    alone: bool,
    changed: Notify,
}

const OVER: u64 = u64::MAX;

fn boot_ms() -> u64 {
    boot_time().as_millis() as u64
}

/// The instances whose beat moves while it is watched, a little longer than a living one is silent, in a database of whatever version. What
/// is left of dead ones costs that while.
pub async fn at_work(store: &Store, clock: &Clock) -> Result<BTreeSet<InstanceId>, StoreError> {
    const OFTEN: Duration = Duration::from_millis(250);
    if store.version().await? == 0 {
        return Ok(BTreeSet::new());
    }
    let beats = async || store.read(clock.now()).await?.beats().await;
    let before = beats().await?;
    let begun = Instant::now();
    let mut at_work = BTreeSet::new();
    while at_work.len() < before.len() && begun.elapsed() <= SILENT {
        tokio::time::sleep(OFTEN).await;
        let now = beats().await?;
        let moved = now.into_iter().filter(|(id, beat)| before.get(id) != Some(beat));
        at_work.extend(moved.map(|(id, _)| id));
    }
    Ok(at_work)
}

/// Records this instance and starts its beat, waiting for the store if need be. `None`: stopped before that.
pub(super) async fn begin(
    shared: &Arc<Shared>,
    settings: &Settings,
    pace: Pace,
    incarnation: u32,
    stop: &CancellationToken,
) -> Option<Life> {
    let holder = match incarnation {
        0 => settings.holder.clone(),
        again => InstanceId(format!("{}+{again}", settings.holder)),
    };
    loop {
        let recorded = tokio::select! {
            recorded = tokio::time::timeout(PATIENCE, record(shared, settings, &holder)) => recorded,
            () = timer::long_after(stop) => return None,
        };
        match recorded.unwrap_or(Err(StoreError::Unanswered(PATIENCE))) {
            Ok(()) => break,
            Err(error) => shared.trouble(&error),
        }
        // Whoever waits for the database is not stuck.
        shared.looked.send_replace(Instant::now());
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
            () = stop.cancelled() => return None,
        }
    }
    shared.no_trouble();
    *shared.holder.lock().unwrap_or_else(PoisonError::into_inner) = holder.clone();
    let state = Arc::new(State {
        holder,
        pace,
        beat_at: AtomicU64::new(boot_ms()),
        alone: !settings.shared,
        changed: Notify::new(),
    });
    let beating = settings.shared.then(|| tokio::spawn(beat(shared.clone(), state.clone())));
    Some(Life { state, beating })
}

async fn record(shared: &Shared, settings: &Settings, holder: &Holder) -> Result<(), StoreError> {
    let now = shared.clock.now();
    let settings_digest = shared.settings_digest.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut tx = shared.store.write(now).await?;
    // What is refused from now on is noted once this is written.
    let settings_error = shared.settings_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if !settings.shared {
        let freed = tx.void_others(holder).await?;
        if !freed.is_empty() {
            tracing::info!(event = "instance.voided", runs = freed.len(), "runs of an earlier daemon go on here");
        }
    }
    tx.remove_instance(holder).await?;
    tx.add_instance(&InstanceRow {
        id: holder.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: now,
        beat: 0,
        settings_digest,
        standing_by: shared.standing_by.load(Ordering::Acquire),
        dead: false,
        settings_error,
    })
    .await?;
    tx.realign_schedules().await?;
    tx.commit().await
}

impl Life {
    pub(super) fn holder(&self) -> &Holder {
        &self.state.holder
    }

    /// Whether peers have declared this instance dead.
    pub(super) fn is_over(&self) -> bool {
        self.state.beat_at.load(Ordering::Acquire) == OVER
    }

    /// Whether its last beat is so long ago that peers may soon declare it dead: nothing may be started, and what goes on
    /// ends at its next safe point.
    pub(super) fn is_silent(&self) -> bool {
        let beat_at = self.state.beat_at.load(Ordering::Acquire);
        !self.state.alone
            && beat_at != OVER
            && boot_ms().saturating_sub(beat_at) >= self.state.pace.silent.as_millis() as u64
    }

    /// Waits until it is silent or over.
    pub(super) async fn changed(&self) {
        self.state.changed.notified().await;
    }

    /// Takes it from the record, if that can be done until then.
    pub(super) async fn end(mut self, shared: &Shared, by: Instant) -> Result<(), StoreError> {
        if let Some(beating) = self.beating.take() {
            beating.abort();
        }
        let gone = async {
            let mut tx = shared.store.write(shared.clock.now()).await?;
            tx.remove_instance(&self.state.holder).await?;
            tx.commit().await
        };
        let patience = by.saturating_duration_since(Instant::now());
        tokio::time::timeout_at(by, gone).await.unwrap_or(Err(StoreError::Unanswered(patience)))
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if let Some(beating) = &self.beating {
            beating.abort();
        }
    }
}

/// Beats and watches until declared dead.
async fn beat(shared: Arc<Shared>, state: Arc<State>) {
    let watched = Mutex::new(Watch::default());
    let mut ticks = tokio::time::interval(state.pace.watch);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut was_silent = false;
    loop {
        ticks.tick().await;
        let since = Duration::from_millis(boot_ms().saturating_sub(state.beat_at.load(Ordering::Acquire)));
        let silent = since >= state.pace.silent;
        if silent && !was_silent {
            tracing::warn!(
                event = "instance.silent",
                "no beat reaches the database; runs here end at their next safe point"
            );
            state.changed.notify_one();
        }
        was_silent = silent;
        // A beat counts from before it was sent: peers cannot have seen it later than that by much.
        let before = boot_ms();
        if since >= state.pace.beat {
            let ticked = tokio::time::timeout(state.pace.beat, tick(&shared, &state.holder)).await;
            match ticked.unwrap_or(Err(StoreError::Unanswered(state.pace.beat))) {
                Ok(true) => state.beat_at.store(before, Ordering::Release),
                Ok(false) => {
                    state.beat_at.store(OVER, Ordering::Release);
                    state.changed.notify_one();
                    return;
                }
                Err(error) => {
                    shared.trouble(&error);
                    continue;
                }
            }
        }
        let looked = tokio::time::timeout(state.pace.beat, watch(&shared, &state, &watched)).await;
        if let Err(error) = looked.unwrap_or(Err(StoreError::Unanswered(state.pace.beat))) {
            shared.trouble(&error);
        }
    }
}

async fn tick(shared: &Shared, holder: &Holder) -> Result<bool, StoreError> {
    let mut tx = shared.store.write(shared.clock.now()).await?;
    let stands = tx.beat(holder).await?;
    tx.commit().await?;
    Ok(stands)
}

/// One look at the peers: the dead are taken over, the long dead removed.
async fn watch(shared: &Shared, state: &State, watched: &Mutex<Watch>) -> Result<(), StoreError> {
    let mut tx = shared.store.read(shared.clock.now()).await?;
    let mut peers = tx.instances().await?;
    drop(tx);
    peers.retain(|peer| peer.id != state.holder);
    let verdicts = watched.lock().unwrap_or_else(PoisonError::into_inner).observe(&peers, boot_time(), state.pace);
    for (peer, verdict) in verdicts {
        let mut tx = shared.store.write(shared.clock.now()).await?;
        match verdict {
            Verdict::Dead => {
                let runs = tx.take_over(&peer).await?;
                tx.commit().await?;
                if !runs.is_empty() {
                    tracing::warn!(event = "instance.dead", peer = %peer, runs = runs.len(), "a peer died; its runs are taken over");
                }
                shared.wake.notify_one();
            }
            Verdict::Gone => {
                tx.remove_instance(&peer).await?;
                tx.commit().await?;
            }
        }
    }
    Ok(())
}

/// What a watcher has seen of its peers' beats.
#[derive(Default)]
struct Watch {
    seen: HashMap<InstanceId, Seen>,
    looked: Option<Duration>,
}

struct Seen {
    beat: i64,
    still: Duration,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Its beat has stood still for too long.
    Dead,
    /// So long that nothing it began can still be under way.
    Gone,
}

impl Watch {
    /// Takes in the peers' beats at boot time `now` and judges those that have stood still.
    fn observe(&mut self, peers: &[InstanceRow], now: Duration, pace: Pace) -> Vec<(InstanceId, Verdict)> {
        // A watcher that was stopped or asleep itself learnt nothing meanwhile.
        let passed = self.looked.map_or(Duration::ZERO, |looked| now.saturating_sub(looked).min(pace.watch * 4));
        self.looked = Some(now);
        self.seen.retain(|id, _| peers.iter().any(|peer| peer.id == *id));
        let mut verdicts = Vec::new();
        for peer in peers {
            let seen = self.seen.entry(peer.id.clone()).or_insert(Seen { beat: peer.beat, still: Duration::ZERO });
            if seen.beat == peer.beat {
                seen.still += passed;
            } else {
                *seen = Seen { beat: peer.beat, still: Duration::ZERO };
            }
            if seen.still >= pace.covered {
                verdicts.push((peer.id.clone(), Verdict::Gone));
            } else if seen.still >= pace.dead && !peer.dead {
                verdicts.push((peer.id.clone(), Verdict::Dead));
            }
        }
        verdicts
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn peer(beat: i64, dead: bool) -> InstanceRow {
        InstanceRow {
            id: InstanceId("peer".to_owned()),
            version: String::new(),
            started_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            beat,
            settings_digest: String::new(),
            standing_by: false,
            dead,
            settings_error: None,
        }
    }

    fn secs(tenths: u64) -> Duration {
        Duration::from_millis(tenths * 100)
    }

    #[test]
    fn a_peer_is_dead_after_nine_seconds_and_gone_after_twenty() {
        let mut watch = Watch::default();
        for tenths in (0..90).step_by(5) {
            assert_eq!(watch.observe(&[peer(7, false)], secs(tenths), Pace::USUAL), [], "{tenths}");
        }
        let verdicts = watch.observe(&[peer(7, false)], secs(90), Pace::USUAL);
        assert_eq!(verdicts, [(peer(7, false).id, Verdict::Dead)]);
        for tenths in (95..200).step_by(5) {
            assert_eq!(watch.observe(&[peer(7, true)], secs(tenths), Pace::USUAL), [], "{tenths}");
        }
        let verdicts = watch.observe(&[peer(7, true)], secs(200), Pace::USUAL);
        assert_eq!(verdicts, [(peer(7, true).id, Verdict::Gone)]);
    }

    #[test]
    fn a_beat_that_moves_is_alive_however_seldom_the_watcher_looks() {
        let mut watch = Watch::default();
        for beat in 0..100 {
            assert_eq!(watch.observe(&[peer(beat, false)], Duration::from_mins(1) * beat as u32, Pace::USUAL), []);
        }
    }

    #[test]
    fn a_watcher_that_slept_holds_it_against_nobody() {
        let mut watch = Watch::default();
        watch.observe(&[peer(7, false)], secs(0), Pace::USUAL);
        assert_eq!(watch.observe(&[peer(7, false)], Duration::from_hours(24), Pace::USUAL), []);
    }
}
