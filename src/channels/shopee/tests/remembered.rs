//! Images and attributes: what the shop does not show as it was sent.

use super::{
    creating::{creating, plain, scene as mapped},
    *,
};

const MATERIAL: &str = "100036";
const LENGTH: &str = "100061";
const ORIGIN: u64 = 200_001;

fn images(scene: &Scene, listing: &Listing, names: &[&str]) -> Change {
    let addresses = names.iter().map(|name| format!("{}?{name}", scene.fake.image())).collect();
    let wanted = Values { images: Some(addresses), ..Values::default() };
    Change { wanted, fields: vec![Field::Images], ..stock(listing, 0) }
}

fn attributes(listing: &Listing, words: &[(&str, &str)]) -> Change {
    let words = words.iter().map(|(name, word)| ((*name).to_owned(), (*word).to_owned())).collect();
    let wanted = Values { attributes: Some(words), ..Values::default() };
    Change { wanted, fields: vec![Field::Attributes], ..stock(listing, 0) }
}

/// What the shop has under a name, by SKU.
fn shop(scene: &Scene, name: &str) -> BTreeMap<String, Value> {
    let listings = scene.fake.listings(SHOP).into_iter();
    listings.map(|one| (one["sku"].as_str().unwrap_or_default().to_owned(), one[name].clone())).collect()
}

fn calls(scene: &Scene, path: &str) -> u64 {
    scene.fake.stats().calls.get(path).copied().unwrap_or_default()
}

const UPLOAD: &str = "/api/v2/media_space/upload_image";
const UPDATE: &str = "/api/v2/product/update_item";

#[tokio::test]
async fn images_are_handed_over_once_for_an_item_and_take_the_place_of_those_it_had() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b"), seed("c")]);
    let (listings, ..) = scene.read_by_sku().await;
    let before = scene.fake.listings(SHOP);
    let results =
        scene.push(&[images(&scene, &listings["a"], &["1", "2"]), images(&scene, &listings["b"], &["1", "2"])]).await;
    assert!(results.iter().all(|result| *done(result) == listings[done(result).sku.as_str()]), "{results:?}");
    let has = shop(&scene, "images");
    let ids = has["a"].as_array().unwrap();
    assert_eq!((ids.len(), &has["b"], &has["c"]), (2, &has["a"], &json!(["img1"])));
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.as_str().unwrap().starts_with("sg-")), "{ids:?}");
    assert_eq!((calls(&scene, UPLOAD), calls(&scene, UPDATE)), (2, 1));
    let shown = &scene.read_by_sku().await.0["a"].images;
    assert!(shown.iter().all(|address| address.contains("img.example.test")), "under addresses of its own: {shown:?}");
    // Nothing else has changed, and a shorter list leaves no rest.
    scene.push(&[images(&scene, &listings["a"], &["3"])]).await;
    let mut after = scene.fake.listings(SHOP);
    assert_eq!(after[0]["images"].as_array().unwrap().len(), 1);
    for (before, after) in before.iter().zip(&mut after) {
        after["images"] = before["images"].clone();
        assert_eq!(before, after);
    }
}

#[tokio::test]
async fn skus_of_an_item_that_want_other_images_or_attributes_are_told_and_the_first_have_theirs() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b")]);
    let (listings, ..) = scene.read_by_sku().await;
    let results = scene.push(&[images(&scene, &listings["a"], &["1"]), images(&scene, &listings["b"], &["2"])]).await;
    done(&results[0]);
    assert_eq!(refused(&results[1]).code, "image");
    let words = |sku: &str, length: &str| attributes(&listings[sku], &[(LENGTH, length)]);
    let results = scene.push(&[words("a", "12|cm"), words("b", "14|cm")]).await;
    done(&results[0]);
    assert_eq!(refused(&results[1]).code, "attributes");
    assert_eq!(shop(&scene, "attributes")["b"], json!({LENGTH: "12|cm"}));
    assert_eq!(calls(&scene, UPDATE), 2);
}

