//! From a mail that is owed to the letter it becomes: at the last moment, and only what still holds.

use jiff::Timestamp;

use super::{GrantRef, News, Payload, People, Recipient, StepRef};
use crate::{
    domain::{Authorization, AuthorizationState, ShopId},
    mail::{Item, Letter, Obstacle, Obstructed, ShopLine},
    store::{Mail, MailState, ReminderKind, ReminderState, StoreError, Tx},
};

/// The letter, and the shops it is about; `None`: there is nothing left to say.
pub async fn letter(tx: &mut Tx, people: &People, mail: &Mail) -> Result<Option<(Letter, Vec<ShopId>)>, StoreError> {
    let Some(payload) = Payload::of(mail) else {
        tracing::error!(event = "mail.unreadable", mail.id = mail.id, mail.kind = %mail.kind, "a mail owed by another version of shopsyncd cannot be read and is dropped");
        return Ok(None);
    };
    let letter = match payload {
        Payload::Reminder { steps } => reminder(tx, people, &mail.recipient, &steps).await?,
        Payload::Ended(grant) => match standing(tx, &grant).await? {
            Some(authorization) if is_over(&authorization, tx.now) => {
                item(tx, people, &mail.recipient, &authorization).await?.map(Letter::Ended)
            }
            _ => None,
        },
        Payload::Renewed(grant) => match standing(tx, &grant).await? {
            Some(authorization) if !is_over(&authorization, tx.now) => {
                item(tx, people, &mail.recipient, &authorization).await?.map(Letter::Renewed)
            }
            _ => None,
        },
        Payload::FreshLink { shop } if people.reads(&mail.recipient, &shop) => {
            Some(Letter::FreshLink(line(tx, people, shop).await?))
        }
        Payload::FreshLink { .. } => None,
        Payload::Obstacle { shop, scope, more } => {
            obstacles(tx, people, &mail.recipient, std::iter::once((shop, scope)).chain(more)).await?
        }
        Payload::Operator { news, more } => operator(tx, std::iter::once(news).chain(more)).await?,
        Payload::Test => Some(Letter::Test),
    };
    Ok(letter.map(|letter| {
        let shops: Vec<ShopId> = match &letter {
            Letter::Obstacles(all) => all.iter().flat_map(|one| &one.shops).map(|shop| shop.id.clone()).collect(),
            letter => letter.items().iter().flat_map(|item| &item.shops).map(|shop| shop.id.clone()).collect(),
        };
        // Operators' mails and links name no permission; what the outbox says of them stands.
        let shops = if shops.is_empty() { mail.shops.clone() } else { shops };
        (letter, shops)
    }))
}

/// What a mail is about: its subject, or the one it would have if it left now; in a few words where it does not leave any more. `None`:
/// nobody knows.
pub async fn subject(tx: &mut Tx, people: &People, mail: &Mail) -> Result<Option<String>, StoreError> {
    if mail.subject.is_some() {
        return Ok(mail.subject.clone());
    }
    let words = |letter: &Letter, now| crate::mail::subject(letter, mail.language, people.zone(), now);
    if mail.state == MailState::Owed
        && let Some((letter, _)) = letter(tx, people, mail).await?
    {
        return Ok(Some(words(&letter, tx.now)));
    }
    Ok(match Payload::of(mail) {
        Some(Payload::Operator { news, .. }) => Some(words(&Letter::Operator(vec![news]), mail.owed_at)),
        Some(payload) => super::upcoming::about(&payload, None),
        None => None,
    })
}

/// Marks what a mail told as told.
pub async fn mark_sent(tx: &mut Tx, mail: &Mail) -> Result<(), StoreError> {
    match Payload::of(mail) {
        Some(Payload::Reminder { steps }) => {
            for step in steps {
                if is_told(tx, &step).await? {
                    let kind = ReminderKind::Step;
                    tx.mark_reminded(step.authorization, step.grant_number, kind, Some(step.date)).await?;
                }
            }
        }
        Some(Payload::Ended(grant)) => {
            tx.mark_reminded(grant.authorization, grant.grant_number, ReminderKind::Ended, None).await?;
        }
        Some(Payload::Renewed(grant)) => {
            tx.mark_reminded(grant.authorization, grant.grant_number, ReminderKind::Renewed, None).await?;
        }
        Some(Payload::FreshLink { .. } | Payload::Obstacle { .. } | Payload::Operator { .. } | Payload::Test)
        | None => {}
    }
    Ok(())
}

