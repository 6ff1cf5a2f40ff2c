//! Reading: the files and the environment become layers, figment lays them over each other, and every value keeps its
//! place. What stands in them is judged in [`super::check`].

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ffi::OsStr,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};
use jiff::Timestamp;

use super::{
    Finding, Origin, Origins, Severity,
    known::{Known, KnownFile, KnownShop},
    salvage::{PLACES, salvaged},
    spans::{self, Path, step, written},
};

/// The main file where none is named.
pub const DEFAULT_FILE: &str = "/etc/shopsyncd/shopsyncd.toml";

/// What values from the environment begin with.
pub const PREFIX: &str = "SHOPSYNCD__";

/// How the names of files in shops.d begin.
const OF_SHOPS: &str = "shops.d/";

/// The name of the environment where an origin wants a file.
pub const ENVIRONMENT: &str = "environment";

/// What reading needs to know of the process.
#[derive(Debug, Clone)]
pub struct Env {
    /// The environment's variables.
    pub vars: BTreeMap<String, String>,
    /// Whether the settings are for serving. Where they are only looked at, a secret that is not readable from here is a
    /// note and not an error.
    pub serving: bool,
    /// The present, for the length of cron periods.
    pub now: Timestamp,
}

impl Env {
    /// That of this process.
    pub fn of_process(serving: bool, now: Timestamp) -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self { vars: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(), serving, now }
    }

    /// A variable that is set to something.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether variables say anything of shops.
    fn speaks_of_shops(&self) -> bool {
        let first = |name: &String| name.strip_prefix(PREFIX)?.split("__").next().map(str::to_lowercase);
        self.vars.keys().filter_map(first).any(|section| section == "shops")
    }

    /// Where the daemon keeps its files when the settings do not say: `$STATE_DIRECTORY`, else `/var/lib/shopsyncd` if it
    /// exists, else `./var`, beside the main file if there is one.
    pub fn state_dir(&self) -> PathBuf {
        let system = FilePath::new("/var/lib/shopsyncd");
        match self.get("STATE_DIRECTORY").and_then(|list| list.split(':').next()) {
            Some(given) => PathBuf::from(given),
            // Under systemd it is a link into a folder that only root may look into.
            None if system.symlink_metadata().is_ok() => system.to_owned(),
            None => PathBuf::from("./var"),
        }
    }
}

/// The layers, merged, and where each value stands.
#[derive(Debug, Default)]
pub struct Layers {
    /// All values, later layers over earlier ones.
    pub(super) values: Dict,
    /// What was wrong with the files as such.
    pub(super) findings: Vec<Finding>,
    /// Whether a file could not be read: then nothing is said about what may stand there.
    pub(super) incomplete: bool,
    /// Which of [`PLACES`] the main file may name although that could not be read there.
    pub(super) lost: BTreeSet<&'static str>,
    /// The folder of the main file: relative paths start there.
    pub(super) folder: PathBuf,
    /// The files that were found, the main file first.
    pub files: Vec<PathBuf>,
    /// What the main file says.
    pub(super) main: Option<String>,
    /// The files in shops.d that were read anew.
    pub(super) read: Vec<Read>,
    /// Those that say what they said before, by their names.
    pub(super) taken_over: HashMap<Arc<str>, Arc<KnownFile>>,
    layers: Vec<Layer>,
    /// The numbers of the layers that say anything below a first step, or below the first two: with a file for each of ten
    /// thousand shops nobody asks them all.
    sayers: BTreeMap<Path, Vec<usize>>,
    /// The names of the files in the order in which they were looked at.
    names: Vec<Arc<str>>,
}

/// A file in shops.d as it was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) name: Arc<str>,
    pub(super) text: String,
    /// The ids of its shops.
    pub(super) shops: Vec<String>,
}

/// One file, or the environment.
#[derive(Debug, Default)]
struct Layer {
    name: Arc<str>,
    dict: Dict,
    places: BTreeMap<Path, Place>,
}

#[derive(Debug, Clone)]
struct Place {
    line: u32,
    variable: Option<Variable>,
}

/// A variable of the environment that says something.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    /// Its name.
    pub(super) name: String,
    /// Its text, whatever it was read as.
    pub(super) text: String,
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::from("settings", FilePath::new(&*self.name))
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}

