//! The day's mail: where a step of a ladder is put, so that nobody gets two reminders a day.

use jiff::civil::Date;

use super::{
    GrantRef, Payload, People, Recipient, StepRef, Watched,
    payload::{merge, owe},
};
use crate::{
    domain::{AuthorizationId, MailKind, ShopId, reminder::Step},
    store::{Mail, MailState, StoreError, Tx},
};

/// A step: noted, and put on the day's mail of everybody concerned. `false`: it waits for the next morning, because somebody's mail of
/// the day has left; all of its recipients wait together, and nothing was written.
///
/// A mail that certainly did not leave is no obstacle: it takes the step along, or is taken along by the mail of the next day. Only one
/// that may have left, since the relay has gone silent over it, stays as it is; the next day's follows it.
pub(super) async fn owe_step(tx: &mut Tx, people: &People, one: &Watched, step: Step) -> Result<bool, StoreError> {
    let recipients = one.recipients(people);
    for day in people.ladder.days_that_keep(step, tx.now) {
        for recipient in recipients.keys() {
            if matches!(place_on(tx, recipient, day).await?, Place::Left) {
                return Ok(false);
            }
        }
    }
    let GrantRef { authorization, grant_number } = GrantRef::of(&one.authorization);
    // On PostgreSQL a peer may have done it since we looked.
    if tx.owe_step(authorization, grant_number, step.into()).await? {
        let step = StepRef { authorization, grant_number, date: step.date };
        for (recipient, shops) in recipients {
            put(tx, people, &recipient, vec![step.clone()], shops).await?;
        }
    }
    Ok(true)
}

/// Where a step goes on a day.
enum Place {
    /// On a new mail with this reason.
    New(String),
    /// On one that is waiting.
    Open(Box<Mail>, Vec<StepRef>),
    /// The day's mail has left.
    Left,
}

/// Whether the mail of a day of one recipient has left, or has been attempted, for whoever only reads.
pub(super) async fn day_has_left(tx: &mut Tx, recipient: &Recipient, date: Date) -> Result<bool, StoreError> {
    let first = day_of(recipient, date);
    for dedup in dedups(&first) {
        let Some(mail) = tx.mail_by_dedup(&dedup).await? else { return Ok(false) };
        if let Some(place) = place_in(mail) {
            return Ok(matches!(place, Place::Left));
        }
    }
    Ok(true)
}

/// Whether the mail of the day of one recipient has left, or has been attempted.
pub(super) async fn has_left(tx: &mut Tx, people: &People, recipient: &Recipient) -> Result<bool, StoreError> {
    Ok(matches!(place_on(tx, recipient, people.ladder.date(tx.now)).await?, Place::Left))
}

/// The mail is locked, so that what is found to wait waits until this transaction ends.
async fn place_on(tx: &mut Tx, recipient: &Recipient, date: Date) -> Result<Place, StoreError> {
    let first = day_of(recipient, date);
    for dedup in dedups(&first) {
        let Some(mail) = tx.mail_to_amend(&dedup).await? else { return Ok(Place::New(dedup)) };
        if let Some(place) = place_in(mail) {
            return Ok(place);
        }
    }
    Ok(Place::Left)
}

/// The place that a mail of the day offers. A cancelled one was never seen by anybody: the next one counts.
fn place_in(mail: Mail) -> Option<Place> {
    match (mail.state, Payload::of(&mail)) {
        (MailState::Cancelled, _) => None,
        (MailState::Owed, Some(Payload::Reminder { steps })) if mail.is_open() => {
            Some(Place::Open(Box::new(mail), steps))
        }
        _ => Some(Place::Left),
    }
}

/// The reasons of a day's mails, one after the other.
fn dedups(first: &str) -> impl Iterator<Item = String> {
    std::iter::once(first.to_owned()).chain((2..1_000).map(move |number| format!("{first}/{number}")))
}

fn day_of(recipient: &Recipient, date: Date) -> String {
    format!("reminder/{}/{date}", recipient.address)
}

