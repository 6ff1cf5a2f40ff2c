//! Whether the daemon is well: for `/readyz`, `status` and systemd's status line.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::Shared;
use crate::web::{self, Readiness};

/// The planner looks at least once a second; standing still for so long means that it is stuck or the database is away.
const PLANNER_STANDS_STILL: Duration = Duration::from_secs(15);

/// How the ailment begins that keeps no work from being done.
const REFUSED: &str = "the newest settings were refused";

#[async_trait]
impl Readiness for Shared {
    async fn obstacles(&self) -> Vec<String> {
        self.ailments().await.into_iter().filter(|ailment| !ailment.starts_with(REFUSED)).collect()
    }
}

impl Shared {
    /// What the page works with.
    pub(super) fn page(&self) -> web::People {
        web::People { keeper: self.keeper.clone(), links: self.links.clone(), clock: self.clock.clone() }
    }

    /// What the listener for machines works with.
    pub(super) fn for_machines(self: &Arc<Self>) -> web::Internal {
        let metrics = self.metrics.clone();
        web::Internal { readiness: Arc::clone(self) as _, metrics: Arc::new(move || metrics.encode()) }
    }

    /// What keeps the daemon from doing its work; empty: it is well.
    pub(crate) async fn ailments(&self) -> Vec<String> {
        let mut ailments = Vec::new();
        let still = self.handle.last_planned().elapsed();
        if still > PLANNER_STANDS_STILL {
            ailments.push(format!("the planner has not looked for {} s", still.as_secs()));
        }
        match self.settings_error().await {
            Ok(None) => {}
            Ok(Some(error)) => ailments.push(format!("{REFUSED}: {error}")),
            Err(error) => ailments.push(error.to_string()),
        }
        ailments.extend(self.handle.trouble());
        ailments
    }

    async fn settings_error(&self) -> Result<Option<String>, crate::store::StoreError> {
        let mut tx = self.store.read(self.clock.now()).await?;
        Ok(tx.fact("settings.error").await?.filter(|error| !error.is_empty()))
    }
}