/// Why a mail does not leave of which nothing holds any more.
pub(super) const OVER: &str = "over before it was sent";

/// A mail has nothing left to say. Should what it was owed for come again, that is news.
pub async fn drop_unsaid(tx: &mut Tx, mail: &Mail) -> Result<(), StoreError> {
    tx.cancel_mail(mail.id, OVER).await?;
    if let Some(Payload::Obstacle { .. } | Payload::Operator { .. }) = Payload::of(mail) {
        tx.free_reason(mail.id).await?;
    }
    Ok(())
}

/// Whether a mail that was composed before and did not leave would say what is true no more: its day is over, so that it counts days
/// wrong, or it tells of shops that it would not tell of now.
pub fn is_out_of_date(people: &People, mail: &Mail, shops: &[ShopId], now: Timestamp) -> bool {
    let day = people.ladder.date(mail.first_attempt_at.unwrap_or(mail.owed_at));
    day < people.ladder.date(now) || mail.shops.iter().any(|shop| !shops.contains(shop))
}

/// Whether a mail to shops' people goes to somebody who is reminded of none of them any more.
pub fn is_for_nobody(people: &People, mail: &Mail) -> bool {
    mail.kind.is_for_owners()
        && !mail.shops.is_empty()
        && !mail.shops.iter().any(|shop| people.reads(&mail.recipient, shop))
}

/// Mail is switched off and this one is not to leave: what it would have told counts as told to nobody (see [`unsilence`]).
pub async fn silence(tx: &mut Tx, mail: &Mail) -> Result<(), StoreError> {
    tx.silence_mail(mail.id).await?;
    match Payload::of(mail) {
        Some(Payload::Reminder { steps }) => {
            for step in steps {
                tx.silence_reminder(step.authorization, step.grant_number, ReminderKind::Step, Some(step.date)).await?;
            }
            Ok(())
        }
        Some(Payload::Ended(grant)) => {
            tx.silence_reminder(grant.authorization, grant.grant_number, ReminderKind::Ended, None).await
        }
        _ => Ok(()),
    }
}

/// Mail is switched on: what could not be told while it was not is owed again to whom it was owed, as far as it still holds; of several
/// steps the latest. What there was nobody to be told of is worked out anew.
pub async fn unsilence(tx: &mut Tx, people: &People) -> Result<(), StoreError> {
    for mail in tx.silenced_mails().await? {
        match Payload::of(&mail) {
            Some(Payload::Reminder { steps }) => again_on_a_day(tx, people, &mail, steps).await?,
            Some(Payload::Ended(grant)) => {
                tx.unsilence_reminder(grant.authorization, grant.grant_number, ReminderKind::Ended, None).await?;
                tx.revive_mail(mail.id, tx.now).await?;
            }
            // A test was for then.
            Some(Payload::Test) | None => tx.forget_silenced_mail(mail.id, "mail was switched off").await?,
            Some(_) => tx.revive_mail(mail.id, tx.now).await?,
        }
    }
    if tx.forget_silenced_reminders().await? > 0 {
        super::note_end_moved(tx).await?;
    }
    Ok(())
}

/// The steps of a silenced mail go on the mail of the day, or of the next where that has left.
async fn again_on_a_day(tx: &mut Tx, people: &People, mail: &Mail, steps: Vec<StepRef>) -> Result<(), StoreError> {
    let mut told = Vec::new();
    for step in steps {
        tx.unsilence_reminder(step.authorization, step.grant_number, ReminderKind::Step, Some(step.date)).await?;
        let grant = GrantRef { authorization: step.authorization, grant_number: step.grant_number };
        let stands = standing(tx, &grant).await?.is_some_and(|known| !is_over(&known, tx.now));
        if stands && is_told(tx, &step).await? {
            told.push(step);
        }
    }
    let recipient = Recipient { address: mail.recipient.clone(), language: mail.language };
    if told.is_empty() {
        tx.forget_silenced_mail(mail.id, OVER).await
    } else if super::digest::has_left(tx, people, &recipient).await? {
        tx.revive_mail(mail.id, people.ladder.next_morning(tx.now).unwrap_or(tx.now)).await
    } else {
        super::digest::put(tx, people, &recipient, told, mail.shops.clone()).await?;
        tx.forget_silenced_mail(mail.id, super::digest::LATER).await
    }
}

