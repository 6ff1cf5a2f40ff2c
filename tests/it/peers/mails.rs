//! Every kind of mail as a real browser shows it: narrow and wide, light and dark, with names and causes that nobody expects.

use jiff::{Timestamp, tz::TimeZone};
use mail_parser::MessageParser;
use shopsyncd::{
    domain::{AuthorizationId, JobKind},
    mail::{Envelope, Item, Language, Letter, News, Obstacle, Obstructed, RenewLink, Sender, ShopLine, compose},
};

use super::browser::Browser;

const NOW: &str = "2026-11-23T07:00:00Z";
const LONG: &str = "Donaudampfschifffahrtsgesellschaftskapitänsmützen-und-Zubehör-Versandhandel";
const CAUSE: &str = "https://open-api.example.com/product/202309/products/search?app_key=6abc123def456&sign=0123456789abcdef0123456789abcdef0123456789abcdef: no answer in 30 s";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn shop(id: &str, name: &str) -> ShopLine {
    let url = format!("https://shops.example.com/authorize/{id}?t={}", "a1b2c3d4".repeat(20)).parse().unwrap();
    ShopLine {
        id: id.parse().unwrap(),
        name: name.to_owned(),
        renew: RenewLink { url, until: Some(at("2027-01-17T12:00:00Z")) },
    }
}

fn item(number: i64, shops: &[(&str, &str)], ends_at: &str) -> Item {
    Item {
        authorization: AuthorizationId(number),
        channel: "TikTok Shop".to_owned(),
        account: Some(format!("{LONG}.example")),
        shops: shops.iter().map(|(id, name)| shop(id, name)).collect(),
        ends_at: Some(at(ends_at)),
        revoked: None,
    }
}

/// A name for its pictures, the language, and what is told.
fn letters() -> Vec<(&'static str, Language, Letter)> {
    let one = || item(1, &[("uk", "TikTok UK")], "2026-12-13T11:00:00Z");
    let named = [("de", LONG), ("at", "Zweite & <b>dritte</b> Wahl")];
    let many =
        (3..9).map(|number| item(number, &[("us", "Harbour of all the very fine things")], "2026-12-20T11:00:00Z"));
    let revoked = Item { revoked: Some(CAUSE.to_owned()), ..one() };
    let name = || LONG.to_owned();
    let operator = vec![
        News::JobFailing {
            shop: "uk".parse().unwrap(),
            name: name(),
            job: JobKind::ProductImport,
            why: CAUSE.to_owned(),
            remedy: "look whether open-api.example.com is reached from here".to_owned(),
        },
        News::Undeliverable { id: 7, to: format!("{LONG}@{LONG}.example"), why: CAUSE.to_owned() },
        News::SettingsRefused {
            why: "shopsyncd.toml:3: not TOML\nshopsyncd.toml:7: `everywhere` is not an address".to_owned(),
        },
        News::AppSecretEnds { channel: "Amazon".to_owned(), ends_on: "2026-12-01".parse().unwrap() },
    ];
    vec![
        ("reminder", Language::En, Letter::Reminder(vec![one()])),
        (
            "digest",
            Language::De,
            Letter::Reminder([item(2, &named, "2026-11-24T11:00:00Z")].into_iter().chain(many).collect()),
        ),
        ("ended", Language::De, Letter::Ended(item(2, &named, "2026-11-23T06:00:00Z"))),
        ("revoked", Language::En, Letter::Ended(revoked)),
        ("renewed", Language::De, Letter::Renewed(item(2, &named, "2027-11-23T06:00:00Z"))),
        ("fresh-link", Language::En, Letter::FreshLink(shop("de", LONG))),
        (
            "obstacle",
            Language::De,
            Letter::Obstacles(vec![Obstructed {
                shops: vec![shop("de", LONG)],
                channel: "TikTok Shop".to_owned(),
                obstacle: Obstacle::ScopeMissing("seller.product.write_and_read_everything_there_is".to_owned()),
            }]),
        ),
        ("operator", Language::En, Letter::Operator(operator)),
        ("test", Language::De, Letter::Test),
    ]
}

/// The HTML of a mail, and its subject.
fn html(letter: &Letter, language: Language) -> (String, String) {
    let from = Sender::parse("shopsyncd <shops@example.com>").unwrap();
    let shops: Vec<_> = letter.items().iter().flat_map(|item| &item.shops).map(|shop| shop.id.clone()).collect();
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
        now: at(NOW),
    };
    let composed = compose(letter, &envelope).unwrap();
    let mail = MessageParser::default().parse(composed.message.as_bytes()).unwrap();
    (mail.body_html(0).unwrap().into_owned(), composed.subject)
}

#[tokio::test]
async fn every_kind_of_mail_is_well_narrow_and_wide_light_and_dark_and_loads_nothing() {
    let Some(mut browser) = Browser::start("mails") else { return };
    let mut faults = Vec::new();
    for (name, language, letter) in letters() {
        let (html, subject) = html(&letter, language);
        let seen = browser.show(&html, &subject).await;
        assert_eq!(seen.title, subject);
        for item in letter.items() {
            for shop in &item.shops {
                assert!(seen.text.contains(&shop.name), "{name}: {} is not seen", shop.name);
            }
        }
        faults.extend(browser.look(name).await.into_iter().map(|fault| format!("{name}: {fault}")));
        for nothing in [" src=", "url(", "@import", "<link", "<script"] {
            assert!(!html.contains(nothing), "{name} has `{nothing}`");
        }
    }
    assert_eq!(faults, [""; 0], "pictures in {}", browser.pictures.display());
}
