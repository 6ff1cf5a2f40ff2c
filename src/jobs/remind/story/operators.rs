//! What operators hear.

use super::*;

#[tokio::test]
async fn the_operator_hears_of_app_secrets_and_refresh_tokens_that_end() {
    let world = World::new("2027-01-01T12:00", &[("uk", &[OWNER])]).await;
    let ends_on = "2027-03-01".parse().unwrap();
    world.change_people(|people| {
        people.app_secrets = vec![AppSecret { channel: "amazon".into(), channel_title: "Amazon".to_owned(), ends_on }];
    });
    world.grant("acme", &["uk"], "2027-12-31T12:00").await;
    let expected = world.upcoming(61).await;
    let arrived = world.until("2027-03-03T12:00").await;
    let short: Vec<String> = arrived.iter().map(|line| line[..41].to_owned()).collect();
    let wanted: Vec<String> = expected
        .iter()
        .map(|line| line.trim_end().to_owned())
        .map(|line| format!("{line}:")[..41].to_owned())
        .collect();
    assert_eq!(short, wanted);
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-01-01 12:00 operator ops@example.com: Amazon: the app's client secret ends in 59 days, on 1 March
    2027-01-30 08:00 operator ops@example.com: Amazon: the app's client secret ends in 30 days, on 1 March
    2027-02-15 08:00 operator ops@example.com: Amazon: the app's client secret ends in 14 days, on 1 March
    2027-02-22 08:00 operator ops@example.com: Amazon: the app's client secret ends in 7 days, on 1 March
    2027-02-28 08:00 operator ops@example.com: Amazon: the app's client secret ends tomorrow, on 1 March
    2027-03-01 08:00 operator ops@example.com: Amazon: the app's client secret ends today
    2027-03-02 08:00 operator ops@example.com: Amazon: the app's client secret ended on 1 March
    2027-03-03 08:00 operator ops@example.com: Amazon: the app's client secret ended on 1 March
    "#);
}

#[tokio::test]
async fn operators_hear_once_for_each_occasion_and_tests_and_links_leave_at_once() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    let shop: ShopId = "uk".parse().unwrap();
    let news = News::JobFailing {
        shop: shop.clone(),
        name: "UK".to_owned(),
        job: JobKind::ProductImport,
        why: "the channel did not answer".to_owned(),
        remedy: String::new(),
    };
    for _ in 0..2 {
        let people = world.people.load_full();
        let mut tx = world.store.write(world.clock.now()).await.unwrap();
        owe_operator_mail(&mut tx, &people, "failing/uk/product_import/7", std::slice::from_ref(&shop), &news)
            .await
            .unwrap();
        owe_fresh_link(&mut tx, &people, &shop).await.unwrap();
        tx.commit().await.unwrap();
    }
    let people = world.people.load_full();
    let mut tx = world.store.write(world.clock.now()).await.unwrap();
    owe_test_mail(&mut tx, &people, "new@example.com").await.unwrap();
    tx.commit().await.unwrap();
    let arrived = world.until("2027-05-01T12:01").await;
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-05-01 12:00 reminder owner@example.com: UK: a fresh link for renewing the permission
    2027-05-01 12:00 test new@example.com: shopsyncd can send mail
    2027-05-01 12:00 operator ops@example.com: UK: product import keeps failing
    "#);
}

fn guard_stopped(name: &str) -> News {
    News::GuardStopped {
        shop: name.to_lowercase().parse().unwrap(),
        name: name.to_owned(),
        why: "it would retire 30 of 100 SKUs".to_owned(),
    }
}

#[tokio::test]
async fn operators_get_what_happens_together_in_one_mail_and_a_few_mails_a_day() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER]), ("de", &[OWNER]), ("fr", &[OWNER])]).await;
    let mut arrived = Vec::new();
    for (round, until) in ["12:05", "12:10", "12:20", "12:30", "23:00"].into_iter().enumerate() {
        let people = world.people.load_full();
        let mut tx = world.store.write(world.clock.now()).await.unwrap();
        for name in ["UK", "DE", "FR"] {
            let shop: ShopId = name.to_lowercase().parse().unwrap();
            let occasion = format!("guard/{shop}/{round}");
            tx.set_plans(&shop, Some("what it would do"), None).await.unwrap();
            owe_operator_mail(&mut tx, &people, &occasion, &[shop], &guard_stopped(name)).await.unwrap();
        }
        tx.commit().await.unwrap();
        arrived.extend(world.until(&format!("2027-05-01T{until}")).await);
    }
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-05-01 12:00 operator ops@example.com: 3 things to know, first UK: a guard stopped the export
    2027-05-01 12:05 operator ops@example.com: 3 things to know, first UK: a guard stopped the export
    2027-05-01 12:35 operator ops@example.com: 3 things to know, first UK: a guard stopped the export
    "#);
    let told = world.mails().await.into_iter().filter(|mail| mail.state == MailState::Cancelled);
    assert!(told.clone().count() == 12 && told.clone().all(|mail| mail.error.unwrap().ends_with("tells it")));
}

