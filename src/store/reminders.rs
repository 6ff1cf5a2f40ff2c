//! Reminders: each step of each grant, once.

use jiff::civil;

use super::{
    StoreError, Tx,
    row::{Row, json, ms},
};
use crate::domain::{AuthorizationId, reminder::StepDate};

/// What kind of mail a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReminderKind {
    /// A step of the ladder.
    Step,
    /// The notice that it has ended.
    Ended,
    /// The note that it was renewed.
    Renewed,
}

/// A reminder as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReminderRow {
    /// The authorization.
    pub authorization: AuthorizationId,
    /// The grant whose ladder it is of.
    pub grant_number: i64,
    /// The kind.
    pub kind: ReminderKind,
    /// The local date of a step.
    pub step_date: Option<civil::Date>,
    /// Whether it was one of the extra steps when it was noted.
    pub extra: bool,
    /// Where it stands.
    pub state: ReminderState,
}

/// Where a reminder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReminderState {
    /// A mail that tells it is to leave.
    Owed,
    /// A later one tells it.
    Covered,
    /// It was told.
    Sent,
    /// The permission was renewed before it was told.
    Cancelled,
    /// Mail was switched off when it was to be told: it is owed anew once mail is on.
    Silenced,
}

impl ReminderState {
    /// The name used in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Covered => "covered",
            Self::Sent => "sent",
            Self::Cancelled => "cancelled",
            Self::Silenced => "silenced",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Owed, Self::Covered, Self::Sent, Self::Cancelled, Self::Silenced]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

impl ReminderKind {
    /// The name used in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Ended => "ended",
            Self::Renewed => "renewed",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Step, Self::Ended, Self::Renewed].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A step's date as kept; empty for the kinds that have none.
fn date_text(date: Option<civil::Date>) -> String {
    date.map(|date| date.to_string()).unwrap_or_default()
}

fn reminder(row: &Row) -> Result<ReminderRow, StoreError> {
    Ok(ReminderRow {
        authorization: AuthorizationId(row.int("authorization_id")?),
        grant_number: row.int("grant_number")?,
        kind: row.named("reminders", "kind", ReminderKind::from_name)?,
        step_date: match row.text("step_date")?.as_str() {
            "" => None,
            _ => Some(row.named("reminders", "step_date", |text| text.parse().ok())?),
        },
        extra: row.flag("extra")?,
        state: row.named("reminders", "state", ReminderState::from_name)?,
    })
}

impl Tx {
    /// Notes that a mail is owed. `false`: it was noted before; nothing was written.
    pub async fn owe_reminder(
        &mut self,
        authorization: AuthorizationId,
        grant_number: i64,
        kind: ReminderKind,
        step_date: Option<civil::Date>,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            insert into reminders (authorization_id, grant_number, kind, step_date, state, owed_at)
            values ($1, $2, $3, $4, 'owed', $5)
            on conflict (authorization_id, grant_number, kind, step_date) do nothing";
        let now = ms(self.now);
        let noted = on_db!(self.execute(SQL, authorization.0, grant_number, kind.as_str(), date_text(step_date), now))?;
        Ok(noted > 0)
    }

    /// Notes that a mail about a step is owed. `false`: it was noted before; nothing was written.
    pub async fn owe_step(
        &mut self,
        authorization: AuthorizationId,
        grant_number: i64,
        step: StepDate,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            insert into reminders (authorization_id, grant_number, kind, step_date, state, owed_at, extra)
            values ($1, $2, 'step', $3, 'owed', $4, $5)
            on conflict (authorization_id, grant_number, kind, step_date) do nothing";
        let (now, date, extra) = (ms(self.now), step.date.to_string(), i64::from(step.extra));
        Ok(on_db!(self.execute(SQL, authorization.0, grant_number, date, now, extra))? > 0)
    }

