//! Passes over a shop.

use std::collections::BTreeSet;

use super::*;

#[tokio::test]
async fn a_search_that_finds_too_many_is_split_until_each_part_fits() {
    let scene = Scene::new();
    scene.fake.rules(|rules| (rules.result_cap, rules.page_cap) = (12, 8));
    let mut expected = BTreeSet::new();
    // Several per second, some seconds far apart, and one older than TikTok Shop itself.
    for (number, at) in
        [1, 1_780_000_000, 1_780_000_000, 1_780_000_001, 1_780_300_000, 1_780_300_001].iter().enumerate()
    {
        scene.clock.set(Timestamp::from_second(*at).unwrap());
        for variant in 0..6 {
            let sku = format!("s-{number}-{variant}");
            if number != 2 {
                scene.fake.set_product(SHOP, seed(&sku)).unwrap();
                expected.insert(sku);
            }
        }
    }
    let pages = scene.pages(PassKind::Full).await;
    let skus: Vec<_> = pages.iter().flat_map(|page| &page.listings).map(|listing| listing.sku.to_string()).collect();
    assert_eq!(skus.len(), expected.len(), "nothing is read twice");
    assert_eq!(skus.into_iter().collect::<BTreeSet<_>>(), expected);
    assert!(pages.iter().rev().skip(1).all(|page| page.resume.is_none()));
}

#[tokio::test]
async fn more_products_than_can_be_listed_in_one_second_are_an_error_with_words() {
    let scene = Scene::seeded(&[seed("a"), seed("b"), seed("c")]);
    scene.fake.rules(|rules| rules.result_cap = 2);
    let (channel, access) = (scene.channel(), scene.access().await);
    let noon = scene.clock.now().as_second();
    // Far into the halving: begun without bounds it takes three dozen calls to come here.
    let under = json!({"started": noon, "parts": [{"from": noon - 1, "to": noon + 1}], "page_token": ""});
    let cursor = crate::domain::Cursor(json!({"under": under}).to_string());
    let mut from = From { kind: PassKind::Full, cursor: Some(cursor), first: false };
    let error = loop {
        match channel.pull(&access, &from).await {
            Ok(page) => from = From { cursor: page.next, first: false, ..from },
            Err(error) => break error,
        }
    };
    assert!(error.text.contains("more than 10,000 products share one second"), "{error}");
}

#[tokio::test]
async fn a_variant_without_sku_is_a_complaint_and_its_siblings_are_read() {
    let scene = Scene::seeded(&[of_product("p", "good"), of_product("p", " ")]);
    let (listings, complaints) = scene.read().await;
    assert_eq!(listings.len(), 1);
    assert_eq!(listings[0].sku.as_str(), "good");
    assert_eq!(complaints[0].code, "no_sku");
    assert!(complaints[0].sku.starts_with("product 1728") && complaints[0].request_id.is_some(), "{complaints:?}");
}

#[tokio::test]
async fn the_vendors_words_become_four_states() {
    let words = [
        ("ACTIVATE", Some(ListingStatus::Active)),
        ("SELLER_DEACTIVATED", Some(ListingStatus::Inactive)),
        ("DRAFT", Some(ListingStatus::Inactive)),
        ("PENDING", Some(ListingStatus::Inactive)),
        ("FAILED", Some(ListingStatus::Inactive)),
        ("SOMETHING_NEW", Some(ListingStatus::Inactive)),
        ("PLATFORM_DEACTIVATED", Some(ListingStatus::Blocked)),
        ("FREEZE", Some(ListingStatus::Blocked)),
        ("DELETED", None),
    ];
    let seeds: Vec<_> = words.iter().map(|(word, _)| Seed { status: (*word).into(), ..seed(word) }).collect();
    let (listings, complaints) = Scene::seeded(&seeds).read().await;
    for (word, expected) in words {
        let found = listings.iter().find(|listing| listing.sku.as_str() == word).map(|listing| listing.status);
        assert_eq!(found, expected, "{word}");
    }
    assert_eq!(complaints, []);
}

#[tokio::test]
async fn a_warehouse_that_a_sku_does_not_have_is_named() {
    let mut scene = Scene::new();
    scene.warehouse = Some("W9");
    scene.fake.set_product(SHOP, seed("a")).unwrap();
    let (_, complaints) = scene.read().await;
    assert!(complaints[0].text.contains("not kept in warehouse W9 but in W1"), "{complaints:?}");
}

#[tokio::test]
async fn throttling_by_a_code_pauses_the_operation_too() {
    let scene = Scene::seeded(&[seed("a")]);
    let (channel, access) = (scene.channel(), scene.access().await);
    scene.fake.fail_next(Mishap::ThrottledByCode);
    let from = From { kind: PassKind::Full, cursor: None, first: true };
    for _ in 0..2 {
        let error = channel.pull(&access, &from).await.unwrap_err();
        let until = scene.clock.now() + SignedDuration::from_secs(1);
        assert_eq!(error.failure, Failure::Throttled { until });
    }
    assert_eq!(scene.fake.stats().calls["/product/202502/products/search"], 1, "the second call was not made");
    scene.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(channel.pull(&access, &from).await.unwrap().listings.len(), 1);
}

#[tokio::test]
async fn a_page_in_html_is_unexpected_and_shown_in_short() {
    let scene = Scene::new();
    let (channel, access) = (scene.channel(), scene.access().await);
    scene.fake.fail_next(Mishap::Html);
    let error = channel.probe(&access).await.unwrap_err();
    let Failure::Unexpected { sample } = error.failure else { panic!("{error}") };
    assert!(sample.starts_with("status 200, text/html, ") && sample.contains("We are working on it"), "{sample}");
}

#[tokio::test]
async fn the_fake_counts_calls_beyond_its_rate_limit() {
    let scene = Scene::new();
    let access = scene.access().await;
    scene.fake.rules(|rules| rules.rates = Some((0, 0)));
    let error = scene.channel().probe(&access).await.unwrap_err();
    assert_eq!(error.failure, Failure::Throttled { until: scene.clock.now() + SignedDuration::from_secs(1) });
    assert_eq!(scene.fake.stats().rate_violations, 1);
}

#[tokio::test]
async fn details_are_read_as_they_sell_and_left_out_where_the_settings_say_so() {
    let seed = Seed {
        description: "<p>Soft</p>".into(),
        brand: "Acme".into(),
        images: vec!["https://p16.example/1.jpg".into(), "https://p16.example/2.jpg".into()],
        barcode: "4006381333931".into(),
        options: vec![("Size".into(), "M".into())],
        ..seed("a")
    };
    let mut scene = Scene::seeded(&[seed]);
    let (listings, _) = scene.read().await;
    let Listing { description, brand, images, barcode, options, category, .. } = &listings[0];
    assert_eq!((description.as_deref(), brand.as_deref()), (Some("<p>Soft</p>"), Some("Acme")));
    assert_eq!((images.len(), barcode.as_deref()), (2, Some("4006381333931")));
    assert_eq!(
        (options.as_slice(), category.as_deref()),
        ([("Size".to_owned(), "M".to_owned())].as_slice(), Some("Shirts"))
    );
    scene.own["details"] = json!(false);
    let calls = scene.fake.stats().calls["/product/202309/products/{id}"];
    let (plain, _) = scene.read().await;
    assert_eq!((plain[0].stock, plain[0].description.as_deref()), (Some(5), None));
    assert_eq!(scene.fake.stats().calls["/product/202309/products/{id}"], calls, "no details were asked for");
}
