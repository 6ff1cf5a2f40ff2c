//! Texts: what the SKUs of a product have in common, kept once. A row never changes: other content is another row, and those that
//! nothing refers to any more go with the housekeeping.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    SeenListing, StoreError, Tx,
    row::{Both, json},
    rows::{Rows, cell},
};
use crate::domain::Texts;

/// The texts of a page, by the ids under which they are kept.
#[derive(Default)]
pub(super) struct PageTexts<'a> {
    by_id: BTreeMap<String, Texts<'a>>,
}

impl<'a> PageTexts<'a> {
    /// The id of a listing's texts, which are among those of the page from now on.
    pub(super) fn id(&mut self, seen: &'a SeenListing) -> String {
        let id = seen.texts_id();
        self.by_id.entry(id.clone()).or_insert_with(|| seen.listing.texts());
        id
    }
}

impl Tx {
    /// Keeps these texts as far as they are not there yet.
    pub(super) async fn put_texts(&mut self, texts: &PageTexts<'_>) -> Result<(), StoreError> {
        // Asked first, by their ids, one by one (see `changed!`): they are long, and mostly there. In order, so that two that keep the same do not lock each other out.
        const MISSING: Both = bulk!([id]
            sqlite: "
                select json_group_array(id) as ids from page
                where (select 1 from texts where texts.id = page.id) is null",
            postgres: "
                select coalesce(json_agg(id order by id), '[]')::text as ids from page
                where (select 1 from texts where texts.id = page.id) is null");
        const PUT: Rows<2> = Rows {
            columns: ["id", "content"],
            rest: "insert into texts (id, content) select id, content from page where true on conflict (id) do nothing",
        };
        #[derive(Serialize)]
        struct Id<'a> {
            id: &'a str,
        }
        if texts.by_id.is_empty() {
            return Ok(());
        }
        let ids = texts.by_id.keys().map(|id| Id { id }).collect::<Vec<_>>();
        let missing: Vec<String> = match on_db!(self.row(MISSING, json(&ids)))? {
            Some(row) => row.json("texts", "ids")?,
            None => Vec::new(),
        };
        let rows = missing.iter().filter_map(|id| Some([cell(id), Some(json(texts.by_id.get(id)?).into())]));
        self.execute_rows(&PUT, &[], &rows.collect::<Vec<_>>()).await?;
        Ok(())
    }

    /// Deletes the texts that nothing refers to any more.
    pub async fn prune_texts(&mut self) -> Result<u64, StoreError> {
        // On PostgreSQL it waits for whoever is about to refer to texts that it found, and keeps others from it meanwhile.
        const LOCK: Both = Both { sqlite: "select 1", postgres: "lock table texts in share row exclusive mode" };
        const DELETE: Both = Both {
            sqlite: "
                delete from texts
                where id not in (select texts_id from listings where texts_id is not null)
                    and id not in (select texts_id from products)",
            // `not in` has no hash join here.
            postgres: "
                delete from texts
                where not exists (select 1 from listings where listings.texts_id = texts.id)
                    and not exists (select 1 from products where products.texts_id = texts.id)",
        };
        on_db!(self.execute(LOCK))?;
        on_db!(self.execute(DELETE))
    }
}
