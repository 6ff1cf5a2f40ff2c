//! Imports and exports of shops that do as the test says: a real database, a manual clock, each attempt made by hand.
#![expect(clippy::unwrap_used, reason = "tests")]

mod exporting;
mod importing;
mod remembering;
mod sources;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use jiff::{SignedDuration, ToSpan as _, civil::time, tz::TimeZone};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::*;
use crate::{
    channels::{
        Abilities, AuthorizationKind, Channel, Consent, From, Page, PushResult, Settled, ShopStatus, Ticket, Unsaid,
    },
    domain::{
        Complaint, Cursor, Demand, Failure, Field, InstanceId, Listing, ListingStatus, Outcome, PassKind, Period,
        Price, Product, RunId, Shop, ShopId, Sku, Trigger, Variant,
        plan::Change,
        reminder::Ladder,
        wanted::{Retire, Rules},
    },
    keeper,
    mail::Sender,
    notices::{Language, People, Recipient},
    scheduler::{Handler, Progress},
    secrets::Sealer,
    store::{Finish, Finished, NewRun, RunFilter, WantedShop},
};

static ABILITIES: Abilities = Abilities {
    authorization: AuthorizationKind::None,
    export: &[Field::Price, Field::Stock],
    remembered: &[],
    create: true,
    retire: &[Retire::Deactivate],
    periods: &[],
    push_batch: 1,
    remembered_shared: true,
    remembered_batch: 1,
    changes_are_full: false,
};

/// The same of a shop that makes copies of images and rewords attributes.
static REMEMBERING: Abilities = Abilities {
    export: &[Field::Price, Field::Stock, Field::Images, Field::Attributes],
    remembered: &[Field::Images, Field::Attributes],
    ..ABILITIES
};

/// The same of a shop that takes many of them at once.
static CROWDED: Abilities = Abilities { remembered_batch: 100, ..REMEMBERING };

/// What a shop shows, and how it behaves.
#[derive(Default)]
struct Shelf {
    /// The pages of a complete pass.
    pages: Vec<Vec<Listing>>,
    /// The pages of a pass of changes.
    changed: Vec<Vec<Listing>>,
    /// SKUs that cannot be read, by page.
    unreadable: BTreeMap<usize, Vec<&'static str>>,
    /// Products of which nothing can be read, by page.
    unread: BTreeMap<usize, Vec<String>>,
    /// Each page takes longer than a run may.
    slow: bool,
    /// The page at which the channel does not answer, once.
    silent_at: Option<usize>,
    /// The page at which the content has changed, once.
    restarts_at: Option<usize>,
    /// Changes of these SKUs are refused.
    refuses: BTreeSet<&'static str>,
    /// So many changes are accepted; then it does not answer.
    accepts: Option<usize>,
    /// Changes of these SKUs are judged later.
    judges_later: BTreeSet<&'static str>,
    /// Whether it has judged by now.
    judged: bool,
    /// SKUs that lack something before they can be sent.
    lacks: BTreeSet<&'static str>,
    /// So many changes of a push are answered; of the rest nothing is said.
    answers: Option<usize>,
    /// Its page tokens have ended.
    forgot: bool,
    /// Nothing can be learnt of tickets any more.
    lost_tickets: bool,
    /// Whoever asks after a ticket gets no answer.
    silent_tickets: bool,
    /// So many questions about tickets are answered; then it would not be asked so much.
    answers_questions: Option<usize>,
    /// How long the answer to one takes.
    question: SignedDuration,
    /// What it was asked and sent: `? ticket` and the SKUs of a push.
    calls: Vec<String>,
    /// How many changes were looked at before they were sent.
    judged_changes: usize,
    /// The SKUs that came in each push, with their siblings.
    pushes: Vec<String>,
    /// The pages that were asked for.
    asked: Vec<usize>,
    /// What was sent and accepted.
    sent: Vec<String>,
    /// How often something was refused.
    refused: usize,
    /// The words of its mapping: a value in braces is what the source must say.
    mapping: BTreeMap<&'static str, &'static str>,
    /// Images and attributes of these SKUs are refused.
    refuses_remembered: BTreeSet<&'static str>,
    /// Images and attributes are judged later.
    audits: bool,
    /// It has something to say of images and attributes that it takes.
    remarks: bool,
    /// Whoever sends anything of these SKUs gets no answer.
    silent_of: BTreeSet<&'static str>,
    /// How long an upload takes.
    upload: SignedDuration,
    /// While the next change is on its way, this shop is named as the product source.
    names: Option<(Store, ShopId)>,
}

