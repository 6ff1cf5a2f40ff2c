//! What is owed to people, written down.

use jiff::Timestamp;

use super::{
    GrantRef, News, Payload, People, Recipient, Watched,
    digest::{day_in, move_to_today, owe_step, settle_steps},
    operator::{GATHERED, alarm_of_secret, alarm_of_token, owe_operator_mail},
    payload::owe,
    readdress::readdress,
    watched::{configured_shops, watch, watched},
};
use crate::{
    domain::{
        Authorization, AuthorizationId, AuthorizationState, JobKind, MailKind, ShopId,
        reminder::{Due, StepDate},
    },
    store::{Mail, MailState, ReminderKind, ShopRow, StoreError, Tx},
};

/// What a pass over everything watched came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pass {
    /// How many authorizations were looked at.
    pub looked_at: u64,
    /// How many things were newly owed to people.
    pub owed: u64,
    /// The next instant at which anything will be owed.
    pub next_at: Option<Timestamp>,
}

impl Pass {
    fn look_at(&mut self, next: Option<Timestamp>) {
        self.next_at = self.next_at.into_iter().chain(next).min();
    }
}

/// Owes whatever is owed at the transaction's instant, and asks for the next look of both daemon's jobs. What there is nobody to be told of
/// is not noted: it stays due, and somebody who is named in the settings later hears of it.
pub async fn owe_due(tx: &mut Tx, people: &People) -> Result<Pass, StoreError> {
    let mut pass = Pass::default();
    for mut one in watched(tx, people).await? {
        pass.looked_at += 1;
        match one.due(&people.ladder, tx.now).filter(|_| one.is_heard(people)) {
            Some(due @ Due::Step(step)) => {
                if owe_step(tx, people, &one, step).await? {
                    let covered = one.note(due, &people.ladder, tx.now);
                    cover(tx, &one, &covered).await?;
                    pass.owed += 1;
                } else {
                    pass.look_at(people.ladder.next_morning(tx.now));
                }
            }
            Some(due @ Due::Ended) => {
                owe_ended(tx, people, &one).await?;
                one.note(due, &people.ladder, tx.now);
                pass.owed += 1;
            }
            None => {}
        }
        pass.owed += u64::from(alarm_of_token(tx, people, &one).await?);
        pass.look_at(one.next_at(&people.ladder, tx.now));
        pass.look_at(one.refresh_token_alarm().map(|(alarm, _)| alarm).filter(|alarm| *alarm > tx.now));
    }
    for row in tx.shops().await?.iter().filter(|row| row.configured) {
        pass.owed += owe_obstacles(tx, people, row).await?;
    }
    let (owed, waits) = readdress(tx, people).await?;
    pass.owed += owed;
    pass.look_at(waits);
    for secret in &people.app_secrets {
        pass.owed += u64::from(alarm_of_secret(tx, people, secret).await?);
        pass.look_at(people.ladder.next_secret_step(secret.ends_on, tx.now));
    }
    if pass.owed > 0 {
        deliver_soon(tx).await?;
    }
    if let Some(next) = pass.next_at {
        tx.look_by(None, JobKind::Remind, next).await?;
    }
    Ok(pass)
}

/// The owner has renewed `authorization` (its grant number has just grown): what was owed of older grants is settled, and a note says so.
/// For the keeper, in the transaction of the renewal. A first grant is not a renewal: see [`note_end_moved`].
///
/// Where the channel tells a later end of a permission that it refuses all the same, nothing is renewed yet: what people were told of that
/// stands, and the note follows with [`note_works_again`].
///
/// A ladder is a grant's: what was told before a renewal keeps no distance from the steps after it.
pub async fn note_renewal(tx: &mut Tx, people: &People, authorization: &Authorization) -> Result<(), StoreError> {
    let refused = authorization.state == AuthorizationState::Revoked;
    if refused && tx.carry_end_notice(authorization.id, authorization.grant_number).await? {
        carry_notices(tx, authorization).await?;
    }
    tx.cancel_reminders(authorization.id).await?;
    settle_all(tx, authorization.id, authorization.grant_number, "the permission was renewed").await?;
    if !refused {
        owe_thanks(tx, people, authorization).await?;
    }
    deliver_soon(tx).await?;
    note_end_moved(tx).await
}

