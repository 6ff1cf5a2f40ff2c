//! When an address leaves the settings: what could not be told there is told to those who are reminded now.

use jiff::Timestamp;

use super::{
    GrantRef, Payload, People, Recipient, StepRef, Watched,
    compose::{is_over, is_told, standing},
    digest::{has_left, put},
    payload::owe,
    watched::watch,
};
use crate::{
    domain::{AuthorizationId, MailKind},
    store::{Mail, MailState, StoreError, Tx},
};

/// Looks for reminders and notices of ends that have not left, or were refused for good, and whose recipient is not reminded of that
/// permission any more, most likely because the address was wrong. As far as they still hold, all others who are reminded now and were not
/// told are owed the same. Answers how many mails are new, and until when what could not be placed today waits.
pub(super) async fn readdress(tx: &mut Tx, people: &People) -> Result<(u64, Option<Timestamp>), StoreError> {
    let mut lost = tx.mails_in(MailState::Refused).await?;
    lost.extend(tx.mails_in(MailState::Owed).await?);
    lost.sort_by_key(|mail| mail.id);
    let (mut owed, mut waits) = (0, None);
    for mail in lost {
        // Most of them, without a look into the database.
        if !mail.shops.is_empty() && mail.shops.iter().all(|shop| people.reads(&mail.recipient, shop)) {
            continue;
        }
        let told = match Payload::of(&mail) {
            Some(Payload::Ended(grant)) => again_ended(tx, people, &mail, &grant).await?,
            Some(Payload::Reminder { steps }) => again_steps(tx, people, &mail, &steps).await?,
            _ => Again::NotLost,
        };
        match told {
            Again::NotLost => {}
            Again::Told(mails) => {
                owed += mails;
                tx.cancel_mail(mail.id, "its recipient is reminded no more; whoever is hears of it").await?;
            }
            Again::Waits => waits = people.ladder.next_morning(tx.now),
        }
    }
    Ok((owed, waits))
}

enum Again {
    /// Its recipient is still reminded, or nobody is, or it holds no longer.
    NotLost,
    /// All who are reminded now have a mail that tells it; so many are new.
    Told(u64),
    /// Somebody has had the mail of the day.
    Waits,
}

/// The permission, with who is reminded of it now: where somebody is, and the recipient of the mail is not among them.
async fn lost(tx: &mut Tx, people: &People, mail: &Mail, grant: &GrantRef) -> Result<Option<Watched>, StoreError> {
    let Some(authorization) = standing(tx, grant).await? else { return Ok(None) };
    let one = watch(tx, people, authorization).await?;
    Ok(one.filter(|one| {
        let now = one.recipients(people);
        !now.is_empty() && !now.keys().any(|recipient| recipient.address == mail.recipient)
    }))
}

async fn again_ended(tx: &mut Tx, people: &People, mail: &Mail, grant: &GrantRef) -> Result<Again, StoreError> {
    let Some(one) = lost(tx, people, mail, grant).await?.filter(|one| is_over(&one.authorization, tx.now)) else {
        return Ok(Again::NotLost);
    };
    // The reason of the same end, so that nobody hears of it twice.
    let Some(reason) = mail.dedup.strip_suffix(&mail.recipient) else { return Ok(Again::NotLost) };
    let mut owed = 0;
    for (recipient, shops) in one.recipients(people) {
        let dedup = format!("{reason}{}", recipient.address);
        let new = owe(tx, people, dedup, MailKind::Ended, &recipient, &shops, &Payload::Ended(grant.clone())).await?;
        owed += u64::from(new.is_some());
    }
    Ok(Again::Told(owed))
}

async fn again_steps(tx: &mut Tx, people: &People, mail: &Mail, steps: &[StepRef]) -> Result<Again, StoreError> {
    let (mut owed, mut keeps) = (0, false);
    for step in steps {
        let grant = GrantRef { authorization: step.authorization, grant_number: step.grant_number };
        let Some(one) = lost(tx, people, mail, &grant).await? else {
            keeps = true;
            continue;
        };
        if is_over(&one.authorization, tx.now) || !is_told(tx, step).await? {
            continue;
        }
        for (recipient, shops) in one.recipients(people) {
            if has_heard(tx, &recipient, step).await? {
                continue;
            }
            if has_left(tx, people, &recipient).await? {
                return Ok(Again::Waits);
            }
            put(tx, people, &recipient, vec![step.clone()], shops).await?;
            owed += 1;
        }
    }
    Ok(if keeps { Again::NotLost } else { Again::Told(owed) })
}

/// Whether a mail that has left, or is to leave, tells somebody of a step, or of a later one of the same grant.
async fn has_heard(tx: &mut Tx, recipient: &Recipient, step: &StepRef) -> Result<bool, StoreError> {
    let same = |other: &StepRef| -> bool {
        let key = |step: &StepRef| -> (AuthorizationId, i64) { (step.authorization, step.grant_number) };
        key(other) == key(step) && other.date >= step.date
    };
    let told = tx.told_to(&recipient.address, MailKind::Reminder).await?;
    Ok(told
        .into_iter()
        .any(|payload| matches!(Payload::read(payload), Some(Payload::Reminder { steps }) if steps.iter().any(same))))
}
