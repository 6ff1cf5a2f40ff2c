//! Delivery of mail: what is owed is composed, frozen, handed over, and written down.
//!
//! A message is composed when it is first attempted and frozen then: later attempts hand over the same bytes under the same Message-ID. One
//! that certainly did not leave, since the relay has said so, is composed anew where it would say what is true no more; one that may have
//! left, since the conversation broke off, never is. Only a death between the relay's yes and our commit can make it leave twice.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{Halt, write};
use crate::{
    clock::Clock,
    crash,
    domain::{Counts, JobKind, Outcome, ShopId},
    mail::{Composed, Envelope, Fate, MailError, Mailer, MailerBook, Outgoing, compose, without_addresses},
    notices::{
        People, SharedPeople, bring_up_to_date, drop_unsaid, gather, is_for_nobody, is_out_of_date, letter, mark_sent,
        note_undeliverable, owe_failing, pass_on, silence, unsilence,
    },
    scheduler::{Context, End, Handler, Stopped},
    store::{Delivery, Mail, MailState, Store, StoreError, Tx},
    telemetry::metrics::Metrics,
};

/// The wait after the first failed attempt; it doubles with each further one, unless the relay was away: then one mail asks for all, and
/// asks again as soon.
const FIRST_WAIT: SignedDuration = SignedDuration::from_mins(5);
/// The longest wait.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(4);
/// How long after the first attempt the last one is.
const PATIENCE: SignedDuration = SignedDuration::from_hours(48);
/// How many messages are taken up at once.
const BATCH: u32 = 20;
/// How many are put off at once: far more than ever wait.
const MANY: u32 = 10_000;

/// Delivers the outbox.
pub struct SendMail {
    store: Store,
    clock: Clock,
    people: SharedPeople,
    mailer: MailerBook,
    metrics: Metrics,
}

/// What became of one message.
enum Sent {
    /// It left.
    Yes,
    /// It waits, or was refused.
    No,
    /// The relay is away: no other would leave now either.
    Away,
    /// There was nothing left to say, or mail is off.
    Dropped,
}

#[async_trait]
impl Handler for SendMail {
    async fn run(&self, context: Context) -> Result<End, Stopped> {
        let mut counts = Counts::default();
        match self.pass(&context, &mut counts).await {
            Ok(()) => Ok(End::Ended(Outcome::Done, counts)),
            Err(halt) => halt.end(counts),
        }
    }
}

impl SendMail {
    /// For these people, through this mailer; what leaves is counted in `metrics`.
    pub const fn new(store: Store, clock: Clock, people: SharedPeople, mailer: MailerBook, metrics: Metrics) -> Self {
        Self { store, clock, people, mailer, metrics }
    }

