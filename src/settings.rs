//! Settings as everybody calls for them: read, judged, and judged again by the channels, each of which reads its own keys.
//!
//! The settings themselves know no channel and the channels no settings; here the two meet.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    channels::{
        AuthorizationKind, CHANNELS, Channel, ChannelDef, OnDisk, SettingFault, ShopSettings, Tools, calls::address,
        find,
    },
    config::{
        ChannelFacts, Config, Finding, Known, OwnKey, Severity, ShopConfig,
        check::{check, sort},
        load::{Env, Layers, load as read, load_main as read_main},
    },
    domain::{JobKind, Period, Shop, ShopId},
};

/// What reading the settings came to.
#[derive(Debug)]
pub struct Loaded {
    /// The settings; `None` where a finding is an error.
    pub config: Option<Config>,
    /// Then the settings as far as they could be read: commands find the daemon and its database by them even when something else
    /// is wrong.
    pub broken: Option<Config>,
    /// Everything worth saying, in the order of files and lines.
    pub findings: Vec<Finding>,
    /// What was read, and what of it need not be judged again.
    pub known: Known,
    /// Files that secrets were read from.
    pub secret_files: Vec<PathBuf>,
}

impl Loaded {
    /// The settings as far as they could be read, sound or not.
    pub fn readable(&self) -> &Config {
        self.config.as_ref().or(self.broken.as_ref()).expect("they are one or the other")
    }

    /// The findings that keep the settings from being put in force.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }
}

/// Reads and judges the settings. `named` is the main file where one was named; it must then be there.
pub fn load(named: Option<&Path>, env: &Env, tools: &Tools) -> Loaded {
    load_after(&Known::default(), named, env, tools)
}

/// Reads and judges the settings where they are `known` as they were: files of shops that say what they said, on an unchanged main file,
/// are taken over as they are.
pub fn load_after(known: &Known, named: Option<&Path>, env: &Env, tools: &Tools) -> Loaded {
    let layers = read(named, env, known);
    let takes_over = layers.taken_over().next().is_some();
    let loaded = judged(layers, env, tools);
    // What is wrong may concern what was taken over. All of it is to be found at once.
    if loaded.config.is_none() && takes_over { load(named, env, tools) } else { loaded }
}

fn judged(layers: Layers, env: &Env, tools: &Tools) -> Loaded {
    let checked = check(&layers, &channel_facts(), env);
    let (config, mut findings) = (checked.config, checked.findings);
    let places = judge_channels(&config, &layers, tools, &mut findings);
    if layers.is_incomplete() {
        // Of what is missing nobody knows: it may stand in the part that could not be read.
        findings.retain(|finding| finding.key.is_empty() || layers.says(finding));
    }
    sort(&mut findings, &layers);
    let known = Known::of(layers, &config, &findings, places);
    let sound = findings.iter().all(|finding| finding.severity < Severity::Error);
    let (config, broken) = if sound { (Some(config), None) } else { (None, Some(config)) };
    Loaded { config, broken, findings, known, secret_files: checked.secret_files }
}

/// The settings as far as the main file and the environment say them, sound or not: the daemon is found by them without reading the
/// files of thousands of shops.
pub fn without_shops(named: Option<&Path>, env: &Env) -> Config {
    check(&read_main(named, env), &channel_facts(), env).config
}

