//! Complaints: what is wrong with single SKUs, kept until it is resolved.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::{
    StoreError, Tx,
    bulk::sku_rows,
    remembered::{flag, part},
    row::{Both, Row, json as json_text, ms, without_nul},
};
use crate::domain::{Complaint, JobKind, Part, RunId, ShopId, Sku};

/// A complaint that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The shop.
    pub shop: ShopId,
    /// The job that complains.
    pub job: JobKind,
    /// Whether it is about remembered fields, or about the others.
    pub part: Part,
    /// What it says.
    pub complaint: Complaint,
    /// Since when.
    pub since: Timestamp,
    /// The run that last said so.
    pub run: RunId,
}

/// Who complains: a job, of remembered fields or of the others. What is said of one part of a SKU does not resolve what was said of the
/// other.
#[derive(Debug, Clone, Copy)]
pub struct Complaining {
    /// The job.
    pub job: JobKind,
    /// The part.
    pub part: Part,
}

impl From<JobKind> for Complaining {
    fn from(job: JobKind) -> Self {
        Self { job, part: Part::Compared }
    }
}

fn standing(row: &Row) -> Result<Standing, StoreError> {
    let complaint = Complaint {
        sku: row.text("sku")?,
        code: row.text("code")?,
        text: row.text("text")?,
        request_id: row.opt_text("request_id")?,
    };
    let shop = row.named("complaints", "shop", |text| text.parse().ok())?;
    let job = row.named("complaints", "job", |text| text.parse().ok())?;
    Ok(Standing {
        shop,
        job,
        part: part(row)?,
        complaint,
        since: row.instant("since")?,
        run: RunId(row.int("run_id")?),
    })
}

const UNKNOWN: &str = "the product source does not know this SKU; add it there, or take the listing down";

