//! Passes: what they complain of, over several runs too.

use super::*;
use crate::domain::ErrorKind;

/// A complete pass that takes more than one run, begun by the shop's period and not by a person, who would wait for its end.
async fn slow_pass(world: &World) -> RunId {
    world.shelf("uk").slow = true;
    world.clock.set(world.clock.now() + SignedDuration::from_hours(25));
    world.imports("uk", false).await.run
}

#[tokio::test]
async fn complaints_of_a_pass_over_two_runs_stand_and_those_before_it_are_resolved() {
    let world = World::new(false).await;
    world.shelf("uk").pages = vec![page(&[("A", "1")]), page(&[("B", "1")])];
    world.shelf("uk").unreadable = [(0, vec!["old"])].into();
    assert_eq!(world.imports("uk", true).await.end.unwrap(), Some(Outcome::Partly));

    world.shelf("uk").unreadable = [(0, vec!["first"]), (1, vec!["second"])].into();
    let begun = slow_pass(&world).await;
    assert_eq!(world.complaints().await, [format!("first title {begun}"), "old title 1".to_owned()]);
    let ended = world.imports("uk", false).await.run;
    assert_eq!(world.shelf("uk").asked, [0, 1, 0, 1], "the second run went on where the first had stopped");
    assert_eq!(world.complaints().await, [format!("first title {begun}"), format!("second title {ended}")]);
}

