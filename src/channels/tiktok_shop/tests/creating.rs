//! SKUs that the shop does not have yet.

use super::*;
use crate::{
    channels::{
        Settled, Ticket,
        tiktok_shop::{create, fake::Audit},
    },
    domain::{Price, Product, Variant},
};

/// What makes a creation impossible.
type Spoil = fn(&mut Change);

fn mapped() -> Scene {
    let mut scene = Scene::new();
    let mapping = json!({"category": "600001", "package_weight": "500 g", "attributes": {"100089": "id:7"}});
    scene.own = json!({"shop_id": SHOP, "mapping": mapping});
    scene
}

fn creation(scene: &Scene, sku: &str, size: &str) -> Change {
    let price = Price { amount: "19.9".parse().unwrap(), currency: "GBP".parse().unwrap() };
    let product = Product {
        id: "tee".into(),
        title: "Tee red".into(),
        description: Some("Soft <3\nand warm".into()),
        brand: None,
        category: None,
        images: vec![scene.fake.image_url().to_string()],
    };
    let variant = Variant {
        sku: sku.parse().unwrap(),
        product_id: "tee".into(),
        barcode: Some("4006381333931".into()),
        prices: vec![price],
        stock: Some(4),
        options: vec![("Size".into(), size.into())],
    };
    let wanted = Values { price: Some(price), stock: Some(4), ..Values::default() };
    let product = Some((product, variant));
    Change {
        sku: sku.parse().unwrap(),
        listing: None,
        product,
        siblings: Vec::new(),
        wanted,
        fields: vec![Field::Price, Field::Stock],
    }
}

fn pending(results: &[PushResult]) -> Ticket {
    match results {
        [PushResult::Pending { ticket, .. }, ..] => ticket.clone(),
        other => panic!("not pending: {other:?}"),
    }
}

#[tokio::test]
async fn a_new_product_waits_for_the_audit_and_is_then_told_whole() {
    let scene = mapped();
    scene.fake.rules(|rules| rules.audit = Audit::Open);
    let changes = [creation(&scene, "a", "S"), creation(&scene, "b", "M")];
    let ticket = pending(&scene.push(&changes).await);
    let (channel, access) = (scene.channel(), scene.access().await);
    assert_eq!(channel.settle(&access, &ticket, &changes).await.unwrap(), Settled::Open);
    scene.fake.rules(|rules| rules.audit = Audit::Passes);
    let Settled::Judged(results) = channel.settle(&access, &ticket, &changes).await.unwrap() else { panic!("open") };
    let [PushResult::Done { listing, .. }, PushResult::Done { .. }] = results.as_slice() else { panic!("{results:?}") };
    assert_eq!(listing.description.as_deref(), Some("<p>Soft &lt;3</p><p>and warm</p>"));
    assert_eq!(listing.options, [("Size".to_owned(), "S".to_owned())]);
    assert_eq!((listing.barcode.as_deref(), listing.status), (Some("4006381333931"), ListingStatus::Active));
    assert_eq!(scene.fake.stats().created, 1);
    assert_eq!(scene.read().await.0.len(), 2);
}

#[tokio::test]
async fn a_new_product_that_the_audit_refuses_is_a_complaint_and_later_a_remark() {
    let scene = mapped();
    scene.fake.rules(|rules| rules.audit = Audit::Fails);
    let changes = [creation(&scene, "a", "S")];
    let ticket = pending(&scene.push(&changes).await);
    let (channel, access) = (scene.channel(), scene.access().await);
    let Settled::Judged(results) = channel.settle(&access, &ticket, &changes).await.unwrap() else { panic!("open") };
    let [PushResult::Refused(complaint)] = results.as_slice() else { panic!("{results:?}") };
    assert_eq!((complaint.sku.as_str(), complaint.code.as_str()), ("a", "audit_failed"));
    assert!(complaint.text.contains("Product name: The name is incomplete. Say what it is."), "{complaint:?}");
    let pages = scene.pages(PassKind::Full).await;
    assert_eq!((pages[0].listings.len(), pages[0].complaints.len()), (1, 0));
    assert_eq!(pages[0].remarks[0].code, "audit_failed");
}

#[tokio::test]
async fn what_is_missing_or_too_long_is_named_before_anything_is_sent() {
    let scene = mapped();
    let channel = scene.channel();
    let lacks = |spoil: Spoil| {
        let mut change = creation(&scene, "a", "S");
        spoil(&mut change);
        channel.lacks(&change).map(|complaint| complaint.code)
    };
    fn product(change: &mut Change) -> &mut Product {
        &mut change.product.as_mut().unwrap().0
    }
    fn variant(change: &mut Change) -> &mut Variant {
        &mut change.product.as_mut().unwrap().1
    }
    let table: [(Spoil, &str); 11] = [
        (|change| change.sku = "x".repeat(51).parse().unwrap(), "sku"),
        (|change| change.wanted.price = None, "price"),
        (|change| change.wanted.stock = None, "stock"),
        (|change| change.wanted.stock = Some(100_000), "stock"),
        (|change| product(change).title.clear(), "title"),
        (|change| product(change).title = "x".repeat(256), "title"),
        (|change| product(change).description = Some(" \n ".into()), "description"),
        (|change| product(change).description = Some("x".repeat(2_000_000)), "description"),
        (|change| product(change).images.clear(), "images"),
        (|change| product(change).images[0] = "http://img.example.com/1.jpg".into(), "images"),
        (|change| variant(change).options[0].1 = "x".repeat(51), "options"),
    ];
    assert_eq!(lacks(|_| {}), None);
    for (spoil, code) in table {
        assert_eq!(lacks(spoil).as_deref(), Some(code));
    }
}

