//! A mail relay takes our mails, refuses them, breaks off and is slow; what it took is read by programs that know nothing of us.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use shopsyncd::{
    domain::{AuthorizationId, ShopId},
    mail::{
        Envelope, Item, Language, Letter, MailError, Mailer, Outgoing, RenewLink, Sender, ShopLine, Smtp, Tls, compose,
    },
};

use super::relay::{PASSWORD, Relay, Serves, USER, mailer};

const FROM: &str = "\"Jürgens Läden, überall\" <läden@bücher.example>";
const NOW: &str = "2026-11-23T07:00:00Z";

/// Whom a mail goes to: a name and an address.
type Who = (&'static str, &'static str);

pub(super) const OWNER: Who = ("Jürgen \"der Händler\" Müller", "jm@example.com");

/// A mail as the outbox keeps it.
pub(super) struct Kept {
    from: String,
    to: Who,
    pub(super) id: String,
    pub(super) message: String,
}

impl Kept {
    fn new(number: u32, letter: &Letter, from: &str, to: Who, now: &str) -> Self {
        let sender = Sender::parse(from).unwrap();
        let id = format!("<shopsyncd.{number}.1@{}>", sender.domain());
        let shops: Vec<ShopId> = ["tt-uk", "tt-de"].map(|id| id.parse().unwrap()).into();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let envelope = Envelope {
            from: &sender,
            to: to.1,
            to_name: Some(to.0),
            message_id: &id,
            shops: &shops,
            language: Language::De,
            zone: &zone,
            command: "shopsyncd",
            now: now.parse().unwrap(),
        };
        let message = compose(letter, &envelope).unwrap().message;
        Self { from: sender.address(), to, id, message }
    }

    /// A reminder from a sender without umlauts.
    pub(super) fn plain(number: u32) -> Self {
        Self::new(number, &reminder(NOON), "shopsyncd <shops@example.com>", OWNER, NOW)
    }

    /// The same to another address.
    pub(super) fn to(self, address: &'static str) -> Self {
        let number = self.id.split('.').nth(1).unwrap().parse().unwrap();
        Self::new(number, &reminder(NOON), "shopsyncd <shops@example.com>", (OWNER.0, address), NOW)
    }

    /// The same with so many letters more.
    pub(super) fn padded(mut self, letters: usize) -> Self {
        self.message += &"A letter on a line.\r\n".repeat(letters / 21);
        self
    }

    /// Whom it goes to, as that travels.
    pub(super) fn address_in_ascii(&self) -> String {
        self.to.1.replace("bücher", "xn--bcher-kva")
    }

    pub(super) async fn send(&self, mailer: &Mailer) -> Result<(), MailError> {
        let Self { from, to, id, message } = self;
        mailer.send(Outgoing { from, to: to.1, message_id: id, message }).await
    }
}

const NOON: &str = "2026-12-13T11:00:00Z";

fn item(ends_at: &str) -> Item {
    let shop = |id: &str, name: &str| ShopLine {
        id: id.parse().unwrap(),
        name: name.to_owned(),
        renew: RenewLink {
            url: format!("https://shops.example.com/authorize/{id}?t={}", "a1b2c3d4".repeat(12)).parse().unwrap(),
            until: Some("2027-01-17T12:00:00Z".parse().unwrap()),
        },
    };
    Item {
        authorization: AuthorizationId(7),
        channel: "TikTok Shop".to_owned(),
        account: Some("Müller & <b>Söhne</b>".to_owned()),
        shops: vec![shop("tt-uk", "Grüße aus\r\nBcc: eve@example.com"), shop("tt-de", "日本茶, <script>; und mehr")],
        ends_at: Some(ends_at.parse::<Timestamp>().unwrap()),
        revoked: None,
    }
}

fn reminder(ends_at: &str) -> Letter {
    Letter::Reminder(vec![item(ends_at)])
}

