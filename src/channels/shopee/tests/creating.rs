//! New items and variations.

use super::*;
use crate::channels::{Settled, Ticket};
use crate::domain::{Product, Variant};

pub(super) fn creating(scene: &Scene, product: &str, sku: &str, options: &[(&str, &str)]) -> Change {
    let price: Price = Price { amount: "19.90".parse().unwrap(), currency: "SGD".parse().unwrap() };
    let product = Product {
        id: product.to_owned(),
        title: format!("Product {product}"),
        description: Some("<p>Soft &amp; warm</p>".to_owned()),
        brand: None,
        category: None,
        images: vec![scene.fake.image().into()],
    };
    let variant = Variant {
        sku: sku.parse().unwrap(),
        product_id: product.id.clone(),
        barcode: None,
        prices: vec![price],
        stock: Some(4),
        options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    };
    Change {
        sku: variant.sku.clone(),
        listing: None,
        product: Some((product, variant)),
        siblings: Vec::new(),
        wanted: Values { price: Some(price), stock: Some(4), ..Values::default() },
        fields: vec![Field::Price, Field::Stock],
    }
}

pub(super) fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.own = json!({"shop_id": ACCOUNT, "region": "SG", "mapping": {
        "category": "100017", "weight_kg": 0.3, "dimension_cm": [20, 15, 2], "logistics": [80_101], "days_to_ship": 7,
        "brands": {"Acme": "17"}, "attributes": {"100036": "#678", "100061": "{option.Size}|cm"}, "extra": {"condition": "USED"},
    }});
    scene
}

pub(super) fn plain(scene: &mut Scene) {
    scene.own["mapping"]["attributes"] = json!({});
}

fn ticket(result: &PushResult) -> Ticket {
    match result {
        PushResult::Pending { ticket, .. } => ticket.clone(),
        other => panic!("not pending: {other:?}"),
    }
}

async fn settle(scene: &Scene, ticket: &Ticket, changes: &[Change]) -> Settled {
    scene.channel().settle(&access(&scene.issue()), ticket, changes).await.unwrap()
}

fn judged(settled: Settled) -> Vec<PushResult> {
    match settled {
        Settled::Judged(results) => results,
        Settled::Open => panic!("still open"),
    }
}

#[tokio::test]
async fn an_item_without_variations_is_created_as_the_mapping_says() {
    let scene = scene();
    let results = scene.push(&[creating(&scene, "shirt", "S-1", &[])]).await;
    let listing = refused(&results[0]);
    assert_eq!((listing.code.as_str(), listing.sku.as_str()), ("attributes", "S-1"), "the source says no size");
    let mut scene = scene;
    scene.own["mapping"]["attributes"] = json!({"100036": "#678", "100061": "12|cm"});
    let results = scene.push(&[creating(&scene, "shirt", "S-1", &[])]).await;
    assert_eq!(done(&results[0]).stock, Some(4));
    let made = &scene.fake.listings(SHOP)[0];
    insta::assert_snapshot!(made["created_with"]["image"]["image_id_list"].as_array().unwrap().len(), @"1");
    let mut body = made["created_with"].clone();
    body["image"] = Value::Null;
    assert_eq!(
        body,
        json!({
            "item_name": "Product shirt", "description": "Soft & warm", "category_id": 100_017, "weight": 0.3, "condition": "USED",
            "dimension": {"package_length": 20, "package_width": 15, "package_height": 2}, "image": null,
            "logistic_info": [{"logistic_id": 80_101, "enabled": true}],
            "pre_order": {"is_pre_order": true, "days_to_ship": 7},
            "brand": {"brand_id": 0, "original_brand_name": "NoBrand"},
            "attribute_list": [
                {"attribute_id": 100_036, "attribute_value_list": [{"value_id": 678}]},
                {"attribute_id": 100_061, "attribute_value_list": [{"value_id": 0, "original_value_name": "12", "value_unit": "cm"}]},
            ],
            "item_sku": "S-1", "item_status": "NORMAL", "original_price": 19.9, "seller_stock": [{"stock": 4}],
        })
    );
    let seen = &scene.read_by_sku().await.0["S-1"];
    assert_eq!(
        done(&results[0]).values(&[Field::Price, Field::Stock, Field::Title, Field::Description].into()),
        seen.values(&[Field::Price, Field::Stock, Field::Title, Field::Description].into())
    );
}

