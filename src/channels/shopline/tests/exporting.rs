//! Export, in what the suite of all channels does not ask.

use super::{
    importing::{listings, seed},
    *,
};
use crate::{
    channels::{PushResult, shopline::fake::Seed},
    domain::{Complaint, Field, Listing, ListingStatus, Price, Product, Values, Variant, plan::Change},
};

pub(super) const BOTH: [(&str, &str, &str); 2] = [("global", STORE, "USD"), ("asia", MERCHANT, "TWD")];

/// A SKU that is to be created, with a size.
pub(super) fn new(sku: &str, size: &str, currency: &str) -> Change {
    let price = Price { amount: 25.into(), currency: currency.parse().unwrap() };
    let product = Product {
        id: "17".into(),
        title: "Shirt".into(),
        description: Some("<p>Soft</p>".into()),
        brand: Some("Acme".into()),
        category: None,
        images: vec!["https://img.example/1.jpg".into()],
    };
    let options = if size.is_empty() { vec![] } else { vec![("Size".to_owned(), size.to_owned())] };
    let variant = Variant {
        sku: sku.parse().unwrap(),
        product_id: "17".into(),
        barcode: Some("4006381333931".into()),
        prices: vec![price],
        stock: Some(7),
        options,
    };
    Change {
        sku: sku.parse().unwrap(),
        listing: None,
        product: Some((product, variant)),
        siblings: vec![],
        wanted: Values { price: Some(price), stock: Some(7), title: Some("Shirt".into()), ..Values::default() },
        fields: vec![Field::Price, Field::Stock],
    }
}

pub(super) fn of(listing: &Listing, wanted: Values, fields: &[Field]) -> Change {
    Change {
        sku: listing.sku.clone(),
        listing: Some(listing.clone()),
        product: None,
        siblings: vec![],
        wanted,
        fields: fields.to_vec(),
    }
}

pub(super) async fn push(scene: &Scene, platform: &str, account: &str, changes: &[Change]) -> Vec<PushResult> {
    scene.channel(platform).push(&scene.access(account), changes).await.unwrap()
}

pub(super) fn done(results: &[PushResult]) -> Vec<&Listing> {
    fn listing(result: &PushResult) -> &Listing {
        match result {
            PushResult::Done { listing, .. } => listing,
            other => panic!("not accepted: {other:?}"),
        }
    }
    results.iter().map(listing).collect()
}

