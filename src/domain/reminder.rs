//! The ladder of reminders for an authorization that ends.
//!
//! For an end at E: steps on the local date of E minus `start` (months clamped to the month's last day), then every
//! 7 days counted from that date, while before E; each at `at` local time, in the zone of the settings.

use jiff::{Span, Timestamp, civil, tz::TimeZone};

/// Ordinary steps keep at least this distance.
const NEAREST_DAYS: i64 = 6;

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
        let end = self.zone.to_datetime(ends_at).date();
        let first = end.checked_sub(self.start).ok();
        let mut ordinary: Vec<civil::Date> = Vec::new();
        for date in first.into_iter().flat_map(|first| self.weekly(first)).take_while(|date| *date <= end) {
            if ordinary.last().is_none_or(|last| days_between(*last, date) >= NEAREST_DAYS) {
                ordinary.push(date);
            }
        }
        let extra = self.extra.iter().filter_map(|before| end.checked_sub(*before).ok());
        let extra = extra.filter(|date| !ordinary.contains(date)).map(|date| (date, true));
        let mut steps: Vec<Step> = ordinary
            .iter()
            .map(|date| (*date, false))
            .chain(extra)
            .filter_map(|(date, extra)| Some(Step { at: self.at_on(date)?, date, extra }))
            .filter(|step| authorized_at < step.at && step.at < ends_at)
            .collect();
        steps.sort_unstable();
        steps.dedup_by_key(|step| step.date);
        steps
    }

    /// What is owed at `now`: of several steps missed only the latest; a step later that local day is covered by it
    /// (see [`Self::covered_by`]); once the end has passed only the notice. Two ordinary steps are never less than six
    /// days apart, also when the end moved a little.
    pub fn due(&self, authorized_at: Timestamp, ends_at: Timestamp, sent: &Sent, now: Timestamp) -> Option<Due> {
        if ends_at <= now {
            return (!sent.ended).then_some(Due::Ended);
        }
        let steps = self.steps(authorized_at, ends_at);
        let latest = steps.iter().rfind(|step| step.at <= now && !is_crowded(**step, sent, &steps))?;
        // What was sent for a later date has told everything that an earlier step would tell.
        (!sent.dates.iter().any(|date| *date >= latest.date)).then_some(Due::Step(*latest))
    }

    /// The dates that need no mail of their own when `step` is sent at `now`: steps missed before it, and a step later
    /// that local day.
    pub fn covered_by(
        &self,
        step: Step,
        authorized_at: Timestamp,
        ends_at: Timestamp,
        now: Timestamp,
    ) -> Vec<civil::Date> {
        let today = self.zone.to_datetime(now).date();
        let steps = self.steps(authorized_at, ends_at).into_iter();
        steps.map(|other| other.date).filter(|date| *date != step.date && *date <= today.max(step.date)).collect()
    }

    /// The steps that are still ahead at `now`.
    pub fn ahead(&self, authorized_at: Timestamp, ends_at: Timestamp, sent: &Sent, now: Timestamp) -> Vec<Step> {
        let steps = self.steps(authorized_at, ends_at);
        let stands = |step: &Step| {
            now < step.at && !sent.dates.iter().any(|date| *date >= step.date) && !is_crowded(*step, sent, &steps)
        };
        steps.iter().copied().filter(stands).collect()
    }

    /// The next instant after `now` at which something will be owed; `None` once the notice has been given.
    pub fn next_at(
        &self,
        authorized_at: Timestamp,
        ends_at: Timestamp,
        sent: &Sent,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let step = self.ahead(authorized_at, ends_at, sent, now).first().map(|step| step.at);
        step.or_else(|| (!sent.ended && now < ends_at).then_some(ends_at))
    }

    /// The first date and those that follow it, each counted from the first, so that a clamped month does not stay short.
    fn weekly(&self, first: civil::Date) -> impl Iterator<Item = civil::Date> + use<> {
        let every = self.every;
        let date = move |number: i64| first.checked_add(every.checked_mul(number).ok()?).ok();
        let later = (1..).map_while(move |number| date(number).filter(|later| *later > first));
        std::iter::once(first).chain(later)
    }

    /// The instant of a step: a local time that is skipped moves forward, one that comes twice is the first.
    fn at_on(&self, date: civil::Date) -> Option<Timestamp> {
        self.zone.to_ambiguous_timestamp(date.to_datetime(self.at)).compatible().ok()
    }
}

/// Whether an ordinary step is too near another ordinary one that has been seen to.
fn is_crowded(step: Step, sent: &Sent, steps: &[Step]) -> bool {
    let is_extra = |date: civil::Date| steps.iter().any(|other| other.date == date && other.extra);
    let near = |date: civil::Date| date != step.date && days_between(date, step.date) < NEAREST_DAYS;
    !step.extra && sent.dates.iter().any(|date| near(*date) && !is_extra(*date))
}

fn days_between(one: civil::Date, other: civil::Date) -> i64 {
    one.duration_until(other).as_hours().abs() / 24
}
