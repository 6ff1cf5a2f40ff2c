//! Many rows in one statement, each value bound by itself. `bulk` is shorter to write and does for texts that are few and short; where
//! they are long or many, quoting them as JSON and taking them apart again costs more than writing them.

use std::borrow::Cow;

use sqlx::{AssertSqlSafe, PgConnection, SqliteConnection};

use super::{Conn, StoreError, Tx, row::without_nul};

/// How many rows one statement of SQLite takes: a statement for every number of rows would have to be prepared anew for every page.
const PIECES: [usize; 5] = [256, 64, 16, 4, 1];

/// A statement about the table `page`, which has these text columns; in the rest, `$1` and so on are what else is bound.
pub(super) struct Rows<const N: usize> {
    pub(super) columns: [&'static str; N],
    pub(super) rest: &'static str,
}

/// A row of `page`.
pub(super) type Cells<'a, const N: usize> = [Option<Cow<'a, str>>; N];

/// A value of a row, as it is kept.
#[expect(clippy::unnecessary_wraps, reason = "others of the row may be null")]
pub(super) fn cell(text: &str) -> Option<Cow<'_, str>> {
    Some(without_nul(text))
}

/// What a statement is told beside its rows.
#[derive(Clone, Copy)]
pub(super) enum Bound<'a> {
    Text(&'a str),
    Int(i64),
}

impl<const N: usize> Rows<N> {
    /// The text for SQLite, with as many rows as that. Their values come first and have no names, which SQLite would look for one by one;
    /// what else is bound comes after them.
    fn sqlite(&self, rows: usize) -> String {
        let row = format!("({})", ["?"; N].join(","));
        let mut text = format!("with page ({}) as (values {}) ", self.columns.join(","), vec![row; rows].join(","));
        let mut parts = self.rest.split('$');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (number, rest) = part.split_at(part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len()));
            let number = number.parse().unwrap_or(0) + rows * N;
            text.extend(["$", &number.to_string(), rest]);
        }
        text
    }

    /// The text for PostgreSQL, which takes a column as one value.
    fn postgres(&self, bound: usize) -> String {
        let columns: Vec<String> = (1..=N).map(|number| format!("${}::text[]", bound + number)).collect();
        let (columns, names) = (columns.join(","), self.columns.join(","));
        format!("with page as (select * from unnest({columns}) as handed ({names})) {}", self.rest)
    }
}

impl Tx {
    /// Carries out a statement about rows; returns how many rows changed.
    pub(super) async fn execute_rows<const N: usize>(
        &mut self,
        sql: &Rows<N>,
        bound: &[Bound<'_>],
        rows: &[Cells<'_, N>],
    ) -> Result<u64, StoreError> {
        if rows.is_empty() {
            return Ok(0);
        }
        Ok(match &mut self.conn {
            Conn::Sqlite(conn) => by_piece(conn, sql, bound, rows).await?,
            Conn::Postgres(conn) => by_column(conn, sql, bound, rows).await?,
        })
    }
}

macro_rules! bind_all {
    ($query:ident, $bound:ident) => {
        for value in $bound {
            $query = match *value {
                Bound::Text(text) => $query.bind(text),
                Bound::Int(number) => $query.bind(number),
            };
        }
    };
}

async fn by_piece<const N: usize>(
    conn: &mut SqliteConnection,
    sql: &Rows<N>,
    bound: &[Bound<'_>],
    mut rows: &[Cells<'_, N>],
) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    for piece in PIECES {
        while let Some((page, rest)) = rows.split_at_checked(piece) {
            let mut query = sqlx::query(AssertSqlSafe(sql.sqlite(piece)));
            for value in page.iter().flatten() {
                query = query.bind(value.as_deref());
            }
            bind_all!(query, bound);
            changed += query.execute(&mut *conn).await?.rows_affected();
            rows = rest;
        }
    }
    Ok(changed)
}

async fn by_column<const N: usize>(
    conn: &mut PgConnection,
    sql: &Rows<N>,
    bound: &[Bound<'_>],
    rows: &[Cells<'_, N>],
) -> Result<u64, sqlx::Error> {
    let mut query = sqlx::query(AssertSqlSafe(sql.postgres(bound.len())));
    bind_all!(query, bound);
    for column in 0..N {
        query = query.bind(rows.iter().map(|row| row[column].as_deref()).collect::<Vec<_>>());
    }
    Ok(query.execute(conn).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: Rows<2> = Rows { columns: ["sku", "body"], rest: "select sku, $1, body from page where $2 = $1" };

    #[test]
    fn what_else_is_bound_comes_after_the_rows_on_sqlite_and_before_them_on_postgres() {
        insta::assert_snapshot!(SQL.sqlite(1), @"with page (sku,body) as (values (?,?)) select sku, $3, body from page where $4 = $3");
        assert!(SQL.sqlite(16).ends_with("select sku, $33, body from page where $34 = $33"));
        insta::assert_snapshot!(SQL.postgres(2), @"with page as (select * from unnest($3::text[],$4::text[]) as handed (sku,body)) select sku, $1, body from page where $2 = $1");
    }
}
