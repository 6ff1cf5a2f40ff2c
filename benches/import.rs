//! 100,000 products of about 1,965 bytes, three variants each, read over loopback by the product import of a shop that is the
//! product source, once into an empty database and once more unchanged, against the shortest loop that keeps the same pages.
//!
//! `cargo bench --bench import`; PostgreSQL where `SHOPSYNCD_TEST_POSTGRES` names a server. `BENCH_PRODUCTS` (100,000, whole hundreds)
//! is how many, `BENCH_SAMPLES` (3) how often. The catalogue is served by a process of its own, and every import is one too, so that
//! processor time and peak memory are its own.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Instant,
};

use shopsyncd::{
    domain::{Counts, JobKind},
    jobs::product_import::ProductImport,
    store::Store,
};
use sqlx::{AssertSqlSafe, Executor as _};
use url::Url;

#[path = "common/catalogue.rs"]
mod catalogue;
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod common;
#[path = "common/stand.rs"]
mod stand;

use catalogue::{Catalogue, WirePage};
use common::{Bed, Failure, Figure, number_of};
use stand::{Stand, entry};

/// What a process of this benchmark is there for, where it is not the first one.
const ROLE: &str = "BENCH_ROLE";

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let words = std::env::var(ROLE).unwrap_or_default();
    match words.split(' ').collect::<Vec<_>>()[..] {
        ["serve", products] => catalogue::serve(products.parse()?).await,
        [who, server, base] => child(who, server, base.parse()?).await,
        _ => measure(),
    }
}

/// Starts this program again in another role.
fn start(role: &str) -> Result<Child, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    Ok(command.env(ROLE, role).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
}

/// What it says first.
fn first_line(child: &mut Child) -> Result<String, Failure> {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line)?;
    if line.is_empty() {
        return Err("a process of this benchmark ended early".into());
    }
    Ok(line.trim().to_owned())
}

fn measure() -> Result<(), Failure> {
    let (products, samples) = (number_of("BENCH_PRODUCTS", 100_000), number_of("BENCH_SAMPLES", 3));
    println!(
        "import: {products} products of three variants, pages of {}; {}; {samples} samples: least / median",
        catalogue::PER_PAGE,
        common::machine()
    );
    let postgres = std::env::var("SHOPSYNCD_TEST_POSTGRES").ok();
    let mut firsts = Vec::new();
    for server in ["sqlite"].into_iter().chain(postgres.as_deref()) {
        let hand = sample("hand", server, products, samples)?;
        let few = sample("ours", server, products / 10, 1)?;
        let ours = sample("ours", server, products, samples)?;
        println!("{}", ours.durability);
        println!("  by hand: {} s, {} s of processor, peak {} MiB", hand.first, hand.first_cpu, hand.peak);
        println!(
            "  first import: {} s (target 3.0), {} s of processor, peak {} MiB (target 48; of a tenth: {} MiB), ratio {:.2}",
            ours.first,
            ours.first_cpu,
            ours.peak,
            few.peak,
            ours.first.median() / hand.first.median()
        );
        println!(
            "  unchanged: {} s (target 1.5), {} s of processor, {} rows written (target 0), ratio {:.2}",
            ours.again,
            ours.again_cpu,
            ours.written,
            ours.again.median() / hand.first.median()
        );
        firsts.push(ours.first.median());
    }
    match firsts[..] {
        [sqlite, postgres] => {
            println!("PostgreSQL takes {:.2} times as long as SQLite (target 1.5)", postgres / sqlite);
        }
        _ => println!("PostgreSQL left out: SHOPSYNCD_TEST_POSTGRES names no server"),
    }
    println!(
        "processor time and peaks are those of the importing process: SQLite's included, PostgreSQL's server's not"
    );
    Ok(())
}

/// What the processes of one kind said.
#[derive(Default)]
struct Samples {
    durability: String,
    first: Figure,
    first_cpu: Figure,
    again: Figure,
    again_cpu: Figure,
    peak: Figure,
    written: u64,
}

fn sample(who: &str, server: &str, products: u64, samples: u64) -> Result<Samples, Failure> {
    let mut all = Samples::default();
    let mut catalogue = start(&format!("serve {products}"))?;
    let base = format!("http://127.0.0.1:{}/", first_line(&mut catalogue)?);
    for _ in 0..samples {
        let mut child = start(&format!("{who} {server} {base}"))?;
        let line = first_line(&mut child)?;
        if !child.wait()?.success() {
            return Err(line.into());
        }
        let (figures, durability) = line.split_once(';').ok_or_else(|| line.clone())?;
        let figures = figures.split(' ').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        all.first.push(figures[0]);
        all.first_cpu.push(figures[1]);
        all.again.push(figures[2]);
        all.again_cpu.push(figures[3]);
        all.peak.push(figures[4]);
        all.written += figures[5] as u64;
        durability.clone_into(&mut all.durability);
    }
    drop(catalogue.stdin.take());
    catalogue.wait()?;
    Ok(all)
}

