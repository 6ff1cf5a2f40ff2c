//! English.

use jiff::{
    Zoned,
    civil::{Date, Weekday},
};

use super::{EndWord, HasEnded, Said, When, Words, zone};
use crate::domain::JobKind;

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

pub(super) struct English;

fn month(date: Date) -> &'static str {
    MONTHS[usize::from(date.month().unsigned_abs()) - 1]
}

const fn these(shops: usize) -> &'static str {
    if shops == 1 { "this shop" } else { "these shops" }
}

impl Words for English {
    fn and(&self) -> &'static str {
        "and"
    }

    fn more_shops(&self, count: usize) -> String {
        format!("{count} more shops")
    }

    fn day(&self, date: Date, today: Date) -> String {
        let (day, month) = (date.day(), month(date));
        if date.year() == today.year() { format!("{day} {month}") } else { format!("{day} {month} {}", date.year()) }
    }

    fn moment(&self, at: &Zoned) -> String {
        let weekday = match at.weekday() {
            Weekday::Monday => "Monday",
            Weekday::Tuesday => "Tuesday",
            Weekday::Wednesday => "Wednesday",
            Weekday::Thursday => "Thursday",
            Weekday::Friday => "Friday",
            Weekday::Saturday => "Saturday",
            Weekday::Sunday => "Sunday",
        };
        let (day, month, year) = (at.day(), month(at.date()), at.year());
        format!("{weekday}, {day} {month} {year}, {} ({})", at.strftime("%H:%M"), zone(at))
    }

    fn when(&self, when: &When) -> String {
        match when {
            When::InDays(days, day) => format!("in {days} days, on {day}"),
            When::Tomorrow(day) => format!("tomorrow, on {day}"),
            When::Today(time) => format!("today at {time}"),
            When::Other(_) => "soon".to_owned(),
        }
    }

    fn ends(&self, when: &When) -> String {
        format!("ends {}", self.when(when))
    }

    fn job(&self, job: JobKind) -> &'static str {
        match job {
            JobKind::AuthorizationRefresh => "authorization refresh",
            JobKind::ProductImport => "product import",
            JobKind::ProductExport => "product export",
            JobKind::Remind => "reminders",
            JobKind::SendMail => "delivery of mail",
        }
    }

    fn footer(&self) -> &'static str {
        "Sent by shopsyncd, which looks after your shops."
    }

    fn entry(&self, shops: &str, channel: &str) -> String {
        format!("{shops}: permission ends ({channel})")
    }

    fn renew(&self, shop: Option<&str>) -> String {
        shop.map_or_else(|| "Renew the permission".to_owned(), |shop| format!("Renew the permission for {shop}"))
    }

    fn how(&self) -> &'static str {
        "To renew, open the link, sign in at the marketplace with the account of the shop and agree. It takes a few clicks."
    }

    fn links_work(&self, links: usize, until: &str) -> String {
        let works = if links == 1 { "The link works" } else { "The links work" };
        format!("{works} until {until}.")
    }

    fn channel(&self, channel: &str) -> String {
        format!("Channel: {channel}")
    }

    fn end(&self, word: &EndWord, moment: &str) -> String {
        let word = match word {
            EndWord::Ends => "Ends",
            EndWord::Ended => "Ended",
            EndWord::EndDate => "End date",
        };
        format!("{word}: {moment}")
    }

    fn days_left(&self, days: i64) -> String {
        format!("Days left: {days}")
    }

    fn one_ends(&self, names: &str, shops: usize, when: &When) -> Said {
        let (ends, these) = (self.ends(when), these(shops));
        Said::new(
            format!("{names}: permission {ends}"),
            format!("The permission to work in {these} {ends}. Only the owner of the shop can renew it."),
        )
    }

    fn several_end(&self, shops: usize, first: &str, when: &When) -> Said {
        Said::new(
            format!("Permission for {shops} shops ends soon, first {first}: {}", self.when(when)),
            "The permissions to work in these shops end soon, the most urgent one first. Only the owner of a shop can renew its permission.",
        )
    }

    fn stops(&self, shops: usize) -> &'static str {
        if shops == 1 {
            "If nobody renews it in time, shopsyncd can no longer read or change the products of the shop: product import and product export stop."
        } else {
            "If nobody renews one in time, shopsyncd can no longer read or change the products of its shops: product import and product export stop there."
        }
    }

    fn catches_up(&self, shops: usize) -> &'static str {
        if shops == 1 {
            "Nothing is lost: the shop's jobs wait, and after the renewal everything that was missed is caught up unasked."
        } else {
            "Nothing is lost: the shops' jobs wait, and after the renewal everything that was missed is caught up unasked."
        }
    }

    fn ended(&self, names: &str, all: &str, how: &HasEnded<'_>) -> Said {
        match how {
            HasEnded::Refused { why, lies_ahead } => {
                let why = if why.is_empty() { String::new() } else { format!(" Its words: \"{why}\".") };
                let before = if *lies_ahead { ", although its end date has not come" } else { "" };
                Said::new(
                    format!("{names}: the marketplace no longer accepts the permission"),
                    format!(
                        "The marketplace no longer accepts the permission to work in {all}{before}.{why} A password that was changed there is a usual cause."
                    ),
                )
            }
            HasEnded::Early { moment } => Said::new(
                format!("{names}: permission ended"),
                format!("The permission to work in {all} has ended, shortly before its end date: {moment}."),
            ),
            HasEnded::On { day, moment } => Said::new(
                format!("{names}: permission ended on {day}"),
                format!("The permission to work in {all} ended on {moment}."),
            ),
            HasEnded::Undated => {
                Said::new(format!("{names}: permission ended"), format!("The permission to work in {all} ended."))
            }
        }
    }

    fn has_stopped(&self) -> &'static str {
        "Product import and product export have stopped."
    }

    fn renewed(&self, names: &str, until: Option<&str>) -> Said {
        let until = until.map(|day| format!(" until {day}")).unwrap_or_default();
        Said::new(
            format!("{names}: permission renewed{until}"),
            "Thank you: the permission was renewed. Nothing more needs to be done; whatever was missed is being caught up now.",
        )
    }

    fn fresh_link(&self, name: &str) -> Said {
        Said::new(
            format!("{name}: a fresh link for renewing the permission"),
            "Somebody followed an old link and asked for a fresh one. Here it is.",
        )
    }

    fn test(&self) -> Said {
        Said::new(
            "shopsyncd can send mail",
            "This is a test. Nothing needs to be done: mail from shopsyncd reaches this address.",
        )
    }

    fn obstacles(&self, shops: usize, first: &str) -> Said {
        Said::new(
            format!("{shops} shops cannot be worked in, first {first}"),
            "These shops cannot be worked in at present.",
        )
    }

    fn stands_still(&self) -> &'static str {
        "Product import and product export stand still."
    }

    fn closed(&self, name: &str, channel: &str, why: &str) -> Said {
        Said::new(
            format!("{name}: {channel} says that the shop is closed"),
            format!("{channel} lets nobody work in this shop at present. Its words: \u{201c}{why}\u{201d}."),
        )
    }

    fn closed_then(&self, channel: &str) -> (&'static str, String) {
        (
            "Nothing is lost: the shop's jobs wait, and once it is open again everything that was missed is caught up unasked.",
            format!(
                "Please look into the shop at {channel}. Nothing has to be renewed here; whether the shop is open again is looked at once a day."
            ),
        )
    }

    fn scope_missing(&self, names: &str, shops: usize, scope: &str) -> Said {
        let these = these(shops);
        Said::new(
            format!("{names}: the permission lacks a right"),
            format!("The permission to work in {these} lacks a right that shopsyncd needs: \u{201c}{scope}\u{201d}."),
        )
    }

    fn occasions(&self, count: usize, first: &str) -> Said {
        Said::new(format!("{count} things to know, first {first}"), "These things have happened, in this order.")
    }

    fn revoked(&self, shops: &str, channel: &str, account: Option<&str>, why: &str) -> Said {
        let account = account.map(|account| format!(" (account {account})")).unwrap_or_default();
        Said::new(
            format!("{shops}: the channel refuses the permission"),
            format!(
                "{channel} refuses the permission of {shops}{account} before its end date: {why}. A changed password at the marketplace is a usual cause."
            ),
        )
    }

    fn lapsed(&self, shops: &str, channel: &str) -> Said {
        Said::new(
            format!("{shops}: the permission has ended"),
            format!(
                "The permission to work in {shops} at {channel} has ended, because nobody renewed it in time. Their jobs wait, and nothing is lost."
            ),
        )
    }

    fn asked(&self, asked: bool) -> &'static str {
        if asked {
            "The owners have been asked to renew it."
        } else {
            "Nobody is reminded of it: name somebody in `remind`."
        }
    }

    fn app_rejected(&self, channel: &str, [id, secret]: &[String; 2], why: &str) -> Said {
        Said::new(
            format!("{channel} refuses our app: all its shops wait"),
            format!(
                "{channel} refuses the credentials of our app: {why}. All shops that work with it wait. Correct `{id}` and `{secret}` in the settings; the jobs go on by themselves."
            ),
        )
    }

    fn app_secret_ends(&self, channel: &str, when: &When) -> Said {
        let when = match when {
            When::Today(_) => "ends today".to_owned(),
            When::Other(day) => format!("ended on {}", day.as_deref().unwrap_or_default()),
            ahead => self.ends(ahead),
        };
        Said::new(
            format!("{channel}: the app's client secret {when}"),
            format!(
                "The client secret of our app at {channel} {when}. Make a new one in the channel's developer pages, and set `client_secret` and `client_secret_ends` in the settings. Without it no shop of this channel can be worked in."
            ),
        )
    }

    fn refresh_token_ends(&self, shops: &str, channel: &str, day: &str, moment: &str) -> Said {
        Said::new(
            format!("{shops}: the refresh token ends on {day}"),
            format!(
                "The refresh token of {shops} at {channel} ends on {moment}, although it should have been replaced long before. Look at `shopsyncd status` and `shopsyncd runs list`; the owner can renew the permission at any time."
            ),
        )
    }

    fn guard_stopped(&self, shop: &str, name: &str, why: &str) -> Said {
        Said::new(
            format!("{name}: a guard stopped the export"),
            format!(
                "The export to {name} would have done too much and was stopped before anything was sent: {why}. Until you decide, prices and stock of all its other SKUs wait too. Look at the plan with `shopsyncd jobs run {shop} product_export --dry-run`; if it is right, let it through with `shopsyncd jobs run {shop} product_export --release-guard`."
            ),
        )
    }

    fn job_failing(&self, shop: &str, name: &str, job: JobKind, why: &str, remedy: &str) -> Said {
        let words = self.job(job);
        let remedy = if remedy.is_empty() { String::new() } else { format!(" What to do: {remedy}.") };
        Said::new(
            format!("{name}: {words} keeps failing"),
            format!(
                "The {words} of {name} keeps failing: {why}.{remedy} See `shopsyncd jobs why {shop} {job}`. It goes on trying; you will hear once more when it works again."
            ),
        )
    }

    fn job_recovered(&self, name: &str, job: JobKind) -> Said {
        let words = self.job(job);
        Said::new(
            format!("{name}: {words} works again"),
            format!("The {words} of {name} works again. Nothing needs to be done."),
        )
    }

    fn settings_refused(&self, why: &str) -> Said {
        Said::new(
            "the newest settings were refused",
            format!(
                "The settings were edited and refused; the ones before keep serving: {why}. Look with `shopsyncd check`, and correct them: they are read again at once."
            ),
        )
    }

    fn shops_gone(&self, count: usize, shops: &str) -> Said {
        Said::new(
            if count == 1 {
                "a shop is in no settings file any more".to_owned()
            } else {
                format!("{count} shops are in no settings file any more")
            },
            format!(
                "At its start shopsyncd found in none of its settings files what was there before: {shops}. The jobs of these shops have stopped, and their data stays. If that is not meant, put their files back: they are read at once. Otherwise `shopsyncd shops forget SHOP --yes` erases what is kept of a shop."
            ),
        )
    }

    fn undeliverable(&self, id: i64, to: &str, why: &str) -> Said {
        Said::new(
            format!("mail to {to} cannot be delivered"),
            format!(
                "A mail to {to} was given up: {why}. If the address is wrong, correct it in the settings: what a shop's people have missed goes to the new one by itself. If it was the relay, mend it; then `shopsyncd mail retry {id}` sends again what still holds. `shopsyncd mail list` shows the others."
            ),
        )
    }
}