struct Stall {
    place: String,
    clock: Clock,
    shelf: Arc<Mutex<Shelf>>,
}

fn silent() -> ChannelError {
    ChannelError {
        failure: Failure::Unavailable { retry_at: None },
        text: "no answer".to_owned(),
        remedy: String::new(),
        request_id: None,
        acted: crate::channels::Acted::No,
    }
}

fn complaint(sku: &str, code: &str) -> Complaint {
    Complaint { sku: sku.to_owned(), code: code.to_owned(), text: "words".to_owned(), request_id: None }
}

#[async_trait]
impl Channel for Stall {
    fn place(&self) -> String {
        self.place.clone()
    }

    async fn probe(&self, _: &Access) -> Result<ShopStatus, ChannelError> {
        Ok(ShopStatus { name: None, ends: None })
    }

    async fn pull(&self, _: &Access, from: &From) -> Result<Page, ChannelError> {
        let mut shelf = self.shelf.lock().unwrap();
        let mut index = if from.first { 0 } else { from.cursor.as_ref().unwrap().0.parse().unwrap() };
        if shelf.silent_at.take_if(|at| *at == index).is_some() {
            return Err(silent());
        }
        if shelf.forgot && index > 0 {
            return Err(ChannelError { failure: Failure::Rejected, ..silent() });
        }
        let restart = shelf.restarts_at.take_if(|at| *at == index).is_some();
        if restart {
            index = 0;
        }
        shelf.asked.push(index);
        if shelf.slow {
            self.clock.set(self.clock.now() + SignedDuration::from_mins(11));
        }
        let pages = if from.kind == PassKind::Full { &shelf.pages } else { &shelf.changed };
        let complaints =
            shelf.unreadable.get(&index).into_iter().flatten().map(|sku| complaint(sku, "title")).collect();
        let more = index + 1 < pages.len();
        Ok(Page {
            listings: pages.get(index).cloned().unwrap_or_default(),
            complaints,
            unread: shelf.unread.get(&index).cloned().unwrap_or_default(),
            next: more.then(|| Cursor((index + 1).to_string())),
            resume: (!more).then(|| Cursor("later".to_owned())),
            restart,
            ..Page::default()
        })
    }

    fn lacks(&self, change: &Change) -> Option<Complaint> {
        let mut shelf = self.shelf.lock().unwrap();
        shelf.judged_changes += 1;
        let lacks = shelf.lacks.contains(change.sku.as_str());
        lacks.then(|| complaint(change.sku.as_str(), "category"))
    }

    fn attributes(&self, product: &Product, _: &Variant) -> Result<BTreeMap<String, String>, Unsaid> {
        let mapping = self.shelf.lock().unwrap().mapping.clone();
        let filled = mapping.into_iter().map(|(name, value)| match (value, &product.brand) {
            ("{brand}", None) => Err(Unsaid { attribute: name.to_owned(), part: "brand".to_owned() }),
            ("{brand}", Some(brand)) => Ok((name.to_owned(), brand.clone())),
            (value, _) => Ok((name.to_owned(), value.to_owned())),
        });
        filled.collect()
    }

