//! What the store keeps of fields that shops do not show as they were sent, through the same checks on every database.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use serde_json::json;
use shopsyncd::{
    domain::{Complaint, Field, JobKind, Listing, Part, PassKind, Remembered, RunId, Sku, Values, plan::of_listing},
    store::{Complaining, Forgotten, Hashed, SeenListing, Store, Tx},
};

use super::{
    Check,
    shops::{at, put, seen, shop, sku, skus, wanted_shop},
};

macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), |store| Box::pin(async { $name(store).await; Ok(()) }))),*]
    };
}

pub(crate) const CHECKS: &[Check] = checks![
    a_remembered_field_differs_until_just_that_is_accepted,
    a_refused_field_waits_for_another_value_or_another_try,
    nothing_is_asked_of_fields_that_are_not_wanted,
    what_is_remembered_goes_with_its_listing,
    what_is_remembered_is_of_one_place_of_sale,
    a_listing_that_an_import_saw_meanwhile_is_not_overwritten,
    complaints_of_either_part_stand_for_themselves,
    what_differs_is_told_product_by_product,
];

fn hashed(rows: &[(&str, &str)]) -> Vec<Hashed> {
    rows.iter().map(|(code, hash)| (sku(code), (*hash).to_owned())).collect()
}

/// `SKU field field` for each that differs.
async fn differing(tx: &mut Tx, id: &str) -> Vec<String> {
    let found = tx.remembered_differences(&shop(id), "", 100).await.unwrap().into_iter();
    let told = |((_, sku), fields): ((String, Sku), Vec<Field>)| {
        fields.into_iter().fold(sku.to_string(), |told, field| format!("{told} {}", field.as_str()))
    };
    found.map(told).collect()
}

async fn known(tx: &mut Tx, id: &str, codes: &[&str]) -> BTreeMap<Sku, Vec<Remembered>> {
    tx.remembered_of(&shop(id), &skus(codes)).await.unwrap()
}

/// A shop that is wanted to have other images of `a` and `b`, and other attributes of `b`.
async fn wanted(store: &Store) -> Tx {
    let mut tx = store.write(at(10)).await.unwrap();
    put(&mut tx, "x", &[seen("a", "1"), seen("b", "1")]).await;
    put(&mut tx, "y", &[seen("a", "1")]).await;
    tx.put_remembered(&shop("x"), Field::Images, &hashed(&[("b", "1"), ("a", "1")]), &[]).await.unwrap();
    tx.put_remembered(&shop("x"), Field::Attributes, &hashed(&[("b", "1")]), &skus(&["a"])).await.unwrap();
    tx.put_remembered(&shop("y"), Field::Images, &hashed(&[("a", "1")]), &[]).await.unwrap();
    tx
}

async fn a_remembered_field_differs_until_just_that_is_accepted(store: Store) {
    let mut tx = wanted(&store).await;
    assert_eq!(differing(&mut tx, "x").await, ["a images", "b attributes images"]);
    tx.put_remembered_accepted(&shop("x"), Field::Images, &hashed(&[("a", "1"), ("b", "older")])).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["b attributes images"]);
    assert_eq!(differing(&mut tx, "y").await, ["a images"]);
    let images = Remembered {
        field: Field::Images,
        wanted: Some("1".to_owned()),
        accepted: Some(("1".to_owned(), at(10))),
        refused: None,
    };
    assert_eq!(known(&mut tx, "x", &["a", "none"]).await, [(sku("a"), vec![images.clone()])].into());
    let everywhere = tx.remembered_by_sku(&sku("a")).await.unwrap();
    assert_eq!(everywhere, BTreeMap::new(), "of shops that the table of shops has");

    // An import says nothing of it.
    put(&mut tx, "x", &[seen("a", "2")]).await;
    assert_eq!(differing(&mut tx, "x").await, ["b attributes images"]);
    tx.put_remembered(&shop("x"), Field::Images, &hashed(&[("a", "2"), ("b", "older")]), &[]).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["a images", "b attributes"]);
    tx.forget_accepted(&shop("x"), Field::Images).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["a images", "b attributes images"]);
    // What has just been created is known by what was accepted, but not what is gone by now.
    put(&mut tx, "x", &[seen("new", "1")]).await;
    tx.put_remembered_accepted(&shop("x"), Field::Images, &hashed(&[("new", "1"), ("gone", "1")])).await.unwrap();
    assert_eq!(known(&mut tx, "x", &["new", "gone"]).await, [(sku("new"), vec![images])].into());
    tx.sync_shops(&[wanted_shop("x", "1"), wanted_shop("y", "2")]).await.unwrap();
    let shops: Vec<_> = tx.remembered_by_sku(&sku("a")).await.unwrap().into_keys().collect();
    assert_eq!(shops, [shop("x"), shop("y")]);
}

