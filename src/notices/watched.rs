//! What is watched: an authorization with its shops and what was said about it already.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{People, Recipient};
use crate::{
    domain::{
        Authorization, AuthorizationId, AuthorizationState, JobKind, ShopId,
        reminder::{Due, Ladder, Sent, StepDate},
    },
    store::{ReminderKind, ReminderRow, ScheduleRow, StoreError, Tx},
};

/// How long before the end of a refresh token the operator hears of it.
const ALARM: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A refresh token that ends together with its authorization is not a machine's to wind; the two instants may have been computed apart.
const TOGETHER: SignedDuration = SignedDuration::from_hours(24);

/// An authorization that people are reminded of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The authorization.
    pub authorization: Authorization,
    /// Its shops that stand in the settings; never empty.
    pub shops: Vec<ShopId>,
    /// What was said about this grant.
    pub sent: Sent,
    /// Whether its tokens are going to be renewed by plan: the refresh of one of its shops is due some time, and nothing holds it.
    pub refreshed: bool,
}

/// What was said about a grant, by its rows.
fn sent(rows: &[ReminderRow]) -> Sent {
    let mut sent = Sent { ended: rows.iter().any(|row| row.kind == ReminderKind::Ended), ..Sent::default() };
    for row in rows.iter().filter(|row| row.kind == ReminderKind::Step) {
        let dates = if row.extra { &mut sent.extra } else { &mut sent.ordinary };
        dates.extend(row.step_date);
    }
    sent
}

/// All authorizations that a shop in the settings works with. A few reads, however many there are.
pub async fn watched(tx: &mut Tx, people: &People) -> Result<Vec<Watched>, StoreError> {
    let mut shops: BTreeMap<(AuthorizationId, Option<String>), Vec<ShopId>> = BTreeMap::new();
    let among: BTreeSet<ShopId> = people.shops.keys().cloned().collect();
    for row in tx.shops_among(&among).await?.into_iter().filter(|row| row.configured) {
        if let Some(authorization) = row.authorization {
            shops.entry((authorization, row.app)).or_default().push(row.id);
        }
    }
    let mut told: BTreeMap<AuthorizationId, Vec<ReminderRow>> = BTreeMap::new();
    for row in tx.reminders_in_force().await? {
        told.entry(row.authorization).or_default().push(row);
    }
    let schedules = tx.schedules_among(&among).await?;
    let looked_at: BTreeSet<&ShopId> =
        schedules.iter().filter(|schedule| is_refresh_to_come(schedule)).filter_map(|row| row.shop.as_ref()).collect();
    let all = tx.authorizations_among(&among).await?.into_iter().filter_map(|authorization| {
        // Not those whose settings name another app than it was given to.
        let shops = shops.remove(&(authorization.id, Some(authorization.account.app.clone())))?;
        let told = told.remove(&authorization.id).unwrap_or_default();
        let refreshed = shops.iter().any(|shop| looked_at.contains(shop));
        Some(Watched { sent: sent(&told), refreshed, authorization, shops })
    });
    Ok(all.collect())
}

/// One of them; `None` where no shop in the settings works with it.
pub(super) async fn watch(
    tx: &mut Tx,
    people: &People,
    authorization: Authorization,
) -> Result<Option<Watched>, StoreError> {
    let shops = configured_shops(tx, people, &authorization).await?;
    if shops.is_empty() {
        return Ok(None);
    }
    let sent = sent(&tx.reminders_of(authorization.id, authorization.grant_number).await?);
    let mut refreshed = false;
    for shop in &shops {
        refreshed |= tx.schedules(Some(shop)).await?.iter().any(is_refresh_to_come);
    }
    Ok(Some(Watched { authorization, shops, sent, refreshed }))
}

fn is_refresh_to_come(schedule: &ScheduleRow) -> bool {
    schedule.job == JobKind::AuthorizationRefresh && schedule.next_due_at.is_some() && schedule.held_by.is_none()
}

/// The shops in the settings that work with an authorization.
pub(super) async fn configured_shops(
    tx: &mut Tx,
    people: &People,
    authorization: &Authorization,
) -> Result<Vec<ShopId>, StoreError> {
    let rows = tx.shops_of(authorization.id).await?;
    Ok(rows.into_iter().map(|row| row.id).filter(|id| people.shops.contains_key(id)).collect())
}