/// What an edit lost: a settings file that vanished, or says nothing any more, and with it shops, counts as a bad edit (it may be a disk
/// that is not there, or full, or half of a move). `before` and `files` are the settings in force and their files. `asked`: a person wants
/// the settings read again, and may mean that shops go; nobody means that the main file does.
pub fn vanished(before: &Config, files: &[PathBuf], after: &Loaded, asked: bool) -> Vec<Finding> {
    let there: HashSet<&PathBuf> = after.known.files().iter().collect();
    let (said, says) = (speaking(before), speaking(after.readable()));
    // What stood in each file and stands nowhere now.
    let mut lost: HashMap<&str, Vec<String>> = HashMap::new();
    let kept = |id: &ShopId| after.config.as_ref().is_none_or(|config| config.shops.contains_key(id));
    for id in before.shops.keys().filter(|id| !kept(id)) {
        if let Some(origin) = before.origin(&format!("shops.{id}")) {
            lost.entry(&origin.file).or_default().push(format!("`{id}`"));
        }
    }
    let mut findings = Vec::new();
    for file in files {
        let name = name_of(file);
        let how = if !there.contains(file) {
            "has vanished"
        } else if said.contains(name.as_str()) && !says.contains(name.as_str()) {
            "says nothing any more"
        } else {
            continue;
        };
        findings.extend(lost_with(&name, how, &lost.remove(name.as_str()).unwrap_or_default()));
    }
    findings.retain(|finding| !asked || is_main(&finding.file));
    findings
}

/// The files of which something holds.
fn speaking(config: &Config) -> HashSet<&str> {
    config.origins.files().collect()
}

/// A file's name as findings have it.
fn name_of(file: &Path) -> String {
    let base = file.file_name().unwrap_or_default().to_string_lossy();
    let in_shops_d = file.parent().and_then(Path::file_name).is_some_and(|folder| folder == "shops.d");
    if in_shops_d { format!("shops.d/{base}") } else { base.into_owned() }
}

fn is_main(name: &str) -> bool {
    !name.starts_with("shops.d/")
}

fn lost_with(name: &str, how: &str, lost: &[String]) -> Option<Finding> {
    if lost.is_empty() && !is_main(name) {
        return None;
    }
    let shops = if lost.is_empty() { String::new() } else { format!(", and with it went {}", lost.join(", ")) };
    let meant = if is_main(name) { "" } else { ", or run `shopsyncd reload` if that was meant" };
    Some(Finding {
        file: name.to_owned(),
        line: 0,
        key: String::new(),
        severity: Severity::Error,
        cause: format!("the file {how}{shops}"),
        remedy: format!("put it back{meant}"),
    })
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
        token_life: def.token_life,
        app_keys: own(def.app_keys),
        app_secrets: own(def.app_secrets),
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
        secrets: channel.secrets,
        warehouse: shop.warehouse.clone(),
        folder: config.folder.clone(),
        callback: address(&config.web.public_url, &format!("/oauth/{}/callback", shop.channel), &[]),
    };
    (def.build)(&settings, tools)
}

/// What is worth knowing of the shops' own settings as things stand now outside: for `check`, which looks.
pub async fn remarks(config: &Config, tools: &Tools) -> Vec<Finding> {
    let mut findings = Vec::new();
    for id in config.shops.keys() {
        let Ok(channel) = build(config, id, tools) else { continue };
        findings.extend(channel.remarks().await.into_iter().map(|SettingFault { key, cause, remedy }| {
            config.finding(&format!("shops.{id}.{key}"), Severity::Warning, cause, &remedy)
        }));
    }
    findings
}

/// The files of this machine that shops are in, under their keys, each with whether the daemon writes there.
pub fn on_disk(config: &Config, tools: &Tools) -> Vec<OnDisk> {
    let of = |(id, shop): (&ShopId, &Arc<ShopConfig>)| {
        let place = build(config, id, tools).ok()?.on_disk()?;
        let export = shop.jobs.get(&JobKind::ProductExport).is_some_and(|period| *period != Period::None);
        let exported = export && config.product_source.as_ref() != Some(id);
        Some(OnDisk { key: format!("shops.{id}.{}", place.key), written: place.written || exported, ..place })
    };
    config.shops.iter().filter_map(of).collect()
}

