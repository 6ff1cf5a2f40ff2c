//! A real browser before a real daemon: the way of a consent, and every page that people meet on it.

use std::{fs, process::Stdio, time::Duration};

use jiff::SignedDuration;
use serde_json::Value;
use shopsyncd::{
    channels::{
        amazon::fake::{self as amazon, FakeAmazon},
        tiktok_shop::fake::{APP_SECRET, FakeTikTok},
    },
    clock::Clock,
    keeper::{Links, Page, ShopBook},
    secrets::{Sealer, Secret, hash_password},
};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    time::{interval, timeout},
};

use super::browser::Browser;
use crate::world::{marketplace, number};

const PASSWORD: &str = "correct horse battery staple";
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The program with a page that others may reach, a shop of a marketplace where two sellers are signed in, and two shops that
/// wait for a seller of another.
struct Desk {
    page: String,
    links: Links,
    fake: FakeTikTok,
    amazon: FakeAmazon,
    _daemon: Child,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        // Nobody else takes it in the moment until the daemon does.
        let listen = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let page = format!("http://{listen}");
        let fake = FakeTikTok::new(Clock::system()).unwrap();
        fake.set_redirect_url(format!("{page}/oauth/tiktok_shop/callback").parse().unwrap());
        for (account, name, shop) in [("a", "Harbour Ltd", "harbour"), ("b", "Quay Ltd", "quay")] {
            fake.add_seller(account, name, "GB");
            fake.add_shop(account, &number(shop), name, "GB");
        }
        let amazon = FakeAmazon::new(Clock::system()).unwrap();
        amazon.set_redirect_url(format!("{page}/oauth/amazon/callback").parse().unwrap());
        amazon.set_login_url(format!("{page}/oauth/amazon/start").parse().unwrap());
        amazon.add_seller("A3TH9S8BH6GOGM", "Lantern Ltd", &["DE", "FR"]);
        fs::write(path("amazon-secret"), amazon::APP_SECRET).unwrap();
        let seal_key = Sealer::generate();
        fs::write(path("secret"), APP_SECRET).unwrap();
        fs::write(path("shopsyncd.toml"), settings(&folder, &page, &seal_key, (&fake, &amazon))).unwrap();
        let public = Page { public_url: page.parse().unwrap(), loopback: false };
        let links = Links::new(Sealer::parse(&seal_key).unwrap(), ShopBook::new(public, []));
        let daemon = command(&folder, &["run"]).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let desk = Self { page, links, fake, amazon, _daemon: daemon, folder };
        let mut ticks = interval(Duration::from_millis(50));
        // It listens before that, and has little to say then.
        let serves = async {
            while desk.told().await["daemon"]["healthy"] != true {
                ticks.tick().await;
            }
        };
        timeout(Duration::from_mins(1), serves).await.expect("the daemon serves");
        desk
    }

    /// The link of a mail that was sent so many days ago.
    async fn link(&self, days: i32) -> String {
        let status = self.status().await;
        let mailed_at = Clock::system().now() - DAY * days;
        self.links.renew_link(&"harbour".parse().unwrap(), status["account"].as_str(), mailed_at).into()
    }

    /// What `status` tells; nothing while there is no daemon yet.
    async fn told(&self) -> Value {
        let told = command(&self.folder, &["--json", "status"]).output().await.unwrap();
        serde_json::from_slice(&told.stdout).unwrap_or_default()
    }

    /// The shop as `status` tells it.
    async fn status(&self) -> Value {
        self.told().await["shops"][0].clone()
    }
}

