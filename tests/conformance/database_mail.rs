//! Mail owed by one instance while another delivers: only PostgreSQL has them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, ToSpan as _, civil, tz::TimeZone};
use shopsyncd::{
    clock::Clock,
    domain::{
        Account, AuthorizationId, Counts, Demand, EndSource, Ending, InstanceId, JobKind, Outcome, Period, ShopId,
        Trigger, reminder::Ladder,
    },
    jobs::send_mail::SendMail,
    mail::{Language, Mailer, MailerBook, Sender},
    notices::{People, Recipient, ShopPeople, note_renewal, owe_due, owe_test_mail, pass_on},
    scheduler::{Context, End, Handler as _, Progress},
    secrets::Sealed,
    store::{MailState, NewGrant, NewRun, SealedGrant, Store, StoreError, Tx, WantedSchedule, WantedShop},
    telemetry::metrics::Metrics,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Check, Checked, noon};

pub(crate) const CHECKS: &[Check] = &[
    ("mail_owed_while_a_delivery_ends_is_delivered_by_the_next", |store| {
        Box::pin(mail_owed_while_a_delivery_ends_is_delivered_by_the_next(store))
    }),
    ("a_step_is_on_no_mail_that_is_leaving", |store| Box::pin(a_step_is_on_no_mail_that_is_leaving(store))),
    ("a_step_that_joins_a_mail_outlives_what_was_on_it", |store| {
        Box::pin(a_step_that_joins_a_mail_outlives_what_was_on_it(store))
    }),
    ("a_mail_to_a_corrected_address_is_passed_on_once", |store| {
        Box::pin(a_mail_to_a_corrected_address_is_passed_on_once(store))
    }),
];

fn people() -> People {
    People {
        shops: BTreeMap::new(),
        names: BTreeMap::new(),
        operator: Vec::new(),
        language: Language::En,
        ladder: Ladder {
            start: 1.month(),
            every: 1.week(),
            extra: Vec::new(),
            at: civil::time(8, 0, 0, 0),
            zone: TimeZone::UTC,
        },
        sender: Sender::parse("shops@example.com").expect("an address"),
        link: Arc::new(|_, _| Url::parse("http://127.0.0.1:8420/").expect("an address").into()),
        command: "shopsyncd".to_owned(),
        app_secrets: Vec::new(),
    }
}

async fn mail_owed_while_a_delivery_ends_is_delivered_by_the_next(store: Store) -> Checked {
    let me = InstanceId("me".to_owned());
    let mut tx = store.write(noon()).await?;
    let period = Period::Every(SignedDuration::from_mins(10));
    tx.sync_schedules(&[WantedSchedule { shop: None, job: JobKind::SendMail, period }]).await?;
    let run = NewRun { shop: None, job: JobKind::SendMail, demand: Demand::default() };
    let run = tx.run_now(&run, Trigger::Now).await?.run;
    let claimed = tx.claim_run(run, &me).await?.expect("it waits");
    tx.commit().await?;

    // A peer has written what it owes and asked for a look, but has not committed: the delivery can see neither.
    let mut owing = store.write(noon()).await?;
    owe_test_mail(&mut owing, &people(), "anna@example.com").await?;
    let delivery = SendMail::new(
        store.clone(),
        Clock::manual(noon()),
        Arc::new(ArcSwap::from_pointee(people())),
        MailerBook::new(Mailer::None),
        Metrics::new(),
    );
    let context = Context::of(&claimed, &me, CancellationToken::new(), Progress::default());
    let ended = tokio::time::timeout(Duration::from_secs(20), delivery.run(context)).await;
    assert!(
        matches!(ended, Ok(Ok(End::Ended(Outcome::Done, counts))) if counts == Counts::default()),
        "nothing was due"
    );
    owing.commit().await?;

    let row = store.read(noon()).await?.schedule(None, JobKind::SendMail).await?.expect("the schedule");
    assert_eq!(row.next_due_at, Some(noon()), "the look that the peer asked for stands");
    Ok(())
}

/// One shop's permission, given an hour ago, that ends in so many days.
async fn granted(tx: &mut Tx, shop: &str, days: i64) -> Result<AuthorizationId, StoreError> {
    let given = noon() - SignedDuration::from_hours(1);
    let ends = Ending { at: noon() + SignedDuration::from_hours(24 * days), source: EndSource::Told };
    let new = NewGrant {
        account: Account { channel: "shopee".into(), app: "app".to_owned(), account: shop.to_owned() },
        account_name: None,
        authorized_at: given - SignedDuration::from_hours(24 * 365),
    };
    let seal = |_: AuthorizationId, _: i64| SealedGrant {
        access_token: Sealed(vec![1]),
        access_token_issued_at: given,
        access_token_ends_at: given,
        refresh_token: None,
        refresh_token_ends_at: None,
        ends: Some(ends),
    };
    let authorization = tx.grant(&new, seal).await?;
    tx.tie_shop(&shop.parse().expect("an id"), authorization.id, &serde_json::Value::Null).await?;
    Ok(authorization.id)
}

