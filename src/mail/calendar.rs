//! Calendar entries (RFC 5545): the end of a permission as something a calendar can hold.
//!
//! One entry per authorization, for ever: its UID never changes and its SEQUENCE grows from mail to mail, so that the note of a renewal, or
//! the next reminder of an end that moved a little, moves the entry that an earlier mail had brought.

use jiff::Timestamp;
use url::Url;

use super::{Envelope, Item, Letter, message::Page, words};

/// The year 2020. From here on seconds stay within the 31 bits of RFC 5545's integers (section 3.3.8) until 2088.
const EPOCH: i64 = 1_577_836_800;

/// The entries of a letter, as one calendar; `None` where nothing lies ahead.
pub(super) fn entries(letter: &Letter, envelope: &Envelope<'_>, page: &Page) -> Option<String> {
    if matches!(letter, Letter::Ended(_)) {
        return None;
    }
    let events: Vec<Event> = letter.items().iter().filter_map(|item| event(item, envelope)).collect();
    if events.is_empty() {
        return None;
    }
    let mut calendar = Calendar::new("reminders");
    calendar.line("METHOD:PUBLISH");
    calendar.line(&format!("X-WR-CALDESC:{}", escape(&page.subject)));
    for event in &events {
        calendar.add(event);
    }
    Some(calendar.finish())
}

fn event(item: &Item, envelope: &Envelope<'_>) -> Option<Event> {
    let shop = item.shops.first()?;
    let uid = format!("authorization-{}@{}", item.authorization, envelope.from.domain());
    let links = item.shops.iter().map(|shop| format!("{}: {}", shop.name, shop.renew.url)).collect::<Vec<_>>();
    Some(Event {
        stamped: envelope.now,
        // A mail composed later knows better, and a renewal may follow a reminder by seconds.
        sequence: Some(envelope.now.as_second() - EPOCH),
        description: Some(links.join("\n")),
        url: Some(shop.renew.url.clone()),
        ..Event::new(uid, item.ends_at?, words::entry(envelope.language, item))
    })
}

/// An instant in a calendar.
#[derive(Debug, Clone)]
pub struct Event {
    /// What it is known by, for ever.
    pub uid: String,
    /// When.
    pub at: Timestamp,
    /// Its title.
    pub summary: String,
    /// When this was said of it.
    pub stamped: Timestamp,
    /// Which of what was said of it is the newest: it grows.
    pub sequence: Option<i64>,
    /// What else there is to say.
    pub description: Option<String>,
    /// Where it leads.
    pub url: Option<Url>,
}

impl Event {
    /// One of which nothing more is to be said.
    pub const fn new(uid: String, at: Timestamp, summary: String) -> Self {
        Self { uid, at, summary, stamped: at, sequence: None, description: None, url: None }
    }
}

/// A calendar that is being written.
#[derive(Debug, Clone)]
pub struct Calendar(String);

impl Calendar {
    /// Without entries yet. `of` is said in its PRODID.
    pub fn new(of: &str) -> Self {
        let mut calendar = Self(String::new());
        calendar.line("BEGIN:VCALENDAR");
        calendar.line("VERSION:2.0");
        calendar.line(&format!("PRODID:-//shopsyncd//{of}//EN"));
        calendar
    }

    /// Adds an entry.
    pub fn add(&mut self, event: &Event) {
        let stamp = |at: Timestamp| at.strftime("%Y%m%dT%H%M%SZ").to_string();
        self.line("BEGIN:VEVENT");
        self.line(&format!("UID:{}", event.uid));
        if let Some(sequence) = event.sequence {
            self.line(&format!("SEQUENCE:{sequence}"));
        }
        self.line(&format!("DTSTAMP:{}", stamp(event.stamped)));
        // An instant: an end would have to be later (section 3.6.1).
        self.line(&format!("DTSTART:{}", stamp(event.at)));
        self.line(&format!("SUMMARY:{}", escape(&event.summary)));
        if let Some(description) = &event.description {
            self.line(&format!("DESCRIPTION:{}", escape(description)));
        }
        if let Some(url) = &event.url {
            self.line(&format!("URL:{url}"));
        }
        self.line("TRANSP:TRANSPARENT");
        self.line("END:VEVENT");
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        self.line("END:VCALENDAR");
        self.0
    }

    /// Writes a content line, folded so that none is longer than 75 bytes (section 3.1).
    fn line(&mut self, text: &str) {
        let mut used = 0;
        for c in text.chars() {
            if used + c.len_utf8() > 75 {
                self.0.push_str("\r\n ");
                used = 1;
            }
            self.0.push(c);
            used += c.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

/// Escapes a text value (section 3.3.11).
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
