//! Import, in what the suite of all channels does not ask.

use super::*;
use crate::{
    channels::{From, Page, shopline::fake::Seed},
    domain::{Cursor, Listing, ListingStatus, PassKind},
};

pub(super) fn seed(sku: &str) -> Seed {
    Seed { sku: sku.into(), title: format!("Thing {sku}"), price: "20".into(), stock: Some(3), ..Seed::default() }
}

async fn page(scene: &Scene, platform: &str, account: &str, from: &From) -> Result<Page, ChannelError> {
    scene.channel(platform).pull(&scene.access(account), from).await
}

fn beginning() -> From {
    From { kind: PassKind::Full, cursor: None, first: true }
}

fn after(cursor: Option<Cursor>) -> From {
    From { kind: PassKind::Full, cursor, first: false }
}

/// All pages of a complete pass; between the first and the second `meanwhile` happens.
pub(super) async fn read_all(scene: &Scene, platform: &str, account: &str, meanwhile: impl Fn()) -> Vec<Page> {
    let mut pages = vec![page(scene, platform, account, &beginning()).await.unwrap()];
    meanwhile();
    while let Some(next) = pages.last().unwrap().next.clone() {
        pages.push(page(scene, platform, account, &after(Some(next))).await.unwrap());
        assert!(pages.len() < 50, "the pass does not end");
    }
    pages
}

pub(super) async fn listings(scene: &Scene, platform: &str, account: &str) -> Vec<Listing> {
    read_all(scene, platform, account, || ()).await.into_iter().flat_map(|page| page.listings).collect()
}

fn skus(pages: &[Page]) -> std::collections::BTreeSet<String> {
    pages.iter().flat_map(|page| &page.listings).map(|listing| listing.sku.to_string()).collect()
}

#[tokio::test]
async fn products_deleted_and_made_while_a_pass_runs_hide_no_others_however_pages_are_told() {
    for (platform, account, previous_id) in
        [("global", STORE, false), ("asia", MERCHANT, false), ("asia", MERCHANT, true)]
    {
        let scene = Scene::new();
        scene.fake.rules(|rules| {
            rules.page_cap = 3;
            rules.previous_id = previous_id;
        });
        let seeds: Vec<_> = (0..11).map(|number| seed(&format!("S-{number:02}"))).collect();
        scene.fake.seed_products(account, &seeds).unwrap();
        let pages = read_all(&scene, platform, account, || {
            scene.fake.delete_product(account, "S-00").unwrap();
        })
        .await;
        let expected: std::collections::BTreeSet<_> = seeds.iter().map(|seed| seed.sku.clone()).collect();
        assert_eq!(skus(&pages), expected, "{platform}, previous_id {previous_id}");
        assert!(pages.iter().all(|page| !page.restart && page.complaints.is_empty()));
        let stats = scene.fake.stats();
        assert_eq!((stats.mixed_page_info, stats.rate_violations, stats.bad_user_agents), (0, 0, 0));
    }
}

#[tokio::test]
async fn a_pass_whose_token_is_not_known_any_more_begins_anew_once() {
    let scene = Scene::new();
    scene.fake.rules(|rules| rules.page_cap = 1);
    scene.fake.seed_products(STORE, &[seed("A"), seed("B")]).unwrap();
    let first = page(&scene, "global", STORE, &beginning()).await.unwrap();
    scene.fake.rules(|rules| rules.tokens_forgotten = true);
    let again = page(&scene, "global", STORE, &after(first.next)).await.unwrap();
    assert!(again.restart && again.listings[0].sku.as_str() == "A", "{again:?}");
    let error = page(&scene, "global", STORE, &after(again.next)).await.unwrap_err();
    assert_eq!(error.failure, Failure::Rejected);
}

#[tokio::test]
async fn a_removed_product_of_asia_does_not_come_back_by_a_pass_of_changes() {
    let scene = Scene::new();
    scene.fake.seed_products(MERCHANT, &[seed("A"), seed("B")]).unwrap();
    scene.clock.advance(MINUTE * 30);
    let resume = page(&scene, "asia", MERCHANT, &beginning()).await.unwrap().resume;
    scene.clock.advance(MINUTE * 30);
    scene.fake.delete_product(MERCHANT, "A").unwrap();
    let from = From { kind: PassKind::Changes, cursor: resume, first: true };
    let changes = page(&scene, "asia", MERCHANT, &from).await.unwrap();
    assert!(changes.listings.is_empty() && changes.next.is_none() && changes.resume.is_some(), "{changes:?}");
}