#[tokio::test]
async fn an_item_with_variations_rests_five_seconds_and_is_on_sale_only_when_whole() {
    let mut scene = scene();
    plain(&mut scene);
    let changes = [
        creating(&scene, "shirt", "S-R-M", &[("Colour", "Red"), ("Size", "M")]),
        creating(&scene, "shirt", "S-B-M", &[("Colour", "Blue"), ("Size", "M")]),
    ];
    let pending = scene.push(&changes).await;
    let waits = ticket(&pending[0]);
    assert_eq!(waits, ticket(&pending[1]), "one item, one ticket");
    assert_eq!(scene.fake.listings(SHOP)[0]["status"], "UNLIST");
    assert_eq!(settle(&scene, &waits, &changes).await, Settled::Open);
    scene.clock.advance(SignedDuration::from_secs(5));
    let results = judged(settle(&scene, &waits, &changes).await);
    let seen = scene.read_by_sku().await.0;
    for (result, change) in results.iter().zip(&changes) {
        let (listing, seen) = (done(result), &seen[change.sku.as_str()]);
        assert_eq!(
            (&listing.refs["model_id"], &listing.refs["item_id"]),
            (&seen.refs["model_id"], &seen.refs["item_id"])
        );
        assert_eq!((listing.status, listing.stock, &listing.options), (seen.status, seen.stock, &seen.options));
    }
    assert_eq!(scene.fake.listings(SHOP).iter().filter(|one| one["status"] == "NORMAL").count(), 2);
    let again = judged(settle(&scene, &waits, &changes).await);
    assert!(again.iter().all(|result| matches!(result, PushResult::Done { .. })), "asked twice, the same");
    assert_eq!((scene.fake.stats().varied_too_early, scene.fake.stats().created), (0, 1));
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_looked_for_before_anything_is_made() {
    for options in [&[][..], &[("Size", "M")][..]] {
        let mut scene = scene();
        plain(&mut scene);
        scene.fake.rules(|rules| rules.search_lag = SignedDuration::from_secs(30));
        let change = creating(&scene, "shirt", "S-1", options);
        // The searches, the limits and the image go well, the creation is carried out, its answer is lost.
        let searches = if options.is_empty() { 1 } else { 2 };
        for _ in 0..=searches + 1 {
            scene.fake.fail_next(Mishap::UnknownField);
        }
        scene.fake.fail_next(Mishap::ReplyLost);
        let waits = ticket(&scene.push(std::slice::from_ref(&change)).await[0]);
        assert_eq!(scene.fake.stats().created, 1);
        assert_eq!(settle(&scene, &waits, std::slice::from_ref(&change)).await, Settled::Open);
        scene.clock.advance(SignedDuration::from_mins(2));
        let mut results = judged(settle(&scene, &waits, std::slice::from_ref(&change)).await);
        if !options.is_empty() {
            results = judged(settle(&scene, &ticket(&results[0]), std::slice::from_ref(&change)).await);
        }
        assert_eq!(done(&results[0]).sku, change.sku);
        assert_eq!((scene.fake.stats().created, scene.fake.listings(SHOP).len()), (1, 1), "{options:?}");
    }
}

#[tokio::test]
async fn a_new_variant_joins_its_siblings_and_brings_its_option_along() {
    let mut scene = scene();
    plain(&mut scene);
    let of = |sku: &str, colour: &str| Seed { options: vec![("Colour".into(), colour.into())], ..of_product("p", sku) };
    scene.fake.seed_items(SHOP, &[of("red", "Red"), of("blue", "Blue"), seed("alone")]).unwrap();
    let (before, ..) = scene.read_by_sku().await;
    let joining = |sku: &str, options: &[(&str, &str)], sibling: &str| Change {
        siblings: vec![before[sibling].clone()],
        ..creating(&scene, "p", sku, options)
    };
    let results = scene.push(&[joining("green", &[("colour", "Green")], "red")]).await;
    assert_eq!(done(&results[0]).options, [("colour".to_owned(), "Green".to_owned())]);
    let (after, ..) = scene.read_by_sku().await;
    assert_eq!(
        (&after["red"].refs["model_id"], after.len()),
        (&before["red"].refs["model_id"], 4),
        "the others keep their ids"
    );
    assert_eq!((after["green"].stock, after["green"].prices[0].to_string()), (Some(4), "19.9 SGD".to_owned()));
    assert_eq!(done(&results[0]).refs["model_id"], after["green"].refs["model_id"]);
    for (change, code) in [
        (joining("red-2", &[("Colour", "Red")], "red"), "options"),
        (joining("sized", &[("Size", "M")], "red"), "options"),
        (joining("second", &[("Colour", "Red")], "alone"), "no_variations"),
    ] {
        assert_eq!(refused(&scene.push(&[change]).await[0]).code, code);
    }
    assert_eq!(scene.push(&[joining("green", &[("Colour", "Green")], "red")]).await.len(), 1);
    assert_eq!((scene.fake.stats().joined, scene.fake.stats().created), (1, 0), "one that is there is not added again");
}

#[tokio::test]
async fn a_renamed_sku_keeps_its_item_on_sale_and_the_old_name_gets_no_stock() {
    let mut scene = scene();
    plain(&mut scene);
    let old = Seed { options: vec![("Size".into(), "M".into())], ..of_product("shirt", "S-1") };
    scene.fake.seed_items(SHOP, &[old]).unwrap();
    let siblings: Vec<Listing> = scene.read_by_sku().await.0.into_values().collect();
    let gone = retire(&siblings[0]);
    let renamed = Change { siblings: siblings.clone(), ..creating(&scene, "shirt", "S-2", &[("Size", "L")]) };
    let results = scene.push(&[gone.clone(), renamed.clone()]).await;
    assert_eq!((refused(&results[0]).code.as_str(), done(&results[1]).sku.as_str()), ("siblings", "S-2"));
    let shop = scene.fake.listings(SHOP).into_iter();
    let shop: Vec<_> = shop.map(|one| format!("{} {} {}", one["sku"], one["status"], one["stock"])).collect();
    assert_eq!(shop, [r#""S-1" "NORMAL" 0"#, r#""S-2" "NORMAL" 4"#]);

    // Where the item went off sale before, the new name says that it is.
    scene.fake.delete_item(SHOP, "S-1");
    let old = Seed { options: vec![("Size".into(), "M".into())], ..of_product("skirt", "S-1") };
    scene.fake.seed_items(SHOP, &[old]).unwrap();
    let known = scene.read_by_sku().await.0;
    assert_eq!(done(&scene.push(&[retire(&known["S-1"])]).await[0]).status, crate::domain::ListingStatus::Inactive);
    let siblings: Vec<Listing> = scene.read_by_sku().await.0.into_values().collect();
    let results = scene.push(&[Change { siblings, ..renamed }]).await;
    assert_eq!(refused(&results[0]).code, "not_on_sale");
    assert_eq!(scene.fake.listings(SHOP).len(), 2, "it joined");
}

#[tokio::test]
async fn what_lacks_is_named_before_anything_is_sent() {
    let mut scene = scene();
    let lacks =
        |scene: &Scene, change: &Change| scene.channel().lacks(change).map(|lack| lack.text).unwrap_or_default();
    let good = creating(&scene, "shirt", "S-1", &[("Size", "M")]);
    assert_eq!(lacks(&scene, &good), "");
    let mut poor = good.clone();
    let (product, variant) = poor.product.as_mut().unwrap();
    (product.images, product.description, product.brand) = (Vec::new(), None, Some("Other".into()));
    variant.options = ["A", "B", "C"].map(|name| (name.to_owned(), "x".to_owned())).to_vec();
    (poor.wanted.stock, variant.stock, poor.wanted.price) = (None, None, None);
    scene.own["mapping"] = json!({});
    scene.own["region"] = json!("TH");
    insta::assert_snapshot!(lacks(&scene, &poor).replace("; ", "\n"), @r#"
    Shopee tells variations apart by at most 2 options
    the source has A, B, C
    no price is wanted
    choose `price` among export.fields
    the source does not say how many pieces there are
    give it a stock
    no category of the channel is named
    set `mapping.category`
    Shopee's brand is not named for `Other`
    set `mapping.brands."Other"` to its id, or to "0" for none
    no weight is named
    set `mapping.weight_kg`
    no shipping channel is named
    set `mapping.logistics` to Shopee's ids of them
    the source has no image of the product
    give it one
    the source has no description of the product
    give it one
    "#);
    assert!(lacks(&scene, &good).contains("the shop sells in THB"), "{}", lacks(&scene, &good));
    let results = scene.push(&[poor]).await;
    assert_eq!(refused(&results[0]).code, "options");
    assert_eq!(scene.fake.stats().calls.len(), 0, "nothing was called for it");
}

#[tokio::test]
async fn products_that_shopee_cannot_hold_are_refused_whole() {
    let mut scene = scene();
    plain(&mut scene);
    let many: Vec<_> =
        (0..500).map(|n| creating(&scene, "big", &format!("B-{n}"), &[("Number", &n.to_string())])).collect();
    let results = scene.push(&many).await;
    assert!(results.len() == 500 && results.iter().all(|result| refused(result).code == "too_many_variants"));
    let twins =
        [creating(&scene, "twins", "T-1", &[("Size", "M")]), creating(&scene, "twins", "T-2", &[("Size", "M")])];
    let results = scene.push(&twins).await;
    assert_eq!(refused(&results[1]).code, "options");
    assert!(matches!(results[0], PushResult::Pending { .. }), "the first stands");
    scene.fake.seed_items(SHOP, &[Seed { title: "Something else".into(), ..seed("taken") }]).unwrap();
    let results = scene.push(&[creating(&scene, "taken", "N-1", &[("Size", "M")])]).await;
    assert_eq!(refused(&results[0]).code, "sku_taken");
    let mut pictureless = creating(&scene, "dark", "D-1", &[]);
    pictureless.product.as_mut().unwrap().0.images = vec![scene.fake.url().join("/_fake/stats").unwrap().into()];
    let results = scene.push(&[pictureless]).await;
    assert!(refused(&results[0]).text.contains("is neither JPEG nor PNG"), "{results:?}");
    assert_eq!(scene.fake.stats().created, 1);
}

#[tokio::test]
async fn what_is_out_of_the_categorys_bounds_is_named_per_sku_before_anything_is_sent() {
    let mut scene = scene();
    plain(&mut scene);
    scene.fake.rules(|rules| {
        rules.longest_description = 10;
        rules.bounds.least_name = 20;
        rules.bounds.images = [2, 9];
        rules.bounds.days_to_ship = Some([10, 30]);
        rules.bounds.price = [1.into(), 15.into()];
    });
    let of_size = |sku: &str, size: &str| creating(&scene, "shirt", sku, &[("Size", size)]);
    let results = scene.push(&[of_size("S-M", "M"), of_size("S-L", "a size with far too many letters")]).await;
    for named in [
        "the title has 13 characters, and Shopee takes 20 to 120",
        "the description has 11 characters, and Shopee takes 1 to 10",
        "the product has 1 images, and Shopee takes 2 to 9",
        "takes 10 to 30 days to ship in the category, not 7",
        "the price is 19.90 SGD, and Shopee takes 1 to 15",
    ] {
        assert!(results.iter().all(|result| refused(result).text.contains(named)), "{named}: {results:?}");
    }
    assert!(!refused(&results[0]).text.contains("a size"), "{results:?}");
    assert!(refused(&results[1]).text.contains("`a size with far too many letters` has 32 characters"), "{results:?}");
    let calls = scene.fake.stats().calls;
    assert!(!calls.contains_key("/api/v2/media_space/upload_image") && !calls.contains_key("/api/v2/product/add_item"));
}

#[tokio::test]
async fn one_sku_out_of_bounds_does_not_keep_the_others_back_and_too_many_images_are_cut() {
    let mut scene = scene();
    plain(&mut scene);
    scene.fake.rules(|rules| rules.bounds.images = [1, 2]);
    let of_size = |sku: &str, size: &str| {
        let mut change = creating(&scene, "shirt", sku, &[("Size", size)]);
        let product = &mut change.product.as_mut().unwrap().0;
        product.images = vec![product.images[0].clone(); 3];
        change
    };
    let results = scene.push(&[of_size("S-M", "M"), of_size("S-L", "a size with far too many letters")]).await;
    ticket(&results[0]);
    assert_eq!(refused(&results[1]).code, "options");
    assert_eq!(scene.fake.stats().calls["/api/v2/media_space/upload_image"], 2);
    // A category without pre-orders.
    scene.fake.rules(|rules| rules.bounds.days_to_ship = None);
    let refusal = scene.push(&[creating(&scene, "mug", "M-1", &[])]).await;
    assert_eq!(refused(&refusal[0]).code, "days_to_ship");
}

#[tokio::test]
async fn a_reply_that_is_lost_while_a_ticket_is_asked_about_makes_nothing_twice() {
    let mut lost = 0;
    loop {
        let mut scene = scene();
        plain(&mut scene);
        let of_size = |sku: &str, size: &str| creating(&scene, "shirt", sku, &[("Size", size)]);
        let changes = [of_size("S-M", "M"), of_size("S-L", "L")];
        let waits = ticket(&scene.push(&changes).await[0]);
        scene.clock.advance(SignedDuration::from_secs(5));
        for _ in 0..lost {
            scene.fake.fail_next(Mishap::UnknownField);
        }
        scene.fake.fail_next(Mishap::ReplyLost);
        let cut = scene.channel().settle(&access(&scene.issue()), &waits, &changes).await;
        let Err(error) = cut else { break };
        assert_eq!(error.acted, crate::channels::Acted::Unheard, "{error}");
        let results = judged(settle(&scene, &waits, &changes).await);
        assert_eq!(results.iter().map(|result| done(result).sku.as_str()).collect::<Vec<_>>(), ["S-M", "S-L"]);
        let shop = scene.fake.listings(SHOP);
        assert!(shop.len() == 2 && shop.iter().all(|one| one["status"] == "NORMAL"), "{lost}: {shop:?}");
        assert_eq!((scene.fake.stats().created, scene.fake.stats().joined), (1, 0), "{lost}");
        lost += 1;
    }
    assert!(lost >= 3, "the item is read, gets its variations and is put on sale: {lost}");
}
