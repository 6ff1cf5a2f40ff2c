//! Mail that does not leave at once, or not at all.

use super::*;

#[tokio::test]
async fn a_relay_that_is_down_is_tried_for_two_days_with_the_same_bytes() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    for _ in 0..3 {
        world.relay.refuse_next(MailError::passing("relay away"));
    }
    world.until("2027-05-30T08:04").await;
    let first = world.mails().await.remove(0);
    assert_eq!((first.state, first.attempts, first.error.as_deref()), (MailState::Owed, 1, Some("relay away")));
    // 5, then 10, then 20 minutes.
    let arrived = world.until("2027-05-30T12:00").await;
    assert_eq!(arrived, ["2027-05-30 08:35 reminder owner@example.com: UK: permission ends in 31 days, on 30 June"]);
    let sent = world.mails().await.remove(0);
    assert_eq!((sent.state, sent.attempts, &sent.body, sent.error), (MailState::Sent, 4, &first.body, None));
}

#[tokio::test]
async fn a_reminder_that_no_relay_took_before_the_end_does_not_follow_it() {
    let shops = [("de", &[OWNER] as &[&str]), ("fr", &["fr@example.com"]), ("uk", &[OWNER])];
    let world = World::new("2027-03-01T12:00", &shops).await;
    // The last step is on the very day of the end, and the first of another permission of the same owner, too.
    world.grant("one", &["fr"], "2027-03-28T12:00").await;
    world.grant("two", &["de"], "2027-03-28T12:00").await;
    world.grant("stands", &["uk"], "2027-04-28T12:00").await;
    world.until("2027-03-28T07:59").await;
    world.relay.refuse_all(Some(MailError::passing("450 later")));
    assert_eq!(world.until("2027-03-28T12:10").await, Vec::<String>::new());
    world.relay.refuse_all(None);
    let mut arrived: Vec<String> = world
        .until("2027-03-28T20:00")
        .await
        .iter()
        .map(|line| line.split_once(' ').unwrap().1[6..].to_owned())
        .collect();
    arrived.sort();
    insta::assert_snapshot!(arrived.join("\n"), @"
    ended fr@example.com: FR: permission ended on 28 March
    ended owner@example.com: DE: permission ended on 28 March
    operator ops@example.com: 2 things to know, first FR: the permission has ended
    reminder owner@example.com: UK: permission ends in 31 days, on 28 April
    ");
}

/// Two permissions of one owner on one mail, over which the relay answers like this until one of them has ended. What arrives then.
async fn overtaken(answer: MailError) -> Vec<String> {
    let world = World::new("2027-03-01T12:00", &[("de", &[OWNER]), ("uk", &[OWNER])]).await;
    world.change_people(|people| people.operator.clear());
    world.grant("ends", &["de"], "2027-03-28T12:00").await;
    world.grant("stands", &["uk"], "2027-04-28T12:00").await;
    world.until("2027-03-28T07:59").await;
    world.relay.refuse_next(answer);
    world.until("2027-03-28T08:01").await;
    world.relay.refuse_all(Some(MailError::passing("450 later")));
    world.until("2027-03-28T12:10").await;
    world.relay.refuse_all(None);
    let mut arrived = world.until("2027-03-28T20:00").await;
    arrived.retain(|line| line.contains("reminder"));
    arrived
}

#[tokio::test]
async fn a_mail_that_may_have_left_stays_as_it_is() {
    let told = overtaken(MailError::passing("silent").in_doubt()).await;
    let [told] = &told[..] else { panic!("{told:?}") };
    assert!(told.ends_with("Permission for 2 shops ends soon, first DE: today at 12:00"), "{told}");
    let told = overtaken(MailError::passing("450 later")).await;
    let [told] = &told[..] else { panic!("{told:?}") };
    assert!(told.ends_with("UK: permission ends in 31 days, on 28 April"), "{told}");
}

#[tokio::test]
async fn a_mail_of_a_day_that_is_over_counts_its_days_anew_and_takes_what_is_due_along() {
    let world = World::new("2027-05-01T12:00", &[("de", &[OWNER]), ("uk", &[OWNER])]).await;
    world.grant("uk", &["uk"], "2027-06-30T12:00").await;
    world.grant("de", &["de"], "2027-07-01T12:00").await;
    world.until("2027-05-30T07:59").await;
    world.relay.refuse_all(Some(MailError::passing("450 later")));
    world.until("2027-05-31T07:59").await;
    let first = world.mails().await.remove(0);
    assert_eq!(first.subject.as_deref(), Some("UK: permission ends in 30 days, on 30 June"), "as of this morning");
    world.until("2027-06-01T07:00").await;
    world.relay.refuse_all(None);
    assert_eq!(
        world.until("2027-06-02T00:00").await,
        [
            "2027-06-01 08:00 reminder owner@example.com: Permission for 2 shops ends soon, first UK: in 29 days, on 30 June"
        ],
    );
    let mails = world.mails().await;
    assert_eq!(mails.iter().map(|mail| mail.id).collect::<Vec<_>>(), [first.id], "one message, with one Message-ID");
    assert_eq!((&mails[0].message_id, mails[0].state), (&first.message_id, MailState::Sent));
}

#[tokio::test]
async fn a_relay_that_is_away_for_two_days_keeps_nothing_from_anybody_and_tells_nothing_twice() {
    let shops = [("de", &[OWNER] as &[&str]), ("fr", &["fr@example.com"]), ("nl", &[OWNER]), ("uk", &[OWNER])];
    let world = World::new("2027-05-01T12:00", &shops).await;
    world.change_people(|people| people.operator.clear());
    world.grant("de", &["de"], "2027-05-31T20:00").await;
    world.grant("fr", &["fr"], "2027-06-30T12:00").await;
    world.grant("uk", &["uk"], "2027-06-30T12:00").await;
    // The first step is on the last day of the outage.
    world.grant("nl", &["nl"], "2027-07-01T12:00").await;
    world.until("2027-05-30T07:59").await;
    world.relay.refuse_all(Some(MailError::away("relay: nobody there")));
    assert_eq!(world.until("2027-06-01T08:30").await, Vec::<String>::new());
    // What was tried for two days is given up, as whoever minds the relay sees, and can be tried again.
    let refused: Vec<_> = world.mails().await.into_iter().filter(|mail| mail.state == MailState::Refused).collect();
    assert_eq!(refused.iter().map(|mail| mail.recipient.as_str()).collect::<Vec<_>>(), ["fr@example.com"]);
    world.relay.refuse_all(None);
    let mut tx = world.store.write(world.clock.now()).await.unwrap();
    assert!(tx.retry_mail(refused[0].id).await.unwrap());
    tx.commit().await.unwrap();
    let mut arrived = world.until("2027-06-02T00:00").await;
    arrived.sort();
    insta::assert_snapshot!(arrived.join("\n"), @"
    2027-06-01 08:35 ended owner@example.com: DE: permission ended on 31 May
    2027-06-01 08:35 reminder fr@example.com: FR: permission ends in 29 days, on 30 June
    2027-06-01 08:35 reminder owner@example.com: Permission for 2 shops ends soon, first UK: in 29 days, on 30 June
    ");
}

#[tokio::test]
async fn a_relay_that_is_away_is_asked_once_for_all_mails() {
    let world = World::new("2027-05-01T12:00", &[("de", &["de@example.com"]), ("uk", &["uk@example.com"])]).await;
    world.grant("de", &["de"], "2027-06-30T12:00").await;
    world.grant("uk", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-05-30T07:59").await;
    world.relay.refuse_all(Some(MailError::away("relay: nobody there")));
    world.until("2027-05-30T08:16").await;
    let mails = world.mails().await;
    let told: Vec<_> = mails.iter().map(|mail| (mail.attempts, mail.next_attempt_at, mail.subject.is_some())).collect();
    let next = at("2027-05-30T08:20");
    assert_eq!(told, [(0, next, false), (4, next, true)], "every 5 minutes one for all");
    assert_eq!(mails[0].error.as_deref(), Some("relay: nobody there"));
    let mut tx = world.store.write(world.clock.now()).await.unwrap();
    assert_eq!(tx.stuck_mail(3).await.unwrap().unwrap().count, 2, "what waits behind it does not leave either");
    assert_eq!(tx.late_mail().await.unwrap(), 1, "and is due when the relay is asked next");
    // What is spaced on purpose has nothing to do with the relay.
    let spaced = tx.due_mail(10).await.unwrap();
    assert!(spaced.is_empty(), "{spaced:#?}");
    tx.delay_mail(mails[0].id, next, Some("waits until 11:00, so that operators get a few mails a day")).await.unwrap();
    assert_eq!(tx.stuck_mail(3).await.unwrap().unwrap().count, 1);
    tx.delay_mail(mails[0].id, next, Some("relay: nobody there")).await.unwrap();
    // Another mail proves that the relay is back.
    world.relay.refuse_all(None);
    owe_test_mail(&mut tx, &world.people.load(), "test@example.com").await.unwrap();
    tx.commit().await.unwrap();
    let mut arrived = world.until("2027-05-30T09:00").await;
    arrived.retain(|line| line.contains("reminder"));
    assert_eq!(
        arrived,
        [
            "2027-05-30 08:16 reminder uk@example.com: UK: permission ends in 31 days, on 30 June",
            "2027-05-30 08:20 reminder de@example.com: DE: permission ends in 31 days, on 30 June",
        ]
    );
}

#[tokio::test]
async fn after_two_days_a_mail_counts_as_refused_and_can_be_tried_again() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    for _ in 0..100 {
        world.relay.refuse_next(MailError::passing("relay away"));
    }
    world.until("2027-06-01T07:59").await;
    let mail = world.mails().await.remove(0);
    assert_eq!(mail.state, MailState::Owed);
    assert_eq!(mail.next_attempt_at, at("2027-06-01T08:00"), "the last attempt is 48 hours after the first");
    world.until("2027-06-01T09:00").await;
    let mail = world.mails().await.into_iter().find(|mail| mail.kind == MailKind::Reminder).unwrap();
    assert_eq!((mail.state, mail.error.as_deref()), (MailState::Refused, Some("relay away")));
    assert!(mail.attempts > 10 && mail.attempts < 30, "{}", mail.attempts);
}

#[tokio::test]
async fn a_refusal_for_good_is_not_repeated_and_hurts_no_other_mail() {
    let world = World::new("2027-05-01T12:00", &[("uk", &["a@example.com", "b@example.com"])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.relay.refuse_next(MailError::permanent("550 no such user"));
    let arrived = world.until("2027-06-01T00:00").await;
    assert_eq!(
        arrived,
        [
            "2027-05-30 08:00 reminder b@example.com: UK: permission ends in 31 days, on 30 June",
            "2027-05-30 08:00 operator ops@example.com: mail to a@example.com cannot be delivered"
        ]
    );
    let mut tx = world.store.read(world.clock.now()).await.unwrap();
    assert_eq!(tx.mail_counts().await.unwrap(), (0, 1));
}

#[tokio::test]
async fn a_retry_sends_what_still_holds_and_nothing_else() {
    let world = World::new("2027-05-01T12:00", &[("de", &["de@example.com"]), ("uk", &["uk@example.com"])]).await;
    world.change_people(|people| people.operator.clear());
    world.grant("stays", &["de"], "2027-06-30T12:00").await;
    world.grant("renews", &["uk"], "2027-06-30T12:00").await;
    world.relay.refuse_all(Some(MailError::permanent("550 not now")));
    world.until("2027-05-30T09:00").await;
    world.relay.refuse_all(None);
    world.grant("renews", &["uk"], "2028-06-30T12:00").await;
    assert_eq!(world.until("2027-05-31T09:00").await.len(), 1, "the note of the renewal");
    let refused = world.mails().await.into_iter().filter(|mail| mail.state == MailState::Refused);
    for mail in refused.collect::<Vec<_>>() {
        let mut tx = world.store.write(world.clock.now()).await.unwrap();
        assert!(tx.retry_mail(mail.id).await.unwrap());
        tx.look_by(None, JobKind::SendMail, world.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(
        world.until("2027-05-31T10:00").await,
        ["2027-05-31 09:00 reminder de@example.com: DE: permission ends in 30 days, on 30 June"]
    );
    assert_eq!(world.mails().await.iter().filter(|mail| mail.state == MailState::Owed).count(), 0);
}

#[tokio::test]
async fn what_a_wrong_address_has_missed_goes_to_the_right_one() {
    let both = ["good@example.com", "wrong@example.com"];
    let world = World::new("2027-05-01T12:00", &[("de", &["wrong@example.com"]), ("uk", &both)]).await;
    world.change_people(|people| people.operator.clear());
    world.grant("ended", &["de"], "2027-05-30T07:00").await;
    world.grant("ends", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-05-29T00:00").await;
    world.relay.refuse_to("wrong@example.com", Some(MailError::permanent("550 no such user")));
    let heard = world.until("2027-05-31T09:00").await;
    assert_eq!(heard, ["2027-05-30 08:00 reminder good@example.com: UK: permission ends in 31 days, on 30 June"]);
    world.change_people(|people| {
        for shop in people.shops.values_mut() {
            for recipient in shop.recipients.iter_mut().filter(|known| known.address == "wrong@example.com") {
                recipient.address = "right@example.com".to_owned();
            }
        }
    });
    world.settings_changed().await;
    assert_eq!(
        world.until("2027-06-01T00:00").await,
        [
            "2027-05-31 09:00 ended right@example.com: DE: permission ended on 30 May",
            "2027-05-31 09:00 reminder right@example.com: UK: permission ends in 30 days, on 30 June",
        ]
    );
    assert_eq!(world.mails().await.iter().filter(|mail| mail.state == MailState::Refused).count(), 0);
}

#[tokio::test]
async fn what_nobody_was_named_for_when_its_mail_was_to_leave_is_told_to_who_is_named_later() {
    let world = World::new("2027-05-01T12:00", &[("de", &["old@example.com"]), ("uk", &["old@example.com"])]).await;
    world.change_people(|people| people.operator.clear());
    world.grant("ended", &["de"], "2027-05-30T07:00").await;
    world.grant("ends", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-05-29T00:00").await;
    // The relay is away, so that only the first of the two mails is composed: the notice of the end.
    world.relay.refuse_all(Some(MailError::away("relay: nobody there")));
    world.until("2027-05-30T08:01").await;
    let name = |address: Option<&str>| {
        world.change_people(|people| {
            for shop in people.shops.values_mut() {
                let named = address.map(|address| Recipient { address: address.to_owned(), language: Language::En });
                shop.recipients = named.into_iter().collect();
            }
        });
    };
    let waiting: Vec<_> = world
        .mails()
        .await
        .into_iter()
        .filter(|mail| mail.subject.is_none() && mail.state == MailState::Owed)
        .collect();
    assert_eq!(waiting.iter().map(|mail| mail.kind).collect::<Vec<_>>(), [MailKind::Reminder]);
    name(None);
    world.relay.refuse_all(None);
    world.settings_changed().await;
    world.until("2027-05-30T09:00").await;
    let left = world.mails().await.into_iter().find(|mail| mail.id == waiting[0].id).unwrap();
    assert_eq!(left.state, MailState::Cancelled, "nobody is to hear of it");
    name(Some("new@example.com"));
    world.settings_changed().await;
    let mut told = world.until("2027-05-30T10:00").await;
    told.retain(|line| line.contains("new@example.com"));
    assert_eq!(
        told,
        [
            "2027-05-30 09:00 ended new@example.com: DE: permission ended on 30 May",
            "2027-05-30 09:00 reminder new@example.com: UK: permission ends in 31 days, on 30 June"
        ]
    );
}

#[tokio::test]
async fn with_mail_switched_off_the_outbox_still_shows_what_would_have_been_said() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    world.mailer.replace(Mailer::None);
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-06-01T00:00").await;
    let mail = world.mails().await.remove(0);
    assert_eq!((mail.state, mail.error.as_deref()), (MailState::Cancelled, Some("mail is switched off")));
    assert_eq!(mail.subject.as_deref(), Some("UK: permission ends in 31 days, on 30 June"));
}

#[tokio::test]
async fn what_was_silent_while_mail_was_off_is_told_once_it_is_on() {
    let world = World::new("2027-05-01T12:00", &[("de", &[OWNER]), ("uk", &[OWNER])]).await;
    world.mailer.replace(Mailer::None);
    world.grant("ends", &["de"], "2027-06-10T12:00").await;
    world.grant("stands", &["uk"], "2027-06-30T12:00").await;
    assert_eq!(world.until("2027-06-14T09:00").await, Vec::<String>::new());
    world.mailer.replace(Mailer::Memory(world.relay.clone()));
    world.settings_changed().await;
    assert_eq!(
        world.until("2027-06-20T07:00").await,
        [
            "2027-06-14 09:00 operator ops@example.com: DE: the permission has ended",
            "2027-06-14 09:00 ended owner@example.com: DE: permission ended on 10 June",
            "2027-06-14 09:00 reminder owner@example.com: UK: permission ends in 16 days, on 30 June",
        ]
    );
}

#[tokio::test]
async fn what_there_was_nobody_to_be_told_of_is_told_to_who_is_named_later() {
    let world = World::new("2027-05-01T12:00", &[("de", &[]), ("uk", &[])]).await;
    world.change_people(|people| people.operator.clear());
    world.grant("ends", &["de"], "2027-06-10T12:00").await;
    let revoked = world.grant("revoked", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-06-10T13:00").await;
    world.revoke(&revoked).await;
    assert_eq!(world.until("2027-06-11T09:00").await, Vec::<String>::new());
    for shop in ["de", "uk"] {
        world.change_people(|people| {
            people.shops.get_mut(&shop.parse::<ShopId>().unwrap()).unwrap().recipients = vec![recipient(OWNER)];
        });
    }
    world.settings_changed().await;
    assert_eq!(
        world.until("2027-12-31T00:00").await,
        [
            "2027-06-11 09:00 ended owner@example.com: DE: permission ended on 10 June",
            "2027-06-11 09:00 ended owner@example.com: UK: the marketplace no longer accepts the permission",
        ]
    );
}

#[tokio::test]
async fn old_mail_goes_but_not_what_keeps_a_reason_from_coming_back() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-07-01T00:00").await;
    let sent = world.mails().await.len();
    let mut tx = world.store.write(world.clock.now()).await.unwrap();
    tx.begin_session("one", "first", at("2027-07-02T00:00")).await.unwrap();
    tx.commit().await.unwrap();
    let keep = SignedDuration::from_hours(24);
    let pruned = prune(&world.store, &world.clock, keep).await.unwrap();
    assert_eq!((pruned.mails, pruned.sessions, world.mails().await.len()), (0, 0, sent));
    world.clock.set(at("2027-12-01T00:00"));
    let pruned = prune(&world.store, &world.clock, keep).await.unwrap();
    assert_eq!((pruned.mails as usize, pruned.sessions), (sent, 1), "and sessions that are over");
}
