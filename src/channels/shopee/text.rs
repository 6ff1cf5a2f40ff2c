//! Texts: Shopee's descriptions are plain text with line breaks; the source's may be HTML.

/// The longest text that is worth a call: the vendor's limits (by category, some thousand characters) are far below.
const LONGEST: usize = 100_000;

/// Why a text cannot be sent as it stands, with the remedy.
pub(super) fn fault(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("it is empty".to_owned());
    }
    if text.chars().count() > LONGEST {
        return Some(format!("it is longer than {LONGEST} characters; shorten it in the source"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Some("it has control characters in it; take them out of the source".to_owned());
    }
    has_markup(text).then(|| "it is HTML, and Shopee takes plain text; give the source a plain one".to_owned())
}

fn has_markup(text: &str) -> bool {
    text.match_indices(['<', '&']).any(|(at, _)| tag(&text[at..]).is_some() || entity(&text[at..]).is_some())
}

/// Plain text out of text or HTML: breaks where blocks end, no tags, no entities, no control characters.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((tag, after)) = tag(rest) {
            if ends_line(&tag) {
                plain.push('\n');
            }
            rest = if matches!(tag.as_str(), "script" | "style") { skip(after, &tag) } else { after };
        } else if let Some((letter, after)) = entity(rest) {
            plain.push(letter);
            rest = after;
        } else {
            plain.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    plain.push_str(rest);
    tidy(&plain)
}

/// A tag at the beginning: its name in lower case, with a slash where it closes, and what follows it.
fn tag(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('<')?;
    if let Some(comment) = inner.strip_prefix("!--") {
        return Some((String::new(), comment.split_once("-->").map_or("", |(_, after)| after)));
    }
    let closes = inner.starts_with('/');
    let name: String = inner
        .trim_start_matches('/')
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_lowercase();
    let follows = inner.trim_start_matches('/').chars().nth(name.len());
    let is_tag = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && follows.is_some_and(|c| c == '>' || c == '/' || c.is_whitespace());
    let (_, after) = inner.split_once('>').filter(|_| is_tag)?;
    Some((if closes { format!("/{name}") } else { name }, after))
}

fn ends_line(tag: &str) -> bool {
    const BLOCKS: [&str; 12] = ["br", "/p", "/div", "/li", "/tr", "/h1", "/h2", "/h3", "/h4", "/ul", "/ol", "/table"];
    BLOCKS.contains(&tag)
}

/// What follows the end of a tag whose content is no text.
fn skip<'a>(text: &'a str, tag: &str) -> &'a str {
    let end = format!("</{tag}");
    let lower = text.to_ascii_lowercase();
    lower.find(&end).and_then(|at| text[at..].split_once('>')).map_or("", |(_, after)| after)
}

fn entity(text: &str) -> Option<(char, &str)> {
    let (name, after) = text.strip_prefix('&')?.split_once(';')?;
    let letter = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((letter, after))
}

/// Without control characters, blanks at the ends of lines, and more than one empty line in a row.
fn tidy(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    let mut lines: Vec<String> = Vec::new();
    for line in text.split('\n') {
        let line: String = line.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !c.is_control()).collect();
        let line = line.trim_end();
        if !line.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n").trim().to_owned()
}

/// A title on one line.
pub(super) fn line_of_title(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A vendor's words on one short line.
pub(super) fn line(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    text.trim().to_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_plain_text() {
        for (html, text) in [
            ("plain", "plain"),
            ("<p>One</p><p>Two<br/>Three</p>", "One\nTwo\nThree"),
            ("<ul><li>A &amp; B</li><li>1 &lt; 2</li></ul>", "A & B\n1 < 2"),
            ("<style>p{}</style><!-- x --><b CLASS='y'>bold</b> text", "bold text"),
            ("5 < 6 and a<b", "5 < 6 and a<b"),
            ("&#228;&#x1F455;&nbsp;&unknown;&", "ä👕 &unknown;&"),
            ("a\r\nb\u{0}\u{7}\tc   \n\n\n\nd", "a\nb c\n\nd"),
            ("<script>alert('<b>')</script>rest", "rest"),
            ("<unclosed", "<unclosed"),
            ("ü<p>ß</p>", "üß"),
        ] {
            assert_eq!(plain(html), text, "{html}");
        }
    }

    #[test]
    fn a_text_that_would_not_come_back_as_sent_is_named() {
        assert_eq!(fault("Soft cotton, 5 < 6\nwash at 30"), None);
        for (text, says) in [
            (" ", "empty"),
            ("<p>Soft</p>", "HTML"),
            ("A &amp; B", "HTML"),
            ("a\u{0}b", "control characters"),
            (&"x".repeat(100_001), "longer than"),
        ] {
            assert!(fault(text).unwrap().contains(says), "{text}");
        }
    }
}
