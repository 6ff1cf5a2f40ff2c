//! Fields that a shop does not show as they were sent: sent once, apart from prices and stock, and after them.

use super::*;
use crate::{
    domain::{ErrorKind, Part},
    jobs::product_export::{Preview, preview},
    store::Standing,
};

/// A listing with images.
fn pictured(sku: &str, amount: &str, images: &[&str]) -> Listing {
    let images = images.iter().map(|name| format!("https://erp/{name}")).collect();
    Listing { images, ..of(&format!("product of {sku}"), sku, amount) }
}

fn done(went: &Went) -> Option<Outcome> {
    *went.end.as_ref().unwrap()
}

impl World {
    /// A shop that has these SKUs without images of ours, and exports all that it can.
    async fn remembering(source: Vec<Listing>) -> Self {
        let world = Self::new(true).await;
        world.remembers(|_| {});
        let bare = |listing: &Listing| Listing { images: vec!["https://stall/old".to_owned()], ..listing.clone() };
        world.shelf("uk").pages = vec![source.iter().map(bare).collect()];
        world.shelf("erp").pages = vec![source];
        world.imports("erp", true).await;
        world.imports("uk", true).await;
        world
    }

    /// From now on the shop has these settings.
    fn remembers(&self, change: impl Fn(&mut ShopEntry)) {
        self.set(|entry| {
            if entry.shop.id.as_str() == "uk" {
                entry.abilities = &REMEMBERING;
                entry.rules.fields = REMEMBERING.export.iter().copied().collect();
                change(entry);
            }
        });
    }

    /// The source says so now, and is read.
    async fn says(&self, source: Vec<Listing>) {
        self.shelf("erp").pages = vec![source];
        assert_eq!(done(&self.imports("erp", true).await), Some(Outcome::Done));
    }

    /// What was sent since the last question.
    fn sent(&self) -> Vec<String> {
        std::mem::take(&mut self.shelf("uk").sent)
    }

    async fn previewed(&self, resend: Option<Field>) -> Preview {
        let (uk, erp): (ShopId, ShopId) = ("uk".parse().unwrap(), "erp".parse().unwrap());
        let entry = self.shops.get(&uk).unwrap();
        preview(&self.store, self.clock.now(), &entry, Some(&erp), resend).await.unwrap()
    }

    /// `SKU code`, of remembered fields and of the others.
    async fn said(&self) -> [Vec<String>; 2] {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        let standing = tx.complaints(&"uk".parse().unwrap(), None).await.unwrap();
        [Part::Compared, Part::Remembered].map(|part| {
            let told = |one: &Standing| format!("{} {}", one.complaint.sku, one.complaint.code);
            standing.iter().filter(|one| one.part == part).map(told).collect()
        })
    }
}

#[tokio::test]
async fn images_are_sent_once_whatever_the_shop_shows_of_them() {
    let world = World::remembering(vec![pictured("A", "10", &["1", "2"]), pictured("B", "10", &["3"])]).await;
    assert_eq!(done(&world.exports().await), Some(Outcome::Done));
    assert_eq!(world.sent(), ["A images https://erp/1 https://erp/2", "B images https://erp/3"]);
    world.imports("uk", true).await;
    world.exports().await;
    assert_eq!(world.sent(), Vec::<String>::new(), "the shop's own addresses make no difference");

    world.says(vec![pictured("A", "10", &["2", "1"]), pictured("B", "10", &["3"])]).await;
    world.exports().await;
    assert_eq!(world.sent(), ["A images https://erp/2 https://erp/1"]);
    world.says(vec![pictured("A", "10", &[]), pictured("B", "10", &["3"])]).await;
    world.exports().await;
    assert_eq!(world.sent(), Vec::<String>::new(), "a source that says nothing of images asks for nothing");
}

#[tokio::test]
async fn the_skus_of_a_product_come_together_whatever_the_batch() {
    let shirt = |sku: &str| Listing { product_id: "shirt".to_owned(), ..pictured(sku, "10", &["1"]) };
    let world = World::remembering(vec![pictured("A", "10", &["1"]), shirt("S"), shirt("M"), shirt("L")]).await;
    world.exports().await;
    assert_eq!(world.shelf("uk").pushes, ["A", "L M S"], "one of a batch, but a product is not parted");
}

