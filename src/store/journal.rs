//! The journal: what happened, told to people.

use jiff::Timestamp;

use super::{
    StoreError, Tx,
    row::{ms, shop_text},
};
use crate::domain::ShopId;

impl Tx {
    /// Writes a line: who (`daemon`, `owner`, `operator`), a stable event name, and words.
    pub async fn note(&mut self, who: &str, event: &str, shop: Option<&ShopId>, text: &str) -> Result<(), StoreError> {
        const SQL: &str = "insert into journal (at, who, event, shop, text) values ($1, $2, $3, $4, $5)";
        let now = ms(self.now);
        on_db!(self.execute(SQL, now, who, event, shop_text(shop), text))?;
        Ok(())
    }

    /// Lines, newest first: (at, who, event, shop, text).
    pub async fn journal(
        &mut self,
        shop: Option<&ShopId>,
        limit: u32,
    ) -> Result<Vec<(Timestamp, String, String, Option<ShopId>, String)>, StoreError> {
        const ALL: &str = "select * from journal order by id desc limit $1";
        const OF_SHOP: &str = "select * from journal where shop = $2 order by id desc limit $1";
        let limit = i64::from(limit);
        let rows = match shop {
            None => on_db!(self.rows(ALL, limit)),
            Some(shop) => on_db!(self.rows(OF_SHOP, limit, shop.as_str())),
        }?;
        rows.iter()
            .map(|row| {
                let (at, who, event) = (row.instant("at")?, row.text("who")?, row.text("event")?);
                Ok((at, who, event, row.shop("journal", "shop")?, row.text("text")?))
            })
            .collect()
    }

    /// Deletes lines older than `cutoff`.
    pub async fn prune_journal(&mut self, cutoff: Timestamp) -> Result<u64, StoreError> {
        on_db!(self.execute("delete from journal where at < $1", ms(cutoff)))
    }
}
