//! Passes over a shop.

use std::collections::BTreeSet;

use super::*;
use crate::domain::ListingStatus;

fn names(listings: &[Listing]) -> Vec<&str> {
    listings.iter().map(|listing| listing.sku.as_str()).collect()
}

fn numbered(count: usize) -> Vec<Seed> {
    (0..count).map(|number| seed(&format!("s-{number:03}"))).collect()
}

#[tokio::test]
async fn nothing_is_missed_in_whatever_order_the_list_comes_and_shifts() {
    for order in [ListOrder::Id, ListOrder::Oldest, ListOrder::Newest] {
        let scene = Scene::seeded(&numbered(30));
        scene.fake.rules(|rules| (rules.page_cap, rules.list_order) = (4, order));
        // One edit after each call, from everywhere in the list, while the clock goes on.
        scene.fake.edit_behind(&["s-029", "s-000", "s-015", "s-001", "s-028", "s-002", "s-014", "s-003", "s-027"]);
        let tokens = scene.issue();
        let (channel, mut from) = (scene.channel(), From { kind: PassKind::Full, cursor: None, first: true });
        let mut seen = BTreeSet::new();
        loop {
            let page = channel.pull(&access(&tokens), &from).await.unwrap();
            seen.extend(page.listings.iter().map(|listing| listing.sku.to_string()));
            scene.clock.advance(SignedDuration::from_secs(20));
            let Some(next) = page.next else { break };
            from = From { kind: PassKind::Full, cursor: Some(next), first: false };
        }
        assert_eq!(seen.len(), 30, "{order:?}: {seen:?}");
    }
}

#[tokio::test]
async fn an_offset_beyond_the_limit_halves_the_span() {
    let scene = Scene::new();
    let start = scene.clock.now();
    for number in 0..40 {
        scene.clock.set(start + SignedDuration::from_mins(number));
        scene.fake.seed_items(SHOP, &[seed(&format!("s-{number:03}"))]).unwrap();
    }
    scene.clock.advance(HOUR);
    scene.fake.rules(|rules| (rules.page_cap, rules.offset_cap) = (5, Some(12)));
    let (listings, complaints, _) = scene.read().await;
    assert_eq!(listings.iter().map(|listing| listing.sku.to_string()).collect::<BTreeSet<_>>().len(), 40);
    assert_eq!(listings.len(), 40, "parts do not overlap where nothing stands on their bounds");
    assert_eq!(complaints, []);
}

#[tokio::test]
async fn more_changes_in_one_second_than_the_list_gives_are_an_error_with_words() {
    let scene = Scene::seeded(&numbered(20));
    scene.fake.rules(|rules| (rules.page_cap, rules.offset_cap) = (4, Some(2)));
    let tokens = scene.issue();
    let (channel, mut from) = (scene.channel(), From { kind: PassKind::Full, cursor: None, first: true });
    let error = loop {
        match channel.pull(&access(&tokens), &from).await {
            Ok(page) => from = From { kind: PassKind::Full, cursor: page.next, first: false },
            Err(error) => break error,
        }
    };
    assert!(error.text.contains("more items changed within one second than the list gives"), "{error}");
}

#[tokio::test]
async fn statuses_become_ours_and_deleted_items_are_none() {
    let words = [
        ("NORMAL", Some(ListingStatus::Active)),
        ("UNLIST", Some(ListingStatus::Inactive)),
        ("REVIEWING", Some(ListingStatus::Inactive)),
        ("BANNED", Some(ListingStatus::Blocked)),
        ("SELLER_DELETE", None),
        ("SHOPEE_DELETE", None),
    ];
    let seeds: Vec<_> = words.iter().map(|(word, _)| Seed { status: (*word).into(), ..seed(word) }).collect();
    let scene = Scene::seeded(&seeds);
    let (listings, complaints, remarks) = scene.read().await;
    for (word, expected) in words {
        let found = listings.iter().find(|listing| listing.sku.as_str() == word).map(|listing| listing.status);
        assert_eq!(found, expected, "{word}");
    }
    assert_eq!(complaints, []);
    assert_eq!(
        remarks.iter().map(|remark| (remark.sku.as_str(), remark.code.as_str())).collect::<Vec<_>>(),
        [("BANNED", "banned")]
    );
}

#[tokio::test]
async fn variations_without_a_sku_are_complaints_unless_the_parents_can_only_mean_them() {
    let scene = Scene::seeded(&[of_product("p", "good"), of_product("p", ""), of_product("lonely", ""), seed("")]);
    let (listings, complaints, remarks) = scene.read().await;
    let mut skus = names(&listings);
    skus.sort_unstable();
    assert_eq!(skus, ["good", "lonely"]);
    assert_eq!(complaints.iter().map(|complaint| complaint.code.as_str()).collect::<Vec<_>>(), ["no_sku"; 2]);
    assert!(complaints.iter().all(|complaint| complaint.sku.starts_with("item ")), "{complaints:?}");
    assert_eq!(remarks[0].code, "sku_derived");
}

