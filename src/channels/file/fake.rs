//! Folders with a product file, for the suite that every channel must pass.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::json;

use super::{FileChannel, settings::Settings};
use crate::{
    channels::{
        Access, Channel,
        conformance::{Actual, Rig, World},
    },
    clock::Clock,
    domain::{Currency, Price, Sku, Values},
};

const PAGE_ROWS: usize = 20;

/// How the file of a folder is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Csv,
    Google,
    JsonLines,
    WooCommerce,
}

/// Makes folders with one file.
struct FileRig(Kind);

/// With CSV in them: German delimiters, and a column of the seller's own.
pub(super) fn csv() -> Box<dyn Rig> {
    Box::new(FileRig(Kind::Csv))
}

/// With a feed for Google Merchant Center in them.
pub(super) fn google() -> Box<dyn Rig> {
    Box::new(FileRig(Kind::Google))
}

/// With JSON Lines in them, one of whose keys is not ours.
pub(super) fn json_lines() -> Box<dyn Rig> {
    Box::new(FileRig(Kind::JsonLines))
}

/// With WooCommerce's product CSV in them: every other product comes in variations, of which it has one.
pub(super) fn woocommerce() -> Box<dyn Rig> {
    Box::new(FileRig(Kind::WooCommerce))
}

#[async_trait]
impl Rig for FileRig {
    async fn start(&self, listings: usize) -> Box<dyn World> {
        let world = Folder::new(self.0);
        let rows = (0..listings).map(|number| FakeRow {
            sku: format!("sku-{number:04}"),
            price: Decimal::new(1_990 + number as i64, 2),
            stock: number as i64 % 7 + 1,
            title: format!("Product {number}"),
        });
        world.write(&rows.collect::<Vec<_>>());
        Box::new(world)
    }

    fn page_size(&self) -> usize {
        PAGE_ROWS
    }

    fn groups_variants(&self) -> bool {
        false
    }

    fn remote(&self) -> bool {
        false
    }
}

/// Writes the row of a number.
type WriteRow = fn((usize, &FakeRow)) -> String;

#[derive(Clone)]
struct FakeRow {
    sku: String,
    price: Decimal,
    stock: i64,
    title: String,
}

struct Folder {
    path: PathBuf,
    kind: Kind,
    clock: Clock,
    channel: Arc<FileChannel>,
}

impl Folder {
    fn new(kind: Kind) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("shopsyncd-files-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("the folder of temporary files can be written");
        let own = match kind {
            Kind::Csv => json!({ "path": path.join("products.csv"), "columns": { "stock": "Bestand" } }),
            Kind::Google => json!({ "path": path.join("products.tsv") }),
            Kind::JsonLines => json!({ "path": path.join("products.jsonl"), "columns": { "stock": "Bestand" } }),
            Kind::WooCommerce => json!({ "path": path.join("products.csv"), "currency": "EUR" }),
        };
        let own = own.as_object().expect("an object, as written above");
        let settings = Settings::read(own).expect("good settings, as written above");
        let clock = Clock::manual(Timestamp::from_second(1_800_000_000).expect("an instant in 2027"));
        let path = settings.path.clone();
        Self { path, kind, channel: Arc::new(FileChannel::new(settings, PAGE_ROWS, clock.clone())), clock }
    }

    /// Reads the file without the channel's own reader.
    fn read(&self) -> Vec<FakeRow> {
        let text = fs::read_to_string(&self.path).expect("the world's own file");
        match self.kind {
            Kind::Csv => text.lines().skip(1).map(csv_row).collect(),
            Kind::Google => text.lines().skip(1).map(google_row).collect(),
            Kind::JsonLines => text.lines().map(json_row).collect(),
            Kind::WooCommerce => woocommerce_rows(&text),
        }
    }

    fn write(&self, rows: &[FakeRow]) {
        let (header, line): (&str, WriteRow) = match self.kind {
            Kind::Csv => ("sku;Lager;title;price;currency;Bestand\r\n", |(_, row)| {
                let FakeRow { sku, price, stock, title } = row;
                let (sku, title) = (quoted(sku), quoted(title));
                format!("{sku};A-1;{title};{};EUR;{stock}\r\n", price.to_string().replace('.', ","))
            }),
            Kind::Google => (GOOGLE, |(_, row)| {
                let FakeRow { sku, price, stock, title } = row;
                let (sku, title) = (quoted(sku), quoted(title));
                let availability = if *stock > 0 { "in_stock" } else { "out_of_stock" };
                format!("{sku}\t{title}\t{price} EUR\t{stock}\thttps://x.test/\t{availability}\t\t\n")
            }),
            Kind::JsonLines => ("", |(_, row)| {
                let FakeRow { sku, price, stock, title } = row;
                let price = price.to_string();
                let line = json!({ "sku": sku, "title": title, "price": price, "currency": "EUR", "Bestand": stock });
                format!("{line}\n")
            }),
            Kind::WooCommerce => (WOOCOMMERCE, |(number, row)| {
                let FakeRow { sku, price, stock, title } = row;
                let (sku, name) = (quoted(sku), quoted(title));
                if number % 2 == 0 {
                    return format!("{number},simple,{sku},{name},{stock},{price},,1,1,,,\n");
                }
                let part = quoted(&format!("{title} - M"));
                let variation = format!("{number},variation,{sku},{part},{stock},{price},id:9{number},1,1,,,\n");
                format!("{variation}9{number},variable,,{name},,,,1,1,,,\n")
            }),
        };
        let text = std::iter::once(header.to_owned()).chain(rows.iter().enumerate().map(line)).collect::<String>();
        fs::write(&self.path, text).expect("the world's own file can be written");
    }

