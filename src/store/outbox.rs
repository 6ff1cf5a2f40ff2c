//! The outbox: messages owed, each once per reason.

use jiff::Timestamp;

use super::{
    StoreError, Tx,
    row::{Row, json, ms},
};
use crate::domain::{Language, MailKind, ShopId};

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// To be delivered.
    Owed,
    /// The relay took it.
    Sent,
    /// The relay refused for good, or nobody took it for 48 hours.
    Refused,
    /// No longer needed.
    Cancelled,
}

/// A message to be owed.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMail {
    /// The reason, once: a second message with the same one is not owed.
    pub dedup: String,
    /// The kind.
    pub kind: MailKind,
    /// The address.
    pub recipient: String,
    /// The language.
    pub language: Language,
    /// The shops it is about.
    pub shops: Vec<ShopId>,
    /// What it is composed from.
    pub payload: serde_json::Value,
}

/// A message as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    /// Its number.
    pub id: i64,
    /// The reason, once.
    pub dedup: String,
    /// The kind.
    pub kind: MailKind,
    /// The address.
    pub recipient: String,
    /// The language.
    pub language: Language,
    /// The shops it is about.
    pub shops: Vec<ShopId>,
    /// What it is composed from.
    pub payload: serde_json::Value,
    /// The subject, once frozen.
    pub subject: Option<String>,
    /// The whole message as handed to the relay, once frozen.
    pub body: Option<String>,
    /// Fixed from the beginning, with its angle brackets.
    pub message_id: String,
    /// Where it stands.
    pub state: MailState,
    /// Since when it is owed.
    pub owed_at: Timestamp,
    /// Not before this instant.
    pub next_attempt_at: Timestamp,
    /// How many attempts were made.
    pub attempts: u32,
    /// When the first was.
    pub first_attempt_at: Option<Timestamp>,
    /// When the relay took it.
    pub sent_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// How often it was handed over without anybody knowing what became of it.
    pub unanswered: u32,
    /// It was cancelled only because mail was switched off.
    pub silenced: bool,
}

impl Mail {
    /// Whether what it says may still change: it waits, and certainly never left.
    pub fn is_open(&self) -> bool {
        self.state == MailState::Owed && self.unanswered == 0
    }
}

/// Which messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailFilter {
    /// In this state.
    pub state: Option<MailState>,
    /// To this address, in whatever case.
    pub to: Option<String>,
    /// About this shop, among others.
    pub shop: Option<ShopId>,
}

/// Messages that do not leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StuckMail {
    /// How many.
    pub count: u64,
    /// When the oldest was first attempted, or refused.
    pub since: Timestamp,
    /// Why its last attempt failed.
    pub error: String,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The relay took it.
    Sent,
    /// Try again at this instant.
    Deferred {
        /// The instant.
        at: Timestamp,
        /// Why.
        error: String,
        /// Whether it was handed over, and what was answered says for certain that it was not taken.
        untaken: bool,
    },
    /// Given up.
    Refused {
        /// Why.
        error: String,
    },
}

impl MailState {
    /// The name used in tables and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Owed, Self::Sent, Self::Refused, Self::Cancelled].into_iter().find(|state| state.as_str() == name)
    }
}

/// The columns of a message but the long one.
macro_rules! without_body {
    () => {
        "id, dedup, kind, recipient, language, shops, payload, subject, null as body, message_id, state, owed_at, \
            next_attempt_at, attempts, first_attempt_at, sent_at, error, unanswered, silenced"
    };
}

/// Why a message is cancelled whose words leave with another one.
fn told_by(id: i64) -> String {
    format!("mail {id} tells it")
}

fn mail(row: &Row) -> Result<Mail, StoreError> {
    Ok(Mail {
        id: row.int("id")?,
        dedup: row.text("dedup")?,
        kind: row.named("outbox", "kind", MailKind::from_name)?,
        recipient: row.text("recipient")?,
        language: Language::from_code(&row.text("language")?),
        shops: row.json("outbox", "shops")?,
        payload: row.json("outbox", "payload")?,
        subject: row.opt_text("subject")?,
        body: row.opt_text("body")?,
        message_id: row.text("message_id")?,
        state: row.named("outbox", "state", MailState::from_name)?,
        owed_at: row.instant("owed_at")?,
        next_attempt_at: row.instant("next_attempt_at")?,
        attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
        first_attempt_at: row.opt_instant("first_attempt_at")?,
        sent_at: row.opt_instant("sent_at")?,
        error: row.opt_text("error")?,
        unanswered: u32::try_from(row.int("unanswered")?).unwrap_or(u32::MAX),
        silenced: row.flag("silenced")?,
    })
}

