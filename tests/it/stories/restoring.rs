//! A copy of the database put back in place of one that was lost.

use std::fs;

use crate::world::{Database, World, minutes};

const MORNING: &str = "2026-03-02T09:00";

#[tokio::test]
async fn a_copy_put_back_with_its_key_goes_on_without_the_owner_and_without_the_key_it_says_what_is_missing() {
    let mut world = World::new(Database::Sqlite, MORNING, &["uk"]);
    let items = [("A", "10.00", 5), ("B", "11.00", 6)];
    world.source(&items);
    world.offer("uk", &items);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.pass(minutes(30)).await;
    let authorized = world.shop("uk").await["authorization"].clone();
    let known = world.runs("uk", crate::world::IMPORT).await.len();
    let safe = tempfile::tempdir().unwrap();
    let [copy, key] = ["copy.db", "seal-key"].map(|name| safe.path().join(name));
    world.store().backup(&copy).await.unwrap();
    let state = |name: &str| world.state_dir().join(name);
    fs::copy(state("seal-key"), &key).unwrap();

    // After the copy the world goes on.
    world.source(&[("A", "10.00", 4), ("B", "11.00", 6)]);
    world.pass(minutes(30)).await;
    assert_eq!(world.offers("uk"), ["A 10.00 4", "B 11.00 6"]);
    world.stop().await;
    let state = |name: &str| world.state_dir().join(name);
    for lost in ["shopsyncd.db", "shopsyncd.db-wal", "shopsyncd.db-shm", "seal-key"] {
        let _ = fs::remove_file(state(lost));
    }

    fs::copy(&copy, state("shopsyncd.db")).unwrap();
    let why = world.start_refused().await;
    assert!(why.contains("seal-key is gone") && why.contains("put it back from the backup"), "{why}");
    fs::copy(&key, state("seal-key")).unwrap();
    world.start().await;
    assert_eq!(world.shop("uk").await["authorization"], authorized, "nobody has to authorize it again");
    assert!(world.runs("uk", crate::world::IMPORT).await.len() >= known, "what was known then is known");
    world.source(&[("A", "10.00", 3), ("B", "11.50", 6)]);
    world.pass(minutes(90)).await;
    assert_eq!(world.offers("uk"), ["A 10.00 3", "B 11.50 6"], "what happened after the copy is found out again");
    world.end_with_mails().await;
}
