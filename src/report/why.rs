//! Why a job ran, did not run, or failed, and what comes next: one short text.

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use super::{
    jobs::{is_guarded, job_state},
    relative,
    status::settings_error,
};
use crate::{
    config::Config,
    domain::{
        Authorization, ChannelName, ErrorKind, Hold, InstanceId, JobKind, JobState, Outcome, Period, Run, RunState,
        ShopId, counted,
    },
    store::{AppAlarm, RunFilter, ScheduleRow, ShopRow, StoreError, Tx},
};

/// What lies around the database.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// A daemon answers.
    pub daemon: bool,
    /// What keeps it from starting any run.
    pub stopped_by: Vec<String>,
}

/// `jobs why --json`.
#[derive(Debug, Serialize)]
pub struct Why {
    /// The shop.
    pub shop: ShopId,
    /// The job.
    pub job: JobKind,
    /// Its state; null where there is no such job.
    pub state: Option<JobState>,
    /// What holds it.
    pub held_by: Option<&'static str>,
    /// The next due instant.
    pub next_due_at: Option<Timestamp>,
    /// The answer, a sentence a line.
    pub text: String,
}

/// Everything the answer is made from.
struct Known<'a> {
    shop: &'a ShopId,
    job: JobKind,
    config: &'a Config,
    schedule: Option<ScheduleRow>,
    row: Option<ShopRow>,
    authorization: Option<Authorization>,
    /// Whether that was given to the app that the settings name.
    of_this_app: bool,
    alarm: Option<AppAlarm>,
    /// Who renews the tokens of the authorization just now.
    renewed_by: Option<InstanceId>,
    /// The run of the authorization, of whatever shop and job, whose instance takes up its other runs: beside peers only.
    ahead: Option<Run>,
    runs: Vec<Run>,
    complaints: u64,
    settings_error: Option<String>,
    surroundings: Surroundings,
    now: Timestamp,
}

/// That a shop has no such job.
pub fn no_such_job(shop: &ShopId, job: JobKind, channel: &ChannelName) -> String {
    format!("shop `{shop}` has no job {job}: its channel {channel} does not do that")
}

/// Answers for a shop that stands in the settings.
pub async fn why(
    tx: &mut Tx,
    config: &Config,
    shop: &ShopId,
    job: JobKind,
    surroundings: Surroundings,
) -> Result<Why, StoreError> {
    let row = tx.shop(shop).await?;
    let authorization = match row.as_ref().and_then(|row| row.authorization) {
        Some(id) => tx.authorization(id).await?,
        None => None,
    };
    let of_this_app =
        authorization.as_ref().zip(row.as_ref()).is_some_and(|(authorization, row)| row.works_with(authorization));
    let (renewed_by, ahead) = match row.as_ref().and_then(|row| row.authorization) {
        Some(id) => {
            let beside_peers = tx.instances().await?.iter().filter(|instance| !instance.dead).count() > 1;
            let ahead = if beside_peers { tx.run_under_way(id).await? } else { None };
            (tx.lease_holder(&id.lease_name()).await?, ahead)
        }
        None => (None, None),
    };
    let filter = RunFilter { shop: Some(shop.clone()), job: Some(job), ..RunFilter::default() };
    let known = Known {
        schedule: tx.schedules(Some(shop)).await?.into_iter().find(|schedule| schedule.job == job),
        runs: tx.runs(&filter, 2).await?,
        complaints: complaints_of(tx, shop, job).await?,
        settings_error: settings_error(&tx.instances().await?),
        now: tx.now,
        alarm: tx.app_alarm(shop).await?,
        renewed_by,
        ahead,
        row,
        authorization,
        of_this_app,
        shop,
        job,
        config,
        surroundings,
    };
    let (state, held_by) = match &known.schedule {
        Some(schedule) => {
            let (state, held_by) = job_state(schedule, known.runs.first(), known.now);
            (Some(state), held_by)
        }
        None => (None, None),
    };
    let next_due_at = known.schedule.as_ref().and_then(|schedule| schedule.next_due_at);
    Ok(Why { shop: shop.clone(), job, state, held_by, next_due_at, text: known.lines(state).join("\n") })
}

