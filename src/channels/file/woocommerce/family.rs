//! Which product a variation belongs to: the rows of products by what `Parent` calls them.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    path::Path,
    sync::Arc,
};

use super::{Columns, Kind};
use crate::channels::file::{
    items::next_row,
    records::{Place, ReadError, Record, Records},
    settings::Settings,
    text::Text,
};

/// Where the rows of products stand in a file. Their texts are not kept, which could be long.
#[derive(Debug, Default)]
pub(in crate::channels::file) struct Family {
    /// By SKU and as `id:NN`.
    products: HashMap<String, Place>,
    /// What variations name as their product.
    named: HashSet<String>,
    /// The SKUs of rows that are not for sale themselves.
    taken: HashSet<String>,
}

impl Family {
    /// Looks through the rows of a file to its end.
    pub(in crate::channels::file) fn of(records: &mut Records, columns: &Columns) -> Result<Self, ReadError> {
        let mut family = Self::default();
        let mut record = Record::default();
        loop {
            let header = &columns.header;
            let Some(place) = next_row(records, &mut record, header.delimiter, header.width)? else {
                return Ok(family);
            };
            let kind = columns.kind(&record);
            let (sku, id) = (columns.sku(&record), columns.text(&record, "ID"));
            if matches!(kind, Kind::Parent | Kind::NotSold) && !sku.is_empty() {
                family.taken.insert(sku.clone());
            }
            if kind == Kind::Variation {
                family.named.insert(columns.text(&record, "Parent"));
            } else if kind == Kind::Parent {
                let keys = [sku, if id.is_empty() { id } else { format!("id:{id}") }];
                for key in keys.into_iter().filter(|key| !key.is_empty()) {
                    family.products.entry(key).or_insert(place);
                }
            }
        }
    }

    /// Where the row of a product stands.
    pub(super) fn place(&self, key: &str) -> Option<Place> {
        self.products.get(key).copied()
    }

    /// Whether a row that is not for sale has this SKU.
    pub(super) fn is_taken(&self, sku: &str) -> bool {
        self.taken.contains(sku)
    }

    /// Whether there are variations of the product in this row.
    pub(in crate::channels::file) fn has_variations(&self, columns: &Columns, record: &Record) -> bool {
        let (sku, id) = (columns.sku(record), columns.text(record, "ID"));
        self.named.contains(&sku) || self.named.contains(&format!("id:{id}"))
    }
}

/// Finds the product of a variation while a file is read.
pub(in crate::channels::file) struct Kin {
    pub(in crate::channels::file) family: Arc<Family>,
    records: Records,
    /// The last one found: variations of a product mostly stand together.
    last: Option<(Place, Record)>,
}

impl Kin {
    /// For the file at a path.
    pub(in crate::channels::file) fn open(
        path: &Path,
        settings: &Settings,
        family: Arc<Family>,
    ) -> Result<Self, ReadError> {
        let records = Records::new(Text::of(File::open(path)?, settings.encoding)?);
        Ok(Self { family, records, last: None })
    }

    /// The row of the product that a variation belongs to.
    pub(in crate::channels::file) fn parent(
        &mut self,
        columns: &Columns,
        record: &Record,
    ) -> Result<Option<&Record>, ReadError> {
        let key = if columns.kind(record) == Kind::Variation { columns.text(record, "Parent") } else { String::new() };
        self.product(columns, &key)
    }

    /// The row of a product.
    pub(super) fn product(&mut self, columns: &Columns, key: &str) -> Result<Option<&Record>, ReadError> {
        let Some(place) = self.family.place(key) else { return Ok(None) };
        if self.last.as_ref().is_none_or(|(last, _)| *last != place) {
            let mut record = Record::default();
            self.records.seek(place)?;
            self.records.next_record(columns.header.delimiter, &mut record)?;
            self.last = Some((place, record));
        }
        Ok(self.last.as_ref().map(|(_, record)| record))
    }
}