/// Puts steps on today's mail of one recipient, with whatever waits for the same person on mails of earlier days.
pub(super) async fn put(
    tx: &mut Tx,
    people: &People,
    recipient: &Recipient,
    mut steps: Vec<StepRef>,
    mut shops: Vec<ShopId>,
) -> Result<(), StoreError> {
    let today = people.ladder.date(tx.now);
    loop {
        let dedup = match place_on(tx, recipient, today).await? {
            Place::Open(mail, known) => {
                let new: Vec<StepRef> = steps.into_iter().filter(|step| !known.contains(step)).collect();
                merge(&mut shops, mail.shops);
                if !new.is_empty() {
                    tx.start_mail_over(mail.id).await?;
                }
                let payload = Payload::Reminder { steps: known.into_iter().chain(new).collect() };
                tx.amend_mail(mail.id, &shops, &payload.to_json()).await?;
                return Ok(());
            }
            Place::New(dedup) => dedup,
            Place::Left => {
                // It left while a peer was putting this on it: rather a second mail than none.
                let Some(step) = steps.last() else { return Ok(()) };
                let dedup = format!("{}/{}/{}", day_of(recipient, today), step.authorization, step.date);
                let payload = Payload::Reminder { steps };
                owe(tx, people, dedup, MailKind::Reminder, recipient, &shops, &payload).await?;
                return Ok(());
            }
        };
        take_along(tx, recipient, None, &mut steps, &mut shops).await?;
        let payload = Payload::Reminder { steps: steps.clone() };
        if owe(tx, people, dedup, MailKind::Reminder, recipient, &shops, &payload).await?.is_some() {
            return Ok(());
        }
    }
}

/// Takes what waits for a person on mails of other days off them; they do not leave any more. But for the mail `but`.
async fn take_along(
    tx: &mut Tx,
    recipient: &Recipient,
    but: Option<i64>,
    steps: &mut Vec<StepRef>,
    shops: &mut Vec<ShopId>,
) -> Result<(), StoreError> {
    for mail in tx.waiting_mails(&recipient.address).await?.into_iter().filter(|mail| but != Some(mail.id)) {
        if steps_of(&mail).is_some()
            && let Some((mail, older)) = lock(tx, mail.id).await?.filter(|(mail, _)| mail.is_open())
        {
            tx.cancel_mail(mail.id, LATER).await?;
            steps.extend(older.into_iter().filter(|step| !steps.contains(step)).collect::<Vec<_>>());
            merge(shops, mail.shops);
        }
    }
    Ok(())
}

/// Why a mail of a day that is over does not leave.
pub(super) const LATER: &str = "a mail of a later day tells it";

/// A mail of a day that is over becomes today's, with whatever else waits for the same person. `true`: another mail has taken it along, and
/// this one does not leave.
pub(super) async fn move_to_today(
    tx: &mut Tx,
    people: &People,
    mail: &Mail,
    mut steps: Vec<StepRef>,
) -> Result<bool, StoreError> {
    let recipient = Recipient { address: mail.recipient.clone(), language: mail.language };
    let today = people.ladder.date(tx.now);
    match place_on(tx, &recipient, today).await? {
        // Two on one day, rather than one that comes too late.
        Place::Left => Ok(false),
        Place::Open(..) => {
            put(tx, people, &recipient, steps, mail.shops.clone()).await?;
            tx.cancel_mail(mail.id, LATER).await?;
            Ok(true)
        }
        Place::New(dedup) => {
            let (count, mut shops) = (steps.len(), mail.shops.clone());
            take_along(tx, &recipient, Some(mail.id), &mut steps, &mut shops).await?;
            tx.open_mail(mail.id, Some(&dedup)).await?;
            if steps.len() > count {
                tx.start_mail_over(mail.id).await?;
                tx.amend_mail(mail.id, &shops, &Payload::Reminder { steps }.to_json()).await?;
            }
            Ok(false)
        }
    }
}

/// The local day of whose reminders a mail is.
pub(super) fn day_in(mail: &Mail) -> Option<Date> {
    let day = mail.dedup.strip_prefix("reminder/")?.strip_prefix(&mail.recipient)?.strip_prefix('/')?;
    day.split('/').next()?.parse().ok()
}

/// Takes the steps of an authorization's ladders out of all mails that are still owed. One that tells nothing else does not leave any
/// more; one that tells of others, too, is composed anew, unless it may have left: then it goes as it is, and what has settled this one
/// follows it in a mail of its own.
pub(super) async fn settle_steps(tx: &mut Tx, id: AuthorizationId, why: &str) -> Result<(), StoreError> {
    let tells = |mail: &Mail| steps_of(mail).is_some_and(|steps| steps.iter().any(|step| step.authorization == id));
    for mail in tx.mails_in(MailState::Owed).await?.into_iter().filter(tells) {
        let Some((mail, steps)) = lock(tx, mail.id).await? else { continue };
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

fn steps_of(mail: &Mail) -> Option<Vec<StepRef>> {
    match Payload::of(mail) {
        Some(Payload::Reminder { steps }) => Some(steps),
        _ => None,
    }
}

/// A day's mail that is still owed, with its steps. On PostgreSQL a peer may have put one on it since it was found; from now on none does
/// before this transaction ends.
async fn lock(tx: &mut Tx, id: i64) -> Result<Option<(Mail, Vec<StepRef>)>, StoreError> {
    let mail = tx.lock_mail(id).await?.filter(|mail| mail.state == MailState::Owed);
    Ok(mail.and_then(|mail| steps_of(&mail).map(|steps| (mail, steps))))
}
