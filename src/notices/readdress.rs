//! When an address leaves the settings: what could not be told there is told to those who are reminded now.

use jiff::{SignedDuration, Timestamp};

use super::{
    GrantRef, Payload, People, Recipient, StepRef, Watched,
    compose::{OVER, is_over, is_told, standing},
    digest::{has_left, put},
    payload::owe,
    watched::watch,
};
use crate::{
    domain::{AuthorizationId, MailKind},
    store::{Mail, MailState, ReminderKind, StoreError, Tx},
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
        match again(tx, people, &mail, false).await? {
            Again::NotLost => {}
            Again::Told(mails) => {
                owed += mails;
                tx.cancel_mail(mail.id, HEARD_BY_OTHERS).await?;
            }
            Again::Over => {
                tx.cancel_mail(mail.id, OVER).await?;
            }
            Again::Waits(mails) => {
                owed += mails;
                waits = people.ladder.next_morning(tx.now);
            }
        }
    }
    Ok((owed, waits))
}

/// The same for one mail that is about to be composed, which says nothing to whoever is reminded no more. What nobody is reminded of now
/// counts as told to nobody, so that it is due for whoever is named later. `true`: this mail is not to leave, or not now.
pub async fn pass_on(tx: &mut Tx, people: &People, mail: &Mail) -> Result<bool, StoreError> {
    match again(tx, people, mail, true).await? {
        Again::NotLost => return Ok(false),
        Again::Told(_) => {
            tx.cancel_mail(mail.id, HEARD_BY_OTHERS).await?;
        }
        Again::Over => {
            tx.cancel_mail(mail.id, OVER).await?;
        }
        Again::Waits(_) => {
            let at = people.ladder.next_morning(tx.now).unwrap_or(tx.now + SOON);
            tx.delay_mail(mail.id, at, None).await?;
        }
    }
    Ok(true)
}

const HEARD_BY_OTHERS: &str = "its recipient is reminded no more; whoever is hears of it";

/// How long a mail waits for a morning that no calendar has.
const SOON: SignedDuration = SignedDuration::from_hours(24);

async fn again(tx: &mut Tx, people: &People, mail: &Mail, leaves: bool) -> Result<Again, StoreError> {
    // Most of them, without a look into the database.
    if !mail.shops.is_empty() && mail.shops.iter().all(|shop| people.reads(&mail.recipient, shop)) {
        return Ok(Again::NotLost);
    }
    match Payload::of(mail) {
        Some(Payload::Ended(grant)) => again_ended(tx, people, mail, &grant, leaves).await,
        Some(Payload::Reminder { steps }) => again_steps(tx, people, mail, &steps, leaves).await,
        _ => Ok(Again::NotLost),
    }
}

enum Again {
    /// Its recipient is still reminded, or nobody is, or it holds no longer.
    NotLost,
    /// All who are reminded now have a mail that tells it; so many are new.
    Told(u64),
    /// Nothing of it holds any more.
    Over,
    /// Somebody has had the mail of the day; so many others have a new one.
    Waits(u64),
}

/// Who is reminded of a permission that a mail tells of.
enum Readers {
    /// The recipient of the mail; or it holds no longer.
    Its,
    /// Nobody.
    None,
    /// Others.
    Others(Box<Watched>),
}

async fn readers(tx: &mut Tx, people: &People, mail: &Mail, grant: &GrantRef) -> Result<Readers, StoreError> {
    let Some(authorization) = standing(tx, grant).await? else { return Ok(Readers::Its) };
    let Some(one) = watch(tx, people, authorization).await? else { return Ok(Readers::Its) };
    let now = one.recipients(people);
    Ok(if now.is_empty() {
        Readers::None
    } else if now.keys().any(|recipient| recipient.address == mail.recipient) {
        Readers::Its
    } else {
        Readers::Others(Box::new(one))
    })
}

async fn again_ended(
    tx: &mut Tx,
    people: &People,
    mail: &Mail,
    grant: &GrantRef,
    leaves: bool,
) -> Result<Again, StoreError> {
    let one = match readers(tx, people, mail, grant).await? {
        Readers::Its => return Ok(Again::NotLost),
        Readers::None => {
            if leaves {
                tx.silence_reminder(grant.authorization, grant.grant_number, ReminderKind::Ended, None).await?;
            }
            return Ok(Again::NotLost);
        }
        Readers::Others(one) => *one,
    };
    if !is_over(&one.authorization, tx.now) {
        return Ok(Again::NotLost);
    }
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

async fn again_steps(
    tx: &mut Tx,
    people: &People,
    mail: &Mail,
    steps: &[StepRef],
    leaves: bool,
) -> Result<Again, StoreError> {
    let (mut owed, mut waits, mut keeps, mut holds) = (0, false, false, false);
    for step in steps {
        let StepRef { authorization, grant_number, date } = step.clone();
        let one = match readers(tx, people, mail, &GrantRef { authorization, grant_number }).await? {
            Readers::Its => {
                keeps = true;
                continue;
            }
            Readers::None => {
                if leaves {
                    tx.silence_reminder(authorization, grant_number, ReminderKind::Step, Some(date)).await?;
                }
                keeps = true;
                continue;
            }
            Readers::Others(one) => *one,
        };
        if is_over(&one.authorization, tx.now) || !is_told(tx, step).await? {
            continue;
        }
        holds = true;
        for (recipient, shops) in one.recipients(people) {
            if has_heard(tx, &recipient, step).await? {
                continue;
            }
            if has_left(tx, people, &recipient).await? {
                waits = true;
                continue;
            }
            put(tx, people, &recipient, vec![step.clone()], shops).await?;
            owed += 1;
        }
    }
    Ok(match (waits, keeps, holds) {
        (true, ..) => Again::Waits(owed),
        (_, true, _) => Again::NotLost,
        (_, _, true) => Again::Told(owed),
        _ => Again::Over,
    })
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
