//! Two daemons on one database.

use std::collections::BTreeSet;

use shopsyncd::domain::Outcome;

use crate::world::{Database, EXPORT, IMPORT, World, minutes};

#[tokio::test]
async fn two_daemons_share_the_work_never_overlap_and_the_survivor_takes_over() {
    const SHOPS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    // Only a server can be shared.
    let Some(database) = Database::postgres().await else { return };
    let mut world = World::new(database, "2026-03-02T09:00", &SHOPS);
    world.source(&[("A", "10.00", 5)]);
    for shop in SHOPS {
        world.offer(shop, &[("A", "9.50", 5)]);
    }
    world.start().await;
    // Before there is a peer: a consent that finds the peer at work waits by the clock, which nobody moves meanwhile.
    for shop in SHOPS {
        assert_eq!(world.owner_agrees(shop).await, 200);
    }
    let peer = world.start_apart();
    world.pass(minutes(60)).await;
    let (mut workers, mut seen) = (BTreeSet::new(), 0);
    for shop in SHOPS {
        assert_eq!(world.offers(shop), ["A 10.00 5"], "{shop}");
        for job in [IMPORT, EXPORT] {
            let runs = world.runs(shop, job).await;
            for pair in runs.windows(2) {
                assert!(pair[0].finished_at <= pair[1].started_at, "two runs of {job} at once: {pair:#?}");
            }
            seen += runs.len();
            workers.extend(runs.into_iter().filter_map(|run| run.instance).map(|instance| instance.0));
        }
    }
    assert!(seen > 40, "{seen} runs");
    assert_eq!(workers, BTreeSet::from([world.holder(), peer.holder.clone()]), "both worked");
    assert_eq!(world.fake.stats().prices_changed, 6, "each change was sent once");

    // Every token has become too old at once: whoever meets it first renews it, and nobody a second time.
    let before = world.fake.stats();
    for shop in SHOPS {
        world.expire_access_tokens(shop);
    }
    world.pass(minutes(20)).await;
    let after = world.fake.stats();
    assert!(after.bad_tokens > before.bad_tokens, "the old ones were tried");
    assert_eq!((after.refreshes - before.refreshes, after.refresh_tokens_spent_twice), (6, 0));

    let gone = peer.holder.clone();
    peer.vanish();
    world
        .wait_until("the survivor notices", async || {
            let instances = world.status().await["instances"].clone();
            !instances.as_array().unwrap().iter().any(|known| known["id"] == gone.as_str())
        })
        .await;
    world.source(&[("A", "11.00", 5)]);
    world.pass(minutes(30)).await;
    for shop in SHOPS {
        assert_eq!(world.offers(shop), ["A 11.00 5"], "{shop}");
        let last = world.last_run(shop, EXPORT).await;
        assert_eq!((last.outcome, last.instance.unwrap().0), (Some(Outcome::Done), world.holder()), "{shop}");
    }
    world.end().await;
}
