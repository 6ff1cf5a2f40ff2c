//! The words of mails: what a letter says is laid out once, in `page`, and put into words by one file per language.

mod de;
mod en;
mod page;

use jiff::{Timestamp, Zoned, civil::Date};

use super::{
    Item, Language, Letter, ShopLine,
    message::{Page, one_line},
};
use crate::domain::JobKind;

/// The list of languages: a further one is a file beside those of the others, a line here, and one in [`Language`].
const fn words(language: Language) -> &'static dyn Words {
    match language {
        Language::En => &en::English,
        Language::De => &de::German,
    }
}

/// What a letter says in a language. `now` is in the zone that all its dates are shown in, `command` what a reader types for `shopsyncd`.
pub(super) fn page(language: Language, letter: &Letter, now: &Zoned, command: &str) -> Page {
    let mut page = page::Writer { words: words(language), now }.page(letter);
    let lines = page.blocks.iter_mut().flat_map(|block| &mut block.lines);
    for text in page.opening.iter_mut().chain(lines).chain(&mut page.closing) {
        if command != "shopsyncd" {
            *text = text.replace("`shopsyncd ", &format!("`{command} "));
        }
    }
    page
}

/// The title of a calendar entry.
pub(super) fn entry(language: Language, item: &Item) -> String {
    let words = words(language);
    words.entry(&short(words, &names(&item.shops)), &one_line(&item.channel))
}

/// Two texts that belong together: a subject, or a heading, and what is said below it.
struct Said {
    subject: String,
    text: String,
}

impl Said {
    fn new(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { subject: subject.into(), text: text.into() }
    }
}

/// When something ends, seen from today; dates are in words.
enum When {
    /// After so many days, at least two.
    InDays(i64, String),
    /// Tomorrow.
    Tomorrow(String),
    /// Today, at this time of day.
    Today(String),
    /// It was so long ago, or nobody knows.
    Other(Option<String>),
}

/// How a permission has ended; dates and moments are in words.
enum HasEnded<'a> {
    /// The marketplace accepts it no more: its words, if any, and whether the end date is still to come.
    Refused { why: &'a str, lies_ahead: bool },
    /// Refused in its last hour, which counts as its end.
    Early { moment: String },
    /// On its date.
    On { day: String, moment: String },
    /// It had no date.
    Undated,
}

/// What stands before the end of a permission in a list of facts.
enum EndWord {
    Ends,
    Ended,
    EndDate,
}

/// The words of a language. What is handed in stands on one line and is in words already: names, dates, what a marketplace said. `shops` is
/// how many shops are meant, wherever a language may have to tell one from several.
trait Words: Sync {
    /// Between the last two of a list.
    fn and(&self) -> &'static str;
    /// "3 more shops", after the first.
    fn more_shops(&self, count: usize) -> String;
    /// A date, with the year where it is not that of `today`.
    fn day(&self, date: Date, today: Date) -> String;
    /// A moment, with weekday, time and zone.
    fn moment(&self, at: &Zoned) -> String;
    /// When something ends, to follow [`Words::ends`].
    fn when(&self, when: &When) -> String;
    /// "ends …".
    fn ends(&self, when: &When) -> String;
    /// What a job is called.
    fn job(&self, job: JobKind) -> &'static str;
    /// Who sent this.
    fn footer(&self) -> &'static str;

    /// The title of a calendar entry.
    fn entry(&self, shops: &str, channel: &str) -> String;
    /// What to press; for a shop where there are several.
    fn renew(&self, shop: Option<&str>) -> String;
    /// How to renew.
    fn how(&self) -> &'static str;
    /// Until when all links lead on.
    fn links_work(&self, links: usize, until: &str) -> String;
    /// Where it is.
    fn channel(&self, channel: &str) -> String;
    /// When it ends or ended.
    fn end(&self, word: &EndWord, moment: &str) -> String;
    /// How many days are left.
    fn days_left(&self, days: i64) -> String;

