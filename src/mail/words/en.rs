//! English.

use jiff::{
    Zoned,
    civil::{Date, Weekday},
};

use super::{channel, days_left, days_until, lies_ahead, links, listed, local, names, one_line, short, zone};
use crate::{
    domain::JobKind,
    mail::{
        Item, Letter, News, Obstacle, Obstructed, ShopLine,
        message::{Block, Page},
    },
};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const HOW: &str = "To renew, open the link, sign in at the marketplace with the account of the shop and agree. It takes a few clicks.";

/// The title of a calendar entry.
pub(super) fn entry(item: &Item) -> String {
    format!("{}: permission ends ({})", subject_names(item), one_line(&item.channel))
}

/// What a letter says.
pub(super) fn page(letter: &Letter, now: &Zoned) -> Page {
    match letter {
        Letter::Reminder(items) => reminder(items, now),
        Letter::Ended(item) => ended(item, now),
        Letter::Renewed(item) => renewed(item, now),
        Letter::FreshLink(shop) => Page {
            subject: format!("{}: a fresh link for renewing the permission", one_line(&shop.name)),
            opening: vec!["Somebody followed an old link and asked for a fresh one. Here it is.".to_owned()],
            blocks: vec![Block {
                heading: one_line(&shop.name),
                lines: Vec::new(),
                links: vec![("Renew the permission".to_owned(), shop.renew.url.to_string())],
            }],
            closing: vec![how(std::slice::from_ref(shop), now)],
            footer: footer(),
        },
        Letter::Obstacles(all) => obstacles(all, now),
        Letter::Operator(news) => operator(news, now),
        Letter::Test => Page {
            subject: "shopsyncd can send mail".to_owned(),
            opening: vec![
                "This is a test. Nothing needs to be done: mail from shopsyncd reaches this address.".to_owned(),
            ],
            blocks: Vec::new(),
            closing: Vec::new(),
            footer: footer(),
        },
    }
}

/// What stands in the way of shops: one page, however many there are.
fn obstacles(all: &[Obstructed], now: &Zoned) -> Page {
    let mut pages: Vec<Page> = all.iter().map(|one| obstructed(one, now)).collect();
    if pages.len() == 1 {
        return pages.remove(0);
    }
    let shops: usize = all.iter().map(|one| one.shops.len()).sum();
    let first = pages.first().map_or_else(String::new, |page| page.subject.clone());
    let mut closing: Vec<String> = Vec::new();
    for line in pages.iter().flat_map(|page| &page.closing) {
        if !closing.contains(line) {
            closing.push(line.clone());
        }
    }
    let told = pages.into_iter().flat_map(|page| {
        let lines = page.opening;
        page.blocks.into_iter().map(move |block| Block { lines: lines.clone(), ..block })
    });
    Page {
        subject: format!("{shops} shops cannot be worked in, first {first}"),
        opening: vec!["These shops cannot be worked in at present.".to_owned()],
        blocks: told.collect(),
        closing,
        footer: footer(),
    }
}

fn obstructed(Obstructed { shops, channel, obstacle }: &Obstructed, now: &Zoned) -> Page {
    let (names, channel) = (names(shops), one_line(channel));
    let these = if shops.len() == 1 { "this shop" } else { "these shops" };
    let name = short_names(&names);
    let (subject, opening, then, closing, links) = match obstacle {
        Obstacle::Closed(why) => (
            format!("{name}: {channel} says that the shop is closed"),
            format!(
                "{channel} lets nobody work in this shop at present. Its words: \u{201c}{}\u{201d}.",
                one_line(why)
            ),
            "Nothing is lost: the shop's jobs wait, and once it is open again everything that was missed is caught up unasked.",
            format!(
                "Please look into the shop at {channel}. Nothing has to be renewed here; whether the shop is open again is looked at once a day."
            ),
            Vec::new(),
        ),
        Obstacle::ScopeMissing(scope) => (
            format!("{name}: the permission lacks a right"),
            format!(
                "The permission to work in {these} lacks a right that shopsyncd needs: \u{201c}{}\u{201d}.",
                one_line(scope)
            ),
            catches_up(shops.len()),
            how(shops, now),
            renewals(shops, "Renew the permission"),
        ),
    };
    Page {
        subject,
        opening: vec![opening, format!("Product import and product export stand still. {then}")],
        blocks: vec![Block { heading: listed(&names, "and"), lines: Vec::new(), links }],
        closing: vec![closing],
        footer: footer(),
    }
}

