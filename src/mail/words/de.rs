//! German.

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
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

const HOW: &str = "Zum Erneuern den Link öffnen, sich beim Marktplatz mit dem Konto des Shops anmelden und zustimmen. Das dauert nur wenige Klicks.";

/// The title of a calendar entry.
pub(super) fn entry(item: &Item) -> String {
    format!("{}: Berechtigung endet ({})", subject_names(item), one_line(&item.channel))
}

/// What a letter says.
pub(super) fn page(letter: &Letter, now: &Zoned) -> Page {
    match letter {
        Letter::Reminder(items) => reminder(items, now),
        Letter::Ended(item) => ended(item, now),
        Letter::Renewed(item) => renewed(item, now),
        Letter::FreshLink(shop) => Page {
            subject: format!("{}: ein neuer Link zum Erneuern der Berechtigung", one_line(&shop.name)),
            opening: vec![
                "Jemand ist einem alten Link gefolgt und hat um einen neuen gebeten. Hier ist er.".to_owned(),
            ],
            blocks: vec![Block {
                heading: one_line(&shop.name),
                lines: Vec::new(),
                links: vec![("Berechtigung erneuern".to_owned(), shop.renew.url.to_string())],
            }],
            closing: vec![how(std::slice::from_ref(shop), now)],
            footer: footer(),
        },
        Letter::Obstacles(all) => obstacles(all, now),
        Letter::Operator(news) => operator(news, now),
        Letter::Test => Page {
            subject: "shopsyncd kann E-Mails senden".to_owned(),
            opening: vec!["Dies ist ein Test. Es ist nichts zu tun: E-Mails von shopsyncd kommen hier an.".to_owned()],
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
        subject: format!("{shops} Shops sind zurzeit gesperrt, zuerst {first}"),
        opening: vec!["In diesen Shops kann zurzeit nicht gearbeitet werden.".to_owned()],
        blocks: told.collect(),
        closing,
        footer: footer(),
    }
}

fn obstructed(Obstructed { shops, channel, obstacle }: &Obstructed, now: &Zoned) -> Page {
    let (names, channel) = (names(shops), one_line(channel));
    let these = if shops.len() == 1 { "diesem Shop" } else { "diesen Shops" };
    let name = short_names(&names);
    let (subject, opening, then, closing, links) = match obstacle {
        Obstacle::Closed(why) => (
            format!("{name}: {channel} meldet, dass der Shop geschlossen ist"),
            format!("{channel} lässt zurzeit niemanden in diesem Shop arbeiten. Seine Worte: „{}“.", one_line(why)),
            "Verloren geht nichts: Die Aufgaben des Shops warten, und sobald er wieder offen ist, wird alles Versäumte von selbst nachgeholt.",
            format!(
                "Bitte bei {channel} nach dem Shop sehen. Zu erneuern ist hier nichts; ob der Shop wieder offen ist, wird einmal am Tag geprüft."
            ),
            Vec::new(),
        ),
        Obstacle::ScopeMissing(scope) => (
            format!("{name}: der Berechtigung fehlt ein Recht"),
            format!(
                "Der Berechtigung, in {these} zu arbeiten, fehlt ein Recht, das shopsyncd braucht: „{}“.",
                one_line(scope)
            ),
            catches_up(shops.len()),
            how(shops, now),
            renewals(shops),
        ),
    };
    Page {
        subject,
        opening: vec![opening, format!("Produktimport und Produktexport stehen still. {then}")],
        blocks: vec![Block { heading: listed(&names, "und"), lines: Vec::new(), links }],
        closing: vec![closing],
        footer: footer(),
    }
}

fn reminder(items: &[Item], now: &Zoned) -> Page {
    let shops: usize = items.iter().map(|item| item.shops.len()).sum();
    let first = items.first();
    let ends = format!("endet {}", first.map_or_else(String::new, |item| when(item, now)));
    let (subject, opening) = match items {
        [item] => {
            let these = if shops == 1 { "diesem Shop" } else { "diesen Shops" };
            (
                format!("{}: Berechtigung {ends}", subject_names(item)),
                format!(
                    "Die Berechtigung, in {these} zu arbeiten, {ends}. Nur wem der Shop gehört, kann sie erneuern."
                ),
            )
        }
        _ => (
            format!(
                "Berechtigungen für {shops} Shops enden bald, zuerst {}: {}",
                first.map_or_else(String::new, subject_names),
                first.map_or_else(String::new, |item| when(item, now))
            ),
            "Die Berechtigungen, in diesen Shops zu arbeiten, enden bald, die dringendste zuerst. Nur wem ein Shop gehört, kann seine Berechtigung erneuern."
                .to_owned(),
        ),
    };
    Page {
        subject,
        opening: vec![opening],
        blocks: items.iter().map(|item| block(item, now, false)).collect(),
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
            let why = if why.is_empty() { String::new() } else { format!(" Seine Worte: „{}“.", one_line(why)) };
            let before = if lies_ahead(item, now) { ", obwohl ihr Enddatum noch nicht erreicht ist" } else { "" };
            (
                format!("{names}: der Marktplatz nimmt die Berechtigung nicht mehr an"),
                format!(
                    "Der Marktplatz nimmt die Berechtigung, in {} zu arbeiten, nicht mehr an{before}.{why} Häufig wurde dort ein Passwort geändert.",
                    listed(&super::names(&item.shops), "und")
                ),
            )
        }
        // Refused in its last hour: that counts as its end.
        (None, Some(at)) if lies_ahead(item, now) => (
            format!("{names}: Berechtigung abgelaufen"),
            format!(
                "Die Berechtigung, in {} zu arbeiten, ist kurz vor ihrem Enddatum abgelaufen: {}.",
                listed(&super::names(&item.shops), "und"),
                moment(&local(at, now))
            ),
        ),
        (None, Some(at)) => {
            let at = local(at, now);
            (
                format!("{names}: Berechtigung am {} abgelaufen", day(at.date(), now.date())),
                format!(
                    "Die Berechtigung, in {} zu arbeiten, ist abgelaufen: {}.",
                    listed(&super::names(&item.shops), "und"),
                    moment(&at)
                ),
            )
        }
        (None, None) => (
            format!("{names}: Berechtigung abgelaufen"),
            format!("Die Berechtigung, in {} zu arbeiten, ist abgelaufen.", listed(&super::names(&item.shops), "und")),
        ),
    };
    Page {
        subject,
        opening: vec![
            opening,
            format!("Produktimport und Produktexport stehen still. {}", catches_up(item.shops.len())),
        ],
        blocks: vec![block(item, now, true)],
        closing: vec![how(&item.shops, now)],
        footer: footer(),
    }
}

