//! Images and attributes on TikTok Shop: sent once, whatever TikTok makes of them, after prices and stock and never in their way.

use serde_json::{Value, json};
use shopsyncd::{
    channels::tiktok_shop::fake::Audit,
    control::Request,
    domain::{Demand, Field},
};

use crate::world::{Database, EXPORT, World, minutes, number, on_both_databases};

on_both_databases! {
    a_product_gets_the_images_and_attributes_that_the_source_wants_once,
    an_image_under_audit_keeps_no_price_from_being_sent,
}

const MORNING: &str = "2026-03-02T09:00";

/// The shop's file: a shirt is made of this.
fn shop(material: &str) -> String {
    format!(
        "[shops.uk.jobs]\nfull_import = \"1 hour\"\n[shops.uk.export]\nfields = [\"price\", \"stock\", \"images\", \"attributes\"]\n\
         [shops.uk.mapping.attributes]\n100089 = \"{material}\"\n"
    )
}

/// The source's file: a shirt with so many pictures, and a cup without any.
fn file(world: &World, price: &str, pictures: &[u8]) -> String {
    let image = world.fake.image_url();
    let images: Vec<_> = pictures.iter().map(|number| format!("{image}?{number}")).collect();
    format!(
        "sku,title,price,currency,stock,images\nSHIRT,Red shirt,{price},GBP,5,{}\nCUP,Blue cup,4.00,GBP,7,\n",
        images.join(" ")
    )
}

/// A shop that sells a shirt and a cup, authorized, and read once.
async fn authorized(database: Database) -> World {
    let mut world = World::new(database, MORNING, &["uk", "north"]);
    world.write_shop("uk", &shop("Cotton"));
    world.source_text(&file(&world, "10.00", &[1, 2]));
    world.offer("uk", &[("SHIRT", "9.00", 5), ("CUP", "4.00", 7)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(25)).await;
    world
}

/// What the shop has of a SKU.
fn has(world: &World, sku: &str, what: &str) -> Value {
    let listings = world.fake.listings(&number("uk"));
    listings.into_iter().find(|listing| listing["sku"] == sku).unwrap()[what].clone()
}

fn images(world: &World) -> Vec<Value> {
    has(world, "SHIRT", "images").as_array().unwrap().clone()
}

fn words(value: &str) -> Value {
    json!([{"id": "", "name": value}])
}

async fn a_product_gets_the_images_and_attributes_that_the_source_wants_once(database: Database) {
    let world = authorized(database).await;
    assert_eq!(world.offers("uk"), ["CUP 4.00 7", "SHIRT 10.00 5"]);
    let first = images(&world);
    assert_eq!((first.len(), world.fake.stats().images), (2, 2), "TikTok has copies of both: {first:?}");
    assert_eq!(has(&world, "SHIRT", "attributes"), json!({"100089": words("Cotton")}));
    assert_eq!(has(&world, "CUP", "images"), json!([]), "a source without images asks for nothing");

    // Its seller adds an attribute by hand. Some complete imports later nothing has been sent again.
    assert!(world.fake.set_attribute(&number("uk"), "SHIRT", "100347", "Striped"));
    world.pass(minutes(130)).await;
    assert_eq!((images(&world), world.fake.stats().images), (first, 2));

    // Another picture: the list goes once. Another mapping: the attribute goes once, and the seller's own stays.
    world.source_text(&file(&world, "10.00", &[3]));
    world.pass(minutes(35)).await;
    assert_eq!((images(&world).len(), world.fake.stats().images), (1, 3));
    world.write_shop("uk", &shop("Wool"));
    world.ask(Request::Reload).await.unwrap();
    world.pass(minutes(25)).await;
    let both = json!({"100089": words("Wool"), "100347": words("Striped")});
    assert_eq!(has(&world, "SHIRT", "attributes"), both);
    assert_eq!(world.fake.stats().images, 3, "the images were not sent along");

    // Somebody wants them there once more.
    let again = Demand { resend: Some(Field::Images), ..Demand::default() };
    let request = Request::RunNow { shop: "uk".parse().unwrap(), job: EXPORT, demand: again, wait: false };
    world.ask(request).await.unwrap();
    world.pass(minutes(25)).await;
    assert_eq!((images(&world).len(), world.fake.stats().images), (1, 4));
    let refused = world.run_now("north", EXPORT, again).await.unwrap_err();
    assert_eq!(
        (refused.exit, refused.text.as_str()),
        (64, "shop `north` does not export `images`; name `images` in its export.fields first")
    );
    world.end().await;
}

async fn an_image_under_audit_keeps_no_price_from_being_sent(database: Database) {
    let world = authorized(database).await;
    world.fake.rules(|rules| rules.audit = Audit::Open);
    world.source_text(&file(&world, "10.00", &[3]));
    world.pass(minutes(25)).await;
    let uploads = world.fake.stats().images;
    assert_eq!((images(&world).len(), uploads), (2, 3), "the new one is under audit");

    for price in ["11.00", "12.00"] {
        world.source_text(&file(&world, price, &[3]));
        world.pass(minutes(25)).await;
        assert_eq!(has(&world, "SHIRT", "price"), price, "{}", world.why("uk", EXPORT).await);
    }
    assert_eq!(world.fake.stats().images, uploads, "the image is not sent again meanwhile");
    world.fake.rules(|rules| rules.audit = Audit::Passes);
    world.pass(minutes(25)).await;
    assert_eq!((images(&world).len(), world.fake.stats().images), (1, uploads));
    world.end().await;
}
