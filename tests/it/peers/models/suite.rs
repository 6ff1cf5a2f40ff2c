//! The suite of all channels, as traffic: whatever it makes our channel ask is judged, and whatever it is answered.

use shopsyncd::channels::{amazon, conformance::checks_of};

use super::{Called, Judge};

#[tokio::test]
async fn the_suite_of_all_channels_says_nothing_that_the_models_do_not_know() {
    let Some(mut judge) = Judge::start() else { return };
    let journal = amazon::fake::Journal::default();
    let rig = amazon::fake::rig_with(journal.clone());
    let mut called = Called::new();
    for check in checks_of(&amazon::DEF, rig.as_ref()) {
        check.run(&amazon::DEF, rig.as_ref()).await.unwrap_or_else(|fault| panic!("{}: {fault}", check.name));
        for (call, times) in judge.approve(check.name, &journal.take()).await {
            *called.entry(call).or_default() += times;
        }
    }
    let known =
        ["getMarketplaceParticipations 200", "getMarketplaceParticipations 403", "getMarketplaceParticipations 429"];
    assert!(known.iter().all(|call| called.contains_key(*call)), "the suite no longer makes these calls: {called:?}");
}