fn renewed(item: &Item, now: &Zoned) -> Page {
    let until = item.ends_at.map(|at| local(at, now));
    let suffix = until.as_ref().map_or_else(String::new, |at| format!(" bis {}", day(at.date(), now.date())));
    Page {
        subject: format!("{}: Berechtigung erneuert{suffix}", subject_names(item)),
        opening: vec![
            "Danke: Die Berechtigung wurde erneuert. Es ist nichts weiter zu tun; was versäumt wurde, wird jetzt nachgeholt."
                .to_owned(),
        ],
        blocks: vec![Block { links: Vec::new(), ..block(item, now, false) }],
        closing: Vec::new(),
        footer: footer(),
    }
}

/// A permission, which may be `over`.
fn block(item: &Item, now: &Zoned, over: bool) -> Block {
    let mut lines = vec![format!("Kanal: {}", channel(&item.channel, item.account.as_deref()))];
    // The end date of a refused permission means nothing any more.
    if let (Some(at), None) = (item.ends_at, &item.revoked) {
        let at = local(at, now);
        let word = match (over, at > *now) {
            (false, _) => "Endet",
            (true, true) => "Enddatum",
            (true, false) => "Geendet",
        };
        lines.push(format!("{word}: {}", moment(&at)));
        if !over {
            lines.push(format!("Tage übrig: {}", days_left(&at, now)));
        }
    }
    Block { heading: listed(&names(&item.shops), "und"), lines, links: renewals(&item.shops) }
}

/// What to press: one for each shop.
fn renewals(shops: &[ShopLine]) -> Vec<(String, String)> {
    let one = shops.len() == 1;
    let words = |shop: &ShopLine| {
        if one {
            "Berechtigung erneuern".to_owned()
        } else {
            format!("Berechtigung für {} erneuern", one_line(&shop.name))
        }
    };
    shops.iter().map(|shop| (words(shop), shop.renew.url.to_string())).collect()
}

/// What no longer works without a renewal.
fn stops(shops: usize) -> &'static str {
    if shops == 1 {
        "Wird sie nicht rechtzeitig erneuert, kann shopsyncd die Produkte des Shops weder lesen noch ändern: Produktimport und Produktexport bleiben stehen."
    } else {
        "Wird eine nicht rechtzeitig erneuert, kann shopsyncd die Produkte ihrer Shops weder lesen noch ändern: Produktimport und Produktexport bleiben dort stehen."
    }
}