#[tokio::test]
async fn of_too_many_images_the_first_are_taken_and_too_few_are_named_before_any_is_handed_over() {
    let scene = Scene::seeded(&[seed("a")]);
    let (listings, ..) = scene.read_by_sku().await;
    let change = |names: &[&str]| images(&scene, &listings["a"], names);
    let twelve: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    let twelve: Vec<&str> = twelve.iter().map(String::as_str).collect();
    done(&scene.push(&[change(&twelve)]).await[0]);
    assert_eq!((shop(&scene, "images")["a"].as_array().unwrap().len(), calls(&scene, UPLOAD)), (9, 9));
    scene.fake.rules(|rules| rules.bounds.images = [3, 4]);
    let results = scene.push(&[change(&["1", "2"])]).await;
    assert!(refused(&results[0]).text.contains("2 images, and Shopee takes 3 to 4"), "{results:?}");
    assert_eq!(calls(&scene, UPLOAD), 9);
    done(&scene.push(&[change(&["1", "2", "3", "4", "5"])]).await[0]);
    assert_eq!((shop(&scene, "images")["a"].as_array().unwrap().len(), calls(&scene, UPLOAD)), (4, 13));
}

#[tokio::test]
async fn images_that_cannot_be_had_or_are_refused_concern_their_item_alone() {
    let scene = Scene::seeded(&[seed("a"), seed("b"), seed("c"), seed("d")]);
    scene.fake.promote(SHOP, "b");
    scene.fake.refuse(SHOP, "c", "The image is blurred");
    let (listings, ..) = scene.read_by_sku().await;
    let mut unreachable = images(&scene, &listings["a"], &[]);
    unreachable.wanted.images = Some(vec![scene.fake.url().join("_fake/nothing").unwrap().into()]);
    let rest = ["b", "c", "d"].map(|sku| images(&scene, &listings[sku], &["1"]));
    let results = scene.push(&[vec![unreachable], rest.to_vec()].concat()).await;
    assert!(refused(&results[0]).text.contains("could not be fetched: status"), "{results:?}");
    assert_eq!(refused(&results[1]).code, "error_cannt_edit_image_in_promotion");
    assert!(refused(&results[2]).text.contains("The image is blurred"), "{results:?}");
    done(&results[3]);
    let has = shop(&scene, "images");
    assert_eq!(["a", "b", "c"].map(|sku| has[sku] == json!(["img1"])), [true; 3]);
}

#[tokio::test]
async fn attributes_are_laid_over_those_that_the_item_has() {
    let scene = Scene::seeded(&[
        Seed { attributes: [(ORIGIN, "#7".to_owned()), (100_061, "12|cm".to_owned())].into(), ..of_product("p", "a") },
        of_product("p", "b"),
        seed("c"),
    ]);
    // Without one of them Shopee would refuse the item.
    scene.fake.rules(|rules| rules.mandatory_attributes = [ORIGIN].into());
    let (listings, ..) = scene.read_by_sku().await;
    let words = [(MATERIAL, "#678,#679"), (LENGTH, "14|cm")];
    let results = scene.push(&[attributes(&listings["a"], &words), attributes(&listings["b"], &words)]).await;
    assert!(results.iter().all(|result| *done(result) == listings[done(result).sku.as_str()]), "{results:?}");
    let has = shop(&scene, "attributes");
    assert_eq!(has["a"], json!({MATERIAL: "#678,#679", LENGTH: "14|cm", "200001": "#7"}));
    assert_eq!((&has["b"], &has["c"]), (&has["a"], &json!({})));
    assert_eq!(scene.fake.stats().attributes_changed, 1);
    // What the mapping does not name any more stays.
    scene.push(&[attributes(&listings["a"], &[(LENGTH, "Long")])]).await;
    assert_eq!(shop(&scene, "attributes")["a"], json!({MATERIAL: "#678,#679", LENGTH: "Long", "200001": "#7"}));
}

#[tokio::test]
async fn a_refusal_of_attributes_keeps_shopees_words_and_concerns_its_item_alone() {
    let scene = Scene::seeded(&[seed("a"), seed("b"), seed("c")]);
    scene.fake.rules(|rules| rules.foreign_attributes = [1].into());
    let (listings, ..) = scene.read_by_sku().await;
    scene.fake.delete_item(SHOP, "c");
    let results = scene
        .push(&[
            attributes(&listings["a"], &[("1", "Cotton")]),
            attributes(&listings["b"], &[(MATERIAL, "Cotton")]),
            attributes(&listings["c"], &[(MATERIAL, "Cotton")]),
        ])
        .await;
    let complaint = refused(&results[0]);
    assert_eq!(complaint.code, "error_invalid_category_attribute");
    assert!(complaint.text.contains("Category and attribute not match") && complaint.request_id.is_some());
    done(&results[1]);
    assert_eq!(refused(&results[2]).code, "error_item_not_found");
    // What the item lacks besides is told with whatever was sent.
    scene.fake.rules(|rules| rules.mandatory_attributes = [ORIGIN].into());
    let results = scene.push(&[images(&scene, &listings["b"], &["1"])]).await;
    assert!(refused(&results[0]).text.contains("Mandatory attribute information required"), "{results:?}");
}