async fn a_refused_field_waits_for_another_value_or_another_try(store: Store) {
    let mut tx = wanted(&store).await;
    let refused = hashed(&[("a", "1"), ("b", "older"), ("none", "1")]);
    tx.put_remembered_refused(&shop("x"), Field::Images, &refused).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["b attributes images"], "of b something else is wanted by now");
    let of_a = &known(&mut tx, "x", &["a"]).await[&sku("a")][0];
    assert_eq!((of_a.is_refused(), of_a.differs()), (true, true));
    tx.put_remembered(&shop("x"), Field::Images, &hashed(&[("a", "2")]), &[]).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["a images", "b attributes images"]);
    tx.put_remembered_refused(&shop("x"), Field::Images, &hashed(&[("a", "2"), ("b", "1")])).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["b attributes"]);
    tx.retry_refused(&shop("x")).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["a images", "b attributes images"]);
    tx.put_remembered_refused(&shop("x"), Field::Images, &hashed(&[("a", "2")])).await.unwrap();
    tx.put_remembered_accepted(&shop("x"), Field::Images, &hashed(&[("a", "3")])).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["a images", "b attributes images"], "it has accepted something since");
}

async fn nothing_is_asked_of_fields_that_are_not_wanted(store: Store) {
    let mut tx = wanted(&store).await;
    tx.put_remembered_accepted(&shop("x"), Field::Images, &hashed(&[("b", "2")])).await.unwrap();
    tx.put_remembered(&shop("x"), Field::Images, &[], &skus(&["b", "none"])).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["a images", "b attributes"]);
    tx.unwant_remembered(&shop("x"), Field::Images).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["b attributes"]);
    assert_eq!(differing(&mut tx, "y").await, ["a images"]);
    tx.put_remembered(&shop("x"), Field::Images, &hashed(&[("b", "2")]), &[]).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["b attributes"], "what was accepted is known still");
}

async fn what_is_remembered_goes_with_its_listing(store: Store) {
    let mut tx = wanted(&store).await;
    let pass = tx.begin_pass(&shop("x"), PassKind::Full, RunId(1)).await.unwrap();
    tx.note_seen(&shop("x"), pass.number, &skus(&["b"])).await.unwrap();
    assert_eq!(tx.drop_unseen_listings(&shop("x"), pass.number, at(20)).await.unwrap(), 1);
    assert_eq!(known(&mut tx, "x", &["a", "b"]).await.into_keys().collect::<Vec<_>>(), skus(&["b"]));
    tx.forget_listing(&shop("x"), &sku("b")).await.unwrap();
    assert_eq!(known(&mut tx, "x", &["a", "b"]).await, BTreeMap::new());
    assert_eq!(differing(&mut tx, "y").await, ["a images"]);
}

async fn what_is_remembered_is_of_one_place_of_sale(store: Store) {
    let mut tx = wanted(&store).await;
    tx.sync_shops(&[wanted_shop("x", "1"), wanted_shop("y", "2")]).await.unwrap();
    tx.sync_shops(&[wanted_shop("x", "1"), wanted_shop("y", "3")]).await.unwrap();
    assert_eq!(differing(&mut tx, "y").await, Vec::<String>::new());
    assert_eq!(differing(&mut tx, "x").await, ["a images", "b attributes images"]);
    tx.sync_shops(&[wanted_shop("y", "3")]).await.unwrap();
    assert_eq!(differing(&mut tx, "x").await, ["a images", "b attributes images"], "it may come back");
    let went = tx.forget_shop(&shop("x")).await.unwrap();
    let is_told = matches!(&went, Forgotten::Erased(all) if all.contains(&("remembered fields", 3)));
    assert!(is_told, "{went:?}");
    assert_eq!(known(&mut tx, "x", &["a", "b"]).await, BTreeMap::new());
}

async fn a_listing_that_an_import_saw_meanwhile_is_not_overwritten(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    put(&mut tx, "x", &[seen("a", "1"), seen("b", "1")]).await;
    let (a, b) = (seen("a", "1").hash, seen("b", "1").hash);
    put(&mut tx, "x", &[seen("b", "9")]).await;
    let with_ids = |code: &str| {
        let listing = Listing { refs: json!({ "id": 8 }), ..seen(code, "1").listing };
        SeenListing::of(listing, &[Field::Price].into())
    };
    let accepted = [(with_ids("b"), b), (with_ids("a"), a.clone()), (with_ids("none"), a)];
    tx.put_accepted_of(&shop("x"), &accepted).await.unwrap();
    let stored = tx.listings(&shop("x"), None, 10).await.unwrap();
    let listings: Vec<_> = stored.into_iter().filter_map(|stored| stored.listing).collect();
    assert_eq!(listings, [with_ids("a").listing, seen("b", "9").listing]);
    tx.put_listings(&shop("x"), &[seen("a", "1")], at(9)).await.unwrap();
    let kept = tx.listings(&shop("x"), None, 1).await.unwrap().remove(0).listing.unwrap();
    assert_eq!(kept, with_ids("a").listing, "the page was asked for before");
}

