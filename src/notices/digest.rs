//! The day's mail: where a step of a ladder is put, so that nobody gets two reminders a day.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{
    GrantRef, Payload, People, Recipient, StepRef, Watched,
    payload::{MANY, merge, owe},
};
use crate::{
    domain::{AuthorizationId, MailKind, ShopId, reminder::Step},
    store::{Mail, MailState, ReminderKind, StoreError, Tx},
};

/// A step: noted, and put on the day's mail of everybody concerned. `false`: somebody's mail of today has left, and nobody gets two a day; nothing was
/// written, and tomorrow's time of day will do. Until then it waits, whoever looks: sent in the night, it would keep tomorrow's own steps waiting.
pub(super) async fn owe_step(tx: &mut Tx, people: &People, one: &Watched, step: Step) -> Result<bool, StoreError> {
    let mut places: BTreeMap<Recipient, (Vec<ShopId>, Place)> = BTreeMap::new();
    let today = people.date(tx.now);
    let since =
        today.yesterday().ok().filter(|_| step.date < today && people.next_morning(tx.now) == people.at_on(today));
    for (recipient, shops) in one.recipients(people) {
        if let Some(yesterday) = since
            && matches!(place_on(tx, &recipient, yesterday).await?, Place::Left)
        {
            return Ok(false);
        }
        match place_today(tx, people, &recipient).await? {
            Place::Left => return Ok(false),
            place => places.insert(recipient, (shops, place)),
        };
    }
    let GrantRef { authorization, grant_number } = GrantRef::of(&one.authorization);
    tx.owe_reminder(authorization, grant_number, ReminderKind::Step, Some(step.date)).await?;
    let step = StepRef { authorization, grant_number, date: step.date };
    for (recipient, (shops, place)) in places {
        add(tx, people, &recipient, place, step.clone(), &shops).await?;
    }
    Ok(true)
}

/// Where a step goes today.
pub(super) enum Place {
    /// On a new mail with this reason.
    New(String),
    /// On one that is waiting.
    Open(Box<Mail>, Vec<StepRef>),
    /// Today's mail has left.
    Left,
}

pub(super) async fn place_today(tx: &mut Tx, people: &People, recipient: &Recipient) -> Result<Place, StoreError> {
    place_on(tx, recipient, people.date(tx.now)).await
}

async fn place_on(tx: &mut Tx, recipient: &Recipient, date: Date) -> Result<Place, StoreError> {
    let first = format!("reminder/{}/{date}", recipient.address);
    let mut dedup = first.clone();
    for number in 2.. {
        let Some(mail) = tx.mail_by_dedup(&dedup).await? else { return Ok(Place::New(dedup)) };
        match (mail.state, Payload::of(&mail)) {
            // A cancelled mail was never seen by anybody.
            (MailState::Cancelled, _) => dedup = format!("{first}/{number}"),
            (MailState::Owed, Some(Payload::Reminder { steps })) if mail.subject.is_none() => {
                return Ok(Place::Open(Box::new(mail), steps));
            }
            _ => return Ok(Place::Left),
        }
    }
    Ok(Place::Left)
}

async fn add(
    tx: &mut Tx,
    people: &People,
    recipient: &Recipient,
    place: Place,
    step: StepRef,
    shops: &[ShopId],
) -> Result<(), StoreError> {
    let mut all = shops.to_vec();
    match place {
        Place::Left => {}
        Place::Open(mail, mut steps) => {
            steps.push(step);
            merge(&mut all, mail.shops);
            tx.amend_mail(mail.id, &all, &Payload::Reminder { steps }.to_json()).await?;
        }
        Place::New(dedup) => {
            // Mails of earlier days that never left (the daemon was down) go into today's.
            let mut steps = Vec::new();
            for mail in tx.mails(Some(MailState::Owed), MANY).await? {
                let waiting = mail.recipient == recipient.address && mail.subject.is_none();
                if let (true, Some(Payload::Reminder { steps: older })) = (waiting, Payload::of(&mail)) {
                    tx.cancel_mail(mail.id, "a mail of a later day tells it").await?;
                    steps.extend(older);
                    merge(&mut all, mail.shops);
                }
            }
            steps.push(step);
            owe(tx, people, dedup, MailKind::Reminder, recipient, &all, &Payload::Reminder { steps }).await?;
        }
    }
    Ok(())
}

/// Takes the steps of an authorization's ladders out of all mails that are still owed. One that tells nothing else does not leave any
/// more, frozen or not. A frozen one that tells of others, too, goes as it is: what has settled this one follows it in a mail of its own.
pub(super) async fn settle_steps(tx: &mut Tx, id: AuthorizationId, why: &str) -> Result<(), StoreError> {
    for mail in tx.mails(Some(MailState::Owed), MANY).await? {
        let Some(Payload::Reminder { steps }) = Payload::of(&mail) else { continue };
        let count = steps.len();
        let left: Vec<StepRef> = steps.into_iter().filter(|step| step.authorization != id).collect();
        if left.is_empty() {
            tx.cancel_mail(mail.id, why).await?;
        } else if left.len() < count {
            let tied = tx.shops().await?.into_iter().filter(|shop| shop.authorization == Some(id));
            let gone: Vec<ShopId> = tied.map(|shop| shop.id).collect();
            let shops: Vec<ShopId> = mail.shops.iter().filter(|shop| !gone.contains(shop)).cloned().collect();
            tx.amend_mail(mail.id, &shops, &Payload::Reminder { steps: left }.to_json()).await?;
        }
    }
    Ok(())
}