/// Two shops of one owner: the mail of the day tells of the first one's permission, and the second one's is about to fall due.
async fn one_mail_waits(store: &Store) -> Result<(People, i64, AuthorizationId), StoreError> {
    let mut people = people();
    let mut tx = store.write(noon()).await?;
    let mut wanted = Vec::new();
    for id in ["early", "late"] {
        let owner = Recipient { address: "owner@example.com".to_owned(), language: Language::En };
        let known = ShopPeople { name: id.to_owned(), channel_title: "Shopee".to_owned(), recipients: vec![owner] };
        let id: ShopId = id.parse().expect("an id");
        people.shops.insert(id.clone(), known);
        let (channel, place, app) = ("shopee".into(), id.to_string(), Some("app".to_owned()));
        wanted.push(WantedShop { channel, name: id.to_string(), place, app, id });
    }
    tx.sync_shops(&wanted).await?;
    granted(&mut tx, "early", 10).await?;
    owe_due(&mut tx, &people).await?;
    let mail = tx.mails(None, 10).await?.remove(0).id;
    let late = granted(&mut tx, "late", 10).await?;
    tx.commit().await?;
    Ok((people, mail, late))
}

/// A permission is renewed in the very moment in which a peer puts another one's step on the mail that tells of it.
async fn a_step_that_joins_a_mail_outlives_what_was_on_it(store: Store) -> Checked {
    let (people, mail, _) = one_mail_waits(&store).await?;
    let mut owing = store.write(noon()).await?;
    owe_due(&mut owing, &people).await?;

    let mut renewing = store.write(noon()).await?;
    let early = granted(&mut renewing, "early", 400).await?;
    let renewed = renewing.authorization(early).await?.expect("it was just given");
    assert_eq!(renewed.grant_number, 2);
    {
        let mut note = std::pin::pin!(note_renewal(&mut renewing, &people, &renewed));
        // It waits to see what becomes of the mail.
        assert!(tokio::time::timeout(Duration::from_millis(300), &mut note).await.is_err());
        owing.commit().await?;
        note.await?;
    }
    renewing.commit().await?;

    let left = store.read(noon()).await?.mail(mail).await?.expect("it stays in the outbox");
    let late: ShopId = "late".parse()?;
    assert_eq!((left.state, left.shops), (MailState::Owed, vec![late]), "{}", left.payload);
    Ok(())
}

/// An owner's address is corrected, and both who works out what is owed and who delivers find the mail that is owed to the one before.
async fn a_mail_to_a_corrected_address_is_passed_on_once(store: Store) -> Checked {
    let (mut people, mail, _) = one_mail_waits(&store).await?;
    for known in people.shops.values_mut() {
        "right@example.com".clone_into(&mut known.recipients[0].address);
    }
    let mut owing = store.write(noon()).await?;
    owe_due(&mut owing, &people).await?;
    let mut leaving = store.write(noon()).await?;
    let waiting = leaving.mail(mail).await?.expect("it was owed");
    {
        let mut passed = std::pin::pin!(pass_on(&mut leaving, &people, &waiting));
        // It waits to see what becomes of the mail that the other has begun.
        assert!(tokio::time::timeout(Duration::from_millis(300), &mut passed).await.is_err());
        owing.commit().await?;
        assert!(passed.await?, "the mail before does not leave");
    }
    leaving.commit().await?;

    let mut tx = store.read(noon()).await?;
    let mails = tx.mails(Some(MailState::Owed), 10).await?;
    let told: Vec<_> = mails.iter().map(|mail| (mail.recipient.as_str(), &mail.shops[..])).collect();
    let both: [ShopId; 2] = ["early".parse()?, "late".parse()?];
    assert_eq!(told, [("right@example.com", &both[..])]);
    let steps = mails[0].payload["steps"].as_array().map(Vec::len);
    assert_eq!(steps, Some(2), "{}", mails[0].payload);
    Ok(())
}

/// A mail of the day waits; another permission's step falls due in the very moment in which a peer takes up the mail.
async fn a_step_is_on_no_mail_that_is_leaving(store: Store) -> Checked {
    let (people, mail, late) = one_mail_waits(&store).await?;

    let mut leaving = store.write(noon()).await?;
    assert!(leaving.freeze_mail(mail, "one shop", "one shop").await?);
    let mut owing = store.write(noon()).await?;
    {
        let mut pass = std::pin::pin!(owe_due(&mut owing, &people));
        // It waits to see what becomes of the mail.
        assert!(tokio::time::timeout(Duration::from_millis(300), &mut pass).await.is_err());
        leaving.commit().await?;
        let morning = noon() + SignedDuration::from_hours(20);
        assert_eq!(pass.await?.next_at, Some(morning), "today's mail has left");
    }
    assert_eq!(owing.reminders_of(late, 1).await?, [], "what is on no mail is not noted as owed");
    owing.commit().await?;
    let mut tx = store.write(noon() + SignedDuration::from_hours(20)).await?;
    owe_due(&mut tx, &people).await?;
    let mails = tx.mails(Some(MailState::Owed), 10).await?;
    let late: ShopId = "late".parse()?;
    assert_eq!(mails.iter().filter(|mail| mail.shops == [late.clone()]).count(), 1, "{mails:?}");
    Ok(())
}