#[tokio::test]
async fn attributes_are_sent_once_for_each_mapping() {
    let world = World::remembering(vec![pictured("A", "10", &[])]).await;
    let maps = |material: &'static str| {
        world.shelf("uk").mapping = [("Material", material)].into();
        world.remembers(|entry| drop(entry.own.insert("mapping".to_owned(), material.into())));
    };
    for material in ["Cotton", "Wool"] {
        maps(material);
        world.exports().await;
        assert_eq!(world.sent(), [format!("A attributes Material={material}")]);
        world.imports("uk", true).await;
        world.exports().await;
        assert_eq!(world.sent(), Vec::<String>::new());
    }
    world.shelf("uk").mapping.clear();
    world.remembers(|_| {});
    world.exports().await;
    assert_eq!(world.sent(), Vec::<String>::new(), "what left the mapping is left as it is");
}

#[tokio::test]
async fn an_attribute_that_cannot_be_filled_keeps_nothing_else_from_being_sent() {
    let world = World::remembering(vec![pictured("A", "10", &["1"])]).await;
    world.shelf("uk").mapping = [("Maker", "{brand}")].into();
    world.remembers(|entry| drop(entry.own.insert("mapping".to_owned(), "brand".into())));
    world.says(vec![pictured("A", "11", &["1"])]).await;
    assert_eq!(done(&world.exports().await), Some(Outcome::Partly));
    assert_eq!(world.sent(), ["A 11.00 EUR 5", "A images https://erp/1"]);
    assert_eq!(
        world.said().await,
        [vec![], vec!["A unsaid_attribute".to_owned()]],
        "and what was accepted resolved nothing of it"
    );
    assert_eq!(world.previewed(None).await.lacking.len(), 1);

    world.says(vec![Listing { brand: Some("Acme".to_owned()), ..pictured("A", "11", &["1"]) }]).await;
    assert_eq!(done(&world.exports().await), Some(Outcome::Done));
    assert_eq!(world.sent(), ["A attributes Maker=Acme"]);
    assert_eq!(world.said().await, [Vec::<String>::new(), Vec::new()]);
}

#[tokio::test]
async fn an_image_that_is_refused_takes_no_price_along_and_waits_for_another() {
    let world = World::remembering(vec![pictured("A", "10", &["1"])]).await;
    world.shelf("uk").refuses_remembered = ["A"].into();
    world.says(vec![pictured("A", "11", &["1"])]).await;
    assert_eq!(done(&world.exports().await), Some(Outcome::Partly));
    assert_eq!((world.sent(), world.shelf("uk").refused), (vec!["A 11.00 EUR 5".to_owned()], 1));

    world.says(vec![pictured("A", "12", &["1"])]).await;
    world.exports().await;
    assert_eq!((world.sent(), world.shelf("uk").refused), (vec!["A 12.00 EUR 5".to_owned()], 1), "not again as it is");
    assert_eq!(
        world.said().await,
        [vec![], vec!["A promotion".to_owned()]],
        "an accepted price resolves nothing of it"
    );

    // A price that is refused says nothing of the image either.
    world.shelf("uk").refuses_remembered.clear();
    world.shelf("uk").refuses = ["A"].into();
    world.says(vec![pictured("A", "13", &["2"])]).await;
    world.exports().await;
    assert_eq!(world.sent(), ["A images https://erp/2"]);
    assert_eq!(world.said().await, [vec!["A promotion".to_owned()], vec![]]);
}

#[tokio::test]
async fn a_refusal_is_no_matter_any_more_when_what_was_accepted_is_wanted_again() {
    let world = World::remembering(vec![pictured("A", "10", &["1"])]).await;
    world.exports().await;
    world.shelf("uk").refuses_remembered = ["A"].into();
    world.says(vec![pictured("A", "10", &["2"])]).await;
    world.exports().await;
    assert_eq!(world.said().await, [vec![], vec!["A promotion".to_owned()]]);
    world.says(vec![pictured("A", "10", &["1"])]).await;
    assert_eq!(done(&world.exports().await), Some(Outcome::Done));
    assert_eq!(world.said().await, [Vec::<String>::new(), Vec::new()]);
}

