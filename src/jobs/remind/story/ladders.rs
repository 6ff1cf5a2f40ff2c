//! Ladders, notices and notes.

use super::*;

#[tokio::test]
async fn a_year_brings_five_reminders_and_the_notice() {
    let world = World::new("2026-06-30T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    let arrived = world.until("2027-12-31T00:00").await;
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-05-30 08:00 reminder owner@example.com: UK: permission ends in 31 days, on 30 June
    2027-06-06 08:00 reminder owner@example.com: UK: permission ends in 24 days, on 30 June
    2027-06-13 08:00 reminder owner@example.com: UK: permission ends in 17 days, on 30 June
    2027-06-20 08:00 reminder owner@example.com: UK: permission ends in 10 days, on 30 June
    2027-06-27 08:00 reminder owner@example.com: UK: permission ends in 3 days, on 30 June
    2027-06-30 12:00 ended owner@example.com: UK: permission ended on 30 June
    2027-06-30 12:00 operator ops@example.com: UK: the permission has ended
    "#);
}

#[tokio::test]
async fn after_weeks_of_downtime_only_the_latest_is_sent() {
    let world = World::new("2026-06-30T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2026-07-01T00:00").await;
    // Nobody runs anything until the morning of 20 June.
    world.clock.set(at("2027-06-20T06:30"));
    let arrived = world.until("2027-06-30T11:00").await;
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-06-20 06:30 reminder owner@example.com: UK: permission ends in 10 days, on 30 June
    2027-06-27 08:00 reminder owner@example.com: UK: permission ends in 3 days, on 30 June
    "#);
}

#[tokio::test]
async fn after_downtime_beyond_the_end_only_the_notice_is_sent() {
    let world = World::new("2026-06-30T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2026-07-01T00:00").await;
    world.clock.set(at("2027-07-09T06:30"));
    assert_eq!(
        world.until("2027-12-31T00:00").await,
        [
            "2027-07-09 06:30 ended owner@example.com: UK: permission ended on 30 June",
            "2027-07-09 06:30 operator ops@example.com: UK: the permission has ended"
        ]
    );
}

#[tokio::test]
async fn a_reminder_that_never_left_is_told_by_the_next_one_alone() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-05-30T07:59").await;
    // The daemon dies between the two jobs of 30 May, and comes back eight days later.
    world.clock.set(at("2027-05-30T08:00"));
    world.work().await;
    assert_eq!(world.arrived(), Vec::<String>::new());
    assert_eq!(world.mails().await.len(), 1);
    world.clock.set(at("2027-06-07T09:00"));
    // Delivery comes first, as the worst case: the mail of 30 May is composed as of now.
    let arrived = world.until("2027-06-07T23:00").await;
    assert_eq!(arrived.len(), 1, "{arrived:?}");
    assert!(arrived[0].contains("permission ends in 23 days"), "{arrived:?}");
    let next = world.until("2027-06-14T00:00").await;
    assert_eq!(next, ["2027-06-13 08:00 reminder owner@example.com: UK: permission ends in 17 days, on 30 June"]);
}

