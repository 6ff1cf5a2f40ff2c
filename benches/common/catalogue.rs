//! A catalogue on loopback: products of about 1,965 bytes with three variants each, in pages of 100 that are built before
//! anybody asks; and the channel that reads it.

use std::{borrow::Cow, fmt::Write as _, io::Write as _};

use async_trait::async_trait;
use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use bytes::Bytes;
use jiff::SignedDuration;
use serde::Deserialize;
use shopsyncd::{
    channels::{Abilities, Access, Acted, AuthorizationKind, Channel, ChannelError, Consent, From, Page, ShopStatus},
    clock::Clock,
    domain::{Cursor, Failure as Next, JobKind, Listing, ListingStatus, Price},
    http::{BudgetKey, Call, Http, Method, Rate},
};
use url::Url;

use super::common::Failure;

pub(crate) const PER_PAGE: u64 = 100;

/// Serves the catalogue until its standard input ends; says its port first.
pub(crate) async fn serve(products: u64) -> Result<(), Failure> {
    let pages: Vec<Bytes> = (0..products / PER_PAGE).map(|page| page_text(page, products).into()).collect();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", listener.local_addr()?.port())?;
    out.flush()?;
    let page =
        |Path(page): Path<usize>, State(pages): State<std::sync::Arc<Vec<Bytes>>>| async move { pages[page].clone() };
    let router = Router::new().route("/products/{page}", get(page)).with_state(pages.into());
    let told_to_stop = tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop));
    tokio::select! {
        served = async { axum::serve(listener, router).await } => Ok(served?),
        stopped = told_to_stop => Ok(stopped?),
    }
}