/// Some have had the notice of the end of the grant before this one, which is over, too: the others still get it.
async fn carry_notices(tx: &mut Tx, authorization: &Authorization) -> Result<(), StoreError> {
    let now = GrantRef::of(authorization);
    let before = GrantRef { grant_number: now.grant_number - 1, ..now.clone() };
    for mail in tx.mails_in(MailState::Owed).await? {
        if matches!(Payload::of(&mail), Some(Payload::Ended(grant)) if grant == before) {
            tx.amend_mail(mail.id, &mail.shops, &Payload::Ended(now.clone()).to_json()).await?;
        }
    }
    Ok(())
}

/// The note of a renewal, once for each.
async fn owe_thanks(tx: &mut Tx, people: &People, authorization: &Authorization) -> Result<(), StoreError> {
    let grant = GrantRef::of(authorization);
    if tx.owe_reminder(grant.authorization, grant.grant_number, ReminderKind::Renewed, None).await?
        && let Some(one) = watch(tx, people, authorization.clone()).await?
    {
        let reason = format!("{}/{}", grant.authorization, grant.grant_number);
        owe_each(tx, people, &one, MailKind::Renewed, &reason, &Payload::Renewed(grant)).await?;
    }
    Ok(())
}

/// Other settings are in force: of an authorization that no shop works with any more, its own having left the settings or being of
/// another app now, nobody is reminded; and the reminders are worked out again, for one that serves again among others. In the transaction
/// that brings the shops in line.
pub async fn note_shops_changed(tx: &mut Tx) -> Result<(), StoreError> {
    for authorization in tx.idle_authorizations().await? {
        if tx.forget_owed_reminders(authorization.id).await? > 0 {
            let why = "no shop in the settings works with the permission";
            settle_all(tx, authorization.id, authorization.grant_number + 1, why).await?;
        }
    }
    // Mail may have been switched on, which is for the delivery to find out.
    deliver_soon(tx).await?;
    note_end_moved(tx).await
}

/// An end date was learnt or has moved: the reminders are worked out again at once. For whoever writes it, in the same transaction.
pub async fn note_end_moved(tx: &mut Tx) -> Result<(), StoreError> {
    let now = tx.now;
    tx.look_by(None, JobKind::Remind, now).await
}

/// What had ended works again within the same grant: should it end once more, that is news to everybody, and a notice that has not
/// left says nothing any more. Where the grant is a renewal that nobody could be told of while the channel refused it, they are now.
pub async fn note_works_again(tx: &mut Tx, people: &People, authorization: &Authorization) -> Result<(), StoreError> {
    let grant = GrantRef::of(authorization);
    tx.forget_end_notice(grant.authorization, grant.grant_number).await?;
    for mail in tx.mails_in(MailState::Owed).await? {
        if matches!(Payload::of(&mail), Some(Payload::Ended(ended)) if ended == grant) {
            tx.cancel_mail(mail.id, "the permission works again").await?;
        }
    }
    if grant.grant_number > 1 {
        owe_thanks(tx, people, authorization).await?;
        deliver_soon(tx).await?;
    }
    note_end_moved(tx).await
}

