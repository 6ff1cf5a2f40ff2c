//! Products and variants of the source.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use serde::Serialize;
use serde_json::json;

use super::{
    SeenListing, StoreError, Tx,
    bulk::sku_rows,
    row::{Both, Row, json as json_text, ms, without_nul},
    rows::{Bound, Cells, Rows, cell},
    texts::PageTexts,
};
use crate::domain::{Counts, Listing, PassKind, Product, ShopId, Sku, Texts, Variant, barcode_key};

/// A variant with its product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVariant {
    /// The product.
    pub product: Product,
    /// The variant.
    pub variant: Variant,
    /// The revision at which it last changed.
    pub revision: i64,
    /// Whether the source dropped it.
    pub gone: bool,
}

fn stored_variant(row: &Row) -> Result<StoredVariant, StoreError> {
    Ok(StoredVariant {
        product: Product::of(row.text("product")?, row.json::<Texts<'_>>("texts", "texts")?),
        variant: row.json("variants", "variant")?,
        revision: row.int("revision")?,
        gone: row.opt_int("gone_at")?.is_some(),
    })
}

/// The columns of a [`StoredVariant`].
macro_rules! select_variants {
    ($rest:literal) => {
        concat!(
            "select p.id as product, texts.content as texts, v.body as variant, v.revision, v.gone_at
             from variants v join products p on p.id = v.product_id join texts on texts.id = p.texts_id ",
            $rest
        )
    };
}

/// Variants of a product that changed have changed too, whether they are on this page or not.
const TOUCH: Both = bulk!([id] "
    update variants set revision = $2
    where product_id in (select id from page) and revision < $2
    returning sku");

const VARIANTS_AFTER: &str = select_variants!(
    "where v.gone_at is null
        and (v.product_id, v.sku) > (coalesce((select product_id from variants where sku = $1), ''), $1)
     order by v.product_id, v.sku limit $2"
);

const VARIANTS_SINCE: &str = select_variants!("where v.revision > $1 and v.sku > $2 order by v.sku limit $3");

impl Tx {
    /// Stores what listings of the source say of products and variants: those that differ get the next revision, unchanged ones are not
    /// written. Of a SKU or a product that comes twice the last one counts. Counts `seen`, `changed`, `unchanged`.
    pub async fn put_variants(&mut self, page: &[&SeenListing]) -> Result<Counts, StoreError> {
        // Equal rows are left out before the conflict, and looked up one by one: see `put_listings` and `changed!`.
        const VARIANTS: Rows<4> = Rows {
            columns: ["sku", "product_id", "body", "barcode"],
            rest: "
                insert into variants (sku, product_id, body, barcode, revision)
                select sku, product_id, body, barcode, cast($1 as bigint) from page where body <> coalesce((
                    select known.body from variants known
                    where known.sku = page.sku and known.product_id = page.product_id and known.gone_at is null), '')
                on conflict (sku) do update
                    set product_id = excluded.product_id, body = excluded.body, barcode = excluded.barcode,
                        revision = excluded.revision, gone_at = null",
        };
        if page.is_empty() {
            return Ok(Counts::default());
        }
        let listings: BTreeMap<&Sku, &Listing> = page.iter().map(|seen| (&seen.listing.sku, &seen.listing)).collect();
        let rows: Vec<Cells<'_, 4>> = listings
            .values()
            .map(|listing| {
                let key = listing.barcode.as_deref().and_then(barcode_key);
                let body = json_text(&Variant::of(listing));
                [cell(listing.sku.as_str()), cell(&listing.product_id), Some(body.into()), key.map(Cow::Owned)]
            })
            .collect();
        let revision = self.next_revision().await?;
        let mut changed = self.execute_rows(&VARIANTS, &[Bound::Int(revision)], &rows).await?;
        let skus: BTreeSet<&str> = listings.keys().map(|sku| sku.as_str()).collect();
        changed +=
            self.put_products(page, revision).await?.iter().filter(|sku| skus.contains(sku.as_str())).count() as u64;
        let seen = page.len() as u64;
        Ok(Counts { seen, changed, unchanged: seen.saturating_sub(changed), ..Counts::default() })
    }

    /// Stores the products of a page. Returns the variants that thereby changed, beyond those of `revision` already.
    async fn put_products(&mut self, page: &[&SeenListing], revision: i64) -> Result<Vec<String>, StoreError> {
        // Looked up one by one: see `changed!`.
        const CHANGED: Both = bulk!([id, texts_id]
            sqlite: "
                , told as (
                    select id, texts_id, (select texts_id from products known where known.id = page.id) as before from page)
                select json_group_array(id) filter (where before is null) as new,
                    json_group_array(id) filter (where before is not null) as changed
                from told where before is distinct from texts_id",
            postgres: "
                , told as (
                    select id, texts_id, (select texts_id from products known where known.id = page.id) as before from page)
                select coalesce(json_agg(id) filter (where before is null), '[]')::text as new,
                    coalesce(json_agg(id) filter (where before is not null), '[]')::text as changed
                from told where before is distinct from texts_id");
        const PUT: Both = bulk!([id, texts_id] "
            insert into products (id, texts_id) select id, texts_id from page where true
            on conflict (id) do update set texts_id = excluded.texts_id");
        #[derive(Serialize)]
        struct ProductRow<'a> {
            id: &'a str,
            texts_id: String,
        }
        let products: BTreeMap<_, _> = page.iter().map(|seen| (without_nul(&seen.listing.product_id), *seen)).collect();
        let mut texts = PageTexts::default();
        let mut rows: Vec<_> = products.iter().map(|(id, seen)| ProductRow { id, texts_id: texts.id(seen) }).collect();
        let Some(row) = on_db!(self.row(CHANGED, json_text(&rows)))? else { return Ok(Vec::new()) };
        let new: BTreeSet<String> = row.json("products", "new")?;
        let changed: BTreeSet<String> = row.json("products", "changed")?;
        rows.retain(|row| new.contains(row.id) || changed.contains(row.id));
        if !rows.is_empty() {
            self.put_texts(&texts).await?;
            on_db!(self.execute(PUT, json_text(&rows)))?;
        }
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let changed: Vec<_> = changed.iter().map(|id| json!({ "id": id })).collect();
        on_db!(self.rows(TOUCH, json_text(&changed), revision))?.iter().map(|row| row.text("sku")).collect()
    }

    /// Marks the variants that the complete pass `number` of the source `shop` did not see as gone (see `note_seen`). Returns how many. In
    /// its first pass as the source, those of the one before that were never wanted anywhere are forgotten instead: a shop that was
    /// named the source by mistake, and read, has dropped nothing that another shop would have to retire.
    pub async fn drop_unseen_variants(&mut self, shop: &ShopId, number: i64) -> Result<u64, StoreError> {
        const FORGET: Both = Both {
            sqlite: "
                delete from variants
                where sku not in (
                        select value from passes_seen, json_each(passes_seen.skus) where shop = $1 and number = $2)
                    and not exists (
                        select 1 from shops join listings on listings.shop = shops.id and listings.sku = variants.sku
                        where listings.wanted_hash is not null)",
            postgres: "
                with seen as materialized (
                    select value as sku from passes_seen, json_array_elements_text(skus::json)
                    where shop = $1 and number = $2),
                    wanted as materialized (select distinct sku from listings where wanted_hash is not null)
                delete from variants
                where not exists (select 1 from seen where seen.sku = variants.sku)
                    and not exists (select 1 from wanted where wanted.sku = variants.sku)",
        };
        const SQL: Both = Both {
            sqlite: "
                update variants set gone_at = $3, revision = $4
                where gone_at is null and sku not in (
                    select value from passes_seen, json_each(passes_seen.skus) where shop = $1 and number = $2)",
            // `not in` has no hash join here, and would compare each with each.
            postgres: "
                with seen as materialized (
                    select value as sku from passes_seen, json_array_elements_text(skus::json)
                    where shop = $1 and number = $2)
                update variants set gone_at = $3, revision = $4
                where gone_at is null and not exists (select 1 from seen where seen.sku = variants.sku)",
        };
        let (revision, now) = (self.next_revision().await?, ms(self.now));
        let first = self.last_pass(shop, PassKind::Full).await?.is_none();
        self.allow_nested_loops(false).await?;
        if first {
            on_db!(self.execute(FORGET, shop.as_str(), number))?;
        }
        let dropped = on_db!(self.execute(SQL, shop.as_str(), number, now, revision))?;
        self.allow_nested_loops(true).await?;
        Ok(dropped)
    }

    /// The newest revision.
    pub async fn variants_revision(&mut self) -> Result<i64, StoreError> {
        const SQL: &str = "select coalesce(max(revision), 0) as revision from variants";
        on_db!(self.row(SQL))?.map_or(Ok(0), |row| row.int("revision"))
    }

    /// The revision that this transaction's changes get. Revisions become visible in their order: on PostgreSQL a second
    /// writer waits until the first has committed (on SQLite there is only one), so that whoever has read up to a
    /// revision misses nothing below it.
    async fn next_revision(&mut self) -> Result<i64, StoreError> {
        const LOCK: Both = Both { sqlite: "select 1", postgres: "lock table variants in share row exclusive mode" };
        on_db!(self.execute(LOCK))?;
        Ok(self.variants_revision().await? + 1)
    }

    /// Variants changed after `revision`, by SKU after `after`, at most `limit`: for computing what is wanted. Those that
    /// the source dropped are among them.
    pub async fn variants_since(
        &mut self,
        revision: i64,
        after: Option<&Sku>,
        limit: u32,
    ) -> Result<Vec<StoredVariant>, StoreError> {
        let after = after.map_or("", Sku::as_str);
        on_db!(self.rows(VARIANTS_SINCE, revision, after, i64::from(limit)))?.iter().map(stored_variant).collect()
    }

    /// One variant.
    pub async fn variant(&mut self, sku: &Sku) -> Result<Option<StoredVariant>, StoreError> {
        const SQL: &str = select_variants!("where v.sku = $1");
        on_db!(self.row(SQL, sku.as_str()))?.as_ref().map(stored_variant).transpose()
    }

    /// The variants of these SKUs that are known, dropped ones too, by SKU.
    pub async fn variants_of(&mut self, skus: &[Sku]) -> Result<Vec<StoredVariant>, StoreError> {
        const SQL: Both = bulk!([sku] "
            select p.id as product, texts.content as texts, v.body as variant, v.revision, v.gone_at
            from variants v join products p on p.id = v.product_id join texts on texts.id = p.texts_id
            where v.sku in (select sku from page) order by v.sku");
        let rows = sku_rows(skus.iter().map(Sku::as_str));
        on_db!(self.rows(SQL, rows))?.iter().map(stored_variant).collect()
    }

    /// The SKUs that the source has with these barcodes, as [`barcode_key`] writes them: barcode and SKU, in this order.
    pub async fn skus_with_barcodes(&mut self, barcodes: &[String]) -> Result<Vec<(String, Sku)>, StoreError> {
        const SQL: Both = bulk!([barcode] "
            select barcode, sku from variants
            where barcode in (select barcode from page) and gone_at is null order by barcode, sku");
        let rows: Vec<_> = barcodes.iter().map(|barcode| json!({ "barcode": barcode })).collect();
        let rows = if rows.is_empty() { Vec::new() } else { on_db!(self.rows(SQL, json_text(&rows)))? };
        rows.iter()
            .map(|row| Ok((row.text("barcode")?, row.named("variants", "sku", |text| text.parse().ok())?)))
            .collect()
    }

    /// The SKUs of these products, those that the source dropped too: product and SKU, in this order.
    pub async fn skus_of_products(&mut self, products: &[&str]) -> Result<Vec<(String, Sku)>, StoreError> {
        const SQL: Both = bulk!([id] "
            select product_id, sku from variants where product_id in (select id from page) order by product_id, sku");
        let rows: Vec<_> = products.iter().map(|id| json!({ "id": id })).collect();
        let rows = on_db!(self.rows(SQL, json_text(&rows)))?;
        rows.iter()
            .map(|row| Ok((row.text("product_id")?, row.named("variants", "sku", |text| text.parse().ok())?)))
            .collect()
    }

    /// Variants that came to be listed in `shop` after it was computed what is wanted of them: their listing is there and
    /// nothing is wanted of it. By SKU after `after`, at most `limit`.
    pub async fn newcomers(
        &mut self,
        shop: &ShopId,
        after: Option<&Sku>,
        limit: u32,
    ) -> Result<Vec<StoredVariant>, StoreError> {
        const SQL: &str = select_variants!(
            "where v.gone_at is null and v.sku > $2 and v.sku in (
                select sku from listings
                where shop = $1 and sku > $2 and wanted is null and body is not null and gone_at is null)
             order by v.sku limit $3"
        );
        let after = after.map_or("", Sku::as_str);
        on_db!(self.rows(SQL, shop.as_str(), after, i64::from(limit)))?.iter().map(stored_variant).collect()
    }

    /// Variants that are there, in order of product and SKU, after `after`, at most `limit`.
    pub async fn variants(&mut self, after: Option<&Sku>, limit: u32) -> Result<Vec<StoredVariant>, StoreError> {
        let after = after.map_or("", Sku::as_str);
        on_db!(self.rows(VARIANTS_AFTER, after, i64::from(limit)))?.iter().map(stored_variant).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::store::{Store, listings::tests::plan};

    #[tokio::test]
    async fn a_large_source_is_read_through_its_indexes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:plans.db", folder.path()).await.unwrap();
        insta::assert_snapshot!(plan(&store, TOUCH.sqlite).await, @r"
        SEARCH variants USING INDEX variants_product (product_id=?)
        LIST SUBQUERY 2
        SCAN json_each VIRTUAL TABLE INDEX 1:
        CREATE BLOOM FILTER
        ");
        insta::assert_snapshot!(plan(&store, VARIANTS_AFTER).await, @r"
        SEARCH v USING INDEX variants_product ((product_id,sku)>(?,?))
        SCALAR SUBQUERY 1
        SEARCH variants USING PRIMARY KEY (sku=?)
        REUSE SUBQUERY 1
        SEARCH p USING PRIMARY KEY (id=?)
        SEARCH texts USING INDEX sqlite_autoindex_texts_1 (id=?)
        ");
        insta::assert_snapshot!(plan(&store, VARIANTS_SINCE).await, @r"
        SEARCH v USING PRIMARY KEY (sku>?)
        SEARCH p USING PRIMARY KEY (id=?)
        SEARCH texts USING INDEX sqlite_autoindex_texts_1 (id=?)
        ");
    }
}
