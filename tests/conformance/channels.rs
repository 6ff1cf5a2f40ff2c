//! Every channel through the checks of its seam: one test per channel, rig and check.

use libtest_mimic::{Failed, Trial};
use shopsyncd::channels::{CHANNELS, conformance::checks_of};

/// The tests, named `channels::CHANNEL::CHECK`, or where a channel has several rigs `channels::CHANNEL::RIG::CHECK`.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for def in CHANNELS {
        for (name, make) in def.rigs {
            let group = if def.rigs.len() > 1 { format!("{}::{name}", def.name) } else { def.name.to_owned() };
            for check in checks_of(def, make().as_ref()) {
                trials.push(Trial::test(format!("channels::{group}::{}", check.name), move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                    runtime.block_on(check.run(def, make().as_ref())).map_err(Failed::from)
                }));
            }
        }
    }
    trials
}
