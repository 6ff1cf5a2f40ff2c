//! The work: one file per job kind, and what they share.
//!
//! A job does not know why it was started. It may be cut off at any line and run again; whatever it writes, it writes in
//! a transaction that first asks whether its claim still stands.

use std::{future::Future, sync::Arc};

use crate::{
    channels::{Access, ChannelError},
    clock::Clock,
    domain::{Counts, ErrorKind, Failure, JobKind, RunError},
    keeper::{KeeperError, ShopBook, ShopEntry, TokenKeeper},
    mail::MailerBook,
    notices::SharedPeople,
    scheduler::{Context, End, Handlers, Stopped},
    store::{Store, StoreError, Tx},
    telemetry::metrics::Metrics,
};

pub mod authorization_refresh;
pub mod product_export;
pub mod product_import;
pub mod prune;
pub mod remind;
pub mod send_mail;
#[cfg(test)]
mod tests;

/// What the jobs of shops work with.
#[derive(Clone)]
pub struct Work {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Access tokens.
    pub keeper: TokenKeeper,
    /// The shops in force.
    pub shops: ShopBook,
    /// Who is told what.
    pub people: SharedPeople,
}

/// Why a job stopped, before it is known what it did until then.
#[derive(Debug)]
pub(crate) enum Halt {
    /// A failure, for the scheduler to decide on.
    Failed(RunError),
    /// The daemon stops, or the claim was lost: ends at a safe point.
    Cancelled,
}

impl Halt {
    /// A failure in words.
    pub(crate) fn new(failure: Failure, kind: ErrorKind, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Failed(RunError { failure, kind, text: text.into(), remedy: remedy.into() })
    }

    /// How the attempt ends, having done `counts`.
    #[expect(clippy::result_large_err, reason = "an attempt's last word: once per run, never on a hot path")]
    pub(crate) fn end(self, counts: Counts) -> Result<End, Stopped> {
        match self {
            Self::Failed(error) => Err(Stopped { counts, error }),
            Self::Cancelled => Ok(End::GivenBack(counts)),
        }
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        if error.is_passing() {
            Self::new(Failure::Unavailable { retry_at: None }, ErrorKind::Unavailable, error.to_string(), "")
        } else {
            Self::new(Failure::Bug, ErrorKind::Bug, error.to_string(), "report this with the log around it")
        }
    }
}

impl From<KeeperError> for Halt {
    fn from(error: KeeperError) -> Self {
        Self::Failed(error.into())
    }
}

impl Work {
    /// The shop a run is of, as the settings in force have it. A shop that has left the settings has no work.
    pub(crate) fn entry(&self, context: &Context) -> Option<Arc<ShopEntry>> {
        self.shops.get(context.shop.as_ref()?)
    }

    /// Makes a channel call with a token that works.
    pub(crate) async fn call<T, F>(
        &self,
        entry: &ShopEntry,
        job: JobKind,
        call: impl Fn(Access) -> F,
    ) -> Result<T, Halt>
    where
        F: Future<Output = Result<T, ChannelError>>,
    {
        Ok(self.keeper.call(&entry.shop.id, job, call).await?)
    }

    /// As [`write`].
    pub(crate) async fn write(&self, context: &Context) -> Result<Tx, Halt> {
        write(&self.store, &self.clock, context).await
    }
}

/// Begins a transaction in which the run's claim stands; without it nothing may be written.
async fn write(store: &Store, clock: &Clock, context: &Context) -> Result<Tx, Halt> {
    let mut tx = store.write(clock.now()).await?;
    if context.cancel.is_cancelled() || !tx.holds_run(context.run, context.lease_number).await? {
        return Err(Halt::Cancelled);
    }
    Ok(tx)
}

/// The handlers of all jobs; mail that leaves is counted in `metrics`.
pub fn handlers(work: &Work, mailer: &MailerBook, metrics: &Metrics) -> Handlers {
    Handlers::from([
        (
            JobKind::AuthorizationRefresh,
            Arc::new(authorization_refresh::AuthorizationRefresh::new(work.keeper.clone())) as _,
        ),
        (JobKind::ProductImport, Arc::new(product_import::ProductImport::new(work.clone())) as _),
        (
            JobKind::Remind,
            Arc::new(remind::Remind::new(
                work.store.clone(),
                work.clock.clone(),
                work.people.clone(),
                work.keeper.clone(),
            )) as _,
        ),
        (
            JobKind::SendMail,
            Arc::new(send_mail::SendMail::new(
                work.store.clone(),
                work.clock.clone(),
                work.people.clone(),
                mailer.clone(),
                metrics.clone(),
            )) as _,
        ),
        (JobKind::ProductExport, Arc::new(product_export::ProductExport::new(work.clone())) as _),
    ])
}
