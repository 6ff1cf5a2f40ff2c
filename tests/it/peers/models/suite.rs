//! The suite of all channels, as traffic: whatever it makes our channel ask is judged, and whatever it is answered.

use shopsyncd::channels::{
    amazon::{
        DEF,
        fake::{Journal, rig_with},
    },
    conformance::checks_of,
};

use super::{Called, Judge};

#[tokio::test]
async fn the_suite_of_all_channels_says_nothing_that_the_models_do_not_know() {
    let known = [
        "getMarketplaceParticipations 200",
        "getMarketplaceParticipations 403",
        "getMarketplaceParticipations 429",
        "patchListingsItem 200",
        "putListingsItem 200",
        "searchListingsItems 200",
        "searchListingsItems 403",
        "searchListingsItems 429",
    ];
    judge_suite(false, &known).await;
}

#[tokio::test]
async fn the_suite_read_by_report_says_nothing_that_the_models_do_not_know() {
    let known = [
        "createReport 202",
        "document: GET_MERCHANT_LISTINGS_ALL_DATA 200",
        "getListingsItem 200",
        "getReport 200",
        "getReportDocument 200",
        "searchListingsItems 200",
    ];
    judge_suite(true, &known).await;
}

/// `known`: what the suite is known to call.
async fn judge_suite(by_report: bool, known: &[&str]) {
    let Some(mut judge) = Judge::start() else { return };
    let (journal, mut called) = (Journal::default(), Called::new());
    let rig = rig_with(journal.clone(), by_report);
    for check in checks_of(&DEF, rig.as_ref()) {
        check.run(&DEF, rig.as_ref()).await.unwrap_or_else(|fault| panic!("{}: {fault}", check.name));
        for (call, times) in judge.approve(check.name, &journal.take()).await {
            *called.entry(call).or_default() += times;
        }
    }
    let lost: Vec<_> = known.iter().filter(|call| !called.contains_key(**call)).collect();
    assert!(lost.is_empty(), "the suite no longer makes the calls {lost:?}, only {called:?}");
}