#[tokio::test]
async fn a_renewal_cancels_what_is_owed_and_says_so() {
    let world = World::new("2026-06-30T12:00", &[("uk", &[OWNER]), ("us", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.grant("other", &["us"], "2027-06-30T12:00").await;
    world.until("2027-06-13T07:59").await;
    world.clock.set(at("2027-06-13T08:00"));
    world.work().await;
    // The mail of 13 June is owed, and not yet attempted; now the first owner renews.
    world.grant("acme", &["uk"], "2028-06-13T08:00").await;
    let arrived = world.until("2028-06-13T12:00").await;
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-06-13 08:00 reminder owner@example.com: US: permission ends in 17 days, on 30 June
    2027-06-13 08:00 renewed owner@example.com: UK: permission renewed until 13 June 2028
    2027-06-20 08:00 reminder owner@example.com: US: permission ends in 10 days, on 30 June
    2027-06-27 08:00 reminder owner@example.com: US: permission ends in 3 days, on 30 June
    2027-06-30 12:00 ended owner@example.com: US: permission ended on 30 June
    2027-06-30 12:00 operator ops@example.com: US: the permission has ended
    2028-05-13 08:00 reminder owner@example.com: UK: permission ends in 31 days, on 13 June
    2028-05-20 08:00 reminder owner@example.com: UK: permission ends in 24 days, on 13 June
    2028-05-27 08:00 reminder owner@example.com: UK: permission ends in 17 days, on 13 June
    2028-06-03 08:00 reminder owner@example.com: UK: permission ends in 10 days, on 13 June
    2028-06-10 08:00 reminder owner@example.com: UK: permission ends in 3 days, on 13 June
    2028-06-13 08:00 ended owner@example.com: UK: permission ended on 13 June
    2028-06-13 08:00 operator ops@example.com: UK: the permission has ended
    "#);
}

#[tokio::test]
async fn a_mail_about_nothing_but_the_renewed_one_is_cancelled() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-05-30T07:59").await;
    world.clock.set(at("2027-05-30T08:00"));
    world.work().await;
    world.grant("acme", &["uk"], "2028-05-30T08:00").await;
    let arrived = world.until("2027-07-01T00:00").await;
    assert_eq!(arrived, ["2027-05-30 08:00 renewed owner@example.com: UK: permission renewed until 30 May 2028"]);
    let states: Vec<_> = world.mails().await.iter().map(|mail| (mail.kind, mail.state)).collect();
    assert_eq!(states, [(MailKind::Renewed, MailState::Sent), (MailKind::Reminder, MailState::Cancelled)]);
}

#[tokio::test]
async fn two_shops_of_one_account_share_one_mail() {
    let world = World::new("2027-05-01T12:00", &[("de", &[OWNER, "de@example.com"]), ("uk", &[OWNER])]).await;
    world.grant("acme", &["de", "uk"], "2027-06-30T12:00").await;
    let arrived = world.until("2027-06-01T00:00").await;
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-05-30 08:00 reminder de@example.com: DE: permission ends in 31 days, on 30 June
    2027-05-30 08:00 reminder owner@example.com: DE and UK: permission ends in 31 days, on 30 June
    "#);
}

#[tokio::test]
async fn two_authorizations_that_fall_on_one_day_share_one_mail_most_urgent_first() {
    let world = World::new("2027-05-01T12:00", &[("de", &[OWNER]), ("uk", &[OWNER])]).await;
    world.grant("later", &["de"], "2027-07-06T12:00").await;
    world.grant("sooner", &["uk"], "2027-06-30T12:00").await;
    let arrived = world.until("2027-06-14T00:00").await;
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-05-30 08:00 reminder owner@example.com: UK: permission ends in 31 days, on 30 June
    2027-06-06 08:00 reminder owner@example.com: Permission for 2 shops ends soon, first UK: in 24 days, on 30 June
    2027-06-13 08:00 reminder owner@example.com: Permission for 2 shops ends soon, first UK: in 17 days, on 30 June
    "#);
}

#[tokio::test]
async fn nobody_gets_two_reminders_a_day() {
    let world = World::new("2027-05-30T12:00", &[("de", &[OWNER]), ("uk", &[OWNER])]).await;
    world.clock.set(at("2027-05-01T12:00"));
    world.grant("sooner", &["uk"], "2027-06-30T12:00").await;
    let later = world.grant("later", &["de"], "2027-08-20T12:00").await;
    world.until("2027-05-30T12:00").await;
    // The channel corrects the later end by some days; its first step is owed at once, and today's mail has left.
    world.move_end(&later, "2027-06-15T12:00").await;
    let arrived = world.until("2027-06-01T00:00").await;
    assert_eq!(arrived, ["2027-05-31 08:00 reminder owner@example.com: DE: permission ends in 15 days, on 15 June"]);
}

#[tokio::test]
async fn a_revoked_permission_is_told_at_once_to_its_people_and_the_operator() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    let authorization = world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-05-10T10:00").await;
    world.revoke(&authorization).await;
    let arrived = world.until("2027-12-31T00:00").await;
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-05-10 10:00 ended owner@example.com: UK: the marketplace no longer accepts the permission
    2027-05-10 10:00 operator ops@example.com: UK: the channel refuses the permission
    "#);
}
