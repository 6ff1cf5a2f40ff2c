//! Fields that a shop does not show as they were sent: what is wanted of them and what the shop accepted and refused last, by hash.
//! There are rows of listings alone that the shop has: they come when what is wanted is computed, or when a SKU was created, and go
//! when a complete pass no longer finds the listing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{
    StoreError, Tx,
    bulk::sku_rows,
    row::{Both, Row, json as json_text, ms},
};
use crate::domain::{Field, Part, Remembered, ShopId, Sku};

const TABLE: &str = "remembered";

/// A part as tickets and complaints have it.
pub(super) const fn flag(part: Part) -> i64 {
    match part {
        Part::Compared => 0,
        Part::Remembered => 1,
    }
}

pub(super) fn part(row: &Row) -> Result<Part, StoreError> {
    Ok(if row.flag("remembered")? { Part::Remembered } else { Part::Compared })
}

fn sku(row: &Row) -> Result<Sku, StoreError> {
    row.named(TABLE, "sku", |text| text.parse().ok())
}

fn remembered(row: &Row) -> Result<Remembered, StoreError> {
    Ok(Remembered {
        field: row.named(TABLE, "field", Field::from_name)?,
        wanted: row.opt_text("wanted")?,
        accepted: row.opt_text("accepted")?.zip(row.opt_instant("accepted_at")?),
        refused: row.opt_text("refused")?,
    })
}

/// A SKU with a hash of one of its fields.
pub type Hashed = (Sku, String);

fn hash_rows(rows: &[Hashed]) -> String {
    let by_sku: BTreeMap<_, _> = rows.iter().map(|(sku, hash)| (sku, hash)).collect();
    json_text(&by_sku.into_iter().map(|(sku, hash)| json!({ "sku": sku, "hash": hash })).collect::<Vec<_>>())
}