impl Watched {
    /// What is owed to people at `now`.
    pub fn due(&self, ladder: &Ladder, now: Timestamp) -> Option<Due> {
        let authorization = &self.authorization;
        let ends_at = authorization.ends.map(|ends| ends.at);
        let over = (!self.sent.ended).then_some(Due::Ended);
        match (authorization.state, ends_at) {
            (AuthorizationState::Pending, _) | (AuthorizationState::Active, None) => None,
            // Refused by the channel, or ended in the last hour before its date: the owner is asked at once.
            (AuthorizationState::Revoked | AuthorizationState::Lapsed, _) => over,
            (AuthorizationState::Active, Some(at)) => ladder.due(authorization.authorized_at, at, &self.sent, now),
        }
    }

    /// The next instant after `now` at which something will be owed.
    pub fn next_at(&self, ladder: &Ladder, now: Timestamp) -> Option<Timestamp> {
        let authorization = &self.authorization;
        if authorization.state != AuthorizationState::Active {
            return None;
        }
        ladder.next_at(authorization.authorized_at, authorization.ends?.at, &self.sent, now)
    }

    /// Notes in memory what [`Watched::due`] answered, as the store notes it: the steps that it covers are returned.
    pub fn note(&mut self, due: Due, ladder: &Ladder, now: Timestamp) -> Vec<StepDate> {
        let Due::Step(step) = due else {
            self.sent.ended = true;
            return Vec::new();
        };
        let Some(ends) = self.authorization.ends else { return Vec::new() };
        let covered = ladder.covered_by(step, self.authorization.authorized_at, ends.at, now);
        self.sent.note(step);
        for step in &covered {
            self.sent.note(*step);
        }
        covered.into_iter().map(StepDate::from).collect()
    }

    /// Whether anybody is to be told at all.
    pub fn is_heard(&self, people: &People) -> bool {
        self.shops.iter().any(|shop| people.is_heard(shop))
    }

    /// Who is to be told, and about which of its shops.
    pub fn recipients(&self, people: &People) -> BTreeMap<Recipient, Vec<ShopId>> {
        let mut told: BTreeMap<Recipient, Vec<ShopId>> = BTreeMap::new();
        for shop in &self.shops {
            for recipient in people.shops.get(shop).into_iter().flat_map(|shop| &shop.recipients) {
                // One address that is written with two languages is still one person.
                let known = told.keys().find(|known| known.address == recipient.address).cloned();
                let shops = told.entry(known.unwrap_or_else(|| recipient.clone())).or_default();
                if !shops.contains(shop) {
                    shops.push(shop.clone());
                }
            }
        }
        told
    }

    /// When the operator is to be alarmed because the refresh token ends while the authorization stands: the instant of the alarm, and
    /// the instant of the end.
    pub fn refresh_token_alarm(&self) -> Option<(Timestamp, Timestamp)> {
        let ends_at = self.authorization.refresh_token_ends_at?;
        let owner = self.authorization.ends.map(|ends| ends.at);
        let machines = owner.is_none_or(|owner| ends_at + TOGETHER < owner);
        (machines && self.authorization.state == AuthorizationState::Active).then(|| (ends_at - ALARM, ends_at))
    }

    /// The instant of that alarm, unless the token is replaced before, as those of a well daemon are.
    pub(super) fn expected_alarm(&self) -> Option<Timestamp> {
        let (alarm, _) = self.refresh_token_alarm()?;
        (!self.refreshed || self.authorization.refresh_at() >= alarm).then_some(alarm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Account, EndClock};

    const ISSUED: Timestamp = Timestamp::constant(1_790_000_000, 0);
    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    #[test]
    fn no_alarm_is_expected_of_a_refresh_token_that_is_replaced_before() {
        let authorization = Authorization {
            id: AuthorizationId(1),
            account: Account { channel: "shopee".into(), app: "1".to_owned(), account: "2".to_owned() },
            account_name: None,
            state: AuthorizationState::Active,
            why: None,
            grant_number: 1,
            generation: 1,
            authorized_at: ISSUED,
            ends: None,
            access_token: EndClock { issued_at: ISSUED, ends_at: ISSUED + HOUR * 4 },
            refresh_token_ends_at: Some(ISSUED + HOUR * 24 * 30),
            probed_at: None,
            intent: None,
        };
        let mut one = Watched { authorization, shops: Vec::new(), sent: Sent::default(), refreshed: true };
        let alarm = ISSUED + HOUR * 24 * 23;
        assert_eq!(one.expected_alarm(), None);
        one.refreshed = false;
        assert_eq!(one.expected_alarm(), Some(alarm), "nobody renews it");
        one.refreshed = true;
        one.authorization.access_token.ends_at = ISSUED + HOUR * 24 * 60;
        assert_eq!(one.expected_alarm(), Some(alarm), "nobody renews it so soon");
    }
}