/// A permission is over: its state has just become lapsed, or revoked because the channel refuses it before its end date. The shop's people
/// are told at once, with the reason, and the operator too. For the keeper, in the transaction that writes the state. Once
/// for each time that it ends.
pub async fn note_ended(tx: &mut Tx, people: &People, authorization: &Authorization) -> Result<(), StoreError> {
    let shops = configured_shops(tx, people, authorization).await?;
    if !shops.is_empty() {
        let channel = people.channel_title(&shops, &authorization.account.channel);
        let account = authorization.account_name.clone();
        let names = shops.iter().map(|shop| people.name(shop)).collect();
        let grant = Some((authorization.id, authorization.grant_number));
        let asked = shops.iter().any(|shop| people.is_heard(shop));
        let (what, news) = if authorization.state == AuthorizationState::Revoked {
            let why = authorization.why.clone().unwrap_or_default();
            ("revoked", News::AuthorizationRevoked { channel, account, shops: names, why, grant, asked })
        } else {
            ("lapsed", News::AuthorizationLapsed { channel, account, shops: names, grant, asked })
        };
        let dedup = format!("{what}/{}", end_of(tx, authorization));
        owe_operator_mail(tx, people, &dedup, &shops, &news).await?;
    }
    let to_tell = |one: &Watched| !one.sent.ended && one.is_heard(people);
    if let Some(one) = watch(tx, people, authorization.clone()).await?.filter(to_tell) {
        owe_ended(tx, people, &one).await?;
        deliver_soon(tx).await?;
    }
    Ok(())
}

/// A shop has just become closed at the channel, or was found to lack a right: its people are told. For the keeper, in the transaction
/// that writes that.
pub async fn note_obstacle(tx: &mut Tx, people: &People, shop: &ShopId) -> Result<(), StoreError> {
    if let Some(row) = tx.shop(shop).await? {
        owe_obstacles(tx, people, &row).await?;
    }
    Ok(())
}

/// What stands in the way of a shop, to all who are reminded of it and were not told: whoever is named while it lasts hears of it, too.
/// What befalls several shops at once is told in one mail. Of a shop that is closed people hear once for each time, of a right that is
/// missing once for each permission, with all its shops, and each time that they gave it: one that was missing and is missing again was
/// never had, as far as they care. Answers how many mails are new.
async fn owe_obstacles(tx: &mut Tx, people: &People, row: &ShopRow) -> Result<u64, StoreError> {
    let shop = &row.id;
    let mut reasons = Vec::new();
    if let Some(since) = row.closed_since.filter(|_| row.closed_why.is_some()) {
        reasons.push((false, format!("closed/{shop}/{}", since.as_millisecond())));
    }
    if let Some(scope) = &row.scope_missing {
        let grant = match row.authorization {
            Some(id) => tx.authorization(id).await?.map(|known| format!("{id}/{}", known.grant_number)),
            None => None,
        };
        reasons.push((true, format!("scope/{}/{scope}", grant.unwrap_or_else(|| shop.to_string()))));
    }
    let (at, mut owed) = (tx.now + GATHERED, 0);
    for (scope, reason) in reasons {
        let payload = Payload::Obstacle { shop: shop.clone(), scope, more: Vec::new() };
        for recipient in people.shops.get(shop).into_iter().flat_map(|shop| &shop.recipients) {
            let dedup = format!("{reason}/{}", recipient.address);
            let shops = std::slice::from_ref(shop);
            if let Some(id) = owe(tx, people, dedup, MailKind::Reminder, recipient, shops, &payload).await? {
                tx.delay_mail(id, at, None).await?;
                owed += 1;
            }
        }
    }
    if owed > 0 {
        tx.look_by(None, JobKind::SendMail, at).await?;
    }
    Ok(owed)
}

/// Somebody followed an expired link: its shop's people get a fresh one, at most once a day. Whether anything new is owed.
pub async fn owe_fresh_link(tx: &mut Tx, people: &People, shop: &ShopId) -> Result<bool, StoreError> {
    let today = people.ladder.date(tx.now);
    let payload = Payload::FreshLink { shop: shop.clone() };
    let mut owed = false;
    for recipient in people.shops.get(shop).into_iter().flat_map(|shop| &shop.recipients) {
        let dedup = format!("link/{shop}/{}/{today}", recipient.address);
        owed |= owe(tx, people, dedup, MailKind::Reminder, recipient, std::slice::from_ref(shop), &payload)
            .await?
            .is_some();
    }
    if owed {
        deliver_soon(tx).await?;
    }
    Ok(owed)
}

