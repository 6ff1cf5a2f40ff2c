//! 100,000 SKUs of which the product source has changed one in a hundred: how long the export takes to find the 1,000 differences,
//! against reading every row and comparing here; and how near it comes to the rate that a shop on loopback allows.
//!
//! `cargo bench --bench export`; PostgreSQL where `SHOPSYNCD_TEST_POSTGRES` names a server. `BENCH_SKUS` (100,000, whole thousands) is how
//! many, `BENCH_SAMPLES` (3) how often.
#![expect(clippy::print_stdout, reason = "a benchmark")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use async_trait::async_trait;
use axum::{Router, extract::State, http::StatusCode, routing::post};
use jiff::{SignedDuration, Timestamp};
use shopsyncd::{
    channels::{Abilities, Access, Acted, AuthorizationKind, Channel, ChannelError, Consent, PushResult, ShopStatus},
    clock::Clock,
    domain::{
        Failure as Next, Field, JobKind, Listing, ListingStatus, PassKind, Price, RunId, ShopId, Sku, plan::Change,
    },
    http::{BudgetKey, Call, Http, Method, Rate},
    jobs::product_export::ProductExport,
    store::{SeenListing, Store},
};
use url::Url;

#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod common;
#[path = "common/stand.rs"]
mod stand;

use common::{Bed, Failure, Figure, number_of};
use stand::{Stand, entry};

/// One in so many SKUs changes.
const SHARE: u64 = 100;
/// Requests a second that the shop allows, and how many at once after a rest.
const RATE: f64 = 40.0;
const BURST: f64 = 10.0;
/// SKUs in one request.
const BATCH: usize = 5;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let (skus, samples) = (number_of("BENCH_SKUS", 100_000), number_of("BENCH_SAMPLES", 3));
    println!(
        "export: {skus} SKUs, {} changed; {RATE} requests a second allowed, {BATCH} SKUs each; {}; {samples} samples: least / median",
        skus / SHARE,
        common::machine()
    );
    measure(Bed::sqlite("export").await?, skus, samples).await?;
    let Ok(server) = std::env::var("SHOPSYNCD_TEST_POSTGRES") else {
        println!("PostgreSQL left out: SHOPSYNCD_TEST_POSTGRES names no server");
        return Ok(());
    };
    measure(Bed::postgres(&server, "export").await?, skus, samples).await
}

async fn measure(bed: Bed, skus: u64, samples: u64) -> Result<(), Failure> {
    let counter = Arc::new(Counter::default());
    let till = Arc::new(Till::new(serve(Arc::clone(&counter)).await?));
    let source = Arc::new(Till::new("http://127.0.0.1:1/".parse()?));
    let shops = vec![entry("erp", source, &ABILITIES, true), entry("uk", Arc::clone(&till) as _, &ABILITIES, false)];
    let stand = Stand::new(&bed.store, shops).await?;
    fill(&bed.store, skus).await?;
    let export = ProductExport::new(stand.work.clone());
    let (first, _) = stand.run(&export, "uk", JobKind::ProductExport, false).await?;
    let (mut found, mut asked, mut by_hand, mut share) =
        (Figure::default(), Figure::default(), Figure::default(), Figure::default());
    let mut refused = 0;
    for sample in 0..samples {
        change(&bed.store, skus, sample).await?;
        // The first attempt ends where it would send: all until then is finding.
        till.is_shut.store(true, Ordering::Relaxed);
        till.pushed_at.lock().unwrap_or_else(PoisonError::into_inner).take();
        let begun = Instant::now();
        if stand.run(&export, "uk", JobKind::ProductExport, false).await.is_ok() {
            return Err("it sent to a shop that is shut".into());
        }
        let pushed_at = till.pushed_at.lock().unwrap_or_else(PoisonError::into_inner).take();
        let pushed_at = pushed_at.ok_or("it ended before it sent anything")?;
        found.push((pushed_at - begun).as_secs_f64() * 1e3);
        let begun = Instant::now();
        let mut tx = bed.store.read(Timestamp::now()).await?;
        let differences = tx.differences(&"uk".parse()?, None, u32::MAX).await?.len() as u64;
        drop(tx);
        asked.push(begun.elapsed().as_secs_f64() * 1e3);
        let begun = Instant::now();
        let compared = compare_by_hand(&bed.store).await?;
        by_hand.push(begun.elapsed().as_secs_f64() * 1e3);
        if (differences, compared) != (skus / SHARE, skus / SHARE) {
            return Err(format!("{differences} differences, {compared} by hand").into());
        }
        till.is_shut.store(false, Ordering::Relaxed);
        counter.begin();
        let (_, counts) = stand.run(&export, "uk", JobKind::ProductExport, false).await?;
        if counts.sent != skus / SHARE {
            return Err(format!("{} were sent", counts.sent).into());
        }
        let (reached, refusals) = counter.end();
        share.push(reached * 100.0);
        refused += refusals;
    }
    println!("{}", bed.durability().await?);
    println!("  everything wanted computed for the first time: {:.2} s", first.as_secs_f64());
    println!(
        "  from the start of the run to the first request: {found} ms (target 150), the differences alone {asked} ms; every row read and \
         compared by hand {by_hand} ms; ratio {:.2}",
        asked.median() / by_hand.median()
    );
    println!("  sent at {share} % of the rate allowed (target 95), {refused} requests refused (target 0)");
    bed.clear().await
}

