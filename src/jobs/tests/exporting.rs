//! Plans: what guards let through, what is tried again, and what would be done.

use super::*;
use crate::{
    domain::ErrorKind,
    jobs::product_export::{Preview, preview},
};

fn is_stopped(went: &Went) -> bool {
    matches!(&went.end, Err(error) if error.kind == ErrorKind::Guard)
}

fn is_done(went: &Went) -> bool {
    matches!(&went.end, Ok(Some(Outcome::Done)))
}

#[tokio::test]
async fn a_release_lets_the_plan_through_that_was_stopped_and_shown_once() {
    let (far, near) = ([("A", "1990"), ("B", "6")], [("A", "19.90"), ("B", "5")]);
    let world = World::read(&far, &near).await;
    assert!(is_stopped(&world.exports().await));
    assert!(is_stopped(&world.exports().await));
    assert_eq!(world.mails().await, 1, "once per plan");
    // What guards do not look at may change meanwhile.
    world.source(&[("A", "1990"), ("B", "5.50")]).await;
    assert!(is_done(&world.release().await));
    assert_eq!(world.shelf("uk").sent, ["A 1990.00 EUR 5", "B 5.50 EUR 5"]);

    // Somebody takes it back at the shop: the same plan again is another occasion.
    world.shelf("uk").pages = vec![page(&near)];
    world.imports("uk", true).await;
    assert!(is_stopped(&world.exports().await));
    assert_eq!((world.mails().await, world.shelf("uk").sent.len()), (2, 2));
}

#[tokio::test]
async fn a_plan_that_passes_by_itself_leaves_nothing_to_decide() {
    let near = [("A", "19.90"), ("B", "5")];
    let world = World::read(&[("A", "1990"), ("B", "5")], &near).await;
    assert!(is_stopped(&world.exports().await));
    let stopped = async || {
        let mut tx = world.store.read(world.clock.now()).await.unwrap();
        tx.shop(&"uk".parse().unwrap()).await.unwrap().unwrap().stopped_plan.is_some()
    };
    assert!(stopped().await);
    world.source(&near).await;
    assert!(is_done(&world.exports().await));
    assert!(!stopped().await, "what was told of it holds no longer");
    world.source(&[("A", "1990"), ("B", "5")]).await;
    assert!(is_stopped(&world.exports().await));
    assert_eq!(world.mails().await, 2, "another occasion");
}

#[tokio::test]
async fn a_release_of_a_plan_that_nobody_was_shown_lets_nothing_through() {
    let near = [("A", "19.90"), ("B", "5")];
    let world = World::read(&[("A", "1990"), ("B", "5")], &near).await;
    assert!(is_stopped(&world.release().await), "nothing had been stopped yet");
    world.source(&[("A", "1990"), ("B", "500")]).await;
    assert!(is_stopped(&world.release().await), "it has grown since");
    assert_eq!((world.mails().await, world.shelf("uk").sent.len()), (2, 0));
    world.source(&[("A", "1990"), ("B", "5")]).await;
    assert!(is_stopped(&world.release().await), "the last one shown was another");
    assert!(is_done(&world.release().await));
    assert_eq!(world.shelf("uk").sent, ["A 1990.00 EUR 5"]);
}

#[tokio::test]
async fn a_plan_that_grew_between_two_attempts_of_the_released_run_is_stopped_again() {
    let world = World::read(&[("A", "1990"), ("B", "5")], &[("A", "19.90"), ("B", "5")]).await;
    assert!(is_stopped(&world.exports().await));
    world.shelf("uk").accepts = Some(0);
    let released = world.release().await;
    assert_eq!(released.end.unwrap_err().kind, ErrorKind::Unavailable);
    world.shelf("uk").accepts = None;
    world.source(&[("A", "1990"), ("B", "500")]).await;
    assert!(is_stopped(&world.attempt(released.run).await));
    assert_eq!((world.mails().await, world.shelf("uk").sent.len()), (2, 0));
    assert!(is_done(&world.release().await));
    let sent = world.shelf("uk").sent.clone();
    assert_eq!(sent, ["B 500.00 EUR 5", "A 1990.00 EUR 5"], "what got no answer the last time comes last");
}

