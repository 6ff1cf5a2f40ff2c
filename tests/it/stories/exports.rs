//! What the source says reaches the shops, and nothing else does.

use shopsyncd::domain::{Demand, ErrorKind, Outcome, RunState, Trigger};

use crate::world::{Database, EXPORT, IMPORT, REFRESH, World, minutes, on_both_databases};

on_both_databases! {
    a_shop_is_authorized_by_its_owner_in_a_browser_and_then_works_by_itself,
    a_guard_stops_a_plan_until_a_person_lets_just_that_plan_through,
    a_refused_sku_keeps_its_complaint_until_it_is_resolved_and_stops_no_other,
}

const MORNING: &str = "2026-03-02T09:00";

async fn a_shop_is_authorized_by_its_owner_in_a_browser_and_then_works_by_itself(database: Database) {
    let mut world = World::new(database, MORNING, &["uk"]);
    world.source(&[("A", "19.90", 5), ("B", "5.00", 7), ("NEW", "1.00", 1)]);
    world.offer("uk", &[("A", "18.00", 5), ("B", "5.00", 6), ("OWN", "3.00", 3)]);
    world.start().await;
    world.pass(minutes(5)).await;
    assert_eq!(world.shop("uk").await["state"], "pending");
    assert!(world.why("uk", IMPORT).await.contains("nobody has authorized the shop yet"));
    assert_eq!(world.fake.stats().calls.values().sum::<u64>(), 0, "no call without permission");
    let held = async || world.metrics("shopsyncd_jobs_held{").await;
    assert_eq!(held().await, [r#"shopsyncd_jobs_held{channel="tiktok_shop",reason="pending"} 3"#]);
    let refused = "shopsyncd_token_refreshes_total{channel=\"tiktok_shop\",outcome=\"unavailable\"} 0";
    assert_eq!(world.metrics(refused).await, [refused], "the first one that fails counts, too");

    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(2)).await;
    assert_eq!(world.offers("uk"), ["A 19.90 5", "B 5.00 7", "OWN 3.00 3"]);
    assert_eq!(held().await, Vec::<String>::new());
    let mut began = Vec::new();
    for job in [REFRESH, IMPORT, EXPORT] {
        let run = world.last_run("uk", job).await;
        assert_eq!((run.trigger, run.outcome), (Trigger::Renewal, Some(Outcome::Done)), "{run:?}");
        began.push(run.id);
    }
    assert!(began.is_sorted(), "probe, import, export, in that order");
    let sent = world.fake.stats();
    assert_eq!((sent.prices_changed, sent.stocks_changed), (1, 1), "only what differs is sent");

    // From now on by the schedule, and there is nothing to send.
    world.pass(minutes(70)).await;
    let export = world.last_run("uk", EXPORT).await;
    assert_eq!((export.trigger, export.outcome, export.counts.sent), (Trigger::Schedule, Some(Outcome::Done), 0));
    assert_eq!(world.last_run("uk", IMPORT).await.trigger, Trigger::Schedule);
    let later = world.fake.stats();
    assert_eq!((later.prices_changed, later.stocks_changed, later.exchanges), (1, 1, 1));
    world.end().await;
}

#[tokio::test]
async fn a_change_at_the_source_reaches_both_shops() {
    let mut world = World::new(Database::Sqlite, MORNING, &["north", "south"]);
    world.source(&[("A", "10.00", 5), ("B", "5.00", 7)]);
    for shop in ["north", "south"] {
        world.offer(shop, &[("A", "10.00", 5), ("B", "5.00", 7)]);
    }
    world.start().await;
    for shop in ["north", "south"] {
        assert_eq!(world.owner_agrees(shop).await, 200);
    }
    world.pass(minutes(5)).await;
    assert_eq!(world.fake.stats().prices_changed, 0);

    world.source(&[("A", "12.00", 5), ("B", "5.00", 0)]);
    world.pass(minutes(25)).await;
    for shop in ["north", "south"] {
        assert_eq!(world.offers(shop), ["A 12.00 5", "B 5.00 0"], "{shop}");
    }
    let sent = world.fake.stats();
    assert_eq!((sent.prices_changed, sent.stocks_changed), (2, 2));
    world.end().await;
}

async fn a_refused_sku_keeps_its_complaint_until_it_is_resolved_and_stops_no_other(database: Database) {
    let mut world = World::new(database, MORNING, &["uk"]);
    world.source(&[("A", "10.00", 5), ("B", "5.00", 7)]);
    world.offer("uk", &[("A", "10.00", 5), ("B", "5.00", 7)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(5)).await;

    world.fake.promote(&crate::world::number("uk"), "A");
    world.source(&[("A", "11.00", 5), ("B", "5.50", 7)]);
    world.pass(minutes(25)).await;
    assert_eq!(world.offers("uk"), ["A 10.00 5", "B 5.50 7"], "the other SKU goes on");
    let runs = world.runs("uk", EXPORT).await;
    let partly: Vec<_> = runs.iter().filter(|run| run.outcome == Some(Outcome::Partly)).collect();
    assert_eq!(partly.len(), 1, "what was refused is not sent again as it stands");
    assert_eq!((partly[0].counts.sent, partly[0].counts.refused), (1, 1));
    assert_eq!(world.shop("uk").await["complaints"], 1, "and it is still complained of");
    let asked = world.run_now("uk", EXPORT, Demand::default()).await.unwrap();
    assert_eq!(asked["counts"]["refused"], 1, "unless a person asks for it");

    // The owner mends it at the marketplace; the next look sees it.
    world.offer("uk", &[("A", "11.00", 5)]);
    world.pass(minutes(75)).await;
    assert_eq!(world.shop("uk").await["complaints"], 0);
    assert_eq!(world.offers("uk"), ["A 11.00 5", "B 5.50 7"]);
    world.end().await;
}

async fn a_guard_stops_a_plan_until_a_person_lets_just_that_plan_through(database: Database) {
    let mut world = World::new(database, MORNING, &["uk"]);
    world.source(&[("A", "19.90", 5), ("B", "5.00", 7)]);
    world.offer("uk", &[("A", "19.90", 5), ("B", "5.00", 7)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(5)).await;

    // A decimal comma is lost; another SKU of the same plan is as it should be.
    world.source(&[("A", "1990", 5), ("B", "5.00", 6)]);
    world.pass(minutes(70)).await;
    assert_eq!(world.offers("uk"), ["A 19.90 5", "B 5.00 7"], "nothing of the plan is sent");
    let run = world.last_run("uk", EXPORT).await;
    assert_eq!((run.outcome, run.state), (Some(Outcome::Held), RunState::Completed));
    assert_eq!(run.error.unwrap().0, ErrorKind::Guard);
    assert_eq!(world.job("uk", EXPORT).await["held_by"], "guard");
    let told = world.metrics("shopsyncd_jobs_held{").await;
    assert_eq!(told, [r#"shopsyncd_jobs_held{channel="tiktok_shop",reason="guard"} 1"#]);
    assert!(world.why("uk", EXPORT).await.contains("19.90 GBP to 1990"), "{}", world.why("uk", EXPORT).await);
    let mails = world.mails().await;
    assert_eq!(mails.len(), 1, "the operator hears once: {mails:?}");
    assert!(mails[0].contains(" operator ops@example.com: "), "{mails:?}");

    let release = Demand { release_guard: true, ..Demand::default() };
    let run = world.run_now("uk", EXPORT, release).await.unwrap();
    assert_eq!(run["outcome"], "done");
    assert_eq!(world.offers("uk"), ["A 1990.00 5", "B 5.00 6"]);
    world.pass(minutes(15)).await;
    assert_eq!(world.job("uk", EXPORT).await["state"], "idle");

    // The next plan that goes too far has to be let through by itself.
    world.source(&[("A", "19.90", 5), ("B", "5.00", 6)]);
    world.pass(minutes(25)).await;
    assert_eq!(world.offers("uk"), ["A 1990.00 5", "B 5.00 6"]);
    assert_eq!(world.mails().await.len(), 1);
    world.run_now("uk", EXPORT, release).await.unwrap();
    assert_eq!(world.offers("uk"), ["A 19.90 5", "B 5.00 6"]);
    world.end().await;
}

#[tokio::test]
async fn a_release_lets_through_what_was_stopped_and_nothing_that_was_refused_before() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    world.source(&[("A", "10.00", 5), ("B", "5.00", 7)]);
    world.offer("uk", &[("A", "10.00", 5), ("B", "5.00", 7)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(5)).await;
    let release = Demand { release_guard: true, ..Demand::default() };

    // Released, and refused by the marketplace: it waits until something about it changes.
    world.fake.promote(&crate::world::number("uk"), "A");
    world.source(&[("A", "1000.00", 5), ("B", "5.00", 7)]);
    world.pass(minutes(70)).await;
    assert_eq!(world.mails().await.len(), 1);
    assert_eq!(world.run_now("uk", EXPORT, release).await.unwrap()["counts"]["refused"], 1);

    world.source(&[("A", "1000.00", 5), ("B", "500.00", 7)]);
    world.pass(minutes(70)).await;
    assert_eq!(world.job("uk", EXPORT).await["held_by"], "guard");
    assert_eq!(world.mails().await.len(), 1, "another plan, another word");
    let run = world.run_now("uk", EXPORT, release).await.unwrap();
    assert_eq!((&run["outcome"], &run["counts"]["sent"]), (&"done".into(), &1.into()), "{run}");
    assert_eq!(world.offers("uk"), ["A 10.00 5", "B 500.00 7"]);
    world.end().await;
}

#[tokio::test]
async fn rows_that_cannot_be_right_change_nothing_and_stop_no_other() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    world.source(&[("A", "10.00", 5), ("B", "5.00", 7)]);
    world.offer("uk", &[("A", "10.00", 5), ("B", "5.00", 7), ("OWN", "3.00", 3)]);
    world.start().await;
    world.pass(minutes(2)).await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(5)).await;

    // As a spreadsheet writes it: with a byte order mark and its own line ends.
    world.source_text(
        "\u{feff}sku,title,price,currency,stock\r\nA,Cup,12.00,GBP,5\r\nB,Mug,-5.00,GBP,7\r\nA,Cup,99.00,GBP,5\r\n",
    );
    world.pass(minutes(31)).await;
    assert_eq!(world.offers("uk"), ["A 12.00 5", "B 5.00 7", "OWN 3.00 3"]);
    let import = world.last_run("erp", IMPORT).await;
    assert_eq!((import.outcome, import.counts.refused), (Some(Outcome::Partly), 2));
    assert_eq!(world.shop("erp").await["complaints"], 2, "the negative price, and the second A");
    assert_eq!(world.shop("uk").await["complaints"], 1, "the source does not know OWN");
    assert_eq!(world.last_run("uk", IMPORT).await.outcome, Some(Outcome::Done), "which is no failure");
    world.end().await;
}

#[tokio::test]
async fn an_empty_or_half_written_source_file_empties_no_shop() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    world.write_shop("uk", "[shops.uk.export]\nretire = \"deactivate\"\nguard = { retire = \"100%\" }\n");
    world.source(&[("A", "10.00", 5), ("B", "5.00", 7)]);
    world.offer("uk", &[("A", "10.00", 5), ("B", "5.00", 7)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(5)).await;

    let header = "sku,title,price,currency,stock\n";
    for text in ["", header, &format!("{header}A,Product A,10.00,GBP,5\nB,Prod"), "<html>try later</html>"] {
        world.source_text(text);
        world.pass(minutes(31)).await;
        let import = world.last_run("erp", IMPORT).await;
        assert!(import.error.is_some(), "{text:?} is refused, with a reason: {import:?}");
        assert_eq!(world.offers("uk"), ["A 10.00 5", "B 5.00 7"], "{text:?}");
        assert_eq!(world.fake.stats().deactivated, 0, "{text:?}");
    }
    // Once it is whole again, work goes on; now a SKU is really gone.
    world.source(&[("A", "10.50", 5)]);
    world.pass(minutes(31)).await;
    assert_eq!(world.fake.stats().deactivated, 1);
    assert!(world.offers("uk").contains(&"A 10.50 5".to_owned()));
    world.end_with_mails().await;
}

#[tokio::test]
async fn the_category_in_a_product_file_finds_its_own_at_the_marketplace() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    let mapping = "categories = { \"Kitchen > Mugs\" = \"700123\" }\npackage_weight = \"500 g\"\nattributes = { 100089 = \"id:7\" }\n";
    world.write_shop("uk", &format!("[shops.uk.export]\ncreate = true\n[shops.uk.mapping]\n{mapping}"));
    let image = world.fake.image_url();
    world.source_text(&format!(
        "sku,title,price,currency,stock,description,images,category\n\
         A,Mug,4.00,GBP,5,Blue,{image},Kitchen > Mugs\nB,Hat,9.00,GBP,5,Red,{image},Hats\n"
    ));
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(15)).await;
    assert_eq!(world.offers("uk"), ["A 4.00 5"]);
    assert_eq!(world.fake.listings(&crate::world::number("uk"))[0]["category"], "700123");
    let mut tx = world.store().read(world.clock.now()).await.unwrap();
    let complaints = tx.complaints_of(&"uk".parse().unwrap(), EXPORT).await.unwrap();
    let told: Vec<_> = complaints.iter().map(|one| one.complaint.text.as_str()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("no category of the channel is named for `Hats`"), "{told:?}");
    drop(tx);
    world.end().await;
}

#[tokio::test]
async fn what_the_source_drops_and_brings_back_is_on_sale_again() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    world.write_shop("uk", "[shops.uk.export]\nretire = \"deactivate\"\nguard = { retire = \"100%\" }\n");
    let both = [("A", "10.00", 5), ("B", "5.00", 7)];
    world.source(&both);
    world.offer("uk", &both);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(5)).await;
    let on_sale = |world: &World| -> Vec<bool> {
        let listings = world.fake.listings(&crate::world::number("uk"));
        listings.iter().map(|listing| listing["status"] == "ACTIVATE").collect()
    };
    world.source(&both[..1]);
    world.pass(minutes(31)).await;
    assert_eq!(on_sale(&world), [true, false]);
    world.source(&[both[0], ("B", "5.50", 7)]);
    world.pass(minutes(31)).await;
    assert_eq!(on_sale(&world), [true, true]);
    assert_eq!(world.offers("uk"), ["A 10.00 5", "B 5.50 7"], "as it is wanted by now");
    assert_eq!((world.fake.stats().deactivated, world.fake.stats().activated), (1, 1));
    world.end().await;
}