fn catches_up(shops: usize) -> &'static str {
    if shops == 1 {
        "Verloren geht nichts: Die Aufgaben des Shops warten, und nach der Erneuerung wird alles Versäumte von selbst nachgeholt."
    } else {
        "Verloren geht nichts: Die Aufgaben der Shops warten, und nach der Erneuerung wird alles Versäumte von selbst nachgeholt."
    }
}

/// How to renew, and until when the links lead on.
fn how<'a>(shops: impl IntoIterator<Item = &'a ShopLine>, now: &Zoned) -> String {
    let (count, until) = links(shops);
    let works = if count == 1 { "Der Link gilt" } else { "Die Links gelten" };
    let until = until.map(|at| format!(" {works} bis zum {}.", day(local(at, now).date(), now.date())));
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
        subject: format!("{} Vorkommnisse, zuerst {first}", told.len()),
        opening: vec!["Das ist geschehen, in dieser Reihenfolge.".to_owned()],
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
            format!("{}: der Kanal verweigert die Berechtigung", listed(shops, "und")),
            format!(
                "{} verweigert die Berechtigung von {}{} vor ihrem Enddatum: {}. Häufig wurde beim Marktplatz ein Passwort geändert.{}",
                one_line(on),
                listed(shops, "und"),
                account.as_deref().map(|account| format!(" (Konto {})", one_line(account))).unwrap_or_default(),
                one_line(why),
                asked_or_not(*asked)
            ),
        ),
        News::AppRejected { channel, keys: [id, secret], why, .. } => (
            format!("{channel} verweigert unsere App: alle ihre Shops warten"),
            format!(
                "{channel} verweigert die Zugangsdaten unserer App: {}. Alle Shops, die mit ihr arbeiten, warten. Bitte `{id}` und `{secret}` in den Einstellungen berichtigen; die Aufgaben laufen dann von selbst weiter.",
                one_line(why)
            ),
        ),
        News::AppSecretEnds { channel, ends_on } => {
            let when = match days_until(*ends_on, today) {
                days if days > 1 => format!("endet in {days} Tagen, am {}", day(*ends_on, today)),
                1 => format!("endet morgen, am {}", day(*ends_on, today)),
                0 => "endet heute".to_owned(),
                _ => format!("endete am {}", day(*ends_on, today)),
            };
            (
                format!("{channel}: das Client-Secret der App {when}"),
                format!(
                    "Das Client-Secret unserer App bei {channel} {when}. Bitte auf den Entwicklerseiten des Kanals ein neues erzeugen und `client_secret` und `client_secret_ends` in den Einstellungen setzen. Ohne es kann in keinem Shop dieses Kanals gearbeitet werden."
                ),
            )
        }
        News::RefreshTokenEnds { channel: on, account, shops, ends_at, .. } => (
            format!("{}: das Refresh-Token endet am {}", listed(shops, "und"), day(local(*ends_at, now).date(), today)),
            format!(
                "Das Refresh-Token von {} bei {} endet: {}. Es hätte längst ersetzt sein sollen. Bitte `shopsyncd status` und `shopsyncd runs list` ansehen; die Berechtigung lässt sich jederzeit erneuern.",
                listed(shops, "und"),
                channel(on, account.as_deref()),
                moment(&local(*ends_at, now))
            ),
        ),
        News::GuardStopped { shop, name, why } => (
            format!("{name}: eine Schranke hat den Export angehalten"),
            format!(
                "Der Export nach {name} hätte zu viel verändert und wurde angehalten, bevor etwas gesendet wurde: {}. Bis zur Entscheidung warten auch Preise und Bestände aller anderen SKUs. Den Plan zeigt `shopsyncd jobs run {shop} product_export --dry-run`; ist er richtig, lässt `shopsyncd jobs run {shop} product_export --release-guard` ihn durch.",
                one_line(why)
            ),
        ),
        News::JobFailing { shop, name, job, why, remedy } => (
            format!("{name}: {} schlägt immer wieder fehl", job_name(*job)),
            format!(
                "{} von {name} schlägt immer wieder fehl: {}.{} Näheres zeigt `shopsyncd jobs why {shop} {job}`. Es wird weiter versucht; sobald es wieder geht, folgt noch eine Nachricht.",
                job_name(*job),
                one_line(why),
                if remedy.is_empty() { String::new() } else { format!(" Was zu tun ist: {}.", one_line(remedy)) }
            ),
        ),
        News::JobRecovered { name, job, .. } => (
            format!("{name}: {} geht wieder", job_name(*job)),
            format!("{} von {name} geht wieder. Es ist nichts zu tun.", job_name(*job)),
        ),
        News::AuthorizationLapsed { channel: on, account, shops, asked, .. } => (
            format!("{}: die Berechtigung ist abgelaufen", listed(shops, "und")),
            format!(
                "Die Berechtigung, in {} bei {} zu arbeiten, ist abgelaufen, weil niemand sie rechtzeitig erneuert hat. Die Aufgaben warten, und nichts geht verloren.{}",
                listed(shops, "und"),
                channel(on, account.as_deref()),
                asked_or_not(*asked)
            ),
        ),
        News::SettingsRefused { why } => (
            "die neuesten Einstellungen wurden abgelehnt".to_owned(),
            format!(
                "Die Einstellungen wurden geändert und abgelehnt; die bisherigen gelten weiter: {}. Bitte mit `shopsyncd check` nachsehen und sie berichtigen: Sie werden sofort neu gelesen.",
                one_line(why)
            ),
        ),
        News::Undeliverable { id, to, why } => (
            format!("E-Mail an {} ist nicht zustellbar", one_line(to)),
            format!(
                "Eine E-Mail an {} wurde aufgegeben: {}. Ist die Adresse falsch, bitte in den Einstellungen berichtigen: was die Leute eines Shops verpasst haben, geht von selbst an die neue. Lag es am Relay, bitte dieses in Ordnung bringen; dann sendet `shopsyncd mail retry {id}` noch einmal, was weiterhin gilt. `shopsyncd mail list` zeigt die übrigen.",
                one_line(to),
                one_line(why)
            ),
        ),
    }
}

