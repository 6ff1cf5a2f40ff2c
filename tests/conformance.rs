//! Every implementation of a seam through the same checks.

use std::process::ExitCode;

use libtest_mimic::Arguments;

#[path = "conformance/channels.rs"]
mod channels;
#[path = "conformance/database.rs"]
mod database;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let (on_databases, left_out) = database::trials();
    let mut trials = channels::trials();
    trials.extend(on_databases);
    let conclusion = libtest_mimic::run(&arguments, trials);
    if left_out > 0 && !arguments.list {
        #[expect(clippy::print_stdout, reason = "a check that could not run says so in the last line")]
        {
            println!("{left_out} checks on PostgreSQL were left out: SHOPSYNCD_TEST_POSTGRES names no server\n");
        }
    }
    conclusion.exit_code()
}