impl Tx {
    /// Owes a message at `now`, unless its reason was met before. Its Message-ID is made from its number and instant and `domain`.
    /// Returns its number; `None` if it was owed before.
    pub async fn owe_mail(&mut self, mail: &NewMail, domain: &str) -> Result<Option<i64>, StoreError> {
        const OWE: &str = "
            insert into outbox (dedup, kind, recipient, language, shops, payload, message_id, state, owed_at, next_attempt_at)
            values ($1, $2, $3, $4, $5, $6, '', 'owed', $7, $7)
            on conflict (dedup) do nothing
            returning id";
        let (shops, payload) = (json(&mail.shops), json(&mail.payload));
        let (dedup, recipient, now) = (&mail.dedup, &mail.recipient, ms(self.now));
        let row = on_db!(self.row(
            OWE,
            dedup.as_str(),
            mail.kind.as_str(),
            recipient.as_str(),
            mail.language.as_str(),
            shops.as_str(),
            payload.as_str(),
            now
        ))?;
        let Some(row) = row else { return Ok(None) };
        let id = row.int("id")?;
        // The number alone comes again when the newest messages were pruned, or in a database made anew.
        let message_id = format!("<shopsyncd.{id}.{now}@{domain}>");
        on_db!(self.execute("update outbox set message_id = $2 where id = $1", id, message_id.as_str()))?;
        Ok(Some(id))
    }

    /// Replaces what an open message is composed from (see [`Mail::is_open`]); it is composed anew. `false`: too late.
    pub async fn amend_mail(
        &mut self,
        id: i64,
        shops: &[ShopId],
        payload: &serde_json::Value,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            update outbox set shops = $2, payload = $3, subject = null, body = null
            where id = $1 and state = 'owed' and unanswered = 0";
        Ok(on_db!(self.execute(SQL, id, json(shops), json(payload)))? > 0)
    }

    /// Something new stands on an open message: it is tried as long as one that was just owed.
    pub async fn start_mail_over(&mut self, id: i64) -> Result<(), StoreError> {
        const SQL: &str = "
            update outbox set attempts = 0, first_attempt_at = null where id = $1 and state = 'owed' and unanswered = 0";
        on_db!(self.execute(SQL, id))?;
        Ok(())
    }

    /// An open message is composed anew, under another reason if one is named. `false`: too late.
    pub async fn open_mail(&mut self, id: i64, dedup: Option<&str>) -> Result<bool, StoreError> {
        const SQL: &str = "
            update outbox set subject = null, body = null, dedup = coalesce($2, dedup)
            where id = $1 and state = 'owed' and unanswered = 0";
        Ok(on_db!(self.execute(SQL, id, dedup))? > 0)
    }

    /// Owed messages whose next attempt is due, the oldest first.
    pub async fn due_mail(&mut self, limit: u32) -> Result<Vec<Mail>, StoreError> {
        const SQL: &str = "
            select * from outbox where state = 'owed' and next_attempt_at <= $1 order by owed_at, id limit $2";
        let now = ms(self.now);
        on_db!(self.rows(SQL, now, i64::from(limit)))?.iter().map(mail).collect()
    }

