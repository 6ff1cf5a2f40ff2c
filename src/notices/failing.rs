//! Jobs that keep failing: the operator hears once, and once more when they work again.
//!
//! Nothing is kept about it but the mails themselves: a row of failures is named by the last run before it that ended well.

use jiff::SignedDuration;

use super::{News, People, owe_operator_mail};
use crate::{
    domain::{JobKind, Outcome, Run, RunId, RunState, ShopId},
    store::{Mail, MailState, RunFilter, StoreError, Tx},
};

/// So many runs in a row, given up one after the other, are worth a mail at once.
const IN_A_ROW: u32 = 3;
/// And fewer, where a job seldom runs, after so long.
const LASTING: SignedDuration = SignedDuration::from_hours(1);

/// Why a mail about failures that was never sent is not.
const WORKS: &str = "the job works again";

/// Looks at how the jobs of all shops last ended, and owes what the operator has to hear of it.
pub async fn owe_failing(tx: &mut Tx, people: &People) -> Result<(), StoreError> {
    let ended = tx.latest_runs(None).await?;
    for run in ended.iter().filter(|run| run.finished_at.is_some()) {
        let Some(shop) = run.shop.as_ref().filter(|shop| people.shops.contains_key(shop)) else { continue };
        match run.outcome {
            Some(Outcome::Failed) => failing(tx, people, shop, run).await?,
            Some(Outcome::Done | Outcome::Partly) => recovered(tx, people, shop, run).await?,
            Some(Outcome::Held | Outcome::Cancelled) | None => {}
        }
    }
    Ok(())
}

async fn failing(tx: &mut Tx, people: &People, shop: &ShopId, run: &Run) -> Result<(), StoreError> {
    let (last_good, failed) = row_up_to(tx, shop, run.job, None).await?;
    let lasting = failed.last().and_then(|run| run.finished_at).is_some_and(|first| first + LASTING <= tx.now);
    if failed.len() < IN_A_ROW as usize && !lasting {
        return Ok(());
    }
    let (why, remedy) = run.error.clone().map_or_else(Default::default, |(_, why, remedy)| (why, remedy));
    let news = News::JobFailing { shop: shop.clone(), name: people.name(shop), job: run.job, why, remedy };
    owe_operator_mail(tx, people, &named("failing", shop, run.job, last_good), std::slice::from_ref(shop), &news)
        .await?;
    Ok(())
}

async fn recovered(tx: &mut Tx, people: &People, shop: &ShopId, run: &Run) -> Result<(), StoreError> {
    let failed = RunFilter {
        shop: Some(shop.clone()),
        job: Some(run.job),
        state: Some(RunState::Discarded),
        ..RunFilter::default()
    };
    let Some(failed) = tx.runs(&failed, 1).await?.pop() else { return Ok(()) };
    let (last_good, _) = row_up_to(tx, shop, run.job, Some(failed.id)).await?;
    let dedup = named("failing", shop, run.job, last_good);
    let mut heard = false;
    for recipient in &people.operator {
        match tx.mail_by_dedup(&format!("{dedup}/{}", recipient.address)).await? {
            // One that still waits need not be told any more.
            Some(waits) if waits.is_open() => {
                tx.cancel_mail(waits.id, WORKS).await?;
            }
            Some(told) => heard |= may_have_heard(&told),
            None => {}
        }
    }
    if heard {
        let news = News::JobRecovered { shop: shop.clone(), name: people.name(shop), job: run.job };
        let dedup = named("recovered", shop, run.job, last_good);
        owe_operator_mail(tx, people, &dedup, std::slice::from_ref(shop), &news).await?;
    }
    Ok(())
}

/// Whether the mail that a job keeps failing, or one that took it along, has reached somebody, as far as we know.
fn may_have_heard(mail: &Mail) -> bool {
    match mail.state {
        MailState::Sent | MailState::Owed => true,
        MailState::Refused => false,
        MailState::Cancelled => !mail.silenced && mail.error.as_deref().is_some_and(|why| why.ends_with("tells it")),
    }
}

/// Whether a job has ended well since it was last given up.
pub(super) async fn has_recovered(tx: &mut Tx, shop: &ShopId, job: JobKind) -> Result<bool, StoreError> {
    let filter =
        |state| RunFilter { shop: Some(shop.clone()), job: Some(job), state: Some(state), ..RunFilter::default() };
    let good = tx.runs(&filter(RunState::Completed), 1).await?.pop();
    let failed = tx.runs(&filter(RunState::Discarded), 1).await?.pop();
    Ok(good.map(|run| run.id) > failed.map(|run| run.id))
}

/// The last run that ended otherwise than by being given up (before `before`, where that is named), and the newest runs that were given up
/// after it, at most as many as count.
async fn row_up_to(
    tx: &mut Tx,
    shop: &ShopId,
    job: JobKind,
    before: Option<RunId>,
) -> Result<(RunId, Vec<Run>), StoreError> {
    let filter = |state, before| RunFilter {
        shop: Some(shop.clone()),
        job: Some(job),
        state: Some(state),
        before,
        ..RunFilter::default()
    };
    let good = tx.runs(&filter(RunState::Completed, before), 1).await?.pop().map_or(RunId(0), |run| run.id);
    let mut failed = tx.runs(&filter(RunState::Discarded, None), IN_A_ROW).await?;
    failed.retain(|run| run.id > good);
    Ok((good, failed))
}

fn named(what: &str, shop: &ShopId, job: JobKind, last_good: RunId) -> String {
    format!("{what}/{shop}/{job}/{last_good}")
}
