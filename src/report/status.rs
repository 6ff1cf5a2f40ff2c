//! The state of everything, as `status` tells it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, Zoned, civil};
use serde::Serialize;

use super::{
    jobs::{HeldBy, job_state},
    runs::ErrorView,
};
use crate::{
    config::{Config, ShopConfig, Transport},
    domain::{
        Authorization, AuthorizationId, AuthorizationState, ChannelName, Counts, EndSource, JobKind, JobState, Outcome,
        Period, Run, RunId, RunState, ShopId, days_left,
    },
    store::{InstanceRow, ScheduleRow, ShopRow, StoreError, Tx},
};

/// `status --json`.
#[derive(Debug, Serialize)]
pub struct Status {
    /// In order of id.
    pub shops: Vec<ShopStatus>,
    /// How many more shops the settings have than were asked for.
    pub more: usize,
    /// Shops that are not in the settings any more and of which data is kept.
    pub removed: Vec<ShopId>,
    /// The daemons that share the database.
    pub instances: Vec<Instance>,
    /// Our apps' client secrets whose end is written in the settings.
    pub app_secrets: Vec<AppSecret>,
    /// The settings in force.
    pub settings: SettingsStatus,
    /// The outbox.
    pub mail: MailStatus,
}

/// One shop.
#[derive(Debug, Serialize)]
pub struct ShopStatus {
    /// Its id.
    pub id: ShopId,
    /// What people call it.
    pub name: String,
    /// Its channel.
    pub channel: ChannelName,
    /// The account it works with: the channel's id.
    pub account: Option<String>,
    /// What the channel calls the account, where it says.
    pub account_name: Option<String>,
    /// The authorization's state; null where the channel needs none.
    pub state: Option<AuthorizationState>,
    /// The app that its authorization was given to, where the settings name another one now: that one has none yet.
    pub other_app: Option<String>,
    /// The owner's clock; null where the channel needs none, or nobody has authorized yet.
    pub authorization: Option<AuthorizationView>,
    /// The access token's clock.
    pub access_token: Option<TokenView>,
    /// The refresh token's clock.
    pub refresh_token: Option<TokenView>,
    /// When the next reminder is due.
    pub next_reminder_at: Option<Timestamp>,
    /// Its jobs.
    pub jobs: BTreeMap<JobKind, JobView>,
    /// How many complaints about SKUs stand.
    pub complaints: u64,
}

/// The owner's clock.
#[derive(Debug, Serialize)]
pub struct AuthorizationView {
    /// Its number.
    pub id: AuthorizationId,
    /// When it ends; null where a machine can extend it for ever.
    pub ends_at: Option<Timestamp>,
    /// How we know.
    pub source: Option<EndSource>,
    /// Days left by the calendar of the settings' time zone; negative once it has ended.
    pub days_left: Option<i64>,
    /// When the owner last gave it.
    pub authorized_at: Timestamp,
    /// When it lapsed or was revoked; null while it lives, and where nobody remembers.
    pub ended_at: Option<Timestamp>,
    /// Why it lapsed or was revoked, in the channel's words.
    pub why: Option<String>,
}

/// A token's clock.
#[derive(Debug, Serialize)]
pub struct TokenView {
    /// When it ends; null where that is not known.
    pub ends_at: Option<Timestamp>,
    /// How we know.
    pub source: Option<EndSource>,
}

/// The clock of our app's client secret on a channel.
#[derive(Debug, Serialize)]
pub struct AppSecret {
    /// The channel.
    pub channel: ChannelName,
    /// The last day on which it works, by the settings' time zone.
    pub ends_on: civil::Date,
    /// How we know: somebody wrote it into the settings.
    pub source: EndSource,
    /// Days left; negative once it has ended.
    pub days_left: i64,
}

impl TokenView {
    /// Where a token cannot be renewed, it ends with the permission: then that is how we know.
    fn access(known: &Authorization) -> Self {
        let ends_at = known.access_token.ends_at;
        let source = known.ends.filter(|ends| ends.at == ends_at).map_or(EndSource::Told, |ends| ends.source);
        Self { ends_at: Some(ends_at), source: Some(source) }
    }

    fn told(ends_at: Option<Timestamp>) -> Self {
        Self { ends_at, source: ends_at.map(|_| EndSource::Told) }
    }
}

/// One job.
#[derive(Debug, Serialize)]
pub struct JobView {
    /// As written in the settings, resolved.
    pub period: String,
    /// Its state.
    pub state: JobState,
    /// What holds it.
    pub held_by: HeldBy,
    /// The next due instant.
    pub next_due_at: Option<Timestamp>,
    /// How many complaints about SKUs it has that stand; `runs show` of its last run lists them.
    pub complaints: u64,
    /// The same by code: of an import among others what is unmatched, `unknown_sku`, `duplicate_sku`, `ambiguous_barcode`.
    pub complaints_by_code: BTreeMap<String, u64>,
    /// The newest run that began.
    pub last: Option<LastRun>,
}