#[tokio::test]
async fn operators_hear_nothing_of_what_was_settled_while_their_mail_waited() {
    let world = World::new("2027-05-01T12:00", &[("de", &[]), ("uk", &[OWNER])]).await;
    let ends = "2027-05-01T12:30";
    world.grant("acme", &["uk"], ends).await;
    world.grant("stays", &["de"], ends).await;
    let people = world.people.load_full();
    let mut tx = world.store.write(world.clock.now()).await.unwrap();
    for (occasion, name) in [("one", "UK"), ("two", "UK")] {
        let shop: ShopId = name.to_lowercase().parse().unwrap();
        tx.set_plans(&shop, Some("what it would do"), None).await.unwrap();
        owe_operator_mail(&mut tx, &people, occasion, &[shop], &guard_stopped(name)).await.unwrap();
        tx.commit().await.unwrap();
        world.until("2027-05-01T12:10").await;
        tx = world.store.write(world.clock.now()).await.unwrap();
    }
    // A third one within the day waits for half an hour.
    let shop: ShopId = "uk".parse().unwrap();
    owe_operator_mail(&mut tx, &people, "three", std::slice::from_ref(&shop), &guard_stopped("UK")).await.unwrap();
    tx.commit().await.unwrap();
    world.until("2027-05-01T12:31").await;
    world.grant("acme", &["uk"], "2028-05-01T12:00").await;
    let mut tx = world.store.write(world.clock.now()).await.unwrap();
    tx.set_plans(&shop, None, Some("what it would do")).await.unwrap();
    tx.commit().await.unwrap();
    let mut arrived = world.until("2027-05-01T23:00").await;
    arrived.retain(|line| line.contains("operator"));
    assert_eq!(arrived, ["2027-05-01 12:40 operator ops@example.com: DE: the permission has ended"]);
    let told = world.mails().await.into_iter().find(|mail| {
        mail.state == MailState::Sent && mail.body.as_ref().is_some_and(|body| body.contains("has ended"))
    });
    assert!(told.is_some_and(|mail| mail.body.unwrap().replace("=\r\n", "").contains("Nobody is reminded of it")));
}

#[tokio::test]
async fn refused_settings_are_told_unless_they_are_mended_at_once() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    let refuse = async |why: &str| {
        let mut tx = world.store.write(world.clock.now()).await.unwrap();
        let why = Some(why).filter(|why| !why.is_empty());
        tx.set_settings_error(&InstanceId("me".to_owned()), why).await.unwrap();
        if let Some(why) = why {
            crate::notices::note_settings_refused(&mut tx, &world.people.load(), why).await.unwrap();
        }
        tx.commit().await.unwrap();
    };
    refuse("shopsyncd.toml:3: not TOML").await;
    world.clock.advance(SignedDuration::from_secs(20));
    refuse("").await;
    assert_eq!(world.until("2027-05-01T13:00").await, Vec::<String>::new());
    refuse("shopsyncd.toml:4: not TOML").await;
    assert_eq!(
        world.until("2027-05-01T14:00").await,
        ["2027-05-01 13:01 operator ops@example.com: the newest settings were refused"]
    );
}

#[tokio::test]
async fn a_job_that_keeps_failing_is_told_once_and_once_more_when_it_works_again() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    let mut arrived = Vec::new();
    for outcome in "FFFFFDDFDFFF".chars() {
        world.clock.advance(SignedDuration::from_mins(1));
        world.import_ends(outcome).await;
        arrived.extend(world.look_in().await);
    }
    // The third mail of the day waits a while, and works again before it leaves: nobody has to hear of either.
    world.import_ends('D').await;
    arrived.extend(world.look_in().await);
    // A single failure that nothing has mended for an hour, of a job that seldom runs.
    world.import_ends('F').await;
    assert_eq!(world.look_in().await, Vec::<String>::new());
    world.clock.advance(SignedDuration::from_mins(61));
    arrived.extend(world.look_in().await);
    insta::assert_snapshot!(arrived.join("\n"), @r#"
    2027-05-01 12:03 operator ops@example.com: UK: product import keeps failing
    2027-05-01 12:06 operator ops@example.com: UK: product import works again
    2027-05-01 13:13 operator ops@example.com: UK: product import keeps failing
    "#);
}
