//! Images and attributes of items that are there.

use super::exporting::{change, done, refused};
use super::importing::seed;
use super::*;
use crate::channels::{PushResult, Settled};
use crate::domain::{Field, Listing, Product, Values, Variant, plan::Change};

fn images(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("https://img.example/{number}.jpg")).collect()
}

fn pictures(listing: &Listing, count: usize) -> Change {
    change(listing, Values { images: Some(images(count)), ..Values::default() }, &[Field::Images])
}

impl Scene {
    /// The names of the attributes of an item that have images, in their order.
    fn pictured(&self, sku: &str) -> Vec<String> {
        let item = self.item(sku);
        let names = item["attributes"].as_object().unwrap().keys();
        names.filter(|name| name.contains("image_locator")).cloned().collect()
    }
}

fn all_done(results: &[PushResult]) -> Vec<&Listing> {
    results.iter().map(done).collect()
}

fn pictured(count: usize) -> Vec<String> {
    let others = (1..count).map(|number| format!("other_product_image_locator_{number}"));
    std::iter::once("main_product_image_locator".to_owned()).chain(others).collect()
}

#[tokio::test]
async fn each_image_gets_its_place_and_places_beyond_the_list_are_emptied() {
    let scene = Scene::seeded(&[seed("A")]);
    let mut listing = scene.read().await.remove(0);
    for count in [12, 3, 1] {
        let results = scene.push(&[pictures(&listing, count)]).await;
        listing = done(&results[0]).clone();
        assert_eq!(scene.pictured("A"), pictured(count.min(9)), "{count}");
    }
    let main = &scene.item("A")["attributes"]["main_product_image_locator"];
    let copy = FakeAmazon::copy_of("https://img.example/1.jpg");
    assert_eq!(*main, json!([{"media_location": copy, "marketplace_id": "A1PA6795UKMFR9"}]));
    assert_eq!(scene.fake.stats().calls["patchListingsItem"], 3);
}

#[tokio::test]
async fn a_place_that_somebody_else_has_emptied_does_not_keep_the_rest_from_being_sent() {
    let scene = Scene::seeded(&[seed("A"), seed("B")]);
    let before = scene.read().await;
    scene.push(&[pictures(&before[0], 4), pictures(&before[1], 4)]).await;
    let listings = scene.read().await;
    assert_eq!(listings[0].images.len(), 4);
    // In Seller Central, or by ourselves: the answer was never read.
    scene.push(&[pictures(&listings[0], 2)]).await;
    let results = scene.push(&[pictures(&listings[0], 1), pictures(&listings[1], 1)]).await;
    assert_eq!(all_done(&results).len(), 2);
    assert_eq!(scene.pictured("A"), pictured(2), "what is left is not known of any more, until the next import");
    assert_eq!(scene.pictured("B"), pictured(1));
    let results = scene.push(&[pictures(&scene.read().await[0], 1)]).await;
    assert_eq!((all_done(&results).len(), scene.pictured("A")), (1, pictured(1)));
}

#[tokio::test]
async fn a_crowd_of_images_is_one_feed() {
    let scene = Scene::seeded(&(0..30).map(|number| seed(&format!("S-{number:02}"))).collect::<Vec<_>>());
    scene.fake.refuse_item(SELLER, "DE", "S-07", "Restricted Products Policy Violation");
    let listings = scene.read().await;
    let changes: Vec<_> = listings.iter().map(|listing| pictures(listing, 2)).collect();
    let results = scene.push(&changes).await;
    let PushResult::Pending { ticket, .. } = &results[0] else { panic!("{results:?}") };
    scene.clock.advance(SignedDuration::from_mins(2));
    let settled = scene.channel().settle(&scene.access(), ticket, &changes).await.unwrap();
    let Settled::Judged(judged) = settled else { panic!("it is not judged") };
    assert_eq!((judged.len(), refused(&judged).len()), (30, 1));
    assert_eq!((scene.pictured("S-00"), scene.pictured("S-07")), (pictured(2), Vec::new()));
    assert_eq!(scene.fake.stats().calls["createFeed"], 1);
}

