//! What is done, when it was asked for, and how it went.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Failure, Field, ShopId};

/// What kind of work a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Keeps a shop's permission alive and looks at its end.
    AuthorizationRefresh,
    /// Reads a shop's listings; from the product source also the products.
    ProductImport,
    /// Brings a shop's listings to what the source wants.
    ProductExport,
    /// Works out the reminders that are owed. The daemon's own: it has no shop.
    Remind,
    /// Delivers the outbox. The daemon's own: it has no shop.
    SendMail,
}

impl JobKind {
    /// The jobs that every shop has, in the order in which people see them and in which a renewal runs them.
    pub const OF_SHOPS: [Self; 3] = [Self::AuthorizationRefresh, Self::ProductImport, Self::ProductExport];

    /// The daemon's own jobs.
    pub const OF_DAEMON: [Self; 2] = [Self::Remind, Self::SendMail];

    /// The name used in settings, tables, logs and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationRefresh => "authorization_refresh",
            Self::ProductImport => "product_import",
            Self::ProductExport => "product_export",
            Self::Remind => "remind",
            Self::SendMail => "send_mail",
        }
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for JobKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::OF_SHOPS.into_iter().chain(Self::OF_DAEMON).find(|kind| kind.as_str() == text).ok_or_else(|| {
            format!("`{text}` is not a job; the jobs are authorization_refresh, product_import and product_export")
        })
    }
}

/// The number of a run, unique in one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why a run came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Its schedule called for it.
    Schedule,
    /// A person asked.
    Now,
    /// The shop's owner renewed the authorization.
    Renewal,
    /// Whatever held the shop or the channel has passed.
    Recovery,
}

impl Trigger {
    /// The name used in tables and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Now => "now",
            Self::Renewal => "renewal",
            Self::Recovery => "recovery",
        }
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Planned, waiting for a free slot. Claiming takes it out.
    Available,
    /// Claimed by a living instance. Finishing, or that instance's death, takes it out.
    Running,
    /// An attempt failed and another is due at `available_at`.
    Retryable,
    /// Ended with an outcome: done, partly or held. Final.
    Completed,
    /// Given up; its schedule stands. Final.
    Discarded,
    /// Ended by a person or by the removal of its schedule. Final.
    Cancelled,
}

impl RunState {
    /// The name used in tables and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Running => "running",
            Self::Retryable => "retryable",
            Self::Completed => "completed",
            Self::Discarded => "discarded",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more happens to a run in this state.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Discarded | Self::Cancelled)
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything it set out to do.
    Done,
    /// All but some SKUs, each with its complaint.
    Partly,
    /// Given up after its attempts.
    Failed,
    /// Stopped because something must happen first: an owner's consent, a person's look at a guarded plan.
    Held,
    /// Ended before its time by a person or by the settings.
    Cancelled,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Done, Self::Partly, Self::Failed, Self::Held, Self::Cancelled];

    /// The name used in tables and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partly => "partly",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What people see of a job of a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Its period is `None`.
    Off,
    /// Waiting for its next due instant.
    Idle,
    /// Due, waiting for a free slot.
    Due,
    /// Under way.
    Running,
    /// An attempt failed; another follows.
    Retrying,
    /// Something must happen first.
    Held,
    /// A person paused the shop.
    Paused,
}

/// What a run did, counted by SKU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Read from the channel, or compared.
    pub seen: u64,
    /// Stored because they differed.
    pub changed: u64,
    /// Left as they were.
    pub unchanged: u64,
    /// Marked gone by a complete pass.
    pub gone: u64,
    /// Sent and accepted.
    pub sent: u64,
    /// Not accepted, or not valid.
    pub refused: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.seen += more.seen;
        self.changed += more.changed;
        self.unchanged += more.unchanged;
        self.gone += more.gone;
        self.sent += more.sent;
        self.refused += more.refused;
    }
}

/// The kinds of error that people and monitoring tell apart (`error.kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The channel, the network or the database did not answer.
    Unavailable,
    /// The channel asked us to slow down.
    Throttled,
    /// The access token was refused even after a refresh.
    TokenRejected,
    /// The owner's permission has ended.
    AuthorizationEnded,
    /// The permission lacks a right.
    ScopeMissing,
    /// The shop is closed, frozen or suspended.
    ShopClosed,
    /// The channel refuses our app.
    AppCredentialRejected,
    /// SKUs or a file were refused for what they say.
    Rejected,
    /// An answer that nobody foresaw.
    Unexpected,
    /// A fault of ours: a panic, an impossible state.
    Bug,
    /// A guard stopped the plan.
    Guard,
    /// The run took longer than it may.
    TimedOut,
    /// Nothing is wrong: something else comes first.
    Waiting,
}

impl ErrorKind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Unavailable,
        Self::Throttled,
        Self::TokenRejected,
        Self::AuthorizationEnded,
        Self::ScopeMissing,
        Self::ShopClosed,
        Self::AppCredentialRejected,
        Self::Rejected,
        Self::Unexpected,
        Self::Bug,
        Self::Guard,
        Self::TimedOut,
        Self::Waiting,
    ];

    /// The name used in tables, logs and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Throttled => "throttled",
            Self::TokenRejected => "token_rejected",
            Self::AuthorizationEnded => "authorization_ended",
            Self::ScopeMissing => "scope_missing",
            Self::ShopClosed => "shop_closed",
            Self::AppCredentialRejected => "app_credential_rejected",
            Self::Rejected => "rejected",
            Self::Unexpected => "unexpected",
            Self::Bug => "bug",
            Self::Guard => "guard",
            Self::TimedOut => "timed_out",
            Self::Waiting => "waiting",
        }
    }
}

/// Why a run did not simply succeed: kept with the run, shown to people, decided on by [`super::retry::decide`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunError {
    /// What must happen next.
    pub failure: Failure,
    /// The kind people see.
    pub kind: ErrorKind,
    /// The thing and the cause, lower case.
    pub text: String,
    /// What to do about it; empty where nothing has to be done.
    pub remedy: String,
}

/// A due instant being carried out, however many attempts it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// Its shop; `None` for the daemon's own jobs.
    pub shop: Option<ShopId>,
    /// What it does.
    pub job: JobKind,
    /// Why it came to be.
    pub trigger: Trigger,
    /// Where it stands.
    pub state: RunState,
    /// How it ended, once it has.
    pub outcome: Option<Outcome>,
    /// The grid instant it stands for; for `now` the moment asked.
    pub due_at: Timestamp,
    /// How many due instants it stands for.
    pub covers: u32,
    /// How many instances died while it was under way.
    pub deaths: u32,
    /// Not before this instant.
    pub available_at: Timestamp,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The number of its latest attempt, from 1; 0 before the first.
    pub attempt: u32,
    /// The instance that carries it out, or last did.
    pub instance: Option<super::InstanceId>,
    /// The fencing number of its latest claim.
    pub lease_number: i64,
    /// What it did so far.
    pub counts: Counts,
    /// The error of its latest attempt, as people see it.
    pub error: Option<(ErrorKind, String, String)>,
    /// Whether a complete pass was demanded (import), or a guarded plan released (export).
    pub demand: Demand,
    /// Why another run follows it, where something was asked for that it had begun too soon for.
    pub follow_up: Option<Trigger>,
}

/// What a person demanded of a run, beyond running it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Demand {
    /// Import: a complete pass.
    pub full: bool,
    /// Export: let the plan through that a guard stopped.
    pub release_guard: bool,
    /// Export: send this field once more, of which what the shop last accepted counts as seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resend: Option<Field>,
}