    async fn push(&self, _: &Access, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
        let names = self.shelf.lock().unwrap().names.take();
        if let Some((store, source)) = names {
            name_source(&store, &self.clock, Some(&source)).await;
        }
        let mut shelf = self.shelf.lock().unwrap();
        let told = changes.iter().map(|change| {
            let skus = std::iter::once(&change.sku).chain(change.siblings.iter().map(|sibling| &sibling.sku));
            skus.map(Sku::as_str).collect::<Vec<_>>().join("+")
        });
        let told = told.collect::<Vec<_>>().join(" ");
        shelf.calls.push(told.clone());
        shelf.pushes.push(told);
        let is_remembered = |field: &Field| REMEMBERING.remembered.contains(field);
        if changes.iter().any(|change| change.listing.is_some() && change.fields.iter().any(is_remembered)) {
            assert!(changes.iter().all(|change| change.fields.iter().all(is_remembered)), "{changes:?}");
            if changes.iter().any(|change| shelf.silent_of.contains(change.sku.as_str())) {
                return Err(silent());
            }
            self.clock.set(self.clock.now() + shelf.upload);
            return Ok(changes.iter().map(|change| shelf.upload(change)).collect());
        }
        let mut results = Vec::new();
        for change in changes.iter().take(shelf.answers.unwrap_or(usize::MAX)) {
            if shelf.judges_later.contains(change.sku.as_str()) && !shelf.judged {
                results.push(PushResult::Pending { sku: change.sku.clone(), ticket: ticket_of(&change.sku) });
                continue;
            }
            if shelf.refuses.contains(change.sku.as_str()) {
                shelf.refused += 1;
                results.push(PushResult::Refused(complaint(change.sku.as_str(), "promotion")));
                continue;
            }
            if shelf.accepts == Some(0) || shelf.silent_of.contains(change.sku.as_str()) {
                return Err(silent());
            }
            shelf.accepts = shelf.accepts.map(|left| left - 1);
            let new = || of("product of its own", change.sku.as_str(), "1");
            let mut listing = change.listing.clone().unwrap_or_else(new);
            if change.wanted.retired {
                listing.status = ListingStatus::Inactive;
                shelf.sent.push(format!("{} off", change.sku));
            } else {
                if let Some(price) = change.wanted.price {
                    listing.prices.splice(.., [price]);
                }
                listing.stock = change.wanted.stock.or(listing.stock);
                let on = if change.wanted.relisted { " on" } else { "" };
                shelf.sent.push(format!("{} {:?} {:?}{on}", change.sku, listing.prices[0], listing.stock.unwrap()));
                if change.wanted.relisted {
                    listing.status = ListingStatus::Active;
                }
            }
            match shelf.pages.iter_mut().flatten().find(|shown| shown.sku == change.sku) {
                Some(shown) => *shown = listing.clone(),
                None => shelf.pages.push(vec![listing.clone()]),
            }
            results.push(PushResult::Done { sku: change.sku.clone(), listing: Box::new(listing) });
        }
        Ok(results)
    }

    async fn settle(&self, access: &Access, ticket: &Ticket, changes: &[Change]) -> Result<Settled, ChannelError> {
        assert!(changes.iter().all(|change| ticket_of(&change.sku) == *ticket), "{ticket:?} {changes:?}");
        {
            let mut shelf = self.shelf.lock().unwrap();
            if shelf.answers_questions == Some(0) {
                let until = self.clock.now() + SignedDuration::from_mins(1);
                return Err(ChannelError { failure: Failure::Throttled { until }, ..silent() });
            }
            shelf.answers_questions = shelf.answers_questions.map(|left| left - 1);
            shelf.calls.push(format!("? {}", ticket.0));
            self.clock.set(self.clock.now() + shelf.question);
            if shelf.lost_tickets {
                return Err(ChannelError { failure: Failure::Bug, ..silent() });
            }
            if shelf.silent_tickets {
                return Err(silent());
            }
            if !shelf.judged {
                return Ok(Settled::Open);
            }
            shelf.audits = false;
        }
        self.push(access, changes).await.map(Settled::Judged)
    }

