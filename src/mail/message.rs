//! A letter becomes a whole message: header, text, HTML and a calendar entry.
//!
//! Everything that goes into a header passes lettre's builders and is stripped of line ends before, so that no name can add a header.

use askama::Template;
use jiff::{Timestamp, tz::TimeZone};
use lettre::{
    Message,
    message::{
        Attachment, Mailbox, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};

use super::{
    Language, Letter, MailError, Sender, address, calendar,
    layout::{Piece, pieces, wrapped},
    words,
};
use crate::domain::ShopId;

/// What stands around a letter.
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    /// The sender.
    pub from: &'a Sender,
    /// The recipient's address.
    pub to: &'a str,
    /// What the recipient is called.
    pub to_name: Option<&'a str>,
    /// The message's fixed id, with or without its angle brackets.
    pub message_id: &'a str,
    /// The shops it is about.
    pub shops: &'a [ShopId],
    /// The recipient's language.
    pub language: Language,
    /// The zone of all dates in it.
    pub zone: &'a TimeZone,
    /// What a reader types to reach the daemon: `shopsyncd`, with whatever finds its settings.
    pub command: &'a str,
    /// The moment it is composed: its date, and what days are counted from.
    pub now: Timestamp,
}

/// A message, frozen: each attempt hands over the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The subject, readable.
    pub subject: String,
    /// The whole message, 7-bit but for addresses whose local part is not, lines ended by CRLF.
    pub message: String,
}

/// What a letter says in one language: the templates only lay it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// Says it all.
    pub(super) subject: String,
    /// Paragraphs before the blocks.
    pub(super) opening: Vec<String>,
    /// One per permission.
    pub(super) blocks: Vec<Block>,
    /// Paragraphs after them.
    pub(super) closing: Vec<String>,
    /// Who sent this, and why.
    pub(super) footer: String,
}

/// One permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// What it is about.
    pub(super) heading: String,
    /// What there is to know: one line each.
    pub(super) lines: Vec<String>,
    /// What to press: words and address.
    pub(super) links: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "letter.txt", escape = "none")]
struct Text<'a> {
    page: &'a Page,
}

#[derive(Template)]
#[template(path = "letter.html")]
struct Html<'a> {
    page: &'a Page,
    language: &'static str,
}

impl Html<'_> {
    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn pieces<'t>(&self, text: &'t str) -> Vec<Piece<'t>> {
        pieces(text)
    }
}

/// Composes a message.
pub fn compose(letter: &Letter, envelope: &Envelope<'_>) -> Result<Composed, MailError> {
    let now = envelope.now.to_zoned(envelope.zone.clone());
    let page = words::page(envelope.language, letter, &now, envelope.command);
    let fault = |cause: askama::Error| MailError::permanent(format!("mail template: {cause}"));
    let text = Text { page: &wrapped(&page) }.render().map_err(fault)?;
    let html = Html { page: &page, language: envelope.language.as_str() }.render().map_err(fault)?;
    let mut bodies = MultiPart::mixed()
        .multipart(MultiPart::alternative().singlepart(SinglePart::plain(text)).singlepart(SinglePart::html(html)));
    if let Some(entry) = calendar::entries(letter, envelope, &page) {
        bodies = bodies.singlepart(attachment(entry)?);
    }
    let subject = one_line(&page.subject);
    let to = Mailbox::new(envelope.to_name.map(one_line), address(envelope.to)?);
    let shops = envelope.shops.iter().map(ShopId::as_str).collect::<Vec<_>>().join(", ");
    let message = Message::builder()
        .from(envelope.from.0.clone())
        .to(to)
        .subject(subject.clone())
        .date(envelope.now.into())
        .message_id(Some(format!("<{}>", one_line(envelope.message_id).trim_matches(['<', '>']))))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Shopsyncd-Kind", letter.kind().as_str()))
        .raw_header(header("X-Shopsyncd-Shops", &shops))
        .multipart(bodies)
        .map_err(|cause| MailError::permanent(format!("mail to `{}`: {cause}", envelope.to)))?;
    let message = String::from_utf8(message.formatted())
        .map_err(|_| MailError::permanent("a composed mail is not text; this is a fault of shopsyncd"))?;
    Ok(Composed { subject, message })
}

/// The subject that a letter would have now.
pub fn subject(letter: &Letter, language: Language, zone: &TimeZone, now: Timestamp) -> String {
    one_line(&words::page(language, letter, &now.to_zoned(zone.clone()), "shopsyncd").subject)
}

fn attachment(entry: String) -> Result<SinglePart, MailError> {
    let kind = ContentType::parse("text/calendar; charset=utf-8; method=PUBLISH")
        .map_err(|cause| MailError::permanent(format!("calendar entry: {cause}")))?;
    Ok(Attachment::new("permission.ics".to_owned()).body(entry, kind))
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), one_line(value))
}

/// A text without line ends and other control characters.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
