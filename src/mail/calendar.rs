//! Calendar entries (RFC 5545): the end of a permission as something a calendar can hold.
//!
//! One entry per authorization, for ever: its UID never changes and its SEQUENCE grows from mail to mail, so that the note of a renewal, or
//! the next reminder of an end that moved a little, moves the entry that an earlier mail had brought.

use std::fmt::Write as _;

use super::{Envelope, Item, Letter, message::Page, words};

/// The year 2020. From here on seconds stay within the 31 bits of RFC 5545's integers (section 3.3.8) until 2088.
const EPOCH: i64 = 1_577_836_800;

/// The entries of a letter, as one calendar; `None` where nothing lies ahead.
pub(super) fn entries(letter: &Letter, envelope: &Envelope<'_>, page: &Page) -> Option<String> {
    if matches!(letter, Letter::Ended(_)) {
        return None;
    }
    let events: Vec<String> = letter.items().iter().filter_map(|item| event(item, envelope)).collect();
    if events.is_empty() {
        return None;
    }
    let mut calendar = String::new();
    line(&mut calendar, "BEGIN:VCALENDAR");
    line(&mut calendar, "VERSION:2.0");
    line(&mut calendar, "PRODID:-//shopsyncd//reminders//EN");
    line(&mut calendar, "METHOD:PUBLISH");
    line(&mut calendar, &format!("X-WR-CALDESC:{}", escape(&page.subject)));
    calendar.extend(events);
    line(&mut calendar, "END:VCALENDAR");
    Some(calendar)
}

fn event(item: &Item, envelope: &Envelope<'_>) -> Option<String> {
    let ends_at = item.ends_at?.strftime("%Y%m%dT%H%M%SZ");
    let shop = item.shops.first()?;
    let mut event = String::new();
    line(&mut event, "BEGIN:VEVENT");
    line(&mut event, &format!("UID:authorization-{}@{}", item.authorization, envelope.from.domain()));
    // A mail composed later knows better, and a renewal may follow a reminder by seconds.
    line(&mut event, &format!("SEQUENCE:{}", envelope.now.as_second() - EPOCH));
    line(&mut event, &format!("DTSTAMP:{}", envelope.now.strftime("%Y%m%dT%H%M%SZ")));
    // An instant: an end would have to be later (section 3.6.1).
    line(&mut event, &format!("DTSTART:{ends_at}"));
    line(&mut event, &format!("SUMMARY:{}", escape(&words::entry(envelope.language, item))));
    let links =
        item.shops.iter().map(|shop| format!("{}: {}", shop.name, shop.renew.url)).collect::<Vec<_>>().join("\n");
    line(&mut event, &format!("DESCRIPTION:{}", escape(&links)));
    line(&mut event, &format!("URL:{}", shop.renew.url));
    line(&mut event, "TRANSP:TRANSPARENT");
    line(&mut event, "END:VEVENT");
    Some(event)
}

/// Escapes a text value (section 3.3.11).
pub fn escape(text: &str) -> String {
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

/// Writes a content line, folded so that none is longer than 75 bytes (section 3.1).
pub fn line(calendar: &mut String, text: &str) {
    let mut used = 0;
    for c in text.chars() {
        if used + c.len_utf8() > 75 {
            calendar.push_str("\r\n ");
            used = 1;
        }
        // Writing to a text cannot fail.
        let _ = calendar.write_char(c);
        used += c.len_utf8();
    }
    calendar.push_str("\r\n");
}