/// A test mail. Returns its number.
pub async fn owe_test_mail(tx: &mut Tx, people: &People, address: &str) -> Result<i64, StoreError> {
    let known = people.operator.iter().chain(people.shops.values().flat_map(|shop| &shop.recipients));
    let language =
        known.into_iter().find(|known| known.address == address).map_or(people.language, |known| known.language);
    let dedup = format!("test/{address}/{}", tx.now.as_millisecond());
    let recipient = Recipient { address: address.to_owned(), language };
    owe(tx, people, dedup.clone(), MailKind::Test, &recipient, &[], &Payload::Test).await?;
    deliver_soon(tx).await?;
    let mail = tx.mail_by_dedup(&dedup).await?;
    mail.map(|mail| mail.id).ok_or_else(|| StoreError::Corrupt {
        table: "outbox",
        cause: format!("the mail {dedup} was just written and is gone"),
    })
}

/// The outbox is delivered at once. An early look rather than a run: a run may be under way that has looked already.
async fn deliver_soon(tx: &mut Tx) -> Result<(), StoreError> {
    let now = tx.now;
    tx.look_by(None, JobKind::SendMail, now).await
}

/// One end of a grant, which may end more than once.
fn end_of(tx: &Tx, authorization: &Authorization) -> String {
    format!("{}/{}/{}", authorization.id, authorization.grant_number, tx.now.as_millisecond())
}

/// A message of its own to everybody concerned.
async fn owe_each(
    tx: &mut Tx,
    people: &People,
    one: &Watched,
    kind: MailKind,
    reason: &str,
    payload: &Payload,
) -> Result<(), StoreError> {
    for (recipient, shops) in one.recipients(people) {
        let dedup = format!("{kind}/{reason}/{}", recipient.address);
        owe(tx, people, dedup, kind, &recipient, &shops, payload).await?;
    }
    Ok(())
}

/// The notice of an end. What was still owed of the ladder is settled by it.
async fn owe_ended(tx: &mut Tx, people: &People, one: &Watched) -> Result<(), StoreError> {
    let authorization = &one.authorization;
    if tx.owe_reminder(authorization.id, authorization.grant_number, ReminderKind::Ended, None).await? {
        cover(tx, one, &one.sent.steps().collect::<Vec<_>>()).await?;
        settle_steps(tx, authorization.id, "the permission has ended, which a mail of its own tells").await?;
        let reason = end_of(tx, authorization);
        owe_each(tx, people, one, MailKind::Ended, &reason, &Payload::Ended(GrantRef::of(authorization))).await?;
    }
    Ok(())
}

async fn cover(tx: &mut Tx, one: &Watched, steps: &[StepDate]) -> Result<(), StoreError> {
    if steps.is_empty() {
        return Ok(());
    }
    tx.cover_reminders(one.authorization.id, one.authorization.grant_number, steps).await
}

/// A day's mail that did not leave on its day is not sent as it is: what has fallen due since is owed first, and then it is today's, so that
/// nobody gets two. `true`: another mail tells it, and this one does not leave.
pub async fn bring_up_to_date(tx: &mut Tx, people: &People, mail: &Mail) -> Result<bool, StoreError> {
    let Some(Payload::Reminder { .. }) = Payload::of(mail) else { return Ok(false) };
    if day_in(mail).is_none_or(|day| day >= people.ladder.date(tx.now)) {
        return Ok(false);
    }
    owe_due(tx, people).await?;
    let Some(mail) = tx.mail(mail.id).await?.filter(|mail| mail.state == MailState::Owed) else { return Ok(true) };
    match Payload::of(&mail) {
        Some(Payload::Reminder { steps }) => move_to_today(tx, people, &mail, steps).await,
        _ => Ok(false),
    }
}

/// Takes an authorization out of all mails that are still owed: its grants before this one.
async fn settle_all(tx: &mut Tx, id: AuthorizationId, before: i64, why: &str) -> Result<(), StoreError> {
    let settled = |grant: &GrantRef| grant.authorization == id && grant.grant_number < before;
    for mail in tx.mails_in(MailState::Owed).await? {
        if matches!(Payload::of(&mail), Some(Payload::Ended(grant) | Payload::Renewed(grant)) if settled(&grant)) {
            tx.cancel_mail(mail.id, why).await?;
        }
    }
    settle_steps(tx, id, why).await
}
