//! A shop's life from the first import to the last listing, as traffic: what the suite of all channels does not reach (feeds, odd
//! SKUs, variations, refusals of every kind) is judged here.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;
use shopsyncd::{
    channels::{
        Access, Channel, ChannelError, From, PushResult, Settled,
        amazon::fake::{FakeAmazon, Issued, Journal, Mishap, Seed},
    },
    clock::Clock,
    domain::{
        Cursor, Failure, Field, Listing, PassKind, Price, Product, Sku, Values, Variant,
        plan::{Change, change},
    },
};

use super::{Called, Judge, SELLER, access, channel};

/// A seller's shop in Germany.
struct Story {
    fake: FakeAmazon,
    clock: Clock,
    channel: Arc<dyn Channel>,
    issued: Issued,
    journal: Journal,
}

const ODD: [&str; 3] = ["a,b", "Größe M/2 + 🧦?#%", "two  words"];

impl Story {
    fn new() -> Self {
        let (journal, clock) = (Journal::default(), Clock::manual("2026-06-01T12:00:00Z".parse().unwrap()));
        let fake = FakeAmazon::with_journal(clock.clone(), &journal).unwrap();
        fake.add_seller(SELLER, "Harbour Ltd", &["DE", "FR"]);
        fake.rules(|rules| {
            rules.access_token_life = SignedDuration::from_hours(24);
            // Other character sets have no letters for some SKUs.
            rules.report_content_type = Some("text/plain; charset=UTF-8");
        });
        let plain = |sku: &str| Seed {
            sku: sku.to_owned(),
            title: Some(format!("Thing {sku}")),
            price: Some("19.90".to_owned()),
            stock: Some(3),
            ..Seed::default()
        };
        let mut seeds: Vec<_> = (0..25).map(|number| plain(&format!("s-{number:02}"))).collect();
        seeds.extend(ODD.map(plain));
        let issue = json!({
            "code": "18027", "message": "the image has text", "severity": "ERROR", "categories": ["INVALID_IMAGE"],
            "enforcements": {"actions": [{"action": "SEARCH_SUPPRESSED"}], "exemption": {"status": "NOT_EXEMPT"}},
        });
        seeds[0].issues = Some(vec![issue]);
        seeds.push(Seed { fba: true, stock: None, ..plain("fba") });
        seeds.push(Seed { is_parent: true, price: None, stock: None, ..plain("head") });
        seeds.push(Seed { parent: Some("head".to_owned()), ..plain("child") });
        fake.seed_items(SELLER, "DE", &seeds).unwrap();
        let own = json!({
            "marketplace": "DE",
            "mapping": {
                "category": "SHIRT", "brand": "Harbour",
                "raw": {"supplier_declared_has_product_identifier_exemption": [{"value": true}]},
            },
        });
        let channel = channel(&fake.app_settings(), own, &clock);
        let issued = fake.grant_tokens(SELLER, SignedDuration::from_hours(1));
        Self { fake, clock, channel, issued, journal }
    }

    fn access(&self) -> Access {
        access(&self.issued.access_token)
    }

    /// Time passes where the channel is told to wait; other errors are what came of it.
    fn waits(&self, error: ChannelError) -> Result<(), ChannelError> {
        if matches!(error.failure, Failure::Throttled { .. }) {
            self.clock.advance(SignedDuration::from_mins(1));
            return Ok(());
        }
        Err(error)
    }

    /// A whole pass, and what the next one starts from.
    async fn read(&self, kind: PassKind, resume: Option<Cursor>) -> Result<(Vec<Listing>, Cursor), ChannelError> {
        let mut from = From { kind, cursor: resume, first: true };
        let mut listings = Vec::new();
        loop {
            let page = match self.channel.pull(&self.access(), &from).await {
                Ok(page) => page,
                Err(error) => {
                    self.waits(error)?;
                    continue;
                }
            };
            assert_eq!(page.complaints, []);
            listings.extend(page.listings);
            let Some(next) = page.next else { return Ok((listings, page.resume.unwrap())) };
            from = From { kind, cursor: Some(next), first: false };
        }
    }

    async fn push(&self, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
        loop {
            match self.channel.push(&self.access(), changes).await {
                Ok(results) => return Ok(results),
                Err(error) => self.waits(error)?,
            }
        }
    }

    /// Sends a feed and waits for what comes of it.
    async fn feed(&self, changes: &[Change]) -> Vec<PushResult> {
        let sent = self.push(changes).await.unwrap();
        let pending = sent.iter().find_map(|result| match result {
            PushResult::Pending { ticket, .. } => Some(ticket.clone()),
            _ => None,
        });
        let ticket = pending.unwrap_or_else(|| panic!("nothing is pending: {sent:?}"));
        loop {
            match self.channel.settle(&self.access(), &ticket, changes).await {
                Ok(Settled::Open) => self.clock.advance(SignedDuration::from_mins(1)),
                Ok(Settled::Judged(results)) => return results,
                Err(error) => self.waits(error).unwrap(),
            }
        }
    }
}

fn everything() -> Values {
    Values {
        price: Some(Price { amount: "21.50".parse().unwrap(), currency: "EUR".parse().unwrap() }),
        stock: Some(7),
        title: Some("A better thing".to_owned()),
        description: Some("Good for two\nand more".to_owned()),
        ..Values::default()
    }
}

