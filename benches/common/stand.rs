//! Shops whose channel is handed in, over a database of their own, and runs made as the scheduler makes them.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use jiff::{ToSpan as _, civil::time, tz::TimeZone};
use shopsyncd::{
    channels::{Abilities, Channel},
    clock::Clock,
    domain::{
        Counts, Demand, Field, InstanceId, JobKind, Outcome, Period, Shop, ShopId, Trigger,
        reminder::Ladder,
        wanted::{Retire, Rules},
    },
    jobs::Work,
    keeper::{Page, ShopBook, ShopEntry, TokenKeeper},
    mail::Sender,
    notices::{Language, People, Recipient},
    scheduler::{Context, End, Handler, Progress},
    secrets::Sealer,
    store::{Finish, Finished, NewRun, Store, WantedShop},
};
use tokio_util::sync::CancellationToken;

use super::common::Failure;

/// What the jobs work with, as the daemon puts it together.
pub(crate) struct Stand {
    pub(crate) work: Work,
}

impl Stand {
    pub(crate) async fn new(store: &Store, entries: Vec<ShopEntry>) -> Result<Self, Failure> {
        Self::by(store, entries, Clock::system(), Sealer::parse(&Sealer::generate())?).await
    }

    /// By another clock, with tokens that this sealer seals.
    pub(crate) async fn by(
        store: &Store,
        entries: Vec<ShopEntry>,
        clock: Clock,
        sealer: Sealer,
    ) -> Result<Self, Failure> {
        let wanted: Vec<_> = entries
            .iter()
            .map(|entry| WantedShop {
                id: entry.shop.id.clone(),
                channel: entry.shop.channel.clone(),
                name: entry.shop.name.clone(),
                place: entry.channel.place(),
                app: entry.app(),
            })
            .collect();
        let mut tx = store.write(clock.now()).await?;
        tx.sync_shops(&wanted).await?;
        tx.name_product_source(entries.iter().find(|entry| entry.is_source).map(|entry| &entry.shop.id)).await?;
        tx.commit().await?;
        let page = Page { public_url: "http://127.0.0.1:8420".parse()?, loopback: true };
        let shops = ShopBook::new(page, entries);
        let people = Arc::new(ArcSwap::from_pointee(nobody()?));
        let (holder, store) = (InstanceId("bench".to_owned()), store.clone());
        let keeper = TokenKeeper::new(store.clone(), clock.clone(), sealer, shops.clone(), Arc::clone(&people), holder);
        Ok(Self { work: Work { store, clock, keeper, shops, people } })
    }

    /// One run of a job: how long it took, and what it did. An error: it did not end well.
    pub(crate) async fn run(
        &self,
        handler: &dyn Handler,
        shop: &str,
        job: JobKind,
        full: bool,
    ) -> Result<(Duration, Counts), Failure> {
        let Work { store, clock, .. } = &self.work;
        let holder = InstanceId("bench".to_owned());
        let mut tx = store.write(clock.now()).await?;
        let demand = Demand { full, ..Demand::default() };
        let run = tx.run_now(&NewRun { shop: Some(shop.parse()?), job, demand }, Trigger::Schedule).await?.run;
        let claim = tx.claim_run(run, &holder).await?.ok_or("the run is somebody else's")?;
        tx.commit().await?;
        let context = Context {
            run,
            lease_number: claim.lease_number,
            shop: claim.shop,
            job,
            attempt: claim.attempt,
            demand: claim.demand,
            cancel: CancellationToken::new(),
            holder,
            progress: Progress::default(),
        };
        let begun = Instant::now();
        let ended = handler.run(context).await;
        let took = begun.elapsed();
        let (counts, ended) = match ended {
            Ok(End::Ended(Outcome::Done, counts)) => (counts, Ok((took, counts))),
            Ok(other) => (Counts::default(), Err(format!("the run ended otherwise: {other:?}").into())),
            Err(stopped) => (stopped.counts, Err(stopped.error.text.into())),
        };
        let mut tx = store.write(clock.now()).await?;
        let finish = Finish::Ended(Outcome::Done);
        tx.finish_runs(&[Finished { id: run, lease_number: claim.lease_number, finish, counts, error: None }]).await?;
        tx.commit().await?;
        ended
    }
}

/// A shop that compares prices and stock.
pub(crate) fn entry(id: &str, channel: Arc<dyn Channel>, abilities: &'static Abilities, is_source: bool) -> ShopEntry {
    ShopEntry {
        shop: Shop { id: id.parse().expect("a name"), channel: "bench".into(), name: id.to_owned() },
        channel,
        abilities,
        rules: Rules {
            fields: [Field::Price, Field::Stock].into(),
            create: false,
            retire: Retire::Keep,
            reserve: 0,
            max: None,
            factor: 1.into(),
            round: None,
            convert: BTreeMap::new(),
            guard_retire: 1.into(),
            guard_price: 100.into(),
        },
        jobs: BTreeMap::new(),
        own: serde_json::Map::new(),
        full_import: Period::None,
        match_barcode: false,
        is_source,
        has_source: true,
    }
}

fn nobody() -> Result<People, Failure> {
    let zone = TimeZone::UTC;
    let ladder = Ladder { start: 1.month(), every: 1.week(), extra: Vec::new(), at: time(8, 0, 0, 0), zone };
    Ok(People {
        shops: BTreeMap::new(),
        operator: Vec::<Recipient>::new(),
        language: Language::En,
        ladder,
        sender: Sender::parse("shops@example.com")?,
        link: Arc::new(|shop: &ShopId, _: Option<&str>| {
            url::Url::parse(&format!("http://127.0.0.1:8420/authorize/{shop}")).expect("an address").into()
        }),
        command: "shopsyncd".to_owned(),
        app_secrets: Vec::new(),
        names: BTreeMap::new(),
    })
}