/// Imports twice, and prints: seconds and processor seconds of the first import and of the second, the peak in MiB, the rows that the
/// second one wrote; and how the database makes commits durable.
async fn child(who: &str, server: &str, base: Url) -> Result<(), Failure> {
    let bed = if server == "sqlite" { Bed::sqlite("import").await? } else { Bed::postgres(server, "import").await? };
    let stand = Stand::new(
        &bed.store,
        vec![entry("erp", std::sync::Arc::new(Catalogue::new(base.clone())), &catalogue::ABILITIES, true)],
    )
    .await?;
    let import = ProductImport::new(stand.work.clone());
    let mut figures = Vec::new();
    let mut counted = Counts::default();
    for again in [false, true] {
        if again {
            count_writes(&bed.store).await?;
        }
        let (cpu, begun) = (common::cpu_seconds(), Instant::now());
        if who == "hand" {
            by_hand(&bed.store, &base).await?;
        } else {
            counted = stand.run(&import, "erp", JobKind::ProductImport, true).await?.1;
        }
        figures.extend([begun.elapsed().as_secs_f64(), common::cpu_seconds() - cpu]);
    }
    let written = if who == "hand" { 0 } else { written(&bed.store).await? };
    if who != "hand" && (counted.changed, counted.gone) != (0, 0) {
        return Err(format!("the second import found changes: {counted:?}").into());
    }
    figures.extend([common::peak_mib(), written as f64]);
    let figures = figures.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    println!("{figures};{}", bed.durability().await?);
    bed.clear().await
}

/// The tables whose rows an unchanged import leaves alone.
const TABLES: [&str; 3] = ["products", "variants", "listings"];

/// From now on the database counts what is written to them.
async fn count_writes(store: &Store) -> Result<(), Failure> {
    let events = ["insert", "update", "delete"];
    match store {
        Store::Sqlite { writer, .. } => {
            writer.execute("create temp table written (row integer)").await?;
            for (table, event) in TABLES.iter().flat_map(|table| events.map(|event| (table, event))) {
                let sql = format!(
                    "create temp trigger {table}_{event} after {event} on main.{table} begin insert into written values (1); end"
                );
                writer.execute(AssertSqlSafe(sql)).await?;
            }
        }
        Store::Postgres(pool) => {
            pool.execute(
                "create sequence written;
                 create function count_row() returns trigger language plpgsql as
                     $$ begin perform nextval('written'); return null; end $$",
            )
            .await?;
            for table in TABLES {
                let sql = format!(
                    "create trigger counted after insert or update or delete on {table} for each row execute function count_row()"
                );
                pool.execute(AssertSqlSafe(sql)).await?;
            }
        }
    }
    Ok(())
}

async fn written(store: &Store) -> Result<i64, Failure> {
    Ok(match store {
        Store::Sqlite { writer, .. } => {
            sqlx::query_scalar("select count(*) from temp.written").fetch_one(writer).await?
        }
        Store::Postgres(pool) => {
            sqlx::query_scalar("select case when is_called then last_value else 0 end from written")
                .fetch_one(pool)
                .await?
        }
    })
}

/// The same pages: fetched, parsed, and kept by one upsert a page; nothing compared, nothing noted.
async fn by_hand(store: &Store, base: &Url) -> Result<(), Failure> {
    const TABLE: &str = "create table if not exists by_hand (id text not null primary key, body text not null)";
    const SQLITE: &str = "insert into by_hand select value ->> 'id', value from json_each($1, '$.products') where true
        on conflict (id) do update set body = excluded.body";
    const POSTGRES: &str =
        "insert into by_hand select value ->> 'id', value from json_array_elements($1::json -> 'products')
        on conflict (id) do update set body = excluded.body";
    match store {
        Store::Sqlite { writer, .. } => writer.execute(TABLE).await.map(drop)?,
        Store::Postgres(pool) => pool.execute(TABLE).await.map(drop)?,
    }
    let client = reqwest::Client::new();
    let mut at = Some(0);
    while let Some(page) = at {
        let body = client.get(base.join(&format!("products/{page}"))?).send().await?.text().await?;
        let page: WirePage<'_> = serde_json::from_str(&body)?;
        assert_eq!(page.products.len() as u64, catalogue::PER_PAGE);
        at = page.next;
        match store {
            Store::Sqlite { writer, .. } => sqlx::query(SQLITE).bind(&body).execute(writer).await.map(drop)?,
            Store::Postgres(pool) => sqlx::query(POSTGRES).bind(&body).execute(pool).await.map(drop)?,
        }
    }
    Ok(())
}