#[tokio::test]
async fn what_was_refused_is_tried_again_after_the_next_complete_pass_of_images_too() {
    let world = World::remembering(vec![pictured("A", "10", &["1"])]).await;
    world.shelf("uk").refuses_remembered = ["A"].into();
    world.exports().await;
    world.shelf("uk").refuses_remembered.clear();
    world.imports("uk", true).await;
    world.exports().await;
    assert_eq!(world.sent(), ["A images https://erp/1"]);
    assert_eq!(world.said().await, [Vec::<String>::new(), Vec::new()]);
}

#[tokio::test]
async fn prices_go_before_images_and_again_in_between() {
    let skus = ["A", "B", "C", "D"];
    let source = |amount: &str| skus.map(|sku| pictured(sku, amount, &["1"])).to_vec();
    let world = World::remembering(source("10")).await;
    world.says(source("11")).await;
    world.shelf("uk").upload = SignedDuration::from_secs(20);
    let went = world.exports().await;
    let error = went.end.unwrap_err();
    assert_eq!(
        (error.kind, error.text.as_str()),
        (ErrorKind::Waiting, "shop `uk` is sent more changes of images or attributes")
    );
    let prices = ["A 11.00 EUR 5", "B 11.00 EUR 5", "C 11.00 EUR 5", "D 11.00 EUR 5"];
    assert_eq!(world.sent(), [&prices[..], &["A images https://erp/1", "B images https://erp/1"]].concat());

    world
        .says(vec![
            pictured("A", "10", &["1"]),
            pictured("B", "11", &["1"]),
            pictured("C", "11", &["1"]),
            pictured("D", "12", &["1"]),
        ])
        .await;
    assert_eq!(done(&world.attempt(went.run).await), Some(Outcome::Done));
    let rest = ["A 10.00 EUR 5", "D 12.00 EUR 5", "C images https://erp/1", "D images https://erp/1"];
    assert_eq!(world.sent(), rest);
    assert_eq!(world.known().await, ["A 10.00 EUR", "B 11.00 EUR", "C 11.00 EUR", "D 12.00 EUR"]);
}

#[tokio::test]
async fn images_that_are_judged_later_keep_no_price_from_being_sent() {
    let world = World::remembering(vec![pictured("A", "10", &["1"])]).await;
    world.shelf("uk").audits = true;
    let went = world.exports().await;
    assert_eq!(went.end.as_ref().unwrap_err().text, "shop `uk` has not judged 1 changes yet");
    assert_eq!((world.previewed(None).await.plan, world.previewed(None).await.waiting), (Vec::new(), 1));

    // Prices go on, an import sees what the shop sold, and images that are wanted by now wait their turn.
    world.says(vec![pictured("A", "11", &["2"])]).await;
    assert!(world.attempt(went.run).await.end.is_err());
    assert_eq!(world.sent(), ["A 11.00 EUR 5"]);
    world.shelf("uk").changed = vec![vec![Listing { stock: Some(4), ..pictured("A", "11", &[]) }]];
    world.shelf("uk").pages = vec![vec![Listing { stock: Some(4), ..pictured("A", "11", &[]) }]];
    world.imports("uk", false).await;

    world.shelf("uk").judged = true;
    assert_eq!(done(&world.attempt(went.run).await), Some(Outcome::Done));
    let then = ["A 11.00 EUR 5", "A images https://erp/1", "A images https://erp/2"];
    assert_eq!(world.sent(), then, "the piece that was sold is noticed; judged; and what is wanted by now");
    assert_eq!(world.known().await, ["A 11.00 EUR"]);
}

#[tokio::test]
async fn the_ids_of_new_copies_are_kept_unless_an_import_knows_better() {
    let world = World::remembering(vec![pictured("A", "10", &["1", "2"])]).await;
    world.exports().await;
    let stored = async || {
        let mut tx = world.store.read(world.clock.now()).await.unwrap();
        tx.listings(&"uk".parse().unwrap(), None, 1).await.unwrap().remove(0).listing.unwrap()
    };
    assert_eq!(stored().await.refs, serde_json::json!({ "images": 2 }));
    // While the next ones are on their way the shop changes otherwise.
    world.shelf("uk").audits = true;
    world.says(vec![pictured("A", "10", &["3"])]).await;
    let went = world.exports().await;
    let newer = Listing { title: "Mug".to_owned(), ..pictured("A", "10", &["4"]) };
    world.shelf("uk").changed = vec![vec![newer.clone()]];
    world.imports("uk", false).await;
    world.shelf("uk").judged = true;
    world.attempt(went.run).await;
    assert_eq!((stored().await.title, stored().await.refs), ("Mug".to_owned(), serde_json::json!({ "images": 1 })));
}

