//! Many rows in one statement: handed over as one JSON text, taken apart by the database.

use crate::domain::ShopId;

/// A statement that begins with the table `page`, made from `$1`: a JSON array of objects with these text columns. The rest
/// follows in one text, or in one for each database.
macro_rules! bulk {
    ([$($column:ident),+] $rest:literal) => {
        bulk!([$($column),+] sqlite: $rest, postgres: $rest)
    };
    ([$first:ident $(, $column:ident)*] sqlite: $sqlite:literal, postgres: $postgres:literal) => {
        $crate::store::row::Both {
            sqlite: concat!(
                "with page as (select value ->> '", stringify!($first), "' as ", stringify!($first),
                $(", value ->> '", stringify!($column), "' as ", stringify!($column),)*
                " from json_each($1)) ", $sqlite
            ),
            postgres: concat!(
                "with page as (select * from json_to_recordset($1::json) as handed (", stringify!($first), " text",
                $(", ", stringify!($column), " text",)*
                ")) ", $postgres
            ),
        }
    };
}

/// The rows of a statement about shops alone.
pub(super) fn shop_rows<'a>(shops: impl IntoIterator<Item = &'a ShopId>) -> String {
    #[derive(serde::Serialize)]
    struct Row<'a> {
        shop: &'a ShopId,
    }
    super::row::json(&shops.into_iter().map(|shop| Row { shop }).collect::<Vec<_>>())
}

/// The rows of a statement about SKUs alone.
pub(super) fn sku_rows<'a>(skus: impl IntoIterator<Item = &'a str>) -> String {
    #[derive(serde::Serialize)]
    struct Row<'a> {
        sku: &'a str,
    }
    super::row::json(&skus.into_iter().map(|sku| Row { sku }).collect::<Vec<_>>())
}
