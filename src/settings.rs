//! Settings as everybody calls for them: read, judged, and judged again by the channels, each of which reads its own keys.
//!
//! The settings themselves know no channel and the channels no settings; here the two meet.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    channels::{AuthorizationKind, CHANNELS, Channel, ChannelDef, SettingFault, ShopSettings, Tools, find},
    config::{
        ChannelFacts, Config, Finding, OwnKey, Severity, ShopConfig,
        check::{check, sort},
        load::{Env, Layers, load as read},
    },
    domain::{Shop, ShopId},
};

/// What reading the settings came to.
#[derive(Debug)]
pub struct Loaded {
    /// The settings; `None` where a finding is an error.
    pub config: Option<Config>,
    /// Where the daemon keeps its files, as far as that could be read: commands find it there even when something else
    /// in the settings is wrong.
    pub state_dir: PathBuf,
    /// Everything worth saying, in the order of files and lines.
    pub findings: Vec<Finding>,
    /// The settings files that were found, the main file first.
    pub files: Vec<PathBuf>,
    /// Files that secrets were read from.
    pub secret_files: Vec<PathBuf>,
}

impl Loaded {
    /// The findings that keep the settings from being put in force.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }
}

/// Reads and judges the settings. `named` is the main file where one was named; it must then be there.
pub fn load(named: Option<&Path>, env: &Env, tools: &Tools) -> Loaded {
    let layers = read(named, env);
    let checked = check(&layers, &channel_facts(), env);
    let (config, mut findings) = (checked.config, checked.findings);
    judge_channels(&config, &layers, tools, &mut findings);
    sort(&mut findings, &layers);
    let sound = findings.iter().all(|finding| finding.severity < Severity::Error);
    Loaded {
        state_dir: config.state_dir.clone(),
        config: sound.then_some(config),
        findings,
        files: layers.files,
        secret_files: checked.secret_files,
    }
}

/// What the settings must know of every channel.
pub fn channel_facts() -> Vec<ChannelFacts> {
    CHANNELS.iter().map(|def| facts_of(def)).collect()
}

fn facts_of(def: &ChannelDef) -> ChannelFacts {
    let own = |keys: &[crate::channels::Key]| {
        keys.iter().map(|key| OwnKey { name: key.name, required: key.required }).collect()
    };
    ChannelFacts {
        name: def.name,
        needs_authorization: def.abilities.authorization != AuthorizationKind::None,
        export_fields: def.abilities.export.to_vec(),
        can_create: def.abilities.create,
        retire: def.abilities.retire.to_vec(),
        periods: def.abilities.periods.to_vec(),
        token_life: None,
        app_keys: own(def.app_keys),
        shop_keys: own(def.shop_keys),
    }
}

/// A shop as everything below the settings knows it.
pub fn shop_of(id: &ShopId, shop: &ShopConfig) -> Shop {
    Shop { id: id.clone(), channel: shop.channel.clone(), name: shop.name.clone() }
}

/// Makes a shop's channel from its settings. Every fault in them is named.
pub fn build(config: &Config, id: &ShopId, tools: &Tools) -> Result<Arc<dyn Channel>, Vec<SettingFault>> {
    let missing = |cause: String| SettingFault { key: "channel".to_owned(), cause, remedy: String::new() };
    let shop = config.shops.get(id).ok_or_else(|| vec![missing(format!("there is no shop `{id}`"))])?;
    let def =
        find(shop.channel.as_str()).ok_or_else(|| vec![missing(format!("there is no channel `{}`", shop.channel))])?;
    let channel = config.channels.get(&shop.channel).cloned().unwrap_or_default();
    let settings = ShopSettings {
        shop: shop_of(id, shop),
        own: shop.own.clone(),
        channel: channel.raw,
        client_secret: channel.client_secret,
        warehouse: shop.warehouse.clone(),
    };
    (def.build)(&settings, tools)
}

/// Each shop's channel reads its own keys; no two shops are the same place of sale.
fn judge_channels(config: &Config, layers: &Layers, tools: &Tools, findings: &mut Vec<Finding>) {
    let mut places: BTreeMap<(&str, String), &ShopId> = BTreeMap::new();
    for (id, shop) in &config.shops {
        match build(config, id, tools) {
            Ok(channel) => {
                let place = (shop.channel.as_str(), channel.place());
                let Some(other) = places.get(&place) else {
                    places.insert(place, id);
                    continue;
                };
                let cause = format!("the same place of sale as shop `{other}`");
                let path = ["shops", id.as_str()];
                findings.push(layers.finding(&path, Severity::Error, cause, "keep one of the two shops"));
            }
            Err(faults) => {
                for fault in faults {
                    let finding = finding_of(&fault, id, shop, layers);
                    // What was found already needs no second word: a key that is missing, a secret not readable here.
                    if !findings.iter().any(|known| known.key == finding.key) {
                        findings.push(finding);
                    }
                }
            }
        }
    }
}

fn finding_of(fault: &SettingFault, id: &ShopId, shop: &ShopConfig, layers: &Layers) -> Finding {
    let (owner, key) = match fault.key.strip_prefix("channel.") {
        Some(key) => (["channels", shop.channel.as_str()], key),
        None => (["shops", id.as_str()], fault.key.as_str()),
    };
    let path: Vec<&str> = owner.into_iter().chain(key.split('.')).collect();
    layers.finding(&path, Severity::Error, fault.cause.clone(), fault.remedy.clone())
}