#[tokio::test]
async fn a_released_plan_that_was_cut_off_goes_on_with_the_rest() {
    let far = [("A", "1990"), ("B", "500"), ("C", "700")];
    let world = World::read(&far, &[("A", "19.90"), ("B", "5"), ("C", "7")]).await;
    assert!(is_stopped(&world.exports().await));
    world.shelf("uk").accepts = Some(1);
    world.shelf("uk").refuses = ["B"].into();
    let released = world.release().await;
    assert_eq!(released.end.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(world.shelf("uk").sent, ["A 1990.00 EUR 5"]);
    world.shelf("uk").accepts = None;
    let rest = world.attempt(released.run).await;
    assert_eq!((rest.end.unwrap(), rest.counts.sent), (Some(Outcome::Partly), 1), "B was refused in the same run");
    assert_eq!(world.shelf("uk").sent, ["A 1990.00 EUR 5", "C 700.00 EUR 5"]);

    // What was refused was let through too, and is not any more.
    world.shelf("uk").refuses.clear();
    world.imports("uk", true).await;
    assert!(is_stopped(&world.exports().await));
    assert_eq!((world.mails().await, world.shelf("uk").sent.len()), (2, 2));
}

/// A world in which the shop has just refused A, and not been asked again since.
async fn refused() -> World {
    let world = World::read(&[("A", "11"), ("B", "6")], &[("A", "10"), ("B", "5")]).await;
    world.shelf("uk").refuses = ["A"].into();
    let went = world.exports().await;
    assert_eq!((went.end.unwrap(), went.counts.sent, went.counts.refused), (Some(Outcome::Partly), 1, 1));
    assert!(is_done(&world.exports().await));
    assert_eq!(world.shelf("uk").refused, 1, "not again as it stands");
    assert_eq!(world.complaints().await, [format!("A promotion {}", went.run)]);
    world
}

#[tokio::test]
async fn what_was_refused_is_tried_again_when_another_value_is_wanted() {
    let world = refused().await;
    world.source(&[("A", "12"), ("B", "6")]).await;
    assert_eq!(world.exports().await.counts.refused, 1);
    world.shelf("uk").refuses.clear();
    world.source(&[("A", "13"), ("B", "6")]).await;
    assert_eq!(world.exports().await.counts.sent, 1);
    assert_eq!(world.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_refused_is_tried_again_when_the_listing_changes_in_whatever_way() {
    let world = refused().await;
    world.shelf("uk").refuses.clear();
    assert_eq!(world.exports().await.counts.sent, 0);
    let mut mended = of("product of A", "A", "10");
    mended.status = ListingStatus::Inactive;
    world.shelf("uk").changed = vec![vec![mended]];
    world.imports("uk", false).await;
    assert_eq!(world.exports().await.counts.sent, 1);
    assert_eq!(world.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_refused_is_tried_again_after_the_next_complete_pass() {
    let world = refused().await;
    world.shelf("uk").refuses.clear();
    world.imports("uk", false).await;
    assert_eq!(world.exports().await.counts.sent, 0);
    world.imports("uk", true).await;
    assert_eq!(world.exports().await.counts.sent, 1);
}

#[tokio::test]
async fn a_refusal_is_no_matter_any_more_when_its_listing_is_gone() {
    let world = refused().await;
    world.shelf("uk").pages = vec![page(&[("B", "6")])];
    world.imports("uk", true).await;
    assert!(is_done(&world.exports().await));
    assert_eq!(world.complaints().await, Vec::<String>::new());
}

impl World {
    async fn preview(&self) -> Preview {
        let (uk, erp): (ShopId, ShopId) = ("uk".parse().unwrap(), "erp".parse().unwrap());
        let entry = self.shops.get(&uk).unwrap();
        preview(&self.store, self.clock.now(), &entry, Some(&erp), None).await.unwrap()
    }
}

#[tokio::test]
async fn a_preview_is_what_an_export_then_sends_and_waits_for_no_writer() {
    let world = World::read(&[("A", "11"), ("B", "5"), ("C", "1")], &[("A", "10"), ("B", "5"), ("OWN", "1")]).await;
    let writer = world.store.write(world.clock.now()).await.unwrap();
    let shown = world.preview().await;
    drop(writer);
    assert_eq!((&shown.first, &shown.stop), (&None, &None));
    assert_eq!(shown.plan.iter().map(|change| change.sku.as_str()).collect::<Vec<_>>(), ["A"]);
    assert_eq!(shown.plan[0].fields, [Field::Price]);
    assert_eq!(world.exports().await.counts.sent, 1);
    assert_eq!(world.shelf("uk").sent, ["A 11.00 EUR 5"]);
    assert_eq!(world.preview().await.plan, []);
    world.source(&[("A", "110"), ("B", "5")]).await;
    let stop = world.preview().await.stop.unwrap();
    assert_eq!(stop.text, world.exports().await.end.unwrap_err().text);
}

#[tokio::test]
async fn a_preview_shows_what_was_refused_because_a_person_who_asks_for_a_run_tries_it_again() {
    let world = refused().await;
    assert_eq!(world.preview().await.plan.len(), 1);
}

#[tokio::test]
async fn a_preview_says_what_has_to_be_read_first() {
    let world = World::new(true).await;
    insta::assert_snapshot!(world.preview().await.first.unwrap(), @"product source `erp` has not been read completely yet since it became the source; an export would wait for its import");
    world.source(&[("A", "11")]).await;
    insta::assert_snapshot!(world.preview().await.first.unwrap(), @"shop `uk` has not been read completely yet; an export would import it first, and compare then");
    world.shelf("uk").pages = vec![page(&[("A", "10")])];
    world.imports("uk", true).await;
    assert_eq!(world.preview().await.first, None);
    // The source itself is exported to by nobody.
    let erp: ShopId = "erp".parse().unwrap();
    let entry = world.shops.get(&erp).unwrap();
    let error = preview(&world.store, world.clock.now(), &entry, Some(&erp), None).await.unwrap_err();
    insta::assert_snapshot!(error.text, @"shop `erp` is the product source; nothing is exported to it");
}

#[tokio::test]
async fn a_product_that_never_gets_an_answer_keeps_no_other_from_being_sent() {
    let world = World::read(&[("A", "11"), ("B", "12"), ("C", "13")], &[("A", "10"), ("B", "10"), ("C", "10")]).await;
    world.shelf("uk").silent_of = ["A"].into();
    let went = world.exports().await;
    assert_eq!((went.counts.sent, went.end.is_err()), (0, true));
    let again = world.attempt(went.run).await;
    assert_eq!((again.counts.sent, again.end.is_err()), (2, true), "those behind it go first");
    world.shelf("uk").silent_of.clear();
    let last = world.attempt(went.run).await;
    assert_eq!((last.counts.sent, last.end.is_ok()), (1, true));
}

#[tokio::test]
async fn a_ticket_that_never_gets_an_answer_keeps_no_price_from_being_sent() {
    let (world, went) = waiting().await;
    world.shelf("uk").silent_tickets = true;
    world.source(&[("A1", "11"), ("A2", "12"), ("B", "13"), ("C", "16")]).await;
    world.clock.set(world.clock.now() + SignedDuration::from_secs(60));
    let again = world.attempt(went.run).await;
    assert_eq!(again.counts.sent, 1, "C");
    assert!(waits(&again).contains("3 changes"));
}

/// A world whose shop has accepted A1, A2 and B for later judgement, and C at once.
async fn waiting() -> (World, Went) {
    let source = [("A1", "11"), ("A2", "12"), ("B", "13"), ("C", "14")];
    let world = World::read(&source, &[("A1", "10"), ("A2", "10"), ("B", "10"), ("C", "10")]).await;
    world.shelf("uk").judges_later = ["A1", "A2", "B"].into();
    let went = world.exports().await;
    assert_eq!(went.counts.sent, 1);
    (world, went)
}

fn waits(went: &Went) -> String {
    let error = went.end.as_ref().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Waiting);
    let Failure::Throttled { until } = &error.failure else { panic!("{error:?}") };
    format!("{}, until {until}", error.text)
}

#[tokio::test]
async fn what_the_shop_judges_later_is_asked_after_and_not_sent_again_meanwhile() {
    let (world, went) = waiting().await;
    insta::assert_snapshot!(waits(&went), @"shop `uk` has not judged 3 changes yet, until 2026-03-02T09:03:10Z");
    assert_eq!((world.preview().await.plan, world.preview().await.waiting), (Vec::new(), 3));
    // The source wants something else by now: it waits its turn.
    world.source(&[("A1", "15"), ("A2", "12"), ("B", "13"), ("C", "16")]).await;
    let again = world.attempt(went.run).await;
    assert_eq!(again.counts.sent, 1, "C alone");
    insta::assert_snapshot!(waits(&again), @"shop `uk` has not judged 3 changes yet, until 2026-03-02T09:04:15Z");

    world.shelf("uk").judged = true;
    world.shelf("uk").refuses = ["B"].into();
    world.shelf("uk").calls.clear();
    assert!(waits(&world.attempt(went.run).await).contains("3 changes"));
    assert_eq!(world.shelf("uk").calls, Vec::<String>::new(), "they have just been asked after");
    world.clock.set(world.clock.now() + SignedDuration::from_secs(15));
    let last = world.attempt(went.run).await;
    assert_eq!(last.end.unwrap(), Some(Outcome::Partly));
    assert_eq!((last.counts.sent, last.counts.refused), (3, 1), "A1 twice: judged, and then what is wanted now");
    assert_eq!(world.complaints().await, [format!("B promotion {}", went.run)]);
    assert_eq!(world.preview().await.waiting, 0);
    assert_eq!(world.known().await, ["A1 15.00 EUR", "A2 12.00 EUR", "B 10 EUR", "C 16.00 EUR"]);
}

#[tokio::test]
async fn a_refusal_of_what_was_wanted_before_keeps_nothing_from_being_sent_that_is_wanted_now() {
    let (world, went) = waiting().await;
    world.source(&[("A1", "11"), ("A2", "12"), ("B", "14"), ("C", "14")]).await;
    world.shelf("uk").judged = true;
    world.shelf("uk").refuses = ["B"].into();
    world.shelf("uk").pushes.clear();
    assert_eq!(world.attempt(went.run).await.end.unwrap(), Some(Outcome::Partly));
    let pushes = world.shelf("uk").pushes.clone();
    assert_eq!(pushes, ["A1 A2", "B", "B"], "two judgements, and the price that nobody has refused");
    assert_eq!(world.exports().await.counts.sent, 0, "now it is refused too");
}

#[tokio::test]
async fn a_ticket_that_cannot_be_asked_after_keeps_nothing_else_from_being_sent() {
    let (world, went) = waiting().await;
    world.shelf("uk").lost_tickets = true;
    world.source(&[("A1", "11"), ("A2", "12"), ("B", "13"), ("C", "16")]).await;
    let again = world.attempt(went.run).await;
    assert_eq!(again.counts.sent, 1, "C");
    assert!(waits(&again).contains("3 changes"));
    world.clock.set(world.clock.now() + SignedDuration::from_hours(24));
    let last = world.attempt(went.run).await;
    assert_eq!((last.end.unwrap(), last.counts.refused), (Some(Outcome::Partly), 3));
}

#[tokio::test]
async fn what_the_shop_said_nothing_of_is_sent_in_the_same_run() {
    let world = World::new(true).await;
    world.set(|entry| entry.rules.create = true);
    world.shelf("erp").pages = vec![["B1", "B2", "B3"].map(|sku| of("mug", sku, "1")).into()];
    world.imports("erp", true).await;
    world.imports("uk", true).await;
    world.shelf("uk").answers = Some(1);
    let went = world.exports().await;
    assert_eq!(went.end.unwrap_err().text, "shop `uk` said nothing of 2 changes that it was sent");
    world.shelf("uk").answers = None;
    assert_eq!(world.attempt(went.run).await.end.unwrap(), Some(Outcome::Done));
    assert_eq!(world.shelf("uk").pushes, ["B1 B2 B3", "B2+B1 B3+B1"], "the rest joins what is there");
    world.shelf("uk").answers = Some(0);
    world.source(&[("B1", "1.40")]).await;
    let error = world.exports().await.end.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "not asked again without a growing wait");
}

#[tokio::test]
async fn a_shop_whose_first_pass_takes_longer_than_a_run_is_read_to_its_end_and_exported_to() {
    let world = World::new(true).await;
    world.source(&[("A", "1.40")]).await;
    world.shelf("uk").pages = vec![page(&[("A", "1")]), page(&[("B", "1")]), page(&[("C", "1")])];
    world.shelf("uk").slow = true;
    assert_eq!(world.imports("uk", false).await.end.unwrap(), Some(Outcome::Done));
    let went = world.exports().await;
    assert!(went.end.unwrap_err().text.contains("is being read first"));
    for _ in 0..2 {
        world.carry_out_import().await;
        let _ = world.attempt(went.run).await;
    }
    assert_eq!(world.shelf("uk").asked, [0, 1, 2], "each run went on where the last had stopped");
    assert_eq!(world.shelf("uk").sent, ["A 1.40 EUR 5"]);
}

#[tokio::test]
async fn a_sku_that_gets_another_name_leaves_its_product_on_sale() {
    let world = World::new(true).await;
    world.set(|entry| {
        entry.rules.create = true;
        entry.rules.retire = Retire::Deactivate;
        entry.rules.guard_retire = 1.into();
    });
    world.shelf("uk").pages = vec![vec![of("17", "A", "1")]];
    world.shelf("erp").pages = vec![vec![of("mug", "A", "1")]];
    world.imports("erp", true).await;
    world.imports("uk", true).await;
    world.shelf("erp").pages = vec![vec![of("mug", "A2", "1")]];
    world.imports("erp", true).await;
    assert!(is_done(&world.exports().await));
    assert_eq!(world.shelf("uk").pushes, ["A A2+A"]);
    assert_eq!(world.shelf("uk").sent, ["A 1 EUR 0", "A2 1.00 EUR 5"], "no stock instead of off sale");
}

#[tokio::test]
async fn a_sku_that_joins_a_product_which_went_off_sale_brings_it_back() {
    let world = World::new(true).await;
    world.set(|entry| {
        entry.rules.create = true;
        entry.rules.retire = Retire::Deactivate;
        entry.rules.guard_retire = 1.into();
    });
    world.shelf("uk").pages = vec![vec![of("17", "A", "1")]];
    world.shelf("erp").pages = vec![vec![of("mug", "A", "1"), of("pot", "B", "1")]];
    world.imports("erp", true).await;
    world.imports("uk", true).await;
    world.shelf("erp").pages = vec![vec![of("pot", "B", "1")]];
    world.imports("erp", true).await;
    world.exports().await;
    world.shelf("erp").pages = vec![vec![of("mug", "A2", "1"), of("pot", "B", "1")]];
    world.imports("erp", true).await;
    world.exports().await;
    assert_eq!(world.shelf("uk").sent, ["A off", "B 1.00 EUR 5", "A2 1.00 EUR 5 on"]);
}

#[tokio::test]
async fn what_goes_off_sale_goes_with_its_whole_product() {
    let world = World::new(true).await;
    world.set(|entry| {
        entry.rules.retire = Retire::Deactivate;
        entry.rules.guard_retire = 1.into();
    });
    let cups = ["A1", "A2", "A3"].map(|sku| of("17", sku, "1"));
    world.shelf("uk").pages = vec![cups.to_vec()];
    world.shelf("erp").pages = vec![cups.to_vec()];
    world.imports("erp", true).await;
    world.imports("uk", true).await;
    world.shelf("erp").pages = vec![page(&[("B", "1")])];
    world.imports("erp", true).await;
    world.exports().await;
    assert_eq!(world.shelf("uk").pushes, ["A1 A2 A3"], "one at a time is what the channel takes otherwise");
}

#[tokio::test]
async fn a_shop_that_never_judges_is_not_waited_for_longer_than_a_day() {
    let (world, went) = waiting().await;
    world.clock.set(world.clock.now() + SignedDuration::from_hours(23));
    assert!(waits(&world.attempt(went.run).await).contains("3 changes"));
    world.clock.set(world.clock.now() + SignedDuration::from_hours(1));
    let last = world.attempt(went.run).await;
    assert_eq!((last.end.unwrap(), last.counts.refused), (Some(Outcome::Partly), 3));
    let told = world.complaints().await;
    assert_eq!(told, ["A1", "A2", "B"].map(|sku| format!("{sku} unjudged {}", went.run)));
    assert_eq!(world.exports().await.counts.sent, 0, "not again as it stands");
}

#[tokio::test]
async fn what_a_change_lacks_is_told_once_a_run_and_nothing_of_it_is_sent() {
    let world = World::read(&[("A", "11"), ("B", "6")], &[("A", "10"), ("B", "5")]).await;
    world.shelf("uk").lacks = ["A"].into();
    let shown = world.preview().await;
    assert_eq!((shown.plan.len(), shown.lacking[0].code.as_str()), (1, "category"));
    let went = world.exports().await;
    assert_eq!((went.end.unwrap(), went.counts.sent, went.counts.refused), (Some(Outcome::Partly), 1, 1));
    assert_eq!(world.complaints().await, [format!("A category {}", went.run)]);
    world.shelf("uk").lacks.clear();
    assert!(is_done(&world.exports().await), "no new value is needed for another try");
    assert_eq!(world.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn skus_of_a_new_product_come_together_and_those_of_a_known_one_with_their_siblings() {
    let world = World::new(true).await;
    world.set(|entry| entry.rules.create = true);
    world.shelf("uk").pages = vec![vec![of("17", "A1", "1"), of("17", "A2", "1")]];
    let cups = |skus: &[&str], product: &str| skus.iter().map(|sku| of(product, sku, "1")).collect::<Vec<_>>();
    world.shelf("erp").pages =
        vec![cups(&["A1", "A2", "A3"], "cup"), cups(&["B1", "B2", "B3"], "mug"), cups(&["C1"], "pot")];
    world.imports("erp", true).await;
    world.imports("uk", true).await;
    assert!(is_done(&world.exports().await));
    // One at a time is what the channel takes, but a product is made in one call.
    assert_eq!(world.shelf("uk").pushes, ["A3+A1+A2", "B1 B2 B3", "C1"]);
    world.shelf("uk").pushes.clear();
    assert!(is_done(&world.exports().await));
    assert_eq!(world.shelf("uk").pushes, Vec::<String>::new(), "all of it is there");
}

#[tokio::test]
async fn a_sku_that_joins_a_product_comes_together_with_what_the_source_drops_of_it() {
    let world = World::new(true).await;
    world.set(|entry| {
        entry.rules.create = true;
        entry.rules.retire = Retire::Deactivate;
        entry.rules.guard_retire = 1.into();
    });
    world.shelf("uk").pages = vec![vec![of("17", "A1", "1"), of("18", "B1", "1")]];
    world.shelf("erp").pages = vec![vec![of("cup", "A1", "1")], vec![of("mug", "B1", "1")]];
    world.imports("erp", true).await;
    world.imports("uk", true).await;
    // Both are renamed.
    world.shelf("erp").pages = vec![vec![of("cup", "A2", "1")], vec![of("mug", "B2", "1")]];
    world.imports("erp", true).await;
    assert!(is_done(&world.exports().await));
    assert_eq!(world.shelf("uk").pushes, ["A1 A2+A1", "B1 B2+B1"], "although one at a time is what the channel takes");
}

/// The shop takes off sale what the source drops.
async fn deactivating(source: &[(&str, &str)], shop: Vec<Listing>) -> World {
    let world = World::new(true).await;
    world.set(|entry| {
        entry.rules.retire = Retire::Deactivate;
        entry.rules.guard_retire = 1.into();
    });
    world.shelf("uk").pages = vec![shop];
    world.source(source).await;
    world.imports("uk", true).await;
    world
}

/// What was sent since the last look.
fn sent(world: &World) -> Vec<String> {
    std::mem::take(&mut world.shelf("uk").sent)
}

#[tokio::test]
async fn what_the_source_drops_and_brings_back_is_on_sale_again_and_then_its_owners_to_decide() {
    let both = [("A", "10"), ("B", "5")];
    let world = deactivating(&both, page(&both)).await;
    world.source(&both[1..]).await;
    assert!(is_done(&world.exports().await));
    assert_eq!(sent(&world), ["A off"]);
    // While it is away an import and another rule compute everything anew.
    world.imports("uk", true).await;
    world.set(|entry| {
        entry.rules.retire = Retire::Deactivate;
        entry.rules.reserve = 1;
    });
    world.exports().await;
    assert_eq!(sent(&world), ["B 5.00 EUR 4"]);

    // With a price that nobody can want, it waits.
    world.source(&[("A", "-1"), ("B", "5")]).await;
    world.exports().await;
    assert_eq!(sent(&world), Vec::<String>::new());
    world.source(&both).await;
    let shown = world.preview().await.plan;
    assert_eq!(shown.iter().map(|change| change.wanted.relisted).collect::<Vec<_>>(), [true], "{shown:?}");
    world.shelf("uk").refuses = ["A"].into();
    world.exports().await;
    world.shelf("uk").refuses.clear();
    world.imports("uk", true).await;
    world.exports().await;
    assert_eq!(sent(&world), ["A 10.00 EUR 4 on"], "once the shop takes it");

    let mut off = of("product of A", "A", "10");
    (off.stock, off.status) = (Some(4), ListingStatus::Inactive);
    world.shelf("uk").pages = vec![vec![off], vec![Listing { stock: Some(4), ..of("product of B", "B", "5") }]];
    world.imports("uk", true).await;
    world.source(&[("A", "11"), ("B", "5")]).await;
    world.exports().await;
    assert_eq!(sent(&world), ["A 11.00 EUR 4"], "its owner took it off sale: that stays so");
}

#[tokio::test]
async fn what_stays_off_sale_is_told_where_its_product_is_put_on_sale_again() {
    let both = [("A", "10"), ("B", "5")];
    let alone = ("C", "1");
    let world = deactivating(
        &[both[0], both[1], alone],
        vec![of("one", "A", "10"), of("one", "B", "5"), of("another", "C", "1")],
    )
    .await;
    world.source(&[("D", "1")]).await;
    world.exports().await;
    assert_eq!(sent(&world), ["C off", "A off", "B off"]);
    world.exports().await;
    assert_eq!(sent(&world), Vec::<String>::new());
    world.source(&[both[0], ("D", "1")]).await;
    world.set(|entry| {
        entry.rules.retire = Retire::Deactivate;
        entry.rules.guard_retire = 0.into();
    });
    assert!(is_done(&world.exports().await), "nothing is taken away, so the guard has nothing to say");
    assert_eq!(sent(&world), ["A 10.00 EUR 5 on", "B off"]);
}

#[tokio::test]
async fn what_was_off_sale_before_the_source_dropped_it_is_not_put_on_sale_for_its_return() {
    let both = [("A", "10"), ("B", "5")];
    // Sold out, which this shop calls off sale.
    let out = Listing { stock: Some(0), status: ListingStatus::Inactive, ..of("one", "A", "10") };
    let world = deactivating(&both, vec![out, of("another", "B", "5")]).await;
    world.set(|entry| {
        entry.rules.retire = Retire::Deactivate;
        entry.rules.fields = [Field::Price].into();
        entry.rules.guard_retire = "0.2".parse().unwrap();
    });
    world.source(&[("C", "1")]).await;
    assert!(is_stopped(&world.exports().await));
    world.imports("uk", true).await;
    assert!(is_stopped(&world.exports().await), "computed anew");
    world.source(&both).await;
    assert!(is_done(&world.exports().await));
    assert_eq!(sent(&world), Vec::<String>::new(), "nothing was taken away, so nothing comes back");
}

#[tokio::test]
async fn what_the_source_drops_is_named_at_once_unless_the_shop_makes_something_of_it() {
    let both = [("A", "10"), ("B", "5")];
    let world = World::read(&both, &both).await;
    world.exports().await;
    let seen = world.imports("uk", true).await.run;
    world.source(&both[1..]).await;
    assert_eq!(world.complaints().await, Vec::<String>::new());
    assert!(is_done(&world.exports().await), "it is no complaint of the export");
    assert_eq!(world.complaints().await, [format!("A unknown_sku {seen}")], "and it was kept");

    // From now on such SKUs have no stock: that is all there is to do.
    let rule = |retire| {
        world.set(move |entry| {
            entry.rules.retire = retire;
            entry.rules.guard_retire = 1.into();
        });
    };
    rule(Retire::ZeroStock);
    assert!(is_done(&world.exports().await));
    assert_eq!(world.complaints().await, Vec::<String>::new());
    for full in [false, true] {
        world.imports("uk", full).await;
        world.exports().await;
        assert_eq!(world.complaints().await, Vec::<String>::new());
    }
    rule(Retire::Keep);
    world.exports().await;
    assert_eq!(world.complaints().await.len(), 1);
}

#[tokio::test]
async fn a_change_counts_once_in_however_many_attempts_it_is_sent() {
    let world = World::read(&[("A", "11"), ("B", "6"), ("C", "8")], &[("A", "10"), ("B", "5"), ("C", "7")]).await;
    world.shelf("uk").accepts = Some(1);
    let went = world.exports().await;
    assert!(went.end.is_err());
    world.shelf("uk").accepts = None;
    let rest = world.attempt(went.run).await;
    assert_eq!((went.counts.seen + rest.counts.seen, went.counts.sent + rest.counts.sent), (3, 3));
}