fn reminder(items: &[Item], now: &Zoned) -> Page {
    let shops: usize = items.iter().map(|item| item.shops.len()).sum();
    let first = items.first();
    let ends = format!("ends {}", first.map_or_else(String::new, |item| when(item, now)));
    let (subject, opening) = match items {
        [item] => {
            let these = if shops == 1 { "this shop" } else { "these shops" };
            (
                format!("{}: permission {ends}", subject_names(item)),
                format!("The permission to work in {these} {ends}. Only the owner of the shop can renew it."),
            )
        }
        _ => (
            format!(
                "Permission for {shops} shops ends soon, first {}: {}",
                first.map_or_else(String::new, subject_names),
                first.map_or_else(String::new, |item| when(item, now))
            ),
            "The permissions to work in these shops end soon, the most urgent one first. Only the owner of a shop can renew its permission."
                .to_owned(),
        ),
    };
    Page {
        subject,
        opening: vec![opening],
        blocks: items.iter().map(|item| block(item, now, "Renew the permission", false)).collect(),
        closing: vec![
            how(items.iter().flat_map(|item| &item.shops), now),
            format!("{} {}", stops(shops), catches_up(shops)),
        ],
        footer: footer(),
    }
}

fn ended(item: &Item, now: &Zoned) -> Page {
    let names = subject_names(item);
    let (subject, opening) = match (&item.revoked, item.ends_at) {
        (Some(why), _) => {
            let why = if why.is_empty() { String::new() } else { format!(" Its words: \"{}\".", one_line(why)) };
            let before = if lies_ahead(item, now) { ", although its end date has not come" } else { "" };
            (
                format!("{names}: the marketplace no longer accepts the permission"),
                format!(
                    "The marketplace no longer accepts the permission to work in {}{before}.{why} A password that was changed there is a usual cause.",
                    listed(&super::names(&item.shops), "and")
                ),
            )
        }
        // Refused in its last hour: that counts as its end.
        (None, Some(at)) if lies_ahead(item, now) => (
            format!("{names}: permission ended"),
            format!(
                "The permission to work in {} has ended, shortly before its end date: {}.",
                listed(&super::names(&item.shops), "and"),
                moment(&local(at, now))
            ),
        ),
        (None, Some(at)) => {
            let at = local(at, now);
            (
                format!("{names}: permission ended on {}", day(at.date(), now.date())),
                format!(
                    "The permission to work in {} ended on {}.",
                    listed(&super::names(&item.shops), "and"),
                    moment(&at)
                ),
            )
        }
        (None, None) => (
            format!("{names}: permission ended"),
            format!("The permission to work in {} ended.", listed(&super::names(&item.shops), "and")),
        ),
    };
    Page {
        subject,
        opening: vec![
            opening,
            format!("Product import and product export have stopped. {}", catches_up(item.shops.len())),
        ],
        blocks: vec![block(item, now, "Renew the permission", true)],
        closing: vec![how(&item.shops, now)],
        footer: footer(),
    }
}

fn renewed(item: &Item, now: &Zoned) -> Page {
    let until = item.ends_at.map(|at| local(at, now));
    let suffix = until.as_ref().map_or_else(String::new, |at| format!(" until {}", day(at.date(), now.date())));
    Page {
        subject: format!("{}: permission renewed{suffix}", subject_names(item)),
        opening: vec![
            "Thank you: the permission was renewed. Nothing more needs to be done; whatever was missed is being caught up now."
                .to_owned(),
        ],
        blocks: vec![Block { links: Vec::new(), ..block(item, now, "", false) }],
        closing: Vec::new(),
        footer: footer(),
    }
}

/// A permission, which may be `over`.
fn block(item: &Item, now: &Zoned, act: &str, over: bool) -> Block {
    let mut lines = vec![format!("Channel: {}", channel(&item.channel, item.account.as_deref()))];
    // The end date of a refused permission means nothing any more.
    if let (Some(at), None) = (item.ends_at, &item.revoked) {
        let at = local(at, now);
        let word = match (over, at > *now) {
            (false, _) => "Ends",
            (true, true) => "End date",
            (true, false) => "Ended",
        };
        lines.push(format!("{word}: {}", moment(&at)));
        if !over {
            lines.push(format!("Days left: {}", days_left(&at, now)));
        }
    }
    Block { heading: listed(&names(&item.shops), "and"), lines, links: renewals(&item.shops, act) }
}

