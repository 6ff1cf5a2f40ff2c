//! Tables that fit the terminal. Names are never broken: columns that matter less are left out first, then the one wide column
//! is cut short, and long words about a row stand on a line of their own below it. In a pipe nothing is cut or left out.

use std::io::{self, IsTerminal};

use console::{Term, measure_text_width, truncate_str};

use super::{Outcome, print};

/// Between columns.
const GAP: usize = 2;
/// What a wide column keeps at least.
const WIDE_AT_LEAST: usize = 16;

/// A table that is being filled.
#[derive(Debug)]
pub(super) struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Row>,
    wide: Option<&'static str>,
    spare: &'static [&'static str],
}

#[derive(Debug)]
enum Row {
    /// A line across all columns, and what it is where there is too little room for it.
    Section(String, Option<String>),
    /// Cells, and what is said below them.
    Cells(Vec<String>, Vec<String>),
}

impl Table {
    /// A table with these headings.
    pub(super) fn new(heads: &[&'static str]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new(), wide: None, spare: &[] }
    }

    /// The column of long texts: what is left is its.
    pub(super) fn wide(mut self, head: &'static str) -> Self {
        self.wide = Some(head);
        self
    }

    /// The columns that are left out where there is too little room, the first of them first.
    pub(super) fn spare(mut self, heads: &'static [&'static str]) -> Self {
        self.spare = heads;
        self
    }

    /// Adds a row: a cell per heading.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(Row::Cells(cells.into(), Vec::new()));
    }

    /// Says something about the last row, where there is something to say.
    pub(super) fn note(&mut self, text: Option<&str>) {
        if let (Some(Row::Cells(_, notes)), Some(text)) = (self.rows.last_mut(), text.filter(|text| !text.is_empty())) {
            notes.push(one_line(text));
        }
    }

    /// Adds a line across all columns.
    pub(super) fn section(&mut self, text: String) {
        self.rows.push(Row::Section(text, None));
    }

    /// Adds a line across all columns, `short` where there is too little room for it.
    pub(super) fn heading(&mut self, text: String, short: String) {
        self.rows.push(Row::Section(text, Some(short)));
    }

    /// Prints it, for the terminal that is there.
    pub(super) fn print(&self) -> Outcome {
        let room = io::stdout().is_terminal().then(|| usize::from(Term::stdout().size().1));
        print::text(&self.lines(room).join("\n"))
    }

    /// The lines for a terminal of so many columns; `None`: a pipe.
    pub(super) fn lines(&self, room: Option<usize>) -> Vec<String> {
        let mut widths: Vec<usize> = (0..self.heads.len()).map(|column| self.natural(column)).collect();
        let mut shown: Vec<usize> = (0..self.heads.len()).collect();
        if let Some(room) = room {
            self.fit(&mut shown, &mut widths, room);
        }
        let line = |cells: &[String]| {
            let cells: Vec<String> = shown
                .iter()
                .map(|column| {
                    let (cell, width) = (cells.get(*column).map_or("", String::as_str), widths[*column]);
                    let cell = truncate_str(cell, width, "…").into_owned();
                    let blanks = width.saturating_sub(measure_text_width(&cell));
                    format!("{cell}{}", " ".repeat(blanks))
                })
                .collect();
            format!("{}{}", self.indent(), cells.join(&" ".repeat(GAP))).trim_end().to_owned()
        };
        let heads: Vec<String> = self.heads.iter().map(ToString::to_string).collect();
        let mut lines = vec![line(&heads)];
        for row in &self.rows {
            match row {
                Row::Section(text, short) => {
                    let fits = room.is_none_or(|room| measure_text_width(text) <= room);
                    lines.push(short.as_ref().filter(|_| !fits).unwrap_or(text).clone());
                }
                Row::Cells(cells, notes) => {
                    lines.push(line(cells));
                    lines.extend(notes.iter().flat_map(|note| below(note, room)));
                }
            }
        }
        lines
    }

    /// Rows below a section stand a little to the right of it.
    fn indent(&self) -> &'static str {
        if self.rows.iter().any(|row| matches!(row, Row::Section(..))) { "  " } else { "" }
    }

    fn natural(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| match row {
            Row::Section(..) => None,
            Row::Cells(cells, _) => cells.get(column).map(|cell| measure_text_width(cell)),
        });
        cells.chain([self.heads[column].len()]).max().unwrap_or_default()
    }

    /// Leaves columns out and cuts the wide one until the rest fits.
    fn fit(&self, shown: &mut Vec<usize>, widths: &mut [usize], room: usize) {
        let column = |head: &str| self.heads.iter().position(|known| *known == head);
        let wide = self.wide.and_then(column);
        let indent = self.indent().len();
        let total = |shown: &[usize], widths: &[usize]| {
            let all: usize = shown.iter().map(|column| widths[*column] + GAP).sum();
            indent + all.saturating_sub(GAP)
        };
        let least = |shown: &[usize], widths: &[usize]| {
            let spared =
                wide.filter(|wide| shown.contains(wide)).map_or(0, |wide| widths[wide].saturating_sub(WIDE_AT_LEAST));
            total(shown, widths) - spared
        };
        for spare in self.spare.iter().filter_map(|head| column(head)) {
            if least(shown, widths) <= room {
                break;
            }
            shown.retain(|column| *column != spare);
        }
        if let Some(wide) = wide {
            let over = total(shown, widths).saturating_sub(room);
            widths[wide] = widths[wide].saturating_sub(over).max(WIDE_AT_LEAST.min(widths[wide]));
        }
    }
}

