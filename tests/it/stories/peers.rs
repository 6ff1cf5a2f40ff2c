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
    // Each daemon keeps to a rate by itself, and two of them meet the marketplace's limit, which passes by a clock that nobody moves.
    world.fake.rules(|rules| rules.rates = None);
    world.start().await;
    let peer = world.start_apart();
    for shop in SHOPS {
        assert_eq!(world.owner_agrees(shop).await, 200);
    }
    let both = BTreeSet::from([world.holder(), peer.holder.clone()]);
    let mut workers = BTreeSet::new();
    // A machine with much to do may let the one work for an hour of this clock before the other has begun.
    for hour in 1.. {
        assert!(hour <= 5, "only {workers:?} worked");
        world.pass(minutes(60)).await;
        for (shop, job) in SHOPS.into_iter().flat_map(|shop| [(shop, IMPORT), (shop, EXPORT)]) {
            let instances = world.runs(shop, job).await.into_iter().filter_map(|run| run.instance);
            workers.extend(instances.map(|instance| instance.0));
        }
        if workers == both {
            break;
        }
    }
    let mut seen = 0;
    for shop in SHOPS {
        assert_eq!(world.offers(shop), ["A 10.00 5"], "{shop}");
        for job in [IMPORT, EXPORT] {
            let runs = world.runs(shop, job).await;
            for pair in runs.windows(2) {
                assert!(pair[0].finished_at <= pair[1].started_at, "two runs of {job} at once: {pair:#?}");
            }
            seen += runs.len();
        }
    }
    assert!(seen > 40, "{seen} runs");
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

#[tokio::test]
async fn a_consent_in_the_middle_of_a_peers_renewal_is_answered_at_once_and_its_tokens_stand() {
    let Some(database) = Database::postgres().await else { return };
    let mut world = World::new(database, "2026-03-02T09:00", &["uk"]);
    world.fake.rules(|rules| rules.rates = None);
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.settle().await;
    world.stop().await;

    // The only daemon there is renews the tokens; the answer is on its way when another one starts, to which the owner comes.
    let peer = world.start_apart();
    world.expire_access_tokens("uk");
    let answer = world.fake.hold_next_token_answer();
    world.clock.advance(minutes(61));
    answer.done().await;
    world.start().await;
    let before = world.fake.stats();
    assert_eq!(world.owner_agrees("uk").await, 200, "the browser is not kept waiting");
    assert_eq!(world.shop("uk").await["state"], "active");
    let consented = world.shop("uk").await["authorization"]["authorized_at"].clone();
    assert_eq!(world.fake.stats().exchanges, before.exchanges + 1, "the code was traded meanwhile");

    answer.let_go();
    world.pass(minutes(70)).await;
    let after = world.fake.stats();
    let stands = world.shop("uk").await;
    assert_eq!((&stands["state"], &stands["authorization"]["authorized_at"]), (&"active".into(), &consented));
    assert_eq!(
        (after.refreshes, after.bad_tokens),
        (before.refreshes, before.bad_tokens),
        "what the owner gave is what is used"
    );
    for job in [IMPORT, EXPORT] {
        assert_eq!(world.last_run("uk", job).await.outcome, Some(Outcome::Done), "{job}");
    }
    peer.vanish();
    world.end_with_mails().await;
}
