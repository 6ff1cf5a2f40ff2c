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

/// Makes folders with one file.
struct FileRig {
    json: bool,
}

/// With CSV in them: German delimiters, and a column of the seller's own.
pub(super) fn csv() -> Box<dyn Rig> {
    Box::new(FileRig { json: false })
}

/// With JSON Lines in them.
pub(super) fn json_lines() -> Box<dyn Rig> {
    Box::new(FileRig { json: true })
}

#[async_trait]
impl Rig for FileRig {
    async fn start(&self, listings: usize) -> Box<dyn World> {
        let world = Folder::new(self.json);
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

    fn remote(&self) -> bool {
        false
    }
}

#[derive(Clone)]
struct FakeRow {
    sku: String,
    price: Decimal,
    stock: i64,
    title: String,
}

struct Folder {
    path: PathBuf,
    json: bool,
    clock: Clock,
    channel: Arc<FileChannel>,
}

impl Folder {
    fn new(json: bool) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("shopsyncd-files-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("the folder of temporary files can be written");
        let file = path.join(if json { "products.jsonl" } else { "products.csv" });
        let own = json!({ "path": file, "columns": { "stock": "Bestand" } });
        let own = own.as_object().expect("an object, as written above");
        let settings = Settings::read(own).expect("good settings, as written above");
        let clock = Clock::manual(Timestamp::from_second(1_800_000_000).expect("an instant in 2027"));
        Self { path: file, json, clock, channel: Arc::new(FileChannel::new(settings, PAGE_ROWS)) }
    }

    /// Reads the file without the channel's own reader.
    fn read(&self) -> Vec<FakeRow> {
        let text = fs::read_to_string(&self.path).expect("the world's own file");
        if self.json {
            return text.lines().map(json_row).collect();
        }
        text.lines().skip(1).map(csv_row).collect()
    }

    fn write(&self, rows: &[FakeRow]) {
        let mut text = String::new();
        if !self.json {
            text.push_str("sku;Lager;title;price;currency;Bestand\r\n");
        }
        for row in rows {
            let FakeRow { sku, price, stock, title } = row;
            let price = price.to_string();
            let line = if self.json {
                let object = json!({ "sku": sku, "title": title, "price": price, "currency": "EUR", "stock": stock });
                format!("{object}\n")
            } else {
                let (sku, title) = (quoted(sku), quoted(title));
                format!("{sku};A-1;{title};{};EUR;{stock}\r\n", price.replace('.', ","))
            };
            text.push_str(&line);
        }
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
    if cell.contains([';', '"']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// The cells of a line: a quote opens or closes, two within quotes are one.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut within, mut before) = (vec![String::new()], false, ' ');
    for c in line.chars() {
        match c {
            '"' => {
                if !within && before == '"' {
                    cells.last_mut().expect("there is always one").push('"');
                }
                within = !within;
            }
            ';' if !within => cells.push(String::new()),
            _ => cells.last_mut().expect("there is always one").push(c),
        }
        before = c;
    }
    cells
}

fn csv_row(line: &str) -> FakeRow {
    let cells = cells(line);
    let cell = |index: usize| cells.get(index).cloned().unwrap_or_default();
    FakeRow {
        sku: cell(0),
        title: cell(2),
        price: cell(3).replace(',', ".").parse().unwrap_or_default(),
        stock: cell(5).parse().unwrap_or_default(),
    }
}

fn json_row(line: &str) -> FakeRow {
    let value: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    FakeRow {
        sku: text("sku"),
        title: text("title"),
        price: text("price").parse().unwrap_or_default(),
        stock: value["stock"].as_i64().unwrap_or_default(),
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
            Some((row.sku.parse().ok()?, Actual { price, stock: row.stock, title: row.title }))
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
