//! The channel with real small files.

#![expect(clippy::unwrap_used, reason = "tests")]

mod bad_input;
mod folder;
mod google;
mod passes;
mod refusals;
mod rows;
mod shopify;
mod woocommerce;
mod writing;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{DEF, FileChannel, content::Mark, settings::Settings};
use crate::{
    channels::{ChannelError, From, Page, PushResult},
    clock::Clock,
    domain::{Complaint, Cursor, Field, Listing, PassKind, Values, plan::Change},
};

/// A folder with one product file.
struct Shop {
    folder: TempDir,
    path: PathBuf,
    channel: FileChannel,
}

impl Shop {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        Self::with(name, content, &json!({}))
    }

    /// With further settings.
    fn with(name: &str, content: impl AsRef<[u8]>, more: &Value) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let channel = Self::channel(&path, more, 3);
        Self { folder, path, channel }
    }

    fn channel(path: &std::path::Path, more: &Value, page_rows: usize) -> FileChannel {
        let mut own = more.as_object().unwrap().clone();
        own.insert("path".to_owned(), json!(path));
        FileChannel::new(Settings::read(&own).unwrap(), page_rows, Clock::system())
    }

    fn pull(&self, kind: PassKind, cursor: Option<&Cursor>, first: bool) -> Result<Page, ChannelError> {
        self.channel.0.pull(&From { kind, cursor: cursor.cloned(), first })
    }

    /// A complete pass: listings, complaints, where the next one resumes.
    fn read(&self) -> Result<(Vec<Listing>, Vec<Complaint>, Cursor), ChannelError> {
        let mut page = self.pull(PassKind::Full, None, true)?;
        let (mut listings, mut complaints) = (Vec::new(), Vec::new());
        loop {
            listings.append(&mut page.listings);
            complaints.append(&mut page.complaints);
            complaints.append(&mut page.remarks);
            let Some(next) = page.next else { return Ok((listings, complaints, page.resume.unwrap())) };
            page = self.pull(PassKind::Full, Some(&next), false)?;
        }
    }

    /// What a person is told of a file that is refused: the text without the folder, then the remedy.
    fn refusal(&self) -> String {
        self.words(&self.read().unwrap_err())
    }

    fn words(&self, error: &ChannelError) -> String {
        let folder = format!("{}/", self.folder.path().display());
        format!("{}; {}", error.text, error.remedy).replace(&folder, "").replace(folder.trim_end_matches('/'), "FOLDER")
    }

    /// Listings in short: SKU, title, prices, stock.
    fn brief(&self) -> String {
        let (listings, complaints, _) = self.read().unwrap();
        let mut lines: Vec<String> = listings.iter().map(brief).collect();
        lines.extend(
            complaints.iter().map(|complaint| format!("{} [{}] {}", complaint.sku, complaint.code, complaint.text)),
        );
        lines.join("\n")
    }

    fn push(&self, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
        super::write::push(&self.channel.0.settings, changes)
    }

    /// Pushes wanted values for one SKU as it was last read, and says in short what became of it.
    fn set(&self, sku: &str, wanted: Values, fields: &[Field]) -> String {
        let (listings, _, _) = self.read().unwrap();
        let listing = listings.into_iter().find(|listing| listing.sku.as_str() == sku);
        let change = Change {
            sku: sku.parse().unwrap(),
            listing,
            product: None,
            siblings: Vec::new(),
            wanted,
            fields: fields.to_vec(),
        };
        said(&self.push(&[change]).unwrap()[0])
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    /// Makes the file an hour old.
    fn age(&self) {
        let then = SystemTime::now() - Duration::from_hours(1);
        fs::File::options().write(true).open(&self.path).unwrap().set_modified(then).unwrap();
    }
}

fn brief(listing: &Listing) -> String {
    let Listing { sku, title, prices, stock, .. } = listing;
    format!("{sku} | {title} | {prices:?} | {stock:?}")
}

fn said(result: &PushResult) -> String {
    match result {
        PushResult::Done { listing, .. } => format!("done: {}", brief(listing)),
        PushResult::Refused(complaint) => format!("refused: {} [{}] {}", complaint.sku, complaint.code, complaint.text),
        PushResult::Remarked { .. } => "remarked".to_owned(),
        PushResult::Pending { .. } => "pending".to_owned(),
    }
}

#[test]
fn the_page_names_every_setting_and_column() {
    for key in DEF.shop_keys {
        assert!(DEF.page.contains(&format!("`{}`", key.name)), "{} is missing", key.name);
    }
    for column in super::columns::KNOWN {
        assert!(DEF.page.contains(&format!("`{column}`")), "{column} is missing");
    }
}

#[test]
fn settings_are_read_and_every_fault_is_named() {
    let faults = |own: Value| -> Vec<String> {
        let faults = Settings::read(own.as_object().unwrap()).unwrap_err();
        faults.into_iter().map(|fault| format!("{}: {}; {}", fault.key, fault.cause, fault.remedy)).collect()
    };
    insta::assert_debug_snapshot!(faults(json!({})), @r#"
    [
        "path: no product file is named; set `path`, for example \"/srv/erp/products.csv\"",
    ]
    "#);
    insta::assert_debug_snapshot!(faults(json!({
        "path": "/srv/*/products.csv", "format": "excel", "currency": "Euro", "encoding": "latin-1",
        "columns": { "sku": "", "weight": "Gewicht" },
    })), @r#"
    [
        "path: `*` and `?` stand in a folder's name; use them in the file's name only, for example \"/srv/erp/*.csv\"",
        "format: `excel` is no format that can be read; use one of \"auto\", \"csv\", \"jsonl\", \"shopify\", \"woocommerce\", \"google\"",
        "columns.sku: it names no header; write the header as it stands in the file",
        "columns.weight: `weight` is not a column of ours; use one of sku, title, price, currency, stock, product_id, description, brand, category, barcode, images, price.CUR, option.NAME",
        "currency: `Euro` is not a currency; use three letters of ISO 4217, for example \"EUR\"",
        "encoding: `latin-1` is no encoding that can be read; use one of \"auto\", \"utf-8\", \"utf-16\", \"windows-1252\", \"iso-8859-15\"",
    ]
    "#);
    insta::assert_debug_snapshot!(faults(json!({ "path": 7, "columns": "sku" })), @r#"
    [
        "path: 7 is not a text; put it in quotes",
        "columns: it is not a table; write { sku = \"Artikelnummer\" }",
    ]
    "#);
    insta::assert_debug_snapshot!(faults(json!({ "path": "/srv/p.csv", "format": "shopify" })), @r#"
    [
        "currency: Shopify's export does not say the currency of its prices; set `currency`, for example \"EUR\"",
    ]
    "#);
}

#[test]
fn one_file_is_one_place_whatever_it_is_called() {
    let shop = Shop::new("products.csv", "sku,title,price,currency,stock\nA,Cup,1,EUR,1\n");
    let link = shop.folder.path().join("link.csv");
    std::os::unix::fs::symlink(&shop.path, &link).unwrap();
    let by_link = Shop::channel(&link, &json!({}), 3);
    let by_dots = Shop::channel(&shop.folder.path().join("./products.csv"), &json!({}), 3);
    let place = |channel: &FileChannel| crate::channels::Channel::place(channel);
    assert_eq!(place(&by_link), place(&shop.channel));
    assert_eq!(place(&by_dots), place(&shop.channel));
}
