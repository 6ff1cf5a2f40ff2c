//! Authorization refresh: the periodic look at a shop's permission. What a look does, and what follows from it, is the
//! keeper's knowledge; this is its place in the schedule.

use async_trait::async_trait;
use jiff::SignedDuration;

use crate::{
    domain::{Counts, Outcome},
    keeper::{KeeperError, TokenKeeper},
    scheduler::{Context, End, Handler, Stopped},
};

/// Looks at the authorization of a shop.
pub struct AuthorizationRefresh {
    keeper: TokenKeeper,
}

impl AuthorizationRefresh {
    /// With the keeper of all tokens.
    pub const fn new(keeper: TokenKeeper) -> Self {
        Self { keeper }
    }
}

#[async_trait]
impl Handler for AuthorizationRefresh {
    async fn run(&self, context: Context) -> Result<End, Stopped> {
        let counts = Counts::default();
        let Some(shop) = &context.shop else { return Ok(End::Ended(Outcome::Cancelled, counts)) };
        // An exchange under way is not cut off by the end of this run: it goes on by itself and keeps its answer.
        let looked = tokio::select! {
            looked = self.keeper.look(shop) => looked,
            () = context.cancel.cancelled() => return Ok(End::GivenBack(counts)),
        };
        match looked {
            Ok(_) => Ok(End::Ended(Outcome::Done, counts)),
            // It left the settings while the run waited.
            Err(KeeperError::UnknownShop(_)) => Ok(End::Ended(Outcome::Cancelled, counts)),
            Err(error) => Err(Stopped { counts, error: error.into() }),
        }
    }

    fn time_limit(&self) -> SignedDuration {
        SignedDuration::from_mins(2)
    }
}
