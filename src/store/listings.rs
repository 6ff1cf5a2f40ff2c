//! Listings: what each shop was last seen to have, and what is wanted there.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;

use super::{
    StoreError, Tx,
    bulk::sku_rows,
    row::{Both, Row, json as json_text, ms, without_nul},
    rows::{Bound, Cells, Rows, cell},
    texts::PageTexts,
};
use crate::domain::{Counts, Currency, Field, Listing, Own, ShopId, Sku, Texts, Values};

/// A listing as a page or an accepted change has it, with the hashes it is compared by.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenListing {
    /// The listing.
    pub listing: Listing,
    /// [`Texts::hash`] of its texts.
    pub texts_hash: String,
    /// [`Listing::content_hash`].
    pub hash: String,
    /// [`Values::hash`] of its values in the shop's chosen fields.
    pub seen_hash: String,
}

impl SeenListing {
    /// A listing of a shop that compares these fields.
    pub fn of(listing: Listing, compared: &BTreeSet<Field>) -> Self {
        Self::with(listing.texts().hash(), listing, compared)
    }

    /// Those of a page. SKUs of a product stand side by side, and what they have in common is hashed once.
    pub fn page(listings: Vec<Listing>, compared: &BTreeSet<Field>) -> Vec<Self> {
        let mut page: Vec<Self> = Vec::with_capacity(listings.len());
        for listing in listings {
            let before = page.last().filter(|before| before.listing.texts() == listing.texts());
            let texts_hash = before.map_or_else(|| listing.texts().hash(), |before| before.texts_hash.clone());
            page.push(Self::with(texts_hash, listing, compared));
        }
        page
    }

    fn with(texts_hash: String, listing: Listing, compared: &BTreeSet<Field>) -> Self {
        let (hash, seen_hash) = (listing.content_hash_with(&texts_hash), listing.values(compared).hash());
        Self { listing, texts_hash, hash, seen_hash }
    }

    /// The id under which its texts are kept. It begins with the product, so that neighbours are kept side by side.
    pub(super) fn texts_id(&self) -> String {
        format!("{}/{}", without_nul(&self.listing.product_id), self.texts_hash)
    }
}

/// What is wanted of one SKU.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedRow {
    /// The SKU.
    pub sku: Sku,
    /// The values; `None`: nothing is wanted any more.
    pub wanted: Option<Values>,
}

/// A listing as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredListing {
    /// The SKU.
    pub sku: Sku,
    /// As last seen; `None` while only wanted.
    pub listing: Option<Listing>,
    /// As the source wants it.
    pub wanted: Option<Values>,
    /// Whether a complete pass no longer found it.
    pub gone: bool,
    /// Whether the shop refused just this difference before.
    pub refused: bool,
}

/// A change that a shop refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The SKU.
    pub sku: Sku,
    /// [`Values::hash`] of what was sent.
    pub wanted_hash: String,
    /// [`Values::hash`] of what the shop was seen to have then; empty for a SKU that was to be created.
    pub seen_hash: String,
}

const TABLE: &str = "listings";

fn sku(row: &Row) -> Result<Sku, StoreError> {
    row.named(TABLE, "sku", |text| text.parse().ok())
}

fn stored(row: &Row) -> Result<StoredListing, StoreError> {
    let own: Option<Own<'_>> = row.opt_json(TABLE, "body")?;
    Ok(StoredListing {
        sku: sku(row)?,
        listing: match own {
            Some(own) => Some(own.with(row.json::<Texts<'_>>("texts", "content")?)),
            None => None,
        },
        wanted: row.opt_json(TABLE, "wanted")?,
        gone: row.opt_int("gone_at")?.is_some(),
        refused: row.flag("refused")?,
    })
}

/// The columns of a [`StoredListing`], with its texts; `$from`: where there is more to say of where from.
macro_rules! select_listings {
    ($rest:literal) => {
        select_listings!("from listings", $rest)
    };
    ($from:literal, $rest:literal) => {
        concat!(
            "select shop, sku, body, content, wanted, gone_at, cast(case
                when refused_hash = wanted_hash || '/' || coalesce(seen_hash, '') then 1 else 0 end as bigint) as refused ",
            $from,
            " left join texts on texts.id = listings.texts_id ",
            $rest
        )
    };
}

/// A page by SKU: of one that comes twice the last one counts, and the order of locking is the same everywhere.
type BySku<'a> = BTreeMap<&'a Sku, &'a SeenListing>;

fn by_sku(page: &[SeenListing]) -> BySku<'_> {
    page.iter().map(|seen| (&seen.listing.sku, seen)).collect()
}