#[tokio::test]
async fn what_is_created_has_its_images_already() {
    let world = World::new(true).await;
    world.remembers(|entry| entry.rules.create = true);
    world.shelf("uk").mapping = [("Material", "Cotton")].into();
    world.says(vec![pictured("A", "10", &["1"])]).await;
    world.imports("uk", true).await;
    world.exports().await;
    assert_eq!(world.sent(), ["A 10.00 EUR 5"]);
    world.imports("uk", true).await;
    world.exports().await;
    assert_eq!(world.sent(), Vec::<String>::new());
    world.says(vec![pictured("A", "10", &["2"])]).await;
    world.exports().await;
    assert_eq!(world.sent(), ["A images https://erp/2"]);
}

#[tokio::test]
async fn a_listing_that_was_gone_gets_its_images_anew() {
    let source = vec![pictured("A", "10", &["1"]), pictured("B", "10", &["2"])];
    let world = World::remembering(source).await;
    world.exports().await;
    world.sent();
    let pages = std::mem::take(&mut world.shelf("uk").pages);
    world.shelf("uk").pages = vec![pages.concat().into_iter().filter(|listing| listing.sku.as_str() == "B").collect()];
    world.imports("uk", true).await;
    assert_eq!(done(&world.exports().await), Some(Outcome::Done));
    assert_eq!(world.sent(), Vec::<String>::new());
    world.shelf("uk").pages = pages;
    world.imports("uk", true).await;
    world.exports().await;
    assert_eq!(world.sent(), ["A images https://erp/1"]);
}

#[tokio::test]
async fn fields_that_are_not_chosen_any_more_are_left_alone_and_remembered() {
    let world = World::remembering(vec![pictured("A", "10", &["1"])]).await;
    world.exports().await;
    world.sent();
    world.remembers(|entry| entry.rules.fields = [Field::Price].into());
    world.says(vec![pictured("A", "10", &["2"])]).await;
    assert_eq!(done(&world.exports().await), Some(Outcome::Done));
    assert_eq!(world.sent(), Vec::<String>::new());
    world.says(vec![pictured("A", "10", &["1"])]).await;
    world.remembers(|_| {});
    world.exports().await;
    assert_eq!(world.sent(), Vec::<String>::new(), "the shop has accepted them before");
}

#[tokio::test]
async fn a_preview_shows_what_is_sent_then_and_what_would_be_sent_again() {
    let world = World::remembering(vec![pictured("A", "10", &["1"]), pictured("B", "10", &["2"])]).await;
    world.says(vec![pictured("A", "11", &["1"]), pictured("B", "10", &["2"])]).await;
    let told =
        |preview: Preview| preview.plan.into_iter().map(|it| (it.sku.to_string(), it.fields)).collect::<Vec<_>>();
    let expected = [("A", Field::Price), ("A", Field::Images), ("B", Field::Images)];
    let expected = expected.map(|(sku, field)| (sku.to_owned(), vec![field])).to_vec();
    assert_eq!(told(world.previewed(None).await), expected);
    world.shelf("uk").refuses_remembered = ["B"].into();
    world.exports().await;
    assert_eq!(told(world.previewed(None).await), expected[2..], "what was refused is tried again when a person asks");
    assert_eq!(told(world.previewed(Some(Field::Images)).await), expected[1..]);
    world.sent();

    let mut tx = world.store.write(world.clock.now()).await.unwrap();
    tx.forget_accepted(&"uk".parse().unwrap(), Field::Images).await.unwrap();
    tx.commit().await.unwrap();
    world.exports().await;
    assert_eq!(world.sent(), ["A images https://erp/1"], "B was refused, and nobody asked for it again");
}

