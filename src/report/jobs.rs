//! The state of a job, derived from its schedule and its latest run.

use jiff::Timestamp;

use crate::{
    domain::{Hold, JobState, Period, Run, RunState},
    store::ScheduleRow,
};

/// What holds a job, as `held_by`: the name of the hold, or `guard`.
pub type HeldBy = Option<&'static str>;

/// What people see of a job: its state and what holds it. `latest` is its newest run.
pub fn job_state(schedule: &ScheduleRow, latest: Option<&Run>, now: Timestamp) -> (JobState, HeldBy) {
    let unfinished = latest.filter(|run| !run.state.is_final());
    match unfinished.map(|run| run.state) {
        Some(RunState::Running) => return (JobState::Running, None),
        Some(RunState::Retryable) => return (JobState::Retrying, None),
        Some(_) => return (JobState::Due, None),
        None => {}
    }
    match schedule.held_by {
        Some(Hold::Paused) => (JobState::Paused, Some(Hold::Paused.as_str())),
        _ if schedule.period == Period::None => (JobState::Off, None),
        Some(hold) => (JobState::Held, Some(hold.as_str())),
        None if is_guarded(latest) => (JobState::Held, Some("guard")),
        None if schedule.next_due_at.is_some_and(|at| at <= now) => (JobState::Due, None),
        None => (JobState::Idle, None),
    }
}

/// Whether a guard stopped the newest run and nothing has let the plan through since.
pub(super) fn is_guarded(latest: Option<&Run>) -> bool {
    latest.and_then(|run| run.error.as_ref()).is_some_and(|(kind, _, _)| *kind == crate::domain::ErrorKind::Guard)
}
