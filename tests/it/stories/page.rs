//! People on the page: those who run the daemon sign in, owners come with the links of their mails.

use shopsyncd::{control::Request, http::Answer};

use crate::world::{Database, World, berlin, minutes, on_both_databases};

on_both_databases! {
    an_owner_with_an_old_link_gets_a_fresh_one_by_mail,
    a_session_outlives_a_restart_and_ends_with_a_new_password,
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

async fn an_owner_with_an_old_link_gets_a_fresh_one_by_mail(database: Database) {
    let mut world = World::new(database, "2025-06-30T12:00", &["uk"]);
    world.write_main("1 day", "1 day", "1 day");
    let remind = r#"remind = ["owner@example.com", { address = "inhaberin@example.com", language = "de" }]"#;
    world.write_shop("uk", &format!("{remind}\n"));
    world.source(&[("A", "10.00", 5)]);
    world.offer("uk", &[("A", "10.00", 5)]);
    world.start().await;
    assert_eq!(world.owner_agrees("uk").await, 200);
    world.leap(berlin("2026-05-30T08:00")).await;
    world.pass(minutes(1)).await;
    assert_eq!(world.mails().await.len(), 2, "the first reminder, to both");
    let old = world.link_mailed_to("owner@example.com");
    assert_eq!(world.open(&old, None).await.status, 302);

    // After the holidays: the permission has ended, and so has the link.
    world.leap(berlin("2026-07-05T09:00")).await;
    world.pass(minutes(1)).await;
    assert_eq!(world.mails().await.len(), 3, "the notice of the end, to both, and the word to the operator");
    let expired = world.open(&old, None).await;
    assert_eq!(expired.status, 403);
    assert!(text(&expired).contains("Mail me a fresh link"), "{}", text(&expired));
    world.leap(berlin("2026-07-05T09:30")).await;
    let token = old.split_once("link=").unwrap().1.to_owned();
    let asked = world.send_form("/authorize/uk/fresh", &[("link", &token)]).await;
    assert_eq!(asked.status, 200);
    assert!(text(&asked).contains("o***@example.com, i***@example.com"), "{}", text(&asked));
    world.settle().await;
    let mut mails = world.mails().await;
    mails.sort();
    insta::assert_snapshot!(mails.join("\n"), @r"
    2026-07-05 09:30 reminder inhaberin@example.com: Shop uk: ein neuer Link zum Erneuern der Berechtigung
    2026-07-05 09:30 reminder owner@example.com: Shop uk: a fresh link for renewing the permission
    ");

    let fresh = world.link_mailed_to("inhaberin@example.com");
    assert_ne!(fresh, old);
    let begun = world.open(&fresh, None).await;
    assert_eq!(begun.status, 302, "{}", text(&begun));
    let again = world.send_form("/authorize/uk/fresh", &[("link", &token)]).await;
    assert!(text(&again).contains("A fresh link was mailed today"), "{}", text(&again));

    world.write_shop("uk", "remind = []\n");
    world.ask(Request::Reload).await.unwrap();
    let nobody = world.send_form("/authorize/uk/fresh", &[("link", &token)]).await;
    assert_eq!(nobody.status, 409, "{}", text(&nobody));
    assert!(text(&nobody).contains("shopsyncd shops authorize uk"), "{}", text(&nobody));
    world.end().await;
}

async fn a_session_outlives_a_restart_and_ends_with_a_new_password(database: Database) {
    let mut world = World::new(database, "2026-03-02T09:00", &["uk"]);
    world.write_password("correct horse");
    world.start().await;
    // This browser comes by another name than the public one, and is led there once.
    let here = "/authorize/uk?shopsyncd_led=1";
    let led = world.open("/authorize/uk", None).await;
    assert_eq!((led.status, led.header("location")), (302, Some(format!("https://shops.example.com{here}").as_str())));
    let asked = world.open(here, None).await;
    assert_eq!(
        (asked.status, asked.header("location")),
        (303, Some("/sign-in?next=%2Fauthorize%2Fuk%3Fshopsyncd_led%3D1"))
    );
    let form = [("password", "correct horsf"), ("next", "/authorize/uk")];
    assert_eq!(world.send_form("/sign-in", &form).await.status, 403);
    let form = [("password", "correct horse"), ("next", "/authorize/uk")];
    let entered = world.send_form("/sign-in", &form).await;
    assert_eq!(entered.status, 303);
    let cookie = entered.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let led = world.open(entered.header("location").unwrap(), Some(&cookie)).await;
    assert_eq!((led.status, led.header("refresh")), (200, Some("0; url=/authorize/uk")));
    assert_eq!(world.open(here, Some(&cookie)).await.status, 302);

    world.stop().await;
    world.start().await;
    assert_eq!(world.open(here, Some(&cookie)).await.status, 302);
    world.write_password("battery staple");
    world.ask(Request::Reload).await.unwrap();
    assert_eq!(world.open(here, Some(&cookie)).await.status, 303);
    assert_eq!(world.send_form("/sign-in", &form).await.status, 403, "the old password");
    world.end().await;
}
