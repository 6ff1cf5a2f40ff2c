//! The housekeeping calendar: pruning, optimising, backing up, at times when being late harms nobody.
//!
//! The only file that knows tokio-cron-scheduler. Nothing that shops depend on runs here: its jobs are looked at every half second on
//! the wall clock, live in memory only, and what falls due while the daemon is down is not caught up.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

/// A chore and when it is done: six fields, seconds first, in UTC.
pub type Entry = (String, Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>);

/// Why the calendar does not run.
#[derive(Debug, thiserror::Error)]
#[error("the housekeeping calendar: {0}; the daemon works on, but nothing old is deleted")]
pub struct CalendarError(#[from] JobSchedulerError);

/// Does the chores until `stop` fires.
pub async fn keep(entries: Vec<Entry>, stop: CancellationToken) -> Result<(), CalendarError> {
    let mut calendar = JobScheduler::new().await?;
    for (expression, chore) in entries {
        calendar.add(Job::new_async(expression, move |_, _| chore())?).await?;
    }
    calendar.start().await?;
    stop.cancelled().await;
    calendar.shutdown().await?;
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_chore_is_done_when_its_time_comes_and_the_calendar_ends_when_told() {
        let (done, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let chore: Entry = (
            "* * * * * *".to_owned(),
            Arc::new(move || {
                let done = done.clone();
                Box::pin(async move { done.send(()).unwrap() })
            }),
        );
        let stop = CancellationToken::new();
        let kept = tokio::spawn(keep(vec![chore], stop.clone()));
        seen.recv().await.unwrap();
        stop.cancel();
        kept.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_expression_that_is_none_is_refused() {
        let chore: Entry = ("now and then".to_owned(), Arc::new(|| Box::pin(async {})));
        keep(vec![chore], CancellationToken::new()).await.unwrap_err();
    }
}
