//! How a page is laid out: lines that a terminal shows whole, and commands that can be copied.

use console::measure_text_width;

use super::message::{Block, Page};

/// How wide a line of the text part is at most, where its words allow it.
const WIDTH: usize = 72;

/// A stretch of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Words(&'a str),
    /// What is typed, or stands in a file: shown as it is, and never broken.
    Code(&'a str),
}

/// The stretches of a text, in which code stands between backticks.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let parts: Vec<&str> = text.split('`').collect();
    // One that has no other is no quotation mark.
    if parts.len().is_multiple_of(2) {
        return vec![Piece::Words(text)];
    }
    let parts = parts.into_iter().enumerate().filter(|(_, part)| !part.is_empty());
    parts.map(|(number, part)| if number % 2 == 0 { Piece::Words(part) } else { Piece::Code(part) }).collect()
}

/// A page for the text part: long lines are wrapped, links and commands stay whole.
pub(super) fn wrapped(page: &Page) -> Page {
    let all = |texts: &[String]| texts.iter().map(|text| wrap(text, "")).collect();
    let block = |block: &Block| Block {
        heading: wrap(&block.heading, ""),
        lines: block.lines.iter().map(|line| wrap(line, "  ")).collect(),
        links: block.links.iter().map(|(words, address)| (wrap(words, "  "), address.clone())).collect(),
    };
    Page {
        subject: page.subject.clone(),
        opening: all(&page.opening),
        blocks: page.blocks.iter().map(block).collect(),
        closing: all(&page.closing),
        footer: wrap(&page.footer, ""),
    }
}

/// Breaks a text into lines, each after the first begun with `indent`, which stands before the first already.
fn wrap(text: &str, indent: &str) -> String {
    let (mut lines, mut line, mut width) = (String::new(), String::new(), indent.len());
    for word in words(text) {
        let more = measure_text_width(word);
        if !line.is_empty() && width + 1 + more > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            lines.push_str(indent);
            line.clear();
            width = indent.len();
        }
        if !line.is_empty() {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += more;
    }
    lines + &line
}

/// What stands between blanks, where those within code are none.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.matches('`').count().is_multiple_of(2);
    let mut code = false;
    text.split(move |c: char| {
        code ^= quoted && c == '`';
        c == ' ' && !code
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_a_terminal_and_commands_stay_whole() {
        let text = "Bitte prüfen, öffnen, schließen und größer machen, übermäßig häufig: \
            `shopsyncd jobs run amazon-de product_export --release-guard`; dann ist es gut.";
        assert_eq!(
            wrap(text, "  "),
            "Bitte prüfen, öffnen, schließen und größer machen, übermäßig häufig:\n  \
             `shopsyncd jobs run amazon-de product_export --release-guard`; dann\n  ist es gut."
        );
        assert_eq!(wrap("a  b", ""), "a  b", "blanks stay");
        let link = format!("https://shops.example.com/{}", "x".repeat(100));
        assert_eq!(wrap(&format!("see {link} now"), ""), format!("see\n{link}\nnow"));
        let wide = "店".repeat(20);
        assert_eq!(wrap(&format!("{wide} {wide}"), ""), format!("{wide}\n{wide}"), "two columns each");
    }

    #[test]
    fn code_stands_between_backticks() {
        assert_eq!(
            pieces("set `a b` and `c`."),
            [Piece::Words("set "), Piece::Code("a b"), Piece::Words(" and "), Piece::Code("c"), Piece::Words("."),]
        );
        assert_eq!(pieces("Bob`s shop"), [Piece::Words("Bob`s shop")]);
        let long = "x".repeat(65);
        assert_eq!(wrap(&format!("Bob`s {long} shop"), ""), format!("Bob`s {long}\nshop"));
    }
}
