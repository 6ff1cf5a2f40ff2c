//! Reminders: each step of each grant, once.

use jiff::civil;

use super::{StoreError, Tx};
use crate::domain::AuthorizationId;

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
    /// `owed`, `covered`, `sent` or `cancelled`.
    pub state: String,
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
        todo!()
    }

    /// Notes steps that need no mail of their own, because a later one was sent instead.
    pub async fn cover_reminders(
        &mut self,
        authorization: AuthorizationId,
        grant_number: i64,
        dates: &[civil::Date],
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Marks reminders as sent.
    pub async fn mark_reminded(
        &mut self,
        authorization: AuthorizationId,
        grant_number: i64,
        kind: ReminderKind,
        step_date: Option<civil::Date>,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Cancels the owed steps of all grants of an authorization: it was renewed.
    pub async fn cancel_reminders(&mut self, authorization: AuthorizationId) -> Result<u64, StoreError> {
        todo!()
    }

    /// The reminders of a grant.
    pub async fn reminders_of(
        &mut self,
        authorization: AuthorizationId,
        grant_number: i64,
    ) -> Result<Vec<ReminderRow>, StoreError> {
        todo!()
    }
}
