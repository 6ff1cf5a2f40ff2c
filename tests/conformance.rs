//! Every implementation of a seam through the same checks.

use libtest_mimic::Arguments;

#[path = "conformance/channels.rs"]
mod channels;

fn main() {
    let arguments = Arguments::from_args();
    let trials = channels::trials();
    libtest_mimic::run(&arguments, trials).exit();
}
