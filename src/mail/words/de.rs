//! German.

use jiff::{
    Zoned,
    civil::{Date, Weekday},
};

use super::{EndWord, HasEnded, Said, When, Words, zone};
use crate::domain::JobKind;

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

pub(super) struct German;

fn month(date: Date) -> &'static str {
    MONTHS[usize::from(date.month().unsigned_abs()) - 1]
}

const fn these(shops: usize) -> &'static str {
    if shops == 1 { "diesem Shop" } else { "diesen Shops" }
}

impl Words for German {
    fn and(&self) -> &'static str {
        "und"
    }

    fn more_shops(&self, count: usize) -> String {
        format!("{count} weitere Shops")
    }

    fn day(&self, date: Date, today: Date) -> String {
        let (day, month) = (date.day(), month(date));
        if date.year() == today.year() { format!("{day}. {month}") } else { format!("{day}. {month} {}", date.year()) }
    }

    fn moment(&self, at: &Zoned) -> String {
        let weekday = match at.weekday() {
            Weekday::Monday => "Montag",
            Weekday::Tuesday => "Dienstag",
            Weekday::Wednesday => "Mittwoch",
            Weekday::Thursday => "Donnerstag",
            Weekday::Friday => "Freitag",
            Weekday::Saturday => "Samstag",
            Weekday::Sunday => "Sonntag",
        };
        let (day, month, year) = (at.day(), month(at.date()), at.year());
        format!("{weekday}, {day}. {month} {year}, {} Uhr ({})", at.strftime("%H:%M"), zone(at))
    }

    fn when(&self, when: &When) -> String {
        match when {
            When::InDays(days, day) => format!("in {days} Tagen, am {day}"),
            When::Tomorrow(day) => format!("morgen, am {day}"),
            When::Today(time) => format!("heute um {time} Uhr"),
            When::Other(_) => "bald".to_owned(),
        }
    }

    fn ends(&self, when: &When) -> String {
        format!("endet {}", self.when(when))
    }

    fn job(&self, job: JobKind) -> &'static str {
        match job {
            JobKind::AuthorizationRefresh => "Erneuerung der Zugänge",
            JobKind::ProductImport => "Produktimport",
            JobKind::ProductExport => "Produktexport",
            JobKind::Remind => "Erinnerungen",
            JobKind::SendMail => "Zustellung der E-Mails",
        }
    }

    fn footer(&self) -> &'static str {
        "Gesendet von shopsyncd, das sich um die Shops kümmert."
    }

    fn entry(&self, shops: &str, channel: &str) -> String {
        format!("{shops}: Berechtigung endet ({channel})")
    }

    fn renew(&self, shop: Option<&str>) -> String {
        shop.map_or_else(|| "Berechtigung erneuern".to_owned(), |shop| format!("Berechtigung für {shop} erneuern"))
    }

    fn how(&self) -> &'static str {
        "Zum Erneuern den Link öffnen, sich beim Marktplatz mit dem Konto des Shops anmelden und zustimmen. Das dauert nur wenige Klicks."
    }

    fn links_work(&self, links: usize, until: &str) -> String {
        let works = if links == 1 { "Der Link gilt" } else { "Die Links gelten" };
        format!("{works} bis zum {until}.")
    }

    fn channel(&self, channel: &str) -> String {
        format!("Kanal: {channel}")
    }

    fn end(&self, word: &EndWord, moment: &str) -> String {
        let word = match word {
            EndWord::Ends => "Endet",
            EndWord::Ended => "Geendet",
            EndWord::EndDate => "Enddatum",
        };
        format!("{word}: {moment}")
    }

    fn days_left(&self, days: i64) -> String {
        format!("Tage übrig: {days}")
    }

    fn one_ends(&self, names: &str, shops: usize, when: &When) -> Said {
        let (ends, these) = (self.ends(when), these(shops));
        Said::new(
            format!("{names}: Berechtigung {ends}"),
            format!("Die Berechtigung, in {these} zu arbeiten, {ends}. Nur wem der Shop gehört, kann sie erneuern."),
        )
    }

    fn several_end(&self, shops: usize, first: &str, when: &When) -> Said {
        Said::new(
            format!("Berechtigungen für {shops} Shops enden bald, zuerst {first}: {}", self.when(when)),
            "Die Berechtigungen, in diesen Shops zu arbeiten, enden bald, die dringendste zuerst. Nur wem ein Shop gehört, kann seine Berechtigung erneuern.",
        )
    }

    fn stops(&self, shops: usize) -> &'static str {
        if shops == 1 {
            "Wird sie nicht rechtzeitig erneuert, kann shopsyncd die Produkte des Shops weder lesen noch ändern: Produktimport und Produktexport bleiben stehen."
        } else {
            "Wird eine nicht rechtzeitig erneuert, kann shopsyncd die Produkte ihrer Shops weder lesen noch ändern: Produktimport und Produktexport bleiben dort stehen."
        }
    }

    fn catches_up(&self, shops: usize) -> &'static str {
        if shops == 1 {
            "Verloren geht nichts: Die Aufgaben des Shops warten, und nach der Erneuerung wird alles Versäumte von selbst nachgeholt."
        } else {
            "Verloren geht nichts: Die Aufgaben der Shops warten, und nach der Erneuerung wird alles Versäumte von selbst nachgeholt."
        }
    }

    fn ended(&self, names: &str, all: &str, how: &HasEnded<'_>) -> Said {
        match how {
            HasEnded::Refused { why, lies_ahead } => {
                let why = if why.is_empty() { String::new() } else { format!(" Seine Worte: „{why}“.") };
                let before = if *lies_ahead { ", obwohl ihr Enddatum noch nicht erreicht ist" } else { "" };
                Said::new(
                    format!("{names}: der Marktplatz nimmt die Berechtigung nicht mehr an"),
                    format!(
                        "Der Marktplatz nimmt die Berechtigung, in {all} zu arbeiten, nicht mehr an{before}.{why} Häufig wurde dort ein Passwort geändert."
                    ),
                )
            }
            HasEnded::Early { moment } => Said::new(
                format!("{names}: Berechtigung abgelaufen"),
                format!("Die Berechtigung, in {all} zu arbeiten, ist kurz vor ihrem Enddatum abgelaufen: {moment}."),
            ),
            HasEnded::On { day, moment } => Said::new(
                format!("{names}: Berechtigung am {day} abgelaufen"),
                format!("Die Berechtigung, in {all} zu arbeiten, ist abgelaufen: {moment}."),
            ),
            HasEnded::Undated => Said::new(
                format!("{names}: Berechtigung abgelaufen"),
                format!("Die Berechtigung, in {all} zu arbeiten, ist abgelaufen."),
            ),
        }
    }

    fn has_stopped(&self) -> &'static str {
        "Produktimport und Produktexport stehen still."
    }

    fn renewed(&self, names: &str, until: Option<&str>) -> Said {
        let until = until.map(|day| format!(" bis {day}")).unwrap_or_default();
        Said::new(
            format!("{names}: Berechtigung erneuert{until}"),
            "Danke: Die Berechtigung wurde erneuert. Es ist nichts weiter zu tun; was versäumt wurde, wird jetzt nachgeholt.",
        )
    }

    fn fresh_link(&self, name: &str) -> Said {
        Said::new(
            format!("{name}: ein neuer Link zum Erneuern der Berechtigung"),
            "Jemand ist einem alten Link gefolgt und hat um einen neuen gebeten. Hier ist er.",
        )
    }

    fn test(&self) -> Said {
        Said::new(
            "shopsyncd kann E-Mails senden",
            "Dies ist ein Test. Es ist nichts zu tun: E-Mails von shopsyncd kommen hier an.",
        )
    }

    fn obstacles(&self, shops: usize, first: &str) -> Said {
        Said::new(
            format!("{shops} Shops sind zurzeit gesperrt, zuerst {first}"),
            "In diesen Shops kann zurzeit nicht gearbeitet werden.",
        )
    }

    fn stands_still(&self) -> &'static str {
        "Produktimport und Produktexport stehen still."
    }

    fn closed(&self, name: &str, channel: &str, why: &str) -> Said {
        Said::new(
            format!("{name}: {channel} meldet, dass der Shop geschlossen ist"),
            format!("{channel} lässt zurzeit niemanden in diesem Shop arbeiten. Seine Worte: „{why}“."),
        )
    }

    fn closed_then(&self, channel: &str) -> (&'static str, String) {
        (
            "Verloren geht nichts: Die Aufgaben des Shops warten, und sobald er wieder offen ist, wird alles Versäumte von selbst nachgeholt.",
            format!(
                "Bitte bei {channel} nach dem Shop sehen. Zu erneuern ist hier nichts; ob der Shop wieder offen ist, wird einmal am Tag geprüft."
            ),
        )
    }

    fn scope_missing(&self, names: &str, shops: usize, scope: &str) -> Said {
        let these = these(shops);
        Said::new(
            format!("{names}: der Berechtigung fehlt ein Recht"),
            format!("Der Berechtigung, in {these} zu arbeiten, fehlt ein Recht, das shopsyncd braucht: „{scope}“."),
        )
    }

    fn occasions(&self, count: usize, first: &str) -> Said {
        Said::new(format!("{count} Vorkommnisse, zuerst {first}"), "Das ist geschehen, in dieser Reihenfolge.")
    }

    fn revoked(&self, shops: &str, channel: &str, account: Option<&str>, why: &str) -> Said {
        let account = account.map(|account| format!(" (Konto {account})")).unwrap_or_default();
        Said::new(
            format!("{shops}: der Kanal verweigert die Berechtigung"),
            format!(
                "{channel} verweigert die Berechtigung von {shops}{account} vor ihrem Enddatum: {why}. Häufig wurde beim Marktplatz ein Passwort geändert."
            ),
        )
    }

    fn lapsed(&self, shops: &str, channel: &str) -> Said {
        Said::new(
            format!("{shops}: die Berechtigung ist abgelaufen"),
            format!(
                "Die Berechtigung, in {shops} bei {channel} zu arbeiten, ist abgelaufen, weil niemand sie rechtzeitig erneuert hat. Die Aufgaben warten, und nichts geht verloren."
            ),
        )
    }

    fn asked(&self, asked: bool) -> &'static str {
        if asked {
            "Wem die Shops gehören, wurde um Erneuerung gebeten."
        } else {
            "Niemand wird daran erinnert: bitte jemanden in `remind` nennen."
        }
    }

    fn app_rejected(&self, channel: &str, [id, secret]: &[String; 2], why: &str) -> Said {
        Said::new(
            format!("{channel} verweigert unsere App: alle ihre Shops warten"),
            format!(
                "{channel} verweigert die Zugangsdaten unserer App: {why}. Alle Shops, die mit ihr arbeiten, warten. Bitte `{id}` und `{secret}` in den Einstellungen berichtigen; die Aufgaben laufen dann von selbst weiter."
            ),
        )
    }

    fn app_secret_ends(&self, channel: &str, when: &When) -> Said {
        let when = match when {
            When::Today(_) => "endet heute".to_owned(),
            When::Other(day) => format!("endete am {}", day.as_deref().unwrap_or_default()),
            ahead => self.ends(ahead),
        };
        Said::new(
            format!("{channel}: das Client-Secret der App {when}"),
            format!(
                "Das Client-Secret unserer App bei {channel} {when}. Bitte auf den Entwicklerseiten des Kanals ein neues erzeugen und `client_secret` und `client_secret_ends` in den Einstellungen setzen. Ohne es kann in keinem Shop dieses Kanals gearbeitet werden."
            ),
        )
    }

    fn refresh_token_ends(&self, shops: &str, channel: &str, day: &str, moment: &str) -> Said {
        Said::new(
            format!("{shops}: das Refresh-Token endet am {day}"),
            format!(
                "Das Refresh-Token von {shops} bei {channel} endet: {moment}. Es hätte längst ersetzt sein sollen. Bitte `shopsyncd status` und `shopsyncd runs list` ansehen; die Berechtigung lässt sich jederzeit erneuern."
            ),
        )
    }

    fn guard_stopped(&self, shop: &str, name: &str, why: &str) -> Said {
        Said::new(
            format!("{name}: eine Schranke hat den Export angehalten"),
            format!(
                "Der Export nach {name} hätte zu viel verändert und wurde angehalten, bevor etwas gesendet wurde: {why}. Bis zur Entscheidung warten auch Preise und Bestände aller anderen SKUs. Den Plan zeigt `shopsyncd jobs run {shop} product_export --dry-run`; ist er richtig, lässt `shopsyncd jobs run {shop} product_export --release-guard` ihn durch."
            ),
        )
    }

    fn job_failing(&self, shop: &str, name: &str, job: JobKind, why: &str, remedy: &str) -> Said {
        let words = self.job(job);
        let remedy = if remedy.is_empty() { String::new() } else { format!(" Was zu tun ist: {remedy}.") };
        Said::new(
            format!("{name}: {words} schlägt immer wieder fehl"),
            format!(
                "{words} von {name} schlägt immer wieder fehl: {why}.{remedy} Näheres zeigt `shopsyncd jobs why {shop} {job}`. Es wird weiter versucht; sobald es wieder geht, folgt noch eine Nachricht."
            ),
        )
    }

    fn job_recovered(&self, name: &str, job: JobKind) -> Said {
        let words = self.job(job);
        Said::new(
            format!("{name}: {words} geht wieder"),
            format!("{words} von {name} geht wieder. Es ist nichts zu tun."),
        )
    }

    fn settings_refused(&self, why: &str) -> Said {
        Said::new(
            "die neuesten Einstellungen wurden abgelehnt",
            format!(
                "Die Einstellungen wurden geändert und abgelehnt; die bisherigen gelten weiter: {why}. Bitte mit `shopsyncd check` nachsehen und sie berichtigen: Sie werden sofort neu gelesen."
            ),
        )
    }

    fn shops_gone(&self, count: usize, shops: &str) -> Said {
        Said::new(
            if count == 1 {
                "ein Shop steht in keiner Einstellungsdatei mehr".to_owned()
            } else {
                format!("{count} Shops stehen in keiner Einstellungsdatei mehr")
            },
            format!(
                "Beim Start fand shopsyncd in keiner seiner Einstellungsdateien, was vorher darin stand: {shops}. Die Aufträge dieser Shops ruhen, ihre Daten bleiben. War das nicht gewollt, bitte die Dateien zurücklegen: Sie werden sofort gelesen. Sonst löscht `shopsyncd shops forget SHOP --yes`, was von einem Shop aufbewahrt ist."
            ),
        )
    }

    fn undeliverable(&self, id: i64, to: &str, why: &str) -> Said {
        Said::new(
            format!("E-Mail an {to} ist nicht zustellbar"),
            format!(
                "Eine E-Mail an {to} wurde aufgegeben: {why}. Ist die Adresse falsch, bitte in den Einstellungen berichtigen: was die Leute eines Shops verpasst haben, geht von selbst an die neue. Lag es am Relay, bitte dieses in Ordnung bringen; dann sendet `shopsyncd mail retry {id}` noch einmal, was weiterhin gilt. `shopsyncd mail list` zeigt die übrigen."
            ),
        )
    }
}