    /// Permissions end: one of them, or several with the most urgent first.
    fn one_ends(&self, names: &str, shops: usize, when: &When) -> Said;
    /// See [`Words::one_ends`].
    fn several_end(&self, shops: usize, first: &str, when: &When) -> Said;
    /// What no longer works without a renewal.
    fn stops(&self, shops: usize) -> &'static str;
    /// That nothing is lost.
    fn catches_up(&self, shops: usize) -> &'static str;
    /// A permission has ended: `names` for the subject, `all` for the text.
    fn ended(&self, names: &str, all: &str, how: &HasEnded<'_>) -> Said;
    /// What has stopped.
    fn has_stopped(&self) -> &'static str;
    /// A permission was renewed, until a day.
    fn renewed(&self, names: &str, until: Option<&str>) -> Said;
    /// A fresh link.
    fn fresh_link(&self, name: &str) -> Said;
    /// A test.
    fn test(&self) -> Said;

    /// Several things stand in the way of shops.
    fn obstacles(&self, shops: usize, first: &str) -> Said;
    /// What stands still, before what is said of how it goes on.
    fn stands_still(&self) -> &'static str;
    /// A shop is closed.
    fn closed(&self, name: &str, channel: &str, why: &str) -> Said;
    /// That nothing is lost, of a closed shop; and what to do.
    fn closed_then(&self, channel: &str) -> (&'static str, String);
    /// A right is missing.
    fn scope_missing(&self, names: &str, shops: usize, scope: &str) -> Said;

    /// Several things have happened.
    fn occasions(&self, count: usize, first: &str) -> Said;
    /// The channel refuses a permission.
    fn revoked(&self, shops: &str, channel: &str, account: Option<&str>, why: &str) -> Said;
    /// Nobody renewed a permission.
    fn lapsed(&self, shops: &str, channel: &str) -> Said;
    /// Whether the owners know.
    fn asked(&self, asked: bool) -> &'static str;
    /// A channel refuses our app.
    fn app_rejected(&self, channel: &str, keys: &[String; 2], why: &str) -> Said;
    /// The secret of our app ends or ended.
    fn app_secret_ends(&self, channel: &str, when: &When) -> Said;
    /// A refresh token ends.
    fn refresh_token_ends(&self, shops: &str, channel: &str, day: &str, moment: &str) -> Said;
    /// A guard stopped an export; `shop` is the id.
    fn guard_stopped(&self, shop: &str, name: &str, why: &str) -> Said;
    /// A job keeps failing; `remedy` may be empty.
    fn job_failing(&self, shop: &str, name: &str, job: JobKind, why: &str, remedy: &str) -> Said;
    /// It works again.
    fn job_recovered(&self, name: &str, job: JobKind) -> Said;
    /// The settings were refused.
    fn settings_refused(&self, why: &str) -> Said;
    /// A start found shops in no settings file; `shops` are their ids, in words.
    fn shops_gone(&self, count: usize, shops: &str) -> Said;
    /// A mail cannot be delivered.
    fn undeliverable(&self, id: i64, to: &str, why: &str) -> Said;
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
fn short(words: &dyn Words, names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} {} {two}", words.and()),
        [one, rest @ ..] => format!("{one} {} {}", words.and(), words.more_shops(rest.len())),
    }
}

/// "A, B and C".
fn listed(words: &dyn Words, names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} {} {last}", most.join(", "), words.and()),
    }
}

/// The channel, and the account where the channel has a name for it.
fn channel(channel: &str, account: Option<&str>) -> String {
    match account {
        Some(account) => format!("{}, {}", one_line(channel), one_line(account)),
        None => one_line(channel),
    }
}

/// An instant in the reader's zone.
fn local(at: Timestamp, now: &Zoned) -> Zoned {
    at.to_zoned(now.time_zone().clone())
}

/// The zone's name.
fn zone(at: &Zoned) -> String {
    at.time_zone().iana_name().unwrap_or("UTC").to_owned()
}