#[tokio::test]
async fn what_skus_of_one_product_do_not_agree_about_is_sent_for_none_of_them() {
    let source = |other: &str| vec![pictured("A", "10", &["1"]), pictured("B", "10", &[other])];
    let world = World::remembering(source("2")).await;
    let in_one = |sku: &str| Listing { product_id: "one".to_owned(), ..pictured(sku, "10", &["old"]) };
    world.shelf("uk").pages = vec![vec![in_one("A"), in_one("B")]];
    for look in ["the first time", "after the next complete pass", "and the one after"] {
        world.imports("uk", true).await;
        world.exports().await;
        assert_eq!(world.sent(), Vec::<String>::new(), "{look}");
        assert_eq!(world.said().await[1], ["A conflict", "B conflict"], "{look}");
    }
    world.says(source("1")).await;
    assert_eq!(done(&world.exports().await), Some(Outcome::Done));
    assert_eq!(world.sent(), ["A images https://erp/1", "B images https://erp/1"]);
    assert_eq!(world.said().await[1], Vec::<String>::new());
}

/// So many products, each of one SKU that is judged for itself.
fn products(count: usize, amount: &str) -> Vec<Listing> {
    (0..count).map(|number| pictured(&format!("P{number:04}-1"), amount, &["1"])).collect()
}

/// The tickets that were asked after since the last question.
fn asked(world: &World) -> Vec<String> {
    let calls = std::mem::take(&mut world.shelf("uk").calls).into_iter();
    calls.filter_map(|call| call.strip_prefix("? ").map(str::to_owned)).collect()
}

#[tokio::test]
async fn questions_about_images_wait_for_prices_and_take_turns() {
    let world = World::remembering(products(210, "10")).await;
    world.remembers(|entry| entry.abilities = &CROWDED);
    world.shelf("uk").audits = true;
    let went = world.exports().await;
    assert_eq!(went.end.unwrap_err().text, "shop `uk` has not judged 210 changes yet");
    world.shelf("uk").question = SignedDuration::from_secs(1);
    let mut source = products(210, "10");
    source[150] = pictured("P0150-1", "11", &["1"]);
    world.says(source).await;
    world.shelf("uk").calls.clear();

    assert!(world.attempt(went.run).await.end.is_err());
    assert_eq!(world.sent(), ["P0150-1 11.00 EUR 5"]);
    assert_eq!(world.shelf("uk").calls[0], "P0150-1", "before anything was asked");
    let mut each = BTreeSet::from_iter(asked(&world));
    assert_eq!(each.len(), 15, "for a quarter of a minute");
    for _ in 1..14 {
        assert!(world.attempt(went.run).await.end.is_err());
        for ticket in asked(&world) {
            assert!(each.insert(ticket), "nobody is asked twice before all were asked");
        }
    }
    assert_eq!(each.len(), 210);

    world.shelf("uk").judged = true;
    world.shelf("uk").question = SignedDuration::ZERO;
    world.clock.set(world.clock.now() + SignedDuration::from_mins(15));
    assert_eq!(done(&world.attempt(went.run).await), Some(Outcome::Done));
    assert_eq!(world.sent().len(), 210);
}

#[tokio::test]
async fn a_shop_that_would_not_be_asked_so_much_is_sent_prices_and_images_all_the_same() {
    for remembered in [true, false] {
        let source = |amount: &str| vec![pictured("A", amount, &["1"]), pictured("B", amount, &["2"])];
        let world = World::remembering(source("10")).await;
        world.shelf("uk").audits = remembered;
        if !remembered {
            world.says(source("11")).await;
            world.shelf("uk").judges_later = ["A"].into();
        }
        let went = world.exports().await;
        assert!(went.end.is_err());
        world.shelf("uk").audits = false;
        world.says(vec![pictured("A", "12", &["1"]), pictured("B", "12", &["3"])]).await;
        world.sent();
        if remembered {
            let mut tx = world.store.write(world.clock.now()).await.unwrap();
            tx.drop_tickets(&"uk".parse().unwrap(), Part::Remembered, &["B".parse().unwrap()]).await.unwrap();
            tx.commit().await.unwrap();
        }
        world.shelf("uk").answers_questions = Some(0);
        let error = world.attempt(went.run).await.end.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Waiting);
        let until = world.clock.now() + SignedDuration::from_mins(1);
        assert_eq!(error.failure, Failure::Throttled { until }, "as long as the shop said");
        let prices: &[&str] = if remembered { &["A 12.00 EUR 5", "B 12.00 EUR 5"] } else { &["B 12.00 EUR 5"] };
        assert_eq!(world.sent(), [prices, &["B images https://erp/3"]].concat());
    }
}

