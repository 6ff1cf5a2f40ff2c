//! What a mail program makes of our mails.
#![expect(clippy::unwrap_used, reason = "tests")]

use mail_parser::{MessageParser, MimeHeaders as _};

use super::*;
use crate::{
    domain::AuthorizationId,
    mail::{Item, News, Obstacle, Obstructed, RenewLink, ShopLine},
};

const NOON: &str = "2026-12-13T11:00:00Z";

fn shop(id: &str, name: &str) -> ShopLine {
    ShopLine {
        id: id.parse().unwrap(),
        name: name.to_owned(),
        renew: RenewLink {
            url: format!("https://shops.example.com/authorize/{id}?t=abc").parse().unwrap(),
            until: Some("2027-01-17T12:00:00Z".parse().unwrap()),
        },
    }
}

fn item(number: i64, shops: &[(&str, &str)], ends_at: &str) -> Item {
    Item {
        authorization: AuthorizationId(number),
        channel: "TikTok Shop".to_owned(),
        account: Some("Acme Ltd".to_owned()),
        shops: shops.iter().map(|(id, name)| shop(id, name)).collect(),
        ends_at: Some(ends_at.parse().unwrap()),
        revoked: None,
    }
}

fn composed(letter: &Letter, language: Language, now: &str) -> Composed {
    let from = Sender::parse("Jürgens Läden <shops@example.com>").unwrap();
    let shops: Vec<ShopId> = letter.items().iter().flat_map(|item| &item.shops).map(|shop| shop.id.clone()).collect();
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let envelope = Envelope {
        from: &from,
        to: "owner@example.com",
        to_name: None,
        message_id: "<shopsyncd.7.1@example.com>",
        shops: &shops,
        language,
        zone: &zone,
        command: "shopsyncd",
        now: now.parse().unwrap(),
    };
    compose(letter, &envelope).unwrap()
}

fn text(letter: &Letter, language: Language, now: &str) -> String {
    let message = composed(letter, language, now).message;
    let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
    parsed.body_text(0).unwrap().replace("\r\n", "\n")
}

