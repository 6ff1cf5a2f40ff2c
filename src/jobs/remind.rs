//! Reminders: what is owed to people is worked out and written down, in one transaction with the mails that will tell it.
//!
//! The rules are [`crate::domain::reminder`]'s, the words are the mail's. The next look is asked for at the very instant at which something
//! will be owed; the schedule's own period is only there for what moved the clocks meanwhile. That an authorization has lapsed is noted here
//! too: this job runs at its very end, whoever else looks at its shops.

use async_trait::async_trait;

use super::{Halt, write};
use crate::{
    clock::Clock,
    crash,
    domain::{Counts, Outcome},
    keeper::TokenKeeper,
    notices::{SharedPeople, owe_due},
    scheduler::{Context, End, Handler, Stopped},
    store::Store,
};

/// Works out what is owed.
pub struct Remind {
    store: Store,
    clock: Clock,
    people: SharedPeople,
    keeper: TokenKeeper,
}

impl Remind {
    /// For these people; the keeper hears of ends that have passed.
    pub const fn new(store: Store, clock: Clock, people: SharedPeople, keeper: TokenKeeper) -> Self {
        Self { store, clock, people, keeper }
    }

    async fn pass(&self, context: &Context) -> Result<Counts, Halt> {
        let people = self.people.load_full();
        // On its own: it locks schedules of shops, which the planner locks before it looks at this run.
        let mut tx = self.store.write(self.clock.now()).await?;
        self.keeper.note_lapses(&mut tx).await?;
        tx.commit().await?;
        let mut tx = write(&self.store, &self.clock, context).await?;
        let pass = owe_due(&mut tx, &people).await?;
        crash::point("remind.before_commit");
        tx.commit().await?;
        crash::point("remind.after_commit");
        Ok(Counts { seen: pass.looked_at, changed: pass.owed, ..Counts::default() })
    }
}

#[async_trait]
impl Handler for Remind {
    async fn run(&self, context: Context) -> Result<End, Stopped> {
        match self.pass(&context).await {
            Ok(counts) => Ok(End::Ended(Outcome::Done, counts)),
            Err(halt) => halt.end(Counts::default()),
        }
    }
}

#[cfg(test)]
mod story;
