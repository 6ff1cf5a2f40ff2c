//! Plain texts as parts of a page.

use askama::Template as _;
use jiff::civil::date;

use crate::web::{
    page::{Page, Tone},
    text::{Piece, Text},
};

fn words(text: &str) -> Piece {
    Piece::Words(text.into())
}

fn code(text: &str) -> Piece {
    Piece::Code(text.into())
}

#[test]
fn code_and_dates_stand_out_of_the_words() {
    let day = || Piece::Day(date(2027, 1, 10));
    let cases = [
        ("", vec![]),
        ("plain", vec![words("plain")]),
        ("see `shops list`.", vec![words("see "), code("shops list"), words(".")]),
        ("`a``b`", vec![code("a"), code("b")]),
        ("`a` and one ` more", vec![code("a"), words(" and one ` more")]),
        ("``", vec![words("``")]),
        ("until 2027-01-10. Then", vec![words("until "), day(), words(". Then")]),
        ("(2027-01-10)", vec![words("("), day(), words(")")]),
        ("2027-01-10 2027-01-10", vec![day(), words(" "), day()]),
        ("`2027-01-10`", vec![code("2027-01-10")]),
        ("at 2027-01-10T08:00:00Z", vec![words("at 2027-01-10T08:00:00Z")]),
        ("id 2027-01-101, 2027-13-10, é2027-01-1", vec![words("id 2027-01-101, 2027-13-10, é2027-01-1")]),
    ];
    for (text, pieces) in cases {
        assert_eq!(Text::from(text).pieces(), pieces, "{text}");
    }
}

#[test]
fn what_is_to_be_done_stands_in_a_paragraph_of_its_own() {
    for (told, paragraphs) in [
        ("it was refused", vec!["It was refused."]),
        ("it was refused; open the link", vec!["It was refused.", "Open the link."]),
        ("it was refused; wait; then try.", vec!["It was refused.", "Wait; then try."]),
        ("a (b; c); d", vec!["A (b; c).", "D."]),
        ("`a; b` is wrong; mend it", vec!["`a; b` is wrong.", "Mend it."]),
        ("ärger", vec!["Ärger."]),
        ("", vec![]),
    ] {
        let wanted: Vec<_> = paragraphs.into_iter().map(Text::from).collect();
        assert_eq!(Text::sentences(told), wanted, "{told}");
    }
}

#[test]
fn whatever_a_text_has_in_it_is_escaped() {
    const EVIL: &str = r#"<b>"'&"#;
    let page = Page {
        title: EVIL.into(),
        tone: Tone::Plain,
        paragraphs: vec![format!("{EVIL} `{EVIL}` 2027-01-10").into()],
        facts: vec![("Consented", EVIL.into())],
        form: None,
        closing: vec![format!("`</code>{EVIL}`").into()],
        links: Vec::new(),
        command: Some(EVIL.into()),
        root: String::new(),
    };
    let page = page.render().unwrap();
    assert!(!page.contains("<b>") && !page.contains("</code>&#60;b") && !page.contains("\"'"), "{page}");
    let told = "<p>&#60;b&#62;&#34;&#39;&#38; <code>&#60;b&#62;&#34;&#39;&#38;</code> <time datetime=\"2027-01-10\">10 January 2027</time></p>";
    assert!(page.contains(told), "{page}");
}
