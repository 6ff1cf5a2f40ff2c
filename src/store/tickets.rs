//! Changes that a shop accepted for later judgement, kept until it has judged them.

use jiff::Timestamp;
use serde_json::json;

use super::{
    StoreError, Tx,
    bulk::sku_rows,
    remembered::flag,
    row::{Both, json as json_text, ms},
};
use crate::domain::{Part, ShopId, Sku, plan::Change};

/// What waits for one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTicket {
    /// What to ask with, in the channel's own terms.
    pub ticket: String,
    /// When the first of it was accepted.
    pub since: Timestamp,
}

/// What a shop has yet to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// When the next ticket is to be asked after.
    pub ask_at: Timestamp,
    /// How many SKUs wait.
    pub skus: u64,
}

const TABLE: &str = "tickets";

impl Tx {
    /// Notes changes that wait for judgement, each with its ticket, which is asked after from `ask_at` on. One that waits already gets the new
    /// ticket, and since when it waits stays as it was.
    pub async fn put_tickets(
        &mut self,
        shop: &ShopId,
        part: Part,
        ask_at: Timestamp,
        waiting: &[(String, Change)],
    ) -> Result<(), StoreError> {
        const SQL: Both = bulk!([sku, ticket, change] "
            insert into tickets (shop, sku, remembered, ticket, change, since, ask_at)
            select $2, sku, cast($4 as bigint), ticket, change, cast($3 as bigint), cast($5 as bigint) from page where true
            on conflict (shop, sku, remembered) do update
                set ticket = excluded.ticket, change = excluded.change, ask_at = excluded.ask_at");
        let row = |(ticket, change): &(String, Change)| json!({ "sku": change.sku, "ticket": ticket, "change": json_text(change) });
        let rows: Vec<_> = waiting.iter().map(row).collect();
        let now = ms(self.now);
        if !rows.is_empty() {
            on_db!(self.execute(SQL, json_text(&rows), shop.as_str(), now, flag(part), ms(ask_at)))?;
        }
        Ok(())
    }

    /// The tickets of a part that are to be asked after by now, at most `limit`: those first whose turn came first.
    pub async fn tickets_to_ask(
        &mut self,
        shop: &ShopId,
        part: Part,
        limit: u32,
    ) -> Result<Vec<OpenTicket>, StoreError> {
        let (now, limit) = (ms(self.now), i64::from(limit));
        let rows = on_db!(self.rows(TO_ASK, shop.as_str(), flag(part), now, limit))?;
        rows.iter().map(|row| Ok(OpenTicket { ticket: row.text("ticket")?, since: row.instant("since")? })).collect()
    }

    /// The changes that wait under a ticket, by SKU.
    pub async fn changes_of_ticket(
        &mut self,
        shop: &ShopId,
        part: Part,
        ticket: &str,
    ) -> Result<Vec<Change>, StoreError> {
        let rows = on_db!(self.rows(CHANGES_OF, shop.as_str(), flag(part), ticket))?;
        rows.iter().map(|row| row.json(TABLE, "change")).collect()
    }

    /// Notes that a ticket has been asked after, and is to be again from `ask_at` on, as far as it waits still.
    pub async fn ask_again(
        &mut self,
        shop: &ShopId,
        part: Part,
        ticket: &str,
        ask_at: Timestamp,
    ) -> Result<(), StoreError> {
        // With one of its SKUs: there may be thousands, each with a long change.
        on_db!(self.execute(ASK_AGAIN, shop.as_str(), flag(part), ticket, ms(ask_at)))?;
        Ok(())
    }

    /// What of a shop waits, of either part; `None`: nothing does.
    pub async fn waiting(&mut self, shop: &ShopId) -> Result<Option<Waiting>, StoreError> {
        const SQL: &str = "
            select count(distinct sku) as skus, (
                select min(ask_at) from (
                    select max(ask_at) as ask_at from tickets where shop = $1 group by remembered, ticket) as each_ticket
                ) as ask_at
            from tickets where shop = $1";
        let Some(row) = on_db!(self.row(SQL, shop.as_str()))? else { return Ok(None) };
        let skus = row.int("skus")? as u64;
        Ok(row.opt_instant("ask_at")?.map(|ask_at| Waiting { ask_at, skus }))
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

/// Each ticket stands with its latest `ask_at`: see `ask_again`.
const TO_ASK: &str = "
    select ticket, min(since) as since from tickets where shop = $1 and remembered = $2
    group by ticket having max(ask_at) <= $3 order by max(ask_at), min(since), ticket limit $4";

macro_rules! changes_of {
    ($from:literal) => {
        concat!(
            "select change from tickets ",
            $from,
            " where shop = $1 and remembered = $2 and ticket = $3 order by sku"
        )
    };
}

const CHANGES_OF: Both = Both { sqlite: changes_of!("indexed by tickets_turn"), postgres: changes_of!("") };

macro_rules! ask_again {
    ($from:literal) => {
        concat!(
            "update tickets set ask_at = $4 where shop = $1 and remembered = $2 and sku = (
                select min(sku) from tickets ",
            $from,
            " where shop = $1 and remembered = $2 and ticket = $3)"
        )
    };
}

const ASK_AGAIN: Both = Both { sqlite: ask_again!("indexed by tickets_turn"), postgres: ask_again!("") };

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::store::{Store, listings::tests::plan};

    #[tokio::test]
    async fn whose_turn_it_is_is_told_without_reading_what_waits() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:plans.db", folder.path()).await.unwrap();
        insta::assert_snapshot!(plan(&store, TO_ASK).await, @r"
        SEARCH tickets USING COVERING INDEX tickets_turn (shop=? AND remembered=?)
        USE TEMP B-TREE FOR ORDER BY
        ");
        insta::assert_snapshot!(plan(&store, CHANGES_OF.sqlite).await, @"SEARCH tickets USING INDEX tickets_turn (shop=? AND remembered=? AND ticket=?)");
        insta::assert_snapshot!(plan(&store, ASK_AGAIN.sqlite).await, @r"
        SEARCH tickets USING PRIMARY KEY (shop=? AND sku=? AND remembered=?)
        SCALAR SUBQUERY 1
        SEARCH tickets USING COVERING INDEX tickets_turn (shop=? AND remembered=? AND ticket=?)
        ");
    }
}