/// Whether the owners know.
const fn asked_or_not(asked: bool) -> &'static str {
    if asked {
        " Wem die Shops gehören, wurde um Erneuerung gebeten."
    } else {
        " Niemand wird daran erinnert: bitte jemanden in `remind` nennen."
    }
}

fn subject_names(item: &Item) -> String {
    short_names(&names(&item.shops))
}

fn short_names(names: &[String]) -> String {
    short(names, "und", |count| format!("{count} weitere Shops"))
}

/// "in 20 Tagen, am 13. Dezember".
fn when(item: &Item, now: &Zoned) -> String {
    let Some(at) = item.ends_at.map(|at| local(at, now)) else { return "bald".to_owned() };
    let date = day(at.date(), now.date());
    match days_left(&at, now) {
        days if days > 1 => format!("in {days} Tagen, am {date}"),
        1 => format!("morgen, am {date}"),
        _ => format!("heute um {} Uhr", at.strftime("%H:%M")),
    }
}

/// "13. Dezember", with the year where it is another one.
fn day(date: Date, today: Date) -> String {
    let month = MONTHS[usize::from(date.month().unsigned_abs()) - 1];
    if date.year() == today.year() {
        format!("{}. {month}", date.day())
    } else {
        format!("{}. {month} {}", date.day(), date.year())
    }
}

/// "Sonntag, 13. Dezember 2026, 12:00 Uhr (Europe/Berlin)".
fn moment(at: &Zoned) -> String {
    let weekday = match at.weekday() {
        Weekday::Monday => "Montag",
        Weekday::Tuesday => "Dienstag",
        Weekday::Wednesday => "Mittwoch",
        Weekday::Thursday => "Donnerstag",
        Weekday::Friday => "Freitag",
        Weekday::Saturday => "Samstag",
        Weekday::Sunday => "Sonntag",
    };
    let month = MONTHS[usize::from(at.month().unsigned_abs()) - 1];
    format!("{weekday}, {}. {month} {}, {} Uhr ({})", at.day(), at.year(), at.strftime("%H:%M"), zone(at))
}

const fn job_name(job: JobKind) -> &'static str {
    match job {
        JobKind::AuthorizationRefresh => "Erneuerung der Zugänge",
        JobKind::ProductImport => "Produktimport",
        JobKind::ProductExport => "Produktexport",
        JobKind::Remind => "Erinnerungen",
        JobKind::SendMail => "Zustellung der E-Mails",
    }
}

fn footer() -> String {
    "Gesendet von shopsyncd, das sich um die Shops kümmert.".to_owned()
}
