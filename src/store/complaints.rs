//! Complaints: what is wrong with single SKUs, kept until it is resolved.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::{
    StoreError, Tx,
    bulk::{sku_rows, without_nul},
    row::{Both, json as json_text, ms},
};
use crate::domain::{Complaint, JobKind, RunId, ShopId};

impl Tx {
    /// Keeps complaints of a run: one about the same SKU with the same code keeps its `since`.
    pub async fn put_complaints(
        &mut self,
        shop: &ShopId,
        job: JobKind,
        run: RunId,
        complaints: &[Complaint],
    ) -> Result<(), StoreError> {
        const SQL: Both = bulk!([sku, code, words, request_id] "
            insert into complaints (shop, job, sku, code, text, request_id, since, run_id)
            select $2, $3, sku, code, words, request_id, cast($4 as bigint), cast($5 as bigint) from page where true
            on conflict (shop, job, sku, code) do update
                set text = excluded.text, request_id = excluded.request_id, run_id = excluded.run_id
            where complaints.run_id <> excluded.run_id or complaints.text <> excluded.text
                or complaints.request_id is distinct from excluded.request_id");
        if complaints.is_empty() {
            return Ok(());
        }
        let by_key: BTreeMap<_, _> =
            complaints.iter().map(|one| ((without_nul(&one.sku), without_nul(&one.code)), one)).collect();
        let rows: Vec<_> = by_key
            .into_iter()
            .map(|((sku, code), one)| {
                let request_id = one.request_id.as_deref().map(without_nul);
                json!({ "sku": sku, "code": code, "words": without_nul(&one.text), "request_id": request_id })
            })
            .collect();
        let now = ms(self.now);
        on_db!(self.execute(SQL, json_text(&rows), shop.as_str(), job.as_str(), now, run.0))?;
        Ok(())
    }

    /// Resolves the complaints about SKUs.
    pub async fn resolve_complaints(&mut self, shop: &ShopId, job: JobKind, skus: &[String]) -> Result<(), StoreError> {
        const SQL: Both = bulk!([sku] "
            delete from complaints where shop = $2 and job = $3 and sku in (select sku from page)");
        let skus: Vec<_> = skus.iter().map(|sku| without_nul(sku)).collect();
        on_db!(self.execute(SQL, sku_rows(skus.iter().map(String::as_str)), shop.as_str(), job.as_str()))?;
        Ok(())
    }

    /// Resolves the complaints with one code about SKUs.
    pub async fn resolve_coded(
        &mut self,
        shop: &ShopId,
        job: JobKind,
        code: &str,
        skus: &[String],
    ) -> Result<(), StoreError> {
        const SQL: Both = bulk!([sku] "
            delete from complaints where shop = $2 and job = $3 and code = $4 and sku in (select sku from page)");
        let skus: Vec<_> = skus.iter().map(|sku| without_nul(sku)).collect();
        on_db!(self.execute(SQL, sku_rows(skus.iter().map(String::as_str)), shop.as_str(), job.as_str(), code))?;
        Ok(())
    }

    /// Resolves the complaints of a job that no run from `run` on repeated: at the end of a complete pass, with the run that
    /// began the pass.
    pub async fn resolve_complaints_before(
        &mut self,
        shop: &ShopId,
        job: JobKind,
        run: RunId,
    ) -> Result<(), StoreError> {
        const SQL: &str = "delete from complaints where shop = $1 and job = $2 and run_id < $3";
        on_db!(self.execute(SQL, shop.as_str(), job.as_str(), run.0))?;
        Ok(())
    }

    /// Standing complaints of a shop (or all), with the job, since when, and the run that last said so; in order of shop, job
    /// and SKU.
    pub async fn complaints(
        &mut self,
        shop: Option<&ShopId>,
    ) -> Result<Vec<(ShopId, JobKind, Complaint, Timestamp, RunId)>, StoreError> {
        const TABLE: &str = "complaints";
        const ALL: &str = "select * from complaints order by shop, job, sku, code";
        const OF_SHOP: &str = "select * from complaints where shop = $1 order by shop, job, sku, code";
        let rows = match shop {
            None => on_db!(self.rows(ALL)),
            Some(shop) => on_db!(self.rows(OF_SHOP, shop.as_str())),
        }?;
        rows.iter()
            .map(|row| {
                let complaint = Complaint {
                    sku: row.text("sku")?,
                    code: row.text("code")?,
                    text: row.text("text")?,
                    request_id: row.opt_text("request_id")?,
                };
                let shop = row.named(TABLE, "shop", |text| text.parse().ok())?;
                let job = row.named(TABLE, "job", |text| text.parse().ok())?;
                Ok((shop, job, complaint, row.instant("since")?, RunId(row.int("run_id")?)))
            })
            .collect()
    }

    /// How many complaints stand per shop, in order of shop; shops without one are not listed.
    pub async fn complaint_counts(&mut self) -> Result<Vec<(ShopId, u64)>, StoreError> {
        const SQL: &str = "select shop, count(*) as standing from complaints group by shop order by shop";
        let rows = on_db!(self.rows(SQL))?;
        rows.iter()
            .map(|row| {
                let shop = row.named("complaints", "shop", |text| text.parse().ok())?;
                Ok((shop, row.int("standing")? as u64))
            })
            .collect()
    }
}
