//! The words of mails: one file per language, the same functions in each.

mod de;
mod en;

use jiff::{Timestamp, Zoned, civil::Date};

use super::{
    Item, Language, Letter, ShopLine,
    message::{Page, one_line},
};

/// What a language has words for.
struct Words {
    page: fn(&Letter, &Zoned) -> Page,
    entry: fn(&Item) -> String,
}

/// The list of languages: a further one is a file beside those of the others, a line here, and one in [`Language`].
const fn words(language: Language) -> Words {
    match language {
        Language::En => Words { page: en::page, entry: en::entry },
        Language::De => Words { page: de::page, entry: de::entry },
    }
}

/// What a letter says in a language. `now` is in the zone that all its dates are shown in.
pub(super) fn page(language: Language, letter: &Letter, now: &Zoned) -> Page {
    (words(language).page)(letter, now)
}

/// The title of a calendar entry.
pub(super) fn entry(language: Language, item: &Item) -> String {
    (words(language).entry)(item)
}

/// The names of an item's shops.
fn names(shops: &[ShopLine]) -> Vec<String> {
    shops.iter().map(|shop| one_line(&shop.name)).collect()
}

/// How many links there are, and until when all of them lead on.
fn links<'a>(shops: impl IntoIterator<Item = &'a ShopLine>) -> (usize, Option<Timestamp>) {
    let ends: Vec<_> = shops.into_iter().map(|shop| shop.renew.until).collect();
    (ends.len(), ends.into_iter().flatten().min())
}

/// "A", "A and B", "A and 2 more": short enough for a subject.
fn short(names: &[String], and: &str, more: impl Fn(usize) -> String) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} {and} {two}"),
        [one, rest @ ..] => format!("{one} {and} {}", more(rest.len())),
    }
}

/// "A, B and C".
fn listed(names: &[String], and: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} {and} {last}", most.join(", ")),
    }
}

/// The channel, and the account where the channel has a name for it.
fn channel(channel: &str, account: Option<&str>) -> String {
    match account {
        Some(account) => format!("{}, {}", one_line(channel), one_line(account)),
        None => one_line(channel),
    }
}

/// How many local days lie between today and an instant's day; negative after it.
fn days_left(at: &Zoned, now: &Zoned) -> i64 {
    crate::domain::days_left(at.timestamp(), now)
}

/// Whether an end date is still to come.
fn lies_ahead(item: &Item, now: &Zoned) -> bool {
    item.ends_at.is_some_and(|at| at > now.timestamp())
}

/// How many days lie between two dates.
fn days_until(date: Date, today: Date) -> i32 {
    (date - today).get_days()
}

/// An instant in the reader's zone.
fn local(at: Timestamp, now: &Zoned) -> Zoned {
    at.to_zoned(now.time_zone().clone())
}

/// The zone's name.
fn zone(at: &Zoned) -> String {
    at.time_zone().iana_name().unwrap_or("UTC").to_owned()
}
