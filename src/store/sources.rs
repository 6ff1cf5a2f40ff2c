//! The product source: which shop it is, whether it has been read as that, and what another one in its place would mean.

use super::{
    StoreError, Tx,
    row::{Both, Row},
};
use crate::domain::{JobKind, PassKind, ShopId};

/// The name under which the source stands among the facts. Empty: none is named. Absent: no settings were in force yet.
const FACT: &str = "product_source";

/// What the naming of the product source came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// It was named before.
    Known,
    /// It is the first of this database, and nothing was read of it yet.
    First,
    /// Another stood in its place, or nobody knows as what it was read: what was read of it does not count.
    Anew,
}

/// How the source's SKUs compare with those that another shop was last seen to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// The SKUs of the other shop.
    pub skus: u64,
    /// Those of them that the source has as well.
    pub common: u64,
}

/// The SKUs that a shop was last seen to have, under its own names: what was matched by barcode stands under the source's.
macro_rules! own_skus {
    ($sku:literal, $rest:literal) => {
        concat!(
            "with own as (
                select distinct coalesce(",
            $sku,
            ", sku) as sku from listings
                where shop = $1 and body is not null and gone_at is null) ",
            $rest
        )
    };
    ($rest:literal) => {
        Both {
            sqlite: own_skus!("body ->> '$.shop_sku'", $rest),
            postgres: own_skus!("body::json ->> 'shop_sku'", $rest),
        }
    };
}

fn count(row: &Row, column: &str) -> Result<u64, StoreError> {
    Ok(row.int(column)?.unsigned_abs())
}

impl Tx {
    /// The product source of the settings that were put in force last.
    pub async fn product_source(&mut self) -> Result<Option<ShopId>, StoreError> {
        let fact = self.fact(FACT).await?.filter(|id| !id.is_empty());
        let corrupt = |_| StoreError::Corrupt { table: "facts", cause: format!("`{FACT}` is no shop's id") };
        fact.map(|id| id.parse().map_err(corrupt)).transpose()
    }

    /// Notes the product source of settings that are put in force. One that was not the source before has to be read anew: whatever
    /// was read of it so far went into no product.
    pub async fn name_product_source(&mut self, source: Option<&ShopId>) -> Result<Named, StoreError> {
        // An import under way holds its run before it touches its pass: in the other order, two would wait for each other.
        const LOCK: Both = Both {
            sqlite: "select 1 from runs where shop = $1 and job = $2",
            postgres: "
                select 1 from runs where shop = $1 and job = $2 and state in ('available', 'running', 'retryable') for update",
        };
        let (before, name) = (self.fact(FACT).await?, source.map_or("", ShopId::as_str));
        if before.as_deref() == Some(name) {
            return Ok(Named::Known);
        }
        self.set_fact(FACT, name).await?;
        let Some(source) = source else { return Ok(Named::Anew) };
        on_db!(self.row(LOCK, name, JobKind::ProductImport.as_str()))?;
        let read = self.open_pass(source).await?.is_some() || self.last_pass(source, PassKind::Full).await?.is_some();
        self.forget_passes(source).await?;
        // Listings that it had as an ordinary shop went into no product: every one counts as changed when it is read.
        on_db!(self.execute("update listings set hash = null where shop = $1 and hash is not null", name))?;
        Ok(if before.is_some() || read { Named::Anew } else { Named::First })
    }

    /// Whether `source` is the product source and has been read completely since it became that: its products are the truth. The fact
    /// is the end of a complete pass, written with the pass's last page, and forgotten when another source is named.
    pub async fn is_source_read(&mut self, source: &ShopId) -> Result<bool, StoreError> {
        Ok(self.product_source().await?.as_ref() == Some(source)
            && self.last_pass(source, PassKind::Full).await?.is_some())
    }

    /// How many products the source has, and how many SKUs.
    pub async fn source_size(&mut self) -> Result<(u64, u64), StoreError> {
        const SQL: &str =
            "select count(distinct product_id) as products, count(*) as skus from variants where gone_at is null";
        on_db!(self.row(SQL))?.map_or(Ok((0, 0)), |row| Ok((count(&row, "products")?, count(&row, "skus")?)))
    }

    /// How a shop's SKUs compare with those of the source.
    pub async fn compared_with_source(&mut self, shop: &ShopId) -> Result<Comparison, StoreError> {
        const SQL: Both = own_skus!(
            "select count(*) as skus, count(variants.sku) as common
             from own left join variants on variants.sku = own.sku and variants.gone_at is null"
        );
        on_db!(self.row(SQL, shop.as_str()))?.map_or(Ok(Comparison { skus: 0, common: 0 }), |row| {
            Ok(Comparison { skus: count(&row, "skus")?, common: count(&row, "common")? })
        })
    }

    /// How many listings each shop has of the SKUs that the source has and `shop` does not. Shops without any are left out.
    pub async fn listed_without(&mut self, shop: &ShopId) -> Result<Vec<(ShopId, u64)>, StoreError> {
        const SQL: Both = own_skus!(
            ", missing as (select sku from variants where gone_at is null except select sku from own)
             select listings.shop, count(*) as listed from missing
             join (select id from shops) as every_shop on id <> $1
             join listings on listings.shop = id and listings.sku = missing.sku
             where body is not null and gone_at is null group by listings.shop order by listings.shop"
        );
        let rows = on_db!(self.rows(SQL, shop.as_str()))?;
        let listed = |row: &Row| Ok((row.named("listings", "shop", |text| text.parse().ok())?, count(row, "listed")?));
        rows.iter().map(listed).collect()
    }
}
