//! What is going to be sent, by the same rules that send it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil::Date};

use super::{People, Watched, operator::operator_mail_at, payload::merge, watched};
use crate::{
    domain::{ShopId, reminder::Due},
    store::{StoreError, Tx},
};

/// A mail that will be sent unless something happens before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpcomingMail {
    /// When.
    pub at: Timestamp,
    /// `reminder`, `ended` or `operator`.
    pub kind: &'static str,
    /// The shops it will be about.
    pub shops: Vec<ShopId>,
    /// The address.
    pub to: String,
    /// What it will be about, where its kind does not say.
    pub about: Option<String>,
}

/// When the next reminder, or the notice of the end, is due for each shop that gets one.
pub async fn next_reminders(tx: &mut Tx, people: &People) -> Result<BTreeMap<ShopId, Timestamp>, StoreError> {
    let mut next = BTreeMap::new();
    for one in watched(tx, people).await? {
        let Some(at) = one.next_at(&people.ladder, tx.now) else { continue };
        let told = one.recipients(people).into_values().flatten();
        next.extend(told.map(|shop| (shop, at)));
    }
    Ok(next)
}

/// The mails of the next `days` days, in order of time.
pub fn upcoming_mails(watched: &[Watched], people: &People, now: Timestamp, days: u32) -> Vec<UpcomingMail> {
    let horizon = now + SignedDuration::from_hours(24 * i64::from(days));
    let mut digests: BTreeMap<(String, Date), UpcomingMail> = BTreeMap::new();
    let (mut mails, mut operators) = (Vec::new(), Vec::new());
    for one in watched {
        for (at, due) in dues(one, people, now, horizon) {
            if due == Due::Ended {
                operators.push((at, one.shops.clone(), "the authorization has ended".to_owned()));
            }
            for (recipient, shops) in one.recipients(people) {
                let (kind, to) = (if due == Due::Ended { "ended" } else { "reminder" }, recipient.address);
                let mail = UpcomingMail { at, kind, shops, to, about: None };
                if due == Due::Ended {
                    mails.push(mail);
                } else {
                    add(&mut digests, people.ladder.date(at), mail);
                }
            }
        }
        if let Some(at) = one.expected_alarm().filter(|alarm| now < *alarm && *alarm <= horizon) {
            operators.push((at, one.shops.clone(), "the refresh token ends".to_owned()));
        }
    }
    for secret in &people.app_secrets {
        let mut at = now;
        while let Some(next) = people.ladder.next_secret_step(secret.ends_on, at) {
            if next > horizon || next <= at {
                break;
            }
            operators.push((next, Vec::new(), format!("the client secret of channel {} ends", secret.channel)));
            at = next;
        }
    }
    mails.extend(digests.into_values());
    mails.extend(to_operators(people, operators));
    mails.sort_by(|one, other| (one.at, one.kind, &one.to).cmp(&(other.at, other.kind, &other.to)));
    mails
}

/// What will be owed for one authorization, walked through from one instant to the next.
fn dues(one: &Watched, people: &People, now: Timestamp, horizon: Timestamp) -> Vec<(Timestamp, Due)> {
    let mut one = one.clone();
    let mut at = now;
    let mut dues = Vec::new();
    loop {
        if let Some(due) = one.due(&people.ladder, at) {
            dues.push((at, due));
            one.note(due, &people.ladder, at);
        }
        match one.next_at(&people.ladder, at) {
            Some(next) if at < next && next <= horizon => at = next,
            _ => return dues,
        }
    }
}

/// One mail per recipient and local day.
fn add(digests: &mut BTreeMap<(String, Date), UpcomingMail>, date: Date, mail: UpcomingMail) {
    let digest =
        digests.entry((mail.to.clone(), date)).or_insert_with(|| UpcomingMail { shops: Vec::new(), ..mail.clone() });
    digest.at = digest.at.min(mail.at);
    digest.shops.extend(mail.shops);
    digest.shops.sort();
    digest.shops.dedup();
}

/// What operators will have to know: the instant, the shops, and what it is.
type Occasion = (Timestamp, Vec<ShopId>, String);

/// Their mails, as far apart as they will be sent, each with all that waits for it.
fn to_operators(people: &People, mut occasions: Vec<Occasion>) -> Vec<UpcomingMail> {
    occasions.sort();
    let mut mails: Vec<UpcomingMail> = Vec::new();
    for recipient in &people.operator {
        let first = mails.len();
        for (at, shops, about) in &occasions {
            if let Some(waits) = mails[first..].last_mut().filter(|waits| *at <= waits.at) {
                merge(&mut waits.shops, shops.clone());
                let told = waits.about.get_or_insert_default();
                if !told.split("; ").any(|known| known == about) {
                    *told = format!("{told}; {about}");
                }
                continue;
            }
            let before: Vec<Timestamp> = mails[first..].iter().rev().map(|mail| mail.at).collect();
            mails.push(UpcomingMail {
                at: operator_mail_at(*at, &before),
                kind: "operator",
                shops: shops.clone(),
                to: recipient.address.clone(),
                about: Some(about.clone()),
            });
        }
    }
    mails
}