#[tokio::test]
async fn what_is_odd_about_a_listing_is_remarked() {
    let scene = Scene::seeded(&[seed("kit"), seed("long"), seed("low"), of_product("p", "off"), of_product("p", "on")]);
    for (sku, what) in [("kit", "kit"), ("long", "extended"), ("low", "deboosted"), ("off", "unavailable")] {
        assert!(scene.fake.mark(SHOP, sku, what));
    }
    let (listings, _, remarks) = scene.read().await;
    let of = |sku: &str| listings.iter().find(|listing| listing.sku.as_str() == sku).unwrap();
    assert_eq!((of("kit").stock, of("kit").refs["fixed"].as_str()), (None, Some("kit")));
    assert_eq!(of("long").description.as_deref(), Some("Item long, described"));
    assert_eq!((of("off").status, of("on").status), (ListingStatus::Inactive, ListingStatus::Active));
    assert_eq!(
        remarks.iter().map(|remark| (remark.sku.as_str(), remark.code.as_str())).collect::<Vec<_>>(),
        [("low", "deboost")]
    );
}

#[tokio::test]
async fn an_item_of_which_nothing_is_told_is_asked_for_again_and_then_remarked() {
    let scene = Scene::seeded(&[seed("a"), seed("b")]);
    let id = scene.fake.listings(SHOP)[0]["item_id"].as_u64().unwrap();
    scene.fake.rules(|rules| rules.untold_items = BTreeSet::from([id]));
    let (listings, complaints, remarks) = scene.read().await;
    assert_eq!((names(&listings), complaints.len()), (vec!["b"], 0));
    assert_eq!((remarks[0].code.as_str(), remarks[0].sku.as_str()), ("untold", format!("item {id}").as_str()));
    assert_eq!(scene.fake.stats().calls["/api/v2/product/get_item_base_info"], 2);
}

#[tokio::test]
async fn an_item_of_which_nothing_can_be_read_is_there_all_the_same() {
    let scene = Scene::seeded(&[
        seed("untold"),
        seed("odd"),
        of_product("p", "bare"),
        of_product("q", "strange"),
        seed("well"),
        seed("gone"),
    ]);
    let ids: BTreeMap<String, u64> = scene
        .fake
        .listings(SHOP)
        .iter()
        .map(|one| (one["sku"].as_str().unwrap().to_owned(), one["item_id"].as_u64().unwrap()))
        .collect();
    scene.fake.rules(|rules| rules.untold_items = BTreeSet::from([ids["untold"]]));
    scene.fake.mark(SHOP, "odd", "odd");
    scene.fake.mark(SHOP, "bare", "bare");
    scene.fake.mark(SHOP, "strange", "odd");
    scene.fake.delete_item(SHOP, "gone");
    let from = From { kind: PassKind::Full, cursor: None, first: true };
    let page = scene.channel().pull(&access(&scene.issue()), &from).await.unwrap();
    assert_eq!(names(&page.listings), ["well"]);
    let expected: BTreeSet<String> =
        ["untold", "odd", "bare", "strange"].iter().map(|sku| ids[*sku].to_string()).collect();
    assert_eq!(page.unread.into_iter().collect::<BTreeSet<_>>(), expected);
    assert!(
        page.complaints.len() == 2 && page.complaints.iter().all(|one| one.code == "unreadable"),
        "{:?}",
        page.complaints
    );
    assert_eq!(
        scene.fake.stats().calls["/api/v2/product/get_item_base_info"],
        2,
        "only the untold one is asked for again"
    );
}

#[tokio::test]
async fn a_page_that_is_cut_short_keeps_what_it_read_and_the_next_one_goes_on() {
    let seeds: Vec<_> = (0..10).map(|number| of_product(&format!("p{number}"), &format!("m-{number}"))).collect();
    let scene = Scene::seeded(&seeds);
    let tokens = scene.issue();
    // The list, the base data and four lists of models come, then nothing for a while.
    for _ in 0..6 {
        scene.fake.fail_next(Mishap::UnknownField);
    }
    scene.fake.fail_next(Mishap::ServerError);
    let (channel, from) = (scene.channel(), From { kind: PassKind::Full, cursor: None, first: true });
    let first = channel.pull(&access(&tokens), &from).await.unwrap();
    assert!((4..10).contains(&first.listings.len()) && first.next.is_some(), "{}", first.listings.len());
    let from = From { kind: PassKind::Full, cursor: first.next, first: false };
    let second = channel.pull(&access(&tokens), &from).await.unwrap();
    assert_eq!(first.listings.len() + second.listings.len(), 10);
    assert!(second.next.is_none() && second.resume.is_some());
}

#[tokio::test]
async fn several_locations_without_a_choice_are_summed_and_remarked() {
    let mut scene = Scene::with_locations(&["SGA", "SGB"]);
    scene.fake.seed_items(SHOP, &[seed("a")]).unwrap();
    let (listings, _, remarks) = scene.read().await;
    assert_eq!(listings[0].stock, Some(5));
    assert!(remarks[0].text.contains("(SGA, SGB); name one as export.warehouse"), "{remarks:?}");
    scene.warehouse = Some("SGB");
    assert_eq!(scene.read().await.0[0].stock, Some(0));
    scene.warehouse = Some("MYZ");
    assert!(scene.read().await.2[0].text.contains("not kept at location MYZ but at SGA, SGB"));
}