/// Reads everything: the main file (a named one must be there), `shops.d/*.toml` beside it, the environment. Files in shops.d that say
/// what is `known` of them are taken over where all that they rest on is as it was.
pub fn load(named: Option<&FilePath>, env: &Env, known: &Known) -> Layers {
    let mut layers = Layers::of_main(named);
    let known = Some(known).filter(|known| known.rests_on(layers.main.as_ref()) && !env.speaks_of_shops());
    for file in layers.shop_files() {
        let name: Arc<str> = format!("{OF_SHOPS}{}", file.file_name().unwrap_or_default().to_string_lossy()).into();
        let Some(text) = layers.text(&file, &name) else { continue };
        match known.and_then(|known| known.same(&name, &text)) {
            Some(same) => drop(layers.taken_over.insert(name, same)),
            None => layers.read_shops(name, text),
        }
    }
    layers.name_unread_files();
    layers.refuse_shops_in_two_files();
    layers.read_environment(env);
    layers.merge();
    layers
}

/// Reads the main file and the environment, which alone say where the daemon and its database are.
pub fn load_main(named: Option<&FilePath>, env: &Env) -> Layers {
    let mut layers = Layers::of_main(named);
    layers.read_environment(env);
    layers.merge();
    layers
}

/// The folder a file is in.
fn folder_of(file: &FilePath) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// `shops.d/*.toml` in a folder, in the order of names. Hidden files are an editor's.
pub(super) fn shop_files(folder: &FilePath) -> std::io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder.join("shops.d")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if !is_hidden(&name) && is_toml(&name) && !is_folder(&entry) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names.into_iter().map(|name| folder.join("shops.d").join(name)).collect())
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn is_toml(name: &OsStr) -> bool {
    FilePath::new(name).extension().is_some_and(|ending| ending == "toml")
}

/// Folders say what they are when they are listed; only what a link leads to has to be asked for.
fn is_folder(entry: &std::fs::DirEntry) -> bool {
    match entry.file_type() {
        Ok(kind) if !kind.is_symlink() => kind.is_dir(),
        _ => entry.path().is_dir(),
    }
}

impl Layers {
    fn of_main(named: Option<&FilePath>) -> Self {
        let main = named.unwrap_or_else(|| FilePath::new(DEFAULT_FILE));
        let mut layers = Self { folder: folder_of(main), ..Self::default() };
        // One that is there and cannot be looked at is not one that is not there.
        let is_absent = |error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        if named.is_some() || !main.symlink_metadata().is_err_and(is_absent) {
            let name = main.file_name().map_or_else(|| main.as_os_str().to_string_lossy(), OsStr::to_string_lossy);
            let name: Arc<str> = name.into();
            let text = layers.text(main, &name);
            if text.is_none() {
                layers.lost.extend(PLACES);
            }
            if let Some(layer) = text.as_ref().and_then(|text| layers.parsed(text, &name)) {
                layers.layers.push(layer);
            }
            layers.main = text;
        }
        layers
    }

    /// Where a value stands: in the last layer that says it, or else where the closest key above it does.
    pub(super) fn origin(&self, path: &[String]) -> (Origin, Option<&Variable>) {
        let within = || self.places_within(path);
        for length in (1..=path.len()).rev() {
            let part = path.get(..length).unwrap_or_default();
            // A table that only variables speak of stands nowhere itself: its first key does.
            if let Some((layer, place)) = self.place(part).or_else(|| within().filter(|_| length == path.len())) {
                let origin = Origin { file: Arc::clone(&layer.name), line: place.line };
                return (origin, place.variable.as_ref());
            }
        }
        let file = self.names.first().cloned().unwrap_or_default();
        (Origin { file, line: 0 }, None)
    }

    fn places_within(&self, path: &[String]) -> Option<(&Layer, &Place)> {
        self.sayers(path).find_map(|(_, layer)| Some((layer, layer.first_within(path)?)))
    }

    fn place(&self, path: &[String]) -> Option<(&Layer, &Place)> {
        self.sayers(path).find_map(|(_, layer)| Some((layer, layer.places.get(path)?)))
    }

    /// The layers that say anything below the first two steps of a path, with their numbers, the last one first.
    fn sayers(&self, path: &[String]) -> impl Iterator<Item = (usize, &Layer)> {
        let known = self.sayers.get(path.get(..2).unwrap_or(path)).map_or(&[][..], Vec::as_slice);
        known.iter().rev().filter_map(|number| Some((*number, self.layers.get(*number)?)))
    }