pub(super) fn refused(result: &PushResult) -> &Complaint {
    match result {
        PushResult::Refused(complaint) => complaint,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_new_product_comes_with_all_its_variants_and_is_on_sale() {
    for (platform, account, currency) in BOTH {
        let scene = Scene::new();
        let changes = [new("TS-M", "M", currency), new("TS-L", "L", currency)];
        let results = push(&scene, platform, account, &changes).await;
        assert!(
            done(&results).iter().all(|it| it.stock == Some(7) && it.status == ListingStatus::Active),
            "{results:?}"
        );
        let shop = scene.fake.listings(account);
        assert_eq!(shop.len(), 2, "{platform}: {shop:?}");
        for (listing, size) in shop.iter().zip(["M", "L"]) {
            assert_eq!((&listing["product"], &listing["status"]), (&shop[0]["product"], &"active".into()));
            let price = listing["price"].as_str().unwrap().trim_end_matches(".00");
            assert_eq!((price, &listing["stock"]), ("25", &7.into()), "{platform}: {listing}");
            assert_eq!((&listing["title"], &listing["description"]), (&"Shirt".into(), &"<p>Soft</p>".into()));
            assert_eq!(listing["options"], json!([size]));
        }
        let created = scene.fake.stats().created;
        push(&scene, platform, account, &changes).await;
        assert_eq!(
            (scene.fake.stats().created, scene.fake.listings(account).len()),
            (created, 2),
            "nothing is made twice"
        );
        let read = listings(&scene, platform, account).await;
        assert_eq!(
            (read.len(), read[0].brand.as_deref(), read[0].barcode.as_deref()),
            (2, Some("Acme"), Some("4006381333931"))
        );
    }
}

#[tokio::test]
async fn what_was_made_although_nobody_heard_it_is_found_and_completed() {
    for (platform, account, currency) in BOTH {
        // Each call of the creation, in turn, has its answer lost.
        for lost in 0..6 {
            let scene = Scene::new();
            let changes = [new("TS-M", "M", currency), new("TS-L", "L", currency)];
            (0..lost).for_each(|_| scene.fake.fail_next(Mishap::UnknownField));
            scene.fake.fail_next(Mishap::ReplyLost);
            let first = scene.channel(platform).push(&scene.access(account), &changes).await;
            assert!(first.is_err() || first.is_ok_and(|known| known.len() < 2), "{platform} {lost}");
            let results = push(&scene, platform, account, &changes).await;
            assert_eq!(done(&results).len(), 2, "{platform} {lost}");
            let shop = scene.fake.listings(account);
            assert!(shop.len() == 2 && shop[0]["product"] == shop[1]["product"], "{platform} {lost}: {shop:?}");
            assert!(shop.iter().all(|it| it["stock"] == 7 && it["status"] == "active"), "{platform} {lost}: {shop:?}");
        }
    }
}

#[tokio::test]
async fn a_new_sku_joins_its_siblings_where_its_options_fit() {
    for (platform, account, currency) in BOTH {
        let scene = Scene::new();
        let known = Seed { options: vec![("Size".into(), "M".into())], ..seed("TS-M") };
        scene.fake.seed_products(account, &[known]).unwrap();
        let siblings = listings(&scene, platform, account).await;
        let joining = |sku: &str, size: &str| Change { siblings: siblings.clone(), ..new(sku, size, currency) };
        let results =
            push(&scene, platform, account, &[joining("TS-L", "L"), joining("TS-X", ""), joining("TS-N", "M")]).await;
        assert_eq!(done(&results[..1])[0].product_id, siblings[0].product_id, "{platform}");
        assert_eq!(refused(&results[1]).code, "options", "{platform}: without a size");
        let text = &refused(&results[2]).text;
        assert!(["equal options", "with these options"].iter().any(|words| text.contains(words)), "{platform}: {text}");
        assert_eq!(scene.fake.listings(account).len(), 2, "{platform}");
    }
}

#[tokio::test]
async fn what_new_skus_lack_is_told_before_anything_is_sent() {
    let scene = Scene::new();
    for (platform, _, currency) in BOTH {
        let lacks = |change: &dyn Fn(&mut Change)| {
            let mut it = new("A", "M", currency);
            change(&mut it);
            scene.channel(platform).lacks(&it).map(|complaint| complaint.code).unwrap_or_default()
        };
        let price = |text: &str| Price { amount: text.parse().unwrap(), currency: currency.parse().unwrap() };
        assert_eq!(lacks(&|_| ()), "");
        assert_eq!(lacks(&|it| it.wanted.price = None), "price");
        assert_eq!(lacks(&|it| it.wanted.price = Some(price("0"))), "price");
        assert_eq!(lacks(&|it| it.wanted.price = Some(price("1.255"))), "price");
        assert_eq!(lacks(&|it| it.wanted.stock = Some(-1)), "stock");
        assert_eq!(lacks(&|it| it.product.as_mut().unwrap().0.title = " ".into()), "title");
        assert_eq!(lacks(&|it| it.product.as_mut().unwrap().0.title = "x".repeat(256)), "title");
        assert_eq!(lacks(&|it| it.product.as_mut().unwrap().1.options[0].1.clear()), "options");
        let six = || (0..6).map(|number| (format!("O{number}"), "x".to_owned())).collect::<Vec<_>>();
        assert_eq!(lacks(&|it| it.product.as_mut().unwrap().1.options = six()), "options");
    }
}

#[tokio::test]
async fn new_texts_leave_status_and_other_languages_as_they_are() {
    for (platform, account, _) in BOTH {
        let scene = Scene::new();
        scene.fake.seed_products(account, &[seed("A")]).unwrap();
        let read = listings(&scene, platform, account).await;
        let wanted = |title: &str, text: &str| {
            let wanted = Values { title: Some(title.into()), description: Some(text.into()), ..Values::default() };
            of(&read[0], wanted, &[Field::Title, Field::Description])
        };
        let results = push(&scene, platform, account, &[wanted("New", "<b>Text</b>")]).await;
        assert_eq!(done(&results)[0].title, "New");
        let shop = &scene.fake.listings(account)[0];
        assert_eq!((&shop["title"], &shop["status"]), (&"New".into(), &"active".into()), "{platform}");
        assert_eq!(listings(&scene, platform, account).await[0].description.as_deref(), Some("<b>Text</b>"));
        if platform == "global" {
            let results = push(&scene, platform, account, &[wanted("New", "counterfeit")]).await;
            let complaint = refused(&results[0]);
            assert_eq!(complaint.code, "412");
            assert!(complaint.text.contains("high-risk") && complaint.request_id.is_some(), "{complaint:?}");
        }
    }
    let mut scene = Scene::new();
    scene.fake.seed_products(MERCHANT, &[seed("A")]).unwrap();
    scene.locale = Some("en");
    let read = listings(&scene, "asia", MERCHANT).await;
    assert_eq!(read[0].title, "Thing A", "in whichever language there is one");
    let wanted = Values { title: Some("English".into()), ..Values::default() };
    push(&scene, "asia", MERCHANT, &[of(&read[0], wanted, &[Field::Title])]).await;
    assert_eq!(scene.fake.listings(MERCHANT)[0]["titles"], json!({"en": "English", "zh-hant": "Thing A"}));
}

#[tokio::test]
async fn what_was_accepted_before_trouble_is_told_and_the_rest_is_sent_again() {
    for (platform, account, currency) in BOTH {
        let scene = Scene::new();
        scene.fake.seed_products(account, &[seed("A"), seed("B"), seed("C")]).unwrap();
        let read = listings(&scene, platform, account).await;
        let price = Price { amount: 30.into(), currency: currency.parse().unwrap() };
        let wanted = || Values { price: Some(price), ..Values::default() };
        let changes: Vec<_> = read.iter().map(|listing| of(listing, wanted(), &[Field::Price])).collect();
        scene.fake.fail_next(Mishap::UnknownField);
        scene.fake.fail_next(Mishap::ServerError);
        let results = push(&scene, platform, account, &changes).await;
        assert_eq!(done(&results).iter().map(|it| it.sku.as_str()).collect::<Vec<_>>(), ["A"], "{platform}");
        scene.fake.fail_next(Mishap::ServerError);
        let error = scene.channel(platform).push(&scene.access(account), &changes).await.unwrap_err();
        assert!(matches!(error.failure, Failure::Unavailable { .. }), "{error:?}");
        assert_eq!(done(&push(&scene, platform, account, &changes).await).len(), 3);
    }
}

#[tokio::test]
async fn prices_of_other_currencies_and_too_many_digits_and_pieces_are_refused_here() {
    for (platform, account, currency) in BOTH {
        let scene = Scene::new();
        scene.fake.seed_products(account, &[seed("A")]).unwrap();
        let read = listings(&scene, platform, account).await;
        for (amount, currency, stock, expected) in [
            ("30", "EUR", 3, "currency"),
            ("30.005", currency, 3, "price"),
            ("30", currency, -1, "stock"),
            ("30", currency, i64::MAX, "stock"),
        ] {
            let price = Price { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() };
            let wanted = Values { price: Some(price), stock: Some(stock), ..Values::default() };
            let results = push(&scene, platform, account, &[of(&read[0], wanted, &[Field::Price, Field::Stock])]).await;
            assert_eq!(refused(&results[0]).code, expected, "{platform}");
        }
    }
}

#[tokio::test]
async fn stock_of_a_new_sku_goes_to_the_chosen_location_alone() {
    let mut scene = Scene::new();
    scene.fake.add_place(STORE, "loc-2");
    scene.warehouse = Some("loc-2".to_owned());
    let results = push(&scene, "global", STORE, &[new("MUG", "", "USD")]).await;
    assert_eq!(done(&results)[0].stock, Some(7));
    assert_eq!(scene.fake.listings(STORE)[0]["places"], json!({"5703943989105270965": 0, "loc-2": 7}));
    scene.warehouse = Some("nowhere".to_owned());
    let results = push(&scene, "global", STORE, &[new("CUP", "", "USD")]).await;
    assert!(refused(&results[0]).text.contains("location_id: does not exist"), "{results:?}");
}

#[tokio::test]
async fn stock_of_a_chosen_warehouse_leaves_the_others_as_they_are() {
    let mut scene = Scene::new();
    scene.fake.add_place(MERCHANT, "wh-2");
    scene.fake.seed_products(MERCHANT, &[seed("A")]).unwrap();
    scene.warehouse = Some("wh-2".to_owned());
    let read = listings(&scene, "asia", MERCHANT).await;
    let wanted = Values { stock: Some(9), ..Values::default() };
    let results = push(&scene, "asia", MERCHANT, &[of(&read[0], wanted, &[Field::Stock])]).await;
    assert_eq!(done(&results)[0].stock, Some(9));
    assert_eq!(scene.fake.listings(MERCHANT)[0]["places"], json!({"5f0bda5e4e5fca0010c8a001": 5, "wh-2": 9}));
}

#[tokio::test]
async fn variations_with_one_price_get_it_together_or_not_at_all() {
    let scene = Scene::new();
    let tied = |sku: &str, size: &str| Seed {
        product: "shirt".into(),
        options: vec![("Size".into(), size.into())],
        same_price: true,
        ..seed(sku)
    };
    scene.fake.seed_products(MERCHANT, &[tied("M", "M"), tied("L", "L")]).unwrap();
    let read = listings(&scene, "asia", MERCHANT).await;
    let wants = |listing: &Listing, amount: i64| {
        let price = Price { amount: amount.into(), currency: "TWD".parse().unwrap() };
        of(listing, Values { price: Some(price), ..Values::default() }, &[Field::Price])
    };
    for changes in [vec![wants(&read[0], 30)], vec![wants(&read[0], 30), wants(&read[1], 31)]] {
        let results = push(&scene, "asia", MERCHANT, &changes).await;
        assert!(results.iter().all(|result| refused(result).code == "same_price"), "{results:?}");
    }
    assert_eq!(scene.fake.stats().prices_changed, 0);
    let results = push(&scene, "asia", MERCHANT, &[wants(&read[0], 30), wants(&read[1], 30)]).await;
    assert_eq!((done(&results).len(), scene.fake.stats().prices_changed), (2, 1), "one call for both");
}

#[tokio::test]
async fn what_nobody_heard_of_is_found_under_another_title_and_where_the_store_does_not_search_by_title() {
    for (title_filter, edited) in [(true, "Blouse"), (false, "Shirt"), (false, "Blouse")] {
        let scene = Scene::new();
        scene.fake.rules(|rules| {
            rules.title_filter = title_filter;
            rules.page_cap = 50;
        });
        let old: Vec<_> = (0..300).map(|number| seed(&format!("old-{number:03}"))).collect();
        scene.fake.seed_products(STORE, &old).unwrap();
        scene.fake.age(DAY * 60);
        let change = new("TS-M", "M", "USD");
        push(&scene, "global", STORE, std::slice::from_ref(&change)).await;
        // Made by others since then.
        let more: Vec<_> = (0..60).map(|number| seed(&format!("new-{number:02}"))).collect();
        scene.fake.seed_products(STORE, &more).unwrap();
        let mut again = change.clone();
        again.product.as_mut().unwrap().0.title = edited.to_owned();
        let results = push(&scene, "global", STORE, &[again]).await;
        assert_eq!((done(&results).len(), scene.fake.stats().created), (1, 1), "{title_filter} {edited}");
        assert_eq!(scene.fake.stats().mixed_page_info, 0);
    }
}
