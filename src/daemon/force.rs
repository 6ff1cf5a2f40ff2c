//! Putting settings in force: the shops that jobs work with, and the tables brought in line.

use std::{collections::BTreeSet, sync::Arc};

use super::{StartError, own_schedules};
use crate::{
    channels::{Tools, find},
    config::Config,
    domain::{Demand, JobKind, Shop, ShopId, Trigger},
    keeper::{Page, ShopBook, ShopEntry, look_at_alarmed, settle_holds},
    notices, settings,
    store::{Named, NewRun, ShopRow, StoreError, Tx, WantedSchedule, WantedShop},
};

/// Where people reach the page.
pub(super) fn page(config: &Config) -> Page {
    let loopback = config.web.listen.is_some_and(|address| address.ip().is_loopback()) && !config.web.public_url_set;
    Page { public_url: config.web.public_url.clone(), loopback }
}

/// The shops with their channels built.
pub(super) fn entries(config: &Config, tools: &Tools) -> Result<Vec<ShopEntry>, StartError> {
    config.shops.keys().map(|id| entry(config, id, tools)).collect()
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

/// Brings shops, schedules and holds in line with the settings, and notes that they are in force.
pub(super) async fn sync(tx: &mut Tx, config: &Config, shops: &ShopBook) -> Result<(), StoreError> {
    let entries = shops.all();
    for entry in &entries {
        note_same_place(tx, entry).await?;
    }
    tx.sync_shops(&entries.iter().map(|entry| wanted_shop(entry)).collect::<Vec<_>>()).await?;
    tx.sync_schedules(&wanted_schedules(&entries)).await?;
    let mut held = BTreeSet::new();
    for entry in &entries {
        let holds = settle_holds(tx, entry).await?;
        held.extend(holds.into_iter().filter_map(|(job, hold)| hold.map(|_| (entry.shop.id.clone(), job))));
    }
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
    tx.set_fact("settings.loaded_at", &tx.now.to_string()).await?;
    tx.set_fact("settings.error", "").await
}

/// Settings that name the place of a shop, or one where it was until lately, in other words than before move it nowhere else.
async fn note_same_place(tx: &mut Tx, entry: &ShopEntry) -> Result<(), StoreError> {
    let (shop, place) = (&entry.shop.id, entry.channel.place());
    let moves = |row: &ShopRow| row.channel == entry.shop.channel && row.place.as_ref() != Some(&place);
    let Some(row) = tx.shop(shop).await?.filter(moves) else { return Ok(()) };
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

fn wanted_schedules(entries: &[Arc<ShopEntry>]) -> Vec<WantedSchedule> {
    let of_shops = entries.iter().flat_map(|entry| {
        let shop = &entry.shop.id;
        entry.jobs.iter().map(|(job, period)| WantedSchedule {
            shop: Some(shop.clone()),
            job: *job,
            period: period.clone(),
        })
    });
    let own = own_schedules().into_iter().map(|(job, period)| WantedSchedule { shop: None, job, period });
    of_shops.chain(own).collect()
}