async fn complaints_of_either_part_stand_for_themselves(store: Store) {
    let compared: Complaining = JobKind::ProductExport.into();
    let remembered = Complaining { part: Part::Remembered, ..compared };
    let coded = |code: &str| Complaint {
        sku: "a".to_owned(),
        code: code.to_owned(),
        text: format!("words of {code}"),
        request_id: None,
    };
    let unsaid = coded(Complaint::UNSAID_ATTRIBUTE);
    let mut tx = store.write(at(10)).await.unwrap();
    tx.put_complaints(&shop("x"), compared, RunId(1), &[coded("promotion")]).await.unwrap();
    tx.put_complaints(&shop("x"), remembered, RunId(1), &[coded("promotion"), unsaid]).await.unwrap();
    let standing = async |tx: &mut Tx| {
        let all = tx.complaints_of(&shop("x"), JobKind::ProductExport).await.unwrap().into_iter();
        all.map(|one| format!("{:?} {}", one.part, one.complaint.code)).collect::<Vec<_>>()
    };
    let all = ["Compared promotion", "Remembered promotion", "Remembered unsaid_attribute"];
    assert_eq!(standing(&mut tx).await, all);
    tx.replace_complaints(&shop("x"), compared, RunId(2), &[coded("price")]).await.unwrap();
    assert_eq!(standing(&mut tx).await, ["Compared price", all[1], all[2]]);
    tx.replace_complaints(&shop("x"), remembered, RunId(2), &[coded("image")]).await.unwrap();
    assert_eq!(standing(&mut tx).await, ["Compared price", "Remembered image", all[2]], "what is unsaid stands");
    tx.resolve_complaints(&shop("x"), compared, &["a".to_owned()]).await.unwrap();
    assert_eq!(standing(&mut tx).await, ["Remembered image", all[2]]);
    tx.resolve_complaints(&shop("x"), remembered, &["a".to_owned()]).await.unwrap();
    assert_eq!(standing(&mut tx).await, [all[2]]);
    tx.resolve_coded(&shop("x"), JobKind::ProductExport, Complaint::UNSAID_ATTRIBUTE, &["a".to_owned()]).await.unwrap();
    assert_eq!(standing(&mut tx).await, Vec::<String>::new());
}

async fn what_differs_is_told_product_by_product(store: Store) {
    let mut tx = store.write(at(10)).await.unwrap();
    let of = |product: &str, code: &str| {
        let listing = Listing { product_id: product.to_owned(), ..seen(code, "1").listing };
        SeenListing::of(listing, &[Field::Price].into())
    };
    let all = [of("p2", "a"), of("p1", "b"), of("p2", "c"), of("p3", "d"), of("p1", "e"), of("p2", "f")];
    put(&mut tx, "x", &all).await;
    let hashes = ["a", "b", "c", "d", "e", "f"].map(|code| (code, "1"));
    tx.put_remembered(&shop("x"), Field::Images, &hashed(&hashes), &[]).await.unwrap();
    let told = async |tx: &mut Tx, after: &str, at_once: usize| {
        let found = tx.remembered_differences(&shop("x"), after, at_once).await.unwrap();
        found.into_keys().map(|(product, sku)| format!("{product} {sku}")).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut tx, "", 10).await, ["p1 b", "p1 e", "p2 a", "p2 c", "p2 f", "p3 d"]);
    assert_eq!(told(&mut tx, "", 2).await, ["p1 b", "p1 e"], "a product is not parted");
    assert_eq!(told(&mut tx, "p1", 1).await, ["p2 a", "p2 c", "p2 f"], "however many SKUs it has");
    assert_eq!(told(&mut tx, "p2", 1).await, ["p3 d"]);
    assert_eq!(told(&mut tx, "p3", 1).await, Vec::<String>::new());

    // The shop has put one elsewhere, and judges another.
    put(&mut tx, "x", &[of("p0", "c")]).await;
    let change = of_listing(&seen("e", "1").listing, &Values::default(), vec![Field::Images]);
    tx.put_tickets(&shop("x"), Part::Compared, at(20), &[("feed".to_owned(), change)]).await.unwrap();
    assert_eq!(told(&mut tx, "", 10).await, ["p0 c", "p1 b", "p2 a", "p2 f", "p3 d"]);

    // What the SKUs of a product do not agree about, accepted or not.
    tx.put_remembered_accepted(&shop("x"), Field::Images, &hashed(&[("a", "1")])).await.unwrap();
    tx.put_remembered(&shop("x"), Field::Images, &hashed(&[("f", "2")]), &[]).await.unwrap();
    let found = tx.remembered_disagreements(&shop("x"), &["p1", "p2", "p3"].into()).await.unwrap();
    assert_eq!(found, [("p2".to_owned(), Field::Images)].into());
    put(&mut tx, "x", &[of("p4", "f")]).await;
    let found = tx.remembered_disagreements(&shop("x"), &["p1", "p2", "p4"].into()).await.unwrap();
    assert_eq!(found, [].into(), "it belongs to another product now");
}