#[tokio::test]
async fn a_product_that_cannot_be_read_is_there_all_the_same() {
    for (platform, account) in [("global", STORE), ("asia", MERCHANT)] {
        let scene = Scene::new();
        scene.fake.seed_products(account, &[seed("A"), seed("B")]).unwrap();
        let known = listings(&scene, platform, account).await;
        scene.fake.garble(account, "A");
        let read = page(&scene, platform, account, &beginning()).await.unwrap();
        assert_eq!(skus(std::slice::from_ref(&read)).into_iter().collect::<Vec<_>>(), ["B"], "{platform}");
        assert_eq!((read.unread, read.complaints.len()), (vec![known[0].product_id.clone()], 1), "{platform}");
    }
}

#[tokio::test]
async fn several_locations_without_a_choice_are_a_complaint_and_one_of_them_can_be_chosen() {
    for (platform, account, second) in [("global", STORE, "5703943989105270999"), ("asia", MERCHANT, "wh-2")] {
        let mut scene = Scene::new();
        scene.fake.add_place(account, second);
        scene.fake.seed_products(account, &[seed("A")]).unwrap();
        let read = page(&scene, platform, account, &beginning()).await.unwrap();
        assert_eq!(read.listings[0].stock, Some(8), "the sum is shown");
        assert_eq!((read.complaints[0].code.as_str(), read.complaints[0].sku.as_str()), ("warehouse", "A"));
        assert!(read.complaints[0].text.contains(second), "{}", read.complaints[0].text);
        scene.warehouse = Some(second.to_owned());
        let read = page(&scene, platform, account, &beginning()).await.unwrap();
        assert_eq!((read.listings[0].stock, read.complaints.len()), (Some(3), 0), "{platform}");
        scene.warehouse = Some("nowhere".to_owned());
        let read = page(&scene, platform, account, &beginning()).await.unwrap();
        assert!(read.complaints[0].text.contains("nowhere"), "{}", read.complaints[0].text);
    }
}

#[tokio::test]
async fn strange_skus_are_kept_to_the_letter_or_complained_of() {
    let scene = Scene::new();
    let strange = ["a/b", "a b", "ä-ö", "🧦", "S+%&?#"];
    let long = "x".repeat(201);
    for (platform, account) in [("global", STORE), ("asia", MERCHANT)] {
        let seeds: Vec<_> = strange.into_iter().chain([long.as_str(), ""]).map(seed).collect();
        scene.fake.seed_products(account, &seeds).unwrap();
        let read = page(&scene, platform, account, &beginning()).await.unwrap();
        let skus: Vec<_> = read.listings.iter().map(|listing| listing.sku.as_str()).collect();
        assert_eq!(skus, strange, "{platform}");
        let codes: Vec<_> = read.complaints.iter().map(|complaint| complaint.code.as_str()).collect();
        assert_eq!(codes, ["sku", "no_sku"], "{platform}");
    }
}

#[tokio::test]
async fn five_hundred_variants_are_as_many_listings_of_one_product() {
    let scene = Scene::new();
    for (platform, account) in [("global", STORE), ("asia", MERCHANT)] {
        let of = |number: usize| Seed {
            product: "shirt".into(),
            options: vec![("Size".into(), format!("{number}"))],
            ..seed(&format!("V-{number:03}"))
        };
        scene.fake.seed_products(account, &(0..500).map(of).collect::<Vec<_>>()).unwrap();
        let read = page(&scene, platform, account, &beginning()).await.unwrap();
        assert_eq!((read.listings.len(), read.complaints.len()), (500, 0), "{platform}");
        let listing = &read.listings[499];
        assert!(read.listings.iter().all(|other| other.product_id == listing.product_id));
        assert_eq!(listing.options, [("Size".to_owned(), "499".to_owned())]);
        assert_eq!((listing.stock, listing.status), (Some(3), ListingStatus::Active));
    }
}

#[tokio::test]
async fn a_cursor_of_nowhere_is_told_with_a_remedy() {
    let scene = Scene::new();
    for (platform, account) in [("global", STORE), ("asia", MERCHANT)] {
        let error = page(&scene, platform, account, &after(Some(Cursor("{}".into())))).await.unwrap_err();
        assert!(error.failure == Failure::Bug && error.remedy.contains("--full"), "{error:?}");
    }
}