/// What stands in the way of shops, as far as it still does.
async fn obstacles(
    tx: &mut Tx,
    people: &People,
    address: &str,
    noted: impl Iterator<Item = (ShopId, bool)>,
) -> Result<Option<Letter>, StoreError> {
    let mut all: Vec<Obstructed> = Vec::new();
    for (shop, scope) in noted {
        if let Some(one) = obstacle(tx, people, address, shop, scope).await?
            && !all.contains(&one)
        {
            all.push(one);
        }
    }
    Ok((!all.is_empty()).then_some(Letter::Obstacles(all)))
}

/// A right is missing to all shops of a permission, whichever found out.
async fn obstacle(
    tx: &mut Tx,
    people: &People,
    address: &str,
    shop: ShopId,
    scope: bool,
) -> Result<Option<Obstructed>, StoreError> {
    let Some(row) = tx.shop(&shop).await?.filter(|row| row.configured && people.shops.contains_key(&row.id)) else {
        return Ok(None);
    };
    let obstacle =
        if scope { row.scope_missing.map(Obstacle::ScopeMissing) } else { row.closed_why.map(Obstacle::Closed) };
    let Some(obstacle) = obstacle else { return Ok(None) };
    let channel = people.channel_title(std::slice::from_ref(&shop), &row.channel);
    let mut concerned: Vec<ShopId> = Some(shop).into_iter().filter(|shop| people.reads(address, shop)).collect();
    if scope
        && let Some(id) = row.authorization
        && let Some(authorization) = tx.authorization(id).await?
    {
        let others = super::watched::configured_shops(tx, people, &authorization).await?;
        super::payload::merge(&mut concerned, others.into_iter().filter(|shop| people.reads(address, shop)).collect());
    }
    if concerned.is_empty() {
        return Ok(None);
    }
    let mut shops = Vec::new();
    for shop in concerned {
        shops.push(line(tx, people, shop).await?);
    }
    Ok(Some(Obstructed { shops, channel, obstacle }))
}

/// Whether what the operator was to hear holds no longer. What is told of a secret holds until it is told.
async fn is_settled(tx: &mut Tx, news: &News) -> Result<bool, StoreError> {
    Ok(match news {
        News::SettingsRefused { why } => {
            !tx.instances().await?.iter().any(|instance| instance.settings_error.as_ref() == Some(why))
        }
        News::ShopsGone { shops } => {
            let mut gone = false;
            for shop in shops {
                gone |= tx.shop(shop).await?.is_some_and(|row| !row.configured);
            }
            !gone
        }
        News::AuthorizationRevoked { grant: Some((authorization, grant_number)), .. }
        | News::AuthorizationLapsed { grant: Some((authorization, grant_number)), .. } => {
            let grant = GrantRef { authorization: *authorization, grant_number: *grant_number };
            standing(tx, &grant).await?.is_none_or(|known| !is_over(&known, tx.now))
        }
        News::RefreshTokenEnds { authorization: Some(id), ends_at, .. } => {
            let known = tx.authorization(*id).await?;
            known.is_none_or(|known| known.refresh_token_ends_at != Some(*ends_at) || is_over(&known, tx.now))
        }
        News::AppRejected { shop: Some(shop), others, .. } => {
            let mut standing = false;
            for shop in std::iter::once(shop).chain(others) {
                standing |= tx.app_alarm(shop).await?.is_some();
            }
            !standing
        }
        News::Undeliverable { id, .. } => tx.mail(*id).await?.is_none_or(|mail| mail.state != MailState::Refused),
        News::JobFailing { shop, job, .. } => super::failing::has_recovered(tx, shop, *job).await?,
        News::JobRecovered { shop, job, .. } => !super::failing::has_recovered(tx, shop, *job).await?,
        News::GuardStopped { shop, .. } => tx.shop(shop).await?.is_none_or(|row| row.stopped_plan.is_none()),
        _ => false,
    })
}