/// A source and a shop that have been read and agree.
async fn fill(store: &Store, skus: u64) -> Result<(), Failure> {
    let (erp, uk): (ShopId, ShopId) = ("erp".parse()?, "uk".parse()?);
    let mut tx = store.write(Timestamp::now()).await?;
    for shop in [&erp, &uk] {
        let pass = tx.begin_pass(shop, PassKind::Full, RunId(1)).await?;
        tx.end_pass(shop, pass.number, None).await?;
    }
    for page in (0..skus).collect::<Vec<_>>().chunks(1_000) {
        let listings: Vec<_> = page.iter().map(|number| listing(*number)).collect::<Result<_, _>>()?;
        let entry = entry("uk", Arc::new(Till::new("http://127.0.0.1:1/".parse()?)), &ABILITIES, false);
        let seen = SeenListing::page(listings, &entry.compared());
        tx.put_variants(&seen.iter().collect::<Vec<_>>()).await?;
        tx.put_listings(&uk, &seen, Timestamp::now()).await?;
    }
    Ok(tx.commit().await?)
}

/// The source has sold a piece of one in a hundred, each time of others.
async fn change(store: &Store, skus: u64, sample: u64) -> Result<(), Failure> {
    let changed = (0..skus).filter(|number| number % SHARE == sample % SHARE);
    let sold = |listing: Listing| Listing { stock: listing.stock.map(|stock| stock - 1), ..listing };
    let listings: Vec<_> = changed.map(|number| Ok(sold(listing(number)?))).collect::<Result<_, Failure>>()?;
    let variants = SeenListing::page(listings, &BTreeSet::new());
    let mut tx = store.write(Timestamp::now()).await?;
    tx.put_variants(&variants.iter().collect::<Vec<_>>()).await?;
    Ok(tx.commit().await?)
}

fn listing(number: u64) -> Result<Listing, Failure> {
    Ok(Listing {
        sku: format!("SKU-{number:07}").parse()?,
        shop_sku: None,
        product_id: format!("{:07}", number / 3),
        refs: serde_json::json!({ "id": number, "warehouse": 7 }),
        title: format!("Linen shirt no. {}", number / 3),
        description: Some("Soft, and dries in the wind. ".repeat(30)),
        brand: Some("Oak".to_owned()),
        category: None,
        barcode: Some(format!("40{number:011}")),
        images: vec![format!("https://img.example.test/{number}.jpg")],
        options: vec![("Size".to_owned(), (number % 3).to_string())],
        prices: vec![Price { amount: (number % 900 + 1).into(), currency: "EUR".parse()? }],
        stock: Some((number % 250 + 10) as i64),
        status: ListingStatus::Active,
    })
}

/// The plain way to the same answer: every row read, and compared here.
async fn compare_by_hand(store: &Store) -> Result<u64, Failure> {
    const SQL: &str = "select sku, wanted_hash, seen_hash from listings where shop = 'uk'";
    type Hashes = (String, Option<String>, Option<String>);
    let rows: Vec<Hashes> = match store {
        Store::Sqlite { readers, .. } => sqlx::query_as(SQL).fetch_all(readers).await?,
        Store::Postgres(pool) => sqlx::query_as(SQL).fetch_all(pool).await?,
    };
    Ok(rows.iter().filter(|(_, wanted, seen)| wanted.is_some() && wanted != seen).count() as u64)
}

