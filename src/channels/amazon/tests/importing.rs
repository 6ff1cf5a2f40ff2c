//! Passes over a seller's items.

use super::*;
use crate::channels::{From, Page};
use crate::domain::{Complaint, Cursor, Listing, ListingStatus, PassKind};

impl Scene {
    pub(super) fn seeded(seeds: &[Seed]) -> Self {
        let scene = Self::new();
        scene.fake.seed_items(SELLER, "DE", seeds).unwrap();
        scene
    }

    /// The pages of a pass, with the waits that its channel asks for; what it says at last where it fails.
    async fn pages(&self, kind: PassKind, cursor: Option<Cursor>) -> Result<Vec<Page>, ChannelError> {
        let (channel, access) = (self.channel(), self.access());
        let mut from = From { kind, cursor, first: true };
        let mut pages = Vec::new();
        loop {
            match channel.pull(&access, &from).await {
                Ok(page) => {
                    let next = page.next.clone();
                    pages.push(page);
                    let Some(cursor) = next else { return Ok(pages) };
                    from = From { kind, cursor: Some(cursor), first: false };
                }
                Err(ChannelError { failure: Failure::Throttled { until }, .. }) => self.clock.set(until),
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn read(&self) -> Vec<Listing> {
        let pages = self.pages(PassKind::Full, None).await.unwrap();
        pages.into_iter().flat_map(|page| page.listings).collect()
    }

    async fn remarks(&self) -> (Vec<Complaint>, Vec<Complaint>) {
        let pages = self.pages(PassKind::Full, None).await.unwrap();
        let (complaints, remarks): (Vec<_>, Vec<_>) =
            pages.into_iter().map(|page| (page.complaints, page.remarks)).unzip();
        (complaints.concat(), remarks.concat())
    }
}

pub(super) fn seed(sku: &str) -> Seed {
    Seed {
        sku: sku.into(),
        title: Some(format!("Title of {sku}")),
        price: Some("19.90".into()),
        stock: Some(5),
        ..Seed::default()
    }
}

fn skus(pages: &[Page]) -> Vec<&str> {
    pages.iter().flat_map(|page| &page.listings).map(|listing| listing.sku.as_str()).collect()
}

#[tokio::test]
async fn heads_of_families_are_left_out_and_what_amazon_keeps_is_told_without_pieces() {
    let child = Seed {
        parent: Some("TS".into()),
        attributes: json!({"color": [{"value": "Red"}]}).as_object().cloned().unwrap(),
        ..seed("TS-RED")
    };
    let fba = Seed { stock: None, fba: true, ..seed("FBA-1") };
    let head = Seed { price: None, stock: None, is_parent: true, ..seed("TS") };
    let scene = Scene::seeded(&[child, head, fba, Seed { stock: Some(0), ..seed("sold out") }]);
    let listings = scene.read().await;
    let seen: Vec<_> =
        listings.iter().map(|one| (one.sku.as_str(), one.product_id.as_str(), one.stock, one.status)).collect();
    assert_eq!(
        seen,
        [
            ("FBA-1", "FBA-1", None, ListingStatus::Active),
            ("TS-RED", "TS", Some(5), ListingStatus::Active),
            ("sold out", "sold out", Some(0), ListingStatus::Inactive),
        ]
    );
    assert_eq!(listings[1].options, [("color".to_owned(), "Red".to_owned())]);
    assert_eq!(scene.fake.stats().bad_requests, 0);
}

#[tokio::test]
async fn issues_that_are_errors_are_remarks_and_what_is_unreadable_is_a_complaint() {
    let issue =
        |code: &str, severity: &str| json!({"code": code, "message": "Wrong", "severity": severity, "categories": []});
    let odd_price =
        json!({"purchasable_offer": [{"currency": "EUR", "our_price": [{"schedule": [{"value_with_tax": -1}]}]}]});
    let scene = Scene::seeded(&[
        Seed { issues: Some(vec![issue("90220", "ERROR"), issue("1", "WARNING")]), ..seed("a") },
        Seed { price: None, attributes: odd_price.as_object().cloned().unwrap(), ..seed("b") },
        seed("c"),
    ]);
    let (complaints, remarks) = scene.remarks().await;
    let codes = |all: &[Complaint]| all.iter().map(|one| (one.sku.clone(), one.code.clone())).collect::<Vec<_>>();
    assert_eq!(codes(&remarks), [("a".to_owned(), "90220".to_owned())]);
    assert_eq!(codes(&complaints), [("b".to_owned(), "price".to_owned())]);
    assert!(remarks[0].request_id.is_some());
}

#[tokio::test]
async fn a_shop_that_is_too_large_for_a_search_is_read_by_report_however_its_skus_are_spelt() {
    let mut odd = ["a/b c+d", "Größe,ü", "100% \"neu\"", "x?y#z&w=1", "comma, too", ".."].map(seed).to_vec();
    odd.extend((0..40).map(|number| seed(&format!("S-{number:02}"))));
    odd.push(Seed { is_parent: true, price: None, stock: None, ..seed("HEAD") });
    let scene = Scene::seeded(&odd);
    scene.fake.rules(|rules| rules.tells_more_than_there_are = true);
    let pages = scene.pages(PassKind::Full, None).await.unwrap();
    let mut seen = skus(&pages);
    seen.sort_unstable();
    let mut expected: Vec<_> = odd.iter().map(|seed| seed.sku.as_str()).filter(|sku| *sku != "HEAD").collect();
    expected.sort_unstable();
    assert_eq!(seen, expected);
    let remarks: Vec<_> =
        pages.iter().flat_map(|page| &page.remarks).map(|one| (one.sku.as_str(), one.code.as_str())).collect();
    assert_eq!(remarks, [], "all that the report names are found");
    let stats = scene.fake.stats();
    assert_eq!((stats.rate_violations, stats.bad_requests, stats.tokens_to_store), (0, 0, 0));
    // Twenty at once, but one by one where a comma would end a SKU in the list.
    assert_eq!((stats.calls["getListingsItem"], stats.calls["getReportDocument"]), (2, 1));
    assert_eq!(pages.iter().filter_map(|page| page.total).next_back(), Some(odd.len() as u64));
}

#[tokio::test]
async fn a_report_is_waited_for_without_haste_and_goes_on_after_a_restart() {
    let scene = Scene::seeded(&(0..25).map(|number| seed(&format!("S-{number:02}"))).collect::<Vec<_>>());
    scene.fake.rules(|rules| {
        rules.tells_more_than_there_are = true;
        rules.processing = HOUR / 2;
    });
    let access = scene.access();
    let mut from = From { kind: PassKind::Full, cursor: None, first: true };
    for _ in 0..2 {
        let page = scene.channel().pull(&access, &from).await.unwrap();
        assert!(page.listings.is_empty() && page.resume.is_none());
        from = From { cursor: page.next, first: false, ..from };
    }
    let begun = scene.clock.now();
    let error = scene.channel().pull(&access, &from).await.unwrap_err();
    assert_eq!(error.failure, Failure::Throttled { until: begun + SignedDuration::from_secs(30) });
    assert!(error.text.contains("makes the report"), "{error}");
    scene.clock.set(begun + HOUR / 2);
    let mut seen = Vec::new();
    // Each page by a channel that knows nothing of the one before.
    loop {
        let page = scene.channel().pull(&access, &from).await.unwrap();
        seen.extend(page.listings);
        let Some(next) = page.next else { break };
        from = From { cursor: Some(next), ..from };
    }
    assert_eq!(seen.len(), 25);
    let calls = scene.fake.stats().calls;
    assert_eq!((calls["createReport"], calls["getReport"], calls["getReportDocument"]), (1, 2, 2));
}

#[tokio::test]
async fn a_report_whose_document_is_forgotten_is_asked_for_anew() {
    let scene = Scene::seeded(&(0..25).map(|number| seed(&format!("S-{number:02}"))).collect::<Vec<_>>());
    scene.fake.rules(|rules| rules.tells_more_than_there_are = true);
    let access = scene.access();
    let mut from = From { kind: PassKind::Full, cursor: None, first: true };
    while !from.cursor.as_ref().is_some_and(|cursor| cursor.0.contains("\"at\":20")) {
        let page = match scene.channel().pull(&access, &from).await {
            Err(ChannelError { failure: Failure::Throttled { until }, .. }) => {
                scene.clock.set(until);
                continue;
            }
            page => page.unwrap(),
        };
        from = From { cursor: page.next, first: false, ..from };
    }
    // It stood still until Amazon kept the report no longer.
    scene.fake.forget_documents();
    let page = scene.channel().pull(&access, &from).await.unwrap();
    assert!(page.restart && page.next.unwrap().0.contains("ask"));
}

#[tokio::test]
async fn a_report_that_failed_fails_the_run_and_half_an_hour_later_another_is_asked_for() {
    let scene = Scene::seeded(&[seed("a")]);
    scene.fake.rules(|rules| {
        rules.tells_more_than_there_are = true;
        rules.ends_as = Some("FATAL");
    });
    let error = scene.pages(PassKind::Full, None).await.unwrap_err();
    assert!(matches!(&error.failure, Failure::Unexpected { .. }) && error.text.contains("ended as FATAL"), "{error}");
    scene.fake.rules(|rules| rules.ends_as = None);
    let (channel, access) = (scene.channel(), scene.access());
    // The run begins anew where the pass stands: at the report that failed.
    let first = channel.pull(&access, &From { kind: PassKind::Full, cursor: None, first: true }).await.unwrap();
    let asked = channel.pull(&access, &From { kind: PassKind::Full, cursor: first.next, first: false }).await.unwrap();
    scene.fake.rules(|rules| rules.ends_as = Some("CANCELLED"));
    scene.clock.advance(SignedDuration::from_mins(31));
    let again = From { kind: PassKind::Full, cursor: asked.next, first: false };
    let page = channel.pull(&access, &again).await.unwrap();
    scene.fake.rules(|rules| rules.ends_as = None);
    assert!(page.next.unwrap().0.contains("ask"));
}

#[tokio::test]
async fn a_japanese_shops_report_is_read_in_its_own_letters() {
    let mut scene = Scene::new();
    scene.fake.add_seller(SELLER, "Seller KK", &["JP"]);
    scene.fake.seed_items(SELLER, "JP", &[Seed { price: Some("1299".into()), ..seed("能-1") }]).unwrap();
    scene.fake.rules(|rules| {
        rules.tells_more_than_there_are = true;
        rules.report_content_type = None;
        rules.gzip = false;
    });
    scene.own = json!({"marketplace": "JP"});
    let listings = scene.read().await;
    assert_eq!((listings[0].sku.as_str(), listings[0].prices[0].to_string().as_str()), ("能-1", "1299 JPY"));
}

#[tokio::test]
async fn pages_that_lead_to_themselves_or_lost_something_are_not_believed() {
    let scene = Scene::seeded(&(0..50).map(|number| seed(&format!("S-{number:02}"))).collect::<Vec<_>>());
    scene.fake.rules(|rules| rules.loops_token = true);
    let error = scene.pages(PassKind::Full, None).await.unwrap_err();
    assert!(error.text.contains("the next page's token is this page's"), "{error}");
    scene.fake.rules(|rules| rules.loops_token = false);
    let (channel, access) = (scene.channel(), scene.access());
    let first = channel.pull(&access, &From { kind: PassKind::Full, cursor: None, first: true }).await.unwrap();
    // What was deleted from a page that is read makes another slip into it.
    scene.fake.delete_item(SELLER, "DE", "S-03");
    let page = channel.pull(&access, &From { kind: PassKind::Full, cursor: first.next, first: false }).await.unwrap();
    assert!(page.listings.is_empty() && page.next.unwrap().0.contains("ask"));
}

#[tokio::test]
async fn a_pass_of_changes_survives_many_that_share_a_time_and_edits_while_it_reads() {
    let seeds: Vec<_> = (0..50).map(|number| seed(&format!("S-{number:02}"))).collect();
    let scene = Scene::seeded(&seeds);
    let resume = scene.pages(PassKind::Full, None).await.unwrap().pop().unwrap().resume;
    scene.clock.advance(HOUR / 2);
    scene.fake.seed_items(SELLER, "DE", &seeds[..45]).unwrap();
    scene.clock.advance(SignedDuration::from_secs(1));
    scene.fake.seed_items(SELLER, "DE", &seeds[45..]).unwrap();
    scene.clock.advance(SignedDuration::from_secs(1));
    let (channel, access) = (scene.channel(), scene.access());
    let mut from = From { kind: PassKind::Changes, cursor: resume, first: true };
    let mut seen = std::collections::BTreeSet::new();
    for number in 0.. {
        let page = channel.pull(&access, &from).await.unwrap();
        seen.extend(page.listings.into_iter().map(|listing| listing.sku.to_string()));
        let Some(next) = page.next else { break };
        from = From { kind: PassKind::Changes, cursor: Some(next), first: false };
        if number == 0 {
            // It moves behind the end of this pass, into the next one.
            scene.clock.advance(SignedDuration::from_secs(1));
            scene.fake.set_item(SELLER, "DE", seed("S-49")).unwrap();
        }
    }
    assert_eq!(seen.len(), 49, "{seen:?}");
    assert_eq!(scene.fake.stats().bad_requests, 0);
}

#[tokio::test]
async fn more_changes_at_one_time_than_a_search_reaches_are_read_by_report() {
    let seeds: Vec<_> = (0..1_030).map(|number| seed(&format!("S-{number:04}"))).collect();
    let scene = Scene::seeded(&[]);
    scene.fake.rules(|rules| rules.rates = false);
    let resume = scene.pages(PassKind::Full, None).await.unwrap().pop().unwrap().resume;
    scene.fake.seed_items(SELLER, "DE", &seeds).unwrap();
    scene.clock.advance(SignedDuration::from_secs(1));
    let place =
        json!({"changes": {"started": scene.clock.now(), "since": "2026-06-01T12:00:00Z", "token": "", "read": 990}});
    assert!(resume.is_some());
    // As after 990 of them: the thousandth is in this page, and there are more.
    let from = From { kind: PassKind::Changes, cursor: Some(Cursor(place.to_string())), first: false };
    let page = scene.channel().pull(&scene.access(), &from).await.unwrap();
    assert_eq!(page.listings.len(), 20);
    assert!(page.next.unwrap().0.contains("ask"));
}

#[tokio::test]
async fn a_cursor_of_another_version_is_named_with_the_way_out() {
    let scene = Scene::new();
    let from = From { kind: PassKind::Changes, cursor: Some(Cursor("{}".into())), first: true };
    let error = scene.channel().pull(&scene.access(), &from).await.unwrap_err();
    assert!(error.remedy.contains("--full"), "{error:?}");
}