/// Writes the complaints of live listings that the source does not know and that no rule retires: job, code, text and `now` are `$1` to `$4`.
macro_rules! unknown {
    ($run:literal, $from:literal, $again:literal) => {
        concat!(
            "insert into complaints (shop, job, sku, code, text, since, run_id)
             select shop, $1, sku, $2, $3, cast($4 as bigint), cast(",
            $run,
            " as bigint) ",
            $from,
            "currency is not null and gone_at is null and (wanted is null or wanted not like '%\"dropped\":true%')
                and not exists (select 1 from variants where variants.sku = listings.sku and variants.gone_at is null)",
            $again
        )
    };
}

impl Tx {
    /// Keeps complaints of a run: one about the same SKU with the same code keeps its `since`.
    pub async fn put_complaints(
        &mut self,
        shop: &ShopId,
        by: impl Into<Complaining>,
        run: RunId,
        complaints: &[Complaint],
    ) -> Result<(), StoreError> {
        const SQL: Both = bulk!([sku, code, words, request_id] "
            insert into complaints (shop, job, sku, remembered, code, text, request_id, since, run_id)
            select $2, $3, sku, cast($6 as bigint), code, words, request_id, cast($4 as bigint), cast($5 as bigint)
            from page where true
            on conflict (shop, job, sku, remembered, code) do update
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
                json!({ "sku": sku, "code": code, "words": one.text, "request_id": one.request_id })
            })
            .collect();
        let (Complaining { job, part }, now) = (by.into(), ms(self.now));
        on_db!(self.execute(SQL, json_text(&rows), shop.as_str(), job.as_str(), now, run.0, flag(part)))?;
        Ok(())
    }

    /// Keeps complaints of a run, and resolves what was said of the same SKUs before: what stands is what was said last. But for what an
    /// attribute needs, which only computing it anew can tell.
    pub async fn replace_complaints(
        &mut self,
        shop: &ShopId,
        by: impl Into<Complaining>,
        run: RunId,
        complaints: &[Complaint],
    ) -> Result<(), StoreError> {
        const SQL: Both = bulk!([sku, code] "
            delete from complaints
            where shop = $2 and job = $3 and sku in (select sku from page) and remembered = $4 and code <> $5
                and not exists (select 1 from page where page.sku = complaints.sku and page.code = complaints.code)");
        if complaints.is_empty() {
            return Ok(());
        }
        let row = |one: &Complaint| json!({ "sku": without_nul(&one.sku), "code": without_nul(&one.code) });
        let rows: Vec<_> = complaints.iter().map(row).collect();
        let by @ Complaining { job, part } = by.into();
        let (unsaid, rows) = (Complaint::UNSAID_ATTRIBUTE, json_text(&rows));
        on_db!(self.execute(SQL, rows, shop.as_str(), job.as_str(), flag(part), unsaid))?;
        self.put_complaints(shop, by, run, complaints).await
    }

    /// Resolves the complaints about SKUs, but for what an attribute needs.
    pub async fn resolve_complaints(
        &mut self,
        shop: &ShopId,
        by: impl Into<Complaining>,
        skus: &[String],
    ) -> Result<(), StoreError> {
        const SQL: Both = bulk!([sku] "
            delete from complaints
            where shop = $2 and job = $3 and sku in (select sku from page) and remembered = $4 and code <> $5");
        let Complaining { job, part } = by.into();
        let (unsaid, rows) = (Complaint::UNSAID_ATTRIBUTE, sku_rows(skus.iter().map(String::as_str)));
        on_db!(self.execute(SQL, rows, shop.as_str(), job.as_str(), flag(part), unsaid))?;
        Ok(())
    }

    /// Resolves what imports said of SKUs that a page shows to be well. What only a whole pass can tell stands.
    pub async fn resolve_seen(&mut self, shop: &ShopId, skus: &[Sku]) -> Result<(), StoreError> {
        const SQL: Both = bulk!([sku] "
            delete from complaints
            where shop = $2 and job = $3 and sku in (select sku from page) and code not in ($4, $5)");
        let skus = sku_rows(skus.iter().map(Sku::as_str));
        let job = JobKind::ProductImport.as_str();
        on_db!(self.execute(SQL, skus, shop.as_str(), job, Complaint::DUPLICATE_SKU, Complaint::UNKNOWN_SKU))?;
        Ok(())
    }

    /// Complains, in the name of a shop's import, of its live listings whose SKU the product source does not know (any more), but for
    /// those that a rule retires: what it makes of a SKU that the source dropped is nobody's mistake. Complaints that stand already are confirmed
    /// where `again`. Returns how many were written.
    pub async fn put_unknown(&mut self, shop: &ShopId, run: RunId, again: bool) -> Result<u64, StoreError> {
        const SQL: &str = unknown!(
            "$7",
            "from listings where shop = $6 and ",
            " on conflict (shop, job, sku, remembered, code) do update set run_id = excluded.run_id where $5 = 1"
        );
        let (job, now) = (JobKind::ProductImport.as_str(), ms(self.now));
        let (again, shop) = (i64::from(again), shop.as_str());
        on_db!(self.execute(SQL, job, Complaint::UNKNOWN_SKU, UNKNOWN, now, again, shop, run.0))
    }

    /// The same of every other shop that has been read completely, in the name of the import that did it: when the source has been read
    /// for the first time.
    pub async fn put_unknown_elsewhere(&mut self, source: &ShopId) -> Result<(), StoreError> {
        const SQL: &str = unknown!(
            "(select max(run_id) from passes where passes.shop = listings.shop and kind = 'full' and ended_at is not null)",
            "from listings where shop <> $5 and exists (
                select 1 from passes where passes.shop = listings.shop and kind = 'full' and ended_at is not null) and ",
            " on conflict (shop, job, sku, remembered, code) do nothing"
        );
        let (job, now) = (JobKind::ProductImport.as_str(), ms(self.now));
        on_db!(self.execute(SQL, job, Complaint::UNKNOWN_SKU, UNKNOWN, now, source.as_str()))?;
        Ok(())
    }

    /// Resolves what was said of SKUs that the product source does not know where the shop's rule has made something of that meanwhile.
    pub async fn resolve_retired(&mut self, shop: &ShopId) -> Result<(), StoreError> {
        const SQL: &str = "
            delete from complaints
            where shop = $1 and job = $2 and code = $3 and exists (
                select 1 from listings
                where listings.shop = $1 and listings.sku = complaints.sku and wanted like '%\"dropped\":true%')";
        let job = JobKind::ProductImport.as_str();
        on_db!(self.execute(SQL, shop.as_str(), job, Complaint::UNKNOWN_SKU))?;
        Ok(())
    }

    /// Resolves, in all shops, the complaints of SKUs that the product source knows by now.
    pub async fn resolve_known(&mut self) -> Result<(), StoreError> {
        const SQL: &str = "
            delete from complaints
            where job = $1 and code = $2
                and exists (select 1 from variants where variants.sku = complaints.sku and variants.gone_at is null)";
        on_db!(self.execute(SQL, JobKind::ProductImport.as_str(), Complaint::UNKNOWN_SKU))?;
        Ok(())
    }

    /// Resolves what a job said in `run` and since: its pass began anew, and what it said so far does not count.
    pub async fn resolve_complaints_since(
        &mut self,
        shop: &ShopId,
        job: JobKind,
        run: RunId,
    ) -> Result<(), StoreError> {
        const SQL: &str = "delete from complaints where shop = $1 and job = $2 and run_id >= $3";
        on_db!(self.execute(SQL, shop.as_str(), job.as_str(), run.0))?;
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

    /// Standing complaints of a shop, about all that it has or one SKU, with the job, since when, and the run that last said
    /// so; in order of job and SKU.
    pub async fn complaints(&mut self, shop: &ShopId, sku: Option<&str>) -> Result<Vec<Standing>, StoreError> {
        const SQL: &str = "
            select * from complaints where shop = $1 and ($2 is null or sku = $2) order by shop, job, sku, remembered, code";
        on_db!(self.rows(SQL, shop.as_str(), sku))?.iter().map(standing).collect()
    }

    /// Those of one job.
    pub async fn complaints_of(&mut self, shop: &ShopId, job: JobKind) -> Result<Vec<Standing>, StoreError> {
        const SQL: &str =
            "select * from complaints where shop = $1 and job = $2 order by shop, job, sku, remembered, code";
        on_db!(self.rows(SQL, shop.as_str(), job.as_str()))?.iter().map(standing).collect()
    }

    /// How many SKUs of a shop a run of a job complains of, of those of which no later one does.
    pub async fn complained_of(&mut self, shop: &ShopId, job: JobKind, run: RunId) -> Result<u64, StoreError> {
        const SQL: &str = "
            select count(distinct sku) as skus from complaints where shop = $1 and job = $2 and run_id = $3";
        let row = on_db!(self.row(SQL, shop.as_str(), job.as_str(), run.0))?;
        row.map_or(Ok(0), |row| Ok(row.int("skus")? as u64))
    }

    /// Whether a job complains of anything in a shop.
    pub async fn has_complaints(&mut self, shop: &ShopId, job: JobKind) -> Result<bool, StoreError> {
        const SQL: &str = "select sku from complaints where shop = $1 and job = $2 limit 1";
        Ok(on_db!(self.row(SQL, shop.as_str(), job.as_str()))?.is_some())
    }

    /// The SKUs of which a job complains with one code, in order.
    pub async fn complained_with(
        &mut self,
        shop: &ShopId,
        job: JobKind,
        code: &str,
    ) -> Result<Vec<String>, StoreError> {
        const SQL: &str = "select sku from complaints where shop = $1 and job = $2 and code = $3 order by sku";
        on_db!(self.rows(SQL, shop.as_str(), job.as_str(), code))?.iter().map(|row| row.text("sku")).collect()
    }

    /// Standing complaints of every shop's import with one of these codes, in order of shop and SKU.
    pub async fn complaints_coded(&mut self, codes: &[&str]) -> Result<Vec<Standing>, StoreError> {
        const SQL: Both = bulk!([code] "
            select * from complaints where job = $2 and code in (select code from page) order by shop, sku, code");
        let rows: Vec<_> = codes.iter().map(|code| serde_json::json!({ "code": code })).collect();
        on_db!(self.rows(SQL, super::row::json(&rows), JobKind::ProductImport.as_str()))?.iter().map(standing).collect()
    }

    /// Standing complaints about a SKU, of every shop and job, in their order.
    pub async fn complaints_about(&mut self, sku: &str) -> Result<Vec<Standing>, StoreError> {
        const SQL: &str = "select * from complaints where sku = $1 order by shop, job, remembered, code";
        on_db!(self.rows(SQL, sku))?.iter().map(standing).collect()
    }

    /// How many complaints stand per job of a shop and code, in this order; what has none is not listed.
    pub async fn complaint_counts(&mut self) -> Result<Vec<(ShopId, JobKind, String, u64)>, StoreError> {
        const SQL: &str = "
            select shop, job, code, count(*) as standing from complaints
            group by shop, job, code order by shop, job, code";
        let rows = on_db!(self.rows(SQL))?;
        rows.iter()
            .map(|row| {
                let shop = row.named("complaints", "shop", |text| text.parse().ok())?;
                let job = row.named("complaints", "job", |text| text.parse().ok())?;
                Ok((shop, job, row.text("code")?, row.int("standing")? as u64))
            })
            .collect()
    }
}
