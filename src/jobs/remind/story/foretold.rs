//! What is upcoming is what happens.

use super::*;

/// What is upcoming, line by line but for what operators are told, is what then happens.
async fn is_as_foretold(world: &World, until: &str) -> Vec<String> {
    let days = (at(until).duration_since(world.clock.now()).as_hours() / 24) as u32;
    let foretold = world.upcoming(days).await;
    let mut upcoming: Vec<String> = foretold.iter().map(|line| line.split(": ").next().unwrap().to_owned()).collect();
    let mut arrived = world.until_by(until, shops).await;
    // Shops are told in the order of their names, or of urgency.
    for line in upcoming.iter_mut().chain(&mut arrived) {
        let (start, shops) = line.rsplit_once(' ').unwrap();
        let mut shops: Vec<_> = shops.split(',').collect();
        shops.sort_unstable();
        *line = format!("{start} {}", shops.join(","));
    }
    upcoming.sort();
    arrived.sort();
    assert_eq!(upcoming, arrived);
    foretold
}

const SECOND: &str = "second@example.com";

#[tokio::test]
async fn what_is_upcoming_after_downtime_is_what_happens() {
    let shops = [("de", &[OWNER] as &[&str]), ("fr", &[SECOND]), ("it", &[OWNER, SECOND]), ("uk", &[OWNER])];
    let world = World::new("2027-05-01T12:00", &shops).await;
    world.change_people(|people| {
        let ends_on = "2027-07-20".parse().unwrap();
        people.app_secrets = vec![AppSecret { channel: "amazon".into(), channel_title: "Amazon".to_owned(), ends_on }];
    });
    world.grant("de", &["de"], "2027-07-07T12:00").await;
    world.grant("fr", &["fr"], "2027-06-20T12:00").await;
    world.grant("it", &["it"], "2027-07-13T12:00").await;
    world.grant("uk", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-06-04T12:00").await;
    // Down, and started early on a day on which a step falls due after what was missed has been told.
    world.clock.set(at("2027-06-13T06:30"));
    insta::assert_snapshot!(is_as_foretold(&world, "2027-07-25T06:30").await.join("\n"), @r#"
    2027-06-13 06:30 reminder owner@example.com de,uk
    2027-06-13 06:30 reminder second@example.com fr
    2027-06-14 08:00 reminder owner@example.com de,it
    2027-06-14 08:00 reminder second@example.com it
    2027-06-17 08:00 reminder second@example.com fr
    2027-06-20 08:00 reminder owner@example.com it,uk
    2027-06-20 08:00 reminder second@example.com it
    2027-06-20 08:00 operator ops@example.com : the client secret of Amazon ends
    2027-06-20 12:00 ended second@example.com fr
    2027-06-20 12:00 operator ops@example.com fr: the authorization has ended
    2027-06-21 08:00 reminder owner@example.com de
    2027-06-27 08:00 reminder owner@example.com it,uk
    2027-06-27 08:00 reminder second@example.com it
    2027-06-28 08:00 reminder owner@example.com de
    2027-06-30 12:00 ended owner@example.com uk
    2027-06-30 12:00 operator ops@example.com uk: the authorization has ended
    2027-07-04 08:00 reminder owner@example.com it
    2027-07-04 08:00 reminder second@example.com it
    2027-07-05 08:00 reminder owner@example.com de
    2027-07-06 08:00 operator ops@example.com : the client secret of Amazon ends
    2027-07-07 12:00 ended owner@example.com de
    2027-07-07 12:00 operator ops@example.com de: the authorization has ended
    2027-07-11 08:00 reminder owner@example.com it
    2027-07-11 08:00 reminder second@example.com it
    2027-07-13 08:00 operator ops@example.com : the client secret of Amazon ends
    2027-07-13 12:00 ended owner@example.com it
    2027-07-13 12:00 ended second@example.com it
    2027-07-13 12:00 operator ops@example.com it: the authorization has ended
    2027-07-19 08:00 operator ops@example.com : the client secret of Amazon ends
    2027-07-20 08:00 operator ops@example.com : the client secret of Amazon ends
    2027-07-21 08:00 operator ops@example.com : the client secret of Amazon ends
    2027-07-22 08:00 operator ops@example.com : the client secret of Amazon ends
    2027-07-23 08:00 operator ops@example.com : the client secret of Amazon ends
    2027-07-24 08:00 operator ops@example.com : the client secret of Amazon ends
    "#);
}

#[tokio::test]
async fn what_is_upcoming_while_a_relay_puts_mails_off_is_what_happens() {
    let world = World::new("2027-05-01T12:00", &[("de", &[OWNER]), ("fr", &[SECOND]), ("uk", &[OWNER])]).await;
    world.grant("de", &["de"], "2027-06-30T12:00").await;
    let fr = world.grant("fr", &["fr"], "2027-08-30T12:00").await;
    let uk = world.grant("uk", &["uk"], "2027-09-01T12:00").await;
    world.until("2027-05-30T07:59").await;
    world.relay.refuse_all(Some(MailError::passing("450 later")));
    world.until("2027-05-30T08:02").await;
    world.revoke(&fr).await;
    world.until("2027-05-30T08:03").await;
    world.relay.refuse_all(None);
    // Due at once, while the owner's mail of the day counts as told.
    world.move_end(&uk, "2027-06-29T12:00").await;
    is_as_foretold(&world, "2027-07-10T08:03").await;
}
