//! Images of products that are there.

use super::{
    exporting::{BOTH, done, new, of, push, refused},
    importing::{listings, seed},
    *,
};
use crate::{
    channels::shopline::fake::Seed,
    domain::{Field, Listing, Values, plan::Change},
};

fn wants(listing: &Listing, names: &[&str]) -> Change {
    let images = names.iter().map(|name| format!("https://img.example/{name}.jpg")).collect();
    of(listing, Values { images: Some(images), ..Values::default() }, &[Field::Images])
}

fn of_size(sku: &str, size: &str) -> Seed {
    Seed { product: "shirt".into(), options: vec![("Size".into(), size.into())], ..seed(sku) }
}

/// What a store has under a name, in the order of its SKUs.
fn has(scene: &Scene, account: &str, name: &str) -> Vec<Value> {
    scene.fake.listings(account).into_iter().map(|listing| listing[name].clone()).collect()
}

fn count(images: &Value) -> usize {
    images.as_array().unwrap().len()
}

#[tokio::test]
async fn a_list_of_images_is_sent_once_for_a_product_and_takes_the_place_of_what_it_had() {
    for (platform, account, _) in BOTH {
        for replace_word in ["is_replcae", "is_replace"] {
            let scene = Scene::new();
            scene.fake.rules(|rules| rules.replace_word = replace_word);
            scene.fake.seed_products(account, &[of_size("M", "M"), of_size("L", "L"), seed("MUG")]).unwrap();
            let read = listings(&scene, platform, account).await;
            let before = scene.fake.listings(account);
            let results =
                push(&scene, platform, account, &[wants(&read[0], &["1", "2"]), wants(&read[1], &["1", "2"])]).await;
            assert_eq!(done(&results), [&read[0], &read[1]], "{platform}: as the shop was seen");
            let images = has(&scene, account, "images");
            assert_eq!((count(&images[0]), &images[1], count(&images[2])), (2, &images[0], 0), "{platform}");
            assert!(!images[0].to_string().contains("img.example/"), "under addresses of its own: {images:?}");
            assert_eq!(scene.fake.stats().images_changed, 1, "{platform}: one call for both");
            let seen = listings(&scene, platform, account).await;
            assert_eq!(json!(seen[0].images), images[0]);
            push(&scene, platform, account, &[wants(&read[0], &["3"])]).await;
            let mut after = scene.fake.listings(account);
            assert_eq!(count(&after[0]["images"]), 1, "{platform} {replace_word}: nothing is left of the list before");
            for (before, after) in before.iter().zip(&mut after) {
                after["images"] = before["images"].clone();
                assert_eq!(before, after, "{platform}: nothing else has changed");
            }
        }
    }
}

#[tokio::test]
async fn images_that_variants_and_values_of_options_show_stay_behind_ours() {
    for (platform, account, _) in BOTH {
        let scene = Scene::new();
        let shows = Seed { image: "https://img.example/own.jpg".into(), ..of_size("M", "M") };
        let value = Seed { value_image: "https://img.example/value.jpg".into(), ..of_size("L", "L") };
        let value = if platform == "global" { value } else { of_size("L", "L") };
        scene.fake.seed_products(account, &[shows, value]).unwrap();
        let read = listings(&scene, platform, account).await;
        done(&push(&scene, platform, account, &[wants(&read[0], &["1"])]).await);
        let before = scene.fake.listings(account);
        for names in [&["1", "2"][..], &["3"]] {
            done(&push(&scene, platform, account, &[wants(&read[0], names)]).await);
            let after = scene.fake.listings(account);
            assert!(!after[0]["image"].is_null(), "{platform}");
            for name in ["image", "value_images"] {
                assert_eq!(
                    [&after[0][name], &after[1][name]],
                    [&before[0][name], &before[1][name]],
                    "{platform}: {name}"
                );
            }
            let images = after[0]["images"].as_array().unwrap();
            let kept = if platform == "global" { 2 } else { 0 };
            assert_eq!(images.len(), names.len() + kept, "{platform}: {images:?}");
            if platform == "global" {
                assert!(images[names.len()..].contains(&after[0]["image"]), "{images:?}");
            }
        }
    }
}

#[tokio::test]
async fn images_leave_the_status_that_a_product_has_by_then() {
    let scene = Scene::new();
    scene.fake.seed_products(STORE, &[seed("A"), seed("B")]).unwrap();
    let read = listings(&scene, "global", STORE).await;
    let retired = of(&read[0], Values { retired: true, dropped: true, ..Values::default() }, &[]);
    done(&push(&scene, "global", STORE, &[retired]).await);
    // As it was seen before it went off sale.
    done(&push(&scene, "global", STORE, &[wants(&read[0], &["1"]), wants(&read[1], &["1"])]).await);
    assert_eq!(has(&scene, STORE, "status"), ["draft", "active"]);
}