/// The newest run of a job.
#[derive(Debug, Serialize)]
pub struct LastRun {
    /// Its number.
    pub run_id: RunId,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When it is tried again; null unless an attempt failed or waits.
    pub retry_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// What it did.
    pub counts: Counts,
    /// What went wrong.
    pub error: Option<ErrorView>,
}

/// One daemon.
#[derive(Debug, Serialize)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// The program's version.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// The settings it serves.
    pub settings_digest: String,
    /// Whether it stands by.
    pub standing_by: bool,
    /// Why it refused the newest settings files that it found.
    pub settings_error: Option<String>,
}

/// The settings in force.
#[derive(Debug, Serialize)]
pub struct SettingsStatus {
    /// When they were last accepted.
    pub loaded_at: Option<Timestamp>,
    /// Why the newest edit was refused; of several instances with the name of the one whose files are meant.
    pub error: Option<String>,
}

/// The outbox.
#[derive(Debug, Serialize)]
pub struct MailStatus {
    /// Owed.
    pub owed: u64,
    /// Refused for good.
    pub refused: u64,
    /// When the next of the owed ones is attempted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// Whether mail is switched off.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub off: bool,
}

/// Everything there is to tell at `tx.now` of these shops. Reads each table once, however many shops there are, but for the journal of
/// shops whose authorization was revoked. `reminders`: when the next reminder of a shop is due, of those that get one.
/// `refresh_token_end`: how it is known when a channel's refresh tokens end.
pub async fn status(
    tx: &mut Tx,
    config: &Config,
    among: &BTreeSet<ShopId>,
    reminders: &BTreeMap<ShopId, Timestamp>,
    needs_authorization: impl Fn(&ChannelName) -> bool,
    refresh_token_end: impl Fn(&ChannelName) -> EndSource,
) -> Result<Status, StoreError> {
    // What is not going to be sent is not announced.
    let off = matches!(config.mail.transport, Transport::None);
    let now = tx.now;
    let rows: BTreeMap<ShopId, ShopRow> =
        tx.shops_among(among).await?.into_iter().map(|row| (row.id.clone(), row)).collect();
    let mut schedules: BTreeMap<ShopId, Vec<ScheduleRow>> = BTreeMap::new();
    for schedule in tx.schedules_among(among).await? {
        if let Some(shop) = schedule.shop.clone() {
            schedules.entry(shop).or_default().push(schedule);
        }
    }
    let latest = newest_of_each(tx.latest_runs_among(among).await?);
    let mut complaints: BTreeMap<(ShopId, JobKind), BTreeMap<String, u64>> = BTreeMap::new();
    for (shop, job, code, count) in tx.complaint_counts().await? {
        complaints.entry((shop, job)).or_default().insert(code, count);
    }
    let authorizations: BTreeMap<AuthorizationId, Authorization> =
        tx.authorizations_among(among).await?.into_iter().map(|known| (known.id, known)).collect();
    let local = now.to_zoned(config.timezone.clone());
    let mut shops = Vec::new();
    for (id, shop) in config.shops.iter().filter(|(id, _)| among.contains(*id)) {
        let row = rows.get(id);
        let given = row.and_then(|row| row.authorization).and_then(|number| authorizations.get(&number));
        let authorization = given.filter(|known| row.is_some_and(|row| row.works_with(known)));
        let mut jobs = jobs_of(id, shop, schedules.get(id).map_or(&[][..], Vec::as_slice), &latest, now);
        for (job, view) in &mut jobs {
            view.complaints_by_code = complaints.remove(&(id.clone(), *job)).unwrap_or_default();
            view.complaints = view.complaints_by_code.values().sum();
        }
        let needs = needs_authorization(&shop.channel);
        let mut status = shop_status(id, shop, authorization, jobs, needs, &local);
        if let Some(token) = status.refresh_token.as_mut().filter(|token| token.source.is_some()) {
            token.source = Some(refresh_token_end(&shop.channel));
        }
        status.other_app = given.filter(|_| authorization.is_none()).map(|given| given.account.app.clone());
        status.next_reminder_at = reminders.get(id).filter(|_| !off).copied();
        if let Some(view) = status.authorization.as_mut().filter(|_| status.state == Some(AuthorizationState::Revoked))
        {
            view.ended_at = revoked_at(tx, id).await?;
        }
        shops.push(status);
    }
    let removed = tx.shop_ids().await?.into_iter().filter(|id| !config.shops.contains_key(id)).collect();
    let (owed, refused) = tx.mail_counts().await?;
    let next_attempt_at = tx.next_mail_at().await?.filter(|_| !off);
    let instances = tx.instances().await?;
    Ok(Status {
        more: config.shops.len() - shops.len(),
        shops,
        removed,
        settings: settings(tx, &instances).await?,
        // The dead stay on record for a while, for their peers.
        instances: instances.into_iter().filter(|row| !row.dead).map(instance).collect(),
        app_secrets: app_secrets(config, &local),
        mail: MailStatus { owed, refused, next_attempt_at, off },
    })
}

/// When the channel ended a shop's authorization, as far as the journal remembers. Little happens to a shop after that.
async fn revoked_at(tx: &mut Tx, shop: &ShopId) -> Result<Option<Timestamp>, StoreError> {
    let lines = tx.journal(Some(shop), 50).await?;
    Ok(lines.into_iter().find(|(_, _, event, ..)| event == "authorization.revoked").map(|(at, ..)| at))
}