    /// Notes steps that need no mail of their own, because a later one was sent instead. Sent and cancelled ones stay so.
    pub async fn cover_reminders(
        &mut self,
        authorization: AuthorizationId,
        grant_number: i64,
        steps: &[StepDate],
    ) -> Result<(), StoreError> {
        const SQL: super::row::Both = bulk!([step_date, extra] "
            insert into reminders (authorization_id, grant_number, kind, step_date, state, owed_at, extra)
            select cast($2 as bigint), cast($3 as bigint), 'step', step_date, 'covered', cast($4 as bigint),
                min(cast(extra as bigint))
            from page where true group by step_date
            on conflict (authorization_id, grant_number, kind, step_date) do update set state = 'covered'
            where reminders.state in ('owed', 'silenced')");
        let row =
            |step: &StepDate| serde_json::json!({ "step_date": step.date, "extra": u8::from(step.extra).to_string() });
        let rows = json(&steps.iter().map(row).collect::<Vec<_>>());
        let now = ms(self.now);
        on_db!(self.execute(SQL, rows.as_str(), authorization.0, grant_number, now))?;
        Ok(())
    }

    /// Marks reminders as sent.
    pub async fn mark_reminded(
        &mut self,
        authorization: AuthorizationId,
        grant_number: i64,
        kind: ReminderKind,
        step_date: Option<civil::Date>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            update reminders set state = 'sent'
            where authorization_id = $1 and grant_number = $2 and kind = $3 and step_date = $4 and state <> 'sent'";
        on_db!(self.execute(SQL, authorization.0, grant_number, kind.as_str(), date_text(step_date)))?;
        Ok(())
    }

    /// Notes that what is owed could not be told, because mail is switched off.
    pub async fn silence_reminder(
        &mut self,
        authorization: AuthorizationId,
        grant_number: i64,
        kind: ReminderKind,
        step_date: Option<civil::Date>,
    ) -> Result<(), StoreError> {
        self.turn_reminder(authorization, grant_number, kind, step_date, ["owed", "silenced"]).await
    }

    /// The opposite: mail is on, and the mail that tells it is owed again.
    pub async fn unsilence_reminder(
        &mut self,
        authorization: AuthorizationId,
        grant_number: i64,
        kind: ReminderKind,
        step_date: Option<civil::Date>,
    ) -> Result<(), StoreError> {
        self.turn_reminder(authorization, grant_number, kind, step_date, ["silenced", "owed"]).await
    }

    async fn turn_reminder(
        &mut self,
        authorization: AuthorizationId,
        grant_number: i64,
        kind: ReminderKind,
        step_date: Option<civil::Date>,
        [from, to]: [&str; 2],
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            update reminders set state = $6
            where authorization_id = $1 and grant_number = $2 and kind = $3 and step_date = $4 and state = $5";
        on_db!(self.execute(SQL, authorization.0, grant_number, kind.as_str(), date_text(step_date), from, to))?;
        Ok(())
    }

    /// Forgets what could not be told while mail was switched off, so that what is due of it is owed anew. How many were forgotten.
    pub async fn forget_silenced_reminders(&mut self) -> Result<u64, StoreError> {
        on_db!(self.execute("delete from reminders where state = 'silenced'"))
    }

    /// Cancels what is owed of the ladders of all grants of an authorization, steps and notice: it was renewed. The note that says so
    /// stays owed. Returns how many were cancelled.
    pub async fn cancel_reminders(&mut self, authorization: AuthorizationId) -> Result<u64, StoreError> {
        const SQL: &str = "
            update reminders set state = 'cancelled'
            where authorization_id = $1 and state = 'owed' and kind <> 'renewed'";
        on_db!(self.execute(SQL, authorization.0))
    }

    /// The grant of before was over, and this one is, too: what people were told of that end counts for this one. `false`: nobody was.
    pub async fn carry_end_notice(
        &mut self,
        authorization: AuthorizationId,
        grant_number: i64,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            insert into reminders (authorization_id, grant_number, kind, step_date, state, owed_at)
            select authorization_id, cast($2 as bigint), kind, step_date, state, owed_at from reminders
            where authorization_id = $1 and grant_number = $2 - 1 and kind = 'ended' and state = 'sent'
            on conflict (authorization_id, grant_number, kind, step_date) do nothing";
        Ok(on_db!(self.execute(SQL, authorization.0, grant_number))? > 0)
    }

    /// Forgets that people were told of the end of a grant: it works again.
    pub async fn forget_end_notice(
        &mut self,
        authorization: AuthorizationId,
        grant_number: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "delete from reminders where authorization_id = $1 and grant_number = $2 and kind = 'ended'";
        on_db!(self.execute(SQL, authorization.0, grant_number))?;
        Ok(())
    }

    /// Forgets what is owed of an authorization and was told to nobody: while no shop works with it nobody is to be told, and should
    /// one do so again, what is due then is owed anew. How many were forgotten.
    pub async fn forget_owed_reminders(&mut self, authorization: AuthorizationId) -> Result<u64, StoreError> {
        const SQL: &str = "delete from reminders where authorization_id = $1 and state = 'owed'";
        on_db!(self.execute(SQL, authorization.0))
    }

    /// The reminders of a grant, in order of kind and date.
    pub async fn reminders_of(
        &mut self,
        authorization: AuthorizationId,
        grant_number: i64,
    ) -> Result<Vec<ReminderRow>, StoreError> {
        const SQL: &str = "
            select * from reminders where authorization_id = $1 and grant_number = $2 order by kind, step_date";
        on_db!(self.rows(SQL, authorization.0, grant_number))?.iter().map(reminder).collect()
    }

    /// Those of all grants that are in force.
    pub async fn reminders_in_force(&mut self) -> Result<Vec<ReminderRow>, StoreError> {
        const SQL: &str = "
            select reminders.* from reminders
            join authorizations on authorizations.id = reminders.authorization_id
                and authorizations.grant_number = reminders.grant_number
            order by authorization_id, kind, step_date";
        on_db!(self.rows(SQL))?.iter().map(reminder).collect()
    }
}