#[tokio::test]
async fn a_place_that_has_gone_keeps_nothing_of_a_crowd_from_being_sent_either() {
    let scene = Scene::seeded(&(0..30).map(|number| seed(&format!("S-{number:02}"))).collect::<Vec<_>>());
    let before = scene.read().await;
    let settled = async |changes: &[Change]| {
        let results = scene.push(changes).await;
        let PushResult::Pending { ticket, .. } = &results[0] else { panic!("{results:?}") };
        scene.clock.advance(SignedDuration::from_mins(2));
        let settled = scene.channel().settle(&scene.access(), ticket, changes).await.unwrap();
        let Settled::Judged(judged) = settled else { panic!("it is not judged") };
        judged
    };
    let four: Vec<_> = before.iter().map(|listing| pictures(listing, 4)).collect();
    assert_eq!(all_done(&settled(&four).await).len(), 30);
    let listings = scene.read().await;
    // Somebody takes the last ones of two away meanwhile, and Amazon would not hear of one of these.
    scene.push(&[pictures(&listings[0], 2), pictures(&listings[7], 2)]).await;
    scene.fake.refuse_item(SELLER, "DE", "S-07", "Restricted Products Policy Violation");
    let one: Vec<_> = listings.iter().map(|listing| pictures(listing, 1)).collect();
    let judged = settled(&one).await;
    let waits: Vec<_> = judged.iter().filter(|it| matches!(it, PushResult::Pending { .. })).collect();
    assert_eq!((judged.len(), waits.len()), (30, 2), "{judged:?}");
    assert_eq!((scene.pictured("S-00"), scene.pictured("S-01")), (pictured(2), pictured(1)));

    let PushResult::Pending { ticket, .. } = waits[0] else { panic!("{waits:?}") };
    let asked = [one[0].clone(), one[7].clone()];
    scene.clock.advance(SignedDuration::from_mins(2));
    let settled = scene.channel().settle(&scene.access(), ticket, &asked).await.unwrap();
    let Settled::Judged(judged) = settled else { panic!("it is not judged") };
    assert_eq!(
        (judged.len(), refused(&judged)[0].sku.as_str(), refused(&judged).len()),
        (2, "S-07", 1),
        "once, not for ever"
    );
    assert_eq!(scene.fake.stats().calls["createFeed"], 3);
    assert_eq!(scene.fake.stats().rate_violations, 0);
}

#[tokio::test]
async fn attributes_of_the_mapping_are_those_that_no_other_field_says() {
    let mut scene = Scene::seeded(&[seed("A")]);
    scene.own = json!({"marketplace": "DE", "mapping": {
        "category": "SHIRT",
        "attributes": {"material": "{option.Material}", "country_of_origin": "DE", "item_name": "{title} by {brand}"},
        "raw": {
            "item_weight": [{"value": 200, "unit": "grams"}],
            "supplier_declared_has_product_identifier_exemption": [{"value": true}],
            "purchasable_offer": [{"currency": "EUR"}],
            "other_product_image_locator_3": [{"media_location": "https://img.example/3.jpg"}],
        },
    }});
    let product = Product {
        id: "p1".into(),
        title: "Shirt".into(),
        description: None,
        brand: Some("Acme".into()),
        category: None,
        images: Vec::new(),
    };
    let variant = Variant {
        sku: "A".parse().unwrap(),
        product_id: "p1".into(),
        barcode: None,
        prices: Vec::new(),
        stock: None,
        options: vec![("Material".into(), "Cotton".into())],
    };
    let attributes = scene.channel().attributes(&product, &variant).unwrap();
    let names: Vec<_> = attributes.keys().map(String::as_str).collect();
    assert_eq!(names, ["country_of_origin", "item_weight", "material"]);
    let listing = scene.read().await.remove(0);
    let wanted = Values { attributes: Some(attributes), ..Values::default() };
    let results = scene.push(&[change(&listing, wanted, &[Field::Attributes])]).await;
    assert_eq!(all_done(&results).len(), 1);
    let (item, id) = (scene.item("A"), "A1PA6795UKMFR9");
    let has = |name: &str| &item["attributes"][name];
    assert_eq!(*has("material"), json!([{"value": "Cotton", "language_tag": "de_DE", "marketplace_id": id}]));
    assert_eq!(*has("country_of_origin"), json!([{"value": "DE", "marketplace_id": id}]));
    assert_eq!(*has("item_weight"), json!([{"value": 200, "unit": "grams", "marketplace_id": id}]));
    assert_eq!((&item["title"], has("other_product_image_locator_3")), (&json!(listing.title), &json!(null)));

    let unsaid = scene.channel().attributes(&product, &Variant { options: Vec::new(), ..variant }).unwrap_err();
    assert_eq!((unsaid.attribute.as_str(), unsaid.part.as_str()), ("material", "option.Material"));
}