/// What to press: one for each shop.
fn renewals(shops: &[ShopLine], act: &str) -> Vec<(String, String)> {
    let one = shops.len() == 1;
    let words = |shop: &ShopLine| if one { act.to_owned() } else { format!("{act} for {}", one_line(&shop.name)) };
    shops.iter().map(|shop| (words(shop), shop.renew.url.to_string())).collect()
}

/// What no longer works without a renewal.
fn stops(shops: usize) -> &'static str {
    if shops == 1 {
        "If nobody renews it in time, shopsyncd can no longer read or change the products of the shop: product import and product export stop."
    } else {
        "If nobody renews one in time, shopsyncd can no longer read or change the products of its shops: product import and product export stop there."
    }
}

fn catches_up(shops: usize) -> &'static str {
    if shops == 1 {
        "Nothing is lost: the shop's jobs wait, and after the renewal everything that was missed is caught up unasked."
    } else {
        "Nothing is lost: the shops' jobs wait, and after the renewal everything that was missed is caught up unasked."
    }
}

/// How to renew, and until when the links lead on.
fn how<'a>(shops: impl IntoIterator<Item = &'a ShopLine>, now: &Zoned) -> String {
    let (count, until) = links(shops);
    let works = if count == 1 { "The link works" } else { "The links work" };
    let until = until.map(|at| format!(" {works} until {}.", day(local(at, now).date(), now.date())));
    format!("{HOW}{}", until.unwrap_or_default())
}

fn operator(news: &[News], now: &Zoned) -> Page {
    let mut told: Vec<(String, String)> = news.iter().map(|one| occasion(one, now)).collect();
    if told.len() == 1 {
        let (subject, opening) = told.remove(0);
        return Page { subject, opening: vec![opening], blocks: Vec::new(), closing: Vec::new(), footer: footer() };
    }
    let first = told.first().map_or_else(String::new, |(subject, _)| subject.clone());
    Page {
        subject: format!("{} things to know, first {first}", told.len()),
        opening: vec!["These things have happened, in this order.".to_owned()],
        blocks: told
            .into_iter()
            .map(|(heading, line)| Block { heading, lines: vec![line], links: Vec::new() })
            .collect(),
        closing: Vec::new(),
        footer: footer(),
    }
}