    async fn pass(&self, context: &Context, counts: &mut Counts) -> Result<(), Halt> {
        // This job looks in every few minutes anyway; no run of another job could say of itself that it keeps failing.
        let mut tx = write(&self.store, &self.clock, context).await?;
        owe_failing(&mut tx, &self.people.load()).await?;
        if !self.mailer.load().is_off() {
            unsilence(&mut tx, &self.people.load()).await?;
        }
        tx.commit().await?;
        'due: loop {
            let due = self.store.read(self.clock.now()).await?.due_mail(BATCH).await?;
            if due.is_empty() {
                break;
            }
            for mail in due {
                counts.seen += 1;
                match self.deliver(context, &mail).await? {
                    Sent::Yes => counts.sent += 1,
                    Sent::No => counts.refused += 1,
                    Sent::Dropped => counts.unchanged += 1,
                    Sent::Away => {
                        counts.refused += 1;
                        break 'due;
                    }
                }
            }
        }
        let mut tx = write(&self.store, &self.clock, context).await?;
        if let Some(next) = tx.next_mail_at().await? {
            tx.look_by(None, JobKind::SendMail, next).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn deliver(&self, context: &Context, mail: &Mail) -> Result<Sent, Halt> {
        let (people, mailer) = (self.people.load_full(), self.mailer.load());
        let Some(mail) = self.freeze(context, &people, &mailer, mail.id).await? else { return Ok(Sent::Dropped) };
        crash::point("mail.before_send");
        let answer = match mail.body.as_deref() {
            Some(message) => {
                let from = people.sender.address();
                let out = Outgoing { from: &from, to: &mail.recipient, message_id: &mail.message_id, message };
                mailer.send(out).await
            }
            None => Err(MailError::permanent("the message could not be composed")),
        };
        crash::point("mail.after_send");
        Ok(self.write_down(&mail, answer).await?)
    }

    /// Composes a message, unless that was done before and it stays as it is, and freezes it. `None`: it is no longer owed, or is not to be
    /// sent.
    async fn freeze(&self, context: &Context, people: &People, mailer: &Mailer, id: i64) -> Result<Option<Mail>, Halt> {
        let mut tx = write(&self.store, &self.clock, context).await?;
        let now = tx.now;
        let Some(mail) = tx.mail(id).await?.filter(|mail| mail.state == MailState::Owed && mail.next_attempt_at <= now)
        else {
            return Ok(None);
        };
        let composed = if mail.is_open() {
            compose_open(&mut tx, people, mail).await?
        } else {
            stays(&mut tx, people, mail).await?
        };
        if let Some(Ready { mail, subject, message }) = composed {
            tx.freeze_mail(id, &subject, &message).await?;
            // On PostgreSQL the payload may have grown between our read and our write. Then what was composed is out of date:
            // this transaction is dropped, and the message is still due.
            if tx.mail(id).await?.is_none_or(|frozen| frozen.payload != mail.payload) {
                return Ok(None);
            }
        }
        let frozen = tx.mail(id).await?.filter(|mail| mail.state == MailState::Owed && mail.next_attempt_at <= now);
        if let Some(mail) = frozen.as_ref().filter(|_| mailer.is_off()) {
            // The row stays, so that `mail list` shows what would have been said.
            silence(&mut tx, mail).await?;
            tx.commit().await?;
            return Ok(None);
        }
        tx.commit().await?;
        Ok(frozen)
    }

    /// Writes down the relay's answer. The claim is not asked for: what has left, has left.
    async fn write_down(&self, mail: &Mail, answer: Result<(), MailError>) -> Result<Sent, StoreError> {
        let mut tx = self.store.write(self.clock.now()).await?;
        let shops = mail.shops.iter().map(ShopId::as_str).collect::<Vec<_>>().join(",");
        let Err(error) = answer else {
            tx.deliver_mail(mail.id, &Delivery::Sent).await?;
            mark_sent(&mut tx, mail).await?;
            tx.resume_mail().await?;
            tx.commit().await?;
            self.metrics.count_mail_sent(mail.kind);
            if mail.kind.is_for_owners() {
                tracing::info!(event = "reminder.sent", mail.id = mail.id, mail.kind = %mail.kind, shops = %shops, "the mail has left");
            } else {
                tracing::info!(event = "mail.sent", mail.id = mail.id, mail.kind = %mail.kind, shops = %shops, "the mail has left");
            }
            return Ok(Sent::Yes);
        };
        let away = error.fate == Fate::Away;
        if away {
            put_off(&mut tx, &self.people.load(), mail.id, &error).await?;
        }
        match next_attempt(mail, &error, tx.now) {
            Some(at) => {
                let untaken = !error.in_doubt;
                tx.deliver_mail(mail.id, &Delivery::Deferred { at, error: error.text.clone(), untaken }).await?;
                tracing::warn!(event = "mail.deferred", mail.id = mail.id, mail.kind = %mail.kind, shops = %shops,
                    retry_at = %format_args!("{at:.3}"), error.text = %without_addresses(&error.text), "the mail waits for another attempt: {}", without_addresses(&error.text));
            }
            None => refuse(&mut tx, &self.people.load(), mail, &error.text).await?,
        }
        tx.commit().await?;
        Ok(if away { Sent::Away } else { Sent::No })
    }
}

/// A message that is about to be handed over.
struct Ready {
    mail: Mail,
    subject: String,
    message: String,
}

/// A message that certainly did not leave: what it was composed as before, if anything, counts only as long as it is true. `None`: it does
/// not leave, or not now.
async fn compose_open(tx: &mut Tx, people: &People, mail: Mail) -> Result<Option<Ready>, StoreError> {
    let id = mail.id;
    if bring_up_to_date(tx, people, &mail).await? || pass_on(tx, people, &mail).await? {
        return Ok(None);
    }
    let Some(alone) = tx.mail(id).await? else { return Ok(None) };
    let mut said = letter(tx, people, &alone).await?;
    let gathered = if said.is_some() { gather(tx, people, alone.clone()).await? } else { None };
    let mail = gathered.unwrap_or_else(|| alone.clone());
    if mail.payload != alone.payload {
        said = letter(tx, people, &mail).await?;
    }
    let Some((letter, shops)) = said else {
        drop_unsaid(tx, &mail).await?;
        return Ok(None);
    };
    if let (Some(subject), Some(message), false) =
        (mail.subject.clone(), mail.body.clone(), is_out_of_date(people, &mail, &shops, tx.now))
    {
        return Ok(Some(Ready { mail, subject, message }));
    }
    tx.open_mail(id, None).await?;
    match compose(&letter, &envelope(people, &mail, &shops, tx.now)) {
        Ok(Composed { subject, message }) => Ok(Some(Ready { mail, subject, message })),
        Err(error) => {
            refuse(tx, people, &mail, &error.text).await?;
            Ok(None)
        }
    }
}

/// A message that may have left is handed over again as it is, or not at all: where its recipient is reminded of nothing any more.
async fn stays(tx: &mut Tx, people: &People, mail: Mail) -> Result<Option<Ready>, StoreError> {
    if pass_on(tx, people, &mail).await? {
        return Ok(None);
    }
    if is_for_nobody(people, &mail) {
        drop_unsaid(tx, &mail).await?;
        return Ok(None);
    }
    let (subject, message) = (mail.subject.clone().unwrap_or_default(), mail.body.clone().unwrap_or_default());
    Ok(Some(Ready { mail, subject, message }))
}

/// When to try again after a failed attempt at `now`; `None`: given up. The last attempt is 48 hours after the first.
fn next_attempt(mail: &Mail, error: &MailError, now: Timestamp) -> Option<Timestamp> {
    let last = mail.first_attempt_at.unwrap_or(now) + PATIENCE;
    if error.is_permanent() || last <= now {
        return None;
    }
    let doublings = if error.fate == Fate::Away { 0 } else { mail.attempts.min(10) };
    let doubled = FIRST_WAIT * 2_i32.pow(doublings);
    Some((now + doubled.min(LONGEST_WAIT)).min(last))
}

/// The relay is away, as another message found out: all that are due wait for its next attempt, instead of asking one after the other. What
/// was attempted before counts this one, and is given up in its time; the others are composed when the relay is back.
async fn put_off(tx: &mut Tx, people: &People, but: i64, error: &MailError) -> Result<(), StoreError> {
    let at = tx.now + FIRST_WAIT;
    let due = tx.due_mail(MANY).await?;
    for mail in due.iter().filter(|mail| mail.id != but) {
        if mail.body.is_none() && mail.attempts == 0 {
            tx.delay_mail(mail.id, at, Some(&error.text)).await?;
        } else if next_attempt(mail, error, tx.now).is_some() {
            let untaken = false;
            tx.deliver_mail(mail.id, &Delivery::Deferred { at, error: error.text.clone(), untaken }).await?;
        } else {
            refuse(tx, people, mail, &error.text).await?;
        }
    }
    if due.len() > 1 {
        tracing::warn!(event = "mail.deferred", mails = due.len() - 1, retry_at = %format_args!("{at:.3}"),
            "the relay is away: all other mails that are due wait as well");
    }
    Ok(())
}

/// A message that will not leave: the operator has to know, unless it was settled while it was on its way.
async fn refuse(tx: &mut Tx, people: &People, mail: &Mail, cause: &str) -> Result<(), StoreError> {
    if !tx.deliver_mail(mail.id, &Delivery::Refused { error: cause.to_owned() }).await? {
        return Ok(());
    }
    let shops = mail.shops.iter().map(ShopId::as_str).collect::<Vec<_>>().join(",");
    tracing::error!(event = "mail.refused", mail.id = mail.id, mail.kind = %mail.kind, shops = %shops,
        error.text = %without_addresses(cause),
        "the mail was refused for good; see `shopsyncd mail list`, mend the cause, then `shopsyncd mail retry {}`", mail.id);
    note_undeliverable(tx, people, mail, cause).await
}

fn envelope<'a>(people: &'a People, mail: &'a Mail, shops: &'a [ShopId], now: Timestamp) -> Envelope<'a> {
    Envelope {
        from: &people.sender,
        to: &mail.recipient,
        to_name: people.names.get(&mail.recipient).map(String::as_str),
        message_id: &mail.message_id,
        shops,
        language: mail.language,
        zone: people.zone(),
        command: &people.command,
        now,
    }
}