#[tokio::test]
async fn a_warning_is_told_since_no_import_would_show_what_was_left_out() {
    let scene = Scene::seeded(&[seed("a")]);
    let (listings, ..) = scene.read_by_sku().await;
    scene.fake.rules(|rules| rules.update_warning = "attribute 100036 was ignored".to_owned());
    for change in [attributes(&listings["a"], &[(MATERIAL, "Cotton")]), images(&scene, &listings["a"], &["1"])] {
        let results = scene.push(&[change]).await;
        let PushResult::Remarked { listing, remark } = &results[0] else { panic!("{results:?}") };
        assert_eq!((listing.sku.as_str(), remark.sku.as_str(), remark.code.as_str()), ("a", "a", "warning"));
        assert!(remark.text.ends_with("attribute 100036 was ignored") && remark.request_id.is_some(), "{results:?}");
    }
}

#[tokio::test]
async fn what_an_outage_cut_off_is_sent_again_and_what_was_done_before_is_told() {
    let scene = Scene::seeded(&[seed("a"), seed("b")]);
    let (listings, ..) = scene.read_by_sku().await;
    let changes = ["a", "b"].map(|sku| images(&scene, &listings[sku], &["1"]));
    // The first item's limits, image and update go well, the second's image is taken in, but nobody hears of it.
    (0..4).for_each(|_| scene.fake.fail_next(Mishap::UnknownField));
    scene.fake.fail_next(Mishap::ReplyLost);
    let results = scene.push(&changes).await;
    assert_eq!(results.iter().map(|result| done(result).sku.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(shop(&scene, "images")["b"], json!(["img1"]));
    assert_eq!(scene.push(&changes).await.len(), 2);
    assert_ne!(shop(&scene, "images")["b"], json!(["img1"]));
}

#[tokio::test]
async fn the_mappings_words_are_what_is_wanted_and_faults_in_them_are_named_before_anything_is_sent() {
    let scene = mapped();
    let change = creating(&scene, "shirt", "S-1", &[("Size", "M")]);
    let (product, variant) = change.product.as_ref().unwrap();
    let wanted = scene.channel().attributes(product, variant).unwrap();
    let words = [(MATERIAL, "#678"), (LENGTH, "M|cm")].map(|(name, word)| (name.to_owned(), word.to_owned()));
    assert_eq!(wanted, words.into());
    let (product, variant) = creating(&scene, "shirt", "S-1", &[]).product.unwrap();
    assert!(scene.channel().attributes(&product, &variant).unwrap_err().to_string().contains("{option.Size}"));
    let scene = Scene::seeded(&[seed("a")]);
    let (listings, ..) = scene.read_by_sku().await;
    for (name, word) in [("Colour", "Red"), (MATERIAL, "#x")] {
        let change = attributes(&listings["a"], &[(name, word)]);
        let lack = scene.channel().lacks(&change).unwrap();
        assert_eq!((lack.code.as_str(), lack.sku.as_str()), ("attributes", "a"));
        assert_eq!(refused(&scene.push(&[change]).await[0]).text, lack.text);
    }
    assert_eq!(calls(&scene, UPDATE), 0);
}

#[tokio::test]
async fn a_new_sku_that_is_there_already_gets_the_images_and_attributes_that_it_wants() {
    let mut scene = mapped();
    plain(&mut scene);
    scene.fake.seed_items(SHOP, &[seed("S-1")]).unwrap();
    let mut change = creating(&scene, "shirt", "S-1", &[]);
    change.fields.extend([Field::Images, Field::Attributes]);
    change.wanted.images = Some(change.product.as_ref().unwrap().0.images.clone());
    change.wanted.attributes = Some([(MATERIAL.to_owned(), "#678".to_owned())].into());
    done(&scene.push(&[change]).await[0]);
    assert_ne!(shop(&scene, "images")["S-1"], json!(["img1"]));
    assert_eq!(shop(&scene, "attributes")["S-1"], json!({MATERIAL: "#678"}));
    assert_eq!(scene.fake.stats().created, 0);
}
