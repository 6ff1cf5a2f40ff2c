//! Putting settings in force: the shops that jobs work with, and the tables brought in line.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{StartError, own_schedules};
use crate::{
    channels::{Tools, find},
    config::{Config, diff::Diff},
    domain::{Demand, JobKind, Shop, ShopId, Trigger},
    keeper::{Page, ShopBook, ShopEntry, look_at_alarmed, settle_all_holds, settle_holds},
    notices, settings,
    store::{Named, NewRun, ShopRow, StoreError, Tx, WantedSchedule, WantedShop},
};

/// Jobs that something holds.
type Held = BTreeSet<(ShopId, JobKind)>;

/// Where people reach the page.
pub(super) fn page(config: &Config) -> Page {
    let loopback = config.web.listen.is_some_and(|address| address.ip().is_loopback()) && !config.web.public_url_set;
    Page { public_url: config.web.public_url.clone(), loopback }
}

/// The shops with their channels built.
pub(super) fn entries(config: &Config, tools: &Tools) -> Result<Vec<ShopEntry>, StartError> {
    config.shops.keys().map(|id| entry(config, id, tools)).collect()
}

/// Of how many shops a reload brings the tables in line one by one; where more changed, those of all at once.
const FEW: usize = 100;

/// The shops that differ between settings, those that came and those that went among them; `None`: any of them may.
pub(super) fn differing(old: &Config, new: &Config, changes: &Diff) -> Option<BTreeSet<ShopId>> {
    // What every shop is built with, and its channel's keys, which the comparison counts among its own.
    let alike = old.product_source == new.product_source
        && old.folder == new.folder
        && old.web.public_url == new.web.public_url;
    let shops = changes.shops_added.iter().chain(&changes.shops_removed).chain(&changes.shops_changed);
    alike.then(|| shops.cloned().collect())
}

/// The shops of new settings: those that are as they were keep their channels, and only `differing` ones are built.
pub(super) fn entries_after(
    config: &Config,
    tools: &Tools,
    before: &ShopBook,
    differing: Option<&BTreeSet<ShopId>>,
) -> Result<Vec<Arc<ShopEntry>>, StartError> {
    let kept = |id: &ShopId| differing.filter(|shops| !shops.contains(id)).and_then(|_| before.get(id));
    config.shops.keys().map(|id| kept(id).map_or_else(|| entry(config, id, tools).map(Arc::new), Ok)).collect()
}

/// One shop with its channel built.
pub(super) fn entry(config: &Config, id: &ShopId, tools: &Tools) -> Result<ShopEntry, StartError> {
    let shop = &config.shops[id];
    let unknown = || StartError::Settings(format!("shop `{id}`: there is no channel `{}`", shop.channel));
    let def = find(shop.channel.as_str()).ok_or_else(unknown)?;
    // `check` has built it once already; what fails now has changed since.
    let channel = settings::build(config, id, tools).map_err(|faults| {
        let words: Vec<_> =
            faults.iter().map(|fault| format!("{}: {}; {}", fault.key, fault.cause, fault.remedy)).collect();
        StartError::Settings(format!("shop `{id}`: {}", words.join("; ")))
    })?;
    Ok(ShopEntry {
        shop: Shop { id: id.clone(), channel: shop.channel.clone(), name: shop.name.clone() },
        channel,
        abilities: &def.abilities,
        rules: shop.export.clone(),
        own: shop.own.clone(),
        jobs: shop.jobs.clone(),
        full_import: shop.full_import.clone(),
        match_barcode: shop.match_barcode,
        is_source: config.product_source.as_ref() == Some(id),
        has_source: config.product_source.is_some(),
    })
}

/// What is known of the tables when settings are put in force.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since<'a> {
    /// The digest of the settings that were in force here.
    pub digest: &'a str,
    /// In which shops the new ones differ from them.
    pub differing: &'a BTreeSet<ShopId>,
}

/// Brings shops, schedules and holds in line with the settings, and notes that they are in force. `since`: where the tables are
/// still in line with those settings, only the shops that differ are looked at; else all are.
pub(super) async fn sync(
    tx: &mut Tx,
    config: &Config,
    shops: &ShopBook,
    since: Option<Since<'_>>,
) -> Result<(), StoreError> {
    let entries = shops.all();
    // The digest is written with the tables: as long as it stands, they are what those settings made them.
    let stands = tx.fact("settings.digest").await?;
    let few = since
        .filter(|since| stands.as_deref() == Some(since.digest) && since.differing.len() <= FEW)
        .map(|since| since.differing);
    let held = match few {
        Some(few) => sync_few(tx, shops, few).await?,
        None => sync_all(tx, &entries).await?,
    };
    look_at_alarmed(tx, &entries).await?;
    let source = config.product_source.as_ref();
    let import = JobKind::ProductImport;
    // Every export waits for a source that has not been read as such: it is not left to its period.
    if tx.name_product_source(source).await? == Named::Anew
        && let Some(source) = entries.iter().find(|entry| entry.is_source)
        && source.running_jobs().any(|job| job == import)
        && !held.contains(&(source.shop.id.clone(), import))
    {
        // An import that began before is none that was demanded: another one follows it.
        let demand = Demand { full: true, ..Demand::default() };
        let run = NewRun { shop: Some(source.shop.id.clone()), job: import, demand };
        tx.run_now(&run, Trigger::Schedule).await?;
    }
    notices::note_shops_changed(tx).await?;
    tx.set_fact("settings.digest", &config.digest).await?;
    tx.set_fact("settings.loaded_at", &tx.now.to_string()).await
}

