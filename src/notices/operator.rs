//! What the operator is told: each occasion once, and a few mails a day at most, however much happens.
//!
//! Every occasion has an owed mail of its own in the outbox, so that none is lost and none told twice. The more mails an operator got within
//! a day, the longer the next one waits; when one leaves, it takes along whatever waits for the same person.

use jiff::{SignedDuration, Timestamp};

use super::{
    AppSecret, News, Payload, People, Recipient, Watched,
    compose::{drop_unsaid, letter},
    payload::{merge, owe},
};
use crate::{
    domain::{ChannelName, JobKind, MailKind, ShopId},
    store::{AppAlarm, Mail, StoreError, Tx},
};

const KIND: MailKind = MailKind::Operator;
/// What happens together is told together.
pub(super) const GATHERED: SignedDuration = SignedDuration::from_secs(2);
/// How long the next mail stays away from the last one, by how many there were in the day before: two at once, five or six a day.
const WAITS: [SignedDuration; 5] = [
    SignedDuration::ZERO,
    SignedDuration::ZERO,
    SignedDuration::from_mins(30),
    SignedDuration::from_hours(3),
    SignedDuration::from_hours(8),
];
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// An edit that is mended at once is nobody's business.
const EDITING: SignedDuration = SignedDuration::from_secs(60);

/// Tells the operator, once for each `dedup`: name the occasion in it (`guard/SHOP/PLAN`, `failing/SHOP/JOB/RUN`). Whether anything new
/// is owed.
pub async fn owe_operator_mail(
    tx: &mut Tx,
    people: &People,
    dedup: &str,
    shops: &[ShopId],
    news: &News,
) -> Result<bool, StoreError> {
    let mut owed = false;
    for recipient in &people.operator {
        owed |= owe_one(tx, people, dedup, recipient, shops, news, GATHERED).await?;
    }
    Ok(owed)
}

async fn owe_one(
    tx: &mut Tx,
    people: &People,
    dedup: &str,
    recipient: &Recipient,
    shops: &[ShopId],
    news: &News,
    wait: SignedDuration,
) -> Result<bool, StoreError> {
    let payload = Payload::Operator { news: news.clone(), more: Vec::new() };
    let dedup = format!("{dedup}/{}", recipient.address);
    let Some(id) = owe(tx, people, dedup, KIND, recipient, shops, &payload).await? else { return Ok(false) };
    let before = tx.mail_attempts(KIND, &recipient.address, tx.now - DAY).await?;
    let at = due_at(tx.now + wait, &before);
    let why = (at > tx.now + wait)
        .then(|| format!("waits until {}, so that operators get a few mails a day", people.shown(at)));
    tx.delay_mail(id, at, why.as_deref()).await?;
    tx.look_by(None, JobKind::SendMail, at).await?;
    Ok(true)
}

/// When a mail leaves about something that happens at `at`, after these others, the newest first.
pub(super) fn operator_mail_at(at: Timestamp, before: &[Timestamp]) -> Timestamp {
    due_at(at + GATHERED, before)
}

fn due_at(at: Timestamp, before: &[Timestamp]) -> Timestamp {
    let of_the_day = before.iter().filter(|other| at - DAY < **other).count();
    let wait = WAITS[of_the_day.min(WAITS.len() - 1)];
    before.first().map_or(at, |last| at.max(*last + wait))
}

/// What news are about, in a few words of `upcoming`.
pub(super) fn about(news: &News) -> String {
    match news {
        News::AuthorizationRevoked { .. } => "the channel refuses the permission".to_owned(),
        News::AuthorizationLapsed { .. } => "the authorization has ended".to_owned(),
        News::SettingsRefused { .. } => "the newest settings were refused".to_owned(),
        News::ShopsGone { .. } => "shops are in no settings file any more".to_owned(),
        News::Undeliverable { .. } => "mail cannot be delivered".to_owned(),
        News::AppRejected { channel, .. } => format!("{channel} refuses our app"),
        News::AppSecretEnds { channel, .. } => format!("the client secret of {channel} ends"),
        News::RefreshTokenEnds { .. } => "the refresh token ends".to_owned(),
        News::GuardStopped { .. } => "a guard stopped the export".to_owned(),
        News::JobFailing { job, .. } => format!("{job} keeps failing"),
        News::JobRecovered { job, .. } => format!("{job} works again"),
    }
}

/// A mail to the operator, or one about what stands in the way of shops, takes along when it leaves what else of its sort waits for the
/// same person, and still holds. Returns it as it is then.
pub async fn gather(tx: &mut Tx, people: &People, mail: Mail) -> Result<Option<Mail>, StoreError> {
    let Some(mut payload) = Payload::of(&mail).filter(Payload::gathers) else { return Ok(Some(mail)) };
    let (mut shops, mut taken) = (mail.shops.clone(), false);
    // They are told in the order in which they happened.
    for other in tx.waiting_mails(&mail.recipient).await?.into_iter().filter(|other| other.id != mail.id) {
        let Some(more) = Payload::of(&other).filter(|more| payload.is_like(more)) else { continue };
        if letter(tx, people, &other).await?.is_none() {
            drop_unsaid(tx, &other).await?;
        } else if payload.take(more) {
            tx.cancel_told_mail(other.id, mail.id).await?;
            merge(&mut shops, other.shops);
            taken = true;
        }
    }
    if taken {
        tx.amend_mail(mail.id, &shops, &payload.to_json()).await?;
    }
    tx.mail(mail.id).await
}