    fn consent(&self) -> Option<&dyn Consent> {
        None
    }
}

impl Shelf {
    /// Takes images and attributes: of images it makes copies with addresses of its own.
    fn upload(&mut self, change: &Change) -> PushResult {
        if self.audits {
            return PushResult::Pending { sku: change.sku.clone(), ticket: ticket_of(&change.sku) };
        }
        if self.refuses_remembered.contains(change.sku.as_str()) {
            self.refused += 1;
            return PushResult::Refused(complaint(change.sku.as_str(), "promotion"));
        }
        let mut listing = change.listing.clone().unwrap();
        if let Some(images) = &change.wanted.images {
            self.sent.push(format!("{} images {}", change.sku, images.join(" ")));
            listing.images =
                (0..images.len()).map(|number| format!("https://stall/{}/{number}", self.sent.len())).collect();
            listing.refs = serde_json::json!({ "images": images.len() });
        }
        if let Some(attributes) = &change.wanted.attributes {
            let told: Vec<_> = attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
            self.sent.push(format!("{} attributes {}", change.sku, told.join(" ")));
        }
        if let Some(shown) = self.pages.iter_mut().flatten().find(|shown| shown.sku == change.sku) {
            (shown.images, shown.refs) = (listing.images.clone(), listing.refs.clone());
        }
        if self.remarks {
            let remark = complaint(change.sku.as_str(), Complaint::REMARK);
            return PushResult::Remarked { listing: Box::new(listing), remark };
        }
        PushResult::Done { sku: change.sku.clone(), listing: Box::new(listing) }
    }
}

/// Under which ticket changes of a SKU are judged: what stands before a dash, else its first letter.
fn ticket_of(sku: &Sku) -> Ticket {
    let (first, _) = sku.as_str().split_once('-').unwrap_or_else(|| sku.as_str().split_at(1));
    Ticket(first.to_owned())
}

/// A SKU of a product, with its price.
fn of(product: &str, sku: &str, amount: &str) -> Listing {
    Listing {
        sku: sku.parse().unwrap(),
        shop_sku: None,
        product_id: product.to_owned(),
        refs: serde_json::Value::Null,
        title: "Cup".to_owned(),
        description: None,
        brand: None,
        category: None,
        barcode: None,
        images: Vec::new(),
        options: Vec::new(),
        prices: vec![Price { amount: amount.parse().unwrap(), currency: "EUR".parse().unwrap() }],
        stock: Some(5),
        status: ListingStatus::Active,
    }
}

/// SKUs, each a product of its own.
fn page(items: &[(&str, &str)]) -> Vec<Listing> {
    items.iter().map(|(sku, amount)| of(&format!("product of {sku}"), sku, amount)).collect()
}

struct World {
    _dir: tempfile::TempDir,
    store: Store,
    clock: Clock,
    shops: ShopBook,
    shelves: BTreeMap<&'static str, Arc<Mutex<Shelf>>>,
    import: product_import::ProductImport,
    export: product_export::ProductExport,
}

/// How an attempt went: its run, how it ended, and what it did.
#[derive(Debug)]
struct Went {
    run: RunId,
    end: Result<Option<Outcome>, RunError>,
    counts: Counts,
}

