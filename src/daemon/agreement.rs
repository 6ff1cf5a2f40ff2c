//! Instances on one database agree in their settings: the database has the digest of the accepted ones, and whoever serves
//! others stands by while a peer serves those.
//!
//! A person's edit or reload is always accepted, on whichever instance: the last one counts. A start is accepted unless it
//! finds a peer at work with other settings.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    force::{self, Since},
};
use crate::{
    config::Config,
    domain::InstanceId,
    store::{InstanceRow, StoreError, Tx},
};

/// Between two looks at what the peers serve.
const LOOK: Duration = Duration::from_secs(1);
/// For as long nobody may serve the accepted settings before others are accepted: who serves them may just be restarted.
const RESTART: Duration = Duration::from_secs(3);

/// How the settings of an instance stand to the accepted ones.
#[derive(Debug, PartialEq, Eq)]
enum Stand<'a> {
    /// They are the accepted ones, or none are yet.
    Agreed,
    /// This peer serves the accepted ones.
    Differs(&'a InstanceRow),
    /// Nobody serves the accepted ones. `died`: whoever did has not stopped but died.
    Unserved { died: bool },
}

/// Judges the settings with the digest `own` that `me` serves.
fn judge<'a>(accepted: Option<&str>, own: &str, me: &InstanceId, instances: &'a [InstanceRow]) -> Stand<'a> {
    let Some(accepted) = accepted.filter(|digest| *digest != own) else { return Stand::Agreed };
    let mut serving =
        instances.iter().filter(|peer| peer.id != *me && peer.settings_digest == accepted && !peer.standing_by);
    let died = serving.clone().any(|peer| peer.dead);
    serving.find(|peer| !peer.dead).map_or(Stand::Unserved { died }, Stand::Differs)
}

/// Compares the settings with those of the peers until `stop` fires.
pub(super) async fn watch(shared: Arc<Shared>, stop: CancellationToken) -> Result<(), String> {
    if !shared.store.is_postgres() {
        stop.cancelled().await;
        return Ok(());
    }
    let mut unserved = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
        let looked = async {
            if shared.is_unsettled(&mut unserved).await? {
                shared.agree().await?;
            }
            Ok::<_, StoreError>(())
        };
        // The scheduler says that the database is away, and looks for it.
        let _ = looked.await;
    }
}

impl Shared {
    /// Why this instance stands by, while it does.
    pub(super) fn standing_by(&self) -> Option<Arc<String>> {
        self.stands_by.load_full()
    }

    /// Puts the settings in force, or stands by: at the start, and whenever something has changed.
    pub(super) async fn agree(&self) -> Result<(), StoreError> {
        let _no_reload = self.reloading.lock().await;
        let config = self.config.load_full();
        let mut tx = self.store.write(self.clock.now()).await?;
        match self.peer_with_others(&mut tx, &config).await? {
            None => self.accept(tx, &config, None).await,
            Some(peer) => self.stand_by(tx, &config, &peer).await,
        }
    }

    /// Puts new settings in force. `since`: how they differ from those before. `meant`: a person wants them to count, whatever the
    /// peers serve.
    pub(super) async fn enter(&self, config: &Config, since: Option<Since<'_>>, meant: bool) -> Result<(), StoreError> {
        let mut tx = self.store.write(self.clock.now()).await?;
        // Asked for also where the answer does not matter: it locks the fact, and everybody locks that before the schedules.
        let peer = self.peer_with_others(&mut tx, config).await?;
        tx.set_settings_error(&self.handle.holder(), None).await?;
        if let Some(peer) = peer.filter(|_| !meant) {
            return self.stand_by(tx, config, &peer).await;
        }
        self.accept(tx, config, since).await
    }

    /// A peer at work with the accepted settings, if `config` differs from those.
    async fn peer_with_others(&self, tx: &mut Tx, config: &Config) -> Result<Option<InstanceRow>, StoreError> {
        if !self.store.is_postgres() {
            return Ok(None);
        }
        let accepted = tx.accepted_settings().await?;
        let instances = tx.instances().await?;
        Ok(match judge(accepted.as_deref(), &config.digest, &self.handle.holder(), &instances) {
            Stand::Differs(peer) => Some(peer.clone()),
            Stand::Agreed | Stand::Unserved { .. } => None,
        })
    }

