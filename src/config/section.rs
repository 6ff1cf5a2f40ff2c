//! Typed reading of the merged values: what has the wrong type, or is unknown, becomes a finding with its place, and
//! reading goes on.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use figment::value::{Dict, Value};

use super::{
    Finding, Severity,
    keys::{one_of, suggestion},
    load::{Env, Layers},
    spans::{Path, step},
};

/// What is read, and what was found.
pub(super) struct Book<'a> {
    pub(super) layers: &'a Layers,
    pub(super) env: &'a Env,
    pub(super) findings: RefCell<Vec<Finding>>,
    /// Files that secrets were read from.
    pub(super) secret_files: RefCell<Vec<std::path::PathBuf>>,
    /// The keys of secrets that are set, but not for whoever looks to read.
    pub(super) unread: RefCell<BTreeSet<String>>,
    /// The names of credentials that are among those, by key.
    pub(super) credentials: RefCell<BTreeMap<String, String>>,
}

impl<'a> Book<'a> {
    /// Opens the layers.
    pub(super) fn new(layers: &'a Layers, env: &'a Env) -> Self {
        let findings = RefCell::new(layers.findings.clone());
        let (secret_files, unread, credentials) = Default::default();
        Self { layers, env, findings, secret_files, unread, credentials }
    }

    /// The whole.
    pub(super) fn top(&'a self, known: &[&str]) -> Section<'a> {
        let top = self.top_level();
        top.refuse_unknown(known.iter().copied());
        top
    }

    /// The whole, without judging its keys again.
    pub(super) fn top_level(&'a self) -> Section<'a> {
        Section { book: self, dict: Some(&self.layers.values), path: Path::new() }
    }

    /// Notes something about a key.
    pub(super) fn find(
        &self,
        path: &[String],
        severity: Severity,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let finding = self.layers.finding(&path, severity, cause, remedy);
        let mut findings = self.findings.borrow_mut();
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
}

/// A table of the settings; one that is not there is empty.
#[derive(Clone)]
pub(super) struct Section<'a> {
    pub(super) book: &'a Book<'a>,
    pub(super) dict: Option<&'a Dict>,
    pub(super) path: Path,
}

impl<'a> Section<'a> {
    /// The keys that are there.
    pub(super) fn keys(&self) -> Vec<String> {
        self.dict.into_iter().flat_map(Dict::keys).cloned().collect()
    }

    /// The table's own key.
    pub(super) fn last(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    /// The path of a key in here.
    pub(super) fn at(&self, key: &str) -> Path {
        step(&self.path, key)
    }

    /// A value, where there is one.
    pub(super) fn get(&self, key: &str) -> Option<Item<'a>> {
        let value = self.dict?.get(key)?;
        Some(Item { book: self.book, value, path: self.at(key) })
    }

    /// A table in here, with the keys it may have.
    pub(super) fn table(&self, key: &str, known: &[&str]) -> Section<'a> {
        let table = self.open(key);
        table.refuse_unknown(known.iter().copied());
        table
    }

    /// A table in here whose keys are names.
    pub(super) fn open(&self, key: &str) -> Section<'a> {
        let empty = Section { book: self.book, dict: None, path: self.at(key) };
        self.get(key).and_then(|item| item.table()).unwrap_or(empty)
    }

    /// Every key that is not known is an error with a suggestion.
    pub(super) fn refuse_unknown<'k>(&self, known: impl Iterator<Item = &'k str>) {
        let known: Vec<&str> = known.collect();
        for key in self.keys() {
            if known.contains(&key.as_str()) {
                continue;
            }
            let remedy = match suggestion(&key, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the keys here are {}", one_of(&known).replace(" or ", " and ")),
            };
            self.book.find(&self.at(&key), Severity::Error, "unknown key", remedy);
        }
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.get(key)?.text("text in quotes")
    }

    /// A text that is read as something; `expected` says as what, with an example.
    pub(super) fn parsed<T, E: Display>(
        &self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.get(key)?.parsed(expected, parse)
    }

    /// A yes or no.
    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        let item = self.get(key)?;
        match item.value {
            Value::Bool(_, flag) => Some(*flag),
            _ => item.mistyped("`true` or `false`"),
        }
    }

    /// A whole number.
    pub(super) fn integer(&self, key: &str, expected: &str, allowed: impl FnOnce(i64) -> bool) -> Option<i64> {
        let item = self.get(key)?;
        let number = item.value.to_i128().and_then(|number| i64::try_from(number).ok());
        match number {
            Some(number) if allowed(number) => Some(number),
            Some(number) => {
                item.error(format!("`{number}` is out of range"), format!("use {expected}"));
                None
            }
            None => item.mistyped(expected),
        }
    }

    /// The elements of a list.
    pub(super) fn list(&self, key: &str, expected: &str) -> Option<Vec<Item<'a>>> {
        let item = self.get(key)?;
        let Value::Array(_, items) = item.value else { return item.mistyped(expected) };
        let element =
            |(number, value)| Item { book: self.book, value, path: step(&item.path, &usize::to_string(&number)) };
        Some(items.iter().enumerate().map(element).collect())
    }
}

/// A value and where it stands.
pub(super) struct Item<'a> {
    pub(super) book: &'a Book<'a>,
    pub(super) value: &'a Value,
    pub(super) path: Path,
}

impl<'a> Item<'a> {
    /// Notes an error about it.
    pub(super) fn error(&self, cause: impl Into<String>, remedy: impl Into<String>) {
        self.book.find(&self.path, Severity::Error, cause, remedy);
    }

    /// Notes a warning about it.
    pub(super) fn warning(&self, cause: impl Into<String>, remedy: impl Into<String>) {
        self.book.find(&self.path, Severity::Warning, cause, remedy);
    }

    /// Notes that it has the wrong type. Always `None`.
    pub(super) fn mistyped<T>(&self, expected: &str) -> Option<T> {
        let kind = expected.split(", for example").next().unwrap_or(expected);
        self.error(format!("expected {kind}, found {}", type_of(self.value)), format!("write {expected}"));
        None
    }

    /// As a text. A variable of the environment has no type: its text is taken as it stands.
    pub(super) fn text(&self, expected: &str) -> Option<String> {
        match (self.value, self.book.layers.origin(&self.path).1) {
            (Value::String(_, text), _) => Some(text.clone()),
            (Value::Dict(..) | Value::Array(..), _) | (_, None) => self.mistyped(expected),
            (_, Some(variable)) => Some(variable.text.clone()),
        }
    }

    /// As a text that is read as something.
    pub(super) fn parsed<T, E: Display>(&self, expected: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        match parse(&self.text(expected)?) {
            Ok(value) => Some(value),
            Err(cause) => {
                // Some errors bring their remedy along.
                let said = cause.to_string();
                match said.split_once("; ") {
                    Some((cause, remedy)) => self.error(cause, remedy),
                    None => self.error(said, format!("write {expected}")),
                }
                None
            }
        }
    }

    /// As a table.
    pub(super) fn table(&self) -> Option<Section<'a>> {
        match self.value {
            Value::Dict(_, dict) => Some(Section { book: self.book, dict: Some(dict), path: self.path.clone() }),
            _ => self.mistyped("a table"),
        }
    }
}

/// What a value is, in words.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "text",
        Value::Bool(..) => "a yes or no",
        Value::Num(..) if value.to_i128().is_some() => "a whole number",
        Value::Num(..) => "a number with a point",
        Value::Empty(..) => "nothing",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
    }
}