    fn note_sayers(&mut self) {
        for (number, layer) in self.layers.iter().enumerate() {
            let mut last: &[String] = &[];
            for path in layer.places.keys() {
                for steps in (1..=path.len().min(2)).filter(|steps| path.get(..*steps) != last.get(..*steps)) {
                    let part = path.get(..steps).unwrap_or_default();
                    self.sayers.entry(part.to_vec()).or_default().push(number);
                }
                last = path;
            }
        }
    }

    /// Something about a key, with the place where it stands (or would).
    pub fn finding(
        &self,
        path: &[&str],
        severity: Severity,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        let path: Path = path.iter().map(ToString::to_string).collect();
        let (origin, variable) = self.origin(&path);
        let key = variable.map_or_else(|| written(&path), |variable| variable.name.clone());
        Finding {
            file: origin.file.to_string(),
            line: origin.line,
            key,
            severity,
            cause: cause.into(),
            remedy: remedy.into(),
        }
    }

    /// Where these files come in the order of reading.
    pub(super) fn positions<'f>(&self, files: impl Iterator<Item = &'f str>) -> HashMap<String, usize> {
        let wanted: HashSet<&str> = files.collect();
        let found = self.names.iter().enumerate().filter(|(_, name)| wanted.contains(&***name));
        found.map(|(position, name)| (name.to_string(), position)).collect()
    }

    /// The number of the last layer that says this very key.
    pub(super) fn rank(&self, path: &[String]) -> Option<usize> {
        self.sayers(path).find(|(_, layer)| layer.places.contains_key(path)).map(|(number, _)| number)
    }

    /// Whether a file could not be read.
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Whether a finding is about something that stands somewhere, and not about something missing.
    pub fn says(&self, finding: &Finding) -> bool {
        let stands = |path: &Path| written(path) == finding.key;
        finding.file == ENVIRONMENT || self.layers.iter().any(|layer| layer.places.keys().any(stands))
    }

    /// Every key that a layer says, with its place.
    pub(super) fn origins(&self) -> Origins {
        let mut origins = Origins::default();
        for layer in &self.layers {
            for (path, place) in &layer.places {
                origins.insert(written(path), Origin { file: Arc::clone(&layer.name), line: place.line });
            }
        }
        origins
    }

    fn shop_files(&mut self) -> Vec<PathBuf> {
        shop_files(&self.folder).unwrap_or_else(|error| {
            self.fault("shops.d", 0, format!("the folder cannot be read: {error}"), "let the daemon's user read it");
            Vec::new()
        })
    }

    /// What stands in shops.d under another name than it takes to be read. Hidden files are an editor's.
    fn name_unread_files(&mut self) {
        let entries = std::fs::read_dir(self.folder.join("shops.d")).into_iter().flatten().flatten();
        let unread = entries.filter(|entry| {
            let name = entry.file_name();
            !is_hidden(&name) && !is_toml(&name) && entry.path().is_file()
        });
        let mut names: Vec<String> = unread.map(|entry| entry.file_name().to_string_lossy().into()).collect();
        names.sort();
        self.findings.extend(names.into_iter().map(|name| Finding {
            file: format!("shops.d/{name}"),
            line: 0,
            key: String::new(),
            severity: Severity::Note,
            cause: "the file is not read, because its name does not end in .toml".to_owned(),
            remedy: "rename it if its shops are meant".to_owned(),
        }));
    }

    /// A file that cannot be used as a whole.
    fn fault(&mut self, file: &str, line: u32, cause: String, remedy: &str) {
        self.incomplete = true;
        self.findings.push(Finding {
            file: file.to_owned(),
            line,
            key: String::new(),
            severity: Severity::Error,
            cause,
            remedy: remedy.to_owned(),
        });
    }

    /// What a file says.
    fn text(&mut self, file: &FilePath, name: &Arc<str>) -> Option<String> {
        self.files.push(file.to_owned());
        self.names.push(Arc::clone(name));
        match std::fs::read(file).map(String::from_utf8) {
            Ok(Ok(text)) => return Some(text),
            Ok(Err(_)) => self.fault(name, 0, "the file is not UTF-8 text".to_owned(), "save it as UTF-8"),
            Err(error) => {
                let (cause, remedy) = match error.kind() {
                    std::io::ErrorKind::NotFound => {
                        (format!("there is no file `{}`", file.display()), "write it, or name another with `--config`")
                    }
                    _ => (format!("`{}` cannot be read: {error}", file.display()), "let the daemon's user read it"),
                };
                self.fault(name, 0, cause, remedy);
            }
        }
        None
    }

    fn parsed(&mut self, text: &str, name: &Arc<str>) -> Option<Layer> {
        match spans::parse(text) {
            Ok(parsed) => Some(Layer::new(name, parsed)),
            Err(all) => {
                for broken in &all {
                    let cause = format!("not TOML at column {}: {}", broken.column, broken.message);
                    let remedy = "correct the line (texts stand in quotes); nothing else in this file was looked at";
                    self.fault(name, broken.line, cause, remedy);
                }
                if name.starts_with(OF_SHOPS) {
                    return None;
                }
                let (parsed, lost) = salvaged(text, &all);
                self.lost.extend(lost);
                Some(Layer::new(name, parsed))
            }
        }
    }

    fn read_shops(&mut self, name: Arc<str>, text: String) {
        let Some(mut layer) = self.parsed(&text, &name) else { return };
        self.keep_shops_only(&mut layer);
        let shops = layer.dict.get("shops").and_then(Value::as_dict).into_iter().flat_map(Dict::keys).cloned();
        self.read.push(Read { name, text, shops: shops.collect() });
        self.layers.push(layer);
    }

    /// The shops of files that say what they said before.
    pub fn taken_over(&self) -> impl Iterator<Item = &KnownShop> {
        self.taken_over.values().flat_map(|file| &file.shops)
    }

    fn keep_shops_only(&mut self, layer: &mut Layer) {
        let others: BTreeSet<String> = layer.dict.keys().filter(|key| *key != "shops").cloned().collect();
        for key in others {
            layer.dict.remove(&key);
            let line = layer.places.get(&vec![key.clone()]).map_or(0, |place| place.line);
            layer.places.retain(|path, _| path.first() != Some(&key));
            self.findings.push(Finding {
                file: layer.name.to_string(),
                line,
                key,
                severity: Severity::Error,
                cause: "files in shops.d hold `[shops.…]` only".to_owned(),
                remedy: "move it to the main file".to_owned(),
            });
        }
    }

    /// A shop stands in one file; of two, the first counts until the fault is mended.
    fn refuse_shops_in_two_files(&mut self) {
        let known = self.taken_over.values().flat_map(|file| &file.shops);
        let known: HashMap<&str, &KnownShop> = known.map(|shop| (shop.id.as_str(), shop)).collect();
        let mut first: HashMap<String, Origin> = HashMap::new();
        for layer in &mut self.layers {
            let Some(Value::Dict(tag, shops)) = layer.dict.remove("shops") else { continue };
            let mut kept = Dict::new();
            for (id, shop) in shops {
                let path = vec!["shops".to_owned(), id.clone()];
                let line = layer.places.get(&path).map_or(0, |place| place.line);
                let other = first.get(&id).or_else(|| known.get(id.as_str())?.origins.get(&format!("shops.{id}")));
                if let Some(other) = other {
                    layer.places.retain(|at, _| !at.starts_with(&path));
                    self.findings.push(Finding {
                        file: layer.name.to_string(),
                        line,
                        key: written(&path),
                        severity: Severity::Error,
                        cause: format!("the shop also stands in {}:{}", other.file, other.line),
                        remedy: "keep it in one of the two files".to_owned(),
                    });
                } else {
                    first.insert(id.clone(), Origin { file: Arc::clone(&layer.name), line });
                    kept.insert(id, shop);
                }
            }
            layer.dict.insert("shops".to_owned(), Value::Dict(tag, kept));
        }
    }

    fn read_environment(&mut self, env: &Env) {
        let mut layer = Layer { name: ENVIRONMENT.into(), ..Layer::default() };
        for (name, text) in &env.vars {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let steps: Vec<&str> = rest.split("__").collect();
            if steps.iter().any(|step| step.is_empty()) {
                self.findings.push(Finding {
                    file: ENVIRONMENT.to_owned(),
                    line: 0,
                    key: name.clone(),
                    severity: Severity::Error,
                    cause: "this names no key".to_owned(),
                    remedy: "write SHOPSYNCD__SECTION__KEY, with two underscores between the steps".to_owned(),
                });
                continue;
            }
            let path = self.meant_path(&steps);
            let value = spans::parse_value(text).unwrap_or_else(|| Value::from(text.clone()));
            let variable = Variable { name: name.clone(), text: text.clone() };
            layer.note(&path, &value, &variable);
            put(&mut layer.dict, &path, value);
        }
        self.layers.push(layer);
    }

    /// Variables cannot have small letters and hyphens in every shell: a step means the key that is there already and
    /// is equal but for these, else the step in small letters.
    fn meant_path(&self, steps: &[&str]) -> Path {
        let mut path = Path::new();
        for wanted in steps {
            let known = self.layers.iter().flat_map(|layer| layer.places.keys()).find(|known| {
                known.len() == path.len() + 1
                    && known.starts_with(&path)
                    && known
                        .last()
                        .is_some_and(|key| key.replace('-', "_").eq_ignore_ascii_case(&wanted.replace('-', "_")))
            });
            let key = known.and_then(|known| known.last().cloned()).unwrap_or_else(|| wanted.to_lowercase());
            path.push(key);
        }
        path
    }

    /// Takes the layers' values; their places stay.
    fn merge(&mut self) {
        self.note_sayers();
        let Some((environment, files)) = self.layers.split_last_mut() else { return };
        // A shop stands in one file. So what lies over it can only be variables, and thousands of shops of which these say nothing are
        // taken as they are: figment would copy them again and again.
        let mut shops = Dict::new();
        for layer in &mut *files {
            if let Some(Value::Dict(_, own)) = layer.dict.remove("shops") {
                shops.extend(own);
            }
        }
        let named = environment.dict.get("shops").and_then(Value::as_dict).into_iter().flat_map(Dict::keys);
        let named: Dict = named.filter_map(|id| shops.remove_entry(id)).collect();
        let named = Layer { dict: Dict::from([("shops".to_owned(), Value::from(named))]), ..Layer::default() };
        let said = files.iter().filter(|layer| !layer.dict.is_empty()).chain([&named, &*environment]);
        let merged = said.fold(Figment::new(), |all, layer| all.merge(layer)).extract::<Dict>();
        match merged {
            Ok(values) => self.values = values,
            Err(error) => self.fault("", 0, format!("the layers do not merge: {error}"), "report this as a bug"),
        }
        // Where a variable makes something else of the whole table, that is what counts.
        if let Some(Value::Dict(_, all)) = self.values.get_mut("shops") {
            all.extend(shops);
        }
    }
}