fn newest_of_each(runs: Vec<Run>) -> BTreeMap<(ShopId, JobKind), Run> {
    let mut newest: BTreeMap<(ShopId, JobKind), Run> = BTreeMap::new();
    for run in runs {
        let Some(shop) = run.shop.clone() else { continue };
        let known = newest.entry((shop, run.job)).or_insert_with(|| run.clone());
        if known.id < run.id {
            *known = run;
        }
    }
    newest
}

fn shop_status(
    id: &ShopId,
    shop: &ShopConfig,
    known: Option<&Authorization>,
    jobs: BTreeMap<JobKind, JobView>,
    needs_authorization: bool,
    now: &Zoned,
) -> ShopStatus {
    let state = needs_authorization.then(|| known.map_or(AuthorizationState::Pending, |known| known.state));
    ShopStatus {
        id: id.clone(),
        name: shop.name.clone(),
        channel: shop.channel.clone(),
        account: known.map(|known| known.account.account.clone()),
        account_name: known.and_then(|known| known.account_name.clone()),
        state,
        other_app: None,
        authorization: known.map(|known| authorization_view(known, now)),
        access_token: known.map(TokenView::access),
        refresh_token: known.map(|known| TokenView::told(known.refresh_token_ends_at)),
        next_reminder_at: None,
        complaints: jobs.values().map(|job| job.complaints).sum(),
        jobs,
    }
}

fn authorization_view(known: &Authorization, now: &Zoned) -> AuthorizationView {
    AuthorizationView {
        id: known.id,
        ends_at: known.ends.map(|ends| ends.at),
        source: known.ends.map(|ends| ends.source),
        days_left: known.ends.map(|ends| days_left(ends.at, now)),
        authorized_at: known.authorized_at,
        ended_at: known.ends.map(|ends| ends.at).filter(|_| known.state == AuthorizationState::Lapsed),
        why: known.why.clone(),
    }
}

fn jobs_of(
    id: &ShopId,
    shop: &ShopConfig,
    schedules: &[ScheduleRow],
    latest: &BTreeMap<(ShopId, JobKind), Run>,
    now: Timestamp,
) -> BTreeMap<JobKind, JobView> {
    let view = |(job, period): (&JobKind, &Period)| {
        let run = latest.get(&(id.clone(), *job));
        let schedule = schedules.iter().find(|schedule| schedule.job == *job);
        let (state, held_by) = match schedule {
            Some(schedule) => job_state(schedule, run, now),
            None => (if *period == Period::None { JobState::Off } else { JobState::Idle }, None),
        };
        let view = JobView {
            period: period.to_stored(),
            state,
            held_by,
            next_due_at: schedule.and_then(|schedule| schedule.next_due_at),
            complaints: 0,
            complaints_by_code: BTreeMap::new(),
            last: run.map(last_run),
        };
        (*job, view)
    };
    shop.jobs.iter().map(view).collect()
}

fn last_run(run: &Run) -> LastRun {
    LastRun {
        run_id: run.id,
        started_at: run.started_at,
        finished_at: run.finished_at,
        retry_at: (run.state == RunState::Retryable).then_some(run.available_at),
        outcome: run.outcome,
        counts: run.counts,
        error: run.error.clone().map(|(kind, text, remedy)| ErrorView { kind, text, remedy }),
    }
}

fn app_secrets(config: &Config, now: &Zoned) -> Vec<AppSecret> {
    let ends = config.channels.iter().filter_map(|(channel, app)| Some((channel, app.client_secret_ends?)));
    ends.map(|(channel, ends_on)| AppSecret {
        channel: channel.clone(),
        ends_on,
        source: EndSource::Configured,
        days_left: i64::from((ends_on - now.date()).get_days()),
    })
    .collect()
}

fn instance(row: InstanceRow) -> Instance {
    Instance {
        id: row.id.to_string(),
        version: row.version,
        started_at: row.started_at,
        settings_digest: row.settings_digest,
        standing_by: row.standing_by,
        settings_error: row.settings_error,
    }
}

async fn settings(tx: &mut Tx, instances: &[InstanceRow]) -> Result<SettingsStatus, StoreError> {
    let loaded_at = tx.fact("settings.loaded_at").await?.and_then(|at| at.parse().ok());
    Ok(SettingsStatus { loaded_at, error: settings_error(instances) })
}

/// Why the newest settings files were refused. They lie on a machine each: where there are several, it is named.
pub(super) fn settings_error(instances: &[InstanceRow]) -> Option<String> {
    let living: Vec<&InstanceRow> = instances.iter().filter(|row| !row.dead).collect();
    let told = |row: &&InstanceRow| {
        let error = row.settings_error.as_ref()?;
        Some(if living.len() > 1 { format!("instance `{}`: {error}", row.id) } else { error.clone() })
    };
    let errors: Vec<String> = living.iter().filter_map(told).collect();
    if errors.is_empty() { None } else { Some(errors.join(" | ")) }
}