/// A channel refuses the app of these shops. For the keeper, in the transaction that raises the alarm: once per alarm.
pub async fn note_app_refused(
    tx: &mut Tx,
    people: &People,
    channel: &ChannelName,
    shops: &[ShopId],
    alarm: &AppAlarm,
) -> Result<(), StoreError> {
    let AppAlarm { keys, why } = alarm.clone();
    let dedup = format!("app-refused/{channel}/{}/{}", keys[0], tx.now.as_millisecond());
    let (shop, others) = (shops.first().cloned(), shops.iter().skip(1).cloned().collect());
    let news = News::AppRejected { channel: people.channel_title(shops, channel), keys, why, shop, others };
    owe_operator_mail(tx, people, &dedup, shops, &news).await?;
    Ok(())
}

/// The settings were refused at run time: the ones before keep serving. For the daemon, in the transaction that notes `why`; told only if
/// it still holds when the mail leaves.
pub async fn note_settings_refused(tx: &mut Tx, people: &People, why: &str) -> Result<(), StoreError> {
    let news = News::SettingsRefused { why: why.to_owned() };
    let dedup = format!("settings/{}", tx.now.as_millisecond());
    for recipient in &people.operator {
        owe_one(tx, people, &dedup, recipient, &[], &news, EDITING).await?;
    }
    Ok(())
}

/// A start found these shops in none of the settings files. Told only if they are still gone when the mail leaves.
pub async fn note_shops_gone(tx: &mut Tx, people: &People, gone: &[ShopId]) -> Result<(), StoreError> {
    let news = News::ShopsGone { shops: gone.to_vec() };
    let dedup = format!("shops-gone/{}", tx.now.as_millisecond());
    for recipient in &people.operator {
        owe_one(tx, people, &dedup, recipient, &[], &news, EDITING).await?;
    }
    Ok(())
}

/// A mail was refused for good, or nobody took it for two days: the operator hears of each recipient once a day. The one who cannot be
/// reached is not written to about it.
pub async fn note_undeliverable(tx: &mut Tx, people: &People, mail: &Mail, why: &str) -> Result<(), StoreError> {
    let news = News::Undeliverable { id: mail.id, to: mail.recipient.clone(), why: why.to_owned() };
    let dedup = format!("undeliverable/{}/{}", mail.recipient, people.ladder.date(tx.now));
    for recipient in people.operator.iter().filter(|recipient| recipient.address != mail.recipient) {
        owe_one(tx, people, &dedup, recipient, &mail.shops, &news, GATHERED).await?;
    }
    Ok(())
}

/// A machine's refresh token ends although it should have been replaced. Whether anything new is owed.
pub(super) async fn alarm_of_token(tx: &mut Tx, people: &People, one: &Watched) -> Result<bool, StoreError> {
    let Some((dedup, ends_at)) = token_alarm(tx, people, one) else { return Ok(false) };
    let authorization = &one.authorization;
    let news = News::RefreshTokenEnds {
        channel: people.channel_title(&one.shops, &authorization.account.channel),
        account: authorization.account_name.clone(),
        shops: one.shops.iter().map(|shop| people.name(shop)).collect(),
        ends_at,
        authorization: Some(authorization.id),
    };
    owe_operator_mail(tx, people, &dedup, &one.shops, &news).await
}

/// The occasion that has come of a refresh token that ends, and when it does.
pub(super) fn token_alarm(tx: &Tx, people: &People, one: &Watched) -> Option<(String, Timestamp)> {
    let (_, ends_at) = one.refresh_token_alarm().filter(|(alarm, _)| *alarm <= tx.now)?;
    Some((format!("refresh-token/{}/{}", one.authorization.id, people.ladder.date(ends_at)), ends_at))
}

/// The occasion that has come of a secret that ends.
pub(super) fn secret_alarm(tx: &Tx, people: &People, secret: &AppSecret) -> Option<String> {
    let date = people.ladder.secret_step(secret.ends_on, tx.now)?;
    Some(format!("app-secret/{}/{date}", secret.channel))
}

/// The secret of an app ends: a step of its ladder. Whether anything new is owed.
pub(super) async fn alarm_of_secret(tx: &mut Tx, people: &People, secret: &AppSecret) -> Result<bool, StoreError> {
    let Some(dedup) = secret_alarm(tx, people, secret) else { return Ok(false) };
    let news = News::AppSecretEnds { channel: secret.channel_title.clone(), ends_on: secret.ends_on };
    owe_operator_mail(tx, people, &dedup, &[], &news).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_much_happens_an_operator_gets_a_few_mails_a_day() {
        let start = Timestamp::constant(1_790_000_000, 0);
        let mut sent: Vec<Timestamp> = Vec::new();
        // Something happens every ten minutes for a week.
        for happened in (0..6 * 24 * 7).map(|tens| start + SignedDuration::from_mins(tens * 10)) {
            let before: Vec<_> = sent.iter().rev().copied().collect();
            // What already waits takes it along.
            if sent.last().is_none_or(|last| *last <= happened) {
                sent.push(due_at(happened, &before));
            }
        }
        let first: Vec<_> = sent.iter().map(|at| at.duration_since(start).as_mins()).take(6).collect();
        assert_eq!(first, [0, 10, 40, 220, 700, 1180], "minutes after the first");
        let most =
            sent.iter().map(|at| sent.iter().filter(|other| **other >= *at && **other < *at + DAY).count()).max();
        assert!(most.is_some_and(|most| most <= 6), "{most:?}");
    }
}
