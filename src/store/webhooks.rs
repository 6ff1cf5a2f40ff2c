//! Webhooks that were taken: a repetition is told from a new one.

use jiff::Timestamp;

use super::{StoreError, Tx, row::ms};
use crate::domain::ChannelName;

impl Tx {
    /// Notes a webhook. `false`: it was seen before.
    pub async fn see_webhook(&mut self, channel: &ChannelName, id: &str) -> Result<bool, StoreError> {
        const SQL: &str = "
            insert into webhooks (channel, id, seen_at) values ($1, $2, $3)
            on conflict (channel, id) do nothing";
        let now = ms(self.now);
        Ok(on_db!(self.execute(SQL, channel.as_str(), id, now))? > 0)
    }

    /// Forgets webhooks seen before `cutoff`.
    pub async fn prune_webhooks(&mut self, cutoff: Timestamp) -> Result<u64, StoreError> {
        on_db!(self.execute("delete from webhooks where seen_at < $1", ms(cutoff)))
    }
}
