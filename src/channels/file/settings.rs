//! The channel's own settings of a shop.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{columns::KNOWN, text::EncodingSetting};
use crate::{
    channels::{Key, SettingFault},
    domain::Currency,
};

/// The keys under `[shops.X]`.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "path",
        doc: "The product file, or a pattern with `*` and `?` in the file's name: its files are read in name order. A \
              relative path starts in the folder of the main settings file. \
              Example: \"/srv/erp/products.csv\".",
        required: true,
    },
    Key {
        name: "format",
        doc: "How the file is written: \"csv\" (our own columns), \"jsonl\" (one JSON object a line), \"shopify\" \
              (Shopify's product export) or \"auto\" (told by its beginning). Default \"auto\".",
        required: false,
    },
    Key {
        name: "columns",
        doc: "For CSV files with other headers: our name to the file's. Example: { sku = \"Artikelnummer\" }.",
        required: false,
    },
    Key {
        name: "currency",
        doc: "The currency of prices where the file does not say. Example: \"EUR\".",
        required: false,
    },
    Key {
        name: "encoding",
        doc: "\"auto\" (UTF-8, or UTF-16 with a byte order mark), \"utf-8\", \"utf-16\" or \"windows-1252\". Default \
              \"auto\".",
        required: false,
    },
];

/// The `format` of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Format {
    #[default]
    Auto,
    Csv,
    JsonLines,
    Shopify,
}

/// A file shop's settings.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    /// Our name to the file's.
    pub(super) columns: BTreeMap<String, String>,
    pub(super) currency: Option<Currency>,
    pub(super) encoding: EncodingSetting,
}

impl Settings {
    /// Reads them; all faults at once.
    pub(super) fn read(own: &Map<String, Value>) -> Result<Self, Vec<SettingFault>> {
        let mut faults = Vec::new();
        let path = text(own, "path", &mut faults).unwrap_or_default();
        if path.is_empty() && faults.is_empty() {
            faults.push(fault("path", "no product file is named", "set `path`, for example \"/srv/erp/products.csv\""));
        }
        let path = PathBuf::from(path);
        if path.parent().is_some_and(|folder| is_pattern(&folder.to_string_lossy())) {
            faults.push(fault(
                "path",
                "`*` and `?` stand in a folder's name",
                "use them in the file's name only, for example \"/srv/erp/*.csv\"",
            ));
        }
        let formats =
            [("auto", Format::Auto), ("csv", Format::Csv), ("jsonl", Format::JsonLines), ("shopify", Format::Shopify)];
        let encodings = [
            ("auto", EncodingSetting::Auto),
            ("utf-8", EncodingSetting::Utf8),
            ("utf-16", EncodingSetting::Utf16),
            ("windows-1252", EncodingSetting::Windows1252),
        ];
        let settings = Self {
            path,
            format: choice(own, "format", &formats, &mut faults),
            columns: columns(own, &mut faults),
            currency: currency(own, &mut faults),
            encoding: choice(own, "encoding", &encodings, &mut faults),
        };
        if settings.format == Format::Shopify && settings.currency.is_none() && faults.is_empty() {
            faults.push(fault(
                "currency",
                "Shopify's export does not say the currency of its prices",
                "set `currency`, for example \"EUR\"",
            ));
        }
        if faults.is_empty() { Ok(settings) } else { Err(faults) }
    }

    /// Whether `path` names a pattern instead of one file.
    pub(super) fn is_pattern(&self) -> bool {
        is_pattern(&file_name(&self.path))
    }

    /// Everything here that changes what a file says, as text.
    pub(super) fn digest_text(&self) -> String {
        format!("{:?} {:?} {:?} {:?}", self.format, self.columns, self.currency, self.encoding)
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// The last part of a path, for people.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn fault(key: &str, cause: impl Into<String>, remedy: impl Into<String>) -> SettingFault {
    SettingFault { key: key.to_owned(), cause: cause.into(), remedy: remedy.into() }
}

fn text<'a>(own: &'a Map<String, Value>, key: &str, faults: &mut Vec<SettingFault>) -> Option<&'a str> {
    let value = own.get(key)?;
    let text = value.as_str();
    if text.is_none() {
        faults.push(fault(key, format!("{value} is not a text"), "put it in quotes"));
    }
    text
}

fn choice<T: Copy + Default>(
    own: &Map<String, Value>,
    key: &str,
    choices: &[(&str, T)],
    faults: &mut Vec<SettingFault>,
) -> T {
    let Some(named) = text(own, key, faults) else { return T::default() };
    if let Some((_, found)) = choices.iter().find(|(name, _)| *name == named) {
        return *found;
    }
    let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    faults.push(fault(
        key,
        format!("`{named}` is no {key} that can be read"),
        format!("use one of {}", names.join(", ")),
    ));
    T::default()
}

fn currency(own: &Map<String, Value>, faults: &mut Vec<SettingFault>) -> Option<Currency> {
    let named = text(own, "currency", faults)?;
    let read = named.parse().ok();
    if read.is_none() {
        let remedy = "use three letters of ISO 4217, for example \"EUR\"";
        faults.push(fault("currency", format!("`{named}` is not a currency"), remedy));
    }
    read
}

fn columns(own: &Map<String, Value>, faults: &mut Vec<SettingFault>) -> BTreeMap<String, String> {
    let mut columns = BTreeMap::new();
    let Some(value) = own.get("columns") else { return columns };
    let Some(table) = value.as_object() else {
        faults.push(fault("columns", "it is not a table", "write { sku = \"Artikelnummer\" }"));
        return columns;
    };
    for (name, header) in table {
        let key = format!("columns.{name}");
        let known = KNOWN.contains(&name.as_str()) || name.starts_with("price.") || name.starts_with("option.");
        match header.as_str().map(str::trim) {
            _ if !known => {
                let remedy = format!("use one of {}, price.CUR, option.NAME", KNOWN.join(", "));
                faults.push(fault(&key, format!("`{name}` is not a column of ours"), remedy));
            }
            None | Some("") => {
                faults.push(fault(&key, "it names no header", "write the header as it stands in the file"));
            }
            Some(header) => {
                columns.insert(name.clone(), header.to_owned());
            }
        }
    }
    columns
}
