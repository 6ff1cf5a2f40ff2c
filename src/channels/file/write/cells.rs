//! Cells and values put into rows that stay as they are otherwise.

use crate::channels::file::{
    json_lines::{self, Names, Object},
    records::{Record, Records},
    text::Text,
};

/// The row with other texts in some cells; `None` when it cannot be read, or lacks one of them.
pub(in crate::channels::file) fn edit_cells(text: &str, delimiter: u8, cells: &[(usize, String)]) -> Option<String> {
    let mut text = text.to_owned();
    for (index, new) in cells {
        let mut record = Record::default();
        Records::new(Text::in_memory(&text)).next_record(delimiter, &mut record).ok()?;
        let (range, quoted) = record.span(*index)?;
        text = format!("{}{}{}", &text[..range.start], cell_text(new, delimiter, quoted), &text[range.end..]);
    }
    Some(text)
}

/// The line with another value of one key of ours, which is added where it is missing.
pub(super) fn edit_value(text: &str, names: &Names, name: &str, new: &str) -> Option<String> {
    let mut record = Record::default();
    Records::new(Text::in_memory(text)).next_line(&mut record).ok()?;
    let line = record.line_text();
    let object = Object::read(&record).ok()?;
    let key = names.theirs(name);
    if let Some((range, old)) = object.span(key, line) {
        let value = json_lines::value_of(name, new, Some(old));
        return Some(format!("{}{value}{}", &text[..range.start], &text[range.end..]));
    }
    let end = line.rfind('}')?;
    let before = text[..end].trim_end();
    let comma = if before.ends_with('{') { "" } else { ", " };
    let value = json_lines::value_of(name, new, None);
    Some(format!(
        "{before}{comma}{}: {value}{}{}",
        serde_json::Value::from(key),
        &text[before.len()..end],
        &text[end..]
    ))
}

/// A new row with texts in some of its cells; later ones win.
pub(in crate::channels::file) fn record_of(width: usize, delimiter: u8, cells: &[(usize, String)]) -> String {
    let mut texts = vec![""; width];
    for (index, text) in cells {
        if let Some(cell) = texts.get_mut(*index) {
            *cell = text;
        }
    }
    record_text(texts, delimiter)
}

/// A line of CSV, without its line end.
pub fn csv_line<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    record_text(texts, b',')
}

/// Texts as one record, without its line end.
pub(in crate::channels::file) fn record_text<'a>(texts: impl IntoIterator<Item = &'a str>, delimiter: u8) -> String {
    let cells: Vec<_> = texts.into_iter().map(|text| cell_text(text, delimiter, false)).collect();
    cells.join(&char::from(delimiter).to_string())
}

/// A text as a cell, in quotes where it needs them or had them.
fn cell_text(text: &str, delimiter: u8, quoted: bool) -> String {
    let needs = text.contains(['"', '\n', '\r', char::from(delimiter)]) || text.trim() != text;
    if quoted || needs { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
