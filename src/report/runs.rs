//! Runs, as `runs list` and `runs show` tell them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{Complaint, Counts, ErrorKind, InstanceId, JobKind, Outcome, Run, RunId, RunState, ShopId, Trigger},
    store::{RunFilter, Standing, StoreError, Tx},
};

/// `runs list --json`.
#[derive(Debug, Serialize)]
pub struct RunsView {
    /// Newest first.
    pub runs: Vec<RunView>,
}

/// One run.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunView {
    /// Its number.
    pub id: RunId,
    /// Its shop; null for the daemon's own jobs.
    pub shop: Option<ShopId>,
    /// What it does.
    pub job: JobKind,
    /// Why it came to be.
    pub trigger: Trigger,
    /// Where it stands.
    pub state: RunState,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The instant it stands for.
    pub due_at: Timestamp,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When it is tried again; null unless an attempt failed or waits.
    #[serde(default)]
    pub retry_at: Option<Timestamp>,
    /// The number of its latest attempt.
    pub attempt: u32,
    /// The instance that carries it out, or last did.
    #[serde(default)]
    pub instance: Option<InstanceId>,
    /// What it did.
    pub counts: Counts,
    /// What went wrong.
    pub error: Option<ErrorView>,
    /// Whether another run follows it, for what was asked for when it had begun already.
    #[serde(default)]
    pub follow_up: bool,
    /// `runs show` only: the complaints of its job that stood when it ended and still stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaints: Option<Vec<ComplaintView>>,
}

/// What went wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorView {
    /// The kind.
    pub kind: ErrorKind,
    /// Thing and cause.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

/// A standing complaint about a SKU.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ComplaintView {
    /// The shop.
    pub shop: ShopId,
    /// The job that has it.
    pub job: JobKind,
    /// The SKU.
    pub sku: String,
    /// The channel's code, or ours.
    pub code: String,
    /// Cause and remedy.
    pub text: String,
    /// The channel's request id.
    pub request_id: Option<String>,
    /// Since when it stands.
    pub since: Timestamp,
}

impl ComplaintView {
    pub(super) fn new(standing: Standing) -> Self {
        let Standing { shop, job, complaint, since, .. } = standing;
        let Complaint { sku, code, text, request_id } = complaint;
        Self { shop, job, sku, code, text, request_id, since }
    }
}

impl RunView {
    /// A run without its complaints.
    pub fn new(run: Run) -> Self {
        Self {
            id: run.id,
            shop: run.shop,
            job: run.job,
            trigger: run.trigger,
            state: run.state,
            outcome: run.outcome,
            due_at: run.due_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
            retry_at: (run.state == RunState::Retryable).then_some(run.available_at),
            attempt: run.attempt,
            instance: run.instance,
            counts: run.counts,
            error: run.error.map(|(kind, text, remedy)| ErrorView { kind, text, remedy }),
            follow_up: run.follow_up.is_some(),
            complaints: None,
        }
    }
}

/// Runs by filter, newest first.
pub async fn runs(tx: &mut Tx, filter: &RunFilter, limit: u32) -> Result<RunsView, StoreError> {
    Ok(RunsView { runs: tx.runs(filter, limit).await?.into_iter().map(RunView::new).collect() })
}

/// One run with the complaints of its job that stood when it ended, or stand now while it is under way, and are not resolved.
pub async fn run_show(tx: &mut Tx, id: RunId) -> Result<Option<RunView>, StoreError> {
    let Some(run) = tx.run(id).await? else { return Ok(None) };
    let mut complaints = Vec::new();
    if let Some(shop) = &run.shop {
        let stood = |since: Timestamp| run.finished_at.is_none_or(|end| since <= end);
        let standing = tx.complaints_of(shop, run.job).await?.into_iter();
        complaints.extend(standing.filter(|one| one.run == id || stood(one.since)).map(ComplaintView::new));
    }
    Ok(Some(RunView { complaints: Some(complaints), ..RunView::new(run) }))
}
