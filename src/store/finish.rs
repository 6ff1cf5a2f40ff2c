//! Finishing runs: how attempts end, many in one statement.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    StoreError, Tx,
    row::{Both, json, ms},
};
use crate::domain::{Counts, ErrorKind, Outcome, RunId, RunState};

/// What became of ends that were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stood {
    /// The runs whose claim still stood; the others' ends changed nothing.
    pub runs: Vec<RunId>,
    /// Other runs follow some of them at once.
    pub followed: bool,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The run is over.
    Ended(Outcome),
    /// Another attempt at this instant; `counted`: the failed one counts.
    Retry {
        /// The instant.
        at: Timestamp,
        /// Whether the failed attempt counts.
        counted: bool,
    },
    /// Given back unfinished, at a safe point, by a daemon that stops: available at once, the attempt does not count.
    GivenBack,
}

/// The end of an attempt, to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The run.
    pub id: RunId,
    /// The claim it was carried out under.
    pub lease_number: i64,
    /// How it ended.
    pub finish: Finish,
    /// What it did (added to what earlier attempts did).
    pub counts: Counts,
    /// Its error: kind, text, remedy.
    pub error: Option<(ErrorKind, String, String)>,
}

impl Finished {
    /// Whether all there is to say is that it is done.
    fn is_plain(&self) -> bool {
        self.finish == Finish::Ended(Outcome::Done) && self.counts == Counts::default() && self.error.is_none()
    }
}

impl Tx {
    /// Ends attempts. Where something was asked for while a run was under way, another run follows it at once.
    pub async fn finish_runs(&mut self, finished: &[Finished]) -> Result<Stood, StoreError> {
        // Counts are added up only where an earlier attempt left some.
        const FINISH: Both = Both {
            sqlite: "update runs set state = v->>'s', outcome = v->>'o', finished_at = iif(v->>'o' is null, null, $2),
                    available_at = coalesce(v->>'at', available_at), attempt = attempt - coalesce(v->>'un', 0),
                    instance = iif(v->>'back' is null, instance, null),
                    error_kind = v->>'k', error_text = v->>'t', error_remedy = v->>'r',
                    counts = case when v->>'c' is null then counts when counts is null then v->>'c' else json_object(
                        'seen', (counts->>'seen') + (v->>'$.c.seen'),
                        'changed', (counts->>'changed') + (v->>'$.c.changed'),
                        'unchanged', (counts->>'unchanged') + (v->>'$.c.unchanged'),
                        'gone', (counts->>'gone') + (v->>'$.c.gone'),
                        'sent', (counts->>'sent') + (v->>'$.c.sent'),
                        'refused', (counts->>'refused') + (v->>'$.c.refused')) end
                from (select value as v from json_each($1)) as j
                where runs.id = v->>'i' and runs.lease_number = v->>'l' and runs.state = 'running'
                returning id, follow_trigger",
            postgres: "update runs set state = s, outcome = o,
                    finished_at = case when o is null then null else $2::bigint end,
                    available_at = coalesce(j.at, available_at), attempt = attempt - coalesce(un, 0),
                    instance = case when back is null then instance end,
                    error_kind = k, error_text = t, error_remedy = r,
                    counts = case when c is null then counts when counts is null then c::text else json_build_object(
                        'seen', (counts::json->>'seen')::bigint + (c->>'seen')::bigint,
                        'changed', (counts::json->>'changed')::bigint + (c->>'changed')::bigint,
                        'unchanged', (counts::json->>'unchanged')::bigint + (c->>'unchanged')::bigint,
                        'gone', (counts::json->>'gone')::bigint + (c->>'gone')::bigint,
                        'sent', (counts::json->>'sent')::bigint + (c->>'sent')::bigint,
                        'refused', (counts::json->>'refused')::bigint + (c->>'refused')::bigint)::text end
                from json_to_recordset($1::json)
                    as j (i bigint, l bigint, s text, o text, at bigint, un bigint, back bigint, k text, t text, r text, c json)
                where runs.id = j.i and runs.lease_number = j.l and runs.state = 'running'
                returning id, follow_trigger",
        };
        // Most runs find nothing to do, and taking a long JSON row apart is most of what their end costs.
        const FINISH_PLAIN: Both = Both {
            sqlite: "update runs set state = 'completed', outcome = 'done', finished_at = $2,
                    error_kind = null, error_text = null, error_remedy = null
                from (select value->>0 as i, value->>1 as l from json_each($1)) as j
                where runs.id = i and runs.lease_number = l and runs.state = 'running'
                returning id, follow_trigger",
            postgres: "update runs set state = 'completed', outcome = 'done', finished_at = $2,
                    error_kind = null, error_text = null, error_remedy = null
                from (select (v->>0)::bigint as i, (v->>1)::bigint as l from json_array_elements($1::json) as e (v)) as j
                where runs.id = i and runs.lease_number = l and runs.state = 'running'
                returning id, follow_trigger",
        };
        let (plain, others): (Vec<_>, Vec<_>) = finished.iter().partition(|end| end.is_plain());
        let mut written = Vec::new();
        if !plain.is_empty() {
            let rows: Vec<_> = plain.iter().map(|end| (end.id.0, end.lease_number)).collect();
            written.extend(on_db!(self.rows(FINISH_PLAIN, json(&rows), ms(self.now)))?);
        }
        if !others.is_empty() {
            let rows: Vec<_> = others.iter().map(|end| Ending::of(end, self.now)).collect();
            written.extend(on_db!(self.rows(FINISH, json(&rows), ms(self.now)))?);
        }
        let mut stood = Stood::default();
        for row in &written {
            stood.runs.push(RunId(row.int("id")?));
            stood.followed |= row.opt_text("follow_trigger")?.is_some();
        }
        if stood.followed {
            self.make_followers(&stood.runs).await?;
        }
        Ok(stood)
    }

