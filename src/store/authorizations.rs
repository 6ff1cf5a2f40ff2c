//! Authorizations: sealed tokens, replaced only from the generation that was read.

use jiff::Timestamp;

use super::{StoreError, Tx};
use crate::{
    domain::{Account, Authorization, AuthorizationId, AuthorizationState, Ending, Lease},
    secrets::Sealed,
};

/// Sealed tokens, with the generation they are of. Sealed for the rows `authorization/ID/access_token/GENERATION` and
/// `authorization/ID/refresh_token/GENERATION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedTokens {
    /// The generation.
    pub generation: i64,
    /// The access token.
    pub access_token: Sealed,
    /// The refresh token.
    pub refresh_token: Option<Sealed>,
    /// The refresh token of the generation before, sealed for that generation.
    pub previous_refresh_token: Option<Sealed>,
}

/// What a channel granted, sealed: the clocks and tokens to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedGrant {
    /// The access token.
    pub access_token: Sealed,
    /// When it was issued.
    pub access_token_issued_at: Timestamp,
    /// When it ends.
    pub access_token_ends_at: Timestamp,
    /// The refresh token.
    pub refresh_token: Option<Sealed>,
    /// When it ends.
    pub refresh_token_ends_at: Option<Timestamp>,
    /// The authorization's end.
    pub ends: Option<Ending>,
}

/// An owner's consent, to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGrant {
    /// Whose.
    pub account: Account,
    /// What the channel calls the account.
    pub account_name: Option<String>,
    /// When the owner gave it.
    pub authorized_at: Timestamp,
}

impl Tx {
    /// Records an owner's consent: makes the account's authorization, or renews it (grant number and generation grow by
    /// one, state active, `why`, probe, alarm and intent cleared, end replaced). `seal` is called with the row's number and its new
    /// generation and returns what to write.
    pub async fn grant(
        &mut self,
        new: &NewGrant,
        seal: impl FnOnce(AuthorizationId, i64) -> SealedGrant + Send,
    ) -> Result<Authorization, StoreError> {
        todo!()
    }

    /// Replaces the tokens after a refresh, from generation `from`, while `lease` stands; clears the intent, keeps the
    /// spent refresh token as the previous one, the state becomes active. `renewed`: the new end counts as an owner's renewal, so that the grant
    /// number grows too. `false`: the generation has moved on or the lease was lost; nothing was written.
    pub async fn replace_tokens(
        &mut self,
        id: AuthorizationId,
        from: i64,
        lease: &Lease,
        grant: &SealedGrant,
        renewed: bool,
    ) -> Result<bool, StoreError> {
        todo!()
    }

    /// Notes that the tokens of generation `from` are about to be spent, while `lease` stands. The count of unanswered
    /// exchanges of that generation grows by one with each further note. `false`: moved on or lost.
    pub async fn note_intent(&mut self, id: AuthorizationId, from: i64, lease: &Lease) -> Result<bool, StoreError> {
        todo!()
    }

    /// Clears the note: the channel certainly did not act, or its answer was read.
    pub async fn clear_intent(&mut self, id: AuthorizationId, lease: &Lease) -> Result<(), StoreError> {
        todo!()
    }

    /// Changes the state, with the reason in the channel's words, from generation `from` only. `false`: it has moved on.
    pub async fn set_authorization_state(
        &mut self,
        id: AuthorizationId,
        from: i64,
        state: AuthorizationState,
        why: Option<&str>,
    ) -> Result<bool, StoreError> {
        todo!()
    }

    /// Moves the end date. `renewed`: it counts as an owner's renewal, so that the grant number grows.
    pub async fn set_end(
        &mut self,
        id: AuthorizationId,
        ends: Option<Ending>,
        renewed: bool,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Notes that a live call has just proved it.
    pub async fn set_probed(&mut self, id: AuthorizationId) -> Result<(), StoreError> {
        todo!()
    }

    /// Notes that the operator was told that the refresh token ends.
    pub async fn set_alarmed(&mut self, id: AuthorizationId) -> Result<(), StoreError> {
        todo!()
    }

    /// One authorization.
    pub async fn authorization(&mut self, id: AuthorizationId) -> Result<Option<Authorization>, StoreError> {
        todo!()
    }

    /// The account's authorization.
    pub async fn authorization_of(&mut self, account: &Account) -> Result<Option<Authorization>, StoreError> {
        todo!()
    }

    /// All authorizations, in order of number.
    pub async fn authorizations(&mut self) -> Result<Vec<Authorization>, StoreError> {
        todo!()
    }

    /// Its sealed tokens.
    pub async fn sealed_tokens(&mut self, id: AuthorizationId) -> Result<Option<SealedTokens>, StoreError> {
        todo!()
    }
}