/// What has happened: in one line, and in full.
fn occasion(news: &News, now: &Zoned) -> (String, String) {
    let today = now.date();
    match news {
        News::AuthorizationRevoked { channel: on, account, shops, why, asked, .. } => (
            format!("{}: the channel refuses the permission", listed(shops, "and")),
            format!(
                "{} refuses the permission of {}{} before its end date: {}. A changed password at the marketplace is a usual cause.{}",
                one_line(on),
                listed(shops, "and"),
                account.as_deref().map(|account| format!(" (account {})", one_line(account))).unwrap_or_default(),
                one_line(why),
                asked_or_not(*asked)
            ),
        ),
        News::AppRejected { channel, keys: [id, secret], why, .. } => (
            format!("{channel} refuses our app: all its shops wait"),
            format!(
                "{channel} refuses the credentials of our app: {}. All shops that work with it wait. Correct `{id}` and `{secret}` in the settings; the jobs go on by themselves.",
                one_line(why)
            ),
        ),
        News::AppSecretEnds { channel, ends_on } => {
            let when = match days_until(*ends_on, today) {
                days if days > 1 => format!("ends in {days} days, on {}", day(*ends_on, today)),
                1 => format!("ends tomorrow, on {}", day(*ends_on, today)),
                0 => "ends today".to_owned(),
                _ => format!("ended on {}", day(*ends_on, today)),
            };
            (
                format!("{channel}: the app's client secret {when}"),
                format!(
                    "The client secret of our app at {channel} {when}. Make a new one in the channel's developer pages, and set `client_secret` and `client_secret_ends` in the settings. Without it no shop of this channel can be worked in."
                ),
            )
        }
        News::RefreshTokenEnds { channel: on, account, shops, ends_at, .. } => (
            format!("{}: the refresh token ends on {}", listed(shops, "and"), day(local(*ends_at, now).date(), today)),
            format!(
                "The refresh token of {} at {} ends on {}, although it should have been replaced long before. Look at `shopsyncd status` and `shopsyncd runs list`; the owner can renew the permission at any time.",
                listed(shops, "and"),
                channel(on, account.as_deref()),
                moment(&local(*ends_at, now))
            ),
        ),
        News::GuardStopped { shop, name, why } => (
            format!("{name}: a guard stopped the export"),
            format!(
                "The export to {name} would have done too much and was stopped before anything was sent: {}. Until you decide, prices and stock of all its other SKUs wait too. Look at the plan with `shopsyncd jobs run {shop} product_export --dry-run`; if it is right, let it through with `shopsyncd jobs run {shop} product_export --release-guard`.",
                one_line(why)
            ),
        ),
        News::JobFailing { shop, name, job, why, remedy } => (
            format!("{name}: {} keeps failing", job_name(*job)),
            format!(
                "The {} of {name} keeps failing: {}.{} See `shopsyncd jobs why {shop} {job}`. It goes on trying; you will hear once more when it works again.",
                job_name(*job),
                one_line(why),
                if remedy.is_empty() { String::new() } else { format!(" What to do: {}.", one_line(remedy)) }
            ),
        ),
        News::JobRecovered { name, job, .. } => (
            format!("{name}: {} works again", job_name(*job)),
            format!("The {} of {name} works again. Nothing needs to be done.", job_name(*job)),
        ),
        News::AuthorizationLapsed { channel: on, account, shops, asked, .. } => (
            format!("{}: the permission has ended", listed(shops, "and")),
            format!(
                "The permission to work in {} at {} has ended, because nobody renewed it in time. Their jobs wait, and nothing is lost.{}",
                listed(shops, "and"),
                channel(on, account.as_deref()),
                asked_or_not(*asked)
            ),
        ),
        News::SettingsRefused { why } => (
            "the newest settings were refused".to_owned(),
            format!(
                "The settings were edited and refused; the ones before keep serving: {}. Look with `shopsyncd check`, and correct them: they are read again at once.",
                one_line(why)
            ),
        ),
        News::Undeliverable { id, to, why } => (
            format!("mail to {} cannot be delivered", one_line(to)),
            format!(
                "A mail to {} was given up: {}. If the address is wrong, correct it in the settings: what a shop's people have missed goes to the new one by itself. If it was the relay, mend it; then `shopsyncd mail retry {id}` sends again what still holds. `shopsyncd mail list` shows the others.",
                one_line(to),
                one_line(why)
            ),
        ),
    }
}

/// Whether the owners know.
const fn asked_or_not(asked: bool) -> &'static str {
    if asked {
        " The owners have been asked to renew it."
    } else {
        " Nobody is reminded of it: name somebody in `remind`."
    }
}

fn subject_names(item: &Item) -> String {
    short_names(&names(&item.shops))
}

fn short_names(names: &[String]) -> String {
    short(names, "and", |count| format!("{count} more shops"))
}

/// "in 20 days, on 13 December".
fn when(item: &Item, now: &Zoned) -> String {
    let Some(at) = item.ends_at.map(|at| local(at, now)) else { return "soon".to_owned() };
    let date = day(at.date(), now.date());
    match days_left(&at, now) {
        days if days > 1 => format!("in {days} days, on {date}"),
        1 => format!("tomorrow, on {date}"),
        _ => format!("today at {}", at.strftime("%H:%M")),
    }
}

/// "13 December", with the year where it is another one.
fn day(date: Date, today: Date) -> String {
    let month = MONTHS[usize::from(date.month().unsigned_abs()) - 1];
    if date.year() == today.year() {
        format!("{} {month}", date.day())
    } else {
        format!("{} {month} {}", date.day(), date.year())
    }
}

/// "Sunday, 13 December 2026, 12:00 (Europe/Berlin)".
fn moment(at: &Zoned) -> String {
    let weekday = match at.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    };
    let month = MONTHS[usize::from(at.month().unsigned_abs()) - 1];
    format!("{weekday}, {} {month} {}, {} ({})", at.day(), at.year(), at.strftime("%H:%M"), zone(at))
}

const fn job_name(job: JobKind) -> &'static str {
    match job {
        JobKind::AuthorizationRefresh => "authorization refresh",
        JobKind::ProductImport => "product import",
        JobKind::ProductExport => "product export",
        JobKind::Remind => "reminders",
        JobKind::SendMail => "delivery of mail",
    }
}

fn footer() -> String {
    "Sent by shopsyncd, which looks after your shops.".to_owned()
}
