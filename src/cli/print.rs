//! What commands print: text, JSON, refusals, progress.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::{Outcome, exit};
use crate::{
    config::{Finding, Severity},
    control::{Meanwhile, Refusal},
};

/// Prints text, with a line end.
pub(super) fn text(text: &str) -> Outcome {
    bytes(format!("{}\n", text.trim_end_matches('\n')).as_bytes())
}

/// Prints bytes as they are. A reader that went away (`| head`) is no fault.
pub(super) fn bytes(bytes: &[u8]) -> Outcome {
    match io::stdout().lock().write_all(bytes).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Refusal::new(exit::FAILED, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
pub(super) fn json(value: &impl Serialize) -> Outcome {
    let json = serde_json::to_string_pretty(value).map_err(|error| Refusal::new(exit::FAILED, error.to_string()))?;
    text(&json)
}

/// Says something beside the answer, on standard error.
pub(super) fn aside(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says why something was not done: on standard error, and with `--json` as JSON on standard output too.
pub(super) fn refusal(refusal: &Refusal, as_json: bool) {
    if refusal.text.is_empty() && refusal.findings.is_empty() {
        // Everything has been said by the answer itself.
        return;
    }
    if as_json {
        let _ = json(
            &serde_json::json!({ "error": { "exit": refusal.exit, "text": refusal.text }, "findings": refusal.findings }),
        );
    }
    for finding in &refusal.findings {
        aside(&finding_line(finding));
    }
    if !refusal.text.is_empty() {
        aside(&format!("shopsyncd: {}", refusal.text));
    }
}

/// A finding as one line.
pub(super) fn finding_line(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    format!("{severity}: {finding}")
}

/// How long work takes before a bar is shown for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar for work over a second; silent before, and where standard error is no terminal.
pub(super) struct Bar {
    bar: ProgressBar,
    since: Instant,
}

/// Begins a piece of work that may deserve a bar.
pub(super) fn bar() -> Bar {
    Bar { bar: ProgressBar::hidden(), since: Instant::now() }
}

impl Bar {
    /// Tells what happens meanwhile: how far the work has come by the bar, an event in a line on standard error.
    pub(super) fn tell(&self, word: Meanwhile) {
        match word {
            Meanwhile::Progress { done, of } => self.set(done, of),
            Meanwhile::Event(text) => self.bar.suspend(|| aside(&text)),
        }
    }

    /// Tells how far the work has come.
    pub(super) fn set(&self, done: u64, of: Option<u64>) {
        self.show();
        if let Some(of) = of {
            self.bar.set_length(of);
        }
        self.bar.set_position(done);
    }

    fn show(&self) {
        if self.bar.is_hidden() && self.since.elapsed() >= PATIENCE && io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_bar} {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar.set_style(style);
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.bar.enable_steady_tick(Duration::from_millis(200));
        }
    }

    /// Waits for work that tells nothing of itself, with a bar if it takes its time.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(PATIENCE) => self.show(),
        }
        work.await
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