/// What the shop on loopback counts: a bucket of turns, and what came.
#[derive(Default)]
struct Counter(Mutex<Count>);

#[derive(Default)]
struct Count {
    left: f64,
    at: Option<Instant>,
    first: Option<Instant>,
    taken: u64,
    refused: u64,
}

impl Counter {
    fn with<T>(&self, count: impl FnOnce(&mut Count) -> T) -> T {
        count(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The bucket is full, and nothing has come.
    fn begin(&self) {
        self.with(|count| *count = Count { left: BURST, ..Count::default() });
    }

    /// What came, as a share of what might have between the first request and the last; and how many were refused.
    fn end(&self) -> (f64, u64) {
        self.with(|count| {
            let span = count.at.zip(count.first).map_or(0.0, |(last, first)| (last - first).as_secs_f64());
            (count.taken as f64 / (BURST + span * RATE), count.refused)
        })
    }

    fn take(&self) -> bool {
        self.with(|count| {
            let now = Instant::now();
            let rested = count.at.map_or(0.0, |at| (now - at).as_secs_f64());
            count.first.get_or_insert(now);
            count.at = Some(now);
            count.left = (count.left + rested * RATE).min(BURST);
            // A timer that is early by less than a millisecond is no fault.
            let may = count.left + 0.001 * RATE >= 1.0;
            if may {
                count.left -= 1.0;
                count.taken += 1;
            } else {
                count.refused += 1;
            }
            may
        })
    }
}

async fn serve(counter: Arc<Counter>) -> Result<Url, Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}/", listener.local_addr()?).parse()?;
    let take = |State(counter): State<Arc<Counter>>| async move {
        if counter.take() { StatusCode::OK } else { StatusCode::TOO_MANY_REQUESTS }
    };
    let router = Router::new().route("/changes", post(take)).with_state(counter);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(base)
}

/// A channel that sends to the shop on loopback.
struct Till {
    http: Http,
    base: Url,
    is_shut: AtomicBool,
    pushed_at: Mutex<Option<Instant>>,
}

impl Till {
    fn new(base: Url) -> Self {
        let http = Http::new(Clock::system());
        Self { http, base, is_shut: AtomicBool::new(false), pushed_at: Mutex::new(None) }
    }
}

static ABILITIES: Abilities = Abilities {
    authorization: AuthorizationKind::None,
    export: &[Field::Price, Field::Stock],
    create: false,
    retire: &[],
    periods: &[(JobKind::ProductExport, SignedDuration::from_secs(60), "1 hour")],
    remembered: &[],
    push_batch: BATCH,
    remembered_shared: false,
    remembered_batch: BATCH,
    changes_are_full: false,
};

fn silent(text: String) -> ChannelError {
    ChannelError {
        failure: Next::Unavailable { retry_at: None },
        text,
        remedy: String::new(),
        request_id: None,
        acted: Acted::No,
    }
}

#[async_trait]
impl Channel for Till {
    fn place(&self) -> String {
        self.base.to_string()
    }

    async fn probe(&self, _: &Access) -> Result<ShopStatus, ChannelError> {
        Ok(ShopStatus { name: None, ends: None })
    }

    async fn push(&self, _: &Access, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
        self.pushed_at.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        if self.is_shut.load(Ordering::Relaxed) {
            return Err(silent("shut".to_owned()));
        }
        let skus: Vec<&Sku> = changes.iter().map(|change| &change.sku).collect();
        let body = serde_json::to_vec(&skus).map_err(|error| silent(error.to_string()))?;
        let url = self.base.join("changes").map_err(|error| silent(error.to_string()))?;
        let budget = BudgetKey { channel: "bench", app: String::new(), place: String::new(), operation: "changes" };
        let rate = Rate::per_second(RATE as u32, BURST as u32);
        let call = Call { method: Method::POST, url, headers: Vec::new(), body: Some(body.into()), budget, rate };
        let answer = self.http.send(call).await.map_err(|error| silent(error.to_string()))?;
        if answer.status != 200 {
            return Err(silent(format!("status {}", answer.status)));
        }
        let done = |change: &Change| {
            let mut listing = change.listing.clone()?;
            listing.prices.splice(.., change.wanted.price);
            listing.stock = change.wanted.stock;
            Some(PushResult::Done { sku: change.sku.clone(), listing: Box::new(listing) })
        };
        Ok(changes.iter().filter_map(done).collect())
    }

    fn consent(&self) -> Option<&dyn Consent> {
        None
    }
}