async fn complaints_of(tx: &mut Tx, shop: &ShopId, job: JobKind) -> Result<u64, StoreError> {
    let counts = tx.complaint_counts().await?;
    Ok(counts.iter().filter(|(of, kind, ..)| of == shop && *kind == job).map(|(.., count)| count).sum())
}

impl Known<'_> {
    fn lines(&self, state: Option<JobState>) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.surroundings.daemon {
            lines.push("no daemon is running, so nothing runs at all; start it with `systemctl start shopsyncd` or `shopsyncd run`".into());
        }
        if !self.surroundings.stopped_by.is_empty() {
            lines.push(format!("no run starts here at the moment: {}", self.surroundings.stopped_by.join("; ")));
        }
        lines.push(self.now_line(state));
        lines.extend(self.renewal_line(state));
        lines.extend(self.last_line());
        lines.extend(self.complaints_line());
        lines.extend(self.next_line(state));
        if let Some(error) = &self.settings_error {
            lines.push(format!(
                "the newest settings were refused and the ones before still serve: {error}; see `shopsyncd check`"
            ));
        }
        lines
    }

    fn name(&self) -> String {
        format!("{} of shop `{}`", self.job, self.shop)
    }

    /// What holds now.
    fn now_line(&self, state: Option<JobState>) -> String {
        let name = self.name();
        let Some(state) = state else {
            return match self.config.shops.get(self.shop).map(|shop| shop.jobs.contains_key(&self.job)) {
                Some(true) => format!("{name} has not been planned yet: no daemon has started with these settings"),
                _ => format!("{name} does not exist: its channel has no such job"),
            };
        };
        match state {
            JobState::Off if self.job == JobKind::ProductExport && self.is_source() => {
                format!("{name} is off: `{}` is the product source, which is never exported to", self.shop)
            }
            JobState::Off => format!(
                "{name} is off: its period is `None`; set `shops.{}.jobs.{}` to a period to switch it on",
                self.shop, self.job
            ),
            JobState::Running => format!("{name} is running{}{}", self.since(), self.follow_up()),
            JobState::Due if self.surroundings.daemon && self.ahead.is_some() => self.behind(),
            JobState::Due if self.surroundings.daemon && self.surroundings.stopped_by.is_empty() => {
                format!("{name} is due and waits for a free place")
            }
            JobState::Due => format!("{name} is due"),
            JobState::Idle => format!("{name} waits for its next due instant"),
            JobState::Paused => {
                format!("{name} is paused by a person; `shopsyncd shops resume {}` ends the pause", self.shop)
            }
            JobState::Retrying => self.retrying(),
            JobState::Held => self.held(),
        }
    }

    fn is_source(&self) -> bool {
        self.config.product_source.as_ref() == Some(self.shop)
    }

    /// Where a run is carried out, and since when.
    fn since(&self) -> String {
        let Some((run, begun)) = self.runs.first().and_then(|run| Some((run, run.started_at?))) else {
            return String::new();
        };
        let on = run.instance.as_ref().map(|instance| format!(" on `{instance}`")).unwrap_or_default();
        format!("{on} (begun {}, attempt {})", relative(begun, self.now), run.attempt)
    }

    /// What is due and waits for the instance that works for the same account.
    fn behind(&self) -> String {
        let name = self.name();
        let instance = self.ahead.as_ref().and_then(|ahead| ahead.instance.as_ref());
        let Some((ahead, instance)) = self.ahead.as_ref().zip(instance) else { return format!("{name} is due") };
        let shop = ahead.shop.as_ref().map(ToString::to_string).unwrap_or_default();
        let begun = ahead.started_at.map(|at| format!(", begun {}", relative(at, self.now))).unwrap_or_default();
        format!(
            "{name} is due and waits for a free place of `{instance}`, which works for the same account ({} of shop `{shop}`{begun})",
            ahead.job
        )
    }

    /// Who renews the tokens that the job needs, while somebody does.
    fn renewal_line(&self, state: Option<JobState>) -> Option<String> {
        let by = self.renewed_by.as_ref()?;
        if !matches!(state?, JobState::Running | JobState::Due | JobState::Retrying) {
            return None;
        }
        let known = self.authorization.as_ref()?;
        let begun = known.intent.map(|intent| format!(", begun {}", relative(intent.begun_at, self.now)));
        Some(format!(
            "`{by}` renews the tokens of its account `{}`{}; whatever needs them waits until that is over",
            known.account.account,
            begun.unwrap_or_default()
        ))
    }

    fn follow_up(&self) -> &'static str {
        let follows = self.runs.first().is_some_and(|run| run.follow_up.is_some());
        if follows { "; another run follows it at once, for what was asked for meanwhile" } else { "" }
    }

    fn retrying(&self) -> String {
        let Some(run) = self.runs.first() else { return self.name() };
        let when = relative(run.available_at, self.now);
        match &run.error {
            Some((ErrorKind::Throttled, text, _)) => {
                format!("{} is throttled by the channel ({text}) and goes on {when}", self.name())
            }
            Some((ErrorKind::Waiting, text, remedy)) => {
                let remedy = if remedy.is_empty() { String::new() } else { format!("; {remedy}") };
                format!("{} waits ({text}{remedy}) and looks again {when}", self.name())
            }
            Some((_, text, _)) => {
                format!("{} failed in attempt {} ({text}) and is tried again {when}", self.name(), run.attempt)
            }
            None => format!("{} is tried again {when}", self.name()),
        }
    }

    fn held(&self) -> String {
        let name = self.name();
        let shop = self.shop;
        let ask = format!("ask its owner to open the link shown by `shopsyncd shops authorize {shop}`");
        let ended = self.authorization.as_ref().and_then(|known| known.ends).map(|ends| self.date(ends.at));
        let word = self.authorization.as_ref().and_then(|known| known.why.clone());
        let word = word.map(|why| format!(" (the channel says: {why})")).unwrap_or_default();
        match self.schedule.as_ref().and_then(|schedule| schedule.held_by) {
            Some(Hold::Paused) => {
                format!("{name} is paused by a person; `shopsyncd shops resume {shop}` ends the pause")
            }
            Some(Hold::Pending) => match self.authorization.as_ref().filter(|_| !self.of_this_app) {
                Some(given) => format!(
                    "{name} is held: the authorization was given to the app `{}`, and the settings name another one now; {ask}, or set the app back",
                    given.account.app
                ),
                None => format!("{name} is held: nobody has authorized the shop yet; {ask}"),
            },
            Some(Hold::Lapsed) => format!(
                "{name} is held: the authorization ended{}; {ask}",
                ended.map(|at| format!(" on {at}")).unwrap_or_default()
            ),
            Some(Hold::Revoked) => format!(
                "{name} is held: the authorization was revoked before its end{word}; a changed password at the marketplace is a usual cause; {ask}"
            ),
            Some(Hold::RefreshNone) => format!(
                "{name} is held: `authorization_refresh` of this shop is `None`, so no automatic call is made for it; set `shops.{shop}.jobs.authorization_refresh` to a period to let it run"
            ),
            Some(Hold::ShopClosed) => {
                let why = self.row.as_ref().and_then(|row| row.closed_why.clone()).unwrap_or_default();
                format!(
                    "{name} is held: the channel says that the shop is closed ({why}); it is looked at once a day and goes on by itself"
                )
            }
            Some(Hold::ScopeMissing) => {
                let scope = self.row.as_ref().and_then(|row| row.scope_missing.clone()).unwrap_or_default();
                format!("{name} is held: the authorization lacks a right ({scope}); {ask}")
            }
            Some(Hold::AppAlarm) => {
                let AppAlarm { why, keys: [id_key, secret_key] } = self.alarm.clone().unwrap_or_default();
                let channel = self.config.shops.get(shop).map(|known| known.channel.to_string()).unwrap_or_default();
                format!(
                    "{name} is held: {channel} refuses our app ({why}), so all its shops wait; mend `{id_key}` and `{secret_key}` of `channels.{channel}` and reload"
                )
            }
            Some(Hold::NoSource) => format!(
                "{name} is held: no product source is named; set `product_source` to the shop whose products are the truth"
            ),
            None if is_guarded(self.runs.first()) => self.guarded(),
            None => name,
        }
    }

    fn guarded(&self) -> String {
        let text =
            self.runs.first().and_then(|run| run.error.as_ref()).map(|(_, text, _)| text.as_str()).unwrap_or_default();
        let shop = self.shop;
        format!(
            "{} is held by a guard: {text}; look at `shopsyncd jobs run {shop} product_export --dry-run`, and let this plan through with `shopsyncd jobs run {shop} product_export --release-guard`",
            self.name()
        )
    }

    /// How the last finished run went.
    fn last_line(&self) -> Option<String> {
        let run = self.runs.iter().find(|run| run.state.is_final())?;
        let ended = run.finished_at?;
        let how = match (run.outcome, &run.error) {
            (_, Some((ErrorKind::Guard, _, _))) => return None,
            (Some(Outcome::Done), _) if run.deaths > 0 => "done, after another instance had died with it".to_owned(),
            (Some(Outcome::Done), _) => "done".to_owned(),
            (Some(Outcome::Partly), _) => {
                let skus = counted(run.counts.refused, "SKU", "SKUs");
                format!("partly done: {skus} refused, see `shopsyncd runs show {}`", run.id)
            }
            (outcome, Some((_, text, remedy))) => {
                let outcome = outcome.map_or("ended", Outcome::as_str);
                let remedy = if remedy.is_empty() { String::new() } else { format!("; {remedy}") };
                format!("{outcome}: {text}{remedy}")
            }
            (outcome, None) => outcome.map_or("ended", Outcome::as_str).to_owned(),
        };
        let covers = if run.covers > 1 { format!(", for {} due instants", run.covers) } else { String::new() };
        let when = format!("{} ({})", self.instant(ended), relative(ended, self.now));
        Some(format!("its last run ({}, trigger {}{covers}) ended {when}: {how}", run.id, run.trigger.as_str()))
    }

    /// What is wrong with single SKUs, also where the last run had nothing to say of them because nothing had changed.
    fn complaints_line(&self) -> Option<String> {
        let run = self.runs.first()?;
        (self.complaints > 0).then(|| {
            let complaints = counted(self.complaints, "complaint about a SKU stands", "complaints about SKUs stand");
            format!("{complaints}; `shopsyncd runs show {}` lists what is wrong", run.id)
        })
    }

    /// When the next one is, and the rule that says so.
    fn next_line(&self, state: Option<JobState>) -> Option<String> {
        let schedule = self.schedule.as_ref()?;
        if state == Some(JobState::Off) || self.runs.first().is_some_and(|run| run.state == RunState::Running) {
            return None;
        }
        let Some(next) = schedule.next_due_at else {
            return (state == Some(JobState::Held))
                .then(|| "nothing that was missed is lost: it is caught up unasked once this has passed".to_owned());
        };
        let rule = match &schedule.period {
            Period::None => "asked for by the work itself".to_owned(),
            _ if schedule.held_by.is_some() => "one look a day while held".to_owned(),
            period if schedule.grid_at == Some(next) => format!("period {}, {}", period.to_stored(), self.origin()),
            _ => "earlier than the period, because a token is to be renewed".to_owned(),
        };
        let label = if next > self.now { "next" } else { "due since" };
        Some(format!("{label}: {} ({}; {rule})", self.instant(next), relative(next, self.now)))
    }

    /// Where the period comes from.
    fn origin(&self) -> String {
        let channel = self.config.shops.get(self.shop).map(|shop| shop.channel.to_string()).unwrap_or_default();
        let places = [
            (format!("shops.{}.jobs.{}", self.shop, self.job), "the shop's own"),
            (format!("channels.{channel}.jobs.{}", self.job), "the channel's"),
        ];
        for (key, words) in places {
            if let Some(origin) = self.config.origin(&key) {
                return format!("{words}, {}:{}", origin.file, origin.line);
            }
        }
        "the channel's built-in default".into()
    }

    fn zone(&self) -> TimeZone {
        self.config.timezone.clone()
    }

    fn date(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone()).strftime("%Y-%m-%d").to_string()
    }

    fn instant(&self, at: Timestamp) -> String {
        super::instant(&at.to_zoned(self.zone()))
    }
}