fn to_create(sku: &str) -> Change {
    let sku: Sku = sku.parse().unwrap();
    let wanted = everything();
    let product = Product {
        id: format!("product of {sku}"),
        title: "A better thing".to_owned(),
        description: wanted.description.clone(),
        brand: None,
        category: None,
        images: vec!["https://shop.example.com/1.jpg".to_owned()],
    };
    let variant = Variant {
        sku: sku.clone(),
        product_id: product.id.clone(),
        barcode: Some("4006381333931".to_owned()),
        prices: wanted.price.into_iter().collect(),
        stock: wanted.stock,
        options: Vec::new(),
    };
    let fields = vec![Field::Price, Field::Stock, Field::Title, Field::Description];
    Change { sku, listing: None, product: Some((product, variant)), siblings: Vec::new(), wanted, fields }
}

fn done(results: &[PushResult]) -> usize {
    results.iter().filter(|result| matches!(result, PushResult::Done { .. })).count()
}

fn refusals(results: &[PushResult]) -> Vec<&str> {
    let refused = results.iter().filter_map(|result| match result {
        PushResult::Refused(complaint) => Some(complaint.sku.as_str()),
        _ => None,
    });
    refused.collect()
}

#[tokio::test]
async fn a_shops_whole_life_is_as_the_models_have_it() {
    let Some(mut judge) = Judge::start() else { return };
    let story = Story::new();

    let (listings, resume) = story.read(PassKind::Full, None).await.unwrap();
    assert_eq!(listings.len(), 30, "all but the head of the family");
    story.fake.rules(|rules| rules.tells_more_than_there_are = true);
    assert_eq!(story.read(PassKind::Full, None).await.unwrap().0.len(), 30, "by report");
    story.fake.rules(|rules| rules.tells_more_than_there_are = false);
    story.clock.advance(SignedDuration::from_hours(1));
    let altered = Seed { sku: "s-01".to_owned(), stock: Some(9), ..Seed::default() };
    story.fake.set_item(SELLER, "DE", altered).unwrap();
    let (altered, _) = story.read(PassKind::Changes, Some(resume)).await.unwrap();
    assert!(altered.iter().any(|listing| listing.sku.as_str() == "s-01"), "{altered:?}");

    let listing = |sku: &str| listings.iter().find(|listing| listing.sku.as_str().trim() == sku.trim()).unwrap();
    let changed = |sku: &str| change(listing(sku), &everything()).unwrap();
    let few: Vec<_> = ODD.iter().map(|sku| changed(sku)).chain([changed("child")]).collect();
    assert_eq!(done(&story.push(&few).await.unwrap()), 4);
    story.fake.refuse_item(SELLER, "DE", "s-02", "Restricted Products Policy Violation");
    story.fake.delete_item(SELLER, "DE", "s-03");
    let wrong = story.push(&[changed("s-02"), changed("s-03"), changed("fba")]).await.unwrap();
    assert!(["s-02", "s-03"].iter().all(|sku| refusals(&wrong).contains(sku)), "{wrong:?}");
    let created = story.push(&[to_create("new/1"), to_create("new,2")]).await.unwrap();
    assert_eq!(done(&created), 2, "{created:?}");
    let retired = Values { retired: true, ..Values::default() };
    let retired = story.push(&[change(listing("s-04"), &retired).unwrap()]).await.unwrap();
    assert_eq!(done(&retired), 1, "{retired:?}");

    // Many go as a feed: changes, a new one, and one that is refused.
    let mut many: Vec<_> = (5..25).map(|number| changed(&format!("s-{number:02}"))).collect();
    many.extend([to_create("new 3"), changed("s-02")]);
    let judged = story.feed(&many).await;
    assert_eq!((done(&judged), refusals(&judged)), (21, vec!["s-02"]), "{judged:?}");
    story.fake.rules(|rules| rules.ends_as = Some("CANCELLED"));
    story.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(done(&story.feed(&many).await), 0);

    // What goes wrong in general.
    for mishap in [Mishap::Throttled { retry_after: Some(1) }, Mishap::ServerError, Mishap::CutOff] {
        story.fake.fail_next(mishap);
        let from = From { kind: PassKind::Full, cursor: None, first: true };
        assert!(story.channel.pull(&story.access(), &from).await.is_err(), "{mishap:?}");
        story.clock.advance(SignedDuration::from_mins(2));
    }
    story.fake.rules(|rules| rules.role_missing = true);
    assert!(story.push(&few).await.is_err());
    story.fake.rules(|rules| rules.role_missing = false);
    story.fake.expire_access_tokens(SELLER);
    assert_eq!(story.read(PassKind::Full, None).await.unwrap_err().failure, Failure::TokenRejected);

    let called = judge.approve("a shop's whole life", &story.journal.take()).await;
    assert_called(&called);
    let stats = story.fake.stats();
    assert_eq!((stats.odd_headers, stats.tokens_to_store, stats.fba_converted), (0, 0, 0), "{stats:?}");
}

fn assert_called(called: &Called) {
    let expected = [
        "createFeed 202",
        "createFeedDocument 201",
        "createReport 202",
        "document: GET_MERCHANT_LISTINGS_ALL_DATA 200",
        "document: feed 200",
        "document: result of JSON_LISTINGS_FEED 200",
        "getFeed 200",
        "getFeedDocument 200",
        "getListingsItem 200",
        "getListingsItem 404",
        "getReport 200",
        "getReportDocument 200",
        "patchListingsItem 200",
        "patchListingsItem 400",
        "patchListingsItem 403",
        "putListingsItem 200",
        "searchListingsItems 200",
        "searchListingsItems 403",
        "searchListingsItems 429",
        "searchListingsItems 503",
    ];
    let lost: Vec<_> = expected.into_iter().filter(|call| !called.contains_key(*call)).collect();
    assert!(lost.is_empty(), "the story no longer makes the calls {lost:?}, only {called:?}");
}