fn settings(folder: &TempDir, page: &str, seal_key: &Secret, fakes: (&FakeTikTok, &FakeAmazon)) -> String {
    format!(
        r#"timezone = "Pacific/Auckland"
state_dir = "{folder}/state"
seal_key = "{seal_key}"
[web]
listen = "{listen}"
internal = "None"
public_url = "{page}"
password_hash = "{hash}"
[mail]
transport = "folder"
from = "shopsyncd <shops@example.com>"
[reminders]
to = ["anna@example.com"]
{marketplace}
[shops.harbour]
channel = "tiktok_shop"
name = "Harbour of all the very fine and patiently hand-made things"
shop_id = "{id}"
[channels.amazon]
{amazon}client_secret = {{ file = "{folder}/amazon-secret" }}
[shops.lantern-de]
channel = "amazon"
name = "Lantern Germany"
marketplace = "DE"
[shops.lantern-fr]
channel = "amazon"
name = "Lantern France of all the patiently hand-made lights"
marketplace = "FR"
"#,
        folder = folder.path().display(),
        seal_key = seal_key.expose(),
        listen = page.trim_start_matches("http://"),
        hash = hash_password(&Secret::new(PASSWORD)).unwrap(),
        marketplace = marketplace(fakes.0, &folder.path().join("secret"), ["30 minutes", "None", "None"]),
        id = number("harbour"),
        amazon = toml::to_string(&fakes.1.app_settings()).unwrap(),
    )
}

fn command(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopsyncd"));
    command.arg("--config").arg(folder.path().join("shopsyncd.toml")).args(args);
    command.env_remove("RUNTIME_DIRECTORY").env_remove("NOTIFY_SOCKET");
    command
}

/// Looks at a page: nothing may be wrong with it, and each of its four pictures is there.
async fn well(browser: &mut Browser, name: &str) {
    let wrong = browser.look(name).await;
    assert_eq!(wrong, [""; 0], "{name}; pictures in {}", browser.pictures.display());
    for kind in ["narrow-light", "narrow-dark", "wide-light", "wide-dark"] {
        let picture = browser.pictures.join(format!("{name}-{kind}.png"));
        assert!(fs::read(&picture).unwrap().starts_with(b"\x89PNG"), "{}", picture.display());
    }
}

#[tokio::test]
async fn an_owner_comes_by_a_link_and_consents_in_a_real_browser() {
    let Some(mut browser) = Browser::start("consent") else { return };
    let desk = Desk::new().await;

    let consent = browser.open(&desk.link(0).await, "Pretend TikTok Shop").await;
    assert!(consent.url.contains("/open/authorize?"), "{}", consent.url);
    let declined = browser.press("Cancel", 0, "Not authorized").await;
    assert!(
        declined.text.ends_with(
            "Nothing was changed.\n\nshopsyncd keeps shops authorized and their products equal to one source."
        ),
        "{}",
        declined.text
    );
    well(&mut browser, "declined").await;
    assert_eq!(desk.status().await["state"], "pending");

    browser.open(&desk.link(30).await, "Pretend TikTok Shop").await;
    let other = browser.press("Authorize", 1, "Not authorized").await;
    assert!(other.text.contains("Quay Ltd"), "{}", other.text);
    well(&mut browser, "other-shop").await;
    assert_eq!(desk.status().await["state"], "pending");

    browser.open(&desk.link(0).await, "Pretend TikTok Shop").await;
    let thanks = browser.press("Authorize", 0, "Thank you").await;
    assert_eq!(thanks.title, "Thank you · shopsyncd");
    assert!(thanks.text.contains("Harbour Ltd") && thanks.text.contains("patiently"), "{}", thanks.text);
    well(&mut browser, "thank-you").await;
    assert_eq!(desk.status().await["state"], "active");

    let again = browser.open(&thanks.url, "This page has done its work").await;
    assert!(again.text.contains("finished already"), "{}", again.text);
    well(&mut browser, "used-twice").await;

    // The other seller is let into the shop, too, and is not the one on record for all that.
    desk.fake.add_shop("b", &number("harbour"), "Harbour Ltd", "GB");
    browser.open(&desk.link(0).await, "Pretend TikTok Shop").await;
    let other = browser.press("Authorize", 1, "Not authorized").await;
    assert!(other.text.contains("Quay Ltd (b)") && other.text.contains("Harbour Ltd (a)"), "{}", other.text);
    well(&mut browser, "other-account").await;
    assert_eq!(desk.status().await["state"], "active");
}