    /// The earliest next attempt of all owed messages.
    pub async fn next_mail_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        const SQL: &str = "
            select next_attempt_at from outbox where state = 'owed' order by next_attempt_at limit 1";
        on_db!(self.row(SQL))?.map(|row| row.instant("next_attempt_at")).transpose()
    }

    /// Freezes subject and message, which are about to be handed over; what is frozen already stays as it is. `false`: it is no longer owed.
    pub async fn freeze_mail(&mut self, id: i64, subject: &str, body: &str) -> Result<bool, StoreError> {
        const SQL: &str = "
            update outbox set subject = coalesce(subject, $2), body = coalesce(body, $3), unanswered = unanswered + 1
            where id = $1 and state = 'owed'";
        Ok(on_db!(self.execute(SQL, id, subject, body))? > 0)
    }

    /// Writes down an attempt. What the relay took counts as sent even if it was cancelled meanwhile. `false`: it was settled before.
    pub async fn deliver_mail(&mut self, id: i64, delivery: &Delivery) -> Result<bool, StoreError> {
        const SENT: &str = "
            update outbox set state = 'sent', sent_at = $2, next_attempt_at = $2, error = null,
                attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, $2)
            where id = $1 and state <> 'sent'";
        const DEFERRED: &str = "
            update outbox set next_attempt_at = $3, error = $4, unanswered = unanswered - $5,
                attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, $2)
            where id = $1 and state = 'owed'";
        const REFUSED: &str = "
            update outbox set state = 'refused', next_attempt_at = $2, error = $3,
                attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, $2)
            where id = $1 and state = 'owed'";
        let now = ms(self.now);
        let written = match delivery {
            Delivery::Sent => on_db!(self.execute(SENT, id, now)),
            Delivery::Deferred { at, error, untaken } => {
                on_db!(self.execute(DEFERRED, id, now, ms(*at), error, i64::from(*untaken)))
            }
            Delivery::Refused { error } => on_db!(self.execute(REFUSED, id, now, error)),
        }?;
        Ok(written > 0)
    }

    /// Cancels an owed or refused message, and says `why` to whoever reads the list. `false`: it was sent or cancelled before.
    pub async fn cancel_mail(&mut self, id: i64, why: &str) -> Result<bool, StoreError> {
        const SQL: &str = "
            update outbox set state = 'cancelled', next_attempt_at = $2, error = $3
            where id = $1 and state in ('owed', 'refused')";
        let now = ms(self.now);
        Ok(on_db!(self.execute(SQL, id, now, why))? > 0)
    }

    /// Cancels an owed message because mail is switched off.
    pub async fn silence_mail(&mut self, id: i64) -> Result<(), StoreError> {
        if self.cancel_mail(id, "mail is switched off").await? {
            on_db!(self.execute("update outbox set silenced = 1 where id = $1", id))?;
        }
        Ok(())
    }

    /// Messages that were cancelled only because mail was switched off, without their bodies, the oldest first.
    pub async fn silenced_mails(&mut self) -> Result<Vec<Mail>, StoreError> {
        const SQL: &str =
            concat!("select ", without_body!(), " from outbox where state = 'cancelled' and silenced = 1 order by id");
        on_db!(self.rows(SQL))?.iter().map(mail).collect()
    }

    /// Owes such a message again, from `at` on, as if it had just been owed.
    pub async fn revive_mail(&mut self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "
            update outbox set state = 'owed', silenced = 0, subject = null, body = null, attempts = 0,
                first_attempt_at = null, unanswered = 0, error = null, next_attempt_at = $2
            where id = $1 and state = 'cancelled' and silenced = 1";
        on_db!(self.execute(SQL, id, ms(at)))?;
        Ok(())
    }

    /// Such a message need not be owed again, for the reason that is said to whoever reads the list.
    pub async fn forget_silenced_mail(&mut self, id: i64, why: &str) -> Result<(), StoreError> {
        const SQL: &str = "update outbox set silenced = 0, error = $2 where id = $1 and silenced = 1";
        on_db!(self.execute(SQL, id, why))?;
        Ok(())
    }

    /// Gives the reason of a message that was cancelled and told nobody anything back: should it come again, that is owed.
    pub async fn free_reason(&mut self, id: i64) -> Result<(), StoreError> {
        const SQL: &str = "update outbox set dedup = dedup || '/' || id where id = $1 and state = 'cancelled'";
        on_db!(self.execute(SQL, id))?;
        Ok(())
    }

    /// Lets an owed message wait until `at`, and says `why` to whoever reads the list.
    pub async fn delay_mail(&mut self, id: i64, at: Timestamp, why: Option<&str>) -> Result<(), StoreError> {
        const SQL: &str = "update outbox set next_attempt_at = $2, error = $3 where id = $1 and state = 'owed'";
        on_db!(self.execute(SQL, id, ms(at), why))?;
        Ok(())
    }

    /// The relay has taken a message: those that were never attempted, and wait only because it was away, are due. But for operators', which
    /// wait for their turn.
    pub async fn resume_mail(&mut self) -> Result<(), StoreError> {
        const SQL: &str = "
            update outbox set next_attempt_at = $1
            where state = 'owed' and attempts = 0 and error is not null and next_attempt_at > $1 and kind <> $2";
        on_db!(self.execute(SQL, ms(self.now), MailKind::Operator.as_str()))?;
        Ok(())
    }

    /// Cancels an owed message because another one, which is about to leave, tells what it was to tell.
    pub async fn cancel_told_mail(&mut self, id: i64, by: i64) -> Result<bool, StoreError> {
        self.cancel_mail(id, &told_by(by)).await
    }

    /// Those that were cancelled because a message told what they were to tell.
    pub async fn mails_told_by(&mut self, id: i64) -> Result<Vec<i64>, StoreError> {
        const SQL: &str = "select id from outbox where state = 'cancelled' and error = $1 order by id";
        on_db!(self.rows(SQL, told_by(id)))?.iter().map(|row| row.int("id")).collect()
    }

    /// When messages of a kind to one recipient were first attempted after `since`, the newest first.
    pub async fn mail_attempts(
        &mut self,
        kind: MailKind,
        recipient: &str,
        since: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        const SQL: &str = "
            select first_attempt_at from outbox where kind = $1 and recipient = $2 and first_attempt_at > $3
            order by first_attempt_at desc";
        let since = ms(since);
        on_db!(self.rows(SQL, kind.as_str(), recipient, since))?
            .iter()
            .map(|row| row.instant("first_attempt_at"))
            .collect()
    }

    /// Makes a refused or owed message due at once. A refused one, which nobody has, starts over: attempts and their clock are its own
    /// again, and it is composed anew, of what still holds then.
    pub async fn retry_mail(&mut self, id: i64) -> Result<bool, StoreError> {
        const SQL: &str = "
            update outbox set
                attempts = case when state = 'refused' then 0 else attempts end,
                subject = case when state = 'refused' then null else subject end,
                body = case when state = 'refused' then null else body end,
                first_attempt_at = case when state = 'refused' then null else first_attempt_at end,
                unanswered = case when state = 'refused' then 0 else unanswered end,
                state = 'owed', next_attempt_at = $2
            where id = $1 and state in ('owed', 'refused')";
        let now = ms(self.now);
        Ok(on_db!(self.execute(SQL, id, now))? > 0)
    }

    /// One message.
    pub async fn mail(&mut self, id: i64) -> Result<Option<Mail>, StoreError> {
        on_db!(self.row("select * from outbox where id = $1", id))?.as_ref().map(mail).transpose()
    }

    /// The message with this reason.
    pub async fn mail_by_dedup(&mut self, dedup: &str) -> Result<Option<Mail>, StoreError> {
        on_db!(self.row("select * from outbox where dedup = $1", dedup))?.as_ref().map(mail).transpose()
    }

    /// The same, for whoever is going to amend it: until this transaction ends nobody else freezes, sends or amends it.
    pub async fn mail_to_amend(&mut self, dedup: &str) -> Result<Option<Mail>, StoreError> {
        // Writing locks the row on PostgreSQL; on SQLite nobody else writes anyway.
        const SQL: &str = "update outbox set state = state where dedup = $1 returning *";
        on_db!(self.row(SQL, dedup))?.as_ref().map(mail).transpose()
    }

    /// One message, locked in the same way. Whoever needs several takes them in order of their numbers.
    pub async fn lock_mail(&mut self, id: i64) -> Result<Option<Mail>, StoreError> {
        on_db!(self.row("update outbox set state = state where id = $1 returning *", id))?
            .as_ref()
            .map(mail)
            .transpose()
    }

    /// Messages, newest first, optionally in one state.
    pub async fn mails(&mut self, state: Option<MailState>, limit: u32) -> Result<Vec<Mail>, StoreError> {
        // Two texts: one for both could use no index.
        const ALL: &str = "select * from outbox order by id desc limit $1";
        const SQL: &str = "select * from outbox where state = $1 order by id desc limit $2";
        let limit = i64::from(limit);
        match state {
            Some(state) => on_db!(self.rows(SQL, state.as_str(), limit)),
            None => on_db!(self.rows(ALL, limit)),
        }?
        .iter()
        .map(mail)
        .collect()
    }

    /// Messages that fit, newest first.
    pub async fn mails_like(&mut self, filter: &MailFilter, limit: u32) -> Result<Vec<Mail>, StoreError> {
        // An id stands in quotes there, and holds none.
        const SQL: &str = "select * from outbox
            where ($1 is null or state = $1) and ($2 is null or lower(recipient) = lower($2))
                and ($3 is null or replace(shops, $3, '') <> shops)
            order by id desc limit $4";
        let state = filter.state.map(MailState::as_str);
        let shop = filter.shop.as_ref().map(json);
        on_db!(self.rows(SQL, state, filter.to.as_deref(), shop.as_deref(), i64::from(limit)))?
            .iter()
            .map(mail)
            .collect()
    }

    /// All messages in one state, without their bodies, the oldest first.
    pub async fn mails_in(&mut self, state: MailState) -> Result<Vec<Mail>, StoreError> {
        const SQL: &str = concat!("select ", without_body!(), " from outbox where state = $1 order by id");
        on_db!(self.rows(SQL, state.as_str()))?.iter().map(mail).collect()
    }

    /// The open messages to one recipient, the oldest first.
    pub async fn waiting_mails(&mut self, recipient: &str) -> Result<Vec<Mail>, StoreError> {
        const SQL: &str = concat!(
            "select ",
            without_body!(),
            " from outbox where recipient = $1 and state = 'owed' and unanswered = 0 order by id"
        );
        on_db!(self.rows(SQL, recipient))?.iter().map(mail).collect()
    }

    /// What the messages of a kind that one recipient was sent, or is owed, are composed from.
    pub async fn told_to(&mut self, recipient: &str, kind: MailKind) -> Result<Vec<serde_json::Value>, StoreError> {
        const SQL: &str = "
            select payload from outbox
            where recipient = $1 and kind = $2 and state in ('owed', 'sent') order by id";
        on_db!(self.rows(SQL, recipient, kind.as_str()))?.iter().map(|row| row.json("outbox", "payload")).collect()
    }

    /// How many are owed and how many were refused.
    pub async fn mail_counts(&mut self) -> Result<(u64, u64), StoreError> {
        const SQL: &str = "
            select count(case when state = 'owed' then 1 end) as owed, count(case when state = 'refused' then 1 end) as refused
            from outbox where state in ('owed', 'refused')";
        match on_db!(self.row(SQL))? {
            Some(row) => Ok((row.int("owed")? as u64, row.int("refused")? as u64)),
            None => Ok((0, 0)),
        }
    }

    /// How many messages should have left by now. Those that are spaced, and wait for an instant to come, are none of them.
    pub async fn late_mail(&mut self) -> Result<u64, StoreError> {
        const SQL: &str = "
            select count(*) as late from outbox where state = 'owed' and (attempts > 0 or next_attempt_at <= $1)";
        Ok(match on_db!(self.row(SQL, ms(self.now)))? {
            Some(row) => row.int("late")?.unsigned_abs(),
            None => 0,
        })
    }

    /// Messages that are still owed after so many attempts, with all that wait behind them for the same cause; `None`: there are none.
    pub async fn stuck_mail(&mut self, attempts: u32) -> Result<Option<StuckMail>, StoreError> {
        const SQL: &str = "
            with oldest as (
                select first_attempt_at, error from outbox where state = 'owed' and attempts >= $1 order by first_attempt_at limit 1)
            select first_attempt_at, error,
                (select count(*) from outbox as waits
                 where state = 'owed' and (attempts >= $1 or attempts = 0 and waits.error = oldest.error)) as stuck
            from oldest";
        let Some(row) = on_db!(self.row(SQL, i64::from(attempts)))? else { return Ok(None) };
        Ok(Some(StuckMail {
            count: row.int("stuck")? as u64,
            since: row.instant("first_attempt_at")?,
            error: row.opt_text("error")?.unwrap_or_default(),
        }))
    }

    /// Messages that were refused for good after `since`, with the newest one's cause; `None`: there are none.
    pub async fn refused_mail(&mut self, since: Timestamp) -> Result<Option<StuckMail>, StoreError> {
        // `next_attempt_at` of a message that is no longer owed is the instant at which it ended.
        const SQL: &str = "
            select min(next_attempt_at) over () as since, error, count(*) over () as stuck
            from outbox where state = 'refused' and next_attempt_at > $1
            order by next_attempt_at desc limit 1";
        let Some(row) = on_db!(self.row(SQL, ms(since)))? else { return Ok(None) };
        Ok(Some(StuckMail {
            count: row.int("stuck")? as u64,
            since: row.instant("since")?,
            error: row.opt_text("error")?.unwrap_or_default(),
        }))
    }

    /// Deletes messages that ended before `cutoff`.
    pub async fn prune_mail(&mut self, cutoff: Timestamp) -> Result<u64, StoreError> {
        // `next_attempt_at` of a message that is no longer owed is the instant at which it ended.
        on_db!(self.execute("delete from outbox where state <> 'owed' and next_attempt_at < $1", ms(cutoff)))
    }
}
