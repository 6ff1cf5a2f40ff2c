//! What commands print: text and tables that fit the terminal, JSON, refusals, progress.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, TableStyle};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Outcome, exit};
use crate::{
    config::{Finding, Severity},
    control::Refusal,
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

/// A table with these headings; columns shrink and wrap to fit the terminal.
pub(super) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new())
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headings.to_vec());
    if !io::stdout().is_terminal() {
        // Whoever reads a pipe wants a row a line.
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table
}

/// Prints a table without trailing blanks.
pub(super) fn print_table(table: &Table) -> Outcome {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    text(&lines.join("\n"))
}

/// A bar for work over a second; silent where standard error is no terminal.
pub(super) fn bar() -> ProgressBar {
    let bar = if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_bar} {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}