/// The columns of a listing as it is seen.
const SEEN: [&str; 6] = ["sku", "body", "texts_id", "hash", "seen_hash", "currency"];

/// The rows of a page, and its texts.
fn rows_of<'a>(page: &BySku<'a>) -> (Vec<Cells<'a, 6>>, PageTexts<'a>) {
    let mut texts = PageTexts::default();
    let row = |seen: &&'a SeenListing| {
        let listing = &seen.listing;
        let currency = listing.prices.first().map_or("", |price| price.currency.as_str());
        [
            cell(listing.sku.as_str()),
            Some(json_text(&listing.own()).into()),
            Some(texts.id(seen).into()),
            cell(&seen.hash),
            cell(&seen.seen_hash),
            cell(currency),
        ]
    };
    (page.values().map(row).collect(), texts)
}

impl Tx {
    /// Stores a page that was asked for at `asked_at`. Unchanged listings are not written; one for which the shop
    /// accepted a change since then is left alone; one that was gone comes back; what was refused of one that
    /// changed is worth another try. Of a SKU that comes twice the last one counts. Counts `seen`, `changed`, `unchanged`, and tells
    /// which SKUs differ from what was kept.
    pub async fn put_listings(
        &mut self,
        shop: &ShopId,
        page: &[SeenListing],
        asked_at: Timestamp,
    ) -> Result<(Counts, BTreeSet<Sku>), StoreError> {
        // Not by a `where` of the conflict: PostgreSQL locks whatever conflicts, and a lock is written to the row's page.
        const PUT: Rows<6> = Rows {
            columns: SEEN,
            rest: "
                insert into listings (shop, sku, body, texts_id, hash, seen_hash, currency)
                select $1, sku, body, texts_id, hash, seen_hash, currency from page where true
                on conflict (shop, sku) do update
                    set body = excluded.body, texts_id = excluded.texts_id, hash = excluded.hash, seen_hash = excluded.seen_hash,
                        currency = excluded.currency, refused_hash = null, gone_at = null
                where listings.accepted_at is null or listings.accepted_at < $2",
        };
        let mut by_sku = by_sku(page);
        let changed = self.changed_listings(shop, &by_sku).await?;
        by_sku.retain(|sku, _| changed.contains(*sku));
        let (rows, texts) = rows_of(&by_sku);
        self.put_texts(&texts).await?;
        let bound = [Bound::Text(shop.as_str()), Bound::Int(ms(asked_at))];
        let written = self.execute_rows(&PUT, &bound, &rows).await?;
        if written > 0 {
            let products = by_sku.iter().map(|(sku, seen)| (*sku, seen.listing.product_id.as_str())).collect();
            self.listings_changed(shop, &products).await?;
        }
        let seen = page.len() as u64;
        let counts = Counts { seen, changed: written, unchanged: seen.saturating_sub(written), ..Counts::default() };
        Ok((counts, changed))
    }

    /// The SKUs of a page that are not kept just as they are. Told by hashes before anything long is written down, and in as few words
    /// as can be: each row is its two hashes, of 32 digits, and its SKU. Taking an object apart would cost more than the comparison.
    async fn changed_listings(&mut self, shop: &ShopId, page: &BySku<'_>) -> Result<BTreeSet<Sku>, StoreError> {
        let rows = page.iter().map(|(sku, seen)| format!("{}{}{sku}", seen.hash, seen.seen_hash)).collect::<Vec<_>>();
        match on_db!(self.row(CHANGED, json_text(&rows), shop.as_str()))? {
            Some(row) => row.json(TABLE, "skus"),
            None => Ok(BTreeSet::new()),
        }
    }

