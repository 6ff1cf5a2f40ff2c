//! Chores at quiet hours: deleting what is older than `keep_history`.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::{jobs::prune::prune_daily, scheduler::calendar};

/// When: once a day is enough, and the machine may sleep at any hour; between the full hours, which everybody else uses.
const PRUNE_AT: &str = "0 17 * * * *";

/// Does the chores until `stop` fires.
pub(super) async fn keep(shared: Arc<Shared>, stop: CancellationToken) -> Result<(), String> {
    let chore: calendar::Entry = (
        PRUNE_AT.to_owned(),
        Arc::new(move || {
            let shared = Arc::clone(&shared);
            Box::pin(async move { shared.prune().await })
        }),
    );
    calendar::keep(vec![chore], stop).await.map_err(|error| error.to_string())
}

impl Shared {
    async fn prune(&self) {
        // How long history is kept is for the accepted settings to say.
        if self.standing_by().is_some() {
            return;
        }
        let keep = self.config.load().keep_history;
        match prune_daily(&self.store, &self.clock, keep).await {
            Ok(None) => {}
            Ok(Some(pruned)) => tracing::debug!(
                event = "history.pruned",
                runs = pruned.runs,
                mails = pruned.mails,
                "old history deleted"
            ),
            Err(error) => {
                tracing::warn!(event = "store.failed", "old history could not be deleted, in an hour again: {error}");
            }
        }
    }
}