impl World {
    /// The shops `erp` and `uk`; `source`: whether `erp` is the product source.
    async fn new(source: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:jobs.db", dir.path()).await.unwrap();
        let clock = Clock::manual("2026-03-02T09:00:00Z".parse().unwrap());
        let shelves: BTreeMap<&str, Arc<Mutex<Shelf>>> = ["erp", "uk"].map(|id| (id, Arc::default())).into();
        let entries = shelves.iter().map(|(id, shelf)| entry(id, source, shelf, &clock)).collect::<Vec<_>>();
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
        let mut tx = store.write(clock.now()).await.unwrap();
        tx.sync_shops(&wanted).await.unwrap();
        tx.commit().await.unwrap();
        name_source(&store, &clock, source.then(|| "erp".parse().unwrap()).as_ref()).await;
        let page = keeper::Page { public_url: "http://127.0.0.1:8420".parse().unwrap(), loopback: true };
        let shops = ShopBook::new(page, entries);
        let people = people();
        let sealer = Sealer::parse(&Sealer::generate()).unwrap();
        let holder = InstanceId("me".to_owned());
        let keeper = TokenKeeper::new(store.clone(), clock.clone(), sealer, shops.clone(), Arc::clone(&people), holder);
        let work = Work { store: store.clone(), clock: clock.clone(), keeper, shops: shops.clone(), people };
        let (import, export) =
            (product_import::ProductImport::new(work.clone()), product_export::ProductExport::new(work));
        Self { _dir: dir, store, clock, shops, shelves, import, export }
    }

    /// Both have been read: the source with these prices, the shop as it is.
    async fn read(source: &[(&str, &str)], shop: &[(&str, &str)]) -> Self {
        let world = Self::new(true).await;
        world.shelf("uk").pages = vec![page(shop)];
        world.source(source).await;
        world.imports("uk", true).await;
        world
    }

    /// From now on the shops have other settings.
    fn set(&self, change: impl Fn(&mut ShopEntry)) {
        let page = keeper::Page { public_url: "http://127.0.0.1:8420".parse().unwrap(), loopback: true };
        let entries = self.shelves.iter().map(|(id, shelf)| {
            let mut entry = entry(id, true, shelf, &self.clock);
            change(&mut entry);
            entry
        });
        self.shops.replace(page, entries.collect::<Vec<_>>());
    }

    fn shelf(&self, shop: &str) -> MutexGuard<'_, Shelf> {
        self.shelves[shop].lock().unwrap()
    }

    /// The source says so, and is read.
    async fn source(&self, items: &[(&str, &str)]) {
        self.shelf("erp").pages = vec![page(items)];
        assert_eq!(self.imports("erp", true).await.end.unwrap(), Some(Outcome::Done));
    }

    async fn imports(&self, shop: &str, full: bool) -> Went {
        let run = self.ask(shop, JobKind::ProductImport, Demand { full, ..Demand::default() }).await;
        self.attempt(run).await
    }

    async fn exports(&self) -> Went {
        let run = self.ask("uk", JobKind::ProductExport, Demand::default()).await;
        self.attempt(run).await
    }

    /// A person lets through what a guard stopped.
    async fn release(&self) -> Went {
        let run = self.ask("uk", JobKind::ProductExport, Demand { release_guard: true, ..Demand::default() }).await;
        self.attempt(run).await
    }

    async fn ask(&self, shop: &str, job: JobKind, demand: Demand) -> RunId {
        self.clock.set(self.clock.now() + SignedDuration::from_mins(1));
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        let new = NewRun { shop: Some(shop.parse().unwrap()), job, demand };
        let run = tx.run_now(&new, Trigger::Schedule).await.unwrap().run;
        tx.commit().await.unwrap();
        run
    }

    /// The next attempt of a run, as the scheduler makes it.
    async fn attempt(&self, run: RunId) -> Went {
        let holder = InstanceId("me".to_owned());
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        let claim = tx.claim_run(run, &holder).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        let context = Context::of(&claim, &holder, CancellationToken::new(), Progress::default());
        let handler: &dyn Handler = if claim.job == JobKind::ProductImport { &self.import } else { &self.export };
        let (end, finish, counts) = match handler.run(context).await {
            Ok(End::Ended(outcome, counts)) => (Ok(Some(outcome)), Finish::Ended(outcome), counts),
            Ok(End::GivenBack(counts)) => (Ok(None), Finish::GivenBack, counts),
            Err(Stopped { error, counts }) => {
                let held = error.failure == Failure::Guarded;
                let again = Finish::Retry { at: self.clock.now(), counted: true };
                (Err(error), if held { Finish::Ended(Outcome::Held) } else { again }, counts)
            }
        };
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        let finished = Finished { id: run, lease_number: claim.lease_number, finish, counts, error: None };
        assert_eq!(tx.finish_runs(&[finished]).await.unwrap().runs, [run]);
        tx.commit().await.unwrap();
        Went { run, end, counts }
    }

    /// The import of `uk` that somebody asked for last.
    async fn carry_out_import(&self) -> Went {
        let filter =
            RunFilter { shop: Some("uk".parse().unwrap()), job: Some(JobKind::ProductImport), ..RunFilter::default() };
        let runs = self.store.read(self.clock.now()).await.unwrap().runs(&filter, 1).await.unwrap();
        self.attempt(runs[0].id).await
    }

    /// The complaints that stand about `uk`: `SKU code run`.
    async fn complaints(&self) -> Vec<String> {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        let standing = tx.complaints(&"uk".parse().unwrap(), None).await.unwrap();
        standing.iter().map(|one| format!("{} {} {}", one.complaint.sku, one.complaint.code, one.run)).collect()
    }

    /// What the shop is known to have: `SKU price`.
    async fn known(&self) -> Vec<String> {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        let stored = tx.listings(&"uk".parse().unwrap(), None, 100).await.unwrap();
        let there = stored.into_iter().filter(|stored| !stored.gone).filter_map(|stored| stored.listing);
        there.map(|listing| format!("{} {:?}", listing.sku, listing.prices[0])).collect()
    }

    async fn mails(&self) -> usize {
        self.store.read(self.clock.now()).await.unwrap().mails(None, 100).await.unwrap().len()
    }
}

