//! Reading rows of either database, and the texts and numbers that both understand.

use std::{borrow::Cow, io};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::ser::{CharEscape, Formatter};
use sqlx::{Row as _, SqlSafeStr, SqlStr, postgres::PgRow, sqlite::SqliteRow};

use super::StoreError;
use crate::{domain::ShopId, secrets::Sealed};

/// A statement's text: one for both databases, or one for each.
pub(super) trait Text {
    /// What SQLite is asked.
    fn sqlite(self) -> SqlStr;
    /// What PostgreSQL is asked.
    fn postgres(self) -> SqlStr;
}

impl Text for &'static str {
    fn sqlite(self) -> SqlStr {
        self.into_sql_str()
    }

    fn postgres(self) -> SqlStr {
        self.into_sql_str()
    }
}

/// Two texts side by side, for bulk work, where the databases differ.
#[derive(Clone, Copy)]
pub(super) struct Both {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

impl Text for Both {
    fn sqlite(self) -> SqlStr {
        self.sqlite.into_sql_str()
    }

    fn postgres(self) -> SqlStr {
        self.postgres.into_sql_str()
    }
}

/// A row of either database. Columns are asked for by name.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self::Sqlite(row)
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self::Postgres(row)
    }
}

macro_rules! get {
    ($row:expr, $column:expr) => {
        match $row {
            Row::Sqlite(row) => row.try_get($column),
            Row::Postgres(row) => row.try_get($column),
        }
        .map_err(StoreError::from)
    };
}

impl Row {
    pub(super) fn int(&self, column: &str) -> Result<i64, StoreError> {
        get!(self, column)
    }

    pub(super) fn opt_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        get!(self, column)
    }

    pub(super) fn flag(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    pub(super) fn text(&self, column: &str) -> Result<String, StoreError> {
        get!(self, column)
    }

    pub(super) fn opt_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        get!(self, column)
    }

    pub(super) fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        get!(self, column)
    }

    pub(super) fn sealed(&self, column: &str) -> Result<Sealed, StoreError> {
        self.bytes(column).map(Sealed)
    }

    pub(super) fn opt_sealed(&self, column: &str) -> Result<Option<Sealed>, StoreError> {
        let bytes: Option<Vec<u8>> = get!(self, column)?;
        Ok(bytes.map(Sealed))
    }

    pub(super) fn instant(&self, column: &str) -> Result<Timestamp, StoreError> {
        instant(self.int(column)?)
    }

    pub(super) fn opt_instant(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        self.opt_int(column)?.map(instant).transpose()
    }

    /// A JSON text.
    pub(super) fn json<T: DeserializeOwned>(&self, table: &'static str, column: &str) -> Result<T, StoreError> {
        parse_json(table, &self.text(column)?)
    }

    /// A JSON text, or null.
    pub(super) fn opt_json<T: DeserializeOwned>(
        &self,
        table: &'static str,
        column: &str,
    ) -> Result<Option<T>, StoreError> {
        self.opt_text(column)?.map(|text| parse_json(table, &text)).transpose()
    }

    /// A text that `read` understands: a name, an id.
    pub(super) fn named<T>(
        &self,
        table: &'static str,
        column: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let text = self.text(column)?;
        read(&text).ok_or_else(|| unknown(table, column, &text))
    }

    /// A text that `read` understands, or null.
    pub(super) fn opt_named<T>(
        &self,
        table: &'static str,
        column: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some(text) = self.opt_text(column)? else { return Ok(None) };
        read(&text).map(Some).ok_or_else(|| unknown(table, column, &text))
    }

    /// A shop's id; `None` where it is empty, as in rows of the daemon's own jobs.
    pub(super) fn shop(&self, table: &'static str, column: &str) -> Result<Option<ShopId>, StoreError> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| unknown(table, column, &text))
    }
}

fn unknown(table: &'static str, column: &str, text: &str) -> StoreError {
    StoreError::Corrupt { table, cause: format!("`{text}` in column `{column}` means nothing") }
}

fn parse_json<T: DeserializeOwned>(table: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt { table, cause: error.to_string() })
}

fn instant(ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms)
        .map_err(|_| StoreError::Corrupt { table: "an instant", cause: format!("{ms} lies outside the calendar") })
}

/// An instant as both databases keep it.
pub(super) fn ms(instant: Timestamp) -> i64 {
    instant.as_millisecond()
}

/// An instant or null.
pub(super) fn opt_ms(instant: Option<Timestamp>) -> Option<i64> {
    instant.map(ms)
}

/// A shop's id as kept: empty for the daemon's own.
pub(super) fn shop_text(shop: Option<&ShopId>) -> &str {
    shop.map_or("", ShopId::as_str)
}

/// A value as JSON text: a column, or the rows of a bulk statement. Its texts are kept without NUL characters.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    let mut text = Vec::with_capacity(512);
    value
        .serialize(&mut serde_json::Serializer::with_formatter(&mut text, WithoutNul))
        .expect("values of this program have text keys and finite numbers");
    String::from_utf8(text).expect("JSON is text")
}

struct WithoutNul;

impl Formatter for WithoutNul {
    fn write_char_escape<W: io::Write + ?Sized>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::AsciiControl(0) => Ok(()),
            other => serde_json::ser::CompactFormatter.write_char_escape(writer, other),
        }
    }
}

/// A text without NUL characters.
pub(super) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) }
}

/// A value on its way into a statement.
pub(super) trait Bind {
    /// As it is kept.
    type Kept;
    /// Texts without NUL characters, everything else as it is.
    fn kept(self) -> Self::Kept;
}

macro_rules! as_they_are {
    ($($type:ty),+) => {
        $(impl Bind for $type {
            type Kept = Self;
            fn kept(self) -> Self {
                self
            }
        })+
    };
}

as_they_are!(i64, &[u8], Vec<u8>);

impl<'a> Bind for &'a str {
    type Kept = Cow<'a, str>;
    fn kept(self) -> Cow<'a, str> {
        without_nul(self)
    }
}

impl<'a> Bind for &'a String {
    type Kept = Cow<'a, str>;
    fn kept(self) -> Cow<'a, str> {
        without_nul(self)
    }
}

impl Bind for String {
    type Kept = Self;
    fn kept(self) -> Self {
        if self.contains('\0') { self.replace('\0', "") } else { self }
    }
}

impl<T: Bind> Bind for Option<T> {
    type Kept = Option<T::Kept>;
    fn kept(self) -> Self::Kept {
        self.map(T::kept)
    }
}