#[tokio::test]
async fn whoever_has_no_good_link_is_led_on_by_pages_that_work_in_a_real_browser() {
    let Some(mut browser) = Browser::start("ways") else { return };
    let desk = Desk::new().await;

    browser.open(&desk.link(40).await, "This link has expired").await;
    well(&mut browser, "expired-link").await;
    let mailed = browser.press("Mail me a fresh link", 0, "A fresh link is on its way").await;
    assert!(mailed.text.contains("a***@example.com"), "{}", mailed.text);
    well(&mut browser, "fresh-link").await;

    let cut_off = desk.link(0).await;
    browser.open(&cut_off[..cut_off.len() - 9], "This link is not complete").await;
    well(&mut browser, "cut-off-link").await;
    browser.open(&format!("{}/elsewhere", desk.page), "Nothing here").await;
    well(&mut browser, "nothing-here").await;

    // Whoever runs it signs in, and is led on to where the way was going.
    let asked = browser.open(&format!("{}/authorize/harbour", desk.page), "Sign in").await;
    assert!(asked.url.contains("/sign-in?next="), "{}", asked.url);
    well(&mut browser, "sign-in").await;
    browser.fill("password", "a guess", "Sign in").await;
    let wrong = browser.press("Sign in", 0, "Sign in").await;
    assert!(wrong.text.contains("not the password"), "{}", wrong.text);
    well(&mut browser, "sign-in-wrong").await;
    browser.fill("password", PASSWORD, "Sign in").await;
    let led_on = browser.press("Sign in", 0, "Pretend TikTok Shop").await;
    assert!(led_on.url.contains("/open/authorize?"), "{}", led_on.url);

    // A seller begins at the marketplace: which of the shops is meant?
    browser.open(&format!("{}apps/manage", desk.amazon.url()), "Pretend Seller Central").await;
    let which = browser.press("Authorize", 0, "Which shop?").await;
    assert!(which.text.contains("Lantern Germany"), "{}", which.text);
    well(&mut browser, "which-shop").await;
    let thanks = browser.press("Lantern Germany lantern-de", 0, "Thank you").await;
    assert!(thanks.text.contains("Lantern Germany, Lantern France"), "{}", thanks.text);
    well(&mut browser, "thank-you-all").await;

    let front = browser.open(&desk.page, "shopsyncd").await;
    assert!(front.text.contains("Sign out"), "{}", front.text);
    well(&mut browser, "front-signed-in").await;
    let out = browser.press("Sign out", 0, "shopsyncd").await;
    assert!(!out.text.contains("Sign out"), "{}", out.text);
    well(&mut browser, "front").await;
}

#[tokio::test]
async fn what_is_wrong_with_a_page_is_seen() {
    let Some(mut browser) = Browser::start("ugly") else { return };
    let page = |style: &str, body: &str| {
        format!(
            "<!doctype html><title>t</title><style>body {{ background: #fff; color: #000 }} {style}</style><h1>Here</h1><p>Text</p>{body}"
        )
    };
    browser.show(&page("", ""), "Here").await;
    assert_eq!(browser.look("good").await, [""; 0]);
    for (style, body, fault) in [
        ("p { color: #888 }", "", "contrast 3.54"),
        (
            "@media (prefers-color-scheme: dark) { p { background: #111 } }",
            "",
            "wide, dark: <p> \"Text\" is rgb(0, 0, 0) on",
        ),
        ("body { background: none }", "", "nothing opaque behind it"),
        ("p { width: 400px }", "", "narrow, light: it is 4"),
        ("button { height: 30px }", "<button>Go</button>", "too small for a finger"),
        ("pre { overflow: auto }", "<pre>a long line of words that goes on and on, for so long</pre>", "is cut off"),
        ("a { outline: none }", "<a href=\"/\">Go</a>", "<a> \"Go\" shows no focus"),
        ("", "<a href=\"/\" tabindex=\"-1\">Go</a>", "the keyboard reaches 0 of 1"),
        ("p { font-size: 9px }", "", "9 px small"),
        ("h1 { margin-top: 900px }", "", "no heading is seen at once"),
        ("", "<img src=\"http://127.0.0.1:9/none.png\">", "not loaded: http://127.0.0.1:9/none.png"),
        ("", "<script>console.error('oh')</script>", "the console says: oh"),
    ] {
        browser.show(&page(style, body), "Here").await;
        let wrong = browser.look("bad").await;
        assert!(wrong.iter().any(|found| found.contains(fault)), "{fault}: {wrong:?}");
    }
}