    /// Makes the runs that follow those that are over. One that goes on later does itself what was asked for: see the claims.
    async fn make_followers(&mut self, ended: &[RunId]) -> Result<(), StoreError> {
        const SQL: Both = Both {
            sqlite: "insert into runs (shop, job, run_trigger, state, due_at, available_at, demand)
                select shop, job, follow_trigger, 'available', $2, $2, follow_demand from runs
                where id in (select value from json_each($1)) and follow_trigger is not null and finished_at is not null
                on conflict (shop, job) where state in ('available', 'running', 'retryable') do nothing",
            postgres: "insert into runs (shop, job, run_trigger, state, due_at, available_at, demand)
                select shop, job, follow_trigger, 'available', $2, $2, follow_demand from runs
                where id in (select v::bigint from jsonb_array_elements_text($1::jsonb) as j (v))
                    and follow_trigger is not null and finished_at is not null
                on conflict (shop, job) where state in ('available', 'running', 'retryable') do nothing",
        };
        on_db!(self.execute(SQL, json(ended), ms(self.now)))?;
        self.notify().await
    }

    /// The run that follows one that is over, where something was asked for while that was under way.
    pub async fn follower(&mut self, id: RunId) -> Result<Option<RunId>, StoreError> {
        const SQL: &str = "select min(next.id) as id from runs it
            join runs next on next.shop = it.shop and next.job = it.job and next.id > it.id
            where it.id = $1 and it.follow_trigger is not null and it.finished_at is not null";
        match on_db!(self.row(SQL, id.0))? {
            Some(row) => Ok(row.opt_int("id")?.map(RunId)),
            None => Ok(None),
        }
    }
}

/// The row of a bulk finish: absent keys are nulls.
#[derive(Serialize)]
struct Ending<'a> {
    i: i64,
    l: i64,
    s: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    o: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    un: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    back: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    t: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    c: Option<Counts>,
}

impl<'a> Ending<'a> {
    fn of(end: &'a Finished, now: Timestamp) -> Self {
        let error = end.error.as_ref();
        let mut row = Self {
            i: end.id.0,
            l: end.lease_number,
            s: RunState::Completed.as_str(),
            o: None,
            at: None,
            un: None,
            back: None,
            k: error.map(|(kind, ..)| kind.as_str()),
            t: error.map(|(_, text, _)| text.as_str()),
            r: error.map(|(.., remedy)| remedy.as_str()),
            c: (end.counts != Counts::default()).then_some(end.counts),
        };
        match end.finish {
            Finish::Ended(outcome) => {
                row.o = Some(outcome.as_str());
                row.s = match outcome {
                    Outcome::Done | Outcome::Partly | Outcome::Held => RunState::Completed,
                    Outcome::Failed => RunState::Discarded,
                    Outcome::Cancelled => RunState::Cancelled,
                }
                .as_str();
            }
            Finish::Retry { at, counted } => {
                row.s = RunState::Retryable.as_str();
                row.at = Some(ms(at));
                row.un = (!counted).then_some(1);
            }
            Finish::GivenBack => {
                row.s = RunState::Available.as_str();
                row.at = Some(ms(now));
                row.un = Some(1);
                row.back = Some(1);
            }
        }
        row
    }
}