/// What is the same in every mail, whatever it says.
pub(super) fn is_sound(mail: &Value) {
    for none in ["defects", "loads", "html_faults"] {
        assert_eq!(mail[none], json!([]), "{none}");
    }
    assert_eq!(mail["bare_line_ends"], 0);
    assert!(mail["longest_line"].as_u64().unwrap() <= 998, "RFC 5322 section 2.1.1: {}", mail["longest_line"]);
    assert_eq!(mail["body_is_ascii"], true);
    let mut names: Vec<String> =
        mail["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_lowercase()).collect();
    names.sort();
    let wanted =
        "auto-submitted content-type date from message-id mime-version subject to x-shopsyncd-kind x-shopsyncd-shops";
    assert_eq!(names.join(" "), wanted, "each once, and no other");
    assert_eq!(mail["headers"]["auto-submitted"], "auto-generated");
}

#[tokio::test]
async fn a_mail_arrives_part_by_part_as_it_was_meant_over_starttls_and_auth() {
    let Some(mut relay) = Relay::start(Serves::USUAL).await else { return };
    let mailer = relay.mailer();
    let first = Kept::new(1, &reminder(NOON), FROM, OWNER, NOW);
    first.send(&mailer).await.unwrap();
    let renewed = Letter::Renewed(item("2027-12-13T11:00:00Z"));
    Kept::new(2, &renewed, FROM, OWNER, "2026-11-23T07:00:20Z").send(&mailer).await.unwrap();

    let taken = relay.taken().await;
    let [told, note] = &taken.received[..] else { panic!("{taken:?}") };
    for one in [told, note] {
        assert_eq!((&one["tls"], &one["user"]), (&json!(true), &json!(USER)));
        assert_eq!((&one["from"], &one["to"]), (&json!("läden@xn--bcher-kva.example"), &json!(["jm@example.com"])));
        is_sound(&one["mail"]);
    }
    let mail = &told["mail"];
    assert_eq!(mail["from"], json!([["Jürgens Läden, überall", "läden@xn--bcher-kva.example"]]));
    assert_eq!(mail["to"], json!([[OWNER.0, OWNER.1]]));
    let headers = &mail["headers"];
    assert_eq!(headers["message-id"], first.id);
    assert_eq!(
        (&headers["x-shopsyncd-kind"], &headers["x-shopsyncd-shops"]),
        (&json!("reminder"), &json!("tt-uk, tt-de"))
    );
    let subject = headers["subject"].as_str().unwrap();
    assert!(
        subject.contains("Grüße aus") && subject.contains("日本茶") && subject.contains("13. Dezember"),
        "{subject}"
    );
    assert_eq!(mail["date"], "2026-11-23T07:00:00+00:00");
    assert_eq!(mail["structure"], "multipart/mixed(multipart/alternative(text/plain,text/html),text/calendar)");
    let (text, html) = (mail["text"].as_str().unwrap(), mail["html"].as_str().unwrap());
    for said in ["13. Dezember 2026, 12:00", "Tage übrig: 20", "Müller & <b>Söhne</b>", "17. Januar 2027"] {
        let unwrapped = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(unwrapped.contains(said), "{said}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 72 || !line.trim().contains(' ')), "{text}");
    assert!(html.contains("Müller &#38; &#60;b&#62;Söhne&#60;/b&#62;") && !html.contains("<script>"), "{html}");
    let links: Vec<_> = item(NOON).shops.iter().map(|shop| shop.renew.url.to_string()).collect();
    assert_eq!(mail["links"], json!(links), "two links, and nothing else is led to");
    for link in &links {
        assert!(text.lines().any(|line| line.trim() == link), "whole on a line of its own: {text}");
    }

    let entry = |mail: &Value| {
        assert_eq!(mail["file"], "permission.ics");
        let calendar = &mail["calendar"];
        assert_eq!((&calendar["method"], &calendar["faults"]), (&json!("PUBLISH"), &json!([])));
        assert!(calendar["longest_line"].as_u64().unwrap() <= 75, "RFC 5545 section 3.1");
        assert_eq!(calendar["events"].as_array().unwrap().len(), 1);
        calendar["events"][0].clone()
    };
    let (before, after) = (entry(mail), entry(&note["mail"]));
    assert_eq!(note["mail"]["headers"]["x-shopsyncd-kind"], "renewed");
    assert_eq!(before["uid"], after["uid"], "the same entry");
    assert!(after["sequence"].as_u64() > before["sequence"].as_u64(), "of which the later mail knows better: {after}");
    let starts = [&before["start"], &after["start"]];
    assert_eq!(starts, [&json!("2026-12-13T11:00:00+00:00"), &json!("2027-12-13T11:00:00+00:00")]);
    assert_eq!(before["url"], links[0].as_str());
    assert!(before["summary"].as_str().unwrap().contains("日本茶, <script>; und mehr"), "{before}");
    assert!(links.iter().all(|link| before["description"].as_str().unwrap().contains(link.as_str())), "{before}");
}

#[tokio::test]
async fn over_ipv6_and_implicit_tls_it_arrives_too() {
    let serves = Serves { host: "::1", tls: Tls::Implicit, names: "IP:::1", ..Serves::USUAL };
    let Some(mut relay) = Relay::start(serves).await else { return };
    for host in ["::1", "[::1]"] {
        let mailer = mailer(Smtp { host: host.to_owned(), ..relay.known() });
        Kept::plain(1).send(&mailer).await.unwrap();
    }
    let taken = relay.taken().await;
    assert_eq!(taken.received.len(), 2);
    assert!(taken.received.iter().all(|one| one["tls"] == true && one["user"] == USER), "{taken:?}");
}

/// A conversation that must not happen: nobody signed in, and no mail was named. The error, which keeps the mail owed.
async fn untold(relay: &mut Relay, smtp: Smtp) -> String {
    let error = Kept::plain(1).send(&mailer(smtp)).await.unwrap_err();
    assert!(!error.is_permanent() && !error.text.contains(PASSWORD), "{error}");
    let taken = relay.taken().await;
    assert!(taken.received.is_empty() && taken.heard.iter().all(|command| command == "EHLO"), "{taken:?}");
    error.text
}

#[tokio::test]
async fn nothing_is_told_to_a_relay_that_does_not_prove_who_it_is() {
    for tls in [Tls::Starttls, Tls::Implicit] {
        let Some(mut relay) = Relay::start(Serves { tls, names: "DNS:other.example", ..Serves::USUAL }).await else {
            return;
        };
        let known = relay.known();
        let wrong_name = untold(&mut relay, known.clone()).await;
        assert!(wrong_name.contains("not valid for name"), "{wrong_name}");
        let unknown = untold(&mut relay, Smtp { ca: None, ..known.clone() }).await;
        assert!(unknown.contains("UnknownIssuer") && unknown.contains("mail.smtp.ca_file"), "{unknown}");
        let Some(other) = Relay::start(Serves::USUAL).await else { return };
        let elsewhere = untold(&mut relay, Smtp { ca: other.known().ca, ..known }).await;
        assert!(elsewhere.contains("certificate"), "{elsewhere}");
    }
}

#[tokio::test]
async fn encryption_is_never_given_up() {
    let Some(mut relay) = Relay::start(Serves { tls: Tls::None, ..Serves::USUAL }).await else { return };
    let known = relay.known();
    let refused = untold(&mut relay, Smtp { tls: Tls::Starttls, ..known.clone() }).await;
    assert!(refused.contains("STARTTLS"), "{refused}");
    // It greets in the clear: whatever that is, it is not TLS.
    untold(&mut relay, Smtp { tls: Tls::Implicit, ..known }).await;
}

#[tokio::test]
async fn a_login_that_is_refused_keeps_the_mail_and_names_the_remedy() {
    let Some(mut relay) = Relay::start(Serves::USUAL).await else { return };
    let password = Some(shopsyncd::secrets::Secret::new("a guess"));
    let error = Kept::plain(1).send(&mailer(Smtp { password, ..relay.known() })).await.unwrap_err();
    assert!(!error.is_permanent() && error.text.contains("535"), "{error}");
    assert!(error.text.contains("mail.smtp.password") && !error.text.contains("a guess"), "{error}");
    let error =
        Kept::plain(1).send(&mailer(Smtp { username: None, password: None, ..relay.known() })).await.unwrap_err();
    assert!(
        !error.is_permanent() && error.text.contains("530") && error.text.contains("mail.smtp.username"),
        "{error}"
    );
    let taken = relay.taken().await;
    assert!(taken.received.is_empty() && !taken.heard.contains(&"DATA".to_owned()), "{taken:?}");
}

#[tokio::test]
async fn answers_are_for_good_or_for_now_and_a_broken_off_conversation_is_for_now() {
    let Some(mut relay) = Relay::start(Serves::USUAL).await else { return };
    let mailer = relay.mailer();
    let mail = Kept::plain(1);
    // At which point, with what, whether for good, and whether the relay has it all the same.
    let table = [
        ("mail", "451 4.3.0 later", false, false),
        ("mail", "552 5.2.2 no space for you", true, false),
        ("rcpt", "450 4.2.1 greylisted", false, false),
        ("rcpt", "550 5.1.1 no such user", true, false),
        ("message", "451 4.7.1 later", false, false),
        ("message", "554 5.7.1 looks like spam", true, false),
        ("data-middle", "gone", false, false),
        ("message", "taken, then gone", false, true),
    ];
    for (at, how, permanent, has_it) in table {
        relay.next(&[(at, how)]).await;
        let error = mail.send(&mailer).await.unwrap_err();
        assert_eq!(error.is_permanent(), permanent, "{at} {how}: {error}");
        assert!(
            !how.starts_with(['4', '5']) || (error.text.contains(&how[..3]) && error.text.contains(&how[4..])),
            "{how}: {error}"
        );
        let taken = relay.taken().await;
        assert_eq!((taken.received.len(), taken.left), (usize::from(has_it), 0), "{at} {how}");
        // The next attempt with the same bytes arrives, whatever became of the connection.
        mail.send(&mailer).await.unwrap();
        let again = relay.taken().await.received;
        assert_eq!(again.len(), 1, "{at} {how}");
        for one in taken.received.iter().chain(&again) {
            assert_eq!(one["mail"]["headers"]["message-id"], mail.id, "whoever gets it twice can tell");
        }
    }
}

#[tokio::test]
async fn a_relay_that_is_slow_or_hangs_up_after_its_yes_gets_each_mail_once() {
    let Some(mut relay) = Relay::start(Serves::USUAL).await else { return };
    let mailer = relay.mailer();
    relay.next(&[("message", "after 1.5"), ("message", "yes, then gone")]).await;
    for number in 1..=8 {
        Kept::plain(number).send(&mailer).await.unwrap();
    }
    let taken = relay.taken().await;
    let ids: Vec<_> = taken.received.iter().map(|one| one["mail"]["headers"]["message-id"].clone()).collect();
    assert_eq!(ids, (1..=8).map(|number| json!(Kept::plain(number).id)).collect::<Vec<_>>());
    let last = taken.received.last().unwrap()["connection"].as_u64().unwrap();
    assert!((2..=4).contains(&last), "connections are used again, and one that is gone is replaced: {last}");
}

#[tokio::test]
async fn umlauts_go_wherever_the_relay_takes_them() {
    let Some(mut relay) = Relay::start(Serves::USUAL).await else { return };
    let Some(mut old) = Relay::start(Serves { utf8: false, ..Serves::USUAL }).await else { return };
    let plain = "Jürgens Läden <shops@example.com>";
    let mail = |to: &'static str| Kept::new(1, &reminder(NOON), plain, ("Jürgen", to), NOW);

    mail("jürgen@bücher.example").send(&relay.mailer()).await.unwrap();
    let taken = relay.taken().await.received.remove(0);
    assert_eq!(taken["to"], json!(["jürgen@xn--bcher-kva.example"]));
    assert!(taken["options"].as_array().unwrap().contains(&json!("SMTPUTF8")), "{taken}");
    assert_eq!(taken["mail"]["to"], json!([["Jürgen", "jürgen@xn--bcher-kva.example"]]));

    // Names and domains need nothing of the relay.
    mail("jm@bücher.example").send(&old.mailer()).await.unwrap();
    let taken = old.taken().await.received.remove(0);
    assert_eq!((&taken["to"], &taken["options"]), (&json!(["jm@xn--bcher-kva.example"]), &json!([])));
    assert_eq!(taken["mail"]["to"], json!([["Jürgen", "jm@xn--bcher-kva.example"]]));
    is_sound(&taken["mail"]);

    let error = mail("jürgen@bücher.example").send(&old.mailer()).await.unwrap_err();
    assert!(error.is_permanent() && error.text.contains("SMTPUTF8"), "{error}");
    let from = Kept::new(1, &reminder(NOON), FROM, OWNER, NOW).send(&old.mailer()).await.unwrap_err();
    assert!(from.is_permanent(), "{from}");
    assert!(!old.taken().await.heard.contains(&"MAIL".to_owned()));
}