    fn edit(&self, change: impl FnOnce(&mut Vec<FakeRow>)) {
        let mut rows = self.read();
        change(&mut rows);
        self.write(&rows);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(folder) = self.path.parent() {
            // A folder that stays behind among the temporary files does no harm.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// A cell as spreadsheets write it.
fn quoted(cell: &str) -> String {
    if cell.contains([',', ';', '"']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// The cells of a line: a quote opens or closes, two within quotes are one.
fn cells(line: &str, delimiter: char) -> Vec<String> {
    let (mut cells, mut within, mut before) = (vec![String::new()], false, ' ');
    for c in line.chars() {
        match c {
            '"' => {
                if !within && before == '"' {
                    cells.last_mut().expect("there is always one").push('"');
                }
                within = !within;
            }
            c if c == delimiter && !within => cells.push(String::new()),
            _ => cells.last_mut().expect("there is always one").push(c),
        }
        before = c;
    }
    cells
}

fn csv_row(line: &str) -> FakeRow {
    let cells = cells(line, ';');
    let cell = |index: usize| cells.get(index).cloned().unwrap_or_default();
    FakeRow {
        sku: cell(0),
        title: cell(2),
        price: cell(3).replace(',', ".").parse().unwrap_or_default(),
        stock: cell(5).parse().unwrap_or_default(),
    }
}

const GOOGLE: &str = "id\ttitle\tprice\tquantity\tlink\tavailability\timage_link\tdescription\n";

fn google_row(line: &str) -> FakeRow {
    let cells = cells(line, '\t');
    let cell = |index: usize| cells.get(index).cloned().unwrap_or_default();
    FakeRow {
        sku: cell(0),
        title: cell(1),
        price: cell(2).trim_end_matches(" EUR").parse().unwrap_or_default(),
        stock: cell(3).parse().unwrap_or_default(),
    }
}

const WOOCOMMERCE: &str = "ID,Type,SKU,Name,Stock,Regular price,Parent,Published,In stock?,Description,\
                           Attribute 1 name,Attribute 1 value(s)\n";

fn woocommerce_rows(text: &str) -> Vec<FakeRow> {
    let rows: Vec<Vec<String>> = text.lines().skip(1).map(|line| cells(line, ',')).collect();
    let cell = |row: &[String], index: usize| row.get(index).cloned().unwrap_or_default();
    let title = |row: &[String]| {
        let parent = rows.iter().find(|other| cell(row, 6) == format!("id:{}", cell(other, 0)));
        cell(parent.map_or(row, Vec::as_slice), 3)
    };
    let sold = rows.iter().filter(|row| cell(row, 1) != "variable");
    let read = sold.map(|row| FakeRow {
        sku: cell(row, 2),
        title: title(row),
        price: cell(row, 5).parse().unwrap_or_default(),
        stock: cell(row, 4).parse().unwrap_or_default(),
    });
    read.collect()
}

fn json_row(line: &str) -> FakeRow {
    let value: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    FakeRow {
        sku: text("sku"),
        title: text("title"),
        price: text("price").parse().unwrap_or_default(),
        stock: value["Bestand"].as_i64().unwrap_or_default(),
    }
}

fn set(row: &mut FakeRow, values: &Values) {
    row.price = values.price.map_or(row.price, |price| price.amount);
    row.stock = values.stock.unwrap_or(row.stock);
    row.title = values.title.clone().unwrap_or_else(|| row.title.clone());
}

#[async_trait]
impl World for Folder {
    fn channel(&self) -> Arc<dyn Channel> {
        self.channel.clone()
    }

    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn access(&self) -> Access {
        Access { token: None, place: serde_json::Value::Null }
    }

    async fn actual(&self) -> BTreeMap<Sku, Actual> {
        let currency: Currency = "EUR".parse().expect("three letters");
        let rows = self.read().into_iter().filter_map(|row| {
            let price = Price { amount: row.price, currency };
            Some((row.sku.parse().ok()?, Actual { price, stock: row.stock, title: row.title, on_sale: true }))
        });
        rows.collect()
    }

    async fn alter(&self, sku: &Sku, values: &Values) {
        self.edit(|rows| rows.iter_mut().filter(|row| row.sku == sku.as_str()).for_each(|row| set(row, values)));
    }

    async fn add(&self, sku: &Sku, values: &Values) {
        let mut row = FakeRow { sku: sku.as_str().to_owned(), price: Decimal::ONE, stock: 0, title: String::new() };
        set(&mut row, values);
        self.edit(|rows| rows.push(row));
    }

    async fn delete(&self, sku: &Sku) {
        self.edit(|rows| rows.retain(|row| row.sku != sku.as_str()));
    }

    async fn refuse(&self, sku: &Sku) {
        // A file refuses nothing but what is not in it.
        self.delete(sku).await;
    }
}
