//! The channel's own settings of a shop.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use jiff::SignedDuration;

use super::{columns::KNOWN, google, header::plain, text::EncodingSetting, woocommerce};
use crate::{
    channels::{Key, SettingFault},
    domain::{Currency, Period},
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
              (Shopify's product export), \"woocommerce\" (WooCommerce's product CSV), \"google\" (a feed for Google \
              Merchant Center) or \"auto\" (told by its beginning). Default \"auto\".",
        required: false,
    },
    Key {
        name: "columns",
        doc: "For files with other headers or keys: our name (with \"woocommerce\" and \"google\" the format's own) to \
              the file's. Example: { sku = \"Artikelnummer\" }.",
        required: false,
    },
    Key {
        name: "currency",
        doc: "The currency of prices where the file does not say. Example: \"EUR\".",
        required: false,
    },
    Key {
        name: "encoding",
        doc: "\"auto\" (UTF-8, or UTF-16 with a byte order mark), \"utf-8\", \"utf-16\", \"windows-1252\" or \
              \"iso-8859-15\". Default \"auto\".",
        required: false,
    },
    Key {
        name: "files",
        doc: "Which files of a pattern count: \"all\", together, or the \"newest\" alone, which is then the whole of the \
              products. Default \"all\".",
        required: false,
    },
    Key {
        name: "settle",
        doc: "How long a file must have stood unchanged before it is read. Default \"2 seconds\" for a pattern, \
              \"None\" for a single file. Example: \"30 seconds\".",
        required: false,
    },
    Key {
        name: "marker",
        doc: "The ending of an empty file that is written after the product file, to say that it is complete: \".done\" \
              for products.csv.done or products.done. Default: none is waited for.",
        required: false,
    },
    Key {
        name: "after_import",
        doc: "What becomes of files that a newer one has replaced, once that is imported: \"keep\", or \"archive\" to move \
              them to the folder `archive` beside them. Needs `files = \"newest\"`. Default \"keep\".",
        required: false,
    },
];

/// How long files of a pattern must stand unchanged, unless the settings say otherwise.
const SETTLE: SignedDuration = SignedDuration::from_secs(2);

/// The `format` of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Format {
    #[default]
    Auto,
    Csv,
    JsonLines,
    Shopify,
    WooCommerce,
    Google,
}

/// The `files` of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Counting {
    #[default]
    All,
    Newest,
}

/// The `after_import` of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum After {
    #[default]
    Keep,
    Archive,
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
    pub(super) counting: Counting,
    /// How long a file must have stood unchanged; zero: it need not.
    pub(super) settle: SignedDuration,
    pub(super) marker: Option<String>,
    pub(super) after: After,
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
        let format = choice(own, "format", FORMATS, &mut faults);
        let settings = Self {
            format,
            columns: columns(own, format, &mut faults),
            currency: currency(own, &mut faults),
            encoding: choice(own, "encoding", ENCODINGS, &mut faults),
            counting: choice(own, "files", &[("all", Counting::All), ("newest", Counting::Newest)], &mut faults),
            settle: settle(own, is_pattern(&file_name(&path)), &mut faults),
            marker: marker(own, &mut faults),
            after: choice(own, "after_import", &[("keep", After::Keep), ("archive", After::Archive)], &mut faults),
            path,
        };
        settings.judge_together(&mut faults);
        if faults.is_empty() { Ok(settings) } else { Err(faults) }
    }

    /// What is wrong with values that are good alone.
    fn judge_together(&self, faults: &mut Vec<SettingFault>) {
        let foreign = match self.format {
            Format::Shopify => Some("Shopify's export"),
            Format::WooCommerce => Some("WooCommerce's product CSV"),
            _ => None,
        };
        if let Some(what) = foreign.filter(|_| self.currency.is_none() && faults.is_empty()) {
            let cause = format!("{what} does not say the currency of its prices");
            faults.push(fault("currency", cause, "set `currency`, for example \"EUR\""));
        }
        if self.counting == Counting::Newest && !self.is_pattern() {
            let remedy = "name a pattern in `path`, for example \"/srv/erp/*.csv\", or leave `files` out";
            faults.push(fault("files", "`path` names a single file, of which none is the newest", remedy));
        }
        if self.after == After::Archive && self.counting == Counting::All {
            let cause = "every file counts, so one that was moved away would take its products off sale";
            faults.push(fault("after_import", cause, "set `files = \"newest\"` as well, or \"keep\" the files"));
        }
    }

    /// Whether `path` names a pattern instead of one file.
    pub(super) fn is_pattern(&self) -> bool {
        is_pattern(&file_name(&self.path))
    }

    /// Everything here that changes what a file says, as text.
    pub(super) fn digest_text(&self) -> String {
        format!("{:?} {:?} {:?} {:?} {:?}", self.format, self.columns, self.currency, self.encoding, self.counting)
    }
}