    async fn accept(&self, mut tx: Tx, config: &Config, since: Option<Since<'_>>) -> Result<(), StoreError> {
        force::sync(&mut tx, config, &self.shops, since).await?;
        self.handle.serve_settings(tx, &config.digest, false).await?;
        if self.stands_by.swap(None).is_some() {
            tracing::info!(event = "settings.agreed", "this instance works again: its settings are the accepted ones");
        }
        self.metrics.set_standing_by(false);
        Ok(())
    }

    async fn stand_by(&self, tx: Tx, config: &Config, peer: &InstanceRow) -> Result<(), StoreError> {
        self.handle.serve_settings(tx, &config.digest, true).await?;
        let why = why(peer);
        if self.stands_by.swap(Some(Arc::new(why.clone()))).is_none() {
            tracing::warn!(event = "settings.standing_by", peer = %peer.id, "{why}");
        }
        self.metrics.set_standing_by(true);
        Ok(())
    }

    /// Looks whether this instance stands as it should. `unserved`: since when nobody serves the accepted settings.
    async fn is_unsettled(&self, unserved: &mut Option<Instant>) -> Result<bool, StoreError> {
        let config = self.config.load_full();
        let mut tx = self.store.read(self.clock.now()).await?;
        let accepted = tx.fact("settings.digest").await?;
        let instances = tx.instances().await?;
        drop(tx);
        let me = self.handle.holder();
        let stand = judge(accepted.as_deref(), &config.digest, &me, &instances);
        let Stand::Unserved { died } = stand else {
            *unserved = None;
            let named = self.standing_by();
            let wanted = if let Stand::Differs(peer) = stand { Some(why(peer)) } else { None };
            let told = instances.iter().find(|row| row.id == me);
            let told = told.is_none_or(|row| row.standing_by == wanted.is_some());
            return Ok(!told || named.as_deref() != wanted.as_ref());
        };
        let since = *unserved.get_or_insert_with(Instant::now);
        Ok(died || since.elapsed() >= RESTART)
    }
}

/// For people: why an instance stands by, and what ends it.
fn why(peer: &InstanceRow) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let other = if peer.version == version {
        String::new()
    } else {
        format!(" (it is version {}, this is {version})", peer.version)
    };
    format!(
        "standing by, no run starts here: instance `{}` serves other settings{other}; give both the same files, or \
         make these count with `shopsyncd reload`",
        peer.id
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, digest: &str) -> InstanceRow {
        InstanceRow {
            id: InstanceId(id.to_owned()),
            version: String::new(),
            started_at: jiff::Timestamp::UNIX_EPOCH,
            beat: 0,
            settings_digest: digest.to_owned(),
            standing_by: false,
            dead: false,
            settings_error: None,
        }
    }

    #[test]
    fn who_serves_other_settings_than_a_living_peer_that_has_the_accepted_ones_differs() {
        let me = InstanceId("me".to_owned());
        let (new, old) = (row("peer", "new"), row("laggard", "old"));
        let idle = InstanceRow { standing_by: true, ..row("idle", "new") };
        let dead = InstanceRow { dead: true, ..row("dead", "new") };
        let myself = row("me", "new");
        let table: [(Option<&str>, &[InstanceRow], Stand<'_>); 9] = [
            (None, &[], Stand::Agreed),
            (None, std::slice::from_ref(&new), Stand::Agreed),
            (Some("mine"), std::slice::from_ref(&new), Stand::Agreed),
            (Some("new"), &[], Stand::Unserved { died: false }),
            (Some("new"), std::slice::from_ref(&myself), Stand::Unserved { died: false }),
            (Some("new"), &[old.clone(), idle.clone()], Stand::Unserved { died: false }),
            (Some("new"), &[old.clone(), dead.clone()], Stand::Unserved { died: true }),
            (Some("new"), &[old, idle, dead.clone(), new.clone()], Stand::Differs(&new)),
            (Some("old"), &[dead, new.clone()], Stand::Unserved { died: false }),
        ];
        for (accepted, instances, stand) in table {
            assert_eq!(judge(accepted, "mine", &me, instances), stand, "{accepted:?} {instances:#?}");
        }
    }
}