/// What the operator has to know, as far as it still holds.
async fn operator(tx: &mut Tx, news: impl Iterator<Item = News>) -> Result<Option<Letter>, StoreError> {
    let mut told: Vec<News> = Vec::new();
    for news in news {
        if told.contains(&news) || is_settled(tx, &news).await? {
            continue;
        }
        // Of an export that was stopped, went on and was stopped again, the newest plan is the one to decide about.
        if let News::GuardStopped { shop: stopped, .. } = &news {
            told.retain(|known| !matches!(known, News::GuardStopped { shop, .. } if shop == stopped));
        }
        told.push(news);
    }
    Ok((!told.is_empty()).then_some(Letter::Operator(told)))
}

async fn reminder(
    tx: &mut Tx,
    people: &People,
    address: &str,
    steps: &[StepRef],
) -> Result<Option<Letter>, StoreError> {
    let mut items: Vec<Item> = Vec::new();
    for step in steps {
        let grant = GrantRef { authorization: step.authorization, grant_number: step.grant_number };
        let known = items.iter().any(|item| item.authorization == step.authorization);
        if known || !is_told(tx, step).await? {
            continue;
        }
        if let Some(authorization) = standing(tx, &grant).await?
            && !is_over(&authorization, tx.now)
        {
            items.extend(item(tx, people, address, &authorization).await?);
        }
    }
    items.sort_by_key(|item| item.ends_at);
    Ok((!items.is_empty()).then_some(Letter::Reminder(items)))
}

/// Whether a step is to be told, or was told to another recipient: not covered by a later one, not cancelled.
pub(super) async fn is_told(tx: &mut Tx, step: &StepRef) -> Result<bool, StoreError> {
    let rows = tx.reminders_of(step.authorization, step.grant_number).await?;
    Ok(rows.iter().any(|row| {
        row.kind == ReminderKind::Step
            && row.step_date == Some(step.date)
            && matches!(row.state, ReminderState::Owed | ReminderState::Sent)
    }))
}

/// The authorization, if this is still its grant.
pub(super) async fn standing(tx: &mut Tx, grant: &GrantRef) -> Result<Option<Authorization>, StoreError> {
    let authorization = tx.authorization(grant.authorization).await?;
    Ok(authorization.filter(|authorization| authorization.grant_number == grant.grant_number))
}

pub(super) fn is_over(authorization: &Authorization, now: Timestamp) -> bool {
    authorization.state != AuthorizationState::Active || authorization.ends.is_some_and(|ends| ends.at <= now)
}

/// An authorization with those of its shops whose people read this mail.
async fn item(
    tx: &mut Tx,
    people: &People,
    address: &str,
    authorization: &Authorization,
) -> Result<Option<Item>, StoreError> {
    let shops = super::watched::configured_shops(tx, people, authorization).await?;
    let shops: Vec<ShopId> = shops.into_iter().filter(|shop| people.reads(address, shop)).collect();
    if shops.is_empty() {
        return Ok(None);
    }
    let channel = people.channel_title(&shops, &authorization.account.channel);
    let mut lines = Vec::new();
    for shop in shops {
        lines.push(line(tx, people, shop).await?);
    }
    let revoked = authorization.state == AuthorizationState::Revoked;
    Ok(Some(Item {
        authorization: authorization.id,
        channel,
        account: authorization.account_name.clone(),
        shops: lines,
        ends_at: authorization.ends.map(|ends| ends.at),
        revoked: revoked.then(|| authorization.why.clone().unwrap_or_default()),
    }))
}

async fn line(tx: &mut Tx, people: &People, id: ShopId) -> Result<ShopLine, StoreError> {
    let account = tx.account_on_record(&id).await?;
    Ok(ShopLine { name: people.name(&id), renew: (people.link)(&id, account.as_deref()), id })
}