impl Tx {
    /// Writes what is wanted of a field of listings. `unwanted`: SKUs of which nothing is.
    pub async fn put_remembered(
        &mut self,
        shop: &ShopId,
        field: Field,
        wanted: &[Hashed],
        unwanted: &[Sku],
    ) -> Result<(), StoreError> {
        // Looked up one by one, for PostgreSQL's sake: see `changed!` of listings.
        const PUT: Both = bulk!([sku, hash]
            sqlite: "
                insert into remembered (shop, sku, field, wanted, product)
                select $2, sku, $3, hash, coalesce((
                    select json_extract(body, '$.product_id') from listings known
                    where known.shop = $2 and known.sku = page.sku), '')
                from page where hash <> coalesce((
                    select known.wanted from remembered known
                    where known.shop = $2 and known.sku = page.sku and known.field = $3), '')
                on conflict (shop, sku, field) do update set wanted = excluded.wanted",
            postgres: "
                insert into remembered (shop, sku, field, wanted, product)
                select $2, sku, $3, hash, coalesce((
                    select body::json ->> 'product_id' from listings known
                    where known.shop = $2 and known.sku = page.sku), '')
                from page where hash <> coalesce((
                    select known.wanted from remembered known
                    where known.shop = $2 and known.sku = page.sku and known.field = $3), '')
                on conflict (shop, sku, field) do update set wanted = excluded.wanted");
        const CLEAR: Both = bulk!([sku]
            sqlite: "
                update remembered set wanted = null
                where shop = $2 and sku in (select sku from page) and field = $3 and wanted is not null",
            postgres: "
                update remembered set wanted = null
                where shop = $2 and sku = any (array(select sku from page)) and field = $3 and wanted is not null");
        if !wanted.is_empty() {
            on_db!(self.execute(PUT, hash_rows(wanted), shop.as_str(), field.as_str()))?;
        }
        if !unwanted.is_empty() {
            let rows = sku_rows(unwanted.iter().map(Sku::as_str));
            on_db!(self.execute(CLEAR, rows, shop.as_str(), field.as_str()))?;
        }
        Ok(())
    }

    /// Notes that nothing is wanted of a field any more, of whatever SKU: it is not among the chosen ones.
    pub async fn unwant_remembered(&mut self, shop: &ShopId, field: Field) -> Result<(), StoreError> {
        const SQL: &str = "
            update remembered set wanted = null where shop = $1 and field = $2 and wanted is not null";
        on_db!(self.execute(SQL, shop.as_str(), field.as_str()))?;
        Ok(())
    }

    /// Notes what the shop accepted of a field of listings that are there. A SKU of which nothing was known, because it has just been created,
    /// is wanted so too.
    pub async fn put_remembered_accepted(
        &mut self,
        shop: &ShopId,
        field: Field,
        accepted: &[Hashed],
    ) -> Result<(), StoreError> {
        const SQL: Both = bulk!([sku, hash]
            sqlite: "
                insert into remembered (shop, sku, field, wanted, accepted, accepted_at, product)
                select $2, sku, $3, hash, hash, cast($4 as bigint), coalesce((
                    select json_extract(body, '$.product_id') from listings known
                    where known.shop = $2 and known.sku = page.sku), '')
                from page where (
                    select count(*) from listings known
                    where known.shop = $2 and known.sku = page.sku and known.gone_at is null and known.body is not null) = 1
                on conflict (shop, sku, field) do update
                    set accepted = excluded.accepted, accepted_at = excluded.accepted_at, refused = null",
            postgres: "
                insert into remembered (shop, sku, field, wanted, accepted, accepted_at, product)
                select $2, sku, $3, hash, hash, cast($4 as bigint), coalesce((
                    select body::json ->> 'product_id' from listings known
                    where known.shop = $2 and known.sku = page.sku), '')
                from page where (
                    select count(*) from listings known
                    where known.shop = $2 and known.sku = page.sku and known.gone_at is null and known.body is not null) = 1
                on conflict (shop, sku, field) do update
                    set accepted = excluded.accepted, accepted_at = excluded.accepted_at, refused = null");
        if !accepted.is_empty() {
            let now = ms(self.now);
            on_db!(self.execute(SQL, hash_rows(accepted), shop.as_str(), field.as_str(), now))?;
        }
        Ok(())
    }

    /// Notes what the shop refused of a field: not listed again by `remembered_differences` until something else is wanted.
    pub async fn put_remembered_refused(
        &mut self,
        shop: &ShopId,
        field: Field,
        refused: &[Hashed],
    ) -> Result<(), StoreError> {
        const SQL: Both = bulk!([sku, hash]
            sqlite: "
                update remembered set refused = (select page.hash from page where page.sku = remembered.sku)
                where shop = $2 and sku in (select sku from page) and field = $3",
            postgres: "
                update remembered set refused = (select page.hash from page where page.sku = remembered.sku)
                where shop = $2 and sku = any (array(select sku from page)) and field = $3");
        if !refused.is_empty() {
            on_db!(self.execute(SQL, hash_rows(refused), shop.as_str(), field.as_str()))?;
        }
        Ok(())
    }

    /// Listings have changed: what the shop refused of them is worth another try, and they may belong to another product of it by now.
    /// `products`: the product by SKU.
    pub(super) async fn listings_changed(
        &mut self,
        shop: &ShopId,
        products: &BTreeMap<&Sku, &str>,
    ) -> Result<(), StoreError> {
        on_db!(self.execute(LISTINGS_CHANGED, shop.as_str(), json_text(products)))?;
        Ok(())
    }

    /// Forgets what the shop accepted of a field, so that everything that is wanted of it is sent again. What it has yet to judge too: it may
    /// accept that, but it does not count for this field.
    pub async fn forget_accepted(&mut self, shop: &ShopId, field: Field) -> Result<(), StoreError> {
        const SQL: &str = "
            update remembered set accepted = null, accepted_at = null
            where shop = $1 and field = $2 and accepted is not null";
        const WAITING: Both = Both {
            sqlite: "
                update tickets set change = json_remove(change, '$.wanted.' || $2)
                where shop = $1 and remembered = 1 and json_extract(change, '$.wanted.' || $2) is not null",
            postgres: "
                update tickets set change = (change::jsonb #- array['wanted', $2])::text
                where shop = $1 and remembered = 1 and change::jsonb #> array['wanted', $2] <> 'null'",
        };
        on_db!(self.execute(SQL, shop.as_str(), field.as_str()))?;
        on_db!(self.execute(WAITING, shop.as_str(), field.as_str()))?;
        Ok(())
    }

    /// Forgets everything that is remembered of a shop: it is another place of sale.
    pub(super) async fn forget_remembered(&mut self, shop: &ShopId) -> Result<(), StoreError> {
        on_db!(self.execute("delete from remembered where shop = $1", shop.as_str()))?;
        Ok(())
    }

    /// Forgets what is remembered of listings that are gone.
    pub(super) async fn forget_gone(&mut self, shop: &ShopId) -> Result<(), StoreError> {
        const SQL: &str = "
            delete from remembered
            where shop = $1 and exists (
                select 1 from listings
                where listings.shop = $1 and listings.sku = remembered.sku and listings.gone_at is not null)";
        on_db!(self.execute(SQL, shop.as_str()))?;
        Ok(())
    }

    /// The fields that differ from what the shop last accepted and that it did not refuse as they are wanted, by the shop's product and SKU:
    /// of the first products behind `after` (empty: of all) whole, until there are about `at_once` of them. Left out are SKUs that wait for
    /// judgement.
    pub async fn remembered_differences(
        &mut self,
        shop: &ShopId,
        after: &str,
        at_once: usize,
    ) -> Result<BTreeMap<(String, Sku), Vec<Field>>, StoreError> {
        let mut limit = at_once;
        loop {
            let rows = on_db!(self.rows(DIFFERENCES, shop.as_str(), after, limit as i64))?;
            let mut differing: BTreeMap<(String, Sku), Vec<Field>> = BTreeMap::new();
            for row in &rows {
                let field = row.named(TABLE, "field", Field::from_name)?;
                differing.entry((row.text("product")?, sku(row)?)).or_default().push(field);
            }
            // The last product may have more.
            let Some(((last, _), _)) = differing.last_key_value().filter(|_| rows.len() == limit) else {
                return Ok(differing);
            };
            let last = last.clone();
            differing.retain(|(product, _), _| *product != last);
            if !differing.is_empty() {
                return Ok(differing);
            }
            limit *= 2;
        }
    }

    /// What is remembered of these SKUs of a shop.
    pub async fn remembered_of(
        &mut self,
        shop: &ShopId,
        skus: &[Sku],
    ) -> Result<BTreeMap<Sku, Vec<Remembered>>, StoreError> {
        let rows = sku_rows(skus.iter().map(Sku::as_str));
        let mut all: BTreeMap<Sku, Vec<Remembered>> = BTreeMap::new();
        for row in on_db!(self.rows(REMEMBERED_OF, rows, shop.as_str()))? {
            all.entry(sku(&row)?).or_default().push(remembered(&row)?);
        }
        Ok(all)
    }

    /// The fields in which SKUs of one product of the shop want different things, by the shop's product.
    pub async fn remembered_disagreements(
        &mut self,
        shop: &ShopId,
        products: &BTreeSet<&str>,
    ) -> Result<BTreeSet<(String, Field)>, StoreError> {
        if products.is_empty() {
            return Ok(BTreeSet::new());
        }
        let rows: Vec<_> = products.iter().map(|product| json!({ "product": product })).collect();
        let found = on_db!(self.rows(DISAGREEMENTS, json_text(&rows), shop.as_str()))?;
        found.iter().map(|row| Ok((row.text("product")?, row.named(TABLE, "field", Field::from_name)?))).collect()
    }

    /// What is remembered of a SKU, by shop.
    pub async fn remembered_by_sku(&mut self, sku: &Sku) -> Result<BTreeMap<ShopId, Vec<Remembered>>, StoreError> {
        // Through the shops, which are few: the key begins with the shop.
        const SQL: &str = "
            select remembered.* from (select id from shops) as every_shop
            join remembered on shop = every_shop.id and sku = $1 order by shop, field";
        let mut all: BTreeMap<ShopId, Vec<Remembered>> = BTreeMap::new();
        for row in on_db!(self.rows(SQL, sku.as_str()))? {
            let shop = row.named(TABLE, "shop", |text| text.parse().ok())?;
            all.entry(shop).or_default().push(remembered(&row)?);
        }
        Ok(all)
    }
}

/// Repeats the condition of the index to the letter, as the differences of `listings` do.
macro_rules! differences {
    ($from:literal) => {
        concat!(
            "select product, sku, field ",
            $from,
            " where shop = $1 and product > $2
                and wanted is not null and wanted <> coalesce(accepted, '') and (refused is null or refused <> wanted)
                and (select count(*) from tickets where tickets.shop = $1 and tickets.sku = remembered.sku) = 0
             order by product, sku, field limit $3"
        )
    };
}

const DIFFERENCES: Both = Both {
    sqlite: differences!("from remembered indexed by remembered_differ"),
    postgres: differences!("from remembered"),
};

/// The products are looked up by SKU: joined, each would be compared with each.
const LISTINGS_CHANGED: Both = Both {
    sqlite: "
        with page as materialized (select key, value from json_each($2))
        update remembered set refused = null, product = (select value from page where key = sku)
        where shop = $1 and sku in (select key from page)
            and (refused is not null or product <> (select value from page where key = sku))",
    postgres: "
        update remembered set refused = null, product = $2::jsonb ->> sku
        where shop = $1 and sku = any (array(select jsonb_object_keys($2::jsonb)))
            and (refused is not null or product <> $2::jsonb ->> sku)",
};

const DISAGREEMENTS: Both = bulk!([product]
    sqlite: "
        select product, field from remembered indexed by remembered_product
        where shop = $2 and product in (select product from page) and wanted is not null
        group by product, field having count(distinct wanted) > 1",
    postgres: "
        select product, field from remembered
        where shop = $2 and product = any (array(select product from page)) and wanted is not null
        group by product, field having count(distinct wanted) > 1");

const REMEMBERED_OF: Both = bulk!([sku] "
    select * from remembered where shop = $2 and sku in (select sku from page) order by sku, field");

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::store::{Store, listings::tests::plan};

    #[tokio::test]
    async fn what_differs_is_found_through_its_index() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:plans.db", folder.path()).await.unwrap();
        insta::assert_snapshot!(plan(&store, DIFFERENCES.sqlite).await, @r"
        SEARCH remembered USING INDEX remembered_differ (shop=? AND product>?)
        CORRELATED SCALAR SUBQUERY 1
        SEARCH tickets USING PRIMARY KEY (shop=? AND sku=?)
        ");
        insta::assert_snapshot!(plan(&store, DISAGREEMENTS.sqlite).await, @r"
        SEARCH remembered USING INDEX remembered_product (shop=? AND product=?)
        LIST SUBQUERY 2
        SCAN json_each VIRTUAL TABLE INDEX 1:
        CREATE BLOOM FILTER
        USE TEMP B-TREE FOR GROUP BY
        USE TEMP B-TREE FOR count(DISTINCT)
        ");
        insta::assert_snapshot!(plan(&store, LISTINGS_CHANGED.sqlite).await, @r"
        SEARCH remembered USING PRIMARY KEY (shop=? AND sku=?)
        LIST SUBQUERY 3
        MATERIALIZE page
        SCAN json_each VIRTUAL TABLE INDEX 1:
        SCAN page
        CREATE BLOOM FILTER
        CORRELATED SCALAR SUBQUERY 4
        BLOOM FILTER ON page (key=?)
        SEARCH page USING AUTOMATIC COVERING INDEX (key=?)
        CORRELATED SCALAR SUBQUERY 2
        SCAN page
        ");
        insta::assert_snapshot!(plan(&store, REMEMBERED_OF.sqlite).await, @r"
        SEARCH remembered USING PRIMARY KEY (shop=? AND sku=?)
        LIST SUBQUERY 2
        SCAN json_each VIRTUAL TABLE INDEX 1:
        CREATE BLOOM FILTER
        ");
    }
}