#[tokio::test]
async fn what_a_pass_said_before_it_began_anew_does_not_count() {
    let world = World::new(false).await;
    world.shelf("uk").pages = vec![page(&[("A", "1")]), page(&[("B", "1")])];
    world.shelf("uk").unreadable = [(0, vec!["mended"])].into();
    slow_pass(&world).await;
    assert_eq!(world.complaints().await.len(), 1);
    world.shelf("uk").slow = false;
    world.shelf("uk").unreadable.clear();
    world.shelf("uk").restarts_at = Some(1);
    assert_eq!(world.imports("uk", false).await.end.unwrap(), Some(Outcome::Done));
    assert_eq!(world.shelf("uk").asked, [0, 0, 1]);
    assert_eq!(world.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_complete_pass_that_is_demanded_goes_on_after_a_failure_but_never_with_an_older_one() {
    let world = World::new(false).await;
    world.shelf("uk").pages = vec![page(&[("A", "1")]), page(&[("B", "1")])];
    world.shelf("uk").slow = true;
    world.imports("uk", false).await;
    world.shelf("uk").slow = false;
    world.shelf("uk").silent_at = Some(0);
    let demanded = world.imports("uk", true).await;
    demanded.end.unwrap_err();
    world.shelf("uk").silent_at = Some(1);
    world.attempt(demanded.run).await.end.unwrap_err();
    assert_eq!(world.shelf("uk").asked, [0, 0], "page 1 of the older pass was not asked for");
    assert_eq!(world.attempt(demanded.run).await.end.unwrap(), Some(Outcome::Done));
    assert_eq!(world.shelf("uk").asked, [0, 0, 1]);
}

#[tokio::test]
async fn whoever_asks_for_a_complete_pass_gets_the_whole_of_it_in_one_run() {
    let world = World::new(false).await;
    world.shelf("uk").pages = vec![page(&[("A", "1")]), page(&[("B", "1")]), page(&[("C", "1")])];
    world.shelf("uk").slow = true;
    assert_eq!(world.imports("uk", true).await.counts.seen, 3);
}

#[tokio::test]
async fn a_pass_whose_place_the_channel_has_forgotten_begins_anew() {
    let world = World::new(false).await;
    world.shelf("uk").pages = vec![page(&[("A", "1")]), page(&[("B", "1")])];
    slow_pass(&world).await;
    world.shelf("uk").slow = false;
    world.shelf("uk").forgot = true;
    let went = world.imports("uk", false).await;
    let error = went.end.unwrap_err();
    assert_eq!(
        (error.kind, error.text.as_str()),
        (ErrorKind::Waiting, "the pass cannot go on where it stood (shop `uk`: no answer), so it begins anew")
    );
    world.shelf("uk").forgot = false;
    assert_eq!(world.attempt(went.run).await.end.unwrap(), Some(Outcome::Done));
    assert_eq!(world.shelf("uk").asked, [0, 0, 1]);
    world.shelf("uk").forgot = true;
    assert_eq!(
        world.imports("uk", true).await.end.unwrap_err().kind,
        ErrorKind::Rejected,
        "within a run it is a refusal"
    );
}

#[tokio::test]
async fn a_page_asked_for_after_a_change_was_accepted_tells_what_is_there_now() {
    let world = World::read(&[("A", "1.40")], &[("A", "1")]).await;
    // The pass began before the change and reads the SKU after it: the shop's owner has meanwhile set another price.
    world.shelf("uk").pages = vec![page(&[("Z", "1")]), page(&[("A", "1")])];
    slow_pass(&world).await;
    assert_eq!(world.exports().await.counts.sent, 1);
    world.shelf("uk").pages[1] = page(&[("A", "7")]);
    world.imports("uk", false).await;
    assert_eq!(world.known().await, ["A 7 EUR", "Z 1 EUR"]);
}

#[tokio::test]
async fn a_product_of_which_nothing_can_be_read_is_not_gone() {
    let world = World::new(false).await;
    world.shelf("uk").pages = vec![vec![of("17", "A", "1"), of("17", "B", "1"), of("18", "C", "1")]];
    world.imports("uk", true).await;
    world.shelf("uk").pages = vec![vec![]];
    world.shelf("uk").unread = [(0, vec!["17".to_owned()])].into();
    assert_eq!(world.imports("uk", true).await.counts.gone, 1, "C alone");
    assert_eq!(world.known().await, ["A 1 EUR", "B 1 EUR"]);
    world.shelf("uk").unread.clear();
    assert_eq!(world.imports("uk", true).await.counts.gone, 2);
}

#[tokio::test]
async fn a_sku_of_two_products_is_a_complaint_on_whatever_page_it_comes_again() {
    for slow in [false, true] {
        let world = World::new(false).await;
        let (first, second) = (of("one", "A", "1"), of("two", "A", "2"));
        world.shelf("uk").pages = vec![vec![first.clone()], page(&[("B", "1")]), vec![second.clone()]];
        world.shelf("uk").slow = slow;
        let mut went = world.imports("uk", true).await;
        while went.counts.refused == 0 {
            went = world.imports("uk", false).await;
        }
        assert_eq!(went.end.unwrap(), Some(Outcome::Partly));
        assert_eq!(world.complaints().await, [format!("A duplicate_sku {}", went.run)]);
        assert_eq!(world.known().await, ["A 1 EUR", "B 1 EUR"], "the first one counts");

        // Whichever changes, the first one stays the first.
        world.shelf("uk").slow = false;
        world.shelf("uk").changed = vec![vec![of("two", "A", "3")]];
        assert_eq!(world.imports("uk", false).await.counts.refused, 1);
        assert_eq!(world.known().await, ["A 1 EUR", "B 1 EUR"]);
        world.shelf("uk").changed = vec![vec![of("one", "A", "1.5")]];
        assert_eq!(world.imports("uk", false).await.end.unwrap(), Some(Outcome::Done));
        assert_eq!(world.known().await, ["A 1.5 EUR", "B 1 EUR"]);
        assert_eq!(world.complaints().await.len(), 1, "a pass of changes cannot tell that the other is gone");

        world.shelf("uk").pages = vec![page(&[("B", "1")]), vec![second]];
        assert_eq!(world.imports("uk", true).await.end.unwrap(), Some(Outcome::Done));
        assert_eq!(world.known().await, ["A 2 EUR", "B 1 EUR"]);
        assert_eq!(world.complaints().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_product_that_comes_again_because_it_changed_meanwhile_is_no_duplicate() {
    let world = World::new(false).await;
    world.shelf("uk").pages = vec![page(&[("A", "1"), ("B", "1")]), page(&[("B", "1"), ("A", "2")])];
    assert_eq!(world.imports("uk", true).await.end.unwrap(), Some(Outcome::Done));
    assert_eq!(world.known().await, ["A 2 EUR", "B 1 EUR"]);
}

#[tokio::test]
async fn skus_unknown_to_the_source_are_named_and_are_no_failure() {
    let world = World::new(true).await;
    world.shelf("uk").pages = vec![page(&[("A", "1"), ("OWN", "1"), ("LATER", "1"), ("LEFT", "1")])];
    assert_eq!(world.imports("uk", true).await.end.unwrap(), Some(Outcome::Done));
    assert_eq!(world.complaints().await, Vec::<String>::new(), "the source has not said yet what it knows");

    world.source(&[("A", "1")]).await;
    let first = world.complaints().await;
    assert_eq!(first.len(), 3, "the source has been read for the first time: {first:?}");
    let went = world.imports("uk", true).await;
    assert_eq!((went.end.unwrap(), went.counts.refused), (Some(Outcome::Done), 0));
    let run = went.run;
    let named = |skus: &[&str]| skus.iter().map(|sku| format!("{sku} unknown_sku {run}")).collect::<Vec<_>>();
    assert_eq!(world.complaints().await, named(&["LATER", "LEFT", "OWN"]));

    world.source(&[("A", "1"), ("LATER", "1")]).await;
    assert_eq!(world.complaints().await, named(&["LEFT", "OWN"]), "the source knows it now");
    world.shelf("uk").changed = vec![page(&[("OWN", "2"), ("NEW", "1")])];
    let new = world.imports("uk", false).await.run;
    assert_eq!(world.complaints().await[1], format!("NEW unknown_sku {new}"));
    world.shelf("uk").pages = vec![page(&[("A", "1"), ("OWN", "1")])];
    let last = world.imports("uk", true).await.run;
    assert_eq!(world.complaints().await, [format!("OWN unknown_sku {last}")], "the others are gone from the shop");
}

#[tokio::test]
async fn without_a_product_source_nothing_is_unknown() {
    let world = World::new(false).await;
    world.shelf("erp").pages = vec![page(&[("A", "1")])];
    world.shelf("uk").pages = vec![page(&[("B", "1")])];
    world.imports("erp", true).await;
    world.imports("uk", true).await;
    assert_eq!(world.complaints().await, Vec::<String>::new());
}

fn barcoded(product: &str, sku: &str, barcode: &str) -> Listing {
    Listing { barcode: Some(barcode.to_owned()), ..of(product, sku, "10") }
}

/// A world in which both have been read, matched by barcode where a SKU is not known to the source.
async fn matched(source: &[(&str, &str)], shop: &[(&str, &str)]) -> World {
    let world = World::new(true).await;
    world.set(|entry| entry.match_barcode = true);
    let page = |all: &[(&str, &str)]| {
        all.iter().map(|(sku, barcode)| vec![barcoded(&format!("product of {sku}"), sku, barcode)]).collect::<Vec<_>>()
    };
    world.shelf("erp").pages = page(source);
    world.shelf("uk").pages = page(shop);
    world.imports("erp", true).await;
    world.imports("uk", true).await;
    world
}

#[tokio::test]
async fn a_sku_that_the_source_does_not_know_is_matched_by_barcode_and_written_to_as_the_shops_own() {
    let world =
        matched(&[("A", "4006381333931"), ("B", "036000291452")], &[("X", "4006381333931"), ("B", ""), ("Z", "77")])
            .await;
    assert_eq!(world.known().await, ["A 10 EUR", "B 10 EUR", "Z 10 EUR"]);
    assert_eq!(world.complaints().await, ["Z unknown_sku 2"]);
    // An EAN is a UPC with a zero in front; and what is matched is compared and written like any other.
    world.shelf("uk").pages = vec![vec![barcoded("7", "X", "4006381333931"), barcoded("8", "Y", "0036000291452")]];
    world.shelf("erp").pages = vec![vec![
        barcoded("1", "A", "4006381333931"),
        Listing { stock: Some(3), ..barcoded("2", "B", "036000291452") },
    ]];
    world.imports("erp", true).await;
    world.imports("uk", true).await;
    assert_eq!(world.complaints().await, Vec::<String>::new(), "B was renamed to Y, which stands for it from now on");
    assert_eq!(world.known().await, ["A 10 EUR", "B 10 EUR"]);
    assert_eq!(world.exports().await.counts.sent, 1);
    assert_eq!(world.shelf("uk").sent, ["B 10.00 EUR 3"]);
    assert_eq!(world.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_renamed_sku_is_matched_at_the_end_of_the_pass_that_no_longer_found_the_old_one() {
    let both = [("B", "2"), ("C", "3")];
    let world = matched(&both, &both).await;
    // Two new SKUs claim the barcode of B; C is unreadable, which is not gone.
    let new = ["Y", "Z"].map(|sku| vec![barcoded(sku, sku, "2")]);
    world.shelf("uk").pages = [new.as_slice(), &[vec![barcoded("7", "W", "3")]]].concat();
    world.shelf("uk").unreadable = [(2, vec!["C"])].into();
    let run = world.imports("uk", true).await;
    assert_eq!((run.counts.gone, run.counts.refused), (0, 1));
    assert_eq!(world.known().await, ["B 10 EUR", "C 10 EUR", "W 10 EUR", "Z 10 EUR"], "the first one stands for B");
    let told = ["C title", "W ambiguous_barcode", "W unknown_sku", "Z ambiguous_barcode", "Z unknown_sku"];
    assert_eq!(world.complaints().await, told.map(|one| format!("{one} {}", run.run)));

    // A pass of changes cannot tell that the old one is gone.
    let world = matched(&both, &both).await;
    world.shelf("uk").changed = vec![vec![barcoded("9", "Y", "2")]];
    let run = world.imports("uk", false).await.run;
    assert_eq!(world.complaints().await, [format!("Y ambiguous_barcode {run}"), format!("Y unknown_sku {run}")]);
    assert_eq!(world.known().await, ["B 10 EUR", "C 10 EUR", "Y 10 EUR"]);
}

#[tokio::test]
async fn a_barcode_that_could_mean_several_is_named_and_matches_nothing() {
    // Of the source two have the same; of the shop one stands there by its SKU, or two have the same.
    let source = [("A", "1"), ("B", "2"), ("C", "2"), ("D", "3")];
    let world = matched(&source, &[("X", "1"), ("A", ""), ("Y", "2"), ("V", "3"), ("W", "3")]).await;
    assert_eq!(world.known().await, ["A 10 EUR", "D 10 EUR", "W 10 EUR", "Y 10 EUR"], "X stood for A until A came");
    let told = ["W ambiguous_barcode 2", "W unknown_sku 2", "Y ambiguous_barcode 2", "Y unknown_sku 2"];
    assert_eq!(world.complaints().await, told);
    world.imports("uk", true).await;
    assert_eq!(world.known().await, ["A 10 EUR", "D 10 EUR", "W 10 EUR", "X 10 EUR", "Y 10 EUR"]);
    assert!(world.complaints().await.contains(&"X ambiguous_barcode 3".to_owned()), "{:?}", world.complaints().await);
}

#[tokio::test]
async fn without_the_setting_barcodes_match_nothing() {
    let world = World::new(true).await;
    world.shelf("erp").pages = vec![vec![barcoded("1", "A", "4006381333931")]];
    world.shelf("uk").pages = vec![vec![barcoded("7", "X", "4006381333931")]];
    world.imports("erp", true).await;
    world.imports("uk", true).await;
    assert_eq!(world.known().await, ["X 10 EUR"]);
    assert_eq!(world.complaints().await, ["X unknown_sku 2"]);
}