#[tokio::test]
async fn an_image_that_cannot_be_had_stops_its_product_alone() {
    let scene = mapped();
    let mut without = creation(&scene, "a", "S");
    without.product.as_mut().unwrap().0.images[0] = scene.fake.url().join("_fake/nothing.png").unwrap().to_string();
    let mut with = creation(&scene, "b", "S");
    with.product.as_mut().unwrap().0.id = "other".into();
    let results = scene.push(&[without, with]).await;
    let PushResult::Refused(complaint) = &results[0] else { panic!("{results:?}") };
    assert_eq!(complaint.code, "images");
    pending(&results[1..]);
}

#[tokio::test]
async fn a_product_made_by_a_call_whose_answer_was_lost_is_not_made_again() {
    let scene = mapped();
    let changes = [creation(&scene, "a", "S")];
    pending(&scene.push(&changes).await);
    let results = scene.push(&changes).await;
    let [PushResult::Done { listing, .. }] = results.as_slice() else { panic!("{results:?}") };
    assert_eq!(listing.sku.as_str(), "a");
    assert_eq!(scene.fake.stats().created, 1);
}

#[tokio::test]
async fn a_variant_joins_siblings_that_no_import_has_seen_yet() {
    let scene = mapped();
    let ticket = pending(&scene.push(&[creation(&scene, "a", "S")]).await);
    let both = [creation(&scene, "a", "S"), creation(&scene, "b", "M")];
    scene.channel().settle(&scene.access().await, &ticket, &both[..1]).await.unwrap();
    let results = scene.push(&both).await;
    let [PushResult::Done { .. }, PushResult::Pending { .. }] = results.as_slice() else { panic!("{results:?}") };
    let listings = scene.fake.listings(SHOP);
    assert_eq!(listings.len(), 2);
    assert_eq!(listings[0]["product_id"], listings[1]["product_id"]);
    assert_eq!(scene.fake.stats().created, 1);
}

#[tokio::test]
async fn a_renamed_sku_keeps_its_product_on_sale_and_the_old_name_gets_no_stock() {
    let scene = mapped();
    let old = Seed { options: vec![("Size".into(), "S".into())], ..seed("a") };
    scene.fake.set_product(SHOP, old).unwrap();
    let (siblings, _) = scene.read().await;
    let gone = Change {
        listing: Some(siblings[0].clone()),
        product: None,
        wanted: Values { retired: true, dropped: true, ..Values::default() },
        fields: Vec::new(),
        ..creation(&scene, "a", "S")
    };
    let renamed = Change { siblings: siblings.clone(), ..creation(&scene, "a2", "M") };
    let results = scene.push(&[gone.clone(), renamed.clone()]).await;
    let [PushResult::Refused(complaint), PushResult::Pending { .. }] = results.as_slice() else {
        panic!("{results:?}")
    };
    assert_eq!(complaint.code, "siblings");
    let shop = scene.fake.listings(SHOP);
    assert_eq!(shop[0]["product_id"], shop[1]["product_id"]);
    assert_eq!(
        shop.iter().map(|one| format!("{} {} {}", one["sku"], one["status"], one["stock"])).collect::<Vec<_>>(),
        [r#""a" "ACTIVATE" 0"#, r#""a2" "ACTIVATE" 4"#]
    );

    // Where the product went off sale before, the new name waits for its owner, and says so.
    let scene = mapped();
    scene.fake.set_product(SHOP, seed("a")).unwrap();
    let (siblings, _) = scene.read().await;
    scene.push(&[Change { listing: Some(siblings[0].clone()), ..gone }]).await;
    let results = scene.push(&[Change { siblings: scene.read().await.0, ..renamed }]).await;
    let [PushResult::Refused(complaint)] = results.as_slice() else { panic!("{results:?}") };
    assert_eq!(complaint.code, "not_active");
    assert_eq!(scene.fake.listings(SHOP).len(), 1);
}

#[test]
fn measures_are_numbers_with_units() {
    assert_eq!(create::weight(" 0.5 KG"), Some(json!({"value": "0.5", "unit": "KILOGRAM"})));
    assert_eq!(create::weight("500g"), Some(json!({"value": "500", "unit": "GRAM"})));
    let dimensions = json!({"length": "20", "width": "15.5", "height": "5", "unit": "CENTIMETER"});
    assert_eq!(create::dimensions("20 x 15.5x5 cm"), Some(dimensions));
    for bad in ["", "kg", "0 kg", "-1 kg", "1", "1 x 2 kg", "much"] {
        assert_eq!(create::weight(bad), None, "{bad}");
    }
    for bad in ["20 cm", "20 x 15 cm", "1 x 2 x 3", "1 x 2 x 0 cm"] {
        assert_eq!(create::dimensions(bad), None, "{bad}");
    }
}

#[test]
fn a_mapping_in_other_words_than_tiktoks_is_a_fault() {
    let scene_less = json!({"shop_id": SHOP, "details": "yes", "mapping": {
        "category": "Shirts", "brands": {"Acme": "acme"}, "attributes": {"Colour": "Red"}, "package_weight": "heavy",
    }});
    let app = json!({"client_id": "k", "service_id": "s"}).as_object().cloned().unwrap();
    let clock = Clock::manual("2026-06-01T12:00:00Z".parse().unwrap());
    let Err(faults) = (DEF.build)(&settings(&scene_less, app, None), &tools(&clock)) else { panic!("built") };
    let mut keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    keys.sort_unstable();
    let expected =
        ["details", "mapping.attributes.Colour", "mapping.brands.Acme", "mapping.category", "mapping.package_weight"];
    assert_eq!(keys, expected);
}
