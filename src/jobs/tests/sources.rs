//! Another product source: nothing of it counts before it was read as that, and nothing of the one before is sent any more.

use super::*;
use crate::domain::ErrorKind;

impl World {
    /// Settings that name this source are in force; `book`: also with those who work by them.
    async fn name(&self, source: &str, book: bool) {
        let source: ShopId = source.parse().unwrap();
        name_source(&self.store, &self.clock, Some(&source)).await;
        if book {
            self.set(|entry| entry.is_source = entry.shop.id == source);
        }
    }

    /// What the source says: `SKU price`, dropped ones left out.
    async fn products(&self) -> Vec<String> {
        let mut tx = self.store.read(self.clock.now()).await.unwrap();
        let variants = tx.variants(None, 100).await.unwrap();
        variants.into_iter().map(|row| format!("{} {:?}", row.variant.sku, row.variant.prices[0])).collect()
    }
}

fn waits(went: Went) -> bool {
    went.end.is_err_and(|error| error.kind == ErrorKind::Waiting && error.text.contains("since it became the source"))
}

#[tokio::test]
async fn what_was_read_of_a_shop_before_it_became_the_source_does_not_count() {
    for begun in [false, true] {
        let world = World::read(&[("A", "10"), ("B", "5")], &[("A", "11"), ("C", "7")]).await;
        if begun {
            // A pass under way has put its first page into no product.
            world.shelf("uk").pages = vec![page(&[("A", "11")]), page(&[("C", "7")])];
            world.shelf("uk").slow = true;
            world.imports("uk", true).await;
            world.shelf("uk").slow = false;
        }
        world.name("uk", true).await;
        let run = world.ask("erp", JobKind::ProductExport, Demand::default()).await;
        assert!(waits(world.attempt(run).await));
        assert_eq!(world.products().await, ["A 10 EUR", "B 5 EUR"], "until then the old ones stay, and are not sent");

        world.shelf("uk").asked.clear();
        assert_eq!(world.imports("uk", false).await.end.unwrap(), Some(Outcome::Done));
        assert_eq!(world.shelf("uk").asked[0], 0, "from its first page");
        assert_eq!(world.products().await, ["A 11 EUR", "C 7 EUR"]);
        assert_eq!(world.attempt(run).await.counts.sent, 1);
        assert_eq!(world.shelf("erp").sent, ["A 11.00 EUR 5"], "the source before is a shop like any other");

        // Back again, it is read anew as well.
        world.name("erp", true).await;
        assert!(waits(world.exports().await));
        world.imports("erp", false).await;
        assert!(world.exports().await.end.is_ok());
    }
}

#[tokio::test]
async fn an_import_that_began_by_the_settings_before_stores_nothing() {
    let world = World::read(&[("A", "10")], &[("A", "11")]).await;
    world.name("uk", false).await;
    world.shelf("erp").pages = vec![page(&[("A", "12")])];
    for shop in ["erp", "uk"] {
        let went = world.imports(shop, true).await;
        assert_eq!(went.end.unwrap(), None, "{shop}: given back, to begin again by the new ones");
        assert!(world.shelf(shop).asked.len() == 1, "{shop}: asked for by nobody since");
    }
    assert_eq!(world.products().await, ["A 10 EUR"]);
    assert!(waits(world.exports().await));
}

#[tokio::test]
async fn an_export_under_way_sends_no_more_once_another_source_is_named() {
    let world = World::read(&[("A", "11"), ("B", "6")], &[("A", "10"), ("B", "5")]).await;
    world.shelf("uk").names = Some((world.store.clone(), "uk".parse().unwrap()));
    assert!(waits(world.exports().await));
    assert_eq!(world.shelf("uk").sent, ["A 11.00 EUR 5"], "what was on its way, and nothing after it");
}

#[tokio::test]
async fn a_shop_that_was_the_source_by_mistake_has_dropped_nothing() {
    let world = World::read(&[("A", "10"), ("B", "5")], &[("A", "10"), ("B", "5"), ("OWN", "7")]).await;
    world.set(|entry| entry.rules.retire = Retire::ZeroStock);
    assert_eq!(world.exports().await.end.unwrap(), Some(Outcome::Done));
    world.name("uk", true).await;
    world.imports("uk", false).await;
    assert_eq!(world.products().await, ["A 10 EUR", "B 5 EUR", "OWN 7 EUR"]);
    world.name("erp", true).await;
    world.imports("erp", false).await;
    assert_eq!(world.products().await, ["A 10 EUR", "B 5 EUR"]);
    world.exports().await.end.unwrap();
    assert_eq!(world.shelf("uk").sent, Vec::<String>::new(), "what the source never had is the shop's own affair");

    // What it did have it drops, whoever is the source next.
    world.shelf("uk").pages = vec![page(&[("A", "10"), ("OWN", "7")])];
    world.name("uk", true).await;
    world.imports("uk", false).await;
    let mut tx = world.store.read(world.clock.now()).await.unwrap();
    assert!(tx.variant(&"B".parse().unwrap()).await.unwrap().unwrap().gone);
}
