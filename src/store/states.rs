//! States of authorizations under way: single use, thirty minutes, bound to a shop and a browser.

use jiff::Timestamp;

use super::{StoreError, Tx, row::ms};
use crate::domain::ShopId;

impl Tx {
    /// Keeps a state by its hash. `browser`: hash of the browser's cookie, empty for the command line.
    pub async fn put_state(&mut self, hash: &str, shop: &ShopId, browser: &str) -> Result<(), StoreError> {
        const SQL: &str = "insert into oauth_states (hash, shop, browser, created_at) values ($1, $2, $3, $4)";
        let now = ms(self.now);
        on_db!(self.execute(SQL, hash, shop.as_str(), browser, now))?;
        Ok(())
    }

    /// Uses a state up: the shop and browser it is bound to, if it was made after `not_before` and never used.
    pub async fn use_state(
        &mut self,
        hash: &str,
        not_before: Timestamp,
    ) -> Result<Option<(ShopId, String)>, StoreError> {
        const SQL: &str = "
            update oauth_states set used_at = $2
            where hash = $1 and used_at is null and created_at > $3
            returning shop, browser";
        let now = ms(self.now);
        let Some(row) = on_db!(self.row(SQL, hash, now, ms(not_before)))? else { return Ok(None) };
        let shop = row.named("oauth_states", "shop", |text| text.parse().ok())?;
        Ok(Some((shop, row.text("browser")?)))
    }

    /// The shop that a state is bound to which [`Self::use_state`] would use up.
    pub async fn shop_of_state(&mut self, hash: &str, not_before: Timestamp) -> Result<Option<ShopId>, StoreError> {
        const SQL: &str = "select shop from oauth_states where hash = $1 and used_at is null and created_at > $2";
        let row = on_db!(self.row(SQL, hash, ms(not_before)))?;
        row.map(|row| row.named("oauth_states", "shop", |text| text.parse().ok())).transpose()
    }

    /// Deletes states made before `cutoff`.
    pub async fn prune_states(&mut self, cutoff: Timestamp) -> Result<u64, StoreError> {
        on_db!(self.execute("delete from oauth_states where created_at < $1", ms(cutoff)))
    }
}
