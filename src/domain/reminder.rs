//! The ladder of reminders for an authorization that ends.
//!
//! For an end at E: steps on the local date of E minus `start` (months clamped to the month's last day), then every
//! 7 days counted from that date, while before E; each at `at` local time, in the zone of the settings.

use jiff::{Span, Timestamp, civil, tz::TimeZone};

/// The rules of `[reminders]`.
#[derive(Debug, Clone)]
pub struct Ladder {
    /// How long before the end the first step is, in calendar units.
    pub start: Span,
    /// The gap between steps, in calendar units.
    pub every: Span,
    /// Further steps, before the end.
    pub extra: Vec<Span>,
    /// Time of day of every step.
    pub at: civil::Time,
    /// The zone.
    pub zone: TimeZone,
}

/// One step of a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// When the mail is due.
    pub at: Timestamp,
    /// The local date it belongs to: with the grant's number, its identity.
    pub date: civil::Date,
    /// One of `extra`: not held to the distance of six days.
    pub extra: bool,
}

/// What has been done already for one grant.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// Dates of steps whose mail is owed, sent or was covered.
    pub dates: Vec<civil::Date>,
    /// The notice that it has ended is owed or sent.
    pub ended: bool,
}

/// What is owed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A reminder: the latest step that has come.
    Step(Step),
    /// The notice that the authorization has ended.
    Ended,
}

impl Ladder {
    /// All steps of a grant given at `authorized_at` that ends at `ends_at`, in order. Steps before it was given are not owed.
    pub fn steps(&self, authorized_at: Timestamp, ends_at: Timestamp) -> Vec<Step> {
        let _ = (authorized_at, ends_at);
        todo!()
    }

    /// What is owed at `now`: of several steps missed only the latest; a step later that local day is covered by it;
    /// once the end has passed only the notice. Two ordinary steps are never less than six days apart, also when the
    /// end moved a little.
    pub fn due(&self, authorized_at: Timestamp, ends_at: Timestamp, sent: &Sent, now: Timestamp) -> Option<Due> {
        let _ = (authorized_at, ends_at, sent, now);
        todo!()
    }

    /// The next instant after `now` at which something will be owed; `None` once the notice has been given.
    pub fn next_at(
        &self,
        authorized_at: Timestamp,
        ends_at: Timestamp,
        sent: &Sent,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let _ = (authorized_at, ends_at, sent, now);
        todo!()
    }
}
