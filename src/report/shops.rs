//! The shops and their settings, as `shops list` and `shops show` tell them.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    config::{Config, Origin, ShopConfig},
    domain::{ChannelName, JobKind, ShopId, plan::percent, wanted::Rules},
    store::{StoreError, Tx},
};

/// `shops list --json`.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShopsView {
    /// Those in the settings in order of id, then those that left them.
    pub shops: Vec<ShopLine>,
}

/// One shop.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShopLine {
    /// Its id.
    pub id: ShopId,
    /// What people call it.
    pub name: String,
    /// Its channel.
    pub channel: ChannelName,
    /// Whether it is the product source.
    pub source: bool,
    /// The periods of its jobs, as written in the settings, resolved.
    pub jobs: BTreeMap<JobKind, String>,
    /// It is not in the settings any more, and its data is kept.
    pub removed: bool,
}

/// A key, its value, and the place that it comes from.
pub type Setting = (String, Value, String);

/// The shops in these settings; with a database also those that left them and of which data is kept.
pub async fn shops(tx: Option<&mut Tx>, config: &Config) -> Result<ShopsView, StoreError> {
    let line = |(id, shop): (&ShopId, &Arc<ShopConfig>)| ShopLine {
        id: id.clone(),
        name: shop.name.clone(),
        channel: shop.channel.clone(),
        source: config.product_source.as_ref() == Some(id),
        jobs: shop.jobs.iter().map(|(job, period)| (*job, period.to_stored())).collect(),
        removed: false,
    };
    let mut shops: Vec<_> = config.shops.iter().map(line).collect();
    let Some(tx) = tx else { return Ok(ShopsView { shops }) };
    for id in tx.shop_ids().await?.into_iter().filter(|id| !config.shops.contains_key(id)) {
        if let Some(row) = tx.shop(&id).await? {
            let (name, channel) = (row.name, row.channel);
            shops.push(ShopLine { id, name, channel, source: false, jobs: BTreeMap::new(), removed: true });
        }
    }
    Ok(ShopsView { shops })
}

/// That a shop is not in the settings and what became of its data.
pub fn kept_text(shop: impl std::fmt::Display) -> String {
    format!(
        "shop `{shop}` is not in the settings any more, so nothing runs for it; its data is kept until `shopsyncd shops forget {shop} --yes`"
    )
}

/// A shop's settings as resolved, each with where it comes from; `None`: it is not among them.
pub fn shop_settings(config: &Config, id: &ShopId) -> Option<Vec<Setting>> {
    let shop = config.shops.get(id)?;
    let from = |keys: &[String]| origin_of(config, keys);
    let own = |key: &str| format!("shops.{id}.{key}");
    let in_channel = |key: &str| format!("channels.{}.{key}", shop.channel);
    let mut rows = vec![
        ("channel".to_owned(), json!(shop.channel), from(&[own("channel")])),
        ("name".to_owned(), json!(shop.name), from(&[own("name")])),
        ("match_barcode".to_owned(), json!(shop.match_barcode), from(&[own("match_barcode")])),
    ];
    rows.extend(shop.own.iter().map(|(key, value)| (key.clone(), value.clone(), from(&[own(key)]))));
    let full = ("full_import".to_owned(), &shop.full_import);
    for (job, period) in shop.jobs.iter().map(|(job, period)| (job.to_string(), period)).chain([full]) {
        let key = format!("jobs.{job}");
        let origin = from(&[own(&key), in_channel(&key)]);
        rows.push((key, json!(period.to_stored()), origin));
    }
    let export = export(&shop.export, shop.warehouse.as_ref());
    rows.extend(export.into_iter().map(|(key, value)| {
        let key = format!("export.{key}");
        let origin = from(&[own(&key)]);
        (key, value, origin)
    }));
    let remind = shop.remind.iter().map(|to| json!({ "address": to.address, "language": to.language.as_str() }));
    rows.push(("remind".into(), remind.collect(), from(&[own("remind"), "reminders.to".into()])));
    Some(rows)
}

fn export(rules: &Rules, warehouse: Option<&String>) -> Vec<(&'static str, Value)> {
    vec![
        ("fields", json!(rules.fields)),
        ("create", json!(rules.create)),
        ("retire", json!(rules.retire)),
        ("warehouse", json!(warehouse)),
        ("stock.reserve", json!(rules.reserve)),
        ("stock.max", json!(rules.max)),
        ("price.factor", json!(rules.factor.to_string())),
        ("price.round", json!(rules.round.map(|ending| ending.to_string()))),
        (
            "price.convert",
            rules.convert.iter().map(|(from, rate)| (from.to_string(), json!(rate.to_string()))).collect(),
        ),
        ("guard.retire", json!(percent(rules.guard_retire))),
        ("guard.price", json!(percent(rules.guard_price))),
    ]
}

/// Where the first of these keys that is written down stands.
pub fn origin_of(config: &Config, keys: &[impl AsRef<str>]) -> String {
    let mut keys = keys.iter().map(AsRef::as_ref);
    // A table that itself stands nowhere was written with dots: its first key stands somewhere.
    let origin = keys.find_map(|key| config.origin(key).or_else(|| config.origins.first_below(key)));
    match origin {
        None => "default".to_owned(),
        Some(Origin { file, line: 0 }) => file.to_string(),
        Some(Origin { file, line }) => format!("{file}:{line}"),
    }
}
