//! Passes: what they complain of, over several runs too.

use super::*;

#[tokio::test]
async fn complaints_of_a_pass_over_two_runs_stand_and_those_before_it_are_resolved() {
    let world = World::new(false).await;
    world.shelf("uk").pages = vec![page(&[("A", "1")]), page(&[("B", "1")])];
    world.shelf("uk").unreadable = [(0, vec!["old"])].into();
    assert_eq!(world.imports("uk", true).await.end.unwrap(), Some(Outcome::Partly));

    world.shelf("uk").slow = true;
    world.shelf("uk").unreadable = [(0, vec!["first"]), (1, vec!["second"])].into();
    let begun = world.imports("uk", true).await.run;
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
    world.shelf("uk").slow = true;
    world.imports("uk", true).await;
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