/// Each shop's channel reads its own keys; no two shops are the same place of sale. Answers where each sells.
fn judge_channels(
    config: &Config,
    layers: &Layers,
    tools: &Tools,
    findings: &mut Vec<Finding>,
) -> HashMap<ShopId, String> {
    let mut places = HashMap::new();
    let known: HashSet<&ShopId> = layers.taken_over().map(|known| &known.id).collect();
    let mut taken: HashMap<(&str, Cow<'_, str>), &ShopId> = HashMap::new();
    taken.extend(layers.taken_over().map(|it| ((it.config.channel.as_str(), Cow::from(&it.place)), &it.id)));
    for (id, shop) in config.shops.iter().filter(|(id, _)| !known.contains(id)) {
        match build(config, id, tools) {
            Ok(channel) => {
                let place = channel.place();
                if let Some(other) = taken.insert((shop.channel.as_str(), place.clone().into()), id) {
                    let cause = format!("the same place of sale as shop `{other}`");
                    let path = ["shops", id.as_str()];
                    findings.push(layers.finding(&path, Severity::Error, cause, "keep one of the two shops"));
                }
                places.insert(id.clone(), place);
            }
            Err(faults) => {
                // A section that is missing as a whole was named already.
                let written = says_of_channel(config, shop.channel.as_str());
                for fault in faults.into_iter().filter(|fault| written || !fault.key.starts_with("channel.")) {
                    let finding = finding_of(&fault, id, shop, layers);
                    // What was found already needs no second word: a key that is missing, a secret not readable here.
                    if !findings.iter().any(|known| known.key == finding.key) {
                        findings.push(finding);
                    }
                }
            }
        }
    }
    places
}

/// Whether anything is said of a channel.
fn says_of_channel(config: &Config, channel: &str) -> bool {
    let section = format!("channels.{channel}");
    config.origin(&section).is_some() || config.origins.first_below(&section).is_some()
}

fn finding_of(fault: &SettingFault, id: &ShopId, shop: &ShopConfig, layers: &Layers) -> Finding {
    let (owner, key) = match fault.key.strip_prefix("channel.") {
        Some(key) => (["channels", shop.channel.as_str()], key),
        None => (["shops", id.as_str()], fault.key.as_str()),
    };
    let path: Vec<&str> = owner.into_iter().chain(key.split('.')).collect();
    layers.finding(&path, Severity::Error, fault.cause.clone(), fault.remedy.clone())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::{clock::Clock, domain::Period, http::Http};

    /// Settings in a folder, read and judged.
    struct Desk(TempDir);

    impl Desk {
        fn new(files: &[(&str, &str)]) -> Self {
            let desk = Self(TempDir::new().unwrap());
            for (name, text) in files {
                let path = desk.0.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            desk
        }

        fn load(&self) -> Loaded {
            self.load_after(&Known::default(), &[])
        }

        fn load_after(&self, known: &Known, vars: &[(&str, &str)]) -> Loaded {
            let clock = Clock::manual("2026-06-15T12:00:00Z".parse().unwrap());
            let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let env = Env { vars, serving: true, now: clock.now() };
            let tools = Tools { http: Http::new(clock.clone()), clock };
            load_after(known, Some(&self.0.path().join("shopsyncd.toml")), &env, &tools)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.path().join(name), text).unwrap();
        }

        fn told(&self) -> String {
            self.load().findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
    }

    #[test]
    fn a_fault_in_a_channels_own_settings_has_its_line_and_is_told_once() {
        let desk = Desk::new(&[
            (
                "shopsyncd.toml",
                "[shops.a]\nchannel = \"file\"\n\n[shops.b]\nchannel = \"file\"\npath = \"/srv/b.csv\"\nformat = \"excel\"\n",
            ),
            (
                "shops.d/c.toml",
                "[shops.c]\nchannel = \"file\"\npath = \"/srv/c.csv\"\n[shops.c.jobs]\nproduct_import = \"1 ms\"\n",
            ),
        ]);
        insta::assert_snapshot!(desk.told(), @r#"
        shopsyncd.toml:1: shops.a.path: the key is missing; set it; `shopsyncd channels show file` says how
        shopsyncd.toml:7: shops.b.format: `excel` is no format that can be read; use one of "auto", "csv", "jsonl", "shopify", "woocommerce", "google"
        shops.d/c.toml:5: shops.c.jobs.product_import: the period is shorter than channel `file` allows; write "1 second" or more, or "None"
        "#);
        assert!(desk.load().config.is_none());
    }

    #[test]
    fn a_channels_section_that_is_missing_is_told_once_where_a_shop_needs_it() {
        let shop = |id: &str| format!("[shops.{id}]\nchannel = \"tiktok_shop\"\nshop_id = \"{id}\"\nregion = \"GB\"\n");
        let desk = Desk::new(&[
            ("shopsyncd.toml", "[channels.amazon]\nclient_id = \"app\"\n"),
            ("shops.d/a.toml", &shop("7490000000000000001")),
            ("shops.d/b.toml", &shop("7490000000000000002")),
        ]);
        insta::assert_snapshot!(desk.told(), @r"
        shopsyncd.toml: mail.transport: mail is off, so nobody is reminded before an authorization ends; set `mail.transport`, and `reminders.to`
        shops.d/a.toml:2: shops.7490000000000000001.channel: the section `[channels.tiktok_shop]` is missing; write it with `client_id`, `client_secret` and `service_id`; `shopsyncd channels show tiktok_shop` says how
        ");
    }

    #[test]
    fn a_broken_main_file_is_the_only_finding_and_still_says_where_the_daemon_is() {
        let main = "state_dir = \"/srv/state\"\ntimezone = Europe/Berlin\n\n[database]\nurl = \"sqlite:other.db\"\n\n[channels.tiktok_shop]\nclient_id = \"app\"\n";
        let shop = "[shops.uk]\nchannel = \"tiktok_shop\"\nshop_id = \"7490000000000000001\"\nregion = \"GB\"\n";
        let typo = "[shops.erp]\nchannel = \"file\"\npath = \"/srv/a.csv\"\nformat = \"excel\"\n";
        let desk = Desk::new(&[("shopsyncd.toml", main), ("shops.d/erp.toml", typo), ("shops.d/uk.toml", shop)]);
        let loaded = desk.load();
        assert!(loaded.config.is_none());
        assert_eq!(loaded.readable().state_dir, Path::new("/srv/state"));
        assert_eq!(loaded.readable().database_url.expose(), "sqlite:other.db");
        let places: Vec<String> = loaded.findings.iter().map(|one| format!("{}:{}", one.file, one.line)).collect();
        assert_eq!(places, ["shopsyncd.toml:2", "shops.d/erp.toml:4"], "{}", desk.told());
        fs::remove_file(desk.0.path().join("shopsyncd.toml")).unwrap();
        fs::remove_file(desk.0.path().join("shops.d/erp.toml")).unwrap();
        let told: Vec<String> = desk.load().findings.into_iter().map(|one| one.remedy).collect();
        assert_eq!(told, ["write it, or name another with `--config`"]);
    }

    #[test]
    fn a_look_that_is_rarer_than_a_token_lives_is_noted() {
        let main = "[channels.tiktok_shop]\nclient_id = \"app\"\nclient_secret = \"secret\"\nservice_id = \"7\"\n\
                    [channels.tiktok_shop.jobs]\nauthorization_refresh = \"8 days\"\n";
        let shop = "[shops.uk]\nchannel = \"tiktok_shop\"\nshop_id = \"7490000000000000001\"\nregion = \"GB\"\n";
        let told = Desk::new(&[("shopsyncd.toml", main), ("shops.d/uk.toml", shop)]).told();
        assert!(told.contains("8 days is longer than the life of an access token, 1 week"), "{told}");
        let told =
            Desk::new(&[("shopsyncd.toml", &main.replace("8 days", "7 days")), ("shops.d/uk.toml", shop)]).told();
        assert!(!told.contains("longer than the life"), "{told}");
    }

    #[test]
    fn two_shops_are_never_the_same_place_of_sale() {
        let desk = Desk::new(&[
            ("shopsyncd.toml", "[shops.a]\nchannel = \"file\"\npath = \"/srv/a.csv\"\n"),
            ("shops.d/b.toml", "\n[shops.b]\nchannel = \"file\"\npath = \"/srv/a.csv\"\n"),
        ]);
        insta::assert_snapshot!(desk.told(), @r#"
        shops.d/b.toml:2: shops.b: the same place of sale as shop `a`; keep one of the two shops
        "#);
    }

    #[test]
    fn a_file_that_vanished_with_its_shops_is_a_bad_edit_and_one_whose_shops_moved_is_not() {
        let shop = |id: &str| format!("[shops.{id}]\nchannel = \"file\"\npath = \"/srv/{id}.csv\"\n");
        let desk = Desk::new(&[("shopsyncd.toml", ""), ("shops.d/a.toml", &shop("a")), ("shops.d/b.toml", &shop("b"))]);
        let before = desk.load();
        let config = before.config.as_ref().unwrap();
        let lost = |asked| -> String {
            let told = vanished(config, before.known.files(), &desk.load(), asked);
            told.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        fs::rename(desk.0.path().join("shops.d/a.toml"), desk.0.path().join("shops.d/z.toml")).unwrap();
        assert_eq!(lost(false), "", "an empty main file is none that lost anything");
        fs::write(desk.0.path().join("shops.d/b.toml"), "").unwrap();
        insta::assert_snapshot!(lost(false), @"shops.d/b.toml: the file says nothing any more, and with it went `b`; put it back, or run `shopsyncd reload` if that was meant");
        fs::remove_file(desk.0.path().join("shops.d/b.toml")).unwrap();
        insta::assert_snapshot!(lost(false), @"shops.d/b.toml: the file has vanished, and with it went `b`; put it back, or run `shopsyncd reload` if that was meant");
        assert_eq!(lost(true), "", "whoever asks means it");
    }

    #[test]
    fn nobody_means_that_the_main_file_goes() {
        let desk = Desk::new(&[("shopsyncd.toml", "[shops.a]\nchannel = \"file\"\npath = \"/srv/a.csv\"\n")]);
        let before = desk.load();
        let lost = || -> String {
            let told = vanished(before.config.as_ref().unwrap(), before.known.files(), &desk.load(), true);
            told.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(lost(), "");
        fs::write(desk.0.path().join("shopsyncd.toml"), "").unwrap();
        insta::assert_snapshot!(lost(), @"shopsyncd.toml: the file says nothing any more, and with it went `a`; put it back");
        fs::remove_file(desk.0.path().join("shopsyncd.toml")).unwrap();
        assert!(desk.load().config.is_none(), "a file that is named must be there");
    }

    #[test]
    fn every_channels_built_in_periods_are_periods_no_shorter_than_it_allows() {
        for def in CHANNELS {
            for (job, shortest, text) in def.abilities.periods {
                match Period::parse(text).unwrap() {
                    Period::Every(length) => assert!(length >= *shortest, "{} {job}", def.name),
                    other => assert_eq!(other, Period::None, "{} {job}", def.name),
                }
            }
        }
    }

    #[test]
    fn what_the_example_of_shops_shows_of_channels_that_are_here_is_sound() {
        let example = include_str!("../config/shops.d/example.toml");
        let is_setting = |line: &str| line.starts_with(|c: char| c == '[' || c.is_ascii_lowercase());
        let erp = example.split_once("#[shops.erp]").unwrap().1;
        let erp: Vec<&str> =
            erp.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| is_setting(line)).collect();
        let desk = Desk::new(&[
            ("shopsyncd.toml", "product_source = \"erp\"\n"),
            ("shops.d/example.toml", &format!("[shops.erp]\n{}\n", erp.join("\n"))),
        ]);
        assert_eq!(desk.told(), "");
        assert_eq!(desk.load().config.unwrap().shops.len(), 1);
    }

    #[test]
    fn settings_that_are_taken_over_are_those_that_a_whole_reading_finds() {
        let main = "product_source = \"erp\"\n[reminders]\nto = [\"owner@example.com\"]\n[mail]\ntransport = \"folder\"\n\
                    [channels.tiktok_shop]\nclient_id = \"app\"\nservice_id = \"7\"\nclient_secret = { env = \"SECRET\" }\n\
                    [shops.erp]\nchannel = \"file\"\npath = \"/srv/erp.csv\"\n";
        let shop = |id: &str, place: u32, more: &str| {
            let place = 7_490_000_000_000_000_000 + u64::from(place);
            format!("[shops.{id}]\nchannel = \"tiktok_shop\"\nshop_id = \"{place}\"\nregion = \"GB\"\n{more}")
        };
        let desk = Desk::new(&[
            ("shopsyncd.toml", main),
            ("shops.d/a.toml", &shop("a", 1, "")),
            ("shops.d/b.toml", &shop("b", 2, "")),
            ("shops.d/c.toml", &format!("{}{}", shop("c", 3, ""), shop("d", 4, ""))),
            ("shops.d/odd.toml", &shop("odd", 5, "remind = []\n")),
        ]);
        let edits: [(&str, String, &[&str]); 11] = [
            ("shops.d/b.toml", shop("b", 2, "[shops.b.jobs]\nproduct_import = \"3 hours\"\n"), &["a", "c", "d"]),
            // Lines move, and nothing else.
            ("shops.d/b.toml", format!("# Ours\n{}", shop("b", 2, "")), &["a", "c", "d"]),
            ("shops.d/c.toml", shop("c", 3, ""), &["a", "b"]),
            ("shops.d/new.toml", shop("e", 6, ""), &["a", "b", "c"]),
            ("shops.d/new.toml", shop("a", 6, ""), &[]),
            ("shops.d/new.toml", shop("e", 1, ""), &[]),
            ("shops.d/new.toml", "[shops.e]\nchanel = \"file\"\n".to_owned(), &[]),
            ("shops.d/new.toml", "[shops.e\n".to_owned(), &[]),
            ("shops.d/new.toml", String::new(), &["a", "b", "c"]),
            ("shopsyncd.toml", main.replace("\"owner@", "\"other@"), &[]),
            ("shopsyncd.toml", main.replace("\"erp\"", "\"a\""), &[]),
        ];
        let secret = ("SECRET", "an app's secret");
        let mut before = desk.load_after(&Known::default(), &[secret]);
        let mut known = std::mem::take(&mut before.known);
        let mut config = before.config.unwrap();
        let said = |loaded: &Loaded| {
            format!(
                "{:#?}\n{:#?}\n{:?}\n{:?}",
                loaded.readable(),
                loaded.findings,
                loaded.known.files(),
                loaded.secret_files
            )
        };
        for (file, text, taken_over) in &edits {
            desk.write(file, text);
            let (mut after, whole) =
                (desk.load_after(&known, &[secret]), desk.load_after(&Known::default(), &[secret]));
            assert_eq!(said(&after), said(&whole), "{file}: {text}");
            let same =
                |id: &&ShopId| config.shops.get(*id).is_some_and(|was| Arc::ptr_eq(was, &after.readable().shops[*id]));
            let same: Vec<&str> = after.readable().shops.keys().filter(same).map(ShopId::as_str).collect();
            assert_eq!(same, *taken_over, "{file}: {text}");
            if let Some(sound) = after.config.take() {
                (config, known) = (sound, after.known);
            }
        }
        // Variables may say something of any shop.
        let vars = [secret, ("SHOPSYNCD__SHOPS__B__NAME", "By variable")];
        let after = desk.load_after(&known, &vars);
        assert_eq!(said(&after), said(&desk.load_after(&Known::default(), &vars)));
    }
}
