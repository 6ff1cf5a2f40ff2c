//! Changes that a shop accepted for later judgement, kept until it has judged them.

use jiff::Timestamp;
use serde_json::json;

use super::{
    StoreError, Tx,
    bulk::sku_rows,
    remembered::{flag, part},
    row::{Both, json as json_text, ms},
};
use crate::domain::{Part, ShopId, Sku, plan::Change};

/// What waits for one answer.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenTicket {
    /// What to ask with, in the channel's own terms.
    pub ticket: String,
    /// Whether remembered fields wait, or the others.
    pub part: Part,
    /// When the first of it was accepted.
    pub since: Timestamp,
    /// The changes, by SKU.
    pub changes: Vec<Change>,
}

const TABLE: &str = "tickets";

impl Tx {
    /// Notes changes that wait for judgement, each with its ticket. One that waits already gets the new ticket, and since when
    /// it waits stays as it was.
    pub async fn put_tickets(
        &mut self,
        shop: &ShopId,
        part: Part,
        waiting: &[(String, Change)],
    ) -> Result<(), StoreError> {
        const SQL: Both = bulk!([sku, ticket, change] "
            insert into tickets (shop, sku, remembered, ticket, change, since)
            select $2, sku, cast($4 as bigint), ticket, change, cast($3 as bigint) from page where true
            on conflict (shop, sku, remembered) do update set ticket = excluded.ticket, change = excluded.change");
        let row = |(ticket, change): &(String, Change)| json!({ "sku": change.sku, "ticket": ticket, "change": json_text(change) });
        let rows: Vec<_> = waiting.iter().map(row).collect();
        let now = ms(self.now);
        if !rows.is_empty() {
            on_db!(self.execute(SQL, json_text(&rows), shop.as_str(), now, flag(part)))?;
        }
        Ok(())
    }

    /// Everything of a shop that waits, by ticket in the order of waiting.
    pub async fn open_tickets(&mut self, shop: &ShopId) -> Result<Vec<OpenTicket>, StoreError> {
        const SQL: &str = "
            select ticket, change, since, remembered from tickets where shop = $1
            order by since, ticket, remembered, sku";
        let mut open: Vec<OpenTicket> = Vec::new();
        for row in on_db!(self.rows(SQL, shop.as_str()))? {
            let (ticket, change): (String, Change) = (row.text("ticket")?, row.json(TABLE, "change")?);
            let part = part(&row)?;
            match open.iter_mut().find(|known| known.ticket == ticket && known.part == part) {
                Some(known) => known.changes.push(change),
                None => open.push(OpenTicket { ticket, part, since: row.instant("since")?, changes: vec![change] }),
            }
        }
        Ok(open)
    }

    /// Since when something of a shop waits, and how many SKUs do; `None`: nothing does.
    pub async fn waiting(&mut self, shop: &ShopId) -> Result<Option<(Timestamp, u64)>, StoreError> {
        const SQL: &str = "select min(since) as since, count(distinct sku) as waiting from tickets where shop = $1";
        let Some(row) = on_db!(self.row(SQL, shop.as_str()))? else { return Ok(None) };
        let since = row.opt_instant("since")?;
        let waiting = row.int("waiting")? as u64;
        Ok(since.map(|since| (since, waiting)))
    }

    /// The SKUs of a shop that wait with this part of theirs.
    pub async fn waiting_skus(&mut self, shop: &ShopId, part: Part) -> Result<Vec<Sku>, StoreError> {
        const SQL: &str = "select sku from tickets where shop = $1 and remembered = $2 order by sku";
        let rows = on_db!(self.rows(SQL, shop.as_str(), flag(part)))?;
        rows.iter().map(|row| row.named(TABLE, "sku", |text| text.parse().ok())).collect()
    }

    /// Forgets what waited of this part of these SKUs: it has been judged, or never will be.
    pub async fn drop_tickets(&mut self, shop: &ShopId, part: Part, skus: &[Sku]) -> Result<(), StoreError> {
        const SQL: Both = bulk!([sku] "
            delete from tickets where shop = $2 and sku in (select sku from page) and remembered = $3");
        if !skus.is_empty() {
            on_db!(self.execute(SQL, sku_rows(skus.iter().map(Sku::as_str)), shop.as_str(), flag(part)))?;
        }
        Ok(())
    }
}
