//! A TOML text as plain values, with the line of each: what figment does not keep.

use std::{collections::BTreeMap, ops::Range};

use figment::value::{Dict, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A key's place among the keys: `["shops", "tw-01", "jobs"]`. Elements of lists are numbered from 0.
pub(super) type Path = Vec<String>;

/// What a text says, and on which line each key and list element stands.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// The values. Dates and times are texts.
    pub(super) dict: Dict,
    /// Lines, from 1.
    pub(super) lines: BTreeMap<Path, u32>,
}

/// A place that is not TOML.
#[derive(Debug)]
pub(super) struct Broken {
    /// The line, from 1.
    pub(super) line: u32,
    /// The column, from 1, in characters.
    pub(super) column: usize,
    /// The parser's words.
    pub(super) message: String,
}

/// Reads a text; all places that are not TOML at once.
pub(super) fn parse(text: &str) -> Result<Parsed, Vec<Broken>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(without_echoes(text, &errors).map(|error| broken(text, error)).collect());
    }
    Ok(walked(text, table.get_ref()))
}

/// A table that stands twice is one fault, however many of its keys do.
fn without_echoes<'e>(text: &'e str, errors: &'e [toml::de::Error]) -> impl Iterator<Item = &'e toml::de::Error> {
    let is_header = |line: &str| line.trim_start().starts_with('[');
    let mut doubled: Option<usize> = None;
    errors.iter().filter(move |error| {
        let at = offset_of(text, error);
        let line = text.get(..at).unwrap_or_default().rfind('\n').map_or(0, |end| end + 1);
        let twice = error.message().contains("duplicate key");
        let below = doubled.and_then(|header| text.get(header..line));
        if twice && below.is_some_and(|lines| !lines.lines().skip(1).any(is_header)) {
            return false;
        }
        doubled = (twice && is_header(text.get(line..).unwrap_or_default())).then_some(line);
        true
    })
}

fn offset_of(text: &str, error: &toml::de::Error) -> usize {
    error.span().unwrap_or(Range { start: 0, end: 0 }).start.min(text.len())
}

/// What can be read of a text that is not TOML everywhere.
pub(super) fn salvage(text: &str) -> Parsed {
    let (table, _) = DeTable::parse_recoverable(text);
    walked(text, table.get_ref())
}

fn walked(text: &str, table: &DeTable<'_>) -> Parsed {
    let mut walk = Walk::new(text);
    let dict = walk.table(table, &Vec::new());
    Parsed { dict, lines: walk.lines }
}

/// Reads one value, as it could stand after `key =`.
pub(super) fn parse_value(text: &str) -> Option<Value> {
    let value = DeValue::parse(text).ok()?;
    let mut walk = Walk::new(text);
    Some(walk.value(&value, &Vec::new()))
}

fn broken(text: &str, error: &toml::de::Error) -> Broken {
    let at = offset_of(text, error);
    let before = text.get(..at).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let header = before.rsplit('\n').next().is_some_and(|line| line.trim_start().starts_with('['));
    let message = match (message.as_str(), header) {
        ("duplicate key", true) => "the table stands above already".to_owned(),
        ("duplicate key", false) => {
            let key = error.span().and_then(|span| text.get(span)).unwrap_or_default();
            format!("`{key}` stands above already, in the same table")
        }
        _ => message,
    };
    Broken { line: line_of(text, at), column, message }
}

fn line_of(text: &str, offset: usize) -> u32 {
    let breaks = text.get(..offset).unwrap_or_default().matches('\n').count();
    u32::try_from(breaks).unwrap_or(u32::MAX - 1) + 1
}

struct Walk {
    /// Where each line ends. Ten thousand shops may stand in one file, so lines are not counted from its beginning for every key.
    ends: Vec<usize>,
    lines: BTreeMap<Path, u32>,
}

impl Walk {
    fn new(text: &str) -> Self {
        Self { ends: text.match_indices('\n').map(|(at, _)| at).collect(), lines: BTreeMap::new() }
    }

    fn line(&self, offset: usize) -> u32 {
        let ended = self.ends.partition_point(|end| *end < offset);
        u32::try_from(ended).unwrap_or(u32::MAX - 1) + 1
    }

    fn table(&mut self, table: &DeTable<'_>, path: &Path) -> Dict {
        let mut dict = Dict::new();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            let path = step(path, &name);
            self.lines.insert(path.clone(), self.line(key.span().start));
            dict.insert(name, self.value(value, &path));
        }
        dict
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: &Path) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::from(text.to_string()),
            // Numbers that do not fit stay texts: whoever wants a number then says so.
            DeValue::Integer(number) => {
                let text = number.as_str().replace('_', "");
                i64::from_str_radix(&text, number.radix()).map_or_else(|_| Value::from(text), Value::from)
            }
            DeValue::Float(number) => {
                let text = number.as_str().replace('_', "");
                text.parse::<f64>().map_or_else(|_| Value::from(text), Value::from)
            }
            DeValue::Boolean(flag) => Value::from(*flag),
            DeValue::Datetime(date) => Value::from(date.to_string()),
            DeValue::Array(items) => {
                let mut values = Vec::new();
                for (number, item) in items.iter().enumerate() {
                    let path = step(path, &number.to_string());
                    self.lines.insert(path.clone(), self.line(item.span().start));
                    values.push(self.value(item, &path));
                }
                Value::from(values)
            }
            DeValue::Table(table) => Value::from(self.table(table, path)),
        }
    }
}

/// `path` and one more step.
pub(super) fn step(path: &[String], key: &str) -> Path {
    path.iter().cloned().chain([key.to_owned()]).collect()
}

/// A path as people write it.
pub(super) fn written(path: &[String]) -> String {
    let plain =
        |key: &String| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    path.iter().map(|key| if plain(key) { key.clone() } else { format!("{key:?}") }).collect::<Vec<_>>().join(".")
}
