//! Where each import stands: the pass under way, or the last one.

use super::{
    StoreError, Tx,
    row::{Row, ms},
};
use crate::domain::{Cursor, Pass, PassKind, RunId, ShopId};

const fn name(kind: PassKind) -> &'static str {
    match kind {
        PassKind::Full => "full",
        PassKind::Changes => "changes",
    }
}

fn kind(text: &str) -> Option<PassKind> {
    [PassKind::Full, PassKind::Changes].into_iter().find(|kind| name(*kind) == text)
}

fn pass(row: &Row) -> Result<Pass, StoreError> {
    Ok(Pass {
        number: row.int("number")?,
        kind: row.named("passes", "kind", kind)?,
        run: RunId(row.int("run_id")?),
        started_at: row.instant("started_at")?,
        cursor: row.opt_text("cursor")?.map(Cursor),
        ended_at: row.opt_instant("ended_at")?,
    })
}

impl Tx {
    /// The pass under way, if one is.
    pub async fn open_pass(&mut self, shop: &ShopId) -> Result<Option<Pass>, StoreError> {
        const SQL: &str = "select * from passes where shop = $1 and ended_at is null order by number desc limit 1";
        on_db!(self.row(SQL, shop.as_str()))?.as_ref().map(pass).transpose()
    }

    /// The last pass of a kind that ended.
    pub async fn last_pass(&mut self, shop: &ShopId, kind: PassKind) -> Result<Option<Pass>, StoreError> {
        const SQL: &str = "
            select * from passes where shop = $1 and kind = $2 and ended_at is not null order by number desc limit 1";
        on_db!(self.row(SQL, shop.as_str(), name(kind)))?.as_ref().map(pass).transpose()
    }

    /// What the next pass of changes starts from: `resume` of the newest ended pass of any kind.
    pub async fn resume_cursor(&mut self, shop: &ShopId) -> Result<Option<Cursor>, StoreError> {
        const SQL: &str =
            "select resume from passes where shop = $1 and ended_at is not null order by number desc limit 1";
        match on_db!(self.row(SQL, shop.as_str()))? {
            Some(row) => Ok(row.opt_text("resume")?.map(Cursor)),
            None => Ok(None),
        }
    }

    /// Begins a pass at `now`, in a run; its number is one more than the last. An open pass is abandoned (deleted with its
    /// chunks).
    pub async fn begin_pass(&mut self, shop: &ShopId, kind: PassKind, run: RunId) -> Result<Pass, StoreError> {
        const LAST: &str = "select coalesce(max(number), 0) as number from passes where shop = $1";
        const INSERT: &str = "
            insert into passes (shop, number, kind, started_at, run_id) values ($1, $2, $3, $4, $5)";
        let last = on_db!(self.row(LAST, shop.as_str()))?.map_or(Ok(0), |row| row.int("number"))?;
        on_db!(self.execute("delete from passes where shop = $1 and ended_at is null", shop.as_str()))?;
        on_db!(self.execute("delete from passes_seen where shop = $1", shop.as_str()))?;
        let (number, now) = (last + 1, ms(self.now));
        on_db!(self.execute(INSERT, shop.as_str(), number, name(kind), now, run.0))?;
        Ok(Pass { number, kind, run, started_at: self.now, cursor: None, ended_at: None })
    }

    /// Moves the open pass on, in the transaction that stores its page.
    pub async fn move_pass(&mut self, shop: &ShopId, number: i64, cursor: &Cursor) -> Result<(), StoreError> {
        const SQL: &str = "update passes set cursor = $3 where shop = $1 and number = $2 and ended_at is null";
        on_db!(self.execute(SQL, shop.as_str(), number, cursor.0.as_str()))?;
        Ok(())
    }

    /// Ends the open pass at `now`. Its chunks go, and older ended passes of the same kind.
    pub async fn end_pass(&mut self, shop: &ShopId, number: i64, resume: Option<&Cursor>) -> Result<(), StoreError> {
        const END: &str = "
            update passes set ended_at = $3, resume = $4, cursor = null
            where shop = $1 and number = $2 and ended_at is null";
        const OLDER: &str = "
            delete from passes
            where shop = $1 and number < $2 and ended_at is not null
                and kind = (select kind from passes where shop = $1 and number = $2)";
        let (now, resume) = (ms(self.now), resume.map(|cursor| cursor.0.as_str()));
        on_db!(self.execute(END, shop.as_str(), number, now, resume))?;
        on_db!(self.execute(OLDER, shop.as_str(), number))?;
        on_db!(self.execute("delete from passes_seen where shop = $1", shop.as_str()))?;
        Ok(())
    }

    /// Forgets the open pass: the next one begins anew.
    pub async fn drop_open_pass(&mut self, shop: &ShopId, number: i64) -> Result<(), StoreError> {
        const SQL: &str = "delete from passes where shop = $1 and number = $2 and ended_at is null";
        on_db!(self.execute(SQL, shop.as_str(), number))?;
        on_db!(self.execute("delete from passes_seen where shop = $1 and number = $2", shop.as_str(), number))?;
        Ok(())
    }

    /// Forgets every pass of a shop: the next import is complete.
    pub async fn forget_passes(&mut self, shop: &ShopId) -> Result<(), StoreError> {
        on_db!(self.execute("delete from passes where shop = $1", shop.as_str()))?;
        on_db!(self.execute("delete from passes_seen where shop = $1", shop.as_str()))?;
        Ok(())
    }
}