#[tokio::test]
async fn refused_images_concern_their_product_alone_and_different_ones_are_named() {
    for (platform, account, _) in BOTH {
        let scene = Scene::new();
        let seeds = [of_size("M", "M"), of_size("L", "L"), seed("MUG"), seed("CUP")];
        scene.fake.seed_products(account, &seeds).unwrap();
        scene.fake.refuse(account, "MUG");
        let read = listings(&scene, platform, account).await;
        let changes =
            [wants(&read[0], &["1"]), wants(&read[1], &["2"]), wants(&read[2], &["1"]), wants(&read[3], &["1"])];
        let results = push(&scene, platform, account, &changes).await;
        let by_sku = |sku: &str| {
            results.iter().position(|result| match result {
                crate::channels::PushResult::Done { sku: done, .. } => done.as_str() == sku,
                crate::channels::PushResult::Refused(complaint) => complaint.sku == sku,
                crate::channels::PushResult::Remarked { .. } | crate::channels::PushResult::Pending { .. } => false,
            })
        };
        let result = |sku: &str| &results[by_sku(sku).unwrap()];
        done(std::slice::from_ref(result("M")));
        done(std::slice::from_ref(result("CUP")));
        assert_eq!(refused(result("L")).code, "images", "{platform}");
        assert!(refused(result("MUG")).request_id.is_some(), "{platform}: {results:?}");
        assert_eq!(has(&scene, account, "images").iter().map(count).collect::<Vec<_>>(), [1, 1, 0, 1], "{platform}");
    }
}

#[tokio::test]
async fn what_the_platforms_do_not_take_is_cut_or_named_before_anything_is_sent() {
    let scene = Scene::new();
    scene.fake.seed_products(STORE, &[seed("A")]).unwrap();
    let read = listings(&scene, "global", STORE).await;
    let long = "x".repeat(250);
    let lack = scene.channel("global").lacks(&wants(&read[0], &["1", &long])).unwrap();
    assert_eq!((lack.code.as_str(), lack.sku.as_str()), ("images", "A"));
    assert!(scene.channel("global").lacks(&wants(&read[0], &["1"])).is_none());

    scene.fake.seed_products(MERCHANT, &[seed("A")]).unwrap();
    let read = listings(&scene, "asia", MERCHANT).await;
    let twenty: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let twenty: Vec<&str> = twenty.iter().map(String::as_str).collect();
    done(&push(&scene, "asia", MERCHANT, &[wants(&read[0], &twenty)]).await);
    assert_eq!(count(&has(&scene, MERCHANT, "images")[0]), 12);
    let mut change = new("NEW", "", "TWD");
    let product = &mut change.product.as_mut().unwrap().0;
    product.images = twenty.iter().map(|name| format!("https://img.example/{name}.jpg")).collect();
    done(&push(&scene, "asia", MERCHANT, &[change]).await);
    assert_eq!(count(&has(&scene, MERCHANT, "images")[1]), 12);
}

#[tokio::test]
async fn a_new_sku_that_is_there_already_gets_the_images_that_it_wants_and_one_that_joins_has_the_products() {
    for (platform, account, currency) in BOTH {
        let scene = Scene::new();
        scene.fake.seed_products(account, &[Seed { title: "Shirt".into(), ..of_size("TS-M", "M") }]).unwrap();
        let mut changes = [new("TS-M", "M", currency), new("TS-L", "L", currency)];
        for change in &mut changes {
            change.wanted.images = Some(change.product.as_ref().unwrap().0.images.clone());
            change.fields.push(Field::Images);
        }
        assert_eq!(done(&push(&scene, platform, account, &changes).await).len(), 2);
        assert_eq!(has(&scene, account, "images").iter().map(count).collect::<Vec<_>>(), [1, 1], "{platform}");
        assert_eq!(scene.fake.stats().images_changed, 1, "{platform}");
        let siblings = listings(&scene, platform, account).await;
        let joins = Change { siblings, ..new("TS-S", "S", currency) };
        let joins = Change { wanted: changes[0].wanted.clone(), fields: changes[0].fields.clone(), ..joins };
        done(&push(&scene, platform, account, &[joins]).await);
        assert_eq!(scene.fake.stats().images_changed, 1, "{platform}: nothing is sent twice");
    }
}