#[tokio::test]
async fn a_backlog_is_planned_bit_by_bit_and_begins_where_it_stood() {
    let mut planned = Vec::new();
    for count in [520, 700] {
        let world = World::remembering(products(count, "10")).await;
        world.remembers(|entry| entry.abilities = &CROWDED);
        world.shelf("uk").upload = SignedDuration::from_secs(10);
        world.shelf("uk").judged_changes = 0;
        let went = world.exports().await;
        assert!(went.end.is_err());
        let sent = world.sent();
        assert_eq!((sent.len(), sent[299].as_str()), (300, "P0299-1 images https://erp/1"), "three times a hundred");
        assert_eq!(went.counts.seen, 300);
        planned.push(world.shelf("uk").judged_changes);

        // Another picture for the first one: it comes last.
        let mut source = products(count, "10");
        source[0] = pictured("P0000-1", "10", &["2"]);
        world.says(source).await;
        world.shelf("uk").upload = SignedDuration::ZERO;
        assert_eq!(done(&world.attempt(went.run).await), Some(Outcome::Done));
        let sent = world.sent();
        assert_eq!((sent.len(), sent[0].as_str()), (count - 299, "P0300-1 images https://erp/1"));
        assert_eq!(sent.last().unwrap(), "P0000-1 images https://erp/2");
    }
    assert!(planned[0] == planned[1] && planned[0] <= 500, "{planned:?}");
}

#[tokio::test]
async fn an_image_that_the_shop_says_nothing_of_keeps_no_other_from_its_turn() {
    let world = World::remembering(products(3, "10")).await;
    world.shelf("uk").silent_of = ["P0000-1"].into();
    let went = world.exports().await;
    assert_eq!(went.end.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(world.attempt(went.run).await.end.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(world.sent(), ["P0001-1 images https://erp/1", "P0002-1 images https://erp/1"]);
    world.shelf("uk").silent_of.clear();
    assert_eq!(done(&world.attempt(went.run).await), Some(Outcome::Done));
    assert_eq!(world.sent(), ["P0000-1 images https://erp/1"]);
}

#[tokio::test]
async fn what_is_to_be_sent_again_is_not_settled_by_what_was_under_way() {
    let world = World::remembering(vec![pictured("A", "10", &["1"])]).await;
    world.shelf("uk").audits = true;
    let went = world.exports().await;
    assert_eq!(went.end.unwrap_err().text, "shop `uk` has not judged 1 changes yet");
    let mut tx = world.store.write(world.clock.now() + SignedDuration::from_mins(1)).await.unwrap();
    tx.forget_accepted(&"uk".parse().unwrap(), Field::Images).await.unwrap();
    tx.commit().await.unwrap();
    world.shelf("uk").pushes.clear();
    world.shelf("uk").judged = true;
    world.clock.set(world.clock.now() + SignedDuration::from_mins(1));
    assert_eq!(done(&world.attempt(went.run).await), Some(Outcome::Done));
    assert_eq!(world.shelf("uk").pushes, ["A", "A"], "the judgement, and the images once more");
    assert_eq!(world.sent(), ["A images https://erp/1"]);
    world.exports().await;
    assert_eq!(world.sent(), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_shop_says_beside_accepting_stands_and_sends_nothing_again() {
    let world = World::remembering(vec![pictured("A", "10", &["1"])]).await;
    world.shelf("uk").remarks = true;
    assert_eq!(done(&world.exports().await), Some(Outcome::Partly));
    assert_eq!(world.sent(), ["A images https://erp/1"]);
    for _ in 0..2 {
        world.imports("uk", true).await;
        assert_eq!(done(&world.exports().await), Some(Outcome::Done));
        assert_eq!((world.sent(), world.said().await[1].as_slice()), (vec![], ["A warning".to_owned()].as_slice()));
    }
    world.shelf("uk").remarks = false;
    world.says(vec![pictured("A", "10", &["2"])]).await;
    world.exports().await;
    assert_eq!(
        (world.sent(), world.said().await[1].as_slice()),
        (vec!["A images https://erp/2".to_owned()], [].as_slice())
    );

    // Where nothing is wanted any more, nobody needs to know.
    world.shelf("uk").remarks = true;
    world.says(vec![pictured("A", "10", &["3"])]).await;
    world.exports().await;
    world.says(vec![pictured("A", "10", &[])]).await;
    world.exports().await;
    assert_eq!(world.said().await[1], Vec::<String>::new());
}
