//! Named points at which tests make the program die, as a power cut would.
//!
//! A point costs nothing in a production build. In a build with the fakes it reads one variable of the environment once;
//! nothing else about the program changes, so what tests run is what people run.

/// Dies on the spot (SIGKILL to itself) when the environment's `SHOPSYNCD_CRASH_AT` names this point: `name`, or `name#N`
/// for its N-th passing. `SHOPSYNCD_STOP_AT` stops it there (SIGSTOP) until somebody lets it go on.
#[cfg(feature = "fakes")]
pub fn point(name: &str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };

    use rustix::process::{Signal, getpid, kill_process};

    static WANTED: LazyLock<Option<(String, u64, Signal)>> = LazyLock::new(|| {
        [("SHOPSYNCD_CRASH_AT", Signal::KILL), ("SHOPSYNCD_STOP_AT", Signal::STOP)].into_iter().find_map(
            |(variable, signal)| {
                let (name, nth) = wanted(&std::env::var(variable).ok()?);
                Some((name, nth, signal))
            },
        )
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let Some((at, nth, signal)) = &*WANTED else { return };
    if at == name && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *nth {
        let _ = kill_process(getpid(), *signal);
        // The signal may reach another thread first; this one must not go on before it has.
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// Does nothing in a production build.
#[cfg(not(feature = "fakes"))]
pub const fn point(_name: &str) {}

#[cfg(feature = "fakes")]
fn wanted(text: &str) -> (String, u64) {
    match text.split_once('#') {
        Some((name, nth)) => (name.to_owned(), nth.parse().unwrap_or(1)),
        None => (text.to_owned(), 1),
    }
}

#[cfg(all(test, feature = "fakes"))]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_named_with_or_without_its_passing() {
        assert_eq!(wanted("plan.before_commit"), ("plan.before_commit".to_owned(), 1));
        assert_eq!(wanted("finish.after_commit#3"), ("finish.after_commit".to_owned(), 3));
    }
}
