//! Images and attributes, which all SKUs of a product share.

use super::*;
use crate::channels::{Settled, Ticket, tiktok_shop::fake::Audit};

fn edit(listing: &Listing, wanted: Values) -> Change {
    let fields = [Field::Images, Field::Attributes].into_iter().filter(|field| wanted.hash_of(*field).is_some());
    let fields = fields.collect();
    crate::domain::plan::of_listing(listing, &wanted, fields)
}

fn pictures(listing: &Listing, images: &[String]) -> Change {
    edit(listing, Values { images: Some(images.to_vec()), ..Values::default() })
}

fn made_of(listing: &Listing, attributes: &[(&str, &str)]) -> Change {
    let attributes = attributes.iter().map(|(id, value)| ((*id).to_owned(), (*value).to_owned())).collect();
    edit(listing, Values { attributes: Some(attributes), ..Values::default() })
}

impl Scene {
    fn images(&self, count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{}?{number}", self.fake.image_url())).collect()
    }

    fn has(&self, sku: &str, what: &str) -> Value {
        self.fake.listings(SHOP).into_iter().find(|listing| listing["sku"] == sku).unwrap()[what].clone()
    }

    async fn settled(&self, results: &[PushResult], changes: &[Change]) -> Vec<PushResult> {
        let settled = self.channel().settle(&self.access().await, ticket(results), changes).await.unwrap();
        let Settled::Judged(judged) = settled else { panic!("still open") };
        judged
    }
}

/// The one ticket of a push.
fn ticket(results: &[PushResult]) -> &Ticket {
    let PushResult::Pending { ticket, .. } = &results[0] else { panic!("not pending: {results:?}") };
    let same = |one: &PushResult| matches!(one, PushResult::Pending { ticket: other, .. } if other == ticket);
    assert!(results.iter().all(same), "{results:?}");
    ticket
}

fn codes(results: &[PushResult]) -> Vec<(&str, &str)> {
    let refused = results.iter().filter_map(|result| match result {
        PushResult::Refused(complaint) => Some((complaint.sku.as_str(), complaint.code.as_str())),
        _ => None,
    });
    refused.collect()
}

#[tokio::test]
async fn the_skus_of_a_product_are_edited_once_and_wait_for_one_audit() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b"), seed("c")]);
    let (listings, _) = scene.read().await;
    let images = scene.images(11);
    let changes: Vec<_> = listings[..2].iter().map(|listing| pictures(listing, &images)).collect();
    let results = scene.push(&changes).await;
    assert_eq!((scene.has("a", "images"), scene.has("b", "images")), (json!([]), json!([])), "not before the audit");
    let judged = scene.settled(&results, &changes).await;
    assert!(judged.iter().all(|result| matches!(result, PushResult::Done { .. })), "{judged:?}");
    assert_eq!(scene.has("b", "images").as_array().unwrap().len(), 9, "the first nine");
    assert_eq!((scene.fake.stats().images, scene.has("c", "images")), (9, json!([])));
}

#[tokio::test]
async fn the_audit_of_images_is_waited_for_long_and_its_words_are_a_complaint() {
    let scene = Scene::seeded(&[seed("a")]);
    let (listings, _) = scene.read().await;
    scene.fake.rules(|rules| rules.audit = Audit::Open);
    let changes = [pictures(&listings[0], &scene.images(1))];
    let results = scene.push(&changes).await;
    scene.clock.advance(HOUR * 11);
    let open = scene.channel().settle(&scene.access().await, ticket(&results), &changes).await.unwrap();
    assert_eq!(open, Settled::Open, "nothing waits for it");
    scene.fake.rules(|rules| rules.audit = Audit::Fails);
    let judged = scene.settled(&results, &changes).await;
    assert_eq!(codes(&judged), [("a", "audit_failed")]);
    assert_eq!(scene.has("a", "images"), json!([]), "buyers see what they saw");
}

#[tokio::test]
async fn what_one_product_wants_of_another_list_keeps_no_other_from_being_sent() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b"), seed("c"), seed("d"), seed("e")]);
    let (listings, _) = scene.read().await;
    let nowhere = scene.fake.url().join("_fake/nothing.png").unwrap().to_string();
    let changes = [
        pictures(&listings[0], &scene.images(1)),
        pictures(&listings[1], &scene.images(2)),
        pictures(&listings[2], &[nowhere]),
        made_of(&listings[3], &[("100089", "Cotton")]),
        pictures(&listings[4], &scene.images(1)),
    ];
    let results = scene.push(&changes).await;
    assert_eq!(codes(&results), [("a", "images"), ("b", "images"), ("c", "images")]);
    let pending = results.iter().filter(|result| matches!(result, PushResult::Pending { .. }));
    assert_eq!(pending.count(), 2);
    let PushResult::Refused(complaint) = &results[0] else { panic!("not refused") };
    assert!(complaint.text.contains("one list of images, are wanted with 2"), "{}", complaint.text);
    let lacking = scene.channel().lacks(&pictures(&listings[0], &["ftp://img.example/1.jpg".to_owned()])).unwrap();
    assert_eq!(lacking.text, "image `ftp://img.example/1.jpg` is not an https address; correct it at the source");
    assert_eq!(scene.channel().lacks(&changes[0]), None);
}

#[tokio::test]
async fn attributes_are_laid_over_those_that_the_product_has_at_that_moment() {
    let scene = Scene::seeded(&[seed("a")]);
    let (listings, _) = scene.read().await;
    scene.fake.set_attribute(SHOP, "a", "100089", "Silk");
    scene.fake.set_attribute(SHOP, "a", "100347", "Striped");
    let changes = [made_of(&listings[0], &[("100089", "id:1001533"), ("100398", "Soft")])];
    let results = scene.push(&changes).await;
    scene.settled(&results, &changes).await;
    let value = |id: &str, name: &str| json!([{"id": id, "name": name}]);
    let expected = json!({
        "100089": value("1001533", "Value 1001533"), "100347": value("", "Striped"), "100398": value("", "Soft"),
    });
    assert_eq!(scene.has("a", "attributes"), expected);
    // Only what is on sale can be changed.
    scene.fake.set_product(SHOP, Seed { status: "SELLER_DEACTIVATED".into(), ..seed("a") }).unwrap();
    let (listings, _) = scene.read().await;
    assert_eq!(codes(&scene.push(&[pictures(&listings[0], &scene.images(1))]).await), [("a", "not_active")]);
}