fn page_text(page: u64, products: u64) -> String {
    let mut text = String::from(r#"{"products":["#);
    for number in page * PER_PAGE..(page + 1) * PER_PAGE {
        write_product(&mut text, number);
        text.push(',');
    }
    text.pop();
    let next = page + 1;
    let next = if next < products / PER_PAGE { next.to_string() } else { "null".to_owned() };
    let _ = write!(text, r#"],"next":{next}}}"#);
    text
}

fn write_product(text: &mut String, number: u64) {
    const WORDS: [&str; 8] = ["linen", "oak", "copper", "blå", "söt", "canvas", "merino", "basalt"];
    let word = |shift: u64| WORDS[((number.wrapping_mul(2_654_435_761) >> shift) % 8) as usize];
    let _ = write!(
        text,
        r#"{{"id":"{number:07}","title":"{} {} {} no. {number}","brand":"{}","description":""#,
        word(3),
        word(7),
        word(11),
        word(13)
    );
    for at in 0..185 {
        let _ = write!(text, "{} ", word(at % 29));
    }
    let _ = write!(text, r#"","tags":["{}","{}"],"images":["#, word(1), word(5));
    for at in 0..3 {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(text, r#"{comma}{{"position":{at},"url":"https://img.example.test/{number}/{at}.jpg"}}"#);
    }
    text.push_str(r#"],"variants":["#);
    for (at, size) in ["S", "M", "L"].into_iter().enumerate() {
        let (comma, at) = (if at == 0 { "" } else { "," }, at as u64);
        let (price, cents) = (number % 900 + 1 + at, number % 100);
        let (stock, barcode) = ((number * 7 + at) % 250, number * 10 + at);
        let _ = write!(
            text,
            r#"{comma}{{"sku":"SKU-{number:07}-{at}","option":"{size}","price":"{price}.{cents:02}","stock":{stock},"barcode":"40{barcode:011}","weight_g":{}}}"#,
            100 + (number + at) % 900
        );
    }
    text.push_str("]}");
}

/// A page as it comes.
#[derive(Deserialize)]
pub(crate) struct WirePage<'a> {
    #[serde(borrow)]
    pub(crate) products: Vec<WireProduct<'a>>,
    pub(crate) next: Option<u64>,
}

#[derive(Deserialize)]
pub(crate) struct WireProduct<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    title: Cow<'a, str>,
    #[serde(borrow)]
    brand: Cow<'a, str>,
    #[serde(borrow)]
    description: Cow<'a, str>,
    #[serde(borrow)]
    images: Vec<WireImage<'a>>,
    #[serde(borrow)]
    variants: Vec<WireVariant<'a>>,
}

#[derive(Deserialize)]
struct WireImage<'a> {
    #[serde(borrow)]
    url: Cow<'a, str>,
}

#[derive(Deserialize)]
struct WireVariant<'a> {
    #[serde(borrow)]
    sku: Cow<'a, str>,
    #[serde(borrow)]
    option: Cow<'a, str>,
    #[serde(borrow)]
    price: Cow<'a, str>,
    stock: i64,
    #[serde(borrow)]
    barcode: Cow<'a, str>,
}

/// A channel over the catalogue, in the shape of the real ones.
pub(crate) struct Catalogue {
    http: Http,
    base: Url,
}

impl Catalogue {
    pub(crate) fn new(base: Url) -> Self {
        Self { http: Http::new(Clock::system()), base }
    }
}

pub(crate) static ABILITIES: Abilities = Abilities {
    authorization: AuthorizationKind::None,
    export: &[],
    create: false,
    retire: &[],
    periods: &[(JobKind::ProductImport, SignedDuration::from_secs(60), "1 hour")],
    remembered: &[],
    push_batch: 1,
    remembered_shared: false,
    remembered_batch: 1,
    changes_are_full: false,
};

#[async_trait]
impl Channel for Catalogue {
    fn place(&self) -> String {
        self.base.to_string()
    }

    async fn probe(&self, _: &Access) -> Result<ShopStatus, ChannelError> {
        Ok(ShopStatus { name: None, ends: None })
    }

    async fn pull(&self, _: &Access, from: &From) -> Result<Page, ChannelError> {
        let page = from.cursor.as_ref().filter(|_| !from.first).map_or("0", |cursor| &cursor.0);
        let url = self.base.join(&format!("products/{page}")).map_err(|error| unreadable(&error))?;
        let budget = BudgetKey { channel: "bench", app: String::new(), place: String::new(), operation: "products" };
        let rate = Rate::per_second(1_000_000, 1_000_000);
        let call = Call { method: Method::GET, url, headers: Vec::new(), body: None, budget, rate };
        let answer = self.http.send(call).await.map_err(|error| unreadable(&error))?;
        let page: WirePage<'_> = serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error))?;
        let next = page.next.map(|next| Cursor(next.to_string()));
        Ok(Page { listings: page.products.iter().flat_map(listings).collect(), next, ..Page::default() })
    }

    fn consent(&self) -> Option<&dyn Consent> {
        None
    }
}

fn unreadable(error: &dyn std::error::Error) -> ChannelError {
    ChannelError {
        failure: Next::Unavailable { retry_at: None },
        text: error.to_string(),
        remedy: String::new(),
        request_id: None,
        acted: Acted::No,
    }
}

fn listings<'a>(product: &'a WireProduct<'_>) -> impl Iterator<Item = Listing> + 'a {
    product.variants.iter().map(|variant| Listing {
        sku: variant.sku.parse().expect("the catalogue has good SKUs"),
        shop_sku: None,
        product_id: product.id.to_string(),
        refs: serde_json::Value::Null,
        title: product.title.to_string(),
        description: Some(product.description.to_string()),
        brand: Some(product.brand.to_string()),
        category: None,
        barcode: Some(variant.barcode.to_string()),
        images: product.images.iter().map(|image| image.url.to_string()).collect(),
        options: vec![("Size".to_owned(), variant.option.to_string())],
        prices: vec![Price {
            amount: variant.price.parse().expect("the catalogue has good prices"),
            currency: "EUR".parse().expect("a currency"),
        }],
        stock: Some(variant.stock),
        status: ListingStatus::Active,
    })
}
