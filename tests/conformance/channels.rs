//! Every channel through the checks of its seam: one test per channel and check.

use libtest_mimic::{Failed, Trial};
use shopsyncd::channels::{CHANNELS, conformance::checks_of};

/// The tests, named `channels::CHANNEL::CHECK`.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for def in CHANNELS {
        for check in checks_of(def) {
            trials.push(Trial::test(format!("channels::{}::{}", def.name, check.name), move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let rig = (def.rig)();
                runtime.block_on(check.run(def, rig.as_ref())).map_err(Failed::from)
            }));
        }
    }
    trials
}