/// A note, broken between words where the terminal is narrower than it.
fn below(note: &str, room: Option<usize>) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in note.split(' ') {
        let last = lines.last_mut().map(|line| (measure_text_width(line), line));
        match last {
            Some((0, line)) => *line = format!("    {word}"),
            Some((width, line)) if room.is_none_or(|room| width + 1 + measure_text_width(word) <= room) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("    {word}")),
        }
    }
    lines
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> Table {
        let mut table = Table::new(&["RUN", "JOB", "TRIGGER", "TITLE"]).wide("TITLE").spare(&["TRIGGER"]);
        let cells = |run: &str, title: &str| [run, "authorization_refresh", "schedule", title].map(str::to_owned);
        table.row(cells("1", "A short one"));
        table.row(cells("2", "A title that is longer than what is left"));
        table.note(Some("the channel did not answer\nwithin ten seconds"));
        table
    }

    #[test]
    fn a_pipe_gets_everything() {
        insta::assert_snapshot!(runs().lines(None).join("\n"), @r"
        RUN  JOB                    TRIGGER   TITLE
        1    authorization_refresh  schedule  A short one
        2    authorization_refresh  schedule  A title that is longer than what is left
            the channel did not answer within ten seconds
        ");
    }

    #[test]
    fn a_terminal_gets_what_fits_and_no_name_is_broken() {
        insta::assert_snapshot!(runs().lines(Some(60)).join("\n"), @r"
        RUN  JOB                    TRIGGER   TITLE
        1    authorization_refresh  schedule  A short one
        2    authorization_refresh  schedule  A title that is longe…
            the channel did not answer within ten seconds
        ");
        insta::assert_snapshot!(runs().lines(Some(48)).join("\n"), @r"
        RUN  JOB                    TITLE
        1    authorization_refresh  A short one
        2    authorization_refresh  A title that is lon…
            the channel did not answer within ten
            seconds
        ");
    }

    #[test]
    fn a_section_stands_above_its_rows() {
        let mut table = Table::new(&["JOB", "STATE"]);
        table.heading("uk (amazon, Anna): active".to_owned(), "uk: active".to_owned());
        table.row(["product_import".to_owned(), "idle".to_owned()]);
        insta::assert_snapshot!(table.lines(Some(80)).join("\n"), @r"
          JOB             STATE
        uk (amazon, Anna): active
          product_import  idle
        ");
        assert!(table.lines(Some(24)).contains(&"uk: active".to_owned()), "where there is too little room");
    }
}