impl Layer {
    fn new(name: &Arc<str>, parsed: spans::Parsed) -> Self {
        let place = |line| Place { line, variable: None };
        let places = parsed.lines.into_iter().map(|(path, line)| (path, place(line))).collect();
        Self { name: Arc::clone(name), dict: parsed.dict, places }
    }

    /// Where the first key at or below a path stands: keys are in order, so these follow each other.
    fn first_within(&self, path: &[String]) -> Option<&Place> {
        let (at, place) = self.places.range(path.to_vec()..).next()?;
        at.starts_with(path).then_some(place)
    }

    /// Remembers that a variable says this value and everything in it.
    fn note(&mut self, path: &Path, value: &Value, variable: &Variable) {
        self.places.insert(path.clone(), Place { line: 0, variable: Some(variable.clone()) });
        match value {
            Value::Dict(_, dict) => dict.iter().for_each(|(key, value)| self.note(&step(path, key), value, variable)),
            Value::Array(_, items) => {
                let numbered = items.iter().enumerate();
                numbered.for_each(|(number, value)| self.note(&step(path, &number.to_string()), value, variable));
            }
            _ => {}
        }
    }
}

/// Puts a value at its path, making tables on the way. Two variables that contradict each other: the later name wins.
fn put(dict: &mut Dict, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            dict.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            let mut inner = match dict.remove(key) {
                Some(Value::Dict(_, inner)) => inner,
                _ => Dict::new(),
            };
            put(&mut inner, rest, value);
            dict.insert(key.clone(), Value::from(inner));
        }
    }
}