/// The same on one line.
fn unwrapped(letter: &Letter, language: Language, now: &str) -> String {
    text(letter, language, now).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn subject(letter: &Letter, language: Language, now: &str) -> String {
    composed(letter, language, now).subject
}

#[test]
fn a_reminder_says_everything_in_english() {
    let letter = Letter::Reminder(vec![item(1, &[("tt-uk", "TikTok UK")], NOON)]);
    assert_eq!(
        subject(&letter, Language::En, "2026-11-23T07:00:00Z"),
        "TikTok UK: permission ends in 20 days, on 13 December"
    );
    insta::assert_snapshot!(text(&letter, Language::En, "2026-11-23T07:00:00Z"), @r#"
    The permission to work in this shop ends in 20 days, on 13 December.
    Only the owner of the shop can renew it.

    TikTok UK
      Channel: TikTok Shop, Acme Ltd
      Ends: Sunday, 13 December 2026, 12:00 (Europe/Berlin)
      Days left: 20
      Renew the permission:
      https://shops.example.com/authorize/tt-uk?t=abc

    To renew, open the link, sign in at the marketplace with the account of
    the shop and agree. It takes a few clicks. The link works until 17
    January 2027.

    If nobody renews it in time, shopsyncd can no longer read or change the
    products of the shop: product import and product export stop. Nothing is
    lost: the shop's jobs wait, and after the renewal everything that was
    missed is caught up unasked.

    -- 
    Sent by shopsyncd, which looks after your shops.
    "#);
}

#[test]
fn a_reminder_says_everything_in_german() {
    let letter = Letter::Reminder(vec![
        item(1, &[("tt-uk", "TikTok UK"), ("tt-de", "TikTok Österreich")], NOON),
        item(2, &[("tt-us", "TikTok US")], "2027-01-02T11:00:00Z"),
    ]);
    assert_eq!(
        subject(&letter, Language::De, "2026-12-12T07:00:00Z"),
        "Berechtigungen für 3 Shops enden bald, zuerst TikTok UK und TikTok Österreich: morgen, am 13. Dezember"
    );
    insta::assert_snapshot!(text(&letter, Language::De, "2026-12-12T07:00:00Z"), @r#"
    Die Berechtigungen, in diesen Shops zu arbeiten, enden bald, die
    dringendste zuerst. Nur wem ein Shop gehört, kann seine Berechtigung
    erneuern.

    TikTok UK und TikTok Österreich
      Kanal: TikTok Shop, Acme Ltd
      Endet: Sonntag, 13. Dezember 2026, 12:00 Uhr (Europe/Berlin)
      Tage übrig: 1
      Berechtigung für TikTok UK erneuern:
      https://shops.example.com/authorize/tt-uk?t=abc
      Berechtigung für TikTok Österreich erneuern:
      https://shops.example.com/authorize/tt-de?t=abc

    TikTok US
      Kanal: TikTok Shop, Acme Ltd
      Endet: Samstag, 2. Januar 2027, 12:00 Uhr (Europe/Berlin)
      Tage übrig: 21
      Berechtigung erneuern:
      https://shops.example.com/authorize/tt-us?t=abc

    Zum Erneuern den Link öffnen, sich beim Marktplatz mit dem Konto des
    Shops anmelden und zustimmen. Das dauert nur wenige Klicks. Die Links
    gelten bis zum 17. Januar 2027.

    Wird eine nicht rechtzeitig erneuert, kann shopsyncd die Produkte ihrer
    Shops weder lesen noch ändern: Produktimport und Produktexport bleiben
    dort stehen. Verloren geht nichts: Die Aufgaben der Shops warten, und
    nach der Erneuerung wird alles Versäumte von selbst nachgeholt.

    -- 
    Gesendet von shopsyncd, das sich um die Shops kümmert.
    "#);
}

#[test]
fn notices_and_notes_say_what_happened() {
    let lapsed = item(1, &[("tt-uk", "TikTok UK")], NOON);
    let revoked = Item { revoked: Some("access revoked".to_owned()), ..lapsed.clone() };
    insta::assert_snapshot!(text(&Letter::Ended(lapsed.clone()), Language::En, "2026-12-13T11:00:01Z"), @r#"
    The permission to work in TikTok UK ended on Sunday, 13 December 2026,
    12:00 (Europe/Berlin).

    Product import and product export have stopped. Nothing is lost: the
    shop's jobs wait, and after the renewal everything that was missed is
    caught up unasked.

    TikTok UK
      Channel: TikTok Shop, Acme Ltd
      Ended: Sunday, 13 December 2026, 12:00 (Europe/Berlin)
      Renew the permission:
      https://shops.example.com/authorize/tt-uk?t=abc

    To renew, open the link, sign in at the marketplace with the account of
    the shop and agree. It takes a few clicks. The link works until 17
    January 2027.

    -- 
    Sent by shopsyncd, which looks after your shops.
    "#);
    insta::assert_snapshot!(text(&Letter::Ended(revoked), Language::En, "2026-10-01T11:00:01Z"), @r#"
    The marketplace no longer accepts the permission to work in TikTok UK,
    although its end date has not come. Its words: "access revoked". A
    password that was changed there is a usual cause.

    Product import and product export have stopped. Nothing is lost: the
    shop's jobs wait, and after the renewal everything that was missed is
    caught up unasked.

    TikTok UK
      Channel: TikTok Shop, Acme Ltd
      Renew the permission:
      https://shops.example.com/authorize/tt-uk?t=abc

    To renew, open the link, sign in at the marketplace with the account of
    the shop and agree. It takes a few clicks. The link works until 17
    January 2027.

    -- 
    Sent by shopsyncd, which looks after your shops.
    "#);
    insta::assert_snapshot!(text(&Letter::Renewed(lapsed), Language::De, "2026-01-13T11:00:01Z"), @r#"
    Danke: Die Berechtigung wurde erneuert. Es ist nichts weiter zu tun; was
    versäumt wurde, wird jetzt nachgeholt.

    TikTok UK
      Kanal: TikTok Shop, Acme Ltd
      Endet: Sonntag, 13. Dezember 2026, 12:00 Uhr (Europe/Berlin)
      Tage übrig: 334

    -- 
    Gesendet von shopsyncd, das sich um die Shops kümmert.
    "#);
}

fn obstructed(obstacle: Obstacle) -> Letter {
    Letter::Obstacles(vec![Obstructed {
        shops: vec![shop("tt-uk", "TikTok UK")],
        channel: "TikTok Shop".to_owned(),
        obstacle,
    }])
}

#[test]
fn a_closed_shop_is_told_with_the_channels_words() {
    let letter = obstructed(Obstacle::Closed("the shop is frozen".to_owned()));
    assert_eq!(subject(&letter, Language::En, NOON), "TikTok UK: TikTok Shop says that the shop is closed");
    insta::assert_snapshot!(text(&letter, Language::En, NOON), @r#"
    TikTok Shop lets nobody work in this shop at present. Its words: “the
    shop is frozen”.

    Product import and product export stand still. Nothing is lost: the
    shop's jobs wait, and once it is open again everything that was missed
    is caught up unasked.

    TikTok UK

    Please look into the shop at TikTok Shop. Nothing has to be renewed
    here; whether the shop is open again is looked at once a day.

    -- 
    Sent by shopsyncd, which looks after your shops.
    "#);
    assert_eq!(subject(&letter, Language::De, NOON), "TikTok UK: TikTok Shop meldet, dass der Shop geschlossen ist");
    insta::assert_snapshot!(text(&letter, Language::De, NOON), @r#"
    TikTok Shop lässt zurzeit niemanden in diesem Shop arbeiten. Seine
    Worte: „the shop is frozen“.

    Produktimport und Produktexport stehen still. Verloren geht nichts: Die
    Aufgaben des Shops warten, und sobald er wieder offen ist, wird alles
    Versäumte von selbst nachgeholt.

    TikTok UK

    Bitte bei TikTok Shop nach dem Shop sehen. Zu erneuern ist hier nichts;
    ob der Shop wieder offen ist, wird einmal am Tag geprüft.

    -- 
    Gesendet von shopsyncd, das sich um die Shops kümmert.
    "#);
}

#[test]
fn a_right_that_is_missing_is_told_with_the_way_to_give_it() {
    let letter = obstructed(Obstacle::ScopeMissing("seller.product.write".to_owned()));
    assert_eq!(subject(&letter, Language::En, NOON), "TikTok UK: the permission lacks a right");
    insta::assert_snapshot!(text(&letter, Language::En, NOON), @r#"
    The permission to work in this shop lacks a right that shopsyncd needs:
    “seller.product.write”.

    Product import and product export stand still. Nothing is lost: the
    shop's jobs wait, and after the renewal everything that was missed is
    caught up unasked.

    TikTok UK
      Renew the permission:
      https://shops.example.com/authorize/tt-uk?t=abc

    To renew, open the link, sign in at the marketplace with the account of
    the shop and agree. It takes a few clicks. The link works until 17
    January 2027.

    -- 
    Sent by shopsyncd, which looks after your shops.
    "#);
    assert_eq!(subject(&letter, Language::De, NOON), "TikTok UK: der Berechtigung fehlt ein Recht");
    insta::assert_snapshot!(text(&letter, Language::De, NOON), @r#"
    Der Berechtigung, in diesem Shop zu arbeiten, fehlt ein Recht, das
    shopsyncd braucht: „seller.product.write“.

    Produktimport und Produktexport stehen still. Verloren geht nichts: Die
    Aufgaben des Shops warten, und nach der Erneuerung wird alles Versäumte
    von selbst nachgeholt.

    TikTok UK
      Berechtigung erneuern:
      https://shops.example.com/authorize/tt-uk?t=abc

    Zum Erneuern den Link öffnen, sich beim Marktplatz mit dem Konto des
    Shops anmelden und zustimmen. Das dauert nur wenige Klicks. Der Link
    gilt bis zum 17. Januar 2027.

    -- 
    Gesendet von shopsyncd, das sich um die Shops kümmert.
    "#);
}

#[test]
fn a_refused_app_is_told_with_the_keys_that_stand_in_the_settings() {
    let news = News::AppRejected {
        channel: "SHOPLINE".to_owned(),
        keys: ["asia_client_id".to_owned(), "asia_client_secret".to_owned()],
        why: "invalid_client".to_owned(),
        shop: None,
        others: Vec::new(),
    };
    let letter = Letter::Operator(vec![news]);
    assert_eq!(subject(&letter, Language::En, NOON), "SHOPLINE refuses our app: all its shops wait");
    insta::assert_snapshot!(text(&letter, Language::En, NOON), @r#"
    SHOPLINE refuses the credentials of our app: invalid_client. All shops
    that work with it wait. Correct `asia_client_id` and
    `asia_client_secret` in the settings; the jobs go on by themselves.

    -- 
    Sent by shopsyncd, which looks after your shops.
    "#);
    assert_eq!(subject(&letter, Language::De, NOON), "SHOPLINE verweigert unsere App: alle ihre Shops warten");
    insta::assert_snapshot!(text(&letter, Language::De, NOON), @r#"
    SHOPLINE verweigert die Zugangsdaten unserer App: invalid_client. Alle
    Shops, die mit ihr arbeiten, warten. Bitte `asia_client_id` und
    `asia_client_secret` in den Einstellungen berichtigen; die Aufgaben
    laufen dann von selbst weiter.

    -- 
    Gesendet von shopsyncd, das sich um die Shops kümmert.
    "#);
    // One that waited in the outbox while the program was replaced.
    let older = r#"{"news": "app_rejected", "channel": "Amazon", "why": "invalid_client"}"#;
    let older = Letter::Operator(vec![serde_json::from_str(older).unwrap()]);
    assert!(unwrapped(&older, Language::En, NOON).contains("Correct `client_id` and `client_secret` in the settings"));
}

#[test]
fn subjects_say_how_long_is_left() {
    let one = |ends_at| Letter::Reminder(vec![item(1, &[("tt-uk", "TikTok UK")], ends_at)]);
    let many = Letter::Ended(item(1, &[("a", "A"), ("b", "B"), ("c", "C")], NOON));
    let table = [
        (subject(&one(NOON), Language::En, "2026-12-13T07:00:00Z"), "TikTok UK: permission ends today at 12:00"),
        (
            subject(&one(NOON), Language::En, "2026-12-12T23:30:00Z"),
            // Half past midnight in Berlin: the day counts there, not in UTC.
            "TikTok UK: permission ends today at 12:00",
        ),
        (
            subject(&one(NOON), Language::En, "2026-12-12T07:00:00Z"),
            "TikTok UK: permission ends tomorrow, on 13 December",
        ),
        (
            subject(&one("2027-01-02T11:00:00Z"), Language::En, "2026-12-13T07:00:00Z"),
            "TikTok UK: permission ends in 20 days, on 2 January 2027",
        ),
        (
            subject(&one("2027-03-02T11:00:00Z"), Language::De, "2027-02-01T07:00:00Z"),
            "TikTok UK: Berechtigung endet in 29 Tagen, am 2. März",
        ),
        (subject(&many, Language::En, "2026-12-13T11:00:01Z"), "A and 2 more shops: permission ended on 13 December"),
        (
            subject(&many, Language::De, "2026-12-13T11:00:01Z"),
            "A und 2 weitere Shops: Berechtigung am 13. Dezember abgelaufen",
        ),
        (
            subject(&Letter::Renewed(item(1, &[("a", "A")], "2027-12-13T11:00:00Z")), Language::En, NOON),
            "A: permission renewed until 13 December 2027",
        ),
    ];
    for (said, expected) in table {
        assert_eq!(said, expected);
    }
}

#[test]
fn operators_read_what_to_do() {
    let news = News::GuardStopped {
        shop: "tt-uk".parse().unwrap(),
        name: "TikTok UK".to_owned(),
        why: "it would retire 30 of 100 SKUs".to_owned(),
    };
    insta::assert_snapshot!(text(&Letter::Operator(vec![news]), Language::En, NOON), @r#"
    The export to TikTok UK would have done too much and was stopped before
    anything was sent: it would retire 30 of 100 SKUs. Until you decide,
    prices and stock of all its other SKUs wait too. Look at the plan with
    `shopsyncd jobs run tt-uk product_export --dry-run`; if it is right, let
    it through with
    `shopsyncd jobs run tt-uk product_export --release-guard`.

    -- 
    Sent by shopsyncd, which looks after your shops.
    "#);
    let secret = |ends_on: &str| {
        let news = News::AppSecretEnds { channel: "Amazon".to_owned(), ends_on: ends_on.parse().unwrap() };
        subject(&Letter::Operator(vec![news]), Language::En, NOON)
    };
    assert_eq!(secret("2026-12-20"), "Amazon: the app's client secret ends in 7 days, on 20 December");
    assert_eq!(secret("2026-12-14"), "Amazon: the app's client secret ends tomorrow, on 14 December");
    assert_eq!(secret("2026-12-10"), "Amazon: the app's client secret ended on 10 December");
}

#[test]
fn several_occasions_are_told_in_one_mail_in_their_order() {
    let shops = || vec!["UK".to_owned(), "DE".to_owned()];
    let news = vec![
        News::AuthorizationLapsed {
            channel: "TikTok Shop".to_owned(),
            account: None,
            shops: shops(),
            grant: None,
            asked: true,
        },
        News::SettingsRefused { why: "shopsyncd.toml:3: not TOML".to_owned() },
        News::ShopsGone { shops: vec!["uk".parse().unwrap(), "de".parse().unwrap()] },
        News::Undeliverable { id: 7, to: "a@example.com".to_owned(), why: "550 no such user".to_owned() },
    ];
    let letter = Letter::Operator(news);
    assert_eq!(
        subject(&letter, Language::De, NOON),
        "4 Vorkommnisse, zuerst UK und DE: die Berechtigung ist abgelaufen"
    );
    insta::assert_snapshot!(text(&letter, Language::En, NOON), @r#"
    These things have happened, in this order.

    UK and DE: the permission has ended
      The permission to work in UK and DE at TikTok Shop has ended, because
      nobody renewed it in time. Their jobs wait, and nothing is lost. The
      owners have been asked to renew it.

    the newest settings were refused
      The settings were edited and refused; the ones before keep serving:
      shopsyncd.toml:3: not TOML. Look with `shopsyncd check`, and correct
      them: they are read again at once.

    2 shops are in no settings file any more
      At its start shopsyncd found in none of its settings files what was
      there before: uk and de. The jobs of these shops have stopped, and
      their data stays. If that is not meant, put their files back: they are
      read at once. Otherwise `shopsyncd shops forget SHOP --yes` erases
      what is kept of a shop.

    mail to a@example.com cannot be delivered
      A mail to a@example.com was given up: 550 no such user. If the address
      is wrong, correct it in the settings: what a shop's people have missed
      goes to the new one by itself. If it was the relay, mend it; then
      `shopsyncd mail retry 7` sends again what still holds.
      `shopsyncd mail list` shows the others.

    -- 
    Sent by shopsyncd, which looks after your shops.
    "#);
}

#[test]
fn a_mail_program_finds_headers_both_texts_and_the_calendar_entry() {
    let letter = Letter::Reminder(vec![item(7, &[("tt-uk", "TikTok UK"), ("tt-de", "TikTok DE")], NOON)]);
    let message = composed(&letter, Language::En, "2026-11-23T07:00:00Z").message;
    assert!(message.is_ascii());
    let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
    let raw = |name: &'static str| parsed.header_raw(name).unwrap().trim();
    assert_eq!(raw("X-Shopsyncd-Kind"), "reminder");
    assert_eq!(raw("X-Shopsyncd-Shops"), "tt-uk, tt-de");
    assert_eq!(raw("Auto-Submitted"), "auto-generated");
    assert_eq!(parsed.message_id(), Some("shopsyncd.7.1@example.com"));
    assert_eq!(parsed.date().unwrap().to_rfc3339(), "2026-11-23T07:00:00Z");
    assert_eq!(parsed.from().unwrap().first().unwrap().name(), Some("Jürgens Läden"));
    assert_eq!(parsed.to().unwrap().first().unwrap().address(), Some("owner@example.com"));
    let html = parsed.body_html(0).unwrap();
    assert!(html.contains(r#"href="https://shops.example.com/authorize/tt-uk?t=abc""#), "{html}");
    assert!(!html.contains("<img") && !html.contains("src="), "nothing is loaded from afar");
    let attachment = parsed.attachment(0).unwrap();
    assert_eq!(attachment.content_type().unwrap().subtype(), Some("calendar"));
    let entry = attachment.text_contents().unwrap();
    insta::assert_snapshot!(entry.replace("\r\n", "\n"), @r#"
    BEGIN:VCALENDAR
    VERSION:2.0
    PRODID:-//shopsyncd//reminders//EN
    METHOD:PUBLISH
    X-WR-CALDESC:TikTok UK and TikTok DE: permission ends in 20 days\, on 13 De
     cember
    BEGIN:VEVENT
    UID:authorization-7@example.com
    SEQUENCE:217580400
    DTSTAMP:20261123T070000Z
    DTSTART:20261213T110000Z
    SUMMARY:TikTok UK and TikTok DE: permission ends (TikTok Shop)
    DESCRIPTION:TikTok UK: https://shops.example.com/authorize/tt-uk?t=abc\nTik
     Tok DE: https://shops.example.com/authorize/tt-de?t=abc
    URL:https://shops.example.com/authorize/tt-uk?t=abc
    TRANSP:TRANSPARENT
    END:VEVENT
    END:VCALENDAR
    "#);
    assert!(entry.lines().all(|line| line.len() <= 75));
}

#[test]
fn commands_can_be_copied_and_reach_the_daemon_that_sent_them() {
    let why = "`a <b>` and a lonely \u{201c}".to_owned();
    let news = News::Undeliverable { id: 7, to: "a@example.com".to_owned(), why };
    let from = Sender::parse("shops@example.com").unwrap();
    let command = "shopsyncd --config /srv/the/settings/of/all/our/shops/shopsyncd.toml";
    let envelope = Envelope {
        from: &from,
        to: "ops@example.com",
        to_name: None,
        message_id: "<1@example.com>",
        shops: &[],
        language: Language::En,
        zone: &TimeZone::UTC,
        command,
        now: NOON.parse().unwrap(),
    };
    let message = compose(&Letter::Operator(vec![news]), &envelope).unwrap().message;
    let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
    let (html, text) = (parsed.body_html(0).unwrap(), parsed.body_text(0).unwrap());
    for command in [format!("{command} mail retry 7"), format!("{command} mail list")] {
        assert!(html.contains(&format!("<code>{command}</code>")), "{html}");
        assert!(text.contains(&format!("`{command}`")), "whole, on one line: {text}");
    }
    assert!(html.contains("<code>a &#60;b&#62;</code>") && !html.contains('`'), "{html}");
    let long = |line: &&str| line.chars().count() > 72 && !line.contains("shopsyncd --config");
    assert_eq!(text.lines().find(long), None);
}

#[test]
fn no_name_can_add_a_header_or_break_the_page() {
    let mut one = item(1, &[("tt-uk", "Evil\r\nBcc: all@example.com\r\n\r\n<script>")], NOON);
    one.channel = "Kanal\nX-Evil: 1".to_owned();
    one.account = Some("a\rb".to_owned());
    let message = composed(&Letter::Reminder(vec![one]), Language::En, "2026-11-23T07:00:00Z").message;
    let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
    assert!(parsed.bcc().is_none());
    assert!(parsed.header_raw("X-Evil").is_none());
    let header = message.split("\r\n\r\n").next().unwrap();
    assert!(!header.lines().any(|line| line.starts_with("Bcc") || line.starts_with("X-Evil")), "{header}");
    assert!(!parsed.body_html(0).unwrap().contains("<script>"));
    assert!(parsed.subject().unwrap().contains("Evil  Bcc: all@example.com"));
}

#[test]
fn a_notice_of_an_end_brings_no_calendar_entry() {
    let message = composed(&Letter::Ended(item(1, &[("a", "A")], NOON)), Language::En, "2026-12-13T11:00:01Z").message;
    assert_eq!(MessageParser::default().parse(message.as_bytes()).unwrap().attachment_count(), 0);
}

#[test]
fn an_impossible_recipient_is_refused_for_good() {
    let from = Sender::parse("shops@example.com").unwrap();
    let envelope = Envelope {
        from: &from,
        to: "nobody",
        to_name: None,
        message_id: "<1@example.com>",
        shops: &[],
        language: Language::En,
        zone: &TimeZone::UTC,
        command: "shopsyncd",
        now: NOON.parse().unwrap(),
    };
    assert!(compose(&Letter::Test, &envelope).unwrap_err().is_permanent());
    assert!(Sender::parse("nobody").is_err());
}

#[test]
fn it_is_the_channel_that_refuses_and_not_the_seller() {
    let news = News::AuthorizationRevoked {
        channel: "TikTok Shop".to_owned(),
        account: Some("Acme Ltd".to_owned()),
        shops: vec!["TikTok UK".to_owned()],
        why: "the seller took it back".to_owned(),
        grant: None,
        asked: true,
    };
    let letter = Letter::Operator(vec![news]);
    for (language, told) in [
        (Language::En, "TikTok Shop refuses the permission of TikTok UK (account Acme Ltd) before its end date"),
        (Language::De, "TikTok Shop verweigert die Berechtigung von TikTok UK (Konto Acme Ltd) vor ihrem Enddatum"),
    ] {
        let text = unwrapped(&letter, language, NOON);
        assert!(text.contains(told), "{text}");
    }
}

#[test]
fn what_ended_in_its_last_hour_or_has_no_end_date_does_not_contradict_itself() {
    let shops = [("tt-uk", "TikTok UK")];
    let text = |item: Item, language| unwrapped(&Letter::Ended(item), language, "2026-12-13T10:20:00Z");
    let early = text(item(1, &shops, NOON), Language::En);
    assert!(early.contains("has ended, shortly before its end date: Sunday, 13 December 2026, 12:00"), "{early}");
    assert!(early.contains("End date: Sunday") && !early.contains("Days left") && !early.contains("Ends:"), "{early}");
    let early = text(item(1, &shops, NOON), Language::De);
    assert!(
        early.contains("Enddatum: Sonntag") && !early.contains("Tage übrig") && !early.contains("Endet:"),
        "{early}"
    );
    let never = Item { ends_at: None, revoked: Some("gone".to_owned()), ..item(1, &shops, NOON) };
    assert!(!text(never.clone(), Language::En).contains("end date"));
    assert!(!text(never, Language::De).contains("Enddatum"));
}
