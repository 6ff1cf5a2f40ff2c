//! Mail owed by one instance while another delivers: only PostgreSQL has them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, ToSpan as _, civil, tz::TimeZone};
use shopsyncd::{
    clock::Clock,
    domain::{Counts, Demand, InstanceId, JobKind, Outcome, Period, Trigger, reminder::Ladder},
    jobs::send_mail::SendMail,
    mail::{Language, Mailer, MailerBook, Sender},
    notices::{People, owe_test_mail},
    scheduler::{Context, End, Handler as _, Progress},
    store::{NewRun, Store, WantedSchedule},
    telemetry::metrics::Metrics,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Check, Checked, noon};

pub(crate) const CHECKS: &[Check] = &[("mail_owed_while_a_delivery_ends_is_delivered_by_the_next", |store| {
    Box::pin(mail_owed_while_a_delivery_ends_is_delivered_by_the_next(store))
})];

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
    let context = Context {
        run,
        lease_number: claimed.lease_number,
        shop: None,
        job: JobKind::SendMail,
        attempt: claimed.attempt,
        demand: Demand::default(),
        cancel: CancellationToken::new(),
        holder: me,
        progress: Progress::default(),
    };
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