/// Settings that name this source are put in force.
async fn name_source(store: &Store, clock: &Clock, source: Option<&ShopId>) {
    let mut tx = store.write(clock.now()).await.unwrap();
    tx.name_product_source(source).await.unwrap();
    tx.commit().await.unwrap();
}

fn entry(id: &str, source: bool, shelf: &Arc<Mutex<Shelf>>, clock: &Clock) -> ShopEntry {
    let shelf = Arc::clone(shelf);
    ShopEntry {
        shop: Shop { id: id.parse().unwrap(), channel: "stall".into(), name: format!("Shop {id}") },
        channel: Arc::new(Stall { place: id.to_owned(), clock: clock.clone(), shelf }),
        abilities: &ABILITIES,
        rules: Rules {
            fields: [Field::Price, Field::Stock].into(),
            create: false,
            retire: Retire::Keep,
            reserve: 0,
            max: None,
            factor: 1.into(),
            round: None,
            convert: BTreeMap::new(),
            guard_retire: "0.2".parse().unwrap(),
            guard_price: "0.5".parse().unwrap(),
        },
        own: serde_json::Map::new(),
        jobs: BTreeMap::new(),
        full_import: Period::Every(SignedDuration::from_hours(24)),
        match_barcode: false,
        is_source: source && id == "erp",
        has_source: source,
    }
}

fn people() -> SharedPeople {
    let zone = TimeZone::UTC;
    let ladder = Ladder { start: 1.month(), every: 1.week(), extra: Vec::new(), at: time(8, 0, 0, 0), zone };
    Arc::new(ArcSwap::from_pointee(People {
        shops: BTreeMap::new(),
        names: BTreeMap::new(),
        operator: vec![Recipient { address: "ops@example.com".to_owned(), language: Language::En }],
        language: Language::En,
        ladder,
        sender: Sender::parse("shops@example.com").unwrap(),
        link: Arc::new(|shop: &ShopId, _: Option<&str>| {
            Url::parse(&format!("http://127.0.0.1:8420/authorize/{shop}")).unwrap().into()
        }),
        command: "shopsyncd".to_owned(),
        app_secrets: Vec::new(),
    }))
}