    /// Stores listings as they stand after accepted changes: they count as seen at `now`.
    pub async fn put_accepted(&mut self, shop: &ShopId, accepted: &[SeenListing]) -> Result<(), StoreError> {
        const PUT: Rows<6> = Rows {
            columns: SEEN,
            rest: "
                insert into listings (shop, sku, body, texts_id, hash, seen_hash, currency, accepted_at)
                select $1, sku, body, texts_id,
                    -- Of a shop that has become the source meanwhile the import has yet to make a variant of it.
                    case when $1 = (select value from facts where name = 'product_source') then null else hash end,
                    seen_hash, currency, cast($2 as bigint) from page where true
                on conflict (shop, sku) do update
                    set body = excluded.body, texts_id = excluded.texts_id, hash = excluded.hash, seen_hash = excluded.seen_hash,
                        currency = excluded.currency, accepted_at = excluded.accepted_at, refused_hash = null, gone_at = null",
        };
        let (rows, texts) = rows_of(&by_sku(accepted));
        self.put_texts(&texts).await?;
        let bound = [Bound::Text(shop.as_str()), Bound::Int(ms(self.now))];
        self.execute_rows(&PUT, &bound, &rows).await?;
        Ok(())
    }

    /// Stores listings as they stand after changes of remembered fields, as far as they still stand as they did before: each with the
    /// [`Listing::content_hash`] of then. Such changes take their time, and what an import saw meanwhile is newer.
    pub async fn put_accepted_of(
        &mut self,
        shop: &ShopId,
        accepted: &[(SeenListing, String)],
    ) -> Result<(), StoreError> {
        const STILL: Both = bulk!([sku, hash]
            sqlite: "
                select json_group_array(sku) as skus from page where exists (
                    select 1 from listings known
                    where known.shop = $2 and known.sku = page.sku and known.hash = page.hash and known.gone_at is null)",
            postgres: "
                select coalesce(json_agg(sku), '[]')::text as skus from page where exists (
                    select 1 from listings known
                    where known.shop = $2 and known.sku = page.sku and known.hash = page.hash and known.gone_at is null
                    for update)");
        // In order, so that whoever locks the same does so in the same order.
        let by_sku: BTreeMap<_, _> = accepted.iter().map(|(seen, before)| (&seen.listing.sku, before)).collect();
        let rows: Vec<_> = by_sku.into_iter().map(|(sku, before)| json!({ "sku": sku, "hash": before })).collect();
        let still: BTreeSet<Sku> = match on_db!(self.row(STILL, json_text(&rows), shop.as_str()))? {
            Some(row) => row.json(TABLE, "skus")?,
            None => BTreeSet::new(),
        };
        let still = accepted.iter().filter(|(seen, _)| still.contains(&seen.listing.sku));
        self.put_accepted(shop, &still.map(|(seen, _)| seen.clone()).collect::<Vec<_>>()).await
    }

    /// Marks differences that the shop refused: not listed again by `differences` until what is wanted or seen changes. What was refused
    /// is what was sent; if something else is wanted by now, that is sent.
    pub async fn put_refused(&mut self, shop: &ShopId, refused: &[Refused]) -> Result<(), StoreError> {
        const SQL: Both = bulk!([sku, refused_hash] "
            update listings set refused_hash = (select page.refused_hash from page where page.sku = listings.sku)
            where shop = $2 and sku in (select sku from page) and wanted_hash is not null
                and refused_hash is distinct from (select page.refused_hash from page where page.sku = listings.sku)");
        let by_sku: BTreeMap<_, _> = refused.iter().map(|one| (&one.sku, one)).collect();
        let row =
            |one: &Refused| json!({ "sku": one.sku, "refused_hash": format!("{}/{}", one.wanted_hash, one.seen_hash) });
        let rows: Vec<_> = by_sku.into_values().map(row).collect();
        on_db!(self.execute(SQL, json_text(&rows), shop.as_str()))?;
        Ok(())
    }

    /// Forgets which differences were refused: at the end of a complete pass, or when a person asks for a run.
    pub async fn retry_refused(&mut self, shop: &ShopId) -> Result<(), StoreError> {
        const SQL: &str = "update listings set refused_hash = null where shop = $1 and refused_hash is not null";
        const REMEMBERED: &str = "update remembered set refused = null where shop = $1 and refused is not null";
        on_db!(self.execute(SQL, shop.as_str()))?;
        on_db!(self.execute(REMEMBERED, shop.as_str()))?;
        Ok(())
    }

    /// Notes the SKUs that a page of pass `number` had, as one chunk.
    pub async fn note_seen(&mut self, shop: &ShopId, number: i64, skus: &[Sku]) -> Result<(), StoreError> {
        const SQL: &str = "
            insert into passes_seen (shop, number, chunk, skus)
            select $1, $2, coalesce(max(chunk), 0) + 1, $3 from passes_seen where shop = $1 and number = $2";
        on_db!(self.execute(SQL, shop.as_str(), number, json_text(skus)))?;
        Ok(())
    }

    /// The SKUs that a pass under way has seen.
    pub async fn seen_in_pass(&mut self, shop: &ShopId, number: i64) -> Result<Vec<Sku>, StoreError> {
        const SQL: &str = "select skus from passes_seen where shop = $1 and number = $2";
        let chunks = on_db!(self.rows(SQL, shop.as_str(), number))?;
        let chunks: Result<Vec<Vec<Sku>>, _> = chunks.iter().map(|row| row.json("passes_seen", "skus")).collect();
        Ok(chunks?.concat())
    }

    /// Marks the listings that the complete pass `number` did not see as gone (but for those accepted since it started).
    /// Returns how many.
    pub async fn drop_unseen_listings(
        &mut self,
        shop: &ShopId,
        number: i64,
        pass_started_at: Timestamp,
    ) -> Result<u64, StoreError> {
        const DROP: Both = Both {
            sqlite: "
                update listings set gone_at = $4
                where shop = $1 and gone_at is null and body is not null and (accepted_at is null or accepted_at < $3)
                    and sku not in (
                        select value from passes_seen, json_each(passes_seen.skus) where shop = $1 and number = $2)",
            // `not in` has no hash join here, and would compare each with each.
            postgres: "
                with seen as materialized (
                    select value as sku from passes_seen, json_array_elements_text(skus::json)
                    where shop = $1 and number = $2)
                update listings set gone_at = $4
                where shop = $1 and gone_at is null and body is not null and (accepted_at is null or accepted_at < $3)
                    and not exists (select 1 from seen where seen.sku = listings.sku)",
        };
        let now = ms(self.now);
        self.allow_nested_loops(false).await?;
        let dropped = on_db!(self.execute(DROP, shop.as_str(), number, ms(pass_started_at), now))?;
        if dropped > 0 {
            self.forget_gone(shop).await?;
        }
        self.allow_nested_loops(true).await?;
        Ok(dropped)
    }

    /// Whether PostgreSQL may join by comparing each with each, as it does where it expects few rows. It expects few of a table that an
    /// import has just filled, whatever there are: hours for a large catalogue, a second by hash.
    pub(super) async fn allow_nested_loops(&mut self, may: bool) -> Result<(), StoreError> {
        const NO: Both = Both { sqlite: "select 1", postgres: "set local enable_nestloop = off" };
        const YES: Both = Both { sqlite: "select 1", postgres: "set local enable_nestloop = on" };
        on_db!(self.execute(if may { YES } else { NO }))?;
        Ok(())
    }

    /// Forgets how a shop had a SKU, which is the other name of a listing that stands under the source's.
    pub async fn forget_listing(&mut self, shop: &ShopId, sku: &Sku) -> Result<(), StoreError> {
        on_db!(self.execute("delete from listings where shop = $1 and sku = $2", shop.as_str(), sku.as_str()))?;
        on_db!(self.execute("delete from remembered where shop = $1 and sku = $2", shop.as_str(), sku.as_str()))?;
        Ok(())
    }

    /// Writes what is wanted of SKUs. Rows that are neither seen nor wanted go.
    pub async fn put_wanted(&mut self, shop: &ShopId, rows: &[WantedRow]) -> Result<(), StoreError> {
        const PUT: Both = bulk!([sku, wanted, wanted_hash] "
            insert into listings (shop, sku, wanted, wanted_hash)
            select $2, sku, wanted, wanted_hash from page where wanted_hash <> coalesce((
                select known.wanted_hash from listings known where known.shop = $2 and known.sku = page.sku), '')
            on conflict (shop, sku) do update set wanted = excluded.wanted, wanted_hash = excluded.wanted_hash");
        const CLEAR: Both = bulk!([sku] "
            update listings set wanted = null, wanted_hash = null, refused_hash = null
            where shop = $2 and sku in (select sku from page) and wanted_hash is not null and body is not null");
        const DELETE: Both = bulk!([sku] "
            delete from listings where shop = $2 and sku in (select sku from page) and body is null");
        let by_sku: BTreeMap<_, _> = rows.iter().map(|row| (&row.sku, row.wanted.as_ref())).collect();
        let mut wanted = Vec::new();
        let mut unwanted = Vec::new();
        for (sku, values) in by_sku {
            match values {
                Some(values) => {
                    wanted.push(json!({ "sku": sku, "wanted": json_text(values), "wanted_hash": values.hash() }));
                }
                None => unwanted.push(sku.as_str()),
            }
        }
        if !wanted.is_empty() {
            on_db!(self.execute(PUT, json_text(&wanted), shop.as_str()))?;
        }
        if !unwanted.is_empty() {
            let unwanted = sku_rows(unwanted);
            on_db!(self.execute(CLEAR, unwanted.as_str(), shop.as_str()))?;
            on_db!(self.execute(DELETE, unwanted.as_str(), shop.as_str()))?;
        }
        Ok(())
    }

    /// Listings of a shop by SKU after `after`, at most `limit`, gone and only wanted ones too: for recomputing every `seen_hash` after the
    /// chosen fields changed (see `put_seen_hashes`), and everything wanted after the rules did.
    pub async fn listings(
        &mut self,
        shop: &ShopId,
        after: Option<&Sku>,
        limit: u32,
    ) -> Result<Vec<StoredListing>, StoreError> {
        const SQL: &str = select_listings!("where shop = $1 and sku > $2 order by sku limit $3");
        let after = after.map_or("", Sku::as_str);
        on_db!(self.rows(SQL, shop.as_str(), after, i64::from(limit)))?.iter().map(stored).collect()
    }

    /// Writes `seen_hash` of listings.
    pub async fn put_seen_hashes(&mut self, shop: &ShopId, hashes: &[(Sku, String)]) -> Result<(), StoreError> {
        let rows: Vec<_> = hashes.iter().map(|(sku, hash)| json!({ "sku": sku, "seen_hash": hash })).collect();
        on_db!(self.execute(SEEN_HASHES, json_text(&rows), shop.as_str()))?;
        Ok(())
    }

    /// Listings of a shop for these SKUs, with their currency known: for computing what is wanted.
    pub async fn listings_of(&mut self, shop: &ShopId, skus: &[Sku]) -> Result<Vec<StoredListing>, StoreError> {
        let rows = sku_rows(skus.iter().map(Sku::as_str));
        on_db!(self.rows(LISTINGS_OF, rows, shop.as_str()))?.iter().map(stored).collect()
    }

    /// The SKUs of the listings, not gone, that belong to these products of the shop. Reads all of the shop's listings where any is asked.
    pub async fn skus_of_listed(&mut self, shop: &ShopId, products: &[String]) -> Result<Vec<Sku>, StoreError> {
        const SQL: Both = bulk!([product]
            sqlite: "
                select sku from listings
                where shop = $2 and gone_at is null and body is not null
                    and json_extract(body, '$.product_id') in (select product from page)",
            postgres: "
                select sku from listings
                where shop = $2 and gone_at is null and body is not null
                    and body::json ->> 'product_id' in (select product from page)");
        if products.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<_> = products.iter().map(|product| json!({ "product": product })).collect();
        on_db!(self.rows(SQL, json_text(&rows), shop.as_str()))?.iter().map(sku).collect()
    }

    /// The currency most listings of a shop are priced in.
    pub async fn usual_currency(&mut self, shop: &ShopId) -> Result<Option<Currency>, StoreError> {
        let row = on_db!(self.row(USUAL_CURRENCY, shop.as_str()))?;
        row.map(|row| row.named(TABLE, "currency", |text| text.parse().ok())).transpose()
    }

    /// Listings whose wanted values differ from the seen ones and that were not refused as they stand, by SKU after
    /// `after`, at most `limit`. Gone ones are not among them; those to be created are.
    pub async fn differences(
        &mut self,
        shop: &ShopId,
        after: Option<&Sku>,
        limit: u32,
    ) -> Result<Vec<StoredListing>, StoreError> {
        let after = after.map_or("", Sku::as_str);
        on_db!(self.rows(DIFFERENCES, shop.as_str(), after, i64::from(limit)))?.iter().map(stored).collect()
    }

    /// How many listings of a shop are on sale that the source wants something of. Reads them all.
    pub async fn live_listings(&mut self, shop: &ShopId) -> Result<u64, StoreError> {
        Ok(on_db!(self.row(LIVE_LISTINGS, shop.as_str()))?.map_or(Ok(0), |row| row.int("live"))? as u64)
    }

    /// How a SKU stands in every shop, in order of shop.
    pub async fn listings_by_sku(&mut self, sku: &Sku) -> Result<Vec<(ShopId, StoredListing)>, StoreError> {
        // Through the shops, which are few: the key of listings begins with the shop.
        const SQL: &str = select_listings!(
            "from (select id from shops) as every_shop join listings on shop = every_shop.id and sku = $1",
            "order by shop"
        );
        let rows = on_db!(self.rows(SQL, sku.as_str()))?;
        rows.iter().map(|row| Ok((row.named(TABLE, "shop", |text| text.parse().ok())?, stored(row)?))).collect()
    }
}

/// Each SKU is looked up for itself: joined, PostgreSQL compares each with each while it does not know how many there are.
macro_rules! changed {
    ($page:literal, $skus:literal) => {
        concat!(
            "with page as (select substr(value, 1, 64) as hashes, substr(value, 65) as sku from ",
            $page,
            ") select ",
            $skus,
            " as skus from page where hashes <> coalesce((
                select known.hash || known.seen_hash from listings known
                where known.shop = $2 and known.sku = page.sku and known.gone_at is null), '')"
        )
    };
}

const CHANGED: Both = Both {
    sqlite: changed!("json_each($1)", "json_group_array(sku)"),
    postgres: changed!("json_array_elements_text($1::json)", "coalesce(json_agg(sku), '[]')::text"),
};

const LISTINGS_OF: Both = bulk!([sku] "
    select sku, body, content, wanted, gone_at, cast(case
        when refused_hash = wanted_hash || '/' || coalesce(seen_hash, '') then 1 else 0 end as bigint) as refused
    from listings left join texts on texts.id = listings.texts_id
    where shop = $2 and sku in (select sku from page) order by sku");

/// Writes `seen_hash` of known listings where it differs. Not an update joined with the page: SQLite would read the page once for
/// each listing of the shop.
const SEEN_HASHES: Both = bulk!([sku, seen_hash] "
    insert into listings (shop, sku, seen_hash)
    select $2, sku, seen_hash from page where seen_hash <> (
        select coalesce(known.seen_hash, '') from listings known where known.shop = $2 and known.sku = page.sku)
    on conflict (shop, sku) do update set seen_hash = excluded.seen_hash");

const USUAL_CURRENCY: &str = "
    select currency from listings
    where shop = $1 and currency is not null and gone_at is null and currency <> ''
    group by currency order by count(*) desc, currency limit 1";

const LIVE_LISTINGS: Both = Both {
    sqlite: "
        select count(*) as live from listings indexed by listings_live
        where shop = $1 and currency is not null and gone_at is null and wanted_hash is not null
            and json_extract(body, '$.status') = 'active'",
    postgres: "
        select count(*) as live from listings
        where shop = $1 and currency is not null and gone_at is null and wanted_hash is not null
            and body::json ->> 'status' = 'active'",
};

/// Repeats the condition of the index `listings_differ` to the letter, or SQLite could not use it; left to itself it would walk the
/// whole shop by its key.
macro_rules! differences {
    ($from:literal) => {
        select_listings!(
            $from,
            "where shop = $1 and wanted_hash is not null and wanted_hash <> coalesce(seen_hash, '') and gone_at is null
                and sku > $2 and (refused_hash is null or refused_hash <> wanted_hash || '/' || coalesce(seen_hash, ''))
             order by sku limit $3"
        )
    };
}

const DIFFERENCES: Both =
    Both { sqlite: differences!("from listings indexed by listings_differ"), postgres: differences!("from listings") };

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(super) mod tests {
    use sqlx::{AssertSqlSafe, Row as _};

    use super::*;
    use crate::store::Store;

    /// How SQLite means to carry a statement out.
    pub(in crate::store) async fn plan(store: &Store, sql: &str) -> String {
        let Store::Sqlite { readers, .. } = store else { unreachable!("a file was opened") };
        let rows = sqlx::query(AssertSqlSafe(format!("explain query plan {sql}"))).fetch_all(readers).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("\n")
    }

    #[tokio::test]
    async fn large_shops_are_read_through_their_indexes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:plans.db", folder.path()).await.unwrap();
        insta::assert_snapshot!(plan(&store, DIFFERENCES.sqlite).await, @r"
        SEARCH listings USING INDEX listings_differ (shop=? AND sku>?)
        SEARCH texts USING INDEX sqlite_autoindex_texts_1 (id=?) LEFT-JOIN
        ");
        insta::assert_snapshot!(plan(&store, LIVE_LISTINGS.sqlite).await, @"SEARCH listings USING INDEX listings_live (shop=? AND currency>?)");
        insta::assert_snapshot!(plan(&store, USUAL_CURRENCY).await, @r"
        SEARCH listings USING COVERING INDEX listings_live (shop=? AND currency>?)
        USE TEMP B-TREE FOR ORDER BY
        ");
        insta::assert_snapshot!(plan(&store, LISTINGS_OF.sqlite).await, @r"
        SEARCH listings USING PRIMARY KEY (shop=? AND sku=?)
        LIST SUBQUERY 2
        SCAN json_each VIRTUAL TABLE INDEX 1:
        CREATE BLOOM FILTER
        SEARCH texts USING INDEX sqlite_autoindex_texts_1 (id=?) LEFT-JOIN
        ");
        insta::assert_snapshot!(plan(&store, SEEN_HASHES.sqlite).await, @r"
        SCAN json_each VIRTUAL TABLE INDEX 1:
        CORRELATED SCALAR SUBQUERY 2
        SEARCH known USING PRIMARY KEY (shop=? AND sku=?)
        ");
        insta::assert_snapshot!(plan(&store, CHANGED.sqlite).await, @r"
        SCAN json_each VIRTUAL TABLE INDEX 1:
        CORRELATED SCALAR SUBQUERY 2
        SEARCH known USING PRIMARY KEY (shop=? AND sku=?)
        ");
    }
}