/// Brings everything in line, in a few statements however many shops there are. Answers which jobs are held.
async fn sync_all(tx: &mut Tx, entries: &[Arc<ShopEntry>]) -> Result<Held, StoreError> {
    let known: HashMap<ShopId, ShopRow> = tx.shops().await?.into_iter().map(|row| (row.id.clone(), row)).collect();
    for entry in entries {
        note_same_place(tx, entry, known.get(&entry.shop.id)).await?;
    }
    tx.sync_shops(&entries.iter().map(|entry| wanted_shop(entry)).collect::<Vec<_>>()).await?;
    let own = own_schedules().into_iter().map(|(job, period)| WantedSchedule { shop: None, job, period });
    tx.sync_schedules(&wanted_schedules(entries).chain(own).collect::<Vec<_>>()).await?;
    settle_all_holds(tx, entries).await
}

/// Brings these shops in line and touches no other. Answers which of their jobs are held.
async fn sync_few(tx: &mut Tx, shops: &ShopBook, few: &BTreeSet<ShopId>) -> Result<Held, StoreError> {
    let entries: Vec<_> = few.iter().filter_map(|id| shops.get(id)).collect();
    for entry in &entries {
        let known = tx.shop(&entry.shop.id).await?;
        note_same_place(tx, entry, known.as_ref()).await?;
    }
    tx.sync_shops_among(&entries.iter().map(|entry| wanted_shop(entry)).collect::<Vec<_>>(), few).await?;
    tx.sync_schedules_among(&wanted_schedules(&entries).collect::<Vec<_>>(), few).await?;
    let mut held = Held::new();
    for entry in &entries {
        let holds = settle_holds(tx, entry).await?;
        held.extend(holds.into_iter().filter_map(|(job, hold)| hold.map(|_| (entry.shop.id.clone(), job))));
    }
    Ok(held)
}

/// Settings that name the place of a shop, or one where it was until lately, in other words than before move it nowhere else.
async fn note_same_place(tx: &mut Tx, entry: &ShopEntry, known: Option<&ShopRow>) -> Result<(), StoreError> {
    let (shop, place) = (&entry.shop.id, entry.channel.place());
    let moves = |row: &&ShopRow| row.channel == entry.shop.channel && row.place.as_ref() != Some(&place);
    let Some(row) = known.filter(moves) else { return Ok(()) };
    let account = tx.account_on_record(shop).await?;
    if let (Some(before), Some(account)) = (&row.place, &account)
        && entry.channel.is_still(before, account)
    {
        return tx.rename_place(shop, &place).await;
    }
    for (before, account) in tx.former_places(shop).await? {
        if before != place && entry.channel.is_still(&before, &account) {
            return tx.rename_former_place(shop, &before, &place).await;
        }
    }
    Ok(())
}

fn wanted_shop(entry: &ShopEntry) -> WantedShop {
    let Shop { id, channel, name } = entry.shop.clone();
    WantedShop { id, channel, name, place: entry.channel.place(), app: entry.app() }
}

fn wanted_schedules(entries: &[Arc<ShopEntry>]) -> impl Iterator<Item = WantedSchedule> {
    entries.iter().flat_map(|entry| {
        let shop = &entry.shop.id;
        entry.jobs.iter().map(|(job, period)| WantedSchedule {
            shop: Some(shop.clone()),
            job: *job,
            period: period.clone(),
        })
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use super::*;
    use crate::{
        clock::Clock,
        config::{diff::diff, load::Env},
        http::Http,
    };

    fn read(folder: &Path, files: &[(&str, &str)], tools: &Tools) -> Config {
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let env = Env { vars: BTreeMap::new(), serving: true, now: tools.clock.now() };
        settings::load(Some(&folder.join("shopsyncd.toml")), &env, tools).config.unwrap()
    }

    #[test]
    fn a_reload_builds_the_shops_that_differ_and_keeps_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual("2026-06-15T12:00:00Z".parse().unwrap());
        let tools = Tools { http: Http::new(clock.clone()), clock };
        fs::create_dir(folder.path().join("shops.d")).unwrap();
        let shop = |id: &str, file: &str| format!("[shops.{id}]\nchannel = \"file\"\npath = \"/srv/{file}.csv\"\n");
        let first = [
            ("shopsyncd.toml", "product_source = \"a\"\n"),
            ("shops.d/a.toml", &*shop("a", "a")),
            ("shops.d/b.toml", &*shop("b", "b")),
        ];
        let old = read(folder.path(), &first, &tools);
        let book = ShopBook::new(page(&old), entries(&old, &tools).unwrap());
        let new = read(
            folder.path(),
            &[("shops.d/b.toml", &shop("b", "other")), ("shops.d/c.toml", &shop("c", "c"))],
            &tools,
        );
        let differing = differing(&old, &new, &diff(&old, &new)).unwrap();
        assert_eq!(differing, ["b", "c"].into_iter().map(|id| id.parse().unwrap()).collect());
        let after = entries_after(&new, &tools, &book, Some(&differing)).unwrap();
        let kept: Vec<bool> = after
            .iter()
            .map(|entry| book.get(&entry.shop.id).is_some_and(|before| Arc::ptr_eq(&before, entry)))
            .collect();
        assert_eq!(kept, [true, false, false]);

        // Another source makes other shops of all of them.
        let sourced = read(folder.path(), &[("shopsyncd.toml", "product_source = \"b\"\n")], &tools);
        assert_eq!(super::differing(&new, &sourced, &diff(&new, &sourced)), None);
        let all = entries_after(&sourced, &tools, &book, None).unwrap();
        assert!(all.iter().all(|entry| entry.is_source == (entry.shop.id.as_str() == "b")));
    }
}