const FORMATS: &[(&str, Format)] = &[
    ("auto", Format::Auto),
    ("csv", Format::Csv),
    ("jsonl", Format::JsonLines),
    ("shopify", Format::Shopify),
    ("woocommerce", Format::WooCommerce),
    ("google", Format::Google),
];

const ENCODINGS: &[(&str, EncodingSetting)] = &[
    ("auto", EncodingSetting::Auto),
    ("utf-8", EncodingSetting::Utf8),
    ("utf-16", EncodingSetting::Utf16),
    ("windows-1252", EncodingSetting::Windows1252),
    ("iso-8859-15", EncodingSetting::Iso8859_15),
];

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

fn settle(own: &Map<String, Value>, is_pattern: bool, faults: &mut Vec<SettingFault>) -> SignedDuration {
    let Some(written) = text(own, "settle", faults) else {
        return if is_pattern { SETTLE } else { SignedDuration::ZERO };
    };
    match Period::parse(written) {
        Ok(Period::Every(length)) => return length,
        Ok(_) => {}
        Err(_) => faults.push(fault(
            "settle",
            format!("`{written}` is not a span of time"),
            "write for example \"2 seconds\", or \"None\" to read files at once",
        )),
    }
    SignedDuration::ZERO
}

fn marker(own: &Map<String, Value>, faults: &mut Vec<SettingFault>) -> Option<String> {
    let named = text(own, "marker", faults)?;
    let is_ending = named.strip_prefix('.').is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '*', '?']));
    if !is_ending {
        faults.push(fault("marker", format!("`{named}` is not the ending of a name"), "write for example \".done\""));
    }
    Some(named.to_owned())
}

fn columns(own: &Map<String, Value>, format: Format, faults: &mut Vec<SettingFault>) -> BTreeMap<String, String> {
    let mut columns = BTreeMap::new();
    let Some(value) = own.get("columns") else { return columns };
    let Some(table) = value.as_object() else {
        faults.push(fault("columns", "it is not a table", "write { sku = \"Artikelnummer\" }"));
        return columns;
    };
    for (name, header) in table {
        let key = format!("columns.{name}");
        match header.as_str().map(str::trim) {
            _ if !is_column(format, name) => {
                let (whose, known) = match format {
                    Format::WooCommerce => {
                        ("WooCommerce's", format!("{}, Attribute N name", woocommerce::KNOWN.join(", ")))
                    }
                    Format::Google => ("the feed's", google::KNOWN.join(", ")),
                    _ => ("ours", format!("{}, price.CUR, option.NAME", KNOWN.join(", "))),
                };
                let remedy = format!("use one of {known}");
                faults.push(fault(&key, format!("`{name}` is not a column of {whose}"), remedy));
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

/// Whether a format has a column of this name.
fn is_column(format: Format, name: &str) -> bool {
    let among = |known: &[&str]| known.iter().any(|known| plain(known) == plain(name));
    match format {
        Format::WooCommerce => among(woocommerce::KNOWN) || woocommerce::is_attribute(name),
        Format::Google => among(google::KNOWN),
        _ => KNOWN.contains(&name) || name.starts_with("price.") || name.starts_with("option."),
    }
}
