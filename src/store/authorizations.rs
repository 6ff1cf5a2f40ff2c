//! Authorizations: sealed tokens, replaced only from the generation that was read.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    StoreError, Tx,
    bulk::shop_rows,
    row::{Both, Row, ms, opt_ms},
};
use crate::{
    domain::{
        Account, Authorization, AuthorizationId, AuthorizationState, ChannelName, Doubt, EndClock, EndSource, Ending,
        Intent, Lease, ShopId,
    },
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

impl SealedTokens {
    /// All that is sealed.
    pub fn sealed(&self) -> impl Iterator<Item = &Sealed> {
        [Some(&self.access_token), self.refresh_token.as_ref(), self.previous_refresh_token.as_ref()]
            .into_iter()
            .flatten()
    }
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

fn authorization(row: &Row) -> Result<Authorization, StoreError> {
    const TABLE: &str = "authorizations";
    let source = row.opt_named(TABLE, "ends_source", EndSource::from_name)?;
    let intent = match row.opt_instant("intent_begun_at")? {
        None => None,
        Some(begun_at) => Some(Intent {
            begun_at,
            generation: row.opt_int("intent_generation")?.unwrap_or_default(),
            unanswered: row.opt_int("intent_unanswered")?.and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
            doubt: row.opt_named(TABLE, "intent_doubt", Doubt::from_name)?.unwrap_or(Doubt::CutOff),
        }),
    };
    Ok(Authorization {
        id: AuthorizationId(row.int("id")?),
        account: Account {
            channel: ChannelName::from(row.text("channel")?.as_str()),
            app: row.text("app")?,
            account: row.text("account")?,
        },
        account_name: row.opt_text("account_name")?,
        state: row.named(TABLE, "state", AuthorizationState::from_name)?,
        why: row.opt_text("why")?,
        grant_number: row.int("grant_number")?,
        generation: row.int("generation")?,
        authorized_at: row.instant("authorized_at")?,
        ends: row.opt_instant("ends_at")?.map(|at| Ending { at, source: source.unwrap_or(EndSource::Computed) }),
        access_token: EndClock {
            issued_at: row.instant("access_token_issued_at")?,
            ends_at: row.instant("access_token_ends_at")?,
        },
        refresh_token_ends_at: row.opt_instant("refresh_token_ends_at")?,
        probed_at: row.opt_instant("probed_at")?,
        intent,
    })
}

fn sealed_tokens(row: &Row) -> Result<SealedTokens, StoreError> {
    Ok(SealedTokens {
        generation: row.int("generation")?,
        access_token: row.sealed("access_token")?,
        refresh_token: row.opt_sealed("refresh_token")?,
        previous_refresh_token: row.opt_sealed("previous_refresh_token")?,
    })
}

fn bytes(sealed: Option<&Sealed>) -> Option<&[u8]> {
    sealed.map(|sealed| sealed.0.as_slice())
}

impl Tx {
    /// Records an owner's consent: makes the account's authorization, or renews it (grant number and generation grow by
    /// one, state active, `why`, probe, alarm and intent cleared, end replaced, former tokens gone). `seal` is called with the row's
    /// number and its new generation and returns what to write.
    pub async fn grant(
        &mut self,
        new: &NewGrant,
        seal: impl FnOnce(AuthorizationId, i64) -> SealedGrant + Send,
    ) -> Result<Authorization, StoreError> {
        // The row comes first, since sealing needs its number: nobody sees it before this transaction commits.
        const MAKE: &str = "
            insert into authorizations
                (channel, app, account, state, grant_number, generation, authorized_at,
                 access_token, access_token_issued_at, access_token_ends_at)
            values ($1, $2, $3, 'pending', 0, 0, $4, $5, 0, 0)
            on conflict (channel, app, account) do nothing";
        const RENEW: &str = "
            update authorizations set grant_number = grant_number + 1, generation = generation + 1, state = 'active', why = null,
                authorized_at = $4, account_name = coalesce($5, account_name), probed_at = null,
                intent_begun_at = null, intent_generation = null, intent_unanswered = null, intent_doubt = null,
                previous_refresh_token = null
            where channel = $1 and app = $2 and account = $3
            returning id, generation";
        const WRITE: &str = "
            update authorizations set access_token = $2, access_token_issued_at = $3, access_token_ends_at = $4,
                refresh_token = $5, refresh_token_ends_at = $6, ends_at = $7, ends_source = $8
            where id = $1
            returning *";
        let (channel, app, account) =
            (new.account.channel.as_str(), new.account.app.as_str(), new.account.account.as_str());
        let (at, nothing) = (ms(new.authorized_at), Vec::<u8>::new());
        on_db!(self.execute(MAKE, channel, app, account, at, nothing.as_slice()))?;
        let row = on_db!(self.row(RENEW, channel, app, account, at, new.account_name.as_deref()))?;
        let row = row.ok_or(sqlx::Error::RowNotFound)?;
        let (id, generation) = (row.int("id")?, row.int("generation")?);
        let grant = seal(AuthorizationId(id), generation);
        let row = on_db!(self.row(
            WRITE,
            id,
            grant.access_token.0.as_slice(),
            ms(grant.access_token_issued_at),
            ms(grant.access_token_ends_at),
            bytes(grant.refresh_token.as_ref()),
            opt_ms(grant.refresh_token_ends_at),
            opt_ms(grant.ends.map(|ends| ends.at)),
            grant.ends.map(|ends| ends.source.as_str()),
        ))?;
        authorization(&row.ok_or(sqlx::Error::RowNotFound)?)
    }

    /// Replaces the tokens by those of a consent that is still to be recorded (see [`Self::grant_kept`]), whatever generation stands:
    /// the generation grows by one, the intent is cleared, former tokens are gone, everything else stays. `seal` is called with the
    /// new generation. `false`: there is no such authorization.
    pub async fn keep_granted(
        &mut self,
        id: AuthorizationId,
        seal: impl FnOnce(i64) -> SealedGrant + Send,
    ) -> Result<bool, StoreError> {
        const MOVE: &str = "update authorizations set generation = generation + 1 where id = $1 returning generation";
        const WRITE: &str = "
            update authorizations set access_token = $2, access_token_issued_at = $3, access_token_ends_at = $4,
                refresh_token = $5, refresh_token_ends_at = $6, previous_refresh_token = null,
                intent_begun_at = null, intent_generation = null, intent_unanswered = null, intent_doubt = null
            where id = $1";
        let Some(row) = on_db!(self.row(MOVE, id.0))? else { return Ok(false) };
        let grant = seal(row.int("generation")?);
        let written = on_db!(self.execute(
            WRITE,
            id.0,
            grant.access_token.0.as_slice(),
            ms(grant.access_token_issued_at),
            ms(grant.access_token_ends_at),
            bytes(grant.refresh_token.as_ref()),
            opt_ms(grant.refresh_token_ends_at),
        ))?;
        Ok(written > 0)
    }

    /// Records an owner's consent whose tokens are kept already (and may have been renewed since): as [`Self::grant`] does, but for
    /// the tokens, their generation and their intent. `None`: there is no such authorization.
    pub async fn grant_kept(
        &mut self,
        id: AuthorizationId,
        new: &NewGrant,
        ends: Option<Ending>,
    ) -> Result<Option<Authorization>, StoreError> {
        const SQL: &str = "
            update authorizations set grant_number = grant_number + 1, state = 'active', why = null, probed_at = null,
                authorized_at = $2, account_name = coalesce($3, account_name), ends_at = $4, ends_source = $5
            where id = $1
            returning *";
        let row = on_db!(self.row(
            SQL,
            id.0,
            ms(new.authorized_at),
            new.account_name.as_deref(),
            opt_ms(ends.map(|ends| ends.at)),
            ends.map(|ends| ends.source.as_str()),
        ))?;
        row.as_ref().map(authorization).transpose()
    }

    /// Replaces the tokens after a refresh, from generation `from`, while `lease` stands; clears the intent, keeps the
    /// spent refresh token as the previous one, the state becomes active. A grant without an end leaves the one on record.
    /// `renewed`: the new end counts as an owner's renewal given now, so that the grant number grows too. `false`: the generation
    /// has moved on or the lease was lost; nothing was written.
    pub async fn replace_tokens(
        &mut self,
        id: AuthorizationId,
        from: i64,
        lease: &Lease,
        grant: &SealedGrant,
        renewed: bool,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            update authorizations set generation = generation + 1, state = 'active', why = null,
                access_token = $3, access_token_issued_at = $4, access_token_ends_at = $5,
                previous_refresh_token = refresh_token, refresh_token = $6, refresh_token_ends_at = $7,
                ends_at = coalesce($8, ends_at), ends_source = coalesce($9, ends_source),
                grant_number = grant_number + $10, authorized_at = case when $10 = 1 then $11 else authorized_at end,
                intent_begun_at = null, intent_generation = null, intent_unanswered = null, intent_doubt = null
            where id = $1 and generation = $2";
        if !self.holds_lease(lease).await? {
            return Ok(false);
        }
        let now = ms(self.now);
        let written = on_db!(self.execute(
            SQL,
            id.0,
            from,
            grant.access_token.0.as_slice(),
            ms(grant.access_token_issued_at),
            ms(grant.access_token_ends_at),
            bytes(grant.refresh_token.as_ref()),
            opt_ms(grant.refresh_token_ends_at),
            opt_ms(grant.ends.map(|ends| ends.at)),
            grant.ends.map(|ends| ends.source.as_str()),
            i64::from(renewed),
            now,
        ))?;
        Ok(written > 0)
    }

    /// Notes the end that the channel tells. `renewed`: it counts as an owner's renewal given now, so that the grant number
    /// grows. An end that is still to come is the end of a lapse. `false`: it was known already.
    pub async fn set_end(&mut self, id: AuthorizationId, ends: Ending, renewed: bool) -> Result<bool, StoreError> {
        const SQL: &str = "
            update authorizations set ends_at = $2, ends_source = $3, grant_number = grant_number + $4,
                authorized_at = case when $4 = 1 then $5 else authorized_at end,
                why = case when $2 > $5 and state = 'lapsed' then null else why end,
                state = case when $2 > $5 and state = 'lapsed' then 'active' else state end
            where id = $1 and (ends_at is distinct from $2 or ends_source is distinct from $3)";
        let now = ms(self.now);
        let source = ends.source.as_str();
        Ok(on_db!(self.execute(SQL, id.0, ms(ends.at), source, i64::from(renewed), now))? > 0)
    }

    /// Notes that the tokens of generation `from` are about to be spent, while `lease` stands. The count of unanswered
    /// exchanges of that generation grows by one with each further note. `false`: moved on or lost.
    pub async fn note_intent(&mut self, id: AuthorizationId, from: i64, lease: &Lease) -> Result<bool, StoreError> {
        const SQL: &str = "
            update authorizations set intent_begun_at = $3, intent_generation = generation,
                intent_unanswered = case
                    when intent_generation = generation then intent_unanswered + 1
                    else 0 end,
                intent_doubt = null
            where id = $1 and generation = $2";
        if !self.holds_lease(lease).await? {
            return Ok(false);
        }
        let now = ms(self.now);
        Ok(on_db!(self.execute(SQL, id.0, from, now))? > 0)
    }

    /// Takes the note back: the channel certainly did not act, or its answer was read. `instead`: what is noted in its place, for
    /// example the note that stood before, of an exchange that is as unanswered as it was. Does nothing if the lease was lost.
    pub async fn take_back_intent(
        &mut self,
        id: AuthorizationId,
        lease: &Lease,
        instead: Option<Intent>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            update authorizations
            set intent_begun_at = $2, intent_generation = $3, intent_unanswered = $4, intent_doubt = $5
            where id = $1 and intent_begun_at is not null";
        if self.holds_lease(lease).await? {
            let begun_at = opt_ms(instead.map(|intent| intent.begun_at));
            let generation = instead.map(|intent| intent.generation);
            let unanswered = instead.map(|intent| i64::from(intent.unanswered));
            let doubt = instead.and_then(|intent| intent.doubt.as_str());
            on_db!(self.execute(SQL, id.0, begun_at, generation, unanswered, doubt))?;
        }
        Ok(())
    }

    /// Changes the state, with the reason in the channel's words, from generation `from` only. `false`: it has moved on.
    pub async fn set_authorization_state(
        &mut self,
        id: AuthorizationId,
        from: i64,
        state: AuthorizationState,
        why: Option<&str>,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "update authorizations set state = $3, why = $4 where id = $1 and generation = $2";
        Ok(on_db!(self.execute(SQL, id.0, from, state.as_str(), why))? > 0)
    }

    /// Notes that a live call has just proved it.
    pub async fn set_probed(&mut self, id: AuthorizationId) -> Result<(), StoreError> {
        let now = ms(self.now);
        on_db!(self.execute("update authorizations set probed_at = $2 where id = $1", id.0, now))?;
        Ok(())
    }

    /// One authorization.
    pub async fn authorization(&mut self, id: AuthorizationId) -> Result<Option<Authorization>, StoreError> {
        on_db!(self.row("select * from authorizations where id = $1", id.0))?.as_ref().map(authorization).transpose()
    }

    /// All authorizations, in order of number.
    pub async fn authorizations(&mut self) -> Result<Vec<Authorization>, StoreError> {
        on_db!(self.rows("select * from authorizations order by id"))?.iter().map(authorization).collect()
    }

    /// The authorizations of these shops, whichever apps they were given to, in order of number.
    pub async fn authorizations_among(&mut self, among: &BTreeSet<ShopId>) -> Result<Vec<Authorization>, StoreError> {
        const SQL: Both = bulk!([shop] "select * from authorizations where id in (
                select s.authorization_id from page join shops s on s.id = page.shop)
            order by id");
        on_db!(self.rows(SQL, shop_rows(among)))?.iter().map(authorization).collect()
    }

    /// The authorizations that no shop in the settings works with, in order of number.
    pub async fn idle_authorizations(&mut self) -> Result<Vec<Authorization>, StoreError> {
        const SQL: &str = "
            select * from authorizations where (id, app) not in (
                select authorization_id, app from shops
                where configured = 1 and authorization_id is not null and app is not null)
            order by id";
        on_db!(self.rows(SQL))?.iter().map(authorization).collect()
    }

    /// Its sealed tokens.
    pub async fn sealed_tokens(&mut self, id: AuthorizationId) -> Result<Option<SealedTokens>, StoreError> {
        on_db!(self.row("select * from authorizations where id = $1", id.0))?.as_ref().map(sealed_tokens).transpose()
    }

    /// Authorizations after `id` (0: from the first) with their sealed tokens, in order of number, at most `limit`: for sealing them with another key.
    pub async fn authorizations_sealed_after(
        &mut self,
        id: AuthorizationId,
        limit: u32,
    ) -> Result<Vec<(AuthorizationId, SealedTokens)>, StoreError> {
        const SQL: &str = "select * from authorizations where id > $1 order by id limit $2";
        let rows = on_db!(self.rows(SQL, id.0, i64::from(limit)))?;
        rows.iter().map(|row| Ok((AuthorizationId(row.int("id")?), sealed_tokens(row)?))).collect()
    }

    /// Writes the same tokens sealed anew, of generation `generation` only. `false`: it has moved on, so that whoever moved it sealed
    /// the tokens with the key in force.
    pub async fn put_sealed(
        &mut self,
        id: AuthorizationId,
        generation: i64,
        tokens: &SealedTokens,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            update authorizations set access_token = $3, refresh_token = $4, previous_refresh_token = $5
            where id = $1 and generation = $2";
        let written = on_db!(self.execute(
            SQL,
            id.0,
            generation,
            tokens.access_token.0.as_slice(),
            bytes(tokens.refresh_token.as_ref()),
            bytes(tokens.previous_refresh_token.as_ref()),
        ))?;
        Ok(written > 0)
    }
}

#[cfg(test)]
impl Tx {
    /// Makes every word about authorizations fail (or work again), as where the database is away.
    pub(crate) async fn set_authorizations_away(&mut self, away: bool) -> Result<(), StoreError> {
        let sql = if away {
            "alter table authorizations rename to authorizations_away"
        } else {
            "alter table authorizations_away rename to authorizations"
        };
        on_db!(self.execute(sql))?;
        Ok(())
    }
}
